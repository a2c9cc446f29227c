"""Indexing beyond the table of cases: the order of writes to one element, and refused indices with their messages."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from answers import torch
from hypothesis import strategies as hs

import minigrad as mg
from minigrad.ops import gathering, index
from minigrad.ops.embedding import embedding
from minigrad.testing import strategies as st


@hs.composite
def plain_calls(draw):
    """An array and an index without ints among arrays."""
    x = draw(st.arrays(max_side=3))
    steps = index.two_steps(plain := index.plain_index(draw(st.index_expressions(x.shape, negative_steps=True)), x.ndim))
    return x, plain if steps is None else steps[draw(hs.integers(0, 1))] if steps[0] == (Ellipsis,) else steps[0]


@hypothesis.given(plain_calls(), hs.booleans(), hs.data())
def test_the_three_ops_against_loops(call, transposed, data):
    """Also where places repeat: sums add up, the last write in row-major order wins and has the gradient."""
    x, key = call
    places = np.asarray(np.arange(x.size).reshape(x.shape)[key])
    assert np.array_equal(index.getitem(x, key), x.reshape(-1)[places])
    g = data.draw(st.arrays(places.shape), "g")
    if transposed:  # strides must not decide who is the last
        g = np.asarray(g.T.copy().T)
    flat = np.zeros(x.size)
    for place, value in zip(places.ravel(), g.ravel(), strict=True):
        flat[place] += value
    np.testing.assert_allclose(index.put_add(g, x.shape, key), flat.reshape(x.shape), atol=1e-12)
    flat, winner = x.reshape(-1).copy(), {}
    for i, (place, value) in enumerate(zip(places.ravel(), g.ravel(), strict=True)):
        flat[place], winner[place] = value, i
    v = mg.tensor(g, requires_grad=True)
    written = index.setitem(x, v, key)
    assert np.array_equal(written.detach().numpy(), flat.reshape(x.shape))
    written.backward(mg.tensor(np.ones(x.shape)))
    expected = np.zeros(g.size)
    expected[list(winner.values())] = 1
    assert np.array_equal(v.grad.numpy(), expected.reshape(g.shape))


@hypothesis.given(hs.data())
def test_positions_are_those_of_numpy(data):
    shape = data.draw(st.shapes(1, 4, min_side=1, max_side=3), "shape")
    common = data.draw(st.shapes(1, 2, max_side=3), "common")
    parts = []
    for n in shape:
        kind = data.draw(hs.sampled_from(["array", "slice", "none"]))
        parts += (
            [data.draw(st.integers_array(common[data.draw(hs.integers(0, len(common) - 1)) :], -n, n - 1))]
            if kind == "array"
            else [slice(None)]
        )
        parts += [None] if kind == "none" else []
    if not any(isinstance(k, np.ndarray) for k in parts):
        parts[0] = np.zeros(2, np.intp)
    if data.draw(hs.booleans()):
        parts = parts[:-1] if not isinstance(parts[-1], np.ndarray) else parts
    key = index.plain_index(tuple(parts), len(shape))
    expected = np.arange(np.prod(shape)).reshape(shape)[key]
    assert np.array_equal(index.positions_of(shape, key), expected) or index.positions_of(shape, key).size == expected.size == 0
    assert np.broadcast_shapes(index.positions_of(shape, key).shape, expected.shape) == expected.shape


# ------------------------------------------------------------------------------------------- numpy or PyTorch


def test_an_int_among_arrays_selects_as_in_pytorch():
    x = mg.tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    assert x[0, :, [1, 2]].shape == (3, 2)  # numpy: (2, 3)
    assert x[mg.tensor(0), :, [1, 2]].shape == (3, 2)
    assert x[[0, 1], ..., [1, 2]].shape == (2, 3)
    assert x[:, [0, 1], ..., [1, 2]].shape == (2, 2)  # numpy: the same elements, transposed
    x[0, :, [1, 2]].sum().backward()
    assert x.grad[0].sum(0).tolist() == [0, 3, 3, 0]
    y = mg.tensor(np.zeros((2, 3, 4)))
    y[0, :, [1, 2]] = np.arange(6.0).reshape(3, 2)
    assert y[0].tolist() == [[0, 0, 1, 0], [0, 2, 3, 0], [0, 4, 5, 0]]


def test_true_and_false_are_masks_without_dimensions():
    x = mg.tensor([1.0, 2.0])
    assert x[True].tolist() == [[1, 2]]
    assert x[False].shape == (0, 2)
    assert x[mg.tensor(True), 0].tolist() == [1]
    x[True] = 5
    x[False] = 7
    assert x.tolist() == [5, 5]


def test_keys_are_what_they_were_when_the_op_ran():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    numpy_key, tensor_key, start = np.array([0, 1]), mg.tensor([0, 1]), mg.tensor(1)
    y = x[numpy_key].sum() + 10 * x[tensor_key].sum() + 100 * x[start:].sum()
    numpy_key[:] = tensor_key[:] = 2
    start += 1
    y.backward()
    assert x.grad.tolist() == [11, 111, 100]


def test_slices_may_run_backwards():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x[::-1] * mg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100, 10, 1]


# --------------------------------------------------------------------------------------------------- errors

X = mg.tensor(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: X[2], IndexError, "getitem: index 2 is out of bounds for dimension 0 with size 2"),
        (lambda: X[0, -4], IndexError, "getitem: index -4 is out of bounds for dimension 1 with size 3"),
        (lambda: X[:, [0, 3]], IndexError, "getitem: index 3 is out of bounds for dimension 1 with size 3"),
        (lambda: X[..., None, 3], IndexError, "getitem: index 3 is out of bounds for dimension 1 with size 3"),
        (lambda: X[0, 0, 0], IndexError, r"getitem: 3 indices for a tensor of 2 dimensions, shape \(2, 3\)"),
        (lambda: X[[True, False, True]], IndexError, r"getitem: a mask of shape \(3,\) does not fit dimensions of shape \(2,\)"),
        (lambda: X[np.zeros((2, 3, 1), bool)], IndexError, "3 indices"),
        (lambda: X[[0, 1], [0, 1, 2]], IndexError, "broadcast"),
        (lambda: X[..., ...], IndexError, "ellipsis"),
        (lambda: X[1.0], IndexError, "not 1.0"),
        (lambda: X["a"], IndexError, "not 'a'"),
        (lambda: X[mg.tensor([0.5])], IndexError, "not float32"),
        (lambda: X[np.zeros(2, np.uint8)], IndexError, r"uint8.*\.bool\(\) or \.long\(\)"),
        (lambda: X[::0], ValueError, "zero"),
        (lambda: X.__setitem__(2, 1.0), IndexError, "setitem: index 2 is out of bounds for dimension 0 with size 2"),
        (lambda: X.__setitem__(0, [1.0, 2.0]), mg.ShapeError, r"setitem: a value of shape \(2,\) does not broadcast to \(3,\)"),
        (lambda: X.copy_(mg.ones(2)), mg.ShapeError, r"^copy_: a value of shape \(2,\) does not broadcast to \(2, 3\)"),
        (lambda: X.fill_(mg.ones(2)), RuntimeError, r"^fill_: a number or a 0-d tensor is needed, not shape \(2,\); copy_"),
        (lambda: X[0].copy_(mg.ones(2)), mg.ShapeError, r"^copy_: a value of shape \(2,\) does not broadcast to \(3,\)"),
        (lambda: X.__setitem__(np.ones((2, 3), bool), [1.0, 2.0]), mg.ShapeError, r"\(2,\) does not broadcast to \(6,\)"),
        (lambda: X.__setitem__(np.ones((2, 3), bool), mg.zeros(2, 2)), mg.ShapeError, r"\(2, 2\) does not broadcast to \(6,\)"),
        (lambda: mg.gather(X, 1, mg.tensor([[3]])), IndexError, "gather: index 3 is out of bounds for dimension 1 with size 3"),
        (lambda: mg.gather(X, 1, mg.tensor([[-1]])), IndexError, "gather: index -1 is out of bounds"),
        (lambda: mg.gather(X, 2, mg.tensor([[0]])), IndexError, r"gather: dim 2 is out of range .* -2\.\.1"),
        (lambda: mg.gather(X, 1, mg.tensor([0])), mg.ShapeError, r"gather: index of shape \(1,\) must have as many dimensions"),
        (lambda: mg.gather(X, 1, mg.tensor([[0], [0], [0]])), mg.ShapeError, r"gather: index of shape \(3, 1\) is larger"),
        (lambda: mg.gather(X, 1, mg.tensor([[0.0]])), TypeError, "gather: the index must hold integers, not float32"),
        (lambda: mg.scatter(X, 1, mg.tensor([[0, 1]]), mg.zeros(1, 1, dtype=X.dtype)), mg.ShapeError, r"scatter: index .* is larger than src"),
        (lambda: mg.scatter(X, 1, mg.tensor([[0]]), 1.0, reduce="mean"), ValueError, "scatter: reduce must be None, 'add' or 'multiply', not 'mean'"),
        (lambda: mg.scatter(X, 1, mg.tensor([[0]]), mg.ones(1, 1, dtype=mg.float16)), RuntimeError, "scatter: input is .* but src is float16"),
        (lambda: mg.index_add(X, 0, mg.tensor([0]), mg.ones(1, 3, dtype=mg.float16)), RuntimeError, "index_add: .* but source is float16"),
        (lambda: mg.index_select(X, 0, mg.tensor([[0]])), mg.ShapeError, "vector"),
        (lambda: mg.index_add(X, 0, mg.tensor([0]), mg.zeros(2, 3, dtype=X.dtype)), mg.ShapeError, r"index_add: .* need \(1, 3\)"),
        (lambda: mg.take(X, mg.tensor([6])), IndexError, "take: index 6 is out of bounds for 6 elements"),
        (lambda: mg.take_along_dim(X, mg.tensor([[3]]), 1), IndexError, "take_along_dim: index 3"),
        (lambda: mg.masked_fill(X, mg.ones(2) > 0, 0), mg.ShapeError, r"masked_fill: input \(2, 3\) and mask \(2,\) do not broadcast: "),
        (lambda: mg.masked_fill(X, mg.tensor([1, 0, 1]), 0), TypeError, "masked_fill: the mask must be boolean, not int64"),
        (lambda: mg.masked_select(X, mg.tensor([True, False])), mg.ShapeError, r"masked_select: shapes \(2, 3\) and \(2,\)"),
        (lambda: mg.masked_scatter(X, X == 0, mg.zeros(5, dtype=X.dtype)), mg.ShapeError, "masked_scatter: the mask asks for 6 elements, source has 5"),
        (lambda: gathering.one_hot(mg.tensor([0, 3]), 3), mg.ShapeError, r"one_hot: class 3 is outside the 3 classes \(0\.\.2\)"),
        (lambda: gathering.one_hot(mg.tensor([-1, 2])), mg.ShapeError, "one_hot: class -1 is negative"),
        (lambda: gathering.one_hot(mg.tensor([-2])), mg.ShapeError, "one_hot: class -2 is negative"),
        (lambda: gathering.one_hot(mg.tensor([0.0])), TypeError, "one_hot: classes must be integers"),
        (lambda: embedding(mg.tensor([2]), X), IndexError, r"embedding: index 2 is out of range for 2 rows \(0\.\.1\)"),
        (lambda: embedding(mg.tensor([-1]), X), IndexError, "embedding: index -1"),
        (lambda: embedding(mg.tensor([0]), X[0]), mg.ShapeError, r"embedding: weight must be \(rows, features\)"),
        (lambda: embedding(mg.tensor([0]), X, padding_idx=2), IndexError, "padding_idx 2"),
    ],
)  # fmt: skip
def test_what_is_refused(act, kind, message):
    with pytest.raises(kind, match=message):
        act()
    assert not X.any()


# ------------------------------------------------------------------------------------------------- embedding


def test_the_padding_row_of_an_embedding_gets_no_gradient():
    words, table = np.array([[0, 2, 1], [2, 2, 0]]), np.arange(6.0).reshape(3, 2)
    lookup = torch.nn.functional.embedding
    for padding in (None, 0, 2, -1):
        ours, theirs = mg.tensor(table, requires_grad=True), torch.tensor(table, requires_grad=True)
        (embedding(mg.tensor(words), ours, padding_idx=padding) ** 2).sum().backward()
        (lookup(torch.tensor(words), theirs, padding_idx=padding) ** 2).sum().backward()
        assert ours.grad.tolist() == theirs.grad.tolist()
        (first,) = mg.grad((embedding(mg.tensor(words), ours, padding_idx=padding) ** 3).sum(), ours, create_graph=True)
        (second,) = mg.grad((first**2).sum(), ours)
        (t_first,) = torch.autograd.grad((lookup(torch.tensor(words), theirs, padding_idx=padding) ** 3).sum(), theirs, create_graph=True)
        assert second.tolist() == torch.autograd.grad((t_first**2).sum(), theirs)[0].tolist()


@pytest.mark.parametrize("width", [3, 1024])
def test_gradients_of_many_repeated_rows_are_sums(width):
    rng = np.random.default_rng(0)
    words, table = rng.integers(0, 5, 100), mg.tensor(rng.normal(size=(5, width)).astype(np.float32), requires_grad=True)
    weights = rng.normal(size=(100, width)).astype(np.float32)
    (embedding(mg.tensor(words), table) * mg.tensor(weights)).sum().backward()
    assert table.grad.dtype == np.float32
    np.testing.assert_allclose(table.grad.numpy(), [weights[words == k].sum(0) for k in range(5)], rtol=1e-4, atol=1e-5)


def test_gradients_of_long_rows_picked_by_several_indices():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-2, 2, (4, 1)), rng.integers(-3, 3, (1, 5))
    g = rng.normal(size=(4, 5, 8, 128))
    expected = np.zeros((2, 3, 8, 128))
    np.add.at(expected, (a, b), g)
    assert np.allclose(index.put_add(g, expected.shape, (a, b)), expected)
