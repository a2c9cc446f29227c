"""ONNX files for the fuzzing of the reader: valid ones of each kind of content, and graphs of any operator with inputs and attributes that are extreme."""

import warnings

import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad.kernels import native
from minigrad.onnx import load
from minigrad.onnx.table import OPERATORS

LARGEST_INPUT = 1 << 16  # elements: larger inputs are not made
SIZE = 2  # of an axis that may have any


def valid():
    """Small models: layers, control flow, functions, sparse and external data."""
    parser = pytest.importorskip("onnx.parser")
    numpy_helper, helper = pytest.importorskip("onnx.numpy_helper"), pytest.importorskip("onnx.helper")
    rng = np.random.default_rng(0)

    def model(text, functions="", **stored):
        own = ', "own": 1' if functions else ""
        proto = parser.parse_model(f'<ir_version: 8, opset_import: ["": 18{own}]>\n{text}\n{functions}')
        proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in stored.items())
        return proto

    layers = model(
        "g (double[N,1,5,5] x) => (double[N,2] y) { a = Conv <pads = [1, 1, 1, 1]> (x, w, b)\n p = MaxPool <kernel_shape = [2, 2]> (a)\n"
        "c = GlobalAveragePool (p)\n y = Reshape (c, s) }",
        w=rng.standard_normal((2, 1, 3, 3)), b=rng.standard_normal(2), s=np.array([0, 2]),
    )  # fmt: skip
    recurrent = model(
        "g (double[T,1,2] x) => (double[T,1,1,2] y) { y, h = GRU <hidden_size = 2> (x, w, r) }",
        w=rng.standard_normal((1, 6, 2)), r=rng.standard_normal((1, 6, 2)),
    )  # fmt: skip
    loop = model(
        "g (double[2] x) => (double[2] y, double[K,2] z) { n = Constant <value_int = 3> ()\n c = Constant <value = bool {1}> ()\n"
        "y, z = Loop (n, c, x) <body = b (int64 i, bool go, double[2] s) => (bool more, double[2] t, double[2] u) "
        "{ more = Identity (go)\n t = Mul (s, w)\n u = Identity (t) }> }",
        w=np.array([2.0, 0.5]),
    )
    branch = model(
        "g (double[N] x) => (double[N] y) { c = Constant <value = bool {1}> ()\n y = If (c) <then_branch = a () => (double[N] p) "
        "{ p = Neg (x) }, else_branch = b () => (double[N] q) { q = Exp (x) }> }"
    )
    scan = model(
        "g (double[3,2] x) => (double[2] y, double[3,2] z) { i = Constant <value_floats = [0.0, 0.0]> ()\n j = Cast <to = 11> (i)\n"
        "y, z = Scan <num_scan_inputs = 1, body = b (double[2] s, double[2] e) => (double[2] t, double[2] u) "
        "{ t = Add (s, e)\n u = Identity (t) }> (j, x) }"
    )
    functions = model(
        "g (float[N] x) => (float[N] y) { h = own.f <k = 2.0> (x)\n y = own.g (h) }",
        '<domain: "own", opset_import: ["": 18, "own": 1]>\nf <k> (a) => (b) { c = Constant <value_float: float = @k> ()\n b = Mul (a, c) }\n'
        '<domain: "own", opset_import: ["": 18, "own": 1]>\ng (a) => (b) { b = own.f <k = 3.0> (a) }',
    )
    sizes = model(
        "g (float[N,3] x) => (float y) { s = Shape (x)\n e = Expand (t, s)\n p = Pad (e, q)\n r = Range (u, v, u)\n m = Mul (p, x)\n"
        "f = Resize <mode = \"linear\"> (m, , w)\n i = Slice (f, v, z)\n y = ReduceSum (i) }",
        t=np.float32(1.0), q=np.array([0, 0, 0, 0]), u=np.int64(1), v=np.array([0]), w=np.float32([1.0, 2.0]), z=np.array([2]),
    )  # fmt: skip
    sizes.graph.node.remove(next(n for n in sizes.graph.node if n.op_type == "Range"))
    sparse = model("g (double[N,3] x) => (double[N,3] y) { y = Mul (x, w) }")
    sparse.graph.sparse_initializer.add(
        values=numpy_helper.from_array(np.array([1.0, 2.0]), "w"), indices=numpy_helper.from_array(np.array([0, 4]), "i"), dims=[2, 3]
    )
    outside = model("g (float[2] x) => (float[2] y) { y = Mul (x, w) }", w=np.ones(2, np.float32))
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    for key, value in {"location": "weights", "offset": "0", "length": "8"}.items():
        tensor.external_data.add(key=key, value=value)
    fields = model("g (float[2] x) => (float[2] y) { y = Mul (x, w) }")
    fields.graph.initializer.append(helper.make_tensor("w", 1, [2], [1.0, 2.0]))
    made = [layers, recurrent, loop, branch, scan, functions, sizes, sparse, outside, fields]
    return [proto.SerializeToString() for proto in made]


