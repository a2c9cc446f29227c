"""Data: datasets, the loader that draws batches from them, and MNIST (a sample of it is embedded)."""

from minigrad.nn.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from minigrad.nn.data.idx import DataError, read_idx, write_idx
from minigrad.nn.data.loader import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    default_collate,
    default_convert,
)  # fmt: skip
from minigrad.nn.data.mnist import MNIST, FashionMNIST
from minigrad.nn.data.transforms import Compose, Normalize, RandomAffine

__all__ = [
    "MNIST", "BatchSampler", "Compose", "ConcatDataset", "DataError", "DataLoader", "Dataset", "FashionMNIST", "Normalize",
    "RandomAffine", "RandomSampler", "Sampler", "SequentialSampler", "Subset", "TensorDataset", "default_collate",
    "default_convert", "random_split", "read_idx", "write_idx",
]  # fmt: skip
