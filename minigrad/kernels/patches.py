"""Convolutions whose windows do not meet, such as patch embeddings, and layers whose kernel is as large as the image: one matrix product.

The columns of such a convolution are the cells of the image in another order, with none copied twice. So neither tiles nor a choice of layouts
is needed: ``y = columns @ w.T``, and both gradients are that product's.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minigrad.kernels.layouts import Window
from minigrad.kernels.products import linear, matmul

RUN = 5  # numbers of an image that are copied together: for fewer, numpy's copy takes longer than the product saves


@functools.lru_cache(maxsize=1024)
def apart(x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Window) -> bool:
    """Whether no two windows of a convolution have a cell of the image in common, and none has padding; one group, and rows of some cells.

    >>> from minigrad.kernels.layouts import Window
    >>> def example(image, kernel, stride):
    ...     window = Window((stride, stride), ((0, 0), (0, 0)), (1, 1))
    ...     return apart((1, 3, image, image), (8, 3, kernel, kernel), ((image - kernel) // stride + 1,) * 2, window)
    >>> example(224, 16, 16), example(4, 4, 1), example(14, 7, 1)
    (True, True, False)
    """
    if x_shape[1] != w_shape[1] or 0 in (*x_shape, *w_shape, *sizes):
        return False
    if w_shape[-1] < RUN and (w_shape[2:] != x_shape[2:] or math.prod(w_shape[2:]) == 1):
        return False
    return all(
        before == 0 and (out == 1 or s == k) and out * k <= size and (d == 1 or k == 1)
        for size, out, k, s, d, (before, _) in zip(
            x_shape[2:], sizes, w_shape[2:], window.stride, window.dilation, window.padding, strict=True
        )
    )


def _cells(x: np.ndarray, w_shape: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """A view of the image: ``N *sizes C *kernel``."""
    kernel = w_shape[2:]
    inside: tuple[Any, ...] = (..., *[slice(out * k) for out, k in zip(sizes, kernel, strict=True)])
    split = x[inside].reshape(*x.shape[:2], *[part for pair in zip(sizes, kernel, strict=True) for part in pair])
    return split.transpose(0, *range(2, split.ndim, 2), 1, *range(3, split.ndim, 2))


def _columns(x: np.ndarray, w_shape: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    return _cells(x, w_shape, sizes).reshape(len(x) * math.prod(sizes), math.prod(w_shape[1:]))


def _rows(y: np.ndarray) -> np.ndarray:
    """The pixels of all images as rows, of output channels."""
    n, o, *sizes = y.shape
    return y.reshape(n, o, -1).swapaxes(1, 2).reshape(n * math.prod(sizes), o)


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: tuple[int, ...], window: Window) -> np.ndarray:
    """:func:`minigrad.kernels.conv.convolve` where :func:`apart` holds."""
    y = linear(_columns(x, w.shape, sizes), w.reshape(len(w), -1), bias)
    return np.ascontiguousarray(y.reshape(len(x), -1, len(w)).swapaxes(1, 2)).reshape(len(x), len(w), *sizes)


def input_gradient(y: np.ndarray, w: np.ndarray, shape: tuple[int, ...], window: Window) -> np.ndarray:
    """:func:`minigrad.kernels.conv.input_gradient` where :func:`apart` holds."""
    sizes = y.shape[2:]
    x = (np.empty if math.prod(sizes) * math.prod(w.shape[2:]) == math.prod(shape[2:]) else np.zeros)(shape, y.dtype)
    cells = _cells(x, w.shape, sizes)
    cells[...] = matmul(_rows(y), w.reshape(len(w), -1)).reshape(cells.shape)
    return x


def weight_gradient(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window) -> np.ndarray:
    """:func:`minigrad.kernels.conv.weight_gradient` where :func:`apart` holds."""
    return matmul(_rows(y).T, _columns(x, shape, y.shape[2:])).reshape(shape)
