"""Worker processes that make a loader's batches in advance.

**How they start.** By ``forkserver`` if the system has it, else by ``spawn``. A plain ``fork`` copies only one thread of the process: a
lock that another thread held (of a BLAS with threads, of a progress bar, of the program) stays locked in the copy for ever, and the
worker sometimes hangs. The server process, from which workers are forked, has no other threads, has loaded numpy and this module, and uses
one BLAS thread, so that workers do not compete for cores. The cost: the dataset is pickled, so its classes and functions must be defined
at the top level of a module, and a script needs its main part under ``if __name__ == "__main__":``. A program that can rule out locked
threads may use ``multiprocessing_context="fork"``, which needs neither.

**How a batch is sent.** Through an anonymous file in memory that both processes have open: the worker writes the arrays of a batch into it
and the loader reads them into new arrays, ten times as fast as through a pipe, and neither process waits for the other. The space is used
again for later batches, and the system frees it when the processes end, in whatever way. Systems other than Linux have no such files, and
batches go through the pipe.

**How they end.** By a message when the pass ends or is left early; a worker that does not exit within two seconds is killed. If the
loader's process has died, the worker reads the end of its pipe and exits too. Workers ignore Ctrl-C, which the loader handles.
"""

from __future__ import annotations

import copyreg
import io
import itertools
import os
import pickle
import queue
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine import wrap
from minigrad.nn.data.collate import default_collate
from minigrad.nn.data.dataset import IterableDataset, fetch_batch, fetch_samples
from minigrad.random import Generator, drawing_from, manual_seed
from minigrad.tensor import Tensor

END = object()  # in place of a batch: the end of the stream
_PATIENCE = 2.0  # seconds that a worker has to exit
_SLOT = 1 << 40  # bytes from one batch's slot to the next in a worker's file; unwritten parts take no memory
_SMALL = 1024  # an array of at most this many bytes is sent inside the pickle
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class WorkerInfo:
    """Information for code in a worker: its number, the number of workers, its seed, its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of this process, or None if it is no worker: ``torch.utils.data.get_worker_info``.

    An :class:`IterableDataset` uses it to select its part of the stream::

        def __iter__(self):
            info = get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            return itertools.islice(self.everything(), first, None, step)

    >>> from minigrad.nn.data import get_worker_info
    >>> get_worker_info() is None
    True
    """
    return _info


def derived_seed(seed: int, number: int) -> int:
    """The seed of batch ``number`` (from 1; 0 is that of the order) in a pass with the base seed ``seed``."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])


class Fetcher:
    """Makes batches, from a sampler's indices or from the next samples of a stream, each with its own random numbers."""

    def __init__(self, dataset: Any, collate_fn: Callable[[Any], Any], batched: bool, batch_size: int | None, drop_last: bool):
        self.dataset, self.collate_fn, self.batched, self.batch_size, self.drop_last = dataset, collate_fn, batched, batch_size, drop_last
        self.stream = isinstance(dataset, IterableDataset)
        self.generator = Generator()

    def begin(self, seed: int) -> None:
        """Start a pass with this base seed."""
        self.seed = seed
        self.samples: Iterator[Any] | None = None

    def __call__(self, number: int, indices: Any) -> Any:
        """The batch with this number, or ``END``."""
        with drawing_from(self.generator.manual_seed(derived_seed(self.seed, number))):
            try:
                return self._next_of_stream() if self.stream else self._fetch(indices)
            except StopIteration as error:  # StopIteration would end the loop over the loader without an error
                raise RuntimeError("the dataset or collate_fn raised StopIteration") from error

    def _fetch(self, indices: Any) -> Any:
        if not self.batched:
            return self.collate_fn(self.dataset[indices])
        if self.collate_fn is default_collate:
            return fetch_batch(self.dataset, indices)
        return self.collate_fn(fetch_samples(self.dataset, indices))

    def _next_of_stream(self) -> Any:
        if self.samples is None:
            self.samples = iter(self.dataset)
        if self.batch_size is None:
            sample = next(self.samples, END)
            return END if sample is END else self.collate_fn(sample)
        batch = list(itertools.islice(self.samples, self.batch_size))
        return END if not batch or (self.drop_last and len(batch) < self.batch_size) else self.collate_fn(batch)


