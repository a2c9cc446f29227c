"""The normal distribution of vectors."""

from __future__ import annotations

import functools
from typing import Any

from minigrad.creation import randn
from minigrad.distributions import constraints
from minigrad.distributions.distribution import LOG_ROOT_TAU, Distribution, floating
from minigrad.engine import ShapeError
from minigrad.ops.linalg import cholesky, inv, matmul, solve
from minigrad.ops.shape import broadcast_shapes, diagonal, tril
from minigrad.types import Size, Tensor


def mahalanobis(scale_tril: Any, difference: Any) -> Any:
    """The squared length of the solution x of ``scale_tril @ x = difference``, vectors in the last dimension. What is above the diagonal is 0."""
    shape = broadcast_shapes(scale_tril.shape[:-2], difference.shape[:-1])
    n = scale_tril.shape[-1]
    return solve(tril(scale_tril).expand((*shape, n, n)), difference.expand((*shape, n)).unsqueeze(-1)).square().sum((-2, -1))


def half_log_det(scale_tril: Any) -> Any:
    """Half of the logarithm of the determinant of ``scale_tril @ scale_tril.mT``."""
    return diagonal(scale_tril, dim1=-2, dim2=-1).log().sum(-1)


class MultivariateNormal(Distribution):
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
    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
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
        matrices = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril}
        given = {what: matrix for what, matrix in matrices.items() if matrix is not None}
        if len(given) != 1:
            raise ValueError(f"{name}: exactly one of covariance_matrix, precision_matrix and scale_tril must be given, not {len(given)}")
        ((what, matrix),) = given.items()
        loc, matrix = floating(name, loc=loc, **{what: matrix})
        if loc.ndim < 1 or matrix.ndim < 2 or matrix.shape[-2:] != (loc.shape[-1],) * 2:
            raise ShapeError(f"{name}: loc (..., n) and {what} (..., n, n) are needed, not {tuple(loc.shape)} and {tuple(matrix.shape)}")
        batch, n = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]), loc.shape[-1]
        self.loc = loc.expand((*batch, n))
        self.__dict__[what] = matrix.expand((*batch, n, n))
        super().__init__(batch, (n,), validate_args)

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
        drawn = randn(self._extended(sample_shape), dtype=self.loc.dtype)
        return self.loc + matmul(self.scale_tril, drawn.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """``-(|scale_tril⁻¹ (x - loc)|² + n log(2 pi)) / 2 - log(det(scale_tril))``"""
        difference = self._checked(value) - self.loc
        return -0.5 * mahalanobis(self.scale_tril, difference) - half_log_det(self.scale_tril) - self.event_shape[0] * LOG_ROOT_TAU

    def entropy(self) -> Tensor:
        """n (1 + log(2 pi)) / 2 + log(det(scale_tril))"""
        return half_log_det(self.scale_tril).expand(self.batch_shape) + self.event_shape[0] * (0.5 + LOG_ROOT_TAU)
