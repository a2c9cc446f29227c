"""Indexing: every kind of ``x[key]`` and ``x[key] = v``.

There are three ops: ``getitem``, its transpose ``put_add``, and ``setitem``. They take an index that :func:`plain_index` has
normalised. The named functions of :mod:`minigrad.ops.gathering` build an index and call these ops.

A key may contain the same parts as in numpy and PyTorch: ints, slices, None, ..., masks, and integer arrays or Tensors with negative or
repeated numbers. Where the two libraries differ, PyTorch is followed: an int among index arrays just selects (``x[0, :, [1, 2]]`` is
``x[0][:, [1, 2]]``). As in numpy, slices may have negative steps, and a list of lists is one index array.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from minigrad.engine import (
    ARRAYS,
    Batched,
    ShapeError,
    TensorBase,
    batched,
    each_sample,
    is_array,
    lifted,
    linear_in,
    op,
    rearranged,
    repeated,
    shape_of,
    tangent,
    unnamed,
    views,
)
from minigrad.kernels.quiet import quiet
from minigrad.kernels.sums import add_at
from minigrad.tree import numbers_of, unwrapped
from minigrad.types import Array, Tensor

# ------------------------------------------------------------------------------------------------- keys


def plain_index(key: Any, ndim: int) -> tuple:
    """A key as a tuple of index types of numpy: ints, bools, slices of ints, None, ... and integer or boolean arrays.

    Raises ``IndexError`` for anything else. A key without arrays gets ``...`` at its end, so that numpy always returns a view.
    """
    parts = [k if type(k) is int else _plain_part(k) for k in (key if isinstance(key, tuple) else (key,))]
    arrays, dots = False, None
    for i, k in enumerate(parts):
        if k is Ellipsis:
            dots = i
        elif isinstance(k, ARRAYS):
            arrays = True
    if not arrays:
        if dots is None:
            parts.append(Ellipsis)
    elif dots is not None and sum(map(_consumes, parts)) == ndim:
        del parts[dots]  # an Ellipsis for no dimension does not separate the arrays around it: PyTorch's rule, not numpy's
    return tuple(parts)


def _consumes(k: Any) -> int:
    """The number of dimensions of x that a part of an index applies to."""
    if isinstance(k, ARRAYS) and k.dtype.kind == "b":
        return k.ndim
    return 0 if k is None or k is Ellipsis or type(k) is bool else 1


_BOUND = (int, type(None))


def _plain_part(k: Any) -> Any:
    if k is None or k is Ellipsis or type(k) is int or type(k) is bool:
        return k
    if isinstance(k, slice):
        if type(k.start) in _BOUND and type(k.stop) in _BOUND and type(k.step) in _BOUND:
            return k
        return slice(*[n if n is None else operator.index(n) for n in (k.start, k.stop, k.step)])
    if isinstance(k, TensorBase):
        k = k._data
    elif isinstance(k, np.ndarray):
        k = k.copy()  # the user may write into it before the backward pass
    elif isinstance(k, (list, tuple, range)):
        k = np.array([unwrapped(n) for n in k])
        k = k if k.size else k.astype(np.intp)
    elif isinstance(k, np.bool_):
        return bool(k)
    elif hasattr(k, "__index__") and type(k) is not Batched:
        return operator.index(k)
    if type(k) is Batched and k.dtype.kind in "iub":
        return k
    kind = k.dtype.kind if isinstance(k, np.ndarray) else None
    if kind == "u" and k.dtype == np.uint8:
        raise IndexError("getitem: a uint8 index is a mask in PyTorch and positions in numpy; convert it with .bool() or .long()")
    if kind not in ("i", "u", "b"):
        what = getattr(k, "dtype", repr(k))
        raise IndexError(f"getitem: an index is made of ints, slices, None, ... and integer or boolean arrays, not {what}")
    if not k.ndim:
        return k.item()  # as in PyTorch, a 0-d integer selects like an int
    return np.ascontiguousarray(k, np.bool_ if kind == "b" else np.intp)


def two_steps(index: tuple) -> tuple[tuple, tuple] | None:
    """A key with ints or bools among index arrays as two indices: first the ints and bools, then the rest. None for other keys."""
    arrays = ints = flags = False
    for k in index:
        if type(k) is int:
            ints = True
        elif type(k) is bool:
            flags = True
        elif isinstance(k, ARRAYS):
            arrays = True
    if not flags and not (arrays and ints):
        return None
    first: list[Any] = []
    then: list[Any] = []
    for k in index:
        if type(k) is bool:  # True is one more dimension of size 1, False of size 0
            first.append(None)
            then.append(np.arange(int(k)))
        elif isinstance(k, ARRAYS):
            first += [slice(None)] * _consumes(k)
            then.append(k)
        else:
            first.append(k)
            if type(k) is not int:
                then.append(Ellipsis if k is Ellipsis else slice(None))
    if not any(k is Ellipsis for k in first):
        first.append(Ellipsis)  # for numpy to give a view
    return tuple(first), tuple(then)


def subscript(x: Tensor, key: Any) -> Tensor:
    """``x[key]`` for any key: see the module's docstring."""
    if type(key) is int:
        return getitem(x, index=(key, Ellipsis))
    index = plain_index(key, len(shape_of(x)))
    steps = two_steps(index)
    return getitem(x, index=index) if steps is None else getitem(getitem(x, index=steps[0]), index=steps[1])


