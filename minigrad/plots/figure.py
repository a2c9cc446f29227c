"""matplotlib's ``Figure`` that shows itself in a notebook, whether ``%matplotlib inline`` was said or not."""

from __future__ import annotations

import functools
import io
import warnings
from typing import Any

try:
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure
    from matplotlib.text import Text
except ImportError as error:
    raise ImportError(f'plots: figures are drawn by matplotlib: pip install "minigrad-nn[plot]" ({error})') from error


# Fonts with Japanese glyphs that systems bring, the plain ones first; where none of them is there, any installed font that has the glyphs.
JAPANESE = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "Hiragino Sans", "Yu Gothic", "Meiryo", "MS Gothic", "BIZ UDGothic",
    "IPAexGothic", "IPAGothic", "TakaoPGothic", "VL PGothic", "Droid Sans Fallback", "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip


def has_glyphs(path: str, characters: str) -> bool:
    """Whether the font file ``path`` has a glyph for each of ``characters``."""
    font = font_manager.get_font(path)
    return all(font.get_char_index(ord(c)) for c in characters)


def font_with(characters: str) -> str | None:
    """The name of an installed font with a glyph for each of ``characters``, upright and of normal weight; None where there is none.

    >>> from minigrad.plots.figure import font_with
    >>> font_with("\\U0010fffd") is None  # a character of nobody's
    True
    """
    return _font_with(characters, len(font_manager.fontManager.ttflist))


@functools.cache
def _font_with(characters: str, fonts: int) -> str | None:
    plain = [f for f in font_manager.fontManager.ttflist if f.style == "normal" and f.weight in (400, "normal", "regular", "book")]
    plain = [f for f in plain if not f.name.startswith("Last Resort")]  # a frame for every character
    plain.sort(key=lambda f: JAPANESE.index(f.name) if f.name in JAPANESE else len(JAPANESE))
    return next((f.name for f in plain if has_glyphs(f.fname, characters)), None)


class Figure(_Figure):
    """A figure of no window and no global state.

    Text whose characters its font lacks (Japanese class names) is drawn with an installed font that has them, see :func:`font_with`;
    where there is none, frames stand for the characters, and matplotlib does not warn of each.

    >>> from minigrad.plots.figure import Figure
    >>> Figure(figsize=(1, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def draw(self, renderer: Any) -> None:
        """Draw everything with ``renderer`` (what ``savefig`` calls)."""
        for text in self.findobj(Text):
            lacking = "".join(sorted({c for c in text.get_text() if ord(c) > 127 and c.isprintable()}))
            if lacking and not has_glyphs(font_manager.findfont(text.get_fontproperties()), lacking) and (name := font_with(lacking)):
                text.set_fontfamily([*text.get_fontfamily(), name])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        """What a notebook shows, unless IPython was told (by ``%matplotlib inline``) what to do with figures."""
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
