"""The interactive page in a browser, if one is installed: it loads, folds, searches, shows paths and steps through backward."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("graphviz", reason="pictures are written with graphviz: pip install 'minigrad-nn[graph]'")

import browser
from browser import in_browser

import minigrad as mg
from minigrad import graph, nn
from minigrad.graph.page import page_data


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.Tanh()))
        self.side = nn.Linear(4, 2)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.body(x)) + self.side(x)


def drawn(**options):
    mg.manual_seed(0)
    return graph.draw(Net(), mg.ones(1, 4), backward=True, title="a </script><script>x & y", **options)


def test_what_the_page_is_given():
    data = page_data(drawn(depth=1))
    assert {m["name"]: m["folded"] for m in data["modules"]} == {"Net": False, "body": True, "body.1": True}
    assert [s["op"] for s in data["steps"]] == ["add", "linear", "linear", "tanh", "linear", "linear"]
    step = data["steps"][3]
    assert step["outgoing"][0]["formula"] == "def _tanh_input(g, out):\n    return g * (1.0 - out * out)"
    facts = dict(next(b for b in data["boxes"] if b["name"].endswith("tanh"))["facts"])
    assert facts["keeps"] == "out 1×8 (32 B)"
    assert "test_page.py" in facts["made at"]


def test_the_page_is_one_file_that_asks_nobody():
    text = drawn().html
    assert "a &lt;/script&gt;" in text
    assert text.count("<script") == 3  # the data, the layout engine, the page
    assert not re.search(r"""<(?:script|img|iframe)[^>]*\bsrc=|<link\b""", text)
    assert len(text) < 2_000_000


def act(tmp_path, actions: str, **options):
    """What ``actions`` return in the page, with the functions that they use."""
    known = """
      const ready = n => new Promise(done => {
        const look = () => Number(document.body.dataset.drawn || 0) >= n ? done() : setTimeout(look, 20);
        look();
      });
      const titles = () => [...svg.querySelectorAll("g.node")].map(n => n.querySelector("text").textContent);
      const node = name => data.boxes.find(b => b.name === name).id;
      const press = (id, shift = false) =>
        document.getElementById(id).dispatchEvent(new MouseEvent("click", {bubbles: true, shiftKey: shift}));
      await ready(1);"""
    return browser.act(drawn(**options).html, known + actions, tmp_path)


@in_browser
def test_it_loads_and_folds(tmp_path):
    before, folded, after = act(
        tmp_path,
        """const before = titles(), m = data.modules.find(m => m.name === "body.1").id;
        press(m); await ready(2); const folded = titles();
        press(m); await ready(3); return [before, folded, titles()];""",
    )
    assert sorted(before) == ["add", "linear", "linear", "linear", "linear", "output", "tanh", "x"]
    assert sorted(folded) == ["1", "add", "linear", "linear", "linear", "output", "x"]
    assert sorted(after) == sorted(before)


@in_browser
def test_it_searches_and_reveals(tmp_path):
    hits, message, shown = act(
        tmp_path,
        """const box = document.getElementById("search");
        box.value = "head"; box.dispatchEvent(new Event("input"));
        const hits = [...svg.querySelectorAll("g.node.hit")].map(n => boxes.get(n.id).name);
        box.value = "nobody"; box.dispatchEvent(new Event("input"));
        const message = document.getElementById("message").textContent;
        box.value = "tanh"; box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"})); await ready(2);
        return [hits, message, titles()];""",
        depth=1,
    )
    assert hits == ["head linear"]
    assert message == "nothing has that name"
    assert "tanh" in shown


@in_browser
def test_it_shows_ways_details_and_the_dark(tmp_path):
    way, facts, dark, zoomed, dragged, legend = act(
        tmp_path,
        """press(node("x")); press(node("side linear"), true);
        const way = [...svg.querySelectorAll("g.node.hit")].map(n => boxes.get(n.id).name);
        document.getElementById(node("head linear")).dispatchEvent(new PointerEvent("pointerenter"));
        const facts = document.getElementById("details").textContent, was = document.documentElement.classList.contains("dark");
        document.getElementById("look").click();
        const dark = document.documentElement.classList.contains("dark") !== was, old = svg.style.transform;
        document.getElementById("stage").dispatchEvent(new WheelEvent("wheel", {deltaY: -200, clientX: 300, clientY: 300}));
        const zoomed = svg.style.transform !== old, stage = document.getElementById("stage"), before = [left, top_];
        stage.dispatchEvent(new PointerEvent("pointerdown", {clientX: 300, clientY: 300}));
        dispatchEvent(new PointerEvent("pointermove", {clientX: 340, clientY: 290}));
        dispatchEvent(new PointerEvent("pointerup", {}));
        dispatchEvent(new PointerEvent("pointermove", {clientX: 900, clientY: 900}));
        const legend = [...document.querySelectorAll("#legend li")].map(li => li.textContent);
        return [way, facts, dark, zoomed, [left - before[0], top_ - before[1]], legend];""",
    )
    assert sorted(way) == ["side linear", "x"]
    assert "1×2 float32, 8 B" in facts and "∂weight" in facts
    assert dark and zoomed
    assert dragged == [40, -10]
    assert legend == ["matrices", "activation", "elementwise", "input", "module, folded"]


@in_browser
def test_it_steps_through_backward(tmp_path):
    first, fourth, marked, last = act(
        tmp_path,
        """const next = document.getElementById("next"), step = document.getElementById("step");
        next.click(); const first = step.textContent;
        next.click(); next.click(); next.click(); const fourth = step.textContent;
        const marked = [...svg.querySelectorAll("g.node.now")].map(n => boxes.get(n.id).name);
        for (let i = 0; i < 9; i++) next.click();
        return [first, fourth, marked, document.getElementById("place").textContent];""",
        depth=1,
    )
    assert first.startswith("add") and "[[0., 1.]]" in first  # the larger of two scores
    assert "tanh" in fourth and "g * (1.0 - out * out)" in fourth and "out, the result, kept" in fourth
    assert marked == ["1 tanh"] or marked == ["body.1.1 tanh"]
    assert last == "6 of 6"
