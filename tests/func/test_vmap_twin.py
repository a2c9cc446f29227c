"""``vmap`` compared with ``torch.func.vmap``: functions with in_dims and out_dims, nested, inside and around derivatives, and modules."""

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn

A, B, V = (2, 3, 4), (3, 4, 2), (3,)
I64 = "int64"

FUNCTIONS = {  # name -> (function of the library, its nn.functional, its func, and samples; in_dims; out_dims; shapes of the batches)
    "dot": (lambda t, F, f, x, y: t.dot(x, y), (0, 0), 0, (2, 3), (2, 3)),
    "dot, shared": (lambda t, F, f, x, y: t.dot(x, y), (0, None), 0, (2, 3), (3,)),
    "negative dims": (lambda t, F, f, x: x * x.sum(), -1, -1, A),
    "middle": (lambda t, F, f, x, y: x @ y, (1, 0), 1, A, B),
    "add": (lambda t, F, f, x, y: x + y, (0, 1), 0, (2, 3), (1, 2)),
    "outer": (lambda t, F, f, x, y: t.outer(x, y), (0, None), 2, (2, 3), (4,)),
    "mv": (lambda t, F, f, m, x: t.mv(m, x), (None, 1), 0, (4, 3), (3, 2)),
    "bmm": (lambda t, F, f, x, y: t.bmm(x, y), (3, None), 0, (2, 3, 2, 2), (2, 2, 3)),
    "einsum": (lambda t, F, f, x, y: t.einsum("ij,jk->ki", x, y), (0, 2), 1, A, (4, 2, 2)),
    "broadcast": (lambda t, F, f, x, y: x * y, (0, 0), 0, (2, 3, 1), (2, 4)),
    "sum": (lambda t, F, f, x: x.sum(-1), 1, 0, A),
    "mean all": (lambda t, F, f, x: x.mean(), 2, 0, A),
    "var": (lambda t, F, f, x: x.var(0, keepdim=True), 0, 2, A),
    "max": (lambda t, F, f, x: tuple(x.max(0)), 0, (0, 1), A),
    "argmax": (lambda t, F, f, x: x.argmax(), 1, 0, A),
    "logsumexp": (lambda t, F, f, x: t.logsumexp(x, 0), 0, 0, A),
    "cumsum": (lambda t, F, f, x: x.cumsum(0), 1, 1, A),
    "sort": (lambda t, F, f, x: x.sort(-1)[0], 0, 0, A),
    "topk": (lambda t, F, f, x: tuple(x.topk(2)), 0, 0, A),
    "prod": (lambda t, F, f, x: x.prod(), 0, 0, (2, 3)),
    "norm": (lambda t, F, f, x: t.linalg.vector_norm(x), 0, 0, A),
    "softmax": (lambda t, F, f, x: F.softmax(x, 0), 2, 0, A),
    "reshape": (lambda t, F, f, x: x.reshape(-1), 1, 0, A),
    "permute": (lambda t, F, f, x: x.permute(1, 0), 1, 1, A),
    "transpose": (lambda t, F, f, x: x.transpose(-1, -2), 0, 2, A),
    "squeeze": (lambda t, F, f, x: x.unsqueeze(0).squeeze(-1), 0, 0, (2, 3, 1)),
    "expand": (lambda t, F, f, x: x.expand(2, 3), 0, 1, (2, 3)),
    "flip and roll": (lambda t, F, f, x: t.roll(t.flip(x, (0,)), 1, -1), 0, 0, A),
    "cat": (lambda t, F, f, x, y: t.cat((x, y), 0), (0, None), 0, (2, 3), (2,)),
    "stack": (lambda t, F, f, x, y: t.stack((x, y), -1), (0, 1), 0, (2, 3), (3, 2)),
    "split": (lambda t, F, f, x: t.split(x, [1, 2]), 0, 0, (2, 3)),
    "index": (lambda t, F, f, x: x[1:, 0] + x[..., -1][1:], 0, 0, A),
    "index array": (lambda t, F, f, x: x[t.tensor([0, 2])], 0, 0, A),
    "index batch": (lambda t, F, f, x, i: x[i], (0, 1), 0, A, ((2, 2), I64)),
    "index of a shared": (lambda t, F, f, x, i: x[:, i], (None, 0), 1, (2, 3), ((4, 2), I64)),
    "gather": (lambda t, F, f, x, i: t.gather(x, 1, i), (0, 0), 0, A, ((2, 3, 2), I64)),
    "index_select": (lambda t, F, f, x, i: t.index_select(x, 0, i), (0, None), 0, A, ((2,), I64)),
    "scatter_add": (lambda t, F, f, x, i, y: t.scatter_add(x, 0, i, y), (0, 0, 0), 0, (2, 3), ((2, 2), I64), (2, 2)),
    "where": (lambda t, F, f, x, y: t.where(x > 0, x, y), (0, None), 0, (2, 3), (3,)),
    "masked_fill": (lambda t, F, f, x, y: x.masked_fill(y > 0, 7.0), (0, 0), 0, (2, 3), (2, 3)),
    "tril": (lambda t, F, f, x: t.tril(x), 2, 0, (3, 3, 2)),
    "diagonal": (lambda t, F, f, x: t.diagonal(x, 1), 0, 0, A),
    "pad": (lambda t, F, f, x: F.pad(x, (1, 0)), 0, 0, (2, 3)),
    "unfold": (lambda t, F, f, x: x.unfold(0, 2, 1), 1, 0, (3, 2)),
    "linear": (lambda t, F, f, x, w, b: F.linear(x, w, b), (0, None, None), 0, (2, 3), (4, 3), (4,)),
    "linear of its own weight": (lambda t, F, f, x, w, b: F.linear(x, w, b), (None, 0, 1), 0, (2, 3), (2, 4, 3), (4, 2)),
    "conv2d": (lambda t, F, f, x, w: F.conv2d(x, w, padding=1), (1, None), 0, (2, 3, 1, 4, 4), (2, 1, 2, 2)),
    "conv2d of its own weight": (lambda t, F, f, x, w: F.conv2d(x, w), (0, 0), 0, (2, 2, 2, 4, 4), (2, 3, 2, 2, 2)),
    "conv2d of shared images": (lambda t, F, f, x, w: F.conv2d(x, w, stride=2), (None, 0), 0, (2, 2, 5, 4), (3, 2, 2, 3, 2)),
    "conv1d in groups": (lambda t, F, f, x, w, b: F.conv1d(x, w, b, groups=2), (0, 0, 0), 0, (2, 1, 4, 5), (2, 2, 2, 3), (2, 2)),
    "conv_transpose2d": (lambda t, F, f, x, w: F.conv_transpose2d(x, w, stride=2), (0, 0), 0, (2, 1, 2, 3, 3), (2, 2, 1, 2, 2)),
    "max_pool2d": (lambda t, F, f, x: F.max_pool2d(x, 2), 0, 0, (2, 1, 2, 4, 4)),
    "avg_pool1d": (lambda t, F, f, x: F.avg_pool1d(x, 2), 1, 0, (2, 3, 4)),
    "layer_norm": (lambda t, F, f, x, w: F.layer_norm(x, (4,), w), (0, None), 0, A, (4,)),
    "layer_norm of its own weight": (lambda t, F, f, x, w: F.layer_norm(x, (4,), w), (0, 0), 0, A, (2, 4)),
    "batch_norm": (lambda t, F, f, x: F.batch_norm(x, None, None, training=True), 0, 0, (2, 4, 3)),
    "group_norm": (lambda t, F, f, x: F.group_norm(x, 2), 2, 0, (1, 4, 2, 3)),
    "embedding": (lambda t, F, f, i, w: F.embedding(i, w), (0, None), 0, ((2, 3), I64), (3, 2)),
    "embedding of its own": (lambda t, F, f, i, w: F.embedding(i, w), (0, 0), 0, ((2, 3), I64), (2, 3, 2)),
    "cross_entropy": (lambda t, F, f, x, y: F.cross_entropy(x, y), (0, 0), 0, (2, 4, 3), ((2, 4), I64)),
    "cross_entropy of one": (lambda t, F, f, x, y: F.cross_entropy(x, y, label_smoothing=0.1), (0, 0), 0, (2, 3), ((2,), I64)),
    "mse_loss": (lambda t, F, f, x, y: F.mse_loss(x, y), (0, None), 0, (2, 3), (3,)),
    "attention": (lambda t, F, f, q, k: F.scaled_dot_product_attention(q, k, k), (0, 1), 0, (2, 1, 3, 2), (1, 2, 4, 2)),
    "solve": (lambda t, F, f, a, b: t.linalg.solve(a @ a.mT + t.eye(3, dtype=a.dtype), b), (0, 1), 0, (2, 3, 3), (3, 2)),
    "det": (lambda t, F, f, a: t.linalg.det(a), 0, 0, (2, 3, 3)),
    "cholesky": (lambda t, F, f, a: t.linalg.cholesky(a @ a.mT + t.eye(2, dtype=a.dtype)), 0, 0, (2, 2, 2)),
    "svdvals": (lambda t, F, f, a: t.linalg.svdvals(a), 1, 0, A),
    "containers": (lambda t, F, f, d: {"s": d["x"] + d["y"][0], "t": (d["y"][0],)}, ({"x": 0, "y": (1,)},), {"s": 1, "t": 0}, "nested"),
    "out None": (lambda t, F, f, x: (x, t.ones(2, dtype=x.dtype)), 0, (0, None), (2, 3)),
    "same for all": (lambda t, F, f, x: t.ones(2, dtype=x.dtype), 0, 0, (3, 1)),
    "nested": (lambda t, F, f, x, y: f.vmap(lambda v: (x * v).sum())(y), (0, None), 0, (2, 3), (4, 3)),
    "nested of both": (lambda t, F, f, x: f.vmap(lambda v: v * x.sum(0)[0], in_dims=1, out_dims=1)(x), 2, 0, A),
    "three levels": (lambda t, F, f, x: f.vmap(lambda r: f.vmap(lambda e: e * r.sum() + x.mean())(r))(x), 0, 0, A),
    "chunks": (lambda t, F, f, x: f.vmap(lambda v: v * v.sum(), chunk_size=2)(x), 0, 0, (2, 5, 2)),
    "grad": (lambda t, F, f, x, y: f.grad(lambda x: (t.tanh(x) * y).sum())(x), (0, None), 0, (2, 3), (3,)),
    "grad by what is shared": (lambda t, F, f, x, y: f.grad(lambda y: (t.tanh(x) * y * y).sum())(y), (0, None), 0, (2, 3), (3,)),
    "grad of vmap": (
        lambda t, F, f, x, y: f.grad(lambda y: f.vmap(lambda r: (r * y).sum() ** 2)(x).sum())(y),
        (0, 0),
        0,
        (2, 4, 3),
        (2, 3),
    ),
    "vjp": (lambda t, F, f, x, v: f.vjp(lambda x: t.cumsum(x * x, 0), x)[1](v)[0], (0, 1), 0, (2, 3), (3, 2)),
    "jvp": (lambda t, F, f, x, v: f.jvp(lambda x: t.exp(x) * x.sum(), (x,), (v,))[1], (0, 0), 0, (2, 3), (2, 3)),
    "jacrev": (lambda t, F, f, x: f.jacrev(lambda x: t.outer(x, t.sin(x)))(x), 0, 0, (2, 3)),
    "jacfwd": (lambda t, F, f, x: f.jacfwd(lambda x: t.outer(x, t.sin(x)))(x), 1, 0, (3, 2)),
    "hessian": (lambda t, F, f, x: f.hessian(lambda x: (x**3).sum() * x[0])(x), 0, 0, (2, 3)),
}


