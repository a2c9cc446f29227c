"""Reductions beyond the table of cases: conventions at ties, zeros and NaN, dtypes, empty tensors, errors."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import reduce

nan, inf = math.nan, math.inf


def gradient(function, values):
    x = mg.tensor(np.array(values, np.float64), requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


# ------------------------------------------------------------------------------------------------- conventions


@pytest.mark.parametrize("name", ["max", "amax"])
def test_ties_share_where_all_are_reduced(name):
    assert gradient(lambda x: getattr(x, name)(), [[1, 4], [4, 4]]) == [[0, 1 / 3], [1 / 3, 1 / 3]]


def test_ties_share_in_amin_and_first_wins_in_min():
    values = [[2, 1, 1], [0, 0, 0]]
    assert gradient(lambda x: x.amin(1), values) == [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    assert gradient(lambda x: x.min(1).values, values) == [[0, 1, 0], [1, 0, 0]]
    assert gradient(lambda x: x.max(1).values, values) == [[1, 0, 0], [1, 0, 0]]
    assert mg.tensor(values).max(1).indices.tolist() == [0, 0]


def test_median_shares_among_ties():
    assert gradient(lambda x: x.median(), [1, 3, 2, 2]) == [0, 0, 0.5, 0.5]
    assert mg.tensor([4.0, 1.0, 3.0, 2.0]).median().item() == 2  # the lower of the two in the middle


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2, 0, 3], [0, 6, 0]), ([0, 0, 3], [0, 0, 0]), ([-1, 2, 3], [6, -3, -2]), ([0], [1]), ([], [])],
)
def test_prod_at_zeros(values, expected):
    assert gradient(lambda x: x.prod(), values) == expected


def test_second_derivative_of_prod_at_zeros():
    x = mg.tensor(np.array([0.0, 0.0, 3.0]), requires_grad=True)
    (first,) = mg.grad(x.prod(), x, create_graph=True)
    hessian = [mg.grad(first[i], x, retain_graph=True)[0].tolist() for i in range(3)]
    assert hessian == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]


def test_cumprod_at_zeros():
    assert gradient(lambda x: x.cumprod(0), [2, 0, 3, 0]) == [1, 2 + 2 * 3, 0, 0]


@pytest.mark.parametrize("p", [2, 1, 3, 0.5, inf])
def test_norm_of_zero_has_gradient_zero(p):
    assert gradient(lambda x: x.norm(p), [0, 0]) == [0, 0]


def test_std_of_equal_elements_has_gradient_zero():
    assert gradient(lambda x: x.std(), [2, 2, 2]) == [0, 0, 0]


def test_logsumexp_of_masked_row():
    values = [[-inf, -inf], [0, -inf]]
    assert mg.tensor(values).logsumexp(1).tolist() == [-inf, 0]
    assert gradient(lambda x: x.logsumexp(1), values) == [[0, 0], [1, 0]]
    assert mg.tensor([inf, 0.0]).logsumexp(0).item() == inf


def test_running_results_of_float32_are_rounded_once():
    """What a hundred thousand roundings would leave of them has 3 digits."""
    n = 100_000
    np.testing.assert_allclose(mg.logcumsumexp(mg.zeros(n), 0)[-1].item(), math.log(n), rtol=1e-6)
    x = np.float32(1 + 1e-4)
    np.testing.assert_allclose(mg.cumprod(mg.full((n,), float(x)), 0)[-1].item(), float(x) ** n, rtol=1e-6)
    assert mg.cumprod(mg.tensor([1e30, 1e30, 1e-30]), 0).tolist() == pytest.approx([1e30, math.inf, 1e30])
    assert mg.cumsum(mg.full((n,), 0.1).double(), 0, dtype=mg.float32).dtype == mg.float32


def test_logcumsumexp_is_stable():
    x = np.array([-inf, 1000, -1000, 999, 1001])
    expected = [-inf, 1000, 1000, 1000 + math.log1p(math.exp(-1)), 1001 + math.log1p(math.exp(-1) + math.exp(-2))]
    np.testing.assert_allclose(mg.tensor(x).logcumsumexp(0).numpy(), expected)
    assert np.isfinite(gradient(lambda x: x.logcumsumexp(0)[1:], x)).all()


# ------------------------------------------------------------------------------------------------- NaN and sorting


def test_nan_wins():
    x = mg.tensor([1.0, nan, 3.0])
    assert math.isnan(x.max().item()) and math.isnan(x.amin().item()) and math.isnan(x.median().item())
    assert x.argmax().item() == x.max(0).indices.item() == x.median(0).indices.item() == 1
    assert x.nansum().item() == 4 and x.nanmean().item() == 2
    assert gradient(lambda x: x.nanmean(), [1, nan, 3]) == [0.5, 0, 0.5]
    np.testing.assert_array_equal(x.cummax(0).values.numpy(), [1, nan, nan])


def test_sort_puts_nan_last_or_first():
    x = mg.tensor([2.0, nan, 1.0, nan, 2.0])
    assert x.sort().indices.tolist() == [2, 0, 4, 1, 3]
    assert x.sort(descending=True).indices.tolist() == [1, 3, 0, 4, 2]
    assert x.topk(3).indices.tolist() == [1, 3, 0]


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("kind", ["distinct", "ties", "nan", "integers"])
def test_topk_of_long_rows_is_the_start_of_a_stable_sort(kind, largest):
    """Long rows are partitioned, not sorted: equal elements at the border and NaN must not show."""
    x = np.random.default_rng(3).standard_normal((7, 200)).astype(np.float32)
    if kind in ("ties", "integers"):
        x = np.round(3 * x)
    if kind == "nan":
        x[2, 50:90] = x[3, 7] = nan
        x[4] = np.round(x[4])
    x = x.astype(np.int64) if kind == "integers" else x
    for k, dim in ((1, 1), (10, 1), (50, 1), (3, 0), (60, 1), (0, 1)):
        for wide in (x, np.repeat(x, 2, axis=1)[:, ::2], np.ascontiguousarray(x.T).T):
            found = mg.tensor(wide).topk(k, dim, largest)
            values, indices = mg.tensor(x).sort(dim, descending=largest)
            np.testing.assert_array_equal(found.indices.numpy(), indices.numpy()[:k] if dim == 0 else indices.numpy()[:, :k])
            np.testing.assert_array_equal(found.values.numpy(), values.numpy()[:k] if dim == 0 else values.numpy()[:, :k])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4097), (700, 64), (70, 65), (5, 7, 130), (2, 100000)])
def test_cumsum_of_long_rows(dtype, shape):
    """Against float64 sums of the same numbers, with no larger error than one addition after another."""
    x = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    exact = np.add.accumulate(x.astype(np.longdouble), axis=-1)
    found = mg.tensor(x).cumsum(-1).numpy()
    plain = np.abs(np.add.accumulate(x, axis=-1) - exact).max()
    assert found.dtype == dtype and found.shape == shape
    assert np.abs(found - exact).max() <= 1.2 * plain
    np.testing.assert_array_equal(mg.tensor(np.repeat(x, 2, -1)[..., ::2]).cumsum(-1).numpy(), found)


@pytest.mark.parametrize("value", [nan, math.inf, -math.inf])
def test_cumsum_is_not_finite_from_there_on(value):
    x = np.ones((40, 200), np.float32)
    x[3, 150], x[7, 199], x[9, 0] = value, value, value
    np.testing.assert_array_equal(mg.tensor(x).cumsum(1).numpy(), np.add.accumulate(x, axis=1))


def test_results_have_names():
    x = mg.tensor([[3.0, 1.0, 2.0]])
    for found in (x.max(1), x.min(1), x.sort(1), x.topk(2), x.cummax(1), x.kthvalue(1), x.median(1)):
        values, indices = found
        assert found.values is values and found.indices is indices and indices.dtype == np.int64
    assert x.aminmax().max.item() == 3


# ------------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("shape", [(200_003, 3), (40, 5003, 2)])
def test_many_rows_are_added_precisely(shape):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    dims = tuple(range(len(shape) - 1))
    exact = x.astype(np.float64)
    for keepdim in (False, True):
        for ours, reference in ((mg.sum, np.sum), (mg.mean, np.mean), (mg.var, lambda *a, **k: np.var(*a, ddof=1, **k))):
            y = ours(mg.tensor(x), dims, keepdim=keepdim)
            assert y.dtype == np.float32
            np.testing.assert_allclose(y.numpy(), reference(exact, axis=dims, keepdims=keepdim), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers_add_up_to_int64(dtype):
    x = mg.tensor(np.ones((2, 3), dtype))
    for y in (x.sum(), x.sum(0), x.prod(), x.cumsum(0), x.cumprod(1), x.count_nonzero(), x.argmax()):
        assert y.dtype == np.int64
    assert x.max().dtype == np.dtype(dtype)
    assert x.any().dtype == x.all(0).dtype == ("uint8" if dtype == "uint8" else "bool")


def test_float16_is_added_in_float32():
    x = mg.tensor(np.full(60000, 2.0, np.float16))  # the sum is beyond float16
    assert x.mean().item() == 2 and x.mean().dtype == np.float16
    assert mg.tensor(np.full(4000, 1.0, np.float16)).cumsum(0)[-1].item() == 4000


def test_dtype_argument():
    x = mg.tensor([1, 2], dtype=mg.int32)
    assert x.sum(dtype=mg.float32).dtype == np.float32
    assert x.mean(dtype=mg.float64).item() == 1.5
    y = mg.tensor([1.0, 2.0], requires_grad=True)
    y.sum(dtype=mg.float64).backward()
    assert y.grad.dtype == np.float32


def test_var_says_correction_in_four_ways():
    x = mg.tensor(np.array([[1.0, 2.0, 4.0], [0.0, 1.0, 5.0]]))
    biased = np.var(x.numpy(), axis=1)
    for y in (x.var(1, False), x.var(1, unbiased=False), x.var(1, correction=0), x.var(dim=1, correction=0.0)):
        np.testing.assert_allclose(y.numpy(), biased)
    assert x.var(False).item() == pytest.approx(np.var(x.numpy()))
    with pytest.raises(TypeError, match="std: correction and unbiased say the same thing"):
        x.std(1, unbiased=True, correction=1)


# ------------------------------------------------------------------------------------------------- numpy's names


def test_numpy_names():
    x = mg.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert mg.max(x, axis=1).values.tolist() == [2, 5]
    assert mg.sum(x, axis=(0, 1)).item() == 15
    with pytest.raises(TypeError, match="dim and axis are the same argument"):
        x.sum(dim=0, axis=0)


@pytest.mark.parametrize("function", [np.sum, np.mean, np.prod, np.max, np.min, np.any, np.all])
def test_numpy_functions_stay_in_the_graph(function):
    x = mg.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    for axis in (None, 0):
        y = function(x, axis=axis)
        y = y.values if axis == 0 and function in (np.max, np.min) else y
        assert isinstance(y, mg.Tensor) and y.requires_grad == (function not in (np.any, np.all))
        np.testing.assert_array_equal(y.detach().numpy(), function(x.detach().numpy(), axis=axis))


# ------------------------------------------------------------------------------------------------- nothing, and errors


def test_reductions_of_nothing():
    x = mg.zeros(0, 3)
    assert x.sum().item() == 0 and x.prod(0).tolist() == [1, 1, 1] and x.norm().item() == 0
    assert np.isnan(x.mean(0).numpy()).all() and math.isnan(x.var().item())
    assert x.logsumexp(0).tolist() == [-inf] * 3
    assert x.amax(1).shape == x.max(1).values.shape == x.argmax(1).shape == (0,)
    assert x.any().item() is False and x.all().item() is True
    assert x.sort(0).values.shape == x.cumsum(0).shape == x.cummax(0).values.shape == x.topk(0, 0).indices.shape == (0, 3)


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "argmax", "argmin"])
def test_extremes_of_nothing(name):
    with pytest.raises(mg.ShapeError, match=rf"a?{name}: there is no element in shape \(0, 3\)"):
        getattr(mg.zeros(0, 3), name)()
    with pytest.raises(IndexError, match=rf"{name}: dimension 0 of shape \(0, 3\) has size 0"):
        getattr(mg.zeros(0, 3), name)(0)


@pytest.mark.parametrize(
    "name",
    ["sum", "mean", "prod", "var", "amax", "argmax", "any", "count_nonzero", "logsumexp", "cumsum", "cumprod", "cummax", "sort", "argsort"],
)
def test_dim_out_of_range(name):
    with pytest.raises(IndexError, match=rf"{name}: dim 2 is out of range for a tensor of 2 dimensions: it must be in -2..1"):
        getattr(mg.ones(2, 3), name)(2)
    with pytest.raises(IndexError, match=r"in -1\.\.0"):
        getattr(mg.tensor(1.0), name)(1)


@pytest.mark.parametrize("name", ["mean", "var", "std", "norm", "nanmean", "logcumsumexp"])
def test_integers_are_refused(name):
    arguments = (0,) if name == "logcumsumexp" else ()
    with pytest.raises(TypeError, match="a floating dtype is needed, not int64"):
        getattr(mg.tensor([1, 2]), name)(*arguments)


def test_other_errors():
    x = mg.tensor([[1.0, 2.0, 3.0]])
    with pytest.raises(mg.ShapeError, match=r"sum: a dim comes twice in \(0, -2\)"):
        x.sum((0, -2))
    with pytest.raises(mg.ShapeError, match=r"topk: k=4 is not in 0..3, the size of dimension 1 of shape \(1, 3\)"):
        x.topk(4)
    with pytest.raises(mg.ShapeError, match=r"kthvalue: k=0 is not in 1..3"):
        x.kthvalue(0)
    with pytest.raises(mg.ShapeError, match=r"norm with p=-inf: there is no element"):
        mg.zeros(0).norm(-inf)
    with pytest.raises(ValueError, match="norm: p must be a number or 'fro', not 'max'"):
        x.norm("max")
    with pytest.raises(mg.ShapeError, match="bincount: a vector of integers >= 0 is needed, and this one has -1"):
        mg.bincount(mg.tensor([-1, 2]))
    with pytest.raises(mg.ShapeError, match=r"bincount: weights \(1,\) must have the shape \(2,\)"):
        mg.bincount(mg.tensor([1, 2]), mg.tensor([1.0]))
    with pytest.raises(mg.ShapeError, match="linear_recurrence"):
        reduce.linear_recurrence(np.ones(2), np.ones(3), dim=0)


def test_sum_has_a_view_as_gradient():
    seen = []
    x = mg.ones(1000, 1000, requires_grad=True)
    y = x * 1.0
    y.register_hook(lambda g: seen.append(g.numpy().strides))
    y.sum().backward()
    assert seen == [(0, 0)]


@pytest.mark.parametrize(
    "running",
    [
        lambda x, dtype: mg.cumsum(x, 0, dtype=dtype)[-1],
        lambda x, dtype: mg.sum(x.reshape(2, -1, 5), (1, 2), dtype=dtype).sum(),
        lambda x, dtype: mg.mean(x.reshape(2, -1, 5), (1, 2), dtype=dtype).sum() * (x.numel() / 2),
    ],
    ids=["cumsum", "sum", "mean"],
)
def test_a_sum_of_float32_in_float64_is_computed_in_float64(running):
    """``np.dtype("float64") == None`` is True in numpy, so ``dtype in (None, ...)`` took float64 for no dtype at all."""
    x = mg.full((1_000_000,), 0.1)
    for dtype in (mg.float64, "float64", np.float64):
        total = running(x, dtype)
        assert total.dtype == np.float64
        assert total.item() == pytest.approx(1e6 * float(np.float32(0.1)), rel=1e-12)


def test_nanmean_returns_the_dtype_that_was_asked_for():
    x = mg.tensor([1.0, math.nan, 2.0])
    for dtype in (mg.float16, mg.float32, mg.float64):
        assert mg.nanmean(x, dtype=dtype).dtype == dtype and mg.nanmean(x, dtype=dtype).item() == 1.5
    assert mg.nanmean(x.double(), dtype=mg.float32).dtype == mg.float32


def test_unique_refuses_a_dim_of_a_tensor_without_dimensions():
    with pytest.raises(IndexError, match="unique: dim is 0 but the tensor has no dimensions"):
        mg.unique(mg.tensor(1.0), dim=0)


def test_unique_does_not_cut_the_graph_in_silence():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="unique: there is no derivative"):
        (x.unique().sum() + x.sum()).backward()
    assert x.detach().unique().tolist() == [1.0, 2.0]


def test_the_standard_deviation_of_large_numbers_does_not_overflow():
    """PyTorch: 7.07e19, with gradients of ±0.707."""
    x = mg.tensor([1e20, 0.0], requires_grad=True)
    s = x.std()
    s.backward()
    np.testing.assert_allclose([s.item(), *x.grad.tolist()], [1e20 / math.sqrt(2), math.sqrt(0.5), -math.sqrt(0.5)], rtol=1e-6)
    assert mg.tensor([math.inf, 0.0]).std().isnan().item() and mg.tensor([3e38, -3e38]).std().isinf().item()


@pytest.mark.parametrize("size", [4, 200])
def test_topk_is_contiguous(size):
    """``indices.view(-1)`` is what routers do next."""
    values, indices = mg.topk(mg.randn(3, size), 2)
    assert values.view(-1).shape == indices.view(-1).shape == (6,)


def test_a_second_dim_is_not_taken_for_keepdim():
    """``x.sum(0, 2)`` gave the sum over dim 0 alone."""
    x = mg.ones(2, 3, 4)
    for name in ("sum", "mean", "amax", "all", "argmax", "median", "max", "logsumexp", "nansum", "mode"):
        with pytest.raises(TypeError, match="keepdim must be True or False, but is 2"):
            getattr(x, name)(0, 2)
    with pytest.raises(TypeError, match=r"^var: unbiased must be True or False, but is 2"):
        x.var(0, 2)
    for name in ("median", "nanmedian"):
        with pytest.raises(TypeError, match=f"^{name}: keepdim=True goes with a dim"):
            getattr(x, name)(keepdim=True)
