"""numpy's and PyTorch's keyword names on functions, what is left alone, and where warnings point."""

import inspect
import pydoc
import sys
import types
import warnings

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.torch
from minigrad import nn
from minigrad.engine import op
from minigrad.engine.entry import public, with_our_names

SOURCE = """
def total(x, dim=None, keepdim=False):
    return x, dim, keepdim

def ordered(x, *, dims=()):
    return x, dims

def plain(x, size=0):
    return x, size

def _hidden(x, dim=None):
    return x, dim

same = total
"""


@pytest.fixture
def room(monkeypatch):
    module = types.ModuleType("a_room")
    exec(SOURCE, module.__dict__)
    monkeypatch.setitem(sys.modules, "a_room", module)
    return module


def test_functions_of_a_module_take_them(room):
    """Those with a dim, in any position, and under every name that one has; not the module's own helpers."""
    before = dict(vars(room))
    public("a_room")
    assert room.total(1, axis=2) == room.total(1, dim=2) == (1, 2, False)
    assert room.total(1, axis=2, keepdims=True) == (1, 2, True)
    assert room.ordered(1, axes=(0, 1)) == room.ordered(1, axis=(0, 1)) == (1, (0, 1))
    assert room.total(1) == (1, None, False) and room.total(1, 2) == (1, 2, False)
    assert room.same is room.total is not before["total"]
    assert room.plain is before["plain"] and room._hidden is before["_hidden"]
    assert inspect.signature(room.total) == inspect.signature(before["total"]) and room.total.__name__ == "total"
    with pytest.raises(TypeError, match=r"total: dim and axis are the same argument"):
        room.total(1, dim=2, axis=2)
    with pytest.raises(TypeError, match="axis"):
        room._hidden(1, axis=2)


def test_what_comes_from_elsewhere_is_left(room):
    def dim_of(x, dim=None):
        return dim

    @op(x=lambda g: g)
    def passed(x, dim=None):
        return x

    passed.__module__ = "a_room"
    room.dim_of, room.passed = dim_of, passed
    public("a_room")
    assert room.dim_of is dim_of and room.passed is passed, "another module's function, and an op, which takes them itself"


def test_out_is_dropped_where_it_says_nothing():
    """As ``np.sum(tensor)`` passes it; an array to write into is refused."""
    assert with_our_names("f", {"axis": 1, "out": None}, ("x", "dim")) == {"dim": 1}
    with pytest.raises(TypeError, match=r"^f: there is no out=, the result is a new Tensor: y = f"):
        with_our_names("f", {"out": 0}, ("x", "dim"))
    assert with_our_names("f", {"dim": 1}, ("x", "dim")) == {"dim": 1}
    assert with_our_names("f", {"out": None}, ("x", "out")) == {"out": None}
    assert with_our_names("f", {"axis": 1}, ("x", "axis", "dim")) == {"axis": 1}, "its own parameter"
    assert with_our_names("f", {"axis": 1}, ("x",)) == {"axis": 1}, "it has no dim"
    assert with_our_names("f", {"axis": None}, ("dim",)) == {"dim": None}


def test_warnings_point_at_the_line_that_called():
    """However many functions of minigrad lie between."""
    x = mg.ones(2, 3)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        mg.softmax(x)
        F.mse_loss(x, x[:1])
        nn.RNN(2, 2, dropout=0.5)
    assert len(seen) == 3 and {warning.filename for warning in seen} == {__file__}


KEYWORDS = {  # a call by PyTorch's names: f(torch, x) of x (3, 3)
    "max of two": lambda t, x: t.max(input=x, other=t.tensor(4.0, dtype=x.dtype)),
    "min of two": lambda t, x: x.min(other=x.t()),
    "scatter a number": lambda t, x: x.scatter(dim=1, index=t.tensor([[0], [2]]), value=9.0),
    "scatter_ a number": lambda t, x: x.clone().scatter_(dim=0, index=t.tensor([[0, 2, 1]]), value=9.0, reduce="add"),
    "gather": lambda t, x: t.gather(input=x, dim=1, index=t.tensor([[0], [2]]), sparse_grad=False),
    "copy_": lambda t, x: t.zeros_like(x).copy_(other=x, non_blocking=True) + t.zeros_like(x).copy_(x, True),
    "dropout": lambda t, x: t.dropout(x, p=0.5, train=False),
    "xlogy": lambda t, x: t.xlogy(input=x, other=x + 1),
    "solve": lambda t, x: t.linalg.solve(A=x + t.eye(3, dtype=x.dtype), B=x[:, :1], left=True),
    "solve from the right": lambda t, x: t.linalg.solve(x + t.eye(3, dtype=x.dtype), x[:2], left=False),
    "hsplit": lambda t, x: t.hsplit(x, sections=3)[1],
    "tensor_split": lambda t, x: x.tensor_split(indices=(1,), dim=1)[1],
    "random_": lambda t, x: t.empty(3).random_(to=1) + x,
    "uniform_": lambda t, x: (t.empty(3).uniform_(to=2.0) < 2) * x,
}


@pytest.mark.parametrize("call", KEYWORDS)
def test_keywords_are_pytorchs(call):
    def result(torch):
        return KEYWORDS[call](torch, torch.arange(9.0, dtype=torch.float64).reshape(3, 3)).tolist()

    np.testing.assert_allclose(result(minigrad.torch), noted(result), rtol=1e-12)


def test_second_names_stand_for_one_argument():
    x, place = mg.zeros(2), mg.tensor([0])
    with pytest.raises(TypeError, match="scatter: src and value are the same argument"):
        mg.scatter(x, 0, place, src=1.0, value=2.0)
    with pytest.raises(TypeError, match="max: either a dim or other"):
        mg.max(x, 0, other=x)
    with pytest.raises(TypeError, match="value"):
        mg.sum(x, value=1)
    with pytest.raises(mg.ShapeError, match=r"solve: without left, B must hold matrices, but it has shape \(2,\)"):
        mg.linalg.solve(mg.eye(2), x, left=False)


def test_help_of_a_method_in_place_shows_how_it_is_called():
    """It was ``(self, *args, **kwargs)`` for each of them."""
    assert list(inspect.signature(mg.Tensor.add_).parameters) == ["input", "other", "alpha"]
    assert list(inspect.signature(mg.ones(1).clamp_).parameters) == ["min", "max"]
    for name in dir(mg.Tensor):
        if name.endswith("_") and not name.startswith("_"):
            kinds = {p.kind for p in inspect.signature(getattr(mg.Tensor, name)).parameters.values()}
            assert not {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds, name


def test_completion_offers_only_what_is_there():
    """An attribute that only says what to use instead is no attribute to a reader: ``dir`` of the class listed 331 of them, and so did ``help``."""
    for thing in (mg.Tensor, nn.Parameter, mg.ones(1, 1), nn.Parameter(mg.ones(1, 1)), nn.Linear(1, 1)):
        assert [name for name in dir(thing) if name[0] != "_" and not hasattr(thing, name)] == []
    assert "\n |  all_" not in pydoc.render_doc(mg.Tensor, renderer=pydoc.plaintext)
