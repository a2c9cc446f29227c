"""The engine: the values an op keeps, the order of backward, the memory that is freed, and the errors for wrong use."""

from __future__ import annotations

import cProfile
import gc
import inspect
import itertools
import pstats
import threading
import traceback
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import engine, profiler
from minigrad.ops import elementwise as ew


def leaf(*shape, seed=0):
    return mg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


# ---------------------------------------------------------------------------------------- what an op keeps


def kept_arrays(t):
    return [v for v in t.grad_fn.kept if isinstance(v, np.ndarray)]


def test_add_keeps_nothing():
    x, y = leaf(3), leaf(3)
    assert kept_arrays(x + y) == []


def test_exp_keeps_only_its_result():
    x = leaf(3)
    y = x.exp()
    (kept,) = kept_arrays(y)
    assert kept is y.detach().numpy().base


def test_an_array_that_no_formula_names_dies_with_its_variable():
    hidden = leaf(1000) * 2  # add keeps neither of its arguments
    array = weakref.ref(hidden._data)
    total = hidden + 1
    del hidden
    assert array() is None
    assert total.requires_grad


def test_what_only_a_constants_formula_names_is_not_kept():
    x, c = leaf(3), mg.ones(3)
    y = x * c  # b's formula names a; b is a constant
    assert [a is c._data for a in kept_arrays(y)] == [True]


def test_shapes_are_kept_as_shapes():
    @mg.op(x=lambda g, x_shape: ew.mul(g, mg.zeros(x_shape).numpy()))
    def zero(x):
        return x * 0

    y = zero(leaf(4))
    assert y.grad_fn.kept == ((4,),)


def test_a_tensor_is_not_part_of_a_cycle():
    gc.collect()
    gc.disable()
    try:
        x = leaf(5)
        y = (x.exp() * x).sum()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None  # freed by reference counts alone
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------- what op() refuses


def test_a_formula_that_asks_for_an_unknown_name_is_refused_at_once():
    with pytest.raises(TypeError, match="square: the formula of 'x' has a parameter 'y'; it can have x, x_shape, out, res"):

        @mg.op(x=lambda g, y: g * y)
        def square(x):
            return x * x


def test_a_formula_for_an_argument_that_does_not_exist_is_refused():
    with pytest.raises(TypeError, match="'z' is not a parameter of square"):

        @mg.op(z=lambda g: g)
        def square(x):
            return x * x


def test_a_formula_must_take_g_first():
    with pytest.raises(TypeError, match="must take g"):

        @mg.op(x=lambda x: x)
        def square(x):
            return x * x


@pytest.mark.parametrize(
    ("formulas", "kernel", "words"),
    [
        ({"x": None}, lambda x, out: x, "a parameter cannot be called 'out'"),
        ({"x": None}, lambda x, _axis: x, "a parameter cannot be called '_axis'"),
        ({"x": None}, lambda x, **options: x, r"\*\*options is not allowed; name each static argument"),
        ({}, lambda x=1: x, r"no input of .*\(x=1\) is named; name one, with a formula or None"),
        ({"x": lambda: 1}, lambda x: x, "the formula of 'x' must take g, the incoming gradient, first"),
        ({"x": lambda g, out_x: g}, lambda x: x, "has a parameter 'out_x'; it can have x, x_shape, out, res"),
        ({"x": lambda g, k_shape: g}, lambda x, k: x, "has a parameter 'k_shape'; it can have x, x_shape, k, out, res"),
        ({"xs": lambda g, y: g}, lambda *xs: xs, "has a parameter 'y'; it can have xs, xs_shape, out, res"),
    ],
)  # fmt: skip
def test_what_cannot_be_an_op_is_refused_at_once(formulas, kernel, words):
    with pytest.raises(TypeError, match=f"^@op <lambda>: .*{words}"):
        mg.op(**formulas)(kernel)


def test_an_input_may_be_called_as_the_generated_code_calls_something():
    """``t``, ``n``, ``mask``, ``dtype``, ...: all of its own variables, without their underscore."""

    @mg.op(a=lambda g, b: g * b, b=lambda g, a: g * a)
    def product(a, b):
        return a * b

    def names():
        product(mg.ones(2), mg.ones(2))
        code = product.op.function.__code__
        return {name.lstrip("_") for name in (*code.co_varnames, *code.co_names) if name.startswith("_")} - {"a", "b"}

    def check(name):
        made = {"mg": mg}
        exec(
            f"@mg.op({name}=lambda g: g * 3)\n"
            f"def times_3({name}): return {name} * 3\n"
            f"@mg.op({name}=lambda g, b: g * b, b=lambda g, {name}: g * {name})\n"
            f"def product({name}, b): return {name} * b\n",
            made,
        )
        x, y = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor([5.0, 7.0], requires_grad=True)
        results = made["times_3"](x), made["product"](x, y), made["product"](x, y.detach()), made["product"](3.0, y)
        sum([r.sum() for r in results]).backward()
        assert (x.grad.tolist(), y.grad.tolist()) == ([13.0, 17.0], [4.0, 5.0]), name

    alone = names()
    for name in alone:
        check(name)
    with profiler.profile():
        observed = names() - alone
        for name in observed:
            check(name)
    assert alone >= {"t", "n", "p", "mask", "dtype", "grad_mode", "tensor"} and observed >= {"observer", "start"}


def test_an_input_without_a_formula_is_refused_where_it_requires_a_gradient():
    @mg.op(x=lambda g: g)
    def total(x, *rest):
        return x + sum(rest)

    x, y = leaf(2), leaf(2)
    assert total(x, y.detach()).requires_grad
    with pytest.raises(
        RuntimeError, match=r"^total: argument 'rest' requires a gradient but the op has no formula for it\. Add rest=lambda"
    ):
        total(x, y)


def test_a_formula_may_ask_for_the_shapes_of_all_that_came():
    @mg.op(xs=lambda g, xs_shape, out_shape: [mg.broadcast_to(g * len(out_shape), shape) for shape in xs_shape])
    def total(*xs, out_shape=()):
        return np.asarray(sum(np.sum(x) for x in xs))

    x, y = leaf(2), leaf(3, 1)
    z = total(x, y, 1.0, out_shape=(7, 7))
    assert z.grad_fn.kept == (((2,), (3, 1), ()), (7, 7))
    z.backward()
    assert x.grad.tolist() == [2.0, 2.0] and y.grad.tolist() == [[2.0]] * 3


def test_what_op_names_is_an_input_and_the_rest_is_static():
    @mg.op(a=lambda g, b: g * b)
    def scale(a, b, more=0):
        return a * b + more

    assert scale(leaf(2), 3.0).requires_grad and scale.op.inputs == ("a",) and list(scale.op.statics) == ["b", "more"]
    assert scale(mg.ones(2), 3.0, 1).tolist() == scale(mg.ones(2), b=3.0, more=1).tolist() == [4.0, 4.0]
    for b in (mg.ones(2), leaf(2), mg.tensor(2.0)):
        with pytest.raises(TypeError, match=r"scale: 'b' is a Tensor, but not an input of the op.* name it in @op .b=None if"):
            scale(leaf(2), b)
    assert scale(mg.ones(2), mg.tensor(3)).tolist() == [3.0, 3.0]  # a 0-d integer is an index, as for Python itself
    assert str(inspect.signature(scale)) == "(a, b, more=0)"


