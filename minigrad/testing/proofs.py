"""check_op: everything that an op promises, checked on arguments that hypothesis draws."""

from __future__ import annotations

import collections
import gc
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import hypothesis
import numpy as np
from hypothesis.strategies import SearchStrategy

from minigrad import engine
from minigrad.engine import Pick, TensorBase, settle, wrap
from minigrad.testing import domains
from minigrad.testing import strategies as st
from minigrad.testing.call import Call, arrays_in, source
from minigrad.testing.checking import check_gradients
from minigrad.testing.function import Function, Leaf, name_of
from minigrad.testing.report import GradcheckError, Report
from minigrad.tree import unwrapped


def check_op(
    op: Callable,
    *strategies: Any,
    examples: int | None = None,
    order: int = 2,
    wrt: Iterable[str] | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    float32: bool = True,
    strided: bool = True,
) -> Report:
    """Prove an op, or any function of Tensors, on many examples, and shrink a failure to a minimal one.

    Checked for each example:

    * the call does not change its arguments and gives the same result twice (random draws are rewound);
    * gradients of first to ``order``-th order against numerical ones, at kinks too: see :func:`gradcheck`;
    * backward is linear in ``g`` and changes neither ``g`` nor the arguments;
    * strided arguments give what contiguous ones give;
    * float32 arguments give a float32 result and float32 gradients;
    * of an op: called with arrays it gives what it gives with Tensors, its formulas give the same values with arrays as with Tensors, they
      compute in float32 for float32, and of its arguments and results only what they name stays in memory.

    Args:
        op: a function made by ``@op``, or composed of such (then what concerns formulas is not checked, and the report says so).
        strategies: one for each positional argument, or one that draws whole calls (``st.broadcastable(2)``, ``st.call(...)``).
            What is not a strategy is a constant; only constants make a single example. None at all: the declared
            :func:`domain`, or arrays that broadcast.
        examples: how many; by default as many as the active hypothesis profile says.
        order: check derivatives up to this order.
        wrt: names of the arguments whose gradient is checked; by default all that have one.
        rtol, atol: see :func:`gradcheck`.
        float32: set to False for a function that has another dtype than its arguments on purpose.
        strided: set to False for a function whose result depends on memory layout on purpose.

    Raises:
        GradcheckError: what is wrong, with the likely mistake, and a program that shows it.

    >>> import minigrad as mg, numpy as np
    >>> from minigrad.testing import check_op, strategies as st
    >>> @mg.op(x=lambda g, x: g * (x > 0))
    ... def relu(x):
    ...     return np.maximum(x, 0)
    >>> check_op(relu, st.arrays(), examples=20).rows[0].argument
    'x'
    >>> @mg.op(x=lambda g, out: g * out)
    ... def wrong(x):
    ...     return np.exp(2 * x)
    >>> check_op(wrong, st.arrays(), examples=20)
    Traceback (most recent call last):
    ...
    minigrad.testing.report.GradcheckError: wrong: the gradient in argument 'x' is wrong
    <BLANKLINE>
      at x[0] = 0, for output [0]: analytic 1, numerical 2
      1 of 1 elements are wrong
    <BLANKLINE>
      Likely mistake: constant factor: the gradient is 0.5 times what it should be, everywhere ...
    <BLANKLINE>
      To reproduce:
    <BLANKLINE>
        import numpy as np
        from minigrad.testing import check_op
    <BLANKLINE>
        check_op(wrong, np.array([0.0]))
    """
    __tracebackhide__ = True
    options: dict[str, Any] = {"order": order, "wrt": wrt, "rtol": rtol, "atol": atol, "float32": float32, "strided": strided}
    if not strategies:
        strategies = (domains.infer(op),)
    report = Report(name_of(op), examples=0)
    if not any(isinstance(s, SearchStrategy) for s in strategies):
        calls: Any = _merged(strategies)
        try:
            prove(op, calls, report, **options)
        except GradcheckError as error:
            raise _finished(error, op, calls, options).with_traceback(None) from error.__cause__
        return report
    calls = st.call(*strategies)
    first: list[tuple] = []

    def test(call: Call) -> None:
        __tracebackhide__ = True
        try:
            prove(op, call, report, **options)
        except GradcheckError as error:
            first.append(_subject(error))
            if first[-1] == first[0]:  # another mistake of the same op must not take over while this one is made smaller
                raise

    try:
        _search(calls, test, examples)
    except GradcheckError as error:
        _vote(error, op, calls, options)
        raise _finished(error, op, error.call, options).with_traceback(None) from error.__cause__
    return report


def _merged(values: tuple) -> Call:
    return values[0] if len(values) == 1 and isinstance(values[0], Call) else Call(values)


