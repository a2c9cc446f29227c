"""Lookup tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import ShapeError, TensorBase
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.tensor import Tensor
from minigrad.types import DType


class Embedding(Module):
    """A learned vector for each of ``num_embeddings`` symbols: ``torch.nn.Embedding``.

    Args:
        num_embeddings: V, the number of symbols; embedding_dim: D, the size of a vector.
        padding_idx: a symbol whose vector is 0 at first and is not trained.
        max_norm, norm_type, scale_grad_by_freq, sparse: not supported, must be left at their defaults.
        device, dtype: of the table.

    ``forward`` turns integers of any shape into that shape with D appended, and raises ``IndexError`` for one outside 0..V-1.
    ``weight`` (V, D) is drawn from the standard normal distribution.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Embedding(10, 3)(mg.tensor([[1, 2], [4, 4]])).shape
    (2, 2, 3)
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        device: Any = None,
        dtype: DType = None,
    ):
        super().__init__()
        if max_norm is not None or scale_grad_by_freq or sparse:
            raise NotImplementedError("Embedding: max_norm, scale_grad_by_freq and sparse are not supported")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} is outside the {num_embeddings} symbols")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        if _weight is None:
            self.weight = empty_parameter((num_embeddings, embedding_dim), dtype, device)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise ShapeError(f"Embedding: the weight has shape {tuple(_weight.shape)}, not {(num_embeddings, embedding_dim)}")
            self.weight = Parameter(_weight)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """An embedding with the rows of ``embeddings`` (V, D) as its vectors, not trained if ``freeze``."""
        weight = Parameter(embeddings, requires_grad=not freeze)
        if weight.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: a table (V, D) is needed, not of shape {weight.shape}")
        module = cls(weight.shape[0], weight.shape[1], padding_idx=padding_idx, _weight=weight)
        module.weight = weight
        return module

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            value = self.weight._data.copy()
            value[self.padding_idx] = 0.0
            self.weight.data = value

    def forward(self, input: Tensor) -> Tensor:
        """Integers (...) to vectors (..., D)"""
        index = input._data if isinstance(input, TensorBase) else np.asarray(input)
        return F.embedding(index, self.weight, padding_idx=self.padding_idx)

    def extra_repr(self) -> str:
        """The settings."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
