"""Convolution as matrix products, without copying the input once per kernel cell.

The textbook way (im2col) copies each window into a column, multiplies the weights with all columns, and so copies every cell
of the input KH * KW times. Here the columns are unfolded along **all axes but the first**. Two facts make that enough:

* Row i of the kernel meets, for output row r, row r + i of the input. Where columns are stored row after row, *all* that
  kernel row i needs is one contiguous slice of them, i rows further on: BLAS reads it in place, nothing is copied. ::

      y = sum over kernel rows i of   weights[i] (O, C KW)  @  columns[:, i OW : (i + OH) OW]   (C KW, OH OW)

* A stride of s down the rows: put the input rows 0, s, 2s, ... first, then 1, s + 1, ..., and so on (``phases``). The rows that
  kernel row i needs are neighbours again.

Where a kernel row has few cells (C KW small), such products are too thin, and adding them up takes long. There the rows of several images
lie side by side, row after row with *all their cells*: what output row r needs of all kernel rows is then one contiguous matrix
(``ROWS`` below), which overlaps with that of the next output row. ::

      y[r] = weights (O, KH C KW)  @  columns[r s : r s + KH]   (KH C KW, N OW)

The weight gradient multiplies the gradient with the same slices; the input gradient reads the lines of ``convolve``
backwards, each transposed: it multiplies with the transposed weights *into* the slices, and folds the columns back.
With stride 1 that is a convolution with the flipped kernel, which is faster where it has not many more pixels to compute.

Work is cut into tiles whose columns stay in the cache: some images, or some rows of one image. The cut depends on shapes only.

Large layers with 3x3 kernels are left to :mod:`minigrad.kernels.winograd`; :func:`algorithm` chooses. It mixes the pixels of a tile, so
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
from minigrad.kernels.windows import fold, sliding, unfold

CACHE = 1 << 21  # bytes of columns in a tile; fewer and larger tiles let threads meet less often
ROW_CACHE = 3 << 19  # the same where there is a matrix for each row
SHARES = 8  # that the threads take from, at most
SHARE = 20 << 20  # products in a share, at least: about half a millisecond of work
TURNED = 512  # pixels up to which a weight gradient is faster with a copy of y that is turned round: BLAS has a way for small matrices
SMALL = 1000000  # products up to which BLAS multiplies matrices without packing them first, which is faster for few rows
TOTALS = 8 << 20  # bytes of sums, of which each share of a weight gradient has its own


class Window(NamedTuple):
    """How a kernel slides: per spatial axis a stride, zeros (before, after), and a distance between the kernel's cells."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


# Winograd's algorithm, and direct ones by how the columns of a tile lie in memory, that is, for what there is one matrix:
IMAGES = "images"  # for each image: N C *kernel[1:] phases rows *sizes[1:]
MERGED = "merged"  # for all images: C *kernel[1:] phases rows N *sizes[1:]
ROWS = "rows"  # for each row of the output, with the cells of all kernel rows: rows C *kernel[1:] N *sizes[1:]
WINOGRAD = "winograd"
ALGORITHMS = (IMAGES, MERGED, ROWS, WINOGRAD)
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


def algorithm(
    wanted: str, x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Window, dtype: np.dtype | type
) -> str:
    """Which of :data:`ALGORITHMS` takes least time, by a model that knows shapes only.

    Args:
        wanted: ``"output"``; ``"weight"``, for its gradient; or ``"scatter"``, for an input gradient that is no convolution itself.

    >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    >>> algorithm("output", (32, 64, 32, 32), (64, 64, 3, 3), (32, 32), window, np.float32)
    'winograd'
    >>> algorithm("output", (128, 32, 16, 16), (32, 32, 3, 3), (16, 16), window, np.float32)
    'images'
    >>> algorithm("output", (32, 3, 64, 64), (32, 3, 3, 3), (64, 64), window, np.float32)
    'rows'
    """
    n, (o, c, kernel, *rest) = x_shape[0], w_shape
    pixels, cells = math.prod(sizes), c * math.prod(rest)  # cells of a kernel row
    one_group, dense = x_shape[1] == c, math.prod(x_shape) * pixels * o > 0
    can_winograd = wanted != "scatter" and one_group and dense and dtype in (np.float32, np.float64)
    can_winograd = can_winograd and tuple(w_shape[2:]) == (3, 3) and max(window.stride) == max(window.dilation) == 1
    can_rows = wanted != "scatter" and one_group and window.dilation[0] == 1  # scattering would write where matrices overlap
    if _forced and (can_winograd or _forced[-1] != WINOGRAD) and (can_rows or _forced[-1] != ROWS):
        return _forced[-1]
    if can_winograd:
        direct = 0.225 * n * pixels * c * o  # nanoseconds, at 25 ps for each of 9 products
        if winograd.nanoseconds(n, c, o, sizes) < direct:
            return WINOGRAD
    across = math.prod(sizes[1:])
    thin = kernel > 1 and cells < 12 * (kernel - 1) ** 2 and (wanted == "output" or (kernel >= 5 and kernel * cells >= 100))
    if can_rows and thin and across >= 8 and n * across >= 64:
        return ROWS
    return MERGED if 2 * pixels < cells else IMAGES


