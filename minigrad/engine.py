"""The autodiff engine: what an op is, how a graph is recorded, and how gradients walk back through it.

An **op** is a kernel (a function of ndarrays) and one formula per argument::

    @op(a=lambda g, b: g * b,
        b=lambda g, a: g * a)
    def mul(a, b):
        return np.multiply(a, b)

The keyword names the argument that the formula differentiates; the formula's **parameter names say what
backward keeps**:

=================  ====================================================================================================
``g``              always first: the gradient of the loss in the op's result (a tuple for several results)
``out``            the op's result (a tuple when the kernel returns several; ``out_0``, ``out_1``, ... are one of them)
``res``            a residual: when a formula names it, the kernel returns ``(result, residual)``. Residuals are
                   constants for higher derivatives (an argmax, a dropout mask), never smooth functions of an input
an input           that input's value
input ``_shape``   that input's shape only, e.g. ``x_shape``
a static           the value of a keyword-only argument
=================  ====================================================================================================

What no formula names is not kept alive, and neither is what only the formula of an argument without gradient
names. Called with arrays an op *is* its kernel. Called with Tensors it records a :class:`Node`. So a formula that is
written with operators and other ops serves twice: ordinary backward hands it ndarrays, and
``create_graph=True`` hands it Tensors, so that the same text records a graph: derivatives of any order.

This module knows neither the ops nor the Tensor's methods: :mod:`minigrad.tensor` registers its class here.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import sys
import traceback
import types
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

import numpy as np

from minigrad.kernels.sums import add_reduce
from minigrad.types import Array, DType, Operand, P

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
Gradients: TypeAlias = "Operand | Iterable[Operand | None] | None"

F64 = np.dtype(np.float64)
ndarray = np.ndarray


class ShapeError(ValueError, RuntimeError):
    """Sizes that do not fit an op. A ``ValueError`` as in numpy and a ``RuntimeError`` as in PyTorch."""


# ---------------------------------------------------------------------------------------------------- modes


# A ContextVar belongs to its thread (and asyncio task), and is read in a third of the time of a threading.local.
_grad_mode: ContextVar[bool] = ContextVar("grad_mode", default=True)
_anomaly_mode: ContextVar[bool] = ContextVar("anomaly_mode", default=False)
_anomaly_users: list[object] = []  # the active detect_anomaly blocks of all threads: empty costs an op nothing
_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def get_default_dtype() -> np.dtype[Any]:
    """The floating dtype that Python numbers become (float32 unless :func:`set_default_dtype` changed it)."""
    return _default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Set the floating dtype that Python numbers become: float16, float32 or float64."""
    global _default_dtype
    found = np.dtype(dtype)
    if found.kind != "f":
        raise TypeError(f"set_default_dtype: a floating dtype is needed, not {found}")
    _default_dtype = found


class _Mode(contextlib.ContextDecorator):
    """Sets one switch of the calling thread while a ``with`` block, or a decorated function, runs."""

    _switch: ContextVar[bool]

    def __init__(self, value: bool):
        self._value = value
        self._before: list[bool] = []  # a stack: one object may be entered again while it is active

    def __enter__(self) -> None:
        self._before.append(self._switch.get())
        self._switch.set(self._value)

    def __exit__(self, *exc: object) -> None:
        self._switch.set(self._before.pop())

    def _recreate_cm(self) -> Any:  # a decorated function may run in several threads at once
        return type(self)(*([self._value] if type(self) is set_grad_enabled else []))


class set_grad_enabled(_Mode):
    """Context manager, decorator, or plain call that switches the recording of graphs in this thread.

    >>> import minigrad as mg
    >>> x = mg.ones(2, requires_grad=True)
    >>> with mg.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    _switch = _grad_mode

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        self._outside = _grad_mode.get()
        _grad_mode.set(self._value)  # as in PyTorch, a plain call takes effect at once

    def __enter__(self) -> None:
        self._before.append(self._outside)
        _grad_mode.set(self._value)

    def __call__(self, func: F) -> F:
        _grad_mode.set(self._outside)  # used as a decorator: nothing is switched outside the function
        return super().__call__(func)


class no_grad(_Mode):
    """Context manager or decorator: ops in this thread record no graph.

    >>> import minigrad as mg
    >>> x = mg.ones(2, requires_grad=True)
    >>> with mg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    _switch = _grad_mode

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Mode):
    """Context manager or decorator: ops in this thread record again, inside :class:`no_grad`."""

    _switch = _grad_mode

    def __init__(self) -> None:
        super().__init__(True)


class detect_anomaly(_Mode):
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

    _switch = _anomaly_mode

    def __init__(self) -> None:
        super().__init__(True)

    def __enter__(self) -> None:
        super().__enter__()
        _anomaly_users.append(self)

    def __exit__(self, *exc: object) -> None:
        _anomaly_users.remove(self)
        super().__exit__(*exc)


def is_grad_enabled() -> bool:
    """True where ops of this thread record a graph."""
    return _grad_mode.get()


# -------------------------------------------------------------------------------------------- graph vertices


class TensorBase:
    """What the engine knows of a Tensor: an array, its place in the graph (None: a constant), a gradient."""

    __slots__ = ("__weakref__", "_data", "_grad", "_node")

    _data: ndarray
    _grad: Any  # a Tensor or None; users see it as .grad
    _node: Node | None


_Tensor: type = TensorBase  # tensor.py registers the class that wraps results
_new = object.__new__
_numbers = itertools.count()


def register_tensor(cls: C) -> C:
    """Make ``cls`` the class of every op's results (called once, by :mod:`minigrad.tensor`)."""
    global _Tensor
    _Tensor = cls
    return cls


