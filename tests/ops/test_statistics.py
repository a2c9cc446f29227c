"""Statistics, assembling, scattered reductions and draws beyond the table of cases: NaN, empty tensors, dtypes, messages."""

import math

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad.testing import gradcheck

nan, inf = math.nan, math.inf
GAPS = [[1.0, nan, 3.0, 2.0], [nan, nan, nan, nan], [4.0, 4.0, -inf, inf]]


def same(ours, theirs):
    ours, theirs = (list(v) if isinstance(v, (tuple, list)) else [v] for v in (ours, theirs))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-7)
        assert str(a.dtype).removeprefix("torch.") == str(b.dtype).removeprefix("torch.")


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles_of_gaps(name, interpolation):
    for kwargs in ({}, {"dim": 1}, {"dim": 0, "keepdim": True}):
        q = [0.0, 0.3, 0.5, 1.0]
        mine = getattr(mg, name)(mg.tensor(GAPS[:2]), mg.tensor(q), interpolation=interpolation, **kwargs)
        same(mine, getattr(torch, name)(torch.tensor(GAPS[:2]), torch.tensor(q), interpolation=interpolation, **kwargs))


def test_a_quantile_has_a_gradient_in_q():
    x, q = [3.0, 1.0, 2.0, 5.0], [0.1, 0.7]
    mine, other = mg.tensor(q, requires_grad=True), torch.tensor(q, requires_grad=True)
    mg.quantile(mg.tensor(x), mine).sum().backward()
    torch.quantile(torch.tensor(x), other).sum().backward()
    same(mine.grad, other.grad)


def test_medians_and_modes_of_gaps():
    for dim in (0, 1):
        same(mg.nanmedian(mg.tensor(GAPS), dim).values, torch.nanmedian(torch.tensor(GAPS), dim).values)
    x = mg.tensor([1.0, nan, 2.0, 2.0], requires_grad=True)
    mg.nanmedian(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.5, 0.5]
    assert math.isnan(mg.nanmedian(mg.tensor([nan, nan])).item())
    assert mg.tensor(3.0).mode() == (mg.tensor(3.0), mg.tensor(0))


