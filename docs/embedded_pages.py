"""The chapters' pages to touch, in the chapters: where the text says "Touch it", the site shows the page in a frame. (GitHub shows no frames.)"""

from __future__ import annotations

import html
import re
from pathlib import Path

DOCS = Path(__file__).parent
LINE = re.compile(r"^(?:Touch it:|触ってみる：).*$", re.MULTILINE)  # it ends the paragraph
LINK = re.compile(r"\[([^\]]+)\]\(\.\./demos\.md#[^)]*\)")


def page_names(folder: Path) -> dict[str, str]:
    """Heading of ``demos.md`` -> the name of its page: ``{"What one cell sees": "receptive_fields"}``."""
    _, *sections = re.split(r"^## ", (folder / "demos.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        section.partition("\n")[0].strip(): found[1]
        for section in sections
        if (found := re.search(r'href="[./]*demos/(\w+)\.html"', section))
    }


def with_frames(text: str, docname: str) -> str:
    """The Markdown ``text`` of a chapter with a frame below each line that names pages to touch."""
    names = page_names(DOCS / "ja" if docname.startswith("ja/") else DOCS)
    up = "../" * docname.count("/")

    def frames(line: re.Match[str]) -> str:
        parts = [
            f'<iframe src="{up}demos/{names[title]}.html" title="{html.escape(title)}" loading="lazy" '
            'style="width: 100%; height: 44rem; border: 1px solid #8884; border-radius: 6px"></iframe>'
            for title in LINK.findall(line[0])
        ]
        return "\n\n".join([line[0], *parts])

    return LINE.sub(frames, text)


def on_read(app: object, docname: str, source: list[str]) -> None:
    """For Sphinx's ``source-read``."""
    if "chapters/" in docname:
        source[0] = with_frames(source[0], docname)
