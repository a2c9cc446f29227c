"""The model zoo: as many parameters as the literature says, torchvision's names, shapes, gradients everywhere."""

from __future__ import annotations

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.nn import models
from minigrad.nn.models import efficientnet


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("alexnet", 61_100_840),
        ("efficientnet_lite0", 4_652_008),
        ("efficientnet_lite1", 5_416_680),
        ("efficientnet_lite2", 6_092_072),
        ("efficientnet_lite3", 8_197_096),
        ("efficientnet_lite4", 13_006_568),
        ("vgg11", 132_863_336),
        ("vgg13", 133_047_848),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("vgg16_bn", 138_365_992),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("googlenet", 13_004_888),
        ("LeNet5", 61_706),
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
    ],
)
def test_number_of_parameters(name, parameters):
    """As torchvision counts; of the networks for CIFAR as table 6 of He et al. rounds (0.27, 0.46, 0.66, 0.85, 1.7 million)."""
    assert sum(p.numel() for p in getattr(models, name)().parameters()) == parameters


def test_googlenet_without_its_helpers():
    assert sum(p.numel() for p in models.googlenet(aux_logits=False).parameters()) == 6_624_904


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            models.resnet18,
            ["conv1.weight", "bn1.running_var", "layer2.0.downsample.0.weight", "layer4.1.bn2.num_batches_tracked", "fc.bias"],
        ),
        (models.resnet50, ["layer1.0.downsample.1.bias", "layer3.5.conv3.weight"]),
        (models.alexnet, ["features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"]),
        (
            models.vgg11_bn,
            ["features.0.weight", "features.1.running_mean", "features.25.weight", "classifier.0.weight", "classifier.6.bias"],
        ),
        (
            models.efficientnet_lite0,
            [
                "_conv_stem.weight",
                "_bn0.running_var",
                "_blocks.0._depthwise_conv.weight",
                "_blocks.1._expand_conv.weight",
                "_blocks.1._bn0.bias",
                "_blocks.15._project_conv.weight",
                "_blocks.15._bn2.num_batches_tracked",
                "_conv_head.weight",
                "_bn1.weight",
                "_fc.bias",
            ],
        ),
        (models.googlenet, ["conv1.conv.weight", "inception4e.branch3.1.bn.weight", "inception3a.branch4.1.conv.weight", "aux1.fc2.bias"]),
    ],
)
def test_names_are_those_of_torchvision(model, names):
    """So that its checkpoints load."""
    assert not set(names) - set(model(num_classes=2).state_dict())


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (models.LeNet5, (1, 28)),
        (models.resnet20, (3, 32)),
        (models.resnet18, (3, 64)),
        (models.resnet50, (3, 64)),
        (lambda n: models.efficientnet_lite0(n, dropout=0.0, drop_connect=0.0), (3, 32)),
        (lambda n: models.alexnet(n, dropout=0.0), (3, 67)),
        (lambda n: models.googlenet(n, dropout=0.0, dropout_aux=0.0), (3, 64)),
    ],
)
def test_every_parameter_has_a_gradient(model, size):
    mg.manual_seed(0)
    network = model(5)
    channels, side = size
    outputs = network(mg.randn(2, channels, side, side))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert [y.shape for y in outputs] == [(2, 5)] * len(outputs)
    sum((y * y).sum() for y in outputs).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []
    network.eval()
    assert network(mg.randn(1, channels, side, side)).shape == (1, 5)


def test_unknown_vgg():
    with pytest.raises(ValueError, match=r"layers must be one of \[11, 13, 16, 19\], not 12"):
        models.VGG(12)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "margins"), [(8, 3, 2, (0, 1)), (7, 3, 2, (1, 1)), (8, 5, 2, (1, 2)), (8, 5, 1, (2, 2))]
)
def test_same_convolution(size, kernel, stride, margins):
    """As many outputs as inputs over the stride; an odd zero comes last, as in TensorFlow."""
    mg.manual_seed(0)
    layer = efficientnet.SameConv2d(2, 4, kernel, stride)
    x = mg.randn(1, 2, size, size)
    y = layer(x)
    assert y.shape == (1, 4, -(-size // stride), -(-size // stride))
    assert y.allclose(F.conv2d(F.pad(x, margins * 2), layer.weight, None, stride), atol=1e-6)


def test_blocks_are_left_out_in_training_only():
    """Of each image by itself; the others' are divided by the probability of being kept, so that the mean stays."""
    mg.manual_seed(0)
    block = efficientnet.MBConvBlock(4, 4, 3, 1, 6, drop=0.5)
    x = mg.randn(64, 4, 5, 5)
    block.drop = 0.0
    whole = block(x) - x
    block.drop = 0.5
    y = block(x) - x
    kept = (y != 0).flatten(1).any(1)
    assert 16 < kept.sum().item() < 48
    assert y[kept].allclose(2 * whole[kept], atol=1e-5)
    block.eval()
    assert ((block(x) - x) != 0).flatten(1).any(1).all()
