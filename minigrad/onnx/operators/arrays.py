"""Shapes, pieces and copies of tensors; tensors from nothing; random ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.limits import room
from minigrad.onnx.reader import OnnxError, dtype_of_type
from minigrad.onnx.table import axis_of, constant, ints, number, operator
from minigrad.ops.index import getitem
from minigrad.ops.shape import pad_constant


@operator("Shape")
def _shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    return constant(np.array(x._data.shape[start:end], np.int64))


@operator("Size")
def _size(x: Any) -> Any:
    return constant(np.int64(x._data.size))


@operator("Reshape", settings=(1,))
def _reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    sizes = ints(shape, "shape")
    if not allowzero:
        sizes = [x._data.shape[i] if n == 0 and i < x._data.ndim else n for i, n in enumerate(sizes)]
    return mg.reshape(x, sizes)


@operator("Flatten")
def _flatten(x: Any, *, axis: int = 1) -> Any:
    axis = axis + x._data.ndim if axis < 0 else axis
    return mg.reshape(x, (math.prod(x._data.shape[:axis]), math.prod(x._data.shape[axis:])))


@operator("Squeeze", settings=(1,))
def _squeeze(x: Any, dims: Any = None, *, axes: tuple[int, ...] | None = None) -> Any:
    shape = x._data.shape
    chosen = ints(dims, "axes") if dims is not None else axes
    chosen = [i for i, n in enumerate(shape) if n == 1] if chosen is None else [axis_of(d, len(shape)) for d in chosen]
    if any(shape[d] != 1 for d in chosen):
        raise OnnxError(f"onnx: Squeeze: axes {chosen} of shape {shape} are not all of size 1")
    return mg.reshape(x, [n for i, n in enumerate(shape) if i not in chosen])


@operator("Unsqueeze", settings=(1,))
def _unsqueeze(x: Any, dims: Any = None, *, axes: tuple[int, ...] | None = None) -> Any:
    chosen = list(axes or ()) if dims is None else ints(dims, "axes")
    ndim = x._data.ndim + len(chosen)
    if ndim > 64:
        raise OnnxError(f"onnx: Unsqueeze: {ndim} dimensions; arrays have at most 64")
    places = {axis_of(d, ndim) for d in chosen}
    if len(places) < len(chosen):
        raise OnnxError(f"onnx: Unsqueeze: axes {chosen} of {ndim} dimensions name one twice")
    old = iter(x._data.shape)
    return mg.reshape(x, [1 if i in places else next(old) for i in range(ndim)])


@operator("Concat")
def _concat(*xs: Any, axis: int) -> Any:
    if xs and xs[0]._data.ndim:
        axis = axis_of(axis, xs[0]._data.ndim)
        sizes = list(xs[0]._data.shape)
        sizes[axis] = sum(x._data.shape[axis] for x in xs if x._data.ndim > axis)
        room(sizes, xs[0]._data.dtype)
    return xs[0] if len(xs) == 1 else mg.cat(xs, axis)


@operator("Split", settings=(1,))
def _split(
    x: Any, sizes: Any = None, *, axis: int = 0, split: tuple[int, ...] | None = None, num_outputs: int | None = None, outputs: int
) -> Any:
    axis = axis_of(axis, x._data.ndim)
    n = x._data.shape[axis]
    parts = ints(sizes, "split") if sizes is not None else list(split or ())
    if not parts:
        count = num_outputs or outputs
        part = -(-n // count)
        parts = [min(part, max(n - i * part, 0)) for i in range(count)]
    if sum(parts) != n or min(parts, default=0) < 0:
        raise OnnxError(f"onnx: Split: parts of {parts} do not make the {n} along axis {axis}")
    return tuple(mg.split(x, parts, axis))


@operator("Slice", settings=(1, 2, 3, 4))
def _slice(
    x: Any,
    begins: Any = None,
    stops: Any = None,
    dims: Any = None,
    steps: Any = None,
    *,
    starts: tuple[int, ...] = (),
    ends: tuple[int, ...] = (),
    axes: tuple[int, ...] | None = None,
) -> Any:
    begin, end = (list(starts), list(ends)) if begins is None else (ints(begins, "starts"), ints(stops, "ends"))
    chosen = list(range(len(begin))) if dims is None and axes is None else list(axes or ()) if dims is None else ints(dims, "axes")
    step = [1] * len(begin) if steps is None else ints(steps, "steps")
    index: list[Any] = [slice(None)] * x._data.ndim
    for a, b, axis, s in zip(begin, end, chosen, step, strict=True):
        index[axis_of(axis, x._data.ndim)] = _piece(a, b, s, x._data.shape[axis])
    return getitem(x, (*index, Ellipsis))


def _piece(start: int, end: int, step: int, n: int) -> slice:
    """ONNX's slice as Python's: bounds are clamped to the axis, and a negative step may go past its begin."""
    if step == 0:
        raise OnnxError("onnx: Slice: a step of 0")
    start = start + n if start < 0 else start
    end = end + n if end < 0 else end
    if step > 0:
        return slice(min(max(start, 0), n), min(max(end, 0), n), step)
    start, end = min(max(start, 0), n - 1), min(max(end, -1), n - 1)
    return slice(start, None if end < 0 else end, step) if n else slice(0, 0)


@operator("Expand", settings=(1,))
def _expand(x: Any, shape: Any) -> Any:
    sizes = np.broadcast_shapes(x._data.shape, tuple(ints(shape, "shape")))
    return mg.broadcast_to(x, room(sizes, x._data.dtype))


@operator("Tile", settings=(1,))
def _tile(x: Any, repeats: Any) -> Any:
    times = ints(repeats, "repeats")
    room([n * t for n, t in zip(x._data.shape, times, strict=True)], x._data.dtype)
    return mg.tile(x, tuple(times))


@operator("Pad", settings=(1, 2, 3))
def _pad(
    x: Any,
    widths: Any = None,
    filling: Any = None,
    dims: Any = None,
    *,
    mode: str = "constant",
    pads: tuple[int, ...] = (),
    value: float = 0.0,
) -> Any:
    given = ints(widths, "pads") if widths is not None else list(pads)
    ndim = x._data.ndim
    chosen = list(range(ndim)) if dims is None else [axis_of(d, ndim) for d in ints(dims, "axes")]
    if len(given) != 2 * len(chosen):
        raise OnnxError(f"onnx: Pad: {len(given)} pads for {len(chosen)} axes")
    pairs = [(0, 0)] * ndim
    for i, d in enumerate(chosen):
        pairs[d] = (given[i], given[len(chosen) + i])
    room([n + a + b for n, (a, b) in zip(x._data.shape, pairs, strict=True)], x._data.dtype)
    cut = tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x._data.shape, pairs, strict=True)])
    if any(a < 0 or b < 0 for a, b in pairs):
        x = getitem(x, (*cut, Ellipsis))
    pairs = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if mode == "constant":
        return pad_constant(x, widths=tuple(pairs), value=value if filling is None else number(filling))
    if mode not in ("reflect", "edge", "wrap"):
        raise OnnxError(f"onnx: Pad: mode {mode!r} is not known")
    for d, pair in enumerate(pairs):
        if pair != (0, 0):
            places = np.pad(np.arange(x._data.shape[d]), pair, mode)  # type: ignore[call-overload]
            x = mg.index_select(x, d, constant(places))
    return x


@operator("Trilu", settings=(1,))
def _trilu(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    return (mg.triu if upper else mg.tril)(x, 0 if k is None else int(number(k)))


@operator("DepthToSpace")
def _depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    if mode == "CRD":
        return mg.pixel_shuffle(x, blocksize)
    n, c, h, w = x._data.shape
    y = mg.reshape(x, (n, blocksize, blocksize, c // blocksize**2, h, w))
    return mg.reshape(mg.permute(y, (0, 3, 4, 1, 5, 2)), (n, c // blocksize**2, h * blocksize, w * blocksize))


@operator("SpaceToDepth")
def _space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x._data.shape
    y = mg.reshape(x, (n, c, h // blocksize, blocksize, w // blocksize, blocksize))
    y = mg.permute(y, (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4))
    return mg.reshape(y, (n, c * blocksize**2, h // blocksize, w // blocksize))


@operator("ReverseSequence", settings=(1,))
def _reverse_sequence(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    batch, time = axis_of(batch_axis, x._data.ndim), axis_of(time_axis, x._data.ndim)
    steps = np.arange(x._data.shape[time])[:, None]
    n = np.asarray(ints(lengths, "sequence_lens"))[None, :]
    places = np.where(steps < n, n - 1 - steps, steps)  # time, batch
    index: list[Any] = [slice(None)] * x._data.ndim
    if {batch, time} != {0, 1}:
        raise OnnxError("onnx: ReverseSequence: the axes of time and batch are 0 and 1")
    index[time] = places if time == 0 else places.T
    index[batch] = np.arange(n.size)[None, :] if time == 0 else np.arange(n.size)[:, None]
    return getitem(x, tuple(index))


# ------------------------------------------------------------------------------------------------- from nothing, random


@operator("Constant")
def _constant(
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: tuple[float, ...] | None = None,
    value_int: int | None = None,
    value_ints: tuple[int, ...] | None = None,
) -> Any:
    if value is not None:
        return constant(value)
    floats = value_float if value_float is not None else value_floats
    integers = value_int if value_int is not None else value_ints
    return constant(np.asarray(floats, np.float32) if integers is None else np.asarray(integers, np.int64))


@operator("ConstantOfShape", settings=(0,))
def _constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    filling = np.zeros(1, np.float32) if value is None else value
    return constant(np.full(room(ints(shape, "shape"), filling.dtype), filling.reshape(-1)[0], filling.dtype))


@operator("Range", settings=(0, 1, 2))
def _range(start: Any, limit: Any, delta: Any, *, stash_type: int = 1) -> Any:  # it is computed in float64
    dtype = start._data.dtype
    a, b, step = number(start), number(limit), number(delta)
    if step == 0:
        raise OnnxError("onnx: Range: a step of 0")
    (count,) = room([max(math.ceil((b - a) / step), 0)], dtype)
    return constant((a + np.arange(count) * step).astype(dtype))


@operator("EyeLike")
def _eye_like(x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    rows, columns = x._data.shape
    return constant(np.eye(rows, columns, k, dtype=x._data.dtype if dtype is None else dtype_of_type(dtype)))


def _uniform(shape: Any, dtype: Any, low: float, high: float) -> Any:
    room(shape, np.float64)
    return (mg.rand(tuple(shape), dtype=mg.float64) * (high - low) + low).to(dtype)


def _normal(shape: Any, dtype: Any, mean: float, scale: float) -> Any:
    room(shape, np.float64)
    return (mg.randn(tuple(shape), dtype=mg.float64) * scale + mean).to(dtype)


@operator("RandomUniform")
def _random_uniform(*, shape: tuple[int, ...], dtype: int = 1, high: float = 1.0, low: float = 0.0, seed: float | None = None) -> Any:
    return _uniform(shape, dtype_of_type(dtype), low, high)


@operator("RandomNormal")
def _random_normal(*, shape: tuple[int, ...], dtype: int = 1, mean: float = 0.0, scale: float = 1.0, seed: float | None = None) -> Any:
    return _normal(shape, dtype_of_type(dtype), mean, scale)


@operator("RandomUniformLike")
def _random_uniform_like(x: Any, *, dtype: int | None = None, high: float = 1.0, low: float = 0.0, seed: float | None = None) -> Any:
    return _uniform(x._data.shape, x._data.dtype if dtype is None else dtype_of_type(dtype), low, high)


@operator("RandomNormalLike")
def _random_normal_like(x: Any, *, dtype: int | None = None, mean: float = 0.0, scale: float = 1.0, seed: float | None = None) -> Any:
    return _normal(x._data.shape, x._data.dtype if dtype is None else dtype_of_type(dtype), mean, scale)


@operator("Bernoulli")
def _bernoulli(x: Any, *, dtype: int | None = None, seed: float | None = None) -> Any:
    return mg.bernoulli(x.detach()).to(x._data.dtype if dtype is None else dtype_of_type(dtype))


@operator("Multinomial")
def _multinomial(x: Any, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None) -> Any:
    room([*x._data.shape[:1], sample_size], np.float64)
    return mg.multinomial(mg.softmax(x.detach(), -1), sample_size, replacement=True).to(dtype_of_type(dtype))
