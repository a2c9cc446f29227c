"""3x3 convolution with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3) (Lavin & Gray 2015).

An output tile of 4x4 pixels depends on 6x6 pixels of the input. Instead of sliding a window, tile and kernel are treated as polynomials:
evaluate both at six points, multiply, interpolate. With the matrices of :func:`toom_cook`, in two dimensions::

    y = A' [(G w G') * (B' x B)] A                6x6 products for 4x4 outputs; a sliding window needs 9 * 16

Over all channels these are 36 matrix products. The transforms are matrix products too: that of a flattened input tile, for example,
is the 36x36 Kronecker product of B' with itself. BLAS also changes the layout, so no array is transposed: tiles are
copied in runs of four contiguous pixels to ``channels tiles 36``, and the product with BLAS has the layout ``36 channels tiles``.

The weight gradient is the transpose of all this. The input gradient is a convolution with the flipped kernel.

**Rounding.** The points are 0, ±3/4, ±3/2 and infinity. In float32 the root mean square error is about 5 times that of direct
summation (9e-7 against 1.6e-7 of the result's standard deviation, with 64 channels); with Lavin's points 0, ±1, ±2 it would be 12 times.
Errors are relative to the largest pixels of a tile: if one pixel is a million times as large as the others, their results lose their digits.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import winograd as fast
from minigrad.kernels.threads import parallel
from minigrad.kernels.tiles import cut

CACHE = 3 << 19  # bytes of transformed input in a part of the images
SHARES = 16  # shares of a weight gradient, at most
TOTALS = 8 << 20  # bytes of the partial sums of all shares together
WEIGHTS = 4 << 20  # up to so many bytes of transformed weights, each part may read them again
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def toom_cook(points: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices A', G and B' of one-dimensional minimal filtering with three taps at ``points`` and infinity (transposed Toom-Cook).

    >>> a, g, b = toom_cook(POINTS)
    >>> x, w = np.arange(6.0), np.array([1.0, 2.0, 4.0])
    >>> np.allclose(a @ ((g @ w) * (b @ x)), np.correlate(x, w))
    True
    """
    m = len(points) + 1
    n = m - 2
    a, g, b = np.zeros((n, m)), np.zeros((m, 3)), np.zeros((m, m))
    for i, point in enumerate(points):
        others = [p for j, p in enumerate(points) if j != i]
        scale = np.prod([point - p for p in others])
        a[:, i] = [point**r for r in range(n)]
        g[i] = np.array([1.0, point, point**2]) / scale
        b[i, : m - 1] = np.poly(others)[::-1]
    a[n - 1, -1], g[-1, 2], b[-1] = 1.0, 1.0, np.poly(points)[::-1]
    balance = 2.0 ** np.round(np.log2(np.abs(b).sum(axis=1) / np.abs(g).sum(axis=1)) / 2)[:, None]  # rows of similar size: less rounding
    return a, g * balance, b / balance


class Matrices(NamedTuple):
    """The transforms: A' (4, 6) and B' (6, 6), and those of flattened tiles, of the output (16, 36), the kernel (36, 9), the input (36, 36)."""

    a: np.ndarray
    b: np.ndarray
    output: np.ndarray
    kernel: np.ndarray
    input: np.ndarray


@functools.cache
def matrices(dtype: np.dtype) -> Matrices:
    """The transforms in a dtype."""
    a, g, b = toom_cook(POINTS)
    return Matrices(*[m.astype(dtype) for m in (a, b, np.kron(a, a), np.kron(g, g), np.kron(b, b))])


# A row of six pixels as runs that numpy copies as one element each: (first pixel, dtype of the run).
_RUNS: dict[Any, list[tuple[int, Any]]] = {
    np.dtype(np.float32): [(0, np.complex128), (4, np.complex64)],
    np.dtype(np.float64): [(0, np.complex128), (2, np.complex128), (4, np.complex128)],
}


def _copy_tiles(source: np.ndarray, side: int, th: int, tw: int, images_first: bool) -> np.ndarray:
    """Tiles of ``side`` x ``side`` pixels that begin every four pixels, from C N H W or N C H W, as an array C*N*th*tw side*side."""
    c, n = (source.shape[1], source.shape[0]) if images_first else source.shape[:2]
    *outer, row, size = source.strides
    outer = outer[::-1] if images_first else outer
    tiles = np.empty((c, n, th, tw, side * side), source.dtype)
    for i in range(side):
        for first, run in _RUNS[source.dtype]:
            if first < side:
                to: np.ndarray = np.ndarray((c, n, th, tw), run, tiles, (i * side + first) * size, tiles.strides[:4])
                to[...] = np.ndarray((c, n, th, tw), run, source, i * row + first * size, (*outer, 4 * row, 4 * size))
    return tiles.reshape(-1, side * side)


def _framed(x: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    """N C H W as C N height width: x begins at (top, left), with zeros around it. Negative ``top`` and ``left`` crop x."""
    n, c = x.shape[:2]
    whole = np.zeros((c, n, height, width), x.dtype)
    part = x[:, :, max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)].swapaxes(0, 1)
    top, left = max(top, 0), max(left, 0)
    whole[:, :, top : top + part.shape[2], left : left + part.shape[3]] = part
    return whole


def _planes(matrix: np.ndarray, tiles: np.ndarray, channels: int) -> np.ndarray:
    """Each tile multiplied with ``matrix``: channels*K side*side to 36 channels K."""
    planes = fast.planes(len(tiles), tiles.dtype)
    np.matmul(matrix, tiles.T, out=planes)
    return planes.reshape(36, channels, -1)


