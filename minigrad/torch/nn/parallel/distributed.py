"""``torch.nn.parallel.distributed``."""

# mypy: implicit-reexport

from minigrad.nn.parallel.distributed import DistributedDataParallel
