"""Sequential, lists and dicts of modules and parameters."""

import copy
from collections import OrderedDict

import pytest

import minigrad as mg
from minigrad import nn


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
    with pytest.raises(TypeError, match=r"Sequential: an nn.Module is needed, not the class ReLU; make one: ReLU\(\.\.\.\)"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(TypeError, match=r"not list; give each module as an argument of its own: Sequential\(\*modules\)"):
        nn.Sequential([nn.ReLU()])
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
    assert repr(holder.list).startswith("ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n    (1): ")
    assert repr(holder.dict) == "ParameterDict(  (b): Parameter containing: [torch.FloatTensor of size 5])"
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
