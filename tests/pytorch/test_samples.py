"""PyTorch's own samples of its ops, run against ours.

``pytest tests/pytorch --opinfo`` takes every sample of every op of the database; without the option a few samples of a few ops run,
to test this file itself. Every difference must be listed in ``meant.toml`` with its reason.
"""

import random
import types
from pathlib import Path

import beside
import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import minigrad as mg
import minigrad.nn

MEANT = beside.read_meant(Path(__file__).with_name("meant.toml"))
GRADIENTS = (torch.float64, torch.float32)
VALUES = (torch.int64, torch.uint8, torch.bool, torch.float16, torch.int32)
UNINITIALISED = ("empty", "empty_like", "new_empty", "empty_permuted", "empty_strided", "new_empty_strided", "resize_", "resize_as_")
FEW = (
    "add", "div.no_rounding_mode", "exp", "where", "clamp", "sum", "var", "cumsum", "cat", "gather", "matmul", "einsum", "linalg.inv",
    "softmax", "nn.functional.gelu", "nn.functional.conv2d", "nn.functional.cross_entropy", "nn.functional.max_pool2d",
)  # fmt: skip


def full_name(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def function(op):
    """Ours of the same name, called as the database calls PyTorch's, or None."""
    name = op.name
    for key in (full_name(op), name):
        if key in CALLED_OTHERWISE:
            return CALLED_OTHERWISE[key]
    place = mg
    for part in name.split("."):
        place = getattr(place, part, None)
    if "." not in name and not isinstance(place, types.FunctionType):  # a method; mg.float is a dtype
        place = getattr(mg.Tensor, name, None)
    return place.fget if isinstance(place, property) else place


# The database calls some functions with their arguments in another order, and some on a clone, so that they may write.
CALLED_OTHERWISE = {
    "as_strided.partial_views": None,  # of memory that has no counterpart here
    "polygamma": lambda x, n: mg.polygamma(n, x),
    "special.polygamma": lambda x, n: mg.polygamma(n, x),
    "nn.functional.embedding": lambda weight, indices, **kw: mg.nn.functional.embedding(indices, weight, **kw),
    "nn.functional.embedding_bag": lambda weight, indices, *a, **kw: mg.nn.functional.embedding_bag(indices, weight, *a, **kw),
    "where": lambda x, condition, other, **kw: mg.where(condition, x, other, **kw),
    "einsum": lambda tensors, equation: mg.einsum(equation, *tensors),
    "linalg.lstsq.grad_oriented": lambda a, b, driver: mg.linalg.lstsq(a, b, driver=driver)[:2],
    "linalg.pinv.singular": lambda a, b: mg.linalg.pinv(a @ b.mT),
    "zero_": lambda x: x.clone().zero_(),
    "normal.in_place": lambda x, *args, **kwargs: x.clone().normal_(*args, **kwargs),
}


def names():
    return sorted({full_name(op) for op in op_db})


def seed():
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    mg.manual_seed(0)


def samples(op, dtype, grad):
    seed()
    return op.sample_inputs("cpu", dtype, requires_grad=grad)


@beside.silently
def tally_of(op, mine, limit):
    """Run the samples of an op: at most ``limit`` of each dtype."""
    tally = beside.Tally(full_name(op))
    for dtype in (*GRADIENTS, *VALUES):
        if dtype not in op.dtypes:
            continue
        grad = dtype in GRADIENTS and op.supports_autograd and dtype in op.backward_dtypes
        order = 0 if not grad else 2 if op.supports_gradgrad else 1
        for sample in list(samples(op, dtype, grad))[:limit]:
            call = beside.Call(op, mine, (sample.input, *sample.args), sample.kwargs, order=order, uninitialised=op.name in UNINITIALISED)
            try:
                tally.add(call.run())
            except beside.Foreign:
                tally.counts["foreign"] += 1
    if op.error_inputs_func is not None:
        seed()
        for error in list(op.error_inputs("cpu"))[:limit]:
            sample = error.sample_input
            try:
                tally.add(
                    beside.refusal(
                        mine,
                        (sample.input, *sample.args),
                        sample.kwargs,
                        f"{getattr(error.error_type, '__name__', error.error_type)}: {error.error_regex}",
                    )
                )
            except beside.Foreign:
                tally.counts["foreign"] += 1
    return tally


def pytest_generate_tests(metafunc):
    metafunc.parametrize("name", names() if metafunc.config.getoption("--opinfo") else FEW)


def test_op(name, record_property, opinfo):
    tallies = []
    for op in op_db:
        if full_name(op) == name:
            mine = function(op)
            if mine is None:
                record_property("missing", name)
                return
            tallies.append(tally_of(op, mine, None if opinfo else 3))
    (tally,) = tallies
    record_property("tally", (name, dict(tally.counts)))
    left = beside.unmeant(tally, MEANT, opinfo)
    assert not left, f"{len(left)} differences that meant.toml does not name:\n" + "\n".join(left)
