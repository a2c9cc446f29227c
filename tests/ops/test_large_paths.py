"""What large arrays do otherwise: the table of cases once more, with every size that parts small from large lowered.

The rows draw small arrays, so that a path for large ones alone would never be taken by their proofs.
"""

import functools
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from test_cases import ROWS

import minigrad as mg
import minigrad.engine
import minigrad.kernels
import minigrad.nn
import minigrad.nn.optim.optimizer
import minigrad.ops
from minigrad.engine import registered_ops
from minigrad.testing import check_op

# name -> value, wherever it stands. Sizes of parts are so small that there are several.
LOWERED = {
    "ACROSS": 1, "BLENDED": 1, "BLOCK": 2, "BUFFER": 16, "CACHE": 16, "DEEP": 1, "FEW": 1, "FUSED": 2, "HEAVY": 1, "LANES": 1, "LARGE": 1, "LINE": 2, "LONG": 1, "LONG_PART": 4, "LONGEST": 2, "MANY": 1, "MATRIX": 1, "MOST": 1, "PACKED": 4, "PARALLEL": 1,
    "PART": 2, "ROW_CACHE": 16, "ROWS": 2, "RUN": 2, "RUNNING": 1, "SHARE": 1, "SHARED": 1, "SHORT": 1, "SMALL": 1, "SMALLEST": 1, "SPARE": 1, "TOTALS": 1 << 12, "TURNED": 1,
    "VOLUMES": 1, "WEIGHTS": 1, "WIDE": 1, "WORTH": 1,
}  # fmt: skip
# Module and name -> why it is not lowered.
KEPT = {
    "minigrad.ops.outlines.LARGE": "what is not computed at all, see tests/engine",
    "minigrad.kernels.layouts.KEPT": "what a layout keeps; tests/ops/test_conv.py lowers it",
    "minigrad.kernels.layouts.SHARES": "a number of parts, not a size",
    "minigrad.kernels.products.PARTS": "a number of parts, not a size",
    "minigrad.kernels.special._POINTS": "how exact an integral is, not a size",
    "minigrad.kernels.threads.ROUNDS": "how long a thread waits before it sleeps",
    "minigrad.kernels.threads.TURNS": "how often a thread asks before it sleeps",
    "minigrad.kernels.winograd.SHARES": "a number of parts, not a size",
    "minigrad.kernels.native.LEAST": "lowered by native.force, in tests/kernels and in test_cases.test_native",
    "minigrad.kernels.native.SHORTEST": "lowered by native.force, in tests/kernels and in test_cases.test_native",
    "minigrad.engine.backward._ALONE": "a mark, not a size",
    "minigrad.engine.observed.PENDING": "how long an observer holds nodes; tests/profiler counts them",
    "minigrad.engine.op.PENDING": "the same",
    "minigrad.kernels.memory._MMAP_THRESHOLD": "a number of the C library",
    "minigrad.kernels.memory._TRIM_THRESHOLD": "a number of the C library",
    "minigrad.kernels.memory.KEPT": "what the allocator keeps; no number depends on it",
    "minigrad.nn.module._SCANNED": "how far parameters are looked for in lists",
    "minigrad.nn.module._DEPTH": "how far parameters are looked for in lists",
    "minigrad.nn.optim.optimizer.PIECE": "lowered by test_steps_in_pieces_of_any_size",
    "minigrad.nn.optim.optimizer.GATHERED": "lowered by test_steps_in_pieces_of_any_size",
    "minigrad.nn.optim.optimizer.SCRATCH": "a number of arrays, not a size",
}
PACKAGES = (minigrad.engine, minigrad.kernels, minigrad.ops, minigrad.nn, minigrad.nn.optim)


def modules():
    for package in PACKAGES:
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            yield importlib.import_module(info.name)


def sizes(module):
    """Names of the whole numbers in capitals that a module has, its own and those it took from others."""
    return [name for name, value in vars(module).items() if re.fullmatch(r"_?[A-Z][A-Z0-9_]+", name) and type(value) is int]


@functools.cache
def places():
    """(module, name) of each size that is lowered."""
    return [(module, name) for module in modules() for name in sizes(module) if f"{module.__name__}.{name}" not in KEPT]


