"""Demos about networks: receptive fields, templates while they train, and a network that answers to a drawing."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.calls import unchanged
from minigrad.demo.exported import chain
from minigrad.demo.images import digits
from minigrad.engine import ShapeError, arrays_of, enable_grad, no_grad
from minigrad.files.html import Page, encoded, staged
from minigrad.graph.trace import Callers, family, reachable, record, resolve
from minigrad.nn import functional as F
from minigrad.nn.data import MNIST
from minigrad.ops.arguments import check, shown, whole
from minigrad.plots.canvas import as_picture, shown_array
from minigrad.random import fork_rng
from minigrad.tensor import as_tensor
from minigrad.tree import tensors_in


def lenet(classes: int = 10) -> nn.Sequential:
    """LeNet-5 as a chain of layers with names, ReLU and max pooling: (N, 1, 28, 28) -> logits (N, classes).

    >>> import minigrad as mg
    >>> from minigrad.demo.networks import lenet
    >>> lenet()(mg.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    layers = {
        "conv1": nn.Conv2d(1, 6, 5, padding=2), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(6, 16, 5), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "conv3": nn.Conv2d(16, 120, 5), "relu3": nn.ReLU(), "flatten": nn.Flatten(),
        "fc1": nn.Linear(120, 84), "relu4": nn.ReLU(), "fc2": nn.Linear(84, classes),
    }  # fmt: skip
    return nn.Sequential(OrderedDict(layers))


@functools.lru_cache(1)
def trained_lenet() -> nn.Sequential:
    """:func:`lenet` after three epochs of the sample of MNIST (some seconds; the same network each time).

    The random generator is as it was. About 96 % of the test images are recognised.
    """
    with fork_rng(), enable_grad():
        mg.manual_seed(0)
        model = lenet()
        images, labels = MNIST().tensors(normalize=True)
        optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
        for _ in range(3):
            order = mg.randperm(len(images))
            for start in range(0, len(order), 50):
                part = order[start : start + 50]
                optimizer.zero_grad()
                F.cross_entropy(model(images[part]), labels[part]).backward()
                optimizer.step()
    return model.eval()


def receptive_fields(model: Any = None, image: Any = None, *, title: str = "") -> Page:
    """What each cell of each layer sees: a click on a cell frames what it was computed from, in the layers before and in the input.

    The page can show instead in how many ways each pixel leads to the cell: that is the gradient of the cell by the pixel where all weights
    are one and pooling adds up. Where branches meet (the sum of a residual block, the concatenation of an Inception module), a cell sees what
    any of them sees: the frame is around the union of their fields.

    Args:
        model: a module that begins with convolutions, poolings and what works cell by cell (activations, batch normalisation, dropout, sums,
            concatenation of maps), in a chain or in branches; what comes after other layers is not shown (default: LeNet-5, before its
            training).
        image: (C, H, W) that the model takes, or (H, W) of one channel (default: a digit of MNIST).
        title: the page's.

    A cell of a layer with kernel k, stride s and dilation d sees ``r + (k - 1) * d * j`` pixels, where the layer before sees r and its
    neighbours are j pixels apart; its own are ``j * s`` apart. Where branches meet, it is the largest r of them.

    Raises:
        ShapeError: an image of another shape.
        TypeError: ``model`` is no module.
        ValueError: neither a convolution nor a pooling of the image.

    >>> from minigrad import demo, nn
    >>> page = demo.receptive_fields(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)))
    """
    check("receptive_fields", locals(), "model", model=nn.Module, title="a text")
    if model is None:
        with fork_rng():
            mg.manual_seed(0)
            model = lenet()
    x = shown_array("receptive_fields", "image", digits(1)["2"] if image is None else image).astype(np.float32)
    x = x[None] if x.ndim == 2 else x
    if x.ndim != 3 or 0 in x.shape:
        raise ShapeError(f"receptive_fields: one image (C, H, W) or (H, W) is needed, not {x.shape}")
    batch = as_tensor(x[None].copy()).requires_grad_()  # what is computed from it leaves nodes
    picture = as_picture(x)
    with unchanged(model, training=False), enable_grad(), record(model, arrays=True) as run:
        results = tensors_in(model(batch))
    layers = _windows_of(run, batch, [y._node for y in results if y._node is not None], picture if picture.ndim == 2 else picture.mean(2))
    if len(layers) == 1:
        raise ValueError("receptive_fields: the model begins with neither a convolution nor a pooling")
    return staged("minigrad.demo/static/fields.html", title or "receptive fields", {"title": title, "layers": layers})


CELLWISE = {"elementwise", "activation", "dropout"}  # families of ops that work cell by cell


def _windows_of(run: record, image: Any, ends: list[Any], picture: np.ndarray) -> list[dict[str, Any]]:
    """The image, and each convolution, pooling and meeting of branches that the ``ends`` were computed from, in the order of the run.

    Of each its window and the numbers of the layers that it takes (``from``). What works cell by cell only changes the layer's values.
    """
    layers = [_layer("input", picture, image.shape[1], {"from": []})]
    places: dict[Any, int | None] = {image._node: 0}  # node -> its layer; None beyond the layers that are shown
    modules = {scope.id: scope for scope in run.scopes}
    around = {scope.parent for scope in run.scopes}
    nodes = reachable(ends)
    callers = Callers(nodes)
    for node in nodes:
        parents = [resolve(p)[0] for p in node.parents or () if p is not None and resolve(p)[0] in places]
        sources = list(dict.fromkeys(places[p] for p in parents))
        if not parents or node in places:
            continue
        places[node] = None
        arrays = arrays_of(node)
        if arrays is None or None in sources:
            continue
        value = arrays[1][0] if isinstance(arrays[1], tuple) else arrays[1]
        if getattr(value, "ndim", 0) != 4 or len(value) != 1:
            continue
        window = _window_of(node, arrays[0])
        shapes = {p.shape[2:] if p.dtype is not None else p.shape[0][0][2:] for p in parents}
        scope = modules.get(run.scope_of(node.number))
        path = "" if scope is None else scope.path
        name = path or scope.kind if scope is not None and scope.id not in around else f"{path} {callers.called(node)}".strip()
        if window is None:
            if shapes != {value.shape[2:]} or not _by_cells(node):
                continue
            if len(sources) == 1:
                places[node] = sources[0]
                if sources[0]:
                    layers[sources[0]] |= {"values": _means(value), "maps": value.shape[1]}
                continue
            window = {"kernel": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
        elif len(sources) > 1:  # a kernel that is computed from the image
            continue
        places[node] = len(layers)
        layers.append(_layer(name, np.abs(value[0]).mean(0), value.shape[1], {**window, "from": sources}))
    return layers


def _by_cells(node: Any) -> bool:
    if node.op.name == "cat":
        return node.static["dim"] % 4 == 1
    return family(node.op) in CELLWISE or node.op.name == "affine"


def _window_of(node: Any, operands: tuple) -> dict[str, tuple[int, ...]] | None:
    """Kernel, stride, padding (above and on the left) and dilation of a convolution or a pooling; None for another op, and for uneven windows."""
    if node.op.name == "conv":
        static, (_, _, *kernel) = node.static["window"], operands[1].shape
        return {
            "kernel": tuple(kernel),
            "stride": static.stride,
            "padding": tuple(before for before, _ in static.padding),
            "dilation": static.dilation,
        }
    if node.op.name not in ("max_pool", "avg_pool"):
        return None
    axes = node.static["axes"]
    steps = [{int(step) for step in np.diff(axis.starts)} or {1} for axis in axes]
    if max(map(len, steps)) > 1:
        return None
    return {
        "kernel": tuple(axis.kernel for axis in axes), "stride": tuple(min(found) for found in steps),
        "padding": tuple(-int(axis.starts[0]) for axis in axes), "dilation": tuple(axis.dilation for axis in axes),
    }  # fmt: skip


def _means(value: np.ndarray) -> str:
    return encoded(np.abs(value[0]).mean(0))


def _layer(name: str, values: np.ndarray, maps: int, more: dict[str, Any]) -> dict[str, Any]:
    rows, columns = values.shape
    return {"name": name, "maps": maps, "rows": rows, "columns": columns, "values": encoded(values), **more}


def templates(
    train: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    names: Sequence[str] | None = None,
    *,
    epochs: int = 3,
    lr: float = 0.1,
    batch_size: int = 50,
    frames: int = 40,
    title: str = "",
) -> Page:
    """The weights of one dense layer as images, while it is trained: play them, and see the accuracy rise.

    The layer is trained here, with stochastic gradient descent from weights of zero, in an order that is the same each time. Weights are
    stored in 8 bits, relative to the largest of their frame; the scores of the ten images in the page are those of the layer itself.

    Args:
        train: images (N, H, W) or (N, 1, H, W), uint8 or numbers from 0 to 1, and their classes (N,) (default: 5,000 digits of MNIST).
        test: the same, for the accuracy; the first ones of each class can be asked about (default: 1,000 digits).
        names: of the classes (default: their numbers).
        epochs, lr, batch_size: of the training.
        frames: the largest number of recorded states, closer together at the beginning.
        title: the page's.

    Raises:
        ShapeError: arrays of other shapes, or options below 1.
        TypeError: classes that are not integers, or ``train`` or ``test`` is no pair.
        ValueError: one of ``train`` and ``test`` without the other, no images, another number of names than classes.

    >>> import numpy as np
    >>> from minigrad import demo
    >>> two = np.zeros((2, 4, 4)), np.array([0, 1])
    >>> page = demo.templates(two, two, epochs=1)
    """
    check("templates", locals(), "names", epochs=1, lr="above 0", batch_size=1, frames=2, names="a list", title="a text")
    if (train is None) != (test is None):
        raise ValueError("templates: give both train and test, or neither")
    pairs = [(part.images, part.labels) for part in (MNIST(), MNIST(train=False))] if train is None or test is None else [train, test]
    (x, y), (test_x, test_y) = (_examples(what, pair) for what, pair in zip(("train", "test"), pairs, strict=True))
    if x.shape[1:] != test_x.shape[1:]:
        raise ShapeError(f"templates: the images of train are {x.shape[1:]}, those of test {test_x.shape[1:]}")
    classes = int(max(y.max(), test_y.max())) + 1
    called = [str(k) for k in range(classes)] if names is None else [str(name) for name in names]
    if len(called) != classes:
        raise ValueError(f"templates: {len(called)} names for {classes} classes")
    _, rows, columns = x.shape
    asked = [int(np.flatnonzero(test_y == k)[0]) for k in range(classes) if (test_y == k).any()]

    with fork_rng():
        layer = nn.Linear(rows * columns, classes)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    optimizer = nn.optim.SGD(layer.parameters(), lr=lr)
    inputs, targets, seen, truth = (
        as_tensor(x.reshape(len(x), -1)),
        as_tensor(y),
        as_tensor(test_x.reshape(len(test_x), -1)),
        as_tensor(test_y),
    )
    total = epochs * -(-len(x) // batch_size)
    wanted = {0, *np.unique(np.rint(np.geomspace(1, total, frames - 1)).astype(int)).tolist()}
    recorded: list[dict[str, Any]] = []

    def record(step: int) -> None:
        if step not in wanted:
            return
        with no_grad():
            scores = layer(seen)
            loss = F.cross_entropy(scores, truth).item()
        weights, outputs = layer.weight._data, scores._data
        most = float(np.abs(weights).max()) or 1.0
        recorded.append(
            {
                "step": step, "most": most, "loss": loss, "accuracy": float((outputs.argmax(1) == test_y).mean()),
                "weights": encoded(np.rint(weights / most * 127), "i1"), "scores": outputs[asked].astype(float).tolist(),
            }
        )  # fmt: skip

    record(0)
    rng = np.random.default_rng(0)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            part = order[start : start + batch_size]
            optimizer.zero_grad()
            with enable_grad():
                F.cross_entropy(layer(inputs[part]), targets[part]).backward()
            optimizer.step()
            step += 1
            record(step)
    pictures = [{"values": encoded(test_x[k]), "label": int(test_y[k])} for k in asked]
    data = {"title": title, "names": called, "rows": rows, "columns": columns, "images": pictures, "frames": recorded}
    return staged("minigrad.demo/static/templates.html", title or "templates while they train", data)


def _examples(what: str, pair: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W) float32 from 0 to 1, and classes (N,) int64."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"templates: {what} must be a pair (images, classes), but is {shown(pair)}")
    images, labels = (shown_array("templates", what, part) for part in pair)
    images = images[:, 0] if images.ndim == 4 and images.shape[1] == 1 else images
    if labels.dtype.kind not in "iu":
        raise TypeError(f"templates: the classes of {what} must be integers, but are {labels.dtype.name}")
    if images.ndim != 3 or labels.shape != images.shape[:1] or 0 in images.shape:
        raise ShapeError(f"templates: {what} must be images (N, H, W) and classes (N,), not {images.shape} and {labels.shape}")
    if labels.min() < 0:
        raise ValueError(f"templates: the classes of {what} must be 0 or above")
    return (images / np.float32(255) if images.dtype == np.uint8 else images).astype(np.float32), labels.astype(np.int64)


def drawing(
    model: nn.Sequential | None = None,
    names: Sequence[str] | None = None,
    *,
    size: tuple[int, int, int] = (1, 28, 28),
    mean: float = MNIST.mean,
    std: float = MNIST.std,
    title: str = "",
) -> Page:
    """A digit that is drawn with the mouse or a finger, and a network that answers while it is drawn: all its layers are shown.

    The forward pass is in the page, in JavaScript, over the weights of ``model``. A drawing is prepared as MNIST's digits were: scaled to
    20/28 of the image, its centre of mass in the middle.

    Args:
        model: a chain of the layers that :func:`minigrad.demo.exported.chain` names, from images to logits (default: LeNet-5, trained here for
            some seconds with the sample of MNIST).
        names: of the classes (default: their numbers).
        size: of an image, (1, H, W).
        mean, std: the model takes ``(image - mean) / std`` for an image from 0 to 1 (default: MNIST's).
        title: the page's.

    Raises:
        ShapeError: a size of another form, or a model that does not give (1, classes).
        TypeError: ``model`` is no ``nn.Sequential``, or has a layer that the page does not know.
        ValueError: an option of a layer that the page does not know, or another number of names than classes.

    >>> from minigrad import demo, nn
    >>> page = demo.drawing(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    """
    check(
        "drawing", locals(), "model names", model=nn.Sequential, names="a list", size="a list", mean="finite", std="above 0", title="a text"
    )
    shape = tuple(whole("drawing", "size", n) for n in size)
    if len(shape) != 3 or shape[0] != 1 or min(shape[1:]) < 4:
        raise ShapeError(f"drawing: size must be (1, H, W), at least 4 each, not {size}")
    layers = chain(trained_lenet() if model is None else model, shape)
    (classes,) = layers[-1]["out"]
    called = [str(k) for k in range(classes)] if names is None else [str(name) for name in names]
    if len(called) != classes:
        raise ValueError(f"drawing: {len(called)} names for {classes} classes")
    samples = [{"name": name, "values": encoded(image)} for name, image in digits(10).items()] if shape == (1, 28, 28) else []
    data = {"title": title, "size": shape, "mean": float(mean), "std": float(std), "names": called, "layers": layers, "samples": samples}
    return staged("minigrad.demo/static/drawing.html", title or "draw a digit", data, "forward")
