"""Hypothesis strategies for the arguments of differentiable functions.

They draw what a user would write down: small arrays of short numbers, and whole calls (:class:`Call`) whose shapes fit together::

    check_op(mg.exp, st.arrays())
    check_op(mg.mul, st.broadcastable(2))
    check_op(mg.sum, st.call(st.arrays(min_dims=1), dim=0, keepdim=st.booleans()))

An array is drawn as one string of bytes, a byte per element, which costs hypothesis a single decision: drawing is fast, and a failing
example shrinks to the first entries of a table that begins with 0, 1, -1. Everything hypothesis has (``st.integers``, ``st.booleans``,
``st.sampled_from``, ``st.just``, ``st.composite`` ...) can be reached through this module too.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as hypothesis_strategies
import numpy as np
from hypothesis.strategies import SearchStrategy, composite

from minigrad.engine import dtype_of
from minigrad.ops.arguments import check
from minigrad.ops.arguments import whole as whole_number
from minigrad.testing.call import Call

__all__ = [
    "Call", "arrays", "booleans_array", "broadcastable", "call", "conv_arguments", "einsum_operands", "index_expressions",
    "integers_array", "logits_and_targets", "matmul_operands", "pool_arguments", "shapes",
]  # fmt: skip

_integers = hypothesis_strategies.integers
_booleans = hypothesis_strategies.booleans
_sampled = hypothesis_strategies.sampled_from


def __getattr__(name: str) -> Any:
    """The strategies of hypothesis itself: ``strategies.integers`` and so on."""
    if name.startswith("_") or not hasattr(hypothesis_strategies, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(hypothesis_strategies, name)


def _or_draw(draw: Any, value: Any) -> Any:
    return draw(value) if isinstance(value, SearchStrategy) else value


def _drawn_shape(name: str, draw: Any, shape: Any) -> tuple[int, ...]:
    """The sizes of a shape that is given as one number, several, or a strategy of them. Raises for anything else."""
    shape = _or_draw(draw, shape)
    return tuple([whole_number(name, "shape", size, 0) for size in (shape if isinstance(shape, (tuple, list)) else (shape,))])


# ------------------------------------------------------------------------------------------------------ shapes


@functools.cache
def _sides(low: int, high: int) -> SearchStrategy[int]:
    """Sizes of a dimension: 1 is the simplest, and 0 (if allowed) comes up once in sixteen."""
    likely = list(range(max(low, 1), high + 1))
    if low > 0 or not likely:
        return _sampled(likely or [low])
    return _sampled((likely * 15)[: 15 * max(1, len(likely) // 8)] + [0] * max(1, len(likely) // 8))


@functools.cache
def _dims(low: int, high: int) -> SearchStrategy[int]:
    likely = [n for n in range(low, high + 1) if n]
    return _sampled((likely * 3 + [0]) if low == 0 else likely)  # 1-d is simpler to read than 0-d, and comes up more often


@composite
def shapes(draw: Any, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> tuple[int, ...]:
    """Tuples of ``min_dims`` to ``max_dims`` sizes between ``min_side`` and ``max_side``. Shrinks towards ``(1,)``.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.shapes(), lambda shape: len(shape) == 2 and 0 in shape, settings=settings(database=None, max_examples=1000))
    (1, 0)
    """
    check("shapes", locals(), min_dims=0, max_dims=0, min_side=0, max_side=0)
    return tuple([draw(_sides(min_side, max_side)) for _ in range(draw(_dims(min_dims, max_dims)))])


# -------------------------------------------------------------------------------------------- elements of arrays

_SIMPLE = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1.5, -1.5, 2.5, -2.5, 0.25, -0.25, 4.0, -4.0, 0.75, -0.75, 5.0, -5.0)
_GOLDEN = 0.6180339887498949


@functools.lru_cache(maxsize=512)
def _table(low: float, high: float, avoid: tuple[float, ...], margin: float) -> np.ndarray:
    """512 values in [low, high]: simple ones that come up often (ties, zeros), and short ones all over the range."""
    if not low <= high:
        raise ValueError(f"arrays: low={low} is above high={high}")

    def allowed(v: float) -> bool:
        return low <= v <= high and all(abs(v - a) >= margin for a in avoid)

    simple = [v for v in _SIMPLE if allowed(v)] or [v for v in (low, high, (low + high) / 2) if allowed(v)]
    digits = max(0, 3 - math.ceil(math.log10(high - low))) if high > low else 15
    other: list[float] = []
    for k in range(1, 20_000):
        v = round(low + (high - low) * (k * _GOLDEN % 1.0), digits)
        if allowed(v):
            other.append(v)
        if len(other) == 512:
            break
    if not simple and not other:
        raise ValueError(f"arrays: nothing in [{low}, {high}] is {margin} away from all of {avoid}")
    simple = simple or other[:16]
    other = other or simple
    simple = (simple * 64)[:64]
    return np.array([*simple, *(other * 512)[: 512 - 64]])


def _bytes(draw: Any, n: int) -> np.ndarray:
    return np.frombuffer(draw(hypothesis_strategies.binary(min_size=n, max_size=n)), np.uint8) if n else np.zeros(0, np.uint8)


def _values(draw: Any, shape: tuple[int, ...], low: float, high: float, avoid: tuple[float, ...], margin: float) -> np.ndarray:
    n = math.prod(shape)
    codes = _bytes(draw, n).astype(np.intp)
    # Codes below 64 are the simple values. The others depend on the place too, so that equal numbers are not too frequent.
    codes = np.where(codes < 64, codes, 64 + (codes * 7 + np.arange(n) * 53) % 448)
    return _table(low, high, avoid, margin)[codes].reshape(shape)


def _distinct_values(draw: Any, shape: tuple[int, ...], low: float, high: float, avoid: tuple[float, ...], margin: float) -> np.ndarray:
    n = math.prod(shape)
    if not n:
        return np.zeros(shape)
    order = np.argsort(_bytes(draw, n), kind="stable")  # the rank of each element: all bytes 0 is increasing order
    for room in (margin, margin / 2, margin / 4):  # a range that is too narrow for n points is used more densely
        step = max(room, (high - low) / max(2 * n, 16))
        points = np.round(np.arange(math.floor((high - low) / step + 1e-9) + 1) * step + low, 6)
        points = points[(points >= low) & (points <= high)]
        for a in avoid:
            points = points[np.abs(points - a) >= margin]
        if len(points) >= n:
            break
    else:
        points = np.linspace(low, high, n)
    start = (len(points) - n) // 2
    ranks = np.empty(n, np.intp)
    ranks[order] = np.arange(n)
    return points[start : start + n][ranks].reshape(shape)


@composite
def arrays(
    draw: Any,
    shape: Any = None,
    *,
    dtype: Any = np.float64,
    low: float | None = None,
    high: float | None = None,
    avoid: Sequence[float] = (),
    margin: float = 0.1,
    distinct: bool = False,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 4,
) -> np.ndarray:
    """Floating arrays with values in [low, high].

    Where a bound is left out, most arrays have values from -3 to 3, and one in three has large ones too, up to 1000: there a function
    overflows, saturates or cancels. ``log(1 + exp(x))`` is right at 3 and inf at 1000.

    Args:
        shape: a tuple, or a strategy of tuples; by default ``shapes(min_dims, max_dims, min_side, max_side)``.
        dtype: a floating dtype.
        low, high: the domain of the function, both included; None where it has no bound. ``low=-700, high=700`` for exp.
        avoid: points from which every value stays ``margin`` away, say 0 for ``1 / x``.
        margin: that distance, and the distance between elements where ``distinct`` is set.
        distinct: no two elements are closer than ``margin`` (less where the range has no room for it), so that there are no ties.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.arrays((2, 3)), lambda a: a.sum() > 2, settings=settings(database=None, max_examples=1000)).shape
    (2, 3)
    >>> find(st.arrays(low=0.5, high=2), lambda a: a.size == 2, settings=settings(database=None, max_examples=1000))
    array([1., 1.])
    """
    dtype = dtype_of("arrays", dtype)
    check(
        "arrays",
        locals(),
        "low high",
        low="not NaN",
        high="not NaN",
        avoid="a list",
        margin="0 or above",
        min_dims=0,
        max_dims=0,
        min_side=0,
        max_side=0,
    )
    shape = draw(shapes(min_dims, max_dims, min_side, max_side)) if shape is None else _drawn_shape("arrays", draw, shape)
    fill = _distinct_values if distinct else _values
    least, most = _usual(low, high)
    values = fill(draw, shape, least, most, tuple(avoid), float(margin))
    if values.size and not (low == least and high == most) and draw(_integers(0, 2)) == 2:
        values = _with_large(draw, values, low, high, tuple(avoid), float(margin), distinct)
    return values.astype(dtype, copy=False)


def _usual(low: float | None, high: float | None) -> tuple[float, float]:
    """Where most values lie: from -3 to 3, or as much beside a bound that is out of that."""
    low = None if low is None or low == -math.inf else float(low)
    high = None if high is None or high == math.inf else float(high)
    least = low if low is not None else min(-3.0, high - 6.0) if high is not None else -3.0
    return least, high if high is not None else max(3.0, least + 6.0)


_LARGE = (1000.0, -1000.0, 100.0, -100.0, 30.0, -30.0, 1000.0, -1000.0)


def _with_large(
    draw: Any, values: np.ndarray, low: float | None, high: float | None, avoid: tuple[float, ...], margin: float, distinct: bool
) -> np.ndarray:
    """``values`` with large ones in between; all of them larger, where they must stay apart."""
    inside = lambda v: (
        (v >= (-math.inf if low is None else low))
        & (v <= (math.inf if high is None else high))
        & np.all([np.abs(v - a) >= margin for a in avoid] or [True], axis=0)
    )
    if distinct:
        wider = np.asarray(values * 256.0)
        return wider if inside(wider).all() else values
    large = np.array([v for v in _LARGE if inside(np.float64(v))])
    if not large.size:
        return values
    codes = _bytes(draw, values.size).reshape(values.shape)
    return np.where(codes % 3 > 0, large[codes // 3 % large.size], values)


@composite
def integers_array(draw: Any, shape: Any, low: int, high: int, dtype: Any = np.int64) -> np.ndarray:
    """Integer arrays with values from ``low`` to ``high``, both included. ``shape`` is a tuple or a strategy of tuples.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.integers_array(3, 0, 9), lambda a: a.max() > 4, settings=settings(database=None, max_examples=1000))
    array([0, 0, 5])
    """
    dtype = dtype_of("integers_array", dtype)
    check("integers_array", locals(), low="a whole number", high="a whole number")
    shape = _drawn_shape("integers_array", draw, shape)
    if high < low:
        raise ValueError(f"integers_array: low={low} is above high={high}")
    n, count = math.prod(shape), high - low + 1
    if count <= 256:  # a byte per element; those nearest to zero come first
        values = np.array(sorted(range(low, high + 1), key=lambda v: (abs(v), v < 0)), dtype)
        return values[_bytes(draw, n) % count].reshape(shape)
    return np.array([draw(_integers(low, high)) for _ in range(n)], dtype).reshape(shape)


@composite
def booleans_array(draw: Any, shape: Any) -> np.ndarray:
    """Boolean arrays. ``shape`` is a tuple or a strategy of tuples.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.booleans_array((2, 2)), lambda a: a.sum() == 1, settings=settings(database=None, max_examples=1000))
    array([[False, False],
           [False,  True]])
    """
    shape = _drawn_shape("booleans_array", draw, shape)
    return (_bytes(draw, math.prod(shape)) % 2).astype(bool).reshape(shape)


# --------------------------------------------------------------------------------------------------------- calls


@composite
def call(draw: Any, *args: Any, **kwargs: Any) -> Call:
    """A whole call: positional and keyword arguments, each a strategy or a constant. A strategy that draws a Call is merged in.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.call(st.arrays(2), dim=0, keepdim=st.booleans()), lambda c: True, settings=settings(database=None, max_examples=1000))
    Call((np.array([0.0, 0.0]),), {'dim': 0, 'keepdim': False})
    """
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for a in args:
        value = _or_draw(draw, a)
        if isinstance(value, Call):
            positional.extend(value.args)
            keywords.update(value.kwargs)
        else:
            positional.append(value)
    for name, a in kwargs.items():
        keywords[name] = _or_draw(draw, a)
    return Call(positional, keywords)


def _narrowed(draw: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to ``shape``: leading dimensions dropped, others set to 1."""
    if not shape:
        return shape
    how = draw(_sampled(["same", "ones", "drop", "both", "same"]))
    if how in ("drop", "both"):
        shape = shape[draw(_integers(1, len(shape))) :]
    if how in ("ones", "both") and shape:
        ones = draw(_integers(1, 2 ** len(shape) - 1))
        shape = tuple(1 if ones >> i & 1 else n for i, n in enumerate(shape))
    return shape


