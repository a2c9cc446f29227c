"""Models of ONNX files: names, training, control flow, functions, external data, and files that must be refused."""

import copy
import pickle
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import graph, nn
from minigrad.onnx import OnnxError, export, load
from minigrad.onnx.table import OPERATORS
from minigrad.testing import gradcheck

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper, parser  # noqa: E402

rng = np.random.default_rng(0)


def model_of(text, opset=18, stored=(), functions=""):
    """A model in ONNX's text form, with stored tensors (name -> array)."""
    own = ', "own": 1' if functions else ""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}{own}]>\n{text}\n{functions}')
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in dict(stored).items())
    return model


def small():
    text = "{ a = Conv (x, w, b)\n r = Relu (a)\n c = GlobalAveragePool (r)\n d = Flatten (c)\n y = Mul (d, scale) }"
    stored = {"w": rng.standard_normal((2, 1, 3, 3)), "b": rng.standard_normal(2), "scale": np.float64(2.0)}
    return model_of(f"net (double[N,1,5,5] x) => (double[N,2] y) {text}", stored=stored)


def test_weights_are_parameters_and_train():
    model = load(small())
    assert isinstance(model, nn.Module) and not model.training
    assert [name for name, _ in model.named_parameters()] == ["w", "b"]  # the scalar is a constant
    x = mg.tensor(rng.standard_normal((4, 1, 5, 5)))
    target = mg.tensor(rng.standard_normal((4, 2)))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    gradcheck(model, x[:1].clone().requires_grad_())


def test_names_with_dots_are_paths():
    trained = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(18, 3))
    model = load(export(trained, mg.ones(2, 1, 5, 5)))
    assert list(model.state_dict()) == [name for name in trained.state_dict() if "num_batches" not in name]
    changed = {name: value + 0.5 for name, value in model.state_dict().items()}
    model.load_state_dict(changed)
    trained.load_state_dict(changed, strict=False)
    x = mg.tensor(rng.standard_normal((2, 1, 5, 5)), dtype=mg.float32)
    assert mg.allclose(model(x), trained.eval()(x), atol=1e-6)


def test_frozen_parts():
    proto = export(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), mg.ones(1, 2))
    for trainable, expected in [(True, 4), (False, 0), ("1.*", 2), (["*.bias"], 2), (lambda name: name == "0.weight", 1)]:
        assert sum(p.requires_grad for p in load(proto, trainable=trainable).parameters()) == expected
    with pytest.raises(TypeError, match=r"load: trainable"):
        load(proto, trainable=[3])


def test_training_mode_moves_statistics_and_drops():
    model = load(export(nn.Sequential(nn.BatchNorm1d(3)), mg.randn(4, 3), dynamic_axes={"input": [0]}))
    x = mg.tensor(rng.standard_normal((8, 3)).astype("float32")) + 3
    before = model.get_buffer("0.running_mean").clone()
    model.train()(x)
    assert not mg.equal(model.get_buffer("0.running_mean"), before)
    dropping = load(model_of("g (float[N] x) => (float[N] y) { y = Dropout (x) }"))
    ones = mg.ones(1000)
    assert mg.equal(dropping(ones), ones)
    mg.manual_seed(0)
    assert 0.4 < (dropping.train()(ones) == 0).float().mean().item() < 0.6


def test_copies():
    model = load(small())
    x = mg.tensor(rng.standard_normal((1, 1, 5, 5)))
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert mg.equal(other(x), model(x))
        with mg.no_grad():
            other.w.mul_(0.0)
        assert not mg.equal(other(x), model(x))


