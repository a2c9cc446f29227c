"""nn.utils compared with PyTorch: normalised weights, parametrisations, batch norm folded into the layer before it, clipping."""

import copy
import pickle

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad import nn

P = nn.utils.parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return mg.triu(x) + mg.triu(x, 1).T

    def right_inverse(self, value):
        return mg.triu(value)


class Doubled(nn.Module):
    def forward(self, x):
        return x * 2.0


class RankOne(nn.Module):
    def forward(self, x, y):
        return x.unsqueeze(-1) * y.unsqueeze(-2)

    def right_inverse(self, value):
        return value[:, 0], value[0] / value[0, 0]


# ------------------------------------------------------------------------------------------------ beside PyTorch's


def close(ours, theirs, what=""):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-7, atol=1e-12, err_msg=what, strict=True)


LAYERS = [
    ("Linear", (3, 4), (5, 3)),
    ("Conv2d", (2, 4, 3), (2, 2, 5, 5)),
    ("ConvTranspose1d", (2, 3, 3), (2, 2, 5)),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("layer", LAYERS, ids=[name for name, _, _ in LAYERS])
@pytest.mark.parametrize("options", [{}, {"dim": 1}, {"dim": None}])
@pytest.mark.parametrize(
    "place", ["utils.weight_norm", "utils.spectral_norm", "utils.parametrizations.weight_norm", "utils.parametrizations.spectral_norm"]
)
def test_normalised_weights(place, options, layer):
    """The same state, the same outputs and gradients in three steps of training and one of evaluation; the same again without."""
    name, arguments, shape = layer
    rng = np.random.default_rng(0)

    def made(library):
        function = library.nn if library is torch else nn
        module = getattr(function, name)(*arguments).double()
        for part in place.split("."):
            function = getattr(function, part)
        return function(module, **options)

    ours, theirs = made(mg), made(torch)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        ours.zero_grad()
        theirs.zero_grad()
        x = rng.normal(size=shape)
        y, z = ours(mg.tensor(x)), theirs(torch.tensor(x))
        close(y, z, "output")
        (y * y).sum().backward()
        (z * z).sum().backward()
        for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            close(p.grad, q.grad, f"gradient of {n}")
        for key, value in theirs.state_dict().items():
            close(ours.state_dict()[key], value, key)
    if "parametrizations" in place:
        nn.utils.parametrize.remove_parametrizations(ours, "weight")
        torch.nn.utils.parametrize.remove_parametrizations(theirs, "weight")
    else:
        kind = place.rpartition(".")[2]
        getattr(nn.utils, f"remove_{kind}")(ours)
        getattr(torch.nn.utils, f"remove_{kind}")(theirs)
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict()) == ["bias", "weight"] and repr(ours) == repr(theirs)
    close(ours.weight, theirs.weight, "what is left")
    close(ours(mg.tensor(x)), theirs(torch.tensor(x)), "what is left")
    assert ours.weight.is_leaf and isinstance(ours.weight, nn.Parameter)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments", "norm", "shape"),
    [("Conv2d", (2, 4, 3), "BatchNorm2d", (2, 2, 5, 5)), ("ConvTranspose2d", (2, 4, 3), "BatchNorm2d", (2, 2, 5, 5)), ("Linear", (3, 4), "BatchNorm1d", (5, 3))],
)  # fmt: skip
def test_batch_norm_is_folded_into_the_layer(name, arguments, norm, shape, bias):
    rng = np.random.default_rng(1)
    pairs = []
    for library in (nn, torch.nn):
        pairs.append((getattr(library, name)(*arguments, bias=bias).double(), getattr(library, norm)(4).double()))
    for ours, theirs in zip(*pairs, strict=True):
        state = {k: rng.uniform(0.5, 1.5, v.shape) if v.dtype.is_floating_point else v.numpy() for k, v in theirs.state_dict().items()}
        ours.load_state_dict(state)
        theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    with pytest.raises(ValueError, match="call eval"):
        nn.utils.fuse_conv_bn_eval(*pairs[0])
    function = "fuse_linear_bn_eval" if name == "Linear" else "fuse_conv_bn_eval"
    more = (True,) if name == "ConvTranspose2d" else ()
    before = pairs[0][0].weight.detach().clone()
    fused = [
        getattr(library.utils, function)(layer.eval(), bn.eval(), *more) for library, (layer, bn) in zip((nn, torch.nn), pairs, strict=True)
    ]
    close(fused[0].weight, fused[1].weight)
    close(fused[0].bias, fused[1].bias)
    x = mg.tensor(rng.normal(size=shape))
    layer, bn = pairs[0]
    np.testing.assert_allclose(fused[0](x).detach().numpy(), bn(layer(x)).detach().numpy(), rtol=1e-10)
    assert (layer.weight == before).all() and fused[0] is not layer


def test_clipping_with_a_known_norm():
    gradients = np.random.default_rng(0).normal(size=(2, 3))
    for norm in (10.0, 0.1):
        p, q = nn.Parameter(np.zeros((2, 3))), torch.nn.Parameter(torch.zeros(2, 3, dtype=torch.float64))
        p.grad, q.grad = mg.tensor(gradients), torch.tensor(gradients)
        assert nn.utils.clip_grads_with_norm_([p], 1.5, norm) is None
        torch.nn.utils.clip_grads_with_norm_([q], 1.5, torch.tensor(norm))
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6)


# --------------------------------------------------------------------------------------------------- parametrisations


