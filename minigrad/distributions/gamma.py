"""The gamma distribution, those made of its draws, and the gradient of these draws."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minigrad.creation import randn
from minigrad.distributions import constraints
from minigrad.distributions.distribution import Distribution, broadcast_all, floating
from minigrad.distributions.transformed import TransformedDistribution
from minigrad.distributions.transforms import PowerTransform
from minigrad.engine import ShapeError, cast, wrap
from minigrad.engine.function import Function
from minigrad.ops.elementwise import exp, log, where, xlogy
from minigrad.ops.reduce import sum
from minigrad.ops.shape import stack, unsqueeze
from minigrad.ops.softmax import softmax
from minigrad.ops.special import digamma, gammainc, lgamma
from minigrad.random import numpy_generator
from minigrad.tree import array_of
from minigrad.types import Operand, Size, Tensor

_STEPS = 3


@functools.cache
def _points() -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's points and weights from 0 to 14, where the integrand of :func:`log_slope` has become 0."""
    from numpy.polynomial.legendre import leggauss

    points, weights = leggauss(32)
    return 7.0 * (points + 1.0), 7.0 * weights


def log_slope(concentration: Any, x: Any) -> Any:
    """d log(x) / d concentration where the gamma distribution's cdf stays the same, of a draw x of it. For concentrations of 3 or more.

    It is -(dF / dc) / (x f(x)), F the cdf and f the density (Figurnov et al., "Implicit reparameterization gradients", 2018). F is an
    integral of f, and so are dF / dc and, as the integral over all is 0, -dF / dc, from the other side: with t = x exp(k s), where k is
    1 above c and -1 below, so that the integrand falls from s = 0 on,

        d log(x) / dc = integral from 0 to inf of exp(k c s - x (exp(k s) - 1)) (k (log(x) - digamma(c)) + s) ds

    To 5e-9 of its value, and its derivatives likewise, as its operations are ops.
    """
    c, value = array_of(concentration), array_of(x)
    k = np.where(value >= c, 1.0, -1.0)
    points, weights = _points()
    width = 1.0 / (np.abs(value - c) / 10.0 + np.sqrt(value))  # of the integrand
    s = width[..., None] * points
    ks = k[..., None] * s
    fall = exp(unsqueeze(concentration, -1) * ks - unsqueeze(x, -1) * np.expm1(ks))
    gap: Any = k * (log(x) - digamma(concentration))
    rest = unsqueeze(gap, -1) + s
    return sum(fall * rest * (width[..., None] * weights), -1)


