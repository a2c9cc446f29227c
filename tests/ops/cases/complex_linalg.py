"""Rows for ``minigrad/ops/complex_linalg.py``. Complex matrices are drawn, and compared, as real arrays (..., m, n, 2).

Vectors are determined up to a factor of absolute value 1: only those of matrices of one element are compared as they are, of others what does not
depend on it.
"""

import numpy as np
from hypothesis import strategies as hs

import minigrad as mg
from cases import Case
from minigrad.ops import complex_linalg
from minigrad.testing import strategies as st


@hs.composite
def separated(draw, square=True, lead=True, avoid=()):
    """Matrices whose singular values (eigenvalues) are apart: small elements, and 1, 2.5, 4.5 on the diagonal.

    Without zeros (``avoid``) LAPACK chooses the signs of R in one way near each, and absolute values have second derivatives.
    """
    m = draw(hs.integers(1, 3))
    n = m if square else draw(hs.integers(1, 3))
    diagonal = np.zeros((m, n, 2))
    diagonal[range(min(m, n)), range(min(m, n)), 0] = [1, 2.5, 4.5][: min(m, n)]
    shape = (*(draw(st.shapes(0, 1, 0, 2)) if lead else ()), m, n, 2)
    return draw(st.arrays(shape, low=-0.2, high=0.2, avoid=avoid)) + diagonal


def parts(lib, *results):
    """Results with the real numbers of complex ones; one alone as it is."""
    reals = [lib.view_as_real(z.resolve_conj()) if z.is_complex() else z for z in results]
    return reals[0] if len(reals) == 1 else tuple(reals)


def row(name, run, *strategies):
    """A row of a function of complex matrices under both libraries."""

    def both(lib, *arrays):
        results = run(lib, *[lib.view_as_complex(x) for x in arrays])
        return parts(lib, *(results if isinstance(results, tuple) else (results,)))

    return Case(lambda *a: both(mg, *a), *strategies, torch=both, name=name)


def hermitian(z):
    return (z + z.mH) * 0.5


def of_qr(lib, z):
    q, r = lib.linalg.qr(z)
    return q.abs(), r.abs(), q @ r


def of_eigh(lib, z):
    values, v = lib.linalg.eigh(hermitian(z))
    return (v * values.exp().unsqueeze(-2)) @ v.mH, values, v.abs()


def of_svd(lib, z, full_matrices=False):
    u, s, vh = lib.linalg.svd(z, full_matrices=full_matrices)
    k = s.shape[-1]
    return (u[..., :k] * s.exp().unsqueeze(-2)) @ vh[..., :k, :], s, u[..., :k].abs(), vh[..., :k, :].abs()


def of_eig(lib, z):
    """``exp(z)`` from eigenvalues, and the squares of absolute values of the vectors' elements, summed because they may be in another order."""
    values, v = lib.linalg.eig(z)
    return (v * values.exp().unsqueeze(-2)) @ lib.linalg.inv(v), (v.real**2 + v.imag**2).sum(-1), values.sum(-1)


def of_lu(lib, z, w):
    """One factorisation for all: its gradient is most of the work. (PyTorch's answers were recorded with one for each.)"""
    once = lib.linalg.lu_factor(z) if lib is mg else None
    return tuple(
        lib.linalg.lu_solve(*(once or lib.linalg.lu_factor(z)), w if left else w.mT, left=left, adjoint=adjoint)
        for left in (True, False)
        for adjoint in (True, False)
    )


ONE = st.arrays((2, 1, 1, 2), low=0.5)
KINDS = ["nuc", 2, -2, 1]

