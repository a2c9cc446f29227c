"""``torch.nn.utils.rnn``."""

# mypy: implicit-reexport

from minigrad.nn.utils.rnn import *
