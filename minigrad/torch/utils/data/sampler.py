"""``torch.utils.data.sampler``."""

# mypy: implicit-reexport

from minigrad.nn.data.sampler import (
    BatchSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler,
)  # fmt: skip
