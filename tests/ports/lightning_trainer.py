"""A trainer in the manner of the Lightning notebooks: hooks of a module, callbacks, mixed precision, accumulation, clipping, checkpoints of everything."""

import copy
import io
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader, Dataset, Subset


class Images(Dataset):
    def __init__(self, n=24):
        images, labels = labelled_images(301, n, 3)
        self.images, self.labels = torch.tensor(images), torch.tensor(labels, dtype=torch.long)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"image": self.images[index], "label": self.labels[index], "name": f"image-{index}"}


class Callback:
    def on_fit_start(self, trainer, module): ...
    def on_batch_end(self, trainer, module, loss): ...
    def on_epoch_end(self, trainer, module): ...


class EarlyStopping(Callback):
    def __init__(self, patience=2):
        self.best, self.wait, self.patience = float("inf"), 0, patience

    def on_epoch_end(self, trainer, module):
        value = trainer.logged["val_loss"][-1]
        if value < self.best:
            self.best, self.wait = value, 0
        else:
            self.wait += 1
            trainer.should_stop = self.wait >= self.patience


class Ema(Callback):
    def __init__(self, decay=0.8):
        self.decay = decay

    def on_fit_start(self, trainer, module):
        self.shadow = copy.deepcopy(module).eval().requires_grad_(False)

    @torch.no_grad()
    def on_batch_end(self, trainer, module, loss):
        for ema, p in zip(self.shadow.parameters(), module.parameters(), strict=True):
            ema.lerp_(p.detach(), 1 - self.decay)
        for ema, b in zip(self.shadow.buffers(), module.buffers(), strict=True):
            ema.copy_(b)


class LightModule(nn.Module):
    def log(self, name, value):
        self.trainer.logged[name].append(value.item() if torch.is_tensor(value) else value)

    @property
    def device(self):
        return next(self.parameters()).device

    @property
    def dtype(self):
        return next(iter(self.parameters())).dtype


class Classifier(LightModule):
    def __init__(self, width=4, classes=3, lr=0.05):
        super().__init__()
        self.save = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.AdaptiveMaxPool2d((2, 2)), nn.Flatten()
        )
        self.head = nn.LazyLinear(classes)
        self.register_buffer("mean", torch.zeros(1, 1, 1, 1), persistent=False)

    def forward(self, x):
        return self.head(self.body(x.sub(self.mean)))

    def training_step(self, batch, batch_idx):
        x, y = batch["image"], batch["label"]
        logits = self(x)
        loss = F.cross_entropy(logits, y, reduction="none").mean()
        self.log("train_acc", (logits.argmax(-1) == y).to(self.dtype).mean())
        return loss

    def validation_step(self, batch, batch_idx):
        logits = self(batch["image"])
        self.log("val_loss", F.nll_loss(F.log_softmax(logits, dim=1), batch["label"]))

    def configure_optimizers(self):
        decay = [p for n, p in self.named_parameters() if p.ndim >= 2]
        rest = [p for n, p in self.named_parameters() if p.ndim < 2]
        optimizer = torch.optim.SGD(
            [{"params": decay}, {"params": rest, "weight_decay": 0.0}], lr=self.save["lr"], momentum=0.9, weight_decay=1e-2, nesterov=True
        )
        return [optimizer], [{"scheduler": LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 3)), "interval": "step"}]


@dataclass
class Trainer:
    max_epochs: int = 3
    accumulate: int = 2
    clip: float | None = 0.7
    callbacks: list = field(default_factory=list)
    logged: Any = field(default_factory=lambda: defaultdict(list))
    should_stop: bool = False
    global_step: int = 0

    def move(self, batch, device):
        return {k: v.to(device, non_blocking=True) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}

    def call(self, hook, *args):
        for callback in self.callbacks:
            getattr(callback, hook)(self, *args)

    def fit(self, module, train, val):
        module.trainer = self
        (self.optimizer,), (schedule,) = module.configure_optimizers()
        assert isinstance(self.optimizer, Optimizer) and isinstance(schedule["scheduler"], LRScheduler)
        self.scheduler = schedule["scheduler"]
        scaler = torch.amp.GradScaler("cuda", enabled=torch.cuda.is_available())
        self.call("on_fit_start", module)
        for self.epoch in range(self.max_epochs):  # noqa: B020
            module.train()
            for i, batch in enumerate(train):
                batch = self.move(batch, module.device)
                with torch.autocast(device_type=module.device.type, enabled=False):
                    loss = module.training_step(batch, i)
                scaler.scale(loss / self.accumulate).backward()
                if (i + 1) % self.accumulate == 0 or i + 1 == len(train):
                    scaler.unscale_(self.optimizer)
                    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), self.clip, error_if_nonfinite=True)
                    module.log("grad_norm", norm)
                    scaler.step(self.optimizer)
                    scaler.update()
                    self.optimizer.zero_grad(set_to_none=True)
                    self.scheduler.step()
                    self.global_step += 1
                module.log("loss", loss.detach())
                self.call("on_batch_end", module, loss)
            module.eval()
            with torch.inference_mode():
                for i, batch in enumerate(val):
                    module.validation_step(batch, i)
            self.call("on_epoch_end", module)
            if self.should_stop:
                break

    def checkpoint(self, module):
        return {
            "epoch": self.epoch,
            "global_step": self.global_step,
            "hyper_parameters": module.save,
            "state_dict": module.state_dict(),
            "optimizer_states": [self.optimizer.state_dict()],
            "lr_schedulers": [self.scheduler.state_dict()],
            "rng": torch.get_rng_state() is not None,
        }


def main():
    data = Images()
    train = DataLoader(
        Subset(data, range(16)), batch_size=6, shuffle=False, num_workers=0, pin_memory=torch.cuda.is_available(), drop_last=False
    )
    val = DataLoader(Subset(data, list(range(16, 24))), batch_size=8)
    model = Classifier()
    model(torch.zeros(2, 1, 8, 8))
    for m in model.modules():
        if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            m.reset_running_stats()
    same_weights(model)
    ema = Ema()
    trainer = Trainer(callbacks=[ema, EarlyStopping()])
    trainer.fit(model, train, val)
    buffer = io.BytesIO()
    torch.save(trainer.checkpoint(model), buffer)
    buffer.seek(0)
    checkpoint = torch.load(buffer, map_location=lambda storage, loc: storage, weights_only=True)
    again = Classifier(**checkpoint["hyper_parameters"])
    assert again.load_state_dict(checkpoint["state_dict"]).missing_keys == []
    assert "mean" not in checkpoint["state_dict"]
    again.trainer = Trainer(logged=defaultdict(list))
    (optimizer,), (schedule,) = again.configure_optimizers()
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    schedule["scheduler"].load_state_dict(checkpoint["lr_schedulers"][0])
    again.train()
    loss = again.training_step(next(iter(train)), 0)
    loss.backward()
    optimizer.step()
    ours = trainer.logged
    losses = ours["loss"] + ours["val_loss"] + ours["grad_norm"] + ours["train_acc"] + [loss.item(), checkpoint["global_step"]]
    losses += schedule["scheduler"].get_last_lr() + [g["weight_decay"] for g in optimizer.param_groups]
    losses += [sum(p.norm().item() for p in again.parameters()), ema.shadow(data.images).abs().sum().item()]
    return losses