def wrap(array: Any, node: Node | None = None) -> Any:
    """A Tensor over ``array`` (shared, not copied) at ``node`` of the graph."""
    tensor: Any = _new(_Tensor)
    tensor._data = array
    tensor._node = node
    tensor._grad = None
    return tensor


class Node:
    """A vertex of the graph: one op's call.

    Not a Tensor: values that backward does not need die with the user's variable. Creation order is a topological
    order, since an op's inputs exist before its result.

    ===========  ============================================================================================
    ``plan``     the formulas to run, and the op they belong to; None for a leaf
    ``parents``  a node per argument, None where an argument is a constant; None once freed
    ``kept``     what the formulas name, each thing once, in the order of ``plan.keeps``; None once freed
    ``static``   the keyword arguments of the call
    ``shape``    of the result, and ``dtype``: what a gradient that arrives here must have
    ``number``   creation number
    ``hooks``    functions of the gradient, called once it is complete
    ===========  ============================================================================================
    """

    __slots__ = ("__weakref__", "dtype", "hooks", "kept", "number", "parents", "plan", "shape", "static")

    plan: Any  # _Plan | None
    parents: Any  # Sequence[Node | None] | None
    kept: Any  # tuple | None
    static: dict[str, Any]
    shape: Any  # tuple[int, ...]; of several results a tuple of (shape, dtype)
    dtype: Any  # np.dtype; None where there are several results
    number: int
    hooks: list[Callable[[Any], Any]] | None

    def fill(self, plan: Any, parents: Any, kept: Any, static: dict[str, Any], shape: Any, dtype: Any) -> Node:
        """Set what the table above lists; returns the node. (Not ``__init__``: without one, a call makes its node a third faster.)"""
        self.plan = plan
        self.parents = parents
        self.kept = kept
        self.static = static
        self.shape = shape
        self.dtype = dtype
        self.number = next(_numbers)
        self.hooks = None
        return self

    @property
    def op(self) -> Op | None:
        """The op that was called; None for a leaf."""
        return self.plan.op if self.plan is not None else None

    @property
    def name(self) -> str:
        """The op's name, ``leaf`` for a leaf."""
        return self.plan.op.name if self.plan is not None else "leaf"

    def formulas(self) -> Iterator[tuple[int | Sequence[int], Callable, tuple, tuple]]:
        """For each formula that backward runs: its input's position, itself, where its arguments come from, and they.

        A formula that gives the gradients of several inputs, a :func:`joint` one or that of ``*args``, has their positions.
        """
        for position, formula, sources, pick, places in self.plan.rows:
            if position is None:
                position = range(len(self.plan.op.inputs), len(self.parents)) if places is None else places
            yield position, formula, sources, self.kept if pick is None else pick(self.kept)

    def __repr__(self) -> str:
        return f"<{self.name} node, shape {self.shape}>"


class Leaf(Node):
    """A vertex without an op: a tensor that the user made. Its gradient is added to ``tensor.grad``."""

    __slots__ = ("tensor",)

    tensor: weakref.ref[TensorBase]

    def __init__(self, tensor: TensorBase):
        self.fill(None, (), (), {}, tensor._data.shape, tensor._data.dtype)
        self.tensor = weakref.ref(tensor)  # weak: the tensor owns its node, and a cycle would outlive the user


class Pick(Node):
    """One result of an op that has several: hands its gradient to place ``index`` of that op's tuple."""

    __slots__ = ("index",)

    def __init__(self, source: Node, index: int, array: ndarray):
        self.fill(source.plan, (source,), (), source.static, array.shape, array.dtype)
        self.index = index


# ----------------------------------------------------------------------------------------------- anomalies

# node -> (the line that called the op, a checksum for each kept array), filled under detect_anomaly only
_watched: weakref.WeakKeyDictionary[Node, tuple[str, list]] = weakref.WeakKeyDictionary()


def _checksums(kept: tuple) -> list[int | None]:
    return [zlib.crc32(np.ascontiguousarray(v).tobytes()) if isinstance(v, ndarray) else None for v in kept]


def _remember(node: Node) -> None:
    if not _anomaly_mode.get():  # it is another thread that looks for anomalies
        return
    here = __file__.rsplit("/", 1)[0].rsplit("\\", 1)[0]
    stack = traceback.extract_stack(limit=50)
    frame = next((f for f in reversed(stack) if not f.filename.startswith(here) or "<doctest" in f.filename), stack[0])
    _watched[node] = (f"{frame.filename}:{frame.lineno}: {frame.line}", _checksums(node.kept))


def _verify(node: Node) -> None:
    """Raise when an array that a formula needs is not what it was when the op ran."""
    if node not in _watched:
        return
    line, before = _watched[node]
    for source, old, new in zip(node.plan.keeps, before, _checksums(node.kept), strict=True):
        if old != new:
            what = f"its argument '{node.plan.op.argument(source)}'" if isinstance(source, int) else "its result"
            raise RuntimeError(
                f"{node.name}: {what} was written after the forward pass, through an alias such as .numpy(), "
                f"and its gradient needs the old values. The op was called at {line}"
            )


def _refuse_nan(node: Node, position: int, g: Any, gradient: Any) -> None:
    """Raise when a formula has turned a gradient without NaN into one with NaN."""

    def has_nan(x: Any) -> bool:
        return any(map(has_nan, x)) if isinstance(x, tuple) else bool(np.isnan(getattr(x, "_data", x)).any())

    if node in _watched and has_nan(gradient) and not has_nan(g):
        name = node.plan.op.argument(position)
        raise RuntimeError(f"{node.name}: the gradient of '{name}' is NaN. The op was called at {_watched[node][0]}")


# ----------------------------------------------------------------------------- dtypes and errors of a call


def shape_of(a: Any) -> tuple[int, ...]:
    """The shape of an array or a Tensor, () for a Python number."""
    if isinstance(a, ndarray):
        return a.shape
    return a._data.shape if isinstance(a, TensorBase) else np.shape(a)


