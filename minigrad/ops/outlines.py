"""Outlines: arrays with a shape and a dtype but only one number in memory, for :mod:`minigrad.ops.shape_inference`.

They are apart from it because every model is built with them in mind, and few are outlined: that module needs all ops.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.engine import Op

LARGE = 1 << 16  # elements; for smaller arrays the kernel simply runs

Listener = Callable[[Op, int], None]
LISTENER: ContextVar[Listener | None] = ContextVar("outlining", default=None)  # what outlining() of shape_inference.py is told


def outline(shape: tuple[int, ...], dtype: Any, value: Any = 0) -> np.ndarray:
    """An array filled with ``value`` that needs memory for one number only.

    >>> x = outline((10**6, 10**6), np.float32)
    >>> x.shape, x.dtype, x[5, 7]
    ((1000000, 1000000), dtype('float32'), np.float32(0.0))
    """
    return np.broadcast_to(np.asarray(value).astype(dtype), shape)


def is_outline(array: np.ndarray) -> bool:
    """Whether ``array`` has more elements than its memory holds."""
    return array.size > 1 and not any(stride for stride, n in zip(array.strides, array.shape, strict=True) if n > 1)


def is_outlining() -> bool:
    """Whether the calling thread is inside :func:`~minigrad.ops.shape_inference.outlining`."""
    return LISTENER.get() is not None


def light(value: Any) -> Any:
    """An array, or a tuple of arrays, with each large array replaced by an outline."""
    if isinstance(value, tuple):
        return tuple([light(v) for v in value])
    if isinstance(value, np.ndarray) and value.size > LARGE and not is_outline(value):
        return outline(value.shape, value.dtype, value.flat[0])
    return value
