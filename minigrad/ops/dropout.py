"""Dropout: in training, random elements or whole channels become 0, and the others are scaled up so that the mean stays the same.

The random mask is drawn from the process's generator (``mg.manual_seed``). Applying the mask is one linear op, its own transpose.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine import ShapeError, cast, elementwise, op, public, shape_of, unnamed, warn
from minigrad.kernels.quiet import quiet
from minigrad.ops import signatures as like
from minigrad.ops.activation import SELU_ALPHA, SELU_SCALE, with_inplace
from minigrad.ops.arguments import tensors
from minigrad.ops.elementwise import add, where
from minigrad.ops.precision import in_float32
from minigrad.random import drawn
from minigrad.types import Array, Tensor, called_as

RUN = 8  # elements with one place of the mask from which numpy's loop over such rows pays


@unnamed
@elementwise
@op(input=lambda g, keep, scale: masked_scale(g, keep, scale=scale), keep=None)
def masked_scale(input: Array, keep: Array, scale: float) -> Array:
    """``scale`` times ``input`` where ``keep`` is True, else 0. ``keep`` is a boolean array that broadcasts to the input's shape."""
    shape = np.broadcast_shapes(input.shape, keep.shape)
    if input.dtype.kind == "f" and keep.dtype == bool and keep.shape[-1:] == (1,) and shape[-1] >= RUN:
        # whole rows are kept or dropped: numpy skips those that are, and the product of the others is their only pass over memory
        return quiet().run(lambda: np.multiply(input, scale, out=np.zeros(shape, input.dtype), where=keep))
    out = np.asarray(where(keep, input, 0.0))
    return quiet().run(np.multiply, out, scale, out)


def random_keep(shape: tuple[int, ...], p: float) -> np.ndarray:
    """A boolean array, each element False with probability ``p``.

    One random byte per element is compared with 256 p; only if it equals floor(256 p), and 256 p is no whole number, a random float decides. This is
    exact for every ``p``, and three times as fast as one float per element.
    """
    edge = math.floor(p * 256.0)
    rest = p * 256.0 - edge  # the fraction of the bytes equal to `edge` that is dropped

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        bytes_ = np.frombuffer(random.bytes(math.prod(shape)), np.uint8)
        if not rest:
            return np.greater_equal(bytes_, edge).reshape(shape)
        keep = np.greater(bytes_, edge)
        if edge < 256:
            undecided = np.flatnonzero(bytes_ == edge)
            keep[undecided] = random.random(len(undecided)) >= rest
        return keep.reshape(shape)

    return drawn(draw, shape)


def _drops(name: str, input: Any, p: float, training: bool) -> bool:
    """Whether anything is dropped, for which the input must be floating. ``p`` is checked in any case."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p must be a probability between 0 and 1, not {p}")
    tensors(name, input=input)
    if not training or not p:
        return False
    if input.dtype.kind != "f":
        raise TypeError(f"{name}: the input must be floating, not {input.dtype.name}")
    return True


def _shape(input: Any) -> tuple[int, ...]:
    return shape_of(getattr(input, "_data", input))


def _drop(input: Any, mask_shape: tuple[int, ...], p: float) -> Any:
    return masked_scale(input, random_keep(mask_shape, p), scale=1.0 / (1.0 - p) if p < 1 else 0.0)


@in_float32
def _alpha_drop(input: Any, mask_shape: tuple[int, ...], p: float) -> Any:
    # dropped elements become selu's lowest value; then a and b restore mean 0 and variance 1
    keep = random_keep(mask_shape, p)
    if p == 1:
        return masked_scale(input, keep, scale=0.0)
    lowest = -SELU_ALPHA * SELU_SCALE
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * lowest * lowest))
    b = -a * p * lowest
    return add(masked_scale(input, keep, scale=a), cast(where(keep, b, a * lowest + b), dtype=input.dtype))


def _channels(name: str, input: Any, unbatched: int | None, ndims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a mask with one element for each channel of each example."""
    shape = _shape(input)
    if len(shape) not in ndims:
        raise ShapeError(f"{name}: the input must have {' or '.join(map(str, ndims))} dimensions, not shape {shape}")
    kept = 1 if len(shape) == unbatched else 2
    return (*shape[:kept], *[1] * (len(shape) - kept))


@called_as(like.dropout)
@with_inplace
def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """In training, 0 with probability ``p``, else the element divided by 1 - p (Srivastava et al. 2014): ``torch.dropout``.

    Returns the input itself when not training. Raises ``ValueError`` if ``p`` is not in [0, 1].

    >>> import minigrad as mg
    >>> from minigrad.ops.dropout import dropout
    >>> sorted(set(dropout(mg.ones(100), 0.5).tolist()))
    [0.0, 2.0]
    """
    return _drop(input, _shape(input), p) if _drops("dropout", input, p, training) else input


@called_as(like.dropout)
@with_inplace
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """:func:`dropout` of whole channels of an input (N, C, L) or (C, L): ``torch.nn.functional.dropout1d``.

    >>> import minigrad as mg
    >>> from minigrad.ops.dropout import dropout1d
    >>> sorted(set(dropout1d(mg.ones(5, 100, 2)).sum(dim=2).flatten().tolist()))
    [0.0, 4.0]
    """
    shape = _channels("dropout1d", input, 2, (2, 3))
    return _drop(input, shape, p) if _drops("dropout1d", input, p, training) else input


@called_as(like.dropout)
@with_inplace
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """:func:`dropout` of whole channels of an input (N, C, H, W): ``torch.nn.functional.dropout2d``.

    An input with three dimensions is treated as (N, C, L), and one with two as :func:`dropout` does, with a warning, as in PyTorch.
    """
    shape = _channels("dropout2d", input, None, (2, 3, 4))
    if len(shape) == 2:
        warn("dropout2d: an input of 2 dimensions has no channels; use dropout")
    return _drop(input, shape, p) if _drops("dropout2d", input, p, training) else input


@called_as(like.dropout)
@with_inplace
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """:func:`dropout` of whole channels of an input (N, C, D, H, W) or (C, D, H, W): ``torch.nn.functional.dropout3d``."""
    shape = _channels("dropout3d", input, 4, (4, 5))
    return _drop(input, shape, p) if _drops("dropout3d", input, p, training) else input


@called_as(like.alpha_dropout)
@with_inplace
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """Dropout that keeps the mean 0 and variance 1 of selu networks (Klambauer et al. 2017): ``torch.nn.functional.alpha_dropout``.

    Raises ``ValueError`` if ``p`` is not in [0, 1].
    """
    return _alpha_drop(input, _shape(input), p) if _drops("alpha_dropout", input, p, training) else input


@called_as(like.alpha_dropout)
@with_inplace
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """:func:`alpha_dropout` of whole channels of an input (N, C, ...): ``torch.nn.functional.feature_alpha_dropout``."""
    if not _drops("feature_alpha_dropout", input, p, training):
        return input
    shape = _shape(input)
    if len(shape) < 2:
        raise ShapeError(f"feature_alpha_dropout: the input must have at least 2 dimensions (N, C, ...), not shape {shape}")
    return _alpha_drop(input, (*shape[:2], *[1] * (len(shape) - 2)), p)


public(__name__)
