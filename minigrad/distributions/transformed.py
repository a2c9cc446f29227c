"""Distributions of functions of draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad.creation import rand
from minigrad.distributions import constraints
from minigrad.distributions.constraints import Constraint, independent
from minigrad.distributions.continuous import Cauchy, Exponential, Normal, Uniform
from minigrad.distributions.discrete import Bernoulli, Categorical, OneHotCategorical
from minigrad.distributions.distribution import Distribution, Independent, broadcast_all, floating, sum_rightmost
from minigrad.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    StickBreakingTransform,
    Transform,
)  # fmt: skip
from minigrad.engine import ShapeError, wrap
from minigrad.ops.arguments import sizes_of
from minigrad.ops.elementwise import where
from minigrad.ops.reduce import logsumexp
from minigrad.ops.special import digamma, lgamma
from minigrad.random import numpy_generator
from minigrad.types import Operand, Size, Tensor

_EULER = 0.5772156649015329


class TransformedDistribution(Distribution):
    """The distribution of ``transforms`` of draws of ``base_distribution``: ``torch.distributions.TransformedDistribution``.

    Args:
        base_distribution: what is drawn.
        transforms: a :class:`~minigrad.distributions.transforms.Transform`, or a list of them; the first is applied first.
        validate_args: see :class:`Distribution`.

    Raises ``TypeError`` for what is no transform, ``ShapeError`` where a draw has fewer dimensions than a transform takes together.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Normal, TanhTransform, TransformedDistribution
    >>> TransformedDistribution(Normal(0.0, 1.0), [TanhTransform()]).log_prob(mg.tensor(0.5))
    tensor(-0.7821)
    """

    base_dist: Any

    def __init__(self, base_distribution: Distribution, transforms: Transform | Sequence[Transform], validate_args: bool | None = None):
        name = type(self).__name__
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise TypeError(f"{name}: transforms are needed, not {transform!r:.40}")
        whole = ComposeTransform(self.transforms)
        drawn = base_distribution.batch_shape + base_distribution.event_shape
        if len(drawn) < whole.domain.event_dim:
            raise ShapeError(
                f"{name}: the transforms take {whole.domain.event_dim} dimensions together, but a draw has the shape {tuple(drawn)}"
            )
        shape = whole.forward_shape(drawn)
        base = base_distribution.expand(_batch(whole.inverse_shape(shape), base_distribution))
        joined = whole.domain.event_dim - len(base.event_shape)
        self.base_dist = Independent(base, joined) if joined > 0 else base
        events = max(whole.codomain.event_dim, len(base.event_shape) + whole.codomain.event_dim - whole.domain.event_dim)
        super().__init__(shape[: len(shape) - events], shape[len(shape) - events :], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # an attribute of the class elsewhere
        """That of the base."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Constraint:
        """What the last transform gives."""
        last = self.transforms[-1].codomain if self.transforms else self.base_dist.support
        joined = len(self.event_shape) - last.event_dim
        return independent(last, joined) if joined > 0 else last

    def expand(self, batch_shape: Size) -> Any:
        """The same with another ``batch_shape``."""
        held = [name for name in self.parameters if name in self.__dict__]
        if held:  # the transforms depend on them
            kind: Any = type(self)
            return kind(*[getattr(self, name).expand(sizes_of(batch_shape)) for name in held], validate_args=self._validate_args)
        new = object.__new__(type(self))
        shape = sizes_of(batch_shape) + self._event_shape
        new.transforms = self.transforms
        new.base_dist = self.base_dist.expand(_batch(ComposeTransform(self.transforms).inverse_shape(shape), self.base_dist))
        new._batch_shape, new._event_shape, new._validate_args = sizes_of(batch_shape), self._event_shape, self._validate_args
        return new

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Transforms of draws of the base, without a gradient."""
        return self._forward(self.base_dist.sample(sample_shape)).detach()

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """Transforms of draws of the base."""
        return self._forward(self.base_dist.rsample(sample_shape))

    def _forward(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """That of the x which gives ``value``, less the logarithm of the determinant. Raises ``NotImplementedError`` where x is not known."""
        y: Any = self._checked(value)
        total: Any = 0.0
        events = len(self.event_shape)
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            events += transform.domain.event_dim - transform.codomain.event_dim
            total = total - sum_rightmost(transform.log_abs_det_jacobian(x, y), events - transform.domain.event_dim)
            y = x
        return total + sum_rightmost(self.base_dist.log_prob(y), events - len(self.base_dist.event_shape))

    def _rising(self) -> Any:
        sign: Any = math.prod([transform.sign for transform in self.transforms])
        return sign

    def cdf(self, value: Tensor) -> Tensor:
        """That of the base at the x which gives ``value``; where the transforms fall, 1 less that."""
        x: Any = self._checked(value)
        for transform in reversed(self.transforms):
            x = transform.inv(x)
        below, sign = self.base_dist.cdf(x), self._rising()
        return sign * (below - 0.5) + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """The transforms of that of the base."""
        (value,) = floating(type(self).__name__, value=value)
        return self._forward(self.base_dist.icdf(self._rising() * (value - 0.5) + 0.5))

    printed: ClassVar[tuple[str, ...] | None] = ()


def _batch(shape: Sequence[int], base: Distribution) -> tuple[int, ...]:
    return tuple(shape[: len(shape) - len(base.event_shape)])


class LogNormal(TransformedDistribution):
    """exp of a :class:`Normal`: ``torch.distributions.LogNormal``.

    >>> from minigrad.distributions import LogNormal
    >>> LogNormal(0.0, 1.0).mean
    tensor(1.6487)
    """

    parameters = {"loc": 0, "scale": 0}
    arg_constraints = Normal.arg_constraints
    support = constraints.positive

    def __init__(self, loc: Operand, scale: Operand, validate_args: bool | None = None):
        super().__init__(Normal(loc, scale, validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

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

    def entropy(self) -> Tensor:
        """That of the normal distribution, plus loc."""
        return self.base_dist.entropy() + self.loc


class _Half(TransformedDistribution):
    """The distance from 0 of a symmetric distribution around it."""

    parameters = {"scale": 0}
    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    _of: Any

    def __init__(self, scale: Operand, validate_args: bool | None = None):
        super().__init__(self._of(0.0, scale, validate_args), AbsTransform(), validate_args)

    @property
    def scale(self) -> Tensor:
        """The scale of the base."""
        return self.base_dist.scale

    @property
    def mode(self) -> Tensor:
        """0"""
        return self.scale.detach() * 0.0

    def log_prob(self, value: Tensor) -> Tensor:
        """That of the base, plus log(2); -inf below 0"""
        value = self._checked(value)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2.0), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """2 cdf(x) - 1 of the base"""
        return 2.0 * self.base_dist.cdf(self._checked(value)) - 1.0

    def icdf(self, value: Tensor) -> Tensor:
        """That of the base at (1 + p) / 2"""
        (value,) = floating(type(self).__name__, value=value)
        return self.base_dist.icdf((value + 1.0) / 2.0)

    def entropy(self) -> Tensor:
        """That of the base, less log(2)"""
        return self.base_dist.entropy() - math.log(2.0)


class HalfNormal(_Half):
    """The absolute value of a :class:`Normal` around 0: ``torch.distributions.HalfNormal``.

    >>> from minigrad.distributions import HalfNormal
    >>> HalfNormal(1.0).mean
    tensor(0.7979)
    """

    _of = Normal

    @property
    def mean(self) -> Tensor:
        """scale sqrt(2 / pi)"""
        return self.scale * math.sqrt(2.0 / math.pi)

    @property
    def variance(self) -> Tensor:
        """scale² (1 - 2 / pi)"""
        return self.scale.square() * (1.0 - 2.0 / math.pi)


class HalfCauchy(_Half):
    """The absolute value of a :class:`Cauchy` around 0: ``torch.distributions.HalfCauchy``.

    >>> from minigrad.distributions import HalfCauchy
    >>> HalfCauchy(1.0).cdf(1.0)
    tensor(0.5000)
    """

    _of = Cauchy

    @property
    def mean(self) -> Tensor:
        """inf"""
        return self.scale.detach() * 0.0 + math.inf

    @property
    def variance(self) -> Tensor:
        """inf"""
        return self.base_dist.variance


class Gumbel(TransformedDistribution):
    """exp(-(z + exp(-z))) / scale with z = (x - loc) / scale: ``torch.distributions.Gumbel``.

    >>> from minigrad.distributions import Gumbel
    >>> Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    parameters = {"loc": 0, "scale": 0}
    printed = ("loc", "scale")
    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Operand, scale: Operand, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all("Gumbel", loc=loc, scale=scale)
        base = Exponential(self.scale.detach() * 0.0 + 1.0, validate_args=False)
        super().__init__(base, [ExpTransform().inv, AffineTransform(self.loc, -self.scale)], validate_args)

    @property
    def mean(self) -> Tensor:
        """loc + scale * 0.5772..., Euler's constant"""
        return self.loc + self.scale * _EULER

    @property
    def mode(self) -> Tensor:
        """``loc``"""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """(pi scale)² / 6"""
        return self.scale.square() * (math.pi**2 / 6.0)

    def log_prob(self, value: Tensor) -> Tensor:
        """-z - exp(-z) - log(scale)"""
        z = (self.loc - self._checked(value)) / self.scale
        return z - z.exp() - self.scale.log()

    def entropy(self) -> Tensor:
        """log(scale) + 1 + Euler's constant"""
        return self.scale.log() + (1.0 + _EULER)


