"""Derivatives as functions compared with ``torch.func``: the same function of both libraries, in float64.

A function takes the library, its ``nn.functional``, and tensors of the shapes beside it. Of each are compared: value and tangent (jvp),
the product with a cotangent (vjp), the Jacobian by rows and by columns, and the Hessian of the weighted sum of its results.
"""

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn
from minigrad.func import functional

FUNCTIONS = {
    # elementwise
    "sin": (lambda t, F, x: t.sin(x), (3,)),
    "exp": (lambda t, F, x: t.exp(x), (2, 2)),
    "log": (lambda t, F, x: t.log(x * x + 1), (3,)),
    "tanh": (lambda t, F, x: t.tanh(x), (3,)),
    "sigmoid": (lambda t, F, x: t.sigmoid(x), (3,)),
    "sqrt": (lambda t, F, x: t.sqrt(x * x + 1), (3,)),
    "reciprocal": (lambda t, F, x: 1 / (x * x + 2), (3,)),
    "pow": (lambda t, F, x: x**3, (3,)),
    "powers": (lambda t, F, x, y: (x * x + 1) ** y, (2,), (2,)),
    "atan2": (lambda t, F, x, y: t.atan2(x, y), (3,), (3,)),
    "erf": (lambda t, F, x: t.erf(x), (3,)),
    "expm1": (lambda t, F, x: t.expm1(x) * t.log1p(x * x), (2,)),
    "logaddexp": (lambda t, F, x, y: t.logaddexp(x, y), (3,), (3,)),
    "where": (lambda t, F, x, y: t.where(x > 0, x * y, y * y), (3,), (3,)),
    "clamp": (lambda t, F, x: t.clamp(x, -0.5, 0.5) * x, (4,)),
    "maximum": (lambda t, F, x, y: t.maximum(x * x, y), (3,), (3,)),
    "abs": (lambda t, F, x: t.abs(x) * x, (3,)),
    "lerp": (lambda t, F, x, y, w: t.lerp(x, y, w), (2,), (2,), (2,)),
    "broadcast": (lambda t, F, x, y: x * y + x / (y * y + 1), (2, 1), (3,)),
    # activations
    "relu": (lambda t, F, x: F.relu(x) ** 2, (4,)),
    "leaky_relu": (lambda t, F, x: F.leaky_relu(x, 0.2) * x, (4,)),
    "gelu": (lambda t, F, x: F.gelu(x), (3,)),
    "gelu tanh": (lambda t, F, x: F.gelu(x, approximate="tanh"), (3,)),
    "silu": (lambda t, F, x: F.silu(x), (3,)),
    "softplus": (lambda t, F, x: F.softplus(x), (3,)),
    "elu": (lambda t, F, x: F.elu(x), (4,)),
    "mish": (lambda t, F, x: F.mish(x), (3,)),
    "hardswish": (lambda t, F, x: F.hardswish(x), (4,)),
    "softmax": (lambda t, F, x: F.softmax(x, dim=-1), (2, 3)),
    "log_softmax": (lambda t, F, x: F.log_softmax(x, dim=0), (3, 2)),
    "glu": (lambda t, F, x: F.glu(x, dim=-1), (2, 4)),
    "prelu": (lambda t, F, x, w: F.prelu(x, w), (2, 3), (3,)),
    # reductions
    "sum": (lambda t, F, x: (x * x).sum(0), (2, 3)),
    "mean": (lambda t, F, x: (x**3).mean(1, keepdim=True), (2, 3)),
    "var": (lambda t, F, x: x.var(1), (2, 3)),
    "std": (lambda t, F, x: x.std(0), (3, 2)),
    "prod": (lambda t, F, x: x.prod(1), (2, 3)),
    "norm": (lambda t, F, x: t.linalg.vector_norm(x, dim=1), (2, 3)),
    "logsumexp": (lambda t, F, x: t.logsumexp(x, 1), (2, 3)),
    "amax": (lambda t, F, x: (x * x).amax(1), (2, 3)),
    "cumsum": (lambda t, F, x: t.cumsum(x * x, 0), (4,)),
    "cumprod": (lambda t, F, x: t.cumprod(x, 0), (4,)),
    "logcumsumexp": (lambda t, F, x: t.logcumsumexp(x, 0), (4,)),
    "sort": (lambda t, F, x: t.sort(x * x)[0], (4,)),
    "median": (lambda t, F, x: t.median(x * x, 1)[0], (2, 3)),
    # shapes and places
    "reshape": (lambda t, F, x: (x * x).reshape(3, 2).t(), (2, 3)),
    "permute": (lambda t, F, x: (x * x).permute(2, 0, 1), (1, 2, 3)),
    "cat": (lambda t, F, x, y: t.cat([x * y, y, t.ones(2, dtype=x.dtype)]), (2,), (2,)),
    "stack": (lambda t, F, x, y: t.stack([x, x * y], 1), (2,), (2,)),
    "split": (lambda t, F, x: t.split(x, 2)[0] * t.split(x, 2)[1], (4,)),
    "indexing": (lambda t, F, x: x[[0, 2, 0]] * x[1], (3,)),
    "slicing": (lambda t, F, x: x[:, 1:] * x[:, :-1], (2, 3)),
    "gather": (lambda t, F, x: t.gather(x * x, 1, t.tensor([[0, 0], [1, 0]])), (2, 2)),
    "pad": (lambda t, F, x: F.pad(x, (1, 2), value=3.0) ** 2, (3,)),
    "roll": (lambda t, F, x: t.roll(x, 1, 0) * x, (4,)),
    "tril": (lambda t, F, x: t.tril(x * x), (3, 3)),
    "diagonal": (lambda t, F, x: t.diagonal(x) * x[0], (3, 3)),
    "masked_fill": (lambda t, F, x: x.masked_fill(x > 0, 0.5) * x, (4,)),
    "index_add": (lambda t, F, x, y: x.index_add(0, t.tensor([0, 0]), y * y), (3,), (2,)),
    # products
    "matmul": (lambda t, F, x, y: x @ y, (2, 3), (3, 2)),
    "batched matmul": (lambda t, F, x, y: x @ y, (2, 1, 2), (2, 2)),
    "dot": (lambda t, F, x, y: t.dot(x, y), (3,), (3,)),
    "einsum": (lambda t, F, x, y: t.einsum("ij,jk,ik->i", x, y, x @ y), (2, 2), (2, 2)),
    "linear": (lambda t, F, x, w, b: F.linear(x, w, b), (2, 3), (2, 3), (2,)),
    "bilinear": (lambda t, F, x, y, w: F.bilinear(x, y, w), (1, 2), (1, 2), (2, 2, 2)),
    "distances": (lambda t, F, x, y: (x.unsqueeze(1) - y).norm(dim=-1), (2, 2), (2, 2)),
    "inv": (lambda t, F, x: t.linalg.inv(x @ x.t() + t.eye(2, dtype=x.dtype)), (2, 2)),
    "det": (lambda t, F, x: t.linalg.det(x), (3, 3)),
    "solve": (lambda t, F, x, y: t.linalg.solve(x @ x.t() + t.eye(2, dtype=x.dtype), y), (2, 2), (2, 1)),
    "cholesky": (lambda t, F, x: t.linalg.cholesky(x @ x.t() + t.eye(2, dtype=x.dtype)), (2, 2)),
    # layers and losses
    "conv1d": (lambda t, F, x, w, b: F.conv1d(x, w, b, padding=1), (1, 2, 3), (2, 2, 2), (2,)),
    "conv2d": (lambda t, F, x, w: F.conv2d(x, w, stride=2, padding=1), (1, 1, 3, 3), (2, 1, 2, 2)),
    "conv_transpose2d": (lambda t, F, x, w: F.conv_transpose2d(x, w, stride=2), (1, 1, 2, 2), (1, 1, 2, 2)),
    "max_pool2d": (lambda t, F, x: F.max_pool2d(x * x, 2), (1, 1, 4, 2)),
    "avg_pool2d": (lambda t, F, x: F.avg_pool2d(x * x, 2), (1, 1, 4, 2)),
    # Not with their weights: by a weight and the input PyTorch 2.13 has other second derivatives than by the input and the weight.
    "layer_norm": (lambda t, F, x, w: F.layer_norm(x, (3,)) * w, (2, 3), (3,)),
    "batch_norm": (lambda t, F, x, w: F.batch_norm(x, None, None, training=True) * w, (3, 2), (2,)),
    "group_norm": (lambda t, F, x: F.group_norm(x, 2), (1, 4, 2)),
    "embedding": (lambda t, F, w: F.embedding(t.tensor([0, 2, 0]), w * w), (3, 2)),
    "cross_entropy": (lambda t, F, x: F.cross_entropy(x, t.tensor([0, 2])), (2, 3)),
    "mse_loss": (lambda t, F, x, y: F.mse_loss(x, y), (3,), (3,)),
    "binary_cross_entropy": (lambda t, F, x: F.binary_cross_entropy_with_logits(x, t.sigmoid(2 * x).detach()), (3,)),
    "smooth_l1": (lambda t, F, x, y: F.smooth_l1_loss(x, y, beta=0.5), (3,), (3,)),
    "attention": (lambda t, F, q, k: F.scaled_dot_product_attention(q, k, k), (1, 2, 2), (1, 2, 2)),
    "several results": (lambda t, F, x, y: (t.sin(x) * y, (x * y).sum()), (2,), (2,)),
}