def _weaken(out: ndarray, arrays: Sequence[Any], static: dict[str, Any]) -> ndarray:
    """Take back a float64 that numpy made of smaller types, where PyTorch's promotion would not.

    Sized floating inputs decide the dtype, else 0-d ones do, else it is the default dtype: float32 * int64 and
    float32 * (a 0-d float64) are float32, and so is int64 / int64. numpy's scalars count as Python numbers. An explicit ``dtype=`` stands.
    """
    if static.get("dtype") is not None:
        return out
    sized, scalar = None, None
    for a in arrays:
        if isinstance(a, ndarray) and a.dtype.kind == "f":
            if a.ndim:
                if a.dtype is F64:
                    return out
                sized = a.dtype if sized is None else np.promote_types(sized, a.dtype)
            else:
                scalar = a.dtype if scalar is None else np.promote_types(scalar, a.dtype)
    return out.astype(sized or scalar or _default_dtype, copy=False)


def _describe(names: Iterable[str], arrays: Iterable[Any]) -> str:
    return ", ".join(f"{n} {a.dtype}{a.shape}" if isinstance(a, ndarray) else f"{n}={a!r:.40}" for n, a in zip(names, arrays, strict=False))


def _explain(op: Op, error: Exception, arrays: Sequence[Any]) -> Exception:
    """The kernel's exception, made to name the op and its arguments."""
    names = [op.argument(i) for i in range(len(arrays))]
    text = str(error)
    if isinstance(error, ValueError) and "broadcast" in text and not text.startswith(f"{op.name}:"):
        shapes = " and ".join(str(shape_of(a)) for a in arrays)
        return ShapeError(f"{op.name}: shapes {shapes} do not broadcast: aligned at the last dimension, sizes must be equal or 1")
    if not text.startswith(f"{op.name}:"):
        error.add_note(f"in {op.name}({_describe(names, arrays)})")
    return error


# --------------------------------------------------------------------------------------------------- the op


class _Plan:
    """How a call is recorded when just the inputs at the positions ``wanted`` need a gradient.

    ``rows`` holds for each formula to run the input's position (None where it serves several), the formula, where its arguments
    come from, what picks them from what is kept (None: they are all of it), and the positions that a joint formula serves (None: those of
    ``*args``). ``keep(*inputs, *statics, out, res)`` gathers what is kept, and ``keeps`` says where each thing comes from.
    """

    __slots__ = ("keep", "keeps", "op", "rows")

    def __init__(self, op: Op, wanted: Iterable[int]):
        self.op = op
        rows: list[tuple[int | None, Callable, str, tuple[int, ...] | None]] = []
        for position in wanted:
            name = op.argument(position)
            formula = op.formulas.get(name)
            if formula is None:
                if name in op.formulas:  # declared constant in this argument: `name=None`
                    continue
                raise RuntimeError(
                    f"{op.name}: argument '{name}' requires a gradient but the op has no formula for it. "
                    f"Add {name}=lambda g, ...: ... to @op (or {name}=None if it is constant in it), or pass {name}.detach()"
                )
            together = name == op.variadic or formula in op.joint
            if together and any(formula is known for _, known, _, _ in rows):  # one call serves all
                continue
            rows.append((None if together else position, formula, name, op.joint.get(formula)))
        kept = op.kept(name for _, _, name, _ in rows)
        self.keeps = tuple(source for source, _ in kept)
        self.rows = tuple(
            (row, formula, tuple(s for s, _ in op.needs[name]), _picker(kept, op.needs[name]), places)
            for row, formula, name, places in rows
        )
        names = [*op.inputs, *([op.variadic] if op.variadic else []), *op.statics, "out", "res"]
        self.keep = eval(f"lambda {', '.join(names)}: {_tuple([expression for _, expression in kept])}", _SCOPE)


def _picker(kept: list, needs: list) -> Callable[[tuple], tuple] | None:
    """The function that takes ``needs`` from a tuple of what is kept; None where they are the same."""
    return None if needs == kept else eval(f"lambda kept: {_tuple([f'kept[{kept.index(need)}]' for need in needs])}")


class _Plans(dict):
    """Bit mask of the inputs that need a gradient -> plan (None: the result is a constant), made when first asked for."""

    def __init__(self, op: Op):
        self.op = op

    def __missing__(self, mask: int) -> _Plan | None:
        plan = _Plan(self.op, [i for i in range(mask.bit_length()) if mask >> i & 1]) if self.op.formulas else None
        self[mask] = plan if plan is not None and plan.rows else None
        return self[mask]


