"""Rows for ``minigrad/distributed/functional.py``: the sum over ranks. In one process it is the identity. tests/distributed proves it with several."""

from cases import Case
from minigrad.distributed import functional
from minigrad.testing import strategies as st

CASES = [Case(functional.total, st.arrays(), numpy=lambda x: x, torch=lambda torch, x: x.clone())]
