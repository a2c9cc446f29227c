"""Losses: extreme logits, PyTorch's results in edge cases, and refused arguments."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.engine import ShapeError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_cross_entropy_is_exact_for_extreme_logits(dtype, size):
    logits = mg.tensor(np.array([[size, 0, -size], [size, 0, -size]], dtype), requires_grad=True)
    losses = F.cross_entropy(logits, mg.tensor([0, 2]), reduction="none")
    assert losses.tolist() == [0, pytest.approx(2 * size)]
    losses.sum().backward()
    assert logits.grad.tolist() == [[0, 0, 0], [1, 0, -1]]
    assert F.binary_cross_entropy_with_logits(mg.tensor([size, -size]), mg.tensor([1.0, 0.0])).item() == 0


def test_third_order_of_cross_entropy():
    z = mg.tensor(np.array([[0.3, -0.2, 0.5]]), requires_grad=True)
    g = F.cross_entropy(z, mg.tensor([1]))
    for direction in (1.0, [1.0, 0, 0], [0, 0, 1.0]):
        (g,) = mg.grad(g, z, mg.tensor(direction).reshape(g.shape), create_graph=True)
    p = np.exp([0.3, -0.2, 0.5]) / np.exp([0.3, -0.2, 0.5]).sum()
    # dL/dz = p - onehot; the derivative of its entry 0 in z_2 is -p_0 p_2; and of that in z_i:
    expected = -p[0] * p[2] * (np.array([1, 0, 1]) - 2 * p)
    np.testing.assert_allclose(g.detach().numpy()[0], expected, rtol=1e-12)


def test_an_ignored_place_counts_for_nothing():
    logits = mg.randn(4, 3, requires_grad=True)
    target = mg.tensor([0, -100, 2, -100])
    loss = F.cross_entropy(logits, target, label_smoothing=0.1)
    assert loss.item() == pytest.approx(F.cross_entropy(logits[[0, 2]], target[[0, 2]], label_smoothing=0.1).item(), rel=1e-6)
    loss.backward()
    assert logits.grad[[1, 3]].tolist() == [[0, 0, 0]] * 2
    assert math.isnan(F.cross_entropy(logits, mg.tensor([-100] * 4)).item())  # as PyTorch: the mean of nothing
    assert F.cross_entropy(logits, mg.tensor([-100] * 4), reduction="sum").item() == 0


def test_class_weights_make_a_weighted_mean():
    logits = mg.tensor([[0.0, 0.0], [0.0, 0.0]])
    weight = mg.tensor([1.0, 3.0])
    assert F.cross_entropy(logits, mg.tensor([0, 1]), weight).item() == pytest.approx(math.log(2))
    assert F.cross_entropy(logits, mg.tensor([0, 1]), weight, reduction="sum").item() == pytest.approx(4 * math.log(2))


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        ([0, 1, 2, 12], IndexError, r"cross_entropy: target 12 at index 3 is outside the 10 classes \(0..9\)"),
        ([0, -1, 2, 3], IndexError, "target -1 at index 1 is outside"),
        ([0.0, 1.0, 2.0, 3.0], RuntimeError, r"class indices must be integers, not float32 \(target \(4,\)\): use target.long\(\)"),
        ([0.0, math.nan, 2.0, 3.0], ValueError, "the target is NaN at index 1"),
        ([0, 1, 2], ShapeError, r"input \(4, 10\) needs a target of shape \(4,\), not \(3,\)"),
        ([[0, 1, 2, 3]], ShapeError, r"needs a target of shape \(4,\), not \(1, 4\)$"),
        ([[0], [1], [2], [3]], ShapeError, r"not \(4, 1\): use target.squeeze\(1\)"),
        ([[0] * 9 + [1]] * 4, ShapeError, r"not \(4, 10\): use target.argmax\(1\)"),
    ],
)
def test_wrong_targets_are_refused(target, kind, message):
    with pytest.raises(kind, match=message):
        F.cross_entropy(mg.zeros(4, 10), mg.tensor(target))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.MSELoss])
def test_outputs_and_targets_are_not_for_the_constructor(loss):
    with pytest.raises(
        TypeError, match=rf"outputs and targets are given to the loss, not to its constructor: {loss.__name__}\(\)\(outputs, targets\)"
    ):
        loss(mg.zeros(4, 10), mg.zeros(4, 10))


def test_the_position_of_a_wrong_label_in_a_picture():
    target = mg.zeros(2, 4, 4, dtype=mg.int64)
    target[1, 2, 3] = 9
    with pytest.raises(IndexError, match=r"target 9 at index \(1, 2, 3\) is outside the 5 classes"):
        F.cross_entropy(mg.zeros(2, 5, 4, 4), target)


def test_other_wrong_arguments():
    x = mg.zeros(2, 3)
    with pytest.raises(ShapeError, match=r"weight has shape .* but there are 3 classes"):
        F.cross_entropy(x, mg.tensor([0, 1]), mg.ones(4))
    with pytest.raises(ValueError, match="label_smoothing must be between 0 and 1"):
        F.cross_entropy(x, mg.tensor([0, 1]), label_smoothing=1.5)
    with pytest.raises(ValueError, match="reduction must be"):
        F.cross_entropy(x, mg.tensor([0, 1]), reduction="average")
    with pytest.raises(ValueError, match="target is NaN"):
        F.cross_entropy(x, mg.full((2, 3), math.nan))
    with pytest.raises(ShapeError, match=r"mse_loss: input \(2, 3\) and target \(2,\)"):
        F.mse_loss(x, mg.zeros(2))
    with pytest.raises(RuntimeError, match="probabilities between 0 and 1"):
        F.binary_cross_entropy(x + 2, x)
    with pytest.raises(RuntimeError, match="floating"):
        F.cross_entropy(mg.zeros(2, 3, dtype=mg.int64), mg.tensor([0, 1]))


def test_softmax_says_what_it_needs():
    with pytest.warns(UserWarning, match="dim=1 is used as in PyTorch"):
        assert F.softmax(mg.zeros(2, 4)).tolist() == [[0.25] * 4] * 2
    with pytest.warns(UserWarning, match="dim=0 is used"):
        assert F.softmin(mg.zeros(4)).tolist() == [0.25] * 4
    with pytest.raises(IndexError, match="dim 2 is out of range"):
        F.softmax(mg.zeros(2, 3), dim=2)


def test_batch_norm_keeps_running_statistics_as_pytorch_does():
    mean, var = mg.zeros(2), mg.ones(2)
    x = mg.tensor([[1.0, 10.0], [3.0, 30.0]])
    F.batch_norm(x, mean, var, training=True, momentum=0.1)
    np.testing.assert_allclose(mean.numpy(), [0.2, 2.0], rtol=1e-6)
    np.testing.assert_allclose(var.numpy(), [0.9 + 0.1 * 2, 0.9 + 0.1 * 200], rtol=1e-6)  # unbiased
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F.batch_norm(x[:1], mean, var, training=True)
    with pytest.raises(ValueError, match="running_mean and running_var are needed"):
        F.batch_norm(x, None, None)
    with pytest.raises(ShapeError, match=r"weight has shape \(3,\) but the input \(2, 2\) has 2 channels"):
        F.batch_norm(x, mean, var, mg.ones(3), training=True)


@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_running_statistics_have_the_same_bits_wherever_they_lie(norm, dtype):
    """In memory of their own, where they are moved in place; or in memory that an array of the user's shares, which keeps its values."""
    draw = np.random.default_rng(0)
    runs = [[mg.zeros(3, dtype=getattr(mg, dtype)), mg.ones(3, dtype=getattr(mg, dtype))] for _ in range(2)]
    for _ in range(3):
        x = mg.tensor(draw.standard_normal((2, 3, 5)).astype(dtype) + 1)
        held = [each.numpy() for each in runs[1]]
        before = [array.copy() for array in held]
        for mean, var in runs:
            norm(x, mean, var, None, None, True, 0.3)
        for array, kept in zip(held, before, strict=True):
            np.testing.assert_array_equal(array, kept)
    for alone, shared in zip(*runs, strict=True):
        np.testing.assert_array_equal(alone.numpy(), shared.numpy())
        assert alone.dtype == getattr(mg, dtype) and (alone.numpy() != 0).all()


