"""Tensors put together from others: blocks, products and combinations of elements, parts written into a whole, memory read with strides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, batched, cast, get_default_dtype, known_as, linear_in, op, public, shape_of, sum_to, views, wrap
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import along, either, positive_dim, sizes_of, whole
from minigrad.ops.index import getitem, setitem
from minigrad.ops.shape import atleast_2d, cat, diagonal, meshgrid, movedim, ravel, split, stack, tensor_split
from minigrad.tree import array_of
from minigrad.types import Array, Operand, Size, Tensor

# ---------------------------------------------------------------------------------------- blocks, combinations


@known_as("BlockDiagBackward0")
def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with these matrices along its diagonal, zeros elsewhere: ``torch.block_diag``. A vector is a row.

    Raises ``ShapeError`` for more than 2 dimensions.

    >>> import minigrad as mg
    >>> mg.block_diag(mg.tensor([[1, 2], [3, 4]]), mg.tensor([5]))
    tensor([[1, 2, 0],
            [3, 4, 0],
            [0, 0, 5]])
    """
    if any(len(shape_of(t)) > 2 for t in tensors):
        raise ShapeError(f"block_diag: at most 2 dimensions are possible, not shapes {', '.join(str(shape_of(t)) for t in tensors)}")
    blocks: list[Any] = [atleast_2d(t) for t in tensors] or [wrap(np.zeros((1, 0), get_default_dtype()))]
    width = sum(shape_of(b)[1] for b in blocks)
    rows, left = [], 0
    for b in blocks:
        height, w = shape_of(b)
        before, behind = [np.zeros((height, n), np.bool_) for n in (left, width - left - w)]  # the least dtype: the blocks decide
        row: list[Any] = [before, b, behind]
        rows.append(cat(row, 1))
        left += w
    return cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of an element of each vector, one in a row: ``torch.cartesian_prod``. Of one vector, itself.

    >>> import minigrad as mg
    >>> mg.cartesian_prod(mg.tensor([1, 2]), mg.tensor([5, 6]))
    tensor([[1, 5],
            [1, 6],
            [2, 5],
            [2, 6]])
    """
    if not tensors or any(len(shape_of(t)) != 1 for t in tensors):
        raise ShapeError(f"cartesian_prod: vectors are needed, not shapes {', '.join(str(shape_of(t)) for t in tensors)}")
    return tensors[0] if len(tensors) == 1 else stack([ravel(t) for t in meshgrid(*tensors)], 1)


@known_as("StackBackward0")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to choose ``r`` elements of a vector in their order, one in a row: ``torch.combinations``.

    >>> import minigrad as mg
    >>> mg.combinations(mg.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    r = whole("combinations", "r", r, 0)
    if len(shape_of(input)) != 1:
        raise ShapeError(f"combinations: a vector is needed, not shape {shape_of(input)}")
    if r == 0:
        return getitem(input, index=(slice(0, 0), Ellipsis))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(shape_of(input)[0]), r)), np.intp).reshape(-1, r)
    return getitem(input, index=(places,))


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of the elements of a vector, one element in a row, the highest first: ``torch.vander``.

    Args:
        x: (n,).
        N: the number of powers, n by default.
        increasing: the lowest first.

    >>> import minigrad as mg
    >>> mg.vander(mg.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if len(shape_of(x)) != 1:
        raise ShapeError(f"vander: a vector is needed, not shape {shape_of(x)}")
    powers = np.arange(shape_of(x)[0] if N is None else whole("vander", "N", N, 0))
    x = x if x.dtype.kind == "f" else cast(x, dtype=np.int64)
    exponents = (powers if increasing else powers[::-1]).astype(x.dtype)
    return ew.pow(getitem(x, index=(Ellipsis, None)), exponents)


# -------------------------------------------------------------------------------------------------- in parts


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """:func:`minigrad.split` into parts of the given sizes: ``torch.split_with_sizes``."""
    return split(input, sizes_of(split_sizes), dim)


def _parts(name: str, input: Any, indices_or_sections: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    shape = shape_of(input)
    if len(shape) < least:
        raise ShapeError(f"{name}: at least {least} dimensions are needed, not shape {shape}")
    if hasattr(indices_or_sections, "__index__") and shape[dim] % max(int(indices_or_sections), 1):
        raise ShapeError(f"{name}: dimension {dim} of shape {shape} does not divide into {int(indices_or_sections)} equal parts")
    return tensor_split(input, indices_or_sections, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal parts, or parts between ``indices``, along the columns (of a vector, along itself): ``torch.hsplit``.

    Raises ``ShapeError`` where the size does not divide.

    >>> import minigrad as mg
    >>> mg.hsplit(mg.tensor([[1, 2], [3, 4]]), 2)
    (tensor([[1],
            [3]]), tensor([[2],
            [4]]))
    """
    return _parts("hsplit", input, indices_or_sections, 0 if len(shape_of(input)) == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """As :func:`hsplit`, along dimension 0 of at least 2: ``torch.vsplit``."""
    return _parts("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """As :func:`hsplit`, along dimension 2: ``torch.dsplit``."""
    return _parts("dsplit", input, indices_or_sections, 2, 3)


# --------------------------------------------------------------------------------------- written into a whole


def _written(name: str, input: Any, src: Any, index: tuple) -> Any:
    want = np.broadcast_to(0, shape_of(input))[index].shape
    if shape_of(src) != want:
        raise ShapeError(f"{name}: src has shape {shape_of(src)}, but the part of {shape_of(input)} that it replaces {want}")
    return setitem(input, src, index=index)


@known_as("SelectScatterBackward0")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """``input`` with ``src`` in place of ``input.select(dim, index)``: ``torch.select_scatter``.

    >>> import minigrad as mg
    >>> mg.select_scatter(mg.zeros(2, 2), mg.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    shape = shape_of(input)
    dim, index = positive_dim("select_scatter", dim, len(shape)), whole("select_scatter", "index", index)
    if not shape or not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select_scatter: index {index} is out of bounds for dimension {dim} of shape {shape}")
    return _written("select_scatter", input, src, (*along(dim, index), Ellipsis))


@known_as("SliceScatterBackward0")
def slice_scatter(input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """``input`` with ``src`` in place of the slice ``start:end:step`` along ``dim``: ``torch.slice_scatter``.

    >>> import minigrad as mg
    >>> mg.slice_scatter(mg.zeros(4), mg.ones(2), start=1, end=3)
    tensor([0., 1., 1., 0.])
    """
    dim = positive_dim("slice_scatter", dim, len(shape_of(input)))
    first, last = [None if n is None else whole("slice_scatter", what, n) for what, n in (("start", start), ("end", end))]
    part = slice(first, last, whole("slice_scatter", "step", step, 1))
    return _written("slice_scatter", input, src, (*along(dim, part), Ellipsis))


@known_as("DiagonalScatterBackward0")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """``input`` with ``src`` in place of ``input.diagonal(offset, dim1, dim2)``: ``torch.diagonal_scatter``.

    >>> import minigrad as mg
    >>> mg.diagonal_scatter(mg.zeros(2, 2), mg.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    offset = whole("diagonal_scatter", "offset", offset)
    want = shape_of(diagonal(array_of(input), offset, dim1, dim2))
    if shape_of(src) != want:
        raise ShapeError(f"diagonal_scatter: src has shape {shape_of(src)}, but the diagonal of {shape_of(input)} {want}")
    i = np.arange(want[-1])
    index = (i + max(-offset, 0), i + max(offset, 0))
    return movedim(setitem(movedim(input, (dim1, dim2), (0, 1)), movedim(src, -1, 0), index=index), (0, 1), (dim1, dim2))


def _places(size: Any, stride: Any, offset: int) -> np.ndarray:
    axes = [np.arange(n).reshape(-1, *[1] * (len(size) - 1 - d)) * s for d, (n, s) in enumerate(zip(size, stride, strict=True))]
    return np.broadcast_to(offset + sum(axes, np.zeros((), np.intp)), size)


@linear_in("x")
@batched(
    lambda run, x, shape, size, stride, offset: run(
        x, shape=(len(x), *shape), size=(len(x), *size), stride=(math.prod(shape), *stride), offset=offset
    )
)
@op(x=lambda g, size, stride, offset: _as_strided(g, size, stride, offset))
def _strided_add(x: Array, shape: Any, size: Any, stride: Any, offset: int) -> Array:
    """Zeros of ``shape`` with ``x`` added to the places that :func:`_as_strided` reads: its transpose."""
    out = np.zeros(math.prod(shape), x.dtype)
    np.add.at(out, _places(size, stride, offset), x)
    return out.reshape(shape)


@views
@linear_in("x")
@batched(lambda run, x, size, stride, offset: run(x, size=(len(x), *size), stride=(math.prod(x.shape[1:]), *stride), offset=offset))
@op(x=lambda g, x_shape, size, stride, offset: _strided_add(g, x_shape, size, stride, offset))
def _as_strided(x: Array, size: Any, stride: Any, offset: int) -> Array:
    flat = np.ascontiguousarray(x).reshape(-1)  # a gradient may be one number for all places, which reshape would leave as it is
    return np.lib.stride_tricks.as_strided(flat[offset:] if math.prod(size) else flat[:0], size, [s * x.itemsize for s in stride])


def as_strided(input: Tensor, size: Size, stride: Size, storage_offset: int | None = None) -> Tensor:
    """The elements of ``input``, in row-major order, read with other sizes and strides: ``torch.as_strided``.

    A view, whose gradient adds up where elements are read several times. (PyTorch counts in the memory behind the tensor: the same for a
    contiguous one that is no part of another.)
    Raises ``ShapeError`` for a place outside, for another number of strides than sizes, or if ``input`` is not contiguous.

    >>> import minigrad as mg
    >>> mg.as_strided(mg.arange(4), (3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    size, stride = sizes_of(size), sizes_of(stride)
    offset = whole("as_strided", "storage_offset", 0 if storage_offset is None else storage_offset, 0)
    if len(size) != len(stride) or min(size, default=0) < 0 or min(stride, default=0) < 0:
        raise ShapeError(f"as_strided: sizes {size} and strides {stride} must be as many, and not negative")
    if not array_of(input).flags.c_contiguous:
        raise ShapeError("as_strided: the tensor is not contiguous, so that its elements are not where strides count; use x.contiguous()")
    count = math.prod(shape_of(input))
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if math.prod(size) and last >= count:
        raise ShapeError(f"as_strided: sizes {size} with strides {stride} from {offset} reach element {last} of {count}")
    return _as_strided(input, size, stride, offset)


def sum_to_size(x: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """``x`` summed over dimensions until it has ``sizes``, which broadcast to its shape: ``torch.Tensor.sum_to_size``. Integers give int64.

    >>> import minigrad as mg
    >>> mg.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    wanted = sizes_of(either("sum_to_size", "size", sizes, size))
    if wanted == shape_of(x) and (wanted or x.dtype.kind == "f"):  # to no dimensions it is a sum, which has the dtype of one
        return x
    return sum_to(x if x.dtype.kind == "f" else cast(x, dtype=np.int64), wanted)


def unravel_index(indices: Operand, shape: Size) -> tuple[Tensor, ...]:
    """For each place in a flat tensor of ``shape`` its index along each dimension: ``torch.unravel_index``. int64.

    Raises ``ShapeError`` for a negative size; a place out of bounds counts on from the beginning, as in PyTorch.

    >>> import minigrad as mg
    >>> mg.unravel_index(mg.tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    shape = sizes_of(shape)
    if min(shape, default=0) < 0:
        raise ShapeError(f"unravel_index: a size cannot be negative: {shape}")
    if array_of(indices).dtype.kind not in "iu":
        raise TypeError(f"unravel_index: the indices must be integers, not {array_of(indices).dtype}")
    indices, found = cast(indices, dtype=np.int64), list[Any]()
    for n in reversed(shape):
        found.insert(0, ew.remainder(indices, n))
        indices = ew.floor_divide(indices, n)
    return tuple(found)


public(__name__)
