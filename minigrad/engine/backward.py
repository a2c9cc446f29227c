"""The backward pass, and the two functions that start it: :func:`backward` fills ``.grad``, :func:`grad` returns gradients."""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from time import perf_counter_ns
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from minigrad.engine import anomaly
from minigrad.engine.batching import Batched, Level, any_batched, is_batched, of_samples, running
from minigrad.engine.fitting import arrived, cast, enter, fit, in_dtype, is_half, leave
from minigrad.engine.graph import Leaf, Node, Pick, Shell, TensorBase, inside, numbers, shape_of, wrap
from minigrad.engine.modes import set_grad_enabled
from minigrad.engine.observed import Observer, observer, record_function
from minigrad.engine.op import F16, F32, ShapeError
from minigrad.engine.passes import RecordedPass
from minigrad.engine.together import Part, Together
from minigrad.kernels.maps import SHARED, shared
from minigrad.kernels.quiet import quietly
from minigrad.types import Operand, Tensor

Gradients: TypeAlias = "Operand | Iterable[Operand | None] | None"


def walk(seeds: Sequence[tuple[Node, Any]], wanted: set[Node] | None, retain: bool, record: bool, accumulate: bool) -> dict[Node, Any]:
    """Propagate the gradients ``seeds`` back through the graph, newest node first, and return those of the nodes ``wanted``.

    A heap holds the nodes to visit. An op is newer than its inputs, so when a node is popped, all nodes that used it are done.
    Gradients are ndarrays, or Tensors if ``record`` (``create_graph``) is set. ``wanted=None`` stands for every leaf.
    """
    watcher = observer()
    if watcher is None:
        return _walk(seeds, wanted, retain, record, accumulate, None)
    depth = watcher.begin("walk", "(backward pass)")
    try:
        return _walk(seeds, wanted, retain, record, accumulate, watcher)
    finally:
        watcher.end(depth)


def _sum(total: Any, g: Any, in_place: bool = False) -> Any:
    """``total + g``; ``in_place``: in the memory of ``total``."""
    if type(total) is type(g) is np.ndarray and total.size > SHARED:
        return shared(np.add, total, g, out=total if in_place else None)
    if in_place:
        total += g
        return total
    return total + g


