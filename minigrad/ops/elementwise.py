"""Elementwise ops: arithmetic with broadcasting, functions, rounding, comparisons, logic.

Broadcasting is numpy's. The engine sums a gradient back to the shape of a broadcast argument, so the formulas
below are those of one element. Overflow, division by zero and invalid values give inf and NaN silently, as in PyTorch.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from minigrad.engine import F32, F64, elementwise, entitled, get_default_dtype, op, shape_of
from minigrad.kernels import maps, native
from minigrad.kernels.maps import SHARED, shared
from minigrad.kernels.native import maps as fast
from minigrad.kernels.quiet import CONTEXT, quiet
from minigrad.kernels.tiles import BLOCK
from minigrad.ops import signatures as like
from minigrad.ops.arguments import factor, factors_between, tensors
from minigrad.ops.precision import in_float32, promoted
from minigrad.tree import unwrapped
from minigrad.types import Array, Operand, Tensor, called_as

P = ParamSpec("P")


def real(x: Operand) -> np.ndarray:
    """``x`` as a floating array: integers and booleans are converted to the default dtype, as in PyTorch."""
    if type(x) is not np.ndarray:
        x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(get_default_dtype())


def _numpys(ufunc: np.ufunc, floating: bool = False, name: str = "") -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Make a signature a kernel: numpy's ``ufunc`` of two arguments, without warnings; ``floating``: of one that is made an array of floats.

    ``name`` is the op's where the function has another one.
    """

    def decorate(signature: Callable[P, Any]) -> Callable[P, Any]:
        run, ndarray, f32, f64 = CONTEXT.run, np.ndarray, F32, F64
        kernel: Callable[..., Any]
        if floating:

            def kernel(x: Any) -> Any:
                if type(x) is not ndarray or ((dtype := x.dtype) is not f32 and dtype is not f64 and dtype.kind != "f"):
                    x = real(x)
                if type(x) is ndarray and x.size > SHARED:
                    return shared(ufunc, x)
                try:
                    return run(ufunc, x)
                except RuntimeError:  # another thread is in that context, or a finaliser runs inside: a copy is a third slower
                    return quiet().run(ufunc, x)

        else:

            def kernel(a: Any, b: Any) -> Any:
                if (type(a) is ndarray and a.size > SHARED) or (type(b) is ndarray and b.size > SHARED):
                    return shared(ufunc, a, b)
                try:
                    return run(ufunc, a, b)
                except RuntimeError:
                    return quiet().run(ufunc, a, b)

        functools.update_wrapper(kernel, signature)
        kernel.__name__ = kernel.__qualname__ = name or signature.__name__
        kernel.direct = functools.partial(run, ufunc)  # type: ignore[union-attr]  # RuntimeError: another thread is in that context
        return kernel  # type: ignore[return-value]

    return decorate


def _flat(g):
    """The gradient of a piecewise constant function: zeros, as in PyTorch."""
    return where(False, g, 0.0)


# ------------------------------------------------------------------------------------------------ arithmetic


@elementwise
@op(input=lambda g: g, other=lambda g: g)
@_numpys(np.add, name="add")
def plus(input: Operand, other: Operand) -> Array:
    """``input + other``: the operator, and :func:`add` without its factor."""


@elementwise
@op(input=lambda g: g, other=lambda g: -g)
@_numpys(np.subtract, name="sub")
def minus(input: Operand, other: Operand) -> Array:
    """``input - other``: the operator, and :func:`sub` without its factor."""


@elementwise
@op(input=lambda g, other: g * other, other=lambda g, input: g * input)
@_numpys(np.multiply)
def mul(input: Operand, other: Operand) -> Array:
    """``input * other``: ``torch.mul``."""


@elementwise
@op(input=lambda g, other: g / other, other=lambda g, other, out: -g * out / other)
@_numpys(np.true_divide, name="div")
def over(input: Operand, other: Operand) -> Array:
    """``input / other``: the operator, and :func:`div` without rounding."""


@elementwise
@op(input=lambda g: -g)
def neg(input: Operand) -> Array:
    """``-input``: ``torch.neg``."""
    return np.negative(input)


def _refuse_zero(name: str, a: Any, b: Any) -> None:
    """Integers have no infinity to answer a division by zero with."""
    if np.asarray(b).dtype.kind in "iub" and np.asarray(a).dtype.kind in "iub" and not np.all(b):
        raise ZeroDivisionError(f"{name}: division of integers by zero")


@elementwise
@op(input=_flat, other=_flat)
def floor_divide(input: Operand, other: Operand) -> Array:
    """``input // other``, rounded towards minus infinity: ``torch.floor_divide``. The gradient is zero.

    Raises ``ZeroDivisionError`` when integers are divided by zero.

    >>> import minigrad as mg
    >>> mg.tensor([7.0, -7.0]) // 2
    tensor([ 3., -4.])
    """
    _refuse_zero("floor_divide", input, other)
    return quiet().run(np.floor_divide, input, other)