def _search(calls: Any, test: Callable[[Call], Any], examples: int | None, shrink: bool = True) -> None:
    """Run ``test`` on examples, as hypothesis does for a test function, with the settings of the active profile."""
    settings: dict[str, Any] = {
        "database": None,  # its keys are functions, and here one function tests all ops
        "deadline": None,
        "report_multiple_bugs": False,
        "suppress_health_check": [h for h in hypothesis.HealthCheck if h is not hypothesis.HealthCheck.filter_too_much],
        "phases": [hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else [])],
        "print_blob": False,
    }
    if examples is not None:
        settings["max_examples"] = examples

    @hypothesis.settings(**settings)
    @hypothesis.given(call=calls)
    def run(call: Call) -> None:
        __tracebackhide__ = True
        test(call)

    run()


def _vote(error: GradcheckError, op: Callable, calls: Any, options: dict[str, Any]) -> None:
    """Replace the diagnosis of a minimal example, where many mistakes look alike, by that of larger ones."""
    found: list[GradcheckError] = []

    def collect(call: Call) -> None:
        try:
            prove(op, call, Report(""), **options)
        except GradcheckError as other:
            if _subject(other) == _subject(error):
                found.append(other)

    _search(calls, collect, 40, shrink=False)
    large = [e for e in found if _size(e.call) >= 3]
    telling = large if len(large) > 1 else found
    telling = [e for e in telling if e.kind != "kink"] or telling  # what is wrong at kinks only, or elsewhere too?
    if not telling:
        return
    counts = collections.Counter(e.kind for e in telling if e.kind)
    # A factor or zeros in some examples only are chance; other hypotheses cannot always be tested (swapped arguments need equal shapes).
    always = ("constant factor", "zero where it should not be")
    kind = next((kind for kind, n in counts.most_common() if kind not in always or n > len(telling) / 2), None)
    error.kind = kind
    error.advice = collections.Counter(e.advice for e in telling if e.kind == kind).most_common(1)[0][0] if kind else None


def _subject(error: GradcheckError) -> tuple:
    """What an error is about: two errors with the same subject come from the same mistake."""
    return error.argument, error.order, error.numerical is None


def _size(call: Call | None) -> int:
    return sum(getattr(a, "size", 0) for a in (call.args if call is not None else ()) if isinstance(a, np.ndarray))


def _finished(error: GradcheckError, op: Callable, call: Call | None, options: dict[str, Any]) -> GradcheckError:
    """``error`` with the program that shows it."""
    error.__dict__.pop("__notes__", None)  # hypothesis's own words about its wrapper
    if call is None:
        return error
    name, module = name_of(op), getattr(op, "__module__", None)
    importable = module != "__main__" and getattr(sys.modules.get(str(module)), name, None) is op
    defaults: Any = check_op.__kwdefaults__
    extra = "".join(f", {k}={source(v)}" for k, v in options.items() if v is not None and v != defaults[k])
    simple = call.args and not call.kwargs
    plain = source(call.args)[1:-1].removesuffix(",") if simple else repr(call)
    lines = ["import numpy as np", f"from minigrad.testing import {'' if simple else 'Call, '}check_op"]
    lines += [f"from {module} import {name}"] if importable else []
    error.code = "\n".join([*lines, "", f"check_op({name}, {plain}{extra})"])
    return error


# ------------------------------------------------------------------------------------------------------ one example


def prove(
    op: Callable, call: Call, report: Report, *, order: int, wrt: Any, rtol: float, atol: float, float32: bool, strided: bool
) -> None:
    """All checks on one call; adds to ``report``, or raises :class:`GradcheckError`."""
    __tracebackhide__ = True
    report.examples += 1
    before = [(a, a.copy()) for a in arrays_in((call.args, call.kwargs))]
    with Function(op, call, wrt) as function, np.errstate(all="ignore"):
        check_gradients(function, report, order, rtol, atol, 0, fast=False, group=8)
        fail = _Failures(function)
        for array, old in before:
            if not np.array_equal(array, old, equal_nan=array.dtype.kind == "f"):
                array[...] = old
                raise fail("the call changes one of its arguments", "in-place edit", "the argument is written to; compute into a new array")
        tensors = _results(function, _as_tensors(function))
        if function.op is not None:
            _check_array_mode(function, tensors, fail)
        if strided:
            _check_strided(function, tensors, fail)
        if float32:
            _check_float32(function, fail)
        if function.op is not None:
            _check_memory(function, fail)
        else:
            report.note("a composite: memory, array mode and formulas are those of its ops")


