"""A state-space model that decides at each step what to remember: a scan along the sequence, between a convolution and a gate."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import integers, same_weights


class SelectiveScan(nn.Module):
    def __init__(self, d_model, d_state=4, d_conv=3, expand=2):
        super().__init__()
        d_inner = expand * d_model
        self.d_state, self.dt_rank = d_state, max(1, d_model // 4)
        self.in_proj = nn.Linear(d_model, d_inner * 2, bias=False)
        self.conv1d = nn.Conv1d(d_inner, d_inner, kernel_size=d_conv, groups=d_inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(d_inner, self.dt_rank + d_state * 2, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, d_inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, d_state + 1).float().repeat(d_inner, 1)))
        self.D = nn.Parameter(torch.ones(d_inner))
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)

    def forward(self, x):
        length = x.shape[1]
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[:, :, :length].transpose(1, 2))
        delta, B, C = self.x_proj(x).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = F.softplus(self.dt_proj(delta))
        A = -torch.exp(self.A_log)
        deltaA = torch.exp(torch.einsum("bld,dn->bldn", delta, A))
        deltaB_x = torch.einsum("bld,bln,bld->bldn", delta, B, x)
        state, ys = torch.zeros_like(deltaA[:, 0]), []
        for i in range(length):
            state = deltaA[:, i] * state + deltaB_x[:, i]
            ys.append(torch.einsum("bdn,bn->bd", state, C[:, i]))
        y = torch.stack(ys, dim=1) + x * self.D
        return self.out_proj(y * F.silu(gate))


class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(d))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def main():
    tokens = torch.from_numpy(integers(19, 6, 3, 12))
    model = nn.ModuleDict({"embed": nn.Embedding(6, 8), "norm": RMSNorm(8), "mixer": SelectiveScan(8)})
    model = same_weights(model.double())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(7):
        x = model["embed"](tokens)
        x = x + model["mixer"](model["norm"](x))
        logits = F.linear(x, model["embed"].weight)
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(main())
