"""check_op: everything that an op promises, checked on arguments that hypothesis draws."""

from __future__ import annotations

import collections
import contextlib
import functools
import gc
import operator
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import hypothesis
import hypothesis.errors
import numpy as np
from hypothesis.strategies import SearchStrategy

from minigrad import engine
from minigrad.engine import Pick, TensorBase, settle, wrap
from minigrad.ops.arguments import check
from minigrad.testing import domains
from minigrad.testing import strategies as st
from minigrad.testing.batching import check_batching
from minigrad.testing.call import Call, arrays_in
from minigrad.testing.checking import Checker, check_gradients, note_left_out
from minigrad.testing.diagnosis import Places
from minigrad.testing.failures import place_of
from minigrad.testing.function import Function, Leaf, function_class, name_of, refuse_wrong_count
from minigrad.testing.program import program
from minigrad.testing.report import GradcheckError, Report
from minigrad.testing.tangents import check_tangents
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
    surrogate: Callable | None = None,
) -> Report:
    """Prove an op, or any function of Tensors, on many examples, and shrink a failure to a minimal one.

    Checked for each example:

    * the call does not change its arguments and gives the same result twice, in new memory (random draws and buffers are rewound);
    * gradients of first to ``order``-th order against numerical ones, at kinks too: see :func:`gradcheck`;
    * backward is linear in ``g``, changes neither ``g`` nor the arguments, depends on no other call, and gives an argument the same gradient
      whether others require one or not;
    * strided arguments give what contiguous ones give, and their gradients too, also for an incoming gradient that is strided, or one
      number for all places;
    * float32 arguments give a float32 result and float32 gradients, all near those in float64;
    * of an op: what is declared of it (``@elementwise``, ``@linear_in``, ``@tangent``) gives the tangents that its gradient formulas give;
    * of an op: its batching rule (``@batched``, ``@elementwise``) gives for two samples at once what the op gives for each of them;
    * of a Function: its ``jvp`` gives the tangents that its ``backward`` has;
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
        surrogate: a function of the same arguments, whose derivatives the gradients of ``op`` are meant to be: see :func:`gradcheck`.

    Raises:
        GradcheckError: what is wrong, with the likely mistake, and a program that shows it. It is the mistake that was found first.
        TypeError: there are strategies for too few or too many inputs.

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
      1 of 1 element is wrong
      in ... other examples ... elements are wrong
    <BLANKLINE>
      Likely mistake: constant factor: the gradient is 0.5 times what it should be, everywhere ...
    <BLANKLINE>
      To reproduce:
    <BLANKLINE>
        import numpy as np
        ...
        check_op(wrong, np.array([0.0]))
    """
    __tracebackhide__ = True
    check(
        "check_op", locals(), "examples wrt surrogate", op="a function", examples=1, order=1, wrt="a list", rtol="0 or above", atol="0 or above",
        surrogate="a function",
    )  # fmt: skip
    options: dict[str, Any] = {
        "order": order, "wrt": wrt, "rtol": rtol, "atol": atol, "float32": float32, "strided": strided, "surrogate": surrogate,
    }  # fmt: skip
    if not strategies:
        strategies = (domains.infer(op),)
    report = Report(name_of(op), examples=0)
    fixed = not any(isinstance(s, SearchStrategy) for s in strategies)
    one, many = ("argument was", "arguments were") if fixed else ("strategy was", "strategies were")
    given = f"{len(strategies)} {one if len(strategies) == 1 else many} given"
    if fixed:
        calls: Any = _merged(strategies)
        refuse_wrong_count(op, calls, given)
        try:
            prove(op, calls, report, **options)
        except GradcheckError as error:
            raise _finished(error, op, calls, options).with_traceback(None) from error.__cause__
        note_left_out(op, report, wrt)
        return report
    calls = st.call(*strategies)
    first: GradcheckError | None = None
    smallest: GradcheckError | None = None

    def test(call: Call) -> None:
        __tracebackhide__ = True
        nonlocal first, smallest
        refuse_wrong_count(op, call, given)
        try:
            prove(op, call, report, **options)
        except GradcheckError as error:
            first = first or error
            if _subject(error) == _subject(first):  # another mistake of the same op must not take over while this one is made smaller
                if smallest is None or _size(call) <= _size(smallest.call):
                    smallest = error
                raise

    try:
        _search(calls, test, examples)
    except GradcheckError as error:
        error = _of_first_order(error, op, calls, examples, options)
        _vote(error, op, calls, options)
        raise _finished(error, op, error.call, options).with_traceback(None) from error.__cause__
    except hypothesis.errors.Flaky:
        if smallest is None:
            raise
        smallest.kind = "not deterministic"
        smallest.advice = "the same call passed when it was repeated: the op depends on what was called before. Keep no state between calls"
        raise _finished(smallest, op, smallest.call, options).with_traceback(None) from smallest.__cause__
    except TypeError as error:
        error.__dict__.pop("__notes__", None)  # hypothesis's own words
        raise
    note_left_out(op, report, wrt)
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


