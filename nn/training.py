"""A training loop: :func:`fit`, and its callbacks.

Its arguments are those of a loop written by hand: model, loader, loss, optimizer; the loop inside is the usual one. If you need another
loop, write it by hand: the metrics, :func:`evaluate` and a loader's ``state_dict()`` work there too. Everything beyond the loop is a
:class:`Callback`: a model needs no special base class.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.calls import in_mode, unchanged
from minigrad.engine import ShapeError, inside, no_grad
from minigrad.files.atomic import whole_file
from minigrad.files.checkpoint import save
from minigrad.nn.bar import bar
from minigrad.nn.metrics import Mean, Metric, named
from minigrad.nn.module import Module
from minigrad.nn.optim.lbfgs import LBFGS
from minigrad.nn.optim.lr_scheduler import ReduceLROnPlateau
from minigrad.nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
from minigrad.nn.parallel.together import Together
from minigrad.nn.tensorboard import SummaryWriter
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_
from minigrad.ops.arguments import check, whole
from minigrad.ops.shape import cat
from minigrad.random import get_rng_state, set_rng_state
from minigrad.tensor import Tensor
from minigrad.tree import leaves, tree_map, unwrapped

Forward = Callable[[Any, Any], tuple[Any, Any]]


def call_on_pair(model: Any, batch: Any) -> tuple[Any, Any]:
    """The model's outputs and the targets, for a batch that is a pair: ``inputs, targets = batch``.

    The meaning of other batches is not guessed.

    Raises:
        TypeError: the batch is no pair; the message shows a ``forward`` for it.

    >>> from minigrad.nn.training import call_on_pair
    >>> call_on_pair(abs, (-2, 1))
    (2, 1)
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return model(batch[0]), batch[1]
    example = "model(batch), batch"
    if isinstance(batch, Mapping) and batch:
        *inputs, target = [f"batch[{key!r}]" for key in batch]
        example = f"model({', '.join(inputs or [target])}), {target}"
    elif isinstance(batch, (tuple, list)) and len(batch) > 2:
        example = f"model({', '.join(f'batch[{i}]' for i in range(len(batch) - 1))}), batch[{len(batch) - 1}]"
    elif isinstance(batch, (tuple, list)) and batch:
        example = "model(batch[0]), batch[0]"
    raise TypeError(
        f"forward: a batch is a pair (inputs, targets), but the loader gave a {_with_parts(batch)}; say what is what, e.g. "
        f"forward=lambda model, batch: ({example})"
    )


class Run:
    """The state of a run of :func:`fit`, for its callbacks.

    =====================  ==================================================================================
    ``model``              and ``optimizer``, ``scheduler``: the arguments of :func:`fit`
    ``evaluated``          the model that is evaluated: ``model``, unless a callback sets another one
    ``epochs``             the total number of epochs
    ``epoch``              the current one, from 1
    ``step``               steps of the optimizer so far
    ``loss``               of the batches of the last step
    ``logs``               the values of the current epoch: ``loss``, metrics, ``val_loss``, ...
    ``history``            the logs of all finished epochs
    ``stop``               a callback sets this to end the run after the epoch
    ``rank``               of this process, for a ``DistributedDataParallel``; 0 writes files. ``model`` is then the one within it
    =====================  ==================================================================================
    """

    def __init__(self, model: Module, optimizer: Any, scheduler: Any, epochs: int):
        self.model, self.optimizer, self.scheduler, self.epochs = model, optimizer, scheduler, epochs
        self.evaluated: Any = model
        self.epoch, self.step, self.stop, self.rank = 1, 0, False, 0
        self.loss = math.nan
        self.logs: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []


class Callback:
    """Base of the callbacks of :func:`fit`. A subclass defines the methods that it needs.

    State that a resumed run needs goes into ``state_dict``: plain data, arrays and Tensors.

    >>> from minigrad import nn
    >>> class Report(nn.training.Callback):
    ...     def after_epoch(self, run):
    ...         print(run.epoch, sorted(run.logs))
    """

    def begin(self, run: Run) -> None:
        """Called before the first epoch, or the first after resuming (but before the checkpoint is read)."""

    def after_backward(self, run: Run) -> None:
        """Called when the gradients have been computed, before the optimizer uses them."""

    def after_step(self, run: Run) -> None:
        """Called when the parameters have their new values."""

    def after_epoch(self, run: Run) -> None:
        """Called after validation."""

    def end(self, run: Run) -> None:
        """Called after the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed run needs."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that :meth:`state_dict` returned."""


