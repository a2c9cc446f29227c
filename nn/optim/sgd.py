"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.kernels.steps import descend, sgd
from minigrad.nn.optim.optimizer import Optimizer, not_negative
from minigrad.ops.arguments import check


class SGD(Optimizer):
    """Gradient descent with momentum: ``torch.optim.SGD``.

    b = momentum b + (1 - dampening) g (at the first step b = g), and p -= lr b; with ``nesterov`` p -= lr (g + momentum b).

    Args:
        params: Tensors or parameter groups.
        lr: learning rate.
        momentum, dampening, nesterov: as above.
        weight_decay: adds ``weight_decay * p`` to the gradient.
        maximize: gradient ascent instead of descent.
        foreach, fused: without effect, and kept for PyTorch; the update is always fused.
        differentiable: True is refused: a step records no graph.

    Raises ``ValueError`` for negative values, and for ``nesterov`` without momentum or with dampening.
    """

    one_pass = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        options = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "momentum", "weight_decay")
        check("SGD", group, dampening="finite")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a positive momentum and no dampening")

    def slots(self, group: dict[str, Any]) -> dict[str, float]:
        """The moving sum of gradients."""
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def constants(self, group: dict[str, Any], scalars: dict[str, Any]) -> tuple:
        """lr, momentum, the factor on the gradient, nesterov."""
        first = scalars["step"] == 0
        scalars["step"] += 1
        return float(group["lr"]), float(group["momentum"]), 1.0 if first else 1.0 - float(group["dampening"]), group["nesterov"]

    def update(self, p: np.ndarray, g: np.ndarray, scratch: list[np.ndarray], c: tuple, **slots: np.ndarray) -> None:
        """p -= lr b"""
        lr, momentum, share, nesterov = c
        if momentum:
            sgd(p, g, slots["momentum_buffer"], scratch[0], momentum, share, lr, nesterov)
        else:
            descend(p, g, scratch[0], lr)
