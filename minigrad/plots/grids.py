"""Convolution cell by cell: numbers in grids, a window over an image with its sums, and the cells that each step uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.engine import ShapeError, wrap
from minigrad.ops.arguments import check
from minigrad.ops.conv import conv2d, conv_transpose2d
from minigrad.plots.canvas import all_finite, by_name, named_arrays, new_figure, shown_array
from minigrad.tree import array_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEEN, ANSWER, ZERO, PLAIN = "#ffe2a8", "#f3b6a6", "#eeeeee", "#ffffff"  # the window, its result, inserted zeros, other cells


def _number(value: float, largest: float = 1.0) -> str:
    """The text for a cell, beside ``largest``: what would be 0 or wider than its cell has an exponent, and what rounding left is 0."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    if np.isfinite(value) and (len(text) > 6 or (text in ("0", "-0") and abs(value) > 1e-6 * largest)):
        digits, exponent = f"{value:.1e}".split("e")
        text = f"{digits.removesuffix('.0')}e{int(exponent)}"
    return "0" if text == "-0" else text.replace("-", "−")


def _draw(axes: Any, matrix: np.ndarray, colours: np.ndarray, title: str = "", *, write: bool = True) -> None:
    """Draw a grid of cells (H, W) with names of colours (H, W); a cell with NaN is left blank."""
    from matplotlib.patches import Rectangle

    height, width = matrix.shape
    largest = float(np.abs(matrix, where=np.isfinite(matrix), out=np.zeros(matrix.shape)).max())
    for i, j in np.ndindex(height, width):
        zero = colours[i, j] == ZERO
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=colours[i, j], edgecolor="#777777", linewidth=0.8, linestyle=":" if zero else "-"))
        if write and not np.isnan(matrix[i, j]):
            axes.text(
                j + 0.5,
                i + 0.55,
                _number(float(matrix[i, j]), largest),
                ha="center",
                va="center",
                fontsize=9,
                color="#999999" if zero else "black",
            )
    axes.set(xlim=(-0.15, width + 0.15), ylim=(height + 0.15, -0.15), aspect="equal")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10)


def numbers(
    matrices: Mapping[str, Any], between: Sequence[str] | None = None, marked: Mapping[str, Iterable[tuple[int, int]]] | None = None
) -> Figure:
    """Matrices from left to right, each a grid with its numbers under its name.

    Args:
        matrices: name -> (H, W), or (W,) as a row.
        between: what to write between each and the next (default: nothing).
        marked: name -> the cells (row, column) that are coloured.

    Raises:
        ShapeError: a value that is not a matrix.
        TypeError: ``matrices`` is not a dict.
        ValueError: no matrices, a wrong number of ``between``, or marks for an unknown name.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.numbers({"x": np.eye(2), "2x": 2 * np.eye(2)}, ["→"], marked={"x": [(0, 0)]})
    >>> [text.get_text() for axes in figure.axes for text in axes.texts]
    ['1', '0', '0', '1', '→', '2', '0', '0', '2']
    """
    check("numbers", locals(), "between marked", between="a list", marked="a dict")
    arrays = {name: np.atleast_2d(m.astype(float)) for name, m in named_arrays("numbers", "matrices", matrices).items()}
    for name, array in arrays.items():
        if array.ndim != 2:
            raise ShapeError(f"numbers: {name} must be (H, W) or (W,), not {array.shape}")
    marked = by_name(marked)
    words = [""] * (len(arrays) - 1) if between is None else list(between)
    if len(words) != len(arrays) - 1:
        raise ValueError(f"numbers: {len(words)} signs for the {len(arrays) - 1} gaps between {len(arrays)} matrices")
    if strangers := set(marked) - set(arrays):
        raise ValueError(f"numbers: marks for {', '.join(sorted(strangers))}, but the matrices are {', '.join(arrays)}")
    tallest = max(map(len, arrays.values()))
    widths = [max(array.shape[1] + 0.3, 0.2 * len(name)) for name, array in arrays.items()]  # a name may be wider than its matrix
    ratios = [width for pair in zip(widths, [*[1.0 if word else 0.4 for word in words], 0.0], strict=True) for width in pair][:-1]
    figure = new_figure(0.4 * sum(ratios) + 0.2, 0.4 * tallest + 0.5)
    row = figure.subplots(1, len(ratios), squeeze=False, gridspec_kw={"width_ratios": ratios})[0]
    for axes, width, (name, array) in zip(row[::2], widths, arrays.items(), strict=True):
        colours = np.full(array.shape, PLAIN)
        for cell in marked.get(name, ()):
            colours[cell] = SEEN
        _draw(axes, array, colours, name)
        middle, spare = array.shape[1] / 2, (tallest - len(array)) / 2  # one scale for all
        axes.set(xlim=(middle - width / 2, middle + width / 2), ylim=(len(array) + spare + 0.15, -spare - 0.15))
    for axes, word in zip(row[1::2], words, strict=True):
        axes.text(0.5, 0.5, word, ha="center", va="center", fontsize=14, transform=axes.transAxes)
        axes.set_axis_off()
    return figure


