"""What a check says when a gradient is wrong: where, by how much, and what the numbers of all elements give away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.testing import numerical
from minigrad.testing.diagnosis import ROUNDED, Evidence, explain
from minigrad.testing.function import Gradient, name_of
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
        bad = evidence.bad
        if bad.any():
            element, output = (int(i) for i in np.unravel_index(np.argmax(evidence.off), bad.shape))
            details.append(evidence.places(all_of_them=True).count())
    column, error = numerical.extrapolate(checker.evaluate, leaf.array.reshape(-1), element, m)
    if output is None:
        output = _worst_output(checker, k, element, column)
    analytic, value, uncertainty = float(checker.entries(output)[k][element]), float(column[output]), float(error[output])
    index, where = place_of(leaf, element)
    result = checker.output_index(output)
    if order == 1:
        where += f", for output {brackets(result)}" if result else ""
    else:  # the outputs are elements of a gradient, one argument's after the other
        gradient, inside = (result[0], result[1:]) if len(checker.shapes) > 1 else (0, result)
        where += f", of the gradient in {checker.leaves[gradient].name}{brackets(inside)}"
        one = _with_one_g(checker, k, element, output) if order == 2 and interval is None else None
        if one is not None:
            of, analytic, value = one
            where += f" of output {of}" if of else ""
        else:
            where += ", with random weights g"
    kind, advice = explain(evidence) if evidence is not None else (None, None)
    if interval is not None:
        low, high = interval[0] + 0.0, interval[1] + 0.0  # no -0
        value = min(max(analytic, low), high)
        comparison = f"analytic {analytic:.10g}, but the slopes on the two sides of the kink are {low:.6g} and {high:.6g}"
    elif abs(analytic - value) <= 1e-5 * abs(value) + 1e-7 + 2 * uncertainty and kind != "float32":
        comparison, analytic = _with_another_g(checker, k, element, output, value)
    else:
        comparison = f"analytic {analytic:.10g}, numerical {value:.10g}"
        if uncertainty > 1e-9 * abs(value) + 1e-10:
            comparison += f" (± {uncertainty:.1g})"
    if interval is not None and not rounds_to_float32(checker):
        kind, advice = "kink", "at a point without a derivative the gradient must lie between the slopes on its two sides"
    elif _is_fickle(checker, k):
        kind, advice = "not deterministic", "the formula gives another gradient each time; it must depend on nothing but its parameters"
    elif order == 1 and (fresh := _where_stale(checker, k)) is not None:
        kind, advice = "stale residual", "the gradient depends on what was computed before this call; keep no state outside the residual"
        stale = checker.analytic[k][:, 0]
        element = int(np.argmax(np.nan_to_num(np.abs(fresh - stale), nan=np.inf)))
        index, where = place_of(leaf, element)
        analytic, value, result = float(stale[element]), float(fresh[element]), None
        where += ", with random weights g"
        comparison, details = f"{analytic:.10g} where another call came before backward, {value:.10g} where none did", []
    if order > 1:
        kind, advice = "second order only", _second_order(checker.function, kind, advice)
    if order == 1 and checker.function.surrogate is not None:
        details.append(f"the numerical derivatives are those of the surrogate, {name_of(checker.function.surrogate)}")
    found = checker.fail(
        f"the {_ORDINALS.get(order, f'{order}th-order ')}gradient in argument '{leaf.name}' is wrong",
        argument=leaf.name, index=index, output_index=result, analytic=analytic, numerical=value,
        kind=kind, advice=advice, details=[f"at {where}: {comparison}", *details],
    )  # fmt: skip
    if evidence is not None and interval is None and kind not in ("stale residual", "not deterministic"):
        found.places = evidence.places()
    return found


def _worst(size: int, off: Callable[[np.ndarray], float]) -> int:
    """The place to which a difference ``off(places)``, linear in what is at them, can be traced: keep the half that is further off."""
    places = np.arange(size)
    while places.size > 1:
        halves = np.array_split(places, 2)
        places = halves[int(np.argmax([np.nan_to_num(off(half), nan=np.inf) for half in halves]))]
    return int(places[0])


def _only(v: np.ndarray, places: np.ndarray) -> np.ndarray:
    part = np.zeros_like(v)
    part[places] = v[places]
    return part


def _worst_output(checker: Any, k: int, element: int, column: np.ndarray) -> int:
    """The output to which the difference in an element can be traced."""

    def off(outputs: np.ndarray) -> float:
        part = _only(checker.directions[:, 2], outputs)
        return abs(float(checker.pullback(part)[k][element] - column @ part))

    return _worst(checker.center.size, off)


def _with_one_g(checker: Any, k: int, element: int, output: int) -> tuple[str, float, float] | None:
    """Of a wrong second derivative: for which output's gradient, and the two values. None if it cannot be traced to one."""
    base = checker.base
    flat, m = checker.leaves[k].array.reshape(-1), checker.center.size

    def values(cotangent: np.ndarray) -> tuple[float, float]:
        function = Gradient(checker.function.base, base.split(cotangent))
        one = np.zeros(m)
        one[output] = 1.0

        def evaluate(row: np.ndarray) -> None:
            row[:] = np.concatenate([y.ravel() for y in function.call_plainly()])

        analytic = function.record().pullback(checker.split(one))[k]
        value = numerical.extrapolate(evaluate, flat, element, m)[0][output]
        return 0.0 if analytic is None else float(np.ravel(analytic)[element]), float(value)

    def off(outputs: np.ndarray) -> float:
        analytic, value = values(_only(base.directions[:, 0], outputs))
        return abs(analytic - value)

    number = _worst(base.center.size, off)
    analytic, value = values(_only(np.ones(base.center.size), np.array([number])))
    if abs(analytic - value) <= 1e-5 * abs(value) + 1e-7:
        return None
    return brackets(base.output_index(number)), analytic, value


