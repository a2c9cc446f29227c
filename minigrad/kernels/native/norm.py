"""Twins of :mod:`minigrad.kernels.norm`, and layer norm. Arrays are rows of numbers that share a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, PART, lines, run, shortest
from minigrad.kernels.sums import add_rows, split

ROWS = 64  # of layer norm that share one sum of gradients


def _part(l: int) -> int:
    return max(1, PART // l)


def _kept(shape: Sequence[int], dim: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if d in dim else size for d, size in enumerate(shape))


def moments(x: np.ndarray, dim: Sequence[int]) -> Any:
    """Mean and variance: of rows, and put together over the batch as by Chan, Golub and LeVeque (1979)."""
    three = split(x.shape, dim)
    if three is None or three[2] < shortest() or x.size == 0:
        return NotImplemented
    (n, c, l), (x,) = three, lines(x) or (x,)
    means, squares = np.empty((2, n, c))
    run("moments", [(x, l), (means, 1), (squares, 1)], n * c, l, part=_part(l))
    with np.errstate(all="ignore"):
        m = means.mean(axis=0)
        v = (squares.sum(axis=0) + np.square(means - m).sum(axis=0) * l) / (n * l)
        shape = _kept(x.shape, dim)
        return m.astype(np.float32).reshape(shape), v.astype(np.float32).reshape(shape)


def centered_sums(a: np.ndarray, x: np.ndarray, m: np.ndarray, dim: Sequence[int]) -> Any:
    """The sums of a and of a (x - m)."""
    three, found = split(x.shape, dim), lines(a, x)
    if three is None or three[2] < shortest() or x.size == 0 or found is None or m.dtype is not F32:
        return NotImplemented
    n, c, l = three
    center = np.empty((n, c), np.float32)
    center[...] = m.reshape(c)
    sums = np.empty((2, n, c))
    run("centered_sums", [(found[0], l), (found[1], l), (center, 1), (sums[0], 1), (sums[1], 1)], n * c, l, part=_part(l))
    with np.errstate(all="ignore"):
        totals, dots = sums.sum(axis=1).astype(np.float32)
    return totals.reshape(m.shape), dots.reshape(m.shape)


def _by_rows(arrays: list[np.ndarray], vectors: list[np.ndarray]) -> tuple[list[np.ndarray], int] | None:
    """Vectors that broadcast to the arrays as one number for each row, and the length of rows; None where they are not that."""
    shape = arrays[0].shape
    if any(type(v) is not np.ndarray or v.dtype is not F32 or v.ndim > len(shape) for v in vectors):
        return None
    shapes = [(1,) * (len(shape) - v.ndim) + v.shape for v in vectors]
    lead = len(shape)
    while lead > 1 and all(s[lead - 1] == 1 for s in shapes):
        lead -= 1
    l = math.prod(shape[lead:])
    if l < shortest() or not arrays[0].size or not shape:
        return None
    rows = np.empty((len(vectors), *shape[:lead]), np.float32)
    for row, v, s in zip(rows, vectors, shapes, strict=True):
        row[...] = v.reshape(s[:lead])
    return list(rows), l


def _run_rows(name: str, arrays: tuple[np.ndarray, ...], vectors: list[np.ndarray]) -> Any:
    found = lines(*arrays)
    by_rows = _by_rows(found, vectors) if found is not None else None
    if found is None or by_rows is None:
        return NotImplemented
    rows, l = by_rows
    y = np.empty(found[0].shape, np.float32)
    run(name, [*[(a, l) for a in found], *[(v, 1) for v in rows], (y, l)], y.size // l, l, part=_part(l))
    return y


def affine(x: np.ndarray, m: np.ndarray, a: np.ndarray, c: np.ndarray | None) -> Any:
    """(x - m) a + c"""
    return _run_rows("affine", (x,), [m, a, np.zeros((), np.float32) if c is None else c])


def blend(g: np.ndarray, x: np.ndarray, m: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Any:
    """g a + (x - m) b + c"""
    return _run_rows("blend", (g, x), [m, a, b, c])


def _layer(x: np.ndarray, rows: tuple[np.ndarray, ...], weight: Any, shape: Sequence[int], dim: Sequence[int]) -> int:
    """The length of rows if x is one that layer norm works on (a mean for each row, a weight for each place of it), else 0."""
    lead = x.ndim - len(dim)
    if any(type(v) is not np.ndarray or v.dtype is not F32 for v in (*rows, weight)) or not x.size:
        return 0
    fits = tuple(dim) == tuple(range(lead, x.ndim)) and tuple(shape) == (1,) * lead + x.shape[lead:]
    l = math.prod(x.shape[lead:])
    return l if fits and l >= shortest() and all(v.shape == _kept(x.shape, dim) for v in rows) else 0


def layer(x: np.ndarray, m: np.ndarray, r: np.ndarray, weight: Any, bias: Any, dim: Sequence[int], shape: Sequence[int]) -> Any:
    """(x - m) r weight + bias"""
    l = _layer(x, (m, r), weight, shape, dim)
    if not l or not (bias is None or (type(bias) is np.ndarray and bias.dtype is F32)):
        return NotImplemented
    b = np.zeros(weight.shape, np.float32) if bias is None else bias
    (x,), (m, r), (w, b) = lines(x) or (x,), lines(m, r) or (m, r), lines(weight, b) or (weight, b)
    y = np.empty(x.shape, np.float32)
    run("layer", [(x, l), (m, 1), (r, 1), (w, 0), (b, 0), (y, l)], x.size // l, l, part=_part(l))
    return y


def layer_back(
    g: np.ndarray, gm: Any, gv: Any, x: Any, weight: Any, m: np.ndarray, r: np.ndarray, dim: Sequence[int], shape: Sequence[int]
) -> Any:
    """The gradients in x, weight and bias."""
    found = lines(g, x)
    l = _layer(x, (gm, gv, m, r), weight, shape, dim) if found is not None else 0
    if found is None or not l:
        return NotImplemented
    small, (w,) = lines(m, r, gm, gv) or (), lines(weight) or (weight,)
    count = x.size // l
    d, sums = np.empty((count, l), np.float32), np.zeros((2, -(-count // ROWS), l), np.float32)
    long, short = [a.reshape(count, l) for a in found], [v.reshape(count) for v in small]
    whole = count // ROWS
    for groups, size, start in ((whole, ROWS, 0), (1, count % ROWS, whole * ROWS)):
        if groups and size:
            places = [*[(a[start:], size * l) for a in long], *[(v[start:], size) for v in short], (w, 0), (d[start:], size * l)]
            places += [(s[start // ROWS :], l) for s in sums]
            run("layer_back", places, groups, l, size, part=_part(size * l))
    return d.reshape(x.shape), add_rows(sums[0]).reshape(weight.shape), add_rows(sums[1]).reshape(weight.shape)
