"""Lazy layers: their state before and after the first call, which gives the same classes as in PyTorch."""

import copy
import inspect
import io
import pickle
import re

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad import graph, nn

LAYERS = [
    # name, arguments, shape of the input, the plain layer's first argument
    ("LazyLinear", {"out_features": 4}, (2, 3, 5), 5),
    ("LazyLinear", {"out_features": 4, "bias": False}, (5,), 5),
    ("LazyConv1d", {"out_channels": 4, "kernel_size": 3, "padding": "same"}, (2, 6, 9), 6),
    ("LazyConv2d", {"out_channels": 4, "kernel_size": (3, 2), "stride": 2, "groups": 2, "bias": False}, (2, 6, 7, 8), 6),
    ("LazyConv2d", {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, (6, 7, 8), 6),
    ("LazyConv3d", {"out_channels": 4, "kernel_size": 2, "dilation": 2}, (2, 3, 4, 5, 6), 3),
    ("LazyConvTranspose1d", {"out_channels": 4, "kernel_size": 3, "stride": 2, "output_padding": 1}, (2, 6, 5), 6),
    ("LazyConvTranspose2d", {"out_channels": 4, "kernel_size": 3, "groups": 2}, (2, 6, 4, 5), 6),
    ("LazyConvTranspose3d", {"out_channels": 4, "kernel_size": 2, "bias": False}, (2, 3, 2, 3, 4), 3),
    ("LazyBatchNorm1d", {}, (6, 4), 4),
    ("LazyBatchNorm1d", {"affine": False, "momentum": None}, (6, 4, 5), 4),
    ("LazyBatchNorm2d", {"eps": 0.1, "bias": False}, (2, 4, 3, 5), 4),
    ("LazyBatchNorm3d", {"track_running_stats": False}, (2, 4, 3, 2, 5), 4),
    ("LazyInstanceNorm1d", {"affine": True, "track_running_stats": True}, (2, 3, 5), 3),
    ("LazyInstanceNorm2d", {"affine": False, "track_running_stats": True}, (2, 3, 4, 5), 3),
    ("LazyInstanceNorm3d", {"affine": True, "track_running_stats": False}, (2, 3, 4, 5, 2), 3),
]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(LAYERS)]
each_layer = pytest.mark.parametrize(("name", "options", "shape", "size"), LAYERS, ids=IDS)


@each_layer
def test_becomes_the_plain_layer(name, options, shape, size):
    """After the first call nothing tells it from the layer that was told its size: class, repr, values and all."""
    x = mg.tensor(np.random.default_rng(0).normal(size=shape))
    lazy = getattr(nn, name)(**options).double()
    assert (isinstance(lazy, getattr(nn, name.removeprefix("Lazy"))) and not lazy.has_uninitialized_params()) or type(lazy).__name__ == name
    mg.manual_seed(3)
    y = lazy(x)
    mg.manual_seed(3)
    plain = getattr(nn, name.removeprefix("Lazy"))(size, **options).double()
    # The values were drawn in float64 at once, and in float32 first: the same numbers up to that.
    z = plain(x)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert type(lazy) is type(plain) and repr(lazy) == repr(plain)
    assert list(lazy.state_dict()) == list(plain.state_dict())
    assert {k: (v.shape, v.dtype) for k, v in lazy.state_dict().items()} == {k: (v.shape, v.dtype) for k, v in plain.state_dict().items()}
    assert vars(lazy).keys() == vars(plain).keys()
    assert all(type(p) is nn.Parameter and p.requires_grad for p in lazy.parameters())
    assert all(type(b) is mg.Tensor for b in lazy.buffers())
    lazy(x)


def test_before_the_first_call():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
    assert repr(model[0].weight) == "<UninitializedParameter>" and repr(model[1].running_mean) == "<UninitializedBuffer>"
    assert model[0].has_uninitialized_params() and nn.is_lazy(model[0].weight) and not nn.is_lazy(model[1].num_batches_tracked)
    assert len(list(model.parameters())) == 4 and list(model.state_dict()) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip
    p = model[0].weight
    assert isinstance(p, nn.Parameter) and p.is_leaf and p.grad is None and p.requires_grad and p.dtype == mg.float32
    assert p.device == "cpu" and p.is_floating_point()
    uses = [
        lambda: p.shape, lambda: p + 1, lambda: p.numel(), lambda: p.detach(), lambda: np.asarray(p), lambda: mg.sum(p), lambda: p.data,
        lambda: len(p), lambda: nn.init.zeros_(p), lambda: p.tolist(), lambda: model[0].forward(mg.ones(1, 3, 5, 5)),
        lambda: nn.utils.parameters_to_vector(model.parameters()), lambda: setattr(p, "data", mg.ones(2)),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(nn.UninitializedError, match="has no value and no shape yet: call the model once"):
            use()
    assert issubclass(nn.UninitializedError, ValueError) and issubclass(nn.UninitializedError, RuntimeError)
    model.zero_grad()
    model.eval().requires_grad_(False)
    assert not model(mg.ones(2, 3, 5, 5)).requires_grad


def test_dtypes_come_first():
    lazy = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).double()
    assert lazy[0].weight.dtype == mg.float64 == lazy[1].running_var.dtype
    lazy(mg.ones(2, 4, dtype=mg.float64))
    assert lazy[0].weight.dtype == mg.float64 == lazy[1].running_var.dtype
    assert nn.LazyConv1d(3, 2, dtype=mg.float64).bias.dtype == mg.float64


