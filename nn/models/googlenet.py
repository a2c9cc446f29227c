"""GoogLeNet."""

from __future__ import annotations

from typing import NamedTuple

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.models.weights import without_weights
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor


class ConvBNReLU(nn.Module):
    """A convolution without bias, batch normalisation, relu."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, OH, OW)."""
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four parallel branches with concatenated channels: figure 2b of the paper (3x3 in place of 5x5, as in torchvision).

    Args:
        inputs: channels of the input.
        one: channels of the 1x1 branch.
        three: channels of the 3x3 branch, before and after its 3x3 convolution.
        five: the same for the third branch.
        pool: channels of the branch with the max pooling.
    """

    def __init__(self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int):
        super().__init__()
        self.branch1 = ConvBNReLU(inputs, one, 1)
        self.branch2 = nn.Sequential(ConvBNReLU(inputs, three[0], 1), ConvBNReLU(*three, 3, padding=1))
        self.branch3 = nn.Sequential(ConvBNReLU(inputs, five[0], 1), ConvBNReLU(*five, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), ConvBNReLU(inputs, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, one + three[1] + five[1] + pool, H, W)."""
        return mg.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Auxiliary(nn.Module):
    """A classifier in the middle of the network; its loss helps to train the layers below it."""

    def __init__(self, inputs: int, num_classes: int, dropout: float):
        super().__init__()
        self.conv = ConvBNReLU(inputs, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4)))  # N 128 4 4
        return self.fc2(self.dropout(F.relu(self.fc1(x.flatten(1)))))


class GoogLeNetOutputs(NamedTuple):
    """Result of GoogLeNet in training with ``aux_logits``."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class GoogLeNet(nn.Module):
    """GoogLeNet ("Inception v1") with batch normalisation: Szegedy et al. 2014, "Going deeper with convolutions"; torchvision's ``GoogLeNet``.

    Args:
        num_classes: number of outputs.
        aux_logits: have two more classifiers in the middle; while training the result is then a :class:`GoogLeNetOutputs`.
        dropout: probability of dropping an input of the last layer.
        dropout_aux: the same of the classifiers in the middle.

    Takes (N, 3, 224, 224), gives logits (N, num_classes). 6,624,904 parameters with 1000 classes, 13,004,888 with ``aux_logits``.
    """

    def __init__(self, num_classes: int = 1000, aux_logits: bool = True, dropout: float = 0.2, dropout_aux: float = 0.7):
        check(type(self).__name__, locals(), num_classes=0, dropout="from 0 to 1", dropout_aux="from 0 to 1")
        super().__init__()
        self.aux_logits = aux_logits
        self.conv1 = ConvBNReLU(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvBNReLU(64, 64, 1)
        self.conv3 = ConvBNReLU(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128)
        self.aux1 = Auxiliary(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = Auxiliary(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Logits, or :class:`GoogLeNetOutputs`."""
        aux1 = aux2 = None
        x = self.maxpool1(self.conv1(x))  # N 64 56 56
        x = self.maxpool2(self.conv3(self.conv2(x)))  # N 192 28 28
        x = self.maxpool3(self.inception3b(self.inception3a(x)))  # N 480 14 14
        x = self.inception4a(x)  # N 512 14 14
        if self.training and self.aux1 is not None:
            aux1 = self.aux1(x)
        x = self.inception4d(self.inception4c(self.inception4b(x)))  # N 528 14 14
        if self.training and self.aux2 is not None:
            aux2 = self.aux2(x)
        x = self.maxpool4(self.inception4e(x))  # N 832 7 7
        x = self.inception5b(self.inception5a(x))  # N 1024 7 7
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return x if aux1 is None or aux2 is None else GoogLeNetOutputs(x, aux2, aux1)


@without_weights
def googlenet(num_classes: int = 1000, aux_logits: bool = True, dropout: float = 0.2, dropout_aux: float = 0.7) -> GoogLeNet:
    """See :class:`GoogLeNet`."""
    return GoogLeNet(num_classes, aux_logits, dropout, dropout_aux)
