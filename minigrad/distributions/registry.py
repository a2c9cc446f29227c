"""From real numbers to the sets of parameters: ``torch.distributions.constraint_registry``.

An optimiser moves real numbers. ``transform_to(constraint)`` is a transform from these to a set, ``biject_to(constraint)`` one that is one-to-one
and has a log-determinant, for changes of variables.

>>> import minigrad as mg
>>> from minigrad.distributions import Normal, transform_to
>>> free = mg.zeros(2, requires_grad=True)
>>> transform_to(Normal.arg_constraints["scale"])(free)
tensor([1., 1.], grad_fn=<ExpBackward0>)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.distributions import constraints, transforms
from minigrad.distributions.constraints import Constraint
from minigrad.distributions.transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """A table of transforms by constraint: a class of constraints, or one of the sets that have no numbers, such as ``constraints.simplex``.

    >>> from minigrad.distributions import constraints, transform_to, transforms
    >>> class Even(constraints.greater_than):
    ...     pass
    >>> transform_to.register(Even, lambda constraint: transforms.ExpTransform())(Even(0.0))
    ExpTransform()
    >>> transform_to(Even(0.0))
    ExpTransform()
    """

    def __init__(self) -> None:
        self._factories: dict[Any, Factory] = {}

    @staticmethod
    def _key(constraint: Any) -> Any:
        if isinstance(constraint, type) and issubclass(constraint, Constraint):
            return constraint
        if not isinstance(constraint, Constraint):
            raise TypeError(f"a constraint or a class of constraints is needed, not {constraint!r:.60}")
        return constraint.text if type(constraint) is Constraint else type(constraint)

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Enter ``factory(constraint)``, which returns a transform; without one, a decorator that does. Returns the factory."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        self._factories[self._key(constraint)] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform to ``constraint``. Raises ``NotImplementedError`` if there is none."""
        factory = self._factories.get(self._key(constraint))
        if factory is None:
            raise NotImplementedError(f"there is no transform to numbers that are {constraint.text}; register one")
        return factory(constraint)


transform_to, biject_to = ConstraintRegistry(), ConstraintRegistry()


def _both(*sets: Any) -> Callable[[Factory], Factory]:
    def enter(factory: Factory) -> Factory:
        for constraint in sets:
            transform_to.register(constraint, factory)
            biject_to.register(constraint, factory)
        return factory

    return enter


@_both(constraints.real)
def _real(constraint: Any) -> Transform:
    return transforms.identity_transform


@_both(constraints.positive, constraints.nonnegative)
def _positive(constraint: Any) -> Transform:
    return transforms.ExpTransform()


@_both(constraints.greater_than, constraints.greater_than_eq)
def _above(constraint: Any) -> Transform:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1.0)])


@_both(constraints.less_than)
def _below(constraint: Any) -> Transform:
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1.0)])


@_both(constraints.unit_interval)
def _unit(constraint: Any) -> Transform:
    return transforms.SigmoidTransform()


@_both(constraints.interval, constraints.half_open_interval)
def _between(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


@_both(constraints.corr_cholesky)
def _correlations(constraint: Any) -> Transform:
    return transforms.CorrCholeskyTransform()


biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform())
for _matrices in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_matrices, lambda constraint: transforms.PositiveDefiniteTransform())


def _of_parts(registry: ConstraintRegistry) -> None:
    """Transforms to sets that are made of others, which are looked up in the same table."""
    registry.register(
        constraints.independent,
        lambda c: transforms.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    registry.register(constraints.cat, lambda c: transforms.CatTransform([registry(part) for part in c.cseq], c.dim, c.lengths))
    registry.register(constraints.stack, lambda c: transforms.StackTransform([registry(part) for part in c.cseq], c.dim))


_of_parts(transform_to)
_of_parts(biject_to)
