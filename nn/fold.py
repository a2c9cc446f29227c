"""Layers that extract windows from an input (im2col), and add windows up (col2im)."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.types import Size, Tensor


class Unfold(Module):
    """The windows of an image as columns: ``torch.nn.Unfold``. (N, C, H, W) to (N, C kh kw, number of windows).

    Args:
        kernel_size, dilation, padding, stride: of the windows, numbers or (height, width).
    """

    dims = 2

    def __init__(
        self,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ):
        check(self, locals())
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C kh kw, windows)"""
        return F.unfold(input, kernel_size=self.kernel_size, dilation=self.dilation, padding=self.padding, stride=self.stride)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns added up into an image, the transpose of :class:`Unfold`: ``torch.nn.Fold``.

    Args:
        output_size: (H, W).
        kernel_size, dilation, padding, stride: of the windows, numbers or (height, width).
    """

    dims = 2

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ):
        check(self, locals())
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C kh kw, windows) to (N, C, H, W)"""
        return F.fold(
            input,
            output_size=self.output_size,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            padding=self.padding,
            stride=self.stride,
        )

    def extra_repr(self) -> str:
        """The settings."""
        window = f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        return f"output_size={self.output_size}, {window}"