def fit(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    *,
    epochs: int,
    validation: Iterable[Any] | None = None,
    metrics: Metric | str | Sequence[Metric | str] = (),
    scheduler: Any = None,
    scheduler_per: str = "epoch",
    callbacks: Sequence[Callback] = (),
    forward: Forward = call_on_pair,
    accumulate: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train a model.

    Args:
        model: a module; it is in training mode during an epoch, and in evaluation mode for ``validation`` and at the end, also where that is an
            error or Ctrl-C.
        loader: batches, e.g. a :class:`minigrad.nn.data.DataLoader`. It is iterated once per epoch.
        loss: ``loss(outputs, targets)``, the mean over a batch. Of one that is a sum over it (``reduction="sum"``), the ``loss`` in the logs is the
            mean of the batches' sums, weighted by their numbers of samples, and so is what ``accumulate`` makes of several batches.
        optimizer: of the model's parameters; its ``step()`` takes no closure.
        epochs: passes over ``loader``, those before a checkpoint included; 1 or more.
        validation: batches to evaluate on after each epoch.
        metrics: see :mod:`minigrad.nn.metrics`, or names, ``"accuracy"`` and ``"top5"``; for the training batches they are computed in training
            mode. After the run they hold the values of the last pass.
        scheduler: of the learning rate. ``ReduceLROnPlateau`` gets ``val_loss``, or ``loss`` without validation.
        scheduler_per: ``"epoch"`` or ``"step"``: when the scheduler steps.
        callbacks: :class:`EarlyStopping`, :class:`ClipGradNorm`, :class:`EMA`, :class:`Log`, :class:`TensorBoard`, or your own
            :class:`Callback`, in order.
        forward: ``(model, batch) -> (outputs, targets)``, for batches that are not ``(inputs, targets)``: ``lambda model, batch:
            (model(batch["image"]), batch["label"])`` for dicts, ``lambda model, batch: (model(batch[0], batch[1]), batch[2])`` for triples.
        accumulate: batches of one step: for batches that are larger than memory. The gradient is that of the mean over their samples, as if
            they were one batch. Exceptions are layers that compute with the batch, such as batch norm, and losses that divide by something else
            than the number of samples: with class weights, or with ``ignore_index``. The last step of an epoch has what is left.
        checkpoint: a file that is written after each epoch, whole or not at all. If it exists, the run is resumed from it, with results bit for
            bit equal to those of an uninterrupted run, if all random numbers come from minigrad's generator. With ``progress`` a line
            says where it resumes. The options of the optimizer and the scheduler must be the same as at the start of the run.
        checkpoint_every: also write it after every so many steps. The loader needs ``state_dict()``.
        progress: print a line for each epoch and, if tqdm is installed, show a bar on a terminal or in a notebook.

    Several ranks train a :class:`minigrad.nn.parallel.DistributedDataParallel` with the same call. Rank 0 writes, prints and saves; ``loss`` and metrics
    are those of all ranks' batches, and so are the ones of ``validation`` if its sampler is a ``DistributedSampler``. A run may be resumed with
    another number of ranks, or without ``DistributedDataParallel``; within an epoch only if its steps take as many samples as before.

    Returns the logs of all epochs: ``epoch``, ``step``, ``lr``, ``loss`` (the mean over samples, if it is that of a batch), the metrics,
    the same with ``val_``, ``seconds``.

    Raises:
        DistError: the ranks' loaders have different numbers of batches; the message says how many.
        FloatingPointError: the loss is not finite; the message names the step and the parameters that are not finite. The step is not taken.
            Or a parameter is not, after an epoch or before a checkpoint, which is then not written.
        TypeError: an argument of another kind, a batch that is no pair without ``forward``, a loss that is no Tensor, a metric that is no number.
        ValueError: no batch in ``loader`` or ``validation``; an optimizer or scheduler of another model, or of layers that were replaced; a
            scheduler that waits for a loss to rise, or counts the optimizer's steps but steps per epoch; two metrics of one name; or a checkpoint
            of a run with other metrics, callbacks, optimizer or scheduler, or other options of these: the message says what differs.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.nn.data import DataLoader, TensorDataset
    >>> _ = mg.manual_seed(0)
    >>> x = mg.randn(60, 2)
    >>> loader = DataLoader(TensorDataset(x, (x[:, 0] > x[:, 1]).long()), batch_size=20, shuffle=True)
    >>> model = nn.Linear(2, 2)
    >>> history = nn.fit(model, loader, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=0.1), epochs=20,
    ...     metrics=[nn.metrics.Accuracy()], progress=False)
    >>> len(history), history[-1]["accuracy"] > 0.95
    (20, True)
    """
    _check_arguments(model, loader, loss, optimizer, epochs, validation, scheduler, callbacks, forward)
    check("fit", locals(), scheduler_per=("epoch", "step"), accumulate=1)
    _check_cycle(scheduler, scheduler_per, epochs, accumulate, loader)
    ranks = Together(model)
    if ranks.rank == 0:
        _check_files(checkpoint, checkpoint_every, loader)
    progress = progress and ranks.rank == 0
    ranks.same_count("has", _length(loader), "the number of batches")
    measured = _check_metrics("fit", metrics)
    mean = Mean("loss")
    run = Run(ranks.model, optimizer, scheduler, epochs)
    run.rank = ranks.rank
    for callback in callbacks:
        callback.begin(run)

    options = {"optimizer": _options(optimizer), "scheduler": _options(scheduler)}

    parts = {"model": run.model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader, "validation": validation}
    stateful: dict[str, Any] = {name: part for name, part in parts.items() if hasattr(part, "state_dict")}
    gathered: list[Metric] = [mean, *measured]

    def write(within: bool) -> None:
        if checkpoint is None:
            return
        total = [copy.copy(m) for m in gathered]
        if within:
            ranks.merge(total, "the metrics for the checkpoint")
        own = ranks.own_states(stateful)
        if ranks.rank == 0:
            state: dict[str, Any] = {name: thing.state_dict() for name, thing in stateful.items() if name not in own} | own
            state["metrics"] = [[m.name, m.state_dict()] for m in total]
            state["callbacks"] = [[type(c).__name__, c.state_dict()] for c in callbacks]
            state["begun with"] = begun_with
            state["now"] = {"optimizer": _options(optimizer), "scheduler": _options(scheduler)}
            state["run"] = {"epoch": run.epoch, "step": run.step, "stop": run.stop, "history": run.history, "within": within}
            save(state, checkpoint)

    within, begun_with = False, options
    state = ranks.read(checkpoint)
    if checkpoint is not None and state is not None:
        if not isinstance(state, dict) or not {*stateful, "run", "metrics", "callbacks", "rng", "begun with"} - {"scheduler"} <= set(state):
            raise ValueError(
                f"fit: {os.fspath(checkpoint)} is not the checkpoint of such a run: it was not written by fit with these arguments"
            )
        _check_same(checkpoint, "metrics", state, [m.name for m in gathered])
        _check_same(checkpoint, "callbacks", state, [type(c).__name__ for c in callbacks])
        _check_options(checkpoint, options, state)
        begun_with = state["begun with"]
        own = ranks.restore(state, stateful, state["run"]["within"])
        for name, thing in stateful.items():
            thing.load_state_dict((own if name in own else state)[name])
        for metric, (_, saved) in zip(gathered, state["metrics"], strict=True):
            if run.rank == 0:  # it goes on with the sums of all ranks
                metric.load_state_dict(saved)
        for callback, (_, saved) in zip(callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        run.epoch, run.step, run.stop, run.history, within = (state["run"][k] for k in ("epoch", "step", "stop", "history", "within"))
        if progress:
            print(_resumed(checkpoint, run, within), flush=True)

    part = _Step()
    begun = run.step

    def step(part: _Step) -> None:
        run.loss = part.finish(optimizer)
        if run.step == begun:
            _check_replaced(run)
        for callback in callbacks:
            callback.after_backward(run)
        optimizer.step()
        run.step += 1
        for callback in callbacks:
            callback.after_step(run)
        if scheduler is not None and scheduler_per == "step":
            plateau = isinstance(scheduler, ReduceLROnPlateau)
            _step_scheduler(scheduler, ranks.mean(run.loss, f"the loss of step {run.step}, for the scheduler") if plateau else run.loss)
        if checkpoint_every and run.step % checkpoint_every == 0:
            _check_parameters(run)
            write(within=True)

    try:
        while run.epoch <= epochs and not run.stop:
            started, before, count = time.perf_counter(), run.step, 0
            model.train()
            ranks.begin_epoch(loader, run.epoch)
            if not within:
                for metric in gathered:
                    metric.reset()
            with closing(_bar(loader, f"epoch {run.epoch}/{epochs}", mean, progress)) as batches:  # type: ignore[type-var]
                for batch in batches:
                    with ranks.batch(last=part.batches + 1 == accumulate):
                        outputs, targets = _pair(forward(model, batch))
                        size = _batch_size(targets, batch)
                        if size == 0:
                            raise ValueError(f"fit: the batch of step {run.step + 1} (epoch {run.epoch}) has no samples")
                        value = _check_loss("fit", loss(outputs, targets))
                        _check_step(value, run)
                        if not part.batches:
                            optimizer.zero_grad()
                        part.backward(value, size)
                    mean.update(value, size)
                    for metric in measured:
                        metric.update(outputs, targets)
                    count += 1
                    if part.batches == accumulate:
                        step(part)
            if part.batches:
                ranks.share_gradients()
                step(part)
            ranks.same_count("gave", count, f"the end of epoch {run.epoch}, after {count} batches")
            if run.step == before and not within:  # a run that was stopped after the last step of an epoch resumes with no batch left
                raise ValueError(_no_batch("fit", "loader", loader, run.epoch))
            within = False
            _check_parameters(run)
            run.logs = {"epoch": run.epoch, "step": run.step, "lr": float(optimizer.param_groups[0]["lr"])}
            ranks.merge(gathered, f"the metrics of epoch {run.epoch}")
            run.logs |= {m.name: _computed(m) for m in gathered}
            if validation is not None:
                ranks.sync_buffers()
                found = _evaluate("fit", run.evaluated, validation, loss, measured, forward, ranks, run.epoch)
                found = ranks.first(found, f"the validation of epoch {run.epoch}")
                run.logs |= {f"val_{name}": value for name, value in found.items()}
            run.logs["seconds"] = round(time.perf_counter() - started, 3)
            if scheduler is not None and scheduler_per == "epoch":
                _step_scheduler(scheduler, run.logs["loss" if validation is None else "val_loss"])
            run.history.append(run.logs)
            for callback in callbacks:
                callback.after_epoch(run)
                run.logs.update({name: _plain(value) for name, value in run.logs.items()})
            run.stop = any(ranks.gather(run.stop, f"the callbacks of epoch {run.epoch}"))
            if progress:
                print(_line(run), flush=True)
            run.epoch += 1
            write(within=False)
        for callback in callbacks:
            callback.end(run)
    finally:
        model.eval()
    return run.history


class _Step:
    """The batches of one step of the optimizer."""

    def __init__(self) -> None:
        self.batches, self.weight, self.loss, self.first = 0, 0.0, 0.0, 1

    def backward(self, value: Any, size: int) -> None:
        """Add the gradients of a batch's mean loss, times its size in units of the first batch's."""
        self.first = self.first if self.batches else size
        weight = size / self.first
        (value if weight == 1.0 else value * weight).backward()
        self.batches, self.weight, self.loss = self.batches + 1, self.weight + weight, self.loss + weight * value.item()

    def finish(self, optimizer: Any) -> float:
        """Make the sum of gradients the mean over all samples, return the mean loss, and be ready for the next step."""
        gradients = [p._grad for group in optimizer.param_groups for p in group["params"] if p._grad is not None]
        if not gradients:
            raise _without_parameters()
        if self.weight != 1.0:
            for g in gradients:
                g._data = g._data / g.dtype.type(self.weight)
        loss = self.loss / self.weight
        self.batches, self.weight, self.loss = 0, 0.0, 0.0
        return loss


def evaluate(
    model: Any,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any] | None = None,
    metrics: Metric | str | Sequence[Metric | str] = (),
    forward: Forward = call_on_pair,
) -> dict[str, Any]:
    """The mean loss over the samples of ``loader`` (as in :func:`fit`), and the metrics, by name; in evaluation mode and without gradients.

    The model's mode is restored afterwards. For a ``DistributedDataParallel`` and a loader with a ``DistributedSampler`` they are those of all ranks. The metrics are reset first; they may be given by name, as in :func:`fit`.

    Raises:
        TypeError: as for :func:`fit`.
        ValueError: no batch in ``loader``, or metrics with the same name.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.evaluate(nn.Identity(), [(mg.tensor([[1.0, 0.0]]), mg.tensor([0]))], metrics=[nn.metrics.Accuracy()])
    {'accuracy': 1.0}
    """
    _check_model("evaluate", model)
    _check_loader("evaluate", "loader", loader)
    if loss is not None:
        _check_function("evaluate", "loss", loss)
    _check_function("evaluate", "forward", forward)
    ranks = Together(model)
    if ranks.share(loader):
        ranks.sync_buffers()
    return _evaluate("evaluate", ranks.model, loader, loss, _check_metrics("evaluate", metrics), forward, ranks)


def _evaluate(
    name: str, model: Any, loader: Any, loss: Any, metrics: Sequence[Metric], forward: Forward, ranks: Together, epoch: int = 1
) -> dict[str, Any]:
    """:func:`evaluate`, or its part in the epoch of :func:`fit`, as ``name`` says."""
    mean, empty = Mean("loss"), True
    for metric in metrics:
        metric.reset()
    with in_mode(model, training=False) if isinstance(model, Module) else nullcontext(), no_grad():
        for batch in loader:
            empty = False
            outputs, targets = _pair(forward(model, batch))
            if loss is not None:
                mean.update(_check_loss(name, loss(outputs, targets)), _batch_size(targets, batch))
            for metric in metrics:
                metric.update(outputs, targets)
    if empty:
        raise ValueError(_no_batch(name, "validation" if name == "fit" else "loader", loader, epoch))
    if ranks.share(loader):
        ranks.merge([mean, *metrics], "the metrics of an evaluation")
    return ({} if loss is None else {"loss": mean.compute()}) | {m.name: _computed(m) for m in metrics}


def predict(model: Any, loader: Iterable[Any], forward: Forward | None = None) -> Any:
    """The outputs of ``model`` for all samples of ``loader``, joined along the first dimension; in evaluation mode and without gradients.

    Args:
        model: a module, whose mode is restored afterwards.
        loader: batches: arrays, lists of one array as a ``TensorDataset(x)`` gives, or pairs (inputs, targets) as for :func:`fit`, of which only the
            inputs are used.
        forward: for other batches, as in :func:`fit`: ``(model, batch) -> (outputs, targets)``; the targets are not used and may be None.

    Returns a Tensor, or the tuple, list or dict of Tensors that the model returns.

    Raises:
        TypeError: as for :func:`fit`, or outputs that are no Tensors.
        ValueError: no batch in ``loader``.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.predict(nn.ReLU(), [mg.tensor([[1.0], [-2.0]]), mg.tensor([[3.0]])]).tolist()
    [[1.0], [0.0], [3.0]]
    """
    _check_model("predict", model)
    _check_loader("predict", "loader", loader, pairs=False)
    if forward is not None:
        _check_function("predict", "forward", forward)
    found: list[Any] = []
    with in_mode(model, training=False) if isinstance(model, Module) else nullcontext(), no_grad():
        for batch in loader:
            if forward is not None:
                outputs, _ = _pair(forward(model, batch))
            else:
                single = batch[0] if isinstance(batch, (tuple, list)) and len(batch) == 1 else batch  # TensorDataset(x) gives [x]
                outputs = model(single) if hasattr(single, "shape") else call_on_pair(model, single)[0]
            if not all(isinstance(part, Tensor) and part.ndim for part in leaves(outputs)):
                raise TypeError(f"predict: the model returned {_is(outputs)}; it returns Tensors with a dimension for the samples")
            if found and tree_map(_nothing, outputs) != tree_map(_nothing, found[0]):
                raise TypeError(
                    f"predict: the model returned a {_with_parts(found[0])} for the first batch, and a {_with_parts(outputs)} for batch {len(found) + 1}"
                )
            found.append(outputs)
    if not found:
        raise ValueError(_no_batch("predict", "loader", loader, 1))
    joined = iter([cat(parts) for parts in zip(*map(leaves, found), strict=True)])
    return tree_map(lambda _: next(joined), found[0])


def _limit(losses: list[float], stop_at: float) -> float:
    """What the next loss must not exceed in a range test."""
    least = min(losses)
    return stop_at * least if least > 0 else least + (stop_at - 1.0) * max(map(abs, losses))


class LearningRates:
    """Result of :func:`find_learning_rate`.

    ``rates`` and ``losses`` are the rates that were tried and the smoothed losses after them; ``suggestion`` is the rate at which the loss falls
    fastest per factor of the rate. :func:`minigrad.plots.learning_rates` draws it.
    """

    def __init__(self, rates: list[float], losses: list[float]):
        self.rates, self.losses = rates, losses

    @property
    def suggestion(self) -> float:
        """The rate at which the loss falls fastest; the first and the last steps, of which the mean knows too little, are left out."""
        skip = min(10, len(self.rates) // 5)
        end = max(int(np.argmin(self.losses)) + 1, skip + 3)
        steepest = np.argmin(np.gradient(self.losses[skip:end], np.log(self.rates[skip:end])))
        return self.rates[skip + int(steepest)]

    def __repr__(self) -> str:
        return f"<LearningRates: {len(self.rates)} from {self.rates[0]:.3g} to {self.rates[-1]:.3g}, suggestion {self.suggestion:.3g}>"


def find_learning_rate(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.95,
    stop_at: float = 4.0,
    forward: Forward = call_on_pair,
) -> LearningRates:
    """Train for some steps with a learning rate that grows by a factor in each, and say where the loss fell: Smith's range test.

    The method is section 3.3 of L. N. Smith, *Cyclical Learning Rates for Training Neural Networks* (2017), with rates that grow geometrically.
    Afterwards the model, the optimizer, the state of the random generator and that of a loader with ``state_dict()`` are what they were.

    Args:
        model, loader, loss, optimizer, forward: as for :func:`fit`; a loader is begun again when it is through.
        start, end: the first and the last rate.
        steps: how many rates; 5 or more.
        smoothing: of the losses, a moving average without the bias of its begin; 0 for none.
        stop_at: end when the smoothed loss is this many times its smallest value so far, or not finite. Where that is below 0, the loss may
            grow by ``stop_at - 1`` times the largest size that it had.

    Several ranks that train a ``DistributedDataParallel`` go by the mean of their losses, and get the same result.

    Returns a :class:`LearningRates`. Use its ``suggestion``, or a rate a little below the smallest loss, as ``lr`` of a new optimizer.

    Raises:
        TypeError, ValueError: as :func:`fit`; ``ValueError`` also if the loss grew beyond bounds within the first five steps.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> _ = mg.manual_seed(0)
    >>> model, x = nn.Linear(3, 1), mg.randn(64, 3)
    >>> found = nn.training.find_learning_rate(model, [(x, x.sum(1, keepdim=True))], nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=1e-3))
    >>> 1e-3 < found.suggestion < 1
    True
    """
    name = "find_learning_rate"
    _check_arguments(model, loader, loss, optimizer, 2, None, None, (), forward, name=name)
    check(name, locals(), start="above 0", end="above 0", steps=5, smoothing="from 0 to 1", stop_at="above 0")
    if not (start < end and smoothing < 1):
        raise ValueError(f"{name}: start must be below end, and smoothing below 1, but they are {start}, {end} and {smoothing}")
    ranks = Together(model)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict())), get_rng_state()
    position = loader.state_dict() if hasattr(loader, "state_dict") else None
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    try:
        with unchanged(model, training=True):
            batches = iter(loader)
            for number, rate in enumerate(np.geomspace(start, end, steps).tolist(), 1):
                for group in optimizer.param_groups:
                    group["lr"] = rate
                batch = next(batches, None)
                if batch is None:
                    batches = iter(loader)
                    batch = next(batches, None)
                if batch is None:
                    raise ValueError(_no_batch(name, "loader", loader, 1 if number == 1 else 2))
                outputs, targets = _pair(forward(model, batch))
                value = _check_loss(name, loss(outputs, targets))
                if not value.requires_grad:
                    raise _without_parameters(name)
                average = smoothing * average + (1.0 - smoothing) * ranks.mean(value.item(), f"the loss of step {number} of {name}")
                smooth = average / (1.0 - smoothing**number)
                if not math.isfinite(smooth) or (losses and smooth > _limit(losses, stop_at)):
                    break
                rates.append(rate)
                losses.append(smooth)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
    finally:
        (weights, state), random = before
        optimizer.zero_grad()
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        if position is not None:
            loader.load_state_dict(position)  # type: ignore[attr-defined]
        set_rng_state(random)
    if len(rates) < 5:
        if not math.isfinite(smooth):
            raise ValueError(
                f"{name}: the loss is not finite at step {number}, with the rate {rate:.3g}; look at the loss and the data, or begin at a smaller start"
            )
        raise ValueError(
            f"{name}: the loss grew beyond {stop_at} times its smallest value within {len(rates) + 1} steps, from {losses[0]:.3g} to {smooth:.3g}; begin "
            "at a smaller start or, if it differs that much from batch to batch, take larger batches or a larger stop_at"
        )
    return LearningRates(rates, losses)


# ------------------------------------------------------------------------------------------------------ callbacks


class EarlyStopping(Callback):
    """End the run when a value has not improved for some epochs.

    Args:
        monitor: the value's name in the logs; default: ``val_loss``, or ``loss`` without validation.
        patience: epochs without improvement after which the run ends.
        min_delta: an improvement is a change by more than this.
        mode: ``"min"`` or ``"max"``: which is better; default: ``"min"`` for a name that ends in ``loss``, ``"max"`` for one that ends in
            ``accuracy``, ``mAP`` or ``top5``. Other names have none.
        restore_best: give the model the weights of its best epoch at the end.

    After a run ``best`` is the best value and ``best_epoch`` its epoch. A value that is NaN is no improvement.

    Raises:
        ValueError: no ``mode`` for a name of which one cannot tell.
        KeyError: (in the run) there is no such value.

    >>> from minigrad import nn
    >>> nn.training.EarlyStopping("val_accuracy", patience=3).mode
    'max'
    """

    def __init__(
        self, monitor: str | None = None, patience: int = 5, min_delta: float = 0.0, mode: str | None = None, restore_best: bool = True
    ):
        check("EarlyStopping", locals(), "monitor mode", monitor="a name", patience=1, min_delta="0 or above", mode=("min", "max"))
        self.monitor, self.patience, self.min_delta, self.restore_best = monitor, patience, min_delta, restore_best
        self.mode = mode or _better("loss" if monitor is None else monitor)
        self.best: float | None = None
        self.best_epoch, self.waited, self.weights = 0, 0, None

    def begin(self, run: Run) -> None:
        self.best, self.best_epoch, self.waited, self.weights = None, 0, 0, None  # those of another run, of another model perhaps

    def after_epoch(self, run: Run) -> None:
        name = self.monitor or ("val_loss" if "val_loss" in run.logs else "loss")
        if name not in run.logs:
            raise KeyError(f"EarlyStopping: there is no {name!r} among the values of an epoch: {', '.join(run.logs)}")
        if not isinstance(run.logs[name], (int, float)):
            raise TypeError(f"EarlyStopping: {name!r} is {run.logs[name]!r}, which is no number to compare; monitor another value")
        value = float(run.logs[name])
        gain = math.inf if self.best is None else (self.best - value if self.mode == "min" else value - self.best)
        if not math.isnan(value) and gain > self.min_delta:
            self.best, self.best_epoch, self.waited = value, run.epoch, 0
            if self.restore_best:
                self.weights = copy.deepcopy(run.evaluated.state_dict())
        else:
            self.waited += 1
            if self.waited >= self.patience:
                run.stop = True

    def end(self, run: Run) -> None:
        if self.weights is not None:
            run.evaluated.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.waited, self.weights = (state_dict[k] for k in ("best", "best_epoch", "waited", "weights"))


def _better(monitor: str) -> str:
    """Whether less or more of a value is better, by its name: the loss, or one of the metrics of :mod:`minigrad.nn.metrics`."""
    for mode, names in (("min", "loss"), ("max", r"accuracy|mAP|top\d+")):
        if re.search(rf"(^|_)({names})$", monitor):
            return mode
    raise ValueError(f"EarlyStopping: is less or more of {monitor!r} better? The name does not say it: give mode='min' or mode='max'")


class ClipGradNorm(Callback):
    """Call :func:`minigrad.nn.utils.clip_grad_norm_` before each step. ``norm`` is the last norm before clipping."""

    def __init__(self, max_norm: float, norm_type: float = 2.0):
        check("ClipGradNorm", locals(), max_norm="0 or above, or infinite", norm_type="not NaN")
        self.max_norm, self.norm_type, self.norm = max_norm, norm_type, float("nan")

    def after_backward(self, run: Run) -> None:
        self.norm = float(clip_grad_norm_(run.model.parameters(), self.max_norm, self.norm_type))


class ClipGradValue(Callback):
    """Call :func:`minigrad.nn.utils.clip_grad_value_` before each step."""

    def __init__(self, clip_value: float):
        check("ClipGradValue", locals(), clip_value="0 or above, or infinite")
        self.clip_value = clip_value

    def after_backward(self, run: Run) -> None:
        clip_grad_value_(run.model.parameters(), self.clip_value)


class EMA(Callback):
    """An exponential moving average of the weights and the batch norms' statistics, updated after each step and used for validation.

    Args:
        decay: of the average, 0.999 or so.

    After a run, ``average`` is the :class:`minigrad.nn.optim.swa_utils.AveragedModel`, in evaluation mode; ``average.module`` the model in it.
    """

    def __init__(self, decay: float = 0.999):
        check("EMA", locals(), decay="from 0 to 1")
        self.decay = decay
        self._function = get_ema_avg_fn(decay)
        self.average: Any = None

    def begin(self, run: Run) -> None:
        self.average = run.evaluated = AveragedModel(run.model, avg_fn=self._function, use_buffers=True)
        self.average.eval()

    def after_step(self, run: Run) -> None:
        self.average.update_parameters(run.model)

    def state_dict(self) -> dict[str, Any]:
        return self.average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average.load_state_dict(state_dict)


class Log(Callback):
    """Write the history to a file after each epoch: a table (``.csv``) or one JSON object per line (``.jsonl``).

    The whole file is written again each time, and replaces the old one only when it is complete. So it is never truncated, and after
    resuming it holds exactly the run's history, without repeated epochs. A table has no column for values that are not numbers or text
    (a confusion matrix); in JSON a number that is not finite is ``null``.

    Raises:
        FileNotFoundError: (when the run begins) there is no such folder.
        TypeError: (in the run) JSON has no such value.
        ValueError: another file extension.
    """

    def __init__(self, path: str | os.PathLike[str]):
        check("Log", locals(), path="a path")
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"Log: the name of the file ends in .csv or .jsonl, not {self.path.name!r}")

    def begin(self, run: Run) -> None:
        if run.rank == 0 and not self.path.parent.is_dir():
            raise FileNotFoundError(f"Log: {os.fspath(self.path)!r}: there is no folder {os.fspath(self.path.parent)!r}")

    def after_epoch(self, run: Run) -> None:
        if run.rank != 0:
            return
        with whole_file(self.path) as file:
            file.write((_table if self.path.suffix == ".csv" else _lines)(run.history).encode())


class TensorBoard(Callback):
    """Write the run into event files for TensorBoard, by a :class:`minigrad.nn.tensorboard.SummaryWriter`.

    Curves: ``loss/step`` and ``lr`` over steps; ``loss/train`` and ``loss/val``, and the same of each metric that is a number, over epochs, at
    the step with which the epoch ended.

    Args:
        log_dir: the folder (default: ``runs/`` with date and machine); or a ``SummaryWriter``, which the callback does not close.
        every: write the loss and the learning rate of every so many steps.
        histograms: after each epoch also the distributions of the parameters and of the gradients of the last step.
        graph: an input of the model, or a tuple of them: also the graph.

    A run that is resumed from a checkpoint goes on in the same folder: what was written after the checkpoint is hidden and written again.

    Raises ``ImportError`` (in the run) if tensorboardX is not installed: ``pip install "minigrad-nn[tensorboard]"``.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] | SummaryWriter | None = None, every: int = 1, histograms: bool = False, graph: Any = None
    ):
        check("TensorBoard", locals(), every=1, histograms=bool)
        if log_dir is not None and not isinstance(log_dir, SummaryWriter):
            check("TensorBoard", locals(), log_dir="a path")
        self.log_dir, self.every, self.histograms, self.graph = log_dir, every, histograms, graph
        self.writer: SummaryWriter | None = None

    def begin(self, run: Run) -> None:
        self.end(run)  # the writer of a run that was interrupted: this one may begin at an earlier step

    def _open(self, run: Run, step: int) -> SummaryWriter:
        """The writer: opened when there is something to write, for then it is known at which step a resumed run began."""
        if self.writer is None:
            given = self.log_dir
            self.writer = given if isinstance(given, SummaryWriter) else SummaryWriter(given, purge_step=step if step > 1 else None)
            if self.graph is not None:
                self.writer.add_graph(run.model, self.graph)
        return self.writer

    def after_step(self, run: Run) -> None:
        if run.rank != 0:
            return
        writer = self._open(run, run.step)
        if run.step % self.every == 0:
            writer.add_scalar("loss/step", run.loss, run.step)
            writer.add_scalar("lr", run.optimizer.param_groups[0]["lr"], run.step)

    def after_epoch(self, run: Run) -> None:
        if run.rank != 0:
            return
        writer = self._open(run, run.step)
        for name, value in run.logs.items():
            if isinstance(value, (int, float)) and name not in ("epoch", "step", "lr", "seconds"):
                part = f"{name.removeprefix('val_')}/val" if name.startswith("val_") else f"{name}/train"
                writer.add_scalar(part, value, run.step)
        if self.histograms:
            for name, member in run.model.named_parameters():
                p = inside(member)
                for what, tensor in (("weights", p), ("gradients", p.grad)):
                    if tensor is not None and tensor.numel() and bool(np.isfinite(tensor._data).all()):
                        writer.add_histogram(f"{what}/{name}", tensor, run.step)
        writer.flush()

    def end(self, run: Run) -> None:
        if self.writer is not None and self.writer is not self.log_dir:
            self.writer.close()
        self.writer = None


