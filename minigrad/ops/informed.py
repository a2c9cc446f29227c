"""Linear algebra that says which matrices failed, and does not raise: ``torch.linalg.cholesky_ex`` and its like.

Each returns its results and ``info``, int32, a number for each matrix: 0, or where its elimination stopped, counted from 1. The result of a matrix
that failed is NaN, and without a gradient; those of the others in the batch are right. With ``check_errors`` the functions raise ``LinAlgError``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import LinAlgError, public
from minigrad.ops import elementwise as ew
from minigrad.ops import equations
from minigrad.ops.arguments import check
from minigrad.ops.batching import sample_by_sample
from minigrad.ops.complex_pair import adjoint
from minigrad.ops.results import returned_by
from minigrad.tree import numbers_of
from minigrad.types import Tensor


class CholeskyEx(NamedTuple):
    """The result of :func:`cholesky_ex`."""

    L: Any
    info: Any


class InverseEx(NamedTuple):
    """The result of :func:`inv_ex`."""

    inverse: Any
    info: Any


class SolutionEx(NamedTuple):
    """The result of :func:`solve_ex`."""

    result: Any
    info: Any


class LUFactorEx(NamedTuple):
    """The result of :func:`lu_factor_ex`."""

    LU: Any
    pivots: Any
    info: Any


_CholeskyEx, _InverseEx = returned_by("linalg_cholesky_ex", CholeskyEx), returned_by("linalg_inv_ex", InverseEx)
_SolutionEx, _LUFactorEx = returned_by("linalg_solve_ex", SolutionEx), returned_by("linalg_lu_factor_ex", LUFactorEx)


def _first_minor(a: np.ndarray) -> int:
    """The size of the first leading minor that is not positive; 0 if all are."""
    factor = np.zeros_like(a)
    with np.errstate(all="ignore"):
        for j in range(len(a)):
            column = a[j:, j] - factor[j:, :j] @ factor[j, :j].conj()
            if not column[0].real > 0:
                return j + 1
            factor[j:, j] = column / np.sqrt(column[0].real)
    return 0


def _first_zero(a: np.ndarray) -> int:
    """The place, from 1, of the first pivot that is zero."""
    packed, _ = equations.eliminated(a[None], True)
    zero = np.diagonal(packed[0]) == 0
    return int(zero.argmax()) + 1 if zero.any() else 0


def _stops(a: np.ndarray, attempt: Callable[[np.ndarray], Any], first: Callable[[np.ndarray], int]) -> np.ndarray:
    """``info`` of matrices (..., n, n): where ``attempt`` raises, what ``first`` says."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        attempt(a)
    except np.linalg.LinAlgError:
        for place in np.ndindex(info.shape):
            try:
                attempt(a[place])
            except np.linalg.LinAlgError:
                info[place] = first(a[place]) or a.shape[-1]
    return info


def _told(name: str, info: np.ndarray, check_errors: bool) -> np.ndarray:
    """Which matrices failed. Raises for them with ``check_errors``."""
    if check_errors and info.any():
        place = np.argwhere(info)[0]
        which = f"matrix {tuple(map(int, place))}" if len(place) else "the matrix"
        raise LinAlgError(f"{name}: {which} has no result: its elimination stops at row {int(info[tuple(place)])}, counted from 1")
    return info != 0


