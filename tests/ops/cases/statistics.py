"""Rows for ``minigrad/ops/statistics.py``."""

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from cases.reduce import along
from minigrad.ops import statistics
from minigrad.testing import strategies as st


@hs.composite
def differences(draw):
    (x,), kwargs = (call := draw(along(min_dims=1))).args, call.kwargs
    kwargs = {**kwargs, "n": draw(hs.integers(0, 2))}
    for key in ("prepend", "append"):
        if draw(hs.booleans()):
            shape = list(x.shape)
            shape[kwargs["dim"]] = draw(hs.integers(0, 2))
            kwargs[key] = draw(st.arrays(tuple(shape)))
    return st.Call((x,), kwargs)


def numpy_diff(x, *, dim, n, prepend=None, append=None):
    ends = {k: v for k, v in (("prepend", prepend), ("append", append)) if v is not None}
    return np.diff(x, n, axis=dim, **ends)


@hs.composite
def integrals(draw):
    (y,), kwargs = (call := draw(along(min_dims=1, min_side=1, max_side=3))).args, call.kwargs
    kind = draw(hs.sampled_from(["", "dx", "vector", "tensor"]))
    if kind == "dx":
        return st.Call((y,), {**kwargs, "dx": 0.5})
    if kind == "vector":
        return st.Call((y, draw(st.arrays((y.shape[kwargs["dim"]],)))), kwargs)
    return st.Call((y, draw(st.arrays(y.shape))) if kind else (y,), kwargs)


@hs.composite
def sampled(draw):
    x = draw(st.arrays(min_dims=1, max_dims=2, min_side=3))
    kwargs = {"edge_order": draw(hs.sampled_from([1, 2]))}
    if draw(hs.booleans()):
        kwargs["dim"] = draw(hs.integers(-x.ndim, x.ndim - 1))
    n = 1 if "dim" in kwargs else x.ndim
    kind = draw(hs.sampled_from(["", "number", "numbers", "coordinates"]))
    if kind == "coordinates":
        sizes = [x.shape[kwargs["dim"]]] if "dim" in kwargs else x.shape
        kwargs["spacing"] = [np.cumsum(draw(st.arrays((s,), low=0.5, high=2.0))) for s in sizes]
    elif kind:
        kwargs["spacing"] = 0.5 if kind == "number" else [0.5] * n
    return st.Call((x,), kwargs)


def numpy_gradient(x, *, edge_order, dim=None, spacing=1):
    axes = tuple(range(x.ndim)) if dim is None else (dim,)
    found = np.gradient(x, *(spacing if isinstance(spacing, list) else [spacing] * len(axes)), axis=axes, edge_order=edge_order)
    return list(found) if isinstance(found, (list, tuple)) else [found]


@hs.composite
def observations(draw, weighted=True):
    rows, columns = draw(hs.integers(1, 3)), draw(hs.integers(2, 4))
    x = draw(st.arrays((rows, columns) if draw(hs.booleans()) else (columns,), low=-3.0, high=3.0, distinct=True, margin=0.3))
    kwargs = {}
    if weighted:
        kwargs["correction"] = draw(hs.sampled_from([0, 1]))
        if draw(hs.booleans()):
            kwargs["fweights"] = draw(st.integers_array((columns,), 1, 3))
        if draw(hs.booleans()):
            kwargs["aweights"] = draw(st.arrays((columns,), low=0.5, high=2.0))
    return st.Call((x,), kwargs)


def numpy_cov(x, *, correction, fweights=None, aweights=None):
    return np.cov(x, ddof=correction, fweights=fweights, aweights=aweights)


@hs.composite
def quantiles(draw):
    x = draw(st.arrays(min_side=1, distinct=True))
    q = draw(hs.sampled_from([0.0, 0.3, 1.0, np.array([0.11, 0.62])]))
    kwargs = {"interpolation": draw(hs.sampled_from(["linear", "midpoint", "lower", "higher", "nearest"])), "keepdim": draw(hs.booleans())}
    if x.ndim and draw(hs.booleans()):
        kwargs["dim"] = draw(hs.integers(-x.ndim, x.ndim - 1))
    return st.Call((x, q), kwargs)


