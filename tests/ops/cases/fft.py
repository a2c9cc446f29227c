"""Rows for ``minigrad/ops/fft.py`` and ``complex_pair.py``. A complex pair is drawn, and compared, as the real array that it holds."""

import numpy as np
from hypothesis import strategies as hs

import minigrad as mg
from cases import Case
from minigrad.ops import complex_pair, fft
from minigrad.testing import strategies as st

NORMS = hs.sampled_from([None, "forward", "ortho"])


@hs.composite
def signals(draw, pairs=False, dims=1):
    """An array with elements along its last ``dims`` dimensions; with ``pairs``, and one more dimension of 2."""
    shape = (*draw(st.shapes(0, 1, 0, 2)), *[draw(hs.integers(2, 5)) for _ in range(dims)])
    return draw(st.arrays((*shape, 2) if pairs else shape))


def pair(lib, x):
    return lib.view_as_complex(x)


def parts(lib, z):
    return lib.view_as_real(z)


def from_real(name):
    def run(lib, x, *args, **kwargs):
        return parts(lib, getattr(lib.fft, name)(x, *args, **kwargs))

    return run


def from_pair(name, real=False):
    def run(lib, x, *args, **kwargs):
        out = getattr(lib.fft, name)(pair(lib, x), *args, **kwargs)
        return out if real else parts(lib, out)

    return run


def row(name, run, *strategies, **kwargs):
    """A row of the same function under both libraries."""
    return Case(
        lambda *a, **k: run(mg, *a, **k), st.call(*strategies, **kwargs), torch=lambda torch, *a, **k: run(torch, *a, **k), name=name
    )


def of_parts(lib, x, y):
    """What a complex pair can: arithmetic, shapes, abs, angle."""
    a, b = pair(lib, x), pair(lib, y)
    made = lib.complex(x[..., 0], y[..., 1]) - a * 2.0
    turned = lib.polar(x[..., 0] * x[..., 0], y[..., 1])
    results = (
        a + b,
        a - b,
        a * b,
        a / (b * b.conj() + 1),
        -a,
        made * x[..., 1],
        turned,
        a.sum(0, keepdim=True),
        a.mean(-1),
        a[0],
        a.conj() + 0,
    )
    shapes = a.reshape(-1), a.transpose(0, 1), a.permute(1, 0), a[..., 1:], 1 - a, 2 + a
    return [lib.abs(a), a.abs(), a.angle(), lib.angle(b), lib.real(a), lib.imag(a), *[parts(lib, z) for z in results + shapes]]


def functions_of_pairs(lib, x, y):
    """Functions that have a formula for complex numbers, and such whose ops are applied to both parts."""
    a, b = pair(lib, x), pair(lib, y)
    formulas = (
        lib.exp(a),
        lib.log(a),
        lib.sqrt(a),
        lib.sin(a),
        lib.cosh(b),
        lib.tanh(a),
        lib.sigmoid(b),
        a**2,
        a**-1,
        a**1.5,
        a**b,
        lib.sgn(a),
    )
    both = (
        lib.cat([a, b]),
        lib.stack([a, b], -1),
        a.roll(1, 0),
        a.cumsum(1),
        lib.where(y[..., 0] > 1, a, b),
        a @ b.T,
        lib.einsum("ij,kj->ik", a, b),
    )
    others = a.prod(0), a.cumprod(1), lib.nn.functional.pad(a, (1, 0)), a.unsqueeze(1).expand(-1, 2, -1), a.flatten(), a.norm(dim=0) * 1j
    return [parts(lib, z) for z in formulas + both + others]


def spectrogram(lib, x, window, **options):
    return lib.stft(x, 4, hop_length=1, win_length=3, window=window, return_complex=True, **options).abs()


def there_and_back(lib, x, window, length, **options):
    """The signal again, from a spectrum that no signal has, so that the least squares count."""
    z = lib.stft(x, 4, hop_length=2, window=window, return_complex=True, **options)
    options.pop("pad_mode", None)
    return lib.istft(z * (z.abs() * z.abs()), 4, hop_length=2, window=window, length=length, **options)


WINDOW = st.arrays((3,), low=0.5)