def test_a_parametrised_tensor_is_computed_when_it_is_read():
    layer = P.register_parametrization(nn.Linear(3, 3).double(), "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert P.is_parametrized(layer) and P.is_parametrized(layer, "weight") and not P.is_parametrized(layer, "bias")
    assert P.type_before_parametrizations(layer) is nn.Linear and P.type_before_parametrizations(nn.ReLU()) is nn.ReLU
    original = layer.parametrizations.weight.original
    assert (layer.weight == layer.weight.T).all() and layer.weight is not layer.weight
    with P.cached():
        assert layer.weight is layer.weight
    layer(mg.ones(2, 3).double()).sum().backward()
    assert (original.grad.numpy()[np.tril_indices(3, -1)] == 0).all() and (original.grad.numpy()[np.triu_indices(3, 1)] == 4).all()

    value = mg.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]], dtype=mg.float64)
    layer.weight = value
    assert (layer.weight == value).all() and layer.parametrizations.weight.original is original
    layer.weight = nn.Parameter(value * 2)
    assert (layer.weight == value * 2).all() and "weight" not in dict(layer.named_parameters())

    P.register_parametrization(layer, "weight", Doubled())
    assert (layer.weight == value * 4).all()
    with pytest.raises(RuntimeError, match="Doubled has no right_inverse"):
        layer.weight = value


def test_an_optimiser_trains_the_original():
    layer = P.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.detach().clone()
    layer(mg.randn(4, 3)).square().sum().backward()
    optimizer.step()
    assert (layer.weight == layer.weight.T).all() and (layer.weight != before).any()


@pytest.mark.parametrize("leave", [True, False])
def test_without_a_parametrisation_again(leave):
    layer = nn.Linear(3, 3)
    weight = layer.weight
    P.register_parametrization(layer, "weight", Doubled())
    P.register_parametrization(layer, "bias", Doubled())
    value = layer.weight.detach().clone()
    assert P.remove_parametrizations(layer, "weight", leave_parametrized=leave) is layer
    assert layer.weight is weight, "the same parameter, so that optimisers know it"
    assert (layer.weight == (value if leave else value / 2)).all() and type(layer) is not nn.Linear
    P.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations")
    with pytest.raises(ValueError, match=r"Linear\.bias is not parametrised"):
        P.remove_parametrizations(layer, "bias")


def test_several_originals():
    layer = nn.Linear(2, 3)
    layer.weight = nn.Parameter(mg.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]))
    P.register_parametrization(layer, "weight", RankOne())
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert layer.weight.tolist() == [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    layer.weight = mg.tensor([[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    assert layer.weight.tolist() == [[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(ValueError, match="computed from one original"):
        P.remove_parametrizations(layer, "weight", leave_parametrized=False)
    P.remove_parametrizations(layer, "weight")
    assert layer.weight.is_leaf and layer.weight.requires_grad


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_parametrised_too(copied):
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    model = nn.Sequential(layer, nn.ReLU())
    other = copied(model)
    assert P.is_parametrized(other[0], "weight") and repr(other) == repr(model) and (other[0].weight == layer.weight).all()
    with mg.no_grad():
        other[0].parametrizations.weight.original0.mul_(2.0)
    np.testing.assert_allclose(other[0].weight.detach().numpy(), 2 * layer.weight.detach().numpy(), rtol=1e-6)
    P.remove_parametrizations(other[0], "weight")
    assert type(other[0]) is nn.Linear and P.is_parametrized(layer)


def test_what_is_refused():
    with pytest.raises(ValueError, match="Linear has no parameter or buffer 'weights'"):
        P.register_parametrization(nn.Linear(2, 2), "weights", Doubled())
    with pytest.raises(ValueError, match=r"Linear\.bias is None"):
        P.register_parametrization(nn.Linear(2, 2, bias=False), "bias", Doubled())

    class Longer(nn.Module):
        def forward(self, x):
            return mg.cat([x, x])

    with pytest.raises(mg.ShapeError, match=r"from float32\(2,\) to float32\(4,\)"):
        P.register_parametrization(nn.Linear(2, 2), "bias", Longer())
    assert P.register_parametrization(nn.Linear(2, 2), "bias", Longer(), unsafe=True).bias.shape == (4,)
    for function in (nn.utils.weight_norm, nn.utils.spectral_norm):
        layer = function(nn.Linear(2, 2))
        with pytest.raises(RuntimeError, match="'weight' is normalised already"):
            function(layer)
        with pytest.raises(ValueError, match="has no parameter 'kernel'"):
            function(nn.Linear(2, 2), "kernel")
    with pytest.raises(ValueError, match="'weight' of Linear is not normalised"):
        nn.utils.remove_weight_norm(nn.Linear(2, 2))


def test_the_singular_value_is_the_largest():
    mg.manual_seed(0)
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 5), n_power_iterations=30)
    for _ in range(5):
        weight = layer.weight
    assert np.linalg.svd(weight.detach().numpy())[1][0] == pytest.approx(1.0, rel=1e-5)


def test_skip_init_uses_up_no_random_number():
    mg.manual_seed(3)
    expected = mg.rand(4)
    mg.manual_seed(3)
    layer = nn.utils.skip_init(nn.Conv2d, 2, 3, kernel_size=3)
    assert layer.weight.shape == (3, 2, 3, 3) and (mg.rand(4) == expected).all()
    with pytest.raises(RuntimeError, match=r"subclass of nn\.Module"):
        nn.utils.skip_init(len)


def test_a_model_is_not_its_parameters():
    with pytest.raises(TypeError, match="clip_grad_norm_: parameters must be a Tensor, but is Linear"):
        nn.utils.clip_grad_norm_(nn.Sequential(nn.Linear(1, 1)), 1.0)
