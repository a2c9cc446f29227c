"""The types that annotations name: what may be passed to ops and layers.

=============  ===================================================================================================
``Operand``    what arithmetic takes: a Tensor, an array, a number
``Array``      what a kernel takes and returns: ndarrays, and numbers where its caller passed some. Unchecked
``Size``       a number for all dimensions, or one for each
``Dims``       the dimensions that an op works on: one, several, or None for all
``DType``      what names a dtype: ``mg.float32``, ``np.float32``, ``"float32"``
=============  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minigrad.tensor import Tensor

Operand: TypeAlias = "Tensor | np.ndarray | np.generic | float"
Array: TypeAlias = Any
Size: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int] | None
DType: TypeAlias = "DTypeLike | None"

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


def called_as(signature: F) -> Callable[[Callable[..., Any]], F]:
    """Tell type checkers how the decorated function is called; at run time nothing is changed.

    An op takes its keyword-only parameters by position too, which the signature of its kernel does not say.

    >>> def like_sum(x: Tensor, dim: Dims = None) -> Tensor: ...
    >>> @called_as(like_sum)
    ... def total(x, *, dim=None):
    ...     return x
    >>> total(3)
    3
    """
    return lambda function: function  # type: ignore[return-value]  # what is said above