def read(path):
    """Load a file, and run it with ones where its inputs are small: only errors that say something come out."""
    native.library()  # what it imports and opens is no file's doing
    weights = path.with_name("weights")
    if not weights.exists():
        weights.write_bytes(np.ones(2, np.float32).tobytes())
    with warnings.catch_warnings(), np.errstate(all="ignore"), mg.no_grad():
        warnings.simplefilter("ignore")
        model = load(path, max_steps=20_000)
        feed = []
        for name in model.input_names:
            kind, shape = model.input_types[name]
            sizes = [n if isinstance(n, int) else SIZE for n in shape or ()]
            if np.prod(sizes, dtype=object) > LARGEST_INPUT or len(sizes) > 16:
                return
            try:
                feed.append(mg.ones(*sizes, dtype=getattr(mg, kind or "float32", mg.float32)) if sizes else mg.tensor(1.0))
            except TypeError:  # a type that is no tensor's
                return
        found = model(*feed)
        for value in found if isinstance(found, tuple) else (found,):
            if isinstance(value, mg.Tensor):
                value.detach().numpy().sum()


# ------------------------------------------------------------------------------------------- graphs of any operator

INTS = st.sampled_from([0, 1, 2, 3, 5, -1, -2, 7, 11, 100, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**31), -(2**63)])
FLOATS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan")])
WORDS = st.sampled_from(
    ["", "SAME_UPPER", "VALID", "linear", "nearest", "cubic", "reflect", "wrap", "edge", "bidirectional", "reverse", "Tanh", "none", "mean",
     "add", "ij,jk->ik", "...i->i", "i" * 70 + "->", "constant", "align_corners", "half_pixel", "tf_crop_and_resize", "exact", "int8", "DCR"]
)  # fmt: skip

ATTRIBUTES = {
    "INT": INTS, "FLOAT": FLOATS, "STRING": WORDS, "INTS": st.lists(INTS, min_size=1, max_size=5), "FLOATS": st.lists(FLOATS, min_size=1, max_size=4),
    "STRINGS": st.lists(WORDS, min_size=1, max_size=3),
}  # fmt: skip
ANY = st.one_of(list(ATTRIBUTES.values()))


def pool():
    """Stored tensors that inputs are drawn from, by name: usual arrays, and settings that ask for too much."""
    rng = np.random.default_rng(0)
    f, i = np.float32, np.int64
    return {
        "v": rng.standard_normal(3).astype(f), "m": rng.standard_normal((2, 3)).astype(f), "s": np.full((3, 3), 2.0, f),
        "c": rng.standard_normal((1, 2, 4, 4)).astype(f), "w": rng.standard_normal((2, 2, 3, 3)).astype(f), "t": rng.standard_normal((2, 1, 3)).astype(f),
        "d": rng.standard_normal((2, 3)), "h": np.ones(2, np.float16), "one": f(1), "none": np.zeros((0, 3), f), "nan": np.array([np.nan, np.inf], f),
        "b": np.array([True, False, True]), "yes": np.array(True), "u": np.arange(6, dtype=np.uint8).reshape(2, 3), "k": i(3), "n": i(-1),
        "big": i(2**40), "most": i(2**63 - 1), "least": i(-(2**63)), "huge": np.array([2**40, 2]), "many": np.array([2**20, 2**20, 2**20]),
        "wide": np.array([2**31, 2**31, 2**31, 2**31]), "i": np.array([0, 1]), "j": np.array([[0, 1], [1, 0]]), "neg": np.array([-5, 2**62]),
        "sizes": np.array([2, 3]), "four": np.array([1, 2, 3, 4]), "up": np.array([1, 1, 1e9, 1e9], f), "q": np.arange(8).astype(np.int8),
        "box": rng.random((1, 4, 4)).astype(f), "score": rng.random((1, 1, 4)).astype(f), "small": np.int32([1, 2]), "far": np.full(20, 3, i),
        "near": np.array([2**13, 2**12]),
    }  # fmt: skip


