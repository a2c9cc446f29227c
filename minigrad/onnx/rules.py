"""The rules of the export: for each op of minigrad the nodes that say the same in ONNX."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.onnx.hearing import Call, Size, where
from minigrad.onnx.reader import NUMBERS, OnnxError
from minigrad.onnx.writing import RULES, LastOnly, Writer, rule

# ------------------------------------------------------------------------------------------------------------ elementwise

_SAME = {  # op -> operator with the same meaning, of floating numbers or any
    "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh",
    "ceil": "Ceil", "clone": "Identity", "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp",
    "floor": "Floor", "isnan": "IsNaN", "log": "Log", "logical_not": "Not", "neg": "Neg", "reciprocal": "Reciprocal",
    "relu": "Relu", "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softsign": "Softsign", "sqrt": "Sqrt", "tan": "Tan",
    "tanh": "Tanh", "det": "Det",
}  # fmt: skip
_BINARY = {
    "add": "Add", "div": "Div", "maximum": "Max",
    "minimum": "Min", "mul": "Mul", "pow": "Pow", "sub": "Sub", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
}  # fmt: skip
_COMPARISONS = {"eq": "Equal", "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "lt": "Less"}


def _unary(name: str) -> Any:
    operator = _SAME[name]
    dtype = np.bool_ if name == "logical_not" else None

    def write(w: Writer, call: Call) -> str:
        (x,) = call.inputs
        wanted = dtype or (call.outs[0].dtype if call.outs[0].dtype.kind != "b" else x.dtype if isinstance(x, np.ndarray) else None)
        return w.node(operator, w.cast(x, wanted) if wanted is not None else x)

    return write


def _binary(operator: str) -> Any:
    logical = operator in ("And", "Or", "Xor")

    def write(w: Writer, call: Call) -> str:
        if not logical and call.outs[0].dtype.kind == "b" and operator in ("Add", "Mul", "Max", "Min"):
            return w.node({"Add": "Or", "Mul": "And", "Max": "Or", "Min": "And"}[operator], *w.operands(call))
        return w.node(operator, *w.operands(call))

    return write


def _common(call: Call) -> Any:
    """The dtype in which two operands are compared."""
    arrays = [x for x in call.inputs if isinstance(x, np.ndarray)]
    sized = [x.dtype for x in arrays if x.ndim] or [x.dtype for x in arrays]
    kind = np.result_type(*sized) if sized else np.dtype(np.float32)
    if kind.kind != "f" and any(isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f") for x in call.inputs):
        return np.dtype(np.float32)
    if kind.kind in "iu" and any(type(x) is int and x != _within(x, kind) for x in call.inputs):
        wide = np.dtype(np.int64)  # in which a number is that the dtype has not
        fits = kind != np.uint64 and all(x == _within(x, wide) for x in call.inputs if type(x) is int)
        return wide if fits else np.dtype(np.float64)
    return np.result_type(kind, np.int64) if kind.kind == "b" and any(type(x) is int for x in call.inputs) else kind


def _within(bound: Any, dtype: np.dtype) -> Any:
    """A bound of numbers of a dtype; the least or the largest number of an integer dtype for an int beyond."""
    if type(bound) is not int or dtype.kind not in "iu":
        return bound
    return min(max(bound, int(np.iinfo(dtype).min)), int(np.iinfo(dtype).max))


def _comparison(operator: str) -> Any:
    def write(w: Writer, call: Call) -> str:
        dtype = _common(call)
        if dtype.kind == "b" and operator != "Equal":
            dtype = np.dtype(np.int32)
        return w.node(operator, *[w.cast(x, dtype) for x in call.inputs])

    return write


RULES.update({name: _unary(name) for name in _SAME})
RULES.update({name: _binary(operator) for name, operator in _BINARY.items()})
RULES.update({name: _comparison(operator) for name, operator in _COMPARISONS.items()})


@rule("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not")
def _bitwise(w: Writer, call: Call) -> str:
    name = call.op.name.removeprefix("bitwise_").capitalize()
    if call.outs[0].dtype.kind == "b":
        return w.node(name, *w.operands(call))
    w.need(18, "arithmetic of bits")
    return w.node(f"Bitwise{name}", *w.operands(call))


@rule("bitwise_left_shift", "bitwise_right_shift")
def _shift_bits(w: Writer, call: Call) -> str:
    if call.outs[0].dtype.kind != "u":
        raise OnnxError(f"export: {where(call)}: ONNX shifts the bits of unsigned integers only, not of {call.outs[0].dtype.name}")
    return w.node("BitShift", *w.operands(call), direction="LEFT" if "left" in call.op.name else "RIGHT")


@rule("deg2rad", "rad2deg")
def _degrees(w: Writer, call: Call) -> str:
    return w.node("Mul", *w.operands(call), _one(w, call, math.pi / 180 if call.op.name == "deg2rad" else 180 / math.pi))


@rule("isinf", "isposinf", "isneginf")
def _isinf(w: Writer, call: Call) -> str:
    name = call.op.name
    return _infinite(
        w, call.inputs[0], detect_negative=0 if name == "isposinf" else None, detect_positive=0 if name == "isneginf" else None
    )


def _infinite(w: Writer, x: np.ndarray, **signs: Any) -> str:
    """Where an array is infinite. Before version 20 ``IsInf`` does not take float16."""
    return w.node("IsInf", w.cast(x, np.float32) if w.opset < 20 and x.dtype == np.float16 else x, **signs)


@rule("xlogy")
def _xlogy(w: Writer, call: Call) -> str:
    x, y = w.operands(call)
    zero = _one(w, call, 0.0)
    return w.node("Where", w.node("Equal", x, zero), zero, w.node("Mul", x, w.node("Log", y)))


@rule("binary_cross_entropy")
def _binary_cross_entropy(w: Writer, call: Call) -> str:
    x, target = w.operands(call)
    one, least = _one(w, call, 1.0), _one(w, call, -100.0)
    a, b = w.node("Max", w.node("Log", x), least), w.node("Max", w.node("Log", w.node("Sub", one, x)), least)
    return w.node("Neg", w.node("Add", w.node("Mul", target, a), w.node("Mul", w.node("Sub", one, target), b)))


@rule("with_logits")
def _with_logits(w: Writer, call: Call) -> str:
    x, target = w.operands(call)
    positive = w.node("Softplus", w.node("Neg", x))
    return w.node("Add", w.node("Mul", w.node("Sub", _one(w, call, 1.0), target), x), positive)


@rule("with_logits_slope")
def _with_logits_slope(w: Writer, call: Call) -> str:
    x, target = w.operands(call)
    return w.node("Sub", w.node("Sigmoid", x), target)


@rule("ne")
def _ne(w: Writer, call: Call) -> str:
    return w.node("Not", _comparison("Equal")(w, call))


@rule("watch")
def _watch(w: Writer, call: Call) -> list[str]:
    return [w.node("Identity", x) for x in call.inputs]


@rule("isfinite")
def _isfinite(w: Writer, call: Call) -> str:
    (x,) = call.inputs
    return w.node("Not", w.node("Or", _infinite(w, x), w.node("IsNaN", x)))


def _one(w: Writer, call: Call, value: float) -> str:
    """A constant of the dtype of the call's result."""
    return w.value(value, call.outs[0].dtype)


@rule("square")
def _square(w: Writer, call: Call) -> str:
    x = w.operands(call)[0]
    return w.node("Mul", x, x)