@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy])
def test_a_weight_of_another_dtype_is_refused(loss):
    with pytest.raises(RuntimeError, match="weight has dtype float64, the input float32"):
        loss(mg.zeros(1, 2), mg.tensor([0]), weight=mg.ones(2, dtype=mg.float64))


# ---------------------------------------------------------------------------------- formulas, without any other library

_X = np.array([[0.3, -1.2, 0.9], [2.5, 0.05, -0.7]])
_T = np.array([[0.1, 0.8, 0.4], [0.2, 0.05, 0.9]])
_W = np.array([[1.0, 2.0, 0.5], [0.0, 3.0, 1.0]])
_D = np.abs(_X - _T)
_P = 1 / (1 + np.exp(-_X))
_BCE = -(_T * np.log(_P) + (1 - _T) * np.log(1 - _P))


def _stirling(t):
    return np.where(t > 1, t * np.log(np.maximum(t, 1)) - t + 0.5 * np.log(2 * np.pi * np.maximum(t, 1)), 0.0)


@pytest.mark.parametrize(
    ("function", "arguments", "losses"),
    [
        (F.mse_loss, (_X, _T), _D**2),
        (F.l1_loss, (_X, _T), _D),
        (F.huber_loss, (_X, _T), np.where(_D < 1, _D**2 / 2, _D - 0.5)),
        (lambda x, t, **k: F.huber_loss(x, t, delta=2.0, **k), (_X, _T), np.where(_D < 2, _D**2 / 2, 2 * _D - 2.0)),
        (lambda x, t, **k: F.huber_loss(x, t, weight=mg.tensor(_W), **k), (_X, _T), _W * np.where(_D < 1, _D**2 / 2, _D - 0.5)),
        (F.smooth_l1_loss, (_X, _T), np.where(_D < 1, _D**2 / 2, _D - 0.5)),
        (lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.5, **k), (_X, _T), np.where(_D < 0.5, _D**2, _D - 0.25)),
        (lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0, **k), (_X, _T), _D),
        (F.binary_cross_entropy, (_P, _T), _BCE),
        (F.binary_cross_entropy, (_P, _T, _W), _BCE * _W),
        (F.binary_cross_entropy_with_logits, (_X, _T), _BCE),
        (F.binary_cross_entropy_with_logits, (_X, _T, _W), _BCE * _W),
        (
            lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t, pos_weight=mg.tensor([3.0, 1.0, 0.5], dtype=mg.float64), **k),
            (_X, _T),
            -(np.array([3.0, 1.0, 0.5]) * _T * np.log(_P) + (1 - _T) * np.log(1 - _P)),
        ),
        (F.kl_div, (_X, _T), _T * (np.log(_T) - _X)),
        (lambda x, t, **k: F.kl_div(x, t, log_target=True, **k), (_X, np.log(_T)), _T * (np.log(_T) - _X)),
        (F.poisson_nll_loss, (_X, _T), np.exp(_X) - _X * _T),
        (lambda x, t, **k: F.poisson_nll_loss(x, t, log_input=False, **k), (_P, _T), _P - _T * np.log(_P + 1e-8)),
        (lambda x, t, **k: F.poisson_nll_loss(x, t, full=True, **k), (_X, 9 * _T), np.exp(_X) - 9 * _X * _T + _stirling(9 * _T)),
        (F.gaussian_nll_loss, (_X, _T, _P), (np.log(_P) + _D**2 / _P) / 2),
        (F.gaussian_nll_loss, (_X, _T, _P[:, :1]), (np.log(_P[:, :1]) + _D**2 / _P[:, :1]) / 2),
        (F.gaussian_nll_loss, (_X, _T, _P[:, 0]), (np.log(_P[:, :1]) + _D**2 / _P[:, :1]) / 2),
        (lambda x, t, v, **k: F.gaussian_nll_loss(x, t, v, full=True, **k), (_X, _T, _P), (np.log(2 * np.pi * _P) + _D**2 / _P) / 2),
        (F.gaussian_nll_loss, (_X, _T, 0 * _P), (np.log(1e-6) + _D**2 / 1e-6) / 2),
        (lambda x, t, v, **k: F.gaussian_nll_loss(x, t, v, eps=0.5, **k), (_X, _T, 0 * _P + 0.1), (np.log(0.5) + _D**2 / 0.5) / 2),
    ],
)  # fmt: skip
def test_losses_are_what_their_formulas_say(function, arguments, losses):
    arguments = [mg.tensor(a) for a in arguments]
    np.testing.assert_allclose(function(*arguments, reduction="none").numpy(), losses, rtol=1e-12)
    np.testing.assert_allclose(function(*arguments, reduction="sum").item(), losses.sum(), rtol=1e-12)
    np.testing.assert_allclose(function(*arguments).item(), losses.mean(), rtol=1e-12)