def vectors(name, *shapes):
    rng = np.random.default_rng(sum(map(ord, name)))
    return [rng.uniform(0.3, 1.5, shape) * rng.choice([-1.0, 1.0], shape) for shape in shapes]


def flat(value):
    """The arrays in nested tuples, in order."""
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in flat(v)]
    return [value.detach().numpy()]


def derivatives(library, functional, transforms, name, forward):
    """All that is compared, as a dict of lists of arrays. ``forward``: also the Jacobian by columns."""
    function, *shapes = FUNCTIONS[name]
    xs, ts = vectors(name, *shapes), vectors(name + "t", *shapes)
    xs, ts = tuple(map(library.tensor, xs)), tuple(map(library.tensor, ts))
    every = tuple(range(len(xs)))

    def f(*xs):
        return function(library, functional, *xs)

    def total(*xs):
        y = f(*xs)
        return sum(
            (v * library.tensor(np.cos(np.arange(v.numel()) + 1.0).reshape(v.shape))).sum() for v in (y if isinstance(y, tuple) else (y,))
        )

    y, t = transforms.jvp(f, xs, ts)
    _, vjp_fn = transforms.vjp(f, *xs)
    v = tuple(library.tensor(np.sin(np.arange(r.numel()) + 1.0).reshape(r.shape)) for r in (y if isinstance(y, tuple) else (y,)))
    found = {
        "value": flat(y),
        "jvp": flat(t),
        "vjp": flat(vjp_fn(v if isinstance(y, tuple) else v[0])),
        "jacobian": flat(transforms.jacrev(f, every)(*xs)),
        "hessian": flat(transforms.hessian(total, every)(*xs)),
    }
    if forward:
        found["columns"] = flat(transforms.jacfwd(f, every)(*xs))
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:There is a performance drop:UserWarning")  # of PyTorch, by itself
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    ours = derivatives(mg, F, func, name, True)
    theirs = noted(lambda torch: derivatives(torch, torch.nn.functional, torch.func, name, False))
    for what, arrays in ours.items():
        for mine, other in zip(arrays, theirs["jacobian" if what == "columns" else what], strict=True):
            assert mine.shape == other.shape, what
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10, err_msg=what)


