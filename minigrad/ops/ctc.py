"""Connectionist temporal classification: the probability of a label sequence, summed over all its alignments in time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, public, shape_of
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import flag
from minigrad.ops.batching import sample_by_sample
from minigrad.ops.gathering import gather
from minigrad.ops.index import getitem
from minigrad.ops.loss import reduced, reduction_of
from minigrad.ops.reduce import logsumexp
from minigrad.ops.shape import pad_constant, reshape, stack, unfold
from minigrad.tree import array_of
from minigrad.types import Operand, Tensor

_NAME = "ctc_loss"


def _lengths(what: str, given: Any, n: int, highest: int, rule: str) -> np.ndarray:
    """``given`` as N integers between 0 and ``highest``."""
    lengths = np.asarray(array_of(given)).reshape(-1)
    if lengths.size and lengths.dtype.kind not in "iu":
        raise RuntimeError(f"{_NAME}: {what} must be integers, not {lengths.dtype.name}")
    if lengths.shape != (n,):
        raise ShapeError(f"{_NAME}: {what} must hold a number for each of the {n} sequences, not {lengths.size}")
    wrong = (lengths < 0) | (lengths > highest)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ShapeError(f"{_NAME}: {what}[{i}] is {lengths[i]}, but must be between 0 and {highest}, {rule}")
    return lengths.astype(np.intp)


def _labels(targets: Any, target_lengths: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels (N, S), padded with zeros, and the number of labels of each sequence."""
    targets = np.asarray(array_of(targets))
    if targets.size and targets.dtype.kind not in "iu":
        raise RuntimeError(f"{_NAME}: targets must be integers, not {targets.dtype.name}")
    if targets.ndim == 2:
        if len(targets) != n:
            raise ShapeError(f"{_NAME}: targets {targets.shape} must be (N, S) with N = {n}, or all labels in one row")
        lengths = _lengths("target_lengths", target_lengths, n, targets.shape[1], f"the width of targets {targets.shape}")
        return np.where(np.arange(targets.shape[1]) < lengths[:, None], targets, 0), lengths
    if targets.ndim != 1:
        raise ShapeError(f"{_NAME}: targets must be (N, S) or all labels in one row, not of shape {targets.shape}")
    lengths = _lengths("target_lengths", target_lengths, n, targets.size, "the number of labels in targets")
    if lengths.sum() != targets.size:
        raise ShapeError(f"{_NAME}: target_lengths add up to {lengths.sum()}, but targets holds {targets.size} labels")
    labels = np.zeros((n, lengths.max(initial=0)), np.intp)
    labels[np.arange(labels.shape[1]) < lengths[:, None]] = targets  # row-major: one sequence after another
    return labels, lengths


def _check_labels(labels: np.ndarray, lengths: np.ndarray, blank: int, classes: int) -> None:
    own = np.arange(labels.shape[1]) < lengths[:, None]
    for wrong, rule in (
        ((labels < 0) | (labels >= classes), f"is outside the {classes} classes (0..{classes - 1})"),
        (labels == blank, "is the blank, which cannot be a label"),
    ):
        if (wrong & own).any():
            i, j = (int(k) for k in np.argwhere(wrong & own)[0])
            raise IndexError(f"{_NAME}: label {labels[i, j]} at place {j} of sequence {i} {rule}")


