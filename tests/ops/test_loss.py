"""Losses: extreme logits, PyTorch's results in edge cases, and refused arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
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
        ([0.0, 1.0, 2.0, 3.0], RuntimeError, "class indices must be integers, not float32"),
        ([0.0, math.nan, 2.0, 3.0], ValueError, "the target is NaN at index 1"),
        ([0, 1, 2], ShapeError, r"input \(4, 10\) needs a target of shape \(4,\), not \(3,\)"),
        ([[0, 1, 2, 3]], ShapeError, r"needs a target of shape \(4,\), not \(1, 4\)"),
    ],
)
def test_wrong_targets_are_refused(target, kind, message):
    with pytest.raises(kind, match=message):
        F.cross_entropy(mg.zeros(4, 10), mg.tensor(target))


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


@pytest.mark.parametrize("loss", [F.nll_loss, F.cross_entropy])
def test_a_weight_of_another_dtype_is_refused(loss):
    with pytest.raises(RuntimeError, match="weight has dtype float64, the input float32"):
        loss(mg.zeros(1, 2), mg.tensor([0]), weight=mg.ones(2, dtype=mg.float64))
