"""Functions that layers are made of, under the names and signatures of ``torch.nn.functional``.

They come from :mod:`minigrad.ops`, where the gradients are; those written here are composed of such.
"""

# ruff: noqa: I001 (sorted, but several names on a line)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase
from minigrad.ops.activation import (
    celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leaky_relu, logsigmoid, mish, prelu, relu, relu6, rrelu, selu,
    silu, softplus, softshrink, softsign, tanhshrink, threshold,
)  # fmt: skip
from minigrad.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from minigrad.ops.ctc import ctc_loss
from minigrad.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from minigrad.ops.elementwise import clamp, eq, exp, log, logaddexp, maximum, minimum, ne, sigmoid, sqrt, square, tanh, where
from minigrad.ops.fold import fold, unfold
from minigrad.ops.index import embedding, gather, index_select, one_hot
from minigrad.ops.linalg import bilinear, linear, matmul
from minigrad.ops.loss import (
    _reduce, _reduction, _same_shape, _weighted, binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss,
    kl_div, l1_loss, mse_loss, nll_loss, smooth_l1_loss,
)  # fmt: skip
from minigrad.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from minigrad.ops.pool import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d,
    avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d, max_pool2d, max_pool3d, max_unpool1d, max_unpool2d,
    max_unpool3d,
)  # fmt: skip
from minigrad.ops.reduce import mean, norm, sum
from minigrad.ops.shape import pad, pixel_shuffle, pixel_unshuffle, repeat_interleave, reshape, transpose, unsqueeze
from minigrad.ops.shape import unfold as _windows
from minigrad.ops.softmax import log_softmax, softmax, softmin
from minigrad.random import numpy_generator
from minigrad.types import Operand, Size

if TYPE_CHECKING:
    from minigrad.tensor import Tensor


def _array(x: Any) -> np.ndarray:
    return x._data if isinstance(x, TensorBase) else np.asarray(x)


# --------------------------------------------------------------------------------------- lengths and distances


