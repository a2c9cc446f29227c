"""Batching rules against a call for each sample."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from minigrad.engine import Level, TensorBase, enter, grad, leave, running, wrap
from minigrad.testing.function import Function
from minigrad.testing.report import GradcheckError
from minigrad.tree import leaves, unwrapped


def check_batching(function: Function) -> None:
    """An op with a batching rule, or marked ``@elementwise``, gives for two samples at once what it gives for each of them.

    All floating inputs differ from sample to sample; then each of them alone.
    """
    op: Any = function.op
    if op.batching is None and not op.elementwise:
        return
    inputs, statics = op.split(*function.arguments(lambda leaf: leaf.array))
    if op.batching is None and max([np.size(x) for x in inputs], default=0) < 2:
        return  # with one element, whether it is elementwise has not been proven
    floating = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    for batched in [floating, *([i] for i in floating if len(floating) > 1)]:
        if batched:
            _compare(function, inputs, statics, batched)


def _compare(function: Function, inputs: tuple, statics: dict[str, Any], batched: list[int]) -> None:
    op: Any = function.op

    def results(given: list[Any]) -> list[Any]:
        function.randomness.rewind()
        return [y for y in leaves(op.run(given, statics, op.function)) if isinstance(y, TensorBase)]

    first = [wrap(x) if isinstance(x, np.ndarray) else x for x in inputs]
    other = [wrap(inputs[i] * 0.96) if i in batched else x for i, x in enumerate(first)]  # in most domains, where these numbers are
    try:
        samples = [first, other]
        expected = [results(given) for given in samples]
    except (ValueError, RuntimeError, ArithmeticError):
        samples = [first, first]
        expected = [results(given) for given in samples]
    if any(a.shape != b.shape for a, b in zip(*expected, strict=True)):
        return
    level = Level(2, "same", Counter())
    try:
        with running(level):
            stacks = [wrap(np.stack([unwrapped(given[i]) for given in samples])) if i in batched else x for i, x in enumerate(first)]
            found = results([enter(x, level=level, dim=0) if i in batched else x for i, x in enumerate(stacks)])
            found = [leave(y, level=level, dim=0) for y in found]
    except Exception as error:
        raise _wrong(function, f"raised {type(error).__name__}", batched, details=[str(error)]) from error
    for y, parts in zip(found, zip(*expected, strict=True), strict=True):
        want = np.stack([unwrapped(part) for part in parts])
        if y.shape != want.shape:
            raise _wrong(function, f"gave the shape {y.shape}, not {want.shape}", batched)
        if not np.allclose(unwrapped(y), want, rtol=1e-7, atol=1e-9, equal_nan=True):
            raise _wrong(function, "gave other numbers than a call for each sample", batched)


def check_batched_gradients(function: Function) -> None:
    """The gradients for two cotangents at once, ``mg.grad(..., is_grads_batched=True)``, must be those for each of them."""
    recording = function.record()
    for y in [y for y in recording.outputs if isinstance(y, TensorBase) and y._node is not None]:
        shape = unwrapped(y).shape
        pair = [np.cos(np.arange(unwrapped(y).size) + k).reshape(shape) for k in range(2)]
        each = [grad(y, recording.leaves, wrap(v), True, allow_unused=True) for v in pair]
        together = grad(y, recording.leaves, wrap(np.stack(pair)), True, allow_unused=True, is_grads_batched=True)
        for leaf, found, parts in zip(function.checked, together, zip(*each, strict=True), strict=False):
            if (found is None) != (parts[0] is None) or (
                found is not None
                and not np.allclose(unwrapped(found), np.stack(list(map(unwrapped, parts))), rtol=1e-7, atol=1e-9, equal_nan=True)
            ):
                raise GradcheckError(
                    function.name, f"the gradient in argument '{leaf.name}' is another one for two cotangents at once", kind="batching rule",
                    advice="an op in it has a batching rule that is not so; check_op of each op says of which", argument=leaf.name, order=1,
                    call=function.call,
                )  # fmt: skip


def _wrong(function: Function, what: str, batched: list[int], **facts: Any) -> GradcheckError:
    op: Any = function.op
    names = ", ".join(repr(op.argument(i)) for i in batched)
    advice = (
        "the op is marked @elementwise, so its kernel must broadcast its inputs"
        if op.batching is None
        else "in the rule of @batched, dimension 0 of each array is that of the samples, of size 1 for an input that is the same for all"
    )
    return GradcheckError(
        function.name, f"the batching rule {what}, where {names} differed from sample to sample", kind="batching rule", advice=advice,
        call=function.call, **facts,
    )  # fmt: skip