class Weibull(TransformedDistribution):
    """A power of an :class:`Exponential`, scale e^(1 / concentration): ``torch.distributions.Weibull``.

    >>> from minigrad.distributions import Weibull
    >>> Weibull(2.0, 1.0).mean
    tensor(2.)
    """

    parameters = {"scale": 0, "concentration": 0}
    printed = ("scale", "concentration")
    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Operand, concentration: Operand, validate_args: bool | None = None):
        self.scale, self.concentration = broadcast_all("Weibull", scale=scale, concentration=concentration)
        base = Exponential(self.scale.detach() * 0.0 + 1.0, validate_args=False)
        parts = [PowerTransform(self.concentration.reciprocal()), AffineTransform(0.0, self.scale)]
        super().__init__(base, parts, validate_args)

    def _moment(self, n: float) -> Any:
        return lgamma(1.0 + n * self.concentration.reciprocal())

    @property
    def mean(self) -> Tensor:
        """scale gamma(1 + 1 / concentration)"""
        return self.scale * self._moment(1.0).exp()

    @property
    def mode(self) -> Tensor:
        """scale ((concentration - 1) / concentration)^(1 / concentration)"""
        return self.scale * ((self.concentration - 1.0) / self.concentration) ** self.concentration.reciprocal()

    @property
    def variance(self) -> Tensor:
        """scale² (gamma(1 + 2 / concentration) - gamma(1 + 1 / concentration)²)"""
        return self.scale.square() * (self._moment(2.0).exp() - (2.0 * self._moment(1.0)).exp())

    def entropy(self) -> Tensor:
        """0.5772... (1 - 1 / concentration) + log(scale / concentration) + 1"""
        return _EULER * (1.0 - self.concentration.reciprocal()) + (self.scale / self.concentration).log() + 1.0


