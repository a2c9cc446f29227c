"""Derivatives as functions: what they return and refuse, how they compose, and the rules of ops that forward mode reads."""

import functools
import itertools
import weakref

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad import engine, func, nn
from minigrad.func import functional
from minigrad.recompute import checkpoint

F64 = mg.float64


def close(a, b, **options):
    np.testing.assert_allclose(
        np.asarray(getattr(a, "_data", a)), np.asarray(getattr(b, "_data", b)), **{"rtol": 1e-9, "atol": 1e-12, **options}
    )


def vector(*numbers):
    return mg.tensor(numbers, dtype=F64)


# --------------------------------------------------------------------------------------------------- composition


def test_derivatives_compose_in_any_order():
    def f(x):
        return mg.sin(x) * x**2

    x, one = mg.tensor(0.7, dtype=F64), mg.tensor(1.0, dtype=F64)
    second = float((2 - 0.7**2) * np.sin(0.7) + 4 * 0.7 * np.cos(0.7))

    def forward(g):
        return lambda x: func.jvp(g, (x,), (one,))[1]

    for outer in (func.grad, forward, func.jacrev, func.jacfwd):
        for inner in (func.grad, forward, func.jacrev, func.jacfwd):
            found = outer(inner(f))(x)
            close(found, second)
            assert not found.requires_grad
    third = float((2 - 0.7**2) * np.cos(0.7) - 2 * 0.7 * np.sin(0.7) + 4 * np.cos(0.7) - 4 * 0.7 * np.sin(0.7))
    close(forward(forward(forward(f)))(x), third)
    close(func.grad(forward(func.grad(f)))(x), third)


def test_each_transform_differentiates_by_its_own_argument():
    """d/dx of x * (d/dy of (x + y)) is 1, and not 2."""
    x = mg.tensor(3.0, dtype=F64)
    close(func.grad(lambda x: x * func.grad(lambda y: x + y)(mg.tensor(1.0, dtype=F64)))(x), 1.0)
    close(func.jvp(lambda x: x * func.jvp(lambda y: x + y, (x,), (mg.ones_like(x),))[1], (x,), (mg.ones_like(x),))[1], 1.0)
    close(func.grad(lambda x: func.grad(lambda y: x * x * y)(x))(x), 6.0)


def test_results_have_a_graph_only_if_the_outside_could_use_it():
    x = vector(1.0, 2.0)
    leaf = x.clone().requires_grad_()

    def f(x):
        return (x**3).sum()

    assert not func.grad(f)(x).requires_grad
    found = func.grad(f)(leaf)
    (again,) = mg.grad(found.sum(), leaf)
    close(again, [6.0, 12.0])
    weights = vector(2.0, 5.0).requires_grad_()
    value, tangent = func.jvp(lambda x: x * x * weights, (x,), (mg.ones_like(x),))  # what the function closes over counts too
    assert value.requires_grad
    close(mg.grad(tangent.sum(), weights)[0], [2.0, 4.0])
    direction = vector(1.0, 1.0).requires_grad_()
    close(mg.grad(func.jvp(f, (x,), (direction,))[1], direction)[0], [3.0, 12.0])
    with mg.no_grad():
        assert not func.grad(f)(leaf).requires_grad and not func.jvp(f, (leaf,), (x,))[0].requires_grad
        close(func.grad(f)(leaf), [3.0, 12.0])
    assert leaf.grad is None and weights.grad is None


def test_no_grad_inside_makes_a_constant():
    def f(x):
        with mg.no_grad():
            c = x * x
        return (c * x).sum()

    x = vector(2.0, 3.0)
    close(func.grad(f)(x), [4.0, 9.0])
    close(func.jvp(f, (x,), (vector(1.0, 0.0),))[1], 4.0)
    close(func.hessian(f)(x), np.zeros((2, 2)))


