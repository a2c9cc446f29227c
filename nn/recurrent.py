"""Recurrent layers, which process a whole sequence, and recurrent cells, which do one time step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import absent
from minigrad.calls import tell_defaults
from minigrad.creation import zeros
from minigrad.engine import ShapeError, entitled, warn, wrap
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.nn.utils.rnn import PackedSequence
from minigrad.ops import recurrent as sequences
from minigrad.ops.arguments import require_dtype
from minigrad.ops.gathering import index_select
from minigrad.ops.index import getitem
from minigrad.ops.precision import in_float32
from minigrad.ops.shape import cat, flip, split, stack, transpose, unbind
from minigrad.tensor import Tensor
from minigrad.types import DType

# ------------------------------------------------------------------------------------------ one time step
# From the pre-activations of the gates (of input and hidden state, biases included) to the next state.


def _lstm_step(sums: Tensor, c: Tensor, size: int) -> tuple[Tensor, Tensor]:
    i, f, g, o = split(sums, size, -1)
    new = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(new), new


def _gru_step(a: Tensor, b: Tensor, h: Tensor, size: int) -> Tensor:
    """The next state. ``a`` are the pre-activations from the input, ``b`` from the hidden state ``h``; the reset gate multiplies only ``b``."""
    (ra, za, na), (rb, zb, nb) = split(a, size, -1), split(b, size, -1)
    z = F.sigmoid(za + zb)
    n = F.tanh(na + F.sigmoid(ra + rb) * nb)
    return n + z * (h - n)


# ----------------------------------------------------------------------------------------------------- cells


class _Cell(Module):
    """Base of cells: the stacked weights of ``gates`` gates, for the input and for the hidden state."""

    gates = 1
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: DType = None):
        check(self, locals())
        super().__init__()
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
        """The state, or zeros if it is None, after a check of both shapes."""
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            rule = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ShapeError(f"{type(self).__name__}: input must be {rule}, but is {tuple(input.shape)}")
        shape = (*input.shape[:-1], self.hidden_size)
        require_dtype(type(self).__name__, input, weight_ih=self.weight_ih, **{name: state})
        if state is None:
            first = zeros(*shape, dtype=input.dtype)
            tell_defaults(**{name: first})
            return first
        if tuple(state.shape) != shape:
            raise ShapeError(
                f"{type(self).__name__}: {name} must be {shape} beside input {tuple(input.shape)}, but is {tuple(state.shape)}"
            )
        return state

    def _sums(self, input: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(hidden, self.weight_hh, self.bias_hh)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: ``torch.nn.RNNCell``. (N, in) and (N, hidden) give (N, hidden).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.RNNCell(10, 20)(mg.ones(3, 10)).shape
    torch.Size([3, 20])
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

    def extra_repr(self) -> str:
        """The settings."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):
    """Long short-term memory with gates i, f, g, o: ``torch.nn.LSTMCell``. Returns (h', c').

    c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c').

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> h, c = nn.LSTMCell(10, 20)(mg.ones(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    gates = 4

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next hidden and cell states."""
        h, c = (None, None) if hx is None else hx
        a, b = self._sums(input, self._hidden(input, h, "h"))
        return _lstm_step(a + b, self._hidden(input, c, "c"), self.hidden_size)


