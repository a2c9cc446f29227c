"""Twins of convolutions by columns: they multiply in registers, with tiles of columns that stay in the first caches."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.kernels.layouts import Window, transposed
from minigrad.kernels.native import F32, address, lines, share, vector
from minigrad.kernels.sums import add_pixels
from minigrad.kernels.tiles import cut

SPAN, MOST, DEEP, CHANNELS, SPREAD = 3, 5, 204, 3, 4  # as in kernels.c
GROUP = 1 << 17  # numbers in the frames of the images that are put in frames together
TOGETHER, LONGEST = 3, 64  # channels that are summed at once, and numbers of each, in the gradient of weights with few outputs
POINTS = 1 << 12  # weights of a kernel of one cell, from which it is multiplied here
MANY = 1 << 18  # from so many on, the outputs are shared, not the images
SHARES = 8  # of the images or outputs, at most; a power of two, which any usual number of threads divides evenly
SHARE = 2 << 20  # multiplications in a share, at least: about 0.1 ms, many times what it takes to wake a thread
FRAME = 1 << 18  # numbers in a frame (or in that of the gradient), at most
POINT = Window((1,), ((0, 0),), (1,))  # a kernel of one cell along one axis


class _Along(NamedTuple):
    """An axis: window number p sees the places ``p * step + offset``, for each offset; ``which`` is the cell of the kernel for each.

    ``reach``: the first place that windows see, and the one behind the last, if more than these see them.
    """

    size: int
    out: int
    step: int
    offsets: tuple[int, ...]
    which: tuple[int, ...]
    reach: tuple[int, int] | None = None

    @property
    def low(self) -> int:
        """The first place that some window sees."""
        return self.reach[0] if self.reach else min(self.offsets)

    @property
    def end(self) -> int:
        """The place behind the last one."""
        return self.reach[1] if self.reach else (self.out - 1) * self.step + max(self.offsets) + 1

    @property
    def seen(self) -> Any:
        """Those that are seen, from the first one on."""
        return (
            range(self.end - self.low)
            if self.reach
            else {p * self.step + offset - self.low for p in range(self.out) for offset in self.offsets}
        )


class _Plan(NamedTuple):
    """Tables for kernels.c, which names them, and the numbers of its Shape but the last, in order."""

    tables: list[np.ndarray]  # in, cells, weights, starts, outs, perhaps ranges
    numbers: list[int]
    frame: int  # numbers of the frame of an image
    group: int
    products: int  # multiplications for an image
    clocks: float  # for an image, about


class _Work(NamedTuple):
    """What a call needs besides its arrays: Work, Shapes and tables of kernels.c in one, and how much room."""

    table: np.ndarray
    address: int
    outputs: int  # in a share
    shares: int
    split: bool  # the images, not the outputs
    frames: int  # numbers of room for frames, and for the cells of a tile
    panel: int
    scratch: int  # for both, turned weights and results


def _sums(*along: Sequence[int]) -> np.ndarray:
    """Each sum of one number of each list, the last list's fastest."""
    return np.array([sum(each) for each in itertools.product(*along)], np.int64)


