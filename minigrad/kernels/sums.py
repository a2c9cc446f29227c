"""Fast sums over leading and trailing axes, with small rounding errors.

numpy uses pairwise summation along the last axis in memory only. Along other axes it adds row after row, so rounding errors accumulate.
Here rows are added in blocks, and then the blocks. BLAS computes each block as a product with a vector of ones, which is faster.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import maps, products
from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import WORTH, one_blas_thread, parallel
from minigrad.kernels.tiles import cut

CACHE = 1 << 21  # bytes in a part
PARALLEL = 1 << 13  # up to so many elements, BLAS uses only one thread
BLOCK = 128  # rows that are added one after another
LONG = 1024  # elements of a row from which adding row by row is faster than element by element
RUN = 32  # elements of a running sum that one product adds up
SMALLEST = 1024  # elements up to which numpy's own sum is faster
MATRIX = 1 << 13  # elements up to which BLAS never divides a matrix among threads
RUNNING = 4096  # elements from which a running sum is computed with products
LONGEST = 4096  # terms of one dot product; for longer sums numpy's pairwise summation is more accurate


def split(shape: Sequence[int], dim: Sequence[int]) -> tuple[int, int, int] | None:
    """The sizes N C L of an array of ``shape`` that is summed over ``dim``: before the kept axes, of them, and after them.

    None if the kept axes are not adjacent.

    >>> split((8, 3, 5, 5), (0, 2, 3))
    (8, 3, 25)
    """
    kept = [d for d in range(len(shape)) if d not in dim]
    if not kept:
        return 1, 1, math.prod(shape)
    first, last = kept[0], kept[-1]
    if len(kept) != last - first + 1:
        return None
    return math.prod(shape[:first]), math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])


def add_reduce(x: np.ndarray, axis: tuple[int, ...] | None, keepdims: Any = False, dtype: Any = None) -> np.ndarray:
    """The result of ``np.add.reduce``, faster and more accurate for contiguous floats."""
    blas = x.size > SMALLEST and x.dtype in (np.float32, np.float64) and (dtype is None or dtype == x.dtype) and x.flags.c_contiguous
    three = split(x.shape, axis) if blas and axis is not None else None
    if axis is None or three is None or three[1] == 1:
        return quiet().run(np.add.reduce, x, axis=axis, dtype=dtype, keepdims=keepdims)
    n, c, l = three
    if x.size > PARALLEL and l > 1:
        sums = np.empty((n, c), x.dtype)
        lines, out = x.reshape(1, n * c, l), sums.reshape(1, n * c)
        parallel(lambda part: add_lines(lines[:, part], out[:, part]), cut(n * c, l * x.itemsize, CACHE), worth=x.nbytes > WORTH)
    else:
        sums = x.reshape(n, c) if l == 1 else quiet().run(add_lines, x.reshape(n, c, l), np.empty((n, c), x.dtype))
    shape = [1 if d in axis else size for d, size in enumerate(x.shape) if keepdims or d not in axis]
    return add_rows(sums).reshape(shape)


def add_pixels(x: np.ndarray, out: np.ndarray | None) -> None:
    """The sums of x, N C ..., over all axes but the channels, into ``out`` (C,), unless that is None."""
    if out is not None:
        out[...] = add_reduce(x, (0, *range(2, x.ndim)))


@native.twin(maps.sums)
def add_lines(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """The sums over the last axis of x, N C L, into ``out``."""
    l = x.shape[2]
    if 8 <= l <= LONGEST and x.flags.c_contiguous and out.flags.c_contiguous and x.dtype == out.dtype:
        np.matmul(x.reshape(-1, l), np.ones(l, x.dtype), out=out.reshape(-1))
    else:
        np.add.reduce(x, axis=2, out=out)
    return out


def add_rows(rows: np.ndarray) -> np.ndarray:
    """The sum of the rows of a matrix."""
    if rows.size <= MATRIX:  # BLAS does not divide so few among threads
        return quiet().run(_add_rows, rows)
    with one_blas_thread:
        return quiet().run(_add_rows, rows)


@functools.lru_cache(64)
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    return np.ones(count, dtype)


def _add_rows(rows: np.ndarray) -> np.ndarray:
    n, c = rows.shape
    if n == 1:
        return rows[0]
    if n <= BLOCK:
        return np.dot(_ones(n, rows.dtype), rows)
    whole = n // BLOCK * BLOCK
    total = _add_rows(_ones(BLOCK, rows.dtype) @ rows[:whole].reshape(-1, BLOCK, c))
    return total if whole == n else total + _add_rows(rows[whole:])


@native.twin(products.add_rows)
def add_at(rows: np.ndarray, places: np.ndarray, to: np.ndarray) -> None:
    """Add each of the ``rows`` to the row of ``to`` at its place, in order; places may be repeated."""
    width = rows.shape[1]
    if width >= LONG:
        for place, row in zip(places.tolist(), rows, strict=True):
            to[place] += row
    else:  # numpy's add.at is five times faster with one index for one dimension
        flat = places[:, None] * width + np.arange(width)
        np.add.at(to.reshape(-1), flat.reshape(-1), np.ascontiguousarray(rows).reshape(-1))


@native.twin(maps.running_sum)
def running_sum(x: np.ndarray, axis: int, back: bool) -> np.ndarray:
    """The result of ``np.add.accumulate`` along an axis that is not negative, for floats; with ``back`` from the last number to the first.

    numpy adds one number after another. Here a product with a triangular matrix of ones computes the running sums of RUN numbers at a
    time, and only their totals are added one after another: this is faster and has fewer rounding errors.

    >>> running_sum(np.arange(100.0), 0, False)[-2:]
    array([4851., 4950.])
    """
    if back:
        return np.flip(running_sum(np.flip(x, axis), axis, False), axis)
    n = x.shape[axis]
    runs = n // RUN
    if axis != x.ndim - 1 or x.dtype not in (np.float32, np.float64) or runs < 2 or x.size < RUNNING:
        return quiet().run(np.add.accumulate, x, axis=axis)
    source = np.ascontiguousarray(x).reshape(-1, n)
    result = np.empty(x.shape, x.dtype)
    y, whole = result.reshape(-1, n), runs * RUN
    ones = np.triu(np.ones((RUN, RUN), x.dtype))
    odd = []

    def work(part: slice) -> None:
        sums = source[part, :whole].reshape(-1, runs, RUN) @ ones
        totals = np.add.accumulate(sums[:, :, -1], axis=1)
        np.add(sums[:, 1:], totals[:, :-1, None], out=sums[:, 1:])
        y[part, :whole] = sums.reshape(-1, whole)
        if whole < n:
            rest = np.add.accumulate(source[part, whole:], axis=1)
            np.add(rest, totals[:, -1:], out=y[part, whole:])
        if not np.isfinite(totals[:, -1]).all():
            odd.append(part)  # inf * 0 in the product gives NaN in sums before the infinity

    parallel(work, cut(len(y), n * x.itemsize, CACHE // 4), worth=x.nbytes > WORTH)
    return quiet().run(np.add.accumulate, x, axis=axis) if odd else result
