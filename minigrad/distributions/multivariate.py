"""The normal distribution of vectors."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.creation import randn
from minigrad.distributions import constraints
from minigrad.distributions.distribution import LOG_ROOT_TAU, Distribution, floating
from minigrad.engine import ShapeError
from minigrad.ops.linalg import cholesky, inv, matmul, solve, solve_triangular
from minigrad.ops.shape import broadcast_shapes, diag_embed, diagonal, tril
from minigrad.types import Size, Tensor


def mahalanobis(scale_tril: Any, difference: Any) -> Any:
    """The squared length of the solution x of ``scale_tril @ x = difference``, vectors in the last dimension. What is above the diagonal is 0."""
    shape = broadcast_shapes(scale_tril.shape[:-2], difference.shape[:-1])
    n = scale_tril.shape[-1]
    return solve(tril(scale_tril).expand((*shape, n, n)), difference.expand((*shape, n)).unsqueeze(-1)).square().sum((-2, -1))


def half_log_det(scale_tril: Any) -> Any:
    """Half of the logarithm of the determinant of ``scale_tril @ scale_tril.mT``."""
    return diagonal(scale_tril, dim1=-2, dim2=-1).log().sum(-1)


def only_matrix(name: str, covariance_matrix: Any, precision_matrix: Any, scale_tril: Any) -> tuple[str, Any]:
    """The matrix that is given, and which one it is. Raises ``ValueError`` unless it is one."""
    matrices = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
    given = {what: matrix for what, matrix in matrices.items() if matrix is not None}
    if len(given) != 1:
        raise ValueError(f"{name}: exactly one of covariance_matrix, precision_matrix and scale_tril must be given, not {len(given)}")
    return next(iter(given.items()))


class OfCovariance(Distribution):
    """A distribution to which a covariance is given, as itself, its inverse or its factor; the others are computed when they are asked for."""

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }

    @functools.cached_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return cholesky(self.covariance_matrix)

    @functools.cached_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        if "scale_tril" in self.__dict__:
            return matmul(self.scale_tril, self.scale_tril.mT)
        return inv(self.precision_matrix)

    @functools.cached_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return inv(self.covariance_matrix)


class MultivariateNormal(OfCovariance):
    """Normally distributed vectors with a mean and a covariance: ``torch.distributions.MultivariateNormal``.

    Args:
        loc: (..., n).
        covariance_matrix, precision_matrix, scale_tril: one of the three, (..., n, n): the covariance, its inverse, or its Cholesky factor.
        validate_args: see :class:`Distribution`.

    Raises ``ValueError`` unless exactly one matrix is given, or if it is not what it must be; ``ShapeError`` for shapes that do not fit.

    >>> import minigrad as mg
    >>> from minigrad.distributions import MultivariateNormal
    >>> p = MultivariateNormal(mg.zeros(2), mg.tensor([[2.0, 1.0], [1.0, 2.0]]))
    >>> p.log_prob(mg.ones(2)), p.variance
    (tensor(-2.7205), tensor([2.0000, 2.0000]))
    """

    has_rsample = True
    parameters = {"loc": 1, "scale_tril": 2, "covariance_matrix": 2, "precision_matrix": 2}
    printed = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")
    arg_constraints = {"loc": constraints.real_vector} | OfCovariance.arg_constraints
    support = constraints.real_vector

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        name = "MultivariateNormal"
        what, matrix = only_matrix(name, covariance_matrix, precision_matrix, scale_tril)
        loc, matrix = floating(name, loc=loc, **{what: matrix})
        if loc.ndim < 1 or matrix.ndim < 2 or matrix.shape[-2:] != (loc.shape[-1],) * 2:
            raise ShapeError(f"{name}: loc (..., n) and {what} (..., n, n) are needed, not {tuple(loc.shape)} and {tuple(matrix.shape)}")
        batch, n = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]), loc.shape[-1]
        self.loc = loc.expand((*batch, n))
        self.__dict__[what] = matrix.expand((*batch, n, n))
        super().__init__(batch, (n,), validate_args)

    @property
    def mean(self) -> Tensor:
        """``loc``"""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return self.scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + scale_tril @ draws of the standard normal distribution"""
        drawn = randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + matmul(self.scale_tril, drawn.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """``-(|scale_tril⁻¹ (x - loc)|² + n log(2 pi)) / 2 - log(det(scale_tril))``"""
        difference = self._checked(value) - self.loc
        return -0.5 * mahalanobis(self.scale_tril, difference) - half_log_det(self.scale_tril) - self.event_shape[0] * LOG_ROOT_TAU

    def entropy(self) -> Tensor:
        """n (1 + log(2 pi)) / 2 + log(det(scale_tril))"""
        return half_log_det(self.scale_tril).expand(self.batch_shape) + self.event_shape[0] * (0.5 + LOG_ROOT_TAU)


class LowRankMultivariateNormal(Distribution):
    """Normally distributed vectors with the covariance W Wᵀ + diag(D), W of few columns: ``torch.distributions.LowRankMultivariateNormal``.

    Densities and draws need no matrix of n times n: inverse and determinant are those of the capacitance I + Wᵀ D⁻¹ W (Woodbury's identity).

    Args:
        loc: (..., n).
        cov_factor: W, (..., n, m).
        cov_diag: D, (..., n), positive.
        validate_args: see :class:`Distribution`.

    Raises ``ValueError`` if ``cov_diag`` is not positive, ``ShapeError`` for shapes that do not fit.

    >>> import minigrad as mg
    >>> from minigrad.distributions import LowRankMultivariateNormal
    >>> p = LowRankMultivariateNormal(mg.zeros(2), mg.ones(2, 1), mg.ones(2))
    >>> p.log_prob(mg.ones(2)), p.variance
    (tensor(-2.7205), tensor([2., 2.]))
    """

    has_rsample = True
    parameters = {"loc": 1, "cov_factor": 2, "cov_diag": 1}
    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None):
        name = "LowRankMultivariateNormal"
        loc, factor, diag = floating(name, loc=loc, cov_factor=cov_factor, cov_diag=cov_diag)
        if loc.ndim < 1 or factor.ndim < 2 or diag.ndim < 1 or not loc.shape[-1] == factor.shape[-2] == diag.shape[-1]:
            raise ShapeError(
                f"{name}: loc (..., n), cov_factor (..., n, m) and cov_diag (..., n) are needed, not {tuple(loc.shape)}, "
                f"{tuple(factor.shape)} and {tuple(diag.shape)}"
            )
        batch, n = broadcast_shapes(loc.shape[:-1], factor.shape[:-2], diag.shape[:-1]), loc.shape[-1]
        self.loc, self.cov_diag = loc.expand((*batch, n)), diag.expand((*batch, n))
        self.cov_factor = factor.expand((*batch, n, factor.shape[-1]))
        super().__init__(batch, (n,), validate_args)

    def _capacitance(self) -> Any:
        """The Cholesky factor of I + Wᵀ D⁻¹ W, and Wᵀ D⁻¹."""
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        return cholesky(matmul(scaled, self.cov_factor) + np.eye(scaled.shape[-2], dtype=scaled.dtype)), scaled

    @property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        root = self.cov_diag.sqrt().unsqueeze(-1)
        scaled = self.cov_factor / root
        return root * cholesky(matmul(scaled, scaled.mT) + np.eye(scaled.shape[-2], dtype=scaled.dtype))

    @property
    def covariance_matrix(self) -> Any:
        """W Wᵀ + diag(D)"""
        return matmul(self.cov_factor, self.cov_factor.mT) + diag_embed(self.cov_diag)

    @property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        factor, scaled = self._capacitance()
        a = solve_triangular(factor, scaled, upper=False)
        return diag_embed(self.cov_diag.reciprocal()) - matmul(a.mT, a)

    @property
    def mean(self) -> Tensor:
        """``loc``"""
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance."""
        return self.cov_factor.square().sum(-1) + self.cov_diag

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """loc + W e + sqrt(D) f, with draws e and f of the standard normal distribution"""
        shape = self._extended_shape(sample_shape)
        e = randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype)
        f = randn(shape, dtype=self.loc.dtype)
        return self.loc + matmul(self.cov_factor, e.unsqueeze(-1)).squeeze(-1) + self.cov_diag.sqrt() * f

    def _log_det(self, factor: Any) -> Any:
        return 2.0 * half_log_det(factor) + self.cov_diag.log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(n log(2 pi) + log(det(covariance)) + (x - loc)ᵀ covariance⁻¹ (x - loc)) / 2"""
        difference = self._checked(value) - self.loc
        factor, scaled = self._capacitance()
        inside = matmul(scaled, difference.unsqueeze(-1)).squeeze(-1)
        distance = (difference.square() / self.cov_diag).sum(-1) - mahalanobis(factor, inside)
        return -0.5 * (self._log_det(factor) + distance) - self.event_shape[0] * LOG_ROOT_TAU

    def entropy(self) -> Tensor:
        """n (1 + log(2 pi)) / 2 + log(det(covariance)) / 2"""
        return 0.5 * self._log_det(self._capacitance()[0]) + self.event_shape[0] * (0.5 + LOG_ROOT_TAU)
