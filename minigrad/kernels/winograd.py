"""3x3 and 5x5 convolution with a third of the multiplications: Winograd's minimal filtering (Lavin & Gray 2015).

An output tile of 4x4 pixels depends, with a 3x3 kernel, on 6x6 pixels of the input: F(4x4, 3x3). Instead of sliding a window, tile and kernel
are treated as polynomials: evaluate both at six points, multiply, interpolate. With the matrices of
:mod:`minigrad.kernels.toom_cook`, in two dimensions::

    y = A' [(G w G') * (B' x B)] A                6x6 products for 4x4 outputs; a sliding window needs 9 * 16

Over all channels these are 36 matrix products. A 5x5 kernel has output tiles of 2x2 pixels with the same points, F(2x2, 5x5): 36 products
instead of 100. The transforms are matrix products too, in which BLAS changes the layout as well, so that no array is copied or transposed. Across,
a few tiles in a row are transformed by one matrix, most of it zeros, whose right operand is a row of pixels of all channels as it
lies in the image; what is outside the image has no column in that matrix. The channels are the last axis from then on. Down, the 6 rows of a
tile are multiplied in place: windows of tiles overlap. So tiles are ``36 tiles channels``. The way back writes rows of the image.

The weight gradient is the transpose of all this. The input gradient is a convolution with the flipped kernel.
With dilation d, pixels that are d apart see no others: they are d*d images of a convolution without dilation (:class:`Phases`).
A volume is a batch of slices, whose channels are those of all slices in its window: a sum over the depth of the kernel is one over channels
(:func:`slices`).

The native twin does the same for some rows of tiles at a time, whose points stay in the second cache. It finds the tiles of all d*d images in one frame.

**Rounding.** The points are 0, ±3/4, ±3/2 and infinity. In float32 the root mean square error with 64 channels is 8e-7 of the
result's standard deviation with 3x3 kernels, 1e-6 with 5x5 ones (direct summation: 1.6e-7 to 6.8e-7, by the order of the sum);
with Lavin's points 0, ±1, ±2 it would be twice that.
Errors are relative to the largest pixels of a tile: if one pixel is a million times as large as the others, their results lose their digits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.layouts import LANES, Window, transposed
from minigrad.kernels.native import winograd as fast
from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut
from minigrad.kernels.toom_cook import Matrices, matrices

CACHE = 3 << 19  # bytes of transformed input in a part of the images
ACROSS = 6  # tiles beside each other that one matrix transforms: more of them, fewer products, but more zeros
ROWS = 32  # channels whose weights are transformed together
SHARES = 16  # shares of a weight gradient, at most
TOTALS = 8 << 20  # bytes of the partial sums of all shares together
VOLUMES = 8 << 20  # bytes of the slices of some volumes, which are copied once for each slice of the kernel
LARGE = 1 << 17  # kernels whose 36 sums are no longer in a cache
WEIGHTS = 4 << 20  # up to so many bytes of transformed weights, each part may read them again


def _across(matrix: np.ndarray, step: int, tiles: int, size: int, before: int) -> np.ndarray:
    """A matrix that transforms a row of ``size`` pixels, which begins ``before`` pixels behind the first tile's first one: points*tiles size.

    Tiles begin every ``step`` pixels, and pixels outside the row are 0.

    >>> _across(np.array([[1.0, 2.0, 3.0]]), 2, 2, 4, 1)
    array([[2., 3., 0., 0.],
           [0., 1., 2., 3.]])
    """
    points, side = matrix.shape
    whole = np.zeros((points, tiles, size), matrix.dtype)
    for tile in range(tiles):
        first = tile * step - before
        low, high = min(max(first, 0), size), max(min(first + side, size), 0)
        if low < high:
            whole[:, tile, low:high] = matrix[:, low - first : high - first]
    return whole.reshape(-1, size)


class _Block(NamedTuple):
    """Some tiles beside each other, in all rows of tiles."""

    tiles: slice  #: of a row of tiles
    pixels: slice  #: of a row of the image
    matrix: np.ndarray  #: the transform of these pixels, as :func:`_across` makes it


@functools.lru_cache(maxsize=512)
def _blocks(dtype: np.dtype, taps: int, count: int, size: int, before: int, kind: str) -> list[_Block]:
    """A row of ``count`` tiles in blocks, for rows of ``size`` pixels. ``kind``: which of the transforms, that of a field of :class:`Matrices`."""
    m = matrices(dtype, taps)
    matrix = {"b": m.b, "a": np.ascontiguousarray(m.a.T)}[kind]
    blocks = []
    for tiles in cut(count, 1, ACROSS):
        first = tiles.start * m.pixels - before
        low, high = min(max(first, 0), size), min(max((tiles.stop - 1) * m.pixels - before + matrix.shape[1], 0), size)
        pixels = slice(low, max(low, high))
        across = _across(matrix, m.pixels, tiles.stop - tiles.start, pixels.stop - low, low - first)
        across.flags.writeable = False  # all callers share it
        blocks.append(_Block(tiles, pixels, across))
    return blocks


def _places(planes: np.ndarray, n: int, th: int, blocks: Sequence[_Block]) -> list[np.ndarray]:
    """Views of ``planes``, 36 tiles C, with the tiles of each block apart: 6 6 th pixels, where these are those of all its tiles in a row."""
    c, places, start = planes.shape[2], [], 0
    for block in blocks:
        wide = n * (block.tiles.stop - block.tiles.start)
        places.append(planes[:, start : start + th * wide].reshape(6, 6, th, wide * c))
        start += th * wide
    return places


def _tiles(x: np.ndarray, matrix: np.ndarray, blocks: Sequence[_Block], step: int, th: int, top: int) -> np.ndarray:
    """The tiles of some images, transformed: N C H W to 36 th*tw*N C. Tiles begin every ``step`` pixels, ``top`` above the first row."""
    n, c, height = x.shape[:3]
    side = matrix.shape[1]
    rows, first = step * (th - 1) + side, max(0, -top)
    start, stop = max(0, top), max(0, top, min(rows, height + top))  # those of the image
    planes = np.empty((36, th * blocks[-1].tiles.stop * n, c), x.dtype)
    for block, to in zip(blocks, _places(planes, n, th, blocks), strict=True):
        across = np.empty((rows, len(block.matrix), n, c), x.dtype)
        across[:start], across[stop:] = 0, 0
        source = x[:, :, first : first + stop - start, block.pixels]
        np.matmul(block.matrix, source.transpose(2, 0, 3, 1), out=across[start:stop].swapaxes(1, 2))
        row, wide = across.strides[0], to.shape[3]
        strides = (step * row, row // 6, row, x.itemsize)
        windows: np.ndarray = np.ndarray((th, 6, side, wide), x.dtype, across, 0, strides)  # rows of tiles, points across
        np.matmul(matrix, windows, out=to.transpose(2, 1, 0, 3))
    return planes


def _input_tiles(x: np.ndarray, m: Matrices, part: _Part, tw: int, padding: Sequence[tuple[int, int]]) -> np.ndarray:
    """The 6x6 tiles of a part, transformed: N C H W to 36 th*tw*N C."""
    blocks = _blocks(x.dtype, len(m.g[0]), tw, x.shape[3], padding[1][0], "b")
    return _tiles(x[part.images], m.b, blocks, m.pixels, part.high, padding[0][0] - part.rows.start * m.pixels)


def _gradient_tiles(y: np.ndarray, m: Matrices, part: _Part, tw: int) -> np.ndarray:
    """The tiles of the gradients of a part, transformed by the transpose of the output's matrix: N O H W to 36 th*tw*N O."""
    blocks = _blocks(y.dtype, len(m.g[0]), tw, y.shape[3], 0, "a")
    return _tiles(y[part.images], m.a.T, blocks, m.pixels, part.high, -part.rows.start * m.pixels)


