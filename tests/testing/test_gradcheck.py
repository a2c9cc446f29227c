"""gradcheck: the functions it accepts, the mistakes it finds, and that it changes no state."""

import functools

import numpy as np
import pytest

import minigrad as mg
from minigrad.engine import TensorBase
from minigrad.random import numpy_generator
from minigrad.testing import Call, GradcheckError, Report, check_op, gradcheck, torch_style
from minigrad.testing import strategies as st
from minigrad.testing.numerical import extrapolate, step_of

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


@mg.op(x=lambda g, x: g * x)
def half_right(x):
    return x * x


# ------------------------------------------------------------------------------------------- numerical derivatives


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, -2.0, 1e6])
def test_extrapolation_is_exact_to_many_digits(x):
    flat = np.array([x])

    def evaluate(row):
        row[:] = np.sin(flat[0] / max(1.0, abs(x))), flat[0] ** 3

    value, error = extrapolate(evaluate, flat, 0, 2)
    scale = max(1.0, abs(x))
    exact = np.array([np.cos(x / scale) / scale, 3 * x * x])
    assert (np.abs(value - exact) <= 1e-11 * np.abs(exact) + 1e-14).all()
    assert (np.abs(value - exact) <= 3 * error + 1e-15).all()
    assert flat[0] == x


def test_extrapolation_finds_the_scale_of_small_numbers():
    flat = np.array([1e-8])

    def evaluate(row):
        row[:] = np.log(flat[0])

    with np.errstate(invalid="ignore"):
        value, _ = extrapolate(evaluate, flat, 0, 1)
    assert value[0] == pytest.approx(1e8, rel=1e-9)


def test_steps_do_not_cross_zero():
    assert all(0 < step_of(x) < abs(x) or x == 0 for x in (0.0, 1e-300, 1e-12, 1e-5, 0.1, -3.0, 1e12))


# ---------------------------------------------------------------------------------------------------- what passes


def test_report():
    report = gradcheck(lambda x, w: mg.exp(x @ w), X, np.eye(3), order=2)
    assert isinstance(report, Report)
    assert [(r.argument, r.order, r.elements, r.kinks) for r in report.rows] == [
        ("x", 1, 6, 0),
        ("w", 1, 9, 0),
        ("x", 2, 6, 0),
        ("w", 2, 9, 0),
    ]
    assert report.error < 1e-8
    assert "argument  order  elements  worst error  kinks" in repr(report)
    assert repr(report).startswith("<lambda>: passed")


def test_fourth_order():
    assert [r.order for r in gradcheck(mg.exp, X, order=4).rows] == [1, 2, 3, 4]


def test_float32_inputs_are_checked_in_float64_and_left_alone():
    x = X.astype(np.float32)
    before = x.copy()
    assert gradcheck(mg.exp, x).error < 1e-8
    assert x.dtype == np.float32 and (x == before).all()


def test_requires_grad_selects():
    a, b = mg.tensor(X, requires_grad=True), mg.tensor(X)
    assert {r.argument for r in gradcheck(mg.mul, a, b).rows} == {"input"}
    assert {r.argument for r in gradcheck(mg.mul, b, b).rows} == {"input", "other"}
    assert {r.argument for r in gradcheck(mg.mul, X, X, wrt="other").rows} == {"other"}
    assert a.grad is None


def test_wrt_must_exist():
    with pytest.raises(ValueError, match="c is not an argument; there are input, other"):
        gradcheck(mg.mul, X, X, wrt=["c"])


def test_nothing_to_check():
    with pytest.raises(ValueError, match="no floating argument"):
        gradcheck(lambda x: x, np.arange(3))


def test_order_must_be_positive():
    with pytest.raises(ValueError, match="order"):
        gradcheck(mg.exp, X, order=0)


def test_nested_inputs_and_outputs():
    def f(pair, options, *rest):
        return {"sum": pair[0] + pair[1] * options["scale"], "rest": [rest[0].exp(), np.arange(3)]}

    names = [r.argument for r in gradcheck(f, (X, X), {"scale": np.array(2.0)}, X).rows]
    assert names == ["pair[0]", "pair[1]", "options['scale']", "rest[0]"]


