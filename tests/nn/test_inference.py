"""Batch normalisation folded into the layer before it: of pairs, and in whole models, where nothing else may change."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import models
from minigrad.tree import tensors_in

CONVS = [(nn.Conv1d, nn.BatchNorm1d, 1), (nn.Conv2d, nn.BatchNorm2d, 2), (nn.Conv3d, nn.BatchNorm3d, 3)]
TRANSPOSED = [(nn.ConvTranspose1d, nn.BatchNorm1d, 1), (nn.ConvTranspose2d, nn.BatchNorm2d, 2), (nn.ConvTranspose3d, nn.BatchNorm3d, 3)]


def lived(norm, seed=0):
    """``norm`` in evaluation mode, with statistics, weight and bias as after training."""
    rng = np.random.default_rng(seed)
    for name in ("running_mean", "running_var", "weight", "bias"):
        if (t := getattr(norm, name)) is not None:
            sign = 1 if name == "running_var" else rng.choice([-1, 1], t.shape)
            t.data = (rng.uniform(0.5, 2.0, t.shape) * sign).astype(t.dtype)
    return norm.eval()


def of(model, *args):
    with mg.no_grad():
        return model(*args).numpy()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("conv", "norm", "dims", "transpose"), [*[(*c, False) for c in CONVS], *[(*c, True) for c in TRANSPOSED]])
def test_a_folded_pair_computes_the_same(conv, norm, dims, transpose, bias, affine):
    layer = conv(4, 6, 3, stride=2, groups=2, bias=bias, dtype=mg.float64).eval()
    bn = lived(norm(6, affine=affine, dtype=mg.float64))
    fused = nn.utils.fuse_conv_bn_eval(layer, bn, transpose)
    x = mg.tensor(np.random.default_rng(1).normal(size=(2, 4, *[7] * dims)))
    np.testing.assert_allclose(of(fused, x), of(bn, layer(x)), rtol=1e-12, atol=1e-12)
    assert type(fused) is conv
    assert fused.weight.dtype is mg.float64


@pytest.mark.parametrize(
    ("make", "shape", "folded"),
    [
        (lambda: models.resnet20(), (2, 3, 32, 32), 19),
        (lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3), nn.BatchNorm1d(3)), (5, 4), 2),
        (lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4))), (2, 3, 5, 5), 1),
    ],
)
def test_a_model_computes_the_same_with_every_pair_folded(make, shape, folded):
    mg.manual_seed(0)
    model = make()
    for i, module in enumerate(model.modules()):
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            lived(module, i)
    x = mg.randn(*shape)
    norms = sum(isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) for m in model.modules())
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    model.train()
    fast = nn.optimize_for_inference(model, x[:1])
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all((before[k] == v.numpy()).all() for k, v in model.state_dict().items())
    assert sum(isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) for m in fast.modules()) == norms - folded
    assert not any(p.requires_grad for p in fast.parameters())
    wanted = of(model.eval(), x)
    np.testing.assert_allclose(of(fast, x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


class Uses(nn.Module):
    """A convolution and a normalisation, called in some way."""

    def __init__(self, how):
        super().__init__()
        self.conv, self.bn, self.other = nn.Conv2d(2, 2, 1), lived(nn.BatchNorm2d(2)), lived(nn.BatchNorm2d(2), 1)
        self.how = how

    def forward(self, x):
        return self.how(self, x)


@pytest.mark.parametrize(
    "how",
    [
        lambda m, x: m.bn(y := m.conv(x)) + y,  # the convolution's result is used beside the normalised one
        lambda m, x: m.bn(m.conv(x)) + m.conv(x),
        lambda m, x: m.bn(m.conv(x)) + m.bn(x),
        lambda m, x: m.bn(m.conv(x) * 2),
        lambda m, x: m.bn(m.bn(m.conv(x))),
        lambda m, x: (m.bn(y := m.conv(x)), m.other(y))[0] + y.sum(),
        lambda m, x: m.bn(mg.conv2d(x, m.conv.weight, m.conv.bias)),
        lambda m, x: (y := m.conv(x), m.bn(y)),  # both are results
        lambda m, x: m.bn(m.conv(x).relu_()),
    ],
)
def test_other_uses_of_a_result_keep_the_normalisation(how):
    model, x = Uses(how), mg.randn(2, 2, 4, 4)
    fast = nn.optimize_for_inference(model, x)
    assert isinstance(fast.bn, nn.BatchNorm2d)
    with mg.no_grad():
        for found, wanted in zip(tensors_in(fast(x)), tensors_in(model.eval()(x)), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


def test_an_activation_in_place_behind_a_normalisation_does_not_keep_it():
    model, x = Uses(lambda m, x: m.bn(m.conv(x)).relu_()), mg.randn(2, 2, 4, 4)
    fast = nn.optimize_for_inference(model, x)
    assert isinstance(fast.bn, nn.Identity)
    np.testing.assert_allclose(of(fast, x), of(model.eval(), x), rtol=1e-5, atol=1e-6)


def test_layers_with_two_names_are_replaced_under_both():
    model, x = Uses(lambda m, x: m.again[1](m.again[0](x))), mg.randn(2, 2, 4, 4)
    model.again = nn.ModuleList([model.conv, model.bn])
    fast = nn.optimize_for_inference(model, x)
    assert fast.conv is fast.again[0]
    assert type(fast.bn) is type(fast.again[1]) is nn.Identity
    np.testing.assert_allclose(of(fast, x), of(model.eval(), x), rtol=1e-5, atol=1e-6)


def test_hooks_and_subclasses_stay():
    class Mine(nn.Conv2d):
        pass

    x = mg.randn(1, 2, 4, 4)
    model = nn.Sequential(Mine(2, 2, 1), lived(nn.BatchNorm2d(2)), nn.Conv2d(2, 2, 1), lived(nn.BatchNorm2d(2)))
    handle = model[3].register_forward_hook(lambda m, i, o: o + 1)
    fast = nn.optimize_for_inference(model, x)
    assert [type(m) for m in fast] == [Mine, nn.BatchNorm2d, nn.Conv2d, nn.BatchNorm2d]
    handle.remove()
    nn.summary(model, (1, 2, 4, 4))  # leaves no hook
    assert type(nn.optimize_for_inference(model, x)[3]) is nn.Identity


def test_a_model_that_reads_the_weights_besides_is_refused():
    model = Uses(lambda m, x: m.bn(m.conv(x)) * m.conv.weight.sum())
    with pytest.raises(RuntimeError, match=r"optimize_for_inference: the results changed, by up to .* Uses uses the weights"):
        nn.optimize_for_inference(model, mg.randn(2, 2, 4, 4))
