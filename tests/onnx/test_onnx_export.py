"""Models written as ONNX files: recurrent layers, attention, sizes that vary, names, and what cannot be written. Whole networks are in test_onnx_models.

Each export verifies itself: the file is run by ``load`` (and by onnxruntime, where it is installed) with other numbers and other sizes.
"""

import importlib
import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import __main__ as command_line
from minigrad import nn
from minigrad.onnx import OnnxError, export, load
from minigrad.onnx.rules import RULES
from minigrad.tree import leaves

onnx = pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def image(*shape):
    return mg.randn(*shape)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers(kind, bidirectional):
    """One node for each direction of each layer; batch and time may vary."""
    model = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=bidirectional, batch_first=True)
    proto = export(model, mg.randn(2, 5, 3), dynamic_axes={"input": {0: "batch", 1: "time"}})
    assert sum(node.op_type == kind for node in proto.graph.node) == 2 * (1 + bidirectional)
    again = load(proto)
    assert set(again.state_dict()) == set(model.state_dict())
    x = mg.randn(3, 7, 3)
    (a, *_), (b, *_) = again(x), model(x)
    assert mg.allclose(a, b, atol=1e-6)
    loss = (a**2).sum()
    loss.backward()
    assert all(p.grad is not None for p in again.parameters())


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(kind):
    export(getattr(nn, kind)(3, 4), mg.randn(2, 3), dynamic_axes={"input": [0]} if kind == "RNNCell" else None)


def test_attention():
    x = mg.randn(2, 5, 8)
    export(nn.MultiheadAttention(8, 2, batch_first=True), (x, x, x), input_names=["query", "key", "value"])
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    export(encoder, x, dynamic_axes={"src": {0: "batch", 1: "time"}})
    export(nn.Transformer(8, 2, 1, 1, 16), (mg.randn(5, 2, 8), mg.randn(4, 2, 8)))
    export(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), (x, x, x))


def test_names():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

        def forward(self, image):
            return F.relu(self.norm(self.conv(image)))

    proto = export(Block(), image(2, 1, 5, 5), output_names=["features"], dynamic_axes={"image": {0: "batch"}})
    assert [node.name for node in proto.graph.node] == ["/conv/Conv", "/norm/BatchNormalization", "/Relu"]
    assert [tensor.name for tensor in proto.graph.initializer] == [
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
    ]
    (given,), (out,) = proto.graph.input, proto.graph.output
    assert (given.name, out.name) == ("image", "features")
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 1, 5, 5]


def test_model_is_exported_in_evaluation_and_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    proto = export(model, mg.randn(5, 3))
    assert model.training and "Dropout" not in [node.op_type for node in proto.graph.node]
    assert all(mg.equal(value, before[name]) for name, value in model.state_dict().items())


def test_batch_norm_is_folded():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 2, 2, bias=False), nn.BatchNorm2d(2))
    for norm in (model[1], model[3]):
        for p in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            p.data = mg.rand(*p.shape) + 0.5
    proto = export(model, image(1, 1, 6, 6), fold_batch_norm=True)
    assert [node.op_type for node in proto.graph.node] == ["Conv", "ConvTranspose"]


class Twice(nn.Module):
    """One layer, and a normalisation of its own for each time that it is called, as in heads of detectors."""

    def __init__(self, layer, norm):
        super().__init__()
        self.layer, self.first, self.second = layer, norm, type(norm)(norm.num_features)
        self.other = nn.Parameter(mg.randn(*layer.weight.shape))
        for p in (*self.first.parameters(), *self.second.parameters(), self.first.running_var, self.second.running_mean):
            p.data = mg.rand(*p.shape) + 0.5

    def forward(self, x):
        y = self.second(self.layer(self.first(self.layer(x))))
        return y - self.first(self.layer(x)) + self.first(type(self)._functional(x, self.other))


class TwiceConv(Twice):
    _functional = staticmethod(lambda x, w: F.conv2d(x, w, padding=1))


class TwiceLinear(Twice):
    _functional = staticmethod(F.linear)