@rule("rsqrt")
def _rsqrt(w: Writer, call: Call) -> str:
    return w.node("Reciprocal", w.node("Sqrt", *w.operands(call)))


@rule("exp2")
def _exp2(w: Writer, call: Call) -> str:
    return w.node("Pow", _one(w, call, 2.0), *w.operands(call))


@rule("expm1")
def _expm1(w: Writer, call: Call) -> str:
    return w.node("Sub", w.node("Exp", *w.operands(call)), _one(w, call, 1.0))


@rule("log1p")
def _log1p(w: Writer, call: Call) -> str:
    return w.node("Log", w.node("Add", *w.operands(call), _one(w, call, 1.0)))


@rule("log2", "log10")
def _log_base(w: Writer, call: Call) -> str:
    return w.node("Mul", w.node("Log", *w.operands(call)), _one(w, call, 1 / math.log(2 if call.op.name == "log2" else 10)))


@rule("logaddexp")
def _logaddexp(w: Writer, call: Call) -> str:
    a, b = w.operands(call)
    far = w.node("Abs", w.node("Sub", a, b))
    return w.node("Add", w.node("Max", a, b), w.node("Log", w.node("Add", w.node("Exp", w.node("Neg", far)), _one(w, call, 1.0))))


@rule("hypot")
def _hypot(w: Writer, call: Call) -> str:
    a, b = w.operands(call)
    return w.node("Sqrt", w.node("Add", w.node("Mul", a, a), w.node("Mul", b, b)))


@rule("erfc")
def _erfc(w: Writer, call: Call) -> str:
    return w.node("Sub", _one(w, call, 1.0), w.node("Erf", *w.operands(call)))


@rule("logit")
def _logit(w: Writer, call: Call) -> str:
    (x,) = w.operands(call)
    return w.node("Log", w.node("Div", x, w.node("Sub", _one(w, call, 1.0), x)))


@rule("atan2")
def _atan2(w: Writer, call: Call) -> str:
    y, x = w.operands(call)
    zero, pi = _one(w, call, 0.0), _one(w, call, math.pi)
    signed = w.node("Where", w.node("Less", y, zero), w.node("Neg", pi), pi)
    slope = w.node("Atan", w.node("Div", y, x))
    behind = w.node("Where", w.node("Less", x, zero), w.node("Add", slope, signed), slope)
    upright = w.node("Where", w.node("Equal", y, zero), zero, w.node("Mul", signed, _one(w, call, 0.5)))
    return w.node("Where", w.node("Equal", x, zero), upright, behind)


@rule("trunc")
def _trunc(w: Writer, call: Call) -> str:
    (x,) = w.operands(call)
    return _cut(w, x)


def _cut(w: Writer, x: str) -> str:
    return w.node("Mul", w.node("Sign", x), w.node("Floor", w.node("Abs", x)))


@rule("frac")
def _frac(w: Writer, call: Call) -> str:
    (x,) = w.operands(call)
    return w.node("Sub", x, _cut(w, x))


@rule("round")
def _round(w: Writer, call: Call) -> str:
    (x,), decimals = w.operands(call), call["decimals"]
    if not decimals:
        return w.node("Round", x)
    factor = _one(w, call, 10.0**decimals)
    return w.node("Div", w.node("Round", w.node("Mul", x, factor)), factor)


@rule("floor_divide")
def _floor_divide(w: Writer, call: Call) -> str:
    a, b = w.operands(call)
    if call.outs[0].dtype.kind == "f":
        return w.node("Floor", w.node("Div", a, b))
    return w.node("Div", w.node("Sub", a, w.node("Mod", a, b)), b)


@rule("remainder")
def _remainder(w: Writer, call: Call) -> str:
    a, b = w.operands(call)
    if call.outs[0].dtype.kind != "f":
        return w.node("Mod", a, b)
    return w.node("Sub", a, w.node("Mul", w.node("Floor", w.node("Div", a, b)), b))


@rule("fmod")
def _fmod(w: Writer, call: Call) -> str:
    return w.node("Mod", *w.operands(call), fmod=1)


@rule("div_trunc")
def _div_trunc(w: Writer, call: Call) -> str:
    quotient = w.node("Div", *w.operands(call))
    return quotient if call.outs[0].dtype.kind != "f" else _cut(w, quotient)


@rule("lerp")
def _lerp(w: Writer, call: Call) -> str:
    a, b, weight = w.operands(call)
    return w.node("Add", a, w.node("Mul", weight, w.node("Sub", b, a)))


@rule("clamp")
def _clamp(w: Writer, call: Call) -> str:
    x, low, high = call["input"], call["min"], call["max"]
    dtype = call.outs[0].dtype
    low, high = _within(low, dtype), _within(high, dtype)
    if not any(isinstance(v, np.ndarray) and v.ndim for v in (low, high)):
        return w.node("Clip", w.cast(x, dtype), *[None if v is None else w.cast(v, dtype) for v in (low, high)])
    name = w.cast(x, dtype)
    name = name if low is None else w.node("Max", name, w.cast(low, dtype))
    return name if high is None else w.node("Min", name, w.cast(high, dtype))


@rule("where")
def _where(w: Writer, call: Call) -> str:
    condition, a, b = call.inputs
    dtype = call.outs[0].dtype
    return w.node("Where", w.cast(condition, np.bool_), w.cast(a, dtype), w.cast(b, dtype))


@rule("nan_to_num")
def _nan_to_num(w: Writer, call: Call) -> str:
    (x,) = w.operands(call)
    info = np.finfo(call.outs[0].dtype)
    high = info.max if call["posinf"] is None else call["posinf"]
    low = info.min if call["neginf"] is None else call["neginf"]
    y = w.node("Where", w.node("IsNaN", x), _one(w, call, call["nan"] or 0.0), x)
    y = w.node("Where", _infinite(w, call.inputs[0], detect_negative=0), _one(w, call, high), y)
    return w.node("Where", _infinite(w, call.inputs[0], detect_positive=0), _one(w, call, low), y)


@rule("cast")
def _cast(w: Writer, call: Call) -> str:
    return w.cast(call.inputs[0], call.outs[0].dtype)


# ------------------------------------------------------------------------------------------------------------ activations


@rule("hardtanh")
def _hardtanh(w: Writer, call: Call) -> str:
    return w.node("Clip", call["input"], _one(w, call, call["min_val"]), _one(w, call, call["max_val"]))


@rule("hardsigmoid")
def _hardsigmoid(w: Writer, call: Call) -> str:
    return w.node("HardSigmoid", call["input"], alpha=1 / 6, beta=0.5)


@rule("hardswish")
def _hardswish(w: Writer, call: Call) -> str:
    if w.opset >= 14:
        return w.node("HardSwish", call["input"])
    x = w.value(call["input"])
    return w.node("Mul", x, w.node("HardSigmoid", x, alpha=1 / 6, beta=0.5))


@rule("prelu")
def _prelu(w: Writer, call: Call) -> str:
    return w.node("PRelu", *w.operands(call))


@rule("leaky_relu")
def _leaky_relu(w: Writer, call: Call) -> str:
    return w.node("LeakyRelu", call["input"], alpha=float(call["negative_slope"]))


@rule("threshold")
def _threshold(w: Writer, call: Call) -> str:
    x = w.value(call["input"])
    return w.node("Where", w.node("Greater", x, _one(w, call, call["threshold"])), x, _one(w, call, call["value"]))


