"""einops takes Tensors: the same results as of arrays, with gradients."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.einops
from minigrad.testing import gradcheck

einops = pytest.importorskip("einops")
X = np.random.default_rng(0).normal(size=(2, 4, 6))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: einops.rearrange(x, "n (h a) w -> (n a) w h", a=2),
        lambda x: einops.rearrange([x, x], "k n h w -> n k (h w)"),
        lambda x: einops.repeat(x, "n h w -> n h 3 w 2"),
        lambda x: einops.reduce(x, "n (h a) w -> n h", "max", a=2),
        lambda x: einops.reduce(x, "n h w -> w", "mean"),
        lambda x: einops.reduce(x, "n h w -> h", "min"),
        lambda x: einops.reduce(x, "n h w -> h 1", "prod"),
        lambda x: einops.reduce(x, "n h w -> ", "sum"),
        lambda x: einops.einsum(x, x, "n h w, m h v -> n m w v"),
        lambda x: einops.pack([x, x[:, :, 0]], "n *")[0],
        lambda x: einops.unpack(x, [(1,), (2, 1), (3,)], "n h *")[1],
    ],
)
def test_einops(function):
    minigrad.einops.register()
    ours = function(mg.tensor(X))
    assert isinstance(ours, mg.Tensor)
    np.testing.assert_allclose(ours.numpy(), function(X), rtol=1e-12)
    gradcheck(function, X, fast=True)


def test_registered_once():
    assert minigrad.einops.register() is minigrad.einops.register()
    assert einops.parse_shape(mg.ones(2, 3), "a b") == {"a": 2, "b": 3}
