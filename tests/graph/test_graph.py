"""Graphs as data and as pictures: tracing, names, folding, and the message if no Graphviz is installed."""

from __future__ import annotations

import base64
import functools
import re
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ET
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("graphviz", reason="pictures are written with graphviz: pip install 'minigrad-nn[graph]'")

import minigrad as mg
from minigrad import engine, func, graph, nn
from minigrad.graph import render
from minigrad.graph.dot import pictures
from minigrad.graph.gradients import summary
from minigrad.graph.labels import crossed
from minigrad.graph.view import COLUMN, SUMMARY, describe_stretch, view
from minigrad.nn import functional as F

drawable = pytest.mark.skipif(not render.engines("svg"), reason="no Graphviz here: pip install pygraphviz")


def mlp():
    mg.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]


def vertex(g, name):
    (found,) = [v for v in g.vertices if v.name == name]
    return found


# ------------------------------------------------------------------------------------------------------- data


def test_an_expression_as_data():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    w = mg.tensor(3.0, requires_grad=True)
    y = (x * w).sum()
    g = graph.draw(y, names={"x": x, "w": w, "y": y})
    assert [(v.name, v.kind) for v in g.vertices] == [("x", "leaf"), ("w", "leaf"), ("mul", "op"), ("sum", "op"), ("y", "output")]
    names = {v.id: v.name for v in g.vertices}
    assert [(names[e.source], names[e.target], e.argument, e.shape) for e in g.edges] == [
        ("x", "mul", "input", [2]), ("w", "mul", "other", []), ("mul", "sum", "input", [2]), ("sum", "y", "", []),
    ]  # fmt: skip
    mul = vertex(g, "mul")
    assert (mul.family, mul.shapes, mul.dtypes, mul.bytes) == ("elementwise", [[2]], ["float32"], [8])
    assert mul.formulas["input"].startswith("lambda g, other")
    assert {k["name"]: (k["shape"], k["shared"]) for k in mul.keeps} == {"input": ([2], True), "other": ([], True)}
    assert g.kept_bytes == 0  # all that backward keeps are the leaves
    assert graph.Graph.from_json(g.to_json()) == g


def test_numbers_among_the_arguments_and_statics():
    x = mg.ones(2, 3, requires_grad=True)
    g = graph.draw(mg.softmax(x * 2.5, -1).mean((0,)))
    assert vertex(g, "mul").static == {"other": "2.5"}
    assert vertex(g, "mean").static == {"dim": "0"}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (lambda x: x + 100, "x + 100"), (lambda x: 100 + x, "x + 100"), (lambda x: 5 - x, "5 − x"), (lambda x: x - 5, "x − 5"),
        (lambda x: 4 / x, "4 / x"), (lambda x: x / np.float32(4), "x / 4"), (lambda x: 3 * x, "x × 3"), (lambda x: x**2, "x ^ 2"),
        (lambda x: 2**x, "2 ^ x"),
    ],
)  # fmt: skip
def test_a_number_is_in_the_box_whether_a_formula_keeps_it_or_not(expression, text):
    g = graph.draw(expression(mg.ones(2, requires_grad=True)))
    assert f">{text}<" in g.dot
    (op,) = [v for v in g.vertices if v.kind == "op"]
    assert len(op.static) == 1 and len(g.edges) == 2


@drawable
def test_the_tensor_beside_a_number_has_its_name():
    """The user's, or x where it has none; what is computed is not called x where an input is."""
    w, h = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    y = (w + 100) * (5 - h).exp()
    assert {"weight + 100", "5 − x"} <= set(texts(graph.draw(y, names={"weight": w}).svg))

    class Net(nn.Module):
        def forward(self, x):
            return (x + 1).tanh() * 2

    assert {"x + 1", "… × 2"} <= set(texts(graph.draw(Net(), mg.ones(2)).svg))


@drawable
def test_the_legend_says_what_the_colours_of_gradients_mean():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    small, large = (graph.draw((mg.sigmoid(x) * scale).sum(), backward=True) for scale in (1e-12, 1.0))
    assert "∂ vanishing" in texts(small.svg) and "∂ vanishing" not in texts(large.svg)


@drawable
def test_a_constant_array_is_in_the_box_or_has_one():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("pos", mg.ones(4))

        def forward(self, x):
            x = mg.cat([mg.zeros(1, 4), x + self.pos, mg.ones(2, 4)])
            x = F.dropout(x * mg.tensor([1.0, 2.0, 3.0, 4.0]) - mg.ones(5, 1))
            return F.linear(x, mg.ones(2, 4))

    g = graph.draw(Net(), mg.ones(2, 4))
    said = {v.name: v.static for v in g.vertices if v.kind == "op"}
    assert said == {
        "add": {}, "cat": {"tensors": "constant 1×4, constant 2×4"}, "mul": {"other": "[1, 2, 3, 4]"}, "sub": {"other": "constant 5×1"},
        "dropout": {}, "linear": {"weight": "constant 2×4"},
    }  # fmt: skip
    assert [e.target for e in g.edges if e.source == vertex(g, "pos").id] == [
        vertex(g, "add").id
    ]  # a buffer has a box, though no formula keeps it
    assert "… − constant 5×1" in texts(g.svg)
    drawn = graph.draw(Net(), mg.ones(2, 4), constants=True).vertices
    assert [v.shapes for v in drawn if v.kind == "constant" and v.name == "xs"] == [[[1, 4]], [[2, 4]]]

    class Renamed(nn.Module):  # inside the op the argument has another name, or another shape
        def forward(self, x):
            x = mg.index_copy(F.conv1d(x, mg.ones(3, 2, 1), mg.ones(3)), 1, mg.tensor([0, 1]), mg.ones(1, 2, 4))
            return F.dropout(x)

    said = {v.name: v.static for v in graph.draw(Renamed(), mg.ones(1, 2, 4)).vertices if v.kind == "op"}
    assert said["conv1d"] == {"kernel": "1", "weight": "constant 3×2×1", "bias": "[1, 1, 1]"} and said["dropout"] == {}
    assert said["index_copy"]["source"] == "constant 1×2×4"
    y = mg.cat([mg.zeros(1, 4), mg.ones(2, 4, requires_grad=True)])  # not recorded: that there is a constant is all that is known
    assert vertex(graph.draw(y), "cat").static == {"tensors": "constant"}