def test_keyword_arguments():
    assert gradcheck(mg.sum, X, kwargs={"dim": 1, "keepdim": True}).elements == 6


def test_zero_size_and_scalars():
    assert gradcheck(mg.exp, np.zeros((0, 3)), order=2).elements == 0
    assert gradcheck(mg.exp, np.array(1.0), order=2).elements == 2


def test_random_functions_are_rewound():
    def noisy(x):
        return x * numpy_generator().normal(size=x.shape)

    mg.manual_seed(3)
    gradcheck(noisy, X, order=2)
    after = numpy_generator().normal()
    mg.manual_seed(3)
    assert numpy_generator().normal() == after


def test_large_inputs_in_fast_mode():
    x = np.random.default_rng(0).normal(size=(300, 300))
    calls = []

    def f(x):
        calls.append(1)
        return mg.sin(x).sum()

    report = gradcheck(f, x, fast=True, order=2)
    assert report.rows[0].elements == 90_000
    assert len(calls) < 500


def test_fast_mode_traces_a_wrong_element():
    @mg.op(x=lambda g, x: g * np.where(np.arange(x.size).reshape(x.shape) == 4321, 2.1, 2.0) * x)
    def nearly_square(x):
        return x * x

    with pytest.raises(GradcheckError) as caught:
        gradcheck(nearly_square, np.random.default_rng(0).normal(size=(100, 100)), fast=True)
    assert caught.value.index == (43, 21)


def test_fast_mode_passes_kinks():
    x = np.zeros(50)
    assert gradcheck(mg.abs, x, fast=True).kinks > 0


# --------------------------------------------------------------------------------------------------------- kinks


def test_subgradients_are_counted():
    report = gradcheck(mg.abs, np.array([0.0, 1.0, -2.0, 0.0, 1e-7, -1e-12]), order=2)
    assert [r.kinks for r in report.rows] == [2, 2]


def test_a_kink_nearby_is_no_kink_here():
    assert gradcheck(mg.abs, np.array([1e-6, -1e-7, 1e-12, 3e-5])).kinks == 0


def test_jumps():
    report = gradcheck(lambda x: mg.remainder(x, 1.0), np.array([0.0, 0.5, 2.0]))
    assert report.rows[0].kinks == 2


def test_curvature_is_not_taken_for_a_kink():
    assert gradcheck(lambda x: x * x * 1e4, np.array([0.0, 1e-9, 1.0])).kinks == 0


def test_outside_the_slopes_is_an_error():
    @mg.op(x=lambda g, x: g * ((x >= 0) * 1.5 - (x < 0) * 1.0 - (x > 0) * 0.5))
    def absolute(x):
        return np.abs(x)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(absolute, np.array([1.0, 0.0]))
    assert (caught.value.kind, caught.value.index, caught.value.analytic, caught.value.numerical) == ("kink", (1,), 1.5, 1.0)


# -------------------------------------------------------------------------------------------------------- failures


def test_the_error_carries_the_facts():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(half_right, X)
    e = caught.value
    assert isinstance(e, AssertionError)
    assert (e.op, e.argument, e.order, e.index, e.output_index) == ("half_right", "x", 1, (0, 2), (0, 2))
    assert (e.analytic, e.numerical) == (2.0, pytest.approx(4.0))
    assert e.kind == "constant factor" and "0.5 times" in e.diagnosis
    assert "at x[0, 2] = 2, for output [0, 2]: analytic 2, numerical 4" in str(e)
    assert isinstance(e.call, Call)


def test_small_errors_are_found():
    @mg.op(x=lambda g, x: g * (2.0 + 1e-6) * x)
    def square(x):
        return x * x

    with pytest.raises(GradcheckError):
        gradcheck(square, X)


def test_one_wrong_entry_of_the_jacobian_is_found():
    @mg.op(x=lambda g, x: mg.matmul(np.where(np.eye(40) + np.eye(40, k=39), 1.0, 0.0).T, g))
    def identity(x):
        return x * 1.0

    with pytest.raises(GradcheckError) as caught:
        gradcheck(identity, np.random.default_rng(0).normal(size=40))
    assert (caught.value.index, caught.value.output_index) == ((39,), (0,))


