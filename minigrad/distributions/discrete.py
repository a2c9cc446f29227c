"""Distributions of whole numbers, and of classes."""

from __future__ import annotations

import functools
import math
from typing import Any, Self

import numpy as np

from minigrad.creation import rand
from minigrad.distributions import constraints
from minigrad.distributions.constraints import Constraint
from minigrad.distributions.distribution import Distribution, broadcast_all, floating
from minigrad.distributions.utils import clamp_probs, probs_to_logits
from minigrad.engine import ShapeError, wrap
from minigrad.ops.activation import logsigmoid
from minigrad.ops.arguments import whole
from minigrad.ops.elementwise import sigmoid, where, xlogy
from minigrad.ops.gathering import gather, one_hot
from minigrad.ops.loss import binary_cross_entropy_with_logits
from minigrad.ops.reduce import logsumexp
from minigrad.ops.sampling import bernoulli, binomial, multinomial, poisson
from minigrad.ops.shape import broadcast_tensors
from minigrad.ops.softmax import softmax
from minigrad.ops.special import lgamma
from minigrad.random import numpy_generator
from minigrad.tree import array_of
from minigrad.types import Operand, Size, Tensor


class _OfProbability(Distribution):
    """A parameter that is given as ``probs`` or as ``logits``; the other is computed when it is asked for."""

    _last = 0  # dimensions that belong to one event

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of ``probs``, and of ``logits``."""
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"].shape

    def _take(self, probs: Any, logits: Any) -> Any:
        name = type(self).__name__
        if (probs is None) == (logits is None):
            raise ValueError(f"{name}: either probs or logits must be given, and not both")
        what, value = ("probs", probs) if logits is None else ("logits", logits)
        (value,) = floating(name, **{what: value})
        if value.ndim < self._last:
            raise ShapeError(f"{name}: {what} must have at least {self._last} dimension, for the classes")
        self.__dict__[what] = value
        return value


class _Binary(_OfProbability):
    parameters = {"probs": 0, "logits": 0}

    @functools.cached_property
    def probs(self) -> Any:
        """The probability of 1: sigmoid(logits)."""
        return sigmoid(self.logits)

    @functools.cached_property
    def logits(self) -> Any:
        """log(p / (1 - p))"""
        return probs_to_logits(self.probs, is_binary=True)


class Bernoulli(_Binary):
    """1 with the probability ``probs`` = sigmoid(``logits``), else 0: ``torch.distributions.Bernoulli``.

    Raises ``ValueError`` unless one of the two is given.

    >>> from minigrad.distributions import Bernoulli
    >>> Bernoulli(0.25).log_prob(1.0), Bernoulli(logits=0.0).entropy()
    (tensor(-1.3863), tensor(0.6931))
    """

    has_enumerate_support = True
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean

    def __init__(self, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None):
        super().__init__(self._take(probs, logits).shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """``probs``"""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The more probable one, NaN at 1/2."""
        p = self.probs
        return where(p == 0.5, math.nan, where(p > 0.5, p.detach() * 0.0 + 1.0, 0.0))

    @property
    def variance(self) -> Tensor:
        """p (1 - p)"""
        return self.probs * (1.0 - self.probs)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        return bernoulli(self.probs.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log(p) + (1 - x) log(1 - p), from the logits"""
        logits, value = broadcast_tensors(self.logits, self._checked(value))
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """-p log(p) - (1 - p) log(1 - p)"""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = wrap(np.arange(2, dtype=self.probs.dtype).reshape(2, *[1] * len(self.batch_shape)))
        return values.expand((2, *self.batch_shape)) if expand else values


class ContinuousBernoulli(_Binary):
    """Numbers x from 0 to 1 with the density C p^x (1 - p)^(1 - x): ``torch.distributions.ContinuousBernoulli``.

    G. Loaiza-Ganem and J. P. Cunningham, *The continuous Bernoulli: fixing a pervasive error in variational autoencoders* (2019), have the formulas.

    Args:
        probs, logits: one of the two: p, or log(p / (1 - p)).
        lims: between these two probabilities, where the formulas divide small numbers, their Taylor series at 1/2 is taken.

    Raises ``ValueError`` unless one of ``probs`` and ``logits`` is given.

    >>> from minigrad.distributions import ContinuousBernoulli
    >>> ContinuousBernoulli(0.5).log_prob(0.3), ContinuousBernoulli(0.9).mean
    (tensor(0.), tensor(0.6699))
    """

    has_rsample = True
    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval

    def __init__(
        self,
        probs: Operand | None = None,
        logits: Operand | None = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ):
        given = self._take(probs, logits)
        if probs is not None:
            self.__dict__["probs"] = clamp_probs(given)
        self._low, self._high = lims
        super().__init__(given.shape, (), validate_args)

    def expand(self, batch_shape: Size) -> Self:
        """The same with another ``batch_shape``."""
        new = super().expand(batch_shape)
        new._low, new._high = self._low, self._high
        return new

    def _near(self) -> Tensor:
        """Where p is near 1/2."""
        p = self.probs
        return (p > self._low) & (p <= self._high)

    def _cut(self) -> Tensor:
        """p, and where it is near 1/2 the lower limit."""
        return where(self._near(), self._low, self.probs)

    def _log_norm(self) -> Tensor:
        """log(C)"""
        p, x = self._cut(), (self.probs - 0.5).square()
        below = p <= 0.5
        size = where(below, (-2.0 * where(below, p, 0.0)).log1p(), (2.0 * where(below, 1.0, p) - 1.0).log())
        far = ((-p).log1p() - p.log()).abs().log() - size
        return where(self._near(), math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x, far)

    @property
    def mean(self) -> Tensor:
        """p / (2 p - 1) + 1 / (2 artanh(1 - 2 p))"""
        p, x = self._cut(), self.probs - 0.5
        far = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        return where(self._near(), 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.square()) * x, far)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2 p)² + 1 / (2 artanh(1 - 2 p))²"""
        p, x = self._cut(), (self.probs - 0.5).square()
        far = p * (p - 1.0) / (1.0 - 2.0 * p).square() + 1.0 / ((-p).log1p() - p.log()).square()
        return where(self._near(), 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x, far)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """:meth:`icdf` of a draw from [0, 1)."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(C) + x log(p) + (1 - x) log(1 - p)"""
        logits, value = broadcast_tensors(self.logits, self._checked(value))
        return self._log_norm() - binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        """(p^x (1 - p)^(1 - x) + p - 1) / (2 p - 1), from 0 to 1"""
        value, p = self._checked(value), self._cut()
        far = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return where(value <= 0.0, 0.0, where(value >= 1.0, 1.0, where(self._near(), value, far)))

    def icdf(self, value: Tensor) -> Tensor:
        """log(1 + u (2 p - 1) / (1 - p)) / log(p / (1 - p))"""
        (value,) = floating(type(self).__name__, value=value)
        p = self._cut()
        far = ((-p + value * (2.0 * p - 1.0)).log1p() - (-p).log1p()) / (p.log() - (-p).log1p())
        return where(self._near(), value, far)

    def entropy(self) -> Tensor:
        """mean (log(1 - p) - log(p)) - log(C) - log(1 - p)"""
        no, yes = (-self.probs).log1p(), self.probs.log()
        return self.mean * (no - yes) - self._log_norm() - no


class Geometric(_Binary):
    """How many trials fail before one succeeds, each with the probability ``probs``: ``torch.distributions.Geometric``.

    >>> from minigrad.distributions import Geometric
    >>> Geometric(0.25).log_prob(2.0), Geometric(0.25).mean
    (tensor(-1.9617), tensor(3.))
    """

    arg_constraints = {
        "probs": constraints.Constraint(
            "above 0, up to 1", lambda p: (p > 0) & (p <= 1), title="Interval", lower_bound=0.0, upper_bound=1.0
        ),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None):
        super().__init__(self._take(probs, logits).shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """1 / p - 1"""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """0"""
        return self.probs.detach() * 0.0

    @property
    def variance(self) -> Tensor:
        """(1 / p - 1) / p"""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        p = array_of(self.probs)
        drawn = numpy_generator().geometric(p.astype(np.float64), self._extended_shape(sample_shape)) - 1
        return wrap(np.asarray(drawn).astype(p.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log(1 - p) + log(p)"""
        value, probs = broadcast_tensors(self._checked(value), self.probs)
        return (
            where((probs == 1.0) & (value == 0.0), 0.0, value * (-probs.clamp(max=1.0 - float(np.finfo(probs.dtype).eps))).log1p())
            + probs.log()
        )

    def entropy(self) -> Tensor:
        """That of :class:`Bernoulli`, divided by p"""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class _Counting(_Binary):
    """``total_count`` beside ``probs`` or ``logits``, broadcast."""

    parameters = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(
        self, total_count: Operand, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None
    ):
        self._take(probs, logits)
        what = "probs" if logits is None else "logits"
        self.total_count, value = broadcast_all(type(self).__name__, total_count=total_count, **{what: self.__dict__[what]})
        self.__dict__[what] = value
        super().__init__(value.shape, (), validate_args)


class Binomial(_Counting):
    """How many of ``total_count`` trials succeed, each with the probability ``probs``: ``torch.distributions.Binomial``.

    >>> from minigrad.distributions import Binomial
    >>> Binomial(3, 0.5).log_prob(1.0)
    tensor(-0.9808)
    """

    has_enumerate_support = True
    arg_constraints = {"total_count": constraints.nonnegative_integer, "probs": constraints.unit_interval, "logits": constraints.real}

    def __init__(
        self, total_count: Operand = 1, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None
    ):
        super().__init__(total_count, probs, logits, validate_args)

    @property
    def support(self) -> Constraint:
        """0 to ``total_count``."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """n p"""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """floor((n + 1) p), at most n"""
        return ((self.total_count + 1.0) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)"""
        return self.total_count * self.probs * (1.0 - self.probs)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        shape = self._extended_shape(sample_shape)
        return binomial(self.total_count.detach().expand(shape), self.probs.detach().expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(n! / (x! (n - x)!)) + x log(p) + (n - x) log(1 - p), from the logits"""
        x, n = self._checked(value), self.total_count
        ways = lgamma(n + 1.0) - lgamma(x + 1.0) - lgamma(n - x + 1.0)
        return ways + x * self.logits - n * (self.logits.clamp(min=0.0) + (-self.logits.abs()).exp().log1p())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to ``total_count``. Raises ``NotImplementedError`` unless it is the same everywhere."""
        counts = array_of(self.total_count)
        largest = counts.max(initial=0.0)
        if (counts != largest).any():
            self._missing("list of all values where the counts differ")
        values = wrap(np.arange(1 + int(largest), dtype=counts.dtype).reshape(-1, *[1] * len(self._batch_shape)))
        return values.expand((values.shape[0], *self._batch_shape)) if expand else values

    def entropy(self) -> Tensor:
        """The sum over all values of -p log(p)."""
        log = self.log_prob(self.enumerate_support(False))
        return -(log.exp() * log).sum(0)


class NegativeBinomial(_Counting):
    """How many trials succeed, each with the probability ``probs``, before ``total_count`` fail: ``torch.distributions.NegativeBinomial``.

    >>> from minigrad.distributions import NegativeBinomial
    >>> NegativeBinomial(3, 0.5).log_prob(1.0), NegativeBinomial(3, 0.5).mean
    (tensor(-1.6740), tensor(3.))
    """

    arg_constraints = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    @property
    def mean(self) -> Tensor:
        """n p / (1 - p)"""
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        """floor((n - 1) p / (1 - p)), at least 0"""
        return ((self.total_count - 1.0) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """n p / (1 - p)²"""
        return self.mean / sigmoid(-self.logits)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient: of Poisson distributions whose rates are draws of gamma distributions."""
        n, odds = array_of(self.total_count), array_of(self.logits.detach().exp())
        rate = numpy_generator().standard_gamma(n.astype(np.float64), self._extended_shape(sample_shape)) * odds
        return poisson(wrap(np.asarray(rate).astype(odds.dtype)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(gamma(n + x) / (x! gamma(n))) + n log(1 - p) + x log(p), from the logits"""
        x, n = self._checked(value), self.total_count
        weight = n * logsigmoid(-self.logits) + x * logsigmoid(self.logits)
        ways = lgamma(n + x) - lgamma(x + 1.0) - lgamma(n)
        return weight + where(n + x == 0.0, 0.0, ways)


class Poisson(Distribution):
    """rate^x exp(-rate) / x!: ``torch.distributions.Poisson``.

    >>> from minigrad.distributions import Poisson
    >>> Poisson(2.0).log_prob(3.0)
    tensor(-1.7123)
    """

    parameters = {"rate": 0}
    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Operand, validate_args: bool | None = None):
        (self.rate,) = floating("Poisson", rate=rate)
        super().__init__(self.rate.shape, (), validate_args)

    @property
    def mean(self) -> Tensor:
        """``rate``"""
        return self.rate

    variance = mean

    @property
    def mode(self) -> Tensor:
        """floor(rate)"""
        return self.rate.floor()

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws without a gradient."""
        return poisson(self.rate.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """x log(rate) - rate - log(x!)"""
        value = self._checked(value)
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1.0)


class Categorical(_OfProbability):
    """A class 0, 1, ... with the probability ``probs``, or softmax(``logits``), of the last dimension: ``torch.distributions.Categorical``.

    ``probs`` need not have the sum 1; they are divided by it. ``logits`` are shifted, so that they are logarithms of probabilities.
    Raises ``ValueError`` unless one of the two is given, or if a sum is 0.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Categorical
    >>> p = Categorical(mg.tensor([1.0, 1.0, 2.0]))
    >>> p.probs, p.log_prob(mg.tensor(2))
    (tensor([0.2500, 0.2500, 0.5000]), tensor(-0.6931))
    """

    _last = 1
    has_enumerate_support = True
    parameters = {"probs": 1, "logits": 1}
    arg_constraints = {
        "probs": constraints.Constraint("0 or above with a positive sum", lambda p: (p >= 0).all(-1) & (p.sum(-1) > 0), 1, title="Simplex"),
        "logits": constraints.real_vector,
    }

    def __init__(self, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None):
        given = self._take(probs, logits)
        super().__init__(given.shape[:-1], (), validate_args)
        self._set_up()

    def _set_up(self) -> None:
        if "probs" in self.__dict__:
            self.__dict__["probs"] = self.probs / self.probs.sum(-1, True)
        else:
            self.__dict__["logits"] = self.logits - logsumexp(self.logits, -1, True)

    @functools.cached_property
    def probs(self) -> Any:
        """The probabilities: softmax(logits)."""
        return softmax(self.logits, -1)

    @functools.cached_property
    def logits(self) -> Any:
        """The logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @property
    def _classes(self) -> int:
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"].shape[-1]

    @property
    def support(self) -> Constraint:
        """The classes."""
        return constraints.integer_interval(0, self._classes - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: numbers of classes have none."""
        return wrap(np.full(self._batch_shape, math.nan, self.probs.dtype))

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws, int64."""
        shape = self._extended_shape(sample_shape)[: len(self._extended_shape(sample_shape)) - len(self._event_shape)]
        rows = self.probs.detach().reshape(math.prod(self._batch_shape), self._classes)
        count = math.prod(shape[: len(shape) - len(self._batch_shape)])
        if not math.prod(shape):
            return wrap(np.zeros(shape, np.int64))
        return multinomial(rows, count, True).t().reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of the class."""
        value = self._checked(value).long()
        shape = np.broadcast_shapes(value.shape, self._batch_shape)
        return gather(self.logits.expand((*shape, self._classes)), -1, value.expand(shape).unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum(p log(p))"""
        return -(self.logits.clamp(min=float(np.finfo(self.logits.dtype).min)) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All classes."""
        values = wrap(np.arange(self._classes).reshape(-1, *[1] * len(self._batch_shape)))
        return values.expand((self._classes, *self._batch_shape)) if expand else values


class OneHotCategorical(Categorical):
    """:class:`Categorical` whose draws are one-hot vectors: ``torch.distributions.OneHotCategorical``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import OneHotCategorical
    >>> OneHotCategorical(mg.tensor([0.0, 1.0])).sample()
    tensor([0., 1.])
    """

    printed = ()
    support = constraints.one_hot

    def _set_up(self) -> None:
        super()._set_up()
        self._event_shape = (self._classes,)

    @property
    def mean(self) -> Tensor:
        """``probs``"""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The vector of the most probable class."""
        return one_hot(self.probs.argmax(-1), self._classes).to(self.probs.dtype)

    @property
    def variance(self) -> Tensor:
        """p (1 - p)"""
        return self.probs * (1.0 - self.probs)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws, in the dtype of the probabilities."""
        return one_hot(super().sample(sample_shape), self._classes).to(self.probs.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of the vector's class."""
        value = self._checked(value)
        shape = np.broadcast_shapes(value.shape, self.param_shape)
        return gather(self.logits.expand(shape), -1, value.expand(shape).argmax(-1).unsqueeze(-1)).squeeze(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All one-hot vectors."""
        n = self._classes
        values = wrap(np.eye(n, dtype=self.probs.dtype).reshape(n, *[1] * len(self._batch_shape), n))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """:class:`OneHotCategorical` whose ``rsample`` has the gradient of the probabilities: ``torch.distributions.OneHotCategoricalStraightThrough``.

    The gradient is an estimate, and not that of the expected value.

    >>> import minigrad as mg
    >>> from minigrad.distributions import OneHotCategoricalStraightThrough
    >>> logits = mg.zeros(2, requires_grad=True)
    >>> (OneHotCategoricalStraightThrough(logits=logits).rsample() * mg.tensor([1.0, 3.0])).sum().backward()
    >>> logits.grad
    tensor([-0.5000,  0.5000])
    """

    has_rsample = True

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """Draws, plus the probabilities, less their value."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(Categorical):
    """How often each class comes in ``total_count`` draws of a :class:`Categorical`: ``torch.distributions.Multinomial``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Multinomial
    >>> Multinomial(4, mg.tensor([1.0, 1.0])).log_prob(mg.tensor([1.0, 3.0]))
    tensor(-1.3863)
    """

    printed = ()
    has_enumerate_support = False

    def __init__(
        self, total_count: int = 1, probs: Operand | None = None, logits: Operand | None = None, validate_args: bool | None = None
    ):
        self.total_count = whole("Multinomial", "total_count", total_count, 0)
        super().__init__(probs, logits, validate_args)

    def _set_up(self) -> None:
        super()._set_up()
        self._event_shape = (self._classes,)

    def expand(self, batch_shape: Size) -> Self:
        """The same with another ``batch_shape``."""
        new = super().expand(batch_shape)
        new.total_count = self.total_count
        return new

    @property
    def support(self) -> Constraint:
        """Whole numbers whose sum is ``total_count``."""
        n = self.total_count
        return constraints.Constraint(
            f"whole, 0 or above, with the sum {n}",
            lambda x: ((x == np.floor(x)) & (x >= 0)).all(-1) & (x.sum(-1) == n),
            1,
            is_discrete=True,
            title="Multinomial",
        )

    @property
    def mean(self) -> Tensor:
        """n p"""
        return self.probs * float(self.total_count)

    @property
    def mode(self) -> Tensor:
        """Raises ``NotImplementedError``, as PyTorch."""
        return self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)"""
        return self.probs * (1.0 - self.probs) * float(self.total_count)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws, in the dtype of the probabilities."""
        p = array_of(self.probs).astype(np.float64)
        shape = self._extended_shape(sample_shape)[:-1]
        drawn = numpy_generator().multinomial(self.total_count, p / p.sum(-1, keepdims=True), shape)
        return wrap(drawn.astype(self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """log(n! / product of x_i!) + the sum of x_i log(p_i), where 0 log(0) is 0"""
        value = self._checked(value)
        shape = np.broadcast_shapes(value.shape, self.param_shape)
        x, logits = value.expand(shape), self.logits.expand(shape)
        ways = lgamma(x.sum(-1) + 1.0) - lgamma(x + 1.0).sum(-1)
        return ways + (x * where(x == 0, 0.0, logits)).sum(-1)

    def entropy(self) -> Tensor:
        """log(p) n times, less log(n!), plus the expected log(x_i!) of the binomial distribution of each class"""
        n = self.total_count
        x = wrap(np.arange(1.0, n + 1.0, dtype=self.probs.dtype).reshape(-1, *[1] * len(self.param_shape)))
        weights = Binomial(n, probs=self.probs, validate_args=False).log_prob(x).exp()
        total = lgamma(wrap(np.array(n + 1.0, self.probs.dtype)))
        return n * super().entropy() - total + (weights * lgamma(x + 1.0)).sum((0, -1))