def test_what_a_function_computed_for_its_op_is_said_by_its_arguments():
    index, source = mg.tensor([0, 1]), mg.ones(1, 2, 4)

    class Adds(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", mg.ones(1, 2, 4))

        def forward(self, x):
            x = x.index_add(1, index, source, alpha=2).scatter_add(1, mg.zeros(1, 2, 4).long(), source)
            return x.masked_fill(mg.ones(1, 3, 4).bool(), 2.5).index_add(1, index, self.table)

    said = [v.static for v in graph.draw(Adds(), mg.ones(1, 3, 4)).vertices if v.kind == "op"]
    assert said == [
        {"dim": "1", "alpha": "2", "index": "[0, 1]", "source": "constant 1×2×4"},
        {"dim": "1", "index": "constant 1×2×4 int64", "src": "constant 1×2×4"},
        {"mask": "constant 1×3×4 bool", "value": "2.5"},
        {"dim": "1", "index": "[0, 1]"},  # what has a name of its own is not called a constant
    ]


def test_methods_in_place_bear_their_names():
    class Writes(nn.Module):
        def forward(self, x):
            y = (x * 1).mul_(2).sub_(mg.ones(2, 3)).clamp_(0, 1).tanh_().masked_fill_(mg.ones(2, 3).bool(), 0.5)
            y.unsqueeze_(0).index_add_(1, mg.tensor([0]), mg.ones(1, 1, 3))
            y[0, 1] = 3.0
            return F.leaky_relu_(y, 0.2)

    ops = [v for v in graph.draw(Writes(), mg.ones(2, 3)).vertices if v.kind == "op"]
    assert [(v.name, v.static) for v in ops] == [
        ("mul", {"other": "1"}), ("mul_", {"other": "2"}), ("sub_", {"other": "constant 2×3"}), ("clamp_", {"min": "0", "max": "1"}), ("tanh_", {}),
        ("masked_fill_", {"mask": "constant 2×3 bool", "value": "0.5"}), ("unsqueeze_", {"dim": "0"}),
        ("index_add_", {"dim": "1", "index": "[0]", "source": "constant 1×1×3"}), ("setitem", {"index": "[0, 1]", "v": "3"}),
        ("leaky_relu_", {"negative_slope": "0.2"}),
    ]  # fmt: skip


def test_inputs_and_outputs_have_the_names_that_lead_to_them_and_none_is_left_out():
    class Moments(NamedTuple):
        mean: Any
        std: Any

    class Fields(nn.Module):
        def forward(self, x):
            return Moments(x.mean(), x.std())

    assert [v.name for v in graph.draw(Fields(), mg.tensor([1.0, 2.0])).vertices if v.kind == "output"] == ["mean", "std"]

    class Several(nn.Module):
        def forward(self, batch, mask, others=()):
            y = batch["x"].masked_fill(mask == 0, 0.0) + batch["more"][1]
            for other in others:
                y = y + other
            return y, {"norm": y.norm(), "best": [y.max(1).values, y.argmax(1)]}

    g = graph.draw(Several(), {"x": mg.ones(2, 4), "more": [1, mg.ones(4)]}, mg.ones(2, 4).long(), [mg.ones(4), mg.zeros(2, 4)])
    used = {e.source for e in g.edges} | {e.target for e in g.edges}
    inputs, outputs = ({v.name: v.id in used for v in g.vertices if v.kind == kind} for kind in ("input", "output"))
    assert inputs == {"mask": False, "batch['x']": True, "batch['more'][1]": True, "others[0]": True, "others[1]": True}
    assert outputs == {"output 0": True, "output 1['norm']": True, "output 1['best'][0]": True, "output 1['best'][1]": False}
    assert "used where nothing is recorded" in g.dot and "made where nothing is recorded" in g.dot


def test_complex_numbers_are_drawn_as_the_pairs_that_ops_take():
    class Filter(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(mg.ones(3, dtype=mg.cfloat))

        def forward(self, x, z):
            return mg.fft.rfft(x) * self.weight * z

    g = graph.draw(Filter(), mg.ones(4), mg.complex(mg.ones(3), mg.zeros(3)), backward=True)
    given = {v.name: (v.kind, v.shapes) for v in g.vertices if v.kind != "op"}
    assert given["weight"] == ("parameter", [[3, 2]]) and given["z"] == ("input", [[3, 2]]) and given["output"][1] == [[3, 2]]
    assert [s.parameters for s in g.scopes] == [3] and "weight 3×2" in g.dot


def test_what_vmap_recorded_is_drawn():
    x = mg.ones(2, requires_grad=True)
    g = graph.draw(func.hessian(lambda x: (x**3).sum())(x), names={"x": x}, backward=True)
    assert "x" in [v.name for v in g.vertices if v.kind == "leaf"] and len(g.vertices) > 5 and g.html


def test_what_is_called_twice_side_by_side_is_no_repeat():
    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.chain = (
                nn.Sequential(nn.Linear(4, 4), nn.Tanh()),
                nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)]),
            )

        def forward(self, a, b):
            return self.chain(self.encoder(a) - self.encoder(b))

    g = graph.draw(Twins(), mg.ones(1, 4), mg.zeros(1, 4))
    assert {s.id: s.repeats for s in g.scopes if s.repeats > 1} == {"Twins/chain/0": 3}  # each of these takes what the one before gave
    assert "×3" in graph.draw(Twins(), mg.ones(1, 4), mg.ones(1, 4), depth=None, repeats=True).dot
    assert "×3" not in graph.draw(Twins(), mg.ones(1, 4), mg.ones(1, 4), depth=None, repeats=False).dot  # each is drawn


def test_backward_passes_that_are_recorded_have_frames():
    x = mg.tensor([0.5, 2.0], requires_grad=True)
    (first,) = mg.grad(mg.tanh(x * x).sum(), x, create_graph=True)
    (second,) = mg.grad((first * first).sum(), x, create_graph=True)
    g = graph.draw(second)
    forward = [v.name for v in g.vertices if v.kind == "op" and not v.scope]
    passes = {s.id: [(v.name, v.within) for v in g.vertices if v.scope == s.id] for s in g.scopes}
    assert forward == ["mul", "tanh"] and list(passes) == ["backward pass 1", "backward pass 2"]
    one, two = passes.values()
    assert one == [
        ("mul", "∂ tanh"),
        ("sub", "∂ tanh"),
        ("mul", "∂ tanh"),
        ("mul", "∂ mul"),
        ("mul", "∂ mul"),
        ("add", ""),
    ]  # the sum: two uses of x
    assert {within for _, within in two} == {"", "∂ mul", "∂ tanh", "∂ sub"} and ("neg", "∂ sub") in two
    assert [s.kind for s in g.scopes] == ["6 ops", f"{len(two)} ops"]
    folded, whole = graph.draw(second, depth=1).dot, graph.draw(second, depth=None).dot
    assert "backward pass 2" in folded and "∂ sub" not in folded and "∂ sub" in whole
    made = weakref.ref(first._node)
    del first, second, g
    assert made() is None  # what is remembered of a pass keeps no graph


def test_a_backward_pass_beside_modules_is_at_their_level():
    """A gradient penalty: the model's own frame, and one for the pass; depth=1 folds both the modules in the model and the pass."""
    model, x = nn.Sequential(nn.Linear(2, 3), nn.Tanh()), mg.ones(1, 2, requires_grad=True)
    with graph.record(model) as recording:
        (slope,) = mg.grad(model(x).sum(), x, create_graph=True)
        penalty = (slope * slope).sum()
    g = graph.draw(penalty, model=recording)
    assert [s.id for s in g.scopes if not s.parent] == ["Sequential", "backward pass"] and [
        v.scope for v in g.vertices if v.name == "sum"
    ] == [""]
    seen = view(g, 1)
    assert {box.scope.id for box in seen.boxes.values() if box.scope} == {"Sequential/0", "Sequential/1", "backward pass"}


def test_arrays_do_not_live_longer_for_a_picture():
    x, other = mg.ones(2, requires_grad=True), mg.ones(2)
    array = weakref.ref(other._data)
    y = x + other
    del other
    assert array() is None and y._node.static == {}


