"""The interactive page: one HTML file with the graph as data; its script lays it out, folds it, searches it and steps through it.

The page needs no network. What it is given is one value that JSON carries (:func:`page_data`): boxes, modules, links, the steps of the
backward pass and the arrays. Which modules are folded is decided in the page, by the size of its window.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from minigrad.files.html import filled
from minigrad.graph.dot import FAMILIES, LIKE, OPTIONS, STATES, Faces, colour, family_of, number, shape_text, with_minus, with_number
from minigrad.graph.mathematics import FORWARD, notation, slope
from minigrad.graph.model import Graph, Vertex
from minigrad.graph.view import Box, View, describe_stretch, view

PIECE = 40  # boxes that stand side by side in one module; more are put into pieces, which open like modules
PIECES = 24  # and at most so many pieces side by side


def page(graph: Graph) -> str:
    """``graph`` as the text of an HTML page."""
    static = resources.files("minigrad.graph") / "static"
    parts = {name: (static / f"{name}.js").read_text(encoding="utf-8") for name in ("words", "layout", "arrays", "page")}
    template = (static / "page.html").read_text(encoding="utf-8")
    return filled(template, graph.title or "graph", page_data(graph), **parts)


def page_data(graph: Graph) -> dict[str, Any]:
    """Data for the page's script: boxes, modules and links, the steps of backward, and the arrays."""
    options = {**OPTIONS, **graph.options}
    merged = bool(options["repeats"])  # else each call is drawn, and is not marked ×2
    seen = view(graph, None, merged, options["parameters"], limit=len(graph.vertices) + 1)
    faces = Faces(graph, seen, {**options, "values": False})
    names = {place: f"n{i}" for i, place in enumerate(seen.boxes)}
    box_of = {vertex.id: names[box.id] for box in seen.boxes.values() for vertex in box.vertices}
    modules = {scope.id: f"m{i}" for i, scope in enumerate(seen.clusters)}
    calls = [
        {
            "id": modules[scope.id], "parent": modules.get(scope.parent, ""), "name": scope.name, "path": scope.path, "class": scope.kind,
            "in": scope.inputs, "out": scope.outputs, "parameters": scope.parameters, "repeats": scope.repeats if merged and not scope.same_as else 1,
        }
        for scope in seen.clusters
    ]  # fmt: skip
    maths: dict[str, str] = {}  # MathML -> the key under which the page is given it
    boxes = [_box(box, faces, names, modules, maths) for box in seen.boxes.values()]
    links = []
    for link in seen.links:
        gradient = next((e.gradient for e in link.edges if e.gradient), None)
        known = {
            "from": names[link.source], "to": names[link.target], "shape": shape_text(link.edges[0].shape),
            "arguments": list(dict.fromkeys(e.argument for e in link.edges if e.argument)),
            "flows": any(e.differentiable for e in link.edges),
        }  # fmt: skip
        links.append(known | ({"norm": number(gradient["norm"]), "state": gradient["state"]} if gradient is not None else {}))
    by_id = {vertex.id: vertex for vertex in graph.vertices}
    steps = [{**_step(step, by_id[step["vertex"]]), "box": box_of[step["vertex"]]} for step in graph.steps if step["vertex"] in box_of]
    levels = None if options["depth"] == "auto" else options["depth"]
    about = {"title": graph.title, "ops": sum(v.kind == "op" for v in graph.vertices), "kept": graph.kept_bytes, "depth": levels}
    about["auto"] = options["depth"] == "auto"
    about["direction"] = options["direction"]
    about["states"] = {state: tint for state, (tint, _) in STATES.items()}
    legend = [*faces.families(), *([FAMILIES["module"]] if calls else [])] if options["legend"] else []
    pieces = _pieces(seen, names, boxes)
    return {
        **about, "legend": legend, "boxes": boxes, "links": links, "modules": [*calls, *pieces], "steps": steps, "maths": {key: text for text, key in maths.items()},
        "arrays": dict(graph.arrays),
    }  # fmt: skip


