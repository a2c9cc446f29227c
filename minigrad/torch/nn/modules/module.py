"""``torch.nn.modules.module``."""

# mypy: implicit-reexport

from minigrad.nn.module import Module
