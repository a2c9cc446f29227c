"""The group of processes that work together, and how one of them waits for the others.

Nothing here starts MPI but :func:`init_process_group`. All ranks call the same functions in the same order, so the n-th call of one rank
belongs to the n-th of each other. A rank that has waited for :data:`QUIET` seconds tells the others the number and the name of the call that
it waits in, and compares what it hears with its own calls: names that differ under one number can never meet, and both ranks raise
:class:`DistError` where MPI would wait for ever. This finds a rank whose loader gave fewer batches, or that has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import faulthandler
import multiprocessing
import os
import pickle
import stat
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops.arguments import check

QUIET = 0.5  # seconds that a rank waits before it asks what the others do
SOON = 2e-3  # seconds that a rank asks without a pause: a sleep takes 60 µs at least, and who yields the core to other programs gets it back late
DEFAULT_TIMEOUT = datetime.timedelta(minutes=30)
_KEPT = 4096  # names of the latest calls that a rank remembers

_current: Group | None = None


class DistError(RuntimeError):
    """The ranks do different things, or wait longer than the timeout: ``torch.distributed.DistError``."""


class Group:
    """All ranks, as one of them sees them.

    ``world`` carries the collectives that a program calls, ``names`` what they are, ``inner`` those of layers and of ``DistributedDataParallel``,
    ``control`` what ends a pass or the program and what ranks tell each other: calls that do not belong together never meet in MPI.
    """

    made = 0  # groups of this process so far

    def __init__(self, mpi: Any, timeout: float):
        Group.made = self.generation = Group.made + 1
        self.mpi, self.timeout = mpi, timeout
        self.rank, self.size = mpi.COMM_WORLD.Get_rank(), mpi.COMM_WORLD.Get_size()
        self.world, self.names, self.inner, self.control = (mpi.COMM_WORLD.Dup() for _ in range(4))
        self.count = 0  # calls so far
        self.log: dict[int, str] = {}  # number -> name
        self.told: dict[int, tuple[int, str]] = {}  # rank -> the call that it waits in
        self.sent: list[Any] = []  # requests with their bytes, which MPI reads until they are done
        self.before = sys.excepthook

    def started(self, name: str) -> int:
        """The number of the call of this name that begins now."""
        self.count += 1
        self.log[self.count] = name
        self.log.pop(self.count - _KEPT, None)
        return self.count

    def wait(self, ready: Callable[[], bool], number: int | None, name: str, timeout: float | None = None) -> None:
        """Return when ``ready()``. ``number`` is that of the call, None where the other ranks have no such call (``recv``).

        Raises :class:`DistError` if the ranks do different things, or after the timeout.
        """
        begun, told = time.perf_counter(), False
        limit = self.timeout if timeout is None else timeout
        try:
            while not ready():
                waited = time.perf_counter() - begun
                if waited > SOON:
                    time.sleep(min(waited / 50, 1e-3))
                if waited > QUIET and number is not None:
                    if not told:
                        self._tell(number, name)
                        told = True
                    self._compare(number, name)
                if waited > limit:
                    raise DistError(
                        f"{name}: rank {self.rank} of {self.size} has waited for {limit:g} s, the timeout of init_process_group"
                    )
        except self.mpi.Exception as error:
            raise DistError(f"{name}: rank {self.rank} of {self.size}: {error}") from error

    def same(self, number: int, name: str) -> Callable[[], bool]:
        """Begin to compare the name of the call ``number``, in which are shape and dtype, with the other ranks': MPI would add up what it is given.

        The function that is returned says whether this has ended, and raises :class:`DistError` if a rank has another name.
        """
        own = zlib.crc32(name.encode())
        ends = np.array([own, -own], np.int64)  # of all ranks, the largest, and the negative of the least
        request = self.names.Iallreduce(self.mpi.IN_PLACE, ends, self.mpi.MAX)

        def ended() -> bool:
            if not request.Test():
                return False
            if ends[0] != -ends[1]:
                self._tell(number, name)
                deadline = time.perf_counter() + 2 * QUIET
                while time.perf_counter() < deadline:
                    self._compare(number, name)
                    time.sleep(1e-3)
                raise DistError(
                    f"{name}: rank {self.rank} of {self.size} is here, and another rank in another call, or with another shape or dtype"
                )
            return True

        return ended

    def _tell(self, number: int, name: str) -> None:
        self.sent = [(request, message) for request, message in self.sent if not request.Test()]
        message = pickle.dumps((self.generation, number, name))
        self.sent += [(self.control.Isend([message, self.mpi.BYTE], to, tag=1), message) for to in range(self.size) if to != self.rank]

    def _listen(self) -> None:
        status = self.mpi.Status()
        while self.control.Iprobe(tag=1, status=status):
            message = bytearray(status.Get_count(self.mpi.BYTE))
            self.control.Recv([message, self.mpi.BYTE], status.Get_source(), tag=1)
            generation, number, name = pickle.loads(message)
            if generation == self.generation:  # MPI may give a new group the channel of an old one, with what nobody has read there
                self.told[status.Get_source()] = number, name

    def _compare(self, number: int, name: str) -> None:
        self._listen()
        if all(self.log.get(n, text) == text for n, text in self.told.values()):
            return
        deadline = time.perf_counter() + 2 * QUIET  # others that wait too will say so
        while len(self.told) < self.size - 1 and time.perf_counter() < deadline:
            time.sleep(1e-3)
            self._listen()
        texts = {rank: text for rank, (n, text) in self.told.items()} | {self.rank: name}
        places: dict[str, list[int]] = {}
        for rank in sorted(texts):
            places.setdefault(texts[rank], []).append(rank)
        told = ", ".join(f"{ranks_text(ranks)} in {text}" for text, ranks in places.items())
        raise DistError(
            f"the ranks wait for each other in different places: {told}. Each rank must do the same steps; if their loaders give different "
            "numbers of batches, nn.data.DistributedSampler makes them equal"
        )


def ranks_text(ranks: list[int]) -> str:
    """``rank 0``, ``ranks 1, 2``.

    >>> from minigrad.distributed.processes import ranks_text
    >>> ranks_text([0]), ranks_text([1, 2])
    ('rank 0', 'ranks 1, 2')
    """
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"


class Work:
    """A call that is under way: what ``async_op=True`` returns, and ``isend``. ``torch.distributed.Work``.

    With a ``number`` it has to be the same call on all ranks; ``status`` is what MPI notes about a message that has come.
    """

    def __init__(
        self,
        group: Group,
        request: Any,
        number: int | None,
        name: str,
        finish: Callable[[], Any] = lambda: None,
        status: Any = None,
    ):
        self._group, self._request, self._number, self._name, self._finish = group, request, number, name, finish
        self._status, self._done = status, False
        self._same = None if number is None else group.same(number, name)  # until it has turned out to be so

    def is_completed(self) -> bool:
        """Whether the call has ended; if so, its result is in the tensors. Asking lets MPI go on with it."""
        if self._same is not None and self._same():
            self._same = None
        if not self._done and self._same is None and self._request.Test(self._status):
            self._done = True
            self._finish()
        return self._done

    def wait(self, timeout: datetime.timedelta | None = None) -> bool:
        """Return True when the call has ended, with its result in the tensors.

        Raises :class:`DistError` if the ranks do different things, or after the timeout.
        """
        if not self._done:
            self._group.wait(self.is_completed, self._number, self._name, None if timeout is None else timeout.total_seconds())
        return True


def is_mpi_available() -> bool:
    """Whether mpi4py is installed. It is not loaded, and MPI is not started.

    >>> from minigrad import distributed
    >>> distributed.is_mpi_available() in (True, False)
    True
    """
    from importlib.util import find_spec

    return find_spec("mpi4py") is not None


def is_available() -> bool:
    """Whether there is a backend, as :func:`is_mpi_available`."""
    return is_mpi_available()


def is_initialized() -> bool:
    """Whether :func:`init_process_group` was called.

    >>> from minigrad import distributed
    >>> distributed.is_initialized()
    False
    """
    return _current is not None


def current(name: str) -> Group:
    """The group. Raises ``ValueError`` for a function ``name`` that is called before :func:`init_process_group`."""
    if _current is None:
        raise ValueError(f"{name}: call minigrad.distributed.init_process_group() first")
    return _current


def several() -> Group | None:
    """The group, if there is one of more than one rank."""
    return _current if _current is not None and _current.size > 1 else None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: datetime.timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Start MPI, and join the processes that ``mpiexec -n N python script.py`` started: ``torch.distributed.init_process_group``.

    From now on an exception that nobody catches ends all ranks, with a line that names the rank. A process that no ``mpiexec`` started is a
    group of one.

    Args:
        backend: ``"mpi"``, or None for it.
        init_method: ``"env://"`` or None: MPI knows the addresses itself.
        timeout: how long a rank waits for the others before it raises :class:`DistError`; default 30 minutes.
        world_size, rank: -1, or what MPI says.
        store: None. There is none.
        group_name, pg_options, device_id: accepted.

    Raises:
        ValueError: another backend, ``init_method``, ``world_size`` or ``rank``; a store.
        ImportError: mpi4py is not installed.
        RuntimeError: a second call; a process that ``multiprocessing`` started.

    >>> from minigrad import distributed
    >>> distributed.init_process_group("gloo")
    Traceback (most recent call last):
    ...
    ValueError: init_process_group: the backend is "mpi", started by mpiexec; there is no 'gloo'
    """
    global _current
    check("init_process_group", locals(), "timeout", timeout=datetime.timedelta, world_size="a whole number", rank="a whole number")
    if backend not in (None, "mpi"):
        raise ValueError(f'init_process_group: the backend is "mpi", started by mpiexec; there is no {backend!r}')
    if init_method not in (None, "env://") or store is not None:
        raise ValueError("init_process_group: MPI knows the addresses of the ranks; leave out init_method and store")
    if _current is not None:
        raise RuntimeError("init_process_group: there is a group already; destroy_process_group() ends it")
    if multiprocessing.parent_process() is not None:  # it has the rank's environment, with which MPI would start as that rank
        raise RuntimeError(
            "init_process_group: this process was started by multiprocessing, not by mpiexec, so it is no rank. If it is a worker of a DataLoader, "
            'put the main part of the script under `if __name__ == "__main__":`'
        )
    limit = (DEFAULT_TIMEOUT if timeout is None else timeout).total_seconds()
    try:
        MPI = _mpi_that_waits_for_all_ranks(limit)
    except ImportError as error:
        raise ImportError(f"init_process_group: mpi4py is needed: pip install 'minigrad-nn[mpi]' ({error})") from error
    for name, given, found in (("world_size", world_size, MPI.COMM_WORLD.Get_size()), ("rank", rank, MPI.COMM_WORLD.Get_rank())):
        if given not in (-1, found):
            raise ValueError(f"init_process_group: {name}={given}, but mpiexec started this process with {name} {found}")
    _current = Group(MPI, limit)
    if _current.size > 1:
        sys.excepthook = _end_all
        atexit.register(_leave)


