"""From wrong numbers to the likely mistake: each explanation here is a hypothesis that is tested on all elements.

A hypothesis says how the analytic derivatives would differ from the numerical ones if a certain mistake had been made. The first
that fits, among the ones from special to general, is reported. None is reported if none fits.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.testing.call import arrays_in

ROUNDED = "it is used where float64 is needed: the results are float32 numbers although the arguments are float64"
Found = tuple[str, str]  # the mistake in a few words, and what it means or how to mend it


class Evidence:
    """What is known of one wrong gradient.

    Attributes:
        analytic, numerical: (elements, outputs) Jacobians of the argument; both 0 at kinks, where more than one slope is right.
        kinks: where these are.
        arrived: (elements, 3) analytic products A'v with the columns of ``directions`` (outputs, 3), one backward pass each.
        products: the same without what kinks contribute.
        expected: (elements, 3) the numerical ones.
        shape: of the argument; ``results`` those of the outputs.
        rounds: whether all results are float32 numbers.
        others: (name, shape, expected) of the other arguments.
    """

    def __init__(self, checker: Any, k: int, rounds: bool):
        leaf = checker.leaves[k]
        self.checker, self.k = checker, k
        self.function = checker.function
        self.name, self.shape, self.value = leaf.name, leaf.array.shape, leaf.array.ravel()
        self.results, self.center, self.directions = checker.shapes, checker.center, checker.directions
        slopes, self.kinks = checker.numerical_jacobian(k)
        entries = checker.analytic_jacobian(k)
        self.numerical, self.analytic = np.where(self.kinks, 0.0, slopes), np.where(self.kinks, 0.0, entries)
        self.arrived = checker.analytic[k]
        self.products = self.arrived - np.where(self.kinks, entries, 0.0) @ self.directions
        self.expected = self.numerical @ self.directions
        self.rounds = rounds
        off = np.abs(self.analytic - self.numerical)
        self.off = np.where(np.isfinite(off), off, 1.0 + off[np.isfinite(off)].max(initial=0.0))
        self.bad = self.off > 1e-5 * np.abs(self.numerical) + 1e-7  # (elements, outputs)

    def places(self, all_of_them: bool = False) -> Places:
        """Which elements are wrong, and by what factor; without those that are 0 as they should be, which says nothing of a formula."""
        a, n = self.products, self.expected
        told = self.bad.any(axis=1) | (np.abs(n) > 1e-7).any(axis=1) | all_of_them
        factors = (a * n).sum(axis=1) / (n * n).sum(axis=1)
        exact = (np.abs(a - factors[:, None] * n) <= 1e-5 * np.abs(n).max(axis=1, initial=0.0)[:, None]).all(axis=1)
        return Places(self.value[told], self.bad.any(axis=1)[told], np.where(exact, factors, np.nan)[told])

    def others(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Name, analytic and numerical products of each other argument of this shape."""
        for j, leaf in enumerate(self.checker.leaves):
            if j != self.k and leaf.array.shape == self.shape:
                yield leaf.name, self.checker.analytic[j], self.checker.numerical_jacobian(j)[0] @ self.directions


