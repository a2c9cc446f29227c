"""``torch.utils``."""

# mypy: implicit-reexport

from minigrad.torch.utils import checkpoint, data, hooks, tensorboard
