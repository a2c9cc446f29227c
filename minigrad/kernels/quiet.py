"""How numpy computes inside kernels and ops: without warnings, and with a short buffer.

Infinities and NaNs are results as others, and BLAS may compute inf * 0 in places that are never read.

numpy keeps both settings in the context (:mod:`contextvars`), so each thread has its own. ``quiet().run(f, x)`` calls ``f(x)`` in a prepared
context. ``f`` sees no other context variable of its caller, such as the grad mode: what runs there works on arrays alone.
"""

from __future__ import annotations

import contextvars
from typing import Any

import numpy as np

BUFFER = 1 << 10  # elements; numpy's own are 8192

CONTEXT = contextvars.Context()  # only one call at a time can run in it: `quiet` has a copy for each
CONTEXT.run(np.seterr, all="ignore")
CONTEXT.run(np.setbufsize, BUFFER)

quiet = CONTEXT.copy  #: made in constant time: a tenth of that of `with np.errstate(...)`

((_VARIABLE, _SETTINGS),) = CONTEXT.items()  # numpy's


class quietly:
    """Context manager in which numpy computes so, where code needs the context variables of its caller too.

    >>> with quietly():
    ...     np.getbufsize(), np.geterr()["divide"]
    (1024, 'ignore')
    """

    __slots__ = ("token",)

    def __enter__(self) -> None:
        before = _VARIABLE.get(None)
        if before is None or before is _SETTINGS:
            self.token = _VARIABLE.set(_SETTINGS)
        else:  # somebody's own settings, of which what is not changed stays: a function that numpy calls for errors, see np.seterrcall
            self.token = _VARIABLE.set(before)
            np.seterr(all="ignore")
            np.setbufsize(BUFFER)

    def __exit__(self, *error: object) -> None:
        _VARIABLE.reset(self.token)


def cast_quietly(array: np.ndarray, dtype: Any) -> np.ndarray:
    """``array`` itself if it has ``dtype``, else a copy in it: too large a number becomes infinite, as in any op.

    >>> cast_quietly(np.array([1e6, 2.0]), np.float16)
    array([inf,  2.], dtype=float16)
    """
    return array if array.dtype == dtype else quiet().run(array.astype, dtype)


class short_buffer:
    """Context manager that makes numpy's buffer short, where code needs the context variables of its caller too.

    numpy copies an operand that is broadcast along lines shorter than the buffer into it, line by line: a product with a number for each
    line of 1,000 takes three times as long so. It does the same, line by line, with operands that are not in one piece.

    >>> with short_buffer():
    ...     np.getbufsize()
    1024
    >>> quiet().run(np.getbufsize)
    1024
    """

    def __init__(self, size: int = BUFFER) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before = np.setbufsize(self.size)

    def __exit__(self, *error: object) -> None:
        np.setbufsize(self.before)
