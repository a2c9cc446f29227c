"""Images by style: each image has its own filters, computed in one grouped convolution; the length of the path from style to image is held even."""

import copy
import math

import torch
import torch.nn.functional as F
from drawn import normal, same_weights
from torch import nn


class Styled(nn.Module):
    def __init__(self, cin, cout, style, up=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, cout, cin, 3, 3))
        self.style = nn.Linear(style, cin)
        self.noise, self.bias, self.up = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1, cout, 1, 1)), up
        soft = torch.Tensor([1, 3, 3, 1])
        self.register_buffer("soft", (soft[:, None] * soft / soft.sum() ** 2 * 4)[None, None])

    def forward(self, x, w, noise):
        batch, cin, height, width = x.shape
        cout = self.weight.size(1)
        own = self.weight * (1.0 + self.style(w)).view(batch, 1, cin, 1, 1) / math.sqrt(9 * cin)
        own = own * torch.rsqrt(own.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        x = x.view(1, batch * cin, height, width)
        if self.up:
            x = F.conv_transpose2d(x, own.transpose(1, 2).reshape(batch * cin, cout, 3, 3), stride=2, groups=batch)
            x = F.conv2d(x.view(batch * cout, 1, *x.shape[-2:]), self.soft.to(x), padding=1)
        else:
            x = F.conv2d(x, own.view(batch * cout, cin, 3, 3), padding=1, groups=batch)
        x = x.view(batch, cout, *x.shape[-2:])
        return F.leaky_relu(x + self.noise * noise + self.bias, 0.2) * 2**0.5


class Generator(nn.Module):
    def __init__(self, style=6):
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(style, 8), nn.LeakyReLU(0.2), nn.Linear(8, style))
        self.start = nn.Parameter(torch.randn(1, 6, 4, 4))
        self.layers = nn.ModuleList([Styled(6, 6, style), Styled(6, 4, style, up=True), Styled(4, 4, style)])
        self.noises = nn.Module()
        for i, size in enumerate([4, 8, 8]):
            self.noises.register_buffer(f"noise_{i}", torch.from_numpy(normal(40 + i, 1, 1, size, size)))
        self.colour = nn.Conv2d(4, 3, 1)

    def forward(self, z):
        w = self.mapping(z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)).unsqueeze(1).repeat(1, len(self.layers), 1)
        x = self.start.repeat(len(z), 1, 1, 1)
        for i, layer in enumerate(self.layers):
            x = layer(x, w[:, i], getattr(self.noises, f"noise_{i}"))
        return self.colour(x), w


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(9, 8, 3, padding=1), nn.Linear(128, 1)

    def forward(self, x):
        h = F.leaky_relu(self.a(x), 0.2, inplace=True)
        spread = h.view(2, -1, 1, *h.shape[1:]).var(0, unbiased=False).add(1e-8).sqrt().mean([2, 3, 4], keepdim=True).squeeze(2)
        h = F.leaky_relu(self.b(torch.cat([h, spread.repeat(2, 1, *h.shape[2:])], 1)), 0.2)
        return self.c(h.view(len(x), -1))


def trained(model, flag):
    for p in model.parameters():
        p.requires_grad = flag


def main():
    generator, critic = same_weights(Generator()), same_weights(Critic(), 1)
    average = copy.deepcopy(generator).eval()
    g_optimizer, c_optimizer = (torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.0, 0.99)) for m in (generator, critic))
    length, losses = 0.0, []
    for step in range(3):
        real = torch.from_numpy(normal(step, 4, 3, 8, 8)).requires_grad_()
        trained(generator, False)
        trained(critic, True)
        fake, _ = generator(torch.from_numpy(normal(20 + step, 4, 6)))
        score = critic(real)
        (slope,) = torch.autograd.grad(score.sum(), real, create_graph=True)
        r1 = slope.square().flatten(1).sum(1).mean()
        c_loss = F.softplus(-score).mean() + F.softplus(critic(fake)).mean() + 5 * r1
        c_optimizer.zero_grad()
        c_loss.backward()
        c_optimizer.step()
        trained(generator, True)
        trained(critic, False)
        fake, w = generator(torch.from_numpy(normal(40 + step, 4, 6)))
        direction = torch.from_numpy(normal(60 + step, 4, 3, 8, 8)) / 8
        (slope,) = torch.autograd.grad((fake * direction).sum(), w, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        target = length + 0.1 * (lengths.mean() - length)
        path = (lengths - target).square().mean()
        length = target.detach()
        g_loss = F.softplus(-critic(fake)).mean() + 2 * path
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        for slow, fast in zip(average.parameters(), generator.parameters(), strict=True):
            slow.data.mul_(0.9).add_(fast.data, alpha=0.1)
        losses += [c_loss.item(), r1.item(), g_loss.item(), path.item(), length.item()]
    with torch.no_grad():
        losses.append(average(torch.from_numpy(normal(2, 2, 6)))[0].square().mean().item())
    return losses


if __name__ == "__main__":
    print(main())