def _of_first_order(error: GradcheckError, op: Callable, calls: Any, examples: int | None, options: dict[str, Any]) -> GradcheckError:
    """``error``, or if it is of second order, one of first order that another example shows: at zeros x.detach() * x has the right gradient."""
    if error.order < 2:
        return error

    def test(call: Call) -> None:
        prove(op, call, Report(""), **{**options, "order": 1, "float32": False, "strided": False})

    try:
        _search(calls, test, examples)
    except GradcheckError as plainer:
        return plainer if plainer.numerical is not None else error
    return error


def _vote(error: GradcheckError, op: Callable, calls: Any, options: dict[str, Any]) -> None:
    """Replace the diagnosis of a minimal example, where many mistakes look alike, by that of larger ones."""
    if error.numerical is None and error.kind not in _OF_SHAPE:  # it was seen, not guessed from numbers
        return
    found: list[GradcheckError] = []
    places: list[Places] = []
    if error.numerical is not None:  # other mistakes must not hide where the values are right
        options = {**options, "float32": False, "strided": False}

    def collect(call: Call) -> None:
        if len(found) >= 12:  # enough for a majority
            return
        try:
            prove(op, call, Report(""), **options)
        except GradcheckError as other:
            if _subject(other) != _subject(error):
                return
            found.append(other)
            mine = other.places
        else:
            mine = _right_places(error, op, call, options) if error.places is not None and error.order == 1 else None
        if mine is not None:
            places.append(mine)

    _search(calls, collect, 40, shrink=False)
    large = [e for e in found if _size(e.call) >= 3]
    telling = large if len(large) > 1 else found
    # What is wrong at kinks only, or elsewhere too? And a rough place says nothing of the formula.
    telling = [e for e in telling if e.kind not in ("kink", "unsettled")] or telling
    if not telling:
        return
    counts = collections.Counter(e.kind for e in telling if e.kind)
    # A factor or zeros in some examples only are chance; other hypotheses cannot always be tested (swapped arguments need equal shapes).
    always = ("constant factor", "zero where it should not be", "not zero where it should be", "wrong at some elements")
    kind = next((kind for kind, n in counts.most_common() if kind not in always or n > len(telling) / 2), None)
    advice = collections.Counter(e.advice for e in telling if e.kind == kind).most_common(1)[0][0] if kind else None
    if places and error.argument is not None and error.order == 1:
        all_places = functools.reduce(operator.add, places)
        error.details.append(f"in {len(places)} other examples {all_places.count()}")
        if kind in (None, "constant factor", "wrong at some elements"):  # right in other examples: not everywhere
            kind, advice = all_places.explain(error.argument, least=4) or (kind, advice)
    error.kind, error.advice = kind, advice


def _right_places(error: GradcheckError, op: Callable, call: Call, options: dict[str, Any]) -> Places | None:
    """The elements of an example that passed, of the argument that ``error`` is about; those whose derivatives are 0 tell nothing."""
    with Function(op, call, options["wrt"], options["surrogate"]) as function, np.errstate(all="ignore"):
        checker = Checker(function, options["rtol"], options["atol"], 0)
        for leaf, products in zip(checker.leaves, checker.analytic, strict=False):
            if leaf.name == error.argument:
                told = products.any(axis=1)
                return Places(leaf.array.ravel()[told], np.zeros(told.sum(), bool), np.ones(told.sum()))
    return None


