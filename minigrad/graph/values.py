"""The arrays of a graph: operands and result of each op, and arrays as text that JSON can carry.

A node holds only what backward needs. What else there was is computed again, in the order of creation, by the ops' kernels; arrays that
:class:`~minigrad.graph.record` noted during the run are taken as they are. What cannot be known (a constant array that nothing kept) is None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import Node, Pick, TensorBase
from minigrad.files.html import encoded

WHOLE = 65_536  # elements of an array that is carried whole (LeNet's largest has 48,000); of a larger one its histogram and a small image
MAPS, SIDE = 8, 32  # feature maps in that image, and its pixels along an axis
BUDGET = 400_000  # elements after which only small arrays are carried whole, and smaller images


class Values:
    """``results``: node -> its array (a tuple for several results); ``operands``: node -> the arrays of its arguments; None where unknown."""

    def __init__(self, nodes: Sequence[Node], outputs: Mapping[str, TensorBase]):
        self.results: dict[Node, Any] = {t._node: t._data for t in outputs.values() if t._node is not None}
        self.operands: dict[Node, list[Any]] = {}
        with engine.no_grad(), np.errstate(all="ignore"):
            for node in nodes:
                if isinstance(node, Pick):
                    whole = self.results.get(node.parents[0])
                    self.results.setdefault(node, None if whole is None else whole[node.index])
                elif node.plan is None:
                    tensor = node.tensor()  # type: ignore[attr-defined]
                    self.results[node] = None if tensor is None else tensor._data
                else:
                    self._op(node)
        for node, given in self.operands.items():  # a leaf whose tensor is gone
            for parent, value in zip(node.parents, given, strict=True):
                if parent is not None and self.results.get(parent) is None:
                    self.results[parent] = value

    def _op(self, node: Node) -> None:
        recorded = engine.arrays_of(node)
        if recorded is not None:
            self.operands[node] = [_array(v) for v in recorded[0]]
            self.results.setdefault(node, tuple(map(_array, recorded[1])) if isinstance(recorded[1], tuple) else _array(recorded[1]))
            return
        op = node.op
        given = [None if parent is None else self.results.get(parent) for parent in node.parents]
        absent = set()  # arguments that were None
        kept: dict[int, Any] = {}  # of several results, those that a formula names
        for _, _, sources, args in node.formulas():
            for source, value in zip(sources, args, strict=True):
                if isinstance(source, int) and given[source] is None:
                    given[source] = _array(value)
                    if value is None:
                        absent.add(source)
                elif isinstance(source, str) and source.startswith("out_"):
                    kept[int(source[4:])] = value
                elif source == "out" and _array(value) is not None:
                    self.results.setdefault(node, value)
        if hasattr(node, "constant"):
            given[[parent is None for parent in node.parents].index(True)] = node.constant
        self.operands[node] = given
        # Without all operands there is no result: a bias that nothing kept looks like one that was not given, and the sum would lack it.
        if node not in self.results and all(v is not None or i in absent for i, v in enumerate(given)):
            result = op.run(given, node.static)
            several = isinstance(result, tuple) and node.dtype is None
            result = result[0] if isinstance(result, tuple) and not several else result  # without the by-product that formulas name res
            if several or _array(result) is not None:
                self.results[node] = result if several else np.asarray(result, dtype=node.dtype)
        if node.dtype is None:
            self.results.setdefault(node, tuple(kept.get(i) for i in range(len(node.shape))))


def _array(value: Any) -> Any:
    """``value`` if it is an array or a number; None for None, and for what vmap puts in the place of an array."""
    return value if isinstance(value, (np.ndarray, np.generic, bool, int, float)) else None


class Arrays(Mapping[str, Any]):
    """Key -> array as :func:`packed` gives it. An array is packed when it is first asked for: a picture without numbers never asks.

    >>> import numpy as np
    >>> arrays = Arrays()
    >>> Store(arrays).add(np.ones(3))
    'a0'
    >>> arrays["a0"]["shape"]
    [3]
    """

    def __init__(self, known: Mapping[str, Any] = MappingProxyType({})):
        self._known: dict[str, Any] = dict(known)  # packed, or a tuple: what packed is called with

    def hold(self, key: str, array: np.ndarray, *limits: int) -> None:
        """Take an array under ``key``, and the ``limits`` with which to pack it."""
        self._known[key] = (array, *limits)

    def promise(self, key: str, make: Callable[[], dict[str, Any]]) -> None:
        """Take under ``key`` what ``make()`` returns, once it is asked for."""
        self._known[key] = make

    def __getitem__(self, key: str) -> Any:
        found = self._known[key]
        if callable(found):
            found = self._known[key] = found()
        if isinstance(found, tuple):
            found = self._known[key] = packed(*found)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Store:
    """The arrays of a graph, each once: ``add`` returns the key of an array, ``promise`` that of data about arrays that is made when asked for."""

    def __init__(self, arrays: Arrays):
        self.arrays = arrays
        self._keys: dict[int, tuple[str, Any]] = {}
        self._elements = 0

    def add(self, value: Any, lent: bool = False) -> str:
        """The key of ``value`` in ``arrays``; empty for None and for what is no array of numbers.

        ``lent``: the program may write into it (a parameter, an input), so it is copied; so is a view, whatever it is of.
        """
        if _array(value) is None:
            return ""
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            return ""
        if id(value) not in self._keys:
            key = f"a{len(self._keys)}"
            self._keys[id(value)] = (key, value)  # which is held, so that no other has its id
            whole, maps, side = (WHOLE, MAPS, SIDE) if self._elements < BUDGET else (512, 4, 16)
            self.arrays.hold(key, array.copy() if lent or array.base is not None else array, whole, maps, side)
            self._elements += min(array.size, whole if array.size <= whole else maps * side * side)
        return self._keys[id(value)][0]

    def promise(self, make: Callable[[], dict[str, Any]]) -> str:
        """The key of what ``make()`` returns, once it is asked for."""
        key = f"m{len(self.arrays)}"
        self.arrays.promise(key, make)
        return key


MOVING = {
    "shape",
    "index",
    "fold",
}  # the families of ops that compute nothing: each cell of a result is a cell of an operand, or a constant


def moves(node: Node, operands: Sequence[Any]) -> dict[str, Any]:
    """Of an op that computes nothing, which cell of an operand each cell of a result is.

    The operands' cells are numbered on, from ``starts``; ``moved`` has for each result the numbers of its cells (base64 of float32; an empty
    text if they are 0, 1, 2, ...), -1 for a constant such as padding. It is None where nothing is known: of an op that does compute, and of
    large results.

    The op is run on these numbers, twice: what it moves has grown by as much as they have, what is constant has not.
    """
    numbered, starts, total = [], [], 0
    for value in operands:
        movable = isinstance(value, np.ndarray) and value.dtype.kind == "f"  # an index is needed as it is
        starts.append(total)
        numbered.append(np.arange(total, total + value.size, dtype=np.float64).reshape(value.shape) if movable else value)
        total += value.size if movable else 0
    results = node.shape if node.dtype is None else (node.shape,)
    sizes = [math.prod(shape[0] if node.dtype is None else shape) for shape in results]
    unknown = {"shape": [], "starts": starts, "moved": [None] * len(sizes)}
    if max(sizes, default=0) > WHOLE or total > 1 << 24 or node.levels or any(value is None for value in operands):
        return unknown

    def run(more: float) -> tuple[Any, ...]:
        given = [v + more if v is not operands[i] else v for i, v in enumerate(numbered)]
        found = node.op.run(given, node.static)
        return found if node.dtype is None else (found[0] if isinstance(found, tuple) else found,)

    with engine.no_grad(), np.errstate(all="ignore"):
        pairs = list(zip(run(0.0), run(float(total)), strict=True))
    if not all(np.isin(more - cells, (0, total)).all() for cells, more in pairs):
        return unknown
    moved = [np.where(more == cells, -1, cells).ravel() for cells, more in pairs]
    return {**unknown, "moved": ["" if np.array_equal(m, np.arange(m.size)) else encoded(m) for m in moved]}


def text_of(array: np.ndarray, digits: int = 4) -> str:
    """The numbers of an array of at most four elements; else nothing.

    >>> import numpy as np
    >>> text_of(np.array([0.25, 3.0])), text_of(np.zeros(5))
    ('[0.25, 3]', '')
    """
    if array.size > 4 or array.ndim > 1:
        return ""
    return f"{array.item():.{digits}g}" if array.ndim == 0 else "[" + ", ".join(f"{v:.{digits}g}" for v in array.tolist()) + "]"


def packed(array: Any, whole: int = WHOLE, maps: int = MAPS, side: int = SIDE) -> dict[str, Any]:
    """An array as JSON can carry it.

    ``shape``, ``dtype``, the finite extremes ``low`` and ``high``, the ``mean``, and how many are not finite (``odd``). Of at most ``whole``
    elements all are in ``data``: little-endian float32 in base64. Of a larger one ``small`` is its first maps, made smaller by averaging,
    in the same form with a shape, and ``counts`` the histogram between the extremes.

    >>> import numpy as np
    >>> import base64
    >>> p = packed(np.array([[1.0, -2.0]]))
    >>> p["shape"], p["low"], p["high"], np.frombuffer(base64.b64decode(p["data"]), "<f4")
    ([1, 2], -2.0, 1.0, array([ 1., -2.], dtype=float32))
    """
    array = np.asarray(array)
    flat = array.astype(np.float64).ravel()
    good = np.isfinite(flat)
    finite = flat if good.all() else flat[good]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    found: dict[str, Any] = {
        "shape": list(array.shape), "dtype": array.dtype.name, "low": low, "high": high,
        "mean": float(finite.mean()) if finite.size else 0.0, "odd": int(flat.size - finite.size),
    }  # fmt: skip
    if flat.size <= whole:
        return found | {"data": encoded(array)}
    counts, _ = np.histogram(finite, 32, (low, high if high > low else low + 1))
    small = shrunk(array, maps, side)
    return found | {"counts": counts.tolist(), "small": {"shape": list(small.shape), "data": encoded(small)}}


def shrunk(array: np.ndarray, maps: int = MAPS, side: int = SIDE) -> np.ndarray:
    """The first ``maps`` matrices of ``array``, made no larger than ``side`` × ``side``, each pixel the mean of those it stands for: (matrices, rows, columns).

    >>> import numpy as np
    >>> shrunk(np.ones((2, 64, 64, 64))).shape
    (8, 32, 32)
    """
    found = (array.reshape(-1, *array.shape[-2:])[:maps] if array.ndim > 1 else array.reshape(1, 1, -1)).astype(np.float64)
    for axis in (1, 2):
        length = found.shape[axis]
        if length > side:
            edges = np.arange(side) * length // side
            sizes = np.diff([*edges, length])
            found = np.add.reduceat(found, edges, axis) / (sizes[:, None] if axis == 1 else sizes)
    return found
