"""Images out of noise: a network learns to say what noise was added at each of many steps, and is then run backwards."""

import math

import torch
import torch.nn.functional as F
from drawn import integers, labelled_images, normal, same_weights
from torch import nn


def extract(a, t, x_shape):
    return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        freqs = torch.exp(torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1)))
        angles = time[:, None] * freqs[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time_mlp = nn.Sequential(SinusoidalPositionEmbeddings(8), nn.Linear(8, 6), nn.SiLU())
        self.inp = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.GroupNorm(3, 6)
        self.out = nn.Conv2d(6, 1, 3, padding=1)

    def forward(self, x, t):
        h = self.inp(x) + self.time_mlp(t)[:, :, None, None]
        return self.out(F.mish(self.norm(h)))


def main():
    T = 20
    betas = torch.linspace(1e-4, 0.2, T)
    alphas = 1.0 - betas
    cumulative = torch.cumprod(alphas, axis=0)
    before = F.pad(cumulative[:-1], (1, 0), value=1.0)
    posterior_variance = betas * (1.0 - before) / (1.0 - cumulative)
    images = torch.tanh(torch.from_numpy(labelled_images(27, 8, 2)[0]))
    model = same_weights(Denoiser())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for step in range(6):
        t = torch.from_numpy(integers(30 + step, T, 8)).long()
        noise = torch.from_numpy(normal(60 + step, *images.shape))
        noisy = extract(cumulative.sqrt(), t, images.shape) * images + extract((1 - cumulative).sqrt(), t, images.shape) * noise
        loss = F.smooth_l1_loss(noise, model(noisy, t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    @torch.no_grad()
    def sample(shape):
        img = torch.from_numpy(normal(99, *shape))
        for i in reversed(range(T)):
            t = torch.full((shape[0],), i, dtype=torch.long)
            mean = extract(alphas.rsqrt(), t, shape) * (
                img - extract(betas, t, shape) * model(img, t) / extract((1 - cumulative).sqrt(), t, shape)
            )
            img = mean if i == 0 else mean + extract(posterior_variance, t, shape).sqrt() * torch.from_numpy(normal(200 + i, *shape))
        return img.clamp_(-1.0, 1.0)

    return losses + sample((2, 1, 8, 8)).mean(dim=(1, 2, 3)).tolist()


if __name__ == "__main__":
    print(main())
