"""The feature maps of a convolutional network, drawn as boxes: their height, width and number."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check, whole
from minigrad.plots.canvas import SCALE, as_picture, new_figure, shown_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACES = ("#dbe7f5", "#b5cbe8", "#8fb0d9")  # front, top, side
THIN = 0.5  # the width of a column of neurons, and the least of a map's sides
SLANT = np.array([0.62, 0.38])  # how far right and up one step of depth is drawn


def volumes(shapes: Sequence[Sequence[int]], between: Sequence[str] | None = None, faces: Sequence[Any] | None = None) -> Figure:
    """Boxes from left to right, one for each volume (channels, height, width), in oblique projection.

    Height and width are to scale, though never so small that 1×1 is a line; the depth grows with the channels, more slowly, so that 1 and 256
    fit on one page.

    Args:
        shapes: (channels, height, width) of each volume; (features,) is a column of neurons.
        between: the layer between each volume and the next, to write on the arrow.
        faces: for each volume an image to show on its front, or None.

    Raises:
        ShapeError: a shape of another kind.
        ValueError: a wrong number of arrows or of faces.

    >>> from minigrad import plots
    >>> figure = plots.volumes([(1, 28, 28), (8, 24, 24), (8, 12, 12)], ["8 filters of 5×5", "max pool 2×2"])
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['28×28×1', '24×24×8', '12×12×8', '8 filters\\nof 5×5', 'max pool\\n2×2']
    """
    check("volumes", locals(), "between faces", shapes="a list", between="a list", faces="a list")
    given = [shape if isinstance(shape, Sequence) and not isinstance(shape, str) else (shape,) for shape in shapes]
    sizes = [tuple(whole("volumes", "shapes", n) for n in shape) for shape in given]
    if not sizes or any(len(size) not in (1, 3) or min(size) < 1 for size in sizes):
        raise ShapeError(f"volumes: a shape is (channels, height, width) or (features,), not {sizes or 'missing'}")
    between, faces = None if between is None else list(between), None if faces is None else list(faces)
    for what in between or []:
        check("volumes", {"between": what}, between="a text")
    if between is not None and len(between) != len(sizes) - 1:
        raise ValueError(f"volumes: {len(between)} arrows for the {len(sizes) - 1} gaps between {len(sizes)} volumes")
    if faces is not None and len(faces) != len(sizes):
        raise ValueError(f"volumes: {len(faces)} faces for {len(sizes)} volumes")
    tallest = max((size[1] for size in sizes if len(size) == 3), default=1)
    unit = 10 / tallest
    longest = max((size[0] for size in sizes if len(size) == 1), default=1)
    boxes = []  # width, height, depth on paper
    for size in sizes:
        if len(size) == 3:
            boxes.append((max(size[2] * unit, THIN), max(size[1] * unit, THIN), 0.35 + 0.75 * np.log2(size[0])))
        else:
            boxes.append((THIN, 3 + 6 * size[0] / longest, 0.35))
    gap, x, spots = 3.4, 0.0, []
    figure = new_figure(2, 2)
    axes = figure.subplots()
    for size, (w, h, d), face in zip(sizes, boxes, faces or [None] * len(sizes), strict=True):
        corner, back = np.array([x, -h / 2]), d * SLANT
        front = corner + [(0, 0), (w, 0), (w, h), (0, h)]
        top = np.array([front[3], front[2], front[2] + back, front[3] + back])
        side = np.array([front[1], front[2], front[2] + back, front[1] + back])
        for corners, colour in zip((front, top, side), FACES, strict=True):
            axes.fill(*corners.T, facecolor=colour, edgecolor="#33557a", linewidth=1, zorder=2)
        if face is not None:
            axes.imshow(
                as_picture(shown_array("volumes", "faces", face), "volumes"),
                **SCALE,
                cmap="gray_r",
                extent=(x, x + w, -h / 2, h / 2),
                zorder=3,
                aspect="auto",
            )
            axes.plot(*np.vstack([front, front[:1]]).T, color="#33557a", linewidth=1, zorder=4)
        label = "×".join(map(str, (*size[1:], size[0])))
        axes.text(x + (w + back[0]) / 2, -h / 2 - 0.5, label, ha="center", va="top", fontsize=10, fontweight="bold")
        spots.append((x, x + w + back[0], h))
        x += w + back[0] + gap
    for i, words in enumerate(between or []):
        start, end = spots[i][1] + 0.25, spots[i + 1][0] - 0.25
        axes.annotate("", (end, 0), (start, 0), arrowprops={"arrowstyle": "-|>", "color": "#666666", "lw": 1.3})
        parts = words.replace(" of ", "\nof ").replace(" pool ", " pool\n").splitlines()
        text = "\n".join(textwrap.fill(part, 13) for part in parts)
        axes.text((start + end) / 2, 0.35, text, ha="center", va="bottom", fontsize=8, color="#444444")
    high = max(h / 2 + d * SLANT[1] for _, h, d in boxes)
    low = max(h for _, h, _ in boxes) / 2 + 1.6
    axes.set(xlim=(-0.6, x - gap + 0.8), ylim=(-low, high + 0.5), aspect="equal")
    axes.set_axis_off()
    figure.set_size_inches(0.24 * (x - gap + 1.4), 0.24 * (low + high + 0.5))
    return figure
