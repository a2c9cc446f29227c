"""Pooling: the maximum or the mean of every window, and the transposed ops that compute their gradients.

If the index of each maximum is known, max pooling is linear: ``take_cells`` reads the cells at these indices, and its gradient
``put_cells`` (or ``max_pool_input``, by their numbers in the windows) adds to them. These are each other's transpose, as are ``avg_pool`` and
``avg_pool_input``, which gives derivatives of any order.

The number of spatial axes, 1 to 3, is in a function's name. The arithmetic is in :mod:`minigrad.kernels.pool`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, batched, known_as, linear_in, op, public, shape_of, tangent, unnamed, wrap
from minigrad.kernels import native
from minigrad.kernels import pool as kernels
from minigrad.kernels.native import pool as fast
from minigrad.kernels.windows import Axes, adaptive, sliding
from minigrad.ops import elementwise as ew
from minigrad.ops import signatures as like
from minigrad.ops.arguments import flag, number, whole
from minigrad.ops.batching import folded, leading, sample_by_sample
from minigrad.ops.precision import in_float32
from minigrad.ops.window_sizes import as_batch, by, fitted, per_axis
from minigrad.random import drawn
from minigrad.tree import array_of, unwrapped
from minigrad.types import Array, Operand, Size, Tensor, called_as

# -------------------------------------------------------------------------------------------------------- the ops


@batched(leading)
@op(which=None)
def flat_index(which: Array, axes: Any) -> Array:
    """The index in the flattened spatial axes of the input, for cell numbers of windows. ``which`` is N C \\*outs."""
    return kernels.flat_index(which, axes)


@unnamed
@tangent(x=lambda t, res, axes: take_cells(t, flat_index(res, axes=axes)))
@batched(folded)
@op(x=lambda g, x_shape, res, axes: max_pool_input(g, res, sizes=x_shape[2:], axes=axes))
def max_pool(x: Array, axes: Any, placed: bool = True) -> Array:
    """The maximum of every window of x (N C \\*sizes). ``res`` is its cell number in the window, usually one byte; not ``placed``, there are no gradients."""
    return kernels.max_pool(x, axes, placed)


@linear_in("y")
@batched(folded)
@op(y=lambda g, which, axes: take_cells(g, flat_index(which, axes=axes)), which=None)
@native.twin(fast.max_pool_back, times=0)
def max_pool_input(y: Array, which: Array, sizes: Any, axes: Any) -> Array:
    """Zeros (N C \\*sizes) with y (N C \\*outs) added to the cells of numbers ``which`` of the windows: the gradient of :func:`max_pool`."""
    return kernels.put_maxima(y, which, sizes, axes)


@batched(folded)
@op(x=None)
def max_pool_index(x: Array, axes: Any) -> Array:
    """The index of the maximum of every window in the flattened spatial axes of x (N C \\*sizes), int64."""
    return kernels.flat_index(kernels.max_pool(x, axes)[1], axes)


@unnamed
@linear_in("x")
@batched(folded)
@op(x=lambda g, x_shape, index: put_cells(g, index, sizes=x_shape[2:]), index=None)
def take_cells(x: Array, index: Array) -> Array:
    """The cells of x (N C \\*sizes) at ``index`` (N C \\*outs), into the flattened spatial axes. Transpose of :func:`put_cells`."""
    return kernels.take_cells(x, index)


@unnamed
@linear_in("y")
@batched(folded)
@op(y=lambda g, index: take_cells(g, index), index=None)
def put_cells(y: Array, index: Array, sizes: Any) -> Array:
    """Zeros (N C \\*sizes) with y (N C \\*outs) added at ``index``, into the flattened spatial axes. Transpose of :func:`take_cells`."""
    return kernels.put_cells(y, index, sizes)


@unnamed
@linear_in("x")
@batched(folded)
@op(x=lambda g, axes, divisor: avg_pool_input(g, axes=axes, divisor=divisor))
def avg_pool(x: Array, axes: Any, divisor: Any, padded: bool | None = None) -> Array:
    """The sum of every window of x (N C \\*sizes) / ``divisor``, a number or one per window. Transpose of :func:`avg_pool_input`.

    ``padded`` says what the divisor is for inputs of other sizes: the cells of the window, those in the padding too or not; None: this number.
    """
    total = kernels.sum_pool(x, axes)
    return np.divide(total, divisor, out=total, dtype=x.dtype) if x.dtype.kind == "f" else np.trunc(total / divisor).astype(x.dtype)


@linear_in("y")
@batched(folded)
@op(y=lambda g, axes, divisor: avg_pool(g, axes=axes, divisor=divisor))
def avg_pool_input(y: Array, axes: Any, divisor: Any) -> Array:
    """y / ``divisor``, added to all cells of its windows: the gradient of :func:`avg_pool`, and its transpose."""
    return kernels.spread_pool(np.divide(y, divisor, dtype=y.dtype), axes)


# ------------------------------------------------------------------------------------------------ maximum pooling


@known_as("SqueezeBackward1")
@called_as(like.max_pool)
def max_pool1d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of every window along one axis: ``torch.nn.functional.max_pool1d``. Like :func:`max_pool2d`, with (N, C, L)."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@known_as("MaxPool2DWithIndicesBackward0")
@called_as(like.max_pool)
def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of every window: ``torch.nn.functional.max_pool2d``.

    Of several equal maxima the first, in row-major order, gets the gradient. NaN counts as the largest.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        kernel_size: size of the window, an int or a pair.
        stride: distance between windows, an int or a pair; the window's size if None.
        padding: pixels of -inf on both sides of each axis, an int or a pair; at most half the window.
        dilation: distance between the pixels of a window, an int or a pair.
        ceil_mode: add a last window that extends beyond the input, if it starts inside the input or the padding before it.
        return_indices: also return the index of each maximum in the flattened (H, W), int64.

    Returns:
        (N, C, OH, OW) with OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1 (ceil in ``ceil_mode``), or a pair with indices.

    Raises:
        ShapeError: no window fits, or there is too much padding.

    >>> import minigrad as mg
    >>> x = mg.tensor([[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 2.0, 2.0]]], requires_grad=True)
    >>> y = mg.max_pool2d(x, 2)
    >>> y
    tensor([[[5., 2.]]], grad_fn=<MaxPool2DWithIndicesBackward0>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[[0., 1., 1., 0.],
             [0., 0., 0., 0.]]])
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@known_as("MaxPool3DWithIndicesBackward0")
@called_as(like.max_pool)
def max_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of every window of a volume: ``torch.nn.functional.max_pool3d``. Like :func:`max_pool2d`, with (N, C, D, H, W)."""
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@known_as("SqueezeBackward1")
@called_as(like.adaptive_max_pool)
def adaptive_max_pool1d(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: bool = False) -> Any:
    """Maximum of each of ``output_size`` windows: ``torch.nn.functional.adaptive_max_pool1d``."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


@known_as("AdaptiveMaxPool2DBackward0")
@called_as(like.adaptive_max_pool)
def adaptive_max_pool2d(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: bool = False) -> Any:
    """Maximum of each window of :func:`adaptive_avg_pool2d`: ``torch.nn.functional.adaptive_max_pool2d``."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


