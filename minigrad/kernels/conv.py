"""Convolution as matrix products, without copying the input once per kernel cell.

The textbook way (im2col) copies each window into a column, multiplies the weights with all columns, and so copies every cell
of the input KH * KW times. Here the columns are unfolded along **all axes but the first**. Two facts make that enough:

* Row i of the kernel meets, for output row r, row r + i of the input. Where columns are stored row after row, *all* that
  kernel row i needs is one contiguous slice of them, i rows further on: BLAS reads it in place, nothing is copied. ::

      y = sum over kernel rows i of   weights[i] (O, C KW)  @  columns[:, i OW : (i + OH) OW]   (C KW, OH OW)

* A stride of s down the rows: put the input rows 0, s, 2s, ... first, then 1, s + 1, ..., and so on (``phases``). The rows that
  kernel row i needs are neighbours again.

The weight gradient multiplies the gradient with the same slices; the input gradient reads the lines of ``convolve``
backwards, each transposed: it multiplies with the transposed weights *into* the slices, and folds the columns back.
With stride 1 that is a convolution with the flipped kernel, which is faster where it has not many more pixels to compute.

Work is cut into tiles whose columns stay in the cache: some images, or some rows of one image. The cut depends on shapes only.

Large layers with 3x3 kernels are left to :mod:`minigrad.kernels.winograd`; :func:`algorithm` says which. It mixes the pixels of a tile, so
that an infinity or a NaN would reach pixels that do not see it: a result that is not finite is computed again, directly.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import winograd
from minigrad.kernels.threads import one_blas_thread, parallel
from minigrad.kernels.tiles import cut
from minigrad.kernels.windows import Axis, fold, sliding, unfold

CACHE = 1 << 20  # bytes of columns in a tile of several images; one image is cut into blocks of rows above twice that
SHARES = 16  # that the threads take from, at most
SHARE = 6 << 20  # products in a share, at least: about 150 microseconds of work
TURNED = 512  # pixels up to which a weight gradient is faster with a copy of y that is turned round: BLAS has a way for small matrices
TOTALS = 8 << 20  # bytes of sums, of which each share of a weight gradient has its own


class Window(NamedTuple):
    """How a kernel slides: per spatial axis a stride, zeros (before, after), and a distance between the kernel's cells."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


ALGORITHMS = ("direct", "winograd")
_forced: list[str] = []


@contextlib.contextmanager
def force(name: str) -> Iterator[None]:
    """While a ``with`` block runs, use one of :data:`ALGORITHMS` wherever it can be used, in all threads: for tests and benchmarks."""
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm {name!r} is none of {', '.join(ALGORITHMS)}")
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def algorithm(x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Window, dtype: np.dtype) -> str:
    """Which of :data:`ALGORITHMS` takes less time, by a model that knows shapes only.

    >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    >>> algorithm((32, 64, 32, 32), (64, 64, 3, 3), (32, 32), window, np.dtype(np.float32))
    'winograd'
    >>> algorithm((128, 16, 32, 32), (16, 16, 3, 3), (32, 32), window, np.dtype(np.float32))
    'direct'
    """
    fits = tuple(w_shape[2:]) == (3, 3) and max(window.stride) == max(window.dilation) == 1 and x_shape[1] == w_shape[1]
    if not fits or dtype not in (np.float32, np.float64) or math.prod(x_shape) == 0 or math.prod(sizes) * w_shape[0] == 0:
        return "direct"
    if _forced:
        return _forced[-1]
    n, (o, c) = x_shape[0], w_shape[:2]
    direct = 0.225 * n * math.prod(sizes) * c * o  # nanoseconds, at 25 ps for each of 9 products
    return "winograd" if winograd.nanoseconds(n, c, o, sizes) < direct else "direct"


def _finite(function: Callable[..., np.ndarray | None], *args: Any) -> np.ndarray | None:
    """The result of ``function`` without numpy's warnings; None if it is not finite."""
    with np.errstate(all="ignore"), one_blas_thread:
        return function(*args)


