"""Ops in PyTorch's spelling, and the functions that see what a graph keeps: each body runs under both libraries and must say the same."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
from answers import noted

import minigrad as mg
import minigrad.torch
from minigrad import nn
from minigrad.engine.function import Function, once_differentiable
from minigrad.testing import gradcheck


def both(body):
    """What ``body(torch)`` returns under PyTorch and under the face: plain numbers."""
    theirs, ours = noted(body), body(minigrad.torch)
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(b, a, 1e-12, 1e-12)


def polar(torch):
    """Two results, of which backward needs one and both arguments; one more that is constant; a number among the arguments."""

    class Polar(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, scale):
            radius, quadrant = torch.sqrt(x * x + y * y) * scale, torch.sign(x) + 2 * torch.sign(y)
            ctx.save_for_backward(x, y, radius)
            ctx.scale = scale
            ctx.mark_non_differentiable(quadrant)
            return radius, torch.atan2(y, x), quadrant

        @staticmethod
        def backward(ctx, g_radius, g_angle, g_quadrant):
            x, y, radius = ctx.saved_tensors
            assert not g_quadrant.any()
            r2 = x * x + y * y
            gx = g_radius * ctx.scale**2 * x / radius - g_angle * y / r2
            gy = g_radius * ctx.scale**2 * y / radius + g_angle * x / r2
            return gx if ctx.needs_input_grad[0] else None, gy if ctx.needs_input_grad[1] else None, None

    return Polar


def leaves(torch, *values):
    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]


@pytest.mark.parametrize("materialize", [None, True, False])
def test_gradients_of_results_that_nobody_used(materialize):
    """Zeros, or None if ctx says so; with a graph of the gradient too, and where the backward has no derivative."""

    def body(torch):
        seen = []

        class Two(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                if materialize is not None:
                    ctx.set_materialize_grads(materialize)
                ctx.save_for_backward(x)
                constant = x.sign()
                ctx.mark_non_differentiable(constant)
                return x * x, x * 3, constant

            @staticmethod
            def backward(ctx, square, triple, constant):
                (x,) = ctx.saved_tensors
                seen.append([-1.0 if g is None else float(g.abs().sum()) for g in (square, triple, constant)])
                parts = [g * f for g, f in ((square, 2 * x), (triple, 3.0)) if g is not None]
                return sum(parts[1:], parts[0])

        class Once(Two):
            backward = staticmethod(torch.autograd.function.once_differentiable(Two.backward))

        (x,) = leaves(torch, [1.0, -2.0])
        square, triple, _ = Two.apply(x)
        (first,) = torch.autograd.grad(square.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        (other,) = torch.autograd.grad(triple.sum(), x)
        (once,) = torch.autograd.grad(Once.apply(x)[1].sum(), x)
        return [first.tolist(), second.tolist(), other.tolist(), once.tolist(), *seen]

    both(body)


def test_several_results_a_constant_one_and_second_order():
    def body(torch):
        x, y = leaves(torch, [1.0, -2.0, 0.5], [0.3, 1.0, -4.0])
        radius, angle, quadrant = polar(torch).apply(x, y, 3.0)
        assert radius.requires_grad and angle.requires_grad and not quadrant.requires_grad
        gx, gy = torch.autograd.grad((radius * angle).sum(), [x, y], create_graph=True)
        again = torch.autograd.grad((gx * gy).sum(), [x, y])
        return [t.detach().tolist() for t in (radius, angle, quadrant, gx, gy, *again)]

    both(body)


def test_the_kit_proves_it():
    x, y = leaves(mg, [1.0, -2.0, 0.5], [0.3, 1.0, -4.0])
    gradcheck(lambda x, y: polar(minigrad.torch).apply(x, y, 3.0)[:2], x, y)


def test_only_what_was_used_has_a_gradient():
    def body(torch):
        x, y = leaves(torch, [1.0], [2.0])
        polar(torch).apply(x, y.detach(), 1.0)[1].sum().backward()
        assert y.grad is None
        return [x.grad.tolist()]

    both(body)


def test_setup_context():
    def body(torch):
        class Times(torch.autograd.Function):
            @staticmethod
            def forward(a, b):
                return a * b

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                a, b = ctx.saved_tensors
                return g * b, g * a

        a, b = leaves(torch, 3.0, 5.0)
        Times.apply(a, Times.apply(a, b)).backward()
        return [a.grad.item(), b.grad.item()]

    both(body)


def test_straight_through():
    """The commonest use: a step forward, the identity backward."""

    def body(torch):
        class Round(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return torch.round(x)

            @staticmethod
            def backward(ctx, g):
                return g

        (x,) = leaves(torch, [0.4, 1.7])
        (Round.apply(x) ** 2).sum().backward()
        return [x.grad.tolist()]

    both(body)


def test_an_argument_returned_as_it_is():
    class Reverse(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -2 * g

    (x,) = leaves(mg, [1.0, 2.0])
    y = Reverse.apply(x)
    y.sum().backward()
    assert x.grad.tolist() == [-2.0, -2.0] and y is not x and y.tolist() == [1.0, 2.0]


class _Grown(mg.Function):
    """Writes its first argument, returns it and its product with the second, and saves what was written."""

    @staticmethod
    def forward(ctx, x, y):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x, y)
        return x, x * y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return (g + h * y) * x, h * x


def test_an_argument_that_was_written():
    """It is the result itself, with the node of the call, at any order; what was computed from it before keeps its gradient."""

    def f(x, y):
        z = x * 2
        before = z * z
        first, second = _Grown.apply(z, y)
        assert first is z
        return before + first * second

    x, y = mg.tensor([0.3, -0.2], dtype=mg.float64), mg.tensor([1.3, 0.7], dtype=mg.float64)
    e = np.exp(2 * x.numpy())
    np.testing.assert_allclose(f(x, y).numpy(), 4 * x.numpy() ** 2 + e * e * y.numpy(), rtol=1e-12)
    gradcheck(f, x, y)  # to second order


def test_a_part_that_was_written_writes_its_source_and_a_leaf_is_refused():
    x, y = mg.tensor([0.3, -0.2], requires_grad=True), mg.tensor([2.0])
    z = x * 1
    _, product = _Grown.apply(z[:1], y)
    np.testing.assert_allclose(z.tolist(), [np.exp(0.3), -0.2], rtol=1e-6)
    (z.sum() + product.sum()).backward()
    np.testing.assert_allclose(x.grad.tolist(), [3 * np.exp(0.3), 1.0], rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"mark_dirty.*leaf"):
        _Grown.apply(x, mg.ones(2))
    with pytest.raises(TypeError, match="mark_dirty: Tensors or None, not float"):
        mg.engine.function.FunctionCtx((True,)).mark_dirty(1.0)


def test_the_saved_result_is_at_its_place():
    """exp saves its own result: its second derivative goes through the call itself."""

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = mg.exp(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    (x,) = leaves(mg, 0.7)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = mg.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(np.exp(0.7), rel=1e-14)


def test_once_differentiable():
    class ByNumpy(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return mg.tensor(np.sin(x.numpy(force=True)))

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * mg.tensor(np.cos(x.numpy(force=True)))

    (x,) = leaves(mg, 0.3)
    ByNumpy.apply(x).backward()
    assert x.grad.item() == np.cos(0.3)
    (first,) = mg.grad(ByNumpy.apply(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.backward()


def vmapped(torch):
    """Functions with a vmap method: of two arguments, of which one may be the same for all samples, with two results; and with what ``info`` says."""

    class Product(torch.autograd.Function):
        seen = []

        @staticmethod
        def forward(a, b):
            return a @ b, (a * a).sum((-2, -1))

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g, g_squares):
            a, b = ctx.saved_tensors
            return g @ b.mT + 2 * a * g_squares[..., None, None], (a.mT @ g).sum_to_size(b.shape)

        @staticmethod
        def vmap(info, in_dims, a, b):
            Product.seen.append((info.batch_size, info.randomness, [dim is None for dim in in_dims]))
            a = a if in_dims[0] is None else a.movedim(in_dims[0], 0)
            b = b if in_dims[1] is None else b.movedim(in_dims[1], 0)
            product, squares = Product.apply(a, b)
            return (product.movedim(0, -1), squares), (-1, 0 if squares.dim() else None)

    return Product


def test_a_rule_for_vmap():
    def body(torch):
        product = vmapped(torch)
        rng = np.random.default_rng(0)
        a, b, c = leaves(torch, rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 2)), rng.normal(size=(3, 2, 4)))
        y, squares = torch.func.vmap(product.apply, in_dims=(0, None))(a, b)
        gradients = torch.autograd.grad((y**2).sum() + (squares * torch.arange(4.0)).sum(), [a, b], create_graph=True)
        second = torch.autograd.grad((gradients[0] ** 2).sum() + gradients[1].sum(), [a, b])
        last = torch.func.vmap(product.apply, (0, 2))(a, c)[0]
        each = torch.func.vmap(torch.func.grad(lambda a, b: (product.apply(a, b)[0] ** 3).sum()), (0, None))(a.detach(), b.detach())
        same = torch.func.vmap(product.apply, (None, 2), (0, None))(a[0], c)
        assert product.seen[0] == (4, "error", [False, True]) and product.seen[-1][2] == [True, False]
        return [x.tolist() for x in (y, squares, *gradients, *second, last, each, *same)]

    both(body)
    product = vmapped(minigrad.torch)
    nested = mg.func.vmap(mg.func.vmap(product.apply, (0, None)), (0, None))(mg.ones(5, 4, 2, 3), mg.ones(3, 2))[0]
    assert nested.shape == (5, 4, 2, 2) and len(product.seen) == 2 and (nested == 3).all()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda x: x, r"Wrong: vmap must return \(results, out_dims\), not Tensor"),
        (lambda x: ((x, x), (0,)), "vmap returned 1 out_dims for 2 results"),
        (lambda x: (x, 2), "out_dims must be None, or name a dimension of a result, a Tensor; 2 does not"),
        (lambda x: (x, 1), r"out_dims name dimension 1 of shape \(3, 2\), and there are 3 samples"),
    ],
)
def test_mistakes_in_a_rule_for_vmap(returned, message):
    class Wrong(Function):
        @staticmethod
        def vmap(info, in_dims, x):
            return returned(x)

    with pytest.raises(RuntimeError, match=message):
        mg.func.vmap(Wrong.apply)(mg.ones(3, 2))


def test_a_dtype_that_forward_chose_stays():
    class Wide(Function):
        @staticmethod
        def forward(ctx, x):
            return x.double()

        @staticmethod
        def backward(ctx, g):
            assert g.dtype == mg.float64
            return g

    x = mg.ones(2, requires_grad=True)
    y = Wide.apply(x)
    assert y.dtype == mg.float64
    y.sum().backward()
    assert x.grad.dtype == mg.float32


def test_what_was_saved_in_float16_comes_back_in_float16():
    """A Function's dtypes are its own: the formulas of ops get float32 for float16, its backward does not."""

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, x.float())
            return x * x

        @staticmethod
        def backward(ctx, g):
            x, wide = ctx.saved_tensors
            assert (g.dtype, x.dtype, wide.dtype) == (mg.float16, mg.float16, mg.float32)
            return 2 * x * g

    x = mg.tensor([1.0, 3.0], dtype=mg.float16, requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad.dtype == mg.float16 and x.grad.tolist() == [2.0, 6.0]


def bad(returned_forward=None, returned_backward=None):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2 if returned_forward is None else returned_forward

        @staticmethod
        def backward(ctx, g):
            return returned_backward

    return Bad


def test_mistakes_are_named():
    (x,) = leaves(mg, [1.0])
    with pytest.raises(TypeError, match="Bad: forward must return a Tensor or a tuple of Tensors, not int"):
        bad(returned_forward=3).apply(x, x)
    with pytest.raises(RuntimeError, match="Bad: backward returned 1 gradients for 2 arguments"):
        bad(returned_backward=mg.ones(1)).apply(x, x).sum().backward()
    with pytest.raises(TypeError, match="Bad: the gradient of argument 1 must be a Tensor or None, not ndarray"):
        bad(returned_backward=(None, np.ones(1))).apply(x, x).sum().backward()
    with pytest.raises(TypeError, match=r"Bad\.apply"):
        bad()()
    with pytest.raises(NotImplementedError, match="no backward"):
        type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 0.5)}).apply(x).sum().backward()