class GRUCell(_Cell):
    """Gated recurrent unit with gates r, z, n: ``torch.nn.GRUCell``. (N, in) and (N, hidden) give (N, hidden).

    n = tanh(W_in x + b_in + sigmoid(r) (W_hn h + b_hn)) and h' = (1 - sigmoid(z)) n + sigmoid(z) h.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.GRUCell(10, 20)(mg.ones(3, 10)).shape
    torch.Size([3, 20])
    """

    gates = 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next hidden state."""
        h = self._hidden(input, hx, "hx")
        a, b = self._sums(input, h)
        return _gru_step(a, b, h, self.hidden_size)


# ---------------------------------------------------------------------------------------------------- layers

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}

_State = tuple[Tensor, ...]  # (h,), or an LSTM's (h, c)


@absent.answers_as("torch.nn.RNNBase")
class RNNBase(Module):
    """Base of :class:`RNN`, :class:`LSTM` and :class:`GRU`: ``torch.nn.RNNBase``.

    Args:
        mode: 'RNN_TANH', 'RNN_RELU', 'LSTM' or 'GRU'. The others are those of :class:`LSTM`.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        name = type(self).__name__
        if mode not in _GATES:
            raise ValueError(f"{name}: mode must be one of {', '.join(_GATES)}, not {mode!r}")
        for option, flag in (("bias", bias), ("batch_first", batch_first)):  # a likely mistake is a size in this position
            if not isinstance(flag, bool):
                raise TypeError(f"{name}: {option} must be True or False, not {flag!r}")
        if input_size < 1:  # a cell may have no input
            raise ValueError(f"{name}: input_size must be a whole number, 1 or above, but is {input_size}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: proj_size must be 0 or smaller than hidden_size ({hidden_size}), but is {proj_size}")
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: proj_size is for LSTM only")
        if isinstance(dropout, bool):
            raise ValueError(f"{name}: dropout must be a number from 0 to 1, but is {dropout}")
        if dropout and num_layers == 1:
            warn(f"{name}: dropout comes between layers, and there is one layer: dropout={dropout} does nothing")
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        rows, out = _GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else out * self._directions
            for suffix in self._suffixes(layer):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, out)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for part, shape in shapes.items():
                    self.register_parameter(f"{part}_{suffix}", empty_parameter(shape, dtype, device))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        """Suffixes of the names of a layer's parameters, one for each direction."""
        return [f"l{layer}", f"l{layer}_reverse"][: self._directions]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, as they are now: of normed, pruned or dropped ones those that are computed."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of :attr:`all_weights`, by which scripts find them, as in PyTorch."""
        parts = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else []), *(["weight_hr"] if self.proj_size else [])]
        return [[f"{part}_{suffix}" for part in parts] for layer in range(self.num_layers) for suffix in self._suffixes(layer)]

    @property
    def _flat_weights_names(self) -> list[str]:
        """The names of all weights, one after another, as PyTorch has them."""
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        """The weights of these names, as they are now."""
        return [getattr(self, name) for name in self._flat_weights_names]

    def reset_parameters(self) -> None:
        """Draw new initial values, uniform on ±1/sqrt(hidden_size)."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: exists for compatibility with PyTorch, which makes the weights contiguous in a GPU's memory."""

    # ------------------------------------------------------------------------------------------------- arguments

    def _batched(self, input: Tensor) -> Tensor:
        """The checked input as (T, N, in)."""
        name = type(self).__name__
        rule = f"({'N, T' if self.batch_first else 'T, N'}, {self.input_size}), or (T, {self.input_size}) without a batch"
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: input must be {rule}, but is {tuple(input.shape)}")
        x = input.unsqueeze(1) if input.ndim == 2 else transpose(input, 0, 1) if self.batch_first else input
        if not x.shape[0]:
            raise ShapeError(f"{name}: a sequence needs at least one step, but the input is {tuple(input.shape)}")
        return x

    def _first_states(self, hx: Any, batch: int | None, count: int, x: Tensor) -> _State:
        """(layers * directions, N, size) of each state: ``hx``, which is checked, or zeros. ``batch`` is None for unbatched input.

        Of the dtype of the input ``x``, which must be that of the weights.
        """
        name, lstm = type(self).__name__, self.mode == "LSTM"
        sizes = {"h_0": self.proj_size or self.hidden_size} | ({"c_0": self.hidden_size} if lstm else {})
        depth = self.num_layers * self._directions
        require_dtype(name, x, weight_ih_l0=self.weight_ih_l0)
        if hx is None:
            firsts = {which: wrap(np.zeros((depth, count, size), x._data.dtype)) for which, size in sizes.items()}
            tell_defaults(**firsts)
            return tuple(firsts.values())
        if lstm and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise TypeError(f"{name}: hx must be a pair (h_0, c_0), not {type(hx).__name__}")
        if not lstm and isinstance(hx, (tuple, list)):
            raise TypeError(f"{name}: hx must be one Tensor h_0, not a {type(hx).__name__}")
        states = tuple(hx) if lstm else (hx,)
        for (which, size), state in zip(sizes.items(), states, strict=True):
            require_dtype(name, x, **{which: state})
            shape = (depth, size) if batch is None else (depth, batch, size)
            if tuple(state.shape) != shape:
                parts = "layers * directions, " + ("" if batch is None else "batch, ") + "size"
                raise ShapeError(f"{name}: {which} must be ({parts}) = {shape}, but is {tuple(state.shape)}")
        return tuple([s.unsqueeze(1) for s in states]) if batch is None else states

    # --------------------------------------------------------------------------------------------------- forward

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The outputs of the last layer at all steps, and the states of all layers after the last step."""
        packed = input if isinstance(input, PackedSequence) else None
        if packed is not None:
            x = packed.data
            if x.ndim != 2 or x.shape[-1] != self.input_size:
                raise ShapeError(
                    f"{type(self).__name__}: the data of a packed input must be (steps, {self.input_size}), but is {tuple(x.shape)}"
                )
            sizes = packed.batch_sizes.tolist()
            states = self._first_states(hx, sizes[0], sizes[0], x)
            if packed.sorted_indices is not None:
                states = tuple([index_select(s, 1, packed.sorted_indices) for s in states])
            if sizes[-1] == sizes[0]:
                y, states = self._run(x.reshape(len(sizes), sizes[0], self.input_size), None, states)
                y = y.reshape(len(x), y.shape[-1])
            else:
                y, states = self._run(x, sizes, states)
            if packed.unsorted_indices is not None:
                states = tuple([index_select(s, 1, packed.unsorted_indices) for s in states])
            return PackedSequence(entitled(y, "CatBackward0"), *packed[1:]), self._handed_out(states)
        x = self._batched(input)
        count = x.shape[1]
        y, states = self._run(x, None, self._first_states(hx, None if input.ndim == 2 else count, count, x))
        y = entitled(y, self._title(y.dtype))
        if input.ndim == 2:
            return y.squeeze(1), self._handed_out(tuple([s.squeeze(1) for s in states]))
        if not self.batch_first:
            return y, self._handed_out(states)
        return entitled(transpose(y, 0, 1), f"TransposeBackward{0 if self._title(y.dtype)[0] == 'M' else 1}"), self._handed_out(states)

    def _title(self, dtype: DType) -> str:
        """PyTorch's name of the node of all steps: its float32 LSTM is one step, as a rule."""
        whole = self.mode == "LSTM" and dtype == "float32" and not self.proj_size
        return "CatBackward0" if self.bidirectional else "MkldnnRnnLayerBackward0" if whole else "StackBackward0"

    def _handed_out(self, states: _State) -> Any:
        return states if self.mode == "LSTM" else states[0]

    def _run(self, x: Tensor, sizes: list[int] | None, states: _State) -> tuple[Tensor, _State]:
        """All layers of sequences of one length (T, N, in), or of the steps one after the other, ``sizes[t]`` rows for step t.

        The states are (depth, N, size).
        """
        several = self.num_layers * self._directions > 1
        firsts = list(zip(*[unbind(s) if several else (s[0],) for s in states], strict=True))  # of each layer and direction
        lasts: list[_State] = []  # each (1, N, size)
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for suffix in self._suffixes(layer):
                backwards = suffix.endswith("_reverse")
                if sizes is None and not self.proj_size:
                    y, last = self._sequence(suffix, x, firsts[len(lasts)], backwards)
                else:
                    step, sums = self._step(suffix, x)
                    # One product computed the contribution of the input to all steps; split it into steps.
                    parts = unbind(sums) if sizes is None else split(sums, sizes)
                    found, ended = _walk(step, parts, firsts[len(lasts)], backwards)
                    y, last = (stack if sizes is None else cat)(found), tuple([s.unsqueeze(0) for s in ended])
                outputs.append(y)
                lasts.append(last)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
        return x, tuple([entitled(cat(s) if several else s[0], "StackBackward0") for s in zip(*lasts, strict=True)])

    def _sequence(self, suffix: str, x: Tensor, first: _State, backwards: bool) -> tuple[Tensor, _State]:
        """:func:`_walk` for sequences of one length (T, N, in), without a projection: one op for all steps."""
        part = self.__dict__
        w_ih, w_hh = part[f"weight_ih_{suffix}"], part[f"weight_hh_{suffix}"]
        b_ih, b_hh = (part[f"bias_ih_{suffix}"], part[f"bias_hh_{suffix}"]) if self.bias else (None, None)
        # The two biases are only added, so both are part of the input's product; but the GRU's reset gate multiplies that of the state.
        bias = b_ih if b_ih is None or self.mode == "GRU" else b_ih + b_hh
        sums = F.linear(x, w_ih, bias)
        y, last = _all_steps(self.mode, flip(sums, 0) if backwards else sums, w_hh, b_hh, *first)
        return flip(y, 0) if backwards else y, last

    def _step(self, suffix: str, x: Tensor) -> tuple[Callable[[Tensor, _State], _State], Tensor]:
        """A function from (contribution of the input to a step, state) to the next state, and the contributions for all steps of ``x``."""
        part = self.__dict__
        w_ih, w_hh, w_hr = part[f"weight_ih_{suffix}"], part[f"weight_hh_{suffix}"], part.get(f"weight_hr_{suffix}")
        b_ih, b_hh = (part[f"bias_ih_{suffix}"], part[f"bias_hh_{suffix}"]) if self.bias else (None, None)
        size = self.hidden_size
        if self.mode == "GRU":
            return (lambda a, s: (_gru_step(a, F.linear(s[0], w_hh, b_hh), s[0], size),)), F.linear(x, w_ih, b_ih)

        def lstm(a: Tensor, s: _State) -> _State:
            h, c = _lstm_step(a + F.linear(s[0], w_hh), s[1], size)
            return (h if w_hr is None else F.linear(h, w_hr)), c

        # The two biases are only added, so both are part of this one product.
        sums = F.linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
        if self.mode == "LSTM":
            return lstm, sums
        squash = F.tanh if self.mode == "RNN_TANH" else F.relu
        return (lambda a, s: (squash(a + F.linear(s[0], w_hh)),)), sums

    def extra_repr(self) -> str:
        """The settings that differ from the default."""
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


