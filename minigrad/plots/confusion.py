"""The confusion matrix as an interactive page: one HTML file for any browser, with the images that are in each cell."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.files.html import Page, staged
from minigrad.files.png import png
from minigrad.ops.arguments import check, shown
from minigrad.plots.canvas import named_arrays, shown_array

LANGUAGES = ("en", "ja")
TOP = 5  # classes whose probabilities are shown for an image
COLUMNS = 64  # images in a row of the sheet that holds them all


def confusion_page(
    images: Any,
    targets: Any,
    outputs: Mapping[str, Any],
    names: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    *,
    title: str = "",
    most: int = 40,
) -> Page:
    """How often each true class (row) was predicted as each class (column); a click on a cell shows the images in it.

    The page is one file that needs no network. It can switch between networks, between English and Japanese, and between light and dark
    colours. Cells can be reached with the arrow keys. An image shows the likeliest classes and their probabilities, for each network.

    Args:
        images: (N, 3, H, W), (N, 1, H, W) or (N, H, W), uint8 or numbers from 0 to 1 (others are clipped).
        targets: (N,) the true classes.
        outputs: name of a network -> (N, classes), what it gives for the images, as for ``cross_entropy``: the largest is the prediction, and
            softmax makes probabilities of them.
        names: of the classes (default: their numbers); or a dict with a list for each of the languages ``"en"`` and ``"ja"``.
        title: the page's.
        most: the largest number of images in a cell: those that the network is most certain about.

    Returns:
        A :class:`minigrad.files.html.Page`: ``save("confusion.html")`` writes it, a notebook shows it.

    Raises:
        ShapeError: arrays of other shapes, or of different lengths.
        IndexError: a true class that is none of the outputs' classes.
        ValueError: another number of names than classes, a language that the page does not speak, outputs that are not finite, or none.
        TypeError: ``outputs`` is not a dict, or targets are not integers.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> scores = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 0.5]])
    >>> page = plots.confusion_page(np.zeros((3, 1, 8, 8)), np.array([0, 1, 1]), {"dense": scores}, ["cat", "dog"])
    >>> "<table" in page.html
    True
    """
    check("confusion_page", locals(), most=1, title="a text")
    pixels = _pixels(shown_array("confusion_page", "images", images))
    target = shown_array("confusion_page", "targets", targets)
    if target.dtype.kind not in "iu":
        raise TypeError(f"confusion_page: targets must be integers, but are {target.dtype.name}")
    target = target.astype(np.int64)  # places of cells do not fit into uint8
    scores = {name: given.astype(np.float64) for name, given in named_arrays("confusion_page", "outputs", outputs).items()}
    for name, given in scores.items():
        if target.ndim != 1 or given.ndim != 2 or not given.shape[1] or not len(pixels) == len(target) == len(given):
            raise ShapeError(
                f"confusion_page: N images, targets (N,) and outputs (N, classes) are needed, "
                f"not {len(pixels)} images, {target.shape} and {given.shape} of {name!r}"
            )
        if not np.isfinite(given).all():
            raise ValueError(f"confusion_page: the outputs of {name!r} must be finite")
    classes = next(iter(scores.values())).shape[1]
    if different := [f"{name!r} {given.shape[1]}" for name, given in scores.items() if given.shape[1] != classes]:
        raise ShapeError(f"confusion_page: each of the outputs has {classes} classes like the first, but {', '.join(different)}")
    if len(target) and not 0 <= target.min() <= target.max() < classes:
        raise IndexError(f"confusion_page: targets from {target.min()} to {target.max()} are not all among the {classes} classes")
    labels = _labels(names, classes)

    networks = [_network(name, given, target, most) for name, given in scores.items()]
    seen = sorted({i for network in networks for cell in network["cells"].values() for i in cell})
    place = {image: tile for tile, image in enumerate(seen)}
    for network in networks:
        network["cells"] = {cell: [place[i] for i in found] for cell, found in network["cells"].items()}
        network["likely"] = [network["likely"][i] for i in seen]
    height, width = pixels.shape[1:3]
    data = {
        "title": title,
        "names": labels,
        "height": height,
        "width": width,
        "columns": COLUMNS,
        "sheet": "data:image/png;base64," + base64.b64encode(png(_sheet(pixels[seen]))).decode(),
        "targets": target[seen].tolist(),
        "numbers": seen,
        "networks": networks,
    }
    return staged("minigrad.plots/confusion.html", title or "confusion matrix", data)


def _pixels(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 1 or 3)."""
    shape = images.shape
    if not (images.ndim == 3 or (images.ndim == 4 and shape[1] in (1, 3))) or not all(shape[-2:]):
        raise ShapeError(f"confusion_page: images must be (N, 3, H, W), (N, 1, H, W) or (N, H, W), not {shape}")
    images = images[:, None] if images.ndim == 3 else images
    if images.dtype != np.uint8:
        images = (np.clip(np.nan_to_num(images.astype(np.float64)), 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.moveaxis(images, 1, -1)


def _labels(names: Any, classes: int) -> dict[str, list[str]]:
    """The names of the classes in each language."""
    if names is None:
        names = [str(i) for i in range(classes)]
    if isinstance(names, str) or not isinstance(names, (Mapping, Sequence)):
        raise TypeError(f"confusion_page: names must be a list, or a dict of language -> list, but is {shown(names)}")
    given = names if isinstance(names, Mapping) else dict.fromkeys(LANGUAGES, names)
    if not set(given) <= set(LANGUAGES) or not given:
        raise ValueError(f"confusion_page: names are in the languages {' and '.join(map(repr, LANGUAGES))}, not {shown(list(given))}")
    for language, found in given.items():
        if len(found) != classes:
            raise ValueError(f"confusion_page: {len(found)} names ({language}) for {classes} classes")
    first = next(iter(given.values()))
    return {language: [str(name) for name in given.get(language, first)] for language in LANGUAGES}


def _network(name: str, outputs: np.ndarray, target: np.ndarray, most: int) -> dict[str, Any]:
    """Its counts, the images of each cell that has some (the most certain first), and for each image the likeliest classes in thousandths."""
    classes = outputs.shape[1]
    exponents = np.exp(outputs - outputs.max(1, keepdims=True))
    probabilities = exponents / exponents.sum(1, keepdims=True)
    predicted = outputs.argmax(1)
    counts = np.bincount(target * classes + predicted, minlength=classes**2).reshape(classes, classes)
    order = np.argsort(-probabilities.max(1), kind="stable") if len(target) else np.arange(0)
    cells: dict[str, list[int]] = {}
    for i in order.tolist():
        cell = cells.setdefault(f"{target[i]},{predicted[i]}", [])
        if len(cell) < most:
            cell.append(i)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    thousandths = np.rint(np.take_along_axis(probabilities, best, 1) * 1000).astype(int)
    return {"name": name, "counts": counts.tolist(), "cells": cells, "likely": np.stack([best, thousandths], 2).tolist()}


def _sheet(tiles: np.ndarray) -> np.ndarray:
    """All tiles (N, H, W, C) in one image, row by row: (height, width, 3), or of one channel (height, width)."""
    n, height, width, channels = tiles.shape
    rows = max(-(-n // COLUMNS), 1)
    filler = np.zeros((rows * COLUMNS - n, height, width, channels), np.uint8)
    grid = np.concatenate([tiles, filler]).reshape(rows, COLUMNS, height, width, channels)
    sheet = grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, COLUMNS * width, channels)
    return sheet if channels == 3 else sheet[..., 0]
