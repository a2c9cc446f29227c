"""Pictures of a trained convolutional network, as PNG files: curves, filters, feature maps, confusion matrix."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

BLUE, RED, GREY = "#2c6fbb", "#c8442f", "#666666"


def training_curves(history: list[dict[str, float]]) -> Figure:
    """Training and test loss, and test accuracy, epoch by epoch."""
    epochs = [row["epoch"] for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(epochs, [row["loss"] for row in history], "o-", color=BLUE, ms=4, label="training")
    left.plot(epochs, [row["test_loss"] for row in history], "s-", color=RED, ms=4, label="test")
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Loss", yscale="log")
    left.legend(frameon=False)
    accuracy = [100 * row["accuracy"] for row in history]
    right.plot(epochs, accuracy, "s-", color=RED, ms=4)
    right.annotate(f"{accuracy[-1]:.2f} %", (epochs[-1], accuracy[-1]), (0, -18), textcoords="offset points", ha="right", color=RED)
    right.set(xlabel="epoch", ylabel="%", title="Test accuracy")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def filters(weight: np.ndarray) -> Figure:
    """The filters of a first layer, (out, 1, height, width): blue below zero, red above."""
    largest = np.abs(weight).max()
    figure, cells = plt.subplots(1, len(weight), figsize=(1.5 * len(weight) + 0.8, 2.1), layout="constrained", squeeze=False)
    for i, (axes, kernel) in enumerate(zip(cells[0], weight, strict=True)):
        shown = axes.imshow(kernel[0], cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_title(f"filter {i}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=cells[0].tolist(), shrink=0.8)
    figure.suptitle("What the first convolution looks for", fontsize=11)
    return figure


def feature_maps(image: np.ndarray, maps: list[np.ndarray]) -> Figure:
    """An image, and below it a row of feature maps (channels, height, width) for each layer."""
    widest = max(len(m) for m in maps)
    figure = plt.figure(figsize=(0.85 * widest + 0.6, 1.15 * (len(maps) + 1) + 0.6), layout="constrained")
    rows = figure.subfigures(len(maps) + 1, 1)
    shown = [("input", image[None], "gray_r")]
    shown += [(f"layer {i + 1}: {len(m)} maps of {m.shape[1]}x{m.shape[2]}", m, "viridis") for i, m in enumerate(maps)]
    for row, (title, pictures, colours) in zip(rows, shown, strict=True):
        row.suptitle(title, fontsize=9, x=0.01, ha="left")
        for axes, picture in zip(row.subplots(1, widest, squeeze=False)[0], [*pictures, *[None] * widest], strict=False):
            axes.set_axis_off()
            if picture is not None:
                axes.imshow(picture, cmap=colours)
    return figure


def confusion_matrix(confusion: np.ndarray, names: list[str]) -> Figure:
    """How often each true class (row) was taken for each class (column); the colour shows the mistakes."""
    figure, axes = plt.subplots(figsize=(7.2, 6.6), layout="constrained")
    mistakes = confusion * (1 - np.eye(len(confusion), dtype=int))
    axes.imshow(mistakes, cmap="Reds", vmax=max(mistakes.max(), 1) * 1.4)
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            if count:
                axes.text(j, i, str(count), ha="center", va="center", fontsize=9, color=BLUE if i == j else "black")
    turned = {"rotation": 40, "ha": "right"} if max(map(len, names)) > 2 else {}
    axes.set_xticks(range(len(names)), names, **turned)
    axes.set_yticks(range(len(names)), names)
    right = confusion.trace() / max(confusion.sum(), 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"{right:.2%} right, {mistakes.sum()} of {confusion.sum():,} wrong")
    return figure


def draw(
    folder: Path,
    history: list[dict[str, float]],
    weight: np.ndarray,
    image: np.ndarray,
    maps: list[np.ndarray],
    confusion: np.ndarray,
    names: list[str],
) -> list[Path]:
    """Write the four pictures into ``folder`` and return their paths."""
    figures = {
        "curves.png": training_curves(history),
        "filters.png": filters(weight),
        "feature_maps.png": feature_maps(image, maps),
        "confusion.png": confusion_matrix(confusion, names),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)
        plt.close(figure)
    return [folder / name for name in figures]
