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
from minigrad.nn.data.forms import ConvertImageDtype, PILToTensor, ToDtype, ToImage, ToPILImage
from minigrad.nn.data.idx import DataError, read_idx, write_idx
from minigrad.nn.data.loader import DataLoader, default_collate, default_convert
from minigrad.nn.data.mixing import CutMix, MixUp
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
    FiveCrop,
    GaussianBlur,
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
    TenCrop,
    ToTensor,
)
from minigrad.nn.data.workers import WorkerInfo, get_worker_info

__all__ = [
    "CIFAR10", "CIFAR100", "MNIST", "BatchSampler", "CenterCrop", "ChainDataset", "ColorJitter", "Compose", "ConcatDataset",
    "ConvertImageDtype", "CutMix", "Cutout", "DataError", "DataLoader", "Dataset", "DatasetFolder", "DistributedSampler", "FashionMNIST",
    "FiveCrop", "GaussianBlur", "Grayscale", "ImageFolder", "InterpolationMode", "IterableDataset", "Lambda", "MixUp", "Normalize",
    "PILToTensor", "Pad", "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomOrder", "RandomResizedCrop", "RandomRotation", "RandomSampler", "RandomVerticalFlip", "Resize",
    "Sampler", "SequentialSampler", "StackDataset", "Subset", "SubsetRandomSampler", "TenCrop", "TensorDataset", "ToDtype", "ToImage",
    "ToPILImage", "ToTensor", "WeightedRandomSampler", "WorkerInfo", "default_collate", "default_convert", "get_worker_info",
    "random_split", "read_idx", "read_image", "write_idx",
]  # fmt: skip