def test_ops_bear_the_names_that_the_user_knows():
    class Net(nn.Module):
        def forward(self, x):
            x = F.layer_norm(x, (6,))
            x = F.conv_transpose2d(x, mg.ones(2, 3, 2, 2))
            x = F.batch_norm(x, None, None, training=True)
            x = F.dropout(F.adaptive_avg_pool2d(F.conv2d(x, mg.ones(3, 3, 2, 2)), 1)[:, :, 0, 0])
            return F.nll_loss(F.log_softmax(x.sigmoid(), 1), mg.tensor([0]))

    g = graph.draw(Net(), mg.ones(1, 2, 6, 6))
    assert [(v.name, v.op) for v in g.vertices if v.kind == "op"] == [
        ("layer_norm", "standardize"), ("conv_transpose2d", "conv_input"), ("batch_norm", "standardize"), ("conv2d", "conv"),
        ("adaptive_avg_pool2d", "avg_pool"), ("getitem", "getitem"), ("dropout", "masked_scale"), ("sigmoid", "sigmoid"),
        ("log_softmax", "log_softmax"), ("nll_loss", "nll"),
    ]  # fmt: skip
    assert vertex(g, "sigmoid").family == "activation"
    assert "conv_transpose2d, by the op conv_input" in g.dot
    assert '"name": "conv_transpose2d", "kind": "op", "op": "conv_input"' in g.html


def test_a_transposed_convolution_with_its_bias_is_one_box():
    g = graph.draw(nn.ConvTranspose2d(2, 3, 2, stride=2), mg.ones(1, 2, 4, 4))
    assert [(v.name, v.op, v.static) for v in g.vertices if v.kind == "op"] == [
        ("conv_transpose2d", "conv_input", {"kernel": "2", "stride": "2"})
    ]


def test_first_states_that_are_not_given_are_inputs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.cell = nn.LSTM(3, 2), nn.GRUCell(2, 2)

        def forward(self, x):
            return self.cell(self.lstm(x)[0][-1])

    def inputs(model, *args, **options):
        g = graph.draw(model, *args, **options)
        return g, {v.name: (v.shapes[0], v.scope) for v in g.vertices if v.kind == "input"}

    g, found = inputs(nn.LSTM(3, 2), mg.ones(4, 1, 3), backward=True)
    assert found == {"input": ([4, 1, 3], ""), "h_0": ([1, 1, 2], ""), "c_0": ([1, 1, 2], "")}
    assert "h" not in vertex(g, "lstm").static
    _, found = inputs(nn.LSTM(3, 2), mg.ones(4, 1, 3), (mg.ones(1, 1, 2), mg.ones(1, 1, 2)))
    assert set(found) == {"input", "hx[0]", "hx[1]"}
    g, found = inputs(Net(), mg.ones(4, 1, 3))
    assert {name: scope for name, (_, scope) in found.items()} == {
        "x": "", "lstm.h_0": "Net/lstm", "lstm.c_0": "Net/lstm", "cell.hx": "Net/cell"
    }  # fmt: skip


IMAGES = (2, 4, 8, 8)
ASKED = [  # what the user wrote -> the op's box
    (lambda x: F.conv2d(x, mg.ones(6, 2, 3, 3), stride=2, padding=1, groups=2, dilation=(1, 2)), "conv2d", "kernel 3, stride 2, padding 1, dilation (1, 2), groups 2, weight constant 6×2×3×3"),
    (lambda x: F.conv2d(x, mg.ones(6, 4, 3, 1), padding="same"), "conv2d", "kernel (3, 1), padding same, weight constant 6×4×3×1"),
    (lambda x: F.conv1d(x[:, :, 0], mg.ones(6, 4, 3), stride=3), "conv1d", "kernel 3, stride 3, weight constant 6×4×3"),
    (lambda x: F.conv2d(x, mg.ones(6, 4, 1, 1)), "conv2d", "kernel 1, weight constant 6×4×1×1"),
    (lambda x: F.conv_transpose2d(x, mg.ones(4, 3, 3, 2), stride=2, padding=1, output_padding=1, groups=2, dilation=2), "conv_transpose2d", "kernel (3, 2), stride 2, padding 1, output_padding 1, groups 2, dilation 2, weight constant 4×3×3×2"),
    (lambda x: F.layer_norm(x, (8, 8)), "layer_norm", "normalized_shape (8, 8)"),
    (lambda x: F.layer_norm(x, (8,), eps=1e-3), "layer_norm", "normalized_shape 8, eps 0.001"),
    (lambda x: F.group_norm(x, 2), "group_norm", "num_groups 2"),
    (lambda x: F.batch_norm(x, None, None, training=True, eps=1e-3), "batch_norm", "training True, eps 0.001"),
    (lambda x: F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True), "max_pool2d", "kernel 3, stride 2, padding 1, ceil_mode True"),
    (lambda x: F.avg_pool2d(x, (2, 1), count_include_pad=False), "avg_pool2d", "kernel (2, 1), stride (2, 1), count_include_pad False"),
    (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), "adaptive_avg_pool2d", "output_size (3, 2)"),
    (lambda x: F.unfold(x, 3, padding=1), "unfold", "kernel_size 3, padding 1"),
    (lambda x: F.pad(x, (1, 2), value=3.0), "pad", "pad (1, 2), value 3"),
    (lambda x: F.dropout(x, 0.3), "dropout", "p 0.3"),
    (lambda x: F.softmax(x, dim=-1), "softmax", "dim -1"),
    (lambda x: F.cross_entropy(x, mg.zeros(2, 8, 8, dtype=int), label_smoothing=0.1), "cross_entropy", "label_smoothing 0.1, target constant 2×8×8 int64"),
    (lambda x: x.reshape(2, -1), "reshape", "shape (2, -1)"),
    (lambda x: x.reshape(2, 256), "reshape", ""),  # as the shape of the result says
    (lambda x: x.permute(0, 2, 3, 1), "permute", "dims (0, 2, 3, 1)"),
    (lambda x: x.transpose(1, 2), "transpose", "dim0 1, dim1 2"),
    (lambda x: x.mean((2, 3), keepdim=True), "mean", "dim (2, 3), keepdim True"),
    (lambda x: x.split(1, 1)[0], "split", "split_size_or_sections 1, dim 1"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "name", "said"), ASKED, ids=[f"{name}-{said}" for _, name, said in ASKED])
def test_a_box_says_what_the_user_set(function, name, said):
    class Asked(nn.Module):
        def forward(self, x):
            return function(x)

    box = next(v for v in graph.draw(Asked(), mg.rand(*IMAGES)).vertices if v.name == name)
    assert ", ".join(f"{key} {text}" for key, text in box.static.items()) == said


def test_a_box_of_an_op_that_was_not_recorded_says_what_the_op_knows():
    x = mg.rand(*IMAGES).requires_grad_()
    (conv,) = [v for v in graph.draw(F.conv2d(x, mg.ones(6, 2, 3, 3), stride=2, groups=2)).vertices if v.kind == "op"]
    assert (conv.name, conv.op, conv.static) == ("conv2d", "conv", {"kernel": "3", "stride": "2", "groups": "2"})
    (norm,) = [v for v in graph.draw(F.layer_norm(x, (8, 8), eps=1e-3)).vertices if v.kind == "op"]
    assert (norm.name, norm.op, norm.static) == ("layer_norm", "standardize", {"eps": "0.001"})


