"""Arithmetic and geometry of images (N, C, H, W) and the arguments of transforms: what :mod:`~minigrad.nn.data.transforms` and their functions share.

Every function takes arrays and Tensors alike, as the ops do that it is made of: so gradients flow through each transform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, warn
from minigrad.ops.arguments import number, numbers, shown, whole
from minigrad.ops.elementwise import clamp, minimum, where
from minigrad.ops.gathering import take
from minigrad.ops.reduce import amax, amin, mean
from minigrad.ops.shape import pad, stack
from minigrad.tensor import Tensor, as_tensor

_INTERPOLATIONS = ("nearest", "bilinear")
_PADDINGS = ("constant", "edge", "reflect", "symmetric")  # torchvision's names, and numpy's
_BYTES = 10  # a fill this many times as bright as white is meant as a byte: few are darker, and marks in floats are small
_TRIES = 10  # how often torchvision draws a rectangle before it gives up


def own(images: Any) -> Any:
    """What may be written: a copy of an array, a clone of a Tensor."""
    return images.copy() if isinstance(images, np.ndarray) else images.clone()


def cast_to(dtype: Any, image: Any) -> Any:
    """The image in another dtype; what is no Tensor as an array."""
    return image.to(dtype) if isinstance(image, Tensor) else np.asarray(image).astype(dtype)


def channels_first(array: np.ndarray) -> Tensor:
    """The Tensor (C, H, W) of an image (H, W, C) or (H, W)."""
    return as_tensor(np.ascontiguousarray(np.moveaxis(array.reshape(*array.shape[:2], -1), -1, 0)))


# ---------------------------------------------------------------------------------------------------------- colours


def gray(images: Any) -> Any:
    """Luma of ITU-R BT.601, as torchvision computes it, (N, 1, H, W)."""
    n, channels, h, w = images.shape
    if channels == 1:
        return images
    if channels != 3:
        raise ShapeError(
            f"gray is mixed of red, green and blue, and these images have {channels} channels; image.convert('RGB') leaves an alpha channel of PIL out"
        )
    return (np.array([0.2989, 0.587, 0.114], images.dtype) @ images.reshape(n, channels, h * w)).reshape(n, 1, h, w)


def blend(images: Any, other: Any, factor: Any) -> Any:
    """``factor`` parts of ``images`` and ``1 - factor`` of ``other``, within [0, 1]."""
    return clamp(factor * images + (1 - factor) * other, 0, 1)


def brightened(images: Any, factor: Any) -> Any:
    """A blend with black."""
    return blend(images, 0.0, factor)


def contrasted(images: Any, factor: Any) -> Any:
    """A blend with the mean grey."""
    return blend(images, mean(gray(images), (1, 2, 3), keepdim=True), factor)


def saturated(images: Any, factor: Any) -> Any:
    """A blend with the grey image."""
    return images if images.shape[1] == 1 else blend(images, gray(images), factor)


def sharpened(images: Any, factor: Any) -> Any:
    """A blend with means over 3x3 pixels, the middle one counted five times; the border stays."""
    h, w = images.shape[2:]
    if min(h, w) <= 2:
        return images
    total = sum((images[:, :, y : h - 2 + y, x : w - 2 + x] for y in range(3) for x in range(3)), 4 * images[:, :, 1:-1, 1:-1])
    border = np.ones((h, w), bool)
    border[1:-1, 1:-1] = False
    return blend(images, where(border, images, pad(total / 13, (1, 1, 1, 1))), factor)


def hue_shifted(images: Any, shift: Any) -> Any:
    """Images with the hue rotated by ``shift`` of a full circle, and value and saturation kept (hexagonal HSV)."""
    if images.shape[1] == 1:
        return images
    r, g, b = images[:, 0], images[:, 1], images[:, 2]
    value = amax(images, 1)
    chroma = value - amin(images, 1)
    grey = np.asarray(chroma.detach() if hasattr(chroma, "detach") else chroma) == 0
    safe = where(grey, 1.0, chroma)
    sector = where(value == r, (g - b) / safe, where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    hue = where(grey, 0.0, sector) + 6 * shift[:, 0]  # in sixths of the circle
    # Each channel is value - chroma * a function that goes 0, 0, 1, 1 around the circle, shifted by a third.
    k = stack([hue + 5, hue + 3, hue + 1], 1) % 6
    return value[:, None] - chroma[:, None] * clamp(minimum(k, 4 - k), 0, 1)


def blurred(images: Any, kernel_size: Sequence[int], sigma: Sequence[float]) -> Any:
    """Weighted means of ``kernel_size`` pixels (across, down), with the weights of a bell curve; images are reflected at the border."""
    dtype = images.dtype
    images = padded(images, (kernel_size[0] // 2, kernel_size[1] // 2) * 2, 0, "reflect")
    for axis, size, width in ((3, kernel_size[0], sigma[0]), (2, kernel_size[1], sigma[1])):
        weights = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / width) ** 2)
        length = images.shape[axis] - size + 1
        parts = (images[(slice(None),) * axis + (slice(i, i + length),)] for i in range(size))
        weights = (weights / weights.sum()).astype(dtype)
        images = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    return images


# --------------------------------------------------------------------------------------------------------- geometry


def affine(
    images: Any,
    angle: np.ndarray,
    shift_x: np.ndarray,
    shift_y: np.ndarray,
    scale: np.ndarray,
    shear_x: np.ndarray,
    shear_y: np.ndarray,
    center: tuple[float, float] | None,
    interpolation: str,
    fill: float | Sequence[float],
    size: tuple[int, int] | None = None,
) -> Any:
    """Each image sheared, rotated clockwise and scaled about ``center``, then shifted; ``size`` of the result, around the same middle."""
    _, _, h, w = images.shape
    out_h, out_w = (h, w) if size is None else size
    dtype = images.dtype
    cx, cy = ((w - 1) / 2, (h - 1) / 2) if center is None else (center[0] - 0.5, center[1] - 0.5)
    # The source position of each output pixel: the shift is undone, then rotation, shear and scale about the centre.
    turned = angle - shear_y
    a, c = np.cos(turned) / np.cos(shear_y), np.sin(turned) / np.cos(shear_y)
    b, d = -a * np.tan(shear_x) - np.sin(angle), -c * np.tan(shear_x) + np.cos(angle)
    a, b, c, d, shift_x, shift_y = (v.astype(dtype)[:, None, None] for v in (a / scale, b / scale, c / scale, d / scale, shift_x, shift_y))
    out_y = np.arange(out_h, dtype=dtype)[:, None] - (out_h - h) / 2 - cy - shift_y  # N OH 1
    out_x = np.arange(out_w, dtype=dtype) - (out_w - w) / 2 - cx - shift_x  # N 1 OW
    y, x = a * out_y - c * out_x + cy, d * out_x - b * out_y + cx
    around = per_channel("fill", fill, images)
    plain = not np.any(around)
    found = (_bilinear if interpolation == "bilinear" else _nearest)(images if plain else images - around, y, x)
    return found if plain else found + around


def rotated_size(angle: float, h: int, w: int) -> tuple[int, int]:
    """Height and width of the whole of a rotated image: where the corners come to lie, rounded outwards (but not by what is below 1e-4)."""
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    if min(cos, sin) < 1e-9:  # a quarter turn needs no rounding, which would add a line where one side is odd and one is even
        return (h, w) if cos > sin else (w, h)
    x, y = np.array([-w, -w, w, w]) / 2, np.array([-h, h, h, -h]) / 2
    sides = []
    for corners, middle in ((np.cos(angle) * y - np.sin(angle) * x, h / 2), (np.cos(angle) * x + np.sin(angle) * y, w / 2)):
        low, high = (np.trunc((v + middle) / 1e-4) * 1e-4 for v in (corners.min(), corners.max()))
        sides.append(int(np.ceil(high) - np.floor(low)))
    return sides[0], sides[1]


def _at(flat: Any, place: np.ndarray) -> Any:
    return flat.take(place, mode="clip") if isinstance(flat, np.ndarray) else take(flat, place)  # "clip" is numpy's fast mode


def _bilinear(images: Any, y: np.ndarray, x: np.ndarray) -> Any:
    """The values of ``images`` (N C H W) at the points ``y``, ``x`` (N H W), with zeros outside."""
    n, c, h, w = images.shape
    flat = pad(images, (1, 1, 1, 1)).ravel()
    # In the padded image a point far outside has the same value as one on its border, which is zero.
    y, x = np.clip(y + 1, 0, h + 1), np.clip(x + 1, 0, w + 1)
    top, left = np.minimum(y.astype(np.intp), h), np.minimum(x.astype(np.intp), w)
    down, right = (y - top).astype(images.dtype)[:, None], (x - left).astype(images.dtype)[:, None]  # N 1 H W
    plane = np.arange(n * c).reshape(n, c, 1, 1) * ((h + 2) * (w + 2))
    corner = plane + (top * (w + 2) + left)[:, None]  # N C H W

    def in_row(offset: int) -> Any:
        a, b = (_at(flat[start:], corner) for start in (offset, offset + 1))
        return a + right * (b - a)

    upper, lower = in_row(0), in_row(w + 2)
    return upper + down * (lower - upper)


def _nearest(images: Any, y: np.ndarray, x: np.ndarray) -> Any:
    """The values of the pixels nearest to the points, with zeros outside."""
    n, c, h, w = images.shape
    y, x = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    found = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    place = np.where(found, y * w + x, 0)
    plane = np.arange(n * c).reshape(n, c, 1, 1) * (h * w)
    return where(found[:, None], _at(images.ravel(), plane + place[:, None]), np.zeros((), images.dtype))


def resample(
    images: Any,
    size: tuple[int, ...],
    top: np.ndarray,
    left: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    interpolation: str,
    antialias: bool,
) -> Any:
    """A window of each image resized to ``size``, by two products with matrices of weights."""
    rows, columns = (
        _weights(out, start, length, n, interpolation, antialias).astype(images.dtype)[:, None]
        for out, start, length, n in ((size[0], top, height, images.shape[2]), (size[1], left, width, images.shape[3]))
    )
    return rows @ images @ columns.swapaxes(2, 3)  # N C OH OW


def _weights(out: int, start: np.ndarray, length: np.ndarray, n: int, interpolation: str, antialias: bool) -> np.ndarray:
    """The weights (windows, out, n) of ``n`` input pixels for each of ``out`` output pixels of a window; each row has the sum 1."""
    start, length = start[:, None, None], length[:, None, None]
    step = length / out  # pixels of the window for each pixel of the result
    pixel = np.arange(n) - start
    place = np.arange(out)[:, None]
    if interpolation == "nearest":
        return (pixel == np.floor(place * step)).astype(np.float64)
    reach = np.maximum(step, 1) if antialias else 1
    weights = np.maximum(0, 1 - np.abs((pixel + 0.5 - (place + 0.5) * step) / reach))
    weights = np.where((pixel >= 0) & (pixel < length), weights, 0)
    return weights / weights.sum(2, keepdims=True)


def rectangles(
    rng: np.random.Generator,
    n: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    largest: tuple[int, int],
) -> tuple[np.ndarray, ...]:
    """For each image the first of ten random rectangles that fits: top, left, height, width, and whether there is one."""
    h, w = size
    area = h * w * rng.uniform(*scale, size=(n, _TRIES))
    aspect = np.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1]), size=(n, _TRIES)))  # width over height
    widths, heights = (np.rint(np.sqrt(v)).astype(np.int64) for v in (area * aspect, area / aspect))
    fits = (widths > 0) & (widths <= largest[1]) & (heights > 0) & (heights <= largest[0])
    which = (np.arange(n), np.argmax(fits, axis=1))
    found = fits[which]
    height, width = np.where(found, heights[which], 1), np.where(found, widths[which], 1)
    return rng.integers(h - height + 1), rng.integers(w - width + 1), height, width, found


def inside(top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray, h: int, w: int) -> np.ndarray:
    """Which pixels (N, H, W) lie in the rectangles."""
    y, x = np.arange(h) - top[:, None], np.arange(w) - left[:, None]
    rows, columns = (y >= 0) & (y < height[:, None]), (x >= 0) & (x < width[:, None])
    return rows[:, :, None] & columns[:, None]


def padded(images: Any, padding: tuple[int, int, int, int], fill: float | Sequence[float], mode: str) -> Any:
    """Images with pixels around them: (left, top, right, bottom)."""
    left, top, right, bottom = padding
    if not any(padding):
        return images
    h, w = images.shape[2:]
    if mode != "constant":
        if mode == "reflect" and (max(left, right) >= w or max(top, bottom) >= h):
            raise ShapeError(f"padding_mode='reflect': a padding of {max(padding)} needs more pixels than images of {(h, w)} have")
        if isinstance(images, np.ndarray):
            return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=mode)  # type: ignore[call-overload]
        rows, columns = np.pad(np.arange(h), (top, bottom), mode=mode), np.pad(np.arange(w), (left, right), mode=mode)  # type: ignore[call-overload]
        return images[:, :, rows][..., columns]
    out = pad(images, (left, right, top, bottom))
    if np.any(fill):
        frame = np.ones(out.shape[2:], bool)
        frame[top : top + h, left : left + w] = False
        out = where(frame, per_channel("fill", fill, images), out)
    return out


# ------------------------------------------------------------------------------------------------------ arguments


def per_channel(name: str, value: Any, images: Any) -> np.ndarray:
    """A number, or one for each channel, to broadcast over images.

    What images of integers cannot hold is refused. Colours of images of PIL are bytes in torchvision's scripts, and here these are floats: a byte
    among them is warned of, and not refused, because floats may be in any unit.
    """
    given = np.asarray(value)
    if images.dtype.kind in "iu":
        limits = np.iinfo(images.dtype)
        if not ((given == np.floor(given)) & (given >= limits.min) & (given <= limits.max)).all():
            raise ValueError(
                f"{name}: {shown(value)} does not fit images of {images.dtype}, whole numbers from {limits.min} to {limits.max}"
            )
    elif given.ndim < 2 and images.size and (given > _BYTES).any() and images.min() >= 0 and images.max() <= 1:
        warn(
            f"{name}: {shown(value)} is far brighter than the images, floats from 0 to 1, which images of PIL and of data sets are here: "
            "white is 1, and a byte b is b / 255"
        )
    array = given.astype(images.dtype)
    if array.ndim == 1:
        if len(array) not in (1, images.shape[1]):
            raise ShapeError(f"{name}: {len(array)} values were given, but the images {images.shape} have {images.shape[1]} channels")
        array = array[:, None, None]
    return array


def pair_of(name: str, argument: str, values: Sequence[float]) -> tuple[float, float]:
    """Two finite numbers."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 2:
        raise ValueError(f"{name}: {argument} is a pair of numbers, not {values!r}")
    low, high = (number(name, argument, v, "finite") for v in values)
    return low, high