def _mpi_that_waits_for_all_ranks(limit: float) -> Any:
    """Start MPI, which returns when all ranks have come: one that failed before would be waited for without end, within C and with the GIL.

    So the thread of ``faulthandler`` ends the process, and shows where it was: in this function.
    """
    watched = "mpi4py.MPI" not in sys.modules and limit > 0 and _has_descriptor(sys.stderr)
    if watched:
        faulthandler.dump_traceback_later(limit, exit=True)
    try:
        from mpi4py import MPI
    finally:
        if watched:
            faulthandler.cancel_dump_traceback_later()
    return MPI


def _has_descriptor(stream: Any) -> bool:
    try:
        return int(stream.fileno()) >= 0
    except (AttributeError, OSError, ValueError):  # of a notebook, or a test that listens
        return False


def destroy_process_group(group: Any = None) -> None:
    """Wait for all ranks to come here, and leave the group: ``torch.distributed.destroy_process_group``. MPI ends with the process."""
    global _current
    here = current("destroy_process_group")
    _all_come(here, "destroy_process_group")
    if sys.excepthook is _end_all:
        sys.excepthook = here.before
    atexit.unregister(_leave)
    for comm in (here.world, here.names, here.inner, here.control):
        comm.Free()
    _current = None


def _all_come(group: Group, name: str) -> None:
    request = group.control.Ibarrier()
    group.wait(request.Test, group.started(name), name, float("inf"))