def _plan(
    channels: tuple[int, int],
    axes: Sequence[_Along],
    kernel: Sequence[int],
    weights: tuple[int, int],
    out: tuple[Sequence[int], Sequence[int], Sequence[int]],
    lanes: int,
) -> _Plan:
    """``channels`` of x and y; ``weights``: numbers from one input channel's weights to the next one's, and from an output channel's.

    ``out``: for each axis of y its size, the first pixel that is written, and the distance to the next one.
    """
    (c, o), (*others, last) = channels, axes
    phases, pitch = last.step, -(-(last.end - last.low) // last.step)
    steps = [1]  # numbers of the frame from one place to the next, along all axes but the last; then those of a plane
    steps[0] = phases * pitch
    for axis in reversed(others):
        steps.insert(0, steps[0] * (axis.end - axis.low))
    plane, *steps = steps
    places = []  # of the rows of x, along each axis; far below 0 outside
    for axis, step in zip(others, steps, strict=True):
        seen = axis.seen
        places.append([(u - axis.low) * step if u - axis.low in seen else -(1 << 60) for u in range(axis.size)])
    inputs = np.maximum(_sums(*places), -1)
    cells = [[(offset - axis.low) * step for offset in axis.offsets] for axis, step in zip(others, steps, strict=True)]
    shifts = [offset - last.low for offset in last.offsets]
    at = _sums([k * plane for k in range(c)], *cells, [shift % phases * pitch + shift // phases for shift in shifts])
    strides = [math.prod(kernel[a + 1 :]) for a in range(len(kernel))]
    of_kernel = [[i * stride for i in axis.which] for axis, stride in zip(axes, strides, strict=True)]
    of_weights = _sums([k * weights[0] for k in range(c)], *of_kernel)
    starts = _sums(*[[p * axis.step * step for p in range(axis.out)] for axis, step in zip(others, steps, strict=True)])
    sizes, firsts, apart = out
    y_steps = [math.prod(sizes[a + 1 :]) for a in range(len(sizes))]
    lines_of_y = [
        [(first + p * d) * step for p in range(axis.out)] for axis, first, d, step in zip(others, firsts, apart, y_steps, strict=False)
    ]
    outs = _sums([firsts[-1]], *lines_of_y)
    rows, ow = len(starts), last.out

    vectors = -(-ow // lanes)  # of a row
    blocks = -(-o // lanes)  # of channels; what is in them is turned at the end
    clocks = [
        rows * (ow / lanes * (o + 2) + 2 * vectors),
        math.inf,
        rows * vectors * o,
        0.9 * rows * blocks * (ow + 30 * vectors / len(at)),
    ]
    # for a cell, in the ways that kernels.c has
    if phases == 1 and bool((starts == np.arange(rows) * pitch).all()):
        clocks[1] = -(-rows * pitch // lanes) * o
    way = clocks.index(min(clocks))
    group = max(1, GROUP // max(1, c * plane))
    pixels, y_pixels = math.prod([axis.size for axis in axes]), math.prod(sizes)
    numbers = [c, pixels // last.size, last.size, o, c * pixels, o * y_pixels, y_pixels, rows, ow, apart[-1]]
    numbers += [len(at), weights[1], plane, phases, pitch, -last.low, way, 0, 0, 0, 0]
    products = o * len(at) * rows * ow
    return _Plan([inputs, at, of_weights, starts, outs], numbers, c * plane, group, products, min(clocks) * len(at))


def _along(x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Any) -> list[_Along]:
    return [
        _Along(size, out, s, tuple([i * d - before for i in range(k)]), tuple(range(k)))
        for size, out, k, s, d, (before, _) in zip(
            x_shape[2:], sizes, w_shape[2:], window.stride, window.dilation, window.padding, strict=True
        )
    ]


def _possible(x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Any) -> bool:
    """One group, and something to multiply; not small kernels of one cell, whose columns are the image itself, for BLAS reads it in place."""
    small = math.prod(w_shape[2:]) == max(window.stride) == 1 and math.prod(w_shape) < POINTS
    return x_shape[1] == w_shape[1] and not small and 0 not in (*x_shape, *w_shape, *sizes)


def _of_points(kernel: Sequence[int], x_sizes: Sequence[int], sizes: Sequence[int], window: Any) -> bool:
    """Whether each pixel of y sees the one of x at its place: then the axes are one, whose rows are long."""
    if len(kernel) == 1 or math.prod(kernel) > 1 or max(window.stride) > 1 or tuple(x_sizes) != tuple(sizes):
        return False
    return not any(before for before, _ in window.padding)


def _one_axis(a: np.ndarray) -> np.ndarray:
    return a.reshape(*a.shape[:2], math.prod(a.shape[2:]))  # not -1: there may be no images


def _forward(x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Any, lanes: int) -> list[_Plan] | None:
    """The plan of a convolution."""
    if not _possible(x_shape, w_shape, sizes, window):
        return None
    o, c, *kernel = w_shape
    out = sizes, [0] * len(sizes), [1] * len(sizes)
    return [_plan((c, o), _along(x_shape, w_shape, sizes, window), kernel, (math.prod(kernel), math.prod(w_shape[1:])), out, lanes)]


def _backward(shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Any, lanes: int) -> list[_Plan] | None:
    """The plans of an input gradient: pixels of x that are a stride apart see the same cells of the kernel, so there is one plan for each place
    in a stride. Each is a convolution with stride 1 of y."""
    if not _possible(shape, w_shape, sizes, window):
        return None
    o, c, *kernel = w_shape
    choices = []
    for size, out, k, s, d, (before, _) in zip(shape[2:], sizes, kernel, window.stride, window.dilation, window.padding, strict=True):
        along = []
        for first in range(min(s, size)):
            which = tuple([i for i in range(k) if (first + before - i * d) % s == 0])
            offsets = tuple([(first + before - i * d) // s for i in which])
            if which:
                along.append((first, _Along(out, -(-(size - first) // s), 1, offsets, which)))
        reach = min([axis.low for _, axis in along], default=0), max([axis.end for _, axis in along], default=0)
        choices.append([(first, axis._replace(reach=reach)) for first, axis in along])  # all plans find the image in the same frame
    plans = []
    for choice in itertools.product(*choices):
        firsts, axes = [first for first, _ in choice], [axis for _, axis in choice]
        out = shape[2:], firsts, window.stride
        plans.append(_plan((o, c), axes, kernel, (math.prod(kernel), o * math.prod(kernel)), out, lanes))
    if len(plans) == max(window.stride) == 1 and len(kernel) > 1:
        spread = _spread(shape, w_shape, axes, window, lanes)
        if spread is not None and spread.clocks < plans[0].clocks:
            return [spread]
    return plans


def _spread(shape: tuple[int, ...], w_shape: tuple[int, ...], axes: list[_Along], window: Any, lanes: int) -> _Plan | None:
    """The plan of an input gradient with stride 1 whose pixels are spread along the last axis: None for many weights or a negative padding."""
    (n, c, *_, width), (o, _, *kernel) = shape, w_shape
    *others, last = axes
    taps, before, columns = kernel[-1], window.padding[-1][0], last.size
    if before < 0 or n < 4 or math.prod(w_shape) >= MANY:
        return None
    one = [*others, _Along(columns, columns, 1, (0,), (0,))]
    out = (*shape[2:-1], columns), [0] * len(kernel), [1] * len(kernel)
    plan = _plan((o, c), one, kernel, (math.prod(kernel), o * math.prod(kernel)), out, lanes)
    inputs, at, of_weights, starts, outs = plan.tables
    first = others[0]
    each, rows = len(at) // o // len(first.offsets), len(starts) // first.out
    order = np.arange(len(at)).reshape(o, len(first.offsets), each).swapaxes(0, 1).reshape(-1)  # kernel rows outermost
    inside = [[i for i, offset in enumerate(first.offsets) if 0 <= p + offset < first.size] or [0, -1] for p in range(first.out)]
    ranges = np.repeat(np.array([(i[0] * o * each, (i[-1] + 1) * o * each) for i in inside], np.int64), rows, axis=0)
    blocks = -(-c * taps // lanes)
    clocks = blocks * (int(np.diff(ranges).sum()) * columns + 15 * lanes * len(starts) * -(-columns // lanes))
    numbers = [*plan.numbers[:5], c * math.prod(shape[2:]), math.prod(shape[2:]), *plan.numbers[7:16], SPREAD]
    numbers += [taps, window.dilation[-1], before, width]
    tables = [inputs, at[order], of_weights[order], starts, outs // columns * width, ranges.ravel()]
    return plan._replace(tables=tables, numbers=numbers, clocks=clocks)


@functools.lru_cache(maxsize=512)
def _work(
    plans_of: Any, x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Any, lanes: int
) -> tuple[_Work | None, bool] | None:
    """The work of :func:`_forward` or :func:`_backward` by all its shapes (None if there is nothing to do), and whether all of y is written; None
    if the shapes are not for this."""
    plans = plans_of(x_shape, w_shape, sizes, window, lanes)
    if not plans:
        return None if plans is None else (None, False)
    n, o = x_shape[0], plans[0].numbers[3]
    images, outputs = _shared(n, o, math.prod(w_shape), n * sum([plan.products for plan in plans]))
    group, tile = min(plans[0].group, images), MOST * SPAN * lanes  # plans take turns with images that are in the cache
    table, frames, all_turned = [], -(-(group * plans[0].frame + tile + lanes) // 16) * 16, 0
    for plan in plans:
        taps = {CHANNELS: 1, SPREAD: plan.numbers[17]}.get(plan.numbers[16], 0)
        turned = (plan.numbers[10] + 1) * -(-outputs * taps // lanes) * lanes
        table += [np.array([*plan.numbers, turned], np.int64), *plan.tables]
        all_turned += -(-turned // 16) * 16
    shares = -(-n // images) * -(-o // outputs)
    numbers = np.concatenate([np.array([len(plans), n, o, images, outputs, shares, group, frames, all_turned], np.int64), *table])
    packed = max([min(DEEP, plan.numbers[10]) * tile if plan.numbers[16] == 0 else 0 for plan in plans]) + 16
    results = max([max(outputs * tile, (plan.numbers[8] + lanes) * 2 * lanes) for plan in plans])
    if plans[0].numbers[16] == SPREAD:
        ow, (taps, apart, before, width) = plans[0].numbers[8], plans[0].numbers[17:21]
        results += o * (max(ow + (taps - 1) * apart, before + width) + 2 * lanes)
    whole = plans_of is _forward or len(plans) == math.prod([min(s, size) for s, size in zip(window.stride, x_shape[2:], strict=True)])
    scratch = frames + all_turned + packed + results
    return _Work(numbers, address(numbers), outputs, shares, images < n, frames, packed, scratch), whole


def _shares(n: int, products: int) -> list[slice]:
    """Slices of n images, each of so many multiplications."""
    count = min(SHARES, max(1, n * products // SHARE))
    return cut(n, 1, -(-n // (1 << (count.bit_length() - 1))))


def _shared(n: int, o: int, weights: int, products: int) -> tuple[int, int]:
    """Images and outputs of a share: all outputs of some images or, where there are few images or many weights, the contrary."""
    if n >= 4 and weights < MANY:
        return _shares(n, products // n)[0].stop, o
    return n, cut(o, 1, max(32, -(-o * SHARE // max(1, products)), -(-o // SHARES)))[0].stop


class _Depthwise(NamedTuple):
    """A depthwise convolution: the struct of kernels.c, where it lies, numbers of a frame, channels in a share, shares."""

    table: np.ndarray
    address: int
    frame: int
    each: int
    shares: int


@functools.lru_cache(maxsize=512)
def _depthwise(x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Any, lanes: int) -> _Depthwise | None:
    """For images whose channels have a kernel each; None for other shapes, and for a negative padding."""
    n, c, *given = x_shape
    if c == 1 or tuple(w_shape[:2]) != (c, 1) or len(sizes) != 2 or 0 in (*x_shape, *w_shape, *sizes):
        return None
    (oh, ow), (kh, kw), (sh, sw), (dh, dw) = sizes, w_shape[2:], window.stride, window.dilation
    (top, _), (left, _) = window.padding
    high, pitch = (oh - 1) * sh + (kh - 1) * dh + 1, -(-ow // lanes) * lanes + (kw - 1) * dw // sw + 1
    frame = -(-high * sw * pitch // 16) * 16
    if top < 0 or left < 0 or frame > FRAME:
        return None
    shares = min(SHARES, c, max(1, n * c * oh * ow * kh * kw // SHARE))
    each = -(-c // shares)
    row = sw * pitch
    cells = [i * dh * row + j * dw % sw * pitch + j * dw // sw for i in range(kh) for j in range(kw)]
    table = np.array([c, each, n, *given, oh, ow, kh, kw, sw, top, left, high, pitch, sh * row, *cells], np.int64)
    return _Depthwise(table, address(table), frame, each, -(-c // each))


@functools.lru_cache(maxsize=512)
def _planned(x_shape: tuple[int, ...], w_shape: tuple[int, ...], sizes: tuple[int, ...], window: Any, lanes: int) -> Any:
    """The :class:`_Depthwise` or :class:`_Work` of a convolution; None if it has none."""
    plan = _depthwise(x_shape, w_shape, sizes, window, lanes)
    if plan is None:
        found = _work(_forward, x_shape, w_shape, sizes, window, lanes)
        return None if found is None else found[0]
    return plan


def convolve(x: np.ndarray, w: Any, bias: Any, sizes: Sequence[int], window: Any, chosen: str) -> Any:
    """Any stride and dilation, any number of axes, one group; two axes, and a group for each channel."""
    if _of_points(w.shape[2:], x.shape[2:], sizes, window):
        y = convolve(_one_axis(x), _one_axis(w), bias, (math.prod(sizes),), POINT, chosen)
        return y if y is NotImplemented else y.reshape(len(x), len(w), *sizes)
    if w.dtype is not F32 or (bias is not None and bias.dtype is not F32):
        return NotImplemented
    plan = _planned(x.shape, w.shape, tuple(sizes), window, vector())
    if plan is None:
        return NotImplemented
    add = np.zeros(len(w), np.float32) if bias is None else np.ascontiguousarray(bias)
    (x,), (w,) = lines(x) or (x,), lines(w) or (w,)
    y = np.empty((len(x), len(w), *sizes), np.float32)
    if type(plan) is _Depthwise:
        share("depthwise", (x, w, add, y), plan.frame, plan.address, shares=plan.shares)
    else:
        _convolve(plan, x, w, add, y)
    return y


def input_gradient(y: np.ndarray, w: Any, shape: Sequence[int], window: Any, flipped: Any, chosen: str) -> Any:
    """The same."""
    if _of_points(w.shape[2:], shape[2:], y.shape[2:], window):
        x = input_gradient(_one_axis(y), _one_axis(w), (*shape[:2], math.prod(shape[2:])), POINT, POINT, chosen)
        return x if x is NotImplemented else x.reshape(shape)
    if w.dtype is not F32:
        return NotImplemented
    if (plan := _depthwise(tuple(shape), w.shape, y.shape[2:], window, vector())) is not None:
        if max(window.stride) == 1 and _depthwise(y.shape, w.shape, tuple(shape[2:]), flipped, vector()) is not None:
            return convolve(y, w[:, :, ::-1, ::-1], None, shape[2:], flipped, chosen)
        (y,), (w,), x = lines(y) or (y,), lines(w) or (w,), np.empty(shape, np.float32)
        share("depthwise_back", (y, w, x), plan.frame, plan.address, shares=plan.shares)
        return x
    found = _work(_backward, tuple(shape), w.shape, y.shape[2:], window, vector())
    if found is None:
        return NotImplemented
    work, whole = found
    (y,) = lines(y) or (y,)
    x = (np.empty if whole else np.zeros)(shape, np.float32)
    if work is not None:
        _convolve(work, y, transposed(w, 1, 0), np.zeros(shape[1], np.float32), x)
    return x


def _convolve(work: _Work, x: np.ndarray, w: np.ndarray, add: np.ndarray, y: np.ndarray) -> None:
    share("convolve", (x, w, add, y), work.scratch, work.address, work.panel, shares=work.shares)


def weight_gradient(x: np.ndarray, y: Any, shape: Sequence[int], window: Any, chosen: str, db: np.ndarray | None) -> Any:
    """The same for many outputs; else for kernels with five columns: with three, BLAS is as fast. And in groups of one image, or of one channel."""
    plan = _depthwise(x.shape, tuple(shape), y.shape[2:], window, vector())
    if plan is not None:
        ours, theirs, dw = lines(x), lines(y), np.empty(shape, np.float32)
        if ours is None or theirs is None:
            return NotImplemented
        add_pixels(y, db)
        scratch = plan.frame + 2 * plan.each * math.prod(shape[2:])
        share("depthwise_weights", (*ours, *theirs, dw), scratch, plan.address, shares=plan.shares)
        return dw
    if len(x) == 1 and x.shape[1] > shape[1]:
        dw = _of_groups(x, y, shape, window)
        if dw is not NotImplemented:
            add_pixels(y, db)
        return dw
    if _of_points(shape[2:], x.shape[2:], y.shape[2:], window):
        dw = weight_gradient(_one_axis(x), _one_axis(y), (*shape[:2], 1), POINT, chosen, db)
        return dw if dw is NotImplemented else dw.reshape(shape)
    lanes = vector()
    if shape[0] < lanes:
        return _few_weights(x, y, shape, window, db)
    work, ours, theirs = _planned(x.shape, tuple(shape), y.shape[2:], window, lanes), lines(x), lines(y)
    if work is None or ours is None or theirs is None:
        return NotImplemented
    cells = math.prod(shape[1:])
    tile, wide = MOST * SPAN * lanes, -(-work.outputs // lanes) * lanes
    count = work.shares if work.split else 1
    dw, sums = np.empty((count, *shape), np.float32), None if db is None else np.empty((count, shape[0]), np.float32)
    scratch = work.frames + wide * tile + cells * wide
    apart = dw[0].size if work.split else 0
    share("convolve_back", (*ours, *theirs, dw), scratch, work.address, apart, 0 if sums is None else address(sums), shares=work.shares)
    return _total(dw, sums, db)


def _total(dw: np.ndarray, sums: np.ndarray | None, db: np.ndarray | None) -> np.ndarray:
    """The gradient in the weights of all shares; that in the bias goes into ``db``."""
    if sums is not None:
        np.add.reduce(sums, axis=0, out=db)
    return dw[0] if len(dw) == 1 else dw.sum(axis=0)


def _frame(x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Any) -> tuple[int, ...] | None:
    """c, h, w, o, oh, ow, kh, kw, top, left, pitch, plane; None for what is not done here."""
    if (
        len(sizes) != 2
        or x_shape[1] != w_shape[1]
        or max(window.stride) != 1
        or max(window.dilation) != 1
        or 0 in (*x_shape, *w_shape, *sizes)
    ):
        return None
    (_, c, h, w), (o, _, kh, kw), (oh, ow) = x_shape, w_shape, sizes
    top, left = window.padding[0][0], window.padding[1][0]
    high, pitch = oh + kh - 1, ow + kw - 1  # what windows meet
    if top < 0 or left < 0 or top + h > high or left + w > pitch:  # parts of x that no window meets
        return None
    plane = -(-(high * pitch + LONGEST + kw) // 16) * 16
    return (c, h, w, o, oh, ow, kh, kw, top, left, pitch, plane) if (c + TOGETHER) * plane <= FRAME else None


def _few_weights(x: np.ndarray, y: Any, shape: Sequence[int], window: Any, db: np.ndarray | None) -> Any:
    """For few outputs and kernels with five columns: a vector holds places, which are summed across it at the end."""
    lanes, plan, ours, theirs = vector(), _frame(x.shape, shape, y.shape[2:], window), lines(x), lines(y)
    if plan is None or shape[3] != 5 or ours is None or theirs is None:
        return NotImplemented
    c, h, w, o, oh, ow, kh, kw, *_, plane = plan
    outputs = -(-o // TOGETHER) * TOGETHER
    if outputs * plane > FRAME:
        return NotImplemented
    each = _shares(len(x), math.prod(shape) * oh * ow)[0].stop
    dw = np.empty((-(-len(x) // each), *shape), np.float32)
    sums = None if db is None else np.empty((len(dw), o), np.float32)
    scratch = (c + 1 + outputs) * plane + outputs * c * kh * kw * lanes
    numbers = len(x), c, h, w, outputs, *plan[3:7], *plan[8:], each, 0 if sums is None else address(sums)
    share("convolve_weights", (*ours, *theirs, dw), scratch, *numbers, shares=len(dw))
    return _total(dw, sums, db)


def _of_groups(x: np.ndarray, y: Any, shape: Sequence[int], window: Any) -> Any:
    """The groups of one image, three or five columns wide: they are images of a batch, each with weights of its own, as samples in vmap are."""
    groups = x.shape[1] // shape[1]
    o, rest = divmod(shape[0], groups)
    lanes = vector()
    turned = o >= 8 and lanes >= 8  # the channels in a vector; with fewer BLAS is as fast
    if rest or shape[3:] not in (((3,), (5,)) if turned else ((5,),)):
        return NotImplemented
    x, y = (a.reshape(groups, -1, *a.shape[2:]) for a in (x, y))
    plan, ours, theirs = _frame(x.shape, (o, *shape[1:]), y.shape[2:], window), lines(x), lines(y)
    if plan is None or ours is None or theirs is None:
        return NotImplemented
    c, h, w, _, oh, ow, *_, plane = plan
    outputs = -(-o // 16) * 16 if turned else -(-o // TOGETHER) * TOGETHER
    dw = np.empty((groups, o, *shape[1:]), np.float32)
    arrays, numbers, count = (
        (*ours, *theirs, dw),
        (groups, c, h, w, outputs, *plan[3:]),
        len(_shares(groups, math.prod(dw.shape[1:]) * oh * ow)),
    )
    if turned:
        share("convolve_weights_each", arrays, (c + 1) * plane + outputs * oh * ow, *numbers, shares=groups, calls=count)
    else:
        scratch = (c + 1 + outputs) * plane + outputs * c * math.prod(shape[2:]) * lanes
        share("convolve_weights", arrays, scratch, *numbers[:9], *numbers[10:], 1, 0, shares=groups, calls=count)
    return dw.reshape(shape)
