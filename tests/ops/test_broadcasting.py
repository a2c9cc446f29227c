"""Operands of different shapes, 0-d and empty ones too: the result and the gradients are those of operands that were expanded by hand."""

import inspect

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as hs

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.ops import elementwise

# How many operands meet -> the functions, with numpy's rule for the result's shape.
ELEMENTWISE = {
    2: [
        "add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot",
        "logaddexp", "logaddexp2", "xlogy", "eq", "ne", "lt", "le", "gt", "ge", "isclose", "logical_and", "logical_or", "logical_xor",
        "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "clamp_min", "clamp_max", "masked_fill",
    ],
    3: ["lerp", "where", "addcmul", "addcdiv", "clamp"],
}  # fmt: skip
INTEGER = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")
# Functions that sum over a dimension of what the operands are broadcast to.
SUMMED = {
    "cosine_similarity of the last": lambda a, b: F.cosine_similarity(a, b, dim=-1),
    "cosine_similarity of the first": lambda a, b: F.cosine_similarity(a, b, dim=0),
    "pairwise_distance": F.pairwise_distance,
    "dist": mg.dist,
    "poisson_nll_loss": F.poisson_nll_loss,
    "hinge_embedding_loss": F.hinge_embedding_loss,
}
CASES = [(name, n) for n, names in ELEMENTWISE.items() for name in names]


ONE_ANSWER = ("allclose", "equal")  # a bool for all elements


def applied(name, operands):
    if name in ("where", "masked_fill"):
        *others, last = operands
        condition = mg.tensor((operands[0] if name == "where" else last).numpy(force=True) > 1.0)
        return mg.where(condition, *operands[1:]) if name == "where" else mg.masked_fill(*others, condition, 0.5)
    return getattr(mg, name)(*operands)


def expanded(operands, shape):
    return [mg.tensor(np.broadcast_to(x, shape).copy(), requires_grad=x.dtype.kind == "f") for x in operands]


def summed_to(g, shape):
    """The sum of a gradient over what was broadcast, by numpy."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


def check(function, arrays):
    """``function`` of the arrays and of the arrays expanded: the same results, and gradients that are sums of those."""
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    leaves = [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    wide = expanded(arrays, shape)
    with np.errstate(all="ignore"):
        found, right = function(leaves), function(wide)
    assert found.shape == right.shape
    assert found.dtype == right.dtype
    np.testing.assert_allclose(found.numpy(force=True), right.numpy(force=True), rtol=1e-9, atol=1e-12)
    assert found.requires_grad == right.requires_grad
    if found.requires_grad:
        weights = np.cos(np.arange(found.numel(), dtype=float)).reshape(found.shape)
        mine = mg.grad(found, leaves, weights, allow_unused=True, materialize_grads=True)
        other = mg.grad(right, wide, weights, allow_unused=True, materialize_grads=True)
        for a, g, w in zip(arrays, mine, other, strict=True):
            assert g.shape == a.shape
            np.testing.assert_allclose(g.numpy(), summed_to(w.numpy(), a.shape), rtol=1e-8, atol=1e-10)
    return found, shape


def drawn(n, integer=False):
    """n arrays whose shapes broadcast: each dimension of each may be 1 or left out, and may be 0."""

    @hs.composite
    def arrays(draw):
        shape = draw(hs.lists(hs.integers(0, 3), max_size=3))
        made = []
        for _ in range(n):
            own = [draw(hs.sampled_from((k, 1))) for k in shape][draw(hs.integers(0, len(shape))) :]
            seed = draw(hs.integers(0, 99))
            values = np.random.default_rng(seed).uniform(0.2, 2.5, own)
            made.append(np.asarray(values.astype(np.int64) if integer else values))
        return made

    return arrays()


def over_draws(strategy, test):
    @hypothesis.settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @hypothesis.given(strategy)
    def run(arrays):
        test(arrays)

    run()


@pytest.mark.parametrize(("name", "n"), CASES)
def test_elementwise(name, n):
    def test(arrays):
        found, shape = check(lambda operands: applied(name, operands), arrays)
        assert found.shape == shape

    over_draws(drawn(n, integer=name in INTEGER), test)


@pytest.mark.parametrize("name", SUMMED)
def test_sums_over_broadcast_operands(name):
    def test(arrays):
        if len(np.broadcast_shapes(*(a.shape for a in arrays))):  # there is a dimension to sum over
            check(lambda operands: SUMMED[name](*operands), arrays)

    over_draws(drawn(2), test)


def test_every_elementwise_function_of_several_operands_is_drawn():
    named = {name for names in ELEMENTWISE.values() for name in names} | {*ONE_ANSWER}
    missing = []
    for name, value in vars(elementwise).items():
        if inspect.isfunction(value) and value.__module__ == elementwise.__name__ and getattr(mg, name, None) is value:
            parameters = list(inspect.signature(value).parameters)
            if len(parameters) > 1 and parameters[1] in ("other", "tensor1", "end", "min", "max", "exponent") and name not in named:
                missing.append(name)
    assert not missing, f"functions of several operands that test_broadcasting.py does not draw: {missing}"