class Op:
    """What :func:`op` knows of a function: the function's ``.op`` attribute.

    ===============  =========================================================================================
    ``name``         the kernel's name, without a leading underscore
    ``kernel``       the function of ndarrays that was decorated
    ``function``     the differentiable function that :func:`op` returned
    ``formulas``     input -> formula, or None where the result is constant in it
    ``inputs``       names of the positional parameters, without ``*args``
    ``variadic``     the name of ``*args``, or None
    ``statics``      keyword-only parameter -> default (``inspect.Parameter.empty`` where there is none)
    ``joint``        formula that serves several inputs -> their positions
    ``needs``        input -> (source, expression) for each thing its formula names
    ===============  =========================================================================================
    """

    def __init__(self, kernel: Callable, formulas: dict[str, Callable | None]):
        self.kernel = kernel
        self.name: str = kernel.__name__.lstrip("_")  # an op behind a public function of another signature (cat) bears its name
        self.formulas = formulas
        self.signature = inspect.signature(kernel)
        inputs: list[str] = []
        self.statics: dict[str, Any] = {}
        self.optional: dict[str, Any] = {}
        self.variadic: str | None = None
        for p in self.signature.parameters.values():
            if p.kind is p.VAR_POSITIONAL:
                self.variadic = p.name
            elif p.kind is p.VAR_KEYWORD:
                raise TypeError(f"@op {self.name}: **{p.name} is not allowed; name each static argument")
            elif p.kind is p.KEYWORD_ONLY:
                self.statics[p.name] = p.default
            else:
                inputs.append(p.name)
                if p.default is not p.empty:
                    self.optional[p.name] = p.default
        self.inputs: tuple[str, ...] = tuple(inputs)
        for name in (*inputs, *self.statics):
            if name in _RESERVED or name.startswith("_"):
                raise TypeError(f"@op {self.name}: a parameter cannot be called '{name}'")
        self.joint: dict[Callable, tuple[int, ...]] = {}
        for f in formulas.values():
            if f is not None and getattr(f, "joint", False):
                self.joint[f] = tuple(i for i, name in enumerate(self.inputs) if formulas.get(name) is f)
        self.needs = {name: self._needs(name, f) for name, f in formulas.items() if f is not None}
        self.has_residual = any(source == "res" for needs in self.needs.values() for source, _ in needs)
        self.plans = _Plans(self)
        self.function = _differentiable(self)
        _registry[f"{kernel.__module__}.{kernel.__qualname__}"] = self

    def _needs(self, argument: str, formula: Callable) -> list[tuple[Any, str]]:
        """For each parameter of ``formula`` after g: where it comes from, and the expression that keeps it."""
        if argument not in self.inputs and argument != self.variadic:
            raise TypeError(f"@op {self.name}: '{argument}' is not an input of {self.name}{self.signature}")
        parameters = list(inspect.signature(formula).parameters)
        if not parameters or parameters[0] != "g":
            raise TypeError(f"@op {self.name}: the formula of '{argument}' must take g, the incoming gradient, first")
        found: list[tuple[Any, str]] = []
        for name in parameters[1:]:
            base = name.removesuffix("_shape")
            if name in self.inputs:
                found.append((self.inputs.index(name), name))
            elif name in self.statics:
                found.append((None, name))
            elif name in ("out", "res"):
                found.append((name, name))
            elif name.startswith("out_") and name[4:].isdecimal():
                found.append((name, f"out[{name[4:]}]"))
            elif name == self.variadic:
                found.append(("*", name))
            elif base != name and base in self.inputs:
                found.append((None, f"_shape_of({base})"))
            elif base != name and base == self.variadic:
                found.append((None, f"tuple([_shape_of(_) for _ in {base}])"))
            else:
                arrays = [*self.inputs, *([self.variadic] if self.variadic else [])]
                known = [*arrays, *(f"{p}_shape" for p in arrays), *self.statics, "out", "res"]
                raise TypeError(f"@op {self.name}: the formula of '{argument}' asks for '{name}'; it can have {', '.join(known)}")
        return found

    def kept(self, inputs: Iterable[str]) -> list[tuple[Any, str]]:
        """What the formulas of ``inputs`` name, each thing once, as in ``needs``."""
        return list(dict.fromkeys(need for name in inputs for need in self.needs.get(name, ())))

    def argument(self, position: int) -> str:
        """The name of the input at ``position`` of a call."""
        return self.inputs[position] if position < len(self.inputs) else str(self.variadic)

    def __repr__(self) -> str:
        return f"<op {self.name}{self.signature}>"


# What a call does is written once, below, and compiled for each op when it is first called, as namedtuple and dataclass do: Python
# itself binds the arguments, and nothing is looked up twice. A general *args, **kwargs function takes three times as long.
_FIRST_CALL = """
def call(*args, **kwargs):
    _specialize(_op)
    return _op.function(*args, **kwargs)
"""
_CALL = """
def call({parameters}):
    _mask = 0
    _tensor = False
{unwrap}
    if not _tensor:
        return {kernel}{first}
    try:
        out{res} = {kernel}
    except Exception as _error:
        raise _explain(_op, _error, ({inputs})) from None
    if type(out) is not _ndarray:
        if type(out) is tuple:
            return _several(_plans, _mask, ({nodes}), ({inputs}), ({keep}), {static}, out)
        out = _asarray(out)
    _dtype = out.dtype
    if _dtype is _F64{promoted}:
        out = _weaken(out, ({inputs}), {static})
        _dtype = out.dtype
    _t = _new(_Tensor)
    _t._data = out
    _t._grad = None
    if _mask and _grad_mode() and (_p := _plans[_mask]) is not None:
        _t._node = _n = _Node()
        _n.plan = _p
        _n.parents = ({nodes})
        _n.kept = {kept}
        _n.static = {static}
        _n.shape = out.shape
        _n.dtype = _dtype
        _n.number = _next(_numbers)
        _n.hooks = None
        if _anomaly_users:
            _remember(_n)
    else:
        _t._node = None
    return _t
"""
_UNWRAP = """
    _{x} = None
    if type({x}) is _Tensor or isinstance({x}, _TensorBase):
        _tensor = True
        _{x} = {x}._node
        {x} = {x}._data
        if _{x} is not None:
            _mask |= {bit}
"""
_UNWRAP_ALL = """
    _{x} = [_._node if isinstance(_, _TensorBase) else None for _ in {x}]
    if any([isinstance(_, _TensorBase) for _ in {x}]):
        _tensor = True
        {x} = tuple([_._data if isinstance(_, _TensorBase) else _ for _ in {x}])
        for _i, _ in enumerate(_{x}):
            if _ is not None:
                _mask |= {bit} << _i
"""
# What makes it sure that nothing was promoted: the first input is a sized float64. A node knows that sooner than an array.
_PROMOTED = (
    " and not (_{x} is not None and _{x}.dtype is _F64 and _{x}.shape) and not (type({x}) is _ndarray and {x}.dtype is _F64 and {x}.ndim)"
)
_RESERVED = {"g", "out", "res", "isinstance", "tuple", "type", "any", "enumerate", "Exception", "None", "self"}


