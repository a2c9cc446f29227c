"""Any differentiable function, seen by the checks as a map from a few float64 arrays to one long vector.

:class:`Function` holds copies of the inputs in float64 that the checks may write to, evaluates the function at their present
values, and records it for analytic gradients. :class:`Gradient` is the same view of the function's own gradient, which is
what makes checks of higher order the same code as those of first order.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import Op, TensorBase, wrap
from minigrad.random import Generator, default_generator
from minigrad.testing.call import Call
from minigrad.testing.report import GradcheckError
from minigrad.tree import leaves, tree_map, unwrapped


def op_of(fn: Any) -> Op | None:
    """The op that a function is; None for a composite of ops."""
    found = getattr(fn, "op", None)
    return found if isinstance(found, Op) else None


def function_class(fn: Any) -> type[engine.Function] | None:
    """The class whose ``apply`` a function is; None for any other."""
    owner = getattr(fn, "__self__", None)
    applied = isinstance(owner, type) and issubclass(owner, engine.Function) and fn.__name__ == "apply"
    return owner if applied else None


def name_of(fn: Any) -> str:
    """What a function, or a module, is called in messages: a Function by its class, a ``functools.partial`` by what it calls."""
    if isinstance(fn, functools.partial):
        return name_of(fn.func)
    return getattr(function_class(fn) or fn, "__name__", None) or type(fn).__name__


def is_module(fn: Any) -> bool:
    """Whether ``fn`` has parameters of its own. Asked by duck-typing: this room is below ``minigrad.nn``."""
    return callable(getattr(fn, "named_parameters", None))


def signature_of(fn: Any) -> inspect.Signature:
    """The signature of what is called: ``forward`` of a module, and that of a Function without its ``ctx``. Raises ``ValueError`` for builtins."""
    owner = function_class(fn)
    if owner is None:
        return inspect.signature(fn.forward if is_module(fn) and hasattr(fn, "forward") else fn)
    signature = inspect.signature(owner.forward)
    if owner.setup_context is not engine.Function.setup_context:
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _parameter_names(fn: Any, args: tuple) -> list[str]:
    """A name for each positional argument."""
    names: list[str] = []
    try:
        parameters = list(signature_of(fn).parameters.values())
    except (TypeError, ValueError):  # builtins have none
        parameters = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}[{i}]" for i in range(len(args) - len(names))]
        elif p.kind is not p.VAR_KEYWORD:
            names.append(p.name)
    return [*names, *(f"argument {i}" for i in range(len(names), len(args)))]


def refuse_wrong_count(fn: Callable, call: Call, given: str) -> None:
    """Raise ``TypeError`` unless ``call`` has as many arguments as ``fn`` takes; ``given`` says how many there are, in the words of the user."""
    try:
        signature = signature_of(fn)
    except (TypeError, ValueError):  # builtins have none
        return
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError as error:
        positional = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        op = op_of(fn)
        inputs = [p.name for p in positional if (p.name in op.inputs if op is not None else p.default is p.empty)]
        takes = f"takes {len(inputs)} input{'s' * (len(inputs) != 1)}" if inputs else f"takes {signature}"
        raise TypeError(f"{name_of(fn)} {takes}, {given}: {error}") from None


class Leaf:
    """An input array.

    Attributes:
        name: what it is called in messages.
        array: the working copy that the check moves.
        view: the same memory as the function sees it. It is read-only, so that a function that writes to its argument is caught where it does.
        checked: whether its gradient is checked.
        static: whether it is a static argument of an op.
    """

    def __init__(self, name: str, array: np.ndarray, checked: bool, static: bool = False):
        self.name = name
        self.array = array
        self.view = array.view()
        self.view.flags.writeable = False
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
        found = engine.grad([y for y, _ in pairs], leaves, [v for _, v in pairs], True, create_graph, allow_unused=True)
        return list(found) if create_graph else [None if t is None else t._data for t in found]


class Function:
    """``fn`` at ``call``, as a function of the float64 arrays in ``leaves``.

    Args:
        fn: an op, a function of Tensors, or a module (its parameters become leaves).
        call: its arguments; floating arrays and Tensors in them, also inside lists, tuples and dicts, become leaves.
        wrt: names of the arguments whose gradient is checked; None for all that are differentiable.
        surrogate: the function whose derivatives the gradients of ``fn`` must be, where these are not its own.
    """

    order = 1

    def __init__(self, fn: Any, call: Call, wrt: Iterable[str] | None = None, surrogate: Callable | None = None):
        self.fn = fn
        self.surrogate = surrogate or getattr(fn, "surrogate", None)
        self.call = call
        self.op = op_of(fn)
        self.name = name_of(fn)
        self.is_module = is_module(fn)
        self.leaves: list[Leaf] = []
        self.others: list[Leaf] = []  # integer and boolean arrays, which are no leaves
        self.unseen: list[str] = []  # what is returned beside Tensors and is none
        self._tensors: list[Any] = []  # what stands for each leaf in a call with Tensors
        self._wrt = None if wrt is None else {wrt} if isinstance(wrt, str) else set(wrt)
        flat = list(leaves((call.args, call.kwargs)))
        self._asked = any(isinstance(v, TensorBase) and v._node is not None for v in flat)
        self.randomness = _Randomness(flat)
        names = _parameter_names(fn, call.args)
        args = [self._take(name, a) for name, a in zip(names, call.args, strict=False)]
        kwargs = {k: self._take(k, a) for k, a in call.kwargs.items()}
        self.inputs = len(self.leaves)
        self._arrays = _swap(lambda leaf: leaf.view, (args, kwargs))
        self._template = (args, kwargs)
        self._parameters: list[tuple[Any, Leaf]] = []
        self._bound: list[tuple[Any, dict[str, Any]]] = []  # the buffers of each part of a module by name, for forward may bind others
        self._buffers: list[tuple[Any, np.ndarray]] = []  # a module's, and what each held before the check
        if is_module(fn):
            for name, p in fn.named_parameters():
                leaf = Leaf(name, np.array(p._data, np.float64), self._is_wanted(name) and p._node is not None)
                self._parameters.append((p, leaf))
                self.leaves.append(leaf)
            if hasattr(fn, "named_buffers"):
                self._buffers = [(b, b._data.copy()) for b in (engine.inside(b) for _, b in fn.named_buffers())]
            if hasattr(fn, "modules"):
                self._bound = [(part, dict(part.named_buffers(recurse=False))) for part in fn.modules()]
        known = {*names, *call.kwargs, *(part for leaf in self.leaves for part in (leaf.name, leaf.name.split("[")[0]))}
        unknown = (self._wrt or set()) - known
        if unknown:
            raise ValueError(f"{self.name}: {', '.join(sorted(unknown))} is not an argument; there are {', '.join(sorted(known))}")
        checked = {part for leaf in self.checked for part in (leaf.name, leaf.name.split("[")[0])}
        absent = {name for name, value in [*zip(names, call.args, strict=False), *call.kwargs.items()] if value is None}
        for name in sorted((self._wrt or set()) - checked - absent):
            raise ValueError(f"{self.name}: wrt names '{name}', which has no gradient here; {self._why_not(name)}")

    # ------------------------------------------------------------------------------------------ the arguments

    def _is_wanted(self, name: str) -> bool:
        return self._wrt is None or name in self._wrt or name.split("[")[0] in self._wrt

    def _why_not(self, name: str) -> str:
        """Why an argument is not checked."""
        leaf = next((leaf for leaf in self.leaves if name in (leaf.name, leaf.name.split("[")[0])), None)
        if leaf is None:
            return f"it is no Tensor or array of floating numbers; {self.advice()}"
        if leaf.static or not self._differentiable(name):
            return f"the op has no formula for it: @op({name}=...) gives it one"
        return "other arguments have requires_grad and it has not: give it to both, or to none"

    def advice(self) -> str:
        """What to pass where nothing can be checked."""
        given = list(leaves((self.call.args, self.call.kwargs)))
        if any(isinstance(v, engine.Shell) or np.iscomplexobj(v) for v in given):
            return "of a complex one, check the function of its real and imaginary part: lambda re, im: f(mg.complex(re, im))"
        if any(type(v) is float or isinstance(v, np.floating) for v in given):
            return "a plain number is a constant: pass np.array(3.0) for 3.0"
        return "pass np.array(3.0) for 3"

    def _differentiable(self, name: str) -> bool:
        """Whether the argument of a name can have a gradient at all. Where all results are constants, it must be zero."""
        base = name.split("[")[0]
        return self.op is None or base in self.op.formulas or not self.op.formulas

    def _take(self, name: str, value: Any) -> Any:
        """``value`` with a :class:`Leaf` in the place of each floating array."""

        def taken(x: Any, where: str) -> Any:
            array = unwrapped(x)
            if not isinstance(array, np.ndarray):
                return x
            if array.dtype.kind != "f":
                self.others.append(other := Leaf(where, array.copy(), False))
                return wrap(other.view) if isinstance(x, TensorBase) else other.view
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

    @contextlib.contextmanager
    def only(self, leaf: Leaf) -> Iterator[None]:
        """Within it, no other leaf is checked: the graph is recorded for this one."""
        others = [other for other in self.checked if other is not leaf]
        for other in others:
            other.checked = False
        try:
            yield
        finally:
            for other in others:
                other.checked = True

    def written(self, run: Callable[[], Any]) -> str | None:
        """The name of the argument that ``run()`` writes to, if it may; None if there is none."""
        everything = [*self.leaves, *self.others]
        before = [leaf.array.copy() for leaf in everything]
        for leaf in everything:
            leaf.view.flags.writeable = True
        try:
            for by in (0.0, 0.25, -0.5):  # where the arguments are, and beside: x *= 2 does not change a zero
                for leaf in self.leaves:
                    leaf.array += by
                present = [leaf.array.copy() for leaf in everything]
                with contextlib.suppress(Exception):
                    run()
                for leaf, old in zip(everything, present, strict=True):
                    if not np.array_equal(leaf.array, old, equal_nan=old.dtype.kind == "f"):
                        return leaf.name
            return None
        finally:
            for leaf, old in zip(everything, before, strict=True):
                leaf.array[...] = old
                leaf.view.flags.writeable = False

    def __enter__(self) -> Function:
        for p, leaf in self._parameters:
            leaf.saved = p._data, p._node, p._grad
        return self

    def __exit__(self, *exc: object) -> None:
        for p, leaf in self._parameters:
            p._data, p._node, p._grad = leaf.saved
        self._bind()
        for b, array in self._buffers:
            b._data = array
        self.randomness.rewind()

    def _bind(self) -> None:
        for part, named in self._bound:
            part.__dict__.update(named)

    def _rewind(self) -> None:
        """Before each evaluation: random numbers are drawn again, and buffers, in float64 as all else, hold what they did before the check."""
        self.randomness.rewind()
        self._bind()
        for b, array in self._buffers:
            b._data = array.astype(np.float64 if array.dtype.kind == "f" else array.dtype)

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

    def results(self, out: Any) -> list[Any]:
        """The floating results among what the function returned. Raises :class:`GradcheckError` where nothing has a gradient."""
        found = list(leaves(out))
        floating = [y for y in found if _array(y) is not None]
        if floating:
            self.unseen = [type(y).__name__ for y in found if not isinstance(y, (TensorBase, np.ndarray, np.generic, type(None)))]
            return floating
        no_gradient = (self.op is not None and not any(self.op.formulas.values())) or not self.checked
        numbers = (TensorBase, np.ndarray, np.generic) if self.op is not None else (TensorBase, np.ndarray, np.generic, bool, int, float)
        if not (no_gradient and (found or not self.checked) and all(isinstance(y, numbers) for y in found)):
            who = "the kernel" if self.op is not None else "the function"
            raise GradcheckError(
                self.name, f"{who} returned {_described(out)}", kind="nothing to differentiate", advice=_missing(found), call=self.call
            )
        return []

    def call_plainly(self) -> list[np.ndarray]:
        """The floating results at the leaves' present values, without a graph. An op is called with arrays: its bare kernel."""
        args, kwargs = self._arrays if self.op is not None else self._plain_tensors()
        self._rewind()
        with engine.no_grad():
            out = self.fn(*args, **kwargs)
        if self.op is None:
            self._refuse_rebound()
        return [np.asarray(unwrapped(y)) for y in self.results(out)]

    def call_elsewhere(self) -> None:
        """Call the function with other arguments, in memory of their own: what it keeps of its last call is then not of the one before."""

        def other(leaf: Leaf) -> Any:
            return -leaf.array if leaf.static or self.op is not None else wrap(-leaf.array)

        args, kwargs = self.arguments(other)
        self._rewind()
        with engine.no_grad():
            self.fn(*args, **kwargs)

    def differentiated(self) -> list[np.ndarray]:
        """The results whose numerical derivatives are compared with the gradients: the function's own, or those of its surrogate."""
        if self.surrogate is None:
            return self.call_plainly()
        args, kwargs = self._plain_tensors()
        self._rewind()
        with engine.no_grad():
            out = self.surrogate(*args, **kwargs)
        return [np.array(unwrapped(y), np.float64) for y in self.results(out)]

    def _refuse_rebound(self) -> None:
        """Raise if a Tensor that was an argument now holds another array: the function wrote ``x *= 2``."""
        for tensor, leaf in self._plain:
            if tensor._data is not leaf.view:
                self._tensors = []
                advice = "the argument is written to, and belongs to others too; compute a new Tensor instead"
                headline = f"the call changes the argument '{leaf.name}'"
                raise GradcheckError(self.name, headline, argument=leaf.name, kind="in-place edit", advice=advice, call=self.call)

    def _plain_tensors(self) -> tuple:
        if not self._tensors:
            self._plain: list[tuple[Any, Leaf]] = []

            def tensor(leaf: Leaf) -> Any:
                self._plain.append((wrap(leaf.view), leaf))
                return leaf.view if leaf.static else self._plain[-1][0]

            self._tensors = [_swap(tensor, self._template)]
        for p, leaf in self._parameters:
            p._data, p._node = leaf.view, None
        return self._tensors[0]

    def record(self) -> Recording:
        """Call the function with Tensors, in order to differentiate it at the leaves' present values."""
        made: dict[int, Any] = {}

        def tensor(leaf: Leaf) -> Any:
            if leaf.static:
                return leaf.view
            made[id(leaf)] = t = wrap(leaf.view)
            return t.requires_grad_() if leaf.checked else t

        args, kwargs = _swap(tensor, self._template)
        for p, leaf in self._parameters:
            p._data, p._node = leaf.view, None
            if leaf.checked:
                p._node = engine.Leaf(p)
            made[id(leaf)] = wrap(leaf.view, p._node)  # the parameter itself leaves the graph at the next evaluation
        self._rewind()
        with engine.enable_grad():
            out = self.fn(*args, **kwargs)
        return Recording([made[id(leaf)] for leaf in self.checked], self.results(out))


