"""A model's call as a list of ops with their arrays: what the export works on.

The kernels of ops are heard (:func:`minigrad.engine.put_before_kernels`), so nothing is missed, whether it has a gradient or not. A value is an array, known by
identity. An array that no op made and that is no input, parameter or buffer is a constant. What of it depends on the size of an input is found by
a second call with another size: :class:`Size` numbers are those that differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.calls import heard, unchanged
from minigrad.engine import Op, TensorBase, no_grad, put_before_kernels, take_away
from minigrad.engine.op import weaken
from minigrad.onnx.reader import OnnxError
from minigrad.tree import leaves


class Call:
    """One call of an op.

    ===========  ====================================================================
    ``op``       the op
    ``inputs``   arrays, numbers, or None
    ``statics``  the static arguments; a number that depends on an input's size is a :class:`Size`
    ``outs``     the resulting arrays
    ``path``     of the module that called it, "" for the model
    ===========  ====================================================================
    """

    __slots__ = ("inputs", "op", "outs", "path", "statics")

    def __init__(self, op: Op, inputs: tuple, statics: dict[str, Any], outs: tuple, path: str):
        self.op, self.inputs, self.statics, self.outs, self.path = op, inputs, statics, outs, path

    def __getitem__(self, name: str) -> Any:
        """An input or a static argument by its name; None for an input that is not given."""
        if name in self.statics:
            return self.statics[name]
        place = self.op.inputs.index(name)
        return self.inputs[place] if place < len(self.inputs) else None


_runner: ContextVar[Any] = ContextVar("runner", default=None)


def _stand_in(op: Op, compute: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that the runner of the calling thread runs, if there is one."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        runner = _runner.get()
        if runner is None:
            return compute(*args, **kwargs)
        token = _runner.set(None)  # ops that the kernel itself calls are not heard
        try:
            return runner(op, compute, args, kwargs)
        finally:
            _runner.reset(token)

    return kernel


@contextlib.contextmanager
def _kernels_by(runner: Callable[..., Any]) -> Iterator[None]:
    put_before_kernels(_stand_in)
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)
        take_away(_stand_in)


class Size(int):
    """A number that depends on sizes of inputs: its value in the first call, and ``base`` + the sum of ``factors[axis]`` * size of that axis."""

    base: int
    factors: dict[tuple[str, int], int]

    def __new__(cls, value: int, base: int, factors: dict[tuple[str, int], int]) -> Size:
        """The number ``value``."""
        self = super().__new__(cls, value)
        self.base, self.factors = base, factors
        return self

    def __add__(self, other: int) -> Size:
        """The size and a number more. (Two sizes are added as numbers of the first call.)"""
        return Size(int(self) + int(other), self.base + int(other), self.factors)

    def __sub__(self, other: int) -> Size:
        """The size and a number less."""
        return self + -int(other)

    def __neg__(self) -> Size:
        """The negative of the size."""
        return Size(-int(self), -self.base, {axis: -factor for axis, factor in self.factors.items()})


class Unclear(Size):
    """A number that differs at another size of an input, as ``size // 2`` or ``size % 2`` do, and is no sum of multiples: it cannot be written."""

    def __new__(cls, value: int) -> Unclear:
        """The number ``value`` of the first call."""
        self = int.__new__(cls, value)
        self.base, self.factors = 0, {}
        return self

    def __add__(self, other: int) -> Unclear:
        """As unclear with a number more."""
        return Unclear(int(self) + int(other))

    def __neg__(self) -> Unclear:
        """As unclear."""
        return Unclear(-int(self))


class UnclearFloat(float):
    """A floating number that differs at another size of an input, as ``size**0.5`` does: it cannot be written."""