def test_several_outputs_are_told_apart():
    @mg.op(x=lambda g: g[0] + g[1])
    def pair(x):
        return x * 1.0, x * 2.0

    with pytest.raises(GradcheckError) as caught:
        gradcheck(pair, X)
    assert caught.value.output_index[0] == 1


def test_a_function_that_refuses_its_arguments():
    with pytest.raises(GradcheckError, match="the call raised ShapeError") as caught:
        gradcheck(mg.matmul, X, X)
    assert caught.value.kind == "the call fails"
    assert isinstance(caught.value.__cause__, mg.ShapeError)


def test_noise_is_reported_as_such():
    def rough(x):
        return x + mg.tensor(np.sin(x.detach().numpy() * 1e15)) * 1e-2

    with pytest.raises(GradcheckError) as caught:
        gradcheck(rough, X)
    assert caught.value.kind == "unsettled"


# --------------------------------------------------------------------------------------------------------- modules


class Layer:
    """What gradcheck takes for a module: parameters and buffers with names, and forward."""

    def __init__(self, factor=1.0):
        self.weight = mg.tensor(np.full((3, 2), 0.5, np.float32), requires_grad=True)
        self.frozen = mg.tensor(np.ones(2, np.float32))
        self.count = mg.tensor(np.zeros(1, np.float32))
        self.factor = factor

    def named_parameters(self):
        return [("linear.weight", self.weight), ("frozen", self.frozen)]

    def named_buffers(self):
        return [("count", self.count)]

    def forward(self, input):
        self.count += 1
        weight = self.weight if self.factor == 1.0 else self.weight.detach()
        return (input @ weight) * self.frozen

    __call__ = forward


def test_modules_and_their_parameters():
    layer = Layer()
    report = gradcheck(layer, X, order=2)
    assert [r.argument for r in report.rows[:2]] == ["input", "linear.weight"]
    assert layer.weight.dtype == np.float32 and layer.weight.is_leaf and layer.weight.requires_grad
    assert layer.weight.grad is None
    assert layer.count.numpy()[0] == 0


def test_a_wrong_parameter_is_named():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(Layer(factor=2.0), X)
    assert (caught.value.op, caught.value.argument) == ("Layer", "linear.weight")
    assert caught.value.kind == "zero where it should not be"


# --------------------------------------------------------------------------------------------------------- check_op


def test_check_op_reports():
    report = check_op(mg.exp, st.arrays(low=-700, high=700), examples=15)
    assert report.examples == 15
    assert {(r.argument, r.order) for r in report.rows} == {("input", 1), ("input", 2)}


def test_check_op_shrinks_and_prints_a_program():
    @mg.op(a=lambda g, b: g * b, b=lambda g, a: g * a * (a < 2.5))
    def product(a, b):
        return a * b

    with pytest.raises(GradcheckError) as caught:
        check_op(product, st.broadcastable(2), examples=200)
    a, b = caught.value.call.args
    assert a.size == b.size == 1 and a.ravel()[0] >= 2.5
    assert caught.value.argument == "b"
    assert "check_op(product, np.array(" in str(caught.value)
    assert not getattr(caught.value, "__notes__", None)


def test_check_op_on_constants():
    assert check_op(mg.mul, X, X).examples == 1
    assert check_op(mg.sum, Call((X,), {"dim": 0})).examples == 1


def test_check_op_on_composites():
    report = check_op(lambda x: mg.tanh(x) * x, st.arrays(), examples=10)
    assert any("composite" in note for note in report.notes)


def test_check_op_without_gradients():
    assert check_op(mg.argmax, st.arrays(min_dims=1, min_side=1), examples=10).examples == 10


def test_check_op_sees_integer_arguments_change():
    @mg.op(x=lambda g, x, index: g * 1.0, index=None)
    def careless(x, index):
        index += 1
        return x * 1.0

    with pytest.raises(GradcheckError) as caught:
        check_op(careless, X, np.arange(3))
    assert caught.value.kind in ("in-place edit", "not deterministic")