@rule("softshrink")
def _softshrink(w: Writer, call: Call) -> str:
    lambd = float(call["lambd"])
    return w.node("Shrink", call["input"], bias=lambd, lambd=lambd)


@rule("hardshrink")
def _hardshrink(w: Writer, call: Call) -> str:
    return w.node("Shrink", call["input"], bias=0.0, lambd=float(call["lambd"]))


@rule("elu")
def _elu(w: Writer, call: Call) -> str:
    alpha, scale, inner = float(call["alpha"]), float(call["scale"]), float(call["input_scale"])
    if inner == 1:
        return w.node("Elu", call["input"], alpha=alpha) if scale == 1 else w.node("Selu", call["input"], alpha=alpha, gamma=scale)
    if scale == 1 and math.isclose(alpha * inner, 1) and call.outs[0].dtype == np.float32:
        return w.node("Celu", call["input"], alpha=alpha)
    x = w.value(call["input"])
    low = w.node(
        "Mul", w.node("Sub", w.node("Exp", w.node("Mul", x, _one(w, call, inner))), _one(w, call, 1.0)), _one(w, call, alpha * scale)
    )
    return w.node("Where", w.node("Greater", x, _one(w, call, 0.0)), w.node("Mul", x, _one(w, call, scale)), low)


@rule("gelu")
def _gelu(w: Writer, call: Call) -> str:
    if w.opset >= 20:
        return w.node("Gelu", call["input"], approximate=call["approximate"])
    x = w.value(call["input"])
    half = w.node("Mul", x, _one(w, call, 0.5))
    if call["approximate"] == "none":
        inner = w.node("Erf", w.node("Mul", x, _one(w, call, math.sqrt(0.5))))
    else:
        cube = w.node("Mul", w.node("Mul", x, x), x)
        sum_ = w.node("Add", x, w.node("Mul", cube, _one(w, call, 0.044715)))
        inner = w.node("Tanh", w.node("Mul", sum_, _one(w, call, math.sqrt(2 / math.pi))))
    return w.node("Mul", half, w.node("Add", inner, _one(w, call, 1.0)))


@rule("silu")
def _silu(w: Writer, call: Call) -> str:
    x = w.value(call["input"])
    return w.node("Mul", x, w.node("Sigmoid", x))


@rule("softplus")
def _softplus(w: Writer, call: Call) -> str:
    x, beta = w.value(call["input"]), call["beta"]
    scaled = x if beta == 1 else w.node("Mul", x, _one(w, call, beta))
    y = w.node("Softplus", scaled)
    y = y if beta == 1 else w.node("Div", y, _one(w, call, beta))
    if call["threshold"] >= 20:  # where a float32 does not see the difference
        return y
    return w.node("Where", w.node("Greater", scaled, _one(w, call, call["threshold"])), x, y)


@rule("mish")
def _mish(w: Writer, call: Call) -> str:
    if w.opset >= 18:
        return w.node("Mish", call["input"])
    x = w.value(call["input"])
    return w.node("Mul", x, w.node("Tanh", w.node("Softplus", x)))


@rule("logsigmoid")
def _logsigmoid(w: Writer, call: Call) -> str:
    return w.node("Neg", w.node("Softplus", w.node("Neg", call["input"])))


@rule("softmax")
def _softmax(w: Writer, call: Call) -> str:
    return w.node("Softmax", call["input"], axis=int(call["dim"]))


@rule("log_softmax")
def _log_softmax(w: Writer, call: Call) -> str:
    return w.node("LogSoftmax", call["input"], axis=int(call["dim"]))


# ------------------------------------------------------------------------------------------------------------- reductions


def _dims(dim: Any, ndim: int) -> list[int] | None:
    if dim is None or not ndim:
        return None
    return [int(d) % max(ndim, 1) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]


def _given(call: Call) -> np.ndarray:
    """The tensor that a reduction reduces."""
    return np.asarray(call.inputs[0]) if not isinstance(call.inputs[0], np.ndarray) else call.inputs[0]


_REDUCTIONS = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "prod": "ReduceProd",
    "amax": "ReduceMax",
    "amin": "ReduceMin",
    "logsumexp": "ReduceLogSumExp",
}


@rule(*_REDUCTIONS)
def _reduction(w: Writer, call: Call) -> str:
    x = _given(call)
    dims = _dims(call["dim"], x.ndim)
    if dims == [] and isinstance(call["dim"], (tuple, list)):
        dims = None
    if not x.ndim:
        return w.cast(x, call.outs[0].dtype)
    name = w.cast(x, call.outs[0].dtype if call.outs[0].dtype.kind != "b" else np.int32)
    out = w.reduce(_REDUCTIONS[call.op.name], name, dims, bool(call["keepdim"]))
    return out if call.outs[0].dtype.kind != "b" else w.node("Cast", out, to=NUMBERS["bool"])


@rule("any", "all")
def _any(w: Writer, call: Call) -> str:
    x = _given(call)
    found = w.reduce(
        "ReduceMax" if call.op.name == "any" else "ReduceMin",
        w.node("Cast", w.cast(x, np.bool_), to=NUMBERS["int32"]),
        _dims(call["dim"], x.ndim),
        bool(call["keepdim"]),
    )
    return w.node("Cast", found, to=NUMBERS[call.outs[0].dtype.name])  # bool; of bytes, bytes


@rule("count_nonzero")
def _count_nonzero(w: Writer, call: Call) -> str:
    x = _given(call)
    return w.reduce("ReduceSum", w.node("Cast", w.cast(x, np.bool_), to=NUMBERS["int64"]), _dims(call["dim"], x.ndim), False)


@rule("var", "std")
def _var(w: Writer, call: Call) -> str:
    x = _given(call)
    dims = _dims(call["dim"], x.ndim) or list(range(x.ndim))
    name = w.cast(x, call.outs[0].dtype)
    off = w.node("Sub", name, w.reduce("ReduceMean", name, dims, True))
    spread = w.reduce("ReduceMean", w.node("Mul", off, off), dims, bool(call["keepdim"]))
    counts, correction = [w.shape(x)[d] for d in dims], call["correction"]
    if correction and any(isinstance(n, Size) for n in counts):
        count = w.node("Cast", w.reduce("ReduceProd", w.ints(counts), None, False), to=NUMBERS[call.outs[0].dtype.name])
        rest = w.node("Max", w.node("Sub", count, _one(w, call, correction)), _one(w, call, 0.0))
        spread = w.node("Div", w.node("Mul", spread, count), rest)  # 0 / 0 where nothing spreads
    elif correction:
        count = math.prod(counts)
        spread = w.node("Mul", spread, _one(w, call, count / (count - correction) if count > correction else math.nan))
    return spread if call.op.name == "var" else w.node("Sqrt", spread)


@rule("norm")
def _norm(w: Writer, call: Call) -> str:
    x, p = _given(call), call["p"]
    dims, keep = _dims(call["dim"], x.ndim), bool(call["keepdim"])
    if p in (1, 2):
        return w.reduce(f"ReduceL{int(p)}", x, dims, keep)
    size = w.node("Abs", x)
    if math.isinf(p):
        return w.reduce("ReduceMax" if p > 0 else "ReduceMin", size, dims, keep)
    if p == 0:
        return w.reduce("ReduceSum", w.node("Sign", size), dims, keep)
    total = w.reduce("ReduceSum", w.node("Pow", size, _one(w, call, p)), dims, keep)
    return w.node("Pow", total, _one(w, call, 1 / p))


