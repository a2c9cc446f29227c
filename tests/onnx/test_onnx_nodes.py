"""The package onnx's own cases: a node or a small graph, with inputs and the outputs that it must give.

By default those of some files; ``--onnx-all`` runs all, and checks that at least 95 % of those whose dtypes minigrad has give the outputs.
"""

import collections
import functools
import importlib.util
import pkgutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.onnx import load

onnx = pytest.importorskip("onnx")

DTYPES = {"FLOAT", "DOUBLE", "FLOAT16", "BOOL", *[f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]}

# Operators that minigrad does not have, and why; any other case of these dtypes must pass.
MISSING = {
    "ImageDecoder": "decodes files of images; that is Pillow's task",
    "TfIdfVectorizer": "counts words",
    "StringNormalizer StringConcat StringSplit RegexFullMatch": "strings are no tensors",
    "ArrayFeatureExtractor Binarizer LabelEncoder TreeEnsemble": "ai.onnx.ml: trees and tables, not networks",
    "Adagrad Adam Momentum Gradient": "ai.onnx.preview.training: minigrad.nn.optim and backward are for that",
}
ABSENT = {name: reason for names, reason in MISSING.items() for name in names.split()}
RANDOM = {
    "test_bernoulli",
    "test_training_dropout",
}  # other random numbers: dtypes and shapes are compared (and where nothing is dropped, numbers)
# Files with a few cases of each kind.
FILES = [
    "abs",
    "argmax",
    "averagepool",
    "batchnorm",
    "bitcast",
    "bitshift",
    "clip",
    "compress",
    "concat",
    "constantofshape",
    "conv",
    "convtranspose",
    "cumsum",
    "depthtospace",
    "einsum",
    "elu",
    "expand",
    "flatten",
    "gather",
    "gathernd",
    "gemm",
    "groupnormalization",
    "gru",
    "hardmax",
    "identity",
    "if",
    "instancenorm",
    "layernormalization",
    "leakyrelu",
    "lrn",
    "lstm",
    "matmul",
    "maxpool",
    "mod",
    "onehot",
    "pad",
    "pow",
    "prelu",
    "range",
    "reducesum",
    "reshape",
    "reversesequence",
    "rnn",
    "roialign",
    "scatternd",
    "shape",
    "slice",
    "softplus",
    "split",
    "squeeze",
    "tile",
    "topk",
    "transpose",
    "trilu",
    "unique",
    "unsqueeze",
    "upsample",
    "where",
    "scan",
    "nonmaxsuppression",
]


NODE = "onnx.backend.test.case.node"


def files(config):
    """Names of files with cases. They are not imported here: the import computes the cases' outputs, a voxel at a time, for seconds."""
    if not config.getoption("--onnx-all"):
        return [name for name in FILES if importlib.util.find_spec(f"{NODE}.{name}")]
    found = pkgutil.walk_packages(importlib.import_module(NODE).__path__, f"{NODE}.")
    return [module.name.removeprefix(f"{NODE}.") for module in found if not module.ispkg]