def _differentiable(op: Op) -> Callable:
    """The function that users call: records a node where a Tensor is among the inputs, else runs the kernel."""
    scope = {**_SCOPE, "_op": op, "_kernel": op.kernel, "_plans": op.plans}
    function = types.FunctionType(_first_call, scope)
    functools.update_wrapper(function, op.kernel)
    function.op = op  # type: ignore[attr-defined]
    return function


def _specialize(op: Op) -> None:
    """Give ``op.function`` the code of :data:`_CALL` for this op's signature and formulas."""
    defaults = {**op.optional, **{k: v for k, v in op.statics.items() if v is not inspect.Parameter.empty}}
    parameters = [f"{x}=_defaults[{x!r}]" if x in op.optional else x for x in op.inputs]
    if op.variadic:
        parameters.append(f"*{op.variadic}")
    elif op.optional and len(defaults) < len(op.optional) + len(op.statics):
        parameters.append("*")  # a static without a default cannot follow an input that has one by position
    parameters += [f"{s}=_defaults[{s!r}]" if s in defaults else s for s in op.statics]
    values = [*op.inputs, *([f"*{op.variadic}"] if op.variadic else [])]
    nodes = [*(f"_{x}" for x in op.inputs), *([f"*_{op.variadic}"] if op.variadic else [])]
    unwrap = [_UNWRAP.format(x=x, bit=1 << i) for i, x in enumerate(op.inputs)]
    if op.variadic:
        unwrap.append(_UNWRAP_ALL.format(x=op.variadic, bit=1 << len(op.inputs)))
    scope = op.function.__globals__
    keep = ", ".join([*(v.lstrip("*") for v in values), *op.statics, "out", "res" if op.has_residual else "None"])
    kept = f"_p.keep({keep})"
    if not op.variadic and len(op.inputs) <= 2:  # few ways to need a gradient: a list of plans, no call for what can be written out
        if all(x in op.formulas for x in op.inputs):  # else a plan may raise, once it is needed
            scope["_plans"] = [op.plans[mask] for mask in range(1 << len(op.inputs))]
        for mask in range(1, 1 << len(op.inputs)):
            needs = op.kept(x for i, x in enumerate(op.inputs) if mask >> i & 1)
            kept = f"{_tuple([e for _, e in needs])} if _mask == {mask} else {kept}"
    kernel = f"_kernel({', '.join([*values, *(f'{s}={s}' for s in op.statics)])})"
    if hasattr(op.kernel, "written_out"):  # unless another kernel is in its place, as for outlines
        expression, names = op.kernel.written_out
        scope.update(names, _written_out=op.kernel)
        kernel = f"({expression} if _kernel is _written_out else {kernel})"
    source = _CALL.format(
        parameters=", ".join(parameters),
        unwrap="".join(unwrap),
        kernel=kernel,
        first="[0]" if op.has_residual else "",
        res=", res" if op.has_residual else "",
        inputs="".join(f"{v}, " for v in values),
        nodes="".join(f"{n}, " for n in nodes),
        promoted=_PROMOTED.format(x=op.inputs[0]) if op.inputs else "",
        keep=keep,
        kept=kept,
        static="{" + ", ".join(f"{s!r}: {s}" for s in op.statics) + "}" if op.statics else "_NOTHING",
    )
    scope["_Tensor"] = _Tensor
    made: dict[str, Any] = {}
    exec(compile(source, f"{__file__}: call", "exec"), {**scope, "_defaults": defaults}, made)  # a file name that tracebacks can place
    call, function = made["call"], op.function
    function.__defaults__, function.__kwdefaults__ = call.__defaults__, call.__kwdefaults__
    function.__code__ = call.__code__


def _tuple(expressions: Iterable[str]) -> str:
    return "(" + "".join(f"{e}, " for e in expressions) + ")"


def _record_several(plans, mask, nodes, arrays, keep, static, outs) -> tuple:
    """Wrap a kernel's tuple of results: one node for the call, and a :class:`Pick` for each floating result."""
    outs = tuple(_weaken(a, arrays, static) if a.dtype is F64 else a for a in map(np.asarray, outs))
    plan = plans[mask] if mask and _grad_mode.get() else None
    if plan is None:
        return tuple(wrap(a) for a in outs)
    keep = (*keep[:-2], outs, keep[-1])
    node = Node().fill(plan, nodes, plan.keep(*keep), static, tuple((a.shape, a.dtype) for a in outs), None)
    if _anomaly_users:
        _remember(node)
    return tuple(wrap(a, Pick(node, i, a) if a.dtype.kind == "f" else None) for i, a in enumerate(outs))


_SCOPE: dict[str, Any] = {
    "_TensorBase": TensorBase, "_ndarray": ndarray, "_asarray": np.asarray, "_F64": F64,
    "_new": object.__new__, "_Node": Node, "_numbers": _numbers, "_next": next, "_NOTHING": {}, "_shape_of": shape_of,
    "_grad_mode": _grad_mode.get, "_anomaly_users": _anomaly_users, "_remember": _remember, "_specialize": _specialize,
    "_explain": _explain, "_weaken": _weaken, "_several": _record_several,
}  # fmt: skip
exec(compile(_FIRST_CALL, f"{__file__}: call", "exec"), _SCOPE)
_first_call = _SCOPE.pop("call").__code__

_registry: dict[str, Op] = {}


def registered_ops() -> dict[str, Op]:
    """Every op that :func:`op` has made in this process, by its qualified name."""
    return dict(_registry)


