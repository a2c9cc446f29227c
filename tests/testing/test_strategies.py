"""The strategies draw valid and varied examples, which shrink to short ones."""

import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import given

from minigrad.engine import TensorBase
from minigrad.testing import Call
from minigrad.testing import strategies as st
from minigrad.testing.call import source

KWARGS = {"database": None, "deadline": None, "derandomize": True, "suppress_health_check": list(hypothesis.HealthCheck)}


def seen(strategy, examples=100):
    """What a strategy draws."""
    found = []

    @hypothesis.settings(max_examples=examples, **KWARGS)
    @given(strategy)
    def run(value):
        found.append(value)

    run()
    return found


def smallest(strategy, condition):
    return hypothesis.find(strategy, condition, settings=hypothesis.settings(max_examples=2000, database=None))


def test_shapes():
    shapes = seen(st.shapes(0, 3, 0, 4), 200)
    assert {len(s) for s in shapes} == {0, 1, 2, 3}
    assert {n for s in shapes for n in s} == {0, 1, 2, 3, 4}
    assert np.mean([0 in s for s in shapes]) < 0.3
    assert set(seen(st.shapes(2, 2, 3, 3))) == {(3, 3)}
    assert {len(s) for s in seen(st.shapes(0, 0))} == {0}


def test_arrays():
    arrays = seen(st.arrays(low=-1.0, high=2.0, avoid=(0.5, 1.0), margin=0.2))
    values = np.concatenate([a.ravel() for a in arrays])
    assert values.min() >= -1 and values.max() <= 2
    assert (np.abs(values - 0.5) >= 0.2 - 1e-12).all() and (np.abs(values - 1) >= 0.2 - 1e-12).all()
    assert (values == 0).any() and len(np.unique(values)) > 50
    assert all(a.dtype == np.float64 for a in arrays)
    assert {a.dtype for a in seen(st.arrays(dtype=np.float32), 5)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.1), (1e-8, 2e-8), (-1e6, 1e6), (5, 6), (0.3, 0.4)])
def test_any_range(low, high):
    values = np.concatenate([a.ravel() for a in seen(st.arrays(low=low, high=high), 50)])
    assert values.min() >= low and values.max() <= high


def test_impossible_ranges_are_refused():
    with pytest.raises(ValueError, match="above"):
        smallest(st.arrays(low=1, high=0), lambda a: True)
    with pytest.raises(ValueError, match="away from"):
        smallest(st.arrays(3, low=0, high=1, avoid=(0.5,), margin=2), lambda a: True)


def test_distinct_arrays():
    for a in seen(st.arrays(distinct=True, margin=0.1)):
        steps = np.diff(np.sort(a.ravel()))
        assert not steps.size or steps.min() >= (0.1 if a.size <= 60 else 0.04) - 1e-9
        assert not a.size or (np.abs(a).max() <= 3 or (steps.min(initial=25.6) >= 10 and np.abs(a).max() <= 3 * 256))
    for a in seen(st.arrays(8, distinct=True, low=0.2, high=0.3), 20):
        assert len(np.unique(a)) == 8 and a.min() >= 0.2 and a.max() <= 0.3
    assert any((np.diff(a) < 0).any() for a in seen(st.arrays(5, distinct=True), 20))


def test_arrays_shrink():
    assert smallest(st.arrays((2, 2)), lambda a: a.sum() > 0.5).ravel().tolist() in ([0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])
    assert smallest(st.integers_array(3, -5, 5), lambda a: a.min() < -2).tolist().count(0) == 2


def test_integers_and_booleans():
    values = np.concatenate([a.ravel() for a in seen(st.integers_array((3,), -2, 4))])
    assert set(values) == set(range(-2, 5)) and values.dtype == np.int64
    assert np.concatenate(seen(st.integers_array(4, 0, 10_000), 50)).max() > 1000
    with pytest.raises(ValueError, match="above"):
        smallest(st.integers_array(3, 1, 0), lambda a: True)
    masks = seen(st.booleans_array(st.shapes(1, 2, 1, 3)))
    assert {a.dtype for a in masks} == {np.dtype(bool)} and {bool(b) for a in masks for b in a.ravel()} == {False, True}


def test_broadcastable():
    calls = seen(st.broadcastable(3, each=({}, {"avoid": (0,)}, {"low": 1.0})), 150)
    shapes = set()
    for call in calls:
        a, b, c = call.args
        np.broadcast(a, b, c)
        assert (np.abs(b) >= 0.1).all() and (c >= 1).all()
        shapes.add((a.shape == b.shape, a.ndim > b.ndim, a.ndim < b.ndim, 1 in a.shape))
    assert len(shapes) > 5
    assert all(np.broadcast(np.zeros((2, 3)), *c.args).shape == (2, 3) for c in seen(st.broadcastable(2, shape=(2, 3)), 20))


