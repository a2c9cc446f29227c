"""A graph as Graphviz text, through the ``graphviz`` package: labels, colours, clusters, the legend and the backward pass."""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Any

from minigrad.graph.fit import fitting
from minigrad.graph.model import Edge, Graph, Scope, Vertex
from minigrad.graph.view import COLUMN, Box, Link, View, describe_stretch, view
from minigrad.tree import bytes_text


class RenderError(RuntimeError):
    """No program that writes the wanted format is installed; the message says what to install."""


FONT = "Helvetica"  # every Graphviz knows its metrics; the SVG names fonts of the same widths for readers without it
INK, GREY, LINE = "#1f2933", "#5f6b76", "#8793a0"

# family -> (fill, what the legend says). Light fills under black text, of different lightness, so that a grey print is readable too.
FAMILIES = {
    "conv": ("#a9cdf0", "convolution"),
    "pool": ("#c3e6f5", "pooling"),
    "linalg": ("#b8c4f2", "matrices"),
    "activation": ("#ffd8a8", "activation"),
    "elementwise": ("#fdf0cf", "elementwise"),
    "norm": ("#c9e8c0", "normalisation"),
    "recurrent": ("#b5ead7", "recurrent"),
    "softmax": ("#f6c6b4", "softmax"),
    "loss": ("#f2a9a9", "loss"),
    "reduce": ("#e5d4f3", "reduction"),
    "shape": ("#e9ecef", "shape"),
    "index": ("#d9d2c5", "indexing"),
    "fold": ("#d5dde5", "windows"),
    "dropout": ("#e3e3a9", "dropout"),
    "custom": ("#ffb3d9", "your own op"),
    "parameter": ("#ffffff", "parameter"),
    "buffer": ("#ffffff", "buffer"),
    "input": ("#d3f9d8", "input"),
    "leaf": ("#d3f9d8", "leaf"),
    "constant": ("#f4f4f4", "constant"),
    "output": ("#d3f9d8", "output"),
    "module": ("#dfe6ee", "module, folded"),
    "summary": ("#eef1f4", "many ops"),
}
OTHER = ("#eeeeee", "other")
LIKE: dict[str, str] = {  # files of ops that have the colour of another
    "products": "linalg", "equations": "linalg", "attention": "linalg", "arithmetic": "elementwise", "special": "elementwise",
    "complex_pair": "elementwise", "statistics": "reduce", "distance": "reduce", "assembling": "shape", "embedding": "index",
    "margin": "loss", "ctc": "loss",
}  # fmt: skip
STATES = {
    "nan": ("#c92a2a", "NaN"), "inf": ("#c92a2a", "infinite"), "exploding": ("#d9480f", "exploding"),
    "vanishing": ("#1864ab", "vanishing"), "zero": ("#868e96", "zero"),
}  # fmt: skip
BACKWARD = "#a61e4d"
SHADE = 8  # of 255: how opaque the black is that a module's frame lays over the page


# Widths of Helvetica's characters from space to ~, in thousandths of the font size. Boxes are sized for these widths.
_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 "
    "667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 "
    "556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
WIDTHS = [int(width) for width in _WIDTHS.split(" ")]


