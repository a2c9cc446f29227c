"""Matrix products of numpy, divided among several threads if they are large."""

from __future__ import annotations

import math

import numpy as np

from minigrad.kernels import native
from minigrad.kernels.native import products as fast
from minigrad.kernels.quiet import quiet
from minigrad.kernels.threads import WORTH, one_blas_thread, parallel
from minigrad.kernels.tiles import cut

SMALL = 1 << 17  # multiplications, up to which BLAS never divides them among threads
PART = 1 << 22  # multiplications in a part, at least: about 80 microseconds of work
LONG_PART = 1 << 25  # in each of more than two parts: BLAS copies the matrix that all parts share once for each
PARTS = 8
FEW = 3, 64  # rows for which BLAS takes up to three times as long to turn the weights as to turn the rows


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The result of ``np.matmul``, with its exceptions."""
    if b.ndim == 2 and a.ndim > 2 and a.shape[-1] == b.shape[0]:  # one product of all rows: numpy would multiply batch by batch
        return matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
    work = a.size * (b.shape[-1] if b.ndim > 1 else 1)
    if (work <= SMALL and b.size <= SMALL) or a.dtype.kind != "f" or b.dtype.kind != "f":
        return quiet().run(np.matmul, a, b)
    if a.ndim > 2 and b.ndim > 2 and a.shape[-1] == b.shape[-2] == 1:  # outer products, for which BLAS takes six times as long
        return _outer(a, b)
    return _large(a, b)


@native.twin(fast.product, times=0)
def _large(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A product whose size is worth a look at how it is done."""
    work = a.size * (b.shape[-1] if b.ndim > 1 else 1)
    parts = min(PARTS, max(work // LONG_PART, min(2, work // PART)))
    if parts < 2 or a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        with one_blas_thread:
            return quiet().run(np.matmul, a, b)
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    out = np.empty(shape, np.result_type(a, b))
    if len(shape) > 2 and a.shape[:-2] == b.shape[:-2] and shape[0] >= parts:

        def work_on(part: slice) -> None:
            np.matmul(a[part], b[part], out=out[part])

        axis = 0
    elif shape[-2] >= shape[-1]:

        def work_on(part: slice) -> None:
            np.matmul(a[..., part, :], b, out=out[..., part, :])

        axis = -2
    else:

        def work_on(part: slice) -> None:
            np.matmul(a, b[..., part], out=out[..., part])

        axis = -1
    step = -(-shape[axis] // parts)
    if axis:
        step = -(-step // 16) * 16  # a multiple of the length of SIMD vectors
    parallel(work_on, cut(shape[axis], 1, step))
    return out


@native.twin(fast.linear, times=0)
def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """``x @ weight.T + bias`` for x (N, in) and weight (out, in)."""
    if FEW[0] <= len(x) <= FEW[1] and x.size and x.dtype.kind == "f":  # BLAS turns a small matrix, and weights are read as they lie
        out = matmul(weight, np.ascontiguousarray(x.T)).T
        return np.ascontiguousarray(out) if bias is None else quiet().run(np.add, out, bias, order="C")
    out = matmul(x, weight.T)
    if bias is not None and out.nbytes > WORTH:
        parallel(lambda some: np.add(out[some], bias, out=out[some]), cut(len(out), out[:1].nbytes, WORTH // 2))
        return out
    return out if bias is None else quiet().run(np.add, out, bias, out=out)


@native.twin(fast.outer, times=0)
def _outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...ij,...jk->...ik", a, b)
