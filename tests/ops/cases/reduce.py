"""Rows for ``minigrad/ops/reduce.py``."""

import math

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import reduce
from minigrad.testing import strategies as st


@hs.composite
def reduction(draw, several=True, all_dims=True, keepdim=True, **options):
    """An array and along which dimension, or dimensions, or None, it is to be reduced."""
    x = draw(st.arrays(**options))
    n = max(x.ndim, 1)
    if all_dims and draw(hs.booleans()):
        dim = None
    elif several and x.ndim and draw(hs.booleans()):
        some = draw(hs.permutations(range(x.ndim)))[: draw(hs.integers(1, x.ndim))]
        dim = tuple([d - n if draw(hs.booleans()) else d for d in some])
    else:
        dim = draw(hs.integers(-n, n - 1))
    return st.Call((x,), {"dim": dim, "keepdim": draw(hs.booleans())} if keepdim else {"dim": dim})


def along(**options):
    """An array and one dimension of it."""
    return reduction(several=False, all_dims=False, keepdim=False, **options)


def counts(**options):
    """Whole numbers in a float array, so that there are zeros and ties."""
    return reduction(**options).map(lambda c: st.Call((np.asarray(np.round(c.args[0])),), c.kwargs))


def whole_along():
    """Whole numbers in a float array, and one dimension of it."""
    return counts(several=False, all_dims=False, keepdim=False)


def small_whole():
    return counts(several=False, all_dims=False, min_side=1, low=-1.0, high=1.0)


def numpy_reduction(function):
    """``function`` with PyTorch's names of arguments."""

    def reference(x, *, dim=None, keepdim=False):
        return function(x, axis=dim if x.ndim else None, keepdims=keepdim)

    return reference


def numpy_running(function):
    def reference(x, *, dim):
        return function(x, axis=dim) if x.ndim else x

    return reference


def torch_reduction(name):
    """A function of torch in which ``dim=None`` must be spelt otherwise."""

    def reference(torch, x, *, dim, keepdim):
        return getattr(torch, name)(x, tuple(range(x.ndim)) if dim is None else dim, keepdim)

    return reference


def torch_prod(torch, x, *, dim, keepdim):
    if dim is None:
        out = torch.prod(x)
        return out.reshape([1] * x.ndim) if keepdim else out
    return torch.prod(x, dim, keepdim)


@hs.composite
def spread(draw):
    """Arguments of var and std, with more elements than ``correction`` in every group."""
    call = draw(reduction(min_dims=1, min_side=2, distinct=True))
    return st.Call(call.args, {**call.kwargs, "correction": draw(hs.sampled_from([0, 1, 0.5]))})


NORMS = [2.0, 1.0, math.inf, -math.inf, 3.0, 1.5, 0.5, -1.0]


@hs.composite
def norm_arguments(draw, ps=NORMS, **options):
    call = draw(reduction(min_side=1, **options))
    return st.Call(call.args, {**call.kwargs, "p": draw(hs.sampled_from(ps))})


@hs.composite
def top(draw):
    call = draw(along(distinct=True, min_side=1))
    (x,), dim = call.args, call.kwargs["dim"]
    return st.Call((x, draw(hs.integers(0, x.shape[dim])) if x.ndim else 1), {"dim": dim, "largest": draw(hs.booleans())})


@hs.composite
def kth(draw):
    call = draw(reduction(several=False, all_dims=False, distinct=True, min_side=1))
    (x,), dim = call.args, call.kwargs["dim"]
    return st.Call((x, draw(hs.integers(1, x.shape[dim])) if x.ndim else 1), call.kwargs)


@hs.composite
def recurrences(draw):
    call = draw(along())
    return st.Call((call.args[0], draw(st.arrays(call.args[0].shape))), call.kwargs)


@hs.composite
def shifts(draw):
    call = draw(along(min_side=1))
    return st.Call(call.args, {**call.kwargs, "by": draw(hs.sampled_from([1, -1, 2])), "fill": draw(hs.sampled_from([0.0, 1.0]))})


def linear_recurrence(a, b, *, dim):
    if not a.ndim:
        return b
    h = np.zeros_like(np.moveaxis(b, dim, 0))
    state = 0.0
    for i, (factor, term) in enumerate(zip(np.moveaxis(a, dim, 0), np.moveaxis(b, dim, 0), strict=True)):
        state = factor * state + term
        h[i] = state
    return np.moveaxis(h, 0, dim)


