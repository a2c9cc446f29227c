"""Special functions: what ``torch.special`` has, as ``minigrad.special``.

Integers are converted to the default dtype; float32 is computed in float64 and rounded. The derivative of each function is given by functions
of this file, also at points where its usual formula divides zero by zero, so derivatives of any order are right everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import elementwise, known_as, op, public, shape_of, unnamed
from minigrad.kernels import special as kernels
from minigrad.kernels.quiet import quiet
from minigrad.kernels.special import in_blocks
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import whole
from minigrad.ops.elementwise import erf, erfc, erfinv, exp2, expm1, log1p, logit, real, round, xlogy
from minigrad.ops.elementwise import sigmoid as expit
from minigrad.ops.reduce import logsumexp, sum
from minigrad.ops.softmax import log_softmax, softmax
from minigrad.tree import numbers_of
from minigrad.types import Array, Operand, Tensor

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "lgamma", "log1p",
    "log_ndtr", "log_softmax", "logit", "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "mvlgamma", "ndtr", "ndtri", "polygamma", "psi", "round", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "sinc", "softmax", "spherical_bessel_j0",
    "xlog1py", "xlogy", "zeta",
]  # fmt: skip

_ROOT_TAU = math.sqrt(2.0 * math.pi)


def _computed(kernel: Any, x: Operand) -> Any:
    return quiet().run(in_blocks, kernel, real(x))


# ------------------------------------------------------------------------------------- the gamma function


@elementwise
@op(input=lambda g, input: g * digamma(input))
def lgamma(input: Operand) -> Array:
    """``log(abs(gamma(x)))``: ``torch.lgamma``. Infinite at 0, -1, -2, ... The gradient is :func:`digamma`.

    >>> import minigrad as mg
    >>> mg.lgamma(mg.tensor([0.5, 1.0, 5.0]))
    tensor([0.5724, 0.0000, 3.1781])
    """
    return _computed(kernels.lgamma, input)


gammaln = lgamma


@elementwise
@op(input=lambda g, input: g * polygamma(1, input))
def digamma(input: Operand) -> Array:
    """The derivative of :func:`lgamma`: ``torch.digamma``. -inf at 0 (inf at -0.0), NaN at -1, -2, ...

    >>> import minigrad as mg
    >>> mg.digamma(mg.tensor([1.0, 2.0]))
    tensor([-0.5772,  0.4228])
    """
    return _computed(lambda x: kernels.polygamma(0, x), input)


psi = digamma


@elementwise
@op(input=lambda g, n, input: g * polygamma(n + 1, input))
def polygamma(n: int, input: Operand) -> Array:
    """The derivative of order ``n`` of :func:`digamma`: ``torch.polygamma``.

    Raises ``ShapeError`` for a negative ``n``, ``TypeError`` for one that is no whole number.

    >>> import minigrad as mg
    >>> mg.polygamma(1, mg.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    n = whole("polygamma", "n", n, 0)
    return _computed(lambda x: kernels.polygamma(n, x), input)


@known_as("MvlgammaBackward0")
def multigammaln(a: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``: ``torch.special.multigammaln``.

    It is log(pi) p (p - 1) / 4 + the sum over i < p of lgamma(a - i / 2). Raises ``ValueError`` unless all a > (p - 1) / 2.

    >>> import minigrad as mg
    >>> mg.special.multigammaln(mg.tensor([2.0]), 2)
    tensor([0.4516])
    """
    p = whole("multigammaln", "p", p, 1)
    if np.any(numbers_of(a) <= (p - 1) / 2):
        raise ValueError(f"multigammaln: every a must be above (p - 1) / 2 = {(p - 1) / 2}")
    steps = np.arange(p).reshape(p, *[1] * len(shape_of(a))) * 0.5
    return sum(lgamma(ew.sub(a, steps.astype(real(numbers_of(a)).dtype))), 0) + 0.25 * p * (p - 1) * math.log(math.pi)


mvlgamma = multigammaln


def _zeta_input(g, input, other):
    raise NotImplementedError("zeta: there is no derivative in its first argument, the exponent; pass input.detach()")


@elementwise
@op(input=_zeta_input, other=lambda g, input, other: g * (-input * zeta(input + 1.0, other)))
def zeta(input: Operand, other: Operand) -> Array:
    """The Hurwitz zeta function, the sum over n >= 0 of (other + n)**-input: ``torch.special.zeta``.

    NaN where ``input`` < 1, or where it is a fraction and ``other`` < 0; infinite where ``input`` is 1 or ``other`` is 0, -1, -2, ...
    There is no gradient in ``input``: asking for it raises ``NotImplementedError``, as in PyTorch.

    >>> import minigrad as mg
    >>> mg.special.zeta(mg.tensor([2.0, 3.0]), 1.0)
    tensor([1.6449, 1.2021])
    """
    s, q = np.broadcast_arrays(real(input), real(other))
    out = quiet().run(kernels.zeta, s.astype(np.float64).reshape(-1), q.astype(np.float64).reshape(-1))
    return out.reshape(s.shape).astype(np.result_type(s, q), copy=False)


def _of_concentration(g, input, other):
    raise NotImplementedError("gammainc: there is no derivative in its first argument; pass input.detach(), or draw by distributions.Gamma")


def _gamma_density(input, other):
    """other**(input - 1) exp(-other) / gamma(input)"""
    return ew.exp(xlogy(input - 1.0, other) - other - lgamma(input))


def _incomplete(input: Operand, other: Operand, upper: bool) -> Array:
    a, x = np.broadcast_arrays(real(input), real(other))
    out = quiet().run(kernels.gammainc, a.astype(np.float64).reshape(-1), x.astype(np.float64).reshape(-1), upper)
    return out.reshape(x.shape).astype(np.result_type(a, x), copy=False)


@elementwise
@op(input=_of_concentration, other=lambda g, input, other: g * _gamma_density(input, other))
def gammainc(input: Operand, other: Operand) -> Array:
    """The share of the gamma function's integral that is below ``other``: ``torch.special.gammainc``, ``torch.igamma``.

    It is the integral of t**(input - 1) exp(-t) from 0 to ``other``, divided by gamma(input): of a gamma distribution with the concentration
    ``input``, the probability of less than ``other``. NaN where one of them is negative, and where both are 0 or both infinite. There is no
    gradient in ``input``: asking for it raises ``NotImplementedError``, as in PyTorch.

    >>> import minigrad as mg
    >>> mg.special.gammainc(mg.tensor([1.0, 3.0]), 2.0)
    tensor([0.8647, 0.3233])
    """
    return _incomplete(input, other, False)


@elementwise
@op(input=_of_concentration, other=lambda g, input, other: g * -_gamma_density(input, other))
def gammaincc(input: Operand, other: Operand) -> Array:
    """``1 - gammainc(input, other)``, with all its digits where it is small: ``torch.special.gammaincc``, ``torch.igammac``.

    >>> import minigrad as mg
    >>> mg.special.gammaincc(mg.tensor([1.0, 3.0]), 50.0)
    tensor([1.9287e-22, 2.5093e-19])
    """
    return _incomplete(input, other, True)


igamma, igammac = gammainc, gammaincc


# ----------------------------------------------------------------------------------- the normal distribution


@elementwise
@op(input=lambda g, input: g * (ew.exp(-0.5 * input * input) * (1.0 / _ROOT_TAU)))  # type: ignore[operator]  # Tensor is not known yet
def ndtr(input: Operand) -> Array:
    """The normal distribution function, erfc(-x / sqrt(2)) / 2: ``torch.special.ndtr``.

    >>> import minigrad as mg
    >>> mg.special.ndtr(mg.tensor([-1.0, 0.0, 1.96]))
    tensor([0.1587, 0.5000, 0.9750])
    """
    return _computed(lambda x: 0.5 * kernels.erfc(-math.sqrt(0.5) * x), input)


@elementwise
@op(input=lambda g, out: g * (ew.exp(0.5 * out * out) * _ROOT_TAU))  # type: ignore[operator]  # Tensor is not known yet
def ndtri(input: Operand) -> Array:
    """The inverse of :func:`ndtr`: ``torch.special.ndtri``. Infinite at 0 and 1, NaN beyond.

    >>> import minigrad as mg
    >>> mg.special.ndtri(mg.tensor([0.0, 0.5, 0.975]))
    tensor([  -inf, 0.0000, 1.9600])
    """
    return _computed(kernels.ndtri, input)


@elementwise
@op(x=lambda g, x, out: g * (1.0 - _hazard(x) * out))
def _excess(x: Operand) -> Array:
    """x + hazard(x), which is near -1 / x for large negative x."""
    return _computed(kernels.hazard_excess, x)


@elementwise
@op(x=lambda g, x, out: g * (-out * _excess(x)))
def _hazard(x: Operand) -> Array:
    """The derivative of :func:`log_ndtr`: density over distribution function."""
    return _computed(kernels.hazard, x)


@elementwise
@op(input=lambda g, input: g * _hazard(input))
def log_ndtr(input: Operand) -> Array:
    """The logarithm of :func:`ndtr`, also where that underflows: ``torch.special.log_ndtr``.

    >>> import minigrad as mg
    >>> mg.special.log_ndtr(mg.tensor([-100.0, 0.0]))
    tensor([-5.0055e+03, -6.9315e-01])
    """
    return _computed(kernels.log_ndtr, input)


@elementwise
@op(input=lambda g, input, out: g * (2.0 * input * out - 2.0 / math.sqrt(math.pi)))
def erfcx(input: Operand) -> Array:
    """exp(x**2) erfc(x) without overflow: ``torch.special.erfcx``.

    >>> import minigrad as mg
    >>> mg.special.erfcx(mg.tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.4276, 0.0056])
    """
    return _computed(kernels.erfcx, input)


# ----------------------------------------------------------------------------------------------- entropies


def _entropy(x):
    out = -x * np.log(x)
    return np.where(x == 0, 0, np.where(x < 0, -np.inf, out)).astype(x.dtype, copy=False)


@elementwise
@op(input=lambda g, input: g * (-ew.log(input) - 1.0))
def entr(input: Operand) -> Array:
    """-x log x, 0 at 0 and -inf below: ``torch.special.entr``.

    >>> import minigrad as mg
    >>> mg.special.entr(mg.tensor([-1.0, 0.0, 0.5]))
    tensor([  -inf, 0.0000, 0.3466])
    """
    return quiet().run(_entropy, real(input))


def _xlog1py_input(g, input, other):
    # log(1 + y), but 0 at x == 0 where it does not exist; as in xlogy
    if isinstance(other, (int, float)):
        return g * (
            math.log1p(other) if other > -1 else ew.where(ew.eq(input, 0), 0.0, input * 0.0 + (-math.inf if other == -1 else math.nan))
        )
    return g * ew.log1p(ew.where(ew.logical_and(ew.eq(input, 0), ew.le(other, -1)), 0.0, other))


@elementwise
@op(input=_xlog1py_input, other=lambda g, input, other: g * input / (other + 1.0))
def xlog1py(input: Operand, other: Operand) -> Array:
    """``input * log(1 + other)``, and 0 where ``input`` is 0 unless ``other`` is NaN: ``torch.special.xlog1py``.

    >>> import minigrad as mg
    >>> mg.special.xlog1py(mg.tensor([0.0, 2.0]), mg.tensor([-1.0, 1.0]))
    tensor([0.0000, 1.3863])
    """
    log = quiet().run(np.log1p, real(other) if isinstance(other, np.ndarray) else other)
    product = quiet().run(np.multiply, input, log if isinstance(other, np.ndarray) else float(log))
    return np.where(np.equal(input, 0) & ~np.isnan(other), product.dtype.type(0), product)


# ------------------------------------------------------------------------------------ Bessel functions, sinc


def _bessel_slope(x, order):
    return bessel_i(x, 1) if order == 0 else 0.5 * (bessel_i(x, order - 1) + bessel_i(x, order + 1))


@unnamed
@elementwise
@op(x=lambda g, x, order: g * _bessel_slope(x, order))
def bessel_i(x: Operand, order: int) -> Array:
    """The modified Bessel function of the first kind of any ``order`` 0, 1, ...: the derivatives of :func:`i0` and :func:`i1`."""
    return _computed(lambda x: kernels.bessel_i(x, order, False), x)


def _scaled_slope(x, order):
    return bessel_ie(x, 1) if order == 0 else 0.5 * (bessel_ie(x, order - 1) + bessel_ie(x, order + 1))


@elementwise
@op(x=lambda g, x, out, order: g * (_scaled_slope(x, order) - ew.sign(x) * out))
def bessel_ie(x: Operand, order: int) -> Array:
    """:func:`bessel_i` times exp(-abs(x))."""
    return _computed(lambda x: kernels.bessel_i(x, order, True), x)


@known_as("I0Backward0")
def i0(input: Operand) -> Tensor:
    """The modified Bessel function of order 0: ``torch.i0``.

    >>> import minigrad as mg
    >>> mg.i0(mg.tensor([0.0, 1.0, 5.0]))
    tensor([ 1.0000,  1.2661, 27.2399])
    """
    return bessel_i(input, 0)


@known_as("SpecialI1Backward0")
def i1(input: Operand) -> Tensor:
    """The modified Bessel function of order 1, the derivative of :func:`i0`: ``torch.special.i1``."""
    return bessel_i(input, 1)


@known_as("SpecialI0EBackward0")
def i0e(input: Operand) -> Tensor:
    """:func:`i0` times exp(-abs(x)), which does not overflow: ``torch.special.i0e``."""
    return bessel_ie(input, 0)


@known_as("SpecialI1EBackward0")
def i1e(input: Operand) -> Tensor:
    """:func:`i1` times exp(-abs(x)): ``torch.special.i1e``."""
    return bessel_ie(input, 1)


def _without_slope(name: str) -> Any:
    """The formula of a function that has no gradient in PyTorch, and so none here."""

    def formula(g: Any) -> Any:
        raise NotImplementedError(f"{name}: there is no derivative, as in PyTorch; pass input.detach()")

    return formula


@elementwise
@op(input=_without_slope("bessel_j0"))
def bessel_j0(input: Operand) -> Array:
    """The Bessel function of the first kind of order 0: ``torch.special.bessel_j0``. It has no gradient, as the functions below.

    >>> import minigrad as mg
    >>> mg.special.bessel_j0(mg.tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.7652, 0.0200])
    """
    return _computed(lambda x: kernels.bessel_j(x, 0), input)


@elementwise
@op(input=_without_slope("bessel_j1"))
def bessel_j1(input: Operand) -> Array:
    """The Bessel function of the first kind of order 1: ``torch.special.bessel_j1``."""
    return _computed(lambda x: kernels.bessel_j(x, 1), input)


@elementwise
@op(input=_without_slope("bessel_y0"))
def bessel_y0(input: Operand) -> Array:
    """The Bessel function of the second kind of order 0: ``torch.special.bessel_y0``. -inf at 0, NaN below."""
    return _computed(lambda x: kernels.bessel_y(x, 0), input)


@elementwise
@op(input=_without_slope("bessel_y1"))
def bessel_y1(input: Operand) -> Array:
    """The Bessel function of the second kind of order 1: ``torch.special.bessel_y1``. -inf at 0, NaN below."""
    return _computed(lambda x: kernels.bessel_y(x, 1), input)


@elementwise
@op(input=_without_slope("modified_bessel_i0"))
def modified_bessel_i0(input: Operand) -> Array:
    """The modified Bessel function of the first kind of order 0: ``torch.special.modified_bessel_i0``. :func:`i0` has a gradient."""
    return _computed(lambda x: kernels.bessel_i(x, 0, False), input)


@elementwise
@op(input=_without_slope("modified_bessel_i1"))
def modified_bessel_i1(input: Operand) -> Array:
    """The modified Bessel function of the first kind of order 1: ``torch.special.modified_bessel_i1``. :func:`i1` has a gradient."""
    return _computed(lambda x: kernels.bessel_i(x, 1, False), input)


@elementwise
@op(input=_without_slope("modified_bessel_k0"))
def modified_bessel_k0(input: Operand) -> Array:
    """The modified Bessel function of the second kind of order 0: ``torch.special.modified_bessel_k0``. Infinite at 0, NaN below."""
    return _computed(lambda x: kernels.bessel_k(x, 0, False), input)


@elementwise
@op(input=_without_slope("modified_bessel_k1"))
def modified_bessel_k1(input: Operand) -> Array:
    """The modified Bessel function of the second kind of order 1: ``torch.special.modified_bessel_k1``. Infinite at 0, NaN below."""
    return _computed(lambda x: kernels.bessel_k(x, 1, False), input)


@elementwise
@op(input=_without_slope("scaled_modified_bessel_k0"))
def scaled_modified_bessel_k0(input: Operand) -> Array:
    """:func:`modified_bessel_k0` times exp(x): ``torch.special.scaled_modified_bessel_k0``."""
    return _computed(lambda x: kernels.bessel_k(x, 0, True), input)


@elementwise
@op(input=_without_slope("scaled_modified_bessel_k1"))
def scaled_modified_bessel_k1(input: Operand) -> Array:
    """:func:`modified_bessel_k1` times exp(x): ``torch.special.scaled_modified_bessel_k1``."""
    return _computed(lambda x: kernels.bessel_k(x, 1, True), input)


@elementwise
@op(input=_without_slope("spherical_bessel_j0"))
def spherical_bessel_j0(input: Operand) -> Array:
    """sin(x) / x, 1 at 0: ``torch.special.spherical_bessel_j0``."""
    return _computed(lambda x: np.where(np.isinf(x), 0.0, np.sin(x) / np.where(x == 0, 1.0, x)) + (x == 0), input)


@elementwise
@op(x=lambda g, x, order: g * sinc_derivative(x, order + 1))
def sinc_derivative(x: Operand, order: int) -> Array:
    """The derivative of some ``order`` of :func:`sinc`."""
    return _computed(lambda x: kernels.sinc(x, order), x)


@known_as("SincBackward0")
def sinc(input: Operand) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0: ``torch.sinc``.

    >>> import minigrad as mg
    >>> mg.sinc(mg.tensor([0.0, 0.5, 1.5]))
    tensor([ 1.0000,  0.6366, -0.2122])
    """
    return sinc_derivative(input, 0)


public(__name__)
