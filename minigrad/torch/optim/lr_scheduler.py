"""``torch.optim.lr_scheduler``."""

# mypy: implicit-reexport

from minigrad.nn.optim.lr_scheduler import *
from minigrad.nn.optim.lr_scheduler import LRScheduler as _LRScheduler
from minigrad.nn.optim.optimizer import Optimizer
