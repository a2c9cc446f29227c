"""The interactive page in a browser, if one is installed: layout, folding, search, paths, keys, and the steps with their numbers."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("graphviz", reason="pictures are written with graphviz: pip install 'minigrad-nn[graph]'")

import browser
from browser import in_browser

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import graph, nn
from minigrad.graph.mathematics import mathml, slope
from minigrad.graph.page import PIECES, page_data


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


def chain(n):
    x = y = mg.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(n // 2):
        y = (y * x).tanh()
    return y


def test_what_the_page_is_given():
    data = page_data(drawn(depth=1))
    assert [m["name"] for m in data["modules"]] == ["Net", "body", "1"] and data["depth"] == 1
    boxes = {b["id"]: b for b in data["boxes"]}
    assert [boxes[s["box"]]["name"] for s in data["steps"]] == ["add", "linear", "linear", "tanh", "linear", "linear"]
    step = data["steps"][3]
    assert step["outgoing"][0]["formula"] == "def _tanh_input(g, out):\n    return g * (1.0 - out * out)"
    tanh = next(b for b in data["boxes"] if b["name"] == "tanh")
    assert data["maths"][tanh["slopes"]["input"]].startswith("<math><mi>g</mi><mo>·</mo>")
    assert tanh["keeps"][0]["name"] == "out" and tanh["keeps"][0]["bytes"] == 32
    assert "test_page.py" in tanh["line"]
    linear = next(b for b in data["boxes"] if b["name"] == "linear")
    assert [(t["argument"], t["name"]) for t in linear["tensors"]] == [("weight", "body.0.weight"), ("bias", "body.0.bias")]


def test_many_boxes_side_by_side_are_put_into_pieces():
    data = page_data(graph.draw(chain(2000)))
    pieces = [m for m in data["modules"] if m.get("ops")]
    assert len(pieces) == PIECES and sum(p["ops"] for p in pieces) == 2000
    assert {b["module"] for b in data["boxes"] if b["kind"] == "op"} == {p["id"] for p in pieces}


def test_formulas_as_mathematics():
    assert mathml("lambda g, x: g / (2 * sqrt(x))") == (
        "<math><mfrac><mrow><mi>g</mi></mrow><mrow><mn>2</mn><mo>·</mo><mrow><msqrt><mi>x</mi></msqrt></mrow></mrow></mfrac></math>"
    )
    assert "<msup><mi>e</mi>" in mathml("lambda g, x: g * exp(x)") and "<mtable>" in mathml("lambda g, x: where(x > 0, g, 0)")
    text = slope("conv", "x", "lambda g, w, x_shape, window: conv_input(g, w, shape=x_shape, window=window)")
    assert "conv_input" not in text and "<mo>Σ</mo>" in text  # no name of the source
    assert re.sub("<[^>]+>", "", slope("relu", "input", "lambda g, out: relu_input(g, out)")) == "g·[y&gt;0]"
    assert mathml("def f(g):\n    y = g\n    return y") == "" == mathml("lambda g: (")


class Losing(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return F.cross_entropy(self.net(x), mg.tensor([1] * len(x)))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")

    def forward(self, index):
        return self.layer(self.words(index)).mean()


MODELS = {
    "LeNet": lambda: (Losing(nn.models.LeNet5()), mg.randn(2, 1, 28, 28)),
    "ResNet-18": lambda: (Losing(nn.models.resnet18()), mg.randn(2, 3, 32, 32)),
    "ResNet-18 in use": lambda: (Losing(nn.models.resnet18()).eval(), mg.randn(1, 3, 32, 32)),
    "GoogLeNet": lambda: (Losing(nn.models.googlenet(aux_logits=False)), mg.randn(2, 3, 32, 32)),
    "transformer": lambda: (Encoder(), mg.tensor([[1, 2, 3]])),
    "LSTM": lambda: (nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True), mg.randn(2, 4, 3)),
    "GRU": lambda: (nn.GRU(3, 4), mg.randn(4, 2, 3)),
    "RNN": lambda: (nn.RNN(3, 4), mg.randn(4, 2, 3)),
}
SPOKEN = {"log", "max", "mean", "tanh", "else"}  # what a textbook writes too


@pytest.mark.parametrize("name", MODELS)
def test_each_op_of_the_models_has_its_formula_and_gradients_as_mathematics(name):
    mg.manual_seed(0)
    model, x = MODELS[name]()
    data = page_data(graph.draw(model, x, backward=True))
    boxes = {b["id"]: b for b in data["boxes"]}
    lacking = {b["op"] for b in boxes.values() if b["kind"] == "op" and "math" not in b}
    assert not lacking
    slopes = {
        (b["op"], o["argument"]): b["slopes"].get(o["argument"]) for s in data["steps"] for b in [boxes[s["box"]]] for o in s["outgoing"]
    }
    assert slopes and not [key for key, math in slopes.items() if math is None]
    told = {key: data["maths"][math] for key, math in slopes.items()}
    assert not [key for key, math in told.items() if "<mtext>" in math.replace("<mtext>else</mtext>", "")]
    operands = {
        b["op"]: {name for name, _ in b["arrays"]["operands"]} | {*b["slopes"], "bias"} for b in boxes.values() if b["kind"] == "op"
    }
    told |= {(b["op"], ""): b["math"] for b in boxes.values() if b["kind"] == "op"}
    words = {(op, word) for (op, _), math in told.items() for word in re.findall(r"<mi>([a-z]\w+|[abwx])</mi>", math)}
    assert not [(op, word) for op, word in words if word not in SPOKEN | operands[op]], words  # arguments have one name everywhere


@in_browser
def test_every_layer_of_lenet_writes_its_sums_out(tmp_path):
    """Its first linear layer has 48,000 weights; what is larger than the page carries says so in one line."""
    mg.manual_seed(0)
    wrong, counted, sums = act(
        tmp_path,
        """const wrong = [], sums = []; let counted = 0;
        const check = (all, explain, name) => { for (const i of [0, all.length - 1]) { const o = explain(i); counted++; if (!o || !o.sum || Math.abs(o.total - all[i]) > 1e-4 * (1 + Math.abs(all[i]))) wrong.push(name + JSON.stringify(o && o.lost)); else sums.push(o.sum); } };
        for (const b of data.boxes) if (isOp(b)) check(numbersOf(b.arrays.results[0]), i => origin(b, i), b.name);
        for (const s of data.steps) { const b = boxes.get(s.box); for (const o of s.outgoing) check(numbersOf(o.array), i => gradientOrigin(b, s, o, i), `${b.name} ∂${o.argument}`); }
        return [wrong, counted, sums];""",
        graph.draw(Losing(nn.models.LeNet5()), mg.randn(1, 1, 28, 28), backward=True),
    )
    assert wrong == [] and counted > 60
    assert not [text for text in sums if "-" in text]  # one sign for minus


@in_browser
def test_of_an_array_that_is_too_large_the_page_says_so(tmp_path):
    mg.manual_seed(0)
    told, header = act(
        tmp_path,
        """walkTo(1); document.querySelector("#panel table button, #panel canvas.pick").dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: document.querySelector("#panel canvas.pick").getBoundingClientRect().left + 1, clientY: document.querySelector("#panel canvas.pick").getBoundingClientRect().top + 1}));
        return [[...document.querySelectorAll("#panel .hint")].map(h => h.textContent), at("summary").textContent + " | " + [...world.querySelectorAll("g.node text")].map(t => t.textContent).join(" ")];""",
        graph.draw(nn.Linear(300, 300), mg.ones(1, 300), backward=True),
    )
    assert "weight (300×300): too large for this page, so the sum cannot be written out" in told
    assert header.startswith("1 op, ") and "Linear Linear" not in header


@in_browser
def test_what_fits_at_no_level_opens_in_more_than_one_box(tmp_path):
    """As near as it comes to fitting, in type that can be read: it runs down the stage."""
    for model, args in ((Wide(), [mg.ones(2, 6)]), (nn.LSTM(8, 16, num_layers=3, bidirectional=True), [mg.ones(5, 2, 8)])):
        size, shown, wide, room = act(
            tmp_path,
            """const sizes = [...world.querySelectorAll("text")].map(t => t.getAttribute("font-size") * zoom);
            return [Math.min(...sizes), nodes().length, lay.w * zoom, room()[0]];""",
            graph.draw(model, *args, depth="auto"),
        )
        assert size >= 12 and shown > 40 and wide <= room + 1


@in_browser
def test_a_nested_model_opens_at_the_level_that_fits(tmp_path):
    """The module that holds everything is no level to see."""
    model = nn.Sequential(Branches())
    wide, high, shown, phone = (
        *act(tmp_path, "return [lay.w * zoom / room()[0], lay.h * zoom / room()[1], nodes().length];", graph.draw(model, mg.ones(2, 8), backward=True)),
        act(tmp_path, "return nodes().length;", graph.draw(model, mg.ones(2, 8), backward=True), (390, 844)),
    )  # fmt: skip
    assert wide <= 1 and high <= 1 and shown >= 6 and phone >= 6


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Linear(8, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)
            )
            for _ in range(4)
        )

    def forward(self, x):
        return sum(branch(x) for branch in self.branches)


class Wide(nn.Module):
    """Some forty ops in branches of one module: more than a window shows."""

    def forward(self, x):
        return sum(mg.tanh(mg.sin(x * i) + i).sum(1) * (x[:, i] if i % 2 else x.mean()) for i in range(6))


@in_browser
@pytest.mark.parametrize("name", ["LeNet", "LSTM", "LSTM of two layers"])
def test_turned_it_is_as_wide_as_the_stage(tmp_path, name):
    """Rows end at the stage's edge; what one result sends to the next row goes there as one line."""
    mg.manual_seed(0)
    lstm = {"LSTM": nn.LSTM(8, 16), "LSTM of two layers": nn.LSTM(8, 16, num_layers=2)}
    picture = graph.draw(*(MODELS[name]() if name == "LeNet" else (lstm[name], mg.ones(5, 2, 8))), backward=True)
    wide, high, room, detours, rows = act(
        tmp_path,
        """if (sideways) at("turn").click(); folded.clear(); at("turn").click();
        const rows = new Map(), lines = new Set(lay.segments.filter(s => s.square).map(s => s.points.slice(1, 4).join()));
        for (const r of lay.places.values()) { const y = Math.round((r.y + r.h / 2) / 40); rows.set(y, (rows.get(y) || 0) + 1); }
        return [lay.w, lay.h, room(), lines.size, Math.max(...rows.values())];""",
        picture,
    )
    assert wide <= room[0] and rows >= 3 and detours <= (12 if "two" in name else 6)
    assert high <= room[1] or "two" in name


