"""An op: a kernel, one gradient formula per input, and the function that users call.

:func:`op` reads the kernel's signature and the formulas' parameter names once. The code of the function it returns is generated at
the first call, as ``namedtuple`` and ``dataclass`` generate theirs: so Python binds the arguments, and a call looks nothing up.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from time import perf_counter_ns
from typing import Any

import numpy as np

from minigrad.engine import anomaly
from minigrad.engine.batching import ARRAYS, Batched, Level, Unknown, last_level, levels, run_batched
from minigrad.engine.entry import NAMES_OF_OPS, with_our_names
from minigrad.engine.graph import Node, Pick, SampleNode, Shell, listeners, numbers, shape_of, tensor_class, tensor_types, wrap
from minigrad.engine.modes import get_default_dtype, grad_mode, no_number
from minigrad.engine.observed import PENDING, Observer, observer, observers
from minigrad.kernels.maps import SHARED
from minigrad.kernels.quiet import cast_quietly
from minigrad.types import P, Tensor

F16 = np.dtype(np.float16)
F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
BOOL = np.dtype(np.bool_)
_MISSING: Any = inspect.Parameter.empty
StandIn = Callable[["Op", Callable], Callable]


class ShapeError(ValueError, RuntimeError):
    """Raised for shapes that do not fit an op. It is a ``ValueError`` as in numpy and a ``RuntimeError`` as in PyTorch."""

    __module__ = "minigrad"


class LinAlgError(np.linalg.LinAlgError, RuntimeError):
    """Raised for a matrix that cannot be decomposed or inverted: numpy's error, and a ``RuntimeError`` as in PyTorch."""

    __module__ = "minigrad.linalg"


# ------------------------------------------------------------------------------------- how a call is recorded


class Plan:
    """How a call is recorded if only the inputs at the positions ``wanted`` require a gradient.

    ``rows`` has an entry for each formula to run: the input's position (None for several inputs), the formula, the sources of its
    arguments, the function that selects them from the kept values (None: it takes all of them), and the positions of a joint formula's
    inputs (None: those of ``*args``). ``keep(*inputs, *statics, out, res)`` returns the kept values; ``kept`` lists their sources and
    expressions. ``pushes`` are the steps of forward mode, which finds them when it first comes to such a node.
    """

    __slots__ = ("keep", "kept", "op", "pushes", "rows")

    def __init__(self, op: Op, wanted: Sequence[int]):
        self.op = op
        self.pushes: Any = None
        rows: list[tuple[int | None, Callable, list, tuple[int, ...] | None]] = []
        for position, (formula, needs, places) in op.ways(wanted).items():
            name = op.argument(position)
            if formula is None:
                if name in op.formulas:  # `name=None`: this argument has no gradient
                    continue
                raise RuntimeError(
                    f"{op.name}: argument '{name}' requires a gradient but the op has no formula for it. "
                    f"Add {name}=lambda g, ...: ... to @op (or {name}=None if it is constant in it), or pass {name}.detach()"
                )
            together = name == op.variadic or places is not None
            if together and any(formula is known for _, known, _, _ in rows):  # one call returns all gradients
                continue
            rows.append((None if together else position, formula, needs, places))
        self.kept = kept = op.kept(wanted)
        self.rows = tuple((row, formula, tuple(s for s, _ in needs), _picker(kept, needs), places) for row, formula, needs, places in rows)
        names = [*op.inputs, *([op.variadic] if op.variadic else []), *op.statics, "out", "res"]
        self.keep = eval(f"lambda {', '.join(names)}: {_tuple([expression for _, expression in kept])}", {"_shape_of": shape_of})


def _picker(kept: list, needs: list) -> Callable[[tuple], tuple] | None:
    """The function that selects ``needs`` from the tuple of kept values; None if they are the same."""
    return None if needs == kept else eval(f"lambda kept: {_tuple([f'kept[{kept.index(need)}]' for need in needs])}")


def _tuple(expressions: Iterable[str]) -> str:
    return "(" + "".join(f"{e}, " for e in expressions) + ")"


class _Plans(dict):
    """Bit mask of the inputs that require a gradient -> plan (None: the result is a constant), made at the first lookup."""

    def __init__(self, op: Op):
        self.op = op

    def __missing__(self, mask: int) -> Plan | None:
        plan = Plan(self.op, [i for i in range(mask.bit_length()) if mask >> i & 1]) if self.op.formulas else None
        self[mask] = plan if plan is not None and plan.rows else None
        return self[mask]


# ----------------------------------------------------------------------------------------------------- the op


