"""Plots that run a model or read its gradients: activations, gradients, saliency and occlusion.

The model is run in evaluation mode and without a change of its state. ``activations`` and ``gradients`` return arrays by name, for
:func:`minigrad.plots.results.feature_maps` and :func:`minigrad.plots.results.histograms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import engine
from minigrad.calls import heard, unchanged
from minigrad.engine import TensorBase, wrap
from minigrad.ops.arguments import check, shown, whole
from minigrad.ops.resample import interpolate
from minigrad.plots.canvas import SCALE, all_finite, as_picture, class_names, new_figure, shown_array
from minigrad.tree import array_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def activations(model: Any, *inputs: Any, kinds: Callable[[Any], bool] | None = None) -> dict[str, np.ndarray]:
    """Path -> output array of each module without children, in one run of ``model``.

    Args:
        model: a module.
        inputs: its inputs.
        kinds: which modules are wanted (default: those without children).

    Raises ``TypeError`` for a model that cannot be called. A module whose output is no Tensor is left out.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad import plots
    >>> {name: a.shape for name, a in plots.activations(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), mg.ones(5, 2)).items()}
    {'0': (5, 3), '1': (5, 3)}
    """
    check("activations", locals(), "kinds", model="a function", kinds="a function")
    found: dict[str, np.ndarray] = {}
    wanted = kinds or (lambda module: not list(module.children()))

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if wanted(module) and isinstance(output, TensorBase):
            found[path] = output._data

    with unchanged(model, training=False), heard(model, end=end), engine.no_grad():
        model(*inputs)
    return found


def gradients(model: Any) -> dict[str, np.ndarray]:
    """Name -> gradient of each parameter of a model after backward, for :func:`minigrad.plots.results.histograms`.

    Raises ``TypeError`` for what is no module. A parameter without a gradient is left out.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Linear(2, 3)
    >>> model(mg.ones(4, 2)).sum().backward()
    >>> {name: g.shape for name, g in plots.gradients(model).items()}
    {'weight': (3, 2), 'bias': (3,)}
    """
    if not hasattr(model, "named_parameters"):
        raise TypeError(f"gradients: model must be a module, but is {shown(model)}")
    return {name: array_of(p.grad) for name, p in model.named_parameters() if p.grad is not None}


def _one(name: str, model: Any, image: Any) -> np.ndarray:
    """The array (C, H, W) of one image, or of a batch of one, in the dtype of the model's first parameter of real numbers."""
    array = shown_array(name, "image", image)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.ndim != 3 or not array.size:
        raise engine.ShapeError(f"{name}: one image (C, H, W) is needed, not {array.shape}")
    own = (p._data.dtype for p in model.parameters() if hasattr(p, "_data")) if hasattr(model, "parameters") else ()
    kept = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    return np.ascontiguousarray(all_finite(name, "image", array), next((dtype for dtype in own if dtype.kind == "f"), kept))


def _scores(name: str, model: Any, image: Any) -> Any:
    scores = model(image)
    if not isinstance(scores, TensorBase) or scores._data.ndim != 2:
        made = scores._data.shape if isinstance(scores, TensorBase) else type(scores).__name__
        raise engine.ShapeError(f"{name}: the model must return scores (N, classes), not {made}")
    return scores


def _chosen(name: str, scores: np.ndarray, target: int | None) -> int:
    """The class ``target``, or that of the highest score. Raises ``IndexError`` for a class that there is not."""
    if target is None:
        return int(scores.argmax())
    if target >= len(scores):
        raise IndexError(f"{name}: target is {target}, but the model has {len(scores)} classes")
    return int(target)


def _beside(name: str, image: Any, heat: np.ndarray, colours: str, title: str) -> Figure:
    """An image, and at its right a map of the same size over the image, with its scale."""
    picture = as_picture(shown_array(name, "image", image), name)
    figure = new_figure(8.4, 4)
    first, second = figure.subplots(1, 2)
    first.imshow(picture, **SCALE, cmap="gray")
    first.set_title("input", fontsize=10)
    second.imshow(picture, **SCALE, cmap="gray", alpha=0.25)
    shown = second.imshow(heat, cmap=colours, alpha=0.85)
    second.set_title(title, fontsize=10)
    figure.colorbar(shown, ax=second, shrink=0.8)
    for axes in (first, second):
        axes.set(xticks=[], yticks=[])
    return figure


