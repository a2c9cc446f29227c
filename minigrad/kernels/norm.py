"""Sums over some axes of an array in one pass over memory, for normalisation.

The summed axes are before and after the kept ones, so arrays are reshaped to ``N C L``: the leading axes, the kept ones, and the
trailing ones (N = 1 for layer norm). Arrays are processed in tiles that fit in the cache, and BLAS sums products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import norm as fast
from minigrad.kernels.sums import add_lines, add_reduce, add_rows, split
from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut

CACHE = 1 << 21  # bytes of one array in a tile
WIDE = 1 << 14  # elements from which lines as long as an image pay


def _tiles(n: int, c: int, item_bytes: int) -> list[tuple[slice, slice]]:
    """Slices of the axes N and C: a range of N with all of C or, if N is 1, a range of C."""
    if n == 1:
        return [(slice(None), channels) for channels in cut(c, item_bytes, CACHE)]
    return [(batch, slice(None)) for batch in cut(n, c * item_bytes, CACHE)]


def _dots(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Sums of ``a * b`` over the last of their axes N C L, into ``out``."""
    if a.shape[2] >= 8:
        np.vecdot(a, b, out=out)
    elif a.shape[2] == 1:
        np.multiply(a[..., 0], b[..., 0], out=out)
    else:
        np.einsum("ncl,ncl->nc", a, b, out=out)


