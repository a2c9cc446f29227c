"""Labels of a drawn picture that an arrow or a frame crosses: what Graphviz places beside an arrow or in a frame's head is not kept clear of others."""

from __future__ import annotations

import html
import re

import numpy as np

GROUP = re.compile(r'<g id="[^"]*" class="(edge|cluster)">\s*<title>(.*?)</title>(.*?)(?=<g id="[^"]*" class=|\Z)', re.DOTALL)
TEXT = re.compile(r"<text ([^>]*)>[^<]*\S[^<]*</text>")
STEPS = 40  # points of a curve that are looked at


def crossed(svg: str) -> set[str]:
    """The titles of the arrows (``n1->n2``) and frames whose label is crossed, in an SVG of :func:`minigrad.graph.render.render`."""
    labels: list[tuple[str, tuple[float, float, float, float]]] = []
    ways: list[np.ndarray] = []
    for kind, title, group in GROUP.findall(svg):
        for found in TEXT.finditer(group):
            if box := _box(found[1]):
                labels.append((html.unescape(title), box))
        for path in re.findall(r'<path [^>]*\bd="([^"]*)"', group):
            points = np.array(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path), dtype=float).reshape(-1, 2)
            ways.append(_curve(points) if kind == "edge" else _outline(points))
    if not labels or not ways:
        return set()
    places = np.concatenate(ways)
    return {title for title, (x0, y0, x1, y1) in labels if _any_inside(places, x0, y0, x1, y1)}


def _any_inside(places: np.ndarray, x0: float, y0: float, x1: float, y1: float) -> bool:
    x, y = places.T
    return bool(((x > x0) & (x < x1) & (y > y0) & (y < y1)).any())


def _box(text: str) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a text, without the margin around its letters."""
    said = dict(re.findall(r'([\w-]+)="([^"]*)"', text))
    wide, high = float(said.get("textLength", 0)), float(said.get("font-size", 14))
    if not wide:
        return None
    left = float(said["x"]) - (wide / 2 if said.get("text-anchor") == "middle" else 0)
    return left + 1, float(said["y"]) - 0.72 * high, left + wide - 1, float(said["y"]) + 0.12 * high


def _curve(points: np.ndarray) -> np.ndarray:
    """Points of a path of cubic Bézier curves, each of which begins where the one before ends."""
    t = np.linspace(0, 1, STEPS)[:, None]
    parts = [points[i : i + 4] for i in range(0, len(points) - 3, 3)]
    return np.concatenate(
        [(1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d for a, b, c, d in parts] or [points]
    )


def _outline(points: np.ndarray) -> np.ndarray:
    """Points of a frame's four sides."""
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    across, down = np.arange(x0, x1, 4.0), np.arange(y0, y1, 4.0)
    sides = [np.stack([across, np.full_like(across, y)], 1) for y in (y0, y1)] + [
        np.stack([np.full_like(down, x), down], 1) for x in (x0, x1)
    ]
    return np.concatenate(sides)
