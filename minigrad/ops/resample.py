"""Resampling of images to another size or at the points of a grid. Composed of ops, so it has derivatives of any order.

Interpolation to another size is linear in the pixels and separable: one matrix per axis. Sampling at the points of a grid is a weighted
sum of the pixels around each point. It is linear in the pixels, and smooth in a point except where the point moves to the next pixel.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minigrad.engine import ShapeError, entitled, known_as, public, shape_of
from minigrad.ops.arguments import along, whole
from minigrad.ops.batching import sample_by_sample
from minigrad.ops.elementwise import where
from minigrad.ops.index import getitem
from minigrad.ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, take_cells
from minigrad.ops.precision import in_float32
from minigrad.ops.products import matmul
from minigrad.ops.reduce import sum
from minigrad.ops.shape import reshape, transpose, unsqueeze
from minigrad.tree import array_of, unwrapped
from minigrad.types import Tensor

F = TypeVar("F", bound=Callable[..., np.ndarray])
SMALL = 1 << 14  # elements of a matrix, at most, that is kept for the next call

# -------------------------------------------------------------------------------------------- another size


def _triangle(d: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - np.abs(d), 0.0)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """The kernel of Keys' cubic convolution."""
    d = np.abs(d)
    near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    far = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))


def _lanczos(d: np.ndarray) -> np.ndarray:
    return np.where(np.abs(d) < 3.0, np.sinc(d) * np.sinc(d / 3.0), 0.0)


# mode -> spatial dimensions (None: 1 to 3), how far its filter reaches, the filter where it is widened against aliasing
_MODES: dict[str, tuple[int | None, int, Any]] = {
    "nearest": (None, 0, None),
    "nearest-exact": (None, 0, None),
    "area": (None, 0, None),
    "linear": (1, 1, None),
    "bilinear": (2, 1, _triangle),
    "trilinear": (3, 1, None),
    "bicubic": (2, 2, lambda d: _cubic(d, -0.5)),
    "lanczos": (2, 3, _lanczos),
}


_TITLES = {mode: "".join(part.capitalize() for part in mode.split("-")) for mode in _MODES}  # in PyTorch's names of nodes


def _kept(function: F) -> F:
    """``function`` of sizes and options, which keeps the small arrays that it made: all calls share these."""

    @functools.lru_cache(maxsize=256)
    def small(*args: Any) -> np.ndarray:
        made = function(*args)
        made.flags.writeable = False
        return made

    def call(size: int, out: int, *options: Any) -> np.ndarray:
        return small(size, out, *options) if size * out <= SMALL else function(size, out, *options)

    return functools.update_wrapper(call, function)  # type: ignore[return-value]


@_kept
def _interpolation(size: int, out: int, reach: int, align_corners: bool, scale: float | None, dtype: Any) -> np.ndarray:
    """The matrix (out, size) that takes pixels to pixels between them, linear (``reach`` 1) or cubic (2)."""
    if align_corners:
        x = np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        x = (np.arange(out) + 0.5) * (size / out if scale is None else 1.0 / scale) - 0.5
    matrix = np.zeros((out, size))
    rows = np.arange(out)
    if reach == 1:
        x = np.maximum(x, 0.0)
        left = np.minimum(np.floor(x).astype(int), size - 1)
        share = np.where(left < size - 1, x - left, 0.0)
        np.add.at(matrix, (rows, left), 1.0 - share)
        np.add.at(matrix, (rows, np.minimum(left + 1, size - 1)), share)
    else:
        left = np.floor(x).astype(int)
        for tap in (-1, 0, 1, 2):
            np.add.at(matrix, (rows, np.clip(left + tap, 0, size - 1)), _cubic(x - left - tap, -0.75))
    return matrix.astype(dtype)


@_kept
def _filtering(size: int, out: int, mode: str, align_corners: bool, scale: float | None, dtype: Any) -> np.ndarray:
    """The matrix (out, size) of a filter that is widened if the image shrinks, so that every pixel contributes: Pillow's resampling."""
    _, reach, filter = _MODES[mode]
    between = (size - 1) / (out - 1) if out > 1 else 0.0
    step = between if align_corners else size / out if scale is None else 1.0 / scale
    wide = max(step, 1.0)
    center = (np.arange(out) + 0.5) * step
    first = np.maximum((center - reach * wide + 0.5).astype(np.int64), 0)
    last = np.minimum((center + reach * wide + 0.5).astype(np.int64), size)
    pixels = np.arange(size)
    matrix = filter((pixels - center[:, None] + 0.5) / wide)
    matrix = np.where((pixels >= first[:, None]) & (pixels < last[:, None]), matrix, 0.0)
    total = matrix.sum(1, keepdims=True)
    return np.divide(matrix, total, out=matrix, where=total != 0).astype(dtype)


