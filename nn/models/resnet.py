"""Residual networks: He et al. 2015, "Deep residual learning for image recognition"."""

from __future__ import annotations

import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.models.weights import without_weights
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: the input is added to their result.

    Args:
        inplanes: channels of the input.
        planes: channels of the result.
        stride: of the first convolution.
        downsample: a module that gives the input the result's shape, or None.
    """

    expansion = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + F(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, on a quarter of the channels; the stride is that of the 3x3 one, as in torchvision ("v1.5").

    Args:
        inplanes: channels of the input.
        planes: channels of the 3x3 convolution; the result has four times as many.
        stride: of the 3x3 convolution.
        downsample: a module that gives the input the result's shape, or None.
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """relu(x + F(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def _initialize(model: nn.Module) -> None:
    """Initialise convolutions as He et al. 2015 ("Delving deep into rectifiers"), by fan-out."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet(nn.Module):
    """A residual network for ImageNet: torchvision's ``ResNet``.

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        layers: number of blocks in each of the four stages.
        num_classes: number of outputs.

    Takes (N, 3, 224, 224) (any size from 32x32), gives logits (N, num_classes).

    >>> sum(p.numel() for p in resnet18().parameters())
    11689512
    """

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], layers: tuple[int, int, int, int], num_classes: int = 1000):
        check(type(self).__name__, locals(), num_classes=0)
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()  # a module, as in torchvision: scripts build on list(model.children())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(block, 64, layers[0], 1)
        self.layer2 = self._stage(block, 128, layers[1], 2)
        self.layer3 = self._stage(block, 256, layers[2], 2)
        self.layer4 = self._stage(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        _initialize(self)

    def _stage(self, block: type[BasicBlock] | type[Bottleneck], planes: int, blocks: int, stride: int) -> nn.Sequential:
        downsample = None
        width = planes * block.expansion
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(nn.Conv2d(self.inplanes, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        stage = nn.Sequential(block(self.inplanes, planes, stride, downsample), *[block(width, planes) for _ in range(blocks - 1)])
        self.inplanes = width
        return stage

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # N 64 56 56
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # N C 7 7
        return self.fc(self.avgpool(x).flatten(1))


@without_weights
def resnet18(num_classes: int = 1000) -> ResNet:
    """ResNet-18: 11.69 M parameters."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes)


@without_weights
def resnet34(num_classes: int = 1000) -> ResNet:
    """ResNet-34: 21.80 M parameters."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes)


@without_weights
def resnet50(num_classes: int = 1000) -> ResNet:
    """ResNet-50: 25.56 M parameters."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes)


@without_weights
def resnet101(num_classes: int = 1000) -> ResNet:
    """ResNet-101: 44.55 M parameters."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes)


@without_weights
def resnet152(num_classes: int = 1000) -> ResNet:
    """ResNet-152: 60.19 M parameters."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes)


class _Shortcut(nn.Module):
    """The shortcut without parameters ("option A") of He et al., section 4.2: every second pixel, and zeros for additional channels."""

    def __init__(self, more: int):
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + more, H/2, W/2)."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))


class CifarResNet(nn.Module):
    """A residual network for CIFAR's 32x32 images with 6 n + 2 layers: section 4.2 of He et al. 2015.

    Args:
        n: blocks in each of the three stages.
        num_classes: number of outputs.

    Takes (N, 3, 32, 32), gives logits (N, num_classes). ResNet-20 (n = 3) has 0.27 M parameters.

    >>> sum(p.numel() for p in resnet20().parameters())
    269722
    """

    def __init__(self, n: int, num_classes: int = 10):
        check(type(self).__name__, locals(), num_classes=0)
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[BasicBlock(16, 16) for _ in range(n)])
        self.layer2 = nn.Sequential(BasicBlock(16, 32, 2, _Shortcut(16)), *[BasicBlock(32, 32) for _ in range(n - 1)])
        self.layer3 = nn.Sequential(BasicBlock(32, 64, 2, _Shortcut(32)), *[BasicBlock(64, 64) for _ in range(n - 1)])
        self.fc = nn.Linear(64, num_classes)
        _initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = F.relu(self.bn1(self.conv1(x)))  # N 16 32 32
        x = self.layer3(self.layer2(self.layer1(x)))  # N 64 8 8
        return self.fc(x.mean((2, 3)))


def resnet20(num_classes: int = 10) -> CifarResNet:
    """ResNet-20 for CIFAR: 0.27 M parameters."""
    return CifarResNet(3, num_classes)


def resnet32(num_classes: int = 10) -> CifarResNet:
    """ResNet-32 for CIFAR: 0.46 M parameters."""
    return CifarResNet(5, num_classes)


def resnet44(num_classes: int = 10) -> CifarResNet:
    """ResNet-44 for CIFAR: 0.66 M parameters."""
    return CifarResNet(7, num_classes)


def resnet56(num_classes: int = 10) -> CifarResNet:
    """ResNet-56 for CIFAR: 0.85 M parameters."""
    return CifarResNet(9, num_classes)


def resnet110(num_classes: int = 10) -> CifarResNet:
    """ResNet-110 for CIFAR: 1.7 M parameters."""
    return CifarResNet(18, num_classes)