NUMBERS = [[1, 2, 4, 1], [0, 3, 3, 7]]
CALLS = {
    "diff": lambda lib, x: lib.diff(x),
    "diff of flags": lambda lib, x: lib.diff(x > 2),
    "diff with ends": lambda lib, x: lib.diff(x, prepend=x[:, :1], append=x[:, :2]),
    "diff too often": lambda lib, x: lib.diff(x, n=9),
    "trapezoid": lambda lib, x: lib.trapezoid(x),
    "trapezoid dx": lambda lib, x: lib.trapezoid(x, dx=2, dim=0),
    "cumulative_trapezoid": lambda lib, x: lib.cumulative_trapezoid(x),
    "cov": lambda lib, x: lib.cov(x),
    "cov of a vector": lambda lib, x: lib.cov(x[0]),
    "corrcoef": lambda lib, x: lib.corrcoef(x),
    "corrcoef of a vector": lambda lib, x: lib.corrcoef(x[0]),
    "gradient": lambda lib, x: lib.gradient(x * 1.0, spacing=[2.0, 0.5]),
    "unique_consecutive": lambda lib, x: lib.unique_consecutive(x, return_inverse=True, return_counts=True),
    "bucketize": lambda lib, x: lib.bucketize(x, lib.tensor([1, 3]), out_int32=True, right=True),
    "searchsorted": lambda lib, x: lib.searchsorted(lib.tensor([5, 1, 3]), x, sorter=lib.tensor([1, 2, 0])),
    "searchsorted a number": lambda lib, x: lib.searchsorted(lib.tensor([1, 3, 5]), 4),
    "isin": lambda lib, x: lib.isin(x, lib.tensor([1, 3]), invert=True),
    "isin a number": lambda lib, x: lib.isin(x, 3),
    "combinations": lambda lib, x: lib.combinations(x[0], r=0),
    "combinations of more": lambda lib, x: lib.combinations(x[0, :2], r=3),
    "vander": lambda lib, x: lib.vander(x[0], 0),
    "vander of ints": lambda lib, x: lib.vander(x[0], increasing=True),
    "block_diag": lambda lib, x: lib.block_diag(x, lib.tensor(3), x[0]),
    "as_strided": lambda lib, x: lib.as_strided(x, (2, 2), (3, 1), 1),
    "unravel_index": lambda lib, x: lib.unravel_index(x, (3, 3)),
    "msort": lambda lib, x: lib.msort(x),
    "gcd": lambda lib, x: lib.gcd(x, lib.tensor(6)),
    "float_power": lambda lib, x: lib.float_power(x, 2),
    "ldexp": lambda lib, x: lib.ldexp(x, x),
    "copysign": lambda lib, x: lib.copysign(x, -1),
    "rsub": lambda lib, x: lib.rsub(x, 3, alpha=2),
    "signbit": lambda lib, x: lib.signbit(x - 2),
    "scatter mean": lambda lib, x: x.scatter_reduce(1, lib.tensor([[0, 0], [1, 1]]), lib.tensor([[9, 4], [2, 2]]), "mean"),
    "scatter amax": lambda lib, x: x.scatter_reduce(1, lib.tensor([[0, 0], [1, 1]]), lib.tensor([[-9, -4], [2, 2]]), "amax", include_self=False),
    "put": lambda lib, x: x.put(lib.tensor([0, -1]), lib.tensor([7, 8]), accumulate=True),
    "sum_to_size": lambda lib, x: x.sum_to_size(1, 4),
    "histc": lambda lib, x: lib.histc(x * 1.0, 3),
    "histc of one": lambda lib, x: lib.histc(x[0, :1] * 1.0, 4),
    "histc of nothing": lambda lib, x: lib.histc(x[0, :0] * 1.0, 4),
    "scalar_tensor": lambda lib, x: lib.scalar_tensor(3),
    "chain_matmul": lambda lib, x: lib.chain_matmul(x),
    "cdist": lambda lib, x: lib.cdist(x * 1.0, x * 1.0, p=0.0),
    "cdist of nothing": lambda lib, x: lib.cdist(x[:, :0] * 1.0, x[:, :0] * 1.0),
    "renorm": lambda lib, x: lib.renorm(x * 1.0, 2, 0, 2.0),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
@pytest.mark.parametrize("name", CALLS)
def test_integers(name):
    """Values and dtypes are PyTorch's."""
    same(CALLS[name](mg, mg.tensor(NUMBERS)), CALLS[name](torch, torch.tensor(NUMBERS)))


def test_dtypes_of_results():
    names = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
    for a in names:
        for b in names:
            theirs = [torch.promote_types(getattr(torch, a), getattr(torch, b)), torch.can_cast(getattr(torch, a), getattr(torch, b))]
            ours = [mg.promote_types(getattr(mg, a), getattr(mg, b)), mg.can_cast(getattr(mg, a), getattr(mg, b))]
            assert [ours[0].name, ours[1]] == [str(theirs[0]).removeprefix("torch."), theirs[1]]
    operands = [True, 2, 2.5, *[([1], n) for n in names[::2]], *[(1, n) for n in names[::2]]]
    for a in operands:
        for b in operands:
            pairs = [[x if not isinstance(x, tuple) else lib.tensor(x[0], dtype=getattr(lib, x[1])) for x in (a, b)] for lib in (mg, torch)]
            assert mg.result_type(*pairs[0]).name == str(torch.result_type(*pairs[1])).removeprefix("torch."), (a, b)


def test_reshaping_in_place():
    x = mg.zeros(2, 1, 3)
    assert x.squeeze_() is x and x.shape == (2, 3)
    assert x.unsqueeze_(0).shape == (1, 2, 3) and x.transpose_(0, 2).shape == (3, 2, 1) and x.swapaxes_(0, 1).shape == (2, 3, 1)
    assert x.squeeze_(2).t_().shape == (3, 2)
    w = mg.tensor([[1.0, 2.0]], requires_grad=True)
    y = w * 2
    y.t_().unsqueeze_(0)
    (y * mg.tensor([[3.0], [5.0]])).sum().backward()
    assert w.grad.tolist() == [[6.0, 10.0]]
    with pytest.raises(RuntimeError, match="t_: a leaf that requires a gradient cannot be written"):
        w.t_()
    with mg.no_grad():
        w.t_()
    (w * w).sum().backward()
    assert w.shape == (2, 1) and w.grad.tolist() == [[2.0], [4.0]]
    view = mg.arange(4).reshape(2, 2)
    base = mg.arange(6)
    part = base[:4]
    part.unsqueeze_(0)
    assert part.shape == (1, 4) and base.shape == (6,) and view.t_().tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("shape", "wrap"), [((3, 3), False), ((7, 3), False), ((7, 3), True), ((2, 4), True), ((2, 2, 2), False), ((0, 2), True)]
)
def test_fill_diagonal(shape, wrap):
    same(mg.zeros(*shape).fill_diagonal_(5, wrap), torch.zeros(*shape).fill_diagonal_(5, wrap))


