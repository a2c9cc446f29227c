"""DataLoader: batches from a dataset, in the order of a sampler, made in this process or in worker processes."""

from __future__ import annotations

import collections
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, overload

from minigrad import absent
from minigrad.engine import record_function
from minigrad.nn.data.collate import default_collate, default_convert
from minigrad.nn.data.dataset import Indexed, IterableDataset, T
from minigrad.nn.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from minigrad.nn.data.workers import END, Fetcher, Pool, derived_seed
from minigrad.ops.arguments import check
from minigrad.random import Generator, drawing_from, numpy_generator
from minigrad.tensor import Tensor
from minigrad.types import Operand

_FIXED = ("batch_sampler", "batch_size", "dataset", "drop_last", "persistent_workers", "sampler")


@absent.answers_as("torch.utils.data.DataLoader")
class DataLoader(Generic[T]):
    """Batches of a dataset, pass after pass: ``torch.utils.data.DataLoader``.

    Args:
        dataset: anything with ``dataset[i]``, and a length unless a sampler is given; or an :class:`IterableDataset`.
        batch_size: samples in a batch; None gives single samples, with their arrays converted to Tensors.
        shuffle: a new random order in each pass.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
        num_workers: processes that make batches in advance; 0 makes each batch in this process. See
            :mod:`minigrad.nn.data.workers` for how they start, and which datasets they can use.
        collate_fn: makes the batch from a list of samples (default: :func:`default_collate`).
        pin_memory, pin_memory_device: accepted for compatibility with PyTorch; there is no other device to copy to.
        drop_last: leave out the last batch if it is smaller (of a stream: the last one of each worker).
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called in each worker with its number, before the first batch.
        multiprocessing_context: ``"forkserver"``, ``"spawn"``, ``"fork"`` or a context of :mod:`multiprocessing`.
        generator: random generator of the order and the base seed (default: the process's generator, see :func:`minigrad.manual_seed`).
        prefetch_factor: batches that each worker makes ahead (default: 2).
        persistent_workers: keep the workers, and their copies of the dataset, from pass to pass.
        in_order: accepted for compatibility with PyTorch; batches always come in order.

    A dataset with ``get_batch`` (:class:`TensorDataset`, :class:`MNIST`, a :class:`Subset` of them) makes a batch by one
    indexing operation instead of one per sample.

    **Seeds.** Each pass draws one number from ``generator``, its base seed, which determines the order. While batch ``k`` is made, the
    process's generator is replaced by one whose seed is computed from the base seed and ``k``. So shuffling and augmentation do not depend
    on the number of workers or on prefetching, and do not change the random numbers of the model. (In a worker, ``random`` and
    ``numpy.random`` are seeded for each batch too.) Two loaders with the same seed and batch size give the same batches.

    **Resuming.** :meth:`state_dict` holds the position within a pass. A loader that has loaded it begins its next pass there, without making the
    batches before it, bit for bit as if it had never stopped::

        nn.save({"loader": loader.state_dict(), "rng": mg.get_rng_state(), ...}, path)  # after any step
        ...
        loader.load_state_dict(state["loader"])  # before the loop over the loader

    Raises:
        RuntimeError: (during a pass) a worker has died, or was slower than ``timeout``.
        TypeError: a dataset without ``__getitem__``; (during a pass) a dataset that cannot be sent to workers.
        ValueError: options that exclude one another, a batch size that is not positive, an empty dataset with ``shuffle``; later, an
            assignment to ``dataset``, ``batch_size`` or another attribute from which the samplers were made.

    An exception in a worker is raised again in this process; its ``__cause__`` shows the traceback in the worker.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import DataLoader, TensorDataset
    >>> data = TensorDataset(mg.tensor([[1.0], [2.0], [3.0]]), mg.tensor([1, 2, 3]))
    >>> loader = DataLoader(data, batch_size=2)
    >>> len(loader)
    2
    >>> for x, y in loader:
    ...     print(x.shape, y)
    torch.Size([2, 1]) tensor([1, 2])
    torch.Size([1, 1]) tensor([3])
    """

    def __init__(
        self,
        dataset: Indexed[T],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        stream = isinstance(dataset, IterableDataset)
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: a dataset has __getitem__(index), and {type(dataset).__name__} has not")
        check(
            "DataLoader", locals(), "batch_size sampler batch_sampler collate_fn worker_init_fn generator prefetch_factor", batch_size=1, sampler="an iterable", batch_sampler="an iterable", num_workers=0, collate_fn="a function",
            timeout="0 or above", worker_init_fn="a function", generator=Generator, prefetch_factor=1,
        )  # fmt: skip
        if multiprocessing_context is not None and not hasattr(multiprocessing_context, "Process"):  # a context itself
            import multiprocessing

            check("DataLoader", locals(), "multiprocessing_context", multiprocessing_context=tuple(multiprocessing.get_all_start_methods()))
        if num_workers == 0:
            for name, given in (
                ("timeout", timeout), ("prefetch_factor", prefetch_factor is not None), ("persistent_workers", persistent_workers),
                ("multiprocessing_context", multiprocessing_context is not None),
            ):  # fmt: skip
                if given:
                    raise ValueError(f"DataLoader: {name} needs num_workers above 0: it is about worker processes")
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
            sampler = itertools.repeat(None)  # a stream has no indices
        elif sampler is None:  # not used if there is a batch_sampler
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.collate_fn: Callable[[Any], Any] = collate_fn or (default_convert if batch_sampler is None else default_collate)

        self._current: weakref.ref[_Pass] | None = None  # the current pass
        self._resume: dict[str, Any] | None = None  # position at which the next one begins
        self._pool: Pool | None = None  # persistent workers

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and hasattr(self, "_pool"):  # __init__ sets that one last
            raise ValueError(
                f"DataLoader: {name} is fixed, because the samplers were made for it; make a new loader, DataLoader(..., {name}=...)"
            )
        super().__setattr__(name, value)

    # The types that default_collate returns. With your own collate_fn, annotate the loader as a DataLoader[Any].
    @overload
    def __iter__(self: DataLoader[Operand]) -> Iterator[Tensor]: ...
    @overload
    def __iter__(self: DataLoader[tuple[Operand, ...]]) -> Iterator[list[Tensor]]: ...
    @overload
    def __iter__(self: DataLoader[Mapping[str, Operand]]) -> Iterator[dict[str, Tensor]]: ...
    @overload
    def __iter__(self) -> Iterator[Any]: ...
    def __iter__(self) -> Iterator[Any]:
        begin, self._resume = self._resume, None
        if begin is None:
            seed = int(numpy_generator(self.generator).integers(2**63))
            begin = {"seed": seed, "position": 0, "generators": self._generator_states()}
        this = _Pass(self, begin)
        self._current = weakref.ref(this)
        return this

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            whole, rest = divmod(len(self.dataset), self.batch_size or 1)  # type: ignore[arg-type]
            return whole + (rest > 0 and not self.drop_last)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """The position as plain data for :meth:`load_state_dict`: how many batches of the current pass have been returned, its base seed, and
        the states of the generators that were given to the loader and its samplers. Between passes it is the start of the next pass.

        The process's generator is not in it: save :func:`minigrad.get_rng_state` beside it. A sampler or a stream with its own state
        (other than ``self.generator``) has to be saved separately. A stream is read again from its beginning to get to the position.
        """
        this = None if self._current is None else self._current()
        if self._resume is not None:
            return dict(self._resume)
        if this is None or this.over:
            return {"seed": None, "position": 0, "generators": self._generator_states()}
        return {**this.begin, "position": this.position}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin the next pass where :meth:`state_dict` was called. Workers and prefetching may differ, but not dataset and batch size.

        Raises ``ValueError`` for anything but such a state, or for that of a loader with other generators.

        >>> import minigrad as mg
        >>> from minigrad.nn.data import DataLoader
        >>> loader = DataLoader(range(8), batch_size=2, shuffle=True, generator=mg.Generator().manual_seed(0))
        >>> batches = iter(loader)
        >>> _ = next(batches), next(batches)
        >>> state = loader.state_dict()
        >>> rest = [batch.tolist() for batch in batches]
        >>> loader.load_state_dict(state)
        >>> [batch.tolist() for batch in loader] == rest
        True
        """
        if not isinstance(state_dict, dict) or set(state_dict) != {"seed", "position", "generators"}:
            raise ValueError("DataLoader.load_state_dict: this is not what a loader's state_dict() returned")
        generators = self._generators()
        if len(generators) != len(state_dict["generators"]):
            raise ValueError(
                f"DataLoader.load_state_dict: the state is that of {len(state_dict['generators'])} generators, and this loader and its "
                f"samplers were given {len(generators)}"
            )
        for generator, state in zip(generators, state_dict["generators"], strict=True):
            generator.set_state(state)
        self._resume = None if state_dict["seed"] is None else dict(state_dict)
        self._current = None

    def _generators(self) -> list[Generator]:
        """The generators that were given to the loader or to its samplers, each once."""
        owners = [self, self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", None)]
        found = (getattr(owner, "generator", None) for owner in owners)
        return list({id(generator): generator for generator in found if isinstance(generator, Generator)}.values())

    def _generator_states(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators()]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_current": None, "_pool": None}  # a copy has no current pass and no processes


@absent.answers_as("torch.utils.data.dataloader._BaseDataLoaderIter")
class _Pass(Iterator[Any]):
    """One pass over a loader."""

    def __init__(self, loader: DataLoader[Any], begin: dict[str, Any]):
        self.loader, self.begin, self.position, self.over = loader, begin, begin["position"], False
        self.seed: int = begin["seed"]
        self.pool: Pool | None = None
        self.fetcher = Fetcher(loader.dataset, loader.collate_fn, loader.batch_sampler is not None, loader.batch_size, loader.drop_last)
        self.order = Generator().manual_seed(derived_seed(self.seed, 0))
        self.numbers = itertools.count(1)
        if self.fetcher.stream:
            self.indices: Iterator[Any] = itertools.repeat(None)
        else:
            with drawing_from(self.order):
                indices = iter(loader.sampler if loader.batch_sampler is None else loader.batch_sampler)
                # A sampler draws its random numbers at the first index. Workers need that at once, so it is done here in every pass.
                self.indices = itertools.chain(list(itertools.islice(indices, 1)), indices)
            for _ in range(self.position):
                self._task()
        if loader.num_workers:
            self._start_workers()
        else:
            self.fetcher.begin(self.seed)
        if self.fetcher.stream:
            for _ in range(self.position):
                self._fetch()

    def _task(self) -> tuple[int, Any] | None:
        """The next batch's number and its indices; None when there are no more."""
        with drawing_from(self.order):
            indices = next(self.indices, END)
        return None if indices is END else (next(self.numbers), indices)

    def _start_workers(self) -> None:
        loader = self.loader
        pool = loader._pool
        if pool is None:
            prefetch, init = loader.prefetch_factor or 2, loader.worker_init_fn
            pool = Pool(self.fetcher, init, loader.num_workers, loader.multiprocessing_context, prefetch, loader.timeout, self.seed)
            weakref.finalize(loader if loader.persistent_workers else self, pool.close)
            if loader.persistent_workers:
                loader._pool = pool
        self.pool, self.number = pool, pool.begin()
        self.ended: set[int] = set()
        self.pending: collections.deque[int] = collections.deque()  # the workers, in the order of their next batches
        for worker in list(range(loader.num_workers)) * pool.prefetch:
            self._ask(worker)

    def _ask(self, worker: int) -> None:
        if self.pool is not None and (task := self._task()) is not None:
            self.pool.send(worker, self.number, self.seed, *task)
            self.pending.append(worker)

    def _fetch(self) -> Any:
        if self.pool is None:
            task = self._task()
            return END if task is None else self.fetcher(*task)
        if self.pool.passes != self.number:
            raise RuntimeError("DataLoader: another pass was begun with the same persistent workers, so that this one cannot go on")
        while self.pending:
            worker = self.pending.popleft()
            if worker in self.ended:  # a request from before the end of its stream was known
                continue
            batch = self.pool.receive(worker, self.number)
            if batch is not END:
                self._ask(worker)
                return batch
            self.ended.add(worker)
        return END

    def __next__(self) -> Any:
        if self.over:
            raise StopIteration
        try:
            with record_function("DataLoader.__next__"):
                batch = self._fetch()
        except BaseException:
            self._close(keep=False)
            raise
        if batch is END:
            self._close(keep=self.loader.persistent_workers)
            raise StopIteration
        self.position += 1
        return batch

    def _close(self, keep: bool) -> None:
        self.over = True
        if self.pool is not None and not keep and self.pool.passes == self.number:
            self.pool.close()
            self.loader._pool = None

    def __len__(self) -> int:
        return len(self.loader)