@_kept
def _nearest(size: int, out: int, mode: str, dims: int, scale: float | None, dtype: Any) -> np.ndarray:
    """The index of the pixel that each new pixel copies, rounded as in PyTorch: in float32, except for float64 lines and volumes."""
    if dims == 2 and mode == "nearest":  # for these sizes of images the result is exact for any scale
        if out == size:
            return np.arange(out)
        if out == 2 * size:
            return np.arange(out) // 2
    real = np.dtype(np.float64 if dims != 2 and dtype == np.float64 else np.float32)
    step = real.type(size / out if scale is None else 1.0 / scale)
    places: np.ndarray = np.arange(out).astype(real)
    if mode == "nearest-exact":
        places = places + real.type(0.5)
    return np.minimum((places * step).astype(np.float32).astype(np.int64), size - 1)


@in_float32
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Images of another size: ``torch.nn.functional.interpolate``.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: the new sizes, a number or one for each dimension.
        scale_factor: instead of ``size``, a factor or one for each dimension.
        mode: 'nearest', 'nearest-exact', 'area', 'linear' (L), 'bilinear', 'bicubic' and 'lanczos' (H, W) or 'trilinear' (D, H, W).
        align_corners: whether the corner pixels keep their positions (not for the nearest modes and 'area').
        recompute_scale_factor: compute the factors again from the rounded sizes.
        antialias: if the image shrinks, use a wider filter, as Pillow does (for 'bilinear' and 'bicubic'; 'lanczos' always does).

    Raises ``ValueError`` for a mode that does not fit the number of dimensions, or unless exactly one of ``size`` and ``scale_factor`` is
    given; ``TypeError`` for integers, except in the nearest modes.

    >>> import minigrad as mg
    >>> from minigrad.ops.resample import interpolate
    >>> interpolate(mg.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    shape, dtype = shape_of(input), unwrapped(input).dtype
    dims = len(shape) - 2
    flat = mode in ("nearest", "nearest-exact", "area")
    wanted, reach, filter = _MODES.get(mode, (0, 0, None))
    if dims not in (1, 2, 3) or wanted not in (None, dims):
        raise ValueError(f"interpolate: mode {mode!r} does not fit an input of shape {shape}")
    if flat and align_corners is not None:
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}")
    if antialias and filter is None:
        raise ValueError(f"interpolate: antialias goes with the modes 'bilinear', 'bicubic' and 'lanczos', not with {mode!r}")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: mode 'lanczos' needs antialias=True, and goes without align_corners")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None and recompute_scale_factor:
        raise ValueError("interpolate: recompute_scale_factor has no meaning with a size")
    if reach and dtype.kind != "f":
        raise TypeError(f"interpolate: mode {mode!r} needs floating pixels, not {dtype.name}; convert them, as in x.float()")
    given = size if scale_factor is None else scale_factor
    each = list(given) if isinstance(given, (list, tuple)) else [given] * dims
    if len(each) != dims:
        raise ValueError(f"interpolate: {len(each)} sizes or factors for an input of shape {shape} with {dims} spatial dimensions")
    scales: list[float | None] = [None] * dims
    if scale_factor is None:
        sizes = [whole("interpolate", "size", s) for s in each]
    else:
        sizes = [math.floor(n * float(s)) for n, s in zip(shape[2:], each, strict=True)]
        if not recompute_scale_factor:
            scales = [float(s) for s in each]
    if min(sizes) < 1 or min(shape[1:]) < 1:
        raise ShapeError(f"interpolate: an input of shape {shape} would become {(*shape[:2], *sizes)}")
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, tuple(sizes))
    out: Any = input
    for i, (n, m, scale) in enumerate(zip(shape[2:], sizes, scales, strict=True)):
        dim = i + 2
        if n == m and scale in (None, 1.0):
            continue
        if flat:
            out = getitem(out, index=along(dim, _nearest(n, m, mode, dims, scale, dtype)))
        else:
            if antialias:
                matrix = _filtering(n, m, mode, bool(align_corners), scale, dtype)
            else:
                matrix = _interpolation(n, m, reach, bool(align_corners), scale, dtype)
            out = transpose(matmul(transpose(out, dim, -1), matrix.T), dim, -1) if i < dims - 1 else matmul(out, matrix.T)
    return out if out is input else entitled(out, f"Upsample{_TITLES[mode]}{dims}D{'Aa' if antialias else ''}Backward0")


