"""L-BFGS: a quasi-Newton method for full batches, with a line search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine import enable_grad, no_grad, record_function, wrap
from minigrad.nn.optim.optimizer import Optimizer, not_negative
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor
from minigrad.tree import unwrapped


class _Point(NamedTuple):
    """A point of the line search: its position, the loss, the gradient, and the slope along the line."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def _cubic_minimum(a: _Point, b: _Point, low: float, high: float) -> float:
    """The position of the minimum of the cubic through both points' losses and slopes, clamped to the bounds."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:
        return (low + high) / 2.0
    d2 = float(np.sqrt(square))
    denominator = b.slope - a.slope + 2.0 * d2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / denominator) if denominator else b.t
    return min(max(t, low), high)


def _strong_wolfe(
    evaluate: Callable[[float], _Point],
    start: _Point,
    t: float,
    size: float,
    most: int,
    tolerance: float,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[_Point, int]:
    """A point that satisfies the strong Wolfe conditions, and the number of evaluations (Nocedal & Wright, algorithms 3.5 and 3.6)."""

    def too_high(point: _Point) -> bool:
        return point.loss > start.loss + c1 * point.t * start.slope

    def flat(point: _Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    before, here = start, evaluate(t)
    evaluations, iteration = 1, 0
    bracket = None
    while bracket is None and iteration < most:  # extend the step until a minimum lies between two points
        if too_high(here) or (iteration > 1 and here.loss >= before.loss):
            bracket = [before, here]
        elif flat(here):
            return here, evaluations
        elif here.slope >= 0:
            bracket = [before, here]
        else:
            t = _cubic_minimum(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10.0)
            before, here = here, evaluate(t)
            evaluations += 1
            iteration += 1
    if bracket is None:
        bracket = [start, here]
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    stuck = False
    while iteration < most and abs(bracket[1].t - bracket[0].t) * size >= tolerance:  # shrink the bracket
        left, right = sorted(point.t for point in bracket)
        t = _cubic_minimum(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end: allowed once, then moved away from it
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        here = evaluate(t)
        evaluations += 1
        iteration += 1
        if too_high(here) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if flat(here):
                bracket[low] = here
                break
            if here.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = here
    return bracket[low], evaluations


class LBFGS(Optimizer):
    """Limited-memory BFGS: ``torch.optim.LBFGS``. ``step(closure)`` evaluates the loss several times.

    Args:
        params: Tensors; parameter groups are not supported.
        lr: length of the first trial step along each direction.
        max_iter: directions for each call of ``step``.
        max_eval: evaluations of the loss for each call (default: 1.25 max_iter).
        tolerance_grad: stop when no entry of the gradient is larger.
        tolerance_change: stop when loss or parameters change by less.
        history_size: number of past steps for the estimate of the curvature.
        line_search_fn: None, or 'strong_wolfe'.

    >>> import minigrad as mg
    >>> from minigrad.nn import optim
    >>> x = mg.tensor([-1.0, 2.0], dtype=mg.float64, requires_grad=True)
    >>> optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimizer.step(closure)
    >>> x
    tensor([1.0000, 1.0000], dtype=torch.float64, requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check(
            "LBFGS", locals(), "max_eval line_search_fn", max_iter=1, max_eval=1, tolerance_grad="0 or above", tolerance_change="0 or above", history_size=1,
            line_search_fn=("strong_wolfe",),
        )  # fmt: skip
        options = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """See the class."""
        not_negative(self, group, "lr")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only the constructor's group: raises ``ValueError`` for another."""
        if self.param_groups:
            raise ValueError("LBFGS: parameter groups are not supported")
        super().add_param_group(param_group)

    # ------------------------------------------------------------------------- all parameters as one flat array

    def _values(self) -> np.ndarray:
        return np.concatenate([p._data.ravel() for p in self._all_parameters()])

    def _gradient(self) -> np.ndarray:
        return np.concatenate(
            [np.zeros(p._data.size, p._data.dtype) if p._grad is None else p._grad._data.ravel() for p in self._all_parameters()]
        )

    def _set_values(self, flat: np.ndarray) -> None:
        start = 0
        for p in self._all_parameters():
            end = start + p._data.size
            p._replace(flat[start:end].reshape(p._data.shape).astype(p._data.dtype))  # astype copies
            start = end

    # ------------------------------------------------------------------------------------------------- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to ``max_iter`` quasi-Newton steps. ``closure`` computes the loss and its gradients; its first loss is returned."""
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure that computes the loss and its gradients")
        for hook in list(self._pre_hooks):
            hook.function(self, (closure,), {})
        quiet = np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore")
        with record_function("Optimizer.step#LBFGS.step"), no_grad(), quiet:
            result = self._steps(closure)
        self._step_count += 1
        for hook in list(self._post_hooks):
            hook.function(self, (closure,), {})
        return result

    def _steps(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, tolerance_grad, tolerance_change = float(group["lr"]), group["tolerance_grad"], group["tolerance_change"]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> Any:
            state["func_evals"] += 1
            with enable_grad():
                return closure()

        result = evaluate()
        loss, gradient, evaluations = float(result), self._gradient(), 1
        if _largest(gradient) <= tolerance_grad:
            return result
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, gradient, group["history_size"])
            state.update(d=wrap(d), prev_flat_grad=wrap(gradient), prev_loss=loss)
            before = loss
            t = state["t"] = lr * (min(1.0, 1.0 / float(np.abs(gradient).sum())) if state["n_iter"] == 1 else 1.0)
            slope = float(gradient.dot(d))
            if slope > -tolerance_change:
                break
            values = self._values()
            if group["line_search_fn"] is not None:

                def along(t: float, values: np.ndarray = values, d: np.ndarray = d) -> _Point:
                    self._set_values(values + d * t)
                    loss = float(evaluate())
                    gradient = self._gradient()
                    return _Point(t, loss, gradient, float(gradient.dot(d)))

                start = _Point(0.0, loss, gradient, slope)
                found, count = _strong_wolfe(along, start, t, _largest(d), group["max_eval"] - evaluations, tolerance_change)
                t = state["t"] = found.t
                loss, gradient = found.loss, found.gradient
                self._set_values(values + d * t)
                evaluations += count
            else:
                self._set_values(values + d * t)
                if iteration == group["max_iter"]:
                    break
                loss, gradient = float(evaluate()), self._gradient()
                evaluations += 1
            if evaluations >= group["max_eval"] or _largest(gradient) <= tolerance_grad:
                break
            if _largest(d) * t <= tolerance_change or abs(loss - before) < tolerance_change:
                break
        return result

    def _direction(self, state: dict[str, Any], gradient: np.ndarray, history_size: int) -> np.ndarray:
        """Minus the gradient, times the inverse of the Hessian, estimated from the last steps."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        y, s = gradient - unwrapped(state["prev_flat_grad"]), unwrapped(state["d"]) * float(state["t"])
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        curvature = y.dot(s)
        if curvature > 1e-10:
            changes.append(wrap(y))
            steps.append(wrap(s))
            ro.append(wrap(np.asarray(1.0 / curvature)))
            for history in (changes, steps, ro):
                del history[:-history_size]
            state["H_diag"] = wrap(np.asarray(curvature / y.dot(y)))
        al = state.setdefault("al", [])
        al += [None] * (history_size - len(al))  # its length is PyTorch's
        d = -gradient
        arrays = [(unwrapped(y), unwrapped(s), unwrapped(r)) for y, s, r in zip(changes, steps, ro, strict=True)]
        for i, (y, s, r) in reversed(list(enumerate(arrays))):
            alpha = s.dot(d) * r
            d -= y * alpha
            al[i] = wrap(np.asarray(alpha))
        d *= unwrapped(state["H_diag"])
        for (y, s, r), a in zip(arrays, al, strict=False):
            d += s * (unwrapped(a) - y.dot(d) * r)
        return d

    def _load_parameter(self, number: int, p: Tensor, kept: Mapping[str, Any], group: dict[str, Any]) -> dict[str, Any]:
        """The history: Tensors of all parameters together."""

        def own(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return [own(v) for v in value]
            if isinstance(value, np.ndarray) or hasattr(value, "detach"):
                return wrap(np.array(value.detach() if hasattr(value, "detach") else value))
            return value.item() if isinstance(value, np.generic) else value

        names = ("func_evals", "n_iter", "al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")
        return {name: own(kept[name]) for name in names if kept.get(name) is not None}


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max()) if x.size else 0.0
