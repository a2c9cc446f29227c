"""Chapter 5: pooled numbers and gradients, the volumes, and the effect of pooling on a shifted digit."""

import numpy as np


def test_pooling_and_volumes(chapter):
    names = chapter("05_pooling_and_volumes", "--epochs", "2")
    np.testing.assert_array_equal(names["largest"].detach()[0, 0].numpy(), [[5, 2], [2, 8]])
    np.testing.assert_array_equal(names["mean"].detach()[0, 0].numpy(), [[3.25, 1], [1, 6]])
    np.testing.assert_array_equal(np.argwhere(names["to_largest"][0, 0].numpy()), [[0, 2], [1, 0], [2, 1], [2, 3]])
    assert (names["to_all"].numpy() == 0.25).all()
    assert names["shapes"] == [(1, 28, 28), (8, 24, 24), (8, 12, 12), (16, 8, 8), (16, 4, 4), (10,)]
    assert names["colour_shapes"] == [(3, 32, 32), (20, 26, 26), (30, 22, 22)]
    assert names["neurons"] == 8 * 24 * 24
    changes = names["changes"]
    assert changes["no pooling"][1] > changes["max 2×2"][1] > changes["max 4×4"][1]  # the wider, the more is forgiven
    assert min(names["accuracy"][name] for name in ("max pooling", "all convolutional")) > 0.9
    moved = {name: values[2] for name, values in names["right"].items()}
    assert moved["max pooling"] > moved["dense layers"] + 0.1
