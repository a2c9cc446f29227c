"""``torch.serialization``."""

# mypy: implicit-reexport

from minigrad.files.torch_files import load
from minigrad.files.torch_writer import save_torch as save
