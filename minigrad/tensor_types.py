"""``FloatTensor`` and its like: PyTorch's old names for tensors of one dtype, which make such tensors and test for them."""

from __future__ import annotations

from typing import Any

from minigrad import dtypes
from minigrad.dtypes import DTYPES
from minigrad.engine import set_default_dtype
from minigrad.tensor import TYPE_NAMES, Tensor, as_tensor


class _OfOneDtype(type):
    dtype: dtypes.dtype

    def __call__(cls, *args: Any) -> Any:
        """An uninitialised tensor of the sizes given, or the numbers given: :class:`~minigrad.Tensor` with the dtype."""
        return Tensor(*args, dtype=cls.dtype)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype == cls.dtype


class FloatTensor(metaclass=_OfOneDtype):
    """A float32 Tensor.

    >>> import minigrad as mg
    >>> from minigrad.tensor_types import FloatTensor, LongTensor
    >>> FloatTensor([1, 2]), FloatTensor(2, 3).shape, LongTensor([1.0])
    (tensor([1., 2.]), torch.Size([2, 3]), tensor([1]))
    >>> isinstance(mg.ones(1), FloatTensor), mg.ones(1).type(LongTensor)
    (True, tensor([1]))
    """

    dtype = DTYPES["float32"]


class DoubleTensor(metaclass=_OfOneDtype):
    """A float64 Tensor."""

    dtype = DTYPES["float64"]


class HalfTensor(metaclass=_OfOneDtype):
    """A float16 Tensor."""

    dtype = DTYPES["float16"]


class LongTensor(metaclass=_OfOneDtype):
    """An int64 Tensor."""

    dtype = DTYPES["int64"]


class IntTensor(metaclass=_OfOneDtype):
    """An int32 Tensor."""

    dtype = DTYPES["int32"]


class ShortTensor(metaclass=_OfOneDtype):
    """An int16 Tensor."""

    dtype = DTYPES["int16"]


class CharTensor(metaclass=_OfOneDtype):
    """An int8 Tensor."""

    dtype = DTYPES["int8"]


class ByteTensor(metaclass=_OfOneDtype):
    """A uint8 Tensor."""

    dtype = DTYPES["uint8"]


class BoolTensor(metaclass=_OfOneDtype):
    """A bool Tensor."""

    dtype = DTYPES["bool"]


def typename(value: Any) -> str:
    """``"torch.FloatTensor"`` for a float32 Tensor, the full name of the class for anything else: ``torch.typename``.

    >>> import minigrad as mg
    >>> from minigrad.tensor_types import typename
    >>> typename(mg.ones(1)), typename([])
    ('torch.FloatTensor', 'list')
    """
    if isinstance(value, Tensor):
        return value.type()
    named = value if hasattr(value, "__qualname__") else type(value)
    return named.__qualname__ if named.__module__ == "builtins" else f"{named.__module__}.{named.__qualname__}"


def set_default_tensor_type(kind: Any) -> None:
    """Make the dtype of ``FloatTensor``, ``DoubleTensor`` or ``HalfTensor`` the default one: ``torch.set_default_tensor_type``."""
    if isinstance(kind, str):
        kind = next((dtype for dtype, name in TYPE_NAMES.items() if name == kind), kind)
    set_default_dtype(getattr(kind, "dtype", kind))


def Variable(data: Any, requires_grad: bool = False, volatile: bool = False) -> Tensor:
    """``data`` as a Tensor: ``torch.autograd.Variable``, which has been a Tensor since PyTorch 0.4. ``volatile`` is without effect, as there."""
    t = as_tensor(data)
    return t.detach().requires_grad_() if requires_grad and not t.requires_grad else t


def is_storage(value: Any) -> bool:
    """False: there are no storages here, an array is an array."""
    return False