def _with_another_g(checker: Any, k: int, element: int, output: int, value: float) -> tuple[str, float]:
    """What to say of a gradient that is right for g = 1 at ``output``, and what it is per unit of another g that shows the mistake."""
    for g in (2.0, -1.0, 0.5):
        v = np.zeros(checker.center.size)
        v[output] = g
        found = float(checker.pullback(v)[k][element])
        if not abs(found - g * value) <= 1e-5 * abs(g * value) + 1e-7:
            said = (
                f"with g = {g:g} there the formula gives {found:.10g}, which is {found / g:.10g} for each unit of g; numerical {value:.10g}"
            )
            return said, found / g
    ones = float(checker.pullback(np.ones(checker.center.size))[k][element])
    return f"right where g is 1 there and 0 elsewhere, but not for other g: with g = 1 everywhere it gives {ones:.10g}", float("nan")


def _is_fickle(checker: Any, k: int) -> bool:
    """Whether the same backward pass gives another gradient when it is repeated."""
    v = checker.directions[:, 0].copy()
    first, second, third = (checker.pullback(v)[k] for _ in range(3))
    return not (np.array_equal(first, second, equal_nan=True) and np.array_equal(second, third, equal_nan=True))


def _second_order(function: Any, kind: str | None, advice: str | None) -> str:
    """Why a gradient that is right to first order may be wrong to second."""
    if kind == "not finite":
        return "the gradient is right, but the derivative of its formula is inf or NaN (an overflow on the way, 0 * inf, or a division by zero?)"
    text = "the gradient is right, but the formula is not itself differentiable"
    if function.op is not None and function.op.constant:
        text += ". Its residual `res` was declared constant (res=None) and is not: "
        return text + "return it as a second result and name it out_1, or compute it in the formula from the inputs"
    if kind and kind.startswith("zero"):
        text += ": it reads a value outside the graph (an array, detach(), a cached number). "
        return text + "Write it with operators and ops on its parameters"
    if kind:
        return f"{text} ({kind}: {advice}). Does a term of it read a value outside the graph (an array, detach(), a cached number)?"
    return text + ": an op that it uses has a wrong gradient, or a value it depends on is a constant for the graph"


def _where_stale(checker: Any, k: int) -> np.ndarray | None:
    """What the gradient would have been, had something else been computed before; None if the same."""
    if not checker.center.size:
        return None
    checker.function.call_plainly()
    again = checker.function.record().pullback(checker.split(checker.directions[:, 0]))[k]
    found = np.zeros(checker.leaves[k].array.size) if again is None else np.asarray(again).ravel()
    return None if np.allclose(found, checker.analytic[k][:, 0], rtol=1e-9, atol=1e-12, equal_nan=True) else found


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


def wrong_alone(checker: Any, k: int, alone: np.ndarray) -> GradcheckError:
    """The error for leaf ``k``, whose gradient is right where others have one too, and is ``alone`` where it is the only one."""
    leaf, together = checker.leaves[k], checker.analytic[k][:, 0]
    off = np.abs(alone - together)
    element = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
    index, where = place_of(leaf, element)
    return checker.fail(
        f"the gradient in argument '{leaf.name}' is wrong where no other argument requires one",
        argument=leaf.name, index=index, analytic=float(alone[element]), numerical=float(together[element]), kind="wrong alone",
        advice="it is right where the others require a gradient too. Which does the formula look at, in needs_input_grad, say; "
        "and beside a @jointly formula, is the argument's own one right?",
        details=[f"at {where}, with random weights g: alone {alone[element]:.10g}, with the others {together[element]:.10g}"],
    )  # fmt: skip