def joint(formula: Callable) -> Callable:
    """Mark a formula that gives the gradients of several inputs at once, where they share work.

    It is named for each of them, and returns a gradient for each in the order of the kernel's parameters (None for one that it has none
    for; a function without arguments for one that is computed only if it is wanted). Backward calls it once, if any is.

    >>> import numpy as np, minigrad as mg
    >>> @mg.joint
    ... def sides(g, a, b):
    ...     scaled = g / mg.sqrt(a * a + b * b)
    ...     return scaled * a, scaled * b
    >>> @mg.op(a=sides, b=sides)
    ... def hypotenuse(a, b):
    ...     return np.hypot(a, b)
    >>> a, b = mg.tensor(3.0, requires_grad=True), mg.tensor(4.0, requires_grad=True)
    >>> hypotenuse(a, b).backward()
    >>> a.grad, b.grad
    (tensor(0.6000), tensor(0.8000))
    """
    formula.joint = True  # type: ignore[attr-defined]
    return formula


def op(**formulas: Callable[..., Any] | None) -> Callable[[Callable[P, Any]], Callable[P, Tensor]]:
    """Make a kernel differentiable: one formula per input, whose parameter names say what backward keeps.

    The kernel takes ndarrays and returns an ndarray (or a tuple of them). Its positional parameters are inputs, its
    keyword-only parameters static (a call may also pass those by position, after the inputs). ``@op()`` without
    formulas makes a function whose result is always a constant (argmax, comparisons); ``name=None`` declares that the
    result does not depend smoothly on one input. A gradient that is larger than its input because of
    broadcasting is summed by the engine.

    The function that is returned has the kernel's name, signature and docstring; its ``.op`` is the :class:`Op`. To a type checker it
    is a function with the kernel's parameters that returns a Tensor; :data:`minigrad.types.Array` annotates a kernel, and
    :func:`minigrad.types.called_as` says where that is not how it is called.

    Raises ``TypeError`` at once when a formula asks for a name that the op does not have.

    >>> import numpy as np, minigrad as mg
    >>> @mg.op(x=lambda g, x, slope: g * mg.where(x > 0, 1, slope))
    ... def leaky(x, *, slope=0.1):
    ...     return np.where(x > 0, x, slope * x)
    >>> x = mg.tensor([-1.0, 2.0], requires_grad=True)
    >>> leaky(x, slope=0.5).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0000])
    """

    def decorate(kernel: Callable[P, Any]) -> Callable[P, Tensor]:
        return Op(kernel, formulas).function

    return decorate


# ---------------------------------------------------------------------------- the engine's own pair of ops


def _sum_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which ``target`` was broadcast to become ``shape``."""
    lead = len(shape) - len(target)
    if lead < 0 or any(t not in (1, s) for s, t in zip(shape[lead:], target, strict=True)):
        raise ShapeError(f"shape {target} does not broadcast to {shape}")
    return (*range(lead), *(lead + i for i, t in enumerate(target) if t == 1 and shape[lead + i] != 1))


@op(x=lambda g, x_shape: broadcast_to(g, shape=x_shape))
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Sum ``x`` over the axes along which ``shape`` was broadcast: the transpose of :func:`broadcast_to`."""
    axes = _sum_axes(x.shape, shape)
    return np.asarray(add_reduce(x, axes)).reshape(shape) if axes else x.reshape(shape)


@op(x=lambda g, x_shape: sum_to(g, shape=x_shape))
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """View ``x`` in a larger shape, by numpy's rules. The transpose of :func:`sum_to`."""
    return np.broadcast_to(x, shape)


@op(x=lambda g: g)  # the engine gives every gradient the dtype of its input
def cast(x: Operand, *, dtype: DType) -> Array:
    """``x`` in another dtype, without a copy where it already has it."""
    return np.asarray(x).astype(dtype, copy=False)


# ---------------------------------------------------------------------------------------------- the walk


def _alone_count() -> int:
    array = np.empty(0)
    return sys.getrefcount(array)


_ALONE = _alone_count()  # what getrefcount says of an array that one local variable holds


def _own(g: ndarray) -> bool:
    """Whether the caller's variable is the only holder of ``g`` and its memory (so that it may be written)."""
    return g.base is None and g.flags.writeable and sys.getrefcount(g) <= _ALONE + 2


def _fit(gradient: Any, node: Node, plan: _Plan, position: int) -> Any:
    """Undo broadcasting and promotion: a gradient with the shape and dtype of the node it goes to."""
    if gradient.shape != node.shape:
        try:
            gradient = sum_to(gradient, shape=node.shape)
        except ShapeError:
            name = plan.op.argument(position)
            raise ShapeError(
                f"{plan.op.name}: the formula of '{name}' gave a gradient of shape {gradient.shape} for an argument of shape {node.shape}"
            ) from None
    if gradient.dtype != node.dtype:
        gradient = cast(gradient, dtype=node.dtype)
    return gradient


def settle(gradients: Sequence[Any], targets: Sequence[Node | None]) -> list[Any]:
    """What a formula for several inputs returned, with the functions called whose gradients are wanted."""
    if len(gradients) != len(targets):
        raise ValueError(f"the formula for {len(targets)} inputs returned {len(gradients)} gradients")
    return [g() if type(g) is types.FunctionType and t is not None else g for g, t in zip(gradients, targets, strict=True)]


