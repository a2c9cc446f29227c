"""Stable argsort and top-k indices. Equal elements keep their order, and NaN counts as the largest."""

from __future__ import annotations

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import maps as fast

FEW = 4  # a partition is faster only if the axis has at least FEW * k elements
SHORT = 64  # below so many elements, sorting the whole axis is as fast
BLOCK = 32  # elements of which the largest is found first
MOST = 4  # times k elements are compared in the end, at most


def sorted_places(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The indices of ``np.argsort``, stable in both directions.

    >>> sorted_places(np.array([1.0, 3.0, 1.0]), 0, descending=False), sorted_places(np.array([1.0, 3.0, 1.0]), 0, descending=True)
    (array([0, 2, 1]), array([1, 0, 2]))
    """
    if not descending:
        return x.argsort(axis, "stable")
    back = (*[slice(None)] * axis, slice(None, None, -1))  # what np.flip does, which takes longer than the sort of a short array
    return x.shape[axis] - 1 - x[back].argsort(axis, "stable")[back]


@native.twin(fast.top_places, times=0)
def top_places(x: np.ndarray, k: int, axis: int, largest: bool) -> np.ndarray:
    """The first ``k`` of :func:`sorted_places`, without sorting the rest.

    A partition finds the k-th element. If no other element equals it, the k elements on its side are the result, and only they are
    sorted. If there are equal ones, or it is NaN, the whole axis is sorted, to take the first of them.
    """
    n = x.shape[axis]
    everything = (*[slice(None)] * axis, slice(k))
    if n < SHORT or not 0 < k <= n // FEW:
        return sorted_places(x, axis, largest)[everything]
    if axis == x.ndim - 1 and n >= FEW * k * BLOCK and x.dtype.kind == "f" and x.size:
        found = _by_blocks(x, k, largest)
        if found is not None:
            return found
    places = np.argpartition(x, n - k if largest else k - 1, axis=axis)
    places = np.sort(places[(*everything[:-1], slice(n - k, n))] if largest else places[everything], axis=axis)
    found = np.take_along_axis(x, places, axis)
    last = (np.minimum if largest else np.maximum).reduce(found, axis=axis, keepdims=True)  # NaN if there is one
    others = x < last if largest else ~(x <= last)
    if (last != last).any() or np.count_nonzero(others) != others.size // n * (n - k):
        return sorted_places(x, axis, largest)[everything]
    return np.take_along_axis(places, sorted_places(found, axis, largest), axis)


def _by_blocks(x: np.ndarray, k: int, largest: bool) -> np.ndarray | None:
    """The places along the last axis: the k-th largest of the largest elements of blocks is a bound, and few elements reach it. None if many do, or
    one is NaN."""
    n = x.shape[-1]
    rows, blocks = np.ascontiguousarray(x).reshape(-1, n), n // BLOCK
    best = (np.maximum if largest else np.minimum).reduce(rows[:, : blocks * BLOCK].reshape(-1, BLOCK, blocks), axis=1)
    which = blocks - k if largest else k - 1
    bound = np.partition(best, which, axis=1)[:, which, None]
    reached = np.flatnonzero(rows >= bound if largest else rows <= bound)
    of_row, place = np.divmod(reached, n)
    counts = np.bincount(of_row, minlength=len(rows))
    if np.isnan(best).any() or counts.max() > MOST * k + BLOCK or (n % BLOCK and np.isnan(rows[:, blocks * BLOCK :]).any()):
        return None
    at = np.arange(len(reached)) - (np.cumsum(counts) - counts)[of_row]
    found = np.full((len(rows), counts.max()), -np.inf if largest else np.inf, x.dtype)  # behind an equal element of the row
    places = np.zeros(found.shape, np.intp)
    found[of_row, at], places[of_row, at] = rows.reshape(-1)[reached], place
    return np.take_along_axis(places, sorted_places(found, 1, largest)[:, :k], 1).reshape(*x.shape[:-1], k)
