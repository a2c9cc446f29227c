"""The table of cases in every dtype: results, their dtypes and refusals are PyTorch's, and float16 is rounded once.

A row's arrays of floats are cast to each dtype. What differs on purpose stands in the tables below with its reason.
(``tests/ops/test_result_dtypes.py`` has the pairs of dtypes.)
"""

import re

import numpy as np
import pytest
import test_drawn_operands as drawn
from answers import noted, on_drawn
from cases import Case
from test_cases import ROWS, argument_names, examples, mapped, tensors_in, torch_function

import minigrad as mg

FLOATING = ("float16", "float32", "float64")
DTYPES = (*FLOATING, "int8", "int16", "int32", "int64", "uint8", "bool")
FLOOR = {2: 5e-7, 4: 1e-12, 8: 0.0}  # what cancels in float32 (1 + erf(-5)) is no nearer
ERRORS = (TypeError, RuntimeError, ValueError, IndexError, OverflowError, ZeroDivisionError, np.linalg.LinAlgError)

# Where PyTorch refuses and minigrad computes: a pattern of PyTorch's message, and why.
MORE = {
    "not implemented for|does not support bool|following scalar types|expected scalar type|cast to the desired output": "PyTorch lacks a kernel",
    "Boolean inputs not supported for relu|the `-` operator, (with|on) (a|two) bool": "bools are the integers 0 and 1, as in numpy",
    "cannot be converted to type uint8_t": "a factor of integers is cut to a whole number first",
    "only supports floating|supports floating point|boolean tensor|received a bool|uint8 input|bool dtype is not|type encountered": "as above",
    "view_as_complex is only supported|expected a tensor of floating|Expected a floating point or complex|floating point or complex|stft\\(": "integers are made floats",
    "could not infer output dtype": "adaptive pools of integers are those of floats, as sizes that PyTorch does not take for a mean",
}
# Where PyTorch computes and minigrad refuses: a pattern of minigrad's message, and why.
LESS = {
    "bool tensors cannot be (convolved|pooled)": "PyTorch refuses it too where there is something to compute",
    "negative integer powers": "1/2 is no integer; PyTorch gives 0 if the power is a tensor, and refuses it if it is a number",
    "division of integers by zero": "PyTorch refuses it too, but for bools",
    "floating logits are needed": "as bools",
    "Cannot cast ufunc|numpy boolean negative|^(rnn|lstm|gru): not for": "ops inside RNN, LSTM and GRU, which take floats only",
    "needs floating pixels": "PyTorch interpolates uint8 and rounds, and of other integers gives back those that keep their size",
    "(float32|float64).* is needed, not (float16|u?int|bool)": "too few digits for a matrix function or an angle: convert first",
    "must be float32 or float64, not float16": "PyTorch refuses it too where there is something to compute",
}
# Rows whose dtypes differ, and why.
OTHER_DTYPE = {
    "einsum": "what PyTorch sums before it multiplies is int64, so that the dtype depends on the order it chooses",
    "einsum_ellipsis": "as einsum",
    "hinge_embedding_loss": "a margin of 1.0 makes floats of integers",
    "sum_to_size": "PyTorch sums a 0-d tensor, which has its size already, in int64",
    "sum_to": "an op of the engine, for gradients: the dtype of its input",
    "watch two": "its reference multiplies by an integer",
    "cast": "the dtype that is asked for",
    "_from_real": "float16 is transformed in float32",
    "bincount_weights": "weights of any dtype are counted in float64, as in PyTorch",
}
# Rows whose values differ, and why.
OTHER_VALUE = {
    "polygamma": "at a pole of integers PyTorch's is large, ours infinite",
    "cholesky_of_symmetric": "of bools the matrix is singular, and what is left is rounding", "cholesky_upper": "as cholesky_of_symmetric",
    "trapezoid": "PyTorch multiplies small integers in their dtype, where they wrap round", "cumulative_trapezoid": "as trapezoid",
    "gradient": "of whole distances some are 0", "matrix_exp_squared": "each squaring doubles the rounding error",
    "kthvalue": "which of several equal elements is named is left open",
    "median_along": "as kthvalue", "_median_place": "as kthvalue", "topk": "as kthvalue", "_top_places": "as kthvalue", "argsort": "as kthvalue", "sort": "as kthvalue",
}  # fmt: skip
# Ops that float16 does not reach, or only in a function that has made it float32; and one that draws in it.
IN_FLOAT32 = {
    *(
        "conv",
        "conv_input",
        "conv_weight",
        "conv_weight_bias",
        "_binary_cross_entropy",
        "_with_logits_slope",
        "blend",
        "affine",
        "standardize",
        "avg_pool",
        "avg_pool_input",
    ),
    *("linear_recurrence", "_softmax", "_log_softmax", "_std", "_var", "_nll", "_nll_input", "_cross_entropy", "rrelu in training"),
    *("_euclidean", "_from_real"),
}


