"""Ops that rearrange elements: reshaping, reordering dimensions, joining, splitting, repeating, padding, diagonals.

All are linear, so the gradient of each is its transpose, another op of this file: reshape/reshape, permute/inverse permute,
cat/split, stack/unbind, flip/flip, roll/roll back, pad/crop, diagonal/diagonal_put, unfold/unfold_add. The result is a view,
without a copy of elements, wherever numpy can make one.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from minigrad.engine import (
    ShapeError,
    TensorBase,
    batched,
    entitled,
    fitting,
    known_as,
    linear_in,
    memory_of,
    op,
    public,
    repeated,
    shape_of,
    tangent,
    titling,
    unnamed,
    views,
)
from minigrad.ops import signatures as like
from minigrad.ops.arguments import along, either, number, positive_dim, positive_dims, sizes_of, whole
from minigrad.ops.batching import along_dim, behind
from minigrad.ops.elementwise import clone
from minigrad.ops.index import getitem
from minigrad.tree import array_of, unwrapped
from minigrad.types import Array, Dims, Operand, Shape, Size, Tensor, called_as

# ----------------------------------------------------------------------------------------------- reshaping


def _reshape_samples(run, x, shape):
    shape, count = sizes_of(shape), math.prod(x.shape[1:])
    known = math.prod([s for s in shape if s != -1])
    return run(x, shape=(x.shape[0], *[count // known if s == -1 and known else s for s in shape]))


@views
@linear_in("input")
@batched(_reshape_samples)
@op(input=lambda g, input_shape: reshape(g, input_shape))
def reshape(input: Array, shape: Size) -> Array:
    """The elements in row-major order in another shape: ``torch.reshape``. A view if the strides allow it.

    Args:
        input: any shape.
        shape: sizes with the same product; one may be -1 and is then computed from the others.

    Raises ``ShapeError`` if the number of elements differs.

    >>> import minigrad as mg
    >>> mg.reshape(mg.tensor([1, 2, 3, 4]), (2, -1))
    tensor([[1, 2],
            [3, 4]])
    """
    shape = sizes_of(shape)
    try:
        out = input.reshape(shape)
        if out.shape != shape and min(shape) < -1:
            raise ValueError  # numpy treats any negative size as -1
        return out
    except ValueError:
        advice = ": only one size may be -1" if shape.count(-1) > 1 else ""
        raise ShapeError(f"reshape: shape {input.shape} with {input.size} elements does not fit into {shape}{advice}") from None


def view(x: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """:func:`reshape` that never copies: ``torch.Tensor.view``.

    Raises ``ShapeError`` if the strides require a copy (for example after a transpose); ``reshape`` copies then.
    """
    shape = either("view", "size", sizes, size)
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list, np.integer, TensorBase)):
        raise TypeError(f"view: sizes must be ints, not {shape[0]!r}; another dtype is given by x.to(dtype)")
    y = reshape(x, sizes_of(shape))
    before = unwrapped(x)
    if not before.flags.c_contiguous and before.size and not np.may_share_memory(memory_of(before), memory_of(unwrapped(y))):
        raise ShapeError(f"view: shape {sizes_of(shape)} needs a copy of shape {before.shape} with strides {before.strides}; use reshape")
    return y


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """:func:`view` in the shape of ``other``: ``torch.Tensor.view_as``."""
    return view(x, other.shape)


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """:func:`reshape` to the shape of ``other``: ``torch.Tensor.reshape_as``."""
    return reshape(x, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """``input`` with dimensions ``start_dim`` to ``end_dim`` (inclusive) merged into one: ``torch.flatten``. A 0-d tensor becomes 1-d.

    >>> import minigrad as mg
    >>> mg.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    shape = shape_of(input)
    start, end = positive_dim("flatten", start_dim, len(shape)), positive_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension: ``torch.ravel``."""
    return reshape(input, (math.prod(shape_of(input)),))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """``input`` with dimension ``dim`` split into several, of ``sizes`` (one may be -1): ``torch.unflatten``."""
    shape = shape_of(input)
    dim = positive_dim("unflatten", dim, len(shape))
    sizes = sizes_of(sizes)
    if not sizes:
        raise ShapeError("unflatten: sizes must not be empty")
    known = math.prod(s for s in sizes if s != -1)
    if -1 in sizes:
        sizes = tuple([shape[dim] // (known or 1) if s == -1 else s for s in sizes])
    if math.prod(sizes) != shape[dim]:
        raise ShapeError(f"unflatten: sizes {sizes} do not multiply to {shape[dim]}, the size of dimension {dim} of {shape}")
    return reshape(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))


def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """``input`` without its dimensions of size 1; with ``dim`` (an int or a tuple) only those are removed: ``torch.squeeze``."""
    shape = shape_of(input)
    if dim is None:
        return _squeezed_all(reshape(input, tuple([s for s in shape if s != 1])))
    if type(dim) is int and -len(shape) <= dim < len(shape):  # the quick way
        return _squeezed(reshape(input, (*shape[:dim], *shape[dim + 1 or len(shape) :]) if shape[dim] == 1 else shape))
    dims = positive_dims("squeeze", dim, len(shape))
    named = _squeezed_several if isinstance(dim, (tuple, list)) else _squeezed
    return named(reshape(input, tuple([s for i, s in enumerate(shape) if s != 1 or i not in dims])))


_squeezed_all, _squeezed, _squeezed_several = [titling(f"SqueezeBackward{i}") for i in range(3)]


@known_as("UnsqueezeBackward0")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """``input`` with a new dimension of size 1 at ``dim``: ``torch.unsqueeze``. -1 appends it at the end."""
    shape = shape_of(input)
    n = len(shape) + 1
    dim = dim % n if type(dim) is int and -n <= dim < n else positive_dim("unsqueeze", dim, n)
    return reshape(input, shape[:dim] + (1,) + shape[dim:])  # it takes half the time


# ------------------------------------------------------------------------------------- reordering dimensions


@views
@linear_in("input")
@batched(lambda run, x, dims: run(x, dims=(0, *behind(sizes_of(dims), x.ndim - 1)) if x.ndim > 1 else (0,)))
@op(input=lambda g, dims: permute(g, _inverse(dims)))
def permute(input: Array, dims: Size) -> Array:
    """Dimension ``i`` of the result is dimension ``dims[i]`` of ``input``: ``torch.permute``. A view.

    Raises ``ShapeError`` unless ``dims`` names each dimension once, ``IndexError`` for one out of range.

    >>> import minigrad as mg
    >>> mg.permute(mg.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    if type(dims) is tuple and len(dims) == input.ndim:
        try:
            return input.transpose(dims)
        except (TypeError, ValueError):
            pass  # for the words below
    if len(sizes_of(dims)) != input.ndim:
        raise ShapeError(f"permute: dims {sizes_of(dims)} do not name the {input.ndim} dimensions of shape {input.shape}")
    return input.transpose(positive_dims("permute", dims, input.ndim))


def _inverse(dims: Any) -> tuple[int, ...]:
    dims = sizes_of(dims)
    place = [0] * len(dims)
    for i, d in enumerate(dims):
        place[d] = i
    return tuple(place)


@views
@linear_in("input")
@batched(lambda run, x, dim0, dim1: run(x, dim0=behind(dim0, x.ndim - 1), dim1=behind(dim1, x.ndim - 1)) if x.ndim > 1 else x)
@op(input=lambda g, dim0, dim1: transpose(g, dim0, dim1))
def transpose(input: Array, dim0: int, dim1: int) -> Array:
    """``input`` with two dimensions swapped: ``torch.transpose``. A view.

    >>> import minigrad as mg
    >>> mg.zeros(2, 3, 4).transpose(0, -1).shape
    torch.Size([4, 3, 2])
    """
    if type(dim0) is int and type(dim1) is int and -input.ndim <= dim0 < input.ndim > dim1 >= -input.ndim:
        return input.swapaxes(dim0, dim1)
    dim0, dim1 = positive_dim("transpose", dim0, input.ndim), positive_dim("transpose", dim1, input.ndim)
    return input.swapaxes(dim0, dim1) if input.ndim else input.view()


swapaxes = swapdims = transpose


def movedim(input: Tensor, source: Size, destination: Size) -> Tensor:
    """``input`` with dimensions ``source`` moved to positions ``destination``; the others keep their order: ``torch.movedim``."""
    n = len(shape_of(input))
    source, destination = positive_dims("movedim", source, n), positive_dims("movedim", destination, n)
    if len(source) != len(destination):
        raise ShapeError(f"movedim: {len(source)} source dims but {len(destination)} destination dims")
    if not n:
        return permute(input, ())
    rest = iter([d for d in range(n) if d not in source])
    goes = dict(zip(destination, source, strict=True))
    return permute(input, tuple([goes[d] if d in goes else next(rest) for d in range(n)]))


moveaxis = movedim


@known_as("TBackward0")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or 0-d tensor is returned unchanged: ``torch.t``."""
    n = len(shape_of(input))
    if n > 2:
        raise ShapeError(f"t: a tensor of at most 2 dimensions is needed, not of shape {shape_of(input)}")
    return permute(input, (1, 0) if n == 2 else tuple(range(n)))


def reverse_dims(x: Tensor) -> Tensor:
    """``input`` with its dimensions in reverse order: ``torch.Tensor.T``."""
    return permute(x, tuple(range(len(shape_of(x))))[::-1])


def matrix_transpose(x: Tensor) -> Tensor:
    """``input`` with its last two dimensions swapped: ``torch.Tensor.mT``."""
    if len(shape_of(x)) < 2:
        raise ShapeError(f"mT: matrices are needed, not a tensor of shape {shape_of(x)}")
    return transpose(x, -2, -1)


@linear_in("input")
@batched(lambda run, x, dims: run(x, dims=behind(sizes_of(dims), x.ndim - 1) if x.ndim > 1 and sizes_of(dims) else ()))
@op(input=lambda g, dims: flip(g, dims))
def flip(input: Array, dims: Size) -> Array:
    """The elements in reverse order along ``dims``: ``torch.flip``. A copy.

    >>> import minigrad as mg
    >>> mg.flip(mg.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    axes = positive_dims("flip", dims, input.ndim)
    return np.flip(input, axes).copy() if input.ndim else input.copy()


def fliplr(input: Tensor) -> Tensor:
    """The elements in reverse order along dimension 1: ``torch.fliplr``."""
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """The elements in reverse order along dimension 0: ``torch.flipud``."""
    if not shape_of(input):
        raise ShapeError("flipud: a tensor of at least 1 dimension is needed, not a 0-d one")
    return flip(input, (0,))


@known_as("Rot90Backward0")
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """``input`` rotated by 90 degrees ``k`` times, from ``dims[0]`` towards ``dims[1]``: ``torch.rot90``."""
    k = whole("rot90", "k", k)
    dims = positive_dims("rot90", dims, len(shape_of(input)))
    if len(dims) != 2:
        raise ShapeError(f"rot90: two dims span the plane of rotation, not {len(dims)}")
    if k % 4 == 2:
        return flip(input, dims)
    if k % 4 == 1:
        return transpose(flip(input, dims[1:]), *dims)
    return transpose(flip(input, dims[:1]), *dims) if k % 4 else flip(input, ())


def _roll_back(g, shifts, dims):
    return roll(g, tuple([-s for s in sizes_of(shifts)]), dims)


def _roll_samples(run, x, shifts, dims):
    if dims is None or dims == ():
        return run(x.reshape((x.shape[0], math.prod(x.shape[1:]))), shifts=shifts, dims=(1,)).reshape(x.shape)
    return run(x, shifts=shifts, dims=behind(sizes_of(dims), x.ndim - 1))


@linear_in("input")
@batched(_roll_samples)
@op(input=_roll_back)
def roll(input: Array, shifts: Size, dims: Dims = None) -> Array:
    """The elements shifted cyclically by ``shifts`` along ``dims``: ``torch.roll``.

    Without ``dims`` the flattened tensor is shifted. Raises ``ShapeError`` unless there is one shift per dim.

    >>> import minigrad as mg
    >>> mg.roll(mg.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    shifts = sizes_of(shifts)
    if not shifts:
        raise ShapeError("roll: shifts is empty: say by how many places to move")
    if dims is not None and dims != ():
        if not input.ndim:
            raise IndexError(f"roll: a 0-d tensor has no dim {dims}")
        dims = tuple([positive_dim("roll", d, input.ndim) for d in sizes_of(dims)])
    elif len(shifts) == 1:
        return np.roll(input, shifts[0])
    if len(shifts) != len(dims or ()):
        raise ShapeError(f"roll: {len(shifts)} shifts but {len(dims or ())} dims")
    return np.roll(input, shifts, dims)


# ------------------------------------------------------------------------------------ broadcasting, repeating


def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """A view with dimensions of size 1 broadcast to other sizes; new ones come first: ``torch.Tensor.expand``. -1 keeps a size.

    >>> import minigrad as mg
    >>> mg.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    shape, sizes = shape_of(input), sizes_of(either("expand", "size", sizes, size))
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise ShapeError(f"expand: sizes {sizes} are fewer than the dimensions of shape {shape}")
    target = tuple([shape[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes)])
    if -1 in target:
        raise ShapeError(f"expand: -1 in {sizes} is the size of a new dimension, and shape {shape} has no such dimension to keep")
    for have, want in zip(shape, target[lead:], strict=True):
        if have not in (1, want):
            raise ShapeError(f"expand: shape {shape} does not expand to {sizes}: sizes must be equal, or 1 in the tensor")
    return fitting.broadcast_to(input, shape=target)


def broadcast_to(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """:func:`expand` under numpy's name: ``torch.broadcast_to``. The sizes come one by one or as one sequence."""
    return expand(input, *sizes, size=size)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """:func:`expand` to the shape of ``other``: ``torch.Tensor.expand_as``."""
    return expand(x, other.shape)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that all ``shapes`` broadcast to: ``torch.broadcast_shapes``. Raises ``ShapeError`` if there is none."""
    try:
        return Shape(np.broadcast_shapes(*map(sizes_of, shapes)))
    except ValueError:
        raise ShapeError(
            f"broadcast_shapes: {' and '.join(map(str, shapes))} do not broadcast: aligned at the last dimension, sizes must be equal or 1"
        ) from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of all ``tensors``, broadcast to one shape: ``torch.broadcast_tensors``."""
    shape = broadcast_shapes(*map(shape_of, tensors))
    return tuple([fitting.broadcast_to(t, shape=shape) for t in tensors])


def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid, a tensor per axis: ``torch.meshgrid``.

    Args:
        tensors: vectors (or numbers), one per axis, or one sequence of them.
        indexing: ``"ij"``: the first vector varies along dimension 0; ``"xy"``: along dimension 1.

    >>> import minigrad as mg
    >>> y, x = mg.meshgrid(mg.tensor([1, 2]), mg.tensor([3, 4, 5]))
    >>> x
    tensor([[3, 4, 5],
            [3, 4, 5]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', not {indexing!r}")
    if any(len(shape_of(v)) > 1 for v in tensors):
        raise ShapeError(f"meshgrid: vectors are needed, not shapes {', '.join(str(shape_of(v)) for v in tensors)}")
    n = len(tensors)
    place = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    aligned = [reshape(v, (*[1] * p, -1 if shape_of(v) != (0,) else 0, *[1] * (n - 1 - p))) for v, p in zip(tensors, place, strict=True)]
    return broadcast_tensors(*aligned)


@known_as("RepeatBackward0")
def repeat(x: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """``x`` repeated ``sizes[i]`` times along dimension ``i``: ``torch.Tensor.repeat``.

    If there are more numbers than dimensions, leading dimensions are added.

    >>> import minigrad as mg
    >>> mg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    shape, times = shape_of(x), sizes_of(either("repeat", "repeats", sizes, repeats))
    if len(times) < len(shape) or any(n < 0 for n in times):
        raise ShapeError(f"repeat: {times} must hold a number >= 0 for each dimension of shape {shape}")
    shape = (1,) * (len(times) - len(shape)) + shape
    apart = [n for s in shape for n in (1, s)]  # 1 s0 1 s1 ...
    together = [n for pair in zip(times, shape, strict=True) for n in pair]  # r0 s0 r1 s1 ...
    spread = clone(fitting.broadcast_to(reshape(x, tuple(apart)), shape=tuple(together)))  # where all s are 1, reshape alone would not copy
    return reshape(spread, tuple([r * s for r, s in zip(times, shape, strict=True)]))


@known_as("RepeatBackward0")
def tile(input: Tensor, *sizes: Any, dims: Any = None) -> Tensor:
    """:func:`repeat` that also accepts fewer numbers than dimensions, for the last dimensions: ``torch.tile``."""
    times = sizes_of(either("tile", "dims", sizes, dims))
    return repeat(input, (1,) * (len(shape_of(input)) - len(times)) + times)


def repeat_interleave(input: Tensor, repeats: Operand, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element repeated, with its copies next to each other, along ``dim`` or flattened: ``torch.repeat_interleave``.

    Args:
        input: any shape.
        repeats: an int, or a vector of ints with one for each element along ``dim``.
        dim: the dimension; None flattens ``input`` first.
        output_size: the size that the dimension will have, if it is known. Raises ``ShapeError`` where it is another.

    >>> import minigrad as mg
    >>> mg.repeat_interleave(mg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if dim is None:
        input, dim = ravel(input), 0
    shape = shape_of(input)
    dim = positive_dim("repeat_interleave", dim, len(shape))
    counts = np.asarray(array_of(repeats))
    if counts.dtype.kind not in "iu":
        raise TypeError(f"repeat_interleave: repeats must be integers, not {counts.dtype.name}")
    if counts.size and counts.min() < 0:
        raise ShapeError("repeat_interleave: repeats must not be negative")
    if counts.ndim > 1 or counts.size not in (1, shape[dim]):
        raise ShapeError(f"repeat_interleave: repeats of shape {counts.shape} for the {shape[dim]} elements of dimension {dim} of {shape}")
    total = int(counts.sum()) if counts.size != 1 else int(counts.item()) * shape[dim]
    if output_size not in (None, total):
        raise ShapeError(f"repeat_interleave: output_size is {output_size}, but repeats ask for {total}")
    if counts.size == 1:
        n = int(counts.item())
        spread = fitting.broadcast_to(unsqueeze(input, dim + 1), shape=(*shape[: dim + 1], n, *shape[dim + 1 :]))
        return reshape(clone(spread), (*shape[:dim], shape[dim] * n, *shape[dim + 1 :]))
    return getitem(input, index=along(dim, np.repeat(np.arange(shape[dim]), counts)))


# ----------------------------------------------------------------------------------------- joining, splitting


def _cat_xs(g, xs_shape, dim):
    gradients, start = [], 0
    for shape in xs_shape:
        if shape == (0,) and len(g.shape) != 1:
            gradients.append(reshape(getitem(g, index=(slice(0), Ellipsis)), shape))  # an empty vector, which can be joined with any tensor
            continue
        axis = dim % len(shape)
        gradients.append(getitem(g, index=along(axis, slice(start, start + shape[axis]))))
        start += shape[axis]
    return gradients


def _cat_xs_forward(t, xs_shape, dim):
    return _cat(*[np.zeros(shape) if x is None else x for x, shape in zip(t, xs_shape, strict=True)], dim=dim)


def _cat_samples(run, *xs, dim):
    sized = [x for x in xs if x.shape[1:] != (0,)] or xs  # an empty vector can be joined with any tensor
    return run(*[repeated(x, run.size) for x in sized], dim=behind(dim, sized[0].ndim - 1))


@tangent(xs=_cat_xs_forward)
@batched(_cat_samples)
@op(xs=_cat_xs)
def _cat(*xs: Array, dim: int) -> Array:
    try:
        return np.concatenate(xs, operator.index(dim))  # nearly always
    except (ValueError, TypeError, OverflowError):
        pass
    if not xs:
        raise ShapeError("cat: at least one tensor is needed")
    arrays = [np.asarray(x) for x in xs]
    sized = [a for a in arrays if a.shape != (0,)]  # as in PyTorch, an empty vector can be joined with any tensor
    if not sized:
        return np.zeros(0, np.result_type(*arrays))
    shape = sized[0].shape
    if not all(a.ndim for a in sized):
        raise ShapeError("cat: a 0-d tensor cannot be joined; use stack")
    axis = positive_dim("cat", dim, len(shape))
    for a in sized:
        if a.ndim != len(shape) or (a.shape[:axis], a.shape[axis + 1 :]) != (shape[:axis], shape[axis + 1 :]):
            raise ShapeError(f"cat: shapes {shape} and {a.shape} do not fit: sizes must be equal except in dimension {axis}")
    return np.concatenate(sized, axis=axis, dtype=np.result_type(*arrays))


def _several(name: str, tensors: Any) -> Any:
    if isinstance(tensors, TensorBase):  # its rows are Tensors too, but who passes it has forgotten the brackets
        raise TypeError(f"{name}: a list of Tensors is needed, not a Tensor: {name}([a, b])")
    return tensors


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along dimension ``dim``: ``torch.cat``. The other sizes must be equal.

    >>> import minigrad as mg
    >>> mg.cat([mg.tensor([1, 2]), mg.tensor([3])])
    tensor([1, 2, 3])
    """
    return _cat(*_several("cat", tensors), dim=dim)


concat = concatenate = cat


def _stack_xs_forward(t, dim):
    known = next(x for x in t if x is not None)
    return _stack(*[np.zeros(known.shape, known.dtype) if x is None else x for x in t], dim=dim)


@tangent(xs=_stack_xs_forward)
@batched(lambda run, *xs, dim: run(*[repeated(x, run.size) for x in xs], dim=positive_dim("stack", dim, xs[0].ndim) + 1))
@op(xs=lambda g, dim: _unbind(g, dim))
def _stack(*xs: Array, dim: int) -> Array:
    if not xs:
        raise ShapeError("stack: at least one tensor is needed")
    arrays = [x if type(x) is np.ndarray else np.asarray(x) for x in xs]
    shape = arrays[0].shape
    try:
        axis = positive_dim("stack", dim, len(shape) + 1)
        new = (*[slice(None)] * axis, None)
        return np.concatenate([x[new] for x in arrays], axis)  # what np.stack does, in half the time for few numbers
    except (ValueError, IndexError, TypeError):
        for i, x in enumerate(arrays):
            if x.shape != shape:
                raise ShapeError(f"stack: tensor {i} has shape {x.shape}, the first has {shape}; they must be equal") from None
        raise


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension ``dim``: ``torch.stack``.

    >>> import minigrad as mg
    >>> mg.stack([mg.tensor([1, 2]), mg.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    return _stack(*_several("stack", tensors), dim=dim)


@called_as(like.several)
@views
@linear_in("x")
@batched(along_dim())
@op(x=lambda g, dim: _stack(*g, dim=dim))
def _unbind(x: Array, dim: int) -> Array:
    before = along(dim % x.ndim, slice(None))[:-1]
    return tuple([x[(*before, i, ...)] for i in range(x.shape[dim])])


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along ``dim``, without that dimension: ``torch.unbind``. Views."""
    shape = shape_of(input)
    if not shape:
        raise IndexError("unbind: a 0-d tensor has no dimension to unbind")
    dim = positive_dim("unbind", dim, len(shape))
    return _unbind(input, dim) if shape[dim] else ()


@called_as(like.several)
@views
@linear_in("x")
@batched(along_dim())
@op(x=lambda g, dim: _cat(*g, dim=dim))
def _split(x: Array, sizes: Any, dim: int) -> Array:
    ends = list(itertools.accumulate(sizes))
    return tuple([x[along(dim, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True)])


CAT, UNBIND, SPLIT = _cat.op, _unbind.op, _split.op  # type: ignore[attr-defined]  # behind the functions of these names


def split(tensor: Tensor, split_size_or_sections: Size, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``, each of a given size (the last may be smaller), or of given sizes: ``torch.split``. Views.

    Raises ``ShapeError`` if the sizes do not add up to the dimension.

    >>> import minigrad as mg
    >>> mg.split(mg.tensor([1, 2, 3]), 2)
    (tensor([1, 2]), tensor([3]))
    """
    shape = shape_of(tensor)
    if not shape:
        raise ShapeError("split: a 0-d tensor has no dimension to split")
    dim = positive_dim("split", dim, len(shape))
    n, given = shape[dim], split_size_or_sections
    if isinstance(given, (tuple, list)):
        sizes = sizes_of(given)
        if sum(sizes) != n or any(size < 0 for size in sizes):
            raise ShapeError(f"split: sizes {sizes} do not add up to {n}, the size of dimension {dim} of {shape}")
        return _split(tensor, sizes, dim) if sizes else ()
    size = operator.index(given)  # type: ignore[arg-type]  # raises TypeError
    if size < 0 or (size == 0 and n):
        raise ShapeError(f"split: the size of a part must be positive, not {size}")
    full = [size] * (n // size) if size else []
    return _split(tensor, (*full, n - sum(full)) if n - sum(full) or not full else tuple(full), dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts along ``dim``, all of one size but the last: ``torch.chunk``. Views."""
    shape = shape_of(input)
    if not shape:
        raise ShapeError("chunk: a 0-d tensor has no dimension to split")
    chunks = whole("chunk", "chunks", chunks, 1)
    n = shape[positive_dim("chunk", dim, len(shape))]
    return split(input, -(-n // chunks), dim) if n else split(input, [0] * chunks, dim)


@known_as("SliceBackward0")
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along ``dim``, split at given positions, or a given number of nearly equal size: ``torch.tensor_split``. Views."""
    shape, cuts = shape_of(input), indices_or_sections
    if not shape:
        raise ShapeError("tensor_split: a 0-d tensor has no dimension to split")
    dim = positive_dim("tensor_split", dim, len(shape))
    n = shape[dim]
    if isinstance(cuts, TensorBase):
        cuts = cuts._data.tolist()
    if isinstance(cuts, (tuple, list)):
        edges = [0, *sizes_of(cuts), None]
        return tuple([getitem(input, index=along(dim, slice(a, b))) for a, b in itertools.pairwise(edges)])
    sections = operator.index(cuts)
    if sections < 1:
        raise ValueError(f"tensor_split: the number of sections must be positive, not {sections}")
    return _split(input, tuple([n // sections + (i < n % sections) for i in range(sections)]), dim)


def narrow(input: Tensor, dim: int, start: SupportsIndex, length: int) -> Tensor:
    """``length`` elements along ``dim`` from ``start`` on: ``torch.narrow``. A view.

    Raises ``ShapeError`` if they are not all in the dimension.
    """
    shape = shape_of(input)
    if not shape:
        raise ShapeError("narrow: a 0-d tensor has no dimension to narrow")
    dim = positive_dim("narrow", dim, len(shape))
    place, length, n = whole("narrow", "start", start), whole("narrow", "length", length), shape[dim]
    first = place + n if place < 0 else place
    if not 0 <= first <= first + length <= n:
        raise ShapeError(f"narrow: start {place} and length {length} do not lie within the {n} elements of dimension {dim} of {shape}")
    return getitem(input, index=along(dim, slice(first, first + length)))


def select(input: Tensor, dim: int, index: SupportsIndex) -> Tensor:
    """Slice ``index`` along ``dim``, without that dimension: ``torch.select``. A view."""
    shape = shape_of(input)
    if not shape:
        raise IndexError("select: a 0-d tensor has no dimension to select from")
    return getitem(input, index=along(positive_dim("select", dim, len(shape)), operator.index(index)))


def _each(function: Any, tensors: tuple) -> Any:
    """The result of a function of one tensor, or a tuple of results for several: the atleast functions accept both."""
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return function(tensors[0])
    return tuple([function(x) for x in (tensors[0] if len(tensors) == 1 else tensors)])


@called_as(like.at_least)
def atleast_1d(*tensors: Any) -> Any:
    """``tensors`` with at least one dimension: ``torch.atleast_1d``. Several tensors give a tuple."""
    return _each(lambda x: x if len(shape_of(x)) else reshape(x, (1,)), tensors)


@called_as(like.at_least)
def atleast_2d(*tensors: Any) -> Any:
    """``tensors`` with at least two dimensions; new ones come first: ``torch.atleast_2d``. Several tensors give a tuple."""
    return _each(lambda x: x if len(shape_of(x)) > 1 else reshape(x, (1, math.prod(shape_of(x)))), tensors)


@called_as(like.at_least)
def atleast_3d(*tensors: Any) -> Any:
    """``tensors`` with at least three dimensions: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1): ``torch.atleast_3d``."""

    def grown(x: Any) -> Any:
        return x if len(shape_of(x)) > 2 else unsqueeze(atleast_2d(x), 2)

    return _each(grown, tensors)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors joined along dimension 1, vectors along dimension 0: ``torch.hstack``."""
    grown = atleast_1d(list(tensors))
    return cat(grown, 0 if grown and len(shape_of(grown[0])) == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors joined along dimension 0, vectors as rows: ``torch.vstack``."""
    return cat(atleast_2d(list(tensors)), 0)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors joined along dimension 1, vectors as columns: ``torch.column_stack``."""
    return cat([reshape(x, (-1, 1)) if len(shape_of(x)) < 2 else x for x in tensors], 1)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors joined along dimension 2: ``torch.dstack``."""
    return cat(atleast_3d(list(tensors)), 2)


# ----------------------------------------------------------------------------------------------------- padding


@unnamed
@tangent(x=lambda t, widths: pad_constant(t, widths))
@batched(lambda run, x, widths, value: run(x, widths=((0, 0), *widths), value=value))
@op(x=lambda g, widths: crop(g, widths))
def pad_constant(x: Array, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """``x`` padded with ``value``: ``widths`` has a pair (before, after) >= 0 per dimension. Transpose of :func:`crop`."""
    sizes = [s + a + b for s, (a, b) in zip(x.shape, widths, strict=True)]
    out = np.full(sizes, value, x.dtype) if value else np.zeros(sizes, x.dtype)
    out[tuple([slice(a, a + s) for s, (a, _) in zip(x.shape, widths, strict=True)])] = x
    return out


@linear_in("x")
@batched(lambda run, x, widths: run(x, widths=((0, 0), *widths)))
@op(x=lambda g, widths: pad_constant(g, widths))
def crop(x: Array, widths: Sequence[tuple[int, int]]) -> Array:
    """``x`` cropped by ``widths``, a pair (before, after) per dimension. A view. Transpose of :func:`pad_constant`."""
    return x[tuple([slice(a, s - b) for s, (a, b) in zip(x.shape, widths, strict=True)])]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """``input`` padded at both ends of its last dimensions: ``torch.nn.functional.pad``.

    Args:
        input: any shape.
        pad: pairs (before, after), the first for the last dimension, the second for the one before it, ... A negative
            number removes elements.
        mode: ``"constant"``, ``"reflect"`` (without repeating the edge), ``"replicate"`` (the edge) or ``"circular"``.
        value: the value of the new elements in mode ``"constant"`` (0 by default).

    Raises ``ShapeError`` if ``pad`` has an odd length or more pairs than there are dimensions, or if the padding does not fit.

    >>> import minigrad as mg
    >>> from minigrad.ops import shape
    >>> shape.pad(mg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> shape.pad(mg.tensor([1, 2, 3]), (2, 1), mode="reflect")
    tensor([3, 2, 1, 2, 3, 2])
    """
    shape, pads = shape_of(input), sizes_of(pad)
    if len(pads) % 2 or len(pads) > 2 * len(shape):
        raise ShapeError(f"pad: {pads} must hold a pair (before, after) for each of at most {len(shape)} dimensions of shape {shape}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: unknown mode {mode!r}; there are constant, reflect, replicate and circular")
    if mode != "constant" and value:
        raise ValueError(f"pad: value={value} has no meaning in mode {mode!r}")
    shrunk, grown, cropped = _widths(shape, pads)
    first = mode in ("constant", "circular")  # the other modes pad before they crop, as in PyTorch
    if cropped and first:
        input = crop(input, shrunk)
        if not any(side for pair in grown for side in pair):
            return entitled(input, "ConstantPadNdBackward0")
    if mode == "constant":
        return pad_constant(input, grown, 0.0 if value is None else number("pad", "value", value))
    for d, pair in enumerate(grown):
        if pair != (0, 0):
            input = _pad_dim(input, d, *pair, mode)
    padded = crop(input, shrunk) if cropped and not first else input
    if pads and mode != "circular":
        entitled(padded, f"{'Reflection' if mode == 'reflect' else 'Replication'}Pad{len(pads) // 2}DBackward0")
    return padded


@functools.lru_cache(maxsize=1024)
def _widths(shape: tuple[int, ...], pads: tuple[int, ...]) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], bool]:
    """How much is taken away and how much is added, a pair (before, after) for each dimension; and whether anything is taken away."""
    widths = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    widths = [(0, 0)] * (len(shape) - len(widths)) + widths[::-1]
    for d, (s, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        if s + before + after < 0 or min(before, 0) + min(after, 0) + s < 0:
            raise ShapeError(f"pad: {(before, after)} takes away more than the {s} elements of dimension {d} of shape {shape}")
    shrunk = tuple([(max(-a, 0), max(-b, 0)) for a, b in widths])
    return shrunk, tuple([(max(a, 0), max(b, 0)) for a, b in widths]), any(side for pair in shrunk for side in pair)


def _pad_dim(x: Any, dim: int, before: int, after: int, mode: str) -> Any:
    size = shape_of(x)[dim]
    limit = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
    if max(before, after) > limit:
        raise ShapeError(f"pad: {mode} adds at most {limit} elements at a side of dimension {dim} of {shape_of(x)}, not {(before, after)}")

    def part(start: int, stop: int, step: int = 1) -> Any:
        return getitem(x, index=along(dim, slice(start, stop if stop >= 0 else None, step)))

    if mode == "reflect":
        left = part(before, 0, -1)
        right = getitem(x, index=along(dim, slice(-2, -2 - after, -1)))  # counted from the end, which is right for all sizes
    elif mode == "circular":
        left, right = part(size - before, size), part(0, after)
    else:
        shape = list(shape_of(x))
        shape[dim] = before
        left = fitting.broadcast_to(part(0, 1), shape=tuple(shape))
        shape[dim] = after
        right = fitting.broadcast_to(part(size - 1, size), shape=tuple(shape))
    return _cat(*([left] if before else []), x, *([right] if after else []), dim=dim)


# ---------------------------------------------------------------------------------------- diagonals, triangles


@views
@linear_in("input")
@batched(lambda run, x, offset, dim1, dim2: run(x, offset=offset, dim1=behind(dim1, x.ndim - 1), dim2=behind(dim2, x.ndim - 1)))
@op(input=lambda g, input_shape, offset, dim1, dim2: diagonal_put(g, input_shape, offset, dim1, dim2))
def diagonal(input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The diagonal of the matrices in dimensions ``dim1`` and ``dim2``, as the last dimension: ``torch.diagonal``. A view.

    Args:
        input: at least 2 dimensions.
        offset: the distance above the main diagonal (below if negative).
        dim1, dim2: the dimensions of the rows and of the columns.

    >>> import minigrad as mg
    >>> mg.diagonal(mg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return np.diagonal(input, offset, *_plane("diagonal", dim1, dim2, input.ndim))


def _diagonal_put_samples(run, g, shape, offset, dim1, dim2):
    dims = {"dim1": behind(dim1, len(shape)), "dim2": behind(dim2, len(shape))}
    return run(g, shape=(g.shape[0], *shape), offset=offset, **dims)


def _triangles(run, x, diagonal):
    return run(x if x.ndim > 2 else x[0], diagonal=diagonal)  # a vector is refused


@unnamed
@linear_in("g_")
@batched(_diagonal_put_samples)
@op(g_=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2))
def diagonal_put(g_: Array, shape: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """Zeros of ``shape`` with ``g_`` on a diagonal. The transpose of :func:`diagonal`."""
    out = np.zeros(shape, g_.dtype)
    i = np.arange(g_.shape[-1])
    np.moveaxis(out, (dim1, dim2), (-2, -1))[..., i + max(-offset, 0), i + max(offset, 0)] = g_
    return out


def _plane(name: str, dim1: int, dim2: int, ndim: int) -> tuple[int, int]:
    a, b = positive_dim(name, dim1, ndim), positive_dim(name, dim2, ndim)
    if a == b:
        raise ShapeError(f"{name}: the matrices need two different dims, not {dim1} and {dim2} of {ndim} dimensions")
    return a, b


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices with the last dimension of ``input`` on their diagonals: ``torch.diag_embed``.

    >>> import minigrad as mg
    >>> mg.diag_embed(mg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    shape = shape_of(input)
    dims = _plane("diag_embed", dim1, dim2, len(shape) + 1)
    if not shape:
        raise ShapeError("diag_embed: at least 1 dimension is needed")
    side = shape[-1] + abs(offset)
    batch = iter(shape[:-1])
    return diagonal_put(input, tuple([side if d in dims else next(batch) for d in range(len(shape) + 1)]), offset, *dims)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal: ``torch.diag``."""
    n = len(shape_of(input))
    if n not in (1, 2):
        raise ShapeError(f"diag: a vector or a matrix is needed, not shape {shape_of(input)}")
    return (
        entitled(clone(_diagonal(input, diagonal)), "DiagonalBackward0_copy") if n == 2 else diag_embed(input, diagonal)
    )  # a copy, as diag_embed makes one


_diagonal = diagonal  # for functions with a parameter `diagonal`


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The square matrix with all elements of ``input`` on its diagonal: ``torch.diagflat``."""
    return diag_embed(ravel(input), offset)


@linear_in("input")
@batched(_triangles)
@op(input=lambda g, diagonal: tril(g, diagonal))
def tril(input: Array, diagonal: int = 0) -> Array:
    """``input`` with zeros above a diagonal of each matrix: ``torch.tril``.

    >>> import minigrad as mg
    >>> mg.tril(mg.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    _matrices("tril", input)
    return np.tril(input, whole("tril", "diagonal", diagonal))


@linear_in("input")
@batched(_triangles)
@op(input=lambda g, diagonal: triu(g, diagonal))
def triu(input: Array, diagonal: int = 0) -> Array:
    """``input`` with zeros below a diagonal of each matrix: ``torch.triu``."""
    _matrices("triu", input)
    return np.triu(input, whole("triu", "diagonal", diagonal))


def _matrices(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name}: matrices are needed, not shape {x.shape}")


# ------------------------------------------------------------------------------------- windows, pixel shuffling


def _unfold_samples(run, x, dimension, size, step):
    if x.ndim == 1:  # numbers, which have one window
        return run(x.reshape((-1, 1)), dimension=1, size=size, step=step)[:, 0]
    return run(x, dimension=behind(dimension, x.ndim - 1), size=size, step=step)


def _unfold_add_samples(run, g, shape, dimension, size, step):
    if not shape:
        return g.sum(1)
    return run(g, shape=(g.shape[0], *shape), dimension=behind(dimension, len(shape)), size=size, step=step)


@views
@linear_in("x")
@batched(_unfold_samples)
@op(x=lambda g, x_shape, dimension, size, step: unfold_add(g, x_shape, dimension, size, step))
def unfold(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of ``size`` elements along ``dimension``, one every ``step``, as a new last dimension: ``torch.Tensor.unfold``. A view.

    >>> import minigrad as mg
    >>> mg.tensor([1, 2, 3, 4]).unfold(0, 2, 1)
    tensor([[1, 2],
            [2, 3],
            [3, 4]])
    """
    dim = positive_dim("unfold", dimension, x.ndim)
    if step < 1 or not 0 <= size <= (x.shape or (1,))[dim]:
        raise ShapeError(f"unfold: windows of {size} every {step} do not fit dimension {dim} of shape {x.shape}")
    if not x.ndim:  # a vector of one, whose only window is the result
        return x.reshape(1)[:size]
    return np.lib.stride_tricks.sliding_window_view(x, size, dim)[along(dim, slice(None, None, step))]


@linear_in("g_")
@batched(_unfold_add_samples)
@op(g_=lambda g, dimension, size, step: unfold(g, dimension, size, step))
def unfold_add(g_: Array, shape: Any, dimension: int, size: int, step: int) -> Array:
    """Zeros of ``shape`` with the windows added at their original positions. The transpose of :func:`unfold`."""
    if not shape:
        return np.add.reduce(g_, keepdims=False).reshape(())
    out = np.zeros(shape, g_.dtype)
    dim = dimension % len(shape)
    last = (g_.shape[dim] - 1) * step + 1
    for i in range(size):
        out[along(dim, slice(i, i + last, step))] += g_[..., i]
    return out


@known_as("PixelShuffleBackward0")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """The elements of (..., C * r * r, H, W) as (..., C, H * r, W * r): ``torch.nn.functional.pixel_shuffle``."""
    shape, r = shape_of(input), upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle: {shape} must be (..., C * r * r, H, W) for the factor r={r}")
    batch, (c, h, w) = shape[:-3], shape[-3:]
    x = reshape(input, (*batch, c // (r * r), r, r, h, w))  # ... C r r H W
    n = len(batch)
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))  # ... C H r W r
    return reshape(x, (*batch, c // (r * r), h * r, w * r))


@known_as("PixelUnshuffleBackward0")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The elements of (..., C, H * r, W * r) as (..., C * r * r, H, W): ``torch.nn.functional.pixel_unshuffle``."""
    shape, r = shape_of(input), downscale_factor
    if len(shape) < 3 or r < 1 or shape[-2] % r or shape[-1] % r:
        raise ShapeError(f"pixel_unshuffle: {shape} must be (..., C, H * r, W * r) for the factor r={r}")
    batch, (c, h, w) = shape[:-3], shape[-3:]
    x = reshape(input, (*batch, c, h // r, r, w // r, r))  # ... C H r W r
    n = len(batch)
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))  # ... C r r H W
    return reshape(x, (*batch, c * r * r, h // r, w // r))


@known_as("ChannelShuffleBackward0")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of (N, C, ...) in a new order: the first of each group, then the second of each: ``torch.nn.functional.channel_shuffle``."""
    n, c, *space = input.shape
    if groups < 1 or c % groups:
        raise ShapeError(f"channel_shuffle: {c} channels do not divide into {groups} groups (input {tuple(input.shape)})")
    return reshape(transpose(reshape(input, (n, groups, c // groups, *space)), 1, 2), tuple(input.shape))


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """:func:`channel_shuffle`, as ``torch.nn.functional`` also calls it."""
    return channel_shuffle(input, groups)


public(__name__)
