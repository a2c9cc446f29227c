"""Normalisation: batch, layer, group and instance norm are one op, :func:`standardize`.

Let m and v be mean and (biased) variance of x over ``dim`` with M elements, r = 1/sqrt(v + eps), and y = (x - m) r w + b. For gradients
g, g_m, g_v that arrive at y, m and v, where means and sums are over ``dim``::

    dw = sum(g (x - m)) r        db = sum(g)
    dx = r (g w - mean(g w) - (x - m) r^2 mean(g w (x - m))) + g_m / M + g_v 2 (x - m) / M

All values except g and x are constant over ``dim`` (w is not in layer and group norm), so dx is a g + b (x - m) + c.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import (
    ShapeError,
    aligned,
    batched,
    cast,
    joint,
    known_as,
    linear_in,
    no_grad,
    op,
    public,
    refuse_write,
    repeated,
    shape_of,
    sum_to,
    tangent,
    tensor_types,
    unnamed,
    wrap,
)
from minigrad.kernels import native
from minigrad.kernels import norm as kernels
from minigrad.kernels.native import norm as fast
from minigrad.kernels.quiet import quiet
from minigrad.ops.arguments import number, require_dtype
from minigrad.ops.batching import behind
from minigrad.ops.elementwise import add, mul, real, rsqrt, square
from minigrad.ops.precision import in_float32, promoted
from minigrad.ops.reduce import mean, sum
from minigrad.ops.shape import broadcast_to, pad, reshape, unfold
from minigrad.tree import array_of
from minigrad.types import Array, Operand, Size, Tensor

# ----------------------------------------------------------------------------------------- sums and products in one pass


def _centered_sums_samples(run, a, x, m, dim):
    return run(*[repeated(v, run.size) for v in aligned((a, x, m))], dim=behind(dim, a.ndim - 1))


@linear_in("a")
@batched(_centered_sums_samples)
@op(
    a=lambda g, x, m: g[0] + g[1] * (x - m),
    x=lambda g, a: g[1] * a,
    m=lambda g, a, m_shape: -g[1] * sum_to(a, shape=m_shape),
)
def centered_sums(a: Array, x: Array, m: Array, dim: tuple[int, ...]) -> tuple[Array, Array]:
    """The sums of ``a`` and of ``a * (x - m)`` over the dimensions ``dim``, kept with size 1. m has the shape of the results."""
    return kernels.centered_sums(a, x, m, dim)


@linear_in("y x m c", "a b c")
@batched(lambda run, *inputs: run(*[repeated(v, run.size) for v in aligned(inputs)]))
@op(
    y=lambda g, a: g * a,
    x=lambda g, b: g * b,
    m=lambda g, b: -g * b,
    a=lambda g, y: g * y,
    b=lambda g, x, m: g * (x - m),
    c=lambda g: g,
)
def blend(y: Array, x: Array, m: Array, a: Array, b: Array, c: Array) -> Array:
    """``y * a + (x - m) * b + c``, where m, a, b and c broadcast to y and x."""
    return kernels.blend(y, x, m, a, b, c)


def _affine_samples(run, x, m, a, c, shape):
    m, a, c = (None if v is None else repeated(v, run.size) for v in (m, a, c))
    return run(repeated(x, run.size), m, a, c, shape=(run.size, *shape))


@unnamed
@linear_in("x m c", "a c")
@batched(_affine_samples)
@op(
    x=lambda g, a, shape: g * reshape(a, shape),
    m=lambda g, a, m_shape, shape: reshape(sum_to(g * reshape(-a, shape), shape=shape), m_shape),
    a=lambda g, x, m, a_shape, shape: reshape(sum_to(g * (x - reshape(m, shape)), shape=shape), a_shape),
    c=lambda g, c_shape, shape: reshape(sum_to(g, shape=shape), c_shape),
)
def affine(x: Array, m: Array, a: Array, c: Array = None, *, shape: Any) -> Array:
    """``(x - m) * a + c``, where m, a and c are reshaped to ``shape``, which broadcasts to x."""
    return kernels.affine(real(x), m.reshape(shape), a.reshape(shape), c if c is None else c.reshape(shape))


# --------------------------------------------------------------------------------------------------- standardize


@joint
def _gradients(g, x, weight, bias_shape, out_1, out_2, dim, shape, eps):
    if weight is None and not bias_shape:
        shape = (1,) * x.ndim
    gy, gm, gv = g
    dx, dw, db = _standardize_input(gy, gm, gv, x, weight, out_1, rsqrt(out_2 + eps), dim, shape)
    return dx, None if weight is None else reshape(dw, weight.shape), reshape(db, bias_shape) if bias_shape else None


@native.twin(fast.normalize_back, times=0)
def _standardize_input(gy, gm, gv, x, weight, m, r, dim, shape):
    """The gradients in x, in the weight and in the bias; the last two are of ``shape``."""
    arrays = {np.ndarray} == {type(v) for v in (gy, gm, gv, x, m, r)}
    if arrays and gy.dtype == x.dtype and kernels.rows_apart(x, dim, shape):
        return kernels.normalize_rows_back(np.ascontiguousarray(gy), gm, gv, x, weight, m, r, dim, shape)
    count = max(math.prod([x.shape[d] for d in dim]), 1)
    alike = tuple(d for d in dim if shape[d] == 1)  # dimensions of the sums along which the weight is constant
    others = tuple(d for d in dim if d not in alike)
    if alike:
        kept = tuple(1 if d in alike else size for d, size in enumerate(x.shape))
        total, dot = centered_sums(gy, x, m if m.shape == kept else broadcast_to(m, kept), dim=alike)
    else:
        total, dot = gy, gy * (x - m)
    a = r
    dw, db = sum_to(dot * r, shape=shape), sum_to(total, shape=shape)
    if weight is not None:
        w = reshape(weight, shape)
        a, total, dot = r * w, total * w, dot * w
    if others:
        total, dot = sum(total, dim=others, keepdim=True), sum(dot, dim=others, keepdim=True)
    b = (gv * 2.0 - r * r * r * dot) * (1.0 / count)
    c = (gm - r * total) * (1.0 / count)
    return lambda: blend(gy, x, m, a, b, c), dw, db


def _x_forward(t, x, weight, out_1, out_2, dim, shape, eps):
    """Mean and variance move by the sums of t and of t (x - mean); the rest is one pass."""
    count = max(math.prod([x.shape[d] for d in dim]), 1)
    total, dot = centered_sums(t, x, out_1, dim=dim)
    r = rsqrt(out_2 + eps)
    a = r if weight is None else r * reshape(weight, shape)
    return blend(t, x, out_1, a, a * (r * r * dot) * (-1.0 / count), a * total * (-1.0 / count)), total * (1.0 / count), dot * (2.0 / count)


def _weight_forward(t, x, out_1, out_2, shape, eps):
    return (x - out_1) * rsqrt(out_2 + eps) * reshape(t, shape), None, None


def _bias_forward(t, x, shape):
    return broadcast_to(reshape(t, shape), x.shape), None, None


def _standardize_samples(run, x, weight, bias, dim, shape, eps):
    given = {"dim": behind(dim, x.ndim - 1), "shape": (1, *shape), "eps": eps}
    if not any(v is not None and v.shape[0] > 1 for v in (weight, bias)):
        return run(x, *[v if v is None else v[0] for v in (weight, bias)], **given)
    y, m, v = run(x, None, None, **given)
    if weight is not None:
        y = y * weight.reshape((weight.shape[0], *shape))
    return (y if bias is None else y + bias.reshape((bias.shape[0], *shape))), m, v


@unnamed
@tangent(x=_x_forward, weight=_weight_forward, bias=_bias_forward)
@batched(_standardize_samples)
@op(x=_gradients, weight=_gradients, bias=_gradients)
def standardize(x: Array, weight: Array = None, bias: Array = None, *, dim: tuple[int, ...], shape: tuple[int, ...], eps: float) -> Array:
    """``((x - mean) / sqrt(var + eps) * weight + bias, mean, var)`` over ``dim``, which mean and (biased) var keep with size 1.

    weight and bias are reshaped to ``shape``, which broadcasts to x.
    """
    return kernels.normalize(real(x), weight, bias, dim, shape, eps)


def _check_dtypes(name: str, input: Any, **parameters: Any) -> None:
    """All must have one dtype, a floating one; but the parameters of a float16 input may all be float32, as in PyTorch."""
    if input.dtype.kind != "f":
        raise TypeError(f"{name}: the input must be floating, not {input.dtype.name}")
    if input.dtype != np.float16 or any(getattr(p, "dtype", np.float32) != np.float32 for p in parameters.values()):
        require_dtype(name, input, **parameters)


def _check(name: str, input: Any, channels: int, **vectors: Any) -> None:
    """Per-channel vectors must have one entry for each channel, and dtypes that fit."""
    _check_dtypes(name, input, **vectors)
    for key, v in vectors.items():
        if v is not None and shape_of_any(v) != (channels,):
            raise ShapeError(f"{name}: {key} has shape {shape_of_any(v)} but the input {shape_of_any(input)} has {channels} channels")


def shape_of_any(x: Any) -> tuple[int, ...]:
    """The shape of a Tensor, array or number."""
    return tuple(x.shape) if hasattr(x, "shape") else shape_of(x)


@known_as("NativeBatchNormBackward0")
def batch_norm(
    input: Tensor,
    running_mean: Operand | None,
    running_var: Operand | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel over the batch (Ioffe & Szegedy 2015): ``torch.nn.functional.batch_norm``.

    In training, mean and biased variance of the batch are used, and the running statistics (Tensors or arrays of
    shape (C,), written in place) move towards mean and *unbiased* variance by ``momentum``. Otherwise the running ones are used.

    Args:
        input: (N, C, ...). weight, bias: (C,) or None.

    Raises:
        ValueError: training on a single value per channel; evaluation without running statistics; eps that is not above 0 in training.
        ShapeError: vectors that do not have C entries.
        RuntimeError: the dtypes differ (float32 parameters for a float16 input are right). TypeError: the input is not floating.

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
        y = _with_running(input, running_mean, running_var, weight, bias, per_channel, eps)
        return y if y.dtype == input.dtype else cast(y, dtype=input.dtype)
    count = math.prod(shape) // max(channels, 1)
    if count == 1:
        raise ValueError(f"batch_norm: expected more than 1 value per channel when training, got an input of shape {shape}")
    if not eps > 0:
        raise ValueError(f"batch_norm: eps must be above 0 when training, but is {eps}")
    y, m, v = _standardized(input, weight, bias, dim=(0, *range(2, len(shape))), shape=per_channel, eps=eps)
    if not count:  # an empty batch says nothing of mean and variance
        return y
    if running_mean is None and running_var is None:
        _check_momentum("batch_norm", momentum)
        return y
    move_running("batch_norm", running_mean, m, momentum)
    move_running("batch_norm", running_var, v, momentum, count / max(count - 1, 1))
    return y


@in_float32
def _with_running(input, running_mean, running_var, weight, bias, shape, eps):
    scale = rsqrt(add(running_var, eps))
    return affine(input, running_mean, scale if weight is None else mul(scale, weight), bias, shape=shape)


def _standardized(input, weight, bias, **options):
    """:func:`standardize`; of float16 mean and variance stay in float32, in which they move the running ones."""
    dtype = getattr(input, "dtype", None)
    if dtype != np.float16:
        return standardize(input, weight, bias, **options)
    wide = [x if x is None else cast(x, dtype=np.float32) for x in (input, weight, bias)]
    y, m, v = standardize(*wide, **options)
    return cast(y, dtype=dtype), m, v


def move_running(name: str, running: Any, value: Any, momentum: float, scale: float = 1.0) -> None:
    """Move running statistics, if there are any, towards those of a batch, ``scale * value``, by ``momentum``."""
    if running is None:
        _check_momentum(name, momentum)
        return
    number(name, "momentum", momentum)
    value = array_of(value)
    plain = type(running) in tensor_types and running._node is None and type(running._data) is type(value) is np.ndarray
    if plain and running.dtype == value.dtype and running._writable():  # in place, by numpy alone: in half of the time
        quiet().run(kernels.move, running._data, value.reshape(running.shape), momentum, scale)
        return
    value = reshape(value, shape_of_any(running))
    refuse_write(f"{name}, which moves its running statistics", array_of(running), value)
    with no_grad():
        running[...] = wrap(add(mul(array_of(running), 1.0 - momentum), mul(value if scale == 1.0 else mul(value, scale), momentum)))


def _check_momentum(name: str, momentum: Any) -> None:
    """Where no statistics are moved it may also be None."""
    if momentum is not None:
        number(name, "momentum", momentum)


@known_as("ViewBackward0")
def instance_norm(
    input: Tensor,
    running_mean: Operand | None = None,
    running_var: Operand | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each image by itself: ``torch.nn.functional.instance_norm``. input: (N, C, ...)."""
    shape = shape_of_any(input)
    if len(shape) < 3:
        raise ShapeError(f"instance_norm: the input must be (N, C, L, ...), not {shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n, channels, *space = shape
    _check("instance_norm", input, channels, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    count = math.prod(space)
    if count == 1:
        raise ValueError(f"instance_norm: expected more than 1 spatial element when training, got an input of shape {shape}")
    per_channel = (1, channels) + (1,) * len(space)
    y, m, v = _standardized(input, weight, bias, dim=tuple(range(2, len(shape))), shape=per_channel, eps=eps)
    for running, each, scale in ((running_mean, m, 1.0), (running_var, v, count / max(count - 1, 1))):
        move_running("instance_norm", running, mean(reshape(array_of(each), (n, channels)), dim=0), momentum, scale)
    return y


@known_as("NativeLayerNormBackward0")
def layer_norm(
    input: Tensor, normalized_shape: Size, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise over the last dimensions (Ba et al. 2016): ``torch.nn.functional.layer_norm``.

    Args:
        input: ``(*, *normalized_shape)``. weight, bias: of ``normalized_shape``, or None.

    Raises:
        ShapeError: the last dimensions of the input, or weight or bias, are not ``normalized_shape``.
        RuntimeError: the dtypes differ (float32 parameters for a float16 input are right). TypeError: the input is not floating.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.layer_norm(mg.tensor([[1.0, 2.0, 3.0]]), (3,))
    tensor([[-1.2247,  0.0000,  1.2247]])
    """
    _check_dtypes("layer_norm", input, weight=weight, bias=bias)
    over, lead = _trailing("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return _standardized(input, weight, bias, dim=over, shape=(1,) * (input.ndim - len(lead)) + lead, eps=eps)[0]


def rms_norm(input: Tensor, normalized_shape: Size, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last dimensions: ``torch.nn.functional.rms_norm``. eps: the dtype's by default.

    The result has the dtype of ``input``, whatever that of the weight is. Raises ``TypeError`` for integers.
    """
    _check_dtypes("rms_norm", input)
    over, _ = _trailing("rms_norm", input, normalized_shape, weight=weight)
    y = _rms_norm(input, over, weight, float(np.finfo(input.dtype).eps) if eps is None else eps)
    return y if y.dtype == input.dtype else cast(y, dtype=input.dtype)


@promoted
@in_float32
def _rms_norm(input: Any, over: tuple[int, ...], weight: Any, eps: float) -> Any:
    y = mul(input, rsqrt(mean(square(input), dim=over, keepdim=True) + eps))
    return y if weight is None else mul(y, weight)


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


@known_as("NativeGroupNormBackward0")
def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise over groups of channels of each image (Wu & He 2018): ``torch.nn.functional.group_norm``.

    Raises:
        ShapeError: the input is not (N, C, ...), C is not divisible by ``num_groups``, or a single image has one value in each group.
        RuntimeError: the dtypes differ. TypeError: the input is not floating.
    """
    shape = shape_of_any(input)
    if len(shape) < 2:
        raise ShapeError(f"group_norm: the input must be (N, C, ...), not {shape}")
    n, channels, *space = shape
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"group_norm: {channels} channels do not divide into {num_groups} groups (input {shape})")
    if n * (channels // num_groups) * math.prod(space) == 1:
        raise ShapeError(f"group_norm: more than 1 value per group is needed, and the input {shape} in {num_groups} groups has 1")
    _check("group_norm", input, channels, weight=weight, bias=bias)
    per_channel = (1, num_groups, channels // num_groups) + (1,) * len(space)
    grouped = reshape(input, (n, num_groups, channels // num_groups, *space))
    return reshape(_standardized(grouped, weight, bias, dim=tuple(range(2, len(shape) + 1)), shape=per_channel, eps=eps)[0], shape)


@in_float32
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each channel divided by (k + alpha times the mean square of ``size`` channels around it)^beta.

    ``torch.nn.functional.local_response_norm`` (Krizhevsky et al. 2012). input: (N, C, ...).
    """
    if input.ndim < 3:
        raise ShapeError(f"local_response_norm: the input must be (N, C, L, ...), not of shape {tuple(input.shape)}")
    if size < 1:
        raise ValueError(f"local_response_norm: size must be 1 or above, but is {size}")
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = unfold(pad(square(input), around), 1, size, 1)  # N C ... size
    return input / (mean(squares, dim=-1) * alpha + k) ** beta


public(__name__)
