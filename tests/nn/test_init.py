"""Initialisers: gains, distributions, orthogonal and Dirac, and the layers' default initialisation."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F


def test_gains():
    assert nn.init.calculate_gain("linear") == nn.init.calculate_gain("conv2d") == nn.init.calculate_gain("sigmoid") == 1.0
    assert nn.init.calculate_gain("relu") == math.sqrt(2)
    assert nn.init.calculate_gain("leaky_relu", 1.0) == 1.0
    with pytest.raises(ValueError, match="swoosh"):
        nn.init.calculate_gain("swoosh")


N = 40_000
DISTRIBUTIONS = [
    # initialiser, shape, expected standard deviation, largest magnitude
    (lambda w: nn.init.uniform_(w, -2, 2), (200, 200), 4 / math.sqrt(12), 2.0),
    (lambda w: nn.init.normal_(w, 0, 3), (200, 200), 3.0, None),
    (lambda w: nn.init.trunc_normal_(w, 0, 1, -1, 1), (200, 200), 0.53956, 1.0),
    (nn.init.xavier_uniform_, (300, 100), math.sqrt(2 / 400), math.sqrt(6 / 400)),
    (lambda w: nn.init.xavier_normal_(w, 2.0), (300, 100), 2 * math.sqrt(2 / 400), None),
    (lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"), (40, 20, 5, 5), math.sqrt(2 / 500), math.sqrt(6 / 500)),
    (lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), (40, 20, 5, 5), math.sqrt(2 / 1000), None),
    (lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)), (200, 100), 1 / math.sqrt(300), 0.1),
]


@pytest.mark.parametrize(("fill", "shape", "std", "largest"), DISTRIBUTIONS)
def test_distributions(fill, shape, std, largest):
    mg.manual_seed(0)
    w = mg.empty(shape, dtype=mg.float64)
    assert fill(w) is w
    values = w.numpy()
    assert abs(values.mean()) < 5 * std / math.sqrt(values.size)
    assert abs(values.std() / std - 1) < 0.02
    if largest is not None:
        assert 0.99 * largest < np.abs(values).max() <= largest


def test_initialisers_are_seeded():
    def draw(generator=None, dtype=mg.float32):
        w = nn.Parameter(mg.empty(4, 6, dtype=dtype))
        for fill in (nn.init.normal_, nn.init.kaiming_uniform_, nn.init.orthogonal_, nn.init.trunc_normal_):
            fill(w, generator=generator)
        assert w.requires_grad and w.is_leaf
        return w.numpy(force=True)

    mg.manual_seed(3)
    a = draw()
    mg.manual_seed(3)
    np.testing.assert_array_equal(a, draw())
    np.testing.assert_array_equal(draw(mg.Generator().manual_seed(3)), a)
    mg.manual_seed(3)
    np.testing.assert_allclose(draw(dtype=mg.float64), a, rtol=1e-6)
    mg.manual_seed(5)
    first = nn.Linear(3, 3).weight.numpy(force=True)
    mg.manual_seed(5)
    np.testing.assert_array_equal(nn.Linear(3, 3).weight.numpy(force=True), first)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3, 3), (2, 8, 1)])
def test_orthogonal(shape):
    w = nn.init.orthogonal_(mg.empty(shape, dtype=mg.float64), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_are_any():
    """Not only those that the decomposition prefers: every sign occurs."""
    mg.manual_seed(0)
    signs = {tuple(np.sign(np.diag(nn.init.orthogonal_(mg.empty(2, 2)).numpy()))) for _ in range(50)}
    assert signs == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_dirac_passes_channels_through():
    weight = nn.init.dirac_(mg.empty(4, 2, 3, 3), groups=2)
    x = mg.randn(1, 4, 5, 5)
    np.testing.assert_allclose(F.conv2d(x, weight, padding=1, groups=2).numpy(), x.numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match="3, 4 or 5"):
        nn.init.dirac_(mg.empty(2, 2))


def test_other_initialisers():
    assert nn.init.constant_(mg.empty(2), 3.5).tolist() == [3.5, 3.5]
    assert nn.init.eye_(mg.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert nn.init.ones_(mg.empty(1)).tolist() == [1] and nn.init.zeros_(mg.empty(1)).tolist() == [0]
    sparse = nn.init.sparse_(mg.empty(10, 4), 0.35).numpy()
    assert ((sparse == 0).sum(0) == 4).all()
    assert nn.init.trunc_normal_(mg.empty(3), 5.0, 0.0).tolist() == [2.0, 2.0, 2.0]
    for call in (lambda w: nn.init.eye_(w), lambda w: nn.init.xavier_normal_(w), lambda w: nn.init.sparse_(w, 0.1), nn.init.orthogonal_):
        with pytest.raises(ValueError, match="shape"):
            call(mg.empty(3))
    with pytest.raises(ValueError, match="fan_in"):
        nn.init.kaiming_normal_(mg.empty(2, 2), mode="fan")
    with pytest.warns(UserWarning, match="no elements"):
        nn.init.kaiming_uniform_(mg.empty(0, 2))


def test_initialisers_refuse_what_would_be_lost():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        nn.init.ones_(w * 2)
    with pytest.raises(TypeError, match=r"^ones_: tensor must be a Tensor"):
        nn.init.ones_(np.ones(2))
    layer = nn.Linear(2, 2)
    assert nn.init.zeros_(layer.weight.data).tolist() == layer.weight.tolist() == [[0, 0], [0, 0]]
    whole = mg.ones(2, 2)
    nn.init.zeros_(whole[0])
    assert whole.tolist() == [[0, 0], [1, 1]]


def test_initialisers_do_not_change_what_others_hold():
    layer = nn.Linear(2, 2)
    held = layer.weight.detach()
    before = held.numpy().copy()
    nn.init.zeros_(layer.weight)
    np.testing.assert_array_equal(held.numpy(), before)
    assert (layer.weight == 0).all()


@pytest.mark.parametrize("make", [lambda: nn.Linear(100, 400), lambda: nn.Conv2d(4, 100, 5), lambda: nn.Bilinear(100, 3, 100)])
def test_layers_start_as_pytorchs_do(make):
    mg.manual_seed(1)
    layer = make()
    for p in (layer.weight, layer.bias):
        values = p.numpy(force=True)
        assert 0.095 < np.abs(values).max() <= 0.1  # 1 / sqrt(fan_in)
        assert abs(values.std() * math.sqrt(300) - 1) < 0.15


@pytest.mark.parametrize("name", ["constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse", "uniform", "xavier_normal", "xavier_uniform"])  # fmt: skip
def test_names_without_an_underscore_are_deprecated(name):
    shape = (3, 3, 2) if name == "dirac" else (3, 4)
    options = {"constant": (2.0,), "sparse": (0.5,)}.get(name, ())
    results = []
    for function in (name, f"{name}_"):
        mg.manual_seed(0)
        w = mg.zeros(shape)
        if function == name:
            with pytest.warns(FutureWarning, match=rf"nn.init.{name} is deprecated, use nn.init.{name}_"):
                assert nn.init.__dict__[function](w, *options) is w
        else:
            nn.init.__dict__[function](w, *options)
        results.append(w.tolist())
    assert results[0] == results[1] and mg.tensor(results[0]).any()
