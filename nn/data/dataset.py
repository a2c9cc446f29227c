"""Datasets: objects with a length and a sample for each index.

Two optional methods make batches faster. They are not used if a subclass has overridden only ``__getitem__``, because the inherited
methods would then return other samples.

``get_batch(indices)``     the whole batch at once, equal to ``default_collate([self[i] for i in indices])``
``__getitems__(indices)``  the list of samples (PyTorch's protocol)
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from minigrad import absent
from minigrad.engine import ShapeError, warn
from minigrad.nn.data.collate import default_collate
from minigrad.ops.arguments import check, numbers, shown
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor, as_tensor

T = TypeVar("T", covariant=True)


class Indexed(Protocol[T]):
    """Type of a loader's dataset: any object with a sample for each index."""

    def __getitem__(self, index: int, /) -> T:
        """Sample ``index``."""


class Dataset(Generic[T]):
    """Base of datasets: ``torch.utils.data.Dataset``. A subclass defines ``__getitem__``, and usually ``__len__``.

    >>> from minigrad.nn.data import Dataset, DataLoader
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...     def __getitem__(self, i):
    ...         return i, i * i
    >>> for x, y in DataLoader(Squares(), batch_size=3):
    ...     print(x, y)
    tensor([0, 1, 2]) tensor([0, 1, 4])
    tensor([3, 4]) tensor([ 9, 16])
    """

    def __getitem__(self, index: int) -> T:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Base of datasets that are streams, with samples one after the other and no index: ``torch.utils.data.IterableDataset``.

    A subclass defines ``__iter__``, and may define ``__len__``. In a loader with several workers each worker iterates a copy, so each
    should yield a different part; :func:`minigrad.nn.data.get_worker_info` tells which.

    >>> from minigrad.nn.data import DataLoader, IterableDataset
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    [[3, 2], [1]]
    """

    def __getitem__(self, index: int) -> T:
        raise TypeError(f"{type(self).__name__} is an IterableDataset: its samples have no index, they come one after the other")

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Dataset[Any]) -> ChainDataset[Any]:  # type: ignore[override]
        return ChainDataset([self, other])


def fetch_samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """``[dataset[i] for i in indices]``, by the dataset's ``__getitems__`` if it has one."""
    if _speaks_for_getitem(dataset, "__getitems__"):
        return dataset.__getitems__(indices)
    return [dataset[i] for i in indices]


def fetch_batch(dataset: Any, indices: Sequence[int]) -> Any:
    """``default_collate`` of the samples, by the dataset's ``get_batch`` if it has one.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import TensorDataset
    >>> from minigrad.nn.data.dataset import fetch_batch
    >>> fetch_batch(TensorDataset(mg.tensor([5, 6, 7])), [2, 0])
    [tensor([7, 5])]
    """
    if len(indices) == 0:
        raise ValueError("a batch needs at least one sample, but the list of indices is empty")
    if _speaks_for_getitem(dataset, "get_batch"):
        return dataset.get_batch(indices)
    return default_collate(fetch_samples(dataset, indices))


def _speaks_for_getitem(dataset: Any, method: str) -> bool:
    """Whether ``method`` is defined in the class that defines ``__getitem__``, or in a subclass of that, so that the two agree."""
    for cls in type(dataset).__mro__:
        if method in vars(cls):
            return True
        if "__getitem__" in vars(cls):
            return False
    return False


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors or arrays side by side; sample ``i`` is the tuple of their rows ``i``: ``torch.utils.data.TensorDataset``.

    Raises:
        ShapeError: different lengths, or a 0-d tensor.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import TensorDataset
    >>> data = TensorDataset(mg.tensor([[0.0], [1.0]]), mg.tensor([4, 7]))
    >>> len(data), data[1]
    (2, (tensor([1.]), tensor(7)))
    """

    def __init__(self, *tensors: Any):
        if not tensors:
            raise ValueError("TensorDataset: at least one tensor is needed")
        self.tensors = tuple(as_tensor(t) for t in tensors)
        if any(t.ndim == 0 or len(t) != len(self.tensors[0]) for t in self.tensors):
            shapes = ", ".join(str(tuple(t.shape)) for t in self.tensors)
            raise ShapeError(f"TensorDataset: all tensors need the same first dimension, but their shapes are {shapes}")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """Rows ``indices`` of each tensor, by one indexing operation each."""
        return [
            t[indices] if t.requires_grad else as_tensor(np.take(t.numpy(), indices, axis=0))  # np.take is the faster of the two
            for t in self.tensors
        ]


class Subset(Dataset[T]):
    """Samples ``indices`` of a dataset: ``torch.utils.data.Subset``. A list of places takes several at once, if the dataset does.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import Subset, TensorDataset
    >>> list(Subset("abcdef", [4, 0]))
    ['e', 'a']
    >>> Subset(TensorDataset(mg.arange(10)), [5, 6, 7])[[0, 2]]
    (tensor([5, 7]),)
    """

    def __init__(self, dataset: Indexed[T], indices: Sequence[int]):
        for what, value in (("dataset", dataset), ("indices", indices)):
            if not hasattr(value, "__getitem__"):
                raise TypeError(f"Subset: {what} must have __getitem__(index), but is {shown(value)}")
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T]:
        return fetch_samples(self.dataset, [self.indices[i] for i in indices])

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The batch that the underlying dataset makes of these samples."""
        return fetch_batch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


