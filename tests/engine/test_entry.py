"""numpy's keyword names on plain functions of a module, what is left alone, and where warnings point."""

import inspect
import sys
import types
import warnings

import pytest

import minigrad as mg
import minigrad.nn.functional as F
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
