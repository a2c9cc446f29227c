"""Operators that work element by element, and softmax and its like."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.onnx.limits import room
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import constant, number, operator, plain

plain(
    {
        "Abs": mg.abs, "Acos": mg.acos, "Acosh": mg.acosh, "Asin": mg.asin, "Asinh": mg.asinh, "Atan": mg.atan, "Atanh": mg.atanh,
        "BitwiseNot": mg.bitwise_not, "Ceil": mg.ceil, "Cos": mg.cos, "Cosh": mg.cosh, "Erf": mg.erf, "Exp": mg.exp, "Floor": mg.floor,
        "HardSwish": F.hardswish, "IsNaN": mg.isnan, "Log": mg.log, "Mish": F.mish, "Neg": mg.neg, "Not": mg.logical_not,
        "Reciprocal": mg.reciprocal, "Relu": mg.relu, "Round": mg.round, "Sigmoid": mg.sigmoid, "Sign": mg.sign, "Sin": mg.sin,
        "Sinh": mg.sinh, "Softsign": F.softsign, "Sqrt": mg.sqrt, "Tan": mg.tan, "Tanh": mg.tanh,
    }
)  # fmt: skip


def _sized(function: Any) -> Any:
    """The function, after the size of its broadcast result was found to be allowed."""

    @functools.wraps(function)
    def call(a: Any, b: Any) -> Any:
        if a._data.shape != b._data.shape:
            room(np.broadcast_shapes(a._data.shape, b._data.shape), a._data.dtype)
        return function(a, b)

    return call


def _div(a: Any, b: Any) -> Any:
    if a._data.dtype.kind == "f":
        return a / b
    if not b._data.all():
        raise OnnxError("onnx: Div: division of integers by zero")
    return mg.div(a, b, rounding_mode="trunc")


def _pow(a: Any, b: Any) -> Any:
    if a._data.dtype == b._data.dtype:
        return mg.pow(a, b)
    if a._data.dtype.kind != "f" and b._data.dtype.kind == "f":
        return mg.pow(a.double(), b.double()).to(a._data.dtype)
    return mg.pow(a, b.to(a._data.dtype))


def _enter(name: str, function: Any) -> None:
    sized = _sized(function)

    @operator(name)
    def call(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
        if axis is not None:  # before version 7: the dimension of a that the first one of b is
            b = mg.reshape(b, (*b._data.shape, *[1] * (a._data.ndim - axis % a._data.ndim - b._data.ndim)))
        return sized(a, b)


_BINARY = {
    "Add": mg.add, "And": mg.logical_and, "BitwiseAnd": mg.bitwise_and, "BitwiseOr": mg.bitwise_or, "BitwiseXor": mg.bitwise_xor,
    "Div": _div, "Equal": mg.eq, "Greater": mg.gt, "GreaterOrEqual": mg.ge, "Less": mg.lt, "LessOrEqual": mg.le, "Mul": mg.mul,
    "Or": mg.logical_or, "Pow": _pow, "Sub": mg.sub, "Xor": mg.logical_xor,
}  # fmt: skip
for _name, _function in _BINARY.items():
    _enter(_name, _function)


@operator("Identity")
def _identity(x: Any) -> Any:
    return x


@operator("Mod")
def _mod(a: Any, b: Any, *, fmod: int = 0) -> Any:
    room(np.broadcast_shapes(a._data.shape, b._data.shape), a._data.dtype)
    if a._data.dtype.kind != "f" and not b._data.all():
        raise OnnxError("onnx: Mod: division of integers by zero")
    return mg.fmod(a, b) if fmod else mg.remainder(a, b)


@operator("BitShift")
def _bit_shift(a: Any, b: Any, *, direction: str) -> Any:
    return (mg.bitwise_left_shift if direction == "LEFT" else mg.bitwise_right_shift)(a, b)


@operator("BitCast")
def _bit_cast(x: Any, *, to: int) -> Any:
    from minigrad.onnx.reader import dtype_of_type

    dtype = dtype_of_type(to)
    data = np.ascontiguousarray(x._data).reshape(x._data.shape)
    if dtype.itemsize != data.dtype.itemsize:
        raise OnnxError(f"onnx: BitCast: from {data.dtype.name} to {dtype}, of another size")
    return constant((data.view(np.uint8) & 1 if dtype.kind == "b" else data).view(dtype))


@operator("Sum")
def _sum(*xs: Any) -> Any:
    return functools.reduce(_sized(mg.add), xs)


@operator("Mean")
def _mean(*xs: Any) -> Any:
    return functools.reduce(_sized(mg.add), xs) / len(xs)


@operator("Max")
def _max(*xs: Any) -> Any:
    return functools.reduce(_sized(mg.maximum), xs)


@operator("Min")
def _min(*xs: Any) -> Any:
    return functools.reduce(_sized(mg.minimum), xs)


@operator("Where")
def _where(condition: Any, a: Any, b: Any) -> Any:
    room(np.broadcast_shapes(condition._data.shape, a._data.shape, b._data.shape), a._data.dtype)
    return mg.where(condition, a, b)


@operator("Clip", settings=(1, 2))
def _clip(x: Any, low: Any = None, high: Any = None, *, min: float | None = None, max: float | None = None) -> Any:
    low, high = (min if low is None else number(low)), (max if high is None else number(high))
    if x._data.dtype.kind != "f":
        return constant(np.clip(x._data, low, high).astype(x._data.dtype) if (low, high) != (None, None) else x._data)
    return x if low is None and high is None else mg.clamp(x, low, high)


@operator("IsInf")
def _is_inf(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    data = x._data
    return constant((np.isposinf(data) & bool(detect_positive)) | (np.isneginf(data) & bool(detect_negative)))


# ---------------------------------------------------------------------------------------------------------- activations


@operator("Elu")
def _elu(x: Any, *, alpha: float = 1.0) -> Any:
    return F.elu(x, alpha)


@operator("Celu")
def _celu(x: Any, *, alpha: float = 1.0) -> Any:
    return F.celu(x, alpha)


@operator("Selu")
def _selu(x: Any, *, alpha: float = 1.67326319217681884765625, gamma: float = 1.05070102214813232421875) -> Any:
    return F.elu(x, alpha) * gamma


@operator("LeakyRelu")
def _leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    return F.leaky_relu(x, alpha)


@operator("ThresholdedRelu")
def _thresholded_relu(x: Any, *, alpha: float = 1.0) -> Any:
    return F.threshold(x, alpha, 0.0)


@operator("HardSigmoid")
def _hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return mg.clamp(x * alpha + beta, 0.0, 1.0)


@operator("Softplus")
def _softplus(x: Any) -> Any:
    return F.softplus(x, 1.0, 40.0)


@operator("Gelu")
def _gelu(x: Any, *, approximate: str = "none") -> Any:
    return F.gelu(x, approximate)


@operator("Swish")
def _swish(x: Any, *, alpha: float = 1.0) -> Any:
    return F.silu(x) if alpha == 1 else x * mg.sigmoid(x * alpha)


@operator("Shrink")
def _shrink(x: Any, *, bias: float = 0.0, lambd: float = 0.5) -> Any:
    zero = mg.zeros_like(x)
    if x._data.dtype.kind != "f":
        data = x._data
        return constant(np.where(data < -lambd, data + bias, np.where(data > lambd, data - bias, 0)).astype(data.dtype))
    return mg.where(x < -lambd, x + bias, mg.where(x > lambd, x - bias, zero))


@operator("PRelu")
def _prelu(x: Any, slope: Any, *, opset: int) -> Any:
    if opset < 7 and slope._data.size > 1:  # one for each channel
        slope = mg.reshape(slope, (-1, *[1] * (x._data.ndim - 2)))
    return mg.where(x < 0, x * slope, x)


def _along(function: Any, x: Any, axis: int | None, opset: int) -> Any:
    """``function(x, axis)``; before opset 13 all dimensions from ``axis`` on count as one."""
    if opset >= 13:
        return function(x, -1 if axis is None else axis)
    axis = 1 if axis is None else axis
    axis = axis % max(x._data.ndim, 1)
    rows = int(np.prod(x._data.shape[:axis], dtype=np.int64))
    return function(mg.reshape(x, (rows, -1)), 1).reshape(x._data.shape)


@operator("Softmax")
def _softmax(x: Any, *, axis: int | None = None, opset: int) -> Any:
    return _along(mg.softmax, x, axis, opset)


@operator("LogSoftmax")
def _log_softmax(x: Any, *, axis: int | None = None, opset: int) -> Any:
    return _along(mg.log_softmax, x, axis, opset)


def _first_maximum(x: Any, axis: int) -> Any:
    best = x._data.argmax(axis)
    out = np.zeros_like(x._data)
    np.put_along_axis(out, np.expand_dims(best, axis), 1, axis)
    return constant(out)


@operator("Hardmax")
def _hardmax(x: Any, *, axis: int | None = None, opset: int) -> Any:
    return _along(_first_maximum, x, axis, opset)