@pytest.mark.parametrize(("model", "x"), [
    (lambda: TwiceConv(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)), (2, 3, 4, 4)),
    (lambda: TwiceLinear(nn.Linear(3, 3, bias=False), nn.BatchNorm1d(3)), (2, 3)),
])  # fmt: skip
def test_batch_norms_of_a_shared_layer_are_folded(model, x):
    proto = export(model(), mg.randn(*x), fold_batch_norm=True)
    assert "BatchNormalization" not in [node.op_type for node in proto.graph.node]
    names = [t.name for t in proto.graph.initializer]
    # those of the layer with its first normalisation are there once
    assert names == [f"layer.{w}.folded{n}" for n in ("", "_1") for w in ("weight", "bias")] + ["other.folded", "bias.folded"]


@pytest.mark.parametrize("opset", [13, 15, 17, 18, 20, 22])
def test_versions(opset):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def forward(self, x):
            y = F.gelu(self.norm(x)) + F.mish(x)
            return y.mean(-1), y.amax(0), y.split([1, 3], -1)[1]

    proto = export(Model(), mg.randn(3, 4), opset_version=opset)
    assert proto.opset_import[0].version == opset


@pytest.mark.parametrize("opset", [13, 18, 20])
def test_operators_that_older_versions_have_not(opset):
    """``HardSwish`` and ``Trilu`` came with 14, ``IsInf`` of float16 with 20."""
    proto = export(lambda x: (F.hardswish(x), x.tril(), x.triu(1), (x > 0).tril()), mg.randn(2, 3, 3), opset_version=opset)
    assert ("HardSwish" in [node.op_type for node in proto.graph.node]) == (opset >= 14)
    x = mg.tensor([1.0, mg.inf, -mg.inf, mg.nan], dtype=mg.float16)
    export(lambda x: (x.isinf(), x.isposinf(), x.isneginf(), x.isfinite(), mg.nan_to_num(x)), x, opset_version=opset)
    if opset < 14:
        with pytest.raises(OnnxError, match="a triangle of a size that varies needs opset_version=14"):
            export(lambda x: x.tril(), mg.randn(3, 3), opset_version=opset, dynamic_axes={"x": {0: "n", 1: "n"}})


def test_any_and_all_of_bytes_are_bytes():
    """As in PyTorch."""
    x = mg.tensor([[0, 2], [1, 3]], dtype=mg.uint8)
    assert [y.tolist() for y in load(export(lambda x: (x.any(1), x.all(1)), x))(x)] == [[1, 1], [0, 1]]


def test_sizes_that_vary():
    """Numbers that come from a shape are computed in the file; two axes with one name have one size."""

    def function(a, b):
        n, t = a.shape
        grid = mg.arange(t).to(a.dtype)
        return (
            (a * grid).reshape(n * t, 1) * 2 + mg.ones(2),
            mg.zeros(n, 3) + mg.cat([b, a], 1).sum(1, keepdim=True),
            mg.cat([a, b], 1)[:, : t + 1].expand(3, n, t + 1),
        )

    proto = export(function, (mg.randn(2, 3), mg.randn(2, 4)), dynamic_axes={"a": {0: "n", 1: "t"}, "b": {0: "n"}})
    a, b = mg.randn(5, 4), mg.randn(5, 4)
    for found, wanted in zip(load(proto)(a, b), function(a, b), strict=True):
        assert mg.allclose(found, wanted)


def sizes(proto):
    return [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*proto.graph.input, *proto.graph.output)]


class Dim:
    """As ``torch.export.Dim``: an object with a name; or a hint."""

    def __init__(self, name=None, hint=None):
        self.type = hint
        if name is not None:
            self.__name__ = name


@pytest.mark.parametrize("options", [
    {"dynamic_axes": {"x": {0: "n"}, "output": {0: "n"}}},
    {"dynamic_axes": {"x": {-2: "n"}, "output": {0: "batch", 1: "features"}}},  # a size that is an input's has its name; one that stays has none
    {"dynamic_shapes": {"x": {0: "n"}}},
    {"dynamic_shapes": {"x": {0: Dim("n"), 1: Dim(hint="_DimHintType.STATIC")}}},
    {"dynamic_shapes": {"x": ["n", None]}},
    {"dynamic_shapes": ({0: "n", 1: 4},)},
    {"dynamic_shapes": [("n", 4)]},
])  # fmt: skip
def test_sizes_that_vary_are_said_as_in_pytorch(options):
    assert sizes(export(lambda x: x[:, 1:] * 2, mg.randn(2, 4), **options)) == [["n", 4], ["n", 3]]


