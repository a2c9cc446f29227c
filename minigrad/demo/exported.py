"""A network as data: the layers of a chain with their weights, for the forward pass in the page of :func:`minigrad.demo.drawing`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import nn
from minigrad.calls import heard, unchanged
from minigrad.creation import zeros
from minigrad.engine import ShapeError, no_grad
from minigrad.files.html import encoded
from minigrad.ops.window_sizes import pair
from minigrad.tensor import Tensor

SAME = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Flatten)
PLAIN = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SiLU: "silu"}


def window(layer: Any) -> dict[str, tuple[int, ...]]:
    """Kernel, stride, padding (above and on the left) and dilation of a convolution or a pooling, each for two axes.

    >>> from minigrad import nn
    >>> from minigrad.demo.exported import window
    >>> window(nn.Conv2d(1, 1, 5, padding="same"))
    {'kernel': (5, 5), 'stride': (1, 1), 'padding': (2, 2), 'dilation': (1, 1)}
    """
    kernel, dilation = pair(layer.kernel_size), pair(getattr(layer, "dilation", 1))
    if layer.padding == "same":
        padding: tuple[int, ...] = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    else:
        padding = (0, 0) if layer.padding == "valid" else pair(layer.padding)
    return {"kernel": kernel, "stride": pair(layer.stride), "padding": padding, "dilation": dilation}


def chain(model: nn.Sequential, size: tuple[int, ...]) -> list[dict[str, Any]]:
    """Kind, name, weights and output size of each layer of ``model`` for an image of that ``size`` (C, H, W).

    The layers are Conv2d, MaxPool2d, AvgPool2d, Linear, BatchNorm1d and 2d, Flatten, Dropout, and the activations ReLU, LeakyReLU, ELU, SiLU,
    Tanh, Sigmoid; sequences may hold sequences.

    Raises ``TypeError`` for another layer, ``ValueError`` for an option of one that is not there, ``ShapeError`` if what comes out is no (1, classes).

    >>> from minigrad import nn
    >>> from minigrad.demo.exported import chain
    >>> [(layer["name"], layer["kind"], layer["out"]) for layer in chain(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)), (1, 4, 4))]
    [('0', 'conv', (2, 2, 2)), ('1', 'same', (8,)), ('2', 'linear', (3,))]
    """
    sizes: dict[str, tuple[int, ...]] = {}

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if not list(module.children()) and isinstance(output, Tensor):
            if path in sizes:
                raise ValueError(f"drawing: layer {path} is used twice")
            sizes[path] = tuple(output.shape[1:])

    leaves = [(path, module) for path, module in model.named_modules() if not list(module.children())]
    for path, module in model.named_modules():
        if not isinstance(module, nn.Sequential) and list(module.children()):
            raise TypeError(f"drawing: {path} is a {type(module).__name__}: the model must be an nn.Sequential of layers")
    layers = [{"name": path, **_layer(path, module)} for path, module in leaves]
    with unchanged(model, training=False), heard(model, end=end), no_grad():
        output = model(zeros(1, *size))
    if output.ndim != 2:
        raise ShapeError(f"drawing: the model must return (1, classes), not {tuple(output.shape)}")
    for before, layer in zip([None, *layers], layers, strict=False):
        layer["out"] = sizes[layer["name"]]
        if before and before["kind"] in ("conv", "linear", "affine", "pool") and layer["kind"] not in ("conv", "linear", "pool", "same"):
            layer |= {"name": f"{before['name']} + {layer['name']}", "joins": True}
    return layers


def _layer(path: str, module: Any) -> dict[str, Any]:
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            raise ValueError(f"drawing: {path} (Conv2d) has padding_mode={module.padding_mode!r}: the page knows zeros only")
        return {"kind": "conv", **window(module), "groups": module.groups, **_weights(module)}
    if isinstance(module, nn.MaxPool2d):
        return {"kind": "pool", "max": True, **window(module)}
    if isinstance(module, nn.AvgPool2d):
        return {"kind": "pool", **window(module), "padding_counts": module.count_include_pad, "divisor": module.divisor_override}
    if isinstance(module, nn.Linear):
        return {"kind": "linear", **_weights(module)}
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
        if module.running_mean is None or module.running_var is None:
            raise ValueError(f"drawing: {path} ({type(module).__name__}) has no running statistics")
        scale = (module.running_var._data.astype(float) + module.eps) ** -0.5
        scale = scale if module.weight is None else scale * module.weight._data
        shift = (0 if module.bias is None else module.bias._data) - module.running_mean._data * scale
        return {"kind": "affine", "weight": encoded(scale), "bias": encoded(shift)}
    if isinstance(module, nn.LeakyReLU):
        return {"kind": "leaky", "slope": module.negative_slope}
    if isinstance(module, nn.ELU):
        return {"kind": "elu", "slope": module.alpha}
    if type(module) in PLAIN:
        return {"kind": PLAIN[type(module)]}
    if isinstance(module, SAME):
        return {"kind": "same", "flat": True}
    raise TypeError(f"drawing: the page has no layer {type(module).__name__} ({path or 'the model'})")


def _weights(module: Any) -> dict[str, Any]:
    return {"weight": encoded(module.weight._data), "bias": None if module.bias is None else encoded(np.asarray(module.bias._data))}
