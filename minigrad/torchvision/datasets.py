"""``torchvision.datasets``."""

# mypy: implicit-reexport

from minigrad.nn.data.cifar import CIFAR10, CIFAR100
from minigrad.nn.data.folders import DatasetFolder, ImageFolder
from minigrad.nn.data.mnist import MNIST, FashionMNIST
