"""Rows for ``minigrad/ops/shape.py``, and for the engine's own ops, which change shapes and dtypes too."""

import math

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad import engine
from minigrad.ops import shape
from minigrad.testing import strategies as st


def some_dim(draw, ndim):
    """A dimension, counted from the front or from the back."""
    return draw(hs.integers(-ndim, ndim - 1))


@hs.composite
def with_dim(draw, **options):
    """An array with at least one dimension, and ``dim=``."""
    x = draw(st.arrays(**{"min_dims": 1, **options}))
    return st.Call((x,), {"dim": some_dim(draw, x.ndim)})


@hs.composite
def other_shapes(draw, minus_one=True):
    """An array, and a shape that its elements fit into."""
    x = draw(st.arrays())
    sizes = list(draw(hs.permutations(x.shape)))
    if len(sizes) > 1 and draw(hs.booleans()):
        sizes = [sizes[0] * sizes[1], *sizes[2:]]
    if draw(hs.booleans()):
        sizes.insert(draw(hs.integers(0, len(sizes))), 1)
    if minus_one and x.size and sizes and draw(hs.booleans()):
        sizes[draw(hs.integers(0, len(sizes) - 1))] = -1
    return st.Call((x,), {"shape": tuple(sizes)})


@hs.composite
def reordered(draw):
    x = draw(st.arrays())
    dims = draw(hs.permutations(range(x.ndim)))
    return st.Call((x,), {"dims": tuple([d - x.ndim * draw(hs.booleans()) for d in dims])})


@hs.composite
def two_dims(draw, names=("dim0", "dim1"), different=False, **options):
    x = draw(st.arrays(**{"min_dims": 2, **options}))
    first = some_dim(draw, x.ndim)
    second = draw(hs.integers(-x.ndim, x.ndim - 1).filter(lambda d: not different or d % x.ndim != first % x.ndim))
    return st.Call((x,), dict(zip(names, (first, second), strict=True)))


@hs.composite
def moved(draw):
    x = draw(st.arrays(min_dims=1))
    n = draw(hs.integers(1, x.ndim))
    source, destination = (tuple(draw(hs.permutations(range(x.ndim)))[:n]) for _ in range(2))
    return st.Call(
        (x,), {"source": source, "destination": destination} if n > 1 or draw(hs.booleans()) else {"source": source[0], "destination": -1}
    )


@hs.composite
def some_dims(draw):
    x = draw(st.arrays())
    n = draw(hs.integers(0, x.ndim))
    return st.Call((x,), {"dims": tuple(draw(hs.permutations(range(x.ndim)))[:n])})


@hs.composite
def rolled(draw):
    x = draw(st.arrays(min_dims=1))
    if draw(hs.booleans()):
        return st.Call((x,), {"shifts": draw(hs.integers(-5, 5))})
    dims = draw(hs.lists(hs.integers(-x.ndim, x.ndim - 1), min_size=1, max_size=3))
    return st.Call((x,), {"shifts": tuple([draw(hs.integers(-5, 5)) for _ in dims]), "dims": tuple(dims)})


@hs.composite
def ranges_of_dims(draw):
    x = draw(st.arrays())
    n = max(x.ndim, 1)
    start = draw(hs.integers(0, n - 1))
    end = draw(hs.integers(start, n - 1))
    return st.Call((x,), {"start_dim": start - n * draw(hs.booleans()), "end_dim": end - n * draw(hs.booleans())})


@hs.composite
def unflattened(draw):
    sizes = draw(st.shapes(1, 3, min_side=1, max_side=3))
    before, after = draw(st.shapes(0, 1)), draw(st.shapes(0, 1))
    x = draw(st.arrays((*before, math.prod(sizes), *after)))
    given = list(sizes)
    if draw(hs.booleans()):
        given[draw(hs.integers(0, len(given) - 1))] = -1
    return st.Call((x, len(before) - x.ndim * draw(hs.booleans()), tuple(given)))


@hs.composite
def squeezed(draw):
    x = draw(st.arrays(max_side=2))
    kind = draw(hs.sampled_from(["all", "one", "several"])) if x.ndim else "all"
    if kind == "all":
        return st.Call((x,))
    dims = tuple(draw(hs.permutations(range(x.ndim)))[: draw(hs.integers(1, x.ndim))])
    return st.Call((x, dims if kind == "several" else dims[0]))