def test_what_a_recording_knows_of_a_call_holds_no_arrays():
    weight = mg.ones(6, 4, 3, 3, requires_grad=True)
    with graph.record(nn.Identity()):
        y = F.conv2d(mg.rand(*IMAGES), weight, stride=2)
    (call,) = engine.calls_of(y._node)
    assert (call.name, call.settings) == ("conv2d", {"stride": 2, "padding": 0, "dilation": 1, "groups": 1})


def test_a_recording_knows_the_users_names_and_lines():
    layer = nn.LayerNorm(3)
    with graph.record(layer) as recording:
        loss = layer(mg.ones(2, 3)).sum()
    named = vertex(graph.draw(loss, model=recording), "layer_norm")
    assert "test_graph.py" in named.line and "loss = layer(" in named.line


def test_drawing_reads_no_array_to_learn_a_line(monkeypatch):
    monkeypatch.setattr("zlib.crc32", lambda *_: pytest.fail("an array was checksummed"))
    assert all(v.line for v in graph.draw(mlp(), mg.ones(1, 4)).vertices if v.kind == "op")


def test_what_backward_keeps_is_counted_once_and_without_pretended_inputs():
    """exp keeps its result, and tanh of it keeps its own; the input of a model is drawn but needs no gradient."""
    x = mg.ones(100, requires_grad=True)
    assert graph.draw(x.exp().tanh()).kept_bytes == 800
    layer = nn.Linear(3, 2)
    g = graph.draw(layer, mg.ones(5, 3))
    assert [k["name"] for k in vertex(g, "linear").keeps] == ["input"]  # not the weight: no gradient goes to the input
    first = next(e for e in g.edges if e.argument == "input")
    assert not first.differentiable
    x = mg.ones(5, 3, requires_grad=True)
    assert {k["name"] for k in vertex(graph.draw(layer, x), "linear").keeps} == {"input", "weight"}


def test_several_results():
    x = mg.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    values, _ = mg.sort(x, 1)
    q, r = mg.var_mean(x, 1)
    g = graph.draw({"values": values, "q": q, "r": r}, backward=True)
    assert len([v for v in g.vertices if v.kind == "output"]) == 3
    assert not any("pick" in v.name.lower() for v in g.vertices)
    assert vertex(g, "leaf").gradient["norm"] > 0


def test_a_model_gives_names_and_modules():
    g = graph.draw(mlp(), mg.ones(1, 4))
    assert [s.id for s in g.scopes] == ["Sequential", "Sequential/0", "Sequential/1", "Sequential/2"]
    assert [(s.kind, s.parameters, s.inputs, s.outputs) for s in g.scopes][1] == ("Linear", 40, ["1×4"], ["1×8"])
    assert vertex(g, "0.weight").scope == "Sequential/0"
    assert vertex(g, "input").kind == "input"
    assert [v.scope for v in g.vertices if v.kind == "op"] == ["Sequential/0", "Sequential/1", "Sequential/2"]
    assert all("test_graph.py" in v.line for v in g.vertices if v.kind == "op")


def test_a_loss_with_the_names_of_its_model():
    model = mlp()
    loss = (model(mg.ones(1, 4)) ** 2).sum()
    g = graph.draw(loss, model=model)
    assert vertex(g, "2.bias").scope == "2"
    with graph.record(model) as recording:
        loss = (model(mg.ones(1, 4)) ** 2).sum()
    g = graph.draw(loss, model=recording)
    assert vertex(g, "relu").scope == "Sequential/1"
    assert vertex(g, "pow").scope == ""


def test_drawing_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = {name: np.array(value) for name, value in model.state_dict().items()}
    x = mg.ones(6, 4)
    state = mg.get_rng_state()
    graph.draw(model, x, backward=True)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(before[name], np.asarray(value))
    assert mg.equal(mg.get_rng_state(), state)
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert all(module._hooks is None or not any(vars(module._hooks).values()) for module in model.modules())


def test_tracing_costs_nothing_when_nobody_draws():
    """Modules have no hooks after drawing, and a node has no slot for anything that only a picture needs."""
    model = mlp()
    graph.draw(model, mg.ones(1, 4))
    y = model(mg.ones(1, 4))
    assert not mg.engine.line_of(y._node)
    run = subprocess.run(
        [sys.executable, "-c", "import sys, minigrad, minigrad.nn; print('minigrad.graph' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "False"


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(3, 3)

    def forward(self, x, steps=4):
        for _ in range(steps):
            x = self.cell(x).tanh()
        return {"state": x, "steps": [x.sum()]}


def test_a_module_that_is_called_again():
    g = graph.draw(Recurrent(), mg.ones(1, 3))
    assert [s.id for s in g.scopes][1:4] == ["Recurrent/cell", "Recurrent/cell#2", "Recurrent/cell#3"]
    assert vertex(g, "cell.weight").scope == "Recurrent"
    assert {v.name for v in g.vertices if v.kind == "output"} == {"state", "steps"}


def test_what_cannot_be_drawn_says_why():
    with pytest.raises(RuntimeError, match="has no history"):
        graph.draw(mg.ones(2))
    x = mg.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="freed by backward"):
        graph.draw(y)
    with pytest.raises(TypeError, match="a Tensor or a module"):
        graph.draw(3)
    with pytest.raises(TypeError, match="inputs are for a module"):
        graph.draw(x * x, x)
    with pytest.raises(ValueError, match="direction"):
        graph.draw(x * x, direction="up")
    with pytest.raises(ValueError, match="must end in"):
        graph.draw(x * x).save("picture.bmp")
    with pytest.raises(mg.ShapeError):
        graph.draw(mlp(), mg.ones(1, 5))


# -------------------------------------------------------------------------------------------------- gradients


def test_gradients_are_those_of_backward():
    model = mlp()
    x = mg.randn(6, 4)
    g = graph.draw(model, x, backward=True, gradient=mg.ones(6, 2))
    assert all(p.grad is None for p in model.parameters())
    model(x).backward(mg.ones(6, 2))
    for name, p in model.named_parameters():
        assert vertex(g, name).gradient["norm"] == pytest.approx(float(p.grad.norm()), rel=1e-5)
    into_relu = next(e for e in g.edges if e.source == vertex(g, "relu").id)
    assert into_relu.gradient["shape"] == [6, 8]


def test_edges_tell_what_each_use_contributes():
    x = mg.tensor(3.0, requires_grad=True)
    g = graph.draw(x * 2.0 + x * 5.0, names={"x": x}, backward=True)
    assert sorted(e.gradient["norm"] for e in g.edges if e.source == vertex(g, "x").id) == [2.0, 5.0]
    assert vertex(g, "x").gradient["norm"] == 7.0


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([np.nan, 1.0], "nan"),
        ([np.inf], "inf"),
        ([np.inf, np.nan], "nan"),
        ([0.0, 0.0], "zero"),
        ([1e-9], "vanishing"),
        ([1e6], "exploding"),
        ([1.0], ""),
        ([], "zero"),
    ],
)
def test_states_of_gradients(values, state):
    assert summary(np.array(values))["state"] == state


