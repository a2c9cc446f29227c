"""Models that several processes train together, see :mod:`minigrad.distributed`: ``torch.nn.parallel``."""

# mypy: implicit-reexport

from minigrad.nn.parallel.distributed import DistributedDataParallel
from minigrad.nn.parallel.norm import SyncBatchNorm
