"""Embedding lookup: rows of a matrix by their index, and the sum, mean or maximum of bags of rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, batched, known_as, linear_in, moved, no_grad, op, public
from minigrad.ops.arguments import flag, number, whole
from minigrad.ops.batching import sample_by_sample
from minigrad.ops.elementwise import where
from minigrad.ops.index import getitem, plain_index, put_add
from minigrad.ops.precision import in_float32
from minigrad.ops.shape import unsqueeze
from minigrad.tree import array_of
from minigrad.types import Operand, Tensor


def _embedding_weight(g, input, weight_shape, padding_idx, scale_grad_by_freq):
    if padding_idx is not None:  # that row is not trained
        g = g * (input != padding_idx % weight_shape[0])[..., None]
    if scale_grad_by_freq:
        index = array_of(input)
        g = g * (1.0 / np.bincount(index.reshape(-1), minlength=1)[index][..., None]).astype(g.dtype)
    return put_add(g, shape=weight_shape, index=plain_index(input, 2))


def _embedding_samples(run, input, weight, padding_idx, scale_grad_by_freq):
    if weight.shape[0] == 1:
        return run(input, weight[0], padding_idx=padding_idx)
    size, rows, features = weight.shape
    if input.shape[0] == 1:  # the same rows of all tables
        found = run(input[0], moved(weight, 0, 1).reshape((rows, size * features)), padding_idx=padding_idx)
        return moved(found.reshape((*found.shape[:-1], size, features)), -2, 0)
    run(input, weight[0], padding_idx=padding_idx)  # an index out of range would be a row of the next table
    first = np.arange(0, size * rows, rows).reshape((size, *[1] * (input.ndim - 1)))
    return run(input + first, weight.reshape((size * rows, features)))


@linear_in("weight")
@batched(_embedding_samples)
@op(input=None, weight=_embedding_weight)
def _embedding(input, weight, padding_idx=None, scale_grad_by_freq=False):
    input = np.asarray(input)
    if input.dtype.kind not in "iu":
        raise TypeError(f"embedding: input must hold integers, not {input.dtype.name}")
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (rows, features), not of shape {weight.shape}")
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= whole("embedding", "padding_idx", padding_idx) < rows:
        raise IndexError(f"embedding: padding_idx {padding_idx} is out of range for {rows} rows")
    if input.size and not 0 <= input.min() <= input.max() < rows:
        wrong = input[(input < 0) | (input >= rows)].flat[0]
        raise IndexError(f"embedding: index {wrong} is out of range for {rows} rows (0..{rows - 1})")
    return np.take(weight, input, axis=0)


EMBEDDING = _embedding.op  # type: ignore[attr-defined]  # behind the function of that name


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of ``weight``, one for each integer of ``input``: ``torch.nn.functional.embedding``.

    Args:
        input: integers in 0..V-1, any shape.
        weight: (V, D).
        padding_idx: the row that gets no gradient.
        max_norm: selected rows with a larger norm are first scaled to this norm, in place in ``weight``.
        norm_type: the p of the p-norm for ``max_norm``.
        scale_grad_by_freq: divide the gradient of a row by the number of times it occurs in ``input``.
        sparse: accepted for compatibility with PyTorch; the gradient is always dense.

    Returns ``input``'s shape with D appended. Raises ``IndexError`` for an integer out of range.

    >>> import minigrad as mg
    >>> from minigrad.ops.embedding import embedding
    >>> embedding(mg.tensor([1, 1]), mg.tensor([[0.0, 1.0], [2.0, 3.0]]))
    tensor([[2., 3.],
            [2., 3.]])
    """
    number("embedding", "norm_type", norm_type, "not 0")
    for what, value in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        flag("embedding", what, value)
    if max_norm is not None:
        weight = _renormed("embedding", weight, array_of(input), max_norm, norm_type)
    return _embedding(input, weight, padding_idx=padding_idx, scale_grad_by_freq=scale_grad_by_freq)


