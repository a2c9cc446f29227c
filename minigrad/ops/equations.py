"""Linear equations: solutions, inverses and determinants, and the factors that equations are solved by (Cholesky's, and L and U).

float32 and float64, as in LAPACK. Where a triangle of a matrix is read, its gradient is zero outside this triangle.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import (
    LinAlgError,
    ShapeError,
    Shell,
    TensorBase,
    aligned,
    batched,
    each_sample,
    inside,
    known_as,
    linear_in,
    op,
    public,
    tangent,
    wrap,
)
from minigrad.kernels import products as kernels
from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import one_blas_thread
from minigrad.later import Later
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import check, whole
from minigrad.ops.batching import matrices
from minigrad.ops.products import matmul
from minigrad.ops.reduce import sum
from minigrad.ops.results import returned_by
from minigrad.ops.shape import cat, matrix_transpose, permute, reshape, tril, triu, unsqueeze
from minigrad.tree import array_of, numbers_of
from minigrad.types import Array, Tensor


class SlogdetResult(NamedTuple):
    """The result of :func:`slogdet`."""

    sign: Any
    logabsdet: Any


class TriangularSolveResult(NamedTuple):
    """The result of :func:`triangular_solve`."""

    solution: Any
    cloned_coefficient: Any


class LUFactor(NamedTuple):
    """The result of :func:`lu_factor`."""

    LU: Any
    pivots: Any


class LU(NamedTuple):
    """The result of :func:`lu`."""

    P: Any
    L: Any
    U: Any


_SLOGDET, _LU_FACTOR = returned_by("linalg_slogdet", SlogdetResult), returned_by("linalg_lu_factor", LUFactor)
_LU, _LU_UNPACK = returned_by("linalg_lu", LU), returned_by("lu_unpack", LU)
_TRIANGULAR_SOLVE = returned_by("triangular_solve", TriangularSolveResult)


_COMPLEX = Later("minigrad.ops.complex_pair")  # which not every program needs


def real_dtype(dtype: Any) -> np.dtype:
    """That of the real parts of numbers of ``dtype``."""
    return np.zeros(0, dtype).real.dtype


SOLVED = (np.float32, np.float64, np.complex64, np.complex128)  # dtypes; those of complex numbers are of pairs


def require_matrices(name: str, x: Any) -> None:
    """Raise ``ShapeError`` unless ``x`` is (..., n, m), ``RuntimeError`` unless it is float32 or float64, or complex numbers of these."""
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: matrices (..., n, m) are needed, not shape {tuple(x.shape)}")
    if x.dtype not in SOLVED:
        raise RuntimeError(f"{name}: float32 or float64 is needed, not {x.dtype.name}")


def require_square(name: str, x: Any, solved: bool = True) -> None:
    """Raise ``ShapeError`` unless ``x`` has square matrices, ``RuntimeError`` as :func:`require_matrices`, if equations are ``solved``."""
    if solved and x.dtype not in SOLVED:
        raise RuntimeError(f"{name}: the matrices must be float32 or float64, not {x.dtype.name}; convert them, as in x.float()")
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: square matrices (..., n, n) are needed, not shape {tuple(x.shape)}")


def alike(x: Any, array: np.ndarray) -> Any:
    """``array``, as a Tensor if ``x`` is one: arrays come out where arrays went in."""
    if not isinstance(inside(x), TensorBase):
        return array
    return _COMPLEX.of_numbers(array) if array.dtype.kind == "c" else wrap(array)


# ------------------------------------------------------------------------------------- inverses and solutions


def _per_matrix(g: Any) -> Any:
    """One number per matrix, reshaped so that it broadcasts to the matrices."""
    return reshape(g, (*g.shape, 1, 1))


@tangent(A=lambda t, out: -matmul(matmul(out, t), out))
@batched(matrices)
@op(A=lambda g, out: -matmul(matmul(matrix_transpose(out), g), matrix_transpose(out)))
def inv(A: Array) -> Array:
    """Inverse of square matrices (..., n, n): ``torch.linalg.inv``.

    Raises ``LinAlgError`` for a singular matrix. To solve equations use :func:`solve`, which is faster and more accurate.

    >>> import minigrad as mg
    >>> mg.linalg.inv(mg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    require_square("inv", A)
    with one_blas_thread:
        return np.linalg.inv(A)


def _solve_samples(run, a, b):
    if b.ndim > 2:
        return matrices(run, a, b)
    return run(*aligned((a, b.reshape((*b.shape, 1)))))[..., 0]


@tangent(a=lambda t, a, out: -_solve(a, matmul(t, out)))
@linear_in("b")
@batched(_solve_samples)
@op(
    a=lambda g, a, out: -matmul(_solve(matrix_transpose(a), g), matrix_transpose(out)),
    b=lambda g, a: _solve(matrix_transpose(a), g),
)
def _solve(a: Array, b: Array) -> Array:
    require_square("solve", a)
    with one_blas_thread:
        return np.linalg.solve(a, b)


@known_as("LinalgSolveExBackward0")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The solution X of ``A @ X == B``: ``torch.linalg.solve``.

    Args:
        A: square matrices (..., n, n).
        B: (..., n, m); or vectors, (n,) or, with the leading dimensions of ``A``, (..., n).
        left: False for ``X @ A == B``, with B (..., m, n).

    Returns the shape of ``B``, leading dimensions broadcast. Raises ``LinAlgError`` for a singular matrix,
    ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> mg.linalg.solve(mg.tensor([[2.0, 0.0], [1.0, 1.0]]), mg.tensor([2.0, 5.0]))
    tensor([1., 4.])
    """
    require_square("solve", A)
    vectors = len(B.shape) == 1 or (len(B.shape) == len(A.shape) - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if not left:
        if vectors:
            raise ShapeError(f"solve: without left, B must hold matrices, but it has shape {tuple(B.shape)}")
        return matrix_transpose(solve(matrix_transpose(A), matrix_transpose(B), left=True))
    columns = unsqueeze(B, -1) if vectors else B
    if len(columns.shape) < 2 or columns.shape[-2] != A.shape[-1]:
        raise ShapeError(f"solve: A {tuple(A.shape)} and B {tuple(B.shape)} do not fit: B needs {A.shape[-1]} rows")
    x = _solve(A, columns)
    return reshape(x, x.shape[:-1]) if vectors else x


def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices (..., k, k), of their inverses if ``n`` is negative: ``torch.linalg.matrix_power``."""
    require_square("matrix_power", input, solved=n < 0)
    if n == 0:
        return ew.add(ew.mul(input, False), np.eye(input.shape[-1], dtype=input.dtype))
    square, n = (inv(input), -n) if n < 0 else (input, n)
    power: Any = None
    while True:
        if n & 1:
            power = square if power is None else matmul(power, square)
        n >>= 1
        if not n:
            return power
        square = matmul(square, square)


# ------------------------------------------------------------------- determinants, and the factor of Cholesky


def _cofactor_x(g, out, x):
    # with the matrix of cofactors C = det(x) inv(x)^T:  dC = (tr(C^T dx) C - C dx^T C) / det(x)
    total = _per_matrix(sum(g * out, (-2, -1)))
    return (total * out - matmul(matmul(out, matrix_transpose(g)), out)) / _per_matrix(det(x))


@batched(matrices)
@op(x=_cofactor_x)
def cofactor(x: Array) -> Array:
    """The cofactors of square matrices (..., n, n), det(x) inv(x)^T, defined for singular ones too: the gradient of :func:`det`."""
    with one_blas_thread:
        u, s, v = np.linalg.svd(x)
        sign = np.linalg.det(u) * np.linalg.det(v)
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1.0, s[..., None, :]).prod(-1)  # the product of the other singular values
    return (sign[..., None, None] * kernels.matmul(u * others[..., None, :], v)).astype(x.dtype, copy=False)


