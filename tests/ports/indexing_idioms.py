"""What people do with indices: masks in place, gather and scatter, padded to packed and back, segment means, span masks, NMS-like sorts, unfold windows, histograms."""

import math

import torch
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch import nn


def lengths_to_mask(lengths, max_len=None):
    max_len = max_len or lengths.max().item()
    return torch.arange(max_len, device=lengths.device)[None, :] < lengths[:, None]


def scatter_mean(src, index, dim_size):
    out = src.new_zeros(dim_size, src.size(1)).index_add_(0, index, src)
    count = src.new_zeros(dim_size).scatter_add_(0, index, torch.ones_like(index, dtype=src.dtype)).clamp_(min=1)
    return out / count[:, None]


def segment_softmax(src, index, n):
    peak = torch.full((n,), -math.inf).scatter_reduce(0, index, src, reduce="amax", include_self=False)
    e = (src - peak[index]).exp()
    return e / (torch.zeros(n).scatter_add(0, index, e)[index] + 1e-16)


def rel_shift(x):
    b, h, i, j = x.shape
    x = F.pad(x, (1, 0)).view(b, h, j + 1, i)
    return x[:, :, 1:].reshape(b, h, i, j)


def soft_dtw_free(cost):
    n, m = cost.shape
    table = torch.full((n + 1, m + 1), float("inf"))
    table[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            near = torch.stack([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
            table[i, j] = cost[i - 1, j - 1] - 0.5 * torch.logsumexp(-near / 0.5, dim=0)
    return table[n, m]


def crf_forward(emissions, mask, transitions, start, end):
    score = start + emissions[:, 0]
    for t in range(1, emissions.size(1)):
        nxt = torch.logsumexp(score.unsqueeze(2) + transitions + emissions[:, t].unsqueeze(1), dim=1)
        score = torch.where(mask[:, t].unsqueeze(1), nxt, score)
    return torch.logsumexp(score + end, dim=1)


def crf_score(emissions, tags, mask, transitions, start, end):
    rows = torch.arange(tags.size(0))
    score = start[tags[:, 0]] + emissions[rows, 0, tags[:, 0]]
    for t in range(1, tags.size(1)):
        score += (transitions[tags[:, t - 1], tags[:, t]] + emissions[rows, t, tags[:, t]]) * mask[:, t]
    return score + end[tags.gather(1, (mask.long().sum(1) - 1).unsqueeze(1)).squeeze(1)]


def viterbi(emissions, mask, transitions, start, end):
    score, history = start + emissions[:, 0], []
    for t in range(1, emissions.size(1)):
        best, index = (score[..., None] + transitions + emissions[:, t, None]).max(1)
        score = torch.where(mask[:, t : t + 1], best, score)
        history.append(index)
    score += end
    paths = []
    for b, n in enumerate(mask.sum(1).tolist()):
        tag = score[b].argmax().item()
        path = [tag]
        for index in reversed(history[: n - 1]):
            tag = index[b][path[-1]].item()
            path.append(tag)
        paths.append(path[::-1])
    return paths


class Model(nn.Module):
    def __init__(self, dim=6, tags=4):
        super().__init__()
        self.embed, self.rel = nn.Embedding(13, dim), nn.Parameter(torch.zeros(5, dim))
        self.mask_vector = nn.Parameter(torch.zeros(dim))
        self.rnn = nn.GRU(dim, dim // 2, bidirectional=True, batch_first=True)
        self.edge, self.out = nn.Linear(dim, 1), nn.Linear(4 * dim, tags)
        self.transitions, self.start, self.end = (nn.Parameter(torch.zeros(*s)) for s in ((tags, tags), (tags,), (tags,)))

    def forward(self, words, lengths, spans, edges):
        valid = lengths_to_mask(lengths)
        x = self.embed(words)
        x[spans] = self.mask_vector
        x[~valid] = 0.0
        x[:, 0, ::2] += 0.5
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, h = self.rnn(packed)  # noqa: RUF059
        out, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=words.size(1))
        scores = torch.einsum("bid,jd->bij", out, self.rel)[:, None]
        shifted = rel_shift(scores).squeeze(1).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.finfo(x.dtype).max)
        attended = shifted.softmax(-1).masked_fill(~valid[..., None], 0.0) @ out
        nodes = out[valid]
        source, target = edges
        alpha = segment_softmax(F.leaky_relu(self.edge(nodes[source] - nodes[target])).squeeze(-1), target, len(nodes))
        message = torch.zeros_like(nodes).index_add(0, target, nodes[source] * alpha.unsqueeze(-1))
        back = torch.zeros_like(out).masked_scatter(valid.unsqueeze(-1).expand_as(out), message)
        windows = F.pad(out, (0, 0, 1, 1)).unfold(1, 3, 1).mean(-1)
        return self.out(torch.cat([out, attended, back, windows], dim=-1)), valid, nodes


def main():
    words, tags = torch.from_numpy(integers(480, 13, 4, 5)), torch.from_numpy(integers(481, 4, 4, 5))
    lengths = torch.tensor([5, 3, 4, 2])
    spans = torch.zeros(4, 5, dtype=torch.bool)
    spans[torch.tensor([0, 2]), torch.tensor([1, 2])] = True
    spans[3, -1:] |= True
    edges = torch.from_numpy(integers(482, 14, 2, 30))
    model = same_weights(Model())
    crf = (model.transitions, model.start, model.end)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    losses = []
    for _ in range(5):
        emissions, valid, nodes = model(words, lengths, spans, edges)
        nll = (crf_forward(emissions, valid, *crf) - crf_score(emissions, tags, valid, *crf)).mean()
        pooled = scatter_mean(nodes, valid.nonzero()[:, 0], 4)
        last = emissions.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, emissions.size(-1))).squeeze(1)
        align = soft_dtw_free(torch.cdist(pooled, last[:, [0, 1, 2, 3, 0, 1]]) ** 2)
        smooth = torch.take_along_dim(emissions.log_softmax(-1), tags.unsqueeze(-1), dim=-1)[valid].mean()
        loss = nll + 0.1 * align - 0.1 * smooth + emissions[valid][:, 1:-1].diff(dim=-1).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), align.item(), model.embed.weight.grad.abs().sum().item()]
    with torch.no_grad():
        emissions, valid, _ = model(words, lengths, spans, edges)
        paths = viterbi(emissions, valid, *crf)
        guess = nn.utils.rnn.pad_sequence([torch.tensor(p) for p in paths], batch_first=True, padding_value=-1)
        confusion = torch.zeros(4, 4, dtype=torch.int64)
        confusion.index_put_((tags[valid], guess[valid]), torch.tensor(1), accumulate=True)
        counts = torch.bincount(4 * tags[valid] + guess[valid], minlength=16).reshape(4, 4)
        assert torch.equal(confusion, counts)
        f1 = 2 * confusion.diag() / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
        x = torch.tensor(normal(483, 3, 7))
        values, inverse, number = torch.unique(tags, return_inverse=True, return_counts=True)
        x[..., torch.tensor([True, False] * 3 + [True])] *= -1
        x[x.abs() < 0.3] = 0
        x[[0, 2]] = x[[2, 0]]
        x[1, 2:5] = torch.arange(3.0)
        x.index_copy_(1, torch.tensor([0, 6]), torch.ones(3, 2)).clamp_(-1.5, 1.5)
        x = x.where(x > -1, torch.tensor(-1.0))
        first = (x > 0).float().argmax(1)
        ranks = x.argsort(1).argsort(1)
        rows, cols = torch.triu_indices(3, 7, offset=1)
        edges_of = torch.linspace(-1, 1, 5)
        bins = torch.bucketize(x, edges_of).flatten().bincount()
        grid = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, 3)] * 2, indexing="xy"), -1).view(-1, 2)
    losses += [
        f1.sum().item(),
        x.sum().item(),
        x[rows, cols].prod().item() + 1,
        *map(float, bins),
        *map(float, first),
        grid.prod(1).abs().sum().item(),
    ]
    losses += [
        (ranks * torch.arange(7)).sum().item(),
        *map(float, number),
        inverse.sum().item(),
        values.numel(),
        x.tolist()[1][3],
        x[..., 0:1].item() if x.numel() == 1 else 0,
    ]
    return losses
