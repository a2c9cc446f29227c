"""The engine's own ops, which convert a gradient to the shape and dtype of its argument."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.batching import Batched, Level, batched, is_batched, lifted, lowered, moved, repeated, stacked
from minigrad.engine.graph import Leaf, Node, tensor_types
from minigrad.engine.modes import no_number
from minigrad.engine.op import F16, Plan, ShapeError, op
from minigrad.engine.rules import elementwise, linear_in, tangent, views
from minigrad.kernels.quiet import cast_quietly
from minigrad.kernels.sums import add_reduce
from minigrad.types import Array, DType, Operand


def _sum_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which ``target`` was broadcast to become ``shape``."""
    lead = len(shape) - len(target)
    if lead < 0 or any(t not in (1, s) for s, t in zip(shape[lead:], target, strict=True)):
        raise ShapeError(f"shape {target} does not broadcast to {shape}")
    return (*range(lead), *(lead + i for i, t in enumerate(target) if t == 1 and shape[lead + i] != 1))


def _sum_samples(run, x, shape):
    out = run(x, shape=(x.shape[0], *[1] * (x.ndim - 1 - len(shape)), *shape))
    return out.reshape((x.shape[0], *shape))


@linear_in("x")
@batched(_sum_samples)
@op(x=lambda g, x_shape: broadcast_to(g, x_shape))
def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """``x`` summed over the axes along which ``shape`` was broadcast: the transpose of :func:`broadcast_to`."""
    axes = _sum_axes(x.shape, shape)
    return np.asarray(add_reduce(x, axes)).reshape(shape) if axes else x.reshape(shape)


def _broadcast_samples(run, x, shape):
    return run(x.reshape((x.shape[0], *[1] * (len(shape) + 1 - x.ndim), *x.shape[1:])), shape=(x.shape[0], *shape))


@views
@linear_in("x")
@batched(_broadcast_samples)
@op(x=lambda g, x_shape: sum_to(g, x_shape))
def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """A view of ``x`` in a larger shape, by numpy's rules. The transpose of :func:`sum_to`."""
    return np.broadcast_to(x, shape)


@elementwise
@op(x=lambda g: g)  # the engine gives every gradient the dtype of its input
def cast(x: Operand, dtype: DType) -> Array:
    """``x`` in another dtype, without a copy if it already has that dtype. Integers and booleans carry no gradient."""
    return cast_quietly(np.asarray(x), dtype)


@views
@batched(lambda run, x, level, dim: enter(x, level=level, dim=dim + 1))
@linear_in("x")
@op(x=lambda g, level, dim: leave(g, level=level, dim=dim))
def enter(x: Array, level: Level, dim: int) -> Array:
    """``x`` as the samples of ``level`` along ``dim``: the way into ``vmap``. The transpose of :func:`leave`."""
    if type(x) is Batched and x.level.number > level.number:
        raise TypeError  # a derivative of all samples of a later level: the batching rule
    return Batched(lowered(moved(lifted(x), dim, 0)) if dim else x.view(), level)  # a view, as any part of a tensor is


@batched(lambda run, x, level, dim: leave(x, level=level, dim=dim + 1))
@linear_in("x")
@op(x=lambda g, level, dim: enter(g, level=level, dim=dim))
def leave(x: Array, level: Level, dim: int) -> Array:
    """The samples of ``level`` along ``dim``, equal ones if ``x`` is the same for all: the way out of ``vmap``. The transpose of :func:`enter`."""
    if type(x) is Batched and x.level is not level:
        raise TypeError  # the batching rule
    return lowered(moved(lifted(x.array) if type(x) is Batched else repeated(x[None], level.size), 0, dim))


@tangent(
    xs=lambda t, xs_shape, level: enter_each(*[np.zeros(s) if x is None else x for x, s in zip(t, xs_shape, strict=True)], level=level)
)
@op(xs=lambda g, xs_shape, level: [leave(g, level=level, dim=0)[i] for i in range(len(xs_shape))])
def enter_each(*xs: Array, level: Level) -> Array:
    """``xs``, one for each sample, as the samples of ``level``: what was computed for each of them alone."""
    if any(type(x) is Batched and x.level.number > level.number for x in xs):
        raise TypeError  # as in enter; sample by sample of the later level
    return Batched(stacked(xs), level)


_function: Any
for _function in (enter, leave, enter_each):
    _function.op.across_levels = True


def arrived(gradient: Any, node: Node, record: bool, accumulate: bool) -> Any:
    """A gradient that is no ndarray, as one for ``node``: numbers become an array, and one of samples is summed if they share the node.

    They do if the node's result is the same for all of them. While the ``vmap`` still runs each sample has a gradient of its own, as if the function
    were called for it alone; only ``.grad`` of a tensor from outside cannot hold those.
    """
    if not is_batched(gradient):
        return gradient if record and type(gradient) in tensor_types else np.asarray(getattr(gradient, "_data", gradient))
    gradient = lifted(gradient)
    for level in gradient._data.levels:
        if level in node.levels:
            continue
        if not level.active:
            gradient = leave(gradient, level=level, dim=0).sum(0)
        elif node.number < level.number and accumulate and type(node) is Leaf:
            raise RuntimeError(
                "backward: inside vmap the gradient of a tensor from outside differs from sample to sample, and its .grad holds only one; "
                "use minigrad.func.grad, or minigrad.grad, which return it"
            )
    return gradient if record else gradient._data


def is_half(node: Node) -> bool:
    """Whether the formulas of ``node`` compute in float32, since float16 is only what its results are kept in; :func:`fit` rounds once."""
    dtypes = [dtype for _, dtype in node.shape] if node.dtype is None else [node.dtype]
    return F16 in dtypes and not node.op.exact


def in_dtype(value: Any, of: np.dtype, to: np.dtype) -> Any:
    """A Tensor or array of dtype ``of``, or those in a tuple, in dtype ``to``; anything else as it is."""
    if type(value) is tuple:
        return tuple([in_dtype(v, of, to) for v in value])
    return cast(value, dtype=to) if getattr(value, "dtype", None) == of else value


def fit(gradient: Any, node: Node, plan: Plan, position: int) -> Any:
    """``gradient`` summed over broadcast axes and cast, so that it has the shape and dtype of ``node``."""
    if gradient.dtype != node.dtype and gradient.dtype.kind not in "fiub":
        raise TypeError(f"{plan.op.name}: {plan.op.way(position)} gave a gradient of {gradient.dtype}: {no_number(gradient.dtype)}")
    if gradient.shape != node.shape:
        try:
            gradient = sum_to(gradient, node.shape)
        except ShapeError:
            raise ShapeError(
                f"{plan.op.name}: {plan.op.way(position)} gave a gradient of shape {gradient.shape} for an argument of shape {node.shape}"
            ) from None
    if gradient.dtype != node.dtype:
        gradient = cast(gradient, node.dtype)
    return gradient
