"""Losses. Negative log-likelihood and cross-entropy of classes are ops, and a few elementwise ones; the others are composed of ops, so every argument
is differentiable.

Cross-entropy of classes is ``log_softmax`` and then the negative log-likelihood in one, exact for logits of any size. It keeps the softmax, minus 1 at the
classes: times the gradient of each loss, this is that of the logits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import (
    ShapeError,
    TensorBase,
    aligned,
    batched,
    broadcast_to,
    cast,
    elementwise,
    entitled,
    is_array,
    is_grad_enabled,
    known_as,
    linear_in,
    op,
    public,
    repeated,
    tangent,
    unnamed,
    warn,
)
from minigrad.kernels import native
from minigrad.kernels.native import maps
from minigrad.kernels.quiet import quiet
from minigrad.kernels.sums import add_reduce
from minigrad.ops import elementwise as ew
from minigrad.ops.activation import hardtanh, logsigmoid
from minigrad.ops.arguments import flag, number, require_broadcast, whole
from minigrad.ops.batching import merged, split
from minigrad.ops.index import getitem
from minigrad.ops.precision import in_float32
from minigrad.ops.products import linear
from minigrad.ops.reduce import mean, sum
from minigrad.ops.shape import reshape, unsqueeze
from minigrad.ops.softmax import log_softmax, softmax
from minigrad.tree import array_of, numbers_of
from minigrad.types import Array, Operand, Tensor

# ---------------------------------------------------------------------------- negative log-likelihood
# index: N d1 d2 ... the class of each place;  scale: the same shape, the weight of each place;  ignored: which count for nothing, or None


def _over_samples(run, index, scale, ignored):
    """The index, scale and mask of all samples, as those of one batch."""
    shape = (run.size, *index.shape[1:])
    scale = scale if not is_array(scale) else aligned((scale, index))[0]
    return [x if not is_array(x) else merged(broadcast_to(x, shape)) for x in (index, scale, run.front(ignored))]


def _nll_samples(run, input, index, scale, ignored, summed):
    index, scale, ignored = _over_samples(run, index, scale, ignored)
    made = run(merged(repeated(input, run.size)), index, scale, ignored=ignored, summed=False)
    kept = type(made) is tuple  # a residual too, which the gradients of samples have no use for
    losses = split(made[0] if kept else made, run.size)
    if summed:
        losses = losses.reshape((run.size, math.prod(losses.shape[1:]))).sum(1)
    return (losses, None) if kept else losses


def _nll_input_samples(run, g, index, scale, shape, ignored, summed):
    g = merged(broadcast_to(aligned((g, index))[0], (run.size, *index.shape[1:])))
    index, scale, ignored = _over_samples(run, index, scale, ignored)
    return split(run(g, index, scale, shape=(run.size * shape[0], *shape[1:]), ignored=ignored, summed=False), run.size)


def _places(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Where the classes ``index`` (N d1 d2 ...) lie in a flat array of ``shape`` N C d1 d2 ..."""
    if len(shape) == 2:
        return np.arange(0, shape[0] * shape[1], shape[1]) + index
    space = math.prod(shape[2:])
    firsts = np.arange(shape[0])[:, None] * (shape[1] * space) + np.arange(space)
    return firsts.reshape(index.shape) + index * space


@unnamed
@linear_in("input")
@batched(_nll_samples)
@op(
    input=lambda g, index, scale, input_shape, ignored, summed: _nll_input(
        g, index, scale, shape=input_shape, ignored=ignored, summed=summed
    ),
    index=None,
    scale=lambda g, input, index, ignored: g * _nll(input, index, 1.0, ignored=ignored, summed=False),
)
def _nll(input: Array, index: Array, scale: Array, ignored: Any, summed: bool) -> Array:
    """-input[n, index[n, d], d] * scale[n, d], summed if ``summed``. Linear in ``input``.

    In an ignored place 0 is picked, whatever stands there: infinities too.
    """
    # there may be no class to pick
    picked = input.reshape(-1).take(_places(index, input.shape)) if input.size else np.zeros(index.shape, input.dtype)
    return quiet().run(_scaled, picked, scale, ignored, summed)


