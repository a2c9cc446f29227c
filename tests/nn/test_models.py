"""The model zoo: numbers of parameters from the literature, torchvision's names, shapes, a gradient for every parameter."""

from __future__ import annotations

import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
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
    with nn.shapes_only():  # no memory, no random numbers
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
    with nn.shapes_only():
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


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 31_030_658),
        ({"in_channels": 1, "num_classes": 1}, 31_030_593),
        ({"in_channels": 3, "num_classes": 1, "batch_norm": True}, 31_037_633),
    ],
)
def test_unet_parameters(options, parameters):
    """The paper's figure 1, and with batch normalisation as in the networks for RGB images that followed."""
    assert sum(p.numel() for p in models.UNet(**options).parameters()) == parameters


def test_unet_sizes():
    """Figure 1 of the paper: 572 pixels become 388; a padded network keeps any size."""
    with mg.no_grad():
        assert models.UNet(width=1)(mg.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
        for size in [(16, 16), (17, 31), (45, 20)]:
            assert models.UNet(3, 5, width=2, padded=True, batch_norm=True)(mg.zeros(2, 3, *size)).shape == (2, 5, *size)
        with pytest.raises(mg.ShapeError, match="UNet: an image of 100x572 pixels is too small for 4 halvings"):
            models.UNet(width=1)(mg.zeros(1, 1, 100, 572))
        with pytest.raises(mg.ShapeError, match="UNet: an image of 8x8 pixels is too small for 4 halvings"):
            models.UNet(width=1, padded=True)(mg.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("padded", [False, True])
def test_unet_learns_an_edge(padded):
    """Every parameter has a gradient, and a few steps lower the loss of marking what is bright."""
    mg.manual_seed(0)
    model = models.UNet(1, 2, width=4, depth=2, padded=padded, batch_norm=padded)
    image = mg.randn(2, 1, 44, 44)
    label = (image[:, 0] > 0).long()
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        logits = model(image)
        margin = (44 - logits.shape[2]) // 2
        loss = F.cross_entropy(logits, label[:, margin : 44 - margin, margin : 44 - margin])
        model.zero_grad()
        loss.backward()
        assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_wavenet_parameters():
    """Counted by hand from figure 4: an embedding, a causal convolution, and in each layer three convolutions with their biases."""
    layer = (32 * 64 * 2 + 64) + (32 * 32 + 32) + (32 * 256 + 256)
    expected = 256 * 32 + (32 * 32 * 2 + 32) + 30 * layer + 2 * (256 * 256 + 256)
    model = models.WaveNet()
    assert sum(p.numel() for p in model.parameters()) == expected
    assert model.receptive_field == 3071


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_wavenet_is_causal_and_reaches_as_far_as_it_says(kernel_size):
    """A change at t changes no prediction before t, that at t + receptive_field - 1, and none after."""
    mg.manual_seed(0)
    model = models.WaveNet(8, layers=3, blocks=2, residual=6, gated=5, skip=7, kernel_size=kernel_size).double()
    reach = model.receptive_field
    sound = mg.randint(8, (1, 3 * reach))
    changed = sound.clone()
    changed[0, reach] = (sound[0, reach] + 1) % 8
    with mg.no_grad():
        differs = (model(sound) != model(changed)).any(1)[0].nonzero().flatten()
    assert differs[0] == reach and differs[-1] == 2 * reach - 1


def test_wavenet_learns_a_tone():
    mg.manual_seed(0)
    model = models.WaveNet(16, layers=3, blocks=1, residual=8, gated=8, skip=16)
    x = models.mu_law_encode((mg.arange(64).float() * (2 * mg.pi / 8)).sin(), 16).unsqueeze(0)
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(x)[:, :, :-1], x[:, 1:])
        model.zero_grad()
        loss.backward()
        last = [f"layers.2.to_residual.{name}" for name in ("weight", "bias")]  # what the last layer hands on goes nowhere
        assert [name for name, p in model.named_parameters() if p.grad is None] == last
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_wavenet_goes_on_with_what_it_kept_as_with_the_whole_sound(kernel_size):
    """Sample by sample and in pieces, with the last inputs of each layer kept, the logits are those of one run."""
    mg.manual_seed(0)
    model = models.WaveNet(8, layers=3, blocks=2, residual=6, gated=5, skip=7, kernel_size=kernel_size, conditions=2).double()
    sound, condition = mg.randint(8, (3, 60)), mg.randn(3, 2, dtype=mg.float64)
    pasts = [[mg.zeros(3, 6, reach, dtype=mg.float64)] for reach in (model.reach, *(layer.reach for layer in model.layers))]
    with mg.no_grad():
        whole = model(sound, condition)
        parts = [model._run(part, condition, pasts) for part in sound.split([1] * 20 + [25, 15], 1)]
    assert (mg.cat(parts, 2) - whole).abs().max() < 1e-12
    assert (model(sound, condition + 1) != whole).any()


def test_wavenet_generates_what_it_has_learned():
    """A tone, or its octave, as the condition says; a run can be repeated, and be gone on with."""
    mg.manual_seed(0)
    model = models.WaveNet(16, layers=4, blocks=1, residual=12, gated=12, skip=16, conditions=2)
    time = mg.arange(64).float() * (2 * mg.pi / 16)
    x, condition = models.mu_law_encode(mg.stack([time.sin(), (2 * time).sin()]), 16), mg.eye(2)
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(model(x, condition)[:, :, 16:-1], x[:, 17:])
        model.zero_grad()
        loss.backward()
        optimizer.step()
    go_on = model.generate(64, condition, x[:, :48], temperature=0.1, generator=mg.Generator().manual_seed(0))
    spectrum = mg.fft.rfft(models.mu_law_decode(go_on, 16)).abs()
    assert spectrum.argmax(1).tolist() == [4, 8]
    assert go_on.equal(model.generate(64, condition, x[:, :48], temperature=0.1, generator=mg.Generator().manual_seed(0)))
    assert go_on.shape == (2, 64) and go_on.dtype == mg.int64


def test_wavenet_refuses_a_wrong_condition():
    with pytest.raises(mg.ShapeError, match=r"^WaveNet: a condition \(1, 2\) is needed, but there is none"):
        models.WaveNet(8, layers=1, blocks=1, conditions=2)(mg.zeros(1, 4, dtype=mg.int64))
    with pytest.raises(mg.ShapeError, match=r"^WaveNet: a condition \(1, 2\) is needed, but there is one of shape \(1, 3\)"):
        models.WaveNet(8, layers=1, blocks=1, conditions=2)(mg.zeros(1, 4, dtype=mg.int64), mg.ones(1, 3))
    with pytest.raises(mg.ShapeError, match=r"^WaveNet: a condition \(none\) is needed, but there is one of shape \(1, 2\)"):
        models.WaveNet(8, layers=1, blocks=1)(mg.zeros(1, 4, dtype=mg.int64), mg.ones(1, 2))
    with pytest.raises(ValueError, match=r"^generate: length must be 1 or above, but is 0"):
        models.WaveNet(8, layers=1, blocks=1).generate(0)


def test_mu_law():
    """There and back, within half a step; equation 3.1 of the paper."""
    labels = mg.arange(256)
    assert models.mu_law_encode(models.mu_law_decode(labels)).equal(labels)
    sound = mg.linspace(-1, 1, 1001)
    error = (models.mu_law_decode(models.mu_law_encode(sound)) - sound).abs()
    assert error.max() < 0.025 and error[490:511].max() < 0.001


def test_residual_networks_are_rebuilt_from_their_children():
    """Scripts that extract features do so; a relu that is no child would be lost without a word."""
    model = models.resnet18(weights=None).eval()
    assert [name for name, _ in model.named_children()] == [
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        "avgpool",
        "fc",
    ]
    assert [type(m).__name__ for m in model.layer1[0].children()] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d"]
    x = mg.randn(1, 3, 32, 32)
    rebuilt = nn.Sequential(*list(model.children())[:-1], nn.Flatten(), model.fc)
    assert rebuilt(x).tolist() == model(x).tolist()
