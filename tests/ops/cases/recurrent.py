"""Rows for ``minigrad/ops/recurrent.py``. The reference is one step after the other in PyTorch."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import recurrent
from minigrad.testing import strategies as st


@hs.composite
def sequences(draw, gates, states=1, **more):
    """Sums of all steps, the weight of the state, and its first values."""
    steps, n, size = draw(hs.integers(1, 4)), draw(hs.integers(0, 3)), draw(hs.integers(1, 3))
    shapes = [(steps, n, gates * size), (gates * size, size), *[(n, size)] * states]
    return st.Call(tuple([draw(st.arrays(shape, low=-2.0, high=2.0)) for shape in shapes]), {k: draw(v) for k, v in more.items()})


@hs.composite
def rectified(draw):
    """Sums above 1 or below -1, and small weights of a state that is positive: none comes near the kink."""
    call = draw(sequences(1))
    sums, weight, h = call.args
    signs = np.where(draw(st.booleans_array(sums.shape)), 1.0, -1.0)
    return st.Call((signs * (1.5 + np.abs(sums) % 1), np.abs(weight) % 0.05, np.abs(h) % 1), {"rectified": True})


@hs.composite
def gru_sequences(draw):
    call = draw(sequences(3))
    return st.Call((*call.args, draw(hs.none() | st.arrays(call.args[1].shape[:1], low=-2.0, high=2.0))))


def torch_rnn(torch, sums, weight, h):
    out = []
    for a in sums:
        h = torch.tanh(a + h @ weight.T)
        out.append(h)
    return torch.stack(out)


def torch_lstm(torch, sums, weight, h, c):
    results = []
    for a in sums:
        i, f, n, o = (a + h @ weight.T).chunk(4, -1)
        gates = [torch.sigmoid(i), torch.sigmoid(f), torch.tanh(n), torch.sigmoid(o)]
        c = gates[1] * c + gates[0] * gates[2]
        h = gates[3] * torch.tanh(c)
        results.append((h, c, torch.cat(gates, -1)))
    return tuple(torch.stack(r) for r in zip(*results, strict=True))


def torch_gru(torch, sums, weight, h, bias):
    results = []
    for a in sums:
        b = h @ weight.T if bias is None else h @ weight.T + bias
        (ra, za, na), (rb, zb, nb) = a.chunk(3, -1), b.chunk(3, -1)
        r, z = torch.sigmoid(ra + rb), torch.sigmoid(za + zb)
        n = torch.tanh(na + r * nb)
        h = (1 - z) * n + z * h
        results.append((h, torch.cat([r, z, n], -1), nb))
    return tuple(torch.stack(r) for r in zip(*results, strict=True))


CASES = [
    Case(recurrent.rnn, sequences(1), torch=torch_rnn),
    Case(recurrent.rnn, rectified(), name="rnn_with_relu"),
    Case(recurrent.lstm, sequences(4, 2), torch=torch_lstm),
    Case(recurrent.gru, gru_sequences(), torch=torch_gru),
]
