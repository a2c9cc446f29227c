"""Initialisers under the names and formulas of ``torch.nn.init``.

Each gives its Tensor a new value, also if it requires a gradient, and returns it. Random initialisers draw from ``generator``, by default
the process's generator (see ``mg.manual_seed``). They draw in float64, so a seed gives the same weights for every dtype.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np

from minigrad.engine import Shell, inside, no_grad, warn
from minigrad.ops.arguments import check
from minigrad.ops.elementwise import erfinv
from minigrad.ops.outlines import is_outline
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal", "kaiming_normal_", "kaiming_uniform",
    "kaiming_uniform_", "normal", "normal_", "ones_", "orthogonal", "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip


P = ParamSpec("P")


def _filling(initialise: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Make an initialiser skip a Tensor without memory (see :func:`minigrad.nn.shapes_only`)."""

    @wraps(initialise)
    def initialiser(tensor: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        given = inside(tensor)
        return tensor if isinstance(given, Tensor) and is_outline(given._data) else initialise(tensor, *args, **kwargs)

    return initialiser


def _write(tensor: Tensor, value: Any, name: str) -> Tensor:
    """Give ``tensor`` the value, in its own dtype."""
    if not tensor.is_leaf:
        raise RuntimeError(f"{name}: only leaf tensors can be initialised, and this one was computed by {tensor.grad_fn}")
    with no_grad():
        return tensor.copy_(value) if isinstance(tensor, Shell) else tensor._fill(value, name)


def _uniform(tensor: Any, a: float, b: float, generator: Generator | None) -> np.ndarray:
    """Numbers for ``tensor``; of complex ones both parts are drawn."""
    drawn = numpy_generator(generator).uniform(a, b, inside(tensor).shape)
    return drawn.view(np.complex128)[..., 0] if isinstance(tensor, Shell) else drawn


def _normal(tensor: Any, mean: float, std: float, generator: Generator | None) -> np.ndarray:
    """Numbers for ``tensor``; of complex ones each part has half of the variance."""
    if isinstance(tensor, Shell):
        return numpy_generator(generator).normal(0.0, std * math.sqrt(0.5), inside(tensor).shape).view(np.complex128)[..., 0] + mean
    return numpy_generator(generator).normal(mean, std, tensor.shape)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on a layer's initial weights that compensates for the ``nonlinearity`` after it.

    ============================  =====================
    linear, conv*, sigmoid        1
    tanh                          5/3
    relu                          sqrt(2)
    leaky_relu                    sqrt(2 / (1 + slope^2)), slope = ``param``, 0.01 by default
    selu                          3/4
    ============================  =====================

    Raises ``ValueError`` for another name.
    """
    return _gain("calculate_gain", nonlinearity, param)


def _gain(name: str, nonlinearity: str, param: float | None) -> float:
    linear = [f"conv{kind}{d}d" for kind in ("", "_transpose") for d in (1, 2, 3)]
    if nonlinearity in ("linear", "sigmoid", *linear):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float)) or not math.isfinite(param)):
            raise ValueError(f"{name}: param, the negative slope, must be a number, not {param!r}")
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(f"{name}: there is no gain for the nonlinearity {nonlinearity!r}")


def fan_in_and_fan_out(tensor: Tensor, name: str = "fan_in_and_fan_out") -> tuple[int, int]:
    """Fan-in and fan-out of a weight ``(out, in, *kernel)``: the number of inputs of each output, and of outputs of each input.

    Raises ``ValueError`` for a Tensor with less than two dimensions.
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"{name}: fan in and fan out need a weight with at least 2 dimensions (out, in, ...), not shape {tuple(tensor.shape)}"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


@_filling
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from the uniform distribution on [a, b).

    >>> import minigrad as mg
    >>> w = mg.nn.init.uniform_(mg.empty(3, 5), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    check("uniform_", locals(), "generator", tensor="a Tensor", a="finite", b="finite", generator=Generator)
    if a > b:
        raise ValueError(f"uniform_: a must not exceed b (a={a}, b={b})")
    return _write(tensor, _uniform(tensor, a, b, generator), "uniform_")


@_filling
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from the normal distribution."""
    check("normal_", locals(), "generator", tensor="a Tensor", mean="finite", std="0 or above", generator=Generator)
    return _write(tensor, _normal(tensor, mean, std, generator), "normal_")


@_filling
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator | None = None
) -> Tensor:
    """Fill from the normal distribution of ``mean`` and ``std``, truncated to [a, b] (by the inverse of the distribution function).

    Raises ``ValueError`` if ``a > b`` or ``std < 0``.
    """
    check(
        "trunc_normal_",
        locals(),
        "generator",
        tensor="a Tensor",
        mean="finite",
        std="0 or above",
        a="not NaN",
        b="not NaN",
        generator=Generator,
    )
    if a > b:
        raise ValueError(f"trunc_normal_: a must not exceed b (a={a}, b={b})")
    if std == 0:
        return constant_(tensor, min(max(mean, a), b))
    scale = std * math.sqrt(2.0)
    u = numpy_generator(generator).uniform(math.erf((a - mean) / scale), math.erf((b - mean) / scale), tensor.shape)
    return _write(tensor, np.clip(erfinv(u) * scale + mean, a, b), "trunc_normal_")


@_filling
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with ``val``."""
    check("constant_", locals(), tensor="a Tensor", val="a number")
    return _write(tensor, val, "constant_")


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    check("ones_", locals(), tensor="a Tensor")
    return _write(tensor, 1.0, "ones_")


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    check("zeros_", locals(), tensor="a Tensor")
    return _write(tensor, 0.0, "zeros_")


@_filling
def eye_(tensor: Tensor) -> Tensor:
    """The identity, for a matrix. Raises ``ValueError`` for other ranks."""
    check("eye_", locals(), tensor="a Tensor")
    if tensor.ndim != 2:
        raise ValueError(f"eye_: a matrix is needed, not shape {tuple(tensor.shape)}")
    return _write(tensor, np.eye(tensor.shape[0], tensor.shape[1]), "eye_")


@_filling
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight ``(out, in, *kernel)`` that is the identity on the channels of each group: 1 in the middle of the window.

    Raises ``ValueError`` if there are not 3 to 5 dimensions, or ``out`` is not divisible by ``groups``.
    """
    check("dirac_", locals(), tensor="a Tensor", groups=1)
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: a weight with 3, 4 or 5 dimensions is needed, not shape {tuple(tensor.shape)}")
    out, inside, *window = tensor.shape
    if out % groups:
        raise ValueError(f"dirac_: {out} output channels do not divide into {groups} groups")
    value = np.zeros(tensor.shape)
    middle = tuple(k // 2 for k in window)
    for group in range(groups):
        for c in range(min(out // groups, inside)):
            value[(group * (out // groups) + c, c, *middle)] = 1.0
    return _write(tensor, value, "dirac_")


@_filling
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on ±gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    check("xavier_uniform_", locals(), "generator", tensor="a Tensor", gain="finite", generator=Generator)
    bound = gain * math.sqrt(6.0 / max(sum(fan_in_and_fan_out(tensor, "xavier_uniform_")), 1))
    return _write(tensor, _uniform(tensor, -bound, bound, generator), "xavier_uniform_")


@_filling
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    check("xavier_normal_", locals(), "generator", tensor="a Tensor", gain="finite", generator=Generator)
    std = gain * math.sqrt(2.0 / max(sum(fan_in_and_fan_out(tensor, "xavier_normal_")), 1))
    return _write(tensor, _normal(tensor, 0.0, std, generator), "xavier_normal_")


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    fan = fan_in_and_fan_out(tensor, name)[mode == "fan_out"]
    return _gain(name, nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _refuse_nothing(tensor: Tensor, name: str) -> bool:
    if 0 in tensor.shape:
        warn(f"{name}: a tensor of shape {tuple(tensor.shape)} has no elements to initialise")
        return True
    return False


@_filling
def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> Tensor:
    """Uniform on ±gain sqrt(3 / fan) (He et al. 2015), with the gain of ``nonlinearity`` (``a``: the slope of a leaky ReLU)."""
    check("kaiming_uniform_", locals(), "generator", tensor="a Tensor", a="finite", mode=("fan_in", "fan_out"), generator=Generator)
    if _refuse_nothing(tensor, "kaiming_uniform_"):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return _write(tensor, _uniform(tensor, -bound, bound, generator), "kaiming_uniform_")


@_filling
def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Generator | None = None
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan) (He et al. 2015), with the gain of ``nonlinearity``."""
    check("kaiming_normal_", locals(), "generator", tensor="a Tensor", a="finite", mode=("fan_in", "fan_out"), generator=Generator)
    if _refuse_nothing(tensor, "kaiming_normal_"):
        return tensor
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return _write(tensor, _normal(tensor, 0.0, std, generator), "kaiming_normal_")


@_filling
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """``gain`` times a random matrix (out, in * kernel) with orthonormal rows or columns, whichever are fewer (Saxe et al. 2013).

    Raises ``ValueError`` for a Tensor with less than two dimensions.
    """
    check("orthogonal_", locals(), "generator", tensor="a Tensor", gain="finite", generator=Generator)
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: at least 2 dimensions are needed, not shape {tuple(tensor.shape)}")
    if 0 in tensor.shape:
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    sample = numpy_generator(generator).standard_normal((rows, columns))
    q, r = np.linalg.qr(sample.T if rows < columns else sample)
    q *= np.sign(np.diag(r))  # without this the distribution would not be uniform over rotations
    return _write(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape), "orthogonal_")


@_filling
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """A matrix of normal samples, with the fraction ``sparsity`` of each column set to 0 (Martens 2010). ``ValueError`` for other ranks."""
    check("sparse_", locals(), "generator", tensor="a Tensor", sparsity="from 0 to 1", std="0 or above", generator=Generator)
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: a matrix is needed, not shape {tuple(tensor.shape)}")
    rng = numpy_generator(generator)
    value = rng.normal(0.0, std, tensor.shape)
    zeros = math.ceil(sparsity * tensor.shape[0])
    for column in range(tensor.shape[1]):
        value[rng.permutation(tensor.shape[0])[:zeros], column] = 0.0
    return _write(tensor, value, "sparse_")


def default_weight_(tensor: Tensor) -> Tensor:
    """The layers' default weights: uniform on ±1 / sqrt(fan_in), which is ``kaiming_uniform_(a=sqrt(5))``."""
    return tensor if 0 in tensor.shape else kaiming_uniform_(tensor, a=math.sqrt(5.0))


def default_bias_(bias: Tensor, weight: Tensor) -> Tensor:
    """The layers' default biases: uniform on ±1 / sqrt(fan_in of the weight)."""
    fan_in, _ = fan_in_and_fan_out(weight)
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform_(bias, -bound, bound)


def _deprecated(initialise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An initialiser under its name from before PyTorch 0.4, without the underscore; warns ``FutureWarning``."""
    new = initialise.__name__

    @functools.wraps(initialise)
    def initialiser(*args: Any, **options: Any) -> Tensor:
        warn(f"nn.init.{new[:-1]} is deprecated, use nn.init.{new}", FutureWarning)
        return initialise(*args, **options)

    initialiser.__name__ = initialiser.__qualname__ = new[:-1]
    initialiser.__doc__ = f"Deprecated: :func:`{new}`."
    return initialiser


constant, dirac, eye, sparse = _deprecated(constant_), _deprecated(dirac_), _deprecated(eye_), _deprecated(sparse_)
normal, uniform, orthogonal = _deprecated(normal_), _deprecated(uniform_), _deprecated(orthogonal_)
kaiming_normal, kaiming_uniform = _deprecated(kaiming_normal_), _deprecated(kaiming_uniform_)
xavier_normal, xavier_uniform = _deprecated(xavier_normal_), _deprecated(xavier_uniform_)
