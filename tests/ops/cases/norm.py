"""Rows for ``minigrad/ops/norm.py``. A large eps keeps the curvature of nearly constant channels small enough for finite differences."""

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
    """Any dimensions to standardize over; a weight and a bias that vary along some dimensions."""
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = tuple(sorted(draw(hs.sets(hs.integers(0, x.ndim - 1), min_size=1))))
    shape = tuple(n if draw(hs.booleans()) else 1 for n in x.shape)
    vectors = [draw(st.arrays((int(np.prod(shape)),), low=0.5, high=2.0)) if draw(hs.booleans()) else None for _ in range(2)]
    return st.Call((x, *vectors), {"dim": dim, "shape": shape, "eps": 0.25})


def _standardize(x, weight, bias, *, dim, shape, eps):
    m, v = x.mean(axis=dim, keepdims=True), x.var(axis=dim, keepdims=True)
    w, b = (default if p is None else p.reshape(shape) for p, default in ((weight, 1.0), (bias, 0.0)))
    return (x - m) / np.sqrt(v + eps) * w + b, m, v


@hs.composite
def dots(draw):
    x = draw(st.arrays())
    dim = tuple(sorted(draw(hs.sets(hs.integers(0, x.ndim - 1))))) if x.ndim else ()
    shape = tuple(1 if d in dim else n for d, n in enumerate(x.shape))
    return st.Call((draw(st.arrays(x.shape)), x, draw(st.arrays(shape))), {"dim": dim})


@hs.composite
def blends(draw):
    x = draw(st.arrays())
    others = [draw(st.arrays(tuple(n if draw(hs.booleans()) else 1 for n in x.shape))) for _ in range(4)]
    return st.Call((draw(st.arrays(x.shape)), x, *others))


@hs.composite
def affines(draw):
    x = draw(st.arrays())
    shape = tuple(n if draw(hs.booleans()) else 1 for n in x.shape)
    count = int(np.prod(shape))
    m, a, c = (draw(st.arrays((count,))) for _ in range(3))
    return st.Call((x, m, a, c if draw(hs.booleans()) else None), {"shape": shape})


def _affine(x, m, a, c, *, shape):
    return (x - m.reshape(shape)) * a.reshape(shape) + (0.0 if c is None else c.reshape(shape))


CASES = [
    Case(
        norm.centered_sums,
        dots(),
        numpy=lambda a, x, m, *, dim: (a.sum(axis=dim, keepdims=True), (a * (x - m)).sum(axis=dim, keepdims=True)),
    ),
    Case(norm.blend, blends(), numpy=lambda y, x, m, a, b, c: y * a + (x - m) * b + c),
    Case(norm.affine, affines(), numpy=_affine),
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
