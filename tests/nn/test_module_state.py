"""State of modules: state_dict and back, copies, pickles, functional_call."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest
from small_nets import Net

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F


def test_state_dict_is_a_snapshot():
    net = Net()
    state = net.state_dict()
    before = {k: v.numpy().copy() for k, v in state.items()}
    with mg.no_grad():
        for p in net.parameters():
            p += 1.0
    for name, value in state.items():
        assert not value.requires_grad
        np.testing.assert_array_equal(value.numpy(), before[name])
    kept = net.state_dict(prefix="net.", keep_vars=True)
    assert kept["net.head.weight"] is net.head.weight


@pytest.mark.parametrize("convert", [lambda t: t, lambda t: t.numpy(), lambda t: t.numpy().astype(np.float64), lambda t: t.tolist()])
def test_load_state_dict(convert):
    source, target = Net(), Net()
    weight = target.head.weight
    result = target.load_state_dict({name: convert(value) for name, value in source.state_dict().items()})
    assert result == ([], []) and str(result) == "<All keys matched successfully>"
    assert target.head.weight is weight and weight.requires_grad and weight.dtype == np.float32
    for (_, a), (_, b) in zip(source.named_parameters(), target.named_parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(force=True), b.numpy(force=True), rtol=1e-7)
    with mg.no_grad():
        source.head.weight += 1.0
    assert not np.array_equal(source.head.weight.numpy(force=True), weight.numpy(force=True))


def test_load_state_dict_copies():
    net, array = nn.Linear(2, 1, bias=False), np.ones((1, 2), np.float32)
    net.load_state_dict({"weight": array})
    array[:] = 7
    assert net.weight.tolist() == [[1.0, 1.0]]


def test_load_state_dict_says_everything_that_is_wrong_and_changes_nothing():
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), b=nn.Linear(3, 1)))
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    state = {name: value + 1 for name, value in net.state_dict().items()}
    del state["a.bias"], state["b.weight"]
    state |= {
        "a.weight": mg.zeros(3, 3),
        "extra": mg.zeros(7),
        "norm.num_batches_tracked": None,
        "norm.weight": "text",
    }
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict: 6 entries do not fit Sequential; nothing was changed:\n"
        "  missing: a.bias float32(3,)\n"
        "  missing: b.weight float32(1, 3)\n"
        "  unexpected: extra float32(7,)\n"
        "  a.weight: shape (3, 3) does not fit (3, 2)\n"
        "  norm.weight: a tensor or an array is needed, not str\n"
        "  norm.num_batches_tracked: a tensor or an array is needed, not NoneType"
    )
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    with pytest.raises(RuntimeError, match="3 entries do not fit"):  # names may differ, but not these
        net.load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match="a dict of tensors is needed, not list"):
        net.load_state_dict([1])


def test_load_state_dict_not_strict():
    net = nn.Linear(2, 1)
    result = net.load_state_dict({"weight": np.ones((1, 2)), "other": 3}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["other"]
    assert repr(result) == "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['other'])"
    assert net.weight.tolist() == [[1.0, 1.0]]


def test_load_state_dict_assign():
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": np.ones((1, 2)), "bias": np.ones(1)}, assign=True)
    assert net.weight.dtype == np.float64 and net.weight.requires_grad
    net(mg.ones(1, 2).double()).sum().backward()
    assert net.weight.grad.tolist() == [[1.0, 1.0]]


def test_extra_state():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(mg.ones(1))
            self.calls = 0

        def get_extra_state(self):
            return {"calls": self.calls}

        def set_extra_state(self, state):
            self.calls = state["calls"]

    a, b = nn.Sequential(Counting()), nn.Sequential(Counting())
    a[0].calls = 7
    assert list(a.state_dict()) == ["0.w", "0._extra_state"]
    b.load_state_dict(a.state_dict())
    assert b[0].calls == 7
    with pytest.raises(RuntimeError, match=r"missing: 0\._extra_state"):
        b.load_state_dict({"0.w": mg.ones(1)})


def test_a_copied_parameter_has_no_gradient():
    """A model's neither; a plain Tensor's copy keeps it. So it is with PyTorch."""
    model = nn.Linear(2, 2)
    model(mg.ones(1, 2)).sum().backward()
    twice = copy.deepcopy([model, model.weight])
    assert twice[0].weight is twice[1] and twice[1].grad is None and twice[0].bias.grad is None
    assert model.weight.grad is not None and copy.copy(model.weight).grad is None
    assert (twice[1] == model.weight).all() and type(twice[1]) is nn.Parameter and twice[1].requires_grad
    with mg.no_grad():
        twice[1][0, 0] = 9.0
    assert model.weight[0, 0] != 9.0
    x = mg.ones(2, requires_grad=True)
    (2 * x).sum().backward()
    assert copy.deepcopy(x).grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_deepcopy_and_pickle(clone):
    net = Net()
    net.register_forward_hook(print_shape)
    net(mg.ones(1, 4)).sum().backward()
    other = clone(net)
    assert repr(other) == repr(net)
    assert [n for n, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert a is not b and b.requires_grad and type(b) is nn.Parameter
        np.testing.assert_array_equal(a.numpy(force=True), b.numpy(force=True))
        assert (b.grad is None) if clone is copy.deepcopy else (a.grad == b.grad).all()
    np.testing.assert_array_equal(net(mg.ones(1, 4)).numpy(force=True), other(mg.ones(1, 4)).numpy(force=True))
    with mg.no_grad():
        other.head.weight += 1.0
    assert not np.array_equal(net.head.weight.numpy(force=True), other.head.weight.numpy(force=True))


class Wrapped(nn.Module):
    """What it does not have, it asks the module inside for: how scripts wrap a model. ``older`` is what its first pickles lack."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("older", 3)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_wrapper_that_asks_its_inner_module_is_copied(clone):
    wrapped = Wrapped(nn.Linear(2, 3))
    other = clone(wrapped)
    assert (other.in_features, other.older) == (2, 3) and other.inner is not wrapped.inner
    assert (other.inner.weight == wrapped.inner.weight).all() and not hasattr(other, "elsewhere")


