"""Transforms of images, with torchvision's names and arguments: arrays in, arrays out, or Tensors in, Tensors out.

They take one image (C, H, W) or a batch (N, C, H, W). The attribute ``batched = True`` says so: a dataset that makes whole batches applies
such a transform once to the batch, and any other callable to each image. An image of PIL is taken too, and becomes floats (C, H, W) in
[0, 1], so that ``ToTensor`` may come last. Random numbers are drawn separately for each image of a batch, from the process's generator or
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
from minigrad.nn.data.workers import get_worker_info
from minigrad.ops.arguments import check, number, numbers, whole
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor, as_tensor

_INTERPOLATIONS = ("nearest", "bilinear")
_PADDINGS = ("constant", "edge", "reflect", "symmetric")  # torchvision's names, and numpy's
_TRIES = 10  # how often torchvision draws a rectangle before it gives up


class _Shown:
    """A transform that is shown as it was made: its attributes that bear the names of parameters."""

    def __repr__(self) -> str:
        names = [name for name in inspect.signature(type(self)).parameters if getattr(self, name, None) is not None]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


class _Images(_Shown):
    """Base of transforms of images: a subclass defines ``_apply`` for a batch (N, C, H, W)."""

    batched = True
    generator: Generator | None = None
    floats = False  # whether floats are needed

    def __call__(self, x: Any) -> Any:
        if hasattr(x, "getbands"):  # an image of PIL: floats with the channels first, as a dataset here gives them
            x = ToTensor()(x).numpy()
        array = x.numpy() if isinstance(x, Tensor) else x
        name = type(self).__name__
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name}: an array or a Tensor is needed, or an image of PIL, not {type(x).__name__}")
        if array.ndim not in (3, 4):
            raise ShapeError(f"{name}: images are (C, H, W) or (N, C, H, W), not {array.shape}")
        if self.floats and array.dtype.kind != "f":
            raise TypeError(f"{name}: images of floats are needed, not {array.dtype}")
        out = self._apply(array) if array.ndim == 4 else self._apply(array[None])[0]
        return as_tensor(out) if isinstance(x, Tensor) else out

    def _apply(self, images: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _rng(self) -> np.random.Generator:
        if self.generator is not None and get_worker_info() is not None:
            raise RuntimeError(
                f"{type(self).__name__}: its own generator was copied into every worker of the DataLoader, and each would draw the same; "
                "leave generator out, and seed by mg.manual_seed() or DataLoader(generator=...)"
            )
        return numpy_generator(self.generator)


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
        return "\n".join(["Compose(", *[f"    {transform!r}" for transform in self.transforms], ")"])


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

    def __call__(self, x: Any) -> Any:
        return self.lambd(x)


class InterpolationMode(enum.Enum):
    """Names of interpolations: ``torchvision.transforms.InterpolationMode``."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


