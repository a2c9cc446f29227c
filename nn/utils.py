"""Helpers for gradients and parameters of whole models: ``torch.nn.utils``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, wrap
from minigrad.nn.module import Module
from minigrad.ops.shape import cat, reshape
from minigrad.tensor import Tensor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, TensorBase) else parameters
    return [p.grad for p in tensors if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of ``tensors`` taken together: ``torch.nn.utils.get_total_norm``.

    Raises ``RuntimeError`` for a norm that is NaN or infinite, if ``error_if_nonfinite``.
    """
    arrays = [t._data for t in ([tensors] if isinstance(tensors, TensorBase) else tensors)]
    if not arrays:
        return wrap(np.zeros((), np.float32))
    dtype = np.result_type(*arrays)
    with np.errstate(over="ignore", invalid="ignore"):
        if norm_type == 2.0:  # BLAS, without a temporary
            total = math.sqrt(sum(float(np.dot(a.ravel(), a.ravel())) for a in arrays))
        else:
            norms = [float(np.linalg.norm(a.ravel(), norm_type)) if a.size else 0.0 for a in arrays]
            total = float(np.linalg.norm(norms, norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"the total norm of order {norm_type} of the gradients is {total}, so they cannot be clipped")
    return wrap(np.asarray(total, dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients down if their norm, taken together, is above ``max_norm``: ``torch.nn.utils.clip_grad_norm_``.

    Args:
        parameters: Tensors with gradients; those without are skipped.
        max_norm: the largest norm to let pass.
        norm_type: order of the norm; ``float("inf")`` for the largest element.
        error_if_nonfinite: raise ``RuntimeError`` if the norm is NaN or infinite.
        foreach: accepted for PyTorch's sake.

    Returns the norm before.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(10.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    scale = float(max_norm) / (float(total) + 1e-6)
    if not scale >= 1.0:  # NaN passes on, as in PyTorch
        for g in gradients:
            _write(g, lambda a: np.multiply(a, scale, out=a))
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Keep every element of the gradients between ``-clip_value`` and ``clip_value``: ``torch.nn.utils.clip_grad_value_``."""
    for g in _gradients(parameters):
        _write(g, lambda a: np.clip(a, -float(clip_value), float(clip_value), out=a))


def _write(tensor: Tensor, function: Any) -> None:
    """Give ``tensor`` the value that ``function`` writes into its array, or into a copy if somebody else holds that."""
    if not tensor._writable():
        tensor._data = tensor._data.copy()
    function(tensor._data)


def functional_call(
    module: Module, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]], args: Any = None, kwargs: dict[str, Any] | None = None
) -> Any:
    """The module's output with other values for some of its parameters and buffers: ``torch.func.functional_call``.

    Args:
        module: is left as it was.
        parameters: path -> Tensor (or several such dicts), e.g. results of ops, so that derivatives flow through them.
        args: the argument of the module, or a tuple of them. kwargs: its keyword arguments.

    Raises ``AttributeError`` for a path that the module does not have, ``ShapeError`` for another shape. A parameter that is shared
    is replaced under the names that are given only.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> nn.utils.functional_call(layer, {"weight": mg.tensor([[1.0, 10.0]])}, mg.tensor([[3.0, 4.0]]))
    tensor([[43.]])
    """
    named: dict[str, Any] = {}
    for d in [parameters] if isinstance(parameters, Mapping) else parameters:
        named.update(d)
    places = []
    for path, value in named.items():
        where, _, name = path.rpartition(".")
        owner = module.get_submodule(where)
        if name not in owner._parameter_names and name not in owner._buffer_names:
            raise AttributeError(f"functional_call: {type(module).__name__} has no parameter or buffer '{path}'")
        before = owner.__dict__[name]
        if before is not None and before.shape != value.shape:
            raise ShapeError(f"functional_call: {path} has shape {before.shape}, the value {value.shape}")
        places.append((owner.__dict__, name, before, value))
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for attributes, name, _, value in places:
            attributes[name] = value
        return module(*args, **(kwargs or {}))
    finally:
        for attributes, name, before, _ in reversed(places):
            attributes[name] = before


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of ``parameters`` in one vector, differentiable: ``torch.nn.utils.parameters_to_vector``."""
    return cat([reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give ``parameters`` the values of a vector, in order. Raises ``ShapeError`` if its length is not their number of elements."""
    parameters = list(parameters)
    sizes = [p.numel() for p in parameters]
    if vec.ndim != 1 or vec.numel() != sum(sizes):
        raise ShapeError(f"vector_to_parameters: {sum(sizes)} elements are needed, and the vector has shape {vec.shape}")
    ends = np.cumsum(sizes)
    for p, end, size in zip(parameters, ends, sizes, strict=True):
        p.data = vec._data[end - size : end].reshape(p.shape).astype(p.dtype)