def test_check_op_compares_arrays_with_tensors():
    @mg.op(x=lambda g, x: g * (3.0 if isinstance(x, TensorBase) else 2.0))
    def two_faced(x):
        return x * 2.0

    with pytest.raises(GradcheckError) as caught:
        check_op(two_faced, X, order=1)
    assert caught.value.kind == "array mode"


def test_check_op_needs_memory_to_be_freed_for_every_input():
    kept = []

    @mg.op(a=lambda g, b: g * b, b=lambda g, a: g * a)
    def hoarder(a, b):
        out = a * b
        kept[:] = [out]
        return out

    with pytest.raises(GradcheckError) as caught:
        check_op(hoarder, X, X)
    assert caught.value.kind == "keeps too much"


def test_declared_domain_is_used():
    from minigrad.testing import domain

    @domain(x=(0.5, 1.0), k=[2, 3])
    @mg.op(x=lambda g, x, k: g * k * x ** (k - 1))
    def power(x, *, k):
        assert x.size == 0 or (x > 0.49).all()
        return x**k

    assert check_op(power, examples=10).examples == 10
    with pytest.raises(TypeError, match="no argument y"):
        domain(y=(0, 1))(power)


def test_a_derivative_that_settles_slowly():
    """x abs(x) has the derivative 0 at 0, which differences approach in proportion to the step only."""
    assert gradcheck(lambda x: x * mg.abs(x) + 1.0, np.array([0.0, 1.0]), group=1).error < 1e-4


def test_a_second_derivative_that_jumps():
    """The gradient of norm(p=3) is like x * abs(x) near 0: its differences shrink only as fast as the step."""
    x = mg.tensor([[0.0, 0.0], [0.03, 0.0]], dtype=mg.float64, requires_grad=True)
    assert gradcheck(lambda x: mg.norm(x, 3.0, 0), x, order=2)


def test_steep_slopes_beside_a_kink():
    """1 / (x (1 - x)), the gradient of logit, is steep and curved where clamping at 0.9 ends it."""
    x = mg.tensor([0.5, 0.5, 0.9], dtype=mg.float64, requires_grad=True)
    report = gradcheck(lambda x: mg.logit(x, 0.1), x, order=2)
    assert [row.kinks for row in report.rows] == [1, 1]


# ------------------------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda x: None, "returned None\n\n  Likely mistake: nothing to differentiate: is its return missing?"),
        (lambda x: 1.5, "returned the float 1.5\n\n  Likely mistake: nothing to differentiate: the graph ends at float(), item()"),
        (lambda x: [1.0, 2.0], "returned the list [1.0, 2.0]"),
        (lambda x: "abc", "returned the str 'abc'\n\n  Likely mistake: nothing to differentiate: return a Tensor, or several in a tuple"),
        (lambda x: x > 0, "returned a bool Tensor of shape (2, 3)\n\n  Likely mistake: nothing to differentiate: comparisons"),
        (lambda x: mg.argmax(x), "returned an int64 Tensor of shape ()"),
        (lambda x: {"a": None}, "returned the dict {'a': None}"),
        (lambda x: (), "returned an empty tuple\n\n  Likely mistake: nothing to differentiate: there is nothing in it"),
        (lambda x: [x > 0, "abc" * 100], "returned the list [a bool Tensor of shape (2, 3), 'abcabc"),
    ],
)
@pytest.mark.parametrize("check", [gradcheck, check_op])
def test_what_has_no_gradient_is_refused(check, returned, words):
    with pytest.raises(GradcheckError) as caught:
        check(returned, X)
    assert f"the function {words}" in str(caught.value) and len(str(caught.value)) < 700
    assert (caught.value.kind, caught.value.order, caught.value.argument) == ("nothing to differentiate", 0, None)


def test_no_gradient_is_meant():
    assert check_op(lambda x: x > 0, X, wrt=()).rows == []
    assert check_op(mg.equal, X, X, wrt=()).rows == []
    with pytest.raises(GradcheckError, match="the function returned None"):
        check_op(lambda x: None, X, wrt=())