def _width_beyond_ascii(c: str) -> int:
    return 1000 if unicodedata.east_asian_width(c) in "WF" else 556 if c.isprintable() else 0


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of ``text`` in Helvetica; approximate for characters that are not ASCII. Those of Japanese are as wide as high.

    >>> text_width("10", 10.0), text_width("畳み", 10.0)
    (11.12, 20.0)
    """
    total = sum(WIDTHS[ord(c) - 32] if " " <= c <= "~" else _width_beyond_ascii(c) for c in text)
    return round(total * size / 1000 * (1.06 if bold else 1), 2)


def colour(name: str) -> str:
    """The fill of a family."""
    return FAMILIES.get(LIKE.get(name, name), OTHER)[0]


def short(text: str, width: int = 34) -> str:
    """``text``, with … in place of its middle if it is too long for a label.

    >>> short("features.denseblock3.denselayer24.conv1.weight", 24)
    'features.de…conv1.weight'
    """
    text = " ".join(str(text).split())
    return text if len(text) <= width else f"{text[: (width - 1) // 2]}…{text[-(width // 2) :]}"


def shape_text(shape: Sequence[int]) -> str:
    """``64×3×28×28``; ``(10)`` for one dimension, ``scalar`` for none."""
    if len(shape) == 1:
        return f"({shape[0]})"
    return "×".join(map(str, shape)) if len(shape) else "scalar"


def _escape(text: str) -> str:
    """``text`` for an HTML-like label. A backslash with a letter after it would be an escape sequence, even as an entity."""
    return html.escape(text).replace("\\", "\\\u200b")


def with_minus(text: str) -> str:
    """``text`` with a minus sign in each negative number and exponent, where Python writes a hyphen.

    >>> with_minus("dim -1, nearest-exact 2.5e-05")
    'dim −1, nearest-exact 2.5e−05'
    """
    return _NEGATIVE.sub("−", text)


_NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\.?\d|inf|nan)|(?<=\de)-(?=\d)")


def _small(text: str) -> str:
    return f'<font point-size="9" color="{GREY}">{_escape(text)}</font>'


def _rows(title: str, lines: Iterable[str], align: str = "center", kind: str = "") -> str:
    """An HTML-like label: a bold title, the class ``kind`` beside it, and small lines below.

    Each line is a table cell of a fixed size, because the height of ``<br/>`` and the width of a text depend on the machine's fonts.
    """
    kind = f"\u00a0 {kind}" if kind else ""
    beside, room = (_small(kind), text_width(kind, 9)) if kind else ("", 0)
    cells = [(f"<b>{_escape(title)}</b>{beside}", 14, text_width(title, 11, bold=True) + room)]
    cells += [(_small(line), 12, text_width(line, 9)) for line in map(with_minus, lines)]
    rows = "".join(f'<tr><td align="{align}" height="{high}" width="{ceil(wide)}">{text}</td></tr>' for text, high, wide in cells)
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{rows}</table>'


def vertex_label(vertex: Vertex, extra: Iterable[str] = (), results: Iterable[str] = (), operand: str = "x") -> str:
    """The label of a vertex, without the angle brackets around it. The lines ``extra`` come first, the lines ``results`` last."""
    if vertex.kind == "op":
        if expression := with_number(vertex, operand):
            return _rows(short(vertex.name), [*extra, expression, *results])
        lines = [short(f"{name} {value}") for name, value in vertex.static.items()]
        if len(lines) > 1 and sum(map(len, lines)) < 34:
            lines = [", ".join(lines)]
        return _rows(short(vertex.name), [*extra, *lines[:6], *results])
    lines = [" ".join([*(shape_text(s) for s in vertex.shapes), *(_dtype(d) for d in vertex.dtypes)]).strip()]
    if vertex.kind in ("parameter", "buffer", "input", "constant") and vertex.bytes and vertex.bytes[0] >= 1024:
        lines[0] += f" · {bytes_text(sum(vertex.bytes))}"
    if vertex.kind in ("buffer", "constant"):
        lines.append(vertex.kind)
    if vertex.value:
        lines = [short(f"= {vertex.value}"), *map(_dtype, vertex.dtypes)]
        lines = [line for line in lines if line]
    return _rows(short(vertex.name), [*(f"{name} {value}" for name, value in vertex.static.items()), *lines, *results])


SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "/", "pow": "^"}


def with_number(vertex: Vertex, operand: str) -> str:
    """The text for arithmetic of a tensor and a number: ``x + 100``, ``5 − x``, where ``operand`` is x; empty for other ops."""
    sign = SIGNS.get(vertex.name.removesuffix("_"))
    if sign is None or len(vertex.static) != 1 or vertex.family != "elementwise":
        return ""
    ((argument, number),) = vertex.static.items()
    sides = [operand, number] if argument in ("b", "other", "exponent") else [number, operand]
    return f" {sign} ".join(sides)


def _dtype(name: str) -> str:
    return "" if name == "float32" else name


def scope_label(scope: Scope, folded: bool = False) -> str:
    """The label of a module: path and class; for a folded module also its shapes and number of parameters."""
    times = f" ×{scope.repeats}" if scope.repeats > 1 and not scope.same_as else ""
    if not folded:
        plain = scope.kind in (scope.name, "Sequential", "")
        kind = "" if plain else f'<font color="{GREY}">\u00a0 {_escape(scope.kind)}</font>'  # an empty tag would be an error
        return f"<b>{_escape(short(scope.name))}{times}</b>{kind}"
    lines = []
    if scope.inputs or scope.outputs:
        lines.append(short(f"{', '.join(scope.inputs)} → {', '.join(scope.outputs)}", 44))
    if scope.parameters:
        lines.append(f"{scope.parameters:,} parameters" + (" each" if times else ""))
    if sum(map(len, lines)) < 48:  # pages are higher than wide
        lines = [" · ".join(lines)] if lines else []
    return _rows(short(scope.name) + times, lines, kind="" if scope.name == scope.kind else short(scope.kind))


def box_label(box: Box, extra: Iterable[str] = (), results: Iterable[str] = (), operand: str = "x") -> str:
    """The label of a box of a view."""
    if box.scope is not None:
        return scope_label(box.scope, folded=True)
    if box.vertex is not None:
        return vertex_label(box.vertex, extra, results, operand)
    ops = sum(v.kind == "op" for v in box.vertices)
    counted = f"{ops:,} op{'s' * (ops != 1)}"
    if box.names:
        return _rows(short(", ".join(stretch_names(box)), 44), [counted])
    return _rows(counted, describe_stretch(box.vertices))


def stretch_names(box: Box) -> list[str]:
    """The names of what a box summarises, at most four."""
    return box.names if len(box.names) <= 3 else [*box.names[:2], "…", box.names[-1]]


def family_of(box: Box) -> str:
    """The family whose colour a box has."""
    return box.vertex.family if box.vertex is not None else "module" if box.scope is not None else "summary"


def attributes(kind: str, family: str) -> dict[str, str]:
    """Graphviz attributes of a box: filled for a computed tensor, outlined with round ends for a given one."""
    given = {"parameter": "rounded,filled", "buffer": "rounded,filled,dashed", "constant": "rounded,filled,dotted"}
    if kind in given:
        return {"style": given[kind], "fillcolor": colour(family), "color": LINE, "penwidth": "0.8"}
    if kind in ("input", "leaf", "output"):
        return {"style": "rounded,filled,bold", "fillcolor": colour(family), "color": "#2b8a3e"}
    if kind == "module":
        return {"style": "filled", "fillcolor": colour(family), "color": GREY, "penwidth": "1.4", "peripheries": "1"}
    return {"style": "rounded,filled", "fillcolor": colour(family), "color": LINE}


def tooltip(vertex: Vertex) -> str:
    """The text shown while the pointer is over the box."""
    lines = [f"{vertex.name}, by the op {vertex.op}" if vertex.op and vertex.op != vertex.name else vertex.name]
    lines += [f"in {vertex.within}"] if vertex.within else []
    lines += [f"{shape_text(s)} {d}, {bytes_text(b)}" for s, d, b in zip(vertex.shapes, vertex.dtypes, vertex.bytes, strict=True)]
    for kept in vertex.keeps:
        size = "shared" if kept["shared"] else bytes_text(kept["bytes"])
        lines.append(f"keeps {kept['name']} {shape_text(kept['shape'])} {kept['dtype']} ({size})")
    return "\n".join([*lines, *([vertex.line] if vertex.line else [])])


def number(value: Any) -> str:
    """A norm in three digits."""
    return with_minus(value if isinstance(value, str) else f"{value:.3g}")


# Where in its frame a label stands, without and with the backward pass, where the middle is between both passes: each time that it is crossed, the
# next. A number makes the frame wider, by so many labels; "b" is at the foot.
HEADS = {
    False: (("t", "l", 0), ("t", "r", 0), ("t", "r", 1), ("t", "r", 2), ("t", "r", 3), ("b", "l", 0), ("b", "r", 0)),
    True: (("t", "c", 0), ("t", "l", 0), ("t", "r", 0), ("t", "r", 1), ("t", "r", 2), ("t", "r", 3), ("b", "l", 0), ("b", "r", 0)),
}
MANY = 8  # a tensor with more uses than this has no arrows: each op that uses it shows its name

OPTIONS = {
    "depth": "auto", "repeats": None, "parameters": False, "legend": True, "direction": "TB", "limit": 2500, "backward": False,
    "values": False,
}  # fmt: skip


def pictures(graph: Graph) -> Iterator[_Writer]:
    """The picture of ``graph``; with ``depth="auto"`` the ones that should fit a page, the most detailed first."""
    options = {**OPTIONS, **graph.options}
    if options["depth"] != "auto":
        repeats = options["repeats"] is None or options["repeats"]
        yield _Writer(graph, view(graph, options["depth"], repeats, options["parameters"], options["limit"]), options)
        return
    faces = Faces(graph, View({}, [], []), options)
    sideways = options["direction"] in ("LR", "RL")
    for found in fitting(graph, faces.size, faces.room, options["repeats"], options["parameters"], sideways, options["backward"]):
        yield _Writer(graph, found.seen, options, found.caption)


class Faces:
    """How the boxes and links of a view look, for every renderer."""

    def __init__(self, graph: Graph, seen: View, options: dict[str, Any]):
        self.seen, self.options = seen, options
        self.by_id = {vertex.id: vertex for vertex in graph.vertices}
        self.paths = {scope.id: scope.path for scope in graph.scopes}
        self.used: dict[str, set[int]] = {}  # vertex -> which of its results go on
        self.first: dict[str, Vertex] = {}  # vertex -> the first that it takes
        for edge in graph.edges:
            self.used.setdefault(edge.source, set()).add(edge.result)
            self.first.setdefault(edge.target, self.by_id[edge.source])
        self.plain = "…" if any(v.name == "x" and v.kind != "op" for v in graph.vertices) else "x"  # for what has no name
        self.tensors: dict[str, list[Edge]] = {}  # vertex -> edges from parameters and buffers
        for edge in graph.edges:
            if self.by_id[edge.source].kind in ("parameter", "buffer"):
                self.tensors.setdefault(edge.target, []).append(edge)

    def face(self, box: Box) -> tuple[str, dict[str, str], str]:
        """The label, the attributes and the tooltip of a box."""
        kind = box.vertex.kind if box.vertex is not None else family_of(box)
        lines = [f"{self.parameter_name(e)} {shape_text(e.shape)}" for e in self.hidden(box)]
        if box.vertex is not None and box.vertex.within.startswith("∂"):  # made by a backward pass
            lines.insert(0, box.vertex.within)
        if box.inside is not None:  # a module that is one op needs no frame
            lines.insert(0, short(f"{box.inside.name} {box.inside.kind}" + (f" ×{box.inside.repeats}" if box.inside.repeats > 1 else "")))
        results = self.results(box)
        tip = tooltip(box.vertex) if box.vertex is not None else (box.scope.path or box.scope.kind) if box.scope is not None else "many ops"
        operand = self.operand(box.vertex) if box.vertex is not None else ""
        return box_label(box, lines, results, operand), attributes(kind, family_of(box)), tip

    def operand(self, vertex: Vertex) -> str:
        """What stands for the tensor in ``x + 100``: the name that the user gave it; else x, or … where another tensor is called x."""
        given = self.first.get(vertex.id)
        return self.plain if given is None or given.kind == "op" or given.name == given.kind else short(given.name, 16)

    def size(self, box: Box) -> tuple[float, float]:
        """Width and height of a box, in points."""
        cells = re.findall(r'height="(\d+)" width="(\d+)"', self.face(box)[0])
        return max(int(wide) for _, wide in cells) + 19.0, sum(int(high) for high, _ in cells) + 9.0

    def norm(self, link: Link) -> str:
        """What the gradient's arrow says: the norm, and what is unusual about it; empty without a gradient."""
        gradient = next((e.gradient for e in link.edges if e.gradient), None)
        if gradient is None:
            return ""
        words = STATES.get(gradient["state"], ("", ""))[1]
        label = words if gradient["state"] in ("nan", "inf") else f"‖g‖ {number(gradient['norm'])}"
        return label + (f" {words}" if gradient["state"] in ("exploding", "vanishing") else "")

    def room(self, link: Link) -> float:
        """The width of what the gradient's arrow says, in points."""
        return text_width(f" {self.norm(link)} ", 9)

    def results(self, box: Box) -> list[str]:
        """The last lines of an op's box: the shapes of its results, or with ``values=True`` a value and its gradient.

        They stand in the box and not on its arrows, where they would cross the frames of modules.
        """
        vertex = box.vertex
        if vertex is None:
            return []
        found = []
        if self.options["values"] and vertex.value:
            found = [f"= {vertex.value}"] if vertex.kind == "op" or vertex.kind == "parameter" else []
            if vertex.kind != "output" and vertex.gradient is not None and "value" in vertex.gradient:
                found.append(f"∂ {vertex.gradient['value']}")
        if vertex.kind == "op" and not found:
            shown = [" ".join(filter(None, [shape_text(vertex.shapes[i]), _dtype(vertex.dtypes[i])])) for i in self.results_used(vertex)]
            found = [short("→ " + ", ".join(shown), 44)] if shown != ["scalar"] else []
        return found

    def results_used(self, vertex: Vertex) -> list[int]:
        """The positions of the results that other ops use; all if none does."""
        return sorted(self.used.get(vertex.id, ())) or list(range(len(vertex.shapes)))

    def families(self) -> list[tuple[str, str]]:
        """The fill, and what it means, of each family in the picture."""
        families = {LIKE.get(name := family_of(box), name) for box in self.seen.boxes.values()}
        rows = [(fill, words) for name, (fill, words) in FAMILIES.items() if name in families and name not in ("leaf", "output")]
        if "leaf" in families and "input" not in families:
            rows.append((colour("leaf"), "leaf: given, with gradient"))
        if families - set(FAMILIES):
            rows.append(OTHER)
        return rows

    def hidden(self, box: Box) -> list[Edge]:
        """The edges from parameters that have no box of their own."""
        return self.tensors.get(box.vertex.id, []) if box.vertex is not None and not self.options["parameters"] else []

    def parameter_name(self, edge: Edge) -> str:
        """A parameter's name relative to the module that uses it: ``weight`` in conv1, ``conv1.weight`` outside it."""
        path = self.paths.get(self.by_id[edge.target].scope, "")
        return short(self.by_id[edge.source].name.removeprefix(path + "."), 26)


