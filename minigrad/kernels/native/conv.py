"""Twins of convolutions by columns, for few channels: they multiply in registers, and copy each image once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.kernels.native import F32, address, library, lines, run
from minigrad.kernels.threads import parallel
from minigrad.kernels.tiles import cut

OUTPUTS, LONGEST = 4, 64  # as in kernels.c: channels that are summed at once; numbers of each of them, at most
SHARES = 8  # of the images, at most; a power of two, which any usual number of threads divides evenly
SHARE = 2 << 20  # multiplications in a share, at least: about 0.1 ms, many times what it takes to wake a thread
FRAME = 1 << 18  # numbers in a frame (or in that of the gradient), at most


def _plan(x_shape: Sequence[int], w_shape: Sequence[int], sizes: Sequence[int], window: Any) -> tuple[int, ...] | None:
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
    return (c, h, w, o, oh, ow, kh, kw, top, left, pitch, plane) if (c + OUTPUTS) * plane <= FRAME else None


def _zeros(count: int) -> np.ndarray:
    """Zeros that begin where a line of the cache does: vectors that lie in two lines take twice the time."""
    zeros = np.zeros(count + 16, np.float32)
    start = -address(zeros) // 4 % 16
    return zeros[start : start + count]


def _shares(n: int, products: int) -> list[slice]:
    count = min(SHARES, max(1, n * products // SHARE))
    return cut(n, 1, -(-n // (1 << (count.bit_length() - 1))))


def convolve(x: np.ndarray, w: Any, bias: Any, sizes: Sequence[int], window: Any, chosen: str) -> Any:
    """Stride and dilation 1, two axes, one group; up to 16 channels or, with five columns, as many as fit in the cache."""
    plan = _plan(x.shape, w.shape, sizes, window)
    if plan is None or (x.shape[1] > 16 and w.shape[3] < 5) or w.dtype is not F32 or (bias is not None and bias.dtype is not F32):
        return NotImplemented
    c, _, _, o, oh, ow, kh, kw, *_, plane = plan
    blocks = -(-o // OUTPUTS)
    weights = np.zeros((blocks * OUTPUTS, c * kh * kw), np.float32)
    weights[:o] = w.reshape(o, -1)
    weights = np.ascontiguousarray(weights.reshape(blocks, OUTPUTS, -1).swapaxes(1, 2))
    add = np.zeros(o, np.float32) if bias is None else np.ascontiguousarray(bias)
    (x,) = lines(x) or (x,)
    y = np.empty((len(x), o, oh, ow), np.float32)

    def work(images: slice) -> None:
        frame, room = _zeros((c + 1) * plane), _zeros(OUTPUTS * plane)
        part = x[images]
        run("convolve", [(a, 0) for a in (part, weights, add, frame, room, y[images])], len(part), *plan, part=len(part))

    parallel(work, _shares(len(x), o * c * kh * kw * oh * ow))
    return y


def weight_gradient(x: np.ndarray, y: Any, shape: Sequence[int], window: Any, chosen: str) -> Any:
    """The same, for kernels with five columns: with three, BLAS is as fast. And in groups of one image."""
    if len(x) == 1 and x.shape[1] > shape[1]:
        return _of_groups(x, y, shape, window)
    plan, ours, theirs = _plan(x.shape, shape, y.shape[2:], window), lines(x), lines(y)
    if plan is None or shape[3] != 5 or ours is None or theirs is None:
        return NotImplemented
    c, h, w, o, oh, ow, kh, kw, *_, plane = plan
    outputs = -(-o // OUTPUTS) * OUTPUTS
    if outputs * plane > FRAME:
        return NotImplemented
    (x,), (y,) = ours, theirs
    shares = _shares(len(x), math.prod(shape) * oh * ow // 2)  # fewer, for each has sums of its own
    dw = np.empty((len(shares), *shape), np.float32)

    def work(i: int) -> None:
        frame, room = _zeros((c + 1) * plane), _zeros(outputs * plane)
        sums = _zeros(outputs * c * kh * kw * 16)
        parts = x[shares[i]], y[shares[i]]
        places = [(a, 0) for a in (*parts, frame, room, sums, dw[i])]
        run("convolve_weights", places, len(parts[0]), c, h, w, outputs, *plan[3:], len(parts[0]), part=len(parts[0]))

    parallel(work, range(len(shares)))
    return dw[0] if len(shares) == 1 else dw.sum(axis=0)


def _of_groups(x: np.ndarray, y: Any, shape: Sequence[int], window: Any) -> Any:
    """The groups of one image, three or five columns wide: they are images of a batch, each with weights of its own, as samples in vmap are."""
    groups = x.shape[1] // shape[1]
    o, rest = divmod(shape[0], groups)
    turned = o >= 8 and getattr(library(), "level", "") in ("v3", "v4")  # the channels in a vector; with fewer BLAS is as fast
    if rest or shape[3:] not in (((3,), (5,)) if turned else ((5,),)):
        return NotImplemented
    x, y = (a.reshape(groups, -1, *a.shape[2:]) for a in (x, y))
    plan, ours, theirs = _plan(x.shape, (o, *shape[1:]), y.shape[2:], window), lines(x), lines(y)
    if plan is None or ours is None or theirs is None:
        return NotImplemented
    (x,), (y,) = ours, theirs
    c, h, w, _, oh, ow, *_, plane = plan
    outputs = -(-o // 16) * 16 if turned else -(-o // OUTPUTS) * OUTPUTS
    dw = np.empty((groups, o, *shape[1:]), np.float32)

    def work(part: slice) -> None:
        frame = _zeros((c + 1) * plane)
        if turned:
            places = [(a, 0) for a in (x[part], y[part], frame, _zeros(outputs * oh * ow), dw[part])]
            run("convolve_weights_each", places, len(x[part]), c, h, w, outputs, *plan[3:], part=len(x))
        else:
            sums = _zeros(outputs * c * math.prod(shape[2:]) * 16)
            places = [(a, 0) for a in (x[part], y[part], frame, _zeros(outputs * plane), sums, dw[part])]
            run("convolve_weights", places, len(x[part]), c, h, w, outputs, *plan[3:], 1, part=len(x))

    parallel(work, _shares(groups, math.prod(dw.shape[1:]) * oh * ow))
    return dw.reshape(shape)