class Op:
    """The description of an op: the ``.op`` attribute of the function that :func:`op` returns.

    =================  =======================================================================================
    ``name``           the kernel's name, without a leading underscore
    ``kernel``         the function of ndarrays that was decorated
    ``direct``         the same without a frame of Python's, for arrays of up to SHARED numbers, or None; where it raises ``RuntimeError``, the kernel
                       is called
    ``function``       the differentiable function that :func:`op` returned
    ``signature``      the signature of the kernel and of the function
    ``formulas``       input -> formula, or None for an input without gradient
    ``inputs``         the parameters that ``@op`` names, in the kernel's order, without ``*args``
    ``variadic``       the name of ``*args``, or None
    ``statics``        every other parameter -> default (``inspect.Parameter.empty`` if there is none)
    ``joint``          formula for several inputs -> their positions
    ``together``       formulas that :class:`~minigrad.engine.rules.jointly` gave it: each with its needs and positions
    ``needs``          input -> (source, expression) for each value that its formula names
    ``has_residual``   whether a formula names ``res``: the kernel returns (result, residual)
    ``constant``       whether ``res=None`` declared the residual constant
    ``exact``          whether dtypes are its own: results keep those that the kernel gave, formulas get gradients in those (a `Function`)
    ``across_levels``  whether the kernel takes what differs from sample to sample in ``vmap``, and is no kernel of arrays: its ways in and out
    ``elementwise``    whether :func:`~minigrad.engine.rules.elementwise` marks it
    ``views``          whether :func:`~minigrad.engine.rules.views` marks it
    ``unnamed``        whether :func:`~minigrad.engine.rules.unnamed` marks it
    ``multiply_adds``  (what the kernel returned, the inputs and static arguments) -> number of multiplications with an addition; None: not counted
    ``tangents``       input -> formula of the result's tangent, see :func:`~minigrad.engine.rules.tangent`
    ``linear``         the groups of inputs that :func:`~minigrad.engine.rules.linear_in` names
    ``batching``       its rule for ``vmap``, see :mod:`minigrad.engine.batching`; None: sample by sample
    =================  =======================================================================================
    """

    exact = False
    across_levels = False
    elementwise = False
    views = False
    unnamed = False
    linear: tuple[tuple[str, ...], ...] = ()
    together: tuple[tuple[Callable, list[tuple[Any, str]], tuple[int, ...]], ...] = ()
    batching: Any = None
    multiply_adds: Callable[[Any, tuple], int] | None = None

    def __init__(self, kernel: Callable, formulas: dict[str, Callable | None]):
        if not callable(kernel):
            raise TypeError(f"@op decorates a function of arrays, not {kernel!r}")
        for name, f in formulas.items():
            if f is not None and not callable(f):
                raise TypeError(
                    f"@op {kernel.__name__}: the formula of '{name}' must be a function of g, the incoming gradient, or None, not {f!r}"
                )
        self.kernel = kernel
        self.direct: Callable | None = getattr(kernel, "direct", None)
        self.name: str = kernel.__name__.lstrip("_")  # `_cat`, the op that the public function `cat` calls, is named "cat"
        self.constant = formulas.get("res", 0) is None
        self.formulas = {name: f for name, f in formulas.items() if name != "res" or f is not None}
        inputs: list[str] = []
        self.statics: dict[str, Any] = {}
        self.optional: dict[str, Any] = {}  # input -> default
        self.variadic: str | None = None
        self.rest: tuple[str, ...] = ()  # names of the parts of the variadic input, where they have any
        for name, default in _names_and_defaults(kernel):
            if name.lstrip("*") in _RESERVED or name.startswith("_"):
                raise TypeError(f"@op {self.name}: a parameter cannot be called '{name}'")
            if name.startswith("**"):
                raise TypeError(f"@op {self.name}: {name} is not allowed; name each static argument")
            if name.startswith("*"):
                self.variadic = name[1:]
            elif name in self.formulas or (not formulas and default is _MISSING):  # @op(): parameters without a default
                inputs.append(name)
                if default is not _MISSING:
                    self.optional[name] = default
                if self.variadic:
                    raise TypeError(f"@op {self.name}: the input '{name}' cannot follow *{self.variadic}")
            else:
                self.statics[name] = default
        self.inputs: tuple[str, ...] = tuple(inputs)
        for name in self.formulas:
            if name not in self.inputs and name != self.variadic:
                raise TypeError(f"@op {self.name}: '{name}' is not a parameter of {self.name}{self.signature}")
        if not inputs and not self.variadic:
            raise TypeError(f"@op {self.name}: no input of {self.name}{self.signature} is named; name one, with a formula or None")
        self.joint: dict[Callable, tuple[int, ...]] = {}
        for f in self.formulas.values():
            if f is not None and getattr(f, "joint", False):
                self.joint[f] = tuple(i for i, name in enumerate(self.inputs) if self.formulas.get(name) is f)
        self.needs = {name: self.parameters_of(f, name, "g") for name, f in self.formulas.items() if f is not None}
        self.has_residual = any(source == "res" for needs in self.needs.values() for source, _ in needs)
        if self.constant and not self.has_residual:
            raise TypeError(f"@op {self.name}: res=None declares a residual constant, but no formula names res")
        self.tangents: dict[str, Callable] = {}
        self.plans = _Plans(self)
        self.codes: dict[bool, types.CodeType] = {}  # of the function, for whether somebody observes
        self.function = _differentiable(self)
        _registry[f"{kernel.__module__}.{kernel.__qualname__}"] = self

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The signature of the kernel and of the function."""
        return inspect.signature(self.kernel)

    @functools.cached_property
    def order(self) -> tuple[list[str], list[str]] | None:
        """The static arguments that a call gives by position, after all inputs, and those that it gives by name; None if an input comes after one."""
        parameters = list(self.signature.parameters.values())
        by_name = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        first = [*self.inputs, *([self.variadic] if self.variadic else [])]
        fits = names[: len(first)] == first and not set(by_name) & set(first)
        return (names[len(first) :], by_name) if fits else None

    def parameters_of(self, formula: Callable, argument: str, first: str) -> list[tuple[Any, str]]:
        """For each parameter of ``formula`` after the first, g or t: its source, and the expression that is evaluated to keep it."""
        parameters = [name for name, _ in _names_and_defaults(formula)]
        if not parameters or parameters[0] != first:
            what = {"g": "gradient", "t": "tangent"}[first]
            raise TypeError(f"@op {self.name}: the formula of '{argument}' must take {first}, the incoming {what}, first")
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
                raise TypeError(f"@op {self.name}: the formula of '{argument}' has a parameter '{name}'; it can have {', '.join(known)}")
        return found

    def ways(self, wanted: Iterable[int]) -> dict[int, tuple[Callable | None, list[tuple[Any, str]], tuple[int, ...] | None]]:
        """Input -> the formula that is used if the inputs at the positions ``wanted`` require a gradient, its needs, and the positions of a joint one."""
        found: dict[int, Any] = {}
        for position in wanted:
            name = self.argument(position)
            formula = self.formulas.get(name)
            found[position] = formula, self.needs.get(name, []), None if formula is None else self.joint.get(formula)
        for way in self.together:
            if found.keys() >= set(way[2]):
                found |= dict.fromkeys(way[2], way)
        return found

    def kept(self, wanted: Iterable[int]) -> list[tuple[Any, str]]:
        """The values that these formulas name, each once, as pairs like those of ``needs``."""
        return list(dict.fromkeys(need for _, needs, _ in self.ways(wanted).values() for need in needs))

    def argument(self, position: int) -> str:
        """The name of the input at ``position`` of a call."""
        return self.inputs[position] if position < len(self.inputs) else str(self.variadic)

    def way(self, position: int) -> str:
        """What computes the gradient of the input at ``position``, in the words of who wrote it: a `Function` has a backward, no formulas."""
        names = self.inputs + self.rest
        name = names[position] if position < len(names) else str(self.variadic)
        return f"backward, for argument '{name}'," if self.exact else f"the formula of '{name}'"

    def split(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """The inputs and the static arguments of a call ``(*args, **kwargs)``, defaults filled in."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = dict(bound.arguments)
        rest = values.pop(self.variadic) if self.variadic else ()
        return (*[values.pop(x) for x in self.inputs], *rest), values

    def run(self, inputs: Sequence[Any], statics: dict[str, Any], function: Callable | None = None) -> Any:
        """The result of the kernel, or of ``function``, for the inputs and static arguments that :meth:`split` returned."""
        if self.order is not None and len(inputs) >= len(self.inputs) and len(statics) == len(self.statics):
            by_position, by_name = self.order
            return (function or self.kernel)(*inputs, *[statics[name] for name in by_position], **{name: statics[name] for name in by_name})
        values = {**dict(zip(self.inputs, inputs, strict=False)), **statics}
        args: list[Any] = []
        for p in self.signature.parameters.values():
            if p.kind is p.VAR_POSITIONAL:
                args += inputs[len(self.inputs) :]
            elif p.kind is not p.KEYWORD_ONLY and p.name in values:
                args.append(values.pop(p.name))
        return (function or self.kernel)(*args, **values)

    def __repr__(self) -> str:
        return f"<op {self.name}{self.signature}>"


