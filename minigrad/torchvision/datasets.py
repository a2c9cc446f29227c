"""``torchvision.datasets``."""

# mypy: implicit-reexport

from minigrad.nn.data.mnist import MNIST, FashionMNIST
