"""Twins of the transforms of :mod:`minigrad.kernels.winograd`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import lines, run


def planes(count: int, dtype: Any = np.float32) -> np.ndarray:
    """36 rows of ``count`` numbers: rows that were a power of two apart would compete for the same cache lines."""
    return np.empty((36, count + 16), dtype)[:, :count]


def _tiles(name: str, side: int, x: np.ndarray, matrix: np.ndarray, th: int, tw: int, *corner: int) -> np.ndarray:
    (x,) = lines(x) or (x,)  # a twin's first argument is an array of float32
    n, c, h, w = x.shape
    frame = np.zeros((4 * th + side - 4, 4 * tw + side - 4), np.float32)
    to = planes(c * n * th * tw)
    whole: Any = to.base  # with the numbers behind each row, which are written too
    run(name, [(x, 0), (frame, 0), (matrix, 0), (whole, 0)], n, c, h, w, th, tw, *corner, to.strides[0] // 4, part=n)
    return to.reshape(36, c, -1)


def input_tiles(x: np.ndarray, m: Any, th: int, tw: int, padding: Sequence[tuple[int, int]]) -> Any:
    """6x6 tiles of the input."""
    return _tiles("winograd_input", 6, x, m.b, th, tw, padding[0][0], padding[1][0])


def gradient_tiles(y: np.ndarray, m: Any, th: int, tw: int) -> Any:
    """4x4 tiles of the gradient."""
    return _tiles("winograd_gradient", 4, y, m.a, th, tw)


def output(products: np.ndarray, m: Any, bias: np.ndarray | None, y: np.ndarray, th: int, tw: int) -> Any:
    """The products' tiles of 4x4 pixels, and whether they are finite."""
    found = lines(y)
    if found is None or found[0] is not y or products.strides[1] != 4 or (bias is not None and bias.dtype != np.float32):
        return NotImplemented
    n, o, h, w = y.shape
    add = np.zeros(o, np.float32) if bias is None else np.ascontiguousarray(bias)
    frame, total = np.empty((4 * th, 4 * tw), np.float32), np.empty(1)
    places: list[Any] = [(products.base, 0), (add, 0), (frame, 0), (m.a, 0), (y, 0), (total, 0)]
    run("winograd_output", places, n, o, h, w, th, tw, products.strides[0] // 4, part=n)
    return bool(np.isfinite(total[0]))
