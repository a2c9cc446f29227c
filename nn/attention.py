"""Attention between the elements of sequences."""

from __future__ import annotations

from typing import Any

from minigrad import absent
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.linear import NonDynamicallyQuantizableLinear
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.ops.shape import transpose
from minigrad.tensor import Tensor


@absent.answers_as("torch.nn.MultiheadAttention")
class MultiheadAttention(Module):
    """Concat(head_1, ...) W_out, head_i = softmax(q_i k_i^T / sqrt(d)) v_i (Vaswani et al. 2017): ``torch.nn.MultiheadAttention``.

    Args:
        embed_dim: E, features of the query and of the result.
        num_heads: number of heads, with E / num_heads features each.
        dropout: of the attention weights, in training.
        bias: whether the projections have one.
        add_bias_kv: learn one more key and value, to which every query may attend.
        add_zero_attn: add one more key and value of zeros.
        kdim, vdim: features of key and value; E by default.
        batch_first: sequences are (N, length, features) instead of (length, N, features).
        device, dtype: of the parameters.

    Raises ``ValueError`` if E is not divisible by the number of heads.

    Attributes: ``in_proj_weight`` (3 E, E), or if kdim or vdim differ ``q_proj_weight`` (E, E), ``k_proj_weight`` (E, kdim) and
    ``v_proj_weight`` (E, vdim); ``in_proj_bias`` (3 E,); ``out_proj``, a Linear; ``bias_k`` and ``bias_v`` (1, 1, E).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> attention = nn.MultiheadAttention(16, num_heads=4, batch_first=True)
    >>> queries, memory = mg.randn(2, 5, 16), mg.randn(2, 7, 16)
    >>> out, weights = attention(queries, memory, memory)
    >>> out.shape, weights.shape
    (torch.Size([2, 5, 16]), torch.Size([2, 5, 7]))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {embed_dim} features (embed_dim) do not divide into {num_heads} heads (num_heads)")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        separate = self.kdim != embed_dim or self.vdim != embed_dim
        for name, rows, columns, there in (
            ("q_proj_weight", embed_dim, embed_dim, separate),
            ("k_proj_weight", embed_dim, self.kdim, separate),
            ("v_proj_weight", embed_dim, self.vdim, separate),
            ("in_proj_weight", 3 * embed_dim, embed_dim, not separate),
        ):
            self.register_parameter(name, empty_parameter((rows, columns), dtype, device) if there else None)
        self.register_parameter("in_proj_bias", empty_parameter((3 * embed_dim,), dtype, device) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, empty_parameter((1, 1, embed_dim), dtype, device) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Draw new initial values: Xavier's for weights and for bias_k and bias_v, zeros for the other biases."""
        for weight in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight, self.in_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The attention output for each query, and the attention weights.

        Args:
            query: (L, N, E). key: (S, N, kdim). value: (S, N, vdim). With ``batch_first`` N comes first; all may be without N.
            key_padding_mask: (N, S), or (S,) without N: True for keys to ignore, or numbers to add to the scores.
            need_weights: also return the weights, which takes longer.
            attn_mask: (L, S) or (N num_heads, L, S): True for pairs to ignore, or numbers to add.
            average_attn_weights: their mean over the heads instead of each head's.
            is_causal: a hint that ``attn_mask``, which must be given, is causal.

        Returns a Tensor of the query's shape and, or None, (N, L, S), or (N, num_heads, L, S) if they are not averaged. See
        :func:`minigrad.nn.functional.multi_head_attention_forward` for errors, and for queries whose keys are all masked.
        """
        swap = self.batch_first and query.ndim == 3
        if swap:
            same_key, same_value = key is query, value is key  # one shared Tensor stays one Tensor, so that it is projected in one product
            query = transpose(query, 0, 1)
            key = query if same_key else transpose(key, 0, 1)
            value = key if same_value else transpose(value, 0, 1)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v,
            self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask, need_weights,
            attn_mask, self.in_proj_weight is None, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (transpose(out, 0, 1) if swap else out), weights
