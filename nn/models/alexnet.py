"""AlexNet."""

from __future__ import annotations

from minigrad import nn
from minigrad.nn.models.weights import without_weights
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor


class AlexNet(nn.Module):
    """AlexNet on one tower: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"; torchvision's ``alexnet``.

    Args:
        num_classes: number of outputs.
        dropout: probability of dropping an input of the first two dense layers.

    Takes (N, 3, 224, 224) (at least 63x63), gives logits (N, num_classes). 61,100,840 parameters with 1000 classes.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        check(type(self).__name__, locals(), num_classes=0, dropout="from 0 to 1")
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.avgpool(self.features(x))  # N 256 6 6
        return self.classifier(x.flatten(1))


@without_weights
def alexnet(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """See :class:`AlexNet`."""
    return AlexNet(num_classes, dropout)
