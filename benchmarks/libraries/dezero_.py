"""DeZero. It was written for numpy 1, in which ``np.int`` was another name for ``int``."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

np.int = int  # type: ignore[attr-defined]
import dezero
import dezero.functions as F

from benchmarks.libraries import Unable
from benchmarks.libraries.eager import Eager
from benchmarks.libraries.layers import namespace

VERSION = getattr(dezero, "__version__", "")


def conv2d(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0, **more: Any) -> Any:
    """A convolution, which has neither groups nor dilation."""
    if more:
        raise Unable(f"conv2d without {', '.join(more)}")
    return F.conv2d(x, w, b, stride, padding)


def conv_transpose2d(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
    """A transposed convolution."""
    return F.deconv2d(x, w, b, stride, padding)


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    """Batch normalisation; the function requires running statistics, which are discarded."""
    return F.batch_nrom(x, weight, bias, np.zeros_like(weight.data), np.zeros_like(weight.data))


class Library(Eager):
    """Uses ``dezero.functions``."""

    F = types.SimpleNamespace(
        conv2d=conv2d, conv_transpose2d=conv_transpose2d, relu=F.relu, tanh=F.tanh, cross_entropy=F.softmax_cross_entropy,
        linear=lambda x, w, b: F.linear(x, F.transpose(w), b), flatten=F.flatten, dropout=F.dropout,
        max_pool2d=lambda x, kernel_size, stride=None: F.pooling(x, kernel_size, stride or kernel_size),
        avg_pool2d=lambda x, kernel_size: F.average_pooling(x, kernel_size, kernel_size), batch_norm=batch_norm,
        adaptive_avg_pool2d=lambda x, size: F.average_pooling(x, x.shape[-1] // size, x.shape[-1] // size),
    )  # fmt: skip

    def __init__(self, threads: int):
        self.nn = namespace(self.F, dezero.Parameter)

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        return (dezero.Parameter if grad else dezero.Variable)(array)

    def wants_gradient(self, x: Any) -> bool:
        return isinstance(x, dezero.Parameter)

    def labels(self, n: int, classes: int) -> Any:
        return np.random.default_rng(n).integers(classes, size=n)

    def backward(self, y: Any, g: Any = None) -> None:
        y.grad = g
        y.backward()

    def optimizer(self, model: Any) -> Any:
        optimizer = dezero.optimizers.MomentumSGD(lr=0.01)
        parameters = list(model.parameters())

        def step() -> None:
            for p in parameters:
                optimizer.update_one(p)

        return types.SimpleNamespace(step=step, zero_grad=lambda: self.clear(parameters))