def test_numbers_beside_a_tensor_are_noted():
    assert gradcheck(lambda x: (mg.sum(x), 1.5, None), X).notes == ["a float among the results is not checked"]
    assert "a float among the results is not checked" in check_op(lambda x: (mg.sum(x), 1.5), X).notes


def test_results_that_depend_on_the_mode():
    with pytest.raises(GradcheckError, match=r"(?s)gives results of shapes .*depends on whether a graph is recorded") as caught:
        gradcheck(lambda x: (x, x) if mg.is_grad_enabled() else x, X)
    assert caught.value.kind == "not deterministic"


@pytest.mark.parametrize("check", [gradcheck, check_op])
def test_too_few_and_too_many_inputs(check):
    with pytest.raises(TypeError, match=r"mul takes 2 inputs, 1 .*given: missing a required argument: 'other'"):
        check(mg.mul, X)
    with pytest.raises(TypeError, match=r"exp takes 1 input, 2 .*given"):
        check(mg.exp, X, X)


def test_too_few_strategies():
    with pytest.raises(TypeError, match="mul takes 2 inputs, 1 strategy was given") as caught:
        check_op(mg.mul, st.arrays())
    assert not getattr(caught.value, "__notes__", None)
    with pytest.raises(TypeError, match="exp takes 1 input, 2 strategies were given"):
        check_op(mg.exp, st.arrays(), st.arrays())


# ------------------------------------------------------------------------------------------ the numbers that are told


def caught_by(check, *args, **kwargs):
    with pytest.raises(GradcheckError) as caught:
        check(*args, **kwargs)
    return caught.value


def test_no_number_carries_a_hidden_weight():
    @mg.op(x=lambda g: 1.0 + 0.0 * g)
    def identity(x):
        return x * 1.0

    error = caught_by(gradcheck, identity, np.array(2.0))
    assert (error.analytic, error.numerical) == (0.5, pytest.approx(1.0))
    assert "with g = 2 there the formula gives 1, which is 0.5 for each unit of g; numerical 1" in str(error)

    @mg.op(x=lambda g, x: g * 2.0 * getattr(x, "_data", x))
    def square(x):
        return x * x

    error = caught_by(gradcheck, square, X, order=2)
    assert (error.analytic, error.numerical) == (0.0, pytest.approx(2.0))

    @mg.op(x=lambda g: half_right(g) * 0.0 + g * 3.0)
    def triple(x):
        return x * 3.0

    large = np.linspace(0.5, 1.0, 3000)  # too many outputs for a Jacobian
    error = caught_by(gradcheck, half_right, large, fast=True)
    assert error.analytic * 2 == pytest.approx(error.numerical) and error.index == error.output_index
    assert error.analytic == large[error.index]


def test_a_gradient_that_is_wrong_for_mixed_g_only():
    @mg.op(x=lambda g: g if np.count_nonzero(getattr(g, "_data", g)) < 2 else g * 0.5)
    def identity(x):
        return x * 1.0

    error = caught_by(gradcheck, identity, X)
    assert "right where g is 1 there and 0 elsewhere, but not for other g: with g = 1 everywhere it gives 0.5" in str(error)


def test_the_gradient_of_the_gradient_without_weights():
    @mg.op(x=lambda g: g * 2.0)
    def wrong_triple(x):
        return x * 3.0

    @mg.op(x=lambda g: wrong_triple(g))
    def triple(x):
        return x * 3.0

    error = caught_by(gradcheck, triple, X, order=2)
    assert (error.analytic, error.numerical) == (2.0, pytest.approx(3.0))
    assert error.index == error.output_index


def test_where_it_is_wrong_is_told_with_a_count():
    @mg.op(x=lambda g, x: g * (1.0 + 2.0 * (x == 0)))
    def identity(x):
        return x * 1.0

    error = caught_by(gradcheck, identity, np.array([0.0, 1.0, 0.0, 2.0]))
    assert error.kind == "wrong at some elements" and "2 of 4 elements are wrong" in str(error)
    assert "only where x == 0" in error.advice and "3 times what it should be there" in error.advice
    assert "everywhere" not in str(caught_by(gradcheck, identity, np.array([0.0])))  # one element is not everywhere
    error = caught_by(check_op, identity, st.arrays(), examples=100)
    assert error.kind == "wrong at some elements" and "everywhere" not in str(error)
    assert "other examples" in str(error)