@rule("argmax", "argmin")
def _argmax(w: Writer, call: Call) -> str:
    x, dim = _given(call), call["dim"]
    name = w.cast(x, np.int32) if x.dtype.kind == "b" else w.value(x)
    if dim is None:
        flat = w.node("Reshape", name, w.ints([-1]))
        out = w.node("ArgMax" if call.op.name == "argmax" else "ArgMin", flat, axis=0, keepdims=0)
        return w.reshape(out, call.outs[0].shape)
    return w.node("ArgMax" if call.op.name == "argmax" else "ArgMin", name, axis=int(dim), keepdims=int(bool(call["keepdim"])))


@rule("cumsum")
def _cumsum(w: Writer, call: Call) -> str:
    return w.node("CumSum", w.cast(_given(call), call.outs[0].dtype), w.value(int(call["dim"]), np.int64))


@rule("argsort")
def _argsort(w: Writer, call: Call) -> str:
    x = _given(call)
    if not x.ndim:
        return w.value(0, np.int64)
    dim = int(call["dim"]) % x.ndim
    return w.node("TopK", x, _length(w, x, dim), outputs=2, axis=dim, largest=int(bool(call["descending"])))[1]


def _length(w: Writer, x: np.ndarray, dim: int) -> str:
    """The size of a dimension as a 1-d tensor, read at run time."""
    return w.node("Gather", w.node("Shape", x), w.constant(np.array([dim], np.int64)), axis=0)


@rule("top_places")
def _top_places(w: Writer, call: Call) -> str:
    x = _given(call)
    return w.node("TopK", x, w.ints([call["k"]]), outputs=2, axis=int(call["dim"]), largest=int(bool(call["largest"])))[1]


@rule("euclidean")
def _euclidean(w: Writer, call: Call) -> str:
    off = w.node("Sub", w.node("Unsqueeze", call["x1"], w.ints([-2])), w.node("Unsqueeze", call["x2"], w.ints([-3])))
    return w.reduce("ReduceL2", off, [call.outs[0].ndim], False)


# ----------------------------------------------------------------------------------------------------------------- shapes


@rule("reshape")
def _reshape(w: Writer, call: Call) -> str:
    shape = call["shape"]
    sizes = shape if isinstance(shape, (tuple, list)) else [shape]
    return w.reshape(call.inputs[0], sizes)


@rule("permute")
def _permute(w: Writer, call: Call) -> str:
    ndim = call.outs[0].ndim
    return w.node("Transpose", call.inputs[0], perm=[int(d) % ndim for d in call["dims"]])


@rule("transpose")
def _transpose(w: Writer, call: Call) -> str:
    order = list(range(call.outs[0].ndim))
    a, b = int(call["dim0"]), int(call["dim1"])
    if order:
        order[a], order[b] = order[b], order[a]
    return w.node("Transpose", call.inputs[0], perm=order)


@rule("flip")
def _flip(w: Writer, call: Call) -> str:
    dims = _dims(call["dims"], call.outs[0].ndim) or []
    if not dims:
        return w.node("Identity", call.inputs[0])
    return w.node(
        "Slice", call.inputs[0], w.ints([-1] * len(dims)), w.ints([-(2**63) + 1] * len(dims)), w.ints(dims), w.ints([-1] * len(dims))
    )


@rule("roll")
def _roll(w: Writer, call: Call) -> str:
    x = _given(call)
    shifts = call["shifts"] if isinstance(call["shifts"], (tuple, list)) else (call["shifts"],)
    dims = _dims(call["dims"], x.ndim)
    name = w.value(x) if dims is not None else w.node("Reshape", x, w.ints([-1]))
    sizes = w.shape(x) if dims is not None else [_count(w, x) if w.varies(x) else x.size]
    for s, d in zip(w.fixed(list(shifts)), dims if dims is not None else [0], strict=True):
        n, s = sizes[d], int(s)
        if isinstance(n, (Size, str)):
            length = n if isinstance(n, str) else w.ints([n])
            places = w.node("Mod", w.ints([-s]), w.node("Max", length, w.ints([1])))  # which a shift may be larger than
            last = w.node("Slice", name, places, w.ints([2**62]), w.ints([d]))
            name = w.node("Concat", last, w.node("Slice", name, w.ints([0]), places, w.ints([d])), axis=d)
        elif s := s % max(n, 1):
            name = w.node("Concat", w.pieces(name, d, -s, 2**62), w.pieces(name, d, 0, -s), axis=d)
    return name if dims is not None else w.reshape(name, w.shape(x))


def _count(w: Writer, x: np.ndarray) -> str:
    """The number of elements as a 1-d tensor, read at run time."""
    return w.node("Reshape", w.node("Size", x), w.ints([1]))


@rule("cat")
def _cat(w: Writer, call: Call) -> str:
    used = [x for x in call.inputs if x.ndim == call.outs[0].ndim]  # an empty tensor of one dimension may be among them
    return w.node("Concat", *[w.cast(x, call.outs[0].dtype) for x in used], axis=int(call["dim"]))


@rule("stack")
def _stack(w: Writer, call: Call) -> str:
    dim = int(call["dim"]) % call.outs[0].ndim
    parts = [w.node("Unsqueeze", w.cast(x, call.outs[0].dtype), w.ints([dim])) for x in call.inputs]
    return w.node("Concat", *parts, axis=dim)


@rule("unbind")
def _unbind(w: Writer, call: Call) -> list[str]:
    (x,) = call.inputs
    dim = int(call["dim"]) % x.ndim
    return [w.node("Gather", x, w.value(i, np.int64), axis=dim) for i in range(len(call.outs))]


@rule("split")
def _split(w: Writer, call: Call) -> list[str]:
    (x,), sizes = call.inputs, list(call["sizes"])
    if len(sizes) == 1:
        return [w.node("Identity", x)]
    return w.node("Split", x, w.ints(sizes), outputs=len(sizes), axis=int(call["dim"]))


@rule("pad_constant")
def _pad_constant(w: Writer, call: Call) -> str:
    (x,) = call.inputs
    widths = call["widths"]
    if not widths:
        return w.node("Identity", x)
    return w.node("Pad", x, w.ints([a for a, _ in widths] + [b for _, b in widths]), w.value(call["value"], x.dtype))


@rule("crop")
def _crop(w: Writer, call: Call) -> str:
    (x,) = call.inputs
    name = w.value(x)
    for d, (a, b) in enumerate(call["widths"]):
        if a or b:
            name = w.pieces(name, d, a, -b if b else 2**62)
    return name


@rule("tril", "triu")
def _tril(w: Writer, call: Call) -> str:
    (x,) = call.inputs
    dtype = np.dtype(np.int32) if x.dtype.kind == "b" else x.dtype
    if w.opset < 14 and not w.varies(x):
        kept = (np.tril if call.op.name == "tril" else np.triu)(np.ones(x.shape[-2:], bool), int(call["diagonal"]))
        out = w.node("Where", w.constant(kept), w.cast(x, dtype), w.value(0, dtype))
    else:
        w.need(14, "a triangle of a size that varies")
        out = w.node("Trilu", w.cast(x, dtype), w.value(int(call["diagonal"]), np.int64), upper=int(call.op.name == "triu"))
    return w.node("Cast", out, to=NUMBERS["bool"]) if x.dtype.kind == "b" else out


