"""``torch.utils.data.distributed``."""

# mypy: implicit-reexport

from minigrad.nn.data.sampler import DistributedSampler
