"""minigrad: reverse-mode autodiff on numpy, with convolutional networks written in plain Python."""

# mypy: implicit-reexport
# ruff: noqa: E402, I001, PLE0604 (names are imported to be exported, or loaded when they are used; sorted, but several on a line)

from math import e, inf, nan, pi
from typing import TYPE_CHECKING
from minigrad.kernels import memory

memory.keep_freed_memory()  # that of imports too

from minigrad.creation import (
    arange, bartlett_window, blackman_window, can_cast, empty, empty_like, eye, finfo, full, full_like, hamming_window, hann_window, iinfo, is_complex, is_floating_point, is_nonzero, is_same_size, is_signed, is_tensor,
    kaiser_window, linspace, logspace, normal, numel, ones, ones_like, promote_types, rand, rand_like, randint, randint_like, randn, randn_like, randperm,
    result_type, scalar_tensor, tril_indices, triu_indices, zeros, zeros_like,
)  # fmt: skip
from minigrad.devices import device, DeviceError, get_default_device, set_default_device
from minigrad.engine import (
    batched, backward, detect_anomaly, elementwise, enable_grad, get_default_dtype, grad, inference_mode, is_grad_enabled, joint, jointly,
    linear_in, no_grad, op, set_default_dtype, set_detect_anomaly, set_grad_enabled, ShapeError, tangent,
)  # fmt: skip
from minigrad.kernels.threads import get_num_threads, set_num_threads
from minigrad.later import loader, places, when_imported
from minigrad.ops.elementwise import (
    abs, abs as absolute, acos, acos as arccos, acosh, acosh as arccosh, add, addcdiv, addcmul, allclose, asin, asin as arcsin, asinh,
    asinh as arcsinh, atan, atan as arctan, atan2, atan2 as arctan2, atanh, atanh as arctanh, bitwise_and, bitwise_left_shift,
    bitwise_not, bitwise_or, bitwise_right_shift, bitwise_xor, ceil, clamp, clamp as clip, clamp_max, clamp_min, clone, cos, cosh, div,
    div as divide, eq, equal, erf, erfc, erfinv, exp, exp2, expm1, floor, floor_divide, fmax, fmin, fmod, frac, ge, ge as greater_equal,
    gt, gt as greater, hypot, isclose, isfinite, isinf, isnan, le, le as less_equal, lerp, log, log10, log1p, log2, logaddexp, logaddexp2,
    logical_and, logical_not, logical_or, logical_xor, logit, lt, lt as less, maximum, minimum, mul, mul as multiply, nan_to_num, ne,
    ne as not_equal, neg, neg as negative, over as true_divide, pow, reciprocal, remainder, round, rsqrt, sigmoid, sign, sign as sgn, sin,
    sinh, sqrt, square, sub, sub as subtract, tan, tanh, trunc, trunc as fix, where, xlogy,
)  # fmt: skip
from minigrad.ops.products import addbmm, addmm, addmv, addr, baddbmm, bmm, dot, linear, matmul, mm, mv, outer, outer as ger, vdot
from minigrad.ops.reduce import (
    all, amax, amin, aminmax, any, argmax, argmin, argsort, bincount, count_nonzero, cummax, cummin, cumprod, cumsum, dist, kthvalue,
    logcumsumexp, logsumexp, max, mean, median, min, mode, msort, nanmean, nanmedian, nansum, prod, sort, std, std_mean, sum, topk,
    unique, var, var_mean,
)  # fmt: skip
from minigrad.ops.shape import (
    atleast_1d, atleast_2d, atleast_3d, broadcast_shapes, broadcast_tensors, cat, chunk, column_stack, concat, concatenate, diag,
    diag_embed, diagflat, diagonal, dstack, broadcast_to, flatten, flip, fliplr, flipud, hstack, meshgrid, moveaxis, movedim,
    narrow, permute, pixel_shuffle, pixel_unshuffle, ravel, repeat_interleave, reshape, roll, rot90, select, split, squeeze, stack,
    swapaxes, swapdims, t, tensor_split, tile, transpose, tril, triu, unbind, unflatten, unsqueeze, vstack, vstack as row_stack,
)  # fmt: skip
from minigrad.random import Generator, get_rng_state, initial_seed, manual_seed, set_rng_state
from minigrad.dtypes import dtype, DTYPES
from minigrad.tensor import as_tensor, from_dlpack, from_numpy, Tensor, tensor

