"""Distributions of real numbers that a place and a scale, or a rate, describe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.creation import rand, randn
from minigrad.distributions import constraints
from minigrad.distributions.constraints import Constraint
from minigrad.distributions.distribution import LOG_ROOT_TAU, Distribution, broadcast_all, floating
from minigrad.engine import wrap
from minigrad.ops.elementwise import erf, erfinv, where
from minigrad.ops.special import i0e, i1e
from minigrad.random import numpy_generator
from minigrad.tree import array_of
from minigrad.types import Operand, Size, Tensor


class _Located(Distribution):
    """A distribution of all real numbers that a place and a scale describe."""

    has_rsample = True
    parameters = {"loc": 0, "scale": 0}
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Operand, scale: Operand, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(type(self).__name__, loc=loc, scale=scale)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """``loc``"""
        return self.loc

    mode = mean


class Normal(_Located):
    """exp(-(x - loc)² / (2 scale²)) / (scale sqrt(2 pi)): ``torch.distributions.Normal``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Normal
    >>> scale = mg.tensor(2.0, requires_grad=True)
    >>> p = Normal(0.0, scale)
    >>> p.rsample((1000,)).square().mean().backward()
    >>> abs(scale.grad.item() - 4) < 1, p.entropy()
    (True, tensor(2.1121, grad_fn=<AddBackward0>))
    """

    @property
    def stddev(self) -> Tensor:
        """``scale``"""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """``scale`` squared."""
        return self.scale.square()

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + scale * a draw of the standard normal distribution."""
        return self.loc + self.scale * randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """-((x - loc) / scale)² / 2 - log(scale) - log(2 pi) / 2"""
        value = self._checked(value)
        return -0.5 * ((value - self.loc) / self.scale).square() - self.scale.log() - LOG_ROOT_TAU

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf((x - loc) / (scale sqrt(2)))) / 2"""
        return 0.5 * (erf((self._checked(value) - self.loc) / self.scale * math.sqrt(0.5)) + 1.0)

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale sqrt(2) erfinv(2 p - 1)"""
        return self.loc + self.scale * erfinv(2.0 * value - 1.0) * math.sqrt(2.0)

    def entropy(self) -> Tensor:
        """log(scale) + (1 + log(2 pi)) / 2"""
        return self.scale.log() + (0.5 + LOG_ROOT_TAU)


