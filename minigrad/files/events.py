"""The numbers in TensorBoard's event files, read without TensorBoard: :func:`read_scalars`.

A file is a sequence of records: 8 bytes with the length, its checksum, the data, their checksum, all little-endian. The data are an ``Event`` in the
protocol buffers' format, of which the time, the step and the values of its summary are read here (the format: https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["EventError", "Scalar", "read_events", "read_scalars"]


class EventError(ValueError):
    """Raised for a file that is no event file, or a damaged one."""


class Scalar(NamedTuple):
    """A number of a curve: its ``tag``, the ``step``, the ``value``, and the time in seconds since 1970."""

    tag: str
    step: int
    value: float
    wall_time: float


def read_scalars(path: str | os.PathLike[str]) -> dict[str, list[tuple[int, float]]]:
    """The curves in an event file, or in all of a folder and the folders below: tag -> pairs (step, value) in the order of writing.

    Curves that :meth:`~minigrad.nn.tensorboard.SummaryWriter.add_scalars` wrote have the names of their folders before the tag.

    Raises:
        EventError: a damaged file; the message says at which byte. The end of a file that is still being written is no damage.
        OSError: no such file, or no event file in the folder.
    """
    root = Path(path)
    files = [root] if not root.is_dir() else sorted(root.rglob("events.out.tfevents.*"))
    if not files:
        raise FileNotFoundError(f"read_scalars: there is no event file in {os.fspath(path)!r}")
    found: dict[str, list[tuple[int, float]]] = {}
    for file in files:
        inside = file.parent.relative_to(root).as_posix() if root.is_dir() else "."
        for scalar in read_events(file):
            tag = scalar.tag if inside == "." else f"{inside}/{scalar.tag}"
            found.setdefault(tag, []).append((scalar.step, scalar.value))
    return found


def read_events(path: str | os.PathLike[str]) -> Iterator[Scalar]:
    """The scalars of one event file, in the order of writing. Images, histograms and other values are passed over.

    Raises ``EventError`` where it is damaged.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        data = memoryview(file.read())
    place = 0
    while place + 12 <= len(data):
        head = data[place : place + 8]
        (length,), (check,) = struct.unpack("<Q", head), struct.unpack("<I", data[place + 8 : place + 12])
        if _masked(head) != check:
            raise EventError(f"read_events: {name} is no event file, or damaged: the checksum of the length at byte {place} is wrong")
        begin, end = place + 12, place + 12 + length
        if end + 4 > len(data):
            return  # the last record is being written
        if _masked(data[begin:end]) != struct.unpack("<I", data[end : end + 4])[0]:
            raise EventError(f"read_events: {name} is damaged: the checksum of the record at byte {place} is wrong")
        try:
            yield from _scalars(data[begin:end])
        except (ValueError, IndexError, struct.error) as error:
            raise EventError(f"read_events: {name} is damaged: the record at byte {place} is no event ({error})") from None
        place = end + 4


# --------------------------------------------------------------------------------------------------------- checksums


def _table() -> list[int]:
    """CRC-32C of each byte (the polynomial of Castagnoli, reversed)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def _masked(data: memoryview) -> int:
    """The checksum as these files have it: CRC-32C, turned by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


# -------------------------------------------------------------------------------------------------- protocol buffers


def _scalars(data: memoryview) -> Iterator[Scalar]:
    """The scalars of an ``Event``: field 1 is the time, 2 the step, 5 a ``Summary``, whose field 1 are the values."""
    time, step, summaries = 0.0, 0, []
    for number, value in _fields(data):
        if number == 1:
            time = _number(value, "<d")
        elif number == 2 and isinstance(value, int):
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5 and isinstance(value, memoryview):
            summaries.append(value)
    for summary in summaries:
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, memoryview):
                tag, found = "", None
                for part, content in _fields(value):  # 1 is the tag, 2 a float, 8 a tensor (newer writers)
                    if part == 1:
                        tag = bytes(_bytes(content)).decode()
                    elif part == 2:
                        found = _number(content, "<f")
                    elif part == 8:
                        found = _tensor(_bytes(content), found)
                if found is not None:
                    yield Scalar(tag, step, found, time)


def _tensor(data: memoryview, otherwise: float | None) -> float | None:
    """The number in a ``TensorProto`` of floats without dimensions: 1 is the dtype, 2 the shape, 4 the bytes, 5 and 6 floats."""
    dtype, shape, values = 0, 0, None
    for number, value in _fields(data):
        if number == 1:
            dtype = value if isinstance(value, int) else 0
        elif number == 2:
            shape = len(_bytes(value))
        elif number == 4:
            values = _bytes(value)
        elif number in (5, 6):
            values = value if isinstance(value, (memoryview, bytes)) else None
    format = {1: "<f", 2: "<d"}.get(dtype)
    return otherwise if format is None or shape or values is None or len(values) != struct.calcsize(format) else _number(values, format)


def _number(value: Any, format: str) -> float:
    return float(struct.unpack(format, _bytes(value))[0])


def _bytes(value: Any) -> memoryview:
    if not isinstance(value, memoryview):
        raise ValueError("a number stands for bytes")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The number and the value of each field of a message: an int, or the bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or place + size > len(data):
            raise ValueError(f"a field of kind {kind} with {size} bytes, of {len(data) - place}")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number in 7 bits of each byte, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value & (1 << 64) - 1, place
    raise ValueError("a number of more than 10 bytes")
