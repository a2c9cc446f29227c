"""U-Net, for semantic segmentation (the classification of each pixel)."""

from __future__ import annotations

import itertools

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.engine import ShapeError
from minigrad.tensor import Tensor


class _Twice(nn.Sequential):
    """Two 3x3 convolutions, each followed by relu, optionally with batch normalisation."""

    def __init__(self, inputs: int, outputs: int, padding: int, batch_norm: bool):
        super().__init__()
        for channels in (inputs, outputs):
            self.append(nn.Conv2d(channels, outputs, 3, padding=padding, bias=not batch_norm))
            if batch_norm:
                self.append(nn.BatchNorm2d(outputs))
            self.append(nn.ReLU())


class UNet(nn.Module):
    """U-Net: an encoder with max poolings, a decoder with transposed convolutions, and a skip connection at each size.

    Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical image segmentation".

    Args:
        in_channels: of the image.
        num_classes: channels of the result.
        width: channels at full size; they double with each halving of the size.
        depth: number of halvings.
        padded: keep the size of the image. The paper does not pad: 572x572 pixels become 388x388, and the skip
            connections crop their maps.
        batch_norm: normalise after each 3x3 convolution, which then has no bias. The paper does not.

    Takes (N, in_channels, H, W), gives logits (N, num_classes, H', W'). As in the paper it has 31,030,658 parameters.

    Raises ``ShapeError`` for an image that is too small.

    >>> import minigrad as mg
    >>> UNet(width=4, padded=True)(mg.zeros(1, 1, 48, 40)).shape
    torch.Size([1, 2, 48, 40])
    """

    def __init__(
        self, in_channels: int = 1, num_classes: int = 2, width: int = 64, depth: int = 4, padded: bool = False, batch_norm: bool = False
    ):
        super().__init__()
        self.padded = padded
        widths = [width * 2**i for i in range(depth + 1)]
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(_Twice(a, b, int(padded), batch_norm) for a, b in [(in_channels, width), *pairs])
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(_Twice(b, a, int(padded), batch_norm) for a, b in reversed(pairs))
        self.out = nn.Conv2d(width, num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # "a Gaussian distribution with a standard deviation of sqrt(2/N)", N inputs
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel."""
        size = tuple(x.shape)
        bridges: list[Tensor] = []
        for level, twice in enumerate(self.down):
            if level:
                bridges.append(x)
                x = F.max_pool2d(x, 2) if min(x.shape[2:]) > 1 else x[..., :0, :0]
            if min(x.shape[2:]) < (1 if self.padded else 5):
                raise ShapeError(f"UNet: an image of {size[2]}x{size[3]} pixels is too small for {len(self.down) - 1} halvings")
            x = twice(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x, bridge = up(x), bridges.pop()
            rows, columns = (a - b for a, b in zip(bridge.shape[2:], x.shape[2:], strict=True))
            if self.padded:  # halving an odd size dropped the last row
                x = F.pad(x, (0, columns, 0, rows))
            else:
                bridge = bridge[:, :, rows // 2 : rows // 2 + x.shape[2], columns // 2 : columns // 2 + x.shape[3]]
            x = merge(mg.cat([bridge, x], 1))
        return self.out(x)