def _renormed(name: str, weight: Any, input: np.ndarray, max_norm: float, norm_type: float) -> Any:
    """``weight`` with the rows selected by ``input`` scaled to a norm of at most ``max_norm``. A Tensor is changed in place."""
    number(name, "max_norm", max_norm, "0 or above")
    table = array_of(weight)
    if input.size and not 0 <= input.min() <= input.max() < len(table):
        raise IndexError(f"{name}: indices {input.min()}..{input.max()} are out of range for {len(table)} rows (0..{len(table) - 1})")
    rows = np.unique(input)
    norms = np.linalg.norm(table[rows], norm_type, axis=1)
    long = norms > max_norm
    if not long.any():
        return weight
    shortened = table.copy()
    shortened[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(table.dtype)
    if not isinstance(weight, TensorBase):
        return shortened
    with no_grad():
        return weight._assign(shortened, name)  # type: ignore[attr-defined]


@known_as("EmbeddingBagBackward0")
@sample_by_sample()
def embedding_bag(
    input: Operand,
    weight: Tensor,
    offsets: Operand | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum, mean or maximum of the rows of each bag: ``torch.nn.functional.embedding_bag``. An empty bag gives zeros.

    Args:
        input: integers in 0..V-1: (B, N) for B bags of N, or (T,) for bags of any size, concatenated.
        weight: (V, D).
        offsets: for ``input`` (T,), the position where each bag begins; the first is 0.
        max_norm, norm_type, scale_grad_by_freq, sparse: as for :func:`embedding`.
        mode: 'sum', 'mean' or 'max'.
        per_sample_weights: factors of the rows, of the shape of ``input``, differentiable; for mode 'sum'.
        include_last_offset: the last of ``offsets`` is the end of the last bag.
        padding_idx: a row that is left out of the bags and gets no gradient.

    Returns (B, D). Raises ``ValueError`` for arguments that cannot be combined, ``IndexError`` for an integer out of range.

    >>> import minigrad as mg
    >>> from minigrad.ops.embedding import embedding_bag
    >>> embedding_bag(mg.tensor([0, 1, 1]), mg.tensor([[0.0, 1.0], [2.0, 3.0]]), mg.tensor([0, 2]))
    tensor([[1., 2.],
            [2., 3.]])
    """
    name = "embedding_bag"
    index = array_of(input)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{name}: mode must be 'sum', 'mean' or 'max', not {mode!r}")
    for what, value in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        flag(name, what, value)
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(f"{name}: scale_grad_by_freq and sparse do not go with mode='max'")
    if per_sample_weights is not None:
        if tuple(per_sample_weights.shape) != index.shape:
            raise ShapeError(f"{name}: per_sample_weights {tuple(per_sample_weights.shape)} must have the shape of the input {index.shape}")
        if per_sample_weights.dtype != weight.dtype:
            raise RuntimeError(
                f"{name}: weight is {weight.dtype.name} but per_sample_weights is {per_sample_weights.dtype.name}; convert one"
            )
        if mode != "sum":
            raise NotImplementedError(f"{name}: per_sample_weights go with mode='sum' only, not with {mode!r}")
    if weight.ndim != 2:
        raise ShapeError(f"{name}: weight must be (rows, features), not of shape {tuple(weight.shape)}")
    number(name, "norm_type", norm_type, "not 0")
    starts, ends = _bags(name, index, offsets, include_last_offset)
    if max_norm is not None:
        weight = _renormed(name, weight, index, max_norm, norm_type)
    if padding_idx is not None and not -len(weight) <= whole(name, "padding_idx", padding_idx) < len(weight):
        raise IndexError(f"{name}: padding_idx {padding_idx} is out of range for {len(weight)} rows")
    bag = np.repeat(np.arange(len(starts)), ends - starts)
    chosen = np.arange(len(bag)) if padding_idx is None else np.flatnonzero(index.reshape(-1)[: len(bag)] != padding_idx % weight.shape[0])
    bag, flat = bag[chosen], index.reshape(-1)[chosen]
    rows = embedding(flat, weight, None, None, 2.0, scale_grad_by_freq)  # T D
    if mode == "max":
        return _maxima(rows, bag, len(starts))
    factors = None
    if per_sample_weights is not None:
        factors = getitem(per_sample_weights if index.ndim == 1 else per_sample_weights.reshape(-1), index=(chosen,))
    return _total(rows, factors, bag, len(starts), mode)


@in_float32
def _total(rows: Any, factors: Any, bag: np.ndarray, bags: int, mode: str) -> Any:
    """The sums, or means, of the rows of each bag, times their factors."""
    total = put_add(rows if factors is None else rows * unsqueeze(factors, 1), shape=(bags, rows.shape[1]), index=(bag,))
    if mode == "sum":
        return total
    return total * (1.0 / np.maximum(np.bincount(bag, minlength=bags), 1))[:, None].astype(rows.dtype)


def _bags(name: str, index: np.ndarray, offsets: Any, include_last_offset: bool) -> tuple[np.ndarray, np.ndarray]:
    """The positions where each bag begins and ends in the flat index."""
    if index.dtype.kind not in "iu" and index.size:
        raise TypeError(f"{name}: input must hold integers, not {index.dtype.name}")
    if index.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{name}: an input (B, N) is bags of equal size, and goes without offsets")
        edges = np.arange(len(index) + 1) * index.shape[1]
        return edges[:-1], edges[1:]
    if index.ndim != 1:
        raise ShapeError(f"{name}: input must be (B, N) or (T,), not of shape {index.shape}")
    if offsets is None or array_of(offsets).ndim != 1:
        raise ValueError(f"{name}: an input (T,) needs offsets (B,), which say where each bag begins")
    starts = array_of(offsets)
    if starts.dtype.kind not in "iu" and starts.size:
        raise TypeError(f"{name}: offsets must hold integers, not {starts.dtype.name}")
    edges = starts.astype(np.intp) if include_last_offset else np.append(starts.astype(np.intp), len(index))
    if len(starts) and (edges[0] != 0 or edges[-1] > len(index) or (np.diff(edges) < 0).any()):
        raise ValueError(f"{name}: offsets must begin with 0, not fall, and stay within the {len(index)} integers of the input")
    if include_last_offset and not len(starts):
        raise ValueError(f"{name}: include_last_offset=True needs at least one offset")
    return edges[:-1], edges[1:]


def _maxima(rows: Any, bag: np.ndarray, bags: int) -> Any:
    """The maximum of each feature over the rows of each bag (of equal rows the first counts); zeros for an empty bag."""
    values = array_of(rows)
    edges = np.searchsorted(bag, np.arange(bags + 1))
    places = np.zeros((bags, values.shape[1]), np.intp)
    for i, (start, end) in enumerate(pairwise(edges)):
        if start < end:
            places[i] = start + values[start:end].argmax(0)
    empty = edges[:-1] == edges[1:]
    if empty.all():
        return put_add(rows, shape=(bags, values.shape[1]), index=(bag,))
    largest = getitem(rows, index=(places, np.arange(values.shape[1])))
    return where(empty[:, None], 0.0, largest) if empty.any() else largest


public(__name__)