class Heard:
    """What one call of a model was.

    ============  ===========================================================
    ``calls``     in order; they keep the arrays alive, so that an id stays theirs
    ``outputs``   arrays, in order
    ``returned``  what the model returned
    ``shapes``    of the outputs, lists; :func:`merged` puts None for a size that follows from those of inputs in no simple way
    ============  ===========================================================
    """

    def __init__(self, model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]):
        self.calls: list[Call] = []
        self.changing: dict[int, tuple[list[Any], list[np.ndarray]]] = {}  # id of a constant -> its shape, its values at other sizes
        self.returned: Any = None
        path: list[str] = [""]
        is_module = hasattr(model, "named_modules")

        def runner(op: Op, compute: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
            inputs, statics = op.split(args, kwargs)
            if statics.get("overwrite") and isinstance(args[0], np.ndarray) and args[0].base is None:
                args = args[0].copy(), *args[1:]  # written in place, the result would be the array that it was made of
            result = compute(*args, **kwargs)
            out, rest = result if op.has_residual else (result, None)
            if isinstance(out, tuple):
                out = tuple([weaken(op, np.asarray(a), inputs, statics) for a in out])
            else:
                out = weaken(op, np.asarray(out), inputs, statics)
            self.calls.append(Call(op, inputs, statics, out if isinstance(out, tuple) else (out,), path[-1]))
            return (out, rest) if op.has_residual else out

        with no_grad(), unchanged(model, training=False) if is_module else no_grad(), _kernels_by(runner):
            if is_module:
                with heard(model, lambda name, module, a: path.append(name), lambda name, module, a, out: path.__delitem__(-1)):
                    self.returned = model(*args, **kwargs)
            else:
                self.returned = model(*args, **kwargs)
        self.outputs = [t._data for t in leaves(self.returned) if isinstance(t, TensorBase)]
        self.shapes: list[list[Any]] = [list(a.shape) for a in self.outputs]


def merged(first: Heard, second: Heard, axis: tuple[str, int], sizes: tuple[int, int]) -> None:
    """Put a :class:`Size` in ``first`` for each number that differs in ``second``, where the ``axis`` of an input has another size.

    Raises :class:`OnnxError` if the model did something else at the other size.
    """
    if len(first.calls) != len(second.calls):
        raise OnnxError(
            f"export: the model calls {len(first.calls)} ops if {axis[0]!r} has {sizes[0]} along axis {axis[1]}, and {len(second.calls)} for {sizes[1]}: "
            "this axis cannot be dynamic"
        )
    noted: set[int] = set()  # ids of arrays: several calls may be given one
    for a, b in zip(first.calls, second.calls, strict=True):
        if a.op is not b.op:
            raise OnnxError(f"export: {where(a)}: another op at another size of {axis[0]!r}: this axis cannot be dynamic")
        _note_changes(first, a, b, axis, sizes, noted)
        a.statics = {name: _merge(a.statics[name], b.statics[name], axis, sizes) for name in a.statics}
        if a.op.variadic is None or len(a.inputs) == len(b.inputs):
            a.inputs = tuple(
                [_merge(x, y, axis, sizes) if not isinstance(x, np.ndarray) else x for x, y in zip(a.inputs, b.inputs, strict=True)]
            )

    first.shapes = [
        [_size(m, n, axis, sizes) for m, n in zip(known, other.shape, strict=True)]
        for known, other in zip(first.shapes, second.outputs, strict=True)
    ]


def _size(known: Any, other: int, axis: tuple[str, int], sizes: tuple[int, int]) -> Any:
    """A size of an output; None if it is no sum of multiples of sizes."""
    if known is None or int(known) == other:
        return known
    size = _merge(known, other, axis, sizes)
    return None if isinstance(size, Unclear) else size


def _note_changes(first: Heard, a: Call, b: Call, axis: tuple[str, int], sizes: tuple[int, int], noted: set[int]) -> None:
    """Note the arrays that a call was given, and that differ in the other run, if they are not ``noted``; of these, constants will matter."""
    for x, y in zip(leaves([a.inputs, list(a.statics.values())]), leaves([b.inputs, list(b.statics.values())]), strict=False):
        if (
            isinstance(x, np.ndarray)
            and isinstance(y, np.ndarray)
            and id(x) not in noted
            and x.ndim == y.ndim
            and (x.shape != y.shape or not np.array_equal(x, y))
        ):
            noted.add(id(x))
            shape, values = first.changing.get(id(x), (list(x.shape), []))
            first.changing[id(x)] = [_merge(m, n, axis, sizes) for m, n in zip(shape, y.shape, strict=True)], [*values, y]


def _merge(a: Any, b: Any, axis: tuple[str, int], sizes: tuple[int, int]) -> Any:
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)) and len(a) == len(b):
        values = [_merge(x, y, axis, sizes) for x, y in zip(a, b, strict=True)]
        return type(a)(*values) if hasattr(a, "_fields") else type(a)(values)
    if isinstance(a, slice) and isinstance(b, slice):
        return slice(*[_merge(getattr(a, p), getattr(b, p), axis, sizes) for p in ("start", "stop", "step")])
    if type(a) is float and type(b) is float and a != b and a == a:
        return UnclearFloat(a)
    if type(a) in (int, Size) and type(b) is int and int(a) != b:
        slope, rest = divmod(b - int(a), sizes[1] - sizes[0])
        if rest:
            return Unclear(int(a))
        factors = {**(a.factors if isinstance(a, Size) else {}), axis: slope}
        return Size(int(a), (a.base if isinstance(a, Size) else int(a)) - slope * sizes[0], factors)
    return a


def where(call: Call) -> str:
    """The op and the path of the module that called it, for an error."""
    return f"{call.op.name} in {call.path or 'the model'}"