@pytest.fixture
def lowered(monkeypatch):
    for module, name in places():
        monkeypatch.setattr(module, name, LOWERED[name])
    for op in registered_ops().values():
        monkeypatch.setitem(op.function.__globals__, "_LARGE", LOWERED["SHARED"])


@pytest.mark.parametrize("case", ROWS)
def test_proof_with_every_size_lowered(case, lowered):
    check_op(case.op, *case.strategies, **{**case.options, "examples": 2, "order": 1})


def test_every_size_is_lowered():
    """A new size cannot be forgotten, and one that is gone does not stay in the list."""
    found = {f"{module.__name__}.{name}" for module in modules() for name in sizes(module)}
    unknown = sorted(name for name in found - KEPT.keys() if name.rpartition(".")[2] not in LOWERED)
    assert not unknown, f"sizes that are neither in LOWERED nor in KEPT: {unknown}"
    gone = [*(KEPT.keys() - found), *(LOWERED.keys() - {name.rpartition(".")[2] for name in found})]
    assert not gone, f"sizes that no module has: {gone}"


def test_every_size_has_a_name():
    """A size that is compared with a bare number would be out of this test's reach."""
    bare = re.compile(r"\b(size|numel\(\)|prod\([^()]*\)|len\([^()]*\)|width|nbytes|work)\b *[<>]=? *(\d{3,}|\d+ (<<|\*\*))")
    found = []
    for module in modules():
        lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
        found += [f"{module.__name__}: {line.strip()}" for line in lines if bare.search(line)]
    assert not found


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_steps_in_pieces_of_any_size(name, monkeypatch):
    """An optimizer's update gives the same numbers whatever the size of its pieces is."""

    def trained():
        parameters = [mg.tensor(np.arange(1.0, n + 1), requires_grad=True) for n in (1, 7, 30)]
        optimizer = getattr(minigrad.nn.optim, name)(parameters, lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            sum((p * p).sum() for p in parameters).backward()
            optimizer.step()
        return [p.tolist() for p in parameters]

    whole = trained()
    monkeypatch.setattr(minigrad.nn.optim.optimizer, "PIECE", 4)
    monkeypatch.setattr(minigrad.nn.optim.optimizer, "GATHERED", 4)
    assert trained() == whole


W = 65536  # the smallest size at which the path for large arrays is taken
CONSTANT = {
    "round": lambda x: x.round(),
    "floor": lambda x: x.floor(),
    "ceil": lambda x: x.ceil(),
    "trunc": lambda x: x.trunc(),
    "sign": lambda x: x.sign(),
    "floor_divide": lambda x: x // 2,
    "pow": lambda x: x**0,
}


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("size", [W - 1, W])
def test_constant_functions_of_any_size_have_gradient_zero(name, size):
    x = mg.ones(size, requires_grad=True)
    CONSTANT[name](x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros(size, np.float32))


@pytest.mark.parametrize("condition", [True, False])
def test_where_with_one_condition_for_a_large_array(condition):
    x = mg.ones(W, requires_grad=True)
    mg.where(mg.tensor(condition), x, x * 0).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full(W, float(condition), np.float32))


@pytest.mark.parametrize(
    ("shape", "dim", "weights"), [((5, 3, 8), (2,), (1, 1, 8)), ((4, 2, 3, 6), (2, 3), (1, 2, 3, 1)), ((6, 9), (1,), (1, 1))]
)
def test_rows_apart(shape, dim, weights, monkeypatch):
    """Normalisation of images that do not depend on each other, in several tiles: its gradients are those of the formula for Tensors."""
    monkeypatch.setattr(minigrad.kernels.norm, "CACHE", 2 * 8 * int(np.prod(shape[1:])))
    random = np.random.default_rng(0)
    x, w, b = [mg.tensor(random.standard_normal(s), requires_grad=True) for s in (shape, weights, weights)]
    results = minigrad.ops.norm.standardize(x, w.reshape(-1), b.reshape(-1), dim=dim, shape=weights, eps=0.1)
    gs = [mg.tensor(random.standard_normal(r.shape)) for r in results]
    plain, recorded = [mg.grad(list(results), [x, w, b], gs, retain_graph=True, create_graph=create) for create in (False, True)]
    for a, c in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(a.numpy(), c.detach().numpy(), rtol=1e-12, atol=1e-13)
