"""``draw``: from a tensor, or from a model and its inputs, to a picture."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.calls import unchanged
from minigrad.engine import Leaf, Shell, TensorBase, inside, wrap
from minigrad.graph.picture import Graph
from minigrad.graph.trace import record, tensors_of, trace
from minigrad.ops.arguments import check, numbers, shown
from minigrad.tree import is_container, tree_map, unwrapped


def draw(
    subject: Any,
    *args: Any,
    model: Any = None,
    names: Mapping[str, TensorBase] | None = None,
    depth: int | str | None = "auto",
    repeats: bool | None = None,
    backward: bool = False,
    values: bool = False,
    gradient: Any = None,
    constants: bool = False,
    parameters: bool = False,
    legend: bool = True,
    direction: str = "TB",
    title: str = "",
    limit: int = 2500,
    **kwargs: Any,
) -> Graph:
    """Draw the graph behind a tensor, or run a model once and draw that.

    Args:
        subject: a Tensor, several (a tuple, list or dict), or a module.
        args: the module's inputs; ``kwargs`` likewise. The run changes neither buffers nor the state of the random generator.
        model: with a tensor: the module whose parameters give names and clusters, or the :class:`record` of its run.
        names: names for tensors of the graph, inputs and outputs too: ``{"x": x, "loss": loss}``.
        depth: fold all modules below this level into boxes: 0 is the whole model in one, 1 its children; None unfolds all. ``"auto"`` unfolds
            as many levels as fit a page (A4) in readable type; the picture says what it folded. In a graph without modules that does not
            fit, a box stands for several neighbouring ops.
        repeats: draw equal neighbouring modules once, marked ×18. None: with ``depth="auto"`` if they do not fit otherwise, else yes.
        backward: run backward and draw it beside the forward pass, with the gradients' norms.
        values: write each small value in its box, and its gradient: for expressions of scalars. Runs backward too.
        gradient: the gradient that backward starts from: an array of the result's shape (for several results a dict by name or a
            sequence in order). Default: 1 for a scalar; for a model's scores ``(N, C, ...)`` 1 at the largest along C and 0 elsewhere
            (ones would give zero gradients after a softmax, whose sum over classes is constant); otherwise ones.
        constants: draw constant arguments too.
        parameters: draw parameters and buffers as boxes of their own; if not, the ops that use them list them.
        legend: explain the colours.
        direction: ``TB`` from top to bottom, ``LR`` from left to right.
        title: the picture's title (default for a model: its class).
        limit: where ``depth`` is given, the largest number of boxes; in a larger graph, one box summarises several neighbouring ops.

    Raises:
        RuntimeError: nothing was recorded, or the graph has been freed by backward.
        ShapeError: ``gradient`` has another shape than the result.
        TypeError: ``repeats`` and the other switches are neither True nor False.

    >>> import minigrad as mg
    >>> from minigrad import graph
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> g = graph.draw((x * x).sum(), names={"x": x})
    >>> print([e.argument for e in g.edges if e.source == "v0"])
    ['input', 'other']
    """
    switches = dict.fromkeys(("repeats", "backward", "values", "constants", "parameters", "legend"), "True or False")
    check("draw", locals(), "names repeats", names="a dict", direction=("TB", "LR", "BT", "RL"), title="a text", limit=1, **switches)
    if depth != "auto":
        check("draw", {"depth": depth}, "depth", depth=0)
    options = {
        "depth": depth, "repeats": repeats, "parameters": parameters, "legend": legend, "direction": direction, "limit": limit,
        "backward": backward, "values": values,
    }  # fmt: skip
    if hasattr(subject, "named_modules"):
        if model is not None:
            raise TypeError("draw: model= goes with a tensor; draw(model, x) runs the model itself")
        graph = _run(subject, args, kwargs, dict(names or {}), constants, backward or values, gradient, title)
    else:
        if args or kwargs:
            raise TypeError(f"draw: inputs are for a module, and {type(subject).__name__} is none")
        found = list(tensors_of(subject))
        if not found:
            raise TypeError(f"draw: subject must be a Tensor or a module, but is {shown(subject)}")
        outputs = _named(subject, names or {})
        seeds = _seeds(outputs, gradient, scores=False)
        traced = trace(
            outputs,
            model=model,
            names=names,
            constants=constants,
            backward=backward or values,
            values=backward or values,
            seeds=seeds,
            title=title,
        )
        graph = Graph.of(traced)
    graph.options = options
    return graph


def _named(output: Any, names: Mapping[str, TensorBase]) -> dict[str, TensorBase]:
    """A name for each tensor of an output: the user's, else its key in a dict, else output, or output 0, output 1, ...; ``norm[0]`` deeper in it."""
    if isinstance(output, Mapping):
        places = [place for key, value in output.items() for place in _places(str(key), value)]
    elif isinstance(output, (list, tuple)) and len(list(tensors_of(output))) > 1:
        fields = getattr(output, "_fields", None) or [f"output {i}" for i in range(len(output))]
        places = [place for name, value in zip(fields, output, strict=True) for place in _places(name, value)]
    else:
        places = [("output", tensor) for tensor in tensors_of(output)]
    return {next((name for name, t in names.items() if t is tensor), plain): tensor for plain, tensor in places}


