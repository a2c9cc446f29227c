"""Windows that slide along the axes of an array: how many there are, and which cells they contain.

Convolution, pooling and :func:`unfold` use this module. Arrays are ``N C *sizes``: images, channels, one to three spatial axes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

LARGE = 1 << 13  # elements of an array from which its lines are copied as one element each


def output_size(size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, ceil: bool = False) -> int:
    """The number of windows that fit along an axis: the one formula for convolution and pooling.

    A window of ``kernel`` cells, ``dilation`` apart, starts every ``stride`` cells of the padded axis. With ``ceil``, a last window that
    extends beyond the end counts too, if it starts inside the input or in the padding before it. Zero or less: none fits.

    >>> output_size(28, 5, stride=1, padding=(2, 2), dilation=1)
    28
    >>> output_size(5, 2, stride=2, padding=(0, 0), dilation=1), output_size(5, 2, stride=2, padding=(0, 0), dilation=1, ceil=True)
    (2, 3)
    """
    before, after = padding
    room = size + before + after - dilation * (kernel - 1) - 1  # where the last window may start, counted in the padded axis
    if ceil:
        count = -(-room // stride) + 1
        return count - 1 if (count - 1) * stride >= size + before else count
    return room // stride + 1


class Axis(NamedTuple):
    """The windows along one axis.

    ============  ===================================================================================================
    ``size``      cells of the input
    ``out``       windows
    ``kernel``    cells of a window (of the longest one)
    ``starts``    where each window starts; negative in the padding
    ``dilation``  distance of a window's cells
    ``places``    ``(i, windows, cells)`` for each cell number i: the slice of windows whose cell i is in the input, the slice of those cells
    ``stride``    from one window to the next; 0 if they are uneven
    ``all_meet``  whether each window has a cell in the input
    ``ceil``      whether the last window may extend beyond the padding; of another size of the input, other windows follow
    ============  ===================================================================================================
    """

    size: int
    out: int
    kernel: int
    starts: np.ndarray
    dilation: int
    places: tuple[tuple[int, slice, slice], ...]
    stride: int = 0
    all_meet: bool = True
    ceil: bool = False


class Axes(tuple[Axis, ...]):
    """The windows along all spatial axes. What they measure is computed when it is asked for first.

    >>> axes = Axes([sliding(5, 2, 2, 2, 0), sliding(7, 3, 2, 2, 0)])
    >>> axes.outs, axes.cells, axes.windows, axes.kernel
    ((2, 3), 35, 6, 4)
    """

    @functools.cached_property
    def outs(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple([axis.out for axis in self])

    @functools.cached_property
    def sizes(self) -> tuple[int, ...]:
        """Cells of the input along each axis."""
        return tuple([axis.size for axis in self])

    @functools.cached_property
    def cells(self) -> int:
        """Cells of a plane of the input."""
        return math.prod(self.sizes)

    @functools.cached_property
    def windows(self) -> int:
        """Windows of a plane."""
        return math.prod(self.outs)

    @functools.cached_property
    def kernel(self) -> int:
        """Cells of a window."""
        return math.prod([axis.kernel for axis in self])

    @functools.cached_property
    def all_meet(self) -> bool:
        """Whether each window has a cell in the input."""
        return all(axis.all_meet for axis in self)

    @functools.cached_property
    def one(self) -> bool:
        """Whether there is just one window, with all cells in it."""
        return all(axis.out == 1 and len(axis.places) == axis.size for axis in self)

    @functools.cached_property
    def counts(self) -> Any:
        """The cells of the input in each window, an array of ``outs``; a single number if all are equal."""
        return _together(
            [np.bincount([w for _, ws, _ in axis.places for w in range(ws.start, ws.stop)], minlength=axis.out) for axis in self]
        )

    @functools.cached_property
    def padded_counts(self) -> Any:
        """:attr:`counts` with the cells of the padding, which is as wide at the end of an axis as at the beginning."""
        return _together([np.minimum(axis.starts + axis.kernel, axis.size - axis.starts[0]) - axis.starts for axis in self])

    @functools.cached_property
    def table(self) -> np.ndarray | None:
        """The struct Windows of kernels.c, of one or two axes: h, w, oh, ow, kh, kw, sh, sw, ph, pw. None if windows are dilated or uneven."""
        if not 1 <= len(self) <= 2 or any(not axis.stride or axis.dilation != 1 or not axis.out for axis in self):
            return None
        along = [(axis.size, axis.out, axis.kernel, axis.stride, -int(axis.starts[0])) for axis in self]
        first, second = ((1, 1, 1, 1, 0), *along)[-2:]
        return np.array([*zip(first, second, strict=True)], np.int64)


def _together(along: Sequence[np.ndarray]) -> Any:
    """The cells of all windows, for those along each axis; a single number if all are equal."""
    counts: np.ndarray = functools.reduce(np.multiply.outer, along)
    if counts.size and (counts == counts.flat[0]).all():
        return counts.flat[0].item()
    counts.flags.writeable = False  # all callers share it
    return counts


@functools.lru_cache(maxsize=4096)
def sliding(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> Axis:
    """``out`` windows that start at ``-padding``, ``stride - padding``, ...

    >>> sliding(size=4, out=4, kernel=3, stride=1, padding=1).places
    ((0, slice(1, 4, None), slice(0, 3, 1)), (1, slice(0, 4, None), slice(0, 4, 1)), (2, slice(0, 3, None), slice(1, 4, 1)))
    """
    places = []
    for i in range(kernel):
        offset = i * dilation - padding  # window o has its cell i at o * stride + offset
        first = max(0, -(offset // stride))
        last = min(out - 1, (size - 1 - offset) // stride)
        if first <= last:
            places.append((i, slice(first, last + 1), slice(first * stride + offset, last * stride + offset + 1, stride)))
    starts = np.arange(out) * stride - padding
    starts.flags.writeable = False  # all callers share it
    met = {w for _, windows, _ in places for w in range(windows.start, windows.stop)}
    return Axis(size, out, kernel, starts, dilation, tuple(places), stride, len(met) == out, ceil)


def adaptive(size: int, out: int) -> Axis:
    """``out`` windows that divide an axis evenly: window o has the cells from floor(o size / out) to ceil((o + 1) size / out) - 1."""
    if out and size % out == 0:
        return sliding(size, out, size // out, size // out, 0)
    starts = [o * size // out for o in range(out)]
    counts = [-(-(o + 1) * size // out) - start for o, start in enumerate(starts)]
    places = [(i, slice(o, o + 1), slice(starts[o] + i, starts[o] + i + 1)) for o in range(out) for i in range(counts[o])]
    return Axis(size, out, max(counts, default=0), np.array(starts, np.intp), 1, tuple(places))


def copy_lines(source: np.ndarray, to: np.ndarray) -> None:
    """``to[...] = source`` of one shape and dtype. Lines in one piece are copied as one element each, in two thirds of the time.

    >>> pixels = np.arange(6.0).reshape(2, 3)
    >>> copy_lines(pixels[:, 1:], pixels[:, :2])
    >>> pixels
    array([[1., 2., 2.],
           [4., 5., 5.]])
    """
    length = source.shape[-1]
    if source.size > LARGE and length > 1 and source.strides[-1] == to.strides[-1] == source.itemsize:
        line = np.dtype((np.void, length * source.itemsize))
        source, to = source.view(line), to.view(line)
    to[...] = source


# One cell of all windows: a view of columns, N C *outs, and the index of the cells in images, N C *sizes. No NamedTuple, which takes longer to make.
Piece: TypeAlias = tuple[np.ndarray, tuple[Any, ...]]


def pieces(columns: np.ndarray, axes: Sequence[Axis]) -> list[Piece]:
    """The pieces of ``columns``, ``N C *kernels *outs``, for each cell of a window. What no piece has are cells outside the input."""
    found = []
    for places in product(*[axis.places for axis in axes]):
        cell, windows, cells = zip(*places, strict=True)
        found.append((columns[(slice(None), slice(None), *cell, *windows)], (..., *cells)))
    return found


def some_of(pieces: Sequence[Piece], channels: slice) -> list[Piece]:
    """The pieces of columns of some channels, for images that have these channels."""
    return [(columns[:, channels], cells) for columns, cells in pieces]


def unfold(x: np.ndarray, pieces: Sequence[Piece]) -> None:
    """Copy the cells of all windows into columns. The loop runs over the cells of one window, never over windows."""
    for columns, cells in pieces:
        copy_lines(x[cells], columns)


def fold(pieces: Sequence[Piece], x: np.ndarray) -> None:
    """Add columns to the cells of ``x`` that :func:`unfold` copied them from: its transpose."""
    for columns, cells in pieces:
        x[cells] += columns
