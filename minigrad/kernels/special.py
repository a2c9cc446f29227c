"""Special functions of float64 arrays: the error function, the gamma function, zeta, Bessel functions, sinc.

Series and continued formulas from the literature, each named where it stands; numbers that have a formula are computed from it. Relative
errors are below 1e-13 where the function is not near a zero (``tests/ops/test_special.py`` measures them). No function warns if numpy's
floating-point warnings are off, as in all kernels of ops.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minigrad.kernels.tiles import BLOCK

if TYPE_CHECKING:
    from fractions import Fraction


def in_blocks(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """``function`` of ``x`` in ``dtype``, one piece at a time, so that its intermediate results stay in the cache. The result has x's dtype.

    >>> in_blocks(np.sqrt, np.array([[4.0], [9.0]], np.float32))
    array([[2.],
           [3.]], dtype=float32)
    """
    flat = x.reshape(-1)
    out = np.empty(flat.shape, x.dtype)
    for i in range(0, flat.size, BLOCK):
        out[i : i + BLOCK] = function(flat[i : i + BLOCK].astype(dtype, copy=False))
    return out.reshape(x.shape)


def polynomial(coefficients: Sequence[float], t: np.ndarray) -> np.ndarray:
    """Horner's rule; the coefficient of the highest power comes first. There are at least two.

    >>> polynomial((1.0, 0.0, -1.0), np.array([2.0, 3.0]))
    array([3., 8.])
    """
    highest, *more, last = coefficients
    if highest == 1.0 and more:
        out = t + more.pop(0)
        np.multiply(out, t, out)
    else:
        out = t * highest
    for c in more:
        np.add(out, c, out)
        np.multiply(out, t, out)
    return np.add(out, last, out)


def _rational(numerator_denominator: Sequence[Sequence[float]], t: np.ndarray) -> np.ndarray:
    out = polynomial(numerator_denominator[0], t)
    return np.divide(out, polynomial(numerator_denominator[1], t), out)


# --------------------------------------------------------------------------------------- the error function
# float64: the rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
# Math. Comp. 23 (1969), with the coefficients of his program CALERF (netlib, specfun), good to the last digits.
# float32: erf(x) = tanh(x R(x**2)) for x up to 4, where it rounds to 1. numpy's tanh is fast, and R is a rational function: a
# least-squares fit whose weights were adjusted until the relative error of erf was about the same everywhere (4e-9, rounding aside).
# It is written as 1 / R = c0 + k / (t + c1 + (t + c2) / (b0 t**2 + b1 t + b2)), which takes two passes over memory less than two
# polynomials. The probability below x of a normal distribution is a sigmoid instead, as numpy's exp takes half of tanh's time, of x / F(x**2) with
# F(t) = c0 + k1 / (t + c1 + k2 / (t + c2 + k3 / (t + c3))). That takes two passes less, as it needs no limit: beyond x = 7, up to which F was
# fitted, x / F goes on to infinity. The error of the probability is about the same everywhere (2e-9). The last digits of both were then searched for
# small errors in float32.

# fmt: off
_CODY_SMALL = (  # erf(x) / x in x**2, |x| <= 0.46875
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_CODY_MIDDLE = (  # erfc(x) exp(x**2) in x, 0.46875 <= x <= 4
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
     8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)
_CODY_LARGE = (  # (1 / sqrt(pi) - x erfc(x) exp(x**2)) x**2 in 1 / x**2, x >= 4
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2,
     6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3),
)
# fmt: on


_SINGLE = (0.14916544, 7.95514, 12.9326725, 18.722591, -0.18231884, -1.2115827, -8.750409)  # c0 k c1 c2 b0 b1 b2
_NORMAL = (-0.105268486, -11.273432, 25.933374, -22.156912, -24.14628, 1097.6746, 37.481995)  # -c0 -k1 c1 k2 c2 k3 c3


def erf_single(x: np.ndarray) -> np.ndarray:
    """The error function of float32."""
    c0, k, c1, c2, *denominator = _SINGLE
    square = np.clip(x * x, 0.0, 16.0)  # R is not fitted beyond, and its powers would overflow
    out = square + c2
    np.divide(out, polynomial(denominator, square), out)
    np.add(out, c1, out)
    np.add(out, square, out)
    np.divide(k, out, out)
    np.add(out, c0, out)
    np.divide(x, out, out)
    return np.tanh(out, out)


def ndtr_single(x: np.ndarray, square: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The probability that a standard normal number is below x, of float32, given the square of x: within 1.2e-7. It is put into ``out``.

    >>> x = np.array([-6.0, 0.0, 1.0], np.float32)
    >>> ndtr_single(x, x * x, np.empty_like(x)).round(4)
    array([0.    , 0.5   , 0.8413], dtype=float32)
    """
    c0, k1, c1, k2, c2, k3, c3 = _NORMAL
    np.add(square, c3, out)
    np.divide(k3, out, out)
    np.add(out, c2, out)
    np.add(out, square, out)
    np.divide(k2, out, out)
    np.add(out, c1, out)
    np.add(out, square, out)
    np.divide(k1, out, out)
    np.add(out, c0, out)
    np.divide(x, out, out)
    np.exp(out, out)
    np.add(out, 1.0, out)
    return np.divide(1.0, out, out)


