"""Samples collated into a batch: arrays and numbers are stacked, the structure around them stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine import ShapeError
from minigrad.ops.shape import stack
from minigrad.tensor import Tensor, as_tensor
from minigrad.tree import rebuilt


def default_collate(batch: Sequence[Any]) -> Any:
    """Turn a list of samples into one batch: ``torch.utils.data.default_collate``.

    ====================  ==============================================================================
    samples               the batch
    ====================  ==============================================================================
    Tensors, arrays       one Tensor with a new first dimension; the dtype stays
    floats, ints, bools   one Tensor of float64, int64 or bool
    strings, bytes        as they are
    mappings              a mapping with each value collated
    tuples, lists         a list (a named tuple: its own type) with each position collated
    ====================  ==============================================================================

    Raises:
        ShapeError: arrays, tuples or lists of different sizes.
        TypeError: samples of another type.
        ValueError: an empty batch.

    >>> from minigrad.nn.data import default_collate
    >>> default_collate([(1.5, 0, "a"), (2.5, 1, "b")])
    [tensor([1.5000, 2.5000], dtype=torch.float64), tensor([0, 1]), ('a', 'b')]
    >>> default_collate([{"x": [1, 2]}, {"x": [3, 4]}])
    {'x': [tensor([1, 3]), tensor([2, 4])]}
    """
    if len(batch) == 0:
        raise ValueError("default_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, Tensor):
        _check_same(batch, Tensor, "a Tensor")
        _check_equal([tuple(sample.shape) for sample in batch], "shape")
        return stack(batch)
    if isinstance(first, (np.ndarray, np.generic)) and not isinstance(first, (str, bytes)):
        _check_numeric(first)
        _check_equal([np.shape(sample) for sample in batch], "shape")
        return as_tensor(np.stack(batch))
    if isinstance(first, (float, int)):
        _check_same(batch, (float, int, np.generic, Tensor), "a number")
    if isinstance(first, float):
        return as_tensor(np.asarray(batch, np.float64))
    if isinstance(first, int):  # bool is an int too
        return as_tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        _check_same(batch, Mapping, "a mapping")
        return rebuilt(first, [default_collate([sample[key] for sample in batch]) for key in first])
    if isinstance(first, Sequence):
        _check_same(batch, Sequence, "a sequence")
        _check_equal([len(sample) for sample in batch], "length")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return rebuilt(first, columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        f"default_collate: a batch may hold Tensors, arrays, numbers, strings, mappings and sequences, not {type(first).__name__}; "
        "give the loader a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """Turn the arrays in one sample into Tensors and keep everything else: ``torch.utils.data.default_convert``.

    A loader with ``batch_size=None`` applies it to each sample.

    >>> import numpy as np
    >>> from minigrad.nn.data import default_convert
    >>> default_convert({"x": np.zeros(2), "name": "zero"})
    {'x': tensor([0., 0.], dtype=torch.float64), 'name': 'zero'}
    """
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return rebuilt(data, [default_convert(value) for value in data.values()])
    if isinstance(data, Sequence):
        converted = [default_convert(value) for value in data]
        return rebuilt(data, converted) if hasattr(data, "_fields") else converted
    return data


def _check_same(batch: Sequence[Any], kind: type | tuple[type, ...], what: str) -> None:
    for i, sample in enumerate(batch):
        if not isinstance(sample, kind):
            raise TypeError(
                f"default_collate: samples of one batch need the same type, but sample 0 is {what} and sample {i} is {type(sample).__name__}"
            )


def _check_numeric(sample: np.ndarray | np.generic) -> None:
    if sample.dtype.kind not in "fiub":
        raise TypeError(f"default_collate: arrays of dtype {sample.dtype} are not numeric; give the loader a collate_fn")


def _check_equal(sizes: list, what: str) -> None:
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            raise ShapeError(
                f"default_collate: samples of one batch need the same {what}, but sample 0 has {sizes[0]} and sample {i} has {size}"
            )
