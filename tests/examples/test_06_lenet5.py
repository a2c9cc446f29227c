"""Chapter 6: LeNet-5's 60,000 parameters layer by layer, its layers against plain formulas, and its accuracy after a short training."""

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F


def test_lenet5_as_published(chapter):
    names = chapter("06_lenet5", "--epochs", "2", "--images", "1000", "--tests", "200")
    assert names["counted"] == {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48120, "F6": 10164, "output": 0}
    assert sum(p.numel() for p in names["published"].parameters()) == 60_000
    assert names["shapes"] == [(1, 32, 32), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]
    assert names["accuracy"]["as published"] > 0.25 and names["accuracy"]["today"] > 0.5
    assert names["codes"].shape == (10, 84) and np.abs(names["codes"]).max() <= 1.7159

    # C3: a convolution whose filters between unconnected maps are zero
    layer = names["published"].C3
    assert [list(np.flatnonzero(row)) for row in names["connected"][[0, 5, 14]]] == [[0, 1, 2], [0, 1, 5], [0, 2, 3, 5]]
    assert names["connected"].sum() == 60 and set(names["connected"].sum(0)) == {10}  # each map of S2 goes to ten of C3
    dense = np.zeros((16, 6, 5, 5), np.float32)
    dense[names["connected"]] = layer.filters.detach().numpy()
    x = mg.randn(2, 6, 14, 14)
    expected = names["squash"](F.conv2d(x, mg.tensor(dense), layer.bias))
    np.testing.assert_allclose(layer(x).detach().numpy(), expected.detach().numpy(), atol=1e-6)
    (by_filter,) = mg.grad(layer(x).sum(), layer.filters)
    (by_weight,) = mg.grad(names["squash"](F.conv2d(x, weight := mg.tensor(dense, requires_grad=True), layer.bias)).sum(), weight)
    np.testing.assert_allclose(by_filter.numpy(), by_weight.numpy()[names["connected"]], rtol=1e-4, atol=1e-4)

    # S2: the sum of a square, scaled and squashed
    pool = names["Subsampling"](1)
    square = 4 * [0.25]
    total = pool(mg.tensor(square).reshape(1, 1, 2, 2)).item()
    np.testing.assert_allclose(total, 1.7159 * np.tanh(2 / 3 * pool.coefficient.item()), rtol=1e-5)

    # the output: distances; the loss: the formula of its docstring
    bitmaps = names["bitmaps"].reshape(10, 84)
    distances = -names["published"].output(mg.tensor(bitmaps))
    np.testing.assert_array_equal(distances.numpy(), -4 * (bitmaps[:, None] != bitmaps).sum(2))
    y = np.array([[1.0, 4.0, 9.0]])
    expected = y[0, 1] + np.log(np.exp(-names["NONE"]) + np.exp(-y).sum())
    np.testing.assert_allclose(names["loss"](mg.tensor(-y, dtype=mg.float32), mg.tensor([1])).item(), expected, rtol=1e-5)
