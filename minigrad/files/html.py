"""Pages of one HTML file, which need no network: a template with its data, and the page as a notebook shows it."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.files.atomic import whole_file


def filled(template: str, title: str, data: Any, **scripts: str) -> str:
    """``template`` with the title for ``{{title}}``, the data as JSON for ``{{data}}``, and each script for ``{{name}}``.

    The title and the data may contain any characters: none of them ends the page's script early.

    >>> from minigrad.files.html import filled
    >>> filled("<title>{{title}}</title><script>{{data}}</script>", "a < b", ["</script>"])
    '<title>a &lt; b</title><script>["\\\\u003c/script>"]</script>'
    """
    parts = {"title": html.escape(title), "data": json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")}
    parts |= {name: text.replace("</script", "<\\/script") for name, text in scripts.items()}
    return re.sub(r"\{\{(" + "|".join(parts) + r")\}\}", lambda mark: parts[mark[1]], template)


def staged(place: str, title: str, data: Any, *scripts: str) -> Page:
    """A page of the template ``place`` (``package/file.html``), with what all pages share: ``{{style}}`` and ``{{stage}}``.

    These are ``stage.css`` (colours, light and dark) and ``stage.js`` (words in English and Japanese, arrays as heat maps, a player).
    ``scripts`` are others of its own: ``{{forward}}`` takes the file ``forward.js`` beside the template.
    """
    package, *folders, name = place.split("/")
    folder = resources.files(package).joinpath(*folders)
    home = resources.files(__package__)
    shared = {part: (home / f"stage.{end}").read_text(encoding="utf-8") for part, end in (("style", "css"), ("stage", "js"))}
    shared |= {script: (folder / f"{script}.js").read_text(encoding="utf-8") for script in scripts}
    return Page(filled((folder / name).read_text(encoding="utf-8"), title, data, **shared))


def encoded(values: Any, dtype: str = "<f4") -> str:
    """An array as the base64 of its values in ``dtype``, for the data of a page. A float64 beyond float32 becomes infinite.

    >>> from minigrad.files.html import encoded
    >>> encoded([1.0])
    'AACAPw=='
    """
    with np.errstate(over="ignore"):
        return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


@dataclass(frozen=True)
class Page:
    """An interactive page; ``html`` is its whole text. A notebook shows it in a frame.

    >>> from minigrad.files.html import Page
    >>> Page("<p>all of it</p>").html
    '<p>all of it</p>'
    """

    html: str

    def save(self, path: Any) -> Path:
        """Write the page to ``path``, whose name ends in ``.html``; return the path. Raises ``ValueError`` for another ending."""
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"save: {path.name!r} must end in .html")
        with whole_file(path) as file:
            file.write(self.html.encode())
        return path

    def __repr__(self) -> str:
        return f"Page({len(self.html):,} characters)"

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html)}" style="width: 100%; height: 46rem; border: 0"></iframe>'
