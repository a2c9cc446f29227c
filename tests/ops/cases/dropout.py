"""Rows for ``minigrad/ops/dropout.py``. The masks are random, and drawn again from the same seed for each comparison."""

from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import dropout
from minigrad.testing import strategies as st

P = hs.sampled_from([0.0, 0.3, 0.5, 1.0])


@hs.composite
def masked(draw):
    """An array and a mask that broadcasts to its shape."""
    x = draw(st.arrays())
    shape = tuple(n if draw(hs.booleans()) else 1 for n in x.shape)[draw(hs.integers(0, x.ndim)) :]
    return st.Call((x, draw(st.arrays(shape)) > 0), {"scale": draw(hs.sampled_from([0.0, 1.0, 2.5]))})


def dims(low, high):
    return st.arrays(min_dims=low, max_dims=high, max_side=3)


CASES = [
    Case(dropout.masked_scale, masked(), numpy=lambda x, keep, scale: x * keep * scale),
    Case(dropout.dropout, st.arrays(), P),
    Case(dropout.dropout, st.arrays(), 0.5, False, numpy=lambda x, p, training: x, name="dropout in evaluation"),
    Case(dropout.dropout1d, dims(2, 3), P),
    Case(dropout.dropout2d, dims(3, 4), P),
    Case(dropout.dropout3d, dims(4, 5), P),
    Case(dropout.alpha_dropout, st.arrays(), P, True),
    Case(dropout.feature_alpha_dropout, dims(2, 4), P, True),
]