def test_the_page_is_one_file_that_asks_nobody():
    text = drawn().html
    assert "a &lt;/script&gt;" in text
    assert text.count("<script") == 2  # the data, the page
    assert not re.search(r"""<(?:script|img|iframe)[^>]*\bsrc=|<link\b|https?://(?!www\.w3\.org)""", text)
    assert len(text) < 200_000


KNOWN = """
  const id = name => data.boxes.find(b => [b.inside && b.inside.path, b.name].filter(Boolean).join(" ") === name || b.name === name).id;
  const nodes = (extra = "") => [...world.querySelectorAll("g.node" + extra)].map(g => { const b = boxes.get(g.dataset.id); return b ? (b.inside ? b.inside.path + " " : "") + b.name : modules.get(g.dataset.id).path; }).sort();
  const tap = (id, shiftKey = false) => world.querySelector(`g[data-id="${id}"]`).dispatchEvent(new MouseEvent("click", {bubbles: true, shiftKey}));
  const key = (key, on = document.body) => on.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const type = text => { at("search").value = text; at("search").dispatchEvent(new Event("input")); };
  const module = path => data.modules.find(m => m.path === path).id;
"""
ALL = ["add", "body.0 linear", "body.1.0 linear", "body.1.1 tanh", "head linear", "output", "side linear", "x"]


def act(tmp_path, actions: str, picture=None, size=(1400, 900), **options):
    """What ``actions`` return in the page, with the functions that they use."""
    return browser.act((picture or drawn(**options)).html, KNOWN + actions, tmp_path, size)


@in_browser
def test_it_opens_at_a_readable_size_and_folds(tmp_path):
    before, type_size, inside, folded, merged, none, all_, turned = act(
        tmp_path,
        """const before = nodes(), stage = at("stage").getBoundingClientRect();
        const sizes = [...world.querySelectorAll("text")].map(t => parseFloat(t.getAttribute("font-size")) * zoom);
        const inside = [...world.querySelectorAll("g.node")].every(g => { const r = g.getBoundingClientRect(); return r.left >= stage.left && r.right <= stage.right && r.top >= stage.top && r.bottom <= stage.bottom; });
        tap(module("body")); const folded = nodes(), merged = lay.edges.size; at("fold").click(); const none = nodes(); at("unfold").click(); const all = nodes();
        const was = sideways; at("turn").click(); return [before, Math.min(...sizes), inside, folded, merged, none, all, was !== sideways];""",
    )  # fmt: skip
    assert before == ALL == all_
    assert type_size >= 12 and inside and turned
    assert folded == ["add", "body", "head linear", "output", "side linear", "x"] and merged == 6
    assert none == ["add", "body", "head linear", "output", "side linear", "x"]


@in_browser
def test_it_searches_names_classes_shapes_and_parameters_and_clears(tmp_path):
    hits, message, count, opened, cleared = act(
        tmp_path,
        """const hits = {};
        for (const word of ["head", "tanh", "Linear", "1x8", "side.bias"]) { type(word); hits[word] = nodes(".hit"); }
        type("nobody"); const message = at("hits").textContent; type("tanh"); const count = at("hits").textContent;
        setFolds(true); key("Enter", at("search")); const opened = nodes(".hit"); at("clear").click();
        return [hits, message, count, opened, [at("search").value, svg.classList.contains("some")]];""",
    )
    assert hits["head"] == ["head linear"] and hits["tanh"] == ["body.1.1 tanh"] and hits["side.bias"] == ["side linear"]
    assert hits["Linear"] == [name for name in ALL if "linear" in name] and hits["1x8"] == [
        "body.0 linear",
        "body.1.0 linear",
        "body.1.1 tanh",
    ]
    assert message == "nothing found" and count == "1 found"
    assert opened == ["body.1.1 tanh"] and cleared == ["", False]


