"""Tangents of forward mode against those that gradient formulas have."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import TensorBase, wrap
from minigrad.testing.function import Function, function_class
from minigrad.testing.report import GradcheckError
from minigrad.tree import unwrapped


def check_tangents(function: Function) -> None:
    """Forward mode by what ops declare must give the tangents that their gradient formulas have."""
    op: Any = function.op
    if op is not None and not (op.elementwise or op.linear or op.tangents):
        return
    recording = function.record()
    roots = [y._node for y in recording.outputs if isinstance(y, TensorBase) and y._node is not None]
    for number, (leaf, x) in enumerate(zip(function.checked, recording.leaves, strict=True)):
        t = np.cos(np.arange(x._data.size) + number).reshape(x._data.shape)
        wanted = engine.push(roots, {x._node: t}, False, declared=False)
        for record in (False, True):
            try:
                found = engine.push(roots, {x._node: wrap(t) if record else t}, record)
            except Exception as error:
                raise _wrong(function, leaf.name, f"raised {type(error).__name__}", details=[str(error)]) from error
            for root in dict.fromkeys(roots):
                zero = np.zeros(root.shape)
                mine, right = (np.asarray(unwrapped(ts.get(root, zero)), np.float64) for ts in (found, wanted))
                off = np.abs(mine - right)
                if np.isfinite(right).all() and not (off <= 1e-9 * (1 + np.abs(right).max(initial=0.0))).all():
                    i = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
                    raise _wrong(
                        function, leaf.name, "is wrong" + (" with create_graph=True" if record else ""), analytic=float(mine[i]),
                        numerical=float(right[i]), details=[f"for output {list(map(int, i))}: {mine[i]:.10g}, by the gradient formula {right[i]:.10g}"],
                    )  # fmt: skip


def _wrong(function: Function, argument: str, what: str, **facts: Any) -> GradcheckError:
    return GradcheckError(
        function.name, f"the tangent of '{argument}' {what}", kind="tangent rule", advice=_which_rule(function, argument),
        argument=argument, order=1, call=function.call, **facts,
    )  # fmt: skip


def _which_rule(function: Function, argument: str) -> str:
    """What is wrong with the declaration that forward mode took for an argument."""
    name, op = argument.split("[")[0], function.op
    if function_class(function.fn) is not None:
        return "the Function's jvp gives another derivative than its backward, which has been proven"
    if op is None:
        return "something is declared of an op in it that is not so; check_op of each op says of which"
    if op.elementwise:
        return "of an op that is marked @elementwise, the gradient formula must give the tangent when it is given one"
    if name in op.tangents:
        return f"@tangent({name}=...) gives another derivative than the gradient formula, which has been proven"
    group = next((" ".join(group) for group in op.linear if name in group), "")
    return f"the op is marked @linear_in(\"{group}\"), but with a tangent in the place of '{name}' it does not return that of its result"
