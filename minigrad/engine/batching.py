"""Values that differ from sample to sample: what :func:`minigrad.func.vmap` puts in the place of arrays.

A :class:`Batched` holds the values of all samples in one array, and has the shape of one of them. Kernels take arrays only, so one that is called
with a Batched raises; the engine then runs the op on the whole batch, by the *rule* that :func:`batched` declared above ``@op``::

    @batched(lambda run, x, shape: run(x, (len(x), *shape)))
    @op(x=lambda g, x_shape: reshape(g, x_shape))
    def reshape(x, shape):
        return x.reshape(shape)

A rule has the kernel's parameters after ``run``, which is the kernel. Its inputs are arrays with the batch as dimension 0, of size ``run.size``, or of
size 1 for an input that is the same for all samples; numbers and None stay what they are. It returns the result, or the tuple of results, with the
batch as dimension 0. An op without a rule runs sample by sample.

Nodes, formulas and the backward pass see the shape of a sample, so ``vmap`` and derivatives compose in any order, and no ordinary call does any work
for it.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from minigrad.engine.graph import numbers, tensor_types, wrap

F = TypeVar("F", bound=Callable[..., Any])


class Level:
    """One run of ``vmap``. Of two that are active, the inner one has the larger ``number``; nodes made before it have smaller ones.

    ==============  =======================================================================
    ``size``        the number of samples
    ``active``      whether the function still runs: False for what a graph keeps afterwards
    ``randomness``  "error", "same" or "different"
    ``looped``      op name -> how often it ran sample by sample, because it has no rule
    ``outer``       the level around this one, or None
    ==============  =======================================================================
    """

    __slots__ = ("active", "looped", "number", "outer", "randomness", "size")

    def __init__(self, size: int, randomness: str, looped: Counter[str]):
        self.number = next(numbers)
        self.size, self.randomness, self.looped = size, randomness, looped
        self.active = True
        self.outer: Level | None = None

    def refuse_random(self) -> None:
        """Raise ``RuntimeError`` if random functions may not be called inside."""
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: a random function was called inside, and randomness is 'error'; pass randomness='different' for numbers of its own for each "
                "sample, or 'same' for the same ones"
            )

    @contextlib.contextmanager
    def unrolled(self) -> Iterator[None]:
        """A block that computes for one sample alone, as if outside of this level."""
        token = innermost.set(self.outer)
        try:
            yield
        finally:
            innermost.reset(token)


innermost: ContextVar[Level | None] = ContextVar("innermost", default=None)
levels: list[Level] = []  # those that are active, of all threads: while there is none, no call looks for a Batched


class running:
    """Context manager: ``level`` is the innermost one of this thread."""

    def __init__(self, level: Level):
        self.level = level

    def __enter__(self) -> Level:
        self.level.outer = innermost.get()
        innermost.set(self.level)
        levels.append(self.level)
        return self.level

    def __exit__(self, *_: Any) -> None:
        self.level.active = False
        levels.remove(self.level)
        innermost.set(self.level.outer)


class Batched:
    """The values of all samples of a :class:`Level`, in the place of the array of one sample: ``array`` has the samples as dimension 0.

    ``array`` is an ndarray, or a Batched of an outer level. It has the attributes of an array that say what it is, but nothing to compute with, so that
    a kernel raises. ``+`` alone is there, for sums of gradients.
    """

    __slots__ = ("__weakref__", "array", "level")
    __array_ufunc__ = None  # numpy's functions raise, and ndarray + Batched calls Batched.__radd__

    def __init__(self, array: Any, level: Level):
        self.array, self.level = array, level

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, as all others."""
        return self.array.shape[1:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim - 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those whose samples the values differ for: the last first."""
        return (self.level, *getattr(self.array, "levels", ()))

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes between elements."""
        return self.array.strides[1:]

    @property
    def flags(self) -> Any:
        """Of the array."""
        return self.array.flags

    @property
    def base(self) -> Any:
        """Of the array."""
        return self.array.base

    def astype(self, dtype: Any, copy: bool = True) -> Batched:
        """In another dtype."""
        return Batched(self.array.astype(dtype, copy=copy), self.level)

    def copy(self) -> Batched:
        """With memory of its own."""
        return Batched(self.array.copy(), self.level)

    def view(self) -> Batched:
        """The same memory."""
        return Batched(self.array.view(), self.level)

    def __len__(self) -> int:
        return self.shape[0]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"vmap: '{name}' of an array needs the numbers of a tensor, and inside vmap they differ from sample to sample")

    def __add__(self, other: Any) -> Any:
        return (wrap(self) + other)._data

    __radd__ = __add__

    def __repr__(self) -> str:
        return f"Batched({self.array!r})"


