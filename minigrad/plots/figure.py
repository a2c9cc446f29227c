"""A matplotlib ``Figure`` that a notebook shows, with or without ``%matplotlib inline``."""

from __future__ import annotations

import functools
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from matplotlib import font_manager, rcParams
    from matplotlib.artist import Artist
    from matplotlib.axis import Axis
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure
    from matplotlib.text import Text
except ImportError as error:
    raise ImportError(f'plots: figures are drawn by matplotlib: pip install "minigrad-nn[plot]" ({error})') from error

from minigrad.files.atomic import whole_file

# Fonts with Japanese glyphs that operating systems include, preferred ones first. Without them, any installed font with the glyphs is used.
JAPANESE = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "Hiragino Sans", "Yu Gothic", "Meiryo", "MS Gothic", "BIZ UDGothic",
    "IPAexGothic", "IPAGothic", "TakaoPGothic", "VL PGothic", "Droid Sans Fallback", "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip


def has_glyphs(path: str, characters: str) -> bool:
    """Whether the font file ``path`` has a glyph for each of ``characters``."""
    font = font_manager.get_font(path)
    return all(font.get_char_index(ord(c)) for c in characters)


def font_with(characters: str) -> str | None:
    """The name of an installed font with a glyph for each of ``characters``, upright and of normal weight, or None.

    >>> from minigrad.plots.figure import font_with
    >>> font_with("\\U0010fffd") is None  # a private-use character
    True
    """
    return _font_with(characters, tuple(font.fname for font in font_manager.fontManager.ttflist))


@functools.cache
def _font_with(characters: str, installed: tuple[str, ...]) -> str | None:
    plain = [f for f in font_manager.fontManager.ttflist if f.style == "normal" and f.weight in (400, "normal", "regular", "book")]
    plain = [f for f in plain if not f.name.startswith("Last Resort")]  # it draws a frame for every character
    plain.sort(key=lambda f: JAPANESE.index(f.name) if f.name in JAPANESE else len(JAPANESE))
    return next((f.name for f in plain if has_glyphs(f.fname, characters)), None)


@functools.cache
def find_new_fonts() -> None:
    """Tell matplotlib, once, of the fonts that were installed after it made its list, which it keeps on disk."""
    known = {f.fname for f in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError):  # a file that FreeType cannot read draws nothing either
            continue


def texts(artist: Artist) -> Iterator[Text]:
    """The texts of ``artist``, but not those of axes that are switched off: to be asked for them, each would first make its ticks."""
    if isinstance(artist, Text):
        yield artist
    bare = not getattr(artist, "axison", True)
    for child in artist.get_children():
        if not (bare and isinstance(child, Axis)):
            yield from texts(child)


class Figure(_Figure):
    """A figure without a window or global state.

    Text whose characters its font lacks (Japanese class names) is drawn with an installed font that has them, see :func:`font_with`;
    where there is none, the characters are drawn as frames, with one warning that names them, not one of matplotlib for each.

    >>> from minigrad.plots.figure import Figure
    >>> Figure(figsize=(1, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def draw(self, renderer: Any) -> None:
        """Draw everything with ``renderer`` (what ``savefig`` calls)."""
        without: set[str] = set()
        for text in list(texts(self)):
            lacking = "".join(sorted({c for c in text.get_text() if ord(c) > 127 and c.isprintable()}))
            if lacking and not has_glyphs(font_manager.findfont(text.get_fontproperties()), lacking):
                if font_with(lacking) is None:
                    find_new_fonts()
                one = font_with(lacking)
                found = [one] if one else [name for c in lacking if (name := font_with(c))]
                text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *found])))
                without.update(c for c in lacking if font_with(c) is None)
        if without:
            warnings.warn(
                f"plots: no installed font has the characters {' '.join(sorted(without))}, which are drawn as frames: install one that has "
                "them, for Japanese e.g. Noto Sans CJK JP (apt install fonts-noto-cjk)",
                stacklevel=2,
            )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
            super().draw(renderer)

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write the figure, as matplotlib's does; to a path whole or not at all: if the disk is full, an older file stays."""
        if not isinstance(fname, (str, os.PathLike)):
            super().savefig(fname, **kwargs)
            return
        kind = kwargs.pop("format", None) or Path(fname).suffix[1:] or rcParams["savefig.format"]
        path = fname if Path(fname).suffix else f"{os.fspath(fname)}.{kind}"  # as matplotlib does
        memory = io.BytesIO()
        super().savefig(memory, format=kind, **kwargs)
        with whole_file(path) as file:
            file.write(memory.getbuffer())

    def _repr_png_(self) -> bytes:
        """The figure as PNG, which a notebook shows unless ``%matplotlib inline`` has told IPython how to show figures."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
