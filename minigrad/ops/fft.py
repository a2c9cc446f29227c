"""Fourier transforms: ``torch.fft``, and the short-time transform of audio.

Complex results are :class:`~minigrad.ops.complex_pair.ComplexPair`: ``rfft(x).abs()`` is a Tensor. Transforms are linear, so their gradients are
transforms too: the transpose of F is the inverse transform without its factor 1/n.

``norm`` says where the factor 1/n is: ``"backward"`` (None), in the inverse; ``"forward"``, in the transform; ``"ortho"``, 1/sqrt(n) in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.devices import check_device
from minigrad.engine import (
    ShapeError,
    batched,
    dtype_of,
    entitled,
    get_default_dtype,
    inside,
    known_as,
    linear_in,
    op,
    public,
    unnamed,
    wrap,
)
from minigrad.kernels.quiet import quietly
from minigrad.ops import elementwise as ew
from minigrad.ops.arguments import positive_dims, whole
from minigrad.ops.batching import along_dim, behind
from minigrad.ops.complex_pair import ComplexPair, as_pair, as_real, numbers, pairs
from minigrad.ops.shape import crop, narrow, pad, pad_constant, roll, transpose, unfold, unfold_add
from minigrad.tree import numbers_of
from minigrad.types import Array, Dims, DType, Tensor


def _weights(n: int, ndim: int, dim: int, dtype: Any) -> np.ndarray:
    """How often each of the n // 2 + 1 coefficients of a real signal stands in its whole spectrum: twice, but the first and, for even n, the last."""
    w = np.full(n // 2 + 1, 2, dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return w.reshape(-1, *[1] * (ndim - dim))  # after dim come the other dimensions, and that of the parts


@unnamed
@linear_in("z")
@batched(lambda run, z, dims, inverse: run(z, dims=behind(dims, z.ndim - 1), inverse=inverse))
@op(z=lambda g, dims, inverse: _transform(g, dims, not inverse))
def _transform(z: Array, dims: Any, inverse: bool) -> Array:
    """Complex to complex, as pairs; no factor in either direction."""
    if not z.size:
        return z.copy()
    with quietly():
        return pairs(np.fft.ifftn(numbers(z), axes=dims, norm="forward") if inverse else np.fft.fftn(numbers(z), axes=dims))


@unnamed
@linear_in("x")
@batched(along_dim())
@op(x=lambda g, x_shape, dim: _to_real(g / _weights(x_shape[dim], len(x_shape), dim, g.dtype), x_shape[dim], dim))
def _from_real(x: Array, dim: int) -> Array:
    """Real to the first n // 2 + 1 coefficients, as pairs."""
    with quietly():
        return pairs(np.fft.rfft(x, axis=dim))


@unnamed
@linear_in("z")
@batched(along_dim())
@op(z=lambda g, n, dim: _from_real(g, dim) * _weights(n, len(g.shape), dim, g.dtype))
def _to_real(z: Array, n: int, dim: int) -> Array:
    """The first n // 2 + 1 coefficients, as pairs, to n real numbers, without a factor."""
    with quietly():
        return np.fft.irfft(numbers(z), n, axis=dim, norm="forward")


def _places(name: str, shape: tuple[int, ...], s: Any, dim: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The dimensions to transform, and the size to give each (None: its own)."""
    if s is not None and not isinstance(s, (tuple, list)):  # n, which unlike an element of s is not -1 for the size that there is
        s = (whole(name, "the size", s, 1),)
    if dim is None:
        if s is not None and len(s) > len(shape):
            raise ShapeError(f"{name}: {len(s)} sizes for the {len(shape)} dimensions of shape {shape}")
        dims = tuple(range(0 if s is None else len(shape) - len(s), len(shape)))
    else:
        if not shape:
            raise ShapeError(f"{name}: at least 1 dimension is needed, not shape ()")
        dims = positive_dims(name, dim, len(shape))
    if s is not None and len(s) != len(dims):
        raise ShapeError(f"{name}: {len(s)} sizes for {len(dims)} dimensions")
    sizes = [None if n is None or n == -1 else whole(name, "the size", n, 1) for n in s or [None] * len(dims)]
    for d, n in zip(dims, sizes, strict=True):
        if n is None and not shape[d]:
            raise ShapeError(f"{name}: dimension {d} of shape {shape} has no element")
    return dims, sizes


def _resized(x: Any, dims: Sequence[int], sizes: Sequence[Any]) -> Any:
    """``x`` cut, or filled up with zeros, at the end of ``dims``."""
    change = [0] * len(x.shape)
    for d, n in zip(dims, sizes, strict=True):
        change[d] = 0 if n is None else n - x.shape[d]
    if min(change, default=0) < 0:
        x = crop(x, tuple([(0, max(-c, 0)) for c in change]))
    return pad_constant(x, tuple([(0, max(c, 0)) for c in change])) if max(change, default=0) > 0 else x


def _scaled(name: str, x: Any, n: int, norm: str | None, inverse: bool) -> Any:
    if norm not in (None, "backward", "forward", "ortho"):
        raise ValueError(f"{name}: norm must be 'backward', 'forward' or 'ortho', not {norm!r}")
    if norm == "ortho":
        return x * (1 / math.sqrt(n))
    return x * (1 / n) if inverse == (norm != "forward") else x


def _complex(name: str, input: Any, s: Any, dim: Any, norm: str | None, inverse: bool) -> ComplexPair:
    z = as_pair(name, input)
    dims, sizes = _places(name, tuple(z.shape), s, dim)
    pair = _resized(z.pair, dims, sizes)
    n = math.prod([pair.shape[d] for d in dims])
    kind = "FftC2C" if isinstance(input, ComplexPair) or len(dims) != 1 else "Conj" if inverse else "FftR2C"
    return entitled(ComplexPair(_scaled(name, _transform(pair, dims, inverse), n, norm, inverse)), f"{kind}Backward0")


def _half(name: str, input: Any, s: Any, dim: Any, norm: str | None) -> ComplexPair:
    x = as_real(name, input)
    dims, sizes = _places(name, tuple(x.shape), s, dim)
    if not dims:
        raise ShapeError(f"{name}: at least one dimension must be transformed")
    x = _resized(x, dims, sizes)
    n = math.prod([x.shape[d] for d in dims])
    pair = _from_real(x, dims[-1])
    return ComplexPair(_scaled(name, _transform(pair, dims[:-1], False) if dims[1:] else pair, n, norm, False))


def _whole(name: str, input: Any, s: Any, dim: Any, norm: str | None) -> Tensor:
    z = as_pair(name, input)
    dims, sizes = _places(name, tuple(z.shape), s, dim)
    if not dims:
        raise ShapeError(f"{name}: at least one dimension must be transformed")
    n = 2 * (z.shape[dims[-1]] - 1) if sizes[-1] is None else sizes[-1]
    if n < 1:
        raise ShapeError(f"{name}: {z.shape[dims[-1]]} coefficients make {n} numbers; give the size of the result")
    pair = _resized(z.pair, dims, [*sizes[:-1], n // 2 + 1])
    total = n * math.prod([pair.shape[d] for d in dims[:-1]])
    pair = _transform(pair, dims[:-1], True) if dims[1:] else pair
    return _scaled(name, _to_real(pair, n, dims[-1]), total, norm, True)


def fft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> ComplexPair:
    """The discrete Fourier transform X_k = sum of x_j exp(-2 pi i j k / n): ``torch.fft.fft``.

    Args:
        input: a real Tensor, or a complex pair; any shape with at least 1 dimension.
        n: cut, or fill up with zeros, to this size first.
        dim: along which dimension.
        norm: ``"backward"``, ``"forward"`` or ``"ortho"``: see :mod:`minigrad.ops.fft`.

    Raises ``ShapeError`` without an element along ``dim``, ``RuntimeError`` for float16.

    >>> import minigrad as mg
    >>> mg.fft.fft(mg.tensor([1.0, 2.0])).real
    tensor([ 3., -1.])
    """
    return _complex("fft", input, n, dim, norm, False)


def ifft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`fft`: ``torch.fft.ifft``."""
    return _complex("ifft", input, n, dim, norm, True)


@known_as("FftR2CBackward0")
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> ComplexPair:
    """The first n // 2 + 1 coefficients of :func:`fft` of a real signal; the others are their conjugates: ``torch.fft.rfft``.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 0.0, -1.0, 0.0], requires_grad=True)
    >>> spectrum = mg.fft.rfft(x).abs()
    >>> spectrum
    tensor([0., 2., 0.], grad_fn=<AbsBackward0>)
    """
    return _half("rfft", input, n, dim, norm)


@known_as("FftC2RBackward0")
def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of :func:`rfft`, a real Tensor of ``n`` elements along ``dim``, 2 (m - 1) by default: ``torch.fft.irfft``.

    >>> import minigrad as mg
    >>> mg.fft.irfft(mg.fft.rfft(mg.tensor([1.0, 2.0, 4.0])), n=3)
    tensor([1., 2., 4.])
    """
    return _whole("irfft", input, n, dim, norm)


def fft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> ComplexPair:
    """:func:`fft` along two dimensions, of sizes ``s``: ``torch.fft.fft2``."""
    return _complex("fft2", input, s, dim, norm, False)


def ifft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`fft2`: ``torch.fft.ifft2``."""
    return _complex("ifft2", input, s, dim, norm, True)


@known_as("FftR2CBackward0")
def rfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> ComplexPair:
    """:func:`rfft` along the last of two dimensions, :func:`fft` along the other: ``torch.fft.rfft2``."""
    return _half("rfft2", input, s, dim, norm)


@known_as("FftC2RBackward0")
def irfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of :func:`rfft2`: ``torch.fft.irfft2``."""
    return _whole("irfft2", input, s, dim, norm)


def fftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> ComplexPair:
    """:func:`fft` along several dimensions: ``dim``, or as many last ones as ``s`` has sizes, or all: ``torch.fft.fftn``."""
    return _complex("fftn", input, s, dim, norm, False)


def ifftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`fftn`: ``torch.fft.ifftn``."""
    return _complex("ifftn", input, s, dim, norm, True)


@known_as("FftR2CBackward0")
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> ComplexPair:
    """:func:`rfft` along the last of several dimensions, :func:`fft` along the others: ``torch.fft.rfftn``."""
    return _half("rfftn", input, s, dim, norm)


@known_as("FftC2RBackward0")
def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of :func:`rfftn`: ``torch.fft.irfftn``."""
    return _whole("irfftn", input, s, dim, norm)


def _swapped(norm: str | None) -> str | None:
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


@known_as("FftC2RBackward0")
def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The real :func:`fft` of a signal of which half is given, the rest being its conjugates: ``torch.fft.hfft``."""
    return _whole("hfft", as_pair("hfft", input).conj(), n, dim, _swapped(norm))


@known_as("ConjBackward0")
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`hfft`: ``torch.fft.ihfft``."""
    return _half("ihfft", input, n, dim, _swapped(norm)).conj()


@known_as("FftC2RBackward0")
def hfft2(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """:func:`hfftn` of the last two dimensions: ``torch.fft.hfft2``."""
    return _whole("hfft2", as_pair("hfft2", input).conj(), s, dim, _swapped(norm))


@known_as("FftC2CBackward0")
def ihfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`hfft2`: ``torch.fft.ihfft2``."""
    return _half("ihfft2", input, s, dim, _swapped(norm)).conj()


@known_as("FftC2RBackward0")
def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The real :func:`fftn` of a signal of which half is given, along the last of the dimensions: ``torch.fft.hfftn``."""
    return _whole("hfftn", as_pair("hfftn", input).conj(), s, dim, _swapped(norm))


@known_as("FftC2CBackward0")
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> ComplexPair:
    """The inverse of :func:`hfftn`: ``torch.fft.ihfftn``."""
    return _half("ihfftn", input, s, dim, _swapped(norm)).conj()


def fftshift(input: Any, dim: Dims = None) -> Any:
    """The frequency 0 moved from the front to the middle, along ``dim`` or all: ``torch.fft.fftshift``. Takes real Tensors and complex pairs.

    >>> import minigrad as mg
    >>> mg.fft.fftshift(mg.tensor([0, 1, 2, -2, -1]))
    tensor([-2, -1,  0,  1,  2])
    """
    return _shift("fftshift", input, dim, lambda n: n // 2)


def ifftshift(input: Any, dim: Dims = None) -> Any:
    """The inverse of :func:`fftshift`: ``torch.fft.ifftshift``."""
    return _shift("ifftshift", input, dim, lambda n: n - n // 2)


def _shift(name: str, input: Any, dim: Any, by: Any) -> Any:
    dims = tuple(range(len(input.shape))) if dim is None else positive_dims(name, dim, len(input.shape))
    x = input.pair if isinstance(input, ComplexPair) else input
    x = roll(x, tuple([by(x.shape[d]) for d in dims]), dims) if dims else x
    return ComplexPair(x) if isinstance(input, ComplexPair) else x


def _frequencies(name: str, make: Any, n: int, d: float, dtype: Any, device: Any, requires_grad: bool) -> Any:
    check_device(device)
    found = get_default_dtype() if dtype is None else dtype_of(name, dtype)
    tensor = wrap(make(whole(name, "n", n, 1), d).astype(found))
    tensor.requires_grad = requires_grad
    return tensor


def fftfreq(n: int, d: float = 1.0, *, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of the coefficients of :func:`minigrad.fft.fft` of ``n`` samples every ``d``: ``torch.fft.fftfreq``.

    >>> import minigrad as mg
    >>> mg.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies("fftfreq", np.fft.fftfreq, n, d, dtype, device, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: DType = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of the coefficients of :func:`minigrad.fft.rfft` of ``n`` samples every ``d``: ``torch.fft.rfftfreq``."""
    return _frequencies("rfftfreq", np.fft.rfftfreq, n, d, dtype, device, requires_grad)


# --------------------------------------------------------------------------------------- short-time transforms


def _window(name: str, window: Any, n_fft: int, win_length: Any, dtype: Any) -> Any:
    """``window``, or ones, with zeros at both sides up to ``n_fft``."""
    length = n_fft if win_length is None else whole(name, "win_length", win_length, 1)
    if length > n_fft:
        raise ShapeError(f"{name}: win_length {length} is above n_fft {n_fft}")
    if window is None:
        window = np.ones(length, dtype)
    if tuple(window.shape) != (length,):
        raise ShapeError(f"{name}: window has shape {tuple(window.shape)}, but win_length is {length}")
    left = (n_fft - length) // 2
    return pad_constant(window, ((left, n_fft - length - left),)) if length < n_fft else window


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Any:
    """The Fourier transforms of overlapping windows of a signal: ``torch.stft``.

    Args:
        input: a real signal (L,), or several (B, L).
        n_fft: the size of each transform.
        hop_length: how far apart the windows are; n_fft // 4 by default.
        win_length: the size of the window, n_fft by default; zeros fill it up to n_fft.
        window: (win_length,), for example :func:`minigrad.hann_window`; ones by default.
        center: pad the signal with n_fft // 2 elements at both ends, so that window t is around element t * hop_length.
        pad_mode: as for ``nn.functional.pad``.
        normalized: multiply with 1 / sqrt(n_fft).
        onesided: only the n_fft // 2 + 1 frequencies that are not conjugates of others: the default for a real signal.
        return_complex: whether to return a :class:`~minigrad.ops.complex_pair.ComplexPair` (B, F, T), or a real Tensor (B, F, T, 2).

    Raises ``RuntimeError`` without ``return_complex``, as PyTorch; ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> spectrogram = mg.stft(mg.ones(16), 8, window=mg.hann_window(8), return_complex=True).abs()
    >>> spectrogram.shape
    torch.Size([5, 9])
    """
    if return_complex is None:
        raise RuntimeError(
            "stft: say return_complex=True (a complex pair) or False (a real tensor with a last dimension of 2), as for PyTorch"
        )
    x: Any = input if isinstance(input, ComplexPair) else as_real("stft", input)
    if onesided is None:
        onesided = not isinstance(input, ComplexPair)
    if onesided and isinstance(input, ComplexPair):
        raise RuntimeError("stft: onesided=True is for real signals: the frequencies of complex ones are no conjugates of each other")
    n_fft = whole("stft", "n_fft", n_fft, 1)
    hop = max(n_fft // 4, 1) if hop_length is None else whole("stft", "hop_length", hop_length, 1)
    if len(x.shape) not in (1, 2):
        raise ShapeError(f"stft: input must be (L,) or (B, L), not of shape {tuple(x.shape)}")
    window = _window("stft", window, n_fft, win_length, inside(x).dtype)
    if center:
        x = pad(x, (n_fft // 2, n_fft // 2), pad_mode)
    if x.shape[-1] < n_fft:
        raise ShapeError(f"stft: n_fft {n_fft} is above the length {x.shape[-1]} of the signal")
    frames = ew.mul(unfold(x, -1, n_fft, hop), window)
    z = rfft(frames) if onesided else fft(frames)
    pair = transpose(z.pair, -3, -2)
    pair = pair * (1 / math.sqrt(n_fft)) if normalized else pair
    return (
        entitled(ComplexPair(pair), "SqueezeBackward4" if len(input.shape) == 1 else "TransposeBackward1")
        if return_complex
        else entitled(pair, "ViewAsRealBackward0")
    )


def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal of which :func:`stft` made ``input``; of other spectra, the one with the least squares of differences: ``torch.istft``.

    Args:
        input: a complex pair (F, T) or (B, F, T), or its real Tensor with a last dimension of 2.
        n_fft, hop_length, win_length, window, center, normalized, onesided: as for :func:`stft`.
        length: of the result: cut, or filled up with zeros.
        return_complex: False: the result is real.

    Returns (L,) or (B, L). Raises ``RuntimeError`` if no window covers some element of the signal, ``ShapeError`` for sizes that do not fit.

    >>> import minigrad as mg
    >>> x, window = mg.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), mg.hann_window(4)
    >>> mg.istft(mg.stft(x, 4, window=window, return_complex=True), 4, window=window)
    tensor([1., 2., 3., 4., 5., 6., 7., 8.])
    """
    if return_complex:
        raise NotImplementedError("istft: the result is real; return_complex=True is for complex signals")
    z = input if isinstance(input, ComplexPair) else ComplexPair(input)
    n_fft = whole("istft", "n_fft", n_fft, 1)
    hop = max(n_fft // 4, 1) if hop_length is None else whole("istft", "hop_length", hop_length, 1)
    bins = n_fft // 2 + 1 if onesided is None or onesided else n_fft
    if z.ndim not in (2, 3) or z.shape[-2] != bins:
        raise ShapeError(
            f"istft: input must be (F, T) or (B, F, T) with F = {bins} frequencies for n_fft {n_fft}, not of shape {tuple(z.shape)}"
        )
    z = z.transpose(-2, -1)
    frames = irfft(z, n_fft) if bins < n_fft or n_fft == 1 else ifft(z).real
    frames = frames * math.sqrt(n_fft) if normalized else frames
    window = _window("istft", window, n_fft, win_length, z.pair.dtype)
    total = n_fft + hop * (z.shape[-2] - 1)
    signal = unfold_add(ew.mul(frames, window), (*z.shape[:-2], total), len(z.shape) - 2, n_fft, hop)
    weight = unfold_add(ew.mul(ew.square(window), np.ones((z.shape[-2], 1), z.pair.dtype)), (total,), 0, n_fft, hop)
    start = n_fft // 2 if center else 0
    end = min(total, start + whole("istft", "length", length, 0)) if length is not None else total - start
    signal, weight = narrow(signal, -1, start, end - start), narrow(weight, 0, start, end - start)
    if (numbers_of(weight) < 1e-11).any():
        raise RuntimeError("istft: the windows leave out some element of the signal: their squares, overlapped, must be above 1e-11")
    signal = ew.div(signal, weight)
    missing = 0 if length is None else length - (end - start)
    return pad(signal, (0, missing)) if missing > 0 else signal


public(__name__)
