"""An op that returns its inputs and calls a function in the backward pass. It implements the backward hooks of modules."""

from __future__ import annotations

from typing import Any

from minigrad.engine import TensorBase, batched, op, tangent, wrap
from minigrad.ops import signatures as like
from minigrad.types import Array, called_as


def _call(g: tuple, hook: Any) -> tuple:
    if hook is None:
        return g
    plain = not any(isinstance(part, TensorBase) for part in g)  # ordinary backward: arrays
    changed = hook(tuple([part if isinstance(part, TensorBase) else wrap(part) for part in g]))
    return tuple([part._data for part in changed]) if plain else changed


@called_as(like.several)
@tangent(xs=lambda t: t)
@batched(lambda run, *xs, hook: run(*xs, hook=hook))
@op(xs=_call)
def watch(*xs: Array, hook: Any = None) -> Array:
    """The arguments, unchanged, as a tuple. The backward pass calls ``hook(gradients)`` when it has all their gradients.

    Args:
        xs: tensors. The gradient of an unused one is zeros.
        hook: takes a tuple of gradients, as Tensors, and returns the tuple of gradients that the backward pass continues with.

    >>> import minigrad as mg
    >>> from minigrad.ops.backward_hook import watch
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> (y,) = watch(x, hook=lambda gradients: (gradients[0] * 10,))
    >>> y.sum().backward()
    >>> x.grad
    tensor([10., 10.])
    """
    return tuple([x.view() for x in xs])


watch.op.exact = True  # type: ignore[attr-defined]  # hooks see gradients in the dtypes of the tensors
