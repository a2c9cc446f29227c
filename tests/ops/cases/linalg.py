"""Rows for ``minigrad/ops/products.py``, ``equations.py``, ``linalg.py``, ``householder.py`` and ``informed.py``."""

import functools
import math

import numpy as np
from hypothesis import strategies as hs

import minigrad as mg
from cases import Case
from minigrad.ops import contractions, equations, householder, informed, linalg, products
from minigrad.testing import strategies as st

sizes = hs.integers(0, 3)


@hs.composite
def operands(draw, *shapes):
    """Arrays of shapes like "n k" and "k m": equal letters stand for equal sizes, and "1" for itself."""
    size = {c: draw(sizes) for c in sorted(set("".join(shapes)) - {" ", "1"})} | {"1": 1}
    return st.Call([draw(st.arrays(tuple([size[c] for c in shape.split()]))) for shape in shapes])


def plus_product(*shapes):
    return st.call(operands(*shapes), beta=hs.sampled_from([1, 0.5, 0]), alpha=hs.sampled_from([1, 2.0]))


@hs.composite
def square(draw, lead=True, margin=3.5):
    """Invertible matrices: small ones, and ``margin`` along the diagonal."""
    n = draw(hs.integers(1, 3))
    shape = (*(draw(st.shapes(0, 1, 0, 2)) if lead else ()), n, n)
    return draw(st.arrays(shape, low=-1, high=1)) + margin * np.eye(n)


@hs.composite
def systems(draw, vectors=True):
    a = draw(square())
    lead, n = a.shape[:-2], a.shape[-1]
    kind = draw(hs.sampled_from(["vector", "columns", "matching vectors", "broadcast"] if vectors else ["columns", "broadcast"]))
    b = {"vector": (n,), "matching vectors": (*lead, n), "columns": (*lead, n, draw(sizes)), "broadcast": (2, *[1] * len(lead), n, 2)}[kind]
    return st.Call((a, draw(st.arrays(b))))


@hs.composite
def linear_arguments(draw):
    lead, n, m = draw(st.shapes(0, 2, 0, 3)), draw(sizes), draw(sizes)
    bias = draw(st.arrays((m,))) if draw(hs.booleans()) else None
    return st.Call((draw(st.arrays((*lead, n))), draw(st.arrays((m, n))), bias))


@hs.composite
def contracted(draw):
    """Two operands of ``contract``: each of five labels is in two or three of the operands and the result."""
    places = draw(hs.lists(hs.sampled_from(["ab", "ao", "bo", "abo"]), max_size=5))
    size = [draw(hs.integers(0, 3)) for _ in places]
    labels = tuple([tuple(draw(hs.permutations([i for i, p in enumerate(places) if place in p]))) for place in "abo"])
    a, b = (draw(st.arrays(tuple([size[i] for i in part]))) for part in labels[:2])
    return st.Call((a, b), {"labels": labels})


@hs.composite
def chains(draw):
    n = [draw(hs.integers(1, 3)) for _ in range(5)]
    count = draw(hs.integers(2, 4))
    shapes = [[n[i], n[i + 1]] for i in range(count)]
    if draw(hs.booleans()):
        shapes[0] = shapes[0][1:]
    if draw(hs.booleans()):
        shapes[-1] = shapes[-1][:1]
    return st.Call(([draw(st.arrays(tuple(shape))) for shape in shapes],))


def symmetric(function):
    """``function`` of the symmetric part: it reads one triangle only, which a step along a single element would not respect."""

    @functools.wraps(function)
    def of_symmetric(x):
        return function((x + np.swapaxes(x, -1, -2) if isinstance(x, np.ndarray) else x + x.mT) * 0.5)

    return of_symmetric


def cofactor(x):
    return np.linalg.det(x)[..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2)


@hs.composite
def linear_gradients(draw):
    """A gradient of the result, and an input."""
    lead, features = draw(st.shapes(0, 2, 0, 3)), draw(st.shapes(2, 2, 1, 3))
    return st.Call(tuple(draw(st.arrays((*lead, n))) for n in features), {})


def torch_bilinear(torch, x, y, w, b=None):
    return torch.nn.functional.bilinear(x, y, w, b)


@hs.composite
def vectors(draw):
    call = draw(st.broadcastable(2, max_dims=2))
    n = max(x.ndim for x in call.args)  # both have as many dimensions
    return st.Call([draw(st.arrays((*[1] * (n - x.ndim), *x.shape, 3))) for x in call.args])