class Gradient:
    """The gradient of ``base`` with fixed cotangents, as a function of the same leaves: what a check of the next order looks at."""

    def __init__(self, base: Any, cotangents: list[np.ndarray]):
        self.base = base
        self.cotangents = cotangents
        self.order = base.order + 1
        self.fn, self.call, self.op, self.name = base.fn, base.call, base.op, base.name
        self.leaves, self.written, self.only = base.leaves, base.written, base.only
        self.randomness, self.call_elsewhere = base.randomness, base.call_elsewhere
        self.asks_for_dtype = base.asks_for_dtype

    @property
    def checked(self) -> list[Leaf]:
        """The leaves whose gradient is checked."""
        return self.base.checked

    def call_plainly(self) -> list[np.ndarray]:
        """The gradients by an ordinary backward pass, where formulas see arrays."""
        found = self.base.record().pullback(self.cotangents)[: len(self.checked)]
        return [np.zeros_like(leaf.array) if g is None else g for g, leaf in zip(found, self.checked, strict=True)]

    differentiated = call_plainly

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


class _Words(str):
    """Text that prints without quotation marks."""

    __repr__ = str.__str__


def _described(out: Any) -> str:
    """What a function returned, in a few words."""
    array = unwrapped(out)
    if isinstance(array, (np.ndarray, np.generic)):
        return f"{'an' if array.dtype.kind == 'i' else 'a'} {array.dtype} {'Tensor' if isinstance(out, TensorBase) else 'array'} of shape {array.shape}"
    if out is None:
        return "None"
    if isinstance(out, (list, tuple, dict)) and not out:
        return f"an empty {type(out).__name__}"
    text = repr(tree_map(lambda x: _Words(_described(x)) if isinstance(x, (TensorBase, np.ndarray)) else x, out))
    return f"the {type(out).__name__} {text if len(text) < 60 else text[:57] + '...'}"


def _missing(found: list[Any]) -> str:
    """Advice about results (the leaves of what was returned) of which none has a gradient."""
    if not found or found == [None]:
        return "is its return missing?" if found else "there is nothing in it; return a Tensor"
    if all(isinstance(unwrapped(y), (np.ndarray, np.generic)) for y in found):
        return (
            "comparisons, integers and indices have no gradient; return the numbers that they are computed from, "
            "or say wrt=() if no gradient is meant"
        )
    if any(isinstance(y, engine.Shell) for y in found):
        return "a complex result has two real parts: return (z.real, z.imag)"
    if any(isinstance(y, (bool, int, float)) for y in found):
        return "the graph ends at float(), item() or tolist(), and a number has no gradient; return the Tensor"
    return "return a Tensor, or several in a tuple, list or dict"


def _swap(function: Callable[[Leaf], Any], value: Any) -> Any:
    """``value`` with ``function(leaf)`` in the place of each :class:`Leaf`."""
    return tree_map(lambda x: function(x) if isinstance(x, Leaf) else x, value)