def _table(history: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for logs in history for name, value in logs.items() if isinstance(value, (int, float, str))))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return file.getvalue()


def _lines(history: list[dict[str, Any]]) -> str:
    def finite(value: Any) -> Any:
        if not isinstance(value, (int, float, str, type(None))):
            raise TypeError(
                f"Log: a value of an epoch is a {type(value).__name__}, which JSON cannot hold; put numbers, text or lists of them into run.logs"
            )
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return "".join(json.dumps(tree_map(finite, logs), allow_nan=False) + "\n" for logs in history)


# --------------------------------------------------------------------------------------------------------- details


def _is(thing: Any) -> str:
    """A description of an argument, for a message."""
    return f"the class {thing.__name__}; make one: {thing.__name__}(...)" if isinstance(thing, type) else type(thing).__name__


def _check_model(name: str, model: Any) -> None:
    if isinstance(model, type) or not callable(model):
        raise TypeError(f"{name}: the model is a Module, not {_is(model)}")


def _check_function(name: str, what: str, function: Any) -> None:
    if isinstance(function, type) or not callable(function):
        takes = "(outputs, targets), e.g. nn.CrossEntropyLoss()" if what == "loss" else "(model, batch) that returns (outputs, targets)"
        shown = repr(function) if isinstance(function, str) else _is(function)
        raise TypeError(f"{name}: {what} is a function of {takes}, not {shown}")


