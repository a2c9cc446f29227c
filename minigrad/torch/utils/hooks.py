"""``torch.utils.hooks``."""

# mypy: implicit-reexport

from minigrad.tensor import RemovableHandle