def test_inputs_are_checked():
    model = load(small())
    x = mg.ones(1, 1, 5, 5, dtype=mg.float64)
    assert model(x=x).shape == (1, 2)
    for args, kwargs, text in [
        ((), {}, "input 'x' is missing"),
        ((x, x), {}, "2 inputs given, and the model has 1: x"),
        ((x,), {"x": x}, "given twice"),
        ((), {"z": x}, "is not one of x"),
        ((x.long(),), {}, "must be of float64, not of int64"),
    ]:
        with pytest.raises(TypeError, match=text):
            model(*args, **kwargs)
    with pytest.raises(OnnxError, match=r"must have shape \(N, 1, 5, 5\), not \(1, 1, 4, 5\)"):
        model(x[:, :, :4])


def test_errors_name_the_node():
    model = load(model_of("g (float[N] x, float[M] z) => (float[N] y) { [adding] y = Add (x, z) }"))
    with pytest.raises(OnnxError, match=r"onnx: Add does not take float32\(2,\), float32\(3,\): .*broadcast") as caught:
        model(mg.ones(2), mg.ones(3))
    assert "adding" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(("shape", "scales", "antialias"), [((2, 32768), "1, 2", 0), ((2, 2), "1, 0.00000001", 1)])
def test_the_weights_of_a_resize_are_counted_before_they_are_made(shape, scales, antialias):
    text = f'<mode = "linear", antialias = {antialias}> (x, , s)'
    model = load(model_of(f"g (float[N,M] x) => (float[N,M] y) {{ s = Constant <value = float[2] {{{scales}}}> ()\n y = Resize {text} }}"))
    with pytest.raises(OnnxError, match=r"in memory at one time, and the limit is"):
        model(mg.ones(*shape))


def test_what_an_operator_does_not_take_is_an_error_of_onnx():
    """Whatever the op behind it raises: a file that says so is not of the program that loads it."""
    for text, inputs in [
        ("g (float[N] x) => (float[N] y) { i = Constant <value = int64[1] {9}> ()\n y = Gather (x, i) }", [mg.ones(2)]),
        ('g (float[N,M] x) => (float y) { y = Einsum <equation = "ij,jk"> (x) }', [mg.ones(2, 2)]),
        ("g (float[N,M] x) => (float[N] y) { y = MatMul (x, x) }", [mg.ones(2, 3)]),
        ("g (float[N] x) => (float[N] y) { y = Transpose <perm = [1, 0]> (x) }", [mg.ones(2)]),
        ("g (float[N] x) => (float[N] y) { y = Softmax <axis = 3> (x) }", [mg.ones(2)]),
    ]:
        model = load(model_of(text))
        with pytest.raises(OnnxError, match="onnx: "):
            model(*inputs)


# --------------------------------------------------------------------------------------------------------- control flow


def test_if_and_gradients_through_captured_values():
    model = load(
        model_of(
            "g (double[N] x, bool c) => (double[N] y) { t = Mul (x, w)\n y = If (c) <then_branch = a () => (double[N] p) { p = Mul (t, t) }, "
            "else_branch = b () => (double[N] q) { q = Neg (t) }> }",
            stored={"w": np.array([3.0, 2.0])},
        )
    )
    x = mg.tensor([1.0, 2.0], dtype=mg.float64, requires_grad=True)
    yes = model(x, mg.tensor(True))
    assert yes.tolist() == [9.0, 16.0]
    yes.sum().backward()
    assert x.grad.tolist() == [18.0, 16.0] and model.w.grad.tolist() == [6.0, 16.0]
    assert model(x, mg.tensor(False)).tolist() == [-3.0, -4.0]


LOOP = (
    "g (int64 n, double[2] x) => (double[2] y, double[K,2] all) { c = Constant <value = bool {1}> ()\n"
    "y, all = Loop (n, c, x) <body = b (int64 i, bool go, double[2] s) => (bool more, double[2] t, double[2] u) "
    "{ more = Identity (go)\n t = Mul (s, w)\n u = Identity (t) }> }"
)


