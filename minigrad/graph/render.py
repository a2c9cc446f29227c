"""Dot text drawn as svg, png or pdf by Graphviz's ``dot`` program or by a package that pip can install; without both, a one-line error.

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

from minigrad.graph.dot import RenderError, text_width

FORMATS = ("svg", "png", "pdf")
TIMEOUT = 300


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


def beyond(svg: str, page: tuple[float, float]) -> float:
    """By which part a picture of :func:`render` is wider or higher than ``page``, in points; 0 where it fits.

    >>> beyond('<svg width="300pt" height="900pt">', (820, 1240)), beyond('<svg width="300pt" height="1550pt">', (820, 1240))
    (0.0, 0.25)
    """
    size = re.search(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    return max(0.0, *(float(side) / most - 1 for side, most in zip(size.groups(), page, strict=True))) if size is not None else 0.0


def _draw(command: list[str], dot: str) -> bytes:
    """The output of a program that reads dot text."""
    run = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=TIMEOUT, check=True)
    if not run.stdout:
        raise ValueError(run.stderr.decode("utf-8", "replace") or "it wrote nothing")
    return run.stdout


def _command(name: str, format: str) -> list[str]:
    """The command line of one of :func:`engines`. pygraphviz runs in a separate process, so that a crash in C does not end the user's Python."""
    resolution = ["-Gdpi=144"] if format == "png" else []
    if name != "pygraphviz":
        return [str(_program(name)), f"-T{format}", *resolution]
    code = (
        "import sys, pygraphviz; graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()); "
        "sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog='dot', args=' '.join(sys.argv[2:])))"
    )
    return [sys.executable, "-c", code, format, *resolution]


TEXT = re.compile(r'<text (?P<before>[^>]*?)x="(?P<x>-?[\d.]+)" y="(?P<y>-?[\d.]+)"(?P<rest>[^>]*)>(?P<words>[^<]+)</text>')
ONCE = 'font-family="Helvetica,Arial,Liberation Sans,Arimo,sans-serif" xml:space="preserve"'
INDENT = 8.5  # points from a cluster's frame to a label on its left


def _portable(svg: bytes) -> bytes:
    """The SVG without the XML prologue, which HTML does not allow, and with each text fitted to its box, whatever the reader's font is."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(' (?:font-family="Helvetica[^"]*"|xml:space="preserve")', "", text)
    text = text.replace("<svg", f"<svg {ONCE}", 1)  # for every text: a fifth of a large picture's bytes
    return "".join(map(_fitted, re.split('(?=<g id="[^"]*" class=")', text))).encode()


def _fitted(group: str) -> str:
    """One node, cluster or edge, with the width and position that each text has in Helvetica.

    Graphviz placed the texts by the widths of the font that it found. Here lines in a node are centred again, and a text that follows
    another on the same line is moved next to it.
    """
    shape = re.search(r' (?:points|d)="([^"]*)"', group)
    across = [float(x) for x in re.findall(r"(-?[\d.]+),", shape[1])] if shape else [0.0]
    left, right = min(across), max(across)
    middle = (left + right) / 2
    lines: dict[str, list[re.Match]] = {}  # the texts of a line have the same y
    for found in TEXT.finditer(group):
        lines.setdefault(found["y"], []).append(found)
    places: dict[int, float] = {}
    for line in lines.values():
        x = float(line[0]["x"])
        wide = sum(map(_wide, line))
        if 'class="graph"' in group:  # the heading: its cells are as wide as their texts in Helvetica
            places.update((one.start(), float(one["x"])) for one in line)
            continue
        if 'class="node"' in group:
            x = middle - wide / 2
        if 'class="cluster"' in group:  # on the left, in the middle or on the right, as Graphviz placed it
            x = min((abs(place - x), place) for place in (left + INDENT, middle - wide / 2, right - INDENT - wide))[1]
        for one in line:
            places[one.start()] = x
            x += _wide(one)

    def fixed(found: re.Match) -> str:
        if not found["words"].strip():
            return found[0]
        x = found["x"] if 'text-anchor="middle"' in found["before"] else f"{places[found.start()]:.2f}"
        length = f'textLength="{_wide(found)}" lengthAdjust="spacingAndGlyphs"'
        return f'<text {found["before"]}x="{x}" y="{found["y"]}"{found["rest"]} {length}>{found["words"]}</text>'

    return TEXT.sub(fixed, group)


def _wide(found: re.Match) -> float:
    size = re.search(r'font-size="([\d.]+)"', found["rest"])
    return text_width(html.unescape(found["words"]), float(size[1]) if size else 14.0, 'font-weight="bold"' in found["rest"])