@in_browser
def test_paths_details_keys_the_dark_and_two_languages(tmp_path):
    way, facts, dark, zoomed, dragged, legend, japanese, names, focus = act(
        tmp_path,
        """tap(id("x")); tap(id("side linear"), true); const way = nodes(".hit"); clearAll();
        tap(id("head linear")); const facts = at("panel").textContent; at("path").click(); tap(id("x")); const again = nodes(".hit").length; key("Escape");
        const was = document.documentElement.classList.contains("dark"); key("d"); const dark = document.documentElement.classList.contains("dark") !== was;
        const old = zoom; at("stage").dispatchEvent(new WheelEvent("wheel", {deltaY: -200, clientX: 300, clientY: 300})); const zoomed = zoom > old, before = [left, top_];
        at("stage").dispatchEvent(new PointerEvent("pointerdown", {clientX: 300, clientY: 300, pointerId: 1, bubbles: true}));
        dispatchEvent(new PointerEvent("pointermove", {clientX: 340, clientY: 290, pointerId: 1})); dispatchEvent(new PointerEvent("pointerup", {pointerId: 1}));
        dispatchEvent(new PointerEvent("pointermove", {clientX: 900, clientY: 900, pointerId: 1})); moved = false;
        const dragged = [left - before[0], top_ - before[1]], legend = [...at("legend").children].map(li => li.textContent);
        at("language").click(); const japanese = [document.documentElement.lang, at("fold").textContent, at("search").getAttribute("aria-label"), at("legend").firstChild.textContent]; at("language").click();
        const names = [...document.querySelectorAll("button, input, g.node, canvas")].filter(e => !(e.getAttribute("aria-label") || e.textContent.trim())).length;
        key("/"); const focus = [document.activeElement.id]; at("search").blur(); key("ArrowRight"); focus.push(current); key("f"); key("Enter", world.querySelector(`g[data-id="${module("body")}"]`)); focus.push(nodes().includes("body"));
        return [way.concat(again), facts, dark, zoomed, dragged, legend, japanese, names, focus];""",
    )
    assert way == ["side linear", "x", 5]
    assert "1×2 float32, 8 B" in facts and "head.weight 2×8" in facts and "∂weight" in facts and "test_page.py" in facts
    assert dark and zoomed and dragged == [40, -10]
    assert legend == [
        "matrices",
        "activation",
        "elementwise",
        "input",
        "module, folded",
        "∂ gradient that arrives: its norm, a scalar's value",
        "no gradient flows",
    ]
    assert japanese == ["ja", "すべて畳む", "検索", "行列"]
    assert names == 0 and focus == ["search", 1, True]


@in_browser
def test_a_phone_shows_type_of_a_readable_size_from_top_to_bottom(tmp_path):
    size, sideways, width = act(
        tmp_path, "return [Math.min(...[...world.querySelectorAll('text')].map(t => t.getAttribute('font-size') * zoom)), sideways, document.body.scrollWidth <= innerWidth];",
        size=(500, 844),
    )  # fmt: skip
    assert size >= 12 and not sideways and width


class Unrolled(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTMCell(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = c = mg.zeros(1, 4)
        for t in range(3):
            h, c = self.cell(x[t], (h, c))
        return self.head(h)


class Towers(nn.Module):
    """Six branches side by side, and sums that skip over layers: wider than a telephone at each level."""

    def __init__(self):
        super().__init__()
        self.towers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(6)])
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])

    def forward(self, x):
        states = [sum(tower(x) * 0.5 for tower in self.towers)]
        for layer in self.layers:
            states.append(nn.functional.relu(layer(sum(states))))
        return mg.cat(states, 1)


def second_order():
    x = mg.tensor(0.5, requires_grad=True)
    (first,) = mg.grad(mg.tanh(x * x), x, create_graph=True)
    (second,) = mg.grad(first, x, create_graph=True)
    return graph.draw(second, names={"x": x}, values=True)


WIDE = {
    "lstm": lambda: graph.draw(nn.LSTM(3, 4), mg.ones(3, 1, 3), backward=True),
    "unrolled": lambda: graph.draw(Unrolled(), mg.ones(3, 1, 3), backward=True),
    "transformer layer": lambda: graph.draw(
        nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), mg.ones(2, 5, 16), backward=True
    ),
    "second order": second_order,
    "cell": lambda: graph.draw(nn.LSTMCell(3, 4), mg.ones(2, 3), backward=True),
    "towers": lambda: graph.draw(Towers(), mg.ones(2, 4), backward=True),
}
LOOK = """const stage = at("stage").getBoundingClientRect(), nodes_ = [...world.querySelectorAll("g.node")].map(g => g.getBoundingClientRect()), frames_ = [...world.querySelectorAll("rect.area")].map(g => g.getBoundingClientRect());
    const small_ = [...document.querySelectorAll("aside *, header *, nav *, #legend *")].filter(e => e.childNodes.length && e.getClientRects().length).map(e => parseFloat(getComputedStyle(e).fontSize));
    const type_ = Math.min(...small_, ...[...world.querySelectorAll("text")].map(t => t.getAttribute("font-size") * zoom)), across = [...nodes_, ...frames_].every(r => r.left >= stage.left && r.right <= stage.right);
    const apart = nodes_.every((r, i) => nodes_.every((q, j) => j <= i || r.right <= q.left || q.right <= r.left || r.bottom <= q.top || q.bottom <= r.top));
"""


@in_browser
@pytest.mark.parametrize("name", WIDE)
def test_a_phone_needs_no_dragging_sideways(tmp_path, name):
    """The gradients stand below their boxes there, so that graphs of some columns fit; on a wide window they stand beside."""
    mg.manual_seed(0)
    picture = WIDE[name]()
    size, across, apart, below, upwards = act(
        tmp_path,
        LOOK
        + """const grads = [...world.querySelectorAll("g.node")].map(g => [g.querySelector("rect.body"), g.querySelector("text.grad")]).filter(p => p[1]).map(p => p.map(e => e.getBoundingClientRect()));
        const spot = id => lay.places.get(id), upwards = [...lay.edges.values()].filter(({a, b}) => spot(a).y + spot(a).h >= spot(b).y).map(({a, b}) => [a, b]);
        return [type_, across, apart, grads.length > 0 && grads.every(([box, text]) => text.top >= box.bottom - 1 && text.left >= box.left && text.right <= box.right), upwards];""",
        picture,
        (390, 844),
    )
    assert size >= 12 and across and apart and below and upwards == []


def sum_of_many():
    """Forty branches of leaves without names, which stand beside what uses them: in their pieces."""
    mg.manual_seed(0)
    return graph.draw(sum(mg.sin(mg.tensor(float(i), requires_grad=True) * i) for i in range(40)))


@in_browser
@pytest.mark.parametrize(
    "picture", [lambda: graph.draw(nn.models.googlenet(aux_logits=False), mg.zeros(2, 3, 32, 32)), sum_of_many], ids=["googlenet", "sum"]
)
def test_what_is_unfolded_on_a_phone_stays_on_its_stage(tmp_path, picture):
    before, after = act(
        tmp_path,
        """const look = () => { const stage = at("stage").getBoundingClientRect(), rects = [...world.querySelectorAll("g.node, rect.area")].map(g => g.getBoundingClientRect());
        return [rects.length, zoom >= 1 && rects.every(r => r.left >= stage.left && r.right <= stage.right)]; };
        const before = look(); at("unfold").click(); return [before, look()];""",
        picture(),
        (390, 844),
    )
    assert before[1] and after[1] and after[0] > 150 > before[0]


@in_browser
def test_the_legend_is_below_the_stage_where_the_page_is_embedded(tmp_path):
    legend, stage, walk, shown = act(
        tmp_path,
        """const rect = id => { const r = at(id).getBoundingClientRect(); return [r.top, r.bottom]; };
        return [rect("legend"), rect("stage"), rect("walk"), at("legend").children.length];""",
        size=(920, 736),
    )
    assert shown > 5 and stage[1] <= legend[0] + 0.5 < legend[1] <= walk[0] + 0.5


@in_browser
def test_the_legend_shows_dashes_wherever_they_stand(tmp_path):
    """A dashed border that begins between two pixels is drawn as one line: the sample is a pattern, two dashes and a gap wide."""
    width, high, border, pattern, printed = act(
        tmp_path,
        """const style = getComputedStyle(document.querySelector("#legend .dashes"));
        return [style.width, style.height, style.borderTopStyle, style.backgroundImage, style.printColorAdjust];""",
    )
    assert (width, high, border, printed) == ("14px", "2px", "none", "exact")
    assert re.fullmatch(
        r"repeating-linear-gradient\(90deg, rgb\(.*\) 0px, rgb\(.*\) 5px, rgba\(0, 0, 0, 0\) 5px, rgba\(0, 0, 0, 0\) 9px\)", pattern
    )