def test_copies_and_pickles():
    lazy = nn.LazyBatchNorm1d(dtype=mg.float64)
    lazy.weight.requires_grad_(False)
    for other in (copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy)), copy.copy(lazy)):
        assert repr(other) == repr(lazy) and repr(other.weight) == "<UninitializedParameter>"
        assert other.weight.dtype == mg.float64 and not other.weight.requires_grad and other.bias.requires_grad
    other = copy.deepcopy(lazy)
    other(mg.randn(3, 4, dtype=mg.float64))
    assert type(other) is nn.BatchNorm1d and type(lazy) is nn.LazyBatchNorm1d and lazy.has_uninitialized_params()
    assert not other.weight.requires_grad
    shared = nn.LazyLinear(3)
    twice = copy.deepcopy(nn.ModuleList([shared, shared]))
    assert twice[0] is twice[1]
    tied = nn.Module()
    tied.a = tied.b = nn.UninitializedParameter()
    tied = copy.deepcopy(tied)
    assert tied.a is tied.b


@each_layer
def test_loads_what_the_plain_layer_has(name, options, shape, size):
    x = mg.randn(*shape)
    plain = getattr(nn, name.removeprefix("Lazy"))(size, **options)
    plain(x)
    for state in (plain.state_dict(), {k: v.numpy() for k, v in plain.state_dict().items()}):
        lazy = getattr(nn, name)(**options)
        lazy.load_state_dict(state)
        assert type(lazy).__name__ == name and not lazy.has_uninitialized_params()
        assert mg.equal(lazy.eval()(x), plain.eval()(x))
        assert type(lazy) is type(plain) and repr(lazy) == repr(plain)


def test_loading_what_does_not_fit():
    lazy = nn.LazyLinear(3)
    lazy.load_state_dict(nn.LazyLinear(3).state_dict())  # nothing to load: stays as it is
    assert lazy.has_uninitialized_params()
    with pytest.raises(RuntimeError, match=r"weight: it is uninitialised in the state_dict: call the model that it comes from once"):
        nn.Linear(2, 3).load_state_dict(lazy.state_dict())
    with pytest.raises(RuntimeError, match=r"missing: bias \(uninitialised\)\n  unexpected: b float32\(3,\)"):
        lazy.load_state_dict({"weight": mg.ones(3, 2), "b": mg.ones(3)})
    assert nn.is_lazy(lazy.weight)  # all or nothing
    lazy.load_state_dict(nn.Linear(2, 3).state_dict())
    with pytest.raises(mg.ShapeError, match=r"LazyLinear: an input \(1, 5\) needs weight \(3, 5\), but \(3, 2\) was loaded"):
        lazy(mg.ones(1, 5))
    assert lazy(mg.ones(1, 2)).shape == (1, 3)


def test_a_part_that_was_loaded_stays():
    lazy = nn.LazyLinear(3)
    lazy.load_state_dict({"bias": mg.full((3,), 7.0)}, strict=False)
    lazy(mg.ones(1, 5))
    assert lazy.bias.tolist() == [7.0] * 3 and lazy.bias.requires_grad and lazy.weight.abs().max() > 0


def test_a_shape_is_loaded_into_a_dtype():
    lazy = nn.LazyLinear(3).double()
    lazy.load_state_dict(nn.Linear(2, 3).state_dict())
    assert lazy.weight.dtype == mg.float64
    lazy = nn.LazyLinear(3).double()
    lazy.load_state_dict(nn.Linear(2, 3).state_dict(), assign=True)
    assert lazy.weight.dtype == mg.float32 and lazy.weight.requires_grad
    lazy(mg.ones(1, 2)).sum().backward()
    assert lazy.weight.grad.shape == (3, 2)


def test_optimisers_may_be_older_than_the_weights():
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.LazyLinear(1))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    model(mg.ones(2, 4))
    before = model[2].bias.item()
    model(mg.ones(2, 4)).sum().backward()
    optimizer.step()
    assert model[2].bias.item() == pytest.approx(before - 0.2)


def test_a_picture_needs_shapes():
    """Drawing changes no model, so it initialises none."""
    model, x = nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(3)), mg.ones(2, 1, 5, 5)
    for part in (model, model[:1], model[3:]):
        with pytest.raises(nn.UninitializedError, match="call the model once"):
            graph.draw(part, x)
    model(x)
    assert "Conv2d" in graph.draw(model, x).dot


def test_a_checkpoint_needs_values():
    with pytest.raises(nn.UninitializedError):
        nn.save(nn.LazyLinear(3).state_dict(), io.BytesIO())


