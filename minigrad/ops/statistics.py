"""Differences and integrals along a dimension, covariances, quantiles, and questions about sorted or repeated elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import F64, ShapeError, batched, cast, get_default_dtype, is_array, known_as, op, public, repeated, shape_of, wrap
from minigrad.ops import elementwise as ew
from minigrad.ops import signatures as like
from minigrad.ops.arguments import along, flag, number, positive_dim, positive_dims, require_dtype, whole
from minigrad.ops.complex_pair import adjoint, complex, real
from minigrad.ops.gathering import index_add, take_along_dim
from minigrad.ops.precision import in_float32
from minigrad.ops.products import matmul
from minigrad.ops.reduce import cumsum, sort, sum
from minigrad.ops.results import returned_by
from minigrad.ops.shape import cat, diagonal, movedim, narrow, reshape, select, unsqueeze
from minigrad.tree import array_of, numbers_of
from minigrad.types import Array, Dims, Operand, Tensor, called_as

# --------------------------------------------------------------------------------- differences and integrals


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The differences of neighbours along ``dim``, ``n`` times: ``torch.diff``. Of booleans, whether they differ.

    Args:
        input: at least 1 dimension.
        n: how often; the size of ``dim`` falls by one each time, to 0 at least.
        dim: the dimension.
        prepend, append: elements to put before and behind ``input`` first, unless ``n`` is 0.

    Raises ``ShapeError`` for a 0-d tensor or a negative ``n``.

    >>> import minigrad as mg
    >>> mg.diff(mg.tensor([1, 4, 9, 16])), mg.diff(mg.tensor([1, 4, 9, 16]), n=2)
    (tensor([3, 5, 7]), tensor([2, 2]))
    """
    n = whole("diff", "n", n, 0)
    if not shape_of(input):
        raise ShapeError("diff: at least 1 dimension is needed, not a 0-d tensor")
    axis = positive_dim("diff", dim, len(shape_of(input)))
    if n and (prepend is not None or append is not None):
        input = cat([x for x in (prepend, input, append) if x is not None], axis)
    differ = ew.logical_xor if input.dtype == np.bool_ else ew.minus
    for _ in range(min(n, shape_of(input)[axis])):
        size = shape_of(input)[axis]
        input = differ(narrow(input, axis, min(1, size), size - 1), narrow(input, axis, 0, size - 1))
    return input