def _walk(
    seeds: Sequence[tuple[Node, Any]], wanted: set[Node] | None, retain: bool, record: bool, accumulate: bool, watcher: Observer | None
) -> dict[Node, Any]:
    needed, freed = (None, None) if wanted is None else _needed([node for node, _ in seeds], wanted)
    pending: dict[Node, Any] = {}  # node -> the sum of its gradients so far; a list of sums if the op has several results
    owned: set[Node] = set()  # nodes whose pending sum is a new array of this function, so that += may write into it
    found: dict[Node, Any] = {}
    gathered: dict[Together, Any] = {}
    watching = anomaly.watching()
    ndarray = np.ndarray
    passed = RecordedPass() if record else None
    mark = None if passed is None else passed.marks.append
    turns = None if watcher is None else watcher.turns
    of_op = False  # whether the last turn of this pass was an op's

    for node, g in seeds:
        pending[node] = pending[node] + g if node in pending else g
    heap = [(-node.number, node) for node in pending]
    heapify(heap)
    while heap:
        node = heappop(heap)[1]
        g = pending.pop(node)
        plan = node.plan
        if turns is not None:
            if plan is not None or of_op:
                turns += perf_counter_ns(), plan, node.number
            of_op = plan is not None
        if node.hooks is not None:
            with _hooks_of(watcher):
                g = _run_hooks(node, g, record, pending, needed, gathered)
        if wanted is not None and node in wanted:
            found[node] = g
        if plan is None:
            if accumulate and (wanted is None or node in wanted):
                leaf = node.tensor()  # type: ignore[attr-defined]  # a node without a plan is a Leaf
                deliver(leaf, g, record)
                if node.after and leaf is not None:  # type: ignore[attr-defined]
                    with _hooks_of(watcher):
                        _run_hooks_after(leaf, node.after)  # type: ignore[attr-defined]
            continue
        parents, kept = node.parents, node.kept
        if type(kept) is not tuple:
            if kept is None:
                raise freed_error(node)
            kept = kept.unpacked()
        if isinstance(node, Pick):
            source = parents[0]
            if needed is None or source in needed:
                if source not in pending:
                    pending[source] = [None] * len(source.shape)
                    heappush(heap, (-source.number, source))
                parts = pending[source]
                parts[node.index] = g if parts[node.index] is None else parts[node.index] + g
            continue
        widen = False
        if (dtype := node.dtype) is None or dtype is F16:
            if dtype is None:  # several results: the gradient of an unused one is zero (for a Function, ctx decides)
                g = tuple(
                    g if plan.op.exact else [_zeros(*like) if part is None else part for part, like in zip(g, node.shape, strict=True)]
                )
            if widen := is_half(node):
                g = in_dtype(g, F16, F32)
        if watching:
            anomaly.verify(node, kept)
        try:
            for position, formula, sources, pick, places in plan.rows:
                if position is not None:
                    only = parents[position]
                    if needed is not None and only not in needed:
                        continue
                else:  # one formula for several inputs
                    if places is None:
                        places = range(len(plan.op.inputs), len(parents))
                    targets = [parents[i] for i in places]
                    if needed is not None:
                        targets = [target if target in needed else None for target in targets]
                        if not any(targets):
                            continue
                args = kept if pick is None else pick(kept)
                if mark is not None:
                    args = as_tensors(args, sources, node)
                    mark(next(numbers))
                    mark(plan.op)
                if widen:
                    args = in_dtype(tuple(args), F16, F32)
                try:
                    result = of_samples(plan.op, formula, g, args, sources) if type(g) is Batched else formula(g, *args)
                except Exception:
                    if record or type(g) is Batched or not any_batched((g, *args)):
                        raise
                    result = of_samples(plan.op, formula, g, args, sources)
                if position is None:
                    result = settle(result, targets)
                elif (
                    type(result) is ndarray
                    and only not in pending
                    and result.shape == only.shape
                    and result.dtype is only.dtype
                    and not watching
                ):
                    pending[only] = result  # nearly always; what follows does the same for any gradient, in 4 % more time
                    heappush(heap, (-only.number, only))
                    continue
                for place, target, gradient in (
                    zip(places, targets, result, strict=True) if position is None else ((position, only, result),)
                ):
                    if target is None or gradient is None:
                        continue
                    array = gradient
                    if type(gradient) is not ndarray:
                        gradient = arrived(gradient, target, record, accumulate)
                        array = getattr(gradient, "_data", gradient)
                        owned.discard(target)
                    if array.shape != target.shape or array.dtype is not target.dtype:
                        gradient = fit(gradient, target, plan, place)
                    if watching:
                        anomaly.refuse_nan(node, place, g, gradient)
                    if target not in pending:
                        pending[target] = gradient
                        heappush(heap, (-target.number, target))
                    elif mark is not None:
                        mark(next(numbers))
                        mark(None)
                        pending[target] = pending[target] + gradient
                    elif target in owned:
                        pending[target] = _sum(pending[target], gradient, in_place=True)
                    else:
                        total = _sum(pending[target], gradient)
                        pending[target] = total if type(total) is ndarray or is_batched(total) else np.asarray(total)
                        owned.add(target)
            result = gradient = array = None  # a second reference would make deliver() copy the gradient of a leaf
        except Exception as error:
            error.add_note(f"in the gradient of {node.name}")
            raise
        if not retain:
            node.kept = node.parents = None
    for together in gathered:
        together.finish(gathered)
    if passed is not None:
        passed.end()
    if freed is not None and any(node not in found for node in wanted or ()):  # it may lie behind what was freed
        raise freed_error(freed)
    return found


def freed_error(node: Node) -> RuntimeError:
    """The exception for a walk that comes to a node whose graph was freed."""
    return RuntimeError(
        f"{node.name}: backward a second time through a graph that was freed by the first. "
        "Pass retain_graph=True to the first backward to keep it."
    )


def _needed(roots: Iterable[Node], wanted: set[Node]) -> tuple[set[Node], Node | None]:
    """The nodes on a path from ``roots`` to ``wanted``: only their gradients are computed. And a node that was freed, if there is one.

    What a freed node depended on is not known any more.
    """
    seen, stack, freed = set(roots), list(roots), None
    while stack:
        node = stack.pop()
        if node.parents is None:
            freed = node
        for parent in node.parents or ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    needed: set[Node] = set()
    for node in sorted(seen, key=lambda node: node.number):
        if node in wanted or any(parent in needed for parent in node.parents or ()):
            needed.add(node)
    return needed, freed


def settle(gradients: Sequence[Any], targets: Sequence[Node | None]) -> list[Any]:
    """The gradients that a joint formula returned. A gradient given as a function is computed here, if its target is not None."""
    if len(gradients) != len(targets):
        raise ValueError(f"the formula for {len(targets)} inputs returned {len(gradients)} gradients")
    return [g() if type(g) is types.FunctionType and t is not None else g for g, t in zip(gradients, targets, strict=True)]


