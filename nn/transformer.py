"""Transformers (Vaswani et al. 2017): layers of attention and of two linear maps, with normalisation and residual connections."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.devices import check_device
from minigrad.engine import ShapeError, get_default_dtype, wrap
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.container import ModuleList
from minigrad.nn.dropout import Dropout
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.norm import LayerNorm
from minigrad.nn.options import check
from minigrad.tensor import Tensor

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """Base of encoder and decoder layers: self-attention, and the two linear maps."""

    attentions: tuple[str, ...] = ()  # in the order of execution; the linear maps come last

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(f"{type(self).__name__}: activation must be 'relu', 'gelu' or a function, not {activation!r}")
            activation = _ACTIVATIONS[activation]
        for name in self.attentions:
            self.register_module(
                name, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype)
            )
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        blocks = range(1, len(self.attentions) + 2)
        for i in blocks:
            self.register_module(f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype))
        for i in blocks:
            self.register_module(f"dropout{i}", Dropout(dropout))
        self.activation = activation

    def _run(self, x: Tensor, *blocks: Callable[[Tensor], Tensor]) -> Tensor:
        """The blocks and then the linear maps, each with a residual connection, and normalised before (``norm_first``) or after it."""
        for i, block in enumerate((*blocks, self._feed_forward), 1):
            norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
            x = x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))
        return x

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention of a sequence, then two linear maps: ``torch.nn.TransformerEncoderLayer``.

    Args:
        d_model: features.
        nhead: heads of the attention.
        dim_feedforward: features between the two linear maps.
        dropout: of attention weights, of these features and of the residual branches' results.
        activation: between the linear maps: 'relu', 'gelu' or a function.
        layer_norm_eps: of the layer norms.
        batch_first: sequences are (N, length, features) instead of (length, N, features).
        norm_first: normalise the inputs of attention and linear maps, instead of the sums with the residual connection.
        bias: of linear maps and norms.
        device, dtype: of the parameters.

    Raises ``ValueError`` for another activation, or if d_model is not divisible by the number of heads.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.TransformerEncoderLayer(16, nhead=4, batch_first=True)(mg.ones(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    attentions = ("self_attn",)
    self_attn: MultiheadAttention

    def forward(self, src: Tensor, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Tensor:
        """A Tensor of the shape of ``src``. The masks are those of :meth:`MultiheadAttention.forward <minigrad.nn.attention.MultiheadAttention.forward>`."""

        def to_itself(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._run(src, to_itself)


class TransformerDecoderLayer(_Layer):
    """Self-attention of a sequence, then attention to a memory, then two linear maps: ``torch.nn.TransformerDecoderLayer``.

    Arguments and errors are those of :class:`TransformerEncoderLayer`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.TransformerDecoderLayer(16, nhead=4, batch_first=True)(mg.ones(2, 5, 16), mg.ones(2, 7, 16)).shape
    torch.Size([2, 5, 16])
    """

    attentions = ("self_attn", "multihead_attn")
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """A Tensor of the shape of ``tgt``; ``tgt_...`` masks are for self-attention, ``memory_...`` for the attention to the memory."""

        def to_itself(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def to_memory(x: Tensor) -> Tensor:
            return self.multihead_attn(x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal)[0]

        return self._run(tgt, to_itself, to_memory)


def _copies(name: str, layer: Module, num_layers: int) -> ModuleList:
    if num_layers < 1:
        raise ValueError(f"{name}: num_layers must be at least 1, but is {num_layers}")
    return ModuleList([copy.deepcopy(layer) for _ in range(num_layers)])


class TransformerEncoder(Module):
    """Encoder layers one after the other: ``torch.nn.TransformerEncoder``.

    Args:
        encoder_layer: a layer that is copied ``num_layers`` times, so that all start with the same weights.
        num_layers: number of layers.
        norm: a module for the result, or None.
        enable_nested_tensor, mask_check: accepted for compatibility with PyTorch.

    Raises ``ValueError`` for less than one layer.

    Elements that are masked by ``src_key_padding_mask`` have a result too; PyTorch returns zeros for them in evaluation without gradients,
    and the same numbers as here otherwise.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, nhead=4), num_layers=2)
    >>> encoder(mg.ones(5, 2, 16)).shape
    torch.Size([5, 2, 16])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ):
        check(self, locals())
        super().__init__()
        self.layers = _copies("TransformerEncoder", encoder_layer, num_layers)
        self.num_layers, self.enable_nested_tensor, self.mask_check = num_layers, enable_nested_tensor, mask_check
        self.norm = norm

    def forward(self, src: Tensor, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None) -> Tensor:
        """A Tensor of the shape of ``src``; every layer uses the masks."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=bool(is_causal), src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Decoder layers one after the other: ``torch.nn.TransformerDecoder``. Arguments as :class:`TransformerEncoder`'s.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, nhead=4), num_layers=2)
    >>> decoder(mg.ones(5, 2, 16), mg.ones(7, 2, 16)).shape
    torch.Size([5, 2, 16])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        check(self, locals())
        super().__init__()
        self.layers = _copies("TransformerDecoder", decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """A Tensor of the shape of ``tgt``; every layer uses the memory and the masks."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder and a decoder; the encoder's result is the decoder's memory: ``torch.nn.Transformer``.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: of the layers; see
            :class:`TransformerEncoderLayer`.
        num_encoder_layers, num_decoder_layers: how many layers.
        custom_encoder, custom_decoder: modules to use instead.
        device, dtype: of the parameters.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Transformer(16, nhead=4, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=32)
    >>> causal = nn.Transformer.generate_square_subsequent_mask(5)
    >>> model(mg.ones(7, 2, 16), mg.ones(5, 2, 16), tgt_mask=causal).shape
    torch.Size([5, 2, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        options = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            custom_encoder = TransformerEncoder(TransformerEncoderLayer(*options), num_encoder_layers, norm())
        if custom_decoder is None:
            custom_decoder = TransformerDecoder(TransformerDecoderLayer(*options), num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        """Draw new initial values (Xavier) for all weights."""
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's result for ``tgt`` and the encoded ``src``, of the shape of ``tgt``.

        Args:
            src: (S, N, d_model). tgt: (T, N, d_model). With ``batch_first`` N comes first; both may be without N.
            src_mask: (S, S) or (N nhead, S, S). tgt_mask: (T, T) or (N nhead, T, T). memory_mask: (T, S) or (N nhead, T, S).
            src_key_padding_mask, memory_key_padding_mask: (N, S). tgt_key_padding_mask: (N, T).
            src_is_causal, tgt_is_causal, memory_is_causal: hints that the mask is causal.

        Raises ``ShapeError`` for other shapes.
        """
        batch = 0 if self.batch_first else 1
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(f"Transformer: src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must have {self.d_model} features (d_model)")
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(f"Transformer: src {tuple(src.shape)} and tgt {tuple(tgt.shape)} must have the same batch size")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): 0 where j <= i, so that element i may attend to j, and -inf elsewhere.

        >>> from minigrad import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        check_device(device)
        dtype = get_default_dtype() if dtype is None else np.dtype(dtype)
        return wrap(np.where(np.tri(sz, dtype=bool), 0.0, -np.inf).astype(dtype))