@native.twin(fast.input_tiles)
def input_tiles(x: np.ndarray, m: Matrices, th: int, tw: int, padding: Sequence[tuple[int, int]]) -> np.ndarray:
    """The 6x6 tiles of some images, transformed: N C H W to 36 C N*th*tw."""
    whole = _framed(x, 4 * th + 4, 4 * tw + 4, padding[0][0], padding[1][0])  # 2 more than tiles need: rows of whole fours
    return _planes(m.input, _copy_tiles(whole, 6, th, tw, images_first=False), x.shape[1])


@native.twin(fast.gradient_tiles)
def gradient_tiles(y: np.ndarray, m: Matrices, th: int, tw: int) -> np.ndarray:
    """The 4x4 tiles of the gradients of some images, transformed by the transpose of the output's matrix: N O H W to 36 O N*th*tw."""
    exact = (4 * th, 4 * tw) == y.shape[2:] and y.flags.c_contiguous
    tiles = _copy_tiles(y if exact else _framed(y, 4 * th, 4 * tw, 0, 0), 4, th, tw, images_first=exact)
    return _planes(m.output.T, tiles, y.shape[1])


@native.twin(fast.output)
def output(products: np.ndarray, m: Matrices, bias: np.ndarray | None, y: np.ndarray, th: int, tw: int) -> bool:
    """Write the transformed products to ``y``: 36 O*N*th*tw to N O H W. Return whether they are finite."""
    n, o, *sizes = y.shape
    pixels = products.T @ m.output.T  # O*N*tiles 16
    if not np.isfinite(pixels.sum()):
        return False
    if bias is not None:
        pixels.reshape(o, -1)[...] += bias[:, None]
    exact = [4 * th, 4 * tw] == sizes and y.flags.c_contiguous
    to = y if exact else np.empty((n, o, 4 * th, 4 * tw), y.dtype)
    runs = y.itemsize // 4  # in a row of four pixels, of 16 bytes
    source = pixels.view(np.complex128).reshape(o, n, th, tw, 4, runs)
    to.view(np.complex128).reshape(n, o, th, 4, tw, runs)[...] = source.transpose(1, 0, 2, 4, 3, 5)
    if not exact:
        y[...] = to[:, :, : sizes[0], : sizes[1]]
    return True


def _tiling(x_shape: Sequence[int], outputs: int, sizes: Sequence[int], itemsize: int) -> tuple[int, int, list[slice]]:
    """The numbers of tiles down and across, and the images in parts whose transformed input fits in the cache."""
    th, tw = -(-sizes[0] // 4), -(-sizes[1] // 4)
    n, c = x_shape[:2]
    weights = 36 * outputs * c * itemsize
    budget = CACHE if weights <= WEIGHTS else max(CACHE, weights)
    image = 36 * c * th * tw * itemsize
    return th, tw, cut(n, image, min(budget, -(-n // 2) * image))  # two parts at least, for two threads


def convolve(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, sizes: Sequence[int], padding: Sequence[tuple[int, int]]
) -> np.ndarray | None:
    """The result of :func:`minigrad.kernels.conv.convolve` for a 3x3 kernel, stride 1, dilation 1, one group; None if it is not finite."""
    o, c = w.shape[:2]
    m = matrices(x.dtype)
    weights = (m.kernel @ w.reshape(o * c, 9).T).reshape(36, o, c)
    th, tw, parts = _tiling(x.shape, o, sizes, x.itemsize)
    y = np.empty((len(x), o, *sizes), x.dtype)
    odd = []

    def work(images: slice) -> None:
        inputs = input_tiles(x[images], m, th, tw, padding)
        products = fast.planes(o * inputs.shape[2], x.dtype)
        np.matmul(weights, inputs, out=products.reshape(36, o, -1))
        if not output(products, m, bias, y[images], th, tw):
            odd.append(images)

    parallel(work, parts)
    return None if odd else y


def weight_gradient(x: np.ndarray, y: np.ndarray, shape: Sequence[int], padding: Sequence[tuple[int, int]]) -> np.ndarray | None:
    """The result of :func:`minigrad.kernels.conv.weight_gradient` for a 3x3 kernel, stride 1, dilation 1, one group; None if it is not finite."""
    o, c = shape[:2]
    m = matrices(x.dtype)
    th, tw, parts = _tiling(x.shape, o, y.shape[2:], x.itemsize)
    most = max(2, min(SHARES, TOTALS // max(1, 36 * o * c * x.itemsize)))
    shares = [parts[share] for share in cut(len(parts), 1, -(-len(parts) // most))]
    totals = np.zeros((max(1, len(shares)), 36, o, c), x.dtype)

    def work(i: int) -> None:
        for images in shares[i]:
            totals[i] += gradient_tiles(y[images], m, th, tw) @ input_tiles(x[images], m, th, tw, padding).swapaxes(1, 2)

    parallel(work, range(len(shares)))
    total = totals[0] if len(totals) == 1 else totals.sum(axis=0)
    w = (total.reshape(36, -1).T @ m.kernel).reshape(o, c, 3, 3)
    return w if np.isfinite(w.sum()) else None


def nanoseconds(n: int, c: int, o: int, sizes: Sequence[int], is_native: bool) -> float:
    """Estimated time of a convolution: transforms of tiles, products, transforms of weights (fitted to ``benchmarks``, one core at 3.5 GHz)."""
    tiles = n * -(-sizes[0] // 4) * -(-sizes[1] // 4)
    return 1e5 + tiles * ((22 if is_native else 57) * (c + o) + 0.68 * c * o) + 100 * c * o
