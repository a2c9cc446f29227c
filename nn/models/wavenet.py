"""WaveNet, which predicts the next sample of a sound."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.ops.arguments import check, numbers
from minigrad.tensor import Tensor
from minigrad.tree import unwrapped


def mu_law_encode(sound: Any, classes: int = 256) -> Tensor:
    """Samples in -1..1 as classes 0..classes-1, finer near 0: the mu-law of ITU-T G.711, equation 3.1 of the paper, rounded.

    >>> import minigrad as mg
    >>> mu_law_encode(mg.tensor([-1.0, -0.01, 0.0, 0.01, 1.0]))
    tensor([  0,  98, 128, 157, 255])
    """
    check("mu_law_encode", locals(), classes=2)
    numbers("mu_law_encode", "sound", unwrapped(sound))
    mu = classes - 1
    x = mg.as_tensor(sound).clamp(-1.0, 1.0)
    return ((x.sign() * (mu * x.abs()).log1p() / math.log1p(mu) + 1.0) / 2.0 * mu + 0.5).floor().long()


def mu_law_decode(labels: Any, classes: int = 256) -> Tensor:
    """Classes as samples in -1..1, the middle of what :func:`mu_law_encode` maps there.

    >>> import minigrad as mg
    >>> mu_law_decode(mg.tensor([0, 255]))
    tensor([-1.,  1.])
    """
    check("mu_law_decode", locals(), classes=2)
    numbers("mu_law_decode", "labels", unwrapped(labels))
    mu = classes - 1
    x = mg.as_tensor(labels).float() / mu * 2.0 - 1.0
    return x.sign() * ((x.abs() * math.log1p(mu)).expm1() / mu)


class ResidualLayer(nn.Module):
    """A gated, dilated, causal convolution with a residual and a skip connection: figure 4 of the paper.

    Args:
        residual: channels of the input and of the result.
        gated: channels inside.
        skip: channels of the skip connection.
        kernel_size: of the convolution.
        dilation: of the convolution.
    """

    def __init__(self, residual: int, gated: int, skip: int, kernel_size: int, dilation: int):
        super().__init__()
        self.reach = dilation * (kernel_size - 1)
        self.filter_and_gate = nn.Conv1d(residual, 2 * gated, kernel_size, dilation=dilation)
        self.to_residual = nn.Conv1d(gated, residual, 1)
        self.to_skip = nn.Conv1d(gated, skip, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, residual, T) to the input of the next layer (N, residual, T) and the skip connection (N, skip, T)."""
        signal, gate = self.filter_and_gate(F.pad(x, (self.reach, 0))).chunk(2, 1)
        z = signal.tanh() * gate.sigmoid()
        return x + self.to_residual(z), self.to_skip(z)


class WaveNet(nn.Module):
    """WaveNet: van den Oord et al. 2016, "WaveNet: a generative model for raw audio", without conditioning.

    Args:
        classes: number of values of a sample, see :func:`mu_law_encode`.
        layers: in a block; the dilation doubles from layer to layer.
        blocks: how often the dilations 1, 2, 4, ... are repeated.
        residual: channels from layer to layer.
        gated: channels inside a layer.
        skip: channels from the layers to the output.
        kernel_size: of each convolution.

    Takes integers (N, T), the samples' classes, and gives logits (N, classes, T) for the *next* sample: those at t depend on no
    sample after t. So ``F.cross_entropy(model(x)[:, :, :-1], x[:, 1:])`` is the loss.

    Attributes: ``receptive_field``, the number of samples that a prediction depends on.

    >>> import minigrad as mg
    >>> model = WaveNet(classes=16, layers=4, blocks=2, residual=8, gated=8, skip=16)
    >>> model(mg.randint(16, (2, 50))).shape, model.receptive_field
    ((2, 16, 50), 32)
    """

    def __init__(
        self,
        classes: int = 256,
        layers: int = 10,
        blocks: int = 3,
        residual: int = 32,
        gated: int = 32,
        skip: int = 256,
        kernel_size: int = 2,
    ):
        super().__init__()
        self.reach = kernel_size - 1
        self.embedding = nn.Embedding(classes, residual)  # a 1x1 convolution of one-hot samples
        self.causal = nn.Conv1d(residual, residual, kernel_size)
        self.layers = nn.ModuleList(ResidualLayer(residual, gated, skip, kernel_size, 2**i) for _ in range(blocks) for i in range(layers))
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.out = nn.Conv1d(skip, classes, 1)
        self.receptive_field = 1 + self.reach * (1 + blocks * (2**layers - 1))

    def forward(self, samples: Tensor) -> Tensor:
        """Logits for the sample after each one."""
        x = self.embedding(samples).transpose(1, 2)  # N residual T
        x = self.causal(F.pad(x, (self.reach, 0)))
        skips: list[Tensor] = []
        for layer in self.layers:
            x, skip = layer(x)
            skips.append(skip)
        total = functools.reduce(operator.add, skips)
        return self.out(F.relu(self.hidden(F.relu(total))))
