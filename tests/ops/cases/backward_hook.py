"""Rows for ``minigrad/ops/watch.py``. What a hook does to gradients is tested with the modules' backward hooks."""

from cases import Case
from minigrad.ops import watch
from minigrad.testing import strategies as st

CASES = [
    Case(watch.watch, st.arrays(), name="watch one", numpy=lambda x: (x,)),
    Case(watch.watch, st.arrays(), st.arrays(), name="watch two", numpy=lambda x, y: (x, y), torch=lambda torch, x, y: (x * 1, y * 1)),
]
