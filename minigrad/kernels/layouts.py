"""Where the columns of a convolution lie in memory: one class for each layout, and how each cuts the work into tiles.

A *tile* is some rows of the output of some images. Its *columns* hold every cell that its windows meet, unfolded along all axes but
the first, and for the first axis as :class:`Images`, :class:`Merged` and :class:`Rows` say, each with a picture. Columns stay in the
cache; a tile's place and size depend on shapes only, so that results do not depend on the number of threads.

In the pictures an image is N, a channel C, the kernel KH x KW and the output OH x OW, where there may be one axis more or one less;
each line of a picture is inside the line above it, and the last one has neighbours in memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.tiles import cut
from minigrad.kernels.windows import Axis, sliding

CACHE = 1 << 21  # bytes of columns in a tile; fewer and larger tiles let threads meet less often
ROW_CACHE = 3 << 19  # the same where there is a matrix for each row
SHARES = 8  # that the threads take from, at most
SHARE = 20 << 20  # products in a share, at least: about half a millisecond of work
SMALL = 1000000  # products up to which BLAS multiplies matrices without packing them first, which is faster for few rows


class Window(NamedTuple):
    """How a kernel slides: per spatial axis a stride, zeros (before, after), and a distance between the kernel's cells."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


def groups_of(x_shape: Sequence[int], w_shape: Sequence[int]) -> int:
    """A weight has the channels of one group: the shapes tell how many groups there are."""
    return x_shape[1] // w_shape[1] if w_shape[1] else 1


class Tile(NamedTuple):
    """Some rows of the output of as many images as ``n`` says, with their columns in two views.

    ============  ========================================================================================================
    ``axes``      how windows slide over the input, from the tile's first row
    ``windows``   N C phases \\*kernel[1:] rows \\*sizes[1:]: what ``unfold`` fills and ``fold`` empties
    ``slices``    matrices B G K L, for BLAS: B of them, in G groups, K cells of windows, L pixels. As many slices as there are
                  kernel rows, each of which meets its own weights; or one, whose K cells are those of all kernel rows
    ============  ========================================================================================================
    """

    rows: slice
    n: int
    axes: list[Axis]
    columns: np.ndarray
    windows: np.ndarray
    slices: list[np.ndarray]


