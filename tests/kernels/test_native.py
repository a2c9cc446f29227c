"""The native room: each kernel against its numpy twin, for any value, size and layout; its rounding; how it is chosen, built and left out."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import math
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as hs

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.kernels import conv, native, norm, pool, products, sorting, steps, sums, winograd
from minigrad.kernels.native import build, maps
from minigrad.kernels.windows import Axes, adaptive, output_size, sliding
from minigrad.ops import activation, elementwise, loss, recurrent, softmax

BUILT = native.Library() if (Path(native.__file__).parent / build.LIBRARY).exists() and os.environ.get("MINIGRAD_NATIVE") != "0" else None
LEVELS = pytest.mark.parametrize("level", BUILT.levels if BUILT else [pytest.param(None, marks=pytest.mark.native)])
rng = np.random.default_rng(0)

SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, 3.4e38, -3.4e38, 88.5, -88.5, 104.0, -104.0, 1e-4, -1e-4, 6.0, -6.0],
    np.float32,
)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def bits_of(*arrays):
    return [np.asarray(a).tobytes() for a in arrays]


def both(level, function):
    """What a function gives by the kernels of a level, and by numpy."""
    with np.errstate(all="ignore"):
        with native.force(level):
            ours = function()
        with native.force(None):
            theirs = function()
    if not isinstance(ours, tuple):
        ours, theirs = (ours,), (theirs,)
    return [np.asarray(a) for a in ours], [np.asarray(a) for a in theirs]


def assert_close(level, function, rtol=1e-6, scale=1e-6):
    """The two agree: in NaN and infinities, and else to ``rtol`` of each number and ``scale`` of the largest."""
    for a, b in zip(*both(level, function), strict=True):
        assert a.dtype == b.dtype
        finite = np.abs(b[np.isfinite(b)]) if b.dtype.kind == "f" else b
        np.testing.assert_allclose(a, b, rtol=rtol, atol=scale * float(finite.max(initial=0)) + 1e-37)


# ------------------------------------------------------------------------------------------- functions of each element

ELEMENTS = {
    "relu": (1, activation._relu),
    "relu_back": (2, activation.relu_input),
    "sigmoid": (1, elementwise._sigmoid),
    "sigmoid_back": (2, elementwise._sigmoid_input),
    "tanh_back": (2, elementwise._tanh_input),
    "silu": (1, lambda x: activation._silu_kernel(x, True)[0]),
    "logsigmoid": (1, activation._logsigmoid_kernel),
    "logsigmoid_back": (2, activation._logsigmoid_input),
    "silu_back": (2, activation._silu_input),
    "gelu": (1, lambda x: activation._gelu_kernel(x, "none", True)[0]),
    "gelu_back": (2, lambda g, x: activation._gelu_input(g, x, "none")),
    "gelu_tanh": (1, lambda x: activation._gelu_kernel(x, "tanh", True)[0]),
    "gelu_tanh_back": (2, lambda g, x: activation._gelu_input(g, x, "tanh")),
    "leaky_relu": (1, lambda x: activation._leaky_relu(x, 0.1)),
    "leaky_relu_steep": (1, lambda x: activation._leaky_relu(x, -2.0)),
    "leaky_relu_flat": (1, lambda x: activation._leaky_relu(x, 0.0)),
    "leaky_relu_back": (2, lambda g, x: activation._leaky_relu_input(g, x > 0, 0.1)),
    "softplus": (1, lambda x: activation._softplus_kernel(x, 1.5, 20.0)),
    "softplus_back": (2, lambda g, x: activation._softplus_input(g, x, 1.5, 20.0)),
    "elu": (1, lambda x: activation._elu_kernel(x, 0.5, 2.0, 1.5)),
    "elu_back": (2, lambda g, x: activation._elu_input(g, x, 0.5, 2.0, 1.5)),
    "celu with a negative alpha": (1, lambda x: activation._elu_kernel(x, -0.5, 1.0, -2.0)),
    "clipped": (1, lambda x: activation._clipped(x, 0.0, 6.0, 3.0, 0.25)),
    "clipped_back": (2, lambda g, y: activation._clipped_input(g, y, 0.0, 1.0, 0.25)),
    "hardswish": (1, activation._hardswish_kernel),
    "hardswish_back": (2, activation._hardswish_input),
    "with_logits": (2, loss._with_logits_kernel),
    "with_logits_slope": (2, lambda t, x: loss._with_logits_input(np.ones_like(x), x, t)),
    "huber": (1, lambda d: loss._huber_kernel(d, 1.5, 0.75)),
    "huber_back": (2, lambda g, d: loss._huber_input(g, d, 1.5, 0.75)),
}
LAYOUTS = {
    "plain": lambda a: a,
    "not aligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.float32, offset=1) if a.size else a,
    "from the second number on": lambda a: np.concatenate([a[:1], a])[1:],
    "every second": lambda a: np.repeat(a, 2)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "transposed": lambda a: np.stack([a, a]).T.copy(order="F"),
    "broadcast": lambda a: np.broadcast_to(a, (3, a.size)),
    "no axis": lambda a: a[:1].reshape(()) if a.size else np.float32(0.5).reshape(()),
}


@LEVELS
@pytest.mark.parametrize("name", ELEMENTS)
@hypothesis.given(
    size=hs.sampled_from([0, 1, 3, 15, 16, 17, 33, 100, 5000]),
    layout=hs.sampled_from(list(LAYOUTS)),
    seed=hs.integers(0, 1000),
    wide=hs.booleans(),
)
def test_elements(level, name, size, layout, seed, wide):
    count, function = ELEMENTS[name]
    draw = np.random.default_rng(seed)
    arrays = []
    for _ in range(count):
        a = (draw.standard_normal(size) * 4).astype(np.float32)
        if wide:
            special = draw.random(size) < 0.3
            a[special] = draw.choice(SPECIAL, special.sum())
        arrays.append(LAYOUTS[layout](a))
    (ours, *more), (theirs, *rest) = both(level, lambda: function(*arrays))
    assert ours.shape == theirs.shape and ours.dtype == np.float32 and bits_of(*more) == bits_of(*rest)
    if name in ("gelu_back", "gelu_tanh_back"):  # far below 0 a slope is 0 in one and tiny in the other, and inf times it NaN or inf
        ours, theirs = [np.where(np.isinf(arrays[0]) & (arrays[1] < -4), 0.0, a) for a in (ours, theirs)]
    if name == "with_logits":  # numpy's (1 - t) x may be beyond all numbers where the sum is not; a fused multiplication does not round it
        x, t = [a.astype(float) for a in arrays]
        with np.errstate(all="ignore"):
            beyond = np.isfinite(x) & np.isfinite(t) & np.isinf((1 - arrays[1]) * arrays[0]) & np.isfinite(ours)
            theirs = np.where(beyond, (1 - t) * x + np.logaddexp(0, -x), theirs).astype(np.float32)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
    good = np.isfinite(theirs)
    with np.errstate(all="ignore"):  # formulas subtract numbers of the size of g x**2 at most, gelu ones near 1
        first, last = [np.abs(a.astype(float)) for a in (arrays[0], arrays[-1])]
        terms = first * (1 + last) ** 2 if count == 2 else first
        allowed = 2e-6 * np.abs(theirs) + (4e-7 * np.nan_to_num(terms) if count == 2 or name.startswith("gelu") else 0) + 1e-37
    np.testing.assert_array_less(np.abs(ours[good] - theirs[good]), allowed[good])


@LEVELS
@pytest.mark.parametrize("value", [0.5, 0.0, np.nan, np.inf])
def test_huber_of_one_gradient(level, value):
    """That of a mean is one number, which is not spread out."""
    d = np.concatenate([SPECIAL, normal(50) * 2])
    assert_close(level, lambda: loss._huber_input(np.broadcast_to(np.float32(value), d.shape), d, 1.5, 0.75))


@LEVELS
@pytest.mark.parametrize("value", [0.5, 0.0, np.nan, np.inf])
@pytest.mark.parametrize("spread", [False, True])
def test_with_logits_of_one_gradient(level, value, spread):
    x, t = np.concatenate([SPECIAL, normal(50) * 9]), np.abs(normal(50 + SPECIAL.size))
    g = np.broadcast_to(np.float32(value), x.shape)
    assert_close(level, lambda: loss._with_logits_input(g.copy() if spread else g, x, t))


@LEVELS
def test_slope_of_with_logits_where_it_is_near_0(level):
    """A loss that is nearly 0 has a gradient to the last digits, for either class."""
    x = np.concatenate([np.linspace(-80, 80, 321), [0.0, -0.0]]).astype(np.float32)
    exact = 1 / (1 + np.exp(np.abs(x.astype(float))))
    for of in (level, None):
        with native.force(of):
            found = loss._with_logits_input(np.broadcast_to(np.float32(1), x.shape), x, (x > 0).astype(np.float32))
        np.testing.assert_allclose(found, np.where(x > 0, -exact, exact), rtol=5e-7)


def all_floats(every):
    """Every ``every``-th float32 number, without NaN."""
    x = np.arange(0, 1 << 32, every, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return x[~np.isnan(x)]


def exact_sigmoid(x):
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1.0) / (1.0 + np.exp(-np.abs(x)))


ROUNDING = {  # function, the same in float64, units of the last place at most: what native/__init__.py promises
    "sigmoid": (elementwise._sigmoid, exact_sigmoid, 2),
    "silu": (lambda x: activation._silu_kernel(x, True)[0], lambda x: x * exact_sigmoid(x), 2.3),
    "elu": (lambda x: activation._elu_kernel(x, 1.0, 1.0, 1.0), lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 2),
    "softplus": (lambda x: activation._softplus_kernel(x, 1.0, 20.0), lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), 3),
}


@LEVELS
@pytest.mark.parametrize("name", ROUNDING)
def test_rounding(level, name):
    function, exact, units = ROUNDING[name]
    x = all_floats(4099)
    with native.force(level), np.errstate(all="ignore"):
        got, wanted = function(x).astype(float), exact(x.astype(float))
    good = np.isfinite(wanted) & (x > -87)
    unit = np.spacing(np.abs(wanted[good]).astype(np.float32)).astype(float)
    assert (np.abs(got - wanted)[good] / unit).max() < units
    assert np.abs(got - wanted)[x <= -87].max() < 2e-38 * 90  # e**-x overflows, and results become 0


@LEVELS
def test_rounding_of_gelu(level):
    x = np.linspace(-12, 12, 20001).astype(np.float32)
    cdf = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()])
    slope = cdf + x * np.exp(-0.5 * x.astype(float) ** 2) / math.sqrt(2 * math.pi)
    with native.force(level):
        got, back = (
            activation._gelu_kernel(x, "none", True)[0].astype(float),
            activation._gelu_input(np.ones_like(x), x, "none").astype(float),
        )
    assert np.abs(got - x * cdf)[x < 0].max() < 5e-7
    assert (np.abs(got - x * cdf)[x > 0] < 2.5e-7 * (x * cdf)[x > 0]).all()
    assert np.abs(back - slope).max() < 3e-7


@LEVELS
def test_softplus_is_not_below_zero(level):
    with native.force(level):
        assert not np.signbit(mg.nn.functional.softplus(mg.tensor([-200.0, -np.inf, -90.0])).numpy()).any()


# -------------------------------------------------------------------------------------------------------------- rows

ROWS = {
    "softmax": (1, softmax._softmax.op.kernel),
    "log_softmax": (1, lambda x, dim: softmax._log_softmax_kernel(x, dim, True)),
    "log_softmax alone": (1, lambda x, dim: softmax._log_softmax_kernel(x, dim, False)[:1]),
    "softmax_back": (2, softmax._softmax_input),
    "log_softmax_back": (2, softmax._without_share),
}
SHAPES = hs.sampled_from([(0,), (3, 0), (0, 3), (1,), (1, 1), (4, 1), (2, 3), (5, 16), (3, 17), (2, 2, 31), (7, 100), (2, 1300), (70, 33)])


@LEVELS
@pytest.mark.parametrize("name", ROWS)
@hypothesis.given(shape=SHAPES, first=hs.booleans(), special=hs.booleans(), seed=hs.integers(0, 1000), steps=hs.booleans())
def test_rows(level, name, shape, first, special, seed, steps):
    count, function = ROWS[name]
    draw = np.random.default_rng(seed)
    arrays = [(draw.standard_normal(shape) * 3).astype(np.float32) for _ in range(count)]
    if special and arrays[0].size:
        arrays[-1].reshape(-1)[draw.integers(arrays[-1].size)] = draw.choice(SPECIAL)
    if steps:
        arrays = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays]
    assert_close(level, lambda: function(*arrays, 0 if first else -1), rtol=4e-6, scale=2e-6)


@LEVELS
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5, 40), (300, 17), (3, 4, 5)])
def test_one_hot(level, shape):
    """The gradient of negative log-likelihood; of one number for all rows, and of arrays with steps, too."""
    index = rng.integers(0, shape[1], (2 * shape[0], *shape[2:]))[::2]
    for values in (normal(*index.shape), np.broadcast_to(np.float32(-0.5), index.shape)):
        assert_close(level, lambda values=values: loss._one_hot(values, index, shape), rtol=0, scale=0)


LOGITS = hs.sampled_from(
    [
        (0, 3),
        (2, 0),
        (1, 1),
        (5, 16),
        (3, 17),
        (7, 100),
        (2, 1300),
        (70, 33),
        (2, 3, 0),
        (2, 1, 5),
        (3, 4, 1, 1),
        (2, 21, 9, 8),
        (3, 70, 40),
        (2, 600, 3),
    ]
)


@LEVELS
@hypothesis.given(shape=LOGITS, both=hs.booleans(), special=hs.booleans(), seed=hs.integers(0, 1000), steps=hs.booleans())
def test_cross_entropy(level, shape, both, special, seed, steps):
    """The logarithm of the softmax at a class for each place, and the softmax, minus 1 there: of rows, and of images."""
    draw = np.random.default_rng(seed)
    x, index = (draw.standard_normal(shape) * 3).astype(np.float32), draw.integers(0, max(shape[1], 1), (shape[0], *shape[2:]))
    if special and x.size:
        x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL)
    if steps:
        x, index = np.repeat(x, 2, axis=-1)[..., ::2], np.repeat(index, 2, axis=0)[::2]
    count = 2 if both else 1
    with np.errstate(all="ignore"):
        assert_close(level, lambda: loss._cross_entropy_kernel(x, index, both)[:count], rtol=4e-6, scale=2e-6)


CHANNELS = hs.sampled_from(
    [(1, 3, 1), (2, 3, 4), (4, 1, 16), (3, 5, 17), (2, 4, 600), (9, 2, 1030), (1, 6, 33), (130, 20), (4, 3, 5, 7), (2, 0, 3), (0, 2, 3)]
)


def vectors(draw, shape, count):
    return [draw.standard_normal(shape).astype(np.float32) for _ in range(count)]


@LEVELS
@hypothesis.given(shape=CHANNELS, mean=hs.sampled_from([0.0, 3.0, 1e4]), special=hs.booleans(), seed=hs.integers(0, 1000))
def test_moments(level, shape, mean, special, seed):
    draw = np.random.default_rng(seed)
    x = (draw.standard_normal(shape) + mean).astype(np.float32)
    if special and x.size:
        x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL[:3])
    for dim in [(0, *range(2, x.ndim)), tuple(range(1, x.ndim)), (x.ndim - 1,)]:
        if any(x.shape[d] == 0 for d in dim):
            continue
        kept = tuple(1 if d in dim else size for d, size in enumerate(x.shape))
        with np.errstate(all="ignore"), native.force(level):
            _, m, v = norm.normalize(x, None, None, dim, kept, 1e-5)
            exact = x.astype(float)
            np.testing.assert_allclose(m, exact.mean(axis=dim, keepdims=True), rtol=3e-7, atol=3e-7)
            np.testing.assert_allclose(v, exact.var(axis=dim, keepdims=True), rtol=2e-6, atol=1e-12 * mean**2)


@LEVELS
@hypothesis.given(shape=CHANNELS, special=hs.booleans(), seed=hs.integers(0, 1000))
def test_channels(level, shape, special, seed):
    draw = np.random.default_rng(seed)
    g, x = vectors(draw, shape, 2)
    if special and x.size:
        x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL[:3])
    kept = (1, shape[1], *[1] * (len(shape) - 2))
    m, a, b, c = vectors(draw, kept, 4)
    dim = (0, *range(2, len(shape)))
    assert_close(level, lambda: norm.affine(x, m, a, b))
    assert_close(level, lambda: norm.affine(x, m, a, None))
    assert_close(level, lambda: norm.affine(x[::-1], m[0], a, b))
    assert_close(level, lambda: norm.blend(g, x, m, a, b, c))
    assert_close(level, lambda: norm.centered_sums(g, x, m, dim), scale=5e-6)
    assert_close(level, lambda: norm.affine(x, x[:1], a, g))  # vectors that are no numbers for rows


NORMALISED = [  # of x, how many dimensions have a mean for each of their numbers, of the parameters
    *[(shape, 1, (1, *shape[1:])) for shape in ((1, 1), (3, 5), (64, 16), (65, 17), (5, 3, 7), (130, 40), (2, 700))],
    *[
        ((3, 2, 4, 5, 7), 2, (1, 2, 4, 1, 1)),
        ((2, 3, 1, 40), 2, (1, 3, 1, 1)),
        ((2, 1, 4, 33), 2, (1, 1, 4, 1)),
        ((3, 5, 600), 2, (1, 5, 1)),
    ],
    *[((70, 2, 20), 2, (1, 2, 20)), ((4, 3, 2, 17), 2, (1, 1, 2, 1)), ((3, 4, 50), 1, (1, 1, 1)), ((2, 2, 3, 20), 1, (1, 2, 3, 20))],
    *[((4, 3, 30), 2, (1, 1, 30)), ((4, 3, 30), 2, (4, 3, 1))],
]


@LEVELS
@pytest.mark.parametrize(("shape", "lead", "parameters"), NORMALISED)
@hypothesis.given(given=hs.sampled_from(["both", "weight", "none"]), mean=hs.sampled_from([0.0, 100.0]), seed=hs.integers(0, 1000))
@hypothesis.settings(max_examples=10)
def test_normalisation(level, shape, lead, parameters, given, mean, seed):
    """Layer, group and instance norm, and what is none of them; the gradients that arrive at mean and variance too."""
    draw = np.random.default_rng(seed)
    x, g = vectors(draw, shape, 2)
    x += np.float32(mean)
    leaves = [x, *vectors(draw, parameters, 2)][: {"both": 3, "weight": 2, "none": 1}[given]]
    kept, dim = (*shape[:lead], *[1] * (len(shape) - lead)), tuple(range(lead, len(shape)))

    def function():
        tensors = [mg.tensor(a, requires_grad=True) for a in leaves]
        out = mg.ops.norm.standardize(*tensors, dim=dim, shape=parameters, eps=1e-2)
        grads = mg.grad(out, tensors, [g, np.full(kept, 0.5, np.float32), np.full(kept, -0.25, np.float32)])
        return tuple(t.detach().numpy() for t in (*out, *grads))

    assert_close(level, function, rtol=1e-5, scale=1e-5 if mean == 0 else 2e-4)


@LEVELS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 39])
def test_normalisation_of_special_values(level, value, place):
    """A row with one is NaN, its mean the number itself; the other rows are as without it."""
    x = np.arange(120, dtype=np.float32).reshape(3, 40) % 7
    x[1, place] = value
    assert_close(level, lambda: norm.normalize(x, None, None, (1,), (1, 40), 1e-5), rtol=1e-5)


@LEVELS
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        *[(shape, (0,)) for shape in ((1, 1), (3, 5), (64, 16), (200, 150), (65, 81), (3, 1030))],
        *[((4, 33, 7, 3), (0, 1)), ((5, 2, 300), (0, 2)), ((2, 600, 3), (0, 2))],
        *[(shape, (0, 2, 3)) for shape in ((3, 5, 4, 7), (1, 3, 2, 2), (9, 4, 1, 17))],
    ],
)
@hypothesis.given(given=hs.sampled_from(["both", "weight", "none"]), mean=hs.sampled_from([0.0, 100.0]), seed=hs.integers(0, 1000))
@hypothesis.settings(max_examples=10)
def test_normalisation_of_channels(level, shape, dim, given, mean, seed):
    """Batch norm of matrices and images; the gradients that arrive at mean and variance too."""
    draw = np.random.default_rng(seed)
    x, g = vectors(draw, shape, 2)
    x += np.float32(mean)
    kept = tuple(1 if d in dim else size for d, size in enumerate(shape))
    leaves = [x, *vectors(draw, kept, 2)][: {"both": 3, "weight": 2, "none": 1}[given]]

    def function():
        tensors = [mg.tensor(a, requires_grad=True) for a in leaves]
        out = mg.ops.norm.standardize(*tensors, dim=dim, shape=kept, eps=1e-2)
        grads = mg.grad(out, tensors, [g, np.full(kept, 0.5, np.float32), np.full(kept, -0.25, np.float32)])
        return tuple(t.detach().numpy() for t in (*out, *grads))

    assert_close(level, function, rtol=1e-5, scale=1e-5 if mean == 0 else 2e-3)  # three numbers near 100 may be near each other


@LEVELS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 39, 69])
def test_normalisation_of_columns_with_special_values(level, value, place):
    """A column with one is NaN, its mean the number itself; the other columns are as without it."""
    x = np.arange(350, dtype=np.float32).reshape(5, 70) % 11
    x[1, place] = value
    assert_close(level, lambda: norm.normalize(x, None, None, (0,), (1, 70), 1e-5), rtol=1e-5)
    images = x.reshape(5, 7, 2, 5)
    assert_close(level, lambda: norm.normalize(images, None, None, (0, 2, 3), (1, 7, 1, 1), 1e-5), rtol=1e-5)


@LEVELS
@pytest.mark.parametrize("mean", [0.0, 3.0, 1e4])
def test_moments_of_columns(level, mean):
    x = (rng.standard_normal((3000, 21)) + mean).astype(np.float32)
    x[0] += 100.0
    exact = x.astype(float)
    with native.force(level):
        _, m, v = norm.normalize(x, None, None, (0,), (1, 21), 1e-5)
        _, of_images, variances = norm.normalize(x.reshape(300, 7, 30), None, None, (0, 2), (1, 7, 1), 1e-5)
    np.testing.assert_allclose(m[0], exact.mean(0), rtol=2e-7, atol=2e-7)
    np.testing.assert_allclose(v[0], exact.var(0), rtol=1e-6)
    exact = exact.reshape(300, 7, 30)
    np.testing.assert_allclose(of_images[0, :, 0], exact.mean((0, 2)), rtol=2e-7, atol=2e-7)
    np.testing.assert_allclose(variances[0, :, 0], exact.var((0, 2)), rtol=1e-6)


@LEVELS
def test_moments_where_the_first_numbers_are_far_from_the_others(level):
    x = np.concatenate([np.full(16, 1e4), rng.standard_normal(4080)]).astype(np.float32)[None]
    with native.force(level):
        _, m, v = norm.normalize(x, None, None, (1,), (1, 4096), 1e-5)
    np.testing.assert_allclose(m[0, 0], x.astype(float).mean(), rtol=5e-7)
    np.testing.assert_allclose(v[0, 0], x.astype(float).var(), rtol=1e-6)


# ----------------------------------------------------------------------------------------------------------- pooling


@hs.composite
def windows(draw):
    axes = []
    for _ in range(draw(hs.integers(1, 2))):
        kernel, stride = draw(hs.integers(1, 4)), draw(hs.integers(1, 3))
        size, padding, ceil = draw(hs.integers(kernel, 40)), draw(hs.integers(0, kernel // 2)), draw(hs.booleans())
        out = output_size(size, kernel, stride, (padding, padding), 1, ceil)
        axes.append(
            adaptive(size, min(size, draw(hs.integers(1, 6))))
            if draw(hs.integers(0, 7)) == 0
            else sliding(size, out, kernel, stride, padding)
        )
    return Axes(axes)


@LEVELS
@pytest.mark.parametrize("width", [1, 3, 16, 70])
@pytest.mark.parametrize("count", [0, 1, 200])
def test_adding_rows(level, width, count):
    """In order, so that not a bit is different; also of rows that are no memory of their own."""
    places, rows = rng.integers(0, 9, count), normal(count, width)

    def added(rows):
        to = np.zeros((9, width), np.float32)
        sums.add_at(rows, places, to)
        return to

    for given in (rows, np.broadcast_to(rows[:1], rows.shape), rows[::-1]):
        ours, theirs = both(level, lambda given=given: added(given))
        np.testing.assert_array_equal(ours, theirs)


@LEVELS
@pytest.mark.parametrize("place", [9, -10])
def test_a_row_that_does_not_exist(level, place):
    with native.force(level), pytest.raises(IndexError):
        sums.add_at(normal(3, 20), np.array([0, place, 1]), np.zeros((9, 20), np.float32))


@contextlib.contextmanager
def every_product(share=1 << 40):
    """The native products also of small matrices and at every level, in shares of so many multiplications."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEAST", "LOW", "WIDE", "SHARED"):
            patch.setattr(products.fast, name, 0)
        patch.setattr(products.fast, "SHARE", share)
        yield


