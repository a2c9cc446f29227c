"""Distributions of real numbers, and of vectors on a simplex."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.creation import rand, randn
from minigrad.distributions import constraints
from minigrad.distributions.constraints import Constraint
from minigrad.distributions.distribution import LOG_ROOT_TAU, Distribution, broadcast_all, floating
from minigrad.engine import ShapeError, wrap
from minigrad.ops.elementwise import erf, erfinv, where, xlogy
from minigrad.ops.special import digamma, lgamma
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


class Normal(_Located):
    """exp(-(x - loc)² / (2 scale²)) / (scale sqrt(2 pi)): ``torch.distributions.Normal``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Normal
    >>> scale = mg.tensor(2.0, requires_grad=True)
    >>> p = Normal(0.0, scale)
    >>> p.rsample((1000,)).square().mean().backward()
    >>> abs(scale.grad.item() - 4) < 1, p.entropy()
    (True, tensor(2.1121, grad_fn=<add>))
    """

    @property
    def mean(self) -> Tensor:
        """``loc``"""
        return self.loc

    mode = mean

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
        return self.loc + self.scale * randn(self._extended(sample_shape), dtype=self.loc.dtype)

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


class LogNormal(Normal):
    """exp of a :class:`Normal`: ``torch.distributions.LogNormal``.

    >>> from minigrad.distributions import LogNormal
    >>> LogNormal(0.0, 1.0).mean
    tensor(1.6487)
    """

    support = constraints.positive

    @property
    def mean(self) -> Tensor:
        """exp(loc + scale² / 2)"""
        return (self.loc + 0.5 * self.scale.square()).exp()

    @property
    def mode(self) -> Tensor:
        """exp(loc - scale²)"""
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        """(exp(scale²) - 1) exp(2 loc + scale²)"""
        square = self.scale.square()
        return square.expm1() * (2.0 * self.loc + square).exp()

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """exp of a draw of the normal distribution."""
        return super().rsample(sample_shape).exp()

    def _of_log(self, value: Any) -> tuple[Normal, Tensor]:
        return Normal(self.loc, self.scale, validate_args=False), self._checked(value).log()

    def log_prob(self, value: Tensor) -> Tensor:
        """That of log(x), less log(x)."""
        normal, log = self._of_log(value)
        return normal.log_prob(log) - log

    def cdf(self, value: Tensor) -> Tensor:
        """That of log(x)."""
        normal, log = self._of_log(value)
        return normal.cdf(log)

    def icdf(self, value: Tensor) -> Tensor:
        """exp of the normal quantile."""
        return super().icdf(value).exp()

    def entropy(self) -> Tensor:
        """That of the normal distribution, plus loc."""
        return super().entropy() + self.loc


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
        return self.low + rand(self._extended(sample_shape), dtype=self.low.dtype) * (self.high - self.low)

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
        drawn = numpy_generator().standard_exponential(self._extended(sample_shape))
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
    def mean(self) -> Tensor:
        """``loc``"""
        return self.loc

    mode = mean

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
        drawn = numpy_generator().laplace(size=self._extended(sample_shape))
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
        drawn = numpy_generator().standard_cauchy(self._extended(sample_shape))
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


class Gamma(Distribution):
    """rate^c x^(c - 1) exp(-rate x) / gamma(c), where c is the concentration: ``torch.distributions.Gamma``.

    Draws have no gradient in the parameters: that needs the derivative of the incomplete gamma function in its first argument.

    >>> from minigrad.distributions import Gamma
    >>> Gamma(3.0, 2.0).mean, Gamma(3.0, 2.0).log_prob(1.0)
    (tensor(1.5000), tensor(-0.6137))
    """

    parameters = {"concentration": 0, "rate": 0}
    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative

    def __init__(self, concentration: Operand, rate: Operand, validate_args: bool | None = None):
        self.concentration, self.rate = broadcast_all("Gamma", concentration=concentration, rate=rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """concentration / rate"""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(concentration - 1) / rate, at least 0"""
        return ((self.concentration - 1.0) / self.rate).clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """concentration / rate²"""
        return self.concentration / self.rate.square()

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        shape, rate = self._extended(sample_shape), array_of(self.rate)
        drawn = numpy_generator().standard_gamma(array_of(self.concentration).astype(np.float64), shape) / rate
        return wrap(np.maximum(drawn, np.finfo(rate.dtype).tiny).astype(rate.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """c log(rate) + (c - 1) log(x) - rate x - lgamma(c)"""
        value, c = self._checked(value), self.concentration
        return xlogy(c, self.rate) + xlogy(c - 1.0, value) - self.rate * value - lgamma(c)

    def entropy(self) -> Tensor:
        """c - log(rate) + lgamma(c) + (1 - c) digamma(c)"""
        c = self.concentration
        return c - self.rate.log() + lgamma(c) + (1.0 - c) * digamma(c)


class Dirichlet(Distribution):
    """Vectors of probabilities, with a density proportional to the product of x_i^(c_i - 1): ``torch.distributions.Dirichlet``.

    ``concentration`` has the vectors in its last dimension. Draws have no gradient in it, as in :class:`Gamma`.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Dirichlet
    >>> Dirichlet(mg.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    parameters = {"concentration": 1}
    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex

    def __init__(self, concentration: Tensor, validate_args: bool | None = None):
        (self.concentration,) = floating("Dirichlet", concentration=concentration)
        if self.concentration.ndim < 1:
            raise ShapeError("Dirichlet: the concentration must have at least 1 dimension")
        super().__init__(self.concentration.shape[:-1], self.concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Tensor:
        """c_i / sum(c)"""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """(c_i - 1) / sum(c - 1) with c - 1 at least 0; the corner of the largest c if all are below 1"""
        above = (self.concentration - 1.0).clamp(min=0.0)
        total = above.sum(-1, True)
        corner = array_of(self.concentration).argmax(-1)[..., None] == np.arange(self.concentration.shape[-1])
        return where(total > 0, above / where(total > 0, total, 1.0), wrap(corner.astype(self.concentration.dtype)))

    @property
    def variance(self) -> Tensor:
        """c_i (c - c_i) / (c² (c + 1)), where c is the sum"""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1.0))

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient: those of gamma distributions, divided by their sum."""
        return wrap(_dirichlet(array_of(self.concentration), self._extended(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """sum((c_i - 1) log(x_i)) + lgamma(sum(c)) - sum(lgamma(c_i))"""
        value, c = self._checked(value), self.concentration
        return xlogy(c - 1.0, value).sum(-1) + lgamma(c.sum(-1)) - lgamma(c).sum(-1)

    def entropy(self) -> Tensor:
        """sum(lgamma(c_i)) - lgamma(c) - (k - c) digamma(c) - sum((c_i - 1) digamma(c_i))"""
        c, total = self.concentration, self.concentration.sum(-1)
        k = float(c.shape[-1])
        return lgamma(c).sum(-1) - lgamma(total) - (k - total) * digamma(total) - ((c - 1.0) * digamma(c)).sum(-1)


def _dirichlet(concentration: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """In logarithms, so that a concentration near 0, whose gamma draws underflow, still gives a vector: gamma(c) is gamma(c + 1) u^(1/c)."""
    c, random = concentration.astype(np.float64), numpy_generator()
    log = np.log(random.standard_gamma(c + 1.0, shape)) + np.log1p(-random.random(shape)) / c
    parts = np.exp(log - log.max(-1, keepdims=True))
    return (parts / parts.sum(-1, keepdims=True)).astype(concentration.dtype)


class Beta(Distribution):
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b), where a is ``concentration1`` and b ``concentration0``: ``torch.distributions.Beta``.

    Draws have no gradient in the parameters, as in :class:`Gamma`.

    >>> from minigrad.distributions import Beta
    >>> Beta(2.0, 3.0).mean, Beta(2.0, 3.0).log_prob(0.5)
    (tensor(0.4000), tensor(0.4055))
    """

    parameters = {"concentration1": 0, "concentration0": 0}
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Operand, concentration0: Operand, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = broadcast_all("Beta", concentration1=concentration1, concentration0=concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)

    def _dirichlet(self) -> Dirichlet:
        from minigrad.ops.shape import stack

        return Dirichlet(stack([self.concentration1, self.concentration0], -1), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """a / (a + b)"""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        """(a - 1) / (a + b - 2) with both at least 0; the end of the larger if both are below 1"""
        return self._dirichlet().mode[..., 0]

    @property
    def variance(self) -> Tensor:
        """a b / ((a + b)² (a + b + 1))"""
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1.0))

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        return self._dirichlet().sample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """(a - 1) log(x) + (b - 1) log(1 - x) - log B(a, b)"""
        value, a, b = self._checked(value), self.concentration1, self.concentration0
        return xlogy(a - 1.0, value) + xlogy(b - 1.0, 1.0 - value) + lgamma(a + b) - lgamma(a) - lgamma(b)

    def entropy(self) -> Tensor:
        """log B(a, b) - (a - 1) digamma(a) - (b - 1) digamma(b) + (a + b - 2) digamma(a + b)"""
        return self._dirichlet().entropy()
