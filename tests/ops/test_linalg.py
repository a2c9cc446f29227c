"""Linear algebra beyond the table of cases: errors, dtypes, singular matrices, how einsum computes."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import linalg, products

a23, a45 = mg.ones(2, 3), mg.ones(4, 5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: a23 @ a45, r"matmul: inner sizes differ: \(2, 3\) @ \(4, 5\) needs 3 == 4"),
        (lambda: a23 @ mg.ones(2), r"matmul: inner sizes differ: \(2, 3\) @ \(2,\) needs 3 == 2"),
        (lambda: mg.ones(2, 2, 3) @ mg.ones(5, 3, 4), r"matmul: the leading dimensions of \(2, 2, 3\) @ \(5, 3, 4\) do not broadcast"),
        (lambda: a23 @ mg.tensor(2.0), r"matmul: both operands need at least 1 dimension: \(2, 3\) @ \(\)"),
        (lambda: a23 @ 2.0, r"matmul: both operands need at least 1 dimension: \(2, 3\) @ \(\)"),
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
        (lambda: mg.chain_matmul(a23, a45), r"chain_matmul: inner sizes differ: \(2, 3\), \(4, 5\)"),
        (lambda: mg.linalg.inv(a23), r"inv: square matrices \(..., n, n\) are needed, not shape \(2, 3\)"),
        (lambda: mg.linalg.solve(mg.ones(2, 2), mg.ones(3)), r"solve: A \(2, 2\) and B \(3,\) do not fit: B needs 2 rows"),
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


def test_errors_of_norms():
    with pytest.raises(ValueError, match="'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not 3"):
        linalg.matrix_norm(a23, 3)
    with pytest.raises(mg.ShapeError, match="without dim a vector or matrix is needed"):
        linalg.norm(mg.ones(2, 2, 2), 1)
    with pytest.raises(mg.ShapeError, match=r"^norm: without dim a matrix is needed"):
        mg.norm(mg.ones(3), "nuc")


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: linalg.qr(mg.ones(3)), mg.ShapeError, r"qr: matrices \(..., n, m\) are needed, not shape \(3,\)"),
        (lambda: linalg.svd(mg.ones(2, 2, dtype=mg.int64)), RuntimeError, "svd: float32 or float64 is needed, not int64"),
        (lambda: linalg.svdvals(mg.ones(2, 2).half()), RuntimeError, "svdvals: float32 or float64 is needed, not float16"),
        (lambda: linalg.qr(a23, "raw"), ValueError, "qr: mode must be 'reduced', 'complete' or 'r', not 'raw'"),
        (lambda: linalg.eigh(a23), mg.ShapeError, r"eigh: square matrices \(..., n, n\) are needed, not shape \(2, 3\)"),
        (lambda: linalg.eigh(mg.ones(2, 2), "l"), ValueError, "eigh: UPLO must be 'L' or 'U'"),
        (lambda: linalg.eig(a23), mg.ShapeError, r"eig: square matrices \(..., n, n\) are needed, not shape \(2, 3\)"),
        (lambda: linalg.matrix_exp(a23), mg.ShapeError, "matrix_exp: square matrices"),
        (lambda: linalg.cond(a23, 1), mg.ShapeError, "cond: square matrices"),
        (
            lambda: linalg.solve_triangular(mg.ones(2, 2), a23.mT, upper=True),
            mg.ShapeError,
            r"A \(2, 2\) and B \(3, 2\) do not fit: B needs 2 rows",
        ),
        (
            lambda: linalg.solve_triangular(mg.ones(2, 1, 1), mg.ones(3, 1, 1), upper=True),
            mg.ShapeError,
            r"leading dimensions of A \(2, 1, 1\) and B \(3, 1, 1\) do not broadcast",
        ),
        (lambda: linalg.lu_solve(mg.ones(2, 2), mg.tensor([1, 2]), mg.ones(3, 1)), mg.ShapeError, "lu_solve: .* B needs 2 rows"),
        (lambda: linalg.lu_factor(mg.ones(2, 2)), np.linalg.LinAlgError, r"lu_factor: U\[1, 1\] is zero"),
        (lambda: linalg.lu_factor(mg.ones(3, 2, 2)), np.linalg.LinAlgError, r"lu_factor: U\[1, 1\] of matrix 0 is zero"),
        (lambda: linalg.lstsq(a23, mg.ones(3)), mg.ShapeError, r"lstsq: A \(2, 3\) and B \(3,\) do not fit"),
        (lambda: linalg.lstsq(a23, mg.ones(2), driver="qr"), ValueError, "lstsq: driver must be 'gels'"),
        (lambda: linalg.tensorinv(mg.ones(2, 3), 1), mg.ShapeError, r"tensorinv: the first 1 and the other sizes of \(2, 3\)"),
        (lambda: linalg.tensorsolve(mg.ones(2, 3), mg.ones(2)), mg.ShapeError, "tensorsolve: the sizes of A must be"),
        (lambda: linalg.vander(mg.tensor(1.0)), mg.ShapeError, "vander: a number needs N"),
        (lambda: mg.vander(a23), mg.ShapeError, r"vander: a vector is needed, not shape \(2, 3\)"),
        (lambda: mg.norm(mg.ones(2, 2), "nuc", 0), mg.ShapeError, "^norm: dim must be the two dimensions of the matrices, not 0"),
        (lambda: mg.nuclear_norm(mg.ones(2, 2, 2)), mg.ShapeError, "nuclear_norm: without dim a matrix is needed"),
    ],
)
def test_errors_of_decompositions(function, error, message):
    with pytest.raises(error, match=message):
        function()


def test_singular_matrices_of_which_only_values_are_used_have_gradients():
    """Equal singular values, and zero ones, divide by zero only if their vectors are used."""
    x = mg.eye(3, 2, dtype=mg.float64, requires_grad=True)
    linalg.svdvals(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3, 2))
    x = mg.zeros(2, 3, dtype=mg.float64, requires_grad=True)
    linalg.svdvals(x)[0].backward()
    assert np.isfinite(x.grad.numpy()).all() and np.abs(x.grad.numpy()).sum() == 1
    x = mg.eye(3, dtype=mg.float64, requires_grad=True)
    linalg.eigvalsh(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3))
    x = mg.eye(3, dtype=mg.float64, requires_grad=True)
    linalg.eigh(x).eigenvectors[0, 1].backward()
    assert not np.isfinite(x.grad.numpy()).all()


def test_qr_of_tall_matrices_in_complete_mode_has_no_gradient():
    x = mg.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    q, r = linalg.qr(x, "complete")
    np.testing.assert_allclose((q @ r).detach().numpy(), x.detach().numpy(), atol=1e-12)
    with pytest.raises(RuntimeError, match="the last 1 of the 3 columns of Q are arbitrary"):
        r.sum().backward()
    assert linalg.qr(x, "r").Q.shape == (0,)


def test_singular_triangles_divide_by_zero_as_in_pytorch():
    out = linalg.solve_triangular(mg.tensor([[1.0, 0.0], [1.0, 0.0]]), mg.tensor([[1.0], [3.0]]), upper=False)
    assert out.tolist() == [[1.0], [np.inf]]


def test_rank_and_condition_of_singular_matrices():
    x = np.zeros((2, 3, 3))
    x[0] = np.diag([1.0, 1e-3, 0])
    t = mg.tensor(x)
    assert linalg.matrix_rank(t).tolist() == [2, 0] and linalg.matrix_rank(t).dtype == np.int64
    assert linalg.matrix_rank(t, atol=1e-2).tolist() == [1, 0] and linalg.matrix_rank(t, rtol=0.1, atol=mg.tensor([0.0, 1.0])).tolist() == [
        1,
        0,
    ]
    assert linalg.cond(t[0]).item() == np.inf and linalg.cond(t, 1).tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(linalg.pinv(t).numpy(), np.linalg.pinv(x))


def test_lstsq_returns_what_its_driver_finds():
    a, b = mg.tensor(np.vander([1.0, 2.0, 3.0, 4.0], 2)), mg.tensor([1.0, 2.0, 4.0, 8.0], dtype=mg.float64)
    expected = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
    for driver, sizes in {"gels": [0, 0], "gelsy": [1, 0], "gelsd": [1, 2]}.items():
        out = linalg.lstsq(a, b, driver=driver)
        np.testing.assert_allclose(out.solution.numpy(), expected[0])
        np.testing.assert_allclose(out.residuals.numpy(), [] if driver == "gelsy" else expected[1][0])
        assert [out.rank.numel(), out.singular_values.numel()] == sizes
    assert linalg.lstsq(mg.ones(3, 2), mg.ones(3), driver="gelsd").residuals.shape == (0,)  # the rank is 1


def test_pivots_of_a_batch_make_one_permutation_each():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 4, 4)).astype(np.float32)
    p, lower, upper = linalg.lu(mg.tensor(a))
    np.testing.assert_allclose((p @ lower @ upper).numpy(), a, atol=1e-5)
    assert (np.abs(lower.numpy()) <= 1).all() and upper.dtype == np.float32
    factor = linalg.lu_factor(mg.tensor(a))
    assert factor.pivots.dtype == np.int32
    none = mg.lu_unpack(*factor, unpack_pivots=False)
    assert none.P.shape == (0,) and none.L.tolist() == lower.tolist()
    assert mg.lu_unpack(*factor, unpack_data=False).L.shape == (0,)
    assert mg.lu(mg.ones(2, 2, 2), get_infos=True)[2].tolist() == [2, 2] and mg.lu(mg.ones(1, 0, 0), get_infos=True)[2].tolist() == [0]
    assert linalg.lu_solve(*linalg.lu_factor(mg.ones(2, 0, 0)), mg.ones(2, 0, 3)).shape == (2, 0, 3)
    without = linalg.lu(mg.tensor(a) + 9 * mg.eye(4), pivot=False)
    np.testing.assert_array_equal(without.P.numpy(), np.broadcast_to(np.eye(4), (5, 4, 4)))
    np.testing.assert_allclose((without.L @ without.U).numpy(), a + 9 * np.eye(4), atol=1e-5)


def test_old_svd_returns_v_and_zeros_without_vectors():
    a = mg.tensor(np.diag([1.0, 3.0])[:, [0, 1, 1]])
    u, s, v = mg.svd(a)
    np.testing.assert_allclose((u @ mg.diag(s) @ v.T).numpy(), a.numpy(), atol=1e-12)
    u, s, v = mg.svd(a, compute_uv=False)
    assert u.shape == (2, 2) and v.shape == (3, 3) and not u.any() and not v.any() and s.shape == (2,)


def test_matrix_exp_of_large_and_of_no_elements():
    turn = mg.tensor([[0.0, 100.0], [-100.0, 0.0]], dtype=mg.float64)
    np.testing.assert_allclose(linalg.matrix_exp(turn).numpy(), [[np.cos(100), np.sin(100)], [-np.sin(100), np.cos(100)]], atol=1e-11)
    assert linalg.matrix_exp(mg.ones(0, 2, 2)).shape == (0, 2, 2) and linalg.matrix_exp(mg.ones(2, 0, 0)).shape == (2, 0, 0)
    np.testing.assert_allclose(linalg.matrix_exp(mg.eye(2)).numpy(), np.e * np.eye(2), rtol=1e-6)
    assert np.isnan(linalg.matrix_exp(mg.tensor([[np.nan]])).item())


def test_linear_adds_the_bias_to_a_copy():
    """The bias is added in place, to memory that nobody else holds."""
    x, w, b = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), np.ones(4, np.float32)
    kept = x.copy(), w.copy(), b.copy()
    assert products.linear(x, w, b).dtype == np.float32
    for before, after in zip(kept, (x, w, b), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_failed_is_said_for_each_matrix():
    good, bad = np.array([[4.0, 2.0], [2.0, 5.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])
    batch = mg.tensor(np.stack([good, bad, -good])).requires_grad_()
    factor, info = linalg.cholesky_ex(batch)
    assert info.tolist() == [0, 2, 1] and info.dtype == mg.int32
    assert np.allclose(factor[0].numpy(force=True), np.linalg.cholesky(good)) and mg.isnan(factor[1:]).all()
    factor[0].sum().backward()
    assert batch.grad is not None and mg.isfinite(batch.grad).all() and (batch.grad[1:] == 0).all()
    singular = mg.tensor(np.stack([good, np.ones((2, 2))]))
    assert linalg.inv_ex(singular).info.tolist() == linalg.lu_factor_ex(singular).info.tolist() == [0, 2]
    solved, info = linalg.solve_ex(singular, mg.ones(2, 2, dtype=mg.float64))
    assert info.tolist() == [0, 2] and np.allclose(solved[0].numpy(), np.linalg.solve(good, [1, 1])) and mg.isnan(solved[1]).all()
    for call in (
        lambda: linalg.cholesky_ex(batch, check_errors=True),
        lambda: linalg.inv_ex(singular, check_errors=True),
        lambda: linalg.solve_ex(singular, mg.ones(2, 2, dtype=mg.float64), check_errors=True),
        lambda: linalg.lu_factor_ex(singular, check_errors=True),
    ):
        with pytest.raises(linalg.LinAlgError, match=r"_ex: matrix \(1,\) has no result: its elimination stops at row 2, counted from 1"):
            call()
    z = mg.complex(mg.tensor([[2.0, 0.0], [0.0, 3.0]]), mg.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    assert linalg.cholesky_ex(z).info.item() == 0 and linalg.cholesky_ex(-z).info.item() == 1 and linalg.inv_ex(z).info.item() == 0
    assert mg.func.vmap(lambda a: linalg.cholesky_ex(a).info)(batch).tolist() == [0, 2, 1]


def test_reflections_refuse_what_does_not_fit():
    for call, text in (
        (lambda: linalg.householder_product(mg.ones(2, 3), mg.ones(2)), "as many rows as columns, or more, are needed"),
        (lambda: linalg.householder_product(mg.ones(3, 2), mg.ones(3)), r"tau needs shape \(..., k\) with k up to 2, for \(3, 2\)"),
        (lambda: mg.ormqr(mg.ones(3, 2), mg.ones(2), mg.ones(2, 2)), r"other \(2, 2\) needs 3 rows"),
        (lambda: mg.ormqr(mg.ones(3, 2), mg.ones(2), mg.ones(3, 2), left=False), r"other \(3, 2\) needs 3 columns"),
    ):
        with pytest.raises(mg.ShapeError, match=text):
            call()
    with pytest.raises(RuntimeError, match=r"householder_product: the matrices and tau need one dtype, not .*float32 and .*float64"):
        linalg.householder_product(mg.ones(3, 2), mg.ones(2, dtype=mg.float64))
    with pytest.raises(NotImplementedError, match="geqrf: there is no derivative"):
        mg.geqrf(mg.ones(3, 2).requires_grad_()).a.sum().backward()
