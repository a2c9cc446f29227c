"""The types that annotations name: what may be passed to ops and layers.

=============  ===================================================================================================
``Operand``    what arithmetic takes: a Tensor, an array, a number
``Array``      what a kernel takes and returns: ndarrays, and numbers where its caller passed some. Unchecked
``Size``       a number for all dimensions, or one for each
``Dims``       the dimensions that an op works on: one, several, or None for all
``Tensor``     :class:`minigrad.Tensor`
``DType``      what names a dtype: ``mg.float32``, ``np.float32``, ``"float32"``
=============  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minigrad.tensor import Tensor as Tensor
else:  # at run time a word in annotations: modules below minigrad.tensor name the class from here
    Tensor = "Tensor"

Operand: TypeAlias = "Tensor | np.ndarray | np.generic | float"
Array: TypeAlias = Any
Size: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int] | None
DType: TypeAlias = "DTypeLike | None"

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


def called_as(signature: F) -> Callable[[Callable[..., Any]], F]:
    """Tell type checkers how a function is called whose result depends on its arguments: by the overloads of ``signature``.

    At run time nothing is changed.

    >>> def like_max(x: Tensor, dim: Dims = None) -> Tensor: ...
    >>> @called_as(like_max)
    ... def extreme(x, dim=None):
    ...     return x
    >>> extreme(3)
    3
    """
    return lambda function: function  # type: ignore[return-value]  # what is said above
