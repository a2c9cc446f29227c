"""A differential equation solved by a network: its loss is how far its own derivatives are from what the equation says."""

import torch
from drawn import same_weights
from torch import nn


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


def derivative(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def main():
    net = same_weights(nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 12), Sine(), nn.Linear(12, 1)))
    x, t = torch.meshgrid(torch.linspace(0, 1, 6), torch.linspace(0, 0.5, 5), indexing="ij")
    x, t = x.reshape(-1, 1).requires_grad_(), t.reshape(-1, 1).requires_grad_()
    start = torch.linspace(0, 1, 7).unsqueeze(1)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        u = net(torch.hstack((x, t)))
        u_t, u_x = derivative(u, t), derivative(u, x)
        u_xx = derivative(u_x, x)
        residual = u_t + u * u_x - 0.1 * u_xx
        initial = net(torch.cat([start, torch.zeros_like(start)], dim=1)) + torch.sin(torch.pi * start)
        loss = residual.square().mean() + initial.square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