def _convolved(name: str, op: Any, image: np.ndarray, kernel: np.ndarray, **options: int) -> Any:
    try:
        return op(wrap(image), wrap(kernel), **options)
    except ShapeError as error:  # a window that does not fit
        raise ShapeError(f"{name}: {error}") from None


def window(
    image: Any, kernel: Any, at: tuple[int, int] = (0, 0), *, bias: float = 0.0, stride: int = 1, padding: int = 0, dilation: int = 1
) -> Figure:
    """One step of a convolution: the window over the image, the kernel, the sum of each channel, and the cell of the result for the total.

    Args:
        image: (H, W), or (C, H, W) with a row for each channel.
        kernel: (KH, KW) or (C, KH, KW), with the same number of channels.
        at: row and column of the result whose window is shown.
        bias: added to the sum.
        stride, padding, dilation: as of ``conv2d``; the zeros of the padding are drawn grey and dotted.

    Raises:
        ShapeError: different numbers of channels, or a window that does not fit.
        IndexError: ``at`` outside the result.
        ValueError: an image or a kernel that is not finite.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> figure = plots.window(np.eye(6), np.eye(3))
    >>> figure.axes[-1].get_title(), figure.get_suptitle()
    ('result 4×4', 'sum of products: 3')
    """
    check("window", locals(), at="a list", bias="a number", stride=1, padding=0, dilation=1)
    x, w = (
        np.atleast_3d(all_finite("window", what, shown_array("window", what, a)).astype(float).T).T
        for what, a in (("image", image), ("kernel", kernel))
    )
    if x.ndim != 3 or w.ndim != 3 or len(x) != len(w):
        raise ShapeError(f"window: image {x.shape} and kernel {w.shape} are (C, H, W) and (C, KH, KW) with the same C")
    result = array_of(_convolved("window", conv2d, x[None], w[None], stride=stride, padding=padding, dilation=dilation))[0, 0] + bias
    if len(at) != 2 or not all(isinstance(i, (int, np.integer)) for i in at):
        raise TypeError(f"window: at must be a place (row, column) of the result, but is {at!r}")
    if not (0 <= at[0] < result.shape[0] and 0 <= at[1] < result.shape[1]):
        raise IndexError(f"window: at={at} is outside the result of {result.shape[0]}×{result.shape[1]}")
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = (a * stride + dilation * np.arange(k) for a, k in zip(at, w.shape[1:], strict=True))
    patches = padded[:, rows][:, :, columns]
    sums = (patches * w).sum((1, 2))
    ground = np.full(padded.shape[1:], ZERO)
    ground[padding : padding + x.shape[1], padding : padding + x.shape[2]] = PLAIN
    ground[np.ix_(rows, columns)] = SEEN
    channels, height = len(x), padded.shape[1]
    wide = padded.shape[2] + w.shape[2] + 4.5 + result.shape[1]
    figure = new_figure(0.4 * wide + 0.3, 0.4 * channels * (height + 1) + 0.5)
    grid = figure.add_gridspec(channels, 5, width_ratios=[padded.shape[2], 1, w.shape[2], 3, result.shape[1]])
    for c in range(channels):
        name = f"channel {c}, " if channels > 1 else ""
        _draw(
            figure.add_subplot(grid[c, 0]),
            padded[c],
            ground,
            f"{name}{x.shape[1]}×{x.shape[2]}" + (f" padded by {padding}" if padding else ""),
        )
        _draw(figure.add_subplot(grid[c, 2]), w[c], np.full(w[c].shape, SEEN), f"kernel {w.shape[1]}×{w.shape[2]}")
        for column, text in ((1, "∗"), (3, f"→ {_number(sums[c])}")):
            axes = figure.add_subplot(grid[c, column])
            axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=13, transform=axes.transAxes)
            axes.set_axis_off()
    colours = np.full(result.shape, PLAIN)
    colours[at] = ANSWER
    _draw(figure.add_subplot(grid[:, 4]), result, colours, f"result {result.shape[0]}×{result.shape[1]}")
    terms = [_number(s) for s in sums] + ([f"{_number(bias)} (bias)"] if bias else [])
    total = f"{' + '.join(terms)} = {_number(result[at])}".replace("+ −", "− ") if len(terms) > 1 else terms[0]
    figure.suptitle(f"sum of products: {total}", fontsize=11)
    return figure


