"""Convolution compared with seven nested loops and with PyTorch, and the same result for every division of the work."""

import contextlib
import itertools
import math
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from answers import on_drawn, torch
from hypothesis import assume, given
from hypothesis import strategies as hs

import minigrad as mg
from minigrad.kernels import conv as kernels
from minigrad.kernels import layouts, native, patches
from minigrad.kernels import windows as sliding_windows
from minigrad.ops import conv, fold
from minigrad.testing import gradcheck
from minigrad.testing import strategies as st

rng = np.random.default_rng(0)


def padded(padding, kernel, dilation):
    """(before, after) for each axis."""
    dims = len(kernel)
    if padding == "valid":
        return [(0, 0)] * dims
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(p, p) for p in each(padding, dims)]


def each(value, dims):
    return value if isinstance(value, tuple) else (value,) * dims


each_algorithm = pytest.mark.parametrize("name", kernels.ALGORITHMS)


def loops(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of images as its definition says: image, output channel, row, column, input channel, kernel row, kernel column."""
    (up, down), (left, right) = padded(padding, w.shape[2:], each(dilation, 2))
    (sh, sw), (dh, dw) = each(stride, 2), each(dilation, 2)
    x = np.pad(x, ((0, 0), (0, 0), (up, down), (left, right)))
    height = (x.shape[2] - dh * (w.shape[2] - 1) - 1) // sh + 1
    width = (x.shape[3] - dw * (w.shape[3] - 1) - 1) // sw + 1
    y = np.zeros((len(x), len(w), height, width))
    per_group = w.shape[1]
    for n, o, i, j in np.ndindex(*y.shape):
        group = o // (len(w) // groups)
        for c, k, m in np.ndindex(*w.shape[1:]):
            y[n, o, i, j] += x[n, group * per_group + c, i * sh + k * dh, j * sw + m * dw] * w[o, c, k, m]
        if bias is not None:
            y[n, o, i, j] += bias[o]
    return y


@each_algorithm
@given(st.conv_arguments(2, unbatched=False))
def test_forward_is_the_definition(name, call):
    tolerance = 1e-11 if name == kernels.WINOGRAD else 1e-12
    with kernels.force(name):
        found = conv.conv2d(*call.args, **call.kwargs)
    expected = loops(*call.args, **call.kwargs)
    rounding = (
        tolerance / 256 * loops(*[None if a is None else np.abs(a) for a in call.args], **call.kwargs)
    )  # 1e5 - 1e5 + 2 is as exact as 1e5
    np.testing.assert_array_less(np.abs(found - expected), tolerance * (1 + np.abs(expected)) + rounding)


@given(st.conv_arguments(2, unbatched=False))
def test_gradients_are_sums_over_the_same_products(call):
    """<conv(x, w), g> is linear in each of the three: its value with unit vectors is the gradient."""
    x, w, _ = call.args
    y = loops(*call.args, **call.kwargs)
    g = np.cos(np.arange(y.size)).reshape(y.shape)
    leaves = [mg.tensor(a, requires_grad=True) for a in (x, w)]
    gx, gw = mg.grad(conv.conv2d(*leaves, None, **call.kwargs), leaves, g)
    for place in itertools.islice(np.ndindex(*x.shape), 3):
        unit = np.zeros_like(x)
        unit[place] = 1
        np.testing.assert_allclose(gx.numpy()[place], (loops(unit, w, None, **call.kwargs) * g).sum(), rtol=1e-10, atol=1e-12)
    for place in itertools.islice(np.ndindex(*w.shape), 3):
        unit = np.zeros_like(w)
        unit[place] = 1
        np.testing.assert_allclose(gw.numpy()[place], (loops(x, unit, None, **call.kwargs) * g).sum(), rtol=1e-10, atol=1e-12)


@each_algorithm
def test_torch_to_second_order(name):
    """Forward, gradients and the gradients of a function of the gradients, from contiguous and from strided memory."""

    def run(test):
        given(hs.tuples(st.conv_arguments(2, strings=False), hs.booleans()))(test)()

    with kernels.force(name):
        on_drawn(run, compare_with_torch)


def compare_with_torch(drawn):
    call, strided = drawn
    arrays = [a for a in call.args if a is not None]
    expected = [torch.tensor(a, requires_grad=True) for a in arrays]
    if strided:
        arrays = [np.repeat(a, 2, axis=-1)[..., ::2] for a in arrays]
    leaves = [mg.from_numpy(a).requires_grad_() for a in arrays]
    y, t = conv.conv2d(*leaves, **call.kwargs), torch.nn.functional.conv2d(*expected, **call.kwargs)
    np.testing.assert_allclose(y.detach().numpy(), t.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = np.cos(np.arange(y.numel())).reshape(y.shape)
    g, tg = mg.tensor(g, requires_grad=True), torch.tensor(g, requires_grad=True)
    first, t_first = mg.grad(y, leaves, g, create_graph=True), torch.autograd.grad(t, expected, tg, create_graph=True)
    for ours, theirs in zip(first, t_first, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    second = mg.grad(sum((a.sin() * a).sum() for a in first), [*leaves, g], allow_unused=True, materialize_grads=True)
    t_second = torch.autograd.grad(sum((a.sin() * a).sum() for a in t_first), [*expected, tg], allow_unused=True)
    for ours, theirs in zip(second, t_second, strict=True):
        np.testing.assert_allclose(ours.numpy(), 0 if theirs is None else theirs.numpy(), rtol=1e-9, atol=1e-9)


# ----------------------------------------------------------------------------------------- how the work is cut


@contextlib.contextmanager
def budgets(**values):
    """Other budgets for layouts, and none kept from before."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(layouts, name, value)
        layouts.layout.cache_clear()
        yield
    layouts.layout.cache_clear()


def triple(x, w, y, window):
    return (
        kernels.convolve(x, w, None, y.shape[2:], window),
        kernels.input_gradient(y, w, x.shape, window),
        kernels.weight_gradient(x, y, w.shape, window),
    )


@each_algorithm
@given(st.conv_arguments(2, strings=False, unbatched=False, max_extra=6), hs.sampled_from([1, 100, 1000]))
def test_tiles_of_any_size_give_the_same(name, call, cache):
    """One row at a time, some images at a time, all at once."""
    x, w, _ = call.args
    window = layouts.Window(
        *[each(call.kwargs["stride"], 2), tuple((p, p) for p in each(call.kwargs["padding"], 2)), each(call.kwargs["dilation"], 2)]
    )
    y = conv.conv2d(x, w, **call.kwargs)
    whole = triple(x, w, y, window)
    with budgets(CACHE=cache, ROW_CACHE=cache, SMALL=cache), kernels.force(name):
        for mine, other in zip(triple(x, w, y, window), whole, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("name", [layouts.Images.name, layouts.Merged.name])
def test_deep_layers(stride, groups, size, name):
    """Many channels and few pixels: there the images of a tile share a matrix. An odd image is left over."""
    x, w = rng.normal(size=(5, 64, size, size)), rng.normal(size=(4, 64 // groups, 3, 3))
    window = layouts.Window((stride, stride), ((1, 1), (1, 1)), (1, 1))
    expected = loops(x, w, None, stride, 1, 1, groups)
    for cache in (1, 1 << 16, 1 << 24):
        with budgets(CACHE=cache), kernels.force(name):
            whole = layouts.LAYOUTS[name](x.shape, w.shape, expected.shape[2:], window, x.dtype)
            one = [tile.slices[0].shape[0] == 1 for share in whole.shares() for tile, _ in whole.tiles(share, deque()) if tile.n > 1]
            assert all(merged == (name == layouts.Merged.name) for merged in one)
            y, gx, gw = triple(x, w, expected, window)
            np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)
            # <y, y> = <x, gx> = <w, gw>: the three sums of the same products
            np.testing.assert_allclose([(x * gx).sum(), (w * gw).sum()], (expected * expected).sum(), rtol=1e-10)


# ---------------------------------------------------------------------------------- tiles that are kept for the next call


each_layout = pytest.mark.parametrize("name", layouts.LAYOUTS)


def small_layer(stride=2, n=2, seed=0):
    """x, w, y and the window of a layer with padding, whose columns are small."""
    random, out = np.random.default_rng(seed), (6 + 2 - 3) // stride + 1
    window = layouts.Window((stride, stride), ((1, 1), (1, 1)), (1, 1))
    return random.normal(size=(n, 2, 6, 6)), random.normal(size=(3, 2, 3, 3)), random.normal(size=(n, 3, out, out)), window


def layout_of(name, x, w, y, window):
    return layouts.layout(name, x.shape, w.shape, y.shape[2:], window, x.dtype)


@each_layout
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("n", [1, 2])
def test_kept_tiles_give_the_same_after_other_use(name, stride, n):
    """Images of infinities, and an input gradient with the same shapes, leave nothing in the padding."""
    x, w, y, window = small_layer(stride, n)
    with budgets(), native.force(None), kernels.force(name):
        expected = triple(x, w, y, window)
        whole = layout_of(name, x, w, y, window)
        (tile,) = whole.kept
        assert whole.tile_bytes(y.shape[2], n) == tile.columns.nbytes + (0 if tile.cells is None else tile.windows.nbytes)
        for _ in range(2):
            triple(np.full_like(x, np.inf), w, np.full_like(y, np.nan), window)
            for mine, other in zip(triple(x, w, y, window), expected, strict=True):
                np.testing.assert_array_equal(mine, other)
        assert list(whole.kept) == [tile]


@each_layout
def test_a_tile_of_a_call_that_failed_is_not_kept(name, monkeypatch):
    x, w, y, window = small_layer()
    with budgets(), native.force(None), kernels.force(name):
        expected = kernels.convolve(x, w, None, y.shape[2:], window)
        with monkeypatch.context() as patch:
            patch.setattr(layouts.LAYOUTS[name], "store", lambda *args: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                kernels.convolve(x, w, None, y.shape[2:], window)
        assert not layout_of(name, x, w, y, window).kept
        np.testing.assert_array_equal(kernels.convolve(x, w, None, y.shape[2:], window), expected)


@each_layout
def test_threads_that_call_at_the_same_time_have_tiles_of_their_own(name):
    cases = []
    with budgets(), native.force(None), kernels.force(name):
        for seed in range(4):
            x, w, y, window = small_layer(seed=seed)
            cases.append((x, w, y, window, triple(x, w, y, window)))
        barrier = threading.Barrier(len(cases))

        def work(case):
            *layer, expected = case
            barrier.wait()
            return all(np.array_equal(*pair) for _ in range(300) for pair in zip(triple(*layer), expected, strict=True))

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(len(cases)) as pool:
                assert all(pool.map(work, cases))
        finally:
            sys.setswitchinterval(before)


def test_what_is_kept_is_bounded():
    """A layout keeps tiles of KEPT bytes at most, however many threads there were, and none of a large layer."""
    x, w, y, window = small_layer()
    with budgets(KEPT=20_000):
        whole = layout_of("rows", x, w, y, window)
        size = whole.tile_bytes(y.shape[2], len(x))
        at_once = [whole.tiles(whole.places, whole.spare()) for _ in range(20)]
        assert len({id(next(tiles)[0].columns) for tiles in at_once}) == 20
        for tiles in at_once:
            assert next(tiles, None) is None
        assert 1 < len(whole.kept) == 20_000 // size < 20
        with budgets(KEPT=size - 1):
            assert layout_of("rows", x, w, y, window).kept.maxlen == 0


def test_columns_stay_in_the_cache():
    """No tile of a large layer needs more than a few megabytes, where all columns would take 115 MB."""
    x_shape, w_shape, window = (8, 64, 112, 112), (64, 64, 3, 3), layouts.Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    whole = layouts.Images(x_shape, w_shape, (112, 112), window, np.dtype(np.float32))
    sizes = [tile.windows.nbytes for share in whole.shares() for tile, _ in whole.tiles(share, deque())]
    assert max(sizes) <= 2 * layouts.CACHE
    assert len(sizes) >= 8


# ----------------------------------------------------------------------------------------------- PyTorch's functions


@given(st.conv_arguments(2, unbatched=False, strings=False))
def test_four_paddings(call):
    """(left, right, top, bottom) is our extension: the same as padding the input first."""
    x, w, bias = call.args
    vertical, horizontal = each(call.kwargs.pop("padding"), 2)
    left, right, top, bottom = horizontal + 1, horizontal, vertical, vertical + 3
    y = conv.conv2d(np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right))), w, bias, **call.kwargs)
    mine = conv.conv2d(x, w, bias, padding=(left, right, top, bottom), **call.kwargs)
    np.testing.assert_allclose(mine, y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype):
    x, w, b = (mg.tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for s in ((2, 3, 6, 5), (4, 3, 3, 2), (4,)))
    y = mg.conv2d(x, w, b, stride=2, padding=1)
    y.sum().backward()
    assert {a.dtype for a in (y, x.grad, w.grad, b.grad)} == {np.dtype(dtype)}
    np.testing.assert_allclose(
        y.detach().numpy(), loops(x.detach().numpy(), w.detach().numpy(), b.detach().numpy(), 2, 1), rtol=1e-4, atol=1e-4
    )


def test_integers():
    x, w = rng.integers(-9, 9, (1, 2, 4, 4)), rng.integers(-9, 9, (3, 2, 3, 3))
    y = mg.conv2d(mg.tensor(x), mg.tensor(w))
    assert y.dtype == np.int64
    assert (y.numpy() == loops(x, w)).all()


def test_empty_batch():
    x, w = mg.zeros(0, 3, 8, 8, requires_grad=True), mg.ones(4, 3, 3, 3, requires_grad=True)
    y = mg.conv2d(x, w, mg.ones(4), padding=1)
    assert y.shape == (0, 4, 8, 8)
    y.sum().backward()
    assert x.grad.shape == (0, 3, 8, 8) and (w.grad.numpy() == 0).all()


@pytest.mark.parametrize("stride", [1, 2])
def test_no_channels(stride):
    x, w = mg.zeros(2, 0, 5, 5, requires_grad=True), mg.zeros(3, 0, 3, 3, requires_grad=True)
    y = mg.conv2d(x, w, mg.ones(3), stride=stride)
    assert (y.numpy(force=True) == np.ones((2, 3, 4 - stride, 4 - stride))).all()
    y.sum().backward()
    assert x.grad.shape == x.shape and w.grad.shape == w.shape


def test_only_the_gradient_that_is_asked_for(monkeypatch):
    """The first layer of a network does not compute the gradient of the images."""

    def refuse(*_):
        raise AssertionError("nobody asked for the input's gradient")

    monkeypatch.setattr(kernels, "input_gradient", refuse)
    w = mg.ones(1, 1, 2, 2, requires_grad=True)
    mg.conv2d(mg.ones(1, 1, 3, 3), w).sum().backward()
    assert (w.grad.numpy() == 4).all()


def test_transposed_is_the_input_gradient():
    x = mg.zeros(2, 3, 7, 6, dtype=mg.float64, requires_grad=True)
    w = mg.tensor(rng.normal(size=(4, 3, 3, 2)), requires_grad=True)
    y = mg.conv2d(x, w, stride=2, padding=1)
    g = mg.tensor(rng.normal(size=y.shape))
    (gx,) = mg.grad(y, x, g)
    back = mg.conv_transpose2d(g, w, stride=2, padding=1, output_padding=(0, 0))
    np.testing.assert_allclose(back.detach().numpy(), gx.numpy())


def test_third_order():
    """Bilinear by itself, so with something curved around it."""
    x, w = (mg.tensor(rng.normal(size=s), requires_grad=True) for s in ((1, 2, 4, 3), (2, 1, 2, 2)))
    assert gradcheck(lambda x, w: mg.conv2d(x.tanh(), w.exp(), stride=(2, 1), padding=1, groups=2).sin(), x, w, order=3)


ERRORS = {
    "conv2d: input has 3 channels but weight expects 4 (input (8, 3, 32, 32), weight (6, 4, 5, 5), groups=1)": (
        lambda: mg.conv2d(mg.zeros(8, 3, 32, 32), mg.zeros(6, 4, 5, 5)),
        mg.ShapeError,
    ),
    "conv2d: input has 3 channels but weight expects 8": (
        lambda: mg.conv2d(mg.zeros(3, 9, 9), mg.zeros(6, 4, 5, 5), groups=2),
        mg.ShapeError,
    ),
    "conv2d: weight has 3 output channels, which 2 groups do not divide": (
        lambda: mg.conv2d(mg.zeros(1, 4, 9, 9), mg.zeros(3, 2, 5, 5), groups=2),
        mg.ShapeError,
    ),
    "conv2d: kernel 5x5 does not fit the padded input 4x4 (input (1, 1, 2, 2), weight (1, 1, 5, 5), padding 1): the output would be 0x0": (
        lambda: mg.conv2d(mg.zeros(1, 1, 2, 2), mg.zeros(1, 1, 5, 5), padding=1),
        mg.ShapeError,
    ),
    "conv2d: kernel 3x1 with dilation 2x1 does not fit": (
        lambda: mg.conv2d(mg.zeros(1, 1, 4, 4), mg.zeros(1, 1, 3, 1), dilation=(2, 1)),
        mg.ShapeError,
    ),
    "conv2d: input must be (N, C, H, W), or (C, H, W) without a batch, not (5, 5)": (
        lambda: mg.conv2d(mg.zeros(5, 5), mg.zeros(1, 1, 3, 3)),
        mg.ShapeError,
    ),
    "conv2d: weight must have 4 dimensions": (lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(1, 3, 3)), mg.ShapeError),
    "conv2d: weight has a size of 0": (lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(1, 1, 0, 3)), mg.ShapeError),
    "conv2d: bias must have shape (2,)": (lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), mg.zeros(3)), mg.ShapeError),
    "conv2d: stride must be at least 1, not 0": (lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), stride=0), mg.ShapeError),
    "conv2d: stride must be an int or 2 of them": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), stride=(1, 1, 1)),
        mg.ShapeError,
    ),
    "conv2d: padding must be at least 0, not -1": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), padding=-1),
        mg.ShapeError,
    ),
    "conv2d: padding must be 'valid', 'same' or numbers": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), padding="full"),
        mg.ShapeError,
    ),
    "conv2d: padding 'same' needs stride 1": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), stride=2, padding="same"),
        mg.ShapeError,
    ),
    "conv2d: groups must be at least 1, not 0": (lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3), groups=0), mg.ShapeError),
    "conv2d: input is float32 but weight is float64": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(2, 1, 3, 3, dtype=mg.float64)),
        RuntimeError,
    ),
    "conv2d: bool tensors cannot be convolved": (
        lambda: mg.conv2d(mg.zeros(1, 1, 5, 5, dtype=bool), mg.zeros(2, 1, 3, 3, dtype=bool)),
        TypeError,
    ),
    "conv_transpose2d: input has 2 channels but weight expects 3": (
        lambda: mg.conv_transpose2d(mg.zeros(1, 2, 5, 5), mg.zeros(3, 1, 3, 3)),
        mg.ShapeError,
    ),
    "conv_transpose2d: output_padding 1 must be less than stride": (
        lambda: mg.conv_transpose2d(mg.zeros(1, 1, 5, 5), mg.zeros(1, 1, 3, 3), output_padding=1),
        mg.ShapeError,
    ),
    "conv_transpose2d: the output would have sizes (-1, -1)": (
        lambda: mg.conv_transpose2d(mg.zeros(1, 1, 1, 1), mg.zeros(1, 1, 3, 3), padding=2),
        mg.ShapeError,
    ),
    "unfold: window 3x3 does not fit the padded input 2x2 (input (1, 1, 2, 2), padding 0)": (
        lambda: fold.unfold(mg.zeros(1, 1, 2, 2), 3),
        mg.ShapeError,
    ),
    "fold: 13 rows are not a multiple of a window's 4 cells": (lambda: fold.fold(mg.zeros(1, 13, 9), 4, 2), mg.ShapeError),
    "fold: input has 8 columns but 9 windows fit, 3x3": (lambda: fold.fold(mg.zeros(1, 12, 8), 4, 2), mg.ShapeError),
    "fold: input must be (N, C KH KW, L)": (lambda: fold.fold(mg.zeros(12), 4, 2), mg.ShapeError),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    function, kind = ERRORS[text]
    with pytest.raises(kind) as caught:
        function()
    assert str(caught.value).startswith(text)
    assert type(caught.value) is kind


