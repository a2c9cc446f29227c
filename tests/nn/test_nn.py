"""Modules, containers and initialisers; tests/nn/test_torch_twin.py compares the layers' numbers with PyTorch's."""

import copy
import gc
import math
import pickle
import subprocess
import sys
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F


class Block(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.lin = nn.Linear(size, size)
        self.scale = nn.Parameter(mg.ones(size))
        self.register_buffer("count", mg.zeros(()))
        self.register_buffer("cache", mg.zeros(2), persistent=False)

    def forward(self, x):
        return self.lin(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


# ---------------------------------------------------------------------------------------------- registration


def test_definition_order_and_names():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "blocks.0.scale", "blocks.0.lin.weight", "blocks.0.lin.bias",
        "blocks.1.scale", "blocks.1.lin.weight", "blocks.1.lin.bias", "head.weight",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()] == ["blocks.0.count", "blocks.0.cache", "blocks.1.count", "blocks.1.cache"]
    assert [name for name, _ in net.named_modules()] == ["", "blocks", "blocks.0", "blocks.0.lin", "blocks.1", "blocks.1.lin", "head"]
    assert [name for name, _ in net.named_children()] == ["blocks", "head"]
    assert [name for name, _ in Block().named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in Block().named_parameters(prefix="b")] == ["b.scale", "b.lin.weight", "b.lin.bias"]
    assert list(net.state_dict()) == [
        "blocks.0.scale", "blocks.0.count", "blocks.0.lin.weight", "blocks.0.lin.bias",
        "blocks.1.scale", "blocks.1.count", "blocks.1.lin.weight", "blocks.1.lin.bias", "head.weight",
    ]  # fmt: skip


def test_reassigning_and_deleting():
    block = Block()
    new = nn.Parameter(mg.zeros(4))
    block.scale = new
    assert block.scale is new and next(name for name, _ in block.named_parameters()) == "scale"
    block.scale = None
    assert block.scale is None and "scale" not in block.state_dict()
    block.scale = new
    assert "scale" in block.state_dict()
    del block.lin
    assert not hasattr(block, "lin") and list(block.children()) == []
    block.count = mg.ones(())
    assert block.state_dict()["count"].item() == 1.0
    block.lin = nn.ReLU()
    assert [name for name, _ in block.named_modules()] == ["", "lin"]


def test_a_name_can_change_its_kind():
    module = nn.Module()
    module.x = 3
    module.x = nn.Parameter(mg.ones(1))
    assert list(module.state_dict()) == ["x"]
    module.x = nn.Linear(1, 1)
    assert list(module.state_dict()) == ["x.weight", "x.bias"] and not module._parameter_names


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", mg.zeros(4), r"Block\.scale is a parameter: it can become an nn\.Parameter or None, not Tensor"),
        ("lin", 3, r"Block\.lin is a module: it can become an nn\.Module or None, not int"),
        ("count", 3.0, r"Block\.count is a buffer: it can become a Tensor or None, not float"),
    ],
)
def test_wrong_assignments(name, value, message):
    with pytest.raises(TypeError, match=message):
        setattr(Block(), name, value)


def test_wrong_registrations():
    block = Block()
    with pytest.raises(TypeError, match="buffer 'x' must be a Tensor"):
        block.register_buffer("x", np.ones(2))
    with pytest.raises(KeyError, match="already exists"):
        block.register_buffer("scale", mg.ones(2))
    with pytest.raises(KeyError, match="dot"):
        block.register_buffer("a.b", mg.ones(2))
    with pytest.raises(TypeError, match="must be a string"):
        block.register_parameter(3, nn.Parameter(mg.ones(2)))
    with pytest.raises(TypeError, match=r"parameter 'x' must be an nn\.Parameter"):
        block.register_parameter("x", mg.ones(2))
    with pytest.raises(KeyError, match=r"hide Module\.parameters"):
        block.parameters = nn.Linear(1, 1)
    with pytest.raises(TypeError, match=r"module 'x' must be an nn\.Module"):
        block.add_module("x", mg.ones(2))


