"""A training loop: :func:`fit`, and what can be hung into it.

It is a function of the things that a loop written by hand has, model, loader, loss, optimizer, and the loop inside is the usual one; one that
needs another is written by hand, and the metrics, :func:`evaluate` and a loader's ``state_dict()`` serve there as well. Everything
beyond the loop is a :class:`Callback`: there is no class to derive from, nor a model that has to be of a kind.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.calls import in_mode
from minigrad.engine import ShapeError, no_grad
from minigrad.files.atomic import whole_file
from minigrad.files.checkpoint import load, save
from minigrad.nn.metrics import Mean, Metric
from minigrad.nn.module import Module
from minigrad.nn.optim.lr_scheduler import ReduceLROnPlateau
from minigrad.nn.optim.swa_utils import AveragedModel, get_ema_avg_fn
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_
from minigrad.random import get_rng_state, set_rng_state
from minigrad.tree import leaves, tree_map, unwrapped

Forward = Callable[[Any, Any], tuple[Any, Any]]


def call_on_pair(model: Any, batch: Any) -> tuple[Any, Any]:
    """``inputs, targets = batch``: the model's outputs of the inputs, and the targets."""
    inputs, targets = batch
    return model(inputs), targets


class Run:
    """A run of :func:`fit`, as its callbacks see it.

    =====================  ==================================================================================
    ``model``              and ``optimizer``, ``scheduler``: what :func:`fit` was given
    ``evaluated``          the model that is evaluated: ``model``, unless a callback puts another one here
    ``epochs``             how many there will be
    ``epoch``              the present one, from 1
    ``step``               steps of the optimizer so far
    ``logs``               what is known of the present epoch: ``loss``, metrics, ``val_loss``, ...
    ``history``            the logs of the epochs before; after an epoch its own are the last
    ``stop``               a callback sets this to end the run after the epoch
    =====================  ==================================================================================
    """

    def __init__(self, model: Module, optimizer: Any, scheduler: Any, epochs: int):
        self.model, self.optimizer, self.scheduler, self.epochs = model, optimizer, scheduler, epochs
        self.evaluated: Any = model
        self.epoch, self.step, self.stop = 1, 0, False
        self.logs: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []


class Callback:
    """Base of what is hung into :func:`fit`. A subclass writes the methods that it needs.

    What it has to remember for a run to be resumed goes into ``state_dict``: plain data, arrays and Tensors.

    >>> from minigrad import nn
    >>> class Report(nn.training.Callback):
    ...     def after_epoch(self, run):
    ...         print(run.epoch, sorted(run.logs))
    """

    def begin(self, run: Run) -> None:
        """Before the first epoch, or the first after resuming (but before the checkpoint is read)."""

    def after_backward(self, run: Run) -> None:
        """The gradients are there, and the optimizer has not used them."""

    def after_step(self, run: Run) -> None:
        """The parameters have their new values."""

    def after_epoch(self, run: Run) -> None:
        """After validation."""

    def end(self, run: Run) -> None:
        """After the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""


def fit(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Any,
    *,
    epochs: int,
    validation: Iterable[Any] | None = None,
    metrics: Sequence[Metric] = (),
    scheduler: Any = None,
    scheduler_per: str = "epoch",
    callbacks: Sequence[Callback] = (),
    forward: Forward = call_on_pair,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train a model.

    Args:
        model: is in training mode for an epoch, and in evaluation mode for ``validation`` and afterwards.
        loader: batches, e.g. a :class:`minigrad.nn.data.DataLoader`.
        loss: ``loss(outputs, targets)``, the mean over a batch.
        optimizer: its ``step()`` takes no closure.
        epochs: passes over ``loader``, those before a checkpoint included.
        validation: batches to evaluate on after each epoch.
        metrics: see :mod:`minigrad.nn.metrics`; in training mode for the training batches. Afterwards they hold what they gathered last.
        scheduler: of the learning rate. One that follows a metric (``ReduceLROnPlateau``) is told ``val_loss``, or ``loss``.
        scheduler_per: ``"epoch"`` or ``"step"``: when the scheduler steps.
        callbacks: :class:`EarlyStopping`, :class:`ClipGradNorm`, :class:`EMA`, :class:`Log`, or a :class:`Callback` of yours, in order.
        forward: ``(model, batch) -> (outputs, targets)``, for batches that are not ``(inputs, targets)``.
        checkpoint: a file that is written after each epoch, whole or not at all. If it is there, the run goes on from it, and ends bit for bit
            like one that was never interrupted, provided that everything random comes from minigrad's generator.
        checkpoint_every: write it after so many steps as well. The loader needs ``state_dict()``.
        progress: a line for each epoch, and on a terminal, if tqdm is installed, a bar.

    Returns the logs of all epochs: ``epoch``, ``step``, ``lr``, ``loss`` (the mean over samples), the metrics, the same with ``val_``, ``seconds``.

    Raises:
        FloatingPointError: the loss is not finite; says at which step and what else is not. The step is not taken.
        ValueError: metrics of one name, or a checkpoint of a run with other callbacks or metrics.

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
    if scheduler_per not in ("epoch", "step"):
        raise ValueError(f'fit: scheduler_per is "epoch" or "step", not {scheduler_per!r}')
    if checkpoint_every is not None:
        if checkpoint is None or checkpoint_every < 1:
            raise ValueError(f"fit: checkpoint_every={checkpoint_every} is a positive number of steps, and goes with checkpoint=PATH")
        if not hasattr(loader, "state_dict"):
            raise ValueError("fit: to be resumed within an epoch (checkpoint_every) the loader needs state_dict(), as a DataLoader has")
    _check_names(metrics)
    mean = Mean("loss")
    run = Run(model, optimizer, scheduler, epochs)
    for callback in callbacks:
        callback.begin(run)

    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader, "validation": validation}
    stateful: dict[str, Any] = {name: part for name, part in parts.items() if hasattr(part, "state_dict")}
    gathered: list[Metric] = [mean, *metrics]

    def write(within: bool) -> None:
        if checkpoint is not None:
            state: dict[str, Any] = {name: thing.state_dict() for name, thing in stateful.items()}
            state["metrics"] = [[m.name, m.state_dict()] for m in gathered]
            state["callbacks"] = [[type(c).__name__, c.state_dict()] for c in callbacks]
            state["run"] = {"epoch": run.epoch, "step": run.step, "stop": run.stop, "history": run.history, "within": within}
            state["rng"] = get_rng_state()
            save(state, checkpoint)

    within = False
    if checkpoint is not None and os.path.exists(checkpoint):
        state = load(checkpoint)
        if not isinstance(state, dict) or not {*stateful, "run", "metrics", "callbacks", "rng"} <= set(state):
            raise ValueError(
                f"fit: {os.fspath(checkpoint)} is not the checkpoint of such a run: it was not written by fit with these arguments"
            )
        _check_same(checkpoint, "metrics", state, [m.name for m in gathered])
        _check_same(checkpoint, "callbacks", state, [type(c).__name__ for c in callbacks])
        for name, thing in stateful.items():
            thing.load_state_dict(state[name])
        for metric, (_, saved) in zip(gathered, state["metrics"], strict=True):
            metric.load_state_dict(saved)
        for callback, (_, saved) in zip(callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        run.epoch, run.step, run.stop, run.history, within = (state["run"][k] for k in ("epoch", "step", "stop", "history", "within"))
        set_rng_state(state["rng"])

    while run.epoch <= epochs and not run.stop:
        started = time.perf_counter()
        model.train()
        if not within:
            for metric in gathered:
                metric.reset()
        within = False
        with closing(_bar(loader, f"epoch {run.epoch}/{epochs}", mean, progress)) as batches:  # type: ignore[type-var]
            for batch in batches:
                outputs, targets = forward(model, batch)
                value = loss(outputs, targets)
                _check_finite(value, run)
                optimizer.zero_grad()
                value.backward()
                for callback in callbacks:
                    callback.after_backward(run)
                optimizer.step()
                run.step += 1
                for callback in callbacks:
                    callback.after_step(run)
                if scheduler is not None and scheduler_per == "step":
                    _step_scheduler(scheduler, value.item())
                mean.update(value, _batch_size(targets))
                for metric in metrics:
                    metric.update(outputs, targets)
                if checkpoint_every and run.step % checkpoint_every == 0:
                    write(within=True)
        run.logs = {"epoch": run.epoch, "step": run.step, "lr": float(optimizer.param_groups[0]["lr"])}
        run.logs |= {m.name: _plain(m.compute()) for m in gathered}
        if validation is not None:
            found = evaluate(run.evaluated, validation, loss, metrics, forward)
            run.logs |= {f"val_{name}": value for name, value in found.items()}
        run.logs["seconds"] = round(time.perf_counter() - started, 3)
        if scheduler is not None and scheduler_per == "epoch":
            _step_scheduler(scheduler, run.logs["loss" if validation is None else "val_loss"])
        run.history.append(run.logs)
        for callback in callbacks:
            callback.after_epoch(run)
        if progress:
            print(_line(run), flush=True)
        run.epoch += 1
        write(within=False)
    for callback in callbacks:
        callback.end(run)
    model.eval()
    return run.history


def evaluate(
    model: Any,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any] | None = None,
    metrics: Sequence[Metric] = (),
    forward: Forward = call_on_pair,
) -> dict[str, Any]:
    """The mean loss over the samples of ``loader``, and the metrics, by name; in evaluation mode and without gradients.

    The model is in the mode afterwards that it was in before. The metrics are reset first.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.evaluate(nn.Identity(), [(mg.tensor([[1.0, 0.0]]), mg.tensor([0]))], metrics=[nn.metrics.Accuracy()])
    {'accuracy': 1.0}
    """
    _check_names(metrics)
    mean = Mean("loss")
    for metric in metrics:
        metric.reset()
    with in_mode(model, training=False) if isinstance(model, Module) else nullcontext(), no_grad():
        for batch in loader:
            outputs, targets = forward(model, batch)
            if loss is not None:
                mean.update(loss(outputs, targets), _batch_size(targets))
            for metric in metrics:
                metric.update(outputs, targets)
    return ({} if loss is None else {"loss": mean.compute()}) | {m.name: _plain(m.compute()) for m in metrics}


# ------------------------------------------------------------------------------------------------------ callbacks


class EarlyStopping(Callback):
    """End the run when a value has not improved for some epochs.

    Args:
        monitor: the value's name in the logs; default: ``val_loss``, or ``loss`` where there is no validation.
        patience: epochs without improvement after which the run ends.
        min_delta: an improvement is a change by more than this.
        mode: ``"min"`` or ``"max"``: which is better; default: ``"min"`` for a name that ends in ``loss``, else ``"max"``.
        restore_best: give the model the weights of its best epoch in the end.

    After a run ``best`` is the best value and ``best_epoch`` its epoch. A value that is NaN is no improvement.

    Raises:
        KeyError: (in the run) there is no such value.

    >>> from minigrad import nn
    >>> nn.training.EarlyStopping("val_accuracy", patience=3).mode
    'max'
    """

    def __init__(
        self, monitor: str | None = None, patience: int = 5, min_delta: float = 0.0, mode: str | None = None, restore_best: bool = True
    ):
        if mode not in (None, "min", "max"):
            raise ValueError(f'EarlyStopping: mode is "min" or "max", not {mode!r}')
        if patience < 1 or min_delta < 0:
            raise ValueError(f"EarlyStopping: patience is positive and min_delta not negative, but they are {patience} and {min_delta}")
        self.monitor, self.patience, self.min_delta, self.restore_best = monitor, patience, min_delta, restore_best
        self.mode = mode or ("min" if monitor is None or monitor.endswith("loss") else "max")
        self.best: float | None = None
        self.best_epoch, self.waited, self.weights = 0, 0, None

    def after_epoch(self, run: Run) -> None:
        name = self.monitor or ("val_loss" if "val_loss" in run.logs else "loss")
        if name not in run.logs:
            raise KeyError(f"EarlyStopping: there is no {name!r} among the values of an epoch: {', '.join(run.logs)}")
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


class ClipGradNorm(Callback):
    """Scale the gradients down where their norm is larger: :func:`minigrad.nn.utils.clip_grad_norm_` before each step. ``norm`` is the last."""

    def __init__(self, max_norm: float, norm_type: float = 2.0):
        self.max_norm, self.norm_type, self.norm = max_norm, norm_type, float("nan")

    def after_backward(self, run: Run) -> None:
        self.norm = float(clip_grad_norm_(run.model.parameters(), self.max_norm, self.norm_type))


class ClipGradValue(Callback):
    """Keep each element of the gradients within bounds: :func:`minigrad.nn.utils.clip_grad_value_` before each step."""

    def __init__(self, clip_value: float):
        self.clip_value = clip_value

    def after_backward(self, run: Run) -> None:
        clip_grad_value_(run.model.parameters(), self.clip_value)


class EMA(Callback):
    """An exponential moving average of the weights and of the statistics of norms, taken after each step; it is what is evaluated.

    Args:
        decay: of the average, 0.999 or so.

    After a run, ``average`` is the :class:`minigrad.nn.optim.swa_utils.AveragedModel`, in evaluation mode; ``average.module`` the model in it.
    """

    def __init__(self, decay: float = 0.999):
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
    """Write the history to a file after each epoch: a table (``.csv``) or a JSON object a line (``.jsonl``).

    The file is written anew each time, under its name only when it is complete. So it is never cut short, and after resuming it has what
    the run's history has, no epoch twice. In a table what is not a number or text has no column (a confusion matrix); in JSON a number
    that is not finite is ``null``.

    Raises:
        ValueError: a name with another ending.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"Log: the name of the file ends in .csv or .jsonl, not {self.path.name!r}")

    def after_epoch(self, run: Run) -> None:
        with whole_file(self.path) as file:
            file.write((_table if self.path.suffix == ".csv" else _lines)(run.history).encode())