def test_the_arguments_are_not_written():
    def f(x):
        x = x.clone()
        x[0] = x[1] * 2
        x += 1
        return (x * x).sum()

    x = vector(1.0, 2.0)
    close(func.grad(f)(x), [0.0, 2 * 5 * 2 + 2 * 3])
    close(func.jvp(f, (x,), (vector(0.0, 1.0),))[1], 26.0)
    close(x, [1.0, 2.0])


# ------------------------------------------------------------------------------------------- arguments and results


def test_nested_arguments_argnums_and_aux():
    weights = {"w": vector(1.0, 2.0), "layers": [vector(3.0), (vector(4.0),)]}

    def f(scale, weights, x, power=1):
        y = (weights["w"] * x).sum() * weights["layers"][0].sum() ** power * scale
        return y, {"seen": y * 1, "name": "f"}

    scale, x = mg.tensor(2.0, dtype=F64), vector(1.0, 1.0)
    gradient, aux = func.grad(f, argnums=1, has_aux=True)(scale, weights, x, power=2)
    close(gradient["w"], [18.0, 18.0])
    close(gradient["layers"][0], [36.0])
    close(gradient["layers"][1][0], [0.0])  # not used
    assert aux["name"] == "f" and not aux["seen"].requires_grad and float(aux["seen"]) == 54.0
    by_scale, by_x = func.grad(lambda *a: f(*a)[0], argnums=(0, -1))(scale, weights, x)
    close(by_scale, 9.0)
    close(by_x, [6.0, 12.0])
    gradients, (value, _) = func.grad_and_value(f, (0,), has_aux=True)(scale, weights, x)
    assert isinstance(gradients, tuple) and float(value) == 18.0
    jacobian, aux = func.jacrev(lambda w: ({"a": w["w"] * 2, "b": w["layers"][0]}, w["w"]), has_aux=True)(weights)
    close(jacobian["a"]["w"], 2 * np.eye(2))
    close(jacobian["a"]["layers"][1][0], np.zeros((2, 1)))
    close(jacobian["b"]["layers"][0], [[1.0]])
    assert not aux.requires_grad
    _, jvp_fn = func.linearize(lambda w: {"y": w["w"] ** 2}, weights)
    close(jvp_fn(weights)["y"], [2.0, 8.0])
    _, vjp_fn, aux = func.vjp(lambda x: ((x, x * x), x), x, has_aux=True)
    assert isinstance(vjp_fn((x, x)), tuple)
    close(vjp_fn((x, x))[0], [3.0, 3.0])
    close(vjp_fn((x, x))[0], [3.0, 3.0])  # as often as one likes
    value, tangent, aux = func.jvp(lambda x: (x * x, x), (x,), (x,), has_aux=True)
    close(tangent, [2.0, 2.0])


def test_shapes_of_no_elements_and_no_dimensions():
    empty = mg.zeros(0, dtype=F64)
    assert func.jacrev(lambda x: x * 2)(empty).shape == func.jacfwd(lambda x: x * 2)(empty).shape == (0, 0)
    assert func.jacrev(lambda x: mg.stack([x.sum(), x.sum()]))(empty).shape == (2, 0)
    assert func.jacfwd(lambda x: mg.stack([x.sum(), x.sum()]))(empty).shape == (2, 0)
    x = mg.tensor(2.0, dtype=F64)
    assert func.jacfwd(lambda x: x**2)(x).shape == func.hessian(lambda x: x**2)(x).shape == ()
    assert func.jvp(lambda x: x.sum(), (vector(1.0),), (vector(2.0),))[1].dtype == F64


