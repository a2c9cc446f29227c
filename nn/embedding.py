"""Lookup tables."""

from __future__ import annotations

from typing import Any

from minigrad.engine import ShapeError
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.tensor import Tensor, as_tensor
from minigrad.tree import array_of
from minigrad.types import DType


def _table(name: str, embeddings: Any) -> Tensor:
    table = embeddings if isinstance(embeddings, Tensor) else as_tensor(embeddings)
    if table.ndim != 2:
        raise ShapeError(f"{name}.from_pretrained: a table (V, D) is needed, not of shape {tuple(table.shape)}")
    return table


class _Table(Module):
    """Base of Embedding and EmbeddingBag: a matrix, its initial values, and the ``repr``."""

    weight: Parameter
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool

    def _make_table(
        self, rows: int, features: int, padding_idx: int | None, weight: Tensor | None, freeze: bool, device: Any, dtype: Any
    ) -> None:
        name = type(self).__name__
        if padding_idx is not None and not -rows <= padding_idx < rows:
            raise ValueError(f"{name}: padding_idx {padding_idx} is outside the {rows} symbols")
        self.num_embeddings, self.embedding_dim = rows, features
        self.padding_idx = None if padding_idx is None else padding_idx % rows
        if weight is None:
            self.weight = empty_parameter((rows, features), dtype, device)
            self.weight.requires_grad_(not freeze)
            self.reset_parameters()
        else:
            if tuple(weight.shape) != (rows, features):
                raise ShapeError(f"{name}: the weight has shape {tuple(weight.shape)}, not {(rows, features)}")
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            value = self.weight._data.copy()
            value[self.padding_idx] = 0.0
            self.weight.data = value

    def _shown(self) -> str:
        norm = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        order = "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        return norm + order + (", scale_grad_by_freq=True" if self.scale_grad_by_freq else "")


class Embedding(_Table):
    """A learned vector for each of ``num_embeddings`` symbols: ``torch.nn.Embedding``.

    Args:
        num_embeddings: V, the number of symbols; embedding_dim: D, the size of a vector.
        padding_idx: a symbol whose vector is initially 0 and is not trained.
        max_norm, norm_type, scale_grad_by_freq, sparse: as for :func:`minigrad.nn.functional.embedding`.
        device, dtype: of the table.

    ``forward`` turns integers of any shape into that shape with D appended, and raises ``IndexError`` for one outside 0..V-1.
    ``weight`` (V, D) is drawn from the standard normal distribution.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Embedding(10, 3)(mg.tensor([[1, 2], [4, 4]])).shape
    torch.Size([2, 2, 3])
    """

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
        _freeze: bool = False,
        device: Any = None,
        dtype: DType = None,
    ):
        check(self, locals())
        super().__init__()
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, sparse
        self._make_table(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding with the rows of ``embeddings`` (V, D) as its vectors, not trained if ``freeze``."""
        table = _table(cls.__name__, embeddings)
        return cls(table.shape[0], table.shape[1], padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, table, freeze)

    def forward(self, input: Tensor) -> Tensor:
        """Integers (...) to vectors (..., D)"""
        index = array_of(input)
        return F.embedding(index, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        """The settings that are not the default ones."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        sparse = ", sparse=True" if self.sparse else ""
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{self._shown()}{sparse}"


class EmbeddingBag(_Table):
    """The sum, mean or maximum of the vectors of each bag of symbols: ``torch.nn.EmbeddingBag``.

    Args:
        num_embeddings: V, the number of symbols; embedding_dim: D, the size of a vector.
        max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset: as for :func:`minigrad.nn.functional.embedding_bag`.
        padding_idx: a symbol that is ignored; its vector is initially 0 and is not trained.
        device, dtype: of the table.

    ``weight`` (V, D) is drawn from the standard normal distribution.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.EmbeddingBag(10, 3)(mg.tensor([1, 2, 4, 4]), mg.tensor([0, 3])).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, scale_grad_by_freq, sparse
        self.mode, self.include_last_offset = mode, include_last_offset
        self._make_table(num_embeddings, embedding_dim, padding_idx, _weight, False, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Bags of the rows of ``embeddings`` (V, D), which are not trained if ``freeze``."""
        table = _table(cls.__name__, embeddings)
        bag = cls(
            table.shape[0], table.shape[1], max_norm, norm_type, scale_grad_by_freq, mode, sparse, table, include_last_offset, padding_idx
        )
        bag.weight.requires_grad_(not freeze)
        return bag

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Bags (B, N), or (T,) with ``offsets`` (B,), to vectors (B, D)"""
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode, self.sparse,
            per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The settings that are not the default ones."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{self._shown()}, mode={self.mode!r}{padding}"
