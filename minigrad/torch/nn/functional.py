"""``torch.nn.functional``."""

# mypy: implicit-reexport

from minigrad.nn.functional import *
