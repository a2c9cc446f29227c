"""The gallery of docs/graphs.md: each picture is drawn and contains its texts, and the page shows all of them."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("graphviz", reason="pictures are written with graphviz: pip install 'minigrad-nn[graph]'")

from minigrad.graph import render

SCRIPT = Path(__file__).parents[2] / "docs" / "draw_gallery.py"
pytestmark = [
    pytest.mark.skipif(not SCRIPT.exists(), reason="the pages are not beside the tests (an installed wheel is tested)"),
    pytest.mark.skipif(not render.engines("svg"), reason="no Graphviz here: pip install pygraphviz"),
]
PICTURES = runpy.run_path(str(SCRIPT))["PICTURES"] if SCRIPT.exists() else {}

SAID = {
    "scalar": ["tanh", "∂ tanh", "= 0.5", "keeps out scalar"],
    "values": ["tanh", "= 0.2449", "∂ 0.4898"],
    "mlp": ["0.weight", "16×4", "8×16", "matrices"],
    "mlp_backward": ["∂ linear", "keeps input 8×4", "weight 16×16"],
    "lenet5": ["max_pool", "kernel 2, stride 2", "padding 2", "bias (84)", "1×16×5×5", "61,706 parameters"],
    "lenet5_folded": ["features", "classifier", "1×1×28×28 → 1×16×5×5", "59,134 parameters"],
    "inception": ["cat", "three", "five", "1×56×14×14"],
    "resnet50": ["layer4", "Sequential", "2×1024×4×4 → 2×2048×2×2", "14,964,736 parameters"],
    "googlenet": ["inception5b", "ConvBNReLU", "2×832×2×2 → 2×1024×2×2"],
    "resnet56_folded": ["0 ×9", "1 ×8", "4,672 parameters each"],
    "resnet56": ["batch_norm", "layer3", "0 ×9", "2×64×8×8"],
    "second_order": ["tanh", "d²y/dx²", "= −0.7269"],
    "custom_op": ["leaky", "slope 0.2", "your own op", "∂ leaky"],
    "exploding": ["infinite", "NaN", "exploding"],
}


def test_every_picture_is_on_the_page():
    page = (SCRIPT.parent / "graphs.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"graphs/(\w+)\.svg", page)) == sorted(PICTURES) == sorted(SAID)


def overlaps(svg: ET.Element) -> list[tuple[str, str]]:
    """Pairs of boxes that share some of the page."""
    places = {}
    name = "{http://www.w3.org/2000/svg}"
    for group in svg.iter(f"{name}g"):
        if group.get("class") == "node":
            numbers = [float(n) for e in group.iter() for n in re.findall(r"-?\d+\.?\d*", e.get("d") or e.get("points") or "")]
            if numbers:
                places[group.get("id")] = (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
    items = list(places.items())
    return [
        (a, b)
        for i, (a, p) in enumerate(items)
        for b, q in items[i + 1 :]
        if not (p[2] <= q[0] or q[2] <= p[0] or p[3] <= q[1] or q[3] <= p[1])
    ]  # fmt: skip


def said(svg: ET.Element) -> list[str]:
    return ["".join(e.itertext()) for e in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_the_readme_shows_the_picture_that_its_code_draws():
    code = "\n".join(re.findall(r"```python\n(.*?)```", (SCRIPT.parents[1] / "README.md").read_text(encoding="utf-8"), re.DOTALL))
    scope: dict = {}
    exec(code[: code.index("\n", code.index("graph.draw("))], scope)
    kept = ET.parse(SCRIPT.parent / "images" / "cnn.svg").getroot()
    words = [
        [text for text in said(svg) if "‖g‖" not in text] for svg in (kept, ET.fromstring(scope["g"].svg))
    ]  # norms differ from machine to machine
    assert sorted(words[0]) == sorted(words[1])


def test_pictures_are_small():
    large = [path.name for path in (SCRIPT.parent / "images").rglob("*.svg") if path.stat().st_size >= 100_000]
    assert not large


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture(name):
    svg = ET.fromstring(PICTURES[name]().svg)
    texts = said(svg)
    missing = [words for words in SAID[name] if not any(words in text for text in texts)]
    assert not missing, texts
    assert not overlaps(svg)
    kept = ET.parse(SCRIPT.parent / "images" / "graphs" / f"{name}.svg").getroot()
    assert sorted(said(kept)) == sorted(texts), "python docs/draw_gallery.py draws it anew"
