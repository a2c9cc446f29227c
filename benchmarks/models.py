"""The networks, written once: ``nn`` is ``minigrad.nn``, ``torch.nn`` or a namespace like them (:mod:`benchmarks.libraries.layers`)."""

from __future__ import annotations

from typing import Any


def lenet5(nn: Any) -> Any:
    """LeNet-5 (LeCun et al. 1998) with ReLU and max pooling. Input: N 1 28 28."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),  # N 6 14 14
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),  # N 16 5 5
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _residual(nn: Any) -> Any:
    """The class of residual blocks (He et al. 2016); where the shape changes, a 1x1 convolution projects."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU()
            self.shortcut = nn.Sequential()
            if inputs != outputs:
                self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            y = self.relu(self.norm1(self.conv1(x)))
            return self.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    return Block


def _stages(nn: Any, widths: tuple[int, ...], each: int) -> list[Any]:
    """Blocks of the given widths, ``each`` times, with half the size from one width to the next."""
    block, blocks, inputs = _residual(nn), [], widths[0]
    for outputs in widths:
        for i in range(each):
            blocks.append(block(inputs, outputs, 2 if i == 0 and outputs > widths[0] else 1))
            inputs = outputs
    return blocks


def resnet20(nn: Any) -> Any:
    """ResNet-20 for images of 32x32 (He et al. 2016, section 4.2). Input: N 3 32 32."""
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *_stages(nn, (16, 32, 64), 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet18(nn: Any) -> Any:
    """ResNet-18 for images of 224x224 (He et al. 2016, section 4.1). Input: N 3 224 224."""
    stem = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *_stages(nn, (64, 128, 256, 512), 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def alexnet(nn: Any) -> Any:
    """AlexNet on one machine (Krizhevsky 2014), without local response normalisation, as in PyTorch's model zoo. Input: N 3 224 224."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip


MODELS = {"lenet5": lenet5, "resnet20": resnet20, "resnet18": resnet18, "alexnet": alexnet}
CLASSES = {"lenet5": 10, "resnet20": 10, "resnet18": 1000, "alexnet": 1000}
