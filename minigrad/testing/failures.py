"""What a check says when a gradient is wrong: where, by how much, and what the numbers of all elements give away."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.testing import numerical
from minigrad.testing.diagnosis import ROUNDED, Evidence, explain
from minigrad.testing.report import GradcheckError

_ORDINALS = {1: "", 2: "second-order ", 3: "third-order "}


def brackets(index: tuple[int, ...] | None) -> str:
    """``[1, 2]`` for an index, nothing for that of a 0-d array."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def place_of(leaf: Any, element: int) -> tuple[tuple[int, ...], str]:
    """Index and description of an element: ``x[0, 2] = 1.5``."""
    index = tuple(int(i) for i in np.unravel_index(element, leaf.array.shape))
    return index, f"{leaf.name}{brackets(index)} = {leaf.array[index]:.6g}"


def wrong(checker: Any, k: int, element: int, output: int | None = None, interval: tuple[float, float] | None = None) -> GradcheckError:
    """The error for leaf ``k``, wrong at ``element`` at least; ``interval`` are the slopes on the two sides of a kink."""
    leaf, m, order = checker.leaves[k], checker.center.size, checker.function.order
    small = leaf.array.size * m <= 2**18 and m <= 2048
    evidence = Evidence(checker, k, rounds_to_float32(checker)) if small else None
    details = []
    if evidence is not None and output is None:
        off = np.where(evidence.kinks, 0.0, np.abs(evidence.analytic - evidence.numerical))
        off = np.where(np.isfinite(off), off, 1.0 + off[np.isfinite(off)].max(initial=0.0))
        bad = off > 1e-5 * np.abs(evidence.numerical) + 1e-7
        if bad.any():
            element, output = (int(i) for i in np.unravel_index(np.argmax(off), off.shape))
            details.append(f"{bad.any(axis=1).sum()} of {bad.shape[0]} elements are wrong")
    column, error = numerical.extrapolate(checker.evaluate, leaf.array.reshape(-1), element, m)
    if output is not None:
        analytic, value, uncertainty = float(checker.entries(output)[k][element]), float(column[output]), float(error[output])
    else:  # the derivative of a sum over all outputs with random weights
        v = checker.directions[:, 2]
        analytic, value, uncertainty = float(checker.analytic[k][element, 2]), float(column @ v), float(error @ np.abs(v))
    index, where = place_of(leaf, element)
    result = checker.output_index(output) if output is not None else None
    where += (
        f", for output {brackets(result)}"
        if result
        else ", for a sum of the outputs with random weights"
        if result is None and m > 1
        else ""
    )
    if interval is not None:
        low, high = interval[0] + 0.0, interval[1] + 0.0  # no -0
        value = min(max(analytic, low), high)
        comparison = f"analytic {analytic:.10g}, but the slopes on the two sides of the kink are {low:.6g} and {high:.6g}"
    else:
        comparison = f"analytic {analytic:.10g}, numerical {value:.10g}"
        if uncertainty > 1e-9 * abs(value) + 1e-10:
            comparison += f" (± {uncertainty:.1g})"
    kind, advice = explain(evidence) if evidence is not None else (None, None)
    if interval is not None and not rounds_to_float32(checker):
        kind, advice = "kink", "at a point without a derivative the gradient must lie between the slopes on its two sides"
    elif order == 1 and _is_stale(checker, k):
        kind, advice = "stale residual", "the gradient depends on what was computed before this call; keep no state outside the residual"
    if order > 1:
        kind, advice = "second order only", _second_order(checker.function, kind, advice)
    return checker.fail(
        f"the {_ORDINALS.get(order, f'{order}th-order ')}gradient in argument '{leaf.name}' is wrong",
        argument=leaf.name, index=index, output_index=result, analytic=analytic, numerical=value,
        kind=kind, advice=advice, details=[f"at {where}: {comparison}", *details],
    )  # fmt: skip


def _second_order(function: Any, kind: str | None, advice: str | None) -> str:
    """Why a gradient that is right to first order may be wrong to second."""
    text = "the gradient is right, but the formula is not itself differentiable"
    needs = {} if function.op is None else function.op.needs
    named = [repr(name) for name, sources in needs.items() if any(source == "res" for source, _ in sources)]
    if named:
        text += f". The formula of {' and '.join(named)} uses the residual `res`, a constant for higher derivatives: "
        return text + "compute it from the inputs"
    if kind and kind.startswith("zero"):
        text += ": it reads a value outside the graph (an array, detach(), a cached number). "
        return text + "Write it with operators and ops on its parameters"
    if kind:
        return f"{text} ({kind}: {advice})"
    return text + ": an op that it uses has a wrong gradient, or a value it depends on is a constant for the graph"