def _output(products: np.ndarray, m: Matrices, bias: np.ndarray | None, y: np.ndarray, part: _Part, tw: int) -> bool:
    """Write the transformed products to a part of ``y``: 36 th*tw*N O to N O H W. Return whether they are finite."""
    y, th = y[part.images, :, part.rows.start * m.pixels : part.rows.stop * m.pixels], part.high
    n, o, height = y.shape[:3]
    blocks = _blocks(y.dtype, len(m.g[0]), tw, y.shape[3], 0, "a")
    whole = height // m.pixels  # rows of tiles that are in the image with all their rows
    for block, source in zip(blocks, _places(products, n, th, blocks), strict=True):
        rows = np.empty((th, m.pixels, 6, source.shape[3]), y.dtype)
        np.matmul(m.a, source.transpose(2, 1, 0, 3), out=rows.swapaxes(1, 2))
        points = rows.reshape(th, m.pixels, -1, n, o).transpose(0, 1, 3, 4, 2)  # th pixels N O, and those of a row of tiles
        to, columns = y[..., block.pixels].swapaxes(1, 2).swapaxes(0, 1), block.matrix
        high = whole * m.pixels
        np.matmul(points[:whole], columns, out=to[:high].reshape(whole, m.pixels, *to.shape[1:]))
        if high < height:
            np.matmul(points[whole, : height - high], columns, out=to[high:])
    if not np.isfinite(y.sum()):
        return False
    if bias is not None:
        y += bias[:, None, None]
    return True


