"""Checkpoints: nested dicts, lists, numbers, arrays and Tensors in one file, written whole or not at all, read without running anything.

A file is an uncompressed zip archive: ``state.json`` with the structure, and an ``.npy`` file for each array, so ``numpy.load`` and any
unzip program can open it too. The archive has a checksum for every entry.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from minigrad.engine import TensorBase, wrap

_FORMAT, _VERSION = "minigrad checkpoint", 1
_STRUCTURE = "state.json"
_DEEPEST = 100  # levels of nesting


class CheckpointError(RuntimeError):
    """A file that is no checkpoint, or is truncated or damaged."""


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write ``obj`` to a file, whole or not at all: ``torch.save`` for plain state.

    The file appears under its name only when all of it is on the disk, so a run that is killed while it saves leaves the checkpoint
    before untouched.

    Args:
        obj: dicts, lists and tuples, nested at will, of Tensors, arrays, strings, numbers, booleans and None. Keys of dicts are
            strings, numbers, booleans or None. Tensors are saved by value, without their graph.
        f: a path, or a binary file to write into.

    Raises ``TypeError`` that says where in ``obj`` there is something else.

    >>> import os, tempfile
    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "checkpoint.mg")
    ...     nn.save({"model": model.state_dict(), "epoch": 3, "rng": mg.get_rng_state()}, path)
    ...     state = nn.load(path)
    >>> state["epoch"], list(state["model"])
    (3, ['weight', 'bias'])
    >>> model.load_state_dict(state["model"])
    <All keys matched successfully>
    """
    arrays: list[np.ndarray] = []
    structure = _encode(obj, "state", arrays, ())
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "state": structure}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if not isinstance(f, (str, os.PathLike)):
        _write_archive(f, text, arrays)
        return
    path = Path(os.path.realpath(f))
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), "wb") as file:
            _write_archive(file, text, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def load(f: str | os.PathLike[str] | IO[bytes]) -> Any:
    """What :func:`save` wrote. Nothing in the file is run.

    Args:
        f: a path, or a binary file that can seek.

    Raises:
        CheckpointError: the file is no checkpoint, or is truncated or damaged.
        OSError: it cannot be read (``FileNotFoundError``, ...).
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load(file, os.fspath(f))
    return _load(f, getattr(f, "name", "the file"))


def _load(file: IO[bytes], name: str) -> Any:
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            header = json.loads(_entry(archive, _STRUCTURE).decode("utf-8", "surrogatepass"))
            if not isinstance(header, dict) or header.get("format") != _FORMAT:
                raise CheckpointError("it was not written by minigrad")
            if header.get("version") != _VERSION:
                raise CheckpointError(f"it has version {header.get('version')}, and this minigrad reads version {_VERSION}")
            return _decode(header["state"], archive)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: not a checkpoint that can be read: {error}") from None
    except Exception as error:  # whatever the standard library's readers make of damaged bytes
        raise CheckpointError(f"{name}: not a checkpoint, or truncated or damaged ({type(error).__name__}: {error})") from error


# ------------------------------------------------------------------------------------------------- structure

_PLAIN = (str, int, float, bool, type(None))


def _encode(obj: Any, where: str, arrays: list[np.ndarray], above: tuple[int, ...]) -> Any:
    """``obj`` as JSON: plain values and lists as they are, everything else as ``{kind: ...}``. Arrays go to the list ``arrays``."""
    if type(obj) in _PLAIN:
        return obj
    if isinstance(obj, (TensorBase, np.ndarray, np.generic)):
        array = np.asarray(obj._data if isinstance(obj, TensorBase) else obj)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"save: {where} is an array of dtype {array.dtype}; floats, integers and booleans can be saved")
        arrays.append(array.astype(array.dtype.newbyteorder("<"), order="C", copy=False))
        return {"tensor" if isinstance(obj, TensorBase) else "array" if isinstance(obj, np.ndarray) else "number": len(arrays) - 1}
    if isinstance(obj, (Mapping, list, tuple)):
        if id(obj) in above:
            raise ValueError(f"save: {where} contains itself")
        if len(above) >= _DEEPEST:
            raise ValueError(f"save: {where} is nested more than {_DEEPEST} levels deep")
        above = (*above, id(obj))
    if isinstance(obj, Mapping):
        for key in obj:
            if type(key) not in _PLAIN:
                raise TypeError(f"save: {where} has a key of type {type(key).__name__}; keys must be strings, numbers, booleans or None")
        return {"dict": [[key, _encode(value, f"{where}[{key!r}]", arrays, above)] for key, value in obj.items()]}
    if isinstance(obj, (list, tuple)):
        items = [_encode(value, f"{where}[{i}]", arrays, above) for i, value in enumerate(obj)]
        return items if isinstance(obj, list) else {"tuple": items}
    if isinstance(obj, np.dtype):
        return {"dtype": obj.name}
    for kind in (str, int, float):
        if isinstance(obj, kind):  # a subclass is saved as what it is based on
            return kind(obj)
    raise TypeError(
        f"save: {where} is {type(obj).__name__}; dicts, lists, tuples, Tensors, arrays, strings, numbers, booleans and None can be saved. "
        "Of a model or an optimizer save its state_dict()"
    )


def _decode(node: Any, archive: Any) -> Any:
    if isinstance(node, list):
        return [_decode(item, archive) for item in node]
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "dict":
        return {key: _decode(value, archive) for key, value in content}
    if kind == "tuple":
        return tuple(_decode(item, archive) for item in content)
    if kind == "dtype":
        return np.dtype(content)
    array = _parse_npy(_entry(archive, f"{int(content)}.npy"))
    if kind == "tensor":
        return wrap(array)
    if kind == "array":
        return array
    if kind == "number":
        return array[()]
    raise CheckpointError(f"it holds an unknown kind of value, {kind!r}")


# --------------------------------------------------------------------------------------------------- archive


def _write_archive(file: IO[bytes], text: bytes, arrays: list[np.ndarray]) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for i, array in enumerate(arrays):
            with archive.open(_info(zipfile, f"{i}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
        archive.writestr(_info(zipfile, _STRUCTURE), text)


def _info(zipfile: Any, name: str) -> Any:
    info = zipfile.ZipInfo(name)  # dated 1980: equal states make equal files
    info.external_attr = 0o644 << 16
    return info


def _entry(archive: Any, name: str) -> bytes:
    """An entry's bytes, whose checksum zipfile compares."""
    info = archive.getinfo(name)
    if info.compress_type != 0 or info.flag_bits & 1:
        raise CheckpointError(f"its entry {name} is compressed or encrypted, which save() never does")
    return archive.read(info)


def _parse_npy(data: bytes) -> np.ndarray:
    """The array in an ``.npy`` file, in memory of its own; no more is allocated than there is data."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise CheckpointError("an array has an unknown version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in "fiub" or fortran:
        raise CheckpointError(f"an array is of dtype {dtype}, or in an order that save() never writes")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape).astype(dtype.newbyteorder("="))


def _sync_folder(folder: Path) -> None:
    """Let the new name reach the disk too, where the system can do that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
