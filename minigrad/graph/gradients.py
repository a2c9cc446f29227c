"""Gradients on a graph's vertices and edges, and the backward pass one op at a time.

The engine runs backward as usual; hooks on the nodes record the gradient that arrives at each. The op's own formulas compute from it
the gradients of the arguments. No gradient is added to any ``.grad``, and the graph is not freed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import Node, Pick, TensorBase
from minigrad.graph.values import Store, text_of

VANISHING, EXPLODING = 1e-7, 1e4  # of a gradient's root mean square


def summary(array: np.ndarray) -> dict[str, Any]:
    """A gradient in a few numbers: ``shape``, ``norm``, ``rms``, ``state`` and, where it is small, ``value``.

    ``state`` is ``nan`` (a NaN is among the elements), ``inf`` (an infinity, but no NaN), ``zero``, ``vanishing`` (root mean square below 1e-7),
    ``exploding`` (above 1e4) or ``""``. Norms that are not finite are text, so that JSON can carry them.

    >>> import numpy as np
    >>> summary(np.array([3.0, 4.0]))["norm"], summary(np.array([np.nan]))["state"]
    (5.0, 'nan')
    """
    array = engine.memory_of(array)  # inside vmap: of all samples
    flat = np.asarray(array, dtype=np.float64).ravel()
    finite = bool(np.isfinite(flat).all())
    largest = float(np.abs(flat).max()) if finite and flat.size else 0.0
    norm = largest * float(np.sqrt(np.square(flat / largest).sum())) if largest else 0.0  # squares neither overflow nor vanish
    rms = norm / max(flat.size, 1) ** 0.5
    odd = "" if finite else "nan" if np.isnan(flat).any() else "inf"
    state = odd or ("zero" if norm == 0 else "vanishing" if rms < VANISHING else "exploding" if rms > EXPLODING else "")
    known: dict[str, Any] = {"shape": list(np.shape(array)), "norm": norm, "rms": rms, "state": state}
    if odd:
        known["norm"] = known["rms"] = odd
    if flat.size <= 16:
        known["value"] = show(array)
    return known


def show(value: Any) -> str:
    """Text for a learner: all numbers of a small array; the shape, range and mean of a large one."""
    if isinstance(value, tuple):
        return ", ".join(map(show, value))
    value = engine.memory_of(value)
    if not isinstance(value, (np.ndarray, np.generic)):
        return str(value)
    array = np.asarray(value)
    if text := text_of(array):
        return text
    if array.size <= 16:
        return np.array2string(array, precision=4, suppress_small=False, separator=", ")
    shape = "×".join(map(str, array.shape))
    if array.dtype.kind != "f":
        return f"{array.dtype} {shape}, from {array.min()} to {array.max()}"
    return f"{array.dtype} {shape}, from {array.min():.4g} to {array.max():.4g}, mean {array.mean():.4g}"


class Backward:
    """A recorded backward pass. It starts from ``seeds`` (output's name -> gradient), and from ones for the other ``outputs``.

    ============  ====================================================================================================
    ``arrived``   node -> summary of the whole gradient of its result
    ``returned``  (node, position of the argument) -> summary of what the op's formula gave for that argument
    ``steps``     (node, what happened there) in the order of backward: incoming gradient, kept values, outgoing gradients
    ============  ====================================================================================================
    """

    def __init__(
        self,
        outputs: Mapping[str, TensorBase],
        nodes: Sequence[Node],
        real: set[Node],
        seeds: Mapping[str, np.ndarray],
        store: Store | None = None,
    ):
        self.arrived: dict[Node, dict[str, Any]] = {}
        self.returned: dict[tuple[Node, int], dict[str, Any]] = {}
        self.steps: list[tuple[Node, dict[str, Any]]] = []
        self.store = store
        incoming: dict[Node, Any] = {}
        watched = [node for node in nodes if node.dtype is not None and node in real]
        hooks = []
        for node in watched:

            def hook(g: Any, node: Node = node) -> None:
                incoming[node] = g._data

            hooks.append((node, hook))
            node.hooks = [*(node.hooks or []), hook]
        starts = [(t._node, seeds.get(name, np.ones_like(t._data))) for name, t in outputs.items() if t._node is not None]
        try:
            with engine.no_grad(), np.errstate(all="ignore"):
                engine.walk(starts, None, True, False, accumulate=False)
                for node in reversed(nodes):
                    self._step(node, incoming, real)
        finally:
            for node, hook in hooks:
                node.hooks = [h for h in node.hooks or [] if h is not hook] or None

    def _step(self, node: Node, incoming: dict[Node, Any], real: set[Node]) -> None:
        if node in incoming and node.dtype is not None:
            self.arrived[node] = summary(incoming[node])
            if isinstance(node, Pick):  # its call's gradients wait for each other
                source = node.parents[0]
                parts = incoming.setdefault(source, [None] * len(source.shape))
                parts[node.index] = incoming[node] if parts[node.index] is None else parts[node.index] + incoming[node]
        if node.plan is None or isinstance(node, Pick) or node not in incoming:
            return
        g = incoming.pop(node)
        if node.dtype is None:
            g = tuple(np.zeros(*like) if part is None else part for part, like in zip(g, node.shape, strict=True))
        plan, parents = node.plan, node.parents
        assert node.kept is not None and parents is not None
        outgoing, kept = [], {}
        for position, formula, sources, args in node.formulas():
            places = (position,) if isinstance(position, int) else position
            if not any(parents[i] in real for i in places):
                continue
            for source, value in zip(sources, args, strict=True):
                if source is not None:
                    name = plan.op.argument(source) if isinstance(source, int) else plan.op.variadic if source == "*" else source
                    kept[str(name)] = show(value)
            given, *values = engine.in_dtype((g, *args), engine.F16, engine.F32) if engine.is_half(node) else (g, *args)
            results = engine.applied(plan.op, formula, given, values, sources)
            several = (results,) if isinstance(position, int) else engine.settle(results, [parents[i] for i in places])
            for place, result in zip(places, several, strict=True):
                target = parents[place]
                if target is None or result is None:
                    continue
                fitted = engine.fit(result if engine.is_batched(result) else np.asarray(result), target, plan, place)
                known = self.returned[node, place] = summary(fitted)
                outgoing.append({"argument": plan.op.argument(place), "place": place, "value": known.get("value") or show(fitted), **known})
                if self.store is not None:
                    outgoing[-1]["array"] = self.store.add(fitted)
        step = {"incoming": show(g), "kept": kept, "outgoing": outgoing}
        if self.store is not None:
            step["arrays"] = [self.store.add(part) for part in (g if isinstance(g, tuple) else (g,))]
        self.steps.append((node, step))
