"""The README and the pages of docs/ are correct: every ``python`` block runs, and the commands name files and modules that exist."""

import doctest
import importlib.util
import os
import pkgutil
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

import minigrad
from minigrad.demo.command import PAGES as DEMOS

ROOT = Path(__file__).parents[2]
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "_build" not in p.parts)
SYBIL = Sybil(parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE), SkipParser()])

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").exists(), reason="the pages are not beside the tests (an installed wheel is tested)"
)


FENCES = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def outline(page: Path) -> tuple[list[str], str]:
    """The levels of a page's headings, and its code without comments and docstrings, which are in the page's language."""
    text = page.read_text(encoding="utf-8")
    levels = re.findall(r"^(#+) ", FENCES.sub("", text), re.MULTILINE)
    code = "".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return levels, re.sub(r" *#.*", "", re.sub(r'""".*?"""', '""""""', code, flags=re.DOTALL))


def is_run(page: str) -> bool:
    """Not the blocks of chapters, which are cells of scripts that tests/examples runs, nor a translation with the code of its original."""
    original = ROOT / page.replace("docs/ja/", "docs/")
    return "chapters/" not in page and (original == ROOT / page or not original.exists() or outline(original)[1] != outline(ROOT / page)[1])


@pytest.mark.parametrize("page", [page for page in PAGES if is_run(page)])
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """The blocks of a page run from top to bottom in one namespace, in an empty folder."""
    document = SYBIL.parse(ROOT / page)
    monkeypatch.chdir(tmp_path)
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES)
def test_page_is_finished(page):
    """No placeholder is left in a page."""
    assert not re.findall(r"@[A-Z]+@|\b(?:TODO|FIXME|TBD|XXX)\b", (ROOT / page).read_text(encoding="utf-8"))


MADE = {"docs/graphs/lenet5.html", *(f"docs/demos/{name}.html" for name in (*DEMOS, "map_viewer", "confusion_page"))}  # by the docs' build


def anchors(page: Path) -> set[str]:
    """The anchors that a code host gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCES.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page):
    """Every relative link and picture is a file of the repository, or a page that the docs' build makes; every anchor is a heading."""
    text = re.sub(r"`[^`\n]+`", "", FENCES.sub("", (ROOT / page).read_text(encoding="utf-8")))
    for link in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / place).resolve() if place else ROOT / page
        assert target.exists() or target.relative_to(ROOT).as_posix() in MADE, link
        assert not anchor or anchor in anchors(target), link


JAPANESE = sorted({page.stem for page in ROOT.glob("docs/ja/*.md")} - {"index"})
# These say less in Japanese, or have words in their code. differences-from-pytorch has no Japanese page: its sentences are those of
# minigrad.absent, which error messages say too, in English.
SHORTER = {"architecture", "demos", "performance", "profiling", "scaling"}


@pytest.mark.parametrize("name", [name for name in JAPANESE if name not in SHORTER])
def test_a_page_has_the_same_sections_and_code_in_japanese(name):
    assert outline(ROOT / "docs" / "ja" / f"{name}.md") == outline(ROOT / "docs" / f"{name}.md")


