"""A model put together from lists and dicts of modules and parameters, with buffers, tied weights, and surgery on its state dict."""

from collections import OrderedDict
from functools import partial

import torch
from drawn import integers, same_weights
from torch import nn


class Expert(nn.Module):
    def __init__(self, dim, act=nn.GELU):
        super().__init__()
        self.net = nn.Sequential(OrderedDict([("up", nn.Linear(dim, 2 * dim)), ("act", act()), ("down", nn.Linear(2 * dim, dim))]))

    def forward(self, x):
        return self.net(x)


class MixtureOfExperts(nn.Module):
    def __init__(self, dim, kinds, experts=3):
        super().__init__()
        self.router = nn.ModuleDict({kind: nn.Linear(dim, experts) for kind in kinds})
        self.experts = nn.ModuleList([Expert(dim, partial(nn.LeakyReLU, 0.2) if i % 2 else nn.GELU) for i in range(experts)])
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(dim)) for _ in range(experts)])
        self.biases = nn.ParameterDict({kind: nn.Parameter(torch.zeros(dim)) for kind in kinds})
        self.register_buffer("load", torch.zeros(experts))
        self.register_buffer("nothing", None)

    def forward(self, x, kind):
        weights = self.router[kind](x).softmax(dim=-1)
        top, index = weights.topk(2, dim=-1)
        top = top / top.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for i, (expert, scale) in enumerate(zip(self.experts, self.scales)):  # noqa: B905
            rows, slot = torch.where(index == i)
            if rows.numel() == 0:
                continue
            out.index_add_(0, rows, expert(x[rows]) * scale * top[rows, slot].unsqueeze(-1))
            self.load[i] += float(rows.numel())
        return out + self.biases[kind]


class Model(nn.Module):
    def __init__(self, vocabulary=11, dim=6):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.blocks = nn.ModuleList()
        for _ in range(2):
            self.blocks.append(MixtureOfExperts(dim, ["a", "b"]))
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in self.blocks] + [nn.Identity()])
        self.decoder = nn.Linear(dim, vocabulary, bias=False)
        self.decoder.weight = self.embed.weight

    def forward(self, x, kind="a"):
        h = self.embed(x).mean(1)
        for block, norm in zip(self.blocks, self.norms[:-1]):  # noqa: B905
            h = h + block(norm(h), kind)
        return self.decoder(self.norms[-1](h))


def main():
    words, target = torch.from_numpy(integers(68, 11, 14, 4)), torch.from_numpy(integers(69, 11, 14))
    model = same_weights(Model())
    assert len(list(model.parameters())) == len(set(model.parameters())) and "decoder.weight" in model.state_dict()
    names = {"no_decay": [], "decay": []}
    for name, p in model.named_parameters():
        names["no_decay" if p.dim() == 1 or name.startswith("embed") else "decay"].append(p)
    optimizer = torch.optim.AdamW(
        [{"params": names["decay"], "weight_decay": 0.1}, {"params": names["no_decay"], "weight_decay": 0.0}], lr=1e-2
    )
    losses = []
    for step in range(6):
        if step == 3:
            for p in model.blocks[0].experts.parameters():
                p.requires_grad = False
            optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(3))], "lr": 1.0})
        out = model(words, "ab"[step % 2])
        loss = nn.functional.cross_entropy(out, target)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    losses += model.blocks[1].load.tolist()

    state = model.state_dict()
    renamed = OrderedDict((key.replace("blocks.", "layers."), value) for key, value in state.items() if "router.b" not in key)
    renamed["extra"] = torch.zeros(2)
    other = Model()
    missing, unexpected = other.load_state_dict({k.replace("layers.", "blocks."): v for k, v in renamed.items()}, strict=False)
    assert [k for k in missing if "router.b" not in k] == [] and unexpected == ["extra"]
    with torch.no_grad():
        losses.append(other(words).logsumexp(-1).sum().item())
        other.blocks[0].experts[0] = nn.Identity()
        del other.blocks[1]
        other.norms = nn.ModuleList([other.norms[0], other.norms[-1]])
        losses.append(other(words).logsumexp(-1).sum().item())
        shapes = sorted((k, tuple(v.shape)) for k, v in other.state_dict().items())
    losses.append(float(sum(torch.Size(shape).__len__() for _, shape in shapes)))
    losses.append(float(sum(1 for m in model.modules() if isinstance(m, nn.Linear))))
    return losses


if __name__ == "__main__":
    print(main())