if TYPE_CHECKING:  # the same as below
    from minigrad import (
        demo,
        distributed,
        distributions,
        einops,
        func,
        graph,
        nn,
        onnx,
        plots,
        profiler,
        recompute,
        testing,
        torch,
        torchvision,
    )
    from minigrad.engine import Function
    from minigrad.files.checkpoint import CheckpointError, load, save
    from minigrad.kernels.config import show_config
    from minigrad.ops import fft, linalg, special
    from minigrad.ops.activation import celu, hardshrink, prelu, relu, rrelu, selu, threshold
    from minigrad.ops.arithmetic import (
        copysign, deg2rad, float_power, frexp, gcd, heaviside, isneginf, isposinf, lcm, ldexp, nextafter, positive, rad2deg, rsub, signbit,
    )  # fmt: skip
    from minigrad.ops.assembling import (
        as_strided, block_diag, cartesian_prod, combinations, diagonal_scatter, dsplit, hsplit, select_scatter, slice_scatter, split_with_sizes,
        unravel_index, vander, vsplit,
    )  # fmt: skip
    from minigrad.ops.complex_pair import (
        adjoint, angle, complex, conj, conj_physical, imag, is_conj, isreal, polar, real, resolve_conj, view_as_complex, view_as_real,
    )  # fmt: skip
    from minigrad.ops.contractions import bilinear, chain_matmul, cross, einsum, inner, kron, tensordot, trace
    from minigrad.ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
    from minigrad.ops.distance import cdist, renorm
    from minigrad.ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
    from minigrad.ops.equations import (
        cholesky, cholesky_inverse, cholesky_solve, det, inv as inverse, logdet, lu_unpack, matrix_power, old_lu as lu,
        old_lu_solve as lu_solve, slogdet, triangular_solve,
    )  # fmt: skip
    from minigrad.ops.fft import istft, stft
    from minigrad.ops.gathering import (
        argwhere, gather, index_add, index_copy, index_fill, index_put, index_reduce, index_select, masked_fill,
        masked_scatter, masked_select, nonzero, put, scatter, scatter_add, scatter_reduce, take, take_along_dim,
    )  # fmt: skip
    from minigrad.ops.householder import geqrf, orgqr, ormqr
    from minigrad.ops.linalg import (
        frobenius_norm, matrix_exp, nuclear_norm, old_norm as norm, old_qr as qr, old_svd as svd, pinverse,
    )  # fmt: skip
    from minigrad.ops.pool import adaptive_avg_pool1d, adaptive_max_pool1d, avg_pool1d, max_pool1d, max_pool2d, max_pool3d
    from minigrad.ops.sampling import bernoulli, binomial, multinomial, poisson
    from minigrad.ops.softmax import log_softmax, softmax
    from minigrad.ops.special import digamma, i0, igamma, igammac, lgamma, mvlgamma, polygamma, sinc
    from minigrad.ops.statistics import (
        bucketize, corrcoef, cov, cumulative_trapezoid, diff, gradient, histc, histogram, histogramdd, isin, nanquantile, quantile, searchsorted, trapezoid, trapz,
        unique_consecutive,
    )  # fmt: skip
    from minigrad.printing import set_printoptions

