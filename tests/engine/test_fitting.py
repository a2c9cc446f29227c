"""A gradient is summed over the axes that its argument was broadcast along, and no other; where there is none, nothing is copied."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import ShapeError, broadcast_to, cast, sum_to


@pytest.mark.parametrize("target", [(2, 3, 4), (3, 4), (4,), (), (1, 3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 1), (3, 1), (1, 4), (1,)])
def test_sums_over_what_was_broadcast(target):
    x = np.arange(24.0).reshape(2, 3, 4)
    spread = np.broadcast_to(np.ones(target), x.shape)
    axes = tuple(i for i in range(3) if spread.strides[i] == 0)
    assert sum_to(x, target).tolist() == x.sum(axes).reshape(target).tolist()
    assert broadcast_to(np.ones(target), x.shape).shape == x.shape
    assert np.shares_memory(sum_to(x, target), x) == (target == x.shape)


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 3, 1), (2, 1, 1)), ((2, 1, 3), (2, 1, 1)), ((2, 3, 1), (1, 1)), ((2, 1, 1), (1, 1, 1)), ((1, 1, 3), (1,)), ((1, 1), ())],
)
def test_sizes_that_are_1_already_stay(shape, target):
    x = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    found = sum_to(x, target)
    assert found.shape == target
    for row, value in np.ndenumerate(found):  # each element is the sum of those that it went to
        one = np.zeros(target)
        one[row] = 1.0
        assert value == (np.broadcast_to(one, shape) * x).sum()


@pytest.mark.parametrize(("shape", "target"), [((2, 3), (2, 4)), ((2, 3), (5, 1)), ((2, 3), (1, 2, 3)), ((3,), (2,)), ((2, 3), (4, 4))])
def test_what_was_not_broadcast_is_refused(shape, target):
    with pytest.raises(ShapeError, match="does not broadcast to"):
        sum_to(np.ones(shape), target)


def test_a_dtype_that_is_right_is_not_converted():
    x = np.ones(3)
    assert cast(x, np.dtype(np.float64)) is x or np.shares_memory(cast(x, np.dtype(np.float64)), x)
    assert cast(x, np.dtype(np.float32)).dtype == np.float32


def test_a_formula_whose_gradient_has_another_shape_is_named():
    @mg.op(x=lambda g: g[:2])
    def wrong(x):
        return x * 1.0

    with pytest.raises(ShapeError, match=r"wrong: the formula of 'x' gave a gradient of shape \(2,\) for an argument of shape \(3,\)"):
        wrong(mg.ones(3, requires_grad=True)).sum().backward()
