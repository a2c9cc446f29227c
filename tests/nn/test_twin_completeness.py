"""Every class that has a counterpart in PyTorch is compared with it: the twin tests are complete."""

from __future__ import annotations

import ast
import functools
import inspect
import operator
from pathlib import Path

import pytest
from answers import noted

from minigrad import nn

HERE = Path(__file__).parents[1]
BASES = {  # nothing to compare by itself: bases, what holds modules, parameters or other schedulers' steps, an old name
    "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList", "Sequential", "Optimizer", "LRScheduler",
    "Buffer", "UninitializedBuffer", "UninitializedParameter", "NLLLoss2d",
}  # fmt: skip

# Compared in tests/nn/test_optim.py with numbers that PyTorch gave once: a step of these takes it seconds of imports.
WRITTEN_DOWN = {"Adafactor", "Muon"}


def compared(source: str) -> set[str]:
    """Names that a file of twin tests compares: strings in its tables, in parametrize and in its tests' calls, and attributes of torch there.

    A table of arguments or of prints compares no numbers, so the decorators of such tests do not count.
    """
    if "answers" not in source:
        return set()
    tree = ast.parse(source)
    if not any(isinstance(n, ast.ImportFrom) and n.module == "answers" for n in ast.walk(tree)):
        return set()
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            if statement.name.endswith(("_arguments", "_pytorchs")):
                continue
            for node in ast.walk(statement):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value).startswith("torch."):
                    found.add(node.attr)
                if isinstance(node, ast.Call):
                    found.update(a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
        roots = (
            statement.decorator_list if isinstance(statement, ast.FunctionDef) else [statement] if isinstance(statement, ast.Assign) else []
        )
        for root in roots:
            for node in ast.walk(root):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value.partition(",")[0])
    return found


@functools.cache
def compared_anywhere() -> set[str]:
    return set().union(*[compared(path.read_text(encoding="utf-8")) for path in HERE.rglob("test_*.py")])


def classes(ours, theirs) -> list[str]:
    """Public classes of ``ours`` that PyTorch's module of the name ``theirs`` has too."""
    names = [
        name for name in dir(ours) if not name.startswith("_") and getattr(getattr(ours, name), "__module__", "").startswith("minigrad.")
    ]
    names = [name for name in names if inspect.isclass(getattr(ours, name))]
    known = noted(lambda torch: [n for n, v in vars(operator.attrgetter(theirs)(torch)).items() if inspect.isclass(v)])
    return [name for name in names if name in known and name not in BASES]


@pytest.mark.parametrize(
    ("ours", "theirs", "least"),
    [(nn, "nn", 120), (nn.optim, "optim", 12), (nn.optim.lr_scheduler, "optim.lr_scheduler", 14)],
    ids=["nn", "optim", "lr_scheduler"],
)
def test_every_class_with_a_counterpart_has_a_twin_test(ours, theirs, least):
    """Layers, losses, optimisers, schedulers: what fails here needs a row in a table of tests/nn/test_torch_twin.py, or a test of its own."""
    names = classes(ours, theirs)
    assert len(names) >= least
    assert [name for name in names if name not in compared_anywhere() | WRITTEN_DOWN] == []


def test_the_reader_of_tables_tells_what_is_compared():
    """The test above can fail: names in other tests, in tests of arguments only and in files without torch do not count."""
    source = """
from answers import torch
TABLE = [("Linear", {"in_features": 3})]
SCHEDULERS = {"StepLR, once": 1}

@pytest.mark.parametrize("name", ["ReLU"])
def test_numbers(name):
    torch.nn.GELU()(x)
    nn.ELU()

@pytest.mark.parametrize("name", ["Tanh"])
def test_layer_has_pytorchs_arguments(name):
    assert torch.nn.Mish
"""
    found = compared(source)
    assert {"Linear", "StepLR", "ReLU", "GELU"} <= found
    assert not {"ELU", "Tanh", "Mish"} & found
    assert compared(source.replace("answers", "library")) == set()
