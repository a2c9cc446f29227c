"""Learning-rate schedules under PyTorch's names: ``torch.optim.lr_scheduler``.

Call a scheduler's ``step()`` after the optimiser's, once per epoch (or once per batch for the cyclic ones). Most schedules multiply the
current rate by a factor, so several can be used on one optimiser at the same time.

>>> import minigrad as mg
>>> from minigrad.nn import optim
>>> optimizer = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
>>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
>>> for epoch in range(4):
...     print(scheduler.get_last_lr())
...     optimizer.step()
...     scheduler.step()
[1.0]
[1.0]
[0.1]
[0.1]
"""

from __future__ import annotations

import math
import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minigrad import absent
from minigrad.engine import warn
from minigrad.nn.optim.optimizer import Optimizer
from minigrad.ops.arguments import check, number, shown, whole

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LRScheduler",
    "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


_FUNCTIONS = ("lr_lambdas", "_scale_fn_custom")  # attributes that hold the user's


def _saved(function: Any) -> Any:
    """What a state_dict has of a function, or of a list of them."""
    if isinstance(function, list):
        return [_saved(f) for f in function]
    return None if isinstance(function, types.FunctionType) or not hasattr(function, "__dict__") else dict(vars(function))


_EPOCH_GIVEN = "scheduler.step(epoch) is deprecated: step() counts the epochs itself"


def _checked(owner: LRScheduler, optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(owner).__name__}: optimizer must be an Optimizer, but is {shown(optimizer)}")
    return optimizer


@absent.answers_as("torch.optim.lr_scheduler.LRScheduler")
class LRScheduler:
    """Base of the schedulers: a subclass defines :meth:`get_lr`.

    Args:
        optimizer: the optimiser with the learning rates.
        last_epoch: -1 at the start; to resume without a ``state_dict``, the number of the last epoch.

    Attributes: ``last_epoch``, the number of steps so far; ``base_lrs``, the rates at the start.
    """

    _is_initial = False  # True while the constructor takes the step to epoch 0
    _get_lr_called_within_step = False  # what the get_lr of PyTorch's schedulers, and of users', look at

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer = _checked(self, optimizer)
        check(type(self).__name__, locals(), last_epoch=-1)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes a schedule, but param_groups[{i}] has no 'initial_lr'"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._get_lr_called_within_step = False
        self._start()

    def _start(self) -> None:
        """The step to epoch 0."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _restart(self) -> None:
        """Begin the schedule at its start again, from the optimiser's initial rates (for :class:`SequentialLR`)."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.last_epoch = -1
        count, self._is_initial = self._step_count, True
        try:
            self.step()
        finally:
            self._step_count, self._is_initial = count, False

    def get_lr(self) -> list[float]:
        """The rates of the groups at ``last_epoch``, usually computed from the present ones."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The learning rates after the last step."""
        return self._last_lr

    def _get_closed_form_lr(self) -> list[float]:
        """The rates at ``last_epoch``, from the base rates alone: those of ``step(epoch)``, which may jump. A subclass may define it."""
        return self.get_lr()

    def step(self, epoch: float | None = None) -> None:
        """Advance to the next epoch and set its rates; or jump to ``epoch``, with the warning that PyTorch gives for it."""
        if self._step_count == 1 and type(self.optimizer).step is Optimizer.step and not self.optimizer._step_count:
            warn("scheduler.step() was called before optimizer.step(): the first learning rate of the schedule is skipped")
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            self._set(self.get_lr)
        else:
            warn(_EPOCH_GIVEN)
            self.last_epoch = epoch  # type: ignore[assignment]  # an int but for scripts that jump to fractions
            self._set(self._get_closed_form_lr)

    def _set(self, rates: Callable[[], Iterable[float]]) -> None:
        self._get_lr_called_within_step = True
        try:
            found = rates()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, found, strict=True):
            group["lr"] = lr
        self._last_lr = self._current()

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The position and the settings of the schedule, as plain data. Of the user's functions only callable objects are in it, by their attributes."""
        return {k: _saved(v) if k in _FUNCTIONS else v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a :meth:`state_dict`, also one of PyTorch. Load the optimiser's too, which holds the rates."""
        for name, value in state_dict.items():
            if name not in _FUNCTIONS:
                self.__dict__[name] = value
                continue
            own = self.__dict__.get(name)
            for function, attributes in zip(own, value, strict=True) if isinstance(own, list) else [(own, value)]:
                if attributes is not None:
                    function.__dict__.update(attributes)

    def _per_group(self, name: str, value: Any) -> list[float]:
        """A setting for each group: one number for all, or a list."""
        n = len(self.optimizer.param_groups)
        for v in value if isinstance(value, (list, tuple)) else [value]:
            if not callable(v):  # the functions of a schedule are checked by their own rule
                number(type(self).__name__, name, v)
        if not isinstance(value, (list, tuple)):
            return [value] * n
        if len(value) != n:
            raise ValueError(f"{type(self).__name__}: {name} has {len(value)} values, the optimizer {n} parameter groups")
        return list(value)


class _Lambdas(LRScheduler):
    """A schedule made of functions of the epoch, one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1):
        self.optimizer = _checked(self, optimizer)
        for function in lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda]:
            check(type(self).__name__, {"lr_lambda": function}, lr_lambda="a function")
        self.lr_lambdas: list[Callable[[int], float]] = self._per_group("lr_lambda", lr_lambda)  # type: ignore[assignment]
        super().__init__(optimizer, last_epoch)


class LambdaLR(_Lambdas):
    """base_lr * lr_lambda(epoch): ``torch.optim.lr_scheduler.LambdaLR``. lr_lambda: a function, or one for each group."""

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``."""
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_Lambdas):
    """The rate times lr_lambda(epoch) at each step: ``torch.optim.lr_scheduler.MultiplicativeLR``."""

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``."""
        if self._is_initial:
            return self._current()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self._current(), strict=True)]


class _Factor(LRScheduler):
    """A schedule that multiplies the rates of all groups by :meth:`factor`."""

    def factor_at(self, epoch: float) -> float:
        """The factor on the rates at the step to ``epoch``."""
        raise NotImplementedError

    def factor_until(self, epoch: float) -> float:
        """The factor on the base rates at ``epoch``: the product of those of all steps to it."""
        raise NotImplementedError

    def _get_closed_form_lr(self) -> list[float]:
        factor = self.factor_until(self.last_epoch)
        return [base * factor for base in self.base_lrs]

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``."""
        factor = self.factor_at(self.last_epoch)
        return [lr * factor for lr in self._current()]


