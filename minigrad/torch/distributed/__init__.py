"""``torch.distributed``: the backend is MPI."""

# mypy: implicit-reexport

from minigrad.torch.distributed import nn  # first, for `*` has modules of these names
from minigrad.distributed import *
