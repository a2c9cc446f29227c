"""Divides work into parts that fit in the cache: shared by convolution, pooling and normalisation."""

from __future__ import annotations

BLOCK = 1 << 14  # elements of a piece in which several functions of numpy's follow each other, and which stays in the cache


def cut(count: int, item_bytes: int, budget: int) -> list[slice]:
    """Slices of ``count`` items in parts of about equal size: at most ``budget`` bytes, but at least one item each.

    >>> cut(5, 100, 300)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    most = max(1, budget // max(1, item_bytes))
    step = max(1, -(-count // max(1, -(-count // most))))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
