"""A training script as users write it, fully typed: ``mypy --strict`` passes, and the inferred type of every result is asserted."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_type

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.nn.data import DataLoader, Dataset, TensorDataset, random_split
from minigrad.types import Array, Shape


class Spirals(Dataset[tuple[mg.Tensor, int]]):
    """Two spirals around each other."""

    def __init__(self, size: int = 400) -> None:
        self.label = mg.arange(size) % 2
        angle = mg.linspace(0.5, 6.0, size)
        turn = angle + self.label.float() * mg.pi
        self.points = mg.stack([angle * turn.cos(), angle * turn.sin()], dim=1) / 6.0

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> tuple[mg.Tensor, int]:
        return self.points[index], int(self.label[index].item())


class Block(nn.Module):
    """A residual layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.scale = nn.Parameter(mg.ones(1))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        """x + scale relu(linear(x))"""
        return x + self.scale * F.relu(self.linear(x))


class Net(nn.Module):
    """Points to logits, and what was before them."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(2, width), nn.Tanh())
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 2)

    def forward(self, x: mg.Tensor, features: bool = False) -> tuple[mg.Tensor, mg.Tensor]:
        """Logits and features."""
        x = self.stem(x)
        for block in self.blocks:
            assert_type(block, Block)
            x = block(x)
        return self.head(x), x


@mg.no_grad()
def accuracy(model: Net, loader: DataLoader[tuple[mg.Tensor, int]]) -> float:
    """Share of right answers."""
    model.eval()
    right, total = 0, 0
    for x, y in loader:
        assert_type(x, mg.Tensor)
        right += int((model(x)[0].argmax(1) == y).sum().item())
        total += len(y)
    return right / total


def main(epochs: int = 30) -> float:
    """Train and evaluate."""
    mg.manual_seed(0)
    data = Spirals()
    train, test = random_split(data, [0.8, 0.2])
    loader = DataLoader(train, batch_size=32, shuffle=True)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for _ in range(epochs):
        assert_type(model.train(), Net)
        for x, y in loader:
            assert_type(x, mg.Tensor)
            assert_type(y, mg.Tensor)
            optimizer.zero_grad()
            logits, features = model(x)
            assert_type(logits, mg.Tensor)
            loss = criterion(logits, y)
            assert_type(loss, mg.Tensor)
            penalty = 1e-4 * (features**2).mean()
            assert_type(loss + penalty, mg.Tensor)
            (loss + penalty).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        scheduler.step()
        assert_type(scheduler.get_last_lr(), list[float])
    return accuracy(model, DataLoader(test, batch_size=64))


def results() -> None:
    """What the checker must know of ops, methods, operators, layers, optimisers and data."""
    x = mg.randn(4, 4)
    y = mg.arange(4)
    assert_type(x, mg.Tensor)
    assert_type(mg.exp(x), mg.Tensor)
    assert_type(F.relu(x, inplace=True), mg.Tensor)
    assert_type(F.leaky_relu(x, 0.2), mg.Tensor)
    assert_type(F.softmax(x, dim=1), mg.Tensor)
    assert_type(F.conv2d(x, x, stride=2, padding="same"), mg.Tensor)
    assert_type(F.max_pool2d(x, 2), mg.Tensor)
    assert_type(F.max_pool2d(x, 2, return_indices=True), tuple[mg.Tensor, mg.Tensor])
    assert_type(F.cross_entropy(x, y, label_smoothing=0.1), mg.Tensor)
    assert_type(x.relu(), mg.Tensor)
    assert_type(x.sum(), mg.Tensor)
    assert_type(x.sum(0), mg.Tensor)
    assert_type(x.mean(dim=(0, 1), keepdim=True), mg.Tensor)
    assert_type(x.max(), mg.Tensor)
    assert_type(x.max(1).indices, mg.Tensor)
    assert_type(x.transpose(0, 1), mg.Tensor)
    assert_type(x.reshape(2, -1), mg.Tensor)
    assert_type(x.T, mg.Tensor)
    assert_type(x[0, :2], mg.Tensor)
    assert_type(x + 1, mg.Tensor)
    assert_type(2 * x, mg.Tensor)
    assert_type(1 - x / 2 + x**2 - (-x), mg.Tensor)
    assert_type(x @ x.mT, mg.Tensor)
    assert_type(x == y, mg.Tensor)
    assert_type(x != 1, mg.Tensor)
    assert_type(x > 0, mg.Tensor)
    assert_type(mg.where(x > 0, x, 0.0), mg.Tensor)
    assert_type(mg.func.vmap(F.sigmoid)(x), mg.Tensor)
    criterion: Callable[[mg.Tensor, mg.Tensor], mg.Tensor] = nn.CrossEntropyLoss()
    assert_type(criterion(x, y), mg.Tensor)
    assert_type(mg.cat([x, x], 1), mg.Tensor)
    assert_type(x.split(2), tuple[mg.Tensor, ...])
    assert_type(x.add_(1).mul_(2), mg.Tensor)
    assert_type(x.to(mg.float64), mg.Tensor)
    assert_type(x.grad, mg.Tensor | None)
    assert_type(x.shape, Shape)
    assert_type(x.shape[1:].numel(), int)
    assert_type(x.shape[0], int)
    assert_type(x.size(0), int)
    assert_type(x.allclose(x), bool)
    assert_type(mg.grad(x.sum(), x), tuple[mg.Tensor, ...])
    weight = nn.Parameter(x)
    with mg.no_grad():
        weight -= 0.1 * x
    assert_type(weight, nn.Parameter)
    layer = nn.Conv2d(3, 4, 3)
    assert_type(layer(x), mg.Tensor)
    assert_type(layer.weight, nn.Parameter)
    assert_type(nn.Sequential(layer, nn.ReLU())(x), mg.Tensor)
    assert_type(nn.models.resnet18()(x), mg.Tensor)
    optimizer = nn.optim.SGD([weight], lr=0.1)
    assert_type(optimizer.step(lambda: x.sum()), mg.Tensor)
    for batch in DataLoader(TensorDataset(x, y)):
        assert_type(batch, list[mg.Tensor])
    rows = [{"x": mg.ones(2), "y": mg.zeros(1)}]
    for names in DataLoader(rows):
        assert_type(names["x"], mg.Tensor)


@mg.op(x=lambda g, x: g * 2 * x)
def squared(x: Array) -> Array:
    """An op of a user's own."""
    return np.square(x)


assert_type(squared(mg.ones(2)), mg.Tensor)

if __name__ == "__main__":
    share = main()
    print(f"accuracy {share:.3f}")
    assert share > 0.9