def test_the_node_has_the_class_name():
    (x,) = leaves(mg, 1.0)
    assert repr(bad().apply(x, 1.0)) == "tensor(2., dtype=torch.float64, grad_fn=<BadBackward>)"


def test_what_is_not_saved_is_freed():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    (x,) = leaves(mg, [1.0])
    middle = x * 3
    array = weakref.ref(middle._data)
    y = Double.apply(middle)
    del middle
    gc.collect()
    assert array() is None
    y.sum().backward()
    assert x.grad.item() == 6.0


# ---------------------------------------------------------------------------------- hooks, and what a graph tells


def test_post_accumulate_grad_hook():
    def body(torch):
        (x,) = leaves(torch, [1.0, 2.0])
        seen = []
        handle = x.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.tolist()))
        (x * x).sum().backward()
        x.sum().backward()
        torch.autograd.grad(x.sum(), x)
        handle.remove()
        x.sum().backward()
        return seen

    both(body)


def test_hooks_of_a_leaf_stay_while_it_is_frozen():
    def body(torch):
        (x,) = leaves(torch, [1.0, 2.0])
        seen = []
        x.register_hook(lambda g: seen.append(1.0))
        handle = x.register_hook(lambda g: seen.append(2.0))
        x.register_post_accumulate_grad_hook(lambda leaf: seen.append(3.0))
        x.requires_grad_(False)
        handle.remove()
        copied = copy.deepcopy(x).requires_grad_()
        (copied * 2).sum().backward()
        x.requires_grad = True
        (x * 2).sum().backward()
        return seen

    both(body)