class _Part(NamedTuple):
    """Some rows of tiles of some images."""

    images: slice
    rows: slice

    @property
    def high(self) -> int:
        """How many rows of tiles."""
        return self.rows.stop - self.rows.start


def _tiling(x_shape: Sequence[int], outputs: int, sizes: Sequence[int], pixels: int, itemsize: int) -> tuple[int, list[_Part]]:
    """The number of tiles across, and parts whose transformed input fits in the cache: some images, or some rows of tiles of one."""
    th, tw = -(-sizes[0] // pixels), -(-sizes[1] // pixels)
    n, c = x_shape[:2]
    weights = 36 * outputs * c * itemsize
    budget = CACHE if weights <= WEIGHTS else max(CACHE, weights)
    row = 36 * c * tw * itemsize
    if n == 1 or row * th > budget:
        halves = 2 if row * th > weights else 1  # parts for two threads, unless reading weights twice takes longer
        rows = cut(th, row, min(budget, -(-th // halves) * row))
        return tw, [_Part(slice(image, image + 1), some) for image in range(n) for some in rows]
    pairs = max(1, -(-n * th * row // (2 * budget)))  # of parts: as many for each of two threads
    return tw, [_Part(images, slice(0, th)) for images in cut(n, 1, -(-n // (2 * pairs)))]


def flip(w: np.ndarray) -> np.ndarray:
    """The weights of the input gradient as a convolution with stride 1."""
    return np.flip(w, tuple(range(2, w.ndim))).swapaxes(0, 1)


def _weights(w: np.ndarray, m: Matrices, flipped: bool) -> np.ndarray:
    """Weights O C KH KW, transformed: 36 C O. ``flipped``: those of :func:`flip`, 36 O C."""
    kernel, cells = m.kernel, w.reshape(*w.shape[:2], -1)
    if flipped:
        kernel, cells = kernel[:, ::-1], cells.swapaxes(0, 1)
    o, c, _ = cells.shape
    weights = np.empty((36, c, o), w.dtype)

    def work(rows: slice) -> None:  # some rows at a time, whose copy BLAS reads from the cache without one of its own
        some = np.ascontiguousarray(cells[:, rows].transpose(2, 1, 0))
        np.matmul(kernel, some.swapaxes(0, 1), out=weights[:, rows].swapaxes(0, 1))

    parallel(work, cut(c, 1, ROWS), worth=weights.nbytes > WORTH)
    return weights


@native.twin(fast.convolve, times=0)
def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: Sequence[int], window: Window, flipped: bool
) -> np.ndarray | None:
    """The result of :func:`minigrad.kernels.conv.convolve` for a 3x3 or 5x5 kernel, stride 1, one group; None if it is not finite.

    ``flipped``: with :func:`flip` of the weights.
    """
    if max(window.dilation) > 1:
        phases = Phases(sizes, w.shape[2:], window.dilation, window.padding)
        of_phases = convolve(phases.of_input(x), w, bias, phases.sizes, phases.window, flipped)
        return None if of_phases is None else phases.joined(of_phases, sizes)
    m, o = matrices(x.dtype, w.shape[2]), w.shape[1 if flipped else 0]
    tw, parts = _tiling(x.shape, o, sizes, m.pixels, x.itemsize)
    x, y = np.ascontiguousarray(x), np.empty((len(x), o, *sizes), x.dtype)
    odd = []

    def finish(tiles: np.ndarray, weights: np.ndarray, part: _Part, outputs: slice) -> None:
        if not _output(tiles @ weights, m, bias if bias is None else bias[outputs], y[:, outputs], part, tw):
            odd.append(part)

    if len(parts) == 1:  # threads take outputs, from the weights on
        tiles = _input_tiles(x, m, parts[0], tw, window.padding)

        def work_on(outputs: slice) -> None:
            some = w[:, outputs] if flipped else w[outputs]
            finish(tiles, _weights(some, m, flipped), parts[0], outputs)

        parallel(work_on, cut(o, 1, -(-o // (2 * LANES)) * LANES))
    else:
        weights = _weights(w, m, flipped)
        parallel(lambda part: finish(_input_tiles(x, m, part, tw, window.padding), weights, part, slice(None)), parts)
    return None if odd else y


@native.twin(fast.weight_gradient, times=0)
def weight_gradient(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window) -> np.ndarray | None:
    """The result of :func:`minigrad.kernels.conv.weight_gradient` where ``convolve`` is possible; None if it is not finite."""
    if max(window.dilation) > 1:
        phases = Phases(y.shape[2:], shape[2:], window.dilation, window.padding)
        return weight_gradient(phases.of_input(x), phases.of_output(y), shape, phases.window)
    o, c, *taps = shape
    m = matrices(x.dtype, taps[0])
    tw, parts = _tiling(x.shape, o, y.shape[2:], m.pixels, x.itemsize)
    most = max(2, min(SHARES, TOTALS // max(1, 36 * o * c * x.itemsize)))
    shares = [parts[share] for share in cut(len(parts), 1, -(-len(parts) // most))]
    totals = (np.empty if shares else np.zeros)((max(1, len(shares)), 36, o, c), x.dtype)
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)

    def work(i: int) -> None:
        for part in shares[i]:
            factors = _gradient_tiles(y, m, part, tw).swapaxes(1, 2), _input_tiles(x, m, part, tw, window.padding)
            if part is shares[i][0]:
                np.matmul(*factors, out=totals[i])
            else:
                totals[i] += np.matmul(*factors)

    parallel(work, range(len(shares)))
    w = np.empty(shape, x.dtype)

    def back(outputs: slice) -> None:
        total = totals[0, :, outputs] if len(totals) == 1 else totals[:, :, outputs].sum(axis=0)
        cells = np.matmul(m.kernel.T, total.swapaxes(0, 1))  # O cells C
        w[outputs].reshape(-1, c, cells.shape[1])[...] = cells.swapaxes(1, 2)

    parallel(back, cut(o, 1, ROWS), worth=totals[0].nbytes > WORTH)
    return w if np.isfinite(w.sum()) else None


class Phases:
    """A dilated convolution as one without dilation: every d-th row and column of each image is an image by itself, d*d times as many.

    >>> phases = Phases((3, 3), (3, 3), (2, 2), [(2, 2), (2, 2)])
    >>> phases.of_input(np.ones((5, 1, 3, 3))).shape, phases.of_output(np.ones((5, 1, 3, 3))).shape
    ((20, 1, 4, 4), (20, 1, 2, 2))
    """

    def __init__(self, sizes: Sequence[int], kernel: Sequence[int], dilation: Sequence[int], padding: Sequence[tuple[int, int]]):
        self.dilation, self.before = dilation, [before for before, _ in padding]
        self.sizes = [-(-size // d) for size, d in zip(sizes, dilation, strict=True)]
        self.reach = [size + k - 1 for size, k in zip(self.sizes, kernel, strict=True)]
        self.window = Window((1, 1), ((0, 0), (0, 0)), (1, 1))  #: of each image, whose zeros are in the copies

    def of_input(self, x: np.ndarray) -> np.ndarray:
        """N C H W to d*d*N C \\*reach, with zeros around it."""
        return self._apart(x, self.reach, self.before)

    def of_output(self, y: np.ndarray) -> np.ndarray:
        """N O \\*sizes to d*d*N O ..., with zeros behind the last pixels."""
        return self._apart(y, self.sizes, (0, 0))

    def _apart(self, x: np.ndarray, sizes: Sequence[int], before: Sequence[int]) -> np.ndarray:
        whole = np.empty((*self.dilation, *x.shape[:2], *sizes), x.dtype)

        def copy(phase: tuple[int, int]) -> None:
            to, source = whole[phase], x
            for axis, (a, d, p) in enumerate(zip(phase, self.dilation, before, strict=True), 2):
                first = min(max(0, -((a - p) // d)), to.shape[axis])  # the first row that is one of x; row i is a + d i - p
                source = source.swapaxes(2, axis)[:, :, a + d * first - p :: d][:, :, : to.shape[axis] - first]
                count, to = source.shape[2], to.swapaxes(2, axis)
                to[:, :, :first], to[:, :, first + count :] = 0, 0
                source, to = source.swapaxes(2, axis), to[:, :, first : first + count].swapaxes(2, axis)
            to[...] = source

        parallel(copy, list(np.ndindex(*self.dilation)))
        return whole.reshape(-1, x.shape[1], *sizes)

    def joined(self, y: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """The inverse of :meth:`of_output`."""
        parts = y.reshape(*self.dilation, -1, *y.shape[1:])
        whole = np.empty((parts.shape[2], y.shape[1], *sizes), y.dtype)

        def copy(phase: tuple[int, int]) -> None:
            to = whole[:, :, phase[0] :: self.dilation[0], phase[1] :: self.dilation[1]]
            to[...] = parts[phase][:, :, : to.shape[2], : to.shape[3]]

        parallel(copy, list(np.ndindex(*self.dilation)))
        return whole


def slices(x: np.ndarray, taps: int, count: int, dilation: int, before: int) -> np.ndarray:
    """The windows of volumes along their depth, N C D H W to N*count C*taps H W: ``count`` windows of ``taps`` slices each, with zeros around x.

    >>> slices(np.arange(1, 4).reshape(1, 1, 3, 1, 1), 3, 3, 1, 1).reshape(3, 3).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 0]]
    """
    n, c, depth, *sizes = x.shape
    whole, turned = np.empty((n, count, c, taps, *sizes), x.dtype), x.swapaxes(1, 2)

    def copy(tap: int) -> None:
        shift = tap * dilation - before
        first = min(max(0, -shift), count)
        end = max(first, min(count, depth - shift))
        whole[:, :first, :, tap], whole[:, end:, :, tap] = 0, 0
        whole[:, first:end, :, tap] = turned[:, first + shift : end + shift]

    parallel(copy, range(taps), worth=whole.nbytes > WORTH)
    return whole.reshape(n * count, c * taps, *sizes)


def _volumes(x: np.ndarray, taps: int, count: int) -> list[slice]:
    """Some volumes at a time."""
    return cut(len(x), taps * count * x[0, :, 0].nbytes, VOLUMES)


def convolve_apart(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: Sequence[int], window: Window, flipped: bool
) -> np.ndarray | None:
    """:func:`convolve` also of volumes."""
    if len(sizes) == 3:
        taps, depth, ((before, _), *_) = w.shape[2], sizes[0], window.padding
        if flipped:
            w = transposed(w[:, :, ::-1], 0, 2, 1)
        planes, within = w.reshape(-1, *w.shape[2:]) if flipped else w.reshape(len(w), -1, *w.shape[3:]), _of_slice(window)
        whole = np.empty((len(x), planes.shape[1 if flipped else 0], *sizes), x.dtype)
        for some in _volumes(x, taps, depth):
            y = convolve_apart(slices(x[some], taps, depth, window.dilation[0], before), planes, bias, sizes[1:], within, flipped)
            if y is None:
                return None
            whole[some] = y.reshape(-1, depth, *y.shape[1:]).swapaxes(1, 2)
        return whole
    return convolve(x, w, bias, sizes, window, flipped)


def _of_slice(window: Window) -> Window:
    return Window(window.stride[1:], window.padding[1:], window.dilation[1:])


def weight_gradient_apart(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], window: Window) -> np.ndarray | None:
    """:func:`weight_gradient` also of volumes."""
    if len(shape) == 5:
        (o, c, taps, *kernel), depth, ((before, _), *_) = shape, y.shape[2], window.padding
        total = np.zeros(shape, x.dtype)
        for some in _volumes(x, taps, depth):
            of_x, of_y = slices(x[some], taps, depth, window.dilation[0], before), slices(y[some], 1, depth, 1, 0)
            part = weight_gradient_apart(of_x, of_y, (o, c * taps, *kernel), _of_slice(window))
            if part is None:
                return None
            total += part.reshape(shape)
        return total
    return weight_gradient(x, y, shape, window)


def nanoseconds(
    n: int, c: int, o: int, taps: Sequence[int], sizes: Sequence[int], dilation: Sequence[int], is_native: bool, weights: bool = False
) -> float:
    """Estimated time of a convolution: transforms of tiles, products, transforms of weights (fitted to ``benchmarks``, one core at 3.5 GHz).

    ``taps``: along each axis. Of volumes too. ``weights``: of the weight gradient, natively, whose 36 sums for each kernel may be too large for caches.
    """
    if len(sizes) == 3:
        depth, (deep, *others) = sizes[0], taps
        copies = n * depth * math.prod(sizes[1:]) * (c * deep + o) * 0.5
        return nanoseconds(n * depth, c * deep, o, others, sizes[1:], dilation[1:], is_native, weights) + copies
    if max(dilation) > 1:
        phases = math.prod(dilation)
        apart = [-(-size // d) for size, d in zip(sizes, dilation, strict=True)]
        copies = 0 if is_native else n * phases * math.prod(apart) * (c + o)
        return nanoseconds(n * phases, c, o, taps, apart, (1, 1), is_native, weights) + copies
    pixels = 7 - taps[0]
    tiles = n * -(-sizes[0] // pixels) * -(-sizes[1] // pixels)
    if is_native:
        wide, high = (-(-count // fast.VECTOR) * fast.VECTOR for count in (c, o))  # in whole vectors
        return 5e4 + tiles * (9 * (wide + high) + 0.65 * c * high) + (20 if weights and c * o > LARGE else 8) * c * o
    return 1e5 + tiles * ((32 if pixels == 4 else 20) * (c + o) + 0.67 * c * o) + 55 * c * o