def more_rows():
    """Rows of the functions that the table of cases does not have, with drawn operands."""
    known = {row.values[0].op for row in ROWS}
    for name in drawn.CALLS:
        function = drawn.resolved(mg, name)
        if function not in known:
            reference = lambda torch, *args, name=name, **kwargs: drawn.resolved(torch, name)(*args, **kwargs)
            yield pytest.param(Case(function, drawn.calls(name), torch=reference, name=name), id=f"drawn-{name}")


def given(array, dtype):
    """The array in that dtype: integers round, and stay small."""
    if array.dtype.kind != "f" or dtype in FLOATING:
        return array.astype(np.float16).astype(dtype) if array.dtype.kind == "f" else array
    whole = np.clip(np.round(array), -100, 100)
    return whole != 0 if dtype == "bool" else (np.abs(whole) if dtype == "uint8" else whole).astype(dtype)


def outcome(library, function, case, call, dtype):
    """The results, for floating dtypes the gradients too; or the text of a refusal."""
    Tensor = library.Tensor
    wrt = case.options.get("wrt")
    wrt = (wrt,) if isinstance(wrt, str) else wrt
    floating = dtype in FLOATING

    def leaf(name):
        grad = floating and (wrt is None or name in wrt)
        return lambda a: library.tensor(given(a, dtype), requires_grad=grad and a.dtype.kind == "f")

    try:
        names = argument_names(case.op, len(call.args))
        op = getattr(case.op, "op", None) if case.torch is None else None  # of ops inside, static arguments stay arrays
        changes = lambda n: op is None or n in (*op.inputs, op.variadic)
        args = [mapped(a, leaf(n)) if changes(n) else a for n, a in zip(names, call.args, strict=True)]
        kwargs = {n: mapped(v, leaf(n)) if changes(n) else v for n, v in call.kwargs.items()}
        library.manual_seed(0)
        with np.errstate(all="ignore"):
            outputs = tensors_in([function(*args, **kwargs)], Tensor)
            results = [y.detach().numpy() for y in outputs]
            outputs = [y for y in outputs if y.requires_grad]
            leaves = [t for t in tensors_in([args, kwargs], Tensor) if t.requires_grad]
            if not outputs or dtype == "float32":
                return results, []
            weights = [np.cos(np.arange(y.numel())).reshape(tuple(y.shape)).astype(np.float16) for y in outputs]
            weights = [library.tensor(w.astype(y.detach().numpy().dtype)) for w, y in zip(weights, outputs, strict=True)]
            gradient = library.grad if library is mg else library.autograd.grad
            gradients = gradient(outputs, leaves, weights, allow_unused=True)
    except ERRORS as error:
        return str(error).partition("\n")[0][:120]
    return results, [np.zeros(tuple(t.shape), dtype) if g is None else g.numpy() for t, g in zip(leaves, gradients, strict=True)]


