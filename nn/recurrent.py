"""Recurrent cells: one step in time."""

from __future__ import annotations

from typing import Any

from minigrad.creation import zeros
from minigrad.engine import ShapeError
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.tensor import Tensor
from minigrad.types import DType


class _Cell(Module):
    """Weights of ``gates`` gates, stacked, from the input and from the hidden state."""

    gates = 1
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType = None):
        super().__init__()
        if hidden_size <= 0:
            raise ValueError(f"{type(self).__name__}: hidden_size must be positive, but is {hidden_size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = empty_parameter((rows, input_size), dtype, device)
        self.weight_hh = empty_parameter((rows, hidden_size), dtype, device)
        self.register_parameter("bias_ih", empty_parameter((rows,), dtype, device) if bias else None)
        self.register_parameter("bias_hh", empty_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values, uniform on ±1/sqrt(hidden_size)."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _hidden(self, input: Tensor, state: Tensor | None, name: str) -> Tensor:
        """The state, or zeros for it; both shapes checked."""
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            rule = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ShapeError(f"{type(self).__name__}: input must be {rule}, but is {tuple(input.shape)}")
        shape = (*input.shape[:-1], self.hidden_size)
        if state is None:
            return zeros(*shape, dtype=input.dtype)
        if tuple(state.shape) != shape:
            raise ShapeError(
                f"{type(self).__name__}: {name} must be {shape} beside input {tuple(input.shape)}, but is {tuple(state.shape)}"
            )
        return state

    def _sums(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(hidden, self.weight_hh, self.bias_hh)

    def _parts(self, sums: Tensor) -> list[Tensor]:
        h = self.hidden_size
        return [sums[..., i * h : (i + 1) * h] for i in range(self.gates)]

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: ``torch.nn.RNNCell``. (N, in) and (N, hidden) give (N, hidden).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.RNNCell(10, 20)(mg.ones(3, 10)).shape
    (3, 20)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None, dtype: DType = None
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', but is {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state."""
        a, b = self._sums(input, self._hidden(input, hx, "hx"))
        return F.tanh(a + b) if self.nonlinearity == "tanh" else F.relu(a + b)


class LSTMCell(_Cell):
    """Long short-term memory with gates i, f, g, o: ``torch.nn.LSTMCell``. Returns (h', c').

    c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c').

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> h, c = nn.LSTMCell(10, 20)(mg.ones(3, 10))
    >>> h.shape, c.shape
    ((3, 20), (3, 20))
    """

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next hidden and cell states."""
        h, c = (None, None) if hx is None else hx
        a, b = self._sums(input, self._hidden(input, h, "h"))
        i, f, g, o = self._parts(a + b)
        new = F.sigmoid(f) * self._hidden(input, c, "c") + F.sigmoid(i) * F.tanh(g)
        return F.sigmoid(o) * F.tanh(new), new


class GRUCell(_Cell):
    """Gated recurrent unit with gates r, z, n: ``torch.nn.GRUCell``. (N, in) and (N, hidden) give (N, hidden).

    n = tanh(W_in x + b_in + sigmoid(r) (W_hn h + b_hn)) and h' = (1 - sigmoid(z)) n + sigmoid(z) h.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.GRUCell(10, 20)(mg.ones(3, 10)).shape
    (3, 20)
    """

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state."""
        h = self._hidden(input, hx, "hx")
        a, b = self._sums(input, h)
        (ra, za, na), (rb, zb, nb) = self._parts(a), self._parts(b)
        z = F.sigmoid(za + zb)
        n = F.tanh(na + F.sigmoid(ra + rb) * nb)
        return n + z * (h - n)
