"""``torch.nn.modules``."""

# mypy: implicit-reexport

from minigrad.torch.nn.modules import module, utils  # first, for `*` has modules of these names
from minigrad.nn import *
from minigrad.nn.conv import ConvBase as _ConvNd
from minigrad.nn.dropout import DropoutBase as _DropoutNd
from minigrad.nn.linear import NonDynamicallyQuantizableLinear
from minigrad.nn.loss import LossBase as _Loss, WeightedLossBase as _WeightedLoss
from minigrad.nn.norm import BatchNormBase as _BatchNorm
