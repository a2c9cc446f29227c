"""Signatures for type checkers, of functions that are overloaded or that get parameters from a decorator. Nothing here is run.

``max(x)`` returns a Tensor and ``max(x, 0)`` a pair: that needs overloads. ``relu`` and similar functions get their last parameter,
``inplace``, from a decorator. ``@called_as(like.largest)`` gives a function the signature of :func:`largest`.
"""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from minigrad.ops.results import ValuesIndices
from minigrad.types import Operand, Size, Tensor


def several(*args: Any, **statics: Any) -> tuple[Tensor, ...]:
    """A function with several results."""


@overload
def where(condition: Tensor | np.ndarray) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor | np.ndarray | bool, input: Operand, other: Operand) -> Tensor: ...
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """The elements of one of two tensors, or the indices where a condition is True."""


@overload
def largest(input: Operand, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def largest(input: Operand, dim: int, keepdim: bool = False) -> ValuesIndices: ...
@overload
def largest(input: Operand, other: Tensor | np.ndarray, /) -> Tensor: ...
@overload
def largest(input: Operand, *, other: Operand) -> Tensor: ...
def largest(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The maximum or minimum of all elements, along a dimension, or of two tensors."""


@overload
def median(input: Operand, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def median(input: Operand, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The median of all elements, or along a dimension."""


@overload
def unique(
    input: Operand,
    sorted: bool = True,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: int | None = None,
) -> Tensor: ...
@overload
def unique(
    input: Operand, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> tuple[Tensor, ...]: ...
def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The distinct elements and, if requested, their positions and counts."""


@overload
def unique_consecutive(
    input: Operand, return_inverse: Literal[False] = False, return_counts: Literal[False] = False, dim: int | None = None
) -> Tensor: ...
@overload
def unique_consecutive(
    input: Operand, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> tuple[Tensor, ...]: ...
def unique_consecutive(input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The first element of each run and, if requested, the run of each element and its length."""


@overload
def nonzero(input: Operand, *, as_tuple: Literal[False] = False) -> Tensor: ...
@overload
def nonzero(input: Operand, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of nonzero elements."""


@overload
def at_least(tensor: Operand, /) -> Tensor: ...
@overload
def at_least(tensor: Operand, second: Operand, /, *tensors: Operand) -> tuple[Tensor, ...]: ...
@overload
def at_least(tensors: Sequence[Operand], /) -> tuple[Tensor, ...]: ...
def at_least(*tensors: Any) -> Any:
    """One tensor, or several."""


# ------------------------------------------------------------------------------------------------ neural networks


@overload
def max_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Tensor: ...
@overload
def max_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Tensor, Tensor]: ...
@overload
def max_pool(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any: ...
def max_pool(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window and, if requested, its index."""


@overload
def adaptive_max_pool(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool(
    input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: Literal[True]
) -> tuple[Tensor, Tensor]: ...
@overload
def adaptive_max_pool(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: bool = False) -> Any: ...
def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum of each window, for a given number of windows."""


def activation(input: Tensor, inplace: bool = False) -> Tensor:
    """A function without parameters."""


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """A function with two bounds."""


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """A function with a slope."""


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """A function with a random slope."""


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """A function with a threshold."""


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """A function with a factor."""


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """A dropout that is on by default."""


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """A dropout that is off by default."""
