"""Pooling one axis after another: the maximum (or sum) of a window is that of its rows' maxima (sums).

A window of k x k cells then takes 2 k passes over the array instead of k * k. Each pass is one numpy function of strided
slices: loops run over the cells of a window, never over windows. Images are processed in tiles that fit in the cache.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import pool as fast
from minigrad.kernels.sums import add_reduce
from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut
from minigrad.kernels.windows import Axes, Axis, copy_lines

CACHE = 1 << 21  # bytes of input in a tile: with smaller ones, threads wait for each other longer than they compute


def _tiles(x: np.ndarray) -> list[slice]:
    return cut(len(x), x[:1].nbytes, CACHE)


def _at(axis: int, ndim: int, cells: slice) -> tuple:
    """The index that picks ``cells`` of one axis."""
    return (*[slice(None)] * axis, cells, *[slice(None)] * (ndim - axis - 1))


def _lowest(dtype: np.dtype) -> float:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@native.twin(fast.max_pool, times=0)
def max_pool(x: np.ndarray, axes: Axes, placed: bool = True) -> tuple[np.ndarray, Any]:
    """The maximum of every window of ``x`` (``N C *sizes``), and its cell number in the window, counted row by row, or None unless ``placed``.

    Of equal maxima the first counts. If a window has NaNs, the last of them counts.
    """
    tiles = _tiles(x)
    if not placed and len(tiles) == 1 and x.size and x.flags.c_contiguous:
        return _maxima(x, axes), None  # no copy, and no threads
    y = np.empty((*x.shape[:2], *axes.outs), x.dtype)
    which = np.empty(y.shape, np.min_scalar_type(axes.kernel)) if placed else None

    def work(tile: slice) -> None:
        if which is None:
            y[tile] = _maxima(x[tile], axes)
            return
        best, codes = _max_tile(x[tile], axes, which.dtype, nan=False)
        if x.dtype.kind == "f" and np.isnan(best).any():
            best, codes = _max_tile(x[tile], axes, which.dtype, nan=True)
        y[tile], which[tile] = best, codes

    parallel(work, tiles if y.size else [], worth=x.nbytes > WORTH)
    return y, which


def _maxima(x: np.ndarray, axes: Axes) -> np.ndarray:
    """The maxima alone, in a quarter of the time. Rows first: they are compared in one piece, and halve what is compared along them."""
    for a in range(2, x.ndim):
        axis = axes[a - 2]
        whole = [cells for _, windows, cells in axis.places[:2] if windows.stop - windows.start == axis.out]
        if len(whole) == 2:
            others, best = axis.places[2:], np.maximum(x[_at(a, x.ndim, whole[0])], x[_at(a, x.ndim, whole[1])])
        else:
            others, best = axis.places, np.full((*x.shape[:a], axis.out, *x.shape[a + 1 :]), _lowest(x.dtype), x.dtype)
        for _, windows, cells in others:
            old = best[_at(a, x.ndim, windows)]
            np.maximum(old, x[_at(a, x.ndim, cells)], out=old)
        x = best
    return x


def _max_tile(x: np.ndarray, axes: Axes, dtype: np.dtype, nan: bool) -> tuple[np.ndarray, np.ndarray]:
    last, unit = x.ndim - 1, axes[-1].kernel
    x, codes = _max_along(x, None, last, axes[-1], 1, dtype, nan)
    for a in reversed(range(2, last)):  # the last axis first, so that a later cell has a larger code
        x, codes = _max_along(x, codes, a, axes[a - 2], unit, dtype, nan)
        unit *= axes[a - 2].kernel
    return x, codes


def _picked(x: np.ndarray, axis: int, cells: slice) -> np.ndarray:
    """A contiguous copy of some cells of an axis: a copy and a contiguous comparison are faster than a strided comparison."""
    source = x[_at(axis, x.ndim, cells)]
    copy = np.empty(source.shape, x.dtype)
    copy_lines(source, copy)
    return copy


def _max_along(
    x: np.ndarray, codes: np.ndarray | None, a: int, axis: Axis, unit: int, dtype: np.dtype, nan: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The maxima along axis ``a`` and their codes: i times ``unit`` for cell number i, plus the code from the axes already done."""

    def coded(i: int, cells: slice) -> np.ndarray:
        step = dtype.type(i * unit)
        if codes is None:
            return step
        code = _picked(codes, a, cells)
        return np.add(code, step, out=code)

    def beaten(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        larger = new > old
        if nan:
            larger |= np.isnan(new)
        return larger.view(np.uint8)

    (i, windows, cells), others = axis.places[0], axis.places[1:]
    if windows.stop - windows.start == axis.out:  # every window has this cell: start with it
        best = _picked(x, a, cells)
        which = np.full(best.shape, coded(i, cells), dtype) if codes is None else coded(i, cells)
    else:
        others = axis.places
        shape = (*x.shape[:a], axis.out, *x.shape[a + 1 :])
        best, which = np.full(shape, _lowest(x.dtype), x.dtype), np.empty(shape, dtype)
        for i, windows, cells in reversed(others):
            which[_at(a, x.ndim, windows)] = coded(i, cells)
    for i, windows, cells in others:
        at = _at(a, x.ndim, windows)
        old, new, code = best[at], _picked(x, a, cells), which[at]
        np.maximum(code, beaten(old, new) * coded(i, cells), out=code)  # faster than np.where; works since later cells have larger codes
        np.maximum(old, new, out=old)
    return best, which


def flat_index(which: np.ndarray, axes: Axes) -> np.ndarray:
    """The flat index in the spatial axes of the input, for cell numbers ``which`` that :func:`max_pool` returned."""
    offsets = np.zeros((), np.intp)  # flat distance of a window's cells from its first cell
    origins = np.zeros((), np.intp)  # flat index of each window's first cell
    for axis in axes:
        offsets = (offsets * axis.size)[..., None] + np.arange(axis.kernel) * axis.dilation
        origins = (origins * axis.size)[..., None] + axis.starts
    index = offsets.reshape(-1).take(which)
    index += origins
    return index


def _flat(index: np.ndarray, cells: int) -> np.ndarray:
    """Flat indices into the ``cells`` of each channel (``N C *outs``) as indices into the whole flattened array."""
    images = math.prod(index.shape[:2])
    return (index.reshape(images, math.prod(index.shape[2:])) + np.arange(images)[:, None] * cells).reshape(-1)


def put_cells(y: np.ndarray, index: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Zeros (``N C *sizes``) with ``y`` added at ``index``, flat indices into the spatial axes of each channel."""
    x = np.zeros((*y.shape[:2], *sizes), y.dtype)
    np.add.at(x.reshape(-1), _flat(index, math.prod(sizes)), y.reshape(-1))  # as fast as x[...] = y for flat indices
    return x


def put_maxima(y: np.ndarray, which: np.ndarray, sizes: Sequence[int], axes: Axes) -> np.ndarray:
    """Zeros (``N C *sizes``) with ``y`` added to the cells of numbers ``which`` of the windows, which :func:`max_pool` returned.

    Where windows of two cells along the last axis cover the input without meeting, both cells are one integer, and a shift puts a number into
    the one or the other, or out of both, which it is in the window's other rows: in half the time that indices take.
    """
    whole = y.size and all(
        axis.stride == axis.kernel and axis.dilation == 1 and axis.size == axis.out * axis.kernel and not axis.starts[0] for axis in axes
    )
    if not (whole and axes[-1].kernel == 2 and axes.kernel <= 8 and y.itemsize == 4 and which.itemsize == 1 and sys.byteorder == "little"):
        return put_cells(y, flat_index(which, axes), sizes)
    x = np.empty((*y.shape[:2], *sizes), y.dtype)
    between = [size for axis in axes[:-1] for size in (axis.out, axis.kernel)]
    pairs, source = x.view(np.uint64).reshape(*y.shape[:2], *between, axes[-1].out), np.ascontiguousarray(y).view(np.uint32)

    def work(tile: slice) -> None:
        wide, shifts, to = source[tile].astype(np.uint64), which[tile] * np.uint8(32), pairs[tile]
        for row in product(*[range(axis.kernel) for axis in axes[:-1]]):
            at = [index for i in row for index in (slice(None), i)]
            copy_lines(np.left_shift(wide, shifts), to[(slice(None), slice(None), *at)])
            shifts -= np.uint8(64)  # wraps, and so is 64 or more, which shifts a number out, for all rows but one

    parallel(work, cut(len(x), x[:1].nbytes, CACHE), worth=x.nbytes > WORTH)
    return x


def take_cells(x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The cells of ``x`` (``N C *sizes``) at ``index``, flat indices into the spatial axes of each channel."""
    return x.reshape(-1).take(_flat(index, math.prod(x.shape[2:]))).reshape(index.shape)


@native.twin(fast.sum_pool, times=0)
def sum_pool(x: np.ndarray, axes: Axes) -> np.ndarray:
    """The sum of every window of ``x`` (``N C *sizes``)."""
    if axes.one:  # a sum like any other
        return add_reduce(x, tuple(range(2, x.ndim)), keepdims=True, dtype=x.dtype)
    y = np.empty((*x.shape[:2], *axes.outs), x.dtype)

    def work(tile: slice) -> None:
        part = x[tile]
        for a, axis in enumerate(axes, 2):
            whole, places = part, axis.places
            cells = [whole[_at(a, x.ndim, c)] for _, _, c in places]
            if len(places) > 1 and cells[0].shape[a] == cells[1].shape[a] == axis.out:  # no padding: two passes less over memory
                part = np.add(cells[0], cells[1])
                places, cells = places[2:], cells[2:]
            else:
                part = np.zeros((*whole.shape[:a], axis.out, *whole.shape[a + 1 :]), x.dtype)
            for (_, windows, _), cell in zip(places, cells, strict=True):
                part[_at(a, x.ndim, windows)] += cell
        y[tile] = part

    parallel(work, _tiles(x), worth=x.nbytes > WORTH)
    return y


@native.twin(fast.spread_pool, times=0)
def spread_pool(y: np.ndarray, axes: Axes) -> np.ndarray:
    """Zeros with each element of ``y`` added to all cells of its window: the transpose of :func:`sum_pool`."""
    x = np.empty((*y.shape[:2], *axes.sizes), y.dtype)
    if axes.one:
        x[...] = y
        return x

    def work(tile: slice) -> None:
        part = y[tile]
        for a, axis in reversed(list(enumerate(axes, 2))):
            whole = part
            part = np.zeros((*whole.shape[:a], axis.size, *whole.shape[a + 1 :]), y.dtype)
            for _, windows, cells in axis.places:
                part[_at(a, x.ndim, cells)] += whole[_at(a, x.ndim, windows)]
        x[tile] = part

    parallel(work, _tiles(x), worth=x.nbytes > WORTH)
    return x
