"""What finds the line to blame: arrays that are written between forward and backward, gradients that become NaN."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import weakref
import zlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.engine.graph import Node
from minigrad.engine.modes import Mode

_anomaly_mode: ContextVar[bool] = ContextVar("anomaly_mode", default=False)
_lines_mode: ContextVar[bool] = ContextVar("lines_mode", default=False)
users: list[object] = []  # the active blocks of all threads that want to hear of nodes: empty costs an op nothing

_lines: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # node -> the line that called its op
_functions: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # node -> the public function of the op's file around it
_checksums: weakref.WeakKeyDictionary[Node, list[int | None]] = weakref.WeakKeyDictionary()  # of what it keeps
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
GENERATED = "<op "  # how the file name of an op's generated code begins


class detect_anomaly(Mode):
    """Context manager that finds what breaks a gradient, at some cost in time.

    Inside it every op remembers the line that called it, every array that backward needs is checksummed, and
    backward raises ``RuntimeError`` with the op and that line when such an array was written through an alias
    (``x.numpy()[0] = …``), or when a formula turns finite gradients into NaN.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.detect_anomaly():
    ...     y = x.exp()
    ...     y.detach().numpy()[0] = 7
    ...     y.sum().backward()
    Traceback (most recent call last):
    ...
    RuntimeError: exp: its result was written after the forward pass, ...
    """

    switch = _anomaly_mode

    def __init__(self) -> None:
        super().__init__(True)

    def __enter__(self) -> None:
        super().__enter__()
        users.append(self)

    def __exit__(self, *exc: object) -> None:
        users.remove(self)
        super().__exit__(*exc)


@contextlib.contextmanager
def recording_lines() -> Iterator[None]:
    """In this block each op of the calling thread remembers who called it, for :func:`line_of` and :func:`function_of`."""
    token, user = _lines_mode.set(True), object()
    users.append(user)
    try:
        yield
    finally:
        users.remove(user)
        _lines_mode.reset(token)


def line_of(node: Node) -> str:
    """``file:number: text`` of the line that called the node's op; empty where nobody recorded it."""
    return _lines.get(node, "")


def function_of(node: Node) -> str:
    """The public function that called the node's op, where it stands in the op's own file: ``conv2d`` for ``conv``; else empty."""
    return _functions.get(node, "")


def remember(node: Node) -> None:
    """Note who called the op of a new node, and what its formulas need (an op calls this while somebody is in ``users``)."""
    watched = _anomaly_mode.get()
    if not watched and not _lines_mode.get():  # it is another thread that wants to know
        return
    frame, home = sys._getframe(1), node.op.kernel.__code__.co_filename
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_PACKAGE, GENERATED)):
        name = frame.f_code.co_name
        if frame.f_code.co_filename == home and not name.startswith(("_", "<")):
            _functions.setdefault(node, name)
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    _lines[node] = f"{file}:{number}: {linecache.getline(file, number, frame.f_globals).strip()}"
    if watched:
        _checksums[node] = _sums(node.kept)


def _sums(kept: tuple) -> list[int | None]:
    return [zlib.crc32(np.ascontiguousarray(v).tobytes()) if isinstance(v, np.ndarray) else None for v in kept]


def watching() -> bool:
    """Whether there are nodes that :class:`detect_anomaly` has seen."""
    return len(_checksums) > 0


def verify(node: Node) -> None:
    """Raise when an array that a formula needs is not what it was when the op ran."""
    before = _checksums.get(node)
    if before is None:
        return
    for source, old, new in zip(node.plan.keeps, before, _sums(node.kept), strict=True):
        if old != new:
            what = f"its argument '{node.plan.op.argument(source)}'" if isinstance(source, int) else "its result"
            raise RuntimeError(
                f"{node.name}: {what} was written after the forward pass, through an alias such as .numpy(), "
                f"and its gradient needs the old values. The op was called at {_lines[node]}"
            )


def refuse_nan(node: Node, position: int, g: Any, gradient: Any) -> None:
    """Raise when a formula has turned a gradient without NaN into one with NaN."""

    def has_nan(x: Any) -> bool:
        return any(map(has_nan, x)) if isinstance(x, tuple) else bool(np.isnan(getattr(x, "_data", x)).any())

    if node in _checksums and has_nan(gradient) and not has_nan(g):
        name = node.plan.op.argument(position)
        raise RuntimeError(f"{node.name}: the gradient of '{name}' is NaN. The op was called at {_lines[node]}")
