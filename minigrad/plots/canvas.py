"""The parts that all plots share: an empty figure, colours, an image in matplotlib's layout, and arrays by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import shown
from minigrad.tree import array_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, RED, GREY = "#2c6fbb", "#c8442f", "#666666"
# The brightness of what as_picture returns; matplotlib's own scale makes the least of a picture its lowest colour.
SCALE: dict[str, Any] = {"vmin": 0.0, "vmax": 1.0}


def new_figure(width: float, height: float) -> Figure:
    """An empty matplotlib figure of this size in inches, without a window; a notebook shows it."""
    from minigrad.plots.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def as_picture(image: np.ndarray, name: str = "plots") -> np.ndarray:
    """The image (C, H, W), a batch of one, or (H, W), in the layout of matplotlib and with values from 0 to 1.

    Raises ``ShapeError`` for another or an empty one, ``ValueError`` for one that is not finite.
    """
    image = np.asarray(image, dtype=float)
    image = image[0] if image.ndim == 4 and len(image) == 1 else image
    if image.ndim == 3:
        image = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1) if image.shape[0] in (3, 4) else image.mean(0)
    if image.ndim != 2 and image.ndim != 3:
        raise ShapeError(f"{name}: an image must be (H, W) or (C, H, W), not {image.shape}")
    if not image.size:
        raise ShapeError(f"{name}: an image of {image.shape} is empty")
    all_finite(name, "image", image)
    low, high = image.min(initial=0.0), image.max(initial=1.0)
    return (image - low) / (high - low)


def shown_array(function: str, argument: str, given: Any) -> np.ndarray:
    """The array of a Tensor, or of anything that numpy takes for numbers. Raises ``TypeError`` for what is none."""
    try:
        array = np.asarray(array_of(given))
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{function}: {argument} must be an array of numbers, but is {shown(given)}")
    return array


def all_finite(function: str, argument: str, array: np.ndarray) -> np.ndarray:
    """``array`` itself. Raises ``ValueError`` for one with infinite numbers or NaN, and says how many."""
    if strange := array.size - int(np.isfinite(array).sum()):
        raise ValueError(f"{function}: {argument} must be finite, but {strange:,} of its {array.size:,} numbers are not")
    return array


def class_names(function: str, names: Iterable[Any] | None, count: int, of: str = "classes") -> list[str]:
    """The names as texts, or numbers where there are none. Raises ``ValueError`` unless there are ``count``.

    >>> from minigrad.plots.canvas import class_names
    >>> class_names("saliency", None, 3)
    ['0', '1', '2']
    """
    found = [str(name) for name in (range(count) if names is None else names)]
    if len(found) != count:
        raise ValueError(f"{function}: {len(found)} names for {count} {of}")
    return found


def by_name(given: Mapping[Any, Any] | None) -> dict[str, Any]:
    """A dict whose keys are texts; an empty one for None."""
    return {str(name): value for name, value in (given or {}).items()}


def named_arrays(function: str, argument: str, given: Any) -> dict[str, np.ndarray]:
    """The arrays of a dict of name -> array or Tensor.

    Raises ``TypeError`` for anything but a dict, ``ValueError`` for an empty one.

    >>> from minigrad.plots.canvas import named_arrays
    >>> named_arrays("lines", "curves", {"squares": [1, 4, 9]})
    {'squares': array([1, 4, 9])}
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{function}: {argument} must be a dict of name -> array, not {type(given).__name__}")
    if not given:
        raise ValueError(f"{function}: {argument} is empty: there is nothing to show")
    return {str(name): shown_array(function, f"{argument}[{name!r}]", value) for name, value in given.items()}