@rule("broadcast_to")
def _broadcast_to(w: Writer, call: Call) -> str:
    return w.node("Expand", call.inputs[0], w.ints(call["shape"]))


@rule("sum_to")
def _sum_to(w: Writer, call: Call) -> str:
    x, shape = call.inputs[0], call["shape"]
    lead = x.ndim - len(shape)
    dims = [*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1]]
    return w.reshape(w.reduce("ReduceSum", x, dims, True), shape)


def _by_position(w: Writer, call: Call, function: Any) -> str:
    """An op that only moves elements, as a gather of the positions that it moves."""
    (x,) = call.inputs[:1]
    places = function(np.arange(x.size).reshape(x.shape))
    flat = w.node("Reshape", x, w.ints([-1]))
    return w.node("Gather", flat, w.constant(np.ascontiguousarray(places, np.int64)), axis=0)


@rule("diagonal")
def _moved(w: Writer, call: Call) -> str:
    if w.varies(call.inputs[0]):
        raise OnnxError(f"export: {where(call)}: which elements it takes depends on the size of a dynamic axis, and has no counterpart")
    return _by_position(w, call, lambda places: call.op.run((places,), call.statics))


# --------------------------------------------------------------------------------------------------------------- indexing


@rule("getitem")
def _getitem(w: Writer, call: Call) -> str:
    (x,), index = call.inputs, call["index"]
    arrays = [k for k in index if isinstance(k, np.ndarray)]
    if isinstance(known := w.names.get(id(x)), LastOnly) and all(k is Ellipsis for k in index[1:]):
        if isinstance(index[0], int) and index[0] == -1:
            return w.node("Identity", str(known))
        if np.array_equal(index[0], [-1]):
            return w.node("Unsqueeze", str(known), w.ints([0]))
    if not arrays:
        return _basic(w, w.value(x), x.ndim, index)
    full = _written_out(index, x.ndim)
    if len(arrays) == 1 and arrays[0].dtype.kind != "b" and all(k is None or isinstance(k, (slice, np.ndarray)) for k in full):
        at = next(i for i, k in enumerate([k for k in full if k is not None]) if isinstance(k, np.ndarray))
        name = w.node(
            "Gather",
            _basic(w, w.value(x), x.ndim, [slice(None) if isinstance(k, np.ndarray) else k for k in full if k is not None]),
            arrays[0],
            axis=at,
        )
        places, position = [], 0
        for k in full:
            if k is None:
                places.append(position)
            position += arrays[0].ndim if isinstance(k, np.ndarray) else 1
        return w.node("Unsqueeze", name, w.ints(places)) if places else name
    if all(w.is_constant(k) for k in arrays):
        _check_fixed(w, call, w.shape(x))
        return _by_position(w, call, lambda places: places[index])
    if full and all(isinstance(k, np.ndarray) for k in full[: len(arrays)]) and all(k == slice(None) for k in full[len(arrays) :]):
        if len(arrays) == 1 and arrays[0].dtype.kind == "b":
            places = w.node("Transpose", w.node("NonZero", arrays[0]), perm=[1, 0])
            return w.node("GatherND", x, places)
        if all(k.dtype.kind != "b" for k in arrays):
            return w.node("GatherND", x, _tuples(w, arrays))
    raise OnnxError(f"export: {where(call)}: an index of this kind, with positions that are computed, has no counterpart")


def _check_fixed(w: Writer, call: Call, shape: Sequence[Any]) -> None:
    """Raise :class:`OnnxError` if the positions of known indices in the flattened tensor depend on a size that varies."""
    free = 1 if isinstance(call["index"][0], np.ndarray) else 0  # how long the first dimension is does not matter where an array indexes it
    if any(isinstance(n, Size) for n in shape[free:]):
        raise OnnxError(f"export: {where(call)}: these positions depend on the size of a dynamic axis, and have no counterpart")


def _broadcast(w: Writer, arrays: Sequence[np.ndarray]) -> list[Any]:
    """The shape to which index arrays are broadcast."""
    shapes = [w.shape(k) for k in arrays]
    lengths = [[shape[d] for shape in shapes if len(shape) >= -d] for d in range(-max(map(len, shapes)), 0)]
    return [next((n for n in found if isinstance(n, Size) or n != 1), 1) for found in lengths]


def _tuples(w: Writer, arrays: Sequence[np.ndarray]) -> str:
    """Index arrays as one array of tuples of positions."""
    shape = _broadcast(w, arrays)
    columns = [w.node("Unsqueeze", w.node("Expand", k, w.ints(shape)), w.ints([len(shape)])) for k in arrays]
    return columns[0] if len(columns) == 1 else w.node("Concat", *columns, axis=len(shape))


def _written_out(index: Sequence[Any], ndim: int) -> list[Any]:
    """An index with ``...`` written out, and slices for what it does not name."""
    used = sum(k.ndim if isinstance(k, np.ndarray) and k.dtype.kind == "b" else 1 for k in index if k is not None and k is not Ellipsis)
    fill = [slice(None)] * (ndim - used)
    place = next((i for i, k in enumerate(index) if k is Ellipsis), None)
    return [*index, *fill] if place is None else [*index[:place], *fill, *index[place + 1 :]]


def _basic(w: Writer, name: str, ndim: int, index: Sequence[Any]) -> str:
    """Ints, slices and None of an index."""
    starts, ends, axes, steps, gone, new = [], [], [], [], [], []
    axis = result = 0
    for k in _written_out(index, ndim):
        if k is None:
            new.append(result)
            result += 1
            continue
        if isinstance(k, slice):
            if k != slice(None) and not (k.start in (None, 0) and k.stop is None and k.step in (None, 1)):
                step = 1 if k.step is None else k.step
                starts.append((0 if step > 0 else 2**62) if k.start is None else k.start)
                ends.append((2**62 if step > 0 else -(2**62)) if k.stop is None else k.stop)
                axes.append(axis)
                steps.append(step)
            result += 1
        else:
            starts.append(k)
            ends.append(2**62 if k == -1 else k + 1)
            axes.append(axis)
            steps.append(1)
            gone.append(axis)
        axis += 1
    if axes:
        name = w.node("Slice", name, w.ints(starts), w.ints(ends), w.ints(axes), w.ints(steps))
    if gone:
        name = w.node("Squeeze", name, w.ints(gone))
    if new:
        name = w.node("Unsqueeze", name, w.ints(new))
    return name if axes or gone or new else w.node("Identity", name)


@rule("setitem")
def _setitem(w: Writer, call: Call) -> str:
    x, v = call.inputs
    return _put(w, call, x, v, "none")


@rule("put_add")
def _put_add(w: Writer, call: Call) -> str:
    g = call.inputs[0]
    zeros = w.constant(np.zeros(call["shape"], g.dtype))
    return _put(w, call, zeros, g, "add", tuple(call["shape"]))