@LEVELS
@hypothesis.given(
    rows=hs.sampled_from([1, 3, 24, 25, 33, 70]), size=hs.sampled_from([1, 15, 16, 100, 256, 300, 513]), outputs=hs.sampled_from([1, 5, 16, 17, 32, 33, 70, 300]),
    bias=hs.booleans(), special=hs.booleans(), steps=hs.booleans(), shared=hs.booleans(), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_linear(level, rows, size, outputs, bias, special, steps, shared, seed):
    """A number that is not finite is in its row or its output alone; shares give the same bits."""
    draw = np.random.default_rng(seed)
    x, w = vectors(draw, (rows, 2 * size), 1)[0], vectors(draw, (outputs, 2 * size), 1)[0]
    x, w = (x[:, ::2], w[:, ::2]) if steps else (x[:, :size].copy(), w[:, :size].copy())
    (add,) = vectors(draw, outputs, 1) if bias else (None,)
    if special:
        x[draw.integers(rows), draw.integers(size)] = draw.choice(SPECIAL[:3])
        w[draw.integers(outputs), draw.integers(size)] = draw.choice(SPECIAL[:3])
    with every_product(size * rows * 32 if shared else 1 << 40):
        with native.force(level):
            assert products.fast.linear(x, w, add) is not NotImplemented
        assert_close(level, lambda: products.linear(x, w, add), rtol=2e-5, scale=2e-6)


def lies(a, how):
    """The matrix, in another way in memory."""
    if how == "turned":
        return np.asfortranarray(a)
    if how == "apart":
        return np.repeat(a, 2, 1)[:, ::2]
    if how == "unaligned":
        room = np.zeros(a.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(a.shape)
        room[...] = a
        return room
    return a


@LEVELS
@hypothesis.given(
    rows=hs.sampled_from([1, 24, 31, 70]), size=hs.sampled_from([1, 17, 256, 300]), outputs=hs.sampled_from([1, 16, 33, 90]), special=hs.booleans(),
    of_a=hs.sampled_from(["", "turned", "apart", "unaligned"]), of_b=hs.sampled_from(["", "turned", "apart", "unaligned"]), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_product(level, rows, size, outputs, special, of_a, of_b, seed):
    """As :func:`test_linear`, for matrices that lie in any way; any number of threads gives the same bits."""
    draw = np.random.default_rng(seed)
    a, b = vectors(draw, (rows, size), 1)[0], vectors(draw, (size, outputs), 1)[0]
    if special:
        a[draw.integers(rows), draw.integers(size)] = draw.choice(SPECIAL[:3])
        b[draw.integers(size), draw.integers(outputs)] = draw.choice(SPECIAL[:3])
    a, b = lies(a, of_a), lies(b, of_b)
    with every_product(), native.force(level):
        whole = products._large(a, b)
        assert products.fast.product(a, b) is not NotImplemented
    with every_product(size * rows * 32), native.force(level):
        np.testing.assert_array_equal(products._large(a, b), whole)
        assert_close(level, lambda: products._large(a, b), rtol=2e-5, scale=2e-6)


@LEVELS
@pytest.mark.parametrize("size", [1024, 2500])
@pytest.mark.parametrize("biased", [False, True])
def test_product_with_long_sums(level, size, biased, monkeypatch):
    """Threads share the terms of the sums where there are few results; any number of threads gives the same bits."""
    a, b, bias = normal(size, 40).T, normal(size, 33), normal(33) if biased else None
    cuts, share = [], products.fast.share
    monkeypatch.setattr(products.fast, "share", lambda *args, shares: (cuts.append(shares), share(*args, shares=shares)))
    before = mg.get_num_threads()
    try:
        with every_product(1), native.force(level):
            results = []
            for threads in (1, 2, 3):
                mg.set_num_threads(threads)
                results.append(products.fast.product(a, b, bias))
    finally:
        mg.set_num_threads(before)
    assert cuts == [2 if size == 1024 else 4] * 3
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])
    expected = a.astype("f8") @ b.astype("f8") + (0 if bias is None else bias)
    np.testing.assert_allclose(results[0], expected, rtol=2e-5, atol=1e-3)


@LEVELS
def test_a_product_that_is_left_to_numpy(level):
    """Others than matrices of float32, whose sizes agree; numpy says what is wrong."""
    a, b = normal(30, 40), normal(40, 50)
    with every_product(), native.force(level):
        for ours, theirs in ((a, b.astype("f8")), (a, b[0]), (a, b[None]), (a, b[1:]), (a[None], b), (a, b.tolist())):
            assert products.fast.product(ours, theirs) is NotImplemented
        with pytest.raises(ValueError, match="size"):
            products.matmul(normal(400, 40), normal(30, 400))


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 64, 65])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_linear_of_numpy(rows, dtype):
    """Weights that are turned, and a few rows in place of them."""
    x, w, b = (np.arange(size, dtype=dtype).reshape(shape) % 7 for size, shape in ((rows * 9, (rows, 9)), (45, (5, 9)), (5, (5,))))
    with native.force(None):
        for bias in (b, None):
            out = products.linear(x, w, bias)
            np.testing.assert_array_equal(out, x @ w.T + (0 if bias is None else bias))
            assert out.flags.c_contiguous and out.dtype == x.dtype