@known_as("AdaptiveMaxPool3DBackward0")
@called_as(like.adaptive_max_pool)
def adaptive_max_pool3d(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: bool = False) -> Any:
    """Maximum of each of the windows that divide a volume evenly: ``torch.nn.functional.adaptive_max_pool3d``."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


@known_as("SqueezeBackward1")
def max_unpool1d(
    input: Tensor, indices: Operand, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Size | None = None
) -> Tensor:
    """Zeros with the maxima at their original positions, along one axis: ``torch.nn.functional.max_unpool1d``. Like :func:`max_unpool2d`."""
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@known_as("MaxUnpool2DBackward0")
def max_unpool2d(
    input: Tensor, indices: Operand, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Size | None = None
) -> Tensor:
    """Zeros with the maxima at their original positions: ``torch.nn.functional.max_unpool2d``.

    If several indices are equal, the value of the last one is used, and only it gets a gradient.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        indices: of the same shape, from ``max_pool2d(..., return_indices=True)``.
        kernel_size, stride, padding: those of that pooling.
        output_size: the size of the result, (H - 1) stride - 2 padding + kernel_size by default; it may differ by less than a stride.

    Raises:
        ShapeError: the shapes do not fit together.
        IndexError: an index is outside the result.

    >>> import minigrad as mg
    >>> from minigrad.ops.pool import max_unpool2d
    >>> y, indices = mg.max_pool2d(mg.tensor([[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 2.0, 2.0]]]), 2, return_indices=True)
    >>> max_unpool2d(y, indices, 2)
    tensor([[[0., 5., 2., 0.],
             [0., 0., 0., 0.]]])
    """
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@known_as("MaxUnpool3DBackward0")
def max_unpool3d(
    input: Tensor, indices: Operand, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Size | None = None
) -> Tensor:
    """A volume of zeros with the maxima at their original positions: ``torch.nn.functional.max_unpool3d``. Like :func:`max_unpool2d`."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """:func:`max_pool1d` that always returns indices: ``torch.nn.functional.max_pool1d_with_indices``."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """:func:`max_pool2d` that always returns indices: ``torch.nn.functional.max_pool2d_with_indices``."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """:func:`max_pool3d` that always returns indices: ``torch.nn.functional.max_pool3d_with_indices``."""
    return max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool1d` with its indices: ``torch.nn.functional.adaptive_max_pool1d_with_indices``."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool2d` with its indices: ``torch.nn.functional.adaptive_max_pool2d_with_indices``."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool3d` with its indices: ``torch.nn.functional.adaptive_max_pool3d_with_indices``."""
    return adaptive_max_pool3d(input, output_size, True)