# ------------------------------------------------------------------------------------------------------ modules

LAYERS = {
    "Linear": (lambda nn: nn.Linear(3, 2), (2, 3)),
    "perceptron": (lambda nn: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), (2, 2)),
    "Bilinear": (lambda nn: nn.Bilinear(2, 2, 1), (2, 2), (2, 2)),
    "Conv1d": (lambda nn: nn.Conv1d(1, 2, 2, padding=1), (1, 1, 3)),
    "Conv2d": (lambda nn: nn.Conv2d(1, 2, 2), (1, 1, 3, 3)),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(1, 1, 2, stride=2), (1, 1, 2, 2)),
    "LeNet": (lambda nn: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2)), (1, 1, 4, 4)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(2, track_running_stats=False), (2, 2, 2, 1)),
    "BatchNorm1d in eval": (lambda nn: nn.BatchNorm1d(3).eval(), (2, 3)),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), (1, 4, 2)),
    "RNN": (lambda nn: nn.RNN(2, 2), (3, 1, 2)),
    "LSTM": (lambda nn: nn.LSTM(1, 2), (2, 1, 1)),
    "GRU": (lambda nn: nn.GRU(2, 1), (2, 1, 2)),
    "PReLU": (lambda nn: nn.PReLU(2), (2, 2)),
    "attention": (lambda nn: nn.MultiheadAttention(2, 1), (2, 1, 2)),
}


