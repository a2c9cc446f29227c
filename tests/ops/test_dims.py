"""A dim that is not there is refused, by every op of the table of cases that has one; 0-d tensors count as vectors of one where there is a dim."""

import inspect

import hypothesis
import numpy as np
import pytest
from answers import torch
from hypothesis import strategies as hs
from test_cases import ROWS, results

import minigrad as mg
from minigrad.testing import gradcheck
from minigrad.testing import strategies as st

DIMS = {"dim", "dims", "dim0", "dim1", "dim2", "start_dim", "end_dim", "dimension", "source", "destination", "axis"}
NEW = {"stack": 1, "unsqueeze": 1, "diag_embed": 1}  # ops whose dims are those of the result, which has more
ELSEWHERE = {
    "index_add": {"source"}, "index_copy": {"source"}, "masked_scatter": {"source"},  # not a dim
    "tensordot": {"dims"},  # pairs of them, or how many
    "tile": {"dims"},  # how often
    "index_reduce": {"source"}, "put": {"source"},  # the values
}  # fmt: skip
# they get dims that their callers have checked
INSIDE = {
    "centered_sums",
    "standardize",
    "_split",
    "_unbind",
    "diagonal_put",
    "unfold_add",
    "linear_recurrence",
    "_transform",
    "_from_real",
    "_to_real",
}


def dims_of(case):
    """The parameters of the row's op that are dims."""
    return [n for n in inspect.signature(case.op).parameters if n in DIMS - ELSEWHERE.get(case.name, set())]


WITH_DIM = [row for row in ROWS if dims_of(row.values[0]) and row.values[0].name not in {*INSIDE, "max_of_two", "min_of_two"}]


def shapes(values):
    """Of all arrays in a call."""
    for v in values:
        if isinstance(v, np.ndarray):
            yield v.shape
        elif isinstance(v, (list, tuple)):
            yield from shapes(v)


def replaced(draw, value, wrong):
    """``value`` (a dim, or several) with a wrong one in it."""
    if isinstance(value, (tuple, list)) and value:
        at = draw(hs.integers(0, len(value) - 1))
        return type(value)([wrong if i == at else v for i, v in enumerate(value)])
    return wrong


@pytest.mark.parametrize("case", WITH_DIM)
def test_a_dim_that_is_not_there_is_an_index_error(case):
    """Whatever the shape is, 0-d and empty ones among them."""

    @hypothesis.settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(call=st.call(*case.strategies), data=hs.data())
    def run(call, data):
        bound = inspect.signature(case.op).bind(*call.args, **call.kwargs)
        name = data.draw(hs.sampled_from(dims_of(case)))
        hypothesis.assume(
            case.op.__name__ not in ("cat", "concat", "_cat") or set(shapes(bound.args)) != {(0,)}
        )  # empty vectors have any dim
        n = max(len(next(shapes(bound.args))), 1) + NEW.get(case.op.__name__.lstrip("_"), 0)
        wrong = data.draw(hs.sampled_from([n, n + 3, -n - 1]))
        bound.arguments[name] = replaced(data.draw, bound.arguments.get(name), wrong)
        with np.errstate(all="ignore"), pytest.raises(IndexError, match=rf"^\w+: .*{wrong}"):
            results(case, st.Call(bound.args, bound.kwargs))

    run()


def test_many_ops_have_a_dim():
    assert len(WITH_DIM) > 90