@pytest.mark.parametrize("value", [lambda: nn.Linear(1, 1), lambda: nn.Parameter(mg.ones(1))])
def test_forgotten_super_init(value):
    class Forgetful(nn.Module):
        def __init__(self):
            self.size = 3
            self.x = value()

    with pytest.raises(AttributeError, match=r"Forgetful\.__init__\(\) must call super\(\).__init__\(\)"):
        Forgetful()


def test_forgotten_super_init_of_a_module_without_parameters():
    class Forgetful(nn.Module):
        def __init__(self):
            self.size = 3

    for use in (lambda m: list(m.parameters()), lambda m: m.state_dict(), lambda m: m.training, repr):
        with pytest.raises(AttributeError, match=r"must call super\(\).__init__\(\)"):
            use(Forgetful())
    with pytest.raises(AttributeError, match="no attribute 'siez'"):
        _ = Forgetful().siez


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (lambda: [nn.Linear(1, 1)], r"Outer\.inner\.layers is a plain list that holds modules \(Linear\).*use nn\.ModuleList"),
        (lambda: ([nn.ReLU(), nn.Linear(1, 1)],), r"plain tuple that holds modules"),
        (lambda: {"a": nn.Linear(1, 1)}, r"plain dict that holds modules.*use nn\.ModuleDict"),
        (lambda: [nn.Parameter(mg.ones(1))], r"plain list that holds parameters.*use nn\.ParameterList"),
    ],
)
def test_modules_in_a_plain_list_are_reported(value, advice):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Module()
            self.inner.layers = value()

    outer = Outer()
    for use in (lambda: list(outer.parameters()), outer.state_dict, lambda: outer.load_state_dict({}), outer.zero_grad):
        with pytest.raises(RuntimeError, match=advice):
            use()


def test_plain_lists_of_registered_modules_are_fine():
    class Fine(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
            self.order = [self.b, self.a]
            self.sizes = [1, 2, 3]
            self.a.owner = [self]

    fine = Fine()
    assert len(list(fine.parameters())) == 4
    assert len(list(fine.a.parameters())) == 2


def test_shared_parameters_count_once():
    a, b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    b.weight = a.weight
    model = nn.Sequential(a, b, a)
    assert [name for name, _ in model.named_parameters()] == ["0.weight"]
    assert [name for name, _ in model.named_parameters(remove_duplicate=False)] == ["0.weight", "1.weight", "2.weight"]
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert list(model.state_dict()) == ["0.weight", "1.weight", "2.weight"]
    model(mg.ones(1, 2)).sum().backward()
    clone = copy.deepcopy(model)
    assert clone[0].weight is clone[1].weight is clone[2].weight is not a.weight
    assert clone[0] is clone[2]


def test_find_by_path():
    net = Net()
    assert net.get_submodule("blocks.1.lin") is net.blocks[1].lin
    assert net.get_submodule("") is net
    assert net.get_parameter("blocks.1.lin.bias") is net.blocks[1].lin.bias
    assert net.get_buffer("blocks.0.cache") is net.blocks[0].cache
    with pytest.raises(AttributeError, match=r"blocks.1 has no child 'conv'"):
        net.get_submodule("blocks.1.conv.x")
    with pytest.raises(AttributeError, match="head has no parameter 'bais'"):
        net.get_parameter("head.bais")


def test_parameter():
    data = mg.tensor([1.0, 2.0])
    p = nn.Parameter(data)
    assert p.requires_grad and p.is_leaf and isinstance(p, mg.Tensor)
    with mg.no_grad():
        p += 1.0
    assert data.tolist() == [1.0, 2.0] and p.tolist() == [2.0, 3.0]
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert type(p * 2) is mg.Tensor
    assert nn.Parameter(p * 2).is_leaf
    with pytest.raises(RuntimeError, match="only floating"):
        nn.Parameter(mg.tensor([1, 2]))
    p.tag = "mine"
    for other in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(other) is nn.Parameter and other.requires_grad and other.tolist() == [2.0, 3.0] and other is not p


# ------------------------------------------------------------------------------------------------ modes, dtypes


def test_train_eval_apply_requires_grad():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    with pytest.raises(ValueError, match="True or False"):
        net.train(1)
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "Block", "Linear", "Block", "ModuleList", "Linear", "Net"]
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(mg.ones(1, 4)).requires_grad
    net.requires_grad_()
    assert net(mg.ones(1, 4)).requires_grad


