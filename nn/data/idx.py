"""The idx format of MNIST and its relatives: a magic number, the sizes, the numbers, all big-endian; often gzipped."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from minigrad.files.atomic import whole_file
from minigrad.ops.arguments import check

DTYPE_CODES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMS = 32  # the limit of every numpy version; real files have 1 to 4


class DataError(ValueError):
    """A data file has wrong contents. The message names the file and what was found."""


def read_contents(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, unzipped if its first two bytes (not its name) say that it is gzipped.

    Raises:
        DataError: a damaged gzip, or one that unzips to over 200 times its length (and 64 MB), which would fill the memory.
        FileNotFoundError: no such file.
    """
    data = Path(path).read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    limit = max(200 * len(data), 1 << 26)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            contents = file.read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: unreadable gzip of {len(data)} bytes ({error})") from None
    if len(contents) > limit:
        raise DataError(
            f"{path}: a gzip of {len(data)} bytes holds more than {limit} bytes, which images or labels never do: it is hostile"
        )
    return contents


def parse_idx(data: bytes, name: object = "idx data") -> np.ndarray:
    """The array in the bytes of an idx file; ``name`` is for the messages of :class:`DataError`.

    >>> from minigrad.nn.data.idx import parse_idx
    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    if len(data) < 4:
        raise DataError(f"{name}: not an idx file: {len(data)} bytes are fewer than its 4-byte magic number")
    zeros, code, ndim = struct.unpack_from(">HBB", data)
    if zeros or code not in DTYPE_CODES or ndim > MAX_DIMS:
        codes = ", ".join(f"0x{c:02x}" for c in DTYPE_CODES)
        raise DataError(
            f"{name}: not an idx file: it begins with {data[:4].hex(' ')}, and an idx file with 00 00, a type ({codes}) and a number of "
            f"dimensions (up to {MAX_DIMS})"
        )
    start = 4 + 4 * ndim
    if len(data) < start:
        raise DataError(f"{name}: truncated: the sizes of {ndim} dimensions need {start} bytes, but there are {len(data)}")
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    dtype = np.dtype(DTYPE_CODES[code])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        what = "truncated" if len(data) < expected else "trailing bytes"
        raise DataError(f"{name}: {what}: {dtype.newbyteorder('=')} of shape {shape} makes {expected} bytes, but there are {len(data)}")
    if math.prod(n for n in shape if n) * dtype.itemsize >= 1 << 63:  # numpy has no array of such a shape, not even an empty one
        raise DataError(f"{name}: not an idx file: no array has the shape {shape}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an idx file, gzipped or not, in the machine's byte order.

    Raises:
        DataError: not an idx file, truncated, bytes left over, or a damaged gzip.
        FileNotFoundError: no such file.

    >>> import tempfile, numpy as np
    >>> from minigrad.nn.data import read_idx, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/a.gz", np.eye(2, dtype=np.int16))
    ...     read_idx(f"{folder}/a.gz")
    array([[1, 0],
           [0, 1]], dtype=int16)
    """
    check("read_idx", locals(), path="a path")
    return parse_idx(read_contents(path), path)


def to_idx(array: np.ndarray) -> bytes:
    """The bytes of an idx file that holds ``array``.

    Raises:
        TypeError: a dtype that the format does not have.
    """
    array = np.asarray(array)
    codes = {np.dtype(d).newbyteorder("="): code for code, d in DTYPE_CODES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise TypeError(f"write_idx: idx files hold {', '.join(map(str, codes))}, not {array.dtype}")
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(DTYPE_CODES[code]).tobytes()


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write ``array`` as an idx file, gzipped where the name ends in ``.gz``. The same array gives the same bytes.

    Raises:
        TypeError: a dtype that the format does not have (it has uint8, int8, int16, int32, float32 and float64).
    """
    check("write_idx", locals(), path="a path")
    data = to_idx(array)
    with whole_file(path) as file:
        file.write(gzip.compress(data, mtime=0) if os.fspath(path).endswith(".gz") else data)
