"""``torch.amp.GradScaler`` on the CPU: factors, gradients and steps beside PyTorch's."""

import math

import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad.nn.optim.grad_scaler import GradScaler


def scaler_and_weight(torch, **options):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    return torch.amp.GradScaler("cpu", **options), w, torch.optim.SGD([w], lr=0.25)


def test_as_pytorchs():
    def body(torch):
        seen = []
        scaler, w, optimizer = scaler_and_weight(torch, init_scale=1024.0, growth_interval=2, growth_factor=4.0, backoff_factor=0.25)
        seen.append([scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()])
        for factor in (1.0, 1.0, math.inf, 0.5, math.nan, 1.0, 1.0, 1.0):
            optimizer.zero_grad()
            loss = scaler.scale((w * w).sum() * factor)
            loss.backward()
            if factor == 0.5:
                scaler.unscale_(optimizer)
                seen.append(w.grad.tolist())
            scaler.step(optimizer)
            scaler.update()
            seen.append([w.tolist(), scaler.state_dict()])
        scaler.update(8.0)
        seen.append([x.tolist() for x in scaler.scale([torch.ones(1), torch.ones(2)])])
        again = torch.amp.GradScaler("cpu")
        seen.append(again.get_scale())
        again.load_state_dict(scaler.state_dict())
        seen.append([again.state_dict(), again.get_growth_factor(), again.get_backoff_factor(), again.get_growth_interval()])
        again.set_growth_factor(3.0)
        again.set_backoff_factor(0.1)
        again.set_growth_interval(7)
        seen.append(again.state_dict())
        return seen

    assert noted(body) == body(minigrad.torch)


def test_disabled_scalers():
    def body(torch):
        scaler, w, optimizer = scaler_and_weight(torch, enabled=False)
        loss = (w * w).sum()
        assert scaler.scale(loss) is loss
        loss.backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        scaler.load_state_dict({})
        return [w.tolist(), scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()]

    assert noted(body) == body(minigrad.torch)


def test_the_float16_weight_and_calls_out_of_order_are_refused():
    scaler, w, optimizer = scaler_and_weight(minigrad.torch)
    for method in (scaler.unscale_, scaler.step):
        with pytest.raises(RuntimeError, match="nothing was scaled"):
            method(optimizer)
    scaler.scale(w.sum())
    with pytest.raises(RuntimeError, match="no parameter of this optimizer has a gradient"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="no step"):
        scaler.update()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="called twice"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="called twice"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) was called before"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="a closure"):
        scaler.step(optimizer, closure=lambda: None)
    with pytest.raises(TypeError, match="a Tensor, or several"):
        scaler.scale(1.0)
    with pytest.raises(RuntimeError, match="the state is empty"):
        scaler.load_state_dict({})
    with pytest.raises(ValueError, match="growth_factor is above 1"):
        GradScaler("cpu", growth_factor=1.0)
    half = mg.ones(1, dtype=mg.float16, requires_grad=True)
    optimizer = minigrad.torch.optim.SGD([half], lr=0.1)
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="float16"):
        scaler.step(optimizer)
