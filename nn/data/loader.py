"""DataLoader: batches from a dataset, in the order that a sampler gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, Generic, overload

from minigrad.nn.data.collate import default_collate, default_convert
from minigrad.nn.data.dataset import Indexed, T, fetch_batch, fetch_samples
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor
from minigrad.types import Operand


class Sampler:
    """Base of samplers: an iterable of indices, mostly with a length. ``torch.utils.data.Sampler``."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler):
    """0, 1, 2, ...: ``torch.utils.data.SequentialSampler``.

    >>> from minigrad.nn.data import SequentialSampler
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Indices in random order, a new one in each pass: ``torch.utils.data.RandomSampler``.

    Args:
        data_source: anything with a length.
        replacement: draw each index independently, so that some come twice.
        num_samples: how many to draw (default: as many as there are samples). More than that without replacement gives one
            permutation after the other.
        generator: default: the process's generator.

    Raises:
        ValueError: nothing to draw from.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import RandomSampler
    >>> sorted(RandomSampler("abcd", generator=mg.Generator().manual_seed(3)))
    [0, 1, 2, 3]
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Generator | None = None):
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement is True or False, not {replacement!r}")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            why = " (the dataset is empty)" if num_samples is None else ""
            raise ValueError(f"RandomSampler: num_samples must be a positive integer, not {self.num_samples!r}{why}")
        if len(data_source) == 0:
            raise ValueError("RandomSampler: the dataset is empty")

    @property
    def num_samples(self) -> int:
        """How many indices a pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng, n = numpy_generator(self.generator), len(self.data_source)
        if self.replacement:
            yield from rng.integers(n, size=self.num_samples).tolist()
            return
        for start in range(0, self.num_samples, n):
            yield from rng.permutation(n)[: self.num_samples - start].tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of ``batch_size`` indices from another sampler: ``torch.utils.data.BatchSampler``.

    >>> from minigrad.nn.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool = False):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size must be a positive integer, not {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last is True or False, not {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)


class DataLoader(Generic[T]):
    """Batches of a dataset, pass after pass: ``torch.utils.data.DataLoader``, in the calling process.

    Args:
        dataset: anything with ``dataset[i]``, and a length unless a sampler is given.
        batch_size: samples in a batch; None hands out single samples, their arrays converted to Tensors.
        shuffle: a new random order in each pass.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
        collate_fn: makes the batch from a list of samples (default: :func:`default_collate`).
        drop_last: leave out the last batch where it is smaller.
        generator: where the random order comes from (default: the process's generator, see :func:`minigrad.manual_seed`).

    A dataset with ``get_batch`` (:class:`TensorDataset`, :class:`MNIST`, a :class:`Subset` of them) makes a batch by one
    indexing operation instead of one per sample.

    Raises:
        ValueError: options that exclude one another, a batch size that is not positive, an empty dataset with ``shuffle``.
        TypeError: a dataset without ``__getitem__``.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import DataLoader, TensorDataset
    >>> data = TensorDataset(mg.tensor([[1.0], [2.0], [3.0]]), mg.tensor([1, 2, 3]))
    >>> loader = DataLoader(data, batch_size=2)
    >>> len(loader)
    2
    >>> for x, y in loader:
    ...     print(x.shape, y)
    (2, 1) tensor([1, 2])
    (1, 1) tensor([3])
    """

    def __init__(
        self,
        dataset: Indexed[T],
        batch_size: int | None = 1,
        shuffle: bool | None = False,
        *,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        collate_fn: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ):
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: a dataset has __getitem__(index), and {type(dataset).__name__} has not")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude one another: the sampler gives the order")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last: it makes the batches")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None turns batches off and excludes drop_last")
        if sampler is None:  # where there is a batch_sampler, nothing asks this one
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]  # has a length
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn: Callable[[Any], Any] = collate_fn or (default_convert if batch_sampler is None else default_collate)

    # What default_collate makes of the samples. With a collate_fn of your own annotate the loader as a DataLoader[Any].
    @overload
    def __iter__(self: DataLoader[Operand]) -> Iterator[Tensor]: ...
    @overload
    def __iter__(self: DataLoader[tuple[Operand, ...]]) -> Iterator[list[Tensor]]: ...
    @overload
    def __iter__(self: DataLoader[Mapping[str, Operand]]) -> Iterator[dict[str, Tensor]]: ...
    @overload
    def __iter__(self) -> Iterator[Any]: ...
    def __iter__(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            for index in self.sampler:
                yield self.collate_fn(self.dataset[index])
        elif self.collate_fn is default_collate:
            for indices in self.batch_sampler:
                yield fetch_batch(self.dataset, indices)
        else:
            for indices in self.batch_sampler:
                yield self.collate_fn(fetch_samples(self.dataset, indices))

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
