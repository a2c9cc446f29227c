"""Hooks of modules: forward, with keywords, backward, in higher derivatives."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn.module import put_before_calls


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


def test_what_stands_before_calls_of_modules():
    heard = []

    def hearing(name):
        def stand_in(call):
            def heard_call(module, *args, **kwargs):
                heard.append((name, type(module).__name__, len(args), sorted(kwargs)))
                return call(module, *args, **kwargs)

            return heard_call

        return stand_in

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x, scale=1.0):
            return self.inner(x) * scale

    plain = nn.Module.__call__
    model, x = Scaled(), mg.ones(2)
    model.register_forward_pre_hook(lambda module, args: heard.append("hook"))
    first, second = put_before_calls(hearing("first")), put_before_calls(hearing("second"))
    try:
        np.testing.assert_array_equal(model(x, scale=3.0), [3.0, 3.0])
        outer = [("second", "Scaled", 1, ["scale"]), ("first", "Scaled", 1, ["scale"]), "hook"]
        assert heard == [*outer, ("second", "Identity", 1, []), ("first", "Identity", 1, [])]
        first.remove()
        first.remove()  # does nothing
        heard.clear()
        model(x)
        assert heard == [("second", "Scaled", 1, []), "hook", ("second", "Identity", 1, [])]
    finally:
        first.remove()
        second.remove()
    assert nn.Module.__call__ is plain
    with pytest.raises(TypeError, match="must be a Tensor"), put_before_calls(hearing("third")):
        model(x, scale="3")
    assert nn.Module.__call__ is plain
