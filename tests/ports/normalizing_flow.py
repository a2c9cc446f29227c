"""A distribution bent into shape: steps that can be undone carry points to a normal distribution, and the change of volume is counted."""

import math

import torch
import torch.nn as nn
from drawn import normal, same_weights


class Coupling(nn.Module):
    def __init__(self, dim, flip):
        super().__init__()
        self.register_buffer("mask", torch.tensor([1.0, 0.0] if flip else [0.0, 1.0], dtype=torch.float64))
        self.s = nn.Sequential(nn.Linear(dim, 8), nn.LeakyReLU(), nn.Linear(8, dim), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(dim, 8), nn.LeakyReLU(), nn.Linear(8, dim))

    def forward(self, x):
        kept = x * self.mask
        s, t = self.s(kept) * (1 - self.mask), self.t(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(dim=1)

    def inverse(self, z):
        kept = z * self.mask
        s, t = self.s(kept) * (1 - self.mask), self.t(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (z - t) * torch.exp(-s)


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Coupling(2, bool(i % 2)) for i in range(4)])

    def log_prob(self, x):
        total = x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, logdet = layer(x)
            total = total + logdet
        return -0.5 * (x**2).sum(-1) - math.log(2 * math.pi) + total

    def sample(self, z):
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


def main():
    data = torch.from_numpy(normal(41, 40, 2))
    data[:, 1] = data[:, 0] ** 2 - 1 + 0.3 * data[:, 1]
    flow = same_weights(Flow())
    optimizer = torch.optim.Adadelta(flow.parameters(), lr=1.0)
    losses = []
    for _ in range(8):
        loss = -flow.log_prob(data).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        losses += flow.sample(torch.from_numpy(normal(42, 50, 2))).var(dim=0, unbiased=False).tolist()
    return losses


if __name__ == "__main__":
    print(main())
