"""The text of a Tensor, and of its node, is PyTorch's."""

import itertools
import pickle

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import engine, nn

OPTIONS = [
    {}, {"precision": 2}, {"edgeitems": 2, "threshold": 10}, {"linewidth": 40}, {"linewidth": 3}, {"profile": "short"}, {"sci_mode": True},
    {"sci_mode": False}, {"threshold": 0, "edgeitems": 0}, {"profile": "full"},
]  # fmt: skip
NORMAL = np.random.default_rng(0).normal(size=20_000)
KINDS = {
    "normal": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "large": lambda x: x * 1e10,
    "small": lambda x: x * 1e-7,
    "far apart": lambda x: np.exp(4 * x),
    "whole": lambda x: np.round(50 * x),
    "not finite": lambda x: np.where(x > 1, np.inf, np.where(x < -1, np.nan, np.where(x > 0.5, 0, x))),
    "zeros": lambda x: x * 0,
    "integers": lambda x: (x * 1000).astype(np.int64),
    "bytes": lambda x: (x * 10).astype(np.int8),
    "bools": lambda x: x > 0,
    "complex": lambda x: pair_of(x, x[::-1]),
    "complex64": lambda x: pair_of(x, x[::-1]).astype(np.complex64),
    "complex, whole": lambda x: pair_of(np.round(50 * x), np.round(3 * x)),
    "complex, parts unlike": lambda x: pair_of(np.round(50 * x), 1e-6 * np.exp(3 * x)),
    "complex, not finite": lambda x: pair_of(KINDS["not finite"](x), KINDS["not finite"](x[::-1])),
    "complex zeros": lambda x: pair_of(x * 0, -x * 0),
}


def pair_of(real, imag):
    """Where ``real + 1j * imag`` would make NaN of an infinite part, and 0 of -0."""
    z = np.empty(real.shape, np.complex128)
    z.real, z.imag = real, imag
    return z


SHAPES = [(), (0,), (2, 0), (1,), (9,), (25,), (3, 8), (4, 30), (2, 3, 4), (1, 2, 1, 5), (1200,), (40, 30), (12, 11, 10)]


@pytest.fixture(autouse=True)
def as_before():
    yield
    mg.set_printoptions(profile="default")


@pytest.mark.live
@pytest.mark.parametrize("kind", KINDS)
def test_text_beside_pytorch(kind):
    import torch

    for (start, shape), options in itertools.product(enumerate(SHAPES), OPTIONS):
        array = np.asarray(KINDS[kind](NORMAL[start : start + int(np.prod(shape))])).reshape(shape)
        mg.set_printoptions(**options)
        torch.set_printoptions(**options)
        try:
            assert repr(mg.tensor(array)) == repr(torch.tensor(array)), (shape, options)
        finally:
            mg.set_printoptions(profile="default")
            torch.set_printoptions(profile="default")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (mg.arange(9.0) - 0.5, "tensor([-0.5000,  0.5000,  1.5000,  2.5000,  3.5000,  4.5000,  5.5000,  6.5000,\n         7.5000])"),
        (mg.tensor([1.0, np.inf, -2.0]), "tensor([ 1., inf, -2.])"),
        (mg.tensor([1e-7, 1.0]), "tensor([1.0000e-07, 1.0000e+00])"),
        (mg.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
        (mg.zeros(0, 2, dtype=mg.int64), "tensor([], size=(0, 2), dtype=torch.int64)"),
        (
            mg.ones(8, dtype=mg.float64) * 1.5,
            "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n       dtype=torch.float64)",
        ),
        (mg.tensor([1 + 2j, 3 - 0.5j]), "tensor([1.+2.0000j, 3.-0.5000j])"),
        (mg.tensor([1e-7 + 2j, 3 - 10j], dtype=mg.complex128), "tensor([1.0000e-07+2.j, 3.0000e+00-10.j], dtype=torch.complex128)"),
        (mg.tensor([]).to(mg.complex64), "tensor([], dtype=torch.complex64)"),
        (mg.tensor([1j], requires_grad=True), "tensor([0.+1.j], requires_grad=True)"),
        (mg.tensor([1j], requires_grad=True) + 1, "tensor([1.+1.j], grad_fn=<AddBackward0>)"),
        (nn.Parameter(mg.tensor(1j)), "Parameter containing:\ntensor(0.+1.j, requires_grad=True)"),
        (type(mg.tensor(1j))(np.ones((1, 2))), "tensor([1.+1.j], dtype=torch.complex128)"),  # in a formula
    ],
)
def test_text(x, text):
    assert repr(x) == text


def test_text_of_the_complex_numbers_that_vmap_sees():
    seen = []
    mg.func.vmap(lambda z: seen.append(repr(z)) or z.real)(mg.tensor([1j, 2 + 0j]))
    assert seen == ["tensor([0.+1.j, 2.+0.j]), of which vmap sees each along dimension 0"]


