"""Learning rates over time, of many kinds, and averages of weights at the end: what each gives, and a run that uses them in turn."""

import copy

import torch
from drawn import labelled_images, same_weights
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader, TensorDataset


def make_model():
    return same_weights(
        nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    )


SCHEDULES = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lr_lambda=lambda epoch: 0.95**epoch),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.9),
    "multistep": lambda o: lr_scheduler.MultiStepLR(o, milestones=[2, 4], gamma=0.1),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, total_iters=5, power=2.0),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.3, total_steps=10, pct_start=0.3, anneal_strategy="linear"),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=2, mode="triangular2"),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2, eta_min=1e-3),
    "chained": lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(o, 0.5, 3), lr_scheduler.ExponentialLR(o, 0.9)]),
}


def main():
    images, labels = (torch.from_numpy(a) for a in labelled_images(67, 24, 3))
    loader = DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=False)
    values = []
    for make in SCHEDULES.values():
        optimizer = optim.SGD(
            [{"params": [nn.Parameter(torch.ones(1))]}, {"params": [nn.Parameter(torch.ones(1))], "lr": 0.2}], lr=0.1, momentum=0.8
        )
        scheduler = make(optimizer)
        for _ in range(6):
            optimizer.step()
            values += [group["lr"] for group in optimizer.param_groups]
            scheduler.step()
        values += [*scheduler.get_last_lr(), *(group["momentum"] for group in optimizer.param_groups)]

    model = make_model()
    optimizer = optim.Adagrad(model.parameters(), lr=0.1, lr_decay=1e-2)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.3, patience=0, threshold=0.5)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    swa_model, ema_model = AveragedModel(model), AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2, anneal_strategy="cos")
    criterion, best, best_loss = nn.CrossEntropyLoss(), None, float("inf")
    for epoch in range(6):
        running = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            ema_model.update_parameters(model)
            running += loss.item() * x.size(0)
        values += [running / len(loader.dataset), optimizer.param_groups[0]["lr"]]
        if running < best_loss:
            best, best_loss = copy.deepcopy(model.state_dict()), running
        if epoch >= 4:
            swa_model.update_parameters(model)
            swa_scheduler.step()
        elif epoch >= 2:
            cosine.step()
        else:
            plateau.step(running)
    update_bn(loader, swa_model)
    with torch.no_grad():
        for network in (swa_model, ema_model, make_model()):
            if isinstance(network, nn.Sequential):
                network.load_state_dict(best)
            network.eval()
            values.append(criterion(network(images), labels).item())
    assert int(swa_model.n_averaged) == 2 and list(swa_model.module.state_dict()) == list(model.state_dict())
    return values


if __name__ == "__main__":
    print(main())