def _refused(what: str) -> Callable:
    def method(self: Batched, *_: Any, **__: Any) -> Any:
        """Raises ``RuntimeError``."""
        raise RuntimeError(
            f"vmap: {what} needs the numbers of a tensor of shape {self.shape}, and inside vmap they differ from sample to sample. "
            "Compute with ops of tensors (mg.where(condition, a, b) instead of if), or do this outside of vmap"
        )

    return method


for _name, _what in {
    "__bool__": "bool(), as in `if x > 0`,", "__float__": "float()", "__int__": "int()", "__index__": "using it as a Python integer",
"__array__": "numpy", "__array_function__": "numpy", "__iter__": "a loop over its numbers",
    "__dlpack__": "__dlpack__()", "__reduce_ex__": "pickling",
    **dict.fromkeys(("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"), "a comparison outside of ops"),
    "item": "item()", "tolist": "tolist()", "ctypes": "data_ptr()",
}.items():  # fmt: skip
    setattr(Batched, _name, _refused(_what))
Batched.__hash__ = object.__hash__  # type: ignore[method-assign]  # not that of numbers

ARRAYS = (np.ndarray, Batched)


# ---------------------------------------------------------------------------------------------- rules


def batched(rule: Callable[..., Any]) -> Callable[[F], F]:
    """Declare the batching rule of the op below it: see the module's docstring, which says what a rule takes and returns.

    >>> import numpy as np, minigrad as mg
    >>> @mg.batched(lambda run, x: run(x))
    ... @mg.op(x=lambda g: 2 * g)
    ... def twice(x):
    ...     return np.multiply(x, 2)
    >>> from minigrad.func import vmap
    >>> doubled = vmap(twice)
    >>> doubled(mg.ones(3)), dict(doubled.looped)
    (tensor([2., 2., 2.]), {})
    """

    def declare(function: F) -> F:
        function.op.batching = rule  # type: ignore[attr-defined]
        return function

    return declare


def batches(values: Any) -> Iterator[Batched]:
    """The Batched among values and in their tuples and lists."""
    for value in values:
        if type(value) is Batched:
            yield value
        elif type(value) is tuple or type(value) is list:
            yield from batches(value)


def any_batched(values: Any) -> bool:
    """Whether there is a Batched among values and in their tuples and lists."""
    for value in values:
        kind = type(value)
        if kind is Batched or ((kind is tuple or kind is list) and any_batched(value)):
            return True
    return False


class Unknown:
    """What a kernel gets for an operand that answers in its place, such as a complex pair: nothing that it could compute with."""

    __slots__ = ("operand",)

    __array_ufunc__ = None

    def __init__(self, operand: Any):
        self.operand = operand

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError("no array")  # else numpy would make one of objects


def last_level(values: Any) -> Level | None:
    """The innermost level of the Batched among values and in their tuples and lists; None if there is none, or an Unknown that answers."""
    found: Level | None = None
    for value in values:
        kind = type(value)
        if kind is Batched:
            level = value.level
        elif kind is tuple or kind is list:
            level = last_level(value)
        elif kind is Unknown:
            return None
        else:
            continue
        if found is None or (level is not None and level.number > found.number):
            found = level
    return found


def innermost_of(values: Any) -> Level:
    """:func:`last_level` of values among which there is a Batched."""
    level = last_level(values)
    assert level is not None
    return level


