"""Twins of :mod:`minigrad.kernels.norm`, and layer norm. Arrays are rows of numbers that share a mean."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, PART, lines, run, shortest
from minigrad.kernels.sums import add_rows, split
from minigrad.kernels.threads import helpers

STRIP = 64  # columns whose means are found together, with the longest vectors
ROWS = 64  # of layer norm that share one sum of gradients


def _part(l: int) -> int:
    return max(1, PART // l)


def _share(channels: int, each: int) -> int:
    """Channels of ``each`` numbers in a part: not one, as those of an image lie side by side, but two parts for each thread."""
    return max(_part(each), -(-channels // (2 * helpers(channels) + 2)))


def _kept(shape: Sequence[int], dim: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if d in dim else size for d, size in enumerate(shape))


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


@functools.lru_cache(256)
def _rows(size: Sequence[int], dim: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Rows that follow each other with parameters of their own, numbers in a row, parts of a row with parameters of their own.

    A row has one mean: ``dim`` are the last dimensions of ``size``. Parameters are of ``shape``, which broadcasts to that; the dimensions that they
    have are neighbours, and no others lie between them and ``dim``. None for what is not so.
    """
    lead = len(size) - len(dim)
    if dim != tuple(range(lead, len(size))) or len(shape) != len(size):
        return None
    own = [d for d, many in enumerate(shape) if many > 1]
    first, last = min([lead, *own]), max([lead, *[d + 1 for d in own]])
    rows, n, parts = (math.prod(size[a:b]) for a, b in ((first, lead), (lead, len(size)), (lead, last)))
    if shape[first:last] != size[first:last] or (parts == n and rows > 1):
        return None
    return rows, n, parts


@functools.lru_cache(256)
def _channels(size: Sequence[int], dim: Sequence[int], shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Images, channels, and numbers of each, where a channel has one mean and parameters of its own; None for what is not that."""
    return split(size, dim) if shape == _kept(size, dim) else None


def _parameters(count: int, *given: Any) -> list[np.ndarray] | None:
    """Factors and terms, 1 and 0 where there are none, as vectors; None if they are not of float32."""
    found = []
    for value, p in enumerate(given):
        if p is not None and (type(p) is not np.ndarray or p.dtype is not F32):
            return None
        found.append(np.full(count, 1 - value, np.float32) if p is None else np.ascontiguousarray(p).reshape(count))
    return found


def _run_channels(name: str, places: list[tuple[np.ndarray, int]], channels: tuple[int, int, int], *rest: Any) -> None:
    """Call the function ``name`` for columns, or for images if a channel has several numbers of each."""
    n, c, l = channels
    if l == 1:
        run(name.format("columns"), places, c, n, c, *rest, part=max(STRIP, _share(c, n)))
    else:
        run(name.format("images"), places, c, n, l, c * l, *rest, part=_share(c, n * l))


def normalize(x: np.ndarray, weight: Any, bias: Any, dim: tuple[int, ...], shape: tuple[int, ...], eps: float) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean, and variance."""
    plan = _rows(x.shape, dim, shape)
    channels = _channels(x.shape, dim, shape) if plan is None else None
    parameters = _parameters(math.prod(shape), weight, bias) if plan or channels else None
    if parameters is None or not x.size:
        return NotImplemented
    (x,), kept = lines(x) or (x,), _kept(x.shape, dim)
    y, m, v = np.empty(x.shape, np.float32), np.empty(kept, np.float32), np.empty(kept, np.float32)
    if channels is not None:
        l = channels[2]
        _run_channels("normalize_{}", [(x, l), *[(p, 1) for p in parameters], (y, l), (m, 1), (v, 1)], channels, eps)
    elif plan is not None:
        rows, n, parts = plan
        item = rows * n
        places = [(x, item), *[(p, 0) for p in parameters], (y, item), (m, rows), (v, rows)]
        run("normalize", places, x.size // item, rows, n, parts, eps, part=_part(item))
    return y, m, v


def normalize_back(
    g: np.ndarray, gm: Any, gv: Any, x: Any, weight: Any, m: Any, r: Any, dim: tuple[int, ...], shape: tuple[int, ...]
) -> Any:
    """The gradients in x, weight and bias."""
    found, small = lines(g, x), lines(m, r, gm, gv)
    if found is None or small is None or not g.size or m.shape != _kept(x.shape, dim):
        return NotImplemented
    plan, parameters = _rows(x.shape, dim, shape), _parameters(math.prod(shape), weight)
    if parameters is None:
        return NotImplemented
    if plan is None:
        channels = _channels(x.shape, dim, shape)
        if channels is None:
            return NotImplemented
        l = channels[2]
        d, dw, db = np.empty(x.shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.float32)
        places = [*[(a, l) for a in found], *[(a, 1) for a in (*small, *parameters)], (d, l), (dw, 1), (db, 1)]
        _run_channels("normalize_{}_back", places, channels)
        return d, dw, db
    rows, n, parts = plan
    count, each = x.size // n, parts == n  # each: every number of a row has its own parameters, which all rows share
    size = ROWS if each else rows
    long, short = [a.reshape(count, n) for a in found], [v.reshape(count) for v in small]
    d, sums = np.empty((count, n), np.float32), np.zeros((2, -(-count // size), parts if each else rows * parts), np.float32)
    whole = count // size
    for items, together, start in ((whole, size, 0), (1, count % size, whole)):
        if items and together:
            first = start * size
            places = [*[(a[first:], together * n) for a in long], *[(v[first:], together) for v in short], (parameters[0], 0)]
            places += [(d[first:], together * n), *[(s[start:], s.shape[1]) for s in sums]]
            run("normalize_back", places, items, together, n, parts, part=_part(together * n))
    return d.reshape(x.shape), add_rows(sums[0]).reshape(shape), add_rows(sums[1]).reshape(shape)
