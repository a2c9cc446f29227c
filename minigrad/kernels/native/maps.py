"""Twins of functions of each element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import PART, lines, run, shortest

I64 = np.dtype(np.int64)
TALL = 512  # rows of a matrix whose columns kernels.c keeps together
MOST = 32  # places of the largest that are kept in order while others are compared with the last of them


def each(name: str, count: int = 1, options: Callable[..., Sequence[float] | None] = lambda *given: given) -> Callable[..., Any]:
    """The twin of a function of ``count`` arrays of one shape, and of numbers.

    ``options`` makes those of the twin from them; None for what the twin cannot do.
    """

    def fast(*args: Any) -> Any:
        found, numbers = lines(*args[:count]), options(*args[count:])
        if found is None or numbers is None:
            return NotImplemented
        result = np.empty(found[0].shape, np.float32)
        run(name, [(a, 1) for a in (*found, result)], result.size, *numbers)
        return result

    return fast


def without_slope(fast: Callable[..., Any]) -> Callable[..., Any]:
    """The twin of a function that returns its slope too, if its last argument says so. A twin keeps none: to compute it again takes it one pass."""

    def both(*args: Any) -> Any:
        result = fast(*args[:-1])
        return result if result is NotImplemented else (result, None)

    return both


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
    return each("gelu_tanh_back" if approximate == "tanh" else "gelu_back", 2)(g, x)


def _one(g: np.ndarray, x: Any) -> bool:
    """Whether a gradient is one number for all of x: it comes from a mean or a sum, and is not spread out."""
    return g.shape == getattr(x, "shape", None) and bool(g.size) and not any(g.strides)


def huber_back(g: np.ndarray, d: np.ndarray, delta: float, factor: float) -> Any:
    """g times factor times d, limited."""
    if _one(g, d):
        return each("clipped")(d, -delta, delta, 0.0, float(g.item(0)) * factor)
    return each("huber_back", 2)(g, d, delta, factor)


def with_logits_back(g: np.ndarray, x: np.ndarray, t: Any) -> Any:
    """g times the slope of the cross-entropy of sigmoid(x) with t."""
    if _one(g, x):
        return each("with_logits_slope", 2)(x, t, float(g.item(0)))
    slopes = each("with_logits_slope", 2)(x, t, 1.0)
    return slopes if slopes is NotImplemented else np.multiply(slopes, g, slopes)


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


def log_softmax(x: np.ndarray, dim: int, both: bool) -> Any:
    """Along the last dimension; the softmax too if ``both``."""
    if x.ndim == 0 or dim not in (-1, x.ndim - 1):
        return NotImplemented
    (x,), n = lines(x) or (x,), x.shape[-1]
    y = np.empty(x.shape, np.float32)
    p = np.empty(x.shape, np.float32) if both else y
    run("log_softmax", [(x, n), (y, n), (p, n)], y.size // n if n else 0, n, part=max(1, PART // max(n, 1)))
    return y, p if both else None


def cross_entropy(x: np.ndarray, places: Any, both: bool) -> Any:
    """Along dimension 1: the logarithm of the softmax at one place each; the softmax too, minus 1 there, if ``both``."""
    given = lines(places, dtype=I64)
    if x.ndim < 2 or not x.size or given is None or places.shape != (x.shape[0], *x.shape[2:]):
        return NotImplemented
    (x,), rows, n = lines(x) or (x,), x.shape[0], x.shape[1]
    inner = x.size // (rows * n)
    p = np.empty(x.shape if both else 1, np.float32)
    size = n * inner if both else 0
    part = max(1, PART // (n * inner))
    picked = np.empty(places.shape, np.float32)
    if x.ndim == 2:
        run("cross_entropy", [(x, n), (given[0], 1), (picked, 1), (p, size)], rows, n, int(both), part=part)
    elif inner < shortest() or n > TALL:
        return NotImplemented
    else:
        sums = np.empty(places.shape, np.float32)
        arrays = [(x, n * inner), (given[0], inner), (picked, inner), (sums, inner), (p, size)]
        run("cross_entropy_columns", arrays, rows, n, inner, int(both), part=part)
        picked -= np.log(sums, out=sums)
    return picked, p if both else None


def one_hot(values: np.ndarray, places: Any, shape: tuple[int, ...]) -> Any:
    """Rows of zeros with one number each. So threads find in their caches what they read next: a row that another one wrote takes longer to get."""
    found, given = lines(values), lines(places, dtype=I64)
    if len(shape) != 2 or shape[1] < shortest() or found is None or given is None or values.shape != places.shape:
        return NotImplemented
    rows, n = shape
    result = np.empty(shape, np.float32)
    run("one_hot", [(found[0], 1), (given[0], 1), (result, n)], rows, n, part=max(1, PART // n))
    return result


def sums(x: np.ndarray, out: np.ndarray) -> Any:
    """Over the last axis."""
    n, found, to = x.shape[-1], lines(x), lines(out)
    if n < shortest() or found is None or to is None or to[0] is not out:
        return NotImplemented
    run("sums", [(found[0], n), (out, 1)], out.size, n, part=max(1, PART // n))
    return out


def running_sum(x: np.ndarray, axis: int, back: bool) -> Any:
    """Along an axis that is not negative, or back from its end."""
    (x,) = lines(x) or (x,)
    y, n, inner = np.empty(x.shape, np.float32), x.shape[axis], math.prod(x.shape[axis + 1 :])
    size = n * inner
    if size:
        run("cumsum", [(x, size), (y, size)], x.size // size, n, inner, int(back), part=max(1, PART // size))
    return y


def top_places(x: np.ndarray, k: int, axis: int, largest: bool) -> Any:
    """Along the last axis."""
    if axis != x.ndim - 1 or not 0 < k <= MOST:
        return NotImplemented
    (x,), n = lines(x) or (x,), x.shape[-1]
    places = np.empty((*x.shape[:-1], k), np.int64)
    count = places.size // k
    run("top", [(x, n), (places, k)], count, n, k, 0 if largest else -1, part=max(1, PART // n))
    return places
