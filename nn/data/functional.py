"""Transforms as functions of an image and their numbers, with torchvision's names: ``torchvision.transforms.functional``.

An image is what the classes of :mod:`~minigrad.nn.data.transforms` take: an array or a Tensor (C, H, W), a batch (N, C, H, W), or an image of PIL,
which becomes an array of floats. Gradients flow through them. Colours are those of floats in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, dtype_of
from minigrad.nn.data.pixels import affine as affinely
from minigrad.nn.data.pixels import (
    blurred,
    brightened,
    cast_to,
    channels_first,
    contrasted,
    fill_of,
    hue_shifted,
    interpolation_of,
    odd_size_of,
    own,
    pair_of,
    rotated_size,
    saturated,
    sharpened,
)
from minigrad.nn.data.transforms import CenterCrop, FiveCrop, Grayscale, Normalize, Pad, Resize, TenCrop, ToTensor, on_images
from minigrad.ops.arguments import number, whole
from minigrad.ops.elementwise import clamp, where
from minigrad.ops.reduce import amax, amin
from minigrad.ops.shape import flip
from minigrad.tensor import Tensor

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation", "adjust_sharpness", "affine", "autocontrast",
    "center_crop", "convert_image_dtype", "crop", "erase", "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels",
    "get_image_size", "hflip", "invert", "normalize", "pad", "pil_to_tensor", "resize", "resized_crop", "rgb_to_grayscale", "rotate", "solarize",
    "ten_crop", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------- forms of images


def to_tensor(pic: Any) -> Tensor:
    """:class:`~minigrad.nn.data.transforms.ToTensor` of one image.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import to_tensor
    >>> to_tensor(np.array([[51]], np.uint8))
    tensor([[[0.2000]]])
    """
    return ToTensor()(pic)


def pil_to_tensor(pic: Any) -> Tensor:
    """The Tensor (C, H, W) of an image of PIL, with its bytes as they are. Raises ``TypeError`` for anything else."""
    if not hasattr(pic, "getbands"):
        raise TypeError(f"pil_to_tensor: an image of PIL is needed, not {type(pic).__name__}")
    array = np.array(pic)
    array = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array  # mode "1", black and white
    return channels_first(array)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """An image of PIL, which must be installed: of a Tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W).

    Floats of a Tensor are in [0, 1], and lose what is below 1/255. There are 1, 2, 3 or 4 channels: L, LA, RGB, RGBA, or ``mode``.
    Raises ``ShapeError`` for another number of dimensions or channels, ``ImportError`` without PIL.
    """
    from PIL import Image

    array = pic.detach().numpy() if isinstance(pic, Tensor) else np.asarray(pic)
    if array.ndim not in (2, 3):
        raise ShapeError(f"to_pil_image: an image has 2 or 3 dimensions, not {array.shape}")
    if array.ndim == 3 and isinstance(pic, Tensor):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[2] > 4:
        raise ShapeError(f"to_pil_image: an image has 1 to 4 channels, not {array.shape[2]}")
    if isinstance(pic, Tensor) and array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    array = np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)
    image = Image.fromarray(array)
    return image if mode is None or mode == image.mode else image.convert(mode)


def convert_image_dtype(image: Any, dtype: Any = np.float32) -> Any:
    """The image in another dtype, scaled: floats are in [0, 1], whole numbers between 0 and the dtype's largest.

    Raises ``RuntimeError`` where floats have too few digits for the whole numbers (float32 for int32 and beyond).

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.nn.data.functional import convert_image_dtype
    >>> convert_image_dtype(mg.tensor([[[0, 255]]], dtype=mg.uint8), mg.float32)
    tensor([[[0., 1.]]])
    >>> convert_image_dtype(np.array([[[0.0, 0.5, 1.0]]]), np.uint8)
    array([[[  0, 127, 255]]], dtype=uint8)
    """
    new, old = dtype_of("convert_image_dtype", dtype), np.dtype(image.dtype)

    if old == new or (old.kind == new.kind == "f"):
        return cast_to(new, image)
    if new.kind == "f":
        return cast_to(new, image) / float(np.iinfo(old).max)
    if old.kind == "f":
        if new.itemsize >= old.itemsize and not (old.itemsize == new.itemsize == 2):
            raise RuntimeError(f"convert_image_dtype: {old} has too few digits for the values of {new}")
        return cast_to(new, image * (np.iinfo(new).max + 1.0 - 1e-3))
    largest, wanted = np.iinfo(old).max + 1, np.iinfo(new).max + 1
    return cast_to(new, image // (largest // wanted)) if largest > wanted else cast_to(new, image) * (wanted // largest)


def get_dimensions(img: Any) -> list[int]:
    """``[channels, height, width]``."""
    return [len(img.getbands()), img.height, img.width] if hasattr(img, "getbands") else [int(n) for n in img.shape[-3:]]


def get_image_size(img: Any) -> list[int]:
    """``[width, height]``."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


