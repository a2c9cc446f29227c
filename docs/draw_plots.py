"""Draws the pictures of docs/plots.md, which are kept in docs/images/plots: ``python docs/draw_plots.py [FOLDER]``.

Japanese class names, as in the confusion matrix, need a font with their glyphs: apt install fonts-noto-cjk.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import minigrad as mg
from minigrad import nn, plots
from minigrad.demo.networks import lenet, trained_lenet
from minigrad.nn import functional as F
from minigrad.nn.data import MNIST, DataLoader, TensorDataset
from minigrad.nn.training import find_learning_rate

FIGURES: dict[str, Callable[[], Any]] = {}
WORDS = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"]


def figure(function: Callable[[], Any]) -> Callable[[], Any]:
    """Add a picture to the page under the function's name."""
    FIGURES[function.__name__] = function
    return function


def digits(count: int = 1000) -> tuple[Any, Any]:
    """Normalised digits that LeNet-5 was not trained with, and their classes."""
    images, labels = MNIST(train=False).tensors(normalize=True)
    return images[:count], labels[:count]


def digit(kind: int) -> Any:
    """The first digit of a class, (1, 28, 28)."""
    images, labels = digits()
    return images[int(np.flatnonzero(labels.numpy() == kind)[0])]


def with_gradients(model: nn.Module) -> nn.Module:
    """The model after a backward pass."""
    images, labels = digits(50)
    F.cross_entropy(model(images), labels).backward()
    return model


def deep() -> nn.Module:
    """Ten layers of sigmoids, in which gradients vanish."""
    mg.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 32), *[layer for _ in range(9) for layer in (nn.Sigmoid(), nn.Linear(32, 32))], nn.Linear(32, 10)
    )


@figure
def training_curves() -> Any:
    mg.manual_seed(0)
    model, (images, labels), (unseen, truth) = lenet(), MNIST().tensors(normalize=True), digits()
    train = DataLoader(TensorDataset(images, labels), batch_size=100, shuffle=True)
    test = DataLoader(TensorDataset(unseen, truth), batch_size=100)
    adam = nn.optim.Adam(model.parameters(), 1e-3)
    history = nn.fit(
        model, train, nn.CrossEntropyLoss(), adam, epochs=5, validation=test, metrics=["accuracy"], progress=False, callbacks=[]
    )
    return plots.training_curves(history)


@figure
def learning_rates() -> Any:
    mg.manual_seed(0)
    model, (images, labels) = lenet(), MNIST().tensors(normalize=True)
    train = DataLoader(TensorDataset(images, labels), batch_size=50, shuffle=True)
    found = find_learning_rate(model, train, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters()), start=1e-5, end=1.0)
    return plots.learning_rates(found.rates, found.losses, found.suggestion)


@figure
def confusion_matrix() -> Any:
    images, labels = digits()
    with mg.no_grad():
        predicted = trained_lenet()(images).argmax(1)
    counts = np.bincount(labels.numpy() * 10 + predicted.numpy(), minlength=100).reshape(10, 10)
    return plots.confusion_matrix(counts, WORDS)


@figure
def histograms() -> Any:
    images, _ = digits(50)
    maps = plots.activations(trained_lenet(), images)
    model = with_gradients(trained_lenet())
    return plots.histograms(
        {
            "relu1": maps["relu1"],
            "conv2.weight": model.conv2.weight,
            "gradient of conv2": model.conv2.weight.grad,
            "gradient of fc1": model.fc1.weight.grad,
        }
    )


@figure
def gradient_flow() -> Any:
    return plots.gradient_flow(plots.gradients(with_gradients(deep())))


@figure
def filters() -> Any:
    return plots.filters(trained_lenet().conv1.weight, columns=6)


@figure
def feature_maps() -> Any:
    model, image = trained_lenet(), digit(7)
    maps = plots.activations(model, image[None])
    with mg.no_grad():
        scores = model(image[None])
    return plots.feature_maps(image, {name: maps[name] for name in ("relu1", "pool1", "relu2")}, scores=scores, names=WORDS)


@figure
def weight_images() -> Any:
    return plots.weight_images(templates().weight, (1, 28, 28))


def templates() -> nn.Linear:
    """One dense layer, trained."""
    mg.manual_seed(0)
    layer, (images, labels) = nn.Linear(784, 10), MNIST().tensors()
    optimizer = nn.optim.SGD(layer.parameters(), 0.1, weight_decay=1e-3)
    for start in [*range(0, len(images), 50)] * 3:
        optimizer.zero_grad()
        F.cross_entropy(layer(images[start : start + 50].reshape(50, 784)), labels[start : start + 50]).backward()
        optimizer.step()
    return layer