def test_a_frozen_leaf_with_hooks_can_be_pickled():
    x = mg.tensor([1.0], requires_grad=True)
    x.register_hook(lambda g: g)
    x.requires_grad_(False)
    assert pickle.loads(pickle.dumps(x)).tolist() == [1.0]


def test_a_post_accumulate_grad_hook_returns_none():
    def body(torch):
        (x,) = leaves(torch, [1.0])
        x.register_post_accumulate_grad_hook(lambda leaf: leaf.grad * 2)
        with pytest.raises(RuntimeError, match="return None"):
            x.sum().backward()
        return x.grad.tolist()

    both(body)


def test_a_hook_of_several_tensors():
    def body(torch):
        a, b = leaves(torch, [1.0, 2.0], [3.0, 4.0])
        c, d = a * b, a * b
        seen = []

        def saw(gradients):
            seen.append([None if g is None else g.tolist() for g in gradients])

        hook = torch.autograd.graph.register_multi_grad_hook
        handle = hook((a, b, c, d), saw)
        c.sum().backward(retain_graph=True)
        c.sum().backward(inputs=(a,), retain_graph=True)
        (c * d).sum().backward(retain_graph=True)
        (a * 2).sum().backward()
        handle.remove()
        c.sum().backward(retain_graph=True)
        with hook([c, c], saw):
            c.sum().backward(retain_graph=True)
        constant = torch.ones(2)
        hook([a, constant, d], lambda g: seen.append(g.tolist()), mode="any")
        d.sum().backward(retain_graph=True)
        e = d * d
        hook([d, e, c], lambda gradients: seen.append([g is not None and g.requires_grad for g in gradients]))
        torch.autograd.grad(e.sum(), d, create_graph=True)
        hook([c], lambda gradients: gradients[0] * 100)
        (g,) = torch.autograd.grad(c.sum(), a, retain_graph=True)
        seen.append(g.tolist())
        return seen

    assert noted(body) == body(minigrad.torch)