def test_dtypes_stay():
    for dtype in (mg.float16, mg.float32, mg.float64):
        x = mg.tensor([1.0, 2.0], dtype=dtype)
        value, tangent = func.jvp(lambda x: mg.exp(x) * x / 3, (x,), (mg.ones(2, dtype=dtype),))
        assert value.dtype == tangent.dtype == dtype
        assert func.jacfwd(lambda x: x @ x)(x).dtype == func.jacrev(lambda x: x @ x)(x).dtype == dtype
    half = mg.tensor([100.0], dtype=mg.float16)
    assert float(func.jvp(lambda x: x * x / 200, (half,), (half,))[1]) == 100.0  # in between, float16 would overflow
    single, double = mg.ones(2), vector(1.0, 1.0)
    assert func.jvp(lambda x: x * double, (single,), (double,))[1].dtype == F64


def test_float16_layers_by_each_of_their_inputs():
    x, w, b = (mg.tensor(np.linspace(-1, 1, n).reshape(shape), dtype=mg.float16) for n, shape in ((6, (2, 3)), (6, (2, 3)), (2, (2,))))
    for place, shape in enumerate(((2, 2, 2, 3), (2, 2, 2, 3), (2, 2, 2))):
        found = func.jacfwd(mg.linear, place)(x, w, b)
        assert found.dtype == mg.float16 and found.shape == shape
        close(found.float(), func.jacrev(mg.linear, place)(x, w, b).float(), rtol=1e-3)


def test_what_was_computed_before_may_be_freed():
    w = vector(1.0, 2.0).requires_grad_()
    c = w * 2
    c.sum().backward()
    x = vector(3.0, 4.0)
    close(func.jvp(lambda x: x * c, (x,), (x,))[1], [6.0, 16.0])

    def freed(x):
        y = x * x
        y.sum().backward()
        return y * x

    with pytest.raises(RuntimeError, match=r"mul: backward a second time through a graph that was freed") as caught:
        func.jvp(freed, (x,), (x,))
    assert caught.value.__notes__ == ["in jvp of freed"]


def test_jacobians_in_chunks():
    x = vector(1.0, 2.0, 3.0)
    for chunk in (1, 2, 5):
        close(func.jacrev(lambda x: x * x.sum(), chunk_size=chunk)(x), np.eye(3) * 6 + np.array([[1.0], [2.0], [3.0]]))


# ------------------------------------------------------------------------------------------------------- errors


