"""Layers with PyTorch's names, built from a library's functions, for libraries without such layers."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.libraries import Unable


def namespace(F: Any, parameter: Any) -> types.SimpleNamespace:
    """Classes that :mod:`benchmarks.models` builds networks from. ``F`` holds functions, ``parameter(array)`` makes a leaf."""
    rng = np.random.default_rng(0)

    def uniform(*shape: int) -> Any:
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        return parameter(rng.uniform(-bound, bound, shape).astype(np.float32))

    class Module:
        def __init__(self) -> None:
            self.weights: list[str] = []

        def own(self) -> Iterator[tuple[Module, str]]:
            """Each parameter's module and attribute name, in this module and those inside it."""
            yield from ((self, name) for name in self.weights)
            for child in vars(self).values():
                for module in child if isinstance(child, list) else [child]:
                    if isinstance(module, Module):
                        yield from module.own()

        def parameters(self) -> Iterator[Any]:
            return (getattr(module, name) for module, name in self.own())

        def __call__(self, x: Any) -> Any:
            return self.forward(x)

    class Sequential(Module):
        def __init__(self, *modules: Any):
            super().__init__()
            self.modules = list(modules)

        def forward(self, x: Any) -> Any:
            for module in self.modules:
                x = module(x)
            return x

    class Conv2d(Module):
        def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True):
            self.weight = uniform(outputs, inputs, kernel, kernel)
            self.bias = parameter(np.zeros(outputs, np.float32)) if bias else None
            self.weights = ["weight", "bias"] if bias else ["weight"]
            self.options = {"stride": stride, "padding": padding}

        def forward(self, x: Any) -> Any:
            return F.conv2d(x, self.weight, self.bias, **self.options)

    class Linear(Module):
        def __init__(self, inputs: int, outputs: int):
            self.weight, self.bias = uniform(outputs, inputs), parameter(np.zeros(outputs, np.float32))
            self.weights = ["weight", "bias"]

        def forward(self, x: Any) -> Any:
            return F.linear(x, self.weight, self.bias)

    class BatchNorm2d(Module):
        def __init__(self, channels: int):
            self.weight, self.bias = parameter(np.ones(channels, np.float32)), parameter(np.zeros(channels, np.float32))
            self.weights = ["weight", "bias"]

        def forward(self, x: Any) -> Any:
            return F.batch_norm(x, self.weight, self.bias)

    def layer(name: str) -> Any:
        """A layer without parameters, whose arguments are those of the function ``name``."""

        class Layer(Module):
            def __init__(self, *arguments: Any):
                super().__init__()
                self.arguments = arguments

            def forward(self, x: Any) -> Any:
                function = getattr(F, name, None)
                if function is None:
                    raise Unable(name)
                return function(x, *self.arguments)

        return Layer

    return types.SimpleNamespace(
        Module=Module, Sequential=Sequential, Conv2d=Conv2d, Linear=Linear, BatchNorm2d=BatchNorm2d, ReLU=layer("relu"), Flatten=layer("flatten"),
        MaxPool2d=layer("max_pool2d"), AdaptiveAvgPool2d=layer("adaptive_avg_pool2d"), Dropout=layer("dropout"),
    )  # fmt: skip


class Momentum:
    """Stochastic gradient descent with momentum for a library without optimisers: ``value(p)`` and ``gradient(p)`` are its arrays."""

    def __init__(self, parameters: list[Any], value: Any, gradient: Any):
        self.parameters, self.value, self.gradient = parameters, value, gradient
        self.velocity = [np.zeros_like(value(p)) for p in parameters]

    def step(self) -> None:
        """One update."""
        for p, v in zip(self.parameters, self.velocity, strict=True):
            v *= 0.9
            v += self.gradient(p)
            self.value(p)[...] -= 0.01 * v