def _pieces(seen: View, names: dict[str, str], boxes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pieces for modules with many boxes side by side: each box's ``module`` becomes its piece, which is listed like a module."""
    inside: dict[str, list[dict[str, Any]]] = {}
    by_name = {names[box.id]: box for box in seen.boxes.values()}
    for box in boxes:
        if box["kind"] == "op":
            inside.setdefault(box["module"], []).append(box)
    found: list[dict[str, Any]] = []
    for module, members in inside.items():
        if len(members) <= PIECE * 1.5:
            continue
        count = min(-(-len(members) // PIECE), PIECES)
        for i in range(count):
            part = members[i * len(members) // count : (i + 1) * len(members) // count]
            ops = [vertex for box in part for vertex in by_name[box["id"]].vertices]
            piece = {"id": f"p{len(found)}", "parent": module, "name": "", "path": "", "class": "", "ops": len(ops), "in": [], "out": []}
            found.append({**piece, "parameters": 0, "repeats": 1, "lines": describe_stretch(ops)})
            for box in part:
                box["module"] = piece["id"]
    module_of = {box["id"]: box["module"] for box in boxes}
    users: dict[str, set[str]] = {}
    for link in seen.links:
        users.setdefault(names[link.source], set()).add(module_of[names[link.target]])
    pieces = {piece["id"]: piece["parent"] for piece in found}
    for box in boxes:  # what the user gave no name stands beside the ops that use it
        place = users.get(box["id"], set())
        if box["kind"] not in ("op", "input", "output") and box["name"] == box["kind"] and len(place) == 1:
            (piece_id,) = place
            if pieces.get(piece_id) == box["module"]:
                box["module"] = piece_id
    return found


def _box(box: Box, faces: Faces, names: dict[str, str], modules: dict[str, str], maths: dict[str, str]) -> dict[str, Any]:
    """What the page knows of a box: its label, what it is found by, and the details."""
    vertex = box.vertex
    assert vertex is not None
    own = "" if vertex.family == "custom" else vertex.op  # a user's op may have any name
    expression = with_number(vertex, faces.operand(vertex))
    static = [expression] if expression else [f"{name} {value}" for name, value in vertex.static.items()]
    shapes = [shape_text(s) for s in vertex.shapes]
    known: dict[str, Any] = {
        "id": names[box.id], "module": modules.get(box.cluster, ""), "name": vertex.name, "kind": vertex.kind, "op": vertex.op, "within": vertex.within,
        "fill": colour(family_of(box)), "static": [with_minus(text) for text in static], "shapes": shapes, "dtypes": vertex.dtypes, "bytes": vertex.bytes,
    }  # fmt: skip
    if box.inside is not None:
        known["inside"] = {"name": box.inside.name, "path": box.inside.path, "class": box.inside.kind, "parameters": box.inside.parameters}
        if faces.options["repeats"] and box.inside.repeats > 1 and not box.inside.same_as:
            known["repeats"] = box.inside.repeats
    if len(shapes) > 1:
        known["used"] = faces.results_used(vertex)
    if LIKE.get(vertex.family, vertex.family) in ("elementwise", "activation", "dropout"):
        known["cellwise"] = True
    if hidden := faces.hidden(box):
        known["tensors"] = [{"name": faces.by_id[e.source].name, "argument": e.argument, "shape": shape_text(e.shape)} for e in hidden]
        for tensor, e in zip(known["tensors"], hidden, strict=True):
            if e.gradient is not None:
                tensor["norm"] = number(e.gradient["norm"])
    if vertex.keeps:
        known["keeps"] = [{**k, "shape": shape_text(k["shape"])} for k in vertex.keeps]
    if vertex.formulas:
        known["formulas"], known["slopes"] = vertex.formulas, {}
        for argument, text in vertex.formulas.items():
            if found := slope(own, argument, text):
                known["slopes"][argument] = maths.setdefault(found, f"d{len(maths)}")
    if own in FORWARD:
        known["math"] = notation(FORWARD[own])
    if vertex.gradient is not None:
        known["gradient"] = {"norm": number(vertex.gradient["norm"]), "state": vertex.gradient["state"]}
        if vertex.gradient.get("value") and not any(vertex.shapes):  # a scalar, with its sign
            known["gradient"]["signed"] = with_minus(vertex.gradient["value"])
    if vertex.arrays:
        known["arrays"] = vertex.arrays
    if vertex.value:
        known["value"] = with_minus(vertex.value)
    if vertex.line:
        known["line"] = vertex.line
    return known


def _step(step: dict[str, Any], vertex: Vertex) -> dict[str, Any]:
    outgoing = []
    for o in step["outgoing"]:
        text = vertex.formulas.get(o["argument"], "")
        outgoing.append(
            {"argument": o["argument"], "place": o["place"], "formula": text, "array": o.get("array", ""), "norm": number(o["norm"])}
        )
    return {"arrays": step.get("arrays", []), "kept": list(step["kept"]), "outgoing": outgoing}
