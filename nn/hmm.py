"""Hidden Markov models: the likeliest states behind a sequence, and the probability of the sequence over all states.

A hidden state moves from step to step by a table of probabilities, and each state says how well it explains what is observed: the
*emission*. In a hybrid of a network and a hidden Markov model the network's outputs are the emissions: ``log p(state | x) - log p(state)``,
which by Bayes' rule is ``log p(x | state)`` up to a constant of x (Bourlard and Morgan 1994). All numbers are logarithms; ``-inf`` forbids.

>>> import minigrad as mg
>>> from minigrad.nn import hmm
>>> calls = mg.tensor([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]]).log()  # the second step looks like state 1
>>> stay = mg.tensor([[0.9, 0.1], [0.1, 0.9]]).log()
>>> path, score = hmm.viterbi(calls, stay)
>>> path  # but a short visit is less likely than a mistake
tensor([0, 0, 0])
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import ShapeError, wrap
from minigrad.ops.reduce import logsumexp
from minigrad.tensor import as_tensor
from minigrad.tree import array_of
from minigrad.types import Tensor


def _shapes(name: str, emissions: Any, transitions: Any, initial: Any) -> None:
    """Refuse tables that do not fit together."""
    if len(emissions.shape) not in (2, 3) or 0 in emissions.shape[-2:]:
        raise ShapeError(f"{name}: emissions must be (T, S) or (N, T, S), not empty, but their shape is {tuple(emissions.shape)}")
    states = emissions.shape[-1]
    for what, table, wanted in (("transitions", transitions, (states, states)), ("initial", initial, (states,))):
        if table is not None and tuple(table.shape) != wanted:
            raise ShapeError(f"{name}: {what} must be {wanted} for the {states} states of the emissions, not {tuple(table.shape)}")


def viterbi(emissions: Any, transitions: Any, initial: Any = None) -> tuple[Tensor, Tensor]:
    """The likeliest path of states, and its score (Viterbi 1967).

    The path s maximises ``initial[s_0] + sum_t emissions[t, s_t] + sum_t transitions[s_t-1, s_t]``. Step by step only the best way to each
    state is kept: ``v_t[j] = emissions[t, j] + max_i (v_t-1[i] + transitions[i, j])``, so that T S² sums do for S^T paths.

    Args:
        emissions: (T, S) log scores of each state at each step, or several sequences (N, T, S).
        transitions: (S, S), from row to column.
        initial: (S,) of the first state; default: 0 for all.

    Returns:
        The path (T,) or (N, T) in int64, and its score () or (N,). Of paths with the same score, the one with the lowest states from the
        end. Neither has a gradient.

    Raises:
        ShapeError: tables that do not fit together.
        ValueError: NaN, or no path is allowed (its score is -inf).

    >>> from minigrad.nn import hmm
    >>> path, score = hmm.viterbi([[0.0, -1.0], [-3.0, 0.0]], [[0.0, -2.0], [-2.0, 0.0]])
    >>> path, score
    (tensor([1, 1]), tensor(-1.))
    """
    e, a = array_of(as_tensor(emissions)), array_of(as_tensor(transitions))
    first = None if initial is None else array_of(as_tensor(initial))
    _shapes("viterbi", e, a, first)
    rows = e if e.ndim == 3 else e[None]
    best = rows[:, 0] if first is None else rows[:, 0] + first
    came = np.zeros(rows.shape, np.int64)
    for t in range(1, rows.shape[1]):
        ways = best[:, :, None] + a
        came[:, t] = ways.argmax(1)
        best = ways.max(1) + rows[:, t]
    score = best.max(1)
    if not (score > -np.inf).all():  # NaN is caught too
        raise ValueError("viterbi: no path is allowed" if not np.isnan(score).any() else "viterbi: there is NaN among the scores")
    path = np.zeros(rows.shape[:2], np.int64)
    path[:, -1] = best.argmax(1)
    every = np.arange(len(rows))
    for t in range(rows.shape[1] - 1, 0, -1):
        path[:, t - 1] = came[every, t, path[:, t]]
    return (wrap(path), wrap(score)) if e.ndim == 3 else (wrap(path[0]), wrap(score[0]))


def log_likelihood(emissions: Any, transitions: Any, initial: Any = None) -> Tensor:
    """The logarithm of the sum over all paths of exp(score), by the forward algorithm (Baum 1970), with gradients.

    ``a_t[j] = emissions[t, j] + logsumexp_i (a_t-1[i] + transitions[i, j])``. Its gradient by ``emissions[t, j]`` is the probability
    that the state at step t is j, given the whole sequence.

    Args:
        emissions, transitions, initial: as for :func:`viterbi`.

    Returns () for (T, S), (N,) for (N, T, S). Raises ``ShapeError`` for tables that do not fit together.

    >>> import minigrad as mg
    >>> from minigrad.nn import hmm
    >>> e = mg.tensor([[0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    >>> stay = mg.tensor([[0.75, 0.25], [0.25, 0.75]]).log()
    >>> total = hmm.log_likelihood(e, stay, mg.tensor([0.9, 0.1]).log())
    >>> mg.grad(total, e)[0]  # from 0.9 it moves towards a half
    tensor([[0.9000, 0.1000],
            [0.7000, 0.3000]])
    """
    e, a = as_tensor(emissions), as_tensor(transitions)
    first = None if initial is None else as_tensor(initial)
    _shapes("log_likelihood", e, a, first)
    steps = e.unbind(-2)
    total = steps[0] if first is None else steps[0] + first
    for step in steps[1:]:
        total = logsumexp(total.unsqueeze(-1) + a, -2) + step
    return logsumexp(total, -1)
