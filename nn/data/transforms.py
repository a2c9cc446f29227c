"""Transforms of images, with torchvision's names and arguments: arrays in, arrays out, or Tensors in, Tensors out.

They take one image (C, H, W) or a batch (N, C, H, W). The attribute ``batched = True`` says so: a dataset that makes whole batches applies
such a transform once to the batch, and any other callable to each image. An image of PIL is taken too, and becomes floats (C, H, W) in
[0, 1], so that ``ToTensor`` may come last. Gradients flow through the transforms of a Tensor that requires one. Random numbers are drawn separately for each image of a batch, from the process's generator or
from the ``generator`` given to the transform. In a :class:`DataLoader` use the process's generator: its draws do not depend on the number of
workers. A transform's own generator would be copied into each worker, so it is refused there.
"""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.nn.data.pixels import (
    affine,
    angles_of,
    blurred,
    brightened,
    contrasted,
    fill_of,
    gray,
    hue_shifted,
    inside,
    interpolation_of,
    odd_size_of,
    own,
    padded,
    padding_mode_of,
    padding_of,
    pair_of,
    per_channel,
    pixels_of,
    range_of,
    rectangles,
    resample,
    saturated,
    size_of,
)
from minigrad.nn.data.workers import get_worker_info
from minigrad.ops.arguments import check, number, numbers
from minigrad.ops.elementwise import where
from minigrad.ops.shape import cat, flip, stack
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor, as_tensor

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "Cutout", "FiveCrop", "GaussianBlur", "Grayscale", "InterpolationMode", "Lambda", "Normalize", "Pad",
    "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomOrder",
    "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize", "TenCrop", "ToTensor",
]  # fmt: skip


class _Shown:
    """A transform that is shown as torchvision's of its name: by default the attributes that bear the names of parameters."""

    def _options(self) -> dict[str, Any]:
        values = {name: getattr(self, name, None) for name in inspect.signature(type(self)).parameters}
        return {name: value for name, value in values.items() if value is not None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self._options().items())})"


def _listed(transform: Any, transforms: Sequence[Any], *first: str) -> str:
    """The text of a transform that has others, a line for each."""
    return "\n".join([f"{type(transform).__name__}(", *[f"    {line}" for line in (*first, *transforms)], ")"])


def _in_a_list(ranges: Sequence[Sequence[float]]) -> list[float]:
    """Ranges of angles as torchvision has them, [-10.0, 10.0]."""
    return [float(angle) for limits in ranges for angle in limits]


class _Images(_Shown):
    """Base of transforms of images: a subclass defines ``_apply`` for a batch (N, C, H, W)."""

    batched = True
    generator: Generator | None = None
    floats = False  # whether floats are needed

    def __call__(self, x: Any) -> Any:
        return on_images(type(self).__name__, x, self._apply, self.floats)

    def _apply(self, images: Any) -> Any:
        raise NotImplementedError

    def _rng(self) -> np.random.Generator:
        if self.generator is not None and get_worker_info() is not None:
            raise RuntimeError(
                f"{type(self).__name__}: its own generator was copied into every worker of the DataLoader, and each would draw the same; "
                "leave generator out, and seed by mg.manual_seed() or DataLoader(generator=...)"
            )
        return numpy_generator(self.generator)


def on_images(name: str, x: Any, change: Callable[[Any], Any], floats: bool = True) -> Any:
    """``change`` of a batch (N, C, H, W), for ``x`` of any form that transforms take; ``floats``: whether nothing else is taken.

    A Tensor that needs no gradient is changed as an array is, which is faster.
    """
    if hasattr(x, "getbands"):  # an image of PIL: floats with the channels first, as a dataset here gives them
        x = ToTensor()(x).numpy()
    images = x.numpy() if isinstance(x, Tensor) and not x.requires_grad else x
    if not isinstance(images, (np.ndarray, Tensor)):
        raise TypeError(f"{name}: an array or a Tensor is needed, or an image of PIL, not {type(x).__name__}")
    if images.ndim not in (3, 4):
        raise ShapeError(f"{name}: images are (C, H, W) or (N, C, H, W), not {tuple(images.shape)}")
    if floats and images.dtype.kind != "f":
        raise TypeError(
            f"{name}: images of floats are needed, not {images.dtype.name}; ToDtype(np.float32, scale=True), or ConvertImageDtype(), before it "
            "makes such"
        )
    out = change(images) if images.ndim == 4 else change(images[None])[0]
    return as_tensor(out) if isinstance(x, Tensor) else out


