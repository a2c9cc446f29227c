"""Spectrograms of sound as layers, with the names and arguments of ``torchaudio.transforms``.

A spectrogram is a convolution: :class:`Spectrogram` multiplies windows of the waveform with cosines and sines. :class:`MelScale` adds its
frequencies up in bands that are as wide as the ear's, :class:`AmplitudeToDB` takes the logarithm. All have gradients.

>>> import minigrad as mg
>>> from minigrad import nn
>>> heard = nn.Sequential(nn.MelSpectrogram(8000, n_fft=256, n_mels=24), nn.AmplitudeToDB(top_db=80.0))
>>> heard(mg.sin(mg.arange(4000) * 0.3)).shape  # bands, windows
torch.Size([24, 32])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.creation import hann_window
from minigrad.engine import ShapeError, wrap
from minigrad.nn.functional import pad
from minigrad.nn.module import Module
from minigrad.ops.arguments import check
from minigrad.ops.fft import stft
from minigrad.types import Tensor

_STEP = math.log(6.4) / 27  # of the scale "slaney" above 1000 Hz


def _mel(hertz: Any, scale: str) -> Any:
    if scale == "htk":
        return 2595 * np.log10(1 + np.asarray(hertz) / 700)
    return np.where(np.less(hertz, 1000), np.multiply(hertz, 0.015), 15 + np.log(np.maximum(hertz, 1e-9) / 1000) / _STEP)


def _hertz(mel: Any, scale: str) -> Any:
    if scale == "htk":
        return 700 * (10 ** (np.asarray(mel) / 2595) - 1)
    return np.where(np.less(mel, 15), np.divide(mel, 0.015), 1000 * np.exp(_STEP * (np.asarray(mel) - 15)))


def melscale_fbanks(
    n_freqs: int, f_min: float, f_max: float, n_mels: int, sample_rate: int, norm: str | None = None, mel_scale: str = "htk"
) -> Tensor:
    """Triangular filters (n_freqs, n_mels) of equal width on the mel scale: ``torchaudio.functional.melscale_fbanks``.

    Mel is the scale of pitch on which listeners find steps equal: nearly linear below 1000 Hz, logarithmic above,
    ``2595 log10(1 + f / 700)`` (``"htk"``; O'Shaughnessy 1987). Filter m rises from 0 at point m to 1 at point m + 1 and falls to 0 at
    point m + 2, of ``n_mels + 2`` points at equal distances in mel from ``f_min`` to ``f_max``.

    Args:
        n_freqs: frequencies of the spectrogram, at equal distances from 0 to ``sample_rate // 2``.
        f_min, f_max: the lowest and the highest frequency of the filters, in Hz.
        n_mels: the number of filters.
        sample_rate: samples per second.
        norm: ``"slaney"`` divides each filter by half its width in Hz, so that all have the same area.
        mel_scale: ``"htk"``, or ``"slaney"``: linear below 1000 Hz, logarithmic above.

    Raises ``ValueError`` for a number or word out of range, ``TypeError`` for what is no number.

    >>> from minigrad import nn
    >>> nn.melscale_fbanks(5, 0.0, 4000.0, 2, 8000)
    tensor([[0.0000, 0.0000],
            [0.6759, 0.3241],
            [0.0000, 0.9055],
            [0.0000, 0.4528],
            [0.0000, 0.0000]])
    """
    check(
        "melscale_fbanks", locals(), n_freqs=1, n_mels=1, sample_rate=1, f_min="0 or above", f_max="above 0",
        norm=(None, "slaney"), mel_scale=("htk", "slaney"),
    )  # fmt: skip
    if f_max <= f_min:
        raise ValueError(f"melscale_fbanks: f_max must be above f_min {f_min}, but is {f_max}")
    frequencies = np.linspace(0, sample_rate // 2, n_freqs)[:, None]
    points = _hertz(np.linspace(_mel(f_min, mel_scale), _mel(f_max, mel_scale), n_mels + 2), mel_scale)
    left, middle, right = points[:-2], points[1:-1], points[2:]
    filters = np.maximum(np.minimum((frequencies - left) / (middle - left), (right - frequencies) / (right - middle)), 0)
    if norm == "slaney":
        filters = filters * (2 / (right - left))
    return wrap(filters.astype(np.float32))


class Spectrogram(Module):
    """The power of each frequency in windows of a waveform: ``torchaudio.transforms.Spectrogram``. (..., L) to (..., F, T).

    ``|sum_n w[n] x[t hop + n] exp(-2 pi i k n / n_fft)| ** power``, with F = n_fft // 2 + 1 frequencies k, ``sample_rate / n_fft`` Hz apart.

    Args:
        n_fft: the size of each Fourier transform.
        win_length: the size of the window; default: ``n_fft``.
        hop_length: how far apart the windows are; default: half of ``win_length``.
        pad: zeros to add at both ends.
        window_fn: from a length to a window.
        power: 2 for power, 1 for magnitude, None for the complex pair itself.
        normalized: divide by the square root of the window's energy (True or ``"window"``) or of ``n_fft`` (``"frame_length"``).
        wkwargs: further arguments of ``window_fn``.
        center, pad_mode, onesided: as for :func:`minigrad.stft`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> tone = mg.sin(2 * mg.pi * 1000 * mg.arange(1600) / 8000)  # 1000 Hz, 8000 samples a second
    >>> nn.Spectrogram(n_fft=64)(tone)[:, 10].argmax() * 8000 / 64
    tensor(1000.)
    """

    window: Tensor

    def __init__(
        self,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        pad: int = 0,
        window_fn: Callable[..., Tensor] = hann_window,
        power: float | None = 2.0,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        onesided: bool = True,
    ):
        check(
            "Spectrogram", locals(), "win_length hop_length power", n_fft=1, win_length=1, hop_length=1, pad=0, window_fn="a function",
            power="above 0", normalized=(False, True, "window", "frame_length"),
        )  # fmt: skip
        super().__init__()
        self.n_fft, self.win_length = n_fft, n_fft if win_length is None else win_length
        self.hop_length = max(self.win_length // 2, 1) if hop_length is None else hop_length
        self.pad, self.power, self.normalized = pad, power, normalized
        self.center, self.pad_mode, self.onesided = center, pad_mode, onesided
        if self.win_length > n_fft:
            raise ShapeError(f"Spectrogram: win_length {self.win_length} is above n_fft {n_fft}")
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))

    def forward(self, waveform: Tensor) -> Tensor:
        """(..., L) to (..., F, T)"""
        if waveform.ndim < 1:
            raise ShapeError(f"Spectrogram: the waveform must be (..., L), not of shape {tuple(waveform.shape)}")
        leading = tuple(waveform.shape[:-1])
        rows = waveform.reshape(math.prod(leading), waveform.shape[-1])
        rows = pad(rows, (self.pad, self.pad)) if self.pad else rows
        spectrum = stft(
            rows, self.n_fft, self.hop_length, self.win_length, self.window.to(waveform.dtype), self.center, self.pad_mode,
            self.normalized == "frame_length", self.onesided, return_complex=True,
        )  # fmt: skip
        spectrum = spectrum.reshape(*leading, *spectrum.shape[-2:])
        if self.normalized in (True, "window"):
            spectrum = spectrum / self.window.square().sum().sqrt().item()
        if self.power is None:
            return spectrum
        squares = spectrum.real.square() + spectrum.imag.square()  # abs() has no gradient at 0, which silence is
        return squares if self.power == 2 else squares ** (self.power / 2)

    def extra_repr(self) -> str:
        """The settings."""
        return f"n_fft={self.n_fft}, win_length={self.win_length}, hop_length={self.hop_length}, power={self.power}"


class MelScale(Module):
    """The frequencies of a spectrogram added up in bands of equal width in mel: ``torchaudio.transforms.MelScale``. (..., F, T) to (..., M, T).

    Args:
        n_mels: the number of bands M.
        sample_rate: samples per second.
        f_min, f_max: the lowest and the highest frequency, in Hz; ``f_max`` is half the sample rate by default.
        n_stft: the number of frequencies F.
        norm, mel_scale: as for :func:`melscale_fbanks`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.MelScale(n_mels=20, sample_rate=8000, n_stft=129)(mg.ones(2, 129, 7)).shape
    torch.Size([2, 20, 7])
    """

    fb: Tensor

    def __init__(
        self,
        n_mels: int = 128,
        sample_rate: int = 16000,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_stft: int = 201,
        norm: str | None = None,
        mel_scale: str = "htk",
    ):
        check("MelScale", locals(), n_stft=1, n_mels=1, sample_rate=1)
        super().__init__()
        self.n_mels, self.sample_rate, self.f_min = n_mels, sample_rate, f_min
        self.f_max = float(sample_rate // 2) if f_max is None else f_max
        self.register_buffer("fb", melscale_fbanks(n_stft, f_min, self.f_max, n_mels, sample_rate, norm, mel_scale))

    def forward(self, specgram: Tensor) -> Tensor:
        """(..., F, T) to (..., M, T)"""
        if specgram.ndim < 2 or specgram.shape[-2] != self.fb.shape[0]:
            raise ShapeError(f"MelScale: the spectrogram must be (..., {self.fb.shape[0]}, T), not of shape {tuple(specgram.shape)}")
        return self.fb.T.to(specgram.dtype) @ specgram

    def extra_repr(self) -> str:
        """The settings."""
        return f"n_mels={self.n_mels}, sample_rate={self.sample_rate}, f_min={self.f_min:g}, f_max={self.f_max:g}"


class MelSpectrogram(Module):
    """:class:`Spectrogram`, then :class:`MelScale`: ``torchaudio.transforms.MelSpectrogram``. (..., L) to (..., M, T).

    Arguments as of these two.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.MelSpectrogram(8000, n_fft=256, hop_length=80, n_mels=20)(mg.ones(3, 800)).shape
    torch.Size([3, 20, 11])
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        pad: int = 0,
        n_mels: int = 128,
        window_fn: Callable[..., Tensor] = hann_window,
        power: float = 2.0,
        normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None,
        center: bool = True,
        pad_mode: str = "reflect",
        norm: str | None = None,
        mel_scale: str = "htk",
    ):
        super().__init__()
        self.spectrogram = Spectrogram(n_fft, win_length, hop_length, pad, window_fn, power, normalized, wkwargs, center, pad_mode)
        self.mel_scale = MelScale(n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale)

    def forward(self, waveform: Tensor) -> Tensor:
        """(..., L) to (..., M, T)"""
        return self.mel_scale(self.spectrogram(waveform))