def test_names_of_sizes_that_vary():
    function = lambda x: mg.cat([x, x])
    assert sizes(export(function, mg.randn(2, 4), dynamic_axes={"x": [0], "output": {0: "twice"}})) == [["x_0", 4], ["twice", 4]]
    assert sizes(export(function, mg.randn(2, 4), dynamic_shapes=({0: Dim(hint="_DimHintType.DYNAMIC")},)))[0] == ["x_0", 4]
    for name in ("x", "image"):  # by the name of the parameter, or in the file
        assert sizes(export(function, mg.randn(2, 4), input_names=["image"], dynamic_shapes={name: {0: "n"}}))[0] == ["n", 4]


def test_sizes_of_nested_inputs_vary():
    def function(a, rest, c):
        return a + rest[0] + rest[1]["k"] + c

    x, one = mg.randn(2, 4), {0: "n"}
    proto = export(function, (x, [x, {"k": x}]), kwargs={"c": x}, dynamic_shapes={"a": one, "rest": [one, {"k": one}], "c": one})
    assert sizes(proto) == [["n", 4]] * 5
    still = export(function, (x, [x, {"k": x}]), kwargs={"c": x}, dynamic_shapes=({1: "m"}, [{1: "m"}, {"k": {1: "m"}}], [None, "m"]))
    assert sizes(still) == [[2, "m"]] * 5
    assert sizes(export(lambda a, rest: a * 2, (x, [x, x]), dynamic_shapes={"a": one, "rest": None})) == [
        ["n", 4],
        [2, 4],
        [2, 4],
        ["n", 4],
    ]


MASK = mg.ones(9, 9).tril() == 0


@pytest.mark.parametrize("masked", [
    lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    lambda x: x @ x.mT + nn.Transformer.generate_square_subsequent_mask(x.shape[1]),
    lambda x: (x @ x.mT).masked_fill(MASK[: x.shape[1], : x.shape[1]], -1e9).softmax(-1),
    lambda x: (x @ x.mT).masked_fill(mg.ones(1, x.shape[1], x.shape[1], dtype=mg.bool).triu(-1), 3.0),
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 4])
def test_causal_masks_of_sizes_that_vary(masked, steps):
    proto = export(masked, mg.randn(2, steps, 3), dynamic_axes={"x": {1: "t"}})
    x = mg.randn(2, 7, 3)
    found, wanted = load(proto)(x), masked(x)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_a_constant_of_another_pattern_is_refused():
    table = mg.randn(9, 3)
    with pytest.raises(OnnxError, match=r"add in the model: a constant of shape \(4, 3\) depends on the size of a dynamic axis"):
        export(lambda x: x + table[: x.shape[0]], mg.randn(4, 3), dynamic_axes={"x": [0]})


def written(x, place, value):
    y = x.clone()
    y[place] = value
    return y


@pytest.mark.parametrize("function", [
    lambda x: F.pad(x.transpose(1, 2), (1, 1), mode="reflect"),
    lambda x: (x.roll(-3, 1), x.roll((1, 2), (0, 1)), x.roll(-3)),
    lambda x: (x.var(1), x.std((0, 1)), x.var(0, correction=0)),
    lambda x: (x[:, x.shape[1] - 1], x[: x.shape[0] - 1, -2:]),
    lambda x: (written(x, (slice(None), 0), 5.0), written(x, (0, slice(None, -1)), x[0, 1:] * 2), written(x, slice(1, None), 0.0)),
    lambda x: (x.max(1), x.min(0), x.sort(1), x.topk(2, 1)),
    lambda x: x.gather(1, x.argmax(2)[:, :1, None].expand(-1, 1, 3) % x.shape[1]),
    lambda x: (mask := mg.ones(x.shape[1], 3), x * mask + mask)[1],  # a constant that two ops are given
    lambda x: (x.reshape(x.shape[0], -1), x.permute(1, 0, 2).reshape(x.shape[1], -1)),
    lambda x: F.layer_norm(x, x.shape[1:]),
    lambda x: x + mg.arange(x.shape[1])[:, None],
])  # fmt: skip
@pytest.mark.parametrize("steps", [2, 5])
def test_what_depends_on_sizes_that_vary(function, steps):
    """At sizes that are smaller than those of the export, and odd and even ones."""
    proto = export(function, mg.randn(3, steps, 3), dynamic_axes={"x": {0: "n", 1: "t"}})
    for n, t in ((2, 2), (3, 3), (2, 4), (5, 9)):
        x = mg.randn(n, t, 3)
        for found, wanted in zip(leaves(load(proto)(x)), leaves(function(x)), strict=True):
            assert found.shape == wanted.shape and mg.allclose(found, wanted, atol=1e-6), (n, t)


