"""A pool of threads that share the work of one kernel, while BLAS uses one thread in each of them.

A kernel cuts its work into parts by shapes alone, never by the number of threads. BLAS is not allowed threads of its own, because they
may change the order of sums. So results are the same, bit for bit, for any number of threads.

numpy releases the GIL while it computes. The Python code between its calls holds the GIL and does not run in parallel, so a part should
take a hundred microseconds or more. Native kernels share without the GIL: a thread that has nothing to do waits for a while in kernels.c, where it
takes shares of their work (:func:`wake`), before it sleeps here.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import importlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from minigrad.kernels.quiet import quiet

if TYPE_CHECKING:
    from queue import SimpleQueue

Part = TypeVar("Part")


# -------------------------------------------------------------------------------------------------- how many


def _available() -> int:
    """``OMP_NUM_THREADS`` if it is set, as in other numerical libraries, else the number of processors that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_count = 0  # 0: not asked for yet


def get_num_threads() -> int:
    """How many threads a kernel may use: ``torch.get_num_threads``.

    At first ``OMP_NUM_THREADS``, if it is set, else the number of processors that this process may run on.
    """
    global _count
    if _count == 0:
        _count = _available()
    return _count


def set_num_threads(num_threads: int) -> None:
    """Let kernels use up to ``num_threads`` threads: ``torch.set_num_threads``. Results do not depend on it.

    Raises:
        TypeError: ``num_threads`` is no integer.
        ValueError: it is below 1.

    >>> import minigrad as mg
    >>> before = mg.get_num_threads()
    >>> mg.set_num_threads(1)
    >>> mg.get_num_threads()
    1
    >>> mg.set_num_threads(before)
    """
    global _count
    if isinstance(num_threads, bool) or not isinstance(num_threads, (int, np.integer)):
        raise TypeError(f"set_num_threads: num_threads must be a whole number, not {num_threads!r}")
    if num_threads < 1:
        raise ValueError(f"set_num_threads: num_threads must be 1 or above, but is {num_threads}")
    _count = int(num_threads)


# ------------------------------------------------------------------------------------------------------ BLAS


def _blas_functions(*names: str) -> list[Any] | None:
    """OpenBLAS's functions of these names in the BLAS of numpy; None if they cannot be found."""
    try:
        core = importlib.import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(core.__file__)  # a symbol is also searched for in the libraries that this one is linked with
    except (ImportError, OSError):
        return None
    for pattern in ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}"):
        try:
            return [getattr(library, pattern.format(name)) for name in names]
        except AttributeError:
            continue
    return None


def _find_blas() -> tuple[Callable[[int], None], Callable[[], int]] | None:
    """The functions of numpy's BLAS that set and get its number of threads."""
    found = _blas_functions("set_num_threads", "get_num_threads")
    if found is None:
        return None
    set_count, get_count = found
    set_count.argtypes, set_count.restype = [ctypes.c_int], None
    get_count.argtypes, get_count.restype = [], ctypes.c_int
    return set_count, get_count


def blas_name() -> str:
    """Which BLAS numpy was built with and, if it is OpenBLAS, for which processor it works."""
    built: Any = np.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    name = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    found = _blas_functions("get_corename")
    if found is None:
        return name
    found[0].argtypes, found[0].restype = [], ctypes.c_char_p
    return f"{name}, {found[0]().decode()}"


class _Blas:
    """Context manager that sets BLAS to one thread until the last thread has left it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 1
        self.functions = _find_blas()

    def __enter__(self) -> None:
        if self.functions is None:
            return
        with self.lock:
            if self.users == 0:
                set_count, get_count = self.functions
                self.before = get_count()
                if self.before != 1:
                    set_count(1)
            self.users += 1

    def __exit__(self, *error: object) -> None:
        if self.functions is None:
            return
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.before != 1:
                self.functions[0](self.before)


one_blas_thread = _Blas()


# --------------------------------------------------------------------------------------------------- the pool


class _Job:
    """A list of parts of work that several threads process."""

    def __init__(self, work: Callable[[Any], object], parts: Sequence[Any]):
        self.work, self.parts = work, parts
        self.next = itertools.count().__next__  # atomic: no two threads get the same number
        self.left = len(parts)
        self.lock = threading.Lock()
        self.done = threading.Lock()
        self.done.acquire()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Take parts until there are none."""
        count = len(self.parts)
        while (i := self.next()) < count:
            try:
                if self.error is None:
                    self.work(self.parts[i])
            except BaseException as error:  # raised again in the thread that waits
                self.error = error
            with self.lock:
                self.left -= 1
                if self.left == 0:
                    self.done.release()


class Room(Protocol):
    """Where threads may wait, and work, without the GIL: what :mod:`minigrad.kernels.native` has."""

    asked: ctypes.c_int64  #: a thread that finds it changed comes back

    def attend(self, asked: int, rounds: int) -> None:
        """Wait for work, and do it, until there was none for so many rounds."""

    def forget(self) -> None:
        """There are no threads any more."""


