"""PyTorch's own samples of its modules: the same weights and inputs in both, results, gradients and buffers compared."""

from pathlib import Path

import beside
import torch
from test_samples import seed
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import minigrad as mg
from minigrad import nn

MEANT = beside.read_meant(Path(__file__).with_name("meant.toml"))
FEW = ("nn.Linear", "nn.Conv2d", "nn.GroupNorm", "nn.Embedding", "nn.NLLLoss")


def label(info):
    return "nn." + info.module_cls.__name__


def pair(info, sample):
    """A module of PyTorch and ours with its weights."""
    args, kwargs = sample.constructor_input.args, sample.constructor_input.kwargs
    theirs = info.module_cls(*args, **kwargs)
    my_args, my_kwargs = beside.ours(args), beside.ours(kwargs)
    return theirs, lambda: getattr(nn, info.module_cls.__name__)(*my_args, **my_kwargs)


def run(info, sample, dtype, training):
    theirs, build = pair(info, sample)
    theirs.to(dtype).train(training)
    text = f"{'training' if training else 'eval'} {beside.call_text(sample.constructor_input.args, sample.constructor_input.kwargs)}"

    def refused(error):
        return [beside.Difference("refused", beside.DTYPES[dtype].__name__, text, f"{type(error).__name__}: {beside.first_line(error)}")]

    if info.is_lazy:  # its weights come with the first input
        theirs(*beside.copied(sample.forward_input.args), **beside.copied(sample.forward_input.kwargs))
    try:
        mine = build()
        mine = mine.to(beside.DTYPES[dtype])
        mine.train(training)
        if info.is_lazy:
            mine(*beside.ours(sample.forward_input.args), **beside.ours(sample.forward_input.kwargs))
        mine.load_state_dict({k: beside.ours(v) for k, v in theirs.state_dict().items()})
    except beside.Foreign:
        raise
    except Exception as error:
        return refused(error)
    parameters = list(mine.parameters()), list(theirs.parameters())
    order = 2 if info.supports_gradgrad else 1
    call = beside.Call(theirs, mine, sample.forward_input.args, sample.forward_input.kwargs, order=order, parameters=parameters)
    call.text = f"{text} of {call.text}"
    found = call.run()
    if not found:
        for (name, a), (_, b) in zip(sorted(mine.named_buffers()), sorted(theirs.named_buffers()), strict=True):
            if said := beside.far(a.numpy(), b):
                found = call.difference("value", f"buffer {name}: {said}")
    return found


@beside.silently
def tally_of(info):
    tally = beside.Tally(label(info))
    for dtype in (torch.float64, torch.float32):
        for training in (True, False) if info.train_and_eval_differ else (True,):
            seed()
            for sample in info.module_inputs_func(info, "cpu", dtype, True, training):
                if sample.forward_input is None:
                    continue
                try:
                    tally.add(run(info, sample, dtype, training))
                except beside.Foreign:
                    tally.counts["foreign"] += 1
    if info.module_error_inputs_func is not None:
        seed()
        for error in info.module_error_inputs_func(info, "cpu", torch.float64, False, True):
            sample = error.module_error_input
            try:
                tally.add(refusal(info, sample, error))
            except beside.Foreign:
                tally.counts["foreign"] += 1
    return tally


def refusal(info, sample, error):
    args, kwargs = sample.constructor_input.args, sample.constructor_input.kwargs
    expected = f"{error.error_type.__name__}: {error.error_regex}"
    if error.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
        return beside.refusal(getattr(nn, info.module_cls.__name__), args, kwargs, expected)
    _, build = pair(info, sample)

    def called(*inputs, **options):
        module = build()  # which may refuse already
        for parameter in module.parameters():  # not buffers, whose dtype may be what is wrong
            parameter.data = parameter.data.to(mg.float64)
        return module(*inputs, **options)

    found = beside.refusal(called, sample.forward_input.args, sample.forward_input.kwargs, expected)
    for difference in found:
        difference.call = f"{beside.call_text(args, kwargs)} of {difference.call}"
    return found


def pytest_generate_tests(metafunc):
    whole = metafunc.config.getoption("--opinfo")
    metafunc.parametrize("info", [info for info in module_db if whole or label(info) in FEW], ids=label)


def test_module(info, record_property, opinfo):
    if not hasattr(nn, info.module_cls.__name__):
        record_property("missing", label(info))
        return
    tally = tally_of(info)
    record_property("tally", (tally.name, dict(tally.counts)))
    left = beside.unmeant(tally, MEANT, opinfo)
    assert not left, f"{len(left)} differences that meant.toml does not name:\n" + "\n".join(left)
