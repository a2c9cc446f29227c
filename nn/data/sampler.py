"""Samplers: the order of a dataset's samples, and their division into batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.distributed.processes import get_rank, get_world_size
from minigrad.engine import ShapeError
from minigrad.ops.arguments import check, numbers
from minigrad.random import Generator, numpy_generator

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Base of samplers: an iterable of indices (or of lists of them), usually with a length. ``torch.utils.data.Sampler``.

    A subclass defines ``__iter__``. Random numbers that it draws there from the process's generator are the same with any number of
    workers and when a pass is resumed (see :class:`DataLoader`).

    >>> from minigrad.nn.data import DataLoader, Sampler
    >>> class Backwards(Sampler):
    ...     def __init__(self, data):
    ...         self.data = data
    ...     def __iter__(self):
    ...         return iter(range(len(self.data) - 1, -1, -1))
    >>> [batch.tolist() for batch in DataLoader([5, 6, 7], batch_size=2, sampler=Backwards([5, 6, 7]))]
    [[7, 6], [5]]
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...: ``torch.utils.data.SequentialSampler``.

    >>> from minigrad.nn.data import SequentialSampler
    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        check("SequentialSampler", locals(), data_source="anything with a length")
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, a new one in each pass: ``torch.utils.data.RandomSampler``.

    Args:
        data_source: anything with a length.
        replacement: draw each index independently, so that some come twice.
        num_samples: how many to draw (default: as many as there are samples). A larger number without replacement gives one
            permutation after the other.
        generator: default: the process's generator. All indices of a pass are drawn at its beginning.

    Raises:
        TypeError: an option is of another type.
        ValueError: nothing to draw from, or ``num_samples`` below 1.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import RandomSampler
    >>> sorted(RandomSampler("abcd", generator=mg.Generator().manual_seed(3)))
    [0, 1, 2, 3]
    """

    def __init__(self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Generator | None = None):
        check(
            "RandomSampler",
            locals(),
            "num_samples generator",
            data_source="anything with a length",
            replacement="True or False",
            num_samples=1,
            generator=Generator,
        )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if len(data_source) == 0:
            raise ValueError("RandomSampler: the dataset is empty")

    @property
    def num_samples(self) -> int:
        """How many indices a pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng, n = numpy_generator(self.generator), len(self.data_source)
        # All at once, so that a loader that prefetches, or is left early, takes the same draws from the generator as any other.
        if self.replacement:
            order = rng.integers(n, size=self.num_samples)
        else:
            order = np.concatenate([rng.permutation(n) for _ in range(0, self.num_samples, n)])[: self.num_samples]
        yield from order.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order: ``torch.utils.data.SubsetRandomSampler``.

    Args:
        indices: a sequence of them.
        generator: default: the process's generator.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import SubsetRandomSampler
    >>> sorted(SubsetRandomSampler([7, 3, 5], generator=mg.Generator().manual_seed(0)))
    [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        check("SubsetRandomSampler", locals(), "generator", indices="anything with a length", generator=Generator)
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in numpy_generator(self.generator).permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices ``0 ... len(weights) - 1``, each as likely as its weight: ``torch.utils.data.WeightedRandomSampler``.

    Args:
        weights: a number for each sample, not negative; their sum need not be 1. For classes of different sizes, use 1 / (number of
            samples of the class).
        num_samples: how many to draw in a pass.
        replacement: False draws no index twice: each draw is among the remaining indices, by their weights.
        generator: default: the process's generator.

    Raises:
        ShapeError: weights that are not one-dimensional.
        ValueError: weights that are negative, not finite, or all zero; ``num_samples`` not positive, or without replacement more than
            there are weights above zero.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import WeightedRandomSampler
    >>> drawn = list(WeightedRandomSampler([1.0, 0.0, 3.0], 1000, generator=mg.Generator().manual_seed(0)))
    >>> drawn.count(1), 700 < drawn.count(2) < 800
    (0, True)
    """

    def __init__(self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Generator | None = None):
        check("WeightedRandomSampler", locals(), "generator", num_samples=1, replacement="True or False", generator=Generator)
        self.weights = numbers("WeightedRandomSampler", "weights", weights)
        if self.weights.ndim != 1:
            raise ShapeError(f"WeightedRandomSampler: the weights are a row of numbers, but their shape is {self.weights.shape}")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.any()):
            raise ValueError("WeightedRandomSampler: weights are finite and not negative, and one at least is above zero")
        possible = np.count_nonzero(self.weights)
        if not replacement and num_samples > possible:
            raise ValueError(
                f"WeightedRandomSampler: {num_samples} samples cannot be drawn without replacement: {possible} of "
                f"{len(self.weights)} weights are above zero"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        rng = numpy_generator(self.generator)
        if self.replacement:
            weights = self.weights / self.weights.max()  # so that their sum does not overflow
            yield from rng.choice(len(weights), self.num_samples, p=weights / weights.sum()).tolist()
            return
        # Draws by weight without replacement have the order of the arrival times of independent Poisson processes with these rates;
        # logarithms of the times neither overflow nor underflow.
        possible = np.flatnonzero(self.weights)
        with np.errstate(divide="ignore"):
            times = np.log(rng.standard_exponential(len(possible))) - np.log(self.weights[possible])
        yield from possible[np.argsort(times, kind="stable")[: self.num_samples]].tolist()

    def __len__(self) -> int:
        return self.num_samples


class DistributedSampler(Sampler[int]):
    """The indices of one rank: ``torch.utils.data.DistributedSampler``.

    All ranks divide one order of the dataset: rank r takes its places r, r + ranks, r + 2 ranks, ... So a step of all ranks with batches of B is a step
    of one process with batches of ranks * B.

    Args:
        dataset: anything with a length.
        num_replicas: how many ranks; default: those of :mod:`minigrad.distributed`.
        rank: which of them; likewise.
        shuffle: draw the order at random, the same one on all ranks, from ``seed`` and the epoch.
        seed: the same on all ranks.
        drop_last: leave out the last samples if they are not one for each rank; otherwise the first ones of the order come twice, to make the
            shares equal.

    Call :meth:`set_epoch` before each epoch, or all have the same order. (``fit`` does it.)

    Raises:
        TypeError: an option is of another type.
        ValueError: ``rank`` is not below ``num_replicas``, or there is nothing for each rank; no group and no ``num_replicas`` or ``rank``.

    >>> from minigrad.nn.data import DistributedSampler
    >>> [list(DistributedSampler(range(5), num_replicas=2, rank=r, shuffle=False)) for r in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        num_replicas = get_world_size() if num_replicas is None else num_replicas
        rank = get_rank() if rank is None else rank
        check(
            "DistributedSampler",
            locals(),
            dataset="anything with a length",
            num_replicas=1,
            rank=0,
            shuffle="True or False",
            seed="a whole number",
            drop_last="True or False",
        )
        if rank >= num_replicas:
            raise ValueError(f"DistributedSampler: rank must be below num_replicas, {num_replicas}, but is {rank}")
        if not len(dataset) or (drop_last and len(dataset) < num_replicas):
            raise ValueError(f"DistributedSampler: {len(dataset)} samples are too few for {num_replicas} ranks")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = 0

    @property
    def num_samples(self) -> int:
        """How many indices each rank gets."""
        n = len(self.dataset)
        return n // self.num_replicas if self.drop_last else math.ceil(n / self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many indices all ranks get."""
        return self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = Generator().manual_seed(self.seed + self.epoch).numpy.permutation(n) if self.shuffle else np.arange(n)
        yield from np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist()

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        check("DistributedSampler.set_epoch", locals(), epoch=0)
        self.epoch = epoch


class BatchSampler(Sampler[list[Any]]):
    """Lists of ``batch_size`` indices from another sampler: ``torch.utils.data.BatchSampler``.

    Raises:
        TypeError: ``batch_size`` is no whole number, or ``drop_last`` not a bool.
        ValueError: ``batch_size`` is below 1.

    >>> from minigrad.nn.data import BatchSampler
    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool = False):
        check("BatchSampler", locals(), sampler="an iterable", batch_size=1, drop_last="True or False")
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