def _names_and_defaults(function: Callable) -> list[tuple[str, Any]]:
    """The names, ``*`` and ``**`` among them, and defaults of a function's parameters, in a tenth of the time of ``inspect.signature``."""
    plain: Any = function
    while (inner := getattr(plain, "__wrapped__", None)) is not None:
        plain = inner
    code = getattr(plain, "__code__", None)
    if code is None:
        stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        return [(stars.get(p.kind, "") + p.name, p.default) for p in inspect.signature(function).parameters.values()]
    if not code.co_kwonlyargcount and not code.co_flags & 12:
        names, given = code.co_varnames[: code.co_argcount], plain.__defaults__ or ()
        return list(zip(names, (*[_MISSING] * (len(names) - len(given)), *given), strict=True))
    last = code.co_argcount + code.co_kwonlyargcount
    positional, keyword = list(code.co_varnames[: code.co_argcount]), code.co_varnames[code.co_argcount : last]
    variable = [f"{star}{name}" for star, name in zip(_STARS[code.co_flags & 12], code.co_varnames[last:], strict=False)]
    names = [*positional, *[v for v in variable if v[1] != "*"], *keyword, *[v for v in variable if v[1] == "*"]]
    defaults = dict(zip(reversed(positional), reversed(plain.__defaults__ or ()), strict=False)) | (plain.__kwdefaults__ or {})
    return [(name, defaults.get(name, _MISSING)) for name in names]


_STARS = {0: (), 4: ("*",), 8: ("**",), 12: ("*", "**")}  # flags of a code object

_registry: dict[str, Op] = {}
_stand_ins: list[StandIn] = []


def registered_ops() -> dict[str, Op]:
    """Every op that :func:`op` has made in this process, by its qualified name."""
    return dict(_registry)


def put_before_kernels(stand_in: StandIn) -> None:
    """From now on the ops of all threads call ``stand_in(op, kernel)`` in place of their kernels, until :func:`take_away`.

    A later one gets what the earlier ones made as its ``kernel``; one that is there already is not put a second time, but counted. Ops do not
    ask whether there is one, so while there is none it costs nothing.
    """
    with _stand_ins_lock:
        _stand_ins.append(stand_in)
        _place_kernels()


def take_away(stand_in: StandIn) -> None:
    """End what one call of :func:`put_before_kernels` began."""
    with _stand_ins_lock:
        _stand_ins.remove(stand_in)
        _place_kernels()


_stand_ins_lock = threading.Lock()


def _place_kernels() -> None:
    for op in _registry.values():
        op.function.__globals__.update(_called(op))  # each op has globals of its own


def _called(op: Op) -> dict[str, Any]:
    """What the generated function calls: the kernel, or what stands before it, which sees calls inside ``vmap`` too."""
    kernel = op.kernel
    for stand_in in dict.fromkeys(_stand_ins):
        kernel = stand_in(op, kernel)
    return {"_kernel": kernel, "_direct": kernel if _stand_ins else op.direct, "_levels": () if _stand_ins else levels}


