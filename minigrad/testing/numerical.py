"""Numerical derivatives with error estimates, all outputs at once, and what happens to them at kinks.

For every element of an input the function is evaluated twice, at x + h and x - h. The two one-sided slopes (the value at x is known)
and their mean, the central difference, already decide almost every element: the mean has a relative error near 1e-10, and
slopes that disagree give a kink away. Only where that is not enough is the element looked at more closely: for kinks
with slopes of higher accuracy, for disagreement with the analytic value by :func:`extrapolate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

EPS = float(np.finfo(np.float64).eps)
_RUNGS = 20  # steps of a ladder, each half of the one before
STEP = EPS ** (1 / 3)  # where rounding and truncation errors of a central difference balance: 6e-6
Evaluate = Callable[[np.ndarray], None]  # writes all outputs, flattened, into a row


def step_of(x: float) -> float:
    """The step for an element: it grows with large ones, and does not cross zero for small ones."""
    size = abs(x)
    return STEP * size if size > 1.0 else STEP if size == 0.0 or size > 8 * STEP else size / 8


class Columns:
    """Derivatives of all outputs in some elements of an input: a row for each of them.

    Attributes:
        slopes: (elements, outputs) central differences.
        noise: (elements, outputs) what rounding alone may have added to them.
        kinks: boolean (elements, outputs): no derivative here; the slopes lie between ``low`` and ``high``.
        low, high: {(row, output): one-sided slope}, with ``slack`` the accuracy of both.
        jumps: the (row, output) among them where the function is not even continuous.
        finite: boolean (elements,): every evaluation was finite.
        nowhere: boolean (elements,): the element itself is inf or NaN, so that there is no derivative to compare with.
    """

    def __init__(self, evaluate: Evaluate, flat: np.ndarray, elements: range, center: np.ndarray):
        n, m = len(elements), center.size
        plus, minus = np.empty((n, m)), np.empty((n, m))
        up, down = np.empty((n, 1)), np.empty((n, 1))
        for row, i in enumerate(elements):
            x = float(flat[i])
            h = step_of(x)
            flat[i] = high = x + h
            evaluate(plus[row])
            flat[i] = low = x - h
            evaluate(minus[row])
            flat[i] = x
            up[row], down[row] = high - x, x - low  # the steps that were really made
        self.slopes = (plus - minus) / (up + down)
        self.nowhere = ~np.isfinite(flat[elements.start : elements.stop])
        self.slopes[self.nowhere] = 0.0
        self.finite = np.isfinite(self.slopes).all(axis=1)
        changed = plus != minus
        self.noise = np.where(changed, 8 * EPS * (np.abs(plus) + np.abs(minus)), 0.0) / (up + down)
        self.kinks = np.zeros((n, m), bool)
        self.low: dict[tuple[int, int], float] = {}
        self.high: dict[tuple[int, int], float] = {}
        self.slack: dict[tuple[int, int], float] = {}
        self.jumps: set[tuple[int, int]] = set()
        self._evaluate, self._flat, self._elements, self._center = evaluate, flat, elements, center
        right, left = (plus - center) / up, (center - minus) / down
        gap = np.abs(right - left)
        gap[self.nowhere] = 0.0
        doubtful = gap > np.maximum(1e-3 * np.maximum(np.abs(right), np.abs(left)), 4 * self.noise)
        doubtful[~self.finite] = False
        for suspect in map(int, np.flatnonzero(doubtful.any(axis=1))):
            self._look_closer(suspect, np.flatnonzero(doubtful[suspect]), gap[suspect])

    def _at(self, row: int, step: float) -> np.ndarray:
        """All outputs with the row's element moved by ``step``."""
        i = self._elements[row]
        x = self._flat[i]
        out = np.empty(self._center.size)
        self._flat[i] = x + step
        self._evaluate(out)
        self._flat[i] = x
        return out

    def _look_closer(self, row: int, outputs: np.ndarray, gap: np.ndarray) -> None:
        """Tell kinks from curvature by taking a step of a sixteenth: a kink's one-sided slopes stay apart, a curve's approach."""
        h = step_of(float(self._flat[self._elements[row]])) / 16
        plus, minus, center = self._at(row, h), self._at(row, -h), self._center
        right, left = (plus - center) / h, (center - minus) / h
        ratio = np.abs(right - left)[outputs] / gap[outputs]
        # The height of a jump does not shrink with the step, so that slopes grow by 16. Noise does too, but it is small.
        tall = np.maximum(np.abs(plus - center), np.abs(minus - center))[outputs] > 1e-9 * (1e-3 + np.abs(center[outputs]))
        jumps = outputs[(ratio > 8) & tall]
        bends = outputs[(ratio > 0.4) & (ratio <= 2.5)]
        smooth = outputs[ratio <= 0.4]
        # Where the first step reached over a kink nearby, and the short one does not, the short one is right.
        nearer = (right[smooth] + left[smooth]) / 2
        crossed = np.abs(nearer - self.slopes[row, smooth]) > 1e-5 * np.abs(nearer) + 1e-6
        self.slopes[row, smooth[crossed]] = nearer[crossed]
        self.noise[row, smooth[crossed]] *= 16
        if bends.size:
            self._one_sided(row, bends, 256 * h, 16 * h, False, np.array([right[bends], left[bends]]))
        if jumps.size:
            self._one_sided(row, jumps, 256 * h, 16 * h, True)

    def look_for_jumps(self, row: int) -> bool:
        """Find outputs that jump at the row's element, even evenly on both sides, as the gradient of abs does; True if there are new ones."""
        h = step_of(float(self._flat[self._elements[row]])) / 16
        center = self._center
        sides = [(np.abs(self._at(row, sign * 16 * h) - center), np.abs(self._at(row, sign * h) - center)) for sign in (1, -1)]
        jump = np.zeros(center.size, bool)
        for far, near in sides:
            jump |= (near > far / 2) & (near > 1e-9 * (1e-3 + np.abs(center)))
        jump &= ~self.kinks[row]
        if jump.any():
            self._one_sided(row, np.flatnonzero(jump), 256 * h, 16 * h, True)
        return bool(jump.any())

    def _one_sided(self, row: int, outputs: np.ndarray, far: float, near: float, beside: bool, rough: np.ndarray | None = None) -> None:
        """Slopes on either side of a kink, from four points each; ``beside`` a jump, without the value at x itself.

        They must agree with those of a shorter step, or with ``rough`` ones that are known.
        """
        precise = self._sides(row, outputs, far, beside)
        check = (
            precise if rough is not None and np.allclose(rough, precise, rtol=1e-4, atol=1e-4) else self._sides(row, outputs, near, beside)
        )
        for k, output in enumerate(outputs):
            (right, left), (right_near, left_near) = precise[:, k], check[:, k]
            size = max(abs(right_near), abs(left_near))
            slack = 1e-6 * size + 1e-7
            if not (abs(right - right_near) < 1e-4 * size + 1e-6 and abs(left - left_near) < 1e-4 * size + 1e-6):
                # Another kink between the two steps, or no slopes at all: then they do not settle at smaller steps either.
                right_closer, left_closer = self._sides(row, outputs[k : k + 1], near / 16, beside)[:, 0]
                if not (abs(right_closer - right_near) < 1e-2 * size + 1e-4 and abs(left_closer - left_near) < 1e-2 * size + 1e-4):
                    continue
                right, left, slack = right_near, left_near, 1e-4 * size + 1e-6
            place = row, int(output)
            self.kinks[place] = True
            if beside:
                self.jumps.add(place)
            self.low[place], self.high[place], self.slack[place] = min(right, left), max(right, left), slack

    def _sides(self, row: int, outputs: np.ndarray, step: float, beside: bool) -> np.ndarray:
        """(2, outputs): the slopes on the right and on the left."""
        found = []
        for s in (step, -step):
            f1, f2, f3 = (self._at(row, i * s)[outputs] for i in (1, 2, 3))
            if beside:
                found.append((-26 * f1 + 57 * f2 - 42 * f3 + 11 * self._at(row, 4 * s)[outputs]) / (6 * s))
            else:
                found.append(_one_sided_slope((self._center[outputs], f1, f2, f3), s))
        return np.array(found)