def _put(w: Writer, call: Call, x: Any, v: Any, reduction: str, shape: tuple[int, ...] | None = None) -> str:
    """``x[index] = v`` as a scatter into the flattened tensor."""
    index = call["index"]
    shape = tuple(w.shape(x)) if shape is None else shape
    dtype = call.outs[0].dtype
    arrays = [k for k in index if isinstance(k, np.ndarray)]
    if any(isinstance(n, Size) for n in shape) and not arrays and reduction == "none":
        first, one = w.value(0, np.int64), w.value(1, np.int64)
        numbers = w.node("Reshape", w.node("Range", first, w.node("Size", x), one), w.node("Shape", x))
        cells = _basic(w, numbers, len(shape), index)
        values = w.node("Reshape", w.node("Expand", w.cast(v, dtype), w.node("Shape", cells)), w.ints([-1]))
        flat = w.node("Reshape", w.cast(x, dtype), w.ints([-1]))
        name = w.node("ScatterElements", flat, w.node("Reshape", cells, w.ints([-1])), values, axis=0)
        return w.node("Reshape", name, w.node("Shape", x))
    if all(w.is_constant(k) for k in arrays):
        _check_fixed(w, call, shape)
        places = np.ascontiguousarray(np.arange(math.prod(shape)).reshape(shape)[index], np.int64)
        values = w.node("Reshape", w.node("Expand", w.cast(v, dtype), w.ints(places.shape)), w.ints([-1]))
        name = w.node("Reshape", x if isinstance(x, str) else w.cast(x, dtype), w.ints([-1]))
        positions = w.constant(places.reshape(-1))
        if reduction == "none":
            name = w.node("ScatterElements", name, positions, values, axis=0)
        else:
            w.need(16, "adding at positions")
            name = w.node("ScatterElements", name, positions, values, axis=0, reduction=reduction)
        return w.reshape(name, shape)
    full = _written_out(index, len(shape))
    if len(arrays) == 1 and arrays[0].dtype.kind == "b" and arrays[0].shape == tuple(shape) and np.ndim(v) == 0 and reduction == "none":
        return w.node("Where", arrays[0], w.cast(v, dtype), x if isinstance(x, str) else w.cast(x, dtype))
    if all(isinstance(k, np.ndarray) and k.dtype.kind != "b" for k in full[: len(arrays)]) and all(
        k == slice(None) for k in full[len(arrays) :]
    ):
        lead = _broadcast(w, arrays)
        values = w.node("Expand", w.cast(v, dtype), w.ints([*lead, *shape[len(arrays) :]]))
        w.need(16 if reduction != "none" else 13, "adding at positions")
        return w.node(
            "ScatterND",
            x if isinstance(x, str) else w.cast(x, dtype),
            _tuples(w, arrays),
            values,
            reduction=reduction if reduction != "none" else None,
        )
    raise OnnxError(f"export: {where(call)}: an index of this kind, with positions that are computed, has no counterpart")


@rule("one_hot")
def _one_hot(w: Writer, call: Call) -> str:
    (x,) = call.inputs
    return w.node("OneHot", x, w.value(call.outs[0].shape[-1], np.int64), w.constant(np.array([0, 1], np.int64)), axis=-1)


@rule("argwhere")
def _argwhere(w: Writer, call: Call) -> str:
    return w.node("Transpose", w.node("NonZero", call.inputs[0]), perm=[1, 0])


@rule("embedding")
def _embedding(w: Writer, call: Call) -> str:
    return w.node("Gather", call["weight"], call["input"], axis=0)


# --------------------------------------------------------------------------------------------------------------- products


@rule("matmul")
def _matmul(w: Writer, call: Call) -> str:
    return w.node("MatMul", *w.operands(call))


@rule("linear")
def _linear(w: Writer, call: Call) -> str:
    x, weight, bias = call["input"], call["weight"], call["bias"]
    if x.ndim == 2:
        return w.node("Gemm", x, weight, bias, transB=1)
    y = w.node("MatMul", x, w.node("Transpose", weight, perm=[1, 0]))
    return y if bias is None else w.node("Add", y, bias)


@rule("contract")
def _contract(w: Writer, call: Call) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    a, b, out = ["".join(letters[i] for i in labels) for labels in call["labels"]]
    return w.node("Einsum", *w.operands(call), equation=f"{a},{b}->{out}")


@rule("conv")
def _conv(w: Writer, call: Call) -> str:
    x, weight, window = call["x"], call["w"], call["window"]
    before, after = zip(*window.padding, strict=True)
    return w.node(
        "Conv", x, weight, call["bias"], dilations=list(window.dilation), group=x.shape[1] // weight.shape[1],
        kernel_shape=list(weight.shape[2:]), pads=[*before, *after], strides=list(window.stride),
    )  # fmt: skip


@rule("conv_input")
def _conv_input(w: Writer, call: Call) -> str:
    y, weight, window, shape = call["y"], call["w"], call["window"], call["shape"]
    before, after = zip(*window.padding, strict=True)
    extra = [
        int(n) - ((m - 1) * s - a - b + d * (k - 1) + 1)
        for n, m, s, a, b, d, k in zip(shape[2:], y.shape[2:], window.stride, before, after, window.dilation, weight.shape[2:], strict=True)
    ]
    rest = [b - e for b, e in zip(after, extra, strict=True)]  # what remains is padding of the output
    pads, grown = [max(b, 0) for b in rest], [max(-b, 0) for b in rest]
    return w.node(
        "ConvTranspose", y, weight, call["bias"], dilations=list(window.dilation), group=shape[1] // weight.shape[1],
        kernel_shape=list(weight.shape[2:]), pads=[*before, *pads], strides=list(window.stride), output_padding=grown if any(grown) else None,
    )  # fmt: skip


@rule("masked_scale")
def _masked_scale(w: Writer, call: Call) -> str:
    x, keep = call.inputs
    dtype = call.outs[0].dtype
    return w.node("Mul", w.node("Mul", w.cast(x, dtype), w.cast(keep, dtype)), _one(w, call, call["scale"]))


# ---------------------------------------------------------------------------------------------------------------- pooling


def _settings(call: Call) -> dict[str, Any] | None:
    """Kernel, strides, dilations and pads of windows; None if they are not all alike. Raises :class:`OnnxError` if these depend on the input's size."""
    axes = call["axes"]
    if _varies(axes):
        if any(isinstance(n, Size) for axis in axes for n in (axis.kernel, axis.stride)) or not all(axis.stride for axis in axes):
            raise OnnxError(
                f"export: {where(call)}: the size of the windows depends on the size of a dynamic axis, and ONNX takes a number there"
            )
        padding = [-int(axis.starts[0]) for axis in axes]
        return {
            "kernel_shape": [axis.kernel for axis in axes],
            "strides": [axis.stride for axis in axes],
            "dilations": [axis.dilation for axis in axes],
            "pads": padding * 2,
            "ceil_mode": 1 if axes[0].ceil else None,
        }
    return _regular(axes) if _is_even(axes) else None


def _varies(axes: Any) -> bool:
    return any(isinstance(axis.size, Size) for axis in axes)


def _is_global(axes: Any) -> bool:
    """Whether there is one window, which is the whole input, also where its size varies."""
    same = lambda a, b: isinstance(a, Size) == isinstance(b, Size) and a == b
    return all(same(axis.kernel, axis.size) and same(axis.out, 1) and axis.starts[0] == 0 for axis in axes)