class AmplitudeToDB(Module):
    """Decibels: ``10 log10(x)`` of a power, ``20 log10(x)`` of a magnitude: ``torchaudio.transforms.AmplitudeToDB``.

    Values below 1e-10 count as 1e-10.

    Args:
        stype: ``"power"`` or ``"magnitude"``.
        top_db: raise everything that is more than this below the highest value to that level. Of an input (N, C, F, T) each (C, F, T) has
            its own highest value; one with fewer axes has one.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.AmplitudeToDB(top_db=40.0)(mg.tensor([100.0, 1.0, 0.0])).round(decimals=3)
    tensor([ 20.,   0., -20.])
    """

    def __init__(self, stype: str = "power", top_db: float | None = None):
        check("AmplitudeToDB", locals(), "top_db", stype=("power", "magnitude"), top_db="0 or above")
        super().__init__()
        self.stype, self.top_db = stype, top_db

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, in dB."""
        decibels = (10.0 if self.stype == "power" else 20.0) * x.clamp(min=1e-10).log10()
        if self.top_db is None:
            return decibels
        highest = decibels.amax((-3, -2, -1), keepdim=True) if x.ndim > 3 else decibels.max()
        return decibels.maximum(highest - self.top_db)

    def extra_repr(self) -> str:
        """The settings."""
        return f"stype={self.stype!r}, top_db={self.top_db}"