def joint(formula: Callable) -> Callable:
    """Mark a formula that returns the gradients of several inputs at once, because they share work.

    Pass it to ``@op`` under the name of each such input. It returns one gradient per input, in the order of the kernel's parameters: None
    for no gradient, or a function without arguments that is called only if its gradient is needed. A backward pass calls the formula once.

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
    """Make a kernel differentiable: one formula per input, whose parameter names say which values the backward pass needs.

    The kernel takes ndarrays and returns an ndarray (or a tuple of them). The parameters that ``@op`` names are its inputs; all other
    parameters, in any position, are static (an axis, a stride). ``name=None`` declares an input without gradient: the result is constant in
    it, or not a smooth function of it. ``res=None`` declares the residual a constant for higher derivatives. ``@op()`` makes a
    function whose result is a constant; its inputs are the parameters without a default. If a formula's gradient has the
    broadcast shape, the engine sums it to the shape of the input.

    The returned function has the kernel's name, signature and docstring, and also accepts numpy's ``axis`` and ``keepdims`` for
    ``dim`` and ``keepdim``. Its ``.op`` is the :class:`Op`. For a type checker it takes the kernel's
    parameters and returns a Tensor; annotate the arrays of a kernel with :data:`minigrad.types.Array`.

    Raises ``TypeError`` when the op is defined, if a formula has a parameter that is not in the table of :mod:`minigrad.engine`.

    >>> import numpy as np, minigrad as mg
    >>> @mg.op(x=lambda g, x, slope: g * mg.where(x > 0, 1, slope))
    ... def leaky(x, slope=0.1):
    ...     return np.where(x > 0, x, slope * x)
    >>> x = mg.tensor([-1.0, 2.0], requires_grad=True)
    >>> leaky(x, 0.5).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0000])
    """

    def decorate(kernel: Callable[P, Any]) -> Callable[P, Tensor]:
        return Op(kernel, formulas).function

    return decorate


# ------------------------------------------------------------------------- helpers of the generated function


def weaken(op: Op, out: np.ndarray, arrays: Sequence[Any], static: dict[str, Any]) -> np.ndarray:
    """``out`` cast to PyTorch's promoted dtype if numpy's is wider. Inputs with axes decide, then 0-d ones, then the default dtype.

    float32 * (a 0-d float64), float32 * int64 and int64 / int64 are float32, int32 + (a 0-d int64) is int32. A 0-d input decides if its
    category (bool < integer < floating) is higher. numpy scalars count as Python numbers. With an explicit ``dtype=`` nothing changes.
    Raises ``TypeError`` where an operand was no number, and so ``out`` is none.
    """
    if out.dtype.kind not in "fiub":
        raise TypeError(f"{op.name}: {no_number(out.dtype)}")
    if op.exact or static.get("dtype") is not None:
        return out
    sized: list[np.dtype] = []
    scalar: list[np.dtype] = []
    for i, a in enumerate(arrays):
        if isinstance(a, ARRAYS) and op.argument(i) not in _POSITIONS:
            (sized if a.ndim else scalar).append(a.dtype)
    if out.dtype.kind == "f":
        sized, scalar = [d for d in sized if d.kind == "f"], [d for d in scalar if d.kind == "f"]
        if not sized and not scalar:
            return cast_quietly(out, get_default_dtype()) if out.dtype is F64 else out
    elif not sized or not scalar or out.dtype != np.result_type(*sized, *scalar):
        return out
    wanted = np.result_type(*(sized or scalar))
    if out.dtype.kind != "f" and _category(wanted) < _category(out.dtype):  # bool + (a 0-d int64) is int64
        return out
    return cast_quietly(out, wanted) if wanted.itemsize < out.dtype.itemsize else out


_POSITIONS = {"index", "indices", "condition", "mask", "target"}  # inputs that select elements; they do not affect the result's dtype


def _category(dtype: np.dtype) -> int:
    return {"b": 0, "u": 1, "i": 1}.get(dtype.kind, 2)


def _batched(op: Op, inputs: Sequence[Any], statics: dict[str, Any], level: Level) -> Any:
    """What the kernel returns for inputs or static arguments that differ from sample to sample."""
    watcher, start, out = observer(), perf_counter_ns(), None
    try:
        out = run_batched(op, inputs, statics, level)
        return out
    except Exception as error:
        raise _explain(op, error, inputs) from None
    finally:
        if watcher is not None:
            watcher.ran(op, start, (*inputs, *statics.values()), out)


def _explain(op: Op, error: Exception, arrays: Sequence[Any]) -> Exception:
    """The kernel's exception with the op and the shapes of its arguments added, or the refusal of an argument that is no number."""
    text = str(error)
    for i, a in enumerate(arrays):
        if not text.startswith(f"{op.name}:") and _is_no_number(op, i, a):
            return _no_number(op, i, a)
    if type(error) is ValueError and "broadcast" in text and not text.startswith(f"{op.name}:"):
        shapes = " and ".join(str(shape_of(a)) for a in arrays)
        return ShapeError(f"{op.name}: shapes {shapes} do not broadcast: aligned at the last dimension, sizes must be equal or 1")
    if isinstance(error, TypeError) and "ufunc '" in text:  # numpy's refusal of the dtypes
        return TypeError(f"{op.name}: not for {' and '.join(format(getattr(a, 'dtype', type(a).__name__)) for a in arrays)}")
    if not text.startswith(f"{op.name}:"):
        shown = [f"{a.dtype}{a.shape}" if isinstance(a, ARRAYS) else f"={a!r:.40}" for a in arrays]
        names = [op.argument(i) for i in range(len(arrays))]
        if type(error) is np.linalg.LinAlgError:
            error = LinAlgError(f"{op.name}: {text}")
        elif type(error) is OverflowError and error.args == (text,):  # Python's own words
            error.args = (f"{op.name}: {text}",)
        error.add_note(f"in {op.name}({', '.join(n + (s if s[0] == '=' else ' ' + s) for n, s in zip(names, shown, strict=True))})")
    return error