# ------------------------------------------------------------------------------------------------ unfold and fold


@given(st.conv_arguments(2, unbatched=False, groups=False, bias=False, strings=False))
def test_convolution_is_a_product_with_the_columns(call):
    x, w, _ = call.args
    static = {name: call.kwargs[name] for name in ("dilation", "padding", "stride")}
    columns = fold.unfold(x, w.shape[2:], **static)
    y = conv.conv2d(x, w, **static)
    np.testing.assert_allclose(w.reshape(len(w), -1) @ columns, y.reshape(*y.shape[:2], math.prod(y.shape[2:])), rtol=1e-10, atol=1e-10)


@given(st.conv_arguments(2, groups=False, bias=False, strings=False))
def test_fold_is_the_transpose_of_unfold(call):
    x, w, _ = call.args
    static = {name: call.kwargs[name] for name in ("dilation", "padding", "stride")}
    columns = fold.unfold(x, w.shape[2:], **static)
    other = np.cos(np.arange(columns.size)).reshape(columns.shape)
    folded = fold.fold(other, x.shape[-2:], w.shape[2:], **static)
    np.testing.assert_allclose((columns * other).sum(), (x * folded).sum(), rtol=1e-10, atol=1e-10)


@given(
    size=hs.integers(1, 12),
    kernel=hs.integers(1, 4),
    stride=hs.integers(1, 4),
    before=hs.integers(0, 3),
    after=hs.integers(0, 3),
    dilation=hs.integers(1, 3),
)
def test_windows_along_an_axis(size, kernel, stride, before, after, dilation):
    """The places of an axis are those that stepping through the padded axis finds."""
    starts = range(-before, size + after - dilation * (kernel - 1), stride)
    out = sliding_windows.output_size(size, kernel, stride, (before, after), dilation)
    assert max(out, 0) == len(starts)
    if out < 1:
        return
    axis = sliding_windows.sliding(size, out, kernel, stride, before, dilation)
    assert list(axis.starts) == list(starts)
    found = {(i, o, c) for i, windows, cells in axis.places for o, c in zip(range(out)[windows], range(size)[cells], strict=True)}
    wanted = {(i, o, s + i * dilation) for o, s in enumerate(starts) for i in range(kernel) if 0 <= s + i * dilation < size}
    assert found == wanted


