"""One function of numpy's that threads share."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.kernels.maps import SHARED, shared

SIZE = 2 * SHARED + 7


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = mg.get_num_threads()
    mg.set_num_threads(request.param)
    yield request.param
    mg.set_num_threads(before)


def numbers(dtype, *shape):
    return (np.random.default_rng(0).standard_normal(shape) * 3).astype(dtype)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?"])
@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.true_divide, np.less, np.logaddexp])
def test_two_arrays_or_an_array_and_a_number(threads, ufunc, dtype):
    """The values and the dtype of numpy, for any number of threads."""
    a, b = numbers(dtype, SIZE), numbers(dtype, SIZE)[::-1].copy()
    for args in ((a, b), (a, 2), (2, a), (a, 2.5), (np.array(3, dtype), a), (a, numbers("f4", SIZE))):
        with np.errstate(all="ignore"):
            expected = ufunc(*args)
        got = shared(ufunc, *args)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("ufunc", [np.exp, np.log, np.tanh, np.sqrt])
def test_one_array(threads, ufunc):
    a = np.abs(numbers("f4", 3, SHARED // 2)) + 0.1
    np.testing.assert_array_equal(shared(ufunc, a), ufunc(a))


def test_what_numpy_does_alone(threads):
    """Arrays that are not in one piece, or broadcast; few numbers; numbers alone."""
    a = numbers("f4", SHARED // 2, 3)
    for args in ((a.T, a.T), (a, a[:, :1]), (a, a[0]), (a[::2], a[1::2]), (a[:2], 1.0), (np.float32(1), 2.0)):
        np.testing.assert_array_equal(shared(np.add, *args), np.add(*args))
    with pytest.raises(ValueError, match="broadcast"):
        shared(np.add, a, a[:-1])
    with pytest.raises(TypeError):
        shared(np.bitwise_and, a, a)


def test_in_place(threads):
    a, b = numbers("f4", SIZE), numbers("f4", SIZE)
    expected = a + b
    assert shared(np.add, a, b, out=a) is a
    np.testing.assert_array_equal(a, expected)


def test_large_tensors(threads):
    """Ops and sums of gradients."""
    x = mg.tensor(numbers("f4", 5, SIZE // 5), requires_grad=True)
    y = x + 1.5 * x - mg.exp(-x)
    y.backward(mg.ones_like(y))
    a = x.detach().numpy()
    np.testing.assert_array_equal(y.detach().numpy(), (a + np.float32(1.5) * a) - np.exp(-a))
    np.testing.assert_allclose(x.grad.numpy(), 2.5 + np.exp(-a), rtol=1e-5)
