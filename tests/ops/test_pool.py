"""Pooling beyond the table of cases: conventions at ties, NaN and padding, indices, memory, tiles, errors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as hs

import minigrad as mg
from minigrad.kernels import native
from minigrad.kernels import pool as kernels
from minigrad.kernels.windows import Axes, output_size, sliding
from minigrad.ops import pool
from minigrad.testing import gradcheck
from minigrad.testing import strategies as st

nan, inf = math.nan, math.inf
rng = np.random.default_rng(0)


def each(value, dims=2):
    return value if isinstance(value, tuple) else (value,) * dims


def loops(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Values and flat indices of maximum pooling, window by window; None where a window has no pixels."""
    kernel, pads, dilations = each(kernel_size), each(padding), each(dilation)
    strides = each(stride) if stride is not None else kernel
    out = [output_size(n, k, s, (p, p), d, ceil_mode) for n, k, s, p, d in zip(x.shape[2:], kernel, strides, pads, dilations, strict=True)]
    values, places = np.empty((*x.shape[:2], *out)), np.empty((*x.shape[:2], *out), np.int64)
    for n, c, i, j in np.ndindex(*values.shape):
        best, place = -inf, None
        for k in range(kernel[0]):
            for m in range(kernel[1]):
                row, column = i * strides[0] - pads[0] + k * dilations[0], j * strides[1] - pads[1] + m * dilations[1]
                if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                    value = x[n, c, row, column]
                    if place is None or value > best or math.isnan(value):
                        best, place = value, row * x.shape[3] + column
        if place is None:
            return None
        values[n, c, i, j], places[n, c, i, j] = best, place
    return values, places


VALUES = hs.sampled_from([-2.0, -1.0, 0.0, 1.0, nan, inf, -inf])


@given(st.pool_arguments(2, unbatched=False), hs.data())
def test_values_and_indices(call, data):
    """Ties, NaN and infinities included; and the gradient goes to those indices."""
    x = call.args[0]
    x = np.array(data.draw(hs.lists(VALUES, min_size=x.size, max_size=x.size)), float).reshape(x.shape)
    expected = loops(x, **call.kwargs)
    if expected is None:
        with pytest.raises(mg.ShapeError, match="max_pool2d: a window meets nothing but padding"):
            mg.max_pool2d(mg.tensor(x), **call.kwargs)
        return
    y, indices = mg.max_pool2d(mg.tensor(x), **call.kwargs, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), expected[0])
    np.testing.assert_array_equal(indices.numpy(), expected[1])
    assert indices.dtype == np.int64
    leaf = mg.tensor(x, requires_grad=True)
    y = mg.max_pool2d(leaf, **call.kwargs)
    np.testing.assert_array_equal(y.detach().numpy(), expected[0])
    g = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    (gradient,) = mg.grad(y, leaf, g)
    wanted = np.zeros((*x.shape[:2], x[0, 0].size if x.size else 0))
    for n, c, i, j in np.ndindex(*y.shape):
        wanted[n, c, expected[1][n, c, i, j]] += g[n, c, i, j]
    np.testing.assert_array_equal(gradient.numpy(), wanted.reshape(x.shape))


@given(st.pool_arguments(2, kind="max", unbatched=False, max_extra=6).filter(lambda call: loops(*call.args, **call.kwargs) is not None))
def test_tiles_of_any_size_give_the_same(call):
    x = np.repeat(call.args[0], 3, axis=0)
    average = {name: value for name, value in call.kwargs.items() if name != "dilation"}
    whole = mg.max_pool2d(x, **call.kwargs), pool.avg_pool2d(x, **average)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "CACHE", 1)
        np.testing.assert_array_equal(mg.max_pool2d(x, **call.kwargs), whole[0])
        np.testing.assert_array_equal(pool.avg_pool2d(x, **average), whole[1])


def test_first_of_equal_maxima():
    """Row by row, as PyTorch; not column by column."""
    x = mg.tensor([[[0.0, 1.0], [1.0, 1.0]]], requires_grad=True)
    mg.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[0, 1], [0, 0]]]


def test_padding_is_minus_infinity():
    x = mg.full((1, 3, 3), -5.0)
    assert (mg.max_pool2d(x, 3, 1, 1).numpy() == -5).all()
    y, indices = mg.max_pool2d(mg.full((1, 3, 3), -inf), 3, 3, 1, return_indices=True)
    assert (y.numpy() == -inf).all() and indices.tolist() == [[[0]]]


