"""Ops that rearrange elements: reshaping, reordering dimensions, joining, splitting, repeating, padding, diagonals.

All are linear, so the gradient of each is its transpose, another op of this file: reshape/reshape, permute/inverse permute,
cat/split, stack/unbind, flip/flip, roll/roll back, pad/crop, diagonal/diagonal_put, unfold/unfold_add. Where numpy can give a
view, the result is a view: no element is copied.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, broadcast_to, op
from minigrad.ops.index import take

# ------------------------------------------------------------------------------------- arguments: shapes, dims


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def sizes_of(args: Any) -> tuple[int, ...]:
    """The ints of ``x.reshape(2, 3)``, ``x.reshape((2, 3))`` or ``reshape(x, 6)`` as a tuple."""
    if isinstance(args, (tuple, list)):
        if len(args) == 1 and isinstance(args[0], (tuple, list)):
            args = args[0]
        return tuple([operator.index(a) for a in args])
    return (operator.index(args),)


def positive_dim(name: str, dim: Any, ndim: int) -> int:
    """``dim`` counted from the front. Raises ``IndexError`` if a tensor of ``ndim`` dimensions has no such; 0-d ones have 0 and -1."""
    d = operator.index(dim)
    n = ndim or 1
    if not -n <= d < n:
        raise IndexError(f"{name}: dim {d} is out of range for a tensor of {ndim} dimensions: it must be in {-n}..{n - 1}")
    return d % n


def positive_dims(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """Several dims counted from the front. Raises ``IndexError`` out of range, ``ShapeError`` if one comes twice."""
    found = tuple([positive_dim(name, d, ndim) for d in sizes_of(dims)])
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: a dim comes twice in {sizes_of(dims)}")
    return found


def _along(dim: int, key: Any) -> tuple:
    """The index that applies ``key`` to dimension ``dim``."""
    return (*[slice(None)] * dim, key)


# ----------------------------------------------------------------------------------------------- reshaping


@op(x=lambda g, x_shape: reshape(g, x_shape))
def reshape(x, *, shape):
    """The elements in row-major order in another shape: ``torch.reshape``. A view where strides allow it.

    Args:
        x: any shape.
        shape: sizes with the same product; one may be -1, which stands for what is left.

    Raises ``ShapeError`` if the number of elements differs.

    >>> import minigrad as mg
    >>> mg.reshape(mg.tensor([1, 2, 3, 4]), (2, -1))
    tensor([[1, 2],
            [3, 4]])
    """
    try:
        return x.reshape(shape)
    except ValueError:
        raise ShapeError(f"reshape: shape {x.shape} with {x.size} elements does not fit into {sizes_of(shape)}") from None


def view(x: Any, *shape: Any) -> Any:
    """:func:`reshape` that never copies: ``torch.Tensor.view``.

    Raises ``ShapeError`` where the strides would need a copy (after a transpose, say); ``reshape`` copies then.
    """
    if len(shape) == 1 and not isinstance(shape[0], (int, tuple, list, np.integer, TensorBase)):
        raise TypeError(f"view: sizes must be ints, not {shape[0]!r}; another dtype is given by x.to(dtype)")
    y = reshape(x, sizes_of(shape))
    before, after = (t._data if isinstance(t, TensorBase) else t for t in (x, y))
    if not before.flags.c_contiguous and before.size and not np.may_share_memory(before, after):
        raise ShapeError(f"view: shape {sizes_of(shape)} needs a copy of a {before.shape} tensor with strides {before.strides}; use reshape")
    return y


def view_as(x: Any, other: Any) -> Any:
    """:func:`view` in the shape of ``other``: ``torch.Tensor.view_as``."""
    return view(x, other.shape)


def reshape_as(x: Any, other: Any) -> Any:
    """:func:`reshape` to the shape of ``other``: ``torch.Tensor.reshape_as``."""
    return reshape(x, other.shape)


def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions ``start_dim`` to ``end_dim`` (both included) become one: ``torch.flatten``. A 0-d tensor becomes 1-d.

    >>> import minigrad as mg
    >>> mg.zeros(2, 3, 4).flatten(1).shape
    (2, 12)
    """
    shape = _shape(x)
    start, end = positive_dim("flatten", start_dim, len(shape)), positive_dim("flatten", end_dim, len(shape))
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(x, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Dimension ``dim`` becomes several, of ``sizes`` (one may be -1): ``torch.unflatten``."""
    shape = _shape(x)
    dim = positive_dim("unflatten", dim, len(shape))
    sizes = sizes_of(sizes)
    if not sizes:
        raise ShapeError("unflatten: sizes must not be empty")
    known = math.prod(s for s in sizes if s != -1)
    if -1 in sizes:
        sizes = tuple([shape[dim] // (known or 1) if s == -1 else s for s in sizes])
    if math.prod(sizes) != shape[dim]:
        raise ShapeError(f"unflatten: sizes {sizes} do not multiply to {shape[dim]}, the size of dimension {dim} of {shape}")
    return reshape(x, (*shape[:dim], *sizes, *shape[dim + 1 :]))


def squeeze(x: Any, dim: Any = None) -> Any:
    """Without the dimensions of size 1, or without those of ``dim`` (an int or a tuple) that have size 1: ``torch.squeeze``."""
    shape = _shape(x)
    if dim is None:
        return reshape(x, tuple([s for s in shape if s != 1]))
    dims = positive_dims("squeeze", dim, len(shape))
    return reshape(x, tuple([s for i, s in enumerate(shape) if s != 1 or i not in dims]))


def unsqueeze(x: Any, dim: int) -> Any:
    """With a new dimension of size 1 at ``dim``: ``torch.unsqueeze``. -1 puts it last."""
    shape = _shape(x)
    dim = positive_dim("unsqueeze", dim, len(shape) + 1)
    return reshape(x, (*shape[:dim], 1, *shape[dim:]))


# ------------------------------------------------------------------------------------- reordering dimensions


@op(x=lambda g, dims: permute(g, _inverse(dims)))
def permute(x, *, dims):
    """Dimension ``i`` of the result is dimension ``dims[i]`` of ``x``: ``torch.permute``. A view.

    Raises ``ShapeError`` unless ``dims`` names each dimension once, ``IndexError`` for one out of range.

    >>> import minigrad as mg
    >>> mg.permute(mg.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    if len(sizes_of(dims)) != x.ndim:
        raise ShapeError(f"permute: dims {sizes_of(dims)} do not name the {x.ndim} dimensions of shape {x.shape}")
    return x.transpose(positive_dims("permute", dims, x.ndim))


def _inverse(dims: Any) -> tuple[int, ...]:
    dims = sizes_of(dims)
    place = [0] * len(dims)
    for i, d in enumerate(dims):
        place[d] = i
    return tuple(place)


@op(x=lambda g, dim0, dim1: transpose(g, dim0, dim1))
def transpose(x, *, dim0, dim1):
    """Two dimensions change places: ``torch.transpose``. A view.

    >>> import minigrad as mg
    >>> mg.zeros(2, 3, 4).transpose(0, -1).shape
    (4, 3, 2)
    """
    dim0, dim1 = positive_dim("transpose", dim0, x.ndim), positive_dim("transpose", dim1, x.ndim)
    return x.swapaxes(dim0, dim1) if x.ndim else x.view()


def movedim(x: Any, source: Any, destination: Any) -> Any:
    """Dimensions ``source`` move to places ``destination``, the others keep their order: ``torch.movedim``."""
    n = len(_shape(x))
    source, destination = positive_dims("movedim", source, n), positive_dims("movedim", destination, n)
    if len(source) != len(destination):
        raise ShapeError(f"movedim: {len(source)} source dims but {len(destination)} destination dims")
    if not n:
        return permute(x, ())
    rest = iter([d for d in range(n) if d not in source])
    goes = dict(zip(destination, source, strict=True))
    return permute(x, tuple([goes[d] if d in goes else next(rest) for d in range(n)]))


def t(x: Any) -> Any:
    """The transpose of a matrix; vectors and numbers stay: ``torch.t``."""
    n = len(_shape(x))
    if n > 2:
        raise ShapeError(f"t: a tensor of at most 2 dimensions is needed, not of shape {_shape(x)}")
    return permute(x, tuple(range(n))[::-1])


def reverse_dims(x: Any) -> Any:
    """All dimensions in reverse order: ``torch.Tensor.T``."""
    return permute(x, tuple(range(len(_shape(x))))[::-1])


def matrix_transpose(x: Any) -> Any:
    """The last two dimensions change places: ``torch.Tensor.mT``."""
    if len(_shape(x)) < 2:
        raise ShapeError(f"mT: matrices are needed, not a tensor of shape {_shape(x)}")
    return transpose(x, -2, -1)


# ------------------------------------------------------------------------------------ broadcasting, repeating


def expand(x: Any, *sizes: Any) -> Any:
    """A view in which dimensions of size 1 have other sizes, and new ones lead: ``torch.Tensor.expand``. -1 keeps a size.

    >>> import minigrad as mg
    >>> mg.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    shape, sizes = _shape(x), sizes_of(sizes)
    lead = len(sizes) - len(shape)
    if lead < 0:
        raise ShapeError(f"expand: sizes {sizes} are fewer than the dimensions of shape {shape}")
    target = tuple([shape[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes)])
    if -1 in target:
        raise ShapeError(f"expand: -1 in {sizes} stands at a new dimension of shape {shape}, where there is no size to keep")
    for have, want in zip(shape, target[lead:], strict=True):
        if have not in (1, want):
            raise ShapeError(f"expand: shape {shape} does not expand to {sizes}: sizes must be equal, or 1 in the tensor")
    return broadcast_to(x, shape=target)


def expand_as(x: Any, other: Any) -> Any:
    """:func:`expand` to the shape of ``other``: ``torch.Tensor.expand_as``."""
    return expand(x, other.shape)


# ----------------------------------------------------------------------------------------- joining, splitting


def _cat_xs(g, xs_shape, dim):
    gradients, start = [], 0
    for shape in xs_shape:
        if shape == (0,) and len(g.shape) != 1:
            gradients.append(np.zeros(0))
            continue
        axis = dim % len(shape)
        gradients.append(take(g, index=_along(axis, slice(start, start + shape[axis]))))
        start += shape[axis]
    return gradients


@op(xs=_cat_xs)
def _cat(*xs, dim):
    if not xs:
        raise ShapeError("cat: at least one tensor is needed")
    arrays = [np.asarray(x) for x in xs]
    sized = [a for a in arrays if a.shape != (0,)] or arrays  # as in PyTorch, an empty vector joins anything
    shape = sized[0].shape
    if not all(a.ndim for a in sized):
        raise ShapeError("cat: a 0-d tensor cannot be joined; use stack")
    axis = positive_dim("cat", dim, len(shape))
    for i, a in enumerate(arrays):
        if a.shape != (0,) and (a.shape[:axis], a.shape[axis + 1 :]) != (shape[:axis], shape[axis + 1 :]) or a.ndim != len(shape) and a.size:
            raise ShapeError(f"cat: tensor {i} has shape {a.shape}, which does not fit {shape}: sizes must be equal except in dimension {axis}")
    return np.concatenate(sized, axis=axis, dtype=np.result_type(*arrays))


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors joined along dimension ``dim``: ``torch.cat``. The other sizes must be equal.

    >>> import minigrad as mg
    >>> mg.cat([mg.tensor([1, 2]), mg.tensor([3])])
    tensor([1, 2, 3])
    """
    return _cat(*tensors, dim=dim)


# ----------------------------------------------------------------------------------------------------- padding


@op(x=lambda g, widths: crop(g, widths))
def pad_constant(x, *, widths, value=0.0):
    """``value`` around ``x``: ``widths`` holds a pair (before, after) per dimension, none negative. Transpose of :func:`crop`."""
    out = np.full([s + a + b for s, (a, b) in zip(x.shape, widths, strict=True)], value, x.dtype)
    out[tuple([slice(a, a + s) for s, (a, _) in zip(x.shape, widths, strict=True)])] = x
    return out


@op(x=lambda g, widths: pad_constant(g, widths))
def crop(x, *, widths):
    """``x`` without ``widths`` elements at its sides: a pair (before, after) per dimension. A view. Transpose of :func:`pad_constant`."""
    return x[tuple([slice(a, s - b) for s, (a, b) in zip(x.shape, widths, strict=True)])]


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Elements added at the sides of the last dimensions: ``torch.nn.functional.pad``.

    Args:
        input: any shape.
        pad: pairs (before, after), the first for the last dimension, the second for the last but one, ... A negative
            number takes elements away.
        mode: ``"constant"``, ``"reflect"`` (without repeating the edge), ``"replicate"`` (the edge) or ``"circular"``.
        value: of the new elements in mode ``"constant"`` (0 by default).

    Raises ``ShapeError`` if ``pad`` does not hold a pair for each of at most all dimensions, or the padding does not fit.

    >>> import minigrad as mg
    >>> from minigrad.ops import shape
    >>> shape.pad(mg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> shape.pad(mg.tensor([1, 2, 3]), (2, 1), mode="reflect")
    tensor([3, 2, 1, 2, 3, 2])
    """
    shape, pads = _shape(input), sizes_of(pad)
    if len(pads) % 2 or len(pads) > 2 * len(shape):
        raise ShapeError(f"pad: {pads} must hold a pair (before, after) for each of at most {len(shape)} dimensions of shape {shape}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: unknown mode {mode!r}; there are constant, reflect, replicate and circular")
    if mode != "constant" and value:
        raise ValueError(f"pad: value={value} has no meaning in mode {mode!r}")
    widths = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)]
    widths = [(0, 0)] * (len(shape) - len(widths)) + widths[::-1]
    for d, (s, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        if s + before + after < 0 or min(before, 0) + min(after, 0) + s < 0:
            raise ShapeError(f"pad: {(before, after)} takes away more than the {s} elements of dimension {d} of shape {shape}")
    if any(side < 0 for pair in widths for side in pair):
        input = crop(input, tuple([(max(-a, 0), max(-b, 0)) for a, b in widths]))
    grown = tuple([(max(a, 0), max(b, 0)) for a, b in widths])
    if mode == "constant":
        return pad_constant(input, grown, 0.0 if value is None else value)
    for d, pair in enumerate(grown):
        if pair != (0, 0):
            input = _pad_dim(input, d, *pair, mode)
    return input


def _pad_dim(x: Any, dim: int, before: int, after: int, mode: str) -> Any:
    size = _shape(x)[dim]
    limit = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
    if max(before, after) > limit:
        raise ShapeError(f"pad: mode {mode!r} can add at most {limit} elements at a side of dimension {dim} of shape {_shape(x)}, not {(before, after)}")

    def part(start: int, stop: int, step: int = 1) -> Any:
        return take(x, index=_along(dim, slice(start, stop if stop >= 0 else None, step)))

    if mode == "reflect":
        left, right = part(before, 0, -1), part(size - 2, size - 2 - after, -1)
    elif mode == "circular":
        left, right = part(size - before, size), part(0, after)
    else:
        shape = list(_shape(x))
        shape[dim] = before
        left = broadcast_to(part(0, 1), shape=tuple(shape))
        shape[dim] = after
        right = broadcast_to(part(size - 1, size), shape=tuple(shape))
    return _cat(*([left] if before else []), x, *([right] if after else []), dim=dim)