def test_loop_has_gradients():
    model = load(model_of(LOOP, stored={"w": np.array([2.0, 0.5])}))
    x = mg.tensor([1.0, 1.0], dtype=mg.float64, requires_grad=True)
    y, every = model(mg.tensor(3), x)
    assert y.tolist() == [8.0, 0.125] and every.shape == (3, 2)
    gradcheck(lambda x: model(mg.tensor(3), x)[0], x)


def test_functions_of_the_model():
    functions = (
        '<domain: "own", opset_import: ["": 18]>\ntwice <k> (a) => (b) { f = Constant <value_float: float = @k> ()\n b = Mul (a, f) }'
    )
    model = model_of("g (float[N] x) => (float[N] y) { h = own.twice <k = 2.0> (x)\n y = own.twice <k = 3.0> (h) }", functions=functions)
    assert load(model)(mg.ones(2)).tolist() == [6.0, 6.0]


def test_default_of_an_input():
    """Up to version 3 of the format, stored tensors are inputs too; a call may give another."""
    model = model_of("g (float[2] x, float[2] w) => (float[2] y) { y = Mul (x, w) }", stored={"w": np.array([2, 3], np.float32)})
    loaded = load(model)
    assert loaded.input_names == ("x",) and loaded(mg.ones(2)).tolist() == [2.0, 3.0]
    assert loaded(mg.ones(2), w=mg.zeros(2)).tolist() == [0.0, 0.0]


def test_old_versions():
    old = load(model_of("g (float[2,3,2] x) => (float[2,3,2] y) { y = Softmax (x) }", opset=7))
    x = mg.tensor(rng.standard_normal((2, 3, 2)).astype("float32"))
    assert mg.allclose(old(x), mg.softmax(x.reshape(2, 6), 1).reshape(2, 3, 2))
    up = load(
        model_of(
            'g (float[1,1,2,2] x) => (float[1,1,4,4] y) { y = Upsample <scales = [1.0, 1.0, 2.0, 2.0], mode = "nearest"> (x) }', opset=7
        )
    )
    assert up(mg.ones(1, 1, 2, 2)).shape == (1, 1, 4, 4)
    top = load(model_of("g (float[2,3] x) => (float[2,2] y, int64[2,2] i) { y, i = TopK <axis = 1, k = 2> (x) }", opset=9))
    values, places = top(mg.tensor([[1.0, 3.0, 2.0], [0.0, -1.0, 5.0]]))
    assert values.tolist() == [[3.0, 2.0], [5.0, 0.0]] and places.tolist() == [[1, 2], [2, 0]]


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 27, reason="the installed package onnx does not know the version")
def test_range_of_version_27():
    text = "g (float16 a, float16 b, float16 step) => (float16[N] y) { y = Range <stash_type = 1> (a, b, step) }"
    found = load(model_of(text, opset=27))(*[mg.tensor(v, dtype=mg.float16) for v in (2048.0, 2056.0, 3.0)])
    assert found.tolist() == [2048.0, 2052.0, 2054.0]  # float16 has even numbers there


def test_every_attribute_of_the_operators_is_known():
    """Of all versions from 7 to 28, but those of dtypes that minigrad has not."""
    history = [s for s in onnx.defs.get_all_schemas_with_history() if not s.domain and ("", s.name) in OPERATORS and s.since_version <= 28]
    for schema in history:
        later = [s.since_version for s in history if s.name == schema.name and s.since_version > schema.since_version]
        if min(later, default=8) > 7 and schema.name != "Constant":
            assert set(schema.attributes) <= {k.rstrip("_") for k in OPERATORS["", schema.name].attributes}, (
                schema.name,
                schema.since_version,
            )


@pytest.mark.parametrize(("number", "kind"), [(16, "bfloat16"), (8, "string"), (127, "type 127")])
def test_an_input_of_a_dtype_that_is_not_here(number, kind):
    model = model_of("g (float[2] x) => (float[2] y) { y = Identity (x) }")
    model.graph.input[0].type.tensor_type.elem_type = number
    with pytest.raises(OnnxError, match=f"input 'x' is of {kind}, which minigrad has not"):
        load(model)(mg.ones(2))
    model.graph.input[0].type.tensor_type.elem_type = 0  # not said
    assert load(model)(mg.ones(2)).tolist() == [1.0, 1.0]


