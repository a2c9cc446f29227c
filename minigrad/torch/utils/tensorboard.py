"""``torch.utils.tensorboard``."""

# mypy: implicit-reexport

from minigrad.nn.tensorboard import SummaryWriter