def test_a_hook_of_several_tensors_whose_gradients_do_not_all_come():
    """A Function says that one of its arguments has none: the hook is called all the same, once."""
    seen = []

    class First(mg.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    x, y = leaves(mg, [1.0], [2.0])
    minigrad.torch.autograd.graph.register_multi_grad_hook([x, y], seen.append)
    First.apply(x, y).sum().backward()
    ((gx, gy),) = seen
    assert gx.item() == 2.0 and gy is None


def test_a_hook_of_several_leaves_under_grad():
    """Which PyTorch refuses: the hook waits for those that are asked for."""
    a, b = leaves(mg, [1.0], [2.0])
    seen = []
    minigrad.torch.autograd.graph.register_multi_grad_hook([a, b], seen.append)
    mg.grad((a * b).sum(), a)
    mg.grad((a * b).sum(), [a, b])
    assert [[g and g.item() for g in gradients] for gradients in seen] == [[2.0, None], [2.0, 1.0]]


def test_a_hook_of_several_tensors_refuses():
    hook = minigrad.torch.autograd.graph.register_multi_grad_hook
    with pytest.raises(ValueError, match="'all' or 'any', not 'some'"):
        hook([], print, mode="some")
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        hook([mg.ones(1)], print)
    with pytest.raises(TypeError, match="must be Tensors, not float"):
        hook([1.0], print)


def test_save_on_cpu():
    def body(torch):
        x, w = leaves(torch, [1.0, 2.0], [3.0, 4.0])
        packed = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(1) or t, lambda t: t):
            with torch.autograd.graph.save_on_cpu():
                y = (x * w * w).sum()
            with torch.autograd.graph.save_on_cpu(pin_memory=True):
                z = (x.exp() * w).sum()
        (y + z).backward()
        return [x.grad.tolist(), w.grad.tolist(), len(packed)]

    both(body)


