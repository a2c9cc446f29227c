"""Rows for ``minigrad/ops/distance.py``, except what ``tests/ops/test_functional_twin.py`` has."""

from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import distance
from minigrad.testing import strategies as st


@hs.composite
def pairs(draw):
    """Two lists of rows, perhaps in batches that broadcast; no two elements are equal, where a norm has a kink."""
    p, r, m = draw(hs.integers(0, 3)), draw(hs.integers(0, 3)), draw(hs.integers(1, 3))
    batch, other = draw(hs.sampled_from([((), ()), ((2,), (2,)), ((2, 1), (1, 2))]))
    return st.Call(
        (
            draw(st.arrays((*batch, p, m), low=-3.0, high=-0.2, distinct=True)),
            draw(st.arrays((*other, r, m), low=0.2, high=3.0, distinct=True)),
        )
    )


@hs.composite
def slices(draw):
    x = draw(st.arrays(min_dims=2, min_side=1, avoid=(0.0,), margin=0.2))
    return st.Call(
        (x, draw(hs.sampled_from([1.0, 2.0, 2.5])), draw(hs.integers(-x.ndim, x.ndim - 1)), draw(hs.sampled_from([0.0, 1.37, 1e6])))
    )


CASES = [
    Case(distance._euclidean, pairs()),
    Case(distance.cdist, st.call(pairs(), p=hs.sampled_from([1.0, 2.0, 3.0, float("inf")])), torch="cdist"),
    Case(distance.renorm, slices(), torch="renorm"),
]