def test_positions_that_depend_on_sizes_that_vary_are_refused():
    for function in (lambda x: x[:, [0, 1], [1, 0]], lambda x: x.diagonal(0, 1, 2), lambda x: x.unfold(1, 2, 1)):
        with pytest.raises(OnnxError, match=r"depends? on the size of a dynamic axis, and ha(s|ve) no counterpart"):
            export(function, mg.randn(3, 4, 3), dynamic_axes={"x": {0: "n", 1: "t"}}, verify=False)


@pytest.mark.parametrize(("function", "steps"), [
    (lambda x: mg.zeros(x.shape[1] ** 2) + x.sum(), 4),  # a line through 4 and 8 is no square
    (lambda x: x[:, : x.shape[1] // 2], 1),
    (lambda x: x.split(2, 1)[0], 1),
])  # fmt: skip
def test_sizes_that_follow_in_another_way_are_found(function, steps):
    """Twice the size, which the export has seen, does not show it."""
    with pytest.raises(OnnxError, match="for other sizes"):
        export(function, mg.randn(2, steps, 3), dynamic_axes={"x": {1: "t"}})


@pytest.mark.parametrize("pool", [
    lambda x: F.max_pool2d(x, 3, 2, 1),
    lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True, return_indices=True),
    lambda x: F.avg_pool2d(x, 3, 2, 1),
    lambda x: F.avg_pool2d(x, 3, 3, 1, count_include_pad=False),
    lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
    lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    lambda x: F.avg_pool2d(x, 3, 2, divisor_override=2),
    lambda x: F.adaptive_avg_pool2d(x, 1),
    lambda x: F.adaptive_max_pool2d(x, 1),
    lambda x: F.max_pool2d(x, x.shape[2:]),
])  # fmt: skip
@pytest.mark.parametrize("traced", [3, 4, 5])
def test_windows_on_inputs_of_other_sizes(pool, traced):
    """The windows of sizes that are no multiples of the one of the export, which leave other numbers of pixels over."""
    proto = export(pool, mg.randn(1, 2, traced, traced), dynamic_axes={"x": {2: "h", 3: "w"}})
    for h, w in ((4, 5), (5, 4), (6, 7), (9, 8), (11, 10)):
        x = mg.randn(1, 2, h, w)
        for found, wanted in zip(leaves(load(proto)(x)), leaves(pool(x)), strict=True):
            assert found.shape == wanted.shape and mg.allclose(found, wanted, atol=1e-6), (h, w)


@pytest.mark.parametrize(("pool", "words"), [
    (lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), "what these windows are divided by"),
    (lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=4), "what these windows are divided by"),
    (lambda x: F.adaptive_max_pool2d(x, (1, None)), "the size of the windows depends"),
])  # fmt: skip
def test_windows_that_onnx_cannot_say_for_all_sizes(pool, words):
    with pytest.raises(OnnxError, match=f"_pool in the model: {words}"):
        export(pool, mg.randn(1, 2, 4, 4), dynamic_axes={"x": {2: "h", 3: "w"}}, verify=False)


def test_results_that_are_written_into_tensors():
    def function(x):
        y = mg.zeros(3, 4)
        y[0] = x.sum()
        y[1, :2] = x[0, :2]
        return y * 2

    layer = nn.GRU(3, 4)

    def packed(x):
        return nn.utils.rnn.pad_packed_sequence(layer(nn.utils.rnn.pack_padded_sequence(x, [5, 3]))[0])[0]

    for f, x in ((function, mg.randn(3, 4)), (packed, mg.randn(5, 2, 3))):
        proto, x = export(f, x), mg.randn(*x.shape)
        with mg.no_grad():
            np.testing.assert_allclose(load(proto)(x).numpy(), f(x).numpy(), rtol=1e-5, atol=1e-6)