def _erfcx_positive(x):
    """exp(x**2) erfc(x) above 0.46875."""
    out = np.empty_like(x)
    middle = x <= 4.0
    out[middle] = _rational(_CODY_MIDDLE, x[middle])
    large = x[~middle]
    t = 1.0 / (large * large)
    out[~middle] = (1.0 / math.sqrt(math.pi) - t * _rational(_CODY_LARGE, t)) / large
    return out


def _exp_of_square(x, sign):
    """exp(sign * x**2) in two factors, the first with an exact exponent."""
    head = np.trunc(x * 16.0) / 16.0
    return np.exp(sign * head * head) * np.exp(sign * (x - head) * (x + head))


def _erfc_positive(x):
    """erfc above 0.46875."""
    x = np.minimum(x, 30.0)  # erfc(30) underflows
    return _erfcx_positive(x) * _exp_of_square(x, -1.0)


def _near_and_far(
    x: np.ndarray, near: Callable[[np.ndarray, np.ndarray], np.ndarray], far: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """``near(s, erf(s))`` of the elements s up to 0.46875 in size, where erf is s times a function of s**2, and ``far`` of the others."""
    out = np.empty_like(x)
    small = np.abs(x) <= 0.46875
    s = x[small]
    out[small] = near(s, s * _rational(_CODY_SMALL, s * s))
    out[~small] = far(x[~small])
    return out


def erf(x: np.ndarray) -> np.ndarray:
    """The error function.

    >>> erf(np.array([0.0, 0.5]))
    array([0.        , 0.52049988])
    """
    return _near_and_far(x, lambda s, erf_s: erf_s, lambda x: np.copysign(1.0 - _erfc_positive(np.abs(x)), x))


def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x) without cancellation.

    >>> erfc(np.array([0.0, 10.0]))
    array([1.00000000e+00, 2.08848758e-45])
    """

    def far(x: np.ndarray) -> np.ndarray:
        tail = _erfc_positive(np.abs(x))
        return np.where(x < 0, 2.0 - tail, tail)

    return _near_and_far(x, lambda s, erf_s: 1.0 - erf_s, far)


def erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x**2) erfc(x), which falls like 1 / x.

    >>> erfcx(np.array([0.0, 1e9]))
    array([1.00000000e+00, 5.64189584e-10])
    """

    def far(x: np.ndarray) -> np.ndarray:
        tail = _erfcx_positive(np.abs(x))
        return np.where(x < 0, 2.0 * _exp_of_square(np.clip(x, -30.0, 0.0), 1.0) - tail, tail)  # e**900 overflows

    return _near_and_far(x, lambda s, erf_s: np.exp(s * s) * (1.0 - erf_s), far)


def log_ndtr(x: np.ndarray) -> np.ndarray:
    """The logarithm of the normal distribution function, also where that underflows.

    >>> log_ndtr(np.array([0.0, -100.0]))
    array([-6.93147181e-01, -5.00552421e+03])
    """
    t = x * math.sqrt(0.5)
    low = x < -1.0
    out = np.empty_like(x)
    out[low] = np.log(0.5 * erfcx(-t[low])) - t[low] * t[low]
    out[~low] = np.log1p(-0.5 * erfc(t[~low]))
    return out