class _Chosen(_Images):
    """Transforms that are chosen, or put in order, for each image by itself."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], generator: Generator | None = None):
        check(type(self).__name__, locals(), "generator", transforms="a list of functions", generator=Generator)
        self.transforms, self.generator = list(transforms), generator

    def _order(self) -> Sequence[int]:
        return self._rng().permutation(len(self.transforms)).tolist()

    def _apply(self, images: np.ndarray) -> np.ndarray:
        changed = []
        for image in images:
            for i in self._order():
                image = self.transforms[i](image)
            changed.append(np.asarray(image))
        return np.stack(changed)


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

    def _apply(self, images: np.ndarray) -> np.ndarray:
        chosen = np.flatnonzero(self._rng().random(len(images)) < self.p)
        if not len(chosen):
            return images
        if self.transforms.batched:
            changed = self.transforms(images[chosen])
        else:
            changed = np.stack([np.asarray(self.transforms(images[i])) for i in chosen])
        if changed.shape[1:] != images.shape[1:]:
            raise ShapeError(f"RandomApply: the transforms made images {changed.shape[1:]} of images {images.shape[1:]}")
        out = images.astype(changed.dtype)
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
    ((3, 4, 6), tensor([[[0.2000]]]))
    >>> ToTensor()(np.zeros((1, 28, 28), np.float32)).shape
    (1, 28, 28)
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
        self.mean = np.reshape(numbers("Normalize", "mean", mean), (-1, 1, 1))
        self.std = np.reshape(numbers("Normalize", "std", std), (-1, 1, 1))
        self.inplace = inplace  # only for compatibility with torchvision: the input is never changed
        if not (self.std > 0).all():
            raise ValueError(f"Normalize: std must be above 0, but is {std}")

    def _apply(self, images: np.ndarray) -> np.ndarray:
        for values in (self.mean, self.std):
            if len(values) not in (1, images.shape[1]):
                raise ShapeError(f"Normalize: {len(values)} channels are described, but the images {images.shape} have {images.shape[1]}")
        return (images - self.mean.astype(images.dtype)) / self.std.astype(images.dtype)


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
        self.padding = _padding("Pad", padding)
        self.fill, self.padding_mode = _fill("Pad", fill), _padding_mode("Pad", padding_mode)

    def _apply(self, images: np.ndarray) -> np.ndarray:
        return _pad(images, self.padding, self.fill, self.padding_mode)


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
        self.size = _size("RandomCrop", size)
        self.padding = (0, 0, 0, 0) if padding is None else _padding("RandomCrop", padding)
        self.pad_if_needed, self.fill = pad_if_needed, _fill("RandomCrop", fill)
        self.padding_mode = _padding_mode("RandomCrop", padding_mode)
        check("RandomCrop", locals(), "generator", generator=Generator)
        self.generator = generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        images = _pad(images, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        if self.pad_if_needed:
            y, x = max(height - images.shape[2], 0), max(width - images.shape[3], 0)
            images = _pad(images, (x, y, x, y), self.fill, self.padding_mode)
        n, _, h, w = images.shape
        if height > h or width > w:
            raise ShapeError(f"RandomCrop: a window of {height}x{width} does not fit images of {h}x{w}")
        rng = self._rng()
        top, left = rng.integers(h - height + 1, size=n), rng.integers(w - width + 1, size=n)
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
        self.size = _size("CenterCrop", size)

    def _apply(self, images: np.ndarray) -> np.ndarray:
        height, width = self.size
        y, x = max(height - images.shape[2], 0), max(width - images.shape[3], 0)
        images = _pad(images, (x // 2, y // 2, (x + 1) // 2, (y + 1) // 2), 0, "constant")
        top, left = round((images.shape[2] - height) / 2), round((images.shape[3] - width) / 2)
        return images[:, :, top : top + height, left : left + width].copy()


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
        self.size = _pixels("Resize", "size", size, 1, (1, 2), "a number of pixels or (height, width)")
        check("Resize", locals(), "max_size", max_size=1)
        if max_size is not None and (len(self.size) == 2 or max_size < self.size[0]):
            raise ValueError(f"Resize: max_size={max_size} goes with a number for size, and is not below it, but size={size}")
        self.interpolation, self.max_size = _interpolation("Resize", interpolation), max_size
        self.antialias = bool(antialias)

    def _apply(self, images: np.ndarray) -> np.ndarray:
        h, w = images.shape[2:]
        size = self.size if len(self.size) == 2 else self._from_shorter(h, w)
        if size == (h, w):
            return images
        zero = np.zeros(1)
        return _resample(images, size, zero, zero, zero + h, zero + w, self.interpolation, self.antialias)

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
        self.size = _size("RandomResizedCrop", size)
        self.scale = _range("RandomResizedCrop", "scale", scale)
        self.ratio = _range("RandomResizedCrop", "ratio", ratio)
        self.interpolation, self.antialias = _interpolation("RandomResizedCrop", interpolation), bool(antialias)
        self.generator = generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        n, _, h, w = images.shape
        top, left, height, width, found = _rectangles(self._rng(), n, (h, w), self.scale, self.ratio, largest=(h, w))
        if not found.all():
            low, high = self.ratio
            middle_h, middle_w = (round(w / low), w) if w / h < low else (h, round(h * high)) if w / h > high else (h, w)
            height, width = np.where(found, height, middle_h), np.where(found, width, middle_w)
            top, left = np.where(found, top, (h - middle_h) // 2), np.where(found, left, (w - middle_w) // 2)
        return _resample(images, self.size, top, left, height, width, self.interpolation, self.antialias)


# ------------------------------------------------------------------------------------------------ turns and mirrors


class _RandomFlip(_Images):
    axis: int

    def __init__(self, p: float = 0.5, generator: Generator | None = None):
        check(type(self).__name__, locals(), "generator", p="from 0 to 1", generator=Generator)
        self.p = p
        self.generator = generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        chosen = self._rng().random(len(images)) < self.p
        out = images.copy()
        out[chosen] = np.flip(images[chosen], self.axis)
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
        self.degrees = _angles("RandomAffine", "degrees", degrees)
        self.translate = (0.0, 0.0) if translate is None else _pair("RandomAffine", "translate", translate)
        self.scale = (1.0, 1.0) if scale is None else _pair("RandomAffine", "scale", scale)
        self.shear: tuple[tuple[float, float], ...] = ()  # ranges along x, along y
        if shear is not None:
            values = (shear,) if isinstance(shear, (int, float, str)) else tuple(shear)
            if len(values) not in (1, 2, 4):
                raise ValueError(f"RandomAffine: shear is a number, a pair, or four numbers, not {shear}")
            halves = (values[0],) if len(values) == 1 else (values[:2], values[2:])
            self.shear = tuple(_angles("RandomAffine", "shear", half) for half in halves if half != ())
        self.interpolation, self.fill = _interpolation("RandomAffine", interpolation), _fill("RandomAffine", fill)
        self.center = None if center is None else _pair("RandomAffine", "center", center)
        self.generator = generator
        if not all(0 <= t <= 1 for t in self.translate):
            raise ValueError(f"RandomAffine: translate holds fractions between 0 and 1, not {translate}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"RandomAffine: scale is (low, high) with 0 < low <= high, not {scale}")

    def _apply(self, images: np.ndarray) -> np.ndarray:
        n, _, h, w = images.shape
        rng = self._rng()
        angle = np.deg2rad(rng.uniform(*self.degrees, size=n))
        shift_x, shift_y = (rng.uniform(-t, t, size=n) * side for t, side in zip(self.translate, (w, h), strict=True))
        scale: Any = rng.uniform(*self.scale, size=n)
        shears = [np.deg2rad(rng.uniform(*limits, size=n)) for limits in self.shear]
        shear_x, shear_y = (shears + [np.zeros(n)] * 2)[:2]
        return _affine(images, angle, shift_x, shift_y, scale, shear_x, shear_y, self.center, self.interpolation, self.fill)


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
        self.degrees = _angles("RandomRotation", "degrees", degrees)
        self.interpolation, self.fill = _interpolation("RandomRotation", interpolation), _fill("RandomRotation", fill)
        self.center = None if center is None else _pair("RandomRotation", "center", center)
        self.generator = generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        angle = -np.deg2rad(self._rng().uniform(*self.degrees, size=len(images)))
        none = np.zeros(len(images))
        return _affine(images, angle, none, none, np.ones(len(images)), none, none, self.center, self.interpolation, self.fill)


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
            _fill("RandomErasing", value, "value")
        self.p = p
        self.scale, self.ratio = _range("RandomErasing", "scale", scale), _range("RandomErasing", "ratio", ratio)
        if self.scale[1] > 1:
            raise ValueError(f"RandomErasing: scale is a fraction of the area, at most 1, not {scale}")
        self.value, self.inplace, self.generator = value, inplace, generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        n, _, h, w = images.shape
        rng = self._rng()
        chosen = rng.random(n) < self.p
        ratio = (1 / self.ratio[1], 1 / self.ratio[0])
        top, left, height, width, found = _rectangles(rng, n, (h, w), self.scale, ratio, largest=(h - 1, w - 1))
        hole = _inside(top, left, height, width, h, w) & (chosen & found)[:, None, None]
        value: Any = self.value
        if isinstance(value, str):
            value = rng.standard_normal(images.shape)
        return np.where(hole[:, None], _channels("RandomErasing", value, images), images)


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
        self.length, self.n_holes, self.fill, self.generator = length, n_holes, _fill("Cutout", fill), generator

    def _apply(self, images: np.ndarray) -> np.ndarray:
        n, _, h, w = images.shape
        rng = self._rng()
        hole, sides = np.zeros((n, h, w), bool), np.full(n, self.length)
        for _ in range(self.n_holes):
            top, left = (np.asarray(rng.integers(side, size=n)) - self.length // 2 for side in (h, w))
            hole |= _inside(top, left, sides, sides, h, w)
        return np.where(hole[:, None], _channels("Cutout", self.fill, images), images)


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

    @staticmethod
    def _limits(name: str, value: float | Sequence[float], middle: float = 1.0, most: float = math.inf) -> tuple[float, float]:
        if isinstance(value, (int, float)):
            number("ColorJitter", name, value, "0 or above")
            low, high = middle - value, middle + value
            if middle:
                low = max(low, 0.0)
        else:
            low, high = _pair("ColorJitter", name, value)
        if not (-most if middle == 0 else 0) <= low <= high <= most:
            raise ValueError(f"ColorJitter: {name} is (low, high) within {(-most if middle == 0 else 0, most)}, not {value}")
        return low, high

    def _apply(self, images: np.ndarray) -> np.ndarray:
        n, channels = images.shape[:2]
        if channels not in (1, 3):
            raise ShapeError(f"ColorJitter: images have 1 channel or 3, not {channels}")
        steps = [(self.brightness, _brightness), (self.contrast, _contrast), (self.saturation, _saturation), (self.hue, _shift_hue)]
        rng = self._rng()
        order = np.argsort(rng.random((n, len(steps))), axis=1)  # a permutation for each image
        factors = np.stack([rng.uniform(*limits, size=n) for limits, _ in steps], axis=1).astype(images.dtype)
        out = images.copy()
        for turn in range(len(steps)):
            for which, (limits, change) in enumerate(steps):
                now = np.flatnonzero(order[:, turn] == which)
                if len(now) and limits != ((0, 0) if change is _shift_hue else (1, 1)):
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

    def _apply(self, images: np.ndarray) -> np.ndarray:
        return np.repeat(_gray(images), self.num_output_channels, 1)


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

    def _apply(self, images: np.ndarray) -> np.ndarray:
        chosen = self._rng().random(len(images)) < self.p
        return np.where(chosen[:, None, None, None], _gray(images), images)


def _gray(images: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, as torchvision computes it, (N, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    return np.tensordot(images, np.array([0.2989, 0.587, 0.114], images.dtype), ([1], [0]))[:, None]


def _blend(images: np.ndarray, other: np.ndarray | float, factor: np.ndarray) -> np.ndarray:
    return np.clip(factor * images + (1 - factor) * other, 0, 1)


def _brightness(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return _blend(images, 0.0, factor)


def _contrast(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return _blend(images, _gray(images).mean((1, 2, 3), keepdims=True), factor)


def _saturation(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return images if images.shape[1] == 1 else _blend(images, _gray(images), factor)


def _shift_hue(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Images with the hue rotated by ``shift`` of a full circle, and value and saturation kept (hexagonal HSV)."""
    if images.shape[1] == 1:
        return images
    r, g, b = images[:, 0], images[:, 1], images[:, 2]
    value, chroma = images.max(1), np.ptp(images, axis=1)
    safe = np.where(chroma > 0, chroma, 1)
    sector = np.where(value == r, (g - b) / safe, np.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    hue = np.where(chroma > 0, sector, 0) + 6 * shift[:, 0]  # in sixths of the circle
    # Each channel is value - chroma * a function that goes 0, 0, 1, 1 around the circle, shifted by a third.
    k = (np.stack([hue + 5, hue + 3, hue + 1], axis=1)) % 6
    out = value[:, None] - chroma[:, None] * np.clip(np.minimum(k, 4 - k), 0, 1)
    return out.astype(images.dtype, copy=False)


# ------------------------------------------------------------------------------------------------------- geometry


def _affine(
    images: np.ndarray,
    angle: np.ndarray,
    shift_x: np.ndarray,
    shift_y: np.ndarray,
    scale: np.ndarray,
    shear_x: np.ndarray,
    shear_y: np.ndarray,
    center: tuple[float, float] | None,
    interpolation: str,
    fill: float | Sequence[float],
) -> np.ndarray:
    """Each image sheared, rotated clockwise and scaled about ``center``, then shifted."""
    _, _, h, w = images.shape
    dtype = images.dtype
    cx, cy = ((w - 1) / 2, (h - 1) / 2) if center is None else (center[0] - 0.5, center[1] - 0.5)
    # The source position of each output pixel: the shift is undone, then rotation, shear and scale about the centre.
    turned = angle - shear_y
    a, c = np.cos(turned) / np.cos(shear_y), np.sin(turned) / np.cos(shear_y)
    b, d = -a * np.tan(shear_x) - np.sin(angle), -c * np.tan(shear_x) + np.cos(angle)
    a, b, c, d, shift_x, shift_y = (v.astype(dtype)[:, None, None] for v in (a / scale, b / scale, c / scale, d / scale, shift_x, shift_y))
    out_y = np.arange(h, dtype=dtype)[:, None] - cy - shift_y  # N H 1
    out_x = np.arange(w, dtype=dtype) - cx - shift_x  # N 1 W
    y, x = a * out_y - c * out_x + cy, d * out_x - b * out_y + cx
    around = _channels("fill", fill, images)
    plain = not np.any(around)
    found = (_bilinear if interpolation == "bilinear" else _nearest)(images if plain else images - around, y, x)
    return found if plain else found + around


def _bilinear(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The values of ``images`` (N C H W) at the points ``y``, ``x`` (N H W), with zeros outside."""
    n, c, h, w = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).ravel()
    # In the padded image a point far outside has the same value as one on its border, which is zero.
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


def _nearest(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The values of the pixels nearest to the points, with zeros outside."""
    n, c, h, w = images.shape
    y, x = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    place = np.where(inside, y * w + x, 0)
    plane = np.arange(n * c).reshape(n, c, 1, 1) * (h * w)
    return np.where(inside[:, None], images.ravel().take(plane + place[:, None], mode="clip"), images.dtype.type(0))


def _resample(
    images: np.ndarray,
    size: tuple[int, ...],
    top: np.ndarray,
    left: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    interpolation: str,
    antialias: bool,
) -> np.ndarray:
    """A window of each image resized to ``size``, by two products with matrices of weights."""
    rows, columns = (
        _weights(out, start, length, n, interpolation, antialias).astype(images.dtype)[:, None]
        for out, start, length, n in ((size[0], top, height, images.shape[2]), (size[1], left, width, images.shape[3]))
    )
    return np.matmul(np.matmul(rows, images), columns.swapaxes(2, 3))  # N C OH OW


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


def _rectangles(
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


def _inside(top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray, h: int, w: int) -> np.ndarray:
    """Which pixels (N, H, W) lie in the rectangles."""
    y, x = np.arange(h) - top[:, None], np.arange(w) - left[:, None]
    rows, columns = (y >= 0) & (y < height[:, None]), (x >= 0) & (x < width[:, None])
    return rows[:, :, None] & columns[:, None]


def _pad(images: np.ndarray, padding: tuple[int, int, int, int], fill: float | Sequence[float], mode: str) -> np.ndarray:
    left, top, right, bottom = padding
    if not any(padding):
        return images
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    if mode != "constant":
        if mode == "reflect" and (max(left, right) >= images.shape[3] or max(top, bottom) >= images.shape[2]):
            raise ShapeError(
                f"padding_mode='reflect': a padding of {max(padding)} needs more pixels than images of {images.shape[2:]} have"
            )
        return np.pad(images, widths, mode=mode)  # type: ignore[call-overload]
    out = np.pad(images, widths)
    if np.any(fill):
        frame = np.ones(out.shape[2:], bool)
        frame[top : top + images.shape[2], left : left + images.shape[3]] = False
        out = np.where(frame, _channels("fill", fill, images), out)
    return out


# ------------------------------------------------------------------------------------------------------ arguments


def _channels(name: str, value: Any, images: np.ndarray) -> np.ndarray:
    """A number, or one for each channel, to broadcast over images."""
    array = np.asarray(value, images.dtype)
    if array.ndim == 1:
        if len(array) not in (1, images.shape[1]):
            raise ShapeError(f"{name}: {len(array)} values were given, but the images {images.shape} have {images.shape[1]} channels")
        array = array[:, None, None]
    return array


def _pair(name: str, argument: str, values: Sequence[float]) -> tuple[float, float]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 2:
        raise ValueError(f"{name}: {argument} is a pair of numbers, not {values!r}")
    low, high = (number(name, argument, v, "finite") for v in values)
    return low, high


def _angles(name: str, argument: str, value: float | Sequence[float]) -> tuple[float, float]:
    low, high = _pair(name, argument, (-value, value) if isinstance(value, (int, float)) else value)
    if low > high:
        raise ValueError(f"{name}: {argument} is a number that is not negative, or (low, high), not {value!r}")
    return low, high


def _range(name: str, argument: str, value: Sequence[float]) -> tuple[float, float]:
    low, high = _pair(name, argument, value)
    if not 0 < low <= high:
        raise ValueError(f"{name}: {argument} is (low, high) with 0 < low <= high, not {value!r}")
    return low, high


def _pixels(name: str, argument: str, value: int | Sequence[int], least: int, counts: tuple[int, ...], rule: str) -> tuple[int, ...]:
    """One whole number or several, each ``least`` or above; how many is one of ``counts``."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in counts:
        raise ValueError(f"{name}: {argument} is {rule}, not {value!r}")
    return tuple(whole(name, argument, v, least) for v in values)


def _size(name: str, size: int | Sequence[int]) -> tuple[int, int]:
    values = _pixels(name, "size", size, 1, (1, 2), "a number of pixels or (height, width)")
    return values[0], values[-1]


def _padding(name: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    values = _pixels(name, "padding", padding, 0, (1, 2, 4), "a number of pixels, a pair, or four numbers (left, top, right, bottom)")
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


def _fill(name: str, fill: float | Sequence[float], argument: str = "fill") -> float | Sequence[float]:
    numbers(name, argument, fill)
    return fill


def _padding_mode(name: str, mode: str) -> str:
    if mode not in _PADDINGS:
        raise ValueError(f"{name}: padding_mode is one of {', '.join(_PADDINGS)}, not {mode!r}")
    return mode


def _interpolation(name: str, interpolation: Any) -> str:
    value = getattr(interpolation, "value", interpolation)
    value = {0: "nearest", 2: "bilinear"}.get(value, value)  # PIL's numbers
    if value not in _INTERPOLATIONS:
        raise ValueError(f"{name}: interpolation is one of {', '.join(_INTERPOLATIONS)}, not {interpolation!r}")
    return value
