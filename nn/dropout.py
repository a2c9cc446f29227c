"""Dropout layers: in training, elements or whole channels are set to zero at random."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.tensor import Tensor


class DropoutBase(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False):
        check(self, locals(), p="from 0 to 1")
        super().__init__()
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(DropoutBase):
    """In training each element is 0 with probability ``p``, else divided by 1 - p (Srivastava et al. 2014): ``torch.nn.Dropout``.

    Args:
        p: probability of a zero.
        inplace: also give the new value to the input Tensor; this saves no memory.

    Draws from the process's generator, see ``mg.manual_seed``. Raises ``ValueError`` if ``p`` is not between 0 and 1.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> drop = nn.Dropout(0.5)
    >>> sorted(set(drop(mg.ones(100)).tolist()))
    [0.0, 2.0]
    >>> drop.eval()(mg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input with zeros, in training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(DropoutBase):
    """Whole channels of (N, C, L) are set to 0: ``torch.nn.Dropout1d``."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with zeros, in training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(DropoutBase):
    """Whole channels of (N, C, H, W) are set to 0: ``torch.nn.Dropout2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with zeros, in training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(DropoutBase):
    """Whole channels of (N, C, D, H, W) are set to 0: ``torch.nn.Dropout3d``."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with zeros, in training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(DropoutBase):
    """Dropout that keeps mean and variance of :class:`SELU`'s outputs (Klambauer et al. 2017): ``torch.nn.AlphaDropout``."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with elements at SELU's lower limit, in training."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(DropoutBase):
    """:class:`AlphaDropout` of whole channels: ``torch.nn.FeatureAlphaDropout``."""

    def forward(self, input: Tensor) -> Tensor:
        """The input with channels at SELU's lower limit, in training."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
