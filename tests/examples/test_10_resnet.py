"""Chapter 10: depth harms a plain network and not a residual one, after few steps already; the gradients of both; the shapes of a block."""

import numpy as np

import minigrad as mg


def test_resnet(chapter):
    names = chapter("10_resnet", "--images", "640", "--tests", "100", "--epochs", "3", "--width", "4", "--deep", "38", "--seed", "1")
    fresh = names["fresh"]
    assert len(fresh["plain"]) == len(fresh["residual"]) == 37  # 38 layers, the last one dense
    growth = {kind: values[0] / values[-1] for kind, values in fresh.items()}  # on its way back
    assert growth["plain"] > 5 * growth["residual"]
    loss = {name: values[-1] for name, values in names["curves"].items()}
    assert loss["residual, 20 layers"] < loss["plain, 20 layers"] - 0.3 and loss["residual, 38 layers"] < loss["plain, 38 layers"] - 0.3
    assert loss["plain, 38 layers"] > 2  # it has not begun to learn
    assert names["counted"]["plain, 38 layers"] == names["counted"]["residual, 38 layers"]  # a shortcut has no parameters

    # a block whose convolutions are zero is the identity if it has a shortcut, and nothing without
    x = mg.rand(2, 4, 6, 6)
    for shortcut in (True, False):
        block = names["Block"](4, 4, 1, shortcut)
        for parameter in block.parameters():
            parameter.data = mg.zeros(parameter.shape)
        np.testing.assert_array_equal(block(x).detach().numpy(), x.numpy() * shortcut)
    smaller = names["Block"](4, 8, 2, True)
    assert smaller(x).shape == (2, 8, 3, 3)
    for parameter in smaller.parameters():
        parameter.data = mg.zeros(parameter.shape)
    np.testing.assert_array_equal(smaller(x).detach().numpy()[:, :4], x.numpy()[:, :, ::2, ::2])
