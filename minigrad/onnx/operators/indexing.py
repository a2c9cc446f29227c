"""Operators that take and put elements, sort, and compare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.limits import room
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import axis_of, constant, ints, number, operator
from minigrad.ops.index import getitem
from minigrad.ops.shape import pad_constant


def _places(indices: Any, n: int, what: str) -> np.ndarray:
    """Indices from the front. Raises :class:`OnnxError` for one outside."""
    data = indices._data
    if data.dtype.kind not in "iu":
        raise OnnxError(f"onnx: {what}: indices must be integers, not {data.dtype.name}")
    if data.size and not -n <= data.min() <= data.max() < n:
        raise OnnxError(f"onnx: {what}: an index from {data.min()} to {data.max()} along an axis of {n}")
    return np.where(data < 0, data + n, data).astype(np.int64)


@operator("Gather")
def _gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis_of(axis, x._data.ndim)
    places = _places(indices, x._data.shape[axis], "Gather")
    shape = x._data.shape
    room([*shape[:axis], *places.shape, *shape[axis + 1 :]], x._data.dtype)
    if not places.ndim:
        return mg.select(x, axis, int(places))
    return getitem(x, (*[slice(None)] * axis, places))


@operator("GatherElements")
def _gather_elements(x: Any, indices: Any, *, axis: int = 0) -> Any:
    axis = axis_of(axis, x._data.ndim)
    return mg.gather(x, axis, constant(_places(indices, x._data.shape[axis], "GatherElements")))


def _nd(x: Any, indices: Any, batch: int, what: str) -> tuple[Any, ...]:
    """The index, one array for each dimension, of tuples of positions."""
    data, shape = indices._data, x._data.shape
    if not data.ndim or not 1 <= data.shape[-1] <= len(shape) - batch or data.shape[:batch] != shape[:batch]:
        raise OnnxError(f"onnx: {what}: indices of shape {data.shape} for a tensor of shape {shape}")
    lead = [np.arange(n).reshape([-1 if i == d else 1 for i in range(data.ndim - 1)]) for d, n in enumerate(shape[:batch])]
    return (*lead, *[_places(constant(data[..., i]), shape[batch + i], what) for i in range(data.shape[-1])])


@operator("GatherND")
def _gather_nd(x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    index = _nd(x, indices, batch_dims, "GatherND")
    room([*indices._data.shape[:-1], *x._data.shape[len(index) :]], x._data.dtype)
    return getitem(x, index)


_KINDS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@operator("ScatterElements", "Scatter")
def _scatter_elements(x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none") -> Any:
    axis = axis_of(axis, x._data.ndim)
    places = constant(_places(indices, x._data.shape[axis], "ScatterElements"))
    if reduction == "none":
        return mg.scatter(x, axis, places, updates)
    return mg.scatter_reduce(x, axis, places, updates, _KINDS[reduction])


@operator("ScatterND")
def _scatter_nd(x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    index = _nd(x, indices, 0, "ScatterND")
    if reduction == "none":
        return mg.index_put(x, index, updates)
    if reduction == "add":
        return mg.index_put(x, index, updates, accumulate=True)
    shape, depth = x._data.shape, len(index)
    rows = np.ravel_multi_index([i.reshape(-1) for i in index], shape[:depth])
    inner = math.prod(shape[depth:])
    cells = (rows[:, None] * inner + np.arange(inner)).reshape(-1)
    flat = mg.scatter_reduce(mg.reshape(x, (-1,)), 0, constant(cells), mg.reshape(updates, (-1,)), _KINDS[reduction])
    return mg.reshape(flat, shape)


@operator("TensorScatter", settings=(2,))
def _tensor_scatter(past: Any, update: Any, write: Any = None, *, axis: int = -2, mode: str = "linear") -> Any:
    axis = axis_of(axis, past._data.ndim)
    shape, count = past._data.shape, update._data.shape[axis]
    begin = np.zeros(shape[0], np.int64) if write is None else write._data.astype(np.int64)
    rows = begin[:, None] + np.arange(count)
    if mode == "circular":
        rows = rows % shape[axis]
    elif rows.size and (rows.min() < 0 or rows.max() >= shape[axis]):
        raise OnnxError("onnx: TensorScatter: writes past the end")
    view = [1] * past._data.ndim
    view[0], view[axis] = shape[0], count
    places = np.broadcast_to(rows.reshape(view), update._data.shape)
    return mg.scatter(past, axis, constant(np.ascontiguousarray(places)), update)


@operator("OneHot", settings=(1, 2))
def _one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    data, n = indices._data, int(number(depth))
    axis = axis_of(axis, data.ndim + 1)
    room([*data.shape, n], values._data.dtype)
    places = data.astype(np.int64)
    hit = np.expand_dims(np.where(places < 0, places + n, places), axis) == np.arange(n).reshape(
        [-1 if i == axis else 1 for i in range(data.ndim + 1)]
    )
    off, on = values._data
    return constant(np.where(hit, on, off).astype(values._data.dtype))


@operator("NonZero")
def _nonzero(x: Any) -> Any:
    return constant(np.array(np.nonzero(np.atleast_1d(x._data)), np.int64))


@operator("TopK", settings=(1,))
def _topk(x: Any, given: Any = None, *, k: int | None = None, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    if given is None and k is None:
        raise OnnxError("onnx: TopK: there is no k")
    axis, count = axis_of(axis, x._data.ndim), int(number(given)) if k is None else k  # an attribute before version 10
    data = x._data
    if not 0 <= count <= data.shape[axis]:
        raise OnnxError(f"onnx: TopK: k is {count}, and the axis has {data.shape[axis]}")
    key = (-data if data.dtype.kind == "f" else -1 - data if data.dtype.kind == "i" else data.max(initial=0) - data) if largest else data
    places = constant(np.take(np.argsort(key, axis, kind="stable"), np.arange(count), axis).astype(np.int64))
    return mg.gather(x, axis, places), places


@operator("Unique")
def _unique(x: Any, *, axis: int | None = None, sorted: int = 1) -> Any:
    values, first, inverse, counts = np.unique(x._data, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, 0 if axis is None else axis)
        first, counts = first[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return (constant(values), *[constant(v.astype(np.int64)) for v in (first, inverse, counts)])


@operator("Compress", settings=(1,))
def _compress(x: Any, condition: Any, *, axis: int | None = None) -> Any:
    if axis is None:
        x, axis = mg.reshape(x, (-1,)), 0
    kept = np.flatnonzero(condition._data)
    return mg.index_select(x, axis_of(axis, x._data.ndim), constant(kept[kept < x._data.shape[axis]]))


@operator("CenterCropPad", settings=(1,))
def _center_crop_pad(x: Any, shape: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    chosen = range(x._data.ndim) if axes is None else axes
    for axis, n in zip(chosen, ints(shape, "shape"), strict=True):
        axis, old = axis_of(axis, x._data.ndim), x._data.shape[axis]
        room([n if i == axis else m for i, m in enumerate(x._data.shape)], x._data.dtype)
        if n < old:
            x = mg.narrow(x, axis, (old - n) // 2, n)
        elif n > old:
            before = (n - old) // 2
            x = pad_constant(x, widths=tuple([(before, n - old - before) if i == axis else (0, 0) for i in range(x._data.ndim)]))
    return x
