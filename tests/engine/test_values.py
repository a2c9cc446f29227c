"""A Tensor is a value: writing to it never changes another Tensor or a gradient. And Tensors in numpy, pickle and other libraries."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import weakref
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as hs
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import minigrad as mg
from minigrad import nn
from minigrad.testing import gradcheck


def leaf(values):
    return mg.tensor(np.array(values, float), requires_grad=True)


def address(t):
    return t.detach().numpy().__array_interface__["data"][0]


# ----------------------------------------------------------------------------------------- writing a leaf

WRITES: dict[str, Callable] = {
    "+=": lambda x: operator.iadd(x, 1),
    "-=": lambda x: operator.isub(x, 1),
    "*=": lambda x: operator.imul(x, 2),
    "/=": lambda x: operator.itruediv(x, 2),
    "**=": lambda x: operator.ipow(x, 2),
    "//=": lambda x: operator.ifloordiv(x, 2),
    "%=": lambda x: operator.imod(x, 2),
    "[0] =": lambda x: operator.setitem(x, 0, 5.0),
    "add_": lambda x: x.add_(1),
    "mul_": lambda x: x.mul_(2),
    "zero_": lambda x: x.zero_(),
    "fill_": lambda x: x.fill_(7),
    "copy_": lambda x: x.copy_(mg.tensor([7.0, 8.0, 9.0])),
    "normal_": lambda x: x.normal_(),
    "uniform_": lambda x: x.uniform_(),
    "masked_fill_": lambda x: x.masked_fill_(mg.tensor([True, False, True]), 0),
    "index_add_": lambda x: x.index_add_(0, mg.tensor([0, 0]), mg.tensor([1.0, 2.0], dtype=x.dtype)),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_leaf_that_requires_a_gradient_is_written_under_no_grad_only(name):
    x = leaf([1, 2, 3])
    with pytest.raises(RuntimeError, match="leaf"):
        WRITES[name](x)
    assert x.tolist() == [1, 2, 3]
    with mg.no_grad():
        WRITES[name](x)
    assert x.tolist() != [1, 2, 3]
    assert x.is_leaf
    assert x.requires_grad


@pytest.mark.parametrize("name", WRITES)
def test_a_write_never_changes_what_backward_needs(name):
    x = leaf([1, 2, 3])
    y = x.sin()
    z = y.exp() * y  # the graph keeps y, and exp(y)
    before = mg.grad(z.sum(), x, retain_graph=True)[0]
    WRITES[name](y)
    after = mg.grad(z.sum(), x)[0]
    assert after.tolist() == before.tolist()
    with mg.no_grad():
        z = (x * x).sum()
        mg.set_grad_enabled(True)
        z = (x * x).sum()
        mg.set_grad_enabled(False)
        WRITES[name](x)
    z.backward()
    assert x.grad.tolist() == [2, 4, 6]


def test_the_gradient_of_a_write():
    x, v = leaf([1, 2, 3]), leaf([10, 20])
    y = x * 2
    y[1:] = v
    y[0] += 5
    y *= y
    assert y.tolist() == [49, 100, 400]
    y.sum().backward()
    assert x.grad.tolist() == [28, 0, 0]
    assert v.grad.tolist() == [20, 40]


def test_a_constant_becomes_part_of_the_graph_when_a_result_is_written_into_it():
    x, c = leaf([1, 2]), mg.tensor(np.zeros(3))
    c[:2] = x * 3
    assert c.requires_grad
    assert not c.is_leaf
    c.sum().backward()
    assert x.grad.tolist() == [3, 3]
    total = mg.tensor(0.0)
    for i in range(2):
        total += x[i] ** 2
    total.backward()
    assert x.grad.tolist() == [5, 7]


def test_integers_take_the_value_of_a_float_without_its_gradient():
    n = mg.tensor([1, 2])
    n[0] = leaf(7.9)
    assert n.tolist() == [7, 2]
    assert not n.requires_grad


def test_repeated_places_go_to_the_last_writer_and_so_does_the_gradient():
    x, v = leaf([0, 0, 0]), leaf([1, 2, 3, 4])
    y = x * 1
    y[[0, 2, 0, 0]] = v
    assert y.tolist() == [4, 0, 2]
    (y * mg.tensor(np.array([5.0, 6, 7]))).sum().backward()
    assert x.grad.tolist() == [0, 6, 0]
    assert v.grad.tolist() == [0, 7, 0, 5]


def test_an_optimizer_step():
    w = leaf([1, 2])
    same = w
    (w * w).sum().backward()
    with mg.no_grad():
        w -= 0.5 * w.grad
        w.grad.zero_()
    assert same is w
    assert w.tolist() == [0, 0]
    assert w.grad.tolist() == [0, 0]
    assert w.is_leaf
    w.data -= 1
    w.data = w.data * 3
    assert w.tolist() == [-3, -3]
    (w * w).sum().backward()
    assert w.grad.tolist() == [-6, -6]


def test_a_no_grad_write_in_the_middle_changes_values_but_not_the_graph():
    x = leaf([1, 2])
    y = x * 3
    with mg.no_grad():
        y += 100
        y[0] = 0
    assert y.tolist() == [0, 106]
    (y * y).sum().backward()
    assert x.grad.tolist() == [0, 636]


def test_data_takes_another_shape_at_a_leaf_only():
    x = leaf([1, 2])
    x.sum().backward()
    x.data = np.ones((2, 2))
    assert x.grad is None
    x.sum().backward()
    assert x.grad.shape == (2, 2)
    y = x * 2
    with pytest.raises(mg.ShapeError, match="detach"):
        y.data = np.ones(3)
    with pytest.raises(RuntimeError, match="int64"):
        x.data = np.ones(3, int)


# ------------------------------------------------------------------------------------- shapes and dtypes stay


def test_shape_and_dtype_stay():
    x = mg.tensor([1.0, 2.0])
    with pytest.raises(mg.ShapeError, match=r"add_: .*\(3, 2\).*\(2,\)"):
        x.add_(mg.ones(3, 2))
    with pytest.raises(mg.ShapeError, match=r"\(3,\)"):
        x[:] = [1, 2, 3]
    x += np.ones(2)
    assert x.dtype == np.float32
    x[0] = np.float64(0.1)
    assert x.dtype == np.float32
    n = mg.tensor([1, 2])
    with pytest.raises(RuntimeError, match="float32 cannot be written into a tensor of int64"):
        n += 0.5
    with pytest.raises(RuntimeError, match="cannot be written"):
        n /= 2
    b = mg.tensor([True])
    with pytest.raises(RuntimeError, match="bool"):
        b += 1
    u = mg.tensor([250], dtype=np.uint8)
    u += mg.tensor([10])
    assert (u.tolist(), u.dtype) == ([4], np.uint8)


def test_a_failed_write_changes_nothing():
    x = mg.tensor([1.0, 2.0])
    for bad in (lambda: x.add_(mg.ones(3)), lambda: operator.setitem(x, 2, 1.0), lambda: operator.setitem(x, slice(None), [1, 2, 3])):
        with pytest.raises((ValueError, IndexError)):
            bad()
        assert x.tolist() == [1, 2]


# --------------------------------------------------------------------------------------------- views and copies


def views(x):
    return {
        "index": x[0], "slice": x[:1], "reshape": x.reshape(-1), "view": x.view(-1), "transpose": x.T, "permute": x.permute(1, 0),
        "expand": x.expand(2, 2, 2), "squeeze": x.squeeze(), "unsqueeze": x.unsqueeze(0), "flatten": x.flatten(), "detach": x.detach(),
        "flip": x.flip(0), "diagonal": x.diagonal(), "split": x.split(1)[0], "unbind": x.unbind()[0], "row": next(iter(x)),
        "unfold": x.unfold(0, 1, 1), "narrow": x.narrow(0, 0, 1), "movedim": x.movedim(0, 1),
    }  # fmt: skip


VIEWS = list(views(mg.tensor([[1.0, 2.0], [3.0, 4.0]])))


@pytest.mark.parametrize("name", [v for v in VIEWS if v not in ("flip", "expand")])
@pytest.mark.parametrize("graph", [False, True])
def test_a_write_to_a_tensor_is_none_to_its_views_and_they_know(name, graph):
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=graph) * 1
    view = views(x)[name]
    before = view.tolist()
    x += 10
    x[0] = 100
    assert view.tolist() == before
    for write in (lambda: operator.setitem(view, 0, -1), lambda: operator.iadd(view, 5), view.exp_):
        with pytest.raises(RuntimeError, match=r"written after the view was taken.*y = x\[i\].*x\[i\] = value"):
            write()
    assert x.tolist() == [[100, 100], [13, 14]] and view.tolist() == before
    del x  # there is nobody left to whom the write could be lost
    view[...] = -1
    view += 5
    assert set(np.ravel(view.tolist())) == {4}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("graph", [False, True])
def test_a_write_to_a_view_writes_its_source(name, graph):
    """Which has the value and the gradient that it has after x[places] = value; a copy (flip) writes nobody, and an expanded tensor is refused."""
    leaf = mg.tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=graph)
    x = leaf * 1
    other, array = x.reshape(-1)[:], x.detach().numpy()
    at = views(mg.arange(4).reshape(2, 2))[name].numpy().ravel()
    view = views(x)[name]
    if name == "expand":
        with pytest.raises(RuntimeError, match=r"exp_: several elements of this tensor are a single place.*clone"):
            view.exp_()
        return
    expected = np.arange(1.0, 5.0)
    expected[at] = np.exp(expected[at]) * 3
    grad = np.ones(4) if not graph or name == "detach" else np.where(np.isin(np.arange(4), at), expected, 1)
    view.exp_()
    view *= 3
    assert (name == "flip") == (x.tolist() == [[1, 2], [3, 4]])
    np.testing.assert_allclose(np.ravel(view.tolist()), expected[at])
    assert other.tolist() == array.ravel().tolist() == [1, 2, 3, 4]  # values, as ever
    if name != "flip":
        np.testing.assert_allclose(np.ravel(x.tolist()), expected)
        if graph:
            x.sum().backward(retain_graph=True)
            np.testing.assert_allclose(leaf.grad.numpy().ravel(), grad)
    else:
        assert view.numpy(force=True).base is None
    y = views(x)[name]
    y[...] = 0
    assert not y.any() and (name == "flip" or not np.any(np.array(x.tolist()).ravel()[at]))


def test_the_parts_of_a_tensor_are_all_written():
    """Though the first write gives the tensor other memory: the other parts still show its value."""
    w = mg.zeros(6, 2, requires_grad=True)
    a, b, c = w.chunk(3)
    rows = list(w)
    with mg.no_grad():
        for i, part in enumerate((a, b, c)):
            part.fill_(i + 1)
        for i, row in enumerate(rows[:1]):
            with pytest.raises(RuntimeError, match="written after the view was taken"):
                row.add_(i)
        for i, row in enumerate(w):
            row += 10 * i
            row[0] = -1
    assert w.tolist() == [[-1, 1], [-1, 11], [-1, 22], [-1, 32], [-1, 43], [-1, 53]] and w.requires_grad and w.is_leaf
    assert rows[0].tolist() == [0, 0]


def test_a_view_that_is_overwritten_need_not_be_taken_again():
    """Views that overlap can all be filled."""
    w = leaf(np.zeros((3, 3)))
    for x in (mg.zeros(3, 3), w * 1):
        rows = x[0], x[-1], x[:, 0], x.t()[-1]
        for i, edge in enumerate(rows):
            edge.fill_(i + 1)
        with pytest.raises(RuntimeError, match="written after the view"):
            rows[0][:] += 5  # which reads it
        rows[0].fill_(5)
        rows[2].copy_(x[:, 1])
        assert x.tolist() == [[5, 5, 5], [0, 0, 4], [2, 2, 4]]
        with pytest.raises(RuntimeError, match="written after the view"):
            rows[1].add_(1)
        with pytest.raises(RuntimeError, match="written after the view"):
            rows[1][0] = 1
    with pytest.raises(mg.ShapeError, match="broadcast"):
        rows[1].copy_(mg.ones(2))
    assert rows[1].tolist() == [2, 2, 2]
    x.sum().backward()
    assert w.grad.tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 0]]


def test_all_that_a_view_was_taken_from_is_written():
    x = mg.arange(8.0).reshape(2, 2, 2)
    a = x[1]
    b = a.t()[0]
    b.mul_(10)
    assert x.tolist() == [[[0, 1], [2, 3]], [[40, 5], [60, 7]]] and a.tolist() == [[40, 5], [60, 7]] and b.tolist() == [40, 60]
    a[1] = 0
    assert x[1].tolist() == a.tolist() == [[40, 5], [0, 0]]
    with pytest.raises(RuntimeError, match="written after"):
        b += 1
    del a
    x[1].t()[0][1] = 3
    assert x[1].tolist() == [[40, 5], [3, 0]]


def test_a_view_of_a_view_that_was_taken_again():
    x = mg.zeros(2)
    a = x[:1]
    b = a[:]
    x[1] = 5  # x leaves the memory of a and b
    a += 1  # and a follows it
    with pytest.raises(RuntimeError, match="written after the view"):
        b[0] = 7
    assert (x.tolist(), a.tolist(), b.tolist()) == ([1, 5], [1], [0])


def test_a_view_of_a_view_that_was_given_other_data():
    x = mg.zeros(4)
    a = x[1:]
    b = a[1:]
    a.data = mg.ones(3)
    b += 7
    assert (x.tolist(), a.tolist(), b.tolist()) == ([0, 0, 7, 7], [1, 1, 1], [7, 7])


def test_what_a_graph_keeps_is_not_written_through_a_view():
    w = leaf([1, 2, 3])
    y = w * 1
    z = (y * y).sum()
    y[:2].zero_()
    y.view(-1)[2] = w[0] * 5
    z.backward(retain_graph=True)
    assert w.grad.tolist() == [2, 4, 6] and y.tolist() == [0, 0, 5]
    w.grad = None
    (y * y).sum().backward()
    assert w.grad.tolist() == [50, 0, 0]


def test_second_derivatives_through_a_write_to_a_view():
    def f(w):
        y = w * 1
        y.t()[0].mul_(w[1])
        y[1].reshape(2)[:1] += y[0, :1] ** 2
        return (y**3).sum()

    assert gradcheck(f, leaf([[1, 2], [3, 0.5]]), order=2)


def test_writes_to_views_that_a_graph_would_lose_are_refused():
    w = leaf([[1, 2], [3, 4]])
    for write in (lambda: w[0].zero_(), lambda: operator.setitem(w.t()[0], 0, 1.0), lambda: w.view(-1).add_(1)):
        with pytest.raises(RuntimeError, match=r"view of a leaf that requires a gradient.*no_grad.*x\.clone\(\)"):
            write()
    y = w * 1
    with mg.no_grad():
        row = y[0]
    with pytest.raises(RuntimeError, match=r"taken under no_grad.*Take the view again"):
        row += 1
    with mg.no_grad():
        row += 1
    assert y.tolist() == [[2, 3], [3, 4]]
    y.detach()[1].zero_()  # as in PyTorch the value, and not the graph
    assert y.tolist() == [[2, 3], [0, 0]]
    y.sum().backward()
    assert w.grad.tolist() == [[1, 1], [1, 1]]


def test_views_of_what_is_gone():
    a, b = mg.zeros(4).view(2, 2), mg.zeros(4)
    for _ in range(3000):
        b = b.view(2, 2).view(-1).detach()  # does not remember each of them
    assert len(str(b._source)) < 200
    a[0].add_(1)
    b[0] = 1
    assert a.tolist() == [[1, 1], [0, 0]] and b.tolist() == [1, 0, 0, 0]
    source = mg.zeros(3)
    gone = weakref.ref(source)
    view, too = source[:2], source.view(-1)
    del source
    assert gone() is None
    with pytest.raises(RuntimeError, match=r"shares its memory with another one, of shape \((2|3),\).*clone"):
        view += 1
    del too
    view += 1
    assert view.tolist() == [1, 1]


def test_a_view_that_was_given_other_memory_is_none():
    x = mg.zeros(4)
    view = x[:2]
    view.data = mg.ones(2)
    view += 1
    copied = mg.arange(4).reshape(2, 2).t().reshape(-1)
    copied[0] = 5
    mask = x[x == 0]
    mask += 1
    assert (x.tolist(), view.tolist(), copied.tolist(), mask.tolist()) == ([0] * 4, [2, 2], [5, 2, 1, 3], [1] * 4)


def test_a_table_is_filled_in_its_memory():
    """A dynamic program writes each cell of a table, which must not copy it, nor look for who else uses it."""
    t = mg.zeros(30, 40)
    before = address(t)
    for i in range(30):
        for j in range(40):
            t[i][j] = i + j
        t[i].mul_(2)
        t.t()[i % 40].view(-1)[3:].add_(0)
    assert address(t) == before and t[7][9] == 32
    row = t[3]
    t[4][0] = 1  # once, for the sake of the row
    before = address(t)
    for j in range(40):
        t[5][j] = row[j]
    assert address(t) == before


def test_data_taken_before_another_is_set_keeps_the_old_values():
    """So weights can be swapped for averaged ones and put back, without a clone."""
    p, q = mg.ones(2, requires_grad=True), mg.zeros(2, requires_grad=True)
    backup, too = p.data, p.data
    p.data = q
    assert (p.tolist(), backup.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    backup.add_(1)
    assert (p.tolist(), backup.tolist(), too.tolist()) == ([0.0, 0.0], [2.0, 2.0], [2.0, 2.0])
    p.data = backup
    assert p.tolist() == [2.0, 2.0]
    too.mul_(3)  # it is the memory of p again
    assert (p.tolist(), q.tolist()) == ([6.0, 6.0], [0.0, 0.0])

    p.data, q.data = q.data, p.data
    assert (p.tolist(), q.tolist()) == ([0.0, 0.0], [6.0, 6.0])
    same = p.data
    p.data = same
    same.add_(5)
    assert p.tolist() == [5.0, 5.0]


def test_data_is_written_through_and_never_recorded():
    p = leaf([1, 2])
    y = (p * p).sum()
    w = p.data
    w *= 10
    w[0] = 5
    p.data.add_(mg.tensor([1.0, 1.0], dtype=p.dtype), alpha=-1)
    p.data.data.clamp_(0, 15)
    assert p.tolist() == w.tolist() == [4, 15] and p.is_leaf and not w.requires_grad and w.grad_fn is None
    y.backward()
    assert p.grad.tolist() == [2, 4]  # what was computed before is what backward sees
    p.grad.data.zero_()
    assert p.grad.tolist() == [0, 0]
    with mg.no_grad():
        p += 1
    assert w.tolist() == [5, 16]
    p.data.numpy()[0] = 7
    assert p.tolist() == [7, 16]
    for copied in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert type(copied) is mg.Tensor and copied.tolist() == [7, 16]
    assert (w + 1).tolist() == [8, 17] and type(w + 1) is mg.Tensor
    with pytest.raises(RuntimeError, match="no gradient of its own"):
        w.requires_grad_()


def test_a_view_whose_source_is_gone_may_be_written_in_place():
    x = mg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, 2)
    before = address(x)
    x.zero_()
    x.add_(1)
    x.view(4)[2:].clone().zero_()
    assert x.tolist() == [[1, 1], [1, 1]]
    x = mg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, 2)
    before = address(x)
    x[0] = 5
    assert address(x) == before


class Holder:
    def __init__(self, x):
        self.x = x
        self.many = [x, x[0]]

    def get(self):
        return self.x


def test_tensors_that_somebody_holds_are_written_wherever_they_are_held():
    holder = Holder(mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    holder.x[0] = 9
    holder.many[0][1] = 8
    with pytest.raises(RuntimeError, match="written after the view"):
        holder.many[1][0] = 7  # a view that the list holds
    holder.get()[1, 1] = 6
    holder.x.contiguous()[0, 0] = 5
    assert holder.x.tolist() == [[5, 9], [8, 6]]
    assert holder.many[1].tolist() == [1, 2]


def test_iteration_sees_what_is_written_meanwhile():
    x = mg.tensor([1.0, 1.0, 1.0])
    for i, value in enumerate(x):
        if i < 2:
            x[i + 1] += value
    assert x.tolist() == [1, 2, 3]


# --------------------------------------------------------------------------- memory: in place, or not at all


def test_a_tensor_alone_with_its_memory_is_written_in_place():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    before = address(x)
    x[0] = 5
    x[0, 1] += 1
    x[[0, 1], [1, 1]] = mg.tensor([7.0, 8.0])
    x[x > 6] = 0
    x.zero_()
    x.fill_(3)
    x.copy_(mg.ones(2, 2))
    x.normal_()
    assert address(x) == before


def test_a_recorded_result_that_the_graph_does_not_keep_is_written_in_place():
    x = leaf([1, 2])
    y = x * 3
    before = address(y)
    y[0] = 1
    y[1] += x[0]
    assert address(y) == before
    y = x.exp()  # exp keeps its result
    before = address(y)
    y[0] = 1
    assert address(y) != before


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x.detach(),
        lambda x: x[0],
        lambda x: x.numpy(),
        lambda x: x.numpy()[1:],
        lambda x: np.asarray(x),
        lambda x: memoryview(x.numpy()),
        lambda x: np.from_dlpack(x),
        lambda x: copy.copy(x),
        lambda x: iter(x.numpy()),
        lambda x: mg.as_tensor(x.numpy()),
        lambda x: np.broadcast_to(x.numpy(), (3, 2, 2)),
        lambda x: np.lib.stride_tricks.as_strided(x.numpy(), (1,), (4,)),
        lambda x: x.expand(3, 2, 2),
        lambda x: x.unfold(0, 1, 1),
    ],
    ids=lambda f: None,
)
def test_a_tensor_whose_memory_is_shared_is_not(hold):
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    before = address(x)
    alias = hold(x)
    x[0] = 5
    assert address(x) != before
    assert 5 not in np.asarray(alias if not isinstance(alias, type(iter([]))) else x).ravel() or isinstance(alias, type(iter(x.numpy())))
    del alias


# ------------------------------------------------------------------------------- over an array of the user's


DLPACK_WRITES = pytest.mark.skipif(not np.from_dlpack(np.ones(1)).flags.writeable, reason="numpy before 2.2.5: from_dlpack is read-only")
OVER = [
    pytest.param(mg.from_numpy, id="from_numpy"),
    pytest.param(mg.as_tensor, id="as_tensor"),
    pytest.param(mg.from_dlpack, id="from_dlpack", marks=DLPACK_WRITES),
]


@pytest.mark.parametrize("make", OVER)
@pytest.mark.parametrize("name", WRITES)
def test_a_tensor_over_an_array_shares_it_both_ways(name, make):
    a = np.array([1.0, 2.0, 3.0])
    x = make(a)
    WRITES[name](x)
    assert a.tolist() == x.tolist() != [1, 2, 3]
    a[1] = 70
    assert x[1].item() == 70
    WRITES[name](x.data)
    assert a.tolist() == x.tolist()
    y = x.requires_grad_()
    with mg.no_grad():
        WRITES[name](y)
    assert a.tolist() == x.tolist()
    assert x.numpy(force=True) is a or make is mg.from_dlpack


def test_writes_through_keys_and_operators_reach_the_array():
    a = np.zeros((2, 3), np.float32)
    x = mg.from_numpy(a)
    x[0] = mg.tensor([1.0, 2.0, 3.0])
    x[1, [0, 2]] = 5
    x[x > 4] += 1
    x *= 2
    mg.from_numpy(a)[1, 1] = 7
    assert a.tolist() == x.tolist() == [[2, 4, 6], [12, 7, 12]]
    x[0] = x[1]
    x[:, 1:] = x[:, :-1]
    assert a.tolist() == [[12, 12, 7], [12, 12, 7]]
    b = np.arange(6)[::-2]
    mg.from_numpy(b).zero_()
    assert b.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", WRITES)
def test_gradients_stay_right_when_a_tensor_over_an_array_is_written(name):
    """What a graph keeps of it, and every Tensor that was made of it, is a value: the old one."""
    a = np.array([1.0, 2.0, 3.0])
    x, w = mg.from_numpy(a), leaf([4, 5, 6])
    rows, flat, same = mg.stack([x, x])[0], x.reshape(3, 1), x.detach()
    y = (x * w).sum() + (x.reshape(3, 1) * w.reshape(3, 1)).sum() + mg.cat([x[:2] * w[:2], (w * w * x)[2:]]).sum()
    held = x[1:]
    WRITES[name](x)
    assert a.tolist() == x.tolist() != [1, 2, 3]
    assert [t.reshape(-1).tolist() for t in (rows, flat, same, held)] == [[1, 2, 3]] * 3 + [[2, 3]]
    y.backward()
    assert w.grad.tolist() == [1 + 1 + 1, 2 + 2 + 2, 3 + 3 + 2 * 6 * 3]


def test_gradients_through_a_write_into_an_array():
    a = np.array([1.0, 2.0, 3.0])
    x, w = mg.from_numpy(a), leaf([5])
    before = x * w
    x[1] = w[0] * 2
    x *= w
    assert a.tolist() == [5, 50, 15]
    (x.sum() + before.sum()).backward()
    assert w.grad.tolist() == [1 + 3 + 4 * 5 + 6]
    x = mg.from_numpy(np.array([1.0, 2.0])).requires_grad_()
    y = (x * x).sum()
    with mg.no_grad():
        x.zero_()
    y.backward()
    assert x.grad.tolist() == [2, 4]


def test_a_view_writes_the_array_when_nobody_else_is_made_over_it():
    a = np.zeros(4)
    y = mg.from_numpy(a).reshape(2, 2)
    y[0] = 1
    y += 1
    assert a.tolist() == [2, 2, 1, 1]
    x = mg.from_numpy(a)
    row, same = x[1:], x.detach()
    row[0] = 9
    assert a.tolist() == x.tolist() == [2, 9, 1, 1] and row.tolist() == [9, 1, 1]
    with pytest.raises(RuntimeError, match="written after the view"):
        same[0] = 9
    a[2] = 5
    x[2:].add_(1)
    assert a.tolist() == [2, 9, 6, 2]


@pytest.mark.parametrize("optimizer", [nn.optim.SGD, nn.optim.Adam, nn.optim.LBFGS])
@pytest.mark.parametrize("size", [3, 1 << 17])
def test_optimizers_write_the_array(optimizer, size):
    a = np.ones(size)
    x = mg.from_numpy(a).requires_grad_()
    step = optimizer([x], lr=0.1)

    def closure():
        step.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    step.step(closure)
    assert (a < 1).all() and np.shares_memory(x.numpy(force=True), a)
    nn.utils.clip_grad_value_(x, 0.1)
    np.testing.assert_array_equal(x.numpy(force=True), a)


def test_copies_of_a_tensor_over_an_array_have_memory_of_their_own():
    a = np.ones(3)
    x = mg.from_numpy(a)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), mg.tensor(x), mg.tensor(a)):
        other.zero_()
        assert a.tolist() == [1, 1, 1]
    p = nn.Parameter(x)
    with mg.no_grad():
        p.zero_()  # while x is there, which writes the array
    assert a.tolist() == x.tolist() == [1, 1, 1]


def test_a_read_only_array_is_not_written():
    frozen = np.ones(2)
    frozen.flags.writeable = False
    x = mg.from_numpy(frozen)
    x[0] = 2
    x += 1
    assert (x.tolist(), frozen.tolist()) == ([3, 2], [1, 1])
    x = mg.from_numpy(np.frombuffer(b"\0" * 16))
    x[0] = 2
    assert x.tolist() == [2, 0]


@hypothesis.settings(max_examples=40, deadline=None, database=None)
@hypothesis.given(
    steps=hs.lists(hs.sampled_from(["x[i]", "x+=", "a[i]", "view", "product", "data", "detach", "forget"]), min_size=1, max_size=12),
    numbers=hs.lists(hs.integers(-3, 3), min_size=12, max_size=12),
)
def test_any_sequence_of_writes(steps, numbers):
    """x and the array are one at all times, and each product has the gradient of the values that it was made of."""
    a = np.array([1.0, 2.0, 3.0])
    x, w = mg.from_numpy(a), leaf([1, 1, 1])
    made, wanted, others = [], [], []
    for step, n in zip(steps, numbers, strict=False):
        if step == "x[i]":
            x[n % 3] = n
        elif step == "x+=":
            x += n
        elif step == "a[i]" and not made and not others:  # nobody hears of it
            a[n % 3] = n
        elif step == "view":
            others.append((x[n % 3 :], x[n % 3 :].tolist()))
        elif step == "product":
            made.append((w * x).sum() + (w[1:] * x[1:]).sum())
            wanted.append(a * [1, 2, 2])
        elif step == "data":
            x.data.mul_(n)
        elif step == "detach":
            others.append((x.detach(), x.tolist()))
        else:
            others.clear()
        assert x.tolist() == a.tolist()
        assert all(t.tolist() == value for t, value in others)
    if made:
        sum(made).backward()
        assert w.grad.tolist() == sum(wanted).tolist()


def test_numpy_shares_memory():
    x = mg.tensor([1.0, 2.0])
    x.numpy()[0] = 5
    assert x.tolist() == [5, 2]
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        leaf([1]).numpy()
    y = leaf([1])
    with mg.no_grad():  # there is no graph that numpy could lose
        assert y.numpy().tolist() == np.asarray(y).tolist() == [1] and (y * 2).numpy().tolist() == [2]
    y.numpy(force=True)[0] = 2
    y.detach().numpy()[0] += 1
    assert y.tolist() == [3]


def test_grad_is_not_shared_with_anything():
    x, y = leaf([1, 2]), leaf([3, 4])
    seed = mg.tensor(np.ones(2))
    (x + y).backward(seed)
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]
    numbers = np.ones(2)
    z = leaf([0, 0])
    (z * 1).backward(numbers)
    numbers[0] = 9
    assert z.grad.tolist() == [1, 1]
    before = y.grad
    kept = y.grad.detach()
    (x + y).backward(seed)
    assert before is y.grad
    assert before.tolist() == [2, 2]
    assert kept.tolist() == [1, 1]


# ------------------------------------------------------------------------------------- numpy and other libraries


def test_numpy_makes_an_array_of_a_tensor_without_gradient_only():
    x = mg.tensor([1.0, 2.0])
    assert np.asarray(x) is x.numpy()
    assert np.array(x) is not x.numpy()
    assert np.array(x, dtype=np.int64).tolist() == [1, 2]
    assert np.asarray([mg.tensor(1.0), mg.tensor(2.0)]).tolist() == [1, 2]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(x, dtype=np.float64, copy=False)
    for function in (np.asarray, np.array, np.concatenate, np.stack):
        with pytest.raises(RuntimeError, match="requires a gradient"):
            function(leaf([[1, 2]]))


def test_ufuncs_refuse_and_operators_reflect():
    x, a = leaf([1, 2]), np.array([3.0, 4.0])
    with pytest.raises(TypeError, match="__array_ufunc__"):
        np.exp(x)
    with pytest.raises(TypeError, match="__array_ufunc__"):
        np.add(a, x)
    for result in (a + x, a - x, a * x, a / x, a**x, a @ x, a // x, a % x):
        assert isinstance(result, mg.Tensor)
        assert result.requires_grad or result.grad_fn is None
    assert (a - x).tolist() == [2, 2]
    assert (a**x).tolist() == [3, 16]
    assert (a < x).tolist() == [False, False]
    assert (a == mg.tensor(a)).tolist() == [True, True]
    with pytest.raises(TypeError, match="__array_ufunc__"):
        a += x


@pytest.mark.parametrize("scalar", [2, 2.0, True, np.float64(2), np.float32(2), np.int64(2)])
def test_numbers_do_not_change_a_floating_dtype(scalar):
    for dtype in (np.float16, np.float32, np.float64):
        for shape in ((), (2,)):
            x = mg.tensor(np.ones(shape, dtype))
            if dtype == np.float16 and isinstance(scalar, np.generic):
                continue  # numpy's own promotion: float16 with a numpy float32 or int64
            assert (x * scalar).dtype == (scalar * x).dtype == dtype
            assert isinstance(scalar * x, mg.Tensor)


def test_dlpack_round_trips():
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    assert np.from_dlpack(x).tolist() == x.tolist()
    assert mg.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(leaf([1]))


@pytest.mark.live
def test_dlpack_with_torch():
    import torch

    x = mg.tensor(np.arange(6.0).reshape(2, 3)).T
    there = torch.from_dlpack(x)
    assert there.tolist() == x.tolist()
    there[0, 0] = 7  # shared
    assert x.tolist()[0][0] == 7
    x[0, 0] = 8  # a write of ours is not seen there
    assert there[0, 0] == 7
    back = mg.from_dlpack(torch.arange(4.0))
    back[0] = 5
    assert back.tolist() == [5, 1, 2, 3]
    t = torch.arange(3.0)
    x = mg.from_dlpack(t)
    x += 1
    x[0] = 9
    assert t.tolist() == x.tolist() == [9, 2, 3]  # as from_numpy, it shares both ways
    t = torch.arange(3.0)
    assert mg.tensor(t).tolist() == [0, 1, 2]


# --------------------------------------------------------------------------------------------------- as an object


def test_copies():
    x = leaf([1, 2])
    (x * x).sum().backward()
    deep, shallow = copy.deepcopy(x), copy.copy(x)
    assert deep.requires_grad
    assert deep.is_leaf
    assert deep.grad.tolist() == [2, 4]
    assert not np.shares_memory(deep.detach().numpy(), x.detach().numpy())
    with mg.no_grad():
        x += 1
        deep[0] = 7
    assert (x.tolist(), deep.tolist(), shallow.tolist()) == ([2, 3], [7, 2], [1, 2])
    assert shallow.requires_grad
    pair = copy.deepcopy([x, x, x.grad])
    assert pair[0] is pair[1]
    assert pair[0].grad is pair[2]
    y = x * 2
    assert copy.copy(y).grad_fn is y.grad_fn and copy.copy(y) is not y
    for function in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="leaf"):
            function(x * 2)
    assert copy.deepcopy((x * 2).detach()).tolist() == [4, 6]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol):
    x = leaf([1, 2])
    (x * x).sum().backward()
    y = pickle.loads(pickle.dumps(x, protocol))
    assert (y.tolist(), y.requires_grad, y.grad.tolist(), y.dtype) == ([1, 2], True, [2, 4], x.dtype)
    y.sum().backward()
    assert y.grad.tolist() == [3, 5]
    row = pickle.loads(pickle.dumps(mg.tensor([[1.0, 2.0], [3.0, 4.0]])[1], protocol))
    row.add_(1)  # it has memory of its own
    assert row.tolist() == [4, 5]


def test_weak_references_and_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf([1, 2])
        y = (x * 2).exp()
        y[0] = 3
        y += x
        loss = y.sum()
        loss.backward()
        watch = [weakref.ref(t) for t in (x, y, loss)]
        del x, y, loss
        assert [w() for w in watch] == [None, None, None]
    finally:
        gc.enable()


def test_as_a_sequence():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert [row.tolist() for row in reversed(x)] == [[3, 4], [1, 2]]
    a, (b, c) = x
    assert (a.tolist(), b.item(), c.item()) == ([1, 2], 3, 4)
    assert 3.0 in x
    assert mg.tensor(4.0) in x
    assert 5 not in x
    assert len(mg.zeros(0, 3)) == 0
    assert list(mg.zeros(0, 3)) == []
    for function in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            function(mg.tensor(1.0))
    y = leaf([1, 2, 3])
    sum(v * v for v in y).backward()
    assert y.grad.tolist() == [2, 4, 6]


def test_as_a_number():
    assert bool(mg.tensor([[2.0]]))
    assert not mg.tensor(0)
    for shape in ((0,), (2,)):
        with pytest.raises(RuntimeError, match="ambiguous"):
            bool(mg.zeros(*shape))
    assert (float(leaf(2.5)), int(mg.tensor(2.5)), complex(mg.tensor(1.5))) == (2.5, 2, 1.5)
    assert f"{leaf(2.5):.2f}" == "2.50"
    assert f"{mg.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match="format"):
        f"{mg.tensor([1.0]):.2f}"
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert list(range(mg.tensor([2]))) == [0, 1]
    with pytest.raises(TypeError, match="index"):
        [10, 20][mg.tensor(1.0)]
    with pytest.raises(RuntimeError, match="elements"):
        mg.zeros(2).item()


def test_equality_is_elementwise_and_hashing_by_identity():
    x, y = mg.tensor([1.0]), mg.tensor([1.0])
    assert {x: 1, y: 2}[x] == 1
    assert x != None  # noqa: E711 (the operator is what is tested)
    assert (x == y).tolist() == [True]


# ---------------------------------------------------- random programs against a model in which all is copied


class Program:
    """How a tensor was computed, as a function without side effects. Evaluated with complex leaves it gives derivatives too.

    The derivative of a real analytic f along d is Im f(x + ih d) / h, without rounding error for h = 1e-30.
    """

    def __init__(self, function, *inputs):
        self.function, self.inputs = function, inputs

    def evaluate(self, bumps, memo):
        if self not in memo:
            memo[self] = np.asarray(self.function(*[p.evaluate(bumps, memo) for p in self.inputs]))
        return memo[self]


class Leaf(Program):
    """A leaf: its value, and the name under which it can be bumped."""

    def __init__(self, value, name=None):
        self.value, self.name = np.array(value, complex), name

    def evaluate(self, bumps, memo):
        return self.value + bumps[self.name] if self.name in bumps else self.value


def rewritten(before, value):
    """A value that was written without being recorded: the derivative is still that of ``before``."""
    return Program(lambda old: value + 1j * old.imag, before)


class Entry:
    """A live Tensor beside its program."""

    def __init__(self, tensor, program, recorded, name=None, source=None, at=None, detached=False):
        self.tensor, self.program, self.recorded, self.name = tensor, program, recorded, name
        self.source, self.at, self.detached = source, at, detached  # the entry that it is a view of, and the flat places there
        self.renew()

    def sources(self):
        """Each that this is a view of, with the places there, and whether the graph knows."""
        x, at, detached = self, np.arange(self.value.size).reshape(self.value.shape), False
        while x.source is not None:
            x, at, detached = x.source, x.at.ravel()[at], detached or x.detached
            yield x, at, detached

    def renew(self, program=None):
        self.program = program or self.program
        self.value = np.array(self.program.evaluate({}, {}).real)


def put(x, key, v):
    x = x.copy()
    if isinstance(key, (int, tuple)) and ... not in np.index_exp[key]:
        key = (*np.index_exp[key], ...)  # a value of shape (1,) fits one element then
    elif isinstance(key, np.ndarray) and key.dtype == bool:
        key = key.nonzero()  # and one of shape (1, n) n elements
    x[key] = v
    return x


def at_places(x, places, v):
    x = x.copy()
    x.reshape(-1)[places] = v
    return x


@hs.composite
def keys(draw, shape):
    """A key that numpy and we understand alike."""
    if not shape:
        return draw(hs.sampled_from([(), Ellipsis, None]))
    kind = draw(hs.sampled_from(["int", "slice", "dots", "array", "mask", "pair"] if 0 not in shape else ["slice", "mask"]))
    n = shape[0]
    if kind == "int":
        return draw(hs.integers(-n, n - 1))
    if kind == "dots":
        return (Ellipsis, draw(hs.integers(-shape[-1], shape[-1] - 1)))
    if kind == "array":
        return np.array(draw(hs.lists(hs.integers(-n, n - 1), max_size=3)), int)
    if kind == "mask":
        return np.array(draw(hs.lists(hs.booleans(), min_size=n, max_size=n)), bool)
    bounds = hs.none() | hs.integers(-n, n)
    one = slice(draw(bounds), draw(bounds), draw(hs.sampled_from([None, 2, -1])))
    return one if kind == "slice" else (one, *[0] * (len(shape) - 1))


VIEW_OPS = {
    "detach": lambda x: x.detach(),
    "flat": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "unsqueeze": lambda x: x.unsqueeze(0) if x.ndim < 3 else x.squeeze(),
    "flip": lambda x: x.flip(0) if x.ndim else x.view(()),
    "expand": lambda x: x.expand(2, *x.shape) if x.ndim < 2 else x.swapaxes(0, -1),
    "same": lambda x: x.view(x.shape),
}
PLAIN_VIEWS = {
    "detach": lambda x: x.real.astype(complex),
    "flat": lambda x: x.reshape(-1),
    "transpose": lambda x: x.T,
    "unsqueeze": lambda x: x[None] if x.ndim < 3 else x.squeeze(),
    "flip": lambda x: x[::-1] if x.ndim else x,
    "expand": lambda x: np.broadcast_to(x, (2, *x.shape)) if x.ndim < 2 else x.swapaxes(0, -1),
    "same": lambda x: x,
}
UNARY = {"sin": (mg.Tensor.sin, np.sin), "exp": (lambda x: (x / 4).exp(), lambda x: np.exp(x / 4)), "clone": (mg.Tensor.clone, np.copy),
         "square": (mg.Tensor.square, np.square), "half": (lambda x: x * 0.5, lambda x: x * 0.5)}  # fmt: skip
BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul}
AUGMENTED = {"+": operator.iadd, "-": operator.isub, "*": operator.imul}
IN_PLACE = {"+": mg.Tensor.add_, "-": mg.Tensor.sub_, "*": mg.Tensor.mul_}
names = hs.sampled_from
which = hs.integers(0, 30)


class Values(RuleBasedStateMachine):
    """Runs random programs of views, copies, writes and gradients, and compares every live tensor after every step."""

    @initialize(shapes=hs.lists(hs.sampled_from([(), (1,), (2,), (3,), (2, 2), (1, 3)]), min_size=2, max_size=3))
    def start(self, shapes):
        self.pool: list[Entry] = []
        self.aliases: list[tuple[np.ndarray, np.ndarray]] = []
        self.grads: dict[int, np.ndarray] = {}
        for name, shape in enumerate(shapes):
            value = np.arange(np.prod(shape)).reshape(shape) * 0.25 + 0.5 + name
            self.pool.append(Entry(mg.tensor(value, requires_grad=True), Leaf(value, name), True, name))
            self.grads[name] = np.zeros(shape)
        self.pool.append(Entry(mg.tensor(np.array([2.0, -1.0])), Leaf([2.0, -1.0]), False))

    def pick(self, i):
        return self.pool[i % len(self.pool)]

    def add(self, tensor, program, recorded, source=None, view=None, detached=False):
        """``view`` is what the op does to a plain array, if it makes views; the result is one if they share memory."""
        at = None
        if view is not None and tensor.numel() and np.shares_memory(tensor._data, source.tensor._data):
            at = np.asarray(view(np.arange(source.value.size).reshape(source.value.shape))).real.astype(int)
        entry = Entry(
            tensor,
            program if recorded else Leaf(program.evaluate({}, {}).real),
            recorded,
            None,
            None if at is None else source,
            at,
            detached,
        )
        if tensor.numel() <= 12 and np.abs(entry.value).max(initial=0) < 1e3:
            self.pool.append(entry)

    # ------------------------------------------------------------------------------- new tensors

    @rule(i=which, name=names(sorted(VIEW_OPS)), grad=hs.booleans())
    def view(self, i, name, grad):
        x = self.pick(i)
        with mg.set_grad_enabled(grad):
            y = VIEW_OPS[name](x.tensor)
        view = None if name == "flip" and x.value.ndim else PLAIN_VIEWS[name]
        self.add(y, Program(PLAIN_VIEWS[name], x.program), x.recorded and grad and name != "detach", x, view, name == "detach")

    @rule(i=which, data=hs.data())
    def index(self, i, data):
        x = self.pick(i)
        key = data.draw(keys(x.value.shape), "key")
        self.add(x.tensor[key], Program(lambda a: np.asarray(a[key]), x.program), x.recorded, x, lambda a: a[key])

    @rule(i=which, name=names(sorted(UNARY)), grad=hs.booleans())
    def unary(self, i, name, grad):
        x, (ours, plain) = self.pick(i), UNARY[name]
        with mg.set_grad_enabled(grad):
            self.add(ours(x.tensor), Program(plain, x.program), x.recorded and grad)

    @rule(i=which, j=which, name=names(sorted(BINARY)))
    def binary(self, i, j, name):
        x, y = self.pick(i), self.pick(j)
        try:
            result = BINARY[name](x.value, y.value)
        except ValueError:
            with pytest.raises(mg.ShapeError):
                BINARY[name](x.tensor, y.tensor)
            return
        if result.size <= 12:
            self.add(BINARY[name](x.tensor, y.tensor), Program(BINARY[name], x.program, y.program), x.recorded or y.recorded)

    @rule(i=which)
    def rows(self, i):
        x = self.pick(i)
        if x.value.ndim:
            for k, row in enumerate(x.tensor):
                self.add(row, Program(lambda a, k=k: np.asarray(a[k]), x.program), x.recorded, x, lambda a, k=k: a[k])

    @rule(i=which)
    def take_numpy(self, i):
        array = self.pick(i).tensor.detach().numpy()
        self.aliases.append((array, array.copy()))

    @precondition(lambda self: len(self.pool) > 1)
    @rule(i=which)
    def drop(self, i):
        del self.pool[i % len(self.pool)]

    @precondition(lambda self: self.aliases)
    @rule()
    def drop_numpy(self):
        self.aliases.pop(0)

    # ------------------------------------------------------------------------------------ writes

    def write(self, x, act, plain, others=(), grad=True, whole=False):
        """Run ``act``, which writes ``x``; ``plain`` is what it does to plain arrays, ``others`` the entries that it reads."""
        try:
            with np.errstate(all="ignore"):
                after = plain(x.value, *[y.value for y in others])
        except ValueError:
            after = None
        if after is not None and after.shape == x.value.shape and not np.abs(after).max(initial=0) < 1e3:
            return
        leaf_refused = grad and x.recorded and x.name is not None
        reached = [(s, at, cut) for s, at, cut in x.sources() if any(s is e for e in self.pool)]
        leaf_refused = leaf_refused or (
            grad and any(s.recorded and not cut and (s.name is not None or not x.recorded) for s, _, cut in reached)
        )
        must_refuse = any(
            (s.value.ravel()[at] != e.value).any()
            for e in ([] if whole else [x]) + [s for s, _, _ in reached]
            for s, at, _ in e.sources()
            if any(s is r for r, _, _ in reached)
        )
        try:
            with mg.set_grad_enabled(grad):
                act(x.tensor)
        except ValueError:
            assert after is None or after.shape != x.value.shape
            return
        except RuntimeError:
            if not leaf_refused and x.tensor._data.base is None:
                raise
            return
        assert after is not None
        assert not leaf_refused
        assert not must_refuse
        now = Program(plain, x.program, *[y.program for y in others])
        recorded = grad and (x.recorded or any(y.recorded for y in others))
        for s, at, cut in reached:
            written = at_places(s.value, at, after)
            if recorded and not cut:
                s.recorded = True
                s.renew(Program(lambda a, v, at=at: at_places(a, at, v), s.program, now))
            else:
                s.renew(rewritten(s.program, written) if s.recorded else Leaf(written))
        if grad:
            x.recorded = recorded
            x.renew(now if x.recorded else Leaf(after))
        else:
            x.renew(rewritten(x.program, after) if x.recorded else Leaf(after))

    @rule(i=which, j=which, name=names(sorted(AUGMENTED)), grad=hs.booleans())
    def augment(self, i, j, name, grad):
        x, y = self.pick(i), self.pick(j)
        self.write(x, lambda t: AUGMENTED[name](t, y.tensor), lambda a, b: BINARY[name](a, b), [y], grad)

    @rule(i=which, j=which, name=names(sorted(AUGMENTED)), grad=hs.booleans())
    def in_place(self, i, j, name, grad):
        x, y = self.pick(i), self.pick(j)
        self.write(x, lambda t: IN_PLACE[name](t, y.tensor), lambda a, b: BINARY[name](a, b), [y], grad)

    @rule(i=which, value=hs.sampled_from([0.0, 1.5]), grad=hs.booleans())
    def fill(self, i, value, grad):
        self.write(self.pick(i), lambda t: t.fill_(value), lambda a: np.full_like(a, value), [], grad, True)

    @rule(i=which, j=which, grad=hs.booleans())
    def copy_from(self, i, j, grad):
        x, y = self.pick(i), self.pick(j)
        self.write(x, lambda t: t.copy_(y.tensor), lambda a, b: put(a, ..., b), [y], grad, True)

    @rule(i=which, j=which, data=hs.data(), grad=hs.booleans())
    def assign(self, i, j, data, grad):
        x, y = self.pick(i), self.pick(j)
        key = data.draw(keys(x.value.shape), "key")
        self.write(x, lambda t: operator.setitem(t, key, y.tensor), lambda a, b: put(a, key, b), [y], grad)

    @rule(i=which, value=hs.sampled_from([0.0, 2.0]), data=hs.data(), grad=hs.booleans())
    def assign_number(self, i, value, data, grad):
        x = self.pick(i)
        key = data.draw(keys(x.value.shape), "key")
        self.write(x, lambda t: operator.setitem(t, key, value), lambda a: put(a, key, value), [], grad)

    @rule(i=which, j=which, data=hs.data(), grad=hs.booleans())
    def assign_part(self, i, j, data, grad):
        x, y = self.pick(i), self.pick(j)
        key = data.draw(keys(x.value.shape), "key")

        def act(t):
            t[key] += y.tensor

        def plain(a, b):
            if np.broadcast_shapes(np.shape(a[key]), b.shape) != np.shape(a[key]):
                raise ValueError
            return put(a, key, a[key] + b)

        self.write(x, act, plain, [y], grad)

    @rule(i=which, j=which)
    def set_data(self, i, j):
        x, y = self.pick(i), self.pick(j)
        family = [e for e in self.pool if e.source is not None and any(s is x for s, _, _ in e.sources())]
        if x.value.shape == y.value.shape and not any(np.shares_memory(e.tensor._data, y.tensor._data) for e in [x, *family]):
            x.tensor.data = y.tensor
            for e in family:
                if e.source is x:  # it stays a view of what x was one of
                    e.detached = e.detached or x.detached
                    e.source, e.at = x.source, None if x.source is None else x.at.ravel()[e.at]
            x.source = None
            x.renew(rewritten(x.program, y.value) if x.recorded else Leaf(y.value))

    # --------------------------------------------------------------------------------- gradients

    def derivative(self, program, seed, name):
        """The gradient of sum(seed * program) in the leaf ``name``."""
        gradient = np.zeros(self.grads[name].shape)
        for place in np.ndindex(gradient.shape):
            bump = np.zeros(gradient.shape, complex)
            bump[place] = 1e-30j
            gradient[place] = (program.evaluate({name: bump}, {}).imag * seed).sum() / 1e-30
        return gradient

    @rule(i=which, accumulate=hs.booleans())
    def backward(self, i, accumulate):
        y = self.pick(i)
        if not y.recorded:
            return
        seed = np.linspace(-1, 1.5, y.value.size).reshape(y.value.shape)
        leaves = [e for e in self.pool if e.name is not None]
        expected = {e.name: self.derivative(y.program, seed, e.name) for e in leaves}
        if accumulate:
            y.tensor.backward(mg.tensor(seed), retain_graph=True)
            for e in leaves:
                self.grads[e.name] = self.grads[e.name] + expected[e.name]
        elif leaves:
            found = mg.grad(
                y.tensor, [e.tensor for e in leaves], mg.tensor(seed), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for e, g in zip(leaves, found, strict=True):
                np.testing.assert_allclose(g.numpy(), expected[e.name], rtol=1e-9, atol=1e-9)

    @invariant()
    def nobody_else_has_changed(self):
        for e in getattr(self, "pool", ()):
            np.testing.assert_allclose(e.tensor.detach().numpy(), e.value, rtol=1e-12, atol=1e-12)
            assert e.tensor.requires_grad == e.recorded
            assert e.tensor.is_leaf == (e.name is not None or not e.recorded)
            if e.name is not None:
                grad = np.zeros(e.value.shape) if e.tensor.grad is None else e.tensor.grad.numpy()
                np.testing.assert_allclose(grad, self.grads[e.name], rtol=1e-9, atol=1e-9)
        for array, before in getattr(self, "aliases", ()):
            np.testing.assert_array_equal(array, before)


TestValues = Values.TestCase
TestValues.settings = settings(stateful_step_count=30, suppress_health_check=[])


@pytest.mark.parametrize(
    ("values", "dtype", "text"),
    [
        ([18000.0], "float16", "[18000.]"),
        ([0.1, 60000.0], "float16", "[9.9976e-02, 6.0000e+04]"),  # largest / smallest above 1000
        ([0.1, 60000.0], "float32", "[1.0000e-01, 6.0000e+04]"),
        ([1.0, 2000.0, 0.0], "float32", "[1.0000e+00, 2.0000e+03, 0.0000e+00]"),
        ([123456.0], "float32", "[123456.]"),
        ([123456.5, 123.25], "float32", "[1.2346e+05, 1.2325e+02]"),
        ([2e8], "float32", "[2.0000e+08]"),
        ([1e-5], "float32", "[1.0000e-05]"),
        ([-0.5, 12.25], "float32", "[-0.5000, 12.2500]"),
        ([[1.0, -2.0], [1e5, 3.0]], "float32", "[[ 1.0000e+00, -2.0000e+00],\n        [ 1.0000e+05,  3.0000e+00]]"),
        ([float("inf"), 1.5], "float16", "[   inf, 1.5000]"),
        ([float("nan"), 1.0, -2.0], "float32", "[nan,  1., -2.]"),
    ],
)
def test_numbers_print_as_in_pytorch(values, dtype, text):
    """And without a warning, which a float16 compared with 1e5 would give."""
    suffix = "" if dtype == "float32" else f", dtype=torch.{dtype}"
    assert str(mg.tensor(values, dtype=dtype)) == f"tensor({text}{suffix})"


def test_a_part_of_data_writes_into_its_owner():
    """As views do in PyTorch: numbers, slices, parts of parts, one element; what a graph keeps does not change."""
    p = nn.Parameter(mg.arange(12.0, dtype=mg.float64).reshape(4, 3))
    expected = p.numpy(force=True).copy()
    y = (p * p).sum()
    p.data[0].zero_()
    expected[0] = 0
    p.data[:, :2].add_(1)
    expected[:, :2] += 1
    p.data[1].copy_(mg.tensor([7.0, 8.0, 9.0]))
    expected[1] = 7, 8, 9
    p.data[1] += 1
    expected[1] += 1
    p.data[2][1] = 5
    p.data[3, -1].mul_(2)
    p.data[None, ..., 0::2].clamp_(max=8)
    expected[2, 1] = 5
    expected[3, -1] *= 2
    expected[:, 0::2] = expected[:, 0::2].clip(max=8)
    nn.init.constant_(p.data[3][1:], 4.0)
    expected[3, 1:] = 4
    np.testing.assert_array_equal(p.numpy(force=True), expected)
    assert p.requires_grad and p.is_leaf and not p.data[0].requires_grad
    y.backward()
    np.testing.assert_array_equal(p.grad.numpy(), 2 * np.arange(12.0).reshape(4, 3))

    row = p.data[0]
    p.data.zero_()
    assert row.tolist() == [0, 0, 0] and row.shape == (3,) and copy.deepcopy(row).tolist() == [0, 0, 0]
    p.data[p.data[:, 0] == 0].add_(1)  # a copy, as in PyTorch
    assert p.sum().item() == 0
    p.data[0].add_(True)
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        p.data[4].zero_()
    with pytest.raises(mg.ShapeError, match=r"\(4,\) does not broadcast to \(3,\)"):
        p.data[0].copy_(mg.ones(4))
    assert p.sum().item() == 3


def test_attributes_of_the_users():
    """A Tensor has a ``__dict__``: copies and pickles have what is in it, results of ops have not. A copy of a Parameter has not, as in PyTorch."""
    x = mg.ones(2, requires_grad=True)
    x.tag, x.itself = [1], x
    deep, shallow, pickled = copy.deepcopy(x), copy.copy(x), pickle.loads(pickle.dumps(x))
    assert (deep.tag, shallow.tag, pickled.tag) == ([1],) * 3 and deep.tag is not x.tag and shallow.tag is x.tag and deep.itself is deep
    assert deep.requires_grad and pickled.requires_grad and pickled.itself is pickled
    assert not any(vars(y) for y in (x * 2, x.detach(), x.clone(), x.data, x[0]))
    p = nn.Parameter(mg.ones(2))
    p.tag = [1]
    assert vars(copy.deepcopy(p)) == {} and copy.copy(p).tag == pickle.loads(pickle.dumps(p)).tag == [1]
    y = x * 2
    y.tag = 3
    assert copy.copy(y).tag == 3 and copy.copy(y).grad_fn is y.grad_fn


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.bool_])
def test_a_dtype_that_a_pickle_copied_is_that_of_numpy(dtype):
    """Kernels ask by `is`: a model out of a pickle would have been left to numpy."""
    array = pickle.loads(pickle.dumps(np.ones(3, dtype)))
    assert array.dtype is not np.dtype(dtype)
    for t in (mg.tensor(array), mg.from_numpy(array), pickle.loads(pickle.dumps(mg.tensor(array)))):
        assert t.numpy().dtype is np.dtype(dtype)
    mg.from_numpy(array)[0] = 0
    assert not array[0]  # the memory is shared all the same