def _safe(x: Any, failed: np.ndarray) -> Any:
    """``x`` with the unit matrix in the place of those that failed."""
    return ew.where(failed[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x) if failed.any() else x


def _spoilt(x: Any, failed: np.ndarray) -> Any:
    """``x`` with NaN for those that failed."""
    return ew.where(np.broadcast_to(failed[..., None, None], (*failed.shape, 1, 1)), np.nan, x) if failed.any() else x


@sample_by_sample()
def cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False) -> CholeskyEx:
    """:func:`~minigrad.ops.equations.cholesky` and ``info``: ``torch.linalg.cholesky_ex``.

    Args:
        input: (..., n, n).
        upper: return the upper factor, from the upper triangle.
        check_errors: raise ``LinAlgError`` as ``cholesky`` does.

    Returns ``(L, info)``; info (...) is 0, or the size of the first leading minor that is not positive.

    >>> import minigrad as mg
    >>> mg.linalg.cholesky_ex(mg.tensor([[[4.0]], [[-1.0]]]))
    torch.return_types.linalg_cholesky_ex(
    L=tensor([[[2.]],
    <BLANKLINE>
            [[nan]]]),
    info=tensor([0, 1], dtype=torch.int32))
    """
    check("cholesky_ex", locals(), upper="True or False", check_errors="True or False")
    equations.require_square("cholesky_ex", input)
    lower = adjoint(input) if upper else input
    info = _stops(equations.values_of(lower), np.linalg.cholesky, lambda a: _first_minor(np.tril(a)))
    failed = _told("cholesky_ex", info, check_errors)
    factor = _spoilt(equations.cholesky(_safe(lower, failed)), failed)
    return _CholeskyEx(adjoint(factor) if upper else factor, equations.alike(input, info))


@sample_by_sample()
def inv_ex(A: Tensor, *, check_errors: bool = False) -> InverseEx:
    """:func:`~minigrad.ops.equations.inv` and ``info``: ``torch.linalg.inv_ex``.

    Args:
        A: (..., n, n).
        check_errors: raise ``LinAlgError`` as ``inv`` does.

    Returns ``(inverse, info)``; info (...) is 0, or the place of the first pivot that is zero.

    >>> import minigrad as mg
    >>> mg.linalg.inv_ex(mg.tensor([[[4.0]], [[0.0]]])).info
    tensor([0, 1], dtype=torch.int32)
    """
    check("inv_ex", locals(), check_errors="True or False")
    equations.require_square("inv_ex", A)
    info = _stops(equations.values_of(A), np.linalg.inv, _first_zero)
    failed = _told("inv_ex", info, check_errors)
    return _InverseEx(_spoilt(equations.inv(_safe(A, failed)), failed), equations.alike(A, info))


@sample_by_sample()
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> SolutionEx:
    """:func:`~minigrad.ops.equations.solve` and ``info``: ``torch.linalg.solve_ex``.

    Args:
        A: (..., n, n).
        B: as in ``solve``.
        left: False for ``X @ A == B``.
        check_errors: raise ``LinAlgError`` as ``solve`` does.

    Returns ``(result, info)``; info (...), of the matrices A, is 0, or the place of the first pivot that is zero.

    >>> import minigrad as mg
    >>> mg.linalg.solve_ex(mg.tensor([[0.0]]), mg.tensor([1.0])).result
    tensor([nan])
    """
    check("solve_ex", locals(), left="True or False", check_errors="True or False")
    equations.require_square("solve_ex", A)
    info = _stops(equations.values_of(A), np.linalg.inv, _first_zero)
    failed = _told("solve_ex", info, check_errors)
    x = equations.solve(_safe(A, failed), B, left=left)
    if failed.any():
        columns = x.ndim - failed.ndim
        x = ew.where(failed.reshape(*failed.shape, *[1] * columns), np.nan, x)
    return _SolutionEx(x, equations.alike(A, info))


@sample_by_sample()
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> LUFactorEx:
    """:func:`~minigrad.ops.equations.lu_factor` and ``info``: ``torch.linalg.lu_factor_ex``. Singular matrices have a factor too, with a zero in U.

    Args:
        A: (..., m, n).
        pivot: exchange rows so that the largest element divides.
        check_errors: raise ``LinAlgError`` as ``lu_factor`` does.

    Returns ``(LU, pivots, info)``; info (...) is 0, or the place of the first zero on the diagonal of U.

    >>> import minigrad as mg
    >>> mg.linalg.lu_factor_ex(mg.tensor([[1.0, 2.0], [2.0, 4.0]])).info
    tensor(2, dtype=torch.int32)
    """
    check("lu_factor_ex", locals(), pivot="True or False", check_errors="True or False")
    equations.require_matrices("lu_factor_ex", A)
    found = equations.old_lu(A, bool(pivot), True)
    _told("lu_factor_ex", numbers_of(found[2]), check_errors)
    return _LUFactorEx(*found)


public(__name__)
