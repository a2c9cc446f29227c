"""More elementwise ops: signs, steps, angles, parts of floating numbers, divisors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import F64, cast, elementwise, known_as, op, public
from minigrad.kernels.quiet import quiet
from minigrad.ops import elementwise as ew
from minigrad.ops.elementwise import pow, real, where
from minigrad.ops.results import returned_by
from minigrad.types import Array, Operand, Tensor


def _no_slope(g):
    return where(False, g, 0.0)


# -------------------------------------------------------------------------------------------- signs and steps


@elementwise
@op(input=lambda g, input, out: where(ew.eq(input, 0), 0.0, g * (ew.sign(input) * ew.sign(out))), other=_no_slope)
def copysign(input: Operand, other: Operand) -> Array:
    """``abs(input)`` with the sign of ``other``, also that of -0.0: ``torch.copysign``. The gradient in ``input`` is 1 or -1 (0 at 0), in ``other`` 0.

    >>> import minigrad as mg
    >>> mg.copysign(mg.tensor([1.0, -2.0]), -0.0)
    tensor([-1., -2.])
    """
    return np.copysign(real(input) if isinstance(input, np.ndarray) else input, other)


@elementwise
@op(input=_no_slope, values=lambda g, input: where(ew.eq(input, 0), g, 0.0))
def heaviside(input: Operand, values: Operand) -> Array:
    """0 below zero, 1 above, ``values`` at zero: ``torch.heaviside``. (PyTorch has no gradient for it; here it is that of a constant.)

    >>> import minigrad as mg
    >>> mg.heaviside(mg.tensor([-1.0, 0.0, 2.0]), 0.5)
    tensor([0.0000, 0.5000, 1.0000])
    """
    dtypes = [x.dtype for x in (input, values) if isinstance(x, np.ndarray)] or [F64]
    return np.where(np.equal(input, 0), values, np.greater(input, 0)).astype(np.result_type(*dtypes), copy=False)


@elementwise
@op()
def signbit(input: Operand) -> Array:
    """Whether the sign is minus, also that of -0.0: ``torch.signbit``.

    >>> import minigrad as mg
    >>> mg.signbit(mg.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """
    input = np.asarray(input)
    return np.signbit(input) if input.dtype.kind == "f" else np.less(input, 0)


@elementwise
@op()
def isposinf(input: Operand) -> Array:
    """Whether ``input`` is inf: ``torch.isposinf``."""
    return np.equal(input, np.inf)


@elementwise
@op()
def isneginf(input: Operand) -> Array:
    """Whether ``input`` is -inf: ``torch.isneginf``."""
    return np.equal(input, -np.inf)


def positive(input: Tensor) -> Tensor:
    """``+input``, the Tensor itself: ``torch.positive``. Raises ``TypeError`` for booleans, as numpy does."""
    if input.dtype == np.bool_:
        raise TypeError("positive: booleans have no sign; convert with x.int()")
    return input


def rsub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input``: ``torch.rsub``.

    >>> import minigrad as mg
    >>> mg.rsub(mg.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    return ew.sub(other, input, alpha=alpha)


# ----------------------------------------------------------------------------------- powers, angles, parts


def float_power(input: Operand, exponent: Operand) -> Tensor:
    """``input ** exponent`` in float64: ``torch.float_power``.

    >>> import minigrad as mg
    >>> mg.float_power(mg.tensor([2, 3]), -1)
    tensor([0.5000, 0.3333], dtype=torch.float64)
    """
    return pow(*[x if isinstance(x, (int, float)) else cast(x, dtype=F64) for x in (input, exponent)])


def _floating(x: Operand) -> Any:
    return real(x) if isinstance(x, np.ndarray) else x


@elementwise
@op(input=lambda g: g * (math.pi / 180.0))
def deg2rad(input: Operand) -> Array:
    """Degrees as radians: ``torch.deg2rad``.

    >>> import minigrad as mg
    >>> mg.deg2rad(mg.tensor([180.0, 90.0]))
    tensor([3.1416, 1.5708])
    """
    return np.multiply(_floating(input), math.pi / 180.0)


@elementwise
@op(input=lambda g: g * (180.0 / math.pi))
def rad2deg(input: Operand) -> Array:
    """Radians as degrees: ``torch.rad2deg``."""
    return quiet().run(np.multiply, _floating(input), 180.0 / math.pi)


@known_as("LdexpBackward0")
def ldexp(input: Operand, other: Operand) -> Tensor:
    """``input * 2**other``: ``torch.ldexp``. Integers give the default dtype.

    >>> import minigrad as mg
    >>> mg.ldexp(mg.tensor([1.0, 3.0]), mg.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    dtype = getattr(input, "dtype", None)
    return ew.mul(input, pow(2.0 if dtype is None or dtype.kind != "f" else np.asarray(2.0, dtype), other))


@elementwise
@op(input=lambda g, exponent: scaled(g, exponent), exponent=None)
def scaled(input: Operand, exponent: Operand) -> Array:
    """``input`` times 2 to the whole power ``exponent``, exactly and in the dtype of ``input``."""
    return np.ldexp(input, exponent)


@elementwise
@op(input=lambda g, out_1: scaled(g[0], -out_1))
def _frexp(input: Operand) -> Array:
    return np.frexp(real(input))


class MantissaExponent(NamedTuple):
    """The result of :func:`frexp`."""

    mantissa: Tensor
    exponent: Tensor


_MantissaExponent = returned_by("frexp", MantissaExponent)


def frexp(input: Tensor) -> MantissaExponent:
    """``input`` as mantissa * 2**exponent with ``1/2 <= abs(mantissa) < 1``, a named tuple: ``torch.frexp``. The exponent is int32.

    >>> import minigrad as mg
    >>> mg.frexp(mg.tensor([3.0, -0.5])).exponent
    tensor([2, 0], dtype=torch.int32)
    """
    return _MantissaExponent(*_frexp(input))


@elementwise
@op(input=lambda g, input, other: where(ew.eq(input, other), 0.0, g), other=_no_slope)  # as PyTorch: equal to ``other`` it has no slope
def nextafter(input: Operand, other: Operand) -> Array:
    """The next floating number from ``input`` towards ``other``: ``torch.nextafter``.

    >>> import minigrad as mg
    >>> bool(mg.nextafter(mg.tensor(1.0), mg.tensor(2.0)) > 1)
    True
    """
    return np.nextafter(input, other)


# ----------------------------------------------------------------------------------------------- divisors


@elementwise
@op()
def gcd(input: Operand, other: Operand) -> Array:
    """The greatest common divisor of integers, never negative: ``torch.gcd``. Raises ``TypeError`` for floats.

    >>> import minigrad as mg
    >>> mg.gcd(mg.tensor([12, -18]), 8)
    tensor([4, 2])
    """
    return np.gcd(input, other)


@elementwise
@op()
def lcm(input: Operand, other: Operand) -> Array:
    """The least common multiple of integers, never negative: ``torch.lcm``. Raises ``TypeError`` for floats."""
    return np.lcm(input, other)


public(__name__)