def test_the_mistake_that_was_found_first_is_reported():
    """Two mistakes: one in the values, one that small examples show. The first must not turn into the second while it is made smaller."""

    @mg.op(x=lambda g, x: g * 2.0 * getattr(x, "_data", x) * (1.0 + 0.5 * (x == 3.0)))
    def square(x):
        return x * x

    error = caught_by(check_op, square, st.sampled_from([3.0, 1.0]).map(lambda v: np.array([v, 3.0])))
    assert error.order == 1 and error.call.args[0][1] == 3.0


def test_a_write_that_a_zero_does_not_show():
    @mg.op(x=lambda g, x: g * 2.0 * x)
    def square(x):
        x *= 1.5
        return x * x

    def clipped(x):
        return np.clip(x, 0.0, None, out=x) * 1.0

    positive = mg.op(x=lambda g, x: g * (x > 0))(clipped)
    for op in (square, positive):
        error = caught_by(gradcheck, op, np.array([0.0]))
        assert (error.kind, error.argument, error.order) == ("in-place edit", "x", 0)
        assert caught_by(check_op, op, st.arrays()).kind == "in-place edit"
    x = np.array([0.0, 2.0])
    caught_by(gradcheck, square, x)
    assert x.tolist() == [0.0, 2.0]


def test_an_error_that_is_not_about_the_arguments():
    frozen = np.zeros(3)
    frozen.flags.writeable = False

    @mg.op(x=lambda g: g)
    def careless(x):
        frozen[0] = 1.0
        return x * 1.0

    assert caught_by(gradcheck, careless, np.ones(3)).kind == "the call fails"


# ------------------------------------------------------------------------------------------------------- surrogates


@mg.op(x=lambda g: g * 1.0)
def straight_through(x):
    return np.round(x)


def test_a_surrogate_is_what_gradients_are_checked_against():
    from minigrad.testing import surrogate

    error = caught_by(gradcheck, straight_through, X + 0.1)
    assert error.kind == "not zero where it should be" and "surrogate=" in error.advice
    assert gradcheck(straight_through, X + 0.1, order=2, surrogate=lambda x: x).elements == 12
    assert check_op(straight_through, st.arrays(), surrogate=lambda x: x).error < 1e-6
    assert check_op(lambda x: x + (mg.round(x) - x).detach(), st.arrays(), surrogate=lambda x: x).error < 1e-6

    @surrogate(lambda x: mg.clamp(x, -1.0, 1.0))
    @mg.op(x=lambda g: g * 1.0)
    def hard(x):
        return np.sign(x)

    error = caught_by(gradcheck, hard, np.array([0.5, 2.0]))
    assert (error.index, error.analytic, error.numerical) == ((1,), 1.0, 0.0)
    assert "the numerical derivatives are those of the surrogate" in str(error)
    assert caught_by(gradcheck, straight_through, X, surrogate=lambda x: x[0]).kind == "surrogate"
    with pytest.raises(GradcheckError, match="the call of the surrogate raised"):
        gradcheck(straight_through, X, surrogate=lambda x: x @ x)


@pytest.mark.parametrize("given", [3, np.array([1, 2])])
def test_nothing_to_check_is_an_error(given):
    for check in (check_op, gradcheck):
        with pytest.raises(ValueError, match="no floating argument to check"):
            check(lambda x: x * x, given)
    check_op(lambda x: x * x, given, wrt=())