# The quantile function of the normal distribution: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal
# distribution", Applied Statistics 37 (1988), good to about 1e-16.
# fmt: off
_WICHURA_CENTRE = (
    (2.5090809287301226727e+3, 3.3430575583588128105e+4, 6.7265770927008700853e+4, 4.5921953931549871457e+4,
     1.3731693765509461125e+4, 1.9715909503065514427e+3, 1.3314166789178437745e+2, 3.3871328727963666080e+0),
    (5.2264952788528545610e+3, 2.8729085735721942674e+4, 3.9307895800092710610e+4, 2.1213794301586595867e+4,
     5.3941960214247511077e+3, 6.8718700749205790830e+2, 4.2313330701600911252e+1, 1.0),
)
_WICHURA_TAIL = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e+0,
     3.64784832476320460504e+0, 5.76949722146069140550e+0, 4.63033784615654529590e+0, 1.42343711074968357734e+0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e+0, 2.05319162663775882187e+0, 1.0),
)
_WICHURA_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e+0, 5.46378491116411436990e+0, 6.65790464350110377720e+0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)
# fmt: on


def hazard(x: np.ndarray) -> np.ndarray:
    """The derivative of :func:`log_ndtr`: the normal density over the distribution function.

    >>> hazard(np.array([0.0])) ** 2 * np.pi
    array([2.])
    """
    return math.sqrt(2.0 / math.pi) / erfcx(-math.sqrt(0.5) * x)


def hazard_excess(x: np.ndarray) -> np.ndarray:
    """x + :func:`hazard`, below -4 by the continued fraction 1 / (-x + 2 / (-x + 3 / (-x + ...))): Abramowitz and Stegun 26.2.14.

    >>> hazard_excess(np.array([-1e8]))
    array([1.e-08])
    """
    out = x + hazard(x)
    low = x < -4.0
    t = -x[low]
    fraction = t
    for k in range(60, 1, -1):
        fraction = t + k / fraction
    out[low] = 1.0 / fraction
    return out


def _normal_quantile(q, tail):
    """The quantile of the probability ``q`` + 1/2, of which ``tail`` = 1/2 - |q| is the distance from 0 or 1."""
    out = np.empty_like(q)
    centre = np.abs(q) <= 0.425
    c, rest = q[centre], q[~centre]
    out[centre] = c * _rational(_WICHURA_CENTRE, 0.180625 - c * c)
    r = np.sqrt(-np.log(tail[~centre]))
    far = r > 5.0
    size = np.empty_like(r)
    size[~far] = _rational(_WICHURA_TAIL, r[~far] - 1.6)
    size[far] = _rational(_WICHURA_FAR, r[far] - 5.0)
    size[np.isinf(r)] = np.inf
    out[~centre] = np.copysign(size, rest)
    return out


def ndtri(p: np.ndarray) -> np.ndarray:
    """The quantile function of the normal distribution.

    >>> ndtri(np.array([0.5, 0.975]))
    array([0.        , 1.95996398])
    """
    return _normal_quantile(p - 0.5, np.minimum(p, 1.0 - p))


def erfinv(y: np.ndarray) -> np.ndarray:
    """The inverse of :func:`erf`.

    >>> erfinv(erf(np.array([0.3])))
    array([0.3])
    """
    return _normal_quantile(0.5 * y, 0.5 - np.abs(0.5 * y)) * math.sqrt(0.5)


# -------------------------------------------------------------------------------- the gamma function and its kin
# For large x the asymptotic series in Bernoulli numbers. A smaller x is made large enough, or brought near 2, by the recurrences, x < 0
# by the reflection formulas: Abramowitz and Stegun, Handbook of Mathematical Functions, chapter 6 (and 23.2 for zeta).

LARGE = 13.0  # from here 12 terms of an asymptotic series are enough
_HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
_STEPS = np.arange(32.0).reshape(-1, 1)  # of the recurrences, in a dimension before that of x