@composite
def broadcastable(draw: Any, n: int = 2, *, shape: Any = None, each: Sequence[dict] = (), **options: Any) -> Call:
    """A Call with ``n`` arrays whose shapes broadcast with one another, in every way that numpy knows.

    Args:
        n: how many arrays.
        shape: of the result (a tuple or a strategy); drawn by default, with the bounds ``min_dims=`` ... of :func:`shapes`.
        each: options of :func:`arrays` for single arrays, e.g. ``({}, {"avoid": (0,)})`` for a quotient.
        options: of :func:`arrays`, for all of them.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> import numpy as np
    >>> c = find(st.broadcastable(2), lambda c: c.args[0].shape != c.args[1].shape, settings=settings(max_examples=500, database=None))
    >>> np.broadcast(*c.args).size
    1
    """
    check("broadcastable", locals(), n=1, each="a list")
    bounds = {k: options.pop(k) for k in ("min_dims", "max_dims", "min_side", "max_side") if k in options}
    whole = draw(shapes(**bounds)) if shape is None else _drawn_shape("broadcastable", draw, shape)
    full = draw(_integers(0, n)) if n > 1 else 0  # the argument that has the whole shape; n: nobody need have it
    found = []
    for i in range(n):
        mine = whole if i == full else _narrowed(draw, whole)
        found.append(draw(arrays(mine, **{**options, **(each[i] if i < len(each) else {})})))
    return Call(found)