def test_picture_has_the_names_of_nodes():
    model = load(export(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), mg.ones(1, 2)))
    picture = graph.draw(model, mg.ones(1, 2))
    assert [scope.id for scope in picture.scopes] == ["OnnxModule", "OnnxModule/0.Gemm", "OnnxModule/1.Relu"]


# -------------------------------------------------------------------------------------------------------- external data


def external(tmp_path, location="weights.bin", length=None, offset=0, content=None):
    model = model_of("g (float[2] x) => (float[2] y) { y = Mul (x, w) }", stored={"w": np.array([2, 3], np.float32)})
    tensor = model.graph.initializer[0]
    (tmp_path / "weights.bin").write_bytes(tensor.raw_data if content is None else content)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": offset, "length": 8 if length is None else length}.items():
        tensor.external_data.add(key=key, value=str(value))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data(tmp_path):
    path = external(tmp_path)
    assert load(path)(mg.ones(2)).tolist() == [2.0, 3.0]
    with pytest.raises(OnnxError, match=r"its data is in the file 'weights.bin', so load the model from its path"):
        load(path.read_bytes())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"location": "../weights.bin"}, "must be in the model's folder"),
        ({"location": "/etc/passwd"}, "must be in the model's folder"),
        ({"location": "absent.bin"}, "there is no file 'absent.bin'"),
        ({"location": "."}, "there is no file"),
        ({"location": "weights\0.bin"}, "must be in the model's folder"),
        ({"location": "w" * 5000}, "must be in the model's folder, not in 'w*'"),
        ({"length": 2**40}, "needs 8 bytes, and is said to have"),
        ({"offset": 4}, "needs 8 bytes"),
        ({"offset": -4}, "needs 8 bytes"),
        ({"offset": "x"}, "whole numbers"),
    ],
)
def test_external_data_is_refused(tmp_path, change, text):
    with pytest.raises(OnnxError, match=text):
        load(external(tmp_path, **change))


def test_a_name_of_external_data_that_is_no_text_is_refused(tmp_path):
    """protobuf gives bytes for what is not in UTF-8."""
    path = external(tmp_path, location="wwwwwww.bin")
    path.write_bytes(path.read_bytes().replace(b"wwwwwww", b"w" + b"\xff" * 6))
    with pytest.raises(OnnxError, match=r"the name b'w.* of the file of its data is no text"):
        load(path)


