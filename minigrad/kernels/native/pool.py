"""Twins of :mod:`minigrad.kernels.pool`, for one and two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import PART, lines, run
from minigrad.kernels.windows import Axis


def _sizes(axes: Sequence[Axis]) -> list[int] | None:
    """What kernels.c wants to know: h, w, oh, ow, kh, kw, sh, sw, ph, pw; None if windows are dilated or uneven, or have too many cells."""
    if not 1 <= len(axes) <= 2:
        return None
    if math.prod([axis.kernel for axis in axes]) > 255 or any(not axis.stride or axis.dilation != 1 or not axis.out for axis in axes):
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
    if sizes is None or found is None:
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
    if sizes is None or found is None or codes is None or g.shape != which.shape:
        return NotImplemented
    h, w, oh, ow = sizes[:4]
    d = np.empty((*g.shape[:2], *outer), np.float32)
    places = [(found[0], oh * ow), (codes[0], oh * ow), (d, h * w)]
    run("max_pool_back", places, math.prod(g.shape[:2]), *sizes, part=max(1, PART // (h * w)))
    return d
