"""Sizes of layers: one number for all axes or one for each, checked when the layer is made."""

import pytest

import minigrad as mg
from minigrad import nn
from minigrad.ops import window_sizes


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(1, 1, 0), mg.ShapeError, "Conv2d: kernel_size must be at least 1, not 0"),
        (lambda: nn.Conv2d(1, 1, 3, stride=(1, 0)), mg.ShapeError, r"Conv2d: stride must be at least 1, not \(1, 0\)"),
        (lambda: nn.Conv1d(1, 1, 3, padding=-1), mg.ShapeError, "Conv1d: padding must be at least 0, not -1"),
        (lambda: nn.Conv3d(1, 1, (3, 3)), mg.ShapeError, r"Conv3d: kernel_size must be an int or 3 of them, not \(3, 3\)"),
        (lambda: nn.Conv2d(1, 1, 2.5), TypeError, "Conv2d: kernel_size must be an int or 2 of them, not 2.5"),
        (lambda: nn.MaxUnpool2d((2, 2, 2)), mg.ShapeError, "MaxUnpool2d: kernel_size must be an int or 2 of them"),
        (lambda: nn.MaxPool2d((3, 3, 3)), mg.ShapeError, r"MaxPool2d: kernel_size must be an int or 2 of them, not \(3, 3, 3\)"),
        (lambda: nn.MaxPool2d(2, padding="same"), TypeError, "MaxPool2d: padding must be an int or 2 of them, not 'same'"),
        (lambda: nn.Unfold(2, stride=(1, 0)), mg.ShapeError, r"Unfold: stride must be at least 1, not \(1, 0\)"),
        (lambda: nn.AvgPool1d(2, stride=0), mg.ShapeError, "AvgPool1d: stride must be at least 1"),
        (lambda: nn.FractionalMaxPool2d(2, output_size="3"), TypeError, "FractionalMaxPool2d: output_size must be an int or 2 of them"),
        (lambda: nn.ZeroPad2d((1, 2)), mg.ShapeError, r"ZeroPad2d: padding must be an int or 4 of them, not \(1, 2\)"),
    ],
)
def test_wrong_sizes(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_one_number_is_for_all_axes():
    layer = nn.Conv3d(1, 1, 3, stride=2, padding=(0, 1, 2))
    assert (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == ((3, 3, 3), (2, 2, 2), (0, 1, 2), (1, 1, 1))
    assert nn.ZeroPad2d(-1)(mg.ones(1, 1, 4, 5)).shape == (1, 1, 2, 3)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_convolution_checks_each_size_once(kind, monkeypatch):
    checked = []
    check = window_sizes.per_axis
    for module in (nn.conv, nn.options):
        monkeypatch.setattr(module, "per_axis", lambda name, what, *rest: checked.append(what) or check(name, what, *rest))
    kind(2, 4, 3)
    assert sorted(checked) == ["dilation", "kernel_size", "output_padding", "padding", "stride"]