def _table(history: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for logs in history for name, value in logs.items() if isinstance(value, (int, float, str))))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return file.getvalue()


def _lines(history: list[dict[str, Any]]) -> str:
    def finite(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return "".join(json.dumps(tree_map(finite, logs), allow_nan=False) + "\n" for logs in history)


# --------------------------------------------------------------------------------------------------------- details


def _check_names(metrics: Sequence[Metric]) -> None:
    names = ["loss", *(m.name for m in metrics)]
    if len(set(names)) < len(names):
        raise ValueError(f"metrics need names of their own (Accuracy(name=...)), but with the loss they are called {', '.join(names)}")


def _check_same(path: Any, what: str, state: dict[str, Any], here: list[str]) -> None:
    there = [name for name, _ in state[what]]
    if there != here:
        raise ValueError(f"fit: {os.fspath(path)} is the checkpoint of a run with the {what} {there}, and this run has {here}")


def _check_finite(value: Any, run: Run) -> None:
    if value.numel() != 1:
        raise ShapeError(f"fit: the loss is a number, the mean over a batch, but its shape is {tuple(value.shape)}")
    number = value.item()
    if math.isfinite(number):
        return
    sizes = {name: float(np.abs(p._data).max()) for name, p in run.model.named_parameters() if p.numel()}
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


def _batch_size(targets: Any) -> int:
    shape = getattr(next(leaves(targets), None), "shape", (1,))
    return shape[0] if len(shape) else 1


def _plain(value: Any) -> Any:
    """A number or nested lists of numbers, for logs and checkpoints."""
    value = unwrapped(value)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _bar(loader: Iterable[Any], title: str, mean: Mean, progress: bool) -> Iterator[Any]:
    """The batches, with a bar for those who watch."""
    tqdm: Any = None
    if progress:
        with suppress(ImportError):
            from tqdm import tqdm
    if tqdm is None:
        yield from loader
        return
    with tqdm(loader, desc=title, unit="batch", leave=False, disable=None) as bar:
        for batch in bar:
            yield batch
            bar.set_postfix(loss=f"{mean.compute():.4f}", refresh=False)


def _line(run: Run) -> str:
    width = len(str(run.epochs))
    numbers = [f"{name} {value:.4f}" for name, value in run.logs.items() if isinstance(value, float) and name not in ("lr", "seconds")]
    return "  ".join([f"epoch {run.epoch:{width}}/{run.epochs}", *numbers, f"{run.logs['seconds']:.1f} s"])
