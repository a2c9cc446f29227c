"""A cloud of points: a transform that the cloud chooses, farthest points, neighbours in a ball whose missing places are filled in, the maximum over points."""

import torch
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch import nn


def at(points, index):
    """points (B, N, C) at index (B, ...)."""
    rows = torch.arange(len(points)).view([-1] + [1] * (index.ndim - 1)).repeat([1, *index.shape[1:]])
    return points[rows, index, :]


def farthest(points, count):
    batch, n, _ = points.shape
    chosen = points.new(batch, count).long()
    nearest, last = points.new(torch.Size([batch, n])).fill_(1e10), torch.zeros(batch, dtype=torch.long)
    for i in range(count):
        chosen[:, i] = last
        distance = (points - at(points, last).unsqueeze(1)).square().sum(-1)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        last = nearest.max(-1)[1]
    return chosen


def ball(points, centres, radius, most):
    batch, n, _ = points.shape
    index = torch.arange(n).view(1, 1, n).repeat([batch, centres.shape[1], 1])
    index[torch.cdist(centres, points) > radius] = n
    index = index.sort(dim=-1)[0][:, :, :most]
    first = index[:, :, :1].repeat(1, 1, most)
    absent = index == n
    index[absent] = first[absent]
    return index


class Turn(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k, self.points, self.norm, self.head = k, nn.Conv1d(k, 8, 1), nn.BatchNorm1d(8), nn.Linear(8, k * k)

    def forward(self, x):
        matrix = self.head(F.relu(self.norm(self.points(x))).max(2)[0])
        matrix = matrix + torch.eye(self.k).flatten().view(1, -1).repeat(len(x), 1)
        return matrix.view(-1, self.k, self.k)


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.turn = Turn(3)
        self.local = nn.ModuleList([nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 1)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(12)])
        self.each = nn.Conv1d(15, 12, 1)
        self.label = nn.Conv1d(24, classes, 1)

    def forward(self, x):  # B 3 N
        turn = self.turn(x)
        points = torch.bmm(x.transpose(2, 1), turn)
        centres = at(points, farthest(points.detach(), 6))
        near = at(points, ball(points.detach(), centres.detach(), 0.7, 4))
        near -= centres.view(len(x), 6, 1, 3)
        h = near.permute(0, 3, 2, 1)  # B 3 neighbours centres
        for conv, norm in zip(self.local, self.norms, strict=True):
            h = F.relu(norm(conv(h)))
        h = torch.max(h, 2)[0]
        inverse, closest = torch.cdist(points, centres).topk(3, largest=False)
        shares = 1.0 / (inverse + 1e-8)
        shares = shares / shares.sum(2, keepdim=True)
        h = (at(h.transpose(1, 2), closest) * shares.unsqueeze(-1)).sum(2)
        h = F.relu(self.each(torch.cat([h, points], -1).transpose(1, 2)))
        whole = torch.max(h, 2, keepdim=True)[0].repeat(1, 1, x.size(2))
        return F.log_softmax(self.label(torch.cat([h, whole], 1)).transpose(2, 1).contiguous(), dim=-1), turn


def main():
    clouds, parts = torch.from_numpy(normal(1, 8, 20, 3)), torch.from_numpy(integers(2, 3, 8, 20))
    clouds = clouds - clouds.mean(1, keepdim=True)
    clouds = clouds / clouds.norm(dim=2).max(1)[0].view(-1, 1, 1)
    net = same_weights(Net(3))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _epoch in range(3):
        for x, y in zip(clouds.split(4), parts.split(4), strict=True):
            predicted, turn = net(x.transpose(2, 1))
            loss = F.nll_loss(predicted.view(-1, 3), y.reshape(-1, 1)[:, 0])
            loss += 1e-3 * torch.norm(torch.bmm(turn, turn.transpose(2, 1)) - torch.eye(3)[None], dim=(1, 2)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item(), predicted.data.max(2)[1].eq(y).sum().item()]
    return losses


if __name__ == "__main__":
    print(main())
