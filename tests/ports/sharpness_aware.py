"""Optimisers around optimisers: steps that look at the sharpness nearby, slow weights, a warm-up that hands over to another schedule, batch norm that rests."""

import copy
from collections import defaultdict

import torch
import torch.nn.functional as F
from drawn import integers, normal, same_weights
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LRScheduler


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, adaptive=False, **kwargs):
        assert rho >= 0.0, f"rho is {rho}"
        defaults = dict(rho=rho, adaptive=adaptive, **kwargs)
        super().__init__(params, defaults)
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        norm = self.norm()
        for group in self.param_groups:
            scale = group["rho"] / (norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["before"] = p.data.clone()
                p.add_((torch.pow(p, 2) if group["adaptive"] else 1.0) * p.grad * scale.to(p))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.state[p]["before"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        closure = torch.enable_grad()(closure)
        self.first_step(zero_grad=True)
        closure()
        self.second_step()

    def norm(self):
        parts = [
            ((torch.abs(p) if group["adaptive"] else 1.0) * p.grad).norm(p=2)
            for group in self.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        return torch.norm(torch.stack(parts), p=2)

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.base_optimizer.param_groups = self.param_groups


class Lookahead:
    def __init__(self, optimizer, k=2, alpha=0.5):
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.param_groups = optimizer.param_groups
        self.state = defaultdict(dict)
        for group in self.param_groups:
            group["counter"] = 0

    def step(self):
        self.optimizer.step()
        for group in self.param_groups:
            if group["counter"] == 0:
                for fast in group["params"]:
                    state = self.state[fast]
                    if "slow" not in state:
                        state["slow"] = torch.zeros_like(fast.data)
                        state["slow"].copy_(fast.data)
                    slow = state["slow"]
                    slow += (fast.data - slow) * self.alpha
                    fast.data.copy_(slow)
            group["counter"] = (group["counter"] + 1) % self.k


class Warmup(LRScheduler):
    def __init__(self, optimizer, multiplier, total_epoch, after):
        self.multiplier, self.total_epoch, self.after, self.finished = multiplier, total_epoch, after, False
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch > self.total_epoch:
            if not self.finished:
                self.after.base_lrs = [base * self.multiplier for base in self.base_lrs]
                self.finished = True
            return self.after.get_last_lr()
        return [base * ((self.multiplier - 1.0) * self.last_epoch / self.total_epoch + 1.0) for base in self.base_lrs]

    def step(self, epoch=None):
        if not self.finished:
            return super().step(epoch)
        self.after.step(None)
        self._last_lr = self.after.get_last_lr()


def smooth(pred, gold, smoothing=0.1):
    one_hot = torch.full_like(pred, fill_value=smoothing / (pred.size(1) - 1))
    one_hot.scatter_(dim=1, index=gold.unsqueeze(1), value=1.0 - smoothing)
    return F.kl_div(input=F.log_softmax(pred, dim=1), target=one_hot, reduction="none").sum(-1)


def rest(model, resting):
    def one(module):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if resting:
                module.backup, module.momentum = module.momentum, 0
            elif hasattr(module, "backup"):
                module.momentum = module.backup

    model.apply(one)


def main():
    x, y = torch.from_numpy(normal(910, 12, 6)), torch.from_numpy(integers(911, 3, 12))
    losses = []
    for kind in ("plain", "adaptive", "closure", "lookahead"):
        model = same_weights(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
        if kind == "lookahead":
            optimizer = Lookahead(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
            base = optimizer.optimizer
        else:
            optimizer = SAM(model.parameters(), torch.optim.SGD, adaptive=kind == "adaptive", lr=0.1, momentum=0.9)
            base = optimizer.base_optimizer
        schedule = Warmup(base, 2.0, 2, CosineAnnealingWarmRestarts(base, T_0=3))

        def closure(model=model):
            loss = smooth(model(x), y).mean()
            loss.backward()
            return loss

        for _ in range(6):
            model.zero_grad()
            rest(model, False)
            losses.append(closure().item())
            if kind == "lookahead":
                optimizer.step()
            elif kind == "closure":
                optimizer.step(closure)
            else:
                optimizer.first_step(zero_grad=True)
                rest(model, True)
                closure()
                optimizer.second_step(zero_grad=True)
            schedule.step()
            losses += schedule.get_last_lr()
        losses.append(model[1].running_var.sum().item())
        if kind != "lookahead":
            state = copy.deepcopy(optimizer.state_dict())
            optimizer.load_state_dict(state)
            assert optimizer.base_optimizer.param_groups is optimizer.param_groups and len(state["state"]) == 6
    return losses


if __name__ == "__main__":
    print(main())