def test_a_name_of_a_sparse_tensor_that_is_no_text_is_refused():
    model = model_of("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    one = numpy_helper.from_array(np.array([1.0]), "wwwww"), numpy_helper.from_array(np.array([0]), "i")
    model.graph.sparse_initializer.add(values=one[0], indices=one[1], dims=[3])
    with pytest.raises(OnnxError, match=r"damaged: the name b'\\xff.* is no text"):
        load(model.SerializeToString().replace(b"wwwww", b"\xff" * 5))


def test_link_out_of_the_folder_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = external(inside)
    (inside / "weights.bin").rename(tmp_path / "secret.bin")
    (inside / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(OnnxError, match=r"must be in the model's folder"):
        load(path)


# ---------------------------------------------------------------------------------------------------------- hostile files


@pytest.mark.parametrize(
    "text",
    [
        "y = ConstantOfShape (big)",
        "y = Expand (x, big)",
        "y = Tile (x, big)",
        "a = Constant <value_int = 0> ()\n b = Constant <value_int = 1000000000000> ()\n c = Constant <value_int = 1> ()\n y = Range (a, b, c)",
        "y = Pad (x, pads)",
        "i = Constant <value_int = 1> ()\n d = Constant <value_int = 10000000000> ()\n v = Constant <value_ints = [0, 1]> ()\n y = OneHot (i, d, v)",
        "y = RandomNormal <shape = [1000000, 1000000]> ()",
        "c = ConstantOfShape (half)\n r = Reshape (c, column)\n s = Reshape (c, row)\n y = MatMul (r, s)",
        "c = ConstantOfShape (half)\n r = Reshape (c, column)\n s = Reshape (c, row)\n y = Add (r, s)",
        "c = ConstantOfShape (half)\n d = Concat <axis = 0> (c, c)\n e = Concat <axis = 0> (d, d, d, d)\n f = Concat <axis = 0> (e, e, e, e)\n"
        "h = Concat <axis = 0> (f, f, f, f)\n y = Concat <axis = 0> (h, h, h, h)",
        "c = Constant <value_floats = [1.0, 1.0, 100000.0, 100000.0]> ()\n i = Reshape (x, ones)\n y = Upsample (i, c)",
        "i = Reshape (x, ones)\n y = LRN <size = 2147483647> (i)",
        "i = Reshape (x, pair)\n y = Multinomial <sample_size = 2147483647> (i)",
        "c = Constant <value_floats = [1.0, 2.0]> ()\n s = Constant <value_ints = [1, 1]> ()\n b = Cast <to = 2> (s)\n"
        "y = DequantizeLinear <axis = 0, block_size = 2147483647> (b, c)",
    ],
)
def test_too_large_results_are_refused(text):
    stored = {
        "big": np.array([2**40]), "pads": np.array([0, 2**40]), "half": np.array([2**18]), "column": np.array([-1, 1]), "row": np.array([1, -1]),
        "ones": np.array([1, 1, 1, 1]), "pair": np.array([1, 1]),
    }  # fmt: skip
    model = load(model_of(f"g (float[1] x) => (float y) {{ {text} }}", opset=9 if "Upsample" in text else 18, stored=stored))
    model.max_bytes = 2**23
    with pytest.raises(OnnxError, match=r"in memory at one time, and the limit is 8.0 MB"):
        model(mg.ones(1))


def test_endless_loop_is_refused():
    text = (
        "g (float x) => (float y) { c = Constant <value = bool {1}> ()\n y = Loop (, c, x) <body = b (int64 i, bool go, float s) => (bool more, float t) "
        "{ more = Identity (go)\n t = Identity (s) }> }"
    )
    with pytest.raises(OnnxError, match=r"more than 1000 steps in one call"):
        load(model_of(text), max_steps=1000)(mg.tensor(1.0))


def test_many_nodes_of_one_name_are_numbered():
    """Each name is tried once, not after all that were taken."""
    nodes = [helper.make_node("Relu", [f"x{i}"], [f"x{i + 1}"], name="same") for i in range(500)]
    ends = [helper.make_tensor_value_info(name, 1, [1]) for name in ("x0", "x500")]
    model = load(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 18)]))
    names = [name for name, _ in model.named_children()]
    assert names == ["same", "same_", *[f"same_{i}" for i in range(2, 500)]]


def two_weights(part):
    nodes = [helper.make_node("Add", ["x", f"{part}.w"], ["a"]), helper.make_node("Mul", ["a", f"{part}.b"], ["y"])]
    ends = [helper.make_tensor_value_info(name, 1, [2]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(np.ones(2, np.float32), f"{part}.{name}") for name in "wb"]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], stored), opset_imports=[helper.make_opsetid("", 18)])


def test_what_cannot_have_its_name_has_another_together():
    """``graph`` is the model's own."""
    assert [name for name, _ in load(two_weights("graph")).named_parameters()] == ["graph_.w", "graph_.b"]