def test_nan_wins_and_infinity_does_not_leak():
    x = mg.tensor([[[1.0, nan, 3.0, inf]]], requires_grad=True)
    y = mg.max_pool2d(x, (1, 2))
    assert np.isnan(y.numpy(force=True)[0, 0, 0]) and y.numpy(force=True)[0, 0, 1] == inf
    y.backward(mg.tensor([[[inf, 1.0]]]))
    assert x.grad.tolist() == [[[0, inf, 0, 1]]]
    means = pool.adaptive_avg_pool2d(mg.tensor([[[nan, 1.0, 2.0, 3.0]]]), (1, 2))  # neighbours of a NaN keep their values
    assert means.numpy()[0, 0, 1] == 2.5


def test_integers():
    x = mg.tensor(rng.integers(-99, 99, (2, 3, 5, 4)))
    y = mg.max_pool2d(x, 3, 2, 1)
    assert y.dtype == np.int64
    assert (y.numpy() == loops(x.numpy().astype(float), 3, 2, 1)[0]).all()
    assert mg.max_pool2d(mg.full((1, 3, 3), -7, dtype=mg.int32), 3, 1, 1).tolist() == [[[-7] * 3] * 3]
    assert pool.avg_pool2d(mg.tensor([[[-3, 0], [0, 0], [1, 5], [0, 1]]]), 2).tolist() == [[[0], [1]]]  # towards zero, as PyTorch


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: mg.max_pool2d(x, 3, 2, 1),
        lambda x: pool.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: pool.avg_pool2d(x, 2),
        lambda x: pool.adaptive_avg_pool2d(x, 2),
        lambda x: pool.adaptive_avg_pool2d(x, 1),
        lambda x: pool.adaptive_max_pool2d(x, (1, 3)),
        lambda x: pool.lp_pool2d(x, 2, 2),
    ],
)
def test_dtypes(function, dtype):
    x = mg.tensor(rng.uniform(1, 2, (2, 3, 5, 5)).astype(dtype), requires_grad=True)
    y = function(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.dtype(dtype)


def test_strided_input():
    x = rng.normal(size=(2, 6, 8, 3))
    for function in (lambda x: mg.max_pool2d(x, 3, 2, 1), lambda x: pool.avg_pool2d(x, 2), lambda x: pool.adaptive_avg_pool2d(x, 1)):
        np.testing.assert_allclose(function(x.transpose(0, 3, 2, 1)), function(np.ascontiguousarray(x.transpose(0, 3, 2, 1))))


def test_a_byte_for_each_maximum():
    """What max pooling keeps for backward is one byte per result, and not its input."""
    x = mg.zeros(2, 3, 8, 8, requires_grad=True)
    y = mg.max_pool2d(x * 1.0, 2)
    arrays = [a for a in y.grad_fn.kept if isinstance(a, np.ndarray)]
    assert [(a.dtype, a.shape) for a in arrays] == [(np.dtype(np.uint8), (2, 3, 4, 4))]


def test_window_of_more_than_255_cells():
    x = rng.normal(size=(1, 1, 40, 40))
    y, indices = mg.max_pool2d(x, 20, return_indices=True)
    expected = loops(x, 20)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    leaf = mg.tensor(x, requires_grad=True)
    mg.max_pool2d(leaf, 20).sum().backward()
    np.testing.assert_array_equal(np.flatnonzero(leaf.grad.numpy()), np.sort(expected[1].ravel()))


def test_third_order():
    x = mg.tensor(rng.permutation(24).reshape(1, 2, 3, 4) / 8.0, requires_grad=True)
    assert gradcheck(lambda x: mg.max_pool2d(x, 2, stride=1, padding=1).sin(), x, order=3)
    assert gradcheck(lambda x: pool.avg_pool2d(x, 2, stride=1, ceil_mode=True).sin(), x, order=3)


# ------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "out"),
    [(5, 2, 2, 0, 3), (4, 2, 3, 0, 2), (3, 2, 3, 0, 1), (6, 3, 2, 1, 4), (1, 2, 2, 1, 1), (3, 2, 2, 1, 2)],
)
def test_ceil_mode(size, kernel, stride, padding, out):
    """A last window must start inside the input or the padding before it, not in that after it. Numbers from PyTorch."""
    assert output_size(size, kernel, stride, (padding, padding), 1, ceil=True) == out
    axis = sliding(size, out, kernel, stride, padding)
    assert axis.starts[-1] < size


def test_average_at_the_border():
    """The divisors of PyTorch: what sticks out of the padding never counts, the padding as asked."""
    x = mg.ones(1, 5, 5)

    def means(**options):
        return [round(v, 4) for v in pool.avg_pool2d(x, 3, 2, 1, True, **options).numpy()[0, 0].tolist()]

    assert means() == [0.4444, 0.6667, 0.4444]
    assert means(count_include_pad=False) == [1, 1, 1]
    assert means(divisor_override=2) == [2, 3, 2]
    assert pool.avg_pool2d(mg.ones(1, 4, 4), 3, 2, 0, True).tolist() == [[[1, 1], [1, 1]]]


