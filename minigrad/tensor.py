"""Tensor: an array with a reference to the graph that computed it.

Names, argument order and defaults are PyTorch's. Every operator and method is one line that calls an op. This module also
implements writes: ``x += y``, ``x[i] = v`` and ``x.add_(y)`` give one Tensor object a new value, and never change another
tensor or an array that a graph still needs; see :meth:`Tensor._assign`.
"""

from __future__ import annotations

import builtins
import itertools
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, TypeVar, overload

import numpy as np

from minigrad import absent, dtypes, engine
from minigrad.devices import CPU, STRIDED, check_device, device, no_device
from minigrad.dtypes import DTYPES, OF_NUMPY
from minigrad.engine import (
    F64,
    Leaf,
    Node,
    Shell,
    TensorBase,
    answers_for,
    cast,
    dtype_of,
    get_default_dtype,
    inside,
    is_batched,
    is_grad_enabled,
    lifted,
    memory_of,
    no_number,
    refuse_write,
    register_tensor,
    wrap,
)
from minigrad.kernels.quiet import cast_quietly
from minigrad.later import Later
from minigrad.ops import elementwise, index, products, reduce
from minigrad.ops import shape as shaping
from minigrad.ops.arguments import either, number, shown
from minigrad.random import Generator, drawn
from minigrad.tree import array_of, unwrapped
from minigrad.types import Dims, DType, Operand, P, Shape, Size
from minigrad.views import IN_PLACE_TEMPORARY, Lender, borrows, leave_memory, over, own_memory, places, reached, writable

_ROOMS = (  # not every program needs them
    "activation arithmetic assembling complex_pair contractions distance equations fft gathering householder linalg sampling special statistics"
)
_AT_ONCE = False  # mypy does not know it, and so reads them before this file, as it would not those under TYPE_CHECKING
if _AT_ONCE:
    from minigrad.ops import (
        activation,
        arithmetic,
        assembling,
        complex_pair,
        contractions,
        distance,
        equations,
        fft,
        gathering,
        householder,
        linalg,
        sampling,
        special,
        statistics,
    )
    from minigrad.ops import softmax as softmaxes
    from minigrad.printing import text_of
else:
    globals().update({name: Later(f"minigrad.ops.{name}") for name in _ROOMS.split()}, softmaxes=Later("minigrad.ops.softmax"))
    text_of = Later("minigrad.printing").text_of

Self = TypeVar("Self", bound="Tensor")

TYPE_NAMES = {
    DTYPES[dtype]: f"torch.{name}Tensor"
    for dtype, name in {
        "float16": "Half", "float32": "Float", "float64": "Double", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
        "uint8": "Byte", "bool": "Bool",
    }.items()
}  # fmt: skip

for _kind in (complex, np.complex64, np.complex128):  # x * 1j
    answers_for[_kind] = complex_pair.answer

_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}  # x += y may not turn a float into an int, nor an int into a bool


