"""All chapters: one-line messages for errors that a user can fix, checked options, and pages that quote the scripts' cells."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
pytestmark = pytest.mark.skipif(not SCRIPTS, reason="the examples are not here: this is an installed package's test run")
needs_extras = pytest.mark.usefixtures("extras")


@pytest.fixture
def extras():
    pytest.importorskip("matplotlib", reason="the chapters draw with matplotlib: pip install -e '.[examples]'")
    pytest.importorskip("tqdm", reason="the chapters show progress with tqdm: pip install -e '.[examples]'")


def page(script: Path, language: str = "") -> Path:
    return ROOT / "docs" / language / "chapters" / f"{script.stem.replace('_', '-')}.md"


def blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("language", ["", "ja"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_page_is_made_of_its_scripts_cells(script, language):
    """Each block of a page is text of the script, which a test of its own runs; they follow one another; both languages show the same."""
    source, place = script.read_text(encoding="utf-8"), 0
    shown = blocks(page(script, language))
    assert len(shown) >= 3
    for block in shown:
        found = source.find(block.strip("\n"), place)
        assert found >= 0, f"not in {script.name}, or not in this order:\n{block}"
        place = found + len(block.strip("\n"))
    assert shown == blocks(page(script))


@pytest.mark.parametrize("language", ["", "ja"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_page_is_whole(script, language):
    text = page(script, language).read_text(encoding="utf-8")
    for heading in (["Exercises", "Sources"], ["演習", "出典"])[bool(language)]:
        assert f"\n## {heading}\n" in text
    assert f"examples/{script.name}" in text
    assert "$" in text  # its mathematics
    links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert (page(script, language).parent / link).stat().st_size < 100_000
    pictures = {path.name for path in (ROOT / "docs" / "chapters" / "images" / page(script).stem).iterdir()}
    assert {Path(link).name for link in links if f"images/{page(script).stem}/" in link} == pictures  # others are no picture of the script


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_cells_run_in_a_notebook(script):
    """They say the script's name themselves: a notebook has no ``__file__``."""
    source = script.read_text(encoding="utf-8")
    assert f'Chapter("{script.stem}", ' in source
    assert "__file__" not in source


def test_the_table_of_texts_names_what_there_is():
    """docs/texts.md: what a row names exists, every chapter that is here is named, and other rows say "not yet"."""
    for path in (ROOT / "docs" / "texts.md", ROOT / "docs" / "ja" / "texts.md"):
        text = path.read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if re.match(r"\| \d{3}[ ,]", line) and line.count("|") == 6]
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if not link.startswith("http"):
                assert (path.parent / link).exists(), link
        for script in SCRIPTS:
            assert f"examples/{script.name}" in text
            assert f"test_{script.stem}.py" in text
        said = "not yet" if path.parent.name == "docs" else "未着手"
        assert len(rows) > 40
        assert all(("examples/" in row) != (said in row) for row in rows)


def run(*options: str, script: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(script or SCRIPTS[0]), *options], capture_output=True, text=True, timeout=120)


@needs_extras
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help_and_wrong_options(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(script.parent))
    for option, code in (("--help", 0), ("--flat-earth", 2)):
        monkeypatch.setattr(sys, "argv", [str(script), option])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the script sets its own
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(script), run_name="__main__")
        assert stop.value.code == code
        printed = capsys.readouterr()
        if code:
            assert printed.err == f"{script.stem}: unrecognized arguments: --flat-earth (--help lists all options)\n"
        else:
            assert "--out" in printed.out and "--seed" in printed.out


@needs_extras
def test_what_is_wrong_is_told_in_one_line(tmp_path):
    for wrong in ("0", "x"):
        result = run("--epochs", wrong)
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith("01_templates: ") and f"{wrong} is not a whole number above 0" in line
    for wrong, told in ((("--seed", "-1"), "-1 is not a whole number, 0 or above"), (("--data", str(tmp_path)), "add --full")):
        result = run(*wrong)
        assert result.returncode == 2 and result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("01_templates: ") and told in line
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"not idx")
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"")
    result = run("--full", "--data", str(tmp_path))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("01_templates: ") and str(tmp_path) in line


@needs_extras
def test_full_lifts_the_limits_that_the_command_line_does_not_give(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS[0].parent))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    from chapter import Chapter

    for given, limits in (([], (7, 5)), (["--full"], (None, None)), (["--full", "--tests", "3"], (None, 3)), (["--images", "2"], (2, 5))):
        monkeypatch.setattr(sys, "argv", ["chapter", *given])
        chapter = Chapter("chapter", "", full="all", images=7, tests=5)
        assert (chapter.images, chapter.tests) == limits
    monkeypatch.setattr(sys, "argv", ["chapter", "--full"])
    assert Chapter("chapter", "", full="all", scenes=7, tests=5).tests == 5  # of made scenes there is no "all"


@needs_extras
@pytest.mark.parametrize(
    ("chapter", "option", "least"),
    [
        ("07_neocognitron", "images", 100), ("07_neocognitron", "tests", 3), ("10_resnet", "deep", 8), ("11_cifar10", "pictures", 50),
        ("12_instances", "scenes", 16), ("13_sound", "sentences", 10), ("13_wavenet", "channels", 2), ("13_wavenet", "samples", 300),
        ("15_fine_tuning", "images", 29), ("15_fine_tuning", "tests", 2),
    ],
)  # fmt: skip
def test_too_few_for_the_cells_is_refused_where_it_is_given(chapter, option, least):
    """They ended in a traceback, some after minutes; with the least number the chapter runs to its end."""
    result = run(f"--{option}", str(least - 1), script=SCRIPTS[0].parent / f"{chapter}.py")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{chapter}: argument --{option}: {least - 1} is not a whole number of {least} or more (--help lists all options)"
    ]


@needs_extras
@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX's")
def test_ctrl_c_is_one_line(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", str(SCRIPTS[0]), "--epochs", "100000", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's background jobs ignore it
    )
    assert process.stdout is not None
    assert "epoch" in process.stdout.readline()  # it is training
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert err.strip() == "01_templates: stopped"
