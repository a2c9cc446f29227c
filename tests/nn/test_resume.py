"""A training run that is killed at any time resumes from its last checkpoint, and ends bit for bit like an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minigrad import nn

# Everything that has a state takes part: Adam's moments, a schedule, batch norm's statistics, dropout, augmentation, and an order of
# samples that is drawn anew in each epoch. The checkpoint is written within epochs too: it holds the random state at the epoch's
# start, from which the order is drawn again, and the one after the last step, with which the run goes on.
TRAIN = """
import os, sys
import numpy as np
import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.data import MNIST, BatchSampler, Compose, Normalize, RandomAffine, RandomSampler, Subset
from minigrad.nn.data.dataset import fetch_batch

EPOCHS, EVERY, path = 4, 3, sys.argv[1]
mg.manual_seed(7)
data = Subset(MNIST(transform=Compose([RandomAffine(10, (0.1, 0.1)), Normalize(0.13, 0.31)])), range(160))
batches = BatchSampler(RandomSampler(data), 16)
model = nn.Sequential(
    nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(144, 10)
)
optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
scheduler = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(batches))
stateful = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
epoch = done = 0
start = mg.get_rng_state()
if os.path.exists(path):
    state = nn.load(path)
    for name, thing in stateful.items():
        thing.load_state_dict(state[name])
    epoch, done, start = state["epoch"], state["done"], state["start"]
print("ready", epoch, done, flush=True)
while epoch < EPOCHS:
    mg.set_rng_state(start)
    order = list(batches)
    if done:
        mg.set_rng_state(state["rng"])
    for done in range(done + 1, len(order) + 1):
        x, y = fetch_batch(data, order[done - 1])
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if done % EVERY == 0 and done < len(order):
            where = {"epoch": epoch, "done": done, "start": start, "rng": mg.get_rng_state()}
            nn.save({name: thing.state_dict() for name, thing in stateful.items()} | where, path)
    epoch, done, start = epoch + 1, 0, mg.get_rng_state()
    where = {"epoch": epoch, "done": done, "start": start, "rng": start}
    nn.save({name: thing.state_dict() for name, thing in stateful.items()} | where, path)
"""


def start(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", TRAIN, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("ready")
    return process


def kill_within_an_epoch(process: subprocess.Popen[str], path: Path) -> None:
    """Kill the process when a checkpoint from within an epoch is there; it may write a later one meanwhile."""
    while not (path.exists() and nn.load(path)["done"]):
        assert process.poll() is None, "the run ended without a checkpoint within an epoch"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def bits(state: object) -> object:
    """Nested state with arrays as bytes, so that == compares every bit."""
    if isinstance(state, dict):
        return {key: bits(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [bits(value) for value in state]
    if hasattr(state, "dtype"):
        array = np.asarray(state)
        return array.dtype.str, array.shape, array.tobytes()
    return state


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_run_resumes_bit_for_bit(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    begun = time.perf_counter()
    process.communicate()
    seconds = time.perf_counter() - begun
    assert process.returncode == 0
    expected = bits(nn.load(whole))

    kill_within_an_epoch(start(killed), killed)
    rng = np.random.default_rng(0)
    kills = 0
    while kills < 5:
        process = start(killed)
        try:
            process.wait(timeout=float(rng.uniform(0, 0.35 * seconds)))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:  # it came to its end: compare, and kill another run
            assert bits(nn.load(killed)) == expected
            killed.unlink()
            continue
        assert process.returncode == -signal.SIGKILL
        if killed.exists():
            nn.load(killed)  # never unreadable
    process = start(killed)
    process.communicate()
    assert process.returncode == 0
    assert bits(nn.load(killed)) == expected
    assert {name.name for name in tmp_path.iterdir() if not name.name.startswith(".")} == {"whole", "killed"}
