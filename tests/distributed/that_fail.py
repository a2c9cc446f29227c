"""Runs that end badly on one of two ranks: ``mpiexec -n 2 python that_fail.py HOW FOLDER``."""

import datetime
import os
import signal
import sys
import time

import minigrad as mg
import minigrad.distributed as dist
from minigrad import nn
from minigrad.nn.data import DataLoader, IterableDataset

HOW, FOLDER = sys.argv[1:]
dist.init_process_group(timeout=datetime.timedelta(seconds=2 if HOW == "late" else 60))
RANK = dist.get_rank()
model = nn.Linear(300, 300)  # a checkpoint takes a while to write
shared = nn.parallel.DistributedDataParallel(model)
optimizer = nn.optim.Adam(model.parameters())


class Stream(IterableDataset):
    def __iter__(self):
        for i in range(12 + 4 * RANK if HOW == "stream" else 60):
            if i == 30 and RANK == 1:
                if HOW == "dies":
                    raise OSError("the disk of rank 1 is gone")
                os.kill(os.getpid(), signal.SIGKILL)
            yield mg.ones(300), mg.ones(300)


if HOW in ("stream", "dies", "killed"):
    path = os.path.join(FOLDER, f"{HOW}.ckpt")
    nn.fit(shared, DataLoader(Stream(), 4), nn.MSELoss(), optimizer, epochs=2, checkpoint=path, checkpoint_every=1)
elif HOW == "loop":  # written by hand: rank 0 has one batch more than rank 1, which ends
    for _ in range(5 - RANK):
        shared(mg.ones(2, 300)).sum().backward()
elif HOW == "exit":
    if RANK == 1:
        sys.exit("rank 1 has had enough")
    dist.all_reduce(mg.ones(2))
elif HOW == "late":
    if RANK == 1:
        time.sleep(30)
    dist.barrier()
