"""Who else uses the memory of a Tensor, and whom a write to a view writes too.

A Tensor is a value: a write gives it a new value, and changes no other Tensor, no array that a graph keeps and none that numpy has. There is one
exception. What an op makes that :func:`~minigrad.engine.rules.views` marks (indexing, reshaping, transposing, splitting ...), ``detach()`` and
``x.data`` is a *view* of a Tensor, its source, and **a write to a view writes the Tensors that it was taken from as well**:

1. *Memory*: the view and its sources are first given memory that nobody else uses, :func:`own_memory`. Mostly they have it: a look at a few
   reference counts says so. Then the write goes to that memory, and they all have the new value.
2. *Graph*: if the write is recorded, each source gets the node of ``put``: the source with the view's new value at the view's places,
   :func:`places`. So gradients are those of the values that were used, as with ``x[i] = value``.

A view remembers its source by a weak reference: it does not keep it alive, and is a Tensor of its own when it is gone.
If a source was written after the view was taken, the view has kept the old value (it is a value). It is still a view as long as that value and the
source's are equal at its places: then it is taken again, so that ``a, b = x.chunk(2)`` can both be written. And it is when all of it is written,
as by ``fill_``. Else a write to it is refused, see :func:`reached`.
"""

from __future__ import annotations

import gc
import itertools
import math
import sys
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.engine import Node, TensorBase, is_batched, is_grad_enabled, memory_of, tensor_types, wrap
from minigrad.tree import leaves, tree_map


class Lender:
    """What lends its memory to a Tensor: an array of the user's, which that Tensor writes.

    It is the base of the Tensor's array, and so the root of all views of that: numpy looks no further.
    """

    __slots__ = ("__array_interface__", "array", "borrower")

    def __init__(self, array: np.ndarray):
        self.array = array
        self.__array_interface__ = array.__array_interface__
        self.borrower: weakref.ref[TensorBase] | None = None


def over(array: np.ndarray) -> Any:
    """A Tensor that shares the memory of ``array`` both ways; one that copies when it is written, if ``array`` is read-only."""
    if not array.flags.writeable:
        return wrap(array)
    lender = Lender(array)
    tensor = wrap(np.asarray(lender))
    lender.borrower = weakref.ref(tensor)
    return tensor


def borrows(t: TensorBase) -> bool:
    """Whether a write goes to the array of a user's that ``t`` was made over, or is a view of while nobody else is made over it."""
    lender: Any = root_of(t._data).base
    if type(lender) is not Lender:
        return False
    borrower = lender.borrower() if lender.borrower is not None else None
    if borrower is None:
        lender.borrower = weakref.ref(t)
    return borrower is None or borrower is t


# -------------------------------------------------------------------------------- how many refer to an array


def _array_holders(t: TensorBase) -> int:
    return sys.getrefcount(t._data)


def _base_holders(t: TensorBase) -> int:
    return sys.getrefcount(t._data.base)


class _Probe(TensorBase):
    __slots__ = ()

    def __getitem__(self, key: Any) -> _Probe:
        return _Probe()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __iadd__(self, counts: list[int]) -> _Probe:
        counts.append(sys.getrefcount(self))
        return self


def _calibrate() -> tuple[int, int, int]:
    """The reference counts, in this Python version, of an array, of a view's base and of a temporary Tensor without other references.

    The last is measured in ``__iadd__``, for the ``x[i]`` of ``x[i] += y``; it is -1 if it is the same as for a Tensor in a variable.
    """
    probe, counts = _Probe(), []  # type: ignore[var-annotated]
    probe._data = np.empty(1)
    array = _array_holders(probe)
    probe._data = np.empty(2)[:1]
    base = _base_holders(probe)
    named = probe[0]
    named += counts
    probe[0] += counts
    return array, base, counts[1] if counts[1] < counts[0] else -1


_ARRAY_ALONE, _BASE_ALONE, IN_PLACE_TEMPORARY = _calibrate()


def shares_memory(t: TensorBase) -> bool:
    """Whether ``t`` is a view whose memory is also used by another array (the result of indexing, reshaping, detach())."""
    base = t._data.base
    if base is None:
        return False
    owner = isinstance(base, np.ndarray) and base.base is None  # False for memory of another library, a file or a buffer
    del base
    return not (owner and _base_holders(t) <= _BASE_ALONE)