def wrong_in_g(checker: Any, base: Any, k: int) -> GradcheckError:
    """The error for a gradient in leaf ``k`` whose own derivative in the incoming gradient g is wrong: of element i it must be row i of A'."""
    leaf, n = checker.leaves[k], len(checker.leaves)
    start = sum(other.array.size for other in checker.leaves[:k])

    def both(elements: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = np.zeros(checker.center.size)
        v[start + elements] = u[elements]
        image = np.concatenate([*checker.pullback(v)[n:], np.zeros(0)])
        return image, np.array([base.entries(output)[k][elements] @ u[elements] for output in range(base.center.size)])

    u = checker.directions[start : start + leaf.array.size, 0]
    element = _worst(leaf.array.size, lambda elements: float(np.abs(np.subtract(*both(elements, u))).max()))
    image, wanted = both(np.array([element]), np.ones_like(u))
    output = int(np.argmax(np.abs(image - wanted)))
    result, (index, where) = base.output_index(output), place_of(leaf, element)
    return checker.fail(
        f"the gradient of the gradient in argument '{leaf.name}' is wrong",
        argument=leaf.name, index=index, output_index=result, analytic=float(image[output]), numerical=float(wanted[output]),
        kind="second order only",
        details=[f"at {where}, differentiated in g{brackets(result)}: analytic {image[output]:.10g}, expected {wanted[output]:.10g}"],
        advice="the formula's own derivative in g is wrong. Is it written with ops, and are these right?",
    )  # fmt: skip


def not_finite(checker: Any, where: tuple[int, int] | None, what: str) -> GradcheckError:
    """The function itself is inf or NaN here, or as near as the numerical derivative has to go."""
    kind, domain = "not finite", "say the domain, for strategies with low=, high= and avoid="
    advice = f"if its true value is finite (that of x * log(x) at 0 is), compute it in another way; else {domain}"
    order = checker.function.order
    if where is None:
        output = int(np.argmin(np.isfinite(checker.center)))
        result = checker.output_index(output)
        details = [f"{what}{brackets(result)} is {checker.center[output]:g}"]
        if order == 1 and (smaller := _last_finite(checker, output)) is not None:
            details.append(f"for arguments {smaller[0]:.3g} times as large it is {smaller[1]:.6g}")
            if abs(smaller[1]) > 1e290 and np.isinf(checker.center[output]):
                kind, advice = "too large", f"its true value is too large for float64; {domain}"
            else:
                kind = "overflow"
                advice = "a number on the way is too large for float64 although the result is not (subtract the maximum before exp()?); "
                advice += f"or the function ends there: then {domain}"
        return checker.fail(
            f"{what} is not finite", kind=kind, advice=advice, order=0 if order == 1 else order, output_index=result, details=details
        )
    leaf = checker.leaves[where[0]]
    index, place = place_of(leaf, where[1])
    return checker.fail(f"{what} is not finite beside {place}", argument=leaf.name, index=index, kind=kind, advice=advice)


def _last_finite(checker: Any, output: int) -> tuple[float, float] | None:
    """By what factor all arguments must be made smaller for an output to be finite, and what it is then.

    Just there exp(x) is almost the largest float64, and what comes after is rightly inf. But log(1 + exp(x)) is 709, and so a number at 1000
    too. None where no overflow begins there: at small arguments, as at the edge of the domain of arccos, or nowhere.
    """
    before = [leaf.array.copy() for leaf in checker.leaves]
    size = max(float(np.abs(a).max(initial=0.0)) for a in before)
    row = np.empty(checker.center.size)

    def at(factor: float) -> float:
        for leaf, old in zip(checker.leaves, before, strict=True):
            leaf.array[...] = old * factor
        checker.evaluate(row)
        for leaf, old in zip(checker.leaves, before, strict=True):
            leaf.array[...] = old
        return float(row[output])

    low, high = 10.0 / size if size else np.inf, 1.0
    if not (low < high and np.isfinite(size) and np.isfinite(value := at(low))):
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if np.isfinite(found := at(middle)):
            low, value = middle, found
        else:
            high = middle
    return low, value


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
