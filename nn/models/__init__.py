"""Convolutional networks from the literature, with torchvision's names, so that torchvision's checkpoints can be loaded.

EfficientNet-Lite, which torchvision does not have, uses the names of the package ``efficientnet-lite-pytorch``.

=================================  ==========================================================================================
:class:`LeNet5`                    LeCun et al. 1998
:func:`alexnet`                    Krizhevsky 2014 ("one weird trick")
:func:`vgg11` ... :func:`vgg19`    Simonyan and Zisserman 2014; ``_bn`` with batch normalisation
:func:`resnet18` ...               He et al. 2015, for ImageNet; :func:`resnet20` ... for CIFAR
:func:`googlenet`                  Szegedy et al. 2014
:func:`efficientnet_lite0` ...     Tan and Le 2019, without squeeze-and-excitation
:class:`UNet`                      Ronneberger et al. 2015, for the segmentation of images
:class:`WaveNet`                   van den Oord et al. 2016, for sound
=================================  ==========================================================================================

Pretrained weights are not included.
"""

from minigrad.nn.models.alexnet import AlexNet, alexnet
from minigrad.nn.models.efficientnet import (
    EfficientNetLite,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    efficientnet_lite3,
    efficientnet_lite4,
)
from minigrad.nn.models.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from minigrad.nn.models.lenet import LeNet5
from minigrad.nn.models.resnet import (
    CifarResNet,
    ResNet,
    resnet18,
    resnet20,
    resnet32,
    resnet34,
    resnet44,
    resnet50,
    resnet56,
    resnet101,
    resnet110,
    resnet152,
)
from minigrad.nn.models.unet import UNet
from minigrad.nn.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from minigrad.nn.models.wavenet import WaveNet, mu_law_decode, mu_law_encode

__all__ = [
    "VGG",
    "AlexNet",
    "CifarResNet",
    "EfficientNetLite",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet5",
    "ResNet",
    "UNet",
    "WaveNet",
    "alexnet",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "googlenet",
    "mu_law_decode",
    "mu_law_encode",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
