"""Activations as modules. Each calls the function of the same name in :mod:`minigrad.nn.functional`.

``inplace=True`` also gives the new value to the input Tensor. No other tensor changes, because no memory is shared, and none is saved.
"""

from __future__ import annotations

from typing import Any

from minigrad.engine import warn
from minigrad.nn import functional as F
from minigrad.nn import init as initialisers
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.tensor import Tensor
from minigrad.types import DType


class _Activation(Module):
    """Base of activations: keeps the settings and shows them in the ``repr``."""

    def __init__(self, **settings: Any):
        super().__init__()
        self._settings = settings
        for name, value in settings.items():
            if isinstance(value, Tensor) and value.ndim:
                layer = type(self).__name__
                raise TypeError(f"{layer}: the input is given to the layer, not to its constructor: {layer}()(x)")
            setattr(self, name, value)

    def extra_repr(self) -> str:
        """The settings."""
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._settings if name != "inplace" or getattr(self, name))


class _Simple(_Activation):
    """An activation whose only setting is ``inplace``."""

    inplace: bool

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class ReLU(_Simple):
    """max(x, 0): ``torch.nn.ReLU``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.ReLU()(mg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """max(x, 0)"""
        return F.relu(input, inplace=self.inplace)


class ReLU6(_Simple):
    """min(max(x, 0), 6): ``torch.nn.ReLU6``."""

    def forward(self, input: Tensor) -> Tensor:
        """min(max(x, 0), 6)"""
        return F.relu6(input, inplace=self.inplace)


class SELU(_Simple):
    """1.0507 (max(x, 0) + min(1.6733 (exp(x) - 1), 0)): ``torch.nn.SELU``."""

    def forward(self, input: Tensor) -> Tensor:
        """selu(x)"""
        return F.selu(input, inplace=self.inplace)


class SiLU(_Simple):
    """x sigmoid(x): ``torch.nn.SiLU``."""

    def forward(self, input: Tensor) -> Tensor:
        """x sigmoid(x)"""
        return F.silu(input, inplace=self.inplace)


class Mish(_Simple):
    """x tanh(softplus(x)): ``torch.nn.Mish``."""

    def forward(self, input: Tensor) -> Tensor:
        """x tanh(softplus(x))"""
        return F.mish(input, inplace=self.inplace)


class Hardswish(_Simple):
    """x relu6(x + 3) / 6: ``torch.nn.Hardswish``."""

    def forward(self, input: Tensor) -> Tensor:
        """x relu6(x + 3) / 6"""
        return F.hardswish(input, inplace=self.inplace)


class Hardsigmoid(_Simple):
    """relu6(x + 3) / 6: ``torch.nn.Hardsigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        """relu6(x + 3) / 6"""
        return F.hardsigmoid(input, inplace=self.inplace)


class Sigmoid(Module):
    """1 / (1 + exp(-x)): ``torch.nn.Sigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        """1 / (1 + exp(-x))"""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """-log(1 + exp(-x)): ``torch.nn.LogSigmoid``."""

    def forward(self, input: Tensor) -> Tensor:
        """-log(1 + exp(-x))"""
        return F.logsigmoid(input)


class Tanh(Module):
    """tanh(x): ``torch.nn.Tanh``."""

    def forward(self, input: Tensor) -> Tensor:
        """tanh(x)"""
        return F.tanh(input)


class Tanhshrink(Module):
    """x - tanh(x): ``torch.nn.Tanhshrink``."""

    def forward(self, input: Tensor) -> Tensor:
        """x - tanh(x)"""
        return F.tanhshrink(input)


class Softsign(Module):
    """x / (1 + abs(x)): ``torch.nn.Softsign``."""

    def forward(self, input: Tensor) -> Tensor:
        """x / (1 + abs(x))"""
        return F.softsign(input)


class LeakyReLU(_Activation):
    """x where positive, else negative_slope x: ``torch.nn.LeakyReLU``."""

    negative_slope: float

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__(negative_slope=negative_slope, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x, or negative_slope x"""
        return F.leaky_relu(input, self.negative_slope, inplace=self.inplace)


