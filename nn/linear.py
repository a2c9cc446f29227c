"""Linear layers and layers that only change the shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.tensor import Tensor
from minigrad.types import DType

T = TypeVar("T")


class Identity(Module):
    """Returns its argument: ``torch.nn.Identity``. The constructor ignores its arguments, so that it can replace any layer."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: T) -> T:
        """``input``"""
        return input


class Linear(Module):
    """``x @ weight.T + bias``: ``torch.nn.Linear``.

    Args:
        in_features, out_features: (..., in) becomes (..., out).
        bias: whether to add one.
        device, dtype: of the parameters; the CPU and the default dtype.

    Attributes: ``weight`` (out, in) and ``bias`` (out,), both initially uniform on ±1/sqrt(in).

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Linear(20, 30)(mg.ones(128, 20)).shape
    torch.Size([128, 30])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: DType = None):
        check(self, locals())
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty_parameter((out_features, in_features), dtype, device)
        self.register_parameter("bias", empty_parameter((out_features,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.default_weight_(self.weight)
        if self.bias is not None:
            init.default_bias_(self.bias, self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) to (..., out)"""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The settings."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that PyTorch gives the last layer of an attention: scripts that take each layer whose type is ``Linear``
    leave this one alone."""


class Bilinear(Module):
    """y_o = x1 W_o x2 + bias_o: ``torch.nn.Bilinear``.

    Args:
        in1_features, in2_features, out_features: (..., in1) and (..., in2) become (..., out).
        bias: whether to add one.
        device, dtype: of the parameters.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: DType = None):
        check(self, locals())
        super().__init__()
        if in1_features == 0:
            raise ValueError("Bilinear: in1_features must be a whole number, 1 or above, but is 0")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = empty_parameter((out_features, in1_features, in2_features), dtype, device)
        self.register_parameter("bias", empty_parameter((out_features,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values, uniform on ±1/sqrt(in1)."""
        bound = self.in1_features**-0.5
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(..., in1) and (..., in2) to (..., out)"""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The settings."""
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Flatten(Module):
    """Dimensions ``start_dim`` to ``end_dim`` become one: ``torch.nn.Flatten``. By default (N, ...) becomes (N, features)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The same elements in fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The settings."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension ``dim`` becomes several: ``torch.nn.Unflatten``. One of the sizes may be -1.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.Unflatten(1, (2, 5, 5))(mg.ones(4, 50)).shape
    torch.Size([4, 2, 5, 5])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """The same elements in more dimensions."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The settings."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
