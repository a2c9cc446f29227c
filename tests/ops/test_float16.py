"""float16: sums and squares are made in float32, and the result is rounded once. The numbers are PyTorch's."""

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F


def half(values):
    return mg.tensor(values, dtype=mg.float16)


def expect(found, right, rtol=1e-3):
    assert found.dtype == mg.float16
    np.testing.assert_allclose(found.numpy().astype(np.float64), right, rtol=rtol)


LARGE = [300.0, -300.0, 290.0, 310.0]  # their squares overflow


def test_normalisation():
    expect(F.layer_norm(half(LARGE), (4,)), [0.577, -1.7314, 0.5386, 0.6157])
    expect(F.rms_norm(half([396.5]), (1,)), [1.0])
    x = half(LARGE)[:, None]
    mean, var = mg.zeros(1, dtype=mg.float16), mg.ones(1, dtype=mg.float16)
    expect(F.batch_norm(x, mean, var, training=True)[:, 0], [0.577, -1.7314, 0.5386, 0.6157])
    assert mean.item() == 15.0
    assert np.isfinite(F.local_response_norm(half([[[300.0]], [[-300.0]]]), 3).numpy()).all()


def test_running_statistics_keep_a_variance_that_float16_cannot_hold_on_the_way():
    mean, var = mg.zeros(1, dtype=mg.float16), mg.ones(1, dtype=mg.float16)
    F.batch_norm(half(LARGE)[:, None], mean, var, training=True)
    np.testing.assert_allclose(var.item(), 0.9 + 0.1 * np.var(LARGE, ddof=1), rtol=1e-3)


def test_softmax_of_many():
    p = F.softmax(mg.zeros(66000, dtype=mg.float16), 0)
    expect(p[:1], [1 / 66000], rtol=0.02)
    expect(F.log_softmax(mg.zeros(66000, dtype=mg.float16), 0)[:1], [-11.0974])


def test_products_and_means():
    expect(F.cosine_similarity(half([LARGE]), half([LARGE])), [1.0])
    expect(F.mse_loss(half([100.0, 400.0]), half([100.0, 100.0])), 45000.0)
    expect(mg.addcmul(half([-60000.0]), half([300.0]), half([300.0]), value=1), [30000.0])
    expect(F.adaptive_avg_pool2d(mg.full((1, 1, 300, 300), 2.0, dtype=mg.float16), 1)[0, 0], [[2.0]])
    expect(half(LARGE).std(), 300.0)


def test_every_formula_computes_in_float32():
    """The backward pass widens what a formula gets; an op written by a user gains from it as well, and a Function sees its own dtypes."""
    x = mg.tensor([0.1, 3.0], dtype=mg.float16, requires_grad=True)
    (mg.tanh(x) * half([300.0, 300.0])).sum().backward()
    out = np.tanh(x.numpy(force=True).astype(np.float32)).astype(np.float16).astype(np.float64)
    np.testing.assert_array_equal(x.grad.numpy(), ((1 - out * out) * 300).astype(np.float16))

    seen = []

    class Doubled(mg.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(g.dtype)
            return g * 2

    Doubled.apply(x).sum().backward()
    assert seen == [mg.float16]

    @mg.op(x=lambda g, x: g * (x * x) / (x * x))  # the square is beyond float16
    def same(x):
        return x * 1

    y = half([300.0]).requires_grad_()
    same(y).sum().backward()
    expect(y.grad, [1.0])
    (again,) = mg.grad(mg.grad((mg.tanh(x) * 1).sum(), x, create_graph=True)[0].sum(), x)
    assert again.dtype == mg.float16


def test_layers_and_tables():
    x, w, b = half([[1.0, 1.0, 1.0]]), half([[2048.0, 1.0, 0.0]]), half([0.75])
    expect(F.linear(x, w, b), [[2050.0]])  # 2049.75: rounded after the product it would be 2048
    expect(mg.lerp(half([60000.0]), half([-60000.0]), 0.25), [30000.0])
    expect(F.bilinear(half([[300.0]]), half([[300.0]]), half([[[0.5]]]), half([-40000.0])), [[5000.0]])
    expect(F.embedding_bag(mg.tensor([[0, 0, 1]]), half([[60000.0], [-60000.0]]), mode="sum"), [[60000.0]])
    expect(mg.index_add(half([60000.0]), 0, mg.tensor([0, 0]), half([60000.0, -60000.0])), [60000.0])


def test_operands_of_two_dtypes_are_promoted_before_the_first_step():
    x, wide = half([300.0, 400.0]), mg.zeros(2)
    assert mg.addcmul(wide, x, x).tolist() == [90000.0, 160000.0]
    assert mg.addcdiv(wide, x, half([2.0**-10])).tolist() == [307200.0, 409600.0]
    assert mg.addr(wide, x, x).tolist() == [[90000.0, 120000.0], [120000.0, 160000.0]]
    third = mg.tensor([1 / 3], dtype=mg.float32)
    assert mg.addcmul(mg.zeros(1, dtype=mg.float64), third, third).item() == third.item() ** 2  # not rounded to float32
    assert mg.addcmul(x, half([300.0]), mg.tensor(1.0)).dtype == mg.float16  # a tensor without dimensions does not decide
    for weight in (mg.ones(2), mg.ones(2).double()):
        y = x.clone().requires_grad_()
        out = F.rms_norm(y, (2,), weight)
        expect(out.detach(), [0.8486, 1.1313])
        out[0].backward()
        assert y.grad.dtype == mg.float16 and y.grad.isfinite().all() and (y.grad != 0).all()


def test_scalar_products_along_a_dimension():
    expect(mg.linalg.vecdot(half([300.0, 300.0]), half([300.0, -299.0])), [300.0])


def test_gradients_are_rounded_once_too():
    x = mg.tensor(LARGE, dtype=mg.float16, requires_grad=True)
    (F.layer_norm(x, (4,)) * half([1.0, 2.0, 3.0, 4.0])).sum().backward()
    y = mg.tensor(LARGE, requires_grad=True)
    (F.layer_norm(y, (4,)) * mg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.dtype == mg.float16
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-3, atol=1e-6)