def test_the_first_call_may_fail():
    """The error says where, and the layer is as it was."""
    model = nn.Sequential(nn.LazyConv2d(4, 3))
    with pytest.raises(mg.ShapeError, match="the input must have 4 dimensions, or 3 without a batch") as failure:
        model(mg.ones(2, 3))
    assert failure.value.__notes__ == ["in 0 (LazyConv2d)"]
    assert model[0].has_uninitialized_params()
    assert model(mg.ones(1, 3, 5, 5)).shape == (1, 4, 3, 3)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (lambda: nn.LazyConv2d(4, 3, groups=2), (1, 3, 5, 5), "LazyConv2d: the 3 channels of the input (1, 3, 5, 5) do not divide into 2 groups"),
        (lambda: nn.LazyConvTranspose1d(4, 3), (5,), "LazyConvTranspose1d: the input must have 3 dimensions, or 2 without a batch, not shape (5,)"),
        (lambda: nn.LazyBatchNorm2d(), (2, 3, 4), "LazyBatchNorm2d: the input must be (N, C, H, W), not of shape (2, 3, 4)"),
        (lambda: nn.LazyLinear(3), (), "LazyLinear: an input of no dimensions has no features"),
    ],
)  # fmt: skip
def test_errors(layer, shape, message):
    with pytest.raises(mg.ShapeError, match=re.escape(message)):
        layer()(mg.ones(shape))


def test_an_unbatched_input_of_an_instance_norm():
    lazy = nn.LazyInstanceNorm1d()
    assert lazy(mg.randn(3, 5)).shape == (3, 5) and lazy.num_features == 3


def test_hooks_run_after_the_layer_is_known():
    lazy = nn.LazyLinear(3)
    seen = []
    lazy.register_forward_pre_hook(lambda module, args: seen.append((type(module), module.weight.shape)))
    lazy.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    lazy(mg.ones(2, 4))
    assert seen == [(nn.Linear, (3, 4)), (2, 3)]


class Scale(nn.LazyModuleMixin, nn.Module):
    """A lazy module that stays what it is."""

    calls = 0

    def __init__(self):
        super().__init__()
        self.scale = nn.UninitializedParameter()
        self.register_buffer("seen", nn.UninitializedBuffer(dtype=mg.int64))

    def initialize_parameters(self, x, *, extra=0):
        self.calls += 1
        self.scale.materialize((x.shape[-1] + extra,))
        self.seen.materialize(())
        nn.init.ones_(self.scale)

    def forward(self, x, *, extra=0):
        return x * self.scale


def test_a_module_of_ones_own():
    module = Scale()
    module(mg.ones(2, 3), extra=0)
    module(mg.ones(2, 3))
    assert type(module) is Scale and module.calls == 1 and module.scale.shape == (3,) and module.seen.dtype == mg.int64
    assert not module.seen.requires_grad and type(pickle.loads(pickle.dumps(module)).scale) is nn.Parameter

    class Forgetful(Scale):
        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match=re.escape("Forgetful: initialize_parameters() has left a parameter or buffer uninitialised")):
        Forgetful()(mg.ones(2))

    class Undefined(nn.LazyModuleMixin, nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Undefined does not define initialize_parameters"):
        Undefined()(mg.ones(2))


# ---------------------------------------------------------------------------------------------- beside PyTorch's


@each_layer
def test_twin(name, options, shape, size):
    """The same names and prints before and after the first call, and then the same results."""
    ours, theirs = getattr(nn, name)(**options).double(), getattr(torch.nn, name)(**options).double()
    assert repr(ours) == repr(theirs)
    assert {k: repr(v) for k, v in ours.state_dict().items()} == {k: repr(v) for k, v in theirs.state_dict().items()}
    x = np.random.default_rng(1).normal(size=shape)
    ours(mg.tensor(x))
    theirs(torch.tensor(x))
    assert [type(ours).__name__, repr(theirs).partition("(")[0]] == [name.removeprefix("Lazy")] * 2
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    a, b = ours(mg.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-7, atol=1e-10)


def test_arguments():
    if not torch.__version__.startswith("2.13"):
        pytest.skip("arguments are those of PyTorch 2.13")
    names = [name for name in dir(torch.nn) if name.startswith("Lazy") and name != "LazyModuleMixin"]
    assert len(names) == 13
    for name in [*names, "UninitializedParameter"]:
        a, b = inspect.signature(getattr(nn, name)).parameters, inspect.signature(getattr(torch.nn, name)).parameters
        assert [(p.name, p.default, p.kind) for p in a.values()] == [(p.name, p.default, p.kind) for p in b.values()], name


def test_initial_weights():
    mg.manual_seed(0)
    ours, theirs = nn.LazyConv2d(64, 3), torch.nn.LazyConv2d(64, 3)
    ours(mg.ones(1, 32, 5, 5))
    theirs(torch.ones(1, 32, 5, 5))
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.detach().numpy().std() == pytest.approx(q.std().item(), rel=0.3)