def as_tensors(args: tuple, sources: tuple, node: Node) -> list:
    """The kept arrays of a formula as Tensors with their graph nodes, for ``create_graph=True``."""
    parents = node.parents
    found: list[Any] = []
    for value, source in zip(args, sources, strict=True):
        if source is None:
            found.append(value)
        elif source == "res":
            if not node.op.constant and not _is_constant(value):
                raise RuntimeError(
                    f"{node.name}: create_graph=True would treat the residual `res` as a constant, and second derivatives could be "
                    "silently wrong. If it does not depend on an input (a random mask), write @op(..., res=None); if it does, return it "
                    "as a second result and name it out_1, or compute it in the formula from the inputs"
                )
            found.append(value)
        elif source == "out":
            found.append(tuple(wrap(a, Pick(node, i, a)) for i, a in enumerate(value)) if type(value) is tuple else wrap(value, node))
        elif type(source) is str and source.startswith("out_"):
            found.append(wrap(value, Pick(node, int(source[4:]), value)))
        elif source == "*":
            n = len(node.plan.op.inputs)
            found.append(tuple(wrap(a, p) if p is not None else a for a, p in zip(value, parents[n:], strict=True)))
        else:
            found.append(wrap(value, parents[source]) if parents[source] is not None else value)
    return found


def _is_constant(residual: Any) -> bool:
    """Whether a residual cannot depend smoothly on an input: positions, masks, settings."""
    if isinstance(residual, (tuple, list)):
        return all(map(_is_constant, residual))
    if isinstance(residual, (np.ndarray, np.generic)):
        return residual.dtype.kind in "iub"
    return residual is None or isinstance(residual, (bool, int, str, slice))


def _run_hooks(node: Node, g: Any, record: bool, pending: dict[Node, Any], needed: set[Node] | None, gathered: dict[Together, Any]) -> Any:
    """The gradient after the hooks of ``node``; those that keep it (``retain_grad``) come last, as in PyTorch."""
    for hook in sorted(node.hooks or (), key=lambda hook: getattr(hook, "last", False)):
        part = getattr(hook, "function", None)
        if type(part) is Part:
            part.of.take(part.index, g if record else wrap(g), (node, *pending), needed, gathered)
            continue
        changed = hook(g if record else wrap(g))
        if changed is not None:
            shape, dtype = getattr(changed, "shape", None), getattr(changed, "dtype", None)
            if shape is None or shape != node.shape or dtype != node.dtype:
                given = type(changed).__name__ if shape is None else f"{getattr(dtype, 'name', dtype)}{tuple(shape)}"
                raise ShapeError(f"hook on {node.name}: returned {given} for a gradient of {node.dtype.name}{node.shape}")
            g = changed if record else getattr(changed, "_data", changed)
    return g


def _run_hooks_after(leaf: TensorBase, hooks: Iterable[Callable[[Any], Any]]) -> None:
    """Those of ``register_post_accumulate_grad_hook``."""
    for hook in hooks:
        if (returned := hook(leaf)) is not None:
            raise RuntimeError(
                f"register_post_accumulate_grad_hook: a hook must return None, not {type(returned).__name__}; it may write leaf.grad"
            )


def _hooks_of(watcher: Observer | None) -> contextlib.AbstractContextManager:
    """Around hooks, which are a part of their own for who looks."""
    return _UNSEEN if watcher is None else record_function("(hooks)")


_UNSEEN = contextlib.nullcontext()


def _alone_count() -> int:
    array = np.empty(0)
    return sys.getrefcount(array)


def _zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """One zero for all places, which nobody may write: a formula sees by the strides that nothing arrives, and no memory is filled."""
    zeros = np.ndarray(shape, dtype, np.zeros(1, dtype), strides=(0,) * len(shape))
    zeros.flags.writeable = False
    return zeros


_ALONE = _alone_count()  # the reference count of an array that one local variable holds


def _own(g: np.ndarray) -> bool:
    """Whether the caller holds the only reference to ``g`` and its memory, so that ``g`` may be written in place."""
    if not g.flags.writeable or sys.getrefcount(g) > _ALONE + 2:
        return False
    memory = g.base  # of a reshaped array: the array that only it refers to
    whole = type(memory) is np.ndarray and memory.base is None and memory.size == g.size and g.flags.c_contiguous
    return memory is None or (whole and sys.getrefcount(memory) <= _ALONE + 1)


