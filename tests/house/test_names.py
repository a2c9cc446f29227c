"""The names of `minigrad`, `minigrad.nn` and `minigrad.nn.functional`: each is there once, in the reference, and for type checkers."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from test_typing import MYPY, strict

import minigrad
import minigrad.nn
import minigrad.nn.functional

FACES = [minigrad, minigrad.nn, minigrad.nn.functional]
DOCS = Path(__file__).parents[2] / "docs" / "api"


def bound(module: ModuleType) -> list[str]:
    """The names that the source of a face binds, as often as it does."""
    found = []
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            found += [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return found


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_name_stands_once(face):
    count = Counter(bound(face))
    assert [name for name, n in count.items() if n > 1] == []
    assert len(face.__all__) == len(set(face.__all__)) > 100
    assert set(face.__all__) - set(count) <= set(getattr(face, "_PLACES", {}))  # loaded at their first use
    assert set(count) - set(face.__all__) <= {
        "MYPY",
        "TYPE_CHECKING",
        "Any",
        "memory",
        "_LATER",
        "_MODULES",
        "_PACKAGES",
        "_PLACES",
        "loader",
        "places",
        "when_imported",
    }


@pytest.mark.parametrize("face", FACES[:2], ids=lambda face: face.__name__)
def test_a_type_checker_finds_what_is_loaded_later(face):
    """The imports that it reads say the same as the table that is used."""
    blocks = [node.body for node in ast.parse(Path(face.__file__).read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    (block,) = [body for body in blocks if len(body) > 2 and isinstance(body[0], ast.ImportFrom)]
    read = {node.module: " ".join(f"{x.asname}={x.name}" if x.asname else x.name for x in node.names) for node in block}
    assert read.pop("minigrad.nn" if face is minigrad.nn else "minigrad.ops") == " ".join(face._MODULES)
    assert read.pop("minigrad", "") == " ".join(getattr(face, "_PACKAGES", ()))
    assert read == face._LATER


def test_nn_is_loaded_when_it_is_used():
    code = (
        "import sys, minigrad as mg; assert 'minigrad.nn' not in sys.modules; mg.nn.Linear(2, 1); "
        "assert {'minigrad.nn.linear', 'minigrad.nn.conv'} & set(sys.modules) == {'minigrad.nn.linear'}; mg.nn.summary; mg.nn.summaries.summary"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_few_programs_need_is_loaded_when_it_is_used():
    """By the import of the packages neither methods of Tensor nor functions load the modules that they are from, and later each its own."""
    code = (
        "import sys, minigrad as mg, minigrad.nn; from minigrad.later import Later; held = {k: v for k, v in vars(mg.Tensor).items() if type(v) is Later}; "
        "assert len(held) > 50, held; x = mg.tensor([[4.0]]); assert x.relu_().lgamma_().det().item() > 1.79; mg.erf(x); mg.gcd; "
        "print(*sorted(name for name in sys.modules if name.startswith('minigrad.ops.'))); [getattr(mg.Tensor, name) for name in held]; "
        "assert not any(type(v) is Later for v in vars(mg.Tensor).values())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.removeprefix("minigrad.ops.") for name in done.stdout.split()}
    assert {"activation", "arithmetic", "equations", "special", "elementwise"} <= loaded
    assert not {"assembling", "complex_pair", "conv", "distance", "fft", "linalg", "sampling", "statistics"} & loaded


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_import_star_brings_the_public_names(face):
    names: dict = {}
    exec(f"from {face.__name__} import *", names)
    assert set(names) - {"__builtins__"} == set(face.__all__)


@pytest.mark.skipif(not DOCS.exists(), reason="the reference is not beside the tests (an installed wheel is tested)")
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_name_is_in_the_reference(face):
    """Docs describe modules: the one that a public thing is from is among them."""
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    described = set(re.findall(r"^\.\. automodule:: (\S+)", pages, re.MULTILINE))
    plain = (float, str, dict, minigrad.dtype)  # constants
    things = {name: getattr(face, name) for name in face.__all__}
    homes = {name: x.__name__ if isinstance(x, ModuleType) else x.__module__ for name, x in things.items() if not isinstance(x, plain)}
    assert {name: home for name, home in homes.items() if home not in described and not home.startswith("numpy")} == {}


@MYPY
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_strict_checker_knows_the_names(face, tmp_path):
    """As attributes and from ``import *``; one that is not there is refused."""
    script = tmp_path / "names.py"
    public = sorted(set(face.__all__) - {"__version__"})
    lines = [f"import {face.__name__} as face", *(f"face.{name}" for name in public)]
    script.write_text("\n".join([*lines, "face.no_such_name"]), encoding="utf-8")
    _, output = strict(script, tmp_path)
    assert re.findall(r"^names\.py:(\d+): error", output, re.MULTILINE) == [str(len(lines) + 1)], output
    script.write_text("\n".join([f"from {face.__name__} import *", *public, "no_such_name"]), encoding="utf-8")
    _, output = strict(script, tmp_path)
    assert re.findall(r"^names\.py:(\d+): error", output, re.MULTILINE) == [str(len(lines) + 1)], output
