"""PyTorch's own samples of its optimisers: ten steps on one problem, in float64, for every set of options; and what they refuse."""

import math
import warnings
from pathlib import Path

import beside
import numpy as np
import torch
from test_samples import seed
from torch.testing._internal.common_optimizers import optim_db

import minigrad as mg
from minigrad.nn import Parameter, optim

MEANT = beside.read_meant(Path(__file__).with_name("meant.toml"))
FEW = ("optim.SGD", "optim.Adagrad", "optim.RMSprop")


def label(info):
    return "optim." + info.optim_cls.__name__


def start():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 4)), rng.normal(size=(4,)), rng.normal(size=(2, 3))


def descend(library, optimizer, weight, bias, data):
    """Ten steps on a smooth loss of two parameters; the losses and where they end."""

    def closure():
        optimizer.zero_grad()
        loss = ((library.tanh(data @ weight + bias) - 0.3) ** 2).sum() + (weight**2).sum() * 0.1
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(10)]
    return losses, weight.detach().numpy(), bias.detach().numpy()


def steps(info, sample):
    w, b, x = start()
    mine = Parameter(mg.tensor(w)), Parameter(mg.tensor(b))
    text = f"({beside.described(sample.kwargs)})"
    my_kwargs = beside.ours(sample.kwargs)

    def theirs(w):
        leaves = torch.nn.Parameter(torch.tensor(w)), torch.nn.Parameter(torch.tensor(b))
        return descend(torch, info.optim_cls(leaves, **sample.kwargs), *leaves, torch.tensor(x))

    torch.set_default_dtype(torch.float64)  # in which PyTorch then keeps the optimiser's numbers as well, such as ASGD's eta
    try:
        expected = theirs(w)
        moved = theirs(np.nextafter(w, 2 * w))  # how far one rounding carries: LBFGS without a line search magnifies it a billion times
    finally:
        torch.set_default_dtype(torch.float32)
    try:
        found = descend(mg, getattr(optim, info.optim_cls.__name__)(mine, **my_kwargs), *mine, mg.tensor(x))
    except Exception as error:
        return [beside.Difference("refused", "float64", text, f"{type(error).__name__}: {beside.first_line(error)}")]
    for i, (a, b, c) in enumerate(zip(found[0], expected[0], moved[0], strict=True)):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12 + 10 * abs(b - c)):
            return [beside.Difference("value", "float64", text, f"loss {a} instead of {b} at step {i}")]
    for name, a, b, c in zip(("weight", "bias"), found[1:], expected[1:], moved[1:], strict=True):
        if not np.allclose(a, b, rtol=1e-8, atol=1e-10 + 10 * np.abs(b - c).max()):
            return [beside.Difference("value", "float64", text, f"{name} off by {np.abs(a - b).max()}")]
    return []


def given_parameters(given):
    """Ours for the parameters of an error sample: a tensor that stands twice is one of ours twice."""
    known = {}

    def convert(value):
        if isinstance(value, torch.Tensor):
            return known.setdefault(id(value), beside.ours(value))
        if isinstance(value, dict):
            return {k: convert(v) for k, v in value.items()}
        return type(value)(convert(v) for v in value) if isinstance(value, (list, tuple)) else value

    return [Parameter(mg.zeros(3))] if given is None else convert(given if isinstance(given, torch.Tensor) else list(given))


def refusal(info, error):
    sample = error.optimizer_error_input
    parameters, kwargs = given_parameters(sample.params), beside.ours(sample.kwargs)
    try:
        with warnings.catch_warnings():
            if issubclass(error.error_type, Warning):  # where PyTorch warns, so must we
                warnings.simplefilter("error", error.error_type)
            optimizer = getattr(optim, info.optim_cls.__name__)(parameters, **kwargs)
            if "STEP" in error.error_on.name:
                optimizer.step(lambda: mg.tensor(0.0))
    except Exception:
        return []
    text = f"({beside.described(list(sample.params)) if sample.params is not None else '...'}, {beside.described(sample.kwargs)})"
    return [beside.Difference("accepted", "-", text, f"PyTorch: {error.error_type.__name__}: {error.error_regex}")]


@beside.silently
def tally_of(info, whole=True):
    tally = beside.Tally(label(info))
    seed()
    calls = [(steps, sample) for sample in info.optim_inputs_func("cpu")]
    if whole:
        calls += [(refusal, error) for error in info.optim_error_inputs_func("cpu", torch.float64)]
    for function, sample in calls:
        try:
            tally.add(function(info, sample))
        except beside.Foreign:
            tally.counts["foreign"] += 1
    return tally


def pytest_generate_tests(metafunc):
    whole = metafunc.config.getoption("--opinfo")
    known = [info for info in optim_db if label(info) != "optim.Muon"]  # of matrices only, and in bfloat16: tests/nn/test_optim.py has it
    metafunc.parametrize("info", [info for info in known if whole or label(info) in FEW], ids=label)


def test_optimizer(info, record_property, opinfo):
    if not hasattr(optim, info.optim_cls.__name__):
        record_property("missing", label(info))
        return
    tally = tally_of(info, opinfo)
    record_property("tally", (tally.name, dict(tally.counts)))
    left = beside.unmeant(tally, MEANT, opinfo)
    assert not left, f"{len(left)} differences that meant.toml does not name:\n" + "\n".join(left)