# ------------------------------------------------------------------------------- maxima of windows at random positions


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """:func:`fractional_max_pool2d` with its indices: ``torch.nn.functional.fractional_max_pool2d_with_indices``."""
    return _fractional_max_pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, True, _random_samples)


@known_as("FractionalMaxPool2DBackward0")
def fractional_max_pool2d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Maximum of each of the windows at random positions (Graham 2015): ``torch.nn.functional.fractional_max_pool2d``.

    Along an axis, window i begins at floor(a (i + u)) - floor(a u), where a = (H - KH) / (OH - 1) and u is random in [0, 1) for each
    channel; the last window ends with the image.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        kernel_size: size of the windows, an int or a pair.
        output_size: OH and OW, an int or a pair.
        output_ratio: instead of ``output_size``, OH / H and OW / W, each between 0 and 1; a number or a pair.
        return_indices: also return the index of each maximum in the flattened (H, W), int64.
        _random_samples: the numbers u, (N, C, 2), first for OW, then for OH; None: drawn from :func:`minigrad.manual_seed`'s generator.

    Returns (N, C, OH, OW), or a pair with indices. Raises ``ValueError`` unless exactly one of size and ratio is given, ``ShapeError`` for
    windows that do not fit.

    >>> import minigrad as mg
    >>> from minigrad.ops.pool import fractional_max_pool2d
    >>> fractional_max_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2, output_size=2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _fractional_max_pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """:func:`fractional_max_pool3d` with its indices: ``torch.nn.functional.fractional_max_pool3d_with_indices``."""
    return _fractional_max_pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, True, _random_samples)


@known_as("FractionalMaxPool3DBackward0")
def fractional_max_pool3d(
    input: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Maximum of each window of a volume, at random positions: ``torch.nn.functional.fractional_max_pool3d``. See :func:`fractional_max_pool2d`.

    ``_random_samples`` is (N, C, 3), for OD, OH and OW.
    """
    return _fractional_max_pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


# ------------------------------------------------------------------------------------------------ average pooling


@known_as("SqueezeBackward1")
@in_float32
def avg_pool1d(
    input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """Mean of every window along one axis: ``torch.nn.functional.avg_pool1d``. Like :func:`avg_pool2d`, with (N, C, L)."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@known_as("AvgPool2DBackward0")
@in_float32
def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of every window: ``torch.nn.functional.avg_pool2d``.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        kernel_size, stride, padding, ceil_mode: as for :func:`max_pool2d`, but the padding is zeros.
        count_include_pad: whether the zeros of the padding count as pixels.
        divisor_override: divide by this number instead of the count of pixels.

    Returns:
        (N, C, OH, OW).

    Raises:
        ShapeError: no window fits, or there is too much padding.

    >>> import minigrad as mg
    >>> from minigrad.ops.pool import avg_pool2d
    >>> x = mg.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 2.0]]])
    >>> avg_pool2d(x, 2, ceil_mode=True)
    tensor([[[3.2500, 2.0000]]])
    """
    return _avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@known_as("AvgPool3DBackward0")
@in_float32
def avg_pool3d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of every window of a volume: ``torch.nn.functional.avg_pool3d``. Like :func:`avg_pool2d`, with (N, C, D, H, W)."""
    return _avg_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@known_as("SqueezeBackward1")