def _scaled(picked: np.ndarray, scale: Any, ignored: Any, summed: bool) -> np.ndarray:
    """What is ``picked``, negated and scaled, and summed if ``summed``."""
    if ignored is not None:
        picked[ignored] = 0.0
    losses = np.multiply(picked, -1.0 * scale)
    return np.add.reduce(losses, axis=None) if summed else losses


@native.twin(maps.one_hot, times=0)
def _one_hot(values: np.ndarray, index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of ``shape`` N C d1 d2 ..., with the ``values`` at the classes ``index``, both N d1 d2 ..."""
    out = np.zeros(shape, values.dtype)
    if out.size:
        out.reshape(-1)[_places(index, shape)] = values
    return out


@linear_in("g_")
@batched(_nll_input_samples)
@op(
    g_=lambda g, index, scale, ignored, summed: _nll(g, index, scale, ignored=ignored, summed=summed),
    index=None,
    scale=lambda g, g_, index, ignored: g_ * _nll(g, index, 1.0, ignored=ignored, summed=False),
)
def _nll_input(g_: Array, index: Array, scale: Array, shape: Any, ignored: Any, summed: bool) -> Array:
    """Zeros of ``shape`` with -g_ * scale at the classes ``index``: the transpose of :func:`_nll`."""
    slopes = quiet().run(np.multiply, g_, -1.0 * scale)
    if ignored is not None:
        slopes[ignored] = 0.0
    if slopes.shape != index.shape:
        every = np.empty(index.shape, slopes.dtype)  # in a third of the time of np.broadcast_to
        every[...] = slopes
        slopes = every
    return _one_hot(slopes, index, shape)


def _cross_entropy_input(g, input, index, scale, res, ignored, summed):
    if res is None or isinstance(input, TensorBase):  # what the kernel kept is a constant: what is recorded computes it again
        picked = _nll_input(g, index, scale, shape=tuple(input.shape), ignored=ignored, summed=summed)
        return picked - softmax(input, 1) * sum(picked, dim=1, keepdim=True)
    slopes = g * scale if ignored is None else np.where(ignored, 0.0, g * scale)
    return np.multiply(res, slopes[:, None] if slopes.shape else slopes)


def _cross_entropy_tangent(t, input, index, scale, ignored, summed):
    change = t - sum(softmax(input, 1) * t, dim=1, keepdim=True)  # that of the logarithms
    return _nll(change, index, scale, ignored=ignored, summed=summed)


@native.twin(maps.cross_entropy, times=0)
def _cross_entropy_kernel(input: np.ndarray, index: np.ndarray, both: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The logarithm of the softmax at the classes ``index``; if ``both``, the softmax too, minus 1 there: the slope of a loss."""
    if not input.size:
        return np.zeros(index.shape, input.dtype), input.copy()
    e = np.subtract(input, np.maximum.reduce(input, axis=1, keepdims=True), order="C")  # a row with only -inf gives NaN, which is correct
    flat, places = e.reshape(-1), _places(index, input.shape)
    picked = flat.take(places)
    np.exp(e, out=e)
    s = add_reduce(e, (1,), keepdims=True)
    picked -= np.log(s).reshape(index.shape)
    if both:
        e /= s
        flat[places] -= 1.0
    return picked, e if both else None


def _cross_entropies(input, index, scale, ignored, summed, both):
    picked, slopes = _cross_entropy_kernel(input, index, both)
    return _scaled(picked, scale, ignored, summed), slopes


@unnamed
@linear_in("scale")
@tangent(input=_cross_entropy_tangent)
@batched(_nll_samples)
@op(
    input=_cross_entropy_input,
    index=None,
    scale=lambda g, input, index, ignored: g * _cross_entropy(input, index, 1.0, ignored=ignored, summed=False),
    res=None,
)
def _cross_entropy(input: Array, index: Array, scale: Array, ignored: Any, summed: bool) -> Array:
    """:func:`_nll` of the logarithm of the softmax of ``input`` along its classes, in one."""
    return quiet().run(_cross_entropies, input, index, scale, ignored, summed, is_grad_enabled())


def _place(position: tuple[int, ...]) -> str:
    return str(position[0]) if len(position) == 1 else str(position)


def _classes(name: str, input: Any, target: Any, weight: Any, ignore_index: int) -> tuple[np.ndarray, np.ndarray | None, Any]:
    """For each place its class, which places are ignored (None: not one), and its weight (1 if it is that of all). Ignored places get 0 for both."""
    target = array_of(target)
    shape, dtype = tuple(input.shape), input.dtype
    if target.dtype.kind not in "iu":
        if target.dtype.kind == "f" and (nans := np.isnan(numbers_of(target))).any():
            where = tuple(int(i) for i in np.argwhere(nans)[0])
            raise ValueError(f"{name}: the target is NaN at index {_place(where)}")
        raise RuntimeError(
            f"{name}: class indices must be integers, not {target.dtype.name} (target {target.shape}): use target.long(); "
            f"class probabilities have the input's shape {shape}"
        )
    expected = (shape[0], *shape[2:])
    if target.shape != expected:
        advice = ""
        if target.shape == (shape[0], 1, *shape[2:]):
            advice = ": use target.squeeze(1)"
        elif target.shape == shape:
            advice = ": use target.argmax(1), the classes of one-hot rows"
        raise ShapeError(f"{name}: input {shape} needs a target of shape {expected}, not {target.shape}{advice}")
    classes = shape[1]
    ignore_index = whole(name, "ignore_index", ignore_index)
    given = numbers_of(target)
    # as numbers without a sign negative ones are the largest; where that is, numpy finds in a third of the time
    unsigned = given.view(f"u{given.itemsize}")
    within = not given.size or unsigned.item(unsigned.argmax()) < classes
    if 0 <= ignore_index < classes or not within:
        wrong = ((given < 0) | (given >= classes)) & (given != ignore_index)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise IndexError(f"{name}: target {given[where]} at index {_place(where)} is outside the {classes} classes (0..{classes - 1})")
        ignored: Any = ew.eq(target, ignore_index)
        index: Any = cast(ew.where(ignored, 0, target), dtype=np.intp)
        counted = cast(ew.logical_not(ignored), dtype=dtype)
        return index, ignored, counted if weight is None else getitem(weight, index=(index,)) * counted
    index = target.astype(np.intp, copy=False)
    return index, None, 1.0 if weight is None else getitem(weight, index=(index,))


def _check_weight(name: str, input: Any, weight: Any) -> None:
    if weight is None:
        return
    if tuple(weight.shape) != (input.shape[1],):
        raise ShapeError(f"{name}: weight has shape {tuple(weight.shape)}, but there are {input.shape[1]} classes")
    if weight.dtype != input.dtype:
        raise RuntimeError(f"{name}: weight has dtype {weight.dtype.name}, the input {input.dtype.name}; they must have one dtype")


def _batched(name: str, input: Any, target: Any, soft: bool) -> tuple[Any, Any, bool]:
    """Give an unbatched input (C,) a batch dimension."""
    if not hasattr(input, "dtype"):
        raise TypeError(f"{name}: the input must be a Tensor, not {type(input).__name__}")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: the input must be floating, not {input.dtype.name}")
    if len(input.shape) == 0:
        raise ShapeError(f"{name}: the input must be (C,) or (N, C, ...), not a scalar")
    if len(input.shape) > 1:
        return input, target, False
    if not soft:
        target = array_of(target)
        if target.shape:
            raise ShapeError(f"{name}: input {tuple(input.shape)} (one example) needs a scalar target, not {target.shape}")
        return reshape(input, (1, -1)), reshape(target, (1,)), True
    return reshape(input, (1, -1)), reshape(target, (1, -1)), True


def reduction_of(name: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction, also from PyTorch's old options. Raises ``ValueError`` for an unknown one, and warns about old options."""
    if size_average is not None or reduce is not None:
        warn(f"{name}: size_average and reduce are deprecated, use reduction")
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum', not {reduction!r}")
    return reduction


def _picked(loss: Any, input: Any, index: np.ndarray, scale: Any, ignored: np.ndarray | None, reduction: str) -> Any:
    """The ``loss``, an op, at ``index``; a mean is weighted by ``scale``, and NaN, as in PyTorch, where nothing counts."""
    if reduction != "mean":
        return loss(input, index, scale, ignored=ignored, summed=reduction == "sum")
    if not index.size:
        return mean(loss(input, index, scale, ignored=ignored, summed=False))
    share = scale / index.size if type(scale) is float else ew.div(scale, sum(scale))
    return loss(input, index, share, ignored=ignored, summed=True)


@in_float32
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of class indices, given log-probabilities: ``torch.nn.functional.nll_loss``.

    Args:
        input: log-probabilities (C,), (N, C) or (N, C, d1, d2, ...).
        target: integer classes, (), (N,) or (N, d1, d2, ...).
        weight: (C,) weight of each class, differentiable; the mean is a weighted one.
        ignore_index: places with this target do not count.
        reduction: 'none', 'mean' or 'sum'.

    Raises:
        IndexError: a target outside the classes. ShapeError: shapes that do not belong together.
        RuntimeError: a floating target, a weight of another dtype. ValueError: a NaN target.

    The mean over no place, because the batch is empty or all is ignored, is NaN; its gradient is 0.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.nll_loss(mg.tensor([[-0.5, -2.0]]), mg.tensor([1]))
    tensor(2.)
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    input, target, single = _batched("nll_loss", input, target, soft=False)
    _check_weight("nll_loss", input, weight)
    index, ignored, scale = _classes("nll_loss", input, target, weight, ignore_index)
    loss = _picked(_nll, input, index, scale, ignored, reduction)
    return reshape(loss, ()) if single and reduction == "none" else loss


@in_float32
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between logits and classes, or class probabilities: ``torch.nn.functional.cross_entropy``.

    For one example with class t: ``-weight[t] log softmax(input)[t]``, with probabilities p:
    ``-sum_c weight[c] p[c] log softmax(input)[c]``.

    Args:
        input: logits (C,), (N, C) or (N, C, d1, d2, ...).
        target: integer classes (N, d1, ...), or probabilities of the input's shape (differentiable).
        weight: (C,) weight of each class. The mean over class indices is divided by the sum of their weights.
        ignore_index: places with this class do not count; with probabilities it must be negative, since it says nothing there.
        reduction: 'none', 'mean' or 'sum'.
        label_smoothing: in [0, 1], the share of the uniform distribution that is mixed into the target.

    Raises:
        IndexError: a class outside 0..C-1. ShapeError, RuntimeError, ValueError: as :func:`nll_loss`; label_smoothing outside [0, 1].
        RuntimeError: an ``ignore_index`` of 0 or above with probabilities.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> logits = mg.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> loss = F.cross_entropy(logits, mg.tensor([0, 1]))
    >>> loss.backward()
    >>> loss, logits.grad
    (tensor(0.4100, grad_fn=<NllLossBackward0>), tensor([[-0.0596,  0.0596],
            [ 0.2500, -0.2500]]))
    """
    name = "cross_entropy"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing must be between 0 and 1, not {label_smoothing}")
    target = target if isinstance(target, TensorBase) else np.asarray(target)
    soft = target.dtype.kind == "f" and target.shape == input.shape
    if soft and ignore_index >= 0:
        raise RuntimeError(f"{name}: ignore_index={ignore_index} is for class indices, and the target holds probabilities")
    input, target, single = _batched(name, input, target, soft)
    classes = input.shape[1]
    _check_weight(name, input, weight)
    per_class = None if weight is None else reshape(weight, (classes,) + (1,) * (len(input.shape) - 2))
    if soft:
        loss = _soft_cross_entropy(log_softmax(input, 1), target, per_class, reduction, label_smoothing)
    else:
        index, ignored, scale = _classes(name, input, target, weight, ignore_index)
        if not label_smoothing:
            loss = _picked(_cross_entropy, input, index, scale, ignored, reduction)
        else:  # which needs the logarithms of all classes
            logp = log_softmax(input, 1)
            loss = _picked(_nll, logp, index, scale, ignored, reduction)
            spread = sum(logp if per_class is None else logp * per_class, dim=1)
            spread = spread * (-1.0 / max(classes, 1))
            if ignored is not None:
                spread = ew.where(ignored, 0.0, spread)
            if reduction != "none":
                spread = sum(spread)
            if reduction == "mean":
                spread = ew.div(spread, index.size if type(scale) is float else sum(scale))
            loss = loss * (1.0 - label_smoothing) + spread * label_smoothing
    return reshape(loss, ()) if single and reduction == "none" else loss


def _soft_cross_entropy(logp: Any, target: Any, per_class: Any, reduction: str, label_smoothing: float) -> Any:
    """-sum_c weight_c target_c logp_c; the mean is over the places, whatever the weights (as in PyTorch)."""
    values = numbers_of(target)
    if np.isnan(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(values))[0])
        raise ValueError(f"cross_entropy: the target is NaN at index {where}")
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / max(logp.shape[1], 1)
    losses = sum(logp * target if per_class is None else logp * target * per_class, dim=1) * -1.0
    if reduction == "mean" and logp.shape[1] == 0:  # a place is counted by its classes: the mean over none
        return sum(losses) * math.nan
    return entitled(reduced(losses, reduction), "DivBackward1" if reduction == "mean" else "NegBackward0")


# -------------------------------------------------------------------------------------- elementwise losses


def reduced(losses: Any, reduction: str) -> Any:
    """The losses, their sum or their mean."""
    return losses if reduction == "none" else sum(losses) if reduction == "sum" else mean(losses)


def check_same_shape(name: str, input: Any, target: Any) -> None:
    """Raise ``ShapeError`` unless input and target have one shape."""
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} must have the same shape")


def _same_shape(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both in the shape that they broadcast to, with a warning if they differ, as in PyTorch. Raises ``ShapeError`` if they do not broadcast."""
    if tuple(input.shape) == tuple(target.shape):
        return input, target
    shape = require_broadcast(name, input=input, target=target)
    text = f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} are broadcast: the loss is of every pair that this makes, "
    warn(text + "which is rarely meant. Reshape one of them")
    return broadcast_to(input, shape), broadcast_to(target, shape)


def of_dtype(loss: Any, dtype: Any) -> Any:
    """``loss`` in the dtype that PyTorch's has for operands of two floating dtypes. Integers have no losses: theirs stays floating."""
    return loss if loss.dtype == dtype or dtype.kind != "f" else cast(loss, dtype=dtype)


def weighted(name: str, losses: Any, weight: Any, reduction: str) -> Any:
    """The losses times their weights, reduced; a mean is divided by the number of losses, not by the sum of the weights.

    Raises ``ShapeError`` unless losses and weights broadcast.
    """
    if weight is not None:
        require_broadcast(name, input=losses, weight=weight)
        losses = losses * weight
    return reduced(losses, reduction)


def _check_same_weight(name: str, shape: tuple[int, ...], weight: Any) -> None:
    if shape != tuple(weight.shape):
        raise ShapeError(f"{name}: weight has shape {tuple(weight.shape)}, the input {shape}; each element needs its own")


@known_as("MseLossBackward0")
@in_float32
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean of (input - target)**2: ``torch.nn.functional.mse_loss``. With ``weight`` the mean is divided by the sum of the weights.

    Raises:
        ShapeError: shapes that do not broadcast, or a weight that has not the input's. Shapes that differ and broadcast give a warning.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.mse_loss(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    shape = tuple(input.shape)
    input, target = _same_shape("mse_loss", input, target)
    return _weighted_mean("mse_loss", shape, ew.square(input - target), weight, reduction)


def _weighted_mean(name: str, shape: tuple[int, ...], losses: Any, weight: Any, reduction: str) -> Any:
    """The losses, reduced; a mean with weights is divided by their sum. Raises ``TypeError`` for the mean of integers."""
    if weight is None:
        if reduction == "mean" and losses.dtype.kind not in "fc":
            raise TypeError(f"{name}: a floating dtype is needed, not {losses.dtype.name}; convert with x.float()")
        return reduced(losses, reduction)
    _check_same_weight(name, shape, weight)
    losses = losses * weight
    return sum(losses) / sum(weight) if reduction == "mean" else reduced(losses, reduction)


@in_float32
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Mean of abs(input - target): ``torch.nn.functional.l1_loss``. ``weight`` as for :func:`mse_loss`."""
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    shape = tuple(input.shape)
    input, target = _same_shape("l1_loss", input, target)
    return _weighted_mean("l1_loss", shape, ew.abs(input - target), weight, reduction)


@known_as("HuberLossBackward0")
@in_float32
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None) -> Tensor:
    """d**2 / 2 where abs(d) < delta, else delta (abs(d) - delta / 2), for d = input - target: ``torch.nn.functional.huber_loss``.

    ``weight`` is a factor for each element. As in PyTorch the mean is divided by their number, unlike that of :func:`mse_loss`.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    reduction = reduction_of("huber_loss", reduction)
    dtype, shape = input.dtype, tuple(input.shape)
    input, target = _same_shape("huber_loss", input, target)
    losses = _huber(input - target, delta=float(delta), factor=1.0)
    if weight is not None:
        _check_same_weight("huber_loss", shape, weight)
    return of_dtype(weighted("huber_loss", losses, weight, reduction), dtype)


@native.twin(maps.huber_back)
def _huber_input(g, d, delta, factor):
    slope = hardtanh(d, -delta, delta)
    return g * slope if factor == 1.0 else g * (slope * factor)


@native.twin(maps.each("huber"))
def _huber_kernel(d, delta, factor):
    near = np.clip(d, -delta, delta)
    return (d - near * 0.5) * (near if factor == 1.0 else near * factor)


@unnamed
@elementwise
@op(d=_huber_input)
def _huber(d: Array, delta: float, factor: float) -> Array:
    """``factor`` times d**2 / 2 where abs(d) <= delta, else times delta (abs(d) - delta / 2)."""
    return quiet().run(_huber_kernel, ew.real(d), delta, factor)


@known_as("SmoothL1LossBackward0")
@in_float32
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """:func:`huber_loss` divided by its threshold ``beta``; l1 for beta = 0: ``torch.nn.functional.smooth_l1_loss``."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, but is {beta}")
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    input, target = _same_shape("smooth_l1_loss", input, target)
    d = input - target
    return reduced(ew.abs(d) if beta == 0 else _huber(d, delta=float(beta), factor=1.0 / beta), reduction)


def _bce_input(g, input, target):
    # Where p is 0 or 1 in floating point the logarithm has no slope worth its name. The bound keeps the slope finite, and 0 where p is right.
    return g * (input - target) / ew.clamp(input * (1.0 - input), min=1e-12)


@elementwise
@op(input=_bce_input, target=lambda g, input: g * (ew.log1p(-input) - ew.log(input)))
def _binary_cross_entropy(input: Array, target: Array) -> Array:
    """-(t log p + (1-t) log(1-p)), logarithms not below -100."""
    with np.errstate(divide="ignore"):
        return (target - 1.0) * np.maximum(np.log1p(-input), -100.0) - target * np.maximum(np.log(input), -100.0)


@known_as("BinaryCrossEntropyBackward0")
@in_float32
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log p + (1-t) log(1-p)) for probabilities p, logarithms not below -100: ``torch.nn.functional.binary_cross_entropy``.

    The gradient is (p - t) / max(p (1-p), 1e-12), which is finite at 0 and 1 too.

    Raises:
        RuntimeError: an input or a target outside [0, 1]. Prefer :func:`binary_cross_entropy_with_logits`, which is exact for any logit.
    """
    reduction = reduction_of("binary_cross_entropy", reduction, size_average, reduce)
    check_same_shape("binary_cross_entropy", input, target)
    values = numbers_of(input)
    if not ((values >= 0) & (values <= 1)).all():
        raise RuntimeError(
            "binary_cross_entropy: the input must be probabilities between 0 and 1; for logits use binary_cross_entropy_with_logits"
        )
    wanted = numbers_of(target)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError("binary_cross_entropy: the target must be probabilities between 0 and 1")
    return weighted("binary_cross_entropy", _binary_cross_entropy(input, target), weight, reduction)


@native.twin(maps.each("with_logits", 2), times=0)
def _with_logits_kernel(input, target):
    return (1.0 - target) * input - logsigmoid(input)


@elementwise
@op(input=lambda g, input: g * ew.sigmoid(input) * ew.sigmoid(-input), target=lambda g: -g)
def _with_logits_slope(input: Array, target: Array) -> Array:
    """sigmoid(x) - t, as (1 - t) sigmoid(x) - t sigmoid(-x), which is exact where the difference is near 0 too."""
    limit = np.finfo(input.dtype).maxexp * 0.69
    power = np.exp(-np.clip(input, -limit, limit))  # finite
    positive = 1.0 / (1.0 + power)
    return quiet().run(_slope_of_shares, positive, power * positive, target)


def _slope_of_shares(positive, negative, target):
    return (1.0 - target) * positive - target * negative


@native.twin(maps.with_logits_back, times=0)
def _with_logits_input(g, input, target):
    return g * _with_logits_slope(input, target)


@unnamed
@elementwise
@op(input=_with_logits_input, target=lambda g, input: -g * input)
def _with_logits(input: Array, target: Array) -> Array:
    """(1 - t) x - log(sigmoid(x)), of one dtype."""
    return quiet().run(_with_logits_kernel, input, target)


@known_as("BinaryCrossEntropyWithLogitsBackward0")
@in_float32
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), exact for any logit: ``torch.nn.functional.binary_cross_entropy_with_logits``.

    (1 - t) x - (1 + (pos_weight - 1) t) logsigmoid(x). ``weight`` and ``pos_weight`` broadcast to the input.

    Raises ``ShapeError`` if the shapes do not fit.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.binary_cross_entropy_with_logits(mg.tensor([1e4, 0.0]), mg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, reduction, size_average, reduce)
    check_same_shape(name, input, target)
    if pos_weight is None and input.dtype == target.dtype:
        return weighted(name, _with_logits(input, target), weight, reduction)
    positive = logsigmoid(input)
    if pos_weight is not None:
        require_broadcast(name, input=input, pos_weight=pos_weight)
        positive = positive * ((pos_weight - 1.0) * target + 1.0)
    return weighted(name, (1.0 - target) * input - positive, weight, reduction)


