"""DataLoader: batches from a dataset, in the order that a sampler gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minigrad.nn.data.collate import default_collate, default_convert
from minigrad.nn.data.dataset import IterableDataset, fetch_batch, fetch_samples
from minigrad.nn.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from minigrad.random import Generator


class DataLoader:
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
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = False,
        *,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        collate_fn: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ):
        stream = isinstance(dataset, IterableDataset)
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: a dataset has __getitem__(index), and {type(dataset).__name__} has not")
        if stream and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset gives the order itself, and excludes shuffle, sampler and batch_sampler")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude one another: the sampler gives the order")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last: it makes the batches")
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None turns batches off and excludes drop_last")
        if stream:
            sampler = itertools.repeat(None)  # the positions that a stream is asked for
        elif sampler is None:  # where there is a batch_sampler, nothing asks this one
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            yield from self._batches_of_stream()
        elif self.batch_sampler is None:
            for index in self.sampler:
                yield self.collate_fn(self.dataset[index])
        elif self.collate_fn is default_collate:
            for indices in self.batch_sampler:
                yield fetch_batch(self.dataset, indices)
        else:
            for indices in self.batch_sampler:
                yield self.collate_fn(fetch_samples(self.dataset, indices))

    def _batches_of_stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            whole, rest = divmod(len(self.dataset), self.batch_size or 1)  # type: ignore[arg-type]
            return whole + (rest > 0 and not self.drop_last)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