@in_browser
def test_googlenet_opens_as_its_modules(tmp_path):
    mg.manual_seed(0)
    shown, size, inside, found, all_, gap, high = act(
        tmp_path,
        LOOK
        + """const high = lay.h * zoom / room()[1], gap = Math.min(...[...frames_, ...nodes_].map(r => r.top)) - stage.top, shown = nodes(); tap(module("inception3a")); const inside = nodes().filter(n => n.startsWith("inception3a"));
        type("inception4c.branch2.1"); const found = at("hits").textContent; clearAll(); at("unfold").click(); return [shown, type_, inside, found, nodes().length, gap, high];""",
        graph.draw(nn.models.googlenet(aux_logits=False), mg.zeros(2, 3, 224, 224), title="GoogLeNet"),
    )
    assert {f"inception{k}" for k in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")} <= set(shown) and 20 <= len(shown) <= 120
    assert size >= 12 and gap >= 0 and high <= 1  # the whole of it
    assert {f"inception3a.branch{k}" for k in (1, 2, 3, 4)} <= set(inside)
    assert re.fullmatch(r"\d+ found", found) and all_ > 150


@in_browser
def test_a_net_with_side_outputs_opens_on_the_stage(tmp_path):
    """What leads out of the module leaves it where its column ends, and takes no room in the columns that follow."""
    shown, wide, high, size, beside, crossed = act(
        tmp_path,
        CROSSED
        + """const s = at("stage"), sizes = [...world.querySelectorAll("text")].map(t => t.getAttribute("font-size") * zoom);
        const ends = lay.segments.filter(s => s.head && nodes().includes("aux_logits1")).filter(s => s.targets.some(t => boxes.get(t)?.kind === "output"));
        return [nodes(), lay.w * zoom / s.clientWidth, lay.h * zoom / s.clientHeight, Math.min(...sizes), ends.map(e => Math.abs(e.points[0][0] - e.points.at(-1)[0])), crossed()];""",
        graph.draw(nn.models.googlenet(), mg.randn(1, 3, 64, 64)),
    )
    assert {"aux1", "aux2", "inception4a", "inception5b", "logits", "aux_logits1", "aux_logits2"} <= set(shown)
    assert wide <= 1 and high <= 1 and size >= 12 and max(beside) < 40 and len(beside) == 3 and crossed == []


CROSSED = """const crossed = () => {
  const found = [], head = [...world.querySelectorAll("g.frame text")].map(t => [t.textContent, t.getBBox()]);
  for (const p of world.querySelectorAll("path.edge")) for (let n = p.getTotalLength(), i = 0; i <= n; i += 4) {
    const {x, y} = p.getPointAtLength(i);
    for (const [name, b] of head) if (x > b.x && x < b.x + b.width && y > b.y && y < b.y + b.height) found.push(name);
  }
  return [...new Set(found)];
};
"""


@in_browser
@pytest.mark.parametrize("size", [(1400, 900), (390, 844)])
def test_no_arrow_runs_through_the_name_of_a_module(tmp_path, size):
    """The name stands beside what enters the frame, in both directions."""
    mg.manual_seed(0)
    x = mg.tensor(0.7, requires_grad=True)
    (slope_,) = mg.grad((x.sin() * x).exp(), x, create_graph=True)
    norm = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 2, 1)))
    drawn_ = [
        graph.draw(slope_),
        graph.draw(norm, mg.ones(1, 2, 6, 6), backward=True),
        graph.draw(nn.TransformerEncoderLayer(16, 4, 32), mg.randn(5, 2, 16), backward=True),
        graph.draw(nn.models.resnet18(), mg.randn(1, 3, 64, 64)),
    ]
    for picture in drawn_:
        script = (
            CROSSED
            + 'const found = crossed(); at("turn").click(); found.push(...crossed()); at("unfold").click(); return [...found, ...crossed()];'
        )
        assert act(tmp_path, script, picture, size) == []


@in_browser
@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_turned_on_a_phone_it_runs_down_in_rows(tmp_path, name):
    """No dragging sideways in this direction either."""
    mg.manual_seed(0)
    wide, rows, size = act(
        tmp_path,
        """at("turn").click(); const rows = new Set([...lay.places.values()].map(r => Math.round((r.y + r.h / 2) / 20)));
        return [lay.w * zoom / at("stage").clientWidth, rows.size, 12 * zoom];""",
        graph.draw(getattr(nn.models, name)(), mg.randn(1, 3, 64, 64)),
        (390, 844),
    )
    assert wide <= 1 and rows > 8 and size >= 12


@in_browser
def test_print_play_pinch_and_the_other_keys_and_buttons(tmp_path):
    printed, played, pinched, zooms, dark, turned, helped, way, walked, outline, stays = act(
        tmp_path,
        """const box = () => svg.getBoundingClientRect(), wait = ms => new Promise(done => setTimeout(done, ms));
        const spread = [...lay.places.values(), ...lay.frames.values()], shown = zoom; let asked = 0; window.print = () => { asked++; dispatchEvent(new Event("beforeprint")); };
        zoomBy(3); at("print").click(); const view = svg.getAttribute("viewBox").split(" ").map(Number), bare = world.getAttribute("transform");
        const printed = [asked, bare, spread.every(r => r.x >= view[0] && r.y >= view[1] && r.x + r.w <= view[0] + view[2] && r.y + r.h <= view[1] + view[3])];
        dispatchEvent(new Event("afterprint")); printed.push(svg.getAttribute("viewBox"), Boolean(world.getAttribute("transform")));
        at("play").click(); const pressed = at("play").getAttribute("aria-pressed"); await wait(2400); const ran = current; at("play").click(); await wait(1500); const played = [pressed, ran, current, at("play").getAttribute("aria-pressed"), at("play").textContent]; walkTo(0);
        at("fit").click(); const finger = (kind, id, x, y) => (kind === "pointerdown" ? at("stage") : window).dispatchEvent(new PointerEvent(kind, {pointerId: id, clientX: x, clientY: y, bubbles: true}));
        const before = zoom, spot = (300 - left) / zoom; finger("pointerdown", 1, 250, 300); finger("pointerdown", 2, 350, 300); finger("pointermove", 2, 400, 300); finger("pointermove", 1, 200, 300); finger("pointerup", 1, 0, 0); finger("pointerup", 2, 0, 0); moved = false;
        const pinched = [zoom / before, Math.abs((300 - left) / zoom - spot)];
        const zooms = []; for (const k of ["f", "+", "-"]) { key(k); zooms.push(zoom); } at("look").click(); const dark = document.documentElement.classList.contains("dark"); at("look").click();
        const was = sideways; key("t"); const turned = sideways !== was; key("t");
        at("help").click(); const helped = [at("keys").open, at("keys").textContent.includes("Esc")]; at("keys").close();
        tap(id("x")); key("p"); tap(id("side linear")); const way = nodes(".hit"); clearAll();
        key("ArrowRight"); key("ArrowRight"); key("ArrowLeft"); const walked = [current]; at("next").click(); walked.push(current); at("back").click(); walked.push(current); at("slide").value = 5; at("slide").dispatchEvent(new Event("input")); walked.push(current, world.querySelectorAll("g.now").length); walkTo(0); details(null);
        setFolds(true); const rows = [...document.querySelectorAll(".outline button")].map(b => b.textContent); document.querySelectorAll(".outline button")[2].click(); const outline = [rows, at("panel").dataset.of === module("body.1"), !folded.has(module("body"))];
        zoomBy(1.5); const held = zoom; dispatchEvent(new Event("resize")); const stays = [zoom === held]; at("fit").click(); left += 40; dispatchEvent(new Event("resize")); stays.push(own, left < 400);
        key(" ", world.querySelector(`g[data-id="${module("body")}"]`)); stays.push(nodes().includes("body"));
        return [printed, played, pinched, zooms, dark, turned, helped, way, walked, outline, stays];""",
    )
    assert printed == [1, None, True, None, True]
    assert played[:2] == ["true", 2] and played[1] == played[2] and played[3:] == ["false", "▷ play"]
    assert pinched[0] == pytest.approx(2) and pinched[1] < 1
    assert zooms[1] > zooms[0] and zooms[2] == pytest.approx(zooms[0])
    assert dark and turned and helped == [True, True] and way == ["side linear", "x"]
    assert walked == [1, 2, 1, 5, 1]
    assert [row.split() for row in outline[0]] == [["Net", "140"], ["body", "Sequential", "112"], ["1", "Sequential", "72"]] and outline[
        1:
    ] == [True, True]
    assert stays == [True, False, True, True]