def _answer(op: Op, error: Exception, arrays: Sequence[Any], nodes: Sequence[Any], statics: dict[str, Any]) -> Any:
    """What an operand that no kernel takes, such as a complex pair, makes of the op; where there is none, raises the error, explained."""
    given = [_as_given(a, node) for a, node in zip(arrays, nodes, strict=True)]
    for operand in given:
        if isinstance(operand, Shell):
            return operand.answer_op(op, given, statics)
        if type(operand) in answers_for:
            return answers_for[type(operand)](op, given, statics)
    raise _explain(op, error, arrays) from None


def _as_given(array: Any, node: Any) -> Any:
    """The Tensor that was taken apart, or what else was given."""
    if type(array) is Unknown:
        return array.operand
    if not isinstance(array, ARRAYS) and node is None:
        return array
    tensor: Any = wrap(array)
    tensor._node = node
    return tensor


answers_for: dict[type, Callable[[Op, Sequence[Any], dict[str, Any]], Any]] = {}  # a type of numbers -> what answers as a Shell does


def _operand(op: Op, i: int, value: Any) -> Any:
    """An input that is neither an array nor a number, as the op goes on with it. Raises ``TypeError`` for what is no operand."""
    if type(value) in tensor_types:
        return value
    if type(value) in (list, tuple) and np.asarray(value).dtype.kind in "fiub":
        return value  # for the kernel to take or to refuse
    if isinstance(value, Shell) or type(value) in answers_for:
        return Unknown(value)
    if _is_no_number(op, i, value):
        raise _no_number(op, i, value)
    return value


def _is_no_number(op: Op, i: int, value: Any) -> bool:
    """Whether an input is no array of numbers, and not None where that may stand for one that is not given."""
    if value is None:
        given = op.signature.parameters.get(op.argument(i))
        return given is not None and given.default is given.empty
    dtype = getattr(value, "dtype", None)  # of an array, or of what stands for one, such as an outline
    return not isinstance(value, (bool, int, float)) and (not isinstance(dtype, np.dtype) or dtype.kind not in "fiub")


def _no_number(op: Op, i: int, value: Any) -> TypeError:
    given = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"{value!r:.60}"
    return TypeError(f"{op.name}: {op.argument(i)} must be a Tensor, an array or a number, but is {given}")


def _refuse_tensor(op: Op, name: str, value: Any) -> Any:
    """The number in a 0-d integer Tensor. Raises ``TypeError`` for any other Tensor, because it would get no gradient."""
    if value._data.ndim == 0 and value._data.dtype.kind in "iub" and value._node is None:
        return value._data[()]
    raise TypeError(
        f"{op.name}: '{name}' is a Tensor, but not an input of the op, so it would get no gradient. "
        f"In the op, name it in @op ({name}=None if the result is constant in it); in a call, pass a number or an array"
    )


def _rebind(op: Op, bound: dict[str, Any], more: dict[str, Any]) -> Any:
    """Call ``op`` again with numpy's keyword names replaced by ours. Raises ``TypeError`` for an unknown or missing keyword."""
    given = {name: value for name, value in bound.items() if value is not op.signature.parameters[name].default}
    given |= with_our_names(op.name, {**given, **more}, bound)
    for name in given:
        if name not in bound:
            raise TypeError(f"{op.name}() got an unexpected keyword argument '{name}'")
    for name, value in bound.items():
        if value is _MISSING and name not in given:
            raise TypeError(f"{op.name}() missing 1 required argument: '{name}'")
    return op.function(**given)


def _split(op: Op, returned: Any) -> tuple[Any, Any]:
    """The result and the residual that a kernel returned."""
    if type(returned) is not tuple or len(returned) != 2:
        raise TypeError(f"{op.name}: a formula names res, so the kernel must return (result, residual), not {_kind_of(returned)}")
    return returned


def _kind_of(value: Any) -> str:
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else "None" if value is None else f"a {type(value).__name__}"


def _as_result(op: Op, out: Any) -> Any:
    """The kernel's return value as an array. Raises ``TypeError`` unless it consists of numbers."""
    if type(out) is Batched:  # one of several results
        return out
    if type(out) in tensor_types:
        raise TypeError(f"{op.name}: the kernel returned a Tensor; kernels take and return arrays")
    array = np.asarray(out)
    if array.dtype.kind not in "fiub":
        hint = " (is its return missing?)" if out is None else ""
        what = f"an array of {array.dtype}" if isinstance(out, np.ndarray) else _kind_of(out)
        raise TypeError(f"{op.name}: the kernel returned {what}{hint}; it must return an array of numbers, or a tuple of such")
    return array


def _record_several(op: Op, mask: int, nodes: tuple, arrays: tuple, keep: tuple, static: dict[str, Any], outs: tuple) -> tuple:
    """The Tensors for a kernel's tuple of results: one node for the call, and a :class:`Pick` for each floating result."""
    outs = tuple([a if type(a) is np.ndarray and a.dtype is F32 else _as_result(op, a) for a in outs])
    outs = tuple([weaken(op, a, arrays, static) if a.dtype is F64 else a for a in outs])
    plan = op.plans[mask] if mask and grad_mode.get() else None
    if plan is None:
        return tuple([wrap(a) for a in outs])
    keep = (*keep[:-2], outs, keep[-1])
    levels = tuple({level: None for a in outs if type(a) is Batched for level in a.levels})
    node = _node(levels).fill(plan, nodes, plan.keep(*keep), static, tuple([(a.shape, a.dtype) for a in outs]), None)
    _tell(node)
    return tuple([wrap(a, Pick(node, i, a) if a.dtype.kind == "f" else None) for i, a in enumerate(outs)])


def _linked(results: Any, source: Any) -> Any:
    """The result, or results, of an op that makes views, which remember their source."""
    for result in results if type(results) is tuple else (results,):
        result._source = source
    return results


def _node(levels: tuple) -> Node:
    """A new node, whose result differs for the samples of ``levels``."""
    if not levels:
        return Node()
    node = SampleNode()
    node.levels = levels
    return node


