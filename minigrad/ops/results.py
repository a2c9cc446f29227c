"""The named tuples that ops with two results return."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from minigrad.types import Tensor

T = TypeVar("T", bound=tuple)


def returned_by(name: str, kind: type[T]) -> type[T]:
    """The subclass of ``kind`` that the function ``name`` returns. It prints as PyTorch's result of that function does.

    >>> import minigrad as mg
    >>> mg.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
    torch.return_types.max(
    values=tensor([5., 7.]),
    indices=tensor([1, 0]))
    """

    def text(self: Any) -> str:
        fields = [f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True)]
        return f"torch.return_types.{name}(\n" + ",\n".join(fields) + ")"

    def reduced(self: Any) -> tuple:  # pickle finds the class by its name, which this one has not
        return kind, tuple(self)

    body = {"__slots__": (), "__module__": "torch.return_types", "__doc__": kind.__doc__, "__repr__": text, "__reduce__": reduced}
    return type(name, (kind,), body)


class ValuesIndices(NamedTuple):
    """The result of ``max(x, dim)``, ``sort``, ``topk`` and similar ops: elements, and their indices along ``dim``."""

    values: Tensor
    indices: Tensor


class MinMax(NamedTuple):
    """The result of :func:`aminmax`."""

    min: Tensor
    max: Tensor
