"""``torch.autograd.graph``."""

# mypy: implicit-reexport

from minigrad.engine import Node
from minigrad.engine.saved import saved_tensors_hooks