def _is_stale(checker: Any, k: int) -> bool:
    """Whether the gradient would have been another, had something else been computed before."""
    if not checker.center.size:
        return False
    checker.function.call_plainly()
    again = checker.function.record().pullback(checker.split(checker.directions[:, 0]))[k]
    found = np.zeros(checker.leaves[k].array.size) if again is None else np.asarray(again).ravel()
    return not np.allclose(found, checker.analytic[k][:, 0], rtol=1e-9, atol=1e-12, equal_nan=True)


def wrong_at_a_tie(checker: Any, places: list[tuple[int, int]], output: int, total: float, low: float, high: float) -> GradcheckError:
    """The error for tied elements (leaf, element) whose derivatives do not add up to what moving them together gives."""
    entries = checker.entries(output)
    k, element = max(places, key=lambda place: abs(entries[place[0]][place[1]]))
    leaf = checker.leaves[k]
    result = checker.output_index(output)
    between = f"{low:.6g}" if high - low < 1e-3 else f"something from {low:.6g} to {high:.6g}"
    which = f"for output {brackets(result)}, " if result else ""
    return checker.fail(
        f"the gradient in argument '{leaf.name}' is wrong at a tie",
        argument=leaf.name, index=place_of(leaf, element)[0], output_index=result, analytic=total, numerical=min(max(total, low), high),
        kind="ties", advice="each of the tied elements gets a gradient as if it were alone; give it to one of them, or share it",
        details=[f"{which}{len(places)} elements are tied: their derivatives add up to {total:.6g}, must be {between}"],
    )  # fmt: skip


def wrong_in_g(checker: Any, base: Any, k: int, u: np.ndarray, image: np.ndarray) -> GradcheckError:
    """The error for a gradient whose own derivative in the incoming gradient g is ``image``, and should be A u."""
    leaf = checker.leaves[k]
    wanted = np.array([base.entries(output)[k] @ u for output in range(base.center.size)])
    output = int(np.argmax(np.abs(image - wanted)))
    result = base.output_index(output)
    return checker.fail(
        f"the gradient of the gradient in argument '{leaf.name}' is wrong",
        argument=leaf.name, output_index=result, analytic=float(image[output]), numerical=float(wanted[output]), kind="second order only",
        details=[f"differentiated in g{brackets(result)}: analytic {image[output]:.10g}, expected {wanted[output]:.10g}"],
        advice="the formula's own derivative in g is wrong. Is it written with ops, and are these right?",
    )  # fmt: skip


def not_finite(checker: Any, where: tuple[int, int] | None, what: str) -> GradcheckError:
    """The function itself is inf or NaN here, or as near as the numerical derivative has to go."""
    advice = "choose arguments inside the function's domain, for strategies with low=, high= and avoid="
    order = checker.function.order
    if where is None:
        return checker.fail(f"{what} is not finite", kind="not finite", advice=advice, order=0 if order == 1 else order)
    leaf = checker.leaves[where[0]]
    index, place = place_of(leaf, where[1])
    return checker.fail(f"{what} is not finite beside {place}", argument=leaf.name, index=index, kind="not finite", advice=advice)


def unsettled(checker: Any, k: int, element: int, value: np.ndarray, error: np.ndarray) -> GradcheckError:
    """The numerical derivative has no limit: noise, or a singularity."""
    leaf = checker.leaves[k]
    index, place = place_of(leaf, element)
    output = int(np.argmax(error))
    kind, advice = "unsettled", "the function is too rough here to have a derivative: noise, an infinite slope, or a jump close by"
    if rounds_to_float32(checker):
        kind, advice = "float32", ROUNDED
    return checker.fail(
        f"no numerical derivative at {place}",
        argument=leaf.name, index=index, output_index=checker.output_index(output), numerical=float(value[output]), kind=kind, advice=advice,
        details=[f"differences do not converge as the step goes to 0: {value[output]:.6g} ± {error[output]:.1g}"],
    )  # fmt: skip


def rounds_to_float32(checker: Any) -> bool:
    """Whether the results at arguments with many digits are all float32 numbers."""
    before = [leaf.array.copy() for leaf in checker.leaves]
    for leaf in checker.leaves:
        leaf.array *= 1 + 1e-3 / np.pi
    row = np.empty(checker.center.size)
    checker.evaluate(row)
    for leaf, old in zip(checker.leaves, before, strict=True):
        leaf.array[...] = old
    long = row * 1024 != np.round(row * 1024)  # 0.5 is a float32 number whoever computed it
    return bool(long.any() and (row == row.astype(np.float32)).all())
