"""The twin of :mod:`minigrad.kernels.steps`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.native import lines, run


def adam(p: np.ndarray, g: Any, m: Any, v: Any, largest: Any, scratch: Any, beta1: float, beta2: float, lr: float, eps: float) -> Any:
    """Written in place; not for AMSGrad."""
    arrays = (p, g, m, v)
    found = lines(*arrays)
    if largest is not None or found is None or any(a is not b for a, b in zip(arrays, found, strict=True)):  # a copy is of no use
        return NotImplemented
    run("adam", [(a, 1) for a in arrays], p.size, beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr, eps)
    return None


def descend(p: np.ndarray, g: Any, t: Any, lr: float) -> Any:
    """Written in place."""
    found = lines(p, g)
    if found is None or found[0] is not p:
        return NotImplemented
    run("descend", [(a, 1) for a in found], p.size, lr)
    return None


def sgd(p: np.ndarray, g: Any, b: Any, t: Any, momentum: float, share: float, lr: float, nesterov: bool) -> Any:
    """Written in place."""
    arrays = (p, g, b)
    found = lines(*arrays)
    if found is None or any(a is not b for a, b in zip(arrays, found, strict=True)):
        return NotImplemented
    run("sgd", [(a, 1) for a in arrays], p.size, int(nesterov), momentum, share, lr)
    return None