def test_an_input_may_be_keyword_only_and_a_static_may_come_first():
    @mg.op(x=lambda g, k: g * k, bias=lambda g: g)
    def affine(k, x, *, bias=None):
        return k * x if bias is None else k * x + bias

    assert affine.op.inputs == ("x", "bias") and affine.op.optional == {"bias": None} and list(affine.op.statics) == ["k"]
    x, b = leaf(2), leaf(2)
    affine(3.0, x, bias=b).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and b.grad.tolist() == [1.0, 1.0]
    assert affine(3.0, np.ones(2)).tolist() == [3.0, 3.0]
    with pytest.raises(TypeError, match=r"'late' cannot follow .xs"):

        @mg.op(xs=lambda g: [g], late=lambda g: g)
        def wrong(*xs, late):
            return xs[0]


def test_positional_only_parameters_stay_positional():
    @mg.op(x=lambda g, k: g * k)
    def scaled(x, /, k=2.0, *, shift=0.0):
        return x * k + shift

    @mg.op(x=lambda g: g * 2.0)
    def doubled(x, /):
        return x * 2.0

    for function in (scaled, doubled):
        x = leaf(2)
        function(x).sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        with pytest.raises(TypeError, match=f"{function.__name__}.* positional-only arguments? passed as keyword"):
            function(x=x)
    assert scaled(np.ones(1), k=3.0, shift=1.0).tolist() == [4.0]
    with pytest.raises(TypeError, match="positional argument"):
        scaled(np.ones(1), 3.0, 1.0)


def test_a_call_split_into_inputs_and_statics_can_be_run_again():
    @mg.op(x=None, rest=None)
    def joined(x, *rest, k=1.0):
        return np.concatenate([x, *rest]) * k

    @mg.op(b=None)
    def late(k, b, *, shift):
        return k * b + shift

    for op, args, kwargs in (
        (joined.op, ([1.0], [2.0], [3.0]), {"k": 2.0}),
        (joined.op, ([1.0],), {}),
        (late.op, (3.0, np.ones(1)), {"shift": 1}),
    ):
        inputs, statics = op.split(args, kwargs)
        assert len(inputs) == (len(args) if op is joined.op else 1) and set(statics) == ({"k"} if op is joined.op else {"k", "shift"})
        np.testing.assert_array_equal(op.run(inputs, statics), op.kernel(*args, **kwargs))


def test_numpys_keywords_come_to_ours_in_one_place():
    x = leaf(2, 3)
    assert x.sum(axis=1, keepdims=True).shape == mg.sum(x, axis=1, keepdims=True).shape == (2, 1)
    assert mg.cumsum(x, axis=1).tolist() == mg.cumsum(x, 1).tolist()

    @mg.op(x=None)
    def along(x, dim, keepdim=False):
        return np.sum(x, axis=dim, keepdims=keepdim)

    assert along(x, axis=0).shape == (3,) and along(axis=0, x=x, keepdims=True).shape == (1, 3)
    for wrong, words in (
        (lambda: along(x), r"along\(\) missing 1 required argument: 'dim'"),
        (lambda: along(x, 0, axis=0), r"along: dim and axis are the same argument"),
        (lambda: along(x, 0, axes=0), r"along\(\) got an unexpected keyword argument 'axes'"),
        (lambda: mg.exp(x, axis=0), r"exp\(\) got an unexpected keyword argument 'axis'"),
    ):
        with pytest.raises(TypeError, match=words):
            wrong()


def test_one_argument_under_the_names_of_two_functions():
    """``swapaxes`` is ``transpose``, ``inverse`` is ``linalg.inv``, ``isin`` takes a number on either side: each name of PyTorch's is accepted."""
    x, square = mg.tensor([[1.0, 2.0, 3.0]]), mg.tensor([[2.0, 1.0], [0.0, 4.0]])
    assert mg.swapaxes(x, axis0=0, axis1=1).tolist() == x.swapaxes(axis1=0, axis0=1).tolist() == x.T.tolist()
    assert mg.swapdims(input=x, dim0=0, dim1=1).tolist() == x.T.tolist()
    assert mg.linalg.inv(A=square).tolist() == mg.inverse(input=square).tolist() == mg.inverse(square).tolist()
    assert mg.linalg.det(A=square).item() == mg.det(input=square).item() == 8.0
    assert mg.linalg.slogdet(A=square)[1].item() == mg.slogdet(input=square)[1].item() == pytest.approx(np.log(8.0))
    assert mg.linalg.lstsq(input=square, b=square)[0].tolist() == mg.linalg.lstsq(A=square, B=square)[0].tolist()
    assert mg.isin(element=2, test_elements=mg.tensor([1, 2])).item() is True
    assert mg.isin(mg.tensor([1, 2]), test_element=2).tolist() == [False, True]
    with pytest.raises(TypeError, match="isin: test_elements and test_element are the same argument"):
        mg.isin(x, x, test_element=2)


def test_tools_see_into_ops():
    """A profile, a traceback and a debugger show the op's name and its generated lines."""
    x = leaf(4, 4)
    profile = cProfile.Profile()
    profile.runcall(lambda: mg.exp(mg.matmul(x, x)).sum().tanh())
    rows = {(code, name) for code, _, name in pstats.Stats(profile).stats}
    names = ("exp", "matmul", "sum", "tanh")
    assert len({row for row in rows if row[0].startswith("<op ") and row[1] in names}) == 4
    with pytest.raises(ValueError, match="matmul") as caught:
        mg.matmul(x, leaf(3))
    frame = next(f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename.startswith("<op "))
    assert frame.name == "matmul" and "_answer" in frame.line


def test_integer_results_are_constants():
    x = leaf(2)
    assert not x.int().requires_grad and not x.long().requires_grad and not x.bool().requires_grad and x.double().requires_grad
    y = mg.tensor([1.5, 2.25], requires_grad=True)
    (y * y.int()).sum().backward()
    assert y.grad.tolist() == [1.0, 2.0]


def test_a_residual_is_declared_constant_or_refused_by_double_backward():
    def kernel(x):
        return x**3, 3 * x * x

    silent = mg.op(x=lambda g, res: g * res)(kernel)
    x = mg.tensor(2.0, requires_grad=True)
    assert mg.grad(silent(x), x)[0].item() == 12.0
    with pytest.raises(RuntimeError, match="kernel: create_graph=True would treat the residual"):
        mg.grad(silent(x), x, create_graph=True)
    declared = mg.op(x=lambda g, res: g * res, res=None)(kernel)
    assert mg.grad(declared(x), x, create_graph=True)[0].item() == 12.0
    with pytest.raises(TypeError, match="no formula names res"):
        mg.op(x=lambda g: g, res=None)(kernel)
    one = mg.op(x=lambda g, res: g * res)(lambda x: np.stack([x, x]))
    for value in (x, np.ones(2)):
        with pytest.raises(TypeError, match=r"a formula names res, so the kernel must return .result, residual., not a ndarray"):
            one(value)


