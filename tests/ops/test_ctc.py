"""CTC: against PyTorch, against a sum over all paths, and to second order."""

import itertools

import numpy as np
import pytest
from answers import torch

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.testing import gradcheck


def all_paths(log_probs, labels, blank=0):
    """-log of the sum over every path of T classes that reads ``labels``: what the loss means, in exponential time."""
    steps, classes = log_probs.shape
    total = -np.inf
    for path in itertools.product(range(classes), repeat=steps):
        read = [c for c, _ in itertools.groupby(path) if c != blank]
        if read == list(labels):
            total = np.logaddexp(total, sum(log_probs[t, c] for t, c in enumerate(path)))
    return -total


@pytest.mark.parametrize("labels", [[], [1], [1, 2], [1, 1], [2, 1, 2], [1, 1, 1]])
@pytest.mark.parametrize("blank", [0, 2])
def test_it_is_the_sum_over_all_paths(labels, blank):
    labels = [label if label != blank else 0 for label in labels]
    x = mg.tensor(np.random.default_rng(0).normal(size=(5, 3))).log_softmax(-1)
    loss = F.ctc_loss(x, mg.tensor(labels, dtype=mg.int64), 5, len(labels), blank, "none")
    assert loss.shape == () and loss.dtype == mg.float64
    np.testing.assert_allclose(loss.numpy(), all_paths(x.numpy(), labels, blank), rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("row", [False, True])
def test_pytorchs(reduction, blank, row):
    rng = np.random.default_rng(1)
    for steps in (4, 9):
        x = rng.normal(size=(steps, 6, 5))
        labels = rng.integers(0, 4, (6, 4)) + (blank == 0)
        ends, lengths = rng.integers(steps - 3, steps + 1, 6), np.array([0, 1, 2, 3, 4, 2])
        targets = np.concatenate([labels[i, :n] for i, n in enumerate(lengths)]) if row else labels
        a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        rest = [mg.tensor(v) for v in (targets, ends, lengths)], [torch.tensor(v) for v in (targets, ends, lengths)]
        y = nn.CTCLoss(blank, reduction, zero_infinity=True)(a.log_softmax(-1), *rest[0])
        z = torch.nn.CTCLoss(blank, reduction, zero_infinity=True)(b.log_softmax(-1), *rest[1])
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-10)
        y.sum().backward()
        z.sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("normalised", [False, True])
def test_first_and_second_order(normalised):
    x = mg.tensor(np.random.default_rng(2).normal(size=(4, 2, 3)), requires_grad=True)

    def loss(x):
        return F.ctc_loss(x.log_softmax(-1) if normalised else x, [[1, 1], [2, 1]], (4, 3), (2, 1))

    gradcheck(loss, x, order=2)


def test_a_target_that_does_not_fit():
    """Three equal labels need two blanks between them: five steps."""
    x = mg.zeros(4, 2, 3).log_softmax(-1).detach().requires_grad_()
    arguments = ([[1, 1, 1], [1, 2, 0]], (4, 4), (3, 2))
    loss = F.ctc_loss(x, *arguments, reduction="none")
    assert loss[0].item() == np.inf and np.isfinite(loss[1].item())
    loss = F.ctc_loss(x, *arguments, reduction="none", zero_infinity=True)
    assert loss[0].item() == 0
    loss.sum().backward()
    assert (x.grad.numpy()[:, 0] == 0).all() and (x.grad.numpy()[:, 1].sum(-1) < 0).all()


def test_sequences_without_steps_or_labels():
    x = mg.zeros(3, 3, 2).log_softmax(-1)
    loss = F.ctc_loss(x, [[1], [1], [1]], (0, 0, 3), (0, 1, 0), reduction="none")
    np.testing.assert_allclose(loss.numpy(), [0.0, np.inf, 3 * np.log(2)], rtol=1e-6)
    assert F.ctc_loss(x, mg.zeros(3, 0, dtype=mg.int64), (3, 3, 3), (0, 0, 0)).item() == pytest.approx(3 * np.log(2))


def test_impossible_classes_and_huge_logits():
    x = mg.tensor(np.random.default_rng(3).choice([-1e4, 0.0, 1e4], (6, 2, 4)), dtype=mg.float32, requires_grad=True)
    loss = F.ctc_loss(x.log_softmax(-1), [[1, 2], [3, 3]], (6, 6), (2, 2))
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(x.grad.numpy()).all()
    with np.errstate(divide="ignore"):
        certain = mg.tensor(np.log([[[0.0, 1.0]], [[1.0, 0.0]]]), requires_grad=True)
    loss = F.ctc_loss(certain, [[1]], (2,), (1,))
    loss.backward()
    assert loss.item() == 0 and certain.grad.tolist() == [[[0, -1]], [[-1, 0]]]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"log_probs": mg.zeros(3)}, mg.ShapeError, r"log_probs must be \(T, N, C\) or \(T, C\), not of shape \(3,\)"),
        ({"log_probs": mg.zeros(4, 2, 3, dtype=mg.int64)}, RuntimeError, "log_probs must be floating, not int64"),
        ({"input_lengths": (5, 4)}, mg.ShapeError, r"input_lengths\[0\] is 5, but must be between 0 and 4"),
        ({"input_lengths": (4, -1)}, mg.ShapeError, r"input_lengths\[1\] is -1"),
        ({"input_lengths": (4,)}, mg.ShapeError, "input_lengths must hold a number for each of the 2 sequences, not 1"),
        ({"input_lengths": (4.0, 4.0)}, RuntimeError, "input_lengths must be integers, not float64"),
        ({"target_lengths": (1, 3)}, mg.ShapeError, r"target_lengths\[1\] is 3, but must be between 0 and 2"),
        ({"targets": [[1, 3], [2, 0]]}, IndexError, r"label 3 at place 1 of sequence 0 is outside the 3 classes \(0..2\)"),
        ({"targets": [[1, 0], [2, 0]]}, IndexError, "label 0 at place 1 of sequence 0 is the blank"),
        ({"targets": [1, 2]}, mg.ShapeError, "target_lengths add up to 3, but targets holds 2 labels"),
        ({"targets": [[1, 2]]}, mg.ShapeError, r"targets \(1, 2\) must be \(N, S\) with N = 2"),
        ({"targets": [[1.0, 2.0], [1.0, 1.0]]}, RuntimeError, "targets must be integers, not float64"),
        ({"blank": 3}, IndexError, "blank 3 is outside the 3 classes"),
        ({"reduction": "average"}, ValueError, "reduction must be"),
        ({"zero_infinity": 1}, TypeError, "zero_infinity must be True or False, but is 1"),
    ],
)
def test_errors(changed, error, message):
    arguments = {"log_probs": mg.zeros(4, 2, 3), "targets": [[1, 2], [2, 0]], "input_lengths": (4, 4), "target_lengths": (2, 1)}
    F.ctc_loss(**arguments)
    with pytest.raises(error, match=f"^ctc_loss: .*{message}"):
        F.ctc_loss(**arguments | changed)