class StepLR(_Factor):
    """Times ``gamma`` every ``step_size`` epochs: ``torch.optim.lr_scheduler.StepLR``."""

    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1, last_epoch: int = -1):
        if isinstance(step_size, float) and step_size.is_integer():
            step_size = int(step_size)  # PyTorch takes any number, and its tutorials write 1.0
        check("StepLR", locals(), step_size=1, gamma="finite")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """gamma or 1"""
        return self.gamma if epoch and epoch % self.step_size == 0 else 1.0

    def factor_until(self, epoch: float) -> float:
        """gamma for each whole step_size"""
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(_Factor):
    """Times ``gamma`` at each of the ``milestones``: ``torch.optim.lr_scheduler.MultiStepLR``."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        check("MultiStepLR", locals(), milestones="an iterable", gamma="finite")
        milestones = [whole("MultiStepLR", "milestones", m) for m in milestones]
        self.milestones, self.gamma = dict(Counter(milestones)), gamma
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """gamma for each time the epoch is a milestone"""
        return self.gamma ** self.milestones.get(epoch, 0)  # type: ignore[call-overload]  # a fraction is no milestone

    def factor_until(self, epoch: float) -> float:
        """gamma for each milestone up to the epoch"""
        return self.gamma ** sum(count for milestone, count in self.milestones.items() if milestone <= epoch)


class ConstantLR(_Factor):
    """Times ``factor`` for the first ``total_iters`` epochs: ``torch.optim.lr_scheduler.ConstantLR``."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3.0, total_iters: int = 5, last_epoch: int = -1):
        check("ConstantLR", locals(), factor="from 0 to 1", total_iters=0)
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """factor at the start, 1 / factor at the end"""
        return self.factor if epoch == 0 else 1.0 / self.factor if epoch == self.total_iters else 1.0

    def factor_until(self, epoch: float) -> float:
        """factor, and 1 from the end on"""
        return 1.0 if epoch >= self.total_iters else self.factor