def _leave() -> None:
    """What a rank does as it ends: others that wait for it in another place hear of it."""
    if _current is not None:
        try:
            _all_come(_current, "the end of the program")
        except DistError as error:
            _end_all(DistError, error, None)


def _end_all(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """The ``sys.excepthook`` of several ranks: end them all."""
    group = current("excepthook")
    atexit.unregister(
        _leave
    )  # Abort may return before mpiexec ends this rank, which has not come to the end of the program that others wait for
    # of ranks with the same error, the first speaks for all, and ends the others meanwhile; ranks that wait for each other hear of it at once
    time.sleep(5.0 if kind is DistError and group.rank else min(0.2 * group.rank, 2.0))
    with contextlib.suppress(OSError):  # a closed stderr
        sys.stdout.flush()
        if not isinstance(error, (DistError, KeyboardInterrupt)):
            group.before(kind, error, trace)
        told = str(error).strip().partition("\n")[0]
        print(
            f"minigrad.distributed: rank {group.rank} of {group.size} ended with {kind.__name__}{': ' * bool(told)}{told}", file=sys.stderr
        )
        sys.stderr.flush()
        for stream in (sys.stdout, sys.stderr):
            _wait_until_read(stream)
    group.mpi.COMM_WORLD.Abort(130 if issubclass(kind, KeyboardInterrupt) else 1)


def _wait_until_read(stream: Any, seconds: float = 5.0) -> None:
    """Wait until ``mpiexec`` has taken what was written to it: ``Abort`` goes another way, and what it overtakes is lost."""
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
        return
    import fcntl
    import termios

    end = time.monotonic() + seconds
    while any(fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4))) and time.monotonic() < end:  # bytes that wait in the pipe
        time.sleep(0.002)
    time.sleep(0.05)  # they are passed on by then, as the process that has read them does nothing in between


def get_rank(group: Any = None) -> int:
    """The number of this process, from 0. Raises ``ValueError`` before :func:`init_process_group`."""
    return current("get_rank").rank


def get_world_size(group: Any = None) -> int:
    """How many ranks there are. Raises ``ValueError`` before :func:`init_process_group`."""
    return current("get_world_size").size


def get_backend(group: Any = None) -> str:
    """``"mpi"``. Raises ``ValueError`` before :func:`init_process_group`."""
    current("get_backend")
    return "mpi"


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The number of this process among those of its machine."""
    group = current("get_node_local_rank")
    comm = group.control.Split_type(group.mpi.COMM_TYPE_SHARED, group.rank)
    rank = comm.Get_rank()
    comm.Free()
    return rank
