"""EfficientNet-Lite: convolutional networks for phones."""

from __future__ import annotations

import math

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor

# A stage of the base network: blocks, kernel size, stride of the first block, expansion, channels in and out.
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


def _margin(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Numbers of zeros before and after an axis for ``ceil(size / stride)`` outputs, an odd zero after it: TensorFlow's "SAME"."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does: with stride 2, an even image gets a row below and a column at the right only."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel_size, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride))."""
        height, width = (_margin(n, k, s) for n, k, s in zip(input.shape[2:], self.kernel_size, self.stride, strict=True))
        return F.conv2d(input, self.weight, None, self.stride, (*width, *height), groups=self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConvBlock(nn.Module):
    """The inverted residual of MobileNetV2: expand the channels, convolve each separately, reduce the channels, and add the input.

    Args:
        inputs, outputs: channels of the input and of the result.
        kernel_size: of the convolution in the middle.
        stride: of the same. If it is 1 and ``inputs == outputs``, the input is added to the result.
        expansion: factor on the number of channels in the middle.
        drop: probability of skipping the block for an image in training (Huang et al. 2016, "stochastic depth").
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int, expansion: int, drop: float):
        super().__init__()
        wide = inputs * expansion
        self.drop = drop
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel_size, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = SameConv2d(wide, outputs, 1)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if not self.residual:
            return y
        if self.training and self.drop:
            y = y * F.dropout(mg.ones(x.shape[0], 1, 1, 1, dtype=x.dtype), self.drop)
        return x + y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite: Tan and Le 2019, "EfficientNet", without squeeze-and-excitation and with relu6 (Google, 2020).

    Parameters have the names of the package ``efficientnet-lite-pytorch``, so that its checkpoints load.

    Args:
        width: factor on the channels of all stages; the results are rounded to multiples of 8.
        depth: factor on the number of blocks of all stages but the first and the last.
        num_classes: number of outputs.
        dropout: probability of dropping an input of the last layer.
        drop_connect: probability of skipping the last block in training; it grows linearly from 0 at the first block.

    Takes (N, 3, H, W), 224x224 for :func:`efficientnet_lite0`, gives logits (N, num_classes).

    >>> sum(p.numel() for p in efficientnet_lite0().parameters())
    4652008
    """

    def __init__(self, width: float, depth: float, num_classes: int = 1000, dropout: float = 0.2, drop_connect: float = 0.2):
        check(type(self).__name__, locals(), num_classes=0, dropout="from 0 to 1", drop_connect="from 0 to 1")
        super().__init__()
        plan: list[tuple[int, int, int, int, int]] = []
        for i, (blocks, kernel, stride, expansion, inputs, outputs) in enumerate(STAGES):
            first, last = i == 0, i == len(STAGES) - 1
            before, after = 32 if first else _rounded(inputs * width), _rounded(outputs * width)
            plan.append((before, after, kernel, stride, expansion))
            plan += [(after, after, kernel, 1, expansion)] * ((blocks if first or last else math.ceil(blocks * depth)) - 1)
        self._conv_stem = SameConv2d(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(MBConvBlock(*block, drop=drop_connect * i / len(plan)) for i, block in enumerate(plan))
        self._conv_head = SameConv2d(plan[-1][1], 1280, 1)
        self._bn1 = _norm(1280)
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(1280, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # a depthwise kernel has one output channel, which fan_out does not take into account
                nn.init.kaiming_normal_(module.weight, mode="fan_out" if module.groups == 1 else "fan_in", nonlinearity="relu")

    def extract_features(self, x: Tensor) -> Tensor:
        """The feature maps before the classifier: (N, 1280, H/32, W/32)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))  # N 32 H/2 W/2
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self._fc(self._dropout(self.extract_features(x).mean((2, 3))))


def _rounded(channels: float) -> int:
    """``channels`` rounded to the nearest multiple of 8, but reduced by at most a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def efficientnet_lite0(num_classes: int = 1000, dropout: float = 0.2, drop_connect: float = 0.2) -> EfficientNetLite:
    """EfficientNet-Lite0, for 224x224 pixels: 4.65 M parameters."""
    return EfficientNetLite(1.0, 1.0, num_classes, dropout, drop_connect)


def efficientnet_lite1(num_classes: int = 1000, dropout: float = 0.2, drop_connect: float = 0.2) -> EfficientNetLite:
    """EfficientNet-Lite1, for 240x240 pixels: 5.42 M parameters."""
    return EfficientNetLite(1.0, 1.1, num_classes, dropout, drop_connect)


def efficientnet_lite2(num_classes: int = 1000, dropout: float = 0.3, drop_connect: float = 0.2) -> EfficientNetLite:
    """EfficientNet-Lite2, for 260x260 pixels: 6.09 M parameters."""
    return EfficientNetLite(1.1, 1.2, num_classes, dropout, drop_connect)


def efficientnet_lite3(num_classes: int = 1000, dropout: float = 0.3, drop_connect: float = 0.2) -> EfficientNetLite:
    """EfficientNet-Lite3, for 280x280 pixels: 8.20 M parameters."""
    return EfficientNetLite(1.2, 1.4, num_classes, dropout, drop_connect)


def efficientnet_lite4(num_classes: int = 1000, dropout: float = 0.3, drop_connect: float = 0.2) -> EfficientNetLite:
    """EfficientNet-Lite4, for 300x300 pixels: 13.01 M parameters."""
    return EfficientNetLite(1.4, 1.8, num_classes, dropout, drop_connect)
