"""Losses times a large factor, so that small gradients of narrow dtypes are not rounded to zero: ``torch.amp.GradScaler``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad import accepted
from minigrad.engine import no_grad
from minigrad.nn.optim.optimizer import Optimizer
from minigrad.ops.arguments import shown
from minigrad.tensor import Tensor


class GradScaler:
    """Scales losses, and gradients back: ``torch.amp.GradScaler``. The factor halves where gradients overflow, and doubles after a while without.

    A step whose gradients are not all finite is left out. Parameters of float32 do not need it: a factor that is a power of two changes nothing there
    but what would overflow or be lost.

    Args:
        device: "cpu". For any other, as PyTorch without a GPU, the scaler is disabled, with one warning: then nothing is scaled.
        init_scale: the factor at first.
        growth_factor: what the factor is multiplied by after ``growth_interval`` updates without overflow; above 1.
        backoff_factor: what it is multiplied by after an overflow; below 1.
        growth_interval: see ``growth_factor``.
        enabled: if False, losses and gradients are left as they are, and :meth:`step` is the optimiser's.

    Raises ``ValueError`` for factors outside of their ranges, ``RuntimeError`` where methods are called out of order.

    >>> import minigrad as mg
    >>> from minigrad.nn import optim
    >>> from minigrad.nn.optim.grad_scaler import GradScaler
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = optim.SGD([w], lr=0.5), GradScaler("cpu")
    >>> scaler.scale((w * w).sum()).backward()
    >>> w.grad
    tensor([131072.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w, w.grad, scaler.get_scale()
    (tensor([0.], requires_grad=True), tensor([2.]), 65536.0)
    """

    def __init__(
        self,
        device: Any = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._enabled = enabled and str(device).startswith("cpu")
        if enabled and not self._enabled:
            accepted.say_once("GradScaler: the CPU is the only device; losses and gradients are not scaled")
        if self._enabled and not (growth_factor > 1.0 and backoff_factor < 1.0):
            raise ValueError(f"GradScaler: growth_factor is above 1 and backoff_factor below, not {growth_factor} and {backoff_factor}")
        self._scale, self._growth_factor, self._backoff_factor = float(init_scale), growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._begun = False  # whether a loss has been scaled
        self._finite: dict[int, bool] = {}  # since the last update: the ids of optimisers whose gradients are scaled back
        self._stepped: set[int] = set()  # and of those that have taken their step

    def scale(self, outputs: Any) -> Any:
        """A Tensor times the factor, or several of them, in lists or tuples. Raises ``TypeError`` for anything else."""
        if not self._enabled:
            return outputs
        self._begun = True
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise TypeError(f"GradScaler.scale: a Tensor, or several, not {shown(outputs)}")
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer: Optimizer) -> None:
        """Scale the gradients of an optimiser's parameters back, say before they are clipped. :meth:`step` does it otherwise.

        Raises ``ValueError`` for gradients of float16, which are PyTorch's error too: parameters are to be wider.
        """
        if not self._enabled:
            return
        self._check("unscale_")
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.unscale_: step() was called before; call update() at the end of each iteration")
        if id(optimizer) in self._finite:
            raise RuntimeError("GradScaler.unscale_: called twice for this optimizer since the last update()")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if any(g.dtype == np.float16 for g in gradients):
            raise ValueError("GradScaler.unscale_: gradients are of float16; keep parameters in float32")
        if not gradients:
            raise RuntimeError("GradScaler: no parameter of this optimizer has a gradient")
        finite = True
        with no_grad():
            for g in gradients:
                finite = finite and bool(g.isfinite().all().item())
                g.mul_(1.0 / self._scale)
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)`` with the gradients scaled back, if all are finite; otherwise nothing. Closures are refused."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("GradScaler.step: a closure would compute losses that are not scaled; GradScaler(enabled=False) takes it")
        self._check("step")
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.step: called twice for this optimizer since the last update()")
        if id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(*args, **kwargs) if self._finite[id(optimizer)] else None

    def update(self, new_scale: Any = None) -> None:
        """Adapt the factor at the end of an iteration, or set it to ``new_scale``."""
        if not self._enabled:
            return
        self._check("update")
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._finite:
            raise RuntimeError("GradScaler.update: no step() was taken since the last one")
        elif not all(self._finite.values()):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                grown = self._scale * self._growth_factor
                self._scale = grown if grown < 2.0**128 else self._scale  # PyTorch keeps it in float32
                self._growth_tracker = 0
        self._finite.clear()
        self._stepped.clear()

    def _check(self, method: str) -> None:
        if not self._begun:
            raise RuntimeError(f"GradScaler.{method}: nothing was scaled; call scaler.scale(loss).backward()")

    def get_scale(self) -> float:
        """The factor; 1.0 if the scaler is disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """See the class."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """See the class."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """See the class."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """See the class."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """See the class."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """See the class."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The factor and the settings, as plain numbers; an empty dict if the scaler is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker,
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a :meth:`state_dict`, also one of PyTorch. Raises ``RuntimeError`` for the empty one of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is empty, as that of a disabled scaler")
        self._scale, self._growth_tracker = float(state_dict["scale"]), state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
