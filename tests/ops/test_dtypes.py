"""Result dtypes are PyTorch's: Python numbers are weak, 0-d tensors weaker than sized ones, integers weaker than floats."""

import itertools

from answers import torch
import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

DTYPES = ["float32", "float64", "int64", "bool"]
MORE = ["float16", "int32", "uint8"]  # among these a 0-d tensor is not weak: int32 of shape (2,) + int64 of shape () is int64
ALL = [*itertools.product(DTYPES, [True, False]), *itertools.product(MORE, [True])]
BINARY = [
    "add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum", "atan2", "eq", "lt", "logical_and",
    "where",
]  # fmt: skip
UNARY = [
    "exp", "log", "sqrt", "sin", "tanh", "sigmoid", "erf", "rsqrt", "reciprocal", "abs", "neg", "square", "floor", "round", "sign", "relu",
    "isnan", "logical_not", "clone", "atan", "expm1", "log1p",
]  # fmt: skip
NUMBERS = {"int": 2, "float": 2.5, "bool": True}



def call(library, name, *args):
    if name == "where":
        return library.where(library.tensor([True, False]), *args)
    return getattr(library, name)(*args)


def dtype_or_error(library, name, *args):
    """The name of the result's dtype, or None where the library refuses."""
    try:
        return str(call(library, name, *args).dtype).removeprefix("torch.")
    except (TypeError, RuntimeError, NotImplementedError, ValueError):
        return None


def make(library, dtype, sized):
    values = np.array([1, 1] if sized else 1, dtype)
    return library.tensor(values)


def compare(name, ours, theirs, what):
    """PyTorch refuses some dtypes that we compute with; we never give another dtype."""
    expected = dtype_or_error(torch, name, *theirs)
    found = dtype_or_error(mg, name, *ours)
    assert expected is None or found == expected, f"{name}({what}): {found}, PyTorch {expected}"


@pytest.mark.parametrize("name", BINARY)
def test_two_tensors(name):
    for (a, a_sized), (b, b_sized) in itertools.product(ALL, repeat=2):
        if {a, b} & set(MORE) and not (a_sized and b_sized):
            continue
        operands = [(make(library, a, a_sized), make(library, b, b_sized)) for library in (mg, torch)]
        compare(name, *operands, f"{a}{'[2]' if a_sized else '[]'}, {b}{'[2]' if b_sized else '[]'}")


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "**", "==", "<", "&", "|", "where", "clamp"])
def test_tensor_and_number(operator, kind):
    number = NUMBERS[kind]

    def compute(library, x, swap):
        if operator == "where":
            return library.where(library.tensor([True, False]), *((number, x) if swap else (x, number)))
        if operator == "clamp":
            return library.clamp(x, number)
        return eval(f"number {operator} x" if swap else f"x {operator} number", {"x": x, "number": number})

    for dtype, sized, swap in itertools.product(DTYPES + MORE, [True, False], [True, False]):
        if (dtype, operator, kind) == ("bool", "**", "bool"):  # PyTorch: bool for a number, an error for a tensor
            continue
        try:
            expected = str(compute(torch, make(torch, dtype, sized), swap).dtype).removeprefix("torch.")
        except (TypeError, RuntimeError, NotImplementedError):
            continue
        found = str(compute(mg, make(mg, dtype, sized), swap).dtype)
        assert found == expected, f"{dtype}{'[2]' if sized else '[]'} {operator} {kind}, swapped: {swap}: {found}, PyTorch {expected}"


@pytest.mark.parametrize("name", UNARY)
def test_functions(name):
    for dtype, sized in itertools.product(DTYPES + MORE, [True, False]):
        compare(name, [make(mg, dtype, sized)], [make(torch, dtype, sized)], dtype)


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "pow"])
def test_gradients_have_the_dtype_of_their_argument(name):
    for a, b in itertools.product(["float32", "float64"], repeat=2):
        for a_shape, b_shape in [((2,), ()), ((), (2,)), ((2,), (2,))]:
            x, y = mg.ones(a_shape, dtype=a, requires_grad=True), mg.ones(b_shape, dtype=b, requires_grad=True)
            getattr(mg, name)(x, y).sum().backward()
            assert (x.grad.dtype, y.grad.dtype, x.grad.shape, y.grad.shape) == (a, b, a_shape, b_shape)


def test_default_dtype():
    """What integers and Python floats become follows set_default_dtype."""
    before = mg.get_default_dtype()
    try:
        mg.set_default_dtype(mg.float64)
        assert mg.tensor(1.5).dtype == mg.float64
        assert (mg.tensor([1, 2]) / 2).dtype == mg.float64
        assert mg.tensor([1, 2]).exp().dtype == mg.float64
        assert (mg.tensor([1, 2]) * 1.5).dtype == mg.float64
        assert mg.zeros(2).dtype == mg.float64
    finally:
        mg.set_default_dtype(before)
    assert (mg.tensor([1, 2]) / 2).dtype == mg.float32


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_of_integers_and_of_mixed_dtypes(training):
    """Integers count as the default dtype, and the wider of two floating dtypes wins, as in arithmetic."""
    x = mg.arange(12).reshape(3, 4)
    mean, var = (None, None) if training else (mg.zeros(4), mg.ones(4))
    y = F.batch_norm(x, mean, var, training=training)
    assert y.dtype == mg.float32
    np.testing.assert_array_equal(y.numpy(), F.batch_norm(x.float(), mean, var, training=training).numpy())
    assert F.layer_norm(x, (4,)).dtype == mg.float32
    wide = F.batch_norm(x.float(), mean, var, mg.ones(4, dtype=mg.float64), training=training)
    assert wide.dtype == mg.float64