@absent.answers_as("torch.utils.data.ConcatDataset")
class ConcatDataset(Dataset[T]):
    """Datasets one after the other: ``torch.utils.data.ConcatDataset``, also written ``a + b``.

    >>> from minigrad.nn.data import ConcatDataset
    >>> data = ConcatDataset(["abc", "de"])
    >>> len(data), data[2], data[3], data[-1]
    (5, 'c', 'd', 'e')
    """

    def __init__(self, datasets: Iterable[Indexed[T]]):
        check("ConcatDataset", locals(), datasets="an iterable")
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: at least one dataset is needed")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError("ConcatDataset: the samples of an IterableDataset have no index; ChainDataset puts such datasets in a row")
        for i, dataset in enumerate(self.datasets):
            check("ConcatDataset", {f"datasets[{i}]": dataset}, **{f"datasets[{i}]": "anything with a length"})
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        index %= size
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T]):
    """Streams one after the other: ``torch.utils.data.ChainDataset``, also written ``a + b``.

    Raises ``TypeError``, when it is iterated, for a dataset that is not an :class:`IterableDataset`.

    >>> from minigrad.nn.data import ChainDataset, IterableDataset
    >>> class Letters(IterableDataset):
    ...     def __init__(self, letters):
    ...         self.letters = letters
    ...     def __iter__(self):
    ...         return iter(self.letters)
    >>> list(Letters("ab") + Letters("c"))
    ['a', 'b', 'c']
    """

    def __init__(self, datasets: Iterable[Any]):
        check("ChainDataset", locals(), datasets="an iterable")
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset: every dataset must be an IterableDataset, and a {type(dataset).__name__} is not")
            yield dataset

    def __iter__(self) -> Iterator[T]:
        return itertools.chain.from_iterable(self._streams())

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side: ``torch.utils.data.StackDataset``.

    Args:
        args: datasets; sample ``i`` is the tuple of their samples ``i``.
        kwargs: datasets by name; sample ``i`` is the dict of their samples ``i``.

    Raises:
        ValueError: no dataset, datasets of different lengths, or some by position and some by name.

    >>> from minigrad.nn.data import StackDataset
    >>> StackDataset("abc", [1, 2, 3])[1]
    ('b', 2)
    >>> StackDataset(letter="abc", number=[1, 2, 3])[1]
    {'letter': 'b', 'number': 2}
    """

    def __init__(self, *args: Any, **kwargs: Any):
        if args and kwargs:
            raise ValueError("StackDataset: give the datasets all by position (samples are tuples) or all by name (samples are dicts)")
        if not args and not kwargs:
            raise ValueError("StackDataset: at least one dataset is needed")
        self.datasets: Any = args or kwargs
        sizes = [len(d) for d in args or kwargs.values()]
        if len(set(sizes)) > 1:
            raise ValueError(f"StackDataset: the datasets need the same length, but their lengths are {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        if isinstance(self.datasets, dict):
            columns = [fetch_samples(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*(fetch_samples(dataset, indices) for dataset in self.datasets), strict=True))

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The batches that the datasets make of these samples, in a list or by name."""
        if isinstance(self.datasets, dict):
            return {name: fetch_batch(dataset, indices) for name, dataset in self.datasets.items()}
        batches = [fetch_batch(dataset, indices) for dataset in self.datasets]
        return [tuple(b) if isinstance(b, list) and isinstance(b[0], (str, bytes)) else b for b in batches]  # as for tuples

    def __len__(self) -> int:
        return self._length


def random_split(dataset: Indexed[T], lengths: Sequence[float], generator: Generator | None = None) -> list[Subset[T]]:
    """Split a dataset at random into parts of the given lengths, or fractions: ``torch.utils.data.random_split``.

    Args:
        dataset: anything with a length.
        lengths: numbers of samples, or fractions with the sum 1. Fractions are rounded down, and the
            remaining samples go to the parts in turn.
        generator: random generator of the permutation (default: the process's generator).

    Raises:
        ValueError: lengths that do not add up to the dataset's, or a fraction outside 0..1.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import random_split
    >>> [len(part) for part in random_split(range(11), [0.5, 0.3, 0.2])]
    [6, 3, 2]
    >>> a, b = random_split("abc", [2, 1], generator=mg.Generator().manual_seed(0))
    >>> sorted([*a, *b])
    ['a', 'b', 'c']
    """
    check("random_split", locals(), "generator", dataset="anything with a length", generator=Generator)
    size = len(dataset)  # type: ignore[arg-type]
    if not numbers("random_split", "lengths", lengths).ndim == 1:
        raise TypeError(f"random_split: lengths must be a list of numbers, but is {shown(lengths)}")
    if math.isclose(sum(lengths), 1):
        if not all(0 <= fraction <= 1 for fraction in lengths):
            raise ValueError(f"random_split: fractions lie between 0 and 1, but these are {list(lengths)}")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warn(f"random_split: part {i} is empty ({lengths[i]} of {size} samples)")
    else:
        counts = [int(length) if math.isfinite(length) else -1 for length in lengths]
        if sum(counts) != size or min(counts) < 0 or counts != list(lengths):
            raise ValueError(
                f"random_split: lengths must be whole numbers that add up to the {size} samples of the dataset, or fractions that "
                f"add up to 1, but they are {list(lengths)}"
            )
    order = numpy_generator(generator).permutation(size).tolist()
    return [Subset(dataset, order[end - count : end]) for end, count in zip(itertools.accumulate(counts), counts, strict=True)]
