"""``torch.linalg``."""

# mypy: implicit-reexport

from minigrad.ops.linalg import (
    cholesky, cross, det, inv, matmul, matrix_norm, matrix_power, multi_dot, norm, slogdet, solve, vector_norm,
)  # fmt: skip
from minigrad.ops.shape import diagonal
from numpy.linalg import LinAlgError