def batches(library, name, *shapes):
    """Numbers with few ties; integers from 0 to 2."""
    rng = np.random.default_rng(sum(map(ord, name)))
    if shapes == ("nested",):
        return [{"x": library.tensor(rng.standard_normal((3, 2))), "y": (library.tensor(rng.standard_normal((2, 3))),)}]
    kinds = [s if s and s[-1] == I64 else (s, "float64") for s in shapes]
    return [library.tensor(rng.standard_normal(s) if kind != I64 else rng.integers(0, 3, s)) for s, kind in kinds]


def arrays(value):
    if isinstance(value, dict):
        value = tuple(value[key] for key in sorted(value))
    return [a for v in value for a in arrays(v)] if isinstance(value, (tuple, list)) else [value.detach().numpy()]


def compare(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # PyTorch's, of its own
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    function, in_dims, out_dims, *shapes = FUNCTIONS[name]

    def results(library, functional, transforms):
        mapped = transforms.vmap(lambda *xs: function(library, functional, transforms, *xs), in_dims, out_dims)
        return arrays(mapped(*batches(library, name, *shapes)))

    compare(results(mg, F, func), noted(lambda torch: results(torch, torch.nn.functional, torch.func)))


MODULES = {
    "perceptron": (lambda nn: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (3,)),
    "LeNet": (lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)), (1, 1, 6, 6)),
    "BatchNorm in eval": (lambda nn: nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3)).eval(), (2, 2, 3)),
    "GroupNorm": (lambda nn: nn.Sequential(nn.GroupNorm(2, 4), nn.SiLU()), (2, 4, 2)),
    "Embedding": (lambda nn: nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2)), ((4,), I64)),
    "attention": (lambda nn: nn.TransformerEncoderLayer(2, 1, 3, dropout=0.0, batch_first=True), (1, 3, 2)),
}