# ------------------------------------------------------------------------------------------------------ transport


_Spec = tuple[str, tuple[int, ...]]  # dtype and shape of an array that is sent beside the pickle


def _dump(obj: Any) -> tuple[memoryview, list[memoryview], list[_Spec]]:
    """The pickle of ``obj``, and separately the memory of its larger arrays, with the dtype and shape of each."""
    buffers: list[memoryview] = []
    specs: list[_Spec] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes <= _SMALL:
            return True
        array: Any = memoryview(buffer).obj
        plain = isinstance(array, np.ndarray) and array.nbytes == raw.nbytes and array.dtype.kind in "fiub"
        specs.append((array.dtype.str, array.shape) if plain else ("|u1", (raw.nbytes,)))
        buffers.append(raw)
        return False

    file = io.BytesIO()
    pickler = pickle.Pickler(file, protocol=5, buffer_callback=beside)
    pickler.dispatch_table = copyreg.dispatch_table.copy()
    pickler.dispatch_table[Tensor] = _reduce_tensor
    pickler.dispatch_table[np.ndarray] = _reduce_array
    pickler.dump(obj)
    return file.getbuffer(), buffers, specs


def _reduce_tensor(tensor: Tensor) -> Any:
    """Pickle a constant Tensor as its array; other Tensors use their own pickling, which may refuse."""
    if tensor.requires_grad or tensor._node is not None:
        return tensor.__reduce__()
    return wrap, (tensor._data,)


def _reduce_array(array: Any) -> Any:
    if array.dtype.kind not in "fiub":
        return array.__reduce_ex__(5)
    if not array.flags.c_contiguous:
        array = array.copy(order="C")
    return _array, (pickle.PickleBuffer(array), array.dtype.str, array.shape)


