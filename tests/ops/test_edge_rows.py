"""Every activation, loss, norm, softmax and reduction at the edges of its domain, in float32, beside PyTorch: value and gradient.

``ROWS`` says how each function is called, ``edges_of`` makes the inputs. A function without a row fails
:func:`test_every_function_has_a_row`; a difference that is meant stands in ``MEANT`` with its reason.
"""

import inspect
import math
import re

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.ops import activation, ctc, distance, loss, margin, norm, reduce, softmax

INF, NAN = math.inf, math.nan
NUMBERS = {str(v): v for v in (20.0, -20.0, 200.0, -200.0, 1e4, -1e4, 0.0, 1.0, -1.0, 0.5, INF, -INF, NAN)}
MIXED = {
    "±20": [20, -20, 1, 0], "±200": [200, -200, 1, 0], "±1e4": [1e4, -1e4, 1, 0], "an inf": [INF, 1, 2, 3], "an -inf": [1, -INF, 2, 3],
    "both inf": [INF, 1, -INF, 2], "a NaN": [1, 2, NAN, 3], "a zero": [3, 0, 2, 1], "two zeros": [2, 0, 0, 1], "ties": [2, 2, 1, 2],
}  # fmt: skip
ORDINARY = [0.3, -1.5, 2.0, 0.7]


def f32(values):
    return np.asarray(values, np.float32)


def elements():
    """All of one number (64 of them: PyTorch treats the rest of a division by its vectors' length otherwise), and nothing."""
    yield from ((label, (np.full(64, v, np.float32),)) for label, v in NUMBERS.items())
    yield "empty", (np.zeros((0, 3), np.float32),)
    yield "0-d", (f32(0.5),)


def lines():
    """A row of an edge beside an ordinary one, and shapes of nothing."""
    for label, row in {**{f"constant {k}": [v] * 4 for k, v in NUMBERS.items()}, **MIXED}.items():
        yield label, (f32([row, ORDINARY]),)
    for shape in ((2, 0), (0, 4)):
        yield f"empty {shape}", (np.zeros(shape, np.float32),)


def filled():
    """Lines that are not empty: PyTorch's pdist ends the program for those."""
    yield from ((label, (x,)) for label, (x,) in lines() if x.size)


def images():
    """The same as N C L: constant channels, whole constant batches."""
    for label, (x,) in filled():
        yield label, (np.stack([x, x[:, ::-1] * 0.5]),)
        yield f"{label}, everywhere", (np.stack([x[[0, 0]], x[[0, 0]]]),)
    yield "empty", (np.zeros((0, 2, 4), np.float32),)


