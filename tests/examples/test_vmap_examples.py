"""The examples of ``vmap``: each script computes what it says."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here: this is an installed package's test run")


def script(name):
    """The ``main`` of an example."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_wrong_labels_have_large_gradients_and_private_learning_learns():
    result = script("per_sample_gradients")()
    assert result["found"] > 0.7
    assert result["right"] > 0 > result["wrong"]
    assert result["plain"] > 0.97
    assert result["private"] > 0.9


def test_the_ensemble_is_sure_where_it_saw_data():
    result = script("ensemble")(steps=120)
    seen, unseen = [0, 2], [1, 3]
    np.testing.assert_allclose(result["mean"][seen], np.sin([-4.0, 4.0]), atol=0.2)
    assert result["deviation"][seen].max() < 0.15
    assert result["deviation"][unseen].min() > 2 * result["deviation"][seen].max()
