"""What large arrays do otherwise: the table of cases once more, with every size that parts small from large lowered.

The rows draw small arrays, so that a path for large ones alone would never be taken by their proofs.
"""

import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from test_cases import ROWS

import minigrad as mg
import minigrad.kernels
import minigrad.ops
from minigrad.testing import check_op

# name -> value, wherever in minigrad.kernels and minigrad.ops it stands. Sizes of parts are so small that there are several.
LOWERED = {
    "BLENDED": 1, "BLOCK": 2, "CACHE": 16, "FEW": 1, "LARGE": 1, "LINE": 2, "LONG": 1, "MATRIX": 1, "PARALLEL": 1, "PART": 2,
    "RUN": 2, "RUNNING": 1, "SHORT": 1, "SMALL": 1, "SMALLEST": 1, "WIDE": 1, "WORTH": 1,
}  # fmt: skip
KEPT = {"minigrad.ops.shape_inference"}  # its LARGE is about what is not computed at all


@pytest.fixture
def lowered(monkeypatch):
    for package in (minigrad.kernels, minigrad.ops):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for name in LOWERED.keys() & vars(module).keys() if info.name not in KEPT else ():
                monkeypatch.setattr(module, name, LOWERED[name])


FAMILIES = ("activation", "elementwise", "index", "norm", "pool", "reduce", "softmax", "conv", "linalg", "loss")
QUICK = [row for row in ROWS if row.id.split("-")[0] in FAMILIES]


@pytest.mark.parametrize("case", QUICK)
def test_proof_with_every_size_lowered(case, lowered):
    check_op(case.op, *case.strategies, **{**case.options, "examples": 3})


def test_every_size_can_be_lowered():
    """A size that is compared with a bare number would be out of this test's reach."""
    bare = re.compile(r"(size|prod\(\w+\)|width|nbytes|work)\b *[<>]=? *(\d{3,}|\d+ <<)")
    found = []
    for package in (minigrad.kernels, minigrad.ops):
        for path in sorted(Path(package.__path__[0]).glob("*.py")):
            found += [f"{path.name}: {line.strip()}" for line in path.read_text(encoding="utf-8").splitlines() if bare.search(line)]
    assert not found


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