def saliency_map(model: Any, image: Any, target: int | None = None) -> tuple[np.ndarray, int]:
    """The gradient of a class's score by each pixel (H, W), its largest magnitude over the channels, and the class.

    Args:
        model: from (1, C, H, W) to scores (1, classes).
        image: (C, H, W), or a batch of one.
        target: the class (default: that of the highest score).

    Raises ``ShapeError`` for an image or scores of another shape, ``IndexError`` for a class that there is not, ``TypeError`` for an image that is
    no array, ``ValueError`` for one that is not finite.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> heat, chosen = plots.saliency_map(model, mg.rand(1, 8, 8), target=2)
    >>> heat.shape, chosen
    ((8, 8), 2)
    """
    return _saliency("saliency_map", model, image, target)[:2]


def _saliency(name: str, model: Any, image: Any, target: int | None) -> tuple[np.ndarray, int, int]:
    """The map, the class, and how many classes there are."""
    check(name, locals(), "target", model="a function", target=0)
    x = wrap(_one(name, model, image)[None])
    x.requires_grad_()
    with unchanged(model, training=False), engine.enable_grad():
        scores = _scores(name, model, x)
        chosen = _chosen(name, scores._data[0], target)
        (gradient,) = engine.grad(scores[0, chosen], x)
    return np.abs(gradient._data[0]).max(0), chosen, scores._data.shape[1]


def saliency(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None) -> Figure:
    """Which pixels the score of a class depends on: :func:`saliency_map` beside the image.

    Args:
        model, image, target: as there.
        names: of the classes (default: their numbers).

    Raises what :func:`saliency_map` raises, and ``ValueError`` for another number of names than classes.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> plots.saliency(model, mg.rand(1, 8, 8), 1, ["cat", "dog", "cow"]).axes[1].get_title()
    '|d score of dog / d pixel|'
    """
    check("saliency", locals(), "names", names="a list")
    heat, chosen, classes = _saliency("saliency", model, image, target)
    called = class_names("saliency", names, classes)[chosen]
    return _beside("saliency", image, heat, "inferno", f"|d score of {called} / d pixel|")


def layer_outputs(model: Any, x: Any, layers: Sequence[str]) -> list[Any]:
    """The outputs of some layers for an input, in one run, with the graph: for gradients of what is inside a model.

    The model is in evaluation mode, but not inside ``no_grad``.

    Args:
        model: a module.
        x: its input.
        layers: paths of modules, as ``model.named_modules()`` gives them; each must return one Tensor. If one is called several times, its
            last output is taken.

    Raises ``ValueError`` for a path that there is not, or that is not called, ``TypeError`` for an x that is no Tensor.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    >>> [y.shape for y in plots.layer_outputs(model, mg.ones(5, 2), ["1", "0"])]
    [torch.Size([5, 3]), torch.Size([5, 3])]
    """
    return named_outputs("layer_outputs", model, x, layers)


def named_outputs(name: str, model: Any, x: Any, layers: Sequence[str]) -> list[Any]:
    """What :func:`layer_outputs` returns, for the function ``name``, with which messages begin."""
    check(name, locals(), model="a function", layers="an iterable")
    if not isinstance(x, TensorBase):
        raise TypeError(f"{name}: x must be a Tensor, but is {shown(x)}")
    wanted = list(layers)
    for path in wanted:
        check(name, {"layers": path}, layers="a name")
    found: dict[str, Any] = {}

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if path in wanted:
            found[path] = output

    with unchanged(model, training=False), heard(model, end=end):
        model(x)
    if missing := [path for path in wanted if not isinstance(found.get(path), TensorBase)]:
        raise ValueError(f"{name}: {missing[0]!r} is no layer of the model that returned a Tensor")
    return [found[path] for path in wanted]


def grad_cam_map(model: Any, image: Any, layer: str, target: int | None = None) -> tuple[np.ndarray, int]:
    """Where in the image the maps of a layer speak for a class (h, w), from 0 to 1, and the class (Selvaraju et al. 2017, "Grad-CAM").

    ``relu(sum_k a_k A_k)``, where A_k is map k of the layer and a_k the mean of the score's gradient over it, divided by its maximum.

    Args:
        model: from (1, C, H, W) to scores (1, classes).
        image: (C, H, W), or a batch of one.
        layer: path of a module that returns maps (1, K, h, w); the last convolution says most about the class.
        target: the class (default: that of the highest score).

    Returns the map in the size of the layer's maps; :func:`grad_cam` draws it over the image.

    Raises ``ValueError`` for an unknown layer, ``ShapeError`` for one that returns no maps.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> heat, chosen = plots.grad_cam_map(model, mg.rand(1, 8, 8), "1", target=0)
    >>> heat.shape, chosen
    ((6, 6), 0)
    """
    return _grad_cam("grad_cam_map", model, image, layer, target)[:2]


