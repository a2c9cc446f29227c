"""Forward and backward mode are transposes of each other, and second derivatives are symmetric, for every op in the table of cases.

With J the Jacobian of an op and H the Hessian of a weighted sum of its results: v · (J t) = (Jᵀ v) · t, and u · (H t) = t · (H u), where H t is
the forward derivative of the gradient. Both sides come from different formulas, or from the same ones walked in different orders.
"""

import hypothesis
import numpy as np
import pytest
from test_vmap_cases import ROWS, Function

import minigrad as mg
from minigrad.func import grad, jvp, vjp
from minigrad.testing import strategies as st


def close(a, b, scale):
    np.testing.assert_allclose(float(a), float(b), rtol=1e-7, atol=1e-9 * (1 + scale))


def inner(these, those):
    """The inner product of two lists of Tensors, and the sum of the sizes of its terms."""
    terms = [x * y for x, y in zip(these, those, strict=True)]
    return sum(float(t.sum()) for t in terms), sum(float(abs(t).sum()) for t in terms)


@pytest.mark.parametrize("case", ROWS)
def test_forward_and_backward(case):
    @hypothesis.settings(
        max_examples=1, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate]
    )
    @hypothesis.given(call=st.call(*case.strategies), seed=hypothesis.strategies.integers(0, 1000))
    def run(call, seed):
        with np.errstate(all="ignore"):
            check(Function(case, call), np.random.default_rng(seed))

    run()


def check(function, draw):
    floating = [k for k, a in enumerate(function.arrays) if a.dtype == np.float64]
    if not floating:
        return
    given = [mg.tensor(a) for a in function.arrays]

    def f(*xs):
        inputs = list(given)
        for k, x in zip(floating, xs, strict=True):
            inputs[k] = x
        return [y for y in function.results(*inputs) if y.dtype == mg.float64]

    points = [given[k] for k in floating]
    if not f(*points):  # places, truths
        return
    try:
        results, pull = vjp(f, *points)
        slopes = pull([mg.ones_like(y) for y in results])
    except NotImplementedError as error:  # zeta, in its exponent
        if "there is no derivative" not in str(error):
            raise
        return
    assert len(slopes) == len(points)
    tangents, again = [[mg.tensor(draw.standard_normal(x.shape)) for x in points] for _ in range(2)]
    v = [mg.tensor(draw.standard_normal(y.shape)) for y in results]
    pushed = jvp(f, tuple(points), tuple(tangents))[1]
    close(*[inner(a, b)[0] for a, b in ((v, pushed), (pull(v), tangents))], inner(v, pushed)[1])

    slope = grad(lambda *xs: sum((w * y).sum() for w, y in zip(v, f(*xs), strict=True)), tuple(range(len(points))))
    curved, turned = [jvp(slope, tuple(points), tuple(t))[1] for t in (tangents, again)]
    close(inner(again, curved)[0], inner(tangents, turned)[0], inner(again, curved)[1])