@in_browser
def test_the_hint_names_what_the_pointer_can_do(tmp_path):
    """A finger taps and pinches, a mouse clicks and has a wheel; in both languages."""
    hints = act(
        tmp_path,
        """const hint = coarse => { window.matchMedia = q => ({matches: coarse === q.includes("coarse")}); details(null); return at("panel").querySelector("p.hint").textContent; };
        const found = [hint(true), hint(false)]; at("language").click(); return [...found, hint(true), hint(false)];""",
    )
    finger, mouse, finger_ja, mouse_ja = hints
    assert finger.startswith("Tap a box") and "pinch to zoom" in finger and "wheel" not in finger
    assert mouse.startswith("Click a box") and "wheel to zoom" in mouse and "pinch" not in mouse
    assert "タップ" in finger_ja and "ピンチ" in finger_ja and "クリック" in mouse_ja and "ホイール" in mouse_ja


@in_browser
def test_backward_passes_open_folded_and_are_named_in_both_languages(tmp_path):
    mg.manual_seed(0)
    shown, titles, japanese, opened = act(
        tmp_path,
        """if (speak) at("language").click(); const faces = () => [...world.querySelectorAll("g.node.module")].map(g => g.getAttribute("aria-label")), shown = world.querySelectorAll("g.node").length, titles = faces();
        at("language").click(); const japanese = faces(); at("language").click(); tap(data.modules[1].id); const opened = [...world.querySelectorAll("g.node text")].map(t => t.textContent).filter(t => t.includes("∂ tanh")).length;
        return [shown, titles, japanese, opened];""",
        second_order(),
    )
    assert shown == 6  # x, mul, tanh, two passes, output: seen at a glance
    assert titles == ["backward pass 1, 3 ops", "backward pass 2, 18 ops"] and japanese == ["逆伝播 1, 3 個の演算", "逆伝播 2, 18 個の演算"]
    assert opened == 3


@in_browser
def test_what_no_arrow_touches_stands_where_it_belongs(tmp_path):
    """An input that is only compared above the others' uses, the result of argmax beside the other outputs."""

    class Picks(nn.Module):
        def forward(self, x, mask):
            y = x.masked_fill(mask == 0, 0.0).tanh().exp()
            return y, y.argmax(1)

    mask, x, tanh, index, output = act(
        tmp_path,
        "return ['mask', 'x', 'tanh', 'output 1', 'output 0'].map(name => lay.places.get(id(name)).y);",
        graph.draw(Picks(), mg.ones(2, 4), mg.ones(2, 4).long()),
        (390, 844),
    )
    assert mask < tanh and x < tanh < output and tanh < index


@in_browser
@pytest.mark.parametrize("picture", [drawn, lambda: graph.draw(chain(2000))], ids=["net", "2,000 ops"])
def test_it_is_printed_on_one_page(tmp_path, picture):
    (tmp_path / "page.html").write_text(picture().html, encoding="utf-8")
    profile, pdf = f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"
    flags = [*browser.FLAGS, f"--virtual-time-budget={browser.BUDGET}", profile, pdf]
    subprocess.run([browser.BROWSER, *flags, (tmp_path / "page.html").as_uri()], capture_output=True, timeout=120, check=True)
    assert len(re.findall(rb"/Type ?/Page\b", (tmp_path / "page.pdf").read_bytes())) == 1


@in_browser
def test_of_thousands_of_boxes_those_that_are_seen_have_text(tmp_path):
    """The browser lays out all text again when the scale changes; printed, each box has its text."""
    whole, near, apart, reached = act(
        tmp_path,
        """at("unfold").click(); fit(true); const drawn = () => nodes_.filter(n => n.querySelector("text").getClientRects().length).length, nodes_ = [...world.querySelectorAll("g.node")], whole = drawn();
        fit(); zoomBy(1.2); const near = drawn(), s = at("stage").getBoundingClientRect(), apart = nodes_.every(n => { const r = n.querySelector("rect.body").getBoundingClientRect(), inside = r.left < s.right && r.right > s.left && r.top < s.bottom && r.bottom > s.top; return !inside || n.querySelector("text").getClientRects().length > 0; });
        nodes_[1500].focus(); return [whole, near, apart, document.activeElement === nodes_[1500]];""",
        graph.draw(chain(2000)),
    )
    assert whole == 0 and 0 < near < 400 and apart and reached


@in_browser
def test_links_of_the_panel_and_paths_by_keys(tmp_path):
    """An argument and a use lead to their boxes, also into a folded module; a module's button folds it; Shift+Enter ends a path."""
    followed, used, folds, way, hits, frame, closed = act(
        tmp_path,
        """const link = text => [...at("panel").querySelectorAll("button.link")].find(b => b.textContent === text).click(), node = name => world.querySelector(`g[data-id="${id(name)}"]`);
        tap(id("add")); setFolds(true); link("linear"); const followed = [at("panel").querySelector("h2").textContent, picked && boxes.get(picked).inside.path];
        tap(id("x")); link("linear"); const used = boxes.get(at("panel").dataset.of).inside.path;
        setFolds(false); details(module("body")); const press = word => [...at("panel").querySelectorAll("button")].find(b => b.textContent === say(word)).click();
        press("foldThis"); const folds = [folded.has(module("body"))]; press("unfoldThis"); folds.push(folded.has(module("body"))); clearAll();
        key("Enter", node("x")); node("side linear").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", shiftKey: true, bubbles: true})); const way = nodes(".hit"); clearAll();
        type("linear"); const hits = []; for (let k = 0; k < 5; k++) { key("Enter", at("search")); hits.push(at("hits").textContent + " " + boxes.get(at("panel").dataset.of).inside.path); } key("Escape", at("search")); hits.push(at("search").value, document.activeElement.id === "search");
        const head = world.querySelector(`g.frame[data-id="${module("body")}"]`); head.querySelector("rect.area").dispatchEvent(new MouseEvent("click", {bubbles: true})); const frame = [folded.has(module("body"))];
        head.querySelector("rect.head").dispatchEvent(new MouseEvent("click", {bubbles: true})); frame.push(folded.has(module("body"))); key("?"); at("keys").querySelector("button").click(); const closed = !at("keys").open;
        return [followed, used, folds, way, hits, frame, closed];""",
    )
    assert followed[0].startswith("linear") and followed[1] in ("body.1.0", "head", "side", "body.0") and used in ("body.0", "side")
    assert folds == [True, False] and way == ["side linear", "x"]
    assert (
        [h.split()[0] for h in hits[:5]] == ["1", "2", "3", "4", "1"] and hits[0][4:] == hits[4][4:] and len({h[4:] for h in hits[:4]}) == 4
    )
    assert hits[5:] == ["", False] and frame == [False, True] and closed


