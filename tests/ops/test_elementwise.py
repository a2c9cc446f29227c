"""Elementwise ops, activations and dropout beyond the table of cases: infinities, NaN, sizes, accuracy, random masks."""

import itertools
import math
import statistics

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad.kernels import native
from minigrad.kernels.quiet import quiet
from minigrad.ops import activation, dropout

inf, nan = math.inf, math.nan

# -------------------------------------------------------------------------------------------- special values

VALUES = [inf, -inf, 0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 6.0, 25.0, 1e4, -1e4, 104.0, -104.0, 1e-30, -1e-30]
UNARY = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "exp2", "expm1", "floor", "frac",
    "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square",
    "tan", "tanh", "trunc",
]  # fmt: skip
ACTIVATIONS = [
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "hardtanh", "hardsigmoid", "hardswish",
    "logsigmoid", "tanhshrink", "softshrink", "hardshrink",
]  # fmt: skip
BINARY = [
    "add", "sub", "mul", "div", "pow", "atan2", "hypot", "logaddexp", "xlogy", "maximum", "minimum", "fmax", "fmin", "fmod", "remainder",
    "floor_divide",
]  # fmt: skip
# Where PyTorch itself gives different answers to arrays of different lengths, or loses digits.
DIFFERENT = {
    ("gelu", inf), ("gelu", -3.0), ("acosh", -1.0), ("acosh", -1e4), ("acosh", -104.0), ("softsign", inf), ("softsign", -inf), ("softsign", 1e4),
    ("softsign", -1e4),
}  # fmt: skip


def both(name, ours, theirs, arrays):
    """Value and gradients with the two libraries, without any warning."""
    xs = [mg.tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, t = ours(*xs), theirs(*ts)
    found, expected = [y.detach().numpy()], [t.detach().numpy()]
    if name != "floor_divide":  # PyTorch has no gradient for it
        y.backward(mg.ones_like(y))
        t.backward(torch.ones_like(t))
        found += [x.grad.numpy() for x in xs]
        expected += [x.grad.numpy() for x in ts]
    return found, expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY + ACTIVATIONS)
def test_special_values(name, dtype):
    """Infinities, zeros and large numbers give PyTorch's values and gradients, and no warning."""
    ours = getattr(activation, name) if name in ACTIVATIONS else getattr(mg, name)
    theirs = getattr(torch.nn.functional, name) if name in ACTIVATIONS else getattr(torch, name)
    x = np.array([v for v in VALUES if (name, v) not in DIFFERENT], dtype)
    for mine, other in zip(*both(name, ours, theirs, [x]), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5 if dtype == "float32" else 2e-7, atol=1e-30, err_msg=str(x))
    y = ours(mg.tensor([nan], dtype=dtype)).numpy()
    assert y.dtype == dtype
    assert np.isnan(y) or name in ("nan_to_num", "sign"), "NaN must not get lost"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs(name, dtype):
    pairs = [(a, b) for a, b in itertools.product([*VALUES[:9], nan], repeat=2) if not (name == "pow" and b == 0 and not math.isfinite(a))]
    arrays = [np.array(side, dtype) for side in zip(*pairs, strict=True)]
    for mine, other in zip(*both(name, getattr(mg, name), getattr(torch, name), arrays), strict=True):
        for i, pair in enumerate(pairs):
            np.testing.assert_allclose(mine[i], other[i], rtol=2e-6, err_msg=f"{name}{pair}")


def test_quiet_is_local():
    """The switch for numpy's warnings holds inside it only, nests, and leaves the user's setting alone."""
    before = np.geterr()
    assert math.isinf(quiet().run(lambda: quiet().run(np.divide, 1.0, 0.0)))
    assert np.geterr() == before
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        np.divide(np.float64(1.0), 0.0)
    with np.errstate(all="raise"):
        assert mg.tensor(1e30).square().item() == inf
        with pytest.raises(FloatingPointError):
            np.square(np.float32(1e30))


# -------------------------------------------------------------------------------------------------- accuracy


def relative(found, expected):
    return np.max(np.abs(found - expected) / np.abs(expected))


