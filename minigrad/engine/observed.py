"""What a thread's observer hears while ops run: their nodes and backward passes, and parts of a program that bear a name. The profiler is one."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import Any, Protocol


class Observer(Protocol):
    """What :data:`observer` holds while somebody looks; None otherwise, so that nothing else is asked of ops and backward passes."""

    turns: list[Any]
    """A backward pass adds, whenever it comes to a node, the time (``perf_counter_ns``), the node's plan (None for a leaf) and its number; not for
    leaves after another one."""

    def begin(self, kind: str, name: str) -> int:
        """A backward pass (kind ``"walk"``) or a part of the program (``"part"``) begins; how deep it is."""

    def end(self, depth: int) -> None:
        """What began at this depth ends, and all in it."""


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


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
        watcher = observer.get()
        self._inside.append((watcher, 0 if watcher is None else watcher.begin("part", self.name)))
        return self

    def __exit__(self, *exc: Any) -> None:
        watcher, depth = self._inside.pop()
        if watcher is not None:
            watcher.end(depth)