def writable(t: TensorBase) -> bool:
    """Whether nothing else refers to the memory of ``t``, so that it may be written in place."""
    return _array_holders(t) <= _ARRAY_ALONE and not shares_memory(t) and t._data.flags.writeable


def root_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory of ``array``: its base, or ``array`` itself if it is not a view."""
    base: Any = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # as_strided puts an object between two arrays
    return array


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


# id of an array -> (the array, the Tensors that left its memory when they were written while views of it may still exist, with the address,
# strides and shape that they had in it)
_left: dict[int, tuple[weakref.ref[np.ndarray], list[tuple[weakref.ref[TensorBase], int, Any, Any]]]] = {}


def leave_memory(t: TensorBase) -> None:
    """Store that ``t`` leaves its memory for a new array, so that views of the old memory know where it was."""
    array = memory_of(t._data)
    root = root_of(array)
    if sys.getrefcount(root) <= _ARRAY_ALONE + 1 + (array is root):  # and the variables here
        return
    _remember(root, [(weakref.ref(t), _address(array), array.strides, array.shape)])


def _remember(root: np.ndarray, those_who_left: list) -> None:
    key = id(root)
    if key not in _left:
        _left[key] = (weakref.ref(root, lambda _: _left.pop(key, None)), [])
    _left[key][1].extend(those_who_left)


# -------------------------------------------------------------------------------------- what a write to a view reaches


def reached(view: TensorBase, name: str | None, whole: bool = False) -> list[tuple[Any, bool]]:
    """The Tensors that a write to ``view`` writes too: those in use that it was taken from, the nearest first.

    Each comes with whether a ``detach()`` is between: then the write is none of its graph's business. Raises ``RuntimeError`` with the ``name`` of
    the operation where the write cannot be done right; without a name such a view counts as a Tensor of its own. ``whole``: the write leaves nothing
    of the old value.
    """
    link = getattr(view, "_source", None)
    if link is None or not view._data.size:
        return []
    before = view._data, view._node
    try:
        return _reached(view, link, name, whole)
    except RuntimeError:
        if not view._is_name:
            view._data, view._node = before  # what is refused changes nothing
        raise


def _reached(view: TensorBase, link: Any, name: str | None, whole: bool) -> list[tuple[Any, bool]]:
    if name is not None and not is_batched(view):
        _refuse_overlap(view._data, name)
    found: list[tuple[Any, bool]] = []
    cut = False
    while link is not None:
        known, link, detached = link if type(link) is tuple else (link, None, False)
        cut = cut or detached
        source = known()
        if source is None:
            continue
        if root_of(memory_of(source._data)) is not root_of(memory_of(view._data)) and not _caught_up(view, found, source, cut, name, whole):
            continue  # the op copied, or the source was given other memory: the view is none of this one
        if name is not None and not is_batched(source):
            _refuse_overlap(source._data, name)
        found.append((source, cut))
    if name is not None:
        if found:
            _refuse_unrecorded(view, found, name)
        elif (other := _sibling(view)) is not None:
            raise RuntimeError(
                f"{name}: this view shares its memory with another one, of shape {tuple(other.shape)}, of a tensor that is no longer there. "
                "Tensors are values here: unlike in PyTorch, the other would not change. Write y = y + 1 instead of y += 1, or y = x[i].clone() first"
            )
    return found


def _refuse_overlap(array: np.ndarray, name: str) -> None:
    """Raise ``RuntimeError`` if several elements of a view are one place of memory."""
    reach = 0
    for step, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step <= reach and (not step or np.unique(places(array, array)).size < array.size):
            raise RuntimeError(
                f"{name}: several elements of this tensor are a single place in memory, because it was expanded, or its windows overlap. "
                "Write x.clone() instead, or the tensor that it is a view of"
            )
        reach += step * (n - 1)


def _refuse_unrecorded(view: TensorBase, found: list[tuple[Any, bool]], name: str) -> None:
    """Raise ``RuntimeError`` if the write to ``view`` would be lost to the graph of a Tensor that it is a view of."""
    if any(is_batched(t) for t in (view, *[source for source, _ in found])):
        raise RuntimeError(
            f"{name}: inside vmap this view cannot be written, because its tensor (shape {tuple(found[0][0].shape)}) would not change. "
            "Write x[i] = value into that tensor, or y = y + 1 instead of y += 1"
        )
    if not is_grad_enabled():
        return
    for source, cut in found:
        if cut or source._node is None:
            continue
        if source._node.plan is None:
            raise RuntimeError(
                f"{name}: this is a view of a leaf that requires a gradient, which cannot be written while the graph is recorded. "
                "Write it under `with mg.no_grad():`, or work on a view of x.clone()"
            )
        if view._node is None:
            raise RuntimeError(
                f"{name}: this view was taken under no_grad from a tensor that has a graph, and the write would be recorded. "
                "Take the view again after the no_grad block, or write it under `with mg.no_grad():`"
            )


def _caught_up(view: TensorBase, found: list[tuple[Any, bool]], source: Any, cut: bool, name: str | None, whole: bool) -> bool:
    """Move ``view``, and the ``found`` Tensors between, to the memory for which ``source`` left theirs, if they still show its values.

    (If the ``whole`` of ``view`` is overwritten, what it shows does not matter.)

    False if ``source`` never was in their memory.
    """
    root = root_of(memory_of(view._data))
    before = [place for known, *place in (_left[id(root)][1] if id(root) in _left else ()) if known() is source]
    if not before:
        return False
    (address, strides, shape), now = before[-1], source._data
    members = [view, *[t for t, _ in found]]
    recorded = is_grad_enabled() and not cut and source._node is not None and source._node.plan is not None
    if type(now) is np.ndarray and (now.shape, now.strides) == (shape, strides):
        from minigrad.ops.gathering import take  # not every program needs it

        arrays = [_within(now, t._data, address) for t in members]
        if all(
            a is not None and ((whole and t is view) or np.array_equal(a, t._data, equal_nan=True))
            for a, t in zip(arrays, members, strict=True)
        ):
            if name is not None:
                _refuse_unrecorded(view, [*found, (source, cut)], name)
            for a, t in zip(arrays, members, strict=True):
                if recorded and (t._node is not None or t is not view):
                    t._node = take(source, places(now, a))._node  # the graph may have changed where the value has not
                if not t._is_name:
                    leave_memory(t)
                    t._data = a
            return True
    if name is None:
        return False
    raise RuntimeError(
        f"{name}: the tensor of shape {tuple(source.shape)} that this is a view of was written after the view was taken, and the view has kept "
        "the value from before (tensors are values here, unlike in PyTorch). Take the view again after the write, as in y = x[i], "
        "or write x[i] = value"
    )


def _sibling(view: TensorBase) -> Any:
    """Another view in use of the memory of ``view``, whose sources are gone, that overlaps it and was not taken from it."""
    own = memory_of(view._data)
    root = root_of(own)
    if own is root or (own.base is root and sys.getrefcount(root) <= _BASE_ALONE + 1):  # and the variable here
        return None
    for t in tensors():
        array = None if t is view or getattr(t, "_source", None) is None else _slot(t)
        if array is None or array is own or root_of(array) is not root:
            continue
        if not any(source is view for source in _sources(t)) and _overlap(array, own):
            return t
    return None


def _sources(t: TensorBase) -> Iterable[Any]:
    link = getattr(t, "_source", None)
    while link is not None:
        known, link, _ = link if type(link) is tuple else (link, None, False)
        yield known()


def tensors() -> Iterable[Any]:
    """All Tensors in use."""
    objects = gc.get_objects()
    return itertools.compress(objects, map(tensor_types.__contains__, map(type, objects)))


def _slot(t: TensorBase) -> np.ndarray | None:
    """The array in ``t`` itself; None in one that has none (yet), or that is another name for one."""
    array = None if t._is_name else memory_of(_array_slot.__get__(t))
    return array if isinstance(array, np.ndarray) else None


_array_slot: Any = TensorBase.__dict__["_data"]


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


# -------------------------------------------------------------------------------------------- memory, and places in it


def own_memory(view: TensorBase, found: Sequence[tuple[Any, bool]]) -> None:
    """See to it that only ``view`` and the Tensors ``found``, which :func:`reached` returned, use their memory; then it may be written."""
    members = [t for t in (view, *[source for source, _ in found]) if not t._is_name]
    outer = members[-1]
    if outer._data.base is not None and borrows(outer):
        keep_values(members)
    elif not _alone(members):
        _move(members)
    if not view._data.flags.writeable:  # numpy's diagonal is not
        view._data = _within(outer._data, view._data, _address(outer._data))


def _alone(members: list[TensorBase]) -> bool:
    """Whether the arrays of these Tensors, which share memory, are the only ones that do, and held by nobody else."""
    held: dict[int, int] = {}
    for t in members:
        held[id(t._data)] = held.get(id(t._data), 0) + 1
    outer = members[-1]
    base = outer._data.base
    owner = base is None
    if not owner and (type(base) is not np.ndarray or base.base is not None):
        return False
    root = id(outer._data) if owner else id(base)
    del base  # it would be counted
    for t in members:
        if id(t._data) != root and (id(t._data.base) != root or _array_holders(t) > _ARRAY_ALONE + held[id(t._data)] - 1):
            return False
    views = len(held) - (root in held)
    if owner:
        return _array_holders(outer) <= _ARRAY_ALONE + held[root] - 1 + views and outer._data.flags.writeable
    return root not in held and _base_holders(outer) <= _BASE_ALONE + views - 1 and outer._data.flags.writeable


def _move(members: list[Any]) -> None:
    """Give Tensors that share memory a copy of it, which they share in the same way; the last has all elements of the others."""
    whole = members[-1]._data
    address = _address(whole)
    if whole.flags.c_contiguous:
        new = whole.copy()
    else:
        low, high = np.lib.array_utils.byte_bounds(whole)
        memory = np.zeros((high - low) // whole.itemsize, whole.dtype)
        new = np.ndarray(whole.shape, whole.dtype, memory, address - low, whole.strides)
        new[...] = whole
    arrays = [new if t._data is whole else _within(new, t._data, address) for t in members]
    for t, array in zip(members, arrays, strict=True):
        leave_memory(t)
        t._data = array


def _within(whole: np.ndarray, part: np.ndarray, address: int) -> Any:
    """The view of ``whole`` that ``part`` is of an array of the same strides at ``address``; None if it is not inside."""
    root = root_of(whole)
    dense = root.transpose(sorted(range(root.ndim), key=lambda d: -root.strides[d]))
    if not dense.flags.c_contiguous or not part.size:
        return None
    try:
        return np.ndarray(part.shape, part.dtype, dense, _address(whole) - _address(root) + _address(part) - address, part.strides)
    except (TypeError, ValueError):  # outside
        return None


def places(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The flat positions in ``whole`` of the elements of ``part``, a view of its memory: an array of the part's shape."""
    size, item = np.dtype(np.intp).itemsize, whole.itemsize
    low, high = np.lib.array_utils.byte_bounds(whole)
    memory = np.full((high - low) // item, -1, np.intp)

    def spread(a: np.ndarray) -> np.ndarray:
        return np.ndarray(a.shape, np.intp, memory, (_address(a) - low) // item * size, [s // item * size for s in a.strides])

    spread(whole)[...] = np.arange(math.prod(whole.shape)).reshape(whole.shape)
    return spread(part)


def keep_values(writers: Sequence[TensorBase]) -> None:
    """Before ``writers`` write memory that was lent to them: give copies to the other Tensors over that memory, and to graphs that keep it."""
    root = root_of(writers[-1]._data)
    if sys.getrefcount(root) <= _ARRAY_ALONE + 1:  # and the variable here
        return

    def copied(x: Any) -> Any:
        return x.copy() if isinstance(x, np.ndarray) and root_of(x) is root else x

    for thing in gc.get_objects():
        if type(thing) in tensor_types:
            if not any(thing is w for w in writers) and (array := _slot(thing)) is not None and root_of(array) is root:
                thing._data = copy = thing._data.copy()
                if getattr(thing, "_source", None) is not None:  # its sources will not have the values that it keeps
                    thing._data = copy.view()  # so that a write asks for them
                    _remember(root_of(memory_of(copy)), [(weakref.ref(w), 0, None, None) for w in writers])
        elif issubclass(type(thing), Node):  # isinstance would run code of other libraries' objects
            held = getattr(thing, "kept", None), getattr(thing, "static", None)
            if any(isinstance(x, np.ndarray) and root_of(x) is root for x in leaves(held)):
                thing.kept, thing.static = tree_map(copied, held)