class LinearLR(_Factor):
    """Times a factor that goes evenly from ``start_factor`` to ``end_factor``: ``torch.optim.lr_scheduler.LinearLR``."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3.0, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1
    ):
        check("LinearLR", locals(), start_factor="above 0", end_factor="from 0 to 1", total_iters=0)
        if start_factor > 1.0:
            raise ValueError(f"LinearLR: start_factor must be above 0 and not above 1, but is {start_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """the ratio of the line's values at this epoch and the last"""
        if epoch == 0:
            return self.start_factor
        if self._is_initial or epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)

    def factor_until(self, epoch: float) -> float:
        """the line's value"""
        return self.start_factor + (self.end_factor - self.start_factor) * min(self.total_iters, epoch) / self.total_iters


class ExponentialLR(_Factor):
    """Times ``gamma`` every epoch: ``torch.optim.lr_scheduler.ExponentialLR``."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        check("ExponentialLR", locals(), gamma="finite")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """gamma"""
        return 1.0 if self._is_initial else self.gamma

    def factor_until(self, epoch: float) -> float:
        """gamma for each epoch"""
        return self.gamma**epoch


class PolynomialLR(_Factor):
    """Times (1 - epoch / total_iters)^power, down to 0: ``torch.optim.lr_scheduler.PolynomialLR``."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        check("PolynomialLR", locals(), total_iters=0, power="finite")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor_at(self, epoch: float) -> float:
        """the ratio of the polynomial's values at this epoch and the last"""
        if self._is_initial or epoch > self.total_iters:
            return 1.0
        return ((1.0 - epoch / self.total_iters) / (1.0 - (epoch - 1) / self.total_iters)) ** self.power

    def factor_until(self, epoch: float) -> float:
        """the polynomial's value"""
        return (1.0 - min(self.total_iters, epoch) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler):
    """From the base rate to ``eta_min`` along half a cosine of ``T_max`` epochs, and back: ``torch.optim.lr_scheduler.CosineAnnealingLR``.

    lr = eta_min + (base_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2, as a recursion, so that other schedules may act as well.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        check("CosineAnnealingLR", locals(), T_max=1, eta_min="finite")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``."""
        t, low = self.last_epoch, self.eta_min
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and t > 0:
            return self._get_closed_form_lr()
        if (t - 1 - self.T_max) % (
            2 * self.T_max
        ) == 0:  # the last rate was eta_min: its distance from eta_min is 0, so no factor can change it
            rise = (1.0 - math.cos(math.pi / self.T_max)) / 2.0
            return [lr + (base - low) * rise for lr, base in zip(self._current(), self.base_lrs, strict=True)]
        ratio = (1.0 + math.cos(math.pi * t / self.T_max)) / (1.0 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (lr - low) + low for lr in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        share = (1.0 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2.0
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to ``eta_min`` in ``T_0`` epochs, then restarts, each ``T_mult`` times as long (Loshchilov & Hutter 2017).

    ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts``. ``step(epoch)`` jumps to an epoch, which may be fractional.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        check("CosineAnnealingWarmRestarts", locals(), T_0=1, T_mult=1, eta_min="finite")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates ``T_cur`` epochs after the last restart."""
        share = (1.0 + math.cos(math.pi * self.T_cur / self.T_i)) / 2.0
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must not be negative, but is {epoch}")
        else:
            self.T_i, self.T_cur = self.T_0, epoch
            if self.T_mult == 1:
                self.T_cur = epoch % self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr)


class _Cycling(LRScheduler):
    """A schedule that may move momentum (beta1 of Adam's family) against the rate."""

    cycle_momentum: bool
    use_beta1: bool

    def _start_momentum(self, base: Any, top: Any, first: bool) -> tuple[list[float], list[float]]:
        """The bounds of each group, which are written into the groups too."""
        if "momentum" not in self.optimizer.defaults and "betas" not in self.optimizer.defaults:
            raise ValueError(f"{type(self).__name__}: the optimizer has neither momentum nor betas; pass cycle_momentum=False")
        self.use_beta1 = "betas" in self.optimizer.defaults
        bases, tops = self._per_group("base_momentum", base), self._per_group("max_momentum", top)
        if first:
            self._set_momentum(tops)
            for group, low, high in zip(self.optimizer.param_groups, bases, tops, strict=True):
                group["base_momentum"], group["max_momentum"] = low, high
        return bases, tops

    def _set_momentum(self, values: Iterable[float]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            if self.use_beta1:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value


class CyclicLR(_Cycling):
    """Up and down between ``base_lr`` and ``max_lr`` (Smith 2017), a step per batch: ``torch.optim.lr_scheduler.CyclicLR``.

    Args:
        optimizer: the optimiser with the learning rates.
        base_lr, max_lr: bounds of the rate, for all groups or a list.
        step_size_up, step_size_down: steps of each half of a cycle (default for down: the same as up).
        mode: 'triangular', 'triangular2' (half the amplitude after each cycle) or 'exp_range' (amplitude times gamma^step).
        gamma: see mode.
        scale_fn, scale_mode: instead of ``mode``, the factor on the amplitude as a function of the 'cycle' or the number of 'iterations'.
        cycle_momentum, base_momentum, max_momentum: vary the momentum between these, in the opposite direction.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ):
        self.optimizer = _checked(self, optimizer)
        modes = None if scale_fn is not None else ("triangular", "triangular2", "exp_range")  # a scale_fn is a mode of its own
        check(
            "CyclicLR", locals(), "step_size_down scale_fn", step_size_up="above 0", step_size_down="above 0", gamma="finite", scale_fn="a function",
            scale_mode=("cycle", "iterations"), **({} if modes is None else {"mode": modes}),
        )  # fmt: skip
        base_lrs = self._per_group("base_lr", base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr
        self.max_lrs = self._per_group("max_lr", max_lr)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._start_momentum(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The factor on the amplitude in cycle, or step, ``x``."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return {"triangular": 1.0, "triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}[self.mode]

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``; sets the momentum too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1.0) / (self.step_ratio - 1.0)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            self._set_momentum(top - (top - base) * height for base, top in zip(self.base_momentums, self.max_momentums, strict=True))
        return [base + (top - base) * height for base, top in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(_Cycling):
    """One cycle up to ``max_lr`` and down to almost 0 (Smith & Topin 2019): ``torch.optim.lr_scheduler.OneCycleLR``. A step per batch.

    Args:
        optimizer: the optimiser with the learning rates.
        max_lr: the highest rate, for all groups or a list.
        total_steps: length of the cycle; or give ``epochs`` and ``steps_per_epoch``.
        pct_start: the fraction of the cycle in which the rate rises.
        anneal_strategy: 'cos' or 'linear'.
        cycle_momentum, base_momentum, max_momentum: vary the momentum between these, in the opposite direction.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first one / final_div_factor.
        three_phase: fall to the first rate in as many steps as the rise took, and only then to the last.

    ``step()`` raises ``ValueError`` after more than ``total_steps`` calls.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        check(
            "OneCycleLR", locals(), "total_steps epochs steps_per_epoch", total_steps=1, epochs=1, steps_per_epoch=1, pct_start="from 0 to 1", anneal_strategy=("cos", "linear"),
            div_factor="above 0", final_div_factor="above 0",
        )  # fmt: skip
        self.optimizer = _checked(self, optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        self.total_steps, self._anneal_func_type, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        rise = float(pct_start * total_steps) - 1
        phase = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        up = (rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if three_phase:
            down = (float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum")
            phases = [up, down, (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum")]
        else:
            phases = [up, (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(phase, values, strict=True)) for values in phases]
        max_lrs = self._per_group("max_lr", max_lr)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:  # the groups hold the bounds
            self._start_momentum(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1.0)
        return (end - start) * share + start

    def get_lr(self) -> list[float]:
        """The rates at ``last_epoch``; sets the momentum too."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} of a cycle of {self.total_steps} steps")
        phases = self._schedule_phases
        number = next((i for i, phase in enumerate(phases) if t <= phase["end_step"]), len(phases) - 1)
        here = phases[number]
        start = phases[number - 1]["end_step"] if number else 0.0
        share = (t - start) / (here["end_step"] - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            self._set_momentum([self._between(group[here["start_momentum"]], group[here["end_momentum"]], share) for group in groups])
        return [self._between(group[here["start_lr"]], group[here["end_lr"]], share) for group in groups]


class _Several(LRScheduler):
    """Base of schedulers that combine others of the same optimiser."""

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        check(type(self).__name__, locals(), schedulers="an iterable")
        if not schedulers:
            raise ValueError(f"{type(self).__name__}: at least one scheduler is needed")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{type(self).__name__}: schedulers[{i}] is {type(scheduler).__name__}, not a scheduler")
        self.optimizer = _checked(self, schedulers[0].optimizer if optimizer is None else optimizer)
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{type(self).__name__}: schedulers[{i}] is a ReduceLROnPlateau, whose step() needs a metric")
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"{type(self).__name__}: schedulers[{i}] belongs to another optimizer")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """The state of this schedule and of those in it."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a :meth:`state_dict`."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Several):
    """One schedule after another, changing at the ``milestones``: ``torch.optim.lr_scheduler.SequentialLR``."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1):
        check("SequentialLR", locals(), milestones="an iterable", last_epoch=-1)
        milestones = [whole("SequentialLR", "milestones", m) for m in milestones]
        _checked(self, optimizer)
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} milestones, not {len(milestones)}")
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in self._schedulers:
            _take_back(scheduler)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._start()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]  # to no other epoch, as in PyTorch
        """Go on to the next epoch."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number and self._milestones[number - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def _start(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._restart()
        self._last_lr = first.get_last_lr()


def _take_back(scheduler: LRScheduler) -> None:
    """Undo the step to epoch 0 that a scheduler took when it was made."""
    if isinstance(scheduler, _Several):
        for inner in scheduler._schedulers:
            _take_back(inner)
    else:
        scheduler.last_epoch -= 1


class ChainedScheduler(_Several):
    """Several schedules at the same time: ``torch.optim.lr_scheduler.ChainedScheduler``."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer)
        self._last_lr = self._current()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._current()

    def _start(self) -> None:
        for scheduler in self._schedulers:
            scheduler._start()
        self._last_lr = self._current()

    def _restart(self) -> None:
        for scheduler in self._schedulers:
            scheduler._restart()
        self._last_lr = self._current()


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` after more than ``patience`` epochs without a better metric: ``torch.optim.lr_scheduler.ReduceLROnPlateau``.

    Args:
        optimizer: the optimiser with the learning rates.
        mode: 'min' if the metric should fall, 'max' if it should rise.
        factor: below 1.
        patience: number of epochs without improvement that are tolerated.
        threshold, threshold_mode: the smallest change that is an improvement: a fraction of the best value ('rel') or a number ('abs').
        cooldown: number of epochs after a reduction that are not counted.
        min_lr: a lower bound, for all groups or a list.
        eps: smaller reductions are not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ):
        check(
            "ReduceLROnPlateau", locals(), mode=("min", "max"), factor="finite", patience=0, threshold="not NaN",
            threshold_mode=("rel", "abs"), cooldown=0, eps="0 or above",
        )  # fmt: skip
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, but is {factor}")
        self.optimizer = _checked(self, optimizer)
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.last_epoch = 0
        self.best = self.mode_worse = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        self._last_lr = self._current()

    @property
    def in_cooldown(self) -> bool:
        """Whether the epochs of ``cooldown`` after a reduction are not over."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        bar = self.best * (1.0 + sign * self.threshold) if self.threshold_mode == "rel" else self.best + sign * self.threshold
        return value > bar if self.mode == "max" else value < bar

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """End an epoch, or the one of this number, with this value of the metric."""
        value = float(metrics)
        if epoch is not None:
            warn(_EPOCH_GIVEN)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lr = max(float(group["lr"]) * self.factor, low)
                if float(group["lr"]) - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._current()
