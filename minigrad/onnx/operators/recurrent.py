"""RNN, LSTM and GRU: with the usual activations on minigrad's own ops for whole sequences, else step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import operator
from minigrad.ops import recurrent as ops

_ACTIVATIONS: dict[str, Callable[[Any, float | None, float | None], Any]] = {
    "Affine": lambda x, a, b: x * (1.0 if a is None else a) + (b or 0.0),
    "Elu": lambda x, a, b: F.elu(x, 1.0 if a is None else a),
    "HardSigmoid": lambda x, a, b: mg.clamp(x * (0.2 if a is None else a) + (0.5 if b is None else b), 0.0, 1.0),
    "LeakyRelu": lambda x, a, b: F.leaky_relu(x, 0.01 if a is None else a),
    "Relu": lambda x, a, b: mg.relu(x),
    "ScaledTanh": lambda x, a, b: mg.tanh(x * (1.0 if b is None else b)) * (1.0 if a is None else a),
    "Sigmoid": lambda x, a, b: mg.sigmoid(x),
    "Softplus": lambda x, a, b: F.softplus(x),
    "Softsign": lambda x, a, b: F.softsign(x),
    "Tanh": lambda x, a, b: mg.tanh(x),
    "ThresholdedRelu": lambda x, a, b: F.threshold(x, 1.0 if a is None else a, 0.0),
}


class _Setting:
    """What the three operators have in common: directions, lengths, layout, clipping, activations. Its keywords are attributes of all three."""

    def __init__(
        self,
        what: str,
        x: Any,
        w: Any,
        lengths: Any,
        default: tuple[str, ...],
        *,
        activation_alpha: Any = None,
        activation_beta: Any = None,
        activations: Any = None,
        clip: float | None = None,
        direction: str = "forward",
        hidden_size: int | None = None,
        layout: int = 0,
    ):
        self.x = mg.transpose(x, 0, 1) if layout else x
        self.layout, self.clip = layout, clip
        count = w._data.shape[0]
        if direction not in ("forward", "reverse", "bidirectional") or count != 1 + (direction == "bidirectional"):
            raise OnnxError(f"onnx: {what}: direction {direction!r} and weights for {count} directions")
        self.backwards = [direction == "reverse"] if count == 1 else [False, True]
        names = tuple(activations or default * count)
        known = {name.lower(): name for name in _ACTIVATIONS}
        if len(names) != len(default) * count or any(n.lower() not in known for n in names):
            raise OnnxError(f"onnx: {what}: activations {names} are not known")
        self.names = tuple([known[n.lower()] for n in names])
        self.usual = clip is None and self.names == default * count
        alphas, betas = list(activation_alpha or ()), list(activation_beta or ())
        self.activations = [
            self._activation(n, alphas[i] if i < len(alphas) else None, betas[i] if i < len(betas) else None)
            for i, n in enumerate(self.names)
        ]
        self.per = len(default)
        steps, batch = self.x._data.shape[:2]
        self.lengths = None if lengths is None or (lengths._data == steps).all() else lengths._data.astype(np.int64)
        self.batch = batch

    def _activation(self, name: str, a: float | None, b: float | None) -> Callable[[Any], Any]:
        function = _ACTIVATIONS[name]
        if self.clip is None:
            return lambda x: function(x, a, b)
        return lambda x: function(mg.clamp(x, -self.clip, self.clip), a, b)  # type: ignore[operator]

    def state(self, given: Any, i: int, size: int) -> Any:
        """The first state of a direction."""
        if given is None:
            return mg.zeros(self.batch, size, dtype=self.x._data.dtype)
        return given[:, i] if self.layout else given[i]

    def sequence(self, i: int) -> Any:
        """The input in the order in which direction ``i`` reads it."""
        return self._turned(self.x) if self.backwards[i] else self.x

    def _turned(self, x: Any) -> Any:
        if self.lengths is None:
            return mg.flip(x, [0])
        steps = np.arange(x._data.shape[0])[:, None]
        return x[np.where(steps < self.lengths, self.lengths - 1 - steps, steps), np.arange(self.batch)[None, :]]

    def last(self, y: Any, first: Any) -> Any:
        """The state after the last step of each sequence."""
        if self.lengths is None:
            return y[-1] if len(y._data) else first
        last = y[np.maximum(self.lengths - 1, 0), np.arange(self.batch)]
        return mg.where(mg.tensor(self.lengths > 0)[:, None], last, first)

    def outputs(self, ys: list[Any], *lasts: list[Any]) -> tuple[Any, ...]:
        """All states, with the directions in the places of ONNX, then the last ones."""
        rows = []
        for i, y in enumerate(ys):
            if self.lengths is not None:
                y = mg.where(mg.tensor(np.arange(y._data.shape[0])[:, None] < self.lengths)[:, :, None], y, mg.zeros_like(y))
            rows.append(self._turned(y) if self.backwards[i] else y)
        if self.layout:
            return (mg.permute(mg.stack(rows, 1), (2, 0, 1, 3)), *[mg.stack(last, 1) for last in lasts])
        return (mg.stack(rows, 1), *[mg.stack(last, 0) for last in lasts])

    def steps(self, sums: Any, states: tuple[Any, ...], step: Callable[..., tuple[Any, ...]]) -> list[Any]:
        """Run ``step`` over time; all states of each kind, stacked."""
        found: list[tuple[Any, ...]] = []
        for t in range(sums._data.shape[0]):
            states = step(sums[t], *states)
            found.append(states)
        return [mg.stack(list(column)) for column in zip(*found, strict=True)]


def _biases(b: Any, i: int, gates: int, size: int) -> tuple[Any, Any]:
    if b is None:
        return None, None
    return b[i, : gates * size], b[i, gates * size :]


def _reordered(x: Any, order: tuple[int, ...], size: int) -> Any:
    """The gates in another order, along dimension 0."""
    return mg.cat([x[k * size : (k + 1) * size] for k in order], 0)


@operator("RNN", settings=(4,), shared=_Setting)
def _rnn(
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    lengths: Any = None,
    h: Any = None,
    *,
    outputs: int,
    **shared: Any,
) -> Any:
    s = _Setting("RNN", x, w, lengths, ("Tanh",), **shared)
    size = r._data.shape[-1]
    ys, lasts = [], []
    for i in range(len(s.backwards)):
        wb, rb = _biases(b, i, 1, size)
        sums = mg.matmul(s.sequence(i), mg.transpose(w[i], 0, 1))
        sums = sums if wb is None else sums + (wb + rb)
        first = s.state(h, i, size)
        if s.clip is None and s.names[i] in ("Tanh", "Relu"):
            y = ops.rnn(sums, r[i], first, s.names[i] == "Relu")
        else:
            (y,) = s.steps(sums, (first,), lambda a, state, i=i: (s.activations[i](a + mg.matmul(state, mg.transpose(r[i], 0, 1))),))
        ys.append(y)
        lasts.append(s.last(y, first))
    return s.outputs(ys, lasts)[:outputs]


@operator("LSTM", settings=(4,), shared=_Setting)
def _lstm(
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    lengths: Any = None,
    h: Any = None,
    c: Any = None,
    p: Any = None,
    *,
    input_forget: int = 0,
    outputs: int,
    **shared: Any,
) -> Any:
    s = _Setting("LSTM", x, w, lengths, ("Sigmoid", "Tanh", "Tanh"), **shared)
    size = r._data.shape[-1]
    ys, lasts, memories = [], [], []
    for i in range(len(s.backwards)):
        order = (0, 2, 3, 1)  # ONNX: i o f c, minigrad: i f c o
        wi, ri = _reordered(w[i], order, size), _reordered(r[i], order, size)
        wb, rb = _biases(b, i, 4, size)
        sums = mg.matmul(s.sequence(i), mg.transpose(wi, 0, 1))
        sums = sums if wb is None else sums + _reordered(wb + rb, order, size)
        first, memory = s.state(h, i, size), s.state(c, i, size)
        if s.usual and p is None and not input_forget and s.lengths is None and len(sums._data):
            y, cells, _ = ops.lstm(sums, ri, first, memory)
        else:
            f, g, k = s.activations[3 * i : 3 * i + 3]
            peepholes = None if p is None else (p[i, :size], p[i, 2 * size : 3 * size], p[i, size : 2 * size])

            def step(a: Any, state: Any, cell: Any, ri: Any = ri, f: Any = f, g: Any = g, k: Any = k, peepholes: Any = peepholes) -> Any:
                ai, af, ac, ao = mg.split(a + mg.matmul(state, mg.transpose(ri, 0, 1)), size, -1)
                if peepholes is not None:
                    ai, af = ai + peepholes[0] * cell, af + peepholes[1] * cell
                gate = f(ai)
                forget = 1 - gate if input_forget else f(af)
                cell = forget * cell + gate * g(ac)
                if peepholes is not None:
                    ao = ao + peepholes[2] * cell
                return f(ao) * k(cell), cell

            y, cells = s.steps(sums, (first, memory), step)
        ys.append(y)
        lasts.append(s.last(y, first))
        memories.append(s.last(cells, memory))
    return s.outputs(ys, lasts, memories)[:outputs]


@operator("GRU", settings=(4,), shared=_Setting)
def _gru(
    x: Any,
    w: Any,
    r: Any,
    b: Any = None,
    lengths: Any = None,
    h: Any = None,
    *,
    linear_before_reset: int = 0,
    outputs: int,
    **shared: Any,
) -> Any:
    s = _Setting("GRU", x, w, lengths, ("Sigmoid", "Tanh"), **shared)
    size = r._data.shape[-1]
    ys, lasts = [], []
    for i in range(len(s.backwards)):
        order = (1, 0, 2)  # ONNX: z r h, minigrad: r z n
        wi, ri = _reordered(w[i], order, size), _reordered(r[i], order, size)
        wb, rb = _biases(b, i, 3, size)
        sums = mg.matmul(s.sequence(i), mg.transpose(wi, 0, 1))
        if wb is not None:
            sums, rb = sums + _reordered(wb, order, size), _reordered(rb, order, size)
        first = s.state(h, i, size)
        if s.usual and linear_before_reset:
            y, _, _ = ops.gru(sums, ri, first, rb)
        else:
            f, g = s.activations[2 * i : 2 * i + 2]

            def step(a: Any, state: Any, ri: Any = ri, rb: Any = rb, f: Any = f, g: Any = g) -> Any:
                ar, az, an = mg.split(a, size, -1)
                recurrent = mg.matmul(state, mg.transpose(ri[: 2 * size], 0, 1))
                br, bz = mg.split(recurrent if rb is None else recurrent + rb[: 2 * size], size, -1)
                reset, update = f(ar + br), f(az + bz)
                inner = state if linear_before_reset else reset * state
                new = mg.matmul(inner, mg.transpose(ri[2 * size :], 0, 1))
                new = new if rb is None else new + rb[2 * size :]
                hidden = g(an + (reset * new if linear_before_reset else new))
                return ((1 - update) * hidden + update * state,)

            (y,) = s.steps(sums, (first,), step)
        ys.append(y)
        lasts.append(s.last(y, first))
    return s.outputs(ys, lasts)[:outputs]