class Layout:
    """A convolution cut into tiles: what all layouts share.

    ``small``: with matrices of up to SMALL products each, if that does not make too many of them.
    """

    name: str
    matrices: tuple[int, int, int, int]  # S G O/G K: the weights that each of a tile's slices meets

    def __init__(
        self,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        sizes: Sequence[int],
        window: Window,
        dtype: np.dtype,
        small: bool = False,
    ):
        n, self.channels, self.first, *others = x_shape
        self.kernel, *self.rest = w_shape[2:]
        self.stride, self.dilation, (self.before, _) = window.stride[0], window.dilation[0], window.padding[0]
        strides, paddings, dilations = window.stride[1:], [before for before, _ in window.padding[1:]], window.dilation[1:]
        self.others = list(map(sliding, others, sizes[1:], self.rest, strides, paddings, dilations))
        self.sizes, self.dtype, self.groups, self.outputs = sizes, dtype, groups_of(x_shape, w_shape), w_shape[0]
        self.across = math.prod(sizes[1:])  # pixels in a row
        self.cells = self.channels * math.prod(self.rest)  # of a kernel row, in all groups

        row_bytes = max(1, self.cells * self.across * dtype.itemsize)
        products = max(1, self.outputs // self.groups * (self.cells // self.groups) * self.across)  # of a kernel row with a row of pixels
        budget = self.budget(row_bytes, products)
        most = sizes[0]  # rows in a block
        while most > 1 and self.held(most) * row_bytes > 2 * max(budget, CACHE):
            most = -(-most // 2)
        if small:
            most = min(most, self.small_rows(products))
        blocks = -(-sizes[0] // max(1, most))
        block = max(1, -(-sizes[0] // max(1, blocks)))
        self.shares_at_most = max(1, min(SHARES, n * math.prod(sizes) * math.prod(w_shape) // SHARE))
        together = max(1, min(n, budget // (row_bytes * self.held(block))))
        batches = max(-(-n // together), -(-self.shares_at_most // blocks) if n and blocks else 0)
        together = max(1, -(-n // max(1, batches)))
        together = next((some for some in range(together, 2 * together // 3, -1) if n % some == 0), together)  # no smaller last tile
        self.rows = [slice(row, min(row + block, sizes[0])) for row in range(0, sizes[0], block)]
        self.images = [slice(image, min(image + together, n)) for image in range(0, n, together)]

    # ------------------------------------------------------------------------------------- what each layout says

    def held(self, height: int) -> int:
        """How many rows the columns of a tile hold that has ``height`` rows of the output."""
        raise NotImplementedError

    def budget(self, row_bytes: int, products: int) -> int:
        """Bytes of columns in a tile."""
        return CACHE

    def small_rows(self, products: int) -> int:
        """Rows in a block at most, if matrices shall be small; ``products``: of a kernel row with a row of pixels."""
        return self.sizes[0]

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        """A tile, in the memory of ``columns`` if it is of the right shape. Columns are 0 where windows stick out of the input."""
        raise NotImplementedError

    def turned(self, part: np.ndarray) -> np.ndarray:
        """A tile's part of y, N O rows \\*sizes[1:], with its axes as the matrices have them: B O, then the L pixels."""
        raise NotImplementedError

    def weights(self, w: np.ndarray) -> np.ndarray:
        """The weights as ``matrices``, from (O, C/G, KH, ...)."""
        raise NotImplementedError

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """What :meth:`weights` was given, of ``shape``, from its result."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------------- tiles, and y in a tile

    def shares(self, most: int = SHARES, apart: bool = False) -> list[list[tuple[slice, slice]]]:
        """The tiles' (rows, images) in up to ``most`` shares for threads; ``apart``: no image is in two of them."""
        most = min(most, self.shares_at_most)
        if apart:
            groups = cut(len(self.images), 1, -(-len(self.images) // most))
            return [[(rows, images) for rows in self.rows for images in self.images[group]] for group in groups]
        places = [(rows, images) for rows in self.rows for images in self.images]
        return [places[group] for group in cut(len(places), 1, -(-len(places) // most))]

    def tiles(self, share: list[tuple[slice, slice]], spare: list[Tile]) -> Iterator[tuple[Tile, slice]]:
        """The tiles of a share and their images, one after another in the same columns. ``spare``: tiles of shares that are done, in any thread."""
        tile = spare.pop() if spare else None
        for rows, images in share:
            count = images.stop - images.start
            if tile is None or (tile.rows, tile.n) != (rows, count):
                tile = self.lay(rows, count, None if tile is None else tile.columns)
            yield tile, images
        if tile is not None:
            spare.append(tile)

    def pixels(self, part: np.ndarray) -> np.ndarray:
        """A tile's part of y as matrices B G O/G L: a view if y lies in memory as they do, or a copy."""
        turned = self.turned(part)
        return turned.reshape(len(turned), self.groups, self.outputs // self.groups, math.prod(turned.shape[2:]))

    def room(self, tile: Tile, part: np.ndarray) -> np.ndarray:
        """What :meth:`pixels` gives, to be written to: it holds anything."""
        batch, _, _, length = tile.slices[0].shape
        return np.empty((batch, self.groups, self.outputs // self.groups, length), part.dtype)

    def store(self, pixels: np.ndarray, part: np.ndarray) -> None:
        """Write what :meth:`room` gave to a tile's part of y."""
        turned = self.turned(part)
        turned[...] = pixels.reshape(turned.shape)


def _columns(shape: tuple[int, ...], dtype: np.dtype, used: np.ndarray | None) -> np.ndarray:
    """Zeros, in the memory of ``used`` if it has that shape."""
    if used is None or used.shape != shape:
        return np.zeros(shape, dtype)
    used.fill(0)
    return used


def transposed(w: np.ndarray, *axes: int) -> np.ndarray:
    """A copy of ``w`` with its first axes as ``axes`` say. What is behind them is copied as one element, not number by number.

    >>> transposed(np.arange(8).reshape(2, 2, 2), 1, 0).tolist()
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    """
    behind = w.shape[len(axes) :]
    if math.prod(behind) < 2 or not w.flags.c_contiguous or w.size == 0:
        return np.ascontiguousarray(w.transpose(*axes, *range(len(axes), w.ndim)))
    elements = w.reshape(*w.shape[: len(axes)], -1).view(f"V{math.prod(behind) * w.itemsize}")[..., 0]
    copy = np.ascontiguousarray(elements.transpose(axes))
    return copy.reshape(*copy.shape, 1).view(w.dtype).reshape(*copy.shape, *behind)


def _moved(a: np.ndarray, source: int, to: int) -> np.ndarray:
    """``np.moveaxis`` of one axis, in a fifth of the time."""
    axes = list(range(a.ndim))
    axes.insert(to, axes.pop(source))
    return a.transpose(axes)


class Images(Layout):
    """A matrix for each image. ::

        N                               a matrix each, and in it
          C, *kernel[1:]                a line for each cell of a kernel row: KW of them for each channel
            phases                      rows 0, s, 2 s, ... of the input, then rows 1, s + 1, ...: s is the stride
              rows                      of the tile, and as many more as a kernel reaches beyond them
                OW                      the pixels of a row

    Row i of the kernel meets, for row r of the output, row r s + i of the input: with the rows in phases, all that it needs for all
    rows of a tile lies together in each line, from row i // s of phase i % s on. BLAS reads it in place, nothing is copied. The
    result is the tile's part of y, as it lies there. ::

        y (O, OH OW)  =  sum over kernel rows i of   weights[i] (O, C KW)  @  columns[:, start[i] : start[i] + OH OW]
    """

    name = "images"

    def __init__(self, x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Window, *args: Any, **kwargs: Any):
        stride, dilation, reach = window.stride[0], window.dilation[0], window.dilation[0] * (w_shape[2] - 1)
        self.phases, self.more = min(stride, reach + 1), reach // stride  # more: rows of columns beyond those of the output
        self.shifts = [(i * dilation % stride, i * dilation // stride) for i in range(w_shape[2])]  # phase and row of each kernel row
        super().__init__(x_shape, w_shape, sizes, window, *args, **kwargs)
        self.matrices = (self.kernel, self.groups, self.outputs // self.groups, self.cells // self.groups)

    def held(self, height: int) -> int:
        return self.phases * (height + self.more)

    def small_rows(self, products: int) -> int:
        return SMALL // products if SMALL // products >= max(4, 128 // self.across) else self.sizes[0]

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        pixels = (self.phases, rows.stop - rows.start + self.more, *self.sizes[1:])
        columns = _columns((count, self.channels, *self.rest, *pixels), self.dtype, columns)
        return self._sliced(rows, count, columns, columns, count, self.across)

    def _sliced(self, rows: slice, count: int, columns: np.ndarray, images: np.ndarray, batch: int, across: int) -> Tile:
        """The tile of ``columns``, ``batch`` matrices of ``across`` pixels in a row; ``images`` are the same with N as the first axis."""
        height = rows.stop - rows.start
        first = sliding(self.first, height + self.more, self.phases, self.stride, self.before - rows.start * self.stride)
        matrices = columns.reshape(batch, self.groups, self.cells // self.groups, first.kernel * first.out * across)
        starts = [(phase * first.out + row) * across for phase, row in self.shifts]
        slices = [matrices[..., start : start + height * across] for start in starts]
        return Tile(rows, count, [first, *self.others], columns, _moved(images, 2 + len(self.rest), 2), slices)

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part

    def room(self, tile: Tile, part: np.ndarray) -> np.ndarray:
        return self.pixels(part)

    def store(self, pixels: np.ndarray, part: np.ndarray) -> None:
        """It is there already."""

    def weights(self, w: np.ndarray) -> np.ndarray:
        return transposed(w, 2, 0, 1).reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        o, c, kernel, *rest = shape
        return transposed(weights.reshape(kernel, o, c, *rest), 1, 2, 0)


class Merged(Images):
    """One matrix for all images of a tile: for deep layers, where a matrix for each image would have few pixels. ::

        C, *kernel[1:]                  a line for each cell of a kernel row
          phases
            rows                        as in Images
              N
                OW                      the pixels of a row of one image, beside those of the next image

    Kernel rows read it as in :class:`Images`; a row of pixels is as long as the rows of all images together.
    """

    name = "merged"

    def budget(self, row_bytes: int, products: int) -> int:
        return max(CACHE, self.kernel * self.outputs * self.cells // self.groups * self.dtype.itemsize)  # each tile reads all weights

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        pixels = (self.phases, rows.stop - rows.start + self.more, count, *self.sizes[1:])
        columns = _columns((self.channels, *self.rest, *pixels), self.dtype, columns)
        return self._sliced(rows, count, columns, _moved(columns, 3 + len(self.rest), 0), 1, count * self.across)

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part.transpose(1, 2, 0, *range(3, part.ndim))[None]  # 1 O rows N *sizes[1:]

    room, store = Layout.room, Layout.store


class Rows(Layout):
    """A matrix for each row of the output, with the cells of all kernel rows. ::

        rows                            of the input that the tile meets, one after another
          C, *kernel[1:]                a line for each cell of a kernel row
            N
              OW                        the pixels of a row of one image, beside those of the next image

    What row r of the output needs of all kernel rows are the lines of rows r s to r s + KH of the input: one matrix, which overlaps
    with that of the next output row. Where a kernel row has few cells, as in input layers, the products of :class:`Images` would be too
    thin, and to add them up would take as long as to multiply. ::

        y[r] (O, N OW)  =  weights (O, KH C KW)  @  columns[r s : r s + KH]
    """

    name = "rows"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.matrices = (1, 1, self.outputs, self.kernel * self.cells)

    def held(self, height: int) -> int:
        return (height - 1) * self.stride + self.kernel

    def budget(self, row_bytes: int, products: int) -> int:
        return min(ROW_CACHE, SMALL // (products * self.kernel) * (self.held(self.sizes[0]) * row_bytes))

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        height = rows.stop - rows.start
        first = sliding(self.first, self.held(height), 1, 1, self.before - rows.start * self.stride)
        columns = _columns((first.out, self.channels, *self.rest, count, *self.sizes[1:]), self.dtype, columns)
        images = _moved(_moved(columns, 2 + len(self.rest), 0), 1, 2 + len(self.rest))
        length, item = count * self.across, columns.itemsize
        strides = (self.stride * self.cells * length * item, 0, length * item, item)
        matrices: np.ndarray = np.ndarray((height, 1, self.kernel * self.cells, length), columns.dtype, columns, 0, strides)
        return Tile(rows, count, [first, *self.others], columns, images[:, :, None], [matrices])

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part.transpose(2, 1, 0, *range(3, part.ndim))  # rows O N *sizes[1:]

    def weights(self, w: np.ndarray) -> np.ndarray:
        return transposed(w, 0, 2, 1).reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        o, c, kernel, *rest = shape
        return transposed(weights.reshape(o, kernel, c, *rest), 0, 2, 1)


LAYOUTS: dict[str, type[Layout]] = {layout.name: layout for layout in (Images, Merged, Rows)}


@functools.lru_cache(maxsize=512)
def layout(
    name: str,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    sizes: tuple[int, ...],
    window: Window,
    dtype: np.dtype,
    small: bool = False,
) -> Layout:
    """A layout by its name, kept for the next call with the same shapes: to cut small layers takes longer than to multiply them."""
    return LAYOUTS[name](x_shape, w_shape, sizes, window, dtype, small)
