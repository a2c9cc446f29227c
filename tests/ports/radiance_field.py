"""A scene as a function of place: rays with sines as codes of places, colours added up along each ray behind what hides them, and samples drawn where the density is."""

import numpy as np
import torch
import torch.nn.functional as F
from drawn import normal, same_weights
from torch import nn


class Code(nn.Module):
    def __init__(self, octaves):
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(octaves) * np.pi)

    def forward(self, x):
        waves = x[..., None, :] * self.frequencies[:, None]
        return torch.cat([x, waves.sin().flatten(-2), waves.cos().flatten(-2)], -1)


class Field(nn.Module):
    def __init__(self, octaves=3, width=16):
        super().__init__()
        self.place, self.direction = Code(octaves), Code(1)
        size = 3 + 6 * octaves
        self.first, self.second = nn.Linear(size, width), nn.Linear(width + size, width)
        self.density, self.feature, self.colour = nn.Linear(width, 1), nn.Linear(width, width), nn.Linear(width + 9, 3)

    def forward(self, points, directions):
        code = self.place(points)
        h = F.relu(self.first(code))
        h = F.relu(self.second(torch.cat([code, h], -1)))
        look = self.direction(directions).unsqueeze(-2).expand(*h.shape[:-1], -1)
        return F.softplus(self.density(h)).squeeze(-1), torch.sigmoid(self.colour(torch.cat([self.feature(h), look], -1)))


def camera_rays(size, pose):
    y, x = torch.meshgrid(torch.linspace(1, -1, size), torch.linspace(-1, 1, size), indexing="ij")
    directions = F.normalize(torch.stack([x, y, -torch.ones_like(x) * 1.5], -1).reshape(-1, 3), dim=-1) @ pose[:3, :3].T
    return pose[:3, 3].expand_as(directions), directions


def looking(angle, distance=3.0):
    c, s = np.cos(angle), np.sin(angle)
    return torch.Tensor([[c, 0, s, distance * s], [0, 1, 0, 0], [-s, 0, c, distance * c], [0, 0, 0, 1]]).double()


def compose(density, colour, depth):
    gaps = torch.cat([depth[:, 1:] - depth[:, :-1], torch.full_like(depth[:, :1], 1e3)], -1)
    opacity = 1.0 - torch.exp(-density * gaps)
    clear = torch.cumprod(F.pad(1.0 - opacity + 1e-10, (1, 0), value=1.0), -1)[:, :-1]
    weights = opacity * clear
    seen = (weights[..., None] * colour).sum(-2) + (1.0 - weights.sum(-1, keepdim=True))  # before white
    return seen, weights


def drawn_where_dense(depth, weights, u):
    """Depths by the inverse of the distribution that the weights are."""
    middles = 0.5 * (depth[:, 1:] + depth[:, :-1])
    pdf = weights[:, 1:-1] + 1e-5
    cdf = F.pad((pdf / pdf.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    right = torch.searchsorted(cdf, u.expand(len(cdf), -1).contiguous(), right=True)
    places = torch.stack([(right - 1).clamp(min=0), right.clamp(max=cdf.shape[-1] - 1)], -1)
    (c0, c1), (d0, d1) = (t.unsqueeze(1).expand(-1, places.shape[1], -1).gather(2, places).unbind(-1) for t in (cdf, middles))
    share = (u - c0) / torch.where(c1 - c0 < 1e-5, torch.ones_like(c0), c1 - c0)
    return (d0 + share * (d1 - d0)).detach()


def main():
    coarse, fine = same_weights(Field()), same_weights(Field(), 1)
    optimizer = torch.optim.Adam([*coarse.parameters(), *fine.parameters()], lr=5e-3)
    pictures = 1 / (1 + np.exp(-normal(7, 3, 64, 3)))
    rng, losses = np.random.default_rng(3), []
    for step in range(6):
        i = int(rng.integers(3))
        origins, directions = camera_rays(8, looking(2.1 * i))
        chosen = rng.choice(64, 16, replace=False)
        origins, directions, target = origins[chosen], directions[chosen], torch.from_numpy(pictures[i])[chosen]
        depth = torch.linspace(1.5, 5.0, 8) + 0.4 * torch.from_numpy(rng.random((16, 8)))
        first, weights = compose(*coarse(origins[:, None] + directions[:, None] * depth[..., None], directions), depth)
        more = drawn_where_dense(depth, weights, torch.linspace(0.0, 1.0, 6))
        depth, order = torch.sort(torch.cat([depth, more], -1), -1)
        assert torch.equal(order.argsort(-1).argsort(-1), order)
        second, weights = compose(*fine(origins[:, None] + directions[:, None] * depth[..., None], directions), depth)
        loss = F.mse_loss(second, target) + F.mse_loss(first, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * 0.1 ** (step / 10)
        losses += [loss.item(), (-10.0 * torch.log10(loss)).item(), (weights * depth).sum(-1).mean().item(), more.std().item()]
    with torch.no_grad():
        picture = (255 * np.clip(second.cpu().numpy(), 0, 1)).astype(np.uint8)
        losses += [float(picture.sum()), float(np.asarray(fine.density.bias)[0])]
    return losses


if __name__ == "__main__":
    print(main())
