"""Elementwise functions of large arrays, computed by several threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut

LARGE = 1 << 16  # elements from which these functions are faster than numpy's
PART = 1 << 20  # elements in a part: fewer gain nothing from a second thread, which has to wait for the GIL
FUSED = 1 << 17  # elements of a part in which several functions of numpy's follow each other
LINE = 1 << 14  # length of an array of zeros: numpy takes the maximum of two arrays faster than that of an array and a number


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
