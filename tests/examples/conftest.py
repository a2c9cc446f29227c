"""Runs a chapter of examples/ as a user does, but in this process, so that a test can check the computed values."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """``chapter("01_templates", "--epochs", "1")``: the script's names after it ran; its pictures are those that its pages show."""
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib: pip install -e '.[examples]'")
    pytest.importorskip("tqdm", reason="the chapters show progress with tqdm: pip install -e '.[examples]'")

    def run(name, *options):
        script = ROOT / "examples" / f"{name}.py"
        if not script.exists():
            pytest.skip("the examples are not here: this is an installed package's test run")
        out = tmp_path / name
        monkeypatch.setattr(sys, "argv", [str(script), "--out", str(out), *options])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the script sets its own
        monkeypatch.syspath_prepend(str(script.parent))
        names = runpy.run_path(str(script), run_name="__main__")
        import matplotlib.image

        pictures = {path.name: matplotlib.image.imread(path) for path in out.iterdir() if path.suffix in (".png", ".jpg")}
        page = ROOT / "docs" / "chapters" / f"{name.replace('_', '-')}.md"
        assert set(pictures) == {Path(link).name for link in re.findall(r"\]\((images/[^)]+)\)", page.read_text(encoding="utf-8"))}
        assert all(picture[..., :3].std() > 0.01 for picture in pictures.values())  # something is drawn
        return names

    return run
