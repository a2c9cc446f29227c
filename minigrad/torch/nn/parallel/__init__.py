"""``torch.nn.parallel``."""

# mypy: implicit-reexport

from minigrad.nn.parallel.distributed import DistributedDataParallel
from minigrad.torch.nn.parallel import distributed
