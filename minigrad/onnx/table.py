"""The table of operators: one function for each, which takes its inputs by position and its attributes by keyword.

>>> from minigrad.onnx.table import operator
>>> @operator("Twice", domain="example")
... def twice(x, *, times=2):
...     return x * times

An input that is not given is None. A function may also name ``opset`` (the version of the operator set that the model was written for) and
``outputs`` (how many results are used). Several results are a tuple, a sequence of tensors is a list.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad.engine import wrap
from minigrad.onnx.reader import OnnxError

F = TypeVar("F", bound=Callable[..., Any])


class Operator(NamedTuple):
    """An entry of the table.

    ===============  ====================================================================================
    ``function``     computes it
    ``attributes``   keyword -> default (``inspect.Parameter.empty`` if there is none)
    ``settings``     positions of inputs that are settings: a stored tensor there is no weight to train
    ``statistics``   positions of inputs that are running statistics: buffers
    ``control``      whether it runs graphs of its own
    ===============  ====================================================================================
    """

    function: Callable[..., Any]
    attributes: dict[str, Any]
    settings: frozenset[int]
    statistics: frozenset[int]
    control: bool


OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str,
    domain: str = "",
    settings: Sequence[int] = (),
    statistics: Sequence[int] = (),
    control: bool = False,
    shared: Callable[..., Any] | None = None,
) -> Callable[[F], F]:
    """Enter a function into the table under one or more names. The keywords of ``shared``, which it hands on, are attributes too."""

    def enter(function: F) -> F:
        keywords = [
            p for f in (function, shared) if f is not None for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY
        ]
        attributes = {p.name: p.default for p in keywords}
        for name in names:
            OPERATORS[domain, name] = Operator(function, attributes, frozenset(settings), frozenset(statistics), control)
        return function

    return enter


def plain(names: dict[str, Callable[..., Any]]) -> None:
    """Enter functions that have no attributes and take the inputs as they are."""
    for name, function in names.items():
        OPERATORS["", name] = Operator(function, {}, frozenset(), frozenset(), False)


def ints(x: Any, what: str = "a list of integers") -> list[int]:
    """The integers in a tensor, or of a list."""
    values = np.asarray(x if isinstance(x, (list, tuple)) else x._data)
    if values.size and values.dtype.kind not in "iub":
        raise OnnxError(f"onnx: {what} must be of integers, not of {values.dtype.name}")
    if values.size > 1 << 20:
        raise OnnxError(f"onnx: {what} has {values.size} numbers")
    return [int(v) for v in values.reshape(-1)]


def number(x: Any) -> Any:
    """The number in a tensor of one element, as Python's. Raises :class:`OnnxError` if there are more."""
    if x._data.size != 1:
        raise OnnxError(f"onnx: a tensor of one element is needed here, not one of shape {x._data.shape}")
    return x._data.reshape(()).item()


def constant(array: Any) -> Any:
    """A Tensor of the array, without a graph."""
    return wrap(np.asarray(array))


def axis_of(axis: int, ndim: int) -> int:
    """A dimension counted from the front. Raises :class:`OnnxError` if there is none."""
    if not -ndim <= axis < ndim:
        raise OnnxError(f"onnx: axis {axis} of a tensor with {ndim} dimensions")
    return axis % ndim