def test_call():
    calls = seen(st.call(st.broadcastable(2), 5, alpha=st.integers(1, 2), name="x"))
    assert {c.kwargs["alpha"] for c in calls} == {1, 2}
    assert all(c.kwargs["name"] == "x" and c.args[2] == 5 for c in calls)


def test_matmul_operands():
    kinds = set()
    for call in seen(st.matmul_operands(), 300):
        a, b = call.args
        kinds.add((min(a.ndim, 3), min(b.ndim, 3)))
        assert (a @ b).ndim >= 0
    assert {(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (3, 2)} <= kinds


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.live
def test_conv_arguments(dims, transposed):
    import torch

    function = getattr(torch.nn.functional, f"conv_transpose{dims}d" if transposed else f"conv{dims}d")
    groups, lead = set(), set()
    for call in seen(st.conv_arguments(dims, transposed=transposed), 80):
        x, w, b = (None if a is None else torch.tensor(a) for a in call.args)
        out = function(x, w, b, **call.kwargs)
        assert min(out.shape[-dims - 1 :]) >= 1
        groups.add(call.kwargs["groups"])
        lead.add(x.ndim == dims + 2)
    assert {1, 2} <= groups and lead == {True, False}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.live
def test_pool_arguments(dims, kind):
    import torch

    function = getattr(torch.nn.functional, f"{kind}_pool{dims}d")
    for call in seen(st.pool_arguments(dims, kind=kind), 100):
        x = torch.tensor(call.args[0])
        kernel = call.kwargs["kernel_size"]
        kernel = (kernel,) * dims if isinstance(kernel, int) else kernel
        if kind == "avg" and dims == 3 and any(n < k for n, k in zip(x.shape[-3:], kernel, strict=True)):
            continue  # a window that needs the padding to fit: PyTorch refuses it in 3-d, and takes it in 1-d and 2-d
        if x.numel():
            assert function(x, **call.kwargs).numel()


@pytest.mark.parametrize("soft", [False, True, None])
@pytest.mark.live
def test_logits_and_targets(soft):
    import torch

    keywords = set()
    for call in seen(st.logits_and_targets(soft=soft), 200):
        logits, target = map(torch.tensor, call.args)
        kwargs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.kwargs.items()}
        loss = torch.nn.functional.cross_entropy(logits, target, **kwargs)
        assert torch.isfinite(loss).all()
        keywords |= set(kwargs)
    assert keywords == {"weight", "label_smoothing", "reduction"} | ({"ignore_index"} if soft is not True else set())


def test_index_expressions():
    kinds = set()
    for shape in [(3,), (2, 3), (2, 0, 3), (1, 2, 3)]:
        x = np.zeros(shape)
        for index in seen(st.index_expressions(shape), 120):
            assert isinstance(x[index], (np.ndarray, float))
            kinds |= {type(k).__name__ for k in (index if isinstance(index, tuple) else (index,))}
    assert {"int", "slice", "ndarray", "NoneType", "ellipsis"} <= kinds


def test_einsum_operands():
    equations = set()
    for call in seen(st.einsum_operands(ellipsis=True), 300):
        np.einsum(*call.args)
        equations.add(call.args[0])
    assert any("..." in e for e in equations) and any("->" not in e for e in equations) and any(e.count(",") == 2 for e in equations)


# ---------------------------------------------------------------------------------------------------------- calls


def test_calls_can_be_pasted():
    import minigrad as mg

    call = Call(
        (np.array([[1.5, -np.inf]]), np.float32(2.5), [np.arange(3), (1,)], "ij->j", None, mg.tensor([1.0], requires_grad=True)),
        {
            "dtype": np.dtype("float32"),
            "index": (slice(None, 2), Ellipsis),
            "mask": np.array([True]),
            "kind": np.float64,
            "nothing": np.zeros((0, 2), np.int64),
        },
    )
    again = eval(repr(call), {"np": np, "mg": mg, "Call": Call})
    assert repr(again) == repr(call)
    assert isinstance(again.args[5], TensorBase) and again.args[5].requires_grad
    assert again.kwargs["nothing"].dtype == np.int64 and again.kwargs["kind"] is np.float64
    assert call.arguments().startswith("np.array([[1.5, -np.inf]]), np.float32(2.5)")


def test_source_of_plain_values():
    assert source({"a": [1, (2.0,)]}) == "{'a': [1, (2.0,)]}"


def test_strategies_of_hypothesis_are_at_hand():
    assert st.just(1) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        st.no_such_strategy  # noqa: B018


@pytest.mark.parametrize("name", ["strategies", "check_op"])
def test_without_hypothesis_the_extra_is_named(name):
    code = f"import sys\nsys.modules['hypothesis'] = None\nfrom minigrad.testing import gradcheck\nfrom minigrad.testing import {name}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f'ImportError: minigrad.testing: {name} draws inputs with hypothesis: pip install "minigrad-nn[testing]" (')
