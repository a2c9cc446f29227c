"""Spectrogram layers: against numpy's Fourier transform, written-out sums, and facts of the mel scale; gradients; what is refused."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.testing import gradcheck

RNG = np.random.default_rng(0)


def windows(x, n_fft, hop):
    padded = np.pad(x, n_fft // 2, mode="reflect")
    return np.stack([padded[i : i + n_fft] for i in range(0, len(padded) - n_fft + 1, hop)])


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_spectrogram_is_the_fourier_transform_of_windows(power):
    x = RNG.standard_normal(200)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
    expected = np.abs(np.fft.rfft(windows(x, 32, 12) * hann)).T ** power
    np.testing.assert_allclose(nn.Spectrogram(32, hop_length=12, power=power)(mg.tensor(x)).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_a_short_window_lies_in_the_middle_and_its_half_is_the_hop():
    layer = nn.Spectrogram(32, win_length=16)
    assert layer.hop_length == 8
    x = RNG.standard_normal(100)
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16), 8)
    expected = np.abs(np.fft.rfft(windows(x, 32, 8) * window)).T ** 2
    np.testing.assert_allclose(layer(mg.tensor(x)).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_options_of_the_spectrogram():
    x = mg.tensor(RNG.standard_normal((2, 3, 64)))
    plain = nn.Spectrogram(16, hop_length=4)
    batch = plain(x)
    assert batch.shape == (2, 3, 9, 17)
    np.testing.assert_allclose(batch[1, 2].numpy(), plain(x[1, 2]).numpy())
    energy = plain.window.square().sum().item()
    for normalized in (True, "window"):
        np.testing.assert_allclose(nn.Spectrogram(16, hop_length=4, normalized=normalized)(x).numpy(), batch.numpy() / energy, rtol=1e-5)
    np.testing.assert_allclose(nn.Spectrogram(16, hop_length=4, normalized="frame_length")(x).numpy(), batch.numpy() / 16, rtol=1e-5)
    pair = nn.Spectrogram(16, hop_length=4, power=None)(x)
    np.testing.assert_allclose((pair.abs() ** 2).numpy(), batch.numpy(), rtol=1e-4, atol=1e-9)
    padded = nn.Spectrogram(16, hop_length=4, pad=5)(x)
    np.testing.assert_allclose(padded.numpy(), plain(mg.nn.functional.pad(x, (5, 5))).numpy())
    assert nn.Spectrogram(16, onesided=False, center=False)(x).shape == (2, 3, 16, 7)
    flat = nn.Spectrogram(16, window_fn=mg.hamming_window, wkwargs={"alpha": 1.0, "beta": 0.0})
    assert (flat.window == 1).all()
    assert nn.Spectrogram(16)(mg.zeros(0, 64)).shape == (0, 9, 9)


def test_mel_filters():
    """1000 Hz are 1000 mel (to 1e-4), the filters' middles are at equal distances in mel, and neighbours add up to 1."""
    filters = nn.melscale_fbanks(4001, 0.0, 4000.0, 10, 8000).numpy()  # a frequency for each Hz
    mel = 2595 * np.log10(1 + np.arange(4001) / 700)
    assert abs(mel[1000] - 1000) < 0.1
    steps = np.diff(mel[filters.argmax(0)])
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.02)
    first, last = filters.argmax(0)[[0, -1]]
    np.testing.assert_allclose(filters[first + 1 : last].sum(1), 1, atol=1e-6)
    area = nn.melscale_fbanks(4001, 0.0, 4000.0, 10, 8000, norm="slaney").numpy().sum(0)
    np.testing.assert_allclose(area, 1, rtol=0.01)


def test_the_scale_of_slaney_is_linear_below_1000_hz_and_logarithmic_above():
    middles = nn.melscale_fbanks(8001, 0.0, 8000.0, 40, 16000, mel_scale="slaney").numpy().argmax(0)
    below, above = middles[middles < 950], middles[middles > 1050]
    np.testing.assert_allclose(np.diff(below), np.diff(below).mean(), atol=1)
    np.testing.assert_allclose(above[1:] / above[:-1], (above[-1] / above[0]) ** (1 / (len(above) - 1)), rtol=2e-3)


