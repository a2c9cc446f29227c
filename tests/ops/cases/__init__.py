"""The table of cases: at least one row for every op, and one file for each family.

A row gives an op's inputs and the reference to check it against::

    Case(elementwise.exp, st.arrays(), numpy=np.exp, torch="exp")

``tests/ops/test_cases.py`` proves each row with :func:`minigrad.testing.check_op` (gradients of first and second order, dtypes,
broadcasting, ...), compares the forward pass with ``numpy=`` and forward and gradient with ``torch=``, and fails when a registered
op has no row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(init=False)
class Case:
    """A row of the table.

    Args:
        op: a differentiable function: one made by ``@op``, or composed of such.
        strategies: what :func:`minigrad.testing.check_op` draws its arguments from: one strategy per positional argument,
            or a single one that draws whole calls (``st.call(...)``, ``st.broadcastable(2)``).
        numpy: the same function on ndarrays with the same arguments, if numpy has it.
        torch: the same function on torch tensors: a name in ``torch`` or ``torch.nn.functional``, or a function of ``(torch, *args, **kwargs)``.
        name: what the test is called; the op's name by default. Needed where an op has several rows.
        options: passed on to ``check_op``.
    """

    op: Callable
    strategies: tuple
    numpy: Callable | None
    torch: str | Callable | None
    name: str
    options: dict[str, Any]

    def __init__(
        self,
        op: Callable,
        *strategies: Any,
        numpy: Callable | None = None,
        torch: str | Callable | None = None,
        name: str | None = None,
        **options: Any,
    ):
        self.op = op
        self.strategies = strategies
        self.numpy = numpy
        self.torch = torch
        self.name = name or op.__name__
        self.options = options
