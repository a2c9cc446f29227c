"""float16 is what arrays are kept in, not what sums are made in: it ends at 65,504 and has 11 bits.

Functions composed of several steps compute in float32 and round once, as PyTorch's do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.engine import F16, F32, F64, in_dtype
from minigrad.tree import unwrapped

F = TypeVar("F", bound=Callable[..., Any])


def in_float32(function: F) -> F:
    """``function``, which given float16 computes in float32 and rounds its results once.

    Where another floating dtype takes part, promotion has decided already, and nothing is changed.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        half = False
        for value in (*args, *kwargs.values()) if kwargs else args:
            dtype = getattr(unwrapped(value), "dtype", None)
            if dtype is F32 or dtype is F64:  # nearly always the first
                return function(*args, **kwargs)
            half = half or dtype is F16
        if not half:
            return function(*args, **kwargs)
        return in_dtype(function(*[in_dtype(a, F16, F32) for a in args], **{k: in_dtype(v, F16, F32) for k, v in kwargs.items()}), F32, F16)

    return call  # type: ignore[return-value]  # it is called as the function is
