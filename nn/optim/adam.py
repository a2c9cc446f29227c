"""Adam and its variants: a step is a moving average of gradients divided by the root of a moving average of their squares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.kernels import steps
from minigrad.kernels.steps import average, average_of_squares
from minigrad.nn.optim.optimizer import Optimizer, betas_in_range, not_negative


class Adam(Optimizer):
    """Kingma & Ba 2015: ``torch.optim.Adam``.

    m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and after t steps
    p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps).

    Args:
        params: Tensors or parameter groups.
        lr: learning rate.
        betas: decay of the two averages.
        eps: keeps the division finite.
        weight_decay: adds ``weight_decay * p`` to the gradient (see :class:`AdamW`).
        amsgrad: divide by the largest v so far (Reddi et al. 2018).
        maximize: gradient ascent instead of descent.
        decoupled_weight_decay: instead, multiply the parameter by ``1 - lr * weight_decay``, as :class:`AdamW` does.
        foreach, capturable, fused: without effect, and kept for PyTorch; the update is always fused.
        differentiable: True is refused: a step records no graph.

    Raises ``ValueError`` for options outside their range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "weight_decay")
        betas_in_range(self, group)

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """m and v, and the largest v for amsgrad."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0, **({"max_exp_avg_sq": 0.0} if group["amsgrad"] else {})}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """The two betas, and step size and epsilon, which contain both bias corrections."""
        scalars["step"] += 1
        t = scalars["step"]
        beta1, beta2 = map(float, group["betas"])
        root = math.sqrt(1.0 - beta2**t)
        return beta1, beta2, float(group["lr"]) * root / (1.0 - beta1**t), float(group["eps"]) * root

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= lr m / (sqrt(v) + eps)"""
        beta1, beta2, lr, eps = c
        steps.adam(p, g, slots["exp_avg"], slots["exp_avg_sq"], slots.get("max_exp_avg_sq"), scratch[0], beta1, beta2, lr, eps)


class AdamW(Adam):
    """Adam with decoupled weight decay, which does not enter the averages (Loshchilov & Hutter 2019): ``torch.optim.AdamW``.

    Each step first shrinks the parameter: ``p *= 1 - lr * weight_decay``. Arguments as :class:`Adam`'s.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016): ``torch.optim.NAdam``.

    The momentum of step t is mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). Arguments as :class:`Adam`'s.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "weight_decay", "momentum_decay")
        betas_in_range(self, group)

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """m and v."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def scalars(self, group: dict[str, Any]) -> dict[str, Any]:
        """The step count, and the product of the momenta so far."""
        return {"step": 0, "mu_product": 1.0}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """The betas, the factors of g and of m, and epsilon, which contain the bias correction of v."""
        scalars["step"] += 1
        t = scalars["step"]
        beta1, beta2 = map(float, group["betas"])
        decay, lr = float(group["momentum_decay"]), float(group["lr"])
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * decay))
        scalars["mu_product"] *= mu
        product = scalars["mu_product"]
        root = math.sqrt(1.0 - beta2**t)
        return (
            beta1,
            beta2,
            lr * root * (1.0 - mu) / (1.0 - product),
            lr * root * mu_next / (1.0 - product * mu_next),
            float(group["eps"]) * root,
        )

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= (a g + b m) / (sqrt(v) + eps)"""
        beta1, beta2, a, b, eps = c
        m, v, (s, t, _) = slots["exp_avg"], slots["exp_avg_sq"], scratch
        average(m, g, beta1, t)
        average_of_squares(v, g, beta2, t)
        np.multiply(m, b, out=s)
        s += np.multiply(g, a, out=t)
        np.sqrt(v, out=t)
        t += eps
        s /= t
        p -= s


class RAdam(Optimizer):
    """Adam with steps of momentum only at first, while v is inaccurate (Liu et al. 2020): ``torch.optim.RAdam``.

    Arguments as :class:`Adam`'s.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "weight_decay")
        betas_in_range(self, group)

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """m and v."""
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """The betas, the step size, and epsilon: None while the variance of v is infinite."""
        scalars["step"] += 1
        t = scalars["step"]
        beta1, beta2 = map(float, group["betas"])
        lr = float(group["lr"]) / (1.0 - beta1**t)
        unbiased = 1.0 - beta2**t
        longest = 2.0 / (1.0 - beta2) - 1.0
        length = longest - 2.0 * t * beta2**t / unbiased  # of the simple moving average that approximates v
        if length <= 5.0:
            return beta1, beta2, lr, None
        rectified = math.sqrt((length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length))
        return beta1, beta2, lr * rectified * math.sqrt(unbiased), float(group["eps"])

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= lr m / (sqrt(v) + eps), or p -= lr m"""
        beta1, beta2, lr, eps = c
        m, v, t = slots["exp_avg"], slots["exp_avg_sq"], scratch[0]
        average(m, g, beta1, t)
        average_of_squares(v, g, beta2, t)
        if eps is None:
            np.multiply(m, lr, out=t)
        else:
            np.sqrt(v, out=t)
            t += eps
            np.divide(m, t, out=t)
            t *= lr
        p -= t


class Adamax(Optimizer):
    """Adam with a moving maximum of abs(g) in place of the root of v (Kingma & Ba 2015): ``torch.optim.Adamax``."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "eps", "weight_decay")
        betas_in_range(self, group)

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The average of g and the moving maximum of its size."""
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """The betas, step size, epsilon."""
        scalars["step"] += 1
        beta1, beta2 = map(float, group["betas"])
        return beta1, beta2, float(group["lr"]) / (1.0 - beta1 ** scalars["step"]), float(group["eps"])

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= lr m / u"""
        beta1, beta2, lr, eps = c
        m, u, t = slots["exp_avg"], slots["exp_inf"], scratch[0]
        average(m, g, beta1, t)
        u *= beta2
        np.abs(g, out=t)
        t += eps
        np.maximum(u, t, out=u)
        np.divide(m, u, out=t)
        t *= lr
        p -= t
