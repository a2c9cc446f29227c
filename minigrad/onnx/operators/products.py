"""Products of matrices, and what belongs to them."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.limits import room
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import operator


@operator("MatMul")
def _matmul(a: Any, b: Any) -> Any:
    sa, sb = a._data.shape, b._data.shape
    if len(sa) > 1 and len(sb) > 1:
        room([*np.broadcast_shapes(sa[:-2], sb[:-2]), sa[-2], sb[-1]], a._data.dtype)
    return mg.matmul(a, b)


@operator("Gemm")
def _gemm(a: Any, b: Any, c: Any = None, *, alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0) -> Any:
    a = mg.transpose(a, 0, 1) if transA else a
    b = mg.transpose(b, 0, 1) if transB else b
    room([a._data.shape[0], b._data.shape[-1]], a._data.dtype)
    y = mg.matmul(a, b)
    if alpha != 1:
        y = y * alpha
    return y if c is None or beta == 0 else y + (c if beta == 1 else c * beta)


@operator("Einsum")
def _einsum(*xs: Any, equation: str) -> Any:
    inputs, _, output = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs.split(","), xs, strict=False):
        if "." not in labels:
            sizes.update(zip(labels, x._data.shape, strict=False))
    room([sizes.get(label, 1) for label in output], xs[0]._data.dtype)
    return mg.einsum(equation, *xs)


@operator("Det")
def _det(x: Any) -> Any:
    return mg.det(x)


@operator("Transpose")
def _transpose(x: Any, *, perm: tuple[int, ...] | None = None) -> Any:
    order = tuple(reversed(range(x._data.ndim))) if perm is None else perm
    if sorted(order) != list(range(x._data.ndim)):
        raise OnnxError(f"onnx: Transpose: perm {order} for a tensor with {x._data.ndim} dimensions")
    return mg.permute(x, order)