REDUCTIONS = {
    "sum": lambda x, d: x.sum(d), "mean": lambda x, d: x.mean(d), "nansum": lambda x, d: mg.nansum(x, d), "var": lambda x, d: x.var(d, correction=0),
    "softmax": lambda x, d: x.softmax(d), "log_softmax": lambda x, d: x.log_softmax(d), "norm": lambda x, d: x.norm(dim=d),
    "flip": lambda x, d: x.flip(d), "amax": lambda x, d: x.amax(d), "any": lambda x, d: mg.any(x, d), "argmax": lambda x, d: x.argmax(d),
    "prod": lambda x, d: x.prod(d), "cumsum": lambda x, d: x.cumsum(d), "sort": lambda x, d: x.sort(d), "logsumexp": lambda x, d: x.logsumexp(d),
    "count_nonzero": lambda x, d: mg.count_nonzero(x, d), "squeeze": lambda x, d: x.squeeze(d), "unfold": lambda x, d: x.unfold(d, 1, 1),
    "gather": lambda x, d: x.gather(d, mg.zeros_like(x).long()), "index_select": lambda x, d: x.index_select(d, mg.zeros(1).long()),
    "transpose": lambda x, d: x.transpose(d, 0), "flatten": lambda x, d: x.flatten(d), "cummax": lambda x, d: x.cummax(d),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
def test_dims_of_0_d_and_empty_tensors(name, shape):
    x, n = mg.ones(shape), max(len(shape), 1)
    for d in (n, -n - 1, 7):
        with pytest.raises(IndexError, match=rf"dim {d} is out of range for a tensor of {len(shape)} dimensions"):
            REDUCTIONS[name](x, d)
    for several in ((n,), (0, n), [n]):
        if name in ("sum", "mean", "nansum", "var", "norm", "flip", "amax", "any", "logsumexp", "count_nonzero", "squeeze"):
            with pytest.raises(IndexError, match=f"dim {n} is out of range"):
                REDUCTIONS[name](x, several)


def test_variance_of_nothing_is_nan():
    for correction in (-1, 0, 1, 2.5):
        assert np.isnan(mg.tensor([]).var(correction=correction).item()) and np.isnan(mg.tensor([]).std(correction=correction).item())
    assert mg.ones(0, 2).var(0, correction=-1).isnan().all()


# ----------------------------------------------------------------------------------------- 0-d operands


def both(call):
    """Value, shape and gradients of ``call(library, x, v)``, of ours and of PyTorch's; or that PyTorch refuses."""

    def run(library, x, v):
        x, v = library.tensor(x, requires_grad=True), library.tensor(v, requires_grad=True)
        y = call(library, x, v)
        (y * 3.0).sum().backward()
        return [np.asarray(a.detach().numpy()) if a is not None else None for a in (y, x.grad, v.grad)]

    return run


INDEXING = {
    "gather": lambda l, x, v, i: x.gather(0, i),
    "scatter": lambda l, x, v, i: x.scatter(0, i, v),
    "scatter_number": lambda l, x, v, i: x.scatter(0, i, 5.0),
    "scatter_add": lambda l, x, v, i: x.scatter_add(0, i, v),
    "index_select": lambda l, x, v, i: x.index_select(0, i),
    "index_add": lambda l, x, v, i: x.index_add(0, i, v),
    "index_copy": lambda l, x, v, i: x.index_copy(0, i, v),
    "index_fill": lambda l, x, v, i: x.index_fill(0, i, 5.0),
}
OPERANDS = [
    (1.5, 2.5, 0),
    (1.5, 2.5, [0]),
    (1.5, [2.5], [0]),
    ([1.5], 2.5, 0),
    ([1.0, 2.0], 2.5, 1),
    ([1.0, 2.0], [2.5], [1]),
    (1.5, [2.5, 3.5], [0, 0]),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("operands", OPERANDS, ids=str)
@pytest.mark.parametrize("name", INDEXING)
def test_0_d_operands_count_as_vectors_of_one(name, operands):
    """Where PyTorch computes, so do we; where it refuses we may take a 0-d tensor for a number."""
    x, v, i = operands
    x, v, i = np.array(x), np.array(v), np.array(i)
    if name == "scatter" and len(np.unique(i)) < i.size:
        return  # which of several values stays, and has the gradient, is left open
    try:
        theirs = both(lambda l, x, v: INDEXING[name](l, x, v, torch.tensor(i)))(torch, x, v)
    except (RuntimeError, IndexError):
        return
    ours = both(lambda l, x, v: INDEXING[name](l, x, v, mg.tensor(i)))(mg, x, v)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("size", "shape"), [(1, (1,)), (0, (0,))])
def test_unfold_of_a_0_d_tensor(size, shape):
    theirs = both(lambda l, x, v: x.unfold(0, size, 1))(torch, 1.5, 0.0)
    ours = both(lambda l, x, v: x.unfold(0, size, 1))(mg, 1.5, 0.0)
    assert ours[0].shape == theirs[0].shape == shape
    assert ours[1] == theirs[1]
    with pytest.raises(mg.ShapeError, match="unfold: windows of 2"):
        mg.tensor(1.5).unfold(0, 2, 1)


def test_an_empty_index_may_have_any_shape():
    for x in (mg.ones(5), mg.ones(3, 2), mg.tensor(1.0), mg.ones(0)):
        for shape in ((0,), (2, 0), (0, 3, 1)):
            assert mg.gather(x, 0, mg.zeros(shape, dtype=mg.uint8)).shape == shape
    with pytest.raises(IndexError, match=r"^gather: dim 5 is out of range"):
        mg.gather(mg.ones(3, 2), 5, mg.zeros(0).long())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: mg.flipud(mg.tensor(1.0)), RuntimeError), (lambda: mg.roll(mg.tensor(1.0), 0, 0), IndexError), (lambda: mg.roll(mg.ones(5), ()), RuntimeError),
        (lambda: mg.index_select(mg.tensor(1.0), 0, mg.tensor([0, 0])), RuntimeError),
        (lambda: mg.take_along_dim(mg.tensor(1.0), mg.tensor(0), 0), IndexError), (lambda: mg.tensor(1.0).flip(0, 0), RuntimeError),
        (lambda: mg.index_copy(mg.ones(3), 0, mg.tensor([0, 1]), mg.tensor(2.0)), RuntimeError), (lambda: mg.tensor(1.0).sum((0, -1)), RuntimeError),
    ],
)  # fmt: skip
def test_what_pytorch_refuses_of_0_d_tensors(call, error):
    with pytest.raises(error, match=r"^\w+: "):
        call()


# ----------------------------------------------------------------------------------- scatter that multiplies


@pytest.mark.filterwarnings("ignore:The reduce argument")
def test_scatter_that_multiplies():
    """What meets at one place is multiplied; PyTorch has no gradient for it, ours is that of the product, zeros among its factors too."""
    i = np.array([[0, 0, 2], [1, 1, 1]])
    x, v = np.array([[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]), np.array([[2.0, 0.0, 3.0], [4.0, 5.0, 6.0]])
    theirs = torch.scatter(torch.tensor(x), 1, torch.tensor(i), torch.tensor(v), reduce="multiply")
    np.testing.assert_array_equal(mg.scatter(mg.tensor(x), 1, mg.tensor(i), mg.tensor(v), reduce="multiply").numpy(), theirs.numpy())
    number = torch.scatter(torch.tensor(x), 1, torch.tensor(i), 3.0, reduce="multiply")
    np.testing.assert_array_equal(mg.scatter(mg.tensor(x), 1, mg.tensor(i), 3.0, reduce="multiply").numpy(), number.numpy())
    gradcheck(lambda x, v: mg.scatter(x, 1, mg.tensor(i), v, reduce="multiply"), x, v, order=2)
