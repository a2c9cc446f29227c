"""Values and gradients where a formula ends: saturated probabilities, nothing that counts, NaN, zeros. The numbers are PyTorch's."""

import contextlib
import math
import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.kernels import native

NAN = math.nan


def gradient(function, values, dtype=mg.float32):
    x = mg.tensor(values, dtype=dtype, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


def test_binary_cross_entropy_of_saturated_sigmoids_has_a_finite_gradient():
    t = mg.tensor([1.0, 0.0, 0.0])
    assert gradient(lambda x: F.binary_cross_entropy(mg.sigmoid(x), t), [20.0, -200.0, 20.0]) == [0.0, 0.0, 0.0]


def test_binary_cross_entropy_at_probabilities_0_and_1():
    t = mg.tensor([1.0, 0.0, 1.0, 0.0])
    found = gradient(lambda p: F.binary_cross_entropy(p, t), [1.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(found, [0.0, 0.0, -2.5e11, 2.5e11], rtol=1e-6)
    assert gradient(lambda p: F.binary_cross_entropy(p, t, weight=mg.zeros(4)), [1.0, 0.0, 0.0, 1.0]) == [0.0] * 4


def test_binary_cross_entropy_gradients_of_target_and_second_order():
    t = mg.tensor([0.0, 1.0, 0.5], requires_grad=True)
    F.binary_cross_entropy(mg.tensor([0.0, 1.0, 0.3]), t, reduction="sum").backward()
    np.testing.assert_allclose(t.grad.tolist(), [math.inf, -math.inf, 0.8473], rtol=1e-4)
    p = mg.tensor(0.3, requires_grad=True)
    (g,) = mg.grad(F.binary_cross_entropy(p, mg.tensor(1.0)), [p], create_graph=True)
    np.testing.assert_allclose(mg.grad(g, [p])[0].item(), 11.1111, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_where_nothing_counts_is_nan_and_its_gradient_0(smoothing):
    def loss(x):
        y = F.cross_entropy(x, mg.tensor([-100, -100]), label_smoothing=smoothing)
        assert math.isnan(y.item())
        return y

    assert gradient(loss, [[1.0, 2.0], [3.0, 4.0]]) == [[0.0, 0.0], [0.0, 0.0]]


def test_an_ignored_place_may_hold_an_infinity():
    x = mg.tensor([[-math.inf, 0.0], [-1.0, -2.0]], requires_grad=True)
    loss = F.nll_loss(x, mg.tensor([-100, 1]))
    loss.backward()
    assert loss.item() == 2.0
    assert x.grad.tolist() == [[0.0, 0.0], [0.0, -1.0]]


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div", "soft_margin_loss"]
)
def test_the_mean_over_an_empty_batch_is_nan(name):
    e = mg.zeros(0, 3)
    assert math.isnan(getattr(F, name)(e, e).item())


def test_the_mean_cross_entropy_of_an_empty_batch_is_nan():
    e = mg.zeros(0, 3, requires_grad=True)
    for loss in (F.cross_entropy(e, mg.zeros(0, dtype=mg.int64)), F.cross_entropy(e, mg.zeros(0, 3))):
        assert math.isnan(loss.item())
        loss.backward()
        assert e.grad.shape == (0, 3)
    assert math.isnan(F.kl_div(mg.zeros(0, 3), mg.zeros(0, 3), reduction="batchmean").item())


def test_kl_div_batchmean_of_a_number_has_a_batch_of_1():
    np.testing.assert_allclose(F.kl_div(mg.tensor(0.5), mg.tensor(0.3), reduction="batchmean").item(), -0.5112, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "right"),
    [("elu", NAN), ("selu", NAN), ("celu", NAN), ("hardtanh", 0.0), ("relu6", 0.0), ("relu", 1.0), ("hardsigmoid", 0.0),
     ("hardswish", NAN), ("leaky_relu", 0.01), ("softshrink", 0.0), ("hardshrink", 0.0), ("softplus", NAN)],
)  # fmt: skip
def test_gradient_at_nan(name, right):
    """PyTorch's for arrays; for a few numbers alone some of its gradients differ."""
    np.testing.assert_allclose(gradient(getattr(F, name), [NAN] * 16), [right] * 16, rtol=1e-6)


def test_an_empty_batch_leaves_running_statistics_alone():
    mean, var = mg.zeros(3), mg.ones(3)
    assert F.batch_norm(mg.zeros(0, 3), mean, var, training=True).shape == (0, 3)
    assert (mean.tolist(), var.tolist()) == ([0.0] * 3, [1.0] * 3)


def test_logdet_of_a_singular_matrix():
    x = mg.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    y = mg.logdet(x)
    y.backward()
    assert y.item() == -math.inf
    assert np.isinf(x.grad.numpy()).all()


def test_multilabel_margin_loss_counts_a_repeated_label_each_time():
    x = [0.1, 0.2, 0.4, 0.8]
    t = mg.tensor([3, 3, -1, 1])
    np.testing.assert_allclose(F.multilabel_margin_loss(mg.tensor(x), t).item(), 0.65, rtol=1e-6)
    np.testing.assert_allclose(gradient(lambda x: F.multilabel_margin_loss(x, t), x), [0.5, 0.5, 0.5, -1.5])
    np.testing.assert_allclose(F.multilabel_margin_loss(mg.tensor(x), mg.tensor([3, 3, 0, 1])).item(), 0.925, rtol=1e-6)


@pytest.mark.parametrize("name", ["multi_margin_loss", "multilabel_margin_loss"])
def test_a_margin_loss_of_a_number(name):
    assert getattr(F, name)(mg.tensor(1.15), mg.tensor(0)).item() == 0.0


def test_the_class_of_a_vector_may_have_one_dimension():
    x = mg.tensor([0.1, 0.2, 0.4, 0.8])
    assert F.multi_margin_loss(x, mg.tensor([3])).item() == F.multi_margin_loss(x, mg.tensor(3)).item() == pytest.approx(0.325)


def test_a_power_of_0_has_the_slope_0_whatever_its_base():
    values = [0.0, -0.0, 1e-40, NAN, math.inf, 2.0]
    assert gradient(lambda x: x ** mg.zeros(6), values) == [0.0] * 6
    assert gradient(lambda x: x ** mg.tensor([2.0, 0.0, 1.0, 0.0, 0.0, 3.0]), values) == [0.0, 0.0, 1.0, 0.0, 0.0, 12.0]
    x, y = mg.tensor([2.0, 0.0], requires_grad=True), mg.zeros(2, requires_grad=True)
    (slope,) = mg.grad((x**y).sum(), [x], create_graph=True)
    assert mg.grad(slope.sum(), [y])[0].tolist() == [0.5, 0.0]  # the slope in the exponent of y * x**(y - 1), where it is a number


@pytest.mark.parametrize("function", [mg.fmod, mg.remainder])
def test_the_slope_of_a_remainder_is_constant_where_the_divisor_is_0_too(function):
    x, y = mg.tensor([1.0, -7.0], requires_grad=True), mg.tensor([0.0, 2.0], requires_grad=True)
    _, slope = mg.grad(function(x, y).sum(), [x, y], create_graph=True)
    assert slope.tolist() == [-math.inf, 3.0 if function is mg.fmod else 4.0]
    assert [g.tolist() for g in mg.grad(slope.sum(), [x, y])] == [[0.0, 0.0], [0.0, 0.0]]


# ------------------------------------------------------------------------------------------- shapes meet first


def test_cosine_similarity_broadcasts_before_it_sums():
    assert F.cosine_similarity(mg.ones(4, 3), mg.ones(1, 3), dim=0).tolist() == pytest.approx([1.0] * 3)
    found = F.cosine_similarity(mg.ones(1, 2, 3), mg.ones(2, 1, 3), dim=-2)
    np.testing.assert_allclose(found.numpy(), np.ones((2, 3)), rtol=1e-6)
    np.testing.assert_allclose(F.cosine_similarity(mg.ones(3), mg.ones(4, 3), dim=0).numpy(), np.ones(3), rtol=1e-6)


@pytest.mark.parametrize("distance", [F.cosine_similarity, F.pairwise_distance])
def test_distances_of_vectors_that_do_not_broadcast(distance):
    with pytest.raises(mg.ShapeError, match=rf"^{distance.__name__}: x1 \(4, 3\) and x2 \(2, 3\) do not broadcast: "):
        distance(mg.ones(4, 3), mg.ones(2, 3))


def test_gaussian_nll_loss_broadcasts_the_variance_along_the_batch():
    found = F.gaussian_nll_loss(mg.ones(4, 3), mg.zeros(4, 3), mg.tensor([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(found.item(), 0.6042, atol=1e-4)


# ------------------------------------------------------------------------------------------------------ options


def test_options_that_cannot_be_meant_are_refused():
    x = mg.ones(2, 3)
    for option in ({"rtol": -0.4}, {"atol": -0.4}):
        with pytest.raises(ValueError, match="must be 0 or above"):
            mg.isclose(x, x, **option)
        with pytest.raises(ValueError, match="must be 0 or above"):
            mg.allclose(x, x, **option)
    with pytest.raises(RuntimeError, match="ignore_index=1 is for class indices"):
        F.cross_entropy(x, x, ignore_index=1)
    F.cross_entropy(x, x, ignore_index=-1)
    for eps in (0.0, -1.0):
        with pytest.raises(ValueError, match="eps must be above 0"):
            F.batch_norm(x, None, None, training=True, eps=eps)
    for loss in (F.triplet_margin_loss, F.triplet_margin_with_distance_loss):
        with pytest.raises(ValueError, match="margin must be above 0"):
            loss(x, x, x, margin=-1.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda m: m @ m, lambda m: m[None] @ m[None], lambda m: mg.einsum("ij,ik->ijk", m, m).sum(), lambda m: mg.einsum("ij,ij->i", m, m),
        lambda m: mg.addmm(m, m, m), lambda m: F.linear(m, m, m[0]), lambda m: F.conv2d(m[None, None], m[None, None], padding=1),
        lambda m: m.repeat(64, 64) @ m.repeat(64, 64), lambda m: m.sum(0), lambda m: m.repeat(64, 64).sum(0), lambda m: m.mean(1),
        lambda m: m.cumsum(1), lambda m: m.repeat(64, 64).cumsum(1), lambda m: mg.linalg.norm(m), lambda m: mg.linalg.norm(m, dim=0),
        lambda m: mg.logsumexp(m, 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kernels", [contextlib.nullcontext, lambda: native.force(None)], ids=["native", "numpy"])
def test_products_and_sums_beyond_all_numbers_do_not_warn(function, kernels):
    """inf - inf is NaN, as in PyTorch; here warnings are errors."""
    m = mg.tensor([[math.inf, 3e38], [-math.inf, 3e38]], requires_grad=True)
    with kernels(), np.errstate(over="warn", invalid="warn"):
        function(m).sum().backward()


HUGE = mg.tensor([float("nan"), float("inf"), 3e38, -1e30])
SQUARE = mg.tensor([[3e38, float("nan")], [3e38, 1.0]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: HUGE.half(),
        lambda: HUGE.long(),
        lambda: HUGE.to(mg.uint8),
        lambda: mg.tensor([1e300], dtype=mg.float32),
        lambda: mg.tensor(HUGE, dtype=mg.float16),
        lambda: mg.full((2,), 1e9, dtype=mg.float16),
        lambda: mg.zeros(2, dtype=mg.float16).fill_(1e9),
        lambda: mg.zeros(4, dtype=mg.int32).copy_(HUGE),
        lambda: mg.zeros(2, dtype=mg.float16).masked_fill(mg.tensor([True, False]), 1e9),
        lambda: mg.linspace(0, 1e9, 3, dtype=mg.float16),
        lambda: mg.full((4, 4), 3e4).half() @ mg.full((4, 4), 3e4).half(),
        lambda: mg.full((4, 4), 3e4).half().sum(0),
        lambda: HUGE.rad2deg(),
        lambda: mg.fft.rfft(HUGE),
        lambda: mg.fft.ifft(HUGE),
        lambda: mg.fft.irfft(mg.fft.fft(HUGE)),
        lambda: mg.linalg.det(SQUARE),
        lambda: mg.linalg.slogdet(SQUARE),
        lambda: mg.linalg.matrix_exp(SQUARE),
        lambda: nn.Linear(2, 2).half(),
    ],
)
def test_numpy_s_warnings_are_not_the_user_s(call):
    """Infinities and NaNs are results as others. numpy's warnings named lines of ours, and only the first in a program was shown."""
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        call()
