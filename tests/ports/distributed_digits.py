"""A convolutional network on images of digits, trained by several processes: each has its share of every batch. Launched by mpiexec or torchrun."""

import os

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from drawn import labelled_images, same_weights
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

BATCH = 16  # of all processes


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.fc1 = nn.Linear(6 * 3 * 3, 16)
        self.fc2 = nn.Linear(16, 5)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.fc2(F.relu(self.fc1(torch.flatten(x, 1))))


def setup():
    if dist.is_mpi_available():
        dist.init_process_group("mpi")
    else:
        for name, value in (("MASTER_ADDR", "localhost"), ("MASTER_PORT", "0"), ("RANK", "0"), ("WORLD_SIZE", "1")):
            os.environ.setdefault(name, value)
        dist.init_process_group("gloo")


def averaged(value):
    value = value.detach().clone()
    dist.all_reduce(value, op=dist.ReduceOp.SUM)
    return (value / dist.get_world_size()).item()


def evaluate(model, loader):
    model.eval()
    counts = torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        for data, target in loader:
            counts[0] += (model(data).argmax(1) == target).sum()
            counts[1] += len(target)
    dist.all_reduce(counts)
    return (counts[0] / counts[1]).item()


def main():
    setup()
    rank, world = dist.get_rank(), dist.get_world_size()
    x, y = labelled_images(0, 96, classes=5)
    train, test = (TensorDataset(torch.tensor(x[s]), torch.tensor(y[s])) for s in (slice(0, 64), slice(64, 96)))
    sampler = DistributedSampler(train, num_replicas=world, rank=rank, shuffle=False)
    loader = DataLoader(train, batch_size=BATCH // world, sampler=sampler)
    test_loader = DataLoader(test, batch_size=8, sampler=DistributedSampler(test, shuffle=False))
    model = Net()
    if rank == 0:
        same_weights(model)
    model = DDP(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    values = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        model.train()
        for step, (data, target) in enumerate(loader):
            if step % 2 == 0:  # two batches to a step
                optimizer.zero_grad()
                with model.no_sync():
                    loss = F.cross_entropy(model(data), target)
                    loss.backward()
            else:
                loss = F.cross_entropy(model(data), target)
                loss.backward()
                optimizer.step()
            values.append(averaged(loss))
        values.append(evaluate(model, test_loader))
    best = [max(values[4::5])] if rank == 0 else [None]
    dist.broadcast_object_list(best, src=0)
    shares = [torch.zeros(1, dtype=torch.int64) for _ in range(world)]
    dist.all_gather(shares, torch.tensor([len(sampler)]))
    dist.barrier()
    assert "module.conv.weight" in model.state_dict()
    dist.destroy_process_group()
    return [*values, best[0], float(sum(shares).item())]