@given(size=hs.integers(1, 12), out=hs.integers(1, 15))
def test_adaptive_windows(size, out):
    axis = sliding_windows.adaptive(size, out)
    covered = [
        [c for _, windows, cells in axis.places for w, c in zip(range(out)[windows], range(size)[cells], strict=True) if w == o]
        for o in range(out)
    ]
    assert covered == [list(range(math.floor(o * size / out), math.ceil((o + 1) * size / out))) for o in range(out)]


# ------------------------------------------------------------------------------------------------- algorithms


@hs.composite
def winograd_layers(draw):
    """What winograd can do: 3x3 and 5x5 kernels, of any depth in volumes, stride 1, any padding and dilation, sizes that are no multiples of its
    tiles, any memory layout."""
    n, c, o = (draw(hs.integers(1, 3)) for _ in range(3))
    kernel = (*[draw(hs.integers(1, 4))] * draw(hs.booleans()), *[draw(hs.sampled_from([3, 5]))] * 2)
    padding = tuple((draw(hs.integers(0, 4)), draw(hs.integers(0, 4))) for _ in kernel)
    dilation = tuple(draw(hs.integers(1, 3)) for _ in kernel)
    most = 14 if len(kernel) == 2 else 9
    least = [max(1, d * (k - 1) + 1 - sum(p)) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = [draw(hs.integers(first, max(first, most))) for first in least]
    dtype = draw(hs.sampled_from([np.float32, np.float64]))
    x, w = (
        np.random.default_rng(draw(hs.integers(0, 9))).standard_normal(shape).astype(dtype) for shape in [(n, c, *size), (o, c, *kernel)]
    )
    if draw(hs.booleans()):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    return x, w, draw(hs.booleans()), layouts.Window((1,) * len(kernel), padding, dilation)


@each_algorithm
@given(winograd_layers())
def test_each_algorithm_gives_the_same(name, layer):
    """Forward and both gradients, against float64 sums over windows."""
    x, w, with_bias, window = layer
    assume(name not in ("rows", "interleaved") or window.dilation[0] == 1)
    bias = np.arange(1, len(w) + 1).astype(x.dtype) if with_bias else None
    frame = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *window.padding))
    spans, apart = (
        [d * (k - 1) + 1 for k, d in zip(w.shape[2:], window.dilation, strict=True)],
        tuple([slice(None, None, d) for d in window.dilation]),
    )
    axes = tuple(range(2, w.ndim))
    out, cells = "dhw"[-len(axes) :], "ijk"[-len(axes) :]
    windows = np.lib.stride_tricks.sliding_window_view(frame, spans, axes)[(..., *apart)]  # N C *sizes and the kernel's axes
    expected = np.einsum(f"nc{out}{cells},oc{cells}->no{out}", windows, w)
    expected += 0 if bias is None else bias.reshape(-1, *[1] * len(axes))
    sizes = expected.shape[2:]
    g = np.random.default_rng(1).standard_normal(expected.shape).astype(x.dtype)
    spread = np.zeros_like(frame)
    into = np.lib.stride_tricks.sliding_window_view(spread, spans, axes, writeable=True)[(..., *apart)]
    for cell in itertools.product(*map(range, w.shape[2:])):
        into[(..., *cell)] += np.einsum("no...,oc->nc...", g, w[(..., *cell)])
    inside = (..., *[slice(before, before + size) for (before, _), size in zip(window.padding, x.shape[2:], strict=True)])
    tolerance = {"rtol": 1e-4, "atol": 2e-4} if x.dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-10}
    with kernels.force(name):
        assert all(kernels.algorithm(wanted, x.shape, w.shape, sizes, window, x.dtype) == name for wanted in ("output", "weight"))
        results = [
            (kernels.convolve(x, w, bias, sizes, window), expected),
            (kernels.input_gradient(g, w, x.shape, window), spread[inside]),
            (kernels.weight_gradient(x, g, w.shape, window), np.einsum(f"nc{out}{cells},no{out}->oc{cells}", windows, g)),
        ]
    for found, wanted in results:
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, wanted, **tolerance)


