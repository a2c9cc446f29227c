"""``vmap`` of every op and function in the table of cases is the stack of its calls, and so are gradients of it inside ``vmap``."""

import importlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import TensorBase
from minigrad.func import jvp, vmap
from minigrad.random import Generator
from minigrad.testing import strategies as st
from minigrad.tree import leaves, tree_map

FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "cases").glob("[!_]*.py"))
ROWS = [pytest.param(case, id=f"{family}-{case.name}") for family in FAMILIES for case in importlib.import_module(f"cases.{family}").CASES]

SAMPLES = 3

# What depends on the numbers of a sample in a way that has no common shape, or is no Tensor: it raises, as in PyTorch.
REFUSED = {"allclose", "equal", "masked_select", "repeat_interleave"}
MASKS = {
    "index_put",
    "index_put_overwriting",
    "subscript",
    "store",
}  # a mask that differs from sample to sample selects different numbers of elements
STRIDES = {"as_strided", "view", "view_as"}  # of each sample, which they need contiguous


def varied(array, i):
    """Other numbers of the same kind for sample ``i``: none that leave the domain of most functions."""
    if array.dtype.kind == "f":
        return array * (1 - 0.04 * i)
    return np.roll(array.reshape(-1), i).reshape(array.shape)


def seeded(call):
    for value in leaves((call.args, list(call.kwargs.values()))):
        if isinstance(value, Generator):
            value.manual_seed(0)
    mg.manual_seed(0)


def arrays_of(case, call):
    """The arrays among the arguments that may be Tensors: not the static ones of an op."""
    op = getattr(case.op, "op", None)
    given = call.args if op is None else op.split(call.args, call.kwargs)[0]
    return [x for x in leaves([given, call.kwargs if op is None else {}]) if isinstance(x, np.ndarray)]


class Function:
    """The case's op as a function of its arrays alone, whose result is the list of its Tensors and their gradients."""

    def __init__(self, case, call):
        self.case, self.call = case, call
        self.whole = [call.args, call.kwargs]
        self.arrays = arrays_of(case, call)

    def results(self, *inputs):
        seeded(self.call)
        rest = iter(inputs)
        given = {id(x) for x in self.arrays}
        args, kwargs = tree_map(lambda x: next(rest) if id(x) in given else x, self.whole)
        return [y for y in leaves(self.case.op(*args, **kwargs)) if isinstance(y, TensorBase)]

    def __call__(self, *tensors):
        inputs = [x.detach().requires_grad_() if x.dtype.kind == "f" else x for x in tensors]
        results = self.results(*inputs)
        wanted, total = [x for x in inputs if x.requires_grad], None
        for k, y in enumerate([y for y in results if y.requires_grad]):
            part = (y * (1.0 + 0.1 * k) * (1.0 + mg.arange(y.numel(), dtype=y.dtype).reshape(y.shape) / (1 + y.numel()))).sum()
            total = part if total is None else total + part
        if total is not None:
            results += [g for g in mg.grad(total, wanted, allow_unused=True) if g is not None]
        return [y.detach() for y in results]


def check(case, call, batched, dims):
    """Compare ``vmap`` with the stack of calls, where ``batched`` says which arrays differ from sample to sample."""
    function = Function(case, call)
    if not any(batched):
        return
    for vary in (varied, lambda array, i: array):
        samples = [[vary(a, i) if b else a for a, b in zip(function.arrays, batched, strict=True)] for i in range(SAMPLES)]
        try:
            expected = [function(*map(mg.tensor, these)) for these in samples]
        except (ValueError, RuntimeError, IndexError, np.linalg.LinAlgError):
            continue
        if all([y.shape for y in ys] == [y.shape for y in expected[0]] for ys in expected):
            break
    else:
        return
    given, in_dims = [], []
    for k, b in enumerate(batched):
        dim = (0 if case.name in STRIDES else dims[k] % (function.arrays[k].ndim + 1)) if b else None
        in_dims.append(dim)
        given.append(mg.tensor(np.stack([s[k] for s in samples], dim) if b else function.arrays[k]))
    mapped = vmap(function, in_dims=tuple(in_dims), randomness="same")
    if not _is_random(case):
        check_tangents(function, samples, given, tuple(in_dims))
    masks = any(b and a.dtype.kind == "b" for a, b in zip(function.arrays, batched, strict=True))
    try:
        found = mapped(*given)
    except RuntimeError as error:
        if "vmap: " not in str(error) or not (case.name in REFUSED or (case.name in MASKS and masks)):
            raise
        return
    assert len(found) == len(expected[0])
    for k, y in enumerate(found):
        want = np.stack([ys[k].numpy() for ys in expected])
        assert y.dtype == want.dtype, (y.dtype, want.dtype)
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-9, atol=1e-10)


def _is_random(case):
    return any(word in case.name for word in ("dropout", "rrelu", "gumbel"))


def check_tangents(function, samples, given, in_dims):
    """Forward mode around ``vmap``, which walks through a graph of all samples, gives the stack of the tangents of each."""
    floating = [k for k, a in enumerate(function.arrays) if a.dtype.kind == "f"]

    def along(call, tensors):
        def values(*xs):
            inside = list(tensors)
            for k, x in zip(floating, xs, strict=True):
                inside[k] = x
            return tuple(y for y in call(*inside) if y.dtype.kind == "f")

        xs = tuple(tensors[k] for k in floating)
        return jvp(values, xs, tuple(mg.cos(3 * x) for x in xs))[1] if xs else ()

    try:
        expected = [along(function.results, [*map(mg.tensor, these)]) for these in samples]
        found = along(vmap(function.results, in_dims=in_dims, randomness="same"), given)
    except RuntimeError as error:
        if "vmap: " not in str(error):
            raise
        return
    for k, t in enumerate(found):
        np.testing.assert_allclose(t.numpy(), np.stack([ts[k].numpy() for ts in expected]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", ROWS)
def test_stack_of_calls(case):
    count = 2 if hasattr(case.op, "op") else 1

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(call=st.call(*case.strategies), data=hypothesis.strategies.data())
    def run(call, data):
        arrays = arrays_of(case, call)
        draw = data.draw
        batched = draw(hypothesis.strategies.lists(hypothesis.strategies.booleans(), min_size=len(arrays), max_size=len(arrays)))
        batched = [True] * len(arrays) if not any(batched) else batched
        dims = [draw(hypothesis.strategies.integers(0, 3)) for _ in arrays]
        with np.errstate(all="ignore"):
            check(case, call, batched, dims)

    run()