def store(x: Any, key: Any, value: Any, overwrite: bool = False) -> Any:
    """``x`` after ``x[key] = value``, as a new array, or in place if ``overwrite`` is True."""
    index = plain_index(key, len(shape_of(x)))
    steps = two_steps(index)
    if steps is not None:
        value, index = setitem(getitem(x, index=steps[0]), value, index=steps[1]), steps[0]
    return setitem(x, value, index=index, overwrite=overwrite)


# ------------------------------------------------------------------------------------ the three ops for all samples


def _over_samples(run: Any, index: tuple, samples: int, ndim: int) -> tuple[tuple, list[int] | None]:
    """``index``, into samples of ``ndim`` dimensions, as an index into the batch; and the order of the dimensions that it gives.

    The order names, for each dimension of the results of all samples, where the index puts it; None if it is as it should be.
    """
    places = [i for i, k in enumerate(index) if isinstance(k, ARRAYS)]
    block = max(
        [1 if k.dtype.kind == "b" else k.ndim for k in index if isinstance(k, ARRAYS)], default=0
    )  # dimensions of all arrays together
    together = not places or places[-1] - places[0] + 1 == len(places)
    if not any(type(k) is Batched and k.level is run.level for k in index):
        return (slice(None), *index), None if together else [block, *range(block), *range(block + 1, 2 * ndim + len(index))]
    if any(type(k) is Batched and k.dtype.kind == "b" for k in index):
        raise RuntimeError(
            f"vmap: {run.op.name}: a mask that differs from sample to sample selects different numbers of elements; use where() or masked_fill()"
        )
    parts: list[Any] = []
    for k in index:
        parts += k.nonzero() if isinstance(k, np.ndarray) and k.dtype.kind == "b" else [k]
    gap = next((i for i, k in enumerate(parts) if k is Ellipsis), len(parts))
    parts[gap : gap + 1] = [slice(None)] * (ndim - sum(map(_consumes, parts)))
    places = [i for i, k in enumerate(parts) if isinstance(k, ARRAYS)]
    for i in places:
        k = run.front(parts[i])
        parts[i] = k.reshape((k.shape[0], *[1] * (block - k.ndim + 1), *k.shape[1:]))
    start = places[0] if places[-1] - places[0] + 1 == len(places) else 0
    order = (
        [0, *range(block + 1, block + 1 + start), *range(1, block + 1), *range(block + 1 + start, 2 * ndim + len(index))] if start else None
    )
    return (np.arange(samples).reshape((samples, *[1] * block)), *parts), order


def _ordered(x: Any, order: list[int] | None, back: bool = False) -> Any:
    """The dimensions of ``x`` in another order, or in the one before."""
    if order is None:
        return x
    order = [d for d in order if d < x.ndim]
    return rearranged(x, [order.index(d) for d in range(x.ndim)] if back else order)


def _getitem_samples(run, x, index):
    where, order = _over_samples(run, index, x.shape[0], x.ndim - 1)
    return _ordered(run(x, index=where), order)


def _put_add_samples(run, g, shape, index):
    g = repeated(g, run.size)
    where, order = _over_samples(run, index, run.size, len(shape))
    return run(_ordered(g, order, back=True), shape=(run.size, *shape), index=where)


