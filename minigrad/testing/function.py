"""Any differentiable function, seen by the checks as a map from a few float64 arrays to one long vector.

:class:`Function` holds copies of the inputs in float64 that the checks may write to, evaluates the function at their present
values, and records it for analytic gradients. :class:`Gradient` is the same view of the function's own gradient, which is
what makes checks of higher order the same code as those of first order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import Op, TensorBase, wrap
from minigrad.random import Generator, default_generator
from minigrad.testing.call import Call
from minigrad.tree import leaves, tree_map, unwrapped


def op_of(fn: Any) -> Op | None:
    """The op that a function is; None for a composite of ops."""
    found = getattr(fn, "op", None)
    return found if isinstance(found, Op) else None


def name_of(fn: Any) -> str:
    """What a function, or a module, is called in messages."""
    return getattr(fn, "__name__", None) or type(fn).__name__


def is_module(fn: Any) -> bool:
    """Whether ``fn`` has parameters of its own. Asked by duck-typing: this room is below ``minigrad.nn``."""
    return callable(getattr(fn, "named_parameters", None))


def _parameter_names(fn: Any, args: tuple) -> list[str]:
    """A name for each positional argument."""
    target = fn.forward if is_module(fn) and hasattr(fn, "forward") else fn
    names: list[str] = []
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):  # builtins have none
        parameters = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}[{i}]" for i in range(len(args) - len(names))]
        elif p.kind is not p.VAR_KEYWORD:
            names.append(p.name)
    return [*names, *(f"argument {i}" for i in range(len(names), len(args)))]


class Leaf:
    """An input array: ``name``, its working copy ``array``, whether its gradient is checked, and whether it is a static argument of an op."""

    def __init__(self, name: str, array: np.ndarray, checked: bool, static: bool = False):
        self.name = name
        self.array = array
        self.checked = checked
        self.static = static
        self.saved: Any = None  # of a parameter: what it held before the check


class _Randomness:
    """Puts every generator that the function draws from back to where it was, before each evaluation."""

    def __init__(self, values: Iterable[Any]):
        self.generators = [default_generator, *(v for v in values if isinstance(v, Generator))]
        self.states = self.now()
        self.used = False

    def now(self) -> list:
        return [g.numpy.bit_generator.state for g in self.generators]

    def look(self) -> None:
        """After the first evaluation: are the generators where they were?"""
        self.used = self.used or any(repr(a) != repr(b) for a, b in zip(self.now(), self.states, strict=True))

    def rewind(self) -> None:
        if self.used:
            for g, state in zip(self.generators, self.states, strict=True):
                g.numpy.bit_generator.state = state


class Recording:
    """A function's results with their graph, for as many vector-Jacobian products as one likes."""

    def __init__(self, leaves: list[Any], outputs: list[Any]):
        self.leaves = leaves
        self.outputs = outputs

    def pullback(self, cotangents: list[Any], create_graph: bool = False, only: int | None = None) -> list[Any]:
        """The gradient of the sum of ``outputs * cotangents`` in each leaf, or one: arrays (Tensors if ``create_graph``), None for zero."""
        pairs = [(y, v) for y, v in zip(self.outputs, cotangents, strict=True) if isinstance(y, TensorBase) and y._node is not None]
        if not pairs or not self.leaves:
            return [None] * len(self.leaves)
        leaves = self.leaves if only is None else [self.leaves[only]]
        found = engine.grad([y for y, _ in pairs], leaves, [v for _, v in pairs], True, create_graph, True)
        return list(found) if create_graph else [None if t is None else t._data for t in found]


