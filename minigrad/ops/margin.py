"""Margin losses, which are 0 for inputs on the correct side of the margin, and smooth losses like them.

Composed of other ops, so they have derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, known_as, public
from minigrad.ops.activation import logsigmoid
from minigrad.ops.arguments import flag, require_broadcast
from minigrad.ops.batching import sample_by_sample
from minigrad.ops.distance import pairwise_distance
from minigrad.ops.elementwise import clamp, eq, logaddexp, minimum, ne, sqrt, square, where
from minigrad.ops.gathering import gather
from minigrad.ops.loss import check_same_shape, of_dtype, reduced, reduction_of, weighted
from minigrad.ops.precision import in_float32
from minigrad.ops.reduce import sum
from minigrad.ops.shape import reshape, unsqueeze
from minigrad.tree import array_of
from minigrad.types import Tensor


def _check_dims(name: str, **operands: Any) -> None:
    """Raise ``ShapeError`` unless all have the same number of dimensions: (N, 1) beside (N,) would make N x N losses."""
    if len({len(x.shape) for x in operands.values()}) > 1:
        shapes = ", ".join([f"{what} {tuple(x.shape)}" for what, x in operands.items()])
        raise ShapeError(f"{name}: all must have the same number of dimensions: {shapes}")


@in_float32
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target (input1 - input2) + margin), target 1 or -1: ``torch.nn.functional.margin_ranking_loss``.

    The three broadcast, but have as many dimensions, or ``ShapeError`` is raised.
    """
    reduction = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    _check_dims("margin_ranking_loss", input1=input1, input2=input2, target=target)
    return reduced(clamp((input2 - input1) * target + margin, min=0.0), reduction)


@in_float32
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input if target is 1, max(0, margin - input) if it is -1: ``torch.nn.functional.hinge_embedding_loss``."""
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    near = where(ne(target, -1), input, 0.0)
    far = where(ne(target, 1), clamp(margin - input, min=0.0), 0.0)
    return reduced(near + far, reduction)


@known_as("SoftMarginLossBackward0")
@in_float32
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(-target input)), target 1 or -1: ``torch.nn.functional.soft_margin_loss``."""
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    if require_broadcast("soft_margin_loss", input=input, target=target) != tuple(input.shape):
        raise ShapeError(f"soft_margin_loss: target {tuple(target.shape)} does not broadcast to the input's shape {tuple(input.shape)}")
    return of_dtype(reduced(logaddexp(input * target * -1.0, 0.0), reduction), input.dtype)


@in_float32
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos if target is 1, max(0, cos - margin) if it is -1: ``torch.nn.functional.cosine_embedding_loss``.

    Two inputs (N, D) and a target (N,), or (D,) and (). Raises ``ShapeError`` for another number of dimensions.
    """
    reduction = reduction_of("cosine_embedding_loss", reduction, size_average, reduce)
    n = len(target.shape)
    if n > 1 or any(len(x.shape) != n + 1 for x in (input1, input2)):
        shapes = f"{tuple(input1.shape)} and {tuple(input2.shape)}, target {tuple(target.shape)}"
        raise ShapeError(f"cosine_embedding_loss: inputs (N, D) and a target (N,), or (D,) and (), are needed, not inputs {shapes}")
    tiny = 1e-12
    cos = sum(input1 * input2, dim=-1) / sqrt((sum(square(input1), dim=-1) + tiny) * (sum(square(input2), dim=-1) + tiny))
    return reduced(where(eq(target, 1), 1.0 - cos, 0.0) + where(eq(target, -1), clamp(cos - margin, min=0.0), 0.0), reduction)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the p-norm: ``torch.nn.functional.triplet_margin_loss``."""
    reduction = reduction_of("triplet_margin_loss", reduction, size_average, reduce)
    _check_margin("triplet_margin_loss", margin)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