@pytest.mark.parametrize(
    ("residual", "constant"),
    [
        (None, True), (True, True), (3, True), ("text", True), (slice(1), True), (np.arange(2), True), (np.bool_(True), True),
        ((None, [np.arange(2), 3]), True), (1.5, False), (np.ones(2), False), (np.float64(1), False), ((3, np.ones(2)), False), (print, False),
    ],
)  # fmt: skip
def test_a_residual_that_cannot_vary_needs_no_declaration(residual, constant):
    """Positions, masks and settings; what has floats may depend on an input."""
    given = mg.op(x=lambda g, res: g * 2.0)(lambda x: (x * 2, residual))
    x = leaf(2)
    if constant:
        assert mg.grad(given(x).sum(), x, create_graph=True)[0].tolist() == [2.0, 2.0]
    else:
        with pytest.raises(RuntimeError, match="would treat the residual `res` as a constant"):
            mg.grad(given(x).sum(), x, create_graph=True)


def test_a_kernel_that_returns_no_numbers_is_refused():
    for returned, words in ((None, "returned None .is its return missing"), ("text", "a str")):
        wrong = mg.op(x=lambda g: g)(lambda x, returned=returned: returned)
        with pytest.raises(TypeError, match=words):
            wrong(leaf(2))


def test_an_error_of_a_kernel_tells_the_call():
    """A note with the operands; none where the kernel's own words begin with its name, and say it."""

    @mg.op(x=lambda g: g, y=lambda g: g)
    def strict(x, y):
        raise ValueError("no" if np.any(y) else "strict: no")

    for x in (leaf(3), np.ones(3)):
        for y, words, notes in (
            (2.5, "no", ["in strict(x float64(3,), y=2.5)"]),
            (np.ones((1, 2), np.float32), "no", ["in strict(x float64(3,), y float32(1, 2))"]),
            (0, "strict: no", []),
        ):
            with pytest.raises(ValueError, match="no") as told:
                strict(x, y)
            assert (str(told.value), getattr(told.value, "__notes__", [])) == (words, notes)


def test_a_kernel_that_returns_something_else_is_told_what():
    def giving(returned):
        def kernel(x):
            return returned

        return kernel

    for returned, words in (
        (mg.ones(1), "the kernel returned a Tensor; kernels take and return arrays"),
        ((np.ones(1), np.array(["a"])), "the kernel returned an array of <U1; it must return an array of numbers"),
        ((np.ones(1), None), r"the kernel returned None \(is its return missing\?\)"),
    ):
        with pytest.raises(TypeError, match=f"^kernel: {words}"):
            mg.op(x=lambda g: g)(giving(returned))(leaf(2))
    for returned, words in (((1, 2, 3), "a tuple of 3"), (None, "None"), ([1, 2], "a list")):
        with pytest.raises(TypeError, match=rf"^kernel: .* must return \(result, residual\), not {words}"):
            mg.op(x=lambda g, res: g)(giving(returned))(leaf(2))
    three = mg.op(x=lambda g: g[0] + g[1])(lambda x: (x * 2, np.arange(2), 3.0))
    y, places, number = three(leaf(2))
    assert y.requires_grad and not places.requires_grad and number.item() == 3.0
    assert all(not t.requires_grad for t in three(mg.ones(2))) and [t.dtype for t in three(mg.ones(2))] == [
        mg.float32,
        mg.int64,
        mg.float32,
    ]


def test_a_formula_is_asked_for_in_the_op():
    @mg.op(a=lambda g, b: g * b, b=None)
    def scale(a, b):
        return a * b

    assert scale(leaf(2), leaf(2)).requires_grad and not scale(mg.ones(2), leaf(2)).requires_grad


def test_declared_constants_and_formula_free_ops_give_constants():
    @mg.op(a=None)
    def steps(a):
        return np.floor(a)

    @mg.op()
    def sign_of(a):
        return np.sign(a)

    assert not steps(leaf(2)).requires_grad
    assert not sign_of(leaf(2)).requires_grad


def test_arguments_may_come_by_keyword_by_position_or_by_default():
    @mg.op(x=lambda g, k: g * k, b=lambda g: g)
    def affine(x, b=None, k=2.0):
        return x * k if b is None else x * k + b

    x = mg.ones(2, requires_grad=True)
    for y in (affine(x, None, 3.0), affine(x, k=3.0), affine(b=None, x=x, k=3.0)):
        assert y.tolist() == [3, 3]
        y.sum().backward()
    assert x.grad.tolist() == [9, 9]
    with pytest.raises(TypeError):
        affine()
    with pytest.raises(TypeError):
        affine(x, None, 1.0, 2.0)
    assert affine.__name__ == "affine"


# ------------------------------------------------------------------------------ several results, residuals


@mg.op(x=lambda g, x, out: g[0] * 2.0 * x + g[1] * out[1])
def square_and_exp(x):
    return np.square(x), np.exp(x)


def test_several_results_differentiate_to_any_order():
    x = leaf(3)
    a, b = square_and_exp(x)
    (first,) = mg.grad((a * b).sum(), x, create_graph=True)
    value = x.detach().numpy()
    np.testing.assert_allclose(first.detach().numpy(), (2 * value + value**2) * np.exp(value))
    (second,) = mg.grad(first.sum(), x, create_graph=True)
    np.testing.assert_allclose(second.detach().numpy(), (2 + 4 * value + value**2) * np.exp(value))
    (third,) = mg.grad(second.sum(), x)
    np.testing.assert_allclose(third.numpy(), (6 + 6 * value + value**2) * np.exp(value))


def test_a_formula_may_name_one_of_the_results():
    """It alone is kept, and is differentiated in its turn."""

    @mg.op(x=lambda g, x, out_1: g[0] * 2.0 * x + g[1] * out_1)
    def both(x):
        return np.square(x), np.exp(x)

    x = leaf(3)
    squared, power = both(x)
    assert [a is power._data for a in power.grad_fn.parents[0].kept] == [False, True] and power.grad_fn.parents[0].kept[0] is x._data
    (first,) = mg.grad((squared * power).sum(), x, create_graph=True)
    value = x.numpy(force=True)
    np.testing.assert_allclose(first.numpy(force=True), (2 * value + value**2) * np.exp(value))
    np.testing.assert_allclose(mg.grad(first.sum(), x)[0].numpy(), (2 + 4 * value + value**2) * np.exp(value))


def test_several_results_under_no_grad_are_constants():
    x = leaf(3)
    with mg.no_grad():
        assert [t.requires_grad for t in square_and_exp(x)] == [False, False]
    assert [t.requires_grad for t in square_and_exp(x)] == [True, True]


