"""Twins of :mod:`minigrad.ops.recurrent`: a whole sequence in one call if it is small, else a step at a time, with BLAS for the products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, address, library, lines

SMALL = 1 << 15  # multiplications in a step up to which BLAS is slower than the loop in kernels.c


def _ours(*arrays: Any) -> list[np.ndarray] | None:
    """The arrays, each in one piece; None if one is not of float32. Unlike those of :func:`lines` they may have different shapes."""
    found = [lines(a) for a in arrays]
    return None if any(f is None for f in found) else [a for f in found for a in f or ()]


def _function(name: str) -> Callable[..., None]:
    return getattr(library(), name)


def lstm(sums: np.ndarray, weight: Any, h: Any, c: Any) -> Any:
    """States, cell states, gates."""
    found = _ours(sums, weight, h, c)
    if found is None or sums.size == 0 or sums.ndim != 3:
        return NotImplemented
    sums, weight, h, c = found
    (steps, n, _), size = sums.shape, c.shape[-1]
    y, cells, gates = [np.empty((steps, n, width), F32) for width in (size, size, 4 * size)]
    turned, function = np.ascontiguousarray(weight.T), _function("lstm")
    if n * weight.size <= SMALL:
        function(*map(address, (sums, turned, h, c, y, cells, gates)), steps, n, size, 1)
        return y, cells, gates
    for t in range(steps):
        np.matmul(h, turned, out=gates[t])
        function(*map(address, (sums[t], turned, h, c, y[t], cells[t], gates[t])), 1, n, size, 0)
        h, c = y[t], cells[t]
    return y, cells, gates


def lstm_back(gy: np.ndarray, gcells: Any, ggates: Any, y: Any, cells: Any, gates: Any, weight: Any, c: Any) -> Any:
    """Of all sums, and of the first states; if no gradient arrives at the gates themselves."""
    found = _ours(gy, gcells, cells, gates, c, weight)
    if found is None or gy.size == 0 or type(ggates) is not np.ndarray or ggates.any():
        return NotImplemented
    gy, gcells, cells, gates, c, weight = found
    steps, n, size = cells.shape
    d, back, memory = np.empty(gates.shape, F32), np.zeros((n, size), F32), np.zeros((n, size), F32)
    function = _function("lstm_back")
    if n * weight.size <= SMALL:
        function(*map(address, (gy, gcells, cells, gates, c, weight, d, back, memory)), steps, n, size, 1)
        return d, back, memory
    for t in reversed(range(steps)):
        before = cells[t - 1] if t else c
        function(*map(address, (gy[t], gcells[t], cells[t], gates[t], before, weight, d[t], back, memory)), 1, n, size, 0)
        np.matmul(d[t], weight, out=back)
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
    turned, function = np.ascontiguousarray(weight.T), _function("gru")
    if n * weight.size <= SMALL:
        function(*map(address, (sums, turned, add, h, h, y, gates, parts)), steps, n, size, 1)
        return y, gates, parts
    ready = np.empty((n, 3 * size), F32)
    for t in range(steps):
        np.matmul(h, turned, out=ready)
        function(*map(address, (sums[t], turned, add, h, ready, y[t], gates[t], parts[t])), 1, n, size, 0)
        h = y[t]
    return y, gates, parts


def gru_back(gy: np.ndarray, ggates: Any, gparts: Any, y: Any, gates: Any, parts: Any, weight: Any, h: Any) -> Any:
    """Of the sums of the input and of the state, and of the first state; if no gradient arrives at the gates themselves."""
    found = _ours(gy, y, gates, parts, weight, h)
    rest = [g for g in (ggates, gparts) if type(g) is not np.ndarray or g.any()]
    if found is None or gy.size == 0 or rest:
        return NotImplemented
    gy, y, gates, parts, weight, h = found
    steps, n, size = y.shape
    outer, inner, back = np.empty(gates.shape, F32), np.empty(gates.shape, F32), np.zeros((n, size), F32)
    function = _function("gru_back")
    if n * weight.size <= SMALL:
        function(*map(address, (gy, y, gates, parts, weight, h, outer, inner, back)), steps, n, size, 1)
        return outer, inner, back
    for t in reversed(range(steps)):
        before = y[t - 1] if t else h
        function(*map(address, (gy[t], y[t], gates[t], parts[t], weight, before, outer[t], inner[t], back)), 1, n, size, 0)
        back += np.matmul(inner[t], weight)
    return outer, inner, back