CASES = [
    Case(
        fft._transform, st.call(signals(pairs=True), dims=hs.just((-2,)).map(lambda _: (0,)), inverse=hs.booleans()).filter(lambda c: 0 not in c.args[0].shape),
        numpy=lambda z, *, dims, inverse: np.stack([
            (w := (np.fft.ifft if inverse else np.fft.fft)(z[..., 0] + 1j * z[..., 1], axis=0, norm="forward" if inverse else None)).real, w.imag], -1),
    ),
    Case(
        fft._from_real, st.call(st.arrays(min_dims=1, max_dims=2, min_side=1), dim=hs.just(0)),
        numpy=lambda x, *, dim: np.stack([(w := np.fft.rfft(x, axis=0)).real, w.imag], -1),
    ),
    Case(
        fft._to_real, st.call(st.arrays((3, 2, 2)), n=hs.sampled_from([4, 5]), dim=hs.just(0)),
        numpy=lambda z, *, n, dim: np.fft.irfft(z[..., 0] + 1j * z[..., 1], n, axis=0, norm="forward"),
    ),
    row("fft", from_pair("fft"), signals(True), n=hs.sampled_from([None, 1, 3, 6]), norm=NORMS),
    row("fft_of_real", from_real("fft"), signals(dims=2), dim=hs.sampled_from([-1, -2]), norm=NORMS),
    row("ifft", from_pair("ifft"), signals(True), n=hs.sampled_from([None, 3]), norm=NORMS),
    row("rfft", from_real("rfft"), signals(dims=2), n=hs.sampled_from([None, 1, 3, 6]), dim=hs.sampled_from([-1, -2]), norm=NORMS),
    row("irfft", from_pair("irfft", True), signals(True), n=hs.sampled_from([None, 3, 6]), norm=NORMS),
    row("fft2", from_pair("fft2"), signals(True, 2), s=hs.sampled_from([None, (3, 2)]), norm=NORMS),
    row("ifft2", from_pair("ifft2"), signals(True, 2), norm=NORMS),
    row("rfft2", from_real("rfft2"), signals(dims=2), s=hs.sampled_from([None, (3, 2)]), norm=NORMS),
    row("irfft2", from_pair("irfft2", True), signals(True, 2), s=hs.sampled_from([None, (3, 5)]), norm=NORMS),
    row("fftn", from_pair("fftn"), st.arrays((2, 3, 2)), norm=NORMS),
    row("ifftn", from_pair("ifftn"), st.arrays((2, 3, 2)), s=hs.sampled_from([None, (3,)]), norm=NORMS),
    row("rfftn", from_real("rfftn"), signals(dims=2), dim=hs.sampled_from([(-1, -2), (-2,)]), norm=NORMS),
    row("irfftn", from_pair("irfftn", True), st.arrays((2, 3, 2)), dim=hs.sampled_from([None, (-1, -2)]), norm=NORMS),
    row("hfft", from_pair("hfft", True), signals(True), n=hs.sampled_from([None, 5]), norm=NORMS),
    row("hfft2", from_pair("hfft2", True), signals(True, 2), norm=NORMS),
    row("hfftn", from_pair("hfftn", True), st.arrays((2, 3, 2)), s=hs.sampled_from([None, (2, 3)]), norm=NORMS),
    row("ihfft2", lambda lib, x, **options: parts(lib, lib.fft.ihfft2(x, **options) + 0), st.arrays((2, 3, 4)), norm=NORMS),
    row("ihfftn", lambda lib, x, **options: parts(lib, lib.fft.ihfftn(x, **options) + 0), st.arrays((3, 4)), s=hs.sampled_from([None, (2, 5)]), norm=NORMS),
    row("ihfft", lambda lib, x, **options: parts(lib, lib.fft.ihfft(x, **options) + 0), st.arrays((2, 4)), norm=NORMS),
    row("fftshift", lambda lib, x: (lib.fft.fftshift(x), lib.fft.ifftshift(x, -1)), signals(dims=2)),
    row("fftshift_of_pairs", lambda lib, x: parts(lib, lib.fft.fftshift(pair(lib, x), dim=-1)), signals(True)),
    row("complex_pair", of_parts, st.arrays((2, 3, 2), low=0.3), st.arrays((2, 3, 2), low=0.3)),
    row("functions_of_pairs", functions_of_pairs, st.arrays((2, 3, 2), low=0.5, high=1.5), st.arrays((2, 3, 2), low=0.5, high=1.5)),
    Case(fft.stft, st.call(st.arrays((6,)), hs.just(4), return_complex=hs.just(False), onesided=hs.booleans()), name="stft_of_parts"),
    row(
        "stft", spectrogram, st.arrays((2, 6), low=0.2, high=3), WINDOW, normalized=hs.booleans(), onesided=hs.booleans(),
        center=hs.booleans(), pad_mode=hs.sampled_from(["reflect", "constant"]),
    ),
    row(
        "istft", there_and_back, st.arrays((2, 6)), st.arrays((4,), low=0.5), hs.sampled_from([None, 5, 8]), normalized=hs.booleans(),
        onesided=hs.booleans(), center=hs.booleans(),
    ),
    Case(fft.istft, st.call(st.arrays((3, 4, 2)), hs.just(4)), name="istft_of_parts"),
    Case(
        complex_pair.product, st.arrays((2, 3, 2)), st.arrays((3, 2)),
        torch=lambda torch, a, b: parts(torch, pair(torch, a) * pair(torch, b)), name="product_of_pairs",
    ),
    Case(complex_pair.angle, st.arrays((3,), low=0.5), torch="angle", name="angle_of_real"),
    Case(complex_pair._real_angle, st.arrays(avoid=(0.0,), margin=0.1), numpy=np.angle),
]  # fmt: skip
