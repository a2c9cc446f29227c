"""Rows for ``minigrad/ops/activation.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import activation
from minigrad.testing import strategies as st

ANY = st.arrays()
WIDE = st.arrays(low=-8.0, high=8.0)
FACTOR = hs.sampled_from([1.0, 0.5, 2.0])


def whole(low, high):
    """Whole numbers as floats, so that some lie on kinks."""
    return st.integers_array(st.shapes(), low, high).map(lambda a: a.astype(float))


@hs.composite
def channels(draw):
    """An input and a weight for each of its channels, or one for all."""
    x = draw(st.arrays(min_side=1))
    count = x.shape[1] if x.ndim > 1 else 1
    shape = draw(hs.sampled_from([(count,), (1,)] + [()] * (x.ndim == 0)))
    return st.Call((x, draw(st.arrays(shape, low=-1.0, high=1.0))))


@hs.composite
def halves(draw):
    shape = draw(st.shapes(1, 3, 0, 3))
    dim = draw(hs.integers(-len(shape), len(shape) - 1))
    shape = tuple(2 * n if i == dim % len(shape) else n for i, n in enumerate(shape))
    return st.Call((draw(st.arrays(shape)),), {"dim": dim})


CASES = [
    Case(activation.relu, ANY, numpy=lambda x: np.maximum(x, 0), torch="relu"),
    Case(activation.relu_input, st.broadcastable(2), numpy=lambda y, result: np.where(result <= 0, 0, y)),
    Case(activation.relu, whole(-1, 1), torch="relu", name="relu at 0"),
    Case(activation._hardtanh, st.call(ANY, min_val=-1.0, max_val=1.5), numpy=lambda x, min_val, max_val: np.clip(x, min_val, max_val)),
    Case(activation.hardtanh, whole(-2, 2), torch="hardtanh", name="hardtanh on the bounds"),
    Case(activation.hardtanh, ANY, hs.sampled_from([-1.0, -0.5]), hs.sampled_from([0.5, 2.0]), torch="hardtanh"),
    Case(activation.relu6, WIDE, torch="relu6"),
    Case(activation.hardsigmoid, WIDE, torch="hardsigmoid"),
    Case(activation.hardswish, WIDE, torch="hardswish"),
    Case(activation.hardswish, whole(-4, 4), torch="hardswish", name="hardswish at -3 and 3"),
    Case(activation.leaky_relu, ANY, hs.sampled_from([0.01, 0.5, 2.0, -0.5, 0.0]), torch="leaky_relu"),
    Case(activation.leaky_relu, whole(-1, 1), torch="leaky_relu", name="leaky_relu at 0"),
    Case(activation._prelu, st.broadcastable(2)),
    Case(activation.prelu, channels(), torch="prelu"),
    Case(activation.rrelu, ANY, torch="rrelu"),
    Case(activation.rrelu, ANY, 0.1, 0.3, True, name="rrelu in training"),
    Case(activation.threshold, ANY, hs.sampled_from([0.0, 1.0]), hs.sampled_from([-3.0, 20]), torch="threshold"),
    Case(activation._softshrink, st.call(ANY, lambd=0.5)),
    Case(activation.softshrink, ANY, hs.sampled_from([0.25, 0.5, 1.0]), torch="softshrink"),
    Case(activation.hardshrink, ANY, hs.sampled_from([0.25, 0.5, 1.0]), torch="hardshrink"),
    Case(activation._elu, st.call(ANY, alpha=FACTOR, scale=FACTOR, input_scale=FACTOR)),
    Case(activation.elu, WIDE, hs.sampled_from([1.0, 0.5, -1.0]), torch="elu"),
    Case(activation.selu, WIDE, torch="selu"),
    Case(activation.celu, WIDE, hs.sampled_from([1.0, 0.5]), torch="celu"),
    Case(activation.gelu, st.call(WIDE, approximate=hs.sampled_from(["none", "tanh"])), torch="gelu"),
    Case(activation.silu, WIDE, torch="silu"),
    Case(activation.mish, WIDE, torch="mish"),
    Case(activation.softplus, WIDE, hs.sampled_from([1.0, 0.5, 2.0]), torch="softplus"),
    Case(activation.softplus, st.call(ANY, beta=2.0, threshold=1.0), torch="softplus", order=1, name="softplus with a low threshold"),
    Case(activation.softsign, ANY, torch="softsign"),
    Case(activation.logsigmoid, WIDE, torch="logsigmoid"),
    Case(activation.tanhshrink, ANY, torch="tanhshrink"),
    Case(activation.glu, halves(), torch="glu"),
]