@functools.cache
def _bernoulli() -> tuple[Fraction, ...]:
    """B_2, B_4, ... B_24, from their recurrence."""
    from fractions import Fraction  # not at the import of minigrad, of which it would be a twentieth

    known = [Fraction(1)]
    for n in range(1, 25):
        known.append(-sum((math.comb(n + 1, k) * b for k, b in enumerate(known)), Fraction(0)) / (n + 1))
    return tuple(known[2::2])


@functools.cache
def _lgamma_terms() -> tuple[float, ...]:
    """lgamma(2 + z) / z = 1 - gamma + the sum over k > 1 of (-1)**k (zeta(k) - 1) z**(k - 1) / k: 6.1.33. The highest power first."""
    k = np.arange(2.0, 30.0)
    return (*(zeta(k, np.full_like(k, 2.0)) * (-1.0) ** k / k)[::-1].tolist(), 1.0 - np.euler_gamma)


def _turn(x):
    """x less the nearest integer: what sin(pi x), but for its sign, and cot(pi x) depend on."""
    return x - np.round(x)


def lgamma(x: np.ndarray) -> np.ndarray:
    """The logarithm of the absolute value of the gamma function.

    It is zero at 1 and 2, where the relative error stays small, and between negative integers, where only the absolute error does.

    >>> lgamma(np.array([1.0, 4.0])), lgamma(np.array([-0.5]))
    (array([0.        , 1.79175947]), array([1.26551212]))
    """
    y = np.where(x < 0.0, 1.0 - x, x)
    out = np.empty_like(x)
    large = y >= LARGE
    v = y[large]
    t = 1.0 / (v * v)
    stirling = polynomial([float(b) / (2 * k * (2 * k - 1)) for k, b in enumerate(_bernoulli(), 1)][::-1], t) / v
    out[large] = (v - 0.5) * np.log(v) - v + _HALF_LOG_TAU + stirling
    v = y[~large]
    z = np.where(v < 0.5, v, np.where(v < 1.5, v - 1.0, v - np.floor(v + 0.5)))  # gamma(2 + z) times or by some factors is gamma(v)
    steps = v - _STEPS[1:12]
    factors = np.where(steps >= 1.5, steps, 1.0).prod(0)
    out[~large] = z * polynomial(_lgamma_terms(), z)
    out[~large] += np.where(v < 0.5, -np.log(v) - np.log1p(v), np.where(v < 1.5, -np.log1p(z), np.log(factors)))
    negative = x < 0.0
    v = x[negative]
    out[negative] = np.log(math.pi / np.abs(np.sin(math.pi * _turn(v)))) - out[negative]
    out[(y == np.inf) | (negative & (x == np.floor(x)))] = np.inf
    return out


def _digamma_positive(x):
    y = x + LARGE
    t = 1.0 / (y * y)
    terms = [float(b) / (2 * k) for k, b in enumerate(_bernoulli(), 1)][::-1]
    return np.log(y) - 0.5 / y - t * polynomial(terms, t) - (1.0 / (x + _STEPS[1 : int(LARGE)])).sum(0) - 1.0 / x


def _signed_factorial(n):
    """(-1)**(n + 1) n!, by which zeta(n + 1, x) becomes polygamma(n, x)."""
    return (-1.0) ** (n + 1) * (math.factorial(n) if n <= 170 else math.inf)