@elementwise
@op(input=lambda g: g, other=lambda g, input, other: -g * floor_divide(input, other))
def remainder(input: Operand, other: Operand) -> Array:
    """``input % other`` with the sign of ``other``: ``torch.remainder``. It is a - b * floor(a / b).

    Raises ``ZeroDivisionError`` when integers are divided by zero.
    """
    _refuse_zero("remainder", input, other)
    return quiet().run(np.remainder, input, other)


@elementwise
@op(input=lambda g: g, other=lambda g, input, other: -g * div_trunc(input, other))
def fmod(input: Operand, other: Operand) -> Array:
    """The remainder with the sign of ``input``: ``torch.fmod``. It is a - b * trunc(a / b).

    Raises ``ZeroDivisionError`` when integers are divided by zero.

    >>> import minigrad as mg
    >>> mg.fmod(mg.tensor([5.0, -5.0]), 3)
    tensor([ 2., -2.])
    """
    _refuse_zero("fmod", input, other)
    return quiet().run(np.fmod, input, other)


@factors_between
def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``: ``torch.add``. Raises ``RuntimeError`` for integers with an ``alpha`` that is not whole.

    >>> import minigrad as mg
    >>> mg.add(mg.tensor([1.0, 2.0]), 1, alpha=10)
    tensor([11., 12.])
    """
    return plus(input, other if alpha == 1 else mul(other, factor("add", "alpha", alpha, input, other)))


@factors_between
def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """``input - alpha * other``: ``torch.sub``. Raises as :func:`add`."""
    return minus(input, other if alpha == 1 else mul(other, factor("sub", "alpha", alpha, input, other)))


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``: ``torch.div``. Integers give the default floating dtype; x / 0 is inf or NaN.

    ``rounding_mode``: None, ``"trunc"`` (towards zero) or ``"floor"``, with a gradient of zero.

    Raises ``ValueError`` for another mode, ``ZeroDivisionError`` when integers are divided by zero with rounding.

    >>> import minigrad as mg
    >>> mg.div(mg.tensor([7, -7]), 2), mg.div(mg.tensor([7, -7]), 2, rounding_mode="trunc")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -3]))
    """
    if rounding_mode is None:
        return over(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        integers = all(getattr(x, "dtype", np.dtype(type(x))).kind in "iub" for x in (input, other))
        return floor_divide(sub(input, fmod(input, other)), other) if integers else div_trunc(input, other)
    raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', not {rounding_mode!r}")


@elementwise
@op(input=_flat, other=_flat)
def div_trunc(input: Operand, other: Operand) -> Array:
    """``input / other`` of floats, rounded towards zero. The gradient is zero, also where ``other`` is."""
    return quiet().run(lambda a, b: np.trunc(np.true_divide(a, b)), input, other)


@factors_between
@promoted
@in_float32
def addcmul(input: Operand, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``: ``torch.addcmul``. For integers ``value`` is cut to a whole number."""
    product = mul(tensor1, tensor2)
    product = product if value == 1 else mul(product, factor("addcmul", "value", value, input, product, cut=True))
    return entitled(plus(input, product), "AddcmulBackward0")


@factors_between
@promoted
@in_float32
def addcdiv(input: Operand, tensor1: Operand, tensor2: Operand, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``: ``torch.addcdiv``. Raises ``RuntimeError`` if both ``tensor1`` and ``tensor2`` are integers."""
    if not any(getattr(x, "dtype", F32).kind == "f" for x in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: one of tensor1 and tensor2 must be floating, since integers could be divided in two ways")
    return entitled(add(input, div(tensor1, tensor2), alpha=value), "AddcdivBackward0")


@in_float32
def _lerp(start, end, weight):
    step = end - start
    return np.where(np.asarray(weight) < 0.5, start + weight * step, end - step * (1.0 - weight))


@elementwise
@op(
    input=lambda g, weight: g * (1.0 - weight),
    end=lambda g, weight: g * weight,
    weight=lambda g, input, end: g * (end - input),
)
def lerp(input: Operand, end: Operand, weight: Operand) -> Array:
    """``input + weight * (end - input)``, which is exactly ``end`` at weight 1: ``torch.lerp``.

    >>> import minigrad as mg
    >>> mg.lerp(mg.tensor([0.0, 10.0]), mg.tensor([10.0, 20.0]), 0.25)
    tensor([ 2.5000, 12.5000])
    """
    return quiet().run(_lerp, input, end, weight)


# ------------------------------------------------------------------------------------------ powers and roots

_BOOL = np.dtype(np.bool_)


def _counted(x):
    """Booleans as int64, as in PyTorch (numpy uses int8)."""
    return x.astype(np.int64) if getattr(x, "dtype", None) is _BOOL else x


def _number_log(number):
    return math.log(number) if number > 0 else -math.inf if number == 0 else math.nan


def _pow_base(g, input, exponent):
    # d(a**b)/da = b a**(b-1), and 0 where b == 0, also where a**-1 is infinite or NaN
    if isinstance(exponent, (int, float)):
        return _flat(g) if exponent == 0 else g * (exponent * pow(input, exponent - 1))
    flat = logical_and(eq(exponent, 0), logical_not(isfinite(reciprocal(input))))
    return g * exponent * pow(where(flat, 0.0, input), where(flat, 1.0, exponent - 1.0))


def _pow_exponent(g, input, exponent, out):
    # d(a**b)/db = a**b log a, and 0 where a == 0 and b >= 0 (the limit: 0**b is constant there)
    if isinstance(input, (int, float)):
        return g * log(where(ge(exponent, 0), 1.0, exponent * 0.0)) if input == 0 else g * (out * _number_log(input))
    return g * out * log(where(logical_and(eq(input, 0), ge(exponent, 0)), 1.0, input))


@elementwise
@op(input=_pow_base, exponent=_pow_exponent)
def pow(input: Operand, exponent: Operand) -> Array:
    """``input ** exponent``: ``torch.pow``. NaN for a negative base with a fractional exponent.

    Raises ``ValueError`` for integers with a negative integer exponent, as numpy does.
    """
    if isinstance(exponent, (int, float)):
        if isinstance(exponent, bool) and getattr(input, "dtype", None) is _BOOL:  # False ** 0 is 1: so the answers are those of an or
            return np.logical_or(input, not exponent)
        return quiet().run(operator.pow, _counted(input), exponent)  # the operator: numpy has fast paths for exponents 2, 0.5 and -1
    return quiet().run(np.power, input, exponent)


@elementwise
@op(input=lambda g, input: g * (2.0 * input))
def square(input: Operand) -> Array:
    """``input * input``: ``torch.square``."""
    return quiet().run(np.square, _counted(input))


@elementwise
@op(input=lambda g, out: g * 0.5 / out)
@_numpys(np.sqrt, floating=True)
def sqrt(input: Operand) -> Array:
    """Square root: ``torch.sqrt``. NaN below zero."""


@in_float32
def _rsqrt(x):
    return 1.0 / np.sqrt(x)


@elementwise
@op(input=lambda g, out: g * (-0.5 * out * out * out))
def rsqrt(input: Operand) -> Array:
    """``1 / sqrt(input)``: ``torch.rsqrt``."""
    return quiet().run(_rsqrt, real(input))


@elementwise
@op(input=lambda g, out: -g * out * out)
def reciprocal(input: Operand) -> Array:
    """``1 / input``: ``torch.reciprocal``."""
    return quiet().run(np.true_divide, 1.0, real(input))


@elementwise
@op(input=lambda g, input, out: g * (input / out), other=lambda g, other, out: g * (other / out))
@_numpys(np.hypot)
def hypot(input: Operand, other: Operand) -> Array:
    """``sqrt(input**2 + other**2)`` without overflow in between: ``torch.hypot``. Its gradient at (0, 0) is NaN, as in PyTorch."""


# --------------------------------------------------------------------------------- exponentials and logarithms


@elementwise
@op(input=lambda g, out: g * out)
@_numpys(np.exp, floating=True)
def exp(input: Operand) -> Array:
    """e**x: ``torch.exp``. Infinite above 88.7 in float32, without a warning.

    >>> import minigrad as mg
    >>> x = mg.tensor([0.0, 1.0], requires_grad=True)
    >>> x.exp().sum().backward()
    >>> x.grad
    tensor([1.0000, 2.7183])
    """


@elementwise
@op(input=lambda g, out: g * (out * math.log(2.0)))
@_numpys(np.exp2, floating=True)
def exp2(input: Operand) -> Array:
    """2**x: ``torch.exp2``."""


@elementwise
@op(input=lambda g, out: g * (out + 1.0))
@_numpys(np.expm1, floating=True)
def expm1(input: Operand) -> Array:
    """e**x - 1 without cancellation near zero: ``torch.expm1``."""


@elementwise
@op(input=lambda g, input: g / input)
@_numpys(np.log, floating=True)
def log(input: Operand) -> Array:
    """Natural logarithm: ``torch.log``. -inf at zero, NaN below."""


@elementwise
@op(input=lambda g, input: g / (input * math.log(2.0)))
@_numpys(np.log2, floating=True)
def log2(input: Operand) -> Array:
    """Logarithm to base 2: ``torch.log2``."""


@elementwise
@op(input=lambda g, input: g / (input * math.log(10.0)))
@_numpys(np.log10, floating=True)
def log10(input: Operand) -> Array:
    """Logarithm to base 10: ``torch.log10``."""


@elementwise
@op(input=lambda g, input: g / (input + 1.0))
@_numpys(np.log1p, floating=True)
def log1p(input: Operand) -> Array:
    """log(1 + x) without cancellation near zero: ``torch.log1p``."""


@elementwise
@op(input=lambda g, input, other: g * sigmoid(input - other), other=lambda g, input, other: g * sigmoid(other - input))
@_numpys(np.logaddexp)
def logaddexp(input: Operand, other: Operand) -> Array:
    """log(e**a + e**b) without overflow: ``torch.logaddexp``.

    >>> import minigrad as mg
    >>> mg.logaddexp(mg.tensor([0.0, 200.0]), mg.tensor([0.0, 0.0]))
    tensor([  0.6931, 200.0000])
    """


@elementwise
@op(
    input=lambda g, input, other: g * sigmoid((input - other) * math.log(2.0)),
    other=lambda g, input, other: g * sigmoid((other - input) * math.log(2.0)),
)
@_numpys(np.logaddexp2)
def logaddexp2(input: Operand, other: Operand) -> Array:
    """log2(2**a + 2**b) without overflow: ``torch.logaddexp2``."""


def _xlogy_input(g, input, other):
    # log(other), but 0 at input == 0 where it does not exist; log(1) there keeps infinities out of higher derivatives
    if isinstance(other, (int, float)):
        return g * (math.log(other) if other > 0 else where(eq(input, 0), 0.0, input * 0.0 + _number_log(other)))
    return g * log(where(logical_and(eq(input, 0), le(other, 0)), 1.0, other))


@elementwise
@op(input=_xlogy_input, other=lambda g, input, other: g * input / other)
@in_float32
def xlogy(input: Operand, other: Operand) -> Array:
    """``input * log(other)``, and 0 where ``input`` is 0 unless ``other`` is NaN: ``torch.xlogy``.

    >>> import minigrad as mg
    >>> mg.xlogy(mg.tensor([0.0, 2.0]), mg.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    logs = _number_log(other) if isinstance(other, (int, float)) else quiet().run(np.log, real(other))
    product = quiet().run(np.multiply, input, logs)
    return np.where(np.equal(input, 0) & ~np.isnan(other), product.dtype.type(0), product)


@in_float32
def _quotient_log(x):
    return np.log(x / (1.0 - x))


@elementwise
@op(x=lambda g, x: where(logical_or(x < 0, x > 1), math.nan, g / (x * (1.0 - x))))
def _logit(x: Operand) -> Array:
    return quiet().run(_quotient_log, real(x))


def logit(input: Operand, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of :func:`sigmoid`: ``torch.logit``. ``eps``: first clamp to [eps, 1 - eps].

    >>> import minigrad as mg
    >>> mg.logit(mg.tensor([0.0, 0.5, 1.0]))
    tensor([-inf, 0., inf])
    """
    return _logit(input if eps is None else clamp(input, eps, 1.0 - eps))


# ----------------------------------------------------------------------------------- circular and hyperbolic


@elementwise
@op(input=lambda g, input: g * cos(input))
@_numpys(np.sin, floating=True)
def sin(input: Operand) -> Array:
    """Sine: ``torch.sin``.

    >>> import minigrad as mg
    >>> x = mg.tensor(0.0, requires_grad=True)
    >>> y = x.sin()
    >>> y.backward()
    >>> y, x.grad
    (tensor(0., grad_fn=<SinBackward0>), tensor(1.))
    """


@elementwise
@op(input=lambda g, input: -g * sin(input))
@_numpys(np.cos, floating=True)
def cos(input: Operand) -> Array:
    """Cosine: ``torch.cos``."""


@elementwise
@op(input=lambda g, out: g * (out * out + 1.0))
@_numpys(np.tan, floating=True)
def tan(input: Operand) -> Array:
    """Tangent: ``torch.tan``."""


@elementwise
@op(input=lambda g, input: g / sqrt(1.0 - input * input))
@_numpys(np.arcsin, floating=True)
def asin(input: Operand) -> Array:
    """Inverse sine: ``torch.asin``. NaN outside [-1, 1]."""


@elementwise
@op(input=lambda g, input: -g / sqrt(1.0 - input * input))
@_numpys(np.arccos, floating=True)
def acos(input: Operand) -> Array:
    """Inverse cosine: ``torch.acos``. NaN outside [-1, 1]."""


@elementwise
@op(input=lambda g, input: g / (input * input + 1.0))
@_numpys(np.arctan, floating=True)
def atan(input: Operand) -> Array:
    """Inverse tangent: ``torch.atan``."""


def _atan2_share(g, a, b):
    square_sum = a * a + b * b
    return g * (a / where(eq(square_sum, 0), 1.0, square_sum))  # 0 at the origin


@elementwise
@op(input=lambda g, input, other: _atan2_share(g, other, input), other=lambda g, input, other: -_atan2_share(g, input, other))
def atan2(input: Operand, other: Operand) -> Array:
    """The angle of the point (x, y), in (-pi, pi]: ``torch.atan2``. Its gradient at the origin is 0, as in PyTorch.

    >>> import minigrad as mg
    >>> mg.atan2(mg.tensor([1.0, -1.0]), mg.tensor([1.0, -1.0]))
    tensor([ 0.7854, -2.3562])
    """
    if not any(isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f") for a in (input, other)):
        input = real(input)  # of small integers numpy would make float16
    return quiet().run(np.arctan2, input, other)


@elementwise
@op(input=lambda g, input: g * cosh(input))
@_numpys(np.sinh, floating=True)
def sinh(input: Operand) -> Array:
    """Hyperbolic sine: ``torch.sinh``."""


@elementwise
@op(input=lambda g, input: g * sinh(input))
@_numpys(np.cosh, floating=True)
def cosh(input: Operand) -> Array:
    """Hyperbolic cosine: ``torch.cosh``."""


@native.twin(fast.each("tanh_back", 2))
def _tanh_input(g, out):
    return g * (1.0 - out * out)


@elementwise
@op(input=_tanh_input)
@_numpys(np.tanh, floating=True)
def tanh(input: Operand) -> Array:
    """Hyperbolic tangent: ``torch.tanh``."""


@elementwise
@op(input=lambda g, input: g / sqrt(input * input + 1.0))
@_numpys(np.arcsinh, floating=True)
def asinh(input: Operand) -> Array:
    """Inverse hyperbolic sine: ``torch.asinh``."""


@elementwise
@op(input=lambda g, input: g / sqrt((input - 1.0) * (input + 1.0)))
@_numpys(np.arccosh, floating=True)
def acosh(input: Operand) -> Array:
    """Inverse hyperbolic cosine: ``torch.acosh``. NaN below 1."""


@elementwise
@op(input=lambda g, input: g / (1.0 - input * input))
@_numpys(np.arctanh, floating=True)
def atanh(input: Operand) -> Array:
    """Inverse hyperbolic tangent: ``torch.atanh``. Infinite at -1 and 1, NaN beyond."""


@native.twin(fast.each("sigmoid"))
def _sigmoid(x):
    out = np.negative(x, np.empty_like(x))
    np.exp(out, out)
    np.add(out, 1.0, out)
    return np.divide(1.0, out, out)  # e**-x = inf gives 0


@native.twin(fast.each("sigmoid_back", 2))
def _sigmoid_input(g, out):
    return g * (out * (1.0 - out))


@elementwise
@op(input=_sigmoid_input)
def sigmoid(input: Operand) -> Array:
    """1 / (1 + e**-x), without overflow: ``torch.sigmoid``.

    >>> import minigrad as mg
    >>> mg.sigmoid(mg.tensor([-1e4, 0.0, 1e4]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return quiet().run(_sigmoid, real(input))


# --------------------------------------------------------------------------------------- the error function

_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


@elementwise
@op(input=lambda g, input: g * (exp(-(input * input)) * _TWO_OVER_ROOT_PI))  # type: ignore[operator]  # Tensor is not known yet
def erf(input: Operand) -> Array:
    """The error function, 2/sqrt(pi) times the integral of e**-t**2 from 0 to x: ``torch.erf``.

    >>> import minigrad as mg
    >>> mg.erf(mg.tensor([0.0, 0.5, 10.0]))
    tensor([0.0000, 0.5205, 1.0000])
    """
    from minigrad.kernels import special  # not every program needs it

    input = real(input)
    double = input.dtype.itemsize > 4
    return quiet().run(special.in_blocks, special.erf if double else special.erf_single, input, np.float64 if double else np.float32)


@elementwise
@op(input=lambda g, input: -g * (exp(-(input * input)) * _TWO_OVER_ROOT_PI))  # type: ignore[operator]  # Tensor is not known yet
def erfc(input: Operand) -> Array:
    """1 - erf(x) without cancellation for large ``input``: ``torch.erfc``."""
    from minigrad.kernels import special  # not every program needs it

    return quiet().run(special.in_blocks, special.erfc, real(input))


@elementwise
@op(input=lambda g, out: g * (exp(out * out) * (1.0 / _TWO_OVER_ROOT_PI)))  # type: ignore[operator]  # Tensor is not known yet
def erfinv(input: Operand) -> Array:
    """The inverse of :func:`erf`: ``torch.erfinv``. Infinite at -1 and 1, NaN beyond."""
    from minigrad.kernels import special  # not every program needs it

    return quiet().run(special.in_blocks, special.erfinv, real(input))


# --------------------------------------------------------------------------------- sign, rounding, comparison


@elementwise
@op(input=lambda g, input: g * sign(input))
def abs(input: Operand) -> Array:
    """Absolute value: ``torch.abs``. Its gradient at 0 is 0."""
    return np.abs(input)


@elementwise
@op(input=_flat)
def sign(input: Operand) -> Array:
    """-1, 0 or 1 (0 for NaN): ``torch.sign``. The gradient is zero."""
    input = np.asarray(input)
    return input.copy() if input.dtype.kind == "b" else np.subtract(input > 0, input < 0, dtype=input.dtype)


def _rounded(ufunc, x):
    x = np.asarray(x)
    return ufunc(x) if x.dtype.kind == "f" else x.copy()


@elementwise
@op(input=_flat)
def floor(input: Operand) -> Array:
    """The largest integer that is not above ``input``: ``torch.floor``. The gradient is zero.

    >>> import minigrad as mg
    >>> mg.floor(mg.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return _rounded(np.floor, input)


@elementwise
@op(input=_flat)
def ceil(input: Operand) -> Array:
    """The smallest integer that is not below ``input``: ``torch.ceil``. The gradient is zero."""
    return _rounded(np.ceil, input)


@elementwise
@op(input=_flat)
def trunc(input: Operand) -> Array:
    """The integer next to ``input`` towards zero: ``torch.trunc``. The gradient is zero."""
    return _rounded(np.trunc, input)


@elementwise
@op(input=_flat)
def round(input: Array, decimals: int = 0) -> Array:
    """The nearest number with ``decimals`` decimals, halves to even: ``torch.round``. The gradient is zero.

    >>> import minigrad as mg
    >>> mg.round(mg.tensor([0.5, 1.5, 2.567])), mg.round(mg.tensor(2.567), decimals=1)
    (tensor([0., 2., 3.]), tensor(2.6000))
    """
    return quiet().run(np.round, input, decimals)


@elementwise
@op(input=lambda g: g)
def frac(input: Operand) -> Array:
    """``input - trunc(input)``: ``torch.frac``."""
    return quiet().run(np.subtract, input, np.trunc(input))


def _clamp_input(g, input, min, max):
    if min is None or max is None:
        return where(ge(input, min) if max is None else le(input, max), g, 0.0)
    return where(logical_and(ge(input, min), le(input, max)), g, 0.0)


def _clamp_min(g, input, min, max):
    below = lt(input, min)
    return where(below if max is None else logical_and(below, lt(min, max)), g, 0.0)


def _clamp_max(g, input, min, max):
    above = gt(input, max)
    return where(above if min is None else logical_or(above, logical_and(le(max, min), lt(input, min))), g, 0.0)


@elementwise
@op(input=_clamp_input, min=_clamp_min, max=_clamp_max)
def clamp(input: Array, min: Operand | None = None, max: Operand | None = None) -> Array:
    """``input`` limited to [min, max]; one bound may be None: ``torch.clamp``. The result is ``max`` where min > max.

    Bounds are numbers or Tensors. ``input`` gets the gradient between the bounds and at them; outside, the bound that limits it
    gets the gradient (``max`` if both are equal).
    Raises ``ValueError`` if both bounds are None.

    >>> import minigrad as mg
    >>> mg.clamp(mg.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must not be None")
    return np.clip(input, min, max)


def clamp_min(input: Operand, min: Operand) -> Tensor:
    """``clamp(input, min=min)``: ``torch.clamp_min``."""
    tensors("clamp_min", min=min)
    return entitled(clamp(input, min), "ClampMinBackward0")


def clamp_max(input: Operand, max: Operand) -> Tensor:
    """``clamp(input, max=max)``: ``torch.clamp_max``."""
    tensors("clamp_max", max=max)
    return entitled(clamp(input, None, max), "ClampMaxBackward0")


def _share(g, loses, ties):
    return where(loses, 0.0, where(ties, g * 0.5, g))


@elementwise
@op(
    input=lambda g, input, other: _share(g, lt(input, other), eq(input, other)),
    other=lambda g, input, other: _share(g, lt(other, input), eq(input, other)),
)
def maximum(input: Operand, other: Operand) -> Array:
    """The larger of two elements, NaN if one is NaN: ``torch.maximum``. At a tie each gets half of the gradient.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 5.0, 2.0], requires_grad=True)
    >>> mg.maximum(x, mg.tensor([3.0, 3.0, 2.0])).sum().backward()
    >>> x.grad
    tensor([0.0000, 1.0000, 0.5000])
    """
    return np.maximum(input, other)


@elementwise
@op(
    input=lambda g, input, other: _share(g, gt(input, other), eq(input, other)),
    other=lambda g, input, other: _share(g, gt(other, input), eq(input, other)),
)
def minimum(input: Operand, other: Operand) -> Array:
    """The smaller of two elements, NaN if one is NaN: ``torch.minimum``. At a tie each gets half of the gradient."""
    return np.minimum(input, other)


def _wins(g, wins, b, first):
    wins = logical_or(wins, isnan(b))
    return where(wins if first else logical_not(wins), g, 0.0)


@elementwise
@op(
    input=lambda g, input, other: _wins(g, ge(input, other), other, True),
    other=lambda g, input, other: _wins(g, ge(input, other), other, False),
)
def fmax(input: Operand, other: Operand) -> Array:
    """The larger of two elements; of a number and NaN, the number: ``torch.fmax``. At a tie ``input`` gets the gradient."""
    return np.fmax(input, other)


@elementwise
@op(
    input=lambda g, input, other: _wins(g, le(input, other), other, True),
    other=lambda g, input, other: _wins(g, le(input, other), other, False),
)
def fmin(input: Operand, other: Operand) -> Array:
    """The smaller of two elements; of a number and NaN, the number: ``torch.fmin``. At a tie ``input`` gets the gradient."""
    return np.fmin(input, other)


@elementwise
@op(input=lambda g, input: where(isfinite(input), g, 0.0))
def nan_to_num(input: Operand, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """``input`` with NaN and infinities replaced (by default by 0 and the largest and smallest number): ``torch.nan_to_num``.

    >>> import minigrad as mg
    >>> mg.nan_to_num(mg.tensor([float("nan"), 1.0, float("inf")]), posinf=9)
    tensor([0., 1., 9.])
    """
    return np.nan_to_num(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


@elementwise
@op(input=lambda g: g)
def clone(input: Operand) -> Array:
    """A copy of ``input`` with its own memory: ``torch.clone``."""
    return np.array(input, order="C")


# --------------------------------------------------------------------------------------------------- choosing

BLENDED = 4096  # elements from which blending bits is faster than np.where
_BITS = {np.dtype(f"f{n}"): np.dtype(f"i{n}") for n in (2, 4, 8)}


def _is_zero(x: Any) -> bool:
    return type(x) in (float, int) and x == 0 and math.copysign(1.0, x) > 0


# np.where branches for every element, which is slow for an irregular mask such as that of a relu. Multiplying the bits by 0 or 1
# has no branch: it is six times as fast for an array and 0, three times for two arrays.


def _masked(x, mask, kept):
    """``x`` where ``mask == kept``, else 0."""
    if x.size >= maps.LARGE and x.shape == shape_of(mask):  # the mask may be a Python bool
        return maps.masked(x, mask, kept, _BITS[x.dtype])
    return np.multiply(x.view(_BITS[x.dtype]), mask if kept else np.logical_not(mask)).view(x.dtype)


def _blended(condition, x, y):
    """``x`` where ``condition``, else ``y``, for large arrays of one shape and dtype: y ^ ((x ^ y) * condition), bit by bit."""
    out = np.empty(x.shape, x.dtype)
    bits = [a.reshape(-1).view(_BITS[x.dtype]) for a in (x, y, out)]
    condition = condition.reshape(-1)
    for i in range(0, out.size, BLOCK):  # a piece at a time, in cache
        a, b, c = [array[i : i + BLOCK] for array in bits]
        np.bitwise_xor(a, b, c)
        np.multiply(c, condition[i : i + BLOCK], c)
        np.bitwise_xor(c, b, c)
    return out


@called_as(like.where)
@elementwise
@op(
    condition=None,
    input=lambda g, condition: where(condition, g, 0.0),
    other=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, input: Array = None, other: Array = None) -> Array:
    """``input`` where ``condition`` is True, else ``other``: ``torch.where``. All three broadcast; ``input`` and ``other`` may be numbers.

    ``where(condition)`` is the tuple of the indices where it is True, one integer Tensor per dimension.
    Raises ``TypeError`` if ``condition`` is not boolean.

    >>> import minigrad as mg
    >>> x = mg.tensor([-1.0, 2.0])
    >>> mg.where(x > 0, x, 0.1 * x)
    tensor([-0.1000,  2.0000])
    """
    if input is None and other is None:
        return np.nonzero(condition)
    if np.asarray(condition).dtype != np.bool_:
        raise TypeError(f"where: the condition must be boolean, not {np.asarray(condition).dtype}")
    if _is_zero(other) and getattr(input, "dtype", None) in _BITS:
        return _masked(input, condition, True)
    if _is_zero(input) and getattr(other, "dtype", None) in _BITS:
        return _masked(other, condition, False)
    a, b = [getattr(x, "dtype", None) for x in (input, other)]
    if a in _BITS and a is b and shape_of(input) == shape_of(other) == shape_of(condition) and input.size >= BLENDED:
        return _blended(condition, input, other)
    return np.where(condition, input, other)


# --------------------------------------------------------------------------------------- comparisons and logic


@elementwise
@op()
def eq(input: Operand, other: Operand) -> Array:
    """``input == other``, elementwise: ``torch.eq``. See :func:`equal` for whole tensors.

    >>> import minigrad as mg
    >>> mg.tensor([1, 2]) == mg.tensor([1, 3])
    tensor([ True, False])
    """
    return np.equal(input, other)


@elementwise
@op()
def ne(input: Operand, other: Operand) -> Array:
    """``input != other``: ``torch.ne``."""
    return np.not_equal(input, other)


@elementwise
@op()
def lt(input: Operand, other: Operand) -> Array:
    """``input < other``: ``torch.lt``."""
    return np.less(input, other)


@elementwise
@op()
def le(input: Operand, other: Operand) -> Array:
    """``input <= other``: ``torch.le``."""
    return np.less_equal(input, other)


@elementwise
@op()
def gt(input: Operand, other: Operand) -> Array:
    """``input > other``: ``torch.gt``."""
    return np.greater(input, other)


@elementwise
@op()
def ge(input: Operand, other: Operand) -> Array:
    """``input >= other``: ``torch.ge``."""
    return np.greater_equal(input, other)


@elementwise
@op()
def logical_and(input: Operand, other: Operand) -> Array:
    """Whether both are nonzero: ``torch.logical_and``."""
    return np.logical_and(input, other)


@elementwise
@op()
def logical_or(input: Operand, other: Operand) -> Array:
    """Whether at least one of them is nonzero: ``torch.logical_or``."""
    return np.logical_or(input, other)


@elementwise
@op()
def logical_xor(input: Operand, other: Operand) -> Array:
    """Whether exactly one of them is nonzero: ``torch.logical_xor``."""
    return np.logical_xor(input, other)


@elementwise
@op()
def logical_not(input: Operand) -> Array:
    """Whether ``input`` is zero: ``torch.logical_not``."""
    return np.logical_not(input)


@elementwise
@op()
def bitwise_and(input: Operand, other: Operand) -> Array:
    """``input & other`` of integers or booleans: ``torch.bitwise_and``. Raises ``TypeError`` for floats, as all bitwise ops do.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0, 3.0])
    >>> (x > 1) & (x < 3)
    tensor([False,  True, False])
    """
    return np.bitwise_and(input, other)


@elementwise
@op()
def bitwise_or(input: Operand, other: Operand) -> Array:
    """``input | other`` of integers or booleans: ``torch.bitwise_or``."""
    return np.bitwise_or(input, other)


@elementwise
@op()
def bitwise_xor(input: Operand, other: Operand) -> Array:
    """``input ^ other`` of integers or booleans: ``torch.bitwise_xor``."""
    return np.bitwise_xor(input, other)


@elementwise
@op()
def bitwise_not(input: Operand) -> Array:
    """``~input`` of integers or booleans: ``torch.bitwise_not``."""
    return np.invert(input)


@elementwise
@op()
def bitwise_left_shift(input: Operand, other: Operand) -> Array:
    """``input << other`` of integers: ``torch.bitwise_left_shift``."""
    return np.left_shift(input, other)


@elementwise
@op()
def bitwise_right_shift(input: Operand, other: Operand) -> Array:
    """``input >> other`` of integers: ``torch.bitwise_right_shift``."""
    return np.right_shift(input, other)


@elementwise
@op()
def isnan(input: Operand) -> Array:
    """Whether ``input`` is NaN: ``torch.isnan``."""
    return np.isnan(input)


@elementwise
@op()
def isinf(input: Operand) -> Array:
    """Whether ``input`` is infinite: ``torch.isinf``."""
    return np.isinf(input)


@elementwise
@op()
def isfinite(input: Operand) -> Array:
    """Whether ``input`` is neither infinite nor NaN: ``torch.isfinite``."""
    return np.isfinite(input)


@elementwise
@op()
def isclose(input: Operand, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether ``|input - other| <= atol + rtol * |other|``: ``torch.isclose``.

    >>> import minigrad as mg
    >>> mg.isclose(mg.tensor([1.0, 2.0]), mg.tensor([1.000001, 2.1]))
    tensor([ True, False])

    Raises ``ValueError`` for a negative tolerance.
    """
    for key, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise ValueError(f"isclose: {key} must be 0 or above, but is {tolerance}")
    return quiet().run(np.isclose, input, other, rtol, atol, equal_nan)


def allclose(input: Operand, other: Operand, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> bool:
    """Whether :func:`isclose` holds everywhere, a Python bool: ``torch.allclose``."""
    return bool(np.all(isclose(unwrapped(input), unwrapped(other), rtol=rtol, atol=atol, equal_nan=equal_nan)))


def equal(input: Operand, other: Operand) -> bool:
    """Whether two tensors have the same shape and the same elements, a Python bool: ``torch.equal``.

    >>> import minigrad as mg
    >>> mg.equal(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 2.0]))
    True
    """
    tensors("equal", input=input, other=other)
    return shape_of(unwrapped(input)) == shape_of(unwrapped(other)) and bool(np.all(eq(unwrapped(input), unwrapped(other))))