def test_what_is_refused():
    x = vector(1.0, 2.0)

    def f(x):
        return x * x

    for call, error, text in (
        (lambda: func.grad(f)(x), RuntimeError, r"grad: f must return a tensor without dimensions, and returned one of shape \(2,\)"),
        (lambda: func.grad_and_value(lambda x: 3)(x), TypeError, r"grad_and_value: <lambda> must return Tensors, .* and returned 3"),
        (lambda: func.grad(f)(3.0), TypeError, r"grad: argument 0 of f must be a Tensor, or a container of Tensors, but is 3.0"),
        (lambda: func.grad(f)([x, mg.arange(3)]), TypeError, r"grad: argument 0\[1\] of f is int64, and only floating"),
        (lambda: func.grad(f, 1)(x), ValueError, "grad: argnums names 1, and f was called with 1 positional arguments"),
        (lambda: func.grad(f, has_aux=True)(x), TypeError, r"has_aux=True f must return \(result, aux\)"),
        (lambda: func.grad(3), TypeError, "grad: func must be a function"),
        (lambda: func.vjp(f, x)[1](x[:1]), mg.ShapeError, r"vjp: the cotangent has shape \(1,\), and what it belongs to \(2,\)"),
        (lambda: func.vjp(f, x)[1]((x,)), ValueError, "vjp: the cotangent must be nested like what it belongs to"),
        (lambda: func.vjp(f), ValueError, "vjp: there is no argument"),
        (lambda: func.jvp(f, x, (x,)), TypeError, "jvp: primals must be a tuple"),
        (lambda: func.jvp(f, (x,), (x, x)), ValueError, "jvp: the tangent must be nested like"),
        (lambda: func.jvp(f, (x,), (2.0,)), TypeError, "jvp: the tangent must be a Tensor"),
        (lambda: func.jvp(lambda x: mg.ones(2), (x,), (x,), strict=True), RuntimeError, "jvp: result 0 of <lambda> does not depend on"),
        (lambda: func.jacrev(f, chunk_size=0)(x), ValueError, "jacrev: chunk_size must be 1 or above"),
        (lambda: functional.jacobian(f, x, strategy="sideways"), ValueError, "jacobian: strategy must be one of 'reverse-mode'"),
        (lambda: functional.hvp(f, x, x), RuntimeError, r"hvp: f must return a tensor with one element, and returned one of shape \(2,\)"),
        (lambda: functional.vjp(f, x), RuntimeError, "vjp: v may be left out only for a single tensor with one element"),
        (lambda: func.stack_module_state([]), RuntimeError, "there is no model"),
        (lambda: func.stack_module_state([nn.Linear(1, 1), nn.ReLU()]), RuntimeError, "of one class"),
        (lambda: func.stack_module_state([nn.Linear(1, 1), nn.Linear(2, 1)]), RuntimeError, "must have weight of one shape"),
        (lambda: func.stack_module_state([nn.Linear(1, 1, bias=False), nn.Linear(1, 1)]), RuntimeError, "of the same names"),
        (lambda: func.stack_module_state([3]), TypeError, "one is 3"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            call()


def test_errors_name_the_transform_and_the_op():
    @mg.op(x=lambda g, x: g * np.float64("x"))
    def broken(x):
        return np.multiply(x, 2)

    with pytest.raises(ValueError, match="could not convert") as caught:
        func.jvp(lambda x: broken(x), (vector(1.0),), (vector(1.0),))
    assert caught.value.__notes__ == ["in the tangent of broken", "in jvp of <lambda>"]
    with pytest.raises(ValueError, match="could not convert") as caught:
        func.jacrev(func.grad(lambda x: broken(x).sum()))(vector(1.0))
    assert caught.value.__notes__ == ["in the gradient of broken", "in grad of <lambda>", "in jacrev of <lambda>"]
    with pytest.raises(ZeroDivisionError) as caught:
        func.grad(lambda x: 1 // 0)(vector(1.0))
    assert caught.value.__notes__ == ["in grad of <lambda>"]


# ------------------------------------------------------------------------- what else a graph is used with


def test_checkpoints_and_hooks():
    layer = nn.Linear(2, 2).double()
    calls = []
    layer.register_full_backward_hook(lambda module, gi, go: calls.append(len(go)))

    def plain(x):
        return mg.tanh(layer(x)).sum()

    def saved(x):
        return checkpoint(plain, x)

    x, t = mg.randn(3, 2, dtype=F64), mg.randn(3, 2, dtype=F64)
    for derivative in (
        func.grad, func.hessian, func.jacrev, func.jacfwd, lambda f: lambda x: func.jvp(f, (x,), (t,))[1],
        lambda f: lambda x: functional.hvp(f, x, t)[1], lambda f: lambda x: functional.vhp(f, x, t)[1],
    ):  # fmt: skip
        close(derivative(saved)(x), derivative(plain)(x))
    calls.clear()
    func.jvp(plain, (x,), (t,))
    assert not calls  # forward mode is no backward pass
    func.grad(plain)(x)
    assert calls == [1]
    seen = []

    def hooked(x):
        y = x * 2
        y.register_hook(seen.append)
        return (y * y).sum()

    close(func.grad(hooked)(x), 8 * x)
    assert len(seen) == 1
    with mg.detect_anomaly():
        close(func.hessian(hooked)(vector(1.0, 2.0)), 8 * np.eye(2))


def test_modules():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 1)).double()
    weights = {name: p.detach() for name, p in net.named_parameters()}
    x = mg.randn(5, 2, dtype=F64)

    def loss(weights, x):
        return (func.functional_call(net, weights, x) ** 2).mean()

    before = {name: p.numpy(force=True).copy() for name, p in net.named_parameters()}
    gradients = func.grad(loss)(weights, x)
    net.zero_grad()
    for buffer in net[1].buffers():
        buffer.zero_()
    mg.Tensor.backward((net(x) ** 2).mean())
    for name, p in net.named_parameters():
        close(gradients[name], p.grad)
        close(p, before[name])
    direction = {name: mg.randn(p.shape, dtype=F64) for name, p in weights.items()}
    _, slope = func.jvp(lambda w: loss(w, x), (weights,), (direction,))
    close(slope, sum(float((gradients[name] * direction[name]).sum()) for name in weights))


def test_functional_call_of_shared_parameters():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    net, x, w = Tied(), mg.ones(1, 2), 2 * mg.eye(2)
    assert (func.functional_call(net, {"a.weight": w}, x) == 4).all()
    assert (func.functional_call(net, {"b.weight": w}, x) == 4).all()
    assert func.functional_call(net, {"a.weight": w}, x, tie_weights=False).shape == (1, 2)
    assert not (func.functional_call(net, {"a.weight": w}, x, tie_weights=False) == 4).all()
    assert (func.functional_call(net, {"a.weight": w, "b.weight": 3 * w}, x, tie_weights=False) == 12).all()
    with pytest.raises(ValueError, match=r"b\.weight is shared, and given two values"):
        func.functional_call(net, {"a.weight": w, "b.weight": 3 * w}, x)
    with pytest.raises(RuntimeError, match=r"with strict=True, .* weight, bias are missing"):
        func.functional_call(nn.Linear(1, 1), {}, mg.ones(1, 1), strict=True)


def test_stacked_modules():
    models = [nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)) for _ in range(3)]
    parameters, buffers = func.stack_module_state(models)
    assert parameters["0.weight"].shape == (3, 1, 2) and parameters["0.weight"].is_leaf and parameters["0.weight"].requires_grad
    close(parameters["0.weight"][1], models[1][0].weight)
    assert buffers["1.running_mean"].shape == (3, 1) and not buffers["1.running_mean"].requires_grad


