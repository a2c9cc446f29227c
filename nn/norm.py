"""Normalisation layers. Each calls the function of its name in :mod:`minigrad.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, wrap
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module, Parameter, empty_parameter
from minigrad.nn.options import check
from minigrad.tensor import Tensor
from minigrad.types import DType


def _start(weight: Parameter | None, bias: Parameter | None) -> None:
    """Set scale 1 and shift 0."""
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)


class NormBase(Module):
    """Base of batch and instance norms: a scale and shift for each channel, and running statistics."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    ranks: tuple[int, ...] = ()  # allowed ranks of the input
    needed: str = ""
    _ranges: dict[str, str] = {}  # ranges of options that differ from nn.options
    _version = 2

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track: bool, device: Any, dtype: Any, bias: bool
    ):
        check(self, locals(), **self._ranges)
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track
        self.register_parameter("weight", empty_parameter((num_features,), dtype, device) if affine else None)
        self.register_parameter("bias", empty_parameter((num_features,), dtype, device) if affine and bias else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, empty_parameter((num_features,), dtype, device).detach() if track else None)
        self.register_buffer("num_batches_tracked", wrap(np.zeros((), np.int64)) if track else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Reset the statistics: mean 0, variance 1."""
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            if getattr(self, name) is not None:
                getattr(self, name).data = np.full_like(getattr(self, name)._data, value)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.data = np.zeros((), np.int64)

    def reset_parameters(self) -> None:
        """Reset the statistics; scale 1, shift 0."""
        self.reset_running_stats()
        _start(self.weight, self.bias)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any) -> None:
        """As PyTorch: a state of version 1 has no count of batches, and neither have plain dicts of arrays."""
        if local_metadata.get("version", 1) < 2 and self.num_batches_tracked is not None:
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in self.ranks:
            raise ShapeError(f"{type(self).__name__}: the input must be {self.needed}, not of shape {tuple(input.shape)}")

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNormBase(NormBase):
    _ranges = {"eps": "above 0"}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised over the batch (training) or by the running statistics."""
        self._check_input_dim(input)
        running_mean, running_var, momentum = self._running()
        from_batch = self.training or running_mean is None
        return F.batch_norm(input, running_mean, running_var, self.weight, self.bias, from_batch, momentum, self.eps)

    def _running(self) -> tuple[Tensor | None, Tensor | None, float]:
        """The running statistics, and by how much this batch, which is counted, moves them in training."""
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training:
            if not self.track_running_stats:
                return None, None, momentum
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.data = count = self.num_batches_tracked + 1
                if self.momentum is None:  # a cumulative average over all batches
                    momentum = 1.0 / float(count)
        return self.running_mean, self.running_var, momentum


class BatchNorm1d(BatchNormBase):
    """Batch normalisation of (N, C) or (N, C, L): ``torch.nn.BatchNorm1d``. Arguments as :class:`BatchNorm2d`'s."""

    ranks, needed = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(BatchNormBase):
    """Each channel of (N, C, H, W) normalised to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015): ``torch.nn.BatchNorm2d``.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a new batch in the running statistics; None: they are a cumulative average over all batches.
        affine: whether to learn a scale (``weight``) and, with ``bias``, a shift for each channel.
        track_running_stats: whether to keep ``running_mean`` and ``running_var`` for evaluation; otherwise evaluation uses the batch too.
        device, dtype: of parameters and statistics.

    Raises:
        ShapeError: an input of another rank, or without C channels.
        ValueError: training on one value per channel.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> norm = nn.BatchNorm2d(3)
    >>> y = norm(5 * mg.randn(16, 3, 4, 4) + 7)
    >>> bool(abs(y.mean()) < 1e-5), bool(abs(y.var() - 1) < 0.01)
    (True, True)
    """

    ranks, needed = (4,), "(N, C, H, W)"


class BatchNorm3d(BatchNormBase):
    """Batch normalisation of (N, C, D, H, W): ``torch.nn.BatchNorm3d``. Arguments as :class:`BatchNorm2d`'s."""

    ranks, needed = (5,), "(N, C, D, H, W)"


class InstanceNormBase(NormBase):
    """Instance normalisation in any number of dimensions."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised over the spatial dimensions."""
        self._check_input_dim(input)
        alone = input.ndim == self.ranks[0]
        x = input.unsqueeze(0) if alone else input
        from_input = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, from_input, momentum, self.eps)
        return y.squeeze(0) if alone else y


class InstanceNorm1d(InstanceNormBase):
    """Each channel of each example of (N, C, L) or (C, L) normalised by itself: ``torch.nn.InstanceNorm1d``."""

    ranks, needed = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(InstanceNormBase):
    """Each channel of each image of (N, C, H, W) or (C, H, W) normalised by itself: ``torch.nn.InstanceNorm2d``.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of a new batch in the running statistics.
        affine: whether to learn a scale and, with ``bias``, a shift for each channel.
        track_running_stats: whether to keep running statistics and use them in evaluation.
        device, dtype: of parameters and statistics.
    """

    ranks, needed = (3, 4), "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(InstanceNormBase):
    """Each channel of each volume of (N, C, D, H, W) or (C, D, H, W) normalised by itself: ``torch.nn.InstanceNorm3d``."""

    ranks, needed = (4, 5), "(N, C, D, H, W) or (C, D, H, W)"


class GroupNorm(Module):
    """Groups of channels of each image normalised together (Wu & He 2018): ``torch.nn.GroupNorm``.

    Args:
        num_groups: number of groups of channels.
        num_channels: C of the input (N, C, ...).
        eps: added to the variance.
        affine: whether to learn a scale and, with ``bias``, a shift for each channel.
        device, dtype: of the parameters.

    Raises ``ValueError`` if the channels are not divisible by the groups.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ):
        check(self, locals())
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels do not divide into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", empty_parameter((num_channels,), dtype, device) if affine else None)
        self.register_parameter("bias", empty_parameter((num_channels,), dtype, device) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _start(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class LayerNorm(Module):
    """Each example normalised over its last dimensions (Ba et al. 2016): ``torch.nn.LayerNorm``.

    Args:
        normalized_shape: the sizes of these dimensions; an int for the last one.
        eps: added to the variance.
        elementwise_affine: whether to learn a scale (and with ``bias`` a shift) for each element.
        bias: see above.
        device, dtype: of the parameters.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType = None,
    ):
        check(self, locals())
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", empty_parameter(self.normalized_shape, dtype, device) if elementwise_affine else None)
        self.register_parameter("bias", empty_parameter(self.normalized_shape, dtype, device) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        _start(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(Module):
    """Each example divided by the root of its mean square over the last dimensions: ``torch.nn.RMSNorm``.

    Args:
        normalized_shape: the sizes of these dimensions; an int for the last one.
        eps: added to the mean square; by default the dtype's machine epsilon.
        elementwise_affine: whether to learn a scale for each element.
        device, dtype: of the parameter.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType = None,
    ):
        check(self, locals())
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", empty_parameter(self.normalized_shape, dtype, device) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        _start(self.weight, None)

    def forward(self, input: Tensor) -> Tensor:
        """The input, scaled."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Each channel divided by a power of the sum of squares of its neighbours (Krizhevsky et al. 2012): ``torch.nn.LocalResponseNorm``.

    b_c = a_c / (k + alpha / size * sum of a^2 over the ``size`` channels around c)^beta.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        check(self, locals())
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