def test_erf_is_exact():
    x = np.concatenate(
        [np.linspace(-27, 27, 20001), np.geomspace(1e-300, 1, 1000), [0.46875, np.nextafter(0.46875, 1), 4.0, np.nextafter(4.0, 5)]]
    )
    x = x[x != 0]
    assert relative(mg.tensor(x).erf().numpy(), np.array([math.erf(v) for v in x])) < 1e-15
    assert mg.erf(mg.tensor([0.0, inf, -inf], dtype=mg.float64)).tolist() == [0, 1, -1]
    x = x[x < 26]  # beyond, erfc is denormal
    assert relative(mg.tensor(x).erfc().numpy(), np.array([math.erfc(v) for v in x])) < 2e-15
    assert mg.erfc(mg.tensor([0.0, inf, -inf, 30.0], dtype=mg.float64)).tolist() == [1, 0, 2, 0]


def test_erf_in_float32():
    x = np.concatenate([np.linspace(-6, 6, 20001), np.geomspace(1e-30, 1, 1000)]).astype(np.float32)
    x = x[x != 0]
    y = mg.tensor(x).erf().numpy()
    assert y.dtype == np.float32
    assert relative(y, np.array([math.erf(v) for v in x])) < 3e-7
    assert np.abs(y).max() == 1
    x = x[x < 9]
    assert relative(mg.tensor(x).erfc().numpy(), np.array([math.erfc(v) for v in x])) < 1e-7


def test_erf_of_large_arrays():
    """Blocks of the computation do not show."""
    x = np.random.default_rng(0).normal(size=(3, 11000))
    np.testing.assert_allclose(mg.tensor(x.T).erf().numpy(), np.vectorize(math.erf)(x.T), rtol=1e-15)


def test_erfinv_is_the_inverse():
    y = np.concatenate([np.linspace(-1, 1, 4001)[1:-1], 1 - np.geomspace(1e-15, 0.1, 200), np.geomspace(1e-300, 0.1, 200)])
    y = y[y != 0]
    x = mg.tensor(y).erfinv().numpy()
    normal = statistics.NormalDist()
    middle = np.abs(y) < 0.9
    assert (
        relative(
            x[middle & (np.abs(y) > 1e-3)], np.array([normal.inv_cdf((1 + v) / 2) / math.sqrt(2) for v in y[middle & (np.abs(y) > 1e-3)]])
        )
        < 1e-12
    )
    assert relative(np.array([math.erf(v) for v in x[middle]]), y[middle]) < 1e-15
    assert relative(np.array([math.erfc(abs(v)) for v in x[~middle]]), 1 - np.abs(y[~middle])) < 1e-13


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logsigmoid", "logaddexp"])
def test_stable_functions(name):
    """No overflow, and small results keep their digits."""
    x = np.array([-700.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 700.0])
    found = {
        "sigmoid": lambda t: mg.sigmoid(t),
        "softplus": lambda t: activation.softplus(t, threshold=inf),
        "logsigmoid": lambda t: -activation.logsigmoid(-t),
        "logaddexp": lambda t: mg.logaddexp(t, mg.zeros_like(t)),
    }[name](mg.tensor(x)).numpy()
    small = np.exp(x[:2])  # both functions are e**x there
    np.testing.assert_allclose(found[:2], small, rtol=1e-15)
    expected = [1 / (1 + math.exp(-v)) if name == "sigmoid" else max(v, 0) + math.log1p(math.exp(-abs(v))) for v in x]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


# ------------------------------------------------------------------------------------------ choosing and comparing


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [0, 1, 100, 5000, 40000])
def test_where_agrees_with_numpy(dtype, size):
    """Its ways around np.where, for zeros and for large arrays, change no bit of any number."""
    rng = np.random.default_rng(size)
    x, y = (rng.choice([1.5, nan, inf, -inf, -0.0, 0.0, 1e-7], size).astype(dtype) for _ in range(2))
    mask = rng.random(size) < 0.5
    t, u, m = mg.tensor(x), mg.tensor(y), mg.tensor(mask)
    for ours, theirs in [
        (mg.where(m, t, u), np.where(mask, x, y)),
        (mg.where(m, t, 0.0), np.where(mask, x, np.zeros(1, dtype))),
        (mg.where(m, 0, t), np.where(mask, np.zeros(1, dtype), x)),
        (mg.where(m, t, -0.0), np.where(mask, x, -np.zeros(1, dtype))),
        (mg.where(m, t, 2.0), np.where(mask, x, np.full(1, 2, dtype))),
        (mg.where(m, t[::-1], u), np.where(mask, x[::-1], y)),
        (mg.where(m[:, None], t[:1], 0.0), np.where(mask[:, None], x[:1], np.zeros(1, dtype))),
    ]:
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours.numpy(), theirs)
        np.testing.assert_array_equal(np.signbit(ours.numpy()), np.signbit(theirs))


