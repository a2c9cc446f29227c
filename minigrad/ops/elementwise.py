"""Ops that work element by element: arithmetic with broadcasting, powers, exponentials, rounding, comparisons.

Broadcasting is numpy's. The engine sums a gradient back to the shape of a broadcast argument, so the formulas
below are those of one element.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.engine import op

# ------------------------------------------------------------------------------------------------ arithmetic


@op(a=lambda g: g, b=lambda g: g)
def add(a, b):
    """``a + b``: ``torch.add``.

    >>> import minigrad as mg
    >>> mg.add(mg.tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """
    return np.add(a, b)


@op(a=lambda g: g, b=lambda g: -g)
def sub(a, b):
    """``a - b``: ``torch.sub``."""
    return np.subtract(a, b)


@op(a=lambda g, b: g * b, b=lambda g, a: g * a)
def mul(a, b):
    """``a * b``: ``torch.mul``."""
    return np.multiply(a, b)


@op(a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)
def div(a, b):
    """``a / b``, true division: ``torch.div``. Integers give the default floating dtype; x/0 is inf or NaN, as in PyTorch."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(a, b)


@op(x=lambda g: -g)
def neg(x):
    """``-x``: ``torch.neg``."""
    return np.negative(x)


@op()
def floor_divide(a, b):
    """``a // b``, rounded towards minus infinity: ``torch.floor_divide``. Constant between its jumps: no gradient."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.floor_divide(a, b)


@op(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b))
def remainder(a, b):
    """``a % b`` with the sign of ``b``: ``torch.remainder``. a - b * floor(a / b)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.remainder(a, b)


# ------------------------------------------------------------------------------------------ powers and roots


def _pow_base(g, a, b):
    # d(a**b)/da = b a**(b-1), and 0 where b == 0 (also at a == 0, where a**-1 is infinite)
    if isinstance(b, (int, float)):
        return g * 0.0 if b == 0 else g * (b * pow(a, b - 1))
    return g * b * pow(a, where(equal(b, 0), 1.0, b - 1.0))


def _pow_exponent(g, a, b, out):
    # d(a**b)/db = a**b log a, and 0 where a == 0 and b >= 0 (the limit: 0**b is constant there)
    at_zero = logical_and(equal(a, 0), greater_equal(b, 0))
    return g * out * where(at_zero, 0.0, log(where(at_zero, 1.0, a)))


@op(a=_pow_base, b=_pow_exponent)
def pow(a, b):
    """``a ** b``: ``torch.pow``. NaN for a negative base with a fractional exponent."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return a**b  # the operator: numpy has fast paths for exponents 2, 0.5 and -1


@op(x=lambda g, x: g * (2.0 * x))
def square(x):
    """``x * x``: ``torch.square``."""
    return np.square(x)


@op(x=lambda g, out: g * 0.5 / out)
def sqrt(x):
    """Square root: ``torch.sqrt``. NaN below zero."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(x)


@op(x=lambda g, x, out: g * (-0.5 * out / x))
def rsqrt(x):
    """``1 / sqrt(x)``: ``torch.rsqrt``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1.0 / np.sqrt(x)


@op(x=lambda g, out: -g * out * out)
def reciprocal(x):
    """``1 / x``: ``torch.reciprocal``."""
    with np.errstate(divide="ignore"):
        return np.true_divide(1.0, x)


# --------------------------------------------------------------------------------- exponentials and logarithms


@op(x=lambda g, out: g * out)
def exp(x):
    """e**x: ``torch.exp``. Infinite above 88.7 in float32, without a warning.

    >>> import minigrad as mg
    >>> x = mg.tensor([0.0, 1.0], requires_grad=True)
    >>> x.exp().sum().backward()
    >>> x.grad
    tensor([1.0000, 2.7183])
    """
    with np.errstate(over="ignore"):
        return np.exp(x)


@op(x=lambda g, out: g * (out * math.log(2.0)))
def exp2(x):
    """2**x: ``torch.exp2``."""
    with np.errstate(over="ignore"):
        return np.exp2(x)


@op(x=lambda g, out: g * (out + 1.0))
def expm1(x):
    """e**x - 1 without cancellation near zero: ``torch.expm1``."""
    with np.errstate(over="ignore"):
        return np.expm1(x)


@op(x=lambda g, x: g / x)
def log(x):
    """Natural logarithm: ``torch.log``. -inf at zero, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(x)


@op(x=lambda g, x: g / (x * math.log(2.0)))
def log2(x):
    """Logarithm to base 2: ``torch.log2``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(x)


@op(x=lambda g, x: g / (x * math.log(10.0)))
def log10(x):
    """Logarithm to base 10: ``torch.log10``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(x)


@op(x=lambda g, x: g / (x + 1.0))
def log1p(x):
    """log(1 + x) without cancellation near zero: ``torch.log1p``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log1p(x)


@op(x=lambda g: g)
def clone(x):
    """A copy of ``x`` in memory of its own: ``torch.clone``."""
    return np.array(x, order="C")


def add_scaled(a, b, *, alpha=1):
    """``a + alpha * b``: ``torch.add``."""
    return add(a, b if alpha == 1 else mul(b, alpha))


def sub_scaled(a, b, *, alpha=1):
    """``a - alpha * b``: ``torch.sub``."""
    return sub(a, b if alpha == 1 else mul(b, alpha))
