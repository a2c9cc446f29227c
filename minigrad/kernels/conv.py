"""Convolution as matrix products, without copying the input once per kernel cell.

The textbook way (im2col) copies each window into a column, multiplies the weights with all columns, and so copies every cell
of the input KH * KW times. Here the columns are unfolded along **all axes but the first**: KW copies, of which BLAS reads overlapping
slices. :mod:`minigrad.kernels.layouts` has three memory layouts for the columns, and cuts the work into tiles that fit in the cache. Deep layers,
with more weights than pixels, do have textbook columns: copying their weights would take longer.

The weight gradient multiplies the gradient with the same slices. The input gradient applies the steps of ``convolve`` transposed and
in reverse order: products with the transposed weights are added *into* the slices, and the columns are folded back into the input.
With stride 1 this is a convolution with the flipped kernel, which is faster unless it computes many more pixels or the layer is deep.

Threads take tiles, or, if there is only one, channels: outputs in the forward pass, inputs in the others, so that each thread reads half the weights.

Where the kernel overlaps the edges of many small images, :func:`_input_by_rows` is a convolution along the first axis and folds the others.

Where no two windows meet, as in patch embeddings, :mod:`minigrad.kernels.patches` makes one product of a convolution.

Large layers with 3x3 and 5x5 kernels use :mod:`minigrad.kernels.winograd`; :func:`algorithm` chooses. Winograd mixes the pixels of a tile, so
an infinity or a NaN would spread to pixels outside its window: a result that is not finite is computed again by a direct algorithm.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from minigrad.kernels import native, patches, winograd
from minigrad.kernels.layouts import ALL, CACHE, LAYOUTS, SMALL, Images, Interleaved, Merged, Rows, Tile, Window, groups_of, layout
from minigrad.kernels.native import conv as fast
from minigrad.kernels.quiet import quiet, short_buffer
from minigrad.kernels.sums import add_pixels
from minigrad.kernels.threads import WORTH, one_blas_thread, parallel
from minigrad.kernels.windows import fold, sliding, some_of

TURNED = 512  # up to so many pixels, a weight gradient is faster with a transposed copy of y: BLAS has a path for small matrices
DEEP = 1 << 16  # from so many weights in a kernel row, transposing the sums at the end takes longer than that copy saves
HEAVY = 1 << 15  # above so many weights in a kernel row, and with fewer pixels than cells in it, weights are read as they lie
ROWS = 32  # outputs in a product of some of a deep layer's weights
PACKED = 128  # pixels from which packing the weights takes no longer than adding such products
MANY = 16  # images from which a pixel of all of them is a piece worth copying
SHORT = 12  # pixels of rows up to which that is faster than copying rows
BUFFER = 256  # elements of numpy's buffer where spread rows are added: they are longer, and so are not copied to it
TOTALS = 8 << 20  # bytes of all partial sums of a weight gradient: each share has its own

WINOGRAD, PATCHES = "winograd", "patches"
ALGORITHMS = (*LAYOUTS, WINOGRAD)  # the direct algorithms are named after their column layout
_forced: list[str] = []


@contextlib.contextmanager
def force(name: str) -> Iterator[None]:
    """Context manager that makes all threads use one of :data:`ALGORITHMS` wherever it is possible: for tests and benchmarks."""
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm {name!r} is none of {', '.join(ALGORITHMS)}")
    _forced.append(name)
    try:
        yield
    finally:
        _forced.pop()


def algorithm(
    wanted: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Window, dtype: np.dtype | type
) -> str:
    """The fastest of :data:`ALGORITHMS`, estimated from the shapes (and from whether Winograd's transforms are native); ``"patches"``, the module,
    where windows do not meet.

    Args:
        wanted: ``"output"``, ``"input"`` (the input gradient as a convolution of the output with the flipped kernel), ``"weight"`` (the weight
            gradient), or ``"scatter"`` (an input gradient that is not done as a convolution).

    >>> window = Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    >>> algorithm("output", (32, 64, 32, 32), (64, 64, 3, 3), (32, 32), window, np.float32)
    'winograd'
    >>> algorithm("output", (128, 8, 16, 16), (8, 8, 3, 3), (16, 16), window, np.float32)
    'images'
    >>> algorithm("output", (32, 3, 64, 64), (32, 3, 3, 3), (64, 64), window, np.float32)
    'rows'
    >>> algorithm("output", (64, 6, 14, 14), (16, 6, 5, 5), (10, 10), Window((1, 1), ((0, 0), (0, 0)), (1, 1)), np.float32)
    'interleaved'
    >>> algorithm("output", (1, 512, 7, 7), (512, 512, 3, 3), (7, 7), window, np.float64)
    'merged'
    >>> algorithm("output", (8, 3, 224, 224), (384, 3, 16, 16), (14, 14), Window((16, 16), ((0, 0), (0, 0)), (1, 1)), np.float32)
    'patches'
    """
    dtype = np.dtype(dtype)
    is_native = dtype == np.float32 and native.library() is not None
    fastest, possible = _choices(wanted, x_shape, w_shape, sizes, window, dtype, is_native)
    if _forced:
        return _forced[-1] if _forced[-1] in possible else Images.name if fastest == PATCHES else fastest
    return fastest


@functools.lru_cache(maxsize=1024)
def _choices(
    wanted: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    sizes: tuple[int, ...],
    window: Window,
    dtype: np.dtype,
    is_native: bool,
) -> tuple[str, tuple[str, ...]]:
    """The fastest algorithm, and all possible ones."""
    n, (o, c, kernel, *rest) = x_shape[0], w_shape
    pixels, cells = math.prod(sizes), c * math.prod(rest)  # cells of a kernel row
    one_group, dense = x_shape[1] == c, math.prod(x_shape) * pixels * o > 0
    can_winograd = wanted != "scatter" and one_group and dense and dtype in (np.float32, np.float64)
    can_winograd = can_winograd and 2 <= len(sizes) <= 3 and w_shape[-2:] in ((3, 3), (5, 5)) and max(window.stride) == 1
    can_rows = wanted != "scatter" and one_group and window.dilation[0] == 1  # in-place additions into overlapping matrices go wrong
    possible = (Images.name, Merged.name, *[Rows.name, Interleaved.name] * can_rows, *[WINOGRAD] * can_winograd)
    if wanted in ("output", "weight") and patches.apart(x_shape, w_shape, sizes, window):
        return PATCHES, possible
    if can_winograd:
        direct = 0.225 / 9 * math.prod(w_shape[2:]) * n * pixels * c * o  # nanoseconds, at 25 ps for each product
        if winograd.nanoseconds(n, c, o, w_shape[2:], sizes, window.dilation, is_native, wanted == "weight") < direct:
            return WINOGRAD, possible
    across = math.prod(sizes[1:])
    if wanted in ("output", "input"):  # for wide images the products exceed SMALL, so that BLAS packs the matrices
        thin = cells < (12 if across < 64 else 32) * (kernel - 1) ** 2 and (kernel > 3 or o > 16 or across >= 64)
    else:
        thin = cells < 12 * (kernel - 1) ** 2 and kernel >= 5 and kernel * cells >= 100
    least = 64 if wanted == "weight" or kernel <= 3 else 8  # pixels in a matrix: fewer are worth it where it saves more products than two
    if can_rows and n >= MANY and wanted == "input" and 7 * across >= 8 * math.prod(x_shape[3:]):
        return Interleaved.name, possible
    if can_rows and thin and across >= 8 and n * across >= least:
        return Interleaved.name if n >= MANY and across <= SHORT and wanted != "input" else Rows.name, possible
    return Merged.name if o // max(1, x_shape[1] // max(1, c)) * cells > HEAVY and pixels < cells else Images.name, possible


def _choose(chosen: str, fast: Callable[[], np.ndarray | None], columns: Callable[[str], np.ndarray]) -> np.ndarray:
    """The result of ``fast``, Winograd's, if that is chosen and its result is finite (None says that it is not), else by ``columns``."""
    if chosen == WINOGRAD:
        with one_blas_thread:
            result = quiet().run(fast)
        if result is not None:
            return result
        chosen = Images.name
    return columns(chosen)


def convolve(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: tuple[int, ...], window: Window) -> np.ndarray:
    """y[n, o, p] = bias[o] + sum over c, k of x[n, c, p * stride + k * dilation - padding] * w[o, c, k]; p runs over ``sizes``."""
    chosen = algorithm("output", x.shape, w.shape, sizes, window, x.dtype)
    if chosen == PATCHES:
        return patches.convolve(x, w, bias, sizes, window)
    return _choose(
        chosen,
        lambda: winograd.convolve_apart(x, w, bias, sizes, window, False),
        lambda name: _by_columns(x, w, bias, sizes, window, name),
    )


@native.twin(fast.convolve, times=0)
def _by_columns(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: tuple[int, ...], window: Window, chosen: str) -> np.ndarray:
    """:func:`convolve` by one of the layouts of columns."""
    y = np.empty((len(x), len(w), *sizes), x.dtype)
    whole = layout(chosen, x.shape, w.shape, sizes, window, x.dtype)
    spare = whole.spare()
    weights = whole.weights(w)

    def multiply(tile: Tile, images: slice, outputs: slice) -> None:
        part = y[images, outputs, tile.rows]
        total = whole.room(tile, part)
        if chosen == Merged.name and whole.groups == 1:
            _in_pieces(weights[0, 0, outputs], tile.slices[0][0, 0], total[0, 0])
        else:
            np.matmul(weights[0][..., outputs, :], tile.slices[0], out=total)
        product = np.empty_like(total) if len(weights) > 1 else total
        for weight, columns in zip(weights[1:], tile.slices[1:], strict=True):
            total += np.matmul(weight[..., outputs, :], columns, out=product)
        whole.store(tile, total, None if bias is None else bias[outputs], part)

    def work(share: list[tuple[slice, slice]]) -> None:
        for tile, images in whole.tiles(share, spare):
            whole.fill(tile, x[images], ALL)
            multiply(tile, images, ALL)

    if whole.alone:
        ((tile, images),) = whole.tiles(whole.places, spare)
        parallel(lambda some: whole.fill(tile, x[images, some], some), whole.halves(x.shape[1]), tile.columns.nbytes > WORTH)
        parallel(lambda some: multiply(tile, images, some), whole.halves(len(w)))
    else:
        parallel(work, whole.shared)
    return y


def _in_pieces(weights: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """``weights @ columns`` of more weights than pixels, by products so small that BLAS reads both as they lie: packing weights that are read once
    takes as long as multiplying a few pixels."""
    (outputs, cells), pixels = weights.shape, columns.shape[1]
    least = -(-ROWS * cells * pixels // SMALL)
    pieces = next((some for some in range(least, min(2 * least, cells) + 1) if some and cells % some == 0), 0)
    if not pieces or outputs % ROWS or pixels >= PACKED or pieces * out.nbytes > CACHE:
        np.matmul(weights, columns, out=out)
        return
    factors = weights.reshape(-1, ROWS, pieces, cells // pieces).transpose(2, 0, 1, 3), columns.reshape(pieces, 1, -1, pixels)
    total = out.reshape(-1, ROWS, pixels)
    if pieces == 1:
        np.matmul(factors[0][0], factors[1][0], out=total)
    else:  # two calls of numpy, since threads wait for the GIL between calls
        np.add.reduce(np.matmul(*factors), axis=0, out=total)


def input_gradient(y: np.ndarray, w: np.ndarray, shape: tuple[int, ...], window: Window) -> np.ndarray:
    """The transpose of :func:`convolve` in x: x[n, c, p * stride + k * dilation - padding] += y[n, o, p] * w[o, c, k]; x has ``shape``."""
    if not _forced and patches.apart(shape, w.shape, y.shape[2:], window):
        return patches.input_gradient(y, w, shape, window)
    groups, padding = groups_of(shape, w.shape), []
    for k, (before, _), d in zip(w.shape[2:], window.padding, window.dilation, strict=True):
        padding.append((d * (k - 1) - before, 0))
    flipped = Window(window.stride, tuple(padding), window.dilation)
    turned = (shape[1], len(w) // groups, *w.shape[2:])  # the shape of the flipped weights
    chosen = algorithm("input", y.shape, turned, shape[2:], flipped, y.dtype) if max(window.stride) == 1 else Images.name
    return _choose(
        chosen,
        lambda: winograd.convolve_apart(y, w, None, shape[2:], flipped, True),
        lambda name: _input_by_columns(y, w, shape, window, flipped, name),
    )


@native.twin(fast.input_gradient, times=0)
def _input_by_columns(y: np.ndarray, w: np.ndarray, shape: tuple[int, ...], window: Window, flipped: Window, chosen: str) -> np.ndarray:
    """:func:`input_gradient` by one of the layouts of columns; with stride 1 as a convolution by ``flipped``, if its pixels are not too many."""
    if chosen == Interleaved.name:
        return _input_by_rows(y, w, shape, window, flipped)
    groups, scatter = groups_of(shape, w.shape), algorithm("scatter", shape, w.shape, y.shape[2:], window, y.dtype)
    if scatter != Merged.name and max(window.stride) == 1 and 2 * math.prod(y.shape[2:]) >= math.prod(shape[2:]):
        parts = [winograd.flip(part) for part in np.split(w, groups)]
        return _by_columns(y, np.concatenate(parts) if groups > 1 else parts[0], None, shape[2:], flipped, chosen)
    x = np.zeros(shape, y.dtype)
    y = np.ascontiguousarray(y)
    whole = layout(scatter, shape, w.shape, y.shape[2:], window, y.dtype)
    spare: deque[Tile] = deque()  # not those that are filled, whose padding is 0
    weights = whole.weights(w).swapaxes(2, 3)
    multiply = np.multiply if weights.shape[3] == 1 else np.matmul  # a depthwise layer computes outer products, which are slow in BLAS

    def spread(tile: Tile, images: slice, part: np.ndarray, channels: slice) -> None:
        cells = whole.cells_of(channels)
        if len(weights) == 1:
            multiply(weights[0][..., cells, :], part, out=tile.slices[0][..., cells, :])
        else:
            tile.windows[:, channels].fill(0)
            for weight, columns in zip(weights, tile.slices, strict=True):
                columns[..., cells, :] += multiply(weight[..., cells, :], part)
        fold(some_of(tile.pieces, channels), x[images, channels])

    def work(share: list[tuple[slice, slice]]) -> None:
        for tile, images in whole.tiles(share, spare):
            spread(tile, images, whole.pixels(y[images, :, tile.rows]), slice(0, shape[1]))

    if whole.alone:
        ((tile, images),) = whole.tiles(whole.places, spare)
        part = whole.pixels(y)
        parallel(lambda some: spread(tile, images, part, some), whole.halves(shape[1]))
    else:
        parallel(work, whole.shares(apart=True))
    return x


def _input_by_rows(y: np.ndarray, w: np.ndarray, shape: tuple[int, ...], window: Window, flipped: Window) -> np.ndarray:
    """:func:`input_gradient` with stride 1: along the first axis as a convolution by ``flipped``, along the others spread.

    A convolution along all axes has as many products for each pixel of x, though those next to the edges are seen by few windows where there is
    no padding: for 5 x 5 cells and 10 x 10 pixels of y twice as many as there are; here it is 1.4 times as many, and what is copied is y, once.
    """
    (o, c, kernel, *rest), others = w.shape, window.padding[1:]
    ones, width = (1,) * len(rest), y.shape[3:]
    turned = (math.prod(rest) * c, o, kernel, *ones)  # an output channel for each cell of a row, and channel of x
    weights = w[:, :, ::-1].transpose(*range(3, w.ndim), 1, 0, 2).reshape(turned)
    down = Window((1, *ones), (flipped.padding[0], *[(0, 0)] * len(rest)), (1, *ones))
    whole = layout(Interleaved.name, y.shape, turned, (shape[2], *width), down, y.dtype)
    matrix = whole.weights(weights)[0]
    axes = map(sliding, shape[3:], width, rest, window.stride[1:], [before for before, _ in others], window.dilation[1:])
    cells = [tuple(zip(*places, strict=True)) for places in itertools.product(*[axis.places for axis in axes])] if rest else [((), (), ())]
    spare = whole.spare()
    x = np.empty(shape, y.dtype)

    def work(share: list[tuple[slice, slice]]) -> None:
        for tile, images in whole.tiles(share, spare):
            whole.fill(tile, y[images], ALL)
            product = np.matmul(matrix, tile.slices[0])
            spread = product.reshape(len(product), *rest, c, *width, tile.n)
            total = np.zeros((len(product), c, *shape[3:], tile.n), y.dtype)
            with short_buffer(BUFFER):
                for cell, windows, places in cells:
                    to = total[(ALL, ALL, *places)]
                    np.add(to, spread[(ALL, *cell, ALL, *windows)], out=to)
            x[images, :, tile.rows] = total.transpose(total.ndim - 1, 1, 0, *range(2, total.ndim - 1))

    parallel(work, whole.shared)
    return x


def weight_gradient(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window, db: np.ndarray | None = None) -> np.ndarray:
    """The transpose of :func:`convolve` in w: w[o, c, k] += x[n, c, p * stride + k * dilation - padding] * y[n, o, p]; w has ``shape``.

    ``db`` gets the sums of y over n and p, the transpose in the bias.
    """
    chosen = algorithm("weight", x.shape, shape, y.shape[2:], window, x.dtype)
    if chosen in (PATCHES, WINOGRAD):
        add_pixels(y, db)
    if chosen == PATCHES:
        return patches.weight_gradient(x, y, shape, window)
    return _choose(
        chosen,
        lambda: winograd.weight_gradient_apart(x, y, shape, window),
        lambda name: _weights_by_columns(x, y, shape, window, name, db),
    )


def weight_bias_gradient(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window) -> tuple[np.ndarray, np.ndarray]:
    """:func:`weight_gradient` and the gradient in the bias, of (shape[0],)."""
    db = np.empty(shape[0], y.dtype)
    return weight_gradient(x, y, shape, window, db), db


@native.twin(fast.weight_gradient, times=0)
def _weights_by_columns(
    x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window, chosen: str, db: np.ndarray | None
) -> np.ndarray:
    """:func:`weight_gradient` by one of the layouts of columns."""
    add_pixels(y, db)
    whole = layout(chosen, x.shape, shape, y.shape[2:], window, x.dtype, small=True)
    spare = whole.spare()
    shares = whole.shares(max(2, TOTALS // max(1, math.prod(shape) * x.itemsize)))
    slices, groups, o, k = whole.matrices
    deep = o * k >= DEEP
    totals = (np.empty if shares else np.zeros)((max(1, len(shares)), slices, groups, *((o, k) if deep else (k, o))), x.dtype)
    y = np.ascontiguousarray(y)

    def pixels(tile: Tile, images: slice) -> np.ndarray:
        part = whole.pixels(y[images, :, tile.rows])
        if not deep:
            part = part.swapaxes(2, 3)  # B G L O/G
            if part.shape[2] <= TURNED:
                part = np.ascontiguousarray(part)
        return part

    def multiply(tile: Tile, images: slice, part: np.ndarray, channels: slice, totals: np.ndarray, first: bool) -> None:
        whole.fill(tile, x[images, channels], channels)
        cells = whole.cells_of(channels)
        for total, columns in zip(totals, tile.slices, strict=True):
            columns = columns[..., cells, :]
            factors = (part, columns.swapaxes(2, 3)) if deep else (columns, part)
            total = total[..., cells] if deep else total[..., cells, :]
            if not first:
                total += np.matmul(*factors).sum(axis=0)
            elif len(part) == 1:
                np.matmul(*factors, out=total[None])
            else:
                np.matmul(*factors).sum(axis=0, out=total)

    def work(i: int) -> None:
        for j, (tile, images) in enumerate(whole.tiles(shares[i], spare)):
            multiply(tile, images, pixels(tile, images), slice(0, shape[1] * groups), totals[i], j == 0)

    if whole.alone:
        ((tile, images),) = whole.tiles(whole.places, spare)
        part = pixels(tile, images)
        parallel(lambda some: multiply(tile, images, part, some, totals[0], True), whole.halves(shape[1]))
    else:
        parallel(work, range(len(shares)))
    total = totals[0] if len(totals) == 1 else totals.sum(axis=0)
    return whole.unweights(total if deep else total.swapaxes(2, 3), shape)
