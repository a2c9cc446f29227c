"""Metric learning: batch-hard triplets, NT-Xent, ArcFace, centre loss with its own optimiser, a memory bank, PK sampling, mining masks, recall at k, mAP."""

import math
import random
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch import nn, optim
from torch.nn import Parameter
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler, TensorDataset, WeightedRandomSampler


class PK(Sampler):
    def __init__(self, labels, p, k):
        self.labels, self.p, self.k = np.asarray(labels), p, k
        self.rng = random.Random(0)

    def __iter__(self):
        for _ in range(len(self)):
            batch = []
            for c in self.rng.sample(sorted(set(self.labels.tolist())), self.p):
                batch.extend(self.rng.sample(np.where(self.labels == c)[0].tolist(), self.k))
            yield batch

    def __len__(self):
        return len(self.labels) // (self.p * self.k)


class ArcFace(nn.Module):
    def __init__(self, in_features, out_features, s=8.0, m=0.2, easy_margin=False):
        super().__init__()
        self.s, self.m, self.easy = s, m, easy_margin
        self.weight = Parameter(torch.FloatTensor(out_features, in_features).type(torch.float64))
        nn.init.xavier_uniform_(self.weight)
        self.cos_m, self.sin_m, self.th, self.mm = math.cos(m), math.sin(m), math.cos(math.pi - m), math.sin(math.pi - m) * m

    def forward(self, input, label):
        cosine = F.linear(F.normalize(input), F.normalize(self.weight))
        sine = torch.sqrt((1.0 - torch.pow(cosine, 2)).clamp(1e-9, 1))
        phi = cosine * self.cos_m - sine * self.sin_m
        phi = torch.where(cosine > 0, phi, cosine) if self.easy else torch.where(cosine > self.th, phi, cosine - self.mm)
        one_hot = torch.zeros(cosine.size(), device=input.device)
        one_hot.scatter_(1, label.view(-1, 1).long(), 1)
        return self.s * ((one_hot * phi) + ((1.0 - one_hot) * cosine))


class CentreLoss(nn.Module):
    def __init__(self, classes, dim):
        super().__init__()
        self.classes = classes
        self.centers = nn.Parameter(torch.randn(classes, dim))

    def forward(self, x, labels):
        n = x.size(0)
        dist = (
            torch.pow(x, 2).sum(dim=1, keepdim=True).expand(n, self.classes)
            + torch.pow(self.centers, 2).sum(1, keepdim=True).expand(self.classes, n).t()
        )
        dist = dist.addmm(x, self.centers.t(), beta=1, alpha=-2)
        mask = labels.unsqueeze(1).expand(n, self.classes).eq(torch.arange(self.classes).long().expand(n, self.classes))
        return (dist * mask.to(dist.dtype)).clamp(min=1e-12, max=1e12).sum() / n


def batch_hard(embeddings, labels, margin=0.3):
    dist = torch.cdist(embeddings, embeddings, p=2.0)
    same = labels[None, :] == labels[:, None]
    eye = torch.eye(len(labels), dtype=torch.bool)
    hardest_positive = dist.masked_fill(~same | eye, 0).max(1).values
    hardest_negative, _ = (dist + same.type(dist.dtype) * dist.detach().max()).min(dim=1)
    loss = torch.nn.functional.relu(hardest_positive - hardest_negative + margin)
    return loss[loss > 0].mean() if (loss > 0).any() else loss.sum()


def nt_xent(a, b, temperature=0.5):
    z = F.normalize(torch.cat((a, b), 0), dim=1)
    n = z.shape[0]
    sim = torch.mm(z, z.t().contiguous()) / temperature
    sim = sim[~torch.eye(n, dtype=bool)].view(n, -1)
    positive = torch.sum(a * b, dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1)) / temperature
    return (-torch.cat([positive, positive]) + torch.logsumexp(sim, dim=1)).mean()


class Bank(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.register_buffer("queue", F.normalize(torch.arange(float(size * dim)).sin().view(dim, size), dim=0))
        self.register_buffer("ptr", torch.zeros(1, dtype=torch.long))
        self.size = size

    @torch.no_grad()
    def push(self, keys):
        n, ptr = keys.shape[0], int(self.ptr)
        assert self.size % n == 0
        self.queue[:, ptr : ptr + n] = keys.T
        self.ptr[0] = (ptr + n) % self.size

    def logits(self, q, k):
        positive = torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1)
        return torch.cat([positive, torch.einsum("nc,ck->nk", [q, self.queue.clone().detach()])], dim=1) / 0.2