def deliver(tensor: TensorBase | None, g: Any, record: bool) -> None:
    """Add a gradient to ``tensor.grad``. Without ``record``, an array that is referenced elsewhere is copied first."""
    if tensor is None:  # the leaf tensor was deleted
        return
    before = tensor._grad
    if record:
        tensor._grad = g if before is None else before + g
    elif before is None:
        tensor._grad = wrap(g if _own(g) else g.copy())
    elif before._node is not None:
        before = before._data + g
        tensor._grad = wrap(before)
    else:
        before._data = before._data + g


# ------------------------------------------------------------------------------------------- backward and grad


def _seeds(outputs: Sequence[Any], gradients: Sequence[Any], record: bool, who: str) -> list[tuple[Node, Any]]:
    """The pairs (node, gradient) that the backward pass starts from, one per output, after checking them."""
    if len(outputs) != len(gradients):
        raise RuntimeError(f"{who}: {len(outputs)} outputs but {len(gradients)} gradients")
    seeds = []
    for y, g in zip(outputs, gradients, strict=True):
        if not isinstance(y, TensorBase):
            raise TypeError(f"{who}: outputs must be Tensors, not {type(y).__name__}")
        if y._node is None:
            raise RuntimeError(f"{who}: this tensor does not require a gradient: nothing that it was computed from has requires_grad=True")
        data = y._data
        if g is None:
            if data.size != 1:
                raise RuntimeError(
                    f"{who}: a gradient can be left out only for a scalar, and this tensor has shape {data.shape}. "
                    f"Reduce it first, as in y.sum().{who}(), or pass a gradient of its shape"
                )
            g = np.ones(data.shape, data.dtype)
        else:
            if record and isinstance(g, TensorBase):
                array = g._data
            else:
                g = g._data if isinstance(g, TensorBase) else g
                g = array = g if is_batched(g) else np.asarray(g)
            if array.shape != data.shape:
                raise ShapeError(f"{who}: the gradient has shape {array.shape} but the tensor has shape {data.shape}")
            if array.dtype != data.dtype:
                g = cast(g, data.dtype)
        seeds.append((y._node, wrap(g) if record and not isinstance(g, TensorBase) else g))
    return seeds


def _given(x: Any) -> tuple:
    return (x,) if x is None or isinstance(x, (TensorBase, Shell, np.ndarray)) or not isinstance(x, Iterable) else tuple(x)


def _several(x: Any) -> tuple:
    """One Tensor or several; of complex numbers the real ones."""
    return tuple([inside(v) for v in _given(x)])


def _as_given(inputs: tuple, gradients: Iterable[Any]) -> tuple:
    """Gradients with respect to complex numbers as such."""
    return tuple([type(x)(g) if isinstance(x, Shell) and g is not None else g for x, g in zip(inputs, gradients, strict=True)])  # type: ignore[call-arg]


class _AtEnd(threading.local):
    waiting: list[Callable[[], None]] | None = None  # None while no backward() runs


_at_end = _AtEnd()


def at_end_of_backward(function: Callable[[], None]) -> None:
    """Call ``function()`` when the running ``backward()`` of this thread has filled every ``.grad``. For hooks; if it fails, nothing is called.

    In a backward that a hook runs, the end is that of the inner one. Raises ``RuntimeError`` if none runs.

    >>> import minigrad as mg
    >>> from minigrad.engine import at_end_of_backward
    >>> x = mg.tensor(1.0, requires_grad=True)
    >>> handle = x.register_hook(lambda g: at_end_of_backward(lambda: print(x.grad)))
    >>> (x * 2).backward()
    tensor(2.)
    """
    if _at_end.waiting is None:
        raise RuntimeError("at_end_of_backward: no backward() runs in this thread; call it in a hook")
    _at_end.waiting.append(function)


