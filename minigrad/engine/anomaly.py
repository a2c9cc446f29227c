"""Finds the line that caused a wrong gradient: an array was written between forward and backward, or a gradient became NaN."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.engine.batching import memory_of
from minigrad.engine.graph import Node, listen, listen_no_more
from minigrad.engine.modes import F, Mode

_anomaly_mode: ContextVar[bool] = ContextVar("anomaly_mode", default=False)
_nan_mode: ContextVar[bool] = ContextVar("nan_mode", default=True)
_lines_mode: ContextVar[Callable[[types.CodeType], str] | None] = ContextVar("lines_mode", default=None)
_arrays_mode: ContextVar[bool] = ContextVar("arrays_mode", default=False)

_lines: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()  # node -> the line that called its op
_calls: weakref.WeakKeyDictionary[Node, list[Call]] = weakref.WeakKeyDictionary()  # node -> the calls in which its op was called
_arrays: weakref.WeakKeyDictionary[Node, tuple[tuple, Any]] = weakref.WeakKeyDictionary()  # node -> operands and result of its op
_constants: weakref.WeakKeyDictionary[Node, dict[int, Constant]] = weakref.WeakKeyDictionary()  # node -> its constant operands by position
_checksums: weakref.WeakKeyDictionary[Node, list[int | None]] = weakref.WeakKeyDictionary()  # node -> checksums of its kept arrays
_may_be_nan: weakref.WeakSet[Node] = weakref.WeakSet()  # nodes made under check_nan=False
PACKAGE = os.path.dirname(os.path.dirname(__file__))
GENERATED = "<op "  # the file name of an op's generated code begins with this
_WALKS = tuple(os.path.join(PACKAGE, "engine", file) for file in ("backward.py", "forward.py"))  # what these call, no user wrote
_OPS = os.path.join(PACKAGE, "ops", "")
_CALL = "<call>"  # where a frame has its Call: among its local variables, under a name that none of them can have


class detect_anomaly(Mode):
    """Context manager that finds the op whose gradient is wrong or NaN. It makes ops slower.

    Inside it, the line that called each op is stored, with checksums of the arrays kept for the backward pass. The backward
    pass raises ``RuntimeError`` with the op and that line if such an array was written in place through an alias
    (``x.numpy()[0] = …``), or, unless ``check_nan=False``, if a formula returns NaN for a gradient without NaN.

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

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True)
        self._check_nan = check_nan
        self._outer: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._outer.append(_switch(True, self._check_nan))

    def __exit__(self, *exc: object) -> None:
        _switch(*self._outer.pop())

    def _again(self) -> Mode:
        return detect_anomaly(self._check_nan)


class set_detect_anomaly(detect_anomaly):
    """:class:`detect_anomaly` as a plain call that takes effect at once, or as a context manager or decorator: ``torch.autograd``'s.

    Args:
        mode: whether to look for anomalies in this thread.
        check_nan: whether a gradient that becomes NaN is one.

    >>> import minigrad as mg
    >>> _ = mg.engine.set_detect_anomaly(True)
    >>> mg.engine.is_anomaly_enabled()
    True
    >>> _ = mg.engine.set_detect_anomaly(False)
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(check_nan)
        self._mode = bool(mode)
        self._outside = _switch(self._mode, check_nan)

    def __enter__(self) -> None:
        before = _switch(self._mode, self._check_nan)
        self._outer.append(before if self._outer else self._outside)

    def __call__(self, function: F) -> F:
        _switch(*self._outside)  # used as a decorator: nothing is switched outside the function
        return super().__call__(function)

    def _again(self) -> Mode:
        return set_detect_anomaly(self._mode, self._check_nan)


def _switch(mode: bool, check_nan: bool) -> tuple[bool, bool]:
    """Set both switches of this thread, and return what they were."""
    before = _anomaly_mode.get(), _nan_mode.get()
    _anomaly_mode.set(mode)
    _nan_mode.set(check_nan)
    if mode and not before[0]:
        listen(remember)
    elif before[0] and not mode:
        listen_no_more(remember)
    return before


def is_anomaly_enabled() -> bool:
    """Whether this thread looks for anomalies."""
    return _anomaly_mode.get()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether a gradient that becomes NaN is one."""
    return _nan_mode.get()