def pairs(inputs=NUMBERS, targets=(0.0, 1.0, 0.3), same=True):
    """Inputs of one number with several targets (its own value too), and nothing."""

    def make():
        for label, v in inputs.items():
            yield label, (np.full(4, v, np.float32), f32([*targets, v if same else targets[0]]))
        yield "empty", (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
        yield "0-d", (f32(0.5), f32(targets[-1]))

    return make


PROBABILITIES = {k: v for k, v in NUMBERS.items() if 0 <= v <= 1} | {"nearly 1": 1 - 2.0**-24, "tiny": 1e-30, "out": 1.5, "nan": NAN}


def weighted_pairs():
    """Of probabilities, with weights that are 0, and 0 all over."""
    for label, v in PROBABILITIES.items():
        for weights in ([0, 1, 0, 2], [0, 0, 0, 0]):
            yield f"{label}, weight {weights}", (np.full(4, v, np.float32), f32([0, 1, 0.3, v if v <= 1 else 0.0]), f32(weights))


def classes():
    """Logits with classes: edges in the logits, ignored places, nothing."""
    for label, (x,) in filled():
        yield label, (x, np.array([1, 0]))
        yield f"{label}, ignored", (x, np.array([-100, 0]))
        yield f"{label}, all ignored", (x, np.array([-100, -100]))
    yield "no batch", (np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    yield "no class, all ignored", (np.zeros((2, 0), np.float32), np.array([-100, -100]))
    yield "one class", (f32([[3.0], [-INF]]), np.array([0, 0]))


def weighted_classes():
    for label, (x, target) in classes():
        if x.shape[1] == 4:
            yield f"{label}, weights", (x, target, f32([0, 2, 1, 0.5]))
            yield f"{label}, no weight", (x, target, np.zeros(4, np.float32))


def soft_classes():
    for label, (x,) in lines():
        for name, target in (("onehot", [0, 1, 0, 0]), ("even", [0.25] * 4), ("zero", [0] * 4)):
            if x.shape == (2, 4):
                yield f"{label}, {name}", (x, f32([target, [0.1, 0.2, 0.3, 0.4]]))
        if not x.size:
            yield label, (x, x)


def two_lines():
    """Rows beside ordinary ones, themselves, and their negatives."""
    for label, (x,) in lines():
        yield label, (x, np.ones_like(x) * f32([1, -2, 0.5, 3])[: x.shape[1]])
        yield f"{label}, itself", (x, x.copy())
        yield f"{label}, zeros", (x, np.zeros_like(x))


def signs(make=two_lines, rows=False):
    def with_signs():
        for label, (x, y) in make():
            sign = np.resize([1.0, -1.0], x.shape[:1] if rows else x.shape).astype(np.float32)
            yield label, (x, y, sign)

    return with_signs


def signed():
    for label, (x,) in (*elements(), *lines()):
        yield label, (x, np.resize([1.0, -1.0], x.shape).astype(np.float32))


def margins(labels):
    def make():
        for label, (x,) in filled():
            yield label, (x, np.array(labels))

    return make


def triplets():
    for label, (x, y) in two_lines():
        yield label, (x, y, np.ones_like(x) * 0.5)


def variances():
    for label, v in {**NUMBERS, "small": 1e-10}.items():
        if not v < 0:
            yield f"variance {label}", (f32([1, 2, 3]), f32([1, 0, -1]), np.full(3, v, np.float32))
        yield f"input {label}", (np.full(3, v, np.float32), f32([1, 0, -1]), f32([1.0, 0.5, 2]))
    yield "empty", (np.zeros((0, 3), np.float32),) * 3


def logs():
    """Log-probabilities T N C for CTC."""
    for label, row in {**{f"constant {k}": [v] * 4 for k, v in NUMBERS.items() if abs(v) <= 20}, "an -inf": MIXED["an -inf"]}.items():
        x = np.tile(f32([row, ORDINARY]), (5, 1, 1))
        yield label, (x - np.log(np.exp(x).sum(-1, keepdims=True)),)


def over_dim(name, inputs=lines, variants=({"dim": 1}, {"dim": 0}, {"dim": 1, "keepdim": True}), whole=True):
    """Calls of a reduction: over each dimension and over all."""
    rows = [(f"{name}{list(v.values())}", inputs, lambda lib, F, x, v=v: getattr(lib, name)(x, **v)) for v in variants]
    return [*rows, (name, inputs, lambda lib, F, x: getattr(lib, name)(x))] if whole else rows


def call(name, inputs, *args, about="", **kwargs):
    """One row: the function of that name with the edges, then ``args``."""
    said = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return (name + about + (f"({said})" if said else ""), inputs, lambda lib, F, *x: getattr(F, name)(*x, *args, **kwargs))


def reductions(name, inputs, *args, **kwargs):
    """A loss with each reduction."""
    return [call(name, inputs, *args, reduction=r, **kwargs) for r in ("none", "mean", "sum")]


def with_weight(name, inputs, **kwargs):
    """A loss whose third array is its weight."""

    def function(reduction):
        return lambda lib, F, x, target, weight: getattr(F, name)(x, target, weight=weight.detach(), reduction=reduction, **kwargs)

    return [(f"{name} weighted {[r, *kwargs.values()]}", inputs, function(r)) for r in ("none", "mean")]


def affine(lib, values):
    return lib.tensor(f32(values))


ROWS = [
    *[call(name, elements) for name in (
        "relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "leaky_relu", "softshrink", "hardshrink", "elu", "selu", "celu", "gelu", "silu",
        "softplus", "mish", "softsign", "logsigmoid", "tanhshrink", "sigmoid", "tanh",
    )],
    call("gelu", elements, approximate="tanh"), call("elu", elements, 0.5), call("celu", elements, 2.0), call("softplus", elements, 2.0, 10.0),
    call("leaky_relu", elements, -0.5), call("threshold", elements, 0.5, -3.0), call("hardtanh", elements, -2.0, 20.0), call("rrelu", elements),
    call("glu", lines, -1), call("glu", lines, 0),
    ("prelu", elements, lambda lib, F, x: F.prelu(x, affine(lib, [0.25]))),
    *[call(name, lines, dim) for name in ("softmax", "log_softmax", "softmin") for dim in (0, 1)],
    *[row for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits") for row in reductions(name, pairs())],
    *reductions("smooth_l1_loss", pairs(), beta=0.0), *reductions("huber_loss", pairs(), delta=0.5),
    *reductions("binary_cross_entropy", pairs(PROBABILITIES, same=False)), *with_weight("binary_cross_entropy", weighted_pairs),
    *with_weight("binary_cross_entropy_with_logits", weighted_pairs),
    *reductions("kl_div", pairs()), call("kl_div", pairs(), reduction="batchmean"), *reductions("kl_div", pairs(), log_target=True),
    *reductions("poisson_nll_loss", pairs()), *reductions("poisson_nll_loss", pairs(), log_input=False, full=True),
    *reductions("gaussian_nll_loss", variances),
    *reductions("nll_loss", classes), *with_weight("nll_loss", weighted_classes),
    *reductions("cross_entropy", classes), *with_weight("cross_entropy", weighted_classes),
    *reductions("cross_entropy", classes, label_smoothing=0.1), *with_weight("cross_entropy", weighted_classes, label_smoothing=0.1),
    *reductions("cross_entropy", soft_classes, about=" of probabilities"),
    *[(f"soft_margin_loss {r}", signed, lambda lib, F, x, y, r=r: F.soft_margin_loss(x, y.detach(), reduction=r)) for r in ("none", "mean")],
    *reductions("hinge_embedding_loss", signed),
    *reductions("margin_ranking_loss", signs()), *reductions("cosine_embedding_loss", signs(rows=True)),
    *reductions("triplet_margin_loss", triplets), *reductions("triplet_margin_with_distance_loss", triplets),
    *reductions("multi_margin_loss", margins([1, 3])), *reductions("multi_margin_loss", margins([1, 3]), p=2),
    *reductions("multilabel_margin_loss", margins([[1, 3, -1, 0], [-1, 0, 0, 0]])),
    *[(f"multilabel_soft_margin_loss {r}", lines, lambda lib, F, x, r=r: F.multilabel_soft_margin_loss(x, lib.ones_like(x) * 0.5, reduction=r))
      for r in ("none", "mean")],
    *[(f"ctc_loss {r}", logs, lambda lib, F, x, r=r: F.ctc_loss(
        F.log_softmax(x, -1), lib.tensor([[1, 2], [3, 3]]), lib.tensor([5, 5]), lib.tensor([2, 2]), reduction=r)) for r in ("none", "mean")],
    *[(f"batch_norm {mode}", images, lambda lib, F, x, mode=mode: F.batch_norm(
        x, affine(lib, [0.1, 0.2]), affine(lib, [1.0, 2.0]), affine(lib, [1.5, 0.5]), affine(lib, [0.0, 1.0]), training=mode)) for mode in (True, False)],
    call("instance_norm", images), call("group_norm", images, 1), call("group_norm", images, 2), call("local_response_norm", images, 2),
    call("layer_norm", lines, (4,)), call("rms_norm", lines, (4,)), call("layer_norm", images, (2, 4)),
    call("normalize", lines), call("normalize", lines, 1.0, 0), call("normalize", lines, INF),
    call("cosine_similarity", two_lines), call("cosine_similarity", two_lines, dim=0),
    call("pairwise_distance", two_lines), call("pairwise_distance", two_lines, 1.0), call("pdist", filled), call("pdist", filled, 1.0),
    *[row for name in ("sum", "mean", "nansum", "nanmean", "var", "std", "logsumexp", "amax", "amin", "all", "any")
      for row in over_dim(name, whole=name != "logsumexp")],
    *[row for name in ("prod", "median") for row in over_dim(name, variants=({"dim": 1}, {"dim": 0}))],
    *[row for name in ("var", "std", "var_mean", "std_mean") for row in over_dim(name, variants=({"dim": 1, "correction": 0}, {"dim": 1, "correction": 4}), whole="_" in name)],
    *[row for name in ("max", "min", "argmax", "argmin") for row in over_dim(name, variants=({"dim": 1}, {"dim": 0}))],
    *[row for name in ("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin") for row in over_dim(name, variants=({"dim": 1}, {"dim": 0}), whole=False)],
    *[row for p in (0.0, 0.5, 1.0, 2.0, 3.0, INF, -INF) for row in over_dim("norm", variants=({"dim": 1, "p": p},), whole=False)],
    *over_dim("count_nonzero", variants=({"dim": 1},)), *over_dim("aminmax", variants=({"dim": 1},)),
    *[(f"dist {p}", two_lines, lambda lib, F, x, y, p=p: lib.dist(x, y, p)) for p in (0.0, 1.0, 2.0, INF)],
    *over_dim("sort", variants=({"dim": 1, "stable": True},), whole=False), *over_dim("argsort", variants=({"dim": 1, "stable": True},), whole=False),
    *over_dim("mode", variants=({"dim": 1},), whole=False), *over_dim("nanmedian", variants=({"dim": 1}, {"dim": 0})),
    ("msort", filled, lambda lib, F, x: lib.msort(x)),
    *[(f"renorm {p}", filled, lambda lib, F, x, p=p: lib.renorm(x, p, 0, 5.0)) for p in (1.0, 2.0, INF)],
    *[(f"cdist {p}", two_lines, lambda lib, F, x, y, p=p: lib.cdist(x, y, p)) for p in (1.0, 2.0, INF)],
    *over_dim("topk", variants=({"k": 2, "dim": 1},), whole=False), *over_dim("kthvalue", variants=({"k": 2, "dim": 1},), whole=False),
]  # fmt: skip

WITHOUT = {
    "gumbel_softmax": "random",
    "linear_cross_entropy": "cross_entropy of linear, which has rows",
    "unique": "has no gradient, and no formula",
    "bincount": "has no gradient, and no formula",
}

NOISE = "a constant less its mean is exactly 0; PyTorch folds mean and scale into one factor, which rounds"
LEFT = "which of several equal elements is named is left open"
NAN_GRADIENT = "the gradient of a NaN is NaN, so that it is seen; PyTorch's is finite"

# function -> {pattern of "row: edge": why it differs}. A pattern that finds no difference any more fails.
MEANT = {
    "gelu": {"gelu: inf": "inf is the limit; PyTorch multiplies inf by a 0 that it computed for erfc"},
    "softsign": {".*: -?inf": "0 is the limit; PyTorch divides inf by inf"},
    "poisson_nll_loss": {
        ".*full=True.*": "Stirling's terms count for targets above 1 only; PyTorch multiplies their gradient by 0 where it is infinite or NaN"
    },
    "cross_entropy": {
        ".*smoothing.*: no class, all ignored": "the sum over no class is 0; PyTorch multiplies it by 1 / 0",
    },
    "soft_margin_loss": {
        ".*: .*(200|10000).0": "log(1 + exp(x)) is x for large x; PyTorch's exp overflows",
        ".*: .*inf": "the slope at infinity is that of the asymptote; PyTorch's is inf / inf",
    },
    "triplet_margin_loss": {".*: constant -1.0, zeros": "the kink of the margin, met but for a rounding error"},
    "triplet_margin_with_distance_loss": {".*: constant -1.0, zeros": "the kink of the margin, met but for a rounding error"},
    "ctc_loss": {".*: an -inf": "a class without probability has gradient 0 behind log_softmax; PyTorch multiplies 0 by inf"},
    "batch_norm": {".*True.*: constant -?[12]0+.0, everywhere": NOISE},
    "instance_norm": {".*: constant -?[12]0+.0.*": NOISE},
    "group_norm": {".*: constant -?[12]0+.0.*": NOISE},
    "layer_norm": {".*: constant -?[12]0+.0.*": NOISE},
    "cosine_similarity": {".*inf, zeros": "the gradient of a vector of 0 divides by eps; PyTorch multiplies its inf by 0 once more"},
    "cdist": {
        "cdist 1.0: .*(nan|NaN|inf).*": "the sign of NaN is 0, as in PyTorch's norm with p=1 (its cdist gives NaN)",
        "cdist inf: .*": "equal differences share the gradient, and NaN is the largest, as in norm; PyTorch's cdist gives all of it to each, and 0 for NaN",
    },
    "renorm": {".*(nan|NaN)": NAN_GRADIENT},
    "nanmedian": {".*constant nan": LEFT},
    "pdist": {".*1.0.*NaN|.*1.0.*nan": "the sign of NaN is 0, as in PyTorch's norm with p=1 (its pdist gives NaN)"},
    "nanmean": {".*constant nan": "elements that are left out have gradient 0"},
    "logsumexp": {".*constant -inf": "a masked row has gradient 0, so that the other rows can be learned from"},
    "logcumsumexp": {
        ".*: (constant .*1?0000.0|±200|±1e4)": "PyTorch's gradient goes through logarithms, and loses digits to the size of the input",
        ".*: (.*-inf|both inf)": "a masked start has gradient 0",
    },
    "median": {"median: .*(nan|NaN)": NAN_GRADIENT},
    "max": {"max: .*(nan|NaN)": NAN_GRADIENT},
    "min": {"min: .*(nan|NaN)": NAN_GRADIENT},
    "norm": {".*inf\\]: .*(nan|NaN)": NAN_GRADIENT},
    "dist": {".*inf: .*(nan|NaN|inf).*": NAN_GRADIENT},
    "var": {
        "var\\[1, 4\\].*": "no degree of freedom: the variance is infinite, its slope NaN. PyTorch's says inf here, and for one degree less numbers"
    },
    "var_mean": {
        "var_mean\\[1, 4\\].*": "as for var",
        ".*: (constant -?|an -?)inf": "the mean of an infinity is the infinity, as mean() says; PyTorch's running mean gives NaN",
    },
    "std_mean": {".*: (constant -?|an -?)inf": "as for var_mean"},
    "topk": {".*": LEFT},
    "kthvalue": {".*": LEFT},
}


def evaluated(lib, functional, function, arrays, leaf, gradient):
    """Results and gradients as arrays, or "refused"."""
    leaves = [leaf(a) if a.dtype.kind == "f" else lib.tensor(a) for a in arrays]
    try:
        found = function(lib, functional, *leaves)
    except (RuntimeError, ValueError, IndexError, TypeError):
        return "refused"
    found = list(found) if isinstance(found, tuple) else [found]
    out = [np.array(y.detach().numpy()) for y in found]
    summed = [y for y in found if y.requires_grad]
    if not summed:
        return out
    total = sum((y * lib.tensor(f32(np.cos(np.arange(y.numel()))).reshape(tuple(y.shape)))).sum() for y in summed)
    try:
        return [*out, *gradient(total, [x for x in leaves if x.requires_grad])]
    except (RuntimeError, NotImplementedError):
        return [*out, "no gradient"]


def of_pytorch(torch, function, arrays):
    def gradient(y, leaves):
        found = torch.autograd.grad(y, leaves, allow_unused=True)
        return [np.zeros(x.shape, np.float32) if g is None else np.array(g.numpy()) for g, x in zip(found, leaves, strict=True)]

    return evaluated(torch, torch.nn.functional, function, arrays, lambda a: torch.tensor(a, requires_grad=True), gradient)


def of_minigrad(function, arrays):
    def gradient(y, leaves):
        return [np.array(g.numpy()) for g in mg.grad(y, leaves, allow_unused=True, materialize_grads=True)]

    return evaluated(mg, F, function, arrays, lambda a: mg.tensor(a, requires_grad=True), gradient)


def difference(mine, theirs):
    """What differs, in words, or None."""
    if isinstance(mine, str) or isinstance(theirs, str):
        return None if isinstance(mine, str) and isinstance(theirs, str) else f"{mine}, not {theirs}".replace("\n", "")
    if isinstance(theirs[-1], str):  # PyTorch has no gradient
        theirs = theirs[:-1]
        mine = mine[: len(theirs)]
    if len(mine) != len(theirs):
        return f"{len(mine)} results, not {len(theirs)}"
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"result {i}: {a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        if not np.allclose(a, b, 2e-5, 1e-6, equal_nan=True):
            return f"result {i}: {a.reshape(-1)[:8].tolist()}, not {b.reshape(-1)[:8].tolist()}"
    return None


def function_of(row):
    return re.match(r"\w+", row[0]).group()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({function_of(row) for row in ROWS}))
def test_edges(name):
    rows = [row for row in ROWS if function_of(row) == name]
    right = noted(lambda torch: [[of_pytorch(torch, function, arrays) for _, arrays in inputs()] for _, inputs, function in rows])
    found = {}
    for (row, inputs, function), answers in zip(rows, right, strict=True):
        for (label, arrays), theirs in zip(inputs(), answers, strict=True):
            with np.errstate(all="ignore"):
                said = difference(of_minigrad(function, arrays), theirs)
            if said:
                found[f"{row}: {label}"] = said
    meant = MEANT.get(name, {})
    left = [f"{k}: {v}" for k, v in found.items() if not any(re.fullmatch(pattern, k) for pattern in meant)]
    assert not left, "\n".join([f"{name} differs from PyTorch:", *left])
    gone = [pattern for pattern in meant if not any(re.fullmatch(pattern, k) for k in found)]
    assert not gone, f"{name}: MEANT names differences that are gone: {gone}"


def public(module):
    """What a module of ops gives to users."""
    for name, value in vars(module).items():
        ours = inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_") and not name.endswith("_")
        if ours and value in (getattr(F, name, None), getattr(mg, name, None)):
            yield name


def test_every_function_has_a_row():
    named = {function_of(row) for row in ROWS}
    missing = [
        n for m in (activation, ctc, distance, loss, margin, norm, reduce, softmax) for n in public(m) if n not in named | WITHOUT.keys()
    ]
    assert not missing, f"{len(missing)} functions without a row in {__file__}: {missing}"


def test_rows_are_named_once():
    names = [row[0] for row in ROWS]
    assert len(set(names)) == len(names)
