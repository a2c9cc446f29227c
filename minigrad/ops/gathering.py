"""Elements picked by named functions, and written: gather and scatter, ``index_select`` and its kind, masks, positions of what is not zero.

Each builds an index and calls the ops of :mod:`minigrad.ops.index`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import (
    ShapeError,
    TensorBase,
    batched,
    broadcast_to,
    cast,
    each_sample,
    entitled,
    is_batched,
    joint,
    known_as,
    lifted,
    op,
    public,
    shape_of,
)
from minigrad.ops import elementwise as ew
from minigrad.ops import signatures as like
from minigrad.ops.arguments import along, factor, number_of, positive_dim, require_dtype, whole
from minigrad.ops.batching import leading, sample_by_sample
from minigrad.ops.index import getitem, grid, plain_index, positions_of, put_add, samples_written, setitem, store, two_steps
from minigrad.ops.precision import in_float32
from minigrad.tree import array_of, numbers_of
from minigrad.types import Array, Operand, Tensor, called_as

POSITIONS = np.dtype(np.intp)

# ------------------------------------------------------------------------------ along one dimension


def _integers(name: str, index: Any) -> np.ndarray:
    """An index argument as an integer array."""
    array = array_of(index)
    if not array.size:
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: the index must hold integers, not {array.dtype}")
    return array.astype(np.intp, copy=not isinstance(index, TensorBase))


def _check_bounds(name: str, index: np.ndarray, size: int, dim: int, lowest: int = 0) -> None:
    index = numbers_of(index)
    if lowest == 0 and index.dtype is POSITIONS:  # negative ones are large without their sign: one pass, and not two
        outside = index.size and index.view(np.uintp).max() >= size
    else:
        outside = index.size and not lowest <= index.min() <= index.max() < size
    if outside:
        wrong = index[(index < lowest) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of bounds for dimension {dim} with size {size}")


def _vector(x: Any) -> Any:
    """A 0-d tensor as a vector of one, which it counts as where there is a ``dim``; any other as it is."""
    return x if shape_of(x) else getitem(x, index=(None,))


def _as_before(x: Any, input: Any) -> Any:
    """``x``, which was computed from ``_vector(input)``, with as many dimensions as ``input``."""
    return x if shape_of(input) else getitem(x, index=(0, Ellipsis))


def _grid(name: str, shape: tuple[int, ...], dim: int, index: Any) -> tuple:
    """The key of gather and scatter: for ``dim=1``, element (i, j, k) of ``index`` refers to position (i, index[i, j, k], k)."""
    array, dim = _integers(name, index), positive_dim(name, dim, len(shape))
    if not array.ndim:
        array = each_sample(np.atleast_1d, array)
    if array.ndim != len(shape):
        raise ShapeError(f"{name}: index of shape {array.shape} must have as many dimensions as the tensor of shape {shape}")
    if array.size and any(n > s for d, (n, s) in enumerate(zip(array.shape, shape, strict=True)) if d != dim):
        raise ShapeError(f"{name}: index of shape {array.shape} is larger than the tensor of shape {shape} in a dimension other than {dim}")
    _check_bounds(name, array, shape[dim], dim)
    return grid(array.shape, dim, array)


@known_as("GatherBackward0")
def gather(input: Tensor, dim: int, index: Operand, *, sparse_grad: bool = False) -> Tensor:
    """Elements selected along ``dim``: ``out[i, j, k] = input[i, index[i, j, k], k]`` for ``dim=1``: ``torch.gather``.

    Args:
        input: any shape.
        dim: the dimension that ``index`` counts along.
        index: integers >= 0, with as many dimensions as ``input`` and, except along ``dim``, no larger. The result has its shape. A 0-d tensor or
            index counts as a vector of one; an index without elements may have any shape.
        sparse_grad: has no effect; gradients are dense.

    Raises ``IndexError`` for an index out of bounds, ``ShapeError`` for shapes that do not fit.

    >>> import minigrad as mg
    >>> scores = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.gather(scores, 1, mg.tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    dim, input = positive_dim("gather", dim, len(shape_of(input))), _vector(input)
    if 0 in shape_of(index):
        return take(input, index)
    return _as_before(getitem(input, index=_grid("gather", shape_of(input), dim, index)), index)


def take_along_dim(input: Tensor, indices: Operand, dim: int | None = None) -> Tensor:
    """:func:`gather` with an index that broadcasts, negative numbers counting from the end: ``torch.take_along_dim``.

    Without ``dim``, both are flattened.
    """
    array = _integers("take_along_dim", indices)
    if dim is None:
        return take(input, each_sample(np.ravel, array))
    shape = shape_of(input)
    dim = positive_dim("take_along_dim", dim, len(shape))
    if not shape:
        raise IndexError("take_along_dim: a 0-d tensor has no dimension to take from")
    if array.ndim != len(shape):
        raise ShapeError(f"take_along_dim: indices of shape {array.shape} must have as many dimensions as the tensor of shape {shape}")
    try:
        meet = np.broadcast_shapes((*shape[:dim], 1, *shape[dim + 1 :]), (*array.shape[:dim], 1, *array.shape[dim + 1 :]))
    except ValueError:
        raise ShapeError(
            f"take_along_dim: indices of shape {array.shape} do not broadcast to shape {shape} around dimension {dim}"
        ) from None
    _check_bounds("take_along_dim", array, shape[dim], dim, -shape[dim])
    array = _from_front(array, shape[dim])
    around = (*meet[:dim], array.shape[dim], *meet[dim + 1 :])
    input = broadcast_to(input, shape=(*meet[:dim], shape[dim], *meet[dim + 1 :]))
    return gather(input, dim, each_sample(lambda a: np.broadcast_to(a, around), array))


def _part(src: Any, shape: tuple[int, ...], name: str) -> Any:
    """The corner of ``src`` that an index of ``shape`` uses."""
    have = shape_of(src)
    if have == (shape or (1,)) or have == ():
        return src
    if len(have) != len(shape) or any(n > s for n, s in zip(shape, have, strict=True)):
        raise ShapeError(f"{name}: index of shape {shape} is larger than src of shape {have}")
    return getitem(src, index=(*[slice(n) for n in shape], Ellipsis))


def scatter(input: Tensor, dim: int, index: Operand, src: Operand, *, reduce: str | None = None) -> Tensor:
    """``input`` with ``out[i, index[i, j, k], k] = src[i, j, k]`` for ``dim=1``: ``torch.scatter``.

    Args:
        input: any shape.
        dim: the dimension that ``index`` counts along.
        index: integers >= 0, with as many dimensions as ``input`` and, except along ``dim``, no larger.
        src: values of the dtype of ``input``, at least as large as ``index``; or one number for all, which PyTorch calls ``value``.
        reduce: ``"add"`` makes this :func:`scatter_add`; ``"multiply"`` multiplies what is there, by each of several values that meet.

    Raises ``IndexError`` for an index out of bounds, ``ShapeError`` for shapes that do not fit, ``RuntimeError`` for a ``src`` of another dtype.

    At a repeated index the last value is stored and gets the gradient (in PyTorch this is undefined).

    >>> import minigrad as mg
    >>> mg.scatter(mg.zeros(2, 3), 1, mg.tensor([[1], [2]]), 7)
    tensor([[0., 7., 0.],
            [0., 0., 7.]])
    """
    if reduce == "add":
        return scatter_add(input, dim, index, src)
    if reduce not in (None, "multiply"):
        raise ValueError(f"scatter: reduce must be None, 'add' or 'multiply', not {reduce!r}")
    x, key, v = _scattered("scatter", input, dim, index, src)
    out = _as_before(setitem(x, v, index=key) if reduce is None else _multiplied(x, key, v), input)
    return entitled(out, f"ScatterBackward{(0 if hasattr(src, 'dtype') else 1) + (0 if reduce is None else 2)}")


def _scattered(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[Any, tuple, Any]:
    """What scatter and its like write to, the key where, and what."""
    require_dtype(name, input, src=src)
    dim, x = positive_dim(name, dim, len(shape_of(input))), _vector(input)
    return (
        x,
        _grid(name, shape_of(x), dim, index),
        _part(src if hasattr(src, "dtype") else number_of(name, src, input.dtype), shape_of(index), name),
    )


def _multiplied(x: Any, index: tuple, v: Any) -> Any:
    """``x`` after ``x[index] *= v``, where a place that comes several times is multiplied as often: in turns, in each of which it comes once."""
    places = positions_of(shape_of(x), index)
    keys, flat = np.broadcast_arrays(*index), places.reshape(-1)
    order = np.argsort(flat, kind="stable")
    turn = np.empty(places.shape, np.intp)
    turn.reshape(-1)[order] = np.arange(flat.size) - np.searchsorted(flat[order], flat[order])
    v = broadcast_to(v, shape=places.shape)
    for i in range(int(turn.max(initial=-1)) + 1):
        now = tuple([k[turn == i] for k in keys])
        x = setitem(x, getitem(x, index=now) * getitem(v, index=(turn == i,)), index=now)
    return x


@known_as("ScatterAddBackward0")
def scatter_add(input: Tensor, dim: int, index: Operand, src: Operand) -> Tensor:
    """``input`` with ``out[i, index[i, j, k], k] += src[i, j, k]`` for ``dim=1``: ``torch.scatter_add``. Arguments as in :func:`scatter`.

    >>> import minigrad as mg
    >>> mg.scatter_add(mg.zeros(3), 0, mg.tensor([0, 2, 2]), mg.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    x, key, v = _scattered("scatter_add", input, dim, index, src)
    return _as_before(index_put(x, key, v, accumulate=True), input)


@joint
def _extremes_of(g, x, v, out, index):
    at = getitem(out, index=index)
    mine, theirs = cast(ew.eq(x, out), dtype=g.dtype), cast(ew.eq(v, at), dtype=g.dtype)
    share = g / (mine + put_add(theirs, shape=x.shape, index=index))  # of each of the equal elements
    return share * mine, getitem(share, index=index) * theirs


@batched(samples_written)
@op(x=_extremes_of, v=_extremes_of)
def put_extreme(x: Array, v: Array, index: Any, largest: bool) -> Array:
    """``x`` with the maximum (or minimum) of each element and those of ``v`` at its ``index``. Equal ones share the gradient."""
    out = np.array(x)
    (np.maximum if largest else np.minimum).at(out, index, v)
    return out


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def _reduced(x: Any, index: tuple, v: Any, reduce: str, include_self: bool) -> Any:
    """``x`` with the values ``v`` combined into its elements at ``index``; without ``include_self`` what was there does not count."""
    shape, places = shape_of(x), np.broadcast_to(0, shape_of(x))[index].shape
    v = broadcast_to(v, shape=places)
    if not include_self:
        kind = x.dtype.kind
        limits = (-math.inf, math.inf) if kind == "f" else (0, 1) if kind == "b" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        x = setitem(x, np.asarray({"prod": 1, "amax": limits[0], "amin": limits[1]}.get(reduce, 0), x.dtype), index=index)
    if reduce in ("amax", "amin"):
        return put_extreme(x, v, index=index, largest=reduce == "amax")
    if reduce == "prod":
        return _multiplied(x, index, v)
    total = x + put_add(v, shape=shape, index=index)
    if reduce == "sum":
        return total
    count = put_add(np.ones(places, x.dtype), shape=shape, index=index) + (1 if include_self else 0)
    return (ew.over if x.dtype.kind == "f" else ew.floor_divide)(total, np.maximum(count, 1).astype(x.dtype))


@known_as("ScatterReduceBackward0")
@sample_by_sample()
def scatter_reduce(input: Tensor, dim: int, index: Operand, src: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """``input`` with the values ``src`` combined where :func:`scatter` would put them: ``torch.scatter_reduce``.

    Args:
        input, dim, index, src: as in :func:`scatter`.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether what is in ``input`` at such a place takes part.

    Equal maxima share the gradient. Raises as :func:`scatter`, and ``ValueError`` for another ``reduce``.

    >>> import minigrad as mg
    >>> x, index = mg.tensor([1.0, 2.0, 3.0, 4.0]), mg.tensor([0, 1, 0, 1])
    >>> mg.zeros(2).scatter_reduce(0, index, x, "sum"), mg.zeros(2).scatter_reduce(0, index, x, "mean", include_self=False)
    (tensor([4., 6.]), tensor([2., 3.]))
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"scatter_reduce: reduce must be one of {', '.join(REDUCTIONS)}, not {reduce!r}")
    x, key, v = _scattered("scatter_reduce", input, dim, index, src)
    return _as_before(_reduced(x, key, v, reduce, include_self), input)


@known_as("IndexReduceBackward0")
@sample_by_sample()
def index_reduce(input: Tensor, dim: int, index: Operand, source: Tensor, reduce: str, *, include_self: bool = True) -> Tensor:
    """``input`` with the slices ``source`` combined into its slices ``index`` along ``dim``: ``torch.index_reduce``.

    ``reduce`` is ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``; the rest is as in :func:`index_add` and :func:`scatter_reduce`.

    >>> import minigrad as mg
    >>> mg.index_reduce(mg.ones(3), 0, mg.tensor([0, 2, 2]), mg.tensor([5.0, 3.0, 2.0]), "prod")
    tensor([5., 1., 6.])
    """
    if reduce not in REDUCTIONS[1:]:
        raise ValueError(f"index_reduce: reduce must be one of {', '.join(REDUCTIONS[1:])}, not {reduce!r}")
    dim, array = _line("index_reduce", shape_of(input), dim, index)
    source = _source("index_reduce", input, dim, array.size, source)
    x = _vector(input)
    shape = shape_of(x)
    places = each_sample(lambda a: a.reshape(-1, *[1] * (len(shape) - 1 - dim)), array)
    return _as_before(_reduced(x, grid(shape, dim, places), source, reduce, include_self), input)


def _line(name: str, shape: tuple[int, ...], dim: int, index: Any) -> tuple[int, np.ndarray]:
    """``dim`` counted from the front, and a vector index along it."""
    dim, array = positive_dim(name, dim, len(shape)), _integers(name, index)
    if array.ndim > 1:
        raise ShapeError(f"{name}: the index must be a vector, not of shape {array.shape}")
    _check_bounds(name, array, (shape or (1,))[dim], dim)
    return dim, array if array.ndim else each_sample(np.ravel, array)


@known_as("IndexSelectBackward0")
def index_select(input: Tensor, dim: int, index: Operand) -> Tensor:
    """The slices ``index`` (a vector of integers >= 0) along ``dim``: ``torch.index_select``. A 0-d tensor has one, itself.

    >>> import minigrad as mg
    >>> mg.index_select(mg.tensor([[1, 2, 3], [4, 5, 6]]), 1, mg.tensor([2, 0]))
    tensor([[3, 1],
            [6, 4]])
    """
    dim, array = _line("index_select", shape_of(input), dim, index)
    if not shape_of(input) and array.size != 1:
        raise ShapeError(f"index_select: a 0-d tensor has one element to select, not {array.size}")
    return _as_before(getitem(_vector(input), index=along(dim, array)), input)


def _source(name: str, input: Any, dim: int, n: int, source: Any) -> Any:
    """``source``, if it has the dtype of ``input``, and its shape but for ``n`` slices along ``dim``. A number stands for one slice of one element."""
    require_dtype(name, input, source=source)
    shape, have = shape_of(input), shape_of(source)
    want = (*shape[:dim], n, *shape[dim + 1 :])
    if (have != want and not (have == () and n == 1)) or (not shape and n != 1):
        raise ShapeError(f"{name}: source has shape {have}, but {n} indices along dimension {dim} of {shape} need {want}")
    return source


@known_as("IndexAddBackward0")
def index_add(input: Tensor, dim: int, index: Operand, source: Tensor, *, alpha: float = 1) -> Tensor:
    """``input`` with ``alpha * source`` added to its slices ``index`` along ``dim``: ``torch.index_add``.

    Raises ``IndexError`` out of bounds, ``ShapeError`` for a ``source`` that does not fit, ``RuntimeError`` for one of another dtype.

    >>> import minigrad as mg
    >>> mg.index_add(mg.zeros(3), 0, mg.tensor([1, 1]), mg.tensor([1.0, 2.0]))
    tensor([0., 3., 0.])
    """
    dim, array = _line("index_add", shape_of(input), dim, index)
    source = _source("index_add", input, dim, array.size, source)
    source = source if alpha == 1 else source * factor("index_add", "alpha", alpha, input, source, cut=True)
    return _as_before(index_put(_vector(input), along(dim, array), source, accumulate=True), input)


@known_as("IndexCopyBackward0")
def index_copy(input: Tensor, dim: int, index: Operand, source: Operand) -> Tensor:
    """``input`` with its slices ``index`` along ``dim`` replaced by those of ``source``: ``torch.index_copy``. Raises as :func:`index_add`."""
    dim, array = _line("index_copy", shape_of(input), dim, index)
    source = _source("index_copy", input, dim, array.size, source)
    return _as_before(setitem(_vector(input), source, index=along(dim, array)), input)


@known_as("IndexFillBackward0")
def index_fill(input: Tensor, dim: int, index: Operand, value: Operand) -> Tensor:
    """``input`` with its slices ``index`` along ``dim`` filled with ``value``, in the dtype of ``input``: ``torch.index_fill``."""
    dim, array = _line("index_fill", shape_of(input), dim, index)
    value = value if hasattr(value, "dtype") else number_of("index_fill", value, input.dtype)
    return _as_before(setitem(_vector(input), value, index=along(dim, array)), input)


@known_as("IndexPutBackward0")
def index_put(input: Tensor, indices: Sequence[Any], values: Operand, accumulate: bool = False) -> Tensor:
    """``input`` after ``input[indices] = values``; with ``accumulate`` values are added, also at repeated indices: ``torch.index_put``.

    Raises ``RuntimeError`` for values of another dtype.

    >>> import minigrad as mg
    >>> mg.index_put(mg.zeros(3), (mg.tensor([0, 0]),), mg.tensor(1.0), accumulate=True)
    tensor([2., 0., 0.])
    """
    require_dtype("index_put", input, values=values)
    if not accumulate:
        return store(input, tuple(indices), values)
    shape = shape_of(input)
    index = plain_index(tuple(indices), len(shape))
    if two_steps(index) is not None:
        raise IndexError("index_put: indices must be integer or boolean arrays")
    if not hasattr(values, "dtype"):
        values = np.asarray(values, input.dtype)
    return _plus_at(input, values, shape, index)


@in_float32
def _plus_at(input: Any, values: Any, shape: tuple[int, ...], index: Any) -> Any:
    places = shape_of(getitem(np.broadcast_to(0, shape), index=index))
    return input + put_add(broadcast_to(values, shape=places), shape=shape, index=index)


@known_as("TakeBackward0")
def take(input: Operand, index: Operand) -> Tensor:
    """Elements of the flat ``input``, in the shape of ``index``: ``torch.take``. Negative numbers count from the end.

    >>> import minigrad as mg
    >>> mg.take(mg.tensor([[1, 2], [3, 4]]), mg.tensor([0, -1]))
    tensor([1, 4])
    """
    array, shape = _integers("take", index), shape_of(input)
    size = int(np.prod(shape))
    given = numbers_of(array)
    if array.size and not -size <= given.min() <= given.max() < size:
        wrong = given[(given < -size) | (given >= size)].flat[0]
        raise IndexError(f"take: index {wrong} is out of bounds for {size} elements")
    array = _from_front(array, size)
    if not shape:
        input, shape = getitem(input, index=(None,)), (1,)
    places = each_sample(lambda a: np.unravel_index(a, shape), array) if size else (array,) * len(shape)
    if not array.ndim and not is_batched(array):
        return getitem(input, index=(*map(int, places), Ellipsis))
    return getitem(input, index=places)


def _from_front(index: Any, size: int) -> Any:
    """An index along a dimension of ``size`` with numbers that count from the front."""
    return each_sample(lambda a: np.where(a < 0, a + size, a), index)


@known_as("PutBackward0")
def put(input: Tensor, index: Operand, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with the elements of ``source`` at the places ``index`` of the flat tensor, or added there: ``torch.Tensor.put``.

    Negative numbers count from the end. Raises ``IndexError`` out of bounds, ``ShapeError`` unless there are as many values as places.

    >>> import minigrad as mg
    >>> mg.put(mg.zeros(2, 2), mg.tensor([0, -1]), mg.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    array, shape = _integers("put", index), shape_of(input)
    size = math.prod(shape)
    if array.size != math.prod(shape_of(source)):
        raise ShapeError(f"put: {array.size} places for the {math.prod(shape_of(source))} elements of shape {shape_of(source)}")
    _check_bounds("put", array, size, 0, -size)
    where = each_sample(lambda a: np.unravel_index(a.reshape(-1), shape or (1,)), _from_front(array, size))
    values = take(source, np.arange(array.size))
    return _as_before(index_put(_vector(input), where, values, accumulate), input)


# ------------------------------------------------------------------------------------------- masks


def _mask(name: str, mask: Any) -> np.ndarray:
    array = array_of(mask)
    if array.dtype.kind != "b":
        raise TypeError(f"{name}: the mask must be boolean, not {array.dtype}")
    return array


@known_as("MaskedFillBackward0")
def masked_fill(input: Tensor, mask: Operand, value: Operand) -> Tensor:
    """``value`` where ``mask`` is True, ``input`` elsewhere; both broadcast: ``torch.masked_fill``. The dtype is that of ``input``.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0])
    >>> mg.masked_fill(x, x > 1, -1)
    tensor([ 1., -1.])
    """
    if shape_of(value):
        raise ShapeError(f"masked_fill: value must be a number or a 0-d tensor, not of shape {shape_of(value)}")
    value = cast(value, dtype=input.dtype) if hasattr(value, "dtype") else number_of("masked_fill", value, input.dtype)
    try:
        return ew.where(_mask("masked_fill", mask), value, input)
    except ShapeError:
        shapes = f"input {shape_of(input)} and mask {shape_of(mask)}"
        raise ShapeError(f"masked_fill: {shapes} do not broadcast: aligned at the last dimension, sizes must be equal or 1") from None


@known_as("MaskedSelectBackward0")
def masked_select(input: Tensor, mask: Operand) -> Tensor:
    """The elements where ``mask`` is True, as a vector; both broadcast: ``torch.masked_select``."""
    array, shape = np.asarray(_mask("masked_select", mask)), shape_of(input)
    meet = _meet("masked_select", shape, array.shape)
    if not meet:
        return getitem(getitem(input, index=(None,)), index=(array.reshape(1),))
    return getitem(input if shape == meet else broadcast_to(input, shape=meet), index=(np.broadcast_to(array, meet),))


@known_as("MaskedScatterBackward0")
def masked_scatter(input: Tensor, mask: Operand, source: Operand) -> Tensor:
    """``input`` with the first elements of ``source`` where ``mask`` is True, in row-major order: ``torch.masked_scatter``."""
    require_dtype("masked_scatter", input, source=source)
    array, shape = _mask("masked_scatter", mask), shape_of(input)
    meet = _meet("masked_scatter", shape, array.shape)
    if is_batched(array):
        return _from_source(input, array, source, meet)
    array = np.broadcast_to(array, meet)
    need, have = int(array.sum()), int(np.prod(shape_of(source)))
    if have < need:
        raise ShapeError(f"masked_scatter: the mask asks for {need} elements, source has {have}")
    values = take(source, np.arange(need))
    return setitem(input if shape == meet else broadcast_to(input, shape=meet), values, index=(array,))


def _from_source(input: Any, mask: Any, source: Any, shape: tuple[int, ...]) -> Any:
    """:func:`masked_scatter` with a mask that differs from sample to sample: each element looks up its own place in ``source``."""
    counts = each_sample(lambda mask: np.broadcast_to(mask, shape).cumsum().reshape(shape), mask)
    need, have = int(numbers_of(counts).max(initial=0)), int(np.prod(shape_of(source)))
    if have < need:
        raise ShapeError(f"masked_scatter: the mask asks for {need} elements, source has {have}")
    if not need:
        return masked_scatter(input, np.zeros(shape, bool), source)
    return ew.where(lifted(mask), take(source, each_sample(lambda counts: np.maximum(counts - 1, 0), counts)), input)


def _meet(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast") from None


# ----------------------------------------------------------------------------------- integers in, integers out


@op(input=None)
def argwhere(input: Array) -> Array:
    """The indices of the nonzero elements, one row per element: ``torch.argwhere``.

    >>> import minigrad as mg
    >>> mg.argwhere(mg.tensor([[0, 5], [6, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return np.argwhere(input)


@op(x=None)
def _nonzero(x: Array) -> Array:
    return np.atleast_1d(x).nonzero()


@called_as(like.nonzero)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """:func:`argwhere`, or its columns as a tuple to index with: ``torch.nonzero``."""
    return _nonzero(input) if as_tuple else argwhere(input)


@batched(leading)
@op(input=None)
def one_hot(input: Array, num_classes: int = -1) -> Array:
    """One-hot vectors in a new last dimension, with 1 at the index given by ``input``: ``torch.nn.functional.one_hot``.

    Args:
        input: integers >= 0, any shape.
        num_classes: size of the new dimension; -1: one more than the largest.

    Raises ``ValueError`` for a class out of range.

    >>> import minigrad as mg
    >>> one_hot(mg.tensor([1, 0]), num_classes=3)
    tensor([[0, 1, 0],
            [1, 0, 0]])
    """
    input = np.asarray(input)
    if input.dtype.kind not in "iu":
        raise TypeError(f"one_hot: classes must be integers, not {input.dtype.name}")
    if input.size and input.min() < 0:
        raise ShapeError(f"one_hot: class {input.min()} is negative")
    if whole("one_hot", "num_classes", num_classes) == -1:
        if not input.size:
            raise ShapeError("one_hot: num_classes cannot be found out from an empty tensor; pass it")
        num_classes = int(input.max()) + 1
    if num_classes < (1 if input.size else 0):
        raise ValueError(f"one_hot: num_classes must be positive, not {num_classes}")
    if input.size and input.max() >= num_classes:
        wrong = input[input >= num_classes].flat[0]
        raise ShapeError(f"one_hot: class {wrong} is outside the {num_classes} classes (0..{num_classes - 1})")
    return (input[..., None] == np.arange(num_classes)).astype(np.int64)


public(__name__)