def test_forward_mode_is_checked_when_asked_for():
    @mg.tangent(x=lambda t, x: 3 * x * t)
    @mg.op(x=lambda g, x: 2 * g * x)
    def square(x):
        return x * x

    def composite(x, y):
        return mg.sin(square(x)) @ y

    x, y = mg.tensor([0.5, -1.0], dtype=mg.float64, requires_grad=True), mg.tensor([1.0, 2.0], dtype=mg.float64, requires_grad=True)
    assert torch_style.gradcheck(composite, (x, y)) and torch_style.gradcheck(mg.linear, (x, y.reshape(1, 2)), check_forward_ad=True)
    assert not torch_style.gradcheck(composite, (x, y), check_forward_ad=True, raise_exception=False)
    assert torch_style.gradcheck(mg.linear, (x, y.reshape(1, 2)), check_batched_grad=True)
    assert torch_style.gradgradcheck(mg.logsumexp, (x, 0), check_fwd_over_rev=True)
    with pytest.raises(GradcheckError, match=r"the tangent of 'x' is wrong\n(.|\n)*check_op of each op says of which"):
        gradcheck(composite, x, y, forward=True)


def test_gradients_for_several_cotangents_are_checked():
    x = mg.tensor([1.0, 2.0], dtype=mg.float64, requires_grad=True)
    assert torch_style.gradcheck(mg.square, (x,), check_batched_grad=True)

    @mg.batched(lambda run, x: run(x[:1].repeat(len(x), 0)))
    @mg.op(x=lambda g: g)
    def passed(x):
        return x * 1.0

    @mg.op(x=lambda g: passed(g))
    def doubtful(x):
        return x * 1.0

    assert torch_style.gradcheck(doubtful, (x,))
    with pytest.raises(GradcheckError, match="is another one for two cotangents at once"):
        torch_style.gradcheck(doubtful, (x,), check_batched_grad=True)
    with pytest.raises(GradcheckError, match="batching rule"):
        check_op(passed, np.array([1.0, 2.0]))


# ------------------------------------------------------------------------------------------- what stands for a function


class Product(mg.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b, g * a) if all(ctx.needs_input_grad) else (g * a, g * b)