@each_algorithm
@pytest.mark.parametrize("taps", [3, 5])
def test_gradients_of_each_algorithm(name, taps):
    x, w, b = (mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(2, 2, 5, 6), (3, 2, taps, taps), (3,)])
    with kernels.force(name):
        assert gradcheck(lambda x, w, b: mg.conv2d(x, w, b, padding=taps // 2).sin(), x, w, b, order=2)


def test_gradients_of_volumes_by_winograd():
    x, w, b = (mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in [(2, 1, 3, 4, 3), (2, 1, 2, 3, 3), (2,)])
    with kernels.force("winograd"):
        assert gradcheck(lambda x, w, b: mg.conv3d(x, w, b, padding=(1, 1, 1)).sin(), x, w, b, order=2)


def test_a_volume_that_is_not_finite_is_convolved_again():
    """Only what sees the infinity is not finite."""
    x, w = rng.standard_normal((2, 3, 6, 9, 9)).astype(np.float32), rng.standard_normal((4, 3, 3, 3, 3)).astype(np.float32)
    x[1, 2, 3, 4, 4] = np.inf
    window = layouts.Window((1,) * 3, ((1, 1),) * 3, (1,) * 3)
    with kernels.force("winograd"):
        y = kernels.convolve(x, w, None, x.shape[2:], window)
        x[1, 2, 3, 4, 4] = 0
        finite = kernels.convolve(x, w, None, x.shape[2:], window)
    seen = np.zeros(y.shape, bool)
    seen[1, :, 2:5, 3:6, 3:6] = True
    np.testing.assert_array_equal(np.isfinite(y), ~seen)
    np.testing.assert_allclose(y[~seen], finite[~seen], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("taps", [3, 5])
def test_rounding_of_winograd(taps):
    """What its module promises: in float32 some five times the error of direct sums, far from what training notices."""
    x, w = rng.standard_normal((2, 64, 16, 16)).astype(np.float32), rng.standard_normal((64, 64, taps, taps)).astype(np.float32)
    window = layouts.Window((1, 1), ((taps // 2,) * 2,) * 2, (1, 1))
    exact = kernels.convolve(x.astype(np.float64), w.astype(np.float64), None, (16, 16), window)
    errors = {}
    for name in kernels.ALGORITHMS:
        with kernels.force(name):
            errors[name] = np.std(kernels.convolve(x, w, None, (16, 16), window) - exact) / np.std(exact)
    assert max(errors[name] for name in errors if name != "winograd") < 5e-7 * taps / 3  # errors of direct sums grow with their length
    assert errors["winograd"] < 2e-6


@pytest.mark.parametrize("outputs", [16, 40, 64])
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_share_the_outputs_of_one_image(outputs, threads):
    """Winograd's convolution of one part, and its transpose: as by columns, to the last bit for any number of threads."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(1, 8, 9, 9)), rng.normal(size=(outputs, 8, 3, 3)), rng.normal(size=outputs)
    window = layouts.Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    found, before = {}, mg.get_num_threads()
    try:
        for name in ("images", "winograd"):
            for count in {1, threads}:
                mg.set_num_threads(count)
                with kernels.force(name):
                    found[name, count] = kernels.convolve(x, w, b, (9, 9), window), kernels.input_gradient(x, w[:8], x.shape, window)
                    turned = np.ascontiguousarray(w.swapaxes(0, 1))
                    found[name, count] += (kernels.input_gradient(x, turned, (1, outputs, 9, 9), window),)
    finally:
        mg.set_num_threads(before)
    for mine, other, alone in zip(found["winograd", threads], found["images", threads], found["winograd", 1], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(mine, alone)
    x[0, 0, 0, 0] = np.inf
    with kernels.force("winograd"):
        y = kernels.convolve(x, w, b, (9, 9), window)
    assert not np.isfinite(y[0, :, 0, 0]).any() and np.isfinite(y[0, :, 2:, 2:]).all()


@pytest.mark.parametrize("small", [10, 100, 1000, 1 << 20])
@pytest.mark.parametrize(("channels", "outputs"), [(16, 8), (7, 8), (16, 7), (1, 2)])
def test_deep_layers_multiply_in_pieces(channels, outputs, small, monkeypatch):
    """Pieces of the weights and of their sums, of any size, or none where outputs or cells cannot be divided so."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(1, channels, 4, 3)), rng.normal(size=(outputs, channels, 3, 3)), rng.normal(size=outputs)
    monkeypatch.setattr(kernels, "ROWS", 2)
    monkeypatch.setattr(kernels, "SMALL", small)
    with kernels.force("merged"):
        y = conv.conv2d(x, w, b, padding=1)
    with kernels.force("images"):
        np.testing.assert_allclose(y, conv.conv2d(x, w, b, padding=1), rtol=1e-10, atol=1e-10)


def test_unknown_algorithm():
    with pytest.raises(ValueError, match="'fft' is none of images, merged, rows, interleaved, winograd"), kernels.force("fft"):
        pass


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(value):
    """It reaches the pixels that see it and no others, without a warning, whatever the algorithm."""
    x, w = rng.standard_normal((2, 2, 8, 8)).astype(np.float32), rng.standard_normal((3, 2, 3, 3)).astype(np.float32)
    x[0, 1, 2, 5] = value
    g = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    g[1, 0, 4, 4] = value
    window = layouts.Window((1, 1), ((1, 1), (1, 1)), (1, 1))
    found = {}
    for name in kernels.ALGORITHMS:
        with kernels.force(name):
            found[name] = (
                mg.conv2d(mg.tensor(x), mg.tensor(w), padding=1).numpy(),
                conv.conv_input(mg.tensor(g), mg.tensor(w), shape=x.shape, window=window).numpy(),
                conv.conv_weight(mg.tensor(x), mg.ones(2, 3, 8, 8), shape=w.shape, window=window).numpy(),
            )
    for direct, other in ((a, b) for others in found.values() for a, b in zip(found[layouts.Images.name], others, strict=True)):
        np.testing.assert_array_equal(np.isfinite(other), np.isfinite(direct))
        np.testing.assert_allclose(other, direct, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "stride"),
    [
        ((2, 3, 5), (4, 3, 5), 1),
        ((2, 3, 13), (4, 3, 6), 6),
        ((2, 3, 4, 3), (5, 3, 4, 3), 2),
        ((2, 3, 11, 10), (5, 3, 5, 5), 5),
        ((1, 2, 6, 12), (3, 2, 2, 6), (2, 6)),
        ((2, 1, 3, 5, 10), (2, 1, 3, 5, 5), 5),
    ],
)
def test_windows_that_do_not_meet_are_one_product(x_shape, w_shape, stride):
    """As by columns, both gradients too, cells that no window sees, and views of arrays that are not contiguous."""
    n = len(x_shape) - 2
    strides = (stride,) * n if isinstance(stride, int) else stride
    sizes = tuple([(size - k) // s + 1 for size, k, s in zip(x_shape[2:], w_shape[2:], strides, strict=True)])
    window = layouts.Window(strides, ((0, 0),) * n, (1,) * n)
    assert patches.apart(x_shape, w_shape, sizes, window)
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.normal(size=(*x_shape[1:], x_shape[0])), -1, 0)
    w, b, y = rng.normal(size=w_shape), rng.normal(size=w_shape[0]), rng.normal(size=(x_shape[0], w_shape[0], *sizes))
    results = []
    for how in (contextlib.nullcontext(), kernels.force("images")):
        with how:
            results.append(
                [
                    kernels.convolve(x, w, b, sizes, window),
                    kernels.input_gradient(y, w, x_shape, window),
                    kernels.weight_gradient(x, y, w_shape, window),
                ]
            )
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape and ours.flags.c_contiguous
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "stride", "padding", "dilation"),
    [
        ((1, 2, 8, 8), (3, 2, 5, 5), (1, 1), 0, 1),  # they meet
        ((1, 2, 5, 5), (3, 2, 5, 5), (1, 1), 2, 1),  # padding
        ((1, 2, 9, 9), (3, 2, 5, 5), (5, 5), 0, 2),  # cells between
        ((1, 4, 5, 5), (4, 2, 5, 5), (1, 1), 0, 1),  # groups
        ((0, 2, 5, 5), (3, 2, 5, 5), (1, 1), 0, 1),
        ((1, 2, 1, 1), (3, 2, 1, 1), (1, 1), 0, 1),  # the columns are the image
        ((1, 2, 8, 8), (3, 2, 2, 2), (2, 2), 0, 1),  # short rows
    ],
)
def test_what_is_not_one_product(x_shape, w_shape, stride, padding, dilation):
    sizes = tuple([sliding_windows.output_size(x_shape[i + 2], w_shape[i + 2], stride[i], (padding, padding), dilation) for i in (0, 1)])
    assert not patches.apart(x_shape, w_shape, sizes, layouts.Window(stride, ((padding, padding),) * 2, (dilation,) * 2))
