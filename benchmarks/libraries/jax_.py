"""JAX: each piece of work is compiled with ``jax.jit``; its first call is not timed."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from benchmarks.libraries import Unable
from benchmarks.libraries.eager import normal
from benchmarks.libraries.layers import namespace
from benchmarks.models import CLASSES, MODELS

VERSION = jax.__version__
LAYOUT = ("NCHW", "OIHW", "NCHW")
LAYOUT_3D = ("NCDHW", "OIDHW", "NCDHW")


def conv2d(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> Any:
    """A convolution."""
    pads = [(padding, padding)] * 2
    y = lax.conv_general_dilated(
        x, w, (stride,) * 2, pads, rhs_dilation=(dilation,) * 2, dimension_numbers=LAYOUT, feature_group_count=groups
    )
    return y if b is None else y + b[:, None, None]


def conv3d(x: Any, w: Any, b: Any, padding: int = 0) -> Any:
    """A convolution of volumes."""
    y = lax.conv_general_dilated(x, w, (1,) * 3, [(padding, padding)] * 3, dimension_numbers=LAYOUT_3D)
    return y + b[:, None, None, None]


def conv_transpose2d(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
    """The transpose of a convolution with ``w`` (inputs, outputs, kernel, kernel)."""
    side = w.shape[-1] - 1 - padding
    flipped = jnp.flip(w, (2, 3)).swapaxes(0, 1)
    y = lax.conv_general_dilated(x, flipped, (1, 1), [(side, side)] * 2, lhs_dilation=(stride,) * 2, dimension_numbers=LAYOUT)
    return y + b[:, None, None]


def _window(x: Any, start: Any, function: Any, kernel_size: int, stride: int | None) -> Any:
    step = stride or kernel_size
    return lax.reduce_window(x, start, function, (1, 1, kernel_size, kernel_size), (1, 1, step, step), "VALID")


def max_pool2d(x: Any, kernel_size: int, stride: int | None = None) -> Any:
    """The largest cell of each window."""
    return _window(x, -jnp.inf, lax.max, kernel_size, stride)


def avg_pool2d(x: Any, kernel_size: int, stride: int | None = None) -> Any:
    """The mean of each window."""
    return _window(x, 0.0, lax.add, kernel_size, stride) / kernel_size**2


def adaptive_avg_pool2d(x: Any, size: int) -> Any:
    """The mean of size x size windows that share an image evenly."""
    return avg_pool2d(x, x.shape[-1] // size)


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    """Normalised over the batch."""
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * weight[:, None, None] + bias[:, None, None]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean loss."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def dropout(x: Any, p: float) -> Any:
    """Zeros with probability ``p``; each call draws the mask again, and gets the same one."""
    return jnp.where(jax.random.bernoulli(jax.random.key(0), 1 - p, x.shape), x / (1 - p), 0)


FUNCTIONS = types.SimpleNamespace(
    conv2d=conv2d, conv_transpose2d=conv_transpose2d, max_pool2d=max_pool2d, avg_pool2d=avg_pool2d, batch_norm=batch_norm, relu=jax.nn.relu,
    adaptive_avg_pool2d=adaptive_avg_pool2d, dropout=dropout, linear=lambda x, w, b: x @ w.T + b, flatten=lambda x: x.reshape(len(x), -1),
)  # fmt: skip


class Library:
    """Uses ``jax.vjp`` inside ``jax.jit``."""

    def __init__(self, threads: int):
        jax.config.update("jax_enable_x64", False)

    @staticmethod
    def _timed(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: jax.block_until_ready(compiled(*arguments))

    def _both(self, function: Callable[..., Any], leaves: list[Any], fixed: tuple[Any, ...] = ()) -> Callable[[], Any]:
        leaves = [jnp.asarray(x) for x in leaves]
        g = jnp.asarray(normal(*jax.eval_shape(function, *leaves, *fixed).shape))

        def work(leaves: list[Any], g: Any) -> Any:
            y, pull = jax.vjp(lambda *xs: function(*xs, *fixed), *leaves)
            return y, pull(g)

        return self._timed(work, leaves, g)

    def chain(self, **sizes: Any) -> Callable[[], Any]:
        """Compiled code has no overhead of single ops."""
        raise Unable("compiled as a whole")

    def gradcheck(self, **sizes: Any) -> Callable[[], Any]:
        """JAX's own checker compares a random direction, not every element."""
        raise Unable("no checker of all elements")

    def transform(self, **sizes: Any) -> Callable[[], Any]:
        """Not measured: the rows compare with ``torch.func``."""
        raise Unable("not measured")

    tangent = transform

    def conv(self, n, channels, size, out, kernel, first=False, transposed=False, groups=1, axes=2, **options) -> Callable[[], Any]:
        """A convolution along so many axes, with bias."""
        if groups > 1:
            options["groups"] = groups
        convolve = conv_transpose2d if transposed else conv3d if axes == 3 else conv2d
        w_shape = (channels, out) if transposed else (out, channels // groups)
        x, w, b = normal(n, channels, *[size] * axes), normal(*w_shape, *[kernel] * axes), normal(out)
        if first:
            return self._both(lambda w, b, x: convolve(x, w, b, **options), [w, b], (jnp.asarray(x),))
        return self._both(lambda x, w, b: convolve(x, w, b, **options), [x, w, b])

    def per_sample(self, **sizes: Any) -> Callable[[], Any]:
        """Not measured: the rows compare with ``torch.func``."""
        raise Unable("not written for JAX")

    ensemble = per_sample

    def map(self, function: str, shape: tuple[int, ...], options: dict[str, Any]) -> Callable[[], Any]:
        """A function of one tensor."""
        called = getattr(FUNCTIONS, function)
        weights = [normal(shape[1]), normal(shape[1])] if function == "batch_norm" else []
        return self._both(lambda x, *ws: called(x, *ws, **options), [normal(*shape), *weights])

    def linear(self, n: int, inputs: int, outputs: int) -> Callable[[], Any]:
        """A linear layer."""
        return self._both(FUNCTIONS.linear, [normal(n, inputs), normal(outputs, inputs), normal(outputs)])

    def cross_entropy(self, n: int, classes: int) -> Callable[[], Any]:
        """Forward and backward of the loss."""
        labels = jnp.asarray(np.random.default_rng(n).integers(classes, size=n))
        return self._timed(jax.value_and_grad(lambda x: cross_entropy(x, labels)), jnp.asarray(normal(n, classes)))

    def _loss(self, model: str, batch: int, shape: tuple[int, ...]) -> tuple[Callable[..., Any], list[Any]]:
        network = MODELS[model](namespace(FUNCTIONS, jnp.asarray))
        places = list(network.own())
        x = jnp.asarray(normal(batch, *shape))
        labels = jnp.asarray(np.random.default_rng(batch).integers(CLASSES[model], size=batch))

        def loss(parameters: list[Any], x: Any) -> Any:
            for (module, name), p in zip(places, parameters, strict=True):
                setattr(module, name, p)
            return cross_entropy(network(x), labels)

        return lambda parameters: loss(parameters, x), [getattr(module, name) for module, name in places]

    def step(self, **which: Any) -> Callable[[], Any]:
        """A training step; parameters and velocities are donated, so that XLA may update them in-place."""
        loss, parameters = self._loss(**which)
        state = parameters, [jnp.zeros_like(p) for p in parameters]

        def update(state: Any) -> Any:
            parameters, velocities = state
            value, gradients = jax.value_and_grad(loss)(parameters)
            velocities = [0.9 * v + g for v, g in zip(velocities, gradients, strict=True)]
            return ([p - 0.01 * v for p, v in zip(parameters, velocities, strict=True)], velocities), value

        compiled = jax.jit(update, donate_argnums=0)

        def run() -> None:
            nonlocal state
            state, value = compiled(state)
            value.block_until_ready()

        return run

    def gradients(self, **which: Any) -> Callable[[], Any]:
        """Forward and backward, without an update."""
        loss, parameters = self._loss(**which)
        return self._timed(jax.value_and_grad(loss), parameters)
