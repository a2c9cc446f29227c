"""Linear algebra: ``torch.linalg``. Decompositions, and what is computed from them: norms, pseudoinverses, least squares, functions of matrices.

Products of matrices are in :mod:`minigrad.ops.products`, linear equations in :mod:`minigrad.ops.equations`; what ``torch.linalg`` has of
them is here too. float32 and float64, as in LAPACK.

**Signs.** The columns of Q, singular vectors and eigenvectors are determined up to a sign only, and those of equal singular values or
eigenvalues up to a rotation. Gradients are right for functions that do not depend on this choice. Where two values are equal, the gradient
divides by their difference, 0; it is finite if the function does not use their vectors.

The gradients are in M. B. Giles, *An extended collection of matrix derivative results* (2008); J. Townsend, *Differentiating the singular
value decomposition* (2016); S. F. Walter and L. Lehmann, *Algorithmic differentiation of linear algebra functions with application in
optimum experimental design* (2010); G. H. Golub and V. Pereyra, *The differentiation of pseudo-inverses* (1973).
"""

# mypy: implicit-reexport
# ruff: noqa: F401, I001 (some names are imported to be exported)

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import LinAlgError, ShapeError, batched, cast, dtype_of, each_sample, is_array, known_as, op, public
from minigrad.kernels import products as kernels
from minigrad.kernels.threads import one_blas_thread
from minigrad.later import Later
from minigrad.ops.batching import sample_by_sample, matrices
from minigrad.ops import elementwise as ew
from minigrad.ops import reduce
from minigrad.ops.complex_pair import ComplexPair, adjoint, conj, numbers, real
from minigrad.ops.arguments import flag, number, positive_dims, whole
from minigrad.ops.equations import (
    alike, cholesky, det, inv, lu, lu_factor, lu_solve, matrix_power, require_matrices, require_square, slogdet, solve, solve_triangular,
    tensorinv, tensorsolve,
)  # fmt: skip
from minigrad.ops.householder import householder_product
from minigrad.ops.informed import cholesky_ex, inv_ex, lu_factor_ex, solve_ex
from minigrad.ops.contractions import cross, multi_dot
from minigrad.ops.precision import in_float32
from minigrad.ops.products import matmul
from minigrad.ops.reduce import sum
from minigrad.ops.results import returned_by
from minigrad.ops.shape import cat, diag_embed, diagonal, matrix_transpose, movedim, reshape, squeeze, tril, unsqueeze
from minigrad.tree import array_of, unwrapped
from minigrad.types import Array, Dims, DType, Tensor


_COMPLEX = Later("minigrad.ops.complex_linalg")  # which imports this module


class QR(NamedTuple):
    """The result of :func:`qr`."""

    Q: Any
    R: Any


class SVD(NamedTuple):
    """The result of :func:`svd`."""

    U: Any
    S: Any
    Vh: Any


class OldSVD(NamedTuple):
    """The result of :func:`old_svd`."""

    U: Any
    S: Any
    V: Any


class Eigen(NamedTuple):
    """The result of :func:`eigh` and :func:`eig`."""

    eigenvalues: Any
    eigenvectors: Any