@hs.composite
def bilinear_arguments(draw):
    lead, n, m, out = draw(st.shapes(1, 2, 1, 2)), *(draw(hs.integers(1, 2)) for _ in range(3))
    return st.Call((draw(st.arrays((*lead, n))), draw(st.arrays((*lead, m))), draw(st.arrays((out, n, m))), draw(st.arrays((out,)))))


@hs.composite
def reflections(draw, others=False):
    """Vectors and factors of reflections, and matrices that are multiplied by these. PyTorch divides by the determinant of a reflection, 1 - tau vᵀ v."""
    n = draw(hs.integers(1, 3))
    m, k = n + draw(hs.integers(0, 2)), draw(hs.integers(1, n))
    lead = draw(st.shapes(0, 1, 0, 2))
    a, tau = draw(st.arrays((*lead, m, n), low=-1, high=1)), draw(st.arrays((*lead, k), low=1.1, high=2))
    if not others:
        return st.Call((a, tau))
    left = draw(hs.booleans())
    return st.Call((a, tau, draw(st.arrays((*lead, m, 2) if left else (*lead, 2, m))), left, draw(hs.booleans())))


@hs.composite
def separated(draw, square=False, batch=True, avoid=()):
    """Matrices whose singular values (eigenvalues) are apart: small elements, and 1, 2.5, 4.5 on the diagonal.

    Without zeros (``avoid``) LAPACK chooses the signs of vectors, and their order, in one way near each.
    """
    m = draw(hs.integers(1, 3))
    n = m if square else draw(hs.integers(1, 3))
    lead = draw(st.shapes(0, 1, 0, 2)) if batch else ()
    diagonal = np.zeros((m, n))
    np.fill_diagonal(diagonal, [1, 2.5, 4.5])
    return draw(st.arrays((*lead, m, n), low=-0.2, high=0.2, avoid=avoid)) + diagonal


@hs.composite
def ill_placed(draw):
    """Square matrices of which LU exchanges rows: a permutation of those with a large diagonal."""
    a = draw(square())
    return a[..., draw(hs.permutations(range(a.shape[-1]))), :]


@hs.composite
def triangular_systems(draw):
    a, n = (x := draw(square())), x.shape[-1]
    lead = draw(hs.sampled_from([a.shape[:-2], (), (2, *[1] * (a.ndim - 2))]))
    left, k = draw(hs.booleans()), draw(sizes)
    b = draw(st.arrays((*lead, n, k) if left else (*lead, k, n)))
    return st.Call((a, b), {"upper": draw(hs.booleans()), "left": left, "unitriangular": draw(hs.booleans())})


@hs.composite
def factored(draw):
    """A right-hand side and what stands for a factor of its matrix."""
    a = draw(square())
    return st.Call((draw(st.arrays((*a.shape[:-1], draw(sizes)))), a))


# Functions that do not depend on the signs of vectors, for comparison with another library. ``lib`` is minigrad or PyTorch.


def of_qr(lib, a, mode="reduced"):
    q, r = lib.linalg.qr(a, mode)
    return q * q, r * r, q @ r


def of_svd(lib, a, full_matrices=False):
    u, s, vh = lib.linalg.svd(a, full_matrices=full_matrices)
    k = s.shape[-1]
    return (u[..., :k] * s.exp().unsqueeze(-2)) @ vh[..., :k, :], s, u[..., :k] ** 2, vh[..., :k, :] ** 2


def of_eigh(lib, a):
    values, v = lib.linalg.eigh((a + a.mT) * 0.5)
    return (v * values.exp().unsqueeze(-2)) @ v.mT, values, v * v


def of_eig(lib, a):
    """``exp(a)`` from eigenvalues, and the squares of the eigenvectors, summed because PyTorch may order them differently."""
    values, v = lib.linalg.eig(a)
    powers = (v * values.exp().unsqueeze(-2)) @ lib.linalg.inv(v), (v * v).sum(-1), values.sum(-1)
    return tuple([x.real for x in powers])


def here(function, **kwargs):
    """``function`` with minigrad."""
    return lambda a: function(mg, a, **kwargs)


MATRIX_NORMS = hs.sampled_from(["fro", 1, -1, math.inf, -math.inf])

