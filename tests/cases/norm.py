"""Rows for ``minigrad/ops/norm.py``. A large eps keeps the curvature of nearly constant channels within what differences can measure."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import norm
from minigrad.testing import strategies as st


@hs.composite
def channels(draw, min_dims=2, min_count=2):
    """(N, C, ...) with at least two values to a channel, and a vector for each channel or None."""
    shape = draw(st.shapes(min_dims, 4, 1, 3).filter(lambda s: np.prod(s) // s[1] >= min_count))
    vectors = [draw(st.arrays((shape[1],), low=0.5, high=2.0)) if draw(hs.booleans()) else None for _ in range(2)]
    return draw(st.arrays(shape)), vectors


@hs.composite
def training(draw):
    x, (weight, bias) = draw(channels())
    return st.Call((x, None, None, weight, bias), {"training": True, "eps": 0.25})


@hs.composite
def evaluation(draw):
    x, (weight, bias) = draw(channels(min_count=1))
    c = x.shape[1]
    return st.Call((x, draw(st.arrays((c,))), draw(st.arrays((c,), low=0.2, high=3.0)), weight, bias), {"training": False, "eps": 1e-3})


@hs.composite
def instances(draw):
    x, (weight, bias) = draw(channels(min_dims=3).filter(lambda drawn: np.prod(drawn[0].shape[2:]) > 1))
    return st.Call((x, None, None, weight, bias), {"eps": 0.25})


@hs.composite
def groups(draw):
    n, per_group, number = (draw(hs.integers(1, 3)) for _ in range(3))
    space = draw(st.shapes(0, 2, 1, 3))
    if n * per_group * np.prod(space, dtype=int) == 1:
        n = 2  # PyTorch refuses a single value per group, although its mean is over one example
    c = per_group * number
    given = draw(hs.booleans())  # both: PyTorch's backward fails for a bias alone
    vectors = [draw(st.arrays((c,), low=0.5, high=2.0)) if given else None for _ in range(2)]
    return st.Call((draw(st.arrays((n, c, *space))), number, *vectors), {"eps": 0.25})


@hs.composite
def trailing(draw, vectors=2):
    shape = draw(st.shapes(1, 3, 1, 4))
    last = shape[draw(hs.integers(0, len(shape) - 1)) :]
    parameters = [draw(st.arrays(last, low=0.5, high=2.0)) if draw(hs.booleans()) else None for _ in range(vectors)]
    return st.Call((draw(st.arrays(shape)), last, *parameters), {"eps": 0.25})


@hs.composite
def over(draw):
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = tuple(sorted(draw(hs.sets(hs.integers(0, x.ndim - 1), min_size=1))))
    return st.Call((x,), {"dim": dim, "eps": 0.25})


def _standardize(x, *, dim, eps):
    m, v = x.mean(axis=dim, keepdims=True), x.var(axis=dim, keepdims=True)
    return (x - m) / np.sqrt(v + eps), m, v


CASES = [
    Case(norm.standardize, over(), numpy=_standardize),
    Case(norm.batch_norm, training(), torch=lambda torch, *a, **k: torch.nn.functional.batch_norm(*a, **k), name="batch_norm training"),
    Case(
        norm.batch_norm,
        evaluation(),
        torch=lambda torch, *a, **k: torch.nn.functional.batch_norm(*a, **k),
        name="batch_norm evaluation",
        wrt=("input", "weight", "bias"),
    ),
    Case(norm.instance_norm, instances(), torch=lambda torch, *a, **k: torch.nn.functional.instance_norm(*a, **k)),
    Case(norm.layer_norm, trailing(), torch=lambda torch, *a, **k: torch.nn.functional.layer_norm(*a, **k)),
    Case(norm.rms_norm, trailing(vectors=1), torch=lambda torch, *a, **k: torch.nn.functional.rms_norm(*a, **k)),
    Case(norm.group_norm, groups(), torch=lambda torch, *a, **k: torch.nn.functional.group_norm(*a, **k)),
]
