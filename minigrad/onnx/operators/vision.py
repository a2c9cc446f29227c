"""Images: other sizes, points of a grid, regions, boxes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.nn.detection import nms
from minigrad.onnx.limits import room
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import axis_of, constant, ints, number, operator
from minigrad.ops.index import getitem

# ------------------------------------------------------------------------------------------------------------- another size


def _coordinates(out: int, size: int, scale: float, length: float, mode: str, roi: tuple[float, float]) -> np.ndarray:
    """Where in the input the pixels of the output are, along one axis."""
    x = np.arange(out, dtype=np.float64)
    if mode == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - out / length) + (x + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if out > 1 else np.zeros(out)
    if mode == "align_corners":
        return x * (size - 1) / (length - 1) if length != 1 else np.zeros(out)
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if out > 1:
            return start * (size - 1) + x * (end - start) * (size - 1) / (length - 1)
        return np.full(out, 0.5 * (start + end) * (size - 1))
    raise OnnxError(f"onnx: Resize: coordinates {mode!r} are not known")


_NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    d = np.abs(d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _matrix(at: np.ndarray, size: int, scale: float, mode: str, a: float, exclude: bool, antialias: bool) -> np.ndarray:
    """The weights of the input's pixels (columns) in each of the output's (rows)."""
    reach = 2 if mode == "cubic" else 1
    narrow = min(scale, 1.0) if antialias else 1.0
    wide = math.ceil(reach / narrow)
    room((len(at), size), np.float64)
    room((4, max(len(at), 1), 2 * wide), np.float64)  # pixels that reach it, their distances and weights
    cells = np.floor(at)[:, None] + np.arange(1 - wide, wide + 1)
    distance = (cells - at[:, None]) * narrow
    weights = _cubic(distance, a) if mode == "cubic" else np.maximum(1 - np.abs(distance), 0)
    if exclude:
        weights = np.where((cells >= 0) & (cells < size), weights, 0)
    if exclude or antialias:
        weights = weights / weights.sum(1, keepdims=True)
    matrix = np.zeros((len(at), size))
    np.add.at(matrix, (np.arange(len(at))[:, None], np.clip(cells, 0, size - 1).astype(np.int64)), weights)
    return matrix


@operator("Resize", settings=(1, 2, 3))
def _resize(
    x: Any,
    *given: Any,
    antialias: int = 0,
    axes: tuple[int, ...] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
    opset: int,
) -> Any:
    if opset < 11:  # the second input is the scales, and coordinates are asymmetric
        given, coordinate_transformation_mode, nearest_mode = (None, *given[:1]), "asymmetric", "floor"
    roi, scales, sizes = (*given, None, None, None)[:3]
    shape, ndim = x._data.shape, x._data.ndim
    chosen = list(range(ndim)) if axes is None else [axis_of(d, ndim) for d in axes]
    if scales is not None and scales._data.size:
        factors = dict(zip(chosen, [float(v) for v in scales._data], strict=True))
        if min(factors.values()) <= 0 or not all(map(math.isfinite, factors.values())):
            raise OnnxError("onnx: Resize: scales must be positive")
        outs = {d: math.floor(shape[d] * f) for d, f in factors.items()}
        lengths = {d: shape[d] * f for d, f in factors.items()}
    elif sizes is not None:
        outs = dict(zip(chosen, ints(sizes, "sizes"), strict=True))
        factors = {d: n / shape[d] for d, n in outs.items()}
        if keep_aspect_ratio_policy != "stretch":
            one = (min if keep_aspect_ratio_policy == "not_larger" else max)(factors.values())
            factors = dict.fromkeys(chosen, one)
            outs = {d: math.floor(shape[d] * one + 0.5) for d in chosen}
        lengths = {d: float(n) for d, n in outs.items()}
    else:
        raise OnnxError("onnx: Resize: neither scales nor sizes are given")
    room([outs.get(d, n) for d, n in enumerate(shape)], x._data.dtype)
    regions = (
        dict(zip(chosen, zip(roi._data[: len(chosen)], roi._data[len(chosen) :], strict=True), strict=True))
        if roi is not None and roi._data.size
        else {}
    )
    crop = coordinate_transformation_mode == "tf_crop_and_resize"
    outside = []
    y = x
    for d in chosen:
        region = tuple(map(float, regions.get(d, (0.0, 1.0))))
        if outs[d] == shape[d] and factors[d] == 1 and not (crop and region != (0.0, 1.0)):
            continue
        at = _coordinates(outs[d], shape[d], factors[d], lengths[d], coordinate_transformation_mode, region)  # type: ignore[arg-type]
        if crop:
            outside.append((d, (at < 0) | (at > shape[d] - 1)))
        if mode == "nearest":
            if nearest_mode not in _NEAREST:
                raise OnnxError(f"onnx: Resize: nearest_mode {nearest_mode!r} is not known")
            places = np.clip(_NEAREST[nearest_mode](at), 0, shape[d] - 1).astype(np.int64)
            y = getitem(y, (*[slice(None)] * d, places))
        else:
            weights = _matrix(at, shape[d], factors[d], mode, cubic_coeff_a, bool(exclude_outside), bool(antialias))
            dtype = y._data.dtype if y._data.dtype.kind == "f" else np.dtype(np.float32)
            turned = mg.movedim(y.to(dtype), d, -1)
            y = mg.movedim(mg.matmul(turned, constant(weights.T.astype(dtype))), -1, d)
    if y._data.dtype != x._data.dtype:
        limits = np.iinfo(x._data.dtype)
        y = constant(np.clip(np.rint(y._data), limits.min, limits.max).astype(x._data.dtype))
    for d, mask in outside:
        if mask.any():
            view = [-1 if i == d else 1 for i in range(ndim)]
            y = mg.where(constant(mask.reshape(view)), mg.full((), extrapolation_value, dtype=y._data.dtype), y)
    return y


@operator("Upsample", settings=(1,))
def _upsample(x: Any, factors: Any = None, *, mode: str = "nearest", scales: tuple[float, ...] | None = None) -> Any:
    found = constant(np.asarray(scales, np.float32)) if factors is None else factors
    return _resize(x, None, found, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor", opset=11)


@operator("GridSample")
def _grid_sample(x: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros") -> Any:
    names = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "bicubic", "bicubic": "bicubic"}
    if mode not in names or x._data.ndim != grid._data.ndim:
        raise OnnxError(f"onnx: GridSample: mode {mode!r}, input of shape {x._data.shape}, grid {grid._data.shape}")
    return F.grid_sample(x, grid, names[mode], padding_mode, bool(align_corners))


@operator("AffineGrid", settings=(1,))
def _affine_grid(theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    return F.affine_grid(theta, room(ints(size, "size"), theta._data.dtype), bool(align_corners))


# ------------------------------------------------------------------------------------------------------------------- boxes


@operator("RoiAlign")
def _roi_align(
    x: Any,
    rois: Any,
    batch: Any,
    *,
    coordinate_transformation_mode: str | None = None,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    opset: int,
) -> Any:
    kind = coordinate_transformation_mode or ("output_half_pixel" if opset < 16 else "half_pixel")
    shift = 0.5 if kind == "half_pixel" else 0.0
    _, channels, height, width = x._data.shape
    data, parts = rois._data.astype(np.float64), []
    room([len(data), channels, output_height, output_width], x._data.dtype)
    for (x1, y1, x2, y2), image in zip(data * spatial_scale - shift, ints(batch, "batch_indices"), strict=True):
        w, h = x2 - x1, y2 - y1
        if not shift:
            w, h = max(w, 1.0), max(h, 1.0)
        ry = sampling_ratio or max(math.ceil(h / output_height), 1)
        rx = sampling_ratio or max(math.ceil(w / output_width), 1)
        rows = _bilinear(y1 + (np.arange(output_height * ry) + 0.5) * h / output_height / ry, height)
        columns = _bilinear(x1 + (np.arange(output_width * rx) + 0.5) * w / output_width / rx, width)
        dtype = x._data.dtype
        if mode == "max":  # of the four weighted pixels of each point, as the standard has it
            parts.append(_greatest_of_points(x[image], rows, columns, output_height, output_width, ry, rx))
            continue
        down = rows.reshape(output_height, ry, -1).mean(1).astype(dtype)
        across = columns.reshape(output_width, rx, -1).mean(1).astype(dtype)
        parts.append(mg.matmul(mg.matmul(constant(down), x[image]), constant(np.ascontiguousarray(across.T))))
    return mg.stack(parts) if parts else mg.zeros(0, channels, output_height, output_width, dtype=x._data.dtype)


def _bilinear(at: np.ndarray, size: int) -> np.ndarray:
    """The weights of the pixels for points along an axis; none for points outside."""
    inside = (at >= -1) & (at <= size)
    at = np.clip(at, 0, size - 1)
    low = np.minimum(np.floor(at).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((len(at), size))
    np.add.at(matrix, (np.arange(len(at)), low), (1 - (at - low)) * inside)
    np.add.at(matrix, (np.arange(len(at)), high), (at - low) * inside)
    return matrix


def _greatest_of_points(image: Any, rows: np.ndarray, columns: np.ndarray, oh: int, ow: int, ry: int, rx: int) -> Any:
    def ends(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        low = np.argmax(matrix != 0, 1)
        high = matrix.shape[1] - 1 - np.argmax(matrix[:, ::-1] != 0, 1)
        index = np.arange(len(matrix))
        first, second = matrix[index, low], np.where(high > low, matrix[index, high], 0)
        return low, high, first, second

    y0, y1, a0, a1 = ends(rows)
    x0, x1, b0, b1 = ends(columns)
    best = None
    for ys, a in ((y0, a0), (y1, a1)):
        for xs, b in ((x0, b0), (x1, b1)):
            value = image[:, ys[:, None], xs[None, :]] * constant((a[:, None] * b).astype(image._data.dtype))
            best = value if best is None else mg.maximum(best, value)
    assert best is not None
    return mg.amax(mg.reshape(best, (-1, oh, ry, ow, rx)), [2, 4])


@operator("NonMaxSuppression", settings=(2, 3, 4))
def _non_max_suppression(
    boxes: Any, scores: Any, most: Any = None, iou: Any = None, least: Any = None, *, center_point_box: int = 0
) -> Any:
    limit = 0 if most is None else int(number(most))
    threshold = 0.0 if iou is None else number(iou)
    floor = None if least is None else number(least)
    data = boxes._data
    if center_point_box:
        centre, half = data[..., :2], data[..., 2:] / 2
        data = np.concatenate([centre - half, centre + half], -1)
    else:  # y and x of any two opposite corners
        data = np.concatenate([np.minimum(data[..., :2], data[..., 2:]), np.maximum(data[..., :2], data[..., 2:])], -1)
    found = []
    for image, (corners, rows) in enumerate(zip(data, scores._data, strict=True)):
        for kind, values in enumerate(rows):
            inside = np.arange(len(values)) if floor is None else np.flatnonzero(values > floor)
            kept = nms(constant(corners[inside]), constant(values[inside]), threshold)._data[:limit] if inside.size else inside
            found += [(image, kind, int(inside[i])) for i in kept]
    return constant(np.array(found, np.int64).reshape(-1, 3))
