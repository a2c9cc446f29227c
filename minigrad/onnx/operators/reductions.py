"""Operators that reduce dimensions, and cumulative ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.table import axis_of, constant, ints, number, operator


def _least(dtype: Any) -> Any:
    return False if dtype.kind == "b" else -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _greatest(dtype: Any) -> Any:
    return True if dtype.kind == "b" else np.inf if dtype.kind == "f" else np.iinfo(dtype).max


def _extreme(function: Any, of_none: Any) -> Any:
    def reduce(x: Any, dims: list[int], keep: bool) -> Any:
        data = x._data
        if any(data.shape[d] == 0 for d in dims):
            shape = [1 if i in dims else n for i, n in enumerate(data.shape) if keep or i not in dims]
            return constant(np.full(shape, of_none(data.dtype), data.dtype))
        if data.dtype.kind == "b":
            return function(x.to(np.uint8), dims, keepdim=keep).to(np.bool_)
        return function(x, dims, keepdim=keep)

    return reduce


def _integers(reduce: Any) -> Any:
    """Sums of integers keep their dtype; those of minigrad would be int64."""

    def call(x: Any, dims: list[int], keep: bool) -> Any:
        out = reduce(x, dims, keep)
        return out if out._data.dtype == x._data.dtype else out.to(x._data.dtype)

    return call


def _mean(x: Any, dims: list[int], keep: bool) -> Any:
    if x._data.dtype.kind == "f":
        return mg.mean(x, dims, keepdim=keep)
    return constant(np.asarray(x._data.mean(tuple(dims), keepdims=keep)).astype(x._data.dtype))


def _prod(x: Any, dims: list[int], keep: bool) -> Any:
    for d in sorted(dims, reverse=True):
        x = mg.prod(x, d, keepdim=keep)
    return x


def _log_sum(x: Any, dims: list[int], keep: bool) -> Any:
    return mg.log(mg.sum(x, dims, keepdim=keep))


def _log_sum_exp(x: Any, dims: list[int], keep: bool) -> Any:
    return mg.logsumexp(x if x._data.dtype.kind == "f" else x.double(), dims, keepdim=keep)


_REDUCTIONS: dict[str, Callable[[Any, list[int], bool], Any]] = {
    "ReduceL1": _integers(lambda x, dims, keep: mg.sum(mg.abs(x), dims, keepdim=keep)),
    "ReduceL2": _integers(lambda x, dims, keep: mg.sqrt(mg.sum(x * x, dims, keepdim=keep))),
    "ReduceLogSum": _integers(_log_sum),
    "ReduceLogSumExp": _integers(_log_sum_exp),
    "ReduceMax": _extreme(mg.amax, _least),
    "ReduceMean": _mean,
    "ReduceMin": _extreme(mg.amin, _greatest),
    "ReduceProd": _integers(_prod),
    "ReduceSum": _integers(lambda x, dims, keep: mg.sum(x, dims, keepdim=keep)),
    "ReduceSumSquare": _integers(lambda x, dims, keep: mg.sum(x * x, dims, keepdim=keep)),
}


def _enter(name: str, reduce: Any) -> None:
    @operator(name)
    def call(x: Any, dims: Any = None, *, axes: tuple[int, ...] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        chosen = ints(dims, "axes") if dims is not None else list(axes or ())
        if not chosen:
            if noop_with_empty_axes:  # the function of each element alone
                return reduce(mg.unsqueeze(x, 0), [0], False)
            chosen = list(range(x._data.ndim))
            if not chosen:
                return reduce(mg.unsqueeze(x, 0), [0], False)
        return reduce(x, [axis_of(d, x._data.ndim) for d in chosen], bool(keepdims))


for _name, _reduce in _REDUCTIONS.items():
    _enter(_name, _reduce)


def _position(data: np.ndarray, axis: int, keepdims: int, last: int) -> Any:
    found = data.shape[axis] - 1 - np.flip(data, axis).argmax(axis) if last else data.argmax(axis)
    found = np.asarray(found, np.int64)
    return constant(np.expand_dims(found, axis) if keepdims else found)


@operator("ArgMax")
def _argmax(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    return _position(x._data, axis_of(axis, x._data.ndim), keepdims, select_last_index)


@operator("ArgMin")
def _argmin(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
    data = x._data
    negative = -data if data.dtype.kind == "f" else ~data if data.dtype.kind != "i" else -1 - data
    return _position(negative, axis_of(axis, data.ndim), keepdims, select_last_index)


def _cumulative(function: Any, first: int, x: Any, axis: int, exclusive: int, reverse: int) -> Any:
    if reverse:
        x = mg.flip(x, [axis])
    if exclusive:
        n = x._data.shape[axis]
        head = list(x._data.shape)
        head[axis] = min(1, n)
        x = mg.cat([constant(np.full(head, first, x._data.dtype)), mg.narrow(x, axis, 0, max(n - 1, 0))], axis)
    out = function(x, axis).to(x._data.dtype)
    return mg.flip(out, [axis]) if reverse else out


@operator("CumSum", settings=(1,))
def _cumsum(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    return _cumulative(mg.cumsum, 0, x, axis_of(int(number(axis)), x._data.ndim), exclusive, reverse)


@operator("CumProd", settings=(1,))
def _cumprod(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    return _cumulative(mg.cumprod, 1, x, axis_of(int(number(axis)), x._data.ndim), exclusive, reverse)
