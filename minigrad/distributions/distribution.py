"""What all distributions share, and the one that makes dimensions of a batch part of the event."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np

from minigrad import absent
from minigrad.distributions.constraints import Constraint, independent
from minigrad.engine import ShapeError, TensorBase, cast, get_default_dtype, no_grad, wrap
from minigrad.ops.arguments import sizes_of
from minigrad.tree import array_of
from minigrad.types import Operand, Shape, Size, Tensor


def floating(name: str, **parameters: Operand) -> list[Any]:
    """Parameters, Tensors or numbers, as floating Tensors of one dtype: that of the Tensors, or the default one if all are numbers.

    Raises ``TypeError`` for what is no number.
    """
    given = [x.dtype for x in parameters.values() if isinstance(x, (TensorBase, np.ndarray))]
    kinds = [d for d in given if d.kind == "f"]
    dtype = np.result_type(*kinds) if kinds else get_default_dtype()
    found: list[Any] = []
    for what, x in parameters.items():
        if isinstance(x, TensorBase):
            found.append(x if x.dtype == dtype else cast(x, dtype=dtype))
            continue
        array = np.asarray(x)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name}: {what} must be a Tensor or a number, not {x!r:.40}")
        found.append(wrap(array.astype(dtype)))
    return found


def broadcast_all(name: str, **parameters: Operand) -> list[Any]:
    """:func:`floating` parameters, broadcast to one shape; one that has it already stays itself. Raises ``ShapeError`` where there is none."""
    found = floating(name, **parameters)
    try:
        shape = np.broadcast_shapes(*[x.shape for x in found])
    except ValueError:
        shapes = " and ".join([f"{what} {tuple(x.shape)}" for what, x in zip(parameters, found, strict=True)])
        raise ShapeError(f"{name}: {shapes} do not broadcast") from None
    return [x if x.shape == shape else x.expand(shape) for x in found]


@absent.answers_as("torch.distributions.Distribution")
class Distribution:
    """The base of all distributions: ``torch.distributions.Distribution``.

    A subclass sets its parameters as attributes, names them in ``parameters`` (name -> number of the last dimensions that belong to one
    event), and calls ``super().__init__``. Values that ``arg_constraints`` or ``support`` do not allow raise ``ValueError``, unless
    ``validate_args`` is False.

    Args:
        batch_shape: the shape of the parameters, without what belongs to one event.
        event_shape: the shape of one draw of one distribution.
        validate_args: whether to look at parameters and values; by default what :meth:`set_default_validate_args` says, True at first.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Normal
    >>> Normal(mg.zeros(2, 3), 1.0)
    Normal(loc: torch.Size([2, 3]), scale: torch.Size([2, 3]))
    >>> Normal(0.0, -1.0)
    Traceback (most recent call last):
    ...
    ValueError: Normal: scale must be positive, but is -1.0
    """

    has_rsample = False
    has_enumerate_support = False
    parameters: ClassVar[dict[str, int]] = {}
    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    printed: ClassVar[tuple[str, ...] | None] = None  # the parameters that its text names, those that PyTorch's does; None: all
    _validate_default: ClassVar[bool] = True

    def __init__(self, batch_shape: Size = (), event_shape: Size = (), validate_args: bool | None = None):
        self._batch_shape, self._event_shape = sizes_of(batch_shape), sizes_of(event_shape)
        self._validate_args = Distribution._validate_default if validate_args is None else bool(validate_args)
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                if name in self.__dict__:
                    self._require(name, self.__dict__[name], constraint)

    def _require(self, what: str, value: Tensor, constraint: Constraint) -> None:
        fits = array_of(constraint.check(value))
        if not fits.all():
            array = array_of(value)
            event = array.shape[array.ndim - constraint.event_dim :]
            wrong = np.broadcast_to(array, fits.shape + event)[~fits][0]  # a bound may have a larger shape than the value
            raise ValueError(f"{type(self).__name__}: {what} must be {constraint.text}, but is {wrong.tolist()}")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions look at their arguments if they are not told. Raises ``ValueError`` for anything but True and False."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: True or False is needed, not {value!r}")
        Distribution._validate_default = value

    @property
    def batch_shape(self) -> Shape:
        """The shape of the parameters."""
        return Shape(self._batch_shape)

    @property
    def event_shape(self) -> Shape:
        """The shape of one draw."""
        return Shape(self._event_shape)

    @property
    def support(self) -> Constraint:
        """The values that can be drawn."""
        return self._missing("support")

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        return self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        return self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance from the mean."""
        return self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def _missing(self, what: str) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: there is no {what}")

    def expand(self, batch_shape: Size) -> Self:
        """The same distribution with its parameters broadcast to another ``batch_shape``; what is known of it is not looked at again."""
        shape = sizes_of(batch_shape)
        new = object.__new__(type(self))
        for name, last in self.parameters.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                new.__dict__[name] = value.expand((*shape, *value.shape[value.ndim - last :]))
        new._batch_shape, new._event_shape, new._validate_args = shape, self._event_shape, self._validate_args
        return new

    def _extended_shape(self, sample_shape: Size = ()) -> Shape:
        """The shape of draws: ``sample_shape + batch_shape + event_shape``. Subclasses of a user's call it, as in PyTorch; and the next two."""
        return Shape((*sizes_of(sample_shape), *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        """Raise an error for a ``value`` that does not fit the shapes or the support, unless ``validate_args`` is False."""
        self._checked(value)

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """A new object of ``cls``, for ``expand`` to fill, or ``_instance``: that of a subclass, which calls ``super().expand`` with it.

        Raises ``NotImplementedError`` if a subclass with an ``__init__`` of its own calls no ``expand`` of its own.
        """
        if _instance is None and type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(f"{type(self).__name__} has an __init__ of its own, and so needs an expand of its own")
        return object.__new__(type(self)) if _instance is None else _instance

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws of shape ``sample_shape + batch_shape + event_shape``, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """Draws that are functions of the parameters, with their gradient. Raises ``NotImplementedError`` where ``has_rsample`` is False."""
        raise NotImplementedError(
            f"{type(self).__name__}: draws have no gradient in the parameters here; use sample(), and log_prob for a score-function estimate"
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or probability, of ``value``. Raises ``ValueError`` for one that cannot be drawn."""
        return self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to ``value``."""
        return self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value up to which a draw is with the probability ``value``: the inverse of :meth:`cdf`."""
        return self._missing("icdf")

    def entropy(self) -> Tensor:
        """The expected value of ``-log_prob``."""
        return self._missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values that can be drawn, in a new first dimension; ``expand``: repeated for each distribution of the batch."""
        return self._missing("finite support")

    def _checked(self, value: Any) -> Any:
        """``value`` as a Tensor, which must fit the shapes and the support."""
        (value,) = (value,) if isinstance(value, TensorBase) else floating(type(self).__name__, value=value)
        if not self._validate_args:
            return value
        tail = value.shape[value.ndim - len(self._event_shape) :] if value.ndim >= len(self._event_shape) else None
        try:
            if tail != self._event_shape:
                raise ValueError
            np.broadcast_shapes(value.shape, (*self._batch_shape, *self._event_shape))
        except ValueError:
            raise ShapeError(
                f"{type(self).__name__}: a value of shape {tuple(value.shape)} does not fit batch_shape {self._batch_shape} "
                f"and event_shape {self._event_shape}"
            ) from None
        try:
            support = self.support
        except NotImplementedError:
            return value
        self._require("the value", value, support)
        return value

    def __repr__(self) -> str:
        held = [
            (name, self.__dict__[name]) for name in (self.parameters if self.printed is None else self.printed) if name in self.__dict__
        ]
        shown = [f"{name}: {array_of(x).item() if x.ndim == 0 else x.detach() if x.numel() == 1 else x.shape}" for name, x in held]
        return f"{type(self).__name__}({', '.join(shown)})"


def sum_rightmost(value: Tensor, count: int) -> Tensor:
    """``value`` summed over its last ``count`` dimensions."""
    return value.sum(tuple(range(-count, 0))) if count else value


class Independent(Distribution):
    """A distribution whose last ``reinterpreted_batch_ndims`` dimensions of the batch are part of the event: ``torch.distributions.Independent``.

    Its ``log_prob`` is the sum over them. Raises ``ValueError`` if there are not so many.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Independent, Normal
    >>> joint = Independent(Normal(mg.zeros(2, 3), 1.0), 1)
    >>> joint.batch_shape, joint.event_shape, joint.log_prob(mg.zeros(2, 3))
    (torch.Size([2]), torch.Size([3]), tensor([-2.7568, -2.7568]))
    """

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None):
        batch, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if not 0 <= n <= len(batch):
            raise ValueError(f"Independent: reinterpreted_batch_ndims must be from 0 to {len(batch)}, the dimensions of the batch, not {n}")
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        shape = batch + base_distribution.event_shape
        super().__init__(shape[: len(batch) - n], shape[len(batch) - n :], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # an attribute of the class elsewhere
        """That of the base."""
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """That of the base, unless dimensions are joined."""
        return self.reinterpreted_batch_ndims == 0 and self.base_dist.has_enumerate_support

    @property
    def support(self) -> Constraint:
        """That of the base, in all of the event's dimensions."""
        return (
            independent(self.base_dist.support, self.reinterpreted_batch_ndims)
            if self.reinterpreted_batch_ndims
            else self.base_dist.support
        )

    @property
    def mean(self) -> Tensor:
        """That of the base."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """That of the base."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """That of the base."""
        return self.base_dist.variance

    def expand(self, batch_shape: Size) -> Independent:
        """The same with another ``batch_shape``."""
        inner = self.base_dist.expand((*sizes_of(batch_shape), *self.event_shape[: self.reinterpreted_batch_ndims]))
        return type(self)(inner, self.reinterpreted_batch_ndims, self._validate_args)

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws of the base."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """Draws of the base with a gradient."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum of that of the base."""
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        """The sum of that of the base."""
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """That of the base; raises ``NotImplementedError`` where dimensions are joined, as there would be too many."""
        return self._missing("enumeration of joint values") if self.reinterpreted_batch_ndims else self.base_dist.enumerate_support(expand)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)
