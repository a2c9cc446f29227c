"""A frozen model with low-rank adapters: surgery by named_modules, get_submodule and setattr, parametrizations, merging, hooks that take features."""

import copy
import fnmatch
import re
from contextlib import contextmanager

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch.nn.utils import parametrize


class LoraLinear(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 2, alpha: float = 4.0):
        super().__init__()
        self.base_layer = base
        for p in self.base_layer.parameters():
            p.requires_grad_(False)
        self.lora_A = nn.Parameter(base.weight.new_empty(r, base.in_features))
        self.lora_B = nn.Parameter(base.weight.new_zeros((base.out_features, r)))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)
        self.scaling, self.merged = alpha / r, False

    def delta(self):
        return (self.lora_B @ self.lora_A) * self.scaling

    def merge(self):
        if not self.merged:
            self.base_layer.weight.data += self.delta()
            self.merged = True

    def forward(self, x, *args, **kwargs):
        out = self.base_layer(x)
        return out if self.merged else out + F.linear(F.linear(x, self.lora_A), self.lora_B) * self.scaling

    def extra_repr(self):
        return f"r={self.lora_A.shape[0]}, scaling={self.scaling}"


class Block(nn.Module):
    def __init__(self, dim=6):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = [nn.Linear(dim, dim, bias=False) for _ in range(4)]
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.Hardswish(), nn.Linear(2 * dim, dim))
        self.norm1, self.norm2 = nn.RMSNorm(dim), nn.LayerNorm(dim)

    def forward(self, x):
        h = self.norm1(x)
        h = F.scaled_dot_product_attention(self.q_proj(h), self.k_proj(h), self.v_proj(h), is_causal=True)
        x = x + self.o_proj(h)
        return x + self.mlp(self.norm2(x))


class Net(nn.Module):
    def __init__(self, vocab=9, dim=6):
        super().__init__()
        self.embed, self.blocks, self.head = nn.Embedding(vocab, dim), nn.Sequential(*[Block(dim) for _ in range(2)]), nn.Linear(dim, vocab)

    def forward(self, ids):
        return self.head(self.blocks(self.embed(ids)))


def replace(model, pattern):
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and re.fullmatch(pattern, name):
            parent_name, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent_name), child, LoraLinear(module))
    return model


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)

    def right_inverse(self, a):
        return a.triu()


class Scale(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(n, 1))

    def forward(self, x):
        return x * self.log_scale.exp()


@contextmanager
def features(model, *patterns):
    store, handles = {}, []

    def hook(name):
        def inner(module, args, output):
            store[name] = output.detach()

        return inner

    for name, module in model.named_modules():
        if any(fnmatch.fnmatch(name, p) for p in patterns):
            handles.append(module.register_forward_hook(hook(name)))
    try:
        yield store
    finally:
        for h in handles:
            h.remove()


def main():
    ids = torch.from_numpy(integers(330, 9, 5, 7))
    model = same_weights(Net())
    for param in model.parameters():
        param.requires_grad = False
    replace(model, r"blocks\.\d+\.(q_proj|v_proj|mlp\.0)")
    for i, (_, p) in enumerate((n, p) for n, p in model.named_parameters() if "lora_" in n):
        p.data = torch.tensor(normal(331 + i, *p.shape, scale=0.3))
    parametrize.register_parametrization(model.blocks[0].k_proj, "weight", Symmetric())
    parametrize.register_parametrization(model.head, "weight", Scale(9))
    model.head.parametrizations.weight[0].requires_grad_(True)
    model.head.parametrizations.weight.original.requires_grad_(False)
    assert parametrize.is_parametrized(model.head, "weight") and torch.equal(
        model.blocks[0].k_proj.weight, model.blocks[0].k_proj.weight.mT
    )
    trainable, total = sum(p.numel() for p in model.parameters() if p.requires_grad), sum(p.numel() for p in model.parameters())
    grads = []
    for name, p in model.named_parameters():
        if name.endswith("lora_B"):
            p.register_hook(lambda g: grads.append(g.norm().item()))
    model.blocks[1].mlp.register_full_backward_hook(lambda m, gi, go: grads.append(gi[0].abs().sum().item() + go[0].abs().sum().item()))
    optimizer = torch.optim.NAdam(filter(lambda p: p.requires_grad, model.parameters()), lr=0.02)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        with features(model, "blocks.*.mlp", "blocks.?.norm1") as store:
            logits = model(ids[:, :-1])
        loss = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:])
        loss.backward()
        optimizer.step()
        losses += [loss.item(), sum(v.var(unbiased=False).item() for v in store.values()), float(len(store))]
    losses += sorted(grads)
    adapter = {k: v.cpu().clone() for k, v in model.state_dict().items() if "lora_" in k}
    merged = copy.deepcopy(model)
    for m in merged.modules():
        if isinstance(m, LoraLinear):
            m.merge()
    with torch.no_grad():
        assert torch.allclose(merged(ids), model(ids))
        losses.append((merged(ids) - 1).pow(2).sum().item())
    parametrize.remove_parametrizations(merged.head, "weight", leave_parametrized=True)
    parametrize.remove_parametrizations(merged.blocks[0].k_proj, "weight")
    for name, module in list(merged.named_modules()):
        if isinstance(module, LoraLinear):
            *path, last = name.split(".")
            merged.get_submodule(".".join(path))._modules[last] = module.base_layer
    plain = Net()
    plain.load_state_dict(merged.state_dict(), strict=True)
    with torch.no_grad():
        losses += [plain(ids).logsumexp(-1).sum().item(), trainable, total, float(len(adapter))]
    for index in (1, 0):
        text = repr(replace(copy.deepcopy(plain), rf"blocks\.{index}\.o_proj"))
        losses.append(float(len(text)) + sum(map(ord, text)))
    return losses
