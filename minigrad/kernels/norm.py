"""Sums over some axes of an array in one pass over memory: what normalisation is made of.

The axes that are summed over lie before and behind those that are kept, so arrays become ``N C L``: a batch, what is kept, and a
run of neighbours (N = 1 for layer norm). They go through in tiles that stay in the cache, and products are summed by BLAS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.kernels.sums import add_reduce, split
from minigrad.kernels.tiles import cut

CACHE = 1 << 18  # bytes of one array in a tile


def _tiles(n: int, c: int, item_bytes: int) -> Iterator[tuple[slice, slice]]:
    """Parts of the axes N and C: some of the batch with all of C or, without a batch, some of C."""
    if n == 1:
        return ((slice(None), channels) for channels in cut(c, item_bytes, CACHE))
    return ((batch, slice(None)) for batch in cut(n, c * item_bytes, CACHE))


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of ``a * b`` over the first and last of their axes N C L."""
    if a.shape[2] >= 8:
        return np.vecdot(a, b).sum(axis=0)
    return np.einsum("ncl,ncl->c", a, b)


def centered_dot(a: np.ndarray, x: np.ndarray, m: np.ndarray, dim: Sequence[int]) -> np.ndarray:
    """The sum of ``a * (x - m)`` over the axes ``dim``, which the result keeps with size 1. m has the shape of the result."""
    three = split(x.shape, dim)
    if three is None or x.size == 0:
        return np.add.reduce(a * (x - m), axis=tuple(dim), keepdims=True)
    n, c, l = three
    x, a, center = x.reshape(three), a.reshape(three), m.reshape(1, c, 1)
    total = np.zeros(c, np.result_type(a, x, m))
    for batch, channels in _tiles(n, c, l * x.itemsize):
        total[channels] += _dots(a[batch, channels], x[batch, channels] - center[:, channels])
    return total.reshape(m.shape)


def moments(x: np.ndarray, dim: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (biased) variance over the axes ``dim``, which both keep with size 1. In two passes: no cancellation where the mean is large."""
    count = max(math.prod([x.shape[d] for d in dim]), 1)
    three = split(x.shape, dim)
    if three is None or x.size == 0:
        m = np.add.reduce(x, axis=tuple(dim), keepdims=True) / count
        return m, np.add.reduce(np.square(x - m), axis=tuple(dim), keepdims=True) / count
    n, c, l = three
    shape = [1 if d in dim else size for d, size in enumerate(x.shape)]
    x = x.reshape(three)
    m = add_reduce(x, (0, 2)) * x.dtype.type(1 / count)
    square = np.zeros(c, x.dtype)
    center = m.reshape(1, c, 1)
    for batch, channels in _tiles(n, c, l * x.itemsize):
        part = x[batch, channels] - center[:, channels]
        square[channels] += _dots(part, part)
    return m.reshape(shape), (square * x.dtype.type(1 / count)).reshape(shape)


def affine(x: np.ndarray, m: np.ndarray, a: np.ndarray, c: np.ndarray | None) -> np.ndarray:
    """``(x - m) * a + c``, where m, a and c broadcast to x, in one pass."""
    y = np.empty(x.shape, np.result_type(x, m, a) if c is None else np.result_type(x, m, a, c))
    for part in _parts(x):
        out = y[part]
        np.subtract(x[part], _part(m, x, part), out=out)
        out *= _part(a, x, part)
        if c is not None:
            out += _part(c, x, part)
    return y


def blend(g: np.ndarray, x: np.ndarray, m: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """``g * a + (x - m) * b + c``, where m, a, b and c broadcast to x, in one pass."""
    y = np.empty(x.shape, np.result_type(g, x, m, a, b, c))
    for part in _parts(x):
        out = y[part]
        np.subtract(x[part], _part(m, x, part), out=out)
        out *= _part(b, x, part)
        out += _part(c, x, part)
        out += g[part] * _part(a, x, part)
    return y


def _parts(x: np.ndarray) -> list[Any]:
    return cut(len(x), x[:1].nbytes, CACHE) if x.ndim else [...]


def _part(a: np.ndarray, x: np.ndarray, part: Any) -> np.ndarray:
    """What of ``a``, which broadcasts to x, belongs to a part of x."""
    return a[part] if a.ndim == x.ndim > 0 and len(a) == len(x) else a
