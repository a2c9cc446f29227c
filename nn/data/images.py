"""Images of tensors: several in one, and as a file."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from minigrad.engine import ShapeError, wrap
from minigrad.files.atomic import whole_file
from minigrad.files.png import png
from minigrad.tensor import Tensor
from minigrad.tree import array_of


def make_grid(
    tensor: Tensor | Sequence[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images beside and below one another in one image (C, H, W): ``torchvision.utils.make_grid``.

    Args:
        tensor: a batch (N, C, H, W), a list of images (C, H, W), one of them, or (H, W); one channel becomes three.
        nrow: images in a row.
        padding: pixels between them, and around all.
        normalize: shift and scale to [0, 1]: ``value_range``, by default the smallest and the largest number.
        value_range: what becomes 0 and 1; numbers outside are clipped.
        scale_each: find the range of each image by itself.
        pad_value: of the pixels between.

    Raises ``ShapeError`` for no image, or another number of dimensions.

    >>> import minigrad as mg
    >>> from minigrad.nn.data.images import make_grid
    >>> make_grid(mg.rand(10, 1, 28, 28), nrow=5).shape
    torch.Size([3, 62, 152])
    """
    several = isinstance(tensor, (list, tuple))
    images: Any = np.stack([array_of(t) for t in tensor]) if several and tensor else np.zeros(0) if several else array_of(tensor)
    if images.size == 0:
        raise ShapeError("make_grid: there is no image")
    if not 2 <= images.ndim <= 4:
        raise ShapeError(f"make_grid: images are (N, C, H, W), (C, H, W) or (H, W), not {images.shape}")
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    if images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    if normalize:
        images = np.stack([_scaled(x, value_range) for x in images]) if scale_each else _scaled(images, value_range)
    n, channels, height, width = images.shape
    if n == 1:
        return wrap(np.array(images[0]))
    columns = min(nrow, n)
    rows = math.ceil(n / columns)
    grid = np.full((channels, rows * (height + padding) + padding, columns * (width + padding) + padding), pad_value, images.dtype)
    for i, image in enumerate(images):
        top, left = padding + i // columns * (height + padding), padding + i % columns * (width + padding)
        grid[:, top : top + height, left : left + width] = image
    return wrap(grid)


def _scaled(x: np.ndarray, value_range: tuple[float, float] | None) -> np.ndarray:
    low, high = (float(x.min()), float(x.max())) if value_range is None else value_range
    return (np.clip(x, low, high) - x.dtype.type(low)) / x.dtype.type(max(high - low, 1e-5))


def save_image(tensor: Tensor | Sequence[Tensor], fp: str | os.PathLike[str] | IO[bytes], format: str | None = None, **grid: Any) -> None:
    """Write images, numbers from 0 to 1, as one png file: ``torchvision.utils.save_image``.

    Args:
        tensor: what :func:`make_grid` takes.
        fp: a path that ends in ``.png``, or a binary file.
        format: ``"png"``.
        grid: the other arguments of :func:`make_grid`.

    Raises ``ValueError`` for another format.

    >>> import io, minigrad as mg
    >>> from minigrad.nn.data.images import save_image
    >>> file = io.BytesIO()
    >>> save_image(mg.rand(4, 1, 8, 8), file)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    kind = format or (os.path.splitext(fp)[1][1:] if isinstance(fp, (str, os.PathLike)) else "png")
    if kind.lower() != "png":
        raise ValueError(f"save_image: images are written as png, not as {kind!r}")
    pixels = np.clip(array_of(make_grid(tensor, **grid)) * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)  # H W C
    with whole_file(fp) if isinstance(fp, (str, os.PathLike)) else contextlib.nullcontext(fp) as file:
        file.write(png(pixels))
