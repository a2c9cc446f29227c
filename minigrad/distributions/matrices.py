"""Distributions of matrices: covariances, and the factors of correlations."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from minigrad.creation import randn
from minigrad.distributions import constraints
from minigrad.distributions.distribution import Distribution, floating
from minigrad.distributions.gamma import Beta, Chi2
from minigrad.distributions.multivariate import OfCovariance, half_log_det, only_matrix
from minigrad.engine import ShapeError
from minigrad.ops.arguments import whole
from minigrad.ops.elementwise import where
from minigrad.ops.equations import cholesky_solve, slogdet
from minigrad.ops.linalg import matmul
from minigrad.ops.shape import broadcast_shapes, diag_embed, diagonal, tril
from minigrad.ops.special import digamma, multigammaln
from minigrad.types import Operand, Size, Tensor


def _per_matrix(x: Any) -> Any:
    return x.reshape((*x.shape, 1, 1))


class Wishart(OfCovariance):
    """The covariance of ``df`` normally distributed vectors, times ``df``: ``torch.distributions.Wishart``.

    Args:
        df: degrees of freedom, above n - 1; a number or (...).
        covariance_matrix, precision_matrix, scale_tril: one of the three, (..., n, n): the covariance of the vectors, its inverse, or its factor.
        validate_args: see :class:`Distribution`.

    Draws are by the decomposition of Bartlett (1933): the factor of one is lower triangular with roots of chi-squared numbers on its diagonal and
    normal ones below. Raises ``ValueError`` unless exactly one matrix is given, and for ``df`` that is too small; ``ShapeError`` for shapes that
    do not fit.

    >>> import minigrad as mg
    >>> from minigrad.distributions import Wishart
    >>> p = Wishart(3.0, mg.eye(2))
    >>> p.log_prob(mg.eye(2)), p.mean
    (tensor(-3.5310), tensor([[3., 0.],
            [0., 3.]]))
    """

    has_rsample = True
    parameters = {"df": 0, "scale_tril": 2, "covariance_matrix": 2, "precision_matrix": 2}
    support = constraints.positive_definite

    def __init__(
        self,
        df: Operand,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        what, matrix = only_matrix("Wishart", covariance_matrix, precision_matrix, scale_tril)
        freedom, matrix = floating("Wishart", df=df, **{what: matrix})
        if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
            raise ShapeError(f"Wishart: {what} (..., n, n) is needed, not {tuple(matrix.shape)}")
        batch, n = broadcast_shapes(matrix.shape[:-2], freedom.shape), matrix.shape[-1]
        self.df = freedom.expand(batch)
        self.__dict__[what] = matrix.expand((*batch, n, n))
        super().__init__(batch, (n, n), validate_args)
        self._require("df", self.df, constraints.greater_than(n - 1))

    @property
    def mean(self) -> Tensor:
        """df covariance"""
        return _per_matrix(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - n - 1) covariance, NaN where that is not positive."""
        factor = self.df - self.event_shape[0] - 1
        return _per_matrix(where(factor > 0, factor, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """df (Vᵢⱼ² + Vᵢᵢ Vⱼⱼ) with the covariance V"""
        own = diagonal(self.covariance_matrix, dim1=-2, dim2=-1)
        return _per_matrix(self.df) * (self.covariance_matrix.square() + own.unsqueeze(-1) * own.unsqueeze(-2))

    def rsample(self, sample_shape: Size = ()) -> Tensor:
        """F Fᵀ with F = scale_tril times a lower triangle of random numbers."""
        n = self.event_shape[0]
        roots = Chi2(self.df.unsqueeze(-1) - np.arange(n, dtype=self.df.dtype), validate_args=False).rsample(sample_shape).sqrt()
        below = tril(randn(self._extended_shape(sample_shape), dtype=self.df.dtype), -1)
        factor = matmul(self.scale_tril, below + diag_embed(roots))
        return matmul(factor, factor.mT)

    def log_prob(self, value: Tensor) -> Tensor:
        """((df - n - 1) log(det(x)) - trace(V⁻¹ x) - df (n log(2) + log(det(V)))) / 2 - log(gamma_n(df / 2))"""
        value, n = self._checked(value), self.event_shape[0]
        trace = diagonal(cholesky_solve(value, self.scale_tril), dim1=-2, dim2=-1).sum(-1)
        norm = self.df * (0.5 * n * math.log(2) + half_log_det(self.scale_tril)) + multigammaln(0.5 * self.df, n)
        return 0.5 * (self.df - n - 1) * slogdet(value).logabsdet - 0.5 * trace - norm

    def entropy(self) -> Tensor:
        """(n + 1) (n log(2) + log(det(V))) / 2 + log(gamma_n(df / 2)) - (df - n - 1) psi_n(df / 2) / 2 + df n / 2"""
        half, n = 0.5 * self.df, self.event_shape[0]
        slope = digamma(half.unsqueeze(-1) - 0.5 * np.arange(n, dtype=self.df.dtype)).sum(-1)
        scale = 0.5 * n * math.log(2) + half_log_det(self.scale_tril)
        return (n + 1) * scale + multigammaln(half, n) - (half - 0.5 * (n + 1)) * slope + half * n


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices, whose density is det(L Lᵀ) ** (concentration - 1): ``torch.distributions.LKJCholesky``.

    D. Lewandowski, D. Kurowicka and H. Joe, *Generating random correlation matrices based on vines and extended onion method* (2009), have the
    density and the draws, row by row: a direction that is uniform on the sphere, times the root of a number with a beta distribution.

    Args:
        dim: the size of the matrices, from 2.
        concentration: positive; 1 makes all correlation matrices as probable. A number or (...).
        validate_args: see :class:`Distribution`.

    Draws have no gradient. (PyTorch's have another distribution from the third row on: the square of the length of k elements has the first
    concentration k - 1/2 there, and k / 2 here, which is that of the density.) Raises ``ShapeError`` for a ``dim`` below 2, ``TypeError`` for one that is no whole number.

    >>> import minigrad as mg
    >>> from minigrad.distributions import LKJCholesky
    >>> p = LKJCholesky(2, 1.0)
    >>> p.log_prob(mg.eye(2)), p.sample((5,)).shape
    (tensor(-0.6931), torch.Size([5, 2, 2]))
    """

    parameters = {"concentration": 0}
    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Operand = 1.0, validate_args: bool | None = None):
        self.dim = whole("LKJCholesky", "dim", dim, 2)
        (self.concentration,) = floating("LKJCholesky", concentration=concentration)
        super().__init__(self.concentration.shape, (self.dim, self.dim), validate_args)

    def expand(self, batch_shape: Size) -> Self:
        """See :meth:`Distribution.expand`."""
        new = super().expand(batch_shape)
        new.dim = self.dim
        return new

    def sample(self, sample_shape: Size = ()) -> Tensor:
        """Draws by the onion method: rows of length 1."""
        dtype = self.concentration.dtype
        row = np.maximum(np.arange(self.dim, dtype=dtype), 1)  # of the first row, 0, nothing is drawn
        concentration = self.concentration.detach().unsqueeze(-1) + 0.5 * (self.dim - 1 - row)
        length = Beta(0.5 * row, concentration, validate_args=False).sample(sample_shape).unsqueeze(-1)
        w = tril(randn(self._extended_shape(sample_shape), dtype=dtype), -1)
        norm = w.square().sum(-1, keepdim=True).sqrt()
        w = length.sqrt() * w / where(norm == 0, 1.0, norm)
        rest = (1.0 - w.square().sum(-1)).clamp(min=float(np.finfo(dtype).tiny)).sqrt()
        return w + diag_embed(rest)

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum of (2 (concentration - 1) + dim - i) log(Lᵢᵢ), i from 2, minus the logarithm of the integral"""
        logs = diagonal(self._checked(value), dim1=-2, dim2=-1)[..., 1:].log()
        order = 2.0 * (self.concentration - 1.0).unsqueeze(-1) + (self.dim - np.arange(2, self.dim + 1)).astype(self.concentration.dtype)
        n = self.dim - 1
        alpha = self.concentration + 0.5 * n
        integral = 0.5 * n * math.log(math.pi) + multigammaln(alpha - 0.5, n) - n * alpha.lgamma()
        return (order * logs).sum(-1) - integral
