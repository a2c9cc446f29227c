"""Rows for ``minigrad/ops/pool.py``."""

import math

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.engine import ShapeError
from minigrad.kernels import pool as kernels
from minigrad.ops import pool
from minigrad.testing import strategies as st


def functional(name):
    """Not ``torch.adaptive_max_pool1d``, which gives indices too."""
    return lambda torch, *args, **kwargs: getattr(torch.nn.functional, name)(*args, **kwargs)


def each(value, dims):
    return value if isinstance(value, tuple) else (value,) * dims


def max_arguments(dims):
    """Without windows that meet nothing but padding: dilated ones may jump over a small image. See test_pool.py for these."""

    def sensible(call):
        try:
            getattr(pool, f"max_pool{dims}d")(*call.args, **call.kwargs)
        except ShapeError as error:
            return "nothing but padding" not in str(error)
        return True

    return st.pool_arguments(dims, kind="max", max_kernel=3 if dims < 3 else 2).filter(sensible)


def avg_arguments(dims):
    """PyTorch's avg_pool3d refuses windows that are larger than the image without its padding."""

    def sensible(call):
        return all(n >= k for n, k in zip(call.args[0].shape[-dims:], each(call.kwargs["kernel_size"], dims), strict=True))

    strategy = st.pool_arguments(dims, kind="avg", max_kernel=3 if dims < 3 else 2)
    return strategy.filter(sensible) if dims == 3 else strategy


@hs.composite
def axes_of(draw, kind):
    """x and the static arguments of the ops: windows along one to three axes, sliding or adaptive."""
    dims = draw(hs.integers(1, 3))
    if draw(hs.booleans()):
        (x,) = draw(st.arrays((*draw(st.shapes(2, 2, 0, 2)), *draw(st.shapes(dims, dims, 1, 4)))).map(lambda x: (x,)))
        axes = pool._adaptive_axes("pool", x, dims, tuple(draw(hs.integers(1, 5)) for _ in range(dims)))
    else:
        call = draw(max_arguments(dims) if kind == "max" else st.pool_arguments(dims, kind="lp"))
        x, static = call.args[0].reshape((-1, *call.args[0].shape[-dims - 1 :])), dict(call.kwargs)
        settings = [static.get(name, default) for name, default in (("kernel_size", 1), ("stride", None), ("padding", 0), ("dilation", 1))]
        axes = pool._axes("pool", x.shape, dims, *settings, static["ceil_mode"])
    return x, axes


@hs.composite
def windows(draw, kind, transposed=False):
    x, axes = draw(axes_of(kind))
    static = {"axes": axes}
    if kind == "avg":
        outs = tuple(axis.out for axis in axes)
        static["divisor"] = draw(hs.one_of(hs.sampled_from([1, 4, 2.5]), st.integers_array(outs, 1, 5)))
        if transposed:
            x = draw(st.arrays((*x.shape[:2], *outs)))
    return st.Call((x,), static)


@hs.composite
def numbered(draw):
    """A gradient, and which cell of its window each of its elements is for."""
    call = draw(windows("max"))
    _, which = kernels.max_pool(call.args[0], call.kwargs["axes"])
    return st.Call((draw(st.arrays(which.shape)), which), {"sizes": call.args[0].shape[2:], **call.kwargs})


@hs.composite
def cells(draw, transposed):
    """An array, and places in the flattened sizes of another, some of them twice."""
    lead, sizes, outs = draw(st.shapes(2, 2, 0, 2)), draw(st.shapes(1, 3, 1, 3)), draw(st.shapes(1, 3, 0, 3))
    outs = (outs * 3)[: len(sizes)]
    index = draw(st.integers_array((*lead, *outs), 0, math.prod(sizes) - 1))
    if transposed:
        return st.Call((draw(st.arrays((*lead, *outs))), index), {"sizes": sizes})
    return st.Call((draw(st.arrays((*lead, *sizes))), index), {})