# ------------------------------------------------------------------------------------------------ rules of ops


class Scaled(mg.Function):
    """x * k, with a ``jvp`` that counts its calls and reads what was saved for it."""

    calls = 0

    @staticmethod
    def forward(ctx, x, k):
        ctx.k = k
        ctx.save_for_backward(x, x)
        ctx.save_for_forward(x)
        return x * k, x.sum()

    @staticmethod
    def backward(ctx, g, total):
        assert len(ctx.saved_tensors) == 2
        return g * ctx.k + total, None

    @staticmethod
    def jvp(ctx, t, _):
        Scaled.calls += 1
        (x,) = ctx.saved_tensors
        return t * ctx.k + 0 * x, t.sum()


def test_a_function_with_a_jvp_of_its_own():
    x, t = vector(1.0, 2.0), vector(3.0, 5.0)
    _, (dy, dtotal) = func.jvp(lambda x: Scaled.apply(x, 2.0), (x,), (t,))
    close(dy, [6.0, 10.0])
    close(dtotal, 8.0)
    assert Scaled.calls == 1
    close(func.jacfwd(func.jacfwd(lambda x: Scaled.apply(x * x, 2.0)[0]))(x)[0], [[4.0, 0.0], [0.0, 0.0]])

    class Wrong(Scaled):
        @staticmethod
        def jvp(ctx, t, _):
            return t

    with pytest.raises(RuntimeError, match="Wrong: jvp must return a Tensor or None for each of the 2 results"):
        func.jvp(lambda x: Wrong.apply(x, 2.0), (x,), (t,))


