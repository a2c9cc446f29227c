"""The gradient-check kit: proves that gradients are right, those of our own ops and yours.

``gradcheck(fn, *inputs)``   compares the gradients of any function, or module, with numerical ones at given inputs
``check_op(op, *strategies)``  proves an op on inputs that hypothesis draws, and shrinks a failure to a minimal example
``strategies``               what such inputs can be drawn from
``domain``                   declares what an op can be checked on, for ``python -m minigrad gradcheck FILE``
``surrogate``                declares that an op's gradient is, on purpose, that of another function
``GradcheckError``           what a failure raises: it names argument, element, values and the likely mistake
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Call": "call", "GradcheckError": "report", "Report": "report", "check_op": "proofs", "domain": "domains", "gradcheck": "checking",
    "surrogate": "domains",
}  # fmt: skip

__all__ = ["Call", "GradcheckError", "Report", "check_op", "domain", "gradcheck", "strategies", "surrogate"]


def __getattr__(name: str) -> Any:
    """Load a room of the kit when it is first used: only ``check_op`` and ``strategies`` need hypothesis."""
    try:
        if name == "strategies":
            return importlib.import_module("minigrad.testing.strategies")
        if name in _HOME:
            return getattr(importlib.import_module(f"minigrad.testing.{_HOME[name]}"), name)
    except ImportError as error:
        if (error.name or "").startswith("hypothesis"):
            raise ImportError(
                f'minigrad.testing: {name} draws inputs with hypothesis: pip install "minigrad-nn[testing]" ({error})'
            ) from error
        raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