def shifted(x, *, dim, by, fill):
    out = np.full_like(x, fill)
    if x.ndim:
        source, target = np.moveaxis(x, dim, 0), np.moveaxis(out, dim, 0)
        for i in range(len(source)):
            if 0 <= i + by < len(source):
                target[i + by] = source[i]
    return out


def sorted_call(**keywords):
    return st.call(along(distinct=True), **keywords)


CASES = [
    # sums and means
    Case(reduce.sum, reduction(), numpy=numpy_reduction(np.sum), torch="sum"),
    Case(reduce.mean, reduction(min_side=1), numpy=numpy_reduction(np.mean), torch="mean"),
    Case(reduce.nansum, reduction(), numpy=numpy_reduction(np.nansum), torch=torch_reduction("nansum")),
    Case(reduce.nanmean, reduction(min_side=1), numpy=numpy_reduction(np.nanmean), torch="nanmean"),
    Case(
        reduce.count_nonzero, counts(keepdim=False),
        numpy=lambda x, *, dim: np.count_nonzero(x, dim if x.ndim else None), torch="count_nonzero",
    ),
    # spread around the mean
    Case(
        reduce._var, spread(), torch="var",
        numpy=lambda x, *, dim, correction, keepdim: np.var(x, axis=dim, ddof=correction, keepdims=keepdim),
    ),
    Case(
        reduce._std, spread(), torch="std",
        numpy=lambda x, *, dim, correction, keepdim: np.std(x, axis=dim, ddof=correction, keepdims=keepdim),
    ),
    Case(reduce.var, spread(), torch="var"),
    Case(reduce.var, st.call(st.arrays((3, 4)), hs.booleans()), torch="var", name="var_unbiased"),
    Case(reduce.std, spread(), torch="std"),
    Case(reduce.std, st.call(st.arrays((3, 4), distinct=True), 1, hs.booleans(), hs.booleans()), torch="std", name="std_unbiased"),
    Case(reduce.var_mean, spread(), torch="var_mean"),
    Case(reduce.std_mean, spread(), torch="std_mean"),
    # products and running totals
    Case(reduce.prod, reduction(several=False), numpy=numpy_reduction(np.prod), torch=torch_prod),
    Case(reduce.prod, counts(several=False), torch=torch_prod, name="prod_with_zeros"),
    Case(reduce.shift, shifts(), numpy=shifted),
    Case(reduce.linear_recurrence, recurrences(), numpy=linear_recurrence),
    Case(reduce.cumsum, along(), numpy=numpy_running(np.cumsum), torch="cumsum"),
    Case(reduce._cumsum_back, along(), numpy=numpy_running(lambda x, axis: np.flip(np.cumsum(np.flip(x, axis), axis), axis))),
    Case(reduce.cumprod, along(), numpy=numpy_running(np.cumprod), torch="cumprod"),
    Case(reduce.cumprod, whole_along(), torch="cumprod", name="cumprod_with_zeros"),
    Case(reduce.logcumsumexp, along(), numpy=numpy_running(np.logaddexp.accumulate), torch="logcumsumexp"),
    # extremes
    Case(reduce.amax, reduction(min_side=1), numpy=numpy_reduction(np.max), torch=torch_reduction("amax")),
    Case(reduce.amin, reduction(min_side=1), numpy=numpy_reduction(np.min), torch=torch_reduction("amin")),
    Case(reduce.aminmax, reduction(several=False, min_side=1), torch="aminmax"),
    Case(reduce.argmax, reduction(several=False, min_side=1), numpy=numpy_reduction(np.argmax), torch="argmax"),
    Case(reduce.argmin, reduction(several=False, min_side=1), numpy=numpy_reduction(np.argmin), torch="argmin"),
    Case(reduce.max, st.arrays(min_side=1), numpy=np.max, torch="max"),
    Case(reduce.max, reduction(several=False, all_dims=False, min_side=1), torch="max", name="max_along"),
    Case(reduce.max, st.broadcastable(2), numpy=np.maximum, torch="max", name="max_of_two"),
    Case(reduce.min, st.arrays(min_side=1), numpy=np.min, torch="min"),
    Case(reduce.min, reduction(several=False, all_dims=False, min_side=1), torch="min", name="min_along"),
    Case(reduce.min, st.broadcastable(2), numpy=np.minimum, torch="min", name="min_of_two"),
    Case(reduce._running_position, st.call(along(), largest=True), torch=lambda torch, x, *, dim, largest: torch.cummax(x, dim).indices),
    Case(reduce.cummax, along(min_side=1), torch="cummax"),
    Case(reduce.cummin, along(min_side=1), torch="cummin"),
    # log-sum-exp and norms
    Case(reduce.logsumexp, reduction(min_side=1), torch=torch_reduction("logsumexp")),
    Case(reduce._norm, norm_arguments(avoid=(0,)), torch="norm"),
    Case(reduce.norm, norm_arguments(avoid=(0,)), torch="norm"),
    Case(reduce.norm, st.arrays(), torch="norm", name="norm_of_all"),
    Case(reduce.norm, norm_arguments(ps=[2.0, 3.0]), torch="norm", name="norm_with_zeros"),
    Case(reduce.norm, norm_arguments(ps=[0.0], avoid=(0,)), torch="norm", name="norm_that_counts"),
    Case(reduce.dist, st.call(st.broadcastable(2, min_side=1, each=({"low": 0.5}, {"high": -0.5})), 3), torch="dist"),
    # yes or no
    Case(reduce.any, counts(), numpy=numpy_reduction(np.any), torch=torch_reduction("any")),
    Case(reduce.all, counts(), numpy=numpy_reduction(np.all), torch=torch_reduction("all")),
    # order
    Case(reduce.argsort, sorted_call(descending=hs.booleans()), torch="argsort"),
    Case(reduce.argsort, st.call(whole_along(), descending=hs.booleans(), stable=True), torch="argsort", name="argsort_stable"),
    Case(reduce.sort, sorted_call(descending=hs.booleans()), torch="sort"),
    Case(reduce._top_places, top(), torch=lambda torch, x, k, *, dim, largest: torch.topk(x, k, dim, largest).indices),
    Case(reduce.topk, top(), torch="topk"),
    Case(reduce.kthvalue, kth(), torch="kthvalue"),
    Case(
        reduce._median_place, reduction(several=False, all_dims=False, min_side=1, distinct=True),
        torch=lambda torch, x, *, dim, keepdim: torch.median(x, dim, keepdim).indices,
    ),
    Case(reduce._median, st.arrays(min_side=1, distinct=True), torch="median"),
    Case(reduce.median, st.arrays(min_side=1, distinct=True), torch="median"),
    Case(reduce.median, reduction(several=False, all_dims=False, min_side=1, distinct=True), torch="median", name="median_along"),
    Case(reduce.nanmedian, st.arrays(min_side=1, distinct=True), torch="nanmedian"),
    Case(reduce.nanmedian, reduction(several=False, all_dims=False, min_side=1, distinct=True), torch="nanmedian", name="nanmedian_along"),
    Case(reduce._mode_place, reduction(several=False, all_dims=False, min_side=1, distinct=True)),
    Case(
        lambda x, **kwargs: reduce.mode(x, **kwargs).values, small_whole(),
        torch=lambda torch, x, **kwargs: torch.mode(x, **kwargs).values, wrt=(), name="mode of repeated",
    ),
    Case(reduce.mode, reduction(several=False, all_dims=False, min_side=1, distinct=True), torch="mode"),
    Case(reduce.msort, st.arrays(min_dims=1, distinct=True), torch="msort"),
    # counting
    Case(
        reduce.unique, st.call(st.integers_array(st.shapes(), -2, 2), return_inverse=hs.booleans(), return_counts=hs.booleans()),
        torch="unique",
    ),
    Case(
        reduce.unique, st.call(st.integers_array((3, 2), 0, 1), return_inverse=True, return_counts=True, dim=hs.sampled_from([0, 1, -1])),
        torch="unique", name="unique_slices",
    ),
    Case(
        reduce.bincount, st.call(st.integers_array(hs.integers(0, 5), 0, 4), minlength=hs.integers(0, 6)),
        numpy=lambda x, *, minlength: np.bincount(x, None, minlength), torch="bincount", wrt=(),
    ),
    Case(reduce.bincount, st.call(st.integers_array(3, 0, 4), st.arrays(3)), numpy=np.bincount, name="bincount_weights"),
    Case(reduce._bincount, st.call(st.integers_array(3, 0, 4), st.arrays(3)), numpy=np.bincount),
]  # fmt: skip
