"""``torch.nn.init``."""

# mypy: implicit-reexport

from minigrad.nn.init import *