def test_every_op_is_registered_by_its_qualified_name():
    ops = engine.registered_ops()
    assert ops[f"{__name__}.square_and_exp"] is square_and_exp.op and ops["minigrad.ops.elementwise.exp"] is mg.exp.op
    ops.clear()
    assert engine.registered_ops(), "a copy"


def test_an_unused_result_counts_as_zero():
    x = leaf(3)
    square_and_exp(x)[0].sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())


@pytest.mark.parametrize("dtype", [mg.float16, mg.float32, mg.float64])
def test_formulas_get_float32_for_float16(dtype):
    """With one result and with several, and whether the pass is recorded or not; the gradient is float16 again."""
    seen = []
    one = mg.op(x=lambda g, x: seen.append((g.dtype, x.dtype)) or g * 2)(lambda x: x * 2)
    two = mg.op(x=lambda g, x: seen.append((g[0].dtype, g[1].dtype, x.dtype)) or g[0] * 2 + g[1])(lambda x: (x * 2, x * 1))
    computed = mg.float32 if dtype == mg.float16 else dtype
    x = mg.ones(2, dtype=dtype, requires_grad=True)
    for y in (one(x), two(x)[0], two(x)[1]):
        for record in (False, True):
            (g,) = mg.grad(y.sum(), x, retain_graph=True, create_graph=record)
            assert g.dtype == dtype and set(seen.pop()) == {computed}


def test_a_residual_is_handed_from_kernel_to_formula():
    @mg.op(x=lambda g, res: g * res)
    def masked(x):
        mask = (np.arange(x.size) % 2).reshape(x.shape).astype(x.dtype)
        return x * mask, mask

    assert masked(np.ones(4)).tolist() == [0, 1, 0, 1]  # with arrays: the result alone
    x = leaf(4)
    masked(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 0, 1]


def test_variadic_ops_have_one_formula_for_all():
    @mg.op(xs=lambda g, xs, k: [g * k * (i + 1) for i in range(len(xs))])
    def weighted(*xs, k=1.0):
        return sum(x * (i + 1) * k for i, x in enumerate(xs))

    a, b, c = leaf(2), mg.ones(2, dtype=mg.float64), leaf(2)
    weighted(a, b, c, k=2.0).sum().backward()
    assert a.grad.tolist() == [2, 2]
    assert c.grad.tolist() == [6, 6]
    assert b.grad is None


def test_a_variadic_formula_is_differentiated_in_its_turn():
    @mg.op(xs=lambda g, xs: [g * xs[1] * xs[2], g * xs[0] * xs[2], g * xs[0] * xs[1]])
    def product(*xs):
        return xs[0] * xs[1] * xs[2]

    x, y = leaf(2), leaf(2, seed=1)
    mg.testing.gradcheck(lambda x, y: product(x, y, np.full(2, 3.0)), x, y, order=2)
    (gx,) = mg.grad(product(x, y, 3.0).sum(), x, create_graph=True)
    np.testing.assert_allclose(gx.numpy(force=True), 3 * y.numpy(force=True))
    assert mg.grad(gx.sum(), y)[0].tolist() == [3.0, 3.0]


def test_the_inputs_of_a_call_and_its_static_arguments_make_the_call_again():
    """Whatever the kinds of the parameters, and with the defaults filled in."""

    @mg.op(a=lambda g, k: g * k, xs=lambda g, xs: [g for _ in xs])
    def mixed(a, *xs, k=2.0):
        return np.asarray(a * k + sum(xs, 0.0))

    @mg.op(x=lambda g, k: g * k)
    def scaled(k, x, /, power=1, *, shift=0.0):
        return x**power * k + shift

    a, b, c = np.ones(2), np.full(2, 3.0), np.full(2, 5.0)
    inputs, statics = mixed.op.split((a, b, c), {})
    assert [x is y for x, y in zip(inputs, (a, b, c), strict=True)] == [True] * 3 and statics == {"k": 2.0}
    assert mixed.op.run(inputs, {"k": 4.0}).tolist() == [12.0, 12.0]
    assert [mixed.op.argument(i) for i in range(3)] == ["a", "xs", "xs"]
    inputs, statics = scaled.op.split((2.0, b), {"shift": 1.0})
    assert len(inputs) == 1 and inputs[0] is b and statics == {"k": 2.0, "power": 1, "shift": 1.0}
    assert scaled.op.run(inputs, {**statics, "power": 2}).tolist() == [19.0, 19.0]


def test_a_mode_decorates_a_coroutine_and_a_generator():
    """Their results, what is sent in and what is thrown in pass through it."""
    import asyncio

    x = mg.ones(2, requires_grad=True)

    @mg.no_grad()
    async def doubled(t):
        await asyncio.sleep(0)
        return t * 2

    assert not asyncio.run(doubled(x)).requires_grad

    @mg.no_grad()
    def told():
        sent = yield x * 1
        try:
            yield x * sent
        except KeyError as error:
            yield error.args[0]
        return "end"

    steps = told()
    assert not next(steps).requires_grad and (x * 1).requires_grad
    assert steps.send(3).tolist() == [3.0, 3.0]
    assert steps.throw(KeyError("thrown")) == "thrown"
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value == "end"


# --------------------------------------------------------------------------------------------- the walk


def test_a_joint_formula_is_called_once_for_all_its_arguments():
    calls = []

    @mg.joint
    def gradients(g, a, b, c_shape):
        calls.append("formula")

        def of_a():
            calls.append("a")
            return g * b

        return of_a, g * a, mg.zeros(c_shape, dtype=mg.float64)

    @mg.op(a=gradients, b=gradients, c=gradients)
    def times(a, b, c=0.0):
        return a * b + 0.0 * c

    a, b = (mg.tensor([2.0, v], requires_grad=True, dtype=mg.float64) for v in (3.0, 5.0))
    times(a, b).sum().backward()
    assert calls == ["formula", "a"]
    assert a.grad.tolist() == [2.0, 5.0] and b.grad.tolist() == [2.0, 3.0]
    calls.clear()
    assert mg.grad(times(a, b, a).sum(), b)[0].tolist() == [2.0, 3.0]
    assert calls == ["formula"]  # nobody asked for the gradient of a
    (ga,) = mg.grad(times(a, times(a, b)).sum(), a, create_graph=True)  # a a b
    (gab,) = mg.grad(ga.sum(), b)
    assert gab.tolist() == [4.0, 6.0]
    mg.testing.gradcheck(times, a, b, order=3)

    @mg.op(a=gradients, b=mg.joint(lambda g, a: (g * a, g)), c=None)
    def wrong(a, b, c=0.0):
        return a * b

    with pytest.raises(ValueError, match="the formula for 1 inputs returned 2 gradients") as told:
        wrong(a.detach(), b).sum().backward()
    assert "in the gradient of wrong" in told.value.__notes__