class LeastSquares(NamedTuple):
    """The result of :func:`lstsq`."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


_QR, _OLD_QR, _SVD, _OLD_SVD = (
    returned_by("linalg_qr", QR),
    returned_by("qr", QR),
    returned_by("linalg_svd", SVD),
    returned_by("svd", OldSVD),
)
_EIGH, _EIG, _LSTSQ = returned_by("linalg_eigh", Eigen), returned_by("linalg_eig", Eigen), returned_by("linalg_lstsq", LeastSquares)


# ------------------------------------------------------------------------------------------- Q and R


def require_determined(m: int, n: int, mode: str) -> None:
    """Raise ``RuntimeError`` if Q and R of (m, n) matrices have no gradient, real or complex."""
    if m > n and mode == "complete":
        raise RuntimeError(
            f"qr: with mode='complete' the last {m - n} of the {m} columns of Q are arbitrary, so there is no gradient; use mode='reduced'"
        )


def _qr_input(g, input, out, mode):
    # Walter and Lehmann 2010:  X̄ = (Q̄ + Q M) R⁻ᵀ, where M is symmetric with the lower triangle of R R̄ᵀ - Q̄ᵀ Q.
    # Columns beyond the square are  R_rest = Qᵀ X_rest.
    (q, r), (gq, gr) = out, g
    m, n = input.shape[-2:]
    require_determined(m, n, mode)
    rest = None
    if n > m:
        gr, beside, r = gr[..., :m], gr[..., m:], r[..., :m]
        gq = gq + matmul(input[..., m:], matrix_transpose(beside))
        rest = matmul(q, beside)
    lower = matmul(r, matrix_transpose(gr)) - matmul(matrix_transpose(gq), q)
    symmetric = tril(lower) + matrix_transpose(tril(lower, -1))
    gradient = solve_triangular(matrix_transpose(r), gq + matmul(q, symmetric), upper=False, left=False)
    return gradient if rest is None else cat((gradient, rest), -1)


@batched(matrices)
@op(input=_qr_input)
def _qr(input: Array, mode: Any) -> Array:
    with one_blas_thread:
        return tuple(np.linalg.qr(input, mode))


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Q with orthonormal columns and upper triangular R, ``A == Q @ R``: ``torch.linalg.qr``.

    Args:
        A: (..., m, n).
        mode: ``"reduced"``: Q is (..., m, k) and R (..., k, n), k = min(m, n). ``"complete"``: Q is (..., m, m) and R (..., m, n); no
            gradient if m > n. ``"r"``: Q is empty.

    The gradient needs linearly independent first k columns. Raises ``ValueError`` for another mode, ``ShapeError`` for less than 2 dimensions.

    >>> import minigrad as mg
    >>> q, r = mg.linalg.qr(mg.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> mg.allclose(q @ r, mg.tensor([[3.0, 1.0], [4.0, 2.0]])), r[1, 0].item()
    (True, 0.0)
    """
    require_matrices("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete' or 'r', not {mode!r}")
    q, r = _qr(A, "reduced" if mode == "r" else mode)
    return _QR(alike(A, np.empty(0, A.dtype)) if mode == "r" else q, r)


def old_qr(input: Tensor, some: bool = True) -> QR:
    """:func:`qr` under its older name and arguments: ``torch.qr``. ``some``: reduced, else complete."""
    return _OLD_QR(*qr(input, "reduced" if some else "complete"))


# ------------------------------------------------------------------------------------------- singular values


def _over(x: Any, divisor: Any) -> Any:
    """``x / divisor``, and 0 where both are 0: what no result depends on has no gradient, whatever it would be divided by."""
    return ew.div(x, divisor + ew.logical_and(ew.eq(x, 0), ew.eq(divisor, 0)))


def _skew(x: Any) -> Any:
    return x - matrix_transpose(x)


def _svd_input(g, out, input_shape):
    # Townsend 2016:  U [ skew(UᵀŪ)/E S + S skew(VᵀV̄)/E + diag(S̄) ] Vᵀ + (I - U Uᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (I - V Vᵀ),
    # E[i, j] = s_j² - s_i², skew(X) = X - Xᵀ. Vectors beyond the k singular values are arbitrary: their gradients are ignored.
    (u, s, vh), (gu, gs, gvh) = out, g
    (m, n), k = input_shape[-2:], s.shape[-1]
    u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    row, column = unsqueeze(s, -2), unsqueeze(s, -1)
    gaps = (row - column) * (row + column)
    turned_u = _over(_skew(matmul(matrix_transpose(u), gu)), gaps) * row
    turned_v = _over(_skew(matmul(vh, matrix_transpose(gvh))), gaps) * column
    gradient = matmul(matmul(u, turned_u + turned_v + diag_embed(gs)), vh)
    if m > k:
        x = _over(gu, row)
        gradient = gradient + matmul(x - matmul(u, matmul(matrix_transpose(u), x)), vh)
    if n > k:
        x = _over(gvh, column)
        gradient = gradient + matmul(u, x - matmul(matmul(x, matrix_transpose(vh)), vh))
    return gradient


