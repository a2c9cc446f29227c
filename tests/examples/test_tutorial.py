"""The tutorial script is also a PyTorch script: with only its imports changed, it reaches the same accuracy there."""

from __future__ import annotations

from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "tutorial.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the examples are not here: this is an installed package's test run")


def accuracy(source: str) -> float:
    names: dict = {"__name__": "tutorial"}
    exec(compile(source, str(SCRIPT), "exec", dont_inherit=True), names)
    return names["main"]()


def test_the_tutorial_learns_with_minigrad(capsys):
    assert accuracy(SCRIPT.read_text(encoding="utf-8")) > 0.95
    assert capsys.readouterr().out.count("test accuracy") == 3


@pytest.mark.live
def test_the_tutorial_learns_with_pytorch():
    source = SCRIPT.read_text(encoding="utf-8")
    before, _, rest = source.partition("# On minigrad:\n")
    _, _, after = rest.partition("# The same on both:\n")
    lines = before.partition("# On PyTorch:\n")[2].strip().splitlines()
    source = before + "\n".join(line.removeprefix("# ") for line in lines) + "\n" + after
    assert "import minigrad" not in source
    assert accuracy(source) > 0.95


PAGE = SCRIPT.parents[1] / "docs" / "porting-from-pytorch.md"


@pytest.mark.live
def test_the_script_of_the_page_on_porting_learns_with_pytorch(tmp_path, monkeypatch):
    """The first three blocks of the page: PyTorch's imports, ours, and a script, which runs after either. (test_docs.py runs it after ours.)"""
    theirs, ours, script = [block.partition("\n")[2] for block in PAGE.read_text(encoding="utf-8").split("```")[1:6:2]]
    assert "minigrad" in ours and "minigrad" not in theirs + script
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(theirs + script, str(PAGE), "exec", dont_inherit=True), names)
    assert type(names["loss"]).__module__.startswith("torch")
    assert names["accuracy"] > 0.95
