"""Functions that layers are made of, under the names and signatures of ``torch.nn.functional``.

They come from :mod:`minigrad.ops`, where the gradients are; those written here are composed of such.
"""

# ruff: noqa: I001 (sorted, but several names on a line)

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase, no_grad
from minigrad.ops.activation import (
    celu, celu_, elu, elu_, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, hardtanh_, leaky_relu, leaky_relu_, logsigmoid, mish,
    prelu, relu, relu6, relu_, rrelu, rrelu_, selu, selu_, silu, softplus, softshrink, softsign, tanhshrink, threshold, threshold_,
)  # fmt: skip
from minigrad.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from minigrad.ops.ctc import ctc_loss
from minigrad.ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from minigrad.ops.elementwise import clamp, eq, exp, log, logaddexp, maximum, minimum, ne, sigmoid, sqrt, square, tanh, where
from minigrad.ops.fold import fold, unfold
from minigrad.ops.embedding import embedding, embedding_bag
from minigrad.ops.index import gather, index_select, one_hot
from minigrad.ops.linalg import bilinear, linear, matmul
from minigrad.ops.loss import (
    _reduce, _reduction, _same_shape, _weighted, binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss,
    kl_div, l1_loss, mse_loss, nll_loss, smooth_l1_loss,
)  # fmt: skip
from minigrad.ops.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from minigrad.ops.pool import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d, adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d, adaptive_max_pool2d_with_indices, adaptive_max_pool3d, adaptive_max_pool3d_with_indices, avg_pool1d, avg_pool2d,
    avg_pool3d, fractional_max_pool2d, fractional_max_pool2d_with_indices, fractional_max_pool3d, fractional_max_pool3d_with_indices,
    lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d, max_pool1d_with_indices, max_pool2d, max_pool2d_with_indices, max_pool3d,
    max_pool3d_with_indices, max_unpool1d, max_unpool2d, max_unpool3d,
)  # fmt: skip
from minigrad.ops.reduce import mean, norm, sum
from minigrad.ops.shape import (
    cat, expand, pad, permute, pixel_shuffle, pixel_unshuffle, repeat_interleave, reshape, split, squeeze, transpose, unsqueeze,
)  # fmt: skip
from minigrad.ops.resample import affine_grid, grid_sample, interpolate, upsample, upsample_bilinear, upsample_nearest
from minigrad.ops.shape import unfold as _windows
from minigrad.ops.softmax import log_softmax, softmax, softmin
from minigrad.random import numpy_generator
from minigrad.types import Operand

if TYPE_CHECKING:
    from minigrad.tensor import Tensor


def _array(x: Any) -> np.ndarray:
    return x._data if isinstance(x, TensorBase) else np.asarray(x)


# --------------------------------------------------------------------------------------- lengths and distances