@figure
def weight_bars() -> Any:
    mg.manual_seed(0)
    model, (images, labels) = nn.Sequential(nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10)), MNIST().tensors()
    optimizer = nn.optim.Adam(model.parameters(), 2e-3, weight_decay=1e-3)
    for start in [*range(0, len(images), 50)] * 5:
        optimizer.zero_grad()
        F.cross_entropy(model(images[start : start + 50].reshape(50, 784)), labels[start : start + 50]).backward()
        optimizer.step()
    return plots.weight_bars(model[0].weight, model[2].weight, (1, 28, 28), outputs=(0, 1))


@figure
def saliency() -> Any:
    return plots.saliency(trained_lenet(), digit(4))


@figure
def grad_cam() -> Any:
    return plots.grad_cam(trained_lenet(), digit(4), "relu2")


@figure
def occlusion() -> Any:
    return plots.occlusion(trained_lenet(), digit(4), size=7, fill=-0.42)


@figure
def volumes() -> Any:
    maps = plots.activations(trained_lenet(), digit(2)[None])
    shown = [digit(2), *(maps[name][0, 1] for name in ("relu1", "pool1", "relu2", "pool2")), None, None]
    shapes = [(1, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (10,)]
    return plots.volumes(
        shapes,
        ["6 filters of 5×5", "max pool 2×2", "16 filters of 5×5×6", "max pool 2×2", "120 filters of 5×5×16", "two dense layers"],
        shown,
    )


@figure
def images() -> Any:
    return plots.images({f"a {k}": -digit(k) for k in range(10)}, 5, size=1.1, boxes={"a 2": [(4, 3, 22, 24)]})


def board() -> tuple[np.ndarray, Mapping[str, Any]]:
    """Digits scattered on a board, and where they are."""
    pixels, labels = MNIST(train=False).images, MNIST(train=False).labels
    ground, boxes, masks = np.zeros((64, 96)), [], []
    for k, (top, left) in enumerate([(4, 6), (30, 34), (6, 62)]):
        ground[top : top + 28, left : left + 28] = np.reshape(pixels[k], (28, 28)) / 255
        rows, columns = np.nonzero(np.reshape(pixels[k], (28, 28)) > 90)
        boxes.append([left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1])
        masks.append(np.zeros_like(ground))
        masks[-1][top + rows, left + columns] = 1
    return 1 - ground, {"boxes": boxes, "labels": labels[:3], "scores": [0.98, 0.91, 0.77], "masks": masks}


@figure
def detections() -> Any:
    picture, found = board()
    return plots.detections([picture, picture], [{k: v for k, v in found.items() if k != "masks"}, found], columns=2, size=3.2)


@figure
def lines() -> Any:
    x = np.arange(1, 21)
    return plots.lines(x, {"0.9 ** n": 0.9**x, "1 / n": 1 / x, "1 / n²": 1 / x**2.0}, "n", "what is left", log=True)


@figure
def numbers() -> Any:
    image = np.array([[1, 2, 0], [0, 3, 1], [2, 0, 1]])
    return plots.numbers(
        {"image": image, "kernel": [[1, 0], [0, -1]], "result": [[-2, 1], [0, 2]]},
        ["∗", "="],
        marked={"image": [(0, 0), (0, 1), (1, 0), (1, 1)], "result": [(0, 0)]},
    )


@figure
def window() -> Any:
    return plots.window(np.eye(5) + np.eye(5)[::-1], [[0, 1, 0], [1, -4, 1], [0, 1, 0]], (0, 1), padding=1, stride=2)


@figure
def cells() -> Any:
    return plots.cells(3, 3, stride=2, transposed=True, title="transposed, stride 2")


@figure
def timeline() -> Any:
    t = np.arange(8000) / 8000
    wave = np.sin(2 * np.pi * (440 + 440 * (t > 0.5)) * t)
    power = np.abs(np.fft.rfft(wave.reshape(-1, 160) * np.hanning(160), axis=1)).T[:30]
    return plots.timeline(
        {"wave": wave, "spectrum": np.log10(power + 1e-2), "note": (np.arange(20) >= 10).astype(int)},
        1.0,
        names={"note": ["a'", "a''"]},
        highest={"spectrum": 1500.0},
    )


def small(drawn: Any, path: Path) -> None:
    """Write a figure as PNG of at most 256 colours and 60 kB."""
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=75)
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > 60_000:
        raise SystemExit(f"draw_plots: {path.name} has {path.stat().st_size:,} bytes, more than 60,000")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images" / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FIGURES.items():
        small(make(), folder / f"{name}.png")
