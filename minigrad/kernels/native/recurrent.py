"""Twins of :mod:`minigrad.ops.recurrent`: a whole sequence in one call, products included, which finds the weights in order at each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.native import F32, lines, run, vector

ROWS = 16  # sequences that a thread takes, at least


def _ours(*arrays: Any) -> list[np.ndarray] | None:
    """The arrays, each in one piece; None if one is not of float32. Unlike those of :func:`lines` they may have different shapes."""
    found = [lines(a) for a in arrays]
    return None if any(f is None for f in found) else [a for f in found for a in f or ()]


def _panels(w: np.ndarray) -> np.ndarray:
    """A matrix in panels of neighbouring columns, each row after row, with zeros behind the last column."""
    (size, width), broad = w.shape, 2 * vector()
    if width % broad:
        padded = np.zeros((size, -(-width // broad) * broad), F32)
        padded[:, :width] = w
        w = padded
    return np.ascontiguousarray(w.reshape(size, -1, broad).swapaxes(0, 1))


def nothing(g: Any) -> bool:
    """Whether a gradient is an array of zeros. That of a result that nobody used is one number for all places, and not read place by place."""
    return type(g) is np.ndarray and not (g[(slice(1),) * g.ndim] if not any(g.strides) else g).any()


def _run(name: str, places: list[tuple[np.ndarray, int]], steps: int, n: int, size: int) -> None:
    """``places``: arrays and how many numbers of a step belong to a sequence."""
    run(name, places, n, steps, n, size, part=max(ROWS, -(-n // ROWS // 8) * ROWS))


def lstm(sums: np.ndarray, weight: Any, h: Any, c: Any) -> Any:
    """States, cell states, gates."""
    found = _ours(sums, weight, h, c)
    if found is None or sums.size == 0 or sums.ndim != 3:
        return NotImplemented
    sums, weight, h, c = found
    (steps, n, _), size = sums.shape, c.shape[-1]
    y, cells, gates = [np.empty((steps, n, width), F32) for width in (size, size, 4 * size)]
    places = [(sums, 4 * size), (_panels(weight.T), 0), (h, size), (c, size), (y, size), (cells, size), (gates, 4 * size)]
    _run("lstm", places, steps, n, size)
    return y, cells, gates


def lstm_back(gy: np.ndarray, gcells: Any, ggates: Any, y: Any, cells: Any, gates: Any, weight: Any, c: Any) -> Any:
    """Of all sums, and of the first states; if no gradient arrives at the gates themselves."""
    found = _ours(gy, gcells, cells, gates, c, weight)
    if found is None or gy.size == 0 or not nothing(ggates):
        return NotImplemented
    gy, gcells, cells, gates, c, weight = found
    steps, n, size = cells.shape
    d, back, memory = np.empty(gates.shape, F32), np.zeros((n, size), F32), np.zeros((n, size), F32)
    places = [(gy, size), (gcells, size), (cells, size), (gates, 4 * size), (c, size), (_panels(weight), 0)]
    _run("lstm_back", [*places, (d, 4 * size), (back, size), (memory, size)], steps, n, size)
    return d, back, memory


def gru(sums: np.ndarray, weight: Any, h: Any, bias: Any) -> Any:
    """States, gates, and the state's part of the sums of the third gate."""
    add = np.zeros(len(weight), F32) if bias is None else bias
    found = _ours(sums, weight, h, add)
    if found is None or sums.size == 0 or sums.ndim != 3:
        return NotImplemented
    sums, weight, h, add = found
    (steps, n, _), size = sums.shape, h.shape[-1]
    y, gates, parts = [np.empty((steps, n, width), F32) for width in (size, 3 * size, size)]
    places = [(sums, 3 * size), (_panels(weight.T), 0), (add, 0), (h, size), (np.empty((n, 3 * size), F32), 3 * size)]
    _run("gru", [*places, (y, size), (gates, 3 * size), (parts, size)], steps, n, size)
    return y, gates, parts


def gru_back(gy: np.ndarray, ggates: Any, gparts: Any, y: Any, gates: Any, parts: Any, weight: Any, h: Any) -> Any:
    """Of the sums of the input and of the state, and of the first state; if no gradient arrives at the gates themselves."""
    found = _ours(gy, y, gates, parts, weight, h)
    if found is None or gy.size == 0 or not (nothing(ggates) and nothing(gparts)):
        return NotImplemented
    gy, y, gates, parts, weight, h = found
    steps, n, size = y.shape
    outer, inner, back = np.empty(gates.shape, F32), np.empty(gates.shape, F32), np.zeros((n, size), F32)
    places = [
        (gy, size),
        (y, size),
        (gates, 3 * size),
        (parts, size),
        (_panels(weight), 0),
        (h, size),
        (outer, 3 * size),
        (inner, 3 * size),
    ]
    _run("gru_back", [*places, (np.empty((n, size), F32), size), (back, size)], steps, n, size)
    return outer, inner, back
