"""Rows for ``minigrad/ops/linalg.py``."""

import functools
import math

import numpy as np
from hypothesis import strategies as hs

from cases import Case
from minigrad.ops import linalg
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
def contractions(draw):
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


MATRIX_NORMS = hs.sampled_from(["fro", 1, -1, math.inf, -math.inf])

CASES = [
    # products
    Case(linalg.matmul, st.matmul_operands(), numpy=np.matmul, torch="matmul"),
    Case(linalg.mm, operands("n k", "k m"), numpy=np.matmul, torch="mm"),
    Case(linalg.bmm, operands("b n k", "b k m"), numpy=np.matmul, torch="bmm"),
    Case(linalg.mv, operands("n k", "k"), numpy=np.matmul, torch="mv"),
    Case(linalg.dot, operands("k", "k"), numpy=np.dot, torch="dot"),
    Case(linalg.vdot, operands("k", "k"), numpy=np.vdot, torch="vdot"),
    Case(linalg.inner, operands("a b k", "c k"), numpy=np.inner, torch="inner"),
    Case(linalg.inner, operands("", "a b"), numpy=np.inner, torch="inner", name="inner_number"),
    Case(linalg.outer, operands("n", "m"), numpy=np.outer, torch="outer"),
    Case(linalg.addmm, plus_product("n m", "n k", "k m"), torch="addmm"),
    Case(linalg.addmm, plus_product("1 m", "n k", "k m"), torch="addmm", name="addmm_broadcast"),
    Case(linalg.addmv, plus_product("n", "n k", "k"), torch="addmv"),
    Case(linalg.addr, plus_product("n m", "n", "m"), torch="addr"),
    Case(linalg.baddbmm, plus_product("b n m", "b n k", "b k m"), torch="baddbmm"),
    Case(linalg.addbmm, plus_product("n m", "b n k", "b k m"), torch="addbmm"),
    Case(linalg.linear, linear_arguments(), torch="linear"),
    Case(linalg.bilinear, bilinear_arguments(), torch=torch_bilinear),
    # products over named axes
    Case(
        linalg.contract, contractions(),
        numpy=lambda a, b, *, labels: np.einsum(a, list(labels[0]), b, list(labels[1]), list(labels[2])),
    ),
    Case(linalg.einsum, st.einsum_operands(), numpy=np.einsum, torch="einsum"),
    Case(linalg.einsum, st.einsum_operands(ellipsis=True), numpy=np.einsum, torch="einsum", name="einsum_ellipsis"),
    Case(linalg.tensordot, st.call(operands("a k l", "k l b"), hs.just(2)), numpy=np.tensordot, torch="tensordot"),
    Case(
        linalg.tensordot, st.call(operands("k a l", "l b k"), dims=hs.just(([0, -1], [2, 0]))),
        numpy=lambda a, b, *, dims: np.tensordot(a, b, dims), torch="tensordot", name="tensordot_pairs",
    ),
    Case(linalg.kron, st.call(st.arrays(max_dims=2, max_side=2), st.arrays(max_dims=2, max_side=3)), numpy=np.kron, torch="kron"),
    Case(linalg.trace, operands("n m"), numpy=np.trace, torch="trace"),
    Case(linalg.multi_dot, chains(), numpy=np.linalg.multi_dot, torch=lambda torch, x: torch.linalg.multi_dot(x)),
    Case(linalg.chain_matmul, operands("n k", "k l", "l m"), torch="chain_matmul"),
    Case(
        linalg.matrix_power, st.call(square(), hs.integers(-2, 4)),
        numpy=np.linalg.matrix_power, torch=lambda torch, x, n: torch.linalg.matrix_power(x, n),
    ),
    Case(linalg.cross, vectors(), numpy=np.cross),
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
    Case(linalg.inv, square(), numpy=np.linalg.inv, torch="inverse"),
    Case(linalg._solve, systems(vectors=False), numpy=np.linalg.solve, torch=lambda torch, a, b: torch.linalg.solve(a, b)),
    Case(linalg.solve, systems(), torch=lambda torch, a, b: torch.linalg.solve(a, b)),
    Case(linalg.cofactor, square(), numpy=cofactor),
    Case(linalg.det, square(), numpy=np.linalg.det, torch="det"),
    Case(linalg._slogdet, square(), numpy=np.linalg.slogdet, torch="slogdet"),
    Case(linalg.slogdet, square(), numpy=np.linalg.slogdet, torch="slogdet"),
    Case(linalg.logdet, square(), numpy=lambda x: np.log(np.linalg.det(x)), torch="logdet"),
    Case(linalg._cholesky, st.arrays((2, 1, 1), low=0.5), numpy=np.linalg.cholesky, torch=lambda torch, x: torch.linalg.cholesky(x)),
    Case(
        linalg.cholesky, st.call(st.arrays((2, 1, 1), low=0.5), upper=hs.booleans()),
        torch=lambda torch, x, *, upper: torch.linalg.cholesky(x, upper=upper),
    ),
    Case(
        symmetric(linalg.cholesky), square(), name="cholesky_of_symmetric",
        numpy=symmetric(np.linalg.cholesky), torch=lambda torch, x: torch.linalg.cholesky((x + x.mT) * 0.5),
    ),
    Case(
        symmetric(lambda x: linalg.cholesky(x, upper=True)), square(), name="cholesky_upper",
        torch=lambda torch, x: torch.linalg.cholesky((x + x.mT) * 0.5, upper=True),
    ),
]  # fmt: skip
