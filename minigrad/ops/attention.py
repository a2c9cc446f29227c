"""Attention: a mean of values, weighted by the similarity of their keys to a query. Composed of matrix products, softmax and dropout.

A mask is boolean, or has numbers to be added to the scores. As in PyTorch, True means that a key is used in
:func:`scaled_dot_product_attention`, but that it is ignored in :func:`multi_head_attention_forward`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, each_sample, entitled, public
from minigrad.ops.arguments import require_broadcast
from minigrad.ops.dropout import dropout
from minigrad.ops.elementwise import where
from minigrad.ops.precision import in_float32
from minigrad.ops.products import linear, matmul
from minigrad.ops.reduce import mean
from minigrad.ops.shape import cat, expand, pad, permute, repeat_interleave, reshape, split, squeeze, transpose, unsqueeze
from minigrad.ops.softmax import softmax
from minigrad.tree import array_of, numbers_of
from minigrad.types import Tensor


@in_float32
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
        attn_mask: (..., L, S), numbers to be added, or booleans: True for keys to use (:func:`multi_head_attention_forward`: to ignore).
        dropout_p: dropout probability of the attention weights.
        is_causal: position i attends to positions 0..i only.
        scale: factor of the scores, 1 / sqrt(E) by default.
        enable_gqa: groups of query heads share one head of key and value.

    Returns (..., L, Ev). A query whose keys are all masked gives zeros, as in PyTorch.

    Raises:
        ShapeError: sizes that do not fit, or a mask that does not broadcast to (..., L, S).
        RuntimeError: dtypes that differ, or both ``attn_mask`` and ``is_causal``. TypeError: a mask of integers.
    """
    if query.dtype.kind != "f":
        raise RuntimeError(f"scaled_dot_product_attention: query must be floating, not {query.dtype.name}")
    _check_sizes(query, key, value, enable_gqa)
    for what, other in (("key", key), ("value", value)):
        if other.dtype != query.dtype:
            raise RuntimeError(
                f"scaled_dot_product_attention: query is {query.dtype.name} but {what} is {other.dtype.name}; convert one, as in k.to(q.dtype)"
            )
    if enable_gqa:
        key, value = [repeat_interleave(x, query.shape[-3] // x.shape[-3], -3) for x in (key, value)]
    weights = matmul(query * (max(query.shape[-1], 1) ** -0.5 if scale is None else scale), transpose(key, -2, -1))  # ... L S
    mask: Any = attn_mask
    if is_causal:
        if mask is not None:
            raise RuntimeError("scaled_dot_product_attention: give either attn_mask or is_causal")
        mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    if mask is not None:
        kind = array_of(mask).dtype
        if kind.kind not in "bf":
            raise TypeError(f"scaled_dot_product_attention: attn_mask must be boolean or floating, not {kind}")
        require_broadcast("scaled_dot_product_attention", **{"scores (..., L, S)": weights, "attn_mask": mask})
        weights = where(mask, weights, -math.inf) if kind.kind == "b" else weights + mask
    out = matmul(dropout(_softmax_or_zero(weights), dropout_p, dropout_p > 0.0), value)
    alike = len(query.shape) == 4 and query.shape[-1] == key.shape[-1] == value.shape[-1] and not dropout_p
    if alike and not getattr(attn_mask, "requires_grad", False):  # what PyTorch computes in one step
        entitled(out, "ScaledDotProductFlashAttentionForCpuBackward0")
    return out


def _check_sizes(query: Any, key: Any, value: Any, grouped: bool) -> None:
    """Raise ``ShapeError`` unless the operands are (..., L, E), (..., S, E) and (..., S, Ev), with the heads that ``grouped`` needs."""
    q, k, v = tuple(query.shape), tuple(key.shape), tuple(value.shape)
    rule = ""
    if min(len(q), len(k), len(v)) < 2:
        rule = "(..., L, E) is needed: two dimensions at least"
    elif q[-1] != k[-1]:
        rule = f"query and key must have one size E, but have {q[-1]} and {k[-1]}"
    elif k[-2] != v[-2]:
        rule = f"key and value must have one length S, but have {k[-2]} and {v[-2]}"
    elif grouped and (min(len(q), len(k), len(v)) < 3 or any(not n or q[-3] % n for n in (k[-3], v[-3]))):
        rule = "with enable_gqa the heads of key and value, their dimension -3, must divide those of the query"
    elif not q[:-2] == k[:-2] == v[:-2]:
        own = 3 if grouped else 2
        try:
            np.broadcast_shapes(q[:-own], k[:-own], v[:-own])
        except ValueError:
            rule = f"the dimensions before the last {own} do not broadcast"
    if rule:
        raise ShapeError(f"scaled_dot_product_attention: {rule} (query {q}, key {k}, value {v})")


def _softmax_or_zero(scores: Any) -> Any:
    """Softmax along the last dimension. If all scores of a row are -inf (all keys masked), it gives zeros, as in PyTorch."""
    if not np.isneginf(numbers_of(scores)).all(-1).any():
        return softmax(scores, -1)
    blind: Any = each_sample(lambda scores: np.isneginf(scores).all(-1, keepdims=True), array_of(scores))
    return where(blind, 0.0, softmax(where(blind, 0.0, scores), -1))


def _heads(x: Any, num_heads: int) -> Any:
    """(S, N, heads * D) as (N, heads, S, D)."""
    length, batch, size = x.shape
    return permute(reshape(x, (length, batch, num_heads, size // num_heads)), (1, 2, 0, 3))


def _attention_mask(what: str, mask: Any, shapes: dict[int, tuple[int, ...]], to: tuple[int, ...]) -> Any:
    """A mask of one of ``shapes`` (number of dimensions -> shape), reshaped to four dimensions."""
    kind, shape = array_of(mask).dtype, tuple(mask.shape)
    if kind.kind not in "bf":
        raise TypeError(f"multi_head_attention_forward: {what} must be boolean or floating, not {kind}")
    if shapes.get(len(shape)) != shape:
        raise ShapeError(f"multi_head_attention_forward: {what} must have shape {' or '.join(map(str, shapes.values()))}, but has {shape}")
    return reshape(mask, to)


def _is_boolean(mask: Any) -> bool:
    return array_of(mask).dtype.kind == "b"


def _summed_masks(a: Any, b: Any, dtype: Any) -> Any:
    """The combination of two masks, each boolean (True: ignored) or with numbers to be added."""
    if a is None or b is None:
        return b if a is None else a
    if _is_boolean(a) and _is_boolean(b):
        return a | b
    return _to_add(a, dtype) + _to_add(b, dtype)


def _to_add(mask: Any, dtype: Any) -> Any:
    """-inf where a boolean mask is True, 0 elsewhere; a mask of numbers unchanged."""
    return where(mask, np.full(1, -math.inf, dtype), np.zeros(1, dtype)) if _is_boolean(mask) else mask


def _projected(query: Any, key: Any, value: Any, weight: Any, weights: tuple[Any, ...] | None, bias: Any) -> Sequence[Tensor]:
    """Query, key and value multiplied with their parts of the weight; one product if all three are the same Tensor."""
    size = query.shape[-1]
    if weights is None:
        if query is key and key is value:
            return split(linear(query, weight, bias), size, -1)
        weights = tuple(split(weight, size))
    biases = (None, None, None) if bias is None else split(bias, size)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]


@in_float32
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
    """The function that :class:`minigrad.nn.MultiheadAttention` computes: ``torch.nn.functional.multi_head_attention_forward``.

    Args:
        query: (L, N, E). key: (S, N, Ek). value: (S, N, Ev). Or all three without N.
        embed_dim_to_check: E.
        num_heads: the number of heads, each with E / num_heads features.
        in_proj_weight: (3 E, E), the weights for query, key and value, concatenated. in_proj_bias: (3 E,) or None.
        bias_k, bias_v: (1, 1, E), an additional key and value for every sequence; or None.
        add_zero_attn: append a key and a value of zeros.
        dropout_p: dropout probability of the attention weights, in training.
        out_proj_weight: (E, E). out_proj_bias: (E,) or None.
        training: see ``dropout_p``.
        key_padding_mask: (N, S) or (S,): keys to ignore (True), or numbers to add.
        need_weights: also return the attention weights.
        attn_mask: (L, S) or (N num_heads, L, S): pairs to ignore (True), or numbers to add.
        use_separate_proj_weight: use q_proj_weight (E, E), k_proj_weight (E, Ek), v_proj_weight (E, Ev) instead of in_proj_weight.
        static_k, static_v: (N num_heads, S, E / num_heads), used instead of the projected key and value.
        average_attn_weights: return the mean of the weights over the heads.
        is_causal: a hint that ``attn_mask`` is causal; only the mask is used.

    Returns (L, N, E) and the weights, or None: (N, L, S), or (N, num_heads, L, S) if they are not averaged.

    A query whose keys are all masked gives zeros without ``need_weights`` and NaN with it, as in PyTorch.

    Raises ``ShapeError`` for shapes that do not fit together, ``RuntimeError`` for ``is_causal`` without a mask.
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
    more = k.shape[2] - source  # appended keys, which are never masked
    if mask is not None and more > 0:
        mask = pad(mask, (0, more))

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


public(__name__)