@in_browser
def test_the_graph_moves_with_the_pointer(tmp_path):
    way, while_dragged, after = act(
        tmp_path,
        """const finger = (kind, x, y) => (kind === "pointerdown" ? at("stage") : window).dispatchEvent(new PointerEvent(kind, {pointerId: 1, clientX: x, clientY: y, bubbles: true}));
        const click = () => { tap(id("x")); return Boolean(picked); }, before = [left, top_];
        finger("pointerdown", 250, 300); finger("pointermove", 290, 270); finger("pointerup", 290, 270); const way = [left - before[0], top_ - before[1]], dragged = click();
        finger("pointerdown", 250, 300); finger("pointerup", 250, 300); return [way, dragged, click()];""",
    )
    assert way == pytest.approx([40, -30]) and not while_dragged and after  # what ends a drag is no click


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.linear = nn.Linear(16, 3)

    def forward(self, x, t):
        y = F.avg_pool2d(F.max_pool2d(self.conv(x), 2, stride=1), 2, stride=1, padding=1).reshape(2, -1)[:, :16]
        y = self.linear(y)
        return F.cross_entropy(F.softmax(y @ y.mT @ y, 1), t) + F.nll_loss(F.log_softmax(y, 1), t)


def taken_apart():
    """Name -> result of each op that the page takes apart, with its settings in every kind: strides, dilations, groups, uneven windows."""
    alive = []

    def leaf(*shape):
        alive.append(mg.randn(*shape, dtype=mg.float64).requires_grad_())
        return alive[-1]

    x = leaf(2, 4, 7, 6)
    second = F.conv2d(leaf(1, 2, 5, 5), w := leaf(2, 1, 2, 3), stride=(2, 1), padding=1, groups=2, dilation=(1, 2))
    (dw,) = mg.grad([second.square().sum()], [w], create_graph=True)
    sequences = leaf(4, 2, 3)
    made = {
        "strided": F.conv2d(x, leaf(6, 4, 3, 2), leaf(6), stride=2, padding=1),
        "dilated": F.conv2d(x, leaf(2, 4, 2, 3), leaf(2), dilation=(3, 2), padding=2),
        "grouped": F.conv2d(x, leaf(4, 2, 3, 3), leaf(4), groups=2, stride=(1, 2), dilation=(2, 1), padding=1),
        "depthwise, along one axis": F.conv1d(x[:, :, 0], leaf(4, 1, 3), None, groups=4, padding=2, dilation=2),
        "transposed": F.conv_transpose2d(x[:, :, :3, :2], leaf(4, 3, 3, 2), leaf(3), stride=2, padding=1, output_padding=1),
        "transposed in groups": F.conv_transpose2d(x[:, :, :2, :3], leaf(4, 1, 2, 2), None, groups=2, stride=3, dilation=2),
        "gradient of a convolution": dw,
        "maximum": F.max_pool2d(x, 3, stride=2, padding=1, dilation=2),
        "mean without the padding": F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False),
        "mean of uneven windows": F.adaptive_avg_pool2d(x, (3, 4)),
        "batch": F.batch_norm(x, None, None, leaf(4), leaf(4), training=True),
        "batch, in use": F.batch_norm(x, leaf(4), leaf(4).square().detach(), leaf(4), leaf(4)),
        "layer": F.layer_norm(x, (7, 6), leaf(7, 6), leaf(7, 6)),
        "groups": F.group_norm(x, 2, leaf(4), leaf(4)),
        "many by one": leaf(3, 2, 4) @ leaf(4, 2),
        "one by many": leaf(1, 2, 4) @ leaf(3, 4, 2),
    }
    layers = {"LSTM": nn.LSTM(3, 2), "GRU": nn.GRU(3, 2), "tanh": nn.RNN(3, 2), "relu": nn.RNN(3, 2, nonlinearity="relu")}
    for name, layer in layers.items():
        alive += layer.double().parameters()
        states = (leaf(1, 2, 2), leaf(1, 2, 2)) if name == "LSTM" else leaf(1, 2, 2)
        y, last = layer(sequences, states)
        made[name] = y
        made |= {f"{name} last {i}": t for i, t in enumerate(last if name == "LSTM" else (last,))}
    return made, alive


CHECKED = """
  const told = {}, marked = {}, kinds = new Set(Object.keys(TOLD));
  const check = (all, explain, name) => { for (let i = 0; i < all.length; i += Math.max(1, Math.floor(all.length / 40) | 1)) {
    const o = explain(i), off = o ? Math.abs(o.total - all[i]) / (1 + Math.abs(all[i])) : 1e9, written = o ? Number(o.sum.split("=").at(-1).replaceAll("−", "-")) : NaN;
    told[name] = Math.max(told[name] || 0, off, Math.abs(written - all[i]) > 0.006 * Math.abs(all[i]) + 1e-3 ? 1e6 : 0); marked[name] = Math.max(marked[name] || 0, o ? o.from.reduce((n, f) => n + f[2].size, 0) : 0); } };
  for (const b of data.boxes) if (kinds.has(b.op)) b.arrays.results.forEach((key, which) => { if (key) check(numbersOf(key), i => origin(b, i, which), b.op + (which ? " " + which : "")); });
  for (const s of data.steps) { const b = boxes.get(s.box); if (kinds.has(b.op)) for (const o of s.outgoing) check(numbersOf(o.array), i => gradientOrigin(b, s, o, i), b.op + " ∂" + o.argument); }
"""


@in_browser
def test_every_cell_is_the_sum_that_the_page_writes_out(tmp_path):
    """Forward and backward, of each op that the page can take apart: its terms add up to the number that minigrad computed."""
    mg.manual_seed(0)
    made, _alive = taken_apart()  # no op keeps a bias, and pooling not its input
    seeds = {name: np.random.default_rng(0).standard_normal(y.shape) for name, y in made.items()}
    told, marked = act(tmp_path, CHECKED + "return [told, marked];", graph.draw(made, names=made, backward=True, gradient=seeds))
    wanted = {
        "conv": "x w bias", "conv_input": "y w bias", "conv_weight": "x y", "max_pool": "x", "avg_pool": "x", "linear": "input weight bias",
        "matmul": "input other", "standardize": "x weight bias", "affine": "x m a c", "rnn": "sums weight h", "lstm": "sums weight h c",
        "gru": "sums weight h bias",
    }  # fmt: skip
    assert {f"{op} ∂{argument}" for op, arguments in wanted.items() for argument in arguments.split()} <= set(told)
    assert {"lstm 1", "lstm 2", "gru 1", "gru 2", "standardize 1", "standardize 2"} <= set(told)
    assert max(told.values()) < 1e-5, told
    assert min(marked.values()) > 0


@in_browser
def test_sums_means_and_losses_are_written_out(tmp_path):
    """Reductions of all elements and along dims, and cross-entropy with a class at each pixel, weights and ignored places."""
    mg.manual_seed(0)
    x, t = mg.randn(2, 3, 4, dtype=mg.float64).requires_grad_(), mg.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])
    weight = mg.rand(3, dtype=mg.float64).requires_grad_()
    vector, tied = mg.randn(4, dtype=mg.float64).requires_grad_(), mg.tensor([[1.0, 3.0, 3.0]], requires_grad=True)
    made = {
        "a class at each pixel": F.cross_entropy(x, t),
        "each loss": F.cross_entropy(x, t, reduction="none"),
        "weighted": F.cross_entropy(x, t, weight=weight),
        "summed": F.cross_entropy(x, t, reduction="sum", ignore_index=1),
        "of logarithms": F.nll_loss(x, t, weight=weight),
        "all": x.sum(),
        "a dim": x.sum(1),
        "dims that are kept": x.sum((0, -1), keepdim=True),
        "mean": x.mean(),
        "mean of dims": x.mean((0, 2)),
        "maximum": x.amax((0, 1)),
        "minimum": x.min(),
        "two equal": tied.amax(1),
        "variance": x.var(1),
        "deviation": x.std(),
        "norm": x.norm(),
        "sizes": x.norm(1, dim=1),
        "log of a sum": x.logsumexp(1),
        "product": x.prod(2),
        "running": x.cumsum(-2),
        "vectors": vector @ vector.exp(),
        "matrices by a vector": x @ vector,
        "a vector by matrices": vector[:3] @ x,
    }
    seeds = {name: np.random.default_rng(0).standard_normal(y.shape) for name, y in made.items()}
    told, marked, text, hints = act(
        tmp_path,
        CHECKED
        + """const text = {}, hints = {}, to = (name, step) => walkTo(1 + moments.findIndex(m => boxes.get(m.box).name === name && Boolean(m.step) === step));
        for (const name of ["cross_entropy", "mean", "sum"]) for (const step of [false, true]) {
          to(name, step); hints[name + step] = [...document.querySelectorAll("#panel p.hint")].some(p => p.textContent === say("pick"));
          document.querySelector("#panel button.scalar, #panel table button").click(); text[name + step] = [document.querySelector("#panel .sum").textContent, document.querySelectorAll("#panel .mark").length];
        }
        return [told, marked, text, hints];""",
        graph.draw(made, names=made, backward=True, gradient=seeds),
    )
    kinds = {"nll", "cross_entropy", "sum", "mean", "amax", "amin", "var", "std", "norm", "logsumexp", "prod", "cumsum", "matmul"}
    assert kinds | {f"{kind} ∂{'x' if kind in ('var', 'std', 'norm') else 'input'}" for kind in kinds} <= set(told)
    assert max(told.values()) < 1e-5, told
    assert min(marked.values()) > 0
    assert all(hints.values()) and all(marks > 0 for _, marks in text.values()), text
    assert text["cross_entropyfalse"][0].count("·") == 8 and re.fullmatch(r"\(.*( \+ .*){23}\) / 24 = .*", text["meanfalse"][0])


