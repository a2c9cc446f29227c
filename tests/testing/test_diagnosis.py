"""Diagnoses: for each explanation a wrong gradient that it fits, and those near it that it must not be taken for."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import GradcheckError, gradcheck
from minigrad.testing.diagnosis import Places, same

V = np.array([0.5, -1.25, 2.0, 0.75])
M = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])
S = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75], [-2.0, 3.0, 1.0]])
K = np.array([0.0, 0.5, 2.0, -1.0])  # 0 where many functions have a kink


def diagnosed(kernel, *inputs, order=1, **formulas):
    with pytest.raises(GradcheckError) as caught, np.errstate(all="ignore"):
        gradcheck(mg.op(**formulas)(kernel), *inputs, order=order)
    return caught.value.kind, caught.value.advice or ""


def named(f, name="x"):
    """A formula of g and one argument."""
    return eval(f"lambda g, {name}: f(g, {name})", {"f": f})


CASES = [
    # kernel, formula of (g, x), input, kind, words in the advice
    (lambda x: x * x, lambda g, x: -2.0 * g * x, V, "constant factor", "the sign is flipped, everywhere"),
    (lambda x: x * x, lambda g, x: 4.0 * g * x, V, "constant factor", "2 times what it should be, everywhere (a square, or a symmetric"),
    (lambda x: x * x, lambda g, x: g * x, V, "constant factor", "0.5 times what it should be, everywhere (the derivative of a square"),
    (lambda x: x * x, lambda g, x: 2.2 * g * x, V, "constant factor", "1.1 times what it should be, everywhere"),
    (lambda x: x * x, lambda g, x: 2.001 * g * x, V, "constant factor", "1.0005 times"),
    (lambda x: x * x, lambda g, x: 2.0 * (1 + 5e-5) * g * x, V, None, ""),
    (lambda x: x * 1.0, lambda g, x: 0.7123 * g, V[:1], None, ""),  # one number is a multiple of any other
    (lambda x: x * 1.0, lambda g, x: 0.75 * g, V[:1], "constant factor", "0.75 times what it should be"),
    (lambda x: x * x, lambda g, x: g * x, M, "constant factor", "(the derivative of a square"),  # although there are 2 rows
    (lambda x: x * 3e-7, lambda g, x: g * 6e-7, V, "constant factor", "2 times"),  # small, and not flat
    (lambda x: x / 1024, lambda g, x: g * (1 + 20 / 1024) / 1024, V, "constant factor", "1.01953 times"),  # small, and no float16 though it is one
    (lambda x: np.sum(x), lambda g, x: mg.broadcast_to(g * (1 + 5e-6), x.shape), V, None, ""),  # nearly right forwards is not flipped
    (lambda x: np.mean(x), lambda g, x: mg.broadcast_to(g, x.shape), V, "constant factor", "4 is the number of elements along something: sum or mean?"),
    (lambda x: np.sum(x), lambda g, x: mg.broadcast_to(g / 6, x.shape), M, "constant factor", "6 is the number of elements"),
    (lambda x: np.mean(x, axis=1), lambda g, x: mg.broadcast_to(mg.reshape(g, (-1, 1)), x.shape), M, "constant factor", "3 is the number of"),
    (lambda x: np.mean(x, axis=(1, 2)), lambda g, x: mg.broadcast_to(mg.reshape(g, (-1, 1, 1)), x.shape), np.arange(24.0).reshape(2, 3, 4),
     "constant factor", "12 is the number of elements along something"),  # of two axes together
    (lambda x: x * x * 1.1e8, lambda g, x: 1.1e8 * g * x, V, "constant factor", "0.5 times"),  # what rounding makes of large gradients is linear
    (lambda x: x.T, lambda g, x: g, S, "transposed", "the order (1, 0)"),
    (lambda x: x.transpose(0, 1, 3, 2), lambda g, x: g, np.arange(16.0).reshape(2, 2, 2, 2), "transposed", "the order (0, 1, 3, 2)"),
    (lambda x: x.transpose(1, 2, 0), lambda g, x: g.transpose(0, 1) if isinstance(g, mg.Tensor) else g.swapaxes(0, 1),
     np.arange(27.0).reshape(3, 3, 3), "transposed", "the order ("),
    (lambda x: x[::-1].copy(), lambda g, x: g, V, "flipped", "backwards along axis 0"),
    (lambda x: x[:, ::-1].copy(), lambda g, x: g, M, "flipped", "backwards along axis 1"),
    (lambda x: x[::-1, ::-1].copy(), lambda g, x: g, M, "flipped", "backwards along axis 0, 1"),
    (lambda x: np.pad(x, 1), lambda g, x: g[2:], V, "shifted", "off by -1 along axis 0"),
    (lambda x: np.pad(x, 1), lambda g, x: g[:-2], V, "shifted", "off by 1 along axis 0"),
    (lambda x: np.pad(x, 2), lambda g, x: g[4:], np.arange(5.0), "shifted", "off by -2 along axis 0"),
    (lambda x: np.sum(x * np.array([3.0, 5.0])), lambda g, x: g * np.array([1.0, 3.0]), V[:2], None, ""),  # one equal number is no shift
    (lambda x: x[[1, 2, 4, 0, 3]], lambda g, x: g[np.array([1, 2, 4, 0, 3])], np.arange(5.0) ** 2, "permuted", "wrong order"),
    (lambda x: np.where(x > 0, x, 0.1 * x), lambda g, x: g * (x > 0), V, "zero where it should not be", "1 element gets no gradient, the others the right"),
    (lambda x: np.where(x > 0, x, 0.1 * x), lambda g, x: g * (x > 0), -V, "zero where it should not be", "3 elements get no gradient"),
    (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 1), K, "zero where it should not be", "1 element gets no gradient"),  # 0 is right at 0
    (lambda x: np.abs(x), lambda g, x: g * (1.0 * (x >= 0) - (x < -2)), K, "zero where it should not be", "1 element gets no gradient, the others the right"),
    (lambda x: np.maximum(x, 0), lambda g, x: 2.0 * g * (x > 0), K, "constant factor", "2 times"),
    (lambda x: np.maximum(x, 0), lambda g, x: 1.0 * (x >= 0) + 0.0 * g, K, "formula ignores g", ""),
    (lambda x: np.array([1.0, 1e-3, 1e-3, 1e-3]) * x, lambda g, x: np.array([0.0, 1e-3 + 9e-8, 1e-3, 1e-3]) * g, V, "zero where it should not be", "the others the"),
    (lambda x: np.array([1.0, 1e-3, 1e-3, 1e-3]) * x, lambda g, x: np.array([0.0, 1e-3 + 2e-7, 1e-3, 1e-3]) * g, V, "wrong at some elements", "2 of 4"),
    (lambda x: x * 2.0, lambda g, x: g * 0.0, V, "zero where it should not be", "no gradient at all arrives"),
    (lambda x: np.round(x), lambda g, x: g * 1.0, V + 0.1, "not zero where it should be", "surrogate="),
    (lambda x: np.exp(x), lambda g, x: g * np.float64(np.inf) * 0.0 + mg.exp(x) * g, V, "not finite", "0 * inf"),
    (lambda x: x**3, lambda g, x: g * 3.0 * x**3 / (x * (x != 0.5)), V, "not finite", "0 * inf"),  # at one element only
    (lambda x: x * 1.00045, lambda g, x: g * 1.0, V, "float16", "3 digits"),  # the largest error of float16
    (lambda x: x * 1.02, lambda g, x: g * 1.0, V, "constant factor", "0.980392 times"),
    (lambda x: x * 3.0, lambda g, x: 3.0 + 0.0 * g, V, "formula ignores g", "multiply by g"),
    (lambda x: x * 3.0, lambda g, x: 3.0 * g * g, V, "not linear in g", "g is a factor of each of its terms, once"),
    (lambda x: x * 3.0, lambda g, x: 3.0 * g + 1.0, V, "not linear in g", ""),
    (lambda x: np.stack([x, x, x]), lambda g, x: g[0], V, "broadcast not summed", "reaches 3 outputs, but only 1 of them count"),
    (lambda x: np.stack([x, x, x]), lambda g, x: g[0] + g[1], V, "broadcast not summed", "reaches 3 outputs, but only 2 of them count"),
    (lambda x: np.stack([x, x, x]), lambda g, x: g[0] + (1 + 5e-6) * g[1], V, "broadcast not summed", "only 2 of them count"),
    (lambda x: np.cumsum(x), lambda g, x: g * 1.0, V, "missing terms", "reaches 4 outputs, but only 1 of them count"),
    (lambda x: x - np.mean(x), lambda g, x: g * 1.0, V, "missing mean term", "the same along axis 0. A mean"),
    (lambda x: x - np.mean(x, axis=1, keepdims=True), lambda g, x: g * 1.0, S, "missing mean term", "the same along axis 1. A mean"),
    (lambda x: x / np.sqrt(np.sum(x * x)), lambda g, x: g / mg.sqrt(mg.sum(x * x)), V, "missing mean term", "along axis 0 times the result"),
    (lambda x: x * np.sum(x * x), lambda g, x: g * mg.sum(x * x), V, "missing mean term", "along axis 0 times the"),
    (lambda x: x * np.exp(x), lambda g, x: g * mg.exp(x), V, "missing term for a repeated input", "comes twice in the result"),
    (lambda x: x * np.exp(x), lambda g, x: g * mg.exp(x), V[:2], "missing term for a repeated input", "comes twice in the result"),
    (lambda x: x * np.exp(x) + 3e-8 * np.sum(x), lambda g, x: g * mg.exp(x), V, "missing term for a repeated input", "comes twice in the result"),
    (lambda x: x * np.exp(x), lambda g, x: g * x * mg.exp(x), V, "missing term for a repeated input", "product rule"),
    (lambda x: x @ x.T, lambda g, x: mg.matmul(g, x), M, "missing term for a repeated input", "only one of the two is differentiated"),
    (lambda x: x @ x.T, lambda g, x: mg.matmul(g, x), 5e-4 * M, "missing term for a repeated input", "only one of the two is differentiated"),
    (lambda x: x * x, lambda g, x: g * 2.0 * x * (1.0 - 2.0 * (x < 0)), V, "wrong at some elements", "x == -1.25 (1 of 4 elements is wrong); the sign is"),
    (lambda x: x * x, lambda g, x: g * 2.0 * x * (1.0 + 0.5 * (x > 0.6)), V, "wrong at some elements", "x >= 0.75 (2 of 4 elements are wrong); it is 1.5 times"),
    (lambda x: x * x, lambda g, x: g * 2.0 * x * (1.0 - 2.0 * (x > 0)), V, "wrong at some elements", "x > 0 (3 of 4 elements are wrong); the sign is flipped"),
    (lambda x: x * x, lambda g, x: g * 2.0 * x * (1.0 - 2.0 * (x < 0)), -V, "wrong at some elements", "x < 0 (3 of 4 elements are wrong); the sign is flipped"),
    (lambda x: x * x, lambda g, x: g * (2.0 * x + (abs(x) > 1)), V, "wrong at some elements", "abs(x) >= 1.25 (2 of 4 elements are wrong). A branch"),
    (lambda x: x * x, lambda g, x: g * (2.0 * x + (abs(x) < 1)), V, "wrong at some elements", "abs(x) <= 0.75 (2 of 4 elements are wrong). A branch"),
    (lambda x: np.sin(x), lambda g, x: g * mg.cos(x) ** 2, V, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "formula", "x", "kind", "words"), CASES)
def test_explanations(kernel, formula, x, kind, words):
    found, advice = diagnosed(kernel, x, x=named(formula))
    assert found == kind and words in advice, (found, advice)


def test_two_arguments():
    right_a, right_b = (lambda g, b: g * b), (lambda g, a: g * a)
    product, b = (lambda a, b: a * b), V[::-1] + 0.3
    assert diagnosed(product, V, b, a=lambda g, a: g * a, b=lambda g, b: g * b)[1] == "this is the gradient of 'b'"
    kind, advice = diagnosed(product, V, b, a=right_a, b=lambda g, b: g * b)
    assert kind == "swapped arguments" and advice.startswith("this is the gradient of 'a', whose own is right")
    kind, advice = diagnosed(product, V, b, a=lambda g, a: g * a, b=right_b)
    assert kind == "swapped arguments" and advice.startswith("this is the gradient of 'b', whose own is right")
    kind, advice = diagnosed(lambda a, b: a - b, V, b, a=lambda g: g, b=lambda g: g)
    assert kind == "constant factor" and "flipped" in advice  # and not that of a


def test_several_results():
    kind, advice = diagnosed(lambda x: (x * x, x**3, x * 1.0), V, x=lambda g, x: g[0] * 2.0 * x + g[1] * 2.0 * x * x + g[2])
    assert kind == "wrong for one result" and "of the 3 results the derivatives of result 1 only are wrong" in advice
    assert diagnosed(lambda x: (x * x, x**3), V, x=lambda g, x: g[0] * x * x + g[1] * 2.0 * x * x)[0] is None


def test_precision():
    def rounded(dtype):
        return lambda g, x: g * mg.engine.cast(mg.cos(x), dtype=np.dtype(dtype))

    assert diagnosed(lambda x: np.sin(x), V, x=named(rounded(np.float32)))[1].endswith("about 7 digits only")
    kind, advice = diagnosed(lambda x: np.sin(x), V, x=named(rounded(np.float16)))
    assert kind == "float16" and advice.endswith("about 3 digits only")
    assert diagnosed(lambda x: np.sin(x), V, x=lambda g, x: g * (mg.cos(x) * (1.0 + 1e-6)))[0] == "float32"
    kind, advice = diagnosed(lambda x: np.sin(x.astype(np.float32)).astype(np.float64), V, x=lambda g, x: g * mg.cos(x))
    assert kind == "float32" and "float32 numbers although the arguments are float64" in advice


def test_a_repeated_index():
    def assign(g, x_shape, index):
        out = np.zeros(x_shape)
        out[index] = g
        return out

    kind, advice = diagnosed(lambda x, index: x[index], V, np.array([0, 0, 2, 3]), x=assign)
    assert kind == "missing term for a repeated input" and "np.add.at" in advice
    assert "reaches 2 outputs, but only 1 of them count" in advice


def test_shapes_of_gradients():
    assert diagnosed(lambda x: x * 1.0, M, x=lambda g: mg.reshape(g, (-1,))) == (
        "wrong shape", "the gradient of 'x' must have its shape, (2, 3), and has (6,)",
    )  # fmt: skip
    kind, advice = diagnosed(lambda x: np.concatenate([x, x]), M, x=lambda g: g)
    assert kind == "wrong shape" and advice.endswith("(2, 3), and has (4, 3)")  # as many axes: nothing was broadcast
    kind, advice = diagnosed(lambda x, b: x + b[:, None], M, V[:2], x=lambda g: g, b=lambda g: g)
    assert kind == "broadcast not summed" and "has shape (2, 3) and must have (2,)" in advice


def test_exceptions():
    def fails(g, x):
        raise KeyError("k")

    assert diagnosed(lambda x: x * 1.0, V, x=fails) == ("the formula fails", "KeyError in the formula; does it use what it is given?")
    kind, advice = diagnosed(lambda a, b: np.sin(a) * b, V, V, a=lambda g, a, b: g * b * mg.cos(a), b=lambda g, a: g * np.sin(a), order=2)
    assert kind == "second order only" and "computes with numpy" in advice
    with pytest.raises(GradcheckError) as caught:
        gradcheck(mg.op(a=lambda g, b: g * b, b=lambda g, a: fails(g, a))(lambda a, b: a * b), V, V)
    assert caught.value.argument == "b"
    with pytest.raises(GradcheckError) as caught:
        gradcheck(mg.op(x=lambda g: g)(lambda x: x @ np.ones(3)), V)
    assert (caught.value.kind, caught.value.argument, caught.value.order) == ("the call fails", None, 0)
    assert isinstance(caught.value, RuntimeError), "scripts for PyTorch catch its GradcheckError as one"


def test_residuals():
    assert diagnosed(lambda x: None, V, x=lambda g: g) == ("nothing to differentiate", "is its return missing?")
    kind, advice = diagnosed(lambda x: x * 2.0, V, x=lambda g, res: g * res)
    assert kind == "nothing to differentiate" and "return two things, the result and the residual" in advice
    kind, advice = diagnosed(lambda x: (x**3, 3 * x * x), V, x=lambda g, res: g * res, order=2)
    assert kind == "second order only" and "name it out_1" in advice


def places(values, bad, factors=None):
    return Places(np.array(values, float), np.array(bad, bool), np.array(factors if factors is not None else np.full(len(values), np.nan)))


@pytest.mark.parametrize(
    ("values", "bad", "condition"),
    [
        ([0, 1, 2], [1, 0, 0], "x == 0"), ([0, 0, 2], [1, 0, 0], None), ([1, 2, 3], [1, 1, 1], None), ([1, 2, 3], [0, 0, 0], None),
        ([1, 2, 3, 4], [0, 0, 1, 1], "x >= 3"), ([1, 2, 3, 4], [1, 1, 0, 0], "x <= 2"), ([-1, 0, 1, 2], [0, 0, 1, 1], "x > 0"),
        ([-2, -1, 0, 1], [1, 1, 0, 0], "x < 0"), ([-9, -8, 1, 2, 9], [1, 1, 0, 0, 1], "abs(x) >= 8"), ([-9, -1, 2, 9], [0, 1, 1, 0], "abs(x) <= 2"),
        ([-2, -1, 1, 3, 5], [1, 0, 1, 0, 1], None), ([0, 1, 2, 3], [1, 1, 0, 0], "x <= 1"), ([-1, -0.0, 0.5], [0, 1, 0], "x == 0"),
        ([0, 1, 2, 3], [0, 0, 1, 1], "x >= 2"), ([-3, -2, 0, 1], [1, 1, 0, 0], "x < 0"), ([-3, -2, -1, 1], [1, 1, 0, 0], "x <= -2"),
    ],
)  # fmt: skip
def test_conditions(values, bad, condition):
    assert places(values, bad).condition("x") == condition


def test_places():
    both = places([0, 1], [1, 0], [3.0, 1.0]) + places([0, 2], [1, 0], [3.0, 1.0])
    assert both.count() == "2 of 4 elements are wrong" and places([1.0], [1]).count() == "1 of 1 element is wrong"
    kind, advice = both.explain("x", least=2)
    assert (
        kind == "wrong at some elements"
        and "only where x == 0 (2 of 4 elements are wrong); it is 3 times what it should be there." in advice
    )
    assert both.explain("x", least=3) is None and places([0, 1, 2], [1, 0, 0]).explain("x", least=2) is None
    assert "sign" in places([0, 1], [1, 0], [-1.0, 1.0]).explain("x")[1]
    assert "times" not in places([-1, -2, 1], [1, 1, 0], [3.0, 4.0, 1.0]).explain("x")[1]
    assert "times" not in places([-1, -2, 1], [1, 1, 0], [3.0, np.nan, 1.0]).explain("x")[1]


@pytest.mark.parametrize(("factor", "off", "one"), [(300.0, 0.02, True), (300.0, 0.04, False), (0.3, 8e-5, True), (0.3, 2e-4, False)])
def test_a_factor_is_one_number_within_1e_4(factor, off, one):
    """Of its size, or of 1 where it is smaller."""
    advice = places([-1, -2, 1], [1, 1, 0], [factor, factor + off, 1.0]).explain("x")[1]
    assert (f"it is {factor:g} times" in advice) == one


def test_same():
    a = np.array([1.0, -2.0])
    assert same(a, a) and same(a * (1 + 9e-6), a) and not same(a * (1 + 3e-5), a)
    assert not same(np.zeros(2), np.zeros(2)) and not same(a[:1], a) and not same(a * 5e-8, a * 5e-8) and same(a * 1e-6, a * 1e-6)
