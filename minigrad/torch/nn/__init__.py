"""``torch.nn``."""

# mypy: implicit-reexport

from minigrad.torch.nn import functional, init, modules, parallel, parameter, utils  # first, for `*` has modules of these names
from minigrad.nn import *
