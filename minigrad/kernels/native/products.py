"""Twins of :mod:`minigrad.kernels.products`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, PART, lines, run

PANEL = 32  # outputs that lie together in kernels.c
LOW, HIGH = 24, 1024  # rows for which BLAS is slower than kernels.c
LEAST = 1 << 20  # multiplications from which it pays
SHARE, SHARES = 4 << 20, 8  # multiplications in a share, at least, and shares at most


def outer(a: np.ndarray, b: Any) -> Any:
    """Matrices of one column times matrices of one row."""
    ours, theirs = lines(a), lines(b)
    if ours is None or theirs is None or a.shape[:-2] != b.shape[:-2]:
        return NotImplemented
    rows, columns = a.shape[-2], b.shape[-1]
    out = np.empty((*a.shape[:-1], columns), np.float32)
    places = [(ours[0], rows), (theirs[0], columns), (out, rows * columns)]
    run("outer", places, math.prod(a.shape[:-2]), rows, columns, part=max(1, PART // max(1, rows * columns)))
    return out


def linear(x: np.ndarray, weight: Any, bias: Any) -> Any:
    """x (N, in) times the transposed weight (out, in), plus the bias; threads share the outputs."""
    (n, size), outputs = x.shape, len(weight)
    work = n * size * outputs
    if not LOW <= n <= HIGH or work < LEAST:
        return NotImplemented
    found, theirs, add = lines(x), lines(weight), lines(np.zeros(outputs, np.float32) if bias is None else bias)
    if found is None or theirs is None or add is None:
        return NotImplemented
    y = np.empty((n, outputs), np.float32)
    step = -(-outputs // min(SHARES, max(1, work // SHARE)) // PANEL) * PANEL
    run("linear", [(theirs[0], size), (add[0], 1), (found[0], 0), (y, 1)], outputs, n, size, outputs, part=step)
    return y


def add_rows(rows: np.ndarray, places: np.ndarray, to: np.ndarray) -> Any:
    """Written in place, one row after another. Places that do not exist are left to numpy, which says so."""
    found = lines(rows)
    given = lines(places, dtype=np.dtype(np.int64))
    if found is None or given is None or to.dtype is not F32 or not to.flags.c_contiguous:
        return NotImplemented
    if places.size and not 0 <= places.min() <= places.max() < len(to):
        return NotImplemented
    run("add_rows", [(found[0], 0), (given[0], 0), (to, 0)], len(rows), rows.shape[1], part=len(rows))
    return None
