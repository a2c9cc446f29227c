"""A trained model made faster for inference: :func:`optimize_for_inference`."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, TypeVar

import numpy as np

from minigrad.calls import heard, unchanged
from minigrad.engine import enable_grad, no_grad
from minigrad.engine.graph import Node
from minigrad.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minigrad.nn.linear import Identity, Linear
from minigrad.nn.module import Module
from minigrad.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from minigrad.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval
from minigrad.ops.arguments import check
from minigrad.tree import array_of, tensors_in

M = TypeVar("M", bound=Module)

_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_LAYERS = {Linear: 2, Conv1d: 3, Conv2d: 4, Conv3d: 5, ConvTranspose1d: 3, ConvTranspose2d: 4, ConvTranspose3d: 5}  # axes of the result
_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_TOLERANCE = 1e-4  # folding changes the rounding of each layer, about 1e-6 of its largest number


def optimize_for_inference(model: M, *args: Any, **kwargs: Any) -> M:
    """A copy of ``model`` in evaluation mode, each batch normalisation folded into the layer before it, with frozen parameters.

    A BatchNorm is folded if its input is the result of a Conv, ConvTranspose or Linear that nothing else uses, and both are called once
    for ``model(*args, **kwargs)``. So that is found by calling the model, not by the order of its modules. An Identity takes the place of
    the BatchNorm. Subclasses of these layers, and layers with hooks, stay. ``model`` itself is not changed.

    Args:
        args, kwargs: an example of the model's arguments; a batch of one will do.

    Returns:
        The copy. Its results are those of ``model.eval()`` but for rounding: about 1e-6 of the largest number, in float32.

    Raises ``RuntimeError`` if the results differ by more than that, which a model does whose code reads the folded weights otherwise.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> fast = nn.optimize_for_inference(model, mg.ones(1, 3, 16, 16))
    >>> fast[1]
    Identity()
    >>> x = mg.randn(4, 3, 16, 16)
    >>> with mg.no_grad():
    ...     np.allclose(fast(x).numpy(), model.eval()(x).numpy(), atol=1e-5)
    True
    """
    check("optimize_for_inference", locals(), model=Module)
    fast = copy.deepcopy(model).eval()
    for layer_path, norm_path in _pairs(fast, args, kwargs):
        layer, norm = fast.get_submodule(layer_path), fast.get_submodule(norm_path)
        fused = fuse_linear_bn_eval(layer, norm) if type(layer) is Linear else fuse_conv_bn_eval(layer, norm, type(layer) in _TRANSPOSED)
        _replace(fast, layer, fused)
        _replace(fast, norm, Identity().eval())
    fast.requires_grad_(False)
    with no_grad(), unchanged(model, training=False):
        wanted = [array_of(t) for t in tensors_in(model(*args, **kwargs))]
        found = [array_of(t) for t in tensors_in(fast(*args, **kwargs))]
    for a, b in zip(wanted, found, strict=True):
        largest = float(np.abs(a).max(initial=0.0, where=np.isfinite(a)))
        if not np.allclose(a, b, rtol=0.0, atol=_TOLERANCE * largest, equal_nan=True):
            raise RuntimeError(
                f"optimize_for_inference: the results changed, by up to {np.nanmax(np.abs(a - b)):.3g}. The code of {type(model).__name__} "
                "uses the weights of a layer in another way than by calling the layer"
            )
    return fast


def _replace(model: Module, old: Module, new: Module) -> None:
    """Put ``new`` wherever ``old`` is: a module may have several names."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is old:
                parent.register_module(name, new)


def _pairs(model: Module, args: tuple, kwargs: dict[str, Any]) -> list[tuple[str, str]]:
    """The paths of each layer, and of the BatchNorm that is the only user of its result. ``model`` is in evaluation mode."""
    calls: Counter[Module] = Counter()
    layers: dict[Any, str] = {}  # node of a result -> the path of its layer
    norms: list[tuple[str, Any, Any]] = []  # path, node of the input, node of the result

    def end(path: str, module: Module, inputs: tuple, output: Any) -> None:
        calls[module] += 1
        if type(module) in _LAYERS and getattr(output, "ndim", 0) == _LAYERS[type(module)]:
            layers[output._node] = path  # that of now: an activation in place gives the tensor another one
        elif type(module) in _NORMS and inputs and getattr(module, "running_mean", None) is not None:
            norms.append((path, getattr(inputs[0], "_node", None), output._node))

    hooked = {module for module in model.modules() if module._hooks is not None and any(vars(module._hooks).values())}
    model.requires_grad_(True)  # so that there is a graph
    with enable_grad(), unchanged(model), heard(model, end=end):
        outputs = model(*args, **kwargs)
    every = _edges([t._node for t in tensors_in(outputs)], None)
    pairs = []
    for norm_path, node, normed in norms:
        if node is None or node not in layers:
            continue
        modules = model.get_submodule(layers[node]), model.get_submodule(norm_path)
        alone = all(calls[m] == 1 and m not in hooked for m in modules)
        if alone and every[node] == _edges([normed], node)[node] > 0:
            pairs.append((layers[node], norm_path))
    return pairs


def _edges(roots: list[Node | None], stop: Node | None) -> Counter[Node]:
    """How many ops use each node of the graph above ``roots``; without ``stop``, whose nodes above are left out, roots are used by the caller too."""
    stack = [node for node in set(roots) if node is not None]
    used = Counter(stack if stop is None else ())
    seen = set(stack)
    while stack:
        for parent in stack.pop().parents or ():
            if parent is not None:
                used[parent] += 1
                if parent not in seen and parent is not stop:
                    seen.add(parent)
                    stack.append(parent)
    return used
