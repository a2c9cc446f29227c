"""Activation functions, with the names and signatures of ``torch.nn.functional``; all are elementwise, for any shape.

Where PyTorch has ``inplace``, ``inplace=True`` gives the Tensor ``input`` itself the new value, as ``input.relu_()`` does,
and returns it. No other tensor changes, and it saves no memory.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, elementwise, is_grad_enabled, known_as, op, public, shape_of
from minigrad.kernels import maps, native, special
from minigrad.kernels.native import maps as fast
from minigrad.kernels.quiet import quiet
from minigrad.ops import signatures as like
from minigrad.ops.arguments import number, number_of, positive_dim, require_dtype
from minigrad.ops.elementwise import abs, erf, exp, logical_and, logical_or, mul, real, sigmoid, sub, tanh, where
from minigrad.ops.precision import in_float32
from minigrad.ops.shape import chunk, reshape
from minigrad.random import drawn
from minigrad.types import Array, Tensor, called_as


def with_inplace(function: Callable) -> Callable:
    """``function`` with an additional last argument, ``inplace=False``."""
    signature = inspect.signature(function)
    parameters = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in signature.parameters.values()]
    flag = inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=bool)

    @functools.wraps(function)
    def call(input: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        if len(args) == len(parameters):
            *args, inplace = args  # type: ignore[assignment]
        out = function(input, *args, **kwargs)
        if not inplace or out is input:
            return out
        if not isinstance(input, TensorBase):
            raise TypeError(f"{function.__name__}: inplace=True needs a Tensor, not {type(input).__name__}")
        input._refuse_lost_write(f"{function.__name__}_")  # type: ignore[attr-defined]
        return input._assign(out, f"{function.__name__}_")  # type: ignore[attr-defined]

    call.__signature__ = signature.replace(parameters=[*parameters, flag])  # type: ignore[attr-defined]
    return call


def _always(function: Callable) -> Callable:
    """A function that calls ``function`` with ``inplace=True``, as the functions of ``torch.nn.functional`` that end in ``_``."""

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, inplace=True, **kwargs)

    *parameters, _ = inspect.signature(function).parameters.values()
    call.__signature__ = inspect.Signature(parameters, return_annotation="Tensor")  # type: ignore[attr-defined]
    call.__annotations__ = dict(function.__annotations__)
    call.__name__ = call.__qualname__ = f"{function.__name__}_"
    call.__code__ = call.__code__.replace(co_name=call.__name__, co_qualname=call.__name__)  # what a traceback says, and a picture
    call.__doc__ = f"Give the Tensor ``input`` the value of :func:`{function.__name__}`, and return it."
    return call


# ------------------------------------------------------------------------------------ piecewise linear functions


@elementwise
@op(y=lambda g, result: relu_input(g, result), result=None)
@native.twin(fast.each("relu_back", 2))
def relu_input(y: Array, result: Array) -> Array:
    """The gradient of :func:`relu`: ``y``, that of the result, where the result is above 0 (or NaN), else 0. It is linear in ``y``."""
    return where(result <= 0, 0.0, y)


@native.twin(fast.each("relu"))
def _relu(x: Array) -> Array:
    return np.maximum(x, 0) if x.size < maps.LARGE else maps.positive(x)


@called_as(like.activation)
@with_inplace
@elementwise
@op(input=lambda g, out: relu_input(g, out))
def relu(input: Array) -> Array:
    """max(x, 0): ``torch.relu``. Its gradient at 0 is 0. Only the result is kept for the backward pass.

    >>> import minigrad as mg
    >>> x = mg.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> mg.relu(x).sum().backward()
    >>> x.grad
    tensor([0., 0., 1.])
    """
    return _relu(input)


@native.twin(fast.each("clipped_back", 2))
def _clipped_input(g, out, low, high, factor):
    inside = logical_and(out > low, out < high)
    return where(inside, g if factor == 1.0 else g * factor, 0.0)


@native.twin(fast.each("clipped"))
def _clipped(x, low, high, add, factor):
    out = np.clip(x + add if add else x, low, high)
    return out if factor == 1.0 else out * factor


@elementwise
@op(input=lambda g, out, min_val, max_val: _clipped_input(g, out, min_val, max_val, 1.0))
def _hardtanh(input: Array, min_val: float, max_val: float) -> Array:
    return _clipped(input, min_val, max_val, 0.0, 1.0)


@called_as(like.hardtanh)
@with_inplace
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val]: ``torch.nn.functional.hardtanh``. Its gradient at the bounds is 0, unlike that of ``clamp``.

    Of integers the bounds are cut to whole numbers. Raises ``ValueError`` if ``min_val`` is above ``max_val``, ``RuntimeError`` for bools, and for
    unsigned integers with a ``min_val`` below 0.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import hardtanh
    >>> hardtanh(mg.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    kind = input.dtype.kind
    if kind == "i" or kind == "u":  # a result of integers is one of integers
        min_val, max_val = int(min_val), int(max_val)
    if kind == "b" or (kind == "u" and min_val < 0):
        raise RuntimeError(
            f"hardtanh: {input.dtype.name} has nothing below 0 to be limited" if kind == "u" else "hardtanh: bools have no limits"
        )
    return _hardtanh(input, min_val=min_val, max_val=max_val)


@called_as(like.activation)
@with_inplace
def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6): ``torch.nn.functional.relu6``."""
    return hardtanh(input, 0, 6)