def test_indexing():
    index = mg.tensor([2, 0])
    x = mg.randn(3, 4, 5)

    def function(x, i, mask):
        y = x.clone()
        y[:, 1] = 0.0
        y[0, :, index] = 7.0
        z = mg.where(mask, x, -x)
        z[mask] = 3.0
        return y, x[i], x[:, i], x[..., -1], x[::2, None, 1:3], x[i, i], z, x[1:, [0, 2]], x.flip(0), mg.gather(x, 0, i[:, None, None])

    export(function, (x, index, x > 0))


def test_what_cannot_be_written_is_named():
    class Inner(nn.Module):
        def forward(self, x):
            return mg.linalg.inv(x)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.solver = Inner()

        def forward(self, x):
            return self.solver(x) + 1

    with pytest.raises(OnnxError, match=r"export: inv in solver: this op has no counterpart in ONNX"):
        export(Model(), mg.eye(3))


def test_numbers_that_leave_the_ops_are_found():
    def by_numpy(x):
        return x * float(x.numpy().max())

    with pytest.raises(OnnxError, match=r"for other numbers, minigrad's 'output' of the file differs from the model's .* outside of ops"):
        export(by_numpy, mg.tensor([1.0, 2.0, 3.0]))
    assert export(by_numpy, mg.tensor([1.0, 2.0, 3.0]), verify=False).graph.node

    def by_size(x):
        return x @ mg.from_numpy(np.random.default_rng(0).standard_normal((x.shape[1], 2)).astype("float32"))

    with pytest.raises(OnnxError, match=r"matmul in the model: a constant of shape .* depends on the size of a dynamic axis"):
        export(by_size, mg.ones(2, 3), dynamic_axes={"x": [1]})

    def by_branch(x):
        return x + 1 if x.shape[0] < 3 else x.exp() * 2

    with pytest.raises(OnnxError, match=r"this axis cannot be dynamic"):
        export(by_branch, mg.ones(2), dynamic_axes={"x": [0]})


def test_a_file_that_onnxruntime_cannot_check_is_said_to_be():
    pytest.importorskip("onnxruntime")
    for function, x in [
        (F.gelu, mg.rand(3).double()),
        (nn.GRU(2, 2).double(), mg.rand(1, 1, 2).double()),
    ]:  # when it reads it, when it runs it
        with pytest.warns(UserWarning, match=r"export: verify: onnxruntime has not checked the file, only minigrad's load has") as caught:
            export(function, x)
        assert [w.filename for w in caught] == [__file__]


def test_arguments_are_checked():
    model, x = nn.Linear(2, 3), mg.ones(1, 2)
    for options, kind, text in [
        ({"opset_version": 3}, ValueError, "opset_version must be from 13 to"),
        ({"input_names": ["a", "b"]}, ValueError, "1 inputs, and the names"),
        ({"output_names": ["input"]}, ValueError, "which must differ"),
        ({"dynamic_axes": {"z": [0]}}, ValueError, "names 'z', and the inputs are input, the outputs output"),
        ({"dynamic_axes": {"output": [2]}}, ValueError, "output 'output' has 2 dimensions, and no axis 2"),
        ({"dynamic_shapes": {"z": None}}, ValueError, "names 'z', and the inputs are input"),
        ({"dynamic_shapes": {"input": ["n"]}}, ValueError, "has 2 dimensions; its entry is None, a dict, or a list of 2"),
        ({"dynamic_shapes": ()}, ValueError, "has an entry for each of the 1 inputs"),
        ({"dynamic_shapes": {"input": {2: "n"}}}, ValueError, "no axis 2"),
        ({"dynamic_axes": {"input": [5]}}, ValueError, "no axis 5"),
        ({"dynamic_axes": {}, "dynamic_shapes": {}}, TypeError, "are the same"),
        ({"external_data": True}, ValueError, "needs a path"),
    ]:
        with pytest.raises(kind, match=text):
            export(model, x, **options)
    with pytest.raises(TypeError, match=r"holds no Tensor"):
        export(model, 3)
    with pytest.raises(TypeError, match=r"model must be a module"):
        export(3, x)


