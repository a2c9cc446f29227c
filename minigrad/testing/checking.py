"""gradcheck: the gradients that backward computes against numerical ones.

How a check of a function f: R^n -> R^m works, for an input x with analytic Jacobian A (rows that backward gives) and numerical one N:

* N is computed column by column: two evaluations per input element, each giving all m outputs (:mod:`minigrad.testing.numerical`).
  A few elements are moved together at first, each by a random multiple of its step. If the derivative along this u agrees with
  A u to all digits and no slopes differ, each of them is right, by the argument that follows; otherwise they are looked at one by one.
* A is *not* computed row by row, which would take m backward passes. Instead A'v is compared with N'v, element by element, for a few random
  v (fixed seed). If A and N differ anywhere in the derivatives of one input element, then A'v and N'v differ there too, unless v
  happens to be orthogonal to the difference: for random v that has probability zero, and about 1e-16 with two v and a tolerance of 1e-8.
* That argument needs a backward pass that is linear in v, so this is checked too, with a third v that is a combination.
* Single entries of A (one backward pass each) are computed where there are kinks, and to report a failure.

Order 2 is the same check of the gradient A(x)'v, as a function of x and v, and so on for higher orders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.ops.arguments import check
from minigrad.testing import failures, numerical
from minigrad.testing.batching import check_batched_gradients
from minigrad.testing.call import Call
from minigrad.testing.diagnosis import explain_exception
from minigrad.testing.function import Function, Gradient, op_of, refuse_wrong_count
from minigrad.testing.numerical import Columns
from minigrad.testing.report import GradcheckError, Report
from minigrad.testing.tangents import check_tangents
from minigrad.tree import unwrapped

_CHUNK = 2**20  # elements of the numerical Jacobian that are in memory at a time


def gradcheck(
    fn: Callable,
    *inputs: Any,
    order: int = 1,
    kwargs: dict[str, Any] | None = None,
    wrt: Iterable[str] | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    fast: bool = False,
    group: int = 8,
    seed: int = 0,
    surrogate: Callable | None = None,
    forward: bool = False,
    batched: bool = False,
) -> Report:
    """Compare the gradients of ``fn(*inputs, **kwargs)`` with numerical ones, in float64, and return a :class:`Report`.

    Args:
        fn: an op, any function of Tensors, or a module, whose parameters are then checked as well. It returns a Tensor of any
            shape, or several (tuple, list, dict). What it draws at random is the same at each evaluation.
        inputs: Tensors and arrays; lists and tuples of them are looked into. Everything floating is checked, unless Tensors among
            the inputs have ``requires_grad``: then only those. The inputs themselves are not changed.
        order: check all derivatives up to this order.
        kwargs: keyword arguments of ``fn``.
        wrt: names of arguments (or parameters of the module) to check; all by default.
        rtol, atol: how far an analytic derivative may be from the numerical one, beyond the latter's own error estimate.
        fast: check random directions of each input instead of each element: a handful of evaluations whatever the size. A wrong
            gradient is found just as surely and still traced to an element, but a small error beside large ones may be overlooked.
        group: how many elements are moved together at first (see the module's docstring); 1 to look at each by itself.
        seed: of the random directions.
        surrogate: a function of the same arguments, whose derivatives the gradients of ``fn`` are meant to be, as with a straight-through
            rounding; by default what :func:`minigrad.testing.surrogate` declared. They are then compared with its numerical derivatives.
        forward: check the tangents of forward mode too, against the gradients.
        batched: check the gradients for several cotangents at once too, against those for each.

    Raises:
        GradcheckError: a gradient is wrong, or nothing that has one came back; the message says where, by how much, and which mistake
            explains the numbers.
        ValueError: there is nothing to check.
        TypeError: there are too few or too many inputs.

    At kinks (``relu`` at 0, ties of a maximum) a value between the one-sided slopes is accepted as a subgradient and counted.

    >>> import minigrad as mg, numpy as np
    >>> from minigrad.testing import gradcheck
    >>> gradcheck(lambda x, w: (x @ w).exp(), np.array([[0.5, -1.0]]), np.eye(2), order=2)  # doctest: +SKIP
    <lambda>: passed
      argument  order  elements  worst error  kinks
      x             1         2      2.4e-11      0
      w             1         4      1.6e-11      0
      x             2         2      1.1e-11      0
      w             2         4      3.0e-11      0
    >>> @mg.op(x=lambda g, x: g * x)
    ... def square(x):
    ...     return x * x
    >>> gradcheck(square, np.array([1.0, 3.0]))
    Traceback (most recent call last):
    ...
    minigrad.testing.report.GradcheckError: square: the gradient in argument 'x' is wrong
    <BLANKLINE>
      at x[1] = 3, for output [1]: analytic 3, numerical 6
      2 of 2 elements are wrong
    <BLANKLINE>
      Likely mistake: constant factor: the gradient is 0.5 times what it should be, everywhere ...
    <BLANKLINE>
      The arguments: np.array([1.0, 3.0])
    """
    __tracebackhide__ = True
    check(
        "gradcheck", locals(), "kwargs wrt surrogate", fn="a function", order=1, kwargs="a dict", wrt="a list", rtol="0 or above", atol="0 or above", group=1,
        seed=0, surrogate="a function",
    )  # fmt: skip
    call = Call(inputs, kwargs)
    refuse_wrong_count(fn, call, f"{len(inputs)} {'was' if len(inputs) == 1 else 'were'} given")
    function = Function(fn, call, wrt, surrogate)
    if not function.checked:
        raise ValueError(f"gradcheck: {function.name} has no floating argument to check; {function.advice()}")
    report = Report(function.name)
    with function, np.errstate(all="ignore"):
        check_gradients(function, report, order, rtol, atol, seed, fast, group)
        if forward:
            check_tangents(function)
        if batched:
            check_batched_gradients(function)
    for what in function.unseen:
        report.note(f"a {what} among the results is not checked")
    note_left_out(fn, report, wrt)
    return report


def note_left_out(fn: Callable, report: Report, wrt: Iterable[str] | None) -> None:
    """Say of which arguments of an op, none of ``wrt``, the formula was never used: those that are optional, in calls without them."""
    op = op_of(fn)
    if op is None or wrt is not None or not report.rows:
        return
    checked = {row.argument.split("[")[0] for row in report.rows}
    for name in op.formulas:
        if op.formulas[name] is not None and name not in checked:
            report.note(f"the gradient in '{name}' is not checked: no example has the argument")


def check_gradients(function: Function, report: Report, order: int, rtol: float, atol: float, seed: int, fast: bool, group: int) -> None:
    """Check a function, then its gradient, and so on up to ``order``; fill ``report``."""
    present: Any = function
    previous: Any = None
    for level in range(1, order + 1):
        checker = Checker(present, rtol, atol, seed, previous)
        checker.fast() if fast else checker.run(group)
        for row, leaf in zip(checker.rows, function.checked, strict=True):
            mine = report.row(leaf.name, level)
            mine.elements += row[0]
            mine.error = max(mine.error, row[1])
            mine.kinks += row[2]
        if level > 1:
            checker.check_cotangents(previous)
        if level == 1:
            checker.check_each_alone()
        previous = checker
        if level < order:
            if not checker.differentiable:
                break
            present = Gradient(present, checker.split(checker.directions[:, 0]))


class Checker:
    """The check of one function at one point: numerical against analytic derivatives in every leaf."""

    def __init__(self, function: Any, rtol: float, atol: float, seed: int, base: Checker | None = None):
        self.function = function
        self.base = base  # the check of the function whose gradient this one is
        self.rtol, self.atol = rtol, atol
        self.rng = np.random.default_rng([seed, function.order])
        self.leaves = function.checked
        self.rows: list[tuple[int, float, int]] = []  # elements, worst error, kinks of each leaf
        self.bends: dict[int, set[tuple[int, int]]] = {}  # output -> (leaf, element) where it has kinks, but no jumps
        self._wrong_at_kink: tuple | None = None
        self._entries: dict[int, list[np.ndarray]] = {}
        center = self._first_evaluation()
        self.shapes = [y.shape for y in center]
        self.center = np.concatenate([y.ravel() for y in center]) if center else np.zeros(0)
        m = self.center.size
        signs = self.rng.choice([-1.0, 1.0], (m, 2))
        self.directions = signs * self.rng.uniform(0.5, 1.5, (m, 2)) if m > 1 else np.array([[1.0, -0.75]])[:m]
        self.directions = np.hstack([self.directions, self.directions @ np.array([[2.0], [-3.0]])])
        self._elsewhere()
        self.recording = self._record()
        with contextlib.suppress(Exception):  # as in _elsewhere
            function.call_elsewhere()
        self._compare_with_recording(center)
        self.differentiable = any(getattr(y, "_node", None) is not None for y in self.recording.outputs)
        self.analytic = self._analytic()

    # -------------------------------------------------------------------------------------------- the analytic side

    def fail(self, headline: str, **facts: Any) -> GradcheckError:
        """A GradcheckError about this function."""
        return GradcheckError(self.function.name, headline, call=self.function.call, **{"order": self.function.order, **facts})

    @contextlib.contextmanager
    def blame(self, doing: str) -> Any:
        """Turn an exception of the function under test into a GradcheckError that explains it."""
        try:
            yield
        except GradcheckError:
            raise
        except Exception as error:
            self.refuse_edit(error, doing)
            argument, kind, advice = explain_exception(error, self.function, doing)
            raise self.fail(
                f"{doing} raised {type(error).__name__}", argument=argument, kind=kind, advice=advice,
                order=self.function.order if doing != "the call" else 0,
                details=[line for line in str(error).splitlines() if line],
            ) from error  # fmt: skip

    def refuse_edit(self, error: Exception, doing: str) -> None:
        """Raise if the exception of the function under test is about a write to an argument: the function sees them read-only."""
        if "read-only" not in str(error):
            return
        function = self.function
        plain = function.call_plainly if doing.startswith("the call") or function.order > 1 else self._backward
        name = function.written(plain) or function.written(self._backward)
        if name is not None:
            what = "the call" if doing.startswith("the call") else "backward"
            raise self.fail(
                f"{what} changes the argument '{name}'", argument=name, kind="in-place edit",
                order=0 if what == "the call" else function.order,
                advice="the argument is written to, and belongs to others too; compute into a new array instead",
            ) from error  # fmt: skip

    def _backward(self) -> None:
        """A backward pass."""
        recording = self.function.record()
        recording.pullback([np.ones(np.shape(unwrapped(y))) for y in recording.outputs], create_graph=self.function.order > 1)

    def _first_evaluation(self) -> list[np.ndarray]:
        """Evaluate here, elsewhere, and here again: the same both times, and in float64. Returns what is to be differentiated."""
        function = self.function
        before = [leaf.array.copy() for leaf in self.leaves]
        first_order = function.order == 1
        doing = "the call" if first_order else "the gradient"
        order = 0 if first_order else function.order
        with self.blame(doing):
            given = function.call_plainly()
            first = [np.array(y) for y in given]
            function.randomness.look()
            for leaf in self.leaves:
                leaf.array += 1e-3 * self.rng.uniform(-1.0, 1.0, leaf.array.shape)
            function.call_plainly()
            for leaf, old in zip(self.leaves, before, strict=True):
                leaf.array[...] = old
            for y, old in zip(given, first, strict=True):
                if not np.array_equal(y, old, equal_nan=True):
                    raise self.fail(
                        f"{doing} writes to the result of the call before it", kind="in-place edit", order=order,
                        advice="the result is memory that is used again; return a new array each time",
                    )  # fmt: skip
            second = function.call_plainly()
        if [y.shape for y in first] != [y.shape for y in second] or not all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
        ):
            raise self.fail(
                f"{doing} gives another result the second time", kind="not deterministic", order=order,
                advice="two evaluations at the same point differ. Draw random numbers from minigrad.random.numpy_generator(), "
                "which the check rewinds, and keep no state between calls",
            )  # fmt: skip
        for y in first:
            if y.dtype != np.float64 and not function.asks_for_dtype():
                raise self.fail(
                    f"{doing} returns {y.dtype.name} for float64 arguments", kind="float32", order=order,
                    advice="it is used where float64 is needed: a constant or buffer of a smaller dtype decides the dtype of the result",
                )  # fmt: skip
        if not first_order or function.surrogate is None:
            return first
        with self.blame("the call of the surrogate"):
            declared = [np.array(y) for y in function.differentiated()]
        if [y.shape for y in declared] != [y.shape for y in first]:
            raise self.fail(
                f"the surrogate returns {[y.shape for y in declared]}, the function {[y.shape for y in first]}", kind="surrogate",
                advice="the two must have results of the same shapes",
            )  # fmt: skip
        return declared

    def _compare_with_recording(self, center: list[np.ndarray]) -> None:
        """Where a graph is recorded, the results must be as many, and of the shapes, that they are where none is."""
        recorded = [np.shape(unwrapped(y)) for y in self.recording.outputs]
        if recorded != self.shapes:
            raise self.fail(
                f"the call with gradients gives results of shapes {recorded}, without gradients {self.shapes}", kind="not deterministic",
                advice="the function depends on whether a graph is recorded",
            )  # fmt: skip

    def _elsewhere(self) -> None:
        """Evaluate at another point, so that state which a function keeps from its last call is stale in the next."""
        before = [leaf.array.copy() for leaf in self.leaves]
        for leaf in self.leaves:
            leaf.array *= -1.0
        with contextlib.suppress(Exception):  # outside its domain the function may raise; what it returns here does not matter
            self.function.call_plainly()
        for leaf, old in zip(self.leaves, before, strict=True):
            leaf.array[...] = old

    def _record(self) -> Any:
        with self.blame("the call with Tensors" if self.function.order == 1 else "the gradient of the gradient"):
            return self.function.record()

    def split(self, v: np.ndarray) -> list[np.ndarray]:
        """A vector over all outputs as an array for each."""
        parts, start = [], 0
        for shape in self.shapes:
            n = int(np.prod(shape))
            parts.append(v[start : start + n].reshape(shape))
            start += n
        return parts

    def pullback(self, v: np.ndarray) -> list[np.ndarray]:
        """A'v for each leaf, flattened."""
        with self.blame("the gradient" if self.function.order == 1 else "the gradient of the gradient"):
            found = self.recording.pullback(self.split(v))
        sizes = [*self.leaves, *([None] * (len(found) - len(self.leaves)))]
        out = []
        for k, g in enumerate(found):
            if g is None:
                g = np.zeros(sizes[k].array.shape if sizes[k] is not None else self.recording.leaves[k].shape)
            out.append(np.array(g, np.float64).ravel())
        return out

    def _analytic(self) -> list[np.ndarray]:
        """For each leaf an (elements, 3) array: A'v for the three directions."""
        results = [np.array(unwrapped(y)) for y in self.recording.outputs]
        directions = self.directions.copy()
        columns = []
        for v in self.directions.T.copy():
            columns.append(self.pullback(v))
            if not (v == directions[:, len(columns) - 1]).all():
                culprit = self._writer_to_g(directions[:, 0])
                raise self.fail(
                    f"the gradient in argument '{culprit}' writes to g" if culprit else "backward writes to g",
                    argument=culprit, kind="in-place edit",
                    advice="the formula writes to g, which belongs to others too; compute into a new array instead",
                )  # fmt: skip
        for y, old in zip(self.recording.outputs, results, strict=True):
            if not np.array_equal(unwrapped(y), old, equal_nan=True):
                raise self.fail(
                    "backward changes the result", kind="in-place edit",
                    advice="a formula writes to an array that it was given; compute into a new one",
                )  # fmt: skip
        return [np.stack([c[k] for c in columns], axis=1) for k in range(len(columns[0]))]

    def _writer_to_g(self, v: np.ndarray) -> str | None:
        """The argument whose formula changes g."""
        for k, leaf in enumerate(self.leaves):
            g = v.copy()
            self.recording.pullback(self.split(g), only=k)
            if not (g == v).all():
                return leaf.name
        return None

    def output_index(self, output: int) -> tuple[int, ...]:
        """The index of an element of the flattened outputs; the number of the output comes first where there are several."""
        for number, shape in enumerate(self.shapes):
            n = int(np.prod(shape))
            if output < n:
                index = tuple(int(i) for i in np.unravel_index(output, shape))
                return index if len(self.shapes) == 1 else (number, *index)
            output -= n
        raise IndexError(output)

    def numerical_jacobian(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(elements, outputs) numerical derivatives of leaf ``k``, and where there are kinks."""
        flat = self.leaves[k].array.reshape(-1)
        columns = Columns(self.evaluate, flat, range(flat.size), self.center)
        return columns.slopes, columns.kinks

    def analytic_jacobian(self, k: int) -> np.ndarray:
        """(elements, outputs) analytic derivatives of leaf ``k``: a backward pass for each output."""
        return np.stack([self.entries(output)[k] for output in range(self.center.size)], axis=1)

    # ---------------------------------------------------------------------------------------------- element by element

    def evaluate(self, row: np.ndarray) -> None:
        """Write all outputs at the leaves' present values into ``row``; NaN where the function refuses them, outside its domain."""
        try:
            outputs = self.function.differentiated()
        except Exception as error:
            self.refuse_edit(error, "the call" if self.function.order == 1 else "the gradient")
            row[:] = np.nan
            return
        if len(outputs) == 1:
            row[:] = outputs[0].reshape(-1)
        else:
            start = 0
            for y in outputs:
                row[start : start + y.size] = y.reshape(-1)
                start += y.size

    def run(self, group: int) -> None:
        """Check every element of every leaf, then what the module's docstring needs: linearity."""
        m = self.center.size
        if not np.isfinite(self.center).all():
            raise failures.not_finite(self, None, "the result" if self.function.order == 1 else "the gradient")
        step = max(1, _CHUNK // max(m, 1))
        for k, leaf in enumerate(self.leaves):
            if not m and self.analytic[k].any():
                raise self.fail(
                    f"the gradient in argument '{leaf.name}' is not zero although the result is empty", argument=leaf.name, kind="empty",
                    advice="an empty result has no elements to depend on; is the gradient divided by their number?",
                )  # fmt: skip
            flat = leaf.array.reshape(-1)
            worst, kinks, start = 0.0, 0, 0
            while m and start < flat.size:
                elements = range(start, min(start + group, flat.size))
                agreed = self._agrees_together(k, flat, elements) if len(elements) > 1 else None
                if agreed is None:
                    elements = range(start, min(start + (step if group == 1 else group), flat.size))
                    error, bent = self._check_chunk(k, flat, elements)
                    worst, kinks = max(worst, error), kinks + bent
                else:
                    worst = max(worst, agreed)
                start = elements.stop
            self.rows.append((flat.size, worst, kinks))
        if self.function.order == 1:
            self._check_ties()
        self._check_linearity()

    def _check_chunk(self, k: int, flat: np.ndarray, elements: range) -> tuple[float, int]:
        """Check some elements of leaf ``k``: the worst relative error, and how many are at kinks."""
        columns = Columns(self.evaluate, flat, elements, self.center)
        if not columns.finite.all():
            raise failures.not_finite(self, (k, elements[int(np.argmin(columns.finite))]), "the function")
        analytic = self.analytic[k][elements.start : elements.stop, :2].copy()
        if not np.isfinite(analytic).all():
            raise failures.wrong(self, k, elements[int(np.argmin(np.isfinite(analytic).all(axis=1)))])
        analytic[columns.nowhere] = 0.0
        weights = np.abs(self.directions[:, :2])
        difference, scale, allowed = self._compare(columns, analytic, self._at_kinks(k, elements, columns))
        suspects = np.flatnonzero((difference > allowed).any(axis=1))
        found = sum(columns.look_for_jumps(int(row)) for row in suspects)  # all of them: any() would stop at the first
        if found:
            difference, scale, allowed = self._compare(columns, analytic, self._at_kinks(k, elements, columns))
        for row in map(int, np.flatnonzero((difference > allowed).any(axis=1))):
            value, error = numerical.extrapolate(self.evaluate, flat, elements[row], self.center.size)
            value, error = np.where(columns.kinks[row], 0.0, value), np.where(columns.kinks[row], 0.0, error)
            smooth = analytic[row] - self._at_kinks(k, elements, columns)[row]
            scale[row] = np.abs(value) @ weights
            difference[row] = np.abs(value @ self.directions[:, :2] - smooth)
            doubt = error @ weights
            if not (difference[row] <= self.atol + self.rtol * scale[row] + 2 * doubt).all():
                plain = np.where(columns.kinks[row], 0.0, columns.slopes[row])
                if (np.abs(value - plain) + error <= 0.1 * np.abs(value) + 1e-3).all():
                    raise failures.wrong(self, k, elements[row])
                raise failures.unsettled(self, k, elements[row], value, error + np.abs(value - plain))
            if (doubt > 1e-3 * scale[row] + 1e-6).any():
                raise failures.unsettled(self, k, elements[row], value, error)
        if self._wrong_at_kink is not None:  # after all others, which say more
            raise failures.wrong(self, *self._wrong_at_kink)
        relative = difference / (scale + self.atol / self.rtol)
        return float(relative.max(initial=0.0)), int((columns.kinks.any(axis=1) | columns.nowhere).sum())

    def _agrees_together(self, k: int, flat: np.ndarray, elements: range) -> float | None:
        """Move some elements together, each by a random multiple of its step: the relative error. None unless small, without kinks."""
        V, h = self.directions[:, :2], numerical.STEP
        part = slice(elements.start, elements.stop)
        center = flat[part].copy()
        steps = np.array([numerical.step_of(float(x)) for x in center]) / h
        direction = steps * self.rng.choice([-1.0, 1.0], len(center)) * self.rng.uniform(0.5, 1.5, len(center))

        def sides(t: float) -> tuple[np.ndarray, np.ndarray]:
            rows = np.empty((2, self.center.size))
            for row, sign in zip(rows, (t, -t), strict=True):
                flat[part] = center + sign * direction
                self.evaluate(row)
            flat[part] = center
            return rows[0], rows[1]

        plus, minus = sides(h)
        analytic = self.analytic[k][part, :2]
        slopes = (plus - minus) / (2 * h)
        scale = np.minimum(np.abs(direction) @ np.abs(analytic), 10 * np.abs(slopes) @ np.abs(V))
        off = np.abs(slopes @ V - direction @ analytic)
        noise = 8 * numerical.EPS * np.where(plus != minus, np.abs(plus) + np.abs(minus), 0.0) / h
        if not (off <= self.atol + self.rtol * scale + noise @ np.abs(V)).all():
            return None
        gap = np.abs(plus + minus - 2 * self.center) / h  # the difference of the one-sided slopes
        doubtful = gap > 1e-4 * np.abs(slopes) + 1e-9 + 4 * noise
        if doubtful.any():  # curvature, which shrinks with the step, or a kink, which does not
            plus, minus = sides(h / 16)
            closer = np.abs(plus + minus - 2 * self.center) / (h / 16)
            if (closer > gap / 4)[doubtful].any():
                return None
        return float((off / (scale + self.atol / self.rtol)).max())

    def _compare(self, columns: Columns, analytic: np.ndarray, at_kinks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the products A'v and N'v without the entries at kinks: their difference, their size, and how large the first may be."""
        slopes, noise = np.where(columns.kinks, 0.0, columns.slopes), np.where(columns.kinks, 0.0, columns.noise)
        V = self.directions[:, :2]
        scale = np.abs(slopes) @ np.abs(V)
        return np.abs(slopes @ V - (analytic - at_kinks)), scale, self.atol + self.rtol * scale + noise @ np.abs(V)

    def entries(self, output: int) -> list[np.ndarray]:
        """The derivatives of one output in every leaf: a row of A."""
        if output not in self._entries:
            one = np.zeros(self.center.size)
            one[output] = 1.0
            self._entries[output] = self.pullback(one)
        return self._entries[output]

    def _at_kinks(self, k: int, elements: range, columns: Columns) -> np.ndarray:
        """Check the analytic derivatives at kinks, one by one, and return what they contribute to A'v."""
        part = np.zeros((len(elements), 2))
        for output in map(int, np.flatnonzero(columns.kinks.any(axis=0))):
            entries = self.entries(output)[k]
            for row in map(int, np.flatnonzero(columns.kinks[:, output])):
                place, element = (row, output), elements[row]
                low, high, slack = columns.low[place], columns.high[place], columns.slack[place]
                if not low - slack <= entries[element] <= high + slack and self._wrong_at_kink is None:
                    self._wrong_at_kink = k, element, output, (low, high)
                part[row] += entries[element] * self.directions[output, :2]
                if place not in columns.jumps:
                    self.bends.setdefault(output, set()).add((k, element))
        return part

    def _check_ties(self) -> None:
        """Where one output has kinks in several elements, move them together: max(a, b) at a = b has slope 1 along (1, 1), so that the
        subgradients, each anywhere between 0 and 1, must add up to 1.
        """
        known: dict[frozenset, tuple[np.ndarray, np.ndarray]] = {}
        for output, places in self.bends.items():
            if len(places) < 2:
                continue
            tied = frozenset(places)
            if tied not in known:
                h = 256 * numerical.STEP / 16
                f1, f2, b1, b2 = (self._moved(tied, t) for t in (h, 2 * h, -h, -2 * h))
                known[tied] = (-3 * self.center + 4 * f1 - f2) / (2 * h), (3 * self.center - 4 * b1 + b2) / (2 * h)
            right, left = (float(slopes[output]) for slopes in known[tied])
            low, high = min(right, left), max(right, left)
            entries = self.entries(output)
            total = float(sum(entries[k][i] for k, i in places))
            slack = 1e-4 * (1.0 + abs(low) + abs(high))
            if not low - slack <= total <= high + slack:
                raise failures.wrong_at_a_tie(self, sorted(places), output, total, low, high)

    def _moved(self, places: Iterable[tuple[int, int]], step: float) -> np.ndarray:
        """All outputs with several elements moved by ``step``."""
        before = [leaf.array.copy() for leaf in self.leaves]
        for k, i in places:
            self.leaves[k].array.reshape(-1)[i] += step
        row = np.empty(self.center.size)
        self.evaluate(row)
        for leaf, old in zip(self.leaves, before, strict=True):
            leaf.array[...] = old
        return row

    def _check_linearity(self) -> None:
        """Backward of 2 v1 - 3 v2 must be 2 (backward of v1) - 3 (backward of v2)."""
        for k in range(len(self.leaves)):
            a = self.analytic[k]
            off = np.abs(a[:, 2] - (2.0 * a[:, 0] - 3.0 * a[:, 1]))
            allowed = 1e-9 * np.abs(a).max(initial=0.0) + self.atol
            if off.max(initial=0.0) > allowed:
                raise failures.wrong(self, k, int(np.argmax(off)))

    def check_each_alone(self) -> None:
        """The gradient in an argument must not depend on whether others require one: other formulas may be used, or branches of them."""
        v = self.directions[:, 0]
        for k, leaf in enumerate(self.leaves if len(self.leaves) > 1 else []):
            with self.blame(f"the gradient in '{leaf.name}' alone"), self.function.only(leaf):
                found = self.function.record().pullback(self.split(v))[0]
            alone = np.zeros(leaf.array.size) if found is None else np.asarray(found, np.float64).ravel()
            if not np.allclose(alone, self.analytic[k][:, 0], rtol=1e-6, atol=self.atol + 1e-9, equal_nan=True):
                raise failures.wrong_alone(self, k, alone)

    def check_cotangents(self, base: Checker) -> None:
        """Check the derivative of the gradient A'v in v, which must be A: <v, A u> = <u, A'v> for random u and v.

        ``base`` is the checker of the function whose gradient this one looks at: its A has been compared with numerical derivatives.
        """
        start = 0
        for k, leaf in enumerate(self.leaves):
            u = np.zeros(self.center.size)
            u[start : start + leaf.array.size] = self.directions[start : start + leaf.array.size, 0]
            start += leaf.array.size
            image = np.concatenate([*self.pullback(u)[len(self.leaves) :], np.zeros(0)])  # A u
            expected = base.analytic[k].T @ u[u != 0] if u.any() else np.zeros(3)
            scale = np.abs(base.directions).T @ np.abs(image) + np.abs(expected)
            off = np.abs(base.directions.T @ image - expected)
            if (off > 1e-8 * scale + self.atol).any():
                raise failures.wrong_in_g(self, base, k)

    # ------------------------------------------------------------------------------------------- random directions

    def fast(self) -> None:
        """Check the derivative of each leaf along two random directions."""
        if not np.isfinite(self.center).all():
            raise failures.not_finite(self, None, "the result" if self.function.order == 1 else "the gradient")
        for k, leaf in enumerate(self.leaves):
            n, worst, kinks = leaf.array.size, 0.0, 0
            for _ in range(2 if n and self.center.size else 0):
                direction = self.rng.choice([-1.0, 1.0], n) * self.rng.uniform(0.5, 1.5, n)
                off, error, bent = self._along(k, direction)
                if off:
                    raise failures.wrong(self, k, self._bisect(k, direction))
                worst, kinks = max(worst, error), kinks + bent
            self.rows.append((n, worst, kinks))
        self._check_linearity()

    def _along(self, k: int, direction: np.ndarray) -> tuple[float, float, int]:
        """Along ``direction``: the difference to the numerical derivative if it is too large, its relative size, and whether there is a kink."""
        flat = self.leaves[k].array.reshape(-1)
        center, V = flat.copy(), self.directions[:, :2]

        def projected(t: float) -> np.ndarray:
            flat[:] = center + t * direction
            row = np.empty(self.center.size)
            self.evaluate(row)
            return row @ V

        slope, error, right, left = numerical.along(projected)
        flat[:] = center
        analytic = self.analytic[k][:, :2]
        target = direction @ analytic
        size = np.sqrt(direction**2 @ analytic**2) + np.abs(slope)
        off = np.abs(slope - target)
        wrong = ~(off <= self.atol + self.rtol * size + 2 * error)
        bent = np.abs(right - left) > 1e-3 * (np.abs(right) + np.abs(left) + self.atol)
        slack = 1e-4 * (np.abs(right) + np.abs(left)) + self.atol
        between = (np.minimum(right, left) - slack <= target) & (target <= np.maximum(right, left) + slack)
        wrong &= ~(bent & between)
        worst = off[wrong].max(initial=0.0) if np.isfinite(off).all() else np.inf
        return float(worst), float((off / (size + self.atol / self.rtol))[~bent].max(initial=0.0)), int(bent.any())

    def _bisect(self, k: int, direction: np.ndarray) -> int:
        """The element to which a difference along ``direction`` can be traced: halve the direction, keep the half that is further off."""
        elements = np.arange(direction.size)
        while elements.size > 1:
            halves = np.array_split(elements, 2)
            off = []
            for half in halves:
                part = np.zeros_like(direction)
                part[half] = direction[half]
                off.append(self._along(k, part)[0])
            elements = halves[int(np.argmax(off))]
        return int(elements[0])
