"""``torch.distributions``."""

# mypy: implicit-reexport

from minigrad.torch.distributions import (
    constraint_registry,
    constraints,
    kl,
    transforms,
    utils,
)  # first, for `*` has modules of these names
from minigrad.distributions import *