def test_mel_spectrogram_is_the_filters_times_the_spectrogram():
    x = mg.tensor(RNG.standard_normal((2, 400)))
    layer = nn.MelSpectrogram(8000, n_fft=64, hop_length=16, n_mels=6, f_min=100.0, norm="slaney")
    power = nn.Spectrogram(64, hop_length=16)(x).numpy()
    filters = nn.melscale_fbanks(33, 100.0, 4000.0, 6, 8000, "slaney").numpy()
    np.testing.assert_allclose(layer(x).numpy(), np.einsum("fm,bft->bmt", filters, power), rtol=1e-5)
    assert sorted(layer.state_dict()) == ["mel_scale.fb", "spectrogram.window"]  # torchaudio's names


def test_decibels():
    np.testing.assert_allclose(nn.AmplitudeToDB()(mg.tensor([1e3, 0.0])).numpy(), [30, -100], rtol=1e-5)
    np.testing.assert_allclose(nn.AmplitudeToDB("magnitude")(mg.tensor([1e3, 0.0])).numpy(), [60, -200], rtol=1e-5)
    x = mg.tensor([1.0, 1e-9, 1e3, 1e-9]).reshape(2, 1, 2, 1)  # each of a batch has its own highest value
    np.testing.assert_allclose(nn.AmplitudeToDB(top_db=50.0)(x).numpy().ravel(), [0, -50, 30, -20], atol=1e-4)
    np.testing.assert_allclose(nn.AmplitudeToDB(top_db=50.0)(x[:, 0]).numpy().ravel(), [0, -20, 30, -20], atol=1e-4)


def test_gradients():
    layer = nn.Sequential(nn.MelSpectrogram(8000, n_fft=16, hop_length=8, n_mels=4), nn.AmplitudeToDB())
    gradcheck(layer, mg.tensor(RNG.standard_normal(40), requires_grad=True))
    silence = mg.zeros(40, requires_grad=True)
    assert (mg.grad(layer(silence).sum(), silence)[0] == 0).all()
    magnitude = nn.Spectrogram(16, hop_length=8, power=1.0)
    gradcheck(magnitude, mg.tensor(RNG.standard_normal(40), requires_grad=True))
    assert not magnitude(silence).sum().isnan()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Spectrogram(0), r"Spectrogram: n_fft must be 1 or above, but is 0"),
        (lambda: nn.Spectrogram(16, win_length=17), r"Spectrogram: win_length 17 is above n_fft 16"),
        (lambda: nn.Spectrogram(16, power=0.0), r"Spectrogram: power must be above 0, but is 0.0"),
        (lambda: nn.Spectrogram(16, normalized="yes"), r"Spectrogram: normalized must be one of .*, but is 'yes'"),
        (lambda: nn.Spectrogram(16)(mg.tensor(1.0)), r"Spectrogram: the waveform must be \(\.\.\., L\), not of shape \(\)"),
        (lambda: nn.MelScale(n_stft=9)(mg.ones(8, 5)), r"MelScale: the spectrogram must be \(\.\.\., 9, T\), not of shape \(8, 5\)"),
        (lambda: nn.MelScale(n_mels=0), r"MelScale: n_mels must be 1 or above, but is 0"),
        (lambda: nn.melscale_fbanks(9, 500.0, 500.0, 3, 8000), r"melscale_fbanks: f_max must be above f_min 500.0, but is 500.0"),
        (lambda: nn.AmplitudeToDB("energy"), r"AmplitudeToDB: stype must be one of 'power', 'magnitude', but is 'energy'"),
        (lambda: nn.AmplitudeToDB(top_db=-1.0), r"AmplitudeToDB: top_db must be 0 or above, but is -1.0"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        call()
