"""Type hints for users: a strict checker accepts a typed script, infers its results, and finds its mistakes; every public name is typed."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import runpy
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import minigrad
import minigrad.func
import minigrad.nn
import minigrad.nn.functional
import minigrad.nn.init

HERE = Path(__file__).parent
SCRIPT = HERE / "typed" / "train.py"
MYPY = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy: pip install mypy")


def strict(path: Path, folder: Path) -> tuple[int, str]:
    """``mypy --strict`` on a script outside the checkout, as a user runs it on what is installed."""
    package = Path(minigrad.__file__).parent
    environment = dict(os.environ)
    if "site-packages" not in package.parts:  # installed as editable: the checker must be told where
        environment["MYPYPATH"] = str(package.parent)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(folder / "cache"), str(path)]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return found.returncode, found.stdout + found.stderr


@MYPY
def test_a_typed_script_passes(tmp_path):
    """Every ``assert_type`` in it holds, so no result is Any."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    code, output = strict(script, tmp_path)
    assert code == 0, output


MISTAKES = {
    'mg.exp("x")': "arg-type",
    "F.relu(3)": "arg-type",
    'x.sum("dim")': "arg-type",
    "x.sum(dimension=0)": "call-arg",
    "F.softmax(x, dimension=0)": "call-arg",
    "nn.Linear(3, 2)(x, x)": "call-arg",
    "nn.Linear(3, 2)(3)": "arg-type",
    "nn.CrossEntropyLoss()(x)": "call-arg",
    "nn.ModuleList([nn.ReLU()])[0](1)": "arg-type",
    "nn.optim.SGD([x]).step(3)": "call-overload",
    "x.item().shape": "union-attr",
    "answer: int = x.sum()": "assignment",
    "mg.func.vmap(F.relu)(3)": "arg-type",
    'mg.func.grad(F.relu)("x")': "arg-type",
}


@MYPY
def test_packages_are_attributes_that_a_strict_checker_knows(tmp_path):
    """``mg.profiler.profile()`` needs no second import, and every package says what it exports."""
    names = {
        f"mg.{package}.{name}"
        for package, module in ((package, getattr(minigrad, package)) for package in minigrad._PACKAGES)
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(f"minigrad.{package}.")
    }
    assert {"mg.profiler.profile", "mg.onnx.export", "mg.graph.draw", "mg.demo.im2col", "mg.plots.cells", "mg.func.vmap"} <= names
    script = tmp_path / "attributes.py"
    script.write_text("\n".join(["import minigrad as mg", *sorted(names)]), encoding="utf-8")
    code, output = strict(script, tmp_path)
    assert code == 0, output


@MYPY
def test_the_checker_finds_mistakes(tmp_path):
    """What is assert_type'd above would hold of Any too, if Any came in elsewhere: here each line must be refused."""
    script = tmp_path / "wrong.py"
    head = ["import minigrad as mg", "import minigrad.nn.functional as F", "from minigrad import nn", "x = mg.ones(2, 3)"]
    script.write_text("\n".join([*head, *MISTAKES]), encoding="utf-8")
    _, output = strict(script, tmp_path)
    found = {int(line): code for line, code in re.findall(r"wrong\.py:(\d+): error: .*\[([a-z-]+)\]$", output, re.MULTILINE)}
    assert {text: found.get(len(head) + 1 + i) for i, text in enumerate(MISTAKES)} == MISTAKES


def test_the_typed_script_runs():
    """It is a training script, after all."""
    assert runpy.run_path(str(SCRIPT))["main"](epochs=30) > 0.9


# -------------------------------------------------------------------------------------------- complete annotations


def public_functions():
    """(name, function) for each public function and method that is defined in minigrad, however it is decorated."""
    for info in pkgutil.walk_packages(minigrad.__path__, "minigrad."):
        parts = info.name.split(".")
        if any(part.startswith("_") for part in parts) or info.name in ("minigrad.testing.plugin", "minigrad.testing.strategies"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != info.name:
                continue
            if inspect.isclass(value):
                for key, member in vars(value).items():
                    function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
                    if inspect.isfunction(function) and function.__module__ == info.name and (key == "__init__" or not key.startswith("_")):
                        yield f"{info.name}.{name}.{key}", function
            elif inspect.isfunction(inspect.unwrap(value)) if callable(value) else False:
                yield f"{info.name}.{name}", inspect.unwrap(value)


def missing(function) -> list[str]:
    """Parameters without an annotation, and "return"."""
    signature = inspect.signature(function)
    names = [
        p.name
        for i, p in enumerate(signature.parameters.values())
        if p.annotation is p.empty and not (i == 0 and p.name in ("self", "cls"))
    ]
    return names + (["return"] if signature.return_annotation is signature.empty and function.__name__ != "__init__" else [])


def test_public_functions_have_complete_annotations():
    """Ops, functions, methods: each parameter and each result."""
    found = list(public_functions())
    assert len(found) > 900
    assert {name: what for name, function in found if (what := missing(function))} == {}


def test_the_reader_of_annotations_sees_what_is_missing():
    """The test above can fail."""

    def half(x: int, y, *rest, z=3) -> int: ...

    def none(self, x: int): ...

    assert missing(half) == ["y", "rest", "z"]
    assert missing(none) == ["return"]


PLACES = [minigrad, minigrad.nn, minigrad.nn.functional, minigrad.nn.init, minigrad.func, minigrad.Tensor, minigrad.nn.Module]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_type_hints_can_be_read_at_run_time(place):
    """By tools that check arguments or write forms; the name Tensor stands for the class."""
    read = {}
    for name in dir(place):
        thing = inspect.getattr_static(place, name) if inspect.isclass(place) else getattr(place, name)
        if name[0] != "_" and callable(thing) and not inspect.isclass(thing) and hasattr(thing, "__annotations__"):
            read[name] = typing.get_type_hints(thing)
    assert read
    if place is minigrad:
        assert minigrad.Tensor in typing.get_args(read["exp"]["input"])
