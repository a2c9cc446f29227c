"""Products of vectors, matrices and tensors, all computed as matrix products.

Operands of two floating dtypes are promoted, as in arithmetic (PyTorch refuses them).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import (
    F16,
    F32,
    ShapeError,
    Shell,
    aligned,
    batched,
    in_dtype,
    jointly,
    known_as,
    linear_in,
    op,
    public,
    rearranged,
    repeated,
    tangent,
)  # fmt: skip
from minigrad.kernels import products as kernels
from minigrad.kernels.quiet import cast_quietly
from minigrad.kernels.sums import add_reduce
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import factor, factors_between, require_dtype
from minigrad.ops.precision import in_float32, promoted
from minigrad.ops.reduce import sum
from minigrad.ops.shape import matrix_transpose, reshape, unsqueeze
from minigrad.types import Array, Tensor


def _require_dims(name: str, **wanted: tuple[Any, int]) -> None:
    """Raise ``ShapeError`` unless each argument has the required number of dimensions."""
    for argument, (x, ndim) in wanted.items():
        if len(x.shape) != ndim:
            raise ShapeError(f"{name}: {argument} must have {ndim} dimension{'s' * (ndim != 1)}, not shape {tuple(x.shape)}")


def _as_matrices(g, a, b):
    """The operands of a matmul and the gradient of its result, with vectors as matrices of one row or column."""
    rows, columns = len(a.shape) > 1, len(b.shape) > 1
    if not columns:
        b, g = unsqueeze(b, 1), unsqueeze(g, -1)
    if not rows:
        a, g = unsqueeze(a, 0), unsqueeze(g, -2)
    return g, a, b


def _rows(x):
    """All vectors along the last dimension as the rows of one matrix."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _matmul_a(g, input, other):
    g, _, other = _as_matrices(g, input, other)
    return matmul(g, matrix_transpose(other))  # the added dimension of a vector is summed over like a broadcast one


def _matmul_b(g, input, other):
    vector = len(other.shape) == 1
    g, input, other = _as_matrices(g, input, other)
    if len(other.shape) == 2 and len(input.shape) > 2:  # one product over all batches instead of a sum of products
        input, g = _rows(input), _rows(g)
    gradient = matmul(matrix_transpose(input), g)
    return reshape(gradient, gradient.shape[:-1]) if vector else gradient


def _matmul_samples(run, a, b):
    vectors = a.ndim == 2, b.ndim == 2
    if vectors[0]:
        a = a.reshape((a.shape[0], 1, a.shape[1]))
    if vectors[1]:
        b = b.reshape((*b.shape, 1))
    shared = b.shape[0] == 1 and b.ndim == 3  # a matrix for all samples: one product
    out = run(a, b[0]) if shared else run(*aligned((a, b)))
    if vectors[1]:
        out = out[..., 0]
    return out[..., 0, :] if vectors[0] and not vectors[1] else out[..., 0] if vectors[0] else out