def _as_tensors(args: tuple, sources: tuple, node: Node) -> list:
    """A formula's kept arrays as Tensors at their places in the graph, for ``create_graph=True``."""
    parents = node.parents
    found = []
    for value, source in zip(args, sources, strict=True):
        if source is None or source == "res":
            found.append(value)
        elif source == "out":
            found.append(tuple(wrap(a, Pick(node, i, a)) for i, a in enumerate(value)) if type(value) is tuple else wrap(value, node))
        elif type(source) is str and source.startswith("out_"):
            found.append(wrap(value, Pick(node, int(source[4:]), value)))
        elif source == "*":
            n = len(node.plan.op.inputs)
            found.append(tuple(wrap(a, p) if p is not None else a for a, p in zip(value, parents[n:], strict=True)))
        else:
            found.append(wrap(value, parents[source]) if parents[source] is not None else value)
    return found


def _needed(roots: Iterable[Node], wanted: set[Node]) -> set[Node]:
    """The nodes on a path from ``roots`` to ``wanted``: a gradient that nobody asked for is never computed."""
    seen, stack = set(roots), list(roots)
    while stack:
        for parent in stack.pop().parents or ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    needed: set[Node] = set()
    for node in sorted(seen, key=_number):
        if node in wanted or any(parent in needed for parent in node.parents or ()):
            needed.add(node)
    return needed


def _number(node: Node) -> int:
    return node.number


def walk(seeds: Sequence[tuple[Node, Any]], wanted: set[Node] | None, retain: bool, record: bool, accumulate: bool) -> dict[Node, Any]:
    """Carry the gradients ``seeds`` back through the graph, newest node first, and return those of ``wanted``.

    A heap holds the frontier: an op is newer than its inputs, so when a node is popped all that used it is done. Gradients
    are ndarrays, or Tensors where ``record`` (``create_graph``) is set. ``wanted=None``: every leaf.
    """
    needed = None if wanted is None else _needed([node for node, _ in seeds], wanted)
    pending: dict[Node, Any] = {}  # node -> the sum of the gradients that have arrived
    owned: set[Node] = set()  # nodes whose pending sum is an array that only the walk holds
    heap: list[tuple[int, Node]] = []
    found: dict[Node, Any] = {}
    watching = len(_watched) > 0

    def arrive(node: Node, g: Any) -> None:
        if node not in pending:
            pending[node] = g
            heappush(heap, (-node.number, node))
        elif record:
            pending[node] = pending[node] + g
        elif node in owned:
            pending[node] += g
        else:
            pending[node] = np.asarray(pending[node] + g)
            owned.add(node)

    for node, g in seeds:
        arrive(node, g)
    while heap:
        node = heappop(heap)[1]
        g = pending.pop(node)
        if node.hooks is not None:
            g = _run_hooks(node, g, record)
        if wanted is not None and node in wanted:
            found[node] = g
        plan = node.plan
        if plan is None:
            if accumulate and (wanted is None or node in wanted):
                _deliver(node.tensor(), g, record)  # type: ignore[attr-defined]  # a node without a plan is a Leaf
            continue
        parents, kept = node.parents, node.kept
        if kept is None:
            raise RuntimeError(
                f"{node.name}: backward a second time through a graph that was freed by the first. "
                "Pass retain_graph=True to the first backward to keep it."
            )
        if node.dtype is None:  # several results: those that nobody used have a gradient of zero
            g = tuple([np.zeros(*like) if part is None else part for part, like in zip(g, node.shape, strict=True)])
        elif type(node) is Pick:
            source = parents[0]
            if needed is None or source in needed:
                if source not in pending:
                    arrive(source, [None] * len(source.shape))
                parts = pending[source]
                parts[node.index] = g if parts[node.index] is None else parts[node.index] + g
            continue
        if watching:
            _verify(node)
        try:
            for position, formula, sources, pick, places in plan.rows:
                if position is not None:
                    only = parents[position]
                    if needed is not None and only not in needed:
                        continue
                else:  # one formula for several inputs
                    if places is None:
                        places = range(len(plan.op.inputs), len(parents))
                    targets = [parents[i] for i in places]
                    if needed is not None:
                        targets = [target if target in needed else None for target in targets]
                        if not any(targets):
                            continue
                args = kept if pick is None else pick(kept)
                result = formula(g, *(_as_tensors(args, sources, node) if record else args))
                if position is None:
                    result = settle(result, targets)
                for place, target, gradient in (
                    zip(places, targets, result, strict=True) if position is None else ((position, only, result),)
                ):
                    if target is None or gradient is None:
                        continue
                    if type(gradient) is not ndarray and not isinstance(gradient, TensorBase):
                        gradient = np.asarray(gradient)
                    if gradient.shape != target.shape or gradient.dtype is not target.dtype:
                        gradient = _fit(gradient, target, plan, place)
                    if watching:
                        _refuse_nan(node, place, g, gradient)
                    if target not in pending:
                        pending[target] = gradient
                        heappush(heap, (-target.number, target))
                    else:
                        arrive(target, gradient)
            result = gradient = None  # or a leaf's gradient would have two holders, and be copied
        except Exception as error:
            error.add_note(f"in the gradient of {node.name}")
            raise
        if not retain:
            node.kept = node.parents = None
    return found


def _run_hooks(node: Node, g: Any, record: bool) -> Any:
    for hook in list(node.hooks or ()):
        changed = hook(g if record else wrap(g))
        if changed is not None:
            shape, dtype = getattr(changed, "shape", None), getattr(changed, "dtype", None)
            if shape != node.shape or dtype != node.dtype:
                raise ShapeError(f"hook on {node.name}: returned {dtype}{shape} for a gradient of {node.dtype}{node.shape}")
            g = changed if record else getattr(changed, "_data", changed)
    return g


def _deliver(tensor: TensorBase | None, g: Any, record: bool) -> None:
    """Add a leaf's gradient to ``tensor.grad``, which owns its memory."""
    if tensor is None:  # the user has dropped the leaf
        return
    before = tensor._grad
    if record:
        tensor._grad = g if before is None else before + g
    elif before is None:
        tensor._grad = wrap(g if _own(g) else g.copy())
    elif before._node is not None:
        before = before._data + g
        tensor._grad = wrap(before)
    else:
        before._data = before._data + g