class Cube(mg.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * 3 * ctx.saved_tensors[0] ** 2

    @staticmethod
    def jvp(ctx, t):
        return t * 2 * ctx.saved_tensors[0] ** 2


@pytest.mark.parametrize("check", [gradcheck, check_op])
def test_a_function_whose_backward_looks_at_needs_input_grad(check):
    with pytest.raises(GradcheckError, match="where no other argument requires one") as caught:
        check(Product.apply, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert (caught.value.op, caught.value.argument, caught.value.kind) == ("Product", "a", "wrong alone")


def test_a_wrong_jvp_of_a_function():
    with pytest.raises(GradcheckError, match="jvp gives another derivative than its backward") as caught:
        check_op(Cube.apply, st.arrays(low=0.5, high=2.0), examples=5)
    assert (caught.value.op, caught.value.argument) == ("Cube", "x")
    with pytest.raises(TypeError, match="Cube takes 1 input, 2 were given"):
        gradcheck(Cube.apply, X, X)


class Halved:
    def __call__(self, x):
        return x.detach() * x

    call = __call__


def power_by_halves(p, x):
    return (x**p).detach() * x


def test_the_program_of_what_is_no_plain_function():
    for function, words in (
        (Halved(), "# Halved: the Halved that was checked"),
        (Halved().call, "check_op(halved.__call__, np.array(["),
        (functools.partial(power_by_halves, 2), "import power_by_halves as "),
    ):
        with pytest.raises(GradcheckError) as caught:
            check_op(function, st.arrays((2,)), examples=10)
        assert words in caught.value.code
        assert (caught.value.argument, caught.value.order) == ("x", 1)  # and not the second order, which is wrong at 0 too
    exec(caught.value.code.rpartition("\n")[0], {})


def test_the_program_of_a_class_inside_a_function():
    factor = 2.0

    class Scaled(mg.Function):
        @staticmethod
        def forward(ctx, x):
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(GradcheckError) as caught:
        check_op(Scaled.apply, st.arrays(), examples=5)
    assert "class Scaled(mg.Function):" in caught.value.code and "factor = 2.0" in caught.value.code
    with pytest.raises(GradcheckError, match="Scaled: the gradient in argument 'x' is wrong"):
        exec(caught.value.code, {})


def test_what_is_a_constant_is_said():
    with pytest.raises(ValueError, match=r"sin has no floating argument to check; a plain number is a constant: pass np.array\(3.0\)"):
        gradcheck(mg.sin, 3.0)
    with pytest.raises(ValueError, match="the function of its real and imaginary part"):
        gradcheck(mg.abs, np.array([1.0 + 2.0j]))
    with pytest.raises(GradcheckError, match=r"return \(z.real, z.imag\)"):
        gradcheck(mg.fft.rfft, X)


def test_wrt_names_what_can_be_checked():
    with pytest.raises(ValueError, match="wrt names 'i', which has no gradient here; it is no Tensor or array of floating numbers"):
        gradcheck(lambda x, i: x[i], X, np.array([0, 1]), wrt=["x", "i"])
    scaled = mg.op(x=lambda g, w: g * w)(lambda x, w: x * w)
    with pytest.raises(ValueError, match=r"wrt names 'w', which has no gradient here; the op has no formula for it: @op\(w=...\)"):
        gradcheck(scaled, X, X, wrt=["x", "w"])
    x = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"wrt names 'b', .* give it to both, or to none"):
        gradcheck(lambda a, b: a * b, x, mg.tensor([2.0]), wrt=["a", "b"])
    assert gradcheck(lambda x, w=None: x * 2, X, None, wrt=["x", "w"]).rows[0].argument == "x"


def test_an_argument_that_no_example_has_is_noted():
    scaled = mg.op(x=lambda g, w: g if w is None else g * w, w=lambda g, x: g)(lambda x, w=None: x + 0 if w is None else x * w)
    assert check_op(scaled, examples=5).notes == ["the gradient in 'w' is not checked: no example has the argument"]
    assert gradcheck(scaled, X).notes == ["the gradient in 'w' is not checked: no example has the argument"]


def test_buffers_are_in_float64_and_left_alone():
    norm = mg.nn.BatchNorm1d(3)
    assert gradcheck(norm, np.random.default_rng(0).normal(size=(4, 3))).elements == 18
    assert norm.running_mean.dtype == np.float32 and norm.running_mean.tolist() == [0.0, 0.0, 0.0] and norm.num_batches_tracked == 0

    class Counted(mg.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", mg.zeros(()))

        def forward(self, x):
            self.calls = self.calls + 1
            return x * self.calls

    counted = Counted()
    assert gradcheck(counted, X).elements == X.size
    assert counted.calls == 0


class Remembering(mg.Function):
    last = None

    @staticmethod
    def forward(ctx, x):
        Remembering.last = x
        return x * x

    @staticmethod
    def backward(ctx, g):
        return g * 2 * Remembering.last


def test_a_backward_that_reads_the_last_call():
    with pytest.raises(GradcheckError, match="keep no state outside") as caught:
        check_op(Remembering.apply, st.arrays(), examples=10)
    assert caught.value.kind == "stale residual"


@pytest.mark.parametrize(
    ("formula", "error", "words"),
    [
        (2.0, TypeError, r"@op <lambda>: the formula of 'x' must be a function of g, the incoming gradient, or None, not 2\.0"),
        (lambda g: g * 1j, TypeError, "the formula of 'x' gave a gradient of complex64: a real dtype is needed"),
        (lambda g: np.array("a"), TypeError, "the formula of 'x' gave a gradient of <U1: <U1 is not numeric"),
    ],
)
def test_a_formula_that_gives_no_numbers(formula, error, words):
    with pytest.raises(error, match=words):
        mg.op(x=formula)(lambda x: x * 2)(mg.ones(3, requires_grad=True)).sum().backward()
    with pytest.raises(TypeError, match="@op decorates a function of arrays, not 3"):
        mg.op(x=lambda g: g)(3)


def test_switches_that_pytorch_does_not_have():
    x = mg.ones(2, requires_grad=True)
    assert torch_style.gradcheck(mg.sin, (x,), nondet_tol=0.0) and torch_style.gradgradcheck(mg.sin, (x,), check_rev_over_rev=True)
    with pytest.raises(TypeError, match="gradcheck got an unexpected keyword argument 'atoll'"):
        torch_style.gradcheck(mg.sin, (x,), atoll=1e-3)