@LEVELS
@hypothesis.given(
    axes=windows(), n=hs.integers(0, 3), c=hs.integers(1, 2), seed=hs.integers(0, 1000), special=hs.booleans(), steps=hs.booleans()
)
@hypothesis.settings(max_examples=200)
def test_max_pool(level, axes, n, c, seed, special, steps):
    """The same cells, bit for bit, where several are the largest too."""
    draw = np.random.default_rng(seed)
    shape = (n, c, *[axis.size for axis in axes])
    x = draw.integers(-2, 3, shape).astype(np.float32)
    if special:
        x[draw.random(shape) < 0.3] = -np.inf
        x[draw.random(shape) < 0.05] = np.nan
    if steps:
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    (y, which), (y2, which2) = both(level, lambda: pool.max_pool(x, axes))
    np.testing.assert_array_equal(y, y2)
    np.testing.assert_array_equal(which, which2)
    assert which.dtype == which2.dtype
    g = draw.integers(-9, 9, y.shape).astype(np.float32)
    (d,), (d2,) = both(level, lambda: mg.ops.pool.max_pool_input(g, which, x.shape[2:], axes))
    np.testing.assert_array_equal(d, d2)


@LEVELS
@hypothesis.given(
    axes=windows(), n=hs.integers(0, 3), c=hs.integers(1, 2), seed=hs.integers(0, 1000), special=hs.booleans(), steps=hs.booleans()
)
def test_sums_of_windows(level, axes, n, c, seed, special, steps):
    draw = np.random.default_rng(seed)
    for function, sizes in ((pool.sum_pool, [axis.size for axis in axes]), (pool.spread_pool, [axis.out for axis in axes])):
        x = draw.standard_normal((n, c, *sizes)).astype(np.float32)
        if special and x.size:
            x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL)
        if steps:
            x = np.repeat(x, 2, axis=-1)[..., ::2]
        assert_close(level, lambda function=function, x=x: function(x, axes))


