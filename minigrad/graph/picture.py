"""A traced graph with the methods that draw it: Graphviz text, SVG, an HTML page, files."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from minigrad.files.atomic import whole_file
from minigrad.files.html import Page
from minigrad.graph import model
from minigrad.graph.dot import RenderError, pictures
from minigrad.graph.fit import PAGE
from minigrad.graph.labels import crossed
from minigrad.graph.page import page
from minigrad.graph.render import FORMATS, beyond, render

TURNS = 8  # layouts in which labels that are crossed are put elsewhere
LARGE = 400_000  # characters: of a larger picture each layout takes seconds


class Graph(model.Graph):
    """A traced graph, as :func:`minigrad.graph.draw` returns it: the data of :class:`minigrad.graph.model.Graph`, and its pictures."""

    @classmethod
    def of(cls, data: model.Graph) -> Graph:
        """``data`` with the methods that draw it."""
        return cls(**{field.name: getattr(data, field.name) for field in fields(data)})

    @property
    def dot(self) -> str:
        """The picture in Graphviz's language. Raises :class:`minigrad.graph.RenderError` without the package ``graphviz``.

        With ``depth="auto"`` the most detailed one that fits a page; where no Graphviz is installed, one that should.
        """
        return self._drawn()[0]

    @property
    def svg(self) -> str:
        """The picture as SVG text. Raises :class:`minigrad.graph.RenderError` where no Graphviz is installed."""
        dot, svg = self._drawn()
        return svg or render(dot, "svg").decode("utf-8")

    def _drawn(self) -> tuple[str, str]:
        """The picture as dot text and, where Graphviz is installed, as SVG."""
        page = PAGE[::-1] if self.options.get("direction") in ("LR", "RL") else PAGE
        best: tuple[tuple[float, int], str, str] | None = None
        for picture in pictures(self):
            for _ in range(TURNS):
                dot = picture.text()
                try:
                    svg = render(dot, "svg").decode("utf-8")
                except RenderError:
                    return dot, ""
                wrong = crossed(svg) if len(svg) < LARGE else set()
                large = 0.0 if self.options.get("depth", "auto") != "auto" else beyond(svg, page)
                if best is None or (large, len(wrong)) < best[0]:
                    best = (large, len(wrong)), dot, svg
                if not wrong or not picture.move(wrong):
                    break
            if best is not None and not best[0][0]:
                break
        assert best is not None
        return best[1:]

    @property
    def html(self) -> str:
        """An interactive page in one file: zoom, fold modules, hover, search, step through backward."""
        return page(self)

    @property
    def page(self) -> Page:
        """The interactive page (:attr:`html`) as a notebook shows it, in a frame. It needs no Graphviz.

        >>> import minigrad as mg
        >>> from minigrad import graph, nn
        >>> graph.draw(nn.Linear(2, 3), mg.ones(1, 2)).page
        Page(... characters)
        """
        return Page(self.html)

    def save(self, path: Any) -> Path:
        """Write the picture to ``path`` in the format of its file extension: svg, png, pdf, dot (or gv), html, json.

        Returns the path that was written. Where no Graphviz is installed, svg, png and pdf become a ``.dot`` file beside it, and a line
        says what to install. Raises :class:`minigrad.graph.RenderError` without the package ``graphviz``, for any ending but html and json.
        """
        path = Path(path)
        ending = path.suffix[1:].lower()
        texts = {"dot": lambda: self.dot, "gv": lambda: self.dot, "html": lambda: self.html, "htm": lambda: self.html, "json": self.to_json}
        if ending in texts:
            content = texts[ending]().encode()
        elif ending in FORMATS:
            dot = self.dot
            try:
                content = render(dot, ending)
            except RenderError as error:
                path, content = path.with_suffix(".dot"), dot.encode()
                print(f"{error}. Wrote {path} instead", file=sys.stderr)
        else:
            raise ValueError(f"graph: {path.name!r} must end in .svg, .png, .pdf, .dot, .gv, .html or .json")
        with whole_file(path) as file:
            file.write(content)
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg, "text/plain": repr(self)}
        except RenderError as error:
            return {"text/html": self.page._repr_html_(), "text/plain": f"{self!r}\n{error}"}  # a notebook shows the page instead