@composite
def matmul_operands(draw: Any, *, max_side: int = 3, min_side: int = 0, batch: bool = True, **options: Any) -> Call:
    """A Call with the two operands of ``a @ b``: vectors, matrices, and stacks of matrices whose leading dimensions broadcast.

    Args:
        batch: whether there may be leading dimensions.
        options: of :func:`arrays`.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> c = find(st.matmul_operands(), lambda c: c.args[0].size > 1, settings=settings(database=None, max_examples=1000))
    >>> (c.args[0] @ c.args[1]).size
    1
    """
    check("matmul_operands", locals(), max_side=0, min_side=0)
    n, k, m = (draw(_sides(min_side, max_side)) for _ in range(3))
    kind = draw(_sampled(["mm", "mv", "vm", "vv", "bmm"] if batch else ["mm", "mv", "vm", "vv"]))
    a: tuple[int, ...] = (k,) if kind[0] == "v" else (n, k)
    b: tuple[int, ...] = (k,) if kind in ("mv", "vv") else (k, m)
    if kind == "bmm":
        lead = draw(shapes(1, 2, min_side, 3))
        a, b = _narrowed(draw, lead) + a, _narrowed(draw, lead) + b
        if draw(_integers(0, 5)) == 5:  # a vector against a stack
            a, b = ((k,), b) if draw(_booleans()) else (a, (k,))
    return Call((draw(arrays(a, **options)), draw(arrays(b, **options))))