def test_adaptive_sizes():
    x = mg.tensor(rng.normal(size=(2, 3, 6, 5)))
    assert pool.adaptive_avg_pool2d(x, 3).shape == (2, 3, 3, 3)
    assert pool.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 6, 2)
    assert pool.adaptive_max_pool2d(x, (4, None)).shape == (2, 3, 4, 5)
    assert pool.adaptive_max_pool2d(x, 0).shape == (2, 3, 0, 0)
    np.testing.assert_allclose(pool.adaptive_avg_pool2d(x, 1).numpy(), x.numpy().mean((2, 3), keepdims=True))
    np.testing.assert_allclose(pool.adaptive_avg_pool2d(x, (3, 5)).numpy(), pool.avg_pool2d(x, (2, 1)).numpy())
    np.testing.assert_array_equal(pool.adaptive_max_pool2d(x, (6, 5)).numpy(), x.numpy())


@pytest.mark.parametrize("special", [0.0, nan, inf, -inf])
@pytest.mark.parametrize(
    "options",
    [(2,), (2, 2, 1), (3, 2, 1), (3, 1, 1), (2, 3), (3, 2, 1, 2), (3, 2, 0, 1, True), (5, 1, 2)],
    ids=lambda options: str(options),
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_maxima_without_a_graph_are_the_same(options, special, dtype):
    """Where no gradient will be asked for, places are not found out."""
    with np.errstate(invalid="ignore"):
        x = np.where(rng.random((3, 2, 13, 10)) < 0.05, special, rng.integers(-3, 4, (3, 2, 13, 10))).astype(dtype)
    with native.force(None):
        plain = pool.max_pool2d(mg.tensor(x), *options).numpy()
        if dtype != "i8":
            recorded = pool.max_pool2d(mg.tensor(x, requires_grad=True), *options)
            assert recorded.requires_grad
            np.testing.assert_array_equal(plain, recorded.numpy(force=True))
    values, _ = loops(x, *options)
    np.testing.assert_array_equal(plain, values)


@pytest.mark.parametrize("cache", [1, 1 << 21])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "axes",
    [
        [sliding(6, 3, 2, 2, 0)],
        [sliding(4, 2, 2, 2, 0), sliding(6, 3, 2, 2, 0)],
        [sliding(6, 2, 3, 3, 0), sliding(6, 3, 2, 2, 0)],
        [sliding(6, 2, 3, 3, 1), sliding(6, 3, 2, 2, 0)],  # windows as large as their stride, but the first begins in the padding
        [sliding(5, 2, 2, 2, 0), sliding(7, 3, 2, 2, 0)],  # something is left over
        [sliding(4, 2, 2, 2, 0), sliding(2, 1, 2, 2, 0), sliding(4, 2, 2, 2, 0)],
        [sliding(10, 2, 5, 5, 0), sliding(4, 2, 2, 2, 0)],
        [sliding(4, 2, 2, 2, 0), sliding(6, 2, 3, 3, 0)],
    ],
)
def test_windows_that_do_not_meet_get_their_gradients_by_shifts(axes, dtype, cache, monkeypatch):
    """The same cells as by indices, for each cell of a window, whatever the numbers, in one tile and several."""
    monkeypatch.setattr(kernels, "CACHE", cache)
    axes = Axes(axes)
    sizes = [axis.size for axis in axes]
    x = np.random.default_rng(0).normal(size=(5, 3, *sizes)).astype(dtype)
    y, which = kernels.max_pool(x, axes)
    y.reshape(-1)[:3] = nan, inf, -inf
    for g in (y, np.broadcast_to(y[:1], y.shape)):
        found = kernels.put_maxima(g, which, sizes, axes)
        assert found.dtype == x.dtype and found.flags.c_contiguous
        np.testing.assert_array_equal(found, kernels.put_cells(g, kernels.flat_index(which, axes), sizes))


def test_empty_batch():
    x = mg.zeros(0, 3, 8, 8, requires_grad=True)
    for function in (lambda x: mg.max_pool2d(x, 2), lambda x: pool.avg_pool2d(x, 2), lambda x: pool.adaptive_avg_pool2d(x, 4)):
        y = function(x)
        assert y.shape == (0, 3, 4, 4)
        y.sum().backward()
        assert x.grad.shape == (0, 3, 8, 8)


# ------------------------------------------------------------------------------------------------- unpooling


def test_unpool_puts_maxima_back():
    x = mg.tensor(rng.uniform(1, 2, (2, 3, 7, 6)))
    y, indices = mg.max_pool2d(x, 2, return_indices=True)
    back = pool.max_unpool2d(y, indices, 2, output_size=x.shape)
    assert back.shape == x.shape
    again, places = mg.max_pool2d(back, 2, return_indices=True)
    assert (again == y).all() and (places == indices).all()
    assert (back == 0).sum() == x.numel() - y.numel()


