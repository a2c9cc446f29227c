"""Chapter 9: the channels of the Inception blocks, what 1x1 convolutions save, the loss of the heads, and the gradient that they bring."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.graph import render
from minigrad.nn.models import googlenet


@pytest.mark.skipif(not render.engines("png"), reason="the chapter draws a graph: pip install pygraphviz")
def test_googlenet(chapter):
    names = chapter("09_googlenet", "--images", "192", "--tests", "60", "--epochs", "2")
    assert names["work"](names["block"].three) == 28 * 28 * (192 * 96 + 96 * 128 * 9)
    assert names["work"](names["Convolution"](192, 32, 5)) == 28 * 28 * 192 * 32 * 25

    # the channels of the paper: each block takes what the one before gives, as in the model of the whole size
    with nn.shapes_only():
        whole = googlenet()
    for name, (into, one, three, five, pool) in names["BLOCKS"].items():
        block = whole.get_submodule(f"inception{name}")
        assert (block.branch1.conv.in_channels, block.branch1.conv.out_channels) == (into, one)
        assert (block.branch2[0].conv.out_channels, block.branch2[1].conv.out_channels) == three
        assert (block.branch3[0].conv.out_channels, block.branch3[1].conv.out_channels) == five
        assert block.branch4[1].conv.out_channels == pool

    # branches are stacked, each at its own size of filter
    block, x = names["Inception"](4, 1, (2, 3), (2, 2), 1), mg.rand(2, 4, 6, 6)
    y = block(x)
    assert y.shape == (2, 7, 6, 6)
    np.testing.assert_allclose(y[:, 4:6].detach().numpy(), block.five(x).detach().numpy())
    by_hand = F.relu(F.conv2d(F.max_pool2d(x, 3, 1, 1), block.pool[1][0].weight))
    np.testing.assert_allclose(y[:, 6:].detach().numpy(), by_hand.detach().numpy(), atol=1e-6)

    # the heads: in training only, at 0.3; below them more gradient, above them no other
    model = names["networks"]["with heads"]
    x, labels = next(iter(names["train"]))
    answer, others = model.train()(x)
    assert len(others) == 2 and model.eval()(x)[1] == []
    expected = F.cross_entropy(answer, labels).item() + 0.3 * sum(F.cross_entropy(other, labels).item() for other in others)
    assert names["loss"]((answer, others), labels).item() == pytest.approx(expected, rel=1e-5)
    norms = names["norms"]
    assert all(a > 1.5 * b for a, b in zip(norms["with heads"][:2], norms["without heads"][:2], strict=True))
    assert norms["with heads"][8] < 1.5 * norms["without heads"][8]
