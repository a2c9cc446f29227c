"""Weights from which one step is enough: the loss after a step of learning is itself differentiated, through that step."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from drawn import normal, same_weights
from torch import nn
from torch.func import functional_call


def task(seed):
    amplitude, phase = 1 + abs(normal(seed, 1)[0]), normal(seed + 1, 1)[0]
    x = torch.from_numpy(normal(seed + 2, 10, 1))
    return x, amplitude * torch.sin(x + phase)


def main():
    model = same_weights(nn.Sequential(nn.Linear(1, 10), nn.Softplus(), nn.Linear(10, 1)))
    meta_optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(6):
        meta_loss = 0.0
        for k in range(2):
            x, y = task(1000 * step + 10 * k)
            weights = OrderedDict(model.named_parameters())
            for _ in range(2):
                loss = F.mse_loss(functional_call(model, weights, (x[:5],)), y[:5])
                gradients = torch.autograd.grad(loss, weights.values(), create_graph=True)
                weights = OrderedDict((name, w - 0.05 * g) for (name, w), g in zip(weights.items(), gradients, strict=True))
            meta_loss = meta_loss + F.mse_loss(functional_call(model, weights, (x[5:],)), y[5:])
        meta_optimizer.zero_grad()
        meta_loss.backward()
        meta_optimizer.step()
        losses.append(meta_loss.item())
    return losses


if __name__ == "__main__":
    print(main())