def samples_written(run: Any, x: Any, v: Any, index: tuple, **statics: Any) -> Any:
    """The op on ``x`` with values at ``index`` in all samples."""
    x = repeated(x, run.size)
    if len(index) == 1 and type(index[0]) is Batched and index[0].dtype.kind == "b" and (not is_array(v) or v.shape == (1,)):
        return run(x, v[0] if is_array(v) else v, index=(run.front(index[0]),), **statics)  # one number at a mask for each sample
    where, order = _over_samples(run, index, run.size, x.ndim - 1)
    if is_array(v):
        ndim = _result_ndim(where, x.ndim)
        while v.ndim > ndim:
            v = v[:, 0]
        v = _ordered(v.reshape((v.shape[0], *[1] * (ndim - v.ndim), *v.shape[1:])), order, back=True)
    return run(x, v, index=where, **statics)


def _result_ndim(index: tuple, ndim: int) -> int:
    """The number of dimensions of ``x[index]``, for an x of ``ndim`` dimensions."""
    arrays = [1 if k.dtype.kind == "b" else len(k.shape) for k in index if hasattr(k, "shape")]
    return ndim - sum(map(_consumes, index)) + max(arrays, default=0) + sum([k is None or isinstance(k, slice) for k in index])


def _setitem_samples(run, x, v, index, overwrite):
    return samples_written(run, x, v, index)


# --------------------------------------------------------------------------------------- the three ops


@views
@linear_in("x")
@batched(_getitem_samples)
@op(x=lambda g, x_shape, index: put_add(g, shape=x_shape, index=index))
def getitem(x: Array, index: Any) -> Array:
    """``x[index]`` for a plain index. A view if the index has no arrays. The transpose of :func:`put_add`."""
    try:
        return x[index]
    except IndexError as error:
        raise _explained("getitem", x.shape, index, error) from None


@unnamed
@linear_in("g_")
@batched(_put_add_samples)
@op(g_=lambda g, index: getitem(g, index=index))
def put_add(g_: Array, shape: Any, index: Any) -> Array:
    """Zeros of ``shape`` with ``g_`` added at ``index``; values at a repeated index add up. The transpose of :func:`getitem`."""
    out = np.zeros(shape, g_.dtype)
    if not _repeats(index):
        out[index] = g_
    elif g_.size:
        rows = all(isinstance(k, np.ndarray) and k.dtype.kind != "b" for k in index)  # whole ones are added; else single numbers
        lead = len(index) if rows else len(shape)
        width = math.prod(shape[lead:])
        add_at(g_.reshape(-1, width), positions_of(shape[:lead], index).reshape(-1), out.reshape(-1, width))
    return out


def _setitem_v(g, v_shape, index):
    # At a repeated index only the value that was written last gets a gradient.
    gradient = getitem(g, index=index)
    if _repeats(index):
        won = each_sample(lambda index: _last_at(tuple(g.shape), index), index)
        if not numbers_of(won).all():
            gradient = gradient * lifted(won)
    extra = len(v_shape) - len(gradient.shape)  # numpy takes a value with more dimensions, if they have size 1
    return gradient if extra <= 0 else getitem(gradient, index=(*[None] * extra, Ellipsis))


def _last_at(shape, index):
    """Which of the values that are written at ``index`` stay: of those at one position the last."""
    places = positions_of(shape, index)
    turns = np.arange(places.size).reshape(places.shape)
    last = np.empty(math.prod(shape), np.intp)
    last[places] = turns
    return last[places] == turns


@tangent(x=lambda t, index: setitem(t, 0.0, index=index))
@batched(_setitem_samples)
@op(x=lambda g, index: setitem(g, 0.0, index=index), v=_setitem_v)
def setitem(x: Array, v: Array, index: Any, overwrite: bool = False) -> Array:
    """``x`` after ``x[index] = v``. At a repeated index the last value is stored.

    A copy, or ``x`` itself, written in place, if ``overwrite`` is True.
    """
    out = x if overwrite else np.array(x)
    mask = index[0] if len(index) == 1 else None
    if isinstance(mask, np.ndarray) and mask.dtype.kind == "b" and np.ndim(v) > 1:
        index = mask.nonzero()  # numpy would not take a value of shape (1, n)
    try:
        value = np.ascontiguousarray(v) if _repeats(index) else v  # the last value is then the last in row-major order
        quiet().run(out.__setitem__, index, value)  # a value of another dtype may be infinite in this one
    except IndexError as error:
        raise _explained("setitem", x.shape, index, error) from None
    except ValueError:
        if np.ndim(v) == 0:
            raise
        raise ShapeError(f"setitem: a value of shape {np.shape(v)} does not broadcast to {x[index].shape}, what it replaces") from None
    return out