@batched(matrices)
@op(A=lambda g, A: _per_matrix(g) * cofactor(A))
def det(A: Array) -> Array:
    """Determinant of square matrices (..., n, n): ``torch.linalg.det``. Singular matrices have a first gradient, but no second one."""
    require_square("det", A)
    with one_blas_thread:
        return quiet().run(np.linalg.det, A)


def _slogdet_x(g, x, out_1):
    if not np.isneginf(numbers_of(out_1)).any():
        return _per_matrix(g[1]) * matrix_transpose(inv(x))
    # a singular matrix has no inverse: cofactors / 0, infinite where the determinant would leave 0, NaN where it would not
    return _per_matrix(g[1]) * ew.div(cofactor(x), _per_matrix(det(x)))


@batched(matrices)
@op(x=_slogdet_x)
def _slogdet(x: Array) -> Array:
    require_square("slogdet", x)
    with one_blas_thread:
        return tuple(quiet().run(np.linalg.slogdet, x))


def slogdet(A: Tensor) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant, a named tuple: ``torch.linalg.slogdet``. It avoids the overflow of det.

    >>> import minigrad as mg
    >>> mg.linalg.slogdet(mg.tensor([[0.0, 2.0], [1.0, 0.0]])).logabsdet
    tensor(0.6931)
    """
    return _SLOGDET(*_slogdet(A))


def logdet(input: Tensor) -> Tensor:
    """Logarithm of the determinant, NaN where a real one is negative: ``torch.logdet``."""
    sign, logabsdet = slogdet(input)
    if isinstance(sign, Shell):
        return sign.log() + logabsdet
    return ew.where(ew.lt(sign, 0), math.nan, logabsdet)


def _cholesky_x(g, out):
    # S = L^-T phi(L^T g) L^-1 made symmetric, where phi takes the lower triangle and half the diagonal
    n = out.shape[-1]
    phi = np.tril(np.ones((n, n), out.dtype)) - 0.5 * np.eye(n, dtype=out.dtype)
    transposed = matrix_transpose(out)
    s = _solve(transposed, matmul(transposed, g) * phi)
    s = matrix_transpose(_solve(transposed, matrix_transpose(s)))
    return 0.5 * (s + matrix_transpose(s))


@batched(matrices)
@op(input=_cholesky_x)
def _cholesky(input: Array) -> Array:
    require_square("cholesky", input)
    with one_blas_thread:
        return np.linalg.cholesky(input)


@known_as("LinalgCholeskyExBackward0")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The lower triangular L with ``L @ L.mT == input``, for symmetric positive definite x (..., n, n): ``torch.linalg.cholesky``.

    With ``upper``, ``L.mT`` instead. Only the lower triangle of ``input`` is read (the upper one with ``upper``), and the gradient is symmetric.
    Raises ``LinAlgError`` if ``input`` is not positive definite.

    >>> import minigrad as mg
    >>> mg.linalg.cholesky(mg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    if not upper:
        return _cholesky(input)
    require_square("cholesky", input)
    return matrix_transpose(_cholesky(matrix_transpose(input)))


# ------------------------------------------------------------------------------------------- triangular matrices


def _substitute(a: np.ndarray, x: np.ndarray, upper: bool, unit: bool) -> None:
    """Solve ``a @ y == x`` in the memory of ``x``, half by half: nearly all of the work is in matrix products."""
    n = a.shape[-1]
    if n < 2:
        if n and not unit:
            x /= a
        return
    first, last = slice(0, n // 2), slice(n // 2, n)
    if upper:
        first, last = last, first
    _substitute(a[..., first, first], x[..., first, :], upper, unit)
    x[..., last, :] -= kernels.matmul(a[..., last, first], x[..., first, :])
    _substitute(a[..., last, last], x[..., last, :], upper, unit)


def _solve_triangular_a(g, a, out, upper, unitriangular):
    gradient = -matmul(_solve_triangular(matrix_transpose(a), g, not upper, unitriangular), matrix_transpose(out))
    return triu(gradient, int(unitriangular)) if upper else tril(gradient, -int(unitriangular))


@linear_in("b")
@batched(matrices)
@op(a=_solve_triangular_a, b=lambda g, a, upper, unitriangular: _solve_triangular(matrix_transpose(a), g, not upper, unitriangular))
def _solve_triangular(a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
    try:
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])
    except ValueError:
        raise ShapeError(f"solve_triangular: the leading dimensions of A {a.shape} and B {b.shape} do not broadcast") from None
    x = np.array(np.broadcast_to(b, shape), np.result_type(a, b), order="C")
    with np.errstate(all="ignore"):  # a zero on the diagonal gives infinite elements, as in PyTorch
        _substitute(a, x, upper, unitriangular)
    return x


@known_as("LinalgSolveTriangularBackward0")
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """The solution X of ``A @ X == B`` for triangular A: ``torch.linalg.solve_triangular``.

    Args:
        A: (..., n, n). Only the triangle that ``upper`` names is read.
        B: (..., n, m), or (..., m, n) without ``left``. The leading dimensions broadcast.
        upper: whether A is upper triangular.
        left: False for ``X @ A == B``.
        unitriangular: take the diagonal of A as ones, whatever it holds.

    With X̄ the gradient of X, that of B is A⁻ᵀ X̄, and that of A the triangle of -A⁻ᵀ X̄ Xᵀ. A zero on the diagonal gives infinite elements
    and NaN. Raises ``ShapeError`` for sizes that do not fit, ``RuntimeError`` for dtypes other than float32 and float64.

    >>> import minigrad as mg
    >>> mg.linalg.solve_triangular(mg.tensor([[2.0, 0.0], [1.0, 1.0]]), mg.tensor([[2.0], [5.0]]), upper=False)
    tensor([[1.],
            [4.]])
    """
    check("solve_triangular", locals(), upper="True or False", left="True or False", unitriangular="True or False")
    for x in (A, B):
        require_matrices("solve_triangular", x)
    require_square("solve_triangular", A)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        rule = f"B needs {A.shape[-1]} {'rows' if left else 'columns'}"
        raise ShapeError(f"solve_triangular: A {tuple(A.shape)} and B {tuple(B.shape)} do not fit: {rule}")
    if left:
        return _solve_triangular(A, B, bool(upper), bool(unitriangular))
    return matrix_transpose(_solve_triangular(matrix_transpose(A), matrix_transpose(B), not upper, bool(unitriangular)))


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> TriangularSolveResult:
    """:func:`solve_triangular` under its older name, with b first: ``torch.triangular_solve``. Returns the solution and A.

    ``transpose``: solve with the transpose of A.
    """
    check("triangular_solve", locals(), upper="True or False", transpose="True or False", unitriangular="True or False")
    matrix, above = (matrix_transpose(A), not upper) if transpose else (A, upper)
    return _TRIANGULAR_SOLVE(solve_triangular(matrix, b, upper=above, unitriangular=unitriangular), A)


@known_as("CholeskySolveBackward0")
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """The solution X of ``L @ L.mT @ X == input`` with Cholesky's factor L: ``torch.cholesky_solve``.

    Args:
        input: the right-hand side, (..., n, m). The leading dimensions broadcast.
        input2: L, (..., n, n), lower triangular; or with ``upper`` the upper triangular U of ``U.mT @ U``.

    Raises ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> a = mg.tensor([[4.0, 2.0], [2.0, 5.0]])
    >>> mg.cholesky_solve(a @ mg.ones(2, 1), mg.linalg.cholesky(a))
    tensor([[1.],
            [1.]])
    """
    check("cholesky_solve", locals(), upper="True or False")
    lower = _COMPLEX.adjoint(input2) if upper else input2
    return solve_triangular(_COMPLEX.adjoint(lower), solve_triangular(lower, input, upper=False), upper=True)


@known_as("CholeskyInverseBackward0")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of ``L @ L.mT`` from Cholesky's factor L (..., n, n): ``torch.cholesky_inverse``. With ``upper``, of ``U.mT @ U``.

    >>> import minigrad as mg
    >>> mg.cholesky_inverse(mg.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([[0.2500, 0.0000],
            [0.0000, 1.0000]])
    """
    check("cholesky_inverse", locals(), upper="True or False")
    require_square("cholesky_inverse", input)
    return cholesky_solve(alike(input, np.eye(input.shape[-1], dtype=input.dtype)), input, upper)