@hs.composite
def expanded(draw, minus_one=True):
    whole = draw(st.shapes())
    x = draw(st.broadcastable(1, shape=whole)).args[0] if draw(hs.booleans()) else draw(st.arrays(whole))
    lead = len(whole) - x.ndim
    return st.Call(
        (x, tuple([-1 if minus_one and i >= lead and x.shape[i - lead] == n and draw(hs.booleans()) else n for i, n in enumerate(whole)]))
    )


@hs.composite
def repeated(draw):
    x = draw(st.arrays(max_dims=2, max_side=3))
    return st.Call((x, tuple(draw(hs.lists(hs.integers(0, 3), min_size=x.ndim, max_size=3)))))


@hs.composite
def interleaved(draw):
    x = draw(st.arrays(max_side=3))
    if not x.ndim or draw(hs.booleans()):
        n = x.size if draw(hs.booleans()) else None
        return st.Call((x, draw(hs.integers(0, 3)) if n is None else draw(st.integers_array((n,), 0, 3))))
    dim = some_dim(draw, x.ndim)
    return st.Call((x, draw(st.integers_array((x.shape[dim],), 0, 3)) if draw(hs.booleans()) else draw(hs.integers(0, 3)), dim))


@hs.composite
def fitting(draw, as_list=True):
    """Arrays that are equal in all sizes but one, and ``dim=``."""
    first = draw(st.arrays(min_dims=1))
    dim = some_dim(draw, first.ndim)
    sizes = draw(hs.lists(hs.integers(0, 3), max_size=2))
    shapes = [tuple([n if d == dim % first.ndim else m for d, m in enumerate(first.shape)]) for n in sizes]
    arrays = [first, *[draw(st.arrays(s)) for s in shapes]]
    if as_list and draw(hs.integers(0, 7)) == 7:
        arrays.append(np.zeros(0))  # an empty vector joins anything
    return st.Call((arrays,) if as_list else arrays, {"dim": dim})


@hs.composite
def equal(draw, as_list=True):
    """Arrays of one shape, and ``dim=`` for a new dimension."""
    first = draw(st.arrays(max_dims=2))
    arrays = [first, *[draw(st.arrays(first.shape)) for _ in range(draw(hs.integers(0, 2)))]]
    return st.Call((arrays,) if as_list else arrays, {"dim": some_dim(draw, first.ndim + 1)})


def lists_of(min_dims, max_dims):
    """Two arrays of the same shape in a list."""
    return st.shapes(min_dims, max_dims).flatmap(lambda s: st.call(hs.tuples(st.arrays(s), st.arrays(s)).map(list)))


@hs.composite
def parts(draw):
    """An array, and sizes that add up to one of its dimensions."""
    sizes = draw(hs.lists(hs.integers(0, 3), min_size=1, max_size=3))
    before, after = draw(st.shapes(0, 1)), draw(st.shapes(0, 1))
    x = draw(st.arrays((*before, sum(sizes), *after)))
    return st.Call((x,), {"sizes": tuple(sizes), "dim": len(before)})


@hs.composite
def splits(draw):
    call = draw(parts())
    sizes, dim = call.kwargs["sizes"], call.kwargs["dim"]
    return st.Call((*call.args, list(sizes) if draw(hs.booleans()) else draw(hs.integers(1, 4)), dim))


@hs.composite
def chunks(draw):
    x = draw(st.arrays(min_dims=1))
    return st.Call((x, draw(hs.integers(1, 5)), some_dim(draw, x.ndim)))


@hs.composite
def cuts(draw):
    x = draw(st.arrays(min_dims=1))
    dim = some_dim(draw, x.ndim)
    return st.Call((x, tuple(draw(hs.lists(hs.integers(-4, 5), max_size=3))) if draw(hs.booleans()) else draw(hs.integers(1, 4)), dim))


@hs.composite
def narrowed(draw):
    x = draw(st.arrays(min_dims=1))
    dim = some_dim(draw, x.ndim)
    start = draw(hs.integers(0, x.shape[dim]))
    length = draw(hs.integers(0, x.shape[dim] - start))
    return st.Call((x, dim, start - x.shape[dim] if start < x.shape[dim] and draw(hs.booleans()) else start, length))


@hs.composite
def selected(draw):
    x = draw(st.arrays(min_dims=1, min_side=1))
    dim = some_dim(draw, x.ndim)
    return st.Call((x, dim, draw(hs.integers(-x.shape[dim], x.shape[dim] - 1))))


