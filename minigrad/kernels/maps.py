"""Functions of each element of large arrays, by several threads."""

from __future__ import annotations

import numpy as np

from minigrad.kernels.threads import WORTH, parallel
from minigrad.kernels.tiles import cut

LARGE = 1 << 16  # elements from which parts pay
PART = 1 << 16  # elements in a part
LINE = 4096  # zeros that stand for one: numpy takes the maximum of two arrays faster than that of an array and a number


def positive(x: np.ndarray) -> np.ndarray:
    """``np.maximum(x, 0)``.

    >>> positive(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """
    source = np.ascontiguousarray(x).reshape(-1)
    out = np.empty(source.shape, np.result_type(x, 0))
    zeros = np.zeros(LINE, out.dtype)

    def work(part: slice) -> None:
        a, to = source[part], out[part]
        lines = a.size // LINE * LINE
        np.maximum(a[:lines].reshape(-1, LINE), zeros, out=to[:lines].reshape(-1, LINE))
        np.maximum(a[lines:], 0, out=to[lines:])

    parallel(work, cut(source.size, 1, PART), worth=source.nbytes > WORTH)
    return out.reshape(x.shape)


def masked(bits: np.ndarray, mask: np.ndarray, kept: bool) -> np.ndarray:
    """``bits``, which are integers, where ``mask`` is ``kept``, else 0.

    >>> masked(np.array([1, 2, 3]), np.array([True, False, True]), kept=False)
    array([0, 2, 0])
    """
    source, flags = (np.ascontiguousarray(a).reshape(-1) for a in (bits, mask))
    out = np.empty(source.shape, bits.dtype)

    def work(part: slice) -> None:
        keep = flags[part] if kept else np.logical_not(flags[part])
        np.multiply(source[part], keep, out=out[part])

    parallel(work, cut(source.size, 1, PART), worth=source.nbytes > WORTH)
    return out.reshape(bits.shape)
