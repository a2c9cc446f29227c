"""``torchvision.transforms.functional``."""

# mypy: implicit-reexport

from minigrad.nn.data.functional import *
from minigrad.nn.data.transforms import InterpolationMode