def _per_dim(draw: Any, strategy: SearchStrategy, dims: int) -> Any:
    """One number for all dimensions, or one for each: ``2`` or ``(1, 2)``."""
    first = draw(strategy)
    return (first, *(draw(strategy) for _ in range(dims - 1))) if draw(_booleans()) else first


def _each(value: Any, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


@composite
def conv_arguments(
    draw: Any,
    dims: int = 2,
    *,
    transposed: bool = False,
    groups: bool = True,
    bias: bool = True,
    strings: bool = True,
    unbatched: bool = True,
    max_kernel: int = 3,
    max_extra: int = 3,
    **options: Any,
) -> Call:
    """Valid arguments of a convolution: ``Call((input, weight, bias), {"stride", "padding", "dilation", "groups"})``.

    Shapes as in PyTorch: input ``(N, C, *sizes)`` or ``(C, *sizes)``, weight ``(O, C / groups, *kernel)``, bias (O,) or None. Each output has at
    least one element along each dimension, except that the batch is empty now and then.

    Args:
        dims: 1, 2 or 3.
        transposed: arguments of ``conv_transpose``: weight ``(C, O / groups, *kernel)``, and ``output_padding=``.
        groups, bias, unbatched: whether these may come up.
        strings: whether padding may be ``"same"`` or ``"valid"``.
        max_kernel, max_extra: the largest kernel, and how much larger than the kernel the padded input may be.
        options: of :func:`arrays`.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> c = find(st.conv_arguments(2), lambda c: c.args[0].size, settings=settings(max_examples=500, database=None))
    >>> c.args[1].ndim, sorted(c.kwargs)
    (4, ['dilation', 'groups', 'padding', 'stride'])
    """
    check("conv_arguments", locals(), dims=(1, 2, 3), max_kernel=1, max_extra=0)
    many = draw(_sampled([1, 2, 3])) if groups else 1
    most = 3 if many == 1 else 2
    per_group_in, per_group_out = draw(_integers(1, most)), draw(_integers(1, most))
    kernel = tuple([draw(_integers(1, max_kernel)) for _ in range(dims)])
    stride = _per_dim(draw, _integers(1, 3), dims)
    dilation = _per_dim(draw, _sampled([1, 1, 2, 3]), dims)
    padding = _per_dim(draw, _integers(0, 2), dims)
    if strings and not transposed and draw(_integers(0, 5)) == 5:
        padding = draw(_sampled(["valid", "same"]))
        if padding == "same":
            stride = 1
    static: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": many}
    strides, dilations = _each(stride, dims), _each(dilation, dims)
    pads = (0,) * dims if isinstance(padding, str) else _each(padding, dims)
    extra = [draw(_integers(0, max_extra)) for _ in range(dims)]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if transposed:
        out_pads = [draw(_integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
        static["output_padding"] = tuple(out_pads)
        sizes = []
        for span, s, p, o, e in zip(spans, strides, pads, out_pads, extra, strict=True):
            least = math.ceil((1 + 2 * p - span - o) / s) + 1  # (n - 1) s - 2 p + span + o >= 1
            sizes.append(max(1, least) + min(e, 2))
    elif padding == "same":
        sizes = [1 + e for e in extra]
    else:
        sizes = [max(1, span - 2 * p) + e for span, p, e in zip(spans, pads, extra, strict=True)]
    channels, outputs = many * per_group_in, many * per_group_out
    lead: tuple[int, ...] = (draw(_sampled([1, 2, 2, 1, 3, 1, 2, 0])),)
    if unbatched and draw(_integers(0, 7)) == 7:
        lead = ()
    shape = (channels, per_group_out) if transposed else (outputs, per_group_in)
    input = draw(arrays((*lead, channels, *sizes), **options))
    weight = draw(arrays((*shape, *kernel), **options))
    return Call((input, weight, draw(arrays((outputs,), **options)) if bias and draw(_booleans()) else None), static)


@composite
def pool_arguments(
    draw: Any,
    dims: int = 2,
    *,
    kind: str = "max",
    unbatched: bool = True,
    max_kernel: int = 3,
    max_extra: int = 3,
    **options: Any,
) -> Call:
    """Valid arguments of a pooling: ``Call((input,), {"kernel_size", "stride", "padding", "ceil_mode", ...})``.

    Input ``(N, C, *sizes)`` or ``(C, *sizes)``; padding is at most half the window, as PyTorch asks.

    Args:
        dims: 1, 2 or 3.
        kind: "max" adds ``dilation=``, "avg" adds ``count_include_pad=``, "lp" has neither, nor padding.
        options: of :func:`arrays`; ``distinct=True`` avoids ties.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> c = find(st.pool_arguments(1), lambda c: c.args[0].size, settings=settings(max_examples=500, database=None))
    >>> sorted(c.kwargs)
    ['ceil_mode', 'dilation', 'kernel_size', 'padding', 'stride']
    """
    check("pool_arguments", locals(), dims=(1, 2, 3), kind=("max", "avg", "lp"), max_kernel=1, max_extra=0)
    kernel = _per_dim(draw, _integers(1, max_kernel), dims)
    kernels = _each(kernel, dims)
    stride = draw(_sampled([None, 0, 1])) if draw(_booleans()) else 1
    stride = None if stride is None else _per_dim(draw, _integers(1, 3), dims)
    static: dict[str, Any] = {"kernel_size": kernel, "stride": stride}
    dilations: tuple[int, ...] = (1,) * dims
    pads: tuple[int, ...] = (0,) * dims
    if kind != "lp":
        pads = tuple([draw(_integers(0, k // 2)) for k in kernels])
        static["padding"] = pads if len(set(pads)) > 1 or draw(_booleans()) else pads[0]
    if kind == "max":
        static["dilation"] = _per_dim(draw, _sampled([1, 1, 2]), dims)
        dilations = _each(static["dilation"], dims)
    static["ceil_mode"] = draw(_booleans())
    if kind == "avg":
        static["count_include_pad"] = draw(_booleans())
    spans = [d * (k - 1) + 1 for k, d in zip(kernels, dilations, strict=True)]
    sizes = [max(1, span - 2 * p) + draw(_integers(0, max_extra)) for span, p in zip(spans, pads, strict=True)]
    lead: tuple[int, ...] = (draw(_sampled([1, 2, 1, 2, 1, 0])), draw(_integers(1, 2)))
    if unbatched and draw(_integers(0, 7)) == 7:
        lead = lead[1:]
    return Call((draw(arrays((*lead, *sizes), **options)),), static)


@composite
def logits_and_targets(
    draw: Any,
    *,
    soft: bool | None = None,
    weights: bool = True,
    ignore_index: bool = True,
    smoothing: bool = True,
    reductions: Sequence[str] = ("mean", "sum", "none"),
    max_extra_dims: int = 2,
    unbatched: bool = True,
    min_batch: int = 1,
    **options: Any,
) -> Call:
    """Arguments of a classification loss: ``Call((logits, target), {"weight", "ignore_index", "reduction", "label_smoothing"})``.

    Logits are (C,), (N, C) or (N, C, d1, ...). Targets are class indices, now and then equal to ``ignore_index`` (but never all of
    them), or (soft) one distribution over the classes per position. A keyword is drawn only where it is allowed and makes a difference.

    Args:
        soft: True for distributions only, False for class indices only, None for both.
        weights, ignore_index, smoothing: whether these keywords may come up.
        reductions: the values of ``reduction``.
        max_extra_dims: how many dimensions there may be after the classes.
        options: of :func:`arrays`, for the logits.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.logits_and_targets(soft=False), lambda c: c.args[0].ndim == 2, settings=settings(database=None, max_examples=1000)).args
    (array([[0.]]), array([0]))
    """
    check("logits_and_targets", locals(), reductions="a list", max_extra_dims=0, min_batch=0)
    for reduction in reductions:
        check("logits_and_targets", {"reductions": reduction}, reductions=("mean", "sum", "none"))
    classes = draw(_integers(1, 4))
    single = unbatched and draw(_integers(0, 5)) == 5
    lead: tuple[int, ...] = () if single else (draw(_integers(min_batch, 3)),)
    extra: tuple[int, ...] = () if single else draw(shapes(0, max_extra_dims, 1, 2) if max_extra_dims else hypothesis_strategies.just(()))
    logits = draw(arrays((*lead, classes, *extra), **options))
    distributions = draw(_booleans()) if soft is None else soft
    keywords: dict[str, Any] = {}
    if weights and draw(_booleans()):
        keywords["weight"] = draw(arrays((classes,), low=0.25, high=2.0))
    if smoothing and draw(_booleans()):
        keywords["label_smoothing"] = draw(_sampled([0.1, 0.5]))
    if len(reductions) > 1:
        keywords["reduction"] = draw(_sampled(list(reductions)))
    if distributions:
        target = draw(arrays(logits.shape, low=0.1, high=1.0))
        axis = len(lead)
        return Call((logits, target / target.sum(axis=axis, keepdims=True)), keywords)
    target = draw(integers_array((*lead, *extra), 0, classes - 1))
    if ignore_index and draw(_booleans()):
        keywords["ignore_index"] = ignored = draw(_sampled([-100, 0, -1, classes]))
        mask = draw(booleans_array(target.shape))
        target = np.asarray(np.where(mask, ignored, target))
        if target.size and (target == ignored).all():  # the mean over nothing is NaN
            if ignored == 0 and classes == 1:
                del keywords["ignore_index"]
            else:
                target.flat[0] = classes - 1 if ignored != classes - 1 else 0
    return Call((logits, target), keywords)


@composite
def index_expressions(
    draw: Any, shape: tuple[int, ...], *, arrays: bool = True, booleans: bool = True, newaxis: bool = True, negative_steps: bool = False
) -> Any:
    """Something valid between the brackets of ``x[...]`` for an array of ``shape``.

    Ints, slices with steps, ``...``, ``None``, integer arrays that broadcast with one another (with repeated indices), boolean masks.

    Args:
        arrays, booleans, newaxis: whether integer arrays, masks and ``None`` may come up.
        negative_steps: whether slices may run backwards, which numpy allows and PyTorch does not.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> i = find(st.index_expressions((3, 4)), lambda i: isinstance(i, tuple), settings=settings(max_examples=500, database=None))
    >>> set(i)
    {0}
    """
    shape = _drawn_shape("index_expressions", draw, shape)
    if booleans and draw(_integers(0, 9)) == 9:  # one mask for the leading dimensions
        return draw(booleans_array(shape[: draw(_integers(0, len(shape)))]))
    common = tuple(draw(shapes(0, 2, 0, 3))) if arrays else ()  # the shape that integer arrays broadcast to
    parts: list[Any] = []
    full, masked = draw(_integers(0, len(shape))), False
    for size in shape[:full] if full else shape:
        kinds = ["int", "slice"] if size else ["slice"]
        if arrays and size:
            kinds.append("array")
        if booleans and not masked and (not arrays or 1 in (*common, 1)[:1] or not common):
            kinds.append("mask")
        kind = draw(_sampled(kinds))
        if kind == "int":
            parts.append(draw(_integers(-size, size - 1)))
        elif kind == "array":
            parts.append(draw(integers_array(_narrowed(draw, common), -size, size - 1)))
        elif kind == "mask" and not any(isinstance(p, np.ndarray) for p in parts):
            parts.append(draw(booleans_array((size,))))
            masked, arrays = True, False  # a mask counts its True: integer arrays beside it would have to fit that
        else:
            bound = hypothesis_strategies.none() | _integers(-size - 1, size + 1)
            steps = [None, 1, 2, 3, -1, -2] if negative_steps else [None, 1, 2, 3]
            parts.append(slice(draw(bound), draw(bound), draw(_sampled(steps))))
    if newaxis and draw(_integers(0, 3)) == 3:
        parts.insert(draw(_integers(0, len(parts))), None)
    if draw(_integers(0, 3)) == 3:
        used = sum(p is not None for p in parts)
        if used == len(shape) or draw(_booleans()):  # at the end, or anywhere when every dimension is spoken for
            parts.insert(len(parts) if used < len(shape) else draw(_integers(0, len(parts))), Ellipsis)
    return parts[0] if len(parts) == 1 and draw(_booleans()) else tuple(parts)


@composite
def einsum_operands(draw: Any, *, max_operands: int = 3, ellipsis: bool = False, repeated: bool = True, **options: Any) -> Call:
    """An einsum equation and operands that fit it: ``Call(("ij,jk->ik", a, b))``.

    Args:
        max_operands: one to so many operands, of 0 to 3 dimensions.
        ellipsis: whether ``...`` may stand for leading dimensions that broadcast.
        repeated: whether a letter may come twice in one operand (a diagonal).
        options: of :func:`arrays`.

    >>> from minigrad.testing import strategies as st
    >>> from hypothesis import find, settings
    >>> find(st.einsum_operands(), lambda c: c.args[1].ndim, settings=settings(database=None, max_examples=1000))
    Call(('i->', np.array([0.0])))
    """
    check("einsum_operands", locals(), max_operands=1)
    letters = "ijkl"
    sizes = {c: draw(_integers(1, 3)) for c in letters}
    count = draw(_integers(1, max_operands))
    lead = tuple(draw(shapes(0, 2, 1, 2))) if ellipsis and draw(_booleans()) else None
    terms, operands = [], []
    for _ in range(count):
        most = 3 if count < 3 else 2
        term = [draw(_sampled(letters)) for _ in range(draw(_sampled([1, *range(most + 1)])))]
        if not repeated:
            term = list(dict.fromkeys(term))
        dots: tuple[int, ...] = () if lead is None else _narrowed(draw, lead)
        terms.append(("..." if lead is not None else "") + "".join(term))
        operands.append(draw(arrays((*dots, *(sizes[c] for c in term)), **options)))
    used = sorted(set("".join(terms)) - {"."})
    equation = ",".join(terms)
    if draw(_integers(0, 4)) < 4 or not used:
        kept = [c for c in used if draw(_booleans())]
        if len(kept) > 1:
            kept = draw(hypothesis_strategies.permutations(kept))
        equation += "->" + ("..." if lead is not None else "") + "".join(kept)
    return Call((equation, *operands))
