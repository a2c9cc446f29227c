"""Weight and spectral normalisation as parametrisations, computed whenever the weight is read: ``torch.nn.utils.parametrizations``."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from minigrad.creation import randn
from minigrad.engine import entitled, no_grad
from minigrad.nn import functional as F
from minigrad.nn.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minigrad.nn.module import Module
from minigrad.nn.utils.parametrize import register_parametrization
from minigrad.ops import linalg
from minigrad.ops.arguments import check, positive_dim
from minigrad.ops.elementwise import trunc, where
from minigrad.ops.householder import geqrf
from minigrad.ops.products import dot, matmul, mv
from minigrad.ops.reduce import norm
from minigrad.ops.shape import cat, diagonal, permute, reshape, tril
from minigrad.tensor import Tensor

M = TypeVar("M", bound=Module)


def length_except(weight: Any, dim: int | None) -> Any:
    """The 2-norm over all dimensions but ``dim`` (kept, with size 1), or over all if that is None or -1."""
    if dim in (None, -1):
        return norm(weight)
    return norm(weight, 2.0, tuple(d for d in range(weight.ndim) if d != dim % weight.ndim), keepdim=True)


def as_matrix(weight: Any, dim: int) -> Any:
    """``weight`` as a matrix with ``dim`` as its rows and all other dimensions flattened."""
    front = weight if dim == 0 else permute(weight, (dim, *[d for d in range(weight.ndim) if d != dim]))
    return reshape(front, (front.shape[0], -1))


def default_dim(module: Module) -> int:
    """The dimension of a layer's outputs in its weight."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