class Encoder(nn.Module):
    def __init__(self, dim=5):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding="valid"), nn.PReLU(4), nn.Dropout2d(p=0.0), nn.AdaptiveAvgPool2d(2), nn.Flatten(-3)
        )
        self.fc = nn.utils.spectral_norm(nn.Linear(16, dim)) if dim < 0 else nn.Linear(16, dim)
        self.bn = nn.BatchNorm1d(dim, affine=False, momentum=None)

    def forward(self, x, normalise=True):
        x = self.bn(self.fc(self.net(x)))
        return F.normalize(x, p=2, dim=1, eps=1e-8) if normalise else x


def retrieval(features, labels, ks=(1, 2)):
    sim = features @ features.t()
    sim.fill_diagonal_(-float("inf"))
    order = sim.argsort(dim=1, descending=True)[:, :-1]
    hits = labels[order] == labels.unsqueeze(1)
    recalls = [hits[:, :k].any(1).to(torch.float64).mean().item() for k in ks]
    rank = torch.arange(1, hits.size(1) + 1).expand_as(hits)
    precision = hits.cumsum(1).div(rank) * hits
    ap = precision.sum(1) / hits.sum(1).clamp_min(1)
    first = hits.int().argmax(dim=1)
    return recalls + [ap.mean().item(), (1.0 / (first + 1)).mean().item(), torch.kthvalue(ap, 2)[0].item(), ap.median().item()]


def main():
    images, labels = labelled_images(390, 32, 4, size=7)
    parts = [TensorDataset(torch.Tensor(images[i::2]).double(), torch.LongTensor(labels[i::2])) for i in range(2)]
    data: Dataset = ConcatDataset(parts)
    y = [data[i][1].item() for i in range(len(data))]
    loader = DataLoader(data, batch_sampler=PK(y, 4, 2))
    weights = torch.as_tensor([1.0 / y.count(v) for v in y])
    assert len(list(WeightedRandomSampler(weights, num_samples=5, replacement=True))) == 5
    encoder, head, centre, bank = same_weights(Encoder()), same_weights(ArcFace(5, 4), 1), same_weights(CentreLoss(4, 5), 2), Bank(16, 5)
    momentum_encoder = same_weights(Encoder())
    momentum_encoder.load_state_dict(encoder.state_dict())
    for p in momentum_encoder.parameters():
        p.requires_grad = False
    optimizer = optim.Adam(list(encoder.parameters()) + list(head.parameters()), lr=5e-3)
    optimizer_centre = optim.SGD(centre.parameters(), lr=0.5)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.3)
    losses = []
    for _epoch in range(2):
        for x, target in loader:
            z = encoder(x)
            with torch.no_grad():
                for p, q in zip(encoder.parameters(), momentum_encoder.parameters()):  # noqa: B905
                    q.data = q.data * 0.9 + p.data * (1.0 - 0.9)
                k = momentum_encoder(x.flip(-1))
            logits = bank.logits(z, k)
            parts = [
                F.cross_entropy(head(z, target), target), batch_hard(z, target), nt_xent(z, encoder(torch.flip(x, dims=[3]))),
                0.05 * centre(z, target), 0.1 * F.cross_entropy(logits, torch.zeros(logits.shape[0], dtype=torch.long)),
                F.triplet_margin_loss(z, z.roll(1, 0), z.roll(2, 0), margin=0.5, swap=True),
            ]  # fmt: skip
            loss = reduce(lambda a, b: a + b, parts)
            optimizer.zero_grad()
            optimizer_centre.zero_grad()
            loss.backward()
            for param in centre.parameters():
                param.grad.data *= 1.0 / 0.05
            optimizer.step()
            optimizer_centre.step()
            bank.push(k)
            losses += [loss.item(), *(p.item() for p in parts[1:4])]
            scheduler.step()
    encoder.eval()
    with torch.no_grad():
        features, classes = (torch.cat(t) for t in zip(*[(encoder(x), t) for x, t in DataLoader(data, batch_size=9)]))  # noqa: B905
    return losses + retrieval(features, classes) + [bank.ptr.item(), bank.queue.sum().item()]