def _record_batched(op: Op, mask: int, nodes: tuple, arrays: tuple, keep: tuple, static: dict[str, Any], out: Any) -> Any:
    """The Tensor for a result that differs from sample to sample: what the generated function does for arrays."""
    alike = [a.dtype is out.dtype for a in arrays if type(a) in ARRAYS]
    if not alike or not all(alike):
        out = weaken(op, out, arrays, static)
    plan = op.plans[mask] if mask and out.dtype.kind == "f" and grad_mode.get() else None
    if plan is None:
        return wrap(out)
    node = _node(out.levels).fill(plan, nodes, plan.keep(*keep[:-2], out, keep[-1]), static, out.shape, out.dtype)
    _tell(node)
    return wrap(out, node)


def _tell(node: Node) -> None:
    """Tell who hears of nodes."""
    if node.plan.op.unnamed:
        node.caller = anomaly.caller()
    watcher = observer()
    if watcher is not None and watcher.log and watcher.log[-6] is node.plan.op:  # else it observes since the kernel began
        watcher.log[-1] = node
        if len(watcher.log) > PENDING or listeners:
            watcher.settle()
    for listener in listeners:
        listener(node)


# ------------------------------------------------------------------------------------------ the generated function

# A general function with *args and **kwargs would take three times as long as this code, generated for one op.
# Its own variables begin with _, which parameters do not, and the node of an input x is __x.
_CALL = """\
def call({parameters}):
{rebind}{given}    _tensor = False
{unwrap}{refuse}{observer}    if not _tensor:
        if {inside}:
            return {batched_plain}
        try:
{plain_run}        except Exception as _error:
            if (_level := _last_level(({inputs}{statics}))) is None:
{failed}                return _answer(_op, _error, ({inputs}), ({nodes}), {static})
            return {batched_plain}
    if {inside}:
        {received} = _batched(_op, ({inputs}), {static}, _level)
    else:
        try:
{begun}{run}{noted}        except Exception as _error:
            if (_level := _last_level(({inputs}{statics}))) is None:
{failed}                return _answer(_op, _error, ({inputs}), ({nodes}), {static})
            {received} = _batched(_op, ({inputs}), {static}, _level)
{split}    if type(out) is not _ndarray:
        if type(out) is tuple:
            return {linked}_several(_op, {mask}, ({nodes}), ({inputs}), ({keep}), {static}, out){source}
        if type(out) is _Batched:
            return {linked}_record_batched(_op, {mask}, ({nodes}), ({inputs}), ({keep}), {static}, out){source}
        out = _as_result(_op, out)
    _dtype = out.dtype
    if {promoted}:
        out = _weaken(_op, out, ({inputs}), {static})
        _dtype = out.dtype
    _t = _new()
    _t._data = out
    _t._grad = None
    if (_mask := {mask}) and _grad_mode() and (_p := _plans[_mask]) is not None and (_dtype is _F32 or _dtype is _F64 or _dtype.kind == 'f'):
        _t._node = _n = _Node()
        _n.plan = _p
        _n.parents = ({nodes})
        _n.kept = {kept}
        _n.static = {static}
        _n.shape = {shape}
        _n.dtype = _dtype
        _n.number = _next(_numbers)
        _n.hooks = None
{constant}{caller}{made}        if _listeners:
            for _listener in _listeners:
                _listener(_n)
    else:
        _t._node = None
{link}    return _t
"""
_LINK = """\
    _t._source = _ref(_given) if {x}.base is None and type(_given) is _Tensor else _given._link()
"""
_UNWRAP = """\
    if type({x}) is _Tensor or (type({x}) is not _ndarray and type({x}) not in _NUMBERS and type({x} := _operand(_op, {position}, {x})) in _tensors):
        _tensor = True
        __{x} = {x}._node
        {x} = {x}._data
    else:
        __{x} = None
"""
_UNWRAP_ALL = """\
    __{x} = [_._node if type(_) in _tensors else None for _ in {x}]
    if any([type(_) in _tensors for _ in {x}]):
        _tensor = True
        {x} = tuple([_._data if type(_) in _tensors else _ for _ in {x}])
"""
# While somebody observes, see minigrad.engine.observed.
_OBSERVER = """\
    _observer = _observers.get(_ident())
"""
_BEGUN = """\
            _start = _now()
"""
_NOTED = """\
            if _observer is not None:
                _observer.log += _op, _start, _now(), None if _observer.known else _observer.details(({arguments})), {products}, None
"""
_FAILED = """\
                if _observer is not None:
                    _observer.ran(_op, _start, ({arguments}))
"""
_MADE = """\
        if _observer is not None and (_log := _observer.log) and _log[-6] is _op:
            _log[-1] = _n
            if _len(_log) > _PENDING or _listeners:
                _observer.settle()
"""
_REFUSE = """\
    if type({x}) in _tensors:
        {x} = _refuse_tensor(_op, '{x}', {x})
"""
_REBIND = """\
    if {condition}:
        return _rebind(_op, {bound}, _more)
"""
# A result is in PyTorch's dtype already if it is in that of its first input, which has a node and is not 0-d. Else it may be wider: but not
# a float32 one, if no input is a float16 (a node knows that sooner than an array), nor one whose first input is sized and of its dtype.
_ONE = (
    "_dtype is not _F32 and not (__{x} is not None and __{x}.dtype is _dtype) and "
    "(_dtype is _F64 and not (type({x}) is _ndarray and {x}.dtype is _F64) or _dtype.kind not in 'fiub')"
)
_MANY = (
    "not (__{x} is not None and __{x}.dtype is _dtype and __{x}.shape) and (({others}) if _dtype is _F32 else "
    "_dtype is not _BOOL and not (type({x}) is _ndarray and {x}.dtype is _dtype and {x}.ndim))"
)
_OTHER = "(__{x} is None or __{x}.dtype is not _F32) and type({x}) is _ndarray and {x}.dtype is not _F32"
_RESERVED = {"g", "out", "res", "isinstance", "tuple", "type", "any", "enumerate", "Exception", "None", "self"}


