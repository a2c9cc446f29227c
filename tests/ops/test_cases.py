"""Proves every row of the table of cases, and that the table is complete.

Each row is drawn by hypothesis: ``pytest --long`` takes 1,000 examples for each, and prints how many elements were at kinks.
"""

import functools
import importlib
import inspect
import math
import pkgutil
import types
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from answers import on_drawn, torch

import minigrad as mg
import minigrad.ops
from minigrad.engine import TensorBase, registered_ops
from minigrad.kernels import conv as conv_kernels
from minigrad.kernels import native
from minigrad.ops import complex_pair
from minigrad.random import Generator
from minigrad.testing import check_op
from minigrad.testing import strategies as st

FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "cases").glob("[!_]*.py"))
ROWS = [pytest.param(case, id=f"{family}-{case.name}") for family in FAMILIES for case in importlib.import_module(f"cases.{family}").CASES]


def test_names_are_unique():
    names = [row.id for row in ROWS]
    assert len(set(names)) == len(names), sorted({n for n in names if names.count(n) > 1})


# ------------------------------------------------------------------------------------------------- completeness


def ops_of_the_library():
    for info in pkgutil.walk_packages(mg.ops.__path__, "minigrad.ops."):
        importlib.import_module(info.name)
    return {name: op for name, op in registered_ops().items() if name.startswith("minigrad.") and "<locals>" not in name}


PARTS = {
    "minigrad.engine.function._held",
    "minigrad.engine.fitting.enter",
    "minigrad.engine.fitting.leave",
    "minigrad.engine.fitting.enter_each",
    "minigrad.distributions.gamma._GammaDraw",  # tests/distributions
}


def test_every_op_has_a_row():
    """A new op cannot be forgotten. (Those of ``once_differentiable`` and ``vmap`` are parts of these: tests/engine/test_function.py, tests/func.)"""
    proven = {id(row.values[0].op.op) for row in ROWS if hasattr(row.values[0].op, "op")}
    missing = [name for name, op in ops_of_the_library().items() if id(op) not in proven and name not in PARTS]
    assert not missing, f"{len(missing)} ops without a row in tests/ops/cases: {missing}"


def public_functions():
    """What ``minigrad`` exports from its op families. (Complex pairs are no arrays: rows of cases/fft.py wrap what gives or takes them.)"""
    for name, value in ((name, getattr(mg, name)) for name in mg.__all__):  # some are loaded here
        module = value.__module__ if isinstance(value, types.FunctionType) else ""
        if module.startswith("minigrad.ops") and module != complex_pair.__name__:
            yield name, value


def test_every_public_function_has_a_row():
    """Composites of ops are checked like ops."""
    proven = {id(row.values[0].op) for row in ROWS}
    missing = sorted(name for name, value in public_functions() if id(value) not in proven)
    assert not missing, f"{len(missing)} functions without a row in tests/ops/cases: {missing}"


# ------------------------------------------------------------------------------------------------------- proofs


EXAMPLES = hypothesis.settings.default.max_examples // 2  # of a row: 10 in CI, of which the first are the smallest; 500 with --long


@pytest.mark.parametrize("case", ROWS)
def test_proof(case, record_property):
    """Gradients of first and second order, dtypes, memory, strides: all that check_op checks."""
    report = check_op(case.op, *case.strategies, **{"examples": EXAMPLES, **case.options})
    record_property("proof", (report.examples, report.elements, report.kinks))  # conftest.py prints a table of these


@pytest.mark.parametrize("name", conv_kernels.ALGORITHMS)
@pytest.mark.parametrize("case", [row for row in ROWS if row.id.startswith("conv-conv")])
def test_proof_of_convolution_by_each_algorithm(case, name):
    """The same proof where shapes would have chosen another way."""
    with conv_kernels.force(name):
        check_op(case.op, *case.strategies, **{"examples": EXAMPLES, **case.options})


def arrays_of(outputs):
    """All arrays among the results, in order."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, (list, tuple)):
        return [a for y in outputs for a in arrays_of(y)]
    return [np.asarray(getattr(outputs, "_data", outputs))]


def mapped(value, function):
    """``value`` with each array in it replaced."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):  # an Axis stays as it is
        return type(value)(mapped(v, function) for v in value)
    if isinstance(value, dict):
        return {k: mapped(v, function) for k, v in value.items()}
    return value


def compare(ours, theirs, what, rtol=1e-9):
    assert len(ours) == len(theirs), what
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape, what
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=1e-10, err_msg=what)


def examples(case, share=0.5):
    """What runs a ``test(call)`` on examples of a row: half as many as its proof takes."""
    return functools.partial(on_examples, case, share=share)


def on_examples(case, test, share=0.5):
    count = math.ceil(hypothesis.settings().max_examples * share)

    @hypothesis.settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(call=st.call(*case.strategies))
    def run(call):
        with np.errstate(all="ignore"):
            test(call)

    run()


def results(case, call, leaf=lambda a: mg.tensor(a)):
    for value in [*call.args, *call.kwargs.values()]:
        if isinstance(value, Generator):
            value.manual_seed(0)
    mg.manual_seed(0)
    return case.op(*mapped(call.args, leaf), **mapped(call.kwargs, leaf))


@pytest.mark.parametrize("case", [row for row in ROWS if row.values[0].numpy is not None])
def test_numpy(case):
    """The forward pass gives what numpy gives."""

    def test(call):
        compare(arrays_of(results(case, call)), arrays_of(case.numpy(*call.args, **call.kwargs)), str(call))

    on_examples(case, test)


