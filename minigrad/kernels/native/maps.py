"""Twins of functions of each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.native import PART, lines, run


def each(name: str) -> Callable[..., Any]:
    """The twin of a function of one or several arrays of one shape."""

    def fast(*arrays: Any) -> Any:
        found = lines(*arrays)
        if found is None:
            return NotImplemented
        result = np.empty(found[0].shape, np.float32)
        run(name, [(a, 1) for a in (*found, result)], result.size)
        return result

    return fast


def leaky_relu(x: np.ndarray, slope: float) -> Any:
    """Result, and where x is positive."""
    (x,) = lines(x) or (x,)  # a twin's first argument is an array of float32
    result, positive = np.empty(x.shape, np.float32), np.empty(x.shape, np.bool_)
    run("leaky_relu", [(x, 1), (result, 1), (positive, 1)], x.size, slope)
    return result, positive


def leaky_relu_back(g: np.ndarray, positive: np.ndarray, slope: float) -> Any:
    """g where ``positive``, else g times the slope."""
    found, flags = lines(g), lines(positive, dtype=np.dtype(np.bool_))
    if found is None or flags is None or g.shape != positive.shape:
        return NotImplemented
    result = np.empty(g.shape, np.float32)
    run("leaky_relu_back", [(found[0], 1), (flags[0], 1), (result, 1)], g.size, slope)
    return result


def gelu(x: np.ndarray, approximate: str) -> Any:
    """Of either kind."""
    return each("gelu_tanh" if approximate == "tanh" else "gelu")(x)


def gelu_back(g: np.ndarray, x: np.ndarray, approximate: str) -> Any:
    """Of either kind."""
    return each("gelu_tanh_back" if approximate == "tanh" else "gelu_back")(g, x)


def rows(name: str) -> Callable[..., Any]:
    """The twin of a function of one or several arrays and a dimension, which must be the last one."""

    def fast(*args: Any) -> Any:
        found, dim = lines(*args[:-1]), args[-1]
        if found is None or found[0].ndim == 0 or dim not in (-1, found[0].ndim - 1):
            return NotImplemented
        result = np.empty(found[0].shape, np.float32)
        n = found[0].shape[dim]
        count = result.size // n if n else 0
        run(name, [(a, n) for a in (*found, result)], count, n, part=max(1, PART // max(n, 1)))
        return result

    return fast
