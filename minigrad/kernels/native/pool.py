"""Twins of :mod:`minigrad.kernels.pool`, for one and two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import PART, lines, run
from minigrad.kernels.windows import Axis

CELLS = 255  # of a window, at most, where one of them is named
ROW = 4096  # numbers in a row of a plane, at most, where windows are summed, as in kernels.c


def _sizes(axes: Sequence[Axis]) -> list[int] | None:
    """What kernels.c wants to know: h, w, oh, ow, kh, kw, sh, sw, ph, pw; None if windows are dilated or uneven."""
    if not 1 <= len(axes) <= 2 or any(not axis.stride or axis.dilation != 1 or not axis.out for axis in axes):
        return None
    b = axes[-1]
    h, oh, kh, sh, ph = 1, 1, 1, 1, 0
    if len(axes) == 2:
        a = axes[0]
        h, oh, kh, sh, ph = a.size, a.out, a.kernel, a.stride, -int(a.starts[0])
    return [h, b.size, oh, b.out, kh, b.kernel, sh, b.stride, ph, -int(b.starts[0])]


def max_pool(x: np.ndarray, axes: Sequence[Axis], placed: bool = True) -> Any:
    """The largest cell of every window, and which it is, asked or not: it costs nothing here."""
    sizes, found = _sizes(axes), lines(x)
    if sizes is None or found is None or sizes[4] * sizes[5] > CELLS:
        return NotImplemented
    h, w, oh, ow = sizes[:4]
    y = np.empty((*x.shape[:2], *[axis.out for axis in axes]), np.float32)
    which = np.empty(y.shape, np.uint8)
    places = [(found[0], h * w), (y, oh * ow), (which, oh * ow)]
    run("max_pool", places, math.prod(x.shape[:2]), *sizes, part=max(1, PART // (h * w)))
    return y, which


def max_pool_back(g: np.ndarray, which: Any, outer: Sequence[int], axes: Sequence[Axis]) -> Any:
    """g added to the cells that were the largest."""
    sizes, found, codes = _sizes(axes), lines(g), lines(which, dtype=np.dtype(np.uint8))
    if sizes is None or found is None or codes is None or g.shape != which.shape or sizes[4] * sizes[5] > CELLS:
        return NotImplemented
    h, w, oh, ow = sizes[:4]
    d = np.empty((*g.shape[:2], *outer), np.float32)
    places = [(found[0], oh * ow), (codes[0], oh * ow), (d, h * w)]
    run("max_pool_back", places, math.prod(g.shape[:2]), *sizes, part=max(1, PART // (h * w)))
    return d


def _summed(name: str, x: np.ndarray, shape: tuple[int, ...], axes: Sequence[Axis]) -> Any:
    """One of the two below: of x, into an array of ``shape``; not one window, which is a sum like any other."""
    sizes, found = _sizes(axes), lines(x)
    if sizes is None or found is None or sizes[1] > ROW or sizes[2] * sizes[3] == 1:
        return NotImplemented
    y = np.empty(shape, np.float32)
    places = [(a, math.prod(a.shape[2:])) for a in (found[0], y)]
    run(name, places, math.prod(shape[:2]), *sizes, part=max(1, PART // (sizes[0] * sizes[1])))
    return y


def sum_pool(x: np.ndarray, axes: Sequence[Axis]) -> Any:
    """The sum of every window."""
    return _summed("sum_pool", x, (*x.shape[:2], *[axis.out for axis in axes]), axes)


def spread_pool(y: np.ndarray, axes: Sequence[Axis]) -> Any:
    """Each element of y added to all cells of its window."""
    return _summed("spread_pool", y, (*y.shape[:2], *[axis.size for axis in axes]), axes)
