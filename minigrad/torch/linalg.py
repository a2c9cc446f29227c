"""``torch.linalg``."""

# mypy: implicit-reexport

from minigrad.ops.linalg import (
    LinAlgError, cholesky, cholesky_ex, cond, cross, det, eig, eigh, eigvals, eigvalsh, householder_product, inv, inv_ex, lstsq, lu, lu_factor, lu_factor_ex, lu_solve, matmul, matrix_exp, matrix_norm,
    matrix_power, matrix_rank, multi_dot, norm, pinv, qr, slogdet, solve, solve_ex, solve_triangular, svd, svdvals, tensorinv, tensorsolve, vander,
    vecdot, vector_norm,
)  # fmt: skip
from minigrad.ops.shape import diagonal
