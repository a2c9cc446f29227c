"""What parameters and draws may be: ``torch.distributions.constraints``.

>>> import minigrad as mg
>>> from minigrad.distributions import constraints
>>> constraints.positive.check(mg.tensor([-1.0, 2.0])), constraints.positive
(tensor([False,  True]), positive)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import wrap
from minigrad.tree import array_of
from minigrad.types import Tensor


class Constraint:
    """A set of values: ``check(value)`` says which elements (of the last ``event_dim`` dimensions together) are in it."""

    def __init__(self, text: str, test: Callable[[np.ndarray], Any], event_dim: int = 0, is_discrete: bool = False):
        self.text, self._test, self.event_dim, self.is_discrete = text, test, event_dim, is_discrete

    def check(self, value: Tensor) -> Tensor:
        """Whether each value is in the set, a bool Tensor."""
        with np.errstate(all="ignore"):
            return wrap(np.asarray(self._test(array_of(value)), np.bool_))

    def __repr__(self) -> str:
        return self.text


def greater_than(lower_bound: Any) -> Constraint:
    """Numbers above a bound."""
    return Constraint(f"above {lower_bound}", lambda x: x > array_of(lower_bound))


def greater_than_eq(lower_bound: Any) -> Constraint:
    """Numbers from a bound on."""
    return Constraint(f"{lower_bound} or above", lambda x: x >= array_of(lower_bound))


def less_than(upper_bound: Any) -> Constraint:
    """Numbers below a bound."""
    return Constraint(f"below {upper_bound}", lambda x: x < array_of(upper_bound))


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Numbers between two bounds, which are included."""
    return Constraint(f"from {lower_bound} to {upper_bound}", lambda x: (x >= array_of(lower_bound)) & (x <= array_of(upper_bound)))


def integer_interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """Whole numbers between two bounds, which are included."""
    return Constraint(
        f"whole, from {lower_bound} to {upper_bound}",
        lambda x: _whole(x) & (x >= array_of(lower_bound)) & (x <= array_of(upper_bound)),
        is_discrete=True,
    )


def independent(base: Constraint, reinterpreted_batch_ndims: int) -> Constraint:
    """Values all of whose elements in the last dimensions are in ``base``."""
    axes, test = tuple(range(-reinterpreted_batch_ndims, 0)), base._test
    return Constraint(base.text, lambda x: test(x).all(axis=axes), base.event_dim + reinterpreted_batch_ndims, base.is_discrete)


def _whole(x: np.ndarray) -> Any:
    return x == np.floor(x)


def _symmetric(x: np.ndarray) -> Any:
    return np.isclose(x, np.swapaxes(x, -1, -2), atol=1e-6).all((-2, -1))


def _positive_definite(x: np.ndarray) -> Any:
    return _symmetric(x) & (np.linalg.eigvalsh(x) > 0).all(-1)


def _lower_cholesky(x: np.ndarray) -> Any:
    return (np.tril(x) == x).all((-2, -1)) & (np.diagonal(x, 0, -2, -1) > 0).all(-1)


real = Constraint("real", lambda x: x == x)
real_vector = independent(real, 1)
positive = Constraint("positive", lambda x: x > 0)
nonnegative = Constraint("0 or above", lambda x: x >= 0)
unit_interval = Constraint("from 0 to 1", lambda x: (x >= 0) & (x <= 1))
boolean = Constraint("0 or 1", lambda x: (x == 0) | (x == 1), is_discrete=True)
nonnegative_integer = Constraint("whole, 0 or above", lambda x: _whole(x) & (x >= 0), is_discrete=True)
positive_integer = Constraint("whole, 1 or above", lambda x: _whole(x) & (x >= 1), is_discrete=True)
simplex = Constraint("0 or above with the sum 1", lambda x: (x >= 0).all(-1) & (np.abs(x.sum(-1) - 1) < 1e-6), 1)
one_hot = Constraint("one 1 among zeros", lambda x: ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1), 1, is_discrete=True)
symmetric = Constraint("symmetric", _symmetric, 2)
positive_definite = Constraint("symmetric and positive definite", _positive_definite, 2)
lower_cholesky = Constraint("lower triangular with a positive diagonal", _lower_cholesky, 2)
dependent = Constraint("in a set that depends on parameters", lambda x: x == x)