class _Tile:
    """Some images and some output rows of a convolution, with their columns in two views.

    ``windows``  N C phases *kernel[1:] rows *sizes[1:]: what :func:`unfold` fills and :func:`fold` empties
    ``slices``   for each kernel row the matrices that it meets, B G K L: K cells of windows, L pixels, for BLAS

    There is a matrix for each image (B images). But deep layers have many weights and few pixels: there the images of a
    tile lie side by side in one matrix (``merged``, B = 1).
    """

    images: slice

    def __init__(self, rows: slice, columns: np.ndarray, merged: bool, groups: int, shifts: list[tuple[int, int]], axes: list[Axis]):
        # columns: B C *kernel[1:] phases rows M *sizes[1:], with B or M the number of images and the other 1
        self.rows, self.merged, self.groups, self.axes = rows, merged, groups, axes
        d = 1 + len(axes)  # of the phases
        batch, channels, *rest = columns.shape[:d]
        phases, height, many, *sizes = columns.shape[d:]
        by_image = np.moveaxis(columns, d + 2, 1).reshape(batch * many, channels, *rest, phases, height, *sizes)
        self.windows = np.moveaxis(by_image, d, 2)
        across = many * math.prod(sizes)  # pixels in a row
        matrices = columns.reshape(batch, groups, channels // groups * math.prod(rest), phases * height * across)
        self.length = (rows.stop - rows.start) * across
        starts = [(phase * height + row) * across for phase, row in shifts]
        self.slices = [matrices[..., start : start + self.length] for start in starts]

    def pixels(self, y: np.ndarray) -> np.ndarray:
        """This tile's part of ``y`` (N O *sizes, contiguous) as matrices B G O/G L: a view, or a copy if merged."""
        part = y[self.images, :, self.rows]
        if self.merged:
            part = np.moveaxis(part, 0, 2)[None]  # 1 O rows N *sizes[1:]
        return part.reshape(len(part), self.groups, y.shape[1] // self.groups, self.length)

    def store(self, pixels: np.ndarray, y: np.ndarray) -> None:
        """Write what :meth:`pixels` gave to ``y``, if it was a copy."""
        if self.merged:
            part = np.moveaxis(y[self.images, :, self.rows], 0, 2)
            part[...] = pixels.reshape(part.shape)


class _Cut:
    """A convolution cut into tiles, each some rows of the output of some images, by shapes only."""

    def __init__(self, x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Window, dtype: np.dtype):
        n, channels, self.first, *others = x_shape
        kernel, *rest = w_shape[2:]
        self.stride, dilation, (self.before, _) = window.stride[0], window.dilation[0], window.padding[0]
        reach = dilation * (kernel - 1)
        self.phases, self.more = min(self.stride, reach + 1), reach // self.stride  # more: rows of columns beyond those of the output
        self.shifts = [(i * dilation % self.stride, i * dilation // self.stride) for i in range(kernel)]
        self.axes = list(map(sliding, others, sizes[1:], rest, window.stride[1:], [p for p, _ in window.padding[1:]], window.dilation[1:]))
        self.channels, self.rest, self.sizes, self.dtype = channels, rest, sizes, dtype
        self.groups = _groups(x_shape, w_shape)

        self.merged = 2 * math.prod(sizes) < w_shape[1] * math.prod(rest)
        budget = max(CACHE, math.prod(w_shape) * dtype.itemsize) if self.merged else CACHE  # each tile reads all weights
        row_bytes = max(1, channels * math.prod(rest) * self.phases * math.prod(sizes[1:]) * dtype.itemsize)
        blocks = -(-sizes[0] // max(1, 2 * budget // row_bytes - self.more))
        block = -(-sizes[0] // blocks)
        self.shares_at_most = max(1, min(SHARES, n * math.prod(sizes) * math.prod(w_shape) // SHARE))
        together = max(1, min(n, budget // (row_bytes * (block + self.more))))
        batches = max(-(-n // together), -(-self.shares_at_most // blocks) if n else 0)
        together = max(1, -(-n // max(1, batches)))
        self.rows = [slice(row, min(row + block, sizes[0])) for row in range(0, sizes[0], block)]
        self.images = [slice(image, min(image + together, n)) for image in range(0, n, together)]

    def shares(self, most: int = SHARES, apart: bool = False) -> list[list[tuple[slice, slice]]]:
        """The tiles in up to ``most`` shares for :func:`parallel`; ``apart``: no image is in two of them."""
        most = min(most, self.shares_at_most)
        if apart:
            groups = cut(len(self.images), 1, -(-len(self.images) // most))
            return [[(rows, images) for rows in self.rows for images in self.images[group]] for group in groups]
        places = [(rows, images) for rows in self.rows for images in self.images]
        return [places[group] for group in cut(len(places), 1, -(-len(places) // most))]

    def tiles(self, share: list[tuple[slice, slice]]) -> Iterator[_Tile]:
        """The tiles of a share, one after another in the same columns, which are zero where windows stick out of the input."""
        columns = np.empty(0)
        made: tuple[int, int] | None = None
        for rows, images in share:
            count = images.stop - images.start
            if made != (rows.start, count):
                height = rows.stop - rows.start + self.more
                axis = sliding(self.first, height, self.phases, self.stride, self.before - rows.start * self.stride)
                batch, many = (1, count) if self.merged else (count, 1)
                shape = (batch, self.channels, *self.rest, self.phases, height, many, *self.sizes[1:])
                if columns.shape == shape:
                    columns.fill(0)
                else:
                    columns = np.zeros(shape, self.dtype)
                tile = _Tile(rows, columns, self.merged, self.groups, self.shifts, [axis, *self.axes])
                made = rows.start, count
            tile.images = images
            yield tile


def _groups(x_shape: Sequence[int], w_shape: Sequence[int]) -> int:
    """A weight has the channels of one group: the shapes tell how many there are."""
    return x_shape[1] // w_shape[1] if w_shape[1] else 1


def _rows(w: np.ndarray, groups: int) -> np.ndarray:
    """The weights of each kernel row: (O, C/G, KH, ...) to KH G O/G K."""
    o, c, k, *rest = w.shape
    return np.ascontiguousarray(np.moveaxis(w, 2, 0)).reshape(k, groups, o // groups, c * math.prod(rest))


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: Sequence[int], window: Window) -> np.ndarray:
    """y[n, o, p] = bias[o] + sum over c, k of x[n, c, p * stride + k * dilation - padding] * w[o, c, k]; p runs over ``sizes``."""
    if algorithm(x.shape, w.shape, sizes, window, x.dtype) == "winograd":
        y = _finite(winograd.convolve, x, w, bias, sizes, window.padding)
        if y is not None:
            return y
    y = np.empty((len(x), len(w), *sizes), x.dtype)
    whole = _Cut(x.shape, w.shape, sizes, window, x.dtype)
    weights = _rows(w, whole.groups)

    def work(share: list[tuple[slice, slice]]) -> None:
        product = np.empty(0)
        for tile in whole.tiles(share):
            unfold(x[tile.images], tile.windows, tile.axes)
            total = tile.pixels(y)
            np.matmul(weights[0], tile.slices[0], out=total)
            for weight, columns in zip(weights[1:], tile.slices[1:], strict=True):
                if product.shape != total.shape:
                    product = np.empty_like(total)
                total += np.matmul(weight, columns, out=product)
            if bias is not None:
                total += bias.reshape(tile.groups, -1, 1)
            tile.store(total, y)

    parallel(work, whole.shares())
    return y


def input_gradient(y: np.ndarray, w: np.ndarray, shape: Sequence[int], window: Window) -> np.ndarray:
    """The transpose of :func:`convolve` in x: x[n, c, p * stride + k * dilation - padding] += y[n, o, p] * w[o, c, k]; x has ``shape``."""
    groups = _groups(shape, w.shape)
    if max(window.stride) == 1 and 2 * math.prod(y.shape[2:]) >= math.prod(shape[2:]):
        per_group = len(w) // groups
        flipped = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, per_group, *w.shape[1:])
        flipped = flipped.swapaxes(1, 2).reshape(shape[1], per_group, *w.shape[2:])
        padding = tuple([(d * (k - 1) - before, 0) for k, (before, _), d in zip(w.shape[2:], window.padding, window.dilation, strict=True)])
        return convolve(y, flipped, None, shape[2:], window._replace(padding=padding))
    x = np.zeros(shape, y.dtype)
    y = np.ascontiguousarray(y)
    whole = _Cut(shape, w.shape, y.shape[2:], window, y.dtype)
    weights = _rows(w, groups).swapaxes(2, 3)
    multiply = np.multiply if weights.shape[3] == 1 else np.matmul  # a depthwise layer has outer products, on which BLAS is slow

    def work(share: list[tuple[slice, slice]]) -> None:
        for tile in whole.tiles(share):
            tile.windows.fill(0)
            part = tile.pixels(y)
            for weight, columns in zip(weights, tile.slices, strict=True):
                columns += multiply(weight, part)
            fold(tile.windows, x[tile.images], tile.axes)

    parallel(work, whole.shares(apart=True))
    return x


def weight_gradient(x: np.ndarray, y: np.ndarray, shape: Sequence[int], window: Window) -> np.ndarray:
    """The transpose of :func:`convolve` in w: w[o, c, k] += x[n, c, p * stride + k * dilation - padding] * y[n, o, p]; w has ``shape``."""
    if algorithm(x.shape, shape, y.shape[2:], window, x.dtype) == "winograd":
        gradient = _finite(winograd.weight_gradient, x, y, shape, window.padding)
        if gradient is not None:
            return gradient
    o, c, height, *rest = shape
    whole = _Cut(x.shape, shape, y.shape[2:], window, x.dtype)
    shares = whole.shares(max(2, TOTALS // max(1, math.prod(shape) * x.itemsize)))
    totals = np.zeros((max(1, len(shares)), height, whole.groups, c * math.prod(rest), o // whole.groups), x.dtype)
    y = np.ascontiguousarray(y)

    def work(i: int) -> None:
        for tile in whole.tiles(shares[i]):
            unfold(x[tile.images], tile.windows, tile.axes)
            part = tile.pixels(y).swapaxes(2, 3)  # ... L O/G
            if tile.length <= TURNED:
                part = np.ascontiguousarray(part)
            for row, columns in zip(totals[i], tile.slices, strict=True):
                row += (columns @ part).sum(axis=0)

    parallel(work, range(len(shares)))
    w = totals[0] if len(totals) == 1 else totals.sum(axis=0)
    return np.ascontiguousarray(np.moveaxis(w.swapaxes(2, 3).reshape(height, o, c, *rest), 0, 2))