def to_array(data: Any, dtype: Any = None, copy: bool | None = None, name: str = "tensor", complex_too: bool = False) -> np.ndarray:
    """``data`` as an ndarray with the dtype rules of ``torch.tensor``.

    With ``complex_too`` it may be one of complex numbers, also of a complex pair.

    Python floats get the default dtype (float32), Python ints int64; arrays, numpy scalars and Tensors keep their dtype. Raises ``TypeError``
    for what is no number, ``RuntimeError`` for a number that an integer ``dtype`` does not reach.
    """
    if dtype is not None:
        dtype = dtype_of(name, dtype, complex_too)
    if complex_too and isinstance(data, Shell):
        data = data.detach().numpy()
    if isinstance(data, TensorBase):
        array: Any = data._data if is_batched(data) else np.asarray(data._data)
    elif isinstance(data, np.ndarray):
        array = np.asarray(data)
    else:
        if isinstance(data, (list, tuple)):
            data = _plain(name, data)
        elif not hasattr(data, "__array__") and hasattr(data, "__dlpack__"):
            data = np.from_dlpack(data)
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"{name}: rows of different lengths do not make an array ({error})") from None
        if dtype is None:
            if array.dtype is F64 and not _holds_float64(data):
                array = array.astype(get_default_dtype())
            elif complex_too and array.dtype.kind == "c" and not _holds_float64(data):
                array = array.astype(get_default_dtype().to_complex())
        elif dtype.kind in "iu" and array.dtype.kind in "iuf":
            _refuse_overflow(name, array, dtype)
    if complex_too and array.dtype in OF_NUMPY and array.dtype.kind == "c" and (dtype is None or dtype.kind == "c"):
        pass
    elif array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{name}: {type(data).__name__} {data!r:.40}: {no_number(array.dtype)}")
    if dtype is not None:
        array = cast_quietly(array, dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if (same := np.dtype(array.dtype.char)) is not array.dtype:  # a copy, as a pickle has: kernels ask which dtype it is by `is`
        array = array.view(same)
    if copy and (array is data or array.base is not None or isinstance(data, (np.ndarray, TensorBase))):
        array = array.copy()
    return array


_PYTHON = {builtins.float, builtins.int, builtins.bool, builtins.complex}


def _plain(name: str, data: Any) -> Any:
    """Nested lists with the number in place of each Tensor, which must have one element."""
    if isinstance(data, TensorBase):
        if data._data.size != 1:
            raise ValueError(
                f"{name}: a Tensor of shape {data._data.shape} in a list is no number: only one of one element is; "
                "minigrad.stack puts tensors together, and keeps their gradients"
            )
        if is_batched(data):
            raise RuntimeError(
                f"vmap: {name} needs numbers, and inside vmap that of a Tensor in a list differs from sample to sample; use minigrad.stack"
            )
        return data._data.reshape(())[()]
    if isinstance(data, Shell):
        return data.item()
    if not isinstance(data, (list, tuple)) or _PYTHON.issuperset(map(builtins.type, data)):
        return data
    return [_plain(name, x) for x in data]


def _several(name: str, array: np.ndarray) -> RuntimeError:
    """The error of ``name``, which takes one number, for an array of another size."""
    return RuntimeError(f"{name}: a tensor of shape {array.shape} has {array.size} elements, not one")


def _holds_float64(data: Any) -> bool:
    """Whether a float64 array or scalar, of numpy or another library, is among nested numbers, and not only Python floats."""
    if isinstance(data, (list, tuple)):
        return not _PYTHON.issuperset(map(builtins.type, data)) and any(map(_holds_float64, data))
    return str(getattr(data, "dtype", "")).endswith(("float64", "complex128"))


def _refuse_overflow(name: str, numbers: np.ndarray, dtype: np.dtype) -> None:
    """Raise ``RuntimeError`` for numbers that an integer ``dtype`` cannot hold. As in PyTorch a negative integer wraps round in an unsigned one."""
    range_ = np.iinfo(dtype)
    low = -range_.max if dtype.kind == "u" and numbers.dtype.kind != "f" else range_.min
    fits = (low - 1 < numbers) & (numbers < range_.max + 1)
    if not fits.all():
        wrong = numbers[~fits].flat[0]
        raise RuntimeError(f"{name}: {wrong} cannot be {dtype}, which holds whole numbers from {range_.min} to {range_.max}")


def made(array: Any) -> Any:
    """A Tensor over ``array``; a complex pair, if it is one of complex numbers."""
    return complex_pair.of_numbers(array) if array.dtype.kind == "c" else wrap(array)


def tensor(data: Any, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor that holds a copy of ``data``: ``torch.tensor``.

    Args:
        data: numbers, nested lists, arrays or Tensors. Python floats become float32, arrays keep their dtype. A Tensor in a list stands for its
            one element.
        dtype: convert to this dtype.
        device: only ``None`` or ``"cpu"``.
        requires_grad: whether ops of this Tensor record a graph.

    Complex numbers become a :class:`~minigrad.ops.complex_pair.ComplexPair`.
    Raises ``TypeError`` for what is no number, ``ValueError`` for lists of different lengths or a Tensor of several elements in one,
    ``RuntimeError`` for a number out of the range of an integer ``dtype``. (Arrays and Tensors are converted as numpy does it.)

    >>> import minigrad as mg
    >>> mg.tensor([[1.0, 2.5], [3.0, 4.0]])
    tensor([[1.0000, 2.5000],
            [3.0000, 4.0000]])
    >>> mg.tensor([1, 2]).dtype
    torch.int64
    """
    check_device(device)
    return made(to_array(data, dtype, copy=True, complex_too=True)).requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: DType = None, device: Any = None) -> Tensor:
    """``data`` as a Tensor: ``torch.as_tensor``. A Tensor is returned unchanged; an array shares its memory, as with :func:`from_numpy`."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype=dtype)
    array = to_array(data, dtype, name="as_tensor", complex_too=True)
    return over(array) if array is data and array.dtype.kind != "c" else made(array)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the memory of ``array``: ``torch.from_numpy``. What is written to one is seen by the other.

    Tensors that were computed from it, views of it among them, keep their values when it is written, and gradients stay right. (What is
    written to the *array* is seen by them all, as nobody hears of it.) A read-only array is shared until the Tensor is written.
    Raises ``TypeError`` for anything but an array of numbers.

    >>> import numpy as np, minigrad as mg
    >>> a = np.zeros(2)
    >>> x = mg.from_numpy(a)
    >>> x[0] = 7
    >>> a[1] = 8
    >>> a, x
    (array([7., 8.]), tensor([7., 8.], dtype=torch.float64))
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: array must be an ndarray, but is {shown(array)}")
    array = to_array(array, name="from_numpy", complex_too=True)
    return made(array) if array.dtype.kind == "c" else over(array)


def from_dlpack(data: Any) -> Tensor:
    """A Tensor over the memory of another library's array, through the DLPack protocol: ``torch.from_dlpack``. Shares as :func:`from_numpy`.

    numpy before 2.2.5 calls all such memory read-only; there a write to the Tensor gives it memory of its own, as with any read-only array.
    """
    if not hasattr(data, "__dlpack__"):
        raise TypeError(f"from_dlpack: data must have __dlpack__, as arrays of other libraries have, but is {shown(data)}")
    return over(to_array(np.from_dlpack(data), name="from_dlpack"))


def new_shape(name: str, sizes: tuple, size: Any) -> tuple[int, ...]:
    """The shape (2, 3) from the arguments of ``zeros(2, 3)``, ``zeros((2, 3))`` or ``zeros(size=(2, 3))``."""
    given = either(name, "size", sizes, size)
    try:
        shape = shaping.sizes_of(given)
    except TypeError:
        raise TypeError(f"{name}: size must be whole numbers, but is {given!r}") from None
    if any(n < 0 for n in shape):
        raise engine.ShapeError(f"{name}: a size cannot be negative: {shape}")
    return shape


def filled(name: str, shape: tuple[int, ...], value: Any, dtype: Any) -> np.ndarray:
    """An array full of the number or 0-d Tensor ``value``; without ``dtype``, of bool, int64 or the default floating dtype, or a Tensor's own."""
    value = unwrapped(value)
    if dtype is None and isinstance(value, np.generic):
        value = value.item()
    return np.full(shape, to_array(value, dtype, name=name, complex_too=True))


# ------------------------------------------------------------------------------------------------ the class


def _swapped(op: Callable[[Operand, Operand], Tensor]) -> Callable[[Tensor, Operand], Tensor]:
    """The reflected operator of ``op``: ``other - self``."""

    def reflected(self: Tensor, other: Operand) -> Tensor:
        return op(other, self)

    return reflected


def _augmented(op: Callable[[Operand, Operand], Tensor], name: str) -> Callable[[Self, Operand], Self]:
    """The method for ``x += y`` and similar operators: ``x`` gets the value of ``op(x, y)``."""

    def assign(self: Self, other: Operand) -> Self:
        if self._data.base is not None:
            if sys.getrefcount(self) > IN_PLACE_TEMPORARY:
                self._refuse_lost_write(name)
            else:
                self._part_from_source()  # x[i] += y, where x[i] = ... follows
        return self._assign(op(self, other), name)

    return assign


def _equality(op: Callable[[Operand, Operand], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """``==`` or ``!=``. With what is no number, array or list Python compares identities, as for any other object."""

    def compare(self: Tensor, other: Any) -> Tensor:
        return op(self, other) if hasattr(other, "dtype") or isinstance(other, (bool, int, float, list, tuple)) else NotImplemented

    return compare


def _in_place(op: Callable[Concatenate[Any, P], Any], name: str) -> Callable[Concatenate[Self, P], Self]:
    """The method ``x.add_(y)``, or a similar one, for ``op``."""

    def method(self: Self, *args: P.args, **kwargs: P.kwargs) -> Self:
        self._refuse_lost_write(name)
        return self._assign(op(self, *args, **kwargs), name)

    method.__name__ = method.__qualname__ = name
    method.__code__ = method.__code__.replace(co_name=name, co_qualname=name)  # what a traceback says, and a picture
    method.__doc__ = f"Give this Tensor the value of ``{name[:-1]}(self, ...)``; see :meth:`Tensor._assign`."
    method.__wrapped__ = op  # type: ignore[attr-defined]  # how it is called, for help() and inspect.signature
    method.__annotations__ = getattr(op, "__annotations__", {})  # of its parameters, for typing.get_type_hints
    return method


def _polygamma(input: Tensor, n: int) -> Tensor:
    """:func:`minigrad.polygamma`, whose first argument is the order."""
    return special.polygamma(n, input)


_relu: Callable[[Tensor], Tensor] = getattr(activation.relu, "op").function  # noqa: B009  # without `inplace`, which only the function has


class _TensorType(type):
    """Complex numbers over a Tensor are an instance of Tensor, those over a Parameter of Parameter: what is asked for is the class inside."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return type.__instancecheck__(cls, inside(instance))

    def __dir__(cls) -> list[str]:
        return [name for name in type.__dir__(cls) if not absent.is_missing(cls, name)]  # for completion and help()


@register_tensor
class Tensor(TensorBase, metaclass=_TensorType):
    """An array with reverse-mode autodiff: ``torch.Tensor``. Made by :func:`minigrad.tensor` and by ops.

    Called as a class it does what PyTorch's old constructor does: ``Tensor(2, 3)`` and ``Tensor(x.shape)`` have these sizes and arbitrary values,
    ``Tensor([1, 2])`` and ``Tensor((1, 2))`` hold a copy of the data in the default dtype (float32), as long as no ``dtype`` is given; a Tensor keeps
    its own. :func:`minigrad.tensor` says what is meant.

    >>> import minigrad as mg
    >>> mg.Tensor(2, 3).shape, mg.Tensor(mg.ones(2, 3).shape).shape, mg.Tensor([1, 2])
    (torch.Size([2, 3]), torch.Size([2, 3]), tensor([1., 2.]))

    Attributes: ``grad`` (a Tensor, or None), ``requires_grad``, ``is_leaf``, ``grad_fn``, ``shape``, ``dtype``; and what you set, ``x.name = "x"``,
    as in PyTorch: copies and pickles of the Tensor have it too, results of ops have not. So a misspelt ``x.requires_gard = True`` is no error.
    """

    __slots__ = ("__dict__",)  # 32 bytes and 10 ns for each Tensor; a __setattr__ that finds what is misspelt would make each op slower
    __array_ufunc__ = None  # ndarray * Tensor calls Tensor.__rmul__; np.exp(tensor) raises instead of detaching
    _waiting: tuple[list[Any] | None, list[Any] | None] | None = None  # hooks of a leaf that was frozen, until it requires a gradient again

    def __new__(cls, *data: Any, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        check_device(device)
        self = object.__new__(cls)
        (first,) = data if len(data) == 1 else (None,)
        if isinstance(first, Sequence) and not isinstance(first, (str, Shape)):  # any other tuple is data
            first = list(first)
        if isinstance(first, (TensorBase, list)) or (isinstance(first, np.ndarray) and first.ndim):
            dtype = get_default_dtype() if dtype is None and not isinstance(first, TensorBase) else dtype
            self._data = to_array(first, dtype, copy=True)
        elif type(first) is Shape or all(hasattr(n, "__index__") and not isinstance(n, builtins.bool) for n in data):
            self._data = np.empty(
                new_shape("Tensor", data or (0,), None), get_default_dtype() if dtype is None else dtype_of("Tensor", dtype)
            )
        else:
            shown = ", ".join([f"{x!r:.40}" for x in data])
            raise TypeError(f"Tensor: sizes, or one list, array or Tensor are needed, not {shown}; minigrad.tensor({shown}) takes a number")
        self._node = self._grad = None
        return self.requires_grad_(requires_grad)

    # ------------------------------------------------------------------------------------ what it is

    @property
    def shape(self) -> Shape:
        """Sizes of the dimensions."""
        return Shape(self._data.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """``mg.float32`` or another :class:`minigrad.dtype`; it equals numpy's too."""
        return OF_NUMPY[self._data.dtype]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    layout = STRIDED
    is_cuda = is_mps = is_xpu = is_meta = is_sparse = is_quantized = is_mkldnn = is_nested = False
    is_cpu = True

    def get_device(self) -> int:
        """-1, as for every tensor on a CPU."""
        return -1

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        """Raises ``DeviceError``: there is no device but the CPU. (A script asks ``cuda.is_available()`` first.)"""
        return no_device()

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.nbytes

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @overload
    def size(self, dim: None = None) -> Shape: ...
    @overload
    def size(self, dim: int) -> int: ...
    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return Shape(self._data.shape) if dim is None else self._data.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return self._data.size

    nelement = numel

    @overload
    def stride(self, dim: None = None) -> tuple[int, ...]: ...
    @overload
    def stride(self, dim: int) -> int: ...
    def stride(self, dim: int | None = None) -> Any:
        """The stride of each dimension, in elements."""
        steps = tuple(s // self._data.itemsize for s in self._data.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements are in row-major order in memory, without gaps; ``memory_format`` has no effect."""
        return self._data.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._data.dtype.kind == "f"

    def is_complex(self) -> bool:
        """False; a :class:`~minigrad.ops.complex_pair.ComplexPair` says True."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self._data.dtype.kind in "fi"

    def is_nonzero(self) -> bool:
        """Whether the only element is not 0. Raises ``RuntimeError`` if there are several."""
        return bool(self)

    def is_same_size(self, other: Tensor) -> bool:
        """Whether ``other`` has the same shape."""
        return self.shape == other.shape

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._data.ctypes.data

    # --------------------------------------------------------------------------- gradient and graph

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients that ``backward()`` has computed; None before the first call.

        Setting it raises ``TypeError`` unless the value is a Tensor or None, ``ShapeError`` if the shape differs, ``RuntimeError``
        if the dtype differs.
        """
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, TensorBase):
                raise TypeError(f"grad: a Tensor or None is needed, not {type(value).__name__}")
            if value._data.shape != self._data.shape:
                raise engine.ShapeError(f"grad: a gradient of shape {value._data.shape} for a tensor of shape {self._data.shape}")
            if value._data.dtype != self._data.dtype:
                raise RuntimeError(f"grad: a gradient of dtype {value._data.dtype} for a tensor of dtype {self._data.dtype}")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def requires_grad(self) -> bool:
        """Whether ops of this Tensor record a graph."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self: Self, requires_grad: builtins.bool = True) -> Self:
        """Start or stop recording the ops of this leaf, and return it. Raises ``RuntimeError`` for integers and non-leaves."""
        if requires_grad:
            if self._data.dtype.kind != "f":
                raise RuntimeError(f"only floating tensors can require a gradient, and this one is {self._data.dtype}")
            if self._node is None:
                self._node = leaf = Leaf(self)
                if self._waiting is not None:
                    leaf.hooks, leaf.after = self.__dict__.pop("_waiting")
        elif self._node is not None:
            if not self.is_leaf:
                raise RuntimeError("requires_grad can be turned off for leaves only; use x.detach() to cut the graph here")
            frozen: Any = self._node
            if frozen.hooks or frozen.after:
                self._waiting = frozen.hooks, frozen.after
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this Tensor is not the recorded result of an op."""
        return self._node is None or self._node.plan is None

    @property
    def grad_fn(self) -> Node | None:
        """The graph node of the op that computed this Tensor; None for a leaf."""
        return None if self._node is None or self._node.plan is None else self._node.titled()

    @property
    def _base(self) -> Tensor | None:
        """The Tensor that this is a view of, as PyTorch has it: the first one of a row of views. None of a Tensor of its own.

        >>> import minigrad as mg
        >>> x = mg.zeros(2, 3)
        >>> x[0][1:]._base is x, x._base, x.detach()._base
        (True, None, None)
        """
        found: Any = reached(self, None)
        return None if not found or any(cut for _, cut in found) else found[-1][0]

    def _is_view(self) -> builtins.bool:
        """Whether :attr:`_base` is a Tensor."""
        return self._base is not None

    def backward(
        self,
        gradient: Operand | None = None,
        retain_graph: builtins.bool | None = None,
        create_graph: builtins.bool = False,
        inputs: Tensor | Iterable[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this Tensor to the ``.grad`` of every leaf that it was computed from: ``torch.Tensor.backward``.

        Args:
            gradient: an array of this Tensor's shape; the default is 1, for a scalar only.
            retain_graph: keep the graph for another backward pass (default: ``create_graph``).
            create_graph: record the backward pass, for higher derivatives.
            inputs: add gradients to these Tensors only.

        >>> import minigrad as mg
        >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> w.grad
        tensor([2., 4.])
        """
        engine.backward(self, None if gradient is None else (gradient,), retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` whenever the gradient of this Tensor has been computed. A value that it returns replaces the gradient.

        >>> import minigrad as mg
        >>> x = mg.tensor([1.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10.])
        >>> handle.remove()
        """
        if self._node is None:
            raise RuntimeError("register_hook: this tensor does not require a gradient")
        if self._node.hooks is None:
            self._node.hooks = []
        return RemovableHandle(self._node.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``hook(leaf)`` whenever ``backward()`` has added to the ``.grad`` of this leaf. Raises ``RuntimeError`` for any other Tensor.

        >>> import minigrad as mg
        >>> x = mg.tensor([1.0], requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
        >>> (x * 3).sum().backward()
        tensor([3.])
        """
        if not isinstance(self._node, Leaf):
            raise RuntimeError("register_post_accumulate_grad_hook: only leaves that require a gradient have a .grad that is added to")
        if self._node.after is None:
            self._node.after = []
        return RemovableHandle(self._node.after, hook)

    def retain_grad(self) -> None:
        """Make ``backward()`` also set ``.grad`` of this intermediate Tensor. For a leaf it always does."""
        if self._node is None:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        if self.is_leaf or self.retains_grad:
            return
        hook = _RetainGrad(self)
        if self._node.hooks is None:
            self._node.hooks = []
        self._node.hooks.append(hook)

    @property
    def retains_grad(self) -> bool:
        """Whether :meth:`retain_grad` was called."""
        return self._node is not None and any(isinstance(h, _RetainGrad) and h.tensor() is self for h in self._node.hooks or ())

    def detach(self) -> Tensor:
        """The same value (and memory) without a graph."""
        y = wrap(self._data.view())
        y._source = self._link(detached=True)
        return y

    def detach_(self: Self) -> Self:
        """Remove this Tensor from its graph, in place, and return it."""
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """The value of this Tensor outside the graph: a write into ``p.data`` changes ``p`` itself, and is never recorded.

        Gradients of earlier results stay correct, because arrays that a graph keeps do not change.

        >>> import minigrad as mg
        >>> p = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> p.data.mul_(10)
        tensor([10., 20.])
        >>> p.data[0] = 5
        >>> p
        tensor([ 5., 20.], requires_grad=True)
        """
        return _Data(self)

    @data.setter
    def data(self, value: Any) -> None:
        array = to_array(value)
        refuse_write("data", self._data, array)
        if array is not self._data:
            self._part_from_source()
            old, back = None, value._owner if type(value) is _Data else None
            for place in [r for r in weakref.getweakrefs(self) if type(r) is _Place]:
                if place.owner is self:  # what x.data returned before keeps the memory that x leaves
                    old = wrap(self._data) if old is None else old
                    place.owner = old
                elif place.owner is back:  # and is x.data again when x gets that memory back
                    place.owner = self
        self._set_data(array)

    def set_(self: Self, source: Tensor) -> Self:
        """Give this Tensor the value of ``source``, of any shape, outside the graph: ``torch.Tensor.set_`` of a Tensor. As ``x.data = source``.

        Raises ``RuntimeError`` for another dtype, and for a leaf that requires a gradient while the graph is recorded.

        >>> import minigrad as mg
        >>> mg.zeros(2).set_(mg.ones(3))
        tensor([1., 1., 1.])
        """
        self._refuse_leaf("set_")
        if not isinstance(source, TensorBase):
            raise TypeError(f"set_: source must be a Tensor, as there are no storages, but is {shown(source)}")
        if source._data.dtype != self._data.dtype:
            raise RuntimeError(
                f"set_: a source of {source._data.dtype} for a tensor of {self._data.dtype}; convert it, as in source.to(x.dtype)"
            )
        self.data = source
        return self

    def _set_data(self, array: np.ndarray) -> None:
        """Give this Tensor the array, of any shape and dtype, outside the graph."""
        if self._node is not None and (array.shape, array.dtype) != (self._node.shape, self._node.dtype):
            if self._node.plan is not None:
                raise engine.ShapeError(f"data: {array.dtype}{array.shape} for a result of shape {self._node.shape}; detach it first")
            if array.dtype.kind != "f":
                raise RuntimeError(f"data: a tensor that requires a gradient cannot become {array.dtype}")
            before: Any = self._node
            self._data, self._grad = array, None
            self._node = leaf = Leaf(self)
            leaf.hooks, leaf.after = before.hooks, before.after
        self._data = array

    # ------------------------------------------------------------------------------- writing a value

    def _assign(self: Self, value: Any, name: str, check: bool = True) -> Self:
        """Give this Tensor object the array and the graph node of ``value``.

        The new value has its own memory, so no other tensor and no array that a graph keeps changes: gradients stay correct
        whatever is written later. As in PyTorch, shape and dtype do not change, and a leaf that requires a gradient can be
        written under ``no_grad`` only.
        """
        self._refuse_leaf(name)
        if isinstance(value, Shell):
            raise RuntimeError(
                f"{name}: complex numbers cannot be written into a real tensor, of {self._data.dtype}; take their real parts"
            )
        if value.shape != self._data.shape:
            raise engine.ShapeError(f"{name}: a result of shape {tuple(value.shape)} does not fit a tensor of shape {self._data.shape}")
        if value.dtype != self._data.dtype:
            if _KINDS[value.dtype.kind] > _KINDS[self._data.dtype.kind]:
                raise RuntimeError(f"{name}: a result of {value.dtype.name} cannot be written into a tensor of {self._data.dtype}")
            value = cast(value, dtype=self._data.dtype)
        array = value._data if isinstance(value, TensorBase) else np.asarray(value)
        refuse_write(name, self._data, array)
        if self._data.base is not None and (found := reached(self, name)):
            self._write_through(found, value, array)
        else:
            self._replace(array)
        if isinstance(value, TensorBase) and is_grad_enabled():
            self._node = value._node
        return self

    def _write_through(self, found: list[tuple[Any, builtins.bool]], value: Any, array: Any) -> None:
        """Give this view the numbers of ``array``, and so the Tensors ``found`` that it is a view of; those get the graph of ``value`` too.

        (See :mod:`minigrad.views`.)
        """
        recorded = is_grad_enabled() and self._data.dtype.kind == "f" and isinstance(value, TensorBase)
        if recorded and (value._node is not None or self._node is not None):
            for source, cut in found:
                if not cut:
                    source._node = gathering.put(source, places(source._data, self._data), value)._node
        own_memory(self, found)
        self._data[...] = array

    def _reshaped(self: Self, value: Tensor, name: str) -> Self:
        """Give this Tensor the shape, and the graph, of ``value``, a view of it."""
        self._refuse_leaf(name)
        if self._node is not None and not is_grad_enabled():
            self.data = value
        else:
            self._data, self._node = value._data, value._node
        return self

    def squeeze_(self: Self, dim: Dims = None) -> Self:
        """:meth:`squeeze` this Tensor itself."""
        return self._reshaped(shaping.squeeze(self, dim), "squeeze_")

    def unsqueeze_(self: Self, dim: int) -> Self:
        """:meth:`unsqueeze` this Tensor itself."""
        return self._reshaped(shaping.unsqueeze(self, dim), "unsqueeze_")

    def transpose_(self: Self, dim0: int, dim1: int) -> Self:
        """:meth:`transpose` this Tensor itself."""
        return self._reshaped(shaping.transpose(self, dim0, dim1), "transpose_")

    swapaxes_ = swapdims_ = transpose_

    def t_(self: Self) -> Self:
        """:meth:`t` of this Tensor itself."""
        return self._reshaped(shaping.t(self), "t_")

    def _replace(self, array: np.ndarray) -> None:
        """Give this Tensor the value ``array``, of its shape and dtype: that array, or, where its memory stays in use, its numbers."""
        if self._data.base is not None and ((found := reached(self, None)) or self._borrows()):
            own_memory(self, found)
            self._data[...] = array
        else:
            leave_memory(self)
            self._data = array

    def _borrows(self) -> bool:
        return borrows(self)

    def _refuse_leaf(self, name: str) -> None:
        if self._node is not None and self._node.plan is None and is_grad_enabled():
            raise RuntimeError(
                f"{name}: a leaf that requires a gradient cannot be written while the graph is recorded. "
                "Write it under `with mg.no_grad():`, or work on x.clone()"
            )

    def _refuse_lost_write(self, name: str) -> None:
        """Raise ``RuntimeError`` if this is a view of another Tensor in use, which a write to the view could not change; see :func:`reached`."""
        if self._data.base is not None:
            reached(self, name)

    def _part_from_source(self) -> None:
        """Be a Tensor of its own, and no view, from now on."""
        self._source = None

    def _writable(self) -> bool:
        """Whether nothing else refers to this Tensor's memory, so that it may be written in place."""
        return writable(self)

    def __getitem__(self, key: Any) -> Tensor:
        return index.getitem(self, index=(key, Ellipsis)) if type(key) is builtins.int else index.subscript(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._store(key, value, "x[i] = value")

    def _store(self, key: Any, value: Any, name: str, whole: builtins.bool = False) -> None:
        """Do ``x[key] = value``; ``name`` is the operation in error messages, ``whole`` whether it leaves, and has read, nothing of ``x``."""
        self._refuse_leaf(name)
        if isinstance(value, Shell):
            raise TypeError(f"{name}: complex numbers cannot be written into a real tensor, of {self._data.dtype}; take their real parts")
        recorded = is_grad_enabled() and (self._node is not None or (isinstance(value, TensorBase) and value._node is not None))
        recorded = recorded and self._data.dtype.kind == "f"
        if not isinstance(value, TensorBase):
            if builtins.type(value) is not builtins.float or self._data.dtype.kind != "f":
                value = to_array(value, None if isinstance(value, np.ndarray) else self._data.dtype, name=name)
        elif not recorded:
            value = value._data
        found = []
        if self._data.base is not None:
            if whole and engine.shape_of(value) not in ((), self._data.shape):
                index.store(self._data, key, unwrapped(value))  # a failed write changes nothing
            found = reached(self, name, whole)
        if found and recorded:
            written = index.store(self, key, value)
            self._write_through(found, written, written._data)
            self._node = written._node
            return
        overwrite = bool(found) or (self._data.base is not None and self._borrows())
        if overwrite:
            own_memory(self, found)
        elif not (overwrite := self._writable()):
            leave_memory(self)
        written = index.store(self if recorded else self._data, key, value, overwrite)
        if found:
            return
        array = written._data if recorded else written
        refuse_write(name, self._data, array)
        self._data = array
        if recorded:
            self._node = written._node

    # -------------------------------------------------------------------------------- leaving minigrad

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself, not a copy. Raises ``RuntimeError`` if the Tensor requires a gradient, unless ``force`` or under ``no_grad``."""
        if self._node is not None and not force and is_grad_enabled():
            raise RuntimeError("numpy(): this tensor requires a gradient, which numpy would lose. Use x.detach().numpy()")
        base: Any = self._data.base
        return base.array if type(base) is Lender else np.asarray(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a tensor of {array.dtype} cannot become {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._node is not None:
            raise BufferError("__dlpack__: this tensor requires a gradient; export x.detach()")
        return self._data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    def item(self) -> builtins.float | builtins.int | builtins.bool:
        """The only element as a Python number. Raises ``RuntimeError`` if there are several."""
        if self._data.size != 1:
            raise _several("item", self._data)
        return self._data.item()

    def tolist(self) -> Any:
        """Nested Python lists of numbers."""
        return self._data.tolist()

    def __float__(self) -> float:
        if self._data.size != 1:
            raise _several("float", self._data)
        return float(self._data.item())

    def __int__(self) -> int:
        if self._data.size != 1:
            raise _several("int", self._data)
        return int(self._data.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(f"only an integer tensor with one element can be an index, not {self._data.dtype}{self._data.shape}")
        return int(self._data.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise RuntimeError(f"the truth value of a tensor of shape {self._data.shape} is ambiguous; use x.any() or x.all()")
        return bool(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return self._rows()

    def _rows(self) -> Iterator[Tensor]:
        rows: Any = shaping.unbind(self)  # one op for all rows: with an op per row, each gradient would be as large as x
        data: Any = self._data
        for i in range(len(data)):
            if data is not None and self._data is not data:
                rows = data = None  # x was written meanwhile
            yield self[i] if rows is None else rows[i]

    def __contains__(self, value: Any) -> bool:
        return bool((self._data == (unwrapped(value))).any())

    def __hash__(self) -> int:
        return id(self)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not absent.is_missing(type(self), name)]

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._data.ndim == 0 else object.__format__(self, spec)

    def __repr__(self) -> str:
        return text_of(self, self.is_leaf)

    def __copy__(self) -> Tensor:
        new = type(self)._rebuild(self._data, self.requires_grad, None) if self.is_leaf else wrap(self._data, self._node)
        new.__dict__.update(self._attributes())
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        from copy import deepcopy  # not every program needs it

        if id(self) in memo:
            return memo[id(self)]
        raise_if_not_leaf(self, "deepcopy")
        grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        memo[id(self)] = new = type(self)._rebuild(self._data.copy(), self.requires_grad, grad)
        new.__dict__.update(deepcopy(self._attributes(), memo))
        return new

    def __reduce__(self) -> tuple:
        raise_if_not_leaf(self, "pickle")
        return type(self)._unpickle, (self._data, self.requires_grad, self.grad), self._attributes() or None

    def _attributes(self) -> dict[str, Any]:
        """What the user set; copies have no hooks, also not those that wait."""
        return {name: value for name, value in self.__dict__.items() if name != "_waiting"}

    @classmethod
    def _unpickle(cls, array: np.ndarray, requires_grad: bool, grad: Any) -> Tensor:
        own = array.astype(np.dtype(array.dtype.char))  # not the pickle's buffer, nor its copy of the dtype
        return cls._rebuild(own, requires_grad, grad)

    @classmethod
    def _rebuild(cls, array: np.ndarray, requires_grad: bool, grad: Any) -> Tensor:
        new = object.__new__(cls)
        new._data, new._node, new._grad = array, None, grad
        return new.requires_grad_(requires_grad)

    # ----------------------------------------------------------------------------- dtypes and copies

    def clone(self, memory_format: Any = None) -> Tensor:
        """A copy with its own memory; gradients flow through it. ``memory_format`` has no effect: the copy is in row-major order."""
        return elementwise.clone(self)

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """This Tensor, or a row-major copy if it is not contiguous; ``memory_format`` has no effect."""
        return self if self._data.flags.c_contiguous else elementwise.clone(self)

    def to(
        self,
        *args: Any,
        dtype: DType = None,
        device: Any = None,
        other: Tensor | None = None,
        non_blocking: builtins.bool = False,
        copy: builtins.bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """This Tensor in another dtype: ``torch.Tensor.to``. If nothing changes, the Tensor itself, unless ``copy`` is set.

        Args:
            args: a dtype, a device, or a Tensor whose dtype is used; then ``non_blocking`` and ``copy``, as in PyTorch.
            dtype: the new dtype.
            device: only the CPU.
            other: a Tensor whose dtype is used.
            non_blocking: has no effect on a CPU.
            copy: always return a new Tensor.
            memory_format: has no effect: the elements of a Tensor are in row-major order.
        """
        flags = [a for a in args if isinstance(a, builtins.bool)]
        if len(flags) > 2:
            raise TypeError(f"to: at most non_blocking and copy come by position, not {flags}")
        copy = flags[1] if len(flags) == 2 else copy
        for a in args:
            if isinstance(a, TensorBase):
                dtype = a._data.dtype
            elif isinstance(a, str) and a not in DTYPES:
                device = a
            elif a is not None and not isinstance(a, builtins.bool):
                dtype = a
        check_device(device)
        dtype = other._data.dtype if other is not None else self._data.dtype if dtype is None else dtype_of("to", dtype, True)
        if dtype.kind == "c":
            return complex_pair.as_pair("to", cast(self, OF_NUMPY[dtype].to_real().dtype))  # type: ignore[return-value]
        if self._data.dtype != dtype:
            return cast(self, dtype)
        return elementwise.clone(self) if copy else self

    @overload
    def type(self, dtype: None = None) -> str: ...
    @overload
    def type(self, dtype: Any) -> Tensor: ...
    def type(self, dtype: Any = None) -> Any:
        """This Tensor in another dtype, which may be called ``"torch.FloatTensor"`` too; without one, that name of its own."""
        if dtype is None:
            return TYPE_NAMES.get(self.dtype, f"torch.Tensor of {self._data.dtype}")
        return self.to(dtype=next((d for d, name in TYPE_NAMES.items() if name == dtype), dtype))

    def type_as(self, other: Tensor) -> Tensor:
        """This Tensor in the dtype of ``other``."""
        return self.to(dtype=other.dtype)

    def half(self) -> Tensor:
        """float16"""
        return self.to(dtype=np.float16)

    def float(self) -> Tensor:
        """float32"""
        return self.to(dtype=np.float32)

    def double(self) -> Tensor:
        """float64"""
        return self.to(dtype=np.float64)

    def int(self) -> Tensor:
        """int32"""
        return self.to(dtype=np.int32)

    def short(self) -> Tensor:
        """int16"""
        return self.to(dtype=np.int16)

    def byte(self) -> Tensor:
        """uint8"""
        return self.to(dtype=np.uint8)

    def char(self) -> Tensor:
        """int8"""
        return self.to(dtype=np.int8)

    def long(self) -> Tensor:
        """int64"""
        return self.to(dtype=np.int64)

    def bool(self) -> Tensor:
        """A bool Tensor: True for elements that are not zero."""
        return self.to(dtype=np.bool_)

    def cfloat(self) -> Any:
        """These real numbers as a :class:`~minigrad.ops.complex_pair.ComplexPair`, complex64."""
        return self.to(dtype=np.complex64)

    def cdouble(self) -> Any:
        """These real numbers as a :class:`~minigrad.ops.complex_pair.ComplexPair`, complex128."""
        return self.to(dtype=np.complex128)

    @property
    def real(self) -> Tensor:
        """This Tensor, which is real."""
        return self

    conj = complex_pair.conj
    conj_physical = complex_pair.conj
    isreal = complex_pair.isreal

    def resolve_conj(self) -> Tensor:
        """This Tensor, which is real."""
        return self

    def is_conj(self) -> builtins.bool:
        """False."""
        return False

    def is_inference(self) -> builtins.bool:
        """False: here a result made under ``inference_mode`` may be used in a graph, as one made under ``no_grad``."""
        return False

    resolve_neg, is_neg, conj_physical_ = resolve_conj, is_conj, resolve_conj
    angle = complex_pair.angle

    def cpu(self) -> Tensor:
        """This Tensor."""
        return self

    pin_memory = share_memory_ = cpu  # memory is what it is

    # ------------------------------------------------------------------------------ in-place methods

    def zero_(self: Self) -> Self:
        """Set every element to 0."""
        return self._fill(0, "zero_")

    def fill_(self: Self, value: Any) -> Self:
        """Set every element to ``value``."""
        if np.ndim(getattr(value, "_data", value)):
            raise RuntimeError(f"fill_: a number or a 0-d tensor is needed, not shape {engine.shape_of(value)}; copy_ takes more")
        return self._fill(value, "fill_")

    def copy_(self: Self, other: Any, non_blocking: builtins.bool = False) -> Self:
        """Copy the values of ``other``, broadcast and converted to this Tensor's shape and dtype. ``non_blocking`` has no effect on a CPU.

        Raises ``ShapeError`` if ``other`` does not broadcast to this Tensor's shape.
        """
        try:
            return self._fill(other, "copy_")
        except engine.ShapeError:
            raise engine.ShapeError(f"copy_: a value of shape {engine.shape_of(other)} does not broadcast to {tuple(self.shape)}") from None

    def _fill(self: Self, value: Any, name: str) -> Self:
        before = self._node
        self._store(..., lifted(value), name, whole=True)  # random numbers may differ from sample to sample
        if self._node is not before and name in _TITLES_OF_FILLS:
            engine.entitled(self, _TITLES_OF_FILLS[name])
        return self

    def _fill_drawn(self: Self, name: str, law: Any, generator: Generator | None) -> Self:
        """Fill with real numbers that ``law(random, shape)`` draws."""
        if self.dtype.kind != "f":
            raise RuntimeError(
                f"{name}: the samples are real numbers, and the tensor is {self.dtype.name}; convert it first, as in x.float()"
            )
        return self._fill(drawn(law, self._data.shape, generator), name)

    def uniform_(self: Self, low: Any = 0.0, to: Any = 1.0, generator: Generator | None = None) -> Self:
        """Fill with samples from the uniform distribution on [low, to). Raises ``ValueError`` for ``low`` above ``to``.

        PyTorch calls ``low`` "from", which Python takes only by position.
        """
        if low > to:
            raise ValueError(f"uniform_: low must not be above to, but {low!r} > {to!r}")
        return self._fill_drawn("uniform_", lambda random, shape: random.uniform(low, to, shape), generator)

    def normal_(self: Self, mean: Any = 0.0, std: Any = 1.0, generator: Generator | None = None) -> Self:
        """Fill with samples from the normal distribution. Raises ``ValueError`` for a negative ``std``."""
        number("normal_", "std", std, "0 or above")
        return self._fill_drawn("normal_", lambda random, shape: random.normal(mean, std, shape), generator)

    def exponential_(self: Self, lambd: Any = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with samples from the exponential distribution of rate ``lambd``, above 0."""
        number("exponential_", "lambd", lambd, "above 0")
        return self._fill_drawn("exponential_", lambda random, shape: random.standard_exponential(shape) / lambd, generator)

    def log_normal_(self: Self, mean: Any = 1.0, std: Any = 2.0, *, generator: Generator | None = None) -> Self:
        """Fill with samples whose logarithm has this ``mean`` and ``std``, above 0."""
        number("log_normal_", "std", std, "above 0")
        return self._fill_drawn("log_normal_", lambda random, shape: random.lognormal(mean, std, shape), generator)

    def cauchy_(self: Self, median: Any = 0.0, sigma: Any = 1.0, *, generator: Generator | None = None) -> Self:
        """Fill with samples from the Cauchy distribution of scale ``sigma``, above 0."""
        number("cauchy_", "sigma", sigma, "above 0")
        return self._fill_drawn("cauchy_", lambda random, shape: median + sigma * random.standard_cauchy(shape), generator)

    def geometric_(self: Self, p: Any, *, generator: Generator | None = None) -> Self:
        """Fill with the number of trials until one succeeds, each with probability ``p``, in (0, 1)."""
        if not 0 < number("geometric_", "p", p) < 1:
            raise ValueError(f"geometric_: p must be between 0 and 1, but is {p!r}")
        return self._fill(drawn(lambda random, shape: random.geometric(p, shape), self._data.shape, generator), "geometric_")

    def random_(self: Self, low: Any = None, to: Any = None, *, generator: Generator | None = None) -> Self:
        """Fill with whole numbers from ``low`` to ``to`` - 1, ``x.random_(to)`` from 0; without both, to what the dtype holds exactly.

        Raises ``ValueError`` if there is no number in that range.
        """
        low, high = (0, low) if to is None else (low or 0, to)
        if high is None:
            dtype = self._data.dtype
            high = 2 ** (np.finfo(dtype).nmant + 1) + 1 if dtype.kind == "f" else 2 if dtype.kind == "b" else int(np.iinfo(dtype).max) + 1
        if low >= high:
            raise ValueError(f"random_: low must be below to, but {low} >= {high}")
        dtype, wide = self._data.dtype, np.uint64 if high > 2**63 else np.int64
        return self._fill(
            drawn(lambda random, shape: random.integers(low, high, shape, wide).astype(dtype), self._data.shape, generator), "random_"
        )

    def fill_diagonal_(self: Self, fill_value: Any, wrap: builtins.bool = False) -> Self:
        """Set the elements whose indices are all equal to ``fill_value``; ``wrap``: of a tall matrix, again below a free row.

        Raises ``ShapeError`` for fewer than 2 dimensions, or for more than 2 of different sizes.
        """
        shape = self._data.shape
        if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
            raise engine.ShapeError(f"fill_diagonal_: a matrix, or more dimensions of one size, are needed, not shape {shape}")
        if wrap and len(shape) == 2:
            places = np.arange(0, self._data.size, shape[1] + 1)
            key: Any = np.unravel_index(places, shape) if places.size else (slice(0, 0),)
        else:
            key = (np.arange(min(shape)),) * len(shape)
        self._store(key, fill_value, "fill_diagonal_")
        return self

    def bernoulli_(self: Self, p: Any = 0.5, *, generator: Generator | None = None) -> Self:
        """Fill with ones, each with probability ``p`` (a number or a Tensor), and zeros."""
        chance = array_of(p)
        given = memory_of(chance)
        if not np.all((given >= 0) & (given <= 1)):
            raise ValueError("bernoulli_: probabilities must be in [0, 1]")
        uniform = drawn(lambda random, shape: random.random(shape), self._data.shape, generator)
        return self._fill(lifted(uniform) < lifted(chance), "bernoulli_")

    add_ = _in_place(elementwise.add, "add_")
    sub_ = _in_place(elementwise.sub, "sub_")
    mul_ = _in_place(elementwise.mul, "mul_")
    div_ = _in_place(elementwise.div, "div_")
    pow_ = _in_place(elementwise.pow, "pow_")
    neg_ = _in_place(elementwise.neg, "neg_")
    abs_ = _in_place(elementwise.abs, "abs_")
    acos_ = _in_place(elementwise.acos, "acos_")
    acosh_ = _in_place(elementwise.acosh, "acosh_")
    addcdiv_ = _in_place(elementwise.addcdiv, "addcdiv_")
    addcmul_ = _in_place(elementwise.addcmul, "addcmul_")
    asin_ = _in_place(elementwise.asin, "asin_")
    asinh_ = _in_place(elementwise.asinh, "asinh_")
    atan_ = _in_place(elementwise.atan, "atan_")
    atan2_ = _in_place(elementwise.atan2, "atan2_")
    atanh_ = _in_place(elementwise.atanh, "atanh_")
    ceil_ = _in_place(elementwise.ceil, "ceil_")
    clamp_ = _in_place(elementwise.clamp, "clamp_")
    clamp_max_ = _in_place(elementwise.clamp_max, "clamp_max_")
    clamp_min_ = _in_place(elementwise.clamp_min, "clamp_min_")
    clip_ = _in_place(elementwise.clamp, "clip_")
    cos_ = _in_place(elementwise.cos, "cos_")
    cosh_ = _in_place(elementwise.cosh, "cosh_")
    erf_ = _in_place(elementwise.erf, "erf_")
    erfc_ = _in_place(elementwise.erfc, "erfc_")
    erfinv_ = _in_place(elementwise.erfinv, "erfinv_")
    exp_ = _in_place(elementwise.exp, "exp_")
    exp2_ = _in_place(elementwise.exp2, "exp2_")
    expm1_ = _in_place(elementwise.expm1, "expm1_")
    floor_ = _in_place(elementwise.floor, "floor_")
    floor_divide_ = _in_place(elementwise.floor_divide, "floor_divide_")
    fmod_ = _in_place(elementwise.fmod, "fmod_")
    frac_ = _in_place(elementwise.frac, "frac_")
    hypot_ = _in_place(elementwise.hypot, "hypot_")
    lerp_ = _in_place(elementwise.lerp, "lerp_")
    log_ = _in_place(elementwise.log, "log_")
    log10_ = _in_place(elementwise.log10, "log10_")
    log1p_ = _in_place(elementwise.log1p, "log1p_")
    log2_ = _in_place(elementwise.log2, "log2_")
    logit_ = _in_place(elementwise.logit, "logit_")
    nan_to_num_ = _in_place(elementwise.nan_to_num, "nan_to_num_")
    reciprocal_ = _in_place(elementwise.reciprocal, "reciprocal_")
    remainder_ = _in_place(elementwise.remainder, "remainder_")
    round_ = _in_place(elementwise.round, "round_")
    rsqrt_ = _in_place(elementwise.rsqrt, "rsqrt_")
    sigmoid_ = _in_place(elementwise.sigmoid, "sigmoid_")
    sign_ = _in_place(elementwise.sign, "sign_")
    sin_ = _in_place(elementwise.sin, "sin_")
    sinh_ = _in_place(elementwise.sinh, "sinh_")
    sqrt_ = _in_place(elementwise.sqrt, "sqrt_")
    square_ = _in_place(elementwise.square, "square_")
    tan_ = _in_place(elementwise.tan, "tan_")
    tanh_ = _in_place(elementwise.tanh, "tanh_")
    trunc_ = _in_place(elementwise.trunc, "trunc_")
    xlogy_ = _in_place(elementwise.xlogy, "xlogy_")

    absolute_, negative_, subtract_, multiply_, divide_, fix_ = abs_, neg_, sub_, mul_, div_, trunc_
    arccos_, arccosh_, arcsin_, arcsinh_, arctan_, arctan2_, arctanh_ = acos_, acosh_, asin_, asinh_, atan_, atan2_, atanh_
    true_divide_ = _in_place(elementwise.over, "true_divide_")
    sgn_ = _in_place(elementwise.sign, "sgn_")
    eq_ = _in_place(elementwise.eq, "eq_")
    ne_ = _in_place(elementwise.ne, "ne_")
    lt_ = _in_place(elementwise.lt, "lt_")
    le_ = _in_place(elementwise.le, "le_")
    gt_ = _in_place(elementwise.gt, "gt_")
    ge_ = _in_place(elementwise.ge, "ge_")
    not_equal_, less_, less_equal_, greater_, greater_equal_ = ne_, lt_, le_, gt_, ge_
    logical_and_ = _in_place(elementwise.logical_and, "logical_and_")
    logical_or_ = _in_place(elementwise.logical_or, "logical_or_")
    logical_xor_ = _in_place(elementwise.logical_xor, "logical_xor_")
    logical_not_ = _in_place(elementwise.logical_not, "logical_not_")
    bitwise_and_ = _in_place(elementwise.bitwise_and, "bitwise_and_")
    bitwise_or_ = _in_place(elementwise.bitwise_or, "bitwise_or_")
    bitwise_xor_ = _in_place(elementwise.bitwise_xor, "bitwise_xor_")
    bitwise_not_ = _in_place(elementwise.bitwise_not, "bitwise_not_")
    bitwise_left_shift_ = _in_place(elementwise.bitwise_left_shift, "bitwise_left_shift_")
    bitwise_right_shift_ = _in_place(elementwise.bitwise_right_shift, "bitwise_right_shift_")

    copysign_ = _in_place(arithmetic.copysign, "copysign_")
    deg2rad_ = _in_place(arithmetic.deg2rad, "deg2rad_")
    digamma_ = _in_place(special.digamma, "digamma_")
    float_power_ = _in_place(arithmetic.float_power, "float_power_")
    gcd_ = _in_place(arithmetic.gcd, "gcd_")
    heaviside_ = _in_place(arithmetic.heaviside, "heaviside_")
    i0_ = _in_place(special.i0, "i0_")
    igamma_ = _in_place(special.gammainc, "igamma_")
    igammac_ = _in_place(special.gammaincc, "igammac_")
    lcm_ = _in_place(arithmetic.lcm, "lcm_")
    ldexp_ = _in_place(arithmetic.ldexp, "ldexp_")
    lgamma_ = _in_place(special.lgamma, "lgamma_")
    mvlgamma_ = _in_place(special.mvlgamma, "mvlgamma_")
    nextafter_ = _in_place(arithmetic.nextafter, "nextafter_")
    polygamma_ = _in_place(_polygamma, "polygamma_")
    rad2deg_ = _in_place(arithmetic.rad2deg, "rad2deg_")
    sinc_ = _in_place(special.sinc, "sinc_")

    # ---------------------------------------------------------------------------------- operators

    __add__ = __radd__ = elementwise.plus
    __sub__ = elementwise.minus
    __rsub__ = _swapped(elementwise.minus)
    __mul__ = __rmul__ = elementwise.mul
    __truediv__ = elementwise.over
    __rtruediv__ = _swapped(elementwise.over)
    __floordiv__ = elementwise.floor_divide
    __rfloordiv__ = _swapped(elementwise.floor_divide)
    __mod__ = elementwise.remainder
    __rmod__ = _swapped(elementwise.remainder)
    __pow__ = elementwise.pow
    __rpow__ = _swapped(elementwise.pow)
    __neg__ = elementwise.neg

    def __pos__(self: Self) -> Self:
        return self

    __abs__ = elementwise.abs
    if TYPE_CHECKING:  # written out: of attributes that differ from object's, which return a bool, type checkers take object's

        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]

    else:
        __eq__ = _equality(elementwise.eq)
        __ne__ = _equality(elementwise.ne)
    __lt__ = elementwise.lt
    __le__ = elementwise.le
    __gt__ = elementwise.gt
    __ge__ = elementwise.ge
    __and__ = __rand__ = elementwise.bitwise_and
    __or__ = __ror__ = elementwise.bitwise_or
    __xor__ = __rxor__ = elementwise.bitwise_xor
    __invert__ = elementwise.bitwise_not
    __lshift__ = elementwise.bitwise_left_shift
    __rlshift__ = _swapped(elementwise.bitwise_left_shift)
    __rshift__ = elementwise.bitwise_right_shift
    __rrshift__ = _swapped(elementwise.bitwise_right_shift)
    __iadd__ = _augmented(elementwise.plus, "+=")
    __isub__ = _augmented(elementwise.minus, "-=")
    __imul__ = _augmented(elementwise.mul, "*=")
    __itruediv__ = _augmented(elementwise.over, "/=")
    __ifloordiv__ = _augmented(elementwise.floor_divide, "//=")
    __imod__ = _augmented(elementwise.remainder, "%=")
    __ipow__ = _augmented(elementwise.pow, "**=")
    __iand__ = _augmented(elementwise.bitwise_and, "&=")
    __ior__ = _augmented(elementwise.bitwise_or, "|=")
    __ixor__ = _augmented(elementwise.bitwise_xor, "^=")
    __ilshift__ = _augmented(elementwise.bitwise_left_shift, "<<=")
    __irshift__ = _augmented(elementwise.bitwise_right_shift, ">>=")

    # -------------------------------------------------------------------------- methods: elementwise

    add = elementwise.add
    sub = subtract = elementwise.sub
    mul = multiply = elementwise.mul
    div = divide = elementwise.div
    true_divide = elementwise.over
    addcmul = elementwise.addcmul
    addcdiv = elementwise.addcdiv
    lerp = elementwise.lerp
    fmod = elementwise.fmod
    floor_divide = elementwise.floor_divide
    remainder = elementwise.remainder
    neg = negative = elementwise.neg
    pow = elementwise.pow
    square = elementwise.square
    sqrt = elementwise.sqrt
    rsqrt = elementwise.rsqrt
    reciprocal = elementwise.reciprocal
    exp = elementwise.exp
    exp2 = elementwise.exp2
    expm1 = elementwise.expm1
    log = elementwise.log
    log2 = elementwise.log2
    log10 = elementwise.log10
    log1p = elementwise.log1p
    logaddexp = elementwise.logaddexp
    logaddexp2 = elementwise.logaddexp2
    logit = elementwise.logit
    xlogy = elementwise.xlogy
    hypot = elementwise.hypot
    sin = elementwise.sin
    cos = elementwise.cos
    tan = elementwise.tan
    asin = arcsin = elementwise.asin
    acos = arccos = elementwise.acos
    atan = arctan = elementwise.atan
    atan2 = arctan2 = elementwise.atan2
    sinh = elementwise.sinh
    cosh = elementwise.cosh
    tanh = elementwise.tanh
    asinh = arcsinh = elementwise.asinh
    acosh = arccosh = elementwise.acosh
    atanh = arctanh = elementwise.atanh
    sigmoid = elementwise.sigmoid
    erf = elementwise.erf
    erfc = elementwise.erfc
    erfinv = elementwise.erfinv
    abs = absolute = elementwise.abs
    sign = sgn = elementwise.sign
    floor = elementwise.floor
    ceil = elementwise.ceil
    trunc = fix = elementwise.trunc
    round = elementwise.round
    frac = elementwise.frac
    clamp = clip = elementwise.clamp
    clamp_min = elementwise.clamp_min
    clamp_max = elementwise.clamp_max
    maximum = elementwise.maximum
    minimum = elementwise.minimum
    fmax = elementwise.fmax
    fmin = elementwise.fmin
    nan_to_num = elementwise.nan_to_num
    eq = elementwise.eq
    ne = not_equal = elementwise.ne
    lt = less = elementwise.lt
    le = less_equal = elementwise.le
    gt = greater = elementwise.gt
    ge = greater_equal = elementwise.ge
    logical_and = elementwise.logical_and
    logical_or = elementwise.logical_or
    logical_xor = elementwise.logical_xor
    logical_not = elementwise.logical_not
    bitwise_and = elementwise.bitwise_and
    bitwise_or = elementwise.bitwise_or
    bitwise_xor = elementwise.bitwise_xor
    bitwise_not = elementwise.bitwise_not
    bitwise_left_shift = elementwise.bitwise_left_shift
    bitwise_right_shift = elementwise.bitwise_right_shift
    isnan = elementwise.isnan
    isinf = elementwise.isinf
    isfinite = elementwise.isfinite
    isclose = elementwise.isclose
    allclose = elementwise.allclose
    equal = elementwise.equal

    copysign = arithmetic.copysign
    heaviside = arithmetic.heaviside
    signbit = arithmetic.signbit
    isposinf = arithmetic.isposinf
    isneginf = arithmetic.isneginf
    positive = arithmetic.positive
    float_power = arithmetic.float_power
    deg2rad = arithmetic.deg2rad
    rad2deg = arithmetic.rad2deg
    ldexp = arithmetic.ldexp
    frexp = arithmetic.frexp
    nextafter = arithmetic.nextafter
    gcd = arithmetic.gcd
    lcm = arithmetic.lcm
    lgamma = special.lgamma
    digamma = special.digamma
    polygamma = _polygamma
    mvlgamma = special.mvlgamma
    i0 = special.i0
    igamma = special.gammainc
    igammac = special.gammaincc
    sinc = special.sinc

    def where(self, condition: Tensor | np.ndarray, other: Operand) -> Tensor:
        """This Tensor's elements where ``condition``, else those of ``other``."""
        return elementwise.where(condition, self, other)

    # --------------------------------------------------------------------------- methods: reductions

    sum = reduce.sum
    nansum = reduce.nansum
    mean = reduce.mean
    nanmean = reduce.nanmean
    var = reduce.var
    std = reduce.std
    prod = reduce.prod
    amax = reduce.amax
    amin = reduce.amin
    max = reduce.max
    min = reduce.min
    argmax = reduce.argmax
    argmin = reduce.argmin
    aminmax = reduce.aminmax
    any = reduce.any
    all = reduce.all
    count_nonzero = reduce.count_nonzero
    logsumexp = reduce.logsumexp
    norm = linalg.old_norm
    dist = reduce.dist
    cumsum = reduce.cumsum
    cumprod = reduce.cumprod
    cummax = reduce.cummax
    cummin = reduce.cummin
    logcumsumexp = reduce.logcumsumexp
    sort = reduce.sort
    argsort = reduce.argsort
    topk = reduce.topk
    kthvalue = reduce.kthvalue
    median = reduce.median
    nanmedian = reduce.nanmedian
    mode = reduce.mode
    msort = reduce.msort
    unique = reduce.unique
    bincount = reduce.bincount
    diff = statistics.diff
    cov = statistics.cov
    corrcoef = statistics.corrcoef
    quantile = statistics.quantile
    nanquantile = statistics.nanquantile
    histc = statistics.histc
    histogram = statistics.histogram
    unique_consecutive = statistics.unique_consecutive
    renorm = distance.renorm
    renorm_ = _in_place(distance.renorm, "renorm_")
    cumsum_ = _in_place(reduce.cumsum, "cumsum_")
    cumprod_ = _in_place(reduce.cumprod, "cumprod_")
    bernoulli = sampling.bernoulli
    multinomial = sampling.multinomial

    # -------------------------------------------------------------------------------- methods: shape

    def reshape(self, *sizes: Size, shape: Size | None = None) -> Tensor:
        """The elements in another shape, of which one size may be -1: ``x.reshape(2, -1)`` or ``x.reshape((2, -1))``."""
        return shaping.reshape(self, shaping.sizes_of(either("reshape", "shape", sizes, shape)))

    def permute(self, *order: Size, dims: Size | None = None) -> Tensor:
        """Dimension ``i`` of the result is dimension ``order[i]`` of this Tensor."""
        return shaping.permute(self, shaping.sizes_of(either("permute", "dims", order, dims)))

    def flip(self, *along: Size, dims: Size | None = None) -> Tensor:
        """The elements in reverse order along the dimensions ``along``: ``x.flip(0, 1)`` or ``x.flip((0, 1))``."""
        return shaping.flip(self, shaping.sizes_of(either("flip", "dims", along, dims)))

    view = shaping.view
    view_as = shaping.view_as
    reshape_as = shaping.reshape_as
    transpose = swapaxes = swapdims = shaping.transpose
    movedim = moveaxis = shaping.movedim
    t = shaping.t
    T: Tensor = property(shaping.reverse_dims)  # type: ignore[assignment]  # what it gives
    mT: Tensor = property(shaping.matrix_transpose)  # type: ignore[assignment]
    mH: Tensor = property(shaping.matrix_transpose)  # type: ignore[assignment]
    H: Tensor = property(shaping.t)  # type: ignore[assignment]
    adjoint = shaping.matrix_transpose
    flatten = shaping.flatten
    unflatten = shaping.unflatten
    squeeze = shaping.squeeze
    unsqueeze = shaping.unsqueeze
    expand = shaping.expand
    expand_as = shaping.expand_as
    broadcast_to = shaping.broadcast_to
    ravel = shaping.ravel
    fliplr, flipud = shaping.fliplr, shaping.flipud
    roll = shaping.roll
    rot90 = shaping.rot90
    tile = shaping.tile
    repeat = shaping.repeat
    repeat_interleave = shaping.repeat_interleave

    def split(self, split_size: Size, dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """:func:`minigrad.split` of this Tensor."""
        return shaping.split(self, split_size, dim)

    chunk = shaping.chunk
    tensor_split = shaping.tensor_split
    split_with_sizes = assembling.split_with_sizes
    hsplit = assembling.hsplit
    vsplit = assembling.vsplit
    dsplit = assembling.dsplit
    as_strided = assembling.as_strided
    sum_to_size = assembling.sum_to_size
    select_scatter = assembling.select_scatter
    slice_scatter = assembling.slice_scatter
    diagonal_scatter = assembling.diagonal_scatter
    unbind = shaping.unbind
    narrow = shaping.narrow
    select = shaping.select
    unfold = shaping.unfold
    diagonal = shaping.diagonal
    diag = shaping.diag
    diag_embed = shaping.diag_embed
    diagflat = shaping.diagflat
    tril = shaping.tril
    triu = shaping.triu
    tril_ = _in_place(shaping.tril, "tril_")
    triu_ = _in_place(shaping.triu, "triu_")

    # ----------------------------------------------------------------------------- methods: indexing

    gather = gathering.gather
    scatter = gathering.scatter
    scatter_add = gathering.scatter_add
    scatter_reduce = gathering.scatter_reduce
    index_reduce = gathering.index_reduce
    put = gathering.put
    index_select = gathering.index_select
    index_add = gathering.index_add
    index_copy = gathering.index_copy
    index_fill = gathering.index_fill
    index_put = gathering.index_put
    take = gathering.take
    take_along_dim = gathering.take_along_dim
    masked_fill = gathering.masked_fill
    masked_select = gathering.masked_select
    masked_scatter = gathering.masked_scatter
    nonzero = gathering.nonzero
    argwhere = gathering.argwhere
    scatter_ = _in_place(gathering.scatter, "scatter_")
    scatter_add_ = _in_place(gathering.scatter_add, "scatter_add_")
    scatter_reduce_ = _in_place(gathering.scatter_reduce, "scatter_reduce_")
    index_reduce_ = _in_place(gathering.index_reduce, "index_reduce_")
    put_ = _in_place(gathering.put, "put_")
    index_add_ = _in_place(gathering.index_add, "index_add_")
    index_copy_ = _in_place(gathering.index_copy, "index_copy_")
    index_fill_ = _in_place(gathering.index_fill, "index_fill_")
    index_put_ = _in_place(gathering.index_put, "index_put_")
    masked_fill_ = _in_place(gathering.masked_fill, "masked_fill_")
    masked_scatter_ = _in_place(gathering.masked_scatter, "masked_scatter_")

    # ----------------------------------------------------------------------- methods: linear algebra

    matmul = __matmul__ = products.matmul
    __rmatmul__ = _swapped(products.matmul)
    outer = ger = products.outer
    inverse = equations.inv
    mm = products.mm
    bmm = products.bmm
    mv = products.mv
    dot = products.dot
    vdot = products.vdot
    inner = contractions.inner
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    baddbmm = products.baddbmm
    addbmm = products.addbmm
    addmm_ = _in_place(products.addmm, "addmm_")
    addmv_ = _in_place(products.addmv, "addmv_")
    addr_ = _in_place(products.addr, "addr_")
    addbmm_ = _in_place(products.addbmm, "addbmm_")
    baddbmm_ = _in_place(products.baddbmm, "baddbmm_")
    trace = contractions.trace
    kron = contractions.kron
    matrix_power = equations.matrix_power
    cholesky = equations.cholesky
    det = equations.det
    slogdet = equations.slogdet
    logdet = equations.logdet
    cholesky_inverse = equations.cholesky_inverse
    cholesky_solve = equations.cholesky_solve
    triangular_solve = equations.triangular_solve
    lu = equations.old_lu
    lu_solve = equations.old_lu_solve
    qr = linalg.old_qr
    geqrf = householder.geqrf
    orgqr = householder.orgqr
    ormqr = householder.ormqr
    svd = linalg.old_svd
    pinverse = linalg.pinverse
    matrix_exp = linalg.matrix_exp
    stft = fft.stft

    # ------------------------------------------------------- methods: activations, softmax, new tensors

    relu = _relu
    relu_ = _in_place(_relu, "relu_")
    prelu = activation.prelu
    hardshrink = activation.hardshrink

    def new_tensor(self, data: Any, dtype: DType = None, device: Any = None, requires_grad: builtins.bool = False) -> Tensor:
        """A Tensor with a copy of ``data`` in this one's dtype."""
        return tensor(data, self.dtype if dtype is None else dtype, device, requires_grad)

    def new(self, *data: Any, device: Any = None) -> Tensor:
        """A Tensor of these sizes or with this data, as :class:`Tensor` makes it, in this one's dtype: what ``new_empty`` and ``new_tensor`` replace.

        >>> import minigrad as mg
        >>> x = mg.ones(2, 3, dtype=mg.int64)
        >>> x.new(x.shape).zero_(), x.new([5.0])
        (tensor([[0, 0, 0],
                [0, 0, 0]]), tensor([5]))
        """
        return wrap(engine.for_samples(Tensor(*data, dtype=self.dtype, device=device)._data, self))

    def new_zeros(
        self, *sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """Zeros of another shape in this one's dtype."""
        return self.new_full(new_shape("new_zeros", sizes, size), 0, dtype, device, requires_grad)

    def new_ones(
        self, *sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """Ones of another shape in this one's dtype."""
        return self.new_full(new_shape("new_ones", sizes, size), 1, dtype, device, requires_grad)

    def new_empty(
        self, *sizes: Size, size: Size | None = None, dtype: DType = None, device: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """A Tensor with uninitialised memory, of another shape and this one's dtype."""
        check_device(device)
        array = np.empty(new_shape("new_empty", sizes, size), self.dtype if dtype is None else dtype_of("new_empty", dtype, True))
        return made(engine.for_samples(array, self)).requires_grad_(requires_grad)

    def new_full(
        self, size: Size, fill_value: Operand, dtype: DType = None, device: Any = None, requires_grad: builtins.bool = False
    ) -> Tensor:
        """``fill_value`` in another shape and this one's dtype."""
        check_device(device)
        array = filled("new_full", new_shape("new_full", (), size), fill_value, self.dtype if dtype is None else dtype)
        return made(engine.for_samples(array, self)).requires_grad_(requires_grad)

    softmax = softmaxes.softmax
    log_softmax = softmaxes.log_softmax


_NUMBERS = itertools.count()


@absent.answers_as("torch.utils.hooks.RemovableHandle")
class RemovableHandle:
    """Removes a hook that was registered: ``handle.remove()``."""

    def __init__(self, hooks: list, hook: Callable):
        self._hooks, self.hook = hooks, _Hook(hook)
        hooks.append(self.hook)

    @property
    def id(self) -> int:
        """The hook's key in a module's ``_forward_hooks`` and their like."""
        return self.hook.id

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        if self.hook in self._hooks:
            self._hooks.remove(self.hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class _Handles(RemovableHandle):
    def __init__(self, handles: list[RemovableHandle]):
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[[Any], None], *, mode: Literal["all", "any"] = "all"
) -> RemovableHandle:
    """Call ``fn`` once in each backward pass that computes gradients of ``tensors``: ``torch.autograd.graph.register_multi_grad_hook``.

    Args:
        tensors: Tensors that require a gradient; with "any" those that do not are left out.
        fn: must not change what it is given. What it returns is ignored.
        mode: "all" calls ``fn(gradients)`` as soon as there are all that this pass computes, with None for the others; "any" calls ``fn(gradient)``
            with the first.

    Returns a handle whose ``remove()`` removes the hook. Raises ``ValueError`` for another mode, ``RuntimeError`` for a tensor that does not require a
    gradient.

    >>> import minigrad as mg
    >>> from minigrad.torch.autograd.graph import register_multi_grad_hook
    >>> a, b = mg.tensor([2.0], requires_grad=True), mg.tensor([3.0], requires_grad=True)
    >>> handle = register_multi_grad_hook([a, b], lambda gradients: print(gradients))
    >>> (a * b).sum().backward()
    [tensor([3.]), tensor([2.])]
    >>> (a * 5).sum().backward()
    [tensor([5.]), None]
    >>> handle.remove()
    """
    if mode not in ("all", "any"):
        raise ValueError(f"register_multi_grad_hook: mode is 'all' or 'any', not {mode!r}")
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"register_multi_grad_hook: tensors must be Tensors, not {type(t).__name__}")
    together = engine.Together(len(tensors), fn, first=mode == "any")
    hooked = [(i, t) for i, t in enumerate(tensors) if mode == "all" or t.requires_grad]
    return _Handles([t.register_hook(engine.Part(together, i)) for i, t in hooked])  # type: ignore[arg-type]


class _Hook:
    """A hook as a separate object, because the same function may be registered twice."""

    def __init__(self, function: Callable):
        self.function, self.id = function, next(_NUMBERS)

    def __call__(self, g: Tensor) -> Any:
        return self.function(g)


class _Place(weakref.ref):
    """The Tensor that an ``x.data`` reads and writes, found by the setter of ``x.data`` as a weak reference to ``x``."""

    __slots__ = ("owner",)

    owner: Tensor


class _Data(Tensor):
    """``x.data``: a Tensor outside the graph that uses the array of ``x``. Writing to it gives ``x`` the new array.

    After ``x.data = value`` it is a Tensor of its own with the old array, because ``x`` has other memory.
    """

    __slots__ = ("_place",)

    _place: _Place
    _is_name = True

    def __new__(cls, owner: Any) -> Any:
        self = object.__new__(cls)
        _ = owner._data  # raises if a lazy parameter has no value yet
        owner = owner._owner if type(owner) is _Data else owner
        self._place = _Place(owner)
        self._place.owner = owner
        self._node = self._grad = None
        return self

    @property
    def _owner(self) -> Tensor:
        return self._place.owner

    def __init__(self, owner: Any) -> None:
        pass

    @property
    def _data(self) -> np.ndarray:
        return self._owner._data

    @_data.setter
    def _data(self, array: np.ndarray) -> None:
        if array is not self._owner._data:
            self._owner._set_data(array)

    @property
    def _source(self) -> Any:
        """The owner: a view of ``x.data`` is one of ``x``."""
        return self._owner._link(detached=True)

    def _link(self, detached: builtins.bool = False) -> Any:
        return self._source

    def _part_from_source(self) -> None:
        pass  # it has no array of its own

    def _writable(self) -> builtins.bool:
        return self._owner._writable()

    def _borrows(self) -> builtins.bool:
        return self._owner._borrows()

    def requires_grad_(self: Self, requires_grad: builtins.bool = True) -> Self:
        if requires_grad:
            raise RuntimeError("data: it has no gradient of its own; use x.detach().clone().requires_grad_()")
        return self

    def __reduce__(self) -> tuple:
        return wrap(self._data).__reduce__()

    def __copy__(self) -> Tensor:
        return wrap(self._data)

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> Tensor:
        return wrap(self._data.copy())

    def __getitem__(self, key: Any) -> Tensor:
        parts = key if isinstance(key, tuple) else (key,)
        if _BASIC.issuperset(map(type, parts)):
            return _Part(self, parts if Ellipsis in parts else (*parts, Ellipsis))  # with it, one element is an array too
        return super().__getitem__(key)


_TITLES_OF_FILLS = {"zero_": "ZeroBackward0", "fill_": "FillBackward2", "copy_": "torch::autograd::CopyBackwards"}  # of nodes, in PyTorch
_BASIC = {builtins.int, slice, types.NoneType, types.EllipsisType}  # indices of parts that are views of an array


class _Part(_Data):
    """``x.data[key]``, a view as it is in PyTorch: writing to it writes that part of ``x``."""

    __slots__ = ("_key", "_whole")

    _whole: _Data
    _key: tuple

    def __new__(cls, whole: _Data, key: tuple) -> Any:
        self = object.__new__(cls)
        self._whole, self._key = whole, key
        self._node = self._grad = None
        index.subscript(wrap(whole._data), key)  # its errors
        return self

    def __init__(self, whole: _Data, key: tuple) -> None:
        pass

    @property
    def _owner(self) -> Tensor:
        return self._whole._owner

    @property
    def _data(self) -> np.ndarray:
        return self._whole._data[self._key]

    @_data.setter
    def _data(self, array: np.ndarray) -> None:
        self._whole._store(self._key, array, "x.data[i]")

    def _replace(self, array: np.ndarray) -> None:
        self._data = array

    def _writable(self) -> builtins.bool:
        return False  # what is written becomes a part of the whole

    def _borrows(self) -> builtins.bool:
        return False


class _RetainGrad:
    """A hook that adds the gradient to ``.grad`` of an intermediate Tensor."""

    last = True  # called after the hooks that change the gradient

    def __init__(self, tensor: Tensor):
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.grad = g if tensor.grad is None else tensor.grad + g


def raise_if_not_leaf(t: Tensor, what: str) -> None:
    """Raise ``RuntimeError`` for an intermediate result, because its copy would lose the graph silently."""
    if not t.is_leaf:
        raise RuntimeError(f"{what}: only leaf tensors can be copied this way; use x.detach() first, or x.clone() to stay in the graph")


absent.answers_as("torch.Tensor")(Tensor)  # now that it has all its methods

TENSOR_CLASSES: dict[str, type[Tensor]] = {"tensor": Tensor}  # name in a file -> class; minigrad.nn adds its Parameter
