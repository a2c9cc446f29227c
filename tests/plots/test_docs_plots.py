"""The page of plots shows each function with its picture, in English and Japanese, and says how to call it."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib: pip install 'minigrad-nn[plot]'")
pytest.importorskip("PIL", reason="pictures are made small with Pillow: pip install pillow")

from minigrad import plots

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the pages are not beside the tests (an installed wheel is tested)")


def test_every_plot_is_on_the_page():
    """A function that returns a Figure has a picture of that name, small enough for a repository."""
    functions = {name: f for name, f in vars(plots).items() if inspect.isfunction(f) and not name.startswith("_")}
    drawn = {name for name, f in functions.items() if f.__annotations__.get("return") == "Figure"}
    assert drawn == set(runpy.run_path(str(DOCS / "draw_plots.py"))["FIGURES"]) and len(drawn) > 15
    for page in (DOCS / "plots.md", DOCS / "ja" / "plots.md"):
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"!\[(.+)\]\((.+)\)", text)
        assert {Path(place).stem for _, place in found} == drawn
        for _, place in found:
            assert 0 < (page.parent / place).stat().st_size <= 60_000, place
        assert set(re.findall(r"plots\.(\w+)\b", text)) - {"md", "py"} <= set(functions)
        assert {name for name in functions if f"plots.{name}" not in text} <= {"enlarged", "layer_outputs", "grad_cam_map", "occlusion_map", "saliency_map"}  # fmt: skip
