"""Layers that resize by interpolation."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.types import Size, Tensor


class Upsample(Module):
    """Images resized by interpolation: ``torch.nn.Upsample``. Arguments as those of :func:`minigrad.nn.functional.interpolate`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Upsample(scale_factor=2)(mg.ones(1, 3, 4, 5)).shape
    torch.Size([1, 3, 8, 10])
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        check(self, locals())
        super().__init__()
        self.size, self.mode = size, mode
        self.scale_factor = tuple(map(float, scale_factor)) if isinstance(scale_factor, Sequence) else scale_factor and float(scale_factor)
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input in its new size."""
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        given = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """:class:`Upsample` of images (N, C, H, W) by the nearest pixel: ``torch.nn.UpsamplingNearest2d``."""

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """:class:`Upsample` of images (N, C, H, W), bilinear, with ``align_corners=True``: ``torch.nn.UpsamplingBilinear2d``."""

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)