@hs.composite
def adaptive(draw, dims):
    lead = draw(st.shapes(1, 2, 1, 2))
    x = draw(st.arrays((*lead, *draw(st.shapes(dims, dims, 1, 6 - dims)))))
    size = tuple(draw(hs.integers(1, 7 - dims)) for _ in range(dims))
    if dims > 1 and draw(hs.booleans()):
        size = draw(hs.sampled_from([size[0], (None, *size[1:])]))
    return st.Call((x,), {"output_size": size})


@hs.composite
def powers(draw, dims):
    call = draw(st.pool_arguments(dims, kind="lp", max_kernel=2, low=0.5, high=2.0))
    static = {
        name: v[0] if dims == 1 and isinstance(v, tuple) else v for name, v in call.kwargs.items()
    }  # PyTorch's lp_pool1d takes numbers
    return st.Call(call.args, {"norm_type": draw(hs.sampled_from([1.0, 2, 3.5])), **static})


@hs.composite
def unpooled(draw, dims):
    """Maxima and their places, each named once: PyTorch leaves open what happens otherwise."""
    call = draw(max_arguments(dims))
    kernel = call.kwargs["kernel_size"]
    shape = call.args[0].shape
    sizes = [n * k for n, k in zip(shape[-dims:], each(kernel, dims), strict=True)]
    order = np.random.default_rng(draw(hs.integers(0, 99)))
    places = [order.permutation(math.prod(sizes))[: math.prod(shape[-dims:])] for _ in range(math.prod(shape[:-dims]))]
    index = np.array(places, np.int64).reshape(shape)
    return st.Call((call.args[0], index), {"kernel_size": kernel})


@hs.composite
def fractional(draw, dims):
    """Windows at places that are drawn here; PyTorch wants some room around those of volumes. Distinct numbers: no maxima tie."""
    lead = draw(st.shapes(2, 2, 1, 2))
    outs = tuple(draw(hs.integers(1, 3)) for _ in range(dims))
    kernel = tuple(draw(hs.integers(1, 2)) for _ in range(dims))
    sizes = tuple(o + k + draw(hs.integers(0, 2)) for o, k in zip(outs, kernel, strict=True))
    order = np.random.default_rng(draw(hs.integers(0, 99)))
    x = 0.25 * order.permutation(math.prod((*lead, *sizes))).reshape(*lead, *sizes) - 1.0
    return st.Call((x,), {"kernel_size": kernel, "output_size": outs, "_random_samples": order.random((*lead, dims))})


CASES = [
    Case(pool.max_pool, windows("max")),
    Case(pool.max_pool_index, windows("max")),
    Case(pool.flat_index, windows("max").map(lambda call: st.Call((kernels.max_pool(call.args[0], call.kwargs["axes"])[1],), call.kwargs))),
    Case(pool.max_pool_input, numbered()),
    Case(pool.take_cells, cells(transposed=False)),
    Case(pool.put_cells, cells(transposed=True)),
    Case(pool.avg_pool, windows("avg")),
    Case(pool.avg_pool_input, windows("avg", transposed=True)),
]
for dims in (1, 2, 3):
    for name, strategy in (
        (f"max_pool{dims}d", max_arguments(dims)),
        (f"max_unpool{dims}d", unpooled(dims)),
        (f"adaptive_max_pool{dims}d", adaptive(dims)),
        (f"avg_pool{dims}d", avg_arguments(dims)),
        (f"adaptive_avg_pool{dims}d", adaptive(dims)),
        (f"lp_pool{dims}d", powers(dims)),
    ):
        CASES.append(Case(getattr(pool, name), strategy, torch=functional(name)))
for dims in (2, 3):
    CASES.append(
        Case(
            getattr(pool, f"fractional_max_pool{dims}d"),
            fractional(dims),
            torch=functional(f"fractional_max_pool{dims}d"),
            wrt="input",
        )
    )
