"""The matrices of minimal filtering at six points, which :mod:`minigrad.kernels.winograd` and its native twin transform tiles with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def toom_cook(points: Sequence[float], taps: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices A', G and B' of one-dimensional minimal filtering at ``points`` and infinity (transposed Toom-Cook).

    >>> a, g, b = toom_cook(POINTS)
    >>> x, w = np.arange(6.0), np.array([1.0, 2.0, 4.0])
    >>> np.allclose(a @ ((g @ w) * (b @ x)), np.correlate(x, w))
    True
    """
    m = len(points) + 1
    n = m + 1 - taps
    a, g, b = np.zeros((n, m)), np.zeros((m, taps)), np.zeros((m, m))
    for i, point in enumerate(points):
        others = [p for j, p in enumerate(points) if j != i]
        scale = np.prod([point - p for p in others])
        a[:, i] = [point**r for r in range(n)]
        g[i] = point ** np.arange(taps) / scale
        b[i, : m - 1] = np.poly(others)[::-1]
    a[-1, -1], g[-1, -1], b[-1] = 1.0, 1.0, np.poly(points)[::-1]
    balance = 2.0 ** np.round(np.log2(np.abs(b).sum(axis=1) / np.abs(g).sum(axis=1)) / 2)[:, None]  # rows of similar size: less rounding
    return a, g * balance, b / balance


class Matrices(NamedTuple):
    """The transforms A', G and B', and that of a flattened kernel (36 rows)."""

    a: np.ndarray
    g: np.ndarray
    b: np.ndarray
    kernel: np.ndarray

    @property
    def pixels(self) -> int:
        """In a row of an output tile."""
        return len(self.a)


@functools.cache
def matrices(dtype: np.dtype, taps: int) -> Matrices:
    """The transforms in a dtype, for 3 or 5 taps."""
    a, g, b = toom_cook(POINTS, taps)
    return Matrices(*[m.astype(dtype) for m in (a, g, b, np.kron(g, g))])
