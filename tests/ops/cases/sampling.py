"""Rows for ``minigrad/ops/sampling.py``: draws, the same from the same seed, without gradient."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import sampling
from minigrad.testing import strategies as st

CHANCES = st.arrays(low=0.0, high=1.0)


@hs.composite
def weights(draw):
    rows = draw(st.arrays(draw(hs.sampled_from([(4,), (2, 4)])), low=0.1, high=2.0))
    return st.Call((rows, draw(hs.integers(1, 4)), draw(hs.booleans())))


@hs.composite
def trials(draw):
    p = draw(CHANCES)
    return st.Call((np.asarray(draw(st.integers_array(p.shape, 0, 5)), float), p))


CASES = [
    Case(sampling.bernoulli, CHANCES, wrt=()),
    Case(sampling.multinomial, weights(), wrt=()),
    Case(sampling.poisson, st.arrays(low=0.0, high=5.0), wrt=()),
    Case(sampling.binomial, trials(), wrt=()),
]