def _find_processor() -> Callable[[], int]:
    """The C library's function for :func:`processor`; one that returns -1 if there is none."""
    try:
        return ctypes.CDLL(None).sched_getcpu if hasattr(os, "sched_setaffinity") else lambda: -1
    except (OSError, AttributeError):
        return lambda: -1


processor = _find_processor()  #: the number of the processor that this thread runs on; -1 where the system does not say


def leave(place: int) -> None:
    """Run this thread, which helps, on another processor than that of the one that asked for help, if there is one.

    After a pause of the program Linux wakes both on one processor, though another has nothing to do, and leaves them there for a tenth of a second:
    two threads take longer than one so.
    """
    if place < 0 or processor() != place:
        return
    with contextlib.suppress(OSError):  # the system may forbid it
        others = os.sched_getaffinity(os.getpid()) - {place}
        if others:
            os.sched_setaffinity(0, others)


class _Pool:
    """Threads that wait for jobs. They end with the process; after a fork the child starts its own."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[tuple[int, Callable[[], None] | None]]  # who asks runs on this processor; made with the first thread
        self.threads = 0
        self.lock = threading.Lock()
        self.room: Room | None = None

    def start(self, helpers: int) -> None:
        """Let there be so many threads, at least."""
        with self.lock:
            if not self.threads:
                from queue import SimpleQueue  # not every program needs it

                self.jobs = SimpleQueue()
            while self.threads < helpers:
                threading.Thread(target=self._serve, name=f"minigrad-{self.threads}", daemon=True).start()
                self.threads += 1

    def share(self, job: _Job, helpers: int) -> None:
        """Work on ``job`` in this thread and up to ``helpers`` others, until it is done."""
        if self.threads < helpers:
            self.start(helpers)
        at = processor()
        for _ in range(helpers):
            self.jobs.put((at, functools.partial(contextvars.copy_context().run, job.run)))  # a context is for one thread at a time
        if self.room is not None:
            self.room.asked.value += 1
        job.run()
        for _ in range(TURNS):  # a thread that sleeps is slow to wake, and may wake on the processor of the one that wakes it
            if job.done.acquire(blocking=False):
                break
            time.sleep(0)
        else:
            job.done.acquire()
        if job.error is not None:
            raise job.error

    def _serve(self) -> None:
        _inside.busy = True
        while True:
            at, run = self.jobs.get()
            leave(at)
            if run is not None:
                run()
                del run  # so that its arrays are freed before the next job
            if self.room is not None:
                asked = self.room.asked.value
                if self.jobs.empty():
                    self.room.attend(asked, ROUNDS)


class _Inside(threading.local):
    busy = False  # in a thread that works on a job: calls of `parallel` inside it use no further threads


_inside = _Inside()
_pool = _Pool()


def helpers(shares: int) -> int:
    """How many other threads may take some of so many shares of work: none in a thread that works on a job already."""
    return 0 if shares < 2 or _inside.busy else min(get_num_threads(), shares) - 1


def wake(helpers: int, room: Room) -> None:
    """Send so many threads to the ``room``, where they attend."""
    _pool.room = room
    if _pool.threads < helpers:
        _pool.start(helpers)
    at = processor()
    for _ in range(helpers):
        _pool.jobs.put((at, None))


def _after_fork() -> None:
    global _pool
    if _pool.room is not None:
        _pool.room.forget()
    _pool = _Pool()
    one_blas_thread.lock = threading.Lock()
    one_blas_thread.users = 0
    _inside.busy = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


TURNS = 300  # of asking whether the others are ready before a thread sleeps until they are: about as many microseconds
ROUNDS = 1 << 14  # of waiting in the room before a thread sleeps: half a millisecond, about
WORTH = 1 << 21  # a second thread is used if a kernel reads more bytes than this, so that the GIL changes hands seldom


def parallel(work: Callable[[Part], object], parts: Sequence[Part], worth: bool = True) -> None:
    """Call ``work`` with each of ``parts``, possibly in several threads at the same time, and return when all are done.

    ``worth``: whether there is enough work for several threads. Two calls of ``work`` must not write to the same memory. BLAS uses one
    thread meanwhile, and ``work`` is called in a context (:mod:`minigrad.kernels.quiet`) in which numpy does not warn: context variables of the
    caller have their defaults there. Raises the first exception that ``work`` raises.

    >>> squares = [0] * 4
    >>> parallel(lambda i: squares.__setitem__(i, i * i), range(4))
    >>> squares
    [0, 1, 4, 9]
    """
    others = helpers(len(parts)) if worth else 0
    with one_blas_thread:
        if others < 1:
            quiet().run(_alone, work, parts)
            return
        _inside.busy = True
        try:
            quiet().run(_pool.share, _Job(work, parts), others)
        finally:
            _inside.busy = False


def _alone(work: Callable[[Part], object], parts: Sequence[Part]) -> None:
    for part in parts:
        work(part)
