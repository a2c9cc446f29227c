"""Losses as modules. Each calls the function of its name in :mod:`minigrad.nn.functional`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.engine import ShapeError, TensorBase
from minigrad.nn import functional as F
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.ops.loss import reduction_of
from minigrad.tensor import Tensor
from minigrad.types import Operand


class LossBase(Module):
    """``reduction`` 'none', 'mean' or 'sum'; ``size_average`` and ``reduce`` are PyTorch's older options for it."""

    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__()
        name = type(self).__name__
        if isinstance(size_average, TensorBase) or isinstance(reduce, TensorBase):
            raise TypeError(f"{name}: outputs and targets are given to the loss, not to its constructor: {name}()(outputs, targets)")
        self.reduction = reduction if reduction == "batchmean" else reduction_of(name, reduction, size_average, reduce)


class WeightedLossBase(LossBase):
    """A loss with a buffer ``weight``."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(LossBase):
    """abs(input - target): ``torch.nn.L1Loss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(LossBase):
    """(input - target)^2: ``torch.nn.MSELoss``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.MSELoss()(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.mse_loss(input, target, reduction=self.reduction)


class CrossEntropyLoss(WeightedLossBase):
    """Cross-entropy between logits (N, C, ...) and classes (N, ...) or probabilities (N, C, ...): ``torch.nn.CrossEntropyLoss``.

    Args:
        weight: (C,) weight of each class.
        ignore_index: targets with this class are ignored.
        reduction: 'none', 'mean' (weighted) or 'sum'. size_average, reduce: the older options for it.
        label_smoothing: the weight of the uniform distribution in the smoothed target.

    Raises ``IndexError`` for a class outside 0..C-1; see :func:`minigrad.nn.functional.cross_entropy`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.CrossEntropyLoss()(mg.zeros(4, 10), mg.tensor([3, 1, 4, 1]))
    tensor(2.3026)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        check(self, locals())
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction, label_smoothing=self.label_smoothing
        )


class NLLLoss(WeightedLossBase):
    """-input[target] for log-probabilities (N, C, ...): ``torch.nn.NLLLoss``. Arguments as :class:`CrossEntropyLoss`'s."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(WeightedLossBase):
    """Binary cross-entropy of probabilities: ``torch.nn.BCELoss``. Prefer :class:`BCEWithLogitsLoss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLossBase):
    """Binary cross-entropy of sigmoid(input), exact for any logit: ``torch.nn.BCEWithLogitsLoss``.

    Args:
        weight: factor of each element's loss.
        reduction: 'none', 'mean' or 'sum'. size_average, reduce: the older options for it.
        pos_weight: factor of the loss term of positive targets.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.binary_cross_entropy_with_logits(input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight)


class KLDivLoss(LossBase):
    """target (log target - input) for log-probabilities ``input``: ``torch.nn.KLDivLoss``.

    Args:
        reduction: 'batchmean' (the sum divided by the batch size) is the KL divergence. size_average, reduce: the older options.
        log_target: whether the target is a log-probability too.
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", log_target: bool = False):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class HuberLoss(LossBase):
    """d^2 / 2 for abs(d) < delta, else delta (abs(d) - delta / 2), with d = input - target: ``torch.nn.HuberLoss``."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        check(self, locals())
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(LossBase):
    """The Huber loss divided by its threshold ``beta``: ``torch.nn.SmoothL1Loss``."""

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0):
        check(self, locals(), beta="0 or above")
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class MarginRankingLoss(LossBase):
    """max(0, -target (input1 - input2) + margin), target 1 or -1: ``torch.nn.MarginRankingLoss``."""

    def __init__(self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(LossBase):
    """input where target is 1, max(0, margin - input) where it is -1: ``torch.nn.HingeEmbeddingLoss``."""

    def __init__(self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(LossBase):
    """log(1 + exp(-target input)), target 1 or -1: ``torch.nn.SoftMarginLoss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(LossBase):
    """1 - cos where target is 1, max(0, cos - margin) where it is -1: ``torch.nn.CosineEmbeddingLoss``."""

    def __init__(self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(LossBase):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the p-norm: ``torch.nn.TripletMarginLoss``."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        check(self, locals(), margin="above 0")
        super().__init__(size_average, reduce, reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction)


class TripletMarginWithDistanceLoss(LossBase):
    """:class:`TripletMarginLoss` with a user-defined distance: ``torch.nn.TripletMarginWithDistanceLoss``."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        check(self, locals(), margin="above 0")
        super().__init__(reduction=reduction)
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiMarginLoss(WeightedLossBase):
    """A hinge between the target's logit and every other: ``torch.nn.MultiMarginLoss``."""

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, but is {p!r}")
        super().__init__(weight, size_average, reduce, reduction)
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(LossBase):
    """A hinge between the logits of labels and of non-labels: ``torch.nn.MultiLabelMarginLoss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLossBase):
    """Binary cross-entropy of sigmoid(input), mean over the classes: ``torch.nn.MultiLabelSoftMarginLoss``."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class PoissonNLLLoss(LossBase):
    """exp(input) - target input: ``torch.nn.PoissonNLLLoss``. Arguments as those of the function of this name."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ):
        check(self, locals())
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, reduced."""
        return F.poisson_nll_loss(input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(LossBase):
    """(log var + (input - target)^2 / var) / 2: ``torch.nn.GaussianNLLLoss``."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        check(self, locals())
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: Operand) -> Tensor:
        """The loss, reduced."""
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class CTCLoss(LossBase):
    """Loss for label sequences that are not aligned to the steps of the input (Graves et al. 2006): ``torch.nn.CTCLoss``.

    Args:
        blank: the class for "no label".
        reduction: 'none', 'sum', or 'mean': each loss divided by its number of labels, then the mean.
        zero_infinity: 0 in place of the infinite loss of a target that needs more steps than the input has.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> log_probs = mg.zeros(6, 2, 5).log_softmax(-1)  # T N C
    >>> nn.CTCLoss()(log_probs, mg.tensor([[1, 2], [3, 0]]), (6, 5), (2, 1)).shape
    torch.Size([])
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        check(self, locals())
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Operand, input_lengths: Operand | Sequence[int], target_lengths: Operand | Sequence[int]
    ) -> Tensor:
        """The loss of log_probs (T, N, C) for labels (N, S), reduced."""
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)


class NLLLoss2d(NLLLoss):
    """:class:`NLLLoss` by its old name: ``torch.nn.NLLLoss2d``."""


class LinearCrossEntropyLoss(WeightedLossBase):
    """A linear layer and the cross-entropy of its output: ``torch.nn.LinearCrossEntropyLoss``.

    Args:
        in_features: size of an example. num_classes: C.
        out_features: sizes (d1, ...) of the positions with one class each; () for one class per example.
        bias: whether the linear layer has one. device, dtype: of its parameters.
        reduction, weight, ignore_index, label_smoothing, options: see :func:`minigrad.nn.functional.linear_cross_entropy`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.LinearCrossEntropyLoss(5, 10)(mg.zeros(2, 5), mg.tensor([3, 1]))
    tensor(2.3026, grad_fn=<NllLossBackward0>)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ):
        check(self, locals())
        name = "LinearCrossEntropyLoss"
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(f"{name}: weight must have shape ({num_classes},), not {tuple(weight.shape)}")
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, math.prod(self.out_features, start=num_classes), bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        """The loss, reduced."""
        places = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*places, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(*places),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