def _check_loader(name: str, what: str, loader: Any, again: bool = False, pairs: bool = True) -> None:
    """Refuse what is no iterable of batches. ``again``: whether it is iterated more than once; ``pairs``: whether each has targets."""
    from minigrad.nn.data.dataset import Dataset, IterableDataset  # imported only if needed

    advice = "DataLoader(dataset, batch_size=64) makes batches of a dataset, and TensorDataset(x, y) a dataset of arrays"
    single = isinstance(loader, Dataset) and not isinstance(loader, IterableDataset)
    if single or hasattr(loader, "shape") or isinstance(loader, (str, Mapping)) or not hasattr(loader, "__iter__"):
        raise TypeError(f"{name}: {what} is an iterable of batches, not {_is(loader)}; {advice}")
    if pairs and isinstance(loader, (tuple, list)) and len(loader) == 2 and all(hasattr(part, "shape") for part in loader):
        raise TypeError(f"{name}: {what} is an iterable of batches (inputs, targets), not one pair of arrays; {advice}")
    if isinstance(loader, type):
        raise TypeError(f"{name}: {what} is an iterable of batches, not {_is(loader)}")
    if hasattr(loader, "__len__") and _length(loader) == 0:
        raise ValueError(_no_batch(name, what, loader, 1))
    if again and (isinstance(loader, Generator) or (isinstance(loader, Iterator) and type(loader).__module__ in ("builtins", "itertools"))):
        raise ValueError(
            f"{name}: {what} is a {type(loader).__name__}, which is used up after one epoch, and there are more; give a DataLoader or a list"
        )