class Function:
    """``fn`` at ``call``, as a function of the float64 arrays in ``leaves``.

    Args:
        fn: an op, a function of Tensors, or a module (its parameters become leaves).
        call: its arguments; floating arrays and Tensors in them, also inside lists, tuples and dicts, become leaves.
        wrt: names of the arguments whose gradient is checked; None for all that are differentiable.
    """

    order = 1

    def __init__(self, fn: Any, call: Call, wrt: Iterable[str] | None = None):
        self.fn = fn
        self.call = call
        self.op = op_of(fn)
        self.name = name_of(fn)
        self.is_module = is_module(fn)
        self.leaves: list[Leaf] = []
        self._tensors: list[Any] = []  # what stands for each leaf in a call with Tensors
        self._wrt = None if wrt is None else {wrt} if isinstance(wrt, str) else set(wrt)
        flat = list(leaves((call.args, call.kwargs)))
        self._asked = any(isinstance(v, TensorBase) and v._node is not None for v in flat)
        self.randomness = _Randomness(flat)
        names = _parameter_names(fn, call.args)
        args = [self._take(name, a) for name, a in zip(names, call.args, strict=False)]
        kwargs = {k: self._take(k, a) for k, a in call.kwargs.items()}
        self.inputs = len(self.leaves)
        self._arrays = _swap(lambda leaf: leaf.array, (args, kwargs))
        self._template = (args, kwargs)
        self._parameters: list[tuple[Any, Leaf]] = []
        self._buffers: list[tuple[Any, np.ndarray]] = []
        if is_module(fn):
            for name, p in fn.named_parameters():
                leaf = Leaf(name, np.array(p._data, np.float64), self._is_wanted(name) and p._node is not None)
                self._parameters.append((p, leaf))
                self.leaves.append(leaf)
            if hasattr(fn, "named_buffers"):
                self._buffers = [(b, b._data.copy()) for _, b in fn.named_buffers()]
        known = {*names, *call.kwargs, *(part for leaf in self.leaves for part in (leaf.name, leaf.name.split("[")[0]))}
        unknown = (self._wrt or set()) - known
        if unknown:
            raise ValueError(f"{self.name}: {', '.join(sorted(unknown))} is not an argument; there are {', '.join(sorted(known))}")

    # ------------------------------------------------------------------------------------------ the arguments

    def _is_wanted(self, name: str) -> bool:
        return self._wrt is None or name in self._wrt or name.split("[")[0] in self._wrt

    def _differentiable(self, name: str) -> bool:
        """Whether the argument of a name can have a gradient at all. Where all results are constants, it must be zero."""
        base = name.split("[")[0]
        return self.op is None or base in self.op.formulas or not self.op.formulas

    def _take(self, name: str, value: Any) -> Any:
        """``value`` with a :class:`Leaf` in the place of each floating array."""

        def taken(x: Any, where: str) -> Any:
            array = unwrapped(x)
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                return x
            asked = not self._asked or (isinstance(x, TensorBase) and x._node is not None)
            static = self.op is not None and where.split("[")[0] in self.op.statics
            checked = not static and self._differentiable(where) and self._is_wanted(where) and asked
            leaf = Leaf(where, np.array(array, np.float64, order="C"), checked, static)
            self.leaves.append(leaf)
            return leaf

        return tree_map(taken, value, name)

    @property
    def checked(self) -> list[Leaf]:
        """The leaves whose gradient is checked."""
        return [leaf for leaf in self.leaves if leaf.checked]

    def __enter__(self) -> Function:
        for p, leaf in self._parameters:
            leaf.saved = p._data, p._node, p._grad
        return self

    def __exit__(self, *exc: object) -> None:
        for p, leaf in self._parameters:
            p._data, p._node, p._grad = leaf.saved
        for b, array in self._buffers:
            b._data = array
        self.randomness.rewind()

    def arguments(self, value_of: Callable[[Leaf], Any]) -> tuple:
        """Positional and keyword arguments of a call, with ``value_of(leaf)`` in the place of each leaf."""
        return _swap(value_of, self._template)

    def flat(self, value: Any) -> list[Any]:
        """Everything inside nested lists, tuples and dicts."""
        return list(leaves(value))

    def asks_for_dtype(self) -> bool:
        """Whether the dtype of the result is an argument of the call."""
        default = None if self.op is None else self.op.statics.get("dtype")
        return self.call.kwargs.get("dtype", default) not in (None, inspect.Parameter.empty)

    # ---------------------------------------------------------------------------------------------- evaluation

    def call_plainly(self) -> list[np.ndarray]:
        """The floating results at the leaves' present values, without a graph. An op is called with arrays: its bare kernel."""
        args, kwargs = self._arrays if self.op is not None else self._plain_tensors()
        self.randomness.rewind()
        with engine.no_grad():
            out = self.fn(*args, **kwargs)
        return [y for y in map(_array, leaves(out)) if y is not None]

    def _plain_tensors(self) -> tuple:
        if not self._tensors:
            self._tensors = [_swap(lambda leaf: wrap(leaf.array), self._template)]
        for p, leaf in self._parameters:
            p._data, p._node = leaf.array, None
        return self._tensors[0]

    def record(self) -> Recording:
        """Call the function with Tensors, in order to differentiate it at the leaves' present values."""
        made: dict[int, Any] = {}

        def tensor(leaf: Leaf) -> Any:
            if leaf.static:
                return leaf.array
            made[id(leaf)] = t = wrap(leaf.array)
            return t.requires_grad_() if leaf.checked else t

        args, kwargs = _swap(tensor, self._template)
        for p, leaf in self._parameters:
            p._data, p._node = leaf.array, None
            if leaf.checked:
                p._node = engine.Leaf(p)
            made[id(leaf)] = wrap(leaf.array, p._node)  # the parameter itself leaves the graph at the next evaluation
        self.randomness.rewind()
        with engine.enable_grad():
            out = self.fn(*args, **kwargs)
        outputs = [y for y in leaves(out) if _array(y) is not None]
        return Recording([made[id(leaf)] for leaf in self.checked], outputs)


