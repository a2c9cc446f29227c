"""Layers that move values between channels and space, or between channels."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.types import Tensor


class PixelShuffle(Module):
    """(N, C r^2, H, W) to (N, C, H r, W r): ``torch.nn.PixelShuffle``, with r the ``upscale_factor``."""

    def __init__(self, upscale_factor: int):
        check(self, locals())
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels moved to space."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H r, W r) to (N, C r^2, H, W): ``torch.nn.PixelUnshuffle``, with r the ``downscale_factor``."""

    def __init__(self, downscale_factor: int):
        check(self, locals())
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input with space moved to channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (N, C, ...) interleaved between ``groups``: ``torch.nn.ChannelShuffle``."""

    def __init__(self, groups: int):
        check(self, locals())
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """The input with its channels in another order."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The settings."""
        return f"groups={self.groups}"