@linear_in("input", "other")
@batched(_matmul_samples)
@op(input=_matmul_a, other=_matmul_b)
def matmul(input: Array, other: Array) -> Array:
    """Matrix product: ``torch.matmul``, also ``input @ other``.

    Args:
        input: (..., n, k), or a vector (k,).
        other: (..., k, m), or a vector (k,). The leading dimensions broadcast.

    Returns (..., n, m), without n or m if that operand is a vector. Raises ``ShapeError`` if the inner sizes differ.

    >>> import minigrad as mg
    >>> mg.matmul(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if not getattr(input, "ndim", 0) or not getattr(other, "ndim", 0):  # a number has none
        raise ShapeError(f"matmul: both operands need at least 1 dimension: {np.shape(input)} @ {np.shape(other)}; use * with numbers")
    k = other.shape[-2 if other.ndim > 1 else 0]
    if input.shape[-1] != k:
        raise ShapeError(f"matmul: inner sizes differ: {input.shape} @ {other.shape} needs {input.shape[-1]} == {k}")
    half = input.dtype == other.dtype == np.float16
    if half:  # numpy has no fast float16 product; sums are kept in float32, as in PyTorch
        input, other = input.astype(np.float32), other.astype(np.float32)
    try:
        out = kernels.matmul(input, other)
    except ValueError:
        raise ShapeError(f"matmul: the leading dimensions of {input.shape} @ {other.shape} do not broadcast") from None
    return cast_quietly(out, np.float16) if half else out


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices (n, k) and (k, m): ``torch.mm``. Raises ``ShapeError`` for other dimensions."""
    _require_dims("mm", input=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@known_as("BmmBackward0")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of the matrices in two batches (b, n, k) and (b, k, m), without broadcasting: ``torch.bmm``."""
    _require_dims("bmm", input=(input, 3), mat2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batch sizes differ: {tuple(input.shape)} and {tuple(mat2.shape)}")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix (n, k) and a vector (k,): ``torch.mv``."""
    _require_dims("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Scalar product of two vectors: ``torch.dot``. Raises ``ShapeError`` for matrices, unlike numpy's."""
    _require_dims("dot", input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


@known_as("VdotBackward0")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Scalar product of two vectors, of complex ones with the conjugate of ``input``: ``torch.vdot``. For real ones it is :func:`dot`."""
    return dot(input.conj() if isinstance(input, Shell) else input, other)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors, (n,) and (m,) to (n, m): ``torch.outer``."""
    _require_dims("outer", input=(input, 1), vec2=(vec2, 1))
    return ew.mul(unsqueeze(input, 1), vec2)


def _plus_product(name: str, input: Any, product: Any, beta: float, alpha: float) -> Any:
    """``beta * input + alpha * product``; with ``beta=0`` the input is ignored, whatever it holds.

    As in PyTorch the result has the operands' dtype whatever the factors are: integers are multiplied by what is whole in them.
    """
    shape = tuple(product.shape)
    beta, alpha = [factor(name, what, v, input, product, cut=name != "addr") for what, v in (("beta", beta), ("alpha", alpha))]
    if alpha != 1:
        product = ew.mul(product, alpha)
    if beta == 0:
        return product
    sizes = (1,) * (len(shape) - len(input.shape)) + tuple(input.shape)
    if len(sizes) != len(shape) or any(n not in (1, size) for n, size in zip(sizes, shape, strict=True)):
        raise ShapeError(f"{name}: input {tuple(input.shape)} does not broadcast to the product's shape {shape}")
    return ew.add(input if beta == 1 else ew.mul(input, beta), product)


@known_as("AddmmBackward0")
@factors_between
@in_float32
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``: ``torch.addmm``."""
    return _plus_product("addmm", input, mm(mat1, mat2), beta, alpha)


@known_as("AddmvBackward0")
@factors_between
@in_float32
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``: ``torch.addmv``."""
    return _plus_product("addmv", input, mv(mat, vec), beta, alpha)


@known_as("AddrBackward0")
@factors_between
@promoted
@in_float32
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``: ``torch.addr``."""
    return _plus_product("addr", input, outer(vec1, vec2), beta, alpha)


@known_as("BaddbmmBackward0")
@factors_between
@in_float32
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``: ``torch.baddbmm``."""
    return _plus_product("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@known_as("AddbmmBackward0")
@factors_between
@in_float32
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * sum over the batch of (batch1 @ batch2)``: ``torch.addbmm``."""
    return _plus_product("addbmm", input, sum(product := bmm(batch1, batch2), 0, dtype=product.dtype), beta, alpha)


def _linear_weight_samples(run, y, input):
    y, input = (x.reshape((x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])) for x in (y, input))
    return matmul(rearranged(y, (0, 2, 1)), input)


@linear_in("y", "input")
@batched(_linear_weight_samples)
@op(y=lambda g, input: linear(input, g), input=lambda g, y: matmul(y, g))
def linear_weight(y: Array, input: Array) -> Array:
    """The gradient of :func:`linear` with respect to its weight (out, in); y (..., out) is the gradient of the result, for ``input`` (..., in)."""
    if y.dtype is F16:
        return in_dtype(linear_weight(*in_dtype((y, input), F16, F32)), F32, F16)
    return kernels.matmul(_flat(y).T, _flat(input))


def _linear_weight_bias_samples(run, y, input):
    rows = y.reshape((y.shape[0], math.prod(y.shape[1:-1]), y.shape[-1]))
    return _linear_weight_samples(run, y, input), repeated(sum(rows, 1), run.size)


@linear_in("y")
@tangent(input=lambda t, y: (linear_weight(y, t), None))
@batched(_linear_weight_bias_samples)
@op(y=lambda g, input: linear(input, *g), input=lambda g, y: matmul(y, g[0]))
def linear_weight_bias(y: Array, input: Array) -> tuple[Array, Array]:
    """:func:`linear_weight`, and the gradient of :func:`linear` with respect to its bias: the sum of all rows of y."""
    if y.dtype is F16:
        return in_dtype(linear_weight_bias(*in_dtype((y, input), F16, F32)), F32, F16)
    rows = _flat(y)
    return kernels.matmul(rows.T, _flat(input)), add_reduce(rows, (0,))


def _flat(x: np.ndarray) -> np.ndarray:
    """:func:`_rows` in a kernel, where a call of an op would only take time."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _linear_samples(run, x, weight, bias):
    if weight.shape[0] == 1 and (bias is None or bias.shape[0] == 1):
        return run(x, weight[0], None if bias is None else bias[0])
    rows = x.reshape((x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]))
    out = matmul(rows, rearranged(weight, (0, 2, 1)))
    if bias is not None:
        out = out + bias.reshape((bias.shape[0], 1, bias.shape[1]))
    return out.reshape((out.shape[0], *x.shape[1:-1], weight.shape[1]))


@linear_in("input bias", "weight bias")
@batched(_linear_samples)
@jointly("weight bias", lambda g, input: linear_weight_bias(g, input))
@op(input=lambda g, weight: matmul(g, weight), weight=lambda g, input: linear_weight(g, input), bias=lambda g: g)
def linear(input: Array, weight: Array, bias: Array = None) -> Array:
    """``x @ weight.T + bias``: ``torch.nn.functional.linear``.

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,), or None.

    Returns (..., out). Raises ``ShapeError`` if the sizes do not fit, ``RuntimeError`` unless all have one dtype.

    >>> import minigrad as mg
    >>> mg.linear(mg.tensor([[1.0, 2.0]]), mg.tensor([[1.0, 1.0], [0.0, 3.0]]), mg.tensor([10.0, 0.0]))
    tensor([[13.,  6.]])
    """
    if weight.ndim != 2:
        raise ShapeError(f"linear: weight must be (out, in), not of shape {weight.shape}")
    if not input.ndim or input.shape[-1] != weight.shape[1]:
        features = input.shape[-1] if input.ndim else "no"
        shapes = f"input {input.shape}, weight {weight.shape}"
        raise ShapeError(f"linear: input has {features} features but weight expects {weight.shape[1]} ({shapes})")
    if input.dtype is not weight.dtype or (bias is not None and bias.dtype is not weight.dtype):
        require_dtype("linear", input, weight=weight, bias=bias)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: bias has shape {bias.shape} but weight {weight.shape} has {weight.shape[0]} outputs")
    if input.dtype is F16:
        return in_dtype(linear(*in_dtype((input, weight, bias), F16, F32)), F32, F16)
    return kernels.linear(_flat(input), weight, bias).reshape(*input.shape[:-1], weight.shape[0])


public(__name__)