def test_means_that_are_divided_by_something_else():
    x, t, w = mg.tensor(_X), mg.tensor(_T), mg.tensor(_W)
    assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx((_T * (np.log(_T) - _X)).sum() / 2)
    assert F.mse_loss(x, t, weight=w).item() == pytest.approx((_W * _D**2).sum() / _W.sum())
    assert F.l1_loss(x, t, weight=w).item() == pytest.approx((_W * _D).sum() / _W.sum())
    assert F.mse_loss(x, t, weight=w, reduction="sum").item() == pytest.approx((_W * _D**2).sum())
    np.testing.assert_allclose(F.l1_loss(x, t, weight=w, reduction="none").numpy(), _W * _D, rtol=1e-12)


WARNS = ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"]


@pytest.mark.parametrize("name", [*WARNS, "kl_div", "soft_margin_loss"])
def test_a_target_of_another_shape_is_broadcast(name):
    """With a warning where PyTorch gives one; the gradients have the shapes of the operands."""
    function, x, t = getattr(F, name), mg.tensor(_P, requires_grad=True), mg.tensor(_T[0], requires_grad=True)
    with pytest.warns(UserWarning, match=rf"^{name}: input \(2, 3\) and target \(3,\) are broadcast") if name in WARNS else nullcontext():
        loss = function(x, t)
    wide = mg.tensor(_T[[0, 0]], requires_grad=True)
    right = function(mg.tensor(_P), wide)
    loss.backward()
    right.backward()
    assert loss.item() == pytest.approx(right.item())
    assert x.grad.shape == (2, 3)
    np.testing.assert_allclose(t.grad.numpy(), wide.grad.numpy().sum(0), rtol=1e-12)
    with pytest.raises(ShapeError, match=rf"^{name}: input \(2, 3\) and target \(2,\) do not broadcast"):
        function(mg.tensor(_P), mg.tensor(_T[0, :2]))