def angles_of(name: str, argument: str, value: float | Sequence[float]) -> tuple[float, float]:
    """``(low, high)`` from a pair or a number for both directions."""
    low, high = pair_of(name, argument, (-value, value) if isinstance(value, (int, float)) else value)
    if low > high:
        raise ValueError(f"{name}: {argument} is a number that is not negative, or (low, high), not {value!r}")
    return low, high


def range_of(name: str, argument: str, value: Sequence[float]) -> tuple[float, float]:
    """``(low, high)`` with 0 < low <= high."""
    low, high = pair_of(name, argument, value)
    if not 0 < low <= high:
        raise ValueError(f"{name}: {argument} is (low, high) with 0 < low <= high, not {value!r}")
    return low, high


def pixels_of(name: str, argument: str, value: int | Sequence[int], least: int, counts: tuple[int, ...], rule: str) -> tuple[int, ...]:
    """One whole number or several, each ``least`` or above; how many is one of ``counts``."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in counts:
        raise ValueError(f"{name}: {argument} is {rule}, not {value!r}")
    return tuple(whole(name, argument, v, least) for v in values)


def size_of(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """``(height, width)`` from one number or two."""
    values = pixels_of(name, "size", size, 1, (1, 2), "a number of pixels or (height, width)")
    return values[0], values[-1]


def odd_size_of(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    """Two odd numbers of pixels from one or two."""
    values = size_of(name, size)
    if not values[0] % 2 or not values[1] % 2:
        raise ValueError(f"{name}: kernel_size is odd, with a pixel in the middle, not {size!r}")
    return values


def padding_of(name: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """``(left, top, right, bottom)`` from one, two or four numbers."""
    values = pixels_of(name, "padding", padding, 0, (1, 2, 4), "a number of pixels, a pair, or four numbers (left, top, right, bottom)")
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


def fill_of(name: str, fill: float | Sequence[float], argument: str = "fill") -> float | Sequence[float]:
    """``fill``, if it is a number or several."""
    numbers(name, argument, fill)
    return fill


def padding_mode_of(name: str, mode: str) -> str:
    """``mode``, if there is such a one."""
    if mode not in _PADDINGS:
        raise ValueError(f"{name}: padding_mode is one of {', '.join(_PADDINGS)}, not {mode!r}")
    return mode


def interpolation_of(name: str, interpolation: Any) -> str:
    """The name of an interpolation that is here."""
    value = getattr(interpolation, "value", interpolation)
    value = {0: "nearest", 2: "bilinear"}.get(value, value)  # PIL's numbers
    if value not in _INTERPOLATIONS:
        raise ValueError(f"{name}: interpolation is one of {', '.join(_INTERPOLATIONS)}, not {interpolation!r}")
    return value