def test_steps_of_backward_have_formula_numbers_and_outgoing_gradients():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    g = graph.draw((x * x).sum(), backward=True)
    by_id = {v.id: v for v in g.vertices}
    assert [by_id[s["vertex"]].name for s in g.steps] == ["sum", "mul"]
    assert g.steps[0]["incoming"] == "1"
    assert [(o["argument"], o["value"]) for o in g.steps[1]["outgoing"]] == [("input", "[1, 2]"), ("other", "[1, 2]")]
    assert g.steps[1]["kept"] == {"input": "[1, 2]", "other": "[1, 2]"}


def test_backward_starts_where_it_is_told_to():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1))
    x = mg.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, 2.0, -1.0]])
    scores = model(x).detach().numpy()

    def start(gradient=None):
        return np.array(eval(graph.draw(model, x, backward=True, gradient=gradient).steps[0]["incoming"].replace(".,", ".0,")))

    assert start().tolist() == np.eye(3)[scores.argmax(1)].tolist()  # not ones: the sum of a softmax never changes
    wanted = [[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]
    assert start(wanted).tolist() == start(np.array(wanted)).tolist() == start({"output": mg.tensor(wanted)}).tolist() == wanted
    with pytest.raises(mg.engine.ShapeError, match=r"draw: gradient has shape \(3,\), but output has \(2, 3\)"):
        start([1.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="gradient names 'y', but the outputs are output"):
        start({"y": wanted})
    y = mg.ones(2, 2, requires_grad=True) * 3.0
    assert graph.draw(y, backward=True).steps[0]["incoming"].count("1.") == 4  # a tensor of no known meaning: ones


@drawable
def test_trouble_is_highlighted():
    x = mg.tensor([0.0, 4.0], requires_grad=True)
    y = mg.exp(x * 9).sum() + mg.sqrt(x * 0.0).sum()
    g = graph.draw(y, backward=True)
    assert "exploding" in g.dot
    assert "NaN" in g.dot
    assert '"#c92a2a"' in g.dot
    shown = texts(g.svg)
    assert any("exploding" in t for t in shown)
    assert any(t.startswith("∂") for t in shown)


@drawable
def test_second_order_graphs_are_drawn():
    x = mg.tensor(0.5, requires_grad=True)
    (first,) = mg.grad(mg.tanh(x), x, create_graph=True)
    (second,) = mg.grad(first, x, create_graph=True)
    g = graph.draw(second, names={"x": x, "d²y/dx²": second})
    assert vertex(g, "d²y/dx²").value == f"{second.item():.4g}"
    assert "tanh" in texts(g.svg)


# ------------------------------------------------------------------------------------------- folding, repeats


class Deep(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(n)])
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def test_folding_and_repeats():
    g = graph.draw(Deep(18), mg.ones(1, 4), depth=1)
    boxes = view(g, depth=1).boxes
    assert [b.scope.name for b in boxes.values() if b.scope] == ["layers.0", "head"]
    assert "layers.0 ×18" in g.dot
    assert "20 parameters each" in g.dot
    assert len([b for b in view(g, depth=1, repeats=False).boxes.values() if b.scope]) == 19
    (whole,) = [b for b in view(g, depth=0).boxes.values() if b.scope]
    assert whole.scope.kind == "Deep"
    assert "1×4 → 1×2" in graph.draw(Deep(18), mg.ones(1, 4), depth=0).dot
    full = view(g)
    assert sum(b.vertex is not None and b.vertex.kind == "op" for b in full.boxes.values()) == 3
    assert len(full.links) == 4  # input, linear, tanh, linear, output: the row of repeats is a single piece of the way


def test_neighbours_that_differ_are_not_repeats():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(3, 3))
    g = graph.draw(model, mg.ones(1, 4))
    assert [(s.repeats, s.same_as) for s in g.scopes[1:]] == [(2, ""), (1, "Sequential/0"), (1, ""), (1, "")]