@batched(matrices)
@op(input=_svd_input)
def _svd(input: Array, full_matrices: bool) -> Array:
    with one_blas_thread:
        return tuple(np.linalg.svd(input, full_matrices))


def svd(A: Tensor, full_matrices: bool = True) -> SVD:
    """Singular values and vectors, ``A == U @ diag(S) @ Vh``: ``torch.linalg.svd``.

    Args:
        A: (..., m, n).
        full_matrices: whether U (..., m, m) and Vh (..., n, n) are square; else they are (..., m, k) and (..., k, n), k = min(m, n).

    Returns ``(U, S, Vh)``; S (..., k) descends. The vectors that ``full_matrices`` adds are arbitrary, and have no part in the gradient.
    Signs of vectors, and gradients at equal singular values: see :mod:`minigrad.ops.linalg`.

    Raises ``LinAlgError`` if LAPACK finds none (NaN in A), ``ShapeError`` for less than 2 dimensions.

    >>> import minigrad as mg
    >>> mg.linalg.svd(mg.tensor([[0.0, 2.0], [3.0, 0.0]])).S
    tensor([3., 2.])
    """
    require_matrices("svd", A)
    return _SVD(*_svd(A, bool(full_matrices)))


def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> OldSVD:
    """:func:`svd` under its older name, with V for ``Vh.mT``: ``torch.svd``. ``some``: reduced. Without ``compute_uv``, U and V are zero."""
    require_matrices("svd", input)
    u, s, vh = svd(input, not some)
    if compute_uv:
        return _OLD_SVD(u, s, adjoint(vh))
    *lead, m, n = input.shape
    return _OLD_SVD(*[alike(input, np.zeros((*lead, k, k), input.dtype)) if k else s for k in (m, 0, n)])


def svdvals(A: Tensor) -> Tensor:
    """The singular values of A (..., m, n), descending (..., min(m, n)): ``torch.linalg.svdvals``. Ā = U diag(S̄) Vᵀ.

    >>> import minigrad as mg
    >>> mg.linalg.svdvals(mg.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([3., 2.])
    """
    require_matrices("svdvals", A)
    return _svd(A, False)[1]


def matrix_rank(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, tol: Any = None) -> Tensor:
    """The number of singular values above max(atol, rtol * largest): ``torch.linalg.matrix_rank``. int64, without a gradient.

    Args:
        A: (..., m, n).
        atol, rtol: numbers, or arrays that broadcast to (...). By default rtol is max(m, n) times the dtype's epsilon, or 0 if ``atol`` is given.
        hermitian: A is symmetric. Nothing is computed differently.
        tol: an older name of ``atol``.
    """
    require_matrices("matrix_rank", A)

    pair = A.pair if isinstance(A, ComplexPair) else None

    def rank(a: np.ndarray, atol: Any, rtol: Any) -> np.ndarray:
        a = a if pair is None else numbers(a)
        with one_blas_thread:
            s = np.linalg.svd(a, compute_uv=False)
        return np.asarray((s > _cutoff("matrix_rank", a, s, atol, rtol)[..., None]).sum(-1))

    return alike(A, each_sample(rank, array_of(A if pair is None else pair), unwrapped(atol if tol is None else tol), unwrapped(rtol)))


def _cutoff(name: str, a: np.ndarray, s: np.ndarray, atol: Any, rtol: Any) -> np.ndarray:
    """What singular values are zero up to: (...)."""
    for what, t in (("atol", atol), ("rtol", rtol)):
        if t is not None and not hasattr(t, "shape"):
            number(name, what, t, "0 or above")
    atol, rtol = (None if t is None else np.asarray(array_of(t), s.dtype) for t in (atol, rtol))
    if rtol is None:
        rtol = np.where((0 if atol is None else atol) > 0, 0, max(a.shape[-2:]) * np.finfo(a.dtype).eps)
    return np.maximum(0 if atol is None else atol, rtol * s.max(-1, initial=0))


def _pinv_a(g, a, out):
    # Golub and Pereyra 1973, with P the pseudoinverse:  -Pᵀ P̄ Pᵀ + (I - A P) P̄ᵀ P Pᵀ + Pᵀ P P̄ᵀ (I - P A)
    t, gt = matrix_transpose(out), matrix_transpose(g)
    left = matmul(matmul(gt, out), t)
    right = matmul(matmul(t, out), gt)
    return left - matmul(a, matmul(out, left)) + right - matmul(matmul(right, out), a) - matmul(matmul(t, g), t)


