"""``python -m minigrad graph``: a picture of a model from the command line."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("graphviz", reason="pictures are written with graphviz: pip install 'minigrad-nn[graph]'")

from minigrad.__main__ import main

MODEL = """
from minigrad import nn

def tiny():
    return nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.ReLU())

words = nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 1)) if hasattr(nn, "Embedding") else None
number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("target", ["my_models:tiny", "my_models.py:tiny"])
def test_a_model_becomes_a_file(folder, capsys, target):
    assert main(["graph", target, "--input", "2,4", "-o", "net.json"]) == 0
    assert capsys.readouterr().out == "net.json: Graph Sequential: 2 ops, 4 module calls, 24 B kept for backward\n"
    graph = json.loads((folder / "net.json").read_text())
    assert [v["shapes"] for v in graph["vertices"] if v["kind"] == "input"] == [[[2, 4]]]
    assert main(["graph", target, "--input", "2,4", "--backward", "--depth", "1", "-o", "net.html"]) == 0
    assert "step by step" in (folder / "net.html").read_text(encoding="utf-8")


def test_without_the_package_graphviz_there_is_one_line(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    assert main(["graph", "my_models:tiny", "--input", "2,4", "-o", "net.svg"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("minigrad graph: dot text is written by the package graphviz: pip install")
    assert not (folder / "net.svg").exists()


def test_training_mode(folder, capsys):
    assert main(["graph", "my_models:tiny", "--input", "2,4", "--train", "-o", "net.dot"]) == 0
    assert "3 ops" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my_models"], "write MODULE:MODEL"),
        (["my_models:big"], "has no big"),
        (["nowhere:big"], "no module nowhere"),
        (["nowhere.py:big"], "no file nowhere.py"),
        (["my_models:number"], "my_models:number is int, not a model"),
        (["my_models:nn.Linear"], "nn.Linear() needs arguments"),
        (["my_models:tiny", "-o", "net.bmp"], "must end in"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(folder, capsys, arguments, message):
    assert main(["graph", *arguments, "--input", "2,4"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_wrong_shape_names_the_module(folder, capsys):
    assert main(["graph", "my_models:tiny", "--input", "2,5"]) == 1
    assert "in 0 (Linear)" in capsys.readouterr().err


def test_a_shape_that_is_none(folder, capsys):
    with pytest.raises(SystemExit):
        main(["graph", "my_models:tiny", "--input", "two"])
    assert "is not a shape like" in capsys.readouterr().err