def _finite(function: Callable[..., np.ndarray | None], *args: Any) -> np.ndarray | None:
    """The result of ``function`` without numpy's warnings; None if it is not finite."""
    with np.errstate(all="ignore"), one_blas_thread:
        return function(*args)


def _parallel(work: Callable[[Any], object], parts: Sequence[Any]) -> None:
    """:func:`parallel`, without a warning of invalid values: BLAS may multiply an infinity with a zero whose product nobody reads."""
    with np.errstate(invalid="ignore"):
        parallel(work, parts)


class _Tile:
    """Some images and some output rows of a convolution, with their columns in two views.

    ``windows``  N C phases *kernel[1:] rows *sizes[1:]: what :func:`unfold` fills and :func:`fold` empties
    ``slices``   matrices B G K L, for BLAS: K cells of windows, L pixels; B images, or 1, or B rows of the output.
                 As many as there are kernel rows; or one, whose K cells are those of all kernel rows
    """

    images: slice

    def __init__(self, cut: _Cut, rows: slice, count: int, columns: np.ndarray | None):
        inner, height = math.prod(cut.sizes[1:]), rows.stop - rows.start
        self.rows, self.layout, self.groups, self.made = rows, cut.layout, cut.groups, (rows, count)
        before = cut.before - rows.start * cut.stride
        if cut.layout == ROWS:
            self.axes = [sliding(cut.first, (height - 1) * cut.stride + cut.kernel, 1, 1, before), *cut.axes]
        else:
            self.axes = [sliding(cut.first, height + cut.more, cut.phases, cut.stride, before), *cut.axes]
        held = self.axes[0].out
        cells, phases = (cut.channels, *cut.rest), (cut.phases, held)
        shape, images = {
            IMAGES: ((count, *cells, *phases, *cut.sizes[1:]), 0),
            MERGED: ((*cells, *phases, count, *cut.sizes[1:]), len(cells) + 2),
            ROWS: ((held, *cells, count, *cut.sizes[1:]), len(cells) + 1),
        }[cut.layout]
        if columns is not None and columns.shape == shape:
            columns.fill(0)
        else:
            columns = np.zeros(shape, cut.dtype)
        self.columns = columns
        axes = list(range(columns.ndim))
        axes.insert(0, axes.pop(images))  # N, then as in ``shape``
        if cut.layout == ROWS:
            axes.insert(1 + len(cells), axes.pop(1))
            self.windows = columns.transpose(axes)[:, :, None]
            self.length = count * inner
            item, line, row = columns.itemsize, self.length * columns.itemsize, math.prod(cells) * self.length * columns.itemsize
            overlapping = (height, 1, cut.kernel * math.prod(cells), self.length)
            self.slices = [np.ndarray(overlapping, columns.dtype, columns, 0, (cut.stride * row, 0, line, item))]
        else:
            axes.insert(2, axes.pop(1 + len(cells)))
            self.windows = columns.transpose(axes)
            across = inner if cut.layout == IMAGES else count * inner  # pixels in a row
            self.length = height * across
            batch = count if cut.layout == IMAGES else 1
            matrices = columns.reshape(batch, self.groups, math.prod(cells) // self.groups, math.prod(phases) * across)
            starts = [(phase * held + row) * across for phase, row in cut.shifts]
            self.slices = [matrices[..., start : start + self.length] for start in starts]

    def _turned(self, y: np.ndarray) -> np.ndarray:
        """This tile's part of ``y``, N O *sizes, with its axes as the matrices need them."""
        part = y[self.images, :, self.rows]
        others = range(3, y.ndim)
        if self.layout == MERGED:
            return part.transpose(1, 2, 0, *others)[None]  # 1 O rows N *sizes[1:]
        return part.transpose(2, 1, 0, *others) if self.layout == ROWS else part  # rows O N *sizes[1:]

    def pixels(self, y: np.ndarray) -> np.ndarray:
        """This tile's part of ``y`` (N O *sizes, contiguous) as matrices B G O/G L: a view, if there is one for each image, or a copy."""
        part = self._turned(y)
        return part.reshape(len(part), self.groups, y.shape[1] // self.groups, self.length)

    def room(self, y: np.ndarray) -> np.ndarray:
        """What :meth:`pixels` gives, to be written to: it holds anything."""
        if self.layout == IMAGES:
            return self.pixels(y)
        return np.empty((len(self.slices[0]), self.groups, y.shape[1] // self.groups, self.length), y.dtype)

    def store(self, pixels: np.ndarray, y: np.ndarray) -> None:
        """Write what :meth:`room` gave to ``y``, if it is not there yet."""
        if self.layout != IMAGES:
            part = self._turned(y)
            part[...] = pixels.reshape(part.shape)


class _Cut:
    """A convolution cut into tiles, each some rows of the output of some images, by shapes only.

    ``small``: with matrices of up to SMALL products each, if that does not make too many of them.
    """

    def __init__(
        self,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        sizes: Sequence[int],
        window: Window,
        dtype: np.dtype,
        layout: str,
        small: bool = False,
    ):
        n, self.channels, self.first, *others = x_shape
        self.kernel, *self.rest = w_shape[2:]
        self.stride, dilation, (self.before, _) = window.stride[0], window.dilation[0], window.padding[0]
        reach = dilation * (self.kernel - 1)
        self.phases, self.more = min(self.stride, reach + 1), reach // self.stride  # more: rows of columns beyond those of the output
        self.shifts = [(i * dilation % self.stride, i * dilation // self.stride) for i in range(self.kernel)]
        strides, paddings, dilations = window.stride[1:], [before for before, _ in window.padding[1:]], window.dilation[1:]
        self.axes = list(map(sliding, others, sizes[1:], self.rest, strides, paddings, dilations))
        self.sizes, self.dtype, self.groups, self.layout = sizes, dtype, _groups(x_shape, w_shape), layout
        self.spare: list[_Tile] = []  # of shares that are done, for the next share of any thread

        across = math.prod(sizes[1:])  # pixels in a row
        cells = w_shape[1] * math.prod(self.rest)  # of a kernel row
        per_group = w_shape[0] // self.groups
        self.matrices = (1, 1, per_group, self.kernel * cells) if self.layout == ROWS else (self.kernel, self.groups, per_group, cells)
        row_bytes = max(1, self.channels * math.prod(self.rest) * across * dtype.itemsize)
        products = max(1, per_group * cells * across)  # of a kernel row with a row of pixels
        budget = CACHE
        if self.layout == ROWS:
            budget = min(ROW_CACHE, SMALL // (products * self.kernel) * (self._held(sizes[0]) * row_bytes))
        elif self.layout == MERGED:
            budget = max(CACHE, math.prod(w_shape) * dtype.itemsize)  # each tile reads all weights
        most = sizes[0]  # rows in a block
        while most > 1 and self._held(most) * row_bytes > 2 * max(budget, CACHE):
            most = -(-most // 2)
        if layout == IMAGES and small and SMALL // products >= max(4, 128 // across):
            most = min(most, SMALL // products)
        blocks = -(-sizes[0] // max(1, most))
        block = max(1, -(-sizes[0] // max(1, blocks)))
        self.shares_at_most = max(1, min(SHARES, n * math.prod(sizes) * math.prod(w_shape) // SHARE))
        together = max(1, min(n, budget // (row_bytes * self._held(block))))
        batches = max(-(-n // together), -(-self.shares_at_most // blocks) if n and blocks else 0)
        together = max(1, -(-n // max(1, batches)))
        together = next((some for some in range(together, 2 * together // 3, -1) if n % some == 0), together)  # no smaller last tile
        self.rows = [slice(row, min(row + block, sizes[0])) for row in range(0, sizes[0], block)]
        self.images = [slice(image, min(image + together, n)) for image in range(0, n, together)]

    def _held(self, height: int) -> int:
        """How many rows of columns a tile with ``height`` rows of the output has, in all phases."""
        return (height - 1) * self.stride + self.kernel if self.layout == ROWS else self.phases * (height + self.more)

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
        tile = self.spare.pop() if self.spare else None
        for rows, images in share:
            count = images.stop - images.start
            if tile is None or tile.made != (rows, count):
                tile = _Tile(self, rows, count, None if tile is None else tile.columns)
            tile.images = images
            yield tile
        if tile is not None:
            self.spare.append(tile)

    def weights(self, w: np.ndarray) -> np.ndarray:
        """The weights that each of a tile's slices meets: (O, C/G, KH, ...) to S G O/G K."""
        by_row = w.swapaxes(1, 2) if self.layout == ROWS else np.moveaxis(w, 2, 0)
        return np.ascontiguousarray(by_row).reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """What :meth:`weights` was given, of ``shape``, from its result."""
        o, c, kernel, *rest = shape
        if self.layout == ROWS:
            return np.ascontiguousarray(weights.reshape(o, kernel, c, *rest).swapaxes(1, 2))
        return np.ascontiguousarray(np.moveaxis(weights.reshape(kernel, o, c, *rest), 0, 2))


def _groups(x_shape: Sequence[int], w_shape: Sequence[int]) -> int:
    """A weight has the channels of one group: the shapes tell how many there are."""
    return x_shape[1] // w_shape[1] if w_shape[1] else 1


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: Sequence[int], window: Window) -> np.ndarray:
    """y[n, o, p] = bias[o] + sum over c, k of x[n, c, p * stride + k * dilation - padding] * w[o, c, k]; p runs over ``sizes``."""
    chosen = algorithm("output", x.shape, w.shape, sizes, window, x.dtype)
    if chosen == WINOGRAD:
        y = _finite(winograd.convolve, x, w, bias, sizes, window.padding)
        if y is not None:
            return y
        chosen = IMAGES
    y = np.empty((len(x), len(w), *sizes), x.dtype)
    whole = _Cut(x.shape, w.shape, sizes, window, x.dtype, chosen)
    weights = whole.weights(w)

    def work(share: list[tuple[slice, slice]]) -> None:
        product = np.empty(0)
        for tile in whole.tiles(share):
            unfold(x[tile.images], tile.windows, tile.axes)
            total = tile.room(y)
            np.matmul(weights[0], tile.slices[0], out=total)
            for weight, columns in zip(weights[1:], tile.slices[1:], strict=True):
                if product.shape != total.shape:
                    product = np.empty_like(total)
                total += np.matmul(weight, columns, out=product)
            if bias is not None:
                total += bias.reshape(tile.groups, -1, 1)
            tile.store(total, y)

    _parallel(work, whole.shares())
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
    chosen = algorithm("scatter", shape, w.shape, y.shape[2:], window, y.dtype)
    whole = _Cut(shape, w.shape, y.shape[2:], window, y.dtype, chosen)
    weights = whole.weights(w).swapaxes(2, 3)
    multiply = np.multiply if weights.shape[3] == 1 else np.matmul  # a depthwise layer has outer products, on which BLAS is slow

    def work(share: list[tuple[slice, slice]]) -> None:
        for tile in whole.tiles(share):
            tile.windows.fill(0)
            part = tile.pixels(y)
            for weight, columns in zip(weights, tile.slices, strict=True):
                columns += multiply(weight, part)
            fold(tile.windows, x[tile.images], tile.axes)

    _parallel(work, whole.shares(apart=True))
    return x


def weight_gradient(x: np.ndarray, y: np.ndarray, shape: Sequence[int], window: Window) -> np.ndarray:
    """The transpose of :func:`convolve` in w: w[o, c, k] += x[n, c, p * stride + k * dilation - padding] * y[n, o, p]; w has ``shape``."""
    chosen = algorithm("weight", x.shape, shape, y.shape[2:], window, x.dtype)
    if chosen == WINOGRAD:
        gradient = _finite(winograd.weight_gradient, x, y, shape, window.padding)
        if gradient is not None:
            return gradient
        chosen = IMAGES
    whole = _Cut(x.shape, shape, y.shape[2:], window, x.dtype, chosen, small=True)
    shares = whole.shares(max(2, TOTALS // max(1, math.prod(shape) * x.itemsize)))
    slices, groups, o, k = whole.matrices
    totals = np.zeros((max(1, len(shares)), slices, groups, k, o), x.dtype)
    y = np.ascontiguousarray(y)

    def work(i: int) -> None:
        for tile in whole.tiles(shares[i]):
            unfold(x[tile.images], tile.windows, tile.axes)
            part = tile.pixels(y).swapaxes(2, 3)  # B G L O/G
            if tile.length <= TURNED:
                part = np.ascontiguousarray(part)
            for total, columns in zip(totals[i], tile.slices, strict=True):
                total += (columns @ part).sum(axis=0)

    _parallel(work, range(len(shares)))
    total = totals[0] if len(totals) == 1 else totals.sum(axis=0)
    return whole.unweights(total.swapaxes(2, 3), shape)