def _package() -> Any:
    """The package ``graphviz``. Raises :class:`RenderError` where it is missing."""
    try:
        import graphviz
    except ImportError:
        raise RenderError(
            'graph: dot text is written by the package graphviz: pip install "minigrad-nn[graph]" (.html and .json need nothing)'
        ) from None
    return graphviz


class _Writer(Faces):
    """A view of a graph as dot text. Where labels are crossed in the drawing, :meth:`move` puts them elsewhere in the next text."""

    def __init__(self, graph: Graph, seen: View, options: dict[str, Any], caption: str = ""):
        super().__init__(graph, seen, options)
        self.graph, self.caption = graph, caption
        self.backward = bool(options["backward"])
        self.moved: dict[str, int] = {}  # the title of an arrow or a frame -> how often its label was put elsewhere
        self.uses = Counter(link.source for link in seen.links)
        computed = {box.id for box in seen.boxes.values() if box.vertex is None or box.vertex.kind == "op"}
        ways = [link for link in seen.links if link.source in computed and link.target in computed]
        self.chain = len({link.source for link in ways}) == len(ways) == len({link.target for link in ways})
        order = [box.id for box in seen.boxes.values() if box.id in computed]
        self.following = dict(itertools.pairwise(order))
        self.ids = {place: f"n{i}" for i, place in enumerate(seen.boxes)}  # names without : / and \\, which are special in Graphviz

    def text(self) -> str:
        boxes = self.seen.boxes
        self.packed = (
            self.seen.columns > 1 and len(boxes) > COLUMN
        )  # each column is laid out by itself, which is faster, but loses labels of arrows
        moved = [
            link
            for link in self.seen.links
            if f"b{self.ids[link.source]}->{self.end(link)}" in self.moved
            or (
                self.packed
                and boxes[link.source].column == boxes[link.target].column
                and not self.many(boxes[link.source])
                and self.norm(link)
            )
        ]
        self.into = {source: list(links) for source, links in itertools.groupby(sorted(moved, key=lambda k: k.source), lambda k: k.source)}
        d, columns = _package().Digraph(name=self.graph.title or None), self.seen.columns
        self.digraph = d
        ranksep = "0.06" if self.backward else "0.24"  # a label on an arrow brings its own room
        d.attr("graph", rankdir=self.options["direction"], nodesep="0.22", ranksep=ranksep, bgcolor="white")
        d.attr("graph", fontname=FONT, fontsize="11", fontcolor=INK)
        d.attr("graph", margin="0.1", tooltip=self.graph.title or " ", labelloc="t", labeljust="l")
        if heading := self.heading():
            d.attr("graph", label=f"<{heading}>")
        if self.packed:
            d.attr("graph", pack="24", packmode=f"array_ut{columns + 1}", nslimit="2", mclimit="0.5")
        d.attr("node", shape="box", fontname=FONT, fontsize="11", fontcolor=INK, margin="0.13,0.06", height="0.3", width="0.4")
        d.attr("edge", fontname=FONT, fontsize="9", fontcolor=GREY, color=LINE, arrowsize="0.6")
        for column in range(columns) if self.options["direction"] in ("TB", "BT") else range(columns)[::-1]:  # from below where rows lie
            part = _package().Digraph(name=f"cluster_column_{column}") if columns > 1 and not self.packed else d
            self.cluster("", column, part)
            for link in self.seen.links:
                if self.seen.boxes[link.target].column == column:
                    self.link(link)
            if part is not d:
                part.attr(style="invis", margin="12", label="")
                d.subgraph(part)
        return str(d.source)

    def move(self, crossed: Iterable[str]) -> bool:
        """Put the labels of these arrows and frames elsewhere: an arrow's into the box that it leads to, a frame's to another place in its head.

        False where nothing is left to try.
        """
        new = [
            title for title in crossed if self.moved.get(title, 0) < (len(HEADS[self.backward]) - 1 if title.startswith("cluster") else 1)
        ]
        for title in new:
            self.moved[title] = self.moved.get(title, 0) + 1
        return bool(new)

    def heading(self) -> str:
        """What stands above the picture: the title, the facts, what is folded, and the legend."""
        rows = []
        if self.graph.title:
            rows.append((f"<b>{_escape(short(self.graph.title, 60))}</b>", text_width(short(self.graph.title, 60), 11, bold=True)))
            rows.append((_small(facts := " · ".join(self.facts())), text_width(facts, 9)))
        for line in wrapped(self.caption, LEGEND):
            rows.append((_small(line), text_width(line, 9)))
        cells = "".join(f'<tr><td align="left" height="13" width="{ceil(wide)}">{text}</td></tr>' for text, wide in rows)
        if self.options["legend"]:
            cells += "".join(f'<tr><td align="left">{row}</td></tr>' for row in self.legend())
        return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{cells}</table>' if cells else ""

    def facts(self) -> list[str]:
        """Numbers about the whole graph."""
        ops = sum(v.kind == "op" for v in self.graph.vertices)
        facts = [f"{ops:,} op{'s' * (ops != 1)}"]
        count = sum(_size(v) for v in self.graph.vertices if v.kind == "parameter")
        if count:
            facts.append(f"{count:,} parameters")
        dtypes = {d for v in self.graph.vertices for d in v.dtypes if d.startswith(("float", "complex"))}
        if "float32" in dtypes:  # labels show other dtypes
            facts.append("float32" if len(dtypes) == 1 else "float32 unless marked")
        return [*facts, f"backward keeps {bytes_text(self.graph.kept_bytes)}"]

    # ------------------------------------------------------------------------------------------------- boxes

    def cluster(self, scope: str, column: int, parent: Any) -> None:
        """Write the boxes of one column, each inside the clusters of its modules."""
        inside: dict[str, list[Box]] = {}
        for box in self.seen.boxes.values():
            if box.column == column:
                inside.setdefault(box.cluster, []).append(box)
        needed = set()
        parents = {s.id: s.parent for s in self.seen.clusters}
        for place in inside:
            while place and place not in needed:
                needed.add(place)
                place = parents[place]
        children: dict[str, list[Scope]] = {}
        for s in self.seen.clusters:
            if s.id in needed:
                children.setdefault(s.parent, []).append(s)
        stack: list[tuple[str, Any, Any]] = [("", parent, iter(children.get("", ())))]
        for box in inside.get("", ()):
            self.box(box, parent)
        graphviz = _package()
        place_of = {s.id: i for i, s in enumerate(self.seen.clusters)}
        while stack:
            place, target, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                stack.pop()
                if stack:
                    stack[-1][1].subgraph(target)
                continue
            sub = graphviz.Digraph(name=f"cluster_{place_of[child.id]}_{column}")
            label = "" if child.kind == child.name == self.graph.title else scope_label(child)
            side, just, wider = HEADS[self.backward][self.moved.get(sub.name, 0)]
            if label and wider:  # room for what enters the frame beside the label
                label = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0"><tr><td width="{wider * self.head(child)}"></td><td>{label}</td></tr></table>'
            sub.attr(label=label and f"<{label}>", labelloc=side, labeljust=just, fontsize="10")
            sub.attr(style="rounded", color="#b6c0ca", bgcolor=f"#000000{SHADE:02x}")
            sub.attr(tooltip=f"{child.path or child.kind} ({child.kind}), {child.parameters:,} parameters", margin="10")
            for box in inside.get(child.id, ()):
                self.box(box, sub)
            stack.append((child.id, sub, iter(children.get(child.id, ()))))

    def box(self, box: Box, target: Any) -> None:
        label, look, tip = self.face(box)
        target.node(self.ids[box.id], f"<{label}>", tooltip=_escape(tip), sortv=str(box.column + 1), **look)
        if self.backward and self.flows(box):
            self.backward_box(box, target)

    # ----------------------------------------------------------------------------------------- backward pass

    def flows(self, box: Box) -> bool:
        """Whether a gradient reaches this box."""
        if box.vertex is not None:
            return box.vertex.gradient is not None and box.vertex.kind != "output"
        return any(v.gradient is not None for v in box.vertices)

    def states(self) -> set[str]:
        """What is unusual about the gradients of the picture."""
        boxes = [v.gradient for box in self.seen.boxes.values() if self.flows(box) for v in box.vertices]
        links = [e.gradient for link in self.seen.links for e in link.edges]
        found = {g["state"] for g in boxes if g} - {"zero"}  # a box has no colour for zero
        return found | {g["state"] for g in links if g}

    def called(self, box: Box) -> str:
        """The name of a box."""
        return box.vertex.name if box.vertex is not None else box.scope.name if box.scope else ", ".join(stretch_names(box)) or "ops"

    def backward_box(self, box: Box, target: Any) -> None:
        """Write the gradient op beside its op, and a dashed line for the values that it keeps."""
        if box.vertex is None:
            keeps = sum(k["bytes"] for v in box.vertices for k in v.keeps if not k["shared"])
            name, lines, kept = self.called(box), [], bytes_text(keeps) if keeps else ""
            gradients = [v.gradient for v in box.vertices]
        else:
            name, gradients = box.vertex.name, [box.vertex.gradient]
            lines = [f"‖g‖ {number(box.vertex.gradient['norm'])}"] if box.vertex.gradient and box.vertex.kind != "op" else []
            if lines and len((box.vertex.gradient or {}).get("value", "." * 24)) < 24:
                lines = [f"= {(box.vertex.gradient or {})['value']}"]
            for edge in self.hidden(box):
                lines += [f"∂{self.parameter_name(edge)}  ‖g‖ {number(edge.gradient['norm'])}"] if edge.gradient else []
            kept = ", ".join(f"{k['name']} {shape_text(k['shape'])}" for k in box.vertex.keeps[:3])
        pair, beside = (self.ids[box.id], f"b{self.ids[box.id]}"), self.options["direction"] in ("TB", "BT")
        if kept and not (
            self.chain and beside and not self.packed and "->".join(pair) not in self.moved
        ):  # no space for a label between the two
            lines.append(f"keeps {short(kept, 30)}")
            kept = ""
        lines += [f"{self.norm(link)} from ∂ {short(self.called(self.seen.boxes[link.target]), 20)}" for link in self.into.get(box.id, ())]
        state = next((g["state"] for g in gradients if g and g["state"] not in ("", "zero")), "")
        tint = STATES[state][0] if state else BACKWARD
        target.node(
            f"b{self.ids[box.id]}", f"<{_rows(f'∂ {short(name)}', lines)}>", style="rounded,filled", fillcolor="#fff5f8",
            color=tint, fontcolor=tint, penwidth="2" if state else "1", sortv=str(box.column + 1),
            tooltip=_escape(f"gradient of {name}"),
        )  # fmt: skip
        if not beside or not (kept or any(v.kind == "op" for v in box.vertices)):
            return
        label = self.written(
            kept and f"keeps {short(kept, 30)}", self.ground(box.cluster)
        )  # on what it stands on: its own dashes run under it
        target.edge(
            *pair, label, style="dashed", constraint="false", arrowhead="none",
            color="#c9b3bd", fontcolor="#a0808f", fontsize="9",
        )  # fmt: skip

    def written(self, text: str, ground: str = "") -> str:
        """The label of an arrow, as wide as its text in Helvetica, so that it crosses neither an arrow nor a frame."""
        look, wide = f' bgcolor="{ground}"' if ground else "", ceil(text_width(f"  {text}  ", 9))
        cell = f'<td width="{wide}" height="12">&#160;{_escape(text)}&#160;</td>'
        return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0"{look}><tr>{cell}</tr></table>>' if text else ""

    def head(self, scope: Scope) -> int:
        """The width of a frame's label, in points."""
        return ceil(text_width(short(scope.name), 10, bold=True) + text_width(f"  {scope.kind}", 10)) + 16

    def ground(self, scope: str) -> str:
        """The colour of the page in a module: the frames around it darken the white."""
        frames, parents = 0, {s.id: s.parent for s in self.seen.clusters}
        while scope:
            frames, scope = frames + 1, parents[scope]
        return "#" + f"{round(255 * (1 - SHADE / 255) ** frames):02x}" * 3

    def many(self, box: Box) -> bool:
        """Whether a given tensor has so many uses that arrows to them would hide the boxes between."""
        return self.uses[box.id] > MANY and box.vertex is not None and box.vertex.kind != "op"

    def end(self, link: Link) -> str:
        """Where the arrow of a link's gradient begins."""
        b = self.seen.boxes[link.target]
        return f"b{self.ids[b.id]}" if self.flows(b) else self.ids[b.id]

    def link_back(self, link: Link) -> None:
        a, b = self.seen.boxes[link.source], self.seen.boxes[link.target]
        gradient = next((e.gradient for e in link.edges if e.gradient), None)
        if gradient is None or not self.flows(a):
            return
        state = gradient["state"]
        tint = STATES.get(state, (BACKWARD, ""))[0]
        target = self.end(link)
        # Written against its direction, so that both passes have the same ranks: forward down the page, backward up.
        straight = a.vertex is None or a.vertex.kind == "op"
        tail, label, look = f"b{self.ids[a.id]}", self.norm(link), {"shape": "cds", "fontsize": "9", "style": "", "margin": "0.05"}
        if self.many(a):  # as forward: each use says whose gradient it is
            tail = f"{target}_{tail}"
            self.digraph.node(tail, self.written(f"to ∂ {short(self.called(a))} {label}"), fontcolor=tint, color=tint, **look)
            label = ""
        elif a.column != b.column:
            target = f"{tail}_{target}"
            self.digraph.node(target, self.written(f"from ∂ {short(self.called(b))} {label}"), fontcolor=tint, color=tint, **look)
            label = ""
        elif self.packed or f"{tail}->{target}" in self.moved:
            label = ""
        self.digraph.edge(
            tail, target, self.written(label), dir="back", color=tint, fontcolor=tint, weight="6" if straight else "1",
            penwidth="2" if state in ("nan", "inf", "exploding") else "1", style="dotted" if state == "zero" else "solid",
            tooltip=f"gradient {shape_text(gradient['shape'])}, norm {number(gradient['norm'])}",
        )  # fmt: skip

    def link(self, link: Link) -> None:
        a, b = self.seen.boxes[link.source], self.seen.boxes[link.target]
        style = {} if any(e.differentiable for e in link.edges) else {"style": "dashed"}
        if a.vertex is None or a.vertex.kind in ("op", "input"):
            style["weight"] = "60" if self.following.get(a.id) == b.id else "6"  # arrows of data are straight, above all in a chain
        tip = ", ".join(dict.fromkeys(e.argument for e in link.edges if e.argument)) or "result"
        if a.column != b.column or self.many(a):  # each column is laid out alone, and long arrows to many ops would hide the boxes between
            end = f"{self.ids[a.id]}_{self.ids[b.id]}"
            text = f"from {short(self.called(a))} {shape_text(link.edges[0].shape)}"
            self.digraph.node(end, text, shape="cds", fontsize="9", fontcolor=GREY, color=LINE, style="", sortv=str(b.column + 1))
            self.digraph.edge(end, self.ids[b.id], tooltip=tip, **style)
        else:
            self.digraph.edge(self.ids[a.id], self.ids[b.id], tooltip=tip, **style)
        if self.backward:
            self.link_back(link)

    # ------------------------------------------------------------------------------------------------ legend

    def legend(self) -> list[str]:
        """What the colours mean: a sample and a word for each family that is drawn, as many in a row as a narrow picture is wide."""
        sample = '<td bgcolor="{}" width="12" height="10" border="1" color="{}"></td>'
        entries = [(sample.format(fill, LINE), words) for fill, words in self.families()]
        if self.backward:
            entries.append((sample.format("#fff5f8", BACKWARD), "∂ gradient, with its norm"))
            unusual = self.states()
            entries += [(sample.format("#fff5f8", tint), f"∂ {words}") for state, (tint, words) in STATES.items() if state in unusual]
        if any(not e.differentiable for link in self.seen.links for e in link.edges):
            entries.append((f'<td width="12">{_small("┄")}</td>', "no gradient flows"))
        rows: list[str] = []
        left: list[float] = []
        room = 0.0
        for cell, words in entries:
            wide = ceil(text_width(words, 9))
            if room < wide + 24:
                rows.append("")
                room = LEGEND
            rows[-1] += f'{cell}<td align="left" width="{wide + 4}">{_small(words)}</td>'
            room -= wide + 24
            left[len(rows) - 1 :] = [room]
        whole = '<table border="0" cellborder="0" cellspacing="3" cellpadding="0"><tr>{}<td width="{}"></td></tr></table>'
        return [whole.format(row, max(ceil(room), 1)) for row, room in zip(rows, left, strict=True)]


LEGEND = 330.0  # width of the rows above a picture, in points


def wrapped(text: str, width: float) -> list[str]:
    """``text`` in lines of at most ``width`` points of small print."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", 9) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _size(vertex: Vertex) -> int:
    count = 1
    for n in vertex.shapes[0]:
        count *= n
    return count