def test_zero_grad():
    net = Net()
    net(mg.ones(1, 4)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_to_dtype():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net(mg.ones(3, 2)).sum().backward()
    weight = net[0].weight
    assert net.double() is net
    assert net[0].weight is weight and weight.dtype == np.float64 and weight.grad.dtype == np.float64
    assert net[1].running_mean.dtype == np.float64 and net[1].num_batches_tracked.dtype == np.int64
    net(mg.ones(3, 2).double()).sum().backward()  # the parameters are leaves as before
    assert weight.requires_grad and weight.is_leaf
    net.to("cpu", mg.float32)
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float32)}
    net.to(mg.zeros(1).double())
    assert weight.dtype == np.float64
    assert net.half().to("cpu") is net and weight.dtype == np.float16
    assert net.float()[0].weight.dtype == np.float32
    with pytest.raises(TypeError, match="int64 is not a floating dtype"):
        net.to(mg.int64)
    with pytest.raises(ValueError, match="cuda"):
        net.to("cuda")


# ----------------------------------------------------------------------------------------------------- state


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
        "norm.num_batches_tracked": mg.tensor(1.5),
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
        "  norm.num_batches_tracked: float32 cannot be converted to int64"
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
    assert repr(result) == "IncompatibleKeys(missing_keys=['bias'], unexpected_keys=['other'])"
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
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())
    np.testing.assert_array_equal(net(mg.ones(1, 4)).numpy(force=True), other(mg.ones(1, 4)).numpy(force=True))
    with mg.no_grad():
        other.head.weight += 1.0
    assert not np.array_equal(net.head.weight.numpy(force=True), other.head.weight.numpy(force=True))


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


# ----------------------------------------------------------------------------------------------------- hooks


def test_forward_hooks():
    layer = nn.Linear(2, 2)
    seen = []
    handles = [
        layer.register_forward_pre_hook(lambda m, args: (seen.append("pre"), args[0] * 2)[1]),
        layer.register_forward_hook(lambda m, args, out: seen.append(("hook", args[0].tolist()))),
        layer.register_forward_hook(lambda m, args, out: out + 100, prepend=True),
    ]
    x = mg.ones(1, 2)
    expected = F.linear(x * 2, layer.weight, layer.bias) + 100
    np.testing.assert_array_equal(layer(x).numpy(force=True), expected.numpy(force=True))
    assert seen == ["pre", ("hook", [[2.0, 2.0]])]
    for handle in handles:
        handle.remove()
        handle.remove()
    seen.clear()
    layer(x)
    assert seen == []


def test_hooks_with_kwargs():
    class Scale(nn.Module):
        def forward(self, x, *, by=1.0):
            return x * by

    scale = Scale()
    seen = []
    scale.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] * 10}), with_kwargs=True)
    scale.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    assert scale(mg.ones(1), by=2.0).tolist() == [20.0] and seen == [{"by": 20.0}]
    scale.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="None or"):
        scale(mg.ones(1), by=1.0)


def test_hooks_that_are_always_called():
    layer = nn.Linear(2, 2)
    seen = []
    layer.register_forward_hook(lambda m, args, out: seen.append("only after success"))
    layer.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(mg.ShapeError):
        layer(mg.ones(1, 3))
    assert seen == [None]


