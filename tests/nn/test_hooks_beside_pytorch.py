"""What scripts do with a module's hooks and with its state under PyTorch's names with an underscore: the same answers from both libraries."""

import copy
import io
from collections import OrderedDict

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn


def both(body):
    """``body`` under both libraries returns equal plain data."""
    assert noted(body) == body(minigrad.torch)


def test_the_dicts_of_hooks():
    def body(torch):
        said = []
        layer = torch.nn.Linear(1, 1)
        kinds = [
            "_forward_pre_hooks",
            "_forward_hooks",
            "_backward_pre_hooks",
            "_backward_hooks",
            "_state_dict_hooks",
            "_load_state_dict_pre_hooks",
        ]
        before = [len(getattr(layer, kind)) for kind in kinds]

        def first(module, args, out):
            said.append("first")

        def second(module, args, out):
            said.append("second")

        handles = [layer.register_forward_hook(first), layer.register_forward_hook(second)]
        layer.register_forward_pre_hook(lambda module, args: said.append("pre"))
        layer.register_full_backward_hook(lambda module, grad_input, grad_output: said.append("backward"))
        layer(torch.ones(1, 1, requires_grad=True)).sum().backward()
        seen = [len(getattr(layer, kind)) for kind in kinds]
        names = [hook.__name__ for hook in layer._forward_hooks.values()]
        here = [handle.id in layer._forward_hooks for handle in handles]
        layer._forward_hooks[handles[1].id] = first  # in the place of the second
        saved, layer._forward_hooks = layer._forward_hooks, OrderedDict()
        passing = layer.register_forward_hook(second)
        layer(torch.ones(1, 1))
        passing.remove()
        left = len(layer._forward_hooks)
        layer._forward_hooks = saved
        layer(torch.ones(1, 1))
        handles[0].remove()
        twin = copy.deepcopy(layer)
        del layer._forward_hooks[handles[1].id]
        layer._forward_pre_hooks.clear()
        layer(torch.ones(1, 1))
        handles[1].remove()
        with pytest.raises(KeyError):
            layer._forward_hooks[handles[1].id]
        return [before, seen, names, here, left, said, len(layer._forward_hooks), len(twin._forward_hooks), bool(layer._forward_hooks)]

    both(body)


class Shift:
    """A layer that was saved under another name before its version 3: made of the library's Module."""

    def __new__(cls, torch):
        class Layer(torch.nn.Module):
            _version = 3

            def __init__(self):
                super().__init__()
                self.shift = torch.nn.Parameter(torch.zeros(2))
                self.register_buffer("seen", torch.zeros(()))
                self.loaded = None

            def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
                version = local_metadata.get("version", None)
                if version is None or version < 3:
                    state_dict[prefix + "shift"] = state_dict.pop(prefix + "offset")
                super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
                self.loaded = (version, strict, prefix, self.shift.tolist())

            def _save_to_state_dict(self, destination, prefix, keep_vars):
                super()._save_to_state_dict(destination, prefix, keep_vars)
                destination[prefix + "extra"] = torch.full((1,), 7.0)
                del destination[prefix + "seen"]

        return Layer()


def test_a_module_saves_and_loads_in_its_own_way():
    def body(torch):
        model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Sequential(Shift(torch)))
        state = model.state_dict()
        names, versions = list(state), {path: dict(values) for path, values in state._metadata.items()}
        told = model.load_state_dict(state, strict=False)
        loaded = [model[1][0].loaded]
        old = OrderedDict((k, v) for k, v in state.items() if "1.0" not in k)
        old["1.0.offset"] = torch.tensor([1.0, 2.0])
        again = model.load_state_dict(old, strict=False)
        loaded.append(model[1][0].loaded)
        with pytest.raises(RuntimeError, match=r"1\.0\.seen"):
            model.load_state_dict(old)
        file = io.BytesIO()
        torch.save(state, file)
        read = torch.load(io.BytesIO(file.getvalue()))
        return [
            names,
            versions,
            list(told.missing_keys),
            list(told.unexpected_keys),
            loaded,
            list(again.missing_keys),
            dict(read._metadata) == versions,
        ]

    both(body)


