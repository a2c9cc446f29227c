"""Rows for ``minigrad/ops/index.py`` and ``minigrad/ops/gathering.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import gathering, index
from minigrad.testing import strategies as st


def for_torch(torch, key):
    """A key with arrays as torch tensors."""
    if isinstance(key, tuple):
        return tuple([for_torch(torch, k) for k in key])
    return torch.tensor(key) if isinstance(key, np.ndarray) else key


# ------------------------------------------------------------------------------------------- x[key] in three ops


@hs.composite
def keys(draw, **options):
    """An array and a key for it."""
    x = draw(st.arrays())
    return st.Call((x, draw(st.index_expressions(x.shape, **options))))


def plain(call):
    """The arguments of getitem for a key that numpy and PyTorch understand alike."""
    x, key = call.args
    index_ = index.plain_index(key, x.ndim)
    steps = index.two_steps(index_)
    return st.Call((x,), {"index": index_ if steps is None else steps[0]})


def back(call):
    """The arguments of put_add: a gradient of the shape that getitem gives."""
    x, index_ = call.args[0], call.kwargs["index"]
    return st.call(st.arrays(np.asarray(x[index_]).shape), shape=x.shape, index=index_)


@hs.composite
def written(draw, calls):
    """The arguments of setitem: with a value that broadcasts to what it replaces, or has leading ones."""
    call = draw(calls)
    x, index_ = call.args[0], call.kwargs["index"]
    target = np.asarray(x[index_]).shape
    v = draw(st.broadcastable(1, shape=target)).args[0] if draw(hs.booleans()) else draw(st.arrays(target))
    return st.Call((x, v[None] if draw(hs.integers(0, 5)) == 5 else v), {"index": index_})


@hs.composite
def extremes(draw):
    """The arguments of put_extreme."""
    call = draw(keys().map(plain))
    return st.Call((call.args[0], draw(st.arrays(np.asarray(call.args[0][call.kwargs["index"]]).shape))), call.kwargs)


def one_by_one(x, v, *, index):
    """``x[index] = v`` as a loop in row-major order."""
    places = np.asarray(np.arange(x.size).reshape(x.shape)[index])
    while v.ndim > places.ndim:
        v = v[0]
    flat = x.reshape(-1).copy()
    for place, value in zip(places.ravel(), np.broadcast_to(v, places.shape).ravel(), strict=True):
        flat[place] = value
    return flat.reshape(x.shape)


def stored(torch, x, key, v):
    x = x.clone()
    x[for_torch(torch, key)] = v
    return x


@hs.composite
def stores(draw):
    """x, key, v for torch, which leaves open who wins where places repeat: keys without integer arrays."""
    call = draw(keys(arrays=False))
    x, key = call.args
    target = index.subscript(x, key).shape
    return st.Call((x, key, draw(st.broadcastable(1, shape=target)).args[0]))


# ------------------------------------------------------------------------------------------- along one dimension


@hs.composite
def picks(draw, ones=False, low=0, unique=False):
    """An array, a dimension, and integers along it that are no larger in the other dimensions."""
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = draw(hs.integers(-x.ndim, x.ndim - 1))
    shape = [draw(hs.integers(0, n)) for n in x.shape]
    shape[dim] = x.shape[dim] if unique else draw(hs.integers(0, 4))
    if ones:
        shape = [n if d == dim % x.ndim else draw(hs.sampled_from([1, x.shape[d]])) for d, n in enumerate(shape)]
    if unique:
        order = np.argsort(draw(st.arrays(tuple(shape), distinct=True)), axis=dim)
        return st.Call((x, dim, order))
    return st.Call((x, dim, draw(st.integers_array(tuple(shape), low * x.shape[dim], x.shape[dim] - 1))))


def swapped(call):
    x, dim, places = call.args
    return st.Call((x, places, dim))


@hs.composite
def scatters(draw, larger=0, **options):
    """The same with a source that is at least as large as the integers."""
    call = draw(picks(**options))
    src = draw(st.arrays(tuple([n + draw(hs.integers(0, larger)) for n in call.args[2].shape])))
    return st.Call((*call.args, src))


def scattered(x, dim, index, src, add=False):
    """scatter as a loop."""
    x = x.copy()
    for place in np.ndindex(index.shape):
        to = list(place)
        to[dim] = index[place]
        x[tuple(to)] = src[place] + (x[tuple(to)] if add else 0)
    return x


@hs.composite
def rows(draw, source=False, unique=False, value=False):
    """An array, a dimension and a vector of integers along it, perhaps with a source."""
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = draw(hs.integers(-x.ndim, x.ndim - 1))
    places = draw(hs.lists(hs.integers(0, x.shape[dim] - 1), max_size=4, unique=unique))
    vector = np.array(places, np.int64)
    if value:
        return st.Call((x, dim, vector, draw(st.arrays(()))))
    if not source:
        return st.Call((x, dim, vector))
    shape = list(x.shape)
    shape[dim] = len(places)
    return st.Call((x, dim, vector, draw(st.arrays(tuple(shape)))))


@hs.composite
def puts(draw):
    """x, a tuple of integer arrays or a mask, values."""
    x = draw(st.arrays(min_dims=1, min_side=1))
    if draw(hs.booleans()):
        indices = (draw(st.booleans_array(x.shape)),)
    else:
        common = draw(st.shapes(1, 2, max_side=3))
        indices = tuple([draw(st.integers_array(common, -n, n - 1)) for n in x.shape[: draw(hs.integers(1, x.ndim))]])
    return st.Call((x, indices, draw(st.broadcastable(1, shape=np.asarray(x[indices]).shape)).args[0]))


@hs.composite
def flat_puts(draw):
    """x, places in the flat x, values; places do not come twice where they are not added up."""
    x = draw(st.arrays(min_side=1))
    accumulate = draw(hs.booleans())
    places = draw(hs.lists(hs.integers(-x.size if accumulate else 0, x.size - 1), max_size=4, unique=not accumulate))
    return st.Call((x, np.array(places, np.int64), draw(st.arrays((len(places),))), accumulate))


# ---------------------------------------------------------------------------------------------------- masks and others


@hs.composite
def masks(draw):
    call = draw(st.broadcastable(2))
    return st.Call((call.args[0], np.asarray(call.args[1] > 0)))


@hs.composite
def mask_sources(draw):
    x = draw(st.arrays())
    mask = draw(st.booleans_array(x.shape))
    return st.Call((x, mask, draw(st.arrays((int(mask.sum()) + draw(hs.integers(0, 2)),)))))


CASES = [
    # the three ops behind every key
    Case(index.getitem, keys().map(plain)),
    Case(index.getitem, keys(negative_steps=True).map(plain), name="getitem_backwards"),
    Case(index.put_add, keys().map(plain).flatmap(back)),
    Case(index.setitem, written(keys().map(plain))),
    Case(index.setitem, written(keys(negative_steps=True).map(plain)), name="setitem_backwards"),
    Case(index.subscript, keys(), torch=lambda torch, x, key: x[for_torch(torch, key)]),
    Case(index.store, stores(), torch=stored),
    # along one dimension
    Case(gathering.gather, picks(), torch="gather"),
    Case(gathering.take_along_dim, picks(ones=True).map(swapped), torch="take_along_dim"),
    Case(gathering.take_along_dim, picks(ones=True, low=-1).map(swapped), numpy=np.take_along_axis, name="take_along_dim_from_the_end"),
    Case(gathering.scatter, scatters(larger=1), numpy=scattered),
    Case(gathering.scatter, scatters(unique=True), torch="scatter", name="scatter_unique"),
    Case(gathering.scatter_add, scatters(), torch="scatter_add"),
    Case(gathering.scatter_add, scatters(larger=1), numpy=lambda *args: scattered(*args, add=True), name="scatter_add_of_more"),
    Case(gathering.index_select, rows(), numpy=lambda x, dim, i: np.take(x, i, dim), torch="index_select"),
    Case(gathering.put_extreme, st.call(extremes(), largest=hs.booleans())),
    Case(
        gathering.scatter_reduce,
        st.call(scatters(), reduce=hs.sampled_from(gathering.REDUCTIONS), include_self=hs.booleans()),
        torch=lambda torch, *args, **kwargs: torch.scatter_reduce(*args, **kwargs),
    ),
    Case(
        gathering.index_reduce,
        st.call(rows(source=True), reduce=hs.sampled_from(gathering.REDUCTIONS[1:]), include_self=hs.booleans()),
        torch="index_reduce",
    ),
    Case(gathering.put, flat_puts(), torch="put"),
    Case(gathering.index_add, st.call(rows(source=True), alpha=hs.sampled_from([1, 2.0])), torch="index_add"),
    Case(gathering.index_copy, rows(source=True, unique=True), torch="index_copy"),
    Case(gathering.index_fill, rows(value=True), torch="index_fill"),
    Case(gathering.index_put, st.call(puts(), accumulate=True), torch="index_put"),
    Case(gathering.index_put, puts(), numpy=lambda x, indices, v: one_by_one(x, v, index=indices), name="index_put_overwriting"),
    Case(
        gathering.take,
        st.arrays(min_side=1).flatmap(lambda x: st.call(x, st.integers_array(st.shapes(), -x.size, x.size - 1))),
        numpy=np.take,
        torch="take",
    ),
    # masks
    Case(gathering.masked_fill, st.call(masks(), st.arrays(())), torch="masked_fill"),
    Case(gathering.masked_select, masks(), torch="masked_select"),
    Case(gathering.masked_scatter, mask_sources(), torch="masked_scatter"),
    # integers
    Case(gathering.argwhere, st.arrays(), numpy=np.argwhere, torch="argwhere"),
    Case(
        gathering._nonzero, st.arrays(), numpy=lambda x: np.atleast_1d(x).nonzero(), torch=lambda torch, x: torch.nonzero(x, as_tuple=True)
    ),
    Case(gathering.nonzero, st.call(st.arrays(), as_tuple=hs.booleans()), torch="nonzero", wrt=()),
    Case(gathering.one_hot, st.call(st.integers_array(st.shapes(), 0, 3), num_classes=hs.integers(4, 6)), torch="one_hot"),
]
