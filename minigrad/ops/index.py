"""Ops that pick elements and put them back: basic, boolean and integer-array indexing, gather and scatter.

``take`` and its transpose ``put_add`` are one pair for every kind of index; ``put`` is item assignment.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import TensorBase, op


def _plain_index(key: Any) -> tuple:
    """An index with Tensors, lists and the user's arrays replaced by arrays of its own."""
    key = key if isinstance(key, tuple) else (key,)
    return tuple([_plain_part(k) for k in key])


def _plain_part(k: Any) -> Any:
    if k is None or k is Ellipsis or isinstance(k, (bool, int, np.integer)):
        return k
    if isinstance(k, slice):
        if k.step is not None and int(k.step) < 1:
            return k  # negative steps are numpy's; PyTorch refuses them
        return k
    if isinstance(k, TensorBase):
        k = k._data
    elif isinstance(k, np.ndarray):
        k = k.copy()
    else:
        k = np.asarray(k)
        if not k.size:
            k = k.astype(np.intp)
    if k.dtype.kind not in "iub":
        raise IndexError(f"indices must be integers, booleans, slices, None or ..., not {k.dtype}")
    return k


def _is_basic(index: tuple) -> bool:
    return not any(isinstance(k, (np.ndarray, bool)) for k in index)


@op(x=lambda g, x_shape, index: put_add(g, shape=x_shape, index=index))
def take(x, *, index):
    """``x[index]`` for a tuple of ints, slices, None, ..., and boolean or integer arrays. Transpose of :func:`put_add`."""
    return x[index]


@op(g_=lambda g, index: take(g, index=index))
def put_add(g_, *, shape, index):
    """Zeros of ``shape`` with ``g_`` added at ``index``, where repeated places add up. Transpose of :func:`take`."""
    out = np.zeros(shape, g_.dtype)
    if _is_basic(index):
        out[index] = g_
    else:
        np.add.at(out, index, g_)
    return out


def _put_x(g, index):
    return put(g, 0.0, index=index)


def _put_v(g, index):
    return take(g, index=index)


@op(x=_put_x, v=_put_v)
def put(x, v, *, index, overwrite=False):
    """A copy of ``x`` with ``x[index] = v``; ``overwrite=True`` when the caller gives up ``x`` itself."""
    out = x if overwrite else x.copy()
    out[index] = v
    return out


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return take(x, index=_plain_index(key))


def setitem(x: Any, value: Any, key: Any, overwrite: bool = False) -> Any:
    """``x`` after ``x[key] = value``."""
    return put(x, value, index=_plain_index(key), overwrite=overwrite)