def _differentiable(op: Op) -> Callable:
    """The function that users call. With a Tensor among its inputs it records a node; otherwise it only runs the kernel."""
    scope = {**_SCOPE, "_op": op, "_plans": op.plans, **_called(op)}
    code = _first_call.__code__.replace(co_name=op.kernel.__name__, co_qualname=op.kernel.__qualname__)
    function = types.FunctionType(code, scope)
    functools.update_wrapper(function, op.kernel)
    function.op = op  # type: ignore[attr-defined]
    return function


def _first_call(*args, **kwargs):
    specialize(_op)  # type: ignore[name-defined]  # noqa: F821  # a global of the copy that each op has of this function
    return _op.function(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


_codes_lock = threading.RLock()


def observe(watcher: Observer) -> None:
    """From now on :data:`~minigrad.engine.observed.observers` have this one for the calling thread."""
    with _codes_lock:
        observers[get_ident()] = watcher
        _place_codes()


def observe_no_more(thread: int) -> None:
    """End what :func:`observe` began in the thread of this ``get_ident``."""
    with _codes_lock:
        observers.pop(thread, None)
        _place_codes()


def _place_codes() -> None:
    """Give ops that have been called the code that fits; others get theirs at the first call."""
    for op in list(_registry.values()):
        if op.codes and op.function.__code__ is not op.codes.get(bool(observers)):
            specialize(op)


def specialize(op: Op) -> None:
    """Give ``op.function`` its code for this op's signature and formulas (done at the first call)."""
    with _codes_lock:
        observed = bool(observers)
        if observed not in op.codes:
            op.codes[observed] = _generated(op, observed)
        op.function.__code__ = op.codes[observed]


def _generated(op: Op, observed: bool) -> types.CodeType:
    """The code of ``op.function``, from :data:`_CALL`; ``observed`` is whether it tells observers what it does."""
    many = [*op.inputs, *([op.variadic] if op.variadic else [])]
    values = [*op.inputs, *([f"*{op.variadic}"] if op.variadic else [])]
    nodes = [*(f"__{x}" for x in op.inputs), *([f"*__{op.variadic}"] if op.variadic else [])]
    unwrap = [_UNWRAP.format(x=x, position=i) for i, x in enumerate(op.inputs)]
    if op.variadic:
        unwrap.append(_UNWRAP_ALL.format(x=op.variadic))
    scope = op.function.__globals__
    keep = ", ".join([*many, *op.statics, "out", "res" if op.has_residual else "None"])
    kept = f"_p.keep({keep})"
    if not op.variadic and len(op.inputs) <= 2:  # few masks: a list of plans, and the kept tuple written out instead of a call
        if all(x in op.formulas for x in op.inputs):  # else making a plan may raise, which must wait until it is needed
            scope["_plans"] = [op.plans[mask] for mask in range(1 << len(op.inputs))]
        tuples = {m: _tuple([e for _, e in op.kept(i for i in range(len(op.inputs)) if m >> i & 1)]) for m in range(1, 1 << len(op.inputs))}
        kept = tuples.pop(max(tuples))
        if any(text != kept for text in tuples.values()):
            for mask, text in reversed(tuples.items()):  # a constant second input is the most frequent
                kept = f"{text} if _mask == {mask} else {kept}"
    parameters, passed, rebind = _parameters(op)
    call = f"({', '.join(passed)})"
    inputs, statics = "".join(f"{v}, " for v in values), "".join(f"{s}, " for s in op.statics)
    static = "{" + ", ".join(f"{s!r}: {s}" for s in op.statics) + "}" if op.statics else "_NOTHING"
    received = "_both" if op.has_residual else "out"
    plain, run = f"_kernel{call}", f"            {received} = _kernel{call}\n"
    batched_plain = f"_batched(_op, ({inputs}), {static}, _level)"
    if op.has_residual:
        plain = f"_split(_op, {plain})[0]"
        batched_plain = f"{batched_plain}[0]"
    elif op.direct:
        first = many[0]
        if len(many) == 1:  # of one array numpy makes other floats than the kernel if it has none; with a node it has
            alone = f"(__{first} is not None or {first}.dtype is _F32) and {first}.size <= _LARGE"
        else:
            alone = f"type({first}) is not _ndarray or {first}.size <= _LARGE"
        direct = f"_direct{call} if {alone} else {plain}"
        run = f"            try:\n                out = {direct}\n            except RuntimeError:\n                out = {plain}\n"
    if len(many) == 1 and not op.variadic:
        promoted = _ONE.format(x=many[0])
    elif op.variadic:
        promoted = "_dtype is not _BOOL"
    else:
        promoted = _MANY.format(x=many[0], others=" or ".join(_OTHER.format(x=x) for x in op.inputs if x not in _POSITIONS) or "False")
    arguments = f"{inputs}{statics}"
    scope["_count"] = op.multiply_adds
    noted = _NOTED.format(arguments=arguments, products=f"_count({received}, ({arguments}))" if op.multiply_adds else "0")
    result = "            out = _split(_op, _both)[0]\n" if op.has_residual else ""
    source = _CALL.format(
        observer=_OBSERVER if observed else "",
        plain_run=f"{_BEGUN}            {received} = _kernel{call}\n{result}{noted}            return out\n"
        if observed
        else f"            return {plain}\n",
        begun=_BEGUN if observed else "",
        noted=noted if observed else "",
        failed=_FAILED.format(arguments=arguments) if observed else "",
        made=_MADE if observed else "",
        parameters=", ".join(parameters),
        rebind=rebind,
        unwrap="".join(unwrap),
        refuse="".join(_REFUSE.format(x=x) for x in op.statics),
        run=run,
        batched_plain=batched_plain,
        received=received,
        statics=statics,
        inside="False" if op.across_levels else f"_levels and (_level := _last_level(({inputs}{statics}))) is not None",
        split="    out, res = _split(_op, _both)\n" if op.has_residual else "",
        inputs=inputs,
        nodes="".join(f"{n}, " for n in nodes),
        promoted=promoted,
        keep=keep,
        kept=kept,
        static=static,
        constant=_constant_told(op),
        mask=_mask(op),
        shape=f"__{many[0]}.shape" if op.direct and len(many) == 1 else "out.shape",
        caller="        _n.caller = _caller()\n" if op.unnamed else "",
        given=f"    _given = {many[0]}\n" if op.views else "",
        link=_LINK.format(x=many[0]) if op.views else "",
        linked="_linked(" if op.views else "",
        source=", _given._link())" if op.views else "",
    )
    filename = f"{anomaly.GENERATED}{op.kernel.__module__}.{op.kernel.__qualname__}{', observed' if observed else ''}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)  # for tracebacks and debuggers
    scope["_Tensor"] = tensor_class()
    scope["_new"] = functools.partial(object.__new__, tensor_class())  # without __init__, which users call
    made: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), {**scope, "_defaults": op.signature.parameters}, made)
    code, function = made["call"], op.function
    function.__defaults__, function.__kwdefaults__ = code.__defaults__, code.__kwdefaults__
    return code.__code__.replace(co_name=op.kernel.__name__, co_qualname=op.kernel.__qualname__)


