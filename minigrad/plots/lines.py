"""Curves over a common axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check
from minigrad.plots.canvas import named_arrays, new_figure, shown_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(x: Any, curves: Mapping[str, Any], xlabel: str = "", ylabel: str = "", title: str = "", *, log: bool = False) -> Figure:
    """Curves by name over one axis, each with its name at its end.

    Args:
        x: (N,) numbers.
        curves: name -> (N,) numbers.
        xlabel, ylabel, title: the text at each place.
        log: a logarithmic axis for the values.

    Raises:
        ValueError: no curves, or one without numbers; with ``log``, one that is not above 0.
        ShapeError: a curve that is not as long as ``x``.
        TypeError: ``curves`` is not a dict.

    >>> from minigrad import plots
    >>> figure = plots.lines([1, 2, 3], {"squares": [1, 4, 9], "cubes": [1, 8, 27]}, "n")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['squares', 'cubes']
    """
    check("lines", locals(), xlabel="a text", ylabel="a text", title="a text", log="True or False")
    x = shown_array("lines", "x", x)
    arrays = named_arrays("lines", "curves", curves)
    for name, array in arrays.items():
        if x.ndim != 1 or array.shape != x.shape:
            raise ShapeError(f"lines: {name} {array.shape} is not a number for each of x {x.shape}")
        if not array.size:
            raise ValueError(f"lines: {name} has no numbers: there is nothing to draw")
        if log and (array <= 0).any():
            raise ValueError(f"lines: log=True has a place for numbers above 0 only, and {name} goes down to {np.nanmin(array):g}")
    figure = new_figure(6.4, 3.6)
    axes = figure.subplots()
    ends = []
    for name, array in arrays.items():
        (line,) = axes.plot(x, array, "o-", markersize=4)
        ends.append((float(array[-1]), name, line.get_color()))
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, yscale="log" if log else "linear")
    if x.dtype.kind in "iu":
        axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    low, high = (np.log(v) if log else np.asarray(v) for v in axes.get_ylim())
    room, last = 0.06 * float(high - low), -np.inf  # names keep a minimum distance; the lowest is at the end of its curve
    places = {}
    for value, name, colour in sorted(ends):
        last = max(float(np.log(value) if log else value), last + room)
        places[name] = (float(np.exp(last) if log else last), colour)
    for name in arrays:
        place, colour = places[name]
        axes.annotate(
            name, (x[-1], place), textcoords="offset points", xytext=(8, 0), va="center", color=colour, fontsize=9, annotation_clip=False
        )
    return figure
