"""A page to look into a network: pick an image, a layer and a map. One HTML file, for any browser, without network access."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, no_grad, wrap
from minigrad.files.html import Page, encoded, staged
from minigrad.files.png import png
from minigrad.ops.arguments import check
from minigrad.plots.canvas import as_picture, named_arrays
from minigrad.plots.probes import enlarged, named_outputs

_MAP_BY_MAP = (  # classes of layers that compute each map from the one map before it
    "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Hard", "Sigmoid", "Tanh", "Softplus", "Softsign", "BatchNorm",
    "InstanceNorm", "Dropout", "Identity", "MaxPool", "AvgPool", "LPPool", "AdaptiveAvgPool", "AdaptiveMaxPool",
)  # fmt: skip


def _address(picture: np.ndarray) -> str:
    """(H, W) or (H, W, 3) of uint8 as the address of a PNG, for a page without other files."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def map_viewer(
    model: Any,
    images: Mapping[str, Any],
    layers: Mapping[str, str] | Sequence[str],
    *,
    shown: Mapping[str, Any] | None = None,
    most: int = 64,
    side: int = 56,
    title: str = "",
) -> Page:
    """An HTML page with the feature maps of some layers for some images.

    In the page one chooses an image and a layer, and sees all its maps, each from its minimum (dark) to its maximum (bright); a click on a
    map lays it over the image. Maps of a convolution have their filters beside them, also those of activations, normalisations and poolings that
    follow it in a ``Sequential``. The arrow keys go from map to map and from layer to layer. It has an English and a Japanese face, light and dark colours.

    Args:
        model: a module that takes images (1, C, H, W).
        images: name -> (C, H, W), as the model takes them.
        layers: name in the page -> path of a module that returns maps (1, K, h, w); or only the paths.
        shown: name -> the image as people see it, (3, H, W) from 0 to 1 (default: ``images``, scaled to that).
        most: the largest number of maps of a layer, the first ones.
        side: maps are at most so many pixels wide and high in the page.
        title: its heading (default: "What each layer sees", in the language of the page).

    Returns:
        A :class:`minigrad.files.html.Page`: ``save("maps.html")`` writes it, a notebook shows it.

    Raises:
        ValueError: an unknown layer, no images or no layers, or no picture for an image.
        ShapeError: a layer that returns no maps.
        TypeError: ``images`` is not a dict.

    >>> import numpy as np
    >>> from minigrad import nn, plots
    >>> page = plots.map_viewer(nn.Sequential(nn.Conv2d(3, 4, 3)), {"noise": np.random.rand(3, 8, 8).astype(np.float32)}, ["0"])
    >>> '"maps": [4, 6, 6]' in page.html
    True
    """
    check("map_viewer", locals(), "shown", model="a function", shown="a dict", most=1, side=1, title="a text")
    arrays = {
        name: array[0] if array.ndim == 4 and len(array) == 1 else array
        for name, array in named_arrays("map_viewer", "images", images).items()
    }
    pictures = {**arrays, **(named_arrays("map_viewer", "shown", shown) if shown else {})}
    if strangers := set(pictures) - set(arrays):
        raise ValueError(f"map_viewer: shown has {', '.join(sorted(strangers))}, but the images are {', '.join(arrays)}")
    check("map_viewer", locals(), layers="an iterable")
    paths = dict(layers) if isinstance(layers, Mapping) else {str(path): path for path in layers}
    for path in paths.values():
        check("map_viewer", {"layers": path}, layers="a name")
    if not paths:
        raise ValueError("map_viewer: layers is empty: there is nothing to show")
    data = []
    for name, array in arrays.items():
        if array.ndim != 3:
            raise ShapeError(f"map_viewer: {name} must be (C, H, W), not {array.shape}")
        with no_grad():
            outputs = named_outputs("map_viewer", model, wrap(np.ascontiguousarray(array[None])), list(paths.values()))
        sheets = []
        for layer, output in zip(paths, outputs, strict=True):
            if output._data.ndim != 4:
                raise ShapeError(f"map_viewer: {layer} must return maps (1, K, h, w), not {output._data.shape}")
            sheets.append({"layer": layer, **_sheet(output._data[0], most, side)})
        picture = as_picture(pictures[name], "map_viewer")
        colours = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, 2)
        data.append({"name": name, "picture": _address(_bytes(colours[:, :, :3])), "layers": sheets})
    filters = {layer: _filters(model, path, most) for layer, path in paths.items()}
    return staged("minigrad.plots/viewer.html", title or "what each layer sees", {"title": title, "images": data, "filters": filters})


def _filters(model: Any, path: str, most: int) -> dict[str, Any] | None:
    """The filters whose answers the maps of a layer are: ``shape`` (K, C, h, w) and ``values`` from -127 to 127, each filter's largest; or None."""
    convolution = _convolution(model, path)
    if convolution is None:
        return None
    weight = convolution.weight._data[:most]
    scale = np.abs(weight).max((1, 2, 3), keepdims=True) if weight.size else np.ones(1)
    values = np.rint(weight / np.where(scale > 0, scale, 1) * 127)
    return {"shape": list(weight.shape), "values": encoded(values, "<i1"), "bright": (scale.ravel() / 127).tolist()}


def _convolution(model: Any, path: str) -> Any:
    """The convolution of which the layer ``path`` shows the answers map by map: itself, or what stands before it in its ``Sequential``; else None."""
    layer = model.get_submodule(path)
    while type(layer).__name__ == "Sequential" and len(layer):
        path = ".".join(filter(None, (path, [name for name, _ in layer.named_children()][-1])))
        layer = model.get_submodule(path)
    parent = model.get_submodule(path.rpartition(".")[0])
    before = list(parent.children()) if type(parent).__name__ == "Sequential" else [layer]
    for candidate in reversed(before[: before.index(layer) + 1]):
        if getattr(candidate, "transposed", True) is False and candidate.weight._data.ndim == 4:
            return candidate
        if not type(candidate).__name__.startswith(_MAP_BY_MAP):
            return None
    return None


def _sheet(maps: np.ndarray, most: int, side: int) -> dict[str, Any]:
    """The maps side by side in one picture, and how to find each in it."""
    channels, height, width = maps.shape
    factor = min(1.0, side / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    columns = int(np.ceil(np.sqrt(min(channels, most))))
    rows = -(-min(channels, most) // columns)
    sheet = np.zeros((rows * size[0], columns * size[1]), np.uint8)
    for k, one in enumerate(maps[:most]):
        top, left = k // columns * size[0], k % columns * size[1]
        low, high = float(one.min()), float(one.max())
        scaled = (one - low) / (high - low) if high > low else np.zeros_like(one)
        sheet[top : top + size[0], left : left + size[1]] = _bytes(enlarged(scaled, size) if factor < 1 else scaled)
    return {
        "maps": [channels, height, width],
        "count": min(channels, most),
        "columns": columns,
        "height": size[0],
        "width": size[1],
        "sheet": _address(sheet),
    }
