"""The steps of SGD and Adam, and the averages that it shares with other optimisers, on flat arrays that are written in place.

``t`` is memory of the same size for what is computed in between.
"""

from __future__ import annotations

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import steps as fast


@native.twin(fast.adam, times=0)
def adam(
    p: np.ndarray,
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    largest: np.ndarray | None,
    t: np.ndarray,
    beta1: float,
    beta2: float,
    lr: float,
    eps: float,
) -> None:
    """m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and p -= lr m / (sqrt(v) + eps), with the ``largest`` v so far if given."""
    average(m, g, beta1, t)
    average_of_squares(v, g, beta2, t)
    if largest is not None:
        v = np.maximum(largest, v, out=largest)
    np.sqrt(v, out=t)
    t += eps
    np.divide(m, t, out=t)
    t *= lr
    p -= t


@native.twin(fast.descend)
def descend(p: np.ndarray, g: np.ndarray, t: np.ndarray, lr: float) -> None:
    """p -= lr g"""
    p -= np.multiply(g, lr, out=t)


@native.twin(fast.sgd)
def sgd(p: np.ndarray, g: np.ndarray, b: np.ndarray, t: np.ndarray, momentum: float, share: float, lr: float, nesterov: bool) -> None:
    """b = momentum b + share g, and p -= lr b, or with ``nesterov`` p -= lr (momentum b + g)."""
    b *= momentum
    b += g if share == 1.0 else np.multiply(g, share, out=t)
    if nesterov:
        np.multiply(b, momentum, out=t)
        t += g
        b = t
    p -= np.multiply(b, lr, out=t)


def average(m: np.ndarray, g: np.ndarray, beta: float, t: np.ndarray) -> None:
    """m = beta m + (1 - beta) g"""
    m *= beta
    m += np.multiply(g, 1.0 - beta, out=t)


def average_of_squares(v: np.ndarray, g: np.ndarray, beta: float, t: np.ndarray) -> None:
    """v = beta v + (1 - beta) g^2, in an order in which g^2 alone, which float16 holds up to 255^2 only, does not overflow"""
    v *= beta
    np.multiply(g, 1.0 - beta, out=t)
    t *= g
    v += t
