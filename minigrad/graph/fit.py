"""What of a graph fits a page: how deep its modules are unfolded, whether equal neighbours are drawn once, in how many columns.

Only a layout tells the size of a picture exactly, and one takes seconds for a large graph. Here the size is estimated, and the views that
should fit are handed out one after the other, the most detailed first, until the layout of one is found to fit. For the estimate the boxes
are put on levels by the longest way that leads to them; the levels' heights add up, and the widest one is the width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from minigrad.graph.model import Graph
from minigrad.graph.view import Box, Link, View, levels_of, view

PAGE = (820.0, 1240.0)  # points: printed on A4 with margins of a centimetre, a type of 9 points is of 5.8
BETWEEN = {False: 23.0, True: 25.0}  # points from level to level, without and with the labels of the backward pass
FRAME = 27.0  # points by which the frame of a module and its label make a picture higher
WAY = 60.0  # points that an arrow to a use and the one back take beside boxes, without what is written on them
MOST = 300  # boxes that a page could hold; of a larger view the extent is not computed
PIECES = (40, 16, 12, 8, 6, 4)  # boxes that a graph without modules is summarised in
COLUMNS = (1, 2, 3, 4, 5)  # parts of a picture beside each other, from left to right one below the other
APART = 24.0  # points between them
NEARLY = 1.15  # of a page: what is estimated to be so large may still fit


def ways_by(seen: View, room: Callable[[Link], float]) -> float:
    """The width of what leads to the uses of a given tensor and back from them: two arrows each, side by side but for those of one use.

    ``room`` is the width of what is written on a gradient's arrow.
    """
    widths: dict[str, list[float]] = {}
    for link in seen.links:
        box = seen.boxes[link.source]
        if box.vertex is not None and box.vertex.kind == "leaf":
            widths.setdefault(link.source, []).append(WAY + room(link))
    return max((sum(sorted(each)[1:]) for each in widths.values()), default=0)


@dataclass(frozen=True)
class Fit:
    """How a graph is folded. ``depth`` and ``repeats`` as in :func:`minigrad.graph.draw`; ``pieces`` is None where nothing is summarised."""

    seen: View
    depth: int | None
    repeats: bool
    levels: int
    pieces: int | None = None
    whole: bool = False  # modules are summarised too

    @property
    def caption(self) -> str:
        """What was folded and how to unfold it; empty where everything is drawn.

        >>> Fit(View({}, [], []), 1, True, 3).caption
        'folded to fit a page: modules of level 1 of 3; depth=None unfolds them'
        """
        told = []
        folded = [box.scope for box in self.seen.boxes.values() if box.scope is not None]
        if self.depth is not None and self.levels and not self.whole:
            passes = bool(folded) and all(call.is_pass for call in folded)
            told.append(f"{'backward passes' if passes else f'modules of level {self.depth} of {self.levels}'}; depth=None unfolds them")
        calls = [*self.seen.clusters, *(call for box in self.seen.boxes.values() for call in (box.scope, box.inside) if call is not None)]
        if self.repeats and any(call.repeats > 1 for call in calls):
            told.append("equal neighbours once (×N); repeats=False draws each")
        if self.pieces is not None:
            told.append(f"neighbouring {'modules and ' if self.whole else ''}ops in one box; depth=None draws each")
        return f"folded to fit a page: {'; '.join(told)}" if told else ""


def extent(
    seen: View, size: Callable[[Box], tuple[float, float]], sideways: bool = False, backward: bool = False, written: float = 0.0
) -> tuple[float, float]:
    """About how wide and high a picture of ``seen`` is, in points, ``backward`` apart, which stands beside it.

    ``sideways``: from left to right, where what is ``written`` on an arrow, in points, lies along it.
    """
    parts = []
    for column in range(seen.columns):
        boxes = {place: box for place, box in seen.boxes.items() if box.column == column}
        links = [link for link in seen.links if link.source in boxes and link.target in boxes]
        parts.append(_extent(View(boxes, seen.clusters, links), size, sideways, BETWEEN[backward] + (written if sideways else 0)))
    wide, high = [wide for wide, _ in parts], [high for _, high in parts]
    between = APART * (seen.columns - 1)
    return (max(wide), sum(high) + between) if sideways else (sum(wide) + between, max(high))


def _extent(seen: View, size: Callable[[Box], tuple[float, float]], sideways: bool, between: float) -> tuple[float, float]:
    """The extent of one column, ``between`` from level to level."""
    order = {place: i for i, place in enumerate(seen.boxes)}
    into: dict[str, list[str]] = {}
    out: dict[str, list[str]] = {}
    for link in seen.links:
        if order[link.source] < order[link.target]:
            into.setdefault(link.target, []).append(link.source)
            out.setdefault(link.source, []).append(link.target)
    level: dict[str, int] = {}
    for place in seen.boxes:
        level[place] = max((level[source] + 1 for source in into.get(place, ())), default=0)
    for place in reversed(seen.boxes):  # a given tensor stands just before its first use
        if place not in into and place in out:
            level[place] = min(level[target] for target in out[place]) - 1
    along: dict[int, float] = {}
    across: dict[int, float] = {}
    for place, box in seen.boxes.items():
        wide, high = size(box)
        if sideways:
            wide, high = high, wide
        along[level[place]] = max(along.get(level[place], 0), high)
        across[level[place]] = across.get(level[place], 0) + wide + 16
    used = {box.cluster for box in seen.boxes.values()}
    frames = [scope.id for scope in seen.clusters if any(call == scope.id or call.startswith(f"{scope.id}/") for call in used)]
    depth = max((call.count("/") for call in frames), default=0)
    siblings = len(frames)  # one below the other, each with a label
    length = sum(along.values()) + between * max(len(along) - 1, 0) + FRAME * siblings
    width = max(across.values(), default=0) + 20 * depth
    return (length, width) if sideways else (width, length)


def fitting(
    graph: Graph,
    size: Callable[[Box], tuple[float, float]],
    room: Callable[[Link], float],
    repeats: bool | None,
    parameters: bool,
    sideways: bool,
    backward: bool,
) -> Iterator[Fit]:
    """The views of ``graph`` that should fit a page, the most detailed first; the coarsest is the last, also where it does not fit.

    Args:
        graph: the graph.
        size: width and height of a box, in points.
        room: width of what is written on the arrow of a gradient, in points.
        repeats: draw equal neighbours once; None chooses.
        parameters: parameters have boxes.
        sideways: the picture runs from left to right, on a page in landscape format.
        backward: the backward pass stands beside it.
    """
    levels = max(levels_of(graph.scopes).values(), default=0)
    ways = (False, True) if repeats is None else (repeats,)
    if not any(scope.same_as for scope in graph.scopes):
        ways = ways[:1]
    page = [NEARLY * side for side in (PAGE[::-1] if sideways else PAGE)]
    beside = 2 if backward else 1  # places beside each other
    many = len(graph.vertices)

    def fits(seen: View) -> bool:
        if len(seen.boxes) > MOST:
            return False
        written = max(map(room, seen.links), default=0.0) if backward else 0.0
        width, height = extent(seen, size, sideways, backward, written)
        if sideways:
            return width <= page[0] and height * beside <= page[1]
        return width * beside + (ways_by(seen, room) if backward else 0) <= page[0] and height <= page[1]

    found = None
    for depth in [None, *range(levels, 0, -1)]:
        for way in ways:
            found = Fit(view(graph, depth, way, parameters, limit=many, columns=1), depth, way, levels)
            if fits(found.seen):
                yield found
    assert found is not None
    last = found
    if len(found.seen.boxes) <= MOST:  # all of the coarsest, in columns
        for columns in COLUMNS[1:]:
            if fits(seen := view(graph, last.depth, last.repeats, parameters, limit=many, columns=columns)):
                yield (found := Fit(seen, last.depth, last.repeats, levels))
    ops = [box for box in last.seen.boxes.values() if box.scope is not None or (box.vertex is not None and box.vertex.kind == "op")]
    for whole in (False, True) if any(box.scope is not None for box in ops) else (False,):
        loose = sum(whole or box.scope is None for box in ops)
        for pieces in [n for n in PIECES if n < loose]:
            for columns in COLUMNS:
                seen = view(graph, last.depth, last.repeats, parameters, limit=0, pieces=pieces, whole=whole, columns=columns)
                found = Fit(seen, last.depth, last.repeats, levels, pieces, whole)
                if fits(seen):
                    yield found
    yield found