class _GammaDraw(Function):
    """The logarithms of draws of gamma distributions of concentrations of 3 or more, in float64."""

    @staticmethod
    def forward(ctx: Any, concentration: Any) -> Any:
        drawn = concentration.new_tensor(np.log(numpy_generator().standard_gamma(array_of(concentration))))
        ctx.save_for_backward(concentration, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        concentration, drawn = ctx.saved_tensors
        return g * log_slope(concentration, exp(drawn))


def log_gamma_draws(concentration: Any, shape: tuple[int, ...]) -> Any:
    """The logarithms of draws, of any shape to which ``concentration`` broadcasts, with their gradient; finite for concentrations near 0 too.

    With u uniform, a draw of c + 1 times u^(1 / c) is one of c: this is done three times.
    """
    c = cast(concentration, dtype=np.dtype(np.float64)).expand(shape)
    result = _GammaDraw.apply(c + float(_STEPS))
    for step in range(_STEPS):
        result = result - wrap(np.asarray(numpy_generator().standard_exponential(shape))) / (c + float(step))
    return cast(result, dtype=concentration.dtype)


class Gamma(Distribution):
    """rate^c x^(c - 1) exp(-rate x) / gamma(c), where c is the concentration: ``torch.distributions.Gamma``.

    The gradient of a draw says how it moves with the parameters, see :func:`log_slope`.

    >>> from minigrad.distributions import Gamma
    >>> Gamma(3.0, 2.0).mean, Gamma(3.0, 2.0).log_prob(1.0)
    (tensor(1.5000), tensor(-0.6137))
    """

    has_rsample = True
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

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """A draw of the gamma distribution of rate 1, divided by rate."""
        drawn = (log_gamma_draws(self.concentration, self._extended_shape(sample_shape)) - self.rate.log()).exp()
        return drawn.clamp(min=float(np.finfo(drawn.dtype).tiny))

    def log_prob(self, value: Tensor) -> Tensor:
        """c log(rate) + (c - 1) log(x) - rate x - lgamma(c)"""
        value, c = self._checked(value), self.concentration
        return xlogy(c, self.rate) + xlogy(c - 1.0, value) - self.rate * value - lgamma(c)

    def cdf(self, value: Tensor) -> Tensor:
        """gammainc(c, rate x), with no gradient in c"""
        return gammainc(self.concentration, self.rate * self._checked(value))

    def entropy(self) -> Tensor:
        """c - log(rate) + lgamma(c) + (1 - c) digamma(c)"""
        c = self.concentration
        return c - self.rate.log() + lgamma(c) + (1.0 - c) * digamma(c)


class Dirichlet(Distribution):
    """Vectors of probabilities, with a density proportional to the product of x_i^(c_i - 1): ``torch.distributions.Dirichlet``.

    ``concentration`` has the vectors in its last dimension.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Dirichlet
    >>> Dirichlet(mg.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    has_rsample = True
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

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """Draws of gamma distributions, divided by their sum."""
        return softmax(log_gamma_draws(self.concentration, self._extended_shape(sample_shape)), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum((c_i - 1) log(x_i)) + lgamma(sum(c)) - sum(lgamma(c_i))"""
        value, c = self._checked(value), self.concentration
        return xlogy(c - 1.0, value).sum(-1) + lgamma(c.sum(-1)) - lgamma(c).sum(-1)

    def entropy(self) -> Tensor:
        """sum(lgamma(c_i)) - lgamma(c) - (k - c) digamma(c) - sum((c_i - 1) digamma(c_i))"""
        c, total = self.concentration, self.concentration.sum(-1)
        k = float(c.shape[-1])
        return lgamma(c).sum(-1) - lgamma(total) - (k - total) * digamma(total) - ((c - 1.0) * digamma(c)).sum(-1)


class Beta(Distribution):
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b), where a is ``concentration1`` and b ``concentration0``: ``torch.distributions.Beta``.

    >>> from minigrad.distributions import Beta
    >>> Beta(2.0, 3.0).mean, Beta(2.0, 3.0).log_prob(0.5)
    (tensor(0.4000), tensor(0.4055))
    """

    has_rsample = True
    printed = ()
    parameters = {"concentration1": 0, "concentration0": 0}
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Operand, concentration0: Operand, validate_args: bool | None = None):
        self.concentration1, self.concentration0 = broadcast_all("Beta", concentration1=concentration1, concentration0=concentration0)
        super().__init__(self.concentration1.shape, (), validate_args)

    def _dirichlet(self) -> Dirichlet:
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

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """The first part of a draw of the :class:`Dirichlet` of both."""
        return self._dirichlet().rsample(sample_shape)[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """(a - 1) log(x) + (b - 1) log(1 - x) - log B(a, b)"""
        value, a, b = self._checked(value), self.concentration1, self.concentration0
        return xlogy(a - 1.0, value) + xlogy(b - 1.0, 1.0 - value) + lgamma(a + b) - lgamma(a) - lgamma(b)

    def entropy(self) -> Tensor:
        """log B(a, b) - (a - 1) digamma(a) - (b - 1) digamma(b) + (a + b - 2) digamma(a + b)"""
        return self._dirichlet().entropy()


class Chi2(Gamma):
    """The sum of ``df`` squares of standard normal draws, a :class:`Gamma` of df / 2 and rate 1/2: ``torch.distributions.Chi2``.

    >>> from minigrad.distributions import Chi2
    >>> Chi2(3.0).mean
    tensor(3.)
    """

    printed = ()
    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Operand, validate_args: bool | None = None):
        (freedom,) = floating("Chi2", df=df)
        super().__init__(0.5 * freedom, 0.5, validate_args)
        if self._validate_args:
            self._require("df", freedom, constraints.positive)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2.0


class InverseGamma(TransformedDistribution):
    """1 / x of a :class:`Gamma`: ``torch.distributions.InverseGamma``.

    >>> from minigrad.distributions import InverseGamma
    >>> InverseGamma(3.0, 2.0).mean
    tensor(1.)
    """

    parameters = {"concentration": 0, "rate": 0}
    arg_constraints = Gamma.arg_constraints
    support = constraints.positive

    def __init__(self, concentration: Operand, rate: Operand, validate_args: bool | None = None):
        super().__init__(Gamma(concentration, rate, validate_args), PowerTransform(-1.0), validate_args)

    @property
    def concentration(self) -> Tensor:
        """That of the base."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """That of the base."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        """rate / (concentration - 1), inf where the concentration is 1 or below"""
        c = self.concentration
        return where(c > 1.0, self.rate / (where(c > 1.0, c, 2.0) - 1.0), math.inf)

    @property
    def mode(self) -> Tensor:
        """rate / (concentration + 1)"""
        return self.rate / (self.concentration + 1.0)

    @property
    def variance(self) -> Tensor:
        """rate² / ((concentration - 1)² (concentration - 2)), inf where the concentration is 2 or below"""
        c = where(self.concentration > 2.0, self.concentration, 3.0)
        return where(self.concentration > 2.0, self.rate.square() / ((c - 1.0).square() * (c - 2.0)), math.inf)

    def entropy(self) -> Tensor:
        """concentration + log(rate) + lgamma(concentration) - (1 + concentration) digamma(concentration)"""
        c = self.concentration
        return c + self.rate.log() + lgamma(c) - (1.0 + c) * digamma(c)


class StudentT(Distribution):
    """loc + scale z sqrt(df / x), z a standard normal draw and x one of :class:`Chi2`: ``torch.distributions.StudentT``.

    >>> from minigrad.distributions import StudentT
    >>> StudentT(1.0).log_prob(0.0)
    tensor(-1.1447)
    """

    has_rsample = True
    parameters = {"df": 0, "loc": 0, "scale": 0}
    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, df: Operand, loc: Operand = 0.0, scale: Operand = 1.0, validate_args: bool | None = None):
        self.df, self.loc, self.scale = broadcast_all("StudentT", df=df, loc=loc, scale=scale)
        super().__init__(self.df.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """``loc``, NaN where df is 1 or below"""
        return where(self.df > 1.0, self.loc, math.nan)

    @property
    def mode(self) -> Tensor:
        """``loc``"""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale² df / (df - 2), inf where df is 2 or below, NaN where it is 1 or below"""
        df = where(self.df > 2.0, self.df, 3.0)
        found = where(self.df > 2.0, self.scale.square() * df / (df - 2.0), math.inf)
        return where(self.df > 1.0, found, math.nan)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + scale z sqrt(df / x)"""
        shape = self._extended_shape(sample_shape)
        half: Any = self.df * 0.5
        ratio = ((half.log() - log_gamma_draws(half, shape)) * 0.5).exp()
        return self.loc + self.scale * randn(shape, dtype=self.df.dtype) * ratio

    def _log_normal(self) -> Any:
        """The logarithm of what the density is divided by."""
        df = self.df
        return self.scale.log() + 0.5 * (df.log() + math.log(math.pi)) + lgamma(0.5 * df) - lgamma(0.5 * (df + 1.0))

    def log_prob(self, value: Tensor) -> Tensor:
        """-(df + 1) / 2 log(1 + ((x - loc) / scale)² / df) - the logarithm of the normalisation"""
        distance = (self._checked(value) - self.loc) / self.scale
        return -0.5 * (self.df + 1.0) * (distance.square() / self.df).log1p() - self._log_normal()

    def entropy(self) -> Tensor:
        """(df + 1) / 2 (digamma((df + 1) / 2) - digamma(df / 2)) + the logarithm of the normalisation"""
        half = 0.5 * (self.df + 1.0)
        return half * (digamma(half) - digamma(0.5 * self.df)) + self._log_normal()


class FisherSnedecor(Distribution):
    """(x1 / df1) / (x2 / df2), where x1 and x2 are draws of :class:`Chi2`: ``torch.distributions.FisherSnedecor``.

    >>> from minigrad.distributions import FisherSnedecor
    >>> FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    has_rsample = True
    parameters = {"df1": 0, "df2": 0}
    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive

    def __init__(self, df1: Operand, df2: Operand, validate_args: bool | None = None):
        self.df1, self.df2 = broadcast_all("FisherSnedecor", df1=df1, df2=df2)
        super().__init__(self.df1.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """df2 / (df2 - 2), NaN where df2 is 2 or below"""
        df2 = where(self.df2 > 2.0, self.df2, math.nan)
        return df2 / (df2 - 2.0)

    @property
    def mode(self) -> Tensor:
        """(df1 - 2) / df1 * df2 / (df2 + 2), NaN where df1 is 2 or below"""
        return where(self.df1 > 2.0, (self.df1 - 2.0) / self.df1 * self.df2 / (self.df2 + 2.0), math.nan)

    @property
    def variance(self) -> Tensor:
        """2 df2² (df1 + df2 - 2) / (df1 (df2 - 2)² (df2 - 4)), NaN where df2 is 4 or below"""
        df2 = where(self.df2 > 4.0, self.df2, math.nan)
        return 2.0 * df2.square() * (self.df1 + df2 - 2.0) / (self.df1 * (df2 - 2.0).square() * (df2 - 4.0))

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """The quotient of two draws of gamma distributions."""
        shape, one, two = self._extended_shape(sample_shape), 0.5 * self.df1, 0.5 * self.df2
        difference = log_gamma_draws(one, shape) - one.log() - log_gamma_draws(two, shape) + two.log()
        drawn = difference.exp()
        return drawn.clamp(min=float(np.finfo(drawn.dtype).tiny))

    def log_prob(self, value: Tensor) -> Tensor:
        """With a = df1 / 2, b = df2 / 2: a log(a / b) + (a - 1) log(x) - (a + b) log(1 + a x / b) - log B(a, b)"""
        value, a, b = self._checked(value), 0.5 * self.df1, 0.5 * self.df2
        ratio = a / b
        normal = lgamma(a + b) - lgamma(a) - lgamma(b) + a * ratio.log()
        return normal + (a - 1.0) * value.log() - (a + b) * (ratio * value).log1p()