@functools.cache
def _cotangent(n: int) -> tuple[float, ...]:
    """The derivative of order n of cot, as a polynomial in cot, the highest power first: that of cot is -(1 + cot**2)."""
    found = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(found)][1:]
        found = [-(a + b) for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(map(float, found[::-1]))


def polygamma(n: int, x: np.ndarray) -> np.ndarray:
    """The derivative of order ``n`` of the digamma function, which is polygamma(0, x). At its poles x = -1, -2, ... infinite, or NaN for n = 0.

    >>> polygamma(0, np.array([1.0])), polygamma(1, np.array([1.0])) - np.pi**2 / 6
    (array([-0.57721566]), array([0.]))
    """
    y = np.where(x < 0.0, 1.0 - x, x)
    out = _digamma_positive(y) if n == 0 else _signed_factorial(n) * zeta(np.full_like(y, n + 1.0), y)
    negative = x < 0.0
    if negative.any():
        v = x[negative]
        turned = math.pi ** (n + 1) * polynomial(_cotangent(n), 1.0 / np.tan(math.pi * _turn(v)))
        out[negative] = np.where(v == np.floor(v), _signed_factorial(n) * math.inf if n else math.nan, (-1.0) ** n * out[negative] - turned)
    return out


def zeta(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The sum over n >= 0 of (q + n)**-s, by the formula of Euler and Maclaurin; NaN for s < 1, and for a fraction s where q < 0.

    >>> zeta(np.array([2.0, 2.0]), np.array([1.0, 2.0])) - np.pi**2 / 6
    array([ 0., -1.])
    """
    out = np.zeros_like(q)
    count = int(LARGE) + int(np.fmin(s, 400.0).max(initial=0.0))  # the series takes the larger an x, the larger s
    for first in range(0, count, len(_STEPS)):
        out += ((q + (_STEPS[: count - first] + first)) ** -s).sum(0)
    x = q + count
    last = x**-s
    out += np.where(np.isinf(x), 0.0, last * x / (s - 1.0) + 0.5 * last)
    term = last * s / x
    for k, b in enumerate(_bernoulli(), 1):
        out += float(b / math.factorial(2 * k)) * term
        term = term * ((s + (2 * k - 1)) * (s + 2 * k) / (x * x))
    whole = q == np.floor(q)
    out = np.where((s < 1.0) | np.isnan(s) | np.isnan(q), np.nan, np.where((q <= 0.0) & whole | (s == 1.0), np.inf, out))
    below = (q < 0.0) & ~whole & (s > 1.0)
    for n in np.unique(s[below]):
        now = below & (s == n)
        fits = n == np.floor(n) and n <= 171.0
        out[now] = polygamma(int(n) - 1, q[now]) / _signed_factorial(int(n) - 1) if fits else np.nan
    return out


# ---------------------------------------------------------------------------------- the incomplete gamma function
# P(a, x), the share of gamma(a) = integral of t**(a - 1) exp(-t) below x, and Q = 1 - P. Of the two the smaller is computed, where the other
# is 1 to the last digit. Small a: the series 6.5.29 of P, the continued fraction 6.5.31 of Q (both of Abramowitz and Stegun), and for x about 1
# the series of Q without its first term, by which nothing cancels. Large a: the integral from x away from a, where the integrand only falls.

_LARGE_A = 20.0  # from here on a is large
_POINTS = 64  # points for the integral


def gammainc(a: np.ndarray, x: np.ndarray, upper: bool) -> np.ndarray:
    """P(a, x), or with ``upper`` Q(a, x), of flat arrays; NaN where a or x is negative, and where both are 0 or both infinite.

    >>> gammainc(np.array([1.0, 1.0]), np.array([2.0, 1.0]), False) + np.exp([-2.0, -1.0])
    array([1., 1.])
    """
    out = np.empty_like(x)
    step = max(BLOCK // 8, 1)  # of which the integral has a matrix
    for i in range(0, x.size, step):
        piece = slice(i, i + step)
        out[piece] = _gammainc(a[piece], x[piece], upper)
    return out


def _gammainc(a: np.ndarray, x: np.ndarray, upper: bool) -> np.ndarray:
    out, of_upper = np.full_like(x, np.nan), np.ones(x.shape, bool)  # what is computed, and whether it is Q
    within = (a > 0.0) & (x > 0.0) & (a < np.inf) & (x < np.inf)
    small, large = within & (a < _LARGE_A), within & (a >= _LARGE_A)
    fraction = small & (x > 1.1) & (x > a)
    near = small & ~fraction & np.where(x <= 0.5, -0.4 / np.log(np.minimum(x, 0.5)) >= a, (x <= 1.1) & (1.1 * x >= a))
    below = small & ~fraction & ~near
    out[fraction] = _power(a[fraction], x[fraction]) * _by_fraction(a[fraction], x[fraction])
    out[near] = _upper_near(a[near], x[near])
    out[below] = _power(a[below], x[below]) * _by_series(a[below], x[below])
    out[large] = _by_integral(a[large], x[large])
    of_upper[below | (large & (x < a))] = False
    edge = ~within & (a >= 0.0) & (x >= 0.0) & ((a > 0.0) | (x > 0.0)) & ~((a == np.inf) & (x == np.inf))
    out[edge] = np.where((x[edge] == 0.0) | (a[edge] == np.inf), 1.0, 0.0)  # Q
    return np.where(of_upper == upper, out, 1.0 - out)


def _power(a, x):
    """x**a exp(-x) / gamma(a)"""
    return np.exp(a * np.log(x) - x - lgamma(a))


def _by_series(a, x):
    """The sum over n >= 0 of x**n / (a (a + 1) ... (a + n))."""
    term = 1.0 / a
    total, n = term.copy(), 0
    while term.size and n < 500 and (term > 1e-17 * total).any():
        n += 1
        term = term * x / (a + n)
        total += term
    return total


def _by_fraction(a, x):
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / ...)), by Lentz's method."""
    b = x + 1.0 - a
    c, d = np.full_like(x, 1e300), 1.0 / b
    total, change, n = d.copy(), np.zeros_like(x), 0
    while total.size and n < 1000 and (np.abs(change - 1.0) > 4e-16).any():
        n += 1
        step = n * (a - n)
        b = b + 2.0
        d = 1.0 / (step * d + b)
        c = b + step / c
        change = c * d
        total *= change
    return total


def _upper_near(a, x):
    """Q = 1 - x**a / gamma(1 + a) (1 + a sum over n > 0 of (-x)**n / (n! (a + n))), by the logarithm of that power less 1, which may be small."""
    half = np.minimum(a, 0.5)
    log_gamma = np.where(a <= 0.5, half * polynomial(_lgamma_terms(), half) - np.log1p(half), lgamma(a + 1.0))
    power = a * np.log(x) - log_gamma
    term, total = np.ones_like(x), np.zeros_like(x)
    for n in range(1, 26):  # x is 1.1 at most
        term = term * (-x / n)
        total += term / (a + n)
    return -np.expm1(power) - np.exp(power) * a * total


def _less_line(t, near=0.5):
    """exp(t) - 1 - t"""
    small = np.where(np.abs(t) < near, t, 0.0)
    series = small * small * polynomial([1.0 / math.factorial(n) for n in range(16, 1, -1)], small)
    return np.where(np.abs(t) < near, series, np.expm1(t) - t)


def _less_logarithm(d):
    """d - log(1 + d)"""
    small = np.where(np.abs(d) < 0.2, d, 0.0)
    series = small * small * polynomial([(-1.0) ** n / n for n in range(26, 1, -1)], small)
    return np.where(np.abs(d) < 0.2, series, d - np.log1p(d))


@functools.cache
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    from numpy.polynomial.legendre import leggauss

    points, weights = leggauss(_POINTS)
    return (points + 1.0)[:, None] / 2.0, weights[:, None] / 2.0


def _by_integral(a, x):
    """Q where x >= a, else P: with t = x exp(k s), k 1 or -1, the integral of exp(k (a - x) s - x (exp(k s) - 1 - k s)) times its factor.

    It ends where the exponent is -37. The factor x**a exp(-x) / gamma(a) is one of what x and a differ by, as a log(x) has too few digits.
    """
    points, weights = _gauss()
    k, t = np.where(x >= a, 1.0, -1.0), 1.0 / (a * a)
    end = np.minimum(38.0 / np.abs(x - a), np.sqrt(np.where(x >= a, 74.0, 220.0) / x))
    s = k * end * points
    total = (np.exp((a - x) * s - x * _less_line(s)) * weights).sum(0)
    stirling = polynomial([float(b) / (2 * n * (2 * n - 1)) for n, b in enumerate(_bernoulli()[:6], 1)][::-1], t) / a
    return total * end * np.exp(-a * _less_logarithm((x - a) / a) - stirling) * np.sqrt(a / (2.0 * math.pi))


# ------------------------------------------------------------------------------------ Bessel functions, sinc


@functools.cache
def _bessel_terms(n: int) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """From where the asymptotic series of I_n serves, the terms of the power series up to there, in (x / 2)**2, and those of the other in 1 / x.

    The terms of the asymptotic series fall until about 2 x of them, when they are below e**(-2 x): Abramowitz and Stegun 9.7.1 (and 9.6.10).
    """
    bound = max(20.0, float(n * n))
    power = [1.0 / math.factorial(n)]
    while power[-1] * (bound / 2) ** (2 * len(power) - 2) > 1e-20 * power[0] or len(power) < bound:
        power.append(power[-1] / (len(power) * (len(power) + n)))
    falling = [1.0]
    for k in range(1, 31):
        falling.append(falling[-1] * ((2 * k - 1) ** 2 - 4 * n * n) / (8 * k))
    return bound, tuple(power[::-1]), tuple(falling[::-1])


def bessel_i(x: np.ndarray, n: int, scaled: bool) -> np.ndarray:
    """The modified Bessel function I_n of integer order ``n`` >= 0; ``scaled``: times exp(-abs(x)).

    >>> bessel_i(np.array([0.0, 1.0, 1e3]), 0, scaled=True)
    array([1.        , 0.46575961, 0.01261724])
    """
    bound, power, falling = _bessel_terms(n)
    size = np.abs(x)
    out = np.empty_like(x)
    small = size < bound
    v = size[small]
    needed = int(1.4 * v.max(initial=0.0)) + 16
    out[small] = polynomial(power[-needed:], v * v * 0.25) * (0.5 * v) ** n
    if scaled:
        out[small] *= np.exp(-v)
    v = size[~small]
    if v.size:
        root = polynomial(falling, 1.0 / v) / np.sqrt(2.0 * math.pi * v)
        half = np.exp(0.5 * v)  # exp(v) overflows before I_n(v) does
        out[~small] = root if scaled else np.where(np.isinf(v), np.inf, half * root * half)
    return np.where(x < 0.0, -out, out) if n % 2 else out


# J and Y oscillate. Up to 25, cos(x sin(t)) is summed at equidistant angles: the rule is exact up to J of orders near the number of angles, which is
# below 1e-30 there. J_2k are sums of the same numbers, and Neumann's series makes Y of them. Beyond 25, Hankel's asymptotic series has small terms.
_FAR = 25.0


@functools.cache
def _angles() -> tuple[np.ndarray, np.ndarray]:
    """Sines of angles in (0, pi / 2), and the weights of Neumann's series there: the sum of (-1)**k cos(2 k t) / k."""
    t = (np.arange(64) + 0.5) * (0.5 * math.pi / 64)
    k = np.arange(1, 33)
    return np.sin(t), ((-1.0) ** k / k * np.cos(2 * k * t[:, None])).sum(1)


def _hankel_terms(x: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """The terms of Hankel's asymptotic series of order ``n`` behind the first, which is 1."""
    term = np.ones_like(x)
    for k in range(1, 20):
        term = term * ((4 * n * n - (2 * k - 1) ** 2) / (8.0 * k)) / x
        yield term


def _hankel(x: np.ndarray, n: int, second: bool) -> np.ndarray:
    """J_n, or ``second`` Y_n, of large numbers: sqrt(2 / (pi x)) (P cos(a) - Q sin(a)), a = x - (n / 2 + 1 / 4) pi."""
    with np.errstate(all="ignore"):
        x = np.where(np.isinf(x), 1e300, x)  # the root makes it 0
        p, q = np.ones_like(x), np.zeros_like(x)
        for k, term in enumerate(_hankel_terms(x, n), 1):
            part = q if k % 2 else p
            part += term if k % 4 in (0, 1) else -term
        # of the angle x - pi / 4 or x - 3 pi / 4, by the sum and difference of sin(x) and cos(x), which are exact
        sine, cosine = np.sin(x), np.cos(x)
        c, s = (cosine + sine, sine - cosine) if n == 0 else (sine - cosine, -sine - cosine)
        wave = p * s + q * c if second else p * c - q * s
        return wave / np.sqrt(math.pi * x)


def bessel_j(x: np.ndarray, n: int) -> np.ndarray:
    """The Bessel function J_n of order ``n``, 0 or 1.

    >>> bessel_j(np.array([0.0, 1.0, 100.0]), 0).round(8)
    array([1.        , 0.76519769, 0.01998585])
    """
    size = np.abs(x)
    out = np.empty_like(x)
    near = ~(size > _FAR)
    sines, _ = _angles()
    angle = size[near, None] * sines
    out[near] = np.cos(angle).mean(1) if n == 0 else (np.sin(angle) * sines).mean(1)
    out[~near] = _hankel(size[~near], n, False)
    return np.where(x < 0, -out, out) if n else out


def bessel_y(x: np.ndarray, n: int) -> np.ndarray:
    """The Bessel function of the second kind Y_n of order ``n``, 0 or 1: -inf at 0, NaN below.

    >>> bessel_y(np.array([0.0, 1.0, 100.0]), 0).round(8)
    array([       -inf,  0.08825696, -0.07724431])
    """
    out = np.empty_like(x)
    near = ~(x > _FAR)
    v = x[near]
    sines, weights = _angles()
    angle = v[:, None] * sines
    with np.errstate(all="ignore"):
        log = np.log(0.5 * v) + np.euler_gamma
        if n == 0:
            found = (2 * log * np.cos(angle).mean(1) - 4 * (np.cos(angle) * weights).mean(1)) / math.pi
        else:
            first, slope = (np.sin(angle) * sines).mean(1), (np.sin(angle) * (sines * weights)).mean(1)
            found = (2 * log * first - 2 * np.cos(angle).mean(1) / v - 4 * slope) / math.pi
        out[near] = np.where(v == 0, -np.inf, np.where(v < 0, np.nan, found))
    out[~near] = _hankel(x[~near], n, True)
    return out


def bessel_k(x: np.ndarray, n: int, scaled: bool) -> np.ndarray:
    """The modified Bessel function of the second kind K_n of order ``n``, 0 or 1; ``scaled``: times exp(x). Infinite at 0, NaN below.

    The integral of exp(-x cosh(t)) cosh(n t) over t > 0 by equidistant points: the error falls as exp(-pi**2 / step).

    >>> bessel_k(np.array([0.0, 1.0, 100.0]), 0, scaled=True)
    array([       inf, 1.14446308, 0.12517562])
    """
    step = 0.1
    with np.errstate(all="ignore"):
        v = np.clip(x, 1e-8, _FAR)
        t = np.arange(240) * step
        points = np.exp(-v[:, None] * (2 * np.sinh(0.5 * t) ** 2)) * np.cosh(n * t)
        points[:, 0] *= 0.5
        found = step * points.sum(1)
        series = np.ones_like(x)
        for term in _hankel_terms(x, n):
            series += term
        found = np.where(x > _FAR, np.sqrt(0.5 * math.pi / x) * series, found)  # Hankel's
        near = np.log(2 / x) - np.euler_gamma if n == 0 else 1 / x  # the first term at 0
        found = np.where(x < 1e-8, near * np.exp(x), found)
        found = found if scaled else found * np.exp(-x)
        return np.where(x == 0, np.inf, np.where(x < 0, np.nan, found))


def sinc(x: np.ndarray, n: int) -> np.ndarray:
    """The derivative of order ``n`` of sin(pi x) / (pi x).

    For small x from its power series, for larger ones by x f' + f = cos(pi x) and the derivatives of that.

    >>> sinc(np.array([0.0, 0.5, 1.5]), 0) * np.pi
    array([ 3.14159265,  2.        , -0.66666667])
    """
    t = math.pi * x
    out = np.empty_like(x)
    small = np.abs(t) < n + 2.0
    v = t[small]
    terms = [(-1.0) ** j / ((2 * j + 1) * math.factorial(2 * j - n)) for j in range((n + 1) // 2, (n + 1) // 2 + 16 + 2 * n)]
    out[small] = polynomial(terms[::-1], v * v) * v ** (n % 2)
    v = t[~small]
    value = np.sin(v) / v
    for k in range(1, n + 1):
        value = ((np.sin, np.cos)[k % 2](v) * (1, 1, -1, -1)[k % 4] - k * value) / v
    out[~small] = value
    return out * math.pi**n