@in_float32
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t (log t - input) for log-probabilities ``input``: ``torch.nn.functional.kl_div``.

    ``reduction="batchmean"`` gives the divergence proper: the sum divided by the size of the batch.

    Raises:
        ShapeError: shapes that do not broadcast. RuntimeError: an input that is not floating.
    """
    batchmean = reduction == "batchmean"
    reduction = reduction_of("kl_div", "sum" if batchmean else reduction, size_average, reduce)
    require_broadcast("kl_div", input=input, target=target)
    if input.dtype.kind != "f":
        raise RuntimeError(f"kl_div: the input must be floating, not {input.dtype.name}")
    losses = ew.exp(target) * (target - input) if flag("kl_div", "log_target", log_target) else ew.xlogy(target, target) - target * input
    loss = reduced(losses, reduction)
    return ew.div(loss, input.shape[0] if input.shape else 1) if batchmean else loss


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Any,
    target: Tensor,
    *,
    linear_bias: Any = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """:func:`cross_entropy` of :func:`linear`: ``torch.nn.functional.linear_cross_entropy``.

    Args:
        input: (N, in) or (in,). linear_weight: (C, in), or (C, d1, ..., in) for a loss at each of d1 x ... places.
        target: as for :func:`cross_entropy`, for logits (N, C, d1, ...).
        linear_bias: of the shape of ``linear_weight`` without its last dimension.
        weight, reduction, ignore_index, label_smoothing: as for :func:`cross_entropy`; ``ignore_index`` for class indices only.
        options: must be None; PyTorch's options divide the work into parts and do not change the result.

    Raises:
        ShapeError: sizes that do not fit. ValueError: ``ignore_index`` with probabilities. NotImplementedError: ``options``.
    """
    name = "linear_cross_entropy"
    if options is not None:
        raise NotImplementedError(f"{name}: options are not supported; leave them at None, which gives the same result")
    shapes = f"input {tuple(input.shape)}, linear_weight {tuple(linear_weight.shape)}"
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or input.shape[-1] != linear_weight.shape[-1]:
        raise ShapeError(f"{name}: needs an input (N, in) or (in,) and a linear_weight (C, ..., in) ({shapes})")
    if input.ndim == 1 and linear_weight.ndim > 2:
        raise ShapeError(f"{name}: a loss at several places needs an input with a batch dimension ({shapes})")
    places = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != places:
        raise ShapeError(f"{name}: linear_bias must have shape {places}, not {tuple(linear_bias.shape)} ({shapes})")
    rows = reshape(linear_weight, (math.prod(places), linear_weight.shape[-1]))
    logits = linear(input, rows, None if linear_bias is None else reshape(linear_bias, (math.prod(places),)))
    logits = reshape(logits, (*tuple(input.shape[:-1]), *places))
    if ignore_index is not None and array_of(target).dtype.kind == "f":
        raise ValueError(f"{name}: ignore_index is for class indices, and the target holds probabilities")
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


@in_float32
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target input, or without ``log_input`` input - target log(input + eps): ``torch.nn.functional.poisson_nll_loss``.

    ``full`` adds Stirling's formula for log(target!) where target > 1.
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    number("poisson_nll_loss", "eps", eps)
    losses = ew.exp(input) - input * target if flag("poisson_nll_loss", "log_input", log_input) else input - ew.log(input + eps) * target
    if flag("poisson_nll_loss", "full", full):
        large = ew.maximum(target, 1.0)
        stirling = large * ew.log(large) - large + ew.log(large * (2.0 * math.pi)) * 0.5
        losses = losses + ew.where(target > 1, stirling, 0.0)
    return reduced(losses, reduction)


@in_float32
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Operand, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (input - target)^2 / var) / 2: ``torch.nn.functional.gaussian_nll_loss``.

    Args:
        input: the means. target: of the same shape.
        var: the variances: of the input's shape, or with size 1 in some of its dimensions, or without the last one, or a number.
        full: add log(2 pi) / 2.
        eps: smaller variances are replaced by this value; their gradient is not changed.
        reduction: 'none', 'mean' or 'sum'.

    Raises ``ValueError`` for a negative variance.
    """
    reduction = reduction_of("gaussian_nll_loss", reduction)
    values = array_of(var)
    if (numbers_of(var) < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entries")
    shape = tuple(input.shape)
    fits = len(values.shape) == len(shape) and all(n in (1, m) for n, m in zip(values.shape, shape, strict=True))
    if values.shape and not fits:
        if values.shape != shape[:-1]:
            raise ShapeError(f"gaussian_nll_loss: var has shape {values.shape}, the input {shape}")
        var = unsqueeze(var, -1)  # type: ignore[arg-type]  # a number has shape ()
    low = ew.clamp(ew.sub(eps, array_of(var)), 0.0)  # how much is missing up to eps, without a graph
    var = var + cast(low, dtype=input.dtype)
    losses = (ew.log(var) + ew.square(input - target) / var) * 0.5
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


public(__name__)
