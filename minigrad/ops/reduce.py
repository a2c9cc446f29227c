"""Reductions: sums, means, maxima, norms; and cumulative sums, sorting and counting.

``dim`` is an int, several, or None for all dimensions; ``keepdim`` keeps reduced dimensions with size 1. As in PyTorch,
numpy's names ``axis`` and ``keepdims`` are accepted too. Gradients at ties are PyTorch's: ``max(x)``, ``amax`` and the
infinity norm divide the gradient evenly among equal elements, ``max(x, dim)`` gives it to the first maximum, as in ``indices``.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import (
    F16,
    F32,
    ShapeError,
    TensorBase,
    batched,
    broadcast_to,
    cast,
    dtype_of,
    is_batched,
    known_as,
    linear_in,
    op,
    public,
    shape_of,
    tangent,
    titling,
)
from minigrad.kernels.quiet import cast_quietly, quiet, quietly
from minigrad.kernels.sorting import sorted_places, top_places
from minigrad.kernels.sums import add_reduce, running_sum
from minigrad.kernels.threads import one_blas_thread
from minigrad.ops import elementwise as ew
from minigrad.ops import index
from minigrad.ops import signatures as like
from minigrad.ops.arguments import along, flag, positive_dim, positive_dims, whole
from minigrad.ops.batching import along_dim, positions, reduced
from minigrad.ops.precision import in_float32
from minigrad.ops.results import MinMax, ValuesIndices, returned_by
from minigrad.ops.shape import flip, narrow, reshape, select
from minigrad.types import Array, Dims, DType, Tensor, called_as

I64 = np.dtype(np.int64)


# ------------------------------------------------------------------------------------------- arguments: dims


def _axes(name: str, shape: tuple[int, ...], dim: Any, keepdim: Any = False) -> tuple[int, ...] | None:
    """The axes that ``dim`` names, counted from the front; None for all of them. ``x.sum(0, 2)`` would take a second dim for ``keepdim``."""
    flag(name, "keepdim", keepdim)
    if dim is None:
        return None
    axes = positive_dims(name, dim, len(shape)) if isinstance(dim, (tuple, list)) else (positive_dim(name, dim, len(shape)),)
    return axes if axes and shape else None


def _count(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> int:
    """The number of elements that a reduction over ``axes`` combines into one."""
    return math.prod(shape if axes is None else [shape[a] for a in axes])


def _restored(g: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """``g`` with the dimensions that a reduction of ``shape`` removed, with size 1, so that it broadcasts to ``shape``."""
    if keepdim or (axes := _axes("sum", shape, dim)) is None:
        return g
    return reshape(g, tuple([1 if i in axes else s for i, s in enumerate(shape)]))


def _require_elements(name: str, shape: tuple[int, ...], axes: tuple[int, ...] | None) -> None:
    """Raise ``IndexError`` (with ``dim``) or ``ShapeError`` for the maximum or minimum of no elements."""
    if axes is None:
        if not math.prod(shape):
            raise ShapeError(f"{name}: there is no element in shape {shape}")
        return
    for a in axes:
        if not shape[a]:
            raise IndexError(f"{name}: dimension {a} of shape {shape} has size 0, so there is no element to choose")


def _require_floating(name: str, dtype: Any) -> None:
    if dtype.kind != "f":
        raise TypeError(
            f"{name}: a floating dtype is needed, not {dtype.name}; convert with x.to(dtype), or pass dtype= where there is one"
        )


# ----------------------------------------------------------------------------------------------- sums and means


def _accumulate(name: str, ufunc: Callable, x: np.ndarray, dtype: Any, **where: Any) -> np.ndarray:
    """A reduction or cumulative op of ``ufunc``: integers become int64, float16 is computed in float32, as in PyTorch."""
    dtype = dtype_of(name, dtype) if dtype is not None else x.dtype if x.dtype.kind == "f" else I64
    total = ufunc(x, dtype=F32 if dtype == F16 else dtype, **where)
    return cast_quietly(total, dtype) if dtype == F16 else total


def _spread(g, input_shape, dim, keepdim):
    return broadcast_to(_restored(g, input_shape, dim, keepdim), shape=input_shape)


@linear_in("input")
@batched(reduced)
@op(input=_spread)
def sum(input: Array, dim: Dims = None, keepdim: bool = False, dtype: DType = None) -> Array:
    """Sum of the elements: ``torch.sum``.

    Args:
        input: any shape and dtype; integers and booleans give int64.
        dim: an int or several; None for all.
        keepdim: leave size 1 where dimensions were reduced.
        dtype: add in this dtype.

    Raises ``IndexError`` for a ``dim`` out of range. The sum of no elements is 0.

    >>> import minigrad as mg
    >>> x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.sum(x), x.sum(0), x.sum(dim=1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))
    """
    return _accumulate("sum", add_reduce, input, dtype, axis=_axes("sum", input.shape, dim, keepdim), keepdims=keepdim)


def _mean_x(g, input_shape, dim, keepdim):
    count = _count(input_shape, _axes("mean", input_shape, dim))
    return _spread(g / (count or 1), input_shape, dim, keepdim)


@linear_in("input")
@batched(reduced)
@op(input=_mean_x)
def mean(input: Array, dim: Dims = None, keepdim: bool = False, dtype: DType = None) -> Array:
    """Mean of the elements: ``torch.mean``. Same arguments as :func:`sum`.

    Raises ``TypeError`` for integers unless ``dtype`` is a floating one, ``IndexError`` for a ``dim`` out of range. The mean of
    no elements is NaN.

    >>> import minigrad as mg
    >>> mg.mean(mg.tensor([[1.0, 2.0], [3.0, 6.0]]), dim=0)
    tensor([2., 4.])
    """
    dtype = input.dtype if dtype is None else dtype_of("mean", dtype)
    _require_floating("mean", dtype)
    axes = _axes("mean", input.shape, dim, keepdim)
    count = _count(input.shape, axes)
    total = add_reduce(input, axes, keepdim, F32 if dtype == F16 else dtype)
    return (total / (count or math.nan)).astype(dtype, copy=False)


@known_as("NansumBackward0")
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """:func:`sum` in which NaN counts as 0: ``torch.nansum``."""
    return sum(ew.where(ew.isnan(input), 0, input), dim, keepdim, dtype)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """:func:`mean` of the elements that are not NaN: ``torch.nanmean``. NaN if all are NaN."""
    _require_floating("nanmean", input.dtype)
    total = nansum(input, dim, keepdim, dtype=dtype)
    return ew.div(total, sum(cast(ew.logical_not(ew.isnan(input)), dtype=total.dtype), dim, keepdim))


@batched(reduced)
@op(input=None)
def count_nonzero(input: Array, dim: Dims = None) -> Array:
    """The number of nonzero elements, as int64: ``torch.count_nonzero``."""
    return np.asarray(np.count_nonzero(input, axis=_axes("count_nonzero", input.shape, dim)), I64)


# --------------------------------------------------------------------------------------------- spread around the mean


def _var_x(g, x, dim, correction, keepdim):
    degrees = _count(x.shape, _axes("var", x.shape, dim)) - correction
    return _restored(g, x.shape, dim, keepdim) * (2.0 / degrees if degrees > 0 else math.nan) * (x - mean(x, dim, True))


def _variance(name: str, x: np.ndarray, dim: Any, correction: float, keepdim: Any) -> np.ndarray:
    _require_floating(name, x.dtype)
    axes = _axes(name, x.shape, dim, keepdim)
    count = _count(x.shape, axes)
    wide = x.astype(F32) if x.dtype == F16 else x
    with quietly():  # infinities give inf or NaN, which is correct; 0 / 0 for a single element, or for none
        centred = np.asarray(wide - add_reduce(wide, axes, True) / (count or math.nan))
        total = add_reduce(np.multiply(centred, centred, out=centred), axes, keepdim)
        variance = np.true_divide(total, builtins.max(0, count - correction) if count else 0)
    return variance if wide is x else variance.astype(x.dtype)


@batched(reduced)
@op(x=_var_x)
def _var(x: Array, dim: Dims, correction: float, keepdim: bool) -> Array:
    return _variance("var", x, dim, correction, keepdim)


def _std_x(g, x, out, dim, correction, keepdim):
    flat = ew.eq(out, 0)  # all elements equal: a kink, where the gradient is 0
    return _var_x(ew.where(flat, 0.0, g / ew.where(flat, 1.0, 2.0 * out)), x, dim, correction, keepdim)


@batched(reduced)
@op(x=_std_x)
def _std(x: Array, dim: Dims, correction: float, keepdim: bool) -> Array:
    out = np.sqrt(_variance("std", x, dim, correction, keepdim))
    if x.dtype == F32 and np.count_nonzero(np.isinf(out)):  # squares may overflow where deviations do not
        with np.errstate(over="ignore"):
            out = np.sqrt(_variance("std", x.astype(np.float64), dim, correction, keepdim)).astype(F32)
    return out


def _spread_arguments(name: str, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> tuple[Any, Any, bool]:
    """PyTorch's two ways to say ``correction``: the number itself, or ``unbiased``, also as ``x.var(False)``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}: correction and unbiased say the same thing; pass one of them")
    if correction is None:
        correction = 1 if unbiased is None else int(flag(name, "unbiased", unbiased))
    return dim, correction, keepdim


