"""Weights of three bits and signs for activations: step sizes are learned, and gradients pass the rounding as if it were not there."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights


class LearnedStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight, step, low, high):
        ctx.save_for_backward(weight, step)
        ctx.limits = low, high
        return torch.round(weight / step).clamp(low, high) * step

    @staticmethod
    def backward(ctx, grad_output):
        weight, step = ctx.saved_tensors
        low, high = ctx.limits
        ratio = weight / step
        below, above = (ratio < low).type_as(weight), (ratio > high).type_as(weight)
        between = 1.0 - below - above
        of_step = below * low + above * high + between * (ratio.round() - ratio)
        dims = tuple(range(1, weight.dim()))
        gradient = (of_step * grad_output).sum(dim=dims, keepdim=True) / (weight[0].numel() * high) ** 0.5
        return between * grad_output, gradient, None, None


class QuantConv2d(nn.Conv2d):
    def __init__(self, *args, bits=3, **kwargs):
        super().__init__(*args, **kwargs)
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.step = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))
        self.register_buffer("ready", torch.zeros(1))

    def forward(self, x):
        if self.training and self.ready == 0:
            self.step.data = 2 * self.weight.detach().abs().mean(dim=(1, 2, 3), keepdim=True) / self.high**0.5
            self.ready.fill_(1)
        return self._conv_forward(x, LearnedStep.apply(self.weight, self.step, self.low, self.high), self.bias)


class Observer(nn.Module):
    def __init__(self, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("low", torch.tensor(float("inf")))
        self.register_buffer("high", torch.tensor(float("-inf")))

    def forward(self, x):
        if self.training:
            low, high = torch.aminmax(x.detach())
            if torch.isinf(self.low):
                self.low.copy_(low)
                self.high.copy_(high)
            else:
                self.low.lerp_(low, self.momentum)
                self.high.mul_(1 - self.momentum).add_(high, alpha=self.momentum)
        scale = (self.high - self.low).clamp(min=1e-8) / 255
        zero_point = (-self.low / scale).round().clamp(0, 255)
        quantised = ((x / scale + zero_point).round().clamp(0, 255) - zero_point) * scale
        return x + (quantised - x).detach()


class Sign(nn.Module):
    def forward(self, x):
        soft = x.clamp(-1, 1)
        return x.sign().detach() - soft.detach() + soft


def main():
    images, labels = labelled_images(3, 24, 3)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    net = nn.Sequential(
        Observer(), QuantConv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6(inplace=True),
        Observer(), QuantConv2d(4, 6, 3, stride=2, padding=1, padding_mode="reflect", bits=2), Sign(), nn.Flatten(1), nn.Linear(96, 3),
    )  # fmt: skip
    same_weights(net)
    steps = [p for name, p in net.named_parameters() if name.endswith("step")]
    others = [p for name, p in net.named_parameters() if not name.endswith("step")]
    groups = [{"params": steps, "lr": 1e-3, "weight_decay": 0}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=1e-4, nesterov=True)
    losses = []
    for first in range(0, 24, 6):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[first : first + 6]), labels[first : first + 6])
        loss.backward()
        optimizer.step()
        losses += [loss.item(), net[1].step.grad.abs().sum().item(), net[4].high.item()]
    net.eval()
    with torch.no_grad():
        codes = torch.clamp(torch.round(net[8].weight / 0.01), -128, 127).to(torch.int8)
        losses += [F.cross_entropy(net(images), labels).item(), (codes.double() * 0.01 - net[8].weight).abs().max().item()]
    return losses


if __name__ == "__main__":
    print(main())
