"""Modules: registration, modes and dtypes, errors with a module's path, names that users may use."""

import copy
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
from small_nets import Block, Net

import minigrad as mg
from minigrad import nn

# ---------------------------------------------------------------------------------------------------------- registration


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


def test_plain_lists_of_modules_without_anything_to_lose_are_fine():
    class Fine(nn.Module):
        def __init__(self):
            super().__init__()
            self.activations = [nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Dropout(0.0))]
            self.blocks = [[nn.Linear(2, 3), nn.Linear(3, 1)]]
            self.weights = nn.ParameterList([p for block in self.blocks[0] for p in block.parameters()])

    fine = Fine()
    assert [p.shape for p in fine.parameters()] == [(3, 2), (3,), (1, 3), (1,)] and list(fine.state_dict()) == [
        f"weights.{i}" for i in range(4)
    ]
    fine.blocks[0].append(nn.BatchNorm1d(1, affine=False))  # its running mean would be lost
    with pytest.raises(RuntimeError, match=r"Fine\.blocks is a plain list that holds modules \(BatchNorm1d\)"):
        fine.state_dict()


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


# --------------------------------------------------------------------------------------------------------- modes, dtypes


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


# ---------------------------------------------------------------------------------------------------------------- errors


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


# ------------------------------------------------------------------------------------------------- names of a user's own


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


def test_the_members_of_one_kind_can_be_written():
    """What surgery on models does: ``model._modules[name] = ...``, ``del layer._parameters["weight"]``."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU())
    for name, child in model._modules.items():
        if isinstance(child, nn.BatchNorm1d):
            model._modules[name] = nn.Identity()
    assert isinstance(model[1], nn.Identity) and list(model.state_dict()) == ["0.weight", "0.bias"]
    del model._modules["2"]
    assert len(model) == 2 and "2" not in model._modules and repr(model._buffers) == "{}"
    assert repr(model._modules.keys()) == "dict_keys(['0', '1'])" and model[0]._parameters.keys() == {"weight", "bias"}
    weight = model[0]._parameters.pop("weight")
    assert isinstance(weight, nn.Parameter) and not hasattr(model[0], "weight")
    model[0].weight = weight * 2  # as a pre-hook of a normed weight does
    assert list(model.state_dict()) == ["0.bias"] and model(mg.ones(1, 2)).shape == (1, 2)
    model._parameters["scale"], model._buffers["shift"] = nn.Parameter(mg.ones(1)), mg.zeros(1)
    assert list(model.state_dict()) == ["scale", "shift", "0.bias"] and model.shift is model._buffers["shift"]
    for members in (model._modules, model._parameters, model._buffers):
        with pytest.raises(KeyError):
            members["nothing"]
        with pytest.raises(KeyError):
            del members["training"]  # an attribute, but no member
