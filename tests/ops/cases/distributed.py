"""The sum over ranks; in one process it is the identity. tests/distributed proves it with several."""

from cases import Case, st

from minigrad.distributed import functional

CASES = [Case(functional.total, st.arrays(), numpy=lambda x: x, torch=lambda torch, x: x * 1)]