@sample_by_sample()
def ctc_loss(
    log_probs: Tensor,
    targets: Operand,
    input_lengths: Operand | Sequence[int],
    target_lengths: Operand | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification (Graves et al. 2006): ``torch.nn.functional.ctc_loss``.

    The negative log-probability of a sequence of labels, summed over all its alignments. In an alignment each label lasts one step or
    more, with any number of blanks between labels, and at least one between equal labels. The sum is the forward recursion over
    time, in log space. It is composed of ops, so it has derivatives of any order.

    Args:
        log_probs: (T, N, C) or (T, C), log-probabilities, for example from :func:`log_softmax`.
        targets: labels (N, S), of which the first ``target_lengths[n]`` are used, or the labels of all sequences, concatenated.
        input_lengths: the number of steps of each sequence, N numbers up to T.
        target_lengths: the number of labels of each sequence, N numbers.
        blank: the class that stands for no label.
        reduction: 'none' (N,), 'sum', or 'mean': each loss is divided by its number of labels, then averaged.
        zero_infinity: replace an infinite loss by 0.

    If a target needs more steps than there are, its loss is inf and its gradient 0 (PyTorch: NaN, unless ``zero_infinity`` is set). The
    gradient is that of the formula. PyTorch's also contains exp(log_probs), which the gradient of :func:`log_softmax` removes again.

    Raises:
        IndexError: a label is outside the classes or is the blank. ShapeError: lengths or shapes do not fit together.
        RuntimeError: labels or lengths are not integers.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> log_probs = mg.full((2, 1, 2), 0.5).log()  # two steps, each a blank or the label 1 with probability 1/2
    >>> F.ctc_loss(log_probs, mg.tensor([[1]]), (2,), (1,)).exp()  # 1/P; of four paths three give the label
    tensor(1.3333)
    """
    reduction = reduction_of(_NAME, reduction)
    shape, dtype = shape_of(log_probs), np.dtype(log_probs.dtype)
    if len(shape) not in (2, 3):
        raise ShapeError(f"{_NAME}: log_probs must be (T, N, C) or (T, C), not of shape {shape}")
    if dtype.kind != "f":
        raise RuntimeError(f"{_NAME}: log_probs must be floating, not {dtype}")
    single = len(shape) == 2
    if single:
        log_probs = reshape(log_probs, (shape[0], 1, shape[1]))
        if np.ndim(array_of(targets)) == 0:
            raise ShapeError(f"{_NAME}: targets must hold a row of labels, not a scalar")
    steps, n, classes = shape_of(log_probs)
    if not 0 <= blank < classes:
        raise IndexError(f"{_NAME}: blank {blank} is outside the {classes} classes (0..{classes - 1})")
    ends = _lengths("input_lengths", input_lengths, n, steps, f"the number of steps of log_probs {shape}")
    labels, lengths = _labels(targets, target_lengths, n)
    _check_labels(labels, lengths, blank, classes)

    states = np.full((n, 2 * labels.shape[1] + 1), blank, np.intp)  # blank, label, blank, label, ..., blank
    states[:, 1::2] = labels
    emitted = gather(log_probs, 2, np.broadcast_to(states, (steps, *states.shape)))  # T N 2S+1
    # A state is entered from itself, from the state before, or from two states before; the last only if the two states differ.
    entry = np.zeros((*states.shape, 3), dtype)
    entry[:, 2:, 0][states[:, 2:] == states[:, :-2]] = -math.inf
    # Before the first step, all probability is in an extra state, from which the first blank and the first label can be entered.
    start = np.full((n, 2 + states.shape[1]), -math.inf, dtype)
    start[:, 1] = 0.0
    alpha: Any = start
    alphas = [alpha]
    for t in range(int(ends.max(initial=0))):
        alpha = logsumexp(unfold(alpha, 1, 3, 1) + entry, dim=-1) + emitted[t]  # N 2S+1
        alpha = pad_constant(alpha, widths=((0, 0), (2, 0)), value=-math.inf)
        alphas.append(alpha)
    sequence = np.arange(n)[:, None]
    last = 2 * lengths[:, None] + np.array([1, 2])  # the last label, or the blank after it
    losses = logsumexp(getitem(stack(alphas), index=(ends[:, None], sequence, last)), dim=-1) * -1.0
    if flag(_NAME, "zero_infinity", zero_infinity):
        losses = ew.where(np.isinf(array_of(losses)), 0.0, losses)
    if reduction == "mean":
        losses = losses / np.maximum(lengths, 1).astype(dtype)
    return reshape(losses, ()) if single and reduction == "none" else reduced(losses, reduction)


public(__name__)
