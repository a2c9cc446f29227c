"""Averages of a model's weights over training: ``torch.optim.swa_utils``."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.engine import no_grad, wrap
from minigrad.nn.module import Module


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, int], Any]:
    """The update of an exponential moving average: ``decay * average + (1 - decay) * new``. For :class:`AveragedModel`."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"get_ema_avg_fn: decay must be between 0 and 1, not {decay}")

    def moving(average: Any, new: Any, num_averaged: int) -> Any:
        return average * decay + new * (1.0 - decay)

    return moving


def get_swa_avg_fn() -> Callable[[Any, Any, int], Any]:
    """The update of stochastic weight averaging: all models have the same weight. For :class:`AveragedModel`."""

    def equal(average: Any, new: Any, num_averaged: int) -> Any:
        return average + (new - average) / (num_averaged + 1)

    return equal


class AveragedModel(Module):
    """A copy of a model with the average of its weights over training: ``torch.optim.swa_utils.AveragedModel``.

    Args:
        model: the model to copy; call ``update_parameters(model)`` after each step or epoch.
        avg_fn: ``(average, new, num_averaged) -> average`` on arrays; :func:`get_swa_avg_fn` by default, :func:`get_ema_avg_fn` for
            an exponential moving average.
        use_buffers: average floating buffers too and copy other buffers. By default buffers are not updated.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    >>> for value in (1.0, 2.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight
    Parameter containing:
    tensor([[1.1000]], requires_grad=True)
    """

    def __init__(self, model: Module, avg_fn: Callable[[Any, Any, int], Any] | None = None, use_buffers: bool = False):
        super().__init__()
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn = get_swa_avg_fn() if avg_fn is None else avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Add the present weights of ``model`` to the average; the first call copies them."""
        count = int(self.n_averaged.item())
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        if self.use_buffers:
            pairs += zip(self.module.buffers(), model.buffers(), strict=True)  # type: ignore[arg-type]
        for average, new in pairs:
            if count == 0 or average._data.dtype.kind != "f":
                average.data = new._data.copy()
            else:
                average.data = np.asarray(self.avg_fn(average._data, new._data, count), average._data.dtype)
        self.n_averaged.data = np.asarray(count + 1)


def update_bn(loader: Any, model: Module, device: Any = None) -> None:
    """Recompute the running statistics of the model's batch norms, by a pass over ``loader`` in training mode.

    Args:
        loader: gives batches, or tuples whose first entry is the batch.
        model: usually the averaged model, whose statistics do not belong to its averaged weights.
        device: ignored.
    """
    norms = [m for m in model.modules() if "running_mean" in m._buffer_names and m.__dict__["running_mean"] is not None]
    if not norms:
        return
    was_training, momenta = model.training, [m.momentum for m in norms]
    model.train()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None  # a cumulative average over all batches
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum
    model.train(was_training)
