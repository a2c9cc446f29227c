"""gradcheck: the gradients that backward computes against numerical ones.

How a check of a function f: R^n -> R^m works, for an input x with analytic Jacobian A (rows that backward gives) and numerical one N:

* N is computed column by column: two evaluations per input element, each giving all m outputs (:mod:`minigrad.testing.numerical`).
  A few elements are moved together at first, each by a random multiple of its step u. If the derivative along u agrees with A u to all digits
  and no slopes differ, each of them is right, by the argument that follows; otherwise they are looked at one by one.
* A is *not* computed row by row, which would take m backward passes. Instead A'v is compared with N'v, element by element, for a few random
  v (fixed seed). If A and N differ anywhere in the derivatives of one input element, then A'v and N'v differ there too, unless v
  happens to be orthogonal to the difference: for random v that has probability zero, and with a relative tolerance of 1e-6 and two v about 1e-12.
* That argument needs a backward pass that is linear in v, so this is checked too, with a third v that is a combination.
* Single entries of A (one backward pass each) are computed where there are kinks, and to report a failure.

Order 2 is the same check of the gradient A(x)'v, as a function of x and v, and so on for higher orders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.testing import numerical
from minigrad.testing.call import Call
from minigrad.testing.diagnosis import Evidence, explain, explain_exception
from minigrad.testing.function import Function, Gradient
from minigrad.testing.numerical import Columns
from minigrad.testing.report import GradcheckError, Report

_CHUNK = 2**20  # elements of the numerical Jacobian that are in memory at a time
_ORDINALS = {1: "first", 2: "second", 3: "third"}


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

    Raises:
        GradcheckError: a gradient is wrong; the message says where, by how much, and which mistake explains the numbers.
        ValueError: there is nothing to check.

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
      Likely mistake: constant factor: the gradient is 0.5 times what it should be, everywhere (the derivative of a square, or one of two equal terms?)
    <BLANKLINE>
      The arguments: np.array([1.0, 3.0])
    """
    __tracebackhide__ = True
    if order < 1 or group < 1:
        raise ValueError(f"gradcheck: order and group must be at least 1, not {order} and {group}")
    function = Function(fn, Call(inputs, kwargs), wrt)
    if not function.checked:
        raise ValueError(f"gradcheck: {function.name} has no floating argument to check")
    report = Report(function.name)
    with function, np.errstate(all="ignore"):
        check_gradients(function, report, order, rtol, atol, seed, fast, group)
    return report


def check_gradients(function: Function, report: Report, order: int, rtol: float, atol: float, seed: int, fast: bool, group: int) -> None:
    """Check a function, then its gradient, and so on up to ``order``; fill ``report``."""
    present: Any = function
    previous: Any = None
    for level in range(1, order + 1):
        checker = Checker(present, rtol, atol, seed)
        checker.fast() if fast else checker.run(group)
        for row, leaf in zip(checker.rows, function.checked, strict=True):
            mine = report.row(leaf.name, level)
            mine.elements += row[0]
            mine.error = max(mine.error, row[1])
            mine.kinks += row[2]
        if level > 1:
            checker.check_cotangents(previous)
        previous = checker
        if level < order:
            if not checker.differentiable:
                break
            present = Gradient(present, checker.split(checker.directions[:, 0]))


