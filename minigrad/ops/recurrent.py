"""Recurrent layers over whole sequences: one op each, for all time steps.

Time is the first axis: T steps of N sequences, and H numbers in a state. The input's contributions to all steps are one product, which
is made before: ``sums`` (T, N, gates H), biases included. What remains is a loop over time, forward in the kernel and backward in the
formula. Activated gates and cell states are results too, so the formulas have them, and are differentiable in them to any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import batched, joint, moved, op, repeated
from minigrad.kernels import native
from minigrad.kernels.native import recurrent as fast
from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import WORTH, one_blas_thread, parallel
from minigrad.kernels.tiles import cut
from minigrad.ops.batching import merged
from minigrad.ops.batching import split as apart
from minigrad.ops.elementwise import gt, tanh
from minigrad.ops.precision import in_float32
from minigrad.ops.products import linear_weight, matmul
from minigrad.ops.shape import cat, reshape, split, stack
from minigrad.types import Array

FEW = 256  # numbers of a state, up to which turning arrays takes less than another call of numpy
PART = 1 << 20  # bytes of the gates of some steps, of which a thread makes what does not depend on other steps


def _before(first: Any, states: Any) -> Any:
    """The state before each step: that before the first, and those after all but the last."""
    return cat([first[None], states[:-1]])


def _sequences(run: Any, sums: Any, weight: Any, *states: Any, bias: Any = None, **statics: Any) -> Any:
    """The batching rule: with weights that all samples share, their sequences are more sequences; else a dimension before these."""
    shared = weight.shape[0] == 1 and (bias is None or bias.shape[0] == 1)
    sums, states = moved(repeated(sums, run.size), 0, 1), tuple([repeated(h, run.size) for h in states])
    if shared:
        sums, states, weight, bias = merged(sums, 1), tuple(map(merged, states)), weight[0], bias if bias is None else bias[0]
    outs = run(sums, weight, *states, *([bias] if "bias" in run.op.inputs else []), **statics)
    outs = tuple([moved(apart(y, run.size, 1) if shared else y, 1, 0) for y in (outs if type(outs) is tuple else (outs,))])
    return outs if len(outs) > 1 else outs[0]


# ------------------------------------------------------------------------------------------------------------ tanh or relu


@joint
def _rnn_back(g, weight, h, rectified, out):
    slopes = gt(out, 0) if rectified else 1.0 - out * out
    steps: list[Any] = []
    back: Any = 0.0  # what arrives at a state from the next step
    for t in reversed(range(len(out))):
        steps.append((g[t] + back) * slopes[t])
        back = matmul(steps[-1], weight)
    d = stack(steps[::-1])
    return d, lambda: linear_weight(d, _before(h, out)), back


@batched(_sequences)
@op(sums=_rnn_back, weight=_rnn_back, h=_rnn_back)
@in_float32
def rnn(sums: Array, weight: Array, h: Array, rectified: bool = False) -> Array:
    """h[t] = tanh(sums[t] + W h[t-1]), or relu, for all steps; (T, N, H).

    ``sums`` (T, N, H), ``weight`` W (H, H), ``h`` (N, H) the state before the first step.

    >>> import minigrad as mg
    >>> from minigrad.ops.recurrent import rnn
    >>> rnn(mg.ones(3, 1, 1), mg.ones(1, 1), mg.zeros(1, 1), rectified=True).flatten()
    tensor([1., 2., 3.])
    """
    out = np.empty_like(sums, order="C")
    turned = np.ascontiguousarray(weight.swapaxes(-1, -2))
    with one_blas_thread:
        for t, total in enumerate(out):
            np.matmul(h, turned, out=total)
            total += sums[t]
            h = np.maximum(total, 0, out=total) if rectified else np.tanh(total, out=total)
    return out


# -------------------------------------------------------------------------------------------------------------------- LSTM


def _shared(work, gates):
    """Call ``work`` with slices of all steps, in several threads if there are many gates."""
    if gates.nbytes > WORTH:
        parallel(work, cut(len(gates), gates[:1].nbytes, PART))
    else:
        work(slice(0, len(gates)))


@native.twin(fast.lstm_back, times=0)
def _lstm_steps(gy, gcells, ggates, y, cells, gates, weight, c):
    """The gradients of the sums of all gates (T, N, 4 H), of the first state, and of the first cell state."""
    if {np.ndarray} == set(map(type, (gy, gcells, ggates, cells, gates, weight, c))) and fast.nothing(ggates):
        with one_blas_thread:
            return _lstm_steps_in_place(gy, gcells, cells, gates, weight, c)
    size = cells.shape[-1]
    i, f, n, o = split(gates, size, -1)
    squashed = tanh(cells)
    to_cell = o * (1.0 - squashed * squashed)
    slopes = stack([i * (1.0 - i), f * (1.0 - f), 1.0 - n * n, o * (1.0 - o)], 2)  # T N 4 H, of the four activations
    factors = stack([n, _before(c, cells), i, squashed], 2) * slopes  # what each gate is multiplied with
    given = reshape(ggates, slopes.shape) * slopes
    steps: list[Any] = []
    back: Any = 0.0  # what arrives at a state from the next step
    memory: Any = 0.0  # and at a cell state
    for t in reversed(range(len(y))):
        state = gy[t] + back
        memory = memory + gcells[t] + state * to_cell[t]
        arriving = stack([memory, memory, memory, state], 1)  # N 4 H
        steps.append(reshape(arriving * factors[t] + given[t], (len(state), 4 * size)))
        memory = memory * f[t]
        back = matmul(steps[-1], weight)
    return stack(steps[::-1]), back, memory


def _lstm_steps_in_place(gy, gcells, cells, gates, weight, c):
    """:func:`_lstm_steps` of arrays, with as few calls of numpy as there are, none of which broadcasts: they take all of its time if arrays are small.

    What arrives at a state is multiplied with the factors of o and of the cell state; what arrives at a cell state, of which there are four copies,
    with f (and goes on to the step before), and with the factors of i, f and n.
    """
    steps, n, size = cells.shape
    apart = gates.reshape(steps, n, 4, size).transpose(2, 0, 1, 3)
    to_memory, to_o, to_cell = np.empty((steps, 4, n, size), gates.dtype), np.empty_like(cells), np.empty_like(cells)
    add, multiply = np.add, np.multiply

    def prepare(some: slice) -> None:
        gate, after, before = np.ascontiguousarray(apart[:, some]), cells[some], c if some.start == 0 else cells[some.start - 1]
        rest, factors = 1.0 - gate, np.empty_like(gate)
        slopes = rest * gate  # s (1 - s)
        add(slopes[2], rest[2], slopes[2])  # and for tanh (1 - n) (1 + n)
        factors[0] = gate[1]
        multiply(gate[2], slopes[0], factors[1])
        multiply(before, slopes[1, 0], factors[2, 0])
        multiply(after[:-1], slopes[1, 1:], factors[2, 1:])
        multiply(gate[0], slopes[2], factors[3])
        to_memory[some] = factors.swapaxes(0, 1)
        squashed = np.tanh(after)
        multiply(squashed, slopes[3], to_o[some])
        multiply(squashed, squashed, squashed)
        np.subtract(1.0, squashed, squashed)
        multiply(gate[3], squashed, to_cell[some])

    _shared(prepare, gates)
    d, products, memories = np.empty_like(gates), np.zeros((5, n, size), gates.dtype), np.empty((4, n, size), gates.dtype)
    back, state, part, given = np.zeros_like(c), np.empty_like(c), np.empty_like(c), gcells.any()
    kept, sums, of_memory, of_o, memory, copies = products[0], products[1:], products[:4], products[4], memories[0], memories[1:]
    gy = np.ascontiguousarray(gy)  # that of a sum is one number for all places
    parts = gy, gcells if given else gy, to_memory, to_o, to_cell, d, d.reshape(steps, n, 4, size).swapaxes(1, 2)
    for g, gc, factors, factor, to, row, places in zip(*[list(v)[::-1] for v in parts], strict=True):
        add(g, back, state)
        multiply(state, factor, of_o)
        multiply(state, to, part)
        add(kept, part, memory)
        if given:
            add(memory, gc, memory)
        copies[...] = memory
        multiply(memories, factors, of_memory)
        places[...] = sums
        row.dot(weight, back)  # np.dot and np.copyto take longer
    return d, back, kept.copy()


@joint
def _lstm_back(g, weight, h, c, out_0, out_1, out_2):
    d, first, memory = _lstm_steps(g[0], g[1], g[2], out_0, out_1, out_2, weight, c)
    return d, lambda: linear_weight(d, _before(h, out_0)), first, memory


def _halved(gates: Any, to: Any) -> None:
    """Gates i, f, n, o along the first axis in the order o, i, f, n, and those of sigmoids halved: a sigmoid is tanh(a / 2) / 2 + 1 / 2."""
    half = to.dtype.type(0.5)
    np.multiply(gates[3], half, to[0])
    np.multiply(gates[:2], half, to[1:3])
    np.copyto(to[3], gates[2])


@native.twin(fast.lstm, times=0)
def _lstm_kernel(sums, weight, h, c):
    """A sequence of few numbers takes as long as its calls of numpy: nine for a step, none of which broadcasts, which takes four times as long.

    The gates o, i, f and n lie beside each other, each in one piece, and behind them the cell state that the step begins with: one call is for all
    sigmoids, and one for both products of the next cell state. Of few numbers, the sequences are the last axis, so that W h is all gates in order.
    """
    *samples, n, size = c.shape
    few, ndim, dtype = not samples and weight.ndim == 2 and c.size <= FEW, sums.ndim, sums.dtype
    steps, batch = len(sums), (size, n) if few else c.shape
    places, states = np.empty((steps + 1, 5, *batch), dtype), np.empty((steps, *batch), dtype)
    gates, parts = places[:-1, :4], places[:-1].swapaxes(0, 1)
    turn = ndim - 1, 0, *range(1, ndim - 2), *((ndim, ndim - 2) if few else (ndim - 2, ndim))  # of T *samples N 4 H
    apart = sums.reshape(*sums.shape[:-1], 4, size).transpose(turn)
    apart = np.ascontiguousarray(apart) if few else apart  # short lines are copied faster than they are multiplied
    _shared(lambda some: _halved(apart[:, some], parts[:, some]), gates)
    lead = weight.ndim - 2
    of_gates = weight.reshape(*weight.shape[:-2], 4, size, size).transpose(lead, *range(lead), -2, -1)
    turned = np.empty(of_gates.shape, dtype)
    _halved(of_gates if few else of_gates.swapaxes(-1, -2), turned)

    product, both, halves = np.empty((4, *batch), dtype), np.empty((2, *batch), dtype), np.full((3, *batch), 0.5, dtype)
    rows, all_gates, first, second = turned.reshape(-1, size), product.reshape(4 * size, -1), both[0], both[1]
    add, multiply, squash, dot, matmul = np.add, np.multiply, np.tanh, rows.dot, np.matmul  # np.dot takes longer
    h, c = (np.ascontiguousarray(h.T), c.T) if few else (h, c)
    places[0, 4] = c
    views = gates, places[:-1, :3], places[:-1, 1:3], places[:-1, 3:], places[:-1, 0], places[1:, 4], states
    for a, sigmoids, kept, new, o, cell, state in zip(*views, strict=True):
        dot(h, all_gates) if few else matmul(h, turned, product)
        add(a, product, a)
        squash(a, a)
        multiply(sigmoids, halves, sigmoids)
        add(sigmoids, halves, sigmoids)
        multiply(kept, new, both)
        add(first, second, cell)
        squash(cell, state)
        h = multiply(state, o, state)

    together, cells = np.empty((*sums.shape[:-1], 4, size), dtype), places[1:, 4]
    ordered = together.transpose(turn)

    def hand_out(some: slice) -> None:
        np.copyto(ordered[:3, some], parts[1:4, some])
        np.copyto(ordered[3, some], parts[0, some])

    _shared(hand_out, gates)
    if few:
        states, cells = states.swapaxes(-1, -2), cells.swapaxes(-1, -2)
    return np.ascontiguousarray(states), np.ascontiguousarray(cells), together.reshape(sums.shape)


@batched(_sequences)
@op(sums=_lstm_back, weight=_lstm_back, h=_lstm_back, c=_lstm_back)
@in_float32
def lstm(sums: Array, weight: Array, h: Array, c: Array) -> Array:
    """All steps of :class:`~minigrad.nn.LSTM`: the states (T, N, H), the cell states (T, N, H), and the activated gates i, f, g, o (T, N, 4 H).

    ``sums`` (T, N, 4 H), ``weight`` (4 H, H) of the state, ``h`` and ``c`` (N, H) the states before the first step.

    >>> import minigrad as mg
    >>> from minigrad.ops.recurrent import lstm
    >>> y, cells, gates = lstm(mg.zeros(2, 1, 4), mg.zeros(4, 1), mg.zeros(1, 1), mg.ones(1, 1))
    >>> cells.flatten()
    tensor([0.5000, 0.2500])
    """
    with one_blas_thread:
        return quiet().run(_lstm_kernel, sums, weight, h, c)


# --------------------------------------------------------------------------------------------------------------------- GRU


@native.twin(fast.gru_back, times=0)
def _gru_steps(gy, ggates, gparts, y, gates, parts, weight, h):
    """The gradients of the input's sums and of the state's (T, N, 3 H), and of the first state."""
    size = y.shape[-1]
    (r, z, n), (gr, gz, gn) = split(gates, size, -1), split(ggates, size, -1)
    r_slope, z_slope, n_slope = r * (1.0 - r), z * (1.0 - z), 1.0 - n * n
    kept, to_z = 1.0 - z, _before(h, y) - n
    outer: list[Any] = []
    inner: list[Any] = []
    back: Any = 0.0
    for t in reversed(range(len(y))):
        state = gy[t] + back
        dz = (state * to_z[t] + gz[t]) * z_slope[t]
        dn = (state * kept[t] + gn[t]) * n_slope[t]
        dr = (dn * parts[t] + gr[t]) * r_slope[t]
        outer.append(cat([dr, dz, dn], -1))
        inner.append(cat([dr, dz, dn * r[t] + gparts[t]], -1))
        back = matmul(inner[-1], weight) + state * z[t]
    return stack(outer[::-1]), stack(inner[::-1]), back


@joint
def _gru_back(g, weight, h, out_0, out_1, out_2):
    outer, inner, first = _gru_steps(g[0], g[1], g[2], out_0, out_1, out_2, weight, h)
    return outer, lambda: linear_weight(inner, _before(h, out_0)), first, lambda: inner.sum((0, 1))


@native.twin(fast.gru, times=0)
def _gru_kernel(sums, weight, h, bias):
    size = h.shape[-1]
    y, parts, gates = (
        np.empty((*sums.shape[:-1], size), sums.dtype),
        np.empty((*sums.shape[:-1], size), sums.dtype),
        np.empty_like(sums, order="C"),
    )
    turned = np.ascontiguousarray(weight.swapaxes(-1, -2))
    for t, a in enumerate(gates):
        b = np.matmul(h, turned)
        if bias is not None:
            b += bias[..., None, :]  # in vmap each sample may have its own
        both, n = a[..., : 2 * size], a[..., 2 * size :]
        np.add(sums[t, ..., : 2 * size], b[..., : 2 * size], out=both)
        np.negative(both, out=both)
        np.exp(both, out=both)
        both += 1.0
        np.divide(1.0, both, out=both)
        parts[t] = b[..., 2 * size :]
        np.multiply(both[..., :size], parts[t], out=n)
        n += sums[t, ..., 2 * size :]
        np.tanh(n, out=n)
        state = np.subtract(h, n, out=y[t])
        state *= both[..., size:]
        state += n
        h = state
    return y, gates, parts


@batched(lambda run, sums, weight, h, bias: _sequences(run, sums, weight, h, bias=bias))
@op(sums=_gru_back, weight=_gru_back, h=_gru_back, bias=_gru_back)
@in_float32
def gru(sums: Array, weight: Array, h: Array, bias: Array | None = None) -> Array:
    """All steps of :class:`~minigrad.nn.GRU`: the states (T, N, H), the activated gates r, z, n (T, N, 3 H), and W_hn h + b_hn (T, N, H).

    ``sums`` (T, N, 3 H) of the input, ``weight`` (3 H, H) and ``bias`` (3 H,) of the state, ``h`` (N, H) the state before the first step.

    >>> import minigrad as mg
    >>> from minigrad.ops.recurrent import gru
    >>> y, gates, parts = gru(mg.zeros(2, 1, 3), mg.zeros(3, 1), mg.ones(1, 1))
    >>> y.flatten()
    tensor([0.5000, 0.2500])
    """
    with one_blas_thread:
        return quiet().run(_gru_kernel, sums, weight, h, bias)
