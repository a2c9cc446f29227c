"""float16: sums and squares are made in float32, and the result is rounded once. The numbers are PyTorch's."""

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F


def half(values):
    return mg.tensor(values, dtype=mg.float16)


def expect(found, right, rtol=1e-3):
    assert found.dtype == mg.float16
    np.testing.assert_allclose(found.numpy().astype(np.float64), right, rtol=rtol)


LARGE = [300.0, -300.0, 290.0, 310.0]  # their squares overflow


def test_normalisation():
    expect(F.layer_norm(half(LARGE), (4,)), [0.577, -1.7314, 0.5386, 0.6157])
    expect(F.rms_norm(half([396.5]), (1,)), [1.0])
    x = half(LARGE)[:, None]
    mean, var = mg.zeros(1, dtype=mg.float16), mg.ones(1, dtype=mg.float16)
    expect(F.batch_norm(x, mean, var, training=True)[:, 0], [0.577, -1.7314, 0.5386, 0.6157])
    assert mean.item() == 15.0
    assert np.isfinite(F.local_response_norm(half([[[300.0]], [[-300.0]]]), 3).numpy()).all()


def test_running_statistics_keep_a_variance_that_float16_cannot_hold_on_the_way():
    mean, var = mg.zeros(1, dtype=mg.float16), mg.ones(1, dtype=mg.float16)
    F.batch_norm(half(LARGE)[:, None], mean, var, training=True)
    np.testing.assert_allclose(var.item(), 0.9 + 0.1 * np.var(LARGE, ddof=1), rtol=1e-3)


def test_softmax_of_many():
    p = F.softmax(mg.zeros(66000, dtype=mg.float16), 0)
    expect(p[:1], [1 / 66000], rtol=0.02)
    expect(F.log_softmax(mg.zeros(66000, dtype=mg.float16), 0)[:1], [-11.0974])


def test_products_and_means():
    expect(F.cosine_similarity(half([LARGE]), half([LARGE])), [1.0])
    expect(F.mse_loss(half([100.0, 400.0]), half([100.0, 100.0])), 45000.0)
    expect(mg.addcmul(half([-60000.0]), half([300.0]), half([300.0]), value=1), [30000.0])
    expect(F.adaptive_avg_pool2d(mg.full((1, 1, 300, 300), 2.0, dtype=mg.float16), 1)[0, 0], [[2.0]])
    expect(half(LARGE).std(), 300.0)


def test_gradients_are_rounded_once_too():
    x = mg.tensor(LARGE, dtype=mg.float16, requires_grad=True)
    (F.layer_norm(x, (4,)) * half([1.0, 2.0, 3.0, 4.0])).sum().backward()
    y = mg.tensor(LARGE, requires_grad=True)
    (F.layer_norm(y, (4,)) * mg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.dtype == mg.float16
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-3, atol=1e-6)