class Pareto(TransformedDistribution):
    """scale exp(e / alpha), where e is an :class:`Exponential` of rate 1: ``torch.distributions.Pareto``.

    >>> from minigrad.distributions import Pareto
    >>> Pareto(1.0, 2.0).mean
    tensor(2.)
    """

    parameters = {"scale": 0, "alpha": 0}
    printed = ("alpha", "scale")
    arg_constraints = {"scale": constraints.positive, "alpha": constraints.positive}

    def __init__(self, scale: Operand, alpha: Operand, validate_args: bool | None = None):
        self.scale, self.alpha = broadcast_all("Pareto", scale=scale, alpha=alpha)
        base = Exponential(self.alpha, validate_args)
        super().__init__(base, [ExpTransform(), AffineTransform(0.0, self.scale)], validate_args)

    @property
    def support(self) -> Constraint:
        """``scale`` or above."""
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        """alpha scale / (alpha - 1), inf if alpha is 1 or below"""
        a = self.alpha.clamp(min=1.0)
        return a * self.scale / (a - 1.0)

    @property
    def mode(self) -> Tensor:
        """``scale``"""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """alpha scale² / ((alpha - 1)² (alpha - 2)), inf if alpha is 2 or below"""
        a = self.alpha.clamp(min=2.0)
        return self.scale.square() * a / ((a - 1.0).square() * (a - 2.0))

    def entropy(self) -> Tensor:
        """log(scale / alpha) + 1 + 1 / alpha"""
        return (self.scale / self.alpha).log() + (1.0 + self.alpha.reciprocal())