def _trapezoids(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """The areas between neighbours along ``dim``, which is returned counted from the front."""
    if x is not None and dx is not None:
        raise TypeError(f"{name}: x and dx say the same thing; pass one of them")
    shape = shape_of(y)
    axis = positive_dim(name, dim, len(shape))
    if x is not None:
        if len(shape_of(x)) == 1 and shape:
            if shape_of(x)[0] != shape[axis]:
                raise ShapeError(f"{name}: x has {shape_of(x)[0]} elements, but dimension {axis} of y {shape} has {shape[axis]}")
            x = reshape(x, [-1 if i == axis else 1 for i in range(len(shape))])
        dx = diff(x, dim=axis - len(shape))
    size = max(shape[axis] - 1, 0) if shape else 0
    if not shape:
        raise ShapeError(f"{name}: at least 1 dimension is needed, not a 0-d tensor")
    if y.dtype.kind != "f":  # neighbours of small integers would not fit into their dtype when added
        y = cast(y, dtype=get_default_dtype())
    pairs = narrow(y, axis, min(1, shape[axis]), size) + narrow(y, axis, 0, size)
    return pairs * 0.5 if dx is None else pairs * (dx if hasattr(dx, "dtype") else number(name, "dx", dx)) * 0.5, axis


@known_as("MulBackward1")
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral of ``y`` along ``dim`` by the trapezoidal rule: ``torch.trapezoid``.

    Args:
        y: at least 1 dimension.
        x: where the values of ``y`` are: as many as ``dim`` has, or a tensor that broadcasts with ``y``.
        dx: their distance, instead of ``x``; 1 by default.
        dim: the dimension to integrate along.

    >>> import minigrad as mg
    >>> mg.trapezoid(mg.tensor([1.0, 2.0, 3.0])), mg.trapezoid(mg.tensor([1.0, 2.0, 3.0]), mg.tensor([0.0, 1.0, 3.0]))
    (tensor(4.), tensor(6.5000))
    """
    areas, axis = _trapezoids("trapezoid", y, x, dx, dim)
    return sum(areas, axis)


trapz = trapezoid


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """:func:`trapezoid` up to each element but the first: ``torch.cumulative_trapezoid``.

    >>> import minigrad as mg
    >>> mg.cumulative_trapezoid(mg.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    areas, axis = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, axis)


def _slope(x: Any, dim: int, spacing: Any, edge_order: int) -> Any:
    """The derivative along ``dim``: inside from three points, at the ends from ``edge_order`` + 1."""
    size = shape_of(x)[dim]
    if size <= edge_order:
        raise ShapeError(
            f"gradient: dimension {dim} of shape {shape_of(x)} has {size} elements, and edge_order={edge_order} needs {edge_order + 1}"
        )
    h: Any = spacing
    if hasattr(spacing, "dtype"):
        if shape_of(spacing) != (size,):
            raise ShapeError(f"gradient: spacing has shape {shape_of(spacing)}, but dimension {dim} of shape {shape_of(x)} needs ({size},)")
        h = reshape(diff(spacing), [-1 if i == dim else 1 for i in range(len(shape_of(x)))])
    steps = diff(x, dim=dim) / h  # the slope between neighbours

    def part(a: Any, start: int, length: int) -> Any:
        return narrow(a, dim, start, length) if hasattr(a, "dtype") else a

    left, right = part(h, 0, size - 2), part(h, 1, size - 2)
    first, last = part(steps, 0, 1), part(steps, size - 2, 1)
    inside = (part(steps, 0, size - 2) * right + part(steps, 1, size - 2) * left) / (left + right) if size > 2 else None
    if edge_order == 2:
        (a, b), (c, d) = [(part(h, i, 1), part(h, i + 1, 1)) for i in (0, size - 3)]
        first, last = (
            first + (first - part(steps, 1, 1)) * (a / (a + b)),
            last + (last - part(steps, size - 3, 1)) * (d / (c + d)),
        )
    return cat([first, *([inside] if inside is not None else []), last], dim)


@in_float32
def gradient(input: Tensor, *, spacing: Any = None, dim: Dims = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The derivative of sampled values along each dimension, by finite differences of second order inside: ``torch.gradient``.

    Args:
        input: the samples; at least ``edge_order`` + 1 along each dimension.
        spacing: their distance, 1 by default; or one for each dimension, or for each a vector of coordinates.
        dim: the dimensions, all by default.
        edge_order: the order of the differences at the two ends, 1 or 2.

    Returns a tuple with a tensor for each dimension. Raises ``ShapeError`` for spacings or sizes that do not fit.

    >>> import minigrad as mg
    >>> mg.gradient(mg.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order must be 1 or 2, not {edge_order!r}")
    n = len(shape_of(input))
    dims = tuple(range(n)) if dim is None else positive_dims("gradient", dim, n)
    if not isinstance(spacing, (tuple, list)):
        spacing = [1 if spacing is None else number("gradient", "spacing", spacing)] * len(dims)
    if len(spacing) != len(dims):
        raise ShapeError(f"gradient: {len(spacing)} spacings for {len(dims)} dims")
    input = input if input.dtype.kind in "fc" else cast(input, dtype=get_default_dtype())
    return tuple([_slope(input, d, h, edge_order) for d, h in zip(dims, spacing, strict=True)])


# ------------------------------------------------------------------------------------------------ covariances


@known_as("SqueezeBackward0")
def cov(input: Tensor, *, correction: float = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """The covariances of the rows of ``input``, whose columns are observations: ``torch.cov``.

    Args:
        input: (variables, observations), or a vector of observations of one variable. Of complex ones, the second variable is conjugated.
        correction: what the number of observations is reduced by.
        fweights: how often each observation counts, integers.
        aweights: the importance of each observation, floating.

    Returns (variables, variables), a 0-d tensor for one variable. Raises ``ShapeError`` for other shapes, ``ValueError`` for negative weights.

    >>> import minigrad as mg
    >>> mg.cov(mg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    shape = shape_of(input)
    if len(shape) > 2:
        raise ShapeError(f"cov: at most 2 dimensions (variables, observations) are possible, not shape {shape}")
    input = input if input.dtype.kind in "fc" else cast(input, dtype=get_default_dtype())
    x = input if len(shape) == 2 else reshape(input, (1, -1) if math.prod(shape) else (1, 0))
    count = shape_of(x)[1]
    weights: Any = None
    for what, given, kinds in (("fweights", fweights, "iub"), ("aweights", aweights, "f")):
        if given is None:
            continue
        if not shape_of(given) and count == 1:
            given = reshape(given, (1,))
        if shape_of(given) != (count,) or given.dtype.kind not in kinds:
            raise ShapeError(
                f"cov: {what} must be {'integers' if kinds == 'iub' else 'floating'} of shape ({count},), not {given.dtype.name} {shape_of(given)}"
            )
        if (numbers_of(given) < 0).any():
            raise ValueError(f"cov: {what} must not be negative")
        weights = given if weights is None else weights * given
    total: Any = float(count) if weights is None else sum(weights)
    average = sum(x if weights is None else x * weights, 1, keepdim=True) / total
    if aweights is not None and correction:
        norm = total - correction * (sum(weights * aweights) / total)
    else:
        norm = total - number("cov", "correction", correction)
    norm = max(norm, 0.0) if isinstance(norm, float) else ew.clamp(norm, min=0.0)
    centred = x - average
    found = ew.div(matmul(centred, adjoint(centred if weights is None else centred * weights)), norm)
    return found if shape_of(x)[0] != 1 else reshape(found, ())


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows of ``input``, in [-1, 1]: ``torch.corrcoef``. Arguments as in :func:`cov`.

    >>> import minigrad as mg
    >>> mg.corrcoef(mg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if len(shape_of(input)) > 2:
        raise ShapeError(f"corrcoef: at most 2 dimensions (variables, observations) are possible, not shape {shape_of(input)}")
    found: Any = cov(input)
    if not shape_of(found):
        return found / found
    spread = ew.sqrt(real(diagonal(found)))
    found = found / unsqueeze(spread, 1) / unsqueeze(spread, 0)
    if found.dtype.kind == "c":
        return complex(ew.clamp(found.real, -1.0, 1.0), ew.clamp(found.imag, -1.0, 1.0))  # type: ignore[return-value]  # of a pair, a pair
    return ew.clamp(found, -1.0, 1.0)


# -------------------------------------------------------------------------------------------------- quantiles

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str) -> Any:
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"{name}: interpolation must be one of {', '.join(_INTERPOLATIONS)}, not {interpolation!r}")
    if input.dtype not in (np.float32, F64):
        raise TypeError(f"{name}: the input must be float32 or float64, not {input.dtype.name}")
    if hasattr(q, "dtype"):
        require_dtype(name, input, q=q)
    else:
        q = np.asarray(number(name, "q", q), input.dtype)
    if len(shape_of(q)) > 1:
        raise ShapeError(f"{name}: q must be a number or a vector, not of shape {shape_of(q)}")
    if not np.all((numbers_of(q) >= 0) & (numbers_of(q) <= 1)):
        raise ValueError(f"{name}: q must be in [0, 1]")
    shape = shape_of(input)
    if not math.prod(shape):
        raise ShapeError(f"{name}: there is no element in shape {shape}")
    axis = None if dim is None else positive_dim(name, dim, len(shape))
    line = reshape(input, (-1,)) if axis is None or not shape else movedim(input, axis, -1)
    line = sort(line, -1).values
    size = shape_of(line)[-1]
    real: Any = sum(ew.logical_not(ew.isnan(array_of(line))), -1, True)  # NaNs are sorted last
    many = reshape(q, (-1,))
    if name == "quantile":
        rank = ew.where(ew.lt(real, size), float(size - 1), ew.mul(many, float(size - 1)))
    else:
        rank = ew.mul(many, cast(ew.maximum(ew.sub(real, 1), 0), dtype=input.dtype))
    places = array_of(rank)
    if interpolation in ("lower", "higher", "nearest"):
        rounded: dict[str, Any] = {"lower": ew.floor, "higher": ew.ceil, "nearest": ew.round}
        places = rounded[interpolation](places)
        found = take_along_dim(line, places.astype(np.int64), -1)
    else:
        below: Any = ew.floor(places)
        above: Any = ew.ceil(places)
        weight = ew.sub(rank, below) if interpolation == "linear" else np.asarray(0.5, input.dtype)
        low, high = (take_along_dim(line, p.astype(np.int64), -1) for p in (below, above))
        found = ew.lerp(low, high, weight)
    found = movedim(found, -1, 0)
    if flag(name, "keepdim", keepdim):
        ones = (1,) * len(shape) if axis is None else tuple([1 if i == axis else s for i, s in enumerate(shape)])
        found = reshape(found, (shape_of(found)[0], *ones))
    return found if shape_of(q) else select(found, 0, 0)


@known_as("SqueezeBackward4")
def quantile(input: Tensor, q: Operand, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The quantiles ``q`` of the elements along ``dim``, or of all: ``torch.quantile``. NaN where an element is NaN.

    Args:
        input: float32 or float64, with at least one element.
        q: a number from 0 to 1, or a vector of them in the dtype of ``input``, whose results come in a new first dimension.
        dim: the dimension; None for all elements.
        keepdim: leave size 1 where ``dim`` was.
        interpolation: what to do between two elements: ``"linear"``, ``"lower"``, ``"higher"``, ``"midpoint"`` or ``"nearest"``.

    Raises ``ValueError`` for a ``q`` outside [0, 1] or another interpolation, ``ShapeError`` if there is no element.

    >>> import minigrad as mg
    >>> mg.quantile(mg.tensor([4.0, 1.0, 3.0, 2.0]), mg.tensor([0.25, 0.5]))
    tensor([1.7500, 2.5000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@known_as("SqueezeBackward4")
def nanquantile(input: Tensor, q: Operand, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """:func:`quantile` of the elements that are not NaN: ``torch.nanquantile``. NaN if all are NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


# -------------------------------------------------------------------------------------------- counts and places


@op(input=None)
def histc(input: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:
    """How many elements are in each of ``bins`` equal intervals from ``min`` to ``max``: ``torch.histc``. Others are not counted.

    If ``min`` and ``max`` are equal, they are the smallest and the largest element. The last interval includes its end.
    Raises ``TypeError`` for integers, ``ValueError`` for ``min`` above ``max`` or not finite.

    >>> import minigrad as mg
    >>> mg.histc(mg.tensor([1.0, 2.0, 1.0, 9.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    bins = whole("histc", "bins", bins, 1)
    if input.dtype.kind != "f":
        raise TypeError(f"histc: a floating dtype is needed, not {input.dtype.name}; convert with x.float()")
    low, high = number("histc", "min", min), number("histc", "max", max)
    if low == high and input.size:
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    _check_range("histc", low, high, F64)
    numbers = input.astype(F64)
    inside = numbers[(numbers >= low) & (numbers <= high)]
    places = np.minimum(((inside - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return np.bincount(places, minlength=bins).astype(input.dtype)


class Histogram(NamedTuple):
    """The result of :func:`histogram` and :func:`histogramdd`: counts, and the edges of the intervals, of the latter a tuple."""

    hist: Tensor
    bin_edges: Any


_Histogram, _HistogramDD = returned_by("histogram", Histogram), returned_by("histogramdd", Histogram)


def histogram(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Tensor | None = None, density: bool = False
) -> Histogram:
    """How many elements are in each interval, and the intervals' edges, a named tuple ``(hist, bin_edges)``: ``torch.histogram``.

    Args:
        input: of any shape, of floats.
        bins: how many equal intervals, or their edges, ascending. Each has its lower edge, the last one its upper too; others are not counted.
        range: with a number for ``bins``: ``(low, high)``; default: the smallest and the largest element.
        weight: what an element counts, of the shape of ``input``; gradients flow to it.
        density: divide by the sum and by the widths, so that the integral is 1.

    Raises ``TypeError`` for integers, ``ValueError`` for a range or edges that do not ascend, ``ShapeError`` for another shape of ``weight``.

    >>> import minigrad as mg
    >>> mg.histogram(mg.tensor([1.0, 2.0, 1.0, 9.0]), 4, range=(0.0, 4.0)).hist
    tensor([0., 2., 1., 0.])
    """
    if weight is not None and shape_of(weight) != shape_of(input):
        raise ShapeError(f"histogram: weight has shape {shape_of(weight)}, but input {shape_of(input)}")
    one_weight = None if weight is None else reshape(weight, (-1,))
    hist, edges = _histogram("histogram", reshape(input, (-1, 1)), [bins], range, one_weight, density)
    return _Histogram(hist, edges[0])


def histogramdd(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Tensor | None = None, density: bool = False
) -> Histogram:
    """How many points are in each cell of a grid: ``torch.histogramdd``.

    Args:
        input: points (..., n), of floats.
        bins: a number of intervals for all n coordinates, or for each a number, or for each its edges.
        range: ``(low, high)`` of the first coordinate, then of the second, ...: 2 n numbers.
        weight: what a point counts, (...); gradients flow to it.
        density: see :func:`histogram`.

    Returns ``(hist, bin_edges)`` with a dimension of ``hist`` and a Tensor of ``bin_edges`` for each coordinate.

    >>> import minigrad as mg
    >>> mg.histogramdd(mg.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), [2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    shape = shape_of(input)
    if not shape:
        raise ShapeError("histogramdd: points (..., n) are needed, not a 0-d tensor")
    if weight is not None and shape_of(weight) != shape[:-1]:
        raise ShapeError(f"histogramdd: weight has shape {shape_of(weight)}, but there are {shape[:-1]} points")
    each = list(bins) if isinstance(bins, (list, tuple)) else [bins] * shape[-1]
    if len(each) != shape[-1]:
        raise ShapeError(f"histogramdd: bins are given for {len(each)} coordinates, but points have {shape[-1]}")
    one_weight = None if weight is None else reshape(weight, (-1,))
    return _HistogramDD(*_histogram("histogramdd", reshape(input, (math.prod(shape[:-1]), shape[-1])), each, range, one_weight, density))


def _histogram(name: str, points: Any, bins: list[Any], limits: Any, weight: Any, density: bool) -> tuple[Any, tuple[Any, ...]]:
    dtype = np.dtype(points.dtype)
    if dtype.kind != "f":
        raise TypeError(f"{name}: a floating dtype is needed, not {dtype}; convert with x.float()")
    if limits is not None and len(limits) != 2 * len(bins):
        raise ValueError(f"{name}: range has {2 * len(bins)} numbers, low and high of each dimension, not {limits!r:.60}")
    edges: list[Any] = [
        _edges(name, numbers_of(select(points, 1, i)), n, None if limits is None else limits[2 * i : 2 * i + 2], dtype)
        for i, n in enumerate(bins)
    ]
    sizes = [len(e) - 1 for e in edges]
    total = math.prod(sizes)
    flat: Any = None
    found: Any = None
    for i, (edge, size) in enumerate(zip(edges, sizes, strict=True)):
        column = select(points, 1, i)
        place = ew.where(ew.eq(column, edge[-1]), size - 1, ew.sub(searchsorted(edge, column, right=True), 1))
        here = ew.logical_and(ew.ge(place, 0), ew.lt(place, size))  # NaN is behind the last edge
        found = here if found is None else ew.logical_and(found, here)
        flat = place if flat is None else ew.add(ew.mul(flat, size), place)
    counted = cast(found, dtype=dtype) if weight is None else ew.where(found, weight, 0.0)
    nothing: Any = np.zeros(total, np.dtype(counted.dtype))
    hist = index_add(nothing, 0, ew.where(found, flat, 0), counted)
    hist = reshape(hist, tuple(sizes))
    if density:
        hist = ew.div(hist, sum(hist))
        for i, edge in enumerate(edges):
            with np.errstate(invalid="ignore"):  # no width is between two infinite edges
                widths = np.diff(edge)
            hist = ew.div(hist, widths.reshape((-1,) + (1,) * (len(sizes) - 1 - i)))
    return hist, tuple(e if isinstance(points, np.ndarray) else wrap(e) for e in edges)


def _check_range(name: str, low: float, high: float, dtype: np.dtype) -> None:
    """Raise ``ValueError`` for a range that is not finite, does not ascend, or is beyond the numbers of ``dtype``, in which edges are computed."""
    if not math.isfinite(low) or not math.isfinite(high) or low > high:
        raise ValueError(f"{name}: the range from {low} to {high} must be finite and ascending")
    most = float(np.finfo(dtype).max)
    if max(abs(low), abs(high), high - low) > most:
        raise ValueError(f"{name}: the range from {low:.6g} to {high:.6g} is too wide for {dtype}, whose largest number is {most:.6g}")


def _edges(name: str, values: Any, bins: Any, limits: Any, dtype: np.dtype) -> np.ndarray:
    if hasattr(bins, "dtype"):
        edges = np.asarray(array_of(bins), dtype)
        if edges.ndim != 1 or len(edges) < 2 or not (edges[1:] >= edges[:-1]).all():
            raise ValueError(f"{name}: edges of bins are a vector of at least 2 numbers that ascend, not {edges!r:.80}")
        return edges
    n = whole(name, "bins", bins, 1)
    if limits is None:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    else:
        low, high = (number(name, "range", v) for v in limits)
    wide = np.result_type(dtype, np.float32)
    _check_range(name, low, high, wide)
    low, high = (wide.type(v) for v in (low - 0.5 * (low == high), high + 0.5 * (low == high)))
    steps, step = np.arange(n + 1).astype(wide), (high - low) / wide.type(n)
    # from both ends, as PyTorch: its roundings decide
    edges = np.where(steps < (n + 1) // 2, low + step * steps, high - step * steps[::-1])
    return edges.astype(dtype, copy=False)


def _searchsorted_samples(run, sorted_sequence, input, **statics):
    if sorted_sequence.ndim > 2:
        return run(*[repeated(x, run.size) for x in (sorted_sequence, input)], **statics)
    if sorted_sequence.shape[0] == 1:
        return run(sorted_sequence[0], input, **statics)
    wanted = repeated(input, run.size)
    return run(sorted_sequence, wanted.reshape((run.size, math.prod(wanted.shape[1:]))), **statics).reshape(wanted.shape)


@batched(_searchsorted_samples)
@op(sorted_sequence=None, input=None)
def _searchsorted(sorted_sequence: Array, input: Array, side: Any, dtype: Any) -> Array:
    found: Any
    if sorted_sequence.ndim == 1:
        found = np.searchsorted(sorted_sequence, input, side)
    else:
        rows, wanted = (a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) for a in (sorted_sequence, input))
        found = np.empty(wanted.shape, np.int64)
        for row, values, out in zip(rows, wanted, found, strict=True):
            out[:] = np.searchsorted(row, values, side)
        found = found.reshape(input.shape)
    return np.asarray(found, dtype)


def searchsorted(
    sorted_sequence: Tensor,
    input: Operand,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert the elements of ``input`` into sorted rows, so that these stay sorted: ``torch.searchsorted``.

    Args:
        sorted_sequence: rows that ascend along the last dimension: a vector, or as many as ``input`` has.
        input: numbers to place; except in the last dimension, of the shape of ``sorted_sequence``, if that is no vector.
        out_int32: give int32 instead of int64.
        right, side: behind equal elements (``right=True`` or ``side="right"``) instead of before them.
        sorter: the indices that sort ``sorted_sequence``, if it is not sorted.

    >>> import minigrad as mg
    >>> mg.searchsorted(mg.tensor([1, 3, 5]), mg.tensor([3, 6])), mg.searchsorted(mg.tensor([1, 3, 5]), 3, side="right")
    (tensor([1, 3]), tensor(2))
    """
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', not {side!r}")
    if side == "left" and right:
        raise ValueError("searchsorted: side='left' and right=True say opposite things")
    input = input if hasattr(input, "dtype") else np.asarray(number("searchsorted", "input", input))
    have, want = shape_of(sorted_sequence), shape_of(input)
    if not have or (len(have) > 1 and have[:-1] != want[:-1]):
        raise ShapeError(f"searchsorted: rows of shape {have} do not fit values of shape {want}: all but the last size must be equal")
    if sorter is not None:
        if shape_of(sorter) != have:
            raise ShapeError(f"searchsorted: sorter has shape {shape_of(sorter)}, but the sequence {have}")
        sorted_sequence = take_along_dim(sorted_sequence, sorter, -1)
    return _searchsorted(sorted_sequence, input, "right" if right or side == "right" else "left", np.int32 if out_int32 else np.int64)


def bucketize(input: Operand, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """For each element the index of its interval between the ascending ``boundaries``: ``torch.bucketize``.

    An element that equals a boundary belongs to the interval before it, with ``right`` to the one behind it.
    Raises ``ShapeError`` unless ``boundaries`` is a vector.

    >>> import minigrad as mg
    >>> mg.bucketize(mg.tensor([[0.5, 1.0], [2.5, 9.0]]), mg.tensor([1.0, 2.0, 3.0]))
    tensor([[0, 0],
            [2, 3]])
    """
    if len(shape_of(boundaries)) != 1:
        raise ShapeError(f"bucketize: the boundaries must be a vector, not of shape {shape_of(boundaries)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def _isin_samples(run, elements, test_elements, assume_unique, invert):
    if not is_array(test_elements) or test_elements.shape[0] == 1:
        return run(elements, test_elements[0] if is_array(test_elements) else test_elements, assume_unique=assume_unique, invert=invert)
    return run.one_by_one(elements, test_elements, assume_unique=assume_unique, invert=invert)


@batched(_isin_samples)
@op(elements=None, test_elements=None)
def isin(elements: Operand, test_elements: Operand, *, assume_unique: bool = False, invert: bool = False) -> Array:
    """Whether each of ``elements`` is among ``test_elements``: ``torch.isin``. ``invert``: whether it is not.

    >>> import minigrad as mg
    >>> mg.isin(mg.tensor([[1, 2], [3, 4]]), mg.tensor([2, 3]))
    tensor([[False,  True],
            [ True, False]])
    """
    return np.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)


@called_as(like.unique_consecutive)
@op(input=None)
def unique_consecutive(input: Array, return_inverse: Any = False, return_counts: Any = False, dim: Any = None) -> Array:
    """The first of each run of equal elements (or, with ``dim``, slices): ``torch.unique_consecutive``.

    With ``return_inverse`` the run of each element is returned too, and with ``return_counts`` the length of each run.

    >>> import minigrad as mg
    >>> mg.unique_consecutive(mg.tensor([1, 1, 2, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 2, 1]))
    """
    axis = 0 if dim is None else positive_dim("unique_consecutive", dim, input.ndim)
    x = input.reshape(-1) if dim is None else input
    rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], math.prod(x.shape[:axis] + x.shape[axis + 1 :]))
    begin = np.ones(len(rows), np.bool_)
    begin[1:] = (rows[1:] != rows[:-1]).any(1)
    found: tuple[np.ndarray, ...] = (x[along(axis, begin)],)
    if return_inverse:
        inverse = np.cumsum(begin) - 1
        found += (inverse.reshape(input.shape) if dim is None else inverse,)
    if return_counts:
        found += (np.diff(np.append(np.flatnonzero(begin), len(rows))),)
    return found if len(found) > 1 else found[0]


public(__name__)
