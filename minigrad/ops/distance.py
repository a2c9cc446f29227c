"""Normalised vectors, cosine similarity and distances, composed of norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, batched, broadcast_to, cast, each_sample, known_as, lifted, no_grad, op, public, unnamed
from minigrad.ops.arguments import flag, number, positive_dim, require_broadcast
from minigrad.ops.batching import matrices
from minigrad.ops.elementwise import clamp, eq, where
from minigrad.ops.gathering import index_select
from minigrad.ops.precision import in_float32
from minigrad.ops.products import matmul
from minigrad.ops.reduce import norm, sum
from minigrad.ops.shape import transpose, unsqueeze
from minigrad.tree import array_of, numbers_of
from minigrad.types import Array, Tensor


def normalize(input: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` if that is larger: ``torch.nn.functional.normalize``.

    If a Tensor ``out`` is given, the value is written into it (without a gradient, as in PyTorch), and it is returned.

    >>> import minigrad as mg
    >>> import minigrad.nn.functional as F
    >>> F.normalize(mg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    if out is not None:
        with no_grad():
            return out.copy_(input / clamp(norm(input, p, dim, keepdim=True), min=eps))
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


@in_float32
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``, one of the dimensions that they broadcast to: ``torch.nn.functional.cosine_similarity``.

    The dtype is the floating one that they promote to. Raises ``TypeError`` if both are of integers, ``ShapeError`` if they do not broadcast.
    """
    if not eps >= 0:
        raise ValueError(f"cosine_similarity: eps must be 0 or above, but is {eps}")
    floating = [x.dtype for x in (x1, x2) if x.dtype.kind == "f"]
    if not floating:
        raise TypeError(f"cosine_similarity: a floating operand is needed, not {x1.dtype.name} and {x2.dtype.name}")
    dtype = np.result_type(*floating)  # of 0-d tensors too: they are vectors here
    x1, x2 = (x if x.dtype == dtype else cast(x, dtype=dtype) for x in (x1, x2))
    if x1.shape != x2.shape:
        shape = require_broadcast("cosine_similarity", x1=x1, x2=x2)
        x1, x2 = broadcast_to(x1, shape), broadcast_to(x2, shape)  # first, so that dim is one of the result's
    a = clamp(norm(x1, 2.0, dim, keepdim=True), min=eps)
    b = clamp(norm(x2, 2.0, dim, keepdim=True), min=eps)
    return sum((x1 / a) * (x2 / b), dim=dim)


