"""Elementwise functions of large arrays, computed by several threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut

LARGE = 1 << 16  # elements from which these functions are faster than numpy's
SHARED = 1 << 19  # numbers from which threads share what one function of numpy's does, and in a part: 0.2 ms
PART = 1 << 20  # elements in a part: fewer gain nothing from a second thread, which has to wait for the GIL
FUSED = 1 << 17  # elements of a part in which several functions of numpy's follow each other
LINE = 1 << 14  # length of an array of zeros: numpy takes the maximum of two arrays faster than that of an array and a number


def shared(ufunc: np.ufunc, *args: Any, out: np.ndarray | None = None) -> Any:
    """``ufunc(*args, out=out)``, which threads share if the arrays have one shape, each in one piece, and more than SHARED numbers.

    >>> shared(np.add, np.arange(3.0), 1)
    array([1., 2., 3.])
    """
    arrays = [a for a in (*args, out) if type(a) is np.ndarray and a.ndim]
    shape = arrays[0].shape if arrays else ()
    if math.prod(shape) <= SHARED or any(a.shape != shape or not a.flags.c_contiguous for a in arrays):
        return quiet().run(ufunc, *args) if out is None else quiet().run(ufunc, *args, out)

    def part_of(a: Any, part: slice) -> Any:
        return a.reshape(-1)[part] if type(a) is np.ndarray and a.ndim else a

    if out is None:
        out = np.empty(shape, quiet().run(ufunc, *[part_of(a, slice(1)) for a in args]).dtype)
    whole = out.reshape(-1)
    parallel(lambda part: ufunc(*[part_of(a, part) for a in args], out=whole[part]), cut(whole.size, 1, SHARED))
    return out


def positive(x: np.ndarray) -> np.ndarray:
    """``np.maximum(x, 0)``.

    >>> positive(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """
    source = np.ascontiguousarray(x).reshape(-1)
    result = np.empty(x.shape, np.result_type(x, 0))
    out = result.reshape(-1)
    zeros = np.zeros(LINE, out.dtype)

    def work(part: slice) -> None:
        a, to = source[part], out[part]
        lines = a.size // LINE * LINE
        np.maximum(a[:lines].reshape(-1, LINE), zeros, out=to[:lines].reshape(-1, LINE))
        np.maximum(a[lines:], zeros[: a.size - lines], out=to[lines:])

    parallel(work, cut(source.size, 1, PART), worth=source.nbytes > WORTH)
    return result


def masked(x: np.ndarray, mask: np.ndarray, kept: bool, bits: np.dtype) -> np.ndarray:
    """``x`` where ``mask == kept``, else 0. ``bits``: an integer dtype as wide as that of x.

    >>> masked(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]), kept=False, bits=np.dtype(np.int64))
    array([0., 2., 0.])
    """
    source, flags = np.ascontiguousarray(x).reshape(-1).view(bits), np.ascontiguousarray(mask).reshape(-1)
    result = np.empty(x.shape, x.dtype)
    out = result.reshape(-1).view(bits)

    def work(part: slice) -> None:
        keep, to = flags[part] if kept else np.logical_not(flags[part]), out[part]
        np.copyto(to, keep.view(np.int8))  # a product of two dtypes would convert one in small pieces
        np.multiply(source[part], to, out=to)

    parallel(work, cut(source.size, 1, PART), worth=source.nbytes > WORTH)
    return result


def with_slope(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray | None], None], x: np.ndarray, wanted: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """A function of each number and, if it is ``wanted``, its slope there: much of the work for one serves the other.

    ``function(x, y, slope)`` fills ``y`` and ``slope``, which is None if it is not wanted, for a part that stays in the cache with them.

    >>> def exponential(x, y, slope):
    ...     np.exp(x, y)
    ...     if slope is not None:
    ...         slope[...] = y
    >>> with_slope(exponential, np.zeros(2), wanted=True)
    (array([1., 1.]), array([1., 1.]))
    """
    source, y = np.ascontiguousarray(x).reshape(-1), np.empty(x.shape, x.dtype)
    slope = np.empty(x.shape, x.dtype) if wanted else None
    out, slopes = y.reshape(-1), None if slope is None else slope.reshape(-1)

    def work(part: slice) -> None:
        function(source[part], out[part], None if slopes is None else slopes[part])

    parallel(work, cut(x.size, 1, FUSED), worth=x.nbytes > WORTH)
    return y, slope
