"""Complex numbers as pairs of real ones: what a Fourier transform returns, and what ``dtype=torch.cfloat`` makes.

There are no complex tensors. A :class:`ComplexPair` holds one real Tensor, whose last dimension is (real part, imaginary part), as
``torch.view_as_real`` shows it. What it computes is computed by ops of real Tensors, so gradients of any order are those of the parts: the
gradient of a pair is the pair of the gradients, which is PyTorch's convention too.

An op that is called with a pair asks it for the result, :meth:`ComplexPair.answer_op`. One that is linear in its inputs, as
:class:`~minigrad.engine.linear_in` declares, is applied to the real and to the imaginary parts: sums, joining, indexing, and by the products of
the parts matrix products, ``einsum`` and convolution. The others that have a meaning for complex numbers are in the table ``_ANSWERS``.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.devices import CPU, no_device
from minigrad.dtypes import OF_NUMPY, dtype
from minigrad.engine import (
    Op,
    ShapeError,
    Shell,
    TensorBase,
    aligned,
    batched,
    broadcast_to,
    cast,
    elementwise,
    entitled,
    get_default_dtype,
    inside,
    known_as,
    linear_in,
    op,
    public,
    repeated,
    shape_of,
    title_of_call,
    wrap,
)
from minigrad.kernels.quiet import quiet
from minigrad.later import Later
from minigrad.ops import contractions, gathering, products, reduce
from minigrad.ops import elementwise as ew
from minigrad.ops import shape as shaping
from minigrad.ops.arguments import either, positive_dim, positive_dims, sizes_of, tensors
from minigrad.ops.index import subscript
from minigrad.ops.shape import permute, reshape, stack, transpose
from minigrad.tree import array_of
from minigrad.types import Array, Shape, Size, Tensor


def numbers(pair: np.ndarray) -> np.ndarray:
    """The complex numbers in an array of pairs (..., 2)."""
    return np.ascontiguousarray(pair).view(np.result_type(pair.dtype, np.complex64))[..., 0]


def pairs(numbers: np.ndarray) -> np.ndarray:
    """The array of pairs (..., 2) of complex numbers."""
    numbers = np.asarray(numbers, order="C")
    return numbers.reshape((*numbers.shape, 1)).view(numbers.real.dtype)


_LINALG, _EQUATIONS = Later("minigrad.ops.linalg"), Later("minigrad.ops.equations")  # which not every program needs
_HOUSEHOLDER, _STATISTICS = Later("minigrad.ops.householder"), Later("minigrad.ops.statistics")


class ComplexPair(Shell):
    """Complex numbers of any shape: a thin shell around a real Tensor of this shape and a last dimension of 2.

    Args:
        pair: (..., 2): the real and the imaginary parts.

    It has ``real``, ``imag``, ``abs()``, ``angle()``, ``conj()``, arithmetic and ``@`` with complex pairs, real Tensors and numbers, indexing
    and writing (``z[i] = w``), ``grad`` and ``backward()``, ``numpy()`` (a complex array), and the methods of a Tensor that change shapes, join,
    add or multiply, with ``exp``, ``log``, ``sqrt``, ``sin`` and their like. For anything else compute with its parts.
    Raises ``ShapeError`` if the last dimension is not 2.

    >>> import minigrad as mg
    >>> z = mg.complex(mg.tensor([3.0]), mg.tensor([4.0]))
    >>> z.abs(), (z * z.conj()).real
    (tensor([5.]), tensor([25.]))
    """

    def __init__(self, pair: Any):
        if not pair.shape or pair.shape[-1] != 2:
            raise ShapeError(f"ComplexPair: the last dimension must be 2 (real, imaginary), not of shape {tuple(pair.shape)}")
        self.pair = pair

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'ComplexPair' object has no attribute {name!r}: not for complex numbers: {_PARTS}", name=name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Refused: numpy, and functions that take arrays, would make one of objects."""
        raise TypeError("a complex pair is no array: functions take z.pair, or z.real and z.imag; z.numpy() makes a complex array")

    def __repr__(self) -> str:
        pair = self.pair if isinstance(self.pair, TensorBase) else wrap(self.pair)
        kind: Any = type(pair)
        return str(kind.__repr__(ComplexPair(pair)))  # the class of the Tensor writes the text, and says if it is a Parameter

    # ------------------------------------------------------------------------------------------ what it is

    @property
    def real(self) -> Any:
        """The real parts, a Tensor; a write to it writes the pair."""
        return subscript(self.pair, (..., 0))

    @real.setter
    def real(self, value: Any) -> None:
        self.pair[..., 0] = value

    @property
    def imag(self) -> Any:
        """The imaginary parts, a Tensor; a write to it writes the pair."""
        return subscript(self.pair, (..., 1))

    @imag.setter
    def imag(self, value: Any) -> None:
        self.pair[..., 1] = value

    @property
    def shape(self) -> Shape:
        """The shape, without the dimension of the parts."""
        return Shape(self.pair.shape[:-1])

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.pair.shape) - 1

    @property
    def dtype(self) -> dtype:
        """complex64 for float32, complex128 for float64: the dtype of :meth:`numpy`."""
        return OF_NUMPY[np.result_type(self.pair.dtype, np.complex64)]

    device = CPU
    is_cuda = is_mps = is_sparse = is_meta = False
    is_cpu = True

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    ndimension = dim

    def stride(self, dim: int | None = None) -> Any:
        """The stride of each dimension, in complex numbers."""
        steps = tuple([s // 2 for s in self.pair.stride()[:-1]])
        return steps if dim is None else steps[dim]

    def numel(self) -> int:
        """How many complex numbers."""
        return math.prod(self.shape)

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one complex number."""
        return self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one complex number."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return self.itemsize * self.numel()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d complex pair")
        return self.shape[0]

    def __iter__(self) -> Iterator[ComplexPair]:
        return iter(self.unbind())

    def is_complex(self) -> bool:
        """True."""
        return True

    def is_floating_point(self) -> bool:
        """False."""
        return False

    # ------------------------------------------------------------------------------------- gradient, values

    @property
    def requires_grad(self) -> bool:
        """Whether the parts require a gradient."""
        return bool(getattr(self.pair, "requires_grad", False))

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.pair.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> ComplexPair:
        """Start or stop recording what is computed with this leaf, and return it."""
        self.pair.requires_grad_(requires_grad)
        return self

    @property
    def grad(self) -> ComplexPair | None:
        """The gradient: its real part is that with respect to the real part, as in PyTorch. None before the first ``backward()``."""
        return None if self.pair.grad is None else ComplexPair(self.pair.grad)

    @grad.setter
    def grad(self, value: ComplexPair | None) -> None:
        self.pair.grad = inside(value)

    @property
    def is_leaf(self) -> bool:
        """Whether the parts are not the recorded result of an op."""
        return bool(self.pair.is_leaf)

    @property
    def grad_fn(self) -> Any:
        """The graph node of the op that computed the parts; None for a leaf."""
        return self.pair.grad_fn

    def retain_grad(self) -> None:
        """Make ``backward()`` also set ``.grad`` of this intermediate result."""
        self.pair.retain_grad()

    @property
    def retains_grad(self) -> bool:
        """Whether :meth:`retain_grad` was called of this intermediate result."""
        return bool(self.pair.retains_grad)

    def register_hook(self, hook: Callable[[ComplexPair], Any]) -> Any:
        """Call ``hook(grad)`` whenever the gradient has been computed; a complex pair that it returns replaces it. Returns a handle to remove it."""
        return self.pair.register_hook(lambda g: inside(hook(ComplexPair(g))))

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None) -> None:
        """Add the gradient to the ``.grad`` of every leaf, as ``Tensor.backward`` does, of a ``gradient`` that is a complex pair."""
        if gradient is None:
            raise RuntimeError("backward: a loss is a real number: take z.abs() or z.real, or pass the gradient of z, a complex pair")
        self.pair.backward(as_pair("backward", gradient).pair, retain_graph, create_graph, inputs)

    @property
    def data(self) -> ComplexPair:
        """The numbers outside the graph: a write into ``z.data`` changes ``z`` itself."""
        return ComplexPair(self.pair.data)

    @data.setter
    def data(self, value: ComplexPair) -> None:
        self.pair.data = as_pair("data", value).pair

    def detach(self) -> ComplexPair:
        """The same numbers without a graph."""
        return ComplexPair(self.pair.detach())

    def detach_(self) -> ComplexPair:
        """Remove the pair from its graph, and return it."""
        self.pair.detach_()
        return self

    def new_full(self, size: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
        """``fill_value`` in another shape and this dtype."""
        return self.pair.new_full(size, fill_value, self.dtype if dtype is None else dtype, **options)

    def new_zeros(self, *sizes: Any, size: Any = None, dtype: Any = None, **options: Any) -> Any:
        """Zeros of another shape in this dtype."""
        return self.new_full(sizes_of(either("new_zeros", "size", sizes, size)), 0, dtype, **options)

    def new_ones(self, *sizes: Any, size: Any = None, dtype: Any = None, **options: Any) -> Any:
        """Ones of another shape in this dtype."""
        return self.new_full(sizes_of(either("new_ones", "size", sizes, size)), 1, dtype, **options)

    new_empty = new_zeros

    def new_tensor(self, data: Any, dtype: Any = None, **options: Any) -> Any:
        """A copy of ``data`` in this dtype."""
        return self.pair.new_tensor(data, self.dtype if dtype is None else dtype, **options)

    def clone(self, memory_format: Any = None) -> ComplexPair:
        """A copy; gradients flow through it."""
        return ComplexPair(ew.clone(self.pair))

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A complex array. Raises ``RuntimeError`` if a gradient is required, as a Tensor does, unless ``force``."""
        return numbers(self.pair if isinstance(self.pair, np.ndarray) else self.pair.numpy(force=force))

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.numpy(force=True).tolist()

    def item(self) -> Any:
        """The only element, a Python number."""
        return self.numpy(force=True).item()

    __complex__ = item

    def to(self, *args: Any, **kwargs: Any) -> ComplexPair:
        """In another complex dtype, or that of another complex pair; the rest as ``Tensor.to``. Raises ``TypeError`` for a real dtype."""
        pair = self.pair.to(*map(_of_parts, args), **{name: _of_parts(x) for name, x in kwargs.items()})
        return self if pair is self.pair else ComplexPair(pair)

    def type(self, dtype: Any = None) -> Any:
        """In another complex dtype; without one, PyTorch's name of this."""
        names = {8: "torch.ComplexFloatTensor", 16: "torch.ComplexDoubleTensor"}
        return names[self.itemsize] if dtype is None else self.to(dtype)

    def cfloat(self) -> ComplexPair:
        """In complex64."""
        return self.to(OF_NUMPY[np.dtype(np.complex64)])

    def cdouble(self) -> ComplexPair:
        """In complex128."""
        return self.to(OF_NUMPY[np.dtype(np.complex128)])

    def cpu(self) -> ComplexPair:
        """The pair itself."""
        return self

    def cuda(self, device: Any = None) -> ComplexPair:
        """Raises ``DeviceError``: there is no device but the CPU."""
        return no_device()

    def contiguous(self, memory_format: Any = None) -> ComplexPair:
        """The pair, or a row-major copy if it is not contiguous."""
        return self if self.pair.is_contiguous() else ComplexPair(self.pair.contiguous())

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the numbers are in row-major order in memory."""
        return bool(self.pair.is_contiguous())

    # ------------------------------------------------------------------------------------------- arithmetic

    __array_ufunc__ = None  # ndarray * z calls z.__rmul__

    def answer_op(self, op: Op, operands: Sequence[Any], statics: dict[str, Any]) -> Any:
        """What ``op`` returns for operands among which are complex numbers. Raises ``TypeError`` where it has no meaning for them."""
        result = answer(op, operands, statics)
        known = [getattr(inside(x), "_node", None) for x in operands]
        if getattr(inside(result), "_node", None) not in known:  # not an operand handed on
            entitled(result, title_of_call(op.name, statics, getattr(result, "shape", ())))
        return result

    def abs(self) -> Any:
        """``sqrt(real**2 + imag**2)``, a Tensor. Its gradient at 0 is 0."""
        return entitled(reduce.norm(self.pair, 2, -1), "AbsBackward0")

    absolute = __abs__ = abs

    def angle(self) -> Any:
        """The angle from -pi to pi, a Tensor. At 0 it is 0, and so is its gradient."""
        zero = reduce.all(ew.eq(self.pair, 0), -1)
        found = ew.atan2(ew.where(zero, 0.0, self.imag), ew.where(zero, 1.0, self.real))
        return entitled(ew.where(zero, 0.0, found), "AngleBackward0")

    def conj(self) -> ComplexPair:
        """The complex conjugate."""
        return entitled(ComplexPair(_conjugate(self.pair)), "ConjBackward0")

    def resolve_conj(self) -> ComplexPair:
        """The pair itself: a conjugate is computed at once."""
        return self

    def is_conj(self) -> bool:
        """False."""
        return False

    resolve_neg, is_neg, is_inference, conj_physical = resolve_conj, is_conj, is_conj, conj

    def conj_physical_(self) -> ComplexPair:
        """Conjugate in place."""
        return self.copy_(self.conj())

    def isreal(self) -> Any:
        """Whether each element has no imaginary part, bools."""
        return isreal(self)

    def __bool__(self) -> bool:
        return bool(reduce.any(self.pair)) if self.numel() == 1 else bool(self.real)  # which says that it is ambiguous

    def __neg__(self) -> ComplexPair:
        return ComplexPair(-self.pair)

    def __pos__(self) -> ComplexPair:
        return self

    def __add__(self, other: Any) -> ComplexPair:
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> ComplexPair:
        return _sub(self, other)

    def __rsub__(self, other: Any) -> ComplexPair:
        return _sub(other, self)

    def __mul__(self, other: Any) -> ComplexPair:
        return _mul(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> ComplexPair:
        return _div(self, other)

    def __rtruediv__(self, other: Any) -> ComplexPair:
        return _div(other, self)

    def __pow__(self, other: Any) -> ComplexPair:
        return entitled(_pow(self, other), "PowBackward0")

    def __rpow__(self, other: Any) -> ComplexPair:
        return entitled(_pow(other, self), "PowBackward0")

    def __matmul__(self, other: Any) -> ComplexPair:
        return products.matmul(self, other)  # type: ignore[return-value]

    def __rmatmul__(self, other: Any) -> ComplexPair:
        return products.matmul(other, self)  # type: ignore[return-value]

    def __eq__(self, other: Any) -> Any:
        return _eq(self, other) if hasattr(other, "dtype") or isinstance(other, (bool, int, float, builtins.complex)) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return NotImplemented if (equal := self.__eq__(other)) is NotImplemented else ew.logical_not(equal)

    __hash__ = object.__hash__

    # ------------------------------------------------------------------------------------- indexing, writing

    def __getitem__(self, key: Any) -> ComplexPair:
        return ComplexPair(subscript(self.pair, _with_parts(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.pair[_with_parts(key)] = _pair(value, self).pair

    def copy_(self, source: Any, non_blocking: bool = False) -> ComplexPair:
        """Copy the numbers of ``source``, broadcast and converted to this shape and dtype."""
        self.pair.copy_(_pair(source, self).pair)
        return self

    fill_ = copy_

    def index_add_(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> ComplexPair:
        """Give this pair the value of ``self.index_add(...)``."""
        return self.copy_(self.index_add(dim, index, source, alpha=alpha))

    def zero_(self) -> ComplexPair:
        """Set every element to 0."""
        self.pair.zero_()
        return self

    def normal_(self, mean: Any = 0.0, std: float = 1.0, generator: Any = None) -> ComplexPair:
        """Fill with normal numbers: half of the variance ``std**2`` is that of the real parts."""
        self.pair.normal_(0.0, std * math.sqrt(0.5), generator=generator)
        return self.add_(mean) if mean else self

    def add_(self, other: Any, *, alpha: float = 1) -> ComplexPair:
        """Give this pair the value of ``self + alpha * other``."""
        return self.copy_(_add(self, other * alpha))

    def sub_(self, other: Any, *, alpha: float = 1) -> ComplexPair:
        """Give this pair the value of ``self - alpha * other``."""
        return self.copy_(_sub(self, other * alpha))

    def mul_(self, other: Any) -> ComplexPair:
        """Give this pair the value of ``self * other``."""
        return self.copy_(_mul(self, other))

    def div_(self, other: Any) -> ComplexPair:
        """Give this pair the value of ``self / other``."""
        return self.copy_(_div(self, other))

    # ------------------------------------------------------------------------------------------------ shapes

    T = property(shaping.reverse_dims)
    mT = property(shaping.matrix_transpose)

    def reshape(self, *sizes: Size, shape: Size | None = None) -> ComplexPair:
        """In another shape, of which one size may be -1."""
        return ComplexPair(reshape(self.pair, (*sizes_of(either("reshape", "shape", sizes, shape)), 2)))

    def view(self, *sizes: Size, size: Size | None = None) -> ComplexPair:
        """:meth:`reshape` that never copies. Raises ``ShapeError`` if the strides require a copy."""
        return ComplexPair(shaping.view(self.pair, (*sizes_of(either("view", "size", sizes, size)), 2)))

    def view_as(self, other: Any) -> ComplexPair:
        """:meth:`view` in the shape of ``other``."""
        return self.view(other.shape)

    def reshape_as(self, other: Any) -> ComplexPair:
        """:meth:`reshape` to the shape of ``other``."""
        return self.reshape(other.shape)

    def permute(self, *order: Size, dims: Size | None = None) -> ComplexPair:
        """With the dimensions in another order."""
        return _permuted(self, either("permute", "dims", order, dims))

    def flip(self, *along: Size, dims: Size | None = None) -> ComplexPair:
        """The elements in reverse order along the dimensions ``along``."""
        return shaping.flip(self, sizes_of(either("flip", "dims", along, dims)))  # type: ignore[return-value]

    @property
    def mH(self) -> ComplexPair:
        """The conjugate of the matrices, transposed."""
        return self.mT.conj()

    H = mH

    def adjoint(self) -> ComplexPair:
        """The conjugate of the matrices, transposed."""
        return self.mH

    inverse, det, logdet, slogdet, cholesky = _LINALG.inv, _LINALG.det, _EQUATIONS.logdet, _LINALG.slogdet, _LINALG.cholesky
    geqrf, orgqr, ormqr = _HOUSEHOLDER.geqrf, _HOUSEHOLDER.orgqr, _HOUSEHOLDER.ormqr
    cov, corrcoef = _STATISTICS.cov, _STATISTICS.corrcoef
    lu, lu_solve, cholesky_solve = _EQUATIONS.old_lu, _EQUATIONS.old_lu_solve, _EQUATIONS.cholesky_solve
    cholesky_inverse, triangular_solve = _EQUATIONS.cholesky_inverse, _EQUATIONS.triangular_solve
    qr, svd, pinverse = _LINALG.old_qr, _LINALG.old_svd, _LINALG.pinverse
    matrix_exp, matrix_power = _LINALG.matrix_exp, _LINALG.matrix_power

    def where(self, condition: Any, other: Any) -> ComplexPair:
        """This pair where ``condition`` holds, else ``other``."""
        return ew.where(condition, self, other)  # type: ignore[call-overload]


_METHODS = {  # functions of a Tensor, whose ops answer; ``new=old`` for what is called otherwise there
    ew: "add sub mul div subtract=sub multiply=mul divide=div true_divide=div neg negative=neg square reciprocal pow exp log sqrt sin cos sinh cosh "
    "tanh sigmoid tan exp2 expm1 log1p log2 log10 rsqrt lerp addcmul nan_to_num sgn=sign isnan isinf isfinite isclose allclose equal eq ne",
    reduce: "sum mean var std cumsum prod cumprod norm count_nonzero logsumexp",
    products: "matmul mm bmm mv dot vdot outer",
    contractions: "inner",
    shaping: "transpose swapaxes swapdims movedim moveaxis t flatten unflatten ravel squeeze unsqueeze expand expand_as broadcast_to roll rot90 fliplr "
    "flipud tile repeat repeat_interleave split chunk tensor_split unbind narrow select unfold diagonal diag diag_embed tril triu",
    gathering: "index_select gather take_along_dim masked_fill masked_select index_add index_copy index_fill index_put scatter scatter_add nonzero argwhere",
}
for _module, _names in _METHODS.items():
    for _place in _names.split():
        setattr(ComplexPair, _place.partition("=")[0], getattr(_module, _place.rpartition("=")[2]))


_PARTS = "they are pairs of real tensors here; compute with z.real and z.imag, or with z.abs() and z.angle()"


def _of_parts(x: Any) -> Any:
    """An argument of :meth:`ComplexPair.to` as one for the parts."""
    x = x.dtype if hasattr(x, "pair") or isinstance(x, TensorBase) else x
    if type(x) is not dtype and not (isinstance(x, type) and issubclass(x, np.generic)):
        return x
    if not dtype(x).is_complex:
        raise TypeError(f"to: {dtype(x).name} is real, which would lose the imaginary parts; take z.real or z.abs()")
    return dtype(x).to_real()


# ------------------------------------------------------------------------------------ how ops answer for pairs


def answer(op: Op, operands: Sequence[Any], statics: dict[str, Any]) -> Any:
    """What ``op`` returns for operands among which are complex pairs and numbers. Raises ``TypeError`` where it has no meaning for them."""
    if op.name in _ANSWERS:
        return _ANSWERS[op.name](*operands, **statics)
    operands = [x if isinstance(x, ComplexPair) or _is_real(x) else _pair(x) for x in operands]
    names = [op.argument(i) for i in range(len(operands))]
    first = next(i for i, x in enumerate(operands) if isinstance(x, ComplexPair))
    groups = (*op.linear, *([_TOGETHER[op.name]] if op.name in _TOGETHER else []))
    group = next((group for group in groups if names[first] in group), ())
    if not group:
        raise TypeError(f"{op.name}: not for complex numbers: {_PARTS}")
    parts = [
        _run(op, [part(x) if name in group else x for name, x in zip(names, operands, strict=True)], statics)
        for part in (_real_part, _imag_part)
    ]
    return tuple(map(_joined, *parts)) if isinstance(parts[0], tuple) else _joined(*parts)


def _run(op: Op, operands: Sequence[Any], statics: dict[str, Any]) -> Any:
    given = len(op.inputs)
    return (
        op.function(*operands, **statics) if op.variadic else op.function(**dict(zip(op.inputs, operands[:given], strict=True)), **statics)
    )


_TOGETHER = {  # ops that are linear in these inputs together, but for a constant that they fill up with, so that they are not declared
    "cat": ("xs",), "stack": ("xs",), "where": ("input", "other"), "clone": ("input",), "setitem": ("x", "v"), "lerp": ("input", "end"),
}  # fmt: skip


def _real_part(x: Any) -> Any:
    return x.real if isinstance(x, ComplexPair) else x


def _imag_part(x: Any) -> Any:
    """The imaginary parts, of real numbers 0."""
    if isinstance(x, ComplexPair):
        return x.imag
    return None if x is None else np.zeros(shape_of(x), array_of(x).dtype) if hasattr(x, "shape") else 0.0


def _joined(real: Any, imag: Any) -> ComplexPair:
    """``real + i * imag``; both are pairs themselves where another operand is complex too."""
    return ComplexPair(real.pair + _turned(imag.pair)) if isinstance(real, ComplexPair) else complex(real, imag)


def _turned(pair: Any) -> Any:
    """The numbers times i."""
    return product(pair, np.array([0, 1], pair.dtype))


def _conjugate(pair: Any) -> Any:
    return pair * np.array([1, -1], pair.dtype)


@linear_in("a", "b")
@batched(lambda run, a, b: run(*[repeated(x, run.size) for x in aligned([a, b])]))
@op(a=lambda g, b: product(g, _conjugate(b)), b=lambda g, a: product(g, _conjugate(a)))
def product(a: Array, b: Array) -> Array:
    """The products of complex numbers, given and returned as arrays of pairs (..., 2), which broadcast.

    >>> import numpy as np
    >>> product(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([0.0, 1.0]))
    array([[-1.,  0.],
           [ 0.,  2.]])
    """
    return pairs(quiet().run(np.multiply, numbers(a), numbers(b)))


def _add(a: Any, b: Any) -> ComplexPair:
    return ComplexPair(_pair(a, b).pair + _pair(b, a).pair)


def _sub(a: Any, b: Any) -> ComplexPair:
    return ComplexPair(_pair(a, b).pair - _pair(b, a).pair)


def _mul(a: Any, b: Any) -> ComplexPair:
    for z, x in ((a, b), (b, a)):
        if isinstance(z, ComplexPair) and _is_real(x):
            return ComplexPair(z.pair * _column(x))
    return ComplexPair(product(_pair(a, b).pair, _pair(b, a).pair))


def _div(a: Any, b: Any) -> ComplexPair:
    a = _pair(a, b)
    if _is_real(b):
        return ComplexPair(a.pair / _column(b))
    b = _pair(b, a)
    return ComplexPair(product(a.pair, _conjugate(b.pair)) / reduce.sum(ew.square(b.pair), -1, True))


def _pow(z: Any, exponent: Any) -> ComplexPair:
    """The principal power; small whole ones by products, which are right at 0 too."""
    if isinstance(exponent, (int, float)) and exponent == int(exponent) and builtins.abs(exponent) <= 8:
        result = z if exponent else ComplexPair(ew.pow(z.pair, 0)) - 1j  # 1 + 1j less 1j: so it is of a NaN too
        for _ in range(builtins.abs(int(exponent)) - 1):
            result = _mul(result, z)
        return _div(1, result) if exponent < 0 else result
    z = _pair(z, exponent)
    if isinstance(exponent, (int, float)):
        return polar(ew.pow(z.abs(), exponent), z.angle() * exponent)
    return _exp(_mul(_log(z), exponent))


def _exp(z: ComplexPair) -> ComplexPair:
    return polar(ew.exp(z.real), z.imag)


def _log(z: ComplexPair) -> ComplexPair:
    return complex(ew.log(z.abs()), z.angle())


def _sqrt(z: ComplexPair) -> ComplexPair:
    return polar(ew.sqrt(z.abs()), z.angle() / 2)


def _var(z: ComplexPair, dim: Any, correction: float, keepdim: bool) -> Any:
    return reduce.var(z.real, dim, correction=correction, keepdim=keepdim) + reduce.var(z.imag, dim, correction=correction, keepdim=keepdim)


def _tanh(z: ComplexPair) -> ComplexPair:
    """(t c + i s) / (c + i t s) of t = tanh(real), c = cos(imag), s = sin(imag): nothing overflows."""
    t, c, s = ew.tanh(z.real), ew.cos(z.imag), ew.sin(z.imag)
    return _div(complex(t * c, s), complex(c, t * s))


def _sign(z: ComplexPair) -> ComplexPair:
    """z / abs(z), and 0 at 0."""
    size = z.abs()
    return z / ew.where(ew.eq(size, 0), 1.0, size)


def _eq(a: Any, b: Any) -> Any:
    return reduce.all(ew.eq(_pair(a, b).pair, _pair(b, a).pair), -1)


def _isclose(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    a, b = _pair(a, b), _pair(b, a)
    close = ew.le((a - b).abs(), atol + rtol * b.abs())
    close = ew.logical_or(_eq(a, b), ew.logical_and(close, ew.isfinite(b.abs())))
    return ew.logical_or(close, ew.logical_and(_some(ew.isnan, a), _some(ew.isnan, b))) if equal_nan else close


def _some(test: Any, z: ComplexPair) -> Any:
    return reduce.any(test(z.pair), -1)


def _reduced(of: Any, name: str) -> Any:
    def reduced(z: ComplexPair, dim: Any, keepdim: bool, dtype: Any) -> ComplexPair:
        z = z if dtype is None else z.to(dtype)
        dims = tuple(range(z.ndim)) if dim is None or dim == () else positive_dims(name, dim, z.ndim)
        return ComplexPair(of(z.pair, dims, keepdim) if dims else z.pair)

    return reduced


def _prod(z: ComplexPair, dim: Any, keepdim: bool, dtype: Any) -> ComplexPair:
    """Halves are multiplied with halves."""
    z = z if dtype is None else z.to(dtype)
    z, dim = (z.ravel(), 0) if dim is None else (z, positive_dim("prod", dim, z.ndim))
    while (n := z.shape[dim]) > 1:
        half = _mul(z.narrow(dim, 0, n // 2), z.narrow(dim, n // 2, n // 2))
        z = _cat([half, z.narrow(dim, n - 1, 1)], dim) if n % 2 else half
    if not z.shape[dim]:
        z = ComplexPair(shaping.pad(z.pair, (0, 0) * (z.ndim - dim) + (0, 1))) + 1
    return z if keepdim and z.ndim else z.squeeze(dim)


def _cumprod(z: ComplexPair, dim: int, dtype: Any) -> ComplexPair:
    """After k steps each element is the product of the last 2**k: log2(n) products of all."""
    z, dim, step = z if dtype is None else z.to(dtype), positive_dim("cumprod", dim, z.ndim), 1
    while z.ndim and step < (n := z.shape[dim]):
        z = _cat([z.narrow(dim, 0, step), _mul(z.narrow(dim, step, n - step), z.narrow(dim, 0, n - step))], dim)
        step *= 2
    return z


def _logsumexp(z: ComplexPair, dim: Any, keepdim: bool) -> ComplexPair:
    dims = tuple(range(z.ndim)) if dim is None or dim == () else positive_dims("logsumexp", dim, z.ndim)
    highest = reduce.amax(z.real.detach(), dims, True) if z.ndim else z.real.detach()
    highest = ew.where(ew.isfinite(highest), highest, 0.0)
    found = _log(_exp(z - highest).sum(dims, keepdim=True)) + highest
    return found if keepdim else found.squeeze(dims)


_cat: Callable[..., ComplexPair] = shaping.cat  # type: ignore[assignment]  # of pairs it is one


def _permuted(z: ComplexPair, dims: Any) -> ComplexPair:
    dims = sizes_of(dims)
    if len(dims) != z.ndim:
        raise ShapeError(f"permute: dims {dims} do not name the {z.ndim} dimensions of shape {tuple(z.shape)}")
    return ComplexPair(permute(z.pair, (*positive_dims("permute", dims, z.ndim), z.ndim)))


def _transposed(z: ComplexPair, dim0: int, dim1: int) -> ComplexPair:
    if not z.ndim:
        return z
    return ComplexPair(transpose(z.pair, positive_dim("transpose", dim0, z.ndim), positive_dim("transpose", dim1, z.ndim)))


def _padded(z: ComplexPair, widths: Any, value: float) -> ComplexPair:
    pair = shaping.pad_constant(z.pair, (*widths, (0, 0)))
    outside = shaping.pad_constant(np.zeros(z.shape, pair.dtype), widths, value) if value else None
    return ComplexPair(pair) if outside is None else ComplexPair(pair) + outside


_ANSWERS: dict[str, Callable] = {  # op -> its result for complex numbers
    "abs": ComplexPair.abs,
    "neg": ComplexPair.__neg__,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "square": lambda z: _mul(z, z),
    "reciprocal": lambda z: _div(1, z),
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": lambda z: complex(ew.sin(z.real) * ew.cosh(z.imag), ew.cos(z.real) * ew.sinh(z.imag)),
    "cos": lambda z: complex(ew.cos(z.real) * ew.cosh(z.imag), -ew.sin(z.real) * ew.sinh(z.imag)),
    "sinh": lambda z: complex(ew.sinh(z.real) * ew.cos(z.imag), ew.cosh(z.real) * ew.sin(z.imag)),
    "cosh": lambda z: complex(ew.cosh(z.real) * ew.cos(z.imag), ew.sinh(z.real) * ew.sin(z.imag)),
    "tanh": _tanh,
    "sigmoid": lambda z: (_tanh(z * 0.5) + 1) * 0.5,
    "sign": _sign,
    "eq": _eq,
    "ne": lambda a, b: ew.logical_not(_eq(a, b)),
    "tan": lambda z: _mul(_tanh(_mul(z, 1j)), -1j),
    "exp2": lambda z: _exp(z * math.log(2)),
    "expm1": lambda z: _exp(z) - 1,
    "log1p": lambda z: _log(z + 1),
    "log2": lambda z: _log(z) / math.log(2),
    "log10": lambda z: _log(z) / math.log(10),
    "rsqrt": lambda z: _div(1, _sqrt(z)),
    "nan_to_num": lambda z, **how: ComplexPair(ew.nan_to_num(z.pair, **how)),
    "var": _var,
    "std": lambda z, **how: ew.sqrt(_var(z, **how)),
    "count_nonzero": lambda z, **how: reduce.count_nonzero(_eq(z, 0) == 0, **how),
    "argwhere": lambda z: gathering.argwhere(_eq(z, 0) == 0),
    "nonzero": lambda z: gathering.nonzero(_eq(z, 0) == 0, as_tuple=True),
    "cast": lambda z, dtype: z.to(OF_NUMPY[np.dtype(dtype)]),
    "isclose": _isclose,
    "isnan": lambda z: _some(ew.isnan, z),
    "isinf": lambda z: _some(ew.isinf, z),
    "isfinite": lambda z: reduce.all(ew.isfinite(z.pair), -1),
    "norm": lambda z, **how: reduce.norm(z.abs(), **how),
    "sum": _reduced(reduce.sum, "sum"),
    "mean": _reduced(reduce.mean, "mean"),
    "prod": _prod,
    "logsumexp": _logsumexp,
    "cumprod": _cumprod,
    "reshape": lambda z, shape: z.reshape(shape),
    "permute": _permuted,
    "transpose": _transposed,
    "broadcast_to": lambda z, shape: ComplexPair(broadcast_to(z.pair, shape=(*shape, 2))),
    "getitem": lambda z, index: ComplexPair(subscript(z.pair, _with_parts(index))),
    "pad_constant": _padded,
    **{
        name: getattr(Later("minigrad.ops.complex_linalg"), name)
        for name in [
            "inv",
            "solve",
            "solve_triangular",
            "pinv",
            "matrix_exp",
            "det",
            "slogdet",
            "cholesky",
            "lu",
            "qr",
            "geqrf",
            "svd",
            "eigh",
        ]
    },
}
_NUMBERS = (builtins.complex, np.complexfloating)


def _with_parts(key: Any) -> tuple:
    """A subscript of complex numbers as one of the real Tensor."""
    key = key if isinstance(key, tuple) else (key,)
    return (*key, slice(None)) if any(k is ... for k in key) else (*key, ..., slice(None))


def _is_real(x: Any) -> bool:
    return not isinstance(x, (ComplexPair, *_NUMBERS)) and getattr(getattr(x, "dtype", None), "kind", "f") != "c"


def _column(x: Any) -> Any:
    """A real factor with a dimension for the parts."""
    return reshape(x, (*x.shape, 1)) if hasattr(x, "shape") and x.shape else x


def _pair(x: Any, beside: Any = None) -> ComplexPair:
    """A complex pair, a real Tensor or a number as a complex pair; a number in the dtype of what it is computed with."""
    if isinstance(x, ComplexPair):
        return x
    if isinstance(x, TensorBase) and _is_real(x):
        return as_pair("complex", x)
    x = array_of(x)
    if x.ndim == 0:
        kind = getattr(inside(beside), "dtype", None)
        return ComplexPair(np.array([x.real, x.imag], kind if kind is not None and kind.kind == "f" else get_default_dtype()))
    return ComplexPair(np.stack([x.real, x.imag], -1))


def of_numbers(array: np.ndarray) -> ComplexPair:
    """A complex array as a complex pair.

    >>> import numpy as np
    >>> of_numbers(np.array([1 + 2j])).imag
    tensor([2.], dtype=torch.float64)
    """
    return ComplexPair(wrap(pairs(array)))


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


@known_as("ComplexBackward0")
def complex(real: Tensor, imag: Tensor) -> ComplexPair:
    """``real + i * imag``: ``torch.complex``. The shapes broadcast.

    >>> import minigrad as mg
    >>> mg.complex(mg.tensor([1.0]), mg.tensor([2.0])).conj().imag
    tensor([-2.])
    """
    if tuple(real.shape) != tuple(imag.shape):
        real, imag = shaping.broadcast_tensors(real, imag)
    return ComplexPair(stack([real, imag], -1))


@known_as("PolarBackward0")
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


@elementwise
@op(input=lambda g: ew.where(False, g, 0.0))
def _real_angle(input: Array) -> Array:
    return np.where(np.isnan(input), input, np.where(input < 0, np.array(math.pi, input.dtype), np.array(0.0, input.dtype)))


@known_as("AngleBackward0")
def angle(input: Tensor | ComplexPair) -> Any:
    """The angles of complex pairs: ``torch.angle``. Of a real Tensor 0, or pi where it is negative, with the gradient 0; NaN stays, with the gradient 0 too."""
    if isinstance(input, ComplexPair):
        return input.angle()
    return _real_angle(input if input.dtype.kind == "f" else cast(input, dtype=get_default_dtype()))


def conj(input: Tensor | ComplexPair) -> Any:
    """The complex conjugates: ``torch.conj``. Of a real Tensor, itself."""
    tensors("conj", input=input)
    return input.conj() if isinstance(input, ComplexPair) else input


def adjoint(input: Tensor | ComplexPair) -> Any:
    """The matrices (..., n, m) transposed, and conjugated if they are complex: ``torch.adjoint``."""
    return conj(shaping.matrix_transpose(input))  # type: ignore[arg-type]


def isreal(input: Tensor | ComplexPair) -> Any:
    """Whether each element has no imaginary part, bools: ``torch.isreal``.

    >>> import minigrad as mg
    >>> mg.isreal(mg.tensor([1.0, 2.0j]))
    tensor([ True, False])
    """
    tensors("isreal", input=input)
    return ew.eq(input.imag, 0) if isinstance(input, ComplexPair) else ew.logical_or(input, True)  # a NaN is as real as another number


def is_conj(input: Tensor | ComplexPair) -> bool:
    """False: a conjugate is computed at once. ``torch.is_conj``."""
    tensors("is_conj", input=input)
    return False


def resolve_conj(input: Tensor | ComplexPair) -> Any:
    """``input``, as :func:`is_conj` is False: ``torch.resolve_conj``."""
    tensors("resolve_conj", input=input)
    return input


conj_physical = conj

public(__name__)
