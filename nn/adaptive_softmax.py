"""Softmax over many classes when only a few of them are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import ShapeError
from minigrad.nn import functional as F
from minigrad.nn.container import ModuleList, Sequential
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.options import check
from minigrad.ops.gathering import gather, index_put
from minigrad.ops.index import getitem
from minigrad.ops.shape import cat, reshape, unsqueeze
from minigrad.tensor import Tensor, as_tensor
from minigrad.tree import array_of


class AdaptiveOutput(NamedTuple):
    """Result of :class:`AdaptiveLogSoftmaxWithLoss`: the log-probability of each target, and their negated mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax of many classes in two steps (Grave et al. 2017): ``torch.nn.AdaptiveLogSoftmaxWithLoss``.

    The head predicts a frequent class (these come first) or a cluster of rare classes. A second layer for each cluster, with fewer
    features for rarer classes, predicts the class. So rare classes cost work only for examples in their cluster.

    Args:
        in_features: size of an example. n_classes: number of classes, the most frequent first.
        cutoffs: the first class of each cluster, in increasing order.
        div_value: the factor by which the number of features falls from cluster to cluster.
        head_bias: whether the head has a bias.
        device, dtype: of the parameters.

    ``forward(input, target)`` takes (N, in_features) and (N,), or (in_features,) and (), and gives ``(output, loss)``.
    Raises ``ValueError`` for cutoffs that do not increase between 1 and n_classes - 1, ``IndexError`` for a target outside 0..n_classes-1.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(8, 1000, cutoffs=[10, 100])
    >>> output, loss = layer(mg.ones(3, 8), mg.tensor([1, 50, 999]))
    >>> output.shape, layer.log_prob(mg.ones(3, 8)).shape
    (torch.Size([3]), torch.Size([3, 1000]))
    """

    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        check(self, locals())
        super().__init__()
        edges = [int(c) for c in cutoffs]
        rising = all(a < b for a, b in pairwise([0, *edges, n_classes]))
        if not edges or not rising or edges != list(cutoffs):
            raise ValueError(f"AdaptiveLogSoftmaxWithLoss: cutoffs must rise between 1 and n_classes - 1 = {n_classes - 1}, not {cutoffs}")
        self.in_features, self.n_classes, self.div_value, self.head_bias = in_features, n_classes, div_value, head_bias
        self.cutoffs = [*edges, n_classes]
        self.shortlist_size, self.n_clusters = edges[0], len(edges)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (start, end) in enumerate(pairwise(self.cutoffs)):
            features = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, features, bias=False, device=device, dtype=dtype),
                    Linear(features, end - start, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        self.head.reset_parameters()
        tail: Any = self.tail  # each is a Sequential of two
        for first, second in tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: Tensor, target_: Any) -> AdaptiveOutput:
        """The log-probabilities of the targets, and the loss."""
        target = array_of(target_)
        if target.ndim > 1 or input_.ndim != target.ndim + 1 or tuple(input_.shape[:-1]) != target.shape:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: needs an input (N, {self.in_features}) and a target (N,), or an input "
                f"({self.in_features},) and a target (), not {tuple(input_.shape)} and {target.shape}"
            )
        if target.dtype.kind not in "iu":
            raise TypeError(f"AdaptiveLogSoftmaxWithLoss: targets must be integers, not {target.dtype.name}")
        single = target.ndim == 0
        input, target = (unsqueeze(input_, 0), target[None]) if single else (input_, target)
        if target.size and not 0 <= target.min() <= target.max() < self.n_classes:
            raise IndexError(f"AdaptiveLogSoftmaxWithLoss: targets {target.min()}..{target.max()} are not all in 0..{self.n_classes - 1}")
        cluster = np.searchsorted(self.cutoffs, target, side="right")  # 0 is the head
        entry = np.where(cluster == 0, target, self.shortlist_size + cluster - 1)
        output = reshape(gather(F.log_softmax(self.head(input), 1), 1, entry[:, None]), -1)
        for i, start in enumerate(self.cutoffs[:-1]):
            (rows,) = np.nonzero(cluster == i + 1)
            if len(rows):
                inside = F.log_softmax(self.tail[i](getitem(input, index=(rows,))), 1)
                picked = reshape(gather(inside, 1, (target[rows] - start)[:, None]), -1)
                output = index_put(output, (rows,), picked, accumulate=True)
        loss = -output.mean()
        return AdaptiveOutput(output[0] if single else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        n = self.shortlist_size
        clusters = [F.log_softmax(tail(input), 1) + head[:, n + i : n + i + 1] for i, tail in enumerate(self.tail)]
        return cat([head[:, :n], *clusters], 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each example: (N, in_features) to (N,).

        As in PyTorch, a cluster is evaluated only if the head ranks it first.
        """
        best = array_of(self.head(input)).argmax(1)
        (rows,) = np.nonzero(best >= self.shortlist_size)
        if len(rows):
            best[rows] = array_of(self.log_prob(getitem(input, index=(rows,)))).argmax(1)
        return as_tensor(best)
