"""``torch.nn.utils``."""

# mypy: implicit-reexport

from minigrad.torch.nn.utils import parametrizations, parametrize, prune, rnn, stateless  # first, for `*` has modules of these names
from minigrad.nn.utils import *