class Gradient:
    """The gradient of ``base`` with fixed cotangents, as a function of the same leaves: what a check of the next order looks at."""

    def __init__(self, base: Any, cotangents: list[np.ndarray]):
        self.base = base
        self.cotangents = cotangents
        self.order = base.order + 1
        self.fn, self.call, self.op, self.name = base.fn, base.call, base.op, base.name
        self.leaves = base.leaves
        self.randomness = base.randomness
        self.asks_for_dtype = base.asks_for_dtype

    @property
    def checked(self) -> list[Leaf]:
        """The leaves whose gradient is checked."""
        return self.base.checked

    def call_plainly(self) -> list[np.ndarray]:
        """The gradients by an ordinary backward pass, where formulas see arrays."""
        found = self.base.record().pullback(self.cotangents)[: len(self.checked)]
        return [np.zeros_like(leaf.array) if g is None else g for g, leaf in zip(found, self.checked, strict=True)]

    def record(self) -> Recording:
        """The gradients with ``create_graph=True``, where formulas see Tensors; the cotangents are leaves too, the last ones."""
        inner = self.base.record()
        seeds = [wrap(v).requires_grad_() for v in self.cotangents]
        found = inner.pullback(seeds, create_graph=True)[: len(self.checked)]
        outputs = [wrap(np.zeros_like(leaf.array)) if g is None else g for g, leaf in zip(found, self.checked, strict=True)]
        return Recording([*inner.leaves[: len(self.checked)], *seeds], outputs)


def _array(y: Any) -> np.ndarray | None:
    """The array of a floating result; None for everything else."""
    a = unwrapped(y)
    return np.asarray(a) if isinstance(a, (np.ndarray, np.floating)) and a.dtype.kind == "f" else None


def _swap(function: Callable[[Leaf], Any], value: Any) -> Any:
    """``value`` with ``function(leaf)`` in the place of each :class:`Leaf`."""
    return tree_map(lambda x: function(x) if isinstance(x, Leaf) else x, value)
