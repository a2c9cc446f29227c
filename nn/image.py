"""Layers that move pixels: padding, shuffling between channels and space, resizing; and similarities."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.engine import ShapeError
from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

Size = int | Sequence[int]


class _Pad(Module):
    dims: int
    mode: str

    def __init__(self, padding: Size):
        super().__init__()
        self.padding = (padding,) * (2 * self.dims) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self.dims:
            raise ValueError(f"{type(self).__name__}: padding must be a number or {2 * self.dims} of them, not {padding}")

    def forward(self, input: Tensor) -> Tensor:
        """The input, padded."""
        if input.ndim not in (self.dims + 1, self.dims + 2):
            ranks = f"{self.dims + 1} or {self.dims + 2}"
            raise ShapeError(f"{type(self).__name__}: the input must have {ranks} dimensions, not shape {input.shape}")
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.padding}"


class ConstantPad1d(_Pad):
    """``value`` before and after each row of (N, C, L): ``torch.nn.ConstantPad1d``. Arguments as :class:`ConstantPad2d`'s."""

    dims, mode = 1, "constant"

    def __init__(self, padding: Size, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """The input, padded."""
        return F.pad(input, self.padding, mode="constant", value=self.value)

    def extra_repr(self) -> str:
        """The settings."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """``value`` around images (N, C, H, W): ``torch.nn.ConstantPad2d``.

    Args:
        padding: a number, or (left, right, top, bottom). Negative ones crop.
        value: of the new pixels.
    """

    dims = 2


class ConstantPad3d(ConstantPad1d):
    """``value`` around volumes (N, C, D, H, W): ``torch.nn.ConstantPad3d``. padding: a number, or 6 of them, for W, H and D."""

    dims = 3


class ZeroPad1d(ConstantPad1d):
    """Zeros before and after each row of (N, C, L): ``torch.nn.ZeroPad1d``."""

    def __init__(self, padding: Size):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.padding}"


class ZeroPad2d(ZeroPad1d):
    """Zeros around images (N, C, H, W): ``torch.nn.ZeroPad2d``. padding: a number, or (left, right, top, bottom)."""

    dims = 2


class ZeroPad3d(ZeroPad1d):
    """Zeros around volumes (N, C, D, H, W): ``torch.nn.ZeroPad3d``."""

    dims = 3


class ReflectionPad1d(_Pad):
    """Rows of (N, C, L) continued by their mirror image: ``torch.nn.ReflectionPad1d``."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Images (N, C, H, W) continued by their mirror image: ``torch.nn.ReflectionPad2d``. Arguments as :class:`ZeroPad2d`'s."""

    dims, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Volumes (N, C, D, H, W) continued by their mirror image: ``torch.nn.ReflectionPad3d``."""

    dims, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Rows of (N, C, L) continued by their last element: ``torch.nn.ReplicationPad1d``."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Images (N, C, H, W) continued by their border: ``torch.nn.ReplicationPad2d``. padding: a number, or (left, right, top, bottom)."""

    dims, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Volumes (N, C, D, H, W) continued by their border: ``torch.nn.ReplicationPad3d``."""

    dims, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Rows of (N, C, L) continued from their other end: ``torch.nn.CircularPad1d``."""

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Images (N, C, H, W) continued from their other side: ``torch.nn.CircularPad2d``. padding: a number, or (left, right, top, bottom)."""

    dims, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Volumes (N, C, D, H, W) continued from their other side: ``torch.nn.CircularPad3d``."""

    dims, mode = 3, "circular"


class PixelShuffle(Module):
    """(N, C r^2, H, W) to (N, C, H r, W r): ``torch.nn.PixelShuffle``, with r the ``upscale_factor``."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels laid out in space."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(N, C, H r, W r) to (N, C r^2, H, W): ``torch.nn.PixelUnshuffle``, with r the ``downscale_factor``."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """The input with space laid out in channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """The channels of (N, C, ...) dealt out anew over ``groups``: ``torch.nn.ChannelShuffle``."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """The input with its channels in another order."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """The settings."""
        return f"groups={self.groups}"


class Upsample(Module):
    """Images of another size: ``torch.nn.Upsample``. Arguments as those of :func:`minigrad.nn.functional.interpolate`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Upsample(scale_factor=2)(mg.ones(1, 3, 4, 5)).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
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
    """:class:`Upsample` of images (N, C, H, W), bilinear with the corners in place: ``torch.nn.UpsamplingBilinear2d``."""

    def __init__(self, size: Size | None = None, scale_factor: float | Sequence[float] | None = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``dim``: ``torch.nn.CosineSimilarity``."""

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Numbers between -1 and 1."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 along the last dimension: ``torch.nn.PairwiseDistance``."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Distances."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Unfold(Module):
    """The windows of an image as columns: ``torch.nn.Unfold``. (N, C, H, W) to (N, C kh kw, number of windows).

    Args:
        kernel_size, dilation, padding, stride: of the windows, numbers or (height, width).
    """

    def __init__(
        self,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ):
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

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ):
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