def _length(loader: Any) -> int | None:
    """The number of batches, or None if it is unknown: a DataLoader of a stream has no length."""
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None


def _no_batch(name: str, what: str, loader: Any, epoch: int) -> str:
    if epoch > 1 or isinstance(loader, Iterator):
        return (
            f"{name}: {what} gave no batch{f' in epoch {epoch}' if name == 'fit' else ''}: "
            f"the {type(loader).__name__} is used up; give a DataLoader or a list"
        )
    why = " (drop_last drops the only batch)" if getattr(loader, "drop_last", False) else ""
    return f"{name}: {what} gave no batch: the {type(loader).__name__} is empty{why}"


def _check_arguments(
    model: Any,
    loader: Any,
    loss: Any,
    optimizer: Any,
    epochs: Any,
    validation: Any,
    scheduler: Any,
    callbacks: Any,
    forward: Any,
    name: str = "fit",
) -> None:
    """Raise for the first wrong argument."""
    if not isinstance(model, Module):
        raise TypeError(f"{name}: the model is a Module, not {_is(model)}")
    whole(name, "epochs", epochs, 1)
    _check_loader(name, "loader", loader, again=epochs > 1)
    _check_function(name, "loss", loss)
    if isinstance(optimizer, type) or not all(hasattr(optimizer, part) for part in ("step", "zero_grad", "param_groups")):
        raise TypeError(f"{name}: optimizer is an optimizer, e.g. nn.optim.Adam(model.parameters()), not {_is(optimizer)}")
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = {id(p): p for p in model.parameters()}
    if not trained & set(own):
        raise ValueError(
            f"{name}: the {type(optimizer).__name__} holds none of the {len(own)} parameters of the model, so that nothing would be learned; "
            "make it of this model: model.parameters()"
        )
    if not any(own[i].requires_grad for i in trained & set(own)):
        raise ValueError(
            f"{name}: none of the model's parameters that the optimizer holds requires a gradient; model.requires_grad_() lets them learn"
        )
    if isinstance(optimizer, LBFGS):
        raise TypeError(
            f"{name}: LBFGS calls the model several times a step, by a closure; write the loop by hand: optimizer.step(closure)"
        )
    if validation is not None:
        _check_loader(name, "validation", validation, again=epochs > 1)
    if scheduler is not None:
        if isinstance(scheduler, type) or not hasattr(scheduler, "step"):
            raise TypeError(f"{name}: scheduler is a scheduler of the learning rate, e.g. StepLR(optimizer, 10), not {_is(scheduler)}")
        if getattr(scheduler, "optimizer", optimizer) is not optimizer:
            raise ValueError(
                f"{name}: the scheduler is that of another optimizer, so that the learning rate would never change; make it of this one"
            )
        if isinstance(scheduler, ReduceLROnPlateau) and scheduler.mode == "max":
            raise ValueError(f"{name}: ReduceLROnPlateau(mode='max') waits for a value to rise, but it is given the loss; say mode='min'")
    _check_callbacks(callbacks)
    _check_function(name, "forward", forward)


