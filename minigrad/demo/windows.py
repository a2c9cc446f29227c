"""Demos about windows on an image: a filter that slides, im2col, and pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.demo.images import grey, square_filters
from minigrad.engine import ShapeError
from minigrad.files.html import Page, encoded, staged
from minigrad.nn import functional as F
from minigrad.ops.arguments import check
from minigrad.plots.canvas import shown_array
from minigrad.tensor import as_tensor

IMAGE = [[1, 0, 0, 0, 2], [0, 1, 0, 2, 0], [0, 0, 3, 0, 0], [0, 2, 0, 1, 0], [2, 0, 0, 0, 1]]  # two diagonals
KERNELS = [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]]


def sliding_filter(images: Mapping[str, Any] | None = None, filters: Mapping[str, Any] | None = None, *, title: str = "") -> Page:
    """A filter to drag over an image: the products and their sum are written out, and the result fills in.

    Padding, stride, dilation and the size can be chosen, the filter can be drawn, and turned by 180° (a true convolution).

    Args:
        images: name -> (H, W) or (1, H, W) (default: digits of MNIST).
        filters: name -> (k, k), k being 1, 3, 5 or 7 (default: edges, means, emboss, ...).
        title: the page's.

    Raises:
        ShapeError: an image or a filter of another shape.
        TypeError: not a dict, or no numbers.
        ValueError: an empty dict, or an image that is not finite.

    >>> from minigrad import demo
    >>> page = demo.sliding_filter()
    >>> page.html.startswith("<!doctype html>")
    True
    """
    check("sliding_filter", locals(), title="a text")
    data = {"title": title, "images": grey("sliding_filter", images), "filters": square_filters("sliding_filter", filters)}
    return staged("minigrad.demo/static/sliding.html", title or "a filter that slides over an image", data)


def im2col(image: Any = None, filters: Any = None, *, padding: int = 0, stride: int = 1, title: str = "") -> Page:
    """im2col as a picture that moves: windows become rows of a matrix, one product with the filters gives all sums, these become maps.

    It plays, goes step by step, or follows the slider; a click on a row goes to its step.

    Args:
        image: (C, H, W) or (H, W), small (default: 5×5 of small integers).
        filters: (D, C, KH, KW), or (D, KH, KW) for one channel (default: a diagonal and a vertical edge, 3×3).
        padding: rows and columns of zeros on each side.
        stride: step of the window.
        title: the page's.

    The rows are those of :func:`minigrad.nn.functional.unfold`, the sums those of :func:`minigrad.nn.functional.conv2d`.

    Raises:
        ShapeError: arrays of other shapes, or filters larger than the image.
        ValueError: more than 4,000 cells in the matrix (nobody could read them), or numbers that are not finite.

    >>> from minigrad import demo
    >>> "data-label" in demo.im2col().html
    True
    """
    check("im2col", locals(), padding=0, stride=1, title="a text")
    x = shown_array("im2col", "image", IMAGE if image is None else image).astype(np.float32)
    w = shown_array("im2col", "filters", KERNELS if filters is None else filters).astype(np.float32)
    x = x[None] if x.ndim == 2 else x
    w = w[:, None] if w.ndim == 3 else w
    if x.ndim != 3 or w.ndim != 4 or w.shape[1] != len(x) or 0 in w.shape:
        raise ShapeError(f"im2col: an image (C, H, W) and filters (D, C, KH, KW) are needed, not {x.shape} and {w.shape}")
    if not (np.isfinite(x).all() and np.isfinite(w).all()):
        raise ValueError("im2col: image and filters must be finite")
    batch, kernels = as_tensor(x[None]), as_tensor(w)
    result = F.conv2d(batch, kernels, stride=stride, padding=padding).numpy()[0]
    matrix = F.unfold(batch, w.shape[2:], padding=padding, stride=stride).numpy()[0].T
    if matrix.size > 4000:
        raise ValueError(f"im2col: the matrix of {matrix.shape[0]}×{matrix.shape[1]} is too large to be read: at most 4,000 cells")
    data = {
        "title": title, "channels": len(x), "rows": x.shape[1], "columns": x.shape[2], "kernel": w.shape[2:], "out": result.shape[1:],
        "stride": [stride, stride], "padding": padding, "filters": len(w), "image": encoded(x), "weights": encoded(w),
        "matrix": encoded(matrix), "product": encoded(result.reshape(len(w), -1).T),
    }  # fmt: skip
    return staged("minigrad.demo/static/im2col.html", title or "im2col", data)


def pooling(images: Mapping[str, Any] | None = None, *, title: str = "") -> Page:
    """Max pooling, average pooling and sampling with a stride side by side, and what each does when the image is shifted by some pixels.

    A point of a result shows the window that it came from. Below each result is its difference from the result of the unshifted image.

    Args:
        images: name -> (H, W) or (1, H, W), at least 8 each (default: digits of MNIST).
        title: the page's.

    Raises as :func:`sliding_filter`.

    >>> from minigrad import demo
    >>> page = demo.pooling()
    """
    check("pooling", locals(), title="a text")
    return staged(
        "minigrad.demo/static/pooling.html", title or "max, average, sampling", {"title": title, "images": grey("pooling", images, 8)}
    )
