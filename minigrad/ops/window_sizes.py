"""Checks of the sizes that users pass to convolution, pooling and unfold, with error messages for windows that do not fit."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad.engine import ShapeError
from minigrad.kernels.windows import output_size


def per_axis(name: str, what: str, value: Any, dims: int, least: int | None = 1) -> tuple[int, ...]:
    """``value``, an int or ``dims`` of them, as a tuple.

    Raises ``ShapeError`` for another number of them or for one below ``least`` (unless it is None), ``TypeError`` for anything but ints.
    """
    if type(value) is int:  # as it nearly always is: tested in a third of the time
        found: tuple[int, ...] = (value,) * dims
        if least is None or value >= least:
            return found
    elif type(value) is tuple and len(value) == dims:  # or what a layer has made of it
        for v in value:
            if type(v) is not int or (least is not None and v < least):
                break
        else:
            return value
    try:
        if isinstance(value, (tuple, list)):
            found = tuple([operator.index(v) for v in value])
            if len(found) == 1:
                found *= dims
        else:
            found = (operator.index(value),) * dims
    except TypeError:
        raise TypeError(f"{name}: {what} must be an int or {dims} of them, not {value!r}") from None
    if len(found) != dims:
        raise ShapeError(f"{name}: {what} must be an int or {dims} of them, not {value}")
    if least is not None and min(found) < least:
        raise ShapeError(f"{name}: {what} must be at least {least}, not {value}")
    return found


def n_tuple(n: int) -> Callable[[Any], tuple]:
    """The function that makes a tuple of one value, ``n`` times, or of several: what layers written for PyTorch import as ``_pair``.

    >>> n_tuple(2)(3), n_tuple(2)([3, 5])
    ((3, 3), (3, 5))
    """

    def as_tuple(value: Any) -> tuple:
        """One value, repeated, or several, as a tuple."""
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    return as_tuple


single, pair, triple, quadruple = map(n_tuple, (1, 2, 3, 4))


def said(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    """``(("input", (1, 3, 8, 8)),)`` as ``input (1, 3, 8, 8)``."""
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes)


def by(sizes: Sequence[int]) -> str:
    """``(3, 5)`` as ``3x5``."""
    return "x".join(map(str, sizes))


def as_batch(name: str, input: Any, dims: int, letters: str) -> tuple[Any, bool]:
    """``input`` with a batch dimension, and whether one had to be added. Raises ``ShapeError`` for any other number of dimensions."""
    if not hasattr(input, "ndim"):
        raise TypeError(f"{name}: input must be a Tensor or an array, but is {input!r:.60}")
    if input.ndim == dims + 2:
        return input, False
    if input.ndim == dims + 1:
        return input[None], True
    axes = ", ".join(letters)
    raise ShapeError(f"{name}: input must be (N, C, {axes}), or (C, {axes}) without a batch, not {tuple(input.shape)}")


@functools.lru_cache(maxsize=4096)
def fitted(
    name: str,
    noun: str,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...],
    ceil: bool = False,
) -> tuple[int, ...]:
    """The number of windows that fit along each axis. Raises ``ShapeError`` if none fits, with all the sizes and ``shapes`` in its message."""
    out = tuple([output_size(*axis, ceil) for axis in zip(sizes, kernel, stride, padding, dilation, strict=True)])
    if min(out) < 1:
        dilated = f" with dilation {by(dilation)}" if max(dilation) > 1 else ""
        padded = by([n + a + b for n, (a, b) in zip(sizes, padding, strict=True)])
        pads = [p for pair in padding for p in pair]
        if len(set(pads)) == 1:
            shown: Any = pads[0]
        else:
            shown = tuple([a for a, _ in padding]) if all(a == b for a, b in padding) else tuple(padding)
        raise ShapeError(
            f"{name}: {noun} {by(kernel)}{dilated} does not fit the padded input {padded} ({said(shapes)}, padding {shown}): "
            f"the output would be {by([max(n, 0) for n in out])}"
        )
    return out