_OF_SHAPE = ("wrong shape", "broadcast not summed")
_OF_VALUES = ("float32", "stale residual", "not finite", "not deterministic", "formula ignores g", "not linear in g")


def _subject(error: GradcheckError) -> tuple:
    """What an error is about: two errors with the same subject come from the same mistake.

    Which of the explanations of a wrong value fits depends on the example; those that do not are their own subject.
    """
    if error.numerical is None:
        mistake = "shape" if error.kind in _OF_SHAPE else error.kind
    else:
        mistake = error.kind if error.kind in _OF_VALUES else "value"
    return error.argument, error.order, mistake


def _size(call: Call | None) -> int:
    return sum(getattr(a, "size", 0) for a in (call.args if call is not None else ()) if isinstance(a, np.ndarray))


def _finished(error: GradcheckError, op: Callable, call: Call | None, options: dict[str, Any]) -> GradcheckError:
    """``error`` with the program that shows it."""
    error.__dict__.pop("__notes__", None)  # hypothesis's own words about its wrapper
    if call is not None:
        defaults: Any = check_op.__kwdefaults__
        error.code = program("check_op", op, call, {k: v for k, v in options.items() if v is not None and v != defaults[k]})
    return error


# ------------------------------------------------------------------------------------------------------ one example


def prove(
    op: Callable,
    call: Call,
    report: Report,
    *,
    order: int,
    wrt: Any,
    rtol: float,
    atol: float,
    float32: bool,
    strided: bool,
    surrogate: Any,
) -> None:
    """All checks on one call; adds to ``report``, or raises :class:`GradcheckError`."""
    __tracebackhide__ = True
    report.examples += 1
    with Function(op, call, wrt, surrogate) as function, np.errstate(all="ignore"):
        if function.op is None and wrt is None and not function.leaves:
            raise ValueError(
                f"check_op: {function.name} has no floating argument to check; {function.advice()}, or wrt=() if no gradient is meant"
            )
        check_gradients(function, report, order, rtol, atol, 0, fast=False, group=8)
        fail = _Failures(function)
        tensors = _results(function, _as_tensors(function))
        if function.op is not None:
            _check_array_mode(function, tensors, fail)
            if function.op.elementwise:
                _check_elementwise(function, fail)
            check_tangents(function)
            check_batching(function)
        elif (owner := function_class(op)) is not None and owner.jvp is not engine.Function.jvp:
            check_tangents(function)
        if strided:
            _check_strided(function, tensors, fail)
        if float32:
            _check_float32(function, fail)
        if function.op is not None:
            _check_memory(function, fail)
        else:
            report.note("a composite: memory, array mode and formulas are those of its ops")
        for what in function.unseen:
            report.note(f"a {what} among the results is not checked")


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
    seeds = [_waves(np.shape(unwrapped(y))) for y in recording.outputs]
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


def _check_elementwise(function: Function, fail: _Failures) -> None:
    """An op marked ``@elementwise``, called with some elements of its inputs, gives these elements of its result."""
    op: Any = function.op
    args, kwargs = function.arguments(lambda leaf: leaf.array)
    whole = _results(function, (args, kwargs))
    shape = np.broadcast_shapes(*[np.shape(y) for y in whole])
    if np.prod(shape) < 2:
        return
    inputs, statics = op.split(args, kwargs)
    some = [np.broadcast_to(x, shape).reshape(-1)[1::2] if isinstance(x, np.ndarray) else x for x in inputs]
    function.randomness.rewind()
    parts = function.flat(op.run(some, statics, op.function))
    if not all(_equal(part, y.reshape(-1)[1::2], exactly=False) for part, y in zip(parts, whole, strict=True)):
        raise fail(
            "called with some of the elements it gives another result for them", "not elementwise",
            "the op is marked @elementwise, but an element of the result depends on elements at other places: take the mark away",
        )  # fmt: skip