class RReLU(_Activation):
    """Leaky ReLU with slopes drawn from [lower, upper) in training, their mean in evaluation: ``torch.nn.RReLU``."""

    lower: float
    upper: float

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False):
        check(self, locals())
        if lower > upper:
            raise ValueError(f"RReLU: lower must not be above upper, but they are {lower} and {upper}")
        super().__init__(lower=lower, upper=upper, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x, or slope x"""
        return F.rrelu(input, self.lower, self.upper, self.training, inplace=self.inplace)


class PReLU(Module):
    """Leaky ReLU with learned slopes, one or one for each channel: ``torch.nn.PReLU``.

    Args:
        num_parameters: 1, or the number of channels of the input (N, C, ...).
        init: initial value of the slopes.
        device, dtype: of the slopes.
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: DType = None):
        check(self, locals())
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = empty_parameter((num_parameters,), dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to ``init``."""
        initialisers.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """x, or weight x"""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The settings."""
        return f"num_parameters={self.num_parameters}"


class ELU(_Activation):
    """x where positive, else alpha (exp(x) - 1): ``torch.nn.ELU``."""

    alpha: float

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x, or alpha (exp(x) - 1)"""
        return F.elu(input, self.alpha, inplace=self.inplace)


class CELU(_Activation):
    """x where positive, else alpha (exp(x / alpha) - 1): ``torch.nn.CELU``."""

    alpha: float

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        check(self, locals(), alpha="not 0")
        super().__init__(alpha=alpha, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x, or alpha (exp(x / alpha) - 1)"""
        return F.celu(input, self.alpha, inplace=self.inplace)


class GELU(_Activation):
    """x times the normal distribution function of x: ``torch.nn.GELU``. approximate: 'none', or 'tanh' for the common approximation."""

    approximate: str

    def __init__(self, approximate: str = "none"):
        super().__init__(approximate=approximate)

    def forward(self, input: Tensor) -> Tensor:
        """gelu(x)"""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The settings."""
        return f"approximate={self.approximate!r}"


class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta, and x where beta x > threshold: ``torch.nn.Softplus``."""

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        check(self, locals(), beta="not 0")
        super().__init__(beta=beta, threshold=threshold)

    def forward(self, input: Tensor) -> Tensor:
        """log(1 + exp(beta x)) / beta"""
        return F.softplus(input, self.beta, self.threshold)


class Hardtanh(_Activation):
    """x, kept between min_val and max_val: ``torch.nn.Hardtanh``. ``min_value`` and ``max_value`` are the old names."""

    min_val: float
    max_val: float

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ):
        for old, name, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warn(f"Hardtanh: {old} is deprecated, use {name}", FutureWarning)
        min_val, max_val = min_val if min_value is None else min_value, max_val if max_value is None else max_value
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: min_val must be below max_val ({min_val}, {max_val})")
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x between the bounds"""
        return F.hardtanh(input, self.min_val, self.max_val, inplace=self.inplace)


class Hardshrink(_Activation):
    """x where abs(x) > lambd, else 0: ``torch.nn.Hardshrink``."""

    lambd: float

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """The setting."""
        return f"{self.lambd}"

    def forward(self, input: Tensor) -> Tensor:
        """x or 0"""
        return F.hardshrink(input, self.lambd)


class Softshrink(_Activation):
    """x moved towards 0 by lambd: ``torch.nn.Softshrink``."""

    lambd: float

    def __init__(self, lambd: float = 0.5):
        check(self, locals())
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """The setting."""
        return f"{self.lambd}"

    def forward(self, input: Tensor) -> Tensor:
        """x - lambd, 0 or x + lambd"""
        return F.softshrink(input, self.lambd)


class Threshold(_Activation):
    """x where above ``threshold``, else ``value``: ``torch.nn.Threshold``."""

    threshold: float
    value: float

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__(threshold=threshold, value=value, inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """x or value"""
        return F.threshold(input, self.threshold, self.value, inplace=self.inplace)


class GLU(_Activation):
    """The first half along ``dim`` times the sigmoid of the second: ``torch.nn.GLU``."""

    dim: int

    def __init__(self, dim: int = -1):
        super().__init__(dim=dim)

    def forward(self, input: Tensor) -> Tensor:
        """a sigmoid(b)"""
        return F.glu(input, self.dim)


class _AlongDim(_Activation):
    """A function along ``dim``. As in PyTorch, ``dim`` may be left out: then it is 0 for inputs of 0, 1 or 3 dimensions, else 1, with a warning."""

    dim: int | None

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class Softmax(_AlongDim):
    """exp(x_i) / sum_j exp(x_j) along ``dim``: ``torch.nn.Softmax``."""

    def forward(self, input: Tensor) -> Tensor:
        """Numbers that sum to 1."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of :class:`Softmax`: ``torch.nn.LogSoftmax``."""

    def forward(self, input: Tensor) -> Tensor:
        """Log-probabilities."""
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """:class:`Softmax` of -x: ``torch.nn.Softmin``."""

    def forward(self, input: Tensor) -> Tensor:
        """Numbers that sum to 1."""
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W): ``torch.nn.Softmax2d``. Raises ``ValueError`` for other ranks."""

    def forward(self, input: Tensor) -> Tensor:
        """Numbers that sum to 1 over the channels."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: the input must be (N, C, H, W) or (C, H, W), not of shape {tuple(input.shape)}")
        return F.softmax(input, -3)
