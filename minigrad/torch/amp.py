"""``torch.amp``."""

# mypy: implicit-reexport

from minigrad.accepted import autocast
from minigrad.nn.optim.grad_scaler import GradScaler