class Uniform(Distribution):
    """1 / (high - low) from ``low`` to ``high``: ``torch.distributions.Uniform``. Raises ``ValueError`` unless low < high.

    >>> from minigrad.distributions import Uniform
    >>> Uniform(1.0, 3.0).cdf(2.5)
    tensor(0.7500)
    """

    has_rsample = True
    parameters = {"low": 0, "high": 0}
    arg_constraints = {"low": constraints.real, "high": constraints.real}

    def __init__(self, low: Operand, high: Operand, validate_args: bool | None = None):
        self.low, self.high = broadcast_all("Uniform", low=low, high=high)
        super().__init__(self.low.shape, (), validate_args)
        if self._validate_args and not (array_of(self.low) < array_of(self.high)).all():
            raise ValueError(f"Uniform: low must be below high everywhere, but they are {self.low.tolist()} and {self.high.tolist()}")

    @property
    def support(self) -> Constraint:
        """From ``low`` to ``high``."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """(low + high) / 2"""
        return (self.low + self.high) / 2.0

    @property
    def mode(self) -> Tensor:
        """NaN: all are as probable."""
        return self.high * math.nan

    @property
    def variance(self) -> Tensor:
        """(high - low)² / 12"""
        return (self.high - self.low).square() / 12.0

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """low + (high - low) * a draw from [0, 1)."""
        return self.low + rand(self._extended_shape(sample_shape), dtype=self.low.dtype) * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(high - low), -inf outside. ``high`` itself is outside, as draws are below it."""
        value = self._checked(value)
        return where((value >= self.low) & (value < self.high), 0.0, -math.inf) - (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        """(x - low) / (high - low), from 0 to 1"""
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def icdf(self, value: Tensor) -> Tensor:
        """low + p (high - low)"""
        return self.low + value * (self.high - self.low)

    def entropy(self) -> Tensor:
        """log(high - low)"""
        return (self.high - self.low).log()


class Exponential(Distribution):
    """rate exp(-rate x): ``torch.distributions.Exponential``.

    >>> from minigrad.distributions import Exponential
    >>> Exponential(2.0).log_prob(1.0)
    tensor(-1.3069)
    """

    has_rsample = True
    parameters = {"rate": 0}
    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, rate: Operand, validate_args: bool | None = None):
        (self.rate,) = floating("Exponential", rate=rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / rate"""
        return self.rate.reciprocal()

    stddev = mean

    @property
    def mode(self) -> Tensor:
        """0"""
        return self.rate.detach() * 0.0

    @property
    def variance(self) -> Tensor:
        """1 / rate²"""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """A draw of the exponential distribution of rate 1, divided by rate."""
        drawn = numpy_generator().standard_exponential(self._extended_shape(sample_shape))
        return wrap(np.asarray(drawn).astype(self.rate.dtype)) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """log(rate) - rate x"""
        return self.rate.log() - self.rate * self._checked(value)

    def cdf(self, value: Tensor) -> Tensor:
        """1 - exp(-rate x)"""
        return -(-self.rate * self._checked(value)).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """-log(1 - p) / rate"""
        (value,) = floating("Exponential", value=value)
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        """1 - log(rate)"""
        return 1.0 - self.rate.log()


class Laplace(_Located):
    """``exp(-|x - loc| / scale) / (2 scale)``: ``torch.distributions.Laplace``.

    >>> from minigrad.distributions import Laplace
    >>> Laplace(0.0, 2.0).entropy()
    tensor(2.3863)
    """

    @property
    def variance(self) -> Tensor:
        """2 scale²"""
        return 2.0 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        """sqrt(2) scale"""
        return math.sqrt(2.0) * self.scale

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + scale * a draw of the Laplace distribution of scale 1."""
        drawn = numpy_generator().laplace(size=self._extended_shape(sample_shape))
        return self.loc + self.scale * wrap(np.asarray(drawn).astype(self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """``-|x - loc| / scale - log(2 scale)``"""
        return -(self._checked(value) - self.loc).abs() / self.scale - (2.0 * self.scale).log()

    def cdf(self, value: Tensor) -> Tensor:
        """``exp(-|x - loc| / scale) / 2`` below loc, 1 less that above"""
        distance = self._checked(value) - self.loc
        return 0.5 - 0.5 * distance.sign() * (-distance.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """``loc - scale sign(p - 1/2) log(1 - 2 |p - 1/2|)``"""
        (value,) = floating("Laplace", value=value)
        from_middle = value - 0.5
        return self.loc - self.scale * from_middle.sign() * (-2.0 * from_middle.abs()).log1p()

    def entropy(self) -> Tensor:
        """1 + log(2 scale)"""
        return (2.0 * self.scale).log() + 1.0


class Cauchy(_Located):
    """1 / (pi scale (1 + ((x - loc) / scale)²)), which has no mean: ``torch.distributions.Cauchy``.

    >>> from minigrad.distributions import Cauchy
    >>> Cauchy(0.0, 1.0).cdf(1.0)
    tensor(0.7500)
    """

    @property
    def mean(self) -> Tensor:
        """NaN: there is none."""
        return self.loc.detach() * math.nan

    @property
    def mode(self) -> Tensor:
        """``loc``"""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """inf"""
        return self.loc.detach() * 0.0 + math.inf

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + scale * a draw of the Cauchy distribution of scale 1."""
        drawn = numpy_generator().standard_cauchy(self._extended_shape(sample_shape))
        return self.loc + self.scale * wrap(np.asarray(drawn).astype(self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(pi scale (1 + ((x - loc) / scale)²))"""
        return -math.log(math.pi) - self.scale.log() - ((self._checked(value) - self.loc) / self.scale).square().log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """atan((x - loc) / scale) / pi + 1/2"""
        return ((self._checked(value) - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale tan(pi (p - 1/2))"""
        (value,) = floating("Cauchy", value=value)
        return self.loc + self.scale * (math.pi * (value - 0.5)).tan()

    def entropy(self) -> Tensor:
        """log(4 pi scale)"""
        return self.scale.log() + math.log(4 * math.pi)


class VonMises(_Located):
    """exp(concentration cos(x - loc)) / (2 pi I0(concentration)), of angles: ``torch.distributions.VonMises``. Draws are from -pi to pi.

    >>> from minigrad.distributions import VonMises
    >>> VonMises(0.0, 1.0).log_prob(0.0)
    tensor(-1.0738)
    """

    has_rsample = False
    parameters = {"loc": 0, "concentration": 0}
    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}

    def __init__(self, loc: Operand, concentration: Operand, validate_args: bool | None = None):
        self.loc, self.concentration = broadcast_all("VonMises", loc=loc, concentration=concentration)
        Distribution.__init__(self, self.loc.shape, (), validate_args)

    @property
    def variance(self) -> Tensor:
        """That of directions: 1 - I1(concentration) / I0(concentration)."""
        return 1.0 - i1e(self.concentration) / i0e(self.concentration)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        loc, concentration = array_of(self.loc), array_of(self.concentration).astype(np.float64)
        drawn = numpy_generator().vonmises(loc.astype(np.float64), concentration, self._extended_shape(sample_shape))
        return wrap(np.asarray(drawn).astype(loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """concentration cos(x - loc) - log(2 pi I0(concentration))"""
        value, k = self._checked(value), self.concentration
        return k * ((value - self.loc).cos() - 1.0) - (math.log(2.0 * math.pi) + i0e(k).log())


class GeneralizedPareto(Distribution):
    """What exceeds a high threshold: ``torch.distributions.GeneralizedPareto``. (J. Pickands, *Statistical inference using extreme order statistics*, 1975)

    With z = (x - loc) / scale and c = concentration the probability of more than x is (1 + c z) ** (-1 / c), and exp(-z) for c = 0. For c < 0 draws
    are up to loc - scale / c.

    >>> from minigrad.distributions import GeneralizedPareto
    >>> GeneralizedPareto(0.0, 1.0, 0.5).log_prob(2.0)
    tensor(-2.0794)
    """

    has_rsample = True
    parameters = {"loc": 0, "scale": 0, "concentration": 0}
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}

    def __init__(self, loc: Operand, scale: Operand, concentration: Operand, validate_args: bool | None = None):
        self.loc, self.scale, self.concentration = broadcast_all("GeneralizedPareto", loc=loc, scale=scale, concentration=concentration)
        super().__init__(self.loc.shape, (), validate_args)

    @property
    def support(self) -> Constraint:
        """From loc to loc - scale / concentration, or to infinity."""
        upper = where(self.concentration < 0, self.loc - self.scale / where(self.concentration < 0, self.concentration, -1.0), math.inf)
        return constraints.interval(self.loc.detach(), upper.detach())

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - concentration), NaN for a concentration from 1."""
        finite = self.concentration < 1
        return where(finite, self.loc + self.scale / (1.0 - where(finite, self.concentration, 0.5)), math.nan)

    @property
    def mode(self) -> Tensor:
        """``loc``"""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale² / ((1 - concentration)² (1 - 2 concentration)), NaN for a concentration from 1/2."""
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0.25)
        return where(finite, self.scale.square() / ((1.0 - c).square() * (1.0 - 2.0 * c)), math.nan)

    def _standard(self, value: Tensor) -> Any:
        """log(1 + concentration z) / concentration, which has an exponential distribution; z for a concentration of 0."""
        z = (self._checked(value) - self.loc) / self.scale
        x = self.concentration * z
        near = x.abs() < 1e-4
        safe = where(near, 1.0, self.concentration)
        series = z * (1.0 - x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x / 5))))
        return where(near, series, where(near, 0.0, x).log1p() / safe)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """icdf of a uniform draw"""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """-(1 + 1 / concentration) log(1 + concentration z) - log(scale)"""
        standard = self._standard(value)
        uniform_bound = (self.concentration == -1).logical_and(standard.isinf())  # 0 times infinity
        return -(1.0 + self.concentration) * where(uniform_bound, 0.0, standard) - self.scale.log()

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of a draw above ``value``: -log(1 + concentration z) / concentration"""
        return -self._standard(value)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of :meth:`cdf`."""
        return self.cdf(value).log()

    def cdf(self, value: Tensor) -> Tensor:
        """1 - (1 + concentration z) ** (-1 / concentration)"""
        return -(-self._standard(value)).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale ((1 - p) ** -concentration - 1) / concentration"""
        (value,) = floating("GeneralizedPareto", value=value)
        standard = -(-value).log1p()
        x = self.concentration * standard
        near = x.abs() < 1e-4
        series = standard * (1.0 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x / 120))))
        return self.loc + self.scale * where(near, series, x.expm1() / where(near, 1.0, self.concentration))

    def entropy(self) -> Tensor:
        """1 + concentration + log(scale)"""
        return self.scale.log() + self.concentration + 1.0