def test_draws_in_place():
    mg.manual_seed(1)
    x = mg.zeros(20_000, dtype=mg.float64)
    assert x.exponential_(2.0).mean().item() == pytest.approx(0.5, abs=0.02)
    assert x.log_normal_(0.5, 0.25).log().mean().item() == pytest.approx(0.5, abs=0.01)
    assert x.cauchy_(3.0, 0.5).median().item() == pytest.approx(3.0, abs=0.03)
    assert x.geometric_(0.25).mean().item() == pytest.approx(4.0, abs=0.1) and x.min().item() == 1
    drawn = x.random_(3, 6)
    assert set(drawn.tolist()) == {3.0, 4.0, 5.0}
    assert x.random_(2).max().item() == 1 and x.random_().max().item() > 2**51
    flags, small, large = mg.zeros(100, dtype=mg.bool), mg.zeros(1000, dtype=mg.uint8), mg.zeros(100, dtype=mg.int64)
    assert 0 < flags.random_().sum().item() < 100 and small.random_().max().item() > 250 and large.random_().max().item() > 2**60
    generator = mg.Generator().manual_seed(5)
    assert mg.zeros(3).exponential_(generator=generator).tolist() == mg.zeros(3).exponential_(generator=generator.manual_seed(5)).tolist()


def test_draws():
    mg.manual_seed(0)
    assert mg.poisson(mg.full((20_000,), 3.5)).mean().item() == pytest.approx(3.5, abs=0.05)
    drawn = mg.binomial(mg.full((20_000,), 10.0), mg.tensor(0.3))
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.05) and drawn.max().item() <= 10 and drawn.dtype == mg.float32
    assert mg.tensor([0.0, 1.0]).bernoulli().tolist() == [0, 1] and mg.tensor([0.0, 2.0]).multinomial(1).tolist() == [1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distances_of_near_and_equal_rows(dtype):
    """Exact, though distances come from a product of matrices; and without a gradient where rows are equal, as in PyTorch."""
    rng = np.random.default_rng(0)
    a = rng.normal(100.0, 1.0, (30, 4)).astype(dtype)
    b = np.concatenate([a[:3], a[3:6] + np.array(1e-4, dtype), rng.normal(100.0, 1.0, (3, 4)).astype(dtype)])
    exact = np.sqrt(np.square(a.astype(np.longdouble)[:, None] - b.astype(np.longdouble)).sum(-1)).astype(np.float64)
    x, y = mg.tensor(a, requires_grad=True), mg.tensor(b, requires_grad=True)
    found = mg.cdist(x, y)
    np.testing.assert_allclose(found.numpy(force=True), exact, rtol=1e-6 if dtype == "float32" else 1e-12)
    assert found[0, 0].item() == 0 and found.dtype == x.dtype
    found.sum().backward()
    t, u = torch.tensor(a.astype(np.float64), requires_grad=True), torch.tensor(b.astype(np.float64), requires_grad=True)
    torch.cdist(t, u, compute_mode="donot_use_mm_for_euclid_dist").sum().backward()
    for mine, other in ((x, t), (y, u)):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-3, atol=1e-9 if dtype == "float64" else 2e-3)
    assert np.isnan(mg.cdist(mg.tensor([[math.nan]]), mg.tensor([[1.0]])).item())


