"""Convolutions and transposed convolutions over 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.ops.window_sizes import per_axis
from minigrad.tensor import Tensor
from minigrad.types import DType, Size

_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvBase(Module):
    """Base of all convolutions: weights, their initial values, and the ``repr``."""

    dims: int
    transposed = False
    weight: Parameter
    bias: Parameter | None

    def _set(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        dilation: Size,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
        output_padding: Size = 0,
    ) -> None:
        check(self, {"in_channels": in_channels, "out_channels": out_channels, "groups": groups})  # per_axis checks the sizes below
        name = type(self).__name__
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: {in_channels} input and {out_channels} output channels do not divide into {groups} groups")
        if padding_mode not in _MODES:
            raise ValueError(f"{name}: padding_mode must be one of {', '.join(_MODES)}, not {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = in_channels, out_channels, groups, padding_mode
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.dims)
        self.stride = per_axis(name, "stride", stride, self.dims)
        self.dilation = per_axis(name, "dilation", dilation, self.dims)
        self.output_padding = per_axis(name, "output_padding", output_padding, self.dims, 0)
        self.padding: Any = padding
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding must be numbers, 'same' or 'valid', not {padding!r}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding='same' keeps the size, which is impossible with a stride of {self.stride}")
        else:
            self.padding = per_axis(name, "padding", padding, self.dims, 0)
        self._reversed_padding_repeated_twice = self._padding_margins()
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = empty_parameter((*channels, *self.kernel_size), dtype, device)
        self.register_parameter("bias", empty_parameter((out_channels,), dtype, device) if bias else None)
        self.reset_parameters()

    def _padding_margins(self) -> list[int]:
        """The padding in the order of F.pad, the last dimension first, for padding modes other than zeros."""
        margins: list[int] = []
        for i in reversed(range(self.dims)):
            if self.padding == "valid":
                margins += [0, 0]
            elif self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                margins += [total // 2, total - total // 2]
            else:
                margins += [self.padding[i], self.padding[i]]
        return margins

    def reset_parameters(self) -> None:
        """Draw new initial values, uniform on ±1/sqrt(fan_in)."""
        init.default_weight_(self.weight)
        if self.bias is not None:
            init.default_bias_(self.bias, self.weight)

    def _padded(self, input: Any) -> tuple[Any, Any]:
        """The padded input, and the padding that the convolution still has to add."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        """The settings that are not the default ones."""
        ones = (1,) * self.dims
        zeros = (0,) * self.dims
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class ForwardConv(ConvBase):
    """Base of the ordinary convolutions."""

    function: Callable[..., Tensor]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType = None,
    ):
        self._set(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What :meth:`forward` does, with a weight and a bias that subclasses compute: quantised, standardised, masked ones."""
        input, padding = self._padded(input)
        return self.function(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(ForwardConv):
    """Convolution of (N, C, L): ``torch.nn.Conv1d``. Arguments as :class:`Conv2d`'s."""

    dims = 1

    function = staticmethod(F.conv1d)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, out_channels, L')"""
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(ForwardConv):
    """Convolution of (N, C, H, W), or of one image (C, H, W): ``torch.nn.Conv2d``.

    Args:
        in_channels, out_channels: C before and after.
        kernel_size: of the window, a number or (height, width); likewise:
        stride: step of the window.
        padding: rows and columns added on each side, 'valid' (none) or 'same' (enough to keep the size).
        dilation: distance between the elements of the window.
        groups: number of groups of channels; each group is convolved separately.
        bias: whether to add a bias to each output channel.
        padding_mode: values of the padding: 'zeros', 'reflect', 'replicate' or 'circular'.
        device, dtype: of the parameters.

    Attributes: ``weight`` (out_channels, in_channels / groups, height, width) and ``bias`` (out_channels,), both initially
    uniform on ±1/sqrt(fan_in).

    Raises ``ValueError`` for channels that are not divisible by the groups, and for 'same' with a stride.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Conv2d(3, 8, 5, padding=2)(mg.ones(2, 3, 28, 28)).shape
    torch.Size([2, 8, 28, 28])
    """

    dims = 2

    function = staticmethod(F.conv2d)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H', W')"""
        return self._conv_forward(input, self.weight, self.bias)


class Conv3d(ForwardConv):
    """Convolution of (N, C, D, H, W): ``torch.nn.Conv3d``. Arguments as :class:`Conv2d`'s."""

    dims = 3

    function = staticmethod(F.conv3d)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, out_channels, D', H', W')"""
        return self._conv_forward(input, self.weight, self.bias)


class TransposedConv(ConvBase):
    """Base of the transposed convolutions."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType = None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f"{type(self).__name__}: only padding_mode='zeros' is supported, not {padding_mode!r}")
        if isinstance(padding, str):
            raise ValueError(f"{type(self).__name__}: padding must be numbers, not {padding!r}")
        self._set(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype, output_padding
        )

    def _output_padding(self, input: Any, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output padding that gives ``output_size``: a convolution with a stride maps several sizes to one."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.dims :]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(input.shape[-self.dims :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        ]
        if len(wanted) != self.dims or any(not 0 <= w - m < s for w, m, s in zip(wanted, least, self.stride, strict=True)):
            most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
            raise ValueError(f"{type(self).__name__}: output_size {tuple(output_size)} is not between {tuple(least)} and {tuple(most)}")
        return tuple(w - m for w, m in zip(wanted, least, strict=True))


class ConvTranspose1d(TransposedConv):
    """The transpose of :class:`Conv1d`, which upsamples: ``torch.nn.ConvTranspose1d``. Arguments as :class:`ConvTranspose2d`'s."""

    dims = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, L) to (N, out_channels, L')"""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose2d(TransposedConv):
    """The transpose of :class:`Conv2d` (its input gradient), which upsamples: ``torch.nn.ConvTranspose2d``.

    Args:
        in_channels, out_channels, kernel_size, stride, groups, bias, dilation, device, dtype: as :class:`Conv2d`'s.
        padding: rows and columns that are removed from each side of the result.
        output_padding: rows and columns added at the end of the result, less than the stride.
        padding_mode: only 'zeros'.

    ``forward(input, output_size)`` chooses ``output_padding`` for a wanted size. ``weight``: (in_channels, out_channels / groups, ...).
    """

    dims = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H', W')"""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)


class ConvTranspose3d(TransposedConv):
    """The transpose of :class:`Conv3d`, which upsamples: ``torch.nn.ConvTranspose3d``. Arguments as :class:`ConvTranspose2d`'s."""

    dims = 3

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """(N, C, D, H, W) to (N, out_channels, D', H', W')"""
        extra = self._output_padding(input, output_size)
        return F.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)