_POOL = {}


def _stored():
    numpy_helper = pytest.importorskip("onnx.numpy_helper")
    if not _POOL:
        _POOL.update({name: numpy_helper.from_array(np.asarray(array), name) for name, array in pool().items()})
    return _POOL


def _schema(onnx, key, opset):
    try:
        return onnx.defs.get_schema(key[1], opset if not key[0] else 1, key[0])
    except onnx.defs.SchemaError:
        return None


def _fits(stored, types):
    """Names of the stored tensors of these types, which ONNX writes as ``tensor(float)``."""
    words = {1: "float", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "double"}
    return [name for name, tensor in stored.items() if not types or f"tensor({words[tensor.data_type]})" in types]


@st.composite
def hostile(draw):
    """The bytes of a graph of one to three nodes: any operator of the table, with inputs of :func:`pool` and attributes that it knows.

    Most have as many inputs, of such types, as ONNX defines: what is extreme are their shapes and numbers.
    """
    onnx = pytest.importorskip("onnx")
    stored = _stored()
    nodes, used, made = [], set(), []
    opset = draw(st.integers(7, onnx.defs.onnx_opset_version()))
    for number in range(draw(st.integers(1, 3))):
        key = draw(st.sampled_from(sorted(OPERATORS)))
        entry, schema = OPERATORS[key], _schema(onnx, key, opset)
        wild = schema is None or draw(st.integers(0, 9)) == 0
        own = [a for a in entry.attributes if a not in ("opset", "outputs", "captured")]
        needed = [] if wild else [a for a in own if a.rstrip("_") in schema.attributes and schema.attributes[a.rstrip("_")].required]
        given = {}
        for name in {*needed, *(draw(st.lists(st.sampled_from(own), unique=True, max_size=3)) if own else [])}:
            plain = name.rstrip("_")
            kind = "" if wild or plain not in schema.attributes else schema.attributes[plain].type.name
            given[plain] = (
                _body(onnx, draw) if kind == "GRAPH" or (not kind and draw(st.integers(0, 9)) == 0) else draw(ATTRIBUTES.get(kind, ANY))
            )
        if wild:
            inputs = draw(st.lists(st.sampled_from([*stored, *made, ""]), max_size=5))
        else:
            inputs = []
            for place in range(draw(st.integers(schema.min_input, min(schema.max_input, schema.min_input + 3)))):
                types = schema.inputs[min(place, len(schema.inputs) - 1)].types
                inputs.append(draw(st.sampled_from([*(_fits(stored, types) or stored), *made * 4])))
        most = 3 if wild else max(min(schema.max_output, 3), 1)
        outputs = [f"out{number}_{k}" for k in range(draw(st.integers(1 if wild else max(schema.min_output, 1), most)))]
        nodes.append(onnx.helper.make_node(key[1], inputs, outputs, domain=key[0], **given))
        used.update(inputs)
        made += outputs
    result = onnx.helper.make_empty_tensor_value_info(nodes[-1].output[0])
    graph = onnx.helper.make_graph(nodes, "g", [], [result], [stored[name] for name in stored if name in used])
    opsets = [onnx.helper.make_opsetid("", opset)]
    opsets += [onnx.helper.make_opsetid(d, 1) for d in {n.domain for n in nodes} - {""}]
    return onnx.helper.make_model(graph, opset_imports=opsets).SerializeToString()


def _body(onnx, draw):
    """A graph for Loop, Scan and If: what it is given goes out, or grows."""
    h = onnx.helper
    given = [h.make_empty_tensor_value_info(f"in{k}") for k in range(draw(st.integers(0, 4)))]
    kinds = ["Identity", "Add", "Concat", "MatMul", "SequenceInsert", "Not", "Neg"]
    nodes = []
    for k in range(draw(st.integers(1, 3))):
        inputs = [draw(st.sampled_from([*[f"in{i}" for i in range(len(given))], "m", "yes", "c"])) for _ in range(draw(st.integers(1, 2)))]
        kind = draw(st.sampled_from(kinds))
        nodes.append(h.make_node(kind, inputs, [f"made{k}"], **({"axis": 0} if kind == "Concat" else {})))
    outputs = [h.make_empty_tensor_value_info(name) for name in [f"made{k}" for k in range(len(nodes))]]
    return h.make_graph(nodes, "body", given, outputs, [_stored()[n] for n in ("m", "yes", "c")])
