"""Hidden Markov models against every path, one by one: the best score and path, the sum over all, and each state's probability."""

from itertools import pairwise, product

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import hmm
from minigrad.testing import gradcheck

RNG = np.random.default_rng(0)


def paths(e, a, first):
    """Path -> score."""
    scores = {}
    for path in product(range(e.shape[1]), repeat=len(e)):
        moves = sum(a[i, j] for i, j in pairwise(path))
        scores[path] = first[path[0]] + moves + sum(e[t, s] for t, s in enumerate(path))
    return scores


@pytest.mark.parametrize(("steps", "states"), [(1, 1), (1, 3), (4, 1), (5, 3), (6, 2), (3, 5)])
def test_all_paths(steps, states):
    for _ in range(5):
        e, a, first = (RNG.standard_normal(shape) for shape in ((steps, states), (states, states), (states,)))
        scores = paths(e, a, first)
        path, score = hmm.viterbi(e, a, first)
        assert path.dtype == mg.int64 and tuple(path.tolist()) == max(scores, key=scores.__getitem__)
        np.testing.assert_allclose(score.item(), max(scores.values()), rtol=1e-5)
        emissions = mg.tensor(e, requires_grad=True)
        total = hmm.log_likelihood(emissions, mg.tensor(a), mg.tensor(first))
        np.testing.assert_allclose(total.item(), np.logaddexp.reduce(list(scores.values())), rtol=1e-5)
        (posterior,) = mg.grad(total, emissions)
        for t, s in np.ndindex(e.shape):
            through = np.logaddexp.reduce([score for path, score in scores.items() if path[t] == s])
            np.testing.assert_allclose(posterior[t, s].item(), np.exp(through - total.item()), rtol=1e-4)


def test_several_sequences_are_each_as_alone():
    e, a = RNG.standard_normal((4, 6, 3)), RNG.standard_normal((3, 3))
    path, score = hmm.viterbi(e, a)
    total = hmm.log_likelihood(e, a)
    assert path.shape == (4, 6) and score.shape == total.shape == (4,)
    for n in range(4):
        alone = hmm.viterbi(e[n], a, np.zeros(3))
        assert (path[n] == alone[0]).all() and score[n] == alone[1]
        np.testing.assert_allclose(total[n].item(), hmm.log_likelihood(e[n], a).item(), rtol=1e-6)


def test_what_is_forbidden_is_not_done():
    """Left to right only: whatever the emissions are, the path does not go back; gradients stay numbers."""
    a = np.log(np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]]), where=np.eye(3, k=0) + np.eye(3, k=1) > 0, out=np.full((3, 3), -np.inf))
    first = np.array([0, -np.inf, -np.inf])
    for _ in range(20):
        e = mg.tensor(5 * RNG.standard_normal((8, 3)), requires_grad=True)
        path = hmm.viterbi(e, a, first)[0].numpy()
        assert path[0] == 0 and set(np.diff(path)) <= {0, 1}
        (posterior,) = mg.grad(hmm.log_likelihood(e, a, first), e)
        np.testing.assert_allclose(posterior.sum(1).numpy(), 1, rtol=1e-5)
        np.testing.assert_allclose(posterior[0].numpy(), [1, 0, 0], atol=1e-12)


def test_equal_paths_end_in_the_lowest_state():
    assert hmm.viterbi(mg.zeros(4, 3), mg.zeros(3, 3))[0].tolist() == [0, 0, 0, 0]


def test_gradients_of_the_sum_over_paths():
    tables = [mg.tensor(RNG.standard_normal(shape), requires_grad=True) for shape in ((2, 4, 3), (3, 3), (3,))]
    gradcheck(hmm.log_likelihood, *tables)


@pytest.mark.parametrize("function", [hmm.viterbi, hmm.log_likelihood])
@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((3,), (3, 3)), r"emissions must be \(T, S\) or \(N, T, S\), not empty, but their shape is \(3,\)"),
        (((0, 3), (3, 3)), r"emissions must be \(T, S\) or \(N, T, S\), not empty, but their shape is \(0, 3\)"),
        (((4, 3), (2, 3)), r"transitions must be \(3, 3\) for the 3 states of the emissions, not \(2, 3\)"),
        (((4, 3), (3, 3), (2,)), r"initial must be \(3,\) for the 3 states of the emissions, not \(2,\)"),
    ],
)
def test_tables_that_do_not_fit(function, shapes, message):
    with pytest.raises(mg.ShapeError, match=rf"^{function.__name__}: {message}$"):
        function(*(mg.zeros(*shape) for shape in shapes))


def test_no_path_and_nan():
    nothing = np.full((2, 2), -np.inf)
    with pytest.raises(ValueError, match=r"^viterbi: no path is allowed$"):
        hmm.viterbi(mg.zeros(3, 2), nothing)
    with pytest.raises(ValueError, match=r"^viterbi: there is NaN among the scores$"):
        hmm.viterbi([[0.0, np.nan]], mg.zeros(2, 2))
