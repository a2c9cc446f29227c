"""Rows for ``minigrad/ops/backward_hook.py``. The effect of hooks on gradients is tested with the modules' backward hooks."""

from cases import Case
from minigrad.ops import backward_hook
from minigrad.testing import strategies as st

CASES = [
    Case(backward_hook.watch, st.arrays(), name="watch one", numpy=lambda x: (x,)),
    Case(
        backward_hook.watch, st.arrays(), st.arrays(), name="watch two", numpy=lambda x, y: (x, y), torch=lambda torch, x, y: (x * 1, y * 1)
    ),
]
