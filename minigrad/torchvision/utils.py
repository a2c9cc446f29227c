"""``torchvision.utils``."""

# mypy: implicit-reexport

from minigrad.nn.data.images import make_grid, save_image