def _grad_cam(name: str, model: Any, image: Any, layer: str, target: int | None) -> tuple[np.ndarray, int, int]:
    """The map, the class, and how many classes there are."""
    check(name, locals(), "target", model="a function", layer="a name", target=0)
    seen: dict[str, Any] = {}

    def end(path: str, module: Any, args: Any, output: Any) -> None:
        if path == layer:
            seen["maps"] = output

    x = wrap(_one(name, model, image)[None])
    x.requires_grad_()  # so that there is a graph where all parameters are frozen
    with unchanged(model, training=False), engine.enable_grad(), heard(model, end=end):
        scores = _scores(name, model, x)
    maps = seen.get("maps")
    if not isinstance(maps, TensorBase):
        raise ValueError(f"{name}: {layer!r} is no layer of the model that returned a Tensor")
    if maps._data.ndim != 4:
        raise engine.ShapeError(f"{name}: {layer} must return maps (1, K, h, w), not {maps._data.shape}")
    chosen = _chosen(name, scores._data[0], target)
    (gradient,) = engine.grad(scores[0, chosen], maps)
    heat = np.maximum((gradient._data[0].mean((1, 2), keepdims=True) * maps._data[0]).sum(0), 0)
    return heat / max(heat.max(), 1e-30), chosen, scores._data.shape[1]


def grad_cam(model: Any, image: Any, layer: str, target: int | None = None, names: Sequence[str] | None = None) -> Figure:
    """Where a layer sees a class: :func:`grad_cam_map`, spread over the image, beside it.

    Args:
        model, image, layer, target: as there.
        names: of the classes (default: their numbers).

    Raises what :func:`grad_cam_map` raises, and ``ValueError`` for another number of names than classes.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> plots.grad_cam(model, mg.rand(1, 8, 8), "1", 1, ["cat", "dog", "cow"]).axes[1].get_title()
    'seen as dog'
    """
    check("grad_cam", locals(), "names", names="a list")
    heat, chosen, classes = _grad_cam("grad_cam", model, image, layer, target)
    called = class_names("grad_cam", names, classes)[chosen]
    return _beside("grad_cam", image, enlarged(heat, shown_array("grad_cam", "image", image).shape[-2:]), "inferno", f"seen as {called}")


def enlarged(heat: Any, size: Sequence[int]) -> np.ndarray:
    """A map (h, w) in the size (H, W) of the image, bilinear.

    Raises ``ShapeError`` for a map or a size of another shape, ``ValueError`` for a size below 1 or a map that is not finite.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> plots.enlarged(np.eye(2), (4, 4)).shape
    (4, 4)
    """
    check("enlarged", locals(), size="an iterable")
    array = np.ascontiguousarray(all_finite("enlarged", "heat", shown_array("enlarged", "heat", heat)), dtype=np.float64)
    if array.ndim != 2:
        raise engine.ShapeError(f"enlarged: heat must be (h, w), not {array.shape}")
    sizes = tuple(whole("enlarged", "size", n, 1) for n in size)
    if len(sizes) != 2:
        raise engine.ShapeError(f"enlarged: size must be (H, W), not {sizes}")
    return interpolate(wrap(array[None, None]), size=sizes, mode="bilinear")._data[0, 0]


