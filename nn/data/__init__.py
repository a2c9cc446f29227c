"""Data: datasets, the loader that makes batches from them, and MNIST (with an embedded sample)."""

from minigrad.nn.data.cifar import CIFAR10, CIFAR100
from minigrad.nn.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from minigrad.nn.data.folders import DatasetFolder, ImageFolder, read_image
from minigrad.nn.data.idx import DataError, read_idx, write_idx
from minigrad.nn.data.loader import DataLoader, default_collate, default_convert
from minigrad.nn.data.mnist import MNIST, FashionMNIST
from minigrad.nn.data.sampler import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from minigrad.nn.data.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    Cutout,
    Grayscale,
    InterpolationMode,
    Lambda,
    Normalize,
    Pad,
    RandomAffine,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomOrder,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    ToTensor,
)
from minigrad.nn.data.workers import WorkerInfo, get_worker_info

__all__ = [
    "CIFAR10", "CIFAR100", "MNIST", "BatchSampler", "CenterCrop", "ChainDataset", "ColorJitter", "Compose", "ConcatDataset", "Cutout",
    "DataError", "DataLoader", "Dataset", "DatasetFolder", "DistributedSampler", "FashionMNIST", "Grayscale", "ImageFolder", "InterpolationMode", "IterableDataset", "Lambda", "Normalize", "Pad",
    "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomOrder",
    "RandomResizedCrop", "RandomRotation", "RandomSampler", "RandomVerticalFlip",
    "Resize", "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset", "ToTensor",
    "WeightedRandomSampler", "WorkerInfo", "default_collate", "default_convert", "get_worker_info", "random_split", "read_idx", "read_image",
    "write_idx",
]  # fmt: skip