def test_a_formula_for_several_inputs_is_used_where_all_of_them_require_a_gradient():
    calls = []

    def of(name, formula):
        def counted(g, a, b):
            calls.append(name)
            return formula(g, a, b)

        return counted

    @mg.jointly("a b", of("both", lambda g, a, b: (g * b, g * a)))
    @mg.op(a=of("a", lambda g, a, b: g * b), b=of("b", lambda g, a, b: g * a), c=lambda g: g)
    def times(a, b, c):
        return a * b + c

    a, b, c = (mg.tensor([2.0, v], requires_grad=True, dtype=mg.float64) for v in (3.0, 5.0, 7.0))
    for inputs, names in (((a, b, c), ["both"]), ((a, b, c.detach()), ["both"]), ((a, b.detach(), c), ["a"]), ((a.detach(), b, c), ["b"])):
        calls.clear()
        wanted = [x for x in inputs if x.requires_grad]
        found = mg.grad(times(*inputs).sum(), wanted)
        partial = {a: [2.0, 5.0], b: [2.0, 3.0], c: [1.0, 1.0]}
        assert [g.tolist() for g in found] == [partial[x] for x in wanted] and calls == names
    calls.clear()
    assert mg.grad(times(a, b, c).sum(), c)[0].tolist() == [1.0, 1.0] and calls == []
    mg.testing.gradcheck(times, a, b, c, order=3)
    node = times(a, b, c).grad_fn
    assert [position for position, *_ in node.formulas()] == [(0, 1), 2]


def test_a_formula_for_several_inputs_of_an_op_of_two_keeps_what_it_names():
    @mg.jointly("a b", lambda g, out: (g * out, g * out))
    @mg.op(a=lambda g, a, b: g * mg.exp(a + b), b=lambda g, a, b: g * mg.exp(a + b))
    def exp_of_sum(a, b):
        return np.exp(a + b)

    a, b = leaf(2), leaf(2)
    assert [len(exp_of_sum(*inputs).grad_fn.kept) for inputs in ((a, b), (a.detach(), b))] == [1, 2]
    mg.testing.gradcheck(exp_of_sum, a, b, order=2)
    with pytest.raises(TypeError, match=r"@jointly add_up: 'c' is not an input of add_up\(a, b, c=1\) with a formula of its own"):
        mg.jointly("a c", lambda g: (g, g))(mg.op(a=lambda g: g, b=lambda g: g)(_add_up))
    with pytest.raises(TypeError, match="the formula of 'a' has a parameter 'd'"):
        mg.jointly("a b", lambda g, d: (g, g))(mg.op(a=lambda g: g, b=lambda g: g)(_add_up))


def _add_up(a, b, c=1):
    return a + b + c


def test_a_node_tells_its_op_and_its_formulas():
    """What pictures are made of: for each formula the position of its input, or those of the inputs it serves; a leaf has none."""

    @mg.joint
    def both(g, a, c):
        return g * c, g * a

    @mg.op(a=both, b=lambda g: g, c=both)
    def mixed(a, b, c):
        return a * c + b

    @mg.op(first=lambda g: g, xs=lambda g, xs: [g for _ in xs])
    def total(first, *xs):
        return first + sum(xs)

    x, y, z = leaf(2), leaf(2), leaf(2)
    node = mixed(x, y, z).grad_fn
    (ac, _, from_ac, kept), (b, _, from_b, nothing) = node.formulas()
    assert (ac, from_ac, b, from_b, nothing) == ((0, 2), (0, 2), 1, (), ()) and kept[0] is x._data and kept[1] is z._data
    assert [(p, sources) for p, _, sources, _ in total(x, y, z).grad_fn.formulas()] == [(0, ()), (range(1, 3), ("*",))]
    first = node.next_functions[0][0]
    assert (first.name, first.op, repr(first), first.variable) == ("leaf", None, "<leaf node, shape (2,)>", x)
    assert (node.name, node.op, repr(node)) == ("mixed", mixed.op, "<mixed node, shape (2,)>")
    assert repr(mixed.op) == "<op mixed(a, b, c)>"


def test_a_number_that_no_formula_keeps_is_told_by_the_node():
    """For pictures; an array is not, for the node would keep it alive."""
    plus = mg.op(x=lambda g: g, y=lambda g: g)(lambda x, y: x + y)
    times = mg.op(x=lambda g, y: g * y, y=lambda g, x: g * x)(lambda x, y: x * y)
    x = leaf(2)
    assert plus(x, 100).grad_fn.constant == plus(100, x).grad_fn.constant == 100
    for t in (plus(x, np.ones(2)), plus(x, mg.ones(2)), plus(x, x), times(x, 3.0), times(3.0, x)):
        assert not hasattr(t.grad_fn, "constant")


def test_broadcasting_and_dtypes_are_undone():
    x = mg.ones(3, 1, requires_grad=True)  # float32
    y = mg.tensor(np.ones((2, 1, 4)), requires_grad=True)  # float64
    (x * y).sum().backward()
    assert (x.grad.shape, x.grad.dtype) == ((3, 1), mg.float32)
    assert (y.grad.shape, y.grad.dtype) == ((2, 1, 4), mg.float64)
    assert x.grad.tolist() == [[8], [8], [8]]


def test_a_diamond_is_walked_once():
    b = leaf()
    calls = []

    @mg.op(x=lambda g: calls.append(1) or g * 2.0)
    def double(x):
        return x * 2

    y = b
    for _ in range(16):
        y = double(y) + double(y)
    y.backward()
    assert len(calls) == 32
    assert b.grad.item() == 4.0**16


def test_gradients_accumulate_and_own_their_memory():
    x, y = leaf(3), leaf(3)
    (x + y).backward(np.ones(3))
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    before = x.grad
    (x + y).backward(np.ones(3))
    assert x.grad is before
    assert x.grad.tolist() == [2, 2, 2]
    x.sum().backward()  # a broadcast gradient becomes memory that can be written
    x.grad.zero_()
    assert x.grad.tolist() == [0, 0, 0]
    fresh = leaf(3)
    fresh.sum().backward()
    fresh.grad.numpy()[0] = 5
    assert fresh.grad.tolist() == [5, 1, 1]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_reshaped_gradient_is_copied_only_if_its_memory_is_in_use_elsewhere(elsewhere):
    x, places, held = leaf(6), [], []

    def gradient(g):
        made = g * 2.0
        places.append(made.ctypes.data)
        held.extend([made] if elsewhere else [])
        return made

    @mg.op(x=gradient)
    def double(x):
        return x * 2

    double(x.reshape(2, 3)).sum().backward()
    assert (x.grad.numpy().ctypes.data == places[0]) is not elsewhere
    x.grad.zero_()
    assert all((made == 2).all() for made in held)


def test_the_seed_is_not_written():
    x = leaf(3)
    seed = np.ones(3)
    y = x + 0
    (y + y + y).backward(seed)
    assert seed.tolist() == [1, 1, 1]
    assert x.grad.tolist() == [3, 3, 3]
    x.grad.zero_()
    assert seed.tolist() == [1, 1, 1]


def test_backward_frees_the_graph_and_says_so():
    x = leaf(3)
    y = x.exp()
    big = weakref.ref(y._data)
    loss = y.sum()
    del y
    loss.backward()
    assert big() is None
    with pytest.raises(RuntimeError, match=r"a second time .* retain_graph=True"):
        loss.backward()
    loss = x.exp().sum()
    loss.backward(retain_graph=True)
    loss.backward()


