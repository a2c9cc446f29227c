"""Sequences of several lengths in one batch, padded or packed: ``torch.nn.utils.rnn``.

A padded batch is an array with padding at the ends of the shorter sequences. A packed batch holds only the steps of the sequences:
the first step of every sequence, then the second step of every sequence that has one, and so on, the longest sequence first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad import absent
from minigrad.engine import ShapeError, TensorBase, entitled, wrap
from minigrad.ops.arguments import check, shown
from minigrad.ops.gathering import index_select
from minigrad.ops.index import getitem, setitem
from minigrad.ops.shape import pad, stack, transpose
from minigrad.tensor import Tensor
from minigrad.tree import array_of

_P = TypeVar("_P", bound="PackedSequence")


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


@absent.answers_as("torch.nn.utils.rnn.PackedSequence")
class PackedSequence(_Fields):
    """Sequences without padding, as input and output of recurrent layers: ``torch.nn.utils.rnn.PackedSequence``.

    :func:`pack_padded_sequence` and :func:`pack_sequence` make them.

    Args:
        data: (steps of all sequences, ...), or the pair ``(data, batch_sizes)``.
        batch_sizes: (T,) number of sequences with a first, a second, ... step.
        sorted_indices: (N,) index of the longest, the second longest, ... sequence; None if they were in that order.
        unsorted_indices: (N,) the inverse permutation; computed if it is not given.
    """

    def __new__(
        cls: type[_P],
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> _P:
        """See the class."""
        if batch_sizes is None:
            if not (isinstance(data, (tuple, list)) and len(data) == 2):
                raise TypeError("PackedSequence: give data and batch_sizes; pack_padded_sequence and pack_sequence do")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self: _P, *args: Any, **kwargs: Any) -> _P:
        """With the data converted; see :meth:`minigrad.Tensor.to`."""
        return self._with(self.data.to(*args, **kwargs))

    def _with(self: _P, data: Tensor) -> _P:
        return self if data is self.data else type(self)(data, *self[1:])

    def float(self: _P) -> _P:
        """With float32 data."""
        return self._with(self.data.float())

    def double(self: _P) -> _P:
        """With float64 data."""
        return self._with(self.data.double())

    def half(self: _P) -> _P:
        """With float16 data."""
        return self._with(self.data.half())

    def long(self: _P) -> _P:
        """With int64 data."""
        return self._with(self.data.long())

    def int(self: _P) -> _P:
        """With int32 data."""
        return self._with(self.data.int())

    def cpu(self: _P) -> _P:
        """This sequence."""
        return self

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes ``permutation``; None for None: ``torch.nn.utils.rnn.invert_permutation``.

    >>> import minigrad as mg
    >>> from minigrad.nn.utils.rnn import invert_permutation
    >>> invert_permutation(mg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else wrap(np.argsort(permutation._data))


def _lengths(name: str, lengths: Any, count: int) -> np.ndarray:
    found = np.asarray(array_of(lengths))
    if found.size and found.dtype.kind not in "iu":
        raise TypeError(f"{name}: lengths must be integers, but is {shown(lengths)}")
    if found.shape != (count,):
        raise ShapeError(f"{name}: a batch of {count} sequences needs {count} lengths, not lengths of shape {found.shape}")
    return found.astype(np.int64)


def pack_padded_sequence(input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> PackedSequence:
    """Remove the padding from a padded batch: ``torch.nn.utils.rnn.pack_padded_sequence``.

    Args:
        input: (T, N, ...), or (N, T, ...) with ``batch_first``.
        lengths: N lengths, from 1 to T.
        batch_first: see ``input``.
        enforce_sorted: the longest sequence comes first; otherwise they are sorted here (and unpacked in their original order).

    Raises ``ShapeError`` for another number of lengths or one above T, ``ValueError`` for lengths that are not positive, or not
    sorted.

    >>> import minigrad as mg
    >>> from minigrad.nn.utils.rnn import pack_padded_sequence
    >>> pack_padded_sequence(mg.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]]), [2, 1, 3], batch_first=True, enforce_sorted=False)
    PackedSequence(data=tensor([4, 1, 3, 5, 2, 6]), batch_sizes=tensor([3, 2, 1]), sorted_indices=tensor([2, 0, 1]), unsorted_indices=tensor([1, 2, 0]))
    """
    name = "pack_padded_sequence"
    check(name, locals(), input=TensorBase)
    if input.ndim < 2:
        raise ShapeError(f"{name}: input must be {'(N, T, ...)' if batch_first else '(T, N, ...)'}, not of shape {tuple(input.shape)}")
    x = transpose(input, 0, 1) if batch_first else input  # T N ...
    steps, count = x.shape[:2]
    length = _lengths(name, lengths, count)
    if not input.numel():
        raise ShapeError(f"{name}: an empty batch cannot be packed (input {tuple(input.shape)})")
    if length.min() < 1:
        raise ValueError(f"{name}: lengths must be at least 1, but length {int(length.argmin())} is {length.min()}")
    if length.max() > steps:
        raise ShapeError(f"{name}: length {int(length.argmax())} is {length.max()}, but the sequences have {steps} steps")
    order = None
    if not enforce_sorted:
        order = np.argsort(-length, kind="stable")
        length = length[order]
        x = index_select(x, 1, order)
    elif (np.diff(length) > 0).any():
        raise ValueError(f"{name}: lengths must not increase, but are {length.tolist()}; enforce_sorted=False sorts them")
    present = np.arange(length[0])[:, None] < length  # T N
    data = getitem(x, index=(slice(int(length[0])),))
    data = getitem(data, index=(present,))  # in the order of a packed sequence: by time, then by sequence
    data = entitled(data, "PackPaddedSequenceBackward0")
    return PackedSequence(data, wrap(present.sum(1)), None if order is None else wrap(order), None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The inverse of :func:`pack_padded_sequence`: ``torch.nn.utils.rnn.pad_packed_sequence``.

    Args:
        sequence: the packed sequences.
        batch_first: return (N, T, ...) instead of (T, N, ...).
        padding_value: the value of the padding.
        total_length: T; by default the longest sequence's length. ``ValueError`` if it is less.

    Returns the padded batch and the lengths (N,), both in the order in which the sequences were packed.

    >>> import minigrad as mg
    >>> from minigrad.nn.utils.rnn import pack_sequence, pad_packed_sequence
    >>> pad_packed_sequence(pack_sequence([mg.tensor([1, 2, 3]), mg.tensor([4])]), batch_first=True, padding_value=-1)
    (tensor([[ 1,  2,  3],
            [ 4, -1, -1]]), tensor([3, 1]))
    """
    check("pad_packed_sequence", locals(), "total_length", sequence=PackedSequence, padding_value="a number", total_length=1)
    data, batch_sizes, _, unsorted = sequence
    sizes = batch_sizes._data
    steps = len(sizes)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(f"pad_packed_sequence: total_length is {total_length}, but the longest sequence has {steps} steps")
        steps = total_length
    present = np.zeros((steps, int(sizes[0])), bool)  # T N
    present[: len(sizes)] = np.arange(sizes[0]) < sizes[:, None]
    padded = setitem(np.full((*present.shape, *data.shape[1:]), padding_value, data.dtype), data, index=(present,), overwrite=True)
    lengths = present.sum(0)
    if unsorted is not None:
        padded, lengths = index_select(padded, 1, unsorted), lengths[unsorted._data]
    return (transpose(padded, 0, 1) if batch_first else padded), wrap(lengths)