def numpy_quantile(function):
    def reference(x, q, *, interpolation, keepdim, dim=None):
        return function(x, q, axis=dim, method=interpolation, keepdims=keepdim)

    return reference


@hs.composite
def histograms(draw):
    x = draw(st.arrays(low=-3.0, high=3.0))
    return st.Call((x,), {"bins": draw(hs.sampled_from([1, 4, 10])), **draw(hs.sampled_from([{}, {"min": -1, "max": 2.5}]))})


@hs.composite
def weighted_histograms(draw, coordinates):
    points = draw(hs.integers(0, 5))
    x = draw(st.arrays((points, coordinates) if coordinates > 1 else (points,), low=-1.75, high=2.25))
    weight = draw(st.arrays((points,), low=0.5, high=2.0))
    limits = draw(hs.sampled_from([None, [-3.1, 3.3], [-0.7, 1.3]]))
    return st.Call((x, draw(hs.sampled_from([1, 3]))), {"range": limits and limits * coordinates, "weight": weight})


@hs.composite
def placements(draw, rows=True):
    x = draw(st.arrays(min_dims=1))
    if rows and draw(hs.booleans()):
        sequence = np.sort(draw(st.arrays((*x.shape[:-1], draw(hs.integers(0, 5))))), -1)
    else:
        sequence = np.sort(draw(st.arrays((draw(hs.integers(0, 5)),))))
    sequence, x = np.round(sequence), np.asarray(np.round(x))
    return st.Call((sequence, x) if rows else (x, sequence), {"right": draw(hs.booleans()), "out_int32": draw(hs.booleans())})


def torch_isin(torch, a, b, **kwargs):
    return torch.isin(a.detach(), b.detach(), **kwargs)


@hs.composite
def members(draw):
    a, b = draw(st.arrays()), draw(st.arrays())
    return st.Call((np.asarray(np.round(a)), np.asarray(np.round(b))), {"invert": draw(hs.booleans())})


@hs.composite
def runs(draw):
    x = draw(st.integers_array(draw(st.shapes(min_dims=1, min_side=1)), 0, 1))
    kwargs = {"return_inverse": draw(hs.booleans()), "return_counts": draw(hs.booleans())}
    return st.Call((x,), {**kwargs, "dim": draw(hs.sampled_from([None, *range(-x.ndim, x.ndim)]))})


CASES = [
    Case(statistics.diff, differences(), numpy=numpy_diff, torch="diff"),
    Case(statistics.trapezoid, integrals(), torch="trapezoid"),
    Case(statistics.cumulative_trapezoid, integrals(), torch="cumulative_trapezoid", examples=15),
    Case(statistics.gradient, sampled(), numpy=numpy_gradient, torch="gradient"),
    Case(statistics.cov, observations(), numpy=numpy_cov, torch="cov"),
    Case(statistics.corrcoef, observations(weighted=False), torch="corrcoef", wrt=()),
    Case(
        lambda x: statistics.corrcoef(x)[0, 1],
        st.arrays((3, 4), low=-3.0, high=3.0, distinct=True, margin=0.3),
        torch=lambda torch, x: torch.corrcoef(x)[0, 1],
        name="corrcoef of two",
    ),
    Case(statistics.quantile, quantiles(), numpy=numpy_quantile(np.quantile), torch="quantile"),
    Case(statistics.nanquantile, quantiles(), torch="nanquantile", examples=15),
    Case(statistics.histc, histograms(), torch="histc"),
    Case(statistics.histogram, weighted_histograms(1), wrt=("weight",)),
    Case(statistics.histogramdd, weighted_histograms(2), wrt=("weight",)),
    Case(statistics._searchsorted, placements().map(lambda c: st.Call(c.args, {"side": "left", "dtype": np.dtype(np.int64)}))),
    Case(statistics.searchsorted, placements(), torch="searchsorted", wrt=()),
    Case(statistics.bucketize, placements(rows=False), torch="bucketize", wrt=()),
    Case(statistics.isin, members(), numpy=np.isin, torch=torch_isin),
    Case(statistics.unique_consecutive, runs(), torch="unique_consecutive"),
]