def _check(kind: str, module: Any, name: Any, dim: Any) -> Tensor:
    """The parameter of that name. Raises for one that is not there, or has no dimension ``dim``."""
    check(kind, locals(), module=Module, name="a name")
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{kind}: {type(module).__name__} has no parameter '{name}'")
    if dim is not None:
        positive_dim(kind, dim, weight.ndim)
    return weight


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        weight = weight_v * (weight_g / length_except(weight_v, self.dim))
        return entitled(weight, "WeightNormInterfaceBackward0") if self.dim in (0, weight.ndim - 1) else weight

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return length_except(weight, self.dim), weight


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """A weight as a direction times a length (Salimans and Kingma 2016): ``torch.nn.utils.parametrizations.weight_norm``.

    Args:
        module: a module, which is changed and returned.
        name: the parameter. It becomes g v / norm(v), with g ``parametrizations.NAME.original0`` and v ``original1``.
        dim: the dimension with a separate length for each index; None for a single length.

    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    >>> layer.parametrizations.weight.original0.shape, layer.parametrizations.weight.original1.shape
    (torch.Size([4, 1]), torch.Size([4, 3]))
    """
    _check("weight_norm", module, name, dim)
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12):
        super().__init__()
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                self.register_buffer("_u", F.normalize(randn(matrix.shape[0], dtype=weight.dtype), dim=0, eps=eps))
                self.register_buffer("_v", F.normalize(randn(matrix.shape[1], dtype=weight.dtype), dim=0, eps=eps))
                self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u = F.normalize(mv(matrix, self._v), dim=0, eps=self.eps)
                self._v = F.normalize(mv(matrix.T, self._u), dim=0, eps=self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        return weight / dot(self._u, mv(matrix, self._v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # the value is not normalised here; PyTorch does the same


def spectral_norm(module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None) -> M:
    """A weight divided by its largest singular value (Miyato et al. 2018): ``torch.nn.utils.parametrizations.spectral_norm``.

    Args:
        module: a module, which is changed and returned.
        name: the parameter; its original is ``parametrizations.NAME.original``.
        n_power_iterations: steps of the power method for that value, at each reading in training.
        eps: the smallest number that vectors are divided by.
        dim: the dimension of the outputs: 1 for transposed convolutions, else 0.

    Raises ``ValueError`` if the module has no such parameter, ``IndexError`` for a ``dim`` out of range.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(20, 40))
    >>> bool(abs(mg.linalg.vector_norm(layer.weight @ layer.parametrizations.weight[0]._v) - 1) < 0.1)
    True
    """
    check("spectral_norm", locals(), n_power_iterations=1, eps="0 or above")
    weight = _check("spectral_norm", module, name, dim)
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    )


def _signs(x: Any) -> Any:
    """Signs (of complex numbers, their directions) and 1 for 0."""
    return where(x == 0, 1.0, x.sgn())


class _Orthogonal(Module):
    """From any matrix to one with orthonormal columns (or rows, if there are fewer), times the one it started from, if it keeps that."""

    base: Tensor | None

    def __init__(self, weight: Any, kind: str, use_trivialization: bool):
        super().__init__()
        self.kind, self.wide = kind, weight.shape[-2] < weight.shape[-1]
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        x = x.mT if self.wide else x
        n, k = x.shape[-2:]
        if self.kind == "householder":  # the diagonal holds signs, which are not learnt
            below = tril(x, -1)
            q = linalg.householder_product(below, 2.0 / (1.0 + (below * below).sum(-2)))
            q = q * trunc(diagonal(x, 0, -2, -1).detach()).unsqueeze(-2)
        else:
            below = tril(x)
            square = cat((below, x.new_zeros((*x.shape[:-1], n - k))), -1) if k < n else below
            skew = square - square.mH
            eye: Any = np.eye(n, dtype=x.dtype)
            q = linalg.matrix_exp(skew) if self.kind == "matrix_exp" else linalg.solve(eye - skew * 0.5, eye + skew * 0.5)
            q = q[..., :k]
        q = matmul(self.base, q) if self.use_trivialization else q
        return q.mT if self.wide else q

    @no_grad()
    def right_inverse(self, value: Any) -> Any:
        tall = value.mT if self.wide else value
        n, k = tall.shape[-2:]
        if self.use_trivialization:  # the base is the nearest matrix of this kind, and what it is multiplied by begins as the unit matrix
            q = linalg.qr(tall, "complete")
            ones = tall.new_ones((*tall.shape[:-2], n - k))
            self.base = q.Q * cat((_signs(diagonal(q.R, 0, -2, -1)), ones), -1).unsqueeze(-2)
            return value.new_zeros(value.shape) - np.eye(*value.shape[-2:], dtype=value.dtype)
        if self.kind != "householder":
            raise NotImplementedError(
                f"orthogonal: no value can be assigned to {self.kind} with use_trivialization=False; its inverse is not known"
            )
        a, tau = geqrf(tall)
        signs = _signs(diagonal(a, 0, -2, -1)) * where(
            tau == 0, -1.0, 1.0
        )  # LAPACK's way to leave out a reflection, of which tau is 2 above
        on: Any = np.eye(n, k, dtype=a.dtype)
        start = a * (1 - on) + signs.unsqueeze(-2) * on
        return start.mT if self.wide else start


def orthogonal(module: M, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> M:
    """A weight whose columns (rows, if there are fewer) are orthonormal: ``torch.nn.utils.parametrizations.orthogonal``.

    Args:
        module: a module, which is changed and returned.
        name: a parameter (..., n, m).
        orthogonal_map: how a matrix becomes orthogonal: ``"matrix_exp"``, the exponential of a skew-symmetric one (Lezcano-Casado and
            Martinez-Rubio 2019), the default of square matrices; ``"cayley"``, (I - A/2)⁻¹ (I + A/2); ``"householder"``, the Q of a QR
            decomposition, the default of others.
        use_trivialization: multiply with a fixed orthogonal matrix, ``parametrizations.NAME[0].base``: it is the nearest one to the weight, so
            that the weight stays near it. Without it the first two maps take the weight for the matrix that they make orthogonal, and no value
            can be assigned to them (``NotImplementedError``).

    Raises ``ValueError`` for another map, for a parameter that is no matrix, and for complex ones with ``"householder"``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))
    >>> mg.allclose(layer.weight @ layer.weight.T, mg.eye(3), atol=1e-5)
    True
    """
    check(
        "orthogonal",
        locals(),
        "orthogonal_map",
        module=Module,
        name="a name",
        orthogonal_map=("matrix_exp", "cayley", "householder"),
        use_trivialization="True or False",
    )
    weight = getattr(module, name, None)
    if weight is None or weight.ndim < 2:
        shape = None if weight is None else tuple(weight.shape)
        raise ValueError(f"orthogonal: '{name}' of {type(module).__name__} has shape {shape}; a matrix (..., n, m) is needed")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-1] == weight.shape[-2] else "householder"
    if orthogonal_map == "householder" and weight.is_complex():
        raise ValueError("orthogonal: 'householder' is of real matrices; 'matrix_exp' and 'cayley' take complex ones")
    return register_parametrization(module, name, _Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True)
