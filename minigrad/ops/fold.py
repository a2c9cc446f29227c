"""Unfold copies the windows of images into columns, and fold adds columns back into images. Each is the transpose of the other.

This is "im2col" and "col2im". A convolution is a matrix product with the columns::

    y = weight.reshape(O, C KH KW) @ unfold(x, (KH, KW))          # N O L, one column for each of the L windows

:mod:`minigrad.ops.conv` computes the same result without making all columns at once.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.engine import ShapeError, batched, linear_in, op
from minigrad.kernels import windows as kernels
from minigrad.ops.batching import merged, split
from minigrad.ops.window_sizes import as_batch, fitted, per_axis
from minigrad.types import Array, Size


def _axes(name, shapes, sizes, kernel_size, dilation, padding, stride):
    kernel, dilation, stride = [
        per_axis(name, what, value, 2) for what, value in (("kernel_size", kernel_size), ("dilation", dilation), ("stride", stride))
    ]
    padding = per_axis(name, "padding", padding, 2, 0)
    out = fitted(name, "window", shapes, sizes, kernel, stride, tuple([(p, p) for p in padding]), dilation)
    return list(map(kernels.sliding, sizes, out, kernel, stride, padding, dilation))


def _unfold_input(g, input_shape, kernel_size, dilation, padding, stride):
    return fold(g, input_shape[-2:], kernel_size, dilation, padding, stride)


def _folded_images(run, x, **statics):
    if x.ndim == (4 if run.op.name == "unfold" else 3):  # a sample is an image without a batch of its own
        return run(x, **statics)
    return split(run(merged(x), **statics), x.shape[0])


@linear_in("input")
@batched(_folded_images)
@op(input=_unfold_input)
def unfold(input: Array, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Array:
    """The windows of images as columns: ``torch.nn.functional.unfold``. Transpose of :func:`fold`.

    Args:
        input: (N, C, H, W), or one image (C, H, W).
        kernel_size, dilation, padding, stride: as for ``conv2d``; an int or a pair each.

    Returns:
        (N, C KH KW, L), a column for each of the L windows, in the order of ``conv2d``'s output pixels.

    Raises:
        ShapeError: no window fits, or the input has another number of dimensions.

    >>> import minigrad as mg
    >>> from minigrad.ops.fold import unfold
    >>> unfold(mg.arange(9.0).reshape(1, 3, 3), (2, 2))
    tensor([[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]])
    """
    x, single = as_batch("unfold", input, 2, "HW")
    axes = _axes("unfold", (("input", input.shape),), x.shape[2:], kernel_size, dilation, padding, stride)
    columns = np.zeros((*x.shape[:2], *[a.kernel for a in axes], *[a.out for a in axes]), x.dtype)  # N C KH KW OH OW
    kernels.unfold(x, kernels.pieces(columns, axes))
    columns = columns.reshape(len(x), math.prod(columns.shape[1:4]), math.prod(columns.shape[4:]))
    return columns[0] if single else columns


def _fold_input(g, kernel_size, dilation, padding, stride):
    return unfold(g, kernel_size, dilation, padding, stride)


@linear_in("input")
@batched(_folded_images)
@op(input=_fold_input)
def fold(input: Array, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Array:
    """Images from columns, with overlapping windows added up: ``torch.nn.functional.fold``. Transpose of :func:`unfold`.

    Args:
        input: (N, C KH KW, L), or (C KH KW, L) for one image.
        output_size: H and W of the result; an int or a pair.
        kernel_size, dilation, padding, stride: as for :func:`unfold`; an int or a pair each.

    Returns:
        (N, C, H, W).

    Raises:
        ShapeError: the size or the number of the columns does not fit these windows.

    >>> import minigrad as mg
    >>> from minigrad.ops.fold import fold
    >>> fold(mg.ones(4, 4), (3, 3), (2, 2))  # the number of windows that contain each pixel
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    sizes = per_axis("fold", "output_size", output_size, 2)
    columns = input[None] if input.ndim == 2 else input
    if columns.ndim != 3:
        raise ShapeError(f"fold: input must be (N, C KH KW, L), or (C KH KW, L) without a batch, not {input.shape}")
    axes = _axes("fold", (("input", input.shape), ("output_size", sizes)), sizes, kernel_size, dilation, padding, stride)
    cells, windows = [a.kernel for a in axes], [a.out for a in axes]
    channels, rest = divmod(columns.shape[1], math.prod(cells))
    if rest:
        raise ShapeError(
            f"fold: {columns.shape[1]} rows are not a multiple of a window's {math.prod(cells)} cells "
            f"(input {input.shape}, kernel_size {kernel_size})"
        )
    if columns.shape[2] != math.prod(windows):
        raise ShapeError(
            f"fold: input has {columns.shape[2]} columns but {math.prod(windows)} windows fit, {windows[0]}x{windows[1]} "
            f"(input {input.shape}, output_size {sizes}, kernel_size {kernel_size}, dilation {dilation}, padding {padding}, "
            f"stride {stride})"
        )
    x = np.zeros((len(columns), channels, *sizes), columns.dtype)
    kernels.fold(kernels.pieces(columns.reshape(len(columns), channels, *cells, *windows), axes), x)
    return x[0] if input.ndim == 2 else x
