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
from minigrad.ops.arguments import check, shown
from minigrad.plots.canvas import as_picture, new_figure, shown_array
from minigrad.tree import array_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def activations(model: Any, *inputs: Any, kinds: Callable[[Any], bool] | None = None) -> dict[str, np.ndarray]:
    """Path -> output array of each module without children, in one run of ``model``.

    Args:
        model: a module.
        inputs: its inputs.
        kinds: which modules are wanted (default: those without children).

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
    """Name -> gradient of each parameter of a model after backward, for :func:`minigrad.plots.results.histograms`."""
    if not hasattr(model, "named_parameters"):
        raise TypeError(f"gradients: model must be a module, but is {shown(model)}")
    return {name: array_of(p.grad) for name, p in model.named_parameters() if p.grad is not None}


def _one(name: str, image: Any) -> np.ndarray:
    """The array (C, H, W) of one image, or of a batch of one."""
    array = np.ascontiguousarray(shown_array(name, "image", image))
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    if array.ndim != 3:
        raise engine.ShapeError(f"{name}: one image (C, H, W) is needed, not {array.shape}")
    return array


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


def _called(name: str, names: Sequence[str] | None, chosen: int) -> Any:
    """The name of a class, or its number without names."""
    if names is not None and len(names) <= chosen:
        raise ValueError(f"{name}: names has {len(names)} entries, none for class {chosen}")
    return chosen if names is None else names[chosen]


def _side_by_side(image: np.ndarray, heat: np.ndarray, colours: str, left: str, right: str) -> Figure:
    figure = new_figure(8.4, 4)
    first, second = figure.subplots(1, 2)
    first.imshow(as_picture(image), cmap="gray_r")
    first.set_title(left, fontsize=10)
    second.imshow(as_picture(image), cmap="gray_r", alpha=0.25)
    shown = second.imshow(heat, cmap=colours, alpha=0.85)
    second.set_title(right, fontsize=10)
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
    """
    check("saliency_map", locals(), "target", model="a function", target=0)
    x = wrap(_one("saliency_map", image)[None])
    x.requires_grad_()
    with unchanged(model, training=False), engine.enable_grad():
        scores = _scores("saliency_map", model, x)
        chosen = _chosen("saliency_map", scores._data[0], target)
        (gradient,) = engine.grad(scores[0, chosen], x)
    return np.abs(gradient._data[0]).max(0), chosen


def saliency(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None) -> Figure:
    """Which pixels the score of a class depends on: :func:`saliency_map` beside the image."""
    check("saliency", locals(), "names", names="a list")
    heat, chosen = saliency_map(model, image, target)
    called = _called("saliency", names, chosen)
    return _side_by_side(_one("saliency", image), heat, "inferno", "input", f"|d score of {called} / d pixel|")


def occlusion_map(
    model: Any, image: Any, target: int | None = None, size: int = 5, stride: int = 1, fill: float = 0.0, batch: int = 64
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
    """
    check("occlusion_map", locals(), "target", model="a function", target=0, size=1, stride=1, fill="a number", batch=1)
    image = _one("occlusion_map", image)
    _, height, width = image.shape
    with unchanged(model, training=False), engine.no_grad():
        before = _softmax(_scores("occlusion_map", model, wrap(image[None]))._data)[0]
        chosen = _chosen("occlusion_map", before, target)
        corners = [(i, j) for i in range(-(size // 2), height - size // 2, stride) for j in range(-(size // 2), width - size // 2, stride)]
        total, times = np.zeros((height, width)), np.zeros((height, width))
        for start in range(0, len(corners), batch):
            part = corners[start : start + batch]
            covered = np.repeat(image[None], len(part), 0)
            for k, (i, j) in enumerate(part):
                covered[k, :, max(i, 0) : i + size, max(j, 0) : j + size] = fill
            falls = before[chosen] - _softmax(_scores("occlusion_map", model, wrap(covered))._data)[:, chosen]
            for fall, (i, j) in zip(falls, part, strict=True):
                total[max(i, 0) : i + size, max(j, 0) : j + size] += fall
                times[max(i, 0) : i + size, max(j, 0) : j + size] += 1
    return total / np.maximum(times, 1), chosen


def _softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def occlusion(model: Any, image: Any, target: int | None = None, names: Sequence[str] | None = None, **options: Any) -> Figure:
    """The parts of an image that the model needs: :func:`occlusion_map` (whose ``options`` it takes) beside the image."""
    check("occlusion", locals(), "names", names="a list")
    heat, chosen = occlusion_map(model, image, target, **options)
    called = _called("occlusion", names, chosen)
    return _side_by_side(_one("occlusion", image), heat, "magma", "input", f"loss of probability of {called} when covered")