class Compose:
    """Transforms one after the other: ``torchvision.transforms.Compose``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Compose, Normalize
    >>> float(Compose([Normalize(0.5, 0.5), np.abs])(np.zeros((1, 2, 2))).max())
    1.0
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        check("Compose", locals(), transforms="a list of functions")
        self.transforms = list(transforms)

    @property
    def batched(self) -> bool:
        """Whether all of them take batches."""
        return all(getattr(t, "batched", False) for t in self.transforms)

    def __call__(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        return _listed(self, self.transforms)


class Lambda(_Shown):
    """A function as a transform: ``torchvision.transforms.Lambda``. ``batched=True`` says that it takes batches as well.

    >>> import numpy as np
    >>> from minigrad.nn.data import Lambda
    >>> Lambda(np.negative, batched=True)(np.ones((1, 1, 1)))
    array([[[-1.]]])
    """

    def __init__(self, lambd: Callable[[Any], Any], batched: bool = False):
        check("Lambda", locals(), lambd="a function")
        self.lambd, self.batched = lambd, batched

    def _options(self) -> dict[str, Any]:
        return {}

    def __call__(self, x: Any) -> Any:
        return self.lambd(x)


class _Modes(enum.EnumMeta):
    """What says of an interpolation that is not here which ones are."""

    def __getattr__(cls, name: str) -> Any:
        members = vars(cls).get("_member_map_", {})
        if name in members:  # Python 3.11 looks members up by this method
            return members[name]
        raise AttributeError(f"InterpolationMode has no {name}: {' and '.join(members)} are here", name=name, obj=cls)


class InterpolationMode(enum.Enum, metaclass=_Modes):
    """Names of interpolations: ``torchvision.transforms.InterpolationMode``. Bicubic and other wider ones are not here."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class _Chosen(_Images):
    """Transforms that are chosen, or put in order, for each image by itself."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], generator: Generator | None = None):
        check(type(self).__name__, locals(), "generator", transforms="a list of functions", generator=Generator)
        self.transforms, self.generator = list(transforms), generator

    def _order(self) -> Sequence[int]:
        return self._rng().permutation(len(self.transforms)).tolist()

    def _apply(self, images: Any) -> Any:
        changed: list[Any] = []
        for image in images:
            for i in self._order():
                image = self.transforms[i](image)
            changed.append(image if isinstance(image, (np.ndarray, Tensor)) else np.asarray(image))
        return stack(changed)

    def __repr__(self) -> str:
        return _listed(self, self.transforms)


class RandomOrder(_Chosen):
    """All transforms, for each image in an order of its own: ``torchvision.transforms.RandomOrder``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Normalize, RandomOrder
    >>> RandomOrder([Normalize(1.0, 1.0), Normalize(2.0, 1.0)])(np.ones((1, 1, 2)))
    array([[[-2., -2.]]])
    """


class RandomChoice(_Chosen):
    """One of the transforms for each image: ``torchvision.transforms.RandomChoice``.

    ``p``: the weight of each transform; by default they are equal. Raises ``ValueError`` for another number of weights.

    >>> import numpy as np
    >>> from minigrad.nn.data import Normalize, RandomChoice
    >>> RandomChoice([Normalize(1.0, 1.0), Normalize(2.0, 1.0)], p=[0, 1])(np.ones((1, 1, 2)))
    array([[[-1., -1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None, generator: Generator | None = None):
        super().__init__(transforms, generator)
        self.p = None if p is None else numbers("RandomChoice", "p", p)
        if self.p is not None and (self.p.shape != (len(self.transforms),) or not (self.p >= 0).all() or not self.p.sum() > 0):
            raise ValueError(f"RandomChoice: p must be {len(self.transforms)} weights of 0 or above, not all 0, not {p!r:.60}")

    def _order(self) -> Sequence[int]:
        return [int(self._rng().choice(len(self.transforms), p=None if self.p is None else self.p / self.p.sum()))]

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={None if self.p is None else self.p.tolist()})"


class RandomApply(_Images):
    """The transforms, one after the other, with probability ``p`` for each image: ``torchvision.transforms.RandomApply``.

    Args:
        transforms: transforms that keep the shape of an image.
        p: the probability.
        generator: default: the process's generator.

    Raises:
        ShapeError: a transform changed the shape.

    >>> import numpy as np
    >>> from minigrad.nn.data import Normalize, RandomApply
    >>> RandomApply([Normalize(1.0, 1.0)], p=1.0)(np.ones((1, 1, 2)))
    array([[[0., 0.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5, generator: Generator | None = None):
        check("RandomApply", locals(), "generator", transforms="a list of functions", p="from 0 to 1", generator=Generator)
        self.transforms = Compose(transforms)
        self.p = p
        self.generator = generator

    def __repr__(self) -> str:
        return _listed(self, self.transforms.transforms, f"p={self.p}")

    def _apply(self, images: Any) -> Any:
        chosen = np.flatnonzero(self._rng().random(len(images)) < self.p)
        if not len(chosen):
            return images
        one_by_one = not self.transforms.batched
        changed = stack([self.transforms(images[i]) for i in chosen]) if one_by_one else self.transforms(images[chosen])
        if changed.shape[1:] != images.shape[1:]:
            raise ShapeError(f"RandomApply: the transforms made images {changed.shape[1:]} of images {images.shape[1:]}")
        out = images.astype(changed.dtype) if isinstance(images, np.ndarray) else images.to(changed.dtype, copy=True)
        out[chosen] = changed
        return out


class ToTensor(_Shown):
    """An image as a Tensor with the channels first: ``torchvision.transforms.ToTensor``.

    ==============================================  ========================================================================
    an image                                        the Tensor
    ==============================================  ========================================================================
    of the library PIL, or bytes (H, W, C), (H, W)  float32 (C, H, W) in [0, 1]
    another array (H, W, C), (H, W)                 (C, H, W); values and dtype stay
    floats (C, H, W), as a dataset here gives them  the same (C, H, W): the channels, 1 or 3, are first already
    batches with N in front                         batches
    ==============================================  ========================================================================

    Raises:
        ShapeError: another number of dimensions; bytes with the channels first (torchvision would treat rows as channels); or floats
            that may have either order.
        TypeError: no image, or already a Tensor.

    >>> import numpy as np
    >>> from minigrad.nn.data import ToTensor
    >>> ToTensor()(np.full((4, 6, 3), 51, np.uint8)).shape, ToTensor()(np.array([[51]], np.uint8))
    (torch.Size([3, 4, 6]), tensor([[[0.2000]]]))
    >>> ToTensor()(np.zeros((1, 28, 28), np.float32)).shape
    torch.Size([1, 28, 28])
    """

    batched = True

    def __call__(self, pic: Any) -> Tensor:
        if isinstance(pic, Tensor):
            raise TypeError("ToTensor: this is a Tensor already; leave ToTensor out")
        of_pil = hasattr(pic, "getbands")
        if not of_pil and not isinstance(pic, np.ndarray):
            raise TypeError(f"ToTensor: an array or an image of PIL is needed, not {type(pic).__name__}")
        array = np.asarray(pic)
        if array.ndim not in (2, 3, 4) or array.dtype.kind not in "fiub":
            raise ShapeError(f"ToTensor: images are (H, W), (H, W, C) or (N, H, W, C), not {array.shape} of {array.dtype}")
        if of_pil and array.dtype == np.bool_:
            array = array.astype(np.uint8) * 255  # an image of mode "1", black and white
        if array.ndim == 2:
            array = array[..., None]
        if of_pil or not self._channels_first(array):
            array = np.moveaxis(array, -1, -3)
        array = np.array(array, order="C")  # the Tensor's own
        return as_tensor(np.divide(array, 255, dtype=np.float32) if array.dtype == np.uint8 else array)

    @staticmethod
    def _channels_first(array: np.ndarray) -> bool:
        """Whether the layout is (..., C, H, W), as in this module's transforms of floats, and not (..., H, W, C)."""
        first, last = array.shape[-3], array.shape[-1]
        if first not in (1, 3) or (last <= 4 and array.dtype.kind != "f"):
            return False
        if array.dtype.kind != "f":
            raise ShapeError(
                f"ToTensor: an image of {array.dtype} is (H, W, C), and {array.shape} seems to have the channels first; "
                "np.moveaxis(image, -3, -1) moves them to the end, and as_tensor(image) / 255 needs no ToTensor"
            )
        if last <= 4:
            raise ShapeError(
                f"ToTensor: floats of shape {array.shape} may be (H, W, C) or (C, H, W); as_tensor(image) leaves the shape as it is, "
                "and as_tensor(np.moveaxis(image, -1, -3)) has the channels, which are last, first"
            )
        return True


class Normalize(_Images):
    """``(x - mean) / std`` for each channel, with one number for all channels or one for each: ``torchvision.transforms.Normalize``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Normalize
    >>> Normalize([1.0, 2.0], [1.0, 0.5])(np.full((2, 1, 1), 3.0)).ravel()
    array([2., 2.])
    """

    floats = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False):
        self.mean, self.std = mean, std
        self._channels = [np.reshape(numbers("Normalize", what, x), (-1, 1, 1)) for what, x in (("mean", mean), ("std", std))]
        self.inplace = inplace  # only for compatibility with torchvision: the input is never changed
        if not (self._channels[1] > 0).all():
            raise ValueError(f"Normalize: std must be above 0, but is {std}")

    def _options(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std}

    def _apply(self, images: Any) -> Any:
        for values in self._channels:
            if len(values) not in (1, images.shape[1]):
                raise ShapeError(f"Normalize: {len(values)} channels are described, but the images {images.shape} have {images.shape[1]}")
        mean, std = [values.astype(images.dtype) for values in self._channels]
        return (images - mean) / std


# ------------------------------------------------------------------------------------------------- crops and sizes


class Pad(_Images):
    """Padding around the image: ``torchvision.transforms.Pad``.

    Args:
        padding: a number for all sides, ``(left and right, top and bottom)``, or ``(left, top, right, bottom)``.
        fill: the value of the new pixels, or one for each channel, if ``padding_mode`` is ``"constant"``.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    >>> import numpy as np
    >>> from minigrad.nn.data import Pad
    >>> Pad((1, 0), padding_mode="edge")(np.array([[[1, 2]]]))
    array([[[1, 1, 2, 2]]])
    """

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"):
        self.padding, self._given = padding_of("Pad", padding), padding
        self.fill, self.padding_mode = fill_of("Pad", fill), padding_mode_of("Pad", padding_mode)

    def _options(self) -> dict[str, Any]:
        return {"padding": self._given, "fill": self.fill, "padding_mode": self.padding_mode}

    def _apply(self, images: Any) -> Any:
        return padded(images, self.padding, self.fill, self.padding_mode)


class RandomCrop(_Images):
    """A window of each image at a random position: ``torchvision.transforms.RandomCrop``.

    Args:
        size: of the window: ``(height, width)``, or a number for both.
        padding: padding before the crop, as in :class:`Pad`.
        pad_if_needed: enlarge images that are smaller than the window, on both sides.
        fill, padding_mode: as in :class:`Pad`.
        generator: default: the process's generator.

    Raises:
        ShapeError: an image smaller than the window.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomCrop
    >>> RandomCrop(32, padding=4, padding_mode="reflect")(np.zeros((8, 3, 32, 32))).shape
    (8, 3, 32, 32)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
        generator: Generator | None = None,
    ):
        self.size = size_of("RandomCrop", size)
        self.padding, self._given = (0, 0, 0, 0) if padding is None else padding_of("RandomCrop", padding), padding
        self.pad_if_needed, self.fill = pad_if_needed, fill_of("RandomCrop", fill)
        self.padding_mode = padding_mode_of("RandomCrop", padding_mode)
        check("RandomCrop", locals(), "generator", generator=Generator)
        self.generator = generator

    def _options(self) -> dict[str, Any]:
        return {"size": self.size, "padding": self._given}

    def _apply(self, images: Any) -> Any:
        images = padded(images, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        if self.pad_if_needed:
            y, x = max(height - images.shape[2], 0), max(width - images.shape[3], 0)
            images = padded(images, (x, y, x, y), self.fill, self.padding_mode)
        n, _, h, w = images.shape
        if height > h or width > w:
            raise ShapeError(f"RandomCrop: a window of {height}x{width} does not fit images of {h}x{w}")
        rng = self._rng()
        top, left = rng.integers(h - height + 1, size=n), rng.integers(w - width + 1, size=n)
        if not isinstance(images, np.ndarray):
            return stack([image[:, y : y + height, x : x + width] for image, y, x in zip(images, top.tolist(), left.tolist(), strict=True)])
        windows = np.lib.stride_tricks.sliding_window_view(images, self.size, axis=(2, 3))
        return windows[np.arange(n), :, top, left]


class CenterCrop(_Images):
    """The window in the middle; a smaller image gets zeros around it: ``torchvision.transforms.CenterCrop``.

    >>> import numpy as np
    >>> from minigrad.nn.data import CenterCrop
    >>> CenterCrop((1, 2))(np.arange(12).reshape(1, 3, 4))
    array([[[5, 6]]])
    """

    def __init__(self, size: int | Sequence[int]):
        self.size = size_of("CenterCrop", size)

    def _apply(self, images: Any) -> Any:
        height, width = self.size
        y, x = max(height - images.shape[2], 0), max(width - images.shape[3], 0)
        images = padded(images, (x // 2, y // 2, (x + 1) // 2, (y + 1) // 2), 0, "constant")
        top, left = round((images.shape[2] - height) / 2), round((images.shape[3] - width) / 2)
        return own(images[:, :, top : top + height, left : left + width])


class Resize(_Images):
    """Images resized by interpolation: ``torchvision.transforms.Resize`` on tensors.

    Args:
        size: ``(height, width)``; a number is the length of the shorter side, with the aspect ratio kept.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        max_size: with a number for ``size``: the largest length of the longer side.
        antialias: if the image becomes smaller, average over all pixels that an output pixel covers (``"bilinear"`` only).

    >>> import numpy as np
    >>> from minigrad.nn.data import Resize
    >>> Resize(2)(np.zeros((3, 4, 6))).shape
    (3, 2, 3)
    >>> Resize((1, 2), antialias=False)(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    array([[[1.5, 3.5]]])
    """

    floats = True

    def __init__(
        self, size: int | Sequence[int], interpolation: Any = "bilinear", max_size: int | None = None, antialias: bool | None = True
    ):
        self.size = pixels_of("Resize", "size", size, 1, (1, 2), "a number of pixels or (height, width)")
        check("Resize", locals(), "max_size", max_size=1)
        if max_size is not None and (len(self.size) == 2 or max_size < self.size[0]):
            raise ValueError(f"Resize: max_size={max_size} goes with a number for size, and is not below it, but size={size}")
        self.interpolation, self.max_size = interpolation_of("Resize", interpolation), max_size
        self.antialias, self._given = bool(antialias), size

    def _options(self) -> dict[str, Any]:
        return {"size": self._given, "interpolation": self.interpolation, "max_size": self.max_size, "antialias": self.antialias}

    def _apply(self, images: Any) -> Any:
        h, w = images.shape[2:]
        size = self.size if len(self.size) == 2 else self._from_shorter(h, w)
        if size == (h, w):
            return images
        zero = np.zeros(1)
        return resample(images, size, zero, zero, zero + h, zero + w, self.interpolation, self.antialias)

    def _from_shorter(self, h: int, w: int) -> tuple[int, int]:
        shorter, longer = self.size[0], int(self.size[0] * max(h, w) / min(h, w))
        if self.max_size is not None and longer > self.max_size:
            shorter, longer = int(self.max_size * shorter / longer), self.max_size
        return (shorter, longer) if h <= w else (longer, shorter)


class RandomResizedCrop(_Images):
    """A window of random size, aspect ratio and position in each image, resized: ``torchvision.transforms.RandomResizedCrop``.

    Args:
        size: of the result: ``(height, width)``, or a number for both.
        scale: the window's area, ``(low, high)`` as a fraction of the image's.
        ratio: its width over its height, ``(low, high)``; drawn evenly on a logarithmic scale.
        interpolation, antialias: as in :class:`Resize`.
        generator: default: the process's generator.

    A window that does not fit is drawn again; after ten draws it is the largest window in the middle of the image with an allowed ratio.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomResizedCrop
    >>> RandomResizedCrop(16)(np.zeros((8, 3, 40, 30), np.float32)).shape
    (8, 3, 16, 16)
    """

    floats = True

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = "bilinear",
        antialias: bool | None = True,
        generator: Generator | None = None,
    ):
        check("RandomResizedCrop", locals(), "generator", generator=Generator)
        self.size = size_of("RandomResizedCrop", size)
        self.scale = range_of("RandomResizedCrop", "scale", scale)
        self.ratio = range_of("RandomResizedCrop", "ratio", ratio)
        self.interpolation, self.antialias = interpolation_of("RandomResizedCrop", interpolation), bool(antialias)
        self.generator = generator

    def _options(self) -> dict[str, Any]:
        rounded = {name: tuple(round(limit, 4) for limit in getattr(self, name)) for name in ("scale", "ratio")}
        return {"size": self.size, **rounded, "interpolation": self.interpolation, "antialias": self.antialias}

    def _apply(self, images: Any) -> Any:
        n, _, h, w = images.shape
        top, left, height, width, found = rectangles(self._rng(), n, (h, w), self.scale, self.ratio, largest=(h, w))
        if not found.all():
            low, high = self.ratio
            middle_h, middle_w = (round(w / low), w) if w / h < low else (h, round(h * high)) if w / h > high else (h, w)
            height, width = np.where(found, height, middle_h), np.where(found, width, middle_w)
            top, left = np.where(found, top, (h - middle_h) // 2), np.where(found, left, (w - middle_w) // 2)
        return resample(images, self.size, top, left, height, width, self.interpolation, self.antialias)


# ------------------------------------------------------------------------------------------------ turns and mirrors


class _RandomFlip(_Images):
    axis: int

    def __init__(self, p: float = 0.5, generator: Generator | None = None):
        check(type(self).__name__, locals(), "generator", p="from 0 to 1", generator=Generator)
        self.p = p
        self.generator = generator

    def _apply(self, images: Any) -> Any:
        chosen = self._rng().random(len(images)) < self.p
        out = own(images)
        out[chosen] = flip(images[chosen], (self.axis,))
        return out


class RandomHorizontalFlip(_RandomFlip):
    """A horizontal flip, with probability ``p`` for each image: ``torchvision.transforms.RandomHorizontalFlip``.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomHorizontalFlip
    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1, 2, 3]]]))
    array([[[3, 2, 1]]])
    """

    axis = 3


class RandomVerticalFlip(_RandomFlip):
    """A vertical flip, with probability ``p`` for each image: ``torchvision.transforms.RandomVerticalFlip``.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomVerticalFlip
    >>> RandomVerticalFlip(p=1.0)(np.array([[[1], [2]]])).ravel()
    array([2, 1])
    """

    axis = 2


class RandomAffine(_Images):
    """Rotate, shift, scale and shear each image by separate random amounts: ``torchvision.transforms.RandomAffine``.

    Unlike torchvision's, it interpolates by default, and shifts need not be whole pixels.

    Args:
        degrees: ``d`` for angles in (-d, d), or ``(low, high)``; positive is clockwise.
        translate: ``(a, b)``: shifts up to ``a`` of the width and ``b`` of the height either way.
        scale: ``(low, high)``.
        shear: ``s`` for angles in (-s, s) along x, ``(low, high)`` for these, or four numbers for angles along x and along y.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill: the value around the image, or one for each channel.
        center: ``(x, y)``, the fixed point, from the upper left corner; default: the middle.
        generator: default: the process's generator.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomAffine
    >>> image = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    >>> RandomAffine((90, 90))(image)
    array([[[2., 0.],
            [3., 1.]]], dtype=float32)
    """

    floats = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = "bilinear",
        fill: float | Sequence[float] = 0,
        center: Sequence[float] | None = None,
        generator: Generator | None = None,
    ):
        check("RandomAffine", locals(), "generator", generator=Generator)
        self.degrees = angles_of("RandomAffine", "degrees", degrees)
        self.translate = (0.0, 0.0) if translate is None else pair_of("RandomAffine", "translate", translate)
        self.scale = (1.0, 1.0) if scale is None else pair_of("RandomAffine", "scale", scale)
        self.shear: tuple[tuple[float, float], ...] = ()  # ranges along x, along y
        if shear is not None:
            values = (shear,) if isinstance(shear, (int, float, str)) else tuple(shear)
            if len(values) not in (1, 2, 4):
                raise ValueError(f"RandomAffine: shear is a number, a pair, or four numbers, not {shear}")
            halves = (values[0],) if len(values) == 1 else (values[:2], values[2:])
            self.shear = tuple(angles_of("RandomAffine", "shear", half) for half in halves if half != ())
        self.interpolation, self.fill = interpolation_of("RandomAffine", interpolation), fill_of("RandomAffine", fill)
        self.center = None if center is None else pair_of("RandomAffine", "center", center)
        self.generator = generator
        if not all(0 <= t <= 1 for t in self.translate):
            raise ValueError(f"RandomAffine: translate holds fractions between 0 and 1, not {translate}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"RandomAffine: scale is (low, high) with 0 < low <= high, not {scale}")
        self._given = {"translate": translate, "scale": scale, "shear": _in_a_list(self.shear) or None}

    def _options(self) -> dict[str, Any]:
        shown = {**self._given, "interpolation": self.interpolation, "fill": self.fill, "center": self.center}
        silent = {"interpolation": "nearest", "fill": 0}  # torchvision's defaults, of which it says nothing
        return {"degrees": _in_a_list([self.degrees]), **{name: x for name, x in shown.items() if x != silent.get(name)}}

    def _apply(self, images: Any) -> Any:
        n, _, h, w = images.shape
        rng = self._rng()
        angle = np.deg2rad(rng.uniform(*self.degrees, size=n))
        shift_x, shift_y = (rng.uniform(-t, t, size=n) * side for t, side in zip(self.translate, (w, h), strict=True))
        scale: Any = rng.uniform(*self.scale, size=n)
        shears = [np.deg2rad(rng.uniform(*limits, size=n)) for limits in self.shear]
        shear_x, shear_y = (shears + [np.zeros(n)] * 2)[:2]
        return affine(images, angle, shift_x, shift_y, scale, shear_x, shear_y, self.center, self.interpolation, self.fill)


class RandomRotation(_Images):
    """Rotate each image by a random angle: ``torchvision.transforms.RandomRotation``.

    Args:
        degrees: ``d`` for angles in (-d, d), or ``(low, high)``; positive is counter-clockwise.
        interpolation: ``"nearest"`` or ``"bilinear"``.
        expand: True is refused, because it would give each image another size.
        center, fill, generator: as in :class:`RandomAffine`.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomRotation
    >>> RandomRotation((90, 90))(np.arange(4.0).reshape(1, 2, 2))
    array([[[1., 3.],
            [0., 2.]]])
    """

    floats = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] = 0,
        generator: Generator | None = None,
    ):
        check("RandomRotation", locals(), "generator", generator=Generator)
        if expand:
            raise ValueError("RandomRotation: expand=True would give each image of a batch a size of its own")
        self.degrees = angles_of("RandomRotation", "degrees", degrees)
        self.interpolation, self.fill = interpolation_of("RandomRotation", interpolation), fill_of("RandomRotation", fill)
        self.center = None if center is None else pair_of("RandomRotation", "center", center)
        self.generator = generator

    def _options(self) -> dict[str, Any]:
        center = {} if self.center is None else {"center": self.center}
        return {"degrees": _in_a_list([self.degrees]), "interpolation": self.interpolation, "expand": False, **center, "fill": self.fill}

    def _apply(self, images: Any) -> Any:
        angle = -np.deg2rad(self._rng().uniform(*self.degrees, size=len(images)))
        none = np.zeros(len(images))
        return affine(images, angle, none, none, np.ones(len(images)), none, none, self.center, self.interpolation, self.fill)


# --------------------------------------------------------------------------------------------------- holes, colours


class RandomErasing(_Images):
    """Overwrite a random rectangle of each image, with probability ``p``: ``torchvision.transforms.RandomErasing``.

    Args:
        p: the probability.
        scale: the rectangle's area, ``(low, high)`` as a fraction of the image's.
        ratio: its height over its width, ``(low, high)``; drawn evenly on a logarithmic scale.
        value: the new value: a number, one for each channel, or ``"random"`` for normal noise.
        inplace: only for compatibility with torchvision; the input is never changed.
        generator: default: the process's generator.

    A rectangle that does not fit is drawn again; after ten draws the image is left unchanged.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomErasing
    >>> erased = RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1, 1))(np.ones((5, 3, 8, 8)))
    >>> (erased == 0).sum((2, 3))[:, 0]
    array([16, 16, 16, 16, 16])
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
        generator: Generator | None = None,
    ):
        check("RandomErasing", locals(), "generator", p="from 0 to 1", generator=Generator)
        if isinstance(value, str) and value != "random":
            raise ValueError(f'RandomErasing: value is a number, one for each channel, or "random", not {value!r}')
        if not isinstance(value, str):
            fill_of("RandomErasing", value, "value")
        self.p = p
        self.scale, self.ratio = range_of("RandomErasing", "scale", scale), range_of("RandomErasing", "ratio", ratio)
        if self.scale[1] > 1:
            raise ValueError(f"RandomErasing: scale is a fraction of the area, at most 1, not {scale}")
        self.value, self.inplace, self.generator = value, inplace, generator

    def _apply(self, images: Any) -> Any:
        n, _, h, w = images.shape
        rng = self._rng()
        chosen = rng.random(n) < self.p
        ratio = (1 / self.ratio[1], 1 / self.ratio[0])
        top, left, height, width, found = rectangles(rng, n, (h, w), self.scale, ratio, largest=(h - 1, w - 1))
        hole = inside(top, left, height, width, h, w) & (chosen & found)[:, None, None]
        value: Any = self.value
        if isinstance(value, str):
            value = rng.standard_normal(images.shape)
        return where(hole[:, None], per_channel("RandomErasing", value, images), images)