def test_a_gradient_that_nobody_asked_for_is_not_computed():
    @mg.op(x=lambda g: pytest.fail("computed"))
    def never(x):
        return x * 1.0

    x, y = leaf(3), leaf(3)
    (g,) = mg.grad((never(x) * y).sum(), y)
    np.testing.assert_allclose(g.numpy(), x.detach().numpy())


def test_grad_of_intermediate_results_and_unused_inputs():
    x, unused = leaf(3), leaf(3)
    h = x * 2
    gh, gx = mg.grad((h * h).sum(), [h, x])
    np.testing.assert_allclose(gh.numpy(), 2 * h.detach().numpy())
    np.testing.assert_allclose(gx.numpy(), 4 * h.detach().numpy())
    assert x.grad is None
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        mg.grad(x.sum(), [x, unused])
    assert mg.grad(x.sum(), [x, unused], allow_unused=True)[1] is None
    assert mg.grad(x.sum(), [x, unused], materialize_grads=True)[1].tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        mg.grad(x.sum(), mg.ones(3))


def test_backward_on_a_non_scalar_needs_a_gradient():
    x = leaf(2, 3)
    with pytest.raises(RuntimeError, match=r"only for a scalar, and this tensor has shape \(2, 3\)"):
        (x * 2).backward()
    with pytest.raises(engine.ShapeError, match=r"gradient has shape \(3,\) but the tensor has shape \(2, 3\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="nothing that it was computed from"):
        mg.ones(1).backward()


def test_backward_into_chosen_leaves_only():
    x, y = leaf(3), leaf(3)
    (x * y).sum().backward(inputs=[x])
    assert y.grad is None
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy())


def test_backward_into_intermediate_results():
    x = leaf(3)
    y = x * 2
    z = y * y
    z.sum().backward(inputs=[y], retain_graph=True)
    np.testing.assert_allclose(y.grad.numpy(), 2 * y.numpy(force=True))
    assert x.grad is None and z.grad is None
    z.sum().backward(inputs=[x, y])
    np.testing.assert_allclose(y.grad.numpy(), 4 * y.numpy(force=True))
    np.testing.assert_allclose(x.grad.numpy(), 4 * y.numpy(force=True))


def test_nothing_is_recorded_or_kept_unless_asked_for():
    x = leaf(3)
    y = (x * x).sum()
    engine.backward(y)
    assert not x.grad.requires_grad
    with pytest.raises(RuntimeError, match="sum: backward a second time"):
        engine.backward(y)
    y = (x * x).sum()
    assert not mg.grad(y, x)[0].requires_grad
    with pytest.raises(RuntimeError, match="sum: backward a second time"):
        mg.grad(y, x)
    x.grad = None
    y = (x * x).sum()
    engine.backward(y, create_graph=True)  # which keeps the graph
    assert x.grad.requires_grad
    engine.backward(y, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="sum: backward a second time"):
        engine.backward(y)


def test_where_a_backward_pass_cannot_start():
    x = leaf(3)
    y = x * 2
    for outputs, gradients, error, words in (
        ([y, y], [np.ones(3)], RuntimeError, "2 outputs but 1 gradients"),
        (np.ones(3), None, TypeError, "outputs must be Tensors, not ndarray"),
        (3.0, None, TypeError, "outputs must be Tensors, not float"),
        ([y, x.detach()], [np.ones(3), np.ones(3)], RuntimeError, "this tensor does not require a gradient"),
        ([y.sum(), y], None, RuntimeError, r"a gradient can be left out only for a scalar, and this tensor has shape \(3,\)"),
        ([y.sum(), y], [None, mg.ones(3, 1)], engine.ShapeError, r"the gradient has shape \(3, 1\) but the tensor has shape \(3,\)"),
    ):
        for who, call in (("backward", engine.backward), ("grad", lambda outputs, gradients: mg.grad(outputs, x, gradients))):
            with pytest.raises(error, match=f"^{who}: {words}"):
                call(outputs, gradients)
    engine.backward((y.sum() for _ in range(2)), retain_graph=True)
    assert x.grad.tolist() == [4.0] * 3
    assert mg.grad([y.sum(), y], x, [None, [1.0, 2.0, 3.0]], retain_graph=True)[0].tolist() == [4.0, 6.0, 8.0]
    assert mg.grad(y, x, np.ones(3))[0].tolist() == [2.0] * 3
    with pytest.raises(ValueError, match=r"^grad: materialize_grads=True needs allow_unused=True"):
        mg.grad(x.sum(), x, allow_unused=False, materialize_grads=True)


def test_backward_into_nothing_is_a_mistake():
    x = leaf(3)
    with pytest.raises(RuntimeError, match="backward: inputs is empty"):
        x.sum().backward(inputs=[])
    with pytest.raises(TypeError, match="backward: inputs must be Tensors, not ndarray"):
        x.sum().backward(inputs=np.ones(3))
    with pytest.raises(RuntimeError, match="backward: one of the inputs does not require a gradient"):
        x.sum().backward(inputs=[mg.ones(3)])


def test_a_gradient_to_start_from_may_require_one_itself():
    """Only ``create_graph`` makes it part of the graph; its dtype becomes the tensor's."""
    x, seed = mg.ones(2, requires_grad=True), leaf(2)
    (x * 2).backward(seed)
    assert x.grad.dtype == mg.float32 and not x.grad.requires_grad
    np.testing.assert_allclose(x.grad.numpy(), 2 * seed.numpy(force=True), rtol=1e-6)
    (g,) = mg.grad(x * 2, x, seed, create_graph=True)
    assert mg.grad(g.sum(), seed)[0].tolist() == [2.0, 2.0]


def test_create_graph_to_the_fifth_order():
    x = mg.tensor(0.7, dtype=mg.float64, requires_grad=True)
    y = x.exp() * x**3
    for _ in range(5):
        (y,) = mg.grad(y, x, create_graph=True)
    v = 0.7  # (x^3 e^x)^(5) = e^x (x^3 + 15 x^2 + 60 x + 60)
    np.testing.assert_allclose(y.item(), np.exp(v) * (v**3 + 15 * v**2 + 60 * v + 60), rtol=1e-12)


def test_create_graph_leaves_a_differentiable_grad():
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    (x.grad * x.grad).sum().backward()
    value = x.detach().numpy()
    np.testing.assert_allclose(x.grad.detach().numpy(), 3 * value**2 + 36 * value**3, rtol=1e-12)


def test_a_wrong_gradient_shape_names_op_and_argument():
    @mg.op(x=lambda g, x: mg.zeros(7).numpy())
    def broken(x):
        return x * 1.0

    with pytest.raises(
        engine.ShapeError, match=r"broken: the formula of 'x' gave a gradient of shape \(7,\) for an argument of shape \(3,\)"
    ):
        broken(leaf(3)).sum().backward()


