"""The parts of a graph that are drawn: modules folded into boxes, repeats drawn once, long graphs summarised and cut into columns.

A :class:`View` is a graph's boxes, the clusters around them, and the links between them. Building one takes time linear in the graph's size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from minigrad.graph.model import Edge, Graph, Scope, Vertex

COLUMN = 100  # boxes in a column: the time of a layout grows faster than its number of boxes
SUMMARY = 80  # boxes of a graph that is summarised


@dataclass
class Box:
    """Something drawn: a vertex, a folded module, or a summary of neighbouring ops."""

    id: str
    cluster: str
    vertex: Vertex | None = None
    scope: Scope | None = None
    vertices: list[Vertex] = field(default_factory=list)
    column: int = 0
    inside: Scope | None = None  # the module that contains only this box
    names: list[str] = field(default_factory=list)  # of the modules and ops that it summarises, where there are modules among them


@dataclass
class Link:
    """An arrow from box to box: the edges that it stands for."""

    source: str
    target: str
    edges: list[Edge] = field(default_factory=list)


@dataclass
class View:
    """Boxes in order of creation, open modules (the outer before the inner), links."""

    boxes: dict[str, Box]
    clusters: list[Scope]
    links: list[Link]
    columns: int = 1


def levels_of(scopes: Iterable[Scope]) -> dict[str, int]:
    """The level of each call: 0 for the model's own, 1 for those in it. What stands alone is at level 1: modules without a recorded call of the model,
    and backward passes."""
    found: dict[str, int] = {}
    for scope in scopes:
        found[scope.id] = found[scope.parent] + 1 if scope.parent else int(scope.path != "")
    return found


class Folding:
    """Which module call is drawn for which: the first of equal calls for all of them, a folded call for the calls inside it."""

    def __init__(self, scopes: list[Scope], depth: int | None, repeats: bool):
        self.by_id = {scope.id: scope for scope in scopes}
        self.canonical: dict[str, str] = {"": ""}
        self.folded: dict[str, str] = {"": ""}  # call -> the folded call that contains it, or ""
        self.groups: dict[str, dict[str, str]] = {"": {}}  # call -> repeated group that it is in -> which member
        children: dict[str, list[str]] = {}
        place: dict[str, int] = {}
        level = levels_of(scopes)
        for scope in scopes:
            place[scope.id] = len(children.setdefault(scope.parent, []))
            children[scope.parent].append(scope.id)
        for scope in scopes:
            inherited = self.canonical[scope.parent]
            here = scope.id if inherited == scope.parent else children[inherited][place[scope.id]]
            if repeats and self.by_id[here].same_as:
                here = self.by_id[here].same_as
            self.canonical[scope.id] = here
            self.folded[scope.id] = self.folded[scope.parent] or (here if depth is not None and level[scope.id] >= depth else "")
            group = scope.same_as or (scope.id if scope.repeats > 1 else "")
            self.groups[scope.id] = {**self.groups[scope.parent], group: scope.id} if repeats and group else self.groups[scope.parent]

    def neighbours(self, a: str, b: str) -> bool:
        """Whether two calls are in different members of one repeated group."""
        first, second = self.groups[a], self.groups[b]
        return any(second.get(group, member) != member for group, member in first.items())


def view(
    graph: Graph,
    depth: int | None = None,
    repeats: bool = True,
    parameters: bool = False,
    limit: int = 2500,
    pieces: int = SUMMARY,
    whole: bool = False,
    columns: int = 0,
) -> View:
    """The parts of ``graph`` that are drawn: see :func:`minigrad.graph.draw` for the arguments.

    A graph of more than ``limit`` boxes is summarised in about ``pieces`` ones: runs of ops, with ``whole`` of modules too. It is cut into
    ``columns``; 0 for as many as it is long.
    """
    scopes = (
        graph.scopes if repeats else [replace(scope, repeats=1, same_as="") for scope in graph.scopes]
    )  # each call is drawn: none is marked ×3
    folding = Folding(scopes, depth, repeats)
    stands_for = _stand_ins(graph.vertices, folding)
    boxes: dict[str, Box] = {}
    box_of: dict[str, str] = {}
    for vertex in graph.vertices:
        if not parameters and vertex.kind in ("parameter", "buffer"):
            continue
        shown = stands_for[vertex.id]
        folded = folding.folded[vertex.scope]
        place = f"m:{folded}" if folded else shown.id
        box_of[vertex.id] = place
        if place not in boxes:
            if folded:
                boxes[place] = Box(place, folding.canonical[folding.by_id[folded].parent], scope=folding.by_id[folded])
            else:
                boxes[place] = Box(place, shown.scope, vertex=shown)
        boxes[place].vertices.append(vertex)
    if len(boxes) > limit:
        boxes, box_of = _summed_up(graph, boxes, box_of, pieces, whole)
    scope_of = {vertex.id: vertex.scope for vertex in graph.vertices}
    links: dict[tuple[str, str, Any], Link] = {}
    for edge in graph.edges:
        a, b = box_of.get(edge.source), box_of.get(edge.target)
        if a is None or b is None or a == b or folding.neighbours(scope_of[edge.source], scope_of[edge.target]):
            continue
        key = (a, b, tuple(edge.shape))
        if key not in links:
            links[key] = Link(a, b)
        links[key].edges.append(edge)
    content = Counter(box.cluster for box in boxes.values())
    content.update(scope.parent for scope in graph.scopes if scope.id == folding.canonical[scope.id] and not folding.folded[scope.parent])
    for box in boxes.values():
        if content[box.cluster] == 1 and box.cluster and box.vertex is not None and box.vertex.kind == "op":
            box.inside = folding.by_id[box.cluster]
            box.cluster = folding.canonical[box.inside.parent]
    used = {box.cluster for box in boxes.values()}
    open_calls = set()
    for scope in used:
        while scope and scope not in open_calls:
            open_calls.add(scope)
            scope = folding.by_id[scope].parent
    found = View(boxes, [scope for scope in scopes if scope.id in open_calls], list(links.values()))
    _columns(found, columns)
    return found


def _stand_ins(vertices: Iterable[Vertex], folding: Folding) -> dict[str, Vertex]:
    """Vertex id -> the vertex that is drawn for it: its counterpart in the first of a row of repeats."""
    places: dict[tuple[str, str], list[Vertex]] = {}
    found = {}
    for vertex in vertices:
        kind = "op" if vertex.kind == "op" else "tensor"
        here = places.setdefault((vertex.scope, kind), [])
        there = places.get((folding.canonical[vertex.scope], kind), here)
        found[vertex.id] = there[len(here)] if there is not here and len(here) < len(there) else vertex
        here.append(vertex)
    return found


def _summed_up(
    graph: Graph, boxes: dict[str, Box], box_of: dict[str, str], pieces: int, whole: bool
) -> tuple[dict[str, Box], dict[str, str]]:
    """Boxes for runs of neighbouring ops of one module, with ``whole`` of folded modules too; a tensor that only one run uses goes into its box."""
    order = [box for box in boxes.values() if box.vertices[0].kind == "op" or box.scope is not None]
    length = -(-len(order) // pieces)
    held = 0
    found: dict[str, Box] = {}
    place: dict[str, str] = {}
    current: Box | None = None
    for box in order:
        if box.scope is not None and not whole:
            found[box.id], place[box.id], current = box, box.id, None
            continue
        if current is None or current.cluster != box.cluster or held >= length:
            current = found[f"s:{box.id}"] = Box(f"s:{box.id}", box.cluster, scope=box.scope)
            held = 0
        if held:
            current.scope = None  # it is no longer one module
        held += 1
        current.vertices.extend(box.vertices)
        if whole:
            current.names.append(box.scope.name if box.scope is not None else box.vertices[0].name)
        place[box.id] = current.id
    for piece in [
        piece for piece in found.values() if piece.scope is None and len(piece.vertices) == 1
    ]:  # an op between modules stays itself
        piece.vertex = piece.vertices[0]

    def alone(piece: str) -> bool:
        return found[piece].vertex is not None

    users: dict[str, set[str]] = {}
    for edge in graph.edges:
        if edge.source in box_of and edge.target in box_of and box_of[edge.target] in place:
            users.setdefault(box_of[edge.source], set()).add(place[box_of[edge.target]])
    for box in boxes.values():
        if box.id in place:
            continue
        user = users.get(box.id, set())
        if (
            box.vertex is not None
            and box.vertex.kind in ("parameter", "buffer", "constant", "leaf")
            and len(user) == 1
            and not alone(*user)
        ):
            (place[box.id],) = user
            found[place[box.id]].vertices.extend(box.vertices)
        else:
            found[box.id], place[box.id] = box, box.id
    return found, {vertex: place[box] for vertex, box in box_of.items()}


def describe_stretch(vertices: list[Vertex]) -> list[str]:
    """The ops in a summary, most frequent first: ``mul ×500``."""
    counts = Counter(v.name if v.kind == "op" else "leaves" if v.kind == "leaf" else f"{v.kind}s" for v in vertices)
    rows = [f"{name} ×{count:,}" for name, count in counts.most_common(5)]
    return rows + ([f"and {len(counts) - 5} more"] if len(counts) > 5 else [])


def _columns(found: View, columns: int) -> None:
    """Cut a view into columns of neighbours, a long one where ``columns`` is 0. A tensor is in the column of the first op that uses it."""
    columns = columns or (1 if len(found.boxes) <= COLUMN * 1.5 else -(-len(found.boxes) // COLUMN))
    if columns == 1:
        return
    first_user: dict[str, str] = {}
    for link in found.links:
        first_user.setdefault(link.source, link.target)
    computed = [box for box in found.boxes.values() if box.vertex is None or box.vertex.kind == "op"]
    for i, box in enumerate(computed):
        box.column = i * columns // max(len(computed), 1)
    for box in found.boxes.values():
        if box.vertex is not None and box.vertex.kind not in ("op", "output") and box.id in first_user:
            box.column = found.boxes[first_user[box.id]].column
    for link in found.links:  # a result stands where it is computed
        target = found.boxes[link.target]
        if target.vertex is not None and target.vertex.kind == "output":
            target.column = found.boxes[link.source].column
    found.columns = columns
