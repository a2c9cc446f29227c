"""Shapes beyond the table of cases: views that share memory, and refused arguments with their messages."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import shape

X = mg.tensor(np.arange(24.0).reshape(2, 3, 4))

VIEWS = {
    "reshape": lambda x: x.reshape(6, 4), "view": lambda x: x.view(-1), "flatten": lambda x: x.flatten(1), "ravel": lambda x: x.ravel(),
    "unflatten": lambda x: x.unflatten(2, (2, -1)), "squeeze": lambda x: x.squeeze(), "unsqueeze": lambda x: x.unsqueeze(-1),
    "permute": lambda x: x.permute(2, 0, 1), "transpose": lambda x: x.transpose(0, 2), "movedim": lambda x: x.movedim(0, 2),
    "T": lambda x: x.T, "mT": lambda x: x.mT, "t": lambda x: x[0].t(),
    "expand": lambda x: x.expand(5, -1, -1, -1),
    "split": lambda x: x.split(2, 1)[1], "chunk": lambda x: x.chunk(2, -1)[0], "unbind": lambda x: x.unbind(1)[2],
    "tensor_split": lambda x: x.tensor_split((1,), 2)[1], "narrow": lambda x: x.narrow(1, 1, 2), "select": lambda x: x.select(1, -1),
    "diagonal": lambda x: x.diagonal(0, 1, 2), "unfold": lambda x: x.unfold(2, 2, 1),
    "swapaxes": lambda x: x.swapaxes(0, 1), "crop": lambda x: shape.crop(x, ((0, 1), (1, 0), (1, 1))),
    "pad": lambda x: shape.pad(x, (-1, -1)),
    "getitem": lambda x: x[0, ..., None, ::-1], "broadcast_to": lambda x: x.broadcast_to((2, 2, 3, 4)),
    "atleast_3d": lambda x: mg.atleast_3d(x),
    "squeeze of a transpose": lambda x: x[:, :1].transpose(0, 2).squeeze(1), "view of a part": lambda x: x[:, 1:].view(2, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views_copy_nothing(name):
    assert np.shares_memory(VIEWS[name](X).numpy(), X.numpy())


def test_view_refuses_what_reshape_copies():
    with pytest.raises(mg.ShapeError, match=r"view: shape \(6,\) needs a copy of shape \(3, 2\) with strides .*; use reshape"):
        X[:, :, 0].t().view(6)
    with pytest.raises(RuntimeError, match="reshape"):
        X.transpose(0, 1).view(6, 4)
    assert X.transpose(0, 1).reshape(6, 4).shape == (6, 4)
    assert X.transpose(0, 1).view(3, 2, 2, 2).shape == (3, 2, 2, 2)
    with pytest.raises(TypeError, match=r"x\.to\(dtype\)"):
        X.view(np.float32)


def test_sizes_come_in_many_forms():
    for y in (
        X.reshape(4, -1),
        X.reshape((4, -1)),
        X.reshape([4, 6]),
        mg.reshape(X, (4, 6)),
        X.view(mg.tensor(4), np.int64(6)),
        X.reshape(X[0, 1].shape[0], 6),
    ):
        assert y.shape == (4, 6)
    assert X.permute((2, 0, 1)).shape == X.permute([2, 0, 1]).shape == (4, 2, 3)
    assert mg.tensor(1.0).reshape(()).shape == mg.tensor([1.0]).reshape(()).shape == mg.tensor(1.0).squeeze(0).shape == ()
    assert X.expand(5, 2, 3, 4).shape == X.expand((5, 2, 3, 4)).shape == (5, 2, 3, 4)
    assert X.repeat(1, 2, 1).shape == X.tile((2, 1)).shape == (2, 6, 4)


def test_joining_decides_the_dtype_as_pytorch_does():
    small, integer = mg.tensor([1.0]), mg.tensor([2])
    for y in (mg.cat([small, integer]), mg.stack([integer, small])):
        assert y.dtype == np.float32
    assert mg.cat([small, mg.tensor(np.zeros(1))]).dtype == np.float64
    assert mg.cat([integer, mg.tensor([True])]).dtype == np.int64
    x = mg.tensor([1.0], requires_grad=True)
    mg.cat([x, mg.tensor(np.ones(2))]).sum().backward()
    assert x.grad.dtype == np.float32


def test_an_empty_vector_joins_anything():
    x = mg.zeros(0)
    x.requires_grad = True
    mg.cat([x, X[0], x], 1).sum().backward()
    assert x.grad.shape == (0,)
    (first,) = mg.grad(mg.cat([x, X[0]], 1).sum(), x, create_graph=True)
    assert isinstance(first, mg.Tensor)
    assert mg.cat([mg.zeros(0), mg.zeros(0)]).shape == (0,)


def test_rows_that_are_not_used_have_no_gradient():
    x = mg.tensor(np.ones((3, 2)), requires_grad=True)
    first, _, last = x
    (first * last).sum().backward()
    assert x.grad.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_old_names_of_torch():
    assert mg.concat is mg.concatenate is mg.cat
    assert mg.swapaxes is mg.swapdims is mg.transpose
    assert mg.moveaxis is mg.movedim


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: X.reshape(5, 5), mg.ShapeError, r"reshape: shape \(2, 3, 4\) with 24 elements does not fit into \(5, 5\)"),
        (lambda: X.reshape(-1, -1), mg.ShapeError, "only one size may be -1"),
        (lambda: X.reshape(-1, 5), mg.ShapeError, r"\(-1, 5\)"),
        (lambda: X.reshape(-1, -1), mg.ShapeError, "reshape"),
        (lambda: X.reshape(-2, 12), mg.ShapeError, r"\(-2, 12\)"),
        (lambda: mg.zeros(0).reshape(-1, 0), mg.ShapeError, "reshape"),
        (lambda: X.reshape(2.0, 12), TypeError, "integer"),
        (lambda: X.flatten(2, 1), mg.ShapeError, "flatten: start_dim 2 comes after end_dim 1"),
        (lambda: X.unflatten(1, (2, 2)), mg.ShapeError, r"unflatten: sizes \(2, 2\) do not multiply to 3, the size of dimension 1"),
        (lambda: X.squeeze(3), IndexError, r"squeeze: dim 3 is out of range for a tensor of 3 dimensions: it must be in -3\.\.2"),
        (lambda: X.unsqueeze(4), IndexError, r"unsqueeze: dim 4 .* -4\.\.3"),
        (lambda: X.permute(0, 1), mg.ShapeError, r"permute: dims \(0, 1\) do not name the 3 dimensions"),
        (lambda: X.permute(0, 1, 1), mg.ShapeError, "permute: a dim comes twice"),
        (lambda: X.permute(0, 1, 3), IndexError, "permute: dim 3"),
        (lambda: X.transpose(0, 3), IndexError, "transpose: dim 3"),
        (lambda: X.t(), mg.ShapeError, "at most 2 dimensions"),
        (lambda: X[0, 0].mT, mg.ShapeError, r"mT: matrices are needed, not a tensor of shape \(4,\)"),
        (lambda: X.movedim((0, 1), 0), mg.ShapeError, "movedim: 2 source dims but 1 destination"),
        (lambda: X.flip(0, 0), mg.ShapeError, "twice"),
        (lambda: X.roll((1, 2), 0), mg.ShapeError, "roll: 2 shifts but 1 dims"),
        (lambda: X.rot90(1, (0,)), mg.ShapeError, "two dims"),
        (lambda: X.expand(2, 3), mg.ShapeError, r"expand: sizes \(2, 3\) are fewer than the dimensions of shape \(2, 3, 4\)"),
        (lambda: X.expand(2, 3, 5), mg.ShapeError, r"expand: shape \(2, 3, 4\) does not expand to \(2, 3, 5\)"),
        (lambda: X.expand(-1, 2, 3, 4), mg.ShapeError, "new dimension"),
        (lambda: X.repeat(2), mg.ShapeError, r"repeat: \(2,\) must hold a number >= 0 for each dimension"),
        (lambda: X.repeat_interleave(mg.tensor([1, 2]), 1), mg.ShapeError, r"repeats of shape \(2,\) for the 3 elements"),
        (lambda: X.repeat_interleave(-1), mg.ShapeError, "negative"),
        (lambda: X.repeat_interleave(1.5), TypeError, "integers, not float64"),
        (lambda: mg.broadcast_tensors(X, mg.zeros(5)), mg.ShapeError, r"\(2, 3, 4\) and \(5,\) do not broadcast"),
        (lambda: mg.meshgrid(X[0]), mg.ShapeError, "vectors"),
        (lambda: mg.meshgrid(X[0, 0], indexing="yx"), ValueError, "'ij' or 'xy'"),
        (lambda: mg.cat([]), mg.ShapeError, "cat: at least one tensor"),
        (lambda: mg.cat([X, X[0]]), mg.ShapeError, r"cat: shapes \(2, 3, 4\) and \(3, 4\) do not fit"),
        (lambda: mg.cat([X, X[:, :2]]), mg.ShapeError, "equal except in dimension 0"),
        (lambda: mg.cat([X, X], 3), IndexError, "cat: dim 3"),
        (lambda: mg.cat([mg.tensor(1.0)]), mg.ShapeError, "use stack"),
        (lambda: mg.stack([X, X[0]]), mg.ShapeError, r"stack: tensor 1 has shape \(3, 4\), the first has \(2, 3, 4\)"),
        (lambda: mg.stack([]), mg.ShapeError, "stack: at least one"),
        (lambda: mg.cat(X, X), TypeError, r"cat: a list of Tensors is needed, not a Tensor: cat\(\[a, b\]\)"),
        (lambda: mg.stack(X), TypeError, "stack: a list of Tensors"),
        (lambda: X.split((1, 1), 1), mg.ShapeError, r"split: sizes \(1, 1\) do not add up to 3"),
        (lambda: X.split(0), mg.ShapeError, "split: the size of a part"),
        (lambda: X.chunk(0), mg.ShapeError, "chunk"),
        (lambda: X.tensor_split(0), ValueError, "tensor_split"),
        (lambda: X.narrow(1, 2, 2), mg.ShapeError, "narrow: start 2 and length 2 do not lie within the 3 elements of dimension 1"),
        (lambda: mg.tensor(1.0).unbind(), IndexError, "unbind: a 0-d tensor"),
        (lambda: X.select(1, 3), IndexError, "index 3 is out of bounds for dimension 1 with size 3"),
        (lambda: shape.pad(X, (1,)), mg.ShapeError, r"pad: \(1,\) must hold a pair"),
        (lambda: shape.pad(X, (1,) * 8), mg.ShapeError, "at most 3 dimensions"),
        (lambda: shape.pad(X, (-3, -2)), mg.ShapeError, r"pad: \(-3, -2\) takes away more than the 4 elements of dimension 2"),
        (lambda: shape.pad(X, (4, 0), "reflect"), mg.ShapeError, r"pad: reflect adds at most 3 elements .* not \(4, 0\)"),
        (lambda: shape.pad(X, (5, 0), "circular"), mg.ShapeError, "pad: circular adds at most 4"),
        (lambda: shape.pad(X, (1, 1), "mirror"), NotImplementedError, "mirror"),
        (lambda: shape.pad(X, (1, 1), "reflect", 1.0), ValueError, "no meaning"),
        (lambda: X.diagonal(0, 1, 1), mg.ShapeError, "two different dims"),
        (lambda: X.diag(), mg.ShapeError, "diag: a vector or a matrix"),
        (lambda: X[0, 0].tril(), mg.ShapeError, "tril: matrices are needed"),
        (lambda: X.unfold(2, 5, 1), mg.ShapeError, "unfold: windows of 5 every 1 do not fit dimension 2"),
        (lambda: X.unfold(2, 2, 0), mg.ShapeError, "every 0"),
        (lambda: mg.pixel_shuffle(X, 2), mg.ShapeError, r"pixel_shuffle: \(2, 3, 4\) must be \(\.\.\., C \* r \* r, H, W\)"),
        (lambda: mg.pixel_unshuffle(X, 2), mg.ShapeError, "pixel_unshuffle"),
    ],
)  # fmt: skip
def test_what_is_refused(act, kind, message):
    with pytest.raises(kind, match=message):
        act()


def test_broadcast_to_takes_sizes_as_expand_does():
    x = mg.ones(3, 1)
    for y in (x.broadcast_to(3, 4), x.broadcast_to((3, 4)), x.broadcast_to(size=(3, 4)), mg.broadcast_to(x, (-1, 4))):
        assert y.shape == (3, 4)