def torch_function(reference, torch=torch):
    if callable(reference):
        return lambda *args, **kwargs: reference(torch, *args, **kwargs)
    for place in (torch, torch.nn.functional):
        found = place
        for part in reference.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    raise AttributeError(f"neither torch nor torch.nn.functional has {reference}")


def tensors_in(value, kind):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v, kind)]
    return [value] if isinstance(value, kind) else []


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own advice
@pytest.mark.parametrize("case", [row for row in ROWS if row.values[0].torch is not None])
def test_torch(case):
    """Forward and gradient are those of PyTorch in float64, at kinks and ties too; and so are dtypes in float32."""
    function = torch_function(case.torch)
    wrt = case.options.get("wrt")
    wrt = (wrt,) if isinstance(wrt, str) else wrt

    def test(call):
        # Names in `wrt` are those of the arguments that have a gradient; the others are constants on both sides.
        names = list(call.kwargs)

        def ours(a, grad=True):
            return mg.tensor(a, requires_grad=grad and a.dtype.kind == "f")

        def theirs(a, grad=True):
            return torch.tensor(a, requires_grad=grad and a.dtype.kind == "f")

        def build(make):
            positional = argument_names(case.op, len(call.args))
            args = [mapped(a, lambda v, n=n: make(v, wrt is None or n in wrt)) for n, a in zip(positional, call.args, strict=True)]
            kwargs = {n: mapped(call.kwargs[n], lambda v, n=n: make(v, wrt is None or n in wrt)) for n in names}
            return args, kwargs

        (args, kwargs), (t_args, t_kwargs) = build(ours), build(theirs)
        mine, other = case.op(*args, **kwargs), function(*t_args, **t_kwargs)
        mine, other = tensors_in([mine], TensorBase), tensors_in([other], torch.Tensor)
        compare([y._data for y in mine], [y.detach().numpy() for y in other], str(call))
        assert [y.dtype.name for y in mine] == [str(y.dtype).removeprefix("torch.") for y in other], str(call)
        pairs = [(y, t) for y, t in zip(mine, other, strict=True) if y.requires_grad or t.requires_grad]
        if not pairs:
            return
        weights = [np.cos(np.arange(y.numel(), dtype=float)).reshape(y.shape) for y, _ in pairs]
        leaves = [t for t in tensors_in([args, kwargs], TensorBase) if t.requires_grad]
        t_leaves = [t for t in tensors_in([t_args, t_kwargs], torch.Tensor) if t.requires_grad]
        gradients = mg.grad([y for y, _ in pairs], leaves, weights, allow_unused=True, materialize_grads=True)
        expected = torch.autograd.grad([t for _, t in pairs], t_leaves, [torch.tensor(w) for w in weights], allow_unused=True)
        expected = [np.zeros(leaf.shape) if e is None else e.numpy() for e, leaf in zip(expected, t_leaves, strict=True)]
        compare([g.numpy() for g in gradients], expected, f"gradient of {call}", rtol=1e-7)

    on_drawn(examples(case), test)


NATIVE = [row for row in ROWS if row.id.partition("-")[0] in ("activation", "loss", "norm", "softmax") or "max_pool" in row.id]
NATIVE += [row for row in ROWS if row.values[0].op in (mg.sigmoid, mg.tanh)]


@pytest.mark.native
@pytest.mark.parametrize("case", NATIVE)
def test_native(case):
    """Where kernels have native twins, float32 results and gradients with these are as near to float64's as with numpy alone."""
    best = native.library()
    op = getattr(case.op, "op", None)

    def computed(call, dtype, level):
        def tensors(name, value):  # an op's static argument stays as it is
            return mapped(value, leaf) if op is None or name in (*op.inputs, op.variadic) else value

        def leaf(a):
            return mg.tensor(a.astype(np.float32).astype(dtype) if a.dtype.kind == "f" else a, requires_grad=a.dtype.kind == "f")

        with native.force(level):
            names = argument_names(case.op, len(call.args))
            args = [tensors(name, value) for name, value in zip(names, call.args, strict=True)]
            kwargs = {name: tensors(name, value) for name, value in call.kwargs.items()}
            mg.manual_seed(0)
            outputs = tensors_in([case.op(*args, **kwargs)], TensorBase)
            leaves = [t for t in tensors_in([args, kwargs], TensorBase) if t.requires_grad]
            outputs = [y for y in outputs if y.requires_grad]
            weights = [np.cos(np.arange(y.numel())).reshape(y.shape).astype(dtype) for y in outputs]
            gradients = mg.grad(outputs, leaves, weights, allow_unused=True, materialize_grads=True) if outputs else []
        return [t.detach().numpy() for t in [*outputs, *gradients]]

    def test(call):
        exact = computed(call, np.float64, None)
        for ours, numpys, wanted in zip(*[computed(call, np.float32, level) for level in (best.level, None)], exact, strict=True):
            assert ours.dtype == numpys.dtype and ours.shape == wanted.shape, str(call)
            np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(numpys), str(call))
            good = np.isfinite(numpys) & np.isfinite(wanted)
            error, known = (np.abs(a - wanted)[good].max(initial=0) for a in (ours, numpys))
            assert error <= 4 * known + 1e-6 * np.abs(wanted[good]).max(initial=1), str(call)

    on_examples(case, test)


def argument_names(function, count):
    """Names of the positional arguments, ``tensors`` for all of ``*tensors``."""
    names = []
    for p in inspect.signature(function).parameters.values():
        names += [p.name] * (count - len(names)) if p.kind is p.VAR_POSITIONAL else [p.name]
    return names[:count]
