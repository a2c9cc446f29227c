"""MyGrad."""

from __future__ import annotations

import types
from typing import Any

import mygrad
import numpy as np
from mygrad.nnet import activations, layers, losses

from benchmarks.libraries import Unable
from benchmarks.libraries.eager import Eager
from benchmarks.libraries.layers import Momentum, namespace

VERSION = mygrad.__version__


def conv2d(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """A convolution, which has no groups."""
    if groups > 1:
        raise Unable("conv2d without groups")
    y = layers.conv_nd(x, w, stride=stride, padding=padding, dilation=dilation)
    return y if b is None else y + mygrad.reshape(b, (1, -1, 1, 1))


class Library(Eager):
    """Uses ``mygrad.nnet``."""

    F = types.SimpleNamespace(
        conv2d=conv2d, tanh=mygrad.tanh, relu=activations.relu, cross_entropy=losses.softmax_crossentropy,
        linear=lambda x, w, b: x @ w.T + b, flatten=lambda x: x.reshape(len(x), -1),
        max_pool2d=lambda x, kernel_size, stride=None: layers.max_pool(x, (kernel_size,) * 2, stride or kernel_size),
        batch_norm=lambda x, w, b: layers.batchnorm(x, gamma=w, beta=b, eps=1e-5),
        adaptive_avg_pool2d=lambda x, _: x.mean(axis=(2, 3), keepdims=True),
    )  # fmt: skip

    def __init__(self, threads: int):
        self.nn = namespace(self.F, mygrad.tensor)

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        return mygrad.tensor(array, constant=None if grad else True)

    def wants_gradient(self, x: Any) -> bool:
        return not x.constant

    def clear(self, leaves: list[Any]) -> None:
        for x in leaves:
            x.null_grad()

    def labels(self, n: int, classes: int) -> Any:
        return np.random.default_rng(n).integers(classes, size=n)

    def optimizer(self, model: Any) -> Any:
        parameters = list(model.parameters())
        momentum = Momentum(parameters, lambda p: p.data, lambda p: p.grad)
        return types.SimpleNamespace(step=momentum.step, zero_grad=lambda: self.clear(parameters))
