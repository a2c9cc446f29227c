"""Wrong ops: each has one typical mistake, and ``test_mistakes.py`` proves that the mistake is detected and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.testing import strategies as st
from minigrad.testing import surrogate


@dataclasses.dataclass
class Wrong:
    """A wrong op, what to draw its arguments from, and what the report must say."""

    op: Callable
    strategies: tuple
    argument: str | None
    kind: str
    order: int
    words: str
    examples: int | None


MISTAKES: list[Wrong] = []


def wrong(*strategies: Any, argument: str | None, kind: str, order: int = 1, words: str = "", examples: int | None = None) -> Callable:
    """Hang an op among the mistakes: ``kind`` is the diagnosis it must get, ``words`` occur in the message.

    ``examples``: as many as users have by default, where what shows the mistake is drawn seldom.
    """

    def hang(function: Callable) -> Callable:
        MISTAKES.append(Wrong(function, strategies, argument, kind, order, words, examples))
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


@wrong(st.arrays(avoid=(0,), low=-3, high=3), argument="x", kind="missing term for a repeated input", words="product rule")
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


@wrong(st.arrays(low=-3, high=3), argument="x", kind="float32", words="7 digits")
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


# ------------------------------------------------------------------------------------- what comes back is no Tensor

NOTHING = "nothing to differentiate"


@wrong(st.arrays(), argument=None, kind=NOTHING, order=0, words="the kernel returned None")
@mg.op(x=lambda g: g * 2.0)
def double_without_return(x):
    x * 2.0


@wrong(st.arrays(), argument=None, kind=NOTHING, order=0, words="is its return missing?")
def composite_without_return(x):
    mg.tanh(x)


@wrong(st.arrays(), argument=None, kind=NOTHING, order=0, words="the graph ends at float(), item()")
def composite_that_ends_in_item(x):
    return mg.sum(mg.tanh(x)).item()


@wrong(st.arrays(), argument=None, kind=NOTHING, order=0, words="comparisons")
def composite_that_returns_its_mask(x):
    return x > 0


@wrong(st.arrays(), argument=None, kind=NOTHING, order=0, words="must return (result, residual), not")
@mg.op(x=lambda g, res: g * res)
def sign_flip_that_returns_no_residual(x):
    return -x


# ---------------------------------------------------------------------------------------- wrong here, right elsewhere

SOME = "wrong at some elements"


@wrong(st.broadcastable(2), argument="b", kind="swapped arguments", words="gradient of 'a', whose own is right")
@mg.op(a=lambda g, b: g * b, b=lambda g, b: g * b)
def product_with_one_formula_swapped(a, b):
    return a * b


@wrong(st.arrays(), argument="x", kind=SOME, words="only where x == 0", examples=100)
@mg.op(x=lambda g, x: g * (1.0 + 2.0 * (x == 0)))
def identity_wrong_at_zero(x):
    return x * 1.0


@wrong(st.arrays(), argument="x", kind=SOME, words="the sign is flipped there", examples=100)
@mg.op(x=lambda g, x: g * 2.0 * x)
def signed_square_with_the_sign_of_the_square(x):
    return x * np.abs(x)


@wrong(st.arrays(), argument="x", kind=SOME, words="only where abs(x) >=", examples=100)
@mg.op(x=lambda g, x: g * 2.0 * mg.clamp(x, -10.0, 10.0))
def square_with_a_clipped_gradient(x):
    return x * x


@wrong(st.arrays(), argument="x", kind="wrong for one result", words="result 1 only")
@mg.op(x=lambda g, x: g[0] * 2.0 * x + g[1] * 2.0 * x * x)
def square_and_cube_with_a_wrong_cube(x):
    return x * x, x * x * x


@wrong(st.call(st.arrays((2, 2, 2)), st.arrays((2, 2))), argument="w", kind="broadcast not summed")
@mg.op(x=lambda g, w: mg.matmul(g, mg.transpose(w, 0, 1)), w=lambda g, x: mg.matmul(mg.transpose(x[0], 0, 1), g[0]))
def product_of_a_stack_that_counts_its_first_matrix(x, w):
    return x @ w


# ------------------------------------------------------------------------------------------------- large magnitudes


@wrong(st.arrays(), argument=None, kind="overflow", order=0, words="for arguments 0.71 times as large it is 709.783", examples=100)
@mg.op(x=lambda g, x: g * mg.sigmoid(x))
def softplus_that_overflows(x):
    return np.log(1.0 + np.exp(x))


@wrong(st.arrays(min_dims=1, min_side=1), argument=None, kind="overflow", order=0, words="subtract the maximum", examples=100)
def softmax_that_overflows(x):
    e = mg.exp(x)
    return e / mg.sum(e, -1, keepdim=True)


@wrong(st.arrays(), argument=None, kind="too large", order=0, words="true value is too large", examples=100)
@mg.op(x=lambda g, x: g * mg.sinh(x))
def cosine_of_all_numbers(x):
    return np.cosh(x)


@wrong(st.arrays(), argument="x", kind="not finite", words="has a derivative", examples=100)
@mg.op(x=lambda g, x: g * mg.exp(x) / (1.0 + mg.exp(x)) ** 2)
def sigmoid_whose_formula_overflows(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


# --------------------------------------------------------------------------------------------- dtypes and layouts


@wrong(st.arrays(), argument="x", kind="float16", words="3 digits", examples=100)
@mg.op(x=lambda g, x: g * mg.engine.cast(mg.cos(x), dtype=np.dtype(np.float16)))
def sine_with_its_slope_in_half_precision(x):
    return np.sin(x)


@wrong(st.arrays(), argument="x", kind="only in float32", words="in float32 ")
@mg.op(x=lambda g, x: g * (2.0 if x.dtype == np.float64 else 1.5) * x)
def square_with_another_factor_in_float32(x):
    return x * x


@wrong(MATRIX, argument="x", kind="strides", words="another gradient of 'x'", examples=100)
@mg.op(x=lambda g, x: g * (x.ravel(order="K").reshape(x.shape) if isinstance(x, np.ndarray) else x) * 2.0)
def square_whose_formula_reads_memory_in_order(x):
    return x * x


@wrong(
    MATRIX, argument="x", kind="strides", words="a gradient that is one number for all places gives another gradient of 'x'", examples=100
)
@mg.op(x=lambda g: -(g if not isinstance(g, np.ndarray) or any(g.strides) else g * np.eye(*g.shape)))
def negative_whose_formula_takes_one_number_for_one_element(x):
    return -x


@wrong(st.arrays(), argument="x", kind="the formula fails", words="zero-size", examples=100)
@mg.op(x=lambda g, x: g * (1.0 if np.max(np.abs(getattr(x, "_data", x))) >= 0 else 0.0))
def identity_whose_formula_needs_an_element(x):
    return x * 1.0


@wrong(st.arrays(min_side=1), argument="x", kind="the formula fails", words="IndexError", examples=100)
@mg.op(x=lambda g, x_shape: g * (x_shape[0] / x_shape[0]))
def identity_whose_formula_needs_a_dimension(x):
    return x * 1.0


@wrong(st.arrays(3), argument="x", kind="empty", words="divided by their number")
@mg.op(x=lambda g, x_shape: mg.broadcast_to(mg.sum(g) + 1.0, x_shape))
def empty_slice_with_a_gradient(x):
    return x[:0]


# ------------------------------------------------------------------------------------------- writes, and what is kept


@wrong(st.arrays(), argument="x", kind="in-place edit", order=0, words="the call changes the argument 'x'")
@mg.op(x=lambda g, x: g * 2.0 * x)
def square_that_scales_its_argument(x):
    x *= 1.5
    return x * x


@wrong(st.arrays(), argument="x", kind="in-place edit", order=0, words="compute a new Tensor instead")
def composite_that_writes_to_its_argument(x):
    x *= 2.0
    return x * x


@wrong(st.call(st.arrays(3), index=st.integers_array(2, 0, 1)), argument="index", kind="in-place edit", order=0, words="'index'")
@mg.op(x=lambda g, x_shape: mg.broadcast_to(mg.sum(g), x_shape))
def lookup_that_shifts_its_index(x, *, index):
    index += 1
    return np.repeat(x.sum(), len(index))


def _twice_in_place(g, x):
    if isinstance(x, np.ndarray):
        x *= 2.0
        return g * x
    return g * x * 2.0


@wrong(st.arrays(), argument="x", kind="in-place edit", words="backward changes the argument 'x'")
@mg.op(x=_twice_in_place)
def square_whose_formula_writes_to_its_argument(x):
    return x * x


def _times_out_in_place(g, out):
    if isinstance(out, np.ndarray):
        out *= g
        return out
    return g * out


@wrong(st.arrays(low=-3, high=3), argument=None, kind="in-place edit", words="backward changes the result")
@mg.op(x=_times_out_in_place)
def exponential_whose_formula_writes_to_the_result(x):
    return np.exp(x)


def _into_g(g, a):
    if isinstance(g, np.ndarray) and g.shape == a.shape:
        g *= a
        return g
    return g * a


@wrong(TWO_SQUARES, argument="b", kind="in-place edit", words="in argument 'b' writes to g")
@mg.op(a=lambda g, b: g * b, b=_into_g)
def product_with_one_formula_that_writes_to_g(a, b):
    return a * b


# --------------------------------------------------------------------------------------------------- second order, g


@wrong(st.arrays(), argument="x", kind="second order only", order=2, words="declared constant (res=None) and is not")
@mg.op(x=lambda g, res: g * res, res=None)
def cube_with_its_slope_declared_constant(x):
    return x**3, 3.0 * x * x


@wrong(TWO_SQUARES, argument="b", kind="second order only", order=2, words="outside the graph")
@mg.op(a=lambda g, b: g * b * b, b=lambda g, a, b: g * 2.0 * a * getattr(b, "_data", b))
def weighted_square_with_an_array_in_one_formula(a, b):
    return a * b * b


@wrong(st.arrays(low=-1000), argument="x", kind="second order only", order=2, words="is inf or NaN", examples=100)
@mg.op(x=lambda g, x: g / (1.0 + mg.exp(-x)))
def softplus_whose_second_derivative_overflows(x):
    return np.logaddexp(x, 0.0)


@wrong(st.arrays(()), argument="x", kind="formula ignores g", words="0.5 for each unit of g; numerical 1\n")
@mg.op(x=lambda g: 1.0 + 0.0 * g)
def identity_without_g(x):
    return x * 1.0


# ---------------------------------------------------------------------------------------- what is declared of an op


@wrong(VECTOR, argument=None, kind="not elementwise", order=0, words="marked @elementwise")
@mg.elementwise
@mg.op(x=lambda g: mg.flip(g, (0,)))
def reversal_marked_elementwise(x):
    return np.flip(x, 0).copy()


@wrong(VECTOR, argument=None, kind="not elementwise", order=0, words="depends on elements at other places")
@mg.elementwise
@mg.op(x=lambda g, out: out * (g - mg.sum(g * out)))
def softmax_marked_elementwise(x):
    e = np.exp(x - x.max())
    return e / e.sum()


@wrong(st.arrays(), argument="x", kind="tangent rule", words='marked @linear_in("x"), but with a tangent')
@mg.linear_in("x")
@mg.op(x=lambda g, x: g * 2.0 * x)
def square_marked_linear(x):
    return x * x


@wrong(TWO_SQUARES, argument="a", kind="tangent rule", words='marked @linear_in("a b")')
@mg.linear_in("a b")
@mg.op(a=lambda g, b: g * (b + 1.0), b=lambda g, a: g * a)
def product_marked_linear_in_both_together(a, b):
    return a * (b + 1.0)


@wrong(st.arrays(), argument="x", kind="tangent rule", words="@tangent(x=...) gives another derivative than the gradient formula")
@mg.tangent(x=lambda t, x: t * x)
@mg.op(x=lambda g, x: g * 2.0 * x)
def square_with_a_tangent_without_the_two(x):
    return x * x


@wrong(MATRIX, argument="x", kind="tangent rule", words="raised ShapeError")
@mg.tangent(x=lambda t: t)
@mg.op(x=lambda g, x_shape: mg.broadcast_to(g, x_shape))
def sum_with_a_tangent_of_the_wrong_shape(x):
    return np.sum(x, 0)


@wrong(MATRIX, argument=None, order=0, kind="batching rule", words="dimension 0 of each array is that of the samples")
@mg.batched(lambda run, x: run(x))
@mg.op(x=lambda g: mg.flip(mg.cumsum(mg.flip(g, (0,)), 0), (0,)))
def running_sum_over_the_samples(x):
    return np.cumsum(x, 0)


@wrong(TWO_SQUARES, argument=None, order=0, kind="batching rule", words="of size 1 for an input that is the same for all")
@mg.batched(lambda run, a, b: run(a, b[0]))
@mg.op(a=lambda g, b: g * b, b=lambda g, a: g * a)
def product_with_the_first_sample(a, b):
    return a * b


# ------------------------------------------------------------------------------------------- state and surrogates

_TURN = [0]


def _by_turns(g):
    _TURN[0] += 1
    return g * (2.0 + 0.5 * (_TURN[0] % 2))


@wrong(st.arrays(), argument="x", kind="not deterministic", words="another gradient each time")
@mg.op(x=_by_turns)
def double_whose_formula_counts_its_calls(x):
    return x * 2.0


@wrong(st.arrays(), argument=None, kind="not deterministic", order=0, words="the second time", examples=100)
@mg.op(x=lambda g: g)
def identity_that_counts_its_calls(x):
    _TURN[0] += 1
    return x + 0.001 * _TURN[0]


@wrong(st.arrays(), argument="x", kind="not zero where it should be", words="declare it with surrogate=")
@mg.op(x=lambda g: g * 1.0)
def rounding_without_a_surrogate(x):
    return np.round(x)


@wrong(st.arrays(), argument="x", kind="zero where it should not be", words="numerical derivatives are those of the surrogate")
@surrogate(lambda x: x * 1.0)
@mg.op(x=lambda g, x: g * (abs(x) <= 1.0))
def rounding_with_another_surrogate_than_declared(x):
    return np.round(x)


@wrong(st.broadcastable(2), argument="a", kind="wrong alone", words="where no other argument requires one")
@mg.jointly("a b", lambda g, a, b: (g * b, g * a))
@mg.op(a=lambda g, b: 2.0 * g * b, b=lambda g, a: g * a)
def product_whose_own_formula_is_wrong(a, b):
    return a * b


@wrong(st.arrays(), argument=None, kind="only in float32", order=0, words="the result is another in float32")
@mg.op(x=lambda g: g * 3.0)
def triple_that_is_less_in_float32(x):
    return x * x.dtype.type(3.0 if x.dtype == np.float64 else 2.5)


_MEMORY: dict = {}


@wrong(st.arrays(), argument=None, kind="in-place edit", order=0, words="the result of the call before it")
@mg.op(x=lambda g: g * 2.0)
def double_in_one_buffer(x):
    return np.multiply(x, 2.0, out=_MEMORY.setdefault((x.shape, x.dtype), np.empty_like(x)))


@wrong(st.arrays(), argument="x", kind="constant factor", words="0.5 times")
@mg.op(x=lambda g, x: g * x)
def square_that_is_right_at_zero(x):
    return x * x