class Call:
    """A call of a function that users know, noted when an op was called in it: one object for all ops of the call.

    ``name`` is the function's, ``settings`` are the numbers, texts and tuples of them that it was called with, by parameter: ``{"groups": 2}``,
    ``arrays`` its tensors and arrays that had no node.
    """

    __slots__ = ("arrays", "name", "settings")

    def __init__(self, name: str, settings: dict[str, Any], arrays: dict[str, Constant]):
        self.name, self.settings, self.arrays = name, settings, arrays


class Constant:
    """What an array looks like that was an operand and had no node: ``shape``, ``dtype``, and ``few``, a copy if it has at most four numbers.

    The array itself is ``array()`` as long as somebody else keeps it. ``given`` tells as what it was given to the functions that users know:
    ``{"conv2d": "weight"}`` for the ``w`` of ``conv``.
    """

    __slots__ = ("array", "dtype", "few", "given", "shape")

    def __init__(self, array: np.ndarray, given: dict[str, str]):
        self.array, self.given = weakref.ref(array), given
        self.shape, self.dtype = array.shape, array.dtype
        self.few = array.copy() if array.size <= 4 else None


def _unknown(code: types.CodeType) -> str:
    return ""


@contextlib.contextmanager
def recording_lines(known: Callable[[types.CodeType], str] = _unknown, arrays: bool = False) -> Iterator[None]:
    """Context manager: the caller of each op in this thread is stored, for :func:`line_of` and :func:`calls_of`.

    ``known`` gives the name by which users know the function with a given code, "" if they do not. With ``arrays=True`` the op's operands and
    its result are stored as well, for :func:`arrays_of`; they live as long as the node.
    """
    token, inner = _lines_mode.set(known), _arrays_mode.set(arrays)
    listen(remember)
    try:
        yield
    finally:
        listen_no_more(remember)
        _arrays_mode.reset(inner)
        _lines_mode.reset(token)


def line_of(node: Node) -> str:
    """``file:number: text`` of the line that called the node's op; empty if it was not recorded."""
    return _lines.get(node, "")


def calls_of(node: Node) -> list[Call]:
    """The calls of known functions in which the node's op was called, from the inside out: that of ``conv2d`` for ``conv``."""
    return _calls.get(node, [])


def constants_of(node: Node) -> dict[int, Constant]:
    """The node's operands that were arrays without a node, by position; empty if they were not recorded."""
    return _constants.get(node, {})


def arrays_of(node: Node) -> tuple[tuple, Any] | None:
    """The operands and the result (a tuple for several results) of the node's op; None if they were not recorded."""
    return _arrays.get(node)


def caller() -> types.CodeType | None:
    """The innermost function of the package's ops in which an op's generated call is running, without wrappers and what is private."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and (where := _where[frame.f_code.co_filename]):
        if where == "ops" and frame.f_code.co_name[0] not in "_<" and "<locals>" not in frame.f_code.co_qualname:
            return frame.f_code
        frame = frame.f_back
    return None


class ByFile(dict[str, Any]):
    """What a function says of the files of code, each asked once: those who look through frames ask it for every call of an op."""

    def __init__(self, of: Callable[[str], Any]):
        self.of = of

    def __missing__(self, file: str) -> Any:
        self[file] = found = self.of(file)
        return found


def _room(file: str) -> str:
    """``ops``, or another room of the package whose functions a call of an op passes; "" for any other file."""
    inside = file.startswith((PACKAGE, GENERATED)) and file not in _WALKS
    return "ops" if file.startswith(_OPS) else "elsewhere" if inside else ""


_where = ByFile(_room)


def remember(node: Node) -> None:
    """Store the caller of a new node's op, and checksums of the kept arrays."""
    watched = _anomaly_mode.get()
    known = _lines_mode.get()
    if watched or known is not None:  # else the block is active in another thread only
        frames = _note_the_caller(node, watched, known or _unknown)
        if known is not None:
            _note_the_arrays(node, sys._getframe(1).f_locals, frames)


def _note_the_arrays(node: Node, known: dict[str, Any], frames: list[tuple[Call, types.FrameType]]) -> None:
    """Store operands and result from the variables of an op's generated call, or of the function for several results.

    Without ``recording_lines(arrays=True)`` only what constant operands look like.
    """
    op = node.op
    if "outs" in known and "arrays" in known:
        operands, out = known["arrays"], known["outs"]
    elif "out" in known and all(name in known for name in op.inputs):
        operands, out = (*(known[name] for name in op.inputs), *(known[op.variadic] if op.variadic else ())), known["out"]
    else:
        return
    if _arrays_mode.get():
        _arrays[node] = (operands, out)
    places = [i for i, parent in enumerate(node.parents) if parent is None and type(operands[i]) is np.ndarray]
    if places:
        _constants[node] = {i: Constant(operands[i], _given_as(operands[i], frames)) for i in places}