@functools.cache
def cases_of(file):
    """The cases that a file adds to those of the files before it, of dtypes that minigrad has."""
    made = importlib.import_module(NODE)._NodeTestCases
    before = len(made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module(f"{NODE}.{file}")
    return [case for case in made[before:] if types_of(case) <= DTYPES]


def types_of(case):
    values = [*case.model.graph.input, *case.model.graph.output]
    kinds = {v.type.WhichOneof("value") for v in values}
    return {onnx.TensorProto.DataType.Name(v.type.tensor_type.elem_type) for v in values if v.type.HasField("tensor_type")} | (
        kinds - {"tensor_type"}
    )


def pytest_generate_tests(metafunc):
    if "file" in metafunc.fixturenames:  # a test for each operator: one for each case would take longer than the cases
        metafunc.parametrize("file", files(metafunc.config))


def given(value):
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    return None if value is None else [given(v) for v in value] if isinstance(value, list) else mg.from_numpy(np.array(value))


def compare(found, wanted, case):
    if isinstance(wanted, onnx.TensorProto):
        wanted = onnx.numpy_helper.to_array(wanted)
    if wanted is None or isinstance(wanted, list):
        assert type(found) is type(wanted)
        for a, b in zip(found or [], wanted or [], strict=True):
            compare(a, b, case)
        return
    found, wanted = found.detach().numpy(), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    if any(case.name.startswith(name) for name in RANDOM) and "zero_ratio" not in case.name:
        return
    if wanted.dtype.kind == "f":
        exact = 2e-3 if wanted.dtype == np.float16 else 1e-3
        np.testing.assert_allclose(
            found.astype(np.float64), wanted.astype(np.float64), rtol=max(case.rtol, exact), atol=max(case.atol, 1e-6)
        )
    else:
        np.testing.assert_array_equal(found, wanted)


def check(case):
    absent = {node.op_type for node in case.model.graph.node} & set(ABSENT)
    if absent:
        with pytest.raises(mg.onnx.OnnxError, match=r"operators that minigrad has not: .*" + absent.pop()):
            load(case.model)
        return
    model = load(case.model)
    for inputs, outputs in case.data_sets:
        found = model(*map(given, inputs))
        found = found if isinstance(found, tuple) else (found,)
        for a, b in zip(found, outputs, strict=True):
            compare(a, b, case)


def test_cases(file):
    failed = []
    for case in cases_of(file):
        try:
            with np.errstate(all="ignore"):
                check(case)
        except Exception as error:
            failed.append(f"{case.name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    assert not failed, "\n".join(failed)


def test_share_of_cases(request):
    """Which cases of the whole package have an operator that is missing: less than 5 %."""
    if not request.config.getoption("--onnx-all"):
        pytest.skip("--onnx-all counts all cases")
    cases = [case for file in files(request.config) for case in cases_of(file)]
    without = collections.Counter(node.op_type for c in cases for node in c.model.graph.node if node.op_type in ABSENT)
    assert len(cases) >= 1404 and sum(without.values()) < 0.05 * len(cases), without


# ------------------------------------------------------------------------------------------ graphs that come as files

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
SMALL = ["light_squeezenet", "light_shufflenet"]


def models(kind):
    return sorted(p.parent for p in (DATA / kind).glob("*/model.onnx"))


def tensor(path):
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))


@pytest.mark.parametrize("name", sorted(p.stem for p in (DATA / "light").glob("*.onnx")))
def test_light_model(name, request):
    """Networks of the literature whose weights are made by nodes; the outputs are stored."""
    if name not in SMALL and not request.config.getoption("--onnx-all"):
        pytest.skip("--onnx-all runs the large ones")
    model = load(DATA / "light" / f"{name}.onnx", max_bytes=5 << 27)  # all weights are results of nodes: 548 MB in VGG-19
    kind, shape = model.input_types[model.input_names[0]]
    count = int(np.prod(shape))
    x = (np.arange(count).reshape(shape) / count).astype(kind)
    with mg.no_grad():
        y = model(mg.from_numpy(x))
    np.testing.assert_allclose(y.numpy(), tensor(DATA / "light" / f"{name}_output_0.pb"), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("kind", ["pytorch-operator", "pytorch-converted", "simple"])
def test_small_models(kind, request):
    """Graphs that PyTorch wrote in its early days, version 6 and 7, and those of loops, sequences and functions."""
    for folder in models(kind)[:: 1 if request.config.getoption("--onnx-all") else 4]:
        absent = {node.op_type for node in onnx.load(folder / "model.onnx").graph.node} & set(ABSENT)
        if absent:
            with pytest.raises(mg.onnx.OnnxError, match=absent.pop()):
                load(folder / "model.onnx")
            continue
        model = load(folder / "model.onnx")
        for data in sorted(folder.glob("test_data_set_*")):
            inputs = [mg.from_numpy(tensor(data / f"input_{i}.pb")) for i in range(len(list(data.glob("input_*.pb"))))]
            found = model(*inputs)
            for i, y in enumerate(found if isinstance(found, tuple) else (found,)):
                np.testing.assert_allclose(y.detach().numpy(), tensor(data / f"output_{i}.pb"), rtol=1e-3, atol=1e-5, err_msg=folder.name)
