"""What a thread's observer hears while ops run: ops and their nodes, backward passes, and parts of a program that bear a name. The profiler is one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import get_ident
from typing import Any, Protocol


class Observer(Protocol):
    """What :data:`observers` hold while somebody looks. Ops have other code then (:func:`~minigrad.engine.op.observe`), so that nobody pays otherwise."""

    log: list[Any]
    """An op adds itself, when its kernel began and ended (``perf_counter_ns``), None or ``details(arguments)``, its multiply-adds (0 where nobody
    counts them), and None, in place of which it puts the node that it records."""

    known: int | None
    """True if ops need not call ``details``."""

    turns: list[Any]
    """A backward pass adds, whenever it comes to a node, the time (``perf_counter_ns``), the node's plan (None for a leaf) and its number; not for
    leaves after another one."""

    def details(self, args: tuple[Any, ...]) -> Any:
        """What else is to be noted of an op with these arguments, which has just run."""

    def ran(self, op: Any, start: int, args: tuple[Any, ...], out: Any = None) -> None:
        """What an op adds to ``log``, if its kernel raised (``out`` is None) or its arguments differ from sample to sample."""

    def settle(self) -> None:
        """Let go of the nodes in ``log``: called when it is longer than :data:`PENDING`, or when others hear of a node."""

    def begin(self, kind: str, name: str) -> int:
        """A backward pass (kind ``"walk"``) or a part of the program (``"part"``) begins; how deep it is."""

    def end(self, depth: int) -> None:
        """What began at this depth ends, and all in it."""


PENDING = 192  # entries of a log: after 32 ops and calls of modules an observer lets go of their nodes
observers: dict[int, Observer | None] = {}  # of each thread (its ``get_ident``) that somebody looks at; None while not


def observer() -> Observer | None:
    """The observer of this thread."""
    return observers.get(get_ident()) if observers else None


@contextlib.contextmanager
def unobserved() -> Iterator[None]:
    """Context manager: the observer of this thread hears of nothing, because what ops return is no result."""
    thread = get_ident()
    watcher = observers.get(thread)
    if watcher is not None:
        observers[thread] = None
    try:
        yield
    finally:
        if watcher is not None and observers.get(thread, watcher) is None:  # neither ended meanwhile nor followed by another
            observers[thread] = watcher


class record_function(contextlib.ContextDecorator):
    """Context manager and decorator: the profiler shows what runs inside under ``name``: ``torch.profiler.record_function``.

    It does nothing while no profiler runs. ``args`` is accepted, for scripts that pass it.

    >>> import minigrad as mg
    >>> from minigrad import profiler
    >>> with profiler.profile() as p:
    ...     with profiler.record_function("twice"):
    ...         y = mg.ones(3) + mg.ones(3)
    >>> [row.count for row in p.key_averages() if row.key == "twice"]
    [1]
    """

    def __init__(self, name: str, args: str | None = None):
        self.name = name
        self._inside: list[tuple[Observer | None, int]] = []

    def __enter__(self) -> record_function:
        watcher = observer()
        self._inside.append((watcher, 0 if watcher is None else watcher.begin("part", self.name)))
        return self

    def __exit__(self, *exc: Any) -> None:
        watcher, depth = self._inside.pop()
        if watcher is not None:
            watcher.end(depth)
