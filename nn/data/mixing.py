"""MixUp and CutMix: a batch of images mixed with itself, and its labels with them, under torchvision's names."""

from __future__ import annotations

import numpy as np

from minigrad.engine import ShapeError, get_default_dtype
from minigrad.ops.arguments import check
from minigrad.ops.elementwise import where
from minigrad.ops.gathering import one_hot
from minigrad.ops.shape import roll
from minigrad.random import Generator, numpy_generator
from minigrad.tensor import Tensor

__all__ = ["CutMix", "MixUp"]


class _Mix:
    """Base: a subclass says how images are mixed, and with which share of their own they end."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, generator: Generator | None = None):
        check(type(self).__name__, locals(), "generator num_classes", alpha="above 0", num_classes=1, generator=Generator)
        self.alpha, self.num_classes, self.generator = alpha, num_classes, generator

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        name = type(self).__name__
        if not isinstance(images, Tensor) or not isinstance(labels, Tensor):
            raise TypeError(f"{name}: a batch is Tensors (images, labels), not {type(images).__name__} and {type(labels).__name__}")
        if images.ndim != 4 or not images.is_floating_point():
            raise ShapeError(f"{name}: images are a batch (N, C, H, W) of floats, not {images.dtype.name}{tuple(images.shape)}")
        if labels.ndim not in (1, 2) or len(labels) != len(images):
            raise ShapeError(f"{name}: {tuple(labels.shape)} are no labels (N,) or shares (N, classes) of {len(images)} images")
        if labels.ndim == 1:
            if self.num_classes is None:
                raise ValueError(f"{name}: num_classes is needed for labels that are numbers of classes")
            labels = one_hot(labels, self.num_classes).to(get_default_dtype())
        rng = numpy_generator(self.generator)
        mixed, share = self._mix(images, float(rng.beta(self.alpha, self.alpha)), rng)
        return mixed, labels * share + roll(labels, 1, 0) * (1 - share)

    def _mix(self, images: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, num_classes={self.num_classes})"


class MixUp(_Mix):
    """Means of each image and the one before it, with one share for the batch (Zhang et al., 2018): ``torchvision.transforms.v2.MixUp``.

    Args:
        alpha: the share is drawn from Beta(alpha, alpha).
        num_classes: for labels that are numbers of classes.
        generator: default: the process's generator.

    Returns images and labels (N, classes), which :func:`~minigrad.nn.functional.cross_entropy` takes.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import MixUp
    >>> images, labels = MixUp(num_classes=2)(mg.stack([mg.zeros(1, 1, 1), mg.ones(1, 1, 1)]), mg.tensor([0, 1]))
    >>> bool(mg.isclose(images.ravel(), labels[:, 1]).all())
    True
    """

    def _mix(self, images: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
        return images * share + roll(images, 1, 0) * (1 - share), share


class CutMix(_Mix):
    """Images with a rectangle of the one before, the same in the whole batch (Yun et al., 2019): ``torchvision.transforms.v2.CutMix``.

    Args:
        alpha: the rectangle's area is ``1 - share`` of the image's, with a share from Beta(alpha, alpha); its middle is anywhere.
        num_classes, generator: as in :class:`MixUp`.

    Returns images and labels (N, classes), mixed by what is left of the area.

    >>> import minigrad as mg
    >>> from minigrad.nn.data import CutMix
    >>> images, labels = CutMix(num_classes=2)(mg.stack([mg.zeros(1, 8, 8), mg.ones(1, 8, 8)]), mg.tensor([0, 1]))
    >>> bool(mg.isclose(images.mean((1, 2, 3)), labels[:, 1]).all())
    True
    """

    def _mix(self, images: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
        h, w = images.shape[2:]
        x, y, half = int(rng.integers(w)), int(rng.integers(h)), 0.5 * (1 - share) ** 0.5
        left, right = max(x - int(half * w), 0), min(x + int(half * w), w)
        top, bottom = max(y - int(half * h), 0), min(y + int(half * h), h)
        hole = np.zeros((h, w), bool)
        hole[top:bottom, left:right] = True
        return where(hole, roll(images, 1, 0), images), 1 - (bottom - top) * (right - left) / (h * w)