def test_a_function_without_a_jvp():
    class Cube(mg.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x, t = vector(1.0, 2.0), vector(1.0, 1.0)
    close(func.jvp(Cube.apply, (x,), (t,))[1], [3.0, 12.0])
    close(func.hessian(lambda x: Cube.apply(x).sum())(x), np.diag([6.0, 12.0]))
    with pytest.raises(RuntimeError, match="saved tensors in backward and in jvp only"):
        mg.engine.function.FunctionCtx((True,)).saved_tensors  # noqa: B018


def test_declarations_are_checked():
    def make(rule, **formulas):
        @rule
        @mg.op(**formulas)
        def made(x, by=1):
            return np.multiply(x, by)

    with pytest.raises(TypeError, match=r"@linear_in made: 'by' is not an input"):
        make(mg.linear_in("x by"), x=lambda g: g)
    with pytest.raises(TypeError, match=r"@tangent made: x is not kept, since the gradient formula of 'x' does not name it"):
        make(mg.tangent(x=lambda t, x: t * x), x=lambda g, by: g * by)
    with pytest.raises(TypeError, match="must take t, the incoming tangent, first"):
        make(mg.tangent(x=lambda g, by: g * by), x=lambda g, by: g * by)
    with pytest.raises(TypeError, match="@tangent made: 'by' is not an input"):
        make(mg.tangent(by=lambda t: t), x=lambda g, by: g * by)


def test_a_wrong_shape_from_a_rule_is_named():
    @mg.linear_in("x")
    @mg.op(x=lambda g, x_shape: mg.broadcast_to(g, x_shape))
    def total(x):
        return np.sum(x)

    @mg.tangent(x=lambda t: t)
    @mg.op(x=lambda g, x_shape: mg.broadcast_to(g, x_shape))
    def wrong(x):
        return np.sum(x)

    x = vector(1.0, 2.0)
    close(func.jvp(total, (x,), (x,))[1], 3.0)
    with pytest.raises(mg.ShapeError, match=r"wrong: its rule gave a tangent of shape \(2,\) for a result of shape \(\)"):
        func.jvp(wrong, (x,), (x,))


# --------------------------------------------------------------------------------------------------- properties

floats = st.floats(-2, 2, width=32).map(lambda x: round(x, 2))
drawn = functools.partial(hypothesis.given, st.lists(floats, min_size=3, max_size=3), st.lists(floats, min_size=3, max_size=3))


def mixed(x):
    """A function with every kind of rule: elementwise, linear, declared and none."""
    y = mg.softmax(mg.tanh(x) * 2, 0) @ mg.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 1.0]], dtype=F64)
    return mg.cat([y * y.sum(), mg.logsumexp(x, 0).reshape(1), x.cumsum(0)[:2] * mg.linalg.vector_norm(x + 3)])


@hypothesis.settings(max_examples=15, deadline=None)
@drawn(st.lists(floats, min_size=5, max_size=5))
def test_jvp_times_v_is_v_times_vjp(x, t, v):
    x, t, v = vector(*x), vector(*t), vector(*v)
    y, tangent = func.jvp(mixed, (x,), (t,))
    again, vjp_fn = func.vjp(mixed, x)
    close(y, again)
    close((tangent * v).sum(), (vjp_fn(v)[0] * t).sum(), atol=1e-9)
    close(func.jacfwd(mixed)(x) @ t, tangent, atol=1e-9)
    close(v @ func.jacrev(mixed)(x), vjp_fn(v)[0], atol=1e-9)
    close(func.linearize(mixed, x)[1](t), tangent)


@hypothesis.settings(max_examples=6, deadline=None)
@drawn()
def test_a_hessian_is_symmetric(x, t):
    x, t = vector(*x), vector(*t)

    def f(x):
        return (mixed(x) ** 2).sum()

    hessian = func.hessian(f)(x)
    close(hessian, hessian.T, atol=1e-8)
    close(func.jacrev(func.jacfwd(f))(x), hessian, atol=1e-8)
    close(functional.hvp(f, x, t)[1], hessian @ t, atol=1e-8)
    close(functional.vhp(f, x, t)[1], hessian @ t, atol=1e-8)