CASES = [
    Case(
        complex_linalg.complex_det, separated(), torch=lambda torch, x: parts(torch, torch.linalg.det(torch.view_as_complex(x))),
    ),
    Case(complex_linalg.complex_cholesky, ONE.map(lambda x: x * [1, 0])),
    Case(complex_linalg.complex_lu, st.call(separated(square=False), pivot=hs.booleans())),
    Case(complex_linalg.complex_geqrf, separated(square=False, avoid=(0,)), wrt=()),
    Case(complex_linalg.complex_qr, st.call(separated(square=False, avoid=(0,)), mode=hs.just("reduced"))),
    Case(complex_linalg.complex_svd, st.call(ONE, full_matrices=hs.booleans())),
    Case(complex_linalg.complex_eigh, st.call(ONE, UPLO=hs.sampled_from("LU"))),
    Case(complex_linalg.complex_eig, ONE),
    row("complex_inv", lambda lib, z: lib.linalg.inv(z), separated()),
    row("complex_solve", lambda lib, z, w: (lib.linalg.solve(z, w), lib.linalg.solve(z, w[..., 0]), lib.linalg.solve(z, w.mH, left=False)),
        separated(lead=False).filter(lambda z: z.shape[0] == 3), st.arrays((3, 2, 2))),
    row("complex_slogdet", lambda lib, z: (*lib.linalg.slogdet(z), lib.logdet(z)), separated()),
    row("complex_cholesky_of_product", lambda lib, z: (lib.linalg.cholesky(z @ z.mH), lib.linalg.cholesky(z.mH @ z, upper=True)), separated()),
    row("complex_qr_of_any", of_qr, separated(square=False, avoid=(0,))),
    row("complex_lu_of_any", lambda lib, z: lib.linalg.lu(z), separated(square=False)),
    row("complex_lu_solve", of_lu, separated(lead=False).filter(lambda z: z.shape[0] == 2), st.arrays((2, 3, 2))),
    row(
        "complex_reflections", lambda lib, z, t: (lib.linalg.householder_product(z, t), lib.ormqr(z, t, z), lib.ormqr(z, t, z.mT, False, True)),
        st.arrays((2, 3, 2, 2), low=-1, high=1), st.arrays((2, 2, 2), low=-1, high=1),
    ),
    row("complex_svd_of_any", of_svd, separated(square=False)),
    row("complex_svd_full", lambda lib, z: of_svd(lib, z, True), separated(square=False)),
    row("complex_eigh_of_any", of_eigh, separated()),
    row("complex_eigvalsh", lambda lib, z: lib.linalg.eigvalsh(hermitian(z), "U"), separated()),
    row("complex_eig_of_any", of_eig, separated()),
    row("complex_pinv", lambda lib, z: (lib.linalg.pinv(z), lib.pinverse(z)), separated(square=False)),
    row("complex_pinv_hermitian", lambda lib, z: lib.linalg.pinv(hermitian(z), hermitian=True), separated()),
    row("complex_matrix_exp", lambda lib, z: lib.linalg.matrix_exp(z), separated()),
    row("complex_matrix_power", lambda lib, z: (lib.linalg.matrix_power(z, 3), lib.linalg.matrix_power(z, -2)), separated()),
    row("complex_matrix_norms", lambda lib, z: tuple(lib.linalg.matrix_norm(z, kind) for kind in ("fro", *KINDS)), separated(square=False, avoid=(0,))),
    row("complex_cond", lambda lib, z: lib.linalg.cond(z), separated()),
    row(
        "complex_lstsq", lambda lib, z, w: tuple(lib.linalg.lstsq(z, w))[:1], separated(square=False, lead=False).filter(lambda z: z.shape[:2] == (3, 2)),
        st.arrays((3, 2, 2)),
    ),
    row(
        "complex_triangular", lambda lib, z, w: (
            lib.linalg.solve_triangular(z, w, upper=True), lib.linalg.solve_triangular(z, w, upper=False, unitriangular=True),
            lib.cholesky_solve(w, z.tril()), lib.cholesky_solve(w, z.triu(), upper=True),
        ), separated(lead=False).filter(lambda z: z.shape[0] == 2), st.arrays((2, 3, 2)),
    ),
    row("complex_logsumexp", lambda lib, z: (lib.logsumexp(z, 0), lib.logsumexp(z, (-1, 0), keepdim=True)), st.arrays((2, 3, 2), low=-1, high=1)),
    row("complex_cov", lambda lib, z: (lib.cov(z), lib.cov(z[0], correction=0), lib.corrcoef(z)), separated(lead=False).filter(lambda z: z.shape[0] == 3)),
    row("complex_vecdot", lambda lib, z, w: lib.linalg.vecdot(z, w, dim=0), st.arrays((2, 3, 2)), st.arrays((2, 3, 2))),
]  # fmt: skip