@hs.composite
def widths(draw, crop=False):
    x = draw(st.arrays())
    pairs = [(draw(hs.integers(0, 2)), draw(hs.integers(0, 2))) for _ in x.shape]
    if crop:
        pairs = [(min(a, n), min(b, n - min(a, n))) for (a, b), n in zip(pairs, x.shape, strict=True)]
    return st.Call((x,), {"widths": tuple(pairs)})


@hs.composite
def paddings(draw):
    """Constant padding, which may take away, of any number of last dimensions."""
    x = draw(st.arrays())
    pads = []
    for n in x.shape[::-1][: draw(hs.integers(0, x.ndim))]:
        before = draw(hs.integers(-n, 2))
        pads += [before, draw(hs.integers(-(n + min(before, 0)), 2))]
    return st.Call((x, tuple(pads), "constant", draw(hs.sampled_from([None, 0.0, 1.5]))))


@hs.composite
def paddings_by_content(draw, mode):
    """Padding with the tensor's own elements: of the last one or two dimensions of three or four."""
    sides = {"reflect": (2, 4), "circular": (1, 4), "replicate": (1, 4)}[mode]
    dims = draw(hs.integers(1, 2))
    x = draw(st.arrays((draw(hs.integers(1, 2)), *draw(st.shapes(dims, dims, *sides)))))
    pads = []
    for n in x.shape[: -dims - 1 : -1]:
        limit = {"reflect": n - 1, "circular": n, "replicate": 3}[mode]
        pads += [draw(hs.integers(-1 if n > 2 else 0, limit)), draw(hs.integers(0, limit))]
        if mode == "circular":
            pads[-2:] = [max(0, p) for p in pads[-2:]]
    return st.Call((x, tuple(pads), mode))


@hs.composite
def planes(draw):
    """An array of matrices, an offset, and the dims that span them."""
    call = draw(two_dims(names=("dim1", "dim2"), different=True))
    return st.Call(call.args, {"offset": draw(hs.integers(-4, 4)), **call.kwargs})


@hs.composite
def diagonals(draw):
    """The arguments of diagonal_put: what fits on a diagonal of a larger array."""
    call = draw(planes())
    (x,), keywords = call.args, call.kwargs
    shape = np.diagonal(x, keywords["offset"], keywords["dim1"], keywords["dim2"]).shape
    positive = {k: v % x.ndim if k != "offset" else v for k, v in keywords.items()}
    return st.Call((draw(st.arrays(shape)),), {"shape": x.shape, **positive})


def numpy_diagonal_put(g, *, shape, offset, dim1, dim2):
    places = np.arange(math.prod(shape)).reshape(shape).diagonal(offset, dim1, dim2)
    out = np.zeros(math.prod(shape))
    out[places] = g
    return out.reshape(shape)


@hs.composite
def embedded(draw):
    x = draw(st.arrays(min_dims=1, max_dims=2, max_side=3))
    dims = draw(hs.permutations(range(x.ndim + 1)))
    return st.Call((x, draw(hs.integers(-2, 2)), dims[0], dims[1] - x.ndim - 1))


@hs.composite
def windows(draw):
    x = draw(st.arrays(min_dims=1))
    dimension = some_dim(draw, x.ndim)
    return st.Call((x,), {"dimension": dimension, "size": draw(hs.integers(0, x.shape[dimension])), "step": draw(hs.integers(1, 3))})


@hs.composite
def windows_back(draw):
    call = draw(windows())
    (x,), keywords = call.args, call.kwargs
    steps = len(range(0, x.shape[keywords["dimension"]] - keywords["size"] + 1, keywords["step"]))
    lead = list(x.shape)
    lead[keywords["dimension"]] = steps
    return st.Call((draw(st.arrays((*lead, keywords["size"]))),), {"shape": x.shape, **keywords})


def numpy_unfold_add(g, *, shape, dimension, size, step):
    out = np.zeros(shape)
    into, windows = np.moveaxis(out, dimension, 0), np.moveaxis(g, dimension % len(shape), 0)
    for i, window in enumerate(windows):
        for k in range(size):
            into[i * step + k] += window[..., k]
    return out


@hs.composite
def shuffles(draw, up):
    r, c, h, w = (draw(hs.integers(1, 2)) for _ in range(4))
    lead = draw(st.shapes(0, 1))
    return st.Call((draw(st.arrays((*lead, c * r * r, h, w) if up else (*lead, c, h * r, w * r))), r))


def like(draw_from, other):
    """A call (x, other) where ``other`` only lends its shape."""
    return draw_from.map(lambda call: st.Call((call.args[0], np.zeros(other(call)))))


def joined(name):
    return lambda torch, xs: getattr(torch, name)(xs)


