"""The dtypes of Tensors: numpy's, with PyTorch's attributes.

A Tensor's array has a dtype of numpy's, and kernels see nothing else. :class:`dtype` is what a user sees of it: ``x.dtype``, ``mg.float32``.
There is one object of each, ``numpy`` takes it wherever it takes a dtype (by the attribute ``dtype``), and it equals numpy's.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from minigrad.absent import error


class dtype:
    """A dtype: ``torch.dtype``. ``mg.float32`` is one; ``mg.dtype("float32")`` is the same object.

    It equals numpy's dtype, scalar class and name, and numpy's functions take it. The words of numpy's dtypes (``kind``, ``name``, ``itemsize``,
    ``type``, ...) are attributes, beside PyTorch's.

    Args:
        name: its name, or anything that numpy takes for a dtype.

    Raises ``TypeError`` for a dtype that no tensor has, ``AttributeError`` for an attribute that neither numpy nor PyTorch has, or one of PyTorch's
    that is not here.

    >>> import minigrad as mg
    >>> x = mg.ones(2)
    >>> x.dtype, x.dtype is mg.float32, x.dtype == np.float32, x.dtype == "float32"
    (torch.float32, True, True, True)
    >>> x.dtype.is_floating_point, x.dtype.itemsize, mg.uint8.is_signed, np.zeros(2, x.dtype)
    (True, 4, False, array([0., 0.], dtype=float32))

    Attributes: ``dtype``, the one of numpy; ``is_floating_point``, ``is_complex``, ``is_signed``.
    """

    __slots__ = ("__numpy_dtype__", "_hash", "dtype", "is_complex", "is_floating_point", "is_signed", "itemsize", "kind", "name", "type")

    __numpy_dtype__: np.dtype[Any]  # numpy 2.4 asks for this one first
    _hash: int
    dtype: np.dtype[Any]
    kind: str
    name: str
    itemsize: int
    type: Any
    is_floating_point: bool
    is_complex: bool
    is_signed: bool

    def __new__(cls, name: Any) -> Self:
        try:
            return OF_NUMPY[None if name is None else np.dtype(name)]  # type: ignore[index, return-value]  # None is float64 to numpy
        except (TypeError, KeyError):
            raise TypeError(f"dtype: {name!r} is none that tensors have; they are {', '.join(DTYPES)}") from None

    def __eq__(self, other: object) -> bool:
        return self is other if type(other) is dtype else other is not None and self.dtype == other

    def __hash__(self) -> int:
        return self._hash

    def __getattr__(self, name: str) -> Any:
        if name[0] != "_" and hasattr(np.dtype, name):
            return getattr(self.dtype, name)
        raise error("torch.dtype", name, f"dtype {self.name}")

    def __repr__(self) -> str:
        return f"torch.{self.name}"  # scripts take the name out of this text

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)  # messages say ``name``, which is numpy's word too

    def __reduce__(self) -> tuple:
        return dtype, (self.name,)

    def to_real(self) -> dtype_:
        """The dtype of the real part: float32 for complex64, of real numbers the same."""
        return OF_NUMPY[np.zeros((), self.dtype).real.dtype]

    def to_complex(self) -> dtype_:
        """The dtype of the :class:`~minigrad.ops.complex_pair.ComplexPair` of two such tensors. Raises ``TypeError`` where there is none."""
        if self.kind not in "fc" or self.itemsize < 4:
            raise TypeError(f"to_complex: there are no complex numbers of {self.name}; mg.complex takes float32 and float64")
        return OF_NUMPY[np.result_type(self.dtype, np.complex64)]


dtype_ = dtype  # within the class, dtype is the attribute


def _new(name: str) -> dtype:
    self = object.__new__(dtype)
    self.dtype = self.__numpy_dtype__ = known = np.dtype(name)
    self.kind, self.name, self.itemsize, self.type, self._hash = known.kind, known.name, known.itemsize, known.type, hash(known)
    self.is_floating_point, self.is_complex, self.is_signed = known.kind == "f", known.kind == "c", known.kind in "fic"
    return self


DTYPES = {  # those of tensors, by name
    name: _new(name)
    for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
}

OF_NUMPY = {d.dtype: d for d in (*DTYPES.values(), _new("complex64"), _new("complex128"))}
