"""Checkpointing: the same gradients, bit by bit, from less memory."""

import tracemalloc

import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.torch
from minigrad import nn
from minigrad.nn.models import resnet20
from minigrad.recompute import checkpoint, checkpoint_sequential


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.tolist() for p in model.parameters()]


def test_the_same_gradients_with_dropout_and_without_naming_parameters():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    x = mg.randn(5, 4)
    state = mg.get_rng_state()
    plain = gradients(model, model(x).exp().sum())
    for run in (lambda: checkpoint(model, x), lambda: checkpoint_sequential(model, 3, x), lambda: checkpoint(lambda: model(x))):
        mg.set_rng_state(state)
        assert gradients(model, run().exp().sum()) == plain


def test_the_process_draws_on_as_if_nothing_had_been_run_twice():
    draws = []
    for how in (lambda f, x: f(x), checkpoint):
        mg.manual_seed(3)
        y = how(lambda x: F.dropout(x * 2), mg.ones(10, requires_grad=True))
        y.sum().backward()
        draws.append(mg.rand(2).tolist())
    assert draws[0] == draws[1]


def test_retained_graphs_and_higher_derivatives():
    x = mg.tensor([0.3, 0.7], dtype=mg.float64, requires_grad=True)
    y = checkpoint(lambda x: (x.sin() * x).exp(), x).sum()
    once = mg.grad(y, x, retain_graph=True)[0].tolist()
    assert mg.grad(y, x, retain_graph=True)[0].tolist() == once
    first, second = [], []
    for f in (lambda: checkpoint(lambda x: (x.sin() * x).exp(), x), lambda: (x.sin() * x).exp()):
        (g,) = mg.grad(f().sum(), x, create_graph=True)
        first.append(g.tolist())
        second.append(mg.grad(g.sum(), x)[0].tolist())
    assert first[0] == first[1] and second[0] == second[1]


def test_beside_pytorch():
    """Nested, under keyword arguments, with running averages that are updated twice."""

    def body(torch):
        checkpoint = torch.utils.checkpoint.checkpoint
        norm = torch.nn.BatchNorm1d(3, dtype=torch.float64)
        x = (torch.arange(12, dtype=torch.float64).reshape(4, 3) * 0.37).sin().requires_grad_()

        def inner(x, *, power):
            return norm(x) ** power

        def outer(x):
            return checkpoint(inner, x * 2, power=3, use_reentrant=False).tanh()

        checkpoint(outer, x, use_reentrant=False).cos().sum().backward()
        return [x.grad.tolist(), norm.running_mean.tolist(), int(norm.num_batches_tracked)]

    theirs, ours = noted(body), body(minigrad.torch)
    assert ours[0] == [pytest.approx(row, rel=1e-9) for row in theirs[0]]
    assert ours[1] == pytest.approx(theirs[1])
    assert ours[2] == theirs[2]


def test_a_function_that_does_something_else_the_second_time():
    calls = []

    def moody(x):
        calls.append(1)
        return x.exp() if len(calls) == 1 else x.exp().exp()

    y = checkpoint(moody, mg.ones(2, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match="checkpoint: run again, the function kept"):
        y.backward()


def test_without_gradients_it_is_the_call():
    with mg.no_grad():
        assert checkpoint(lambda x, y: x + y, mg.ones(1), y=2).item() == 3.0
    with pytest.raises(ValueError, match="segments must be from 1 to the 3 functions, but is 4"):
        checkpoint_sequential([mg.sin] * 3, 4, mg.ones(1))


def test_it_saves_memory_on_resnet20():
    """Block by block: what is held between forward and backward falls to a third, the peak to a half (docs/performance.md)."""
    mg.manual_seed(0)
    model = resnet20()
    images, labels = mg.randn(8, 3, 32, 32), mg.arange(8)

    def logits(images, run):
        x = F.relu(model.bn1(model.conv1(images)))
        for block in (*model.layer1, *model.layer2, *model.layer3):
            x = run(block, x)
        return model.fc(x.mean((2, 3)))

    measured = []
    for run in (lambda block, x: block(x), checkpoint):
        F.cross_entropy(logits(images, run), labels).backward()  # buffers that stay are there
        model.zero_grad()
        tracemalloc.start()
        try:
            loss = F.cross_entropy(logits(images, run), labels)
            held = tracemalloc.get_traced_memory()[0]
            loss.backward()
            measured.append((held, tracemalloc.get_traced_memory()[1], [p.grad.tolist() for p in model.parameters()]))
        finally:
            tracemalloc.stop()
        model.zero_grad()
    (held, peak, plain), (held_less, peak_less, again) = measured
    assert again == plain
    assert held_less < 0.4 * held and peak_less < 0.65 * peak