class Cutout(_Images):
    """Overwrite squares of each image; their centres are anywhere in it, so a square may lie partly outside (DeVries and Taylor, 2017).

    Args:
        length: the side of a square.
        n_holes: number of squares.
        fill: the new value: a number, or one for each channel.
        generator: default: the process's generator.

    >>> import numpy as np
    >>> from minigrad.nn.data import Cutout
    >>> bool(1 <= (Cutout(3)(np.ones((1, 1, 9, 9))) == 0).sum() <= 9)
    True
    """

    def __init__(self, length: int, n_holes: int = 1, fill: float | Sequence[float] = 0, generator: Generator | None = None):
        check("Cutout", locals(), "generator", length=1, n_holes=1, generator=Generator)
        self.length, self.n_holes, self.fill, self.generator = length, n_holes, fill_of("Cutout", fill), generator

    def _apply(self, images: Any) -> Any:
        n, _, h, w = images.shape
        rng = self._rng()
        hole, sides = np.zeros((n, h, w), bool), np.full(n, self.length)
        for _ in range(self.n_holes):
            top, left = (np.asarray(rng.integers(side, size=n)) - self.length // 2 for side in (h, w))
            hole |= inside(top, left, sides, sides, h, w)
        return where(hole[:, None], per_channel("Cutout", self.fill, images), images)


class ColorJitter(_Images):
    """Change brightness, contrast, saturation and hue of each image at random, in random order: ``torchvision.transforms.ColorJitter``.

    Args:
        brightness, contrast, saturation: ``v`` for a factor in (max(0, 1 - v), 1 + v), or ``(low, high)``.
        hue: ``v`` for a shift in (-v, v), or ``(low, high)``, within (-0.5, 0.5); 0.5 is the opposite colour.
        generator: default: the process's generator.

    Images have one channel, or red, green and blue, with values in [0, 1]; the result is in that range too. Saturation and hue do not
    change images of one channel.

    >>> import numpy as np
    >>> from minigrad.nn.data import ColorJitter
    >>> ColorJitter(brightness=(0.5, 0.5))(np.full((1, 1, 2), 0.8))
    array([[[0.4, 0.4]]])
    """

    floats = True

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
        generator: Generator | None = None,
    ):
        check("ColorJitter", locals(), "generator", generator=Generator)
        self.brightness = self._limits("brightness", brightness)
        self.contrast = self._limits("contrast", contrast)
        self.saturation = self._limits("saturation", saturation)
        self.hue = self._limits("hue", hue, 0.0, 0.5)
        self.generator = generator

    def _options(self) -> dict[str, Any]:
        """None for what changes nothing."""
        middles = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
        limits = {name: tuple(float(limit) for limit in getattr(self, name)) for name in middles}
        return {name: None if limits[name] == (middle, middle) else limits[name] for name, middle in middles.items()}

    @staticmethod
    def _limits(name: str, value: float | Sequence[float], middle: float = 1.0, most: float = math.inf) -> tuple[float, float]:
        if isinstance(value, (int, float)):
            number("ColorJitter", name, value, "0 or above")
            low, high = middle - value, middle + value
            if middle:
                low = max(low, 0.0)
        else:
            low, high = pair_of("ColorJitter", name, value)
        if not (-most if middle == 0 else 0) <= low <= high <= most:
            raise ValueError(f"ColorJitter: {name} is (low, high) within {(-most if middle == 0 else 0, most)}, not {value}")
        return low, high

    def _apply(self, images: Any) -> Any:
        n, channels = images.shape[:2]
        if channels not in (1, 3):
            raise ShapeError(f"ColorJitter: images have 1 channel or 3, not {channels}")
        steps = [(self.brightness, brightened), (self.contrast, contrasted), (self.saturation, saturated), (self.hue, hue_shifted)]
        rng = self._rng()
        order = np.argsort(rng.random((n, len(steps))), axis=1)  # a permutation for each image
        factors = np.stack([rng.uniform(*limits, size=n) for limits, _ in steps], axis=1).astype(images.dtype)
        out = own(images)
        for turn in range(len(steps)):
            for which, (limits, change) in enumerate(steps):
                now = np.flatnonzero(order[:, turn] == which)
                if len(now) and limits != ((0, 0) if change is hue_shifted else (1, 1)):
                    out[now] = change(out[now], factors[now, which, None, None, None])
        return out


