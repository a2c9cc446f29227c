"""Reads the format: bytes to messages, stored tensors to arrays. Files may come from strangers, so sizes and paths are checked first.

No code of a file is run, for the format has none. What a file could do is ask for memory and time that it is not worth, or for other files: a tensor
must have as many bytes as its shape says, and external data must lie in the model's own folder.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.ops.arguments import shown

__all__ = ["OnnxError", "Reader", "dtype_of_type", "official", "type_name"]

LARGEST_FILE = 2**31 - 1  # what protobuf reads


class OnnxError(ValueError):
    """A file that is no ONNX model, is damaged, asks for too much, or uses what minigrad has not; a model that ONNX cannot express."""

    __module__ = "minigrad.onnx"


def official() -> Any:
    """The package ``onnx``. Raises ``ImportError`` with what to install if it is not there."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("minigrad.onnx: needs the package onnx: pip install 'minigrad-nn[onnx]'") from error
    return onnx


# ONNX's number of an element type -> dtype, for the types that minigrad has
TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64",
    12: "uint32", 13: "uint64",
}  # fmt: skip
NUMBERS = {name: number for number, name in TYPES.items()}
_OTHERS = {
    0: "undefined", 8: "string", 14: "complex64", 15: "complex128", 16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2",
    20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0", 25: "uint2", 26: "int2",
}  # fmt: skip


def type_name(number: int) -> str:
    """The name of an element type.

    >>> from minigrad.onnx.reader import type_name
    >>> type_name(1), type_name(16)
    ('float32', 'bfloat16')
    """
    return TYPES.get(number) or _OTHERS.get(number, f"type {number}")


def dtype_of_type(number: int) -> np.dtype[Any]:
    """The dtype of an element type. Raises :class:`OnnxError` for one that tensors of minigrad do not have."""
    if number not in TYPES:
        raise OnnxError(f"onnx: a tensor of {type_name(number)}; minigrad has float16, float32, float64, integers and bool")
    return np.dtype(TYPES[number])


class Reader:
    """A model's message, and the arrays of its stored tensors.

    Args:
        source: a path, bytes, or an ``onnx.ModelProto``.
        name: of the calling function, for errors.

    ``folder`` is where external data may lie: the folder of the path, else None.
    """

    def __init__(self, name: str, source: Any):
        onnx = official()
        self.name = name
        self.folder: Path | None = None
        if isinstance(source, onnx.ModelProto):
            self.model = source
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self.model = self._parsed(bytes(source), "these bytes")
        elif isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if path.stat().st_size > LARGEST_FILE:
                raise OnnxError(
                    f"{name}: {path} has {path.stat().st_size} bytes, and a model at most {LARGEST_FILE}; larger ones keep data in files beside"
                )
            self.folder = path.resolve().parent
            self.model = self._parsed(path.read_bytes(), str(path))
        else:
            raise TypeError(f"{name}: the model must be a path, bytes or an onnx.ModelProto, but is {shown(source)}")
        if not self.model.HasField("graph"):
            raise OnnxError(f"{name}: {self._where(source)} holds no graph")

    def _where(self, source: Any) -> str:
        return "this message" if not isinstance(source, (str, os.PathLike)) else str(source)

    def _parsed(self, data: bytes, where: str) -> Any:
        from google.protobuf.message import DecodeError

        model = official().ModelProto()
        try:
            model.ParseFromString(data)
        except DecodeError as error:
            raise OnnxError(f"{self.name}: {where}: not an ONNX model, or damaged ({error})") from None
        return model

    def array(self, tensor: Any) -> np.ndarray:
        """The array of a ``TensorProto``. Raises :class:`OnnxError` if data and shape do not fit, or external data is not where it may be."""
        dtype = dtype_of_type(tensor.data_type)
        shape = tuple(tensor.dims)
        what = f"{self.name}: tensor {tensor.name[:80]!r} of shape {shape}"
        if any(n < 0 for n in shape):
            raise OnnxError(f"{what}: a size is negative")
        size = math.prod(shape)
        if tensor.data_location == official().TensorProto.EXTERNAL:
            raw: Any = self._external(tensor, what, size * dtype.itemsize)
        elif tensor.HasField("raw_data"):
            raw = tensor.raw_data
        else:
            return self._from_fields(tensor, what, dtype, shape, size)
        if len(raw) != size * dtype.itemsize:
            raise OnnxError(f"{what}: has {len(raw)} bytes of data, and {dtype} needs {size * dtype.itemsize}")
        flat = np.frombuffer(raw, np.uint8) != 0 if dtype.kind == "b" else np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)
        return flat.reshape(shape)

    def _from_fields(self, tensor: Any, what: str, dtype: np.dtype[Any], shape: tuple[int, ...], size: int) -> np.ndarray:
        fields = {
            "float32": "float_data",
            "float64": "double_data",
            "int64": "int64_data",
            "uint32": "uint64_data",
            "uint64": "uint64_data",
        }
        values = getattr(tensor, fields.get(dtype.name, "int32_data"))
        if len(values) != size:
            raise OnnxError(f"{what}: has {len(values)} numbers")
        if dtype == np.float16:
            return np.array(values, np.uint16).view(np.float16).reshape(shape)
        return np.array(values, np.int64 if dtype.name not in fields else dtype).astype(dtype).reshape(shape)

    def _external(self, tensor: Any, what: str, expected: int) -> np.ndarray:
        where = {entry.key: entry.value for entry in tensor.external_data}
        location = where.get("location", "")
        if not isinstance(location, str):  # protobuf gives bytes for what is not in UTF-8
            raise OnnxError(f"{what}: damaged: the name {location[:40]!r} of the file of its data is no text")
        if self.folder is None:
            raise OnnxError(f"{what}: its data is in the file {location[:80]!r}, so load the model from its path")
        try:
            offset, length = int(where.get("offset", 0)), int(where.get("length", expected))
        except ValueError:
            raise OnnxError(f"{what}: offset and length of its external data must be whole numbers") from None
        path = self.folder / location.replace("\\", "/")
        try:
            inside = bool(location) and not Path(location).is_absolute() and path.resolve().is_relative_to(self.folder)
            there = inside and path.is_file()
        except (OSError, RuntimeError, ValueError):  # a name that is too long, links in a circle, a zero byte
            inside = there = False
        if not inside:
            raise OnnxError(f"{what}: external data must be in the model's folder, not in {location[:80]!r}")
        if not there:
            raise OnnxError(f"{what}: there is no file {location[:80]!r} in the model's folder")
        if length != expected or offset < 0 or offset + length > path.stat().st_size:
            raise OnnxError(
                f"{what}: needs {expected} bytes, and is said to have {length} at {offset} of {location!r}, which has {path.stat().st_size}"
            )
        with open(path, "rb") as file:
            file.seek(offset)
            return np.frombuffer(file.read(length), np.uint8)