class Kumaraswamy(TransformedDistribution):
    """(1 - (1 - u)^(1 / b))^(1 / a) of a :class:`Uniform` u, with a = concentration1 and b = concentration0: ``torch.distributions.Kumaraswamy``.

    Its density is a b x^(a - 1) (1 - x^a)^(b - 1), near that of :class:`Beta`.

    >>> from minigrad.distributions import Kumaraswamy
    >>> Kumaraswamy(1.0, 1.0).mean
    tensor(0.5000)
    """

    parameters = {"concentration1": 0, "concentration0": 0}
    printed = ("concentration1", "concentration0")
    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    def __init__(self, concentration1: Operand, concentration0: Operand, validate_args: bool | None = None):
        a, b = broadcast_all("Kumaraswamy", concentration1=concentration1, concentration0=concentration0)
        self.concentration1, self.concentration0 = a, b
        base = Uniform(b.detach() * 0.0, b.detach() * 0.0 + 1.0, validate_args)
        super().__init__(base, [PowerTransform(b.reciprocal()), AffineTransform(1.0, -1.0), PowerTransform(a.reciprocal())], validate_args)

    def _moment(self, n: float) -> Any:
        part = 1.0 + n / self.concentration1
        return self.concentration0 * (lgamma(part) + lgamma(self.concentration0) - lgamma(part + self.concentration0)).exp()

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1 / a, b), with the beta function B"""
        return self._moment(1.0)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))^(1 / a), NaN where a or b is below 1. (PyTorch's is NaN everywhere.)"""
        a, b = self.concentration1, self.concentration0
        return where((a < 1.0) | (b < 1.0), math.nan, ((a - 1.0) / (a * b - 1.0)) ** a.reciprocal())

    @property
    def variance(self) -> Tensor:
        """b B(1 + 2 / a, b) - mean²"""
        return self._moment(2.0) - self._moment(1.0).square()

    def entropy(self) -> Tensor:
        """(1 - 1 / b) + (1 - 1 / a) (digamma(b + 1) + 0.5772...) - log(a b)"""
        a, b = self.concentration1, self.concentration0
        return (1.0 - b.reciprocal()) + (1.0 - a.reciprocal()) * (digamma(b + 1.0) + _EULER) - a.log() - b.log()


