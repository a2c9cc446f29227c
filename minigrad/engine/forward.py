"""Forward mode: :func:`push` carries tangents through a recorded graph, oldest node first, as ``walk`` carries gradients back.

A node's tangent is the sum of what comes of the tangents of its parents. What comes of one is found in the first of these ways that its op has:

* a formula that :class:`~minigrad.engine.rules.tangent` gave it; an elementwise op has one in its gradient formula;
* the op itself, called with the tangent, where it is declared linear in the input (:class:`~minigrad.engine.rules.linear_in`);
* the transpose of the gradient formula. A gradient formula is linear in ``g``, so its derivative by ``g`` is sought, along the tangent: a walk
  back through the ops of this one formula. It is right for every op that can be differentiated twice.

As in ``walk``, everything is computed with arrays, or, if ``record`` is set, with Tensors at their places in the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.engine.backward import as_tensors, freed_error, settle, walk
from minigrad.engine.batching import ARRAYS, alike_in, applied
from minigrad.engine.fitting import broadcast_to, cast, in_dtype, is_half, sum_to
from minigrad.engine.graph import Leaf, Node, Packed, Pick, mapped, wrap
from minigrad.engine.modes import set_grad_enabled
from minigrad.engine.op import F16, F32, Op, Plan, ShapeError
from minigrad.kernels.quiet import quietly


def push(roots: Iterable[Node], seeds: dict[Node, Any], record: bool, declared: bool = True) -> dict[Node, Any]:
    """The tangents of those of the nodes ``roots`` that depend on the nodes ``seeds``, given the tangents of these.

    A tangent is forgotten after the last node that needs it, so that its memory, which is still in the cache, is used again.

    ``declared``: use what is declared of ops; False transposes gradient formulas only, which is slower and must give the same.

    Raises ``RuntimeError`` if a part of the graph was freed.
    """
    found, roots = dict(seeds), set(roots)
    order = _between(roots, seeds)
    uses = Counter([parent for node in order for parent in set(node.parents)])
    with set_grad_enabled(record), quietly():
        for node in order:
            if isinstance(node, Pick):
                several = found.get(node.parents[0])
                t = None if several is None else several[node.index]
            else:
                try:
                    t = _tangent(node, [found.get(parent) for parent in node.parents], record, declared)
                except Exception as error:
                    error.add_note(f"in the tangent of {node.name}")
                    raise
            if t is not None:
                found[node] = t
            for parent in set(node.parents):
                uses[parent] -= 1
                if not uses[parent] and parent not in roots:
                    found.pop(parent, None)
            t = None
    return found


def _between(roots: Iterable[Node], seeds: Iterable[Node]) -> list[Node]:
    """The nodes on paths from ``seeds`` to ``roots``, without seeds, oldest first: an op is newer than its inputs."""
    depends = set(seeds)
    oldest = min([node.number for node in depends], default=0)
    seen, stack, found = set(depends), list(roots), []
    while stack:
        node = stack.pop()
        if node.number > oldest and node not in seen:
            seen.add(node)
            if node.parents is None:
                raise freed_error(node)
            found.append(node)
            stack.extend([parent for parent in node.parents if parent is not None])
    order = []
    for node in sorted(found, key=lambda node: node.number):
        if not depends.isdisjoint(node.parents):
            depends.add(node)
            order.append(node)
    return order


# ----------------------------------------------------------------------------------------------------- one node


class _Call:
    """A node, what it keeps, and the tangents ``ts`` of its inputs that no rule has taken yet."""

    def __init__(self, node: Node, ts: list[Any], record: bool):
        self.node, self.record = node, record
        self.half = is_half(node)
        self.ts = list(in_dtype(tuple(ts), F16, F32)) if self.half else ts
        self.kept: tuple = node.kept.unpacked() if isinstance(node.kept, Packed) else node.kept

    def take(self, place: int | slice) -> Any:
        """The tangent at ``place``, or the tuple of tangents; None if there is none."""
        t = self.ts[place]
        if isinstance(place, int):
            self.ts[place] = None
            return t
        self.ts[place] = [None] * len(t)
        return None if all(part is None for part in t) else tuple(t)

    def arguments(self, args: tuple, sources: tuple) -> Sequence[Any]:
        """What a formula takes after ``g`` or ``t``."""
        found: Sequence[Any] = as_tensors(args, sources, self.node) if self.record else args
        return in_dtype(tuple(found), F16, F32) if self.half else found


def _tangent(node: Node, ts: list[Any], record: bool, declared: bool) -> Any:
    """The tangent of a node, a tuple for several results; None (also in the tuple) for zeros."""
    plan: Plan = node.plan
    if plan.pushes is None:
        plan.pushes = _pushes(plan)
    call = _Call(node, ts, record)
    total = None
    for push_on in (*(plan.pushes if declared else ()), _transposed):
        share = push_on(call)
        if share is not None:
            total = share if total is None else _added(total, share)
    if total is None or node.dtype is not None:
        return total if total is None else _fitting(total, node.shape, node.dtype, node)
    return tuple([None if t is None else _fitting(t, shape, dtype, node) for t, (shape, dtype) in zip(total, node.shape, strict=True)])


def _added(a: Any, b: Any) -> Any:
    if type(a) is not tuple:
        return a + b
    return tuple([y if x is None else x if y is None else x + y for x, y in zip(a, b, strict=True)])


def _fitting(t: Any, shape: tuple[int, ...], dtype: np.dtype, node: Node) -> Any:
    if isinstance(t, np.generic):
        t = np.asarray(t)
    if t.shape != shape:
        raise ShapeError(f"{node.name}: its rule gave a tangent of shape {t.shape} for a result of shape {shape}")
    return t if t.dtype == dtype else cast(t, dtype=dtype)


# ------------------------------------------------------------------------- the three ways, each taking what it can do


def _pushes(plan: Plan) -> list[Callable[[_Call], Any]]:
    """The steps of the first two ways that the op of ``plan`` has."""
    op: Op = plan.op
    if op.elementwise:
        return [_by_gradient(i, formula, sources, pick) for i, formula, sources, pick, _ in plan.rows if i is not None]
    formulas = [_by_formula(plan, name, formula) for name, formula in op.tangents.items() if all(n in plan.kept for n in op.needs[name])]
    return [*formulas, _by_itself] if op.linear else formulas


def _by_gradient(position: int, formula: Callable, sources: tuple, pick: Callable | None) -> Callable[[_Call], Any]:
    """The step of an elementwise op for one input: its gradient formula, with the tangent in the shape and dtype of the result."""

    def step(call: _Call) -> Any:
        node = call.node
        if node.dtype is None or (t := call.take(position)) is None:
            return None
        if t.shape != node.shape:
            t = broadcast_to(t, shape=node.shape)
        if t.dtype != node.dtype and not call.half:
            t = cast(t, dtype=node.dtype)
        return applied(call.node.op, formula, t, call.arguments(call.kept if pick is None else pick(call.kept), sources), sources)

    return step


def _by_formula(plan: Plan, name: str, formula: Callable) -> Callable[[_Call], Any]:
    """The step of a declared formula."""
    op = plan.op
    place: Any = slice(len(op.inputs), None) if name == op.variadic else op.inputs.index(name)
    needs = op.parameters_of(formula, name, "t")
    places = [None if need not in plan.kept else plan.kept.index(need) for need in needs]
    sources = tuple(source for source, _ in needs)

    def step(call: _Call) -> Any:
        if (t := call.take(place)) is None:
            return None
        args = tuple(
            [call.node.static[expression] if i is None else call.kept[i] for i, (_, expression) in zip(places, needs, strict=True)]
        )
        return applied(op, formula, t, call.arguments(args, sources), sources)

    return step


def _by_itself(call: _Call) -> Any:
    """The op, called with tangents in place of a group of inputs in which it is linear; again while a group has tangents left."""
    op: Op = call.node.op
    total = None
    groups = [[op.inputs.index(name) for name in group] for group in op.linear]
    while True:
        group = max(groups, key=lambda group: sum(call.ts[i] is not None for i in group))
        inputs = _with_tangents(call, group)
        if inputs is None:
            return total
        share = op.run(inputs, call.node.static, op.function)
        total = share if total is None else _added(total, share)


def _with_tangents(call: _Call, group: Sequence[int]) -> list[Any] | None:
    """The inputs of the op with the tangents of ``group`` in their places; None if there are none, or if a value is not known."""
    node = call.node
    op: Op = node.op
    if all(call.ts[i] is None for i in group):
        return None
    known = {source: i for i, (source, _) in enumerate(node.plan.kept) if isinstance(source, int)}
    inputs: list[Any] = []
    for i, name in enumerate(op.inputs):
        if i in group:
            t, parent = call.ts[i], node.parents[i]
            if t is None and op.optional.get(name, 0) is not None:
                like = parent if parent is not None else call.kept[known[i]] if i in known else None
                if like is None:
                    return None
                t = np.zeros(like.shape, F32 if call.half and like.dtype == F16 else like.dtype)
            inputs.append(t)
        elif i in known:
            inputs += call.arguments((call.kept[known[i]],), (i,))
        else:
            return None
    for i in group:
        call.ts[i] = None
    return inputs


def _transposed(call: _Call) -> Any:
    """The derivative of the gradient formulas by ``g``, along the tangents that are left: the transpose of a linear function."""
    node, ts = call.node, call.ts
    if all(t is None for t in ts):
        return None
    likes = ((node.shape, node.dtype),) if node.dtype is not None else node.shape
    results = [_variable(shape, F32 if call.half and dtype is F16 else dtype, node.levels) for shape, dtype in likes]
    g: Any = results[0] if node.dtype is not None else tuple(results)
    seeds: list[tuple[Node, Any]] = []
    with set_grad_enabled(True):
        for position, formula, sources, pick, places in node.plan.rows:
            if position is not None:
                places = (position,)
            elif places is None:
                places = range(len(node.op.inputs), len(node.parents))
            if all(ts[i] is None for i in places):
                continue
            args = call.arguments(call.kept if pick is None else pick(call.kept), sources)
            if not call.record:
                args = [mapped(a, wrap, ARRAYS) if _is_tensor(node, s) else a for a, s in zip(args, sources, strict=True)]
            gradients = formula(g, *args)
            if position is not None:
                gradients = (gradients,)
            else:
                gradients = settle(gradients, [None if ts[i] is None else node.parents[i] for i in places])
            for i, gradient in zip(places, gradients, strict=True):
                if ts[i] is not None and getattr(gradient, "_node", None) is not None:
                    if gradient.shape != node.parents[i].shape:
                        gradient = sum_to(gradient, shape=node.parents[i].shape)
                    t = ts[i] if ts[i].dtype == gradient.dtype else cast(ts[i], dtype=gradient.dtype)
                    seeds.append((gradient._node, t))
    found = walk(seeds, {x._node for x in results}, retain=True, record=call.record, accumulate=False)
    tangents = tuple([found.get(x._node) for x in results])
    return tangents[0] if node.dtype is not None else tangents


def _is_tensor(node: Node, source: Any) -> bool:
    """Whether a formula that is recorded takes a Tensor for what comes from ``source``: as ``as_tensors`` has it."""
    return source not in (None, "res") and not (isinstance(source, int) and node.parents[source] is None)


def _variable(shape: tuple[int, ...], dtype: np.dtype, levels: tuple) -> Any:
    """Zeros that differ for the samples of ``levels``, and so do all that a formula computes from them: a gradient that meets them is not summed."""
    tensor = wrap(alike_in(levels, np.zeros(shape, dtype)))
    tensor._node = Leaf(tensor)
    return tensor
