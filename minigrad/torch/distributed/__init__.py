"""``torch.distributed``: the backend is MPI."""

# mypy: implicit-reexport

from minigrad.torch.distributed import nn  # first, for `*` has modules of these names
from minigrad.devices import is_available as is_gloo_available, is_available as is_nccl_available
from minigrad.distributed import *
from minigrad.distributed.processes import DEFAULT_TIMEOUT as default_pg_timeout