def _array(buffer: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array that was read separately, without a copy, so that a Tensor owns its memory; or a new array of bytes from inside the pickle."""
    if isinstance(buffer, np.ndarray):
        return buffer
    array = np.frombuffer(buffer, dtype).reshape(shape) if len(buffer) else np.empty(shape, dtype)
    return array if isinstance(buffer, memoryview) else array.copy()


class Channel:
    """One end of the transport between a loader and a worker: a connection, and a file in memory for large arrays if the system has them."""

    def __init__(self, connection: Any, file: int | None):
        self.connection, self.file = connection, file

    def send(self, message: tuple[Any, ...], obj: Any, slot: int) -> None:
        """Send a short message, and ``obj`` through the free slot ``slot`` of the file."""
        stream, buffers, specs = _dump(obj)
        if self.file is not None:
            offset = slot * _SLOT
            for part in (stream, *buffers):
                sent = 0
                while sent < part.nbytes:
                    sent += os.pwrite(self.file, part[sent:], offset + sent)
                offset += part.nbytes
        self.connection.send((message, slot, stream.nbytes, specs))
        if self.file is None:
            for part in (stream, *buffers):
                self.connection.send_bytes(part)

    def receive(self) -> tuple[tuple[Any, ...], Callable[[], Any]]:
        """The message, and a function that returns the object; call it before the next message is received or the slot is used again."""
        message, slot, size, specs = self.connection.recv()
        if self.file is None:
            parts: list[Any] = [np.empty(size, np.uint8), *(np.empty(shape, dtype) for dtype, shape in specs)]
            for part in parts:
                self.connection.recv_bytes_into(_bytes_of(part))
            return message, lambda: pickle.loads(parts[0], buffers=parts[1:])
        return message, lambda: self._read(slot * _SLOT, size, specs)

    def _read(self, offset: int, size: int, specs: list[_Spec]) -> Any:
        # Each array has its own memory, so that keeping the labels of a batch does not keep its images.
        parts: list[Any] = [np.empty(size, np.uint8), *(np.empty(shape, dtype) for dtype, shape in specs)]
        for part in map(_bytes_of, parts):
            read = 0
            while read < part.nbytes:
                read += os.preadv(self.file, [part[read:]], offset + read)  # type: ignore[arg-type]
            offset += part.nbytes
        return pickle.loads(parts[0], buffers=parts[1:])


def _bytes_of(array: Any) -> memoryview:
    return memoryview(array).cast("B")


def _memory_file(name: str) -> int | None:
    return os.memfd_create(name, os.MFD_CLOEXEC) if sys.platform == "linux" and hasattr(os, "memfd_create") else None


# --------------------------------------------------------------------------------------------------- in the worker


def work(ids: tuple[int, int, int], connection: Any, has_files: bool, job: Any) -> None:
    """Main function of a worker process: make the requested batches.

    Args:
        ids: its number, how many workers there are, its seed.
        connection: to the loader.
        has_files: whether files in memory come through the connection.
        job: fetcher and ``worker_init_fn`` (forked); None: they come through the connection, pickled.
    """
    global _info
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for pool in list(_pools):  # with a fork's copies of the loader's ends open, other workers would not notice that the loader has died
        pool.forget()
    number, num_workers, seed = ids
    channel = Channel(connection, None)
    try:
        if has_files:
            from multiprocessing import reduction

            channel.file = reduction.recv_handle(connection)
        try:
            fetcher, worker_init_fn = _receive_job(connection, has_files) if job is None else job
        except Exception as error:
            error.add_note(
                "The worker could not unpickle the dataset, collate_fn or worker_init_fn. What they are made of has to be importable in another "
                "process: define it at the top level of a module, or use multiprocessing_context='fork'."
            )
            raise
        _info = WorkerInfo(number, num_workers, seed, fetcher.dataset)
        _seed_everything(seed)
        manual_seed(seed)
        if worker_init_fn is not None:
            worker_init_fn(number)
    except Exception as error:
        with suppress(OSError):
            channel.send((-1, "error"), _describe(error), 0)
        return
    _serve(channel, fetcher)


def _receive_job(connection: Any, has_files: bool) -> Any:
    if not has_files:
        parts = [memoryview(bytearray(connection.recv_bytes())) for _ in connection.recv()]
        return pickle.loads(parts[0], buffers=parts[1:])
    import mmap
    from multiprocessing import reduction

    file = reduction.recv_handle(connection)
    try:
        sizes = connection.recv()
        memory = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_COPY))  # the workers share pages that none of them writes
    finally:
        os.close(file)
    ends = list(itertools.accumulate(sizes))
    parts = [memory[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return pickle.loads(parts[0], buffers=parts[1:])


def _serve(channel: Channel, fetcher: Fetcher) -> None:
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    newest = 0  # the loader's current pass
    leaving = False

    def listen() -> None:
        """Receive every message at once, so that the loader never waits for a busy worker."""
        nonlocal newest, leaving
        with suppress(EOFError, OSError):
            while (task := channel.connection.recv()) is not None:
                newest = task[0]
                tasks.put(task)
        leaving = True
        tasks.put(None)
        if not finished.wait(_PATIENCE):
            os._exit(1)  # the loader has died, so the present work is useless

    finished = threading.Event()
    threading.Thread(target=listen, daemon=True).start()
    current = 0
    try:
        while (task := tasks.get()) is not None and not leaving:
            which, seed, number, slot, indices = task
            if which < newest:  # a request of an earlier pass
                continue
            if which > current:
                current = which
                fetcher.begin(seed)
            try:
                _seed_everything(derived_seed(seed, number))
                batch = fetcher(number, indices)
                if batch is END:
                    channel.send((which, "end"), None, slot)
                else:
                    channel.send((which, "batch"), batch, slot)
            except (BrokenPipeError, ConnectionResetError):
                return
            except BaseException as error:
                with suppress(BrokenPipeError, ConnectionResetError):  # nobody is left who would raise it
                    channel.send((which, "error"), _describe(error), slot)
    finally:
        finished.set()


def _seed_everything(seed: int) -> None:
    """Seed Python's and numpy's own generators, which datasets use too; forked workers would all have the same state."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _describe(error: BaseException) -> tuple[bytes | None, str, str]:
    """The exception pickled (None if that fails), its last line, its whole traceback as text."""
    text = "".join(traceback.format_exception(error))
    with suppress(Exception):
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
        return pickled, "", text
    return None, "".join(traceback.format_exception_only(error)).strip(), text


# --------------------------------------------------------------------------------------------------- in the loader


class WorkerTraceback(Exception):
    """The cause of an exception that arrived from a worker: its traceback there, as text."""


@dataclass
class _Worker:
    process: Any
    channel: Channel
    sent: int = 0  # number of requested batches, which gives the slot of the next one
    heard: bool = False


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """The worker processes of a loader."""

    def __init__(
        self,
        fetcher: Fetcher,
        worker_init_fn: Callable[[int], Any] | None,
        num_workers: int,
        context: Any,
        prefetch: int,
        timeout: float,
        seed: int,
    ):
        import multiprocessing
        from multiprocessing import reduction

        if context is None:
            context = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        if isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.prefetch, self.timeout, self.passes, self.pid, self.workers = prefetch, timeout, 0, os.getpid(), list[_Worker]()
        forked = context.get_start_method() == "fork"
        job = (fetcher, worker_init_fn) if forked else None
        pickled = [] if forked else _pickle_job(fetcher, worker_init_fn)
        payload = _memory_file("minigrad-dataset") if pickled else None
        sizes = [part.nbytes for part in pickled]
        self.close = _Closer(self.workers, self.pid)
        _pools.add(self)
        try:
            if payload is not None:
                with open(payload, "wb", closefd=False) as file:
                    file.writelines(pickled)
            with _for_workers(context):
                for number in range(num_workers):
                    file_of_worker = _memory_file(f"minigrad-worker-{number}")
                    ours, theirs = context.Pipe()
                    try:
                        ids = (number, num_workers, seed + number)
                        process = context.Process(
                            target=work, args=(ids, theirs, file_of_worker is not None, job), daemon=True, name=f"DataLoader-{number}"
                        )
                        self.workers.append(_Worker(process, Channel(ours, file_of_worker)))
                        process.start()
                    finally:
                        theirs.close()
                    if file_of_worker is not None:
                        reduction.send_handle(ours, file_of_worker, process.pid)
                    if payload is not None:
                        reduction.send_handle(ours, payload, process.pid)
                        ours.send(sizes)
            if pickled and payload is None:
                for worker in self.workers:
                    worker.channel.connection.send(sizes)
                    for part in pickled:
                        worker.channel.connection.send_bytes(part)
        except BaseException:
            self.close()
            raise
        finally:
            if payload is not None:
                os.close(payload)

    def begin(self) -> int:
        """Start a pass and return its number; workers drop the remaining requests of the pass before."""
        self.passes += 1
        return self.passes

    def send(self, number: int, which: int, seed: int, task: int, indices: Any) -> None:
        """Request a batch from a worker. Each worker has at most ``prefetch`` batches to make or to be received."""
        worker = self.workers[number]
        with suppress(BrokenPipeError, ConnectionResetError):  # the dead worker is noticed when its batch is received
            worker.channel.connection.send((which, seed, task, worker.sent % self.prefetch, indices))
        worker.sent += 1

    def receive(self, number: int, which: int) -> Any:
        """A worker's next batch of the pass, or ``END``. Raises the worker's exception, and ``RuntimeError`` if it has died or is too slow."""
        from multiprocessing.connection import wait

        worker = self.workers[number]
        deadline = time.monotonic() + self.timeout if self.timeout else None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = wait([worker.channel.connection, worker.process.sentinel], left)
            if not ready:
                raise RuntimeError(f"DataLoader: worker {number} made no batch within the timeout of {self.timeout} seconds")
            try:
                if worker.channel.connection not in ready and not worker.channel.connection.poll():
                    raise EOFError
                (tag, kind), read = worker.channel.receive()
            except (EOFError, ConnectionResetError):
                raise RuntimeError(self._obituary(number)) from None
            worker.heard = True
            if kind == "error" and tag in (-1, which):
                raise self._arrived(number, *read())
            if tag == which:
                return END if kind == "end" else read()

    def _obituary(self, number: int) -> str:
        worker = self.workers[number]
        worker.process.join(1.0)
        code, name = worker.process.exitcode, f"DataLoader: worker {number} (process {worker.process.pid})"
        if code is not None and code < 0:
            killer = signal.Signals(-code).name if -code in iter(signal.Signals) else f"signal {-code}"
            hint = "; the system does that to a process when memory runs out" if killer == "SIGKILL" else ""
            return f"{name} was killed by {killer}{hint}"
        hint = (
            "" if worker.heard else ' If it printed an error about "bootstrapping", put the main part under `if __name__ == "__main__":`.'
        )
        return f"{name} ended with exit code {code} before it had made its batch.{hint}"

    def _arrived(self, number: int, pickled: bytes | None, line: str, text: str) -> BaseException:
        error: BaseException = RuntimeError(line)
        if pickled is not None:
            with suppress(Exception):
                error = pickle.loads(pickled)
        error.__cause__ = WorkerTraceback(f"in worker {number} of the DataLoader\n\n{text.rstrip()}")
        return error

    def forget(self) -> None:
        """In a forked copy: close the loader's ends of the connections."""
        for worker in self.workers:
            with suppress(OSError):
                worker.channel.connection.close()
            if worker.channel.file is not None:
                with suppress(OSError):
                    os.close(worker.channel.file)
        self.workers.clear()


class _Closer:
    """Ends the workers, once. It holds no reference to the pool, so that it can be called when the pool is deleted."""

    def __init__(self, workers: list[_Worker], pid: int):
        self.workers, self.pid = workers, pid

    def __call__(self) -> None:
        if os.getpid() != self.pid:  # a fork's copy
            return
        workers, self.workers[:] = list(self.workers), []
        started = [w for w in workers if w.process.pid is not None]
        for worker in started:
            with suppress(OSError):
                worker.channel.connection.send(None)
        for worker in workers:
            worker.channel.connection.close()
        deadline = time.monotonic() + _PATIENCE
        for worker in started:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            for end in (worker.process.terminate, worker.process.kill):
                if worker.process.is_alive():
                    end()
                    worker.process.join(1.0)
        for worker in workers:
            if worker.channel.file is not None:
                os.close(worker.channel.file)


def _pickle_job(fetcher: Fetcher, worker_init_fn: Any) -> list[memoryview]:
    try:
        stream, buffers, _ = _dump((fetcher, worker_init_fn))
        return [stream, *buffers]
    except Exception as error:
        raise TypeError(
            "DataLoader: dataset, collate_fn and worker_init_fn are sent to the worker processes, but cannot be pickled "
            f"({type(error).__name__}: {error}); define what they are made of at the top level of a module, or use "
            "multiprocessing_context='fork'"
        ) from error


@contextmanager
def _for_workers(context: Any) -> Iterator[None]:
    """In this block processes start with one BLAS thread, from a server that has loaded this module."""
    added = [name for name in _THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        if context.get_start_method() == "forkserver":
            from multiprocessing import forkserver

            if getattr(forkserver._forkserver, "_preload_modules", None) == ["__main__"]:  # the default: the program set no preload
                context.set_forkserver_preload([__name__])
            forkserver.ensure_running()
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
