"""One network for three tasks: learned weights of the losses, gradients that do not oppose each other, a schedule of one's own."""

import copy
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import normal, same_weights
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR, _LRScheduler


class WarmupPoly(_LRScheduler):
    def __init__(self, optimizer, warmup, total, power=0.9, last_epoch=-1):
        self.warmup, self.total, self.power = warmup, total, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch < self.warmup:
            return [base * (self.last_epoch + 1) / self.warmup for base in self.base_lrs]
        left = 1 - (self.last_epoch - self.warmup) / (self.total - self.warmup)
        return [base * left**self.power for base in self.base_lrs]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 8), nn.ELU(), nn.LayerNorm(8))
        depth = nn.Sequential(nn.Linear(8, 4), nn.Softplus(), nn.Linear(4, 1))
        self.heads = nn.ModuleDict({"kind": nn.Linear(8, 3), "place": nn.Linear(8, 2), "depth": depth})
        self.log_vars = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        shared = self.backbone(x)
        return {name: head(shared) for name, head in self.heads.items()}


def task_losses(out, target):
    variance = torch.ones_like(out["depth"]) * 0.5
    return torch.stack(
        [
            F.cross_entropy(out["kind"], target["kind"]),
            F.l1_loss(out["place"], target["place"]),
            F.gaussian_nll_loss(out["depth"], target["depth"], variance),
        ]
    )


def without_conflicts(gradients):
    projected, shuffled = copy.deepcopy(gradients), random.Random(0)
    for one in projected:
        shuffled.shuffle(gradients)
        for other in gradients:
            product = torch.dot(one, other)
            if product < 0:
                one -= product * other / (other.norm() ** 2)
    return torch.stack(projected).mean(dim=0)


def batch(step):
    x = torch.from_numpy(normal(step, 9, 6))
    return x, {"kind": torch.arange(9) % 3, "place": x[:, :2] * 2, "depth": x.sum(1, True)}


def main():
    net = same_weights(Net())
    optimizer = torch.optim.AdamW(
        [
            {"params": net.backbone.parameters(), "lr": 1e-3, "name": "backbone"},
            {"params": net.heads.parameters(), "weight_decay": 0.0, "name": "heads"},
        ],
        lr=1e-2,
    )
    optimizer.add_param_group({"params": [net.log_vars], "lr": 5e-2})
    scheduler = WarmupPoly(optimizer, 2, 10)
    shared, history = list(net.backbone.parameters()), []
    for step in range(4):
        x, target = batch(step)
        losses = task_losses(net(x), target)
        optimizer.zero_grad()
        gradients = [torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True) for loss in losses]
        (torch.exp(-net.log_vars) * losses + net.log_vars).sum().backward()
        if step % 2:
            flat, start = without_conflicts([torch.cat([g.flatten() for g in several]) for several in gradients]), 0
            for p in shared:
                p.grad = flat[start : start + p.numel()].view_as(p).clone()
                start += p.numel()
        optimizer.step()
        scheduler.step()
        history += [*losses.tolist(), *net.log_vars.tolist(), *[group["lr"] for group in optimizer.param_groups]]

    weights, at_first = nn.Parameter(torch.ones(3)), None  # of the losses, so that all tasks learn at one pace
    balance = torch.optim.Adam([weights], lr=2.5e-2)
    for step in range(3):
        x, target = batch(step)
        losses = task_losses(net(x), target)
        at_first = losses.data if at_first is None else at_first
        optimizer.zero_grad()
        (weights * losses).sum().backward(retain_graph=True)
        last = net.backbone[0].weight
        norms = torch.stack(
            [torch.norm(torch.autograd.grad(weights[i] * losses[i], last, retain_graph=True, create_graph=True)[0]) for i in range(3)]
        )
        pace = losses.data / at_first
        wanted = (norms.mean() * (pace / pace.mean()) ** 0.12).detach()
        weights.grad = torch.autograd.grad(torch.sum(torch.abs(norms - wanted)), weights)[0]
        balance.step()
        optimizer.step()
        weights.data.mul_(3 / weights.data.sum())
        history += [*weights.tolist(), norms.sum().item()]

    phases = SequentialLR(optimizer, [LinearLR(optimizer, 0.1, 1.0, 2), CosineAnnealingLR(optimizer, 3)], milestones=[2])
    for _ in range(5):
        optimizer.step()
        phases.step()
        history += phases.get_last_lr()
    return history


if __name__ == "__main__":
    print(main())
