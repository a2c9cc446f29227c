"""The dtype of every result is PyTorch's: for each pair of dtypes, sized tensors, 0-d ones and Python's numbers.

PyTorch's table is in ``tests/answers``. If PyTorch gives a dtype, minigrad gives the same; if PyTorch refuses, minigrad may compute.
"""

import itertools
import operator

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.nn.functional as F

LETTERS = {
    "bool": "b", "uint8": "u", "int8": "1", "int16": "2", "int32": "4", "int64": "8", "float16": "h", "float32": "f", "float64": "d",
}  # fmt: skip
OPERANDS = [*[(dtype, size) for dtype in LETTERS for size in ("[2]", "[]")], ("True", ""), ("2", ""), ("2.5", "")]
NUMBERS = {"True": True, "2": 2, "2.5": 2.5}

OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
]
BINARY = [
    "add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "pow", "maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "logaddexp",
    "logaddexp2", "xlogy", "eq", "lt", "isclose", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor",
    "bitwise_left_shift", "bitwise_right_shift", "outer", "matmul", "dot", "where", "clamp", "clamp_min", "clamp_max", "lerp", "cat", "stack",
    "masked_fill", "addcmul", "addcdiv", "cosine_similarity", "mse_loss", "huber_loss", "l1_loss", "smooth_l1_loss", "kl_div", "soft_margin_loss",
    "poisson_nll_loss",
]  # fmt: skip
UNARY = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "bitwise_not", "ceil", "clone", "cos", "cosh", "erf", "erfc", "erfinv", "exp", "exp2",
    "expm1", "floor", "frac", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "logical_not", "logit", "nan_to_num", "neg",
    "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "hardtanh", "hardsigmoid", "hardswish",
    "logsigmoid", "tanhshrink", "softshrink", "hardshrink",
    "flip", "cumsum", "cumprod", "logcumsumexp", "cummax", "sort", "argsort", "softmax", "log_softmax", "softmin", "normalize",
    "sum", "mean", "prod", "nansum", "nanmean", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "count_nonzero", "var", "std",
    "norm", "logsumexp", "median", "aminmax", "kthvalue", "mode", "diff", "trace", "bincount", "one_hot", "unique", "nonzero",
    "zeros_like", "ones_like", "rand_like", "float", "long", "int", "half", "double", "bool",
]  # fmt: skip
WITH_DIM = ("flip", "cumsum", "cumprod", "logcumsumexp", "cummax", "softmax", "log_softmax", "softmin", "logsumexp", "normalize")


def found(library, functional, name):
    """The function of that name."""
    for place in (library, functional, library.Tensor):
        value = getattr(place, name, None)
        if callable(value) and not isinstance(value, (type, np.dtype)):
            return value
    return None


def binary(library, functional, name, a, b):
    if name.startswith("operator "):
        return getattr(operator, name.removeprefix("operator "))(a, b)
    f = found(library, functional, name)
    if name == "where":
        return f(library.tensor([True, False]), a, b)
    if name == "lerp":
        return f(a, b, 0.5)
    if name in ("cat", "stack"):
        return f([a, b])
    if name == "masked_fill":
        return f(a, library.tensor([True, False]), b)
    if name in ("addcmul", "addcdiv"):
        return f(a, b, b)
    if name == "cosine_similarity":
        return f(a, b, dim=0)
    return f(a, b)


def unary(library, functional, name, a):
    f = found(library, functional, name)
    if name in WITH_DIM:
        return f(a, dim=0) if name != "flip" else f(a, (0,))
    if name == "kthvalue":
        return f(a, 1)
    if name == "trace":
        return f(a.reshape(1, -1))
    return f(a)


def letter(compute):
    """The letter of a result's dtype, letters for several, - for a refusal."""
    try:
        result = compute()
    except (TypeError, RuntimeError, NotImplementedError, ValueError, IndexError, OverflowError, AttributeError):
        return "-"
    results = result if isinstance(result, tuple) else (result,)
    return "".join(LETTERS.get(str(r.dtype).removeprefix("torch."), "?") if hasattr(r, "dtype") else "." for r in results)


def operand(library, dtype, size):
    if dtype in NUMBERS:
        return NUMBERS[dtype]
    return library.tensor(np.array([1, 1] if size == "[2]" else 1, dtype))


def row(library, functional, name):
    """The letters of all operands, or pairs of operands."""
    with np.errstate(all="ignore"):
        if name in UNARY:
            return [letter(lambda o=o: unary(library, functional, name, operand(library, *o))) for o in OPERANDS if o[0] not in NUMBERS]
        return [
            letter(lambda a=a, b=b: binary(library, functional, name, operand(library, *a), operand(library, *b)))
            for a, b in itertools.product(OPERANDS, repeat=2)
            if a[0] not in NUMBERS or b[0] not in NUMBERS
        ]


def labels(name):
    if name in UNARY:
        return [f"{dtype}{size}" for dtype, size in OPERANDS if dtype not in NUMBERS]
    return [f"{a[0]}{a[1]}, {b[0]}{b[1]}" for a, b in itertools.product(OPERANDS, repeat=2) if a[0] not in NUMBERS or b[0] not in NUMBERS]


@pytest.mark.filterwarnings("ignore")  # PyTorch's own advice
@pytest.mark.parametrize("name", [*[f"operator {name}" for name in OPERATORS], *BINARY, *UNARY])
def test_result_dtype(name):
    expected = noted(lambda torch: row(torch, torch.nn.functional, name))
    if not name.startswith("operator ") and found(mg, F, name) is None:
        return  # minigrad does not have it
    mine = row(mg, F, name)
    differ = [f"{label}: {b}, not {a}" for label, a, b in zip(labels(name), expected, mine, strict=True) if a not in (b, "-")]
    assert not differ, "\n".join([f"{name}: {len(differ)} results have other dtypes than PyTorch's", *differ])


def test_the_table_says_something():
    """A table of refusals would pass: most pairs have an answer."""
    answers = noted(lambda torch: [row(torch, torch.nn.functional, name) for name in ("add", "exp", "sum")])
    assert [sum(a != "-" for a in row) for row in answers] == [432, 18, 18]
    assert set("".join(answers[0])) == set(LETTERS.values()) | {"-"} - {"-"}
