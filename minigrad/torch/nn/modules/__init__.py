"""``torch.nn.modules``."""

# mypy: implicit-reexport

from minigrad.nn import *
from minigrad.nn.conv import ConvBase as _ConvNd
from minigrad.nn.loss import LossBase as _Loss, _WeightedLoss
from minigrad.nn.norm import BatchNormBase as _BatchNorm
from minigrad.torch.nn.modules import module, utils