def upsample(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None) -> Any:
    """:func:`interpolate` by its old name: ``torch.nn.functional.upsample``."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` with mode 'nearest': ``torch.nn.functional.upsample_nearest``."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Any:
    """:func:`interpolate` with mode 'bilinear' and aligned corners: ``torch.nn.functional.upsample_bilinear``."""
    return interpolate(input, size, scale_factor, "bilinear", True)


# ------------------------------------------------------------------------------------------ points of a grid


@known_as("AffineGridGeneratorBackward0")
@in_float32
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Any:
    """The pixel coordinates of an image after an affine map, as a grid for :func:`grid_sample`: ``torch.nn.functional.affine_grid``.

    Args:
        theta: (N, 2, 3), or (N, 3, 4) for volumes: a matrix and a shift for each image.
        size: (N, C, H, W), or (N, C, D, H, W): the size of the new image.
        align_corners: whether -1 and 1 are the centres of the corner pixels; else (the default) they are the edges of the image.

    Returns (N, H, W, 2), x before y, or (N, D, H, W, 3). Raises ``ShapeError`` for sizes that do not fit, ``TypeError`` for integers.

    >>> import minigrad as mg
    >>> from minigrad.ops.resample import affine_grid
    >>> affine_grid(mg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    size = tuple([int(n) for n in size])
    dims = len(size) - 2
    if dims not in (2, 3) or tuple(theta.shape) != (size[0], dims, dims + 1) or min(size) < 1:
        raise ShapeError(
            f"affine_grid: theta {tuple(theta.shape)} and size {size} must be (N, 2, 3) and (N, C, H, W), or (N, 3, 4) and (N, C, D, H, W)"
        )
    if theta.dtype.kind != "f":
        raise TypeError(f"affine_grid: theta must be floating, not {theta.dtype.name}")
    axes = []
    for n in size[2:]:
        points = np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
        axes.append(points if align_corners else points * ((n - 1) / n))
    meshes = np.meshgrid(*axes, indexing="ij")[::-1]  # x first
    base = np.stack([*meshes, np.ones(size[2:])], -1).reshape(-1, dims + 1).astype(theta.dtype)
    return reshape(matmul(base, transpose(theta, 1, 2)), (size[0], *size[2:], dims))


@known_as(lambda y: f"GridSampler{y.ndim - 2}DBackward0")
@in_float32
@sample_by_sample(whole="images")
def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None) -> Any:
    """Images sampled at the points of a grid: ``torch.nn.functional.grid_sample``.

    Args:
        input: (N, C, H, W), or (N, C, D, H, W).
        grid: (N, OH, OW, 2), or (N, OD, OH, OW, 3): x, y (and z) of each point, -1 to 1 across the image.
        mode: 'bilinear' (of volumes too), 'nearest', or 'bicubic' (of images).
        padding_mode: the values outside the image: 'zeros', 'border' (the nearest pixel of the edge) or 'reflection'.
        align_corners: whether -1 and 1 are the centres of the corner pixels; else (the default) they are the edges of the image.

    Returns (N, C, OH, OW). The gradient of ``grid`` is the slope between pixels, and 0 for 'nearest' and for points moved to the edge.

    Raises ``ShapeError`` for shapes that do not fit, ``ValueError`` for unknown modes, ``RuntimeError`` for dtypes that differ.

    >>> import minigrad as mg
    >>> from minigrad.ops.resample import grid_sample
    >>> image = mg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> grid_sample(image, mg.tensor([[[[0.0, 0.0], [-1.0, -1.0]]]]), align_corners=True)
    tensor([[[[2.5000, 1.0000]]]])
    """
    name, shapes = "grid_sample", f"input {tuple(input.shape)}, grid {tuple(grid.shape)}"
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != dims + 2 or grid.shape[-1] != dims or grid.shape[0] != input.shape[0]:
        raise ShapeError(f"{name}: needs (N, C, H, W) and (N, OH, OW, 2), or (N, C, D, H, W) and (N, OD, OH, OW, 3) ({shapes})")
    if min(input.shape[2:]) < 1:
        raise ShapeError(f"{name}: the input has no pixels ({shapes})")
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and dims == 3):
        raise ValueError(f"{name}: mode must be 'bilinear', 'nearest' or, for images, 'bicubic', not {mode!r} ({shapes})")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"{name}: padding_mode must be 'zeros', 'border' or 'reflection', not {padding_mode!r}")
    if input.dtype != grid.dtype or input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input and grid must be of one floating dtype, not {input.dtype.name} and {grid.dtype.name}")
    align = bool(align_corners)
    sizes = tuple(input.shape[2:])
    points = []
    for axis, n in enumerate(sizes):
        x = getitem(grid, index=(Ellipsis, dims - 1 - axis))
        x = (x + 1.0) * (0.5 * (n - 1)) if align else ((x + 1.0) * n - 1.0) * 0.5
        points.append(where(np.isfinite(array_of(x)), x, -100.0 - n))  # NaN and infinity become a point outside
    if mode != "bicubic":
        points = [_inside(x, n, padding_mode, align) for x, n in zip(points, sizes, strict=True)]
    if mode == "nearest":
        out = _read(input, [np.rint(array_of(x)).astype(np.int64) for x in points])
        still = sum(where(np.zeros(tuple(grid.shape), bool), grid, 0.0), dim=-1)  # zeros, which depend on the grid as in PyTorch
        return out + unsqueeze(still, 1)
    taps: list[list[tuple[np.ndarray, Any]]] = []  # for each axis: cells and their weights
    for x, n in zip(points, sizes, strict=True):
        left = np.floor(array_of(x))
        t = x - left
        if mode == "bilinear":
            taps.append([(left.astype(np.int64), 1.0 - t), (left.astype(np.int64) + 1, t)])
        else:
            cells = [_inside(left + tap, n, padding_mode, align) for tap in (-1.0, 0.0, 1.0, 2.0)]
            taps.append([(c.astype(np.int64), w) for c, w in zip(cells, _cubic_weights(t), strict=True)])
    out = None
    for corner in itertools.product(*taps):
        weight = math.prod([w for _, w in corner[1:]], start=corner[0][1])
        part = _read(input, [cells for cells, _ in corner]) * unsqueeze(weight, 1)
        out = part if out is None else out + part
    return out


