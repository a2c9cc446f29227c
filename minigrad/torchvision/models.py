"""``torchvision.models``: the networks, without weights."""

# mypy: implicit-reexport

from minigrad.nn.models import (
    VGG, AlexNet, GoogLeNet, GoogLeNetOutputs, ResNet, alexnet, googlenet, resnet18, resnet34, resnet50, resnet101, resnet152, vgg11,
    vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn,
)  # fmt: skip
