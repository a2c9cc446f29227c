"""A critic whose slope is held near one by a penalty on the gradient of its output, so that its loss is differentiated twice."""

import torch
from drawn import normal, same_weights
from torch import autograd, nn


def critic():
    return nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def gradient_penalty(D, real, fake, alpha):
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    score = D(mixed)
    gradients = autograd.grad(
        outputs=score, inputs=mixed, grad_outputs=torch.ones_like(score), create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def main():
    D = same_weights(critic(), 1)
    G = same_weights(nn.Sequential(nn.Linear(3, 16), nn.ELU(), nn.Linear(16, 2)), 2)
    opt_d = torch.optim.Adam(D.parameters(), lr=1e-2, betas=(0.0, 0.9))
    opt_g = torch.optim.Adam(G.parameters(), lr=1e-2, betas=(0.0, 0.9))
    losses = []
    for step in range(6):
        for p in D.parameters():
            p.requires_grad = True
        for k in range(2):
            real = torch.from_numpy(normal(1000 * step + k, 16, 2)) * 0.3 + 1
            fake = G(torch.from_numpy(normal(1000 * step + 10 + k, 16, 3))).data
            alpha = torch.from_numpy(abs(normal(1000 * step + 20 + k, 16, 1))).clamp(max=1)
            opt_d.zero_grad()
            loss = D(fake).mean() - D(real).mean() + 10 * gradient_penalty(D, real, fake, alpha)
            loss.backward()
            opt_d.step()
            losses.append(loss.item())
        for p in D.parameters():
            p.requires_grad = False
        opt_g.zero_grad()
        loss = -D(G(torch.from_numpy(normal(1000 * step + 30, 16, 3)))).mean()
        loss.backward()
        opt_g.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