CASES = [
    # products
    Case(products.matmul, st.matmul_operands(), numpy=np.matmul, torch="matmul"),
    Case(products.mm, operands("n k", "k m"), numpy=np.matmul, torch="mm"),
    Case(products.bmm, operands("b n k", "b k m"), numpy=np.matmul, torch="bmm"),
    Case(products.mv, operands("n k", "k"), numpy=np.matmul, torch="mv"),
    Case(products.dot, operands("k", "k"), numpy=np.dot, torch="dot"),
    Case(products.vdot, operands("k", "k"), numpy=np.vdot, torch="vdot"),
    Case(contractions.inner, operands("a b k", "c k"), numpy=np.inner, torch="inner"),
    Case(contractions.inner, operands("", "a b"), numpy=np.inner, torch="inner", name="inner_number"),
    Case(products.outer, operands("n", "m"), numpy=np.outer, torch="outer"),
    Case(products.addmm, plus_product("n m", "n k", "k m"), torch="addmm"),
    Case(products.addmm, plus_product("1 m", "n k", "k m"), torch="addmm", name="addmm_broadcast"),
    Case(products.addmv, plus_product("n", "n k", "k"), torch="addmv"),
    Case(products.addr, plus_product("n m", "n", "m"), torch="addr"),
    Case(products.baddbmm, plus_product("b n m", "b n k", "b k m"), torch="baddbmm"),
    Case(products.addbmm, plus_product("n m", "b n k", "b k m"), torch="addbmm"),
    Case(products.linear, linear_arguments(), torch="linear"),
    Case(products.linear_weight, linear_gradients()),
    Case(products.linear_weight_bias, linear_gradients()),
    Case(contractions.bilinear, bilinear_arguments(), torch=torch_bilinear),
    # products over named axes
    Case(
        contractions.contract, contracted(),
        numpy=lambda a, b, *, labels: np.einsum(a, list(labels[0]), b, list(labels[1]), list(labels[2])),
    ),
    Case(contractions.einsum, st.einsum_operands(), numpy=np.einsum, torch="einsum"),
    Case(contractions.einsum, st.einsum_operands(ellipsis=True), numpy=np.einsum, torch="einsum", name="einsum_ellipsis"),
    Case(contractions.tensordot, st.call(operands("a k l", "k l b"), hs.just(2)), numpy=np.tensordot, torch="tensordot"),
    Case(
        contractions.tensordot, st.call(operands("k a l", "l b k"), dims=hs.just(([0, -1], [2, 0]))),
        numpy=lambda a, b, *, dims: np.tensordot(a, b, dims), torch="tensordot", name="tensordot_pairs",
    ),
    Case(contractions.kron, st.call(st.arrays(max_dims=2, max_side=2), st.arrays(max_dims=2, max_side=3)), numpy=np.kron, torch="kron"),
    Case(contractions.trace, operands("n m"), numpy=np.trace, torch="trace"),
    Case(contractions.multi_dot, chains(), numpy=np.linalg.multi_dot, torch=lambda torch, x: torch.linalg.multi_dot(x)),
    Case(contractions.chain_matmul, operands("n k", "k l", "l m"), torch="chain_matmul"),
    Case(
        equations.matrix_power, st.call(square(), hs.integers(-2, 4)),
        numpy=np.linalg.matrix_power, torch=lambda torch, x, n: torch.linalg.matrix_power(x, n),
    ),
    Case(contractions.cross, vectors(), numpy=np.cross),
    # norms
    Case(
        linalg.vector_norm, st.call(st.arrays((2, 3), avoid=(0,)), 3, hs.sampled_from([0, 1, None])),
        torch=lambda torch, *a: torch.linalg.vector_norm(*a),
    ),
    Case(
        linalg.matrix_norm,
        st.call(st.arrays((2, 2, 3), avoid=(0,)), MATRIX_NORMS, hs.sampled_from([(-2, -1), (0, 2), (1, 0)]), hs.booleans()),
        torch=lambda torch, *a: torch.linalg.matrix_norm(*a),
    ),
    Case(
        linalg.norm, st.call(st.arrays((2, 3), avoid=(0,)), MATRIX_NORMS),
        numpy=np.linalg.norm, torch=lambda torch, *a: torch.linalg.norm(*a),
    ),
    # inverses, solutions, determinants
    Case(equations.inv, square(), numpy=np.linalg.inv, torch="inverse"),
    Case(equations._solve, systems(vectors=False), numpy=np.linalg.solve, torch=lambda torch, a, b: torch.linalg.solve(a, b)),
    Case(equations.solve, systems(), torch=lambda torch, a, b: torch.linalg.solve(a, b)),
    Case(equations.cofactor, square(), numpy=cofactor),
    Case(equations.det, square(), numpy=np.linalg.det, torch="det"),
    Case(equations._slogdet, square(), numpy=np.linalg.slogdet, torch="slogdet"),
    Case(equations.slogdet, square(), numpy=np.linalg.slogdet, torch="slogdet"),
    Case(equations.logdet, square(), numpy=lambda x: np.log(np.linalg.det(x)), torch="logdet"),
    Case(equations._cholesky, st.arrays((2, 1, 1), low=0.5), numpy=np.linalg.cholesky, torch=lambda torch, x: torch.linalg.cholesky(x)),
    Case(
        equations.cholesky, st.call(st.arrays((2, 1, 1), low=0.5), upper=hs.booleans()),
        torch=lambda torch, x, *, upper: torch.linalg.cholesky(x, upper=upper),
    ),
    Case(
        symmetric(equations.cholesky), square(), name="cholesky_of_symmetric",
        numpy=symmetric(np.linalg.cholesky), torch=lambda torch, x: torch.linalg.cholesky((x + x.mT) * 0.5),
    ),
    Case(
        symmetric(lambda x: equations.cholesky(x, upper=True)), square(), name="cholesky_upper",
        torch=lambda torch, x: torch.linalg.cholesky((x + x.mT) * 0.5, upper=True),
    ),
    # triangular matrices, L and U
    Case(
        equations._solve_triangular, st.call(systems(vectors=False), upper=hs.booleans(), unitriangular=hs.booleans()),
        torch=lambda torch, a, b, **options: torch.linalg.solve_triangular(a, b, **options),
    ),
    Case(
        equations.solve_triangular, triangular_systems(),
        torch=lambda torch, a, b, **options: torch.linalg.solve_triangular(a, b, **options),
    ),
    Case(
        equations.triangular_solve, st.call(factored(), upper=hs.booleans(), transpose=hs.booleans(), unitriangular=hs.booleans()),
    ),
    Case(equations.cholesky_solve, st.call(factored(), upper=hs.booleans())),
    Case(equations.cholesky_inverse, st.call(square(), upper=hs.booleans())),
    Case(  # PyTorch's gradients are not zero in the triangle that is not read
        lambda b, a: (equations.cholesky_solve(b, a.tril()), equations.cholesky_solve(b, a.triu(), True)), factored(), name="cholesky_solve_triangle",
        torch=lambda torch, b, a: (torch.cholesky_solve(b, a.tril()), torch.cholesky_solve(b, a.triu(), True)),
    ),
    Case(
        lambda a: (equations.cholesky_inverse(a.tril()), equations.cholesky_inverse(a.triu(), True)), square(), name="cholesky_inverse_triangle",
        torch=lambda torch, a: (torch.cholesky_inverse(a.tril()), torch.cholesky_inverse(a.triu(), True)),
    ),
    Case(equations._lu, st.call(ill_placed(), pivot=hs.just(True))),
    Case(equations._lu, st.call(separated(), pivot=hs.booleans()), name="_lu_rectangular"),
    Case(equations.old_lu, ill_placed(), torch=lambda torch, a: torch.linalg.lu_factor(a)),
    Case(equations.lu_factor, separated(), torch=lambda torch, a: torch.linalg.lu_factor(a)),
    Case(equations.lu, ill_placed(), torch=lambda torch, a: torch.linalg.lu(a)),
    Case(equations.lu, separated(), torch=lambda torch, a: torch.linalg.lu(a), name="lu_rectangular"),
    Case(
        lambda a: equations.lu_unpack(*equations.lu_factor(a)), ill_placed(), name="lu_unpack_of_factor",
        torch=lambda torch, a: torch.lu_unpack(*torch.linalg.lu_factor(a)),
    ),
    Case(equations.lu_unpack, square(lead=False), hs.just(np.array([1], np.int32)), name="lu_unpack"),
    Case(
        equations.old_lu_solve, st.call(factored(), hs.just(np.array([1], np.int32))), name="old_lu_solve",
    ),
    Case(
        lambda a, b, left, adjoint: equations.lu_solve(
            *equations.lu_factor(a), b if left else b.mT, left=left, adjoint=adjoint
        ),
        systems(vectors=False), hs.booleans(), hs.booleans(), name="lu_solve",
        torch=lambda torch, a, b, left, adjoint: torch.linalg.lu_solve(
            *torch.linalg.lu_factor(a), b if left else b.mT, left=left, adjoint=adjoint
        ),
    ),
    Case(
        lambda a: equations.tensorinv(a.reshape(1, *a.shape), 2), square(lead=False), name="tensorinv",
        torch=lambda torch, a: torch.linalg.tensorinv(a.reshape(1, *a.shape), 2),
    ),
    Case(
        lambda a, b: equations.tensorsolve(a.reshape(4, 2, 2).movedim(0, 2), b, dims=(0, 1)),
        st.arrays((4, 4), low=-1).map(lambda x: x + 4 * np.eye(4)), st.arrays((4,)), name="tensorsolve",
        torch=lambda torch, a, b: torch.linalg.tensorsolve(a.reshape(4, 2, 2).movedim(0, 2), b, dims=(0, 1)),
    ),
    # decompositions
    Case(linalg._qr, st.call(separated(avoid=(0,)), mode=hs.just("reduced")), numpy=np.linalg.qr),
    Case(here(of_qr), separated(), torch=of_qr, name="qr"),
    Case(here(of_qr, mode="complete"), separated(square=True), torch=lambda torch, a: of_qr(torch, a, "complete"), name="qr_complete"),
    Case(lambda a: linalg.qr(a, "r").R ** 2, separated(), name="qr_r"),
    Case(lambda a: linalg.old_qr(a).R ** 2, separated(), torch=lambda torch, a: torch.qr(a)[1] ** 2, name="qr_old"),
    Case(linalg.old_qr, separated(square=True, avoid=(0,)), numpy=np.linalg.qr),
    Case(linalg._svd, st.call(separated(avoid=(0,)), full_matrices=hs.just(False)), numpy=lambda a, *, full_matrices: np.linalg.svd(a, full_matrices)),
    Case(here(of_svd), separated(), torch=of_svd, name="svd"),
    Case(here(of_svd, full_matrices=True), separated(), torch=of_svd, name="svd_full"),
    Case(
        lambda a: linalg.old_svd(a)[1:2] + tuple([x * x for x in linalg.old_svd(a)]), separated(), name="svd_old",
        torch=lambda torch, a: torch.svd(a)[1:2] + tuple([x * x for x in torch.svd(a)]),
    ),
    Case(linalg.old_svd, separated(avoid=(0,))),
    Case(linalg.svdvals, separated(), torch=lambda torch, a: torch.linalg.svdvals(a)),
    Case(linalg._eigh, st.call(st.arrays((2, 1, 1)), UPLO=hs.just("L")), numpy=lambda a, *, UPLO: np.linalg.eigh(a)),
    Case(here(of_eigh), separated(square=True), torch=of_eigh, name="eigh"),
    Case(
        symmetric(lambda a: linalg.eigvalsh(a, "U")), separated(square=True), name="eigvalsh",
        torch=lambda torch, a: torch.linalg.eigvalsh((a + a.mT) * 0.5),
    ),
    Case(here(of_eig), separated(square=True), torch=of_eig, name="eig"),
    Case(lambda a: linalg.eigvals(a).real, separated(square=True, avoid=(0,)), name="eigvals"),
    Case(linalg._pinv, st.call(separated(), atol=hs.none(), rtol=hs.none()), numpy=lambda a, *, atol, rtol: np.linalg.pinv(a)),
    Case(linalg.pinv, st.call(separated(), hermitian=hs.just(False)), torch=lambda torch, a, *, hermitian: torch.linalg.pinv(a)),
    Case(
        lambda a: linalg.pinv((a + a.mT) * 0.5, hermitian=True), separated(square=True), name="pinv_hermitian",
        torch=lambda torch, a: torch.linalg.pinv((a + a.mT) * 0.5, hermitian=True),
    ),
    Case(
        lambda a, b: linalg.pinv(a @ b), st.arrays((3, 1), low=0.5), st.arrays((1, 2), low=0.5), name="pinv_of_rank_one",
        torch=lambda torch, a, b: torch.linalg.pinv(a @ b),
    ),
    Case(linalg.pinverse, separated(), torch="pinverse"),
    Case(
        lambda a, k: linalg.lstsq(a, a[..., :1] * k + 1, driver="gelsd")[:2], separated(), st.arrays(()), name="lstsq",
        torch=lambda torch, a, k: (lambda b: (torch.linalg.lstsq(a, b)[0], ((a @ torch.linalg.pinv(a) @ b - b) ** 2).sum(-2)
                                              if a.shape[-2] > a.shape[-1] else b.new_empty(0)))(a[..., :1] * k + 1),
    ),
    # reflections
    Case(householder._geqrf, separated(avoid=(0,)), wrt=(), torch=lambda torch, a: torch.geqrf(a)),
    Case(householder.geqrf, separated(avoid=(0,)), wrt=(), torch=lambda torch, a: torch.geqrf(a)),
    Case(householder.householder_product, reflections(), torch=lambda torch, a, tau: torch.linalg.householder_product(a, tau)),
    Case(
        householder.ormqr, reflections(others=True),
        torch=lambda torch, a, tau, other, left, transpose: torch.ormqr(a[..., : tau.shape[-1]], tau, other, left, transpose),
    ),
    # what says which matrices failed: NaN, and no gradient, for these
    Case(lambda a: informed.cholesky_ex(a @ a.mT)[0], square(), name="cholesky_ex", torch=lambda torch, a: torch.linalg.cholesky_ex(a @ a.mT)[0]),
    Case(
        lambda a: informed.cholesky_ex(a @ a.mT, upper=True)[0], square(), name="cholesky_ex_upper",
        torch=lambda torch, a: torch.linalg.cholesky_ex(a @ a.mT, upper=True)[0],
    ),
    Case(lambda a: informed.inv_ex(a)[0], square(), name="inv_ex", torch=lambda torch, a: torch.linalg.inv_ex(a)[0]),
    Case(
        lambda a, b, left: informed.solve_ex(a, b if left else b.mT, left=left)[0], systems(vectors=False), hs.booleans(), name="solve_ex",
        torch=lambda torch, a, b, left: torch.linalg.solve_ex(a, b if left else b.mT, left=left)[0],
    ),
    Case(lambda a: informed.lu_factor_ex(a)[0], separated(), name="lu_factor_ex", torch=lambda torch, a: torch.linalg.lu_factor_ex(a)[0]),
    # functions of matrices
    Case(linalg.matrix_exp, square(margin=0.5), torch="matrix_exp"),
    Case(linalg.matrix_exp, square(margin=9.0), torch="matrix_exp", name="matrix_exp_squared"),
    Case(linalg.cond, st.call(separated(square=True, batch=False), hs.sampled_from([None, 2, -2])), torch=lambda torch, *a: torch.linalg.cond(*a)),
    Case(
        linalg.cond, st.call(separated(square=True), hs.sampled_from(["fro", "nuc", 1, -math.inf])), name="cond_by_inverse",
        # backward through PyTorch's cond raises for these
        torch=lambda torch, a, p: torch.linalg.matrix_norm(a, p) * torch.linalg.matrix_norm(torch.linalg.inv(a), p),
    ),
    Case(
        linalg.matrix_norm, st.call(separated(), hs.sampled_from([2, -2, "nuc"]), hs.sampled_from([(-2, -1), (-1, -2)]), hs.booleans()),
        torch=lambda torch, *a: torch.linalg.matrix_norm(*a), name="matrix_norm_of_singular_values",
    ),
    Case(linalg.nuclear_norm, separated(batch=False), torch="nuclear_norm"),
    Case(linalg.old_norm, separated(batch=False), "nuc", torch="norm", name="norm_nuc"),
    Case(linalg.frobenius_norm, st.call(st.arrays((2, 3), avoid=(0,)), hs.sampled_from([(0, 1), (1,)])), torch="frobenius_norm"),
    Case(
        linalg.vecdot, st.broadcastable(2, min_dims=1), torch=lambda torch, x, y: torch.linalg.vecdot(x, y)
    ),
    Case(linalg.vander, st.call(st.arrays((2, 3)), N=hs.sampled_from([None, 2, 4])), torch=lambda torch, x, *, N: torch.linalg.vander(x, N=N)),
]  # fmt: skip
