"""Decoding: beam search with gathered caches, a hypothesis heap, length penalty, greedy and nucleus filters, repetition penalty, no repeated n-grams."""

import heapq
import math
from collections import defaultdict, namedtuple

import torch
import torch.nn.functional as F
from drawn import integers, same_weights
from torch import nn

Cache = namedtuple("Cache", ["k", "v"])
PAD, BOS, EOS = 0, 1, 2


class Decoder(nn.Module):
    def __init__(self, vocab=9, dim=8, heads=2):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim, padding_idx=PAD)
        self.pos = nn.Embedding.from_pretrained(torch.sin(torch.arange(20.0)[:, None] * torch.arange(1.0, dim + 1)), freeze=True)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, vocab)
        self.heads = heads

    def forward(self, ids, cache=None):
        past = 0 if cache is None else cache.k.size(2)
        b, t = ids.shape
        x = self.embed(ids) + self.pos(torch.arange(past, past + t, dtype=torch.long, device=ids.device)[None])
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if cache is not None:
            k, v = torch.cat((cache.k, k), dim=2), torch.cat((cache.v, v), dim=2)
        mask = torch.ones(t, past + t, dtype=torch.bool).tril(diagonal=past)
        w = (q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.size(-1)))).masked_fill(~mask, float("-inf"))
        y = (F.softmax(w, dim=-1) @ v).transpose(1, 2).flatten(start_dim=2)
        return self.out(x + y), Cache(k, v)


def no_repeat(ids, logits, n=2):
    for row in range(ids.size(0)):
        seen, tokens = defaultdict(list), ids[row].tolist()
        for gram in zip(*[tokens[i:] for i in range(n)]):  # noqa: B905
            seen[gram[:-1]].append(gram[-1])
        logits[row, seen.get(tuple(tokens[len(tokens) - n + 1 :]), [])] = -float("inf")
    return logits


def repetition(ids, logits, penalty=1.2):
    score = torch.gather(logits, 1, ids)
    score = torch.where(score < 0, score * penalty, score / penalty)
    logits.scatter_(1, ids, score)
    return logits


def filtered(logits, top_k=0, top_p=1.0, value=-float("Inf")):
    if top_k > 0:
        logits[logits < torch.topk(logits, min(top_k, logits.size(-1)))[0][..., -1, None]] = value
    if top_p < 1.0:
        ordered, index = torch.sort(logits, descending=True)
        remove = torch.cumsum(F.softmax(ordered, dim=-1), dim=-1) > top_p
        remove[..., 1:] = remove[..., :-1].clone()
        remove[..., 0] = 0
        logits[remove.scatter(dim=1, index=index, src=remove)] = value
    return logits


@torch.no_grad()
def beam_search(model, prompt, beams=3, length=7, alpha=0.7):
    b, vocab = prompt.size(0), model.out.out_features
    ids = prompt[:, None].expand(b, beams, -1).reshape(b * beams, -1)
    scores = torch.full((b, beams), -1e9).index_fill_(1, torch.tensor([0]), 0.0)
    done, finished = torch.zeros(b, dtype=torch.bool), [[] for _ in range(b)]
    logits, cache = model(ids)
    for step in range(length):
        logp = torch.log_softmax(no_repeat(ids, logits[:, -1, :].clone()), dim=-1)
        logp[:, PAD] = -1e9
        total = (logp.view(b, beams, vocab) + scores[..., None]).view(b, -1)
        top, flat = total.topk(2 * beams, dim=1, largest=True, sorted=True)
        parent, token = flat // vocab, torch.fmod(flat, vocab)
        new_scores, new_tokens, new_parents = top.new_zeros((b, beams)), token.new_full((b, beams), PAD), token.new_zeros(b, beams)
        for i in range(b):
            if done[i]:
                continue
            slot = 0
            for rank, (s, tok, par) in enumerate(zip(top[i], token[i], parent[i])):  # noqa: B905
                if tok.item() == EOS:
                    if rank < beams:
                        row = (i * beams + par).item()
                        heapq.heappush(finished[i], (s.item() / (ids.shape[1] ** alpha), step, ids[row].clone()))
                    continue
                new_scores[i, slot], new_tokens[i, slot], new_parents[i, slot] = s, tok, par
                slot += 1
                if slot == beams:
                    break
            done[i] = len(finished[i]) >= beams
        scores = new_scores
        rows = (new_parents + torch.arange(b).unsqueeze(1) * beams).view(-1)
        ids = torch.cat([ids.index_select(0, rows), new_tokens.view(-1, 1)], dim=-1)
        if done.all():
            break
        cache = Cache(*(c.index_select(0, rows) for c in cache))
        logits, cache = model(ids[:, -1:], cache)
    for i in range(b):
        for j in range(beams):
            finished[i].append((scores[i, j].item() / ids.size(1) ** alpha, length + j, ids[i * beams + j]))
    best = [max(f, key=lambda h: (h[0], h[1])) for f in finished]
    return [h[0] for h in best], nn.utils.rnn.pad_sequence([h[2] for h in best], batch_first=True, padding_value=PAD)


def main():
    data = torch.from_numpy(integers(380, 6, 6, 8)) + 3
    data[:, 0], data[:, -1] = BOS, EOS
    data[::2, 5:] = PAD
    model = same_weights(Decoder())
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=0.05)
    losses = []
    for _ in range(8):
        logits, _ = model(data[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, logits.size(-1)), data[:, 1:].reshape(-1), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    scores, out = beam_search(model, data[:3, :2])
    losses += scores + out.double().mul(torch.arange(1.0, out.size(1) + 1)).sum(-1).tolist()
    ids, cache = data[:, :2], None
    with torch.no_grad():
        step_logits, cache = model(ids)
        for _ in range(4):
            last = repetition(ids, step_logits[:, -1].clone() / 0.8)
            p = filtered(last, top_k=5, top_p=0.9).softmax(-1)
            losses += [p.max().item(), (p > 0).sum().item()]
            nxt = p.argmax(-1, keepdim=True)
            ids = torch.hstack((ids, nxt))
            if (nxt == EOS).all():
                break
            step_logits, cache = model(nxt, cache)
        full, _ = model(ids)
    losses += [full.amax().item(), step_logits.sum().item(), *map(float, ids[0])]
    assert str(ids[0, :2]) == f"tensor([1, {data[0, 1].item()}])"
    return losses