def _one_sided_slope(points: Sequence[np.ndarray], step: float) -> np.ndarray:
    """The slope at the first of four points ``step`` apart; with a negative step, to its left."""
    f0, f1, f2, f3 = points
    return (-11 * f0 + 18 * f1 - 9 * f2 + 2 * f3) / (6 * step)


def extrapolate(evaluate: Evaluate, flat: np.ndarray, i: int, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """The derivative of all outputs in element ``i``, and an estimate of its error (Ridders 1982).

    Central differences at steps that are halved again and again, extrapolated to step 0 by Richardson's scheme: their error is a series
    in h**2 or, where a higher derivative jumps (x * abs(x) at 0), in h. For each output the entry that changes least is taken. Two ladders
    of steps are tried, one in proportion to max(1, abs(x)), and one in proportion to small x itself: log(x) at 1e-8 needs other steps
    than exp(x).
    """
    x = float(flat[i])
    starts = [2.0**-4 * max(1.0, abs(x))] + ([abs(x) / 4] if 0 < abs(x) < 0.2 else [])
    plus, minus = np.empty((2, len(starts) * _RUNGS, n_outputs))
    width = np.empty((len(plus), 1))
    for k in range(len(plus)):
        h = starts[k // _RUNGS] * 0.5 ** (k % _RUNGS)
        flat[i] = high = x + h
        evaluate(plus[k])
        flat[i] = low = x - h
        evaluate(minus[k])
        width[k] = high - low
    flat[i] = x
    moves = np.logical_or.accumulate(plus != minus)  # a small step may be lost in rounding, which is no proof of a derivative of 0
    noise = 8 * EPS * np.where(moves, np.abs(plus) + np.abs(minus), 0.0) / width
    slopes = (plus - minus) / width
    (best, error), (best_in_h, error_in_h) = _steadiest(slopes, noise, 4.0), _steadiest(slopes, noise, 2.0)
    rough = ~(error < 1e-6 * np.maximum(np.abs(best), 1e-2)) & (error_in_h < error)  # more entries agree by chance more often
    return np.where(rough, best_in_h, best), np.where(rough, error_in_h, error)


def _steadiest(slopes: np.ndarray, noise: np.ndarray, base: float) -> tuple[np.ndarray, np.ndarray]:
    """Of Richardson's scheme over ladders of slopes, for each output the entry that changes least, and its change.

    ``base`` is 4 for errors that are a series in h**2, and 2 for one in h.
    """
    entries, changes = [np.full_like(slopes[:1], np.nan)], [np.full_like(slopes[:1], np.inf)]
    for first in range(0, len(slopes), _RUNGS):
        level = slopes[first : first + _RUNGS]
        for j in range(1, 9):
            above, beside = level[:-1], level[1:]
            level = beside + (beside - above) / (base**j - 1.0)
            change = np.maximum(np.abs(level - beside), np.abs(level - above)) + noise[first + j : first + _RUNGS]
            entries.append(level)
            changes.append(np.where(np.isnan(change), np.inf, change))
    change = np.concatenate(changes)
    least = change.argmin(axis=0)[None]
    return np.take_along_axis(np.concatenate(entries), least, 0)[0], np.take_along_axis(change, least, 0)[0]


def along(evaluate: Callable[[float], np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Derivative of ``evaluate(t)`` at t = 0, its error, and the slopes on the right and on the left of 0."""
    t = np.zeros(1)
    center = evaluate(0.0)

    def write(out: np.ndarray) -> None:
        out[:] = evaluate(float(t[0]))

    slope, error = extrapolate(write, t, 0, center.size)
    h = 16 * STEP
    right, left = (_one_sided_slope([center, *(evaluate(i * s) for i in (1, 2, 3))], s) for s in (h, -h))
    return slope, error, right, left