# ------------------------------------------------------------------------------------------------- crops and sizes


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The window; what lies outside the image is 0.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import crop
    >>> crop(np.array([[[1, 2], [3, 4]]]), 1, 0, 2, 1)
    array([[[3],
            [0]]])
    """
    top, left, height, width = (whole("crop", name, v, least) for name, v, least in
        (("top", top, None), ("left", left, None), ("height", height, 0), ("width", width, 0)))  # fmt: skip

    def change(images: Any) -> Any:
        found = images[:, :, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
        y, x = min(max(-top, 0), height), min(max(-left, 0), width)
        sides = (x, y, width - x - found.shape[3], height - y - found.shape[2])
        return Pad(sides)(found) if any(sides) else own(found)

    return on_images("crop", img, change, floats=False)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """:class:`~minigrad.nn.data.transforms.CenterCrop` of one image."""
    return CenterCrop(output_size)(img)


def five_crop(img: Any, size: int | Sequence[int]) -> Any:
    """:class:`~minigrad.nn.data.transforms.FiveCrop` of one image."""
    return FiveCrop(size)(img)


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> Any:
    """:class:`~minigrad.nn.data.transforms.TenCrop` of one image."""
    return TenCrop(size, vertical_flip)(img)


def pad(img: Any, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant") -> Any:
    """:class:`~minigrad.nn.data.transforms.Pad` of one image."""
    return Pad(padding, fill, padding_mode)(img)


def resize(
    img: Any, size: int | Sequence[int], interpolation: Any = "bilinear", max_size: int | None = None, antialias: bool | None = True
) -> Any:
    """:class:`~minigrad.nn.data.transforms.Resize` of one image. (A list of one number is that number.)

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import resize
    >>> resize(np.zeros((3, 4, 6)), [2, 2]).shape
    (3, 2, 2)
    """
    return Resize(size, interpolation, max_size, antialias)(img)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = "bilinear",
    antialias: bool | None = True,
) -> Any:
    """:func:`resize` of :func:`crop`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """The mirror image.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import hflip
    >>> hflip(np.array([[[1, 2, 3]]]))
    array([[[3, 2, 1]]])
    """
    return on_images("hflip", img, lambda images: own(flip(images, (3,))), floats=False)


def vflip(img: Any) -> Any:
    """The image upside down."""
    return on_images("vflip", img, lambda images: own(flip(images, (2,))), floats=False)


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """``img`` with ``v`` in the window of height ``h`` and width ``w`` that begins at row ``i`` and column ``j``. ``img`` stays as it is.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import erase
    >>> erase(np.ones((1, 2, 2)), 0, 1, 2, 1, 0)
    array([[[1., 0.],
            [1., 0.]]])
    """
    i, j, h, w = (whole("erase", name, value, 0) for name, value in zip("ijhw", (i, j, h, w), strict=True))

    def change(images: Any) -> Any:
        out = own(images)
        out[:, :, i : i + h, j : j + w] = v
        return out

    return on_images("erase", img, change, floats=False)


