"""``torch.optim.optimizer``."""

# mypy: implicit-reexport

from minigrad.nn.optim.optimizer import Optimizer, ParamsT, required
