"""The examples of derivatives as functions: each script computes what it says."""

import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here: this is an installed package's test run")


@pytest.fixture
def script(monkeypatch):
    """``script("newton_cg")``: its ``main``."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_the_spectrum_is_that_of_the_hessian(script):
    result = script("hessian_spectrum")(steps=30, learning=20)
    wanted = np.linalg.eigvalsh(result["hessian"]())
    np.testing.assert_allclose(result["found"][[0, -2, -1]], wanted[[0, -2, -1]], rtol=1e-6)
    np.testing.assert_allclose(list(result["distances"].values()), [0.8**10, 1.2**10], rtol=1e-3)  # below the bound and above


def test_newton_needs_a_few_steps(script):
    result = script("newton_cg")()
    assert len(result["history"]) < 20 and result["length"] < 1e-8
    assert result["newton"] < 0.5 * result["descent"]


def test_one_step_of_learning_is_learned(script):
    result = script("maml")(60)
    assert result["after"] < 0.99 * result["before"]


def test_the_network_solves_the_equation(script):
    result = script("physics_informed")(steps=12)
    assert result["residual"] < 1e-4 and result["error"] < 0.02


def test_the_derivative_of_a_fixed_point(script):
    result = script("fixed_point")()
    assert result["error"] < 1e-10 and 10 < result["count"] < 100
    assert result["losses"][-1] < 0.2 * result["losses"][0]