def test_node_is_named_as_pytorch_s():
    """What pictures and messages know it by is the op's name still; the class is one that the engine does not ask for."""
    w = mg.ones(2, 2, requires_grad=True)
    for y, name, title in [
        (w + w, "add", "AddBackward0"),
        (w @ w, "matmul", "MmBackward0"),
        (w[0], "getitem", "SelectBackward0"),
        (w.view(-1), "reshape", "ViewBackward0"),
        (nn.functional.log_softmax(w, 1), "log_softmax", "LogSoftmaxBackward0"),
    ]:
        node = y.grad_fn
        assert node is y.grad_fn and isinstance(node, engine.Node) and node.name == name
        assert (node.name(), type(node).__name__) == (title, title) and f"grad_fn=<{title}>" in repr(y)
        assert node.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
        y.sum().backward()
    assert type((w * 1).grad_fn) is type((w * 2).grad_fn)


def names(torch):
    """The name of the node of each function's result: ops, and functions that are composed of ops here."""
    F = torch.nn.functional
    a, t, p = torch.arange(12.0).reshape(3, 4).requires_grad_(), torch.ones(3, 4), torch.full((3, 4), 0.5)
    index, one = torch.tensor([0, 1, 2]), torch.ones(4)
    results = [
        F.mse_loss(a, t), F.mse_loss(a, t, reduction="none"), F.l1_loss(a, t), F.smooth_l1_loss(a, t), F.huber_loss(a, t), F.cross_entropy(a, index),
        F.nll_loss(a, index), F.binary_cross_entropy(torch.sigmoid(a), p), F.binary_cross_entropy_with_logits(a, p), F.kl_div(a, p, reduction="sum"),
        F.soft_margin_loss(a, t), F.multi_margin_loss(a, index), F.layer_norm(a, (4,)), F.layer_norm(a, (4,), one, one),
        F.batch_norm(a, None, None, training=True), F.group_norm(a, 2), F.glu(a, 1), F.softsign(a), F.logsigmoid(a), F.dropout(a), F.gelu(a), F.silu(a),
        a.sum(), a.sum(1), a.mean(), a.mean((0, 1)), a.max(), a.min(), a.max(1)[0], a.min(0)[0], a.amax(1), a.median(1)[0], a.sort()[0], a.topk(2)[0],
        a[0], a[:, 1:2], a[index], a[a > 1], a[0, 1:], a[:, 0], a[..., None], a[1:, 0], 1 - a, a - 1, 2 / a, a / 2, a**2, a.square(), a.clamp(0, 1),
        a @ a.t(), a @ one, a[0] @ one, a[None] @ torch.ones(1, 4, 2), F.linear(a, a), F.linear(a, a, a[:, 0]),
        a.gather(1, index[:, None]), a.index_select(0, index), a.masked_fill(a > 1, 0), F.pad(a, (1, 1)), torch.cdist(a, t),
        F.pixel_shuffle(a.reshape(1, 4, 3, 1), 2), F.grid_sample(a[None, None], torch.zeros(1, 2, 2, 2), align_corners=False), F.conv_transpose1d(a[None], torch.ones(3, 2, 2)),
        torch.linalg.det(a[:, :3] + torch.eye(3)), torch.linalg.inv(a[:, :3] + torch.eye(3)), F.prelu(a, torch.ones(1)), a.std(0), a.norm(), a.exp(),
    ]  # fmt: skip
    return [y.grad_fn.name() for y in results]


def test_names_of_nodes_beside_pytorch():
    ours, theirs = names(minigrad.torch), noted(names)
    assert [pair for pair in enumerate(zip(ours, theirs, strict=True)) if pair[1][0] != pair[1][1]] == []
    assert noted(lambda torch: repr(torch.nn.functional.mse_loss(torch.ones(2, requires_grad=True), torch.zeros(2)))) == repr(
        nn.functional.mse_loss(mg.ones(2, requires_grad=True), mg.zeros(2))
    )


def test_layout():
    import minigrad.torch as torch

    assert torch.ones(2).layout is torch.strided and isinstance(torch.strided, torch.layout) and repr(torch.strided) == "torch.strided"


def results(torch):
    """The texts of named tuples, the classes of which have PyTorch's names."""
    a = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    found = [
        a.sort(), a.max(1), a.min(0), a.topk(1), a.kthvalue(1), a.mode(1), a.median(1), a.nanmedian(0), a.cummax(0), a.cummin(1), torch.aminmax(a), torch.frexp(a),
        torch.linalg.qr(a * 0 + torch.eye(2)), torch.linalg.slogdet(a), torch.linalg.lu(a), torch.linalg.lu_factor(a), torch.lu_unpack(*torch.linalg.lu_factor(a)),
        torch.histogram(a, 2), torch.svd(torch.eye(2)), torch.linalg.svd(torch.eye(2)),
    ]  # fmt: skip
    first = a.max(1)
    again = pickle.loads(pickle.dumps(first))
    values, indices = first
    texts = [repr(r) for r in found] + [type(r).__name__ for r in found]
    return [*texts, first.values is values, first[1] is indices, isinstance(first, tuple), again.indices.tolist()]


def test_texts_of_named_tuples():
    assert [text.replace("-0.", "0.") if isinstance(text, str) else text for text in results(minigrad.torch)] == [
        text.replace("-0.", "0.") if isinstance(text, str) else text for text in noted(results)
    ]


def test_shapes_that_broadcast_are_a_size():
    assert repr(mg.broadcast_shapes((3, 1), (1, 4))) == "torch.Size([3, 4])"
    assert repr(nn.data.Normalize((0.5, 0.5), (0.1, 0.2))) == "Normalize(mean=(0.5, 0.5), std=(0.1, 0.2))"
