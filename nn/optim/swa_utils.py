"""Averages of a model's weights over training: ``torch.optim.swa_utils``."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.devices import check_device
from minigrad.engine import inside, no_grad, wrap
from minigrad.nn.module import Module
from minigrad.nn.optim.lr_scheduler import LRScheduler
from minigrad.nn.optim.optimizer import Optimizer
from minigrad.ops.arguments import check


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, int], Any]:
    """The update of an exponential moving average: ``decay * average + (1 - decay) * new``. For :class:`AveragedModel`."""
    check("get_ema_avg_fn", locals(), decay="from 0 to 1")

    def moving(average: Any, new: Any, num_averaged: int) -> Any:
        return average * decay + new * (1.0 - decay)

    return moving


def get_swa_avg_fn() -> Callable[[Any, Any, int], Any]:
    """The update of stochastic weight averaging: all models have the same weight. For :class:`AveragedModel`."""

    def equal(average: Any, new: Any, num_averaged: int) -> Any:
        return average + (new - average) / (num_averaged + 1)

    return equal


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, int], None]:
    """:func:`get_ema_avg_fn` for all weights at once, which it writes: the ``multi_avg_fn`` of :class:`AveragedModel`."""
    check("get_ema_multi_avg_fn", locals(), decay="from 0 to 1")
    return _of_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Any, Any, int], None]:
    """:func:`get_swa_avg_fn` for all weights at once, which it writes: the ``multi_avg_fn`` of :class:`AveragedModel`."""
    return _of_all(get_swa_avg_fn())


def _of_all(update: Callable[[Any, Any, int], Any]) -> Callable[[Any, Any, int], None]:
    def all_of_them(averages: Any, new: Any, num_averaged: int) -> None:
        with no_grad():
            for average, value in zip(averages, new, strict=True):
                average.copy_(update(average, value, num_averaged))

    return all_of_them


class AveragedModel(Module):
    """A copy of a model with the average of its weights over training: ``torch.optim.swa_utils.AveragedModel``.

    Args:
        model: the model to copy; call ``update_parameters(model)`` after each step or epoch.
        device: only the CPU.
        avg_fn: ``(average, new, num_averaged) -> average`` on arrays; :func:`get_swa_avg_fn` by default, :func:`get_ema_avg_fn` for
            an exponential moving average.
        multi_avg_fn: instead of it, ``(averages, news, num_averaged)`` on lists of Tensors of one dtype, which writes into the first.
        use_buffers: average floating buffers too. Otherwise, and if they are not floating, they are copied.

    Raises ``ValueError`` if both functions are given.

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

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, int], Any] | None = None,
        multi_avg_fn: Callable[[Any, Any, int], None] | None = None,
        use_buffers: bool = False,
    ):
        check("AveragedModel", locals(), "avg_fn multi_avg_fn", model=Module, avg_fn="a function", multi_avg_fn="a function")
        super().__init__()
        check_device(device)
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: avg_fn and multi_avg_fn say the same thing; pass one of them")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn = get_swa_avg_fn() if avg_fn is None else avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Add the present weights of ``model`` to the average; the first call copies them."""
        count = int(self.n_averaged.item())
        parameters: list[Any] = list(zip(map(inside, self.module.parameters()), map(inside, model.parameters()), strict=True))
        buffers: list[Any] = list(zip(map(inside, self.module.buffers()), map(inside, model.buffers()), strict=True))
        averaged = parameters + buffers if self.use_buffers else parameters
        averaged = [(average, new) for average, new in averaged if count and average._data.dtype.kind == "f"]
        done = {id(average) for average, _ in averaged}
        for average, new in parameters + buffers:
            if id(average) not in done:
                average.data = new._data.copy()
        if self.multi_avg_fn is not None:
            for dtype in {average._data.dtype for average, _ in averaged}:
                alike = [(average.data, new.detach()) for average, new in averaged if average._data.dtype == dtype]
                self.multi_avg_fn([average for average, _ in alike], [new for _, new in alike], count)
        else:
            for average, new in averaged:
                average.data = np.asarray(self.avg_fn(average._data, new._data, count), average._data.dtype)
        self.n_averaged.data = np.asarray(count + 1)


class SWALR(LRScheduler):
    """From the present rates to ``swa_lr`` in ``anneal_epochs`` epochs, then constant: ``torch.optim.swa_utils.SWALR``.

    Args:
        optimizer: the optimiser.
        swa_lr: the rate at the end, or one for each parameter group.
        anneal_epochs: how many epochs it takes; 0: at once.
        anneal_strategy: ``"cos"``, half a cosine, or ``"linear"``.
        last_epoch: see :class:`LRScheduler`.

    Raises ``ValueError`` for another strategy or a negative number of epochs. Other schedules may have acted before, and may act as well.

    >>> import minigrad as mg
    >>> from minigrad.nn import optim
    >>> optimizer = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     print(scheduler.get_last_lr())
    [0.75]
    [0.5]
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1):
        check("SWALR", locals(), anneal_epochs=0, anneal_strategy=("cos", "linear"))
        self.optimizer, self.anneal_epochs, self._anneal_strategy = optimizer, anneal_epochs, anneal_strategy
        if isinstance(optimizer, Optimizer):
            for group, rate in zip(optimizer.param_groups, self._per_group("swa_lr", swa_lr), strict=True):
                group["swa_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of ``swa_lr`` is in the rate."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1.0 - math.cos(math.pi * t)) / 2.0

    def get_lr(self) -> list[float]:
        """The rates, computed from the present ones: these less the share of ``swa_lr`` are what the schedule began with."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            start = end if before == 1 else (lr - before * end) / (1.0 - before)
            rates.append(end * now + start * (1.0 - now))
        return rates


def update_bn(loader: Any, model: Module, device: Any = None) -> None:
    """Recompute the running statistics of the model's batch norms, by a pass over ``loader`` in training mode.

    Args:
        loader: gives batches, or tuples whose first entry is the batch.
        model: usually the averaged model, whose statistics do not belong to its averaged weights.
        device: the CPU.
    """
    check("update_bn", locals(), loader="an iterable", model=Module)
    check_device(device)
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
