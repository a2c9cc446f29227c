"""The kinds of work for libraries that record a graph while they compute (all except JAX)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.libraries import Unable
from benchmarks.models import CLASSES, MODELS


def normal(*shape: int) -> np.ndarray:
    """Random numbers in float32, the same for every library."""
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


class Eager:
    """Base of adapters: a subclass gives its library's tensors and functions; the work is written here, once.

    ``F`` holds functions under PyTorch's names, ``nn`` layers, ``optimizer(model)`` has ``zero_grad()`` and ``step()``.
    """

    F: Any
    nn: Any

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        """A tensor over ``array``."""
        raise NotImplementedError

    def backward(self, y: Any, g: Any = None) -> None:
        """Gradients of ``y`` for all leaves; ``g`` is the gradient that arrives, 1 if None."""
        y.backward() if g is None else y.backward(g)

    def clear(self, leaves: list[Any]) -> None:
        """Clear the gradients."""
        for x in leaves:
            x.grad = None

    def optimizer(self, model: Any) -> Any:
        """Stochastic gradient descent with momentum 0.9."""
        raise NotImplementedError

    def _both(self, function: Callable[..., Any], leaves: list[Any]) -> Callable[[], None]:
        """Forward and backward of ``function(*leaves)``."""
        g = self.tensor(normal(*function(*leaves).shape))
        wanted = [x for x in leaves if self.wants_gradient(x)]

        def run() -> None:
            self.backward(function(*leaves), g)
            self.clear(wanted)

        return run

    def wants_gradient(self, x: Any) -> bool:
        """Whether ``x`` was made to get a gradient."""
        return x.requires_grad

    # ------------------------------------------------------------------------------------------------- kinds of work

    def chain(self, ops: int, backward: bool) -> Callable[[], Any]:
        """Multiply, add and tanh in turn, on 8 numbers in float64."""
        values, ones = np.linspace(0.1, 0.2, 8), np.ones(8)
        tanh = self.F.tanh

        def forward() -> Any:
            y = x = self.tensor(values, True)
            scale = self.tensor(ones)
            for _ in range(ops // 3):
                y = y * scale
                y = y + x
                y = tanh(y)
            return y

        return (lambda: self.backward(forward(), self.tensor(ones))) if backward else forward

    def conv(self, n, channels, size, out, kernel, first=False, transposed=False, groups=1, axes=2, **options) -> Callable[[], Any]:
        """A convolution along so many axes, with bias; ``first``: the images need no gradient, as in a network's first layer."""
        if groups > 1:
            options["groups"] = groups
        convolve = getattr(self.F, f"conv{'_transpose' * transposed}{axes}d")
        w_shape = (channels, out) if transposed else (out, channels // groups)
        x = self.tensor(normal(n, channels, *[size] * axes), not first)
        w = self.tensor(normal(*w_shape, *[kernel] * axes), True)
        return self._both(lambda x, w, b: convolve(x, w, b, **options), [x, w, self.tensor(normal(out), True)])

    def map(self, function: str, shape: tuple[int, ...], options: dict[str, Any]) -> Callable[[], Any]:
        """A function of one tensor."""
        x = self.tensor(normal(*shape), True)
        if function == "batch_norm":
            weights = [self.tensor(normal(shape[1]), True) for _ in range(2)]
            return self._both(self.F.batch_norm, [x, *weights])
        called = getattr(self.F, function)
        return self._both(lambda x: called(x, **options), [x])

    def linear(self, n: int, inputs: int, outputs: int) -> Callable[[], Any]:
        """A linear layer."""
        leaves = [self.tensor(normal(*shape), True) for shape in ((n, inputs), (outputs, inputs), (outputs,))]
        return self._both(self.F.linear, leaves)

    def with_logits(self, n: int) -> Callable[[], Any]:
        """Forward and backward of the binary cross-entropy of ``n`` logits."""
        x, target = self.tensor(normal(n), True), self.tensor((normal(n) > 0).astype(np.float32))

        def run() -> None:
            self.backward(self.F.binary_cross_entropy_with_logits(x, target))
            self.clear([x])

        return run

    def recurrent(self, layer: str, n: int, steps: int, inputs: int, hidden: int) -> Callable[[], Any]:
        """Forward and backward of a recurrent layer over sequences: the gradients of its weights and of the sequences."""
        try:
            model = getattr(self.nn, layer)(inputs, hidden)
        except AttributeError as error:
            raise Unable(str(error)) from None
        x, g = self.tensor(normal(steps, n, inputs), True), self.tensor(normal(steps, n, hidden))
        leaves = [x, *model.parameters()]

        def run() -> None:
            self.backward(model(x)[0], g)
            self.clear(leaves)

        return run

    def cross_entropy(self, n: int, classes: int) -> Callable[[], Any]:
        """Forward and backward of the loss."""
        x, labels = self.tensor(normal(n, classes), True), self.labels(n, classes)

        def run() -> None:
            self.backward(self.F.cross_entropy(x, labels))
            self.clear([x])

        return run

    def labels(self, n: int, classes: int) -> Any:
        """A class for each image."""
        return self.tensor(np.random.default_rng(n).integers(classes, size=n))

    def _model(self, model: str, batch: int, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        try:
            network = MODELS[model](self.nn)
        except AttributeError as error:
            raise Unable(str(error)) from None
        return network, self.tensor(normal(batch, *shape)), self.labels(batch, CLASSES[model])

    def step(self, **which: Any) -> Callable[[], Any]:
        """A training step: forward, backward, and an update of the parameters."""
        model, x, labels = self._model(**which)
        optimizer = self.optimizer(model)

        def run() -> None:
            optimizer.zero_grad()
            self.backward(self.F.cross_entropy(model(x), labels))
            optimizer.step()

        return run

    def without_graph(self) -> Any:
        """A context in which no graph is recorded."""
        raise Unable("no inference")

    def inference(self, **which: Any) -> Callable[[], Any]:
        """The outputs of a model in evaluation mode."""
        context = self.without_graph()
        model, x, _ = self._model(**which)
        model.eval()

        def run() -> None:
            with context:
                model(x)

        return run

    def gradients(self, **which: Any) -> Callable[[], Any]:
        """Forward and backward, without an update."""
        model, x, labels = self._model(**which)
        parameters = list(model.parameters())

        def run() -> None:
            self.backward(self.F.cross_entropy(model(x), labels))
            self.clear(parameters)

        return run

    def transform(self, name: str, n: int, hidden: int) -> Callable[[], Any]:
        """A derivative of a perceptron by its ``n`` inputs: ``jacrev`` or ``jacfwd`` of its ``n`` outputs, ``hessian`` of their squares' sum."""
        w1, w2, x = (self.tensor(normal(*shape)) for shape in ((n, hidden), (hidden, n), (n,)))

        def outputs(x: Any) -> Any:
            return self.F.tanh(x @ w1) @ w2

        def value(x: Any) -> Any:
            y = outputs(x)
            return (y * y).sum()

        derivative = self._derivatives(name)(value if name == "hessian" else outputs)
        return lambda: derivative(x)

    def tangent(self, **which: Any) -> Callable[[], Any]:
        """The outputs of a model in evaluation mode, and their derivative along a direction of its inputs."""
        jvp, context = self._derivatives("jvp"), self.without_graph()
        model, x, _ = self._model(**which)
        model.eval()
        t = self.tensor(normal(*x.shape))

        def run() -> None:
            with context:
                jvp(model, (x,), (t,))

        return run

    def _derivatives(self, name: str) -> Any:
        """The function that makes the derivative of a function of it, under its name in ``torch.func``."""
        if not hasattr(self, "func"):
            raise Unable("no derivatives as functions")
        return getattr(self.func, name)

    def per_sample(self, **which: Any) -> Callable[[], Any]:
        """The gradient of the loss for each image, by vmap of grad."""
        vmap, grad, call = (self._derivatives(name) for name in ("vmap", "grad", "functional_call"))
        model, x, labels = self._model(**which)
        weights = {name: p.detach() for name, p in model.named_parameters()}

        def loss(weights: Any, image: Any, label: Any) -> Any:
            return self.F.cross_entropy(call(model, weights, (image[None],)), label[None])

        gradients = vmap(grad(loss), in_dims=(None, 0, 0))
        return lambda: gradients(weights, x, labels)

    def ensemble(self, members: int, **which: Any) -> Callable[[], Any]:
        """The outputs of several models of one kind, by vmap over their stacked weights."""
        vmap, stack, call = (self._derivatives(name) for name in ("vmap", "stack_module_state", "functional_call"))
        models = [self._model(**which) for _ in range(members)]
        stacked = stack([model for model, _, _ in models])
        model, x, _ = models[0]
        run = vmap(lambda state, x: call(model, state, (x,)), in_dims=(0, None))

        def outputs() -> None:
            with self.without_graph():
                run(stacked, x)

        return outputs

    def gradcheck(self, size: int) -> Callable[[], Any]:
        """A check of all gradients of a convolution of 3 into 4 channels, in float64."""
        raise Unable("no gradient checker")

    @staticmethod
    def _gradcheck_arrays(size: int) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [rng.normal(size=(2, 3, size, size)), rng.normal(size=(4, 3, 3, 3))]
