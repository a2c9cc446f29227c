"""Test the wheel as a user has it, without extras: run outside the checkout with ``python -P``."""

import importlib.util
import sysconfig
from pathlib import Path

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn

# The installed files, not a checkout's.
site = Path(sysconfig.get_path("purelib")).resolve()
for module in (mg, nn):
    assert Path(module.__file__).resolve().is_relative_to(site), module.__file__
assert importlib.util.find_spec("nn") is None

# A convolutional network learns.
mg.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 2))
optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
images = np.random.default_rng(0).standard_normal((32, 1, 8, 8)).astype(np.float32)
labels = (images[:, 0, :, :4].mean((1, 2)) > images[:, 0, :, 4:].mean((1, 2))).astype(np.int64)
images[labels == 1, :, 2:5, 2:5] += 1
losses = []
for _ in range(30):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(mg.tensor(images)), mg.tensor(labels))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 4, losses
print(f"minigrad {mg.__version__} from {site}: loss {losses[0]:.3f} -> {losses[-1]:.4f}")
