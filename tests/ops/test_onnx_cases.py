"""The export of ops and functions in the table of cases: the file gives the op's result, or the error names the op.

A few rows of each family; ``--onnx-all`` takes every row and more examples, and compares with onnxruntime too, if that is installed.
"""

import importlib
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import TensorBase
from minigrad.onnx import OnnxError, export
from minigrad.random import Generator
from minigrad.testing import strategies as st
from minigrad.tree import leaves, tree_map

onnx = pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore:export. verify. onnxruntime has not checked the file")  # it has few operators for float64

FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "cases").glob("[!_]*.py"))


def arrays_of(case, call):
    """The arrays among the arguments that may be Tensors: not the static ones of an op."""
    op = getattr(case.op, "op", None)
    given = call.args if op is None else op.split(call.args, call.kwargs)[0]
    return [x for x in leaves([given, call.kwargs if op is None else {}]) if isinstance(x, np.ndarray)]


# Composed functions that look at the numbers of an input, by numpy: a file has those of the export, and ``verify`` says so.
LOOKED_AT = {
    "embedding_bag sum", "embedding_bag mean", "embedding_bag max", "take_along_dim", "take_along_dim_from_the_end", "scatter_add", "scatter_add_of_more",
    "put", "index_add", "index_fill", "take", "masked_fill", "masked_select", "masked_scatter", "index_put", "index_put_overwriting", "store", "subscript",
    "fractional_max_pool2d", "fractional_max_pool3d", "grid_sample bilinear 2d", "grid_sample bilinear 3d", "grid_sample nearest 2d", "grid_sample bicubic 2d",
    "quantile", "nanquantile", "kthvalue", "repeat_interleave", "bernoulli", "multinomial", "poisson", "binomial", "gather", "index_select", "scatter", "scatter_reduce",
    "index_copy", "index_reduce", "select_scatter", "slice_scatter", "put_extreme", "repeat", "tile", "binary_cross_entropy_with_logits",
}  # fmt: skip
OUTSIDE = ("no counterpart", "needs opset_version", "returned no Tensor", "the last cell state only", "unsigned integers only")


def check(case, call):
    arrays = arrays_of(case, call)
    if not arrays or any(a.size == 0 for a in arrays):
        return "empty"
    given = {id(x) for x in arrays}

    def function(*tensors):
        for value in leaves((call.args, list(call.kwargs.values()))):
            if isinstance(value, Generator):
                value.manual_seed(0)
        mg.manual_seed(0)
        rest = iter(tensors)
        args, kwargs = tree_map(lambda x: next(rest) if id(x) in given else x, [call.args, call.kwargs])
        return [y for y in leaves(case.op(*args, **kwargs)) if isinstance(y, TensorBase)]

    try:
        export(function, tuple(map(mg.tensor, arrays)))
    except OnnxError as error:
        if any(text in str(error) for text in OUTSIDE):
            return "outside"
        if case.name in LOOKED_AT:
            return "looked at"
        raise
    except (ValueError, RuntimeError, IndexError) as error:  # the numbers that ``verify`` tries do not suit the function
        if case.name in LOOKED_AT and not isinstance(error, OnnxError):
            return "looked at"
        raise
    return "ok"


def drawn(case, count):
    kinds = set()

    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(call=st.call(*case.strategies))
    def run(call):
        with np.errstate(all="ignore"):
            kinds.add(check(case, call))

    run()
    return kinds


@pytest.mark.parametrize("family", FAMILIES)
def test_export(family, request, monkeypatch):
    whole = request.config.getoption("--onnx-all")
    if not whole:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    failed, found = [], set()
    for case in importlib.import_module(f"cases.{family}").CASES[:: 1 if whole else 7]:
        try:
            found |= drawn(case, 5 if whole else 3)
        except Exception as error:
            failed.append(f"{case.name}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
    if whole and family not in ("sampling", "distance", "distributed", "special"):
        assert "ok" in found
