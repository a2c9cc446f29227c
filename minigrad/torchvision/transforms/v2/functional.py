"""``torchvision.transforms.v2.functional``."""

# mypy: implicit-reexport

from minigrad.nn.data.functional import *
from minigrad.nn.data.functional import convert_image_dtype as to_dtype
from minigrad.nn.data.functional import hflip as horizontal_flip
from minigrad.nn.data.functional import vflip as vertical_flip