def _is_plain(values: Any) -> bool:
    """Whether there is neither a Tensor nor a Batched among values and in their tuples and lists."""
    for value in values:
        kind = type(value)
        if kind not in _SIMPLE and (kind is Batched or kind in tensor_types or ((kind is tuple or kind is list) and not _is_plain(value))):
            return False
    return True


_SIMPLE = {np.ndarray, int, float, bool, str, type(None)}  # types of what is no Tensor, and holds none


class Run:
    """The kernel of ``op`` for its batching rule: it takes the inputs in their order, and the static arguments by name."""

    __slots__ = ("level", "op", "size")

    def __init__(self, op: Any, level: Level):
        self.op, self.level, self.size = op, level, level.size

    def __call__(self, *inputs: Any, **statics: Any) -> Any:
        if len(statics) != len(self.op.statics):
            statics = self.op.statics | statics
        if _is_plain(inputs) and _is_plain(statics.values()):  # nearly always: the values of one level only
            return self.op.run(inputs, statics)
        return lifted(run_kernel(self.op, lowered(inputs), {name: lowered(value) for name, value in statics.items()}))

    def front(self, x: Any) -> Any:
        """``x`` with the batch as dimension 0, of size 1 if it is the same for all samples. What is no array stays what it is."""
        if type(x) is Batched and x.level is self.level:
            array = x.array
            return array if type(array) is np.ndarray else wrap(array)
        return lifted(x)[None] if isinstance(x, ARRAYS) else x

    def one_by_one(self, *inputs: Any, **statics: Any) -> Any:
        """The results of the kernel for each sample in turn, stacked: for an op without a rule, or for inputs that its rule does not treat."""
        self.level.looped[self.op.name] += 1
        if not self.size:
            raise RuntimeError(f"vmap: {self.op.name} runs sample by sample, and there is no sample to tell the shape of its result")
        return _together(self.op, [self.sample(i, inputs, statics) for i in range(self.size)])

    def sample(self, i: int, inputs: Sequence[Any], statics: dict[str, Any]) -> Any:
        """The result of the kernel for sample ``i``."""
        ours = [x[min(i, x.shape[0] - 1), ...] if is_array(x) else x for x in inputs]
        return self(*ours, **{name: _of_sample(value, i, self.level) for name, value in statics.items()})


def _of_sample(value: Any, i: int, level: Level) -> Any:
    """A static argument for sample ``i``."""
    if type(value) is Batched and value.level is level:
        return lifted(value.array)[i, ...]
    return type(value)([_of_sample(v, i, level) for v in value]) if type(value) in (tuple, list) else value


def _together(op: Any, parts: list[Any]) -> Any:
    """Results of all samples as one, with the batch in front: those that are no arrays must be the same."""
    first = parts[0]
    if isinstance(first, tuple):
        return tuple([_together(op, list(these)) for these in zip(*parts, strict=True)])
    if not hasattr(first, "shape"):
        return first
    shapes = [p.shape for p in parts]
    if any(shape != first.shape for shape in shapes):
        other = next(shape for shape in shapes if shape != first.shape)
        raise RuntimeError(
            f"vmap: {op.name} gives results of different shapes for different samples ({first.shape} and {other}), which do not make one tensor"
        )
    return lifted(stacked([lowered(p) for p in parts]))


def aligned(inputs: Sequence[Any]) -> Sequence[Any]:
    """Inputs with the batch in front, and as many dimensions as the one with most of them: samples are broadcast from their last dimension."""
    if len(inputs) == 1:
        return inputs
    ndim = max([x.ndim for x in inputs if is_array(x)])
    return [x.reshape((x.shape[0], *[1] * (ndim - x.ndim), *x.shape[1:])) if is_array(x) and x.ndim < ndim else x for x in inputs]


def repeated(x: Any, size: int) -> Any:
    """An input with the batch in front as one of ``size`` samples, without a copy."""
    if not is_array(x) or x.shape[0] == size:
        return x
    shape = (size, *x.shape[1:])
    return np.broadcast_to(x, shape) if isinstance(x, np.ndarray) else x.expand(shape)