_LAST = (np.array([-1]),)  # an index that makes a copy: a view would keep all steps


@in_float32
def _all_steps(mode: str, sums: Tensor, weight: Tensor, bias: Tensor | None, h: Tensor, c: Tensor | None = None) -> tuple[Tensor, _State]:
    """The first state of each step (T, N, H), and copies of the last states (1, N, H)."""
    if mode == "LSTM":
        y, cells, _ = sequences.lstm(sums, weight, h, c)
        return y, (getitem(y, index=_LAST), getitem(cells, index=_LAST))
    y = sequences.gru(sums, weight, h, bias)[0] if mode == "GRU" else sequences.rnn(sums, weight, h, mode == "RNN_RELU")
    return y, (getitem(y, index=_LAST),)


def _walk(step: Callable[[Tensor, _State], _State], parts: Sequence[Tensor], first: _State, backwards: bool) -> tuple[list[Tensor], _State]:
    """Apply ``step`` to all time steps. Returns the first state of each step, and the last state of each sequence.

    ``parts[t]`` holds the sequences with a step t: as the longest come first, these are the first ones.
    """
    size, outputs = len(parts[0]), []
    if backwards:  # a sequence joins at its last step
        state = tuple([s[: len(parts[-1])] for s in first]) if len(parts[-1]) < size else first
        for part in reversed(parts):
            here, n = len(state[0]), len(part)
            if here < n:
                state = tuple([cat([s, f[here:n]]) for s, f in zip(state, first, strict=True)])
            state = step(part, state)
            outputs.append(state[0])
        return outputs[::-1], state
    state, ended = first, []
    for part in parts:
        here, n = len(state[0]), len(part)
        if n < here:  # a sequence leaves after its last step
            ended.append([s[n:] for s in state])
            state = tuple([s[:n] for s in state])
        state = step(part, state)
        outputs.append(state[0])
    if ended:
        state = tuple([cat([s, *[e[k] for e in reversed(ended)]]) for k, s in enumerate(state)])
    return outputs, state


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu, in ``num_layers`` layers: ``torch.nn.RNN``.

    Arguments, shapes and errors are those of :class:`LSTM`, except:

    Args:
        nonlinearity: 'tanh' or 'relu'. There is no ``proj_size``.

    The state is one Tensor (num_layers * directions, N, hidden).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> y, h = nn.RNN(10, 20, num_layers=2)(mg.ones(5, 3, 10))
    >>> y.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', but is {nonlinearity!r}")
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) over a sequence: ``torch.nn.LSTM``.

    Each step is that of :class:`LSTMCell`; with ``proj_size`` the hidden state is W_hr h (Sak et al. 2014).

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers: layer k takes the outputs of layer k - 1.
        bias: whether to use biases.
        batch_first: sequences are (N, T, features) instead of (T, N, features). States are not affected.
        dropout: of the outputs of all layers but the last, in training.
        bidirectional: a second set of weights processes the sequence backwards; both outputs are concatenated.
        proj_size: size of the hidden state, less than ``hidden_size``; 0: no projection.
        device, dtype: of the parameters.

    Called with ``input`` and, optionally, ``(h_0, c_0)`` (zeros by default):

    - input: (T, N, in), unbatched (T, in), or a :class:`~minigrad.nn.utils.rnn.PackedSequence`;
    - h_0: (num_layers * directions, N, out), c_0: (num_layers * directions, N, hidden), both without N if the input is unbatched.
      out is ``proj_size`` or ``hidden_size``.

    Returns ``output, (h_n, c_n)``: (T, N, directions * out), or packed, and states in the shapes of h_0 and c_0.

    Raises ``ShapeError`` for inputs and states of other shapes, ``ValueError`` for options out of range.

    Attributes: ``weight_ih_l0`` (4 hidden, in), ``weight_hh_l0`` (4 hidden, out), ``bias_ih_l0`` and ``bias_hh_l0`` (4 hidden,),
    ``weight_hr_l0`` (proj_size, hidden), and so on for each layer, each also with the suffix ``_reverse``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> y, (h, c) = nn.LSTM(10, 20, batch_first=True, bidirectional=True)(mg.ones(3, 5, 10))
    >>> y.shape, h.shape, c.shape
    (torch.Size([3, 5, 40]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014) over a sequence: ``torch.nn.GRU``. Each step is that of :class:`GRUCell`.

    Arguments, shapes and errors are those of :class:`LSTM`, except that there is no ``proj_size`` and the state is one Tensor
    (num_layers * directions, N, hidden).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> y, h = nn.GRU(10, 20)(mg.ones(5, 10))
    >>> y.shape, h.shape
    (torch.Size([5, 20]), torch.Size([1, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