def test_an_exception_in_a_formula_names_the_op():
    @mg.op(x=lambda g: 1 / 0)
    def broken(x):
        return x * 1.0

    with pytest.raises(ZeroDivisionError) as info:
        broken(leaf(3)).sum().backward()
    assert info.value.__notes__ == ["in the gradient of broken"]


# ----------------------------------------------------------------------------------- hooks, retain_grad


def test_hooks_see_and_replace_the_complete_gradient():
    x = leaf(3)
    h = x * 2
    seen = []
    handle = h.register_hook(lambda g: seen.append(g.tolist()))
    twice = h.register_hook(lambda g: g * 10)
    (h + h).sum().backward()
    assert seen == [[2, 2, 2]]
    assert x.grad.tolist() == [40, 40, 40]
    handle.remove()
    twice.remove()
    handle.remove()
    x.register_hook(lambda g: g * 0)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [40, 40, 40]
    y = x * 2
    y.register_hook(lambda g: g.sum())
    with pytest.raises(engine.ShapeError, match=r"hook on mul: returned float64\(\) for a gradient of float64\(3,\)"):
        y.sum().backward()
    y = x * 2
    y.register_hook(lambda g: 3.0)
    with pytest.raises(engine.ShapeError, match=r"hook on mul: returned float for a gradient of float64\(3,\)"):
        y.sum().backward()


def test_retain_grad_fills_the_grad_of_intermediate_results():
    x = leaf(3)
    h = x * 2
    h.retain_grad()
    h.retain_grad()
    assert h.retains_grad
    (h * h).sum().backward()
    np.testing.assert_allclose(h.grad.numpy(), 2 * h.detach().numpy())
    assert (x * 2).grad is None


def test_grad_takes_what_fits():
    x = leaf(3)
    x.grad = g = mg.ones(3, dtype=mg.float64)
    x.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    assert x.grad is g  # as in PyTorch, gradients are added to the Tensor that is there
    for wrong, error, text in [
        (1.0, TypeError, "a Tensor or None is needed, not float"),
        (mg.ones(2, dtype=mg.float64), mg.ShapeError, r"a gradient of shape \(2,\) for a tensor of shape \(3,\)"),
        (mg.ones(3), RuntimeError, "a gradient of dtype float32 for a tensor of dtype float64"),
    ]:
        with pytest.raises(error, match=text):
            x.grad = wrong
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
    del x.grad
    assert x.grad is None


# ---------------------------------------------------------------------------------------------- modes


def test_modes_belong_to_their_thread():
    recorded = {}

    def work():
        recorded["other"] = (leaf(2) * 2).requires_grad

    with mg.no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        recorded["this"] = (leaf(2) * 2).requires_grad
        with mg.enable_grad():
            recorded["enabled"] = (leaf(2) * 2).requires_grad
    assert recorded == {"other": True, "this": False, "enabled": True}
    assert mg.is_grad_enabled()


def test_modes_as_decorators_and_after_exceptions():
    @mg.no_grad()
    def evaluate(x, depth=2):
        return evaluate(x, depth - 1) if depth else (x * 2).requires_grad

    assert not evaluate(leaf(2))
    assert mg.is_grad_enabled()
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert mg.is_grad_enabled()
    mg.set_grad_enabled(False)
    assert not mg.is_grad_enabled()
    mg.set_grad_enabled(True)
    with mg.set_grad_enabled(False):
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()

    @mg.set_grad_enabled(False)
    def off():
        return mg.is_grad_enabled()

    assert mg.is_grad_enabled()
    assert not off()


def test_threads_may_run_backward_side_by_side():
    results = [None] * 4

    def work(i):
        x = leaf(50, seed=i)
        y = x
        for _ in range(200):
            y = (y * 1.01).tanh()
        y.sum().backward()
        results[i] = x.grad.numpy()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i, got in enumerate(results):
        work(i)
        np.testing.assert_array_equal(got, results[i])


def test_a_generator_that_is_dropped_ends_in_its_mode():
    seen = []

    @mg.no_grad()
    def steps():
        try:
            yield mg.is_grad_enabled()
        finally:
            seen.append(mg.is_grad_enabled())
        seen.append("went on")

    first = steps()
    assert next(first) is False and mg.is_grad_enabled()
    first.close()
    assert seen == [False] and mg.is_grad_enabled()
    assert list(steps()) == [False] and seen == [False, False, "went on"] and mg.is_grad_enabled()


def test_what_a_mode_does_not_decorate():
    with pytest.raises(TypeError, match="no_grad: it decorates functions, not the class Model"):

        @mg.no_grad()
        class Model:
            pass

    with pytest.raises(TypeError, match="enable_grad: it does not decorate asynchronous generators"):

        @mg.enable_grad()
        async def steps():
            yield 1


