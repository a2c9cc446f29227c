"""Twins of :mod:`minigrad.kernels.winograd`: transforms and products of a block of tiles while it lies in the second cache."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.layouts import Window
from minigrad.kernels.native import F32, address, lines, room, run, share, vector
from minigrad.kernels.native.conv import SHARE, SHARES
from minigrad.kernels.threads import parallel
from minigrad.kernels.tiles import cut
from minigrad.kernels.toom_cook import matrices

CACHE = 1 << 19  # bytes of the points of a block, of its inputs and its outputs
TILES = 32  # in a block, at least; and in a share
WHOLE = 1 << 22  # of the points of all tiles, where shares of outputs use them
DEEP = 1 << 24  # of these in a weights' gradient whose sums would be larger
SOME = 32  # outputs that are multiplied together, where not all are
ACROSS = 64  # channels whose weights of so many outputs, or their sums, stay in the second cache: as in kernels.c
VECTOR = 16  # numbers in the longest vector: shares have a multiple of so many outputs
KERNELS = 1 << 15  # in a part whose transform is one thread's


class _Plan(NamedTuple):
    """How to cut images of c h w, o outputs of oh x ow: Tiling and tables of kernels.c in one, and how much room a thread needs."""

    table: np.ndarray
    address: int
    scratch: int


def _whole(count: int, lanes: int) -> int:
    return -(-count // lanes) * lanes


def _tiles(sizes: Sequence[int], pixels: int, dilation: Sequence[int]) -> tuple[int, int]:
    """Rows of tiles, and tiles in a row, which has those of all phases of a dilated convolution."""
    down, across = [-(-size // (d * pixels)) for size, d in zip(sizes, dilation, strict=True)]
    return down, across * math.prod(dilation)


@functools.lru_cache(maxsize=512)
def _plan(
    n: int,
    image: tuple[int, ...],
    outputs: int,
    channels: int,
    sizes: tuple[int, ...],
    corner: tuple[int, int],
    dilation: tuple[int, ...],
    pixels: int,
    lanes: int,
    whole: bool,
    step: int,
    once: int | None = None,
) -> _Plan:
    """``outputs``: channels of y in a share, of all its ``channels``. ``whole``: they are multiplied together. ``step``: between the weights' points.

    ``once``: shares of outputs have weights, or sums, of their own, and the points of all tiles are one block, up to so many bytes.
    """
    (c, h, w), (oh, ow), (top, left), (down, aside) = image, sizes, corner, dilation
    (th, tw), across = _tiles(sizes, pixels, dilation), -(-ow // (aside * pixels))
    skip, border = max(-left, 0), 6 - pixels
    pitch, y_pitch = max((pixels * across + border) * aside + skip, w + max(left, 0)), pixels * across * aside
    wide, high = _whole(c, lanes), _whole(outputs, lanes)
    together = high if whole or 36 * 4 * TILES * (wide + high) <= CACHE else min(SOME, high)
    rows = n * th
    if once is None or 36 * 4 * rows * tw * wide > once:
        rows = min(rows, max(CACHE // (36 * 4 * tw * (wide + together)), -(-TILES // tw)))
    if once is not None and rows == n * th:  # one block, whose channels are in panels
        wide = _whole(wide, min(wide, ACROSS))
        step = _step(outputs, min(wide, ACROSS), lanes)
    elif once is not None:
        step = _step(outputs, c, lanes)
    places = (np.arange(h)[:, None] + top) * pitch + np.arange(w) + max(left, 0)
    y_places = np.arange(oh)[:, None] * y_pitch + np.arange(ow)
    frame, strip = (pixels * rows + border) * down * pitch * lanes, pixels * rows * down * y_pitch * lanes
    points, products = (36 * (rows * tw * count + lanes) for count in (wide, together))
    rooms = [_whole(count, VECTOR) for count in (frame, strip, points, products)]
    numbers = [c, outputs, h, w, oh, ow, channels * oh * ow, th, tw, top, down, aside, pitch, y_pitch, rows, together, step, *rooms]
    begins = (np.arange(across)[:, None] * pixels * aside + np.arange(aside)).ravel()  # of the tiles of a row's phases
    tiles, y_tiles = [np.arange(down)[:, None] * each + begins for each in (pitch, y_pitch)]
    tables = places, y_places, tiles + skip, y_tiles
    table = np.concatenate([np.array(numbers, np.int64), *[each.ravel() * lanes for each in tables]])
    return _Plan(table, address(table), sum(rooms) + (0 if once is None else 36 * step))


def _rows(rows: int, tw: int, products: int) -> list[slice]:
    """The rows of tiles of each share, which has all outputs of them."""
    count = max(1, min(SHARES, products // SHARE, rows * tw // TILES))
    return cut(rows, 1, -(-rows // (1 << (count.bit_length() - 1))))  # a power of two, as in conv


def _outputs(tiles: int, o: int, products: int) -> list[slice]:
    """The outputs of each share, which transforms all tiles again."""
    count = min(SHARES, max(1, products // SHARE), 4 if tiles < o else 2)
    return [slice(part.start * VECTOR, min(o, part.stop * VECTOR)) for part in cut(-(-o // VECTOR), 1, -(-o // (VECTOR * count)))]


def _weights(w: np.ndarray, g: np.ndarray, flipped: bool, lanes: int) -> tuple[np.ndarray, int]:
    """The weights at 36 points, as kernels.c wants them, and the numbers from one point to the next."""
    (o, c), steps = _of_weights(w, flipped)
    step, flat = _step(o, c, lanes), w.reshape(-1)
    u = room(36 * step)

    def work(part: slice) -> None:
        first, end = part.start * lanes, min(o, part.stop * lanes)
        places = [(flat[first * steps[0] :], 0), (g, 0), (u[first * c :], 0)]
        run("winograd_weights", places, end - first, c, *steps, step, w.shape[2], int(flipped), part=end)

    parallel(work, cut(-(-o // lanes), 1, -(-KERNELS // (c * lanes))))
    return u, step


def _of_weights(w: np.ndarray, flipped: bool) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Outputs and channels of the weights, and the numbers from one to the next of each."""
    (o, c), size = w.shape[1::-1] if flipped else w.shape[:2], w.shape[2] ** 2
    return (o, c), ((size, o * size) if flipped else (c * size, size))