def _regular(axes: Any) -> dict[str, Any] | None:
    """Kernel, strides, dilations and pads of windows; None if they are not all alike."""
    before, after, strides = [], [], []
    for axis in axes:
        starts = [int(s) for s in axis.starts]
        step = (
            starts[1] - starts[0] if len(starts) > 1 else axis.size + abs(starts[0]) + axis.kernel * axis.dilation
        )  # one window: no other fits
        if any(b - a != step for a, b in itertools.pairwise(starts)) or step < 1:
            return None
        before.append(-starts[0])
        after.append(max(starts[-1] + (axis.kernel - 1) * axis.dilation + 1 - axis.size, 0))
        strides.append(step)
    if min(before) < 0:
        return None
    return {
        "kernel_shape": [axis.kernel for axis in axes],
        "strides": strides,
        "dilations": [axis.dilation for axis in axes],
        "pads": [*before, *after],
    }


def _windows(axis: Any) -> list[tuple[int, int]]:
    """Begin and end of each window along an axis, where it is inside the input."""
    ends = [(axis.size, 0)] * axis.out
    for _, windows, cells in axis.places:
        for o, c in zip(range(windows.start, windows.stop), range(cells.start, cells.stop, cells.step or 1), strict=True):
            ends[o] = (min(ends[o][0], c), max(ends[o][1], c + 1))
    return ends


def _is_even(axes: Any) -> bool:
    """Whether :func:`_regular` tells the whole truth: windows of an adaptive pooling differ in size."""
    for axis in axes:
        counts = [0] * axis.out
        for _, windows, _cells in axis.places:
            for o in range(windows.start, windows.stop):
                counts[o] += 1
        for o, start in enumerate(int(s) for s in axis.starts):
            inside = sum(0 <= start + i * axis.dilation < axis.size for i in range(axis.kernel))
            if inside != counts[o]:
                return False
    return True


@rule("max_pool")
def _max_pool(w: Writer, call: Call) -> str:
    (x,), axes = call.inputs, call["axes"]
    if _is_global(axes):
        return w.node("GlobalMaxPool", x)
    settings = _settings(call)
    if settings is not None:
        return w.node("MaxPool", x, **settings)
    name = w.value(x)
    for d, axis in enumerate(axes):
        parts = [w.reduce("ReduceMax", w.pieces(name, 2 + d, a, b), [2 + d], True) for a, b in _windows(axis)]
        name = w.node("Concat", *parts, axis=2 + d)
    return name


@rule("max_pool_index")
def _max_pool_index(w: Writer, call: Call) -> str:
    (x,), axes = call.inputs, call["axes"]
    settings = _settings(call)
    if settings is None:
        raise OnnxError(f"export: {where(call)}: positions of maxima in windows of different sizes have no counterpart")
    index = w.node("MaxPool", x, outputs=2, **settings)[1]
    cells = w.value(math.prod(x.shape[2:]), np.int64)
    if _varies(axes):
        cells = w.reduce("ReduceProd", w.pieces(w.node("Shape", x), 0, 2, 2**62), None, False)
    return w.node("Mod", index, cells)  # ONNX counts through images and channels


@rule("take_cells")
def _take_cells(w: Writer, call: Call) -> str:
    x, index = call.inputs
    flat = w.node("Reshape", x, w.ints([0, 0, -1]))
    places = w.node("Reshape", index, w.ints([0, 0, -1]))
    return w.node("Reshape", w.node("GatherElements", flat, places, axis=2), w.node("Shape", index))


@rule("avg_pool")
def _avg_pool(w: Writer, call: Call) -> str:
    (x,), axes = call.inputs, call["axes"]
    if call["padded"] is not None and _is_global(axes):
        return w.node("GlobalAveragePool", x)
    settings = _settings(call)
    if settings is not None and _varies(axes):
        return _avg_pool_of_sizes(w, call, settings)
    divisor = np.asarray(call["divisor"])
    if settings is None:
        name = w.value(x)
        for d, axis in enumerate(axes):
            matrix = np.zeros((axis.size, axis.out), x.dtype)
            for _, windows, cells in axis.places:
                matrix[cells, windows] += np.eye(windows.stop - windows.start, dtype=x.dtype)
            last = 1 + len(axes)
            swap = list(range(x.ndim))
            swap[2 + d], swap[last] = swap[last], swap[2 + d]
            turned = name if 2 + d == last else w.node("Transpose", name, perm=swap)
            name = w.node("MatMul", turned, w.constant(matrix))
            name = name if 2 + d == last else w.node("Transpose", name, perm=swap)
        return w.node("Div", name, w.constant(divisor.astype(x.dtype)))
    whole = math.prod(settings["kernel_shape"])
    if divisor.ndim == 0 and divisor == whole and not any(settings["pads"]):
        return w.node("AveragePool", x, **{k: v for k, v in settings.items() if k != "dilations" or w.opset >= 19})
    pooled = w.node("AveragePool", x, count_include_pad=1, **{k: v for k, v in settings.items() if k != "dilations" or w.opset >= 19})
    if divisor.ndim == 0 and divisor == whole:
        return pooled
    factor = np.broadcast_to((whole / divisor).astype(x.dtype), [1] * (x.ndim - divisor.ndim) + list(divisor.shape))
    return w.node("Mul", pooled, w.constant(np.ascontiguousarray(factor)))


def _avg_pool_of_sizes(w: Writer, call: Call, settings: dict[str, Any]) -> str:
    """The means of windows on inputs of other sizes: what they are divided by follows from the size."""
    (x,), divisor, padded = call.inputs, call["divisor"], call["padded"]
    if w.opset < 19:
        settings = {**settings, "dilations": None}
    if padded is not None and not (padded and any(settings["pads"])):
        return w.node("AveragePool", x, **settings)
    if settings["ceil_mode"] or np.ndim(divisor):
        raise OnnxError(
            f"export: {where(call)}: what these windows are divided by depends on the size of a dynamic axis, and ONNX counts otherwise"
        )
    pooled = w.node("AveragePool", x, count_include_pad=1, **settings)
    return pooled if padded else w.node("Mul", pooled, _one(w, call, math.prod(settings["kernel_shape"]) / w.fixed(divisor)))


@rule("unfold")
def _unfold(w: Writer, call: Call) -> str:
    if "step" in call.statics:  # windows along one dimension
        return _moved(w, call)
    (x,) = call.inputs
    pair = lambda v: [int(n) for n in (v if isinstance(v, (tuple, list)) else (v, v))]
    kernel, padding = pair(call["kernel_size"]), pair(call["padding"])
    channels, cells = x.shape[-3], math.prod(kernel)
    weight = np.tile(np.eye(cells, dtype=x.dtype).reshape(cells, 1, *kernel), (channels, 1, 1, 1))
    name = w.value(x) if x.ndim == 4 else w.node("Unsqueeze", x, w.ints([0]))
    y = w.node(
        "Conv", name, w.constant(weight), dilations=pair(call["dilation"]), group=channels, kernel_shape=kernel, pads=[*padding, *padding],
        strides=pair(call["stride"]),
    )  # fmt: skip
    y = w.node("Reshape", y, w.ints([0, 0, -1]))
    return y if x.ndim == 4 else w.node("Squeeze", y, w.ints([0]))


@rule("fold")
def _fold(w: Writer, call: Call) -> str:
    w.need(18, "fold")
    (x,) = call.inputs
    pair = lambda v: [int(n) for n in (v if isinstance(v, (tuple, list)) else (v, v))]
    padding = pair(call["padding"])
    name = w.value(x) if x.ndim == 3 else w.node("Unsqueeze", x, w.ints([0]))
    y = w.node(
        "Col2Im", name, w.ints(pair(call["output_size"])), w.ints(pair(call["kernel_size"])), dilations=pair(call["dilation"]),
        pads=[*padding, *padding], strides=pair(call["stride"]),
    )  # fmt: skip
    return y if x.ndim == 3 else w.node("Squeeze", y, w.ints([0]))