@pytest.mark.parametrize("name", [*WARNS, "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"])
def test_shapes_of_input_target_and_weight_are_one(name):
    function = getattr(F, name)
    if name.startswith("binary"):
        with pytest.raises(ShapeError, match=rf"^{name}: input \(2, 3\) and target \(3,\) must have the same shape"):
            function(mg.tensor(_P), mg.tensor(_T[0]))
    assert math.isnan(function(mg.zeros(0, 3), mg.zeros(0, 3)).item())  # as PyTorch: the mean of nothing
    assert function(mg.zeros(0, 3), mg.zeros(0, 3), reduction="sum").item() == 0
    with pytest.raises(ValueError, match=f"^{name}: reduction must be"):
        function(mg.tensor(_P), mg.tensor(_T), reduction="average")
    if name in ("mse_loss", "l1_loss", "huber_loss"):
        with pytest.raises(ShapeError, match=rf"^{name}: "):
            function(mg.tensor(_P), mg.tensor(_T), weight=mg.ones(3))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_integers_have_no_mean(name):
    function, x, y = getattr(F, name), mg.tensor([0, 1]), mg.tensor([1, 0])
    with pytest.raises(TypeError, match=f"^{name}: a floating dtype is needed, not int64; convert with x.float"):
        function(x, y)
    assert function(x, y, reduction="sum").item() == 2 and function(x.float(), y).item() == 1


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("binary_cross_entropy", "weight"),
        ("binary_cross_entropy_with_logits", "weight"),
        ("binary_cross_entropy_with_logits", "pos_weight"),
        ("multilabel_soft_margin_loss", "weight"),
    ],
)
def test_weights_that_do_not_broadcast(name, weight):
    with pytest.raises(ShapeError, match=rf"^{name}: input \(2, 3\) and {weight} \(2,\) do not broadcast: "):
        getattr(F, name)(mg.tensor(_P), mg.tensor(_T), **{weight: mg.ones(2)})


