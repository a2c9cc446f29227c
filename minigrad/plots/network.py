"""Pictures of a convolutional network at work, with matplotlib: each function returns a ``Figure`` and shows nothing.

``pip install "minigrad-nn[plot]"``. In a notebook the figure shows itself; in a script ``figure.savefig("filters.png")`` writes it.
The figures belong to no window and no global state, so nothing has to be closed.

>>> import numpy as np
>>> from minigrad import plots
>>> figure = plots.confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"])
>>> figure.axes[0].get_title()
'85.00% right, 3 of 20 wrong'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import engine
from minigrad.calls import heard, unchanged
from minigrad.engine import TensorBase, wrap
from minigrad.tree import array_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, RED, GREY = "#2c6fbb", "#c8442f", "#666666"


def new_figure(width: float, height: float) -> Figure:
    """An empty matplotlib figure of this size in inches, without a window; a notebook shows it."""
    from minigrad.plots.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def as_picture(image: np.ndarray) -> np.ndarray:
    """The image (C, H, W), a batch of one, or (H, W), in the layout of matplotlib and with values from 0 to 1."""
    image = np.asarray(image, dtype=float)
    image = image[0] if image.ndim == 4 and len(image) == 1 else image
    if image.ndim == 3:
        image = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1) if image.shape[0] in (3, 4) else image.mean(0)
    if image.ndim != 2 and image.ndim != 3:
        raise engine.ShapeError(f"plots: an image must be (H, W) or (C, H, W), not {image.shape}")
    low, high = image.min(initial=0.0), image.max(initial=1.0)
    return (image - low) / (high - low)


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Losses (left, logarithmic) and accuracies (right), epoch by epoch.

    Args:
        history: a dict for each epoch. ``loss``, ``test_loss`` and ``accuracy`` (a fraction) are shown if present, and so is every
            other key that contains ``loss`` or ``accuracy``; ``epoch`` is the number on the axis.
    """
    if not history:
        raise ValueError("training_curves: the history is empty")
    names = [name for name in history[0] if name != "epoch"]
    groups = [("Loss", [n for n in names if "loss" in n]), ("Accuracy", [n for n in names if "accuracy" in n])]
    groups = [(title, group) for title, group in groups if group]
    if not groups:
        raise ValueError(f"training_curves: the history has no loss and no accuracy, only {', '.join(names) or 'nothing'}")
    words = {"loss": "training", "test_loss": "test", "accuracy": "test", "train_accuracy": "training"}
    colours = {"training": (BLUE, "o-"), "test": (RED, "s-")}
    epochs = [row.get("epoch", i + 1) for i, row in enumerate(history)]
    figure = new_figure(5 * len(groups), 4)
    for axes, (title, group) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        for name in group:
            word = words.get(name, name.replace("_", " "))
            colour, style = colours.get(word, (None, "^-"))
            values = [row[name] * (100 if title == "Accuracy" else 1) for row in history]
            axes.plot(epochs, values, style, color=colour, ms=4, label=word)
            if title == "Accuracy":
                axes.annotate(
                    f"{values[-1]:.2f} %", (epochs[-1], values[-1]), textcoords="offset points", xytext=(6, 0), ha="left", va="center",
                    color=colour, fontweight="bold", annotation_clip=False,
                )  # fmt: skip
        if title == "Loss":
            axes.set(ylabel="loss", yscale="log" if all(row[n] > 0 for row in history for n in group) else "linear")
        else:
            axes.set(ylabel="%")
        if len(group) > 1:
            axes.legend(frameon=False)
        axes.set(xlabel="epoch", title="Test accuracy" if group == ["accuracy"] else title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def filters(weight: Any, columns: int = 8, most: int = 64) -> Figure:
    """The filters of a convolution: blue below zero, red above.

    Args:
        weight: (out, channels, height, width), a layer's ``weight``. Three channels are shown in colour, others by their mean.
        columns: filters in a row.
        most: the largest number of filters to show.

    >>> import minigrad as mg
    >>> from minigrad import plots
    >>> len(plots.filters(mg.randn(6, 1, 5, 5)).axes)  # six filters and a scale
    7
    """
    weight = array_of(weight)
    if weight.ndim != 4:
        raise engine.ShapeError(f"filters: a weight must be (out, channels, height, width), not {weight.shape}")
    shown = weight[:most]
    coloured = weight.shape[1] == 3
    flat = shown if coloured else shown.mean(1)
    largest = np.abs(flat).max(initial=1e-12)
    columns = max(1, min(columns, len(shown)))
    rows = -(-len(shown) // columns)
    figure = new_figure(max(1.5 * columns + 0.8, 4), 1.6 * rows + 0.6)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, axes in enumerate(cells):
        if i >= len(shown):
            axes.remove()
            continue
        picture = np.moveaxis(0.5 + 0.5 * flat[i] / largest, 0, -1) if coloured else flat[i]
        mappable = axes.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_title(f"filter {i}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    if not coloured:
        figure.colorbar(mappable, ax=list(figure.axes), shrink=0.8)
    left_out = f" ({most} of {len(weight)})" if len(weight) > most else ""
    figure.suptitle(f"What {len(shown)} filters of {weight.shape[2]}×{weight.shape[3]} look for{left_out}", fontsize=11)
    return figure


def feature_maps(image: Any, maps: Sequence[Any] | Mapping[str, Any], most: int = 32) -> Figure:
    """An image, and below it a row of feature maps for each layer, each scaled from its minimum to its maximum (maps of 1×1 together).

    Args:
        image: (C, H, W), a batch of one, or (H, W).
        maps: for each layer (channels, height, width), in a list, or by name as :func:`activations` gives them; of a batch, the first is shown.
        most: the largest number of maps to show for a layer.
    """
    named = maps.items() if isinstance(maps, Mapping) else [(f"layer {i + 1}", m) for i, m in enumerate(maps)]
    arrays = {name: array_of(m) for name, m in named}
    layers = [(name, m[0] if m.ndim == 4 else m) for name, m in arrays.items()]
    wrong = [f"{name} {m.shape}" for name, m in layers if m.ndim != 3]
    if wrong or not layers:
        raise engine.ShapeError(f"feature_maps: maps must be (channels, height, width), not {', '.join(wrong) or 'missing'}")
    widest = max(min(len(m), most) for _, m in layers)
    figure = new_figure(max(0.85 * widest, 4) + 0.6, 1.15 * (len(layers) + 1) + 0.6)
    rows = [("input", [as_picture(array_of(image))], "gray_r")]
    rows += [(f"{name}: {len(m)} maps of {m.shape[1]}×{m.shape[2]}", list(m[:most]), "viridis") for name, m in layers]
    for row, (title, pictures, colours) in zip(figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        row.suptitle(title, fontsize=9, x=0.01, ha="left")
        for axes, picture in zip(row.subplots(1, widest, squeeze=False)[0], [*pictures, *[None] * widest], strict=False):
            axes.set_axis_off()
            if picture is not None:  # maps of 1×1 can only be compared with each other
                scale = {"vmin": min(map(np.min, pictures)), "vmax": max(map(np.max, pictures))} if picture.size == 1 else {}
                axes.imshow(picture, cmap=colours, **scale)
    return figure


def activations(model: Any, *inputs: Any, kinds: Callable[[Any], bool] | None = None) -> dict[str, np.ndarray]:
    """Path -> output array of each module without children, in one run of ``model``.

    Args:
        model: a module.
        inputs: its inputs.
        kinds: which modules are wanted (default: those without children).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad import plots
    >>> {name: a.shape for name, a in plots.activations(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), mg.ones(5, 2)).items()}
    {'0': (5, 3), '1': (5, 3)}
    """
    found: dict[str, np.ndarray] = {}
    wanted = kinds or (lambda module: not list(module.children()))

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if wanted(module) and isinstance(output, TensorBase):
            found[path] = output._data

    with unchanged(model, training=False), heard(model, end=end), engine.no_grad():
        model(*inputs)
    return found


def histograms(arrays: Mapping[str, Any], bins: int = 60, title: str = "") -> Figure:
    """A histogram for each named array: activations (of :func:`activations`), parameters, or gradients (of :func:`gradients`).

    Each shows the mean and standard deviation, the share of zeros, and the number of elements that are not finite.
    """
    if not arrays:
        raise ValueError("histograms: nothing to show")
    columns = min(4, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = new_figure(3.2 * columns, 2.2 * rows + 0.4)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, value) in zip(cells, arrays.items(), strict=False):
        flat = array_of(value).astype(float).ravel()
        finite = flat[np.isfinite(flat)]
        if len(finite):
            axes.hist(finite, bins=bins, color=BLUE)
        axes.set_title(name if len(name) < 30 else f"…{name[-28:]}", fontsize=9)
        words = f"{finite.mean():.2g} ± {finite.std():.2g}" if len(finite) else "no numbers"
        zeros, strange = int((flat == 0).sum()), len(flat) - len(finite)
        words += f"\n{zeros / max(len(flat), 1):.0%} zero" if zeros else ""
        words += f"\n{strange:,} not finite" if strange else ""
        axes.text(0.97, 0.95, words, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=RED if strange else GREY)
        axes.set(yticks=[])
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    for axes in cells[len(arrays) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def gradients(model: Any) -> dict[str, np.ndarray]:
    """Name -> gradient of each parameter of a model after backward, for :func:`histograms`."""
    return {name: array_of(p.grad) for name, p in model.named_parameters() if p.grad is not None}


def confusion_matrix(confusion: Any, names: Iterable[str] | None = None) -> Figure:
    """How often each true class (row) was predicted as each class (column); the colour shows the mistakes.

    Args:
        confusion: (classes, classes) counts.
        names: of the classes (default: their numbers).
    """
    confusion = array_of(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise engine.ShapeError(f"confusion_matrix: a square matrix of counts is needed, not {confusion.shape}")
    classes = len(confusion)
    labels = [str(i) for i in range(classes)] if names is None else [str(name) for name in names]
    if len(labels) != classes:
        raise ValueError(f"confusion_matrix: {len(labels)} names for {classes} classes")
    side = max(4.2, 0.6 * classes + 1.2)
    figure = new_figure(side, side - 0.6)
    axes = figure.subplots()
    mistakes = confusion * (1 - np.eye(classes, dtype=int))
    axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(mistakes.max(initial=0), 1) * 1.4)
    for i, row in enumerate(confusion):
        for j, count in enumerate(row):
            if count:
                right = i == j
                look: dict[str, Any] = {"color": BLUE if right else "black", "fontweight": "bold" if right else "normal"}
                axes.text(j, i, str(count), ha="center", va="center", fontsize=9, **look)
    turned: dict[str, Any] = {"rotation": 40, "ha": "right"} if max(map(len, labels), default=0) > 2 else {}
    axes.set_xticks(range(classes), labels, **turned)
    axes.set_yticks(range(classes), labels)
    share = confusion.trace() / max(confusion.sum(), 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"{share:.2%} right, {mistakes.sum()} of {confusion.sum():,} wrong")
    return figure


def _one(image: Any) -> np.ndarray:
    """The array (C, H, W) of one image, or of a batch of one."""
    array = np.ascontiguousarray(array_of(image))
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.ndim != 3:
        raise engine.ShapeError(f"plots: one image (C, H, W) is needed, not {array.shape}")
    return array


def _scores(model: Any, image: np.ndarray) -> Any:
    scores = model(wrap(image))
    if not isinstance(scores, TensorBase) or scores._data.ndim != 2:
        raise engine.ShapeError("plots: the model must return scores (N, classes)")
    return scores


def _side_by_side(image: np.ndarray, heat: np.ndarray, colours: str, left: str, right: str) -> Figure:
    figure = new_figure(8.4, 4)
    first, second = figure.subplots(1, 2)
    first.imshow(as_picture(image), cmap="gray_r")
    first.set_title(left, fontsize=10)
    second.imshow(as_picture(image), cmap="gray_r", alpha=0.25)
    shown = second.imshow(heat, cmap=colours, alpha=0.85)
    second.set_title(right, fontsize=10)
    figure.colorbar(shown, ax=second, shrink=0.8)
    for axes in (first, second):
        axes.set(xticks=[], yticks=[])
    return figure


def saliency_map(model: Any, image: Any, target: int | None = None) -> tuple[np.ndarray, int]:
    """The gradient of a class's score by each pixel (H, W), its largest magnitude over the channels, and the class.

    Args:
        model: from (1, C, H, W) to scores (1, classes).
        image: (C, H, W), or a batch of one.
        target: the class (default: that of the highest score).
    """
    x = wrap(_one(image)[None])
    x.requires_grad_()
    with unchanged(model, training=False), engine.enable_grad():
        scores = model(x)
        if scores._data.ndim != 2:
            raise engine.ShapeError(f"saliency: the model must return scores (N, classes), not {scores._data.shape}")
        chosen = int(scores._data[0].argmax()) if target is None else target
        (gradient,) = engine.grad(scores[0, chosen], x)
    return np.abs(gradient._data[0]).max(0), chosen


def saliency(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None) -> Figure:
    """Which pixels the score of a class depends on: :func:`saliency_map` beside the image."""
    heat, chosen = saliency_map(model, image, target)
    return _side_by_side(_one(image), heat, "inferno", "input", f"|d score of {names[chosen] if names else chosen} / d pixel|")


def occlusion_map(
    model: Any, image: Any, target: int | None = None, size: int = 5, stride: int = 1, fill: float = 0.0, batch: int = 64
) -> tuple[np.ndarray, int]:
    """How much the probability of a class falls when a square around each pixel is covered (H, W), and the class.

    Args:
        model: from (N, C, H, W) to scores (N, classes).
        image: (C, H, W), or a batch of one.
        target: the class (default: that of the highest score).
        size: side of the square.
        stride: distance between squares; each pixel takes the mean over the squares that cover it.
        fill: the value of a covered pixel.
        batch: number of images in one run of the model.
    """
    image = _one(image)
    _, height, width = image.shape
    with unchanged(model, training=False), engine.no_grad():
        before = _softmax(_scores(model, image[None])._data)[0]
        chosen = int(before.argmax()) if target is None else target
        corners = [(i, j) for i in range(-(size // 2), height - size // 2, stride) for j in range(-(size // 2), width - size // 2, stride)]
        total, times = np.zeros((height, width)), np.zeros((height, width))
        for start in range(0, len(corners), batch):
            part = corners[start : start + batch]
            covered = np.repeat(image[None], len(part), 0)
            for k, (i, j) in enumerate(part):
                covered[k, :, max(i, 0) : i + size, max(j, 0) : j + size] = fill
            falls = before[chosen] - _softmax(_scores(model, covered)._data)[:, chosen]
            for fall, (i, j) in zip(falls, part, strict=True):
                total[max(i, 0) : i + size, max(j, 0) : j + size] += fall
                times[max(i, 0) : i + size, max(j, 0) : j + size] += 1
    return total / np.maximum(times, 1), chosen


def _softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def occlusion(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None, **options: Any) -> Figure:
    """The parts of an image that the model needs: :func:`occlusion_map` (whose ``options`` it takes) beside the image."""
    heat, chosen = occlusion_map(model, image, target, **options)
    return _side_by_side(_one(image), heat, "magma", "input", f"loss of probability of {names[chosen] if names else chosen} when covered")