def of_module(library, nn, transforms, name):
    """Of a module as a function of its parameters: the gradient, the derivative along a vector, the Hessian times it, the Jacobian of a part."""
    make, *shapes = LAYERS[name]
    module = make(nn).to(library.float64)
    xs = tuple(map(library.tensor, vectors(name, *shapes)))
    if name == "attention":
        xs *= 3
    weights = {path: library.tensor(vectors(path + name, tuple(p.shape))[0] * 0.7) for path, p in module.named_parameters()}
    vs = {path: library.tensor(vectors(path + "v", tuple(p.shape))[0]) for path, p in module.named_parameters()}

    def f(weights, *xs):
        y = transforms.functional_call(module, weights, xs)
        return y[0] if isinstance(y, tuple) else y

    def total(weights, *xs):
        y = f(weights, *xs)
        return (y * library.tensor(np.cos(np.arange(y.numel()) + 1.0).reshape(y.shape))).sum()

    first = next(iter(weights))
    gradient, value = transforms.grad_and_value(total)(weights, *xs)
    y, t = transforms.jvp(lambda w: f(w, *xs), (weights,), (vs,))
    _, products = transforms.jvp(transforms.grad(lambda w: total(w, *xs)), (weights,), (vs,))
    jacobian = transforms.jacrev(lambda w: f({**weights, first: w}, *xs))(weights[first])
    return [a.detach().numpy() for a in (value, y, t, jacobian, *gradient.values(), *products.values())]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:There is a performance drop:UserWarning")  # of PyTorch, by itself
@pytest.mark.parametrize("name", LAYERS)
def test_modules(name):
    ours = of_module(mg, nn, func, name)
    theirs = noted(lambda torch: of_module(torch, torch.nn, torch.func, name))
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.shape == other.shape, i
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-10, err_msg=str(i))


# ------------------------------------------------------------------------------------- torch.autograd.functional


def products(library, functional):
    """Each function with one and with several inputs and results, and what ``strict`` refuses."""
    x, y, v, w = (library.tensor(a) for a in vectors("products", (3,), (2,), (3,), (2,)))

    def pair(x, y):
        return x.sin() * y.sum(), (y * y).sum()

    def number(x, y):
        return (x.sin().prod() * y * y).sum()

    def one(x):
        return (x**3).sum()

    found = [
        functional.vjp(lambda x: x**2, x, v), functional.vjp(pair, (x, y), (v, v[0])), functional.vjp(one, x),
        functional.jvp(lambda x: x**2, x, v), functional.jvp(pair, (x, y), (v, w)),
        functional.jacobian(lambda x: x**2, x), functional.jacobian(pair, (x, y)), functional.jacobian(pair, (x, y), vectorize=True),
        functional.jacobian(pair, (x, y), vectorize=True, strategy="forward-mode"),
        functional.hessian(one, x), functional.hessian(number, (x, y)), functional.hessian(number, (x, y), vectorize=True),
        functional.vhp(one, x, v), functional.vhp(number, (x, y), (v, w)), functional.hvp(one, x, v), functional.hvp(number, (x, y), (v, w)),
    ]  # fmt: skip
    leaf = x.clone().requires_grad_()
    for recorded in (functional.jacobian(one, leaf, create_graph=True), functional.vhp(one, leaf, v, create_graph=True)[1]):
        found.append(library.autograd.grad(recorded.sum(), leaf) if library is not mg else mg.grad(recorded.sum(), leaf))
    return [a for value in found for a in flat(value)]


def refused(functional):
    """Which calls with ``strict=True`` raise."""

    def raises(call, library):
        try:
            call(library.ones(2))
        except RuntimeError:
            return True
        return False

    calls = [
        lambda x: functional.jacobian(lambda x: x.detach() * 2, x, strict=True),
        lambda x: functional.jacobian(lambda x, y: x * 2, (x, x), strict=True),
        lambda x: functional.jacobian(lambda x: x * 2, x, strict=True),
        lambda x: functional.jacobian(lambda x: x * 2, x, create_graph=True, strict=True),
        lambda x: functional.vjp(lambda x, y: x * 2, (x, x), x, strict=True),
        lambda x: functional.jvp(lambda x: (x * 2).detach(), x, x, strict=True),
        lambda x: functional.hessian(lambda x: (x * 2).sum(), x, strict=True),
        lambda x: functional.hessian(lambda x: (x**3).sum(), x, strict=True),
        lambda x: functional.hvp(lambda x: (x * 2).sum(), x, x, strict=True),
        lambda x: functional.vhp(lambda x: (x**3).sum(), x, x, strict=True),
        lambda x: functional.vhp(lambda x: x**2, x, x),
        lambda x: functional.vjp(lambda x: x**2, x),
        lambda x: functional.vjp(lambda x: x**2, x, x[:1]),
    ]
    return lambda library: [raises(call, library) for call in calls]


def test_products():
    ours = products(mg, functional)
    theirs = noted(lambda torch: products(torch, torch.autograd.functional))
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.shape == other.shape, i
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12, err_msg=str(i))


def test_what_strict_refuses():
    assert refused(functional)(mg) == noted(lambda torch: refused(torch.autograd.functional)(torch))
