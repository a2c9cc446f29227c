"""A traced graph with the methods that draw it: Graphviz text, SVG, an HTML page, files."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from minigrad.files.atomic import whole_file
from minigrad.files.html import Page
from minigrad.graph import model
from minigrad.graph.dot import RenderError, source
from minigrad.graph.page import page
from minigrad.graph.render import FORMATS, render


class Graph(model.Graph):
    """A traced graph, as :func:`minigrad.graph.draw` returns it: the data of :class:`minigrad.graph.model.Graph`, and its pictures."""

    @classmethod
    def of(cls, data: model.Graph) -> Graph:
        """``data`` with the methods that draw it."""
        return cls(**{field.name: getattr(data, field.name) for field in fields(data)})

    @property
    def dot(self) -> str:
        """The picture in Graphviz's language. Raises :class:`minigrad.graph.RenderError` without the package ``graphviz``."""
        return source(self)

    @property
    def svg(self) -> str:
        """The picture as SVG text. Raises :class:`minigrad.graph.RenderError` where no Graphviz is installed."""
        return render(self.dot, "svg").decode("utf-8")

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
