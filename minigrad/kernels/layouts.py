"""The memory layouts of the columns of a convolution: one class per layout, which also cuts the work into tiles.

A *tile* is a range of output rows of a few images. Its *columns* hold every input cell in its windows. They are unfolded along all axes
but the first; :class:`Images`, :class:`Merged`, :class:`Rows` and :class:`Interleaved` differ in how they treat the first axis and the images, each
shown by a picture. Columns fit in the cache. The position and size of a tile depend on shapes only, so results do not depend on the number of threads.
A layout that is one small tile keeps it for the next call: its padding is 0 already, and its views are made.

In the pictures N is the image, C the channel, KH x KW the kernel and OH x OW the output (1-d and 3-d convolution are analogous). Each
line is an axis, from the outermost to the innermost: the elements of the last one are contiguous in memory.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.tiles import cut
from minigrad.kernels.windows import Axis, Piece, copy_lines, pieces, sliding, some_of, unfold

CACHE = 1 << 21  # bytes of columns in a tile; with fewer and larger tiles, threads wait less for one another
ROW_CACHE = 3 << 19  # the same for the layout Rows
SHARES = 8  # at most so many shares of work for the threads
SHARE = 14 << 20  # multiplications in a share, at least: a third of a millisecond of work, for threads wait for the GIL between calls
ALL = slice(None)  # channels
LANES = 16  # numbers in the longest SIMD vectors: shares of channels are a multiple
KEPT = 1 << 16  # bytes of the tiles that a layout keeps for the next call
SMALL = 1000000  # up to so many multiplications, BLAS does not pack the matrices first, which is faster for few rows


class Window(NamedTuple):
    """How a kernel slides, per spatial axis: the stride, the zero padding (before, after), and the dilation."""

    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


def groups_of(x_shape: Sequence[int], w_shape: Sequence[int]) -> int:
    """The number of groups: the channels of x divided by those of the weight, which has the channels of one group."""
    return x_shape[1] // w_shape[1] if w_shape[1] else 1


class Tile(NamedTuple):
    """A range of output rows of ``n`` images, with two views of their columns.

    ============  ========================================================================================================
    ``windows``   N C phases \\*kernel[1:] rows \\*sizes[1:]
    ``pieces``    the pieces of ``windows``: ``unfold`` writes them and ``fold`` reads them
    ``slices``    matrices B G K L, for BLAS: B of them, in G groups, K cells of windows, L pixels. There is one slice per
                  kernel row, multiplied with the weights of that row; or only one, with the cells of all kernel rows
    ``cells``     where ``windows`` is a frame that the columns are copied from: the view of it that has their shape
    ============  ========================================================================================================
    """

    rows: slice
    n: int
    columns: np.ndarray
    windows: np.ndarray
    pieces: list[Piece]
    slices: list[np.ndarray]
    cells: np.ndarray | None = None


class Layout:
    """A convolution cut into tiles: the base class of the layouts.

    ``small`` limits matrices to SMALL multiplications each, unless there would be too many matrices.
    """

    name: str
    matrices: tuple[int, int, int, int]  # S G O/G K: the shape of the weights for the S slices of a tile
    thin = False  # whether rows of few images are cut for several threads
    heavy = False  # whether weights are so large that threads do not take some images each, because each would read all weights

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
        products = max(1, self.outputs // self.groups * (self.cells // self.groups) * self.across)  # per kernel row and row of pixels
        budget = self.budget(row_bytes, products)
        most = sizes[0]  # rows in a block
        while most > 1 and self.held(most) * row_bytes > 2 * max(budget, CACHE):
            most = -(-most // 2)
        if small:
            most = min(most, self.small_rows(products))
        blocks = -(-sizes[0] // max(1, most))
        block = max(1, -(-sizes[0] // max(1, blocks)))
        shares = max(1, min(SHARES, n * math.prod(sizes) * math.prod(w_shape) // SHARE))
        self.shares_at_most = 1 << (shares.bit_length() - 1)  # as many for each of two threads
        if self.thin and 0 < n < self.shares_at_most:
            block = min(block, max(1, -(-sizes[0] * n // self.shares_at_most)))
        together = max(1, min(n, budget // (row_bytes * self.held(block))))
        batches = -(-n // together)
        if not self.heavy and n and blocks:
            batches = max(batches, -(-self.shares_at_most // blocks))
        together = max(1, -(-n // max(1, batches)))
        together = next((some for some in range(together, 2 * together // 3, -1) if n % some == 0), together)  # tiles of equal size
        self.rows = [slice(row, min(row + block, sizes[0])) for row in range(0, sizes[0], block)]
        self.images = [slice(image, min(image + together, n)) for image in range(0, n, together)]
        self.places = [(rows, images) for rows in self.rows for images in self.images]  #: of all tiles
        self.alone = (
            len(self.places) == 1 and self.groups == 1 and self.shares_at_most > 1
        )  #: one tile, of whose channels threads take some
        self.shared = self.shares()
        #: tiles that calls have filled: laying one takes as long as filling it. A deque, for threads that call at the same time
        self.kept: deque[Tile] = deque(maxlen=0)
        if len(self.places) == 1 and not self.alone:
            self.kept = deque(maxlen=KEPT // max(1, self.tile_bytes(sizes[0], n)))

    # --------------------------------------------------------------------------------- what each layout overrides

    def held(self, height: int) -> int:
        """The number of rows in the columns of a tile with ``height`` output rows."""
        raise NotImplementedError

    def budget(self, row_bytes: int, products: int) -> int:
        """Bytes of columns in a tile."""
        return CACHE

    def tile_bytes(self, height: int, count: int) -> int:
        """The memory of a tile with so many output rows of so many images."""
        return self.held(height) * self.cells * self.across * count * self.dtype.itemsize

    def small_rows(self, products: int) -> int:
        """The most rows in a block if matrices are to be small. ``products``: multiplications per kernel row and row of pixels."""
        return self.sizes[0]

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        """A tile, in the memory of ``columns`` if that has the right shape. Columns are 0 for cells in the padding."""
        raise NotImplementedError

    def fill(self, tile: Tile, x: np.ndarray, channels: slice) -> None:
        """Write some channels of a tile's images, which ``x`` has, to its columns."""
        unfold(x, tile.pieces if channels == ALL else some_of(tile.pieces, channels))

    def turned(self, part: np.ndarray) -> np.ndarray:
        """A tile's part of y, N O rows \\*sizes[1:], with its axes in the order of the matrices: B O, then the L pixels."""
        raise NotImplementedError

    def weights(self, w: np.ndarray) -> np.ndarray:
        """The weights as ``matrices``, from (O, C/G, KH, ...)."""
        raise NotImplementedError

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The inverse of :meth:`weights`: its argument, of ``shape``, from its result."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------------- tiles, and y in a tile

    def shares(self, most: int = SHARES, apart: bool = False) -> list[list[tuple[slice, slice]]]:
        """The (rows, images) of all tiles in up to ``most`` shares for threads. With ``apart``, no image is in two shares."""
        most = min(most, self.shares_at_most)
        if apart:
            groups = cut(len(self.images), 1, -(-len(self.images) // most))
            return [[(rows, images) for rows in self.rows for images in self.images[group]] for group in groups]
        return [self.places[group] for group in cut(len(self.places), 1, -(-len(self.places) // most))]

    def halves(self, count: int) -> list[slice]:
        """Of so many channels, the shares of two threads where a tile is alone."""
        return cut(count, 1, -(-count // (2 * LANES)) * LANES)

    def cells_of(self, channels: slice) -> slice:
        """The lines of the columns, in each matrix of a tile, that have the cells of some channels: with several groups, of all."""
        each = self.matrices[-1] * self.groups // max(1, self.channels)
        return slice(channels.start * each, channels.stop * each)

    def spare(self) -> deque[Tile]:
        """Where :meth:`tiles` finds tiles, for a call that only fills them: those that calls before it have kept, if they are small enough."""
        return self.kept if self.kept.maxlen else deque()

    def tiles(self, share: list[tuple[slice, slice]], spare: deque[Tile]) -> Iterator[tuple[Tile, slice]]:
        """The tiles of a share and their images. All use the same columns in turn; ``spare`` has tiles of finished shares, to be used again.

        A tile is put back when the loop over it has ended: not after an exception.
        """
        try:
            tile: Tile | None = spare.pop()
        except IndexError:
            tile = None
        for rows, images in share:
            count = images.stop - images.start
            if tile is None or (tile.rows, tile.n) != (rows, count):
                tile = self.lay(rows, count, None if tile is None else tile.columns)
            yield tile, images
        if tile is not None:
            spare.append(tile)

    def pixels(self, part: np.ndarray) -> np.ndarray:
        """A tile's part of y as matrices B G O/G L: a view if the memory layout of y allows it, else a copy."""
        turned = self.turned(part)
        return turned.reshape(len(turned), self.groups, turned.shape[1] // self.groups, math.prod(turned.shape[2:]))

    def _in_place(self, tile: Tile) -> bool:
        """Whether BLAS can write to y: the pixels of an output are in one piece, or so are those of its rows, and each row has its matrix."""
        return tile.n == 1

    def room(self, tile: Tile, part: np.ndarray) -> np.ndarray:
        """An array of the shape that :meth:`pixels` returns, with undefined values, to be written to: a view of a tile's part of y if possible."""
        if self._in_place(tile):
            return self.pixels(part)
        batch, _, _, length = tile.slices[0].shape
        return np.empty((batch, self.groups, part.shape[1] // self.groups, length), part.dtype)

    def store(self, tile: Tile, pixels: np.ndarray, bias: np.ndarray | None, part: np.ndarray) -> None:
        """Put the array that :meth:`room` returned, with a bias for each output, into the tile's part of y."""
        if bias is not None:
            np.add(pixels, bias.reshape(self.groups, -1, 1), out=pixels)
        if not self._in_place(tile):
            turned = self.turned(part)
            turned[...] = pixels.reshape(turned.shape)


def _columns(shape: tuple[int, ...], dtype: np.dtype, used: np.ndarray | None) -> np.ndarray:
    """Zeros, in the memory of ``used`` if it has that shape."""
    if used is None or used.shape != shape:
        return np.zeros(shape, dtype)
    used.fill(0)
    return used


def transposed(w: np.ndarray, *axes: int) -> np.ndarray:
    """``w`` with its first axes permuted by ``axes``, contiguous. The axes behind them are copied as one large element, if any moves.

    >>> transposed(np.arange(8).reshape(2, 2, 2), 1, 0).tolist()
    [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    """
    found = _elements(w.shape, axes, w.itemsize) if w.flags.c_contiguous else None
    if found is None:
        return np.ascontiguousarray(w.transpose(*axes, *range(len(axes), w.ndim)))
    element, shape = found
    return np.ndarray(w.shape[: len(axes)], element, w).transpose(axes).copy().view(w.dtype).reshape(shape)


@functools.lru_cache(maxsize=512)
def _elements(shape: tuple[int, ...], axes: tuple[int, ...], item: int) -> tuple[np.dtype, tuple[int, ...]] | None:
    """For :func:`transposed` the dtype of the axes behind as one element, and the shape of the result; None where there are none, or none moves."""
    moved, behind = [axis for axis in axes if shape[axis] > 1], shape[len(axes) :]
    if math.prod(behind) < 2 or 0 in shape or moved == sorted(moved):
        return None
    return np.dtype((np.void, math.prod(behind) * item)), (*[shape[axis] for axis in axes], *behind)


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
              rows                      those of the tile, and those that the kernel reaches beyond it
                OW                      the pixels of a row

    For output row r, kernel row i reads input row r s + i. Because the rows are sorted by phase, the input rows of kernel row i for all
    output rows of a tile are contiguous in each line: they begin at row i // s of phase i % s. BLAS reads them in place, without a
    copy, and writes its result directly to the tile's part of y. ::

        y (O, OH OW)  =  sum over kernel rows i of   weights[i] (O, C KW)  @  columns[:, start[i] : start[i] + OH OW]
    """

    name = "images"

    def __init__(self, x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Window, *args: Any, **kwargs: Any):
        stride, dilation, reach = window.stride[0], window.dilation[0], window.dilation[0] * (w_shape[2] - 1)
        self.phases, self.more = min(stride, reach + 1), reach // stride  # more: rows of the columns minus rows of the output
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
        """The tile of ``columns``: ``batch`` matrices with ``across`` pixels in a row. ``images`` is a view of them with N as the first axis."""
        height = rows.stop - rows.start
        first = sliding(self.first, height + self.more, self.phases, self.stride, self.before - rows.start * self.stride)
        matrices = columns.reshape(batch, self.groups, self.cells // self.groups, first.kernel * first.out * across)
        starts = [(phase * first.out + row) * across for phase, row in self.shifts]
        slices = [matrices[..., start : start + height * across] for start in starts]
        windows = _moved(images, 2 + len(self.rest), 2)
        return Tile(rows, count, columns, windows, pieces(windows, [first, *self.others]), slices)

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part

    def _in_place(self, tile: Tile) -> bool:
        return True

    def weights(self, w: np.ndarray) -> np.ndarray:
        return transposed(w, 2, 0, 1).reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        o, c, kernel, *rest = shape
        return transposed(weights.reshape(kernel, o, c, *rest), 1, 2, 0)


class Merged(Layout):
    """One matrix for all images of a tile, with the cells of whole windows: for deep layers, which have few pixels but many weights. ::

        C, *kernel                      a line for each cell of a window
          rows                          those of the tile
            N
              OW                        the pixels of a row of one image, beside those of the next image

    More is copied into columns, each cell of the input once for each of the kernel's, but the weights are read as they lie, where for the other
    layouts they are copied in another order: with 512 channels and 49 pixels that would take half as long as the product. ::

        y (O, OH N OW)  =  weights (O, C KH KW)  @  columns
    """

    name = "merged"
    heavy = True

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.matrices = (1, self.groups, self.outputs // self.groups, self.kernel * self.cells // self.groups)

    def held(self, height: int) -> int:
        return self.kernel * height

    def budget(self, row_bytes: int, products: int) -> int:
        return max(CACHE, self.kernel * self.outputs * self.cells // self.groups * self.dtype.itemsize)  # each tile reads all weights

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        height = rows.stop - rows.start
        first = sliding(self.first, height, self.kernel, self.stride, self.before - rows.start * self.stride, self.dilation)
        columns = _columns((self.channels, self.kernel, *self.rest, height, count, *self.sizes[1:]), self.dtype, columns)
        matrices = columns.reshape(1, self.groups, self.matrices[-1], height * count * self.across)
        windows = _moved(columns, 3 + len(self.rest), 0)
        return Tile(rows, count, columns, windows, pieces(windows, [first, *self.others]), [matrices])

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part.transpose(1, 2, 0, *range(3, part.ndim))[None]  # 1 O rows N *sizes[1:]

    def weights(self, w: np.ndarray) -> np.ndarray:
        return w.reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        return np.ascontiguousarray(weights.reshape(shape))


class Rows(Layout):
    """A matrix for each row of the output, with the cells of all kernel rows. ::

        rows                            the input rows of the tile, in order
          C, *kernel[1:]                a line for each cell of a kernel row
            N
              OW                        the pixels of a row of one image, beside those of the next image

    Output row r needs the lines of input rows r s to r s + KH - 1. Together they are one matrix, which overlaps with that of the next
    output row. This layout is for kernel rows of few cells, as in input layers: there the matrices of :class:`Images` are so thin that
    adding their products takes as long as multiplying. ::

        y[r] (O, N OW)  =  weights (O, KH C KW)  @  columns[r s : r s + KH]
    """

    name = "rows"
    thin = True

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
        windows = _moved(_moved(columns, 2 + len(self.rest), 0), 1, 2 + len(self.rest))[:, :, None]
        return Tile(rows, count, columns, windows, pieces(windows, [first, *self.others]), [self.overlapping(columns, height, count)])

    def overlapping(self, columns: np.ndarray, height: int, count: int) -> np.ndarray:
        """The matrices of so many output rows of ``count`` images."""
        length, item = count * self.across, columns.itemsize
        strides = (self.stride * self.cells * length * item, 0, length * item, item)
        return np.ndarray((height, 1, self.kernel * self.cells, length), columns.dtype, columns, 0, strides)

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part.transpose(2, 1, 0, *range(3, part.ndim))  # rows O N *sizes[1:]

    def weights(self, w: np.ndarray) -> np.ndarray:
        return transposed(w, 0, 2, 1).reshape(self.matrices)

    def unweights(self, weights: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        o, c, kernel, *rest = shape
        return transposed(weights.reshape(o, kernel, c, *rest), 0, 2, 1)


class Interleaved(Rows):
    """:class:`Rows` with the images innermost: for many images with short rows, of which so the longest possible pieces are copied. ::

        rows                            the input rows of the tile, in order
          C, *kernel[1:]                a line for each cell of a kernel row
            OW
              N                         a pixel of one image, beside that of the next image

    The input is turned once, into a frame that has the padding too. The columns are one copy of that.
    """

    name = "interleaved"

    @functools.cached_property
    def frame(self) -> list[Axis]:
        """The axes but the first of the frame, each of whose cells is a window of one cell."""
        axes = []
        for axis in self.others:
            extent = (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
            axes.append(sliding(axis.size, max(0, extent), 1, 1, -int(axis.starts[0]) if axis.out else 0))
        return axes

    def tile_bytes(self, height: int, count: int) -> int:
        pixels = self.channels * math.prod([axis.out for axis in self.frame])
        return super().tile_bytes(height, count) + self.held(height) * pixels * count * self.dtype.itemsize

    def lay(self, rows: slice, count: int, columns: np.ndarray | None) -> Tile:
        height = rows.stop - rows.start
        axes = [sliding(self.first, self.held(height), 1, 1, self.before - rows.start * self.stride), *self.frame]
        frame = np.zeros((axes[0].out, self.channels, *[axis.out for axis in axes[1:]], count), self.dtype)
        images = _moved(_moved(frame, frame.ndim - 1, 0), 2, 1)
        windows = images.reshape(*images.shape[:2], *[1] * len(axes), *images.shape[2:])
        shape, (*strides, item), cells = [*frame.shape[:2], *self.rest, *self.sizes[1:], count], frame.strides, None
        if math.prod(self.rest) == 1 and all(axis.stride == 1 for axis in self.others):
            columns = frame
        else:
            along = zip(self.others, strides[2:], strict=True)
            steps = [(axis.dilation * step, axis.stride * step) for axis, step in along]
            strides = [*strides[:2], *[step for step, _ in steps], *[step for _, step in steps], item]
            if self.others[-1].stride == 1:  # a row's pixels are one piece
                shape[-2:], strides[-2:] = [shape[-2] * count], [item]
            if columns is None or columns.shape != tuple(shape):
                columns = np.empty(shape, self.dtype)
            cells = np.ndarray(shape, self.dtype, frame, 0, strides)
        return Tile(rows, count, columns, windows, pieces(windows, axes), [self.overlapping(columns, height, count)], cells)

    def fill(self, tile: Tile, x: np.ndarray, channels: slice) -> None:
        super().fill(tile, x, channels)
        if tile.cells is not None:
            copy_lines(tile.cells[:, channels], tile.columns[:, channels])

    def turned(self, part: np.ndarray) -> np.ndarray:
        return part.transpose(2, 1, *range(3, part.ndim), 0)  # rows O *sizes[1:] N

    def store(self, tile: Tile, pixels: np.ndarray, bias: np.ndarray | None, part: np.ndarray) -> None:
        if bias is None or self._in_place(tile):
            super().store(tile, pixels, bias, part)
        else:  # in one pass, for the images are long lines
            turned = self.turned(part)
            np.add(pixels.reshape(turned.shape), bias.reshape(-1, *[1] * (turned.ndim - 2)), out=turned)


LAYOUTS: dict[str, type[Layout]] = {layout.name: layout for layout in (Images, Merged, Rows, Interleaved)}


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
    """A layout by its name, cached for the next call with the same shapes: cutting a small layer takes longer than multiplying it."""
    return LAYOUTS[name](x_shape, w_shape, sizes, window, dtype, small)
