"""The layers of ``einops.layers.torch`` as modules of minigrad: :class:`Rearrange`, :class:`Reduce` and :class:`EinMix`.

What a layer computes, and how it is initialised, is written in einops; here it is given a ``forward`` and Parameters.
"""

from __future__ import annotations

from typing import Any

from einops.layers import RearrangeMixin, ReduceMixin
from einops.layers._einmix import _EinmixMixin  # the class that each library derives its layer from; einops exports it nowhere else

from minigrad import nn
from minigrad.creation import empty
from minigrad.ops.contractions import einsum
from minigrad.types import Tensor

__all__ = ["EinMix", "Rearrange", "Reduce"]


class Rearrange(RearrangeMixin, nn.Module):
    """``einops.rearrange`` as a layer: ``einops.layers.torch.Rearrange``.

    Args:
        pattern: what becomes of the dimensions, ``"n c h w -> n (c h w)"``.
        axes_lengths: sizes of what a dimension is taken apart into.

    Raises ``EinopsError`` for a pattern that is none, and in a call for an input that it does not fit.

    >>> import minigrad as mg
    >>> from minigrad.einops.layers.torch import Rearrange
    >>> Rearrange("n c (h a) w -> n (c a) h w", a=2)(mg.ones(1, 3, 4, 5)).shape
    torch.Size([1, 6, 2, 5])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input, rearranged."""
        return self._apply_recipe(input)


class Reduce(ReduceMixin, nn.Module):
    """``einops.reduce`` as a layer: ``einops.layers.torch.Reduce``.

    Args:
        pattern: what becomes of the dimensions, ``"n c h w -> n c"``; what is not on the right is reduced.
        reduction: ``"min"``, ``"max"``, ``"sum"``, ``"mean"`` or ``"prod"``.
        axes_lengths: sizes of what a dimension is taken apart into.

    Raises ``EinopsError`` as :class:`Rearrange`.

    >>> import minigrad as mg
    >>> from minigrad.einops.layers.torch import Reduce
    >>> Reduce("n c (h a) (w b) -> n c h w", "max", a=2, b=2)(mg.ones(1, 3, 4, 6)).shape
    torch.Size([1, 3, 2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input, reduced."""
        return self._apply_recipe(input)


class EinMix(_EinmixMixin, nn.Module):
    """``einsum`` with a weight, and a bias, that are learnt: ``einops.layers.torch.EinMix``.

    Args:
        pattern: what becomes of the dimensions, ``"t b cin -> t b cout"``.
        weight_shape: the dimensions of the weight, ``"cin cout"``.
        bias_shape: those of the bias, which is added to the result; without it there is none.
        axes_lengths: sizes of the dimensions of both.

    Raises ``EinopsError`` as :class:`Rearrange`.

    >>> import minigrad as mg
    >>> from minigrad.einops.layers.torch import EinMix
    >>> EinMix("t b cin -> t b cout", weight_shape="cin cout", bias_shape="cout", cin=3, cout=5)(mg.ones(2, 4, 3)).shape
    torch.Size([2, 4, 5])
    """

    def _create_parameters(self, weight_shape: Any, weight_bound: float, bias_shape: Any, bias_bound: float) -> None:
        self.weight = nn.Parameter(empty(weight_shape).uniform_(-weight_bound, weight_bound))
        self.bias = None if bias_shape is None else nn.Parameter(empty(bias_shape).uniform_(-bias_bound, bias_bound))

    def _create_rearrange_layers(self, before: str | None, before_lengths: Any, after: str | None, after_lengths: Any) -> None:
        self.pre_rearrange = None if before is None else Rearrange(before, **before_lengths)
        self.post_rearrange = None if after is None else Rearrange(after, **after_lengths)

    def forward(self, input: Tensor) -> Tensor:
        """The input times the weight, plus the bias."""
        result: Any = einsum(self.einsum_pattern, input if self.pre_rearrange is None else self.pre_rearrange(input), self.weight)
        if self.bias is not None:
            result = result + self.bias
        return result if self.post_rearrange is None else self.post_rearrange(result)