def _strided(a: np.ndarray) -> np.ndarray:
    """The same values in a larger array, with gaps, and with the axes stored in another order."""
    room = np.full(tuple(2 * n + 1 for n in reversed(a.shape)), np.nan, a.dtype)
    inside: Any = (*(slice(1, 2 * n + 1, 2) for n in a.shape), ...)  # the dots: a view of a 0-d array too
    view = room.transpose()[inside]
    view[...] = a
    return view


def _waves(shape: tuple[int, ...], dtype: Any = float) -> np.ndarray:
    """Numbers for a gradient that tell its places apart."""
    return np.cos(np.arange(np.prod(shape), dtype=float)).reshape(shape).astype(dtype)


def _one_number(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Ones that are one number in memory, as the gradient of a sum."""
    return np.broadcast_to(np.ones((), dtype), shape)


def _gradients(
    function: Function,
    convert: Callable[[np.ndarray], np.ndarray] = np.copy,
    seed: Callable[[tuple[int, ...], np.dtype], np.ndarray] = _waves,
) -> tuple[list[Any], list[Any]]:
    """The results of a call with Tensors over ``convert(array)``, and a gradient of each checked leaf (None for zero), if that of a result
    is ``seed(shape, dtype)``."""
    made: dict[int, Any] = {}

    def tensor(leaf: Leaf) -> Any:
        if leaf.static:
            return convert(leaf.array)
        made[id(leaf)] = t = wrap(convert(leaf.array))
        return t.requires_grad_() if leaf.checked else t

    with engine.enable_grad():
        outputs = _results(function, function.arguments(tensor))
    recorded = [y for y in outputs if isinstance(y, TensorBase) and y._node is not None]
    leaves = [made[id(leaf)] for leaf in function.checked if id(leaf) in made]
    if not recorded or not leaves:
        return outputs, []
    seeds = [seed(y._data.shape, y._data.dtype) for y in recorded]
    return outputs, list(engine.grad(recorded, leaves, seeds, True, False, allow_unused=True))


def _check_strided(function: Function, tensors: list[Any], fail: _Failures) -> None:
    found, gradients = _gradients(function, _strided, lambda shape, dtype: _strided(_waves(shape, dtype)))
    if len(found) != len(tensors) or not all(
        _equal(unwrapped(a), unwrapped(b), exactly=False) for a, b in zip(found, tensors, strict=True)
    ):
        raise fail(
            "strided arguments give another result than contiguous ones",
            "strides",
            "the kernel assumes contiguous memory (ravel, view, strides?)",
        )
    for given, one, other in (
        ("strided arguments give another gradient of {} than contiguous ones", gradients, _gradients(function)[1]),
        ("a gradient that is one number for all places gives another gradient of {} than an array of it",
         _gradients(function, seed=_one_number)[1], _gradients(function, seed=np.ones)[1]),
    ):  # fmt: skip
        for leaf, a, b in zip(function.checked, one, other, strict=False):
            if (a is None) != (b is None) or (a is not None and not _equal(a._data, b._data, exactly=False)):
                raise fail(
                    given.format(f"'{leaf.name}'"), "strides", "the formula assumes contiguous memory (ravel, view, strides?)",
                    argument=leaf.name, order=1,
                )  # fmt: skip


_WIDENS = "a float64 constant or array widens the result; Python floats do not"


def _check_float32(function: Function, fail: _Failures) -> None:
    """float32 in, float32 out, forward and backward."""
    if not function.leaves[: function.inputs] or function.asks_for_dtype() or function.is_module:
        return
    if function.op is not None and all(a.dtype.kind in "fb" for a in arrays_in((function.call.args, function.call.kwargs))):
        for y in _results(function, function.arguments(lambda leaf: leaf.array.astype(np.float32))):
            if getattr(y, "dtype", np.dtype(bool)) == np.float64:
                raise fail("the kernel gives a float64 result for float32 arguments", "dtype", _WIDENS)
    outputs, gradients = _gradients(function, lambda a: a.astype(np.float32))
    results = _floating(outputs)
    for y in results:
        if y.dtype != np.float32:
            raise fail(f"float32 arguments give a {y.dtype} result", "dtype", _WIDENS)
    if all(np.isfinite(y).all() for y in results):
        _check_float32_values(function, results, gradients, fail)
    if not gradients:
        return
    differentiable = [y for y in outputs if isinstance(y, TensorBase) and y._node is not None]
    if function.op is not None and not any(a.dtype.kind in "iu" for a in arrays_in((function.call.args, function.call.kwargs))):
        _check_formula_dtypes(function, differentiable, fail)
    for leaf, g in zip(function.checked, gradients, strict=True):
        if g is not None and (g.dtype != np.float32 or g.shape != leaf.array.shape):
            raise fail(
                f"the gradient of '{leaf.name}' is {g.dtype.name}{g.shape}",
                "dtype",
                f"it must be float32{leaf.array.shape}",
                argument=leaf.name,
            )


def _floating(outputs: list[Any]) -> list[np.ndarray]:
    """The arrays of floating numbers among results."""
    return [y for y in map(unwrapped, outputs) if getattr(y, "dtype", np.dtype(bool)).kind == "f"]


def _check_float32_values(function: Function, results: list[np.ndarray], gradients: list[Any], fail: _Failures) -> None:
    """Results and gradients in float32 must be near those in float64 at the same point, where a small step changes the latter a little only."""

    def beside_the_rounded(by: float) -> tuple[list[Any], list[Any]]:
        def moved(a: np.ndarray) -> np.ndarray:
            return np.asarray(a.astype(np.float32) * (1.0 + by * np.cos(np.arange(a.size, dtype=float)).reshape(a.shape)))

        return _gradients(function, moved)

    there, beside = beside_the_rounded(0.0), []
    for by in (1e-5, -1e-5):  # on both sides, one of which may be that of a jump, or beyond the domain, as a probability above 1
        with contextlib.suppress(Exception):
            beside.append(beside_the_rounded(by))
    if not beside:
        return

    for y, *others in zip(results, _floating(there[0]), *(_floating(outputs) for outputs, _ in beside), strict=True):
        element = _far_off(y, *others)
        if element is not None:
            raise fail(
                "the result is another in float32", "only in float32", "the kernel treats float32 in another way",
                details=[f"in float32 {y.ravel()[element]:.6g}, in float64 {others[0].ravel()[element]:.6g}"],
            )  # fmt: skip
    for leaf, *values in zip(function.checked if gradients else [], gradients, there[1], *(found for _, found in beside), strict=True):
        if any(g is None for g in values):
            continue
        found, wanted, *near = (np.asarray(g._data, np.float64) for g in values)
        element = _far_off(found, wanted, *near)
        if element is not None:
            index, where = place_of(leaf, element)
            raise fail(
                f"the gradient in argument '{leaf.name}' is another in float32", "only in float32",
                "the formula or the kernel treats float32 in another way, or overflows there", argument=leaf.name, order=1, index=index,
                details=[f"at {where}: in float32 {found.ravel()[element]:.6g}, in float64 {wanted.ravel()[element]:.6g}"],
            )  # fmt: skip


def _far_off(found: np.ndarray, wanted: np.ndarray, *near: np.ndarray) -> int | None:
    """The place where ``found`` is farthest from ``wanted``, if that is too far; ``near`` is what ``wanted`` is beside that point."""
    if any(a.shape != wanted.shape for a in (found, *near)) or not all(np.isfinite(a).all() for a in (wanted, *near)):
        return None
    change = np.max([np.abs(a - wanted) for a in near], axis=0)
    allowed = 1e-6 + 0.02 * np.abs(wanted).max(initial=0.0) + 100.0 * change  # 1e-6: what cancels is rounded
    off = np.abs(found - wanted)
    return None if (off <= allowed).all() else int(np.argmax(np.where(np.isfinite(off), off, np.inf)))


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
    named = {source for source, _ in node.plan.kept}
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
