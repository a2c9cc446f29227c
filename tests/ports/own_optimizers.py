"""Optimisers, schedulers and samplers of one's own: Optimizer and LRScheduler subclassed, state, closures, SAM, Lookahead, a batch sampler by class."""

import collections
import itertools
import math

import torch
from drawn import labelled_images, same_weights
from torch import nn
from torch.optim.lr_scheduler import _LRScheduler
from torch.optim.optimizer import Optimizer, required
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.sampler import BatchSampler, RandomSampler, Sampler


class Lion(Optimizer):
    def __init__(self, params, lr=required, betas=(0.9, 0.99), weight_decay=0.0):
        if lr is not required and lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))  # noqa: C408

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                exp_avg = state["exp_avg"]
                beta1, beta2 = group["betas"]
                update = exp_avg * beta1 + p.grad * (1 - beta1)
                p.add_(update.sign_(), alpha=-group["lr"])
                exp_avg.mul_(beta2).add_(p.grad, alpha=1 - beta2)
        return loss


class Lamb(Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                if grad.is_sparse:
                    raise RuntimeError("no sparse gradients")
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["m"], state["v"] = torch.zeros_like(p.data), torch.zeros_like(p.data)
                m, v = state["m"], state["v"]
                state["step"] += 1
                b1, b2 = group["betas"]
                m.mul_(b1).add_(grad, alpha=1 - b1)
                v.mul_(b2).addcmul_(grad, grad, value=1 - b2)
                step = m / v.sqrt().add(group["eps"])
                if group["weight_decay"] != 0:
                    step.add_(p.data, alpha=group["weight_decay"])
                weight_norm, adam_norm = p.data.pow(2).sum().sqrt().clamp(0, 10), step.pow(2).sum().sqrt()
                ratio = 1 if weight_norm == 0 or adam_norm == 0 else weight_norm / adam_norm
                p.data.add_(step, alpha=-group["lr"] * float(ratio))


class SAM(Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        norm = torch.norm(torch.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"] if p.grad is not None]), p=2)
        for group in self.param_groups:
            scale = group["rho"] / (norm + 1e-12)
            for p in group["params"]:
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale.to(p))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        self.zero_grad()


class Lookahead(Optimizer):
    def __init__(self, base, k=2, alpha=0.5):
        self.base, self.k, self.alpha, self.count = base, k, alpha, 0
        self.param_groups, self.defaults = base.param_groups, base.defaults
        self.state = collections.defaultdict(dict)
        self.slow = [[p.clone().detach() for p in g["params"]] for g in self.param_groups]
        for w in itertools.chain(*self.slow):
            w.requires_grad = False

    def zero_grad(self, set_to_none=True):
        self.base.zero_grad(set_to_none)

    def step(self, closure=None):
        loss = self.base.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            for group, slow in zip(self.param_groups, self.slow):  # noqa: B905
                for p, q in zip(group["params"], slow):  # noqa: B905
                    q.data.add_(p.data - q.data, alpha=self.alpha)
                    p.data.copy_(q.data)
        return loss


class WarmupCosine(_LRScheduler):
    def __init__(self, optimizer, warmup, total, min_lr=1e-5, last_epoch=-1):
        self.warmup, self.total, self.min_lr = warmup, total, min_lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch < self.warmup:
            return [base * (self.last_epoch + 1) / self.warmup for base in self.base_lrs]
        t = (self.last_epoch - self.warmup) / (self.total - self.warmup)
        return [self.min_lr + (base - self.min_lr) * 0.5 * (1 + math.cos(math.pi * t)) for base in self.base_lrs]


class ClassBalanced(Sampler):
    def __init__(self, labels, per_class):
        self.index = collections.defaultdict(list)
        for i, y in enumerate(labels):
            self.index[y.item()].append(i)
        self.per_class, self.length = per_class, min(map(len, self.index.values())) // per_class

    def __iter__(self):
        for b in range(self.length):
            yield [i for y in sorted(self.index) for i in self.index[y][b * self.per_class : (b + 1) * self.per_class]]

    def __len__(self):
        return self.length


def main():
    images, labels = labelled_images(360, 40, 3, size=4)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    loader = DataLoader(TensorDataset(x, y), batch_sampler=ClassBalanced(y, 2))
    assert sorted(itertools.chain(*BatchSampler(RandomSampler(range(10)), 4, drop_last=False))) == list(range(10))
    losses = [float(len(loader))]

    def model():
        return same_weights(nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Mish(), nn.Linear(6, 3)))

    criterion = nn.CrossEntropyLoss()
    for make in (
        lambda net: Lion(net.parameters(), lr=1e-2, weight_decay=0.1),
        lambda net: Lamb([{"params": net[1].parameters(), "lr": 0.05}, {"params": net[3].parameters()}]),
        lambda net: Lookahead(torch.optim.SGD(net.parameters(), lr=0.2)),
    ):
        net = model()
        optimizer = make(net)
        scheduler = WarmupCosine(optimizer, 2, 6)
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(net(xb), yb)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses += [loss.item(), scheduler.get_last_lr()[-1]]
        if isinstance(optimizer, Lamb):
            again = make(net)
            again.load_state_dict(optimizer.state_dict())
            assert again.state[net[1].weight]["step"] == len(loader)
            losses.append(again.state_dict()["state"][0]["m"].abs().sum().item())
    net = model()
    sam = SAM(net.parameters(), torch.optim.SGD, rho=0.1, lr=0.1, momentum=0.9)
    for xb, yb in loader:
        criterion(net(xb), yb).backward()
        sam.first_step(zero_grad=True)
        loss = criterion(net(xb), yb)
        loss.backward()
        sam.second_step()
        losses.append(loss.item())
    net = model()
    optimizer = Lion(net.parameters(), lr=1e-2)

    def closure():
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        return loss

    losses += [optimizer.step(closure).item() for _ in range(2)]
    assert repr(optimizer).startswith("Lion (\nParameter Group 0\n    betas: (0.9, 0.99)")
    losses.append(sum(v["exp_avg"].norm().item() for v in optimizer.state.values()))
    return losses
