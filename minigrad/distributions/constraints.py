"""What parameters and draws may be: ``torch.distributions.constraints``.

>>> import minigrad as mg
>>> from minigrad.distributions import constraints
>>> constraints.positive.check(mg.tensor([-1.0, 2.0])), constraints.positive
(tensor([False,  True]), GreaterThan(lower_bound=0.0))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine import wrap
from minigrad.tree import array_of
from minigrad.types import Tensor


class Constraint:
    """A set of values: ``check(value)`` says which elements (of the last ``event_dim`` dimensions together) are in it.

    Args:
        text: what errors say that a value must be.
        test: from an array to the bools of ``check``.
        event_dim: how many of the last dimensions are one element of the set.
        is_discrete: whether there are gaps between its elements.
        title: what it is printed as, which is PyTorch's text where PyTorch has the set; None: ``text``.
        bounds: ``lower_bound``, ``upper_bound``: attributes, which are printed too.
    """

    lower_bound: Any
    upper_bound: Any
    _given: tuple[tuple[Any, ...], dict[str, Any]]  # to __init__, for pickle

    def __new__(cls, *args: Any, **kwargs: Any) -> Constraint:
        self = super().__new__(cls)
        self._given = args, kwargs
        return self

    def __init__(
        self,
        text: str,
        test: Callable[[np.ndarray], Any],
        event_dim: int = 0,
        is_discrete: bool = False,
        title: str | None = None,
        **bounds: Any,
    ):
        self.text, self._test, self.event_dim, self.is_discrete, self._title = text, test, event_dim, is_discrete, title
        self.__dict__.update(bounds)
        self._bounds = tuple(bounds)

    def check(self, value: Tensor) -> Tensor:
        """Whether each value is in the set, a bool Tensor."""
        with np.errstate(all="ignore"):
            return wrap(np.asarray(self._test(array_of(value)), np.bool_))

    def __reduce__(self) -> Any:
        """By the name that it has here, or made anew of what it was made of."""
        name = next((name for name, value in globals().items() if value is self), None)
        return name or (_made, (type(self), *self._given))

    def __repr__(self) -> str:
        return self.text if self._title is None else f"{self._title}({', '.join([f'{b}={getattr(self, b)}' for b in self._bounds])})"


class greater_than(Constraint):  # PyTorch's names of classes
    """Numbers above ``lower_bound``."""

    def __init__(self, lower_bound: Any):
        super().__init__(f"above {lower_bound}", lambda x: x > array_of(lower_bound), title="GreaterThan", lower_bound=lower_bound)


class greater_than_eq(Constraint):
    """Numbers from ``lower_bound`` on."""

    def __init__(self, lower_bound: Any):
        super().__init__(f"{lower_bound} or above", lambda x: x >= array_of(lower_bound), title="GreaterThanEq", lower_bound=lower_bound)


class less_than(Constraint):
    """Numbers below ``upper_bound``."""

    def __init__(self, upper_bound: Any):
        super().__init__(f"below {upper_bound}", lambda x: x < array_of(upper_bound), title="LessThan", upper_bound=upper_bound)


class interval(Constraint):
    """Numbers between ``lower_bound`` and ``upper_bound``, which are included."""

    def __init__(self, lower_bound: Any, upper_bound: Any):
        super().__init__(
            f"from {lower_bound} to {upper_bound}",
            lambda x: (x >= array_of(lower_bound)) & (x <= array_of(upper_bound)),
            title="Interval", lower_bound=lower_bound, upper_bound=upper_bound,
        )  # fmt: skip


class half_open_interval(Constraint):
    """Numbers from ``lower_bound`` on, below ``upper_bound``."""

    def __init__(self, lower_bound: Any, upper_bound: Any):
        super().__init__(
            f"from {lower_bound} on, below {upper_bound}",
            lambda x: (x >= array_of(lower_bound)) & (x < array_of(upper_bound)),
            title="HalfOpenInterval", lower_bound=lower_bound, upper_bound=upper_bound,
        )  # fmt: skip


class integer_interval(Constraint):
    """Whole numbers between ``lower_bound`` and ``upper_bound``, which are included."""

    def __init__(self, lower_bound: Any, upper_bound: Any):
        super().__init__(
            f"whole, from {lower_bound} to {upper_bound}",
            lambda x: _whole(x) & (x >= array_of(lower_bound)) & (x <= array_of(upper_bound)),
            is_discrete=True, title="IntegerInterval", lower_bound=lower_bound, upper_bound=upper_bound,
        )  # fmt: skip


class independent(Constraint):
    """Values all of whose elements in the last ``reinterpreted_batch_ndims`` dimensions are in ``base_constraint``."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int):
        self.base_constraint, self.reinterpreted_batch_ndims = base, n = base_constraint, reinterpreted_batch_ndims
        axes = tuple(range(-n, 0))
        super().__init__(base.text, lambda x: base._test(x).all(axis=axes), base.event_dim + n, base.is_discrete)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint}, {self.reinterpreted_batch_ndims})"


