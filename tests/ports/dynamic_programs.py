"""Dynamic programs over tables that are filled cell by cell: edit distance, soft-DTW, Viterbi, and a CRF that is trained by its forward pass."""

import torch
from torch import nn


def edit_distance(a, b):
    table = torch.zeros(len(a) + 1, len(b) + 1, dtype=torch.long)
    table[:, 0].copy_(torch.arange(len(a) + 1))
    table[0].copy_(torch.arange(len(b) + 1))
    for i in range(1, len(a) + 1):
        row, above = table[i], table[i - 1]
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, above[j - 1] + int(a[i - 1] != b[j - 1]))
        assert row[0] == i
    return table[-1][-1]


def dtw(x, y):
    """The table of distances along the best path, and the path as a mask."""
    n, m = len(x), len(y)
    cost = torch.full((n + 1, m + 1), float("inf"))
    cost[0][0] = 0
    for i in range(n):
        for j in range(m):
            cost[i + 1][j + 1] = (x[i] - y[j]).abs() + min(cost[i][j + 1], cost[i + 1][j], cost[i][j])
    path, i, j = torch.zeros(n, m), n, m
    while i and j:
        path[i - 1][j - 1] = 1
        step = int(torch.stack([cost[i - 1][j - 1], cost[i - 1][j], cost[i][j - 1]]).argmin())
        i, j = i - (step < 2), j - (step != 1)
    return cost[1:, 1:], path


def soft_dtw(x, y, gamma=0.5):
    """Differentiable: the table is part of the graph, and its cells are written where they are."""
    n, m = len(x), len(y)
    distance = (x.unsqueeze(1) - y.unsqueeze(0)) ** 2
    table = torch.full((n + 1, m + 1), 1e6)
    table[0][0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            before = torch.stack([table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]])
            table[i][j] = distance[i - 1, j - 1] - gamma * torch.logsumexp(-before / gamma, 0)
    return table[n, m]


class CRF(nn.Module):
    def __init__(self, tags):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        with torch.no_grad():
            self.transitions.view(-1).copy_(torch.arange(float(tags * tags)).cos_())
            self.transitions[0].sub_(0.5)
            self.transitions.t()[-1].add_(0.25)
            self.transitions.diagonal().fill_(0.1)

    def forward(self, emissions, tags):
        """The negative log likelihood of ``tags``."""
        alphas = emissions.new_zeros(emissions.shape)
        alphas[0].add_(emissions[0])
        for t in range(1, len(emissions)):
            alphas[t].copy_(torch.logsumexp(alphas[t - 1].clone().unsqueeze(1) + self.transitions, 0))
            alphas[t] += emissions[t]
        score = emissions.gather(1, tags[:, None]).sum() + self.transitions[tags[:-1], tags[1:]].sum()
        return torch.logsumexp(alphas[-1], 0) - score

    @torch.no_grad()
    def decode(self, emissions):
        scores = torch.empty(emissions.shape)
        back = torch.zeros(emissions.shape, dtype=torch.long)
        scores[0].copy_(emissions[0])
        for t in range(1, len(emissions)):
            best, where = (scores[t - 1].unsqueeze(1) + self.transitions).max(0)
            scores[t].copy_(best).add_(emissions[t])
            back[t].copy_(where)
        path = torch.zeros(len(emissions), dtype=torch.long)
        path[-1:].fill_(int(scores[-1].argmax()))
        for t in reversed(range(len(emissions) - 1)):
            path[t : t + 1].copy_(back[t + 1][path[t + 1]])
        return path, scores


def main():
    losses = [edit_distance("intention", "execution"), edit_distance("kitten", "sitting")]
    x, y = torch.linspace(0, 3, 7).sin(), torch.linspace(0.3, 3.4, 9).sin()
    cost, path = dtw(x, y)
    losses += [cost[-1][-1], cost.sum(), (path * torch.arange(63.0).view(7, 9)).sum()]

    w = torch.linspace(-1, 1, 7).requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.05, momentum=0.5)
    for _ in range(4):
        optimizer.zero_grad()
        loss = soft_dtw(w, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())

    words = torch.arange(40.0).mul_(1.3).sin_().view(8, 5)
    tags = torch.tensor([0, 1, 2, 2, 1, 0, 0, 2])
    layer, crf = nn.Linear(5, 3), CRF(3)
    with torch.no_grad():
        for i, row in enumerate(layer.weight):
            row.copy_(torch.linspace(-0.3, 0.3 + 0.1 * i, 5))
        layer.bias[:2].zero_()
        layer.bias[2:].fill_(0.1)
    optimizer = torch.optim.Adam([*layer.parameters(), *crf.parameters()], lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        loss = crf(layer(words), tags)
        loss.backward()
        optimizer.step()
        found, scores = crf.decode(layer(words))
        losses += [loss.detach(), scores[-1].max(), (found * torch.arange(8)).sum()]
    return losses


if __name__ == "__main__":
    print(main())