@native.twin(fast.centered_sums, times=4)
def centered_sums(a: np.ndarray, x: np.ndarray, m: np.ndarray, dim: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The sums of ``a`` and of ``a * (x - m)`` over the axes ``dim``, which keep size 1. m has the shape of the results."""
    three = split(x.shape, dim)
    if three is None or x.size == 0:
        return np.add.reduce(a, axis=tuple(dim), keepdims=True), np.add.reduce(a * (x - m), axis=tuple(dim), keepdims=True)
    n, c, l = three
    x, a, center = x.reshape(three), a.reshape(three), m.reshape(1, c, 1)
    totals, dots = np.empty((2, n, c), np.result_type(a, x, m))

    def work(tile: tuple[slice, slice]) -> None:
        part = a[tile]
        add_lines(part, totals[tile])
        _dots(part, x[tile] - center[:, tile[1]], dots[tile])

    parallel(work, _tiles(n, c, l * x.itemsize), worth=x.nbytes > WORTH)
    return add_rows(totals).reshape(m.shape), add_rows(dots).reshape(m.shape)


def moments(x: np.ndarray, dim: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (biased) variance over the axes ``dim``, which keep size 1. Two passes avoid cancellation if the mean is large."""
    count = max(math.prod([x.shape[d] for d in dim]), 1)
    three = split(x.shape, dim)
    if three is None or x.size == 0:
        m = np.add.reduce(x, axis=tuple(dim), keepdims=True) / count
        return m, np.add.reduce(np.square(x - m), axis=tuple(dim), keepdims=True) / count
    n, c, l = three
    shape = [1 if d in dim else size for d, size in enumerate(x.shape)]
    x = x.reshape(three)
    m = add_reduce(x, (0, 2)) * x.dtype.type(1 / count)
    squares = np.empty((n, c), x.dtype)
    center = m.reshape(1, c, 1)

    def work(tile: tuple[slice, slice]) -> None:
        part = x[tile] - center[:, tile[1]]
        _dots(part, part, squares[tile])

    parallel(work, _tiles(n, c, l * x.itemsize), worth=x.nbytes > WORTH)
    return m.reshape(shape), (add_rows(squares) * x.dtype.type(1 / count)).reshape(shape)


@native.twin(fast.affine, times=4)
def affine(x: np.ndarray, m: np.ndarray, a: np.ndarray, c: np.ndarray | None) -> np.ndarray:
    """``(x - m) * a + c``, where m, a and c broadcast to x, in one pass."""
    shape, dtype = x.shape, np.result_type(x, m, a) if c is None else np.result_type(x, m, a, c)
    (x,), (m, a, *more) = _lines([x], [m, a] if c is None else [m, a, c])
    result = np.empty(shape, dtype)
    y = result.reshape(x.shape)

    def work(part: Any) -> None:
        out = y[part]
        np.subtract(x[part], _part(m, x, part), out=out)
        out *= _part(a, x, part)
        for c in more:
            out += _part(c, x, part)

    parallel(work, _parts(x), worth=x.nbytes > WORTH)
    return result


@native.twin(fast.normalize, times=0)
def normalize(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, dim: Sequence[int], shape: Sequence[int], eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and (biased) variance over ``dim``.

    Weight and bias are reshaped to ``shape``, which broadcasts to x.
    """
    if rows_apart(x, dim, shape):
        return _normalize_rows(x, weight, bias, dim, shape, eps)
    m, v = moments(x, dim)
    r = 1.0 / np.sqrt(v + eps)
    y = affine(x, m, r if weight is None else r * weight.reshape(shape), bias if bias is None else bias.reshape(shape))
    return y, m, v


def rows_apart(x: np.ndarray, dim: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether ``dim`` are the last dimensions of ``x``, so that images do not depend on each other, and weights are the same for all."""
    return bool(x.size and len(dim) < x.ndim and min(dim, default=0) == x.ndim - len(dim) and shape[0] == 1 and x.flags.c_contiguous)


def _images(x: np.ndarray) -> list[slice]:
    return cut(len(x), x[:1].nbytes, CACHE)


def _lines_of(x: np.ndarray, dim: Sequence[int]) -> np.ndarray:
    """1 C L, of which L are the dimensions ``dim``, the last ones."""
    return x.reshape(1, math.prod(x.shape[: x.ndim - len(dim)]), -1)


def _normalize_rows(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, dim: Sequence[int], shape: Sequence[int], eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`normalize` where images do not depend on each other: all its passes over some of them, while they are in the cache."""
    small = (*x.shape[: x.ndim - len(dim)], *[1] * len(dim))
    share = x.dtype.type(1 / math.prod([x.shape[d] for d in dim]))
    y, m, v = np.empty_like(x), np.empty(small, x.dtype), np.empty(small, x.dtype)
    w, b = [p if p is None else p.reshape(shape) for p in (weight, bias)]

    def work(images: slice) -> None:
        out, mean, variance = y[images], m[images], v[images]
        add_lines(_lines_of(x[images], dim), mean.reshape(1, -1))
        np.multiply(mean, share, out=mean)
        np.subtract(x[images], mean, out=out)
        lines = _lines_of(out, dim)
        _dots(lines, lines, variance.reshape(1, -1))
        np.multiply(variance, share, out=variance)
        factor = 1.0 / np.sqrt(variance + eps)
        if w is not None and math.prod(np.broadcast_shapes(factor.shape, w.shape)) < out.size:
            out *= factor * w
        else:
            out *= factor
            if w is not None:
                out *= w
        if b is not None:
            out += b

    parallel(work, _images(x), worth=x.nbytes > WORTH)
    return y, m, v


def normalize_rows_back(
    g: np.ndarray,
    gm: np.ndarray,
    gv: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    m: np.ndarray,
    r: np.ndarray,
    dim: Sequence[int],
    shape: Sequence[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of :func:`normalize` in the input, in the weight and in the bias (of ``shape``), if :func:`rows_apart`.

    g, gm and gv are those of its results; r is 1 / sqrt(var + eps).
    """
    share = x.dtype.type(1 / math.prod([x.shape[d] for d in dim]))
    alike = [d for d in dim if shape[d] == 1]  # the dimensions along which the weight is constant
    ends = alike == list(range(x.ndim - len(alike), x.ndim)) and bool(alike)
    others = tuple(d for d in range(x.ndim) if shape[d] == 1)
    images = _images(x)
    result, sums = np.empty_like(x), np.empty((2, len(images), *shape), x.dtype)
    w, given = weight if weight is None else weight.reshape(shape), gm.any() or gv.any()

    def work(i: int) -> None:
        part = images[i]
        out, grad, factor = result[part], g[part], r[part]
        np.subtract(x[part], m[part], out=out)
        weighted = grad if w is None else grad * w
        if ends:  # sums over lines serve the weight too
            total, dot = np.empty((2, *grad.shape[: x.ndim - len(alike)], *[1] * len(alike)), x.dtype)
            add_lines(_lines_of(grad, alike), total.reshape(1, -1))
            _dots(_lines_of(grad, alike), _lines_of(out, alike), dot.reshape(1, -1))
            sums[:, i] = [add_reduce(v, others, keepdims=True) for v in (dot * factor, total)]
            total, dot = [v if w is None else v * w for v in (total, dot)]
            total, dot = [v if v.shape == factor.shape else add_reduce(v, tuple(dim), keepdims=True) for v in (total, dot)]
        else:
            product = grad * out
            product *= factor
            sums[:, i] = [add_reduce(v, others, keepdims=True) for v in (product, grad)]
            total, dot = np.empty((2, *factor.shape), x.dtype)
            add_lines(_lines_of(weighted, dim), total.reshape(1, -1))
            _dots(_lines_of(weighted, dim), _lines_of(out, dim), dot.reshape(1, -1))
        dot *= factor * factor
        if given:
            dot -= gv[part] * (2.0 / factor)
            total -= gm[part] / factor
        out *= dot * -share
        out += weighted
        out -= total * share
        out *= factor

    parallel(work, range(len(images)), worth=x.nbytes > WORTH)
    dw, db = add_reduce(sums, (1,))
    return result, dw, db


def move(running: np.ndarray, value: np.ndarray, momentum: float, scale: float) -> None:
    """running = (1 - momentum) running + momentum scale value, in place."""
    moved = value * scale
    moved *= momentum
    running *= 1.0 - momentum
    running += moved


@native.twin(fast.blend, times=4)
def blend(g: np.ndarray, x: np.ndarray, m: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """``g * a + (x - m) * b + c``, where m, a, b and c broadcast to x, in one pass."""
    shape, dtype = x.shape, np.result_type(g, x, m, a, b, c)
    (g, x), (m, a, b, c) = _lines([g, x], [m, a, b, c])
    result = np.empty(shape, dtype)
    y = result.reshape(x.shape)

    def work(part: Any) -> None:
        out = y[part]
        np.subtract(x[part], _part(m, x, part), out=out)
        out *= _part(b, x, part)
        out += _part(c, x, part)
        out += g[part] * _part(a, x, part)

    parallel(work, _parts(x), worth=x.nbytes > WORTH)
    return result


def _lines(arrays: list[np.ndarray], vectors: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Arrays of one shape as matrices with a row for each image, and vectors that are the same for all images as one such row.

    This makes numpy's inner loop as long as an image instead of a channel. If that is not faster, all are returned unchanged.
    """
    shape = arrays[0].shape
    pays = len(shape) > 2 and shape[0] > 3 and math.prod(shape) > WIDE
    if not pays or any(v.ndim == len(shape) and len(v) > 1 for v in vectors):
        return arrays, vectors
    wide = [np.broadcast_to(v, (1, *shape[1:])).reshape(1, -1) for v in vectors]
    return [x.reshape(shape[0], -1) for x in arrays], wide


def _parts(x: np.ndarray) -> list[Any]:
    return cut(len(x), x[:1].nbytes, CACHE) if x.ndim else [...]


def _part(a: np.ndarray, x: np.ndarray, part: Any) -> np.ndarray:
    """The part of ``a``, which broadcasts to x, that belongs to a part of x."""
    return a[part] if a.ndim == x.ndim > 0 and len(a) == len(x) else a
