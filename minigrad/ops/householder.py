"""Orthogonal matrices as products of reflections, as LAPACK keeps the Q of a QR decomposition: ``torch.linalg.householder_product``.

A reflection is I - tau v vᴴ. LAPACK keeps v below the diagonal of a matrix, without its first element, which is 1. With V (m, k) for all v, the
product of k reflections is I - V T Vᴴ, where T is upper triangular (R. Schreiber and C. Van Loan, *A storage-efficient WY representation for
products of Householder transformations*, 1989): two products of matrices instead of k steps, and gradients of any order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import ShapeError, batched, op, public
from minigrad.kernels.threads import one_blas_thread
from minigrad.ops.arguments import check
from minigrad.ops.batching import matrices
from minigrad.ops.complex_pair import adjoint
from minigrad.ops.equations import real_dtype, require_matrices, solve_triangular
from minigrad.ops.products import matmul
from minigrad.ops.results import returned_by
from minigrad.ops.shape import diag_embed, tril, triu, unsqueeze
from minigrad.types import Array, Tensor


class Reflections(NamedTuple):
    """The result of :func:`geqrf`."""

    a: Any
    tau: Any


_Reflections = returned_by("geqrf", Reflections)


def no_gradient(g: Any) -> Any:
    """The formula of :func:`geqrf`. Raises ``NotImplementedError``."""
    raise NotImplementedError("geqrf: there is no derivative, as in PyTorch; linalg.qr has one")


def factored(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What LAPACK's routine of this name returns for real or complex matrices."""
    with one_blas_thread:
        a, tau = np.linalg.qr(matrix, "raw")
    return np.ascontiguousarray(np.swapaxes(a, -1, -2)), np.asarray(tau)


@batched(matrices)
@op(input=no_gradient)
def _geqrf(input: Array) -> Array:
    return factored(input)


def geqrf(input: Tensor) -> Reflections:
    """R and the reflections of a QR decomposition, in LAPACK's form: ``torch.geqrf``. Without a gradient: :func:`~minigrad.ops.linalg.qr` has one.

    Args:
        input: (..., m, n).

    Returns ``(a, tau)``: (..., m, n) with R in the upper triangle and the vectors of the reflections below; and their factors (..., k),
    k = min(m, n). :func:`householder_product` makes Q of them, and :func:`ormqr` multiplies with it.

    >>> import minigrad as mg
    >>> a, tau = mg.geqrf(mg.tensor([[3.0], [4.0]]))
    >>> a[0], mg.linalg.householder_product(a, tau)
    (tensor([-5.]), tensor([[-0.6000],
            [-0.8000]]))
    """
    require_matrices("geqrf", input)
    return _Reflections(*_geqrf(input))


def _checked(name: str, A: Any, tau: Any) -> None:
    require_matrices(name, A)
    most = min(A.shape[-2:])
    if len(tau.shape) != len(A.shape) - 1 or tuple(tau.shape[:-1]) != tuple(A.shape[:-2]) or tau.shape[-1] > most:
        raise ShapeError(f"{name}: tau needs shape (..., k) with k up to {most}, for {tuple(A.shape)}, not {tuple(tau.shape)}")
    if A.dtype != tau.dtype:
        raise RuntimeError(f"{name}: the matrices and tau need one dtype, not {A.dtype.name} and {tau.dtype.name}")


def _reflections(A: Any, tau: Any) -> tuple[Any, Any]:
    """V (..., m, k) and the upper triangular T (..., k, k) of the product I - V T Vᴴ."""
    k = tau.shape[-1]
    v = tril(A[..., :k], -1) + np.eye(A.shape[-2], k, dtype=real_dtype(A.dtype))
    # T⁻¹ = diag(tau)⁻¹ + the strictly upper triangle of Vᴴ V; multiplied by diag(tau), which may have zeros: reflections that change nothing
    overlap = unsqueeze(tau, -1) * triu(matmul(adjoint(v), v), 1)
    return v, solve_triangular(overlap, diag_embed(tau), upper=True, unitriangular=True)


def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of the product of k reflections I - tau v vᴴ: ``torch.linalg.householder_product``, ``torch.orgqr``.

    Args:
        input: (..., m, n), n <= m: v i is column i below the diagonal, after a 1.
        tau: (..., k), k <= n.

    Q is I - V T Vᴴ, see :mod:`minigrad.ops.householder`. Its columns are orthonormal where tau is 2 / (vᴴ v). Raises ``ShapeError`` for sizes that
    do not fit.

    >>> import minigrad as mg
    >>> mg.linalg.householder_product(mg.tensor([[0.0], [1.0]]), mg.tensor([1.0]))
    tensor([[ 0.],
            [-1.]])
    """
    _checked("householder_product", input, tau)
    m, n = input.shape[-2:]
    if n > m:
        raise ShapeError(f"householder_product: as many rows as columns, or more, are needed, not shape {tuple(input.shape)}")
    v, t = _reflections(input, tau)
    eye: Any = np.eye(m, n, dtype=real_dtype(input.dtype))
    return eye - matmul(v, matmul(t, adjoint(v[..., :n, :])))


orgqr = householder_product


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """``Q @ other`` with the product Q (..., m, m) of reflections, which is not made: ``torch.ormqr``.

    Args:
        input, tau: as in :func:`householder_product`; ``input`` may have more columns than rows.
        other: (..., m, p), or (..., p, m) without ``left``.
        left: False for ``other @ Q``.
        transpose: multiply with the conjugate transpose of Q.

    Raises ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> mg.ormqr(mg.tensor([[0.0], [1.0]]), mg.tensor([1.0]), mg.eye(2))
    tensor([[ 0., -1.],
            [-1.,  0.]])
    """
    check("ormqr", locals(), left="True or False", transpose="True or False")
    _checked("ormqr", input, tau)
    m = input.shape[-2]
    if len(other.shape) < 2 or other.shape[-2 if left else -1] != m:
        side = "rows" if left else "columns"
        raise ShapeError(f"ormqr: other {tuple(other.shape)} needs {m} {side}, as the matrices {tuple(input.shape)} have {m} rows")
    v, t = _reflections(input, tau)
    t = adjoint(t) if transpose else t
    if left:
        return other - matmul(v, matmul(t, matmul(adjoint(v), other)))
    return other - matmul(matmul(matmul(other, v), t), adjoint(v))


public(__name__)