def test_names_of_many_parts_are_refused():
    """Modules in modules would be deeper than Python's calls may be."""
    assert load(two_weights(".".join("a" * 64)))(mg.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(OnnxError, match=r"the name 'a\.a\..* has 3001 parts, and may have 65"):
        load(two_weights(".".join("a" * 3000)))


def test_a_loop_does_not_look_through_what_its_graph_stores():
    stored = "\n".join(f"k{i} = Constant <value_int = {i}> ()" for i in range(20000))
    text = (
        "g (float x) => (float y) { n = Constant <value_int = 20000> ()\n go = Constant <value = bool {1}> ()\n y = Loop (n, go, x) <body = b "
        f"(int64 i, bool go_on, float s) => (bool more, float t) {{ {stored}\n more = Identity (go_on)\n t = Identity (s) }}> }}"
    )
    begun = time.process_time()
    assert load(model_of(text))(mg.tensor(1.0)).item() == 1.0
    assert time.process_time() - begun < 6  # 1 s; a copy of the names in each step takes 20


def test_functions_that_call_themselves_are_refused():
    functions = '<domain: "own", opset_import: ["": 18, "own": 1]>\nf (a) => (b) { b = own.f (a) }'
    with pytest.raises(OnnxError, match=r"a function may call itself"):
        load(model_of("g (float x) => (float y) { y = own.f (x) }", functions=functions))


def test_many_functions_in_one_another_are_refused():
    lines = ['<domain: "own", opset_import: ["": 18, "own": 1]>\nf0 (a) => (b) { b = Neg (a) }']
    lines += [
        f'<domain: "own", opset_import: ["": 18, "own": 1]>\nf{i} (a) => (b) {{ c = own.f{i - 1} (a)\n b = own.f{i - 1} (c) }}'
        for i in range(1, 30)
    ]
    with pytest.raises(OnnxError, match=r"more than 200000 nodes"):
        load(model_of("g (float x) => (float y) { y = own.f29 (x) }", functions="\n".join(lines)))


def test_many_calls_of_a_function_with_many_inputs_are_refused():
    many = ", ".join(f"a{i}" for i in range(3000))
    functions = f'<domain: "own", opset_import: ["": 18, "own": 1]>\nf ({many}) => (b) {{ b = Neg (a0) }}'
    calls = "\n".join(f"y{i} = own.f (x)" for i in range(80))
    with pytest.raises(OnnxError, match=r"more than 200000 nodes"):
        load(model_of(f"g (float x) => (float y79) {{ {calls} }}", functions=functions))


def test_damaged_messages_are_refused(tmp_path):
    good = small()
    data = good.SerializeToString()
    for bad, text in [
        (b"", "holds no graph"),
        (b"not a model at all", "not an ONNX model, or damaged"),
        (data[: len(data) // 2], "damaged|no node|holds no graph|makes the output"),
    ]:
        with pytest.raises(OnnxError, match=text):
            load(bad)
    with pytest.raises(TypeError, match=r"load: the model must be a path, bytes"):
        load(3)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.onnx")

    def changed(change):
        model = onnx.ModelProto()
        model.CopyFrom(good)
        change(model)
        return model

    for change, text in [
        (lambda m: m.graph.initializer[0].dims.append(7), "bytes of data, and float64 needs"),
        (lambda m: m.graph.initializer[0].dims.append(-1), "a size is negative"),
        (lambda m: m.graph.initializer[0].dims.append(2**62), "bytes of data"),
        (lambda m: setattr(m.graph.initializer[0], "data_type", 16), "a tensor of bfloat16"),
        (lambda m: setattr(m.graph.node[0], "op_type", "Wonder"), "operators that minigrad has not: Wonder"),
        (lambda m: m.graph.node[0].input.__setitem__(0, "y"), "in a circle"),
        (lambda m: m.graph.node[1].input.append("w"), "Relu takes from 1 to 1 inputs, not 2"),
        (lambda m: m.graph.node[1].output.__setitem__(0, "a"), "made twice"),
        (lambda m: m.graph.node.__delitem__(4), "no node makes the output 'y'"),
        (lambda m: m.graph.node[0].attribute.append(helper.make_attribute("wonder", 1)), "Conv has no attribute 'wonder'"),
        (lambda m: setattr(m.opset_import[0], "version", 999), "version 999 of the operators"),
    ]:
        with pytest.raises(OnnxError, match=text):
            load(changed(change))


def test_sparse_tensors_are_checked():
    """Their indices come from the file, and a few bytes of it may stand for any size."""

    def sparse(indices, dims):
        model = model_of("g (double[2,3] x) => (double[2,3] y) { y = Mul (x, w) }")
        model.graph.sparse_initializer.add(
            values=numpy_helper.from_array(np.array([1.0, 2.0]), "w"), indices=numpy_helper.from_array(np.array(indices), "i"), dims=dims
        )
        return model

    assert load(sparse([0, 4], [2, 3]))(mg.ones(2, 3).double()).tolist() == [[1, 0, 0], [0, 2, 0]]
    for indices, dims, text in [
        ([0, 256], [2, 3], "the indices of a sparse tensor of shape"),
        ([0, -1], [2, 3], "index -1 is negative"),
        ([[0, 0], [1, 7]], [2, 3], "the indices of a sparse tensor"),
        ([0, 4], [2**20, 2**20], "all of them together may have 256 MB"),
    ]:
        with pytest.raises(OnnxError, match=text):
            load(sparse(indices, dims))


def test_axes_that_are_named_twice_are_refused():
    with pytest.raises(OnnxError, match=r"Unsqueeze: axes \[0, 0\] of 3 dimensions name one twice"):
        load(model_of("g (float[2] x) => (float y) { y = Unsqueeze (x, axes) }", stored={"axes": np.array([0, 0])}))(mg.ones(2))


def test_constants_that_are_no_tensors_are_refused():
    """A function's constant is an attribute of its caller, whose kind is the caller's word."""
    call = parser.parse_node("y = own.f <k = 2.0> (x)")
    text = '<domain: "own", opset_import: ["": 18]>\nf <k> (a) => (b) { c = Constant <value_float: float = @k> ()\n b = Mul (a, c) }'
    model = model_of("g (float[2] x) => (float[2] y) { y = own.f (x) }", functions=text)
    (node,) = model.graph.node
    node.CopyFrom(call)
    assert load(model)(mg.ones(2)).tolist() == [2.0, 2.0]
    kinds = onnx.AttributeProto
    for kind, said in [(kinds.GRAPH, "'k' is no tensor"), (kinds.TYPE_PROTO, "'k' is no tensor"), (kinds.STRING, "strings are no tensors")]:
        node.attribute[0].type = kind
        with pytest.raises(OnnxError, match=said):
            load(model)


def test_the_limit_grows_with_the_inputs():
    """64 times their bytes come on top of max_bytes: a larger batch needs no other limit."""
    model = load(
        model_of("g (float[N] x) => (float y) { a = Exp (x)\n y = Tile (a, times) }", stored={"times": np.array([60])}), max_bytes=1024
    )
    assert model(mg.ones(100_000)).shape == (6_000_000,)


def test_random_damage_gives_an_error_or_a_model():
    """Bytes changed at random: an OnnxError, or a model whose call gives a result or an error, never more."""
    data = bytearray(small().SerializeToString())
    random = np.random.default_rng(1)
    x = mg.ones(1, 1, 5, 5, dtype=mg.float64)
    for _ in range(300):
        bad = bytearray(data)
        for place in random.integers(0, len(bad), random.integers(1, 4)):
            bad[place] = random.integers(256)
        try:
            model = load(bytes(bad), max_steps=10_000)
        except OnnxError:
            continue
        try:
            with np.errstate(all="ignore"):
                model(x)
        except (OnnxError, TypeError):  # the file; an input of another dtype, or under another name, than it says now
            continue
