"""Types for annotations of the arguments of ops and layers.

=============  ===================================================================================================
``Operand``    an operand of arithmetic: a Tensor, an array or a number
``Array``      an argument or result of a kernel: an ndarray, or a number if the caller passed one. Not checked
``Size``       a number for all dimensions, or one for each
``Shape``      the sizes of a Tensor's dimensions, a tuple that counts its elements: what ``x.shape`` is
``Dims``       the dimensions that an op works on: one, several, or None for all
``Tensor``     :class:`minigrad.Tensor`
``DType``      a dtype or its name: ``mg.float32``, ``np.float32``, ``"float32"``
=============  ===================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ForwardRef, ParamSpec, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np

from minigrad.absent import error

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from minigrad.tensor import Tensor as Tensor
else:  # modules that minigrad.tensor imports take the name from here; typing.get_type_hints finds the class
    Tensor = ForwardRef("tensor_class()", module="minigrad.engine.graph")
    DTypeLike = Any  # numpy.typing takes 5 ms to import

Operand: TypeAlias = Tensor | np.ndarray | np.generic | float
Array: TypeAlias = Any
Size: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int] | None
DType: TypeAlias = DTypeLike | None

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


class Shape(tuple[int, ...]):
    """The sizes of a Tensor's dimensions: ``torch.Size``. A tuple in all else; it is pickled as one.

    >>> import minigrad as mg
    >>> shape = mg.ones(2, 3, 4).shape
    >>> shape, shape == (2, 3, 4), shape.numel(), shape[1:].numel()
    (torch.Size([2, 3, 4]), True, 24, 12)
    """

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a Tensor of this shape; 1 for that of a number."""
        return math.prod(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Shape: ...
    def __getitem__(self, index: Any) -> Any:
        part = tuple.__getitem__(self, index)
        return Shape(part) if type(part) is tuple else part

    def __add__(self, other: Any) -> Shape:
        return Shape(tuple.__add__(self, other))

    def __radd__(self, other: Any) -> Shape:
        return Shape(tuple.__add__(other, self))

    def __mul__(self, times: SupportsIndex) -> Shape:
        return Shape(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return tuple, (tuple(self),)

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getattr__(self, name: str) -> Any:
        raise error("torch.Size", name, "shape")


def called_as(signature: F) -> Callable[[Callable[..., Any]], F]:
    """Decorator that gives a function the overloads of ``signature`` for type checkers, if its result type depends on its arguments.

    It has no effect at run time.

    >>> def like_max(x: Tensor, dim: Dims = None) -> Tensor: ...
    >>> @called_as(like_max)
    ... def extreme(x, dim=None):
    ...     return x
    >>> extreme(3)
    3
    """
    return lambda function: function  # type: ignore[return-value]  # on purpose, see above