def _places(name: str, value: Any) -> list[tuple[str, TensorBase]]:
    """The tensors in ``value`` with the expressions that lead to them: ``batch['x']``, ``hx[0]``; only the name if there is one tensor."""
    found: list[tuple[str, TensorBase]] = []
    ahead = [(name, value)]
    while ahead:
        path, item = ahead.pop()
        if isinstance(item, (TensorBase, Shell)):
            found.append((path, inside(item)))
        elif is_container(item):
            parts = item.items() if isinstance(item, Mapping) else enumerate(item)
            ahead += reversed([(f"{path}[{key!r}]", part) for key, part in parts])
    return [(name, found[0][1])] if len(found) == 1 else found


def _seeds(outputs: Mapping[str, TensorBase], gradient: Any, scores: bool) -> dict[str, np.ndarray]:
    """Output's name -> the gradient that backward starts from; outputs that start from ones are left out."""
    given: Any = {}
    if isinstance(gradient, Mapping):
        given = gradient
    elif isinstance(gradient, (tuple, list)) and len(outputs) > 1:
        given = dict(zip(outputs, gradient, strict=False))
    elif gradient is not None:
        given = {next(iter(outputs)): gradient}
    unknown = [name for name in given if name not in outputs]
    if unknown:
        raise ValueError(f"draw: gradient names {unknown[0]!r}, but the outputs are {', '.join(outputs)}")
    seeds = {}
    for name, tensor in outputs.items():
        data = tensor._data
        if given.get(name) is not None:
            numbers("draw", "gradient", unwrapped(given[name]))
            seed = np.asarray(unwrapped(given[name]), dtype=data.dtype)
            if seed.shape != data.shape:
                raise engine.ShapeError(f"draw: gradient has shape {seed.shape}, but {name} has {data.shape}")
            seeds[name] = seed
        elif scores and data.ndim > 1 and data.size and data.dtype.kind == "f":
            seeds[name] = seed = np.zeros_like(data)
            np.put_along_axis(seed, np.expand_dims(data.argmax(1), 1), 1, 1)
    return seeds


def _run(model: Any, args: tuple, kwargs: dict, names: dict[str, Any], constants: bool, backward: bool, gradient: Any, title: str) -> Graph:
    """Run ``model`` once with its inputs as leaves, trace the result, and restore the model's state."""
    args, kwargs = _as_tensors(args), {key: _as_tensors(value) for key, value in kwargs.items()}
    inputs: dict[str, Any] = {}
    pretend: list[engine.Node] = []
    renamed = {id(t._data): name for name, t in names.items()}
    for name, value in _bind(model, args, kwargs).items():
        for place, tensor in _places(name, value):
            inputs[renamed.get(id(tensor._data), place)] = tensor
    changed = []
    for tensor in inputs.values():  # inputs without gradient are recorded too, so that the picture begins with them
        if tensor._node is None and tensor._data.dtype.kind == "f":
            tensor._node = Leaf(tensor)
            pretend.append(tensor._node)
            changed.append(tensor)
    try:
        recording = record(model, arrays=backward)
        recording.pretend = pretend
        with unchanged(model), engine.enable_grad(), recording:
            output = model(*args, **kwargs)
        found = list(tensors_of(output))
        if not found:
            raise TypeError(f"draw: {type(model).__name__} returned {type(output).__name__}, which contains no Tensor")
        outputs = _named(output, names)
        return Graph.of(
            trace(
                outputs,
                model=recording,
                inputs=inputs,
                pretend=pretend,
                constants=constants,
                backward=backward,
                values=backward,
                seeds=_seeds(outputs, gradient, scores=True),
                title=title or type(model).__name__,
            )
        )
    finally:
        for tensor in changed:
            tensor._node = None


def _as_tensors(value: Any) -> Any:
    """Arrays as Tensors, and Tensors as new objects over the same arrays, so that the run does not change the caller's tensors."""

    def tensor(x: Any) -> Any:
        fresh = isinstance(x, np.ndarray) or (isinstance(x, TensorBase) and x._node is None)
        if isinstance(x, Shell):
            return type(x)(tensor(x.pair))  # type: ignore[call-arg]
        return wrap(unwrapped(x)) if fresh else x

    return tree_map(tensor, value)


def _bind(model: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The inputs by the names of ``forward``'s parameters."""
    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs)
    except (TypeError, ValueError):  # the call itself will raise a clearer error
        return {f"input {i}": value for i, value in enumerate(args)} | kwargs
    found: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL and len(value) > 1:
            found.update({f"{name}[{i}]": v for i, v in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        else:
            found[name] = value
    return found