def test_where_of_one_argument():
    rows, columns = mg.where(mg.tensor([[True, False], [True, True]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1, 1], [0, 0, 1])


def test_where_needs_a_condition():
    with pytest.raises(TypeError, match="where: the condition must be boolean, not int64"):
        mg.where(mg.tensor([1, 0]), 1.0, 2.0)


def test_comparison_operators():
    x, y = mg.tensor([1.0, 2.0, 3.0], requires_grad=True), np.array([3.0, 2.0, 1.0])
    for left, right in [(x, y), (x, mg.tensor(y)), (y, x)]:
        a, b = np.asarray(getattr(left, "_data", left)), np.asarray(getattr(right, "_data", right))
        for operator in ("==", "!=", "<", "<=", ">", ">="):
            found = eval(f"left {operator} right", {"left": left, "right": right})
            assert isinstance(found, mg.Tensor)
            assert not found.requires_grad
            assert found.tolist() == eval(f"a {operator} b", {"a": a, "b": b}).tolist()


def test_equality_with_other_things():
    x = mg.tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "x") is False
    assert len({x, mg.tensor([1.0, 2.0])}) == 2  # hashing is by identity
    assert mg.equal(x, mg.tensor([1.0, 2.0]))
    assert not mg.equal(x, mg.tensor([1.0]))
    assert not mg.equal(x, mg.tensor([nan, 2.0]))
    assert mg.allclose(x, x + 1e-9)
    assert not mg.allclose(x, x + 1e-3)
    assert not mg.allclose(mg.tensor([nan]), mg.tensor([nan]))
    assert mg.allclose(mg.tensor([nan]), mg.tensor([nan]), equal_nan=True)


def test_logic_and_bits():
    a, b = mg.tensor([True, True, False]), mg.tensor([True, False, False])
    assert [(a & b).tolist(), (a | b).tolist(), (a ^ b).tolist(), (~a).tolist()] == [
        [True, False, False], [True, True, False], [False, True, False], [False, False, True]]  # fmt: skip
    n = mg.tensor([5, -3])
    assert [(n & 3).tolist(), (3 | n).tolist(), (n ^ 1).tolist(), (~n).tolist()] == [[1, 1], [7, -1], [4, -4], [-6, 2]]
    assert [(n << 1).tolist(), (1 << mg.tensor([0, 3])).tolist(), (n >> 1).tolist()] == [[10, -6], [1, 8], [2, -2]]
    a &= b
    assert a.tolist() == [True, False, False]
    with pytest.raises(TypeError, match="bitwise_and"):
        mg.tensor([1.0]) & mg.tensor([1.0])


@pytest.mark.parametrize("operator", ["//", "%"])
def test_integers_are_not_divided_by_zero(operator):
    with pytest.raises(ZeroDivisionError, match="division of integers by zero"):
        eval(f"x {operator} 0", {"x": mg.tensor([1, 2])})
    assert not np.isfinite(eval(f"x {operator} 0", {"x": mg.tensor([1.0, 2.0])}).numpy()).any()
    assert (mg.tensor([1]) / 0).tolist() == [inf]


def test_messages():
    with pytest.raises(mg.ShapeError, match=r"mul: shapes \(2,\) and \(3,\) do not broadcast"):
        mg.ones(2) * mg.ones(3)
    with pytest.raises(ValueError, match="at least one of min and max"):
        mg.clamp(mg.ones(2))
    with pytest.raises(ValueError, match="rounding_mode must be None, 'trunc' or 'floor', not 'up'"):
        mg.div(mg.ones(2), 2, rounding_mode="up")
    with pytest.raises(ValueError, match="hardtanh: min_val 2 is above max_val 1"):
        activation.hardtanh(mg.ones(2), 2, 1)
    with pytest.raises(ValueError, match=r"rrelu: lower 0\.5 is above upper 0\.1"):
        activation.rrelu(mg.ones(2), 0.5, 0.1)
    with pytest.raises(ValueError, match="softshrink: lambd must not be negative"):
        activation.softshrink(mg.ones(2), -1.0)
    with pytest.raises(ValueError, match="gelu: approximate must be 'none' or 'tanh', not 'erf'"):
        activation.gelu(mg.ones(2), approximate="erf")
    with pytest.raises(
        mg.ShapeError, match=r"prelu: weight \(2,\) must have 1 element or one for each of the 3 channels of the input \(4, 3\)"
    ):
        activation.prelu(mg.ones(4, 3), mg.ones(2))
    with pytest.raises(mg.ShapeError, match=r"glu: dim -1 of the input \(2, 3\) must have an even size"):
        activation.glu(mg.ones(2, 3))
    with pytest.raises(IndexError, match="glu: dim 2"):
        activation.glu(mg.ones(2, 4), 2)


