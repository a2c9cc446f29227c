"""Hooks of several tensors at once: what one backward pass gathers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from minigrad.engine.graph import Node


class Together:
    """A hook of ``count`` tensors: see :func:`~minigrad.tensor.register_multi_grad_hook`. Each of them has a :class:`Part` among its hooks.

    A pass keeps what it gathers in a dict of its own, so that passes in other threads, or in a hook, do not meet.
    """

    def __init__(self, count: int, function: Callable[[Any], Any], first: bool):
        self.count, self.function, self.first = count, function, first

    def take(self, index: int, g: Any, coming: Iterable[Node], needed: set[Node] | None, gathered: dict[Together, Any]) -> None:
        """The gradient of tensor ``index``, in a pass that will visit ``coming`` and what is below (of it, the nodes ``needed``)."""
        begun = self in gathered
        if not begun:
            gathered[self] = [None] * self.count, set() if self.first else self._expected(coming, needed)
        gradients, waiting = gathered[self]
        if self.first:
            if not begun:
                self.function(g)
            return
        gradients[index] = g
        waiting.discard(index)
        if not waiting:
            self.function(gradients)

    def finish(self, gathered: dict[Together, Any]) -> None:
        """At the end of a pass: call the function, if it waits for gradients that turned out to be None."""
        gradients, waiting = gathered[self]
        if waiting:
            self.function(gradients)

    def _expected(self, coming: Iterable[Node], needed: set[Node] | None) -> set[int]:
        stack = list(coming)
        seen, expected = set(stack), set()
        while stack:
            node = stack.pop()
            for hook in node.hooks or ():
                part = getattr(hook, "function", None)
                if type(part) is Part and part.of is self:
                    expected.add(part.index)
            for parent in node.parents or ():
                if parent is not None and parent not in seen and (needed is None or parent in needed):
                    seen.add(parent)
                    stack.append(parent)
        return expected


class Part:
    """The place of one tensor in a :class:`Together`."""

    def __init__(self, of: Together, index: int):
        self.of, self.index = of, index
