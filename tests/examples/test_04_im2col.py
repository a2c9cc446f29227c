"""Chapter 4: shapes of im2col, col2im as its transpose, hand-written gradients against autodiff, and a network that learns."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F


def test_im2col(chapter):
    names = chapter("04_im2col", "--epochs", "1")
    assert names["shapes"] == [(9, 75), (90, 75)]
    assert names["parameters"] == 433_890
    assert names["gradient_error"] < 1e-4
    assert names["accuracy"] > 0.85
    assert abs(names["smooth_before"]) < 0.2 < 0.4 < names["smooth_after"]  # noise has become edges

    rng = np.random.default_rng(0)
    for stride, pad in [(1, 0), (2, 1), (3, 2)]:
        x, w, b = rng.normal(size=(2, 3, 7, 8)), rng.normal(size=(4, 3, 3, 2)), rng.normal(size=4)
        col = names["im2col"](x, 3, 2, stride, pad)
        y = rng.normal(size=col.shape)
        assert (col * y).sum() == pytest.approx((x * names["col2im"](y, x.shape, 3, 2, stride, pad)).sum())  # <A x, y> = <x, A' y>
        layer = names["Convolution"](w, b, stride, pad)
        tx, tw, tb = (mg.tensor(v, requires_grad=True) for v in (x, w, b))
        out = F.conv2d(tx, tw, tb, stride=stride, padding=pad)
        np.testing.assert_allclose(layer.forward(x), out.detach().numpy())
        g = rng.normal(size=out.shape)
        out.backward(mg.tensor(g))
        np.testing.assert_allclose(layer.backward(g), tx.grad.numpy())
        np.testing.assert_allclose(layer.gradients[0], tw.grad.numpy())
        np.testing.assert_allclose(layer.gradients[1], tb.grad.numpy())

    for size, stride in [(2, 2), (3, 2), (3, 1)]:
        layer = names["Pooling"](size, stride)
        tx = mg.tensor(x, requires_grad=True)
        out = F.max_pool2d(tx, size, stride)
        np.testing.assert_array_equal(layer.forward(x), out.detach().numpy())
        g = rng.normal(size=out.shape)
        out.backward(mg.tensor(g))
        np.testing.assert_allclose(layer.backward(g), tx.grad.numpy())