@in_float32
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with a given distance function: ``torch.nn.functional.triplet_margin_with_distance_loss``.

    ``swap``: use d(positive, negative) instead of d(anchor, negative) if it is smaller.
    """
    reduction = reduction_of("triplet_margin_with_distance_loss", reduction)
    _check_margin("triplet_margin_with_distance_loss", margin)
    _check_dims("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if flag("triplet_margin_with_distance_loss", "swap", swap):
        far = minimum(far, distance(positive, negative))
    return reduced(clamp(near - far + margin, min=0.0), reduction)


def _check_margin(name: str, margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"{name}: margin must be above 0, but is {margin}")


def _rows(name: str, input: Any, target: Any, rank: int) -> tuple[Any, np.ndarray, bool]:
    """The input (N, C) or (C,) and the integer targets with a batch dimension; targets have ``rank`` dimensions, one fewer without a batch."""
    classes = array_of(target)
    if classes.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: class indices must be integers, not {classes.dtype.name}")
    if input.ndim == 0:  # as a vector of one
        input, classes = reshape(input, (1,)), classes.reshape((1,) * (rank - 1)) if classes.size == 1 else classes
    single = input.ndim == 1
    if single:
        one = rank == 1 and classes.shape == (1,)  # the class of a vector may be () or (1,)
        input, classes = reshape(input, (1, -1)), classes if one else classes[None]
    expected = tuple(input.shape)[:rank]
    if input.ndim != 2 or classes.shape != expected:
        raise ShapeError(f"{name}: an input (N, C) needs a target {expected}, not {classes.shape} (input {tuple(input.shape)})")
    low = -1 if rank == 2 else 0
    if classes.size and not low <= classes.min() <= classes.max() < input.shape[1]:
        raise IndexError(f"{name}: a target is outside the {input.shape[1]} classes (0..{input.shape[1] - 1})")
    return input, classes, single


@known_as("MultiMarginLossBackward0")
@in_float32
@sample_by_sample()
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over the other classes of max(0, margin - input[target] + input[c])^p / C: ``torch.nn.functional.multi_margin_loss``.

    Args:
        input: (N, C) or (C,). target: classes (N,) or ().
        p: 1 or 2. margin: see above. weight: (C,) factor of each class. reduction: 'none', 'mean' or 'sum'.
    """
    reduction = reduction_of("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, not {p}")
    input, classes, single = _rows("multi_margin_loss", input, target, 1)
    excess = input - gather(input, 1, classes[:, None]) + margin
    others = array_of(excess) > 0
    others[np.arange(len(classes)), classes] = False
    excess = where(others, excess, 0.0)
    losses = excess if p == 1 else square(excess)
    if weight is not None:
        losses = losses * array_of(weight)[classes][:, None]
    losses = sum(losses, dim=1) / input.shape[1]
    return reshape(losses, ()) if single else reduced(losses, reduction)


@known_as("MultilabelMarginLossBackward0")
@in_float32
@sample_by_sample()
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """sum over labels j and non-labels i of max(0, 1 - input[j] + input[i]) / C: ``torch.nn.functional.multilabel_margin_loss``.

    target: classes, of the input's shape; in each row those before the first -1 are the labels. A label that is listed twice counts twice.
    """
    reduction = reduction_of("multilabel_margin_loss", reduction, size_average, reduce)
    input, classes, single = _rows("multilabel_margin_loss", input, target, 2)
    listed = np.logical_and.accumulate(classes >= 0, axis=1)
    labels = np.zeros(tuple(input.shape), input.dtype)  # how often each class is listed
    rows = np.broadcast_to(np.arange(len(classes))[:, None], classes.shape)
    np.add.at(labels, (rows[listed], classes[listed]), 1.0)
    excess = unsqueeze(input, 1) - unsqueeze(input, 2) + 1.0  # N label non-label
    counted = (array_of(excess) > 0) & (labels[:, :, None] > 0) & (labels[:, None, :] == 0)
    losses = sum(where(counted, excess, 0.0) * labels[:, :, None], dim=(1, 2)) / input.shape[1]
    return reshape(losses, ()) if single else reduced(losses, reduction)


@in_float32
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), mean over the classes: ``torch.nn.functional.multilabel_soft_margin_loss``."""
    name = "multilabel_soft_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    check_same_shape(name, input, target)
    losses = logsigmoid(input) * target + logsigmoid(input * -1.0) * (1.0 - target)
    return reduced(sum(weighted(name, losses, weight, "none"), dim=-1) / -float(input.shape[-1] if input.shape else 1), reduction)


public(__name__)
