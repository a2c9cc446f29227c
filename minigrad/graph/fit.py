"""What of a graph fits a page: how deep its modules are unfolded, and whether equal neighbours are drawn once.

A layout would tell the size of a picture exactly, but takes seconds for a large graph. Here the size is estimated: the boxes are put on
levels by the longest way that leads to them; the levels' heights add up, and the widest one is the width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minigrad.graph.model import Graph
from minigrad.graph.view import Box, Link, View, levels_of, view

PAGE = (820.0, 1240.0)  # points: printed on A4 with margins of a centimetre, a type of 9 points is of 5.8
BETWEEN = {False: 23.0, True: 34.0}  # points from level to level, without and with the labels of the backward pass
FRAME = 27.0  # points by which the frame of a module and its label make a picture higher
WAY = 60.0  # points that an arrow to a use and the one back take beside boxes, without what is written on them
MOST = 300  # boxes that a page could hold; of a larger view the extent is not computed
PIECES = (40, 16, 12, 8, 6, 4)  # boxes that a graph without modules is summarised in


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

    @property
    def caption(self) -> str:
        """What was folded and how to unfold it; empty where everything is drawn.

        >>> Fit(View({}, [], []), 1, True, 3).caption
        'folded to fit a page: modules below level 1 of 3; depth=None unfolds them'
        """
        told = []
        if self.depth is not None and self.levels:
            told.append(f"modules below level {self.depth} of {self.levels}; depth=None unfolds them")
        calls = [*self.seen.clusters, *(call for box in self.seen.boxes.values() for call in (box.scope, box.inside) if call is not None)]
        if self.repeats and any(call.repeats > 1 for call in calls):
            told.append("equal neighbours once (×N); repeats=False draws each")
        if self.pieces is not None:
            told.append("neighbouring ops in one box; depth=None draws each")
        return f"folded to fit a page: {'; '.join(told)}" if told else ""


def extent(seen: View, size: Callable[[Box], tuple[float, float]], sideways: bool = False, backward: bool = False) -> tuple[float, float]:
    """About how wide and high a picture of ``seen`` is, in points, ``backward`` apart, which stands beside it. ``sideways``: from left to right."""
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
    depth = max((scope.id.count("/") for scope in seen.clusters), default=0)
    siblings = len(seen.clusters)  # one below the other, each with a label
    length = sum(along.values()) + BETWEEN[backward] * max(len(along) - 1, 0) + FRAME * siblings
    width = max(across.values(), default=0) + 20 * depth
    return (length, width) if sideways else (width, length)


def fitted(
    graph: Graph,
    size: Callable[[Box], tuple[float, float]],
    room: Callable[[Link], float],
    repeats: bool | None,
    parameters: bool,
    sideways: bool,
    backward: bool,
) -> Fit:
    """The most detailed view of ``graph`` that fits a page.

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
    page = (PAGE[1], PAGE[0]) if sideways else PAGE
    wide = 2 if backward else 1  # places beside each other
    found = None

    def fits(seen: View) -> bool:
        if len(seen.boxes) > MOST:
            return False
        width, height = extent(seen, size, sideways, backward)
        if sideways:
            return width <= page[0] and height * wide <= page[1]
        return width * wide + (ways_by(seen, room) if backward else 0) <= page[0] and height <= page[1]

    for depth in [None, *range(levels, 0, -1)]:
        for way in ways:
            found = Fit(view(graph, depth, way, parameters, limit=len(graph.vertices)), depth, way, levels)
            if fits(found.seen):
                return found
    assert found is not None
    loose = sum(box.vertex is not None and box.vertex.kind == "op" for box in found.seen.boxes.values())
    for pieces in [n for n in PIECES if n < loose]:
        found = Fit(view(graph, found.depth, found.repeats, parameters, limit=0, pieces=pieces), found.depth, found.repeats, levels, pieces)
        if fits(found.seen):
            break
    return found
