"""What ``vmap`` refuses, what it does with random numbers, writes and hooks, and where its gradients go."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import func, nn
from minigrad.engine import registered_ops
from minigrad.func import grad, jacrev, vmap
from minigrad.recompute import checkpoint


def numbers(*shape, seed=0):
    return mg.tensor(np.random.default_rng(seed).standard_normal(shape))


X = numbers(3, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: vmap(mg.sin)(2.0), ValueError, "in_dims has 0 for 2.0, which is no Tensor"),
        (lambda: vmap(mg.sin, in_dims=2)(X), ValueError, r"in_dims has 2 for a tensor of shape \(3, 2\)"),
        (lambda: vmap(mg.sin, in_dims=(0, 0))(X), ValueError, r"in_dims=\(0, 0\) does not fit the arguments: .*\(\*\)"),
        (lambda: vmap(mg.sin, in_dims=(None,))(X), ValueError, "no argument has samples"),
        (lambda: vmap(mg.sin, in_dims="a")(X), ValueError, "in_dims='a' does not fit"),
        (lambda: vmap(mg.add)(X, numbers(2, 2)), ValueError, "different numbers of samples: 3, 2"),
        (lambda: vmap(lambda x: 3.0)(X), TypeError, "must return Tensors, and returned 3.0"),
        (lambda: vmap(mg.sin, out_dims=None)(X), ValueError, r"out_dims is None for a result of shape \(2,\)"),
        (lambda: vmap(mg.sin, out_dims=2)(X), IndexError, "out_dims has 2"),
        (lambda: vmap(mg.sin, out_dims=(0, 0))(X), ValueError, "does not fit the results"),
        (lambda: vmap(mg.sin, chunk_size=0), ValueError, "chunk_size"),
        (lambda: vmap(mg.sin, randomness="some"), ValueError, "error, same, different"),
        (lambda: vmap(lambda x: x.sum().item())(X), RuntimeError, r"vmap: item\(\) needs the numbers"),
        (lambda: vmap(lambda x: x if x.sum() > 0 else -x)(X), RuntimeError, "vmap: .*mg.where"),
        (lambda: vmap(lambda x: mg.tensor(x.numpy()))(X), RuntimeError, "vmap: numpy needs"),
        (
            lambda: vmap(lambda x: x.nonzero())(mg.tensor([[1.0, 0.0], [1.0, 1.0]])),
            RuntimeError,
            "vmap: argwhere gives results of different shapes",
        ),
        (lambda: vmap(lambda x: mg.zeros(2).add_(x))(X.float()), RuntimeError, "add_: inside vmap a value that differs"),
        (lambda: vmap(lambda x: _store(mg.zeros(2), x))(X.float()), RuntimeError, "inside vmap a value that differs"),
        (lambda: vmap(lambda x: mg.randn(2))(X), RuntimeError, "randomness is 'error'"),
        (lambda: vmap(lambda x: F.dropout(x))(X), RuntimeError, "randomness is 'error'"),
        (lambda: vmap(lambda x: mg.bernoulli(mg.sigmoid(x)))(X), RuntimeError, "randomness is 'error'"),
        (lambda: vmap(lambda x: x.sum(3))(X), IndexError, "sum: dim 3"),
        (lambda: vmap(lambda x: x.reshape(3))(X), mg.ShapeError, r"reshape: shape \(2,\)"),
    ],
)
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def _store(x, value):
    x[:] = value
    return x


def test_errors_name_vmap_and_the_function():
    def scale(x):
        return x @ mg.ones(5)

    with pytest.raises(mg.ShapeError, match=r"matmul: inner sizes differ: \(2,\) @ \(5,\)") as caught:
        vmap(scale)(X.float())
    assert "in vmap of scale" in caught.value.__notes__


def test_writes_into_what_differs_from_sample_to_sample():
    def f(x):
        y = x * 1
        y += x
        y[0] = x[1]
        y.mul_(2)
        return F.relu(y, inplace=True)

    np.testing.assert_array_equal(vmap(f)(X).numpy(), np.stack([f(x).numpy() for x in X]))


def test_a_write_into_an_argument_is_refused():
    for write in (lambda x: x.add_(1), lambda x: x[0].zero_(), lambda x: [y := x * 1, y[0].zero_()], lambda x: x.view(-1)[:1].copy_(x[1])):
        with pytest.raises(RuntimeError, match=r"inside vmap this view cannot be written.*x\[i\] = value"):
            vmap(write)(numbers(3, 2))


def test_backward_inside_reaches_leaves_of_the_inside_only():
    def inside(x):
        w = x.detach().requires_grad_()
        (w**3).sum().backward()
        return w.grad

    np.testing.assert_allclose(vmap(inside)(X).numpy(), 3 * X.numpy() ** 2)
    w = mg.ones(2, dtype=mg.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"backward: inside vmap .*\.grad holds only one"):
        vmap(lambda x: (x * w).sum().backward())(X)
    assert w.grad is None


def test_gradients_of_a_shared_tensor_are_per_sample_inside_and_summed_after():
    w = numbers(2, seed=1).requires_grad_()
    (after,) = mg.grad(vmap(lambda x: (x * w).sum() ** 2)(X).sum(), w)
    inside = vmap(lambda x: mg.grad((x * w).sum() ** 2, w)[0])(X)
    by_hand = 2 * (X.numpy() @ w.detach().numpy())[:, None] * X.numpy()
    np.testing.assert_allclose(inside.numpy(), by_hand)
    np.testing.assert_allclose(after.numpy(), by_hand.sum(0))


def test_a_graph_is_differentiated_again_after_the_function_returned():
    w = numbers(2, seed=1).requires_grad_()
    gradients = vmap(lambda x: mg.grad((x * w).prod() * w.sum(), w, create_graph=True)[0])(X)
    (second,) = mg.grad((gradients**2).sum(), w)
    loops = [mg.grad((x * w).prod() * w.sum(), w, create_graph=True)[0] for x in X]
    np.testing.assert_allclose(second.numpy(), mg.grad(mg.stack([(g**2).sum() for g in loops]).sum(), w)[0].numpy())


def test_hooks_see_the_gradient_of_one_sample():
    shapes = []

    def f(x):
        y = x * 2
        y.register_hook(lambda g: shapes.append(g.shape) or g * 10)
        return (y * y).sum()

    np.testing.assert_allclose(vmap(grad(f))(X).numpy(), 80 * X.numpy())
    assert shapes == [(2,)]


def test_checkpointed_parts_run_again():
    w = numbers(2, 2, seed=2)
    part = lambda x: mg.tanh(x @ w)
    plain = vmap(grad(lambda x: part(x).sum()))(X)
    np.testing.assert_allclose(vmap(grad(lambda x: checkpoint(part, x).sum()))(X).numpy(), plain.numpy())


def test_no_grad():
    with mg.no_grad():
        assert not vmap(lambda x: x * 2)(X.detach().requires_grad_()).requires_grad


def test_randomness():
    mg.manual_seed(0)
    for draw in (
        lambda x: mg.randn(4),
        lambda x: F.dropout(mg.ones(9)),
        lambda x: mg.randperm(9),
        lambda x: mg.bernoulli(mg.full((9,), 0.5)),
    ):
        same, different = (vmap(draw, randomness=mode)(X).numpy() for mode in ("same", "different"))
        assert (same == same[0]).all()
        assert not (different == different[0]).all()
    x = mg.ones(3, 50)
    kept = vmap(lambda row: F.dropout(row), randomness="different")(x)
    assert set(np.unique(kept.numpy())) == {0.0, 2.0}
    nested = vmap(lambda x: vmap(lambda y: mg.rand(2), randomness="different")(mg.ones(4)), randomness="same")(X).numpy()
    assert (nested == nested[0]).all()
    assert not (nested[0] == nested[0, 0]).all()


def test_looped_names_the_ops_without_a_rule():
    fast, slow = vmap(lambda x: mg.tanh(x).sum()), vmap(lambda x: mg.histc(x, 3))
    fast(X), slow(X)
    assert not fast.looped
    assert dict(slow.looped) == {"histc": 1}
    without = {
        op.name for name, op in registered_ops().items() if name.startswith("minigrad.ops") and not op.batching and not op.elementwise
    }
    assert without == {
        "argwhere", "nonzero", "unique", "unique_consecutive", "bincount", "histc",
    }  # fmt: skip


def test_a_function_class_of_ops_works_and_one_that_reads_numbers_says_so():
    class Cube(mg.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    class Square(mg.Function):
        @staticmethod
        def forward(ctx, x):
            return mg.tensor(np.square(x.numpy()))

    np.testing.assert_allclose(vmap(grad(lambda x: Cube.apply(x).sum()))(X).numpy(), 3 * X.numpy() ** 2)
    with pytest.raises(RuntimeError, match="vmap: numpy needs the numbers"):
        vmap(Square.apply)(X)


def test_an_op_of_ones_own_runs_sample_by_sample_and_by_a_rule():
    @mg.op(x=lambda g, x: g * 2 * x)
    def square(x):
        assert x.ndim == 1
        return x * x

    mapped = vmap(grad(lambda x: square(x).sum()))
    np.testing.assert_allclose(mapped(X).numpy(), 2 * X.numpy())
    assert mapped.looped["square"] == 1


def test_grads_batched():
    x = numbers(3).requires_grad_()
    y = (x * x).cumsum(0)
    vectors = numbers(4, 3, seed=5)
    (all_at_once,) = mg.grad(y, x, vectors, retain_graph=True, is_grads_batched=True)
    each = [mg.grad(y, x, v, retain_graph=True)[0].numpy() for v in vectors]
    np.testing.assert_allclose(all_at_once.numpy(), np.stack(each))
    (recorded,) = mg.grad(y, x, vectors, create_graph=True, is_grads_batched=True)
    np.testing.assert_allclose(
        mg.grad(recorded.sum(), x)[0].numpy(),
        jacrev(lambda x: jacrev(lambda x: (x * x).cumsum(0))(x))(x.detach()).numpy().transpose(2, 0, 1)
        @ np.ones(3)
        @ vectors.numpy().sum(0),
    )
    with pytest.raises(mg.ShapeError, match="is_grads_batched"):
        mg.grad(y, x, mg.tensor(1.0), is_grads_batched=True)


def test_no_samples():
    assert vmap(lambda x: mg.tanh(x @ mg.ones(2, 3)))(mg.ones(0, 2)).shape == (0, 3)


def test_per_sample_gradients_of_a_model_need_no_loop():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)).double()
    x, y = numbers(5, 1, 6, 6), mg.tensor([0, 1, 2, 0, 1])
    parameters = list(net.parameters())
    one = lambda x, y: mg.grad(F.cross_entropy(net(x.unsqueeze(0)), y.unsqueeze(0)), parameters)
    mapped = vmap(one)
    for fast, *slow in zip(mapped(x, y), *[one(*pair) for pair in zip(x, y, strict=True)], strict=True):
        np.testing.assert_allclose(fast.numpy(), np.stack([g.numpy() for g in slow]), rtol=1e-9, atol=1e-12)
    assert not mapped.looped
    assert all(p.grad is None for p in parameters)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_samples_with_ignored_places(smoothing):
    x, y = numbers(3, 4, 5), mg.tensor([[-100, 1, 2, 0], [3, -100, -100, 4], [1, 1, 1, 1]])
    loss = lambda x, y: F.cross_entropy(x, y, label_smoothing=smoothing)
    for f in (loss, func.grad(loss), lambda x, y: F.nll_loss(F.log_softmax(x, 1), y)):
        np.testing.assert_allclose(vmap(f)(x, y).numpy(), np.stack([f(*pair).numpy() for pair in zip(x, y, strict=True)]), rtol=1e-12)


def test_printed_inside():
    texts = []
    vmap(lambda x: texts.append(repr(x)) or x)(mg.tensor([[1.0], [2.0]]))
    assert texts == ["tensor([[1.],\n        [2.]]), of which vmap sees each along dimension 0"]


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_do_not_loop(kind):
    """Gradients of each sequence, and an ensemble: weights that samples share, and weights of their own."""
    layers = [kind(2, 3, num_layers=2).double() for _ in range(3)]
    x = mg.randn(4, 5, 2, dtype="float64")

    def loss(state, x):
        return func.functional_call(layers[0], state, (x,))[0].square().sum()

    weights = {name: p.detach() for name, p in layers[0].named_parameters()}
    each = vmap(func.grad(loss), in_dims=(None, 0))
    found = each(weights, x)
    for i in range(4):
        alone = func.grad(loss)(weights, x[i])
        for name, g in alone.items():
            np.testing.assert_allclose(found[name][i].numpy(), g.numpy(), rtol=1e-9, atol=1e-12)
    stacked = {name: p.detach() for name, p in func.stack_module_state(layers)[0].items()}
    together = vmap(func.grad(loss), in_dims=(0, None))
    found = together(stacked, x[0])
    for i, layer in enumerate(layers):
        alone = func.grad(loss)({name: p.detach() for name, p in layer.named_parameters()}, x[0])
        for name, g in alone.items():
            np.testing.assert_allclose(found[name][i].numpy(), g.numpy(), rtol=1e-9, atol=1e-12)
    assert not each.looped and not together.looped


def test_functions_of_images_and_of_elements_are_called_once():
    images, grids = mg.randn(3, 2, 1, 4, 4, dtype="float64"), mg.rand(3, 2, 3, 3, 2, dtype="float64")
    sampled = vmap(lambda x, g: F.grid_sample(x, g, align_corners=False))
    np.testing.assert_allclose(
        sampled(images, grids).numpy(),
        np.stack([F.grid_sample(x, g, align_corners=False).numpy() for x, g in zip(images, grids, strict=True)]),
    )
    assert not sampled.looped
    chance = mg.full((4, 50), 0.5)
    different, same = [vmap(mg.bernoulli, randomness=randomness) for randomness in ("different", "same")]
    rows = different(chance)
    assert not different.looped and rows.shape == (4, 50) and not mg.equal(rows[0], rows[1])
    rows = same(chance)
    assert same.looped == {"bernoulli": 1}
    assert mg.equal(rows[0], rows[3])
    shared = vmap(lambda x, p: mg.bernoulli(p) + x, in_dims=(0, None), randomness="different")(mg.zeros(4, 1), chance[0])
    assert shared.shape == (4, 50) and not mg.equal(shared[0], shared[1])
    counts = vmap(mg.binomial, in_dims=(0, 0), randomness="different")(mg.full((3, 1), 9.0), mg.full((3, 2, 5), 1.0))
    assert mg.equal(counts, mg.full((3, 2, 5), 9.0))


@pytest.mark.parametrize(
    "empty",
    [
        mg.zeros_like, mg.empty_like, mg.ones_like, lambda x: mg.full_like(x, 2.0), lambda x: x.new_zeros(2), lambda x: x.new_ones(2),
        lambda x: x.new_empty(2), lambda x: x.new_full((2,), 3.0),
    ],
)  # fmt: skip
def test_what_is_made_like_a_sample_can_be_written_into(empty):
    def swapped(x):
        y = empty(x)
        y[0], y[1] = x[1], x[0] * 2
        return y

    close = np.testing.assert_allclose
    close(vmap(swapped)(X).numpy(), np.stack([X.numpy()[:, 1], X.numpy()[:, 0] * 2], 1))
    close(vmap(vmap(swapped))(X.reshape(1, 3, 2)).numpy()[0], vmap(swapped)(X).numpy())
    close(vmap(grad(lambda x: swapped(x).square().sum()))(X).numpy(), X.numpy() * [8, 2])


def test_an_error_is_that_of_the_sample():
    with pytest.raises(IndexError, match="getitem: index 9 is out of bounds for dimension 0 with size 2"):
        vmap(lambda x, i: x[i])(X, mg.tensor([0, 1, 9]))


def stack_of(f, *batches):
    return np.stack([f(*samples).numpy() for samples in zip(*batches, strict=True)])


def test_functions_that_look_at_numbers_beside_their_ops():
    a, p = numbers(3, 4, 2), mg.rand(3, 4, 2, dtype="float64")
    for f, *batches in (
        (mg.linalg.matrix_rank, a @ mg.ones(2, 3, dtype="float64")),
        (lambda a, tol: mg.linalg.matrix_rank(a, atol=tol), a, mg.tensor([0.0, 1.0, 9.0])),
        (lambda x, v: F.gaussian_nll_loss(x, 2 * x, v, eps=0.3), a, p),
        (lambda x, mask, source: mg.masked_scatter(x, mask, source), a, p > 0.5, p),
        (lambda x, mask: mg.masked_scatter(x, mask, mg.zeros(0, dtype="float64")), a, p > 2),
        (mg.tensor, a),
    ):
        np.testing.assert_allclose(vmap(f)(*batches).numpy(), stack_of(f, *batches))
    with pytest.raises(mg.ShapeError, match="the mask asks for 8 elements, source has 2"):
        vmap(lambda x, mask: mg.masked_scatter(x, mask, mg.ones(2, dtype="float64")))(a, p > -1)
    with pytest.raises(ValueError, match="var has negative entries"):
        vmap(F.gaussian_nll_loss)(a, a, -p)
    with pytest.raises(RuntimeError, match="vmap: tensor needs numbers"):
        vmap(lambda x: mg.tensor([x[0, 0], 1.0]))(a)


def test_random_numbers_with_parameters_of_each_sample():
    means, spreads = 1000 * mg.arange(3.0).reshape(3, 1), mg.ones(3, 5)
    different, same = [vmap(mg.normal, randomness=mode)(means, spreads).numpy() for mode in ("different", "same")]
    np.testing.assert_array_equal(np.round(different / 1000), np.round(np.broadcast_to(means.numpy(), (3, 5)) / 1000))
    np.testing.assert_allclose(same - means.numpy(), np.broadcast_to(same[0], (3, 5)), atol=1e-3)
    assert np.abs(different[1] - 1000 - different[0]).max() > 1e-3
    certain = mg.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert mg.equal(vmap(lambda p: mg.zeros_like(p).bernoulli_(p), randomness="different")(certain), certain)
    with pytest.raises(ValueError, match="std must not be negative"):
        vmap(mg.normal, randomness="same")(means, -spreads)


def test_complex_pairs_go_in_and_out():
    x, rfft = numbers(5, 3), mg.fft.rfft
    for dims in ((1, 0), (-1, -1), (1, 1)):
        for chunk_size in (None, 2):
            z = vmap(rfft, *dims, chunk_size=chunk_size)(x)
            expected = rfft(x.T).numpy()
            np.testing.assert_allclose(z.numpy(), expected if dims[1] == 0 else expected.T)
            back = vmap(lambda z: mg.fft.irfft(z, n=5), in_dims=dims[1], out_dims=1, chunk_size=chunk_size)(z)
            np.testing.assert_allclose(back.numpy(), x.numpy(), atol=1e-12)
    np.testing.assert_allclose(vmap(vmap(rfft))(x[None]).numpy()[0], rfft(x).numpy())
    with pytest.raises(ValueError, match="out_dims is None"):
        vmap(rfft, out_dims=None)(x)


def test_batch_norm_in_training():
    layers = [nn.BatchNorm1d(2).double() for _ in range(3)]
    parameters, buffers = func.stack_module_state(layers)
    x = numbers(4, 2)

    def train(parameters, buffers, copies=True):
        buffers = {name: b.clone() if copies else b for name, b in buffers.items()}
        return func.functional_call(layers[0], (parameters, buffers), (x,)), buffers

    y, after = vmap(train)(parameters, buffers)
    np.testing.assert_allclose(y.detach().numpy(), np.stack([layer(x).detach().numpy() for layer in layers]))
    for name, b in after.items():
        np.testing.assert_allclose(b.numpy(), np.stack([dict(layer.named_buffers())[name].numpy() for layer in layers]))
    with pytest.raises(RuntimeError, match="batch_norm, which moves its running statistics: inside vmap"):
        vmap(layers[0])(numbers(3, 4, 2))
    with pytest.raises(RuntimeError, match="inside vmap this view cannot be written"):
        vmap(lambda p, b: train(p, b, False))(parameters, buffers)


def test_data_of_what_samples_share_is_not_replaced():
    w = mg.ones(2, dtype="float64")

    def replace(x):
        w.data = x
        return x

    with pytest.raises(RuntimeError, match="data: inside vmap a value that differs"):
        vmap(replace)(X)
    assert mg.equal(w, mg.ones(2, dtype="float64"))
