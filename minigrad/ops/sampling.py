"""Draws whose probabilities are tensors: bernoulli, multinomial, poisson, binomial. They have no gradient."""

from __future__ import annotations

import numpy as np

from minigrad.engine import ShapeError, public, wrap
from minigrad.ops.arguments import numbers, whole
from minigrad.ops.batching import sample_by_sample
from minigrad.random import Generator, numpy_generator
from minigrad.tree import array_of
from minigrad.types import Tensor


def _probabilities(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        raise TypeError(f"{name}: probabilities must be floating, not {array.dtype}")
    return array


@sample_by_sample(random=True, whole="elements")
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability given by ``input``, else 0: ``torch.bernoulli``. With ``p``, only the shape of ``input`` is used.

    Raises ``ValueError`` if a probability is outside [0, 1].

    >>> import minigrad as mg
    >>> mg.bernoulli(mg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    array = np.asarray(array_of(input))
    chance = _probabilities("bernoulli", array) if p is None else numbers("bernoulli", "p", array_of(p))
    if not np.all((chance >= 0) & (chance <= 1)):  # NaN too
        raise ValueError(f"bernoulli: probabilities{'' if p is None else ' p'} must be in [0, 1]")
    return wrap(np.asarray(numpy_generator(generator).random(array.shape) < chance, array.dtype))


@sample_by_sample(random=True)
def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Tensor:
    """Random indices, each drawn with a probability proportional to its weight in the row: ``torch.multinomial``.

    Args:
        input: weights, shape (n,) or (rows, n); their sum need not be 1.
        num_samples: the number of indices per row.
        replacement: whether an index may be drawn more than once.

    Returns int64 of shape (num_samples,) or (rows, num_samples).
    Raises ``ValueError`` if a weight is negative or not finite, or if a row has too few positive weights.

    >>> import minigrad as mg
    >>> mg.multinomial(mg.tensor([0.0, 3.0, 0.0]), 4, replacement=True)
    tensor([1, 1, 1, 1])
    """
    weights = _probabilities("multinomial", np.asarray(array_of(input)))
    if weights.ndim not in (1, 2) or not weights.shape[-1]:
        raise ShapeError(f"multinomial: the weights must have shape (n,) or (rows, n) with n > 0, not {weights.shape}")
    whole("multinomial", "num_samples", num_samples, 1)
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError("multinomial: weights must be finite and not negative")
    rows = np.atleast_2d(weights).astype(np.float64)
    possible = np.count_nonzero(rows, axis=1).min(initial=rows.shape[1])
    if possible < (1 if replacement else num_samples):
        raise ValueError(f"multinomial: a row has {possible} positive weights, too few to draw {num_samples} (replacement={replacement})")
    random = numpy_generator(generator)
    if replacement:
        ends = np.cumsum(rows, axis=1)
        draws = random.random((len(rows), num_samples)) * ends[:, -1:]
        picked = [np.searchsorted(end, draw, side="right") for end, draw in zip(ends, draws, strict=True)]
        last = rows.shape[1] - 1 - np.argmax(rows[:, ::-1] > 0, axis=1)  # rounding may put a draw beyond the last one
        indices = np.minimum(np.array(picked, np.int64).reshape(len(rows), num_samples), last[:, None])
    else:  # the order of the first arrivals of n Poisson processes
        with np.errstate(divide="ignore"):
            arrival = random.standard_exponential(rows.shape) / rows
        indices = np.argsort(arrival, axis=1)[:, :num_samples]
    return wrap(indices.astype(np.int64).reshape(*weights.shape[:-1], num_samples))


@sample_by_sample(random=True, whole="elements")
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws from Poisson distributions with the rates ``input``, in its dtype: ``torch.poisson``. Raises ``ValueError`` for a negative rate.

    >>> import minigrad as mg
    >>> mg.poisson(mg.zeros(3))
    tensor([0., 0., 0.])
    """
    rates = _probabilities("poisson", array_of(input))
    if not np.all(rates >= 0):
        raise ValueError("poisson: rates must be 0 or above")
    return wrap(np.asarray(numpy_generator(generator).poisson(rates.astype(np.float64))).astype(rates.dtype))


@sample_by_sample(random=True, whole="elements")
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, each with the probability ``prob``: ``torch.binomial``. Both broadcast; the dtype is that of ``prob``.

    Raises ``ValueError`` for a probability outside [0, 1] or a negative count.

    >>> import minigrad as mg
    >>> mg.binomial(mg.tensor([3.0, 5.0]), mg.tensor([0.0, 1.0]))
    tensor([0., 5.])
    """
    n, p = array_of(count), _probabilities("binomial", array_of(prob))
    if not np.all((p >= 0) & (p <= 1)) or not np.all(n >= 0):
        raise ValueError("binomial: probabilities must be in [0, 1], and counts 0 or above")
    return wrap(np.asarray(numpy_generator(generator).binomial(n.astype(np.int64), p.astype(np.float64))).astype(p.dtype))


public(__name__)
