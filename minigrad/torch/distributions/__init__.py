"""``torch.distributions``."""

# mypy: implicit-reexport

from minigrad.torch.distributions import constraints, kl
from minigrad.distributions import *