def test_an_optimiser_in_backward():
    """What the hook is for: each parameter steps as soon as its gradient is complete, and the gradient is dropped."""

    def body(torch):
        weights = leaves(torch, [1.0, -1.0], [0.5, 2.0])
        for w in weights:
            optimizer = torch.optim.SGD([w], lr=0.1)

            def step(leaf, optimizer=optimizer):
                optimizer.step()
                optimizer.zero_grad()

            w.register_post_accumulate_grad_hook(step)
        for _ in range(3):
            ((weights[0] * weights[1]) ** 2).sum().backward()
        assert all(w.grad is None for w in weights)
        return [w.tolist() for w in weights]

    both(body)


def test_post_accumulate_is_for_leaves_and_survives_another_dtype():
    p = nn.Parameter(mg.ones(2))
    with pytest.raises(RuntimeError, match="only leaves"):
        (p * 2).register_post_accumulate_grad_hook(print)
    seen = []
    p.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.dtype))
    p.data = p.data.double()
    p.sum().backward()
    assert seen == [mg.float64]


def test_next_functions():
    x, y = leaves(mg, [1.0], [2.0])
    radius, angle, _ = polar(minigrad.torch).apply(x * 2 + y, y, 1.0)
    node = (radius * angle).grad_fn
    (a, i), (b, j) = node.next_functions
    assert a is b and (i, j) == (0, 1) and a.name == "Polar"
    total = a.next_functions[0][0]
    assert [n.name for n, _ in total.next_functions] == ["mul", "leaf"]
    assert total.next_functions[1][0].variable is y
    assert (x * 2).grad_fn.next_functions[1:] == ((None, 0),)
    assert total.next_functions[1][0].next_functions == ()


def test_saved_tensors_hooks():
    def body(torch):
        x, w = leaves(torch, [1.0, 2.0], [3.0, 4.0])
        packed, unpacked = [], []

        def pack(t):
            assert not torch.is_grad_enabled() or not t.requires_grad
            packed.append(1)
            return t.detach().clone()

        def unpack(t):
            unpacked.append(1)
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            y = (x * w).sum()
        z = (x * w).sum()
        y.backward(retain_graph=True)
        y.backward()
        z.backward()
        return [x.grad.tolist(), len(packed), len(unpacked)]

    both(body)


def test_saved_tensors_hooks_go_with_functions_second_order_and_anomalies():
    (x, y) = leaves(mg, [1.0, -2.0, 0.5], [0.3, 1.0, -4.0])
    store = {}

    def pack(t):
        store[len(store)] = t.numpy().copy()
        return len(store) - 1

    with mg.detect_anomaly(), mg.engine.saved_tensors_hooks(pack, lambda i: mg.from_numpy(store[i])):
        radius, angle, _ = polar(minigrad.torch).apply(x, y, 2.0)
        gx, gy = mg.grad((radius * angle).sum(), [x, y], create_graph=True)
        found = mg.grad((gx * gy).sum(), [x, y])
    radius, angle, _ = polar(minigrad.torch).apply(x, y, 2.0)
    gx, gy = mg.grad((radius * angle).sum(), [x, y], create_graph=True)
    for a, b in zip(found, mg.grad((gx * gy).sum(), [x, y]), strict=True):
        assert a.tolist() == b.tolist()
    assert len(store) > 10


def test_unpack_must_return_a_tensor():
    (x,) = leaves(mg, [1.0])
    with mg.engine.saved_tensors_hooks(lambda t: None, lambda nothing: nothing):
        y = (x * x).sum()
    with pytest.raises(TypeError, match="unpack_hook must return a Tensor, not NoneType"):
        y.backward()


def test_complex_tensors_are_refused_in_one_sentence():
    z = minigrad.torch.tensor([1 + 2j]).requires_grad_()

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

    with pytest.raises(TypeError, match=r"Square: a Function takes real Tensors; give it z.real and z.imag"):
        Square.apply(z)
    with pytest.raises(TypeError, match=r"grad: argument 0 of .* is complex; make it a function of z.real and z.imag, or take"):
        minigrad.torch.func.grad(lambda z: z.abs().sum())(z)
    (z.abs() ** 2).sum().backward()
    assert z.grad.tolist() == pytest.approx([2 + 4j])


def test_a_gradient_of_another_shape_is_told_in_the_words_of_a_function():
    class Cut(mg.Function):
        @staticmethod
        def forward(ctx, factor, x):
            return factor * x

        @staticmethod
        def backward(ctx, g):
            return None, g[:1].expand(2)

    with pytest.raises(
        mg.ShapeError, match=r"Cut: backward, for argument 'x', gave a gradient of shape \(2,\) for an argument of shape \(3,\)"
    ):
        Cut.apply(2.0, mg.ones(3, requires_grad=True)).sum().backward()