def _pinv_samples(run, a, atol, rtol):
    limits = [run.front(t) for t in (atol, rtol)]
    limits = [t.reshape((t.shape[0], *[1] * (a.ndim - 2 - t.ndim), *t.shape[1:])) if is_array(t) and t.ndim else t for t in limits]
    return run(a, atol=limits[0], rtol=limits[1])


@batched(_pinv_samples)
@op(a=_pinv_a)
def _pinv(a: Array, atol: Any, rtol: Any) -> Array:
    with one_blas_thread:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    inverse = np.divide(1, s, out=np.zeros_like(s), where=s > _cutoff("pinv", a, s, atol, rtol)[..., None])
    return kernels.matmul(np.swapaxes(vh, -1, -2) * inverse[..., None, :], np.swapaxes(u, -1, -2))


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """The pseudoinverse of Moore and Penrose, (..., n, m) for A (..., m, n): ``torch.linalg.pinv``.

    Args:
        A: (..., m, n).
        rcond: an older name of ``rtol``.
        hermitian: A is symmetric: its lower triangle is read.
        atol, rtol: singular values up to max(atol, rtol * largest) count as 0, as in :func:`matrix_rank`.

    The gradient is right where a small change of A does not change its rank.

    >>> import minigrad as mg
    >>> mg.linalg.pinv(mg.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    require_matrices("pinv", A)
    if hermitian:
        require_square("pinv", A)
        A = tril(A) + adjoint(tril(A, -1))
    atol, rtol = (array_of(t) if hasattr(t, "shape") else t for t in (atol, rcond if rtol is None else rtol))
    return _pinv(A, atol, rtol)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """:func:`pinv` under its older name: ``torch.pinverse``."""
    return pinv(input, rcond)


def _squares(x: Any) -> Any:
    """The sums of the squares of absolute values in each column."""
    return sum(real(ew.mul(x, conj(x))), -2)


@known_as("LinalgLstsqBackward0")
@sample_by_sample()
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str = "gelsy") -> LeastSquares:
    """The X with the least ``norm(A @ X - B)``, and among several the smallest: ``torch.linalg.lstsq``.

    Args:
        A: (..., m, n).
        B: (..., m, k), or vectors (..., m), with the leading dimensions of A.
        rcond: singular values up to ``rcond`` times the largest count as 0; by default max(m, n) times the dtype's epsilon.
        driver: a routine of LAPACK: ``"gelsy"``, ``"gelsd"``, ``"gelss"``, or ``"gels"`` for A of full rank. The solution is the
            product of A's pseudoinverse and B with each; it only decides which of the other results are not empty.

    Returns ``(solution, residuals, rank, singular_values)``: X (..., n, k); the sums of squares of the columns of A X - B (..., k), except with
    ``"gelsy"``, if m > n and all matrices have rank n; the ranks, except with ``"gels"``; the singular values with ``"gelsd"`` and
    ``"gelss"``. Others are empty.

    Raises ``ShapeError`` for sizes that do not fit, ``ValueError`` for another driver.

    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])  # a line through three points
    >>> mg.linalg.lstsq(a, mg.tensor([[1.0], [3.0], [5.0]])).solution
    tensor([[1.0000],
            [2.0000]])
    """
    for x in (A, B) if len(B.shape) > 1 else (A,):
        require_matrices("lstsq", x)
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise ValueError(f"lstsq: driver must be 'gels', 'gelsy', 'gelsd' or 'gelss', not {driver!r}")
    vectors = len(B.shape) == len(A.shape) - 1 and tuple(B.shape) == tuple(A.shape[:-1])
    columns = unsqueeze(B, -1) if vectors else B
    if len(columns.shape) != len(A.shape) or columns.shape[-2] != A.shape[-2]:
        raise ShapeError(f"lstsq: A {tuple(A.shape)} and B {tuple(B.shape)} do not fit: B needs as many dimensions and {A.shape[-2]} rows")
    x = matmul(pinv(A, rcond), columns)
    s = svdvals(A)
    rank = matrix_rank(A, rtol=rcond)
    empty = np.empty(0, A.dtype)
    m, n = A.shape[-2:]
    full = m > n and driver != "gelsy" and bool((array_of(rank) == n).all())
    return _LSTSQ(
        reshape(x, x.shape[:-1]) if vectors else x,
        _squares(matmul(A, x) - columns) if full else alike(A, empty),
        alike(A, np.empty(0, np.int64)) if driver == "gels" else rank,
        alike(A, array_of(s) if driver in ("gelsd", "gelss") else empty),  # a constant, as in PyTorch
    )


# ------------------------------------------------------------------------------------------------ eigenvalues


def _eigh_input(g, out):
    # V [ skew(VᵀV̄)/E / 2 + diag(l̄) ] Vᵀ with E[i, j] = l_j - l_i: symmetric, for the step along A may only be symmetric
    (values, v), (g_values, gv) = out, g
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1)
    inside = 0.5 * _over(_skew(matmul(matrix_transpose(v), gv)), gaps) + diag_embed(g_values)
    return matmul(matmul(v, inside), matrix_transpose(v))


@batched(matrices)
@op(input=_eigh_input)
def _eigh(input: Array, UPLO: Any) -> Array:
    with one_blas_thread:
        return tuple(np.linalg.eigh(input, UPLO))


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues and eigenvectors of symmetric matrices, ``A == V @ diag(L) @ V.mT``: ``torch.linalg.eigh``.

    Args:
        A: (..., n, n).
        UPLO: the triangle that is read: ``"L"``, the lower one, or ``"U"``.

    Returns ``(eigenvalues, eigenvectors)``: (..., n), ascending, and orthonormal columns (..., n, n). The gradient is symmetric. Signs of
    vectors, and gradients at equal eigenvalues: see :mod:`minigrad.ops.linalg`.

    Raises ``ShapeError`` for matrices that are not square, ``ValueError`` for another ``UPLO``.

    >>> import minigrad as mg
    >>> mg.linalg.eigh(mg.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    require_matrices("eigh", A)
    require_square("eigh", A)
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh: UPLO must be 'L' or 'U', not {UPLO!r}")
    return _EIGH(*_eigh(A, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending: ``torch.linalg.eigvalsh``. As :func:`eigh`; Ā = V diag(L̄) Vᵀ."""
    return eigh(A, UPLO).eigenvalues


