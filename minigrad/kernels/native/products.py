"""Twins of :mod:`minigrad.kernels.products`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, PART, address, lines, run, share, vector

BROAD, ROOM = 32, (1 << 16) + 256 * 528  # columns that lie together in kernels.c, and numbers of both packed factors, at most
LEAST = 1 << 20  # multiplications from which it pays
SHARED = 1 << 21  # from which threads share them
SHARE, SHARES = 1 << 20, 8  # multiplications in a share, at least, and shares at most
LOW = 24  # rows, and numbers in a sum: for fewer, most of the time goes to putting the other matrix in panels
ENOUGH = 128  # rows in a share, each of which copies the columns
INNER, LONG_SUM, FEW = 256, 1024, 1 << 17  # terms of a block; from so many on, sums of few results are shared term by term
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
    """a @ b + bias for matrices, which may be turned; threads share the rows or the columns or, for few results of long sums, the terms of these."""
    if a.ndim != 2 or type(b) is not np.ndarray or b.dtype is not F32 or b.ndim != 2 or len(b) != a.shape[1]:
        return NotImplemented
    (rows, size), outputs = a.shape, b.shape[1]
    work = rows * size * outputs
    if rows < LOW or size < LOW or work < LEAST or vector() < WIDE:
        return NotImplemented
    a, b = _in_one_piece(a), _in_one_piece(b)
    high, wide = 0 if a.flags.c_contiguous else rows, outputs if b.flags.c_contiguous else 0
    add = None if bias is None else lines(bias)
    if high > LONG or (add is None) != (bias is None):
        return NotImplemented
    shares = min(SHARES, max(1, work // SHARE)) if work >= SHARED else 1
    tall, across, deep = rows, outputs, size
    if size >= LONG_SUM and rows * outputs <= FEW:
        deep = -(-size // min(shares, size // LONG_SUM * 2) // INNER) * INNER
    elif rows >= outputs:
        tall = -(-rows // min(shares, max(2, rows // ENOUGH)))
    else:
        across = -(-outputs // shares // BROAD) * BROAD
    parts = -(-size // deep)
    y = np.empty((parts * rows, outputs), np.float32)
    count = -(-rows // tall) * -(-outputs // across) * parts
    numbers = rows, size, outputs, wide, high, tall, across, deep
    share("product", (a, b, y), ROOM, address(add[0]) if add and parts == 1 else 0, *numbers, shares=count)
    if parts == 1:
        return y
    out = np.add.reduce(y.reshape(parts, rows, outputs), axis=0)
    return out if bias is None else np.add(out, bias, out=out)


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
