"""Gradients have the dtypes of their arguments, the default dtype, and mixed dtypes; tests/ops/test_result_dtypes.py has the table."""

import itertools

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "pow"])
def test_gradients_have_the_dtype_of_their_argument(name):
    for a, b in itertools.product(["float32", "float64"], repeat=2):
        for a_shape, b_shape in [((2,), ()), ((), (2,)), ((2,), (2,))]:
            x, y = mg.ones(a_shape, dtype=a, requires_grad=True), mg.ones(b_shape, dtype=b, requires_grad=True)
            getattr(mg, name)(x, y).sum().backward()
            assert (x.grad.dtype, y.grad.dtype, x.grad.shape, y.grad.shape) == (a, b, a_shape, b_shape)


def test_default_dtype():
    """What integers and Python floats become follows set_default_dtype."""
    before = mg.get_default_dtype()
    try:
        mg.set_default_dtype(mg.float64)
        assert mg.tensor(1.5).dtype == mg.float64
        assert (mg.tensor([1, 2]) / 2).dtype == mg.float64
        assert mg.tensor([1, 2]).exp().dtype == mg.float64
        assert (mg.tensor([1, 2]) * 1.5).dtype == mg.float64
        assert mg.zeros(2).dtype == mg.float64
    finally:
        mg.set_default_dtype(before)
    assert (mg.tensor([1, 2]) / 2).dtype == mg.float32


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_of_integers_and_of_mixed_dtypes(training):
    """Integers count as the default dtype, and the wider of two floating dtypes wins, as in arithmetic."""
    x = mg.arange(12).reshape(3, 4)
    mean, var = (None, None) if training else (mg.zeros(4), mg.ones(4))
    y = F.batch_norm(x, mean, var, training=training)
    assert y.dtype == mg.float32
    np.testing.assert_array_equal(y.numpy(), F.batch_norm(x.float(), mean, var, training=training).numpy())
    assert F.layer_norm(x, (4,)).dtype == mg.float32
    wide = F.batch_norm(x.float(), mean, var, mg.ones(4, dtype=mg.float64), training=training)
    assert wide.dtype == mg.float64
