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


def _after(past: list[Tensor] | None, x: Tensor, reach: int) -> Tensor:
    """x (N, C, T) behind ``reach`` zeros, or behind what ``past`` holds, which then holds the last of both."""
    if past is None:
        return F.pad(x, (reach, 0))
    wide = mg.cat([past[0], x], 2)
    past[0] = wide[:, :, wide.shape[2] - reach :]
    return wide


class ResidualLayer(nn.Module):
    """A gated, dilated, causal convolution with a residual and a skip connection: figure 4 of the paper.

    Args:
        residual: channels of the input and of the result.
        gated: channels inside.
        skip: channels of the skip connection.
        kernel_size: of the convolution.
        dilation: of the convolution.
        conditions: numbers of the condition, of which a multiple is added before the gate (section 2.5 of the paper).
    """

    def __init__(self, residual: int, gated: int, skip: int, kernel_size: int, dilation: int, conditions: int = 0):
        super().__init__()
        self.reach = dilation * (kernel_size - 1)
        self.filter_and_gate = nn.Conv1d(residual, 2 * gated, kernel_size, dilation=dilation)
        self.condition = nn.Linear(conditions, 2 * gated, bias=False) if conditions else None
        self.to_residual = nn.Conv1d(gated, residual, 1)
        self.to_skip = nn.Conv1d(gated, skip, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None, past: list[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(N, residual, T) to the input of the next layer (N, residual, T) and the skip connection (N, skip, T).

        ``past`` holds the last inputs before x, (N, residual, reach), in place of zeros; it is brought up to date.
        """
        y = self.filter_and_gate(_after(past, x, self.reach))
        if self.condition is not None and condition is not None:
            y = y + self.condition(condition).unsqueeze(2)
        signal, gate = y.chunk(2, 1)
        z = signal.tanh() * gate.sigmoid()
        return x + self.to_residual(z), self.to_skip(z)


class WaveNet(nn.Module):
    """WaveNet: van den Oord et al. 2016, "WaveNet: a generative model for raw audio", with global conditioning.

    Args:
        classes: number of values of a sample, see :func:`mu_law_encode`.
        layers: in a block; the dilation doubles from layer to layer.
        blocks: how often the dilations 1, 2, 4, ... are repeated.
        residual: channels from layer to layer.
        gated: channels inside a layer.
        skip: channels from the layers to the output.
        kernel_size: of each convolution.
        conditions: numbers that say what to play: the note, the speaker; 0 for none.

    Takes integers (N, T), the samples' classes, with ``conditions`` also (N, conditions), and gives logits (N, classes, T) for the *next*
    sample: those at t depend on no sample after t. So ``F.cross_entropy(model(x)[:, :, :-1], x[:, 1:])`` is the loss.

    Attributes: ``receptive_field``, the number of samples that a prediction depends on.

    >>> import minigrad as mg
    >>> model = WaveNet(classes=16, layers=4, blocks=2, residual=8, gated=8, skip=16)
    >>> model(mg.randint(16, (2, 50))).shape, model.receptive_field
    (torch.Size([2, 16, 50]), 32)
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
        conditions: int = 0,
    ):
        super().__init__()
        self.reach = kernel_size - 1
        self.embedding = nn.Embedding(classes, residual)  # a 1x1 convolution of one-hot samples
        self.causal = nn.Conv1d(residual, residual, kernel_size)
        self.conditions = conditions
        self.layers = nn.ModuleList(
            ResidualLayer(residual, gated, skip, kernel_size, 2**i, conditions) for _ in range(blocks) for i in range(layers)
        )
        self.hidden = nn.Conv1d(skip, skip, 1)
        self.out = nn.Conv1d(skip, classes, 1)
        self.receptive_field = 1 + self.reach * (1 + blocks * (2**layers - 1))

    def forward(self, samples: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for the sample after each one."""
        return self._run(samples, condition)

    def _run(self, samples: Tensor, condition: Tensor | None, pasts: list[list[Tensor]] | None = None) -> Tensor:
        wanted = (samples.shape[0], self.conditions)
        if (condition is not None) != (self.conditions > 0) or (condition is not None and tuple(condition.shape) != wanted):
            got = "none" if condition is None else f"one of shape {tuple(condition.shape)}"
            raise mg.ShapeError(f"WaveNet: a condition {wanted if self.conditions else '(none)'} is needed, but there is {got}")
        x = self.embedding(samples).transpose(1, 2)  # N residual T
        x = self.causal(_after(None if pasts is None else pasts[0], x, self.reach))
        skips: list[Tensor] = []
        for i, layer in enumerate(self.layers, 1):
            x, skip = layer(x, condition, None if pasts is None else pasts[i])
            skips.append(skip)
        total = functools.reduce(operator.add, skips)
        return self.out(F.relu(self.hidden(F.relu(total))))

    @mg.no_grad()
    def generate(
        self, length: int, condition: Tensor | None = None, start: Tensor | None = None, *, temperature: float = 1.0, generator: Any = None
    ) -> Tensor:
        """``length`` samples (N, length), each drawn from the softmax of the logits after all before it.

        The last inputs of each convolution are kept, so a sample costs one step of each layer, not a run over the receptive field (Paine et
        al. 2016, "Fast WaveNet generation algorithm").

        Args:
            length: the number of samples.
            condition: (N, conditions).
            start: (N, T) samples to go on from; default: one sample of silence (the middle class) for each row of the condition.
            temperature: the logits are divided by it: below 1, likely samples become likelier.
            generator: of the random numbers.

        >>> import minigrad as mg
        >>> model = WaveNet(classes=16, layers=3, blocks=1, residual=4, gated=4, skip=4)
        >>> model.generate(20).shape
        torch.Size([1, 20])
        """
        check("generate", locals(), length=1, temperature="above 0")
        if start is None:
            start = mg.full((1 if condition is None else condition.shape[0], 1), self.out.out_channels // 2, dtype=mg.int64)
        reaches = [self.reach, *(layer.reach for layer in self.layers)]
        pasts = [[mg.zeros(start.shape[0], self.causal.in_channels, reach, dtype=self.causal.weight.dtype)] for reach in reaches]
        samples, last = [], start
        for _ in range(length):
            logits = self._run(last, condition, pasts)[:, :, -1]
            last = mg.multinomial((logits / temperature).softmax(1), 1, generator=generator)
            samples.append(last)
        return mg.cat(samples, 1)