@in_browser
def test_an_op_without_a_rule_invites_nobody_to_pick(tmp_path):
    """Its cells are no buttons either."""
    x = mg.ones(2, 2, requires_grad=True)
    told = act(
        tmp_path,
        """const told = [];
        for (const k of [1, 3]) { walkTo(k); told.push([at("panel").textContent.includes(say("pick")), at("panel").textContent.includes(say("notApart")), at("panel").querySelectorAll("button, canvas.pick").length]); }
        return told;""",
        graph.draw(mg.linalg.inv(x + 1.0 + mg.eye(2)), backward=True),
    )
    assert [row[:2] for row in told] == [[True, False], [False, True]] and told[0][2] > 0 == told[1][2]


@in_browser
def test_of_a_long_sum_what_is_not_zero_is_written(tmp_path):
    """And how many are zero is counted."""
    x = mg.zeros(1, 60)
    x[0, 7], x[0, 41] = 2.0, -3.0
    zeros, ones = mg.zeros(40, requires_grad=True), mg.ones(40, requires_grad=True)
    made = {"few": x.requires_grad_().sum(), "none": zeros.sum(), "many": ones.sum()}
    few, none, many = act(
        tmp_path,
        """const sums = b => origin(b, 0).sum; return ["few", "none", "many"].map(name => sums(data.boxes.find(b => b.kind === "op" && b.id === data.links.find(l => l.to === id(name)).from)));""",
        graph.draw(made, names=made, values=True),
    )
    assert few == "2 + (−3) + 0 (60 terms, 58 of them 0) = −1" and none == "0 (40 terms, 40 of them 0) = 0"
    assert many == " + ".join(["1"] * 24) + " + … (40 terms) = 40"


@in_browser
def test_a_phone_shows_the_sum_of_the_cell_that_was_tapped(tmp_path):
    mg.manual_seed(0)
    panel, told = act(
        tmp_path,
        """walkTo(2); const pick = document.querySelector("#panel canvas.pick, #panel table button"), r = pick.getBoundingClientRect(), rect = e => { const q = e.getBoundingClientRect(); return [q.top, q.bottom]; };
        pick.dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: r.left + 3, clientY: r.top + 3})); return [rect(at("panel")), rect(document.querySelector("#panel .sum"))];""",
        graph.draw(nn.Sequential(nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)), mg.randn(1, 1, 20, 20), backward=True),
        (390, 844),
    )
    assert panel[0] <= told[0] < panel[1] and (told[1] <= panel[1] or told[0] - panel[0] < 20)


MOVED = {
    "reshape": lambda x: x.reshape(6, 4),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(0, 1),
    "slices": lambda x: x[:, 1:, ::2],
    "the same rows twice": lambda x: x[[1, 0, 1]],
    "cat": lambda x: mg.cat([x, x * 2], 1),
    "cat with a constant": lambda x: mg.cat([mg.ones(1, 3, 4, dtype=mg.float64), x]),
    "stack": lambda x: mg.stack([x, x], 1),
    "split": lambda x: x.split([1, 2], 1)[1],
    "pad": lambda x: F.pad(x, (1, 2), value=3.0),
    "reflected": lambda x: F.pad(x, (1, 2), mode="reflect"),
    "expand": lambda x: x[:, :1].expand(2, 5, 4),
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(1, 2),
    "gather": lambda x: x.gather(1, mg.tensor([[[0, 2, 1, 1]], [[1, 1, 0, 2]]])),
    "unfold": lambda x: F.unfold(x[None], 2, padding=1),
}


@in_browser
def test_a_cell_that_is_moved_says_from_where(tmp_path):
    """Forward the one cell that it was, or that it is a constant; backward the sum of what arrives where it was moved to."""
    mg.manual_seed(0)
    x = mg.randn(2, 3, 4, dtype=mg.float64).requires_grad_()
    with graph.record(nn.Identity(), arrays=True) as recording:  # else nothing keeps the constant
        made = {name: move(x) for name, move in MOVED.items()}
    seeds = {name: np.random.default_rng(0).standard_normal(y.shape) for name, y in made.items()}
    picture = graph.draw(made, names=made, model=recording, backward=True, gradient=seeds)
    wrong, apart, ops, constants, text = act(
        tmp_path,
        """const wrong = [], ops = new Set(); let apart = 0, constants = 0;
        const check = (all, explain, name) => { for (let i = 0; i < all.length; i++) { const o = explain(i); apart++; if (!o || Math.abs(o.total - all[i]) > 1e-5 || o.from.length > 2) wrong.push(name + " " + i); else if (name === "pad" && !o.from.length) constants++; } };
        for (const b of data.boxes) if (b.arrays.how && b.arrays.how.moves) { ops.add(b.op); b.arrays.results.forEach((k, which) => check(numbersOf(k), i => origin(b, i, which), b.name)); }
        for (const s of data.steps) { const b = boxes.get(s.box); if (b.arrays.how && b.arrays.how.moves) for (const o of s.outgoing) check(numbersOf(o.array), i => gradientOrigin(b, s, o, i), "∂" + b.name); }
        walkTo(1 + moments.findIndex(m => m.forward && boxes.get(m.box).name === "permute")); const cell = document.querySelectorAll("#panel table button")[3]; cell.click();
        return [wrong.slice(0, 9), apart, [...ops], constants, document.querySelector("#panel .sum").textContent];""",
        picture,
    )
    assert wrong == [] and apart > 500
    assert {
        "reshape",
        "permute",
        "transpose",
        "getitem",
        "cat",
        "stack",
        "split",
        "pad_constant",
        "broadcast_to",
        "flip",
        "roll",
        "unfold",
    } <= set(ops)
    assert constants == 2 * 3 * 3
    assert re.fullmatch(r"input\[1, 0, 0\] = −?-?[\d.]+", text)


