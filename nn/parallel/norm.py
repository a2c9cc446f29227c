"""Batch normalisation over the batches of all ranks: :class:`SyncBatchNorm`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.distributed.functional import total
from minigrad.distributed.processes import several
from minigrad.engine import ShapeError, no_grad
from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.norm import BatchNormBase
from minigrad.ops.norm import move_running
from minigrad.ops.shape import cat, stack
from minigrad.tensor import Tensor
from minigrad.types import DType


class SyncBatchNorm(BatchNormBase):
    """Batch normalisation of (N, C, ...) by mean and variance of the batches of all ranks together: ``torch.nn.SyncBatchNorm``.

    In training, each rank sends the mean m_r, the variance v_r and the count n_r of its channels, and all compute mean = sum n_r m_r / sum n_r
    and var = sum n_r (v_r + (m_r - mean)^2) / sum n_r. Gradients, of any order, flow through this sum over ranks: they are those of one
    process with the whole batch. With one rank, or in evaluation, it is a BatchNorm.

    Args:
        num_features, eps, momentum, affine, track_running_stats, device, dtype, bias: as for ``BatchNorm2d``.
        process_group: None.

    Raises:
        ShapeError: an input of fewer than two dimensions, or without C channels.
        ValueError: training on one value per channel in all ranks together; a ``process_group``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.SyncBatchNorm(3)(mg.randn(4, 3, 5)).shape
    torch.Size([4, 3, 5])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: DType = None,
        *,
        bias: bool = True,
    ):
        if process_group is not None:
            raise ValueError("SyncBatchNorm: all ranks are one group; leave out process_group")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim < 2 or input.shape[1] != self.num_features:
            raise ShapeError(f"SyncBatchNorm: the input must be (N, {self.num_features}, ...), not of shape {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised over the batches of all ranks (training) or by the running statistics."""
        here = several()
        if here is None or not self.num_features or not (self.training or self.running_mean is None):
            return super().forward(input)
        self._check_input_dim(input)
        x = input if input.dtype != np.float16 else input.float()
        dims = (0, *range(2, x.ndim))
        per_channel = (1, -1, *[1] * (x.ndim - 2))
        count = x.numel() // max(self.num_features, 1)
        own = x.sum(dims) / max(count, 1)
        spread = ((x - own.reshape(per_channel)) ** 2).sum(dims) / max(count, 1)
        row = cat([own, spread, x.new_full((1,), count)])
        nothing = row.new_zeros(row.shape)
        rows = total(stack([row if rank == here.rank else nothing for rank in range(here.size)]))  # ranks, 2C+1
        means, variances, counts = rows.split([self.num_features, self.num_features, 1], 1)
        number = counts.sum().detach()
        if number.item() <= 1:
            raise ValueError(
                f"SyncBatchNorm: expected more than 1 value per channel when training, got inputs of shape {tuple(input.shape)}"
            )
        mean = (counts * means).sum(0) / number
        var = (counts * (variances + (means - mean) ** 2)).sum(0) / number
        running_mean, running_var, momentum = self._running()
        if self.training:
            with no_grad():
                move_running("SyncBatchNorm", running_mean, mean, momentum)
                move_running("SyncBatchNorm", running_var, var * (number / (number - 1)), momentum)
        return F.batch_norm(input, mean, var, self.weight, self.bias, False, momentum, self.eps)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with a ``SyncBatchNorm`` in the place of each BatchNorm in it, with the same parameters and buffers.

        >>> from minigrad import nn
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))[1]
        SyncBatchNorm(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        """
        if isinstance(module, BatchNormBase) and not isinstance(module, cls):
            norm = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            norm.train(module.training)
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(norm, name, getattr(module, name))
            return norm
        for name, child in list(module.named_children()):
            module.set_submodule(name, cls.convert_sync_batchnorm(child, process_group))
        return module