@called_as(like.activation)
@with_inplace
@elementwise
@op(input=lambda g, out: _clipped_input(g, out, 0.0, 1.0, 1.0 / 6.0))
@in_float32
def hardsigmoid(input: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6: ``torch.nn.functional.hardsigmoid``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import hardsigmoid
    >>> hardsigmoid(mg.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _clipped(real(input), 0.0, 6.0, 3.0, 1.0 / 6.0)


@native.twin(fast.each("hardswish_back", 2), times=0)
def _hardswish_input(g, input):
    return where(input <= -3, 0.0, where(input >= 3, g, g * (input * (1.0 / 3.0) + 0.5)))


@native.twin(fast.each("hardswish"), times=0)
def _hardswish_kernel(x):
    return quiet().run(np.multiply, x, np.clip(x + 3.0, 0.0, 6.0) * (1.0 / 6.0))


@called_as(like.activation)
@with_inplace
@elementwise
@op(input=_hardswish_input)
@in_float32
def hardswish(input: Array) -> Array:
    """x min(max(x + 3, 0), 6) / 6: ``torch.nn.functional.hardswish``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import hardswish
    >>> hardswish(mg.tensor([-4.0, 0.0, 4.0]))
    tensor([-0., 0., 4.])
    """
    return _hardswish_kernel(real(input))


@elementwise
@op(
    input=lambda g, input, weight: where(input > 0, g, g * weight),
    weight=lambda g, input: where(input > 0, 0.0, g * input),
)
def _prelu(input: Array, weight: Array) -> Array:
    """x if it is positive, else ``weight`` x, with broadcasting."""
    return where(np.greater(input, 0), input, quiet().run(np.multiply, input, weight))


@native.twin(fast.leaky_relu_back)
def _leaky_relu_input(g, res, negative_slope):
    if (
        type(g) is np.ndarray and type(res) is np.ndarray and 0 <= negative_slope <= 1
    ):  # numpy chooses between arrays, at random places, in ten times the time
        slopes = res.astype(g.dtype)
        np.clip(slopes, negative_slope, 1.0, out=slopes)
        return np.multiply(slopes, g, slopes)
    return where(res, g, g * negative_slope)


@native.twin(fast.leaky_relu)
def _leaky_relu(x: Array, slope: float) -> Any:
    positive = np.greater(x, 0)  # a byte an element, which backward keeps in place of the input
    scaled = quiet().run(np.multiply, x, slope)
    return np.maximum(x, scaled) if 0 < slope <= 1 else where(positive, x, scaled), positive


@called_as(like.leaky_relu)
@with_inplace
@elementwise
@op(input=_leaky_relu_input)
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Array:
    """x if it is positive, else ``negative_slope`` x: ``torch.nn.functional.leaky_relu``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import leaky_relu
    >>> leaky_relu(mg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _leaky_relu(input, negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x if it is positive, else ``weight`` x: ``torch.nn.functional.prelu``.

    Args:
        input: any shape; channels are dimension 1 (an input with fewer than two dimensions has one channel).
        weight: one element for all channels, or one per channel.

    Raises ``ShapeError`` if the number of weights is neither 1 nor the number of channels, ``RuntimeError`` if they have another dtype.

    >>> import minigrad as mg
    >>> mg.prelu(mg.tensor([[-1.0, -1.0], [1.0, 1.0]]), mg.tensor([0.1, 0.2]))
    tensor([[-0.1000, -0.2000],
            [ 1.0000,  1.0000]])
    """
    require_dtype("prelu", input, weight=weight)
    shape, weights = shape_of(getattr(input, "_data", input)), shape_of(getattr(weight, "_data", weight))
    channels = shape[1] if len(shape) > 1 else 1
    if len(weights) > 1 or math.prod(weights) not in (1, channels):
        raise ShapeError(f"prelu: weight {weights} must have 1 element or one for each of the {channels} channels of the input {shape}")
    target = (channels, *[1] * (len(shape) - 2)) if math.prod(weights) != 1 else (1,) * min(len(shape), 1)
    return _prelu(input, weight if weights == target else reshape(weight, target))


@known_as("RreluWithNoiseBackward0")
@called_as(like.rrelu)
@with_inplace
def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """Leaky relu whose slope is random in [lower, upper] per element in training, else their mean: ``torch.nn.functional.rrelu``.

    Raises ``ValueError`` if ``lower`` is above ``upper``.

    >>> import minigrad as mg
    >>> mg.rrelu(mg.tensor([-1.0, 2.0]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if number("rrelu", "lower", lower, "finite") > number("rrelu", "upper", upper, "finite"):
        raise ValueError(f"rrelu: lower {lower} is above upper {upper}")
    if not training:
        return leaky_relu(input, 0.5 * (lower + upper))
    slopes = drawn(lambda random, shape: random.uniform(lower, upper, shape).astype(input.dtype), shape_of(input))
    return _prelu(input, slopes)


@called_as(like.threshold)
@with_inplace
@elementwise
@op(input=lambda g, input, threshold: where(input <= threshold, 0.0, g))
def threshold(input: Array, threshold: float, value: float) -> Array:
    """x if it is above ``threshold``, else ``value``: ``torch.nn.functional.threshold``.

    >>> import minigrad as mg
    >>> mg.threshold(mg.tensor([0.5, 2.0]), 1.0, -9.0)
    tensor([-9.,  2.])
    """
    other: Any = number("threshold", "value", value)
    if input.dtype.kind != "f":  # a result of integers is one of integers
        other = number_of("threshold", other, input.dtype)
    return where(np.less_equal(input, number("threshold", "threshold", threshold)), other, input)


@elementwise
@op(input=lambda g, out: where(logical_or(out > 0, out < 0), g, 0.0))
def _softshrink(input: Array, lambd: float) -> Array:
    return quiet().run(np.subtract, input, np.clip(input, -lambd, lambd))


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by ``lambd``, and 0 in [-lambd, lambd]: ``torch.nn.functional.softshrink``.

    Raises ``ValueError`` for a negative ``lambd``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import softshrink
    >>> softshrink(mg.tensor([-2.0, 0.1, 2.0]))
    tensor([-1.5000,  0.0000,  1.5000])
    """
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd must not be negative, not {lambd}")
    return _softshrink(input, lambd=lambd)


@elementwise
@op(input=lambda g, input, lambd: where(abs(input) > lambd, g, 0.0))
def hardshrink(input: Array, lambd: float = 0.5) -> Array:
    """x if it is outside [-lambd, lambd], else 0: ``torch.nn.functional.hardshrink``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import hardshrink
    >>> hardshrink(mg.tensor([-2.0, 0.1, 2.0]))
    tensor([-2.,  0.,  2.])
    """
    return where(np.abs(input) <= lambd, 0.0, input)


# ----------------------------------------------------------------------------------------- smooth functions


def _by_slope(g: Any, input: Any, slope: Any, formula: Callable, *options: Any) -> Any:
    """The gradient by the slope that the kernel kept, if arrays are enough; else by ``formula``, which can be differentiated."""
    if slope is not None and type(input) is np.ndarray:
        return g * slope
    return formula(g, input, *options)


@native.twin(fast.each("elu_back", 2, lambda alpha, scale, rate: (scale, alpha * scale * rate, rate) if rate > 0 else None), times=0)
def _elu_input(g, input, alpha, scale, input_scale):
    rising = input > 0  # False for NaN, which stays NaN
    # the inner `where` prevents an overflow of e**x for positive x, where it is not used
    falling = exp(where(rising, 0.0, input) * input_scale) * (alpha * scale * input_scale)
    return where(rising, g * scale, g * falling)


@native.twin(fast.each("elu", 1, lambda alpha, scale, rate: (scale, alpha * scale, rate) if rate > 0 else None), times=0)
def _elu_kernel(x, alpha, scale, input_scale):
    out = np.minimum(x, 0.0, out=np.empty_like(x))
    np.multiply(out, input_scale, out)
    np.expm1(out, out)
    np.multiply(out, alpha * scale, out)
    return np.add(out, np.maximum(x, 0.0) * scale, out)  # one of the two is 0


@elementwise
@op(input=_elu_input)
def _elu(input: Array, alpha: float, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """scale x where x > 0, else scale alpha (e**(input_scale x) - 1)."""
    return quiet().run(_elu_kernel, real(input), alpha, scale, input_scale)


@called_as(like.elu)
@with_inplace
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x if it is positive, else alpha (e**x - 1) (Clevert et al. 2016): ``torch.nn.functional.elu``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import elu
    >>> elu(mg.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _elu(input, alpha=alpha)


# with these constants, mean 0 and variance 1 are a fixed point of the layers (Klambauer et al. 2017)
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@called_as(like.activation)
@with_inplace
def selu(input: Tensor) -> Tensor:
    """1.0507 x if it is positive, else 1.0507 * 1.6733 (e**x - 1) (Klambauer et al. 2017): ``torch.selu``.

    >>> import minigrad as mg
    >>> mg.selu(mg.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return _elu(input, alpha=SELU_ALPHA, scale=SELU_SCALE)


@known_as("CeluBackward0")
@called_as(like.elu)
@with_inplace
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x if it is positive, else alpha (e**(x / alpha) - 1) (Barron 2017): ``torch.celu``. Raises ``ZeroDivisionError`` if ``alpha`` is 0.

    >>> import minigrad as mg
    >>> mg.celu(mg.tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    return _elu(input, alpha=number("celu", "alpha", alpha, "not 0"), input_scale=1.0 / alpha)


_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


@native.twin(fast.gelu_back, times=0)
def _gelu_input(g, input, approximate):
    if approximate == "none":
        return g * (erf(input * _ROOT_HALF) * 0.5 + 0.5 + input * exp(input * input * -0.5) * (0.5 * _ROOT_2_OVER_PI))
    square = input * input
    t = tanh(input * (square * _CUBIC + 1.0) * _ROOT_2_OVER_PI)
    return g * (0.5 * (t + 1.0) + input * (1.0 - t * t) * (square * (3.0 * _CUBIC) + 1.0) * (0.5 * _ROOT_2_OVER_PI))


def _gelu_part(x, y, slope):
    square = np.multiply(x, x, np.empty_like(x) if slope is None else slope)
    below = special.ndtr_single(x, square, y) if x.dtype == np.float32 else erf(x * _ROOT_HALF) * 0.5 + 0.5
    if slope is not None:  # below + x times the density
        np.multiply(square, -0.5, slope)
        np.exp(slope, slope)
        np.multiply(slope, 0.5 * _ROOT_2_OVER_PI, slope)
        np.multiply(slope, x, slope)
        np.add(slope, below, slope)
    np.multiply(x, below, y)


def _gelu_tanh_part(x, y, slope):
    square = np.multiply(x, x, np.empty_like(x))
    t = np.multiply(square, _CUBIC * _ROOT_2_OVER_PI, np.empty_like(x))
    np.add(t, _ROOT_2_OVER_PI, t)
    np.multiply(t, x, t)
    np.tanh(t, t)
    below = np.add(t, 1.0, np.empty_like(x) if slope is None else slope)
    np.multiply(below, 0.5, below)
    np.multiply(below, x, y)
    if slope is not None:
        np.multiply(square, 1.5 * _CUBIC * _ROOT_2_OVER_PI, square)
        np.add(square, 0.5 * _ROOT_2_OVER_PI, square)
        np.multiply(t, t, t)
        np.subtract(1.0, t, t)
        np.multiply(square, t, square)  # 0 where x is large, before x makes it overflow
        np.multiply(square, x, square)
        np.add(slope, square, slope)


@native.twin(fast.without_slope(fast.gelu), times=0)
@in_float32
def _gelu_kernel(x: Array, approximate: str, sloped: bool) -> Any:
    return maps.with_slope(_gelu_tanh_part if approximate == "tanh" else _gelu_part, x, sloped)


@elementwise
@op(input=lambda g, input, res, approximate: _by_slope(g, input, res, _gelu_input, approximate), res=None)
def gelu(input: Array, approximate: str = "none") -> Array:
    """x times the probability that a standard normal number is below x (Hendrycks and Gimpel 2016): ``torch.nn.functional.gelu``.

    ``approximate="tanh"`` is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))). Raises ``ValueError`` for any other string.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import gelu
    >>> gelu(mg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return quiet().run(_gelu_kernel, real(input), approximate, is_grad_enabled())


@native.twin(fast.each("silu_back", 2), times=0)
def _silu_input(g, input):
    s = sigmoid(input)
    return g * (s * (input * (1.0 - s) + 1.0))


def _silu_part(x, y, slope):
    s = np.negative(x, np.empty_like(x) if slope is None else slope)
    np.exp(s, s)
    np.add(s, 1.0, s)
    np.divide(x, s, y)
    if slope is not None:  # s + y (1 - s)
        np.divide(1.0, s, s)
        more = np.subtract(1.0, s, np.empty_like(x))
        np.multiply(more, y, more)
        np.add(s, more, s)


@native.twin(fast.without_slope(fast.each("silu")), times=0)
@in_float32
def _silu_kernel(x: Array, sloped: bool) -> Any:
    return maps.with_slope(_silu_part, x, sloped)


@called_as(like.activation)
@with_inplace
@elementwise
@op(input=lambda g, input, res: _by_slope(g, input, res, _silu_input), res=None)
def silu(input: Array) -> Array:
    """x sigmoid(x): ``torch.nn.functional.silu``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import silu
    >>> silu(mg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.0000,  0.7311])
    """
    return quiet().run(_silu_kernel, real(input), is_grad_enabled())


@in_float32
@native.twin(fast.each("softplus_back", 2), times=0)
def _softplus_input(g, input, beta, threshold):
    scaled = input * beta
    return where(scaled > threshold, g, g * sigmoid(scaled))


@native.twin(fast.each("softplus", 1, lambda beta, threshold: (beta, threshold, 1.0 / beta if beta else math.inf)), times=0)
@in_float32
def _softplus_kernel(x, beta, threshold):
    z = np.multiply(x, beta, np.empty_like(x))
    out = np.negative(np.abs(z), np.empty_like(x))
    np.exp(out, out)  # e**-|z| cannot overflow
    np.log1p(out, out)
    np.add(out, np.maximum(z, 0.0), out)
    np.multiply(out, 1.0 / beta if beta else math.inf, out)
    np.copyto(out, x, where=z > threshold)
    return out


@elementwise
@op(input=_softplus_input)
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + e**(beta x)) / beta, but x if beta x > threshold: ``torch.nn.functional.softplus``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import softplus
    >>> softplus(mg.tensor([-200.0, 0.0, 200.0]))
    tensor([  0.0000,   0.6931, 200.0000])
    """
    return quiet().run(_softplus_kernel, real(input), beta, threshold)


def _mish_input(g, input):
    t = tanh(softplus(input))
    return g * (t + input * (1.0 - t * t) * sigmoid(input))


@in_float32
def _mish_kernel(x):
    out = _softplus_kernel(x, 1.0, 20.0)
    np.tanh(out, out)
    return np.multiply(out, x, out)


@called_as(like.activation)
@with_inplace
@elementwise
@op(input=_mish_input)
def mish(input: Array) -> Array:
    """x tanh(softplus(x)) (Misra 2019): ``torch.nn.functional.mish``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import mish
    >>> mish(mg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.0000,  0.8651])
    """
    return quiet().run(_mish_kernel, real(input))


def _softsign_input(g, input):
    size = abs(input) + 1.0
    return g / (size * size)


@elementwise
@op(input=_softsign_input)
@in_float32
def softsign(input: Array) -> Array:
    """x / (1 + abs(x)): ``torch.nn.functional.softsign``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import softsign
    >>> softsign(mg.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    input = real(input)
    return quiet().run(np.divide, input, np.abs(input) + 1.0)


@native.twin(fast.each("logsigmoid_back", 2), times=0)
def _logsigmoid_input(g, input):
    return g * sigmoid(-input)


@native.twin(fast.each("logsigmoid"), times=0)
@in_float32
def _logsigmoid_kernel(x):
    out = np.negative(np.abs(x), np.empty_like(x))
    np.exp(out, out)
    np.log1p(out, out)
    return np.subtract(np.minimum(x, 0.0), out, out)


@elementwise
@op(input=_logsigmoid_input)
def logsigmoid(input: Array) -> Array:
    """log(sigmoid(x)), without overflow: ``torch.nn.functional.logsigmoid``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import logsigmoid
    >>> logsigmoid(mg.tensor([-200.0, 0.0, 200.0]))
    tensor([-200.0000,   -0.6931,    0.0000])
    """
    return quiet().run(_logsigmoid_kernel, real(input))


@in_float32
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x): ``torch.nn.functional.tanhshrink``.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import tanhshrink
    >>> tanhshrink(mg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return sub(input, tanh(input))


@known_as("GluBackward0")
@in_float32
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the halves a and b of the input along ``dim`` (Dauphin et al. 2017): ``torch.nn.functional.glu``.

    Raises ``ShapeError`` if the size of ``dim`` is odd.

    >>> import minigrad as mg
    >>> from minigrad.ops.activation import glu
    >>> glu(mg.tensor([2.0, 3.0, 0.0, 0.0]))
    tensor([1.0000, 1.5000])
    """
    shape = shape_of(getattr(input, "_data", input))
    if not shape or shape[positive_dim("glu", dim, len(shape))] % 2:
        raise ShapeError(f"glu: dim {dim} of the input {shape} must have an even size, to be halved")
    a, b = chunk(input, 2, dim)
    return mul(a, sigmoid(b))


# ------------------------------------------------------------------------------------------------ in place

celu_ = _always(celu)
elu_ = _always(elu)
hardtanh_ = _always(hardtanh)
leaky_relu_ = _always(leaky_relu)
relu_ = _always(relu)
rrelu_ = _always(rrelu)
selu_ = _always(selu)
threshold_ = _always(threshold)


public(__name__)