@dataclasses.dataclass
class Places:
    """Elements of one argument: their ``values``, whether their derivatives are ``bad``, and by what ``factors`` (NaN: by none)."""

    values: np.ndarray
    bad: np.ndarray
    factors: np.ndarray

    def __add__(self, other: Places) -> Places:
        return Places(*(np.concatenate(pair) for pair in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def condition(self, name: str) -> str | None:
        """What tells the wrong elements from the right ones, ``x < 0`` say; None if their values do not, or if all are of one kind."""
        bad, good = self.values[self.bad], self.values[~self.bad]
        if not bad.size or not good.size:
            return None
        if (bad == bad[0]).all() and not (good == bad[0]).any():
            return f"{name} == {bad[0] + 0.0:.6g}"
        for text, b, g in ((name, bad, good), (f"abs({name})", np.abs(bad), np.abs(good))):
            for sign, word in ((1, ">"), (-1, "<")):
                low, high = (sign * g).max(), (sign * b).min()
                if low < high:
                    return f"{text} {word} 0" if low <= 0 < high else f"{text} {word}= {sign * high + 0.0:.6g}"
        return None

    def explain(self, name: str, least: int = 1) -> Found | None:
        """The mistake of a formula that is right at some elements; None unless ``least`` wrong ones, and right ones, can be told apart."""
        where = self.condition(name)
        if where is None or self.bad.sum() < least or (~self.bad).sum() < least:
            return None
        factors = self.factors[self.bad]
        how = ""
        if np.isfinite(factors).all() and np.ptp(factors) < 1e-4 * max(1.0, abs(factors[0])):
            how = "; the sign is flipped there" if abs(factors[0] + 1) < 1e-4 else f"; it is {factors[0]:.6g} times what it should be there"
        advice = f"only where {where} ({self.count()}){how}. A branch of the formula, or a special value, or an overflow?"
        return "wrong at some elements", advice

    def count(self) -> str:
        """``3 of 12 elements are wrong``."""
        return f"{self.bad.sum()} of {_elements(self.bad.size)} {'is' if self.bad.sum() == 1 else 'are'} wrong"


def _elements(count: int) -> str:
    return f"{count} element{'s' if count != 1 else ''}"


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal as far as numerical derivatives are exact, and not trivially so."""
    size = np.abs(b).max(initial=0.0)
    return bool(size > 1e-7 and a.shape == b.shape and np.abs(a - b).max(initial=0.0) <= 1e-5 * size)


def explain(e: Evidence) -> tuple[str | None, str | None]:
    """The first hypothesis that fits the evidence: what kind of mistake, and advice."""
    with np.errstate(all="ignore"):
        for hypothesis in HYPOTHESES:
            found = hypothesis(e)
            if found is not None:
                return found
    return None, None


def not_finite(e: Evidence) -> Found | None:
    """inf or NaN where the function has a derivative."""
    if np.isfinite(e.products).all():
        return None
    return "not finite", "the formula gives inf or NaN where the function has a derivative (0 * inf, or a division by zero?)"


def float32(e: Evidence) -> Found | None:
    """Relative errors of 1e-8 to 1e-5 and only float32 numbers."""
    if e.rounds:
        return "float32", ROUNDED
    a, n = e.products, e.expected
    off, size = np.abs(a - n), np.abs(n).max(initial=0.0)
    for kind, dtype, digits in (("float32", np.float32, 7), ("float16", np.float16, 3)):
        rounded = (a == a.astype(dtype)).all() or (e.analytic == e.analytic.astype(dtype)).all()
        near = (off <= 10.0 ** (1 - digits) * np.abs(n) + 10.0 ** (1 - digits) * 1e-3).all()
        if (rounded and near) or (kind == "float32" and (off <= 2e-6 * size).all()):
            return kind, f"it is used where float64 is needed: the values are right to about {digits} digits only"
    return None


def ignores_g(e: Evidence) -> Found | None:
    """The same gradient whatever arrives from above."""
    a = e.arrived
    if a.any() and np.array_equal(a[:, 0], a[:, 1]) and np.array_equal(a[:, 0], a[:, 2]):
        return "formula ignores g", "it gives the same gradient whatever gradient arrives; multiply by g (the chain rule)"
    return None


def not_linear(e: Evidence) -> Found | None:
    """Backward must be linear in what arrives."""
    a = e.products
    if np.abs(a[:, 2] - (2 * a[:, 0] - 3 * a[:, 1])).max(initial=0.0) > 1e-6 * np.abs(a).max(initial=0.0):
        return "not linear in g", "the formula must be linear in g, so g is a factor of each of its terms, once"
    return None


def swapped(e: Evidence) -> Found | None:
    """The gradient of another argument."""
    if same(e.products, e.expected):
        return None
    for name, products, expected in e.others():
        if same(e.products, expected) and same(products, e.expected) and not same(expected, e.expected):
            return "swapped arguments", f"this is the gradient of '{name}'"
    return None


def flat(e: Evidence) -> Found | None:
    """A gradient of a function that does not change."""
    smooth = e.numerical[~e.kinks]
    if not smooth.size or np.abs(smooth).max() > 1e-7:
        return None
    return "not zero where it should be", (
        f"the result does not change with '{e.name}' here (a step, a count?); if the gradient is that of another function on purpose, "
        "declare it with surrogate="
    )  # fmt: skip


def zero(e: Evidence) -> Found | None:
    """Zero for some inputs or all of them, right elsewhere."""
    dead = ~e.products.any(axis=1) & e.bad.any(axis=1)
    if not dead.any():
        return None
    if not e.products.any():
        return "zero where it should not be", "no gradient at all arrives; is the graph cut, or a term forgotten?"
    if not e.bad[~dead].any():
        return (
            "zero where it should not be",
            f"{_elements(dead.sum())} {'get' if dead.sum() > 1 else 'gets'} no gradient, the others the right one",
        )
    return None


_NICE = {
    -1.0: "the sign is flipped",
    2.0: "a square, or a symmetric term counted twice?",
    0.5: "the derivative of a square, or one of two equal terms?",
}


def half_swapped(e: Evidence) -> Found | None:
    """The gradient of another argument, which has the right one itself."""
    if same(e.products, e.expected):
        return None
    for name, products, expected in e.others():
        if same(e.products, expected) and same(products, expected) and not same(expected, e.expected):
            return "swapped arguments", f"this is the gradient of '{name}', whose own is right; does the formula name the wrong argument?"
    return None


def one_result(e: Evidence) -> Found | None:
    """Of several results, those with wrong derivatives."""
    ends = np.cumsum([int(np.prod(shape)) for shape in e.results])
    wrong = [i for i, part in enumerate(np.split(e.bad, ends[:-1], axis=1)) if part.any()]
    if len(e.results) < 2 or len(wrong) == len(e.results):
        return None
    which = ", ".join(map(str, wrong))
    return "wrong for one result", f"of the {len(e.results)} results the derivatives of result {which} only are wrong (counted from 0)"


def some_elements(e: Evidence) -> Found | None:
    """Right at some elements, wrong at others, and the values of the elements tell which."""
    return e.places().explain(e.name)


def constant_factor(e: Evidence) -> Found | None:
    """c times the right gradient, with one c for all elements."""
    a, n = e.products, e.expected
    norm = float((n * n).sum())
    if not norm:
        return None
    c = float((a * n).sum()) / norm
    if not same(a, c * n) or abs(c - 1) < 1e-4:
        return None
    few = (np.abs(n[:, 0]) > 1e-7).sum() < 2
    everywhere = "" if few else ", everywhere"
    sizes = {float(np.prod(s)) for s in [e.shape, *e.results]} | {float(d) for s in [e.shape, *e.results] for d in s}
    sizes |= {e.value.size / max(float(np.prod(s)), 1.0) for s in e.results}
    count = next((s for s in sizes if s > 2 and (abs(c - s) < 1e-4 * s or abs(c * s - 1) < 1e-4)), None)
    nice = min(_NICE, key=lambda f: abs(f - c))
    if abs(nice - c) < 1e-4 and nice == -1.0:
        return "constant factor", f"the sign is flipped{everywhere}"
    text = f"the gradient is {c:.6g} times what it should be{everywhere}"
    if count is not None:
        return "constant factor", f"{text}; {count:g} is the number of elements along something: sum or mean?"
    if abs(nice - c) < 1e-4:
        return "constant factor", f"{text} ({_NICE[nice]})"
    if few and abs(c * 12 - round(c * 12)) > 1e-4:
        return None  # a single number is a multiple of any other
    return "constant factor", text


def reordered(e: Evidence) -> Found | None:
    """The right numbers in the wrong places."""
    a, n = e.products, e.expected
    if same(a, n):
        return None
    shape = e.shape
    A, N = a.reshape(*shape, 3), n.reshape(*shape, 3)
    d = len(shape)
    if d <= 4:
        for axes in itertools.permutations(range(d)):
            turned = N.transpose(*axes, d)
            if axes != tuple(range(d)) and same(A, turned.reshape(A.shape)):
                return "transposed", f"the gradient has its axes in the order {axes}"
    for count in range(1, d + 1):
        for axes in itertools.combinations(range(d), count):
            if same(A, np.flip(N, axes)):
                where = ", ".join(map(str, axes))
                return "flipped", f"the gradient runs backwards along axis {where} (a kernel that is not turned round?)"
    for axis in range(d):
        for by in (1, -1, 2, -2):
            rolled = np.roll(N, by, axis)
            inside = [slice(None)] * (d + 1)
            inside[axis] = slice(abs(by), None) if by > 0 else slice(None, by)
            if shape[axis] > abs(by) + 1 and same(A[tuple(inside)], rolled[tuple(inside)]):
                return "shifted", f"the gradient is off by {by} along axis {axis} (padding or cropping at the wrong end?)"
    if same(np.sort(a, axis=0), np.sort(n, axis=0)) and len(np.unique(np.round(n[:, 0], 9))) > 1:
        return "permuted", "these are the right numbers in the wrong order"
    return None


def missing_outputs(e: Evidence) -> Found | None:
    """An element influences several outputs, and only some of them are counted."""
    a, n = e.analytic, e.numerical
    there = np.abs(n) > 1e-7
    dropped = there & (a == 0)
    if not dropped.any() or e.bad[~dropped].any():
        return None
    several = dropped.any(axis=1)
    if (there.sum(axis=1)[several] < 2).all():
        return None
    i = int(np.argmax(dropped.sum(axis=1)))
    count = f"an element of '{e.name}' reaches {there[i].sum()} outputs, but only {there[i].sum() - dropped[i].sum()} of them count"
    integers = [x for x in arrays_in((e.function.call.args, e.function.call.kwargs)) if x.dtype.kind in "iu"]
    if any(len(np.unique(x)) < x.size for x in integers):
        return "missing term for a repeated input", f"{count}; assignment keeps the last, gradients add up (np.add.at)"
    if e.value.size < max((int(np.prod(s)) for s in e.results), default=1):
        return "broadcast not summed", f"{count}; sum the gradient over what was broadcast"
    return "missing terms", count


def shared_term(e: Evidence) -> Found | None:
    """Right but for a term that all elements along an axis have in common: mean, sum, softmax ..."""
    missing = (e.expected - e.products).reshape(*e.shape, 3)
    if same(e.products, e.expected):
        return None
    quotients = [("", missing)]
    if len(e.results) == 1 and e.results[0] == e.shape:
        quotients.append((" times the result", missing / e.center.reshape(*e.shape, 1)))
    quotients.append((" times the argument", missing / e.value.reshape(*e.shape, 1)))
    for factor, term in quotients:
        for axis in range(len(e.shape)):
            if e.shape[axis] < 3 or not np.isfinite(term).all():
                continue
            if same(term, np.repeat(term.mean(axis, keepdims=True), e.shape[axis], axis)):
                if factor == "" and not np.abs(missing).min() > 1e-7:
                    continue
                return (
                    "missing mean term",
                    f"what is missing is the same along axis {axis}{factor}. A mean, sum or norm along it depends on every element",
                )
    return None


def product_rule(e: Evidence) -> Found | None:
    """An element-wise product in which one of the factors was taken for a constant."""
    if len(e.results) != 1 or e.results[0] != e.shape or e.value.size < 2 or e.function.order > 1:
        return None
    diagonal = np.diag(np.diag(e.numerical))
    if not np.allclose(diagonal, e.numerical, atol=1e-7):
        return None
    other = (e.center / e.value)[:, None] * e.directions  # the derivative if x is one factor and the rest a constant
    for term in (e.products, e.expected - e.products):
        if np.isfinite(other).all() and same(term, other):
            return (
                "missing term for a repeated input",
                f"'{e.name}' comes twice in the result, as a factor and in the rest; each needs its term (product rule)",
            )
    return None


def half_of_a_product(e: Evidence) -> Found | None:
    """A product of two expressions in x with only one of them differentiated: by Euler's theorem <x, gradient> is then exactly half."""
    a, n = e.value @ e.products, e.value @ e.expected
    if (np.abs(n) > 1e-6).all() and np.allclose(a, n / 2, rtol=1e-5) and np.allclose(n, 2 * (e.center @ e.directions), rtol=1e-5):
        return (
            "missing term for a repeated input",
            f"the result is a product with '{e.name}' in it twice, and only one of the two is differentiated",
        )
    return None


HYPOTHESES = [
    not_finite, ignores_g, not_linear, float32, flat, swapped, constant_factor, zero, reordered, missing_outputs, shared_term,
    half_of_a_product, product_rule, half_swapped, one_result, some_elements,
]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ exceptions

_SHAPES = re.compile(r"the formula of '(\w+)' gave a gradient of shape (\(.*?\)) for an argument of shape (\(.*?\))")


def _numbers(shape: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", shape))


def explain_exception(error: Exception, function: Any, doing: str) -> tuple[str | None, str | None, str]:
    """Argument, kind and advice for an exception that a function or its formulas raised."""
    match = _SHAPES.search(str(error))
    if match:
        name, got, wanted = match[1], _numbers(match[2]), _numbers(match[3])
        if len(got) > len(wanted) and np.prod(got) > np.prod(wanted):
            return name, "broadcast not summed", (
                f"the gradient of '{name}' has shape {got} and must have {wanted}; sum it over the axes along which '{name}' was used again"
            )  # fmt: skip
        return name, "wrong shape", f"the gradient of '{name}' must have its shape, {wanted}, and has {got}"
    if "the kernel returned" in str(error) or "the kernel must return (result, residual)" in str(error):
        advice = (
            "a formula names res: return two things, the result and the residual" if "residual" in str(error) else "is its return missing?"
        )
        return None, "nothing to differentiate", advice
    if doing == "the gradient of the gradient" and "residual" in str(error):
        return _culprit(function), "second order only", (
            "the residual `res` depends on an input and is no constant: return it as a second result and name it out_1, "
            "or compute it in the formula from the inputs"
        )  # fmt: skip
    if doing == "the gradient of the gradient":
        return _culprit(function), "second order only", (
            "the formula is not itself differentiable: it computes with numpy or array methods where create_graph hands it "
            f"Tensors ({type(error).__name__}). Write it with operators and ops"
        )  # fmt: skip
    if doing == "the gradient":
        return _culprit(function), "the formula fails", f"{type(error).__name__} in the formula; does it use what it is given?"
    return None, "the call fails", "these arguments are not valid ones, or the function has a bug"


def _culprit(function: Any) -> str | None:
    """The argument whose formula raises: differentiate in one at a time."""
    for leaf in function.checked:
        try:
            with function.only(leaf):
                recording = function.record()
                recording.pullback([np.ones(np.shape(getattr(y, "_data", y))) for y in recording.outputs])
        except Exception:
            return leaf.name
    return None
