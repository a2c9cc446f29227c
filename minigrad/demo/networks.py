"""Demos about networks: receptive fields, templates while they train, and a network that answers to a drawing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.calls import heard, unchanged
from minigrad.demo.images import digits, packed
from minigrad.engine import ShapeError, no_grad
from minigrad.files.html import Page, staged
from minigrad.nn import functional as F
from minigrad.nn.data import MNIST
from minigrad.ops.arguments import check
from minigrad.plots.canvas import as_picture, shown_array
from minigrad.random import get_rng_state, set_rng_state
from minigrad.tensor import Tensor, as_tensor

POINTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU)
WINDOWS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def lenet(classes: int = 10) -> nn.Sequential:
    """LeNet-5 as a chain of layers with names, ReLU and max pooling: (N, 1, 28, 28) -> logits (N, classes).

    >>> import minigrad as mg
    >>> from minigrad.demo.networks import lenet
    >>> lenet()(mg.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """
    layers = {
        "conv1": nn.Conv2d(1, 6, 5, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(6, 16, 5), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "conv3": nn.Conv2d(16, 120, 5), "relu3": nn.ReLU(), "flatten": nn.Flatten(),
        "fc1": nn.Linear(120, 84), "relu4": nn.ReLU(), "fc2": nn.Linear(84, classes),
    }  # fmt: skip
    return nn.Sequential(OrderedDict(layers))


def _trained(epochs: int) -> nn.Sequential:
    """:func:`lenet`, trained on the sample of MNIST; the same each time, and the random generator is as it was."""
    state = get_rng_state()
    try:
        mg.manual_seed(0)
        model = lenet()
        images, labels = MNIST().tensors(normalize=True)
        optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
        for _ in range(epochs):
            order = mg.randperm(len(images))
            for start in range(0, len(order), 50):
                part = order[start : start + 50]
                optimizer.zero_grad()
                F.cross_entropy(model(images[part]), labels[part]).backward()
                optimizer.step()
    finally:
        set_rng_state(state)
    return model.eval()


def receptive_fields(model: Any = None, image: Any = None, *, title: str = "") -> Page:
    """What each cell of each layer sees: a click on a cell frames what it was computed from, in the layers before and in the input.

    The page can show instead in how many ways each pixel leads to the cell: that is the gradient of the cell by the pixel where all weights
    are one and pooling adds up.

    Args:
        model: a chain of convolutions, poolings and layers that work cell by cell (activations, batch normalisation, dropout); the first
            other layer ends what is shown (default: LeNet-5, trained for a moment).
        image: (C, H, W) that the model takes (default: a digit of MNIST).
        title: the page's.

    A cell of a layer with kernel k, stride s and dilation d sees ``r + (k - 1) * d * j`` pixels, where the layer before sees r and its
    neighbours are j pixels apart; its own are ``j * s`` apart.

    Raises:
        ShapeError: an image of another shape.
        TypeError: ``model`` is no module.
        ValueError: a layer whose input is not the output of the layer before, or no convolution and no pooling at all.

    >>> from minigrad import demo, nn
    >>> page = demo.receptive_fields(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)))
    """
    check("receptive_fields", locals(), "model", model=nn.Module, title="a text")
    model = _trained(1) if model is None else model
    x = shown_array("receptive_fields", "image", digits(1)["2"][None] if image is None else image).astype(np.float32)
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(f"receptive_fields: one image (C, H, W) is needed, not {x.shape}")
    batch = as_tensor(x[None])
    picture = as_picture(x)
    layers = [_layer("input", picture if picture.ndim == 2 else picture.mean(2), len(x), (1, 1), (1, 1), (0, 0), (1, 1))]
    chain: list[Any] = [batch]  # the last output; nothing more after the first layer of another kind

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if list(module.children()) or not chain:
            return
        if not isinstance(module, WINDOWS + POINTWISE):
            chain.clear()
        elif args[0] is not chain[0]:
            raise ValueError(
                f"receptive_fields: {path or 'the layer'} ({type(module).__name__}) does not take the output of the layer before it: "
                "the model must be a chain of modules, as nn.Sequential is"
            )
        else:
            chain[0] = output
            maps = np.abs(output._data[0]).mean(0)
            if isinstance(module, POINTWISE):
                layers[-1]["values"] = packed(maps)
            else:
                window = [_pair(getattr(module, what, 1)) for what in ("kernel_size", "stride")]
                dilation = _pair(getattr(module, "dilation", 1))
                padding = _padding(module.padding, window[0], dilation)
                layers.append(_layer(path or type(module).__name__, maps, output.shape[1], *window, padding, dilation))

    with unchanged(model, training=False), heard(model, end=end), no_grad():
        model(batch)
    if len(layers) == 1:
        raise ValueError("receptive_fields: the model begins with neither a convolution nor a pooling")
    return staged("minigrad.demo/static/fields.html", title or "receptive fields", {"title": title, "layers": layers})


def _layer(name: str, values: np.ndarray, maps: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    rows, columns = values.shape
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return {"name": name, "maps": maps, "rows": rows, "columns": columns, "values": packed(values), **window}


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _padding(padding: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, ...]:
    """Rows above and columns on the left that ``padding`` of a layer adds, its names "same" and "valid" too."""
    if padding == "same":
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return (0, 0) if padding == "valid" else _pair(padding)
