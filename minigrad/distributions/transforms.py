"""Invertible functions of draws, with the logarithms of the determinants of their derivatives: ``torch.distributions.transforms``.

>>> import minigrad as mg
>>> from minigrad.distributions.transforms import AffineTransform, ComposeTransform, ExpTransform
>>> t = ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])
>>> y = t(mg.tensor(0.5))
>>> y, t.inv(y)
(tensor(7.3891), tensor(0.5000))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import absent
from minigrad.distributions import constraints
from minigrad.distributions.constraints import Constraint
from minigrad.distributions.distribution import sum_rightmost
from minigrad.engine import ShapeError, wrap
from minigrad.ops.activation import logsigmoid, softplus
from minigrad.ops.elementwise import sigmoid
from minigrad.ops.linalg import cholesky
from minigrad.ops.shape import cat, diag_embed, diagonal, stack, tril
from minigrad.ops.softmax import softmax
from minigrad.tree import array_of
from minigrad.types import Operand, Tensor


@absent.answers_as("torch.distributions.transforms.Transform")
class Transform:
    """The base of all transforms: ``torch.distributions.Transform``.

    A subclass has ``_call(x)`` and ``_inverse(y)``, ``log_abs_det_jacobian(x, y)``, the ``domain`` and the ``codomain``: their ``event_dim``
    is the number of last dimensions that the transform takes together. ``bijective`` says whether each y comes from one x, and ``sign``, of
    transforms of numbers, whether they rise (1) or fall (-1).

    Args:
        cache_size: accepted as PyTorch has it, and without effect: nothing is kept.
    """

    bijective = True
    domain: Constraint = constraints.real
    codomain: Constraint = constraints.real
    sign: Any = 1

    def __init__(self, cache_size: int = 0):
        if cache_size not in (0, 1):
            raise ValueError(f"{type(self).__name__}: cache_size must be 0 or 1, not {cache_size}")

    @property
    def inv(self) -> Transform:
        """The transform from y to x."""
        return _Inverse(self)

    def __call__(self, x: Tensor) -> Tensor:
        """y."""
        return self._call(x)

    def _call(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: there is no _call")

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: it has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(abs(dy/dx))``, of vectors ``log(abs(det(dy/dx)))``."""
        raise NotImplementedError(f"{type(self).__name__}: there is no log_abs_det_jacobian")

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of y."""
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of x."""
        return tuple(shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    def __init__(self, of: Transform):
        self._of = of
        self.domain, self.codomain, self.bijective, self.sign = of.codomain, of.domain, of.bijective, of.sign

    @property
    def inv(self) -> Transform:
        return self._of

    def _call(self, x: Any) -> Any:
        return self._of._inverse(x)

    def _inverse(self, y: Any) -> Any:
        return self._of._call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._of.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._of.inverse_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._of.forward_shape(shape)

    def __repr__(self) -> str:
        return f"{self._of}.inv"


class ComposeTransform(Transform):
    """Transforms one after the other: ``torch.distributions.ComposeTransform``. Of none, the identity.

    >>> import minigrad as mg
    >>> from minigrad.distributions import ComposeTransform, ExpTransform, SigmoidTransform
    >>> ComposeTransform([ExpTransform(), SigmoidTransform()])(mg.tensor(0.0))
    tensor(0.7311)
    """

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)
        self.bijective = all(part.bijective for part in self.parts)
        self.sign = math.prod([part.sign for part in self.parts])
        if self.parts:  # what it takes together is what any part takes together
            first, last = self.parts[0], self.parts[-1]
            into, out = first.domain.event_dim, last.codomain.event_dim
            need, give = out, into
            for part in reversed(self.parts):
                need = max(need + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim)
            for part in self.parts:
                give = max(give + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim)
            self.domain = constraints.independent(first.domain, need - into) if need > into else first.domain
            self.codomain = constraints.independent(last.codomain, give - out) if give > out else last.codomain

    def _call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Any) -> Any:
        for part in reversed(self.parts):
            y = part.inv(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of those of the parts."""
        total: Any = 0.0
        dims = self.domain.event_dim
        for part in self.parts:
            after = part(x)
            total = total + sum_rightmost(part.log_abs_det_jacobian(x, after), dims - part.domain.event_dim)
            dims += part.codomain.event_dim - part.domain.event_dim
            x = after
        return total if self.parts else x * 0.0

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of y."""
        for part in self.parts:
            shape = part.forward_shape(shape)
        return tuple(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of x."""
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return tuple(shape)

    def __repr__(self) -> str:
        return "ComposeTransform(\n    " + ",\n    ".join(map(str, self.parts)) + "\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform that takes ``reinterpreted_batch_ndims`` more dimensions together: ``torch.distributions.IndependentTransform``."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform, self.reinterpreted_batch_ndims = base_transform, reinterpreted_batch_ndims
        self.bijective, self.sign = base_transform.bijective, base_transform.sign
        self.domain = constraints.independent(base_transform.domain, reinterpreted_batch_ndims)
        self.codomain = constraints.independent(base_transform.codomain, reinterpreted_batch_ndims)

    def _call(self, x: Any) -> Any:
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of that of the base over the dimensions."""
        return sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the base."""
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """That of the base."""
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The last dimensions ``in_shape`` as ``out_shape``: ``torch.distributions.ReshapeTransform``. Raises ``ShapeError`` for unequal sizes."""

    def __init__(self, in_shape: Sequence[int], out_shape: Sequence[int], cache_size: int = 0):
        super().__init__(cache_size)
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ShapeError(f"ReshapeTransform: {self.in_shape} and {self.out_shape} have different numbers of elements")
        self.domain = constraints.independent(constraints.real, len(self.in_shape))
        self.codomain = constraints.independent(constraints.real, len(self.out_shape))

    def _changed(self, shape: Sequence[int], old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
        batch = len(shape) - len(old)
        if batch < 0 or tuple(shape[batch:]) != old:
            raise ShapeError(f"ReshapeTransform: the last dimensions must be {old}, but the shape is {tuple(shape)}")
        return (*shape[:batch], *new)

    def _call(self, x: Any) -> Any:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Any) -> Any:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """0"""
        return wrap(np.zeros(x.shape[: x.ndim - len(self.in_shape)], x.dtype))

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """``shape`` with ``out_shape`` at the end."""
        return self._changed(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """``shape`` with ``in_shape`` at the end."""
        return self._changed(shape, self.out_shape, self.in_shape)


class AffineTransform(Transform):
    """loc + scale x: ``torch.distributions.AffineTransform``. ``event_dim``: how many last dimensions are one event."""

    def __init__(self, loc: Operand, scale: Operand, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc: Any = loc
        self.scale: Any = scale
        if event_dim:
            self.domain = self.codomain = constraints.independent(constraints.real, event_dim)

    @property
    def sign(self) -> Any:
        """That of ``scale``."""
        return np.sign(self.scale) if isinstance(self.scale, (int, float)) else self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(abs(scale))``"""
        each = (x.detach() * 0.0 + self.scale).abs().log()
        return sum_rightmost(each, self.domain.event_dim)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of y, broadcast with ``loc`` and ``scale``."""
        return np.broadcast_shapes(tuple(shape), np.shape(array_of(self.loc)), np.shape(array_of(self.scale)))

    inverse_shape = forward_shape


class ExpTransform(Transform):
    """exp(x): ``torch.distributions.ExpTransform``."""

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x"""
        return x


class PowerTransform(Transform):
    """x ** exponent, of positive numbers: ``torch.distributions.PowerTransform``."""

    domain = codomain = constraints.positive

    def __init__(self, exponent: Operand, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent: Any = exponent

    @property
    def sign(self) -> Any:
        """That of the exponent."""
        return np.sign(self.exponent) if isinstance(self.exponent, (int, float)) else self.exponent.sign()

    def _call(self, x: Any) -> Any:
        return x**self.exponent

    def _inverse(self, y: Any) -> Any:
        return y ** (1.0 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log(abs(exponent y / x))``"""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of y, broadcast with the exponent."""
        return np.broadcast_shapes(tuple(shape), np.shape(array_of(self.exponent)))

    inverse_shape = forward_shape


class SigmoidTransform(Transform):
    """1 / (1 + exp(-x)): ``torch.distributions.SigmoidTransform``. Its inverse is finite at 0 and 1, as PyTorch's."""

    codomain = constraints.unit_interval

    def _call(self, x: Any) -> Any:
        return _clamped(sigmoid(x))

    def _inverse(self, y: Any) -> Any:
        y = _clamped(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-softplus(-x) - softplus(x)"""
        return logsigmoid(x) + logsigmoid(-x)


def _clamped(p: Any) -> Any:
    """Inside of (0, 1), by the smallest number and by the precision of the dtype."""
    info = np.finfo(p.dtype)
    return p.clamp(float(info.tiny), 1.0 - float(info.eps))


class TanhTransform(Transform):
    """tanh(x): ``torch.distributions.TanhTransform``."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """2 (log(2) - x - softplus(-2 x)), which is log(1 - tanh(x)²) without its rounding"""
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))


class SoftplusTransform(Transform):
    """log(1 + exp(x)): ``torch.distributions.SoftplusTransform``."""

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """-softplus(-x)"""
        return logsigmoid(x)


class AbsTransform(Transform):
    """``abs(x)``, whose inverse is taken to be y: ``torch.distributions.AbsTransform``."""

    bijective = False
    codomain = constraints.nonnegative

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class SoftmaxTransform(Transform):
    """softmax(x) over the last dimension, whose inverse is taken to be log(y): ``torch.distributions.SoftmaxTransform``."""

    bijective = False
    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return softmax(x, -1)

    def _inverse(self, y: Any) -> Any:
        return y.log()


class StickBreakingTransform(Transform):
    """n numbers to n + 1 parts of a stick of length 1, each broken off the rest: ``torch.distributions.StickBreakingTransform``.

    The fraction that breaks off at step i is sigmoid(x_i - log(n - i)), so that zeros give equal parts.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _centred(self, x: Any) -> Any:
        return x - wrap(np.log(np.arange(x.shape[-1], 0, -1)).astype(x.dtype))

    def _call(self, x: Any) -> Any:
        fraction = _clamped(sigmoid(self._centred(x)))
        left = (1.0 - fraction).cumprod(-1)
        one = wrap(np.ones((*x.shape[:-1], 1), x.dtype))
        return cat([fraction, one], -1) * cat([one, left], -1)

    def _inverse(self, y: Any) -> Any:
        n = y.shape[-1] - 1
        left = (1.0 - y[..., :n].cumsum(-1)).clamp(min=float(np.finfo(y.dtype).tiny))
        return y[..., :n].log() - left.log() + wrap(np.log(np.arange(n, 0, -1)).astype(y.dtype))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of log(y_i) and of the logarithms of what was left at each step."""
        x = self._centred(x)
        return (logsigmoid(x) - x + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """One more in the last dimension."""
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """One less in the last dimension."""
        return (*shape[:-1], shape[-1] - 1)


class LowerCholeskyTransform(Transform):
    """Square matrices to lower triangular ones with a positive diagonal, its exponential: ``torch.distributions.LowerCholeskyTransform``."""

    bijective = False  # what is above the diagonal is lost
    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return tril(x, -1) + diag_embed(diagonal(x, 0, -2, -1).exp())

    def _inverse(self, y: Any) -> Any:
        return tril(y, -1) + diag_embed(diagonal(y, 0, -2, -1).log())


class PositiveDefiniteTransform(Transform):
    """Square matrices to positive definite ones, ``l @ l.mT`` of a :class:`LowerCholeskyTransform`: ``torch.distributions.PositiveDefiniteTransform``."""

    bijective = False
    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Any) -> Any:
        x = LowerCholeskyTransform()(x)
        return x @ x.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(cholesky(y))


class CorrCholeskyTransform(Transform):
    """n (n - 1) / 2 numbers to the factor L of a matrix of correlations ``L @ L.mT``, n x n: ``torch.distributions.CorrCholeskyTransform``.

    The numbers fill the triangle below the diagonal, row by row. Their tanh are shares of what is left of the row's length 1:
    ``y_i = r_i * sqrt((1 - r_1^2) ... (1 - r_{i-1}^2))``, and the diagonal has the rest.

    >>> import minigrad as mg
    >>> from minigrad.distributions import CorrCholeskyTransform
    >>> CorrCholeskyTransform()(mg.tensor([0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky

    def _call(self, x: Any) -> Any:
        n = self.forward_shape(x.shape)[-1]
        eps = float(np.finfo(x.dtype).eps)
        r = _triangle(x.tanh().clamp(-1 + eps, 1 - eps), n)
        left = (1.0 - r * r).sqrt().cumprod(-1)
        one = wrap(np.ones((*left.shape[:-1], 1), x.dtype))
        return (r + wrap(np.eye(n, dtype=x.dtype))) * cat([one, left[..., :-1]], -1)

    def _inverse(self, y: Any) -> Any:
        rows, columns = np.tril_indices(y.shape[-1], -1)
        left = 1.0 - (y * y).cumsum(-1)
        before = cat([wrap(np.ones((*y.shape[:-1], 1), y.dtype)), left[..., :-1]], -1)
        share = y[..., rows, columns] / before[..., rows, columns].sqrt()
        return (share.log1p() - (-share).log1p()) / 2.0

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the numbers below the diagonal: half of the logarithms of what was left of the rows, and those of the slopes of tanh."""
        rows, columns = np.tril_indices(y.shape[-1], -2)
        left = (1.0 - (y * y).cumsum(-1))[..., rows, columns]
        return 0.5 * left.log().sum(-1) - 2.0 * (x + softplus(-2.0 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """``(*batch, n, n)``. Raises ``ShapeError`` if the last dimension is no n (n - 1) / 2."""
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5) if len(shape) else 0
        if not len(shape) or n * (n - 1) // 2 != shape[-1]:
            raise ShapeError(
                f"CorrCholeskyTransform: the last dimension is n (n - 1) / 2 for a matrix of n x n, but the shape is {tuple(shape)}"
            )
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """``(*batch, n (n - 1) / 2)``."""
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ShapeError(f"CorrCholeskyTransform: a square matrix is needed, not {tuple(shape)}")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


def _triangle(x: Any, n: int) -> Any:
    """The matrices with the last dimension of ``x`` below their diagonals, row by row, and zeros elsewhere."""
    place = np.full((n, n), x.shape[-1])
    place[np.tril_indices(n, -1)] = np.arange(x.shape[-1])
    return cat([x, wrap(np.zeros((*x.shape[:-1], 1), x.dtype))], -1)[..., place]


class CumulativeDistributionTransform(Transform):
    """The probability of less, by a distribution's ``cdf``: ``torch.distributions.CumulativeDistributionTransform``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import CumulativeDistributionTransform, Normal
    >>> CumulativeDistributionTransform(Normal(0.0, 1.0))(mg.tensor(0.0))
    tensor(0.5000)
    """

    codomain = constraints.unit_interval

    def __init__(self, distribution: Any, cache_size: int = 0):
        super().__init__(cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Constraint:  # type: ignore[override]
        """What the distribution draws."""
        return self.distribution.support

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The log-density."""
        return self.distribution.log_prob(x)


class _Parts(Transform):
    """Base of transforms that change parts of a Tensor, each by its own."""

    transforms: list[Transform]
    dim: int

    def __init__(self, tseq: Sequence[Transform], dim: int, cache_size: int):
        super().__init__(cache_size)
        self.transforms, self.dim = list(tseq), dim
        self.bijective = all(t.bijective for t in self.transforms)

    def _split(self, x: Any) -> list[Any]:
        raise NotImplementedError

    def _join(self, parts: list[Any]) -> Any:
        raise NotImplementedError

    def _call(self, x: Any) -> Any:
        return self._join([t(part) for t, part in zip(self.transforms, self._split(x), strict=True)])

    def _inverse(self, y: Any) -> Any:
        return self._join([t.inv(part) for t, part in zip(self.transforms, self._split(y), strict=True)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms})"


class CatTransform(_Parts):
    """Transforms of ``lengths`` elements each, one after the other in dimension ``dim``: ``torch.distributions.CatTransform``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import CatTransform, ExpTransform, identity_transform
    >>> CatTransform([ExpTransform(), identity_transform], lengths=[1, 2])(mg.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise ValueError(f"CatTransform: {len(self.lengths)} lengths for {len(self.transforms)} transforms")
        self.domain = constraints.cat([t.domain for t in self.transforms], dim, self.lengths)
        self.codomain = constraints.cat([t.codomain for t in self.transforms], dim, self.lengths)

    @property
    def length(self) -> int:
        """That of all parts."""
        return sum(self.lengths)

    def _split(self, x: Any) -> list[Any]:
        if x.shape[self.dim] != self.length:
            raise ShapeError(
                f"CatTransform: {self.lengths} elements are {sum(self.lengths)}, but dimension {self.dim} of {tuple(x.shape)} has others"
            )
        return list(x.split(self.lengths, self.dim))

    def _join(self, parts: list[Any]) -> Any:
        return cat(parts, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Those of the parts, one after the other; added up where a part takes dimensions together and ``dim`` is among them."""
        parts = zip(self.transforms, self._split(x), self._split(y), strict=True)
        dims = self.domain.event_dim
        logs = [sum_rightmost(t.log_abs_det_jacobian(a, b), dims - t.domain.event_dim) for t, a, b in parts]
        dim = self.dim - x.ndim if self.dim >= 0 else self.dim
        if dim + dims < 0:
            return cat(logs, dim + dims)
        total = logs[0]
        for log in logs[1:]:
            total = total + log
        return total


class StackTransform(_Parts):
    """A transform for each element of dimension ``dim``: ``torch.distributions.StackTransform``.

    >>> import minigrad as mg
    >>> from minigrad.distributions import ExpTransform, StackTransform, identity_transform
    >>> StackTransform([ExpTransform(), identity_transform])(mg.zeros(2))
    tensor([1., 0.])
    """

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0):
        super().__init__(tseq, dim, cache_size)
        self.domain = constraints.stack([t.domain for t in self.transforms], dim)
        self.codomain = constraints.stack([t.codomain for t in self.transforms], dim)

    def _split(self, x: Any) -> list[Any]:
        if x.shape[self.dim] != len(self.transforms):
            raise ShapeError(f"StackTransform: there are {len(self.transforms)}, but dimension {self.dim} of {tuple(x.shape)} has others")
        return list(x.unbind(self.dim))

    def _join(self, parts: list[Any]) -> Any:
        return stack(parts, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Those of the parts, stacked."""
        parts = zip(self.transforms, self._split(x), self._split(y), strict=True)
        return stack([t.log_abs_det_jacobian(a, b) for t, a, b in parts], self.dim)
