"""Layers that pad: with a constant, or with values of the input."""

from __future__ import annotations

from minigrad.engine import ShapeError
from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.ops.window_sizes import per_axis
from minigrad.types import Size, Tensor


class _Pad(Module):
    dims: int
    mode: str

    def __init__(self, padding: Size):
        super().__init__()
        self.padding = per_axis(type(self).__name__, "padding", padding, 2 * self.dims, None)  # negative: a crop

    def forward(self, input: Tensor) -> Tensor:
        """The input, padded."""
        if input.ndim not in (self.dims + 1, self.dims + 2):
            ranks = f"{self.dims + 1} or {self.dims + 2}"
            raise ShapeError(f"{type(self).__name__}: the input must have {ranks} dimensions, not shape {tuple(input.shape)}")
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
