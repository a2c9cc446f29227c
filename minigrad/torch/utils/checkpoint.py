"""``torch.utils.checkpoint``."""

# mypy: implicit-reexport

from minigrad.recompute import *