def distance(found, exact, whole):
    """How many units of the last place ``found`` is from ``exact``; of the largest element's, if ``whole``."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(found.dtype)
        size = np.abs(np.where(np.isfinite(rounded), rounded, 0))
        unit = np.maximum(np.spacing(np.full_like(size, size.max(initial=0)) if whole else size).astype(float), FLOOR[found.itemsize])
        steps = np.abs(found.astype(float) - exact) / unit
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    return np.where(same, 0.0, np.where(np.isfinite(found) & np.isfinite(rounded), steps, np.inf))


def is_near(mine, theirs, exact, gradient):
    """As near to the float64 result as float16 and float32 can be, or as PyTorch is."""
    if mine.dtype.kind != "f":
        return np.array_equal(mine, theirs)
    if mine.dtype == np.float64:
        return np.allclose(mine, theirs, 1e-7, 1e-9, equal_nan=True)
    bound = 1.01 if mine.dtype == np.float16 and not gradient else 2.5 if mine.dtype == np.float16 else 64.0
    return (distance(mine, exact, gradient or mine.dtype == np.float32) <= np.maximum(bound, 4 * distance(theirs, exact, False))).all()


def excused(table, text):
    return any(re.search(pattern, text) for pattern in table)


@pytest.mark.filterwarnings("ignore")  # PyTorch's own advice
@pytest.mark.parametrize("case", [row for row in [*ROWS, *more_rows()] if row.values[0].torch is not None])
def test_every_dtype(case):
    def test(call):
        if drawn.differs(case.name, call):
            return
        exact = outcome(mg, case.op, case, call, "float64")
        answers = noted(lambda library: [outcome(library, torch_function(case.torch, library), case, call, dtype) for dtype in DTYPES])
        for dtype, theirs in zip(DTYPES, answers, strict=True):
            mine, what = outcome(mg, case.op, case, call, dtype), f"{case.name} of {dtype}: {call}"
            if isinstance(theirs, str):
                assert isinstance(mine, str) or excused({**MORE, **drawn.MORE["*"]}, theirs), f"{what} is computed, but PyTorch: {theirs}"
                continue
            if isinstance(mine, str):
                assert excused({**LESS, **drawn.LESS.get(case.name.split()[0], {})}, mine), f"{what} is refused: {mine}"
                continue
            for kind, a, b, right in zip(
                ("results", "gradients"), mine, theirs, exact if dtype in FLOATING and not isinstance(exact, str) else theirs, strict=True
            ):
                assert [x.shape for x in a] == [x.shape for x in b], f"{kind} of {what}"
                if [x.dtype for x in a] != [x.dtype for x in b]:
                    assert case.name in OTHER_DTYPE, f"{what}: {kind} {a}, not {b}"
                elif case.name not in OTHER_VALUE and not (dtype == "float16" and case.name in IN_FLOAT32):
                    near = [is_near(x, y, right[i], kind == "gradients") for i, (x, y) in enumerate(zip(a, b, strict=True))]
                    assert all(near), f"{what}: {kind} {a}, PyTorch's {b}, of float64 {right}"

    on_drawn(examples(case, 0.2), test)


@pytest.mark.parametrize("case", [row for row in ROWS if row.values[0].torch is None])
def test_floating_dtypes_of_what_pytorch_does_not_have(case):
    """Ops inside others, and random ones: the results have the dtype of the input, and their float16 is that of float64, rounded."""

    def test(call):
        exact = outcome(mg, case.op, case, call, "float64")
        for dtype in ("float32", "float16"):
            mine = outcome(mg, case.op, case, call, dtype)
            if isinstance(exact, str) or isinstance(mine, str):
                assert isinstance(mine, str), f"{case.name} of {dtype}: {call}: {mine} instead of {exact}"
                continue
            for kind, a, right in zip(("results", "gradients"), mine, exact, strict=True):
                if case.name in OTHER_DTYPE or (dtype == "float32" and kind == "gradients"):
                    continue
                assert [x.dtype for x in a] == [dtype if x.dtype == np.float64 else x.dtype for x in right], f"{case.name}: {kind} {a}"
                if case.name not in IN_FLOAT32:
                    near = [is_near(x, y.astype(x.dtype), y, kind == "gradients") for x, y in zip(a, right, strict=True)]
                    assert all(near), f"{case.name} of {dtype}: {call}: {kind} {a}, of float64 {right}"

    examples(case, 0.2)(test)


def test_the_reasons_are_of_rows_that_there_are():
    names = {row.values[0].name for row in ROWS} | {*drawn.CALLS}
    assert names >= {*OTHER_DTYPE, *OTHER_VALUE, *IN_FLOAT32}