CASES = [
    # the engine's own
    Case(engine.broadcast_to, expanded(minus_one=False).map(lambda c: st.Call(c.args[:1], {"shape": c.args[1]})), numpy=np.broadcast_to),
    Case(
        engine.sum_to,
        expanded(minus_one=False).flatmap(lambda c: st.call(st.arrays(c.args[1]), shape=c.args[0].shape)),
        torch=lambda torch, x, *, shape: x.sum_to_size(shape),
    ),
    Case(engine.cast, st.call(st.arrays(), dtype=np.dtype(np.float64)), numpy=lambda x, *, dtype: x.astype(dtype), float32=False),
    # another shape
    Case(shape.reshape, other_shapes(), numpy=lambda x, *, shape: x.reshape(shape), torch="reshape"),
    Case(
        shape.view,
        other_shapes().map(lambda c: st.Call((c.args[0], *c.kwargs["shape"]) if c.kwargs["shape"] else (c.args[0], ()))),
        torch=lambda torch, x, *sizes: x.view(*sizes),
        strided=False,
    ),
    Case(
        shape.view_as,
        like(other_shapes(False), lambda c: c.kwargs["shape"]),
        wrt=["x"],
        torch=lambda torch, x, y: x.view_as(y),
        strided=False,
    ),
    Case(shape.reshape_as, like(other_shapes(False), lambda c: c.kwargs["shape"]), wrt=["x"], torch=lambda torch, x, y: x.reshape_as(y)),
    Case(shape.flatten, ranges_of_dims(), torch="flatten"),
    Case(shape.ravel, st.arrays(), numpy=np.ravel, torch="ravel"),
    Case(shape.unflatten, unflattened(), torch="unflatten"),
    Case(shape.squeeze, squeezed(), torch="squeeze"),
    Case(shape.unsqueeze, equal().map(lambda c: st.Call((c.args[0][0],), c.kwargs)), torch="unsqueeze"),
    # another order
    Case(shape.permute, reordered(), numpy=lambda x, *, dims: np.transpose(x, dims), torch="permute"),
    Case(shape.transpose, two_dims(), numpy=lambda x, *, dim0, dim1: np.swapaxes(x, dim0, dim1), torch="transpose"),
    Case(shape.movedim, moved(), numpy=np.moveaxis, torch="movedim"),
    Case(shape.t, st.arrays(max_dims=2), numpy=np.transpose, torch="t"),
    Case(shape.reverse_dims, st.arrays(), numpy=np.transpose),
    Case(shape.matrix_transpose, st.arrays(min_dims=2), torch=lambda torch, x: x.mT),
    Case(shape.flip, some_dims(), numpy=lambda x, *, dims: np.flip(x, dims), torch="flip"),
    Case(shape.fliplr, st.arrays(min_dims=2), numpy=np.fliplr, torch="fliplr"),
    Case(shape.flipud, st.arrays(min_dims=1), numpy=np.flipud, torch="flipud"),
    Case(
        shape.rot90,
        st.call(two_dims(different=True).map(lambda c: st.Call(c.args, {"dims": tuple(c.kwargs.values())})), k=hs.integers(-5, 5)),
        numpy=lambda x, *, dims, k: np.rot90(x, k, dims),
        torch="rot90",
    ),
    Case(shape.roll, rolled(), numpy=lambda x, *, shifts, dims=None: np.roll(x, shifts, dims), torch="roll"),
    # broadcasting and repeating
    Case(shape.broadcast_to, expanded(minus_one=False), name="broadcast_to a size", numpy=np.broadcast_to, torch="broadcast_to"),
    Case(shape.expand, expanded(), torch=lambda torch, x, sizes: x.expand(sizes)),
    Case(
        shape.expand_as,
        expanded(False).map(lambda c: st.Call((c.args[0], np.zeros(c.args[1])))),
        wrt=["x"],
        torch=lambda torch, x, y: x.expand_as(y),
    ),
    Case(shape.broadcast_shapes, st.broadcastable(3).map(lambda c: st.Call([a.shape for a in c.args])), numpy=np.broadcast_shapes, wrt=()),
    Case(shape.broadcast_tensors, st.broadcastable(3), numpy=np.broadcast_arrays, torch="broadcast_tensors"),
    Case(shape.meshgrid, st.call(*[st.arrays(max_dims=1)] * 3, indexing=hs.sampled_from(["ij", "xy"])), torch="meshgrid"),
    Case(shape.repeat, repeated(), numpy=np.tile, torch=lambda torch, x, times: x.repeat(times)),
    Case(shape.tile, st.call(st.arrays(max_dims=2, max_side=3), st.shapes(max_side=2)), numpy=np.tile, torch="tile"),
    Case(shape.repeat_interleave, interleaved(), numpy=lambda x, n, dim=None: np.repeat(x, n, dim), torch="repeat_interleave"),
    # joining
    Case(shape._cat, fitting(as_list=False), numpy=lambda *xs, dim: np.concatenate(xs, dim)),
    Case(shape.cat, fitting(), torch="cat"),
    Case(shape._stack, equal(as_list=False), numpy=lambda *xs, dim: np.stack(xs, dim)),
    Case(shape.stack, equal(), torch="stack"),
    Case(shape.hstack, lists_of(0, 3), numpy=np.hstack, torch="hstack"),
    Case(shape.vstack, lists_of(0, 3), numpy=np.vstack, torch="vstack"),
    Case(shape.dstack, lists_of(0, 3), numpy=np.dstack, torch="dstack"),
    Case(shape.column_stack, lists_of(0, 3), torch="column_stack"),
    # taking apart
    Case(shape._split, parts(), torch=lambda torch, x, *, sizes, dim: torch.split(x, list(sizes), dim)),
    Case(shape.split, splits(), torch="split"),
    Case(shape.chunk, chunks(), torch="chunk"),
    Case(shape.tensor_split, cuts(), torch="tensor_split"),
    Case(shape._unbind, with_dim(min_side=1), torch="unbind"),
    Case(shape.unbind, with_dim(min_side=1), torch="unbind"),
    Case(shape.narrow, narrowed(), torch="narrow"),
    Case(shape.select, selected(), torch="select"),
    Case(shape.atleast_1d, st.arrays(), numpy=np.atleast_1d, torch="atleast_1d"),
    Case(shape.atleast_2d, st.arrays(), numpy=np.atleast_2d, torch="atleast_2d"),
    Case(shape.atleast_3d, st.arrays(), numpy=np.atleast_3d, torch="atleast_3d"),
    # padding
    Case(shape.pad_constant, widths(), numpy=lambda x, *, widths: np.pad(x, widths) if x.ndim else x),
    Case(
        shape.pad_constant,
        st.call(widths(), value=2.0),
        name="pad_constant_2",
        numpy=lambda x, *, widths, value: np.pad(x, widths, constant_values=value) if x.ndim else np.full((), x),
    ),
    Case(
        shape.crop,
        widths(crop=True),
        numpy=lambda x, *, widths: x[tuple([slice(a, n - b) for (a, b), n in zip(widths, x.shape, strict=True)])],
    ),
    Case(shape.pad, paddings(), torch="nn.functional.pad"),
    *[
        Case(shape.pad, paddings_by_content(mode), torch="nn.functional.pad", name=f"pad_{mode}")
        for mode in ("reflect", "replicate", "circular")
    ],
    # diagonals and triangles
    Case(shape.diagonal, planes(), numpy=lambda x, *, offset, dim1, dim2: np.diagonal(x, offset, dim1, dim2), torch="diagonal"),
    Case(shape.diagonal_put, diagonals(), numpy=numpy_diagonal_put),
    Case(shape.diag_embed, embedded(), torch="diag_embed"),
    Case(shape.diag, st.call(st.arrays(min_dims=1, max_dims=2), diagonal=hs.integers(-3, 3)), torch="diag"),
    Case(shape.diagflat, st.call(st.arrays(max_dims=2, max_side=2), offset=hs.integers(-2, 2)), torch="diagflat"),
    Case(
        shape.tril,
        st.call(st.arrays(min_dims=2), diagonal=hs.integers(-3, 3)),
        numpy=lambda x, *, diagonal: np.tril(x, diagonal),
        torch="tril",
    ),
    Case(
        shape.triu,
        st.call(st.arrays(min_dims=2), diagonal=hs.integers(-3, 3)),
        numpy=lambda x, *, diagonal: np.triu(x, diagonal),
        torch="triu",
    ),
    # windows and pixels
    Case(shape.unfold, windows(), torch=lambda torch, x, *, dimension, size, step: x.unfold(dimension, size, step)),
    Case(shape.unfold_add, windows_back(), numpy=numpy_unfold_add),
    Case(shape.pixel_shuffle, shuffles(up=True), torch="pixel_shuffle"),
    Case(shape.pixel_unshuffle, shuffles(up=False), torch="pixel_unshuffle"),
]
