"""A sparse mixture of experts with capacity: routing by one-hot and cumsum, einsum dispatch, load-balancing and z losses, scatter and gather."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal, same_weights


def cumsum_exclusive(t, dim=-1):
    pre = [0] * (t.ndim * 2)
    pre[2 * (t.ndim - 1 - dim % t.ndim)] = 1
    return F.pad(t, pre).cumsum(dim=dim).narrow(dim, 0, t.size(dim))


class Router(nn.Module):
    def __init__(self, dim, experts, capacity_factor=1.25, k=2):
        super().__init__()
        self.gate = nn.Parameter(torch.randn(dim, experts))
        self.experts, self.k, self.capacity_factor = experts, k, capacity_factor
        self.register_buffer("usage", torch.zeros(experts, dtype=torch.long))

    def forward(self, x):
        b, n, _ = x.shape
        capacity = max(int(n * self.k / self.experts * self.capacity_factor), 1)
        logits = torch.einsum("bnd,de->bne", x, self.gate)
        raw = logits.softmax(dim=-1)
        gates, index = raw.topk(k=self.k, dim=-1)
        mask = F.one_hot(index, self.experts).to(raw)
        density, proxy = mask[..., 0, :].mean(dim=-2), raw.mean(dim=-2)
        balance = (proxy * density).mean() * float(self.experts**2)
        z = torch.logsumexp(logits, dim=-1).square().mean()
        gates = gates / (gates.sum(dim=-1, keepdim=True) + 1e-9)
        flat = mask.permute(0, 2, 1, 3).reshape(b, self.k * n, self.experts)
        position = (cumsum_exclusive(flat, dim=-2) * flat).view(b, self.k, n, self.experts)
        keep = position.lt(capacity).type_as(raw) * flat.view(b, self.k, n, self.experts)
        position = (position * keep).sum(-1).long()
        kept = keep.sum(-1)
        self.usage += keep.detach().sum(dim=(0, 1, 2)).long()
        combine = torch.einsum("bkn,bkn,bkne,bknc->bnec", gates.movedim(-1, 1), kept, keep, F.one_hot(position, capacity).to(raw))
        return combine.bool().to(combine), combine, balance, z


class Experts(nn.Module):
    def __init__(self, n, dim, hidden):
        super().__init__()
        self.w1, self.w2 = (nn.Parameter(torch.empty(*s)) for s in ((n, dim, 2 * hidden), (n, hidden, dim)))
        for w in self.parameters():
            nn.init.trunc_normal_(w, std=0.02)

    def forward(self, x):
        a, g = torch.einsum("e...d,edh->e...h", x, self.w1).chunk(2, dim=-1)
        return torch.einsum("e ... h, e h d -> e ... d", a * F.silu(g), self.w2)


class MoE(nn.Module):
    def __init__(self, dim=6, experts=4, hidden=8):
        super().__init__()
        self.router, self.experts = Router(dim, experts), Experts(experts, dim, hidden)

    def forward(self, x):
        dispatch, combine, balance, z = self.router(x)
        routed = torch.einsum("bnd,bnec->ebcd", x, dispatch)
        out = self.experts(routed)
        return torch.einsum("ebcd,bnec->bnd", out, combine), 1e-2 * balance + 1e-3 * z


class SortedMoE(MoE):
    """The same mathematics without capacity, by sorting tokens to their experts."""

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        weights = torch.sigmoid(flat @ self.router.gate)
        top, ids = torch.topk(weights, 2, dim=-1, sorted=False)
        top /= top.sum(dim=-1, keepdim=True)
        order = ids.view(-1).argsort(stable=True)
        counts = ids.view(-1).bincount(minlength=self.router.experts)
        token = order.div(2, rounding_mode="trunc")
        out = torch.zeros_like(flat)
        for e, rows in enumerate(token.split(counts.tolist())):
            if not rows.nelement():
                continue
            h = flat.index_select(0, rows) @ self.experts.w1[e]
            y = F.glu(h, dim=-1) @ self.experts.w2[e]
            w = top.view(-1)[order][counts[:e].sum() : counts[: e + 1].sum()]
            out.scatter_add_(0, rows[:, None].repeat(1, flat.size(1)), y * w[:, None])
        cv = lambda v: v.double().var(unbiased=False) / (v.double().mean() ** 2 + 1e-10)
        importance = torch.zeros_like(weights).scatter(1, ids, top).sum(0)
        return out.view_as(x), 1e-2 * (cv(importance) + cv(counts))


def main():
    x = torch.tensor(normal(350, 3, 8, 6))
    target = x.roll(shifts=1, dims=1).cumsum(-1).tanh_()
    losses = []
    for cls in (MoE, SortedMoE):
        layers = nn.ModuleList([cls() for _ in range(2)])
        same_weights(layers)
        optimizer = torch.optim.Adam([{"params": m.parameters(), "lr": 3e-2 / (i + 1)} for i, m in enumerate(layers)], amsgrad=True)
        for _ in range(4):
            h, aux = x, x.new_zeros(())
            for layer in layers:
                y, extra = layer(F.layer_norm(h, h.shape[-1:]))
                h, aux = torch.add(h, y, alpha=0.5), aux + extra
            loss = F.huber_loss(h, target) + aux
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += [loss.item(), aux.item()]
        losses += layers[0].router.usage.tolist() + [layers[0].router.gate.grad.norm(p=1).item()]
    return losses