@pytest.mark.parametrize(
    ("mode", "inside"),
    [
        (mg.no_grad, False), (mg.enable_grad, True), (mg.inference_mode, False), (lambda: mg.inference_mode(False), True),
        (lambda: mg.set_grad_enabled(False), False), (lambda: mg.set_grad_enabled(True), True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("outside", [True, False])
def test_every_mode_in_every_form_and_back(mode, inside, outside):
    """A block, a function, a generator between whose steps the mode is the caller's; and all of it again."""

    def steps():
        yield mg.is_grad_enabled()
        yield mg.is_grad_enabled()

    with mg.set_grad_enabled(outside):
        called, stepped = mode()(mg.is_grad_enabled), mode()(steps)
        if isinstance(mode, type):  # @mg.no_grad means @mg.no_grad()
            assert mode(mg.is_grad_enabled)() is inside and [told is inside for told in mode(steps)()] == [True, True]
        assert mg.is_grad_enabled() is outside
        for _ in range(2):
            assert called() is inside
            for told in stepped():
                assert told is inside and mg.is_grad_enabled() is outside
        block = mode()
        with block:
            assert mg.is_grad_enabled() is inside
            with block:
                assert mg.is_grad_enabled() is inside
            assert mg.is_grad_enabled() is inside
        assert mg.is_grad_enabled() is outside


# -------------------------------------------------------------------------------------------- anomalies


def test_anomaly_detection_names_the_op_and_the_line_of_a_write_through_an_alias():
    x = leaf(3)
    array = np.ones(3)
    with mg.detect_anomaly():
        y = x * mg.from_numpy(array)  # the line that is reported
        array[0] = 7
        with pytest.raises(RuntimeError, match=r"mul: its argument 'other' was written .*test_engine.py:\d+: .*the line that is reported"):
            y.sum().backward()


def test_anomaly_detection_finds_the_first_nan():
    x = mg.tensor([0.0, 1.0], requires_grad=True)
    with mg.detect_anomaly():
        y = x.sqrt() * mg.tensor([0.0, 1.0])
        with pytest.raises(RuntimeError, match="sqrt: the gradient of 'input' is NaN"):
            y.sum().backward()
    (x.sqrt() * mg.tensor([0.0, 1.0])).sum().backward()


def test_a_nan_that_came_from_outside_is_no_anomaly():
    """A formula is to blame only if its incoming gradient had none; with several results, if none of theirs had one."""
    x = leaf(2)
    with mg.detect_anomaly():
        (x * 2).backward(np.array([np.nan, 1.0]))
        a, b = square_and_exp(x)
        mg.backward([a, b], [np.array([np.nan, 1.0]), np.ones(2)])
        sizes = mg.op(x=lambda g: g[0] + g[1])(lambda x: (x.sum(), x * 1))
        a, b = sizes(x)
        mg.backward([a, b], [np.array(np.nan), np.ones(2)])
        a, b = square_and_exp(mg.tensor([np.nan], requires_grad=True))
        with pytest.raises(RuntimeError, match="square_and_exp: the gradient of 'x' is NaN"):
            b.backward(np.ones(1))
    assert np.isnan(x.grad.numpy()).all()


@pytest.mark.parametrize("form", ["block", "function", "generator"])
@pytest.mark.parametrize("check_nan", [True, False])
@pytest.mark.parametrize("mode", [lambda check: mg.detect_anomaly(check), lambda check: engine.set_detect_anomaly(True, check)])
def test_anomalies_are_looked_for_inside_and_not_after(mode, check_nan, form):
    def inside():
        yield engine.is_anomaly_enabled(), engine.is_anomaly_check_nan_enabled()

    if form == "block":
        with mode(check_nan):
            found = next(inside())
    elif form == "function":
        found = mode(check_nan)(lambda: next(inside()))()
    else:
        found = next(mode(check_nan)(inside)())
    assert found == (True, check_nan)
    assert not engine.is_anomaly_enabled() and engine.is_anomaly_check_nan_enabled()
    assert engine.anomaly.remember not in engine.graph.listeners


def test_looking_for_anomalies_is_switched_off_and_on_again_within_itself():
    block = engine.set_detect_anomaly(True)
    with block:
        with block:
            pass
        assert engine.is_anomaly_enabled()
        with engine.set_detect_anomaly(False), mg.detect_anomaly():
            assert engine.is_anomaly_enabled() and engine.graph.listeners.count(engine.anomaly.remember) == 1
        assert engine.is_anomaly_enabled()
    assert not engine.is_anomaly_enabled() and engine.anomaly.remember not in engine.graph.listeners


def test_a_write_is_found_though_nan_is_allowed():
    """Which switch was on when the op ran decides, and not which is on when backward runs."""
    x = mg.tensor([0.0, 1.0], requires_grad=True)
    with mg.detect_anomaly(check_nan=False):
        nan = x.sqrt() * mg.tensor([0.0, 1.0])
        written = x.exp()
    with mg.detect_anomaly():
        nan.sum().backward()
    written.detach().numpy()[0] = 7.0
    with pytest.raises(RuntimeError, match="exp: its result was written after the forward pass"):
        written.sum().backward()


def test_lines_are_recorded_in_a_block_and_only_there():
    """For pictures: where an op was called, and in which calls of the functions that are asked for; nothing is looked for."""
    x = leaf(1, 1, 4, 4)
    with engine.recording_lines(lambda code: code.co_name if code.co_name in ("conv2d", "mse_loss") else ""):
        y = F.conv2d(x, leaf(1, 1, 2, 2))  # this line
        losses = [F.mse_loss(y, y) for _ in range(2)]
    assert engine.line_of(y.grad_fn).endswith("# this line") and f"{__file__}:" in engine.line_of(y.grad_fn)
    assert [call.name for call in engine.calls_of(y.grad_fn)] == ["conv2d"]
    calls = [[engine.calls_of(node)[0] for node in (loss.grad_fn, loss.grad_fn.parents[0])] for loss in losses]
    assert calls[0][0] is calls[0][1] and calls[1][0] is calls[1][1] and calls[0][0] is not calls[1][0]
    assert calls[0][0].name == "mse_loss"
    with engine.saved_tensors_hooks(lambda t: t, lambda t: t):  # who wants to hear of nodes for something else
        z = x * x
    for t in (z, x * 2):
        assert engine.line_of(t.grad_fn) == "" and engine.calls_of(t.grad_fn) == []


# -------------------------------------------------------------------------------------- size and memory


def test_what_lies_behind_a_freed_graph_is_not_called_independent():
    x, w = mg.tensor(2.0, requires_grad=True), mg.tensor(3.0, requires_grad=True)
    y = x * x
    z = y * w
    y.backward()
    for more in ({}, {"allow_unused": True}, {"materialize_grads": True}):
        with pytest.raises(RuntimeError, match=r"mul: backward a second time through a graph that was freed"):
            mg.grad(z, x, retain_graph=True, **more)
    assert mg.grad(z, w, retain_graph=True)[0].item() == 4  # which does not need what was freed
    with pytest.raises(RuntimeError, match="do not depend on input 0"):
        mg.grad(w * 1, x)


@pytest.mark.parametrize("made", [lambda x: x * 1j, lambda x: np.array(["a"]), lambda x: np.array([None])])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_what_a_kernel_of_one_input_returns_consists_of_numbers(made, requires_grad):
    @mg.op(x=lambda g: g)
    def strange(x):
        return made(x)

    with pytest.raises(TypeError, match="strange: "):
        strange(mg.ones(2, requires_grad=requires_grad))


def test_the_code_of_an_op_can_import():
    """numpy's functions import modules with the builtins of the frame that calls them."""
    assert mg.mul.__globals__["__builtins__"]


def test_a_chain_of_many_ops_is_walked_and_freed_without_recursion():
    x = mg.tensor(1.0, dtype=mg.float64, requires_grad=True)
    y = x
    for _ in itertools.repeat(None, 200_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    y = x
    for _ in itertools.repeat(None, 100_000):
        y = y + 1.0
    del y  # never walked: freed from its end


def test_numpy_settings_are_those_of_the_user_after_a_backward_pass_and_their_function_is_called_in_hooks():
    called = []

    def divide(g):
        with np.errstate(divide="call"):
            np.ones(1) / np.zeros(1)

    def backward():
        x = leaf(3)
        y = x * 2.0
        y.register_hook(divide)
        (y * 0.0).sqrt().sum().backward()

    before = np.geterr(), np.getbufsize()
    with pytest.raises(NameError, match="callback"):  # numpy's own error, where no function was set
        backward()
    assert (np.geterr(), np.getbufsize()) == before
    with np.errstate(all="raise", call=lambda kind, flag: called.append(kind)):
        inside = np.geterr(), np.getbufsize()
        backward()
        assert (np.geterr(), np.getbufsize()) == inside
    assert called == ["divide by zero"] and (np.geterr(), np.getbufsize()) == before


def test_memory_returns_after_a_thousand_steps():
    w = mg.tensor(np.random.default_rng(0).normal(size=(20, 20)), requires_grad=True)
    data = mg.tensor(np.ones((5, 20)))

    def step():
        w.grad = None
        loss = ((data @ w).tanh() ** 2).mean()
        loss.backward()
        with mg.no_grad():
            w.sub_(w.grad, alpha=0.01)

    for _ in range(10):
        step()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(1000):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert after - before < 20_000  # one graph of this step is some 10 kB