def test_unpool_last_of_several_wins():
    x = mg.tensor([[[1.0, 2.0, 3.0]]], requires_grad=True)
    y = pool.max_unpool2d(x, mg.tensor([[[1, 4, 1]]]), (2, 2))
    assert y.tolist() == [[[0, 3, 0, 0, 2, 0], [0] * 6]]
    (y * y).sum().backward()
    assert x.grad.tolist() == [[[0, 4, 6]]]


# ------------------------------------------------------------------------------------------------- errors


ERRORS = {
    "max_pool2d: window 3x3 does not fit the padded input 2x2 (input (1, 1, 2, 2), padding 0): the output would be 0x0": (
        lambda: mg.max_pool2d(mg.zeros(1, 1, 2, 2), 3),
        mg.ShapeError,
    ),
    "max_pool2d: padding (2, 2) is more than half the window 3x3": (lambda: mg.max_pool2d(mg.zeros(1, 9, 9), 3, padding=2), mg.ShapeError),
    "max_pool2d: kernel_size must be at least 1, not 0": (lambda: mg.max_pool2d(mg.zeros(1, 9, 9), 0), mg.ShapeError),
    "max_pool2d: stride must be at least 1, not 0": (lambda: mg.max_pool2d(mg.zeros(1, 9, 9), 2, 0), mg.ShapeError),
    "max_pool2d: kernel_size must be an int or 2 of them, not (2, 2, 2)": (
        lambda: mg.max_pool2d(mg.zeros(1, 9, 9), (2, 2, 2)),
        mg.ShapeError,
    ),
    "max_pool2d: input must be (N, C, H, W), or (C, H, W) without a batch, not (9, 9)": (
        lambda: mg.max_pool2d(mg.zeros(9, 9), 2),
        mg.ShapeError,
    ),
    "max_pool1d: input must be (N, C, L), or (C, L) without a batch, not (9,)": (lambda: mg.max_pool1d(mg.zeros(9), 2), mg.ShapeError),
    "max_pool2d: the input has no pixels (input (1, 1, 0, 4))": (lambda: mg.max_pool2d(mg.zeros(1, 1, 0, 4), 2, padding=1), mg.ShapeError),
    "max_pool2d: a window meets nothing but padding (input (1, 1, 2, 2), kernel_size 2, padding 1, dilation 3)": (
        lambda: mg.max_pool2d(mg.zeros(1, 1, 2, 2), 2, padding=1, dilation=3),
        mg.ShapeError,
    ),
    "max_pool2d: bool tensors cannot be pooled": (lambda: mg.max_pool2d(mg.ones(1, 4, 4, dtype=bool), 2), TypeError),
    "avg_pool2d: window 3x1 does not fit": (lambda: pool.avg_pool2d(mg.zeros(1, 2, 2), (3, 1)), mg.ShapeError),
    "avg_pool2d: divisor_override must not be 0": (lambda: pool.avg_pool2d(mg.zeros(1, 2, 2), 2, divisor_override=0), ValueError),
    "adaptive_avg_pool2d: output_size must be an int or 2 of them, not (2,)": (
        lambda: pool.adaptive_avg_pool2d(mg.zeros(1, 2, 2), (2,)),
        mg.ShapeError,
    ),
    "adaptive_max_pool2d: output_size must be at least 0": (lambda: pool.adaptive_max_pool2d(mg.zeros(1, 2, 2), -1), mg.ShapeError),
    "max_unpool2d: index 16 is outside the 16 cells of the output 4x4": (
        lambda: pool.max_unpool2d(mg.zeros(1, 2, 2), mg.full((1, 2, 2), 16), 2),
        IndexError,
    ),
    "max_unpool2d: input has shape (1, 2, 2) but indices have shape (1, 2, 1)": (
        lambda: pool.max_unpool2d(mg.zeros(1, 2, 2), mg.full((1, 2, 1), 0), 2),
        mg.ShapeError,
    ),
    "max_unpool2d: indices must be integers": (lambda: pool.max_unpool2d(mg.zeros(1, 2, 2), mg.zeros(1, 2, 2), 2), TypeError),
    "max_unpool2d: output_size (6, 4) must be less than a stride (2, 2) away from (4, 4)": (
        lambda: pool.max_unpool2d(mg.zeros(1, 2, 2), mg.full((1, 2, 2), 0), 2, output_size=(6, 4)),
        mg.ShapeError,
    ),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    function, kind = ERRORS[text]
    with pytest.raises(kind) as caught:
        function()
    assert str(caught.value).startswith(text)
    assert type(caught.value) is kind