def test_files(tmp_path):
    model, x = nn.Linear(40, 30), mg.randn(1, 40)
    export(model, x, tmp_path / "one.onnx")
    export(model, x, tmp_path / "two.onnx", external_data=True)
    export(model, x, tmp_path / "two.onnx", external_data=True)  # again: the file of numbers does not grow
    assert (tmp_path / "two.onnx.data").stat().st_size < 6000 and (tmp_path / "two.onnx").stat().st_size < 1500
    for name in ("one", "two"):
        assert mg.allclose(load(tmp_path / f"{name}.onnx")(x), model(x))


def test_more_than_a_file_holds_needs_external_data(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("minigrad.onnx.exporting"), "LARGEST", 1000)
    model, x = nn.Linear(40, 30), mg.randn(1, 40)
    with pytest.raises(OnnxError, match=r"export: the model has 4.8 KB, and a file of ONNX 2 GB at most; external_data=True"):
        export(model, x, tmp_path / "m.onnx")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        export(model, x, tmp_path / "m.onnx", external_data=True)
    assert all("does not fit into one message" in str(warning.message) for warning in said)  # none without onnxruntime
    assert mg.allclose(load(tmp_path / "m.onnx")(x), model(x))


def test_containers_as_inputs_and_outputs():
    def function(pair, scale=None):
        return {"sum": pair[0] + pair[1], "product": [pair[0] * scale]}

    x = mg.randn(3)
    proto = export(function, ((x, x + 1),), kwargs={"scale": mg.tensor(2.0)})
    assert [v.name for v in proto.graph.input] == ["pair_0", "pair_1", "scale"]
    assert [v.name for v in proto.graph.output] == ["output_0", "output_1"]


def test_tied_weights_and_outputs_that_are_inputs():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x)), x, self.a.weight

    proto = export(Tied(), mg.randn(2, 3))
    assert [t.name for t in proto.graph.initializer] == ["a.weight", "a.bias", "b.bias"]


def test_sizes_of_outputs_are_said_where_they_are_known():
    """As numbers, as the size of an input, or not at all where they vary in another way."""

    def several(x):  # N 3 L
        return x * 2, x.sum((0, 2)), mg.cat([x, x], 2), x[:, :, 1:], nn.functional.max_pool1d(x, 2, ceil_mode=True)

    proto = export(several, mg.randn(2, 3, 5), dynamic_axes={"x": {0: "batch", 2: "length"}})
    found = [[d.dim_param or d.dim_value or None for d in out.type.tensor_type.shape.dim] for out in proto.graph.output]
    assert found == [["batch", 3, "length"], [3], ["batch", 3, None], ["batch", 3, None], ["batch", 3, None]]
    assert load(proto).output_types["output_0"] == ("float32", ("batch", 3, "length"))


# ----------------------------------------------------------------------------------------------------------- command line


def test_command_line(tmp_path, capsys):
    source = tmp_path / "nets.py"
    source.write_text("from minigrad import nn\n\n\ndef net():\n    return nn.Sequential(nn.Linear(4, 3), nn.Tanh())\n")
    path = str(tmp_path / "net.onnx")

    def run(*arguments):
        code = command_line.main(["onnx", *arguments])
        return code, capsys.readouterr()

    code, said = run("export", f"{source}:net", "--input", "2,4", "--dynamic", "input:0", "-o", path)
    assert code == 0 and "2 nodes" in said.out, said
    code, said = run("info", path, "--parameters")
    assert (
        code == 0
        and "input   input: float32 (input_0, 4)\noutput  output: float32 (input_0, 3)" in said.out
        and "15 parameters in 2 tensors" in said.out
    )
    assert "2 nodes: Gemm 1, Tanh 1" in said.out and "0.weight: float32 (3, 4)" in said.out
    np.save(tmp_path / "x.npy", np.ones((5, 4), np.float32))
    code, said = run("run", path, "--input", f"input={tmp_path / 'x.npy'}", "-o", str(tmp_path / "y.npz"))
    assert code == 0 and "output: float32 (5, 3), from " in said.out
    assert np.load(tmp_path / "y.npz")["output"].shape == (5, 3)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    np.save(tmp_path / "objects.npy", np.array([{}]))
    for arguments, text in [
        *[(["run", path, "--input", f"input={tmp_path / name}.npy"], "is no file of an array of numbers") for name in ("bad", "objects")],
        (["info", str(tmp_path / "absent.onnx")], "No such file"),
        (["info", str(source)], "not an ONNX model, or damaged"),
        (["run", path, "--input", "z=1,4"], "the inputs are input"),
        (["export", f"{source}:net", "--input", "2,4", "--dynamic", "input"], "write NAME:AXIS"),
    ]:
        code, said = run(*arguments)
        assert code == 1 and text in said.err and "minigrad onnx:" in said.err, said