def _sequences(name: str, sequences: Any) -> list[Tensor]:
    """The Tensors, in a list. Raises for anything else, and for none."""
    check(name, locals(), sequences="an iterable")
    tensors = list(sequences)
    if not tensors:
        raise ValueError(f"{name}: sequences must be at least one, but the list is empty")
    for i, tensor in enumerate(tensors):
        check(name, {f"sequences[{i}]": tensor}, **{f"sequences[{i}]": TensorBase})
    return tensors


def pad_sequence(sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right") -> Tensor:
    """A batch of sequences, the shorter ones with padding: ``torch.nn.utils.rnn.pad_sequence``.

    Args:
        sequences: Tensors (length, ...) that differ only in length.
        batch_first: return (N, T, ...) instead of (T, N, ...).
        padding_value: the value of the padding.
        padding_side: 'right' or 'left', the side of the padding.

    Raises ``ShapeError`` for shapes that differ in other dimensions, ``ValueError`` for an empty list.

    >>> import minigrad as mg
    >>> from minigrad.nn.utils.rnn import pad_sequence
    >>> pad_sequence([mg.tensor([1, 2, 3]), mg.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    check("pad_sequence", locals(), padding_value="a number", padding_side=("right", "left"))
    tensors = _sequences("pad_sequence", sequences)
    rest = tuple(tensors[0].shape)[1:]
    for i, s in enumerate(tensors):
        if not s.ndim or tuple(s.shape)[1:] != rest:
            needed = ", ".join(["length", *map(str, rest)])
            raise ShapeError(f"pad_sequence: sequence {i} has shape {tuple(s.shape)}, but the first is ({needed})")
    longest = max(s.shape[0] for s in tensors)

    def padded(s: Tensor) -> Tensor:
        missing = longest - s.shape[0]
        if not missing:
            return s
        return pad(s, [0, 0] * len(rest) + ([0, missing] if padding_side == "right" else [missing, 0]), value=padding_value)

    return stack([padded(s) for s in tensors], 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, one by one: ``torch.nn.utils.rnn.unpad_sequence``.

    Args:
        padded_sequences: (T, N, ...), or (N, T, ...) with ``batch_first``.
        lengths: N lengths.
        batch_first: see above.
    """
    check("unpad_sequence", locals(), padded_sequences=TensorBase)
    x = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    found = _lengths("unpad_sequence", lengths, x.shape[0])
    if found.size and not 0 <= found.min() <= found.max() <= x.shape[1]:
        raise ShapeError(f"unpad_sequence: lengths must be from 0 to the {x.shape[1]} steps of the batch, but are {found.tolist()}")
    return [x[i, : int(n)] for i, n in enumerate(found)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack Tensors (length, ...): ``torch.nn.utils.rnn.pack_sequence``. See :func:`pack_padded_sequence`.

    >>> import minigrad as mg
    >>> from minigrad.nn.utils.rnn import pack_sequence
    >>> pack_sequence([mg.tensor([1, 2, 3]), mg.tensor([4, 5])]).data
    tensor([1, 4, 2, 5, 3])
    """
    sequences = _sequences("pack_sequence", sequences)
    return pack_padded_sequence(pad_sequence(sequences), [s.shape[0] for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of :func:`pack_sequence`: ``torch.nn.utils.rnn.unpack_sequence``."""
    check("unpack_sequence", locals(), packed_sequences=PackedSequence)
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence", "unpack_sequence",
    "unpad_sequence",
]  # fmt: skip
