"""Helpers for gradients and parameters of whole models: ``torch.nn.utils``."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.engine import ShapeError, Shell, TensorBase, get_default_dtype, inside, no_grad, wrap
from minigrad.nn.module import Module, Parameter
from minigrad.nn.utils import parametrizations, parametrize, prune
from minigrad.nn.utils.norm_hooks import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm
from minigrad.ops.arguments import check
from minigrad.ops.elementwise import rsqrt
from minigrad.ops.shape import cat, reshape
from minigrad.random import numpy_generator
from minigrad.tensor import Tensor

M = TypeVar("M", bound=Module)


def _tensors(name: str, what: str, given: Any) -> list[Tensor]:
    """One Tensor or several, in a list; in place of a complex pair its real numbers."""
    tensors = [given] if isinstance(given, (TensorBase, Shell)) else given
    check(name, {what: tensors}, **{what: "an iterable"})
    found: list[Any] = [inside(t) for t in tensors]
    for tensor in found:
        check(name, {what: tensor}, **{what: "a Tensor"})
    return found


def _gradients(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = _tensors(name, "parameters", parameters)
    return [p.grad for p in tensors if p.grad is not None]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of ``tensors`` taken together: ``torch.nn.utils.get_total_norm``.

    Raises ``RuntimeError`` for a norm that is NaN or infinite, if ``error_if_nonfinite``.
    """
    check("get_total_norm", locals(), norm_type="not NaN")
    arrays = [t._data for t in _tensors("get_total_norm", "tensors", tensors)]
    if not arrays:
        return wrap(np.zeros((), get_default_dtype()))
    dtype = np.result_type(*arrays)
    with np.errstate(over="ignore", invalid="ignore"):
        if norm_type == 2.0:  # BLAS, without a temporary
            total = math.sqrt(sum(float(np.dot(a.ravel(), a.ravel())) for a in arrays))
        else:
            norms = [float(np.linalg.norm(a.ravel(), norm_type)) if a.size else 0.0 for a in arrays]
            total = float(np.linalg.norm(norms, norm_type))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"get_total_norm: the total norm of order {norm_type} of the gradients is {total}, so they cannot be clipped")
    return wrap(np.asarray(total, dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients down if their total norm is above ``max_norm``: ``torch.nn.utils.clip_grad_norm_``.

    Args:
        parameters: Tensors with gradients; those without are skipped.
        max_norm: the largest allowed norm.
        norm_type: order of the norm; ``float("inf")`` for the largest element.
        error_if_nonfinite: raise ``RuntimeError`` if the norm is NaN or infinite.
        foreach: accepted for compatibility with PyTorch.

    Returns the norm before clipping.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> w = mg.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(10.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    check("clip_grad_norm_", locals(), max_norm="0 or above, or infinite", norm_type="not NaN")
    gradients = _gradients("clip_grad_norm_", parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale_down(gradients, max_norm, total)
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor | float, foreach: bool | None = None
) -> None:
    """:func:`clip_grad_norm_` for a norm that was computed before: ``torch.nn.utils.clip_grads_with_norm_``."""
    check("clip_grads_with_norm_", locals(), max_norm="0 or above, or infinite", total_norm="a number")
    _scale_down(_gradients("clip_grads_with_norm_", parameters), max_norm, total_norm)


def _scale_down(gradients: list[Tensor], max_norm: float, total: Tensor | float) -> None:
    scale = float(max_norm) / (float(total) + 1e-6)
    if not scale >= 1.0:  # NaN propagates, as in PyTorch
        for g in gradients:
            _write(g, lambda a: np.multiply(a, scale, out=a))


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of :func:`clip_grad_norm_`: ``torch.nn.utils.clip_grad_norm``."""
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clip every element of the gradients to ``-clip_value`` ... ``clip_value``: ``torch.nn.utils.clip_grad_value_``."""
    check("clip_grad_value_", locals(), clip_value="0 or above, or infinite")
    for g in _gradients("clip_grad_value_", parameters):
        _write(g, lambda a: np.clip(a, -float(clip_value), float(clip_value), out=a))


def _write(tensor: Tensor, function: Any) -> None:
    """Let ``function`` write a new value into the array of ``tensor``, or into a copy if the array is shared."""
    in_place = tensor._writable()
    array = tensor._data if in_place else tensor._data.copy()
    function(array)
    if not in_place:
        tensor._replace(array)


def functional_call(
    module: Module,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """The module's output with replaced parameters and buffers: ``torch.func.functional_call``.

    Args:
        module: a module; it is not changed.
        parameters: path -> Tensor (or several such dicts), e.g. results of ops, so that derivatives flow through them.
        args: the argument of the module, or a tuple of them. kwargs: its keyword arguments.
        tie_weights: replace a parameter that the module has under several paths under all of them.
        strict: all parameters and buffers must be replaced.

    Raises ``AttributeError`` for a path that the module does not have, ``ShapeError`` for another shape, ``ValueError`` for two values of one
    parameter that is shared, ``RuntimeError`` for one that is missing, if ``strict``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.Linear(2, 1, bias=False)
    >>> nn.utils.functional_call(layer, {"weight": mg.tensor([[1.0, 10.0]])}, mg.tensor([[3.0, 4.0]]))
    tensor([[43.]])
    """
    check("functional_call", locals(), "kwargs", module=Module, kwargs="a dict")
    named: dict[str, Any] = {}
    several: list[Any] = list(parameters) if isinstance(parameters, (list, tuple)) else [parameters]
    for d in several:
        check("functional_call", {"parameters": d}, parameters="a dict")
        named.update(d)
    owned = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    if tie_weights:
        values: dict[int, Any] = {}
        for path, tensor in owned:
            if path in named and values.setdefault(id(tensor), named[path]) is not named[path]:
                raise ValueError(f"functional_call: {path} is shared, and given two values; tie_weights=False replaces each by its own")
        named |= {path: values[id(tensor)] for path, tensor in owned if id(tensor) in values}
    if strict and (missing := [path for path, _ in owned if path not in named]):
        raise RuntimeError(
            f"functional_call: with strict=True, all parameters and buffers must be given, and {', '.join(missing)} are missing"
        )
    places = []
    for path, value in named.items():
        where, _, name = path.rpartition(".")
        try:
            owner = module.get_submodule(where)
        except AttributeError as error:
            raise AttributeError(f"functional_call: {type(module).__name__} has no parameter or buffer '{path}'") from error
        if name not in owner._parameter_names and name not in owner._buffer_names:
            raise AttributeError(f"functional_call: {type(module).__name__} has no parameter or buffer '{path}'")
        before = owner.__dict__[name]
        if before is not None and before.shape != value.shape:
            raise ShapeError(f"functional_call: {path} has shape {tuple(before.shape)}, the value {tuple(value.shape)}")
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
    return cat([reshape(p, -1) for p in _tensors("parameters_to_vector", "parameters", parameters)])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give ``parameters`` the values of a vector, in order. Raises ``ShapeError`` if its length is not their number of elements."""
    check("vector_to_parameters", locals(), vec=TensorBase)
    parameters = _tensors("vector_to_parameters", "parameters", parameters)
    sizes = [p.numel() for p in parameters]
    if vec.ndim != 1 or vec.numel() != sum(sizes):
        raise ShapeError(
            f"vector_to_parameters: vec must have the {sum(sizes)} elements of the parameters, but its shape is {tuple(vec.shape)}"
        )
    ends = np.cumsum(sizes)
    for p, end, size in zip(parameters, ends, sizes, strict=True):
        p.data = vec._data[end - size : end].reshape(p.shape).astype(p.dtype)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module with arbitrary parameter values, made without drawing random numbers: ``torch.nn.utils.skip_init``.

    >>> from minigrad import nn
    >>> nn.utils.skip_init(nn.Linear, 3, 4).weight.shape
    torch.Size([4, 3])
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"skip_init: a subclass of nn.Module is needed, not {module_cls!r}")
    generator = numpy_generator().bit_generator
    state = generator.state
    try:
        return module_cls(*args, **kwargs)
    finally:
        generator.state = state


# ----------------------------------------------------------------------------- batch norm folded into the layer before it


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """One convolution equal to a convolution and the batch norm after it, in evaluation: ``torch.nn.utils.fuse_conv_bn_eval``.

    Args:
        conv: a convolution, or with ``transpose`` a transposed one. bn: a batch norm with running statistics.

    Raises ``ValueError`` if one of the two is in training mode, or there are no statistics.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> conv, bn = nn.Conv2d(1, 2, 3).eval(), nn.BatchNorm2d(2).eval()
    >>> x = mg.ones(1, 1, 4, 4)
    >>> bool(mg.allclose(nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6))
    True
    """
    return _fused("fuse_conv_bn_eval", conv, bn, fuse_conv_bn_weights, transpose)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """:func:`fuse_conv_bn_eval` for a linear layer: ``torch.nn.utils.fuse_linear_bn_eval``."""
    features, wanted = linear.weight.shape[0], getattr(bn, "num_features", None)
    if wanted != features and wanted != 1:
        raise ShapeError(f"fuse_linear_bn_eval: the linear layer has {features} outputs, the batch norm {wanted} features")
    return _fused("fuse_linear_bn_eval", linear, bn, fuse_linear_bn_weights)


def _fused(name: str, layer: M, bn: Any, fuse: Any, *more: Any) -> M:
    if layer.training or bn.training:
        raise ValueError(f"{name}: both modules must be in evaluation mode: call eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(f"{name}: the batch norm has no running statistics")
    new: Any = copy.deepcopy(layer)
    new.weight, new.bias = fuse(new.weight, new.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, *more)
    return new


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of :func:`fuse_conv_bn_eval`'s convolution: ``torch.nn.utils.fuse_conv_bn_weights``.

    Args:
        conv_w, conv_b: of the convolution. bn_rm, bn_rv, bn_eps, bn_w, bn_b: mean, variance, eps, weight and bias of the batch norm.
        transpose: whether dimension 1 of ``conv_w`` is that of the outputs, as in transposed convolutions.
    """
    with no_grad():
        scale = rsqrt(bn_rv + bn_eps) if bn_w is None else bn_w * rsqrt(bn_rv + bn_eps)
        shift = (bn_rm * -1.0 if conv_b is None else conv_b - bn_rm) * scale
        bias = shift if bn_b is None else shift + bn_b
        shape, ones = tuple(conv_w.shape), (1,) * (conv_w.ndim - 1 - transpose)
        if transpose:  # C O/groups *kernel: the outputs of a group are those of its input channels
            groups = scale.numel() // shape[1]
            weight = reshape(reshape(conv_w, (groups, -1, *shape[1:])) * reshape(scale, (groups, 1, -1, *ones)), shape)
        else:
            weight = conv_w * reshape(scale, (-1, *ones))
    trained = conv_w.requires_grad if conv_b is None else conv_b.requires_grad
    return Parameter(weight.to(conv_w.dtype), conv_w.requires_grad), Parameter(
        bias.to((conv_w if conv_b is None else conv_b).dtype), trained
    )


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor, bn_b: Tensor
) -> tuple[Parameter, Parameter]:
    """Weight and bias of :func:`fuse_linear_bn_eval`'s layer: ``torch.nn.utils.fuse_linear_bn_weights``. As :func:`fuse_conv_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "functional_call", "fuse_conv_bn_eval",
    "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights", "get_total_norm", "parameters_to_vector", "parametrizations",
    "parametrize", "remove_spectral_norm", "remove_weight_norm", "skip_init", "spectral_norm", "vector_to_parameters", "weight_norm",
]  # fmt: skip