def test_third_order():
    """Through maxima of scattered values, distances and quantiles."""
    from minigrad.testing import gradcheck

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    assert gradcheck(lambda x, y: mg.cdist(x, y), x, y, order=3)
    index = mg.tensor([[0, 0], [1, 0], [1, 1]])
    for how in ("prod", "mean", "amax"):
        assert gradcheck(lambda x, y, how=how: y.scatter_reduce(0, index, x * x, how).exp(), x, y, order=3)
    assert gradcheck(lambda x: mg.quantile(x * x, mg.tensor([0.3, 0.6], dtype=mg.float64), dim=0) ** 2, x, order=3)
    assert gradcheck(lambda x: mg.as_strided(x, (3, 2), (1, 2)) ** 3, x, order=3)


def test_the_weight_of_one_observation_may_have_no_dimension():
    x = mg.tensor(2.0)
    assert (
        mg.cov(x, correction=0, fweights=mg.tensor(7), aweights=mg.tensor(0.5)).item()
        == mg.cov(x[None], fweights=mg.tensor(7)).item()
        == 0.0
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mg.diff(mg.tensor(1)), ValueError, "diff: at least 1 dimension is needed"),
        (lambda: mg.trapezoid(mg.ones(3), mg.ones(2)), ValueError, r"trapezoid: x has 2 elements, but dimension 0 of y \(3,\) has 3"),
        (lambda: mg.trapezoid(mg.ones(3), mg.ones(3), dx=1), TypeError, "trapezoid: x and dx say the same thing"),
        (lambda: mg.gradient(mg.ones(1)), ValueError, r"gradient: dimension 0 of shape \(1,\) has 1 elements, and edge_order=1 needs 2"),
        (lambda: mg.gradient(mg.ones(3), edge_order=3), ValueError, "gradient: edge_order must be 1 or 2, not 3"),
        (lambda: mg.gradient(mg.ones(3, 3), spacing=[1.0]), ValueError, "gradient: 1 spacings for 2 dims"),
        (lambda: mg.cov(mg.ones(1, 2, 3)), ValueError, r"cov: at most 2 dimensions .* not shape \(1, 2, 3\)"),
        (lambda: mg.cov(mg.ones(3), fweights=mg.tensor([1, -1, 1])), ValueError, "cov: fweights must not be negative"),
        (lambda: mg.cov(mg.ones(3), fweights=mg.ones(3)), ValueError, "cov: fweights must be integers of shape"),
        (lambda: mg.quantile(mg.ones(3), 1.5), ValueError, r"quantile: q must be in \[0, 1\]"),
        (lambda: mg.quantile(mg.ones(0), 0.5), ValueError, r"quantile: there is no element in shape \(0,\)"),
        (lambda: mg.quantile(mg.ones(3), 0.5, interpolation="cubic"), ValueError, "quantile: interpolation must be one of linear, lower"),
        (lambda: mg.quantile(mg.tensor([1]), 0.5), TypeError, "quantile: the input must be float32 or float64, not int64"),
        (lambda: mg.quantile(mg.ones(3), mg.tensor([0.5], dtype=mg.float64)), RuntimeError, "quantile: input is float32 but q is float64"),
        (lambda: mg.mode(mg.ones(2, 0)), IndexError, r"mode: dimension 1 of shape \(2, 0\) has size 0"),
        (lambda: mg.histc(mg.tensor([1])), TypeError, "histc: a floating dtype is needed"),
        (lambda: mg.histc(mg.tensor([1.0, inf])), ValueError, "histc: the range from 1.0 to inf must be finite"),
        (lambda: mg.searchsorted(mg.ones(2, 3), mg.ones(3, 3)), ValueError, r"searchsorted: rows of shape \(2, 3\) do not fit"),
        (lambda: mg.searchsorted(mg.ones(2), mg.ones(3), side="middle"), ValueError, "searchsorted: side must be 'left' or 'right'"),
        (lambda: mg.searchsorted(mg.ones(2), 1.0, side="left", right=True), ValueError, "searchsorted: side='left' and right=True"),
        (lambda: mg.bucketize(mg.ones(2), mg.ones(2, 2)), ValueError, "bucketize: the boundaries must be a vector"),
        (lambda: mg.block_diag(mg.ones(1, 1, 1)), ValueError, "block_diag: at most 2 dimensions are possible"),
        (lambda: mg.cartesian_prod(mg.ones(1, 1)), ValueError, "cartesian_prod: vectors are needed"),
        (lambda: mg.hsplit(mg.ones(2, 3), 2), ValueError, r"hsplit: dimension 1 of shape \(2, 3\) does not divide into 2 equal parts"),
        (lambda: mg.vsplit(mg.ones(3), 1), ValueError, "vsplit: at least 2 dimensions are needed"),
        (lambda: mg.select_scatter(mg.ones(2, 3), mg.ones(2), 0, 0), ValueError, r"select_scatter: src has shape \(2,\), but the part of"),
        (lambda: mg.select_scatter(mg.ones(2, 3), mg.ones(3), 0, 2), IndexError, "select_scatter: index 2 is out of bounds for dimension 0"),
        (lambda: mg.slice_scatter(mg.ones(4), mg.ones(4), step=0), ValueError, "slice_scatter: step must be 1 or above"),
        (lambda: mg.diagonal_scatter(mg.ones(2, 2), mg.ones(3)), ValueError, "diagonal_scatter: src has shape"),
        (lambda: mg.as_strided(mg.ones(4), (3,), (2,)), ValueError, r"as_strided: sizes \(3,\) with strides \(2,\) from 0 reach element 4 of 4"),
        (lambda: mg.as_strided(mg.ones(2, 3).t(), (2,), (1,)), ValueError, "as_strided: the tensor is not contiguous"),
        (lambda: mg.unravel_index(mg.ones(2), (2, 2)), TypeError, "unravel_index: the indices must be integers"),
        (lambda: mg.zeros(2).scatter_reduce(0, mg.tensor([0]), mg.ones(1), "median"), ValueError, "scatter_reduce: reduce must be one of sum"),
        (lambda: mg.index_reduce(mg.zeros(2), 0, mg.tensor([0]), mg.ones(1), "sum"), ValueError, "index_reduce: reduce must be one of prod"),
        (lambda: mg.put(mg.zeros(2), mg.tensor([2]), mg.ones(1)), IndexError, "put: index 2 is out of bounds"),
        (lambda: mg.put(mg.zeros(2), mg.tensor([1]), mg.ones(2)), ValueError, "put: 1 places for the 2 elements"),
        (lambda: mg.cdist(mg.ones(2, 3), mg.ones(2, 2)), ValueError, r"cdist: \(..., P, M\) and \(..., R, M\) are needed"),
        (lambda: mg.cdist(mg.ones(2, 3), mg.ones(2, 3), p=-1), ValueError, "cdist: p must not be negative"),
        (lambda: mg.renorm(mg.ones(3), 2, 0, 1), ValueError, "renorm: at least 2 dimensions are needed"),
        (lambda: mg.renorm(mg.ones(3, 3), 2, 0, -1), ValueError, "renorm: maxnorm must be 0 or above"),
        (lambda: mg.chain_matmul(mg.ones(3)), ValueError, "chain_matmul: matrices are needed"),
        (lambda: mg.positive(mg.tensor([True])), TypeError, "positive: booleans have no sign"),
        (lambda: mg.zeros(3).fill_diagonal_(1), ValueError, r"fill_diagonal_: a matrix, .* not shape \(3,\)"),
        (lambda: mg.zeros(3).exponential_(0), ValueError, "exponential_: lambd must be above 0"),
        (lambda: mg.zeros(3).geometric_(1.0), ValueError, "geometric_: p must be between 0 and 1"),
        (lambda: mg.zeros(3).random_(3, 3), ValueError, "random_: low must be below to"),
        (lambda: mg.poisson(mg.tensor([-1.0])), ValueError, "poisson: rates must be 0 or above"),
        (lambda: mg.binomial(mg.tensor([1.0]), mg.tensor([1.5])), ValueError, "binomial: probabilities must be in"),
    ],
)  # fmt: skip
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


