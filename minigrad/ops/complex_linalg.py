"""Linear algebra of complex matrices: what the ops of :mod:`minigrad.ops.linalg` and :mod:`minigrad.ops.equations` answer for complex pairs.

Inverses, solutions, pseudoinverses and exponentials are those of the real matrix [[B, -C], [C, B]] in place of B + iC, whose sums and products
are those of the complex ones; so their gradients are, too. The determinant and the decompositions are ops of arrays of pairs (..., m, n, 2), with the
formulas of the real ones where a transposed matrix is transposed and conjugated.

**Phases.** Singular vectors and eigenvectors are determined up to a complex factor of absolute value 1 only, and LAPACK's choice of it has no
derivative. Gradients are right for functions that do not depend on this choice, such as absolute values and projections.

The gradients are in C. Boeddeker et al., *On the computation of complex-valued gradients with application to statistically optimum beamforming*
(2017), and Z.-Q. Wan and S.-X. Zhang, *Automatic differentiation for complex valued SVD* (2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import batched, each_sample, op
from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import one_blas_thread
from minigrad.ops import elementwise as ew
from minigrad.ops import equations, householder, linalg
from minigrad.ops.batching import matrices
from minigrad.ops.complex_pair import ComplexPair, adjoint, as_pair, complex, numbers, pairs
from minigrad.ops.shape import cat, diag_embed, diagonal, tril, unsqueeze
from minigrad.tree import array_of
from minigrad.types import Array


def _embedded(x: Any) -> Any:
    """The real matrices [[B, -C], [C, B]] of complex ones B + iC."""
    z = as_pair("linalg", x)
    return cat([cat([z.real, -z.imag], -1), cat([z.imag, z.real], -1)], -2)


def _left(x: Any, rows: int, columns: int) -> ComplexPair:
    """The complex matrices of which ``x`` is :func:`_embedded`, or has the left columns."""
    return complex(x[..., :rows, :columns], x[..., rows:, :columns])


def inv(A: Any) -> ComplexPair:
    """The inverses of complex matrices."""
    n = A.shape[-1]
    return _left(equations.inv(_embedded(A)), n, n)


def solve(a: Any, b: Any) -> ComplexPair:
    """The solutions of complex equations; ``b`` holds matrices."""
    b = as_pair("solve", b)
    x = equations.solve(_embedded(a), cat([b.real, b.imag], -2))
    return _left(x, *b.shape[-2:])


def solve_triangular(a: Any, b: Any, upper: bool, unitriangular: bool) -> ComplexPair:
    """:func:`solve` with a triangle of ``a``."""
    a = as_pair("solve_triangular", a)
    part = (a.triu if upper else a.tril)(int(unitriangular) * (1 if upper else -1))
    return solve(part + np.eye(a.shape[-1], dtype=a.pair.dtype) if unitriangular else part, b)


def pinv(a: Any, atol: Any, rtol: Any) -> ComplexPair:
    """The pseudoinverses of complex matrices."""
    if rtol is None and not np.any(atol):  # by the size of the complex matrix
        rtol = max(a.shape[-2:]) * np.finfo(a.pair.dtype).eps
    return _left(linalg.pinv(_embedded(a), atol=atol, rtol=rtol), a.shape[-1], a.shape[-2])


def matrix_exp(input: Any) -> ComplexPair:
    """The exponentials of complex matrices."""
    n = input.shape[-1]
    return _left(linalg.matrix_exp(_embedded(input)), n, n)


def slogdet(x: Any) -> tuple[ComplexPair, Any]:
    """The determinants as numbers of absolute value 1 (0 for a singular matrix) and logarithms."""
    logarithm = equations.slogdet(_embedded(x)).logabsdet / 2  # that of the real matrix is the square

    def magnitude(logarithm: np.ndarray) -> Any:
        """Of an element, where it is a number: divided by it, the matrix has a determinant that is neither too large nor too small."""
        scale = np.exp(logarithm / max(x.shape[-1], 1))
        return np.where(np.isfinite(scale) & (scale > 0), scale, 1).astype(x.pair.dtype)

    scale = equations.alike(logarithm, each_sample(magnitude, array_of(logarithm)))
    return det(x / scale[..., None, None]).sgn(), logarithm


def _per_matrix(z: ComplexPair) -> ComplexPair:
    return z[..., None, None]


@batched(matrices)
@op(A=lambda g, A, out: (_per_matrix(ComplexPair(g) * ComplexPair(out).conj()) * inv(ComplexPair(A)).mH).pair)
def complex_det(A: Array) -> Array:
    """Determinants of complex matrices, pairs (..., n, n, 2) to (..., 2). Singular ones have no gradient.

    >>> import numpy as np
    >>> complex_det(np.array([[[0.0, 2.0]]]))
    array([0., 2.])
    """
    with one_blas_thread:
        return pairs(quiet().run(np.linalg.det, numbers(A)))


def det(A: ComplexPair) -> ComplexPair:
    """The determinants of complex matrices."""
    equations.require_square("det", A)
    return ComplexPair(complex_det(A.pair))


# ------------------------------------------------------------------------------------------------- decompositions


def _over(z: ComplexPair, divisor: Any) -> ComplexPair:
    """``z`` divided by real numbers, and 0 where both are 0."""
    divisor = unsqueeze(divisor, -1)
    return ComplexPair(ew.div(z.pair, divisor + ew.logical_and(ew.eq(z.pair, 0), ew.eq(divisor, 0))))


def _off(z: ComplexPair) -> ComplexPair:
    """Square matrices without their diagonal."""
    return z * (1 - np.eye(z.shape[-1], dtype=z.pair.dtype))


def _cholesky_x(g: Any, out: Any) -> Any:
    # as for real matrices, see minigrad.ops.equations, with the conjugate of what is transposed
    factor, n = ComplexPair(out), out.shape[-2]
    phi = np.tril(np.ones((n, n), out.dtype)) - 0.5 * np.eye(n, dtype=out.dtype)
    s = solve(factor.mH, (factor.mH @ ComplexPair(g)) * phi)
    s = solve(factor.mH, s.mH).mH
    return (0.5 * (s + s.mH)).pair


@batched(matrices)
@op(x=_cholesky_x)
def complex_cholesky(x: Array) -> Array:
    """The lower triangular factors L of Hermitian matrices ``L @ L.mH``, as pairs (..., n, n, 2). Reads the lower triangle.

    >>> import numpy as np
    >>> complex_cholesky(np.array([[[4.0, 0.0]]]))
    array([[[2., 0.]]])
    """
    with one_blas_thread:
        return pairs(np.linalg.cholesky(numbers(x)))


def cholesky(input: ComplexPair) -> ComplexPair:
    """The lower triangular factors of Hermitian matrices."""
    equations.require_square("cholesky", input)
    return ComplexPair(complex_cholesky(input.pair))


def _lu_x(g: Any, out: Any) -> Any:
    return equations.lu_input(ComplexPair(g[0]), ComplexPair(out[0]), out[1], adjoint).pair


@batched(matrices)
@op(x=_lu_x)
def complex_lu(x: Array, pivot: bool) -> Array:
    """L and U of complex matrices in one matrix, pairs (..., m, n, 2), and the exchanges of rows.

    >>> import numpy as np
    >>> complex_lu(np.array([[[0.0, 2.0]], [[0.0, 4.0]]]), True)
    (array([[[0. , 4. ]],
    <BLANKLINE>
           [[0.5, 0. ]]]), array([2], dtype=int32))
    """
    packed, pivots = equations.eliminated(numbers(x), pivot)
    return pairs(packed), pivots


def lu(input: ComplexPair, pivot: bool) -> tuple:
    """L and U of complex matrices, and the exchanges of rows."""
    packed, pivots = complex_lu(input.pair, pivot)
    return ComplexPair(packed), pivots


def _qr_x(g: Any, x: Any, out: Any, mode: str) -> Any:
    # as for real matrices, see minigrad.ops.linalg; the diagonal of R is real, so that M has a real one too
    (q, r), (gq, gr), x = map(ComplexPair, out), map(ComplexPair, g), ComplexPair(x)
    m, n = x.shape[-2:]
    linalg.require_determined(m, n, mode)
    rest = None
    if n > m:
        gr, beside, r = gr[..., :m], gr[..., m:], r[..., :m]
        gq = gq + x[..., m:] @ beside.mH
        rest = q @ beside
    lower = r @ gr.mH - gq.mH @ q
    below = tril(lower, -1)
    middle = below + below.mH + diag_embed(diagonal(lower, 0, -2, -1).real)
    gradient = solve(r, (gq + q @ middle).mH).mH
    return gradient.pair if rest is None else cat((gradient.pair, rest.pair), -2)


@batched(matrices)
@op(x=_qr_x)
def complex_qr(x: Array, mode: str) -> Array:
    """Q with orthonormal columns and R, upper triangular with a real diagonal, of complex matrices, all as pairs (..., m, n, 2).

    >>> import numpy as np
    >>> complex_qr(np.array([[[0.0, 2.0]]]), "reduced")[1]
    array([[[-2.,  0.]]])
    """
    with one_blas_thread:
        return tuple(map(pairs, np.linalg.qr(numbers(x), mode)))  # type: ignore[call-overload]


def qr(input: ComplexPair, mode: str) -> tuple:
    """Q and R of complex matrices."""
    return tuple(map(ComplexPair, complex_qr(input.pair, mode)))


@batched(matrices)
@op(x=householder.no_gradient)
def complex_geqrf(x: Array) -> Array:
    """R and reflections of complex matrices, and their factors, as pairs (..., m, n, 2) and (..., k, 2). Without a gradient.

    >>> import numpy as np
    >>> complex_geqrf(np.array([[[0.0, 2.0]]]))[0]
    array([[[-2.,  0.]]])
    """
    return tuple(map(pairs, householder.factored(numbers(x))))


def geqrf(input: ComplexPair) -> tuple:
    """R and reflections of complex matrices."""
    return tuple(map(ComplexPair, complex_geqrf(input.pair)))


def _svd_x(g: Any, out: Any, x_shape: Any) -> Any:
    # as for real matrices, see minigrad.ops.linalg; and what turns a column of U and the row of Vh by one angle is no change, so that the
    # imaginary part of the diagonal of Uᴴ Ū is that of a turn of U alone (Wan and Zhang 2019)
    (u, vh), (gu, gvh), s, gs = map(ComplexPair, out[::2]), map(ComplexPair, g[::2]), out[1], g[1]
    (m, n), k = x_shape[-3:-1], s.shape[-1]
    u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    row, column = unsqueeze(s, -2), unsqueeze(s, -1)
    gaps = (row - column) * (row + column)
    turns_u, turns_v = u.mH @ gu, vh @ gvh.mH
    middle = _over(_off(turns_u - turns_u.mH), gaps) * row + _over(_off(turns_v - turns_v.mH), gaps) * column
    turn = diagonal(turns_u, 0, -2, -1).imag  # type: ignore[attr-defined]
    turn = ew.div(turn, s + ew.logical_and(ew.eq(turn, 0), ew.eq(s, 0)))
    gradient = u @ (middle + diag_embed(complex(gs, turn))) @ vh  # type: ignore[arg-type]
    if m > k:
        x = _over(gu, row)
        gradient = gradient + (x - u @ (u.mH @ x)) @ vh
    if n > k:
        x = _over(gvh, column)
        gradient = gradient + u @ (x - (x @ vh.mH) @ vh)
    return gradient.pair


@batched(matrices)
@op(x=_svd_x)
def complex_svd(x: Array, full_matrices: bool) -> Array:
    """U, S and Vh of complex matrices, pairs (..., m, n, 2): S is real.

    >>> import numpy as np
    >>> complex_svd(np.array([[[3.0, 4.0]]]), False)[1]
    array([5.])
    """
    with one_blas_thread:
        u, s, vh = np.linalg.svd(numbers(x), full_matrices)
    return pairs(u), s, pairs(vh)


def svd(input: ComplexPair, full_matrices: bool) -> tuple:
    """U, S and Vh of complex matrices."""
    u, s, vh = complex_svd(input.pair, full_matrices)
    return ComplexPair(u), s, ComplexPair(vh)


def _eigh_x(g: Any, out: Any) -> Any:
    # as for real matrices, see minigrad.ops.linalg
    (values, v), (g_values, gv) = out, g
    v = ComplexPair(v)
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1)
    turns = v.mH @ ComplexPair(gv)
    middle = 0.5 * _over(_off(turns - turns.mH), gaps) + diag_embed(g_values)
    return (v @ middle @ v.mH).pair


@batched(matrices)
@op(x=_eigh_x)
def complex_eigh(x: Array, UPLO: str) -> Array:
    """Eigenvalues, real numbers, and eigenvectors of Hermitian matrices, pairs (..., n, n, 2).

    >>> import numpy as np
    >>> complex_eigh(np.array([[[2.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [2.0, 0.0]]]), "L")[0]
    array([1., 3.])
    """
    with one_blas_thread:
        values, vectors = np.linalg.eigh(numbers(x), UPLO)  # type: ignore[call-overload]
    return values, pairs(vectors)


def eigh(input: ComplexPair, UPLO: str) -> tuple:
    """Eigenvalues and eigenvectors of Hermitian matrices."""
    values, vectors = complex_eigh(input.pair, UPLO)
    return values, ComplexPair(vectors)


def _eig_x(g: Any, out: Any) -> Any:
    # V⁻ᴴ [ (VᴴV̄ - VᴴV Re(diag(VᴴV̄)))/conj(E) + diag(l̄) ] Vᴴ with E[i, j] = l_j - l_i (Boeddeker et al. 2017, for columns of length 1)
    values, v = map(ComplexPair, out)
    g_values, gv = map(ComplexPair, g)
    turns = v.mH @ gv
    turns = _off(turns - v.mH @ v * unsqueeze(diagonal(turns, 0, -2, -1).real, -2))
    gaps = values[..., None, :] - values[..., :, None]
    size = ew.square(gaps.real) + ew.square(gaps.imag)
    return solve(v.mH, (_over(turns * gaps, size) + diag_embed(g_values)) @ v.mH).pair  # type: ignore[arg-type]


@batched(matrices)
@op(x=_eig_x)
def complex_eig(x: Array) -> Array:
    """Eigenvalues and eigenvectors of length 1 of square matrices, all as pairs (..., n, n, 2).

    >>> import numpy as np
    >>> complex_eig(np.array([[[0.0, 3.0]]]))[0]
    array([[0., 3.]])
    """
    z = numbers(x)
    with one_blas_thread:
        found = np.linalg.eig(z if z.imag.any() else z.real)  # LAPACK's answer for real ones, whose conjugate eigenvalues are so exactly
    return tuple([pairs(part.astype(z.dtype, copy=False)) for part in found])


def eig(input: Any) -> tuple:
    """Eigenvalues and eigenvectors of square matrices, real ones too: pairs."""
    return tuple(map(ComplexPair, complex_eig(as_pair("eig", input).pair)))
