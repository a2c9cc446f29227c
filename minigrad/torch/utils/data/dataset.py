"""``torch.utils.data.dataset``."""

# mypy: implicit-reexport

from minigrad.nn.data.dataset import (
    ChainDataset, ConcatDataset, Dataset, IterableDataset, StackDataset, Subset, TensorDataset, random_split,
)  # fmt: skip
