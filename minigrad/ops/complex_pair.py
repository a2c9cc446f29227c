"""Complex numbers as pairs of real ones: what a Fourier transform returns.

There are no complex tensors. A :class:`ComplexPair` holds one real Tensor, whose last dimension is (real part, imaginary part), as
``torch.view_as_real`` shows it. What it computes is computed by ops of real Tensors, so gradients of any order are those of the parts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.dtypes import OF_NUMPY, dtype
from minigrad.engine import ShapeError, TensorBase, cast, get_default_dtype, public, shape_of, wrap
from minigrad.ops import elementwise as ew
from minigrad.ops import reduce
from minigrad.ops.arguments import positive_dims, sizes_of, tensors
from minigrad.ops.index import subscript
from minigrad.ops.products import einsum, matmul
from minigrad.ops.shape import permute, reshape, stack, transpose
from minigrad.tree import array_of
from minigrad.types import Tensor


class ComplexPair:
    """Complex numbers of any shape: a thin shell around a real Tensor of this shape and a last dimension of 2.

    Args:
        pair: (..., 2): the real and the imaginary parts.

    It has ``real``, ``imag``, ``abs()``, ``angle()``, ``conj()``, ``exp()``, arithmetic and ``@`` with complex pairs, real Tensors and numbers,
    indexing, ``reshape``, ``transpose``, ``permute``, ``sum``, ``mean``, ``detach()`` and ``numpy()`` (a complex array). For anything else compute with
    its parts. Raises ``ShapeError`` if the last dimension is not 2.

    >>> import minigrad as mg
    >>> z = mg.complex(mg.tensor([3.0]), mg.tensor([4.0]))
    >>> z.abs(), (z * z.conj()).real
    (tensor([5.]), tensor([25.]))
    """

    __slots__ = ("pair",)

    def __init__(self, pair: Any):
        if not pair.shape or pair.shape[-1] != 2:
            raise ShapeError(f"ComplexPair: the last dimension must be 2 (real, imaginary), not of shape {tuple(pair.shape)}")
        self.pair = pair

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"'ComplexPair' object has no attribute {name!r}: there are no complex tensors; compute with z.real and z.imag, "
            "or with z.abs() and z.angle()",
            name=name,
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Refused: numpy, and functions that take arrays, would make one of objects."""
        raise TypeError("a complex pair is no array: functions take z.pair, or z.real and z.imag; z.numpy() makes a complex array")

    def __repr__(self) -> str:
        return f"ComplexPair(real={self.real!r}, imag={self.imag!r})"

    @property
    def real(self) -> Any:
        """The real parts, a Tensor."""
        return subscript(self.pair, (..., 0))

    @property
    def imag(self) -> Any:
        """The imaginary parts, a Tensor."""
        return subscript(self.pair, (..., 1))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, without the dimension of the parts."""
        return tuple(self.pair.shape[:-1])

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.pair.shape) - 1

    @property
    def dtype(self) -> dtype:
        """complex64 for float32, complex128 for float64: the dtype of :meth:`numpy`."""
        return OF_NUMPY[np.result_type(self.pair.dtype, np.complex64)]

    @property
    def requires_grad(self) -> bool:
        """Whether the parts require a gradient."""
        return bool(getattr(self.pair, "requires_grad", False))

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        return self.shape[0]

    def is_complex(self) -> bool:
        """True."""
        return True

    def abs(self) -> Any:
        """``sqrt(real**2 + imag**2)``, a Tensor. Its gradient at 0 is 0."""
        return reduce.norm(self.pair, 2, -1)

    __abs__ = abs

    def angle(self) -> Any:
        """The angle from -pi to pi, a Tensor. At 0 it is 0, and so is its gradient."""
        zero = reduce.all(ew.eq(self.pair, 0), -1)
        return ew.where(zero, 0.0, ew.atan2(ew.where(zero, 0.0, self.imag), ew.where(zero, 1.0, self.real)))

    def conj(self) -> ComplexPair:
        """The complex conjugate."""
        return ComplexPair(self.pair * np.array([1, -1], self.pair.dtype))

    def detach(self) -> ComplexPair:
        """The same numbers without a graph."""
        return ComplexPair(self.pair.detach())

    def numpy(self) -> np.ndarray:
        """A complex array. Raises ``RuntimeError`` if a gradient is required, as a Tensor does."""
        array = self.pair if isinstance(self.pair, np.ndarray) else self.pair.numpy()
        return np.ascontiguousarray(array).view(self.dtype)[..., 0]

    # ------------------------------------------------------------------------------------------- arithmetic

    __array_ufunc__ = None  # ndarray * z calls z.__rmul__

    def answer_op(self, name: str, operands: Sequence[Any]) -> Any:
        """An op that was called with a pair among its operands: arithmetic and ``abs``. Raises ``TypeError`` for any other."""
        if name not in _ANSWERS:
            raise TypeError(
                f"{name}: there are no complex tensors; compute with z.real and z.imag, or with z.abs() and z.angle(). "
                "A ComplexPair takes +, -, *, / and @ with real tensors, and einsum takes it"
            )
        return _ANSWERS[name](*operands)

    def __neg__(self) -> ComplexPair:
        return ComplexPair(-self.pair)

    def __add__(self, other: Any) -> ComplexPair:
        other = _pair(other)
        return ComplexPair(self.pair + other.pair)

    __radd__ = __add__

    def __sub__(self, other: Any) -> ComplexPair:
        return self + -_pair(other)

    def __rsub__(self, other: Any) -> ComplexPair:
        return -self + other

    def __mul__(self, other: Any) -> ComplexPair:
        if _is_real(other):
            return ComplexPair(self.pair * _column(other))
        other = _pair(other)
        (a, b), (c, d) = (self.real, self.imag), (other.real, other.imag)
        return complex(a * c - b * d, a * d + b * c)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> ComplexPair:
        if _is_real(other):
            return ComplexPair(self.pair / _column(other))
        other = _pair(other)
        return self * other.conj() / (ew.square(other.real) + ew.square(other.imag))

    def __rtruediv__(self, other: Any) -> ComplexPair:
        return _pair(other) / self

    def __matmul__(self, other: Any) -> ComplexPair:
        return multilinear(matmul, (self, other))

    def __rmatmul__(self, other: Any) -> ComplexPair:
        return multilinear(matmul, (other, self))

    def exp(self) -> ComplexPair:
        """``e**real * (cos(imag) + i * sin(imag))``."""
        return polar(ew.exp(self.real), self.imag)

    # ------------------------------------------------------------------------------------------------ shapes

    def __getitem__(self, key: Any) -> ComplexPair:
        key = key if isinstance(key, tuple) else (key,)
        return ComplexPair(subscript(self.pair, (*key, slice(None)) if any(k is ... for k in key) else (*key, ..., slice(None))))

    def reshape(self, *shape: Any) -> ComplexPair:
        """In another shape."""
        return ComplexPair(reshape(self.pair, (*sizes_of(shape), 2)))

    view = reshape

    def transpose(self, dim0: int, dim1: int) -> ComplexPair:
        """With two dimensions exchanged."""
        first, second = positive_dims("transpose", (dim0, dim1), self.ndim) if dim0 != dim1 else (0, 0)
        return ComplexPair(transpose(self.pair, first, second))

    def permute(self, *dims: Any) -> ComplexPair:
        """With the dimensions in another order."""
        return ComplexPair(permute(self.pair, (*positive_dims("permute", sizes_of(dims), self.ndim), self.ndim)))

    def _reduced(self, of: Any, name: str, dim: Any, keepdim: bool) -> ComplexPair:
        dims = tuple(range(self.ndim)) if dim is None else positive_dims(name, dim, self.ndim)
        return ComplexPair(of(self.pair, dims, keepdim) if dims else self.pair)

    def sum(self, dim: Any = None, keepdim: bool = False) -> ComplexPair:
        """The sums over ``dim``, or over all dimensions."""
        return self._reduced(reduce.sum, "sum", dim, keepdim)

    def mean(self, dim: Any = None, keepdim: bool = False) -> ComplexPair:
        """The means over ``dim``, or over all dimensions."""
        return self._reduced(reduce.mean, "mean", dim, keepdim)


_ANSWERS: dict[str, Callable] = {
    "abs": ComplexPair.abs,
    "neg": ComplexPair.__neg__,
    "add": lambda a, b: _pair(a) + b,
    "sub": lambda a, b: _pair(a) - b,
    "mul": lambda a, b: b * a if isinstance(b, ComplexPair) else a * b,
    "div": lambda a, b: _pair(a) / b,
    "matmul": lambda a, b: multilinear(matmul, (a, b)),
    "einsum": lambda equation, *operands: multilinear(functools.partial(einsum, equation), operands),
    "exp": ComplexPair.exp,
}


def multilinear(function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """``function(*operands)``, which is linear in each operand, of complex pairs and real Tensors: by their parts.

    >>> import minigrad as mg
    >>> z = mg.complex(mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0]))
    >>> multilinear(mg.dot, (z, mg.tensor([1.0, 1.0]))).numpy()
    array(3.+7.j, dtype=complex64)
    """
    place = next((i for i, x in enumerate(operands) if isinstance(x, ComplexPair)), None)
    if place is None:
        return function(*operands)
    z = operands[place]
    real, imag = (multilinear(function, (*operands[:place], part, *operands[place + 1 :])) for part in (z.real, z.imag))
    return real + complex(-imag.imag, imag.real) if isinstance(real, ComplexPair) else complex(real, imag)


def _is_real(x: Any) -> bool:
    return not isinstance(x, ComplexPair) and array_of(x).dtype.kind != "c"


def _column(x: Any) -> Any:
    """A real factor with a dimension for the parts."""
    return reshape(x, (*x.shape, 1)) if hasattr(x, "shape") else x


def _pair(x: Any) -> ComplexPair:
    """A complex pair, a real Tensor or a number as a complex pair."""
    if isinstance(x, ComplexPair):
        return x
    if isinstance(x, TensorBase):
        tensor: Any = x
        return complex(tensor, tensor * 0)
    x = np.asarray(x)
    parts = np.stack([x.real, x.imag], -1)
    return ComplexPair(parts.astype(np.float32) if x.ndim == 0 else parts)  # a number does not widen the dtype


def as_real(name: str, x: Any) -> Any:
    """A real Tensor, integers in the default dtype. Raises ``RuntimeError`` for a complex pair and for float16."""
    if isinstance(x, ComplexPair):
        raise RuntimeError(f"{name}: a real tensor is needed, not a complex pair; fft takes one")
    if x.dtype == np.float16:
        raise RuntimeError(f"{name}: float32 or float64 is needed, not float16")
    return x if x.dtype.kind == "f" else cast(x, dtype=get_default_dtype())


def as_pair(name: str, x: Any) -> ComplexPair:
    """``x``, or a real Tensor with imaginary parts of 0. Raises ``RuntimeError`` for float16."""
    if isinstance(x, ComplexPair):
        return x
    x = as_real(name, x)
    return complex(x, wrap(np.zeros(shape_of(x), array_of(x).dtype)))


def complex(real: Tensor, imag: Tensor) -> ComplexPair:
    """``real + i * imag``: ``torch.complex``. The shapes broadcast.

    >>> import minigrad as mg
    >>> mg.complex(mg.tensor([1.0]), mg.tensor([2.0])).conj().imag
    tensor([-2.])
    """
    if tuple(real.shape) != tuple(imag.shape):
        real, imag = real + imag * 0, imag + real * 0
    return ComplexPair(stack([real, imag], -1))


def polar(abs: Tensor, angle: Tensor) -> ComplexPair:
    """``abs * (cos(angle) + i * sin(angle))``: ``torch.polar``.

    >>> import minigrad as mg
    >>> mg.polar(mg.tensor([2.0]), mg.tensor([0.0])).real
    tensor([2.])
    """
    return complex(abs * ew.cos(angle), abs * ew.sin(angle))


def view_as_real(input: ComplexPair) -> Any:
    """The real Tensor (..., 2) of a complex pair: ``torch.view_as_real``."""
    return input.pair


def view_as_complex(input: Tensor) -> ComplexPair:
    """The real Tensor (..., 2) as a complex pair: ``torch.view_as_complex``. Raises ``ShapeError`` for another last dimension."""
    return ComplexPair(input)


def real(input: Tensor | ComplexPair) -> Any:
    """The real parts: ``torch.real``. Of a real Tensor, itself."""
    tensors("real", input=input)
    return input.real if isinstance(input, ComplexPair) else input


def imag(input: ComplexPair) -> Any:
    """The imaginary parts: ``torch.imag``. Raises ``RuntimeError`` for a real Tensor, as PyTorch."""
    if not isinstance(input, ComplexPair):
        raise RuntimeError("imag: a complex pair is needed, as rfft returns it, not a real tensor")
    return input.imag


def angle(input: Tensor | ComplexPair) -> Any:
    """The angles of complex pairs: ``torch.angle``. Of a real Tensor 0, or pi where it is negative, with the gradient 0; NaN stays."""
    if isinstance(input, ComplexPair):
        return input.angle()
    x = input if input.dtype.kind == "f" else cast(input, dtype=get_default_dtype())
    pi, zero = np.array(math.pi, x.dtype), np.array(0.0, x.dtype)
    return ew.where(ew.isnan(x), x, ew.where(ew.lt(x, 0), pi, zero))


def conj(input: Tensor | ComplexPair) -> Any:
    """The complex conjugates: ``torch.conj``. Of a real Tensor, itself."""
    tensors("conj", input=input)
    return input.conj() if isinstance(input, ComplexPair) else input


public(__name__)
