"""Linear algebra beyond the table of cases: errors, dtypes, singular matrices, how einsum computes."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import linalg

a23, a45 = mg.ones(2, 3), mg.ones(4, 5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: a23 @ a45, r"matmul: inner sizes differ: \(2, 3\) @ \(4, 5\) needs 3 == 4"),
        (lambda: a23 @ mg.ones(2), r"matmul: inner sizes differ: \(2, 3\) @ \(2,\) needs 3 == 2"),
        (lambda: mg.ones(2, 2, 3) @ mg.ones(5, 3, 4), r"matmul: the leading dimensions of \(2, 2, 3\) @ \(5, 3, 4\) do not broadcast"),
        (lambda: a23 @ mg.tensor(2.0), r"matmul: both operands need at least 1 dimension: \(2, 3\) @ \(\)"),
        (lambda: mg.mm(a23, mg.ones(3)), r"mm: mat2 must have 2 dimensions, not shape \(3,\)"),
        (lambda: mg.bmm(mg.ones(2, 1, 3), mg.ones(4, 3, 1)), r"bmm: batch sizes differ: \(2, 1, 3\) and \(4, 3, 1\)"),
        (lambda: mg.dot(a23, a23), r"dot: input must have 1 dimension, not shape \(2, 3\)"),
        (lambda: mg.inner(a23, a45), r"inner: the last sizes differ: \(2, 3\) and \(4, 5\)"),
        (lambda: mg.addmm(mg.ones(7), a23, a23.T), r"addmm: input \(7,\) does not broadcast to the product's shape \(2, 2\)"),
        (lambda: mg.addmm(mg.ones(3, 2, 2), a23, a23.T), r"addmm: input \(3, 2, 2\) does not broadcast to the product's shape \(2, 2\)"),
        (lambda: mg.linear(a23, a45), r"linear: input has 3 features but weight expects 5 \(input \(2, 3\), weight \(4, 5\)\)"),
        (lambda: mg.linear(a23, mg.ones(4, 3), mg.ones(3)), r"linear: bias has shape \(3,\) but weight \(4, 3\) has 4 outputs"),
        (lambda: mg.tensordot(a23, a45, 1), r"tensordot: dimension 1 of \(2, 3\) and 0 of \(4, 5\) differ in size: 3 and 4"),
        (lambda: mg.tensordot(a23, a45, 3), r"tensordot: dims=3 must be in 0..2"),
        (lambda: mg.einsum("ij,jk", a23, a45), r"einsum: 'j' in 'ij,jk' has the sizes 3 and 4 \(shapes \(2, 3\), \(4, 5\)\)"),
        (lambda: mg.einsum("ijk", a23), r"einsum: 'ijk' in 'ijk' does not name the 2 dimensions of shape \(2, 3\)"),
        (lambda: mg.trace(mg.ones(3)), r"trace: input must have 2 dimensions"),
        (lambda: mg.chain_matmul(a23, a45), r"multi_dot: inner sizes differ: \(2, 3\), \(4, 5\)"),
        (lambda: mg.linalg.inv(a23), r"inv: square matrices \(..., n, n\) are needed, not shape \(2, 3\)"),
        (lambda: mg.linalg.solve(mg.ones(2, 2), mg.ones(3)), r"solve: a \(2, 2\) and b \(3,\) do not fit: b needs 2 rows"),
        (lambda: mg.cross(a23, a45), r"cross: dimension 1 must have size 3 in both shapes \(2, 3\), \(4, 5\)"),
    ],
)
def test_shape_errors(function, message):
    with pytest.raises(mg.ShapeError, match=message):
        function()


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("ij,jk", "describes 2 operands, but there are 1"),
        ("ij->k", "'k' in the result of 'ij->k' names no dimension"),
        ("ij->ii", "a letter comes twice in the result 'ii'"),
        ("i1", "'1' in 'i1' is not a letter"),
        ("ij->j->i", "at most one arrow"),
        ("......", "'...' comes twice"),
    ],
)
def test_malformed_equations(equation, message):
    with pytest.raises(ValueError, match=message):
        mg.einsum(equation, a23)


def test_einsum_takes_numbers_too():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(mg.einsum(mg.tensor(x), [0, 1], mg.tensor(y), [1, 2], [2, 0]).numpy(), (x @ y).T)
    np.testing.assert_array_equal(mg.einsum(x, [..., 1], y, [1, 2]), x @ y)
    with pytest.raises(ValueError, match="numbers from 0 to 51"):
        mg.einsum(x, [0, 99])


def test_einsum_multiplies_in_a_cheap_order():
    """(A B) v needs n**3 multiplications, A (B v) only 2 n**2: no intermediate result is a matrix."""
    a, b, v = mg.ones(30, 40, requires_grad=True), mg.ones(40, 50), mg.ones(50)
    y = mg.einsum("ij,jk,k->i", a, b, v)
    assert y.tolist() == [2000.0] * 30
    node = y.grad_fn
    while node.name != "contract":
        node = node.parents[0]
    assert sorted(len(labels) for labels in node.static["labels"]) == [1, 1, 2]


def test_operands_of_two_dtypes_are_promoted():
    w = mg.ones(3, 4, requires_grad=True)
    y = mg.tensor(np.ones((2, 3))) @ w
    assert y.dtype == np.float64
    y.sum().backward()
    assert w.grad.dtype == np.float32


def test_float16_products_are_added_in_float32():
    x = mg.tensor(np.full((1, 4000), 1.0, np.float16))
    assert (x @ x.T).item() == 4000 and (x @ x.T).dtype == np.float16


def test_ndarray_times_tensor():
    y = np.ones((2, 3)) @ mg.ones(3, 4, dtype=mg.float64, requires_grad=True)
    assert isinstance(y, mg.Tensor) and y.requires_grad and y.shape == (2, 4)


def test_beta_zero_ignores_the_input():
    y = mg.addmm(mg.tensor(np.full((2, 2), np.nan)), mg.ones(2, 3), mg.ones(3, 2), beta=0)
    assert y.tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]], [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]], [[0.0]]]
)
def test_det_has_a_gradient_at_singular_matrices(values):
    """The gradient is the matrix of cofactors, here from the minors."""
    x = np.array(values)
    n = len(x)
    minors = [[np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(n)] for i in range(n)]
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    t = mg.tensor(x, requires_grad=True)
    mg.det(t).backward()
    np.testing.assert_allclose(t.grad.numpy(), signs * minors, atol=1e-12)


def test_singular_matrices_are_refused():
    for function in (lambda: mg.linalg.inv(mg.ones(2, 2)), lambda: mg.linalg.solve(mg.ones(2, 2), mg.ones(2))):
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            function()
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        mg.linalg.cholesky(-mg.ones(2, 2))


def test_logdet():
    assert np.isnan(mg.logdet(mg.tensor([[0.0, 1.0], [1.0, 0.0]])).item())
    assert mg.logdet(mg.zeros(2, 2)).item() == -np.inf


def test_norms_of_singular_values_are_not_there():
    for order in (2, -2, "nuc"):
        with pytest.raises(NotImplementedError, match="singular values"):
            linalg.matrix_norm(a23, order)
    with pytest.raises(ValueError, match="'fro', 1, -1, inf or -inf, not 3"):
        linalg.matrix_norm(a23, 3)
    with pytest.raises(mg.ShapeError, match="without dim a vector or matrix is needed"):
        linalg.norm(mg.ones(2, 2, 2), 1)


def test_linear_adds_the_bias_to_a_copy():
    """The bias is added in place, to memory that nobody else holds."""
    x, w, b = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.ones(4, np.float32)
    kept = x.copy(), w.copy(), b.copy()
    assert linalg.linear(x, w, b).dtype == np.float32
    for before, after in zip(kept, (x, w, b), strict=True):
        np.testing.assert_array_equal(before, after)
