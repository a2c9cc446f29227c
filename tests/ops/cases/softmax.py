"""Rows for ``minigrad/ops/softmax.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import softmax
from minigrad.testing import strategies as st


def _softmax(x, *, dim):
    return np.exp(_log_softmax(x, dim=dim))


def _log_softmax(x, *, dim):
    axis = dim if x.ndim else None
    y = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    return y - np.log(np.exp(y).sum(axis=axis, keepdims=True))


@hs.composite
def logits_and_dim(draw):
    x = draw(st.arrays(max_dims=4))
    return st.Call((x,), {"dim": draw(hs.integers(-max(x.ndim, 1), max(x.ndim, 1) - 1))})


CASES = [
    Case(softmax._softmax, logits_and_dim(), numpy=_softmax, torch="softmax"),
    Case(softmax._log_softmax, logits_and_dim(), numpy=_log_softmax, torch="log_softmax"),
    Case(softmax.softmax, logits_and_dim(), torch="softmax"),
    Case(softmax.log_softmax, logits_and_dim(), torch="log_softmax"),
    Case(softmax.softmin, logits_and_dim(), torch="softmin"),
]
