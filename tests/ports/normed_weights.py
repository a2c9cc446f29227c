"""Weights that are functions of others: weight norm, spectral norm, orthogonal and symmetric ones, pruned ones, and a low-rank addition."""

import torch
import torch.nn as nn
import torch.nn.utils.parametrize as parametrize
import torch.nn.utils.prune as prune
from drawn import labelled_images, normal, same_weights
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)

    def right_inverse(self, A):
        return A.triu()


class LoRA(nn.Module):
    def __init__(self, rows, columns, rank=2, alpha=1.0):
        super().__init__()
        self.A = nn.Parameter(torch.zeros(rank, columns))
        self.B = nn.Parameter(torch.zeros(rows, rank))
        self.scale, self.enabled = alpha / rank, True

    def forward(self, W):
        return W + torch.matmul(self.B, self.A).view(W.shape) * self.scale if self.enabled else W


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2)
        self.critic = nn.Linear(36, 8)
        self.middle = nn.Linear(8, 8)
        self.square = nn.Linear(8, 8, bias=False)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x)).flatten(1)
        x = torch.tanh(self.critic(x))
        x = nn.functional.gelu(self.middle(x))
        return self.out(self.square(x) + x)


def main():
    images, labels = (torch.from_numpy(a) for a in labelled_images(64, 20, 3))
    net = same_weights(Net())
    weight_norm(net.conv, name="weight", dim=0)
    spectral_norm(net.critic, n_power_iterations=2)
    with torch.no_grad():  # the vectors of the power iteration start from random ones
        spectral = net.critic.parametrizations.weight[0]
        for seed, vector in enumerate((spectral._u, spectral._v)):
            start = torch.from_numpy(normal(seed, len(vector)))
            vector.copy_(start / start.norm())
        net.middle.weight.copy_(torch.eye(8).roll(1, 0))
    orthogonal(net.middle, orthogonal_map="cayley")
    parametrize.register_parametrization(net.square, "weight", Symmetric())
    prune.l1_unstructured(net.out, name="weight", amount=0.25)
    prune.random_unstructured(net.out, "bias", amount=0)
    optimizer = torch.optim.NAdam(net.parameters(), lr=2e-2)
    losses = []

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    for _ in range(4):
        step()
    weight = net.square.weight
    torch.testing.assert_close(weight, weight.T)
    torch.testing.assert_close(net.middle.weight @ net.middle.weight.T, torch.eye(8))
    assert parametrize.is_parametrized(net.conv, "weight") and (net.out.weight == 0).sum() >= 6
    parametrize.remove_parametrizations(net.conv, "weight", leave_parametrized=True)
    prune.remove(net.out, "weight")
    for p in net.parameters():
        p.requires_grad_(False)
    parametrize.register_parametrization(net.conv, "weight", LoRA(4, 9))
    lora = net.conv.parametrizations.weight[0]
    nn.init.constant_(lora.A, 0.1)
    assert [n for n, p in net.named_parameters() if p.requires_grad] == [
        "conv.parametrizations.weight.0.A",
        "conv.parametrizations.weight.0.B",
    ]
    optimizer = torch.optim.RAdam(filter(lambda p: p.requires_grad, net.parameters()), lr=5e-2)
    for _ in range(4):
        step()
    with parametrize.cached():
        losses.append(net(images).norm(p=1).item())
    lora.enabled = False
    losses.append(net(images).norm(p=1).item())
    return losses


if __name__ == "__main__":
    print(main())