def _mask(op: Op) -> str:
    """The number whose bits say which inputs have a node, as an expression."""
    nodes = [f"__{x}" for x in op.inputs]
    if len(nodes) == 2 and not op.variadic:  # as most ops have: 2 % less of their time
        first, second = nodes
        return f"((3 if {second} is not None else 1) if {first} is not None else 2 if {second} is not None else 0)"
    bits = [f"({1 << i} if {node} is not None else 0)" for i, node in enumerate(nodes)]
    if op.variadic:
        bits.append(f"_sum([{1 << len(nodes)} << _i for _i, _ in enumerate(__{op.variadic}) if _ is not None])")
    return f"({' | '.join(bits) or 0})"


def _constant_told(op: Op) -> str:
    """The lines that store a node's ``constant``, for an op of two inputs. Arrays are not stored: the node would keep them alive."""
    lines = ""
    if len(op.inputs) == 2 and not op.variadic:
        for mask, x, number in ((1, *op.inputs), (2, *reversed(op.inputs))):
            if x in op.needs and number not in [expression for _, expression in op.needs[x]]:
                lines += f"            if _mask == {mask} and type({number}) is not _ndarray:\n                _n.constant = {number}\n"
    return f"        if _mask != 3:\n{lines}" if lines else ""


def _parameters(op: Op) -> tuple[list[str], list[str], str]:
    """The parameters of an op's function, the arguments it passes to the kernel, and the lines that rename other keywords."""
    renamed = not op.variadic and any(ours in op.signature.parameters for names in NAMES_OF_OPS.values() for ours in names)
    parameters: list[str] = []
    passed: list[str] = []
    missing: list[str] = []
    last = None
    for p in op.signature.parameters.values():
        if last is p.POSITIONAL_ONLY and p.kind is not last:
            parameters.append("/")
        if p.kind is p.KEYWORD_ONLY and last not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            parameters.append("*")
        last = p.kind
        if p.kind is p.VAR_POSITIONAL:
            parameters.append(f"*{p.name}")
            passed.append(f"*{p.name}")
            continue
        default = f"=_defaults[{p.name!r}].default" if p.default is not p.empty or renamed else ""
        if renamed and p.default is p.empty:  # it may be given under numpy's name
            missing.append(p.name)
        parameters.append(p.name + default)
        passed.append(f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name)
    if last is inspect.Parameter.POSITIONAL_ONLY:
        parameters.append("/")
    if not renamed:
        return parameters, passed, ""
    parameters.append("**_more")
    condition = " or ".join(["_more", *(f"{name} is _MISSING" for name in missing)])
    bound = "{" + ", ".join(f"{name!r}: {name}" for name in op.signature.parameters) + "}"
    return parameters, passed, _REBIND.format(condition=condition, bound=bound)


_SCOPE: dict[str, Any] = {
    "_tensors": tensor_types, "_operand": _operand, "_ndarray": np.ndarray,
    "_NUMBERS": {float, int, bool, np.bool_, *(np.dtype(code).type for code in "efdbhiqBHIQ")}, "_F32": F32, "_F64": F64, "_BOOL": BOOL, "_LARGE": SHARED, "_MISSING": _MISSING,
    "_Node": Node, "_numbers": numbers, "_next": next, "_sum": sum, "_NOTHING": {}, "_shape_of": shape_of,
    "_grad_mode": grad_mode.get, "_listeners": listeners, "_caller": anomaly.caller, "specialize": specialize,
    "_answer": _answer, "_weaken": weaken, "_several": _record_several, "_ref": weakref.ref, "_linked": _linked, "_Batched": Batched, "_record_batched": _record_batched, "_as_result": _as_result, "_split": _split,
    "_observers": observers, "_ident": get_ident, "_now": perf_counter_ns, "_len": len, "_PENDING": PENDING,
    "_refuse_tensor": _refuse_tensor, "_rebind": _rebind, "_last_level": last_level, "_batched": _batched,
    "__builtins__": __builtins__,  # numpy looks there when a ufunc raises
}  # fmt: skip
