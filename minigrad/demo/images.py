"""The images and filters that the demos show when none are given, and what is given in the form of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.files.html import encoded
from minigrad.nn.data import MNIST
from minigrad.plots.canvas import named_arrays

FILTERS: dict[tuple[str, str], list[list[float]]] = {  # (English, Japanese) name -> filter
    ("vertical edge", "縦のエッジ"): [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],  # Sobel's, as the next
    ("horizontal edge", "横のエッジ"): [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    ("diagonal ╲", "斜め ╲"): [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]],
    ("diagonal ╱", "斜め ╱"): [[-1, -1, 2], [-1, 2, -1], [2, -1, -1]],
    ("mean", "平均"): [[1 / 9] * 3] * 3,
    ("Gaussian", "ガウシアン"): [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    ("sharpen", "鮮鋭化"): [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    ("emboss", "エンボス"): [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    ("Laplacian", "ラプラシアン"): [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    ("shift", "ずらす"): [[0, 0, 0], [1, 0, 0], [0, 0, 0]],
    ("mean 5×5", "平均 5×5"): [[1 / 25] * 5] * 5,
}


def digits(count: int = 6) -> dict[str, np.ndarray]:
    """One image (28, 28) from 0 to 1 of each of some digits, from the sample of MNIST's test set.

    >>> from minigrad.demo.images import digits
    >>> {name: image.shape for name, image in digits(2).items()}
    {'2': (28, 28), '3': (28, 28)}
    """
    sample = MNIST(train=False)
    chosen = [2, 3, 4, 7, 5, 8, 0, 1, 6, 9][:count]
    return {str(k): sample.images[np.flatnonzero(sample.labels == k)[3]] / 255 for k in chosen}


def grey(function: str, images: Any, least: int = 1) -> list[dict[str, Any]]:
    """A dict of name -> (H, W) or (1, H, W), by default some digits, as data of a page. Raises ``ShapeError`` for another shape."""
    found = []
    for name, array in named_arrays(function, "images", digits() if images is None else images).items():
        image = array[0] if array.ndim == 3 and len(array) == 1 else array
        if image.ndim != 2 or min(image.shape) < least:
            raise ShapeError(f"{function}: image {name!r} must be (H, W) or (1, H, W), {least} or more each, not {array.shape}")
        if not np.isfinite(image).all():
            raise ValueError(f"{function}: image {name!r} must be finite")
        most, least_value = float(np.abs(image).max()), float(image.min())
        found.append(
            {
                "name": name,
                "rows": image.shape[0],
                "columns": image.shape[1],
                "values": encoded(image),
                "most": most or 1.0,
                "signed": least_value < 0,
            }
        )
    return found


def square_filters(function: str, filters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A dict of name -> (k, k) with k odd and at most 7, by default :data:`FILTERS`, as data of a page."""
    if filters is None:
        return [{"name": {"en": en, "ja": ja}, "values": values} for (en, ja), values in FILTERS.items()]
    found = []
    for name, array in named_arrays(function, "filters", filters).items():
        if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] not in (1, 3, 5, 7):
            raise ShapeError(f"{function}: filter {name!r} must be (k, k) with k = 1, 3, 5 or 7, not {array.shape}")
        found.append({"name": name, "values": array.astype(float).tolist()})
    return found
