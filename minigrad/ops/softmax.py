"""Softmax and its logarithm, stable for logits of any size: the largest logit is subtracted before ``exp``.

With p = softmax(x):  dp_i/dx_j = p_i (1[i=j] - p_j), hence the two gradient formulas below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import F16, TensorBase, batched, cast, dtype_of, each_sample, is_grad_enabled, op, public, tangent, warn
from minigrad.kernels import native
from minigrad.kernels.native import maps
from minigrad.kernels.quiet import quiet
from minigrad.kernels.sums import add_reduce
from minigrad.ops.arguments import number, positive_dim
from minigrad.ops.batching import along_dim
from minigrad.ops.elementwise import neg
from minigrad.ops.precision import in_float32
from minigrad.ops.reduce import sum
from minigrad.random import drawn
from minigrad.tree import array_of, unwrapped
from minigrad.types import Array, DType, Tensor


def _shifted(x: np.ndarray, dim: int, name: str) -> np.ndarray:
    """``x`` minus its maximum along ``dim``, as a new array."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: floating logits are needed, not {x.dtype.name}")
    positive_dim(name, dim, x.ndim)
    if x.ndim == 0:
        return np.zeros_like(x)
    if not x.size:
        return x.copy()
    return np.subtract(x, np.maximum.reduce(x, axis=dim, keepdims=True))  # a row with only -inf gives NaN, which is correct


def _sums(x: np.ndarray, dim: int) -> np.ndarray:
    return add_reduce(x, (dim % x.ndim,) if x.ndim else None, keepdims=True)


@native.twin(maps.rows("softmax_back"), times=0)
def _softmax_input(g, out, dim):
    return out * (g - sum(g * out, dim=dim, keepdim=True))


@tangent(input=lambda t, out, dim: _softmax_input(t, out, dim))  # a symmetric Jacobian
@batched(along_dim())
@op(input=_softmax_input)
@native.twin(maps.rows("softmax"), times=0)
def _softmax(input: Array, dim: Any) -> Array:
    return quiet().run(_softmax_kernel, input, dim)


def _softmax_kernel(input: np.ndarray, dim: int) -> np.ndarray:
    e = _shifted(input, dim, "softmax")
    np.exp(e, out=e)
    e /= _sums(e, dim)
    return e


@native.twin(maps.rows("log_softmax_back"), times=0)
def _without_share(g, p, dim):
    return g - p * sum(g, dim=dim, keepdim=True)


def _log_softmax_input(g, input, res, dim):
    # the softmax that the kernel kept is a constant: what is recorded computes it again
    return _without_share(g, _softmax(input, dim=dim) if res is None or isinstance(input, TensorBase) else res, dim)


@native.twin(maps.log_softmax, times=0)
def _log_softmax_kernel(input: np.ndarray, dim: int, both: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The result, and the softmax if ``both``: exponentials are most of the time, and the gradient needs them again."""
    x = _shifted(input, dim, "log_softmax")
    e = np.exp(x)
    s = _sums(e, dim)
    if both:
        e /= s
    x -= np.log(s)
    return x, e if both else None


@tangent(input=lambda t, input, dim: t - sum(_softmax(input, dim=dim) * t, dim=dim, keepdim=True))
@batched(along_dim())
@op(input=_log_softmax_input, res=None)
def _log_softmax(input: Array, dim: Any) -> Array:
    return quiet().run(_log_softmax_kernel, input, dim, is_grad_enabled())


_in_float32 = {_softmax: in_float32(_softmax), _log_softmax: in_float32(_log_softmax)}


def _along(op: Any, input: Any, dim: Any, dtype: Any) -> Any:
    if dtype is not None:
        input = cast(input, dtype=dtype_of(op.__name__.lstrip("_"), dtype))
    half = getattr(unwrapped(input), "dtype", None) is F16  # asked here, since asking in `in_float32` costs 5 % of the smallest softmax
    return (_in_float32[op] if half else op)(input, dim=dim)


def softmax(input: Tensor, dim: int | None = None, dtype: DType = None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along ``dim``: ``torch.nn.functional.softmax``.

    Args:
        input: floating logits of any shape.
        dim: the dimension that sums to 1. Without it, 0 is used for 0, 1 and 3 dimensions, else 1, with a warning, as in PyTorch.
        dtype: convert the input first.

    Raises:
        IndexError: ``dim`` out of range. RuntimeError: integer logits.

    >>> import minigrad as mg
    >>> mg.softmax(mg.tensor([0.0, 0.0, 1e4]), dim=0)
    tensor([0., 0., 1.])
    """
    return _along(_softmax, input, _dim("softmax", input) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: DType = None) -> Tensor:
    """x_i - log sum_j exp(x_j) along ``dim``: ``torch.nn.functional.log_softmax``. Same arguments as :func:`softmax`.

    >>> import minigrad as mg
    >>> mg.log_softmax(mg.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    return _along(_log_softmax, input, _dim("log_softmax", input) if dim is None else dim, dtype)


def softmin(input: Tensor, dim: int | None = None, dtype: DType = None) -> Tensor:
    """softmax(-x): ``torch.nn.functional.softmin``."""
    return softmax(neg(input), _dim("softmin", input) if dim is None else dim, dtype)


def _dim(name: str, input: Any) -> int:
    """The dimension that PyTorch uses if none is given."""
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warn(f"{name}: dim is not given, and dim={dim} is used as in PyTorch; pass it, as in dim={dim}")
    return dim


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A differentiable random choice (Jang et al. 2017): ``torch.nn.functional.gumbel_softmax``.

    Softmax of logits with Gumbel noise, at temperature ``tau``. With ``hard`` the result is one-hot, with the gradient of the softmax.
    """
    number("gumbel_softmax", "eps", eps)
    noise = drawn(lambda random, shape: random.gumbel(size=shape).astype(logits.dtype), tuple(logits.shape))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    values = array_of(soft)

    def one_hot(values: np.ndarray) -> np.ndarray:
        choice = np.zeros_like(values)
        np.put_along_axis(choice, values.argmax(dim, keepdims=True), 1.0, dim)
        return choice - values

    return soft + each_sample(one_hot, values)


public(__name__)