# ----------------------------------------------------------------------------------------------------- in place


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardtanh", "hardsigmoid", "hardswish", "rrelu"]
)
def test_inplace_activations(name):
    """``inplace=True`` gives the argument itself the result, with the same gradients."""
    function = getattr(activation, name)
    w = mg.tensor([-2.0, -0.5, 0.5, 7.0], requires_grad=True)
    function(w * 1.5).sum().backward()
    expected, w.grad = w.grad, None
    x = w * 1.5
    alias = x
    y = function(x, inplace=True)
    assert y is x is alias
    assert mg.equal(x, function(w * 1.5))
    y.sum().backward()
    assert mg.equal(w.grad, expected)
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient cannot be written"):
        function(w, inplace=True)
    z = mg.ones(2, 2)
    function(z[0], inplace=True)
    assert mg.equal(z, mg.stack([function(mg.ones(2)), mg.ones(2)]))


def test_inplace_is_the_last_argument():
    x = mg.tensor([-1.0, 1.0])
    activation.leaky_relu(x, 0.5, True)
    assert x.tolist() == [-0.5, 1.0]
    activation.threshold(x, 0.0, 7.0, True)
    assert x.tolist() == [7.0, 1.0]
    assert dropout.dropout(x, 1.0, True, True) is x
    assert x.tolist() == [0.0, 0.0]


METHODS = [
    "abs", "ceil", "clamp", "cos", "erf", "exp", "floor", "log", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "square",
    "tanh", "trunc", "neg",
]  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_inplace_methods(name):
    args = (0.5, 1.0) if name == "clamp" else ()
    x = mg.tensor([0.25, 0.75, 1.25])
    expected = getattr(x, name)(*args)
    same = getattr(x, name + "_")(*args)
    assert same is x
    assert mg.equal(x, expected)


def test_augmented_and_binary_methods():
    x = mg.tensor([5.0, 7.0])
    assert x.clamp_(max=6).tolist() == [5.0, 6.0]
    assert x.remainder_(4).tolist() == [1.0, 2.0]
    assert x.lerp_(mg.tensor([3.0, 4.0]), 0.5).tolist() == [2.0, 3.0]
    assert x.addcmul_(mg.ones(2), mg.ones(2), value=2).tolist() == [4.0, 5.0]
    assert x.div_(2, rounding_mode="floor").tolist() == [2.0, 2.0]
    x //= 2
    x **= 3
    x %= 2
    assert x.tolist() == [1.0, 1.0]


# ------------------------------------------------------------------------------------------------------ dropout


OLD_AND_NEW = [
    (lambda x, y, m: mg.add(x, 2, y), lambda x, y, m: mg.add(x, y, alpha=2)),
    (lambda x, y, m: x.add(2, 3), lambda x, y, m: mg.add(x, 3, alpha=2)),
    (lambda x, y, m: x.add_(-0.1, y), lambda x, y, m: mg.add(x, y, alpha=-0.1)),
    (lambda x, y, m: x.sub_(0.5, y), lambda x, y, m: mg.sub(x, y, alpha=0.5)),
    (lambda x, y, m: x.mul_(0.9).addcmul_(0.1, y, y), lambda x, y, m: mg.addcmul(0.9 * x, y, y, value=0.1)),
    (lambda x, y, m: x.addcdiv_(-0.1, y, y), lambda x, y, m: mg.addcdiv(x, y, y, value=-0.1)),
    (lambda x, y, m: mg.addmm(2, m, 3, m, m), lambda x, y, m: mg.addmm(m, m, m, beta=2, alpha=3)),
    (lambda x, y, m: m.addmm_(1, -2, m, m), lambda x, y, m: mg.addmm(m, m, m, alpha=-2)),
    (lambda x, y, m: m.addmm(2, m, m), lambda x, y, m: mg.addmm(m, m, m, beta=2)),
    (lambda x, y, m: x.addmv(2, 3, m, y), lambda x, y, m: mg.addmv(x, m, y, beta=2, alpha=3)),
]


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_factors_between_the_tensors(old, new):
    """As in optimisers that were written before PyTorch 1.5; it still takes them, with a warning."""
    operands = lambda: (mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0]), mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    with pytest.warns(
        UserWarning, match=r"^(add\w*|sub): a factor before the tensor that it multiplies is deprecated, give (alpha|beta|value)="
    ):
        found = old(*operands())
    assert found.tolist() == new(*operands()).tolist()