def test_forward_mode_keeps_tangents_no_longer_than_needed():
    """Of a chain only two at a time, and in the end those that were asked for."""
    alive = []

    @mg.tangent(x=lambda t: counted(t))
    @mg.op(x=lambda g: g)
    def counted(x):
        out = x + 1.0
        alive.append(weakref.ref(out))
        most.append(sum(r() is not None for r in alive))
        return out

    most = []
    x = mg.zeros(3, dtype="float64").requires_grad_()
    y = x
    for _ in range(8):
        y = counted(y)
    alive.clear()
    most.clear()
    found = engine.push([y._node], {x._node: np.ones(3)}, False)
    assert set(found) == {y._node} and max(most) <= 3


def test_fourth_derivatives_in_any_order():
    """A gradient of what was computed after a ``vmap`` meets one of its samples: the samples are added up first, not the other one to each."""
    x = mg.tensor([0.7, 0.7], dtype=F64)
    for order in itertools.product((func.jacrev, func.jacfwd), repeat=4):
        f = functools.reduce(lambda f, transform: transform(f), order, lambda x: x.exp() * x)
        close(f(x).sum(), 2 * np.exp(0.7) * 4.7)


def test_a_tangent_given_after_a_vmap_gets_the_sum_of_its_gradients():
    x, t = mg.tensor([1.0, 2.0], dtype=F64), mg.tensor([3.0, 5.0], dtype=F64, requires_grad=True)
    weights = mg.tensor([[1.0, 10.0], [100.0, 1000.0]], dtype=F64)
    _, along = func.linearize(lambda x: func.vmap(lambda w: (w * x * x).sum())(weights), x)
    (found,) = mg.grad(along(t).sum(), t)
    close(found, (2 * x * weights.sum(0)).numpy())


@pytest.mark.parametrize("argnums", [(), (0, 0), (1, -1)])
def test_argnums_name_each_argument_once(argnums):
    for transform in (func.grad, func.jacrev, func.jacfwd, func.hessian):
        with pytest.raises(ValueError, match="argnums must name arguments, each once"):
            transform(lambda a, b: (a * b).sum(), argnums)(mg.ones(2), mg.ones(2))


def test_strict_wants_each_result_to_depend_on_each_input():
    x, y = mg.tensor([1.0, 2.0], dtype=F64), mg.tensor([3.0, 4.0], dtype=F64)
    functional.jacobian(lambda x, y: (x * y, y * x), (x, y), strict=True)
    with pytest.raises(RuntimeError, match=r"jacobian: with strict=True, .* is independent of the inputs, at number 0"):
        functional.jacobian(lambda x, y: (x * y, y * y), (x, y), strict=True)
    with pytest.raises(RuntimeError, match=r"hessian: with strict=True, .* is independent"):  # d/dx is y*y, without x
        functional.hessian(lambda x, y: (x * y * y).sum(), (x, y), strict=True)


@pytest.mark.parametrize(
    "f", [mg.linalg.det, mg.linalg.matrix_norm, mg.linalg.svdvals, lambda x: mg.linalg.qr(x)[1].abs(), lambda x: func.vmap(mg.linalg.vector_norm)(x)]
)  # fmt: skip
def test_forward_mode_around_vmap(f):
    """A formula that is transposed meets tangents that differ from sample to sample at its first op, which computes with ``g`` alone."""
    x, t = mg.randn(2, 3, 3, dtype=F64) + 2 * mg.eye(3, dtype=F64), mg.randn(2, 3, 3, dtype=F64)
    for k in range(2):
        mapped = (lambda f: func.vmap(func.vmap(f))) if k else func.vmap
        _, along = func.jvp(mapped(f), (x[None],) if k else (x,), (t[None],) if k else (t,))
        wanted = mg.stack([func.jvp(f, (x[i],), (t[i],))[1] for i in range(2)])
        close(along, wanted[None] if k else wanted)
    close(func.jacfwd(func.vmap(f))(x), func.jacrev(func.vmap(f))(x))
