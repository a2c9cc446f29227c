"""Images that make a network's neurons active: gradient ascent over the pixels, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.engine import TensorBase, wrap
from minigrad.ops.arguments import check
from minigrad.ops.resample import interpolate
from minigrad.plots.canvas import all_finite, shown_array


def _resized(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    return interpolate(wrap(np.ascontiguousarray(image)[None]), size=tuple(size), mode="bilinear", antialias=True)._data[0]


def _weights(size: Sequence[int], smooth: float) -> np.ndarray:
    """``1 / f ** smooth`` for the frequencies f of a real Fourier transform of (H, W); that of the mean is the lowest other."""
    f = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1]))
    return 1 / np.maximum(f, 1 / max(size)) ** smooth


def dream(
    objective: Callable[[Any], Any],
    image: Any,
    *,
    steps: int = 10,
    rate: float = 0.02,
    octaves: int = 1,
    ratio: float = 1.4,
    jitter: int = 16,
    smooth: float = 0.0,
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> np.ndarray:
    """An image changed, step by step, so that ``objective`` of it becomes larger.

    ``x <- x + rate * g / mean|g|``, with g the gradient of ``objective(x)`` by the pixels. From noise, with the activity of a channel as the
    objective, the result shows what the channel looks for (Erhan et al. 2009); from a photograph, with the squares of a layer's maps, it
    is DeepDream (Mordvintsev et al. 2015). Means against noise that is no picture are *octaves*, which begin with a small image and
    keep the details found there when it grows, and *jitter*, which shifts the image anew for each step. A third is to divide each
    frequency f of the gradient by ``f ** smooth`` (Olah et al. 2017), as those of photographs are.

    Args:
        objective: from a Tensor (1, C, H, W) to a Tensor of one number.
        image: (C, H, W), where to start.
        steps: of each octave.
        rate: how far a step goes, in the unit of the pixels.
        octaves: the number of sizes; the last is that of the image, the one before ``ratio`` times smaller, and so on.
        ratio: of two sizes.
        jitter: the largest shift, in pixels, around the edges.
        smooth: 0 for the gradient itself, 1 for the spectrum of photographs.
        low, high: the range of the pixels.
        seed: of the shifts.
        progress: called with the number of steps done after each step.

    Returns (C, H, W).

    Raises ``ShapeError`` for another shape, ``TypeError`` for an objective that gives no number, ``ValueError`` for options out of range.

    >>> import numpy as np
    >>> from minigrad import plots
    >>> grey = np.full((3, 8, 8), 0.5)
    >>> red = plots.dream(lambda x: x[:, 0].sum() - x[:, 1:].sum(), grey, steps=50)
    >>> [round(float(channel.mean()), 3) for channel in red]
    [1.0, 0.0, 0.0]
    """
    check(
        "dream", locals(), "progress", objective="a function", steps=1, rate="above 0", octaves=1, ratio="above 0", jitter=0,
        smooth="0 or above", low="finite", high="finite", seed=0, progress="a function",
    )  # fmt: skip
    start = np.array(shown_array("dream", "image", image))
    if start.ndim != 3 or not start.size:
        raise engine.ShapeError(f"dream: image must be (C, H, W), not {start.shape}")
    all_finite("dream", "image", start)
    if ratio <= 1 and octaves > 1:
        raise ValueError(f"dream: ratio must be above 1, but is {ratio}")
    if high <= low:
        raise ValueError(f"dream: high must be above low {low}, but is {high}")
    start = start.astype(np.result_type(start, np.float32))
    random = np.random.default_rng(seed)
    detail, done = np.zeros_like(start), 0
    for octave in reversed(range(octaves)):
        size = [max(1, round(n / ratio**octave)) for n in start.shape[1:]]
        weights = _weights(size, smooth)
        base = _resized(start, size) if octave else start
        x = np.clip(base + _resized(detail, size), low, high)
        for _ in range(steps):
            shift = tuple(random.integers(-jitter, jitter + 1, 2)) if jitter else (0, 0)
            shifted = wrap(np.roll(x, shift, (1, 2))[None])
            shifted.requires_grad_()
            with engine.enable_grad():
                value = objective(shifted)
            if not isinstance(value, TensorBase) or value._data.size != 1:
                raise TypeError(f"dream: objective must give a Tensor of one number, but gave {value!r:.60}")
            (gradient,) = engine.grad(value, shifted)
            g = np.roll(gradient._data[0], [-s for s in shift], (1, 2))
            if smooth:
                g = np.fft.irfft2(np.fft.rfft2(g) * weights, g.shape[1:])
            x = np.clip(x + rate * g / (np.abs(g).mean() + 1e-12), low, high).astype(start.dtype)
            done += 1
            if progress is not None:
                progress(done)
        detail = x - base
    return x