@LEVELS
@pytest.mark.parametrize("shape", [(3, 5, 8, 10), (2, 3, 28, 28), (1, 2, 9, 41), (2, 2, 5, 67), (4, 1, 2, 2), (1, 1, 2, 40)])
def test_max_pool_of_pairs(level, shape):
    """Blocks of windows of 2x2, and their rest: short and long rows, columns and rows that no window sees."""
    draw = np.random.default_rng(shape[-1])
    x = draw.integers(-2, 3, shape).astype(np.float32)
    x[draw.random(shape) < 0.1] = -np.inf
    x[draw.random(shape) < 0.05] = np.nan

    def pooled():
        t = mg.tensor(x, requires_grad=True)
        y, places = F.max_pool2d(t, 2, return_indices=True)
        y.backward(mg.arange(float(y.numel())).reshape(y.shape) - 7)
        return y.detach().numpy(), places.numpy(), t.grad.numpy()

    for ours, theirs in zip(*both(level, pooled), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# ---------------------------------------------------------------------------------------------------------- Winograd


@LEVELS
@hypothesis.given(
    n=hs.integers(1, 5), c=hs.sampled_from([1, 3, 16, 40, 70]), o=hs.sampled_from([1, 5, 33, 70]), h=hs.integers(2, 20), w=hs.integers(3, 40),
    taps=hs.sampled_from([3, 5]), crop=hs.integers(-2, 3), dilation=hs.sampled_from([(1, 1), (2, 2), (1, 3), (4, 1), (9, 5)]), bias=hs.booleans(),
    special=hs.booleans(), steps=hs.booleans(), cache=hs.sampled_from([0, winograd.fast.CACHE]), whole=hs.sampled_from([0, winograd.fast.WHOLE]), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_winograd(level, n, c, o, h, w, taps, crop, dilation, bias, special, steps, cache, whole, seed):
    """Blocks of one row of tiles and of many, shares of rows and of outputs, sizes that are no multiples of tiles or vectors, steps of a dilation that
    are longer than the image; what is not finite is found."""
    draw = np.random.default_rng(seed)
    reach = [d * (taps - 1) for d in dilation]
    window = conv.Window((1, 1), ((crop, reach[0] + 1), (reach[1] - crop, 1)), dilation)
    back = conv.Window((1, 1), ((reach[0] - crop, 0), (crop, 0)), dilation)
    sizes = h + crop + 1, w - crop + 1
    x, y = (draw.standard_normal((n, k, *size[:-1], size[-1] * 2)).astype(np.float32)[..., ::2] for k, size in ((c, (h, w)), (o, sizes)))
    x, y = (x, y) if steps else (x.copy(), y.copy())
    weights = draw.standard_normal((o, c, taps, taps)).astype(np.float32)
    (add,) = vectors(draw, o, 1)

    def computed():
        return (
            winograd.convolve(x, weights, add if bias else None, sizes, window, False),
            winograd.convolve(y, weights, None, (h, w), back, True),
            winograd.weight_gradient(x, y, weights.shape, window),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd.fast, "CACHE", cache)
        patch.setattr(winograd.fast, "WHOLE", whole)
        patch.setattr(winograd.fast, "DEEP", 4 * whole)
        native.winograd._plan.cache_clear()
        assert_close(level, computed, rtol=1e-5, scale=1e-5)
        if special:
            y[draw.integers(n), draw.integers(o), draw.integers(sizes[0]), draw.integers(sizes[1])] = draw.choice(SPECIAL[:3])
            for found in both(level, lambda: tuple(result is None for result in computed())):
                assert found[2]  # the weight gradient always; the pixels of x perhaps do not see that of y


@LEVELS
@pytest.mark.parametrize("value", SPECIAL[:3])
def test_winograd_says_what_is_not_finite(level, value):
    """Wherever it is: in a whole tile, in the last one, in the weights."""
    for place, n, o in itertools.product(((0, 0, 0, 0), (40, 16, 8, 6)), (1, 2), (5, 40)):  # shares of rows, or of outputs
        x, w = normal(n, 17, 9, 7), normal(o, 17, 3, 3)
        for array in (x, w):
            kept, array[tuple(np.minimum(place, np.array(array.shape) - 1))] = array.copy(), value
            with native.force(level), np.errstate(all="ignore"):
                assert winograd.convolve(x, w, None, (9, 7), conv.Window((1, 1), ((1, 1), (1, 1)), (1, 1)), False) is None
            array[...] = kept


@LEVELS
@hypothesis.given(
    n=hs.integers(1, 3), c=hs.integers(1, 6), o=hs.integers(1, 9), h=hs.integers(1, 20), w=hs.integers(1, 40), kh=hs.integers(1, 5),
    kw=hs.sampled_from([1, 3, 5]), shift=hs.integers(0, 4), bias=hs.booleans(), special=hs.booleans(), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_direct_convolution(level, n, c, o, h, w, kh, kw, shift, bias, special, seed):
    """Of few channels, and its gradient in the weights."""
    draw = np.random.default_rng(seed)
    top, left = min(shift, kh - 1), shift % kw
    sizes = h + 2 * top - kh + 1, w + 2 * left - kw + 1
    hypothesis.assume(min(sizes) > 0)
    window = conv.Window((1, 1), ((top, top), (left, left)), (1, 1))
    x, weight, add, g = [draw.standard_normal(s).astype(np.float32) for s in ((n, c, h, w), (o, c, kh, kw), (o,), (n, o, *sizes))]
    if special:
        x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL[:3])
    assert_close(level, lambda: conv._by_columns(x, weight, add if bias else None, sizes, window, "images"), rtol=1e-5, scale=2e-6)
    if not special:  # numpy's columns hold cells that no window meets, with weights of 0
        assert_close(level, lambda: both_gradients(x, g, weight.shape, window), rtol=1e-5, scale=5e-6)


def both_gradients(x, g, shape, window):
    """Those of the weights, alone and with those of the bias."""
    db = np.empty(shape[0], np.float32)
    alone = conv._weights_by_columns(x, g, shape, window, "images", None)
    return alone, conv._weights_by_columns(x, g, shape, window, "images", db), db


def drawn_window(data, most, before, lengths):
    """Of a convolution, along as many axes as ``lengths`` has bounds: sizes of image, kernel and result, the window, and that of the input gradient.

    ``most``: the largest kernel, stride and dilation; ``before``: bounds of the padding before.
    """
    size, kernel, sizes, stride, dilation, padding = [], [], [], [], [], []
    for bounds in lengths:
        k, s, d = [data.draw(hs.integers(1, largest)) for largest in most]
        first, length = data.draw(hs.integers(*before)), data.draw(hs.integers(*bounds))
        outputs = (length + first + 3 - d * (k - 1) - 1) // s + 1
        hypothesis.assume(outputs > 0)
        out = data.draw(hs.integers(1, outputs))
        after = (out - 1) * s + d * (k - 1) + 1 - length - first
        for to, value in zip((size, kernel, sizes, stride, dilation, padding), (length, k, out, s, d, (first, after)), strict=True):
            to.append(value)
    window = conv.Window(tuple(stride), tuple(padding), tuple(dilation))
    flipped = tuple([(d * (k - 1) - b, 0) for k, (b, _), d in zip(kernel, padding, dilation, strict=True)])
    return size, kernel, sizes, window, conv.Window(window.stride, flipped, window.dilation)


@LEVELS
@hypothesis.given(data=hs.data(), dims=hs.integers(1, 3), n=hs.integers(1, 3), c=hs.integers(1, 3), seed=hs.integers(0, 1000))
def test_any_convolution(level, data, dims, n, c, seed):
    """Any stride, dilation, padding on each side, also below 0, and windows that leave out the end of an axis; in one share and in several."""
    draw, o = np.random.default_rng(seed), data.draw(hs.integers(1, 70))
    lengths = [(3, 90 if axis == dims - 1 else 7) for axis in range(dims)]
    size, kernel, sizes, window, flipped = drawn_window(data, (4, 4, 3), (-2, 3), lengths)
    x, weight, add, g = [draw.standard_normal(shape).astype(np.float32) for shape in ((n, c, *size), (o, c, *kernel), (o,), (n, o, *sizes))]
    with pytest.MonkeyPatch.context() as patch:
        if data.draw(hs.booleans()):  # shares of few outputs, which use the same frames; and groups of one image
            patch.setattr(conv.fast, "SHARE", 1)
            patch.setattr(conv.fast, "GROUP", 1)
        conv.fast._work.cache_clear()
        assert_close(level, lambda: conv._by_columns(x, weight, add, tuple(sizes), window, "images"), rtol=1e-5, scale=2e-6)
        assert_close(level, lambda: both_gradients(x, g, weight.shape, window), rtol=1e-5, scale=5e-6)
        assert_close(level, lambda: conv._input_by_columns(g, weight, x.shape, window, flipped, "images"), rtol=1e-5, scale=5e-6)
    conv.fast._work.cache_clear()


@LEVELS
@pytest.mark.parametrize(("c", "o", "size", "taps"), [(1, 6, 28, 5), (6, 16, 14, 5), (16, 120, 9, 3), (300, 300, 5, 3)])
def test_the_gradient_in_the_bias_comes_with_that_of_the_weights(level, c, o, size, taps):
    """Of images in several shares, and of outputs in several; as exact as sums in float64; a NaN is in the sum of its channel only."""
    x, g = normal(16, c, size, size), normal(16, o, size, size)
    window = conv.Window((1, 1), ((taps // 2, taps // 2),) * 2, (1, 1))
    g[3, 2, 1, 1] = np.nan
    before = mg.get_num_threads()
    found = []
    try:
        with conv.force("images"):
            for threads in (1, 2):
                mg.set_num_threads(threads)
                found += both(level, lambda: both_gradients(x, g, (o, c, taps, taps), window))
    finally:
        mg.set_num_threads(before)
    for weights, together, bias in found:
        np.testing.assert_array_equal(weights, together)
        np.testing.assert_allclose(bias, g.sum((0, 2, 3), np.float64), rtol=1e-5, atol=1e-4)
        assert np.flatnonzero(np.isnan(bias)).tolist() == [2]
    for one, two in zip(found[:2], found[2:], strict=True):
        np.testing.assert_array_equal(one[2], two[2])


@LEVELS
@pytest.mark.parametrize("c", [7, 56, 57, 60, 171])
@pytest.mark.parametrize("o", [13, 16, 32, 50])
def test_weights_in_runs(level, c, o):
    """Many neighbouring weights of a channel are turned together, up to 512; of the last channels and weights there are fewer."""
    x, weight, add, g = normal(1, c, 7, 7), normal(o, c, 3, 3), normal(o), normal(1, o, 7, 7)
    window = conv.Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    assert_close(level, lambda: conv._by_columns(x, weight, add, (7, 7), window, "images"), rtol=1e-5, scale=3e-6)
    assert_close(level, lambda: conv._input_by_columns(g, weight, x.shape, window, window, "images"), rtol=1e-5, scale=3e-6)


@LEVELS
@hypothesis.given(
    n=hs.integers(0, 5), c=hs.integers(1, 40), o=hs.integers(1, 40), size=hs.lists(hs.integers(1, 9), min_size=1, max_size=3),
    cut=hs.integers(0, 1), before=hs.integers(0, 1), turned=hs.booleans(), least=hs.sampled_from([1, 1 << 12]), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_a_kernel_of_one_cell(level, n, c, o, size, cut, before, turned, least, seed):
    """Also of what is not in one piece, where windows leave out the last pixels of each axis, and with zeros before the first."""
    draw = np.random.default_rng(seed)
    sizes = tuple([max(1, length - cut) for length in size])
    ones = (1,) * len(size)
    window = conv.Window(ones, ((before, 0),) * len(size), ones)
    x, weight, add, g = [draw.standard_normal(s).astype(np.float32) for s in ((n, c, *size), (o, c, *ones), (o,), (n, o, *sizes))]
    if turned:
        x, g = [np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1) for a in (x, g)]
    flipped = conv.Window(ones, ((-before, 0),) * len(size), ones)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native.conv, "POINTS", least)
        native.conv._work.cache_clear()
        assert_close(level, lambda: conv._by_columns(x, weight, add, sizes, window, "images"), rtol=1e-5, scale=2e-6)
        assert_close(level, lambda: both_gradients(x, g, weight.shape, window), rtol=1e-5, scale=5e-6)
        assert_close(level, lambda: conv._input_by_columns(g, weight, x.shape, window, flipped, "images"), rtol=1e-5, scale=5e-6)
    native.conv._work.cache_clear()


@LEVELS
@hypothesis.given(
    n=hs.integers(4, 6), c=hs.integers(1, 7), o=hs.integers(1, 9), h=hs.integers(3, 9), w=hs.integers(5, 40), kh=hs.integers(1, 5),
    kw=hs.integers(2, 5), apart=hs.integers(1, 2), before=hs.integers(0, 3), after=hs.integers(-2, 3), special=hs.booleans(), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_an_input_gradient_that_is_spread(level, n, c, o, h, w, kh, kw, apart, before, after, special, seed):
    """Along the last axis, whether that is the fastest way or not; also where windows do not meet the last columns."""
    draw = np.random.default_rng(seed)
    sizes = h + before + 1 - kh + 1, w + before + after - apart * (kw - 1)
    hypothesis.assume(min(sizes) > 0)
    window = conv.Window((1, 1), ((before, 1), (before, after)), (1, apart))
    flipped = conv.Window((1, 1), ((kh - 1 - before, 0), (apart * (kw - 1) - before, 0)), (1, apart))
    weight, g = [draw.standard_normal(s).astype(np.float32) for s in ((o, c, kh, kw), (n, o, *sizes))]
    if special:
        g.reshape(-1)[draw.integers(g.size)] = draw.choice(SPECIAL[:3])
    seen = []

    def plan(*args):
        found = spread(*args)
        seen.append(found)
        return found._replace(clocks=0)

    with pytest.MonkeyPatch.context() as patch:
        spread = conv.fast._spread
        patch.setattr(conv.fast, "_spread", plan)
        conv.fast._work.cache_clear()
        assert_close(level, lambda: conv._input_by_columns(g, weight, (n, c, h, w), window, flipped, "images"), rtol=1e-5, scale=5e-6)
    conv.fast._work.cache_clear()
    assert level is None or len(seen) == 1


@LEVELS
@hypothesis.given(
    groups=hs.integers(2, 5), c=hs.integers(1, 3), o=hs.integers(1, 20), h=hs.integers(4, 9), w=hs.integers(5, 20), kh=hs.integers(1, 3),
    kw=hs.sampled_from([3, 5]), left=hs.integers(0, 2), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_weights_of_groups(level, groups, c, o, h, w, kh, kw, left, seed):
    """Of one image, as those of samples in vmap are."""
    draw = np.random.default_rng(seed)
    window = conv.Window((1, 1), ((0, 0), (left, left)), (1, 1))
    sizes = h - kh + 1, w + 2 * left - kw + 1
    x, g = [draw.standard_normal(s).astype(np.float32) for s in ((1, groups * c, h, w), (1, groups * o, *sizes))]
    assert_close(level, lambda: both_gradients(x, g, (groups * o, c, kh, kw), window), rtol=1e-5, scale=5e-6)


@LEVELS
@hypothesis.given(
    data=hs.data(), n=hs.integers(1, 3), c=hs.integers(2, 9), special=hs.booleans(), turned=hs.booleans(), seed=hs.integers(0, 1000)
)
@hypothesis.settings(max_examples=150)
def test_a_kernel_for_each_channel(level, data, n, c, special, turned, seed):
    """Depthwise: any stride, dilation and padding, also below 0, in one share and in several."""
    draw = np.random.default_rng(seed)
    size, kernel, sizes, window, flipped = drawn_window(data, (7, 3, 2), (-1, 4), [(1, 9), (1, 50)])
    x, weight, add, g = [draw.standard_normal(shape).astype(np.float32) for shape in ((n, c, *size), (c, 1, *kernel), (c,), (n, c, *sizes))]
    if turned:
        x, weight, g = [np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1) for a in (x, weight, g)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv.fast, "SHARE", data.draw(hs.sampled_from([1, 1 << 20])))
        conv.fast._depthwise.cache_clear()
        assert_close(level, lambda: both_gradients(x, g, weight.shape, window), rtol=1e-5, scale=5e-6)
        if special:
            x.reshape(-1)[draw.integers(x.size)] = g.reshape(-1)[draw.integers(g.size)] = draw.choice(SPECIAL[:3])
        assert_close(level, lambda: conv._by_columns(x, weight, add, tuple(sizes), window, "images"), rtol=1e-5, scale=2e-6)
        assert_close(level, lambda: conv._input_by_columns(g, weight, x.shape, window, flipped, "images"), rtol=1e-5, scale=5e-6)
    conv.fast._depthwise.cache_clear()


@LEVELS
def test_an_infinity_behind_a_row_is_in_no_depthwise_weight(level):
    """A vector of the gradient may be longer than its row: zeros, but zero times infinity is NaN."""
    x, g = np.ones((1, 2, 3, 20), np.float32), np.ones((1, 2, 3, 18), np.float32)
    x[..., -1] = np.inf
    window = conv.Window((1, 1), ((0, 0), (0, 0)), (1, 1))
    with native.force(level):
        dw = conv._weights_by_columns(x, g, (2, 1, 1, 3), window, "images", None)
    np.testing.assert_array_equal(dw[:, 0, 0], [[54, 54, np.inf]] * 2)


@LEVELS
@hypothesis.given(n=hs.integers(0, 4), rows=hs.integers(0, 40), columns=hs.integers(0, 40), seed=hs.integers(0, 1000))
def test_outer_products(level, n, rows, columns, seed):
    draw = np.random.default_rng(seed)
    a, b = draw.standard_normal((n, 2, rows, 1)).astype(np.float32), draw.standard_normal((n, 2, 1, columns)).astype(np.float32)
    assert_close(level, lambda: products._outer(a, b), rtol=0, scale=0)


@LEVELS
@pytest.mark.parametrize("size", [8, 13, 30])
def test_convolution_is_as_exact_as_by_numpy(level, size):
    """Against float64; and an infinity in the input stays in its windows."""
    x, w, b, g = normal(3, 40, size, size), normal(24, 40, 3, 3), normal(24), normal(3, 24, size, size)
    window = conv.Window((1, 1), ((1, 1), (1, 1)), (1, 1))

    def computed(dtype):
        with conv.force("winograd"):
            a = [v.astype(dtype) for v in (x, w, b, g)]
            return conv.convolve(*a[:3], (size, size), window), conv.weight_gradient(a[0], a[3], w.shape, window)

    exact = computed(np.float64)
    for ours, theirs, wanted in zip(*both(level, lambda: computed(np.float32)), exact, strict=True):
        assert np.abs(ours - wanted).mean() <= 1.5 * np.abs(theirs - wanted).mean()
    x[0, 0, 0, 0] = np.inf
    (y, dw), (y2, dw2) = both(level, lambda: computed(np.float32))
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(y2))
    np.testing.assert_array_equal(np.isfinite(dw), np.isfinite(dw2))


# ------------------------------------------------------------------------------------------------------------- steps


@LEVELS
@hypothesis.given(size=hs.sampled_from([0, 1, 7, 16, 33, 5000]), special=hs.booleans(), seed=hs.integers(0, 1000))
def test_adam(level, size, special, seed):
    draw = np.random.default_rng(seed)
    p, g, m, v = vectors(draw, size, 4)
    if special and size:
        g[draw.integers(size)] = draw.choice(SPECIAL[:3])

    def step():
        own = p.copy(), g, m.copy(), np.abs(v)
        steps.adam(*own, None, np.empty(size, np.float32), 0.9, 0.999, 0.1, 1e-8)
        return own

    assert_close(level, step)


@LEVELS
def test_a_step_writes_where_the_array_lies(level):
    """A parameter with steps between its numbers is not copied, changed and lost."""
    memory, one = np.zeros(20, np.float32), np.ones(10, np.float32)
    with native.force(level):
        steps.adam(memory[::2], one, one * 0, one * 0, None, one * 0, 0.0, 0.0, 1.0, 0.0)
    assert memory.tolist() == [-1.0, 0.0] * 10


# ---------------------------------------------------------------------------------------------------------- threads


def everything():
    """A call of each kernel on arrays of several parts."""
    x, w = normal(40, 8, 64, 64), normal(8)
    rows, wide = normal(3000, 300), normal(300)
    functions = [
        (F.relu, [x]), (F.leaky_relu, [x]), (mg.sigmoid, [x]), (mg.tanh, [x]), (F.silu, [x]), (F.gelu, [x]), (lambda a: F.gelu(a, "tanh"), [x]),
        (lambda a: F.softmax(a, -1), [rows]), (lambda a: F.log_softmax(a, -1), [rows]), (lambda a: F.max_pool2d(a, 3, 2, 1), [x]),
        (lambda a, b, c: F.batch_norm(a, None, None, b, c, True), [x, w, w]), (lambda a, b, c: F.group_norm(a, 4, b, c), [x, w, w]),
        (lambda a, b, c: F.layer_norm(a, (300,), b, c), [rows, wide, wide]), (lambda a, b: F.conv2d(a, b, padding=1), [normal(8, 64, 20, 20), normal(64, 64, 3, 3)]),
        (lambda a, b: F.conv2d(a, b, padding=1), [normal(1, 64, 28, 28), normal(130, 64, 3, 3)]), (lambda a, b: F.conv2d(a, b, padding=1), [normal(1, 9, 9, 9), normal(70, 9, 3, 3)]),
        (F.conv2d, [normal(40, 6, 24, 24), normal(16, 6, 5, 5)]), (lambda a: F.avg_pool2d(a, 2), [x]), (lambda a: F.max_pool2d(a, 2), [x]),
        *[(lambda a, b, c, s=s: F.conv2d(a, b, c, s, 1, groups=8), [x, normal(8, 1, 3, 3), w]) for s in (1, 2)],
    ]  # fmt: skip
    for function, arrays in functions:
        leaves = [mg.tensor(a, requires_grad=True) for a in arrays]
        y = function(*leaves)
        yield from (
            y.detach().numpy(),
            *[g.numpy() for g in mg.grad(y, leaves, mg.tensor(np.cos(np.arange(y.numel())).astype("f4").reshape(y.shape)))],
        )


@LEVELS
def test_threads(level):
    """The same bits for any number of threads."""
    global rng
    before, found = mg.get_num_threads(), []
    try:
        for count in (1, 3):
            mg.set_num_threads(count)
            rng = np.random.default_rng(0)
            with native.force(level):
                found.append(bits_of(*everything()))
    finally:
        mg.set_num_threads(before)
    assert found[0] == found[1]


@LEVELS
def test_every_function_can_be_shared(level):
    """kernels.c has a call for as many integers and floats as each function has, and the floats come last."""
    found = native.Library(level)
    for name, signature in native.SIGNATURES.items():
        floats = signature.count("f")
        assert signature.endswith("f" * floats) and found.can_call(len(signature) - floats, floats), name
    assert not found.can_call(2, 0) and not found.can_call(3, 6)


def in_threads(function, count):
    """The results of so many calls at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return [task.result() for task in [pool.submit(function) for _ in range(count)]]


@LEVELS
def test_a_thread_that_waits_takes_shares(level):
    """One that waits in the room helps until `asked` changes; then it comes back, though it would wait for long."""
    before, x = mg.get_num_threads(), normal(1 << 20)
    found = native.Library(level)
    other = threading.Thread(target=found.attend, args=(found.asked.value, 1 << 40), daemon=True)
    waiting = found.awake.value
    try:
        other.start()
        while found.awake.value == waiting:
            time.sleep(0.001)
        mg.set_num_threads(2)
        with native.force(level):
            results = [maps.each("relu")(x) for _ in range(20)]
    finally:
        mg.set_num_threads(before)
        found.asked.value += 1
        other.join(60)
    assert not other.is_alive()
    assert all(np.array_equal(y, np.maximum(x, 0)) for y in results)


@LEVELS
def test_several_threads_share_at_once(level):
    """There is one job at a time; whoever comes second works alone."""
    before, x = mg.get_num_threads(), normal(1 << 19)
    try:
        mg.set_num_threads(3)
        with native.force(level):
            results = in_threads(lambda: [maps.each("sigmoid")(x) for _ in range(20)], 4)
            wanted = maps.each("sigmoid")(x)
    finally:
        mg.set_num_threads(before)
    assert all(np.array_equal(y, wanted) for found in results for y in found)


@pytest.mark.native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_of_fork_has_threads_of_its_own():
    code = """
import os, numpy as np, minigrad as mg
from minigrad.kernels.native import maps
mg.set_num_threads(2)
x = np.ones(1 << 20, np.float32)
maps.each("relu")(x)  # the other thread waits for more now
child = os.fork()
right = all((maps.each("relu")(x) == 1).all() for _ in range(20))
if child == 0:
    os._exit(0 if right else 3)
print(right, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run = python(code)
    assert run.stdout.split() == ["True", "0"], run.stderr


# ---------------------------------------------------------------------------------------------------- how it is chosen


def python(code, **environment):
    root = str(Path(mg.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)


def test_every_function_of_the_room_is_declared():
    """SIGNATURES has what kernels.c has, with as many parameters."""
    text = re.sub(r"/\*.*?\*/", "", build.SOURCE.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = {name: parameters.count(",") + 1 for name, parameters in re.findall(r"void NAME\((\w+)\)\(([^)]*)\)", text) if name != "name"}
    for macro, arrays in ((r"OF_X\(", 2), (r"OF_[GX]_AND\(\w, ", 3)):
        found |= {name: arrays + 1 + rest.count(", float ") for name, rest in re.findall(rf"^{macro}(\w+)(.*)", text, re.MULTILINE)}
    assert found == {name: len(signature) for name, signature in native.SIGNATURES.items()}


def test_an_import_does_not_load_the_library():
    run = python("import minigrad, minigrad.nn; from minigrad.kernels import native; print(native._state.asked)")
    assert run.stdout.split() == ["False"], run.stderr


def test_it_can_be_switched_off():
    run = python("import minigrad as mg; print(mg.sigmoid(mg.zeros(5000)).sum()); print(mg.show_config())", MINIGRAD_NATIVE="0")
    assert "tensor(2500.)" in run.stdout and "native kernels: off, MINIGRAD_NATIVE is 0" in run.stdout, run.stderr


@LEVELS
def test_a_level_can_be_chosen(level):
    run = python("import minigrad as mg; print(mg.show_config())", MINIGRAD_NATIVE=level)
    assert f"native kernels: {level}, made by {BUILT.compiler}" in run.stdout, run.stderr


@pytest.mark.native
def test_an_unknown_level_is_refused():
    run = python("import minigrad as mg; mg.show_config()", MINIGRAD_NATIVE="v9")
    assert "ValueError: MINIGRAD_NATIVE: this processor has the levels" in run.stderr


def test_show_config_names_what_computes():
    lines = dict(line.split(": ", 1) for line in mg.show_config().splitlines())
    assert list(lines) == ["python", "numpy", "BLAS", "native kernels", "threads"]
    assert lines["numpy"] == np.__version__ and lines["threads"] == str(mg.get_num_threads())
    assert lines["native kernels"] == native.status()


# ------------------------------------------------------------------------------------------------------- how it is built


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is loaded yet."""
    monkeypatch.setattr(native, "_state", native._State())
    monkeypatch.delenv("MINIGRAD_NATIVE", raising=False)


def test_without_a_compiler_nothing_is_made(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "false")
    made, how = build.build(tmp_path)
    assert made is None and how.startswith("false failed: ") and not list(tmp_path.iterdir())
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build.build(tmp_path)[0] is None
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.build(tmp_path) == (None, "no compiler was found (gcc, clang, cc, or what CC names)")
    monkeypatch.setenv("MINIGRAD_NATIVE", "0")
    assert build.build(tmp_path) == (None, "MINIGRAD_NATIVE is 0")


@pytest.mark.native
def test_a_library_of_other_source_is_not_used(fresh, monkeypatch):
    monkeypatch.setattr(build, "digest", lambda: "another")
    assert native.library() is None
    assert native.status() == "not in use, it was made from another kernels.c"
    x = normal(6000)
    np.testing.assert_array_equal(elementwise._sigmoid(x), elementwise._sigmoid.__wrapped__(x))


def test_what_is_no_library_is_not_used(fresh, monkeypatch, tmp_path):
    def fail(path):
        raise OSError("invalid ELF header")

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert native.library() is None
    assert native.status().startswith("not ")


# ------------------------------------------------------------------------------------------------- recurrent layers


@LEVELS
@pytest.mark.parametrize(("steps", "n", "size"), [(1, 1, 1), (3, 2, 5), (4, 3, 17), (2, 41, 30)])
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_without_bias"])
def test_sequences(level, steps, n, size, kind):
    """Of few sequences, and of so many that several threads share them."""
    gates = 4 if kind == "lstm" else 3
    sums, weight, h, c = normal(steps, n, gates * size) * 3, normal(gates * size, size), normal(n, size), normal(n, size)
    bias = None if kind == "gru_without_bias" else normal(gates * size)
    forward = (
        (lambda: recurrent._lstm_kernel(sums, weight, h, c)) if kind == "lstm" else (lambda: recurrent._gru_kernel(sums, weight, h, bias))
    )
    assert_close(level, forward, rtol=2e-5, scale=2e-6)
    outs = both(level, forward)[1]
    gy, gcells, zeros = normal(steps, n, size), normal(steps, n, size), [np.zeros_like(a) for a in outs]
    if kind == "lstm":
        assert_close(level, lambda: recurrent._lstm_steps(gy, gcells, zeros[2], *outs, weight, c), rtol=1e-4, scale=1e-5)
        assert_close(level, lambda: recurrent._lstm_steps(gy, gcells, outs[2], *outs, weight, c), rtol=1e-4, scale=1e-5)
        one = [np.broadcast_to(np.float32(value), outs[2].shape) for value in (0, 1)]  # that of an unused result, and one like it
        assert_close(level, lambda: recurrent._lstm_steps(gy, gcells, one[0], *outs, weight, c), rtol=1e-4, scale=1e-5)
        assert_close(level, lambda: recurrent._lstm_steps(gy, gcells, one[1], *outs, weight, c), rtol=1e-4, scale=1e-5)
    else:
        assert_close(level, lambda: recurrent._gru_steps(gy, zeros[1], zeros[2], *outs, weight, h), rtol=1e-4, scale=1e-5)


@LEVELS
def test_sequences_of_special_values(level):
    """NaN and infinities reach what they reach in numpy, and nothing else; sums far out saturate."""
    sums = np.concatenate([SPECIAL, -SPECIAL]).reshape(2, 1, -1)[..., :16]
    weight, h, c = np.full((16, 4), 0.1, np.float32), np.ones((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert_close(level, lambda: recurrent._lstm_kernel(sums, weight, h, c), rtol=2e-6)
    assert_close(level, lambda: recurrent._gru_kernel(sums[..., :12], weight[:12], h, None), rtol=2e-6)


@LEVELS
def test_tanh_is_right_to_two_units(level):
    x = np.concatenate([np.linspace(-9.5, 9.5, 4001), np.geomspace(1e-30, 1, 999)]).astype(np.float32)
    sums = np.zeros((1, len(x), 4), np.float32)
    sums[0, :, 2] = x
    weight, zeros = np.zeros((4, 1), np.float32), np.zeros((len(x), 1), np.float32)
    with native.force(level):
        found = recurrent._lstm_kernel(sums, weight, zeros, zeros)[2][0, :, 2]
    right = np.tanh(x.astype(np.float64))
    assert (np.abs(found - right) <= 2 * np.spacing(np.abs(right).astype(np.float32))).all()


# ------------------------------------------------------------------------------------ running sums, the largest, descent


@LEVELS
@hypothesis.given(
    shape=hs.sampled_from([(0,), (1,), (0, 3), (3, 0), (7, 1), (1, 40), (8, 33), (5, 3, 17), (2, 70, 3), (2, 9, 300)]),
    special=hs.booleans(), layout=hs.sampled_from(["plain", "every second", "backwards"]), seed=hs.integers(0, 1000),
)  # fmt: skip
def test_running_sums(level, shape, special, layout, seed):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal(shape).astype(np.float32)
    if special and x.size:
        x.reshape(-1)[draw.integers(x.size)] = draw.choice(SPECIAL[:5])
    x = {"plain": x, "every second": np.repeat(x, 2, axis=-1)[..., ::2], "backwards": x[..., ::-1]}[layout]
    for axis, back in itertools.product(range(x.ndim), (False, True)):
        assert_close(level, lambda axis=axis, back=back: sums.running_sum(x, axis, back), rtol=2e-6, scale=2e-6)


@LEVELS
@pytest.mark.parametrize("special", [0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 3), (2, 3, 0), (3, 5, 1), (4, 3, 37), (2, 2, 5000)])
def test_sums_of_lines(level, shape, special):
    """Into rows of a matrix too that is not in one piece."""
    x = normal(*shape)
    x[:1, :1, -1:] += special
    assert_close(level, lambda: sums.add_lines(x, np.empty(shape[:2], np.float32)), rtol=1e-6, scale=1e-6)
    assert_close(level, lambda: sums.add_lines(x, np.empty((shape[0], 9), np.float32)[:, : shape[1]]), rtol=1e-6, scale=1e-6)


@LEVELS
def test_a_running_sum_is_the_rounded_exact_one(level):
    x = np.full((2, 100_000), 0.1, np.float32)
    with native.force(level):
        found = sums.running_sum(x, 1, False), sums.running_sum(x.T, 0, False).T, sums.running_sum(x, 1, True)[:, ::-1]
    exact = np.cumsum(x.astype(np.float64), axis=1).astype(np.float32)
    for f in found:
        np.testing.assert_array_equal(f, exact)


@LEVELS
@hypothesis.given(
    shape=hs.sampled_from([(1,), (3, 5), (4, 16), (2, 3, 33), (3, 100), (0, 20)]), k=hs.integers(0, 40), largest=hs.booleans(),
    few=hs.booleans(), special=hs.booleans(), layout=hs.sampled_from(["plain", "every second", "backwards"]), seed=hs.integers(0, 1000),
)  # fmt: skip
@hypothesis.settings(max_examples=200)
def test_places_of_the_largest(level, shape, k, largest, few, special, layout, seed):
    """The same places where several numbers are equal, where 0 and -0 are, and for NaN."""
    draw = np.random.default_rng(seed)
    x = (draw.integers(-2, 3, shape) if few else draw.standard_normal(shape)).astype(np.float32)
    if special:
        x = np.where(draw.random(shape) < 0.3, draw.choice(SPECIAL, shape), x)
        x = np.where(draw.random(shape) < 0.1, -np.float32(np.nan), x)
    x = {"plain": x, "every second": np.repeat(x, 2, axis=-1)[..., ::2], "backwards": x[..., ::-1]}[layout]
    for axis in range(x.ndim):
        if k <= x.shape[axis]:
            (ours,), (theirs,) = both(level, lambda axis=axis: sorting.top_places(x, k, axis, largest))
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


@hypothesis.given(
    shape=hs.sampled_from([(256,), (3, 400), (2, 2, 1030)]), k=hs.integers(1, 4), largest=hs.booleans(), levels=hs.sampled_from([3, 40, 10**5]),
    special=hs.sampled_from([[], [np.nan], [np.inf], [-np.inf], SPECIAL]), dtype=hs.sampled_from(["f4", "f8", "f2"]), seed=hs.integers(0, 1000),
)  # fmt: skip
@hypothesis.settings(max_examples=300)
def test_places_of_the_largest_of_many_by_numpy(shape, k, largest, levels, special, dtype, seed):
    """Those of a stable sort, whether a bound from blocks is of use or not."""
    draw = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        x = (draw.integers(-levels, levels, shape) / 7).astype(dtype)
        if len(special):
            x = np.where(draw.random(shape) < draw.choice([0.001, 0.02, 0.5]), draw.choice(special, shape), x).astype(dtype)
    with native.force(None):
        found = sorting.top_places(x, k, x.ndim - 1, largest)
    np.testing.assert_array_equal(found, sorting.sorted_places(x, x.ndim - 1, largest)[..., :k])


@LEVELS
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_sgd(level, nesterov, share):
    given = normal(1000), normal(1000), normal(1000)

    def function():
        p, g, b = (a.copy() for a in given)
        steps.sgd(p, g, b, np.empty_like(p), 0.9, share, 0.1, nesterov)
        return p, b

    assert_close(level, function)


@LEVELS
def test_rounding_of_logsigmoid(level):
    x = np.concatenate([np.linspace(-100, 80, 4001), np.geomspace(1e-20, 1, 1000)]).astype(np.float32)
    exact = np.minimum(x.astype(float), 0) - np.log1p(np.exp(-np.abs(x.astype(float))))
    with native.force(level):
        found = activation._logsigmoid_kernel(x).astype(float)
    assert (np.abs(found - exact) <= 2.7 * np.spacing(np.abs(exact).astype(np.float32))).all()
