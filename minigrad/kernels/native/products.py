"""Twins of :mod:`minigrad.kernels.products`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, PART, lines, run, vector

PANEL = 32  # columns that lie together in kernels.c
LEAST = 1 << 20  # multiplications from which it pays
SHARED = 1 << 21  # from which threads share them
SHARE, SHARES = 1 << 20, 8  # multiplications in a share, at least, and shares at most
LOW = 24  # rows, and numbers in a sum: for fewer, most of the time goes to putting the other matrix in panels
WIDE = 16  # numbers in a vector, without which BLAS is faster
LONG = 4096  # rows of a turned matrix, whose columns are too far apart if they are more


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


def product(a: np.ndarray, b: Any, bias: Any = None) -> Any:
    """a @ b + bias for matrices, which may be turned; threads share the columns."""
    if a.ndim != 2 or type(b) is not np.ndarray or b.dtype is not F32 or b.ndim != 2 or len(b) != a.shape[1]:
        return NotImplemented
    (rows, size), outputs = a.shape, b.shape[1]
    work = rows * size * outputs
    if rows < LOW or size < LOW or work < LEAST or vector() < WIDE:
        return NotImplemented
    a, b = _in_one_piece(a), _in_one_piece(b)
    high, wide = 0 if a.flags.c_contiguous else rows, outputs if b.flags.c_contiguous else 0
    add = lines(np.zeros(outputs, np.float32) if bias is None else bias)
    if high > LONG or add is None:
        return NotImplemented
    y = np.empty((rows, outputs), np.float32)
    step = -(-outputs // min(SHARES, max(1, work // SHARE)) // PANEL) * PANEL
    places = [(b, 1 if wide else size), (add[0], 1), (a, 0), (y, 1)]
    run("product", places, outputs, rows, size, outputs, wide, high, part=step if work >= SHARED else outputs, worth=0)
    return y


def _in_one_piece(a: np.ndarray) -> np.ndarray:
    """The matrix, if it or the turned one lies so; else a copy."""
    flags = a.flags
    return a if flags.aligned and (flags.c_contiguous or flags.f_contiguous) else a.copy(order="C")


def linear(x: np.ndarray, weight: Any, bias: Any) -> Any:
    """x (N, in) times the transposed weight (out, in), plus the bias."""
    return product(x, weight.T, bias) if type(weight) is np.ndarray else NotImplemented


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
