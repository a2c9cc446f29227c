"""Optimisers that look at a parameter as a matrix, and so step one parameter at a time: Adafactor, Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, wrap
from minigrad.nn.optim.optimizer import Optimizer, not_negative, number
from minigrad.ops.arguments import whole
from minigrad.tree import unwrapped


class _Whole(Optimizer):
    """An optimiser whose subclass gives the new array of one parameter: ``new_value``."""

    def new_value(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> np.ndarray:
        """The parameter after a step against the gradient ``g``, in an array of its own; what it leaves in ``state`` is saved."""
        raise NotImplementedError(f"{type(self).__name__} does not define new_value()")

    def _step_group(self, number: int, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is not None:
                g, state = p._grad._data, self.state[p]
                kept = {name: unwrapped(value) for name, value in state.items()}
                value = self.new_value(p._data, -g if group.get("maximize") else g, kept, group)
                state.update({name: wrap(value) if isinstance(value, np.ndarray) else value for name, value in kept.items()})
                p._replace(value.astype(p._data.dtype, copy=False))


class Adafactor(_Whole):
    """Adam without a first moment, whose second moments of a matrix are those of its rows and columns: ``torch.optim.Adafactor``.

    (Shazeer & Stern 2018.) At step t, with b = t^beta2_decay: R moves by b towards the means of g² along the last dimension, C towards those along
    the one before, and V = R C / mean(R); of a vector V moves towards g² itself. The step is g / sqrt(V), divided by max(1, rms / d), times
    min(lr, 1 / sqrt(t)) max(eps[1], rms of p), where rms is the root of the mean square.

    Args:
        params: Tensors or parameter groups.
        lr: the largest relative step.
        beta2_decay: 0 or below.
        eps: a floor for V (squared; None: the dtype's precision), and one for the rms of p.
        d: the clipping threshold, 1 or above.
        weight_decay: multiplies p by 1 - lr weight_decay first.
        foreach: accepted for compatibility with PyTorch.
        maximize: gradient ascent instead of descent.

    >>> import minigrad as mg
    >>> from minigrad.nn import optim
    >>> w = mg.ones(3, 4, requires_grad=True)
    >>> optimizer = optim.Adafactor([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> {name: getattr(x, "shape", x) for name, x in optimizer.state[w].items()}
    {'step': 1, 'row_var': torch.Size([3, 1]), 'col_var': torch.Size([1, 4])}
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        options = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "weight_decay")
        if not number(self, "beta2_decay", group["beta2_decay"]) <= 0.0:
            raise ValueError(f"Adafactor: beta2_decay must be 0 or below, but is {group['beta2_decay']}")
        if not number(self, "d", group["d"]) >= 1.0:
            raise ValueError(f"Adafactor: d must be 1 or above, but is {group['d']}")
        if not isinstance(group["eps"], (tuple, list)) or len(group["eps"]) != 2:
            raise ValueError(f"Adafactor: eps must be two numbers, not {group['eps']!r}")
        for i, eps in enumerate(group["eps"]):
            if (i or eps is not None) and not number(self, f"eps[{i}]", eps) >= 0.0:
                raise ValueError(f"Adafactor: eps[{i}] must not be negative, but is {eps}")

    def state_shape(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of rows and of columns one number each is kept."""
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, *shape[-1:])}.get(name, shape)

    def new_value(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> np.ndarray:
        """See the class."""
        lr, t = float(group["lr"]), state.get("step", 0) + 1
        state["step"] = t
        eps1, eps2 = group["eps"]
        eps1 = float(np.finfo(p.dtype).eps if eps1 is None else eps1)
        share = float(t) ** float(group["beta2_decay"])
        if g.ndim > 1:
            if not g.size:
                return p
            for name, axis in (("row_var", -1), ("col_var", -2)):
                mean = np.mean(g * g, axis=axis, keepdims=True)
                kept = state.get(name, np.zeros_like(mean))
                state[name] = kept + share * (mean - kept)
            rows, columns = state["row_var"], state["col_var"]
            estimate = rows * columns / np.maximum(rows.mean(axis=-2, keepdims=True), eps1)
        else:
            kept = state.get("variance", np.zeros_like(g))
            state["variance"] = estimate = kept + share * (g * g - kept)
        step = g / np.sqrt(np.maximum(estimate, eps1 * eps1))
        alpha = max(eps2, _rms(p)) * min(lr, 1.0 / math.sqrt(t))
        return p * (1.0 - lr * float(group["weight_decay"])) - step * (alpha / max(1.0, _rms(step) / float(group["d"])))


def _rms(x: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0


class Muon(_Whole):
    """Steps of the momentum's nearest orthogonal matrix, for the matrices of hidden layers (Jordan et al. 2024): ``torch.optim.Muon``.

    m = momentum m + (1 - momentum) g, and u = momentum m + (1 - momentum) g again with ``nesterov``. ``X = u / |u|``; then ``ns_steps`` times
    X = a X + (b A + c A²) X with A = X Xᵀ, which brings the singular values near 1. p is multiplied by 1 - lr weight_decay, and
    p -= lr r X, where r = sqrt(max(1, rows / columns)), or 0.2 sqrt(max(rows, columns)) with ``adjust_lr_fn="match_rms_adamw"``.

    Here X is computed in the parameter's dtype; PyTorch computes it in bfloat16, so that its steps differ by about 1%.

    Args:
        params: matrices, or parameter groups of them; embeddings, biases and the last layer are left to another optimiser.
        lr, weight_decay, momentum, nesterov, ns_steps, adjust_lr_fn: as above; ``adjust_lr_fn`` None or ``"original"`` is the first r.
        ns_coefficients: a, b and c.
        eps: a floor for the norm.

    Raises ``ShapeError`` for a parameter that is no matrix, ``ValueError`` for options out of range.

    >>> import minigrad as mg
    >>> from minigrad.nn import optim
    >>> w = mg.zeros(2, 2, requires_grad=True)
    >>> (w * mg.tensor([[3.0, 0.0], [0.0, 0.5]])).sum().backward()
    >>> optim.Muon([w], lr=1.0).step()
    >>> [round(x, 1) for x in w.diagonal().tolist()]
    [-0.7, -1.0]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        options = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "ns_coefficients": ns_coefficients, "eps": eps,
            "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr", "weight_decay", "momentum", "eps")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', not {group['adjust_lr_fn']!r}")
        if not isinstance(group["ns_coefficients"], (tuple, list)) or len(group["ns_coefficients"]) != 3:
            raise ValueError(f"Muon: ns_coefficients must be three numbers, not {group['ns_coefficients']!r}")
        if not 0 <= whole("Muon", "ns_steps", group["ns_steps"]) < 100:
            raise ValueError(f"Muon: ns_steps must be from 0 to 99, but is {group['ns_steps']}")
        for p in group["params"]:
            if p.ndim != 2:
                raise ShapeError(f"Muon: a parameter of shape {tuple(p.shape)} is no matrix; give it to another optimiser, such as AdamW")

    def scalars(self, group: dict[str, Any]) -> dict[str, Any]:
        """None: no steps are counted."""
        return {}

    def new_value(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> np.ndarray:
        """See the class."""
        lr, momentum = float(group["lr"]), float(group["momentum"])
        kept = state.get("momentum_buffer", np.zeros_like(g))
        state["momentum_buffer"] = m = kept + (1.0 - momentum) * (g - kept)
        x = g + momentum * (m - g) if group["nesterov"] else m
        a, b, c = map(float, group["ns_coefficients"])
        rows, columns = x.shape
        if rows > columns:
            x = x.T
        x = x / max(math.sqrt(float(np.square(x).sum())), float(group["eps"]))
        for _ in range(int(group["ns_steps"])):
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        if rows > columns:
            x = x.T
        alike = group["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * math.sqrt(max(rows, columns)) if alike else math.sqrt(max(1.0, rows / columns)) if columns else 1.0
        return p * (1.0 - lr * float(group["weight_decay"])) - (lr * ratio) * x
