"""Backward passes that are recorded (``create_graph=True``): which of their nodes computed the gradient of which op. For pictures."""

from __future__ import annotations

from collections import deque
from typing import Any

from minigrad.engine.graph import numbers


class RecordedPass:
    """The creation numbers between which a pass made its nodes, and at which number the gradient formula of which op began.

    ``marks`` are these numbers and ops in turn, None for the op where gradients of several uses were added. A pass holds no node: it does not keep
    a graph in memory.
    """

    __slots__ = ("first", "last", "marks")

    def __init__(self) -> None:
        self.first = self.last = next(numbers)
        self.marks: list[Any] = []

    def end(self) -> None:
        """The pass is over: :func:`pass_of` knows it."""
        self.last = next(numbers)
        _recent.append(self)


_recent: deque[RecordedPass] = deque(
    maxlen=32
)  # a picture is drawn soon; a program that trains with such passes must not remember all of them


def pass_of(number: int) -> tuple[RecordedPass, Any] | None:
    """The recorded pass, among the last 32, that made the node with this creation number, and the op whose gradient it computed; else None."""
    from bisect import bisect_right  # not every program draws pictures

    for found in _recent:  # a pass inside another one ends before it
        if found.first < number < found.last and found.marks and number > found.marks[0]:
            return found, found.marks[2 * bisect_right(found.marks[::2], number) - 1]
    return None
