"""The arguments of one call, printed so that they can be pasted into a program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.engine import TensorBase
from minigrad.random import Generator
from minigrad.tree import leaves, unwrapped
from minigrad.types import Shape


class Call:
    """Positional and keyword arguments: ``Call((a, b), {"dim": 1})`` stands for the call ``f(a, b, dim=1)``.

    >>> import numpy as np
    >>> from minigrad.testing import Call
    >>> Call((np.eye(2),), {"dim": 0})
    Call((np.array([[1.0, 0.0], [0.0, 1.0]]),), {'dim': 0})
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None):
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})

    def __repr__(self) -> str:
        return f"Call({source(self.args)}{f', {source(self.kwargs)}' if self.kwargs else ''})"

    def arguments(self) -> str:
        """What stands between the parentheses of the call, as code."""
        return ", ".join([*map(source, self.args), *(f"{k}={source(v)}" for k, v in self.kwargs.items())])


def arrays_in(value: Any) -> list[np.ndarray]:
    """All arrays, and those of Tensors, in nested lists, tuples and dicts."""
    return [x for x in map(unwrapped, leaves(value)) if isinstance(x, np.ndarray)]


def source(value: Any) -> str:
    """Python code that makes ``value``: arrays become ``np.array(...)``, Tensors ``mg.tensor(...)``.

    >>> import numpy as np
    >>> from minigrad.testing.call import source
    >>> source((np.zeros((0, 2)), np.array(1, np.float32), slice(None, 2)))
    "(np.zeros((0, 2)), np.array(1.0, dtype='float32'), slice(None, 2, None))"
    """
    if isinstance(value, TensorBase):
        tail = ", requires_grad=True" if value._node is not None else ""
        return f"mg.tensor({source(value._data)}{tail})"
    if isinstance(value, np.ndarray):
        plain = value.dtype in (np.float64, np.int64, np.bool_)
        dtype = "" if plain else f", dtype={value.dtype.name!r}"
        if not value.size:
            dtype = "" if value.dtype == np.float64 else f", dtype={value.dtype.name!r}"
            return f"np.zeros({value.shape}{dtype})"
        text = repr(value.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
        return f"np.array({text}{dtype})"
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({source(value.item())})"
    if type(value) is float and not math.isfinite(value):
        return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    if isinstance(value, slice):
        return f"slice({source(value.start)}, {source(value.stop)}, {source(value.step)})"
    if isinstance(value, Generator):
        return f"mg.Generator().manual_seed({value.initial_seed()})"
    if isinstance(value, np.dtype):
        return f"np.dtype({value.name!r})"
    if isinstance(value, dtypes.dtype):
        return f"mg.{value.name}"
    if isinstance(value, type) and issubclass(value, np.generic):
        return f"np.{value.__name__}"
    if isinstance(value, type) and value.__module__ == "builtins":
        return value.__name__
    if type(value) in (tuple, Shape):
        return "(" + ", ".join(map(source, value)) + ("," if len(value) == 1 else "") + ")"
    if type(value) is list:
        return "[" + ", ".join(map(source, value)) + "]"
    if type(value) is dict:
        return "{" + ", ".join(f"{k!r}: {source(v)}" for k, v in value.items()) + "}"
    return repr(value)
