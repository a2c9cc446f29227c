"""Files in the safetensors format, read and written through the library of that name: ``pip install "minigrad-nn[safetensors]"``.

The format holds one flat dict of named tensors: the weights of a model, to share with other people and other libraries. It holds less
than :func:`minigrad.save` accepts and has no checksum, so it has separate functions: what can be saved does not depend on the file
extension.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from minigrad.dtypes import DTYPES
from minigrad.engine import TensorBase, wrap
from minigrad.files.atomic import whole_file
from minigrad.files.checkpoint import CheckpointError, explained, opened
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor
from minigrad.tree import array_of

__all__ = ["load_safetensors", "save_safetensors"]

_CODES = {
    "F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool",
}  # fmt: skip


def save_safetensors(
    tensors: Mapping[str, Tensor | np.ndarray], f: str | os.PathLike[str] | IO[bytes], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a flat dict of named tensors, such as a ``state_dict``, whole or not at all: ``safetensors.torch.save_file``.

    Args:
        tensors: names -> Tensors or arrays. Tensors that share memory (tied weights) are each written.
        f: a path, or a binary file to write into.
        metadata: texts to put into the header.

    Raises ``TypeError`` for a name that is no string, a value that is no tensor, and a dtype that minigrad does not have; ``ImportError``
    if the library is missing.

    >>> import os, tempfile
    >>> from minigrad import nn
    >>> model = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     nn.save_safetensors(model.state_dict(), path)
    ...     model.load_state_dict(nn.load_safetensors(path))
    <All keys matched successfully>
    """
    check("save_safetensors", locals(), "metadata", f="a path or an open file", metadata="a dict")
    library = _library()
    if not isinstance(tensors, Mapping):
        raise TypeError(f"save_safetensors: a dict of tensors is needed, not {type(tensors).__name__}")
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(f"save_safetensors: metadata must be texts, but has {key!r}: {text!r}")
    arrays = {}
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"save_safetensors: names are strings, not {type(name).__name__}")
        if not isinstance(value, (TensorBase, np.ndarray, np.generic)):
            raise TypeError(
                f"save_safetensors: {name!r} is {type(value).__name__}; the format holds a flat dict of tensors. mg.save takes nested state"
            )
        array = array_of(value)
        if array.dtype.newbyteorder("=") not in DTYPES.values():
            raise TypeError(f"save_safetensors: {name!r} is an array of dtype {array.dtype}; those of tensors can be saved")
        arrays[name] = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    content = library.numpy.save(arrays, None if metadata is None else dict(metadata))
    if isinstance(f, (str, os.PathLike)):
        with whole_file(f) as file:
            file.write(content)
    else:
        f.write(content)


def load_safetensors(f: str | os.PathLike[str] | IO[bytes]) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name: ``safetensors.torch.load_file``. bfloat16 becomes float32, which holds it exactly.

    Args:
        f: a path, or a binary file.

    Raises:
        CheckpointError: the file is not in this format, is truncated or hostile, or holds a dtype that minigrad does not have. The format has no
            checksum: damage to a tensor's numbers goes unnoticed.
        OSError: it cannot be read.
        ImportError: the library is missing.
    """
    check("load_safetensors", locals(), f="a path or an open file")
    library = _library()
    with opened(f) as file, explained(f, "safetensors file"):
        return {name: wrap(_to_array(name, **view)) for name, view in library.deserialize(file.read())}


def _to_array(name: str, dtype: str, shape: list[int], data: bytes) -> np.ndarray:
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if dtype not in _CODES:
        raise CheckpointError(f"{name!r} is of dtype {dtype}, which minigrad does not have")
    if dtype == "BOOL":
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    stored = np.dtype(_CODES[dtype]).newbyteorder("<")
    return np.frombuffer(data, stored).astype(_CODES[dtype]).reshape(shape)


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(f"{error}: pip install 'minigrad-nn[safetensors]'") from error
    return safetensors