def _check_cycle(scheduler: Any, per: str, epochs: int, accumulate: int, loader: Any) -> None:
    """Refuse a cycle over as many steps as the optimizer takes, of which one is made per epoch: the rate would stay where it begins."""
    total, batches = getattr(scheduler, "total_steps", None), _length(loader)
    if total is None or batches is None or per != "epoch":
        return
    steps = epochs * math.ceil(batches / accumulate)
    if epochs < total == steps:
        raise ValueError(
            f"fit: the {type(scheduler).__name__} has total_steps={total}, which are the steps of the optimizer, but it steps once in each of the {epochs} "
            f"epochs; say scheduler_per='step', or total_steps={epochs}"
        )


def _check_callbacks(callbacks: Any) -> None:
    moments = ("begin", "after_backward", "after_step", "after_epoch", "end")
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"fit: callbacks is a list of Callbacks, not {_is(callbacks)}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: a callback is an object of a class that derives from nn.training.Callback, not {_is(callback)}")
        if all(getattr(type(callback), moment) is getattr(Callback, moment) for moment in moments):
            raise ValueError(f"fit: the callback {type(callback).__name__} would never be called: it has none of {', '.join(moments)}")


def _check_files(checkpoint: Any, checkpoint_every: Any, loader: Any) -> None:
    check("fit", locals(), "checkpoint checkpoint_every", checkpoint="a path", checkpoint_every=1)
    if checkpoint is not None:
        path = Path(checkpoint)
        if path.is_dir():
            raise IsADirectoryError(f"fit: checkpoint={os.fspath(checkpoint)!r} is a folder; give the name of a file")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"fit: checkpoint={os.fspath(checkpoint)!r}: there is no folder {os.fspath(path.parent)!r}")
    if checkpoint_every is not None:
        if checkpoint is None:
            raise ValueError(f"fit: checkpoint_every={checkpoint_every} goes with checkpoint=PATH")
        if not hasattr(loader, "state_dict"):
            raise ValueError("fit: to be resumed within an epoch (checkpoint_every) the loader needs state_dict(), as a DataLoader has")