def test_backward_hooks():
    layer = nn.Linear(2, 3, bias=False)
    seen = {}
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: seen.update(input=grad_input, output=grad_output))
    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    y = layer(x) + x.sum()  # x is used outside the layer too
    (y * mg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert seen["output"][0].tolist() == [[1.0, 2.0, 3.0]]
    expected = seen["output"][0].numpy() @ layer.weight.numpy(force=True)
    np.testing.assert_allclose(seen["input"][0].numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), expected + 6.0, rtol=1e-6)


def test_backward_hooks_change_gradients():
    layer = nn.Identity()
    first = layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 10,))
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] + grad_output[0],))
    x = mg.tensor([1.0], requires_grad=True)
    layer(x).backward()
    assert x.grad.tolist() == [20.0]
    first.remove()
    x.grad = None
    layer(x).backward()
    assert x.grad.tolist() == [2.0]
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (mg.ones(3),))
    with pytest.raises(mg.ShapeError, match="a backward hook returned float32"):
        layer(x).backward()


def test_backward_hooks_without_input_gradient_and_with_several_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(mg.ones(2))

        def forward(self, x, name):
            return x * self.w, name, (x * self.w * 2).sum()

    two = Two()
    seen = []
    two.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    a, name, b = two(mg.ones(2), "name")
    (a.sum() * 3 + b).backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None, None) and name == "name"
    assert grad_output[0].tolist() == [3.0, 3.0] and grad_output[1] is None and grad_output[2].item() == 1.0
    assert two.w.grad.tolist() == [5.0, 5.0]


def test_backward_hooks_in_higher_derivatives():
    layer = nn.Module()
    layer.forward = lambda x: x**3
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 2,))
    x = mg.tensor(2.0, requires_grad=True)
    (first,) = mg.grad(layer(x), x, create_graph=True)
    (second,) = mg.grad(first, x)
    assert first.item() == 24.0 and second.item() == 24.0


# ---------------------------------------------------------------------------------------------------- errors


def test_errors_carry_the_module_path():
    net = Net()
    net.blocks[1].lin = nn.Linear(5, 4)
    with pytest.raises(mg.ShapeError) as caught:
        nn.Sequential(OrderedDict(body=net))(mg.ones(2, 4))
    assert caught.value.__notes__ == ["in body.blocks.1.lin (Linear)"]
    assert pickle.loads(pickle.dumps(caught.value)).__notes__ == ["in body.blocks.1.lin (Linear)"]


def test_errors_of_the_root_and_of_strangers():
    with pytest.raises(mg.ShapeError) as caught:
        nn.Linear(2, 2)(mg.ones(3))
    assert caught.value.__notes__ == ["in Linear"]

    class Calls(nn.Module):
        def forward(self, x):
            return nn.Linear(2, 2)(x)

    with pytest.raises(mg.ShapeError) as caught:
        nn.Sequential(Calls())(mg.ones(3))
    assert caught.value.__notes__ == ["in 0.<Linear outside the model> (Linear)"]