def eig(A: Tensor) -> Eigen:
    """Eigenvalues and eigenvectors of square matrices, ``A @ V == V @ diag(L)``: ``torch.linalg.eig``. Both are complex, as in PyTorch.

    Args:
        A: (..., n, n), real or complex.

    Returns ``(eigenvalues, eigenvectors)``: (..., n), in no order, and columns of length 1 (..., n, n). The gradient is right for functions that do
    not depend on the factor of absolute value 1 up to which an eigenvector is determined. Raises ``ShapeError`` for matrices that are not square.

    >>> import minigrad as mg
    >>> mg.linalg.eig(mg.tensor([[0.0, -2.0], [2.0, 0.0]])).eigenvalues.imag
    tensor([ 2., -2.])
    """
    require_matrices("eig", A)
    require_square("eig", A)
    return _EIG(*_COMPLEX.eig(A))


def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, complex numbers: ``torch.linalg.eigvals``. As :func:`eig`."""
    return eig(A).eigenvalues


# --------------------------------------------------------------------------------------- functions of matrices


def _matrix_exp_input(g, input):
    # Mathias 1996: exp([[X, G], [0, X]]) has the derivative of exp at X along G in its corner. Its transpose is that at Xᵀ
    t, n = matrix_transpose(input), input.shape[-1]
    block = cat((cat((t, g), -1), cat((t * 0, t), -1)), -2)
    return matrix_exp(block)[..., :n, n:]


_PADE = [64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
         33522128640, 1323241920, 40840800, 960960, 16380, 182, 1]  # fmt: skip


@batched(matrices)
@op(input=_matrix_exp_input)
def matrix_exp(input: Array) -> Array:
    """The exponential of square matrices (..., n, n), the sum of Xⁱ / i!: ``torch.linalg.matrix_exp``.

    Computed as by N. J. Higham, *The scaling and squaring method for the matrix exponential revisited* (2005): a quotient of polynomials of
    degree 13 at X / 2ˢ, squared s times. Its gradient is a corner of the exponential of the matrix [[Xᵀ, G], [0, Xᵀ]].

    >>> import minigrad as mg
    >>> mg.linalg.matrix_exp(mg.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    require_matrices("matrix_exp", input)
    require_square("matrix_exp", input)
    if not input.size:
        return input.copy()
    with np.errstate(all="ignore"):
        length = np.abs(input).sum(-2, keepdims=True).max(-1, keepdims=True)
        halvings = np.ceil(np.log2(length / 5.37))
    halvings = np.where(np.isfinite(halvings), np.maximum(halvings, 0), 0)
    x = np.ldexp(input, -halvings.astype(int))
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    x2 = kernels.matmul(x, x)
    x4 = kernels.matmul(x2, x2)
    x6 = kernels.matmul(x4, x2)
    b = [x.dtype.type(c) for c in _PADE]
    odd = kernels.matmul(x6, b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * eye
    odd = kernels.matmul(x, odd)
    even = kernels.matmul(x6, b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * eye
    with one_blas_thread:
        out = np.linalg.solve(even - odd, even + odd)
    for i in range(int(halvings.max())):
        out = np.where(halvings > i, kernels.matmul(out, out), out)
    return out


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number ``norm(A, p) * norm(inv(A), p)``: ``torch.linalg.cond``.

    Args:
        A: (..., n, n); for ``p`` None, 2 or -2 also (..., m, n).
        p: of :func:`matrix_norm`. None and 2 are the quotient of the largest and smallest singular value, -2 of the smallest and largest.

    A singular matrix has the condition number ``inf``; for ``p`` other than None, 2 and -2 then all of a batch have.

    >>> import minigrad as mg
    >>> mg.linalg.cond(mg.tensor([[4.0, 0.0], [0.0, 1.0]]))
    tensor(4.)
    """
    require_matrices("cond", A)
    if p in (None, 2, -2):
        s = svdvals(A)
        if not s.shape[-1]:  # a matrix without elements
            return sum(s, -1)
        ends = (s[..., -1], s[..., 0])
        return ew.div(*ends) if p == -2 else ew.div(*ends[::-1])
    require_square("cond", A)
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise ValueError(f"cond: p must be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {p!r}")
    try:
        return matrix_norm(A, p) * matrix_norm(inv(A), p)
    except LinAlgError:
        return alike(A, np.full(A.shape[:-2], math.inf, A.dtype))


@in_float32
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Scalar products of the vectors along ``dim``, of complex ones with ``x`` conjugated; the shapes broadcast: ``torch.linalg.vecdot``.

    >>> import minigrad as mg
    >>> mg.linalg.vecdot(mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    return sum(ew.mul(conj(x), y), dim)


@known_as("CatBackward0")
def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0 to N - 1 of each element, (..., n) to (..., n, N): ``torch.linalg.vander``. N is n by default.

    >>> import minigrad as mg
    >>> mg.linalg.vander(mg.tensor([2.0, 3.0]), N=3)
    tensor([[1., 2., 4.],
            [1., 3., 9.]])
    """
    if not x.shape and N is None:
        raise ShapeError("vander: a number needs N")
    x = x if x.shape else reshape(x, (1,))
    return ew.pow(unsqueeze(x, -1), np.arange(x.shape[-1] if N is None else whole("vander", "N", N, 0)))


# ------------------------------------------------------------------------------------------------------------ norms


def vector_norm(x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """``(sum |x|^ord)^(1/ord)`` over ``dim``, by default over all: ``torch.linalg.vector_norm``. As :func:`minigrad.norm`."""
    return reduce.norm(x, ord, dim, keepdim, dtype=dtype)


def matrix_norm(x: Tensor, ord: Any = "fro", dim: Dims = (-2, -1), keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """Norm of the matrices in the two dimensions ``dim``: ``torch.linalg.matrix_norm``.

    Args:
        x: (..., n, m).
        ord: ``"fro"``, the square root of the sum of squares; 1 or -1, the largest or smallest sum of a column's absolute values;
            ``inf`` or ``-inf``, of a row's; 2 or -2, the largest or smallest singular value; ``"nuc"``, their sum.
        dim: which dimensions are rows and columns.
        keepdim: keep these dimensions with size 1.
        dtype: convert the matrices first.
    """
    flag("matrix_norm", "keepdim", keepdim)
    x = x if dtype is None else cast(x, dtype=dtype_of("matrix_norm", dtype))
    if x.dtype.kind not in "fc":
        raise RuntimeError(f"matrix_norm: the matrices must be floating, not {x.dtype.name}; convert them, as in x.float()")
    dims = positive_dims("matrix_norm", dim, len(x.shape))
    if len(dims) != 2:
        raise ShapeError(f"matrix_norm: dim must be the two dimensions of the matrices, not {dim!r}")
    rows, columns = dims
    if ord == "fro":
        return reduce.norm(x, 2, (rows, columns), keepdim)
    if ord in (2, -2, "nuc"):
        values = svdvals(movedim(x, (rows, columns), (-2, -1)))
        largest = reduce.amax if values.shape[-1] else sum  # of a matrix without elements it is 0
        of = sum if ord == "nuc" else largest if ord > 0 else reduce.amin
        out = of(values, -1)
        return unsqueeze(unsqueeze(out, min(rows, columns)), max(rows, columns)) if keepdim else out
    if ord not in (1, -1, math.inf, -math.inf):
        raise ValueError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {ord!r}")
    inside, outside = (rows, columns) if abs(ord) == 1 else (columns, rows)
    if ord > 0 and 0 in x.shape:  # the norm of a matrix without elements is 0, however many sums there are
        return reduce.norm(x, 1, (rows, columns), keepdim)
    extreme = (reduce.amax if ord > 0 else reduce.amin)(sum(ew.abs(x), inside, True), outside, True)
    return extreme if keepdim else squeeze(extreme, (rows, columns))


def norm(x: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """:func:`matrix_norm` if ``dim`` has two dimensions (or ``x`` has two), else :func:`vector_norm`: ``torch.linalg.norm``.

    Without ``ord``, the square root of the sum of squares over ``dim``, or over all dimensions.
    """
    x = x if dtype is None else cast(x, dtype=dtype_of("norm", dtype))
    if ord is None:
        return vector_norm(x, 2, dim, keepdim)
    if dim is None and len(x.shape) > 2:
        raise ShapeError(f"norm: with ord={ord!r} and without dim a vector or matrix is needed, not shape {tuple(x.shape)}")
    if (dim is None and len(x.shape) == 2) or (isinstance(dim, (tuple, list)) and len(dim) == 2):
        return matrix_norm(x, ord, (0, 1) if dim is None else dim, keepdim)
    return vector_norm(x, ord, dim, keepdim)


def nuclear_norm(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum of the singular values of a matrix, or of the matrices in the dimensions ``dim``: ``torch.nuclear_norm``."""
    if dim is None and len(input.shape) != 2:
        raise ShapeError(f"nuclear_norm: without dim a matrix is needed, not shape {tuple(input.shape)}")
    return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim)


def old_norm(input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """The p-norm of the elements as a vector, see :func:`minigrad.ops.reduce.norm`; with "nuc" :func:`nuclear_norm`: ``torch.norm``.

    >>> import minigrad as mg
    >>> x = mg.tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> x.norm(), x.norm("nuc"), x.norm(1, dim=0)
    (tensor(5.), tensor(7.), tensor([3., 4.]))
    """
    if p == "nuc":
        return nuclear_norm(input if dtype is None else cast(input, dtype=dtype_of("norm", dtype)), dim, keepdim)
    return reduce.norm(input, p, dim, keepdim, dtype=dtype)


def frobenius_norm(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """The square root of the sum of squares over ``dim``: ``torch.frobenius_norm``."""
    return reduce.norm(input, 2, dim, keepdim)


public(__name__)
