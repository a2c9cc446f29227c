"""The VGG networks."""

from __future__ import annotations

from minigrad import nn
from minigrad.nn.models.weights import without_weights
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor

# Output channels of the 3x3 convolutions between one max pooling and the next.
STAGES = {
    11: [[64], [128], [256, 256], [512, 512], [512, 512]],
    13: [[64, 64], [128, 128], [256, 256], [512, 512], [512, 512]],
    16: [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]],
    19: [[64, 64], [128, 128], [256] * 4, [512] * 4, [512] * 4],
}


class VGG(nn.Module):
    """3x3 convolutions between max poolings: Simonyan and Zisserman 2014, "Very deep convolutional networks ..."; torchvision's ``VGG``.

    Args:
        layers: layers with weights, 11, 13, 16 or 19.
        batch_norm: normalise after each convolution.
        num_classes: number of outputs.
        dropout: probability of dropping an input of the last two dense layers.

    Takes (N, 3, 224, 224) (at least 32x32), gives logits (N, num_classes). VGG16 has 138,357,544 parameters with 1000 classes.

    Raises ``ValueError`` for another number of layers.
    """

    def __init__(self, layers: int, batch_norm: bool = False, num_classes: int = 1000, dropout: float = 0.5):
        check(type(self).__name__, locals(), num_classes=0, dropout="from 0 to 1")
        super().__init__()
        if layers not in STAGES:
            raise ValueError(f"VGG: layers must be one of {sorted(STAGES)}, not {layers}")
        self.features = nn.Sequential()
        channels = 3
        for stage in STAGES[layers]:
            for width in stage:
                self.features.append(nn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    self.features.append(nn.BatchNorm2d(width))
                self.features.append(nn.ReLU())
                channels = width
            self.features.append(nn.MaxPool2d(2))
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # there is one
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # there is one

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.avgpool(self.features(x))  # N 512 7 7
        return self.classifier(x.flatten(1))


@without_weights
def vgg11(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 11 layers: 132.86 M parameters."""
    return VGG(11, False, num_classes, dropout)


@without_weights
def vgg11_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 11 layers and batch normalisation."""
    return VGG(11, True, num_classes, dropout)


@without_weights
def vgg13(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 13 layers: 133.05 M parameters."""
    return VGG(13, False, num_classes, dropout)


@without_weights
def vgg13_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 13 layers and batch normalisation."""
    return VGG(13, True, num_classes, dropout)


@without_weights
def vgg16(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 16 layers: 138.36 M parameters."""
    return VGG(16, False, num_classes, dropout)


@without_weights
def vgg16_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 16 layers and batch normalisation."""
    return VGG(16, True, num_classes, dropout)


@without_weights
def vgg19(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 19 layers: 143.67 M parameters."""
    return VGG(19, False, num_classes, dropout)


@without_weights
def vgg19_bn(num_classes: int = 1000, dropout: float = 0.5) -> VGG:
    """VGG with 19 layers and batch normalisation."""
    return VGG(19, True, num_classes, dropout)