def _check_metrics(name: str, metrics: Any) -> list[Metric]:
    metrics = [metrics] if isinstance(metrics, (Metric, str)) else metrics  # one, without brackets
    if not isinstance(metrics, (list, tuple)):
        raise TypeError(f"{name}: metrics is a list of Metrics or names, not {_is(metrics)}")
    found: list[Metric] = [named(m) if isinstance(m, str) else m for m in metrics]
    for metric in found:
        if isinstance(metric, type) or not all(hasattr(metric, part) for part in ("name", "reset", "update", "compute", "state_dict")):
            raise TypeError(f'{name}: a metric is a Metric, e.g. nn.metrics.Accuracy(), or a name, "accuracy", not {_is(metric)}')
    names = ["loss", *(m.name for m in found)]
    if len(set(names)) < len(names):
        raise ValueError(
            f"{name}: metrics need names of their own (Accuracy(name=...)), but with the loss they are called {', '.join(names)}"
        )
    return found


def _pair(given: Any) -> tuple[Any, Any]:
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return given[0], given[1]
    what = f"{type(given).__name__} of {len(given)}" if isinstance(given, (tuple, list)) else type(given).__name__
    raise TypeError(f"forward: it returns a pair (outputs, targets), not {what}")


def _check_loss(name: str, value: Any) -> Any:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: the loss function returned {type(value).__name__}; it returns a Tensor, the mean over a batch")
    if value.numel() != 1:
        raise ShapeError(
            f"{name}: the loss is one number, the mean over a batch, but its shape is {tuple(value.shape)}; "
            "use reduction='mean', or .mean()"
        )
    return value


def _computed(metric: Metric) -> Any:
    value = _plain(metric.compute())

    def numbers(value: Any) -> bool:
        return all(map(numbers, value)) if isinstance(value, list) else isinstance(value, (int, float))

    if not numbers(value):
        raise TypeError(f"metrics: {metric.name!r} computed {value!r}; it computes a number, or an array or list of numbers")
    return value


def _options(part: Any) -> Any:
    """The class name of an optimizer or scheduler and its options by name, for :func:`_check_options`."""
    if not hasattr(part, "state_dict"):
        return ["None" if part is None else type(part).__name__, {}]
    if not hasattr(part, "param_groups"):
        return [type(part).__name__, dict(part.state_dict())]
    groups = part.state_dict()["param_groups"]
    return [type(part).__name__, {f"{k}{f' of group {i}' * (len(groups) > 1)}": v for i, g in enumerate(groups) for k, v in g.items()}]