# ---------------------------------------------------------------------------------------------------------- normalisation


@rule("affine")
def _affine(w: Writer, call: Call) -> str:
    x, mean, scale, shift, shape = call["x"], call["m"], call["a"], call["c"], call["shape"]
    found = _batch_norm(w, scale)
    if found is not None and x.ndim > 1 and mean.ndim == 1:
        weight, variance, eps = found
        channels = mean.shape[0]
        ones, zeros = np.ones(channels, x.dtype), np.zeros(channels, x.dtype)
        factors = w.constant(ones) if weight is None else w.value(weight)
        return w.node("BatchNormalization", x, factors, w.constant(zeros) if shift is None else shift, mean, variance, epsilon=eps)
    view = lambda v: w.node("Reshape", v, w.ints(shape))
    y = w.node("Mul", w.node("Sub", x, view(mean)), view(scale))
    return y if shift is None else w.node("Add", y, view(shift))


def _batch_norm(w: Writer, scale: Any) -> tuple[Any, Any, float] | None:
    """(weight, variance, eps) if ``scale`` is weight / sqrt(variance + eps)."""
    call = w.producers.get(id(scale))
    weight = None
    if call is not None and call.op.name == "mul":
        factor, weight = call.inputs
        call = w.producers.get(id(factor))
    if call is None or call.op.name != "rsqrt":
        return None
    inner = w.producers.get(id(call.inputs[0]))
    if inner is None or inner.op.name != "add" or isinstance(inner.inputs[1], np.ndarray) or not isinstance(inner.inputs[0], np.ndarray):
        return None
    return weight, inner.inputs[0], float(inner.inputs[1])


@rule("standardize")
def _standardize(w: Writer, call: Call) -> list[str]:
    x, weight, bias = call["x"], call["weight"], call["bias"]
    dims, shape, eps = [d % x.ndim for d in call["dim"]], call["shape"], float(call["eps"])
    mean = w.reduce("ReduceMean", x, dims, True)
    off = w.node("Sub", x, mean)
    variance = w.reduce("ReduceMean", w.node("Mul", off, off), dims, True)
    first = x.ndim - len(dims)
    if (
        w.opset >= 17
        and dims == list(range(first, x.ndim))
        and all(n == 1 for n in shape[:first])
        and tuple(shape[first:]) == x.shape[first:]
        and not any(isinstance(n, Size) for n in w.shape(x)[first:])
    ):
        ones = np.ones(x.shape[first:], x.dtype)
        view = lambda v: v if v is None or v.shape == x.shape[first:] else w.node("Reshape", v, w.ints(x.shape[first:]))
        return [
            w.node("LayerNormalization", x, w.constant(ones) if weight is None else view(weight), view(bias), axis=first, epsilon=eps),
            mean,
            variance,
        ]
    if dims == list(range(2, x.ndim)) and x.ndim > 2 and math.prod(shape) in (1, x.shape[1]):
        channels = x.shape[1]
        factors = w.constant(np.ones(channels, x.dtype)) if weight is None else w.node("Reshape", weight, w.ints([channels]))
        shifts = w.constant(np.zeros(channels, x.dtype)) if bias is None else w.node("Reshape", bias, w.ints([channels]))
        if all(n == 1 for i, n in enumerate(shape) if i != 1):
            return [w.node("InstanceNormalization", x, factors, shifts, epsilon=eps), mean, variance]
    y = w.node("Div", off, w.node("Sqrt", w.node("Add", variance, w.value(eps, x.dtype))))
    y = y if weight is None else w.node("Mul", y, w.node("Reshape", weight, w.ints(shape)))
    y = y if bias is None else w.node("Add", y, w.node("Reshape", bias, w.ints(shape)))
    return [y, mean, variance]


# -------------------------------------------------------------------------------------------------------------- recurrent


def _source(w: Writer, sums: np.ndarray) -> tuple[str, str, str | None, bool] | None:
    """Input, weight and bias behind the ``sums`` of a recurrent op, and whether time runs backwards; None if they were made otherwise."""
    call = w.producers.get(id(sums))
    backwards = False
    if call is not None and call.op.name == "flip" and tuple(_dims(call["dims"], 3) or ()) == (0,):
        backwards, call = True, w.producers.get(id(call.inputs[0]))
    if call is None or call.op.name != "linear" or call["input"].ndim != 3:
        return None
    x, weight, bias = call["input"], call["weight"], call["bias"]
    return w.value(x), w.value(weight), None if bias is None else w.value(bias), backwards


def _turn(w: Writer, x: str, order: Sequence[int]) -> str:
    """The gates in another order, along dimension 0."""
    if list(order) == list(range(len(order))):
        return x
    cut = w.node("Split", x, outputs=len(order), axis=0, num_outputs=len(order) if w.opset >= 18 else None)
    return w.node("Concat", *[cut[i] for i in order], axis=0)


def _recurrent(
    w: Writer, call: Call, operator: str, order: Sequence[int], states: Sequence[Any], bias: Any, **attributes: Any
) -> list[str]:
    """The node, and its results with the dimension of directions taken away: all states, the last ones."""
    sums, weight = call["sums"], call["weight"]
    found = _source(w, sums)
    rows, size = weight.shape
    if found is None:  # the sums are the input, and the weight is the identity
        found = (w.value(sums), w.constant(np.eye(rows, dtype=sums.dtype)), None, False)
    x, w_ih, b_ih, backwards = found
    if backwards:
        x = w.node("Slice", x, w.ints([-1]), w.ints([-(2**63) + 1]), w.ints([0]), w.ints([-1]))
    zeros = w.constant(np.zeros(rows, sums.dtype))
    both = None
    if b_ih is not None or bias is not None:
        b = [zeros if v is None else _turn(w, v if isinstance(v, str) else w.value(v), order) for v in (b_ih, bias)]
        both = w.node("Unsqueeze", w.node("Concat", *b, axis=0), w.ints([0]))
    first = w.ints([0])
    results = w.node(
        operator, x, w.node("Unsqueeze", _turn(w, w_ih, order), first), w.node("Unsqueeze", _turn(w, w.value(weight), order), first), both, None,
        *[w.node("Unsqueeze", s, first) for s in states], outputs=1 + len(states), hidden_size=size, **attributes,
    )  # fmt: skip
    return [w.node("Squeeze", results[0], w.ints([1])), *[w.node("Squeeze", r, first) for r in results[1:]]]


@rule("rnn")
def _rnn(w: Writer, call: Call) -> str:
    return _recurrent(w, call, "RNN", (0,), [call["h"]], None, activations=["Relu" if call["rectified"] else "Tanh"])[0]


@rule("gru")
def _gru(w: Writer, call: Call) -> list[Any]:
    return [_recurrent(w, call, "GRU", (1, 0, 2), [call["h"]], call["bias"], linear_before_reset=1)[0], None, None]


@rule("lstm")
def _lstm(w: Writer, call: Call) -> list[Any]:
    states, _, cell = _recurrent(w, call, "LSTM", (0, 3, 1, 2), [call["h"], call["c"]], None)
    return [states, LastOnly(cell), None]