# ------------------------------------------------------------------------------------------------------- L and U


def _swaps(pivots: Any, m: int, dtype: Any) -> Any:
    """:func:`_permutation` of a Tensor, or of an array."""
    return each_sample(lambda p: _permutation(p, m, dtype), array_of(pivots))


def _permutation(pivots: np.ndarray, m: int, dtype: Any) -> np.ndarray:
    """The matrices P (..., m, m) of the swaps of rows i and ``pivots[i] - 1``, one after the other."""
    *lead, k = pivots.shape
    swaps = pivots.reshape(math.prod(lead), k) - 1
    order = np.tile(np.arange(m), (len(swaps), 1))
    each = np.arange(len(swaps))
    for i in range(k):
        order[each, i], order[each, swaps[:, i]] = order[each, swaps[:, i]], order[each, i]
    p = np.zeros((len(swaps), m, m), real_dtype(dtype))
    p[each[:, None], order, np.arange(m)] = 1
    return p.reshape(*lead, m, m)


def _triangles(packed: Any) -> tuple[Any, Any]:
    """L (..., m, k), with ones on its diagonal, and U (..., k, n) from the one matrix (..., m, n) that holds both."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    return tril(packed[..., :k], -1) + np.eye(m, k, dtype=packed.dtype), triu(packed[..., :k, :])


def lu_input(g: Any, packed: Any, pivots: Any, adjoint: Any = matrix_transpose) -> Any:
    """The gradient of real matrices, and with ``adjoint`` of complex ones, whose L and U are ``packed``; ``g`` is that of these."""
    # For square A = P L U (Giles 2008 has the method):  dA = P (dL U + L dU), so with F = L^-1 P^T dA U^-1 the part of F below
    # the diagonal is L^-1 dL, and the rest is dU U^-1. Rows of L, or columns of U, beyond the square are triangular solutions.
    m, n = packed.shape[-2:]
    k = min(m, n)
    lower, upper = _triangles(packed)
    square_l, square_u = adjoint(lower[..., :k, :]), adjoint(upper[..., :k])
    gl, gu = tril(g[..., :k], -1), triu(g[..., :k, :])
    gl, below = gl[..., :k, :], gl[..., k:, :]
    gu, beside = gu[..., :k], gu[..., k:]
    if m > n:
        below = solve_triangular(square_u, below, upper=False, left=False)
        gu = gu - matmul(adjoint(lower[..., k:, :]), below)
    if n > m:
        beside = solve_triangular(square_l, beside, upper=True, unitriangular=True)
        gl = gl - matmul(beside, adjoint(upper[..., k:]))
    f = tril(matmul(square_l, gl), -1) + triu(matmul(gu, square_u))
    f = solve_triangular(square_u, solve_triangular(square_l, f, upper=True, unitriangular=True), upper=False, left=False)
    whole = cat((f, below), -2) if m > n else cat((f, beside), -1)
    return matmul(_swaps(pivots, m, packed.dtype), whole)


@batched(matrices)
@op(input=lambda g, out: lu_input(g[0], *out))
def _lu(input: Array, pivot: bool) -> Array:
    return eliminated(input, pivot)


def eliminated(input: np.ndarray, pivot: bool) -> tuple[np.ndarray, np.ndarray]:
    """L and U in one array, and the pivots, of real or complex matrices (..., m, n)."""
    *lead, m, n = input.shape
    a = np.array(input, order="C").reshape(math.prod(lead), m, n)
    each, k = np.arange(len(a)), min(m, n)
    pivots = np.tile(np.arange(1, k + 1, dtype=np.int32), (len(a), 1))
    for i in range(k):
        if pivot:
            column = a[:, i:, i]
            size = np.abs(column.real) + np.abs(column.imag) if a.dtype.kind == "c" else np.abs(column)  # as LAPACK compares them
            best = i + size.argmax(1)
            pivots[:, i] = best + 1
            a[each, i], a[each, best] = a[each, best], a[each, i]
        column, divisor = a[:, i + 1 :, i], a[:, i, i, None]
        np.divide(column, divisor, out=column, where=divisor != 0)  # below a zero there are only zeros, if rows were exchanged
        a[:, i + 1 :, i + 1 :] -= column[:, :, None] * a[:, i, None, i + 1 :]
    return a.reshape(*lead, m, n), pivots.reshape(*lead, k)


def values_of(x: Any) -> np.ndarray:
    """The numbers of a Tensor, or of a complex pair."""
    return _COMPLEX.numbers(numbers_of(x.pair)) if hasattr(x, "pair") else numbers_of(x)


def lu_factor(A: Tensor, *, pivot: bool = True) -> LUFactor:
    """L and U of ``A == P @ L @ U`` in one matrix, and the exchanges of rows that make P: ``torch.linalg.lu_factor``.

    Args:
        A: (..., m, n).
        pivot: exchange rows so that the largest element divides. Without it P is the identity.

    Returns ``(LU, pivots)``: (..., m, n), with U in the upper triangle and L, without its diagonal of ones, below; and int32 (..., k),
    k = min(m, n): in step i the rows i and ``pivots[i] - 1`` were exchanged. :func:`lu_solve` and :func:`lu_unpack` take both.

    Raises ``LinAlgError`` if U has a zero on its diagonal: the matrix is singular. :func:`lu` accepts it.

    >>> import minigrad as mg
    >>> a = mg.tensor([[1.0, 2.0], [4.0, 4.0]])
    >>> factor, pivots = mg.linalg.lu_factor(a)
    >>> factor
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    >>> pivots.tolist()
    [2, 2]
    """
    require_matrices("lu_factor", A)
    found = _LU_FACTOR(*_lu(A, bool(pivot)))
    zeros = (np.diagonal(values_of(found.LU), 0, -2, -1) == 0).nonzero()
    if zeros[-1].size:
        where = f"U[{zeros[-1][0]}, {zeros[-1][0]}]{' of matrix ' * (len(zeros) > 1)}{', '.join([str(z[0]) for z in zeros[:-1]])}"
        raise LinAlgError(f"lu_factor: {where} is zero, so no equation can be solved with it; linalg.lu accepts that")
    return found


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> LU:
    """P, L and U from what :func:`lu_factor` returned: ``torch.lu_unpack``. Empty tensors for what is not asked for."""
    empty = np.empty(0, LU_data.dtype)
    p = _swaps(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else empty
    lower, upper = _triangles(LU_data) if unpack_data else (alike(LU_data, empty), alike(LU_data, empty))
    return _LU_UNPACK(_COMPLEX.as_pair("lu", alike(LU_data, p)) if hasattr(LU_data, "pair") else alike(LU_data, p), lower, upper)


@known_as("LinalgLuBackward0")
def lu(A: Tensor, *, pivot: bool = True) -> LU:
    """P, L and U with ``A == P @ L @ U``: ``torch.linalg.lu``.

    Args:
        A: (..., m, n).
        pivot: exchange rows so that the largest element divides. Without it, P is the identity.

    Returns a permutation matrix P (..., m, m); L (..., m, k), lower triangular with ones on the diagonal; and U (..., k, n), upper
    triangular; k = min(m, n). A has a gradient where its first k columns (rows, for m > n) are invertible: for square A

        Ā = P L⁻ᵀ (strictly lower part of Lᵀ L̄ + upper part of Ū Uᵀ) U⁻ᵀ.

    >>> import minigrad as mg
    >>> p, l, u = mg.linalg.lu(mg.tensor([[1.0, 2.0], [4.0, 4.0]]))
    >>> p @ l @ u
    tensor([[1., 2.],
            [4., 4.]])
    """
    require_matrices("lu", A)
    return _LU(*lu_unpack(*_lu(A, bool(pivot))))


@known_as("LinalgLuSolveBackward0")
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """The solution X of ``A @ X == B`` with what :func:`lu_factor` returned for A: ``torch.linalg.lu_solve``.

    Args:
        LU, pivots: of square matrices, (..., n, n) and (..., n).
        B: (..., n, m), or (..., m, n) without ``left``. The leading dimensions broadcast.
        left: False for ``X @ A == B``.
        adjoint: solve with the transpose of A, conjugated if it is complex.

    Raises ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> factor, pivots = mg.linalg.lu_factor(mg.tensor([[2.0, 0.0], [1.0, 1.0]]))
    >>> mg.linalg.lu_solve(factor, pivots, mg.tensor([[2.0], [5.0]]))
    tensor([[1.],
            [4.]])
    """
    require_square("lu_solve", LU)
    if not left:
        return _COMPLEX.adjoint(lu_solve(LU, pivots, _COMPLEX.adjoint(B), adjoint=not adjoint))
    if len(B.shape) < 2 or B.shape[-2] != LU.shape[-1]:
        raise ShapeError(f"lu_solve: LU {tuple(LU.shape)} and B {tuple(B.shape)} do not fit: B needs {LU.shape[-1]} rows")
    p = _swaps(pivots, LU.shape[-1], LU.dtype)
    if adjoint:
        transposed = _COMPLEX.adjoint(LU)
        x = solve_triangular(transposed, solve_triangular(transposed, B, upper=False), upper=True, unitriangular=True)
        return matmul(p, x)
    x = solve_triangular(LU, matmul(matrix_transpose(p), B), upper=False, unitriangular=True)
    return solve_triangular(LU, x, upper=True)


def old_lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> tuple[Tensor, ...]:
    """:func:`lu_factor` under its older name: ``torch.lu``. It accepts singular matrices.

    ``get_infos``: return a third result, int32 (...): 0, or the number, counted from 1, of the first zero on the diagonal of U.
    """
    require_matrices("lu", A)
    found = LUFactor(*_lu(A, bool(pivot)))
    if not get_infos:
        return found
    zero = np.diagonal(values_of(found.LU), 0, -2, -1) == 0
    first = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if zero.shape[-1] else np.zeros(zero.shape[:-1])
    return (*found, alike(A, np.asarray(first, np.int32)))


def old_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """:func:`lu_solve` with b first: ``torch.lu_solve``."""
    return lu_solve(LU_data, LU_pivots, b)


# -------------------------------------------------------------------------------- equations of tensors, by reshaping


def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the linear map that :func:`tensordot` makes of A: ``torch.linalg.tensorinv``.

    A has ``ind`` first dimensions, whose sizes have the same product as those of the rest; the result has the rest first.
    Raises ``ShapeError`` if they do not.
    """
    rows, columns = tuple(A.shape[: whole("tensorinv", "ind", ind, 1)]), tuple(A.shape[ind:])
    if math.prod(rows) != math.prod(columns):
        raise ShapeError(f"tensorinv: the first {ind} and the other sizes of {tuple(A.shape)} must have the same product")
    return reshape(inv(reshape(A, (math.prod(rows), math.prod(columns)))), columns + rows)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """The solution X of ``tensordot(A, X, X.ndim) == B``: ``torch.linalg.tensorsolve``.

    ``dims`` are moved to the end of A before. The first dimensions of A, as many as B has, and the others have as many elements as B;
    else ``ShapeError`` is raised.
    """
    if dims is not None:
        last = [d % len(A.shape) for d in dims]
        A = permute(A, tuple([d for d in range(len(A.shape)) if d not in last] + last))
    known, unknown = A.shape[: len(B.shape)], tuple(A.shape[len(B.shape) :])
    if not math.prod(known) == math.prod(unknown) == math.prod(B.shape):
        raise ShapeError(f"tensorsolve: the sizes of A must be {tuple(known)} and {unknown}, with one product, that of B {tuple(B.shape)}")
    n = math.prod(unknown)
    return reshape(solve(reshape(A, (n, n)), reshape(B, (n,))), unknown)


public(__name__)
