"""Transforms between the forms of an image: of PIL, bytes, floats, with torchvision's names, those of ``transforms.v2`` among them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine import dtype_of
from minigrad.nn.data.functional import convert_image_dtype, pil_to_tensor, to_pil_image
from minigrad.nn.data.pixels import cast_to, channels_first
from minigrad.tensor import Tensor

__all__ = ["ConvertImageDtype", "PILToTensor", "ToDtype", "ToImage", "ToPILImage"]


class _Form:
    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in vars(self).items() if value is not None)})"


class ToPILImage(_Form):
    """:func:`~minigrad.nn.data.functional.to_pil_image`: ``torchvision.transforms.ToPILImage``."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return to_pil_image(pic, self.mode)


class PILToTensor(_Form):
    """:func:`~minigrad.nn.data.functional.pil_to_tensor`: ``torchvision.transforms.PILToTensor``."""

    def __call__(self, pic: Any) -> Tensor:
        return pil_to_tensor(pic)


class ConvertImageDtype(_Form):
    """:func:`~minigrad.nn.data.functional.convert_image_dtype`: ``torchvision.transforms.ConvertImageDtype``.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import ConvertImageDtype
    >>> ConvertImageDtype(mg.float32)(mg.tensor([[[0, 255]]], dtype=mg.uint8))
    tensor([[[0., 1.]]])
    """

    batched = True

    def __init__(self, dtype: Any):
        self.dtype = dtype_of("ConvertImageDtype", dtype)

    def __call__(self, image: Any) -> Any:
        return convert_image_dtype(image, self.dtype)


class ToImage(_Form):
    """An image of PIL or an array (H, W, C) or (H, W) as a Tensor (C, H, W) with the same values: ``torchvision.transforms.v2.ToImage``.

    A Tensor is returned as it is.

    >>> import numpy as np
    >>> from minigrad.nn.data import ToImage
    >>> ToImage()(np.full((4, 6, 3), 51, np.uint8)).shape
    torch.Size([3, 4, 6])
    """

    def __call__(self, image: Any) -> Any:
        if hasattr(image, "getbands"):
            return pil_to_tensor(image)
        if isinstance(image, Tensor):
            return image
        array = np.asarray(image)
        if array.ndim not in (2, 3):
            raise ValueError(f"ToImage: an image is (H, W) or (H, W, C), not {array.shape}")
        return channels_first(array)


class ToDtype(_Form):
    """The image in another dtype, scaled to the dtype's range if ``scale``: ``torchvision.transforms.v2.ToDtype``.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import ToDtype
    >>> ToDtype(mg.float32, scale=True)(mg.tensor([[[0, 255]]], dtype=mg.uint8))
    tensor([[[0., 1.]]])
    """

    batched = True

    def __init__(self, dtype: Any, scale: bool = False):
        self.dtype, self.scale = dtype_of("ToDtype", dtype), scale

    def __call__(self, image: Any) -> Any:
        return convert_image_dtype(image, self.dtype) if self.scale else cast_to(self.dtype, image)
