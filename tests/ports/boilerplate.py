"""Lines that scripts carry along: a seed for everything, switches of backends, mixed precision that is off on a CPU, compile, a profile of time."""

import contextlib
import os
import random
import warnings

import numpy as np
import torch
import torch.backends.cudnn as cudnn
from drawn import labelled_images, same_weights
from torch import Tensor, nn
from torch.cuda.amp import GradScaler
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler, TensorDataset, random_split

ptdtype = {"float32": torch.float32, "float16": torch.float16}["float16"]


def set_seed(seed: int) -> torch.Generator:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)
        torch.cuda.manual_seed_all(seed)
    cudnn.deterministic = True
    cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.Generator().manual_seed(seed)


def seed_worker(worker_id: int) -> None:
    np.random.seed(torch.initial_seed() % 2**32)


class Block(nn.Module):
    expansion: int = 2

    def __init__(self, inplanes: int, planes: int, norm_layer=None) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(inplanes, planes, kernel_size=3, padding=1, bias=False)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.Conv2d(inplanes, planes, 1), norm_layer(planes)) if inplanes != planes else None

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn1(self.conv1(x))
        out += identity
        return self.relu(out)


def init_weights(m: nn.Module) -> None:
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)
    elif isinstance(m, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)):
        nn.init.ones_(m.weight)
        nn.init.zeros_(m.bias)


def main():
    generator = set_seed(3407)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.set_num_threads(torch.get_num_threads())
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    use_amp = device_type == "cuda"
    device = torch.device(device_type)
    ctx = contextlib.nullcontext() if device_type == "cpu" else torch.amp.autocast(device_type=device_type, dtype=ptdtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name is an old one
        scaler = GradScaler(enabled=use_amp)

    images, labels = (torch.as_tensor(a, device=device) for a in labelled_images(61, 40, 3))
    dataset = TensorDataset(images.to(torch.get_default_dtype()), labels)
    train_set, val_set = random_split(dataset, [32, 8], generator=generator)
    assert len(train_set) == 32 and sorted([*train_set.indices, *val_set.indices]) == list(range(40))
    train_set.indices, val_set.indices = list(range(32)), list(range(32, 40))  # what a seed draws differs between libraries
    sampler = SequentialSampler(train_set) if True else RandomSampler(train_set)
    loader = DataLoader(
        train_set,
        sampler=sampler,
        batch_size=8,
        num_workers=0,
        pin_memory=use_amp,
        drop_last=True,
        worker_init_fn=seed_worker,
        generator=generator,
    )
    model = nn.Sequential(Block(1, 4), Block(4, 4), nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(start_dim=1), nn.Linear(16, 3))
    model.apply(init_weights)
    same_weights(model)
    model = model.to(device=device, dtype=torch.get_default_dtype())
    n_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model = torch.compile(model, disable=True)
    raw = model.module if hasattr(model, "module") else model
    optimizer = torch.optim.RMSprop(raw.parameters(), lr=1e-3, momentum=0.9, eps=1e-3, centered=True)
    losses = [n_params / 100]
    for epoch in range(3):
        raw.train(True)
        for i, (x, y) in enumerate(loader):
            optimizer.zero_grad(set_to_none=True)
            with ctx:
                logits = model(x)
                loss = nn.functional.cross_entropy(logits, y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            grad_norm = torch.nn.utils.clip_grad_norm_(raw.parameters(), 1.0, norm_type=2.0, error_if_nonfinite=True)
            scaler.step(optimizer)
            scaler.update()
            losses += [loss.detach().cpu().numpy().item(), float(grad_norm)]
            if not torch.isfinite(loss).all():
                raise SystemExit(f"loss is {loss.item()} in batch {i} of epoch {epoch}")
        with torch.inference_mode(), ctx:
            raw.eval()
            x, y = next(iter(DataLoader(val_set, batch_size=len(val_set))))
            losses.append(nn.functional.cross_entropy(model(x), y).item())
    torch.cuda.empty_cache()
    torch.use_deterministic_algorithms(False)
    return losses


if __name__ == "__main__":
    print(main())