class Grayscale(_Images):
    """Images without colour: ``torchvision.transforms.Grayscale``. ``num_output_channels``: 1, or 3 equal ones.

    >>> import numpy as np
    >>> from minigrad.nn.data import Grayscale
    >>> Grayscale()(np.full((3, 2, 2), 0.5)).shape
    (1, 2, 2)
    """

    floats = True

    def __init__(self, num_output_channels: int = 1):
        check("Grayscale", locals(), num_output_channels=(1, 3))
        self.num_output_channels = num_output_channels

    def _apply(self, images: Any) -> Any:
        return cat([gray(images)] * self.num_output_channels, 1)


class RandomGrayscale(_Images):
    """Images that lose their colour with probability ``p`` and keep their channels: ``torchvision.transforms.RandomGrayscale``.

    >>> import numpy as np
    >>> from minigrad.nn.data import RandomGrayscale
    >>> RandomGrayscale(p=1.0)(np.full((3, 2, 2), 0.5)).shape
    (3, 2, 2)
    """

    floats = True

    def __init__(self, p: float = 0.1, generator: Generator | None = None):
        check("RandomGrayscale", locals(), "generator", p="from 0 to 1", generator=Generator)
        self.p, self.generator = p, generator

    def _apply(self, images: Any) -> Any:
        chosen = self._rng().random(len(images)) < self.p
        return where(chosen[:, None, None, None], gray(images), images)


