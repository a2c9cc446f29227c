"""The weights of dense layers: as images where they multiply pixels, as bars where they multiply hidden neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check, whole
from minigrad.plots.canvas import BLUE, RED, all_finite, class_names, new_figure, shown_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _as_images(name: str, weight: Any, shape: Sequence[int]) -> np.ndarray:
    """(out, C, H, W) with values from -1 to 1."""
    weight = shown_array(name, "weight", weight)
    if not isinstance(shape, Sequence) or len(shape) != 3 or shape[0] not in (1, 3):
        raise ShapeError(f"{name}: shape is (1, H, W) or (3, H, W), not {shape!r}")
    if weight.ndim != 2 or weight.shape[1] != np.prod(shape):
        raise ShapeError(
            f"{name}: weight {weight.shape} has no rows of {np.prod(shape)} numbers, one for each value of an image {tuple(shape)}"
        )
    if not all_finite(name, "weight", weight).size:
        raise ShapeError(f"{name}: weight {weight.shape} is empty")
    return weight.reshape(-1, *shape) / np.abs(weight).max(initial=1e-12)


def _show(axes: Any, image: np.ndarray) -> None:
    if len(image) == 3:  # grey is zero; each image is scaled by its own maximum, because colours are harder to see than red and blue
        axes.imshow(np.moveaxis(0.5 + 0.5 * image / np.abs(image).max(initial=1e-12), 0, -1))
    else:
        axes.imshow(image[0], cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set(xticks=[], yticks=[])


def weight_images(weight: Any, shape: Sequence[int], names: Sequence[str] | None = None, columns: int = 5) -> Figure:
    """The weights of each neuron of a dense layer, in the shape of the image that they multiply.

    One channel: blue where a bright pixel counts against the neuron, red where it counts for it, all on one scale. Three channels: in
    colour, where grey is zero, each image on its own scale.

    Args:
        weight: (out, C * H * W), a layer's ``weight``.
        shape: (C, H, W) of the images, C being 1 or 3.
        names: of the neurons (default: their numbers).
        columns: images in a row.

    Raises:
        ShapeError: rows that do not fit the shape, or none.
        ValueError: a wrong number of names, or weights that are not finite.

    >>> import minigrad as mg
    >>> from minigrad import plots
    >>> [axes.get_title() for axes in plots.weight_images(mg.randn(3, 16), (1, 4, 4), "abc").axes]
    ['a', 'b', 'c']
    """
    check("weight_images", locals(), "names", names="a list", columns=1)
    images = _as_images("weight_images", weight, shape)
    titles = class_names("weight_images", names, len(images), "neurons")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(1.7 * columns, 1.95 * rows)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, image, title in zip(cells, images, titles, strict=False):
        _show(axes, image)
        axes.set_title(title, fontsize=10)
    for axes in cells[len(images) :]:
        axes.remove()
    return figure


def weight_bars(
    first: Any, second: Any, shape: Sequence[int], outputs: Sequence[int] = (0, 1), names: Sequence[str] | None = None
) -> Figure:
    """A network of two dense layers: the hidden neurons as images, and below each its weights for some of the outputs.

    Args:
        first: (hidden, C * H * W), the first layer's ``weight``, drawn as :func:`weight_images` does.
        second: (classes, hidden), the second layer's ``weight``, drawn as bars on one scale: red for, blue against.
        shape: (C, H, W) of the images.
        outputs: the rows of ``second`` to draw, one below the other.
        names: of all classes (default: their numbers).

    Raises:
        ShapeError: layers whose sizes do not match, or rows that do not fit the shape.
        IndexError: an output that the second layer does not have.
        ValueError: a wrong number of names, or weights that are not finite.

    >>> import minigrad as mg
    >>> from minigrad import plots
    >>> figure = plots.weight_bars(mg.randn(5, 16), mg.randn(3, 5), (1, 4, 4))
    >>> len(figure.axes), figure.axes[5].get_ylabel()  # five images, then two rows of bars
    (7, 'class 0')
    """
    check("weight_bars", locals(), "names", outputs="a list", names="a list")
    images, second = (
        _as_images("weight_bars", first, shape),
        all_finite("weight_bars", "second", shown_array("weight_bars", "second", second)),
    )
    hidden = len(images)
    if second.ndim != 2 or second.shape[1] != hidden:
        raise ShapeError(f"weight_bars: second is (classes, {hidden}), as the first layer has {hidden} neurons, not {second.shape}")
    called = class_names("weight_bars", names, len(second))
    outputs = [whole("weight_bars", "outputs", i) for i in outputs]
    if outside := [i for i in outputs if not 0 <= i < len(second)]:
        raise IndexError(f"weight_bars: output {outside[0]} is outside the {len(second)} classes")
    figure = new_figure(1.05 * hidden + 0.7, 1.2 + 1.15 * len(outputs))
    grid = figure.add_gridspec(1 + len(outputs), hidden, height_ratios=[1.0, *[1.1] * len(outputs)])
    for i, image in enumerate(images):
        axes = figure.add_subplot(grid[0, i])
        _show(axes, image)
        axes.set_title(f"neuron {i}", fontsize=8)
    largest = 1.1 * np.abs(second[list(outputs)]).max(initial=1e-12)
    for row, output in enumerate(outputs, 1):
        axes = figure.add_subplot(grid[row, :])
        axes.bar(range(hidden), second[output], color=[RED if w > 0 else BLUE for w in second[output]], width=0.6)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(xlim=(-0.5, hidden - 0.5), ylim=(-largest, largest), xticks=[])
        axes.set_ylabel(f"class {output}" if names is None else called[output], fontsize=9)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure
