"""Transforms of images: arrays in, arrays out, with torchvision's names.

They take one image (C, H, W) or a batch (N, C, H, W) of floats. ``batched = True`` says so: a dataset that makes whole batches
applies such a transform once to the batch, and any other callable image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.random import Generator, numpy_generator


class Compose:
    """Transforms one after the other: ``torchvision.transforms.Compose``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Compose, Normalize
    >>> float(Compose([Normalize(0.5, 0.5), np.abs])(np.zeros((1, 2, 2))).max())
    1.0
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = list(transforms)

    @property
    def batched(self) -> bool:
        """Whether all of them take batches."""
        return all(getattr(t, "batched", False) for t in self.transforms)

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x


class Normalize:
    """``(x - mean) / std`` for each channel, with a number or one number a channel: ``torchvision.transforms.Normalize``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Normalize
    >>> Normalize([1.0, 2.0], [1.0, 0.5])(np.full((2, 1, 1), 3.0)).ravel()
    array([2., 2.])
    """

    batched = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean = np.reshape(np.asarray(mean, np.float64), (-1, 1, 1))
        self.std = np.reshape(np.asarray(std, np.float64), (-1, 1, 1))
        if not (self.std > 0).all():
            raise ValueError(f"Normalize: standard deviations are positive, but std={std}")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check_images("Normalize", x)
        for values in (self.mean, self.std):
            if len(values) not in (1, x.shape[-3]):
                raise ShapeError(f"Normalize: {len(values)} channels are described, but the images {x.shape} have {x.shape[-3]}")
        return (x - self.mean.astype(x.dtype)) / self.std.astype(x.dtype)


class RandomAffine:
    """Turn, shift and scale each image by a random amount of its own: ``torchvision.transforms.RandomAffine``.

    Bilinear, with zeros around the image. Shifts are fractions of pixels too.

    Args:
        degrees: ``d`` for angles in (-d, d), or ``(low, high)``; positive is clockwise.
        translate: ``(a, b)``: shifts up to ``a`` of the width and ``b`` of the height either way.
        scale: ``(low, high)``.
        generator: default: the process's generator.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomAffine
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    >>> RandomAffine((90, 90))(image)
    array([[[2., 0.],
            [3., 1.]]], dtype=float32)
    """

    batched = True

    def __init__(
        self,
        degrees: float | tuple[float, float],
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        generator: Generator | None = None,
    ):
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else _pair("degrees", degrees)
        self.translate = (0.0, 0.0) if translate is None else _pair("translate", translate)
        self.scale = (1.0, 1.0) if scale is None else _pair("scale", scale)
        self.generator = generator
        if self.degrees[0] > self.degrees[1]:
            raise ValueError(f"RandomAffine: degrees are a number that is not negative, or (low, high), not {degrees}")
        if not all(0 <= t <= 1 for t in self.translate):
            raise ValueError(f"RandomAffine: translate holds fractions between 0 and 1, not {translate}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"RandomAffine: scale is (low, high) with 0 < low <= high, not {scale}")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        _check_images("RandomAffine", x)
        if x.dtype.kind != "f":
            raise TypeError(f"RandomAffine: images of floats are needed, not {x.dtype}")
        images = x if x.ndim == 4 else x[None]
        n, _, h, w = images.shape
        rng = numpy_generator(self.generator)
        angle = np.deg2rad(rng.uniform(*self.degrees, size=n))
        shift_x, shift_y = (rng.uniform(-t, t, size=n) * side for t, side in zip(self.translate, (w, h), strict=True))
        scale = rng.uniform(*self.scale, size=n)

        # Each output pixel asks where it came from: back by the shift, then turned and scaled back about the centre.
        a, b = (f(angle) / scale for f in (np.cos, np.sin))
        a, b, shift_x, shift_y = (v.astype(x.dtype)[:, None, None] for v in (a, b, shift_x, shift_y))
        out_y = np.arange(h, dtype=x.dtype)[:, None] - (h - 1) / 2 - shift_y  # N H 1
        out_x = np.arange(w, dtype=x.dtype) - (w - 1) / 2 - shift_x  # N 1 W
        return _bilinear(images, a * out_y - b * out_x + (h - 1) / 2, b * out_y + a * out_x + (w - 1) / 2).reshape(x.shape)


def _bilinear(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The values of ``images`` (N C H W) at the points ``y``, ``x`` (N H W), with zeros outside."""
    n, c, h, w = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).ravel()
    # In the padded image a point far outside is as good as one on its rim, which is zero.
    y, x = np.clip(y + 1, 0, h + 1), np.clip(x + 1, 0, w + 1)
    top, left = np.minimum(y.astype(np.intp), h), np.minimum(x.astype(np.intp), w)
    down, right = (y - top).astype(images.dtype)[:, None], (x - left).astype(images.dtype)[:, None]  # N 1 H W
    plane = np.arange(n * c).reshape(n, c, 1, 1) * ((h + 2) * (w + 2))
    corner = plane + (top * (w + 2) + left)[:, None]  # N C H W

    def in_row(offset: int) -> np.ndarray:
        a, b = (padded[start:].take(corner, mode="clip") for start in (offset, offset + 1))  # "clip" is the fast mode
        return a + right * (b - a)

    upper, lower = in_row(0), in_row(w + 2)
    return upper + down * (lower - upper)


def _pair(name: str, values: Sequence[float]) -> tuple[float, float]:
    if len(values) != 2:
        raise ValueError(f"RandomAffine: {name} is a pair of numbers, not {values}")
    return values[0], values[1]


def _check_images(name: str, x: np.ndarray) -> None:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name}: an array is needed, not {type(x).__name__}")
    if x.ndim not in (3, 4):
        raise ShapeError(f"{name}: images are (C, H, W) or (N, C, H, W), not {x.shape}")
