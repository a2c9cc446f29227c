"""Runs that end badly on one of two ranks: ``mpiexec -n 2 python that_fail.py HOW FOLDER``."""

import atexit
import datetime
import os
import signal
import sys
import time
import types

import minigrad as mg
import minigrad.distributed as dist
from minigrad import nn
from minigrad.distributed.processes import current
from minigrad.nn.data import DataLoader, IterableDataset

HOW, FOLDER = sys.argv[1:]


def end():
    time.sleep(0.4)
    mpi.COMM_WORLD.Abort(1)


if HOW == "before the end":  # Abort returns, and mpiexec ends the ranks later: here after all that this one does at the end of its program
    atexit.register(end)
if HOW == "before MPI" and os.environ.get("PMI_RANK") == "1":
    raise OSError("rank 1 has no data")
dist.init_process_group(timeout=datetime.timedelta(seconds=2 if HOW in ("late", "before MPI") else 60))
group = current("that_fail")
RANK, mpi = group.rank, group.mpi
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
elif HOW == "before the end":
    if RANK == 0:
        group.mpi = types.SimpleNamespace(COMM_WORLD=types.SimpleNamespace(Abort=lambda status: None))
        raise OSError("the disk of rank 0 is gone")
    dist.destroy_process_group()
    print("all ranks came to the end", flush=True)
elif HOW in ("shapes", "dtypes", "ops", "roots"):  # what MPI would add up, or never deliver, without a word
    x = mg.ones(2 + RANK if HOW == "shapes" else 2, dtype=mg.float64 if HOW == "dtypes" and RANK == 1 else mg.float32)
    if HOW == "roots":
        dist.broadcast(x, src=RANK)
    else:
        work = dist.all_reduce(x, dist.ReduceOp.MAX if HOW == "ops" and RANK == 1 else dist.ReduceOp.SUM, async_op=True)
        work.wait()
    print(x)
elif HOW == "channels":
    print(nn.SyncBatchNorm(3 + RANK)(mg.ones(4, 3 + RANK)))
elif HOW == "frozen":
    model.bias.requires_grad_(RANK == 0)
    nn.parallel.DistributedDataParallel(model)
elif HOW == "converted":
    model.double()
    shared(mg.ones(2, 300, dtype=mg.float64)).sum().backward()
elif HOW == "shorter":
    if RANK == 1:
        dist.send(mg.ones(3), dst=0)
        time.sleep(30)
    dist.recv(mg.ones(4), src=1)
elif HOW == "watched":
    if RANK == 1:
        time.sleep(30)
    dist.monitored_barrier(timeout=datetime.timedelta(seconds=0.5))
elif HOW == "late":
    if RANK == 1:
        time.sleep(30)
    dist.barrier()