class LogisticNormal(TransformedDistribution):
    """Vectors on the simplex, broken off a stick as a vector of :class:`Normal` says: ``torch.distributions.LogisticNormal``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import LogisticNormal
    >>> LogisticNormal(mg.zeros(2), mg.ones(2)).sample().shape
    torch.Size([3])
    """

    parameters = {"loc": 1, "scale": 1}
    arg_constraints = Normal.arg_constraints

    def __init__(self, loc: Operand, scale: Operand, validate_args: bool | None = None):
        super().__init__(Normal(loc, scale, validate_args), StickBreakingTransform(), validate_args)

    @property
    def loc(self) -> Tensor:
        """The mean of what the stick is broken by."""
        return self.base_dist.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation of it."""
        return self.base_dist.base_dist.scale


class _LogitRelaxedBernoulli(Distribution):
    """(logits + a draw of the logistic distribution) / temperature."""

    has_rsample = True
    support = constraints.real

    def __init__(self, temperature: Tensor, bernoulli: Bernoulli):
        self.temperature, self.bernoulli = temperature, bernoulli
        super().__init__(bernoulli.batch_shape)

    def expand(self, batch_shape: Size) -> _LogitRelaxedBernoulli:
        return type(self)(self.temperature, self.bernoulli.expand(batch_shape))

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        logits = self.bernoulli.logits
        tiny = float(np.finfo(logits.dtype).tiny)
        u = rand(self._extended_shape(sample_shape), dtype=logits.dtype).clamp(min=tiny)
        return (u.log() - (-u).log1p() + logits) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        difference = self.bernoulli.logits - value * self.temperature
        return self.temperature.log() + difference - 2.0 * difference.exp().log1p()


class _Relaxed(TransformedDistribution):
    """What is common: a temperature, and ``probs`` or ``logits`` of the distribution of whole numbers."""

    _discrete: Any

    @property
    def temperature(self) -> Tensor:
        """Towards 0 draws are 0 or 1."""
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return getattr(self.base_dist, self._discrete).probs

    @property
    def logits(self) -> Tensor:
        """Their logits."""
        return getattr(self.base_dist, self._discrete).logits


class RelaxedBernoulli(_Relaxed):
    """Numbers from 0 to 1 near a :class:`Bernoulli`'s, with a gradient: ``torch.distributions.RelaxedBernoulli``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import RelaxedBernoulli
    >>> RelaxedBernoulli(mg.tensor(0.5), probs=mg.tensor([0.2, 0.7])).rsample().shape
    torch.Size([2])
    """

    _discrete = "bernoulli"
    arg_constraints = Bernoulli.arg_constraints
    support = constraints.unit_interval

    def __init__(
        self, temperature: Operand, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None
    ):
        (t,) = floating("RelaxedBernoulli", temperature=temperature)
        base = _LogitRelaxedBernoulli(t, Bernoulli(probs, logits, validate_args))
        super().__init__(base, SigmoidTransform(), validate_args)


class _ExpRelaxedCategorical(Distribution):
    """Logarithms of softmax((logits + draws of the Gumbel distribution) / temperature)."""

    has_rsample = True
    support = constraints.real_vector

    def __init__(self, temperature: Tensor, categorical: OneHotCategorical):
        self.temperature, self.categorical = temperature, categorical
        super().__init__(categorical.batch_shape, categorical.event_shape)

    def expand(self, batch_shape: Size) -> _ExpRelaxedCategorical:
        return type(self)(self.temperature, self.categorical.expand(batch_shape))

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        logits = self.categorical.logits
        drawn = numpy_generator().gumbel(size=self._extended_shape(sample_shape))
        scores = (logits + wrap(np.asarray(drawn).astype(logits.dtype))) / self.temperature
        return scores - logsumexp(scores, -1, True)

    def log_prob(self, value: Tensor) -> Tensor:
        n = float(self.event_shape[0])
        score = self.categorical.logits - value * self.temperature
        normal = lgamma(self.temperature * 0.0 + n) + self.temperature.log() * (n - 1.0)
        return (score - logsumexp(score, -1, True)).sum(-1) + normal


class RelaxedOneHotCategorical(_Relaxed):
    """Vectors on the simplex near a :class:`OneHotCategorical`'s, with a gradient: ``torch.distributions.RelaxedOneHotCategorical``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import RelaxedOneHotCategorical
    >>> abs(RelaxedOneHotCategorical(0.5, logits=mg.zeros(3)).rsample().sum().item() - 1) < 1e-5
    True
    """

    _discrete = "categorical"
    arg_constraints = OneHotCategorical.arg_constraints
    support = constraints.simplex

    def __init__(
        self, temperature: Operand, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None
    ):
        (t,) = floating("RelaxedOneHotCategorical", temperature=temperature)
        base = _ExpRelaxedCategorical(t, OneHotCategorical(probs, logits, validate_args))
        super().__init__(base, ExpTransform(), validate_args)


class MixtureSameFamily(Distribution):
    """A draw of one of the components, chosen by a :class:`Categorical`: ``torch.distributions.MixtureSameFamily``.

    Args:
        mixture_distribution: a Categorical whose classes are the components.
        component_distribution: its last dimension of the batch numbers the components.

    Raises ``TypeError`` for another mixture, ``ShapeError`` where the numbers of components differ.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Categorical, MixtureSameFamily, Normal
    >>> p = MixtureSameFamily(Categorical(mg.ones(2)), Normal(mg.tensor([-1.0, 1.0]), 1.0))
    >>> p.log_prob(mg.tensor(0.0)), p.variance
    (tensor(-1.4189), tensor(2.))
    """

    def __init__(self, mixture_distribution: Categorical, component_distribution: Distribution, validate_args: bool | None = None):
        if not isinstance(mixture_distribution, Categorical):
            raise TypeError(f"MixtureSameFamily: the mixture must be a Categorical, not {type(mixture_distribution).__name__}")
        mixed, batch = mixture_distribution, component_distribution.batch_shape
        if not batch or batch[-1] != mixed.param_shape[-1] or mixed.batch_shape not in ((), batch[:-1]):
            raise ShapeError(
                f"MixtureSameFamily: the batch of the components must be {(*mixed.batch_shape, mixed.param_shape[-1])}, a component in the "
                f"last dimension, not {tuple(batch)}"
            )
        self.mixture_distribution, self.component_distribution = mixed, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    @property
    def support(self) -> Constraint:
        """That of the components; where it depends on their parameters, their ``log_prob`` looks at the value."""
        return constraints.dependent if self._of_parameters else self.component_distribution.support

    @property
    def _of_parameters(self) -> bool:
        return isinstance(getattr(type(self.component_distribution), "support", None), property)

    def expand(self, batch_shape: Size) -> MixtureSameFamily:
        """The same with another ``batch_shape``."""
        shape = sizes_of(batch_shape)
        components = self.component_distribution.expand((*shape, self.component_distribution.batch_shape[-1]))
        return type(self)(self.mixture_distribution.expand(shape), components, self._validate_args)

    def _weights(self) -> Any:
        probs: Any = self.mixture_distribution.probs
        return probs.reshape((*probs.shape, *[1] * len(self._event_shape)))

    def _dim(self) -> int:
        return -1 - len(self._event_shape)

    @property
    def mean(self) -> Tensor:
        """The mean of the components' means, by their probabilities."""
        return (self._weights() * self.component_distribution.mean).sum(self._dim())

    @property
    def variance(self) -> Tensor:
        """The mean of the components' variances, plus the variance of their means."""
        distance = self.component_distribution.mean - self.mean.unsqueeze(self._dim())
        return (self._weights() * (self.component_distribution.variance + distance.square())).sum(self._dim())

    def _each(self, value: Any) -> Any:
        return self._checked(value).unsqueeze(self._dim())

    def log_prob(self, value: Tensor) -> Tensor:
        """logsumexp over the components of log(probability) + log_prob"""
        return logsumexp(self.component_distribution.log_prob(self._each(value)) + self.mixture_distribution.logits, -1)

    def cdf(self, value: Tensor) -> Tensor:
        """The mean of the components', by their probabilities."""
        return (self.component_distribution.cdf(self._each(value)) * self.mixture_distribution.probs).sum(-1)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws, without a gradient."""
        which: Any = self.mixture_distribution.expand(self._batch_shape).sample(sample_shape)
        drawn: Any = self.component_distribution.sample(sample_shape)
        shape = (*which.shape, 1, *self._event_shape)
        index = which.reshape((*which.shape, 1, *[1] * len(self._event_shape))).expand(shape)
        return drawn.gather(self._dim(), index).squeeze(self._dim())

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