# Loaded when they are first used, as not every program needs them: packages, modules of minigrad.ops, and names of others.
_PACKAGES = [
    "demo", "distributed", "distributions", "einops", "func", "graph", "nn", "onnx", "plots", "profiler", "recompute", "testing", "torch", "torchvision",
]  # fmt: skip
_MODULES = ["fft", "linalg", "special"]
_LATER = {
    "minigrad.engine": "Function",
    "minigrad.files.checkpoint": "CheckpointError load save",
    "minigrad.kernels.config": "show_config",
    "minigrad.ops.activation": "celu hardshrink prelu relu rrelu selu threshold",
    "minigrad.ops.arithmetic": (
        "copysign deg2rad float_power frexp gcd heaviside isneginf isposinf lcm ldexp nextafter positive rad2deg rsub signbit"
    ),
    "minigrad.ops.assembling": (
        "as_strided block_diag cartesian_prod combinations diagonal_scatter dsplit hsplit select_scatter slice_scatter "
        "split_with_sizes unravel_index vander vsplit"
    ),
    "minigrad.ops.complex_pair": (
        "adjoint angle complex conj conj_physical imag is_conj isreal polar real resolve_conj view_as_complex view_as_real"
    ),
    "minigrad.ops.contractions": "bilinear chain_matmul cross einsum inner kron tensordot trace",
    "minigrad.ops.conv": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    "minigrad.ops.distance": "cdist renorm",
    "minigrad.ops.dropout": "alpha_dropout dropout feature_alpha_dropout",
    "minigrad.ops.equations": (
        "cholesky cholesky_inverse cholesky_solve det inverse=inv logdet lu_unpack matrix_power lu=old_lu "
        "lu_solve=old_lu_solve slogdet triangular_solve"
    ),
    "minigrad.ops.fft": "istft stft",
    "minigrad.ops.gathering": (
        "argwhere gather index_add index_copy index_fill index_put index_reduce index_select masked_fill masked_scatter "
        "masked_select nonzero put scatter scatter_add scatter_reduce take take_along_dim"
    ),
    "minigrad.ops.householder": "geqrf orgqr ormqr",
    "minigrad.ops.linalg": "frobenius_norm matrix_exp nuclear_norm norm=old_norm qr=old_qr svd=old_svd pinverse",
    "minigrad.ops.pool": "adaptive_avg_pool1d adaptive_max_pool1d avg_pool1d max_pool1d max_pool2d max_pool3d",
    "minigrad.ops.sampling": "bernoulli binomial multinomial poisson",
    "minigrad.ops.softmax": "log_softmax softmax",
    "minigrad.ops.special": "digamma i0 igamma igammac lgamma mvlgamma polygamma sinc",
    "minigrad.ops.statistics": (
        "bucketize corrcoef cov cumulative_trapezoid diff gradient histc histogram histogramdd isin nanquantile quantile searchsorted "
        "trapezoid trapz unique_consecutive"
    ),
    "minigrad.printing": "set_printoptions",
}
_PLACES = {**{name: f"minigrad.{name}" for name in _PACKAGES}, **{name: f"minigrad.ops.{name}" for name in _MODULES}, **places(_LATER)}

__version__ = "0.1.0"
float16, float32, float64 = DTYPES["float16"], DTYPES["float32"], DTYPES["float64"]
int8, int16, int32, int64 = DTYPES["int8"], DTYPES["int16"], DTYPES["int32"], DTYPES["int64"]
uint8, uint16, uint32, uint64 = DTYPES["uint8"], DTYPES["uint16"], DTYPES["uint32"], DTYPES["uint64"]
bool = DTYPES["bool"]
complex64, complex128 = dtype("complex64"), dtype("complex128")
cfloat, cdouble = complex64, complex128
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64

when_imported("einops", "minigrad.einops:register")

MYPY = False  # mypy treats it as True and exports all imported names, because it cannot read a computed list. Other checkers can
if not MYPY:
    __getattr__ = loader("minigrad", _PLACES)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_PLACES})

    # all names imported above, except modules
    __all__ = [name for name, value in globals().items() if name[0] != "_" and not isinstance(value, type(memory))]
    __all__ += ["__version__", *_MODULES, *places(_LATER)]
    for name in ("MYPY", "TYPE_CHECKING", "loader", "places", "when_imported"):
        __all__.remove(name)
    del name
