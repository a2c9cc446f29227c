"""What a run may use: bytes of results, and steps. A file of a few bytes could ask for any amount (a loop without end, a tensor of zeros).

The operators ask :func:`room` before they make something much larger than their inputs; the runner counts the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.onnx.reader import OnnxError
from minigrad.tree import bytes_text

MOST_NODES = 200_000  # in a file, functions written out
FOR_EACH_BYTE = 64  # of the inputs, results may have so many bytes more


class Budget:
    """What one call of a model may use; None: any amount. ``training`` is the mode of the model."""

    def __init__(self, most_bytes: int | None, most_steps: int | None, training: bool = False):
        self.most_bytes, self.most_steps, self.training = most_bytes, most_steps, training
        self.bytes = self.steps = 0

    def step(self) -> None:
        """Count one step. Raises :class:`OnnxError` if there were too many."""
        self.steps += 1
        if self.most_steps is not None and self.steps > self.most_steps:
            raise OnnxError(
                f"onnx: more than {self.most_steps} steps in one call; a loop may have no end. load(max_steps=...) sets this limit"
            )

    def hold(self, count: int) -> None:
        """Count bytes of results that are alive, negative ones of those that are not any more."""
        self.bytes += count
        if count > 0:
            self.check(0)

    def check(self, more: int) -> None:
        """Raise :class:`OnnxError` if ``more`` bytes are too many."""
        if self.most_bytes is not None and self.bytes + more > self.most_bytes:
            raise OnnxError(
                f"onnx: results of {bytes_text(self.bytes + more)} in memory at one time, and the limit is {bytes_text(self.most_bytes)}; "
                "load(max_bytes=...) sets it"
            )


budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def room(shape: Iterable[int], dtype: Any = np.float32) -> tuple[int, ...]:
    """The shape as a tuple, if a result of it is allowed. Raises :class:`OnnxError` if it has a negative size or is too large.

    >>> from minigrad.onnx.limits import Budget, budget, room
    >>> token = budget.set(Budget(2**20, None))
    >>> room([2, 3])
    (2, 3)
    >>> room([10**9])
    Traceback (most recent call last):
        ...
    minigrad.onnx.OnnxError: onnx: results of 3.7 GB in memory at one time, and the limit is 1.0 MB; load(max_bytes=...) sets it
    >>> budget.reset(token)
    """
    sizes = tuple([int(n) for n in shape])
    if any(n < 0 for n in sizes):
        raise OnnxError(f"onnx: a shape of {sizes}, with a negative size")
    now = budget.get()
    if now is not None:
        now.check(math.prod(sizes) * np.dtype(dtype).itemsize)
    return sizes