def test_errors_that_are_caught_and_replaced():
    class Translates(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            try:
                return self.inner(x)
            except ValueError as error:
                raise KeyError("mine") from error

    with pytest.raises(KeyError) as caught:
        nn.Sequential(Translates())(mg.ones(3))
    assert caught.value.__notes__ == ["in 0 (Translates)"]
    assert caught.value.__cause__.__notes__ == ["in Linear"]  # it got no further


def test_errors_in_a_module_that_calls_itself():
    class Countdown(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(2, 2)

        def forward(self, n):
            return self.last(mg.ones(3)) if n == 0 else self(n - 1)

    with pytest.raises(mg.ShapeError) as caught:
        nn.Sequential(Countdown())(3)
    assert caught.value.__notes__ == ["in 0.last (Linear)"]


def test_a_module_without_forward():
    with pytest.raises(NotImplementedError, match=r"Mine has no forward\(\)"):
        type("Mine", (nn.Module,), {})()(1)


# ------------------------------------------------------------------------------------------------ containers


def test_sequential():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    model = nn.Sequential(a, b, c)
    assert len(model) == 3 and model[0] is a and model[-1] is c and list(model) == [a, b, c]
    assert isinstance(model[1:], nn.Sequential) and list(model[1:]) == [b, c] and list(model[1:].state_dict()) == ["2.weight", "2.bias"]
    model.append(nn.Tanh())
    model.insert(0, nn.Identity())
    model.extend([nn.Identity()])
    assert [type(m).__name__ for m in model] == ["Identity", "Linear", "ReLU", "Linear", "Tanh", "Identity"]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2", "3", "4", "5"]
    del model[0]
    assert model.pop(-1).__class__ is nn.Identity
    model[1] = nn.Sigmoid()
    assert [type(m).__name__ for m in model] == ["Linear", "Sigmoid", "Linear", "Tanh"]
    assert [name for name, _ in model.named_children()] == ["0", "1", "2", "3"]
    assert len(model + nn.Sequential(nn.ReLU())) == 5
    with pytest.raises(IndexError, match="index 9 is out of range for 4 entries"):
        _ = model[9]
    with pytest.raises(TypeError, match="function"):
        nn.Sequential(lambda x: x)
    with pytest.raises(TypeError, match="an integer or a slice, not str"):
        _ = model["a"]
    assert nn.Sequential()(5) == 5


def test_sequential_with_names():
    model = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), second=nn.ReLU()))
    assert model.first is model[0] and list(model[:1].state_dict()) == ["first.weight", "first.bias"]
    model.append(nn.Linear(3, 1))
    assert [name for name, _ in model.named_children()] == ["first", "second", "2"]
    del model[1]
    assert [name for name, _ in model.named_children()] == ["first", "2"]
    assert model(mg.ones(4, 2)).shape == (4, 1)


def test_module_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    first = layers[0]
    layers.insert(1, nn.ReLU())
    assert [type(m).__name__ for m in layers] == ["Linear", "ReLU", "Linear", "Linear"] and layers[0] is first
    assert isinstance(layers[1:3], nn.ModuleList) and len(layers[1:3]) == 2
    layers += [nn.Tanh()]
    assert len(layers) == 5 and len(layers + [nn.Tanh()]) == 6
    del layers[1:3]
    assert [name for name, _ in layers.named_children()] == ["0", "1", "2"]
    assert layers.pop().__class__ is nn.Tanh
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(1)
    with pytest.raises(TypeError, match="int"):
        layers.append(3)
    with pytest.raises(TypeError, match="iterable"):
        layers.extend(3)


def test_module_dict():
    heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Linear(2, 2)})
    heads["c"] = nn.ReLU()
    assert list(heads) == ["a", "b", "c"] == list(heads.keys()) and len(heads) == 3 and "b" in heads
    assert [type(m).__name__ for m in heads.values()] == ["Linear", "Linear", "ReLU"]
    assert dict(heads.items())["a"] is heads["a"]
    heads.update([("d", nn.Tanh())])
    assert heads.pop("c").__class__ is nn.ReLU and list(heads) == ["a", "b", "d"]
    del heads["d"]
    assert list(heads.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    with pytest.raises(KeyError):
        _ = heads["z"]
    with pytest.raises(KeyError, match=r"hide Module\.train"):
        heads["train"] = nn.ReLU()
    heads.clear()
    assert len(heads) == 0


def test_parameter_list_and_dict():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ParameterList([mg.ones(2), nn.Parameter(mg.zeros(3))])
            self.dict = nn.ParameterDict({"a": mg.ones(4)})

    holder = Holder()
    holder.list.append(mg.ones(1))
    holder.list[0] = mg.zeros(2)
    holder.dict["b"] = nn.Parameter(mg.ones(5))
    assert [name for name, _ in holder.named_parameters()] == ["list.0", "list.1", "list.2", "dict.a", "dict.b"]
    assert len(holder.list) == 3 and [p.shape for p in holder.list[1:]] == [(3,), (1,)]
    assert holder.list[-1] is holder.list[2]
    assert holder.dict.pop("a").shape == (4,) and list(holder.dict.keys()) == ["b"] and "b" in holder.dict
    assert "(0): Parameter containing: [float32 of size 2]" in repr(holder.list)
    assert "(b): Parameter containing: [float32 of size 5]" in repr(holder.dict)
    clone = copy.deepcopy(holder)
    assert [p.shape for p in clone.list] == [(2,), (3,), (1,)] and clone.list[0] is not holder.list[0]


def test_repr():
    model = nn.Sequential(nn.Linear(2, 3), nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(1, 1)]), nn.LeakyReLU(0.2))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): ModuleList(\n"
        "    (0-1): 2 x ReLU()\n"
        "    (2): Linear(in_features=1, out_features=1, bias=True)\n"
        "  )\n"
        "  (2): LeakyReLU(negative_slope=0.2)\n"
        ")"
    )
    assert repr(nn.Sequential()) == "Sequential()"