class _Failures:
    """Makes the errors about one call that are not about a gradient's value."""

    def __init__(self, function: Function):
        self.function = function

    def __call__(self, headline: str, kind: str, advice: str, **facts: Any) -> GradcheckError:
        return GradcheckError(self.function.name, headline, kind=kind, advice=advice, call=self.function.call, **facts)


def _as_tensors(function: Function, convert: Callable[[np.ndarray], np.ndarray] = lambda a: a, grad: bool = False) -> tuple:
    """The call's arguments with a Tensor over ``convert(array)`` in the place of each leaf."""

    def tensor(leaf: Leaf) -> Any:
        if leaf.static:
            return convert(leaf.array)
        t = wrap(convert(leaf.array))
        return t.requires_grad_() if grad and leaf.checked else t

    return function.arguments(tensor)


def _results(function: Function, arguments: tuple) -> list[Any]:
    """What the function returns for them: Tensors, arrays and other things, flattened."""
    args, kwargs = arguments
    function.randomness.rewind()
    return function.flat(function.fn(*args, **kwargs))


def _equal(a: Any, b: Any, exactly: bool = True) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    floats = a.dtype.kind == "f"
    if exactly or not floats:
        return np.array_equal(a, b, equal_nan=floats)
    return np.allclose(a, b, rtol=1e-9, atol=1e-9 * (1 + np.abs(b[np.isfinite(b)]).max(initial=0.0)), equal_nan=True)


def _check_array_mode(function: Function, tensors: list[Any], fail: _Failures) -> None:
    """Arrays in, arrays out, and the same numbers; and formulas that say the same to arrays and to Tensors."""
    arrays = _results(function, function.arguments(lambda leaf: leaf.array))
    if any(isinstance(a, TensorBase) for a in arrays):
        raise fail("called with arrays it returns a Tensor", "array mode", "the kernel must use numpy on arrays, without making Tensors")
    if len(arrays) != len(tensors) or not all(_equal(unwrapped(t), a) for t, a in zip(tensors, arrays, strict=True)):
        raise fail("called with arrays it gives another result than with Tensors", "array mode", "the kernel depends on how it was called")
    if not function.checked:
        return
    recording = function.record()
    seeds = [np.cos(np.arange(np.size(unwrapped(y)), dtype=float)).reshape(np.shape(unwrapped(y))) for y in recording.outputs]
    plain = recording.pullback(seeds)
    try:
        recorded = recording.pullback(seeds, create_graph=True)
    except Exception:  # a formula that Tensors cannot run: an error of second order, if that was asked for
        return
    for leaf, a, t in zip(function.checked, plain, recorded, strict=True):
        if (a is None) != (t is None) or (a is not None and not _equal(unwrapped(t), a, exactly=False)):
            raise fail(
                f"the formula of '{leaf.name}' gives other values with create_graph=True", "array mode",
                "the formula depends on whether it sees arrays or Tensors", argument=leaf.name, order=1,
            )  # fmt: skip


def _strided(a: np.ndarray) -> np.ndarray:
    """The same values in a larger array, with gaps, and with the axes stored in another order."""
    room = np.full(tuple(2 * n + 1 for n in reversed(a.shape)), np.nan, a.dtype)
    inside: Any = (*(slice(1, 2 * n + 1, 2) for n in a.shape), ...)  # the dots: a view of a 0-d array too
    view = room.transpose()[inside]
    view[...] = a
    return view


def _check_strided(function: Function, tensors: list[Any], fail: _Failures) -> None:
    found = _results(function, _as_tensors(function, _strided))
    if len(found) != len(tensors) or not all(
        _equal(unwrapped(a), unwrapped(b), exactly=False) for a, b in zip(found, tensors, strict=True)
    ):
        raise fail(
            "strided arguments give another result than contiguous ones",
            "strides",
            "the kernel assumes contiguous memory (ravel, view, strides?)",
        )


_WIDENS = "a float64 constant or array widens the result; Python floats do not"