def _cubic_weights(t: Any, a: float = -0.75) -> list[Any]:
    """Weights of the pixels at -1, 0, 1 and 2 for a point at ``t`` in [0, 1): Keys' cubic convolution."""

    def near(d: Any) -> Any:
        return (d * (a + 2.0) - (a + 3.0)) * d * d + 1.0

    def far(d: Any) -> Any:
        return ((d * a - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a

    return [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]


def _inside(x: Any, size: int, padding_mode: str, align: bool) -> Any:
    """Positions along an axis of ``size`` pixels; positions outside are moved according to ``padding_mode``."""
    if padding_mode == "zeros":
        return x
    data = array_of(x)
    value, slope = data, np.ones(data.shape, data.dtype)
    if padding_mode == "reflection":
        low, span = (0.0, float(size - 1)) if align else (-0.5, float(size))
        if span == 0.0:
            value, slope = np.zeros_like(data), np.zeros_like(data)
        else:
            away = np.abs(data - low)
            flips, rest = np.floor(away / span), np.fmod(away, span)
            odd = flips % 2 == 1
            value = np.where(odd, span - rest, rest) + low
            slope = np.where(odd != (data < low), -slope, slope)
    slope = np.where((value > 0) & (value < size - 1), slope, 0.0).astype(data.dtype)
    value = np.clip(value, 0, size - 1).astype(data.dtype)
    return (x - data) * slope + value  # `value`, with the derivative `slope`


def _read(input: Any, cells: list[np.ndarray]) -> Any:
    """The pixels (N C \\*outs) of the input (N C \\*sizes) at ``cells``, an index (N \\*outs) for each axis; zeros outside."""
    sizes = tuple(input.shape[2:])
    within = np.logical_and.reduce([(c >= 0) & (c < n) for c, n in zip(cells, sizes, strict=True)])
    flat = np.zeros(within.shape, np.int64)
    for c, n in zip(cells, sizes, strict=True):
        flat = flat * n + np.clip(c, 0, n - 1)
    index = np.broadcast_to(flat[:, None], (flat.shape[0], input.shape[1], *flat.shape[1:]))
    out = take_cells(input, index)
    return out if within.all() else where(within[:, None], out, 0.0)


public(__name__)