# ---------------------------------------------------------------------------------------------- initialisers


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
    with pytest.raises(TypeError, match="ndarray"):
        nn.init.ones_(np.ones(2))
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="view"):
        nn.init.zeros_(layer.weight.data)
    whole = mg.ones(2, 2)
    with pytest.raises(RuntimeError, match="view"):
        nn.init.zeros_(whole[0])


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


# ----------------------------------------------------------------------------------------- names of a user's own


HELPERS = (
    "_state",
    "_register",
    "_forget",
    "_check_name",
    "_get_member",
    "_add_path",
    "_call_with_hooks",
    "_name",
    "_list",
    "_check",
    "_renumber",
)


@pytest.mark.parametrize("base", [nn.Module, nn.Sequential, nn.ModuleList])
def test_a_users_private_names_hide_nothing(base):
    """Module's helpers are no part of it: an attribute, a buffer or a method of any of their names is the user's."""

    class Net(base):
        def __init__(self):
            super().__init__()
            self.register_buffer("_state", mg.ones(1))
            for name in HELPERS[1:]:
                setattr(self, name, "mine")
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return self.layer(x)

    net = Net()
    net.register_forward_hook(lambda module, args, out: None)
    assert net(mg.ones(1, 2)).shape == (1, 2)
    assert list(net.state_dict()) == ["_state", "layer.weight", "layer.bias"]
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError) as error:
        net(mg.ones(1, 3))
    assert "in layer (Linear)" in error.value.__notes__
    assert net.get_parameter("layer.bias") is net.layer.bias
    assert net._name == "mine"
    del net.layer


@pytest.mark.parametrize("name", ["_hooks", "_parameter_names", "_buffer_names", "_module_names", "_parameters", "_buffers", "_modules"])
def test_names_that_module_needs_are_refused(name):
    """Its records; they are few, and an attribute of the same name would lose the model's parameters in silence."""
    with pytest.raises(AttributeError, match=f"Module.{name}: nn.Module keeps its own records under this name"):
        setattr(nn.Module(), name, {})
    with pytest.raises(KeyError, match=name):
        nn.Module().register_buffer(name, mg.ones(1))
    with pytest.raises(TypeError, match=f"Net.{name}: nn.Module keeps its own records"):
        type("Net", (nn.Module,), {name: None})


def test_data_and_models_are_there_without_an_import():
    """But `import minigrad.nn` has not loaded them."""
    code = (
        "import sys, minigrad; from minigrad import nn;"
        "assert not {'minigrad.nn.models', 'minigrad.nn.data'} & set(sys.modules);"
        "assert {'data', 'models'} <= set(dir(nn));"
        "assert nn.models.LeNet5 and nn.data.DataLoader;"
        "assert not hasattr(nn, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