def test_what_are_no_factors_between_tensors():
    x = mg.ones(2)
    for wrong in (
        lambda: mg.add(2, x, x),
        lambda: mg.add(x, x, x),
        lambda: mg.addcmul(x, x, x, x),
        lambda: x.add(2, 2, x),
        lambda: x.add(2, x, alpha=3),
    ):
        with pytest.raises(TypeError, match=r"positional arguments? but"):
            wrong()


@pytest.mark.parametrize("p", [0.0, 0.1, 1 / 3, 0.5, 255.5 / 256, 1 - 1e-6, 1.0])
def test_probability(p):
    mg.manual_seed(0)
    keep = dropout.random_keep((400, 500), p)
    assert keep.dtype == np.bool_
    spread = math.sqrt(max(p * (1 - p), 1e-12) / keep.size)
    assert abs((~keep).mean() - p) <= 5 * spread
    if p in (0.0, 1.0):
        assert (~keep).all() == (p == 1.0)


def test_dropout():
    mg.manual_seed(0)
    x = mg.ones(100, 100, requires_grad=True)
    y = dropout.dropout(x, 0.25)
    assert set(np.unique(y.numpy(force=True))) == {0.0, np.float32(1 / 0.75)}
    assert abs(y.mean().item() - 1) < 0.03
    y.sum().backward()
    assert mg.equal(x.grad, y)  # the same mask and scale on the way back
    assert not mg.equal(dropout.dropout(x, 0.25), y)
    mg.manual_seed(0)
    assert mg.equal(dropout.dropout(x, 0.25), y)


@pytest.mark.parametrize("name", ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"])
def test_when_nothing_is_dropped(name):
    function = getattr(dropout, name)
    x = mg.ones(*(2, 3, 4, 4, 4)[: {"1": 3, "2": 4, "3": 5}.get(name[-2], 3)])
    assert function(x, 0.5, training=False) is x
    assert function(x, 0.0, training=True) is x
    assert not function(x * inf, 1.0, training=True).numpy().any()
    for p in (-0.1, 1.1, nan):
        with pytest.raises(ValueError, match=f"{name}: p must be a probability between 0 and 1"):
            function(x, p, training=False)
    with pytest.raises(TypeError, match=f"{name}: the input must be floating"):
        function(x.long(), training=True)


@pytest.mark.parametrize(
    ("name", "shape", "mask"),
    [
        ("dropout1d", (20, 30, 5), (20, 30)), ("dropout1d", (300, 5), (300,)), ("dropout2d", (20, 30, 3, 2), (20, 30)),
        ("dropout2d", (20, 30, 6), (20, 30)), ("dropout3d", (20, 30, 2, 2, 2), (20, 30)), ("dropout3d", (300, 2, 2, 2), (300,)),
        ("feature_alpha_dropout", (20, 30, 2, 3), (20, 30)),
    ],
)  # fmt: skip
def test_whole_channels(name, shape, mask):
    mg.manual_seed(0)
    y = getattr(dropout, name)(mg.ones(*shape), 0.5, training=True).numpy().reshape(*mask, -1)
    assert (y == y[..., :1]).all()
    dropped = y[..., 0] == y.min()
    assert 0.4 < dropped.mean() < 0.6


def test_channels_need_dimensions():
    for name, shape in [("dropout1d", (3,)), ("dropout2d", (3,)), ("dropout3d", (3, 3, 3)), ("feature_alpha_dropout", (3,))]:
        with pytest.raises(mg.ShapeError, match=f"{name}: the input must have "):
            getattr(dropout, name)(mg.ones(*shape), 0.5, training=True)
    with pytest.warns(UserWarning, match="dropout2d: an input of 2 dimensions has no channels"):
        dropout.dropout2d(mg.ones(3, 3), 0.5, training=True)


def test_alpha_dropout_keeps_mean_and_variance():
    mg.manual_seed(0)
    x = mg.randn(300, 300, dtype=mg.float64)
    for p in (0.1, 0.5, 0.8):
        y = dropout.alpha_dropout(x, p, training=True)
        assert abs(y.mean().item()) < 0.02
        assert abs(y.var().item() - 1) < 0.03


def test_rrelu_draws_its_slopes():
    mg.manual_seed(0)
    x = mg.full((2000,), -1.0, requires_grad=True)
    y = activation.rrelu(x, 0.1, 0.3, training=True)
    slopes = -y.numpy(force=True)
    assert 0.1 <= slopes.min() < 0.11
    assert 0.29 < slopes.max() <= 0.3
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), slopes)
    np.testing.assert_allclose(activation.rrelu(x, 0.1, 0.3).numpy(force=True), -0.2, rtol=1e-6)