# -------------------------------------------------------------------------------------------------------------- the page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "onnx.md", ROOT / "docs" / "ja" / "onnx.md"]
needs_pages = pytest.mark.skipif(
    not all(page.exists() for page in PAGES), reason="the docs are not here: this is an installed package's test run"
)


@needs_pages
@pytest.mark.parametrize("page", PAGES, ids=["en", "ja"])
def test_the_page_lists_what_is_written(page):
    """Its table of ops has each rule of the export once."""
    table = page.read_text(encoding="utf-8").split("| op")[1].split("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)
    assert sorted(named) == sorted(RULES)


@needs_pages
@pytest.mark.parametrize("page", PAGES, ids=["en", "ja"])
def test_commands_of_the_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^python -m minigrad (onnx .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["export", "info", "run"]
    for line in lines:
        assert command_line.main(shlex.split(line.replace("examples/", f"{ROOT.as_posix()}/examples/"))) == 0, capsys.readouterr().err
    assert "output: float32 (3, 10)" in capsys.readouterr().out


@pytest.mark.parametrize(("low", "high"), [(-3, 4), (2, 400), (None, 300), (-1, None)])
def test_bounds_that_a_dtype_has_not_clip_nothing(low, high):
    x = mg.tensor([0, 1, 5, 255], dtype=mg.uint8)
    again = load(export(lambda x: x.clamp(low, high), x))
    assert again(x).tolist() == x.clamp(low, high).tolist()


@pytest.mark.parametrize("dtype", [mg.uint8, mg.int8, mg.int64, mg.uint64])
def test_comparisons_with_numbers_that_a_dtype_has_not(dtype):
    x = mg.tensor([0, 1, 100], dtype=dtype)
    for number in (-1, -200, 300, 2**64):
        model = lambda x, n=number: (x > n, x <= n, x == n, x != n)
        again = load(export(model, x))
        assert [y.tolist() for y in again(x)] == [y.tolist() for y in model(x)], number


def test_what_is_rounded_to_float16_in_between_is_no_error():
    x = mg.randn(3, 5)
    again = load(export(lambda x: (x.half() * 3).float(), x))
    assert again(x).dtype == mg.float32


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[:, : x.shape[1] // 2],
        lambda x: F.pad(x, (0, x.shape[1] % 2)),
        lambda x: mg.topk(x, (x.shape[1] + 1) // 2, 1)[0],
        lambda x: x / x.shape[1] ** 0.5,
        lambda x: x * (1 / x.shape[1]),
        lambda x: x[:, x.shape[1] // 2 + 1],
    ],
)
def test_numbers_that_are_no_sums_of_sizes_are_refused_where_they_are_written(function):
    """Without verify too: the file would have them as they were for this size."""
    with pytest.raises(OnnxError, match=r"the number \S+ depends on the size of a dynamic axis, and not as a sum of multiples"):
        export(function, mg.randn(2, 7), dynamic_axes={"x": {1: "width"}}, verify=False)
    export(function, mg.randn(2, 7), dynamic_axes={"x": {0: "batch"}})


def test_sizes_that_nothing_writes_may_follow_in_any_way():
    """The sizes behind strides, halves that a second half makes whole again."""
    model = nn.Sequential(nn.Conv1d(1, 2, 3, stride=2), nn.MaxPool1d(2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 3))
    file = export(model, mg.randn(2, 1, 15), dynamic_axes={"input": {0: "batch", 2: "width"}})
    x = mg.randn(3, 1, 22)
    assert mg.allclose(load(file)(x), model(x), atol=1e-6)