def _given_as(array: np.ndarray, frames: list[tuple[Call, types.FrameType]]) -> dict[str, str]:
    """Function -> its parameter whose memory ``array`` is, be it in another shape. A mask that dropout draws is none."""
    found: dict[str, str] = {}
    for call, frame in frames:
        values = frame.f_locals
        for name in _parameters(frame.f_code):
            data = getattr(values.get(name), "_data", values.get(name))
            if data is array or (isinstance(data, np.ndarray) and np.may_share_memory(data, array)):
                found.setdefault(call.name, name)
    return found


def _note_the_caller(node: Node, watched: bool, known: Callable[[types.CodeType], str]) -> list[tuple[Call, types.FrameType]]:
    """Store the line and the calls of known functions; return the calls with their frames."""
    frame, calls, walked = sys._getframe(2), [], False
    frames: list[tuple[Call, types.FrameType]] = []
    while frame.f_back is not None and (file := frame.f_code.co_filename).startswith((PACKAGE, GENERATED)):
        walked = walked or file in _WALKS
        if not walked and not file.startswith(GENERATED) and (name := known(frame.f_code)):
            call = frame.f_locals.get(_CALL)
            if call is None:  # the first node that is made in this call
                call = Call(name, *_arguments(frame))
                frame.f_locals[_CALL] = call
            calls.append(call)
            frames.append((call, frame))
        frame = frame.f_back
    if calls:
        _calls[node] = calls
    file, number = frame.f_code.co_filename, frame.f_lineno
    _lines[node] = f"{file}:{number}: {linecache.getline(file, number, frame.f_globals).strip()}"
    if watched:
        _checksums[node] = _sums(node.kept)
        if not _nan_mode.get():
            _may_be_nan.add(node)
    return frames


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _arguments(frame: types.FrameType) -> tuple[dict[str, Any], dict[str, Constant]]:
    """The arguments of a call: those that hold no memory worth telling, which None is not either, and what the arrays without a node look like."""
    values = frame.f_locals
    given = {name: values.get(name) for name in _parameters(frame.f_code)}
    arrays = {name: getattr(value, "_data", value) for name, value in given.items() if getattr(value, "_node", None) is None}
    return (
        {name: value for name, value in given.items() if _is_plain(value)},
        {name: Constant(value, {}) for name, value in arrays.items() if isinstance(value, np.ndarray)},
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str)) or (isinstance(value, (tuple, list)) and all(map(_is_plain, value)))


def _sums(kept: tuple) -> list[int | None]:
    import zlib  # not every program needs it

    return [zlib.crc32(np.ascontiguousarray(v).tobytes()) if isinstance(v, np.ndarray) else None for v in kept]


def watching() -> bool:
    """Whether there are nodes that :class:`detect_anomaly` has seen."""
    return len(_checksums) > 0


def verify(node: Node, kept: tuple) -> None:
    """Raise ``RuntimeError`` if an array kept for a formula, one of ``kept``, has changed since the op ran."""
    before = _checksums.get(node)
    if before is None:
        return
    for (source, _), old, new in zip(node.plan.kept, before, _sums(kept), strict=True):
        if old != new:
            what = f"its argument '{node.plan.op.argument(source)}'" if isinstance(source, int) else "its result"
            raise RuntimeError(
                f"{node.name}: {what} was written after the forward pass, through an alias such as .numpy(), "
                f"and its gradient needs the old values. The op was called at {_lines[node]}"
            )


def refuse_nan(node: Node, position: int, g: Any, gradient: Any) -> None:
    """Raise ``RuntimeError`` if a formula returned NaN although the incoming gradient ``g`` has none."""

    def has_nan(x: Any) -> bool:
        return any(map(has_nan, x)) if isinstance(x, tuple) else x is not None and bool(np.isnan(memory_of(getattr(x, "_data", x))).any())

    if node in _checksums and node not in _may_be_nan and has_nan(gradient) and not has_nan(g):
        name = node.plan.op.argument(position)
        raise RuntimeError(f"{node.name}: the gradient of '{name}' is NaN. The op was called at {_lines[node]}")