def _check_float32(function: Function, fail: _Failures) -> None:
    """float32 in, float32 out, forward and backward."""
    if not function.leaves[: function.inputs] or function.asks_for_dtype() or function.is_module:
        return
    if function.op is not None and all(a.dtype.kind in "fb" for a in arrays_in((function.call.args, function.call.kwargs))):
        for y in _results(function, function.arguments(lambda leaf: leaf.array.astype(np.float32))):
            if getattr(y, "dtype", np.dtype(bool)) == np.float64:
                raise fail("the kernel gives a float64 result for float32 arguments", "dtype", _WIDENS)
    with engine.enable_grad():
        outputs = _results(function, arguments := _as_tensors(function, lambda a: a.astype(np.float32), grad=True))
    for y in outputs:
        if getattr(unwrapped(y), "dtype", np.dtype(bool)).kind == "f" and unwrapped(y).dtype != np.float32:
            raise fail(f"float32 arguments give a {unwrapped(y).dtype} result", "dtype", _WIDENS)
    differentiable = [y for y in outputs if isinstance(y, TensorBase) and y._node is not None]
    leaves = [t for t in function.flat(arguments) if isinstance(t, TensorBase) and t._node is not None]
    if not differentiable or not leaves:
        return
    if function.op is not None and not any(a.dtype.kind in "iu" for a in arrays_in((function.call.args, function.call.kwargs))):
        _check_formula_dtypes(function, differentiable, fail)
    for leaf, g in zip(
        function.checked,
        engine.grad(differentiable, leaves, [np.ones_like(y._data) for y in differentiable], None, False, True),
        strict=True,
    ):
        if g is not None and (g.dtype != np.float32 or g.shape != leaf.array.shape):
            raise fail(
                f"the gradient of '{leaf.name}' is {g.dtype}{g.shape}", "dtype", f"it must be float32{leaf.array.shape}", argument=leaf.name
            )


def _check_formula_dtypes(function: Function, outputs: list[Any], fail: _Failures) -> None:
    """What the formulas themselves return, before the engine gives it the dtype of the argument."""
    node = outputs[0]._node
    g: Any = np.ones_like(outputs[0]._data)
    if isinstance(node, Pick):
        node = node.parents[0]
        g = tuple(np.ones(shape, dtype) for shape, dtype in node.shape)
    for position, formula, _, args in node.formulas():
        found = formula(g, *args)
        single = isinstance(position, int)
        for place, gradient in zip(
            (position,) if single else position, (found,) if single else settle(found, [node.parents[i] for i in position]), strict=True
        ):
            name = node.op.argument(place)
            dtype = getattr(gradient, "dtype", None)
            if gradient is not None and dtype is not None and dtype != np.float32:
                raise fail(
                    f"the formula of '{name}' computes {dtype} for float32 arguments", "dtype",
                    "the gradient has the wrong dtype: a float64 constant or array widens it; Python floats do not", argument=name, order=1,
                )  # fmt: skip


def _check_memory(function: Function, fail: _Failures) -> None:
    """Of the arguments and the result, only what formulas name outlives the call."""
    node, references, shared = _call_and_forget(function)
    if node is None:
        return
    named = set(node.plan.keeps)
    results = {place for _, name, place in references if name == "out"}
    if "out" in named:
        named |= results
    alive = [(name, place) for reference, name, place in references if reference() is not None]
    if any(place not in named for _, place in alive):
        gc.collect()  # a cycle inside the kernel is not a leak
        alive = [(name, place) for reference, name, place in references if reference() is not None]
    for name, place in alive:
        if place in named or ("*" in named and isinstance(place, int) and place >= len(node.op.inputs)):
            continue
        if place not in results and name in shared and named & results:
            continue  # the result is a view of the argument, and a formula names the result
        if place in results and any(s in named for s in shared.values()):
            continue
        what = "its result" if place in results else f"the argument '{name}'"
        through = " (through the residual: name it in the formula instead)" if "res" in named else ""
        raise fail(
            f"{what} stays in memory although no formula names it", "keeps too much",
            f"the op holds on to {what} beyond the call{through}", argument=None if place in results else name,
        )  # fmt: skip


def _call_and_forget(function: Function) -> tuple[Any, list[tuple[Any, str, Any]], dict[str, Any]]:
    """The node of a call of which nothing else is kept; weak references to arguments and result; arguments that the result is a view of."""
    op: Any = function.op
    references: list[tuple[Any, str, Any]] = []
    made: list[tuple[str, np.ndarray]] = []

    def tensor(leaf: Leaf) -> Any:
        array = leaf.array.copy()
        if leaf.static:
            return array
        base = leaf.name.split("[")[0]
        place = "*" if base == op.variadic else op.inputs.index(base) if base in op.inputs else None
        if place is not None:
            references.append((weakref.ref(array), leaf.name, place))
            made.append((leaf.name, array))
        return wrap(array).requires_grad_() if leaf.checked else wrap(array)

    with engine.enable_grad():
        outputs = _results(function, function.arguments(tensor))
    recorded = [y for y in outputs if isinstance(y, TensorBase) and y._node is not None]
    if not recorded:
        return None, [], {}
    node = recorded[0]._node
    if isinstance(node, Pick):
        node = node.parents[0]
    shared = {
        name: place for (name, a), (_, _, place) in zip(made, references, strict=True) for y in recorded if np.may_share_memory(a, y._data)
    }
    references += [(weakref.ref(y._data), "out", f"out_{getattr(y._node, 'index', 0)}") for y in recorded]
    return node, references, shared