def test_what_backward_keeps():
    """relu keeps its result alone, leaky_relu and dropout a byte per element."""
    x = mg.ones(1000, requires_grad=True)

    def kept(y):
        return [(a.dtype.name, a is y._data) for a in y._node.kept if isinstance(a, np.ndarray)]

    assert kept(activation.relu(x)) == [("float32", True)]
    assert kept(activation.leaky_relu(x)) == [("bool", False)]
    assert kept(dropout.dropout(x, 0.5)) == [("bool", False)]


def test_isclose_by_default_is_within_1e_5_of_other_and_1e_8():
    other = mg.tensor([1.0, 1.0, 100.0, 100.0, 0.0, 0.0], dtype=mg.float64)
    off = mg.tensor([0.9e-5, 1.2e-5, 0.9e-3, 1.2e-3, 0.9e-8, 1.2e-8], dtype=mg.float64)
    for sign in (1.0, -1.0):
        assert mg.isclose(other + sign * off, other).tolist() == [True, False] * 3


def test_division_rounded_towards_zero_has_gradient_zero_where_it_divides_by_zero():
    a, b = mg.tensor([1.0, 0.0, -7.0], requires_grad=True), mg.tensor([0.0, 0.0, 2.0], requires_grad=True)
    out = mg.div(a, b, rounding_mode="trunc")
    assert str(out.tolist()) == "[inf, nan, -3.0]"
    out.sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mg.ones(2) << 1, TypeError, "bitwise_left_shift: not for float32 and int"),
        (lambda: mg.ones(2) & True, TypeError, "bitwise_and: not for float32 and bool"),
        (lambda: mg.gcd(mg.ones(2), mg.ones(2)), TypeError, "gcd: not for float32 and float32"),
        (lambda: mg.ones(2, dtype=mg.int8) + 300, OverflowError, "add: Python integer 300 out of bounds for int8"),
        (lambda: mg.linalg.inv(mg.zeros(2, 2)), np.linalg.LinAlgError, "inv: Singular matrix"),
    ],
    ids=["shift", "and", "gcd", "add", "inv"],
)
def test_numpy_s_refusals_name_the_op(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), [("silu", {}), ("gelu", {}), ("gelu", {"approximate": "tanh"})])
def test_kept_slopes(name, options, dtype):
    """Of arrays the gradient is a product with the slope that the kernel kept; it is that of the formula, and asks for no other result."""
    function = getattr(activation, name)
    large = [1e4, -1e4] if dtype == np.float16 else [1e4, -1e4, 1e13, 1e19, -1e19]  # the third power is beyond all numbers of float32
    values = np.concatenate([np.linspace(-30, 30, 301), large, [0.0, inf, -inf, nan]]).astype(dtype)
    with native.force(None):
        x = mg.tensor(values, requires_grad=True)
        y = function(x, **options)
        (kept,) = mg.grad(y, x, mg.ones_like(y), retain_graph=True)
        (recorded,) = mg.grad(y, x, mg.ones_like(y), create_graph=True)
        with mg.no_grad():
            alone = function(x, **options)
    np.testing.assert_array_equal(alone.numpy(), y.detach().numpy())
    error = {np.float16: 2e-3, np.float32: 1e-6, np.float64: 1e-14}[dtype]
    np.testing.assert_allclose(kept.numpy().astype(float), recorded.detach().numpy().astype(float), rtol=error, atol=error)
