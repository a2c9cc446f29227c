"""Normalisation of the sizes and dims that users pass: ``x.sum(-1)``, ``x.permute(2, 0, 1)``, ``x.reshape((2, 3))``."""

from __future__ import annotations

import operator
from typing import Any

from minigrad.engine import ShapeError


def sizes_of(args: Any) -> tuple[int, ...]:
    """The ints of ``x.reshape(2, 3)``, ``x.reshape((2, 3))`` or ``reshape(x, 6)`` as a tuple."""
    if type(args) is tuple:
        for a in args:
            if type(a) is not int:
                break
        else:
            return args
    if isinstance(args, (tuple, list)):
        if len(args) == 1 and isinstance(args[0], (tuple, list)):
            args = args[0]
        return tuple([operator.index(a) for a in args])
    return (operator.index(args),)


def either(name: str, what: str, args: tuple, named: Any) -> Any:
    """The positional arguments (``x.expand(2, 3)``) or the named one (``x.expand(size=(2, 3))``). Raises ``TypeError`` for both."""
    if named is None:
        return args
    if args:
        raise TypeError(f"{name}: the {what} is given twice")
    return named


def positive_dim(name: str, dim: Any, ndim: int) -> int:
    """``dim`` as a number from 0 to ``ndim`` - 1. Raises ``IndexError`` if it is out of range; a 0-d tensor accepts 0 and -1."""
    d = operator.index(dim)
    n = ndim or 1
    if not -n <= d < n:
        raise IndexError(f"{name}: dim {d} is out of range for a tensor of {ndim} dimensions: it must be in {-n}..{n - 1}")
    return d % n


def positive_dims(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """:func:`positive_dim` of several dims. Raises ``IndexError`` if one is out of range, ``ShapeError`` if one is repeated."""
    found = tuple([positive_dim(name, d, ndim) for d in sizes_of(dims)])
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: a dim comes twice in {sizes_of(dims)}")
    return found


def along(dim: int, key: Any) -> tuple:
    """The index that applies ``key`` to dimension ``dim``, which is not negative."""
    return (*[slice(None)] * dim, key)
