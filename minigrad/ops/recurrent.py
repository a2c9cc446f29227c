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
from minigrad.kernels.threads import WORTH, one_blas_thread, parallel
from minigrad.kernels.tiles import cut
from minigrad.ops.batching import merged
from minigrad.ops.batching import split as apart
from minigrad.ops.elementwise import gt, quiet, tanh
from minigrad.ops.precision import in_float32
from minigrad.ops.products import linear_weight, matmul
from minigrad.ops.shape import cat, reshape, split, stack, unsqueeze
from minigrad.types import Array

PART = 1 << 20  # bytes of the gates of some steps, of which a thread makes what does not depend on other steps


def _before(first: Any, states: Any) -> Any:
    """The state before each step: that before the first, and those after all but the last."""
    return cat([unsqueeze(first, 0), states[:-1]])


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
    """:func:`_lstm_steps` of arrays, with as few calls of numpy as there are: they take all of its time if arrays are small.

    What arrives at a cell state is multiplied with f (and goes on to the step before), and with the factors of i, f and n; what arrives at a
    state with the factor of o, and with that of the cell state. So both products of a step are one call, and six arrays of the states' shape in one.
    """
    steps, n, size = cells.shape
    gates = gates.reshape(steps, n, 4, size)
    factors, is_tanh = np.empty((steps, 6, n, size), gates.dtype), np.array([[0], [0], [1], [0]], gates.dtype)

    def prepare(some: slice) -> None:
        gate, to = gates[some], factors[some]
        slopes = gate + is_tanh
        slopes *= 1.0 - gate  # s (1 - s), and for tanh (1 + n) (1 - n)
        squashed = np.tanh(cells[some])
        to[:, 0] = gate[:, :, 1]
        np.multiply(gate[:, :, 2], slopes[:, :, 0], to[:, 1])
        np.multiply(c if some.start == 0 else cells[some.start - 1], slopes[0, :, 1], to[0, 2])
        np.multiply(cells[some.start : some.stop - 1], slopes[1:, :, 1], to[1:, 2])
        np.multiply(gate[:, :, 0], slopes[:, :, 2], to[:, 3])
        np.multiply(squashed, slopes[:, :, 3], to[:, 4])
        np.multiply(squashed, squashed, squashed)
        np.subtract(1.0, squashed, squashed)
        np.multiply(gate[:, :, 3], squashed, to[:, 5])

    _shared(prepare, gates)
    products, d = np.zeros_like(factors, shape=factors.shape[1:]), np.empty_like(gates)
    rows = d.reshape(steps, n, 4 * size)
    back, state, memory, given = np.zeros_like(c), np.empty_like(c), np.empty_like(c), gcells.any()
    of_memory, of_state, kept, part, sums = products[:4], products[4:], products[0], products[5], products[1:5]
    parts = factors[:, :4], factors[:, 4:], rows, d.swapaxes(1, 2)
    for g, gc, to_memory, to_state, row, places in zip(*[v[::-1] for v in (gy, gcells, *parts)], strict=True):
        np.add(g, back, state)
        np.multiply(state, to_state, of_state)
        np.add(kept, part, memory)
        if given:
            np.add(memory, gc, memory)
        np.multiply(memory, to_memory, of_memory)
        np.copyto(places, sums)
        np.dot(row, weight, back)
    return rows, back, kept.copy()


@joint
def _lstm_back(g, weight, h, c, out_0, out_1, out_2):
    d, first, memory = _lstm_steps(g[0], g[1], g[2], out_0, out_1, out_2, weight, c)
    return d, lambda: linear_weight(d, _before(h, out_0)), first, memory


@native.twin(fast.lstm, times=0)
def _lstm_kernel(sums, weight, h, c):
    size, states, dtype = c.shape[-1], sums.shape[:-1], sums.dtype
    y, cells = np.empty((*states, size), dtype), np.empty((*states, size), dtype)
    # Each gate is in one piece, which numpy takes in a third of the time. A sigmoid is tanh(a / 2) / 2 + 1 / 2, so that one tanh serves all.
    scales = np.array([0.5, 0.5, 1.0, 0.5], dtype).reshape(4, *[1] * c.ndim)
    halves = np.broadcast_to(scales, (4, *c.shape)).copy()
    rest = 1.0 - halves
    apart, gates = np.moveaxis(sums.reshape(*states, 4, size), -2, 1), np.empty((len(y), 4, *c.shape), dtype)
    _shared(lambda some: np.multiply(apart[some], halves, gates[some]), gates)
    turned = np.moveaxis(weight.reshape(*weight.shape[:-2], 4, size, size), -3, 0).swapaxes(-1, -2)
    turned = np.multiply(turned, scales, order="C")
    product, part = np.empty_like(gates[0]), np.empty_like(cells[0])
    for a, i, f, n, o, cell, state in zip(gates, *[gates[:, k] for k in range(4)], cells, y, strict=True):
        # a sequence of few numbers takes as long as its calls of numpy
        np.matmul(h, turned, product)
        np.add(a, product, a)
        np.tanh(a, a)
        np.multiply(a, halves, a)
        np.add(a, rest, a)
        np.multiply(f, c, cell)
        np.multiply(i, n, part)
        c = np.add(cell, part, cell)
        np.tanh(c, state)
        h = np.multiply(state, o, state)
    together, turned = np.empty((*states, 4, size), dtype), np.moveaxis(gates, 1, -2)
    _shared(lambda some: np.copyto(together[some], turned[some]), gates)
    return y, cells, together.reshape(*states, 4 * size)


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
