"""``torch.autograd.graph``."""

# mypy: implicit-reexport

from minigrad.engine import Node
from minigrad.engine.saved import save_on_cpu, saved_tensors_hooks
from minigrad.tensor import register_multi_grad_hook
