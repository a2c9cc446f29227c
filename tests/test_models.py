"""The model zoo: as many parameters as the literature says, torchvision's names, shapes, gradients everywhere."""

from __future__ import annotations

import pytest

import minigrad as mg
from minigrad.nn import models


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("alexnet", 61_100_840),
        ("vgg16", 138_357_544),
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("googlenet", 13_004_888),
        ("resnet20", 269_722),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
    ],
)
def test_number_of_parameters(name, parameters):
    """As torchvision counts; of the networks for CIFAR as table 6 of He et al. rounds (0.27, 0.85, 1.7 million)."""
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