class GaussianBlur(_Images):
    """Images blurred with weights of a bell curve, its width drawn for each: ``torchvision.transforms.GaussianBlur``.

    Args:
        kernel_size: of the window, odd: ``(width, height)`` or a number for both.
        sigma: the curve's standard deviation in pixels, or ``(low, high)``.
        generator: default: the process's generator.

    >>> import numpy as np
    >>> from minigrad.nn.data import GaussianBlur
    >>> GaussianBlur(3, sigma=10.0)(np.eye(3)[None]).round(2)[0, 1]
    array([0.33, 0.33, 0.33])
    """

    floats = True

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0), generator: Generator | None = None):
        check("GaussianBlur", locals(), "generator", generator=Generator)
        self.kernel_size = odd_size_of("GaussianBlur", kernel_size)
        self.sigma = range_of("GaussianBlur", "sigma", (sigma, sigma) if isinstance(sigma, (int, float)) else sigma)
        self.generator = generator

    def _apply(self, images: Any) -> Any:
        widths = self._rng().uniform(*self.sigma, size=len(images)).tolist()
        return cat([blurred(images[i : i + 1], self.kernel_size, (width, width)) for i, width in enumerate(widths)])


class FiveCrop(_Images):
    """The four corners of images and their middle, a tuple: ``torchvision.transforms.FiveCrop``. ``size`` is that of :class:`CenterCrop`.

    >>> import numpy as np
    >>> from minigrad.nn.data import FiveCrop
    >>> [crop.item() for crop in FiveCrop(1)(np.arange(9).reshape(1, 3, 3))]
    [0, 2, 6, 8, 4]
    """

    batched = False

    def __init__(self, size: int | Sequence[int]):
        self.size = size_of(type(self).__name__, size)

    def __call__(self, x: Any) -> Any:
        height, width = self.size

        def part(rows: slice, columns: slice) -> Any:
            return on_images(type(self).__name__, x, lambda images: self._part(images, rows, columns), floats=False)

        top, bottom, left, right = slice(0, height), slice(-height, None), slice(0, width), slice(-width, None)
        corners = (part(rows, columns) for rows in (top, bottom) for columns in (left, right))
        return (*corners, CenterCrop(self.size)(x))

    def _part(self, images: Any, rows: slice, columns: slice) -> Any:
        height, width = self.size
        if height > images.shape[2] or width > images.shape[3]:
            raise ShapeError(f"{type(self).__name__}: a window of {height}x{width} does not fit images of {tuple(images.shape[2:])}")
        return own(images[:, :, rows, columns])


class TenCrop(FiveCrop):
    """:class:`FiveCrop` of images and of their mirror images: ``torchvision.transforms.TenCrop``.

    >>> import numpy as np
    >>> from minigrad.nn.data import TenCrop
    >>> [crop.item() for crop in TenCrop(1)(np.arange(4).reshape(1, 2, 2))]
    [0, 1, 2, 3, 0, 1, 0, 3, 2, 1]
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def __call__(self, x: Any) -> Any:
        turned = (RandomVerticalFlip if self.vertical_flip else RandomHorizontalFlip)(1.0)(x)
        return (*super().__call__(x), *super().__call__(turned))