def normalize(input: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` if that is larger: ``torch.nn.functional.normalize``.

    >>> import minigrad as mg
    >>> import minigrad.nn.functional as F
    >>> F.normalize(mg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``: ``torch.nn.functional.cosine_similarity``."""
    a = clamp(norm(x1, 2.0, dim, keepdim=True), min=eps)
    b = clamp(norm(x2, 2.0, dim, keepdim=True), min=eps)
    return sum((x1 / a) * (x2 / b), dim=dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension: ``torch.nn.functional.pairwise_distance``."""
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each channel divided by (k + alpha times the mean square of ``size`` channels around it)^beta.

    ``torch.nn.functional.local_response_norm`` (Krizhevsky et al. 2012). input: (N, C, ...).
    """
    if input.ndim < 3:
        raise ShapeError(f"local_response_norm: the input must be (N, C, L, ...), not of shape {tuple(input.shape)}")
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = _windows(pad(square(input), around), 1, size, 1)  # N C ... size
    return input / (mean(squares, dim=-1) * alpha + k) ** beta


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of (N, C, ...) dealt out anew: the first of each group, then the second of each: ``torch.nn.functional.channel_shuffle``."""
    n, c, *space = input.shape
    if groups < 1 or c % groups:
        raise ShapeError(f"channel_shuffle: {c} channels do not divide into {groups} groups (input {tuple(input.shape)})")
    return reshape(transpose(reshape(input, (n, groups, c // groups, *space)), 1, 2), tuple(input.shape))


# ------------------------------------------------------------------------------------------ sizes of images


def _interpolation(size: int, out: int, mode: str, align_corners: bool, scale: float | None, dtype: Any) -> np.ndarray:
    """The matrix (out, size) that takes pixels to pixels between them."""
    if align_corners:
        x = np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        x = (np.arange(out) + 0.5) * (size / out if scale is None else 1.0 / scale) - 0.5
    matrix = np.zeros((out, size))
    rows = np.arange(out)
    if mode == "linear":
        x = np.maximum(x, 0.0)
        left = np.minimum(np.floor(x).astype(int), size - 1)
        share = np.where(left < size - 1, x - left, 0.0)
        np.add.at(matrix, (rows, left), 1.0 - share)
        np.add.at(matrix, (rows, np.minimum(left + 1, size - 1)), share)
    else:  # Keys' cubic convolution with a = -0.75
        a, left = -0.75, np.floor(x).astype(int)
        for tap in (-1, 0, 1, 2):
            d = np.abs(x - left - tap)
            near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
            far = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
            np.add.at(matrix, (rows, np.clip(left + tap, 0, size - 1)), np.where(d <= 1.0, near, far))
    return matrix.astype(dtype)


_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def interpolate(
    input: Tensor,
    size: Size | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images of another size: ``torch.nn.functional.interpolate``.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: the new sizes, a number or one for each dimension; or
        scale_factor: factors of the sizes, likewise.
        mode: 'nearest', 'nearest-exact', 'linear' (L), 'bilinear' and 'bicubic' (H, W) or 'trilinear' (D, H, W).
        align_corners: whether the corner pixels keep their place (not for the nearest modes).
        recompute_scale_factor: use the factors that the rounded sizes have.
        antialias: not supported.

    Raises ``ValueError`` for a mode that does not fit the input's rank, or both or none of ``size`` and ``scale_factor``.

    >>> import minigrad as mg
    >>> import minigrad.nn.functional as F
    >>> F.interpolate(mg.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    shape = tuple(input.shape)
    dims = len(shape) - 2
    nearest = mode in ("nearest", "nearest-exact")
    if antialias:
        raise NotImplementedError("interpolate: antialias is not supported")
    if dims not in (1, 2, 3) or not (nearest or _LINEAR.get(mode) == dims):
        raise ValueError(f"interpolate: mode {mode!r} does not fit an input of shape {shape}")
    if nearest and align_corners is not None:
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    given = size if scale_factor is None else scale_factor
    each: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given] * dims
    if len(each) != dims:
        raise ValueError(f"interpolate: {len(each)} sizes or factors for an input of shape {shape} with {dims} spatial dimensions")
    scales: list[float | None] = [None] * dims
    if scale_factor is None:
        sizes = [int(s) for s in each]
    else:
        sizes = [math.floor(n * float(s)) for n, s in zip(shape[2:], each, strict=True)]
        if not recompute_scale_factor:
            scales = [float(s) for s in each]
    if min(sizes) < 1:
        raise ShapeError(f"interpolate: an input of shape {shape} would become {(*shape[:2], *sizes)}")
    out = input
    for i, (n, m, scale) in enumerate(zip(shape[2:], sizes, scales, strict=True)):
        dim = i + 2
        if n == m and scale in (None, 1.0):
            continue
        if nearest:
            offset = 0.5 if mode == "nearest-exact" else 0.0
            step = np.float32(n / m if scale is None else 1.0 / scale)  # as PyTorch rounds it
            index = np.minimum(((np.arange(m) + offset) * step).astype(np.int64), n - 1)
            out = index_select(out, dim, index)
        else:
            matrix = _interpolation(n, m, "cubic" if mode == "bicubic" else "linear", bool(align_corners), scale, input.dtype)
            out = transpose(matmul(transpose(out, dim, -1), matrix.T), dim, -1)
    return out


# --------------------------------------------------------------------------------------------------- attention


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T scale + mask) value: ``torch.nn.functional.scaled_dot_product_attention`` (Vaswani et al. 2017).

    Args:
        query: (..., L, E). key: (..., S, E). value: (..., S, Ev).
        attn_mask: (..., L, S), added; booleans say what may be looked at.
        dropout_p: dropout of the weights.
        is_causal: position i looks at 0..i only.
        scale: 1 / sqrt(E) by default.
        enable_gqa: groups of heads of the query share one head of key and value.

    Returns (..., L, Ev).
    """
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = repeat_interleave(key, repeats, -3), repeat_interleave(value, repeats, -3)
    weights = matmul(query * (query.shape[-1] ** -0.5 if scale is None else scale), transpose(key, -2, -1))  # ... L S
    mask: Any = attn_mask
    if is_causal:
        if mask is not None:
            raise RuntimeError("scaled_dot_product_attention: give either attn_mask or is_causal")
        mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    if mask is not None:
        boolean = _array(mask).dtype.kind == "b"
        weights = where(mask, weights, -math.inf) if boolean else weights + mask
    return matmul(dropout(softmax(weights, -1), dropout_p, dropout_p > 0.0), value)


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A random choice that can be differentiated (Jang et al. 2017): ``torch.nn.functional.gumbel_softmax``.

    Softmax of logits with Gumbel noise, at temperature ``tau``. With ``hard`` the result is one-hot and its gradient that of the softmax.
    """
    noise = numpy_generator().gumbel(size=tuple(logits.shape)).astype(logits.dtype)
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    values = _array(soft)
    choice = np.zeros_like(values)
    np.put_along_axis(choice, values.argmax(dim, keepdims=True), 1.0, dim)
    return choice - values + soft


# ------------------------------------------------------------------------------------------------------ losses


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target (input1 - input2) + margin), target 1 or -1: ``torch.nn.functional.margin_ranking_loss``."""
    reduction = _reduction("margin_ranking_loss", reduction, size_average, reduce)
    return _reduce(clamp((input2 - input1) * target + margin, min=0.0), reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1: ``torch.nn.functional.hinge_embedding_loss``."""
    reduction = _reduction("hinge_embedding_loss", reduction, size_average, reduce)
    near = where(ne(target, -1), input, 0.0)
    far = where(ne(target, 1), clamp(margin - input, min=0.0), 0.0)
    return _reduce(near + far, reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(-target input)), target 1 or -1: ``torch.nn.functional.soft_margin_loss``."""
    reduction = _reduction("soft_margin_loss", reduction, size_average, reduce)
    _same_shape("soft_margin_loss", input, target, reduction)
    return _reduce(logaddexp(input * target * -1.0, 0.0), reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1: ``torch.nn.functional.cosine_embedding_loss``."""
    reduction = _reduction("cosine_embedding_loss", reduction, size_average, reduce)
    tiny = 1e-12
    cos = sum(input1 * input2, dim=-1) / sqrt((sum(square(input1), dim=-1) + tiny) * (sum(square(input2), dim=-1) + tiny))
    return _reduce(where(eq(target, 1), 1.0 - cos, 0.0) + where(eq(target, -1), clamp(cos - margin, min=0.0), 0.0), reduction)


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
    reduction = _reduction("triplet_margin_loss", reduction, size_average, reduce)

    def distance(a: Any, b: Any) -> Any:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


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
    """:func:`triplet_margin_loss` with a distance of one's own: ``torch.nn.functional.triplet_margin_with_distance_loss``.

    ``swap``: use the distance between positive and negative where that is smaller than anchor's.
    """
    reduction = _reduction("triplet_margin_with_distance_loss", reduction)
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return _reduce(clamp(near - far + margin, min=0.0), reduction)


def _rows(name: str, input: Any, target: Any, rank: int) -> tuple[Any, np.ndarray, bool]:
    """An input (N, C) or (C,), and integer targets of rank ``rank`` (less one without a batch), both with a batch dimension."""
    classes = _array(target)
    if classes.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: class indices must be integers, not {classes.dtype}")
    single = input.ndim == 1
    if single:
        input, classes = reshape(input, (1, -1)), classes[None]
    expected = tuple(input.shape)[:rank]
    if input.ndim != 2 or classes.shape != expected:
        raise ShapeError(f"{name}: an input (N, C) needs a target {expected}, not {classes.shape} (input {tuple(input.shape)})")
    low = -1 if rank == 2 else 0
    if classes.size and not low <= classes.min() <= classes.max() < input.shape[1]:
        raise IndexError(f"{name}: a target is outside the {input.shape[1]} classes (0..{input.shape[1] - 1})")
    return input, classes, single


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
    reduction = _reduction("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, not {p}")
    input, classes, single = _rows("multi_margin_loss", input, target, 1)
    excess = clamp(input - gather(input, 1, classes[:, None]) + margin, min=0.0)
    others = np.ones(tuple(input.shape), input.dtype)
    others[np.arange(len(classes)), classes] = 0.0
    if weight is not None:
        others *= _array(weight)[classes][:, None]
    losses = sum((excess if p == 1 else square(excess)) * others, dim=1) / input.shape[1]
    return reshape(losses, ()) if single else _reduce(losses, reduction)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    """sum over labels j and non-labels i of max(0, 1 - input[j] + input[i]) / C: ``torch.nn.functional.multilabel_margin_loss``.

    target: classes of the input's shape, up to the first -1 of each row.
    """
    reduction = _reduction("multilabel_margin_loss", reduction, size_average, reduce)
    input, classes, single = _rows("multilabel_margin_loss", input, target, 2)
    listed = np.logical_and.accumulate(classes >= 0, axis=1)
    labels = np.zeros(tuple(input.shape), input.dtype)
    rows = np.broadcast_to(np.arange(len(classes))[:, None], classes.shape)
    labels[rows[listed], classes[listed]] = 1.0
    excess = clamp(unsqueeze(input, 1) - unsqueeze(input, 2) + 1.0, min=0.0)  # N label non-label
    losses = sum(excess * (labels[:, :, None] * (1.0 - labels[:, None, :])), dim=(1, 2)) / input.shape[1]
    return reshape(losses, ()) if single else _reduce(losses, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(input), mean over the classes: ``torch.nn.functional.multilabel_soft_margin_loss``."""
    reduction = _reduction("multilabel_soft_margin_loss", reduction, size_average, reduce)
    _same_shape("multilabel_soft_margin_loss", input, target, reduction)
    losses = logsigmoid(input) * target + logsigmoid(input * -1.0) * (1.0 - target)
    return _reduce(mean(_weighted(losses, weight, "none"), dim=-1) * -1.0, reduction)


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
    reduction = _reduction("poisson_nll_loss", reduction, size_average, reduce)
    losses = exp(input) - input * target if log_input else input - log(input + eps) * target
    if full:
        large = maximum(target, 1.0)
        stirling = large * log(large) - large + log(large * (2.0 * math.pi)) * 0.5
        losses = losses + where(target > 1, stirling, 0.0)
    return _reduce(losses, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Operand, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log var + (input - target)^2 / var) / 2: ``torch.nn.functional.gaussian_nll_loss``.

    Args:
        input: the means. target: of the same shape.
        var: the variances: of the input's shape, or without (or with size 1 in) its last dimension, or a number.
        full: add log(2 pi) / 2.
        eps: variances below count as this; their gradient passes all the same.
        reduction: 'none', 'mean' or 'sum'.

    Raises ``ValueError`` for a negative variance.
    """
    reduction = _reduction("gaussian_nll_loss", reduction)
    values = _array(var)
    if (values < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entries")
    shape = tuple(input.shape)
    if values.shape not in ((), shape, (*shape[:-1], 1)):
        if values.shape != shape[:-1]:
            raise ShapeError(f"gaussian_nll_loss: var has shape {values.shape}, the input {shape}")
        var = unsqueeze(var, -1)  # type: ignore[arg-type]  # a number has shape ()
        values = values[..., None]
    var = var + np.maximum(eps - values, 0.0).astype(input.dtype)
    losses = (log(var) + square(input - target) / var) * 0.5
    return _reduce(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "celu", "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "ctc_loss", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "elu", "embedding", "feature_alpha_dropout", "fold", "gaussian_nll_loss", "gelu", "glu", "group_norm", "gumbel_softmax", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "hinge_embedding_loss", "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss",
    "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax", "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d", "mish", "mse_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad",
    "pairwise_distance", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "rms_norm", "rrelu",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus",
    "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold",
]  # fmt: skip
