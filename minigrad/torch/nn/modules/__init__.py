"""``torch.nn.modules``."""

# mypy: implicit-reexport

from minigrad.nn import *
from minigrad.torch.nn.modules import module