@pytest.mark.parametrize("name", JAPANESE)
def test_a_page_and_its_japanese_one_name_each_other(name):
    assert f"\n[日本語](ja/{name}.md)\n" in (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert f"\n[English](../{name}.md)\n" in (ROOT / "docs" / "ja" / f"{name}.md").read_text(encoding="utf-8")


def readme_commands():
    return runpy.run_path(str(ROOT / ".ci" / "readme_command.py"))["commands"]((ROOT / "README.md").read_text(encoding="utf-8"))[:2]


@pytest.mark.parametrize("number", [1, 2])
def test_readme_command(number):
    """CI runs these two lines word for word; here: one line of valid shell that names extras and files of this tree."""
    command = readme_commands()[number - 1]
    assert command.count("\n") == 0
    subprocess.run(["bash", "-n", "-c", command], check=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    words = command.replace("'", "").split()
    (asked,) = [word.removeprefix(".[").removesuffix("]") for word in words if word.startswith(".[")]
    assert set(asked.split(",")) <= set(extras)
    assert all((ROOT / word).exists() for word in words if word.startswith(("examples/", "tests/")))


def test_readme_commands_are_the_main_job_and_the_suite():
    main_job, suite = readme_commands()
    assert main_job.endswith("examples/lenet5.py")
    assert "-m pytest" in suite


def test_the_readme_says_the_same_in_japanese():
    """Code, commands and the numbers in its tables are those of the English one."""
    english, japanese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
    for pattern in (r"^```.*?^```", r"^\|.*?(`[^`]+`)", r"\d+\.\d+(?: %| cents)?"):
        assert re.findall(pattern, japanese, re.MULTILINE | re.DOTALL) == re.findall(pattern, english, re.MULTILINE | re.DOTALL), pattern


def test_ci_runs_the_readme_commands():
    """CI takes the commands from the README instead of having a copy of them."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^ +readme_command (\d)$", script, re.MULTILINE) == ["1", "2"]
    assert "python3 .ci/readme_command.py" in script


def test_the_site_shows_the_pages_to_touch_in_their_chapters():
    spec = importlib.util.spec_from_file_location("embedded_pages", ROOT / "docs" / "embedded_pages.py")
    assert spec is not None and spec.loader is not None
    embedded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(embedded)
    for folder in ("docs", "docs/ja"):
        shown = set()
        for path in sorted((ROOT / folder / "chapters").glob("*.md")):
            name = path.relative_to(ROOT / "docs").with_suffix("").as_posix()
            source = [path.read_text(encoding="utf-8")]
            embedded.on_read(None, name, source)
            for src in re.findall(r'<iframe src="([^"]+)"', source[0]):
                shown.add(Path(os.path.normpath(path.parent / src)).relative_to(ROOT).as_posix())
        assert shown == {page for page in MADE if page.startswith("docs/demos/")}
    assert embedded.with_frames("Touch it: nothing.", "chapters/a") == "Touch it: nothing."


def test_every_module_has_a_place_in_the_reference():
    """docs/api describes the modules that there are, each once."""
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "api").glob("*.md")))
    described = re.findall(r"^\.\. automodule:: (\S+)", pages, re.MULTILINE)
    names = [info.name for info in pkgutil.walk_packages(minigrad.__path__, "minigrad.")]
    public = ["minigrad", *(name for name in names if not any(part.startswith("_") for part in name.split(".")))]
    assert sorted(described) == sorted(public)


def test_formulas_of_the_site_need_no_network_and_its_japanese_pages_say_their_language(tmp_path):
    """Sphinx sets formulas itself, as MathML, in a site of two pages with the renderer and the hook of docs/conf.py."""
    for package in ("sphinx", "myst_parser", "latex2mathml"):
        pytest.importorskip(package, reason="the site is built with pip install -e '.[docs]'")
    from sphinx.application import Sphinx

    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    assert 'html_math_renderer = "mathml"' in conf and '"formulas"' in conf
    formulas = "Half is $\\frac12$.\n\n$$ y_i = \\sum_k w_k x_{i + k} $$\n"
    (tmp_path / "index.md").write_text(f"# Formulas\n\n{formulas}", encoding="utf-8")
    (tmp_path / "ja").mkdir()
    (tmp_path / "ja" / "index.md").write_text("---\norphan: true\n---\n# 数式\n", encoding="utf-8")
    options = {
        "extensions": ["formulas", "myst_parser"], "html_math_renderer": "mathml", "myst_enable_extensions": ["dollarmath"],
        "html_theme": "basic",
    }  # fmt: skip
    path = [*sys.path]
    try:
        hook = runpy.run_path(str(ROOT / "docs" / "conf.py"))["language_of"]  # which puts docs into the path
        site = Sphinx(tmp_path, None, tmp_path / "site", tmp_path / "trees", "html", options, status=None)
        site.connect("html-page-context", hook)
        site.build()
    finally:
        sys.path[:] = path
    languages = [
        re.search(r'<html[^>]* lang="(\w+)"', (tmp_path / "site" / page).read_text("utf-8")) for page in ("index.html", "ja/index.html")
    ]
    assert [found and found[1] for found in languages] == ["en", "ja"]
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert page.count("<math") == 2 and "<mfrac>" in page and 'display="block"' in page
    assert not re.search(r'<script[^>]*(mathjax|src="https?:)', page, re.IGNORECASE)
