"""From dot text to files: by Graphviz's ``dot`` program, or by one that pip can install, or not at all, in one line.

In this order: ``dot`` on PATH; ``pygraphviz`` (Graphviz itself in a wheel); ``graphviz-pure`` (a port of it as a single program in a
wheel: svg and png only). ``pip install "minigrad-nn[graph]"`` brings the second, on Macs with an Intel processor the third.
"""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

FORMATS = ("svg", "png", "pdf")
TEXTS = {"dot": "dot", "gv": "dot", "html": "html", "htm": "html", "json": "to_json"}
TIMEOUT = 300


class RenderError(RuntimeError):
    """No Graphviz on this machine can write the wanted format; the text says what to install."""


def _program(name: str) -> str | None:
    """The path of a program on PATH, or beside the Python that runs."""
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(sys.executable).parent)])
    return shutil.which(name) or shutil.which(name, path=scripts)


def engines(format: str = "svg") -> list[str]:
    """The names of the Graphviz programs and packages here that can write ``format``, in the order in which they are tried."""
    names = ["dot"] if _program("dot") else []
    if importlib.util.find_spec("pygraphviz") is not None:
        names.append("pygraphviz")
    if format in ("svg", "png") and _program("graphviz-pure"):
        names.append("graphviz-pure")
    return names


def advice(format: str) -> str:
    """What to install on this platform for ``format``."""
    system = {"darwin": "brew install graphviz", "win32": "winget install graphviz"}.get(sys.platform, "apt install graphviz")
    problem = f"{format} needs Graphviz itself" if engines("svg") else "no Graphviz was found"
    return f"{problem}: pip install pygraphviz (or {system})"


def render(dot: str, format: str) -> bytes:
    """The picture that ``dot`` text describes. Raises :class:`RenderError` where nothing here can draw it."""
    if format not in FORMATS:
        raise ValueError(f"graph: formats are {', '.join(FORMATS)}, not {format!r}")
    problems = []
    for name in engines(format):
        try:
            picture = _draw(_command(name, format), dot)
            return _portable(picture) if format == "svg" else picture
        except (OSError, ValueError, ImportError, subprocess.SubprocessError) as error:
            text = getattr(error, "stderr", None) or str(error)
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            problems.append(f"{name} failed: {' '.join(text.split())[:200]}")
    raise RenderError("graph: " + ("; ".join([*problems, advice(format)]) if problems else advice(format)))


def _draw(command: list[str], dot: str) -> bytes:
    """What a program that reads dot text writes."""
    run = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=TIMEOUT, check=True)
    if not run.stdout:
        raise ValueError(run.stderr.decode("utf-8", "replace") or "it wrote nothing")
    return run.stdout


def _command(name: str, format: str) -> list[str]:
    """How to call one of :func:`engines`. pygraphviz runs in a process of its own: a crash in C must not take the user's Python with it."""
    resolution = ["-Gdpi=144"] if format == "png" else []
    if name != "pygraphviz":
        return [str(_program(name)), f"-T{format}", *resolution]
    code = (
        "import sys, pygraphviz; graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()); "
        "sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog='dot', args=' '.join(sys.argv[2:])))"
    )
    return [sys.executable, "-c", code, format, *resolution]


# Widths of Helvetica's characters from space to ~, in thousandths of the size: what boxes were made to hold.
_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 "
    "667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 "
    "556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
WIDTHS = [int(width) for width in _WIDTHS.split(" ")]
TEXT = re.compile(r'<text ([^>]*?)font-size="([\d.]+)"([^>]*)>([^<]+)</text>')


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide ``text`` is in Helvetica; of a character that is not ASCII, about.

    >>> text_width("10", 10.0)
    11.12
    """
    total = sum(WIDTHS[ord(c) - 32] if " " <= c <= "~" else 556 if c.isprintable() else 0 for c in text)
    return round(total * size / 1000 * (1.06 if bold else 1), 2)


def _portable(svg: bytes) -> bytes:
    """Without the XML prologue that HTML does not take, and with texts as wide as their boxes expect in whatever font a reader has."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub('font-family="Helvetica[^"]*"', 'font-family="Helvetica,Arial,Liberation Sans,Arimo,sans-serif"', text)

    def fixed(found: re.Match) -> str:
        before, size, after, words = found.groups()
        width = text_width(html.unescape(words), float(size), 'font-weight="bold"' in before + after)
        length = f' textLength="{width}" lengthAdjust="spacingAndGlyphs"' if words.strip() else ""
        return f'<text {before}font-size="{size}"{after}{length}>{words}</text>'

    return TEXT.sub(fixed, text).encode()


def save(graph: Any, path: Any) -> Path:
    """See :meth:`minigrad.graph.Graph.save`."""
    path = Path(path)
    ending = path.suffix[1:].lower()
    if ending in TEXTS:
        value = getattr(graph, TEXTS[ending])
        path.write_text(value() if callable(value) else value, encoding="utf-8")
    elif ending in FORMATS:
        dot = graph.dot
        try:
            path.write_bytes(render(dot, ending))
        except RenderError as error:
            path = path.with_suffix(".dot")
            path.write_text(dot, encoding="utf-8")
            print(f"{error}. Wrote {path} instead", file=sys.stderr)
    else:
        raise ValueError(f"graph: {path.name!r} must end in .svg, .png, .pdf, .dot, .gv, .html or .json")
    return path