@known_as("NormBackward1")
@in_float32
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension: ``torch.nn.functional.pairwise_distance``."""
    require_broadcast("pairwise_distance", x1=x1, x2=x2)
    return norm(x1 - x2 + eps, p, -1, keepdim=flag("pairwise_distance", "keepdim", keepdim))


@known_as("PdistBackward0")
@in_float32
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows (0, 1), (0, 2), ..., (1, 2), ...: ``torch.nn.functional.pdist``.

    Args:
        input: (N, M). p: the order of the norm, at least 0.

    Returns (N (N - 1) / 2,). Raises ``ShapeError`` for another number of dimensions, ``ValueError`` for a negative ``p``.

    >>> import minigrad as mg
    >>> import minigrad.nn.functional as F
    >>> F.pdist(mg.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist: the input must be (N, M), not of shape {tuple(input.shape)}")
    if p < 0:
        raise ValueError(f"pdist: p must not be negative, not {p}")
    first, second = np.triu_indices(input.shape[0], 1)
    return norm(index_select(input, 0, first) - index_select(input, 0, second), p, -1)


def _pull(g, out):
    """The gradient divided by the distance, 0 where that is 0."""
    same = eq(out, 0)
    return where(same, 0.0, g) / where(same, 1.0, out)


def _centre(x):
    """The mean row, a constant: differences are the same without it, and sums of products lose fewer digits."""
    return lifted(each_sample(lambda rows: rows.mean(-2, keepdims=True) if rows.shape[-2] else rows.sum(-2, keepdims=True), array_of(x)))


def _euclidean_x1(g, x1, x2, out):
    w, c = _pull(g, out), _centre(x2)
    return (x1 - c) * sum(w, -1, True) - matmul(w, x2 - c)


def _euclidean_x2(g, x1, x2, out):
    w, c = transpose(_pull(g, out), -2, -1), _centre(x2)
    return (x2 - c) * sum(w, -1, True) - matmul(w, x1 - c)


@unnamed
@batched(matrices)
@op(x1=_euclidean_x1, x2=_euclidean_x2)
def _euclidean(x1: Array, x2: Array) -> Array:
    # |a - b|² = |a|² + |b|² - 2 a b, a product of matrices, in float64; where that cancels (near rows), from the differences
    a, b = np.asarray(x1, np.float64), np.asarray(x2, np.float64)
    c = _centre(b)
    a, b = a - c, b - c
    total = np.square(a).sum(-1)[..., :, None] + np.square(b).sum(-1)[..., None, :]
    square = total - 2.0 * matmul(a, b.swapaxes(-1, -2))
    near = np.nonzero(~(square > 1e-3 * total))  # not a number is near too
    rows = [np.broadcast_to(v, (*square.shape[:-2], *v.shape[-2:])) for v in (a, b)]
    square[near] = np.square(rows[0][(*near[:-2], near[-2])] - rows[1][(*near[:-2], near[-1])]).sum(-1)
    return np.sqrt(square).astype(np.result_type(x1, x2))


_WAYS = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


@known_as("CdistBackward0")
@in_float32
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norms of the differences of each row of ``x1`` and each of ``x2``: ``torch.cdist``.

    Args:
        x1: (..., P, M). x2: (..., R, M). What stands before broadcasts.
        p: the order of the norm, at least 0.
        compute_mode: PyTorch's ways to compute it; all of them give the exact differences here.

    Returns (..., P, R). Raises ``ShapeError`` for shapes that do not fit, ``ValueError`` for a negative ``p``. The gradient of two equal rows is 0.

    >>> import minigrad as mg
    >>> mg.cdist(mg.tensor([[0.0, 0.0], [3.0, 0.0]]), mg.tensor([[3.0, 4.0]]))
    tensor([[5.],
            [4.]])
    """
    if compute_mode is not None and compute_mode not in _WAYS:
        raise ValueError(f"cdist: compute_mode must be one of {', '.join(_WAYS)}, not {compute_mode!r}")
    if number("cdist", "p", p) < 0:
        raise ValueError(f"cdist: p must not be negative, not {p}")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: (..., P, M) and (..., R, M) are needed, not {tuple(x1.shape)} and {tuple(x2.shape)}")
    finite = p == 2 and x1.dtype == x2.dtype and x1.dtype.kind == "f" and all(np.isfinite(numbers_of(x)).all() for x in (x1, x2))
    if finite:  # else a product of matrices would spread what is not finite over all rows
        return _euclidean(x1, x2)
    differences = unsqueeze(x1, -2) - unsqueeze(x2, -3)
    return norm(differences, p, -1) if x1.shape[-1] else sum(differences, -1)


@known_as("RenormBackward0")
@in_float32
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """``input`` with each slice along ``dim`` whose p-norm is above ``maxnorm`` scaled down to it: ``torch.renorm``.

    Raises ``ShapeError`` for fewer than 2 dimensions, ``ValueError`` unless ``p`` is above 0 and ``maxnorm`` at least 0.

    >>> import minigrad as mg
    >>> mg.renorm(mg.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if not number("renorm", "p", p) > 0:
        raise ValueError(f"renorm: p must be above 0, but is {p!r}")
    if input.ndim < 2:
        raise ShapeError(f"renorm: at least 2 dimensions are needed, not shape {tuple(input.shape)}")
    if not number("renorm", "maxnorm", maxnorm) >= 0:
        raise ValueError(f"renorm: maxnorm must be 0 or above, but is {maxnorm!r}")
    axis = positive_dim("renorm", dim, input.ndim)
    size = norm(input, p, [i for i in range(input.ndim) if i != axis], keepdim=True)
    above = size > maxnorm
    return input * where(above, maxnorm / (where(above, size, 1.0) + 1e-7), 1.0)


public(__name__)