def for_samples(array: np.ndarray, like: Any) -> Any:
    """``array``, a copy for each sample if the Tensor or array ``like`` differs from sample to sample: so that such values can be written into it."""
    like = getattr(like, "_data", like)
    return alike_in(like.levels, array).copy() if type(like) is Batched else array


def alike_in(levels: Sequence[Level], array: np.ndarray) -> Any:
    """``array`` as one that may differ for the samples of ``levels``, without a copy."""
    found: Any = array
    for level in sorted(levels, key=lambda level: level.number):
        found = Batched(lowered(repeated(lifted(found)[None], level.size)), level)
    return found


def moved(x: Any, source: int, target: int) -> Any:
    """``np.moveaxis`` of an array or a Tensor."""
    if source == target:
        return x
    return np.moveaxis(x, source, target) if isinstance(x, np.ndarray) else x.movedim(source, target)


def rearranged(x: Any, order: Sequence[int]) -> Any:
    """``np.transpose`` of an array or a Tensor."""
    return x.transpose(order) if isinstance(x, np.ndarray) else x.permute(*order)


def is_array(x: Any) -> bool:
    """Whether a rule has to do with an array (or the Tensor that stands for a Batched), and not with a number or None."""
    return isinstance(x, np.ndarray) or type(x) in tensor_types


def each_sample(function: Callable[..., Any], *values: Any) -> Any:
    """``function(*values)``, whatever it is; where values, or what is in their tuples, differ from sample to sample, for each sample in turn.

    For what is computed beside the ops: positions, masks, signs.
    """
    level = last_level(values)
    if level is None:
        return function(*values)
    parts = [each_sample(function, *[lowered(_of_sample(v, i, level)) for v in values]) for i in range(level.size)]
    if isinstance(parts[0], tuple):
        return tuple([Batched(stacked(these), level) for these in zip(*parts, strict=True)])
    return Batched(stacked(parts), level)


def lifted(x: Any) -> Any:
    """A Tensor in the place of a Batched, which has no methods to compute with, also in tuples and lists."""
    if type(x) in _SIMPLE:
        return x
    if type(x) is tuple or type(x) is list:
        return type(x)([lifted(v) for v in x])
    return wrap(x) if type(x) is Batched else x


def lowered(x: Any) -> Any:
    """The opposite of :func:`lifted`, also in tuples and lists."""
    if type(x) in _SIMPLE:
        return x
    if type(x) is tuple or type(x) is list:
        return type(x)([lowered(v) for v in x])
    return x._data if type(x) in tensor_types else x


def applied(op: Any, formula: Callable[..., Any], g: Any, args: Sequence[Any], sources: Sequence[Any]) -> Any:
    """``formula(g, *args)`` of ``op``, for arrays among which some are Batched, or for Tensors."""
    if type(g) is not Batched:
        try:
            return formula(g, *args)
        except Exception:
            if not any_batched((g, *args)):
                raise
    return of_samples(op, formula, g, args, sources)


def of_samples(op: Any, formula: Callable[..., Any], g: Any, args: Sequence[Any], sources: Sequence[Any]) -> Any:
    """``formula(g, *args)`` where some are Batched: with Tensors in their places, or, for one that needs the numbers, sample by sample.

    A Batched has no operators, but formulas consist of operators and ops of Tensors; only those of a user's Function may be anything.
    The formula of an elementwise op is elementwise too, and so takes the arrays of all samples.
    """
    if op.elementwise and (elements := _of_elements(formula, g, args, sources)) is not None:
        return elements
    try:
        return lowered(formula(lifted(g), *[x if source is None else lifted(x) for x, source in zip(args, sources, strict=True)]))
    except Exception:
        level = innermost_of((g, *args))
        parts = []
        for i in range(level.size):
            ours = [lowered(_of_sample(x, i, level)) for x in (g, *args)]
            part = applied(op, formula, ours[0], ours[1:], sources)
            parts.append([p() if isinstance(p, FunctionType) else p for p in part] if type(part) in (tuple, list) else part)
        if not parts:
            raise
        level.looped[f"gradient of {op.name}"] += 1
        if type(parts[0]) is not list:
            return _stack_numbers(parts, level)
        return tuple([None if these[0] is None else _stack_numbers(these, level) for these in zip(*parts, strict=True)])