def cells(
    size: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    transposed: bool = False,
    steps: int = 4,
    title: str = "",
) -> Figure:
    """Some steps of a convolution over a square image: the window below, and above it the cell of the result.

    A transposed convolution is drawn as the equivalent ordinary one: with ``stride - 1`` zeros between the cells of the image,
    ``dilation * (kernel - 1) - padding`` zeros around it, and a window that moves by 1 (a fraction of the distance of two cells).

    Args:
        size: of the image, which is ``size``×``size``.
        kernel, stride, padding, dilation: as of ``conv2d``, or with ``transposed`` of ``conv_transpose2d``.
        steps: how many steps to draw, from the first to the last.

    Raises:
        ValueError: a window that does not fit, or no steps.

    >>> from minigrad import plots
    >>> plots.cells(2, 3, stride=2, transposed=True).get_suptitle()
    '2×2 → 5×5'
    """
    check("cells", locals(), size=1, kernel=1, stride=1, padding=0, dilation=1, transposed="True or False", steps=1, title="a text")
    x, w = np.ones((1, 1, size, size)), np.ones((1, 1, kernel, kernel))
    op = conv_transpose2d if transposed else conv2d
    out = _convolved("cells", op, x, w, stride=stride, padding=padding, dilation=dilation).shape[-1]
    spread, step, edge = (stride, 1, dilation * (kernel - 1) - padding) if transposed else (1, stride, padding)
    if edge < 0:
        raise ValueError(f"cells: padding={padding} cuts the result of the transposed convolution, which cannot be drawn")
    inner = spread * (size - 1) + 1
    ground = np.full((inner + 2 * edge,) * 2, ZERO)
    ground[edge : edge + inner : spread, edge : edge + inner : spread] = "#a9c8ec"
    shown = np.unique(np.linspace(0, out * out - 1, min(steps, out * out)).round().astype(int))
    each = max(len(ground), out)
    figure = new_figure(0.27 * (each + 1) * len(shown) + 0.2, 0.27 * (len(ground) + out + 2) + 0.4)
    grid = figure.subplots(2, len(shown), squeeze=False, gridspec_kw={"height_ratios": [out + 0.3, len(ground) + 0.3]})
    for column, number in enumerate(shown):
        i, j = divmod(int(number), out)
        above = np.full((out, out), "#cfe6cf")
        above[i, j] = ANSWER
        below = ground.copy()
        offsets = dilation * np.arange(kernel)
        for place in np.stack(np.meshgrid(i * step + offsets, j * step + offsets), -1).reshape(-1, 2):
            below[tuple(place)] = SEEN if below[tuple(place)] == ZERO else "#f0a830"
        for axes, colours in ((grid[0, column], above), (grid[1, column], below)):
            _draw(axes, np.zeros(colours.shape), colours, write=False)
            axes.set(xlim=(-(each - len(colours)) / 2 - 0.15, (each + len(colours)) / 2 + 0.15))
    name = f"{size}×{size} → {out}×{out}"
    figure.suptitle(f"{title}: {name}" if title else name, fontsize=11)
    return figure
