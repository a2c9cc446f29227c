"""LeNet-5."""

from __future__ import annotations

import minigrad.nn.functional as F
from minigrad import nn
from minigrad.tensor import Tensor


class LeNet5(nn.Module):
    """LeNet-5, with ReLU and max pooling as used today: LeCun et al. 1998, "Gradient-based learning applied to document recognition".

    Args:
        classes: number of outputs.

    Takes (N, 1, 28, 28), gives logits (N, classes). 61,706 parameters with 10 classes.

    >>> import minigrad as mg
    >>> model = LeNet5()
    >>> model(mg.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    >>> sum(p.numel() for p in model.parameters())
    61706
    """

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, classes)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The feature maps of the first two convolutions."""
        first = F.relu(self.conv1(x))  # N 6 28 28
        second = F.relu(self.conv2(F.max_pool2d(first, 2)))  # N 16 10 10
        return first, second

    def forward(self, x: Tensor) -> Tensor:  # N 1 28 28
        """Logits."""
        _, x = self.features(x)
        x = F.relu(self.conv3(F.max_pool2d(x, 2)))  # N 120 1 1
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)  # N classes
