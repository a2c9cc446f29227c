"""Fourier transforms and complex pairs beyond the table of cases: errors, dtypes, what scripts for PyTorch do with them."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.torch as torch
from minigrad.testing import gradcheck


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: mg.fft.fft(mg.ones(0)), mg.ShapeError, r"fft: dimension 0 of shape \(0,\) has no element"),
        (lambda: mg.fft.fft(mg.tensor(1.0)), mg.ShapeError, r"fft: at least 1 dimension is needed"),
        (lambda: mg.fft.fft(mg.ones(2).half()), RuntimeError, "fft: float32 or float64 is needed, not float16"),
        (lambda: mg.fft.rfft(mg.fft.fft(mg.ones(2))), RuntimeError, "rfft: a real tensor is needed, not a complex pair"),
        (lambda: mg.fft.fft2(mg.ones(2, 2), s=(2,)), mg.ShapeError, "fft2: 1 sizes for 2 dimensions"),
        (lambda: mg.fft.fftn(mg.ones(2), s=(2, 2)), mg.ShapeError, r"fftn: 2 sizes for the 1 dimensions of shape \(2,\)"),
        (lambda: mg.fft.rfftn(mg.ones(2), dim=()), mg.ShapeError, "rfftn: at least one dimension must be transformed"),
        (lambda: mg.fft.irfft(mg.ones(1)), mg.ShapeError, "irfft: 1 coefficients make 0 numbers; give the size of the result"),
        (lambda: mg.fft.fft(mg.ones(2), norm="both"), ValueError, "fft: norm must be 'backward', 'forward' or 'ortho', not 'both'"),
        (lambda: mg.stft(mg.ones(8), 4), RuntimeError, "stft: say return_complex=True"),
        (lambda: mg.stft(mg.ones(1, 1, 8), 4, return_complex=True), mg.ShapeError, r"stft: input must be \(L,\) or \(B, L\)"),
        (
            lambda: mg.stft(mg.ones(3), 4, center=False, return_complex=True),
            mg.ShapeError,
            "stft: n_fft 4 is above the length 3 of the signal",
        ),
        (lambda: mg.stft(mg.ones(8), 4, win_length=5, return_complex=True), mg.ShapeError, "stft: win_length 5 is above n_fft 4"),
        (
            lambda: mg.stft(mg.ones(8), 4, window=mg.ones(3), return_complex=True),
            mg.ShapeError,
            r"window has shape \(3,\), but win_length is 4",
        ),
        (lambda: mg.istft(mg.ones(4, 3, 2), 4), mg.ShapeError, r"with F = 3 frequencies for n_fft 4, not of shape \(4, 3\)"),
        (lambda: mg.istft(mg.ones(3, 3, 2), 4, window=mg.zeros(4)), RuntimeError, "istft: the windows leave out some element"),
        (lambda: mg.istft(mg.ones(3, 3, 2), 4, return_complex=True), NotImplementedError, "istft: the result is real"),
        (lambda: mg.view_as_complex(mg.ones(3)), mg.ShapeError, r"the last dimension must be 2 \(real, imaginary\), not of shape \(3,\)"),
        (lambda: mg.imag(mg.ones(3)), RuntimeError, "imag: a complex pair is needed"),
        (lambda: mg.fft.fft(mg.ones(3)).atan(), AttributeError, r"'ComplexPair' object has no attribute 'atan': .*z.real and z.imag"),
        (
            lambda: mg.atan(mg.fft.fft(mg.ones(3))),
            TypeError,
            "atan: not for complex numbers: they are pairs of real tensors here; compute with z.real and z.imag",
        ),
        (lambda: mg.fft.fft(mg.ones(3)).backward(), RuntimeError, "backward: a loss is a real number"),
        (lambda: mg.fft.fft(mg.ones(3)).to(mg.float32), TypeError, "to: float32 is real, which would lose the imaginary parts"),
        (lambda: mg.fft.fft(mg.ones(3)) < 1, TypeError, "not supported between instances of 'ComplexPair' and 'int'"),
        (
            lambda: mg.ones(3).add_(mg.fft.fft(mg.ones(3))),
            RuntimeError,
            "add_: complex numbers cannot be written into a real tensor, of float32",
        ),
        (lambda: mg.ones(3).__setitem__(0, mg.ones(1) * 1j), TypeError, "complex numbers cannot be written into a real tensor, of float32"),
        (lambda: bool(mg.fft.fft(mg.ones(3))), RuntimeError, r"the truth value of a tensor of shape \(3,\) is ambiguous"),
        (lambda: mg.maximum(mg.fft.fft(mg.ones(3)), 1.0), TypeError, "maximum: not for complex numbers"),
        (lambda: mg.fft.fft(mg.ones(3)) @ 3, mg.ShapeError, r"matmul: both operands need at least 1 dimension: \(3,\) @ \(\); use \*"),
        (lambda: np.asarray(mg.fft.fft(mg.ones(3))), TypeError, r"a complex pair is no array: .* z.numpy\(\) makes a complex array"),
        (lambda: mg.atan2(mg.ones(3), mg.fft.fft(mg.ones(3))), TypeError, "atan2: not for complex numbers"),
        (lambda: mg.ones(4) * mg.fft.fft(mg.ones(3)), mg.ShapeError, r"mul: shapes \(3, 2\) and \(4, 1\) do not broadcast"),
        (lambda: mg.hann_window(-1), mg.ShapeError, "hann_window: window_length must be 0 or above"),
        (lambda: mg.fft.fftfreq(0), mg.ShapeError, "fftfreq: n must be 1 or above"),
    ],
)
def test_errors(function, error, message):
    with pytest.raises(error, match=message):
        function()


def test_arithmetic_both_ways_round():
    """A real tensor, an array or a number may stand first, and functions do what the operators do; gradients are those of z * x."""
    x = mg.tensor([2.0, -1.0], dtype=mg.float64, requires_grad=True)
    z = mg.complex(mg.tensor([1.0, 3.0], dtype=mg.float64, requires_grad=True), mg.tensor([0.5, -2.0], dtype=mg.float64))
    a, c = x.detach().numpy(), z.detach().numpy()
    for ours, wanted in [
        (x * z, a * c), (x + z, a + c), (x - z, a - c), (x / z, a / c), (a * z, a * c), (a - z, a - c), (2 / z, 2 / c), (1j * z, 1j * c),
        (mg.mul(x, z), a * c), (mg.mul(z, x), c * a), (mg.mul(z, z), c * c), (mg.add(x, z), a + c), (mg.add(x, z, alpha=2), a + 2 * c),
        (mg.sub(z, x), c - a), (mg.sub(x, z), a - c), (mg.div(x, z), a / c), (mg.div(z, z), c / c), (mg.neg(z), -c),
    ]:  # fmt: skip
        np.testing.assert_allclose(ours.detach().numpy(), wanted, rtol=1e-15)
    np.testing.assert_allclose([mg.abs(z).tolist(), abs(z).tolist()], [np.abs(c)] * 2)
    for first, second in ((x * z, z * x), (x + z, z + x), (x / z, (z / x).conj() / (z / x).abs().square())):
        grads = [mg.grad(y.abs().sum() + y.real.sum(), [x, z.pair], retain_graph=True) for y in (first, second)]
        for one, other in zip(*grads, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-14)


def test_dtypes():
    z = mg.fft.rfft(mg.ones(4))
    assert z.real.dtype == np.float32 and z.dtype == np.complex64 and (z * 2).dtype == np.complex64 and (z + 1).dtype == np.complex64
    assert mg.fft.fft(mg.tensor([1, 2])).dtype == np.complex64 and mg.fft.irfft(z).dtype == np.float32
    assert mg.fft.rfft(mg.ones(4, dtype=mg.float64)).numpy().dtype == np.complex128
    assert mg.hann_window(4, dtype=mg.float64).dtype == np.float64 and mg.fft.rfftfreq(4, 0.5).tolist() == [0.0, 0.5, 1.0]


def test_a_complex_pair_tells_what_it_is():
    z = mg.complex(mg.ones(2, 3, requires_grad=True), mg.zeros(3))
    assert z.shape == (2, 3) and z.size(1) == 3 and z.ndim == 2 and len(z) == 2 and z.requires_grad and mg.is_complex(z) and z.is_complex()
    assert not mg.is_complex(mg.ones(1)) and not z.detach().requires_grad and z.detach().numpy().tolist() == [[1] * 3] * 2
    assert repr(mg.complex(mg.ones(1), mg.zeros(1))) == "tensor([1.+0.j])"
    assert mg.real(mg.ones(1)).tolist() == mg.conj(mg.ones(1)).tolist() == [1.0]


@pytest.mark.parametrize("name", ["hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"])
def test_windows(name):
    """A periodic window is a symmetric one with one element more, without the last; their middle is 1."""
    make = getattr(mg, name)
    for n in (2, 5, 8):
        np.testing.assert_array_equal(make(n).numpy(), make(n + 1, periodic=False).numpy()[:n])
        assert make(2 * n + 1, False)[n].item() == pytest.approx(1)
    assert make(0).shape == (0,) and make(1).tolist() == [1.0]


def test_silence_has_finite_gradients():
    x = mg.zeros(16, requires_grad=True)
    z = mg.stft(x, 8, return_complex=True)
    (z.abs().sum() + z.angle().sum()).backward()
    assert x.grad.tolist() == [0.0] * 16


def test_rotary_embedding_as_written_for_pytorch():
    """Positions turn pairs of features: the products of queries and keys depend on distances only."""
    angles = torch.outer(torch.arange(6.0), torch.tensor([1.0, 0.1]))
    turns = torch.polar(torch.ones_like(angles), angles)
    q = torch.ones(6, 4, requires_grad=True)
    turned = torch.view_as_real(torch.view_as_complex(q.float().reshape(6, -1, 2)) * turns).flatten(1)
    scores = (turned @ turned.T).detach().numpy()
    for distance in range(6):
        np.testing.assert_allclose(np.diagonal(scores, distance), scores[0, distance], rtol=1e-5)
    turned.sum().backward()
    assert q.grad.shape == (6, 4)


def test_a_filter_in_the_frequency_domain_learns():
    """A gain for each frequency, learned from a signal and its smoothed version."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(8, 16)))
    wanted = (x + x.roll(1, 1) + x.roll(-1, 1)) / 3
    gain = torch.ones(9, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([gain], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (torch.fft.irfft(torch.fft.rfft(x) * gain, n=16) - wanted).square().mean()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(gain.detach().numpy(), (1 + 2 * np.cos(2 * np.pi * np.arange(9) / 16)) / 3, atol=0.02)


def test_the_angle_of_a_real_number():
    for dtype in (mg.float32, mg.float64, mg.float16):
        x = mg.tensor([-2.0, -0.0, 0.0, 3.0, float("inf"), -float("inf"), float("nan")], dtype=dtype)
        np.testing.assert_array_equal(mg.angle(x).numpy(), np.array([np.pi, 0, 0, 0, 0, np.pi, np.nan], dtype))
        assert mg.angle(x).dtype is dtype
    assert mg.angle(mg.tensor([-1, 2])).dtype is mg.float32
    x = mg.tensor([-2.0, 1.0, float("nan")], requires_grad=True)
    y = mg.angle(x)
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0] and y.grad_fn.name() == "AngleBackward0"


@pytest.mark.parametrize("n", [-1, 0, 1.5])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_a_size_is_a_whole_number_from_1(name, n):
    with pytest.raises((ValueError, TypeError), match=f"{name}: the size must be"):
        getattr(mg.fft, name)(mg.ones(4), n=n)


def complex_numbers(seed, *shape):
    parts = np.random.default_rng(seed).normal(size=(*shape, 2))
    return mg.view_as_complex(mg.tensor(parts, requires_grad=True)), parts[..., 0] + 1j * parts[..., 1]


PRODUCTS = {
    "pair @ pair": (lambda a, b, r: a @ b, lambda a, b, r: a @ b),
    "pair @ real": (lambda a, b, r: a @ r, lambda a, b, r: a @ r),
    "real @ pair": (lambda a, b, r: r @ a, lambda a, b, r: r @ a),
    "matmul": (lambda a, b, r: mg.matmul(r, b), lambda a, b, r: r @ b),
    "einsum": (lambda a, b, r: mg.einsum("ij,jk->ki", a, b), lambda a, b, r: np.einsum("ij,jk->ki", a, b)),
    "einsum of three": (lambda a, b, r: mg.einsum("ij,jk,ik->j", [a, r, b]), lambda a, b, r: np.einsum("ij,jk,ik->j", a, r, b)),
    "einsum of one": (lambda a, b, r: mg.einsum("ii", a), lambda a, b, r: np.einsum("ii", a)),
    "exp": (lambda a, b, r: mg.exp(a), lambda a, b, r: np.exp(a)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_complex_pairs(name):
    """Beside numpy's complex numbers, with gradients of both orders."""
    ours, numpys = PRODUCTS[name]
    (a, x), (b, y) = complex_numbers(0, 3, 3), complex_numbers(1, 3, 3)
    r = mg.tensor(np.random.default_rng(2).normal(size=(3, 3)), requires_grad=True)
    result = ours(a, b, r)
    np.testing.assert_allclose(result.detach().numpy(), numpys(x, y, r.numpy(force=True)), rtol=1e-12)
    (mg.view_as_real(result) ** 2).sum().backward()
    leaves = [a.pair, b.pair, r]
    used = [i for i, leaf in enumerate(leaves) if leaf.grad is not None]
    assert used

    def of_used(*given):
        every = [leaf.detach() for leaf in leaves]
        for i, value in zip(used, given, strict=True):
            every[i] = value
        return mg.view_as_real(ours(mg.view_as_complex(every[0]), mg.view_as_complex(every[1]), every[2]))

    gradcheck(of_used, *[leaves[i] for i in used], order=2)