HISTOGRAMS = {
    "of a number of intervals": lambda lib, x, w: lib.histogram(x[..., 0], 7),
    "with range, weight and density": lambda lib, x, w: lib.histogram(x[..., 0], 7, range=(-1.0, 0.5), weight=w, density=True),
    "of edges": lambda lib, x, w: lib.histogram(x[..., 0], lib.tensor([-1.0, 0.0, 0.25, 2.0], dtype=lib.float64)),
    "of one number": lambda lib, x, w: lib.histogram(x[0, :1, 0], 3),
    "of nothing": lambda lib, x, w: lib.histogram(x[0, :0, 0], 2),
    "of points": lambda lib, x, w: lib.histogramdd(x, [3, 4]),
    "of points within": lambda lib, x, w: lib.histogramdd(x, 3, range=[-1.0, 1.0, -2.0, 1.0], weight=w, density=True),
    "of points in cells": lambda lib, x, w: lib.histogramdd(x, [lib.tensor([-1.0, 0.0, 0.25, 2.0], dtype=lib.float64), lib.tensor([-1.0, 0.0], dtype=lib.float64)]),
    "of floats": lambda lib, x, w: lib.histogramdd(x.float(), [2, 5]),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_histograms(name):
    draw = np.random.default_rng(0)
    x, w = np.round(draw.standard_normal((5, 8, 2)), 2), draw.random((5, 8))  # some are on edges
    ours, theirs = HISTOGRAMS[name](mg, mg.tensor(x), mg.tensor(w)), HISTOGRAMS[name](torch, torch.tensor(x), torch.tensor(w))
    several = "points" in name or "floats" in name
    assert ours._fields == ("hist", "bin_edges") and isinstance(ours.bin_edges, tuple) == several
    edges = [(a, b) for a, b in zip(ours.bin_edges, theirs.bin_edges, strict=True)] if several else [(ours.bin_edges, theirs.bin_edges)]
    for a, b in [(ours.hist, theirs.hist), *edges]:
        assert str(a.dtype).removeprefix("torch.") == str(b.dtype).removeprefix("torch.")
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_gradients_of_histograms_flow_to_weights_and_arrays_stay_arrays():
    x, w = np.array([0.0, 1.0, inf, nan, 2.0, -1.0]), np.arange(6.0)
    assert gradcheck(lambda w: mg.histogram(mg.tensor(x), 2, range=(0.0, 2.0), weight=w).hist, mg.tensor(w, requires_grad=True), order=2)
    found = mg.histogram(x, 2, range=(0.0, 2.0), weight=w)
    assert isinstance(found.hist, np.ndarray) and found.hist.tolist() == [0.0, 5.0] and found.bin_edges.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_histograms_of_infinite_numbers_warn_of_nothing(dtype):
    """The filter of warnings makes one an error. Two infinite edges ascend, as in PyTorch, and between them there is no density."""
    x = mg.tensor([1.0, inf, -inf, nan, 2.0, 1.0], dtype=getattr(mg, dtype))
    edges = mg.tensor([-inf, -inf, 1.5, inf, inf], dtype=getattr(mg, dtype))
    assert mg.histogram(x, edges).hist.tolist() == [0.0, 3.0, 1.0, 1.0]
    density = mg.histogram(x, edges, density=True).hist.tolist()
    assert density[1:3] == [0.0, 0.0] and np.isnan([density[0], density[3]]).all()
    assert mg.histogram(x, 2, range=(0.0, 2.0)).hist.tolist() == mg.histc(x, 2, 0, 2).tolist() == [0.0, 3.0]


def test_histc_compares_in_float64():
    x = mg.tensor([-3e38, 1.0, 3e38])
    assert mg.histc(x, 2).tolist() == [1.0, 2.0]
    assert mg.histc(x, 2, 0, 1e39).tolist() == [2.0, 0.0]  # 1e39 is no float32


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: mg.histogram(mg.arange(3), 3), TypeError, "histogram: a floating dtype is needed, not int64"),
    (lambda: mg.histogram(mg.ones(3), 0), mg.ShapeError, "histogram: bins must be 1 or above"),
    (lambda: mg.histogram(mg.tensor([1.0, nan]), 3), ValueError, "histogram: the range from nan to nan must be finite"),
    (lambda: mg.histogram(mg.tensor([1.0, inf]), 3), ValueError, "histogram: the range from 1.0 to inf must be finite and ascending"),
    (lambda: mg.histogramdd(mg.tensor([[1.0], [inf]]), 3), ValueError, "histogramdd: the range from 1.0 to inf must be finite and ascending"),
    (lambda: mg.histc(mg.tensor([-inf, inf]), 3), ValueError, "histc: the range from -inf to inf must be finite and ascending"),
    (lambda: mg.histogram(mg.tensor([-3e38, 3e38]), 3), ValueError, r"histogram: the range from -3e\+38 to 3e\+38 is too wide for float32"),
    (lambda: mg.histogram(mg.ones(3), 3, range=(0.0, 1e39)), ValueError, r"histogram: the range from 0 to 1e\+39 is too wide for float32"),
    (lambda: mg.histc(mg.ones(3), 3, -1.5e308, 1.5e308), ValueError, r"histc: the range from -1.5e\+308 to 1.5e\+308 is too wide for float64"),
    (lambda: mg.histogram(mg.ones(3), 3, range=(2.0, 1.0)), ValueError, "histogram: the range from 2.0 to 1.0 must be finite and ascending"),
    (lambda: mg.histogram(mg.ones(3), mg.tensor([2.0, 1.0])), ValueError, "histogram: edges of bins are a vector"),
    (lambda: mg.histogram(mg.ones(3), 3, weight=mg.ones(2)), mg.ShapeError, r"histogram: weight has shape \(2,\), but input \(3,\)"),
    (lambda: mg.histogramdd(mg.ones(3, 2), [1, 2, 3]), mg.ShapeError, "bins are given for 3 coordinates, but points have 2"),
    (lambda: mg.histogramdd(mg.ones(3, 2), 2, range=(0.0, 1.0)), ValueError, "range has 4 numbers"),
    (lambda: mg.histogramdd(mg.ones(3, 2), 2, weight=mg.ones(2)), mg.ShapeError, r"weight has shape \(2,\), but there are \(3,\) points"),
    (lambda: mg.histogramdd(mg.tensor(1.0), 2), mg.ShapeError, r"points \(..., n\) are needed"),
])  # fmt: skip
def test_histograms_that_cannot_be(call, error, message):
    with pytest.raises(error, match=message):
        call()