# ------------------------------------------------------------------------------------------- public walks


def _seeds(outputs: Sequence[Any], gradients: Sequence[Any], record: bool, who: str) -> list[tuple[Node, Any]]:
    """Check what the walk starts from: a node and a gradient for each output."""
    if len(outputs) != len(gradients):
        raise RuntimeError(f"{who}: {len(outputs)} outputs but {len(gradients)} gradients")
    seeds = []
    for y, g in zip(outputs, gradients, strict=True):
        if not isinstance(y, TensorBase):
            raise TypeError(f"{who}: outputs must be Tensors, not {type(y).__name__}")
        if y._node is None:
            raise RuntimeError(f"{who}: this tensor does not require a gradient: nothing that it was computed from has requires_grad=True")
        data = y._data
        if g is None:
            if data.size != 1:
                raise RuntimeError(
                    f"{who}: a gradient can be left out only for a scalar, and this tensor has shape {data.shape}. "
                    f"Reduce it first, as in y.sum().{who}(), or pass a gradient of its shape"
                )
            g = np.ones_like(data)
        else:
            if record and isinstance(g, TensorBase):
                array = g._data
            else:
                g = array = np.asarray(g._data if isinstance(g, TensorBase) else g)
            if array.shape != data.shape:
                raise ShapeError(f"{who}: the gradient has shape {array.shape} but the tensor has shape {data.shape}")
            if array.dtype != data.dtype:
                g = cast(g, dtype=data.dtype)
        seeds.append((y._node, wrap(g) if record and not isinstance(g, TensorBase) else g))
    return seeds


def _several(x: Any) -> tuple:
    return (x,) if x is None or isinstance(x, (TensorBase, ndarray)) or not isinstance(x, Iterable) else tuple(x)


def backward(
    tensors: Tensor | Iterable[Tensor],
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves (or of ``inputs`` only): ``torch.autograd.backward``.

    Args:
        tensors: a Tensor, or several, that require a gradient.
        grad_tensors: a gradient per tensor, of its shape; None stands for 1 and needs a tensor with one element.
        retain_graph: keep the graph for another backward (default: the value of ``create_graph``).
        create_graph: record the backward pass too, so that the gradients can be differentiated.
        inputs: leaves to which gradients are added; all by default.

    Raises:
        RuntimeError: a tensor without a graph, a gradient missing for a non-scalar, a graph already freed.
        ShapeError: a gradient of another shape than its tensor.
    """
    outputs = _several(tensors)
    gradients = _several(grad_tensors) if grad_tensors is not None else (None,) * len(outputs)
    seeds = _seeds(outputs, gradients, create_graph, "backward")
    wanted = None
    if inputs is not None:
        wanted = {_input_node(t, "backward") for t in _several(inputs)}
        if any(type(node) is not Leaf for node in wanted):
            raise RuntimeError("backward: inputs must be leaf tensors")
    with set_grad_enabled(create_graph), np.errstate(all="ignore"):  # 1/0 in a formula is inf, as in the ops themselves
        walk(seeds, wanted, create_graph if retain_graph is None else retain_graph, create_graph, accumulate=True)


def _input_node(tensor: Any, who: str) -> Node:
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"{who}: inputs must be Tensors, not {type(tensor).__name__}")
    if tensor._node is None:
        raise RuntimeError(f"{who}: one of the inputs does not require a gradient")
    return tensor._node


@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: Literal[False] | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    allow_unused: bool | None,
    materialize_grads: Literal[False] = False,
) -> tuple[Tensor | None, ...]: ...
@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    allow_unused: bool | None = None,
    materialize_grads: Literal[True],
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]: ...
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> Any:
    """Gradients of ``outputs`` in ``inputs``, a Tensor per input, without touching any ``.grad``: ``torch.autograd.grad``.

    Args:
        outputs: a Tensor, or several (their gradients add up).
        inputs: the Tensors to differentiate in; intermediate results may be among them.
        grad_outputs: the vector of the vector-Jacobian product: per output an array of its shape, or None for a scalar's 1.
        retain_graph: keep the graph for another backward (default: the value of ``create_graph``).
        create_graph: record the computation of the gradients, for higher derivatives.
        allow_unused: give None for an input that the outputs do not depend on, instead of raising.
        materialize_grads: give zeros for it.

    Raises:
        RuntimeError: an unused or constant input, a graph already freed.

    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (first,) = mg.grad(x**3, x, create_graph=True)
    >>> mg.grad(first, x)
    (tensor(18.),)
    """
    if materialize_grads:
        if allow_unused is False:
            raise ValueError("grad: materialize_grads=True needs allow_unused=True, or leave it out")
        allow_unused = True
    outputs, inputs = _several(outputs), _several(inputs)
    gradients = _several(grad_outputs) if grad_outputs is not None else (None,) * len(outputs)
    seeds = _seeds(outputs, gradients, create_graph, "grad")
    nodes = [_input_node(t, "grad") for t in inputs]
    with set_grad_enabled(create_graph), np.errstate(all="ignore"):
        found = walk(seeds, set(nodes), create_graph if retain_graph is None else retain_graph, create_graph, accumulate=False)
    results: list[Any] = []
    for i, (node, tensor) in enumerate(zip(nodes, inputs, strict=True)):
        if node in found:
            results.append(found[node] if create_graph else wrap(found[node]))
        elif materialize_grads:
            results.append(wrap(np.zeros_like(tensor._data)))
        elif allow_unused:
            results.append(None)
        else:
            shape = tensor._data.shape
            raise RuntimeError(f"grad: the outputs do not depend on input {i} (shape {shape}). Pass allow_unused=True to get None for it")
    return tuple(results)