class cat(Constraint):
    """Values that lie, ``lengths`` each, one after the other in dimension ``dim``, each part in a set of ``cseq``."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None):
        self.cseq, self.dim, self.lengths = list(cseq), dim, [1] * len(cseq) if lengths is None else list(lengths)
        ends = np.cumsum(self.lengths)[:-1]

        def test(x: np.ndarray) -> np.ndarray:
            return np.concatenate([c._test(part) for c, part in zip(self.cseq, np.split(x, ends, dim), strict=True)], dim)

        super().__init__(
            " | ".join(c.text for c in self.cseq),
            test,
            max(c.event_dim for c in self.cseq),
            any(c.is_discrete for c in self.cseq),
            "Cat",
        )


class stack(Constraint):
    """Values stacked in dimension ``dim``, each in a set of ``cseq``."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0):
        self.cseq, self.dim = list(cseq), dim

        def test(x: np.ndarray) -> np.ndarray:
            return np.stack([c._test(part) for c, part in zip(self.cseq, np.moveaxis(x, dim, 0), strict=True)], dim)

        event_dim = max(c.event_dim for c in self.cseq)
        super().__init__(
            " | ".join(c.text for c in self.cseq), test, event_dim + (dim + event_dim < 0), any(c.is_discrete for c in self.cseq), "Stack"
        )


def _made(kind: type[Constraint], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Constraint:
    return kind(*args, **kwargs)


def _whole(x: np.ndarray) -> Any:
    return x == np.floor(x)


def _symmetric(x: np.ndarray) -> Any:
    return np.isclose(x, np.swapaxes(x, -1, -2), atol=1e-6).all((-2, -1))


def _positive_definite(x: np.ndarray) -> Any:
    return _symmetric(x) & (np.linalg.eigvalsh(x) > 0).all(-1)


def _semidefinite(x: np.ndarray) -> Any:
    return _symmetric(x) & (np.linalg.eigvalsh(x) >= 0).all(-1)


def _corr_cholesky(x: np.ndarray) -> Any:
    """Rows of length 1, up to rounding, as in PyTorch."""
    far = np.abs(np.linalg.norm(x, axis=-1) - 1)
    return _lower_cholesky(x) & (far < np.finfo(x.dtype).eps * x.shape[-1] * 10).all(-1)


def _lower_cholesky(x: np.ndarray) -> Any:
    return (np.tril(x) == x).all((-2, -1)) & (np.diagonal(x, 0, -2, -1) > 0).all(-1)


real = Constraint("real", lambda x: x == x, title="Real")
real_vector = independent(real, 1)
positive = Constraint("positive", lambda x: x > 0, title="GreaterThan", lower_bound=0.0)
nonnegative = Constraint("0 or above", lambda x: x >= 0, title="GreaterThanEq", lower_bound=0.0)
unit_interval = Constraint("from 0 to 1", lambda x: (x >= 0) & (x <= 1), title="Interval", lower_bound=0.0, upper_bound=1.0)
boolean = Constraint("0 or 1", lambda x: (x == 0) | (x == 1), is_discrete=True, title="Boolean")
nonnegative_integer = Constraint("whole, 0 or above", lambda x: _whole(x) & (x >= 0), 0, True, "IntegerGreaterThan", lower_bound=0)
positive_integer = Constraint("whole, 1 or above", lambda x: _whole(x) & (x >= 1), 0, True, "IntegerGreaterThan", lower_bound=1)
simplex = Constraint("0 or above with the sum 1", lambda x: (x >= 0).all(-1) & (np.abs(x.sum(-1) - 1) < 1e-6), 1, title="Simplex")
one_hot = Constraint("one 1 among zeros", lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1), 1, is_discrete=True, title="OneHot")
symmetric = Constraint("symmetric", _symmetric, 2, title="Symmetric")
positive_definite = Constraint("symmetric and positive definite", _positive_definite, 2, title="PositiveDefinite")
lower_cholesky = Constraint("lower triangular with a positive diagonal", _lower_cholesky, 2, title="LowerCholesky")
square = Constraint("square", lambda x: np.full(x.shape[:-2], x.shape[-1] == x.shape[-2]), 2, title="Square")
lower_triangular = Constraint("lower triangular", lambda x: (np.tril(x) == x).all((-2, -1)), 2, title="LowerTriangular")
positive_semidefinite = Constraint("symmetric and positive semidefinite", _semidefinite, 2, title="PositiveSemidefinite")
corr_cholesky = Constraint("lower triangular with a positive diagonal, rows of length 1", _corr_cholesky, 2, title="CorrCholesky")
dependent = Constraint("in a set that depends on parameters", lambda x: x == x, title="Dependent")
