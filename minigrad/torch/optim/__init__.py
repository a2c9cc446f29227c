"""``torch.optim``."""

# mypy: implicit-reexport

from minigrad.torch.optim import lr_scheduler, optimizer, swa_utils  # first, for `*` has modules of these names
from minigrad.nn.optim import *
