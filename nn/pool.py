"""Pooling layers. Each calls the function of its name in :mod:`minigrad.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.ops.window_sizes import per_axis
from minigrad.tensor import Tensor
from minigrad.types import Size


class _MaxPool(Module):
    dims: int

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        check(self, locals())
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def _settings(self) -> tuple:
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        """The settings."""
        window = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}"
        return f"{window}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L): ``torch.nn.MaxPool1d``. Arguments as :class:`MaxPool2d`'s."""

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L')"""
        return F.max_pool1d(input, *self._settings())


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W): ``torch.nn.MaxPool2d``.

    Args:
        kernel_size: of the window, a number or (height, width); likewise:
        stride: step of the window; its size by default.
        padding: number of rows and columns of -inf on each side, at most half a window.
        dilation: distance between the elements of the window.
        return_indices: also return the index of each maximum in the image (for ``max_unpool2d``).
        ceil_mode: round the output size up, so that the last window may extend beyond the end.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.MaxPool2d(2)(mg.arange(16.0).reshape(1, 1, 4, 4))
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    dims = 2

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')"""
        return F.max_pool2d(input, *self._settings())


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W): ``torch.nn.MaxPool3d``. Arguments as :class:`MaxPool2d`'s."""

    dims = 3

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D', H', W')"""
        return F.max_pool3d(input, *self._settings())


class _AvgPool(Module):
    dims: int

    def __init__(self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool, count_include_pad: bool):
        check(self, locals())
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window of (N, C, L): ``torch.nn.AvgPool1d``. Arguments as :class:`AvgPool2d`'s."""

    dims = 1

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False, count_include_pad: bool = True
    ):
        name = type(self).__name__
        window = per_axis(name, "kernel_size", kernel_size, 1)
        step = window if stride is None else per_axis(name, "stride", stride, 1)
        super().__init__(window, step, per_axis(name, "padding", padding, 1, 0), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L')"""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W): ``torch.nn.AvgPool2d``.

    Args:
        kernel_size: of the window, a number or (height, width); likewise:
        stride: step of the window; its size by default.
        padding: zeros added on each side, at most half a window.
        ceil_mode: round the output size up, so that the last window may extend beyond the end.
        count_include_pad: whether the mean includes the zeros of the padding.
        divisor_override: divide the sums by this instead.
    """

    dims = 2

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        check(self, locals(), divisor_override="not 0")
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

    def _settings(self) -> tuple:
        return self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')"""
        return F.avg_pool2d(input, *self._settings())


class AvgPool3d(AvgPool2d):
    """The mean of each window of (N, C, D, H, W): ``torch.nn.AvgPool3d``. Arguments as :class:`AvgPool2d`'s."""

    dims = 3

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D', H', W')"""
        return F.avg_pool3d(input, *self._settings())


class _Adaptive(Module):
    def __init__(self, output_size: int | Sequence[int | None]):
        check(self, locals())
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """Means over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveAvgPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, output_size)"""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_Adaptive):
    """Means over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveAvgPool2d``.

    Args:
        output_size: a number or (height, width); None keeps the size of the input.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.AdaptiveAvgPool2d(1)(mg.ones(2, 8, 7, 5)).shape
    torch.Size([2, 8, 1, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to ``(N, C, *output_size)``."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_Adaptive):
    """Means over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveAvgPool3d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to ``(N, C, *output_size)``."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: int | Sequence[int | None], return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Maxima over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveMaxPool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, output_size)"""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Maxima over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveMaxPool2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to ``(N, C, *output_size)``."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """Maxima over windows chosen so that the result has ``output_size``: ``torch.nn.AdaptiveMaxPool3d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to ``(N, C, *output_size)``."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _LPPool(Module):
    dims: int

    def __init__(self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False):
        check(self, locals(), norm_type="not 0")
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def extra_repr(self) -> str:
        """The settings."""
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, L): ``torch.nn.LPPool1d``, with p the ``norm_type``."""

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L')"""
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, H, W): ``torch.nn.LPPool2d``, with p the ``norm_type``."""

    dims = 2

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')"""
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPool):
    """(sum of x^p)^(1/p) over each window of (N, C, D, H, W): ``torch.nn.LPPool3d``, with p the ``norm_type``."""

    dims = 3

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D', H', W')"""
        return F.lp_pool3d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class _MaxUnpool(Module):
    dims: int

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0):
        super().__init__()
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.dims)
        self.padding = per_axis(name, "padding", padding, self.dims, 0)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", stride, self.dims)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Maxima put back where :class:`MaxPool1d` found them, zeros elsewhere: ``torch.nn.MaxUnpool1d``."""

    dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, L') to (N, C, L)"""
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Maxima put back where :class:`MaxPool2d` (with ``return_indices``) found them, zeros elsewhere: ``torch.nn.MaxUnpool2d``."""

    dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, H', W') to (N, C, H, W)"""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Maxima put back where :class:`MaxPool3d` found them, zeros elsewhere: ``torch.nn.MaxUnpool3d``."""

    dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, D', H', W') to (N, C, D, H, W)"""
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _FractionalMaxPool(Module):
    dims: int

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give either output_size or output_ratio")
        self.kernel_size, self.return_indices = per_axis(name, "kernel_size", kernel_size, self.dims), return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else per_axis(name, "output_size", output_size, self.dims)
        ratio = (output_ratio,) * self.dims if isinstance(output_ratio, (int, float)) else output_ratio
        self.output_ratio = None if ratio is None else tuple(ratio)
        if self.output_ratio is not None and (len(self.output_ratio) != self.dims or not all(0 < r < 1 for r in self.output_ratio)):
            raise ValueError(f"{name}: output_ratio must be a number between 0 and 1, or {self.dims} of them, not {output_ratio}")


class FractionalMaxPool2d(_FractionalMaxPool):
    """The maximum of each randomly placed window of (N, C, H, W) (Graham 2015): ``torch.nn.FractionalMaxPool2d``.

    Args:
        kernel_size: size of the windows, an int or a pair.
        output_size: H' and W'; or output_ratio: H' / H and W' / W, each between 0 and 1.
        return_indices: also return the index of each maximum, for :class:`MaxUnpool2d`.

    Raises ``ValueError`` unless exactly one of size and ratio is given. See :func:`minigrad.nn.functional.fractional_max_pool2d`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.FractionalMaxPool2d(2, output_ratio=0.7)(mg.ones(1, 3, 10, 20)).shape
    torch.Size([1, 3, 7, 14])
    """

    dims = 2

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, H', W')"""
        return F.fractional_max_pool2d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """The maximum of each randomly placed window of (N, C, D, H, W): ``torch.nn.FractionalMaxPool3d``."""

    dims = 3

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, D', H', W')"""
        return F.fractional_max_pool3d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )
