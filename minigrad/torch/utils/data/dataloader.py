"""``torch.utils.data.dataloader``."""

# mypy: implicit-reexport

from minigrad.nn.data.collate import default_collate, default_convert
from minigrad.nn.data.loader import DataLoader