class Checker:
    """The check of one function at one point: numerical against analytic derivatives in every leaf."""

    def __init__(self, function: Any, rtol: float, atol: float, seed: int):
        self.function = function
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
            argument, kind, diagnosis = explain_exception(error, self.function, doing)
            raise self.fail(
                f"{doing} raised {type(error).__name__}", argument=argument, kind=kind, diagnosis=diagnosis,
                order=self.function.order if doing != "the call" else 0,
                details=[line for line in str(error).splitlines() if line],
            ) from error  # fmt: skip

    def _first_evaluation(self) -> list[np.ndarray]:
        """Evaluate here, elsewhere, and here again: the same both times, in float64, and without writing to the inputs."""
        function = self.function
        before = [leaf.array.copy() for leaf in function.leaves]
        first_order = function.order == 1
        doing = "the call" if first_order else "the gradient"
        order = 0 if first_order else function.order
        with self.blame(doing):
            first = [np.array(y) for y in function.call_plainly()]
            self._refuse_edits(before, f"{doing} changes its argument", "the argument is written to; compute into a new array instead", order)
            function.randomness.look()
            for leaf in self.leaves:
                leaf.array += 1e-3 * self.rng.uniform(-1.0, 1.0, leaf.array.shape)
            function.call_plainly()
            for leaf, old in zip(function.leaves, before, strict=True):
                leaf.array[...] = old
            second = function.call_plainly()
        if [y.shape for y in first] != [y.shape for y in second] or not all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)
        ):
            kind = "not deterministic"
            raise self.fail(
                f"{doing} gives another result the second time", kind=kind, order=order,
                diagnosis=f"{kind}: two evaluations at the same point differ. Draw random numbers from minigrad.random.numpy_generator(), "
                "which the check rewinds, and keep no state between calls",
            )  # fmt: skip
        for y in first:
            if y.dtype != np.float64 and not function.asks_for_dtype():
                kind = "float32"
                raise self.fail(
                    f"{doing} returns {y.dtype} for float64 arguments", kind=kind, order=order,
                    diagnosis=f"{kind} used where float64 is needed: a constant or a buffer of a smaller dtype decides the dtype of the result",
                )  # fmt: skip
        return first

    def _elsewhere(self) -> None:
        """Evaluate at another point, so that state which a function keeps from its last call is stale when it is recorded."""
        before = [leaf.array.copy() for leaf in self.leaves]
        for leaf in self.leaves:
            leaf.array *= -1.0 if self.function.order == 1 else 1.0
        with contextlib.suppress(Exception):  # outside its domain the function may raise; what it returns here does not matter
            self.function.call_plainly()
        for leaf, old in zip(self.leaves, before, strict=True):
            leaf.array[...] = old

    def _refuse_edits(self, before: list[np.ndarray], what: str, advice: str, order: int) -> None:
        """Raise if a leaf is not what it was."""
        for leaf, old in zip(self.function.leaves, before, strict=True):
            if not np.array_equal(leaf.array, old, equal_nan=True):
                leaf.array[...] = old
                kind = "in-place edit"
                raise self.fail(f"{what} '{leaf.name}'", argument=leaf.name, order=order, kind=kind, diagnosis=f"{kind}: {advice}")

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
        if not self.center.size:
            return [np.zeros((leaf.array.size, 3)) for leaf in self.leaves]
        leaves = [leaf.array.copy() for leaf in self.function.leaves]
        directions = self.directions.copy()
        columns = []
        for v in self.directions.T.copy():
            columns.append(self.pullback(v))
            if not (v == directions[:, len(columns) - 1]).all():
                kind, culprit = "in-place edit", self._writer_to_g(directions[:, 0])
                raise self.fail(
                    f"the gradient in argument '{culprit}' writes to g" if culprit else "backward writes to g", argument=culprit, kind=kind,
                    diagnosis=f"{kind}: the formula writes to g, which belongs to others too; compute into a new array instead",
                )  # fmt: skip
        self._refuse_edits(leaves, "backward changes the argument", "a formula writes to an array that it was given; compute into a new one", self.function.order)
        return [np.stack([c[k] for c in columns], axis=1) for k in range(len(columns[0]))]

    def _writer_to_g(self, v: np.ndarray) -> str | None:
        """The argument whose formula changes g."""
        for k, leaf in enumerate(self.leaves):
            g = v.copy()
            self.recording.pullback(self.split(g), only=k)
            if not (g == v).all():
                return leaf.name
        return None

    # ---------------------------------------------------------------------------------------------- element by element

    def evaluate(self, row: np.ndarray) -> None:
        """Write all outputs at the leaves' present values into ``row``; NaN where the function refuses them, outside its domain."""
        try:
            outputs = self.function.call_plainly()
        except Exception:
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
            raise self._not_finite(None, "the result" if self.function.order == 1 else "the gradient")
        step = max(1, _CHUNK // max(m, 1))
        for k, leaf in enumerate(self.leaves):
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
            raise self._not_finite((k, elements[int(np.argmin(columns.finite))]), "the function")
        analytic = self.analytic[k][elements.start : elements.stop, :2].copy()
        if not np.isfinite(analytic).all():
            raise self._wrong(k, elements[int(np.argmin(np.isfinite(analytic).all(axis=1)))])
        analytic[columns.nowhere] = 0.0
        weights = np.abs(self.directions[:, :2])
        difference, scale, allowed = self._compare(columns, analytic, self._at_kinks(k, elements, columns))
        suspects = np.flatnonzero((difference > allowed).any(axis=1))
        if any([columns.look_for_jumps(int(row)) for row in suspects]):
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
                    raise self._wrong(k, elements[row])
                raise self._unsettled(k, elements[row], value, error + np.abs(value - plain))
            if (doubt > 1e-3 * scale[row] + 1e-6).any():
                raise self._unsettled(k, elements[row], value, error)
        if self._wrong_at_kink is not None:  # after all others, which say more
            raise self._wrong(*self._wrong_at_kink)
        relative = difference / (scale + self.atol / self.rtol)
        return float(relative.max(initial=0.0)), int((columns.kinks.any(axis=1) | columns.nowhere).sum())

    def _agrees_together(self, k: int, flat: np.ndarray, elements: range) -> float | None:
        """Move some elements together, each by a random multiple of its step: the relative error; None unless it is small and there is no kink."""
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
                k, i = max(places, key=lambda place: abs(entries[place[0]][place[1]]))
                leaf = self.leaves[k]
                index = tuple(int(n) for n in np.unravel_index(i, leaf.array.shape))
                place = self._output_index(output)
                between = f"{low:.6g}" if high - low < slack else f"something from {low:.6g} to {high:.6g}"
                raise self.fail(
                    f"the gradient in argument '{leaf.name}' is wrong at a tie", argument=leaf.name, index=index, output_index=place,
                    analytic=total, numerical=min(max(total, low), high), kind="ties",
                    diagnosis="ties: each of the tied elements gets a gradient as if it were alone; give it to one of them, or share it",
                    details=[f"for output {_brackets(place)}, {len(places)} elements are tied: their derivatives add up to {total:.6g}, must be {between}"],
                )  # fmt: skip

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
                raise self._wrong(k, int(np.argmax(off)))

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
                index, wanted = self._worst_cotangent(base, k, u[u != 0], image)
                raise self.fail(
                    f"the gradient of the gradient in argument '{leaf.name}' is wrong",
                    argument=leaf.name, output_index=self._output_index(index, base.shapes),
                    analytic=float(image[index]), numerical=float(wanted[index]), kind="second order only",
                    details=[f"differentiated in g{_brackets(self._output_index(index, base.shapes))}: analytic {image[index]:.10g}, expected {wanted[index]:.10g}"],
                    diagnosis="second order only: the formula's own derivative in g is wrong. Is it written with ops, and are these right?",
                )  # fmt: skip

    def _worst_cotangent(self, base: Checker, k: int, u: np.ndarray, image: np.ndarray) -> tuple[int, np.ndarray]:
        wanted = np.array([base.pullback(one)[k] @ u for one in np.eye(base.center.size)])
        return int(np.argmax(np.abs(image - wanted))), wanted

    # ------------------------------------------------------------------------------------------- random directions

    def fast(self) -> None:
        """Check the derivative of each leaf along two random directions."""
        if not np.isfinite(self.center).all():
            raise self._not_finite(None, "the result" if self.function.order == 1 else "the gradient")
        for k, leaf in enumerate(self.leaves):
            n, worst, kinks = leaf.array.size, 0.0, 0
            for _ in range(2 if n and self.center.size else 0):
                direction = self.rng.choice([-1.0, 1.0], n) * self.rng.uniform(0.5, 1.5, n)
                off, error, bent = self._along(k, direction)
                if off:
                    raise self._wrong(k, self._bisect(k, direction))
                worst, kinks = max(worst, error), kinks + bent
            self.rows.append((n, worst, kinks))
        self._check_linearity()

    def _along(self, k: int, direction: np.ndarray) -> tuple[float, float, int]:
        """How far analytic and numerical derivative along ``direction`` are apart beyond what is allowed, relatively, and whether there is a kink."""
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

    # -------------------------------------------------------------------------------------------------- failures

    def _output_index(self, output: int, shapes: list[tuple[int, ...]] | None = None) -> tuple[int, ...]:
        """The index of an element of the flattened outputs; the number of the output comes first where there are several."""
        shapes = self.shapes if shapes is None else shapes
        for number, shape in enumerate(shapes):
            n = int(np.prod(shape))
            if output < n:
                index = tuple(int(i) for i in np.unravel_index(output, shape))
                return index if len(shapes) == 1 else (number, *index)
            output -= n
        raise IndexError(output)

    def numerical_jacobian(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(elements, outputs) numerical derivatives of leaf ``k``, and where there are kinks."""
        flat = self.leaves[k].array.reshape(-1)
        columns = Columns(self.evaluate, flat, range(flat.size), self.center)
        return columns.slopes, columns.kinks

    def analytic_jacobian(self, k: int) -> np.ndarray:
        """(elements, outputs) analytic derivatives of leaf ``k``: a backward pass for each output."""
        return np.stack([self.pullback(one)[k] for one in np.eye(self.center.size)], axis=1)

    def _wrong(self, k: int, element: int, output: int | None = None, interval: tuple[float, float] | None = None) -> GradcheckError:
        """The report of a wrong gradient: the worst element, and what the numbers of all elements say about the mistake."""
        leaf, m = self.leaves[k], self.center.size
        order = self.function.order
        what = "gradient" if order == 1 else f"{_ORDINALS.get(order, f'{order}th')}-order gradient"
        small = leaf.array.size * m <= 2**18 and m <= 2048
        evidence = Evidence(self, k) if small else None
        details = []
        if evidence is not None and output is None:
            off = np.where(evidence.kinks, 0.0, np.abs(evidence.analytic - evidence.numerical))
            if not np.isfinite(off).all():
                off = np.where(np.isfinite(off), 0.0, 1.0)
            wrong = off > 1e-5 * np.abs(evidence.numerical) + 1e-7
            if wrong.any():
                element, output = (int(i) for i in np.unravel_index(np.argmax(off), off.shape))
                details.append(f"{wrong.any(axis=1).sum()} of {wrong.shape[0]} elements are wrong")
        if output is not None:
            one = np.zeros(m)
            one[output] = 1.0
            analytic = float(self.pullback(one)[k][element])
            column, error = numerical.extrapolate(self.evaluate, leaf.array.reshape(-1), element, m)
            value, uncertainty = float(column[output]), float(error[output])
        else:  # one backward pass of a sum over all outputs, with random weights
            v = self.directions[:, 2]
            analytic = float(self.analytic[k][element, 2])
            column, error = numerical.extrapolate(self.evaluate, leaf.array.reshape(-1), element, m)
            value, uncertainty = float(column @ v), float(error @ np.abs(v))
        index = tuple(int(i) for i in np.unravel_index(element, leaf.array.shape))
        place = self._output_index(output) if output is not None else None
        where = f"at {leaf.name}{_brackets(index)} = {leaf.array[index]:.6g}"
        if place:
            where += f", for output {_brackets(place)}"
        elif output is None and m > 1:
            where += ", for a sum of the outputs with random weights"
        if interval is not None:
            interval = interval[0] + 0.0, interval[1] + 0.0  # no -0
            value = min(max(analytic, interval[0]), interval[1])
            line = f"{where}: analytic {analytic:.10g}, but the slopes on the two sides of the kink are {interval[0]:.6g} and {interval[1]:.6g}"
        else:
            line = f"{where}: analytic {analytic:.10g}, numerical {value:.10g}"
            if uncertainty > 1e-9 * abs(value) + 1e-10:
                line += f" (± {uncertainty:.1g})"
        kind, diagnosis = explain(evidence) if evidence is not None else (None, None)
        if interval is not None and not self.rounds_to_float32():
            kind, diagnosis = "kink", "kink: at a point without a derivative the gradient must lie between the slopes on its two sides"
        elif order == 1 and self._is_stale(k):
            kind = "stale residual"
            diagnosis = f"{kind}: the gradient depends on what was computed before this call; keep no state outside the residual"
        if order > 1:
            kind, diagnosis = "second order only", _second_order(self.function, leaf, kind, diagnosis)
        return self.fail(
            f"the {what} in argument '{leaf.name}' is wrong", argument=leaf.name, index=index, output_index=place,
            analytic=analytic, numerical=value, kind=kind, diagnosis=diagnosis, details=[line, *details],
        )  # fmt: skip

    def _is_stale(self, k: int) -> bool:
        """Whether the gradient would have been another, had something else been computed before."""
        self.function.call_plainly()
        if not self.center.size:
            return False
        again = self.function.record().pullback(self.split(self.directions[:, 0]))[k]
        found = np.zeros(self.leaves[k].array.size) if again is None else np.asarray(again).ravel()
        return not np.allclose(found, self.analytic[k][:, 0], rtol=1e-9, atol=1e-12, equal_nan=True)

    def _not_finite(self, where: tuple[int, int] | None, what: str) -> GradcheckError:
        """The function itself is inf or NaN here, or as near as the numerical derivative has to go."""
        advice = "not finite: choose arguments inside the function's domain, for strategies with low=, high= and avoid="
        if where is None:
            return self.fail(f"{what} is not finite", kind="not finite", diagnosis=advice, order=0 if self.function.order == 1 else self.function.order)
        leaf = self.leaves[where[0]]
        index = tuple(int(i) for i in np.unravel_index(where[1], leaf.array.shape))
        return self.fail(
            f"{what} is not finite beside {leaf.name}{_brackets(index)} = {leaf.array[index]:.6g}",
            argument=leaf.name, index=index, kind="not finite", diagnosis=advice,
        )  # fmt: skip

    def _unsettled(self, k: int, element: int, value: np.ndarray, error: np.ndarray) -> GradcheckError:
        """The numerical derivative has no limit: noise, or a singularity."""
        leaf = self.leaves[k]
        index = tuple(int(i) for i in np.unravel_index(element, leaf.array.shape))
        output = int(np.argmax(error))
        if self.rounds_to_float32():
            kind, text = "float32", "float32 used where float64 is needed: the results are float32 numbers although the arguments are float64"
        else:
            kind = "unsettled"
            text = "unsettled: the function is too rough here to have a derivative: noise, an infinite slope, or a jump close by"
        return self.fail(
            f"no numerical derivative at {leaf.name}{_brackets(index)} = {leaf.array[index]:.6g}",
            argument=leaf.name, index=index, output_index=self._output_index(output), numerical=float(value[output]), kind=kind, diagnosis=text,
            details=[f"differences do not converge as the step goes to 0: {value[output]:.6g} ± {error[output]:.1g}"],
        )  # fmt: skip

    def rounds_to_float32(self) -> bool:
        """Whether the results at arguments with many digits are all float32 numbers."""
        before = [leaf.array.copy() for leaf in self.leaves]
        for leaf in self.leaves:
            leaf.array *= 1 + 1e-3 / np.pi
        row = np.empty(self.center.size)
        self.evaluate(row)
        for leaf, old in zip(self.leaves, before, strict=True):
            leaf.array[...] = old
        long = row * 1024 != np.round(row * 1024)  # 0.5 is a float32 number whoever computed it
        return bool(long.any() and (row == row.astype(np.float32)).all())


def _brackets(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _second_order(function: Any, leaf: Any, kind: str | None, diagnosis: str | None) -> str:
    """Why a gradient that is right to first order may be wrong to second."""
    text = "second order only: the gradient is right, but the formula is not itself differentiable"
    op = function.op
    named = [name for name, needs in op.needs.items() if any(source == "res" for source, _ in needs)] if op is not None else []
    if named:
        text += f". The formula of {' and '.join(map(repr, named))} uses the residual `res`, a constant for higher derivatives: compute it from the inputs"
    elif kind and kind.startswith("zero"):
        text += ": it reads a value outside the graph (an array, detach(), a cached number). Write it with operators and ops on its parameters"
    elif diagnosis:
        text += f" ({diagnosis})"
    else:
        text += ": an op that it uses has a wrong gradient, or a value it depends on is a constant for the graph"
    return text