def chain(n):
    x = y = mg.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(n // 2):
        y = (y * x).tanh()
    return y


@drawable
def test_layers_with_an_op_between_them_are_not_repeats():
    """Drawn once, they and the ops between them would be a ring."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
            self.last = nn.Linear(4, 4)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).tanh()
            return self.last(self.last(x))

    g = graph.draw(Net(), mg.ones(1, 4), repeats=True)
    assert {scope.id: scope.repeats for scope in g.scopes if scope.repeats > 1} == {"Net/last": 2}
    assert g.dot.count("<b>tanh</b>") == 3 and g.dot.count("<b>linear</b>") == 4


@drawable
def test_two_thousand_ops_are_drawn_in_columns():
    g = graph.draw(chain(2000), depth=None)
    svg = g.svg
    assert svg.count("<title>n") >= 2000
    assert len({b.column for b in view(g).boxes.values()}) == -(-2002 // COLUMN)


def test_a_very_long_chain_is_summed_up_without_recursion():
    g = graph.draw(chain(20_000))
    assert len(g.vertices) == 20_002
    boxes = view(g).boxes
    assert len(boxes) <= SUMMARY + 3
    assert sum(len(b.vertices) for b in boxes.values()) == 20_002
    text = g.dot
    assert "×" in text and len(text) < 80_000


# ----------------------------------------------------------------------------------------------------- pictures


@drawable
def test_labels_are_escaped_and_shortened():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    name = '<b>"x" & y</b>\\N'
    g = graph.draw(x * x, names={name: x, "n" * 100: x}, title='a < b & "c"')
    assert name in [text.replace("\u200b", "") for text in texts(g.svg)]
    assert 'a < b & "c"' in texts(g.svg)
    y = mg.ones(2, requires_grad=True)
    assert any("…" in t and len(t) < 40 for t in texts(graph.draw(y * y, names={"n" * 100: y}).svg))


@drawable
@pytest.mark.parametrize("ending", ["svg", "png", "dot", "gv", "json"])
def test_save_by_ending(tmp_path, ending):
    g = graph.draw(mlp(), mg.ones(1, 4))
    path = g.save(tmp_path / f"model.{ending}")
    data = path.read_bytes()
    assert path.suffix == f".{ending}"
    assert data.startswith({"svg": b"<svg", "png": b"\x89PNG", "dot": b"digraph", "gv": b"digraph", "json": b"{"}[ending])


@drawable
def test_texts_fit_their_boxes_in_any_font():
    """A reader without Helvetica gets a stand-in, which may be wider: each text says how wide it may be."""
    svg = ET.fromstring(graph.draw(mlp(), mg.ones(1, 4)).svg)
    labels = [e for e in svg.iter("{http://www.w3.org/2000/svg}text") if "".join(e.itertext()).strip()]
    assert len(labels) > 10
    assert all(0 < float(e.get("textLength")) < 300 for e in labels)
    (relu,) = [e for e in labels if e.text == "1 ReLU"]
    inside = next(g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == "node" and relu in list(g.iter()))
    box = next(e for e in inside.iter() if e.tag.endswith(("path", "polygon")))
    across = [float(x) for x in re.findall(r"(-?[\d.]+),", box.get("d") or box.get("points"))]
    middle = float(relu.get("x")) + float(relu.get("textLength")) / 2
    assert middle == pytest.approx((min(across) + max(across)) / 2, abs=0.1)  # wherever Graphviz' own font would have put it
    assert float(relu.get("textLength")) == pytest.approx(9 * (0.556 + 0.278 + 0.722 + 0.556 + 0.556 + 0.722), abs=0.02)


@drawable
def test_japanese_is_as_wide_as_high():
    """Its characters were squeezed into little more than half of their width."""
    svg = ET.fromstring(graph.draw(nn.ReLU(), mg.ones(1, 4), title="活性化の層").svg)
    (title,) = [e for e in svg.iter("{http://www.w3.org/2000/svg}text") if e.text == "活性化の層"]
    assert float(title.get("textLength")) >= 5 * float(title.get("font-size", 14))


@drawable
def test_a_notebook_shows_the_picture():
    bundle = graph.draw(mlp(), mg.ones(1, 4))._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == "<Graph Sequential: 3 ops, 4 module calls, 32 B kept for backward>"


@pytest.mark.skipif(not render.engines("pdf"), reason="pdf needs Graphviz itself: pip install pygraphviz")
def test_pdf(tmp_path):
    assert graph.draw(mlp(), mg.ones(1, 4)).save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


@drawable
@pytest.mark.parametrize("name", render.engines("svg"))
def test_every_graphviz_draws_the_same_picture(monkeypatch, name):
    """Whatever lays the graph out: the same texts in a picture of about the same size (fonts that stand in for Helvetica are wider)."""
    g = graph.draw(mlp(), mg.ones(1, 4), backward=True)
    usual = g.svg
    monkeypatch.setattr(render, "engines", lambda format="svg": [name])
    again = graph.draw(mlp(), mg.ones(1, 4), backward=True).svg
    assert sorted(texts(again)) == sorted(texts(usual))

    def size(svg):
        return [float(ET.fromstring(svg).get(side).removesuffix("pt")) for side in ("width", "height")]

    np.testing.assert_allclose(size(again), size(usual), rtol=0.15)


def test_without_any_graphviz_there_is_dot_text_and_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(render, "_program", lambda name: None)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    g = graph.draw(mlp(), mg.ones(1, 4))
    path = g.save(tmp_path / "model.svg")
    assert path.name == "model.dot" and path.read_text(encoding="utf-8").startswith("digraph")
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install pygraphviz" in line
    assert "pip install" in g._repr_mimebundle_()["text/plain"]
    with pytest.raises(graph.RenderError):
        g.svg  # noqa: B018


def test_without_the_package_graphviz_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)  # what `import graphviz` meets after a plain install
    g = graph.draw(mlp(), mg.ones(1, 4))
    for ask in (lambda: g.dot, lambda: g.svg, lambda: g.save(tmp_path / "model.svg"), lambda: g.save(tmp_path / "model.dot")):
        with pytest.raises(graph.RenderError, match=r"^graph: dot text is written by the package graphviz: pip install [^\n]*$"):
            ask()
    assert list(tmp_path.iterdir()) == []
    bundle = g._repr_mimebundle_()
    assert bundle["text/html"].startswith("<iframe") and "pip install" in bundle["text/plain"]  # a notebook shows the page instead
    assert g.save(tmp_path / "model.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_program_that_fails_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho 'libexpat is missing' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(render, "_program", lambda name: str(broken) if name == "dot" else None)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    path = graph.draw(mlp(), mg.ones(1, 4)).save(tmp_path / "model.svg")
    assert path.suffix == ".dot"
    (line,) = capsys.readouterr().err.splitlines()
    assert "dot failed: libexpat is missing" in line


@drawable
def test_the_way_back_stands_beside_the_way_there():
    """Boxes do not overlap, and each gradient op is on its op's level."""
    svg = ET.fromstring(graph.draw(mlp(), mg.ones(1, 4), backward=True).svg)
    boxes = {}
    for group in svg.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") == "node":
            title = group.find("{http://www.w3.org/2000/svg}title").text
            numbers = [float(n) for path in group.iter() for n in re.findall(r"-?\d+\.?\d*", path.get("d") or path.get("points") or "")]
            if numbers:
                boxes[title] = (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
    pairs = [(boxes[f"b{name}"], box) for name, box in boxes.items() if f"b{name}" in boxes]
    assert len(pairs) == 3
    for back, there in pairs:
        assert abs((back[1] + back[3]) - (there[1] + there[3])) < 2
    places = list(boxes.values())
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_recording_goes_on_where_it_is_entered_again():
    model = nn.Sequential(nn.Linear(2, 3))
    recording = graph.record(model)
    for _ in range(2):
        with recording:
            model(mg.ones(1, 2))
    assert [scope.id for scope in recording.scopes] == ["Sequential", "Sequential/0", "Sequential#2", "Sequential#2/0"]


# ------------------------------------------------------------------------------------------- pictures that fit a page


def test_a_picture_folds_to_fit_a_page_and_says_so():
    def heading(**options):
        return graph.draw(Wide(), mg.ones(1, 4), **options).dot

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(*[nn.Sequential(nn.Linear(4 + i, 5 + i), nn.Tanh()) for i in range(12)])
            self.head = nn.Linear(16, 2)

        def forward(self, x):
            return self.head(self.blocks(x))

    assert "modules of level 2 of 3; depth=None unfolds them" in heading().replace("</font></td></tr><tr>", " ")
    assert heading().count("tanh") == 0 and heading(depth=None).count("<b>tanh</b>") == 12
    assert "folded to fit" not in heading(depth=None) + graph.draw(mlp(), mg.ones(1, 4)).dot.split("tooltip")[0]


@drawable
def test_the_caption_names_what_was_folded():
    """Backward passes are no modules; and where modules are summarised with their neighbours, none of them has a box of its own."""

    def caption(g):
        return " ".join(re.sub("<[^>]*>", " ", g.dot.split("legend")[0]).split())

    x = mg.tensor([0.5, 1.0], requires_grad=True)
    y = x
    for _ in range(12):
        y = (y * x).sin().exp()
    (slope,) = mg.grad(y.sum(), x, create_graph=True)
    assert "folded to fit a page: backward passes; depth=None unfolds them" in caption(graph.draw(slope.sum()))
    many = nn.Sequential(*[nn.Linear(3 + i, 4 + i) for i in range(60)])
    summarised = caption(graph.draw(many, mg.ones(1, 3)))
    assert "folded to fit a page: neighbouring modules and ops in one box; depth=None draws each" in summarised
    assert "of level" not in summarised


def test_equal_neighbours_are_drawn_each_where_they_fit():
    small, large = graph.draw(Deep(2), mg.ones(1, 4)).dot, graph.draw(Deep(18), mg.ones(1, 4)).dot
    assert small.count("<b>tanh</b>") == 2
    assert large.count("<b>tanh</b>") == 1 and "repeats=False draws each" in large.replace("</font>", "")
    assert graph.draw(Deep(2), mg.ones(1, 4), repeats=True).dot.count("<b>tanh</b>") == 1


@drawable
def test_the_backward_pass_is_folded_to_a_page_too():
    """Its arrows have labels, which make a picture longer: type of 9 points is of 5.8 on A4, also where the forward pass alone just fits."""
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4 + i, 5 + i), nn.Tanh()) for i in range(3)], *[nn.Tanh() for _ in range(6)])
    alone, both = (graph.draw(model, mg.ones(1, 4), backward=way) for way in (False, True))
    assert "repeats=False" in both.dot and "repeats=False" not in alone.dot  # Tanh ×6
    for picture in map(ET.fromstring, (alone.svg, both.svg)):
        assert float(picture.get("height").removesuffix("pt")) < 1260
        assert min(float(text.get("font-size")) for text in picture.iter("{http://www.w3.org/2000/svg}text")) >= 9


