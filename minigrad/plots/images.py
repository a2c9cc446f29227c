"""Pictures side by side, each under its name."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check, shown
from minigrad.plots.canvas import RED, all_finite, by_name, named_arrays, new_figure, shown_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def images(
    pictures: Mapping[str, Any],
    columns: int = 5,
    *,
    colours: str = "gray",
    signed: bool = False,
    boxes: Mapping[str, Sequence[tuple[float, float, float, float]]] | None = None,
    size: float = 2.0,
    title: str = "",
) -> Figure:
    """Pictures in rows, each with its name above it.

    Args:
        pictures: name -> (H, W), (1, H, W), or (3, H, W) in colour with values from 0 to 1 (or uint8); or a batch of one. How many numbers are
            not finite is written in a picture that has such.
        columns: pictures in a row.
        colours: matplotlib's colormap for pictures of one channel, each scaled from its own minimum to its own maximum.
        signed: instead, use one scale for all, from blue (below zero) to red (above).
        boxes: name -> rectangles (top, left, height, width) in pixels to draw on that picture.
        size: width of a picture, in inches.
        title: text above all pictures.

    Raises:
        ValueError: no pictures, boxes for an unknown name, or boxes that are not finite, which could not be seen.
        ShapeError: an array of another shape.
        TypeError: ``pictures`` is not a dict.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.images({"noise": np.eye(4), "signal": np.ones((3, 4, 4))})
    >>> [axes.get_title() for axes in figure.axes]
    ['noise', 'signal']
    """
    check("images", locals(), "boxes", columns=1, colours="a name", signed="True or False", boxes="a dict", size="above 0", title="a text")
    frames = {name: shown_array("images", f"boxes[{name!r}]", given) for name, given in by_name(boxes).items()}
    return _in_rows("images", named_arrays("images", "pictures", pictures), columns, colours, signed, frames, size, title)


def _in_rows(
    function: str, arrays: dict[str, np.ndarray], columns: int, colours: str, signed: bool, frames: dict[str, Any], size: float, title: str
) -> Figure:
    """What :func:`images` draws, for ``function``."""
    arrays = {name: array[0] if array.ndim == 4 and len(array) == 1 else array for name, array in arrays.items()}
    if strangers := set(frames) - set(arrays):
        raise ValueError(f"{function}: boxes for {', '.join(sorted(strangers))}, but the pictures are {', '.join(arrays)}")
    for name, array in arrays.items():
        if not (array.ndim == 2 or (array.ndim == 3 and len(array) in (1, 3))) or not array.size:
            raise ShapeError(f"{function}: {name} must be (H, W), (1, H, W) or (3, H, W), and not empty, but is {array.shape}")
    for name, given in frames.items():
        if given.size and given.shape[1:] != (4,):
            raise ShapeError(f"{function}: boxes of {name} must be (N, 4), each (top, left, height, width), not {given.shape}")
        all_finite(function, f"boxes of {name}", given)
    from matplotlib import colormaps

    if colours not in colormaps:
        raise ValueError(f"{function}: colours must be the name of a colormap of matplotlib, as 'viridis', but is {colours!r}")
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    height, width = next(iter(arrays.values())).shape[-2:]
    tall = min(max(height / width, 0.1), 2.5)
    titles = {name: textwrap.fill(name, max(6, int(13 * size))) for name in arrays}  # beside one another, long ones would overlap
    lines = max(text.count("\n") for text in titles.values())
    figure = new_figure(size * columns, (size * tall + 0.3 + 0.15 * lines) * rows + (0.4 if title else 0))
    numbers = {name: array[np.isfinite(array)] for name, array in arrays.items()}
    largest = max(float(np.abs(finite).max(initial=1e-12)) for finite in numbers.values())
    scale: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if signed else {"cmap": colours}
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, array) in zip(cells, arrays.items(), strict=False):
        if array.ndim == 3 and len(array) == 3:
            picture = np.moveaxis(array, 0, -1)
            axes.imshow(picture if array.dtype == np.uint8 else np.clip(picture, 0, 1))
        else:
            axes.imshow(array.reshape(array.shape[-2:]), **(scale if signed else scale | _limits(numbers[name])))
        if strange := array.size - numbers[name].size:
            axes.text(0.5, 0.02, f"{strange:,} not finite", transform=axes.transAxes, ha="center", va="bottom", fontsize=8, color=RED)
        axes.set_title(titles[name], fontsize=9)
        axes.set(xticks=[], yticks=[])
        for top, left, high, wide in frames.get(name, ()):
            from matplotlib.patches import Rectangle

            axes.add_patch(Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, edgecolor=RED, linewidth=2))
    for axes in cells[len(arrays) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _limits(numbers: np.ndarray) -> dict[str, float]:
    """The scale of a picture of one brightness, which has no darkest and lightest pixel: from 0 to 1, if it lies there."""
    if numbers.size and numbers.min() == numbers.max() and 0 <= numbers.min() <= 1:
        return {"vmin": 0.0, "vmax": 1.0}
    return {}


def detections(
    pictures: Sequence[Any], found: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None, columns: int = 4, *, size: float = 2.0
) -> Figure:
    """Pictures with what was found in them: boxes with class and score, masks as veils, a colour for each class.

    Args:
        pictures: each as :func:`images` takes it.
        found: for each picture a dict with ``boxes`` (N, 4) (left, top, right, bottom), ``labels`` (N,), and if there are any ``scores`` (N,)
            and ``masks`` (N, H, W); or with ``masks`` alone, one for each class and N of them.
        names: of the classes; without them their numbers are written.
        columns: pictures in a row.
        size: width of a picture, in inches.

    Raises:
        ValueError: not as many dicts as pictures, or boxes or labels that are not finite.
        ShapeError: boxes, labels, scores or masks that do not go together.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.detections([np.eye(8)], [{"boxes": [[1, 2, 5, 6]], "labels": [0], "scores": [0.9]}], ["cat"])
    >>> figure.axes[0].texts[0].get_text()
    'cat 0.90'
    """
    check("detections", locals(), "names", pictures="a list", found="a list", names="a list", columns=1, size="above 0")
    pictures, found = list(pictures), list(found)
    called = None if names is None else [str(name) for name in names]
    if strange := [one for one in found if not isinstance(one, Mapping)]:
        raise TypeError(f"detections: found must have a dict for each picture, but has {shown(strange[0])}")
    if len(pictures) != len(found):
        raise ValueError(f"detections: {len(pictures)} pictures have as many dicts of what was found, not {len(found)}")
    if not pictures:
        raise ValueError("detections: pictures is empty: there is nothing to show")
    arrays = {f"pictures[{i}]": shown_array("detections", f"pictures[{i}]", one) for i, one in enumerate(pictures)}
    figure = _in_rows("detections", arrays, columns, "gray", False, {}, size, "")
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    for axes, one in zip(figure.axes, found, strict=True):
        axes.set_title("")
        arrays = {key: shown_array("detections", key, one[key]) for key in ("boxes", "labels", "scores", "masks") if key in one}
        side = axes.images[0].get_size()
        masks, boxes = arrays.get("masks", np.empty((0, *side))), arrays.get("boxes", np.empty((0, 4)))
        boxes = boxes.reshape(-1, 4) if not boxes.size else boxes
        labels = arrays.get("labels", np.arange(len(masks)))
        scores = arrays.get("scores", np.full(len(labels), np.nan))
        if (
            boxes.shape[1:] != (4,) or masks.shape[1:] != side or labels.ndim != 1 or scores.ndim != 1 or len(scores) != len(labels)
            or any(len(array) not in (0, len(labels)) for array in (boxes, masks))
        ):  # fmt: skip
            raise ShapeError(
                f"detections: boxes (N, 4), labels (N,), scores (N,) and masks (N, H, W) do not go together: {boxes.shape}, {labels.shape}, "
                f"{scores.shape}, {masks.shape}, for a picture of {side}"
            )
        for key, array in (("boxes", boxes), ("labels", labels)):
            all_finite("detections", key, array)
        if called is not None and len(labels) and not 0 <= labels.min() <= labels.max() < len(called):
            raise ValueError(f"detections: names has {len(called)} names, which is none for label {int(labels[np.argmax(abs(labels))])}")
        colours = [colormaps["tab10"](int(label) % 10) for label in labels]
        for mask, colour in zip(masks, colours, strict=False):
            veil = np.zeros((*mask.shape, 4))
            veil[...] = colour
            veil[..., 3] = 0.65 * (mask > 0.5)
            axes.imshow(veil)
        for (left, top, right, bottom), label, score, colour in zip(boxes, labels, scores, colours, strict=False):
            axes.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.5))
            text = (str(int(label)) if called is None else called[int(label)]) + ("" if np.isnan(score) else f" {score:.2f}")
            inside = top < 6  # no room above the box
            axes.text(left, top if inside else top - 1, text, fontsize=9, color="white", va="top" if inside else "bottom",
                      bbox={"facecolor": colour, "edgecolor": "none", "pad": 1})  # fmt: skip
    return figure