def print_shape(module, args, out):
    assert out.shape == (1, 2)


def test_modules_are_freed_at_once():
    net = Net()
    alive = weakref.ref(net)
    net(mg.ones(1, 4)).sum().backward()
    gc.disable()
    try:
        del net
        assert alive() is None
    finally:
        gc.enable()


def test_shallow_copies():
    net = Net()
    other = copy.copy(net)
    assert other.head is net.head
    other.extra = nn.Linear(1, 1)
    other.head = nn.Identity()
    assert "extra.weight" in other.state_dict() and "extra.weight" not in net.state_dict() and isinstance(net.head, nn.Linear)


def test_functional_call():
    net = Net()
    x = mg.ones(3, 4)
    weight = mg.tensor(np.ones((2, 4), np.float32), requires_grad=True)
    before = net(x)
    y = nn.utils.functional_call(net, {"head.weight": weight * 2, "blocks.0.scale": mg.zeros(4)}, x)
    hidden = net.blocks[1](mg.zeros(3, 4))
    np.testing.assert_allclose(y.numpy(force=True), F.linear(hidden, weight * 2).numpy(force=True), rtol=1e-6)
    y.sum().backward()
    assert weight.grad is not None and net.head.weight.grad is None
    np.testing.assert_array_equal(net(x).numpy(force=True), before.numpy(force=True))
    with pytest.raises(AttributeError, match=r"no parameter or buffer 'head\.wieght'"):
        nn.utils.functional_call(net, {"head.wieght": weight}, x)
    with pytest.raises(mg.ShapeError, match=r"head.weight has shape \(2, 4\), the value \(1,\)"):
        nn.utils.functional_call(net, [{"head.weight": mg.ones(1)}], x)
    with pytest.raises(mg.ShapeError):
        nn.utils.functional_call(net, {"head.weight": weight}, mg.ones(3, 5))
    assert net.head.weight.is_leaf and net.head.weight.requires_grad and isinstance(net.head.weight, nn.Parameter)


def test_a_buffer_by_assignment():
    model = nn.Module()
    model.mean = nn.Buffer(mg.zeros(2))
    model.seen = nn.Buffer(mg.tensor([1]), persistent=False)
    assert isinstance(model.mean, nn.Buffer) and isinstance(model.mean, mg.Tensor) and not isinstance(mg.zeros(2), nn.Buffer)
    assert list(model.state_dict()) == ["mean"] and [name for name, _ in model.named_buffers()] == ["mean", "seen"]
    model.mean = mg.ones(2)  # a buffer by its name now
    assert model.state_dict()["mean"].tolist() == [1.0, 1.0] and model.double().mean.dtype == mg.float64
    model.late = nn.Parameter(mg.zeros(1))
    model.late = nn.Buffer(mg.ones(1))
    assert not list(model.parameters()) and "late" in model.state_dict()
    assert nn.Buffer().shape == (0,)
    with pytest.raises(TypeError, match="Buffer: data must be a Tensor or None, not list"):
        nn.Buffer([1.0])


def test_a_prefix_of_a_wrapped_model_is_taken_off():
    from minigrad.torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

    wrapped = nn.Sequential()
    wrapped.module = nn.Linear(2, 1)
    state = wrapped.state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["weight", "bias"]
    nn.Linear(2, 1).load_state_dict(state)


@pytest.mark.parametrize(("prefix", "wrapper"), [("module.", "DistributedDataParallel"), ("_orig_mod.", "torch.compile")])
def test_the_error_for_the_state_of_a_wrapped_model_says_what_to_load(prefix, wrapper):
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    state_dict = {prefix + path: value for path, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match=f"All paths begin with '{prefix}', under which .*{wrapper} keeps? the model: load {{") as caught:
        other.load_state_dict(state_dict)
    other.load_state_dict(eval(str(caught.value).rpartition("load ")[2], {"state_dict": state_dict}))
    assert (other.weight == model.weight).all()
    for known in ({**state_dict, "epoch": mg.ones(1)}, {}):
        with pytest.raises(RuntimeError) as caught:
            other.load_state_dict(known)
        assert "All paths" not in str(caught.value)
    outer = nn.Sequential()
    outer.register_module(prefix[:-1], nn.Linear(3, 1))  # the model has a part of this name: something else is wrong
    with pytest.raises(RuntimeError, match="shape") as caught:
        outer.load_state_dict(state_dict)
    assert "All paths" not in str(caught.value)
