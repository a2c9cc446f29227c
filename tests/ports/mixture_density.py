"""When one answer is not enough: a network that gives a mixture of normal distributions, fitted by its likelihood."""

import math

import torch
import torch.nn as nn
from drawn import normal, same_weights


class MDN(nn.Module):
    def __init__(self, n_hidden, n_gaussians):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
        self.z_pi = nn.Linear(n_hidden, n_gaussians)
        self.z_sigma = nn.Linear(n_hidden, n_gaussians)
        self.z_mu = nn.Linear(n_hidden, n_gaussians)

    def forward(self, x):
        z_h = self.z_h(x)
        return nn.functional.log_softmax(self.z_pi(z_h), -1), torch.exp(self.z_sigma(z_h)), self.z_mu(z_h)


def mdn_loss(log_pi, sigma, mu, y):
    log_prob = -0.5 * ((y - mu) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + log_prob, dim=1).mean()


def main():
    y = torch.linspace(-3, 3, 24).unsqueeze(-1)
    x = 3 * torch.sin(0.75 * y) + 0.5 * y + torch.from_numpy(normal(35, 24, 1, scale=0.1))
    network = same_weights(MDN(n_hidden=10, n_gaussians=3))
    optimizer = torch.optim.RAdam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(10):
        loss = mdn_loss(*network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data.item())
    return losses


if __name__ == "__main__":
    print(main())
