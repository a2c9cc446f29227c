"""Third derivatives of the ops in networks agree with numerical ones."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.testing import gradcheck

rng = np.random.default_rng(3)


def leaf(*shape):
    return mg.tensor(rng.normal(size=shape), requires_grad=True)


def distinct(*shape):
    """Elements far enough apart that no maximum changes."""
    return mg.tensor(rng.permutation(np.prod(shape)).reshape(shape) / 4.0, requires_grad=True)


CASES = {
    "conv2d": (
        lambda x, w, b: F.conv2d(x.tanh(), w, b, stride=(2, 1), padding=1, dilation=(1, 2), groups=2),
        leaf(1, 2, 3, 4),
        leaf(2, 1, 2, 2),
        leaf(2),
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, stride=1, padding=1).exp(), distinct(1, 1, 3, 3)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1), leaf(3, 2), leaf(2), leaf(2)),
    "cross_entropy of classes": (lambda x: F.cross_entropy(x, mg.tensor([2, 0]), label_smoothing=0.1), leaf(2, 3)),
    "cross_entropy of probabilities": (lambda x, t: F.cross_entropy(x, t.softmax(1)), leaf(2, 3), leaf(2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_third_order(name):
    function, *inputs = CASES[name]
    report = gradcheck(function, *inputs, order=3)
    assert report
