"""Normalisation: batch, layer, group, instance and RMS norm are one op, :func:`standardize`, and a scale and shift.

Let m and v be mean and (biased) variance of x over ``dim`` with M elements, r = 1/sqrt(v + eps) and y = (x - m) r.
For gradients g, g_m, g_v that arrive at y, m and v::

    dx = r (g - mean(g) - y mean(g y)) + g_m / M + g_v 2 (x - m) / M

Everything but g and y is constant over ``dim``, so with x - m = y / r the gradient is a g + b y + c.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import ShapeError, no_grad, op, shape_of
from minigrad.ops.elementwise import add, div, mul, rsqrt, sqrt, square
from minigrad.ops.reduce import mean, sum
from minigrad.ops.shape import reshape


def _standardize(g, x_shape, out, dim, eps):
    gy, gm, gv = g
    y, _, v = out
    count = max(int(np.prod([x_shape[d] for d in dim])), 1)
    r = rsqrt(v + eps)
    a = r
    b = (gv * 2.0 / r - r * sum(gy * y, dim=dim, keepdim=True)) * (1.0 / count)
    c = (gm - r * sum(gy, dim=dim, keepdim=True)) * (1.0 / count)
    return gy * a + y * b + c


@op(x=_standardize)
def standardize(x, *, dim, eps):
    """``((x - mean) / sqrt(var + eps), mean, var)`` over the dimensions ``dim``, which mean and var keep with size 1. var is biased."""
    count = max(int(np.prod([x.shape[d] for d in dim])), 1)
    m = np.add.reduce(x, axis=dim, keepdims=True) / count
    y = x - m
    v = np.add.reduce(np.square(y), axis=dim, keepdims=True) / count
    y *= 1.0 / np.sqrt(v + eps)
    return y, m, v


def _affine(y: Any, weight: Any, bias: Any, shape: tuple[int, ...]) -> Any:
    """``y * weight + bias``, each reshaped to ``shape`` where given."""
    if weight is not None:
        y = mul(y, reshape(weight, shape))
    if bias is not None:
        y = add(y, reshape(bias, shape))
    return y


def _check(name: str, input: Any, channels: int, **vectors: Any) -> None:
    """Per-channel vectors must have one entry for each channel."""
    for key, v in vectors.items():
        if v is not None and shape_of_any(v) != (channels,):
            raise ShapeError(f"{name}: {key} has shape {shape_of_any(v)} but the input {shape_of_any(input)} has {channels} channels")


def shape_of_any(x: Any) -> tuple[int, ...]:
    """The shape of a Tensor, array or number."""
    return tuple(x.shape) if hasattr(x, "shape") else shape_of(x)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel over the batch (Ioffe & Szegedy 2015): ``torch.nn.functional.batch_norm``.

    In training, mean and biased variance of the batch are used, and the running statistics (Tensors or arrays of
    shape (C,), written in place) move towards mean and *unbiased* variance by ``momentum``. Otherwise the running ones are used.

    Args:
        input: (N, C, ...). weight, bias: (C,) or None.

    Raises:
        ValueError: training on a single value per channel; evaluation without running statistics.
        ShapeError: vectors that do not have C entries.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> x = mg.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> F.batch_norm(x, None, None, training=True)
    tensor([[-1.0000, -1.0000],
            [ 1.0000,  1.0000]])
    """
    shape = shape_of_any(input)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm: the input must be (N, C, ...), not {shape}")
    channels = shape[1]
    _check("batch_norm", input, channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    per_channel = (1, channels) + (1,) * (len(shape) - 2)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: running_mean and running_var are needed when training=False")
        scale = div(1.0, sqrt(running_var + eps))
        if weight is not None:
            scale = mul(scale, weight)
        shift = mul(running_mean, mul(scale, -1.0))
        if bias is not None:
            shift = add(shift, bias)
        return add(mul(input, reshape(scale, per_channel)), reshape(shift, per_channel))
    count = int(np.prod(shape)) // max(channels, 1)
    if count == 1:
        raise ValueError(f"batch_norm: expected more than 1 value per channel when training, got an input of shape {shape}")
    y, m, v = standardize(input, dim=(0, *range(2, len(shape))), eps=eps)
    with no_grad():
        _move(running_mean, reshape(m, (channels,)), momentum)
        _move(running_var, reshape(v, (channels,)) * (count / max(count - 1, 1)), momentum)
    return _affine(y, weight, bias, per_channel)


def _move(running: Any, value: Any, momentum: float) -> None:
    if running is not None:
        running[...] = running * (1.0 - momentum) + value * momentum


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel of each image by itself: ``torch.nn.functional.instance_norm``. input: (N, C, ...)."""
    shape = shape_of_any(input)
    if len(shape) < 3:
        raise ShapeError(f"instance_norm: the input must be (N, C, L, ...), not {shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n, channels, *space = shape
    _check("instance_norm", input, channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    count = int(np.prod(space))
    if count == 1:
        raise ValueError(f"instance_norm: expected more than 1 spatial element when training, got an input of shape {shape}")
    y, m, v = standardize(input, dim=tuple(range(2, len(shape))), eps=eps)
    with no_grad():
        _move(running_mean, mean(reshape(m, (n, channels)), dim=0), momentum)
        _move(running_var, mean(reshape(v, (n, channels)), dim=0) * (count / max(count - 1, 1)), momentum)
    return _affine(y, weight, bias, (1, channels) + (1,) * len(space))


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise over the last dimensions (Ba et al. 2016): ``torch.nn.functional.layer_norm``.

    Args:
        input: ``(*, *normalized_shape)``. weight, bias: of ``normalized_shape``, or None.

    Raises:
        ShapeError: the last dimensions of the input, or weight or bias, are not ``normalized_shape``.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.layer_norm(mg.tensor([[1.0, 2.0, 3.0]]), (3,))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """
    over, lead = _trailing("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    y, _, _ = standardize(input, dim=over, eps=eps)
    return _affine(y, weight, bias, lead)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last dimensions: ``torch.nn.functional.rms_norm``. eps: the dtype's by default."""
    over, lead = _trailing("rms_norm", input, normalized_shape, weight=weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _affine(mul(input, rsqrt(mean(square(input), dim=over, keepdim=True) + eps)), weight, None, lead)


def _trailing(name: str, input: Any, normalized_shape: Any, **parameters: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions that are normalised over, and the shape of the parameters."""
    last = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    shape = shape_of_any(input)
    if not last or shape[-len(last) :] != last:
        raise ShapeError(f"{name}: the input {shape} does not end in normalized_shape {last}")
    for key, p in parameters.items():
        if p is not None and shape_of_any(p) != last:
            raise ShapeError(f"{name}: {key} has shape {shape_of_any(p)} but normalized_shape is {last}")
    return tuple(range(len(shape) - len(last), len(shape))), last


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise over groups of channels of each image (Wu & He 2018): ``torch.nn.functional.group_norm``.

    Raises:
        ShapeError: the input is not (N, C, ...), or C is not divisible by ``num_groups``.
    """
    shape = shape_of_any(input)
    if len(shape) < 2:
        raise ShapeError(f"group_norm: the input must be (N, C, ...), not {shape}")
    n, channels, *space = shape
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"group_norm: {channels} channels do not divide into {num_groups} groups (input {shape})")
    _check("group_norm", input, channels, weight=weight, bias=bias)
    y, _, _ = standardize(reshape(input, (n, num_groups, channels // num_groups, *space)), dim=tuple(range(2, len(shape) + 1)), eps=eps)
    return _affine(reshape(y, shape), weight, bias, (1, channels) + (1,) * len(space))
