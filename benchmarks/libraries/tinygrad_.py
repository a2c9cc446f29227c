"""tinygrad: each piece of work is recorded by ``TinyJit``, whose first two calls are not timed. Its kernels are compiled by clang."""

from __future__ import annotations

import types
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from tinygrad import Device, Tensor, TinyJit
from tinygrad.helpers import NUM_CPU_THREADS, TRAINING
from tinygrad.nn.optim import SGD

from benchmarks.libraries import Unable
from benchmarks.libraries.eager import Eager, normal
from benchmarks.libraries.layers import namespace

VERSION = version("tinygrad")


def convolve(x: Any, w: Any, b: Any, **options: Any) -> Any:
    """A convolution along as many axes as the kernel has."""
    return x.conv2d(w, b, **options)


def group_norm(x: Any, num_groups: int) -> Any:
    """Normalised over the channels of each group and all pixels."""
    return x.reshape(len(x), num_groups, -1).layernorm(eps=1e-5).reshape(x.shape)


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    """Normalised over the batch."""
    axes = (0, *range(2, x.ndim))
    return x.batchnorm(weight, bias, x.mean(axes), (x.var(axes, correction=0) + 1e-5).rsqrt())


class Library(Eager):
    """Uses the methods of ``tinygrad.Tensor``."""

    F = types.SimpleNamespace(
        conv2d=convolve, conv3d=convolve, conv_transpose2d=lambda x, w, b, **options: x.conv_transpose2d(w, b, **options),
        linear=lambda x, w, b: x.linear(w.T, b), flatten=lambda x: x.flatten(1), batch_norm=batch_norm, group_norm=group_norm,
        max_pool2d=lambda x, kernel_size, stride=None, padding=0: x.max_pool2d(kernel_size, stride, padding=padding),
        avg_pool2d=lambda x, kernel_size: x.avg_pool2d(kernel_size), adaptive_avg_pool2d=lambda x, size: x.avg_pool2d(x.shape[-1] // size),
        layer_norm=lambda x, normalized_shape: x.layernorm(-1, 1e-5), cumsum=lambda x, dim: x.cumsum(dim), topk=lambda x, k: x.topk(k)[0],
        tanh=Tensor.tanh, relu=Tensor.relu, leaky_relu=Tensor.leaky_relu, sigmoid=Tensor.sigmoid, silu=Tensor.silu,
        gelu=lambda x: 0.5 * x * (1 + (x * 0.5**0.5).erf()), softmax=lambda x, dim: x.softmax(dim), dropout=Tensor.dropout,
        cross_entropy=lambda x, labels: x.sparse_categorical_crossentropy(labels),
        binary_cross_entropy_with_logits=lambda x, target: x.binary_crossentropy_logits(target),
    )  # fmt: skip

    def __init__(self, threads: int):
        NUM_CPU_THREADS.value = threads
        TRAINING.value = 1  # else its optimisers refuse
        self.nn = namespace(self.F, self.tensor)

    def tensor(self, array: np.ndarray, grad: bool = True) -> Any:
        return Tensor(array).realize().is_param_(grad)

    def wants_gradient(self, x: Any) -> bool:
        return x.is_param

    def labels(self, n: int, classes: int) -> Any:
        return self.tensor(np.random.default_rng(n).integers(classes, size=n).astype(np.int32), False)

    def _recorded(self, compute: Callable[[], list[Any]]) -> Callable[[], None]:
        """What computes these tensors: recorded in its second call, and replayed from the third on."""
        recorded = TinyJit(lambda: Tensor.realize(*compute()))
        cpu = Device[Device.DEFAULT]

        def run() -> None:
            recorded()
            cpu.synchronize()

        run()
        run()
        return run

    def _both(self, function: Callable[..., Any], leaves: list[Any]) -> Callable[[], None]:
        g, wanted = self.tensor(normal(*function(*leaves).shape)), [x for x in leaves if self.wants_gradient(x)]

        def compute() -> list[Any]:
            y = function(*leaves)
            return [y, *y.gradient(*wanted, gradient=g)]

        return self._recorded(compute)

    def _loss(self, loss: Callable[[], Any], leaves: list[Any]) -> Callable[[], None]:
        """Forward and backward of a loss."""

        def compute() -> list[Any]:
            value = loss()
            return [value, *value.gradient(*leaves)]

        return self._recorded(compute)

    def with_logits(self, n: int) -> Callable[[], Any]:
        x, target = self.tensor(normal(n)), self.tensor((normal(n) > 0).astype(np.float32), False)
        return self._loss(lambda: x.binary_crossentropy_logits(target), [x])

    def cross_entropy(self, n: int, classes: int) -> Callable[[], Any]:
        x, labels = self.tensor(normal(n, classes)), self.labels(n, classes)
        return self._loss(lambda: x.sparse_categorical_crossentropy(labels), [x])

    def gradients(self, **which: Any) -> Callable[[], Any]:
        model, x, labels = self._model(**which)
        return self._loss(lambda: model(x).sparse_categorical_crossentropy(labels), list(model.parameters()))

    def step(self, **which: Any) -> Callable[[], Any]:
        model, x, labels = self._model(**which)
        parameters = list(model.parameters())
        optimizer = SGD(parameters, lr=0.01, momentum=0.9)

        def compute() -> list[Any]:
            loss = model(x).sparse_categorical_crossentropy(labels)
            for p, g in zip(parameters, loss.gradient(*parameters), strict=True):
                p.grad = g
            return [loss, *optimizer.schedule_step()]

        return self._recorded(compute)

    def chain(self, ops: int, backward: bool) -> Callable[[], Any]:
        raise Unable("ops are not computed one by one")

    def recurrent(self, layer: str, n: int, steps: int, inputs: int, hidden: int) -> Callable[[], Any]:
        raise Unable("no recurrent layer over sequences")