# --------------------------------------------------------------------------------------------------- turned images


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = "nearest",
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: float | Sequence[float] | None = None,
) -> Any:
    """The image rotated counter-clockwise by ``angle`` degrees.

    Args:
        img: of floats.
        angle, interpolation: ``"nearest"`` or ``"bilinear"``.
        expand: a result so large that all of the image is in it.
        center: ``(x, y)``, the fixed point; default: the middle. Without it if ``expand``.
        fill: the value around the image, or one for each channel.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import rotate
    >>> rotate(np.arange(4.0).reshape(1, 2, 2), 90)
    array([[[1., 3.],
            [0., 2.]]])
    """
    turn = -math.radians(number("rotate", "angle", angle, "finite"))
    if expand and center is not None:
        raise ValueError("rotate: expand=True is for a rotation about the middle; leave center out")
    return _moved("rotate", img, turn, (0.0, 0.0), 1.0, (0.0, 0.0), interpolation, fill, center, expand)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = "nearest",
    fill: float | Sequence[float] | None = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image sheared by ``shear`` degrees (along x, or along x and y), rotated clockwise by ``angle`` degrees, scaled, then shifted.

    ``translate`` is in pixels, ``(right, down)``; ``center`` is ``(x, y)``, by default the middle.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import affine
    >>> affine(np.arange(4.0).reshape(1, 2, 2), 0, (1, 0), 1.0, 0)
    array([[[0., 0.],
            [0., 2.]]])
    """
    turn = math.radians(number("affine", "angle", angle, "finite"))
    if isinstance(shear, (int, float)) or len(shear) == 1:
        shear = (shear if isinstance(shear, (int, float)) else shear[0], 0.0)
    leaning = tuple(math.radians(v) for v in pair_of("affine", "shear", shear))
    shift = pair_of("affine", "translate", translate)
    return _moved("affine", img, turn, shift, number("affine", "scale", scale, "above 0"), leaning, interpolation, fill, center, False)


def _moved(
    name: str,
    img: Any,
    turn: float,
    shift: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: Any,
    fill: Any,
    center: Any,
    expand: bool,
) -> Any:
    mode, fill = interpolation_of(name, interpolation), fill_of(name, 0 if fill is None else fill)
    fixed = None if center is None else pair_of(name, "center", center)

    def change(images: Any) -> Any:
        size = rotated_size(turn, *images.shape[2:]) if expand else None
        angle, x, y, by, lean_x, lean_y = (np.full(len(images), v) for v in (turn, *shift, scale, *shear))
        return affinely(images, angle, x, y, by, lean_x, lean_y, fixed, mode, fill, size)

    return on_images(name, img, change)


# --------------------------------------------------------------------------------------------------------- colours


def normalize(tensor: Any, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False) -> Any:
    """:class:`~minigrad.nn.data.transforms.Normalize` of one image, which stays as it is.

    >>> import minigrad as mg
    >>> from minigrad.nn.data.functional import normalize
    >>> image = mg.full((1, 1, 2), 3.0, requires_grad=True)
    >>> normalize(image, [1.0], [0.5]).sum().backward()
    >>> image.grad
    tensor([[[2., 2.]]])
    """
    return Normalize(mean, std)(tensor)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """:class:`~minigrad.nn.data.transforms.Grayscale` of one image."""
    return Grayscale(num_output_channels)(img)


to_grayscale = rgb_to_grayscale


def _recoloured(name: str, img: Any, change: Any, factor: float) -> Any:
    def applied(images: Any) -> Any:
        if images.shape[1] not in (1, 3):
            raise ShapeError(f"{name}: images have 1 channel or 3, not {images.shape[1]}")
        return change(images, np.full((1, 1, 1, 1), factor, images.dtype))

    return on_images(name, img, applied)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Values times the factor (0 is black, 1 changes nothing), at most 1.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import adjust_brightness
    >>> adjust_brightness(np.array([[[0.25, 0.75]]]), 2)
    array([[[0.5, 1. ]]])
    """
    factor = number("adjust_brightness", "brightness_factor", brightness_factor, "0 or above")
    return _recoloured("adjust_brightness", img, brightened, factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Distances from the mean grey times the factor (0 is grey, 1 changes nothing), within [0, 1]."""
    return _recoloured("adjust_contrast", img, contrasted, number("adjust_contrast", "contrast_factor", contrast_factor, "0 or above"))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Distances from the grey image times the factor (0 is without colour, 1 changes nothing), within [0, 1]."""
    factor = number("adjust_saturation", "saturation_factor", saturation_factor, "0 or above")
    return _recoloured("adjust_saturation", img, saturated, factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Distances from a slightly blurred image times the factor (0 is blurred, 1 changes nothing, 2 is sharper), within [0, 1]."""
    factor = number("adjust_sharpness", "sharpness_factor", sharpness_factor, "0 or above")
    return _recoloured("adjust_sharpness", img, sharpened, factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Colours moved around the circle by ``hue_factor`` of it, from -0.5 to 0.5."""
    low, high = -0.5, 0.5
    if not low <= number("adjust_hue", "hue_factor", hue_factor, "finite") <= high:
        raise ValueError(f"adjust_hue: hue_factor is from {low} to {high}, not {hue_factor}")
    return _recoloured("adjust_hue", img, hue_shifted, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * img ** gamma``, within [0, 1].

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import adjust_gamma
    >>> adjust_gamma(np.array([[[0.5, 1.0]]]), 2)
    array([[[0.25, 1.  ]]])
    """
    power, factor = number("adjust_gamma", "gamma", gamma, "0 or above"), number("adjust_gamma", "gain", gain, "finite")
    return on_images("adjust_gamma", img, lambda images: clamp(factor * images**power, 0, 1))


def invert(img: Any) -> Any:
    """``1 - img`` of floats, ``255 - img`` of bytes."""
    return on_images(
        "invert", img, lambda images: (1 if images.dtype.kind == "f" else int(np.iinfo(images.dtype).max)) - images, floats=False
    )


def solarize(img: Any, threshold: float) -> Any:
    """:func:`invert` of the values that are ``threshold`` or above, which is at most 1 for floats.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import solarize
    >>> solarize(np.array([[[0.25, 0.75]]]), 0.5), solarize(np.array([[[50, 200]]], np.uint8), 128)
    (array([[[0.25, 0.25]]]), array([[[50, 55]]], dtype=uint8))
    """
    limit = number("solarize", "threshold", threshold, "finite")

    def change(images: Any) -> Any:
        white = 1 if images.dtype.kind == "f" else int(np.iinfo(images.dtype).max)
        if limit > white:  # no value would be inverted
            raise ValueError(f"solarize: threshold must be at most {white}, white in images of {images.dtype.name}, but is {threshold}")
        return where(images >= limit, invert(images), images)

    return on_images("solarize", img, change, floats=False)


def autocontrast(img: Any) -> Any:
    """The values of each channel stretched to [0, 1]; a channel with one value stays."""

    def change(images: Any) -> Any:
        low, high = amin(images, (2, 3), keepdim=True), amax(images, (2, 3), keepdim=True)
        flat = np.asarray(low.detach() if isinstance(low, Tensor) else low) == np.asarray(
            high.detach() if isinstance(high, Tensor) else high
        )
        return clamp((images - where(flat, 0.0, low)) / where(flat, 1.0, high - low), 0, 1)

    return on_images("autocontrast", img, change)


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """The image blurred with weights of a bell curve.

    Args:
        img: of floats, larger than half the window.
        kernel_size: of the window, odd: ``(width, height)`` or a number for both.
        sigma: the curve's standard deviation in pixels, across and down; by default 0.15 times the window's side, and 0.35.

    >>> import numpy as np
    >>> from minigrad.nn.data.functional import gaussian_blur
    >>> gaussian_blur(np.eye(3)[None], 3, 10.0).round(2)[0, 1]
    array([0.33, 0.33, 0.33])
    """
    # torchvision's order of kernel_size is (width, height), unlike that of sizes of images
    size = odd_size_of("gaussian_blur", kernel_size)
    if sigma is None:
        widths = tuple(0.3 * ((k - 1) * 0.5 - 1) + 0.8 for k in size)
    else:
        given = (sigma,) if isinstance(sigma, (int, float)) else tuple(sigma)
        widths = pair_of("gaussian_blur", "sigma", given * 2 if len(given) == 1 else given)
    if not min(widths) > 0:
        raise ValueError(f"gaussian_blur: sigma must be above 0, not {sigma}")
    return on_images("gaussian_blur", img, lambda images: blurred(images, size, widths))
