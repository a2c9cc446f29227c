"""einops takes Tensors: the same results as of arrays, with gradients; its layers are modules."""

import copy
import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
import minigrad.einops
from minigrad import nn
from minigrad.testing import gradcheck

einops = pytest.importorskip("einops")
layers = importlib.import_module("minigrad.einops.layers.torch")
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
    ours = function(mg.tensor(X))
    assert isinstance(ours, mg.Tensor)
    np.testing.assert_allclose(ours.numpy(), function(X), rtol=1e-12)
    gradcheck(function, X, fast=True)


def test_registered_once():
    assert minigrad.einops.register() is minigrad.einops.register()
    assert einops.parse_shape(mg.ones(2, 3), "a b") == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    "imports",
    [
        "import einops, minigrad.torch as torch",
        "import minigrad.torch as torch, einops",
        "import minigrad.torch as torch; from minigrad import einops",
        "import einops._backends, minigrad.torch as torch, einops",
    ],
)
def test_importing_both_is_all(imports):
    """A script says ``import einops`` and nothing else, in any order; nobody else's loader is kept from it."""
    script = f"""
{imports}
import sys
assert tuple(einops.rearrange(torch.ones(2, 3, 4), "a b c -> (a b) c").shape) == (6, 4)
import einops as theirs
assert type(sys.modules["einops"].__spec__.loader).__name__ == "SourceFileLoader" == type(sys.modules["einops"].__loader__).__name__
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_minigrad_does_not_import_einops():
    script = (
        "import minigrad, sys, json, importlib.util; assert 'einops' not in sys.modules; assert importlib.util.find_spec('einops').origin"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_package_has_the_functions_of_einops():
    assert minigrad.einops.rearrange is einops.rearrange
    with pytest.raises(AttributeError, match=r"has no attribute 'rearange'; it has the functions of einops"):
        _ = minigrad.einops.rearange


MADE = {
    "rearrange": lambda l: l.Rearrange("n (h a) w -> n a (h w)", a=2),
    "reduce": lambda l: l.Reduce("n (h a) w -> n h w", "max", a=2),
    "einmix": lambda l: l.EinMix("n (g c) w -> n w (g d)", weight_shape="g c d", bias_shape="g d", g=2, c=2, d=3),
    "einmix_no_bias": lambda l: l.EinMix("n c w -> n d w", weight_shape="c d", c=4, d=3),
}


@pytest.mark.parametrize("name", MADE)
def test_layers(name):
    layer = MADE[name](layers).double()
    model = nn.Sequential(layer, nn.Flatten())
    y = model(mg.tensor(X))
    again = copy.deepcopy(model)
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in model.named_parameters()]
    gradcheck(lambda x: model(x), X, fast=True)
    if "einmix" not in name:
        assert mg.equal(again(mg.tensor(X)), y) and not list(model.parameters())
    else:
        assert all(p.detach().abs().max() < 2 and p.detach().std() > 0.1 for p in model.parameters())


@pytest.mark.live
@pytest.mark.parametrize("name", MADE)
def test_layers_beside_pytorch(name):
    import torch
    from einops.layers import torch as theirs

    ours, other = MADE[name](layers).double(), MADE[name](theirs).double()
    state = {key: value.numpy() for key, value in other.state_dict().items()}
    ours.load_state_dict(state)
    np.testing.assert_allclose(ours(mg.tensor(X)).detach().numpy(), other(torch.tensor(X)).detach().numpy(), rtol=1e-12)
    assert repr(ours) == repr(other)
