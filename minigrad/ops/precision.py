"""float16 is what arrays are kept in, not what sums are made in: it ends at 65,504 and has 11 bits.

Functions composed of several steps compute in float32 and round once, as PyTorch's do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from minigrad.engine import F16, F32, F64, cast, in_dtype, shape_of
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


def promoted(function: F) -> F:
    """``function``, whose operands of several floating dtypes are converted to the result's before the first step, as PyTorch does.

    Otherwise the operands that meet first would be rounded to the wider of *their* dtypes, or overflow in it. As in arithmetic, tensors with
    dimensions decide.

    >>> import minigrad as mg
    >>> half = mg.full((1,), 300.0, dtype=mg.float16)
    >>> mg.addcmul(mg.zeros(1), half, half)
    tensor([90000.])
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        floats = [x for x in (*args, *kwargs.values()) if getattr(getattr(x, "dtype", None), "kind", "") == "f"]
        if len({x.dtype for x in floats}) < 2:
            return function(*args, **kwargs)
        wide = np.result_type(*[x.dtype for x in floats if shape_of(x)] or [x.dtype for x in floats])
        to = {id(x): cast(x, dtype=wide) for x in floats if x.dtype != wide}
        return function(*[to.get(id(x), x) for x in args], **{k: to.get(id(x), x) for k, x in kwargs.items()})

    return call  # type: ignore[return-value]  # it is called as the function is