@in_float32
def adaptive_avg_pool1d(input: Tensor, output_size: Size | Sequence[int | None] | None) -> Tensor:
    """Mean of each of ``output_size`` windows: ``torch.nn.functional.adaptive_avg_pool1d``."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


@known_as(lambda y: "MeanBackward1" if shape_of(y)[-2:] == (1, 1) else "AdaptiveAvgPool2DBackward0")
@in_float32
def adaptive_avg_pool2d(input: Tensor, output_size: Size | Sequence[int | None] | None) -> Tensor:
    """Mean of each of the windows that divide an image evenly: ``torch.nn.functional.adaptive_avg_pool2d``.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        output_size: OH and OW: an int, or a pair in which None keeps the input's size. Window o has the rows from
            floor(o H / OH) to ceil((o + 1) H / OH) - 1: windows may overlap. Size 1 gives the mean of all pixels.

    Returns:
        (N, C, OH, OW).

    Raises:
        ShapeError: the input has no pixels.

    >>> import minigrad as mg
    >>> from minigrad.ops.pool import adaptive_avg_pool2d
    >>> adaptive_avg_pool2d(mg.tensor([[[1.0, 5.0, 2.0], [3.0, 4.0, 2.0]]]), (1, 2))
    tensor([[[3.2500, 3.2500]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


@known_as(lambda y: "MeanBackward1" if shape_of(y)[-3:] == (1, 1, 1) else "AdaptiveAvgPool3DBackward0")
@in_float32
def adaptive_avg_pool3d(input: Tensor, output_size: Size | Sequence[int | None] | None) -> Tensor:
    """Mean of each of the windows that divide a volume evenly: ``torch.nn.functional.adaptive_avg_pool3d``."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


@known_as("PowBackward0")
@in_float32
def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False) -> Tensor:
    """p-norm of every window along one axis: ``torch.nn.functional.lp_pool1d``. Like :func:`lp_pool2d`."""
    return _lp_pool("lp_pool1d", 1, input, norm_type, kernel_size, stride, ceil_mode)


@known_as("PowBackward0")
@in_float32
def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False) -> Tensor:
    """p-norm of every window, (sum of x**p)**(1/p): ``torch.nn.functional.lp_pool2d``.

    As in PyTorch, x itself is raised to the power p, not its absolute value. With ``ceil_mode``, the sum of a window that extends beyond
    the input is scaled up to the size of a whole window. The gradient is 0 if the sum is 0.

    >>> import minigrad as mg
    >>> from minigrad.ops.pool import lp_pool2d
    >>> lp_pool2d(mg.tensor([[[3.0, 0.0], [0.0, 4.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    return _lp_pool("lp_pool2d", 2, input, norm_type, kernel_size, stride, ceil_mode)


@known_as("PowBackward0")
@in_float32
def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False) -> Tensor:
    """p-norm of every window of a volume: ``torch.nn.functional.lp_pool3d``. Like :func:`lp_pool2d`."""
    return _lp_pool("lp_pool3d", 3, input, norm_type, kernel_size, stride, ceil_mode)


# ---------------------------------------------------------------------------------------- from arguments to windows


def _max_pool(name, dims, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    x, single = _images(name, input, dims, pixels=False)
    axes = _axes(name, shape_of(input), dims, kernel_size, stride, padding, dilation, ceil_mode)
    if not axes.all_meet:
        raise ShapeError(
            f"{name}: a window meets nothing but padding "
            f"(input {tuple(input.shape)}, kernel_size {kernel_size}, padding {padding}, dilation {dilation})"
        )
    return _maxima(x, axes, single, return_indices)


def _maxima(x, axes, single, return_indices):
    if not return_indices:
        # without a node no gradient will be asked for
        y = max_pool(x, axes=axes) if getattr(x, "_node", None) is not None else max_pool(x, axes=axes, placed=False)
        return y[0] if single else y
    index = max_pool_index(x, axes=axes)
    y = take_cells(x, index)
    return (y[0], index[0]) if single else (y, index)


def _adaptive_max_pool(name, dims, input, output_size, return_indices):
    x, single = _images(name, input, dims)
    return _maxima(x, _adaptive_axes(name, x, dims, output_size), single, return_indices)


def _fractional_max_pool(name, dims, input, kernel_size, output_size, output_ratio, return_indices, samples):
    if samples is None:
        samples = drawn(lambda random, shape: random.random(shape), (*_images(name, input, dims)[0].shape[:2], dims))
    return _fractional_windows(name, dims, input, kernel_size, output_size, output_ratio, return_indices, samples)


@sample_by_sample()
def _fractional_windows(name, dims, input, kernel_size, output_size, output_ratio, return_indices, samples):
    x, single = _images(name, input, dims)
    kernel, sizes = per_axis(name, "kernel_size", kernel_size, dims), x.shape[2:]
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: give either output_size or output_ratio")
    if output_size is None:
        ratios = tuple(output_ratio) if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * dims
        if len(ratios) != dims or not all(0 < r < 1 for r in ratios):
            raise ValueError(f"{name}: output_ratio must be a number between 0 and 1, or {dims} of them, not {output_ratio}")
        outs = tuple([int(n * r) for n, r in zip(sizes, ratios, strict=True)])
    else:
        outs = per_axis(name, "output_size", output_size, dims)
    if min(outs) < 1 or any(o + k - 1 > n for o, k, n in zip(outs, kernel, sizes, strict=True)):
        raise ShapeError(f"{name}: {by(outs)} windows {by(kernel)} do not fit the input {by(sizes)} (input {tuple(input.shape)})")
    samples = array_of(samples)
    if samples.ndim != 3 or samples.shape[1:] != (x.shape[1], dims) or len(samples) < len(x):
        raise ShapeError(f"{name}: _random_samples must have shape {(*x.shape[:2], dims)}, or more rows, not {samples.shape}")
    samples = samples[: len(x)]
    samples = samples.astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)  # PyTorch rounds in the input's dtype
    places = np.zeros((*x.shape[:2], *[1] * 2 * dims), np.intp)  # flat index of each cell of each window: N C O.. K..
    for a, (n, out, k) in enumerate(zip(sizes, outs, kernel, strict=True)):
        u = samples[..., dims - 1 - a if dims == 2 else a, None]  # N C 1; PyTorch's pairs are (W, H), its triples (D, H, W)
        step = u.dtype.type(n - k) / u.dtype.type(max(out - 1, 1))
        starts = ((np.arange(out, dtype=u.dtype) + u) * step).astype(np.intp) - (u * step).astype(np.intp)
        starts[..., -1] = n - k
        along = starts[..., None] + np.arange(k)  # N C O K
        shape = [1] * 2 * dims
        shape[a], shape[dims + a] = out, k
        places = places * n + along.reshape(*x.shape[:2], *shape)
    cells = kernels.take_cells(unwrapped(x), places).reshape(*x.shape[:2], *outs, math.prod(kernel))
    best = np.where(np.isnan(cells), np.inf, cells).argmax(-1) if cells.dtype.kind == "f" else cells.argmax(-1)
    index = np.take_along_axis(places.reshape(cells.shape), best[..., None], -1)[..., 0]
    y = take_cells(x, index)
    if single:
        y, index = y[0], index[0]
    return (y, wrap(index.astype(np.int64)) if isinstance(y, TensorBase) else index.astype(np.int64)) if return_indices else y


def _avg_pool(name, dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    x, single = _images(name, input, dims, pixels=False)
    axes = _axes(name, shape_of(input), dims, kernel_size, stride, padding, 1, ceil_mode)
    padded = flag(name, "count_include_pad", count_include_pad)
    if divisor_override is None:
        divisor = axes.padded_counts if padded else axes.counts
    elif divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    else:
        divisor = whole(name, "divisor_override", divisor_override)
    y = avg_pool(x, axes=axes, divisor=divisor, padded=padded if divisor_override is None else None)
    return y[0] if single else y


def _adaptive_avg_pool(name, dims, input, output_size):
    x, single = _images(name, input, dims)
    axes = _adaptive_axes(name, x, dims, output_size)
    y = avg_pool(x, axes=axes, divisor=axes.counts, padded=False)
    return y[0] if single else y


def _lp_pool(name, dims, input, norm_type, kernel_size, stride, ceil_mode):
    mean = _avg_pool(
        name, dims, ew.pow(input, number(name, "norm_type", norm_type, "not 0")), kernel_size, stride, 0, ceil_mode, True, None
    )
    total = mean * float(math.prod(per_axis(name, "kernel_size", kernel_size, dims)))
    empty = ew.eq(total, 0)  # the derivative of the root is infinite there
    return ew.where(empty, 0.0, ew.pow(ew.where(empty, 1.0, total), 1.0 / norm_type))


@sample_by_sample(whole="images")
def _max_unpool(name, dims, input, indices, kernel_size, stride, padding, output_size):
    y, single = _images(name, input, dims, pixels=False)
    index = array_of(indices)
    if index.shape != tuple(input.shape):
        raise ShapeError(f"{name}: input has shape {tuple(input.shape)} but indices have shape {index.shape}")
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, not {index.dtype.name}")
    index = index.reshape(y.shape)
    kernel = per_axis(name, "kernel_size", kernel_size, dims)
    stride = per_axis(name, "stride", stride, dims) if stride is not None else kernel
    padding = per_axis(name, "padding", padding, dims, 0)
    sizes = tuple([(n - 1) * s - 2 * p + k for n, s, p, k in zip(y.shape[2:], stride, padding, kernel, strict=True)])
    if output_size is not None:
        wanted = tuple(output_size)[-dims:]
        if len(wanted) < dims or any(abs(a - b) >= s for a, b, s in zip(wanted, sizes, stride, strict=True)):
            raise ShapeError(f"{name}: output_size {tuple(output_size)} must be less than a stride {stride} away from {sizes}")
        sizes = wanted
    cells = math.prod(sizes)
    if index.size and not 0 <= index.min() <= index.max() < cells:
        wrong = index.max() if index.max() >= cells else index.min()
        raise IndexError(f"{name}: index {wrong} is outside the {cells} cells of the output {by(sizes)}")
    # of several equal indices, all but the last are removed
    flat = index.reshape(math.prod(index.shape[:2]), math.prod(index.shape[2:]))
    order = np.arange(flat.shape[1])
    winners = np.zeros((len(flat), cells), np.intp)
    np.put_along_axis(winners, flat, order[None], 1)
    wins = (np.take_along_axis(winners, flat, 1) == order).reshape(index.shape)
    x = put_cells(y if wins.all() else ew.where(wins, y, 0.0), index, sizes=sizes)
    return x[0] if single else x


def _images(name, input, dims, pixels=True):
    x, single = as_batch(name, input, dims, "DHW"[-dims:] if dims > 1 else "L")
    if unwrapped(x).dtype.kind == "b":
        raise TypeError(f"{name}: bool tensors cannot be pooled; convert them, as in x.float()")
    if pixels:
        _check_pixels(name, shape_of(input), dims)
    return x, single


def _check_pixels(name, shape, dims):
    if 0 in shape[-dims:]:
        raise ShapeError(f"{name}: the input has no pixels (input {shape})")


def _axes(name, shape, dims, kernel_size, stride, padding, dilation, ceil_mode) -> Axes:
    kernel, dilation = per_axis(name, "kernel_size", kernel_size, dims), per_axis(name, "dilation", dilation, dims)
    stride = kernel if stride is None or stride == () or stride == [] else per_axis(name, "stride", stride, dims)
    return _laid(
        name, tuple(shape), kernel, stride, per_axis(name, "padding", padding, dims, 0), dilation, flag(name, "ceil_mode", ceil_mode)
    )


@functools.lru_cache(maxsize=1024)
def _laid(name, shape, kernel, stride, padding, dilation, ceil) -> Axes:
    """The windows on images of ``shape``, of which the first number may be that of a batch. Raises for what does not fit."""
    dims = len(kernel)
    _check_pixels(name, shape, dims)
    if not shape[-dims - 1]:
        raise ShapeError(f"{name}: the input {shape} has no channel; only the size of the batch may be 0")
    if max(padding) and any(p > k // 2 for k, p in zip(kernel, padding, strict=True)):
        raise ShapeError(f"{name}: padding {padding} is more than half the window {by(kernel)} (input {shape})")
    pads = tuple([(p, p) for p in padding])
    out = fitted(name, "window", (("input", shape),), shape[-dims:], kernel, stride, pads, dilation, ceil)
    return Axes(map(sliding, shape[-dims:], out, kernel, stride, padding, dilation, (ceil,) * dims))


def _adaptive_axes(name, x, dims, output_size) -> Axes:
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(sizes) != dims:
        raise ShapeError(f"{name}: output_size must be an int or {dims} of them, not {output_size}")
    shape = shape_of(x)[2:]
    wanted = [n if size is None else size for n, size in zip(shape, sizes, strict=True)]
    return _divided(shape, per_axis(name, "output_size", wanted, dims, 0))


@functools.lru_cache(maxsize=1024)
def _divided(sizes: tuple[int, ...], outs: tuple[int, ...]) -> Axes:
    """The windows that divide images of ``sizes`` evenly."""
    return Axes(map(adaptive, sizes, outs))


public(__name__)
