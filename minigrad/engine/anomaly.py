"""Finds the line that caused a wrong gradient: an array was written between forward and backward, or a gradient became NaN."""

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
users: list[object] = []  # the active blocks of all threads; while it is empty, an op does no work for this module

_lines: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # node -> the line that called its op
_functions: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # node -> the public function that called its op
_checksums: weakref.WeakKeyDictionary[Node, list[int | None]] = weakref.WeakKeyDictionary()  # node -> checksums of its kept arrays
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
GENERATED = "<op "  # the file name of an op's generated code begins with this


class detect_anomaly(Mode):
    """Context manager that finds the op whose gradient is wrong or NaN. It makes ops slower.

    Inside it, the line that called each op is stored, with checksums of the arrays kept for the backward pass. The backward
    pass raises ``RuntimeError`` with the op and that line if such an array was written in place through an alias
    (``x.numpy()[0] = …``), or if a formula returns NaN for a gradient without NaN.

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
    """Context manager: the caller of each op in this thread is stored, for :func:`line_of` and :func:`function_of`."""
    token, user = _lines_mode.set(True), object()
    users.append(user)
    try:
        yield
    finally:
        users.remove(user)
        _lines_mode.reset(token)


def line_of(node: Node) -> str:
    """``file:number: text`` of the line that called the node's op; empty if it was not recorded."""
    return _lines.get(node, "")


def function_of(node: Node) -> str:
    """The public function that called the node's op, if both are in the same file: ``conv2d`` for ``conv``; else empty."""
    return _functions.get(node, "")


def remember(node: Node) -> None:
    """Store the caller of a new node's op, and checksums of the kept arrays. Ops call this while ``users`` is not empty."""
    watched = _anomaly_mode.get()
    if not watched and not _lines_mode.get():  # the block is active in another thread only
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
    """Raise ``RuntimeError`` if an array kept for a formula has changed since the op ran."""
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
    """Raise ``RuntimeError`` if a formula returned NaN although the incoming gradient ``g`` has none."""

    def has_nan(x: Any) -> bool:
        return any(map(has_nan, x)) if isinstance(x, tuple) else bool(np.isnan(getattr(x, "_data", x)).any())

    if node in _checksums and has_nan(gradient) and not has_nan(g):
        name = node.plan.op.argument(position)
        raise RuntimeError(f"{node.name}: the gradient of '{name}' is NaN. The op was called at {_lines[node]}")
