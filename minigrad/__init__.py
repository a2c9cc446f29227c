"""minigrad: reverse-mode autodiff on numpy, with convolutional networks written in plain Python."""

from minigrad.engine import (
    ShapeError, backward, detect_anomaly, enable_grad, get_default_dtype, grad, is_grad_enabled, no_grad, op,
    set_default_dtype, set_grad_enabled,
)  # fmt: skip
from minigrad.ops import linalg
from minigrad.ops.linalg import (
    addbmm, addmm, addmv, addr, baddbmm, bilinear, bmm, cholesky, cross, det, dot, einsum, inner, inv as inverse, kron, linear, logdet,
    matmul, matrix_power, mm, multi_dot as chain_matmul, mv, outer, slogdet, tensordot, trace, vdot,
)  # fmt: skip
from minigrad.ops.reduce import (
    all, amax, amin, aminmax, any, argmax, argmin, argsort, bincount, count_nonzero, cummax, cummin, cumprod, cumsum, dist, kthvalue,
    logcumsumexp, logsumexp, max, mean, median, min, nanmean, nansum, norm, prod, sort, std, std_mean, sum, topk, unique, var, var_mean,
)  # fmt: skip
from minigrad.ops.shape import (
    atleast_1d, atleast_2d, atleast_3d, broadcast_shapes, broadcast_tensors, cat, chunk, column_stack, concat, concatenate, diag,
    diag_embed, diagflat, diagonal, dstack, expand as broadcast_to, flatten, flip, fliplr, flipud, hstack, meshgrid, moveaxis, movedim, narrow, permute, pixel_shuffle,
    pixel_unshuffle, ravel, repeat_interleave, reshape, roll, rot90, select, split, squeeze, stack, swapaxes, swapdims, t, tensor_split, tile,
    transpose, tril, triu, unbind, unflatten, unsqueeze, vstack,
)  # fmt: skip
from minigrad.ops.softmax import log_softmax, softmax
from minigrad.random import Generator, get_rng_state, initial_seed, manual_seed, set_rng_state
from minigrad.tensor import DTYPES, Tensor, as_tensor, from_dlpack, from_numpy, tensor

__version__ = "0.1.0"
float16, float32, float64 = DTYPES["float16"], DTYPES["float32"], DTYPES["float64"]
half, float, double = float16, float32, float64
