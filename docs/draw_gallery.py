"""Draws the pictures of docs/graphs.md, which are kept in docs/images/graphs: ``python docs/draw_gallery.py [FOLDER]``.

tests/graph/test_docs_pictures.py fails when a picture there no longer says what is drawn. The page is made by ``sphinx-build`` in each build.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import graph, nn
from minigrad.nn import models

PICTURES: dict[str, Callable[[], graph.Graph]] = {}


def picture(function: Callable[[], graph.Graph]) -> Callable[[], graph.Graph]:
    """Add a picture to the gallery under the function's name."""
    PICTURES[function.__name__] = function
    return function


@picture
def scalar() -> graph.Graph:
    """A scalar expression with its backward."""
    x = mg.tensor(0.5, requires_grad=True)
    w = mg.tensor(-1.5, requires_grad=True)
    y = (w * x + 1).tanh() ** 2
    return graph.draw(y, names={"x": x, "w": w, "y": y}, backward=True, title="y = tanh(w x + 1)²")


@picture
def values() -> graph.Graph:
    """The same expression with the value and the gradient of each node."""
    x = mg.tensor(0.5, requires_grad=True)
    w = mg.tensor(-1.5, requires_grad=True)
    y = (w * x + 1).tanh() ** 2
    return graph.draw(y, names={"x": x, "w": w, "y": y}, values=True, title="y = tanh(w x + 1)²")


def perceptron() -> nn.Module:
    """A small perceptron."""
    mg.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))


@picture
def mlp() -> graph.Graph:
    """A perceptron with its parameters as boxes."""
    return graph.draw(perceptron(), mg.ones(8, 4), parameters=True, title="MLP")


@picture
def mlp_backward() -> graph.Graph:
    """The same with its backward."""
    return graph.draw(perceptron(), mg.ones(8, 4), backward=True, title="MLP")


class LeNet5(nn.Module):
    """Two convolutions, three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

    def forward(self, x):
        """Logits."""
        return self.classifier(self.features(x))


def images(*shape: int) -> mg.Tensor:
    """Something to look at."""
    return mg.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


@picture
def lenet5() -> graph.Graph:
    """LeNet-5, all of it."""
    mg.manual_seed(0)
    return graph.draw(LeNet5(), images(1, 1, 28, 28), depth=None)


@picture
def lenet5_folded() -> graph.Graph:
    """LeNet-5, folded at depth 1."""
    mg.manual_seed(0)
    return graph.draw(LeNet5(), images(1, 1, 28, 28), depth=1)


class Inception(nn.Module):
    """Four ways side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 16, 1)
        self.three = nn.Sequential(nn.Conv2d(channels, 16, 1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1))
        self.five = nn.Sequential(nn.Conv2d(channels, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(channels, 8, 1))

    def forward(self, x):
        """The ways' channels, one after the other."""
        return mg.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1).relu()


@picture
def inception() -> graph.Graph:
    """An Inception block."""
    mg.manual_seed(0)
    return graph.draw(Inception(32), images(1, 32, 14, 14))


@picture
def resnet50() -> graph.Graph:
    """A residual network for ImageNet at depth 1."""
    return graph.draw(models.resnet50(), images(2, 3, 64, 64), depth=1, title="ResNet-50")


@picture
def googlenet() -> graph.Graph:
    """GoogLeNet at depth 1."""
    return graph.draw(models.googlenet(aux_logits=False), images(2, 3, 64, 64), depth=1)


@picture
def resnet56_folded() -> graph.Graph:
    """A residual network at depth 2, equal blocks drawn once."""
    return graph.draw(models.resnet56(), images(2, 3, 32, 32), depth=2, title="ResNet-56")


@picture
def resnet56() -> graph.Graph:
    """A residual network unfolded, equal blocks drawn once."""
    return graph.draw(models.resnet56(), images(2, 3, 32, 32), depth=None, title="ResNet-56")


@picture
def second_order() -> graph.Graph:
    """The second derivative of tanh, recorded by create_graph."""
    x = mg.tensor(0.5, requires_grad=True)
    (first,) = mg.grad(mg.tanh(x), x, create_graph=True)
    (second,) = mg.grad(first, x, create_graph=True)
    return graph.draw(second, names={"x": x, "d²y/dx²": second}, title="second derivative of tanh")


@mg.op(x=lambda g, x, slope: g * mg.where(x > 0, 1.0, slope))
def leaky(x, *, slope=0.1):
    """A user's own op."""
    return np.where(x > 0, x, slope * x)


@picture
def custom_op() -> graph.Graph:
    """An op of the user's own between the library's."""
    x = mg.tensor([-1.0, 2.0, 3.0], requires_grad=True)
    y = leaky(x * 2, slope=0.2).sum()
    return graph.draw(y, names={"x": x, "y": y}, backward=True, title="an op of one's own")


@picture
def exploding() -> graph.Graph:
    """Where gradients explode, and where they are NaN."""
    x = mg.tensor([0.0, 4.0], requires_grad=True)
    y = mg.exp(x * 5).sum() + mg.sqrt(x * 0.0).sum()
    return graph.draw(y, names={"x": x, "y": y}, backward=True, title="gradients in trouble")


def page(folder: Path) -> None:
    """Write the page of LeNet-5."""
    folder.mkdir(parents=True, exist_ok=True)
    mg.manual_seed(0)
    graph.draw(LeNet5(), images(1, 1, 28, 28), backward=True).save(folder / "lenet5.html")


def main(folder: Path) -> None:
    """Write every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        svg = draw().svg.replace(f"{Path(__file__).resolve().parents[1]}/", "")  # source lines in tooltips, without this machine's folders
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images" / "graphs")