@in_browser
def test_a_picked_cell_shows_its_sum(tmp_path):
    mg.manual_seed(0)
    x = mg.randn(2, 2, 6, 6)
    picture = graph.draw(Layers(), x, mg.tensor([2, 0]), backward=True)
    told, views, shown, rule = act(
        tmp_path,
        CHECKED
        + """const views = {};
        for (const b of data.boxes) for (const k of (b.arrays || {}).results || []) if (k) views[b.name] = seen(k).dataset.as;
        key("ArrowRight"); document.querySelector("#panel canvas, #panel table button").dispatchEvent(new MouseEvent("click", {bubbles: true, clientX: document.querySelector("#panel canvas, #panel table button").getBoundingClientRect().left + 5, clientY: document.querySelector("#panel canvas, #panel table button").getBoundingClientRect().top + 5}));
        const shown = document.querySelector("#panel .sum").textContent; walkTo(moments.length); const rule = at("panel").textContent + at("place").textContent;
        return [told, views, shown, rule];""",
        picture,
    )
    names = {"conv", "max_pool", "avg_pool", "linear", "matmul", "softmax", "log_softmax", "nll", "cross_entropy"}
    assert {name.split()[0] for name in told} == names
    assert {"softmax ∂input", "log_softmax ∂input", "nll ∂input", "cross_entropy ∂input"} < set(told)
    assert max(told.values()) < 1e-5, told
    assert views["x"] in ("maps", "kernels", "numbers") and views["softmax"] == "numbers" and views["cross_entropy"] == "number"
    first = picture.arrays[next(v for v in picture.vertices if v.op == "conv").arrays["results"][0]]
    assert re.search(r"·.*\+.* = −?-?[\d.]+", shown) and first["shape"] == [2, 4, 3, 3]
    assert "the chain rule here" in rule and "backward" in rule


@in_browser
def test_two_thousand_ops_open_in_pieces_in_less_than_two_seconds(tmp_path):
    shown, opened, one, whole = act(
        tmp_path,
        """const shown = nodes().length, opened = Number(document.body.dataset.opened), piece = data.modules[0].id;
        tap(piece); const one = nodes().length; folded.clear(); return [shown, opened, one, measured(sideways).places.size];""",
        graph.draw(chain(2000)),
    )
    assert shown == PIECES + 2 and one == PIECES + 1 + 83 and whole == 2002
    assert opened < 2000


def test_every_word_that_the_page_says_is_there_in_both_languages():
    static = Path(graph.__file__).parent / "static"
    words = (static / "words.js").read_text(encoding="utf-8")
    known = set(re.findall(r"(\w+): \[\"[^\"]+\", \"[^\"]+\"\]", words))
    said = {key for file in ("page.js", "arrays.js") for key in re.findall(r'say\("(\w+)"\)', (static / file).read_text(encoding="utf-8"))}
    assert len(said) > 40 and not said - known


@in_browser
def test_in_japanese_only_names_are_in_latin_letters(tmp_path):
    """Names of ops, classes, arguments, settings and dtypes, and what a user named; kinds, shapes, statistics and states are words."""
    x = mg.tensor([[1.0, -2.0]], requires_grad=True)
    for picture in (
        graph.draw(Net(), mg.ones(1, 4), backward=True),
        graph.draw((mg.sigmoid(x * 0.0) * x).sum(), values=True),
        graph.draw(chain(200)),
    ):
        words = act(
            tmp_path,
            """at("language").click();
            const found = new Set(), grab = () => {
              const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              while (walk.nextNode()) {
                const e = walk.currentNode.parentElement;
                if (!e.closest("script, style, pre, math, h1, #language")) for (const word of walk.currentNode.data.match(/[A-Za-z]{2,}/g) || []) found.add(word);
              }
              for (const e of document.querySelectorAll(".histogram[aria-label]")) for (const word of e.getAttribute("aria-label").match(/[A-Za-z]{2,}/g) || []) found.add(word);
            };
            grab(); at("unfold").click(); grab();
            for (const b of data.boxes.slice(0, 12)) { choose(b.id); grab(); }
            for (let n = 1; n <= Math.min(moments.length, 14); n++) { walkTo(n); grab(); }
            for (const m of data.modules) { details(m.id); grab(); }
            at("language").click(); const back = data.boxes.map(b => b.shapes.join());
            return [...found, ...(back.some(s => s.includes("スカラー")) ? ["not back"] : [])];""",
            picture,
        )
        ops = {
            name
            for v in picture.vertices
            for text in (v.name, v.op, v.scope, *v.static, *v.dtypes)
            for name in re.findall("[A-Za-z]{2,}", text)
        }
        arguments = {e.argument for e in picture.edges} | {k["name"] for v in picture.vertices for k in v.keeps} | {"xs", "out"}
        modules = {word for s in picture.scopes for text in (s.path, s.kind) for word in re.findall("[A-Za-z]{2,}", text)}
        keys = {"OK", "KB", "Tab", "Enter", "Esc", "draw", "backward", "True", "values", "NaN"}
        assert sorted(set(words) - ops - arguments - modules - keys) == []


def test_steps_need_no_arrays_in_the_data():
    assert page_data(graph.draw(Net(), mg.ones(1, 4)))["arrays"] == {}
    weight = mg.tensor([2.0, 3.0], requires_grad=True)
    with pytest.MonkeyPatch.context() as patch:  # a picture without numbers packs none
        patch.setattr("minigrad.graph.values.packed", lambda *given: pytest.fail("packed"))
        picture = graph.draw(weight * weight, backward=True)
        assert "mul" in picture.dot and len(picture.arrays) == 5
    weight.data[...] = 0.0  # and what the program writes later is not in it
    first = picture.vertices[0].arrays["results"][0]
    assert base64.b64decode(picture.arrays[first]["data"]) == np.array([2, 3], "<f4").tobytes()
    assert picture.from_json(picture.to_json()).arrays == picture.arrays
    whole = page_data(graph.draw(nn.Linear(300, 300), mg.ones(1, 300), values=True))["arrays"]
    weight = next(a for a in whole.values() if a["shape"] == [300, 300])
    assert "data" not in weight and sum(weight["counts"]) == 90_000 and weight["small"]["shape"] == [1, 32, 32]
    assert np.isfinite(weight["mean"])


@in_browser
def test_a_formula_is_seen_whole(tmp_path):
    picture = graph.draw(nn.Conv2d(1, 2, 3), mg.ones(1, 1, 6, 6), backward=True)
    assert act(
        tmp_path,
        """tap(id("conv2d")); await new Promise(r => setTimeout(r, 50));
        return [...document.querySelectorAll(".math")].map(m => [m.querySelectorAll("math").length, m.scrollWidth <= m.clientWidth, getComputedStyle(m).overflowY]);""",
        picture,
    )[0] == [2, True, "hidden"]  # fmt: skip


@in_browser
def test_the_gradient_of_a_scalar_has_its_sign(tmp_path):
    x = mg.tensor(2.0, requires_grad=True)
    tabs, panel = act(
        tmp_path,
        """const tabs = [...world.querySelectorAll("text.grad")].map(t => t.textContent); tap(id("mul"));
        return [tabs, at("panel").textContent];""",
        graph.draw(5 - x * 3, values=True),
    )
    assert sorted(tabs) == ["∂ 1", "∂ −1", "∂ −3"] and "gradient−1" in panel


@in_browser
def test_a_batch_of_none_can_be_stepped_through(tmp_path):
    picture = graph.draw(nn.Linear(3, 2), mg.ones(0, 3), backward=True)
    told = act(tmp_path, """key("ArrowRight"); key("ArrowRight"); return [at("place").textContent, at("panel").textContent];""", picture)
    assert told[0] == "backward 1 / 1" and "∅" in told[1]


@in_browser
def test_red_is_positive_and_blue_negative_on_all_pages(tmp_path):
    """As in the figures, where the scale is matplotlib's RdBu_r."""
    from minigrad import demo

    graphs = act(tmp_path, "return [tint(1, 1), tint(-1, 1)];", graph.draw(mg.ones(2, requires_grad=True) * 2))
    demos = browser.act(demo.sliding_filter().html, 'return [colour(1, "signed"), colour(-1, "signed")];', tmp_path)
    for (red, _, blue), (red_, _, blue_) in (graphs, demos):
        assert red > blue + 50 and blue_ > red_ + 50