def _step(outputs: int, c: int, lanes: int) -> int:
    return _whole(outputs, lanes) * c + lanes  # planes that were a power of two apart would compete for the same cache lines


def convolve(x: np.ndarray, w: Any, bias: Any, sizes: Sequence[int], window: Window, flipped: bool) -> Any:
    """Any sizes and dilation."""
    lanes = vector()
    if w.dtype is not F32 or (bias is not None and bias.dtype is not F32):
        return NotImplemented
    m, pixels = matrices(F32, w.shape[2]), 7 - w.shape[2]
    (x,), (w,) = lines(x) or (x,), lines(w) or (w,)
    (o, c), steps = _of_weights(w, flipped)
    n, image, corner, dilation = len(x), x.shape[1:], (window.padding[0][0], window.padding[1][0]), window.dilation
    add = np.zeros(o, np.float32) if bias is None else np.ascontiguousarray(bias)
    y = np.empty((n, o, *sizes), np.float32)
    th, tw = _tiles(sizes, pixels, dilation)
    tiles = n * th * tw
    products = 36 * tiles * c * o
    most = 4 * o if n == 1 else o / 2  # of more tiles, the transforms for each share take longer than what sharing the outputs saves
    if o > SOME and tiles < most:
        plan = _plan(n, image, SOME, o, tuple(sizes), corner, dilation, pixels, lanes, True, 0, WHOLE)
        totals = np.empty(-(-o // SOME))
        rest = plan.address, o, n * th, *steps, int(flipped), pixels
        arrays = x, w, add, y, m.a, m.b, m.g, totals
        share("winograd_outputs", arrays, plan.scratch, *rest, shares=len(totals), calls=max(1, products // SHARE))
    else:
        shares = _rows(n * th, tw, products)
        totals = np.empty(len(shares))
        u, step = _weights(w, m.g, flipped, lanes)
        plan = _plan(n, image, o, o, tuple(sizes), corner, dilation, pixels, lanes, 36 * 4 * c * o > CACHE, step)
        share("winograd", (x, u, add, y, m.a, m.b, totals), plan.scratch, plan.address, shares[0].stop, n * th, pixels, shares=len(shares))
    return y if np.isfinite(totals).all() else None


def weight_gradient(x: np.ndarray, y: Any, shape: Sequence[int], window: Window) -> Any:
    """Any sizes and dilation."""
    lanes, ours, theirs = vector(), lines(x), lines(y)
    if ours is None or theirs is None:
        return NotImplemented
    (x,), (y,) = ours, theirs
    (n, o, *sizes), c, pixels, taps = y.shape, x.shape[1], 7 - shape[2], shape[2]
    m, wide = matrices(F32, taps), _whole(c, lanes)
    corner, dilation = (window.padding[0][0], window.padding[1][0]), window.dilation
    th, tw = _tiles(sizes, pixels, dilation)
    tiles = n * th * tw
    products = 36 * tiles * c * o
    dw = np.empty(shape, np.float32)

    def add(outputs: slice, rows: int, count: int) -> np.ndarray:
        plan = _plan(n, x.shape[1:], outputs.stop - outputs.start, o, tuple(sizes), corner, dilation, pixels, lanes, True, 0)
        sums = room(count * 36 * _step(c, outputs.stop - outputs.start, lanes))  # channels in whole vectors
        share("winograd_back", (x, y[:, outputs], m.a, m.b, sums), plan.scratch, plan.address, rows, n * th, pixels, shares=count)
        return sums

    def work(outputs: slice) -> None:
        places = [(add(outputs, n * th, 1), 0), (m.g, 0), (dw[outputs], 0)]
        run("winograd_taps", places, outputs.stop - outputs.start, c, 0, 1, taps, part=o)

    most = DEEP if tiles < o else WHOLE // 2  # with more, what each thread transforms for itself costs more than it saves
    if o > SOME and 36 * 4 * tiles * wide <= most:
        plan = _plan(n, x.shape[1:], SOME, o, tuple(sizes), corner, dilation, pixels, lanes, True, 0, most)
        arrays = x, y, m.a, m.b, m.g, dw
        share("winograd_back_outputs", arrays, plan.scratch, plan.address, o, pixels, shares=-(-o // SOME), calls=max(1, products // SHARE))
    elif tiles < 8 * o:
        parallel(work, _outputs(tiles, o, products))
    else:
        shares = _rows(n * th, tw, products)
        sums = add(slice(0, o), shares[0].stop, len(shares))
        run("winograd_taps", [(sums, 0), (m.g, 0), (dw, 0)], o, c, sums.size // len(shares), len(shares), taps, part=o)
    return dw if np.isfinite(dw.sum()) else None
