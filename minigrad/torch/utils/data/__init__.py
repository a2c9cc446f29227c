"""``torch.utils.data``."""

# mypy: implicit-reexport

from minigrad.nn.data.collate import default_collate, default_convert
from minigrad.nn.data.dataset import (
    ChainDataset, ConcatDataset, Dataset, IterableDataset, StackDataset, Subset, TensorDataset, random_split,
)  # fmt: skip
from minigrad.nn.data.loader import DataLoader
from minigrad.nn.data.sampler import (
    BatchSampler, DistributedSampler, RandomSampler, Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler,
)  # fmt: skip
from minigrad.nn.data.workers import WorkerInfo, get_worker_info
from minigrad.torch.utils.data import dataloader, dataset, distributed, sampler