def normalize(input: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12, out: Any = None) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` if that is larger: ``torch.nn.functional.normalize``.

    A Tensor ``out`` is given that value (and no gradient, as in PyTorch), and returned.

    >>> import minigrad as mg
    >>> import minigrad.nn.functional as F
    >>> F.normalize(mg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    if out is not None:
        with no_grad():
            return out.copy_(input / clamp(norm(input, p, dim, keepdim=True), min=eps))
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``: ``torch.nn.functional.cosine_similarity``."""
    a = clamp(norm(x1, 2.0, dim, keepdim=True), min=eps)
    b = clamp(norm(x2, 2.0, dim, keepdim=True), min=eps)
    return sum((x1 / a) * (x2 / b), dim=dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension: ``torch.nn.functional.pairwise_distance``."""
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows, the first row's first: ``torch.nn.functional.pdist``.

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


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each channel divided by (k + alpha times the mean square of ``size`` channels around it)^beta.

    ``torch.nn.functional.local_response_norm`` (Krizhevsky et al. 2012). input: (N, C, ...).
    """
    if input.ndim < 3:
        raise ShapeError(f"local_response_norm: the input must be (N, C, L, ...), not of shape {tuple(input.shape)}")
    around = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = _windows(pad(square(input), around), 1, size, 1)  # N C ... size
    return input / (mean(squares, dim=-1) * alpha + k) ** beta


def conv_tbc(input: Tensor, weight: Tensor, bias: Any, pad: int = 0) -> Tensor:
    """:func:`conv1d` with another order of dimensions: ``torch.nn.functional.conv_tbc``.

    Args:
        input: (T, N, C): time first. weight: (K, C, O). bias: (O,). pad: zeros on both sides.

    Returns (T + 2 pad - K + 1, N, O).
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise ShapeError(f"conv_tbc: input {tuple(input.shape)} must be (T, N, C), and weight {tuple(weight.shape)} (K, C, O)")
    return permute(conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad), (2, 0, 1))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of (N, C, ...) dealt out anew: the first of each group, then the second of each: ``torch.nn.functional.channel_shuffle``."""
    n, c, *space = input.shape
    if groups < 1 or c % groups:
        raise ShapeError(f"channel_shuffle: {c} channels do not divide into {groups} groups (input {tuple(input.shape)})")
    return reshape(transpose(reshape(input, (n, groups, c // groups, *space)), 1, 2), tuple(input.shape))


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """:func:`channel_shuffle`, as ``torch.nn.functional`` also calls it."""
    return channel_shuffle(input, groups)


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
        attn_mask: (..., L, S), added; booleans say what may be looked at (in :func:`multi_head_attention_forward`, what may not).
        dropout_p: dropout of the weights.
        is_causal: position i looks at 0..i only.
        scale: 1 / sqrt(E) by default.
        enable_gqa: groups of heads of the query share one head of key and value.

    Returns (..., L, Ev). A row of the mask that lets nothing be looked at gives zeros, as in PyTorch.
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
        kind = _array(mask).dtype
        if kind.kind not in "bf":
            raise TypeError(f"scaled_dot_product_attention: attn_mask must be boolean or floating, not {kind}")
        weights = where(mask, weights, -math.inf) if kind.kind == "b" else weights + mask
    return matmul(dropout(_softmax_or_zero(weights), dropout_p, dropout_p > 0.0), value)


def _softmax_or_zero(scores: Any) -> Any:
    """Softmax along the last dimension; a row of -inf alone (a query that may look at nothing) gives zeros, as in PyTorch."""
    blind: Any = np.isneginf(_array(scores)).all(-1, keepdims=True)
    if not blind.any():
        return softmax(scores, -1)
    return where(blind, 0.0, softmax(where(blind, 0.0, scores), -1))


def _heads(x: Any, num_heads: int) -> Any:
    """(S, N, heads * D) as (N, heads, S, D)."""
    length, batch, size = x.shape
    return permute(reshape(x, (length, batch, num_heads, size // num_heads)), (1, 2, 0, 3))


def _attention_mask(what: str, mask: Any, shapes: dict[int, tuple[int, ...]], to: tuple[int, ...]) -> Any:
    """A mask of one of the given shapes (by its rank) in four dimensions: booleans as an array, numbers as they are."""
    kind, shape = _array(mask).dtype, tuple(mask.shape)
    if kind.kind not in "bf":
        raise TypeError(f"multi_head_attention_forward: {what} must be boolean or floating, not {kind}")
    if shapes.get(len(shape)) != shape:
        raise ShapeError(f"multi_head_attention_forward: {what} must have shape {' or '.join(map(str, shapes.values()))}, but has {shape}")
    return _array(mask).reshape(to) if kind.kind == "b" else reshape(mask, to)


def _is_boolean(mask: Any) -> bool:
    return _array(mask).dtype.kind == "b"


def _summed_masks(a: Any, b: Any, dtype: Any) -> Any:
    """Two masks of booleans (what is hidden) or of numbers to be added, as one."""
    if a is None or b is None:
        return b if a is None else a
    if _is_boolean(a) and _is_boolean(b):
        return a | b
    return _to_add(a, dtype) + _to_add(b, dtype)


def _to_add(mask: Any, dtype: Any) -> Any:
    """-inf where a boolean mask hides, 0 elsewhere; numbers as they are."""
    return np.where(mask, -math.inf, 0.0).astype(dtype) if _is_boolean(mask) else mask


def _projected(query: Any, key: Any, value: Any, weight: Any, weights: tuple[Any, ...] | None, bias: Any) -> Sequence[Tensor]:
    """Query, key and value times their parts of the weight; those that are the same Tensor in one product."""
    size = query.shape[-1]
    if weights is None:
        if query is key and key is value:
            return split(linear(query, weight, bias), size, -1)
        weights = tuple(split(weight, size))
    biases = (None, None, None) if bias is None else split(bias, size)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """What :class:`minigrad.nn.MultiheadAttention` computes: ``torch.nn.functional.multi_head_attention_forward``.

    Args:
        query: (L, N, E). key: (S, N, Ek). value: (S, N, Ev). Or all three without N.
        embed_dim_to_check: E.
        num_heads: E / num_heads features for each.
        in_proj_weight: (3 E, E), for query, key and value one below the other. in_proj_bias: (3 E,) or None.
        bias_k, bias_v: (1, 1, E), one more key and value for every sequence; or None.
        add_zero_attn: one more key and value of zeros.
        dropout_p: dropout of the weights, in training.
        out_proj_weight: (E, E). out_proj_bias: (E,) or None.
        training: see ``dropout_p``.
        key_padding_mask: (N, S) or (S,): keys to ignore (True), or numbers to add.
        need_weights: also return the attention weights.
        attn_mask: (L, S) or (N num_heads, L, S): pairs to ignore (True), or numbers to add.
        use_separate_proj_weight: use q_proj_weight (E, E), k_proj_weight (E, Ek) and v_proj_weight (E, Ev) for in_proj_weight.
        static_k, static_v: (N num_heads, S, E / num_heads), used for the projected key and value.
        average_attn_weights: return their mean over the heads.
        is_causal: a hint that ``attn_mask`` is causal; the mask is what counts.

    Returns (L, N, E) and, or None, the weights: (N, L, S), or (N, num_heads, L, S) if they are not averaged.

    A query whose keys are all hidden gives zeros without ``need_weights`` and NaN with it, as in PyTorch.

    Raises ``ShapeError`` for shapes that do not fit each other, ``RuntimeError`` for ``is_causal`` without a mask.
    """
    name = "multi_head_attention_forward"
    batched = query.ndim == 3
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
        shapes = ", ".join(str(tuple(x.shape)) for x in (query, key, value))
        raise ShapeError(f"{name}: query, key and value must all be (length, batch, features) or all (length, features), not {shapes}")
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{name}: is_causal needs attn_mask; nn.Transformer.generate_square_subsequent_mask makes it")
    if not batched:
        same_key, same_value = key is query, value is key
        query = unsqueeze(query, 1)
        key = query if same_key else unsqueeze(key, 1)
        value = key if same_value else unsqueeze(value, 1)
    target, batch, size = query.shape
    source = key.shape[0]
    if size != embed_dim_to_check:
        raise ShapeError(f"{name}: query has {size} features, but {embed_dim_to_check} are needed (query {tuple(query.shape)})")
    if size % num_heads:
        raise ValueError(f"{name}: {size} features do not divide into {num_heads} heads")
    if tuple(key.shape[:2]) != (source, batch) or tuple(value.shape[:2]) != (source, batch):
        raise ShapeError(
            f"{name}: key and value must have one length, and the query's batch size {batch}: "
            f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
        )
    mask = padding = None
    if attn_mask is not None:
        shapes_by_rank = {2: (target, source), 3: (batch * num_heads, target, source)}
        to = (1, 1, target, source) if attn_mask.ndim == 2 else (batch, num_heads, target, source)
        mask = _attention_mask("attn_mask", attn_mask, shapes_by_rank, to)
    if key_padding_mask is not None:
        shape = (batch, source) if batched else (source,)
        padding = _attention_mask("key_padding_mask", key_padding_mask, {len(shape): shape}, (batch, 1, 1, source))
    mask = _summed_masks(mask, padding, query.dtype)

    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _projected(query, key, value, in_proj_weight, separate, in_proj_bias)
    if (bias_k is None) != (bias_v is None):
        raise ValueError(f"{name}: give both bias_k and bias_v, or neither")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise ValueError(f"{name}: bias_k and bias_v cannot be added to static_k and static_v")
        k, v = [cat([x, expand(b, (1, batch, size))]) for x, b in ((k, bias_k), (v, bias_v))]
    q, k, v = _heads(q, num_heads), _heads(k, num_heads), _heads(v, num_heads)  # N heads L D
    if static_k is not None:
        k = reshape(static_k, (batch, num_heads, -1, size // num_heads))
    if static_v is not None:
        v = reshape(static_v, (batch, num_heads, -1, size // num_heads))
    if add_zero_attn:
        zeros: Any = np.zeros((batch, num_heads, 1, size // num_heads), q.dtype)
        k, v = cat([k, zeros], 2), cat([v, zeros], 2)
    more = k.shape[2] - source  # keys that no mask hides
    if mask is not None and more > 0:
        mask = np.pad(mask, [(0, 0)] * 3 + [(0, more)]) if _is_boolean(mask) else pad(mask, (0, more))

    weights = None
    if need_weights:
        weights = matmul(q * q.shape[-1] ** -0.5, transpose(k, -2, -1))  # N heads L S
        if mask is not None:
            weights = weights + _to_add(mask, q.dtype)
        weights = dropout(softmax(weights, -1), dropout_p, training)
        out = matmul(weights, v)
    else:
        visible: Any = ~mask if mask is not None and _is_boolean(mask) else mask
        out = scaled_dot_product_attention(q, k, v, visible, dropout_p if training else 0.0)
    out = linear(reshape(permute(out, (2, 0, 1, 3)), (target, batch, size)), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = mean(weights, 1)
    if batched:
        return out, weights
    return squeeze(out, 1), None if weights is None else squeeze(weights, 0)


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
        options: must be None; PyTorch's say how to cut the work up, which changes no result.

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
    if ignore_index is not None and _array(target).dtype.kind == "f":
        raise ValueError(f"{name}: ignore_index is for class indices, and the target holds probabilities")
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


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
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "native_channel_shuffle",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]  # fmt: skip
