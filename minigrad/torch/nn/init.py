"""``torch.nn.init``."""

# mypy: implicit-reexport

from minigrad.nn.init import *
from minigrad.nn.init import fan_in_and_fan_out as _calculate_fan_in_and_fan_out