def of_module(library, nn, transforms, name):
    """Per-sample gradients of a module's sum, and the results of an ensemble of three."""
    make, shape = MODULES[name]
    models = [make(nn).to(library.float64) for _ in range(3)]
    for k, model in enumerate(models):
        for path, p in model.named_parameters():
            p.data = batches(library, f"{path}{k}", tuple(p.shape))[0] * 0.5
    size, *kind = shape if shape[-1] == I64 else (shape,)
    (x,) = batches(library, name, ((4, *size), *kind) if kind else (4, *size))

    def run(parameters, buffers, x):
        y = transforms.functional_call(models[0], (parameters, buffers), (x,))
        return y[0] if isinstance(y, tuple) else y

    parameters = {path: p.detach() for path, p in models[0].named_parameters()}
    buffers = dict(models[0].named_buffers())
    gradients = transforms.vmap(transforms.grad(lambda p, x: (run(p, buffers, x) ** 2).sum()), (None, 0))(parameters, x)
    stacked = transforms.stack_module_state(models)
    ensemble = transforms.vmap(run, (0, 0, None))(*stacked, x[0])
    return [*arrays(gradients), *arrays(ensemble)]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    compare(of_module(mg, nn, func, name), noted(lambda torch: of_module(torch, torch.nn, torch.func, name)))
