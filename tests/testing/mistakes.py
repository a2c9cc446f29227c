"""Wrong ops: each makes one mistake that people make, and ``test_mistakes.py`` proves that it is caught and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.testing import strategies as st


@dataclasses.dataclass
class Wrong:
    """A wrong op, what to draw its arguments from, and what the report must say."""

    op: Callable
    strategies: tuple
    argument: str | None
    kind: str
    order: int
    words: str


MISTAKES: list[Wrong] = []


def wrong(*strategies: Any, argument: str | None, kind: str, order: int = 1, words: str = "") -> Callable:
    """Hang an op among the mistakes: ``kind`` is the diagnosis it must get, ``words`` occur in the message."""

    def hang(function: Callable) -> Callable:
        MISTAKES.append(Wrong(function, strategies, argument, kind, order, words))
        return function

    return hang


VECTOR = st.arrays(min_dims=1, max_dims=1, min_side=1)
MATRIX = st.arrays(min_dims=2, max_dims=2, min_side=1)
SQUARE = st.sampled_from([2, 3]).flatmap(lambda n: st.arrays((n, n)))
TWO_SQUARES = st.sampled_from([2, 3]).flatmap(lambda n: st.call(st.arrays((n, n)), st.arrays((n, n))))

# ------------------------------------------------------------------------------------------- constant factors


@wrong(st.arrays(), argument="x", kind="constant factor", words="0.5 times")
@mg.op(x=lambda g, x: g * x)
def square_without_the_two(x):
    return x * x


@wrong(st.broadcastable(2), argument="b", kind="constant factor", words="sign is flipped")
@mg.op(a=lambda g: g, b=lambda g: g)
def difference_with_two_pluses(a, b):
    return a - b


@wrong(MATRIX, argument="x", kind="constant factor", words="sum or mean")
@mg.op(x=lambda g, x_shape: mg.broadcast_to(g, x_shape))
def mean_without_the_division(x):
    return np.mean(x)


@wrong(st.arrays(low=0.2), argument="x", kind="constant factor", words="2.30259 times what it should be, everywhere")
@mg.op(x=lambda g, x: g / x)
def log10_as_if_natural(x):
    return np.log10(x)


# ------------------------------------------------------------------------------------ right numbers, wrong places


@wrong(TWO_SQUARES, argument="a", kind="transposed")
@mg.op(a=lambda g, b: mg.matmul(b, mg.transpose(g, 0, 1)), b=lambda g, a: mg.matmul(mg.transpose(a, 0, 1), g))
def product_with_a_transposed_gradient(a, b):
    return a @ b


@wrong(SQUARE, argument="x", kind="transposed")
@mg.op(x=lambda g: g)
def transpose_that_forgets_to_turn_back(x):
    return x.T


@wrong(VECTOR, argument="x", kind="flipped")
@mg.op(x=lambda g: g)
def reversal_that_forgets_to_turn_back(x):
    return x[::-1].copy()


@wrong(st.arrays((5, 2)), argument="x", kind="permuted")
@mg.op(x=lambda g, order: mg.index_select(g, 0, np.array(order)))
def shuffle_with_the_order_not_inverted(x, *, order=(1, 2, 4, 0, 3)):
    return x[list(order)]


@wrong(st.broadcastable(2, min_side=1), argument="a", kind="swapped arguments", words="gradient of 'b'")
@mg.op(a=lambda g, a: g * a, b=lambda g, b: g * b)
def product_with_formulas_swapped(a, b):
    return a * b


# ------------------------------------------------------------------------------------------------ convolution


def _windows(signal, kernel_size):
    return np.lib.stride_tricks.sliding_window_view(signal, kernel_size)  # positions, kernel_size


@wrong(st.call(st.arrays(3), signal=st.arrays(7)), argument="w", kind="flipped", words="kernel that is not turned round")
@mg.op(w=lambda g, w_shape, signal: mg.matmul(_windows(signal, w_shape[0])[:, ::-1].T.copy(), g))
def convolution_with_the_kernel_turned_round(w, *, signal):
    return _windows(signal, len(w)) @ w


@wrong(st.arrays(min_dims=1, max_dims=1, min_side=4, max_side=6), argument="x", kind="shifted", words="cropping at the wrong end")
@mg.op(x=lambda g: g[2:])
def padding_that_is_cropped_at_one_end(x):
    return np.pad(x, 1)


@wrong(st.arrays((1, 2, 4, 4)), argument="x", kind="shifted", words="along axis 3")
@mg.op(x=lambda g: g[:, :, 1:-1, :-2])
def image_padding_that_is_cropped_at_one_end(x):
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))


# --------------------------------------------------------------------------------- broadcasting and repeated inputs


@wrong(st.call(st.arrays((2, 3, 4)), st.arrays(3)), argument="bias", kind="broadcast not summed", words="sum it over the axes")
@mg.op(x=lambda g: g, bias=lambda g: g)
def channel_bias_that_is_not_summed(x, bias):
    return x + bias[:, None]


@wrong(VECTOR, argument="row", kind="broadcast not summed", words="reaches 3 outputs, but only 1 of them count")
@mg.op(row=lambda g: g[0])
def repetition_that_counts_the_first_copy(row):
    return np.stack([row, row, row])


@wrong(MATRIX, argument="x", kind="wrong shape", words="must have its shape")
@mg.op(x=lambda g: g)
def row_sum_that_is_not_spread(x):
    return np.sum(x * 1.0, axis=1) if x.shape[1] > 1 else np.repeat(x[:, 0], 2)


def _assign(g, table_shape, index):
    out = np.zeros(table_shape)
    out[index] = g
    return out


@wrong(
    st.call(st.arrays((3, 2)), index=st.integers_array(4, 0, 2)), argument="table",
    kind="missing term for a repeated input", words="np.add.at",
)  # fmt: skip
@mg.op(table=_assign)
def lookup_that_assigns_instead_of_adding(table, *, index):
    return table[index]


@wrong(MATRIX, argument="x", kind="missing term for a repeated input")
@mg.op(x=lambda g, x: mg.matmul(g, x))
def gram_matrix_with_one_of_its_two_terms(x):
    return x @ x.T


@wrong(st.arrays(avoid=(0,)), argument="x", kind="missing term for a repeated input", words="product rule")
@mg.op(x=lambda g, x: g * mg.exp(x))
def product_rule_with_one_of_its_two_terms(x):
    return x * np.exp(x)


@wrong(st.call(st.arrays(3), matrix=st.arrays((3, 3))), argument="x", kind="missing term for a repeated input")
@mg.op(x=lambda g, x, matrix: g * mg.matmul(matrix, x))
def quadratic_form_as_if_symmetric(x, *, matrix):
    return x @ matrix @ x


# --------------------------------------------------------------------------------------- zero, and missing means


@wrong(st.arrays(), argument="x", kind="zero where it should not be", words="the others the right one")
@mg.op(x=lambda g, x: g * (x > 0))
def leaky_relu_without_the_leak(x):
    return np.where(x > 0, x, 0.1 * x)


@wrong(st.broadcastable(2), argument="scale", kind="zero where it should not be")
@mg.op(x=lambda g, scale: g * scale, scale=None)
def factor_that_is_declared_constant(x, scale):
    return x * scale


@wrong(st.arrays(), argument="x", kind="zero where it should not be", words="is the graph cut")
def composite_that_detaches(x):
    return x.detach() * 2.0


@wrong(st.arrays((2, 4)), argument="x", kind="missing mean term", words="along axis 1 times the result")
@mg.op(x=lambda g, out: g * out)
def softmax_without_the_mean_term(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


@wrong(st.arrays((4, 3)), argument="x", kind="missing mean term", words="along axis 0")
@mg.op(x=lambda g: g)
def centering_without_the_mean_term(x):
    return x - x.mean(axis=0)


@wrong(st.arrays((2, 5), distinct=True), argument="x", kind="missing mean term", words="along axis 1 times the result")
@mg.op(x=lambda g, x: (g - mg.mean(g, 1, keepdim=True)) / mg.std(x, 1, correction=0, keepdim=True))
def normalisation_with_a_constant_deviation(x):
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


# ------------------------------------------------------------------------------------------ precision, and g


@wrong(st.arrays(avoid=(0,)), argument="x", kind="float32")
@mg.op(x=lambda g, out: g * out)
def exponential_that_rounds_to_float32(x):
    return np.exp(x.astype(np.float32)).astype(x.dtype)


@wrong(st.arrays(), argument="x", kind="float32", words="7 digits")
@mg.op(x=lambda g, x: g * mg.ops.elementwise.exp(mg.engine.cast(x, dtype=np.dtype(np.float32))))
def exponential_with_a_float32_formula(x):
    return np.exp(x)


@wrong(st.arrays(), argument=None, kind="float32", order=0)
@mg.op(x=lambda g, out: g * out)
def exponential_in_float32(x):
    return np.exp(x, dtype=np.float32, casting="same_kind")


@wrong(st.arrays(), argument="x", kind="formula ignores g")
@mg.op(x=lambda g, x: mg.cos(x))
def sine_without_the_chain_rule(x):
    return np.sin(x)


@wrong(st.arrays(), argument="x", kind="not linear in g")
@mg.op(x=lambda g, x: g * g * mg.cos(x))
def sine_with_the_chain_rule_twice(x):
    return np.sin(x)


@wrong(MATRIX, argument="x", kind="wrong shape")
@mg.op(x=lambda g: mg.reshape(g, (-1, 1, 1)))
def gradient_that_is_flat(x):
    return x * 1.0


@wrong(st.arrays(), argument="x", kind="dtype", words="Python floats do not")
@mg.op(x=lambda g: g * np.float64(0.5))
def half_with_a_float64_constant_in_the_formula(x):
    return x * 0.5


@wrong(st.arrays(), argument=None, kind="dtype", order=0, words="float64 result")
@mg.op(x=lambda g: g * 0.5)
def half_with_a_float64_constant_in_the_kernel(x):
    return x * np.float64(0.5)


# -------------------------------------------------------------------------------------------- second order only


def _tanh_with_residual(x):
    y = np.tanh(x)
    return y, 1.0 - y * y


@wrong(st.arrays(), argument="x", kind="second order only", order=2, words="residual")
@mg.op(x=lambda g, res: g * res)
def tanh_with_its_slope_as_a_residual(x):
    return _tanh_with_residual(x)


@wrong(st.arrays(), argument="x", kind="second order only", order=2, words="computes with numpy")
@mg.op(x=lambda g, x: g * np.cos(x))
def sine_with_numpy_in_the_formula(x):
    return np.sin(x)


@wrong(st.arrays(), argument="x", kind="second order only", order=2, words="outside the graph")
@mg.op(x=lambda g, x: g * np.cos(getattr(x, "_data", x)))
def sine_with_an_array_in_the_formula(x):
    return np.sin(x)


@mg.op(x=lambda g: g * 2.0)
def _double_with_a_wrong_gradient(x):
    return x * 3.0


@wrong(st.arrays(), argument="x", kind="second order only", order=2, words="derivative in g")
@mg.op(x=lambda g: _double_with_a_wrong_gradient(g))
def triple_whose_formula_uses_a_wrong_op(x):
    return x * 3.0


# ---------------------------------------------------------------------------------- state, memory, kinks, domains


@wrong(st.arrays(), argument="x", kind="in-place edit", order=0)
@mg.op(x=lambda g: g * 2.0)
def double_in_place(x):
    x *= 2.0
    return x.copy()


def _double_g_in_place(g):
    if isinstance(g, np.ndarray):
        g *= 2.0
        return g
    return g * 2.0


@wrong(st.arrays(), argument="x", kind="in-place edit", words="writes to g")
@mg.op(x=_double_g_in_place)
def double_with_a_formula_that_writes_to_g(x):
    return x * 2.0


_LAST: dict[tuple, np.ndarray] = {}


def _relu_with_last_mask(x):
    stale = _LAST.get(x.shape, x > 0)
    _LAST[x.shape] = x > 0
    return np.maximum(x, 0.0), stale


@wrong(st.arrays(avoid=(0,)), argument="x", kind="stale residual")
@mg.op(x=lambda g, res: g * res)
def relu_with_the_mask_of_the_call_before(x):
    return _relu_with_last_mask(x)


@wrong(st.arrays(min_dims=1, min_side=1), argument=None, kind="not deterministic", order=0, words="numpy_generator")
@mg.op(x=lambda g: g)
def noise_from_a_generator_of_its_own(x):
    return x + np.random.default_rng().normal(size=x.shape)


_CACHE: list[np.ndarray] = []


@wrong(st.arrays(), argument="x", kind="keeps too much", order=0)
@mg.op(x=lambda g: g * 2.0)
def double_with_a_cache(x):
    _CACHE[:] = [x]
    return x * 2.0


@wrong(st.arrays(), argument="x", kind="keeps too much", order=0, words="name it in the formula instead")
@mg.op(x=lambda g, res: g * 3.0, res=None)
def triple_with_its_argument_as_a_residual(x):
    return x * 3.0, x


@wrong(MATRIX, argument=None, kind="strides", order=0)
@mg.op(x=lambda g: g)
def identity_that_reads_memory_in_order(x):
    return x.ravel(order="K").reshape(x.shape)


@wrong(VECTOR, argument="x", kind="ties", words="add up to 2, must be 1")
@mg.op(x=lambda g, x, out: g * (x == out))
def maximum_that_gives_all_to_each_tie(x):
    return np.max(x)


@wrong(st.arrays(), argument="x", kind="kink", words="slopes on the two sides of the kink are 0 and 1")
@mg.op(x=lambda g, x: g * ((x > 0) + 2.0 * (x == 0)))
def relu_with_a_slope_of_two_at_zero(x):
    return np.maximum(x, 0.0)


@wrong(st.arrays(), argument="x", kind="not finite")
@mg.op(x=lambda g, x, out: g * x / out)
def absolute_value_as_a_root(x):
    return np.sqrt(x * x)


@wrong(st.arrays(low=0.0), argument=None, kind="not finite", order=0, words="low=")
@mg.op(x=lambda g, x: g / x)
def logarithm_at_zero(x):
    return np.log(x)
