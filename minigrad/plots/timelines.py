"""Sound over time: waveforms, spectrograms, scores and names of segments, one below the other on a common axis of seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.arguments import check
from minigrad.plots.canvas import BLUE, by_name, named_arrays, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _segments(axes: Any, steps: np.ndarray, names: Sequence[str], seconds: float) -> None:
    """Runs of the same number as coloured boxes with a name."""
    from matplotlib import colormaps

    ends = [*np.flatnonzero(np.diff(steps)) + 1, len(steps)]
    start = 0
    for end in ends:
        name, left, right = names[steps[start]], start / len(steps) * seconds, end / len(steps) * seconds
        blank = not name.strip("- ")
        axes.axvspan(left, right, color="#eeeeee" if blank else colormaps["tab20"](sum(map(ord, name)) % 20), alpha=0.55, linewidth=0)
        if not blank and right - left > 0.004 * seconds * len(name):  # a name that is wider than its box is left out
            axes.text((left + right) / 2, 0.5, name, ha="center", va="center", fontsize=9, clip_on=True)
        start = end
    axes.set(yticks=[], ylim=(0, 1))


def timeline(
    rows: Mapping[str, Any],
    seconds: float,
    *,
    names: Mapping[str, Sequence[str]] | None = None,
    highest: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Rows over the same seconds, from top to bottom, each with its name at the left.

    Args:
        rows: name -> a waveform (L,); a heat map (B, T) such as a spectrogram, its first band at the bottom; or whole numbers (T,), drawn as
            segments of equal numbers.
        seconds: the length of all rows.
        names: row -> a name for each number of its segments (default: the numbers), or for each band of its heat map.
        highest: row -> the frequency in Hz of the last band of its heat map, for an axis from 0 Hz.
        title: text above all rows.

    Raises:
        ValueError: no rows, names or frequencies for an unknown row, or too few names.
        ShapeError: a row of another shape.
        TypeError: ``rows`` is not a dict.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.timeline({"wave": np.sin(np.arange(100.0)), "vowel": np.array([0, 0, 1])}, 0.5, names={"vowel": "ai"})
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['a', 'i']
    """
    check("timeline", locals(), "names highest", seconds="above 0", names="a dict", highest="a dict", title="a text")
    arrays = named_arrays("timeline", "rows", rows)
    names, highest = by_name(names), by_name(highest)
    for what, given in (("names", names), ("highest", highest)):
        if strangers := set(given) - set(arrays):
            raise ValueError(f"timeline: {what} for {', '.join(sorted(strangers))}, but the rows are {', '.join(arrays)}")
    for name, array in arrays.items():
        if array.ndim not in (1, 2) or not array.size:
            raise ShapeError(f"timeline: {name} must be (L,) or (B, T), and not empty, but its shape is {array.shape}")
        numbers = array.shape[0] if array.ndim == 2 else array.max() + 1 if array.dtype.kind in "iu" else 0
        if array.ndim == 1 and array.dtype.kind in "iu" and array.min() < 0:
            raise ValueError(f"timeline: {name} has a number below 0, which has no name")
        if name in names and len(names[name]) < numbers:
            raise ValueError(f"timeline: {len(names[name])} names for the {numbers} numbers of {name}")
    heights = [1.5 if a.ndim == 2 else 0.35 if a.dtype.kind in "iu" else 0.8 for a in arrays.values()]
    figure = new_figure(8.6, 0.95 * sum(heights) + 0.09 * len(heights) + (0.9 if title else 0.6))
    cells = figure.subplots(len(arrays), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, array) in zip(cells, arrays.items(), strict=True):
        own = names.get(name)
        if array.ndim == 2:
            top = highest.get(name, float(len(array)))
            axes.imshow(array, origin="lower", aspect="auto", cmap="magma", extent=(0, seconds, 0, top), interpolation="nearest")
            if own:
                axes.set_yticks(np.arange(len(array)) + 0.5, own, fontsize=8)
            elif name in highest:
                axes.set_yticks([0, top / 2, top], [f"{v:,.0f} Hz" for v in (0, top / 2, top)], fontsize=8)
            else:
                axes.set_yticks([])
        elif array.dtype.kind in "iu":
            _segments(axes, array, own or [str(i) for i in range(int(array.max()) + 1)], seconds)
        else:
            axes.plot(np.arange(len(array)) / len(array) * seconds, array, color=BLUE, linewidth=0.5)
            axes.set_yticks([])
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, labelpad=10)
        axes.spines[["top", "right"]].set_visible(False)
    cells[-1].set(xlim=(0, seconds), xlabel="seconds")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure
