"""Twins of :mod:`minigrad.kernels.pool`, for one and two axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import PART, address, lines, run
from minigrad.kernels.windows import Axes

CELLS = 255  # of a window, at most, where one of them is named
CODE = np.dtype(np.uint8)  # of such a cell
ROW = 4096  # numbers in a row of a plane, at most, where windows are summed, as in kernels.c


def max_pool(x: np.ndarray, axes: Axes, placed: bool = True) -> Any:
    """The largest cell of every window, and which it is, asked or not: it costs nothing here."""
    found = lines(x)
    if axes.table is None or found is None or axes.kernel > CELLS:
        return NotImplemented
    n, c = x.shape[:2]
    y, which = np.empty((n, c, *axes.outs), np.float32), np.empty((n, c, *axes.outs), np.uint8)
    places = [(found[0], axes.cells), (y, axes.windows), (which, axes.windows)]
    run("max_pool", places, n * c, address(axes.table), part=max(1, PART // axes.cells))
    return y, which


def max_pool_back(g: np.ndarray, which: Any, outer: Sequence[int], axes: Axes) -> Any:
    """g added to the cells that were the largest."""
    found, codes = lines(g), lines(which, dtype=CODE)
    if axes.table is None or found is None or codes is None or g.shape != which.shape or axes.kernel > CELLS:
        return NotImplemented
    n, c = g.shape[:2]
    d = np.empty((n, c, *outer), np.float32)
    places = [(found[0], axes.windows), (codes[0], axes.windows), (d, axes.cells)]
    run("max_pool_back", places, n * c, address(axes.table), part=max(1, PART // axes.cells))
    return d


def _summed(name: str, x: np.ndarray, shape: tuple[int, ...], axes: Axes) -> Any:
    """One of the two below: of x, into an array of ``shape``; not one window, which is a sum like any other."""
    if axes.windows == 1 or axes.table is None or axes[-1].size > ROW or (found := lines(x)) is None:
        return NotImplemented
    y = np.empty(shape, np.float32)
    places = [(a, math.prod(a.shape[2:])) for a in (found[0], y)]
    run(name, places, math.prod(shape[:2]), address(axes.table), part=max(1, PART // axes.cells))
    return y


def sum_pool(x: np.ndarray, axes: Axes) -> Any:
    """The sum of every window."""
    return _summed("sum_pool", x, (*x.shape[:2], *axes.outs), axes)


def spread_pool(y: np.ndarray, axes: Axes) -> Any:
    """Each element of y added to all cells of its window."""
    return _summed("spread_pool", y, (*y.shape[:2], *axes.sizes), axes)