def _check_options(path: Any, options: dict[str, Any], state: dict[str, Any]) -> None:
    """Require the options at the start of the run or, for objects that continue in the same process, those when the file was written."""
    path = os.fspath(path)
    rest = f"; to go on with its weights alone: model.load_state_dict(nn.load({path!r})['model']), and another checkpoint"
    for what, (kind, _) in options.items():
        begun = state["begun with"][what][0]
        if kind != begun:
            raise ValueError(f"fit: {path} is the checkpoint of a run with the {what} {begun}, and this run has {kind}{rest}")
    for what, (kind, own) in options.items():
        begun, now = state["begun with"][what][1], state["now"][what][1]
        name = next(iter(_differing(own, begun)), None)
        if name is not None and _differing(own, now):
            a, b = (_plain(there.get(name, "not set")) for there in (begun, own))
            raise ValueError(f"fit: {path} is the checkpoint of a run whose {kind} has {name}={a}, and this run's has {b}{rest}")


def _differing(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return [name for name in {**a, **b} if name not in a or name not in b or repr(_nested(a[name])) != repr(_nested(b[name]))]


def _nested(value: Any) -> Any:
    """Nested plain data with tuples as lists, because a file does not always distinguish the two."""
    if isinstance(value, Mapping):
        return {key: _nested(v) for key, v in value.items()}
    return [_nested(v) for v in value] if isinstance(value, (list, tuple)) else _plain(value)


def _resumed(path: Any, run: Run, within: bool) -> str:
    path = os.fspath(path)
    if run.stop:
        return f"fit: {path} holds a run that was stopped after epoch {len(run.history)}; nothing is trained; give another checkpoint to begin anew"
    if run.epoch > run.epochs:
        done = f"{path} holds a run that has ended, after epoch {len(run.history)}"
        return f"fit: {done}; nothing is trained; ask for more epochs, or give another checkpoint to begin anew"
    return f"fit: goes on from {path}, {'within' if within else 'at the start of'} epoch {run.epoch} of {run.epochs}, after step {run.step}"


def _check_same(path: Any, what: str, state: dict[str, Any], here: list[str]) -> None:
    there = [name for name, _ in state[what]]
    if there != here:
        raise ValueError(f"fit: {os.fspath(path)} is the checkpoint of a run with the {what} {there}, and this run has {here}")


def _without_parameters(name: str = "fit") -> ValueError:
    return ValueError(
        f"{name}: the loss depends on no parameter that requires a gradient: the loss function or forward takes the outputs out of the graph "
        "(.detach(), .item(), .numpy(), no_grad), or does not use them"
    )


def _check_replaced(run: Run) -> None:
    """Refuse an optimizer with parameters that the model has no more, and without those which took their place: only the gradients tell."""
    held = {id(p): p for group in run.optimizer.param_groups for p in map(inside, group["params"])}
    own = {id(inside(p)) for p in run.model.parameters()}
    if all(i in own or p._grad is not None for i, p in held.items()):
        return  # others that have a gradient are those of the loss, or of a model that forward calls too
    missing = [name for name, p in run.model.named_parameters() if id(inside(p)) not in held and inside(p)._grad is not None]
    if missing:
        raise ValueError(
            f"fit: the {type(run.optimizer).__name__} holds parameters that are not in the model and get no gradient, and does not hold "
            f"{', '.join(missing)}, which do get one. If a layer was replaced after the optimizer was made, make the optimizer again"
        )


def _check_parameters(run: Run) -> None:
    """Raise unless all parameters that the optimizer changes are finite."""
    held = {id(inside(p)) for group in run.optimizer.param_groups for p in group["params"]}
    bad = [name for name, p in run.model.named_parameters() if id(inside(p)) in held and not np.isfinite(inside(p)._data).all()]
    if bad:
        raise FloatingPointError(
            f"fit: after step {run.step} (epoch {run.epoch}) the parameters {', '.join(bad)} are not finite, although the loss was ({run.loss:.6g}): "
            "its gradient is not (sqrt, log or a norm at 0?), or the step is too large; a smaller learning rate or ClipGradNorm may help"
        )


def _check_step(value: Any, run: Run) -> None:
    """Raise unless the loss is finite and depends on a parameter."""
    if not value.requires_grad:
        raise _without_parameters()
    number = value.item()
    if math.isfinite(number):
        return
    sizes = {name: float(np.abs(inside(p)._data).max()) for name, p in run.model.named_parameters() if p.numel()}
    bad = [name for name, size in sizes.items() if not math.isfinite(size)]
    if bad:
        why = f"not finite any more are the parameters {', '.join(bad)}: a smaller learning rate or ClipGradNorm may help"
    else:
        name, size = max(sizes.items(), key=lambda item: item[1], default=("none", 0.0))
        why = f"all parameters are finite, the largest {size:.3g} in {name}; if that is as usual, look at this batch and at the loss"
    raise FloatingPointError(f"fit: the loss is {number} at step {run.step + 1} (epoch {run.epoch}); {why}")


def _step_scheduler(scheduler: Any, value: float) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(value)
    else:
        scheduler.step()


def _batch_size(targets: Any, batch: Any) -> int:
    """The number of samples: of dicts or lists in a list one each, else the first dimension of the targets; of the batch where there are none."""
    if isinstance(targets, list) and targets and all(isinstance(part, (Mapping, list, tuple)) for part in targets):
        return len(targets)
    shapes = [shape for x in leaves(targets) if (shape := getattr(x, "shape", None)) is not None]
    if not shapes and targets is not batch:
        return _batch_size(batch, batch)
    return shapes[0][0] if shapes and len(shapes[0]) else 1


def _nothing(_: Any) -> None:
    return None


def _with_parts(thing: Any) -> str:
    """What a batch or a result is, with its keys, length or shape."""
    what = type(thing).__name__
    if isinstance(thing, Mapping) and thing:
        return f"{what} with the key{'s' * (len(thing) > 1)} {', '.join(map(repr, thing))}"
    if isinstance(thing, (tuple, list)):
        return f"{what} of {len(thing)}"
    return f"{what} of shape {tuple(thing.shape)}" if hasattr(thing, "shape") else what


def _plain(value: Any) -> Any:
    """A number or nested lists of numbers, for logs and checkpoints."""
    value = unwrapped(value)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _bar(loader: Iterable[Any], title: str, mean: Mean, progress: bool) -> Iterator[Any]:
    """The batches, with a progress bar on a terminal or in a notebook."""
    shown = bar(total=_length(loader), desc=title, unit="batch", leave=False) if progress else None
    if shown is None:
        yield from loader
        return
    with shown:
        for batch in loader:
            yield batch
            shown.set_postfix(loss=f"{mean.compute():.4f}", refresh=False)
            shown.update()


def _line(run: Run) -> str:
    width = len(str(run.epochs))
    numbers = [f"{name} {value:.4f}" for name, value in run.logs.items() if isinstance(value, float) and name not in ("lr", "seconds")]
    return "  ".join([f"epoch {run.epoch:{width}}/{run.epochs}", *numbers, f"{run.logs['seconds']:.1f} s"])
