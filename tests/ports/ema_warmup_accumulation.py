"""The habits of long runs: a learning rate that warms up, gradients of several small batches added up, and a slow average of the weights."""

import torch
from drawn import labelled_images, same_weights
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn
from torch.utils.data import DataLoader, TensorDataset


def main():
    torch.backends.cudnn.deterministic = True
    torch.set_float32_matmul_precision("high")
    images, labels = (torch.from_numpy(a) for a in labelled_images(22, 48, 3))
    loader = DataLoader(TensorDataset(images, labels), batch_size=8)
    model = same_weights(nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.SiLU(), nn.Linear(16, 3)))
    ema = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    scheduler = SequentialLR(
        optimizer,
        schedulers=[LinearLR(optimizer, start_factor=0.1, total_iters=3), CosineAnnealingLR(optimizer, T_max=6)],
        milestones=[3],
    )
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    accumulation, losses = 2, []
    for _epoch in range(3):
        optimizer.zero_grad()
        for i, (x, y) in enumerate(loader):
            with torch.autocast(device_type="cpu", enabled=False):
                loss = criterion(model(x), y) / accumulation
            scaler.scale(loss).backward()
            if (i + 1) % accumulation == 0:
                scaler.unscale_(optimizer)
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                ema.update_parameters(model)
                scheduler.step()
                losses += [norm.item(), optimizer.param_groups[0]["lr"]]
            losses.append(loss.item())
        with torch.no_grad():
            losses.append(criterion(ema(images), labels).item())
    return losses


if __name__ == "__main__":
    print(main())
