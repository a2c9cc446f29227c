"""Figures of the arrays that training a network gives: curves, filters, feature maps, histograms, a confusion matrix.

``pip install "minigrad-nn[plot]"``. In a notebook the figure shows itself; in a script ``figure.savefig("filters.png")`` writes it.
The figures belong to no window and no global state, so nothing has to be closed.

>>> import numpy as np
>>> from minigrad import plots
>>> figure = plots.confusion_matrix(np.array([[9, 1], [2, 8]]), ["cat", "dog"])
>>> figure.axes[0].get_title()
'85.00% right, 3 of 20 wrong'
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check, shown
from minigrad.plots.canvas import BLUE, GREY, RED, SCALE, all_finite, as_picture, class_names, named_arrays, new_figure, shown_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_rates(rates: Any, losses: Any, suggestion: float | None = None) -> Figure:
    """The loss over learning rates that were tried, and the one that is suggested.

    Args:
        rates, losses: (N,) numbers, e.g. those of a :class:`minigrad.nn.training.LearningRates`.
        suggestion: a rate to mark.

    Raises ``ShapeError`` unless there is a loss for each rate.

    >>> from minigrad import plots
    >>> plots.learning_rates([0.01, 0.1, 1.0], [2.0, 1.0, 3.0], 0.1).axes[0].get_xscale()
    'log'
    """
    x, y = shown_array("learning_rates", "rates", rates), shown_array("learning_rates", "losses", losses)
    if x.ndim != 1 or x.shape != y.shape:
        raise ShapeError(f"learning_rates: losses {y.shape} is not a number for each of rates {x.shape}")
    figure = new_figure(5, 3.5)
    axes = figure.subplots()
    axes.plot(x, y, color=BLUE)
    if suggestion is not None:
        check("learning_rates", locals(), suggestion="above 0")
        axes.axvline(suggestion, color=RED, linestyle="--")
        axes.annotate(
            f"{suggestion:.2g}", (suggestion, 1), xycoords=("data", "axes fraction"), xytext=(4, -12), textcoords="offset points", color=RED
        )
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Losses (left, logarithmic) and accuracies (right), epoch by epoch.

    Args:
        history: a dict for each epoch, as :func:`minigrad.nn.fit` returns them. ``loss``, ``val_loss`` or ``test_loss``, and ``accuracy`` (a
            fraction: of the test, or of the training if there is a ``val_accuracy`` or ``test_accuracy``) are shown if present, and so is every
            other key that contains ``loss`` or ``accuracy``; ``epoch`` is the number on the axis. An epoch may lack some of them.

    Raises ``ValueError`` for a history that is empty or has neither, ``TypeError`` for one that is no list.

    >>> from minigrad import plots
    >>> [axes.get_title() for axes in plots.training_curves([{"loss": 2.3, "accuracy": 0.5}, {"loss": 0.4, "accuracy": 0.9}]).axes]
    ['Loss', 'Test accuracy']
    """
    check("training_curves", locals(), history="a list")
    history = list(history)
    if not history:
        raise ValueError("training_curves: the history is empty")
    if strange := [row for row in history if not isinstance(row, Mapping)]:
        raise TypeError(f"training_curves: history must have a dict for each epoch, but has {shown(strange[0])}")
    names = [name for name in dict.fromkeys(name for row in history for name in row) if name != "epoch"]
    groups = [("Loss", [n for n in names if "loss" in n]), ("Accuracy", [n for n in names if "accuracy" in n])]
    groups = [(title, group) for title, group in groups if group]
    if not groups:
        raise ValueError(f"training_curves: the history has no loss and no accuracy, only {', '.join(names) or 'nothing'}")
    words = {"test_loss": "test", "test_accuracy": "test", "val_loss": "validation", "val_accuracy": "validation"}
    words |= dict.fromkeys(("loss", "train_loss", "train_accuracy"), "training")
    words["accuracy"] = "training" if {"test_accuracy", "val_accuracy"} & set(names) else "test"
    colours = {"training": (BLUE, "o-"), "test": (RED, "s-"), "validation": (RED, "s-")}
    numbered = [{"epoch": i + 1, **row} for i, row in enumerate(history)]
    figure = new_figure(5 * len(groups), 4)
    for axes, (title, group) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        ends = []
        for name in group:
            word = words.get(name, name.replace("_", " "))
            colour, style = colours.get(word, (None, "^-"))
            rows = [row for row in numbered if name in row]
            epochs = shown_array("training_curves", "epoch", [row["epoch"] for row in rows])
            values = shown_array("training_curves", name, [row[name] for row in rows]) * (100 if title == "Accuracy" else 1)
            if values.ndim != 1:
                raise ShapeError(f"training_curves: {name} must be one number in each epoch, not {values.shape[1:]}")
            axes.plot(epochs, values, style, color=colour, ms=4, label=word)
            ends.append((values[-1], epochs[-1], colour))
        if title == "Accuracy":  # the higher number stands above its point, the lower below: they never lie on each other
            for value, epoch, colour in ends:
                others = [other for other, _, _ in ends if other != value]
                side = 0 if not others else 6 if value > max(others) else -6 if value < min(others) else 0
                axes.annotate(f"{value:.2f} %", (epoch, value), textcoords="offset points", xytext=(6, side), ha="left", va="center",
                              color=colour, fontweight="bold", annotation_clip=False)  # fmt: skip
        if title == "Loss":
            axes.set(ylabel="loss", yscale="log" if all(row[n] > 0 for row in history for n in group if n in row) else "linear")
        else:
            axes.set(ylabel="%")
        if len(group) > 1:
            axes.legend(frameon=False)
        axes.set(xlabel="epoch", title="Test accuracy" if group == ["accuracy"] else title)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)  # of one epoch one tick, not fractions around it
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def filters(weight: Any, columns: int = 8, most: int = 64) -> Figure:
    """The filters of a convolution: blue below zero, red above.

    Args:
        weight: (out, channels, height, width), a layer's ``weight``. Three channels are shown in colour, others by their mean.
        columns: filters in a row.
        most: the largest number of filters to show.

    Raises ``ShapeError`` for a weight of another shape, ``TypeError`` for what is no array of numbers, ``ValueError`` for NaN in it.

    >>> import minigrad as mg
    >>> from minigrad import plots
    >>> len(plots.filters(mg.randn(6, 1, 5, 5)).axes)  # six filters and a scale
    7
    """
    check("filters", locals(), columns=1, most=1)
    weight = all_finite("filters", "weight", shown_array("filters", "weight", weight))
    if weight.ndim != 4 or not weight.size:
        raise ShapeError(f"filters: a weight must be (out, channels, height, width), and not empty, but is {weight.shape}")
    chosen = weight[:most]
    coloured = weight.shape[1] == 3
    flat = chosen if coloured else chosen.mean(1)
    largest = np.abs(flat).max(initial=1e-12)
    columns = min(columns, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = new_figure(max(1.5 * columns + 0.8, 4), 1.6 * rows + 0.6)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, axes in enumerate(cells):
        if i >= len(chosen):
            axes.remove()
            continue
        picture = np.moveaxis(0.5 + 0.5 * flat[i] / largest, 0, -1) if coloured else flat[i]
        mappable = axes.imshow(picture, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.set_title(f"filter {i}", fontsize=9)
        axes.set(xticks=[], yticks=[])
    if not coloured:
        figure.colorbar(mappable, ax=list(figure.axes), shrink=0.8)
    left_out = f" ({most} of {len(weight)})" if len(weight) > most else ""
    figure.suptitle(f"What {len(chosen)} filters of {weight.shape[2]}×{weight.shape[3]} look for{left_out}", fontsize=11)
    return figure


def feature_maps(
    image: Any, maps: Sequence[Any] | Mapping[str, Any], most: int = 32, *, scores: Any = None, names: Sequence[str] | None = None
) -> Figure:
    """An image, beside it what was predicted, and below it the feature maps of each layer, up to eight in a row.

    Each map is scaled from its minimum to its maximum. Maps of 1×1 can only be compared with each other: they are the cells of a strip.

    Args:
        image: (C, H, W), a batch of one, or (H, W).
        maps: for each layer (channels, height, width), in a list, or by name as :func:`minigrad.plots.probes.activations` gives them; of a batch, the first is shown.
        most: the largest number of maps to show for a layer.
        scores: (classes,) or (1, classes), what the model gave for the image, as for ``cross_entropy``: the five likeliest classes are shown,
            with the probabilities that softmax makes of the scores.
        names: of all classes (default: their numbers).

    Raises:
        ShapeError: an image, maps or scores of other shapes, or no maps.
        ValueError: another number of names than classes, names without scores, an image or scores that are not finite.
        TypeError: what is no array of numbers.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.feature_maps(np.eye(8), {"conv": np.ones((4, 6, 6))}, scores=[0.0, 3.0], names=["line", "dot"])
    >>> [row.get_suptitle() for row in figure.subfigs], figure.subfigs[0].axes[1].get_title()
    (['input', 'conv: 4 maps of 6×6'], 'dot: 95.3 %')
    """
    check("feature_maps", locals(), "names", most=1, names="a list")
    if not isinstance(maps, Mapping):
        check("feature_maps", locals(), maps="a list")
    named = maps.items() if isinstance(maps, Mapping) else [(f"layer {i + 1}", m) for i, m in enumerate(maps)]
    arrays = {name: shown_array("feature_maps", name, m) for name, m in named}
    layers = [(name, m[0] if m.ndim == 4 else m) for name, m in arrays.items()]
    wrong = [f"{name} {m.shape}" for name, m in layers if m.ndim != 3 or not m.size]
    if wrong or not layers:
        raise ShapeError(f"feature_maps: maps must be (channels, height, width), not {', '.join(wrong) or 'missing'}")
    if names is not None and scores is None:
        raise ValueError("feature_maps: names are those of the classes of scores, which are not given")
    likely = None if scores is None else _likeliest(scores, names)
    picture = as_picture(shown_array("feature_maps", "image", image), "feature_maps")
    columns = min(max(min(len(m), most) for _, m in layers), 8)
    width, heights, sheets = max(1.3 * columns, 6.5), [2.6], []
    for name, m in layers:
        strange = m.size - int(np.isfinite(m).sum())
        title = f"{name}: {len(m)} maps of {m.shape[1]}×{m.shape[2]}" + (
            f", {strange:,} of {m.size:,} numbers are not finite" if strange else ""
        )
        if m[0].size == 1:  # a strip, as low as a row of text
            pictures, across, height, aspect = [m[:most].reshape(1, -1)], 1, 0.4, "auto"
        else:
            pictures, across, height, aspect = list(m[:most]), columns, width / columns * np.clip(m.shape[1] / m.shape[2], 0.1, 2), "equal"
        down = -(-len(pictures) // across)
        heights.append(0.35 + height * down)
        sheets.append((title, pictures, down, across, aspect))
    figure = new_figure(width, sum(heights))
    first, *rows = figure.subfigures(1 + len(layers), 1, squeeze=False, height_ratios=heights)[:, 0]
    first.suptitle("input", fontsize=10, x=0.01, ha="left")
    left, right = first.subplots(1, 2, width_ratios=[1, 1.2])
    left.imshow(picture, **SCALE, cmap="gray_r")
    left.set_axis_off()
    if likely is None:
        right.remove()
    else:
        right.barh(list(likely), [*likely.values()], color=BLUE, height=0.7)
        best = next(iter(likely))
        right.set(xlim=(0, 100), xticks=[], title=f"{best}: {likely[best]:.1f} %")
        for place, share in enumerate(likely.values()):
            right.text(share + 1.5 if share < 80 else share - 1.5, place, f"{share:.1f} %", va="center", fontsize=9,
                       ha="left" if share < 80 else "right", color=GREY if share < 80 else "white")  # fmt: skip
        right.invert_yaxis()
        right.spines[["top", "right", "bottom"]].set_visible(False)
    for row, (title, pictures, down, across, aspect) in zip(rows, sheets, strict=True):
        row.suptitle(title, fontsize=10, x=0.01, ha="left")
        for axes, one in itertools.zip_longest(row.subplots(down, across, squeeze=False).ravel(), pictures):
            axes.set_axis_off()
            if one is not None:
                axes.imshow(one, cmap="viridis", aspect=aspect)
    return figure


def _likeliest(scores: Any, names: Sequence[str] | None) -> dict[str, float]:
    """The five likeliest classes and their probabilities in per cent."""
    values = all_finite("feature_maps", "scores", shown_array("feature_maps", "scores", scores).astype(float))
    values = values[0] if values.ndim == 2 and len(values) == 1 else values
    if values.ndim != 1 or not len(values):
        raise ShapeError(f"feature_maps: scores must be (classes,) or (1, classes), not {values.shape}")
    called = class_names("feature_maps", names, len(values))
    exponents = np.exp(values - values.max())
    shares = 100 * exponents / exponents.sum()
    return {called[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")[:5].tolist()}


def gradient_flow(gradients: Mapping[str, Any]) -> Figure:
    """How large the gradients of each layer are: their mean magnitude (dark) and their largest (light), on a logarithmic scale.

    Bars that shrink from the last layer to the first show gradients that vanish. A layer without any gradient but zero is marked with ``0``,
    one with infinite numbers or NaN with ``not finite``.

    Args:
        gradients: name of a parameter -> array or Tensor of any shape, in the order of the layers, as
            :func:`minigrad.plots.probes.gradients` gives them. Parameters belong to one layer if their names differ after the last dot only.

    Raises:
        TypeError: ``gradients`` is not a dict of arrays of numbers.
        ValueError: it is empty.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> model(mg.ones(4, 2)).sum().backward()
    >>> [label.get_text() for label in plots.gradient_flow(plots.gradients(model)).axes[0].get_xticklabels()]
    ['0', '2']
    """
    layers: dict[str, list[np.ndarray]] = {}
    for name, array in named_arrays("gradient_flow", "gradients", gradients).items():
        layers.setdefault(name.rpartition(".")[0] or name, []).append(np.abs(array.astype(float)).ravel())
    sizes = [np.concatenate(parts) for parts in layers.values()]
    finite = [size[np.isfinite(size)] for size in sizes]
    means, tops = [f.mean() if len(f) else 0.0 for f in finite], [f.max(initial=0.0) for f in finite]
    figure = new_figure(min(max(4.5, 0.42 * len(layers) + 1.5), 16), 3.8)
    axes = figure.subplots()
    places = range(len(layers))
    axes.bar(places, tops, color="#b5cbe8", label="largest")
    axes.bar(places, means, color=BLUE, label="mean")
    positive = [m for m in means if m > 0]
    if positive:
        axes.set(yscale="log", ylim=(min(positive) / 10, max(tops) * 3))
    for place, size, f in zip(places, sizes, finite, strict=True):
        words = "not finite" if len(f) < len(size) else "0" if not f.any() else ""
        axes.text(place, 0.02, words, transform=axes.get_xaxis_transform(), ha="center", va="bottom", rotation=90 if len(words) > 1 else 0,
                  color=RED, fontsize=9, fontweight="bold")  # fmt: skip
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if max(map(len, layers)) > 2 else {}
    axes.set_xticks(places, list(layers), fontsize=8 if len(layers) < 40 else 5, **turned)
    axes.set(xlabel="layer", ylabel="|gradient|")
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def histograms(arrays: Mapping[str, Any], bins: int = 60, title: str = "") -> Figure:
    """A histogram for each named array: activations, parameters or gradients (see :mod:`minigrad.plots.probes`).

    Each shows the mean and standard deviation, the share of zeros, and the number of elements that are not finite. Where a few elements lie
    far away, the axis ends near the others: a red bar at its end counts those beyond, and the text says how far they reach. A bar that is
    more than four times as high as all others is cut off, with its count beside it.

    Args:
        arrays: name -> array or Tensor of any shape.
        bins: the number of bars.
        title: above them all.

    Raises ``TypeError`` unless ``arrays`` is a dict of arrays of numbers, ``ValueError`` if it is empty.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> plots.histograms({"fc.weight": np.array([0.0, 0.0, 1.0, 3.0])}).axes[0].texts[0].get_text()
    '1 ± 1.2\\n50% zero'
    """
    check("histograms", locals(), bins=1, title="a text")
    arrays = named_arrays("histograms", "arrays", arrays)
    columns = min(4, len(arrays))
    rows = -(-len(arrays) // columns)
    figure = new_figure(3.2 * columns, 2.2 * rows + 0.4)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, value) in zip(cells, arrays.items(), strict=False):
        flat = value.astype(float).ravel()
        finite = flat[np.isfinite(flat)]
        beyond = _bars(axes, finite, bins) if len(finite) else ""
        axes.set_title(name if len(name) < 30 else f"…{name[-28:]}", fontsize=9)
        words = f"{finite.mean():.2g} ± {finite.std():.2g}".replace("-", "−") if len(finite) else "no numbers"
        zeros, strange = int((flat == 0).sum()), len(flat) - len(finite)
        words += f"\n{zeros / max(len(flat), 1):.0%} zero" if zeros else ""
        words += f"\n{strange:,} not finite" if strange else ""
        words += beyond
        top, middle = axes.get_ylim()[1], sum(axes.get_xlim()) / 2
        cut = [bar.get_x() > middle for bar in axes.patches if bar.get_height() > top]  # a peak that is cut off, with its count beside it
        right = not any(cut)
        under = max((h for bar in axes.patches if (bar.get_x() > middle) == right and (h := bar.get_height()) <= top), default=0)
        axes.set_ylim(0, max(top, under / (0.93 - 0.1 * (words.count("\n") + 1))))  # the words stand above the bars
        axes.text(
            0.97 if right else 0.03, 0.95, words, transform=axes.transAxes, ha="right" if right else "left", va="top", fontsize=8,
            color=RED if strange else GREY,
        )  # fmt: skip
        axes.set(yticks=[])
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="x", nbins=4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    for axes in cells[len(arrays) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _bars(axes: Any, values: np.ndarray, bins: int) -> str:
    """Draw the histogram of some numbers, and return what is to be said of those beyond the axis."""
    low, high = values.min(), values.max()
    most = values[values != np.median(values)]  # a peak of equal numbers, such as the zeros after ReLU, has no width
    left, right = np.quantile(most, (0.005, 0.995)) if len(most) else (low, high)
    if 0 < 3 * (right - left) < high - low:
        room = (right - left) / 4
        low, high = max(low, min(left - room, np.median(values))), min(high, max(right + room, np.median(values)))
    counts, edges = np.histogram(values, bins, (low, high))
    width = edges[1] - edges[0]
    axes.bar(edges[:-1], counts, width, align="edge", color=BLUE)
    second, top = np.sort([0, *counts])[-2:]
    if 0 < 4 * second < top:
        axes.set_ylim(0, 1.8 * second)
        place = int(counts.argmax())
        right_of = place < len(counts) / 2
        axes.annotate(f"{top:,} ↑", (edges[place + right_of], 0.99), xycoords=("data", "axes fraction"), xytext=(3 if right_of else -3, 0),
                      textcoords="offset points", ha="left" if right_of else "right", va="top", fontsize=8, color=BLUE)  # fmt: skip
    words = ""
    for count, place, where, end in (
        (int((values < low).sum()), low - 2 * width, "below", values.min()),
        (int((values > high).sum()), high + width, "above", values.max()),
    ):
        if count:
            axes.bar(place, count, width, align="edge", color=RED)
            words += f"\n{count:,} {where}, to {end:.2g}"
    return words


NUMBERED = 20  # classes of which each number can be read


def confusion_matrix(confusion: Any, names: Iterable[str] | None = None) -> Figure:
    """How often each true class (row) was predicted as each class (column); the colour shows the mistakes.

    Of more than 20 classes there is a scale of the colours in place of the numbers, which could not be read, and a line where the two agree.

    Args:
        confusion: (classes, classes) counts, or shares of them.
        names: of the classes (default: their numbers).

    Raises ``ShapeError`` for another shape, ``ValueError`` for another number of names, or for counts below zero or not finite.

    >>> from minigrad import plots
    >>> plots.confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"]).axes[0].get_title()
    '85.00% right, 3 of 20 wrong'
    """
    check("confusion_matrix", locals(), "names", names="a list")
    confusion = shown_array("confusion_matrix", "confusion", confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ShapeError(f"confusion_matrix: a square matrix of counts is needed, not {confusion.shape}")
    if not confusion.size or all_finite("confusion_matrix", "confusion", confusion).min() < 0:
        raise ValueError(f"confusion_matrix: counts must be 0 or above, and not missing, but are {shown(confusion)}")
    classes = len(confusion)
    labels = class_names("confusion_matrix", names, classes)
    written = (lambda count: f"{count:,.0f}") if (confusion == np.rint(confusion)).all() else (lambda share: f"{share:.2f}")
    few = classes <= NUMBERED
    side = max(4.2, (0.6 if few else 0.2) * classes + (1.2 if few else 2.4))
    beside = 0.08 * max(0, max(map(len, labels)) - 8)  # inches that long names take: the title has the width of the matrix
    figure = new_figure(side + beside, side - 0.6 + beside)
    axes = figure.subplots()
    mistakes = confusion * (1 - np.eye(classes, dtype=int))
    picture = axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=(mistakes.max() or 1) * (1.4 if few else 1))  # lighter below numbers
    if not few:
        figure.colorbar(picture, ax=axes, shrink=0.8, label="wrong")
        axes.plot((-0.5, classes - 0.5), (-0.5, classes - 0.5), color=BLUE, linewidth=0.8, alpha=0.5)
    for i, row in enumerate(confusion if few else ()):
        for j, count in enumerate(row):
            if count:
                right = i == j
                look: dict[str, Any] = {"color": BLUE if right else "black", "fontweight": "bold" if right else "normal"}
                axes.text(j, i, written(count), ha="center", va="center", fontsize=9, **look)
    turned: dict[str, Any] = {"rotation": 40, "ha": "right"} if max(map(len, labels), default=0) > 2 else {}
    axes.set_xticks(range(classes), labels, **turned)
    axes.set_yticks(range(classes), labels)
    share = confusion.trace() / (confusion.sum() or 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"{share:.2%} right, {written(mistakes.sum())} of {written(confusion.sum())} wrong")
    return figure
