"""``torch.distributions.constraint_registry``."""

# mypy: implicit-reexport

from minigrad.distributions.registry import ConstraintRegistry, biject_to, transform_to