def test_hooks_of_state_dicts_under_their_old_names():
    def body(torch):
        said = []
        model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False))

        def rename(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
            said.append([prefix, dict(local_metadata), strict, sorted(state_dict)])
            for key in list(state_dict):
                state_dict[key.replace("kernel", "weight")] = state_dict.pop(key)

        def with_module(module, state_dict, prefix, *rest):
            said.append([type(module).__name__, len(rest)])

        def as_list(module, state_dict, prefix, local_metadata):
            return OrderedDict((f"net.{k}", v) for k, v in state_dict.items())

        model[0]._register_load_state_dict_pre_hook(rename)
        handle = model._register_load_state_dict_pre_hook(with_module, with_module=True)
        told = model.load_state_dict({"0.kernel": torch.tensor([[5.0]])})
        handle.remove()
        model._register_state_dict_hook(as_list)
        names = list(model.state_dict())
        model.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
        forgiven = model.load_state_dict({})
        model.register_state_dict_post_hook(lambda module, state_dict, prefix, metadata: 3)
        with pytest.raises(RuntimeError):
            model.state_dict()
        return [said, list(told), names, list(forgiven), model[0].weight.item()]

    both(body)


def test_batch_norm_of_before_its_count():
    def body(torch):
        norm = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
        state = {k: v for k, v in norm.state_dict().items() if "num_batches" not in k}
        state["0.weight"] = torch.tensor([3.0, 4.0])
        plain = norm.load_state_dict(state)
        newer = norm.state_dict()
        del newer["0.num_batches_tracked"]
        with pytest.raises(RuntimeError, match="num_batches_tracked"):
            norm.load_state_dict(newer)
        return [list(plain), norm[0].weight.tolist(), norm[0].num_batches_tracked.item()]

    both(body)


def test_a_state_that_does_not_fit_changes_nothing_whoever_loads():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(mg.ones(2))
            self.note = "before"

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            with mg.no_grad():
                self.w.copy_(state_dict.pop(prefix + "w"))
            self.note = "after"

    model = nn.Sequential(Own(), nn.LazyLinear(2), nn.Linear(2, 2))
    model[0].w.grad, weight = mg.full((2,), 3.0), model[0].w
    state = {"0.w": mg.zeros(2), "1.weight": mg.zeros(2, 2), "1.bias": mg.zeros(2), "2.weight": mg.zeros(2, 2)}
    with pytest.raises(RuntimeError, match=r"1 entry does not fit Sequential; nothing was changed:\n  missing: 2\.bias float32\(2,\)"):
        model.load_state_dict(state)
    assert model[0].w is weight and weight.tolist() == [1.0, 1.0] and model[0].note == "before" and weight.grad.tolist() == [3.0, 3.0]
    assert nn.is_lazy(model[1].weight) and model[2].weight.numpy(force=True).any()
    assert model.load_state_dict(state, strict=False).missing_keys == ["2.bias"]
    assert weight.tolist() == [0.0, 0.0] and model[0].note == "after" and model[1](mg.ones(1, 2)).tolist() == [[0.0, 0.0]]
    assert not model[2].weight.numpy(force=True).any()


def test_versions_are_kept_in_files(tmp_path):
    state = nn.Sequential(nn.BatchNorm1d(2)).state_dict()
    assert state._metadata == {"": {"version": 1}, "0": {"version": 2}}
    mg.save({"model": state}, tmp_path / "ours.mg")
    read = mg.load(tmp_path / "ours.mg")["model"]
    assert read._metadata == state._metadata and type(read) is OrderedDict
    np.testing.assert_array_equal(read["0.running_var"], [1.0, 1.0])


def test_hooks_of_what_is_registered():
    """In all modules: each parameter, buffer and child that one gets, by whatever way; what a hook returns takes its place."""

    def body(torch):
        hooks, seen = torch.nn.modules.module, []

        def note(module, name, value):
            seen.append([type(module).__name__, name, None if value is None else type(value).__name__])

        def double(module, name, p):
            return torch.nn.Parameter(p.detach() * 0 + 2.0) if name == "weight" else None

        handles = [
            hooks.register_module_parameter_registration_hook(note),
            hooks.register_module_parameter_registration_hook(double),
            hooks.register_module_buffer_registration_hook(note),
            hooks.register_module_module_registration_hook(note),
            hooks.register_module_module_registration_hook(lambda module, name, child: torch.nn.ReLU() if name == "act" else None),
        ]
        try:
            net = torch.nn.Module()
            net.layer = torch.nn.Linear(2, 1, bias=False)
            net.weight = torch.nn.Parameter(torch.ones(1))
            net.act = torch.nn.Tanh()
            net.add_module("more", torch.nn.Flatten())
            net.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
            net.register_parameter("nothing", None)
            net.register_buffer("table", torch.ones(1))
            net.register_buffer("empty", None)
            net.table = torch.zeros(1)
            net.table = None
            net.scale = None
            net.more = None
            net._parameters["direct"] = torch.nn.Parameter(torch.ones(1))
            net._modules["direct_too"] = torch.nn.ReLU()
        finally:
            for handle in handles:
                handle.remove()
        net.late = torch.nn.Parameter(torch.ones(1))
        return [seen, net.weight.tolist(), type(net.act).__name__, sorted(net.state_dict())]

    both(body)


def test_a_hook_of_what_is_registered_that_raises_leaves_the_module_as_it_was():
    def refuse(module, name, value):
        raise RuntimeError("no more")

    net = nn.Module()
    with nn.module.register_module_parameter_registration_hook(refuse), pytest.raises(RuntimeError, match="no more"):
        net.weight = nn.Parameter(mg.ones(1))
    assert not hasattr(net, "weight") and list(net.named_parameters()) == []