@drawable
def test_a_folded_picture_is_no_larger_than_a_page_of_readable_type():
    for picture in (graph.draw(Deep(18), mg.ones(1, 4)), graph.draw(chain(2000)), graph.draw(chain(2000), direction="LR")):
        wide, high = (float(ET.fromstring(picture.svg).get(side).removesuffix("pt")) for side in ("width", "height"))
        assert max(wide, high) < 1360 and min(wide, high) < 900


@drawable
def test_ways_back_to_a_tensor_with_many_uses_fit_a_page():
    for steps, start in ((60, 1.0), (300, 0.5)):  # of the many steps the first gradients vanish, which is written on the arrows
        x = h = mg.full((), start).requires_grad_()
        for _ in range(steps):
            h = (h * 0.9 + x).tanh()
        picture = ET.fromstring(graph.draw(h, backward=True).svg)
        assert float(picture.get("width").removesuffix("pt")) <= 820 and float(picture.get("height").removesuffix("pt")) <= 1240


def third_order():
    x = mg.tensor([0.5, 0.7], requires_grad=True)
    (first,) = mg.grad((x.tanh() * x.exp()).sum(), x, create_graph=True)
    (second,) = mg.grad(first.sum(), x, create_graph=True)
    return second.sum()


class Grouped(nn.Module):
    """Names of modules that are wider than half of what is in them, and one arrow into each."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU())
        self.norm = nn.GroupNorm(2, 4)

    def forward(self, x):
        return self.norm(self.body(x)).mean((2, 3))


@functools.cache
def googlenet():
    """Drawn four times; to draw its 13 million weights takes longer than to draw it."""
    return nn.models.googlenet()


FITTING = {
    "GoogLeNet": lambda **options: graph.draw(googlenet(), mg.randn(1, 3, 64, 64), **options),
    "LeNet": lambda **options: graph.draw(nn.models.LeNet5(), mg.randn(1, 1, 28, 28), **options),
    "transformer": lambda **options: graph.draw(nn.TransformerEncoderLayer(16, 4, 32), mg.randn(5, 2, 16), **options),
    "LSTM": lambda **options: graph.draw(nn.LSTM(4, 8), mg.randn(3, 2, 4), **options),
    "third order": lambda **options: graph.draw(third_order(), **options),
    "group norm": lambda **options: graph.draw(Grouped(), mg.randn(2, 2, 6, 6), **options),
    "2,000 ops": lambda **options: graph.draw(chain(2000), **options),
}


@drawable
@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("name", FITTING)
def test_pictures_fit_a4_and_nothing_crosses_their_labels(name, direction):
    """Forward alone and with the backward pass, upright and from left to right on a sheet in landscape format."""
    mg.manual_seed(0)
    for backward in (False, True):
        svg = FITTING[name](direction=direction, backward=backward).svg
        wide, high = (float(ET.fromstring(svg).get(side).removesuffix("pt")) for side in ("width", "height"))
        assert (wide <= 820 and high <= 1240) if direction == "TB" else (wide <= 1240 and high <= 820)
        assert crossed(svg) == set()
        assert min(float(text.get("font-size")) for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")) >= 9


def test_a_label_under_an_arrow_or_a_frame_is_found():
    label = '<text text-anchor="start" x="10" y="-20" font-size="10.00" textLength="40">body</text>'
    frame = '<g id="c1" class="cluster">\n<title>cluster_1_0</title>\n<path d="M0,-60C0,-60 90,-60 90,-60 90,-60 90,0 90,0"/>{}</g>'
    arrow = '<g id="e1" class="edge">\n<title>n0&#45;&gt;n1</title>\n<path d="M{0},-50C{0},-30 {0},-20 {0},-10"/>{1}</g>'
    assert crossed(frame.format(label) + arrow.format(30, "")) == {"cluster_1_0"}
    assert crossed(frame.format(label) + arrow.format(60, "")) == set()
    assert crossed(frame.format("") + arrow.format(70, label.replace('"10"', '"60"'))) == {"n0->n1"}  # by its own arrow


@drawable
def test_a_label_that_is_crossed_stands_elsewhere():
    """A frame's in another place of its head, an arrow's in the box that it leads to."""
    mg.manual_seed(0)
    (picture,) = pictures(graph.draw(Grouped(), mg.randn(2, 2, 6, 6), depth=None))
    before, wrong = picture.text(), crossed(render.render(picture.text(), "svg").decode())
    assert wrong and picture.move(wrong) and picture.text() != before
    while picture.move(wrong):
        pass
    assert not picture.move(wrong)  # nothing is left to try
    (both,) = pictures(graph.draw(nn.LSTM(4, 8), mg.randn(3, 2, 4), backward=True, depth=None))
    arrow = next(
        title
        for title in re.findall(r"<title>(b.*?)</title>", render.render(both.text(), "svg").decode().replace("&#45;&gt;", "->"))
        if "->" in title
    )
    both.move([arrow])
    assert both.text().count("from ∂") == 1


@drawable
def test_columns_say_what_goes_on_from_where():
    """Forward and backward: in a picture of several rows no arrow leads from row to row."""
    mg.manual_seed(0)
    svg = FITTING["LeNet"](direction="LR", backward=True).svg
    rows = svg.count(">from max_pool2d") + svg.count(">from relu") + svg.count(">from flatten")
    assert rows >= 1 and svg.count("from ∂") == rows


@drawable
def test_a_picture_of_many_columns_loses_no_norm():
    """Graphviz packs columns without the labels of their arrows; and arrows back to a tensor with many uses would hide what is between."""
    x = h = mg.full((2,), 0.5).requires_grad_()
    for _ in range(60):
        h = (h * 0.9 + x).tanh()
    g = graph.draw(h.sum(), backward=True, depth=None)
    svg = g.svg
    arrows = sum(e.gradient is not None for e in g.edges)
    assert svg.count("‖g‖") == arrows
    assert svg.count("to ∂ leaf") == 61 and crossed(svg) == set()


def test_values_and_gradients_of_a_scalar_expression_are_in_its_boxes():
    x, w = mg.tensor(0.5, requires_grad=True), mg.tensor(-1.5, requires_grad=True)
    g = graph.draw((w * x + 1).tanh() ** 2, names={"x": x, "w": w}, values=True)
    said = {v.name: (v.value, (v.gradient or {}).get("value")) for v in g.vertices}
    assert said["mul"][0] == "-0.75" and said["add"][0] == "0.25" and said["tanh"][0] == "0.2449"
    tanh = np.tanh(0.25)
    slope = 2 * tanh * (1 - tanh**2)
    assert float(said["mul"][1]) == pytest.approx(slope, abs=1e-4) and float(said["x"][1]) == pytest.approx(-1.5 * slope, abs=1e-4)
    assert said["pow"][1] == "1"  # as values are written, not ``1.``
    written = [f"∂ {said['x'][1]}".replace("-", "−"), "= −0.75", "= −1.5"]  # a minus sign, as on the page
    assert "= 0.2449" in g.dot and all(text in g.dot for text in written) and "∂ tanh" not in g.dot
    assert x.grad is None


def test_the_arrays_of_a_graph():
    mg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    x = mg.randn(4, 3)
    g = graph.draw(model, x, values=True)
    linear = vertex(g, "linear")
    operands = {name: unpacked(g.arrays[key]) for name, key in linear.arrays["operands"]}
    np.testing.assert_allclose(operands["input"], x.numpy())
    np.testing.assert_allclose(unpacked(g.arrays[linear.arrays["results"][0]]), model[0](x).detach().numpy(), rtol=1e-6)
    assert graph.Graph.from_json(g.to_json()) == g
    turned = graph.draw(mg.rand(2, 3).requires_grad_().permute(1, 0), values=True)
    assert graph.Graph.from_json(turned.to_json()) == turned
    y = (mg.ones(3, requires_grad=True) * mg.arange(3.0)) + 5  # drawn afterwards: what backward keeps, computed on
    later = graph.draw(y, values=True)
    np.testing.assert_array_equal(unpacked(later.arrays[vertex(later, "add").arrays["results"][0]]), [5, 6, 7])


def test_a_recording_keeps_the_arrays_that_backward_does_not():
    model, x, mask = nn.Linear(3, 2), mg.randn(4, 3), mg.randn(4, 2)
    with graph.record(model, arrays=True) as recording:
        loss = (model(x) + mask).sum()
    g = graph.draw(loss, model=recording, backward=True)
    ((_, result), (_, other)) = vertex(g, "add").arrays["operands"]
    np.testing.assert_allclose(unpacked(g.arrays[other]), mask.numpy())
    np.testing.assert_allclose(unpacked(g.arrays[result]), model(x).detach().numpy(), rtol=1e-6)
    later = graph.draw((model(x) + mask).sum(), backward=True)  # not recorded: nothing kept the mask, so the sum is unknown
    assert vertex(later, "add").arrays["results"] == [""] and vertex(later, "add").arrays["operands"][1] == ["other", ""]


def test_a_number_that_is_not_known_is_not_made_up():
    """A bias that has been deleted, and that no formula keeps, is unknown; so are the sum and what was computed from it."""
    x, weight = mg.randn(2, 3, requires_grad=True), mg.randn(4, 3, requires_grad=True)
    bias = mg.ones(4, requires_grad=True)
    y = F.linear(x, weight, bias)
    whole = vertex(graph.draw((y * y).sum(), values=True), "linear")
    assert [name for name, key in whole.arrays["operands"] if key] == ["input", "weight", "bias"]
    z = F.linear(x, weight, bias) + 1.0
    del bias, y
    gone = vertex(graph.draw(z.sum(), values=True), "linear")
    assert gone.arrays["operands"][2] == ["bias", ""] and gone.arrays["results"] == [""]


def test_a_model_that_maps_over_samples_is_drawn_with_its_values():
    class Mapped(nn.Module):
        def forward(self, x):
            return func.vmap(lambda row: (row * row).sum())(x)

    g = graph.draw(Mapped(), mg.tensor([[1.0, 2.0], [3.0, 4.0]]), backward=True)
    assert unpacked(g.arrays[g.vertices[-1].arrays["results"][0]]).tolist() == [5, 25]


def test_outputs_in_a_dict_have_their_keys():
    class Twice(engine.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Heads(nn.Module):
        def forward(self, x):
            return {"boxes": Twice.apply(x), "scores": func.vmap(lambda row: row.sum())(x)}

    g = graph.draw(Heads(), mg.ones(2, 3))
    assert [v.name for v in g.vertices if v.kind == "output"] == ["boxes", "scores"]
    assert vertex(g, "Twice").static == {} and vertex(g, "enter").static == {"dim": "0"}  # no object of the package's own


def test_gradients_inside_vmap_are_drawn():
    class Mapped(nn.Module):
        def forward(self, x):
            rows = func.vmap(lambda row: row.exp().sum() * row.expand(2, 2).reshape(4))(x)
            return rows.sum()

    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    g = graph.draw(Mapped(), x, backward=True, depth=None)
    (2 * (x.exp().sum(1) * x.sum(1)).sum()).backward()
    assert vertex(g, "x").gradient["norm"] == pytest.approx(float(x.grad.norm()))
    assert vertex(g, "exp").gradient["norm"] == pytest.approx(float((2 * x.sum(1) * 2**0.5).norm()))
    assert "exp" in g.html


def unpacked(array):
    return np.frombuffer(base64.b64decode(array["data"]), "<f4").reshape(array["shape"])


def test_an_op_between_folded_modules_stays_itself():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(12)])

        def forward(self, x):
            for i, part in enumerate(self.parts):
                x = part(x) + 100
                x = x if i % 2 else ((5 - x) * x).exp()
            return x

    boxes = view(graph.draw(Steps(), mg.ones(1, 4)), 1, limit=8, pieces=12).boxes.values()
    summaries = [box for box in boxes if box.vertex is None and box.scope is None]
    assert summaries and all(len(box.vertices) > 1 for box in summaries)
    assert (
        sum(box.vertex is not None and box.vertex.name == "add" for box in boxes) == 6 and sum(box.scope is not None for box in boxes) == 12
    )


@drawable
def test_a_long_row_of_modules_is_summarised_under_their_names():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4 + i, 5 + i), nn.Tanh()) for i in range(90)])
    text = " ".join(re.sub("<[^>]+>", " ", graph.draw(model, mg.ones(1, 4)).dot).split())
    assert "neighbouring modules and ops in one box" in text and re.search(r"0, 1, (2|…, \d+) \d+ ops", text)


@pytest.mark.parametrize("name", ["repeats", "backward", "values", "constants", "parameters", "legend"])
def test_a_switch_is_true_or_false(name):
    """1 and "no" would be read as yes; a page says what it draws, so the switch is checked before the model runs."""
    ran = []

    class Heard(nn.Module):
        def forward(self, x):
            ran.append(x)
            return x * 2

    for wrong in (1, 0, "no", [], *([] if name == "repeats" else [None])):
        with pytest.raises(TypeError, match=f"^draw: {name} must be True or False, but is "):
            graph.draw(Heard(), mg.ones(2), **{name: wrong})
    assert not ran
    for right in (True, False, *([None] if name == "repeats" else [])):
        drawn = graph.draw(Heard(), mg.ones(2), **{name: right})
        assert name == "constants" or drawn.options[name] is right
    assert len(ran) == 3 if name == "repeats" else len(ran) == 2


def test_leaves_in_a_summary():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert describe_stretch(graph.draw(x * 2).vertices)[0] == "leaves ×1"