def test_thresholds_and_variances_that_are_refused():
    x, t = mg.tensor(_X), mg.tensor(_T)
    for delta in (0.0, -1.0):
        with pytest.raises(ValueError, match="huber_loss: delta must be positive"):
            F.huber_loss(x, t, delta=delta)
    with pytest.raises(ValueError, match="smooth_l1_loss: beta must not be negative"):
        F.smooth_l1_loss(x, t, beta=-0.5)
    with pytest.raises(ValueError, match="gaussian_nll_loss: var has negative entries"):
        F.gaussian_nll_loss(x, t, mg.tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    with pytest.raises(ShapeError, match=r"gaussian_nll_loss: var has shape \(3,\), the input \(2, 3\)"):
        F.gaussian_nll_loss(x, t, mg.ones(3))


@pytest.mark.parametrize(
    ("name", "loss"), [("huber_loss", 0.5), ("smooth_l1_loss", 0.5), ("soft_margin_loss", math.log(1 + math.exp(-1)) / 2 + math.log(2) / 2)]
)
def test_losses_of_integers_are_not_rounded(name, loss):
    x, y = mg.tensor([0, 1]), mg.tensor([1, 0]) if name != "soft_margin_loss" else mg.tensor([1, 1])
    assert getattr(F, name)(x, y).item() == pytest.approx(loss)
    assert getattr(F, name)(x, y.float()).item() == pytest.approx(loss)


def test_linear_cross_entropy_is_cross_entropy_of_linear():
    x, t = mg.tensor(_X), mg.tensor([1, 3])
    w, b = mg.randn(4, 3, dtype=mg.float64), mg.randn(4, dtype=mg.float64)
    for options in (
        {},
        {"reduction": "none"},
        {"weight": mg.tensor([1.0, 2, 3, 4], dtype=mg.float64)},
        {"label_smoothing": 0.2},
        {"ignore_index": 3},
    ):
        found = F.linear_cross_entropy(x, w, t, linear_bias=b, **options)
        np.testing.assert_allclose(found.numpy(), F.cross_entropy(F.linear(x, w, b), t, **options).numpy(), rtol=1e-12)
    assert F.linear_cross_entropy(x[0], w, t[0]).item() == pytest.approx(F.cross_entropy(F.linear(x[0], w), t[0]).item())
    places, biases = mg.randn(4, 2, 3, dtype=mg.float64), mg.randn(4, 2, dtype=mg.float64)
    logits = mg.stack([F.linear(x, places[:, i], biases[:, i]) for i in range(2)], -1)
    target = mg.tensor([[0, 3], [2, 1]])
    found = F.linear_cross_entropy(x, places, target, linear_bias=biases)
    assert found.item() == pytest.approx(F.cross_entropy(logits, target).item())
    for wrong, words in (
        (lambda: F.linear_cross_entropy(mg.ones(1, 2, 3), w.float(), t), "needs an input"),
        (lambda: F.linear_cross_entropy(x, w[0], t), "needs an input"),
        (lambda: F.linear_cross_entropy(x, w[:, :2], t), "needs an input"),
        (lambda: F.linear_cross_entropy(x[0], places, t), "needs an input with a batch dimension"),
        (lambda: F.linear_cross_entropy(x, w, t, linear_bias=b[:3]), "linear_bias must have shape"),
    ):
        with pytest.raises(ShapeError, match=f"^linear_cross_entropy: .*{words}"):
            wrong()
    with pytest.raises(NotImplementedError, match="linear_cross_entropy: options"):
        F.linear_cross_entropy(x, w, t, options=1)
    with pytest.raises(ValueError, match="ignore_index is for class indices"):
        F.linear_cross_entropy(x, w, mg.softmax(mg.randn(2, 4, dtype=mg.float64), 1), ignore_index=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_mean_over_no_classes_is_not_a_number(smoothing):
    """As PyTorch's, for probabilities: a place is counted by its classes. The sum is 0."""
    x = mg.zeros(2, 0, requires_grad=True)
    mean, total = (F.cross_entropy(x, mg.zeros(2, 0), reduction=r, label_smoothing=smoothing) for r in ("mean", "sum"))
    assert np.isnan(mean.item()) and total.item() == 0.0
    assert mg.grad(mean, x)[0].shape == (2, 0)


@pytest.mark.parametrize("wrong", [2.0, -1.0, np.nan, np.inf])
def test_binary_cross_entropy_refuses_targets_that_are_no_probabilities(wrong):
    with pytest.raises(RuntimeError, match="binary_cross_entropy: the target must be probabilities"):
        F.binary_cross_entropy(mg.tensor([0.5, 0.5]), mg.tensor([wrong, 0.0]))
