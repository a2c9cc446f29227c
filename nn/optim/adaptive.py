"""Optimisers with a step size for each element: Adagrad, Adadelta, RMSprop, Rprop, and averaged SGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.kernels.steps import average, average_of_squares
from minigrad.nn.optim.optimizer import Optimizer, not_negative, number


def _two(owner: Any, name: str, values: Any) -> tuple[float, float]:
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise TypeError(f"{type(owner).__name__}: {name} must be two numbers, but is {values!r}")
    return number(owner, f"{name}[0]", values[0]), number(owner, f"{name}[1]", values[1])


class RMSprop(Optimizer):
    """The gradient divided by the root of a moving average of its squares (Hinton 2012): ``torch.optim.RMSprop``.

    v = alpha v + (1 - alpha) g^2 and p -= lr g / (sqrt(v) + eps); ``centered`` subtracts the square of the average gradient from v;
    with ``momentum`` the quotients are summed: b = momentum b + g / (...), p -= lr b.

    Args:
        params: Tensors or parameter groups.
        lr, alpha, eps, momentum, centered: as above.
        weight_decay: adds ``weight_decay * p`` to the gradient.
        maximize: gradient ascent instead of descent.
        foreach, capturable: without effect, and kept for PyTorch; the update is always fused.
        differentiable: True is refused: a step records no graph.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        options = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay,
            "capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "momentum", "weight_decay", "alpha")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The average of squares and, depending on the options, the average gradient and the momentum."""
        return {
            "square_avg": 0.0,
            **({"grad_avg": 0.0} if group["centered"] else {}),
            **({"momentum_buffer": 0.0} if group["momentum"] > 0 else {}),
        }

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: dict[str, Any], **slots: np.ndarray) -> None:
        """p -= lr g / (sqrt(v) + eps)"""
        v, t = slots["square_avg"], scratch[0]
        average_of_squares(v, g, float(c["alpha"]), t)
        if "grad_avg" in slots:
            average(slots["grad_avg"], g, float(c["alpha"]), t)
            np.square(slots["grad_avg"], out=t)
            np.subtract(v, t, out=t)
            np.sqrt(t, out=t)
        else:
            np.sqrt(v, out=t)
        t += float(c["eps"])
        np.divide(g, t, out=t)
        if "momentum_buffer" in slots:
            b = slots["momentum_buffer"]
            b *= float(c["momentum"])
            b += t
            np.multiply(b, float(c["lr"]), out=t)
        else:
            t *= float(c["lr"])
        p -= t


class Adagrad(Optimizer):
    """The gradient divided by the root of the sum of its squares so far (Duchi et al. 2011): ``torch.optim.Adagrad``.

    s += g^2 and p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps) at step t; s starts at ``initial_accumulator_value``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        options = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The sum of squares."""
        return {"sum": float(group["initial_accumulator_value"])}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """Step size and epsilon."""
        scalars["step"] += 1
        return float(group["lr"]) / (1.0 + (scalars["step"] - 1) * float(group["lr_decay"])), float(group["eps"])

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= lr g / (sqrt(s) + eps)"""
        lr, eps = c
        s, t = slots["sum"], scratch[0]
        s += np.square(g, out=t)
        np.sqrt(s, out=t)
        t += eps
        np.divide(g, t, out=t)
        t *= lr
        p -= t


class Adadelta(Optimizer):
    """Steps scaled by the ratio of the average sizes of steps and gradients (Zeiler 2012): ``torch.optim.Adadelta``.

    v = rho v + (1 - rho) g^2, d = g sqrt(u + eps) / sqrt(v + eps), u = rho u + (1 - rho) d^2, p -= lr d.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        options = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "capturable": capturable,
            "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "weight_decay")
        if not 0.0 <= number(self, "rho", group["rho"]) <= 1.0:
            raise ValueError(f"Adadelta: rho must be between 0 and 1, but is {group['rho']}")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """Averages of the squares of gradients and of steps."""
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: dict[str, Any], **slots: np.ndarray) -> None:
        """p -= lr d"""
        v, u, (d, t, _) = slots["square_avg"], slots["acc_delta"], scratch
        rho, eps = float(c["rho"]), float(c["eps"])
        average_of_squares(v, g, rho, t)
        np.add(u, eps, out=d)
        np.sqrt(d, out=d)
        np.add(v, eps, out=t)
        np.sqrt(t, out=t)
        d /= t
        d *= g
        average_of_squares(u, d, rho, t)
        d *= float(c["lr"])
        p -= d


class Rprop(Optimizer):
    """A step size for each element that grows while the gradient's sign stays and shrinks when it changes: ``torch.optim.Rprop``.

    For full batches (Riedmiller & Braun 1993).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        options = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr")
        low, high = _two(self, "etas", group["etas"])
        _two(self, "step_sizes", group["step_sizes"])
        if not 0.0 < low < 1.0 < high:
            raise ValueError(f"Rprop: etas must be a factor below 1 and one above, not {group['etas']}")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The last gradient and the step sizes."""
        return {"prev": 0.0, "step_size": float(group["lr"])}

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: dict[str, Any], **slots: np.ndarray) -> None:
        """p -= sign(g) step_size"""
        before, size, (s, t, _) = slots["prev"], slots["step_size"], scratch
        np.multiply(before, g, out=s)
        np.sign(s, out=s)  # 1: same sign as before, -1: changed
        t[...] = 1.0
        np.copyto(t, c["etas"][1], where=s > 0)
        np.copyto(t, c["etas"][0], where=s < 0)
        size *= t
        np.clip(size, *c["step_sizes"], out=size)
        before[...] = g
        before[s < 0] = 0.0  # no step this time, and the next step sees no change of sign
        np.sign(before, out=t)
        t *= size
        p -= t


class ASGD(Optimizer):
    """Gradient descent that also keeps an average of the parameters' values (Polyak & Juditsky 1992): ``torch.optim.ASGD``.

    The step size decays as lr / (1 + lambd lr t)^alpha; ``state[p]["ax"]`` is the average, from step ``t0`` on.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        options = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "lambd", "alpha", "t0", "weight_decay")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The average of the parameter."""
        return {"ax": 0.0}

    def scalars(self, group: dict[str, Any]) -> dict[str, Any]:
        """The step count, the next step size, the weight of the next value in the average."""
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """lambd, the step size, the weight in the average."""
        scalars["step"] += 1
        c = float(group["lambd"]), scalars["eta"], scalars["mu"]
        t, lr = scalars["step"], float(group["lr"])
        scalars["eta"] = lr / (1.0 + c[0] * lr * t) ** float(group["alpha"])
        scalars["mu"] = 1.0 / max(1.0, t - float(group["t0"]))
        return c

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p = (1 - lambd eta) p - eta g"""
        lambd, eta, mu = c
        ax, t = slots["ax"], scratch[0]
        p *= 1.0 - lambd * eta
        p -= np.multiply(g, eta, out=t)
        np.subtract(p, ax, out=t)
        t *= mu
        ax += t