def grid(shape: tuple[int, ...], dim: int, places: Any) -> tuple:
    """The key of an array with positions along ``dim`` for each element of ``shape``: position (i, places[i, j, k], k) for ``dim=1``.

    >>> grid((2, 1), 1, np.array([[5], [3]]))
    (array([[0],
           [1]]), array([[5],
           [3]]))
    """
    ndim = len(shape)
    return tuple([places if d == dim else np.arange(n).reshape(n, *[1] * (ndim - 1 - d)) for d, n in enumerate(shape)])


def _repeats(index: tuple) -> bool:
    """Whether an index may have repeated positions: not with slices and masks alone."""
    return any(isinstance(k, ARRAYS) and k.dtype.kind != "b" for k in index)


def positions_of(shape: tuple[int, ...], index: tuple) -> np.ndarray:
    """The flat positions in ``x`` of the elements of ``x[index]``, for an index with integer arrays: an array of the result's shape."""
    parts: list[Any] = []
    for k in index:  # masks as the positions of what they pick
        parts += k.nonzero() if isinstance(k, np.ndarray) and k.dtype.kind == "b" else [k]
    gap = next((i for i, k in enumerate(parts) if k is Ellipsis), len(parts))
    parts[gap : gap + 1] = [slice(None)] * (len(shape) - sum(map(_consumes, parts)))

    where_arrays = [i for i, k in enumerate(parts) if isinstance(k, np.ndarray)]
    block = len(np.broadcast_shapes(*[parts[i].shape for i in where_arrays]))  # dimensions that the arrays make together
    adjacent = where_arrays[-1] - where_arrays[0] + 1 == len(where_arrays)
    start = where_arrays[0] if adjacent else 0  # numpy puts them first if a slice is between arrays
    slices = [i for i in range(len(parts)) if i not in where_arrays]
    ndim = block + len(slices)

    places = np.zeros((1,) * ndim, np.intp)
    axis, seen = 0, 0  # dimension of x, slices so far
    for i, k in enumerate(parts):
        stride = int(np.prod(shape[axis + 1 :])) if k is not None else 0
        if i in where_arrays:
            k = np.where(k < 0, k + shape[axis], k) if k.size and k.min() < 0 else k
            places = places + (k * stride).reshape(*k.shape, *[1] * (ndim - start - block))
        else:
            at = seen + block if seen >= start else seen
            if k is not None:
                places = places + (np.arange(shape[axis])[k] * stride).reshape(-1, *[1] * (ndim - 1 - at))
            seen += 1
        axis += k is not None
    return places


def _explained(name: str, shape: tuple[int, ...], index: tuple, error: IndexError) -> IndexError:
    """numpy's IndexError with the op, index, dimension and size in its message."""
    consumed = sum(map(_consumes, index))
    if consumed > len(shape):
        return IndexError(f"{name}: {consumed} indices for a tensor of {len(shape)} dimensions, shape {shape}")
    axis = 0
    for k in index:
        if isinstance(k, np.ndarray) and k.dtype.kind == "b":
            if k.shape != shape[axis : axis + k.ndim]:
                return IndexError(f"{name}: a mask of shape {k.shape} does not fit dimensions of shape {shape[axis : axis + k.ndim]}")
            axis += k.ndim
        elif k is Ellipsis:
            axis += len(shape) - consumed
        elif k is not None:
            if not isinstance(k, slice):
                numbers, size = np.asarray(k), shape[axis]
                wrong = numbers[(numbers < -size) | (numbers >= size)]
                if wrong.size:
                    return IndexError(f"{name}: index {wrong.flat[0]} is out of bounds for dimension {axis} with size {size}")
            axis += 1
    return IndexError(f"{name}: {error}")
