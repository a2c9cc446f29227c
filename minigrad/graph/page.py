"""The interactive page: one HTML file with the graph, its style, and Graphviz itself (compiled to WebAssembly), for any browser.

The page needs no network. It can zoom and pan, fold and unfold modules by a click, show details of the op under the pointer, search by
name, show the paths between two boxes, use dark colours, and go through backward step by step.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from minigrad.files.html import filled
from minigrad.graph.dot import FAMILIES, OPTIONS, STATES, Faces, number, scope_label, shape_text
from minigrad.graph.model import Graph, Vertex
from minigrad.graph.view import Box, view
from minigrad.tree import bytes_text

MOST = 600  # largest number of boxes that a browser lays out at once
OPEN = 60  # a page with at most this many boxes starts unfolded


def page(graph: Graph) -> str:
    """``graph`` as the text of an HTML page."""
    static = resources.files("minigrad.graph") / "static"
    template = (static / "page.html").read_text(encoding="utf-8")
    engine = (static / "viz-global.js").read_text(encoding="utf-8")
    return filled(template, graph.title or "graph", page_data(graph), engine=engine)


def page_data(graph: Graph) -> dict[str, Any]:
    """Data for the page's script: boxes, modules and links with labels and styles, ready for layout, and the steps of backward."""
    options = {**OPTIONS, **graph.options}
    seen = view(graph, None, options["repeats"] is not False, options["parameters"], min(options["limit"], MOST))
    faces = Faces(graph, seen, options)
    names = {place: f"n{i}" for i, place in enumerate(seen.boxes)}
    modules = {scope.id: f"m{i}" for i, scope in enumerate(seen.clusters)}
    boxes = []
    box_of = {}
    for box in seen.boxes.values():
        label, look, _ = faces.face(box)
        for vertex in box.vertices:
            box_of[vertex.id] = names[box.id]
        boxes.append(
            {
                "id": names[box.id],
                "module": modules.get(box.cluster, ""),
                "name": _name(box),
                "label": label,
                "look": look,
                "facts": _facts(box),
            }
        )
    links = []
    for link in seen.links:
        gradient = next((e.gradient for e in link.edges if e.gradient), None)
        label = ""
        if gradient is not None:
            label += f"\n‖g‖ {number(gradient['norm'])}" + (
                f" {STATES[gradient['state']][1]}" if gradient["state"] not in ("", "nan", "inf") else ""
            )
        flows = any(e.differentiable for e in link.edges)
        links.append(
            {
                "from": names[link.source],
                "to": names[link.target],
                "label": label.strip(),
                "flows": flows,
                "colour": STATES.get((gradient or {}).get("state", ""), ("", ""))[0],
            }
        )
    level: dict[str, int] = {"": 0}
    calls = []
    for scope in seen.clusters:
        level[scope.id] = level[scope.parent] + 1
        facts = [["class", scope.kind], ["path", scope.path], ["in", ", ".join(scope.inputs)], ["out", ", ".join(scope.outputs)]]
        facts.append(["parameters", f"{scope.parameters:,}" if scope.parameters else ""])
        folded = level[scope.id] > options["depth"] if options["depth"] not in (None, "auto") else len(boxes) > OPEN and level[scope.id] > 1
        name, parent = scope.path or scope.name, modules.get(scope.parent, "")
        known = {
            "id": modules[scope.id],
            "parent": parent,
            "name": name,
            "label": scope_label(scope),
            "box": scope_label(scope, folded=True),
        }
        calls.append({**known, "facts": [f for f in facts if f[1]], "folded": folded})
    by_id = {vertex.id: vertex for vertex in graph.vertices}
    steps = [{**_step(step, by_id), "box": box_of[step["vertex"]]} for step in graph.steps if step["vertex"] in box_of]
    legend = [*faces.families(), *([FAMILIES["module"]] if calls else [])]
    about = {"title": graph.title, "summary": repr(graph)[1:-1], "direction": options["direction"], "legend": legend}
    return {**about, "boxes": boxes, "links": links, "modules": calls, "steps": steps}


def _name(box: Box) -> str:
    if box.vertex is None:
        return f"{len(box.vertices)} ops"
    where = box.inside.path if box.inside is not None else ""
    return f"{where} {box.vertex.name}".strip()


def _facts(box: Box) -> list[list[str]]:
    """The details of a box that the page shows, as pairs of name and text."""
    if box.vertex is None:
        return [["ops", f"{len(box.vertices):,}"]]
    vertex = box.vertex
    facts = [
        ["kind", vertex.kind if vertex.kind != "op" else f"op ({vertex.family})"],
        ["by the op", vertex.op if vertex.op != vertex.name else ""],
        ["module", box.inside.path if box.inside else vertex.scope],
    ]
    for shape, dtype, count in zip(vertex.shapes, vertex.dtypes, vertex.bytes, strict=True):
        facts.append(["result" if vertex.kind == "op" else "value", f"{shape_text(shape)} {dtype}, {bytes_text(count)}"])
    facts.append(["numbers", vertex.value])
    facts += [[name, value] for name, value in vertex.static.items()]
    for kept in vertex.keeps:
        held = "shared" if kept["shared"] else bytes_text(kept["bytes"])
        facts.append(["keeps", f"{kept['name']} {shape_text(kept['shape'])} ({held})"])
    facts += [[f"∂{name}", text] for name, text in vertex.formulas.items()]
    if vertex.gradient is not None:
        facts.append(["gradient", f"norm {number(vertex.gradient['norm'])} {vertex.gradient['state']}".strip()])
    facts.append(["made at", vertex.line])
    return [fact for fact in facts if fact[1]]


def _step(step: dict[str, Any], by_id: dict[str, Vertex]) -> dict[str, Any]:
    vertex = by_id[step["vertex"]]
    outgoing = [
        {"argument": o["argument"], "formula": vertex.formulas.get(o["argument"], ""), "value": o["value"], "norm": number(o["norm"])}
        for o in step["outgoing"]
    ]
    return {"op": vertex.name, "incoming": step["incoming"], "kept": step["kept"], "outgoing": outgoing}
