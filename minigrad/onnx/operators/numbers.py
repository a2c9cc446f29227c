"""Conversions between dtypes, whole numbers that stand for real ones, and transforms of signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.limits import room
from minigrad.onnx.operators.layers import conv_integer
from minigrad.onnx.reader import OnnxError, dtype_of_type
from minigrad.onnx.table import axis_of, constant, number, operator


def _converted(x: Any, dtype: Any) -> Any:
    data = x._data
    if data.dtype == dtype:
        return x
    if data.dtype.kind == "f" and dtype.kind == "f":
        return x.to(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        return constant(data.astype(dtype))


@operator("Cast")
def _cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    return _converted(x, dtype_of_type(to))


@operator("CastLike")
def _cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return _converted(x, like._data.dtype)


# -------------------------------------------------------------------------------------------------------- quantisation


def _spread(scale: Any, shape: tuple[int, ...], axis: int, block: int) -> np.ndarray:
    """A scale or zero point for each element: of all, of one axis, or of blocks along it."""
    data = scale._data if hasattr(scale, "_data") else scale
    if data.size == 1:
        return data.reshape(())
    axis = axis_of(axis, len(shape))
    if data.ndim == 1 and not block:
        return data.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    block = block or -(-shape[axis] // data.shape[axis])
    room([n * (block if i == axis else 1) for i, n in enumerate(data.shape)], data.dtype)
    repeated = np.repeat(data, block, axis)
    return repeated[tuple([slice(n) for n in shape])]


@operator("QuantizeLinear", settings=(1, 2))
def _quantize_linear(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    dtype = zero._data.dtype if zero is not None else dtype_of_type(output_dtype) if output_dtype else np.dtype(np.uint8)
    shape, least = x._data.shape, np.iinfo(dtype)
    steps = np.rint(x._data / _spread(scale, shape, axis, block_size).astype(x._data.dtype))
    moved = steps if zero is None else steps + _spread(zero, shape, axis, block_size).astype(np.float32)
    return constant(np.clip(moved, least.min, least.max).astype(dtype))


@operator("DequantizeLinear", settings=(1, 2))
def _dequantize_linear(x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0) -> Any:
    shape = x._data.shape
    data = x._data.astype(np.int64)
    if zero is not None:
        data = data - _spread(zero, shape, axis, block_size)
    out = data.astype(np.float32) * _spread(scale, shape, axis, block_size).astype(np.float32)
    return constant(out.astype(dtype_of_type(output_dtype) if output_dtype else scale._data.dtype))


def _centred(x: Any, zero: Any, rows: bool = False) -> np.ndarray:
    """Integers less their zero point, which may be one for each row, or output channel."""
    data = x._data.astype(np.int32)
    if zero is None:
        return data
    point = zero._data.astype(np.int32)
    return data - (point.reshape(-1, *[1] * (data.ndim - 1)) if rows and point.ndim == 1 and point.size > 1 else point)


@operator("MatMulInteger")
def _matmul_integer(a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    return constant(np.matmul(_centred(a, a_zero, rows=True), _centred(b, b_zero)))


def _requantized(values: np.ndarray, scale: Any, zero: Any) -> Any:
    limits = np.iinfo(zero._data.dtype)
    return constant(np.clip(np.rint(values / scale._data.astype(np.float64)) + zero._data, limits.min, limits.max).astype(zero._data.dtype))


@operator("QLinearMatMul", settings=(1, 2, 4, 5, 6, 7))
def _qlinear_matmul(a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any, y_zero: Any) -> Any:
    product = np.matmul(_centred(a, a_zero, rows=True), _centred(b, b_zero)).astype(np.float64)
    return _requantized(product * a_scale._data.astype(np.float64) * b_scale._data.astype(np.float64), y_scale, y_zero)


@operator("ConvInteger")
def _conv_integer(
    x: Any,
    w: Any,
    x_zero: Any = None,
    w_zero: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    settings = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    return conv_integer(_centred(x, x_zero), _centred(w, w_zero, rows=True), settings)


@operator("QLinearConv", settings=(1, 2, 4, 5, 6, 7))
def _qlinear_conv(
    x: Any,
    x_scale: Any,
    x_zero: Any,
    w: Any,
    w_scale: Any,
    w_zero: Any,
    y_scale: Any,
    y_zero: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    settings = {"auto_pad": auto_pad, "dilations": dilations, "group": group, "pads": pads, "strides": strides}
    sums = conv_integer(_centred(x, x_zero), _centred(w, w_zero, rows=True), settings)._data.astype(np.float64)
    view = (-1, *[1] * (sums.ndim - 2))
    if bias is not None:
        sums = sums + bias._data.reshape(view)
    factor = w_scale._data.astype(np.float64)
    return _requantized(sums * x_scale._data.astype(np.float64) * (factor.reshape(view) if factor.size > 1 else factor), y_scale, y_zero)


# ------------------------------------------------------------------------------------------------------------- signals


@operator("DFT", settings=(1, 2))
def _dft(x: Any, length: Any = None, dim: Any = None, *, axis: int | None = None, inverse: int = 0, onesided: int = 0, opset: int) -> Any:
    axis = int(number(dim)) if dim is not None else (1 if opset < 20 else -2) if axis is None else axis
    axis = axis_of(axis, x._data.ndim)
    n = x._data.shape[axis] if length is None else int(number(length))
    room([n if i == axis else m for i, m in enumerate(x._data.shape)], np.complex128)
    if onesided and inverse:
        pair = mg.view_as_complex(x)
        return mg.fft.irfft(pair, n if length is not None else 2 * (x._data.shape[axis] - 1), axis)[..., None]
    if x._data.shape[-1] == 1:
        x = mg.cat([x, mg.zeros_like(x)], -1)
    out = mg.view_as_real((mg.fft.ifft if inverse else mg.fft.fft)(mg.view_as_complex(x), n, axis))
    return mg.narrow(out, axis, 0, n // 2 + 1) if onesided else out


@operator("STFT", settings=(1, 3))
def _stft(signal: Any, step: Any, window: Any = None, length: Any = None, *, onesided: int = 1) -> Any:
    n = int(number(length)) if length is not None else window._data.shape[0]
    hop = int(number(step))
    if hop < 1 or not 1 <= n <= signal._data.shape[1]:
        raise OnnxError(f"onnx: STFT: frames of {n}, {hop} apart, of a signal of {signal._data.shape[1]}")
    frames = 1 + (signal._data.shape[1] - n) // hop
    room([signal._data.shape[0], frames, n, 2], signal._data.dtype)
    index = np.arange(frames)[:, None] * hop + np.arange(n)
    cut = signal[:, index]  # batch, frames, n, 1 or 2
    if window is not None:
        cut = cut * mg.reshape(window, (-1, 1))
    return _dft(cut, axis=2, onesided=onesided, opset=17)


@operator("MelWeightMatrix", settings=(0, 1, 2, 3, 4))
def _mel_weight_matrix(bins: Any, length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1) -> Any:
    count, n, hertz = int(number(bins)), int(number(length)), number(rate)
    columns = n // 2 + 1
    shape = room([columns, count], np.float64)
    mel = lambda f: 2595 * math.log10(1 + f / 700)
    step = (mel(number(high)) - mel(number(low))) / (count + 2)
    points = np.arange(count + 2) * step + mel(number(low))
    places = ((n + 1) * (700 * (10 ** (points / 2595) - 1)) // hertz).astype(np.int64)
    out = np.zeros(shape)
    for i in range(count):
        a, b, c = places[i : i + 3]
        if b == a:
            out[b, i] = 1
        else:
            out[a : b + 1, i] = (np.arange(a, b + 1) - a) / (b - a)
        if c > b:
            out[b:c, i] = (c - np.arange(b, c)) / (c - b)
    return constant(out.astype(dtype_of_type(output_datatype)))
