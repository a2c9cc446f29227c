"""How ops are called, for type checkers. Nothing here is run.

An op takes its keyword-only parameters by position too (``x.sum(0)``), some functions take one more than their kernel
(``inplace``), and a Tensor comes out where the kernel returns an array. ``@called_as`` gives an op the signature of a function below;
several ops may share one.
"""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from minigrad.types import Dims, DType, Operand, Size

if TYPE_CHECKING:
    import numpy as np

    from minigrad.ops.reduce import ValuesIndices
    from minigrad.tensor import Tensor

# ----------------------------------------------------------------------------------------------- ops that are private


def anyhow(*args: Any, **statics: Any) -> Tensor:
    """By position or by name."""


def several(*args: Any, **statics: Any) -> tuple[Tensor, ...]:
    """With several results."""


# --------------------------------------------------------------------------------------------------- elementwise


def nan_to_num(x: Operand, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Numbers in place of what is none."""


def clamp(input: Operand, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """Bounds, one of which may be missing."""


@overload
def where(condition: Tensor | np.ndarray) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor | np.ndarray | bool, input: Operand, other: Operand) -> Tensor: ...
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """A choice between two, or the indices where a condition holds."""


def isclose(a: Operand, b: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """A comparison with tolerances."""


# ----------------------------------------------------------------------------------------------------- reductions


def total(x: Operand, dim: Dims = None, keepdim: bool = False, dtype: DType = None) -> Tensor:
    """A sum, a mean, a product."""


def extreme(x: Operand, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """One element out of several."""


def count(x: Operand, dim: Dims = None) -> Tensor:
    """A number of elements."""


def running(x: Operand, dim: int, dtype: DType = None) -> Tensor:
    """A running sum, a running product."""


def along_one(x: Operand, dim: int) -> Tensor:
    """A function of the elements along one dimension, of the same shape."""


def along_some(x: Operand, dim: Dims, keepdim: bool = False) -> Tensor:
    """One number for the elements along dimensions that must be named."""


def order(x: Operand, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """An order along one dimension."""


@overload
def largest(x: Operand, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def largest(x: Operand, dim: int, keepdim: bool = False) -> ValuesIndices: ...
@overload
def largest(x: Operand, other: Tensor | np.ndarray, /) -> Tensor: ...
def largest(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The extreme of all, along a dimension, or of two tensors."""


@overload
def median(x: Operand, dim: None = None, keepdim: bool = False) -> Tensor: ...
@overload
def median(x: Operand, dim: int, keepdim: bool = False) -> ValuesIndices: ...
def median(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The median of all, or along a dimension."""


@overload
def unique(
    x: Operand,
    sorted: bool = True,
    return_inverse: Literal[False] = False,
    return_counts: Literal[False] = False,
    dim: int | None = None,
) -> Tensor: ...
@overload
def unique(
    x: Operand, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> tuple[Tensor, ...]: ...
def unique(x: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """What is different, and if asked for, where it is and how often."""


@overload
def nonzero(input: Operand, *, as_tuple: Literal[False] = False) -> Tensor: ...
@overload
def nonzero(input: Operand, *, as_tuple: Literal[True]) -> tuple[Tensor, ...]: ...
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where elements are not zero."""


def bins(x: Operand, weights: Operand | None = None, minlength: int = 0) -> Tensor:
    """How many there are of each integer."""


# --------------------------------------------------------------------------------------------------------- shapes


def to_shape(x: Operand, shape: Size) -> Tensor:
    """The same elements in another shape."""


def over_dims(x: Operand, dims: Size) -> Tensor:
    """The same elements, dimensions in another order or direction."""


def swap(x: Operand, dim0: int, dim1: int) -> Tensor:
    """Two dimensions that change places."""


def roll(x: Operand, shifts: Size, dims: Dims = None) -> Tensor:
    """Elements that are moved along dimensions."""


def diagonal(x: Operand, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A diagonal of two dimensions."""


def triangle(x: Operand, diagonal: int = 0) -> Tensor:
    """One side of a diagonal."""


def windows(x: Operand, dimension: int, size: int, step: int) -> Tensor:
    """Windows along one dimension."""


def margins(x: Operand, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Elements more, or fewer, on both sides of each dimension."""


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
    """The largest of each window, and if asked for, where it is."""


@overload
def adaptive_max_pool(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: Literal[False] = False) -> Tensor: ...
@overload
def adaptive_max_pool(
    input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: Literal[True]
) -> tuple[Tensor, Tensor]: ...
@overload
def adaptive_max_pool(input: Tensor, output_size: Size | Sequence[int | None] | None, return_indices: bool = False) -> Any: ...
def adaptive_max_pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each window, of which there is a given number."""


def activation(input: Tensor, inplace: bool = False) -> Tensor:
    """A function without parameters."""


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """A function with two bounds."""


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """A function with a slope."""


def rrelu(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False) -> Tensor:
    """A function with a slope that is drawn."""


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """A function with a threshold."""


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """A function with a factor."""


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """A function with a dead zone."""


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """A function with an approximation."""


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A function that becomes linear at a threshold."""


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """A dropout that is on by default."""


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """A dropout that is off by default."""


def unfold(input: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of images as columns."""


def fold(input: Tensor, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """Columns added up to images."""


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Integers as rows of zeros with a one."""


def embedding(input: Operand, weight: Operand, padding_idx: int | None = None) -> Tensor:
    """Rows of a table."""
