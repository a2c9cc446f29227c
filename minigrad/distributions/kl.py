"""The Kullback-Leibler divergence of two distributions, the expected value of log(p(x) / q(x)) under p, and its formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minigrad.distributions.continuous import Cauchy, Exponential, Laplace, Normal, Uniform
from minigrad.distributions.discrete import Bernoulli, Binomial, Categorical, ContinuousBernoulli, Geometric, Multinomial, Poisson
from minigrad.distributions.distribution import Distribution, Independent, sum_rightmost
from minigrad.distributions.gamma import Beta, Dirichlet, Gamma
from minigrad.distributions.multivariate import LowRankMultivariateNormal, MultivariateNormal, half_log_det, mahalanobis
from minigrad.distributions.transformed import Gumbel, HalfNormal, Pareto, TransformedDistribution
from minigrad.ops.elementwise import erf, logical_and, where, xlogy
from minigrad.ops.linalg import solve
from minigrad.ops.shape import broadcast_shapes, tril
from minigrad.ops.special import digamma, lgamma
from minigrad.types import F, Tensor

_EULER = 0.5772156649015329
_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[F], F]:
    """Decorator of the function ``(p, q)`` that is the divergence of two classes, and of their subclasses: ``torch.distributions.register_kl``.

    Raises ``TypeError`` for what is no distribution.

    >>> from minigrad.distributions import Normal, kl_divergence, register_kl
    >>> class Mine(Normal): pass
    >>> @register_kl(Mine, Normal)
    ... def divergence(p, q):
    ...     return p.loc - q.loc
    >>> kl_divergence(Mine(3.0, 1.0), Normal(1.0, 1.0))
    tensor(2.)
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: classes of distributions are needed, not {kind!r}")

    def decorate(function: F) -> F:
        _FORMULAS[type_p, type_q] = function
        return function

    return decorate


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expected value under ``p`` of log(p(x) / q(x)), one for each distribution of the batch: ``torch.distributions.kl_divergence``.

    The formula is that of the classes nearest to those of ``p`` and ``q``. Raises ``NotImplementedError`` where none was registered.

    >>> from minigrad.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    found = [pair for pair in _FORMULAS if isinstance(p, pair[0]) and isinstance(q, pair[1])]
    if not found:
        raise NotImplementedError(
            f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}; register_kl takes one, and the mean of "
            "p.log_prob(x) - q.log_prob(x) over draws x of p is an estimate"
        )
    steps = [(type(p).__mro__.index(a) + type(q).__mro__.index(b), (a, b)) for a, b in found]
    return _FORMULAS[min(steps, key=lambda step: step[0])[1]](p, q)


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1.0 - ratio.log())


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = logical_and(q.low <= p.low, p.high <= q.high)
    return where(inside, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1.0


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * (-distance / p.scale).exp() - 1.0


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    return ((p.scale + q.scale).square() + (p.loc - q.loc).square()).log() - (4.0 * p.scale * q.scale).log()


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    return b * (p.rate / q.rate).log() + lgamma(b) - lgamma(a) + (a - b) * digamma(a) + (q.rate - p.rate) * (a / p.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, True)
    normal = lgamma(total.squeeze(-1)) - lgamma(a).sum(-1) - lgamma(b.sum(-1)) + lgamma(b).sum(-1)
    return normal + ((a - b) * (digamma(a) - digamma(total))).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    normal = lgamma(c) + lgamma(d) + lgamma(a + b) - lgamma(c + d) - lgamma(a) - lgamma(b)
    return normal + (a - c) * digamma(a) + (b - d) * digamma(b) + (c + d - a - b) * digamma(a + b)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    def part(a: Any, b: Any) -> Any:
        return where(a == 0, 0.0, where(b == 0, math.inf, xlogy(a, a) - xlogy(a, where(b == 0, 1.0, b))))

    return part(p.probs, q.probs) + part(1.0 - p.probs, 1.0 - q.probs)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    return -p.entropy() - q.log_prob(p.mean)  # the logarithm of a density is linear in the value


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return xlogy(p.rate, p.rate) - xlogy(p.rate, q.rate) - (p.rate - q.rate)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    if p.event_shape != q.event_shape or isinstance(p, Multinomial) or isinstance(q, Multinomial):
        raise NotImplementedError(f"kl_divergence: no formula for {type(p).__name__} and {type(q).__name__}")
    terms = p.probs * (p.logits - q.logits)
    return where(p.probs == 0, 0.0, where(q.probs == 0, math.inf, terms)).sum(-1)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(f"kl_divergence: vectors of {p.event_shape[0]} and of {q.event_shape[0]} elements")
    n = p.event_shape[0]
    shape = (*broadcast_shapes(p.batch_shape, q.batch_shape), n, n)
    spread = solve(tril(q.scale_tril).expand(shape), p.scale_tril.expand(shape)).square().sum((-2, -1))
    return half_log_det(q.scale_tril) - half_log_det(p.scale_tril) + 0.5 * (spread + mahalanobis(q.scale_tril, q.loc - p.loc) - n)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            f"kl_divergence: {p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims} dimensions are part of the events"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    each = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return where(p.total_count > q.total_count, math.inf, each)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    scale, alpha = p.scale / q.scale, q.alpha / p.alpha
    return where(p.scale < q.scale, math.inf, q.alpha * scale.log() - alpha.log() + alpha - 1.0)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, place, other = p.scale / q.scale, q.loc / q.scale, p.loc / q.scale
    return -ratio.log() - place + other + ratio * _EULER + (place + lgamma(1.0 + ratio) - other).exp() - (1.0 + _EULER)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    """That of the bases, where both have the same transforms."""
    same = [type(t) for t in p.transforms] == [type(t) for t in q.transforms] and p.event_shape == q.event_shape
    if not same or any(vars(a) != vars(b) for a, b in zip(p.transforms, q.transforms, strict=True)):
        raise NotImplementedError(f"kl_divergence: {p} and {q} are not known to have the same transforms")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), len(p.event_shape) - len(p.base_dist.event_shape))


@register_kl(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    distance = p.loc - q.loc
    z = distance / p.scale
    far = p.scale * math.sqrt(2.0 / math.pi) * (-0.5 * z.square()).exp() + distance * erf(math.sqrt(0.5) * z)
    return -p.scale.log() + math.log(2.0) + q.scale.log() + far / q.scale - 0.5 * (1.0 + math.log(2.0 * math.pi))


@register_kl(Uniform, Normal)
def _uniform_normal(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    square = (width.square() / 12.0 + (0.5 * (p.high + p.low) - q.loc).square()) / q.scale.square()
    return (math.sqrt(2.0 * math.pi) * q.scale / width).log() + 0.5 * square


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    ratio, c = q.rate / p.rate, q.concentration
    return -c * ratio.log() + ratio + lgamma(c) + c * _EULER - (1.0 + _EULER)