def _of_elements(formula: Callable[..., Any], g: Any, args: Sequence[Any], sources: Sequence[Any]) -> Any:
    """``formula(g, *args)`` of an elementwise op: it is elementwise too, so it takes arrays of all samples. None where it has others to take."""
    level = innermost_of((g, *args))
    given = []
    for x, source in zip((g, *args), ("g", *sources), strict=True):
        if type(x) is Batched and x.level is level:
            x = x.array
        elif type(x) is np.ndarray:
            x = x[None]
        if isinstance(x, (tuple, list, Batched)) or type(x) in tensor_types or (source == "res" and is_array(x)):  # levels, or shapes
            return None
        given.append(x)
    found = formula(*aligned(given))
    return Batched(repeated(found, level.size), level) if type(found) is np.ndarray else None


def _stack_numbers(parts: Sequence[Any], level: Level) -> Batched:
    return Batched(stacked([p if type(p) is Batched else np.asarray(lowered(p)) for p in parts]), level)


def run_kernel(op: Any, inputs: Sequence[Any], statics: dict[str, Any]) -> Any:
    """What the kernel returns, of arrays or of Batched."""
    level = last_level((*inputs, *statics.values()))
    return op.run(inputs, statics) if level is None else run_batched(op, inputs, statics, level)


def run_batched(op: Any, inputs: Sequence[Any], statics: dict[str, Any], level: Level) -> Any:
    """What the kernel of ``op`` returns for all samples of ``level``, the innermost of its arguments: arrays with the batch in front, as Batched."""
    run = Run(op, level)
    rule = op.batching or (_elementwise if op.elementwise else Run.one_by_one)
    given = [run.front(x) for x in inputs]
    try:
        returned = rule(run, *given, **statics)
    except Exception:
        for i in range(level.size):
            run.sample(i, given, statics)  # raises the error of a call for one sample, with its shapes and its number
        raise
    return tuple([_packed(r, level) for r in returned]) if type(returned) is tuple else _packed(returned, level)


def _packed(returned: Any, level: Level) -> Any:
    """What a rule returned, as a Batched; a residual that is no array stays what it is."""
    if type(returned) is np.ndarray:
        return Batched(returned if returned.shape[0] == level.size else repeated(returned, level.size), level)
    array = lowered(returned)
    return Batched(lowered(repeated(returned, level.size)), level) if isinstance(array, ARRAYS) else array


def _elementwise(run: Run, *inputs: Any, **statics: Any) -> Any:
    return run(*aligned(inputs), **statics)


def stacked(parts: Sequence[Any], axis: int = 0) -> Any:
    """``np.stack`` of arrays, among them Batched."""
    levels = [p.level for p in parts if type(p) is Batched]
    if not levels:
        return np.stack(parts, axis)
    level = max(levels, key=lambda level: level.number)
    alike = [p.array if type(p) is Batched and p.level is level else lowered(repeated(lifted(p)[None], level.size)) for p in parts]
    return Batched(stacked(alike, axis + 1), level)


def memory_of(x: Any) -> np.ndarray:
    """The ndarray that holds the numbers of all samples."""
    while type(x) is Batched:
        x = x.array
    return x


def refuse_write(name: str, old: Any, new: Any) -> None:
    """Raise ``RuntimeError`` if ``new`` differs from sample to sample and ``old``, in whose place it is written, does not."""
    if type(new) is Batched and not (type(old) is Batched and old.level.number >= new.level.number):
        raise RuntimeError(
            f"{name}: inside vmap a value that differs from sample to sample cannot be written into a tensor (shape {old.shape}) that is the same for "
            "all samples; use the function that returns a new tensor, as y = x + 1 instead of x += 1"
        )


def is_batched(x: Any) -> bool:
    """Whether a Tensor, or what stands for its array, differs from sample to sample."""
    return type(x) is Batched or (type(x) in tensor_types and type(x._data) is Batched)