def top_patches(
    model: Any, images: Sequence[Any], layer: str, channels: Sequence[int], most: int = 9, size: int = 64
) -> list[list[np.ndarray]]:
    """For each channel of a layer, the pieces of the images where it is most active (Zeiler and Fergus 2014).

    Args:
        model: a module that takes images (1, C, H, W) of any size.
        images: (C, H, W) each.
        layer: path of a module that returns maps (1, K, h, w).
        channels: which maps.
        most: the number of pieces for a channel.
        size: the side of a piece in pixels; at the edge of an image it is moved inwards.

    Returns for each channel its pieces (C, size, size), the strongest first. Two pieces of an image do not overlap by more than half.

    Raises ``ValueError`` for an unknown layer or images smaller than a piece, ``IndexError`` for a channel that there is not.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> [[piece.shape for piece in found] for found in plots.top_patches(model[:2], [mg.rand(1, 32, 32)], "1", [0, 3], most=1, size=16)]
    [[(1, 16, 16)], [(1, 16, 16)]]
    """
    check("top_patches", locals(), model="a function", images="a list", layer="a name", channels="a list", most=1, size=1)
    arrays = [_one("top_patches", model, image) for image in images]
    channels = [whole("top_patches", "channels", channel) for channel in channels]
    if small := [a.shape for a in arrays if min(a.shape[1:]) < size]:
        raise ValueError(f"top_patches: an image {small[0]} is smaller than a piece of {size}×{size}")
    places: list[list[tuple[float, int, int, int]]] = [[] for _ in channels]  # strength, image, top, left
    for number, array in enumerate(arrays):
        with engine.no_grad():
            (maps,) = named_outputs("top_patches", model, wrap(array[None]), [layer])
        if maps._data.ndim != 4:
            raise engine.ShapeError(f"top_patches: {layer} must return maps (1, K, h, w), not {maps._data.shape}")
        for found, channel in zip(places, channels, strict=True):
            if not 0 <= channel < maps._data.shape[1]:
                raise IndexError(f"top_patches: channel {channel} is outside the {maps._data.shape[1]} maps of {layer}")
            one = maps._data[0, channel]
            taken: list[tuple[int, int]] = []
            for place in np.argsort(one, axis=None)[::-1]:
                i, j = np.unravel_index(place, one.shape)
                top, left = (
                    int(np.clip(round((k + 0.5) / n * side - size / 2), 0, side - size))
                    for k, n, side in zip((i, j), one.shape, array.shape[1:], strict=True)
                )
                if all(abs(top - t) >= size // 2 or abs(left - u) >= size // 2 for t, u in taken):
                    taken.append((top, left))
                    found.append((float(one[i, j]), number, top, left))
                if len(taken) == most:
                    break
    best = [sorted(found, reverse=True)[:most] for found in places]
    return [[arrays[n][:, top : top + size, left : left + size] for _, n, top, left in found] for found in best]


def occlusion_map(
    model: Any,
    image: Any,
    target: int | None = None,
    size: int = 5,
    stride: int = 1,
    fill: float = 0.0,
    batch: int = 64,
    *,
    progress: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """How much the probability of a class falls when a square around each pixel is covered (H, W), and the class.

    Args:
        model: from (N, C, H, W) to scores (N, classes).
        image: (C, H, W), or a batch of one.
        target: the class (default: that of the highest score).
        size: side of the square.
        stride: distance between squares; each pixel takes the mean over the squares that cover it.
        fill: the value of a covered pixel.
        batch: number of images in one run of the model.
        progress: called with the number of squares done after each batch.

    Raises ``ShapeError`` for an image or scores of another shape, ``IndexError`` for a class that there is not, ``TypeError`` for an image that is
    no array, ``ValueError`` for one that is not finite.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> fall, chosen = plots.occlusion_map(model, mg.rand(1, 8, 8), target=2, size=3)
    >>> fall.shape, chosen
    ((8, 8), 2)
    """
    return _occlusion("occlusion_map", model, image, target, size, stride, fill, batch, progress)[:2]


def _occlusion(
    name: str,
    model: Any,
    image: Any,
    target: int | None,
    size: int = 5,
    stride: int = 1,
    fill: float = 0.0,
    batch: int = 64,
    progress: Callable[[int], Any] | None = None,
) -> tuple[np.ndarray, int, int]:
    """The map, the class, and how many classes there are."""
    check(name, locals(), "target progress", model="a function", target=0, size=1, stride=1, fill="finite", batch=1, progress="a function")
    image = _one(name, model, image)
    _, height, width = image.shape
    with unchanged(model, training=False), engine.no_grad():
        before = _softmax(_scores(name, model, wrap(image[None]))._data)[0]
        chosen = _chosen(name, before, target)
        corners = [(i, j) for i in range(-(size // 2), height - size // 2, stride) for j in range(-(size // 2), width - size // 2, stride)]
        total, times = np.zeros((height, width)), np.zeros((height, width))
        for start in range(0, len(corners), batch):
            part = corners[start : start + batch]
            covered = np.repeat(image[None], len(part), 0)
            for k, (i, j) in enumerate(part):
                covered[k, :, max(i, 0) : i + size, max(j, 0) : j + size] = fill
            falls = before[chosen] - _softmax(_scores(name, model, wrap(covered))._data)[:, chosen]
            for fall, (i, j) in zip(falls, part, strict=True):
                total[max(i, 0) : i + size, max(j, 0) : j + size] += fall
                times[max(i, 0) : i + size, max(j, 0) : j + size] += 1
            if progress is not None:
                progress(start + len(part))
    return total / np.maximum(times, 1), chosen, len(before)


def _softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def occlusion(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None, **options: Any) -> Figure:
    """The parts of an image that the model needs: :func:`occlusion_map` (whose ``options`` it takes) beside the image.

    Args:
        model, image, target: as there.
        names: of the classes (default: their numbers).

    Raises what :func:`occlusion_map` raises, and ``ValueError`` for another number of names than classes.

    >>> import minigrad as mg
    >>> from minigrad import nn, plots
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    >>> plots.occlusion(model, mg.rand(1, 8, 8), 1, ["cat", "dog", "cow"], size=3).axes[1].get_title()
    'loss of probability of dog when covered'
    """
    check("occlusion", locals(), "names", names="a list")
    heat, chosen, classes = _occlusion("occlusion", model, image, target, **options)
    called = class_names("occlusion", names, classes)[chosen]
    return _beside("occlusion", image, heat, "magma", f"loss of probability of {called} when covered")