@in_float32
def var(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None) -> Tensor:
    """Variance, sum (x - mean)² / (n - correction): ``torch.var``.

    Args:
        input: floating, any shape.
        dim: an int or several; None for all.
        unbiased: PyTorch's old name: True for a correction of 1, False for 0.
        keepdim: leave size 1 where dimensions were reduced.
        correction: the number subtracted from the number of elements, 1 by default.

    Raises ``TypeError`` for integers. A single element with correction 1 gives NaN.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0, 3.0, 6.0])
    >>> x.var(), x.var(correction=0)
    (tensor(4.6667), tensor(3.5000))
    """
    return _var(input, *_spread_arguments("var", dim, unbiased, keepdim, correction))


@in_float32
def std(input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None) -> Tensor:
    """Standard deviation, the square root of :func:`var`: ``torch.std``. The gradient is 0 where all elements are equal.

    >>> import minigrad as mg
    >>> mg.std(mg.tensor([[1.0, 3.0], [2.0, 2.0]]), dim=1, correction=0)
    tensor([1., 0.])
    """
    return _std(input, *_spread_arguments("std", dim, unbiased, keepdim, correction))


@known_as("VarMeanBackward0")
@in_float32
def var_mean(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """``(var(input), mean(input))``: ``torch.var_mean``."""
    dim, correction, keepdim = _spread_arguments("var_mean", dim, unbiased, keepdim, correction)
    return _var(input, dim, correction, keepdim), mean(input, dim, keepdim)


@known_as("StdMeanBackward0")
@in_float32
def std_mean(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
) -> tuple[Tensor, Tensor]:
    """``(std(input), mean(input))``: ``torch.std_mean``."""
    dim, correction, keepdim = _spread_arguments("std_mean", dim, unbiased, keepdim, correction)
    return _std(input, dim, correction, keepdim), mean(input, dim, keepdim)


# ----------------------------------------------------------------------------------------------------- products


def _prod_x(g, input, out, res, dim, keepdim):
    if not res:  # no zeros
        return _restored(g * out, input.shape, dim, keepdim) / input
    line, along = (reshape(input, (-1,)), 0) if dim is None else (input, dim)
    return _restored(g, input.shape, dim, keepdim) * reshape(_product_of_others(line, along), input.shape)


def _product_of_others(x: Any, dim: int) -> Any:
    """For each element the product of all others along ``dim``: those before it times those after it, so zeros do no harm."""
    before = shift(cumprod(x, dim), dim=dim, by=1, fill=1.0)
    after = flip(shift(cumprod(flip(x, dim), dim), dim=dim, by=1, fill=1.0), dim)
    return before * after


def _prod_samples(run, x, dim, keepdim, dtype):
    if dim is not None and x.ndim > 1:
        return reduced(run, x, dim, keepdim=keepdim, dtype=dtype)
    out, res = run(x.reshape((x.shape[0], math.prod(x.shape[1:]))), dim=1, keepdim=False, dtype=dtype)
    return (out.reshape((x.shape[0], *[1] * (x.ndim - 1))) if keepdim and dim is None else out), res


@batched(_prod_samples)
@op(input=_prod_x)
def prod(input: Array, dim: Dims = None, keepdim: bool = False, dtype: DType = None) -> Array:
    """Product of the elements, of all or along one ``dim``: ``torch.prod``. Integers give int64; the product of nothing is 1.

    The gradient is correct at zeros too: with one zero only that element gets a gradient, with several it is 0.

    >>> import minigrad as mg
    >>> x = mg.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    axes = _axes("prod", input.shape, dim if dim is None else operator.index(dim), keepdim)  # type: ignore[arg-type]
    return _accumulate("prod", np.multiply.reduce, input, dtype, axis=axes, keepdims=keepdim), not np.all(input)


# --------------------------------------------------------------------------------------------- running totals


@tangent(x=lambda t, dim, by: shift(t, dim=dim, by=by, fill=0.0))
@batched(along_dim())
@op(x=lambda g, dim, by: shift(g, dim=dim, by=-by, fill=0.0))
def shift(x: Array, dim: int, by: int, fill: float) -> Array:
    """``x`` shifted by ``by`` positions along ``dim``, to the front if negative; free positions are filled with ``fill``."""
    dim = positive_dim("shift", dim, x.ndim)
    if not x.ndim:
        return np.full_like(x, fill)
    out = np.full_like(x, fill, order="C")
    target, source = (slice(by, None), slice(None, -by)) if by > 0 else (slice(None, by), slice(-by, None))
    out[along(dim, target)] = x[along(dim, source)]
    return out


def _recurrence_b(g, a, dim):
    # the adjoint runs backward: G_i = g_i + a_{i+1} G_{i+1}
    return flip(linear_recurrence(flip(shift(a, dim=dim, by=-1, fill=0.0), dim), flip(g, dim), dim=dim), dim)


@tangent(a=lambda t, a, out, dim: linear_recurrence(a, t * shift(out, dim=dim, by=1, fill=0.0), dim=dim))
@linear_in("b")
@batched(along_dim())
@op(a=lambda g, a, out, dim: _recurrence_b(g, a, dim) * shift(out, dim=dim, by=1, fill=0.0), b=_recurrence_b)
def linear_recurrence(a: Array, b: Array, dim: int) -> Array:
    """h_i = a_i h_{i-1} + b_i along ``dim``, with h_{-1} = 0, for ``a`` and ``b`` of one shape.

    Its gradient is the same recurrence in reverse order. The gradients of cumprod and logcumsumexp use it.

    >>> import numpy as np
    >>> linear_recurrence(np.array([0.0, 2.0, 2.0]), np.array([1.0, 0.0, 1.0]), dim=0)
    array([1., 2., 5.])
    """
    if a.shape != b.shape:
        raise ShapeError(f"linear_recurrence: a {a.shape} and b {b.shape} must have the same shape")
    h = np.array(b, dtype=np.result_type(a, b))
    if h.ndim:
        dim = positive_dim("linear_recurrence", dim, h.ndim)
        steps, factors = np.moveaxis(h, dim, 0), np.moveaxis(a, dim, 0)
        for i in range(1, len(steps)):
            steps[i] += factors[i] * steps[i - 1]
    return h


def _running(name: str, ufunc: np.ufunc, x: np.ndarray, dim: Any, dtype: Any) -> np.ndarray:
    axis = positive_dim(name, dim, x.ndim)
    if not x.ndim:
        return _accumulate(name, ufunc.reduce, x, dtype)
    if (x.dtype if dtype is None else dtype_of(name, dtype)) == F32:  # rounded once, not at each step, as PyTorch's
        return quiet().run(lambda: ufunc.accumulate(x, axis=axis, dtype=np.float64).astype(F32))
    return _accumulate(name, ufunc.accumulate, x, dtype, axis=axis)


@linear_in("input")
@batched(along_dim())
@op(input=lambda g, dim: cumsum(g, dim))
def _cumsum_back(input: Array, dim: int) -> Array:
    """Running sum along ``dim`` from the last number to the first: the gradient of :func:`cumsum`.

    >>> import minigrad as mg
    >>> from minigrad.ops.reduce import _cumsum_back
    >>> _cumsum_back(mg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([6., 5., 3.])
    """
    axis = positive_dim("cumsum", dim, input.ndim)
    if not input.ndim:
        return _running("cumsum", np.add, input, dim, None)
    if input.dtype in (F32, np.float64):
        return running_sum(input, axis, True)
    return np.flip(_running("cumsum", np.add, np.flip(input, axis), axis, None), axis)


@linear_in("input")
@batched(along_dim())
@op(input=lambda g, dim: _cumsum_back(g, dim))
def cumsum(input: Array, dim: int, dtype: DType = None) -> Array:
    """Running sum along ``dim``: ``torch.cumsum``. Integers give int64.

    >>> import minigrad as mg
    >>> mg.cumsum(mg.tensor([1, 2, 3]), dim=0)
    tensor([1, 3, 6])
    """
    if input.ndim and input.dtype in (F32, np.float64) and (dtype is None or dtype == input.dtype):
        return running_sum(input, positive_dim("cumsum", dim, input.ndim), False)
    return _running("cumsum", np.add, input, dim, dtype)


def _cumprod_x(g, input, out, res, dim):
    if not res:  # no zeros
        return _cumsum_back(g * out, dim) / input
    # out_j = out_{i-1} x_i x_{i+1} ... x_j, so the sum over j of g_j x_{i+1} ... x_j is a recurrence without division
    return _recurrence_b(g, input, dim) * shift(out, dim=dim, by=1, fill=1.0)


@batched(along_dim())
@op(input=_cumprod_x)
def cumprod(input: Array, dim: int, dtype: DType = None) -> Array:
    """Running product along ``dim``: ``torch.cumprod``. The gradient is correct at zeros too. Integers give int64.

    >>> import minigrad as mg
    >>> mg.cumprod(mg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    return _running("cumprod", np.multiply, input, dim, dtype), not np.all(input)


def _logcumsumexp_x(g, input, out, dim):
    # the sum over j >= i of g_j exp(x_i - out_j), as a recurrence in ratios exp(out_{i-1} - out_i) <= 1: nothing overflows
    past = shift(out, dim=dim, by=1, fill=-math.inf)
    empty = ew.eq(out, -math.inf)
    level = ew.where(empty, 0.0, out)
    step = ew.where(ew.eq(past, level), 0.0, past - level)  # 0 between two infinities too
    return _recurrence_b(g, ew.exp(step), dim) * ew.exp(input - level)


@batched(along_dim())
@op(input=_logcumsumexp_x)
def logcumsumexp(input: Array, dim: int) -> Array:
    """Logarithm of the running sum of exponentials along ``dim``, without overflow: ``torch.logcumsumexp``."""
    _require_floating("logcumsumexp", input.dtype)
    return quiet().run(_running, "logcumsumexp", np.logaddexp, input, dim, None)


# ------------------------------------------------------------------------------------------------------ extremes


def _shared(g, input, out, dim, keepdim):
    """The gradient of a maximum or minimum: divided evenly among the elements equal to it."""
    equal = cast(ew.eq(input, _restored(out, input.shape, dim, keepdim)), dtype=g.dtype)
    return ew.mul(_restored(ew.div(g, sum(equal, dim, keepdim)), input.shape, dim, keepdim), equal)


@batched(reduced)
@op(input=_shared)
def amax(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Largest element: ``torch.amax``. Equal ones share the gradient. NaN if there is one.

    Args:
        input: any shape.
        dim: an int or several; None for all.
        keepdim: leave size 1 where dimensions were reduced.

    Raises ``ShapeError``, or ``IndexError`` if a ``dim`` is given, for an empty tensor.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> x.amax().backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    axes = _axes("amax", input.shape, dim, keepdim)
    _require_elements("amax", input.shape, axes)
    return np.maximum.reduce(input, axis=axes, keepdims=keepdim)


@batched(reduced)
@op(input=_shared)
def amin(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Smallest element: ``torch.amin``. As :func:`amax`."""
    axes = _axes("amin", input.shape, dim, keepdim)
    _require_elements("amin", input.shape, axes)
    return np.minimum.reduce(input, axis=axes, keepdims=keepdim)


@known_as("AminmaxBackward0")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """``(amin(input), amax(input))`` as a named tuple ``min, max``: ``torch.aminmax``."""
    return _MinMax(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _position(name: str, function: Callable, x: np.ndarray, dim: Any, keepdim: bool) -> np.ndarray:
    flag(name, "keepdim", keepdim)
    axis = None if dim is None else positive_dim(name, dim, x.ndim)
    _require_elements(name, x.shape, None if axis is None or not x.ndim else (axis,))
    return np.asarray(function(x, axis=axis if x.ndim else None, keepdims=keepdim), I64)


@batched(positions)
@op(input=None)
def argmax(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Index of the first maximum along ``dim``, or in the flattened tensor: ``torch.argmax``. int64.

    >>> import minigrad as mg
    >>> mg.argmax(mg.tensor([[1.0, 5.0, 2.0], [7.0, 0.0, 7.0]]), dim=1)
    tensor([1, 0])
    """
    return _position("argmax", np.argmax, input, dim, keepdim)


@batched(positions)
@op(input=None)
def argmin(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Index of the first minimum along ``dim``, or in the flattened tensor: ``torch.argmin``. int64."""
    return _position("argmin", np.argmin, input, dim, keepdim)


_MinMax = returned_by("aminmax", MinMax)
_RETURNED = {
    name: returned_by(name, ValuesIndices)
    for name in ("max", "min", "cummax", "cummin", "sort", "topk", "kthvalue", "median", "nanmedian", "mode")
}


def _picked(name: str, x: Any, indices: Any, dim: int) -> ValuesIndices:
    """The elements of ``x`` at ``indices`` along ``dim``, with a gradient. ``indices`` may be without the dimension ``dim``.

    It is what the function ``name`` returns.
    """
    places = getattr(indices, "_data", indices)
    shape = shape_of(x)
    if not shape:
        return _RETURNED[name](reshape(x, ()), indices)
    axis = positive_dim("gather", dim, len(shape))
    if places.ndim == len(shape):
        return _RETURNED[name](index.getitem(x, index=index.grid(places.shape, axis, places)), indices)
    key = index.grid(places.shape, -1, None)
    at = places if places.ndim or is_batched(places) else int(places)
    return _RETURNED[name](index.getitem(x, index=(*key[:axis], at, *key[axis:])), indices)


def _other(name: str, dim: Any, other: Any) -> Any:
    """The second tensor of ``max(input, other)``, which comes in the place of ``dim`` or by its name; None if there is none."""
    if dim is None or other is None:
        return dim if isinstance(dim, (TensorBase, np.ndarray)) else other
    raise TypeError(f"{name}: either a dim or other, the tensor to compare with, not both")


_maximum, _minimum = titling("MaxBackward1"), titling("MinBackward1")


@known_as("MaxBackward0", several=True)
@called_as(like.largest)
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Largest elements: ``torch.max``, which is three functions.

    * ``max(input)``: of all elements; equal ones share the gradient, as in :func:`amax`.
    * ``max(input, dim, keepdim=False)``: along a dimension, a named tuple ``(values, indices)``; the gradient goes to the first maximum.
    * ``max(input, other)``: element by element, :func:`minigrad.maximum`.

    >>> import minigrad as mg
    >>> values, indices = mg.max(mg.tensor([[1.0, 5.0], [7.0, 7.0]]), dim=1)
    >>> values, indices
    (tensor([5., 7.]), tensor([1, 0]))
    """
    other = _other("max", dim, other)
    if other is not None:
        return ew.maximum(input, other)
    if dim is None:
        return _maximum(amax(input, None, keepdim))
    return _picked("max", input, argmax(input, dim, keepdim), dim)


@known_as("MinBackward0", several=True)
@called_as(like.largest)
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Smallest elements: ``torch.min``, with the three forms of :func:`max`."""
    other = _other("min", dim, other)
    if other is not None:
        return ew.minimum(input, other)
    if dim is None:
        return _minimum(amin(input, None, keepdim))
    return _picked("min", input, argmin(input, dim, keepdim), dim)


@batched(along_dim())
@op(x=None)
def _running_position(x: Array, dim: int, largest: bool) -> Array:
    # the last position so far with the running maximum (or minimum); after a NaN, NaN is the result
    axis = positive_dim("cummax" if largest else "cummin", dim, x.ndim)
    if not x.ndim:
        return np.zeros((), I64)
    best = (np.maximum if largest else np.minimum).accumulate(x, axis=axis)
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.maximum.accumulate(np.where((x == best) | (x != x), places, 0), axis=axis).astype(I64, copy=False)


@known_as("CummaxBackward0")
def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """Running maximum along ``dim`` and the index of its last occurrence: ``torch.cummax``, a named tuple ``(values, indices)``.

    >>> import minigrad as mg
    >>> mg.cummax(mg.tensor([1.0, 3.0, 2.0]), dim=0).values
    tensor([1., 3., 3.])
    """
    return _picked("cummax", input, _running_position(input, dim, True), dim)


@known_as("CumminBackward0")
def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """Running minimum along ``dim`` and the index of its last occurrence: ``torch.cummin``."""
    return _picked("cummin", input, _running_position(input, dim, False), dim)


# ---------------------------------------------------------------------------------------------------- log-sum-exp, norms


def _logsumexp_x(g, input, out, dim, keepdim):
    out = _restored(out, input.shape, dim, keepdim)
    return _restored(g, input.shape, dim, keepdim) * ew.exp(input - ew.where(ew.eq(out, -math.inf), 0.0, out))


@batched(reduced)
@op(input=_logsumexp_x)
@in_float32
def logsumexp(input: Array, dim: Dims, keepdim: Any = False) -> Array:
    """log(sum(exp(x))) along ``dim`` without overflow: ``torch.logsumexp``. The gradient is softmax(x).

    If all elements are -inf, as in a masked row, the result is -inf and the gradient 0 (PyTorch: NaN).

    >>> import minigrad as mg
    >>> mg.logsumexp(mg.tensor([500.0, 500.0]), dim=0)
    tensor(500.6931)
    """
    axes = _axes("logsumexp", input.shape, dim, keepdim)
    input = ew.real(input)
    if not _count(input.shape, axes):
        return np.add.reduce(input, axis=axes, keepdims=keepdim) - math.inf
    highest = np.asarray(np.maximum.reduce(input, axis=axes, keepdims=True))
    highest = np.where(np.isfinite(highest), highest, 0)
    total = _accumulate("logsumexp", add_reduce, quiet().run(_exp_from, input, highest), None, axis=axes, keepdims=True)
    out = quiet().run(np.log, total) + highest
    return out if keepdim else out.reshape([s for i, s in enumerate(input.shape) if axes is not None and i not in axes])


def _exp_from(x, highest):
    return np.exp(x - highest)


def _norm_x(g, x, out, p, dim, keepdim):
    """x_i |x_i|^(p-2) / out^(p-1), and 0 for the zero vector."""
    if p == 0:
        return None  # a count: constant between its jumps
    if math.isinf(p):
        return _shared(g, ew.abs(x), out, dim, keepdim) * ew.sign(x)
    g, out = _restored(g, x.shape, dim, keepdim), _restored(out, x.shape, dim, keepdim)
    if p == 1:
        return g * ew.sign(x)
    at_zero = ew.eq(out, 0)
    scale = ew.where(at_zero, 0.0, g)
    out = ew.where(at_zero, 1.0, out)
    if p == 2:
        return x * (scale / out)
    size = ew.abs(x)
    if p < 1:  # |x|^(p-1) is infinite at 0
        zero = ew.eq(x, 0)
        return scale * ew.where(zero, 0.0, ew.sign(x) * (ew.where(zero, 1.0, size) / out) ** (p - 1.0))
    return scale * ew.sign(x) * (size / out) ** (p - 1.0)


@batched(reduced)
@op(x=_norm_x)
def _norm(x: Array, p: Any, dim: Any, keepdim: Any) -> Array:
    _require_floating("norm", x.dtype)
    axes = _axes("norm", x.shape, dim, keepdim)
    if p < 0 or math.isinf(p):
        _require_elements(f"norm with p={p}", x.shape, axes)
    if p == 2 and axes is None and not keepdim and x.dtype.kind == "f" and x.dtype != F16:
        flat = np.ravel(x, order="K")
        with one_blas_thread:
            return np.sqrt(quiet().run(np.dot, flat, flat))
    return quiet().run(_norm_along, x, p, axes, keepdim)


def _norm_along(x, p, axes, keepdim):
    wide = x.astype(F32) if x.dtype == F16 else x
    if p == 2:
        out = np.sqrt(np.add.reduce(wide * wide, axis=axes, keepdims=keepdim))
    elif p == 0:
        out = np.add.reduce(wide != 0, axis=axes, keepdims=keepdim, dtype=wide.dtype)
    elif math.isinf(p):
        out = (np.maximum if p > 0 else np.minimum).reduce(np.abs(wide), axis=axes, keepdims=keepdim)
    elif p == 1:
        out = np.add.reduce(np.abs(wide), axis=axes, keepdims=keepdim)
    else:
        out = np.power(np.add.reduce(np.power(np.abs(wide), p), axis=axes, keepdims=keepdim), 1.0 / p)
    return out.astype(x.dtype, copy=False)


def norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """``(sum |input|^p)^(1/p)``, the p-norm of the elements as a vector.

    Args:
        input: floating, any shape.
        p: ``"fro"`` (the same as 2, the Euclidean norm), or a number: ``inf`` the largest absolute value, ``-inf`` the smallest, 0 the
            number of elements that are not zero.
        dim: an int or several; None for all.
        keepdim: leave size 1 where dimensions were reduced.
        dtype: convert to this dtype first.

    Raises ``TypeError`` for integers, ``ShapeError`` where p < 0 or infinite and there is no element. The gradient of the zero vector is 0.

    >>> import minigrad as mg
    >>> x = mg.tensor([3.0, -4.0])
    >>> x.norm(), x.norm(1), x.norm(float("inf"))
    (tensor(5.), tensor(7.), tensor(4.))
    """
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise ValueError(f"norm: p must be a number or 'fro', not {p!r}")
    return _norm(input if dtype is None else cast(input, dtype=dtype_of("norm", dtype)), float(p), dim, keepdim)


@known_as("DistBackward0")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other``, which are broadcast: ``torch.dist``."""
    return norm(ew.sub(input, other), p)


# ------------------------------------------------------------------------------------------------- any and all


def _answer(found: Any, input: np.ndarray) -> Any:
    return found.astype(np.uint8) if input.dtype == np.uint8 else found


@batched(reduced)
@op(input=None)
def any(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Whether any element is nonzero: ``torch.any``. bool, but uint8 for uint8, as in PyTorch, whose first masks were that."""
    return _answer(np.logical_or.reduce(input, axis=_axes("any", input.shape, dim, keepdim), keepdims=keepdim), input)


@batched(reduced)
@op(input=None)
def all(input: Array, dim: Dims = None, keepdim: Any = False) -> Array:
    """Whether all elements are nonzero: ``torch.all``. bool, but uint8 for uint8; True if there are no elements."""
    return _answer(np.logical_and.reduce(input, axis=_axes("all", input.shape, dim, keepdim), keepdims=keepdim), input)


# ----------------------------------------------------------------------------------------------- sorting, counting


@batched(along_dim())
@op(input=None)
def argsort(input: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that sort ``input`` along ``dim``: ``torch.argsort``. Always stable: equal elements keep their order."""
    axis = positive_dim("argsort", dim, input.ndim)
    return sorted_places(input, axis, descending) if input.ndim else np.zeros((), I64)


@known_as("SortBackward0")
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """The elements in order along ``dim``, a named tuple ``(values, indices)``: ``torch.sort``. NaN counts as the largest.

    Always stable, so ``stable`` has no effect. The gradient goes to the original positions.

    >>> import minigrad as mg
    >>> mg.sort(mg.tensor([3.0, 1.0, 2.0]), descending=True).indices
    tensor([0, 2, 1])
    """
    return _picked("sort", input, argsort(input, dim, descending), dim)


@batched(along_dim())
@op(x=None)
def _top_places(x: Array, k: int, dim: int, largest: bool) -> Array:
    axis = positive_dim("topk", dim, x.ndim)
    size = x.shape[axis] if x.ndim else 1
    if not 0 <= k <= size:
        raise ShapeError(f"topk: k={k} is not in 0..{size}, the size of dimension {axis} of shape {x.shape}")
    if not x.ndim:
        return np.zeros((), I64)
    return np.ascontiguousarray(top_places(x, k, axis, largest))  # not a part of the places of all


def msort(input: Tensor) -> Tensor:
    """:func:`sort` along dimension 0, the values only: ``torch.msort``."""
    return sort(input, 0).values


@known_as("TopkBackward0")
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The ``k`` largest elements along ``dim``, the largest first (or the smallest): ``torch.topk``.

    Returns a named tuple ``(values, indices)``, always sorted (``sorted`` has no effect). Of equal elements the first are taken.

    >>> import minigrad as mg
    >>> mg.topk(mg.tensor([1.0, 4.0, 3.0]), 2).indices
    tensor([1, 2])
    """
    return _picked("topk", input, _top_places(input, whole("topk", "k", k), dim, largest), dim)


@known_as("KthvalueBackward0")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The ``k``-th smallest element along ``dim``, counted from 1, as ``(values, indices)``: ``torch.kthvalue``."""
    axis = positive_dim("kthvalue", dim, len(input.shape))
    size = input.shape[axis] if input.shape else 1
    if not 1 <= whole("kthvalue", "k", k) <= size:
        raise ShapeError(f"kthvalue: k={k} is not in 1..{size}, the size of dimension {axis} of shape {tuple(input.shape)}")
    indices = argsort(input, dim)
    if input.shape:
        indices = narrow(indices, axis, k - 1, 1) if flag("kthvalue", "keepdim", keepdim) else select(indices, axis, k - 1)
    return _picked("kthvalue", input, indices, dim)


@batched(positions)
@op(x=None)
def _median_place(x: Array, dim: Any, keepdim: Any, skip: bool = False) -> Array:
    """The index of the median along ``dim``; ``skip``: of the elements that are not NaN."""
    name = "nanmedian" if skip else "median"
    flag(name, "keepdim", keepdim)
    axis = positive_dim(name, dim, x.ndim)
    if not x.ndim:
        return np.zeros((), I64)
    _require_elements(name, x.shape, (axis,))
    places = sorted_places(x, axis, False)
    middle = np.asarray((x.shape[axis] - 1) // 2)
    if x.dtype.kind == "f":  # NaNs are sorted last; if there are any, the first of them is the result
        real = np.add.reduce(~np.isnan(x), axis=axis, keepdims=True)
        middle = np.maximum(real - 1, 0) // 2 if skip else np.where(real < x.shape[axis], real, middle)
    found = np.take_along_axis(places, np.broadcast_to(middle, [1 if i == axis else s for i, s in enumerate(x.shape)]), axis)
    return found if keepdim else found.squeeze(axis)


def _median_samples(run, x, skip):
    lines = x.reshape((x.shape[0], math.prod(x.shape[1:])))
    if not lines.shape[1]:
        return run.one_by_one(x, skip=skip)
    from minigrad.ops.gathering import take_along_dim  # not every program needs it

    return take_along_dim(lines, _median_place(lines, 1, True, skip), 1)[:, 0]


@batched(_median_samples)
@op(x=lambda g, x, out: _shared(g, x, out, None, False))
def _median(x: Array, skip: bool = False) -> Array:
    flat = np.ravel(x)
    return flat[_median_place(flat, 0, False, skip)] if flat.size else np.asarray(math.nan, x.dtype)


def _without_dim(name: str, keepdim: Any) -> None:
    if flag(name, "keepdim", keepdim):
        raise TypeError(f"{name}: keepdim=True goes with a dim; without one the median of all elements has no dimensions")


@known_as("MedianBackward1", several=True)
@called_as(like.median)
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, or the lower of the two middle ones: ``torch.median``. NaN if any element is NaN.

    ``median(input)`` is that of all elements; equal ones share the gradient. ``median(input, dim, keepdim=False)`` is a named tuple
    ``(values, indices)``.

    >>> import minigrad as mg
    >>> mg.median(mg.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        _without_dim("median", keepdim)
        return _median(input)
    return _picked("median", input, _median_place(input, dim, keepdim), dim)


@called_as(like.median)
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """:func:`median` of the elements that are not NaN: ``torch.nanmedian``. NaN if all are NaN.

    >>> import minigrad as mg
    >>> mg.nanmedian(mg.tensor([4.0, float("nan"), 1.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        _without_dim("nanmedian", keepdim)
        return _median(input, True)
    return _picked("nanmedian", input, _median_place(input, dim, keepdim, True), dim)


@batched(positions)
@op(x=None)
def _mode_place(x: Array, dim: int, keepdim: bool) -> Array:
    axis = positive_dim("mode", dim, x.ndim)
    flag("mode", "keepdim", keepdim)
    if not x.ndim:
        return np.zeros((), I64)
    _require_elements("mode", x.shape, (axis,))
    order = np.moveaxis(sorted_places(x, axis, False), axis, -1)
    lines = np.take_along_axis(np.moveaxis(x, axis, -1), order, -1)
    steps = np.arange(lines.shape[-1])
    begin = np.ones(lines.shape, np.bool_)  # of a run of equal elements
    begin[..., 1:] = lines[..., 1:] != lines[..., :-1]
    length = steps - np.maximum.accumulate(np.where(begin, steps, 0), axis=-1)  # before this element, in its run
    longest = np.argmax(length, axis=-1)[..., None]  # the first of the longest: the smallest element; its last place
    found = np.moveaxis(np.take_along_axis(order, longest, -1), -1, axis)
    return found if keepdim else found.squeeze(axis)


@known_as("ModeBackward0")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """The most frequent element along ``dim``, the smallest of several, and where it stands last: ``torch.mode``.

    A named tuple ``(values, indices)``. (PyTorch's index may be that of any of the equal elements.)

    >>> import minigrad as mg
    >>> values, indices = mg.mode(mg.tensor([3, 1, 2, 1, 3]))
    >>> values, indices
    (tensor(1), tensor(3))
    """
    return _picked("mode", input, _mode_place(input, dim, keepdim), dim)


def _unique_input(g):
    raise NotImplementedError("unique: there is no derivative; pass input.detach()")


@called_as(like.unique)
@op(input=_unique_input)
def unique(input: Array, sorted: bool = True, return_inverse: Any = False, return_counts: Any = False, dim: Any = None) -> Array:
    """The distinct elements (or, with ``dim``, slices) in ascending order: ``torch.unique``.

    With ``return_inverse`` the position of each element among them is returned too, and with ``return_counts`` the number of
    occurrences of each. They are always sorted (``sorted`` has no effect).
    A backward pass through them raises ``NotImplementedError``, as in PyTorch.

    >>> import minigrad as mg
    >>> mg.unique(mg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    axis = None if dim is None else positive_dim("unique", dim, input.ndim)
    if axis is not None and not input.ndim:
        raise IndexError(f"unique: dim is {dim} but the tensor has no dimensions")
    found = np.unique(input, return_inverse=return_inverse, return_counts=return_counts, axis=axis, equal_nan=False)
    if return_inverse:  # its shape differs between versions of numpy
        found = (found[0], found[1].reshape(input.shape if axis is None else -1), *found[2:])
    return found


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """The number of occurrences of 0, 1, 2, ... in a vector, or the sum of their ``weights``: ``torch.bincount``.

    int64; with weights float32 if they are, else float64.

    >>> import minigrad as mg
    >>> mg.bincount(mg.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    if weights is not None and weights.dtype != F32:
        weights = cast(weights, dtype=np.float64)
    return _bincount(input, weights, minlength)


@linear_in("weights")
@op(input=None, weights=lambda g, input: index.getitem(g, index=(input,)))
def _bincount(input: Array, weights: Array = None, minlength: int = 0) -> Array:
    if input.ndim != 1 or input.dtype.kind not in "iu":
        raise ShapeError(f"bincount: a vector of integers >= 0 is needed, not {input.dtype.name} of shape {input.shape}")
    if input.size and (least := input.min()) < 0:
        raise ShapeError(f"bincount: a vector of integers >= 0 is needed, and this one has {least}")
    if weights is not None and weights.shape != input.shape:
        raise ShapeError(f"bincount: weights {weights.shape} must have the shape {input.shape} of the input")
    total = np.bincount(input, weights, minlength)
    return total if weights is None else total.astype(weights.dtype, copy=False)


public(__name__)
