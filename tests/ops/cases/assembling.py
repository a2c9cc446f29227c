"""Rows for ``minigrad/ops/assembling.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import assembling
from minigrad.testing import strategies as st


@hs.composite
def several(draw, max_dims=2, most=3, **options):
    return st.Call([draw(st.arrays(max_dims=max_dims, max_side=3, **options)) for _ in range(draw(hs.integers(1, most)))])


@hs.composite
def parts(draw, dims, dim):
    x = draw(st.arrays(min_dims=dims, max_dims=max(dims, 3)))
    n = x.shape[dim if x.ndim > 1 else 0]
    return st.Call((x, draw(hs.sampled_from([1, max(n, 1), (1, 2), [0, 2, 2]]))))


@hs.composite
def sections(draw):
    x = draw(st.arrays(min_dims=1))
    dim = draw(hs.integers(-x.ndim, x.ndim - 1))
    cut = draw(hs.integers(0, x.shape[dim]))
    return st.Call((x, [cut, x.shape[dim] - cut], dim))


@hs.composite
def selections(draw):
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = draw(hs.integers(0, x.ndim - 1))
    shape = tuple(s for i, s in enumerate(x.shape) if i != dim)
    return st.Call((x, draw(st.arrays(shape)), dim, draw(hs.integers(-x.shape[dim], x.shape[dim] - 1))))


@hs.composite
def slices(draw):
    x = draw(st.arrays(min_dims=1))
    dim = draw(hs.integers(-x.ndim, x.ndim - 1))
    kwargs = draw(hs.sampled_from([{}, {"start": 1}, {"end": -1}, {"start": 1, "end": 3, "step": 2}, {"start": -2, "end": 9}]))
    shape = list(x.shape)
    shape[dim] = len(range(shape[dim])[slice(kwargs.get("start"), kwargs.get("end"), kwargs.get("step"))])
    return st.Call((x, draw(st.arrays(tuple(shape))), dim), kwargs)


@hs.composite
def diagonals(draw):
    x = draw(st.arrays(min_dims=2))
    dim1, dim2 = draw(hs.permutations(range(x.ndim)))[:2]
    offset = draw(hs.integers(-1, 1))
    if not x.shape[dim1] or not x.shape[dim2]:
        offset = 0
    return st.Call((x, draw(st.arrays(np.diagonal(x, offset, dim1, dim2).shape)), offset, dim1, dim2))


STRIDED = [
    ((2, 2), (1, 1), None),
    ((3,), (2,), 1),
    ((), (), 4),
    ((2, 3), (3, 1), 0),
    ((2, 2), (0, 2), 1),
    ((0, 2), (1, 1), 0),
    ((1, 6), (9, 1), 0),
]


@hs.composite
def strided(draw):
    return st.Call((draw(st.arrays(hs.sampled_from([(6,), (2, 3)]))), *draw(hs.sampled_from(STRIDED))))


@hs.composite
def sums(draw):
    x = draw(st.arrays())
    size = [draw(hs.sampled_from([1, s])) for s in x.shape]
    return st.Call((x, tuple(size[draw(hs.integers(0, len(size))) :])))


@hs.composite
def places(draw):
    shape = draw(st.shapes(min_dims=1, min_side=1))
    return st.Call((draw(st.integers_array(draw(st.shapes()), 0, int(np.prod(shape)) - 1)), shape))


def torch_split(name):
    """PyTorch takes sections as an int or a list."""
    return lambda torch, x, how: getattr(torch, name)(x, how if isinstance(how, int) else list(how))


def torch_vander(torch, x, *, N, increasing):
    """Not ``torch.vander``, whose backward fails."""
    found = torch.linalg.vander(x, N=len(x) if N is None else N)
    return found if increasing else found.flip(1)


VECTOR = st.arrays(min_dims=1, max_dims=1)

CASES = [
    Case(assembling.block_diag, several(), torch="block_diag"),
    Case(assembling.cartesian_prod, several(min_dims=1, max_dims=1), torch="cartesian_prod"),
    Case(assembling.combinations, st.call(VECTOR, r=hs.integers(1, 3), with_replacement=hs.booleans()), torch="combinations"),
    Case(
        assembling.vander,
        st.call(
            st.arrays(min_dims=1, max_dims=1, min_side=2, low=-3.0, high=3.0, avoid=(0.0,)),
            N=hs.sampled_from([None, 2, 3]),
            increasing=hs.booleans(),
        ),
        numpy=np.vander,
        torch=torch_vander,
    ),
    Case(assembling.split_with_sizes, sections(), torch="split_with_sizes"),
    Case(assembling.hsplit, parts(1, 1), torch=torch_split("hsplit")),
    Case(assembling.vsplit, parts(2, 0), torch=torch_split("vsplit")),
    Case(assembling.dsplit, parts(3, 2), torch=torch_split("dsplit")),
    Case(assembling.select_scatter, selections(), torch="select_scatter"),
    Case(assembling.slice_scatter, slices(), torch="slice_scatter"),
    Case(assembling.diagonal_scatter, diagonals(), torch="diagonal_scatter"),
    Case(
        assembling._as_strided,
        st.call(st.arrays((2, 3)), size=hs.just((2, 2)), stride=hs.sampled_from([(3, 1), (1, 1), (2, 1)]), offset=hs.just(1)),
        strided=False,
    ),
    Case(
        assembling._strided_add,
        st.call(
            st.arrays((2, 2)), shape=hs.just((2, 3)), size=hs.just((2, 2)), stride=hs.sampled_from([(3, 1), (1, 1)]), offset=hs.just(1)
        ),
    ),
    Case(assembling.as_strided, strided(), torch="as_strided", strided=False),
    Case(assembling.sum_to_size, sums(), torch=lambda torch, x, size: x.sum_to_size(size)),
    Case(assembling.unravel_index, places(), numpy=np.unravel_index, torch="unravel_index", wrt=()),
]