def backward(
    tensors: Tensor | Iterable[Tensor],
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves (or of ``inputs`` only): ``torch.autograd.backward``.

    Args:
        tensors: a Tensor, or several, that require a gradient.
        grad_tensors: one gradient per tensor, of the same shape; None stands for 1 and is allowed for a tensor with one element only.
        retain_graph: keep the graph for another backward (default: the value of ``create_graph``).
        create_graph: record the backward pass too, so that the gradients can be differentiated.
        inputs: the tensors whose ``.grad`` is updated, leaves or intermediate results; by default all leaves.

    Raises:
        RuntimeError: a tensor has no graph, a non-scalar has no gradient, the graph is already freed, or ``inputs`` is empty.
        ShapeError: a gradient does not have the shape of its tensor.
    """
    outputs = _several(tensors)
    gradients = _several(grad_tensors) if grad_tensors is not None else (None,) * len(outputs)
    seeds = _seeds(outputs, gradients, create_graph, "backward")
    retain = create_graph if retain_graph is None else retain_graph
    targets = None if inputs is None else {_input_node(t, "backward"): t for t in _several(inputs)}
    if targets is not None and not targets:
        raise RuntimeError("backward: inputs is empty: name at least one tensor, or leave it out")
    around, _at_end.waiting = _at_end.waiting, []
    try:
        with set_grad_enabled(create_graph), quietly():  # 1/0 in a formula is inf, as in the ops themselves
            found = walk(seeds, None if targets is None else set(targets), retain, create_graph, accumulate=True)
        for node, g in found.items():
            if type(node) is not Leaf and targets is not None:
                deliver(targets[node], g, create_graph)
        while _at_end.waiting:
            _at_end.waiting.pop(0)()
    finally:
        _at_end.waiting = around


def _input_node(tensor: Any, who: str) -> Node:
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"{who}: inputs must be Tensors, not {type(tensor).__name__}")
    if tensor._node is None:
        raise RuntimeError(f"{who}: one of the inputs does not require a gradient")
    return tensor._node


@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: Literal[False] | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    *,
    allow_unused: bool | None,
    materialize_grads: Literal[False] = False,
) -> tuple[Tensor | None, ...]: ...
@overload
def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    *,
    allow_unused: bool | None = None,
    materialize_grads: Literal[True],
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
    *,
    is_grads_batched: bool = False,
) -> tuple[Any, ...]: ...
def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
    *,
    is_grads_batched: bool = False,
) -> Any:
    """Gradients of ``outputs`` with respect to ``inputs``, one Tensor per input; no ``.grad`` changes: ``torch.autograd.grad``.

    Args:
        outputs: a Tensor, or several (their gradients add up).
        inputs: the Tensors to differentiate with respect to; intermediate results are allowed.
        grad_outputs: the vector of the vector-Jacobian product: an array of the same shape per output, or None (1) for a scalar.
        retain_graph: keep the graph for another backward (default: the value of ``create_graph``).
        create_graph: record the computation of the gradients, for higher derivatives.
        only_inputs: accepted, for scripts that pass it. Raises ``ValueError`` for False.
        allow_unused: return None for an input that the outputs do not depend on, instead of raising.
        materialize_grads: return zeros for such an input.
        is_grads_batched: each of ``grad_outputs`` is several vectors, along a new first dimension, and so is each result: one backward pass
            computes all products, as ``vmap`` would.

    Raises:
        RuntimeError: an input is unused or constant, or the graph is already freed.

    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (first,) = mg.grad(x**3, x, create_graph=True)
    >>> mg.grad(first, x)
    (tensor(18.),)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False, which also filled .grad of the leaves, is gone in PyTorch too; call backward() for that")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused=True, or leave it out")
    given = _given(inputs)
    outputs, inputs = _several(outputs), _several(given)
    if is_grads_batched:
        vectors = [g for g in _several(grad_outputs) if g is not None]
        sizes = {shape_of(g)[:1] for g in vectors}
        if len(sizes) != 1 or () in sizes:
            raise ShapeError(
                f"grad: with is_grads_batched each of grad_outputs needs a first dimension, of one size, not {[shape_of(g) for g in vectors]}"
            )
        (size,) = sizes.pop()
        with running(Level(size, "same", Counter())) as level:
            vectors = [None if g is None else enter(g, level=level, dim=0) for g in _several(grad_outputs)]
            results = grad(outputs, inputs, vectors, retain_graph, create_graph, True, allow_unused, materialize_grads)
            return _as_given(given, [None if g is None else leave(g, level=level, dim=0) for g in results])
    gradients = _several(grad_outputs) if grad_outputs is not None else (None,) * len(outputs)
    seeds = _seeds(outputs, gradients, create_graph, "grad")
    nodes = [_input_node(t, "grad") for t in inputs]
    with set_grad_enabled(create_graph), quietly():
        found = walk(seeds, set(nodes), create_graph if retain_graph is None else retain_graph, create_graph, accumulate=False)
    computed: list[Any] = []
    for i, (node, tensor) in enumerate(zip(nodes, inputs, strict=True)):
        if node in found:
            computed.append(found[node] if create_graph else wrap(found[node]))
        elif materialize_grads:
            computed.append(wrap(np.zeros_like(tensor._data)))
        elif allow_unused:
            computed.append(None)
        else:
            shape = tensor._data.shape
            raise RuntimeError(f"grad: the outputs do not depend on input {i} (shape {shape}). Pass allow_unused=True to get None for it")
    return _as_given(given, computed)
