"""Checkpoints: nested dicts, lists, numbers, arrays and Tensors in one file, written whole or not at all, read without running anything.

A file is an uncompressed zip archive: ``state.json`` with the structure, and an ``.npy`` file for each array, so ``numpy.load`` and any
unzip program can open it too. The archive has a checksum for every entry.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from minigrad.devices import check_device
from minigrad.dtypes import DTYPES, dtype
from minigrad.engine import Shell, TensorBase
from minigrad.files.atomic import whole_file
from minigrad.ops.arguments import check
from minigrad.tensor import TENSOR_CLASSES, Tensor

__all__ = ["CheckpointError", "load", "save"]

_FORMAT, _VERSION = "minigrad checkpoint", 2
STRUCTURE = "state.json"
_DEEPEST = 100  # levels of nesting


class CheckpointError(RuntimeError):
    """The file is not a checkpoint, or is truncated, damaged or hostile."""


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write ``obj`` to a file, whole or not at all: ``torch.save`` for plain state.

    The file appears under its name only when all of it is on the disk, so a run that is killed while saving leaves the previous
    checkpoint intact.

    Args:
        obj: dicts, OrderedDicts, lists and tuples, nested at will, of Tensors, Parameters, arrays, dtypes, strings, bytes, numbers, booleans
            and None. Keys of dicts are strings, numbers, booleans or None. Tensors are saved by value, without their graph and gradient. Arrays
            that share memory are written once, and share memory again when loaded.
        f: a path, or a binary file to write into.

    Raises ``TypeError`` that says where ``obj`` holds another type, and ``ValueError`` if it contains itself or is nested more
    than 100 levels deep.

    >>> import os, tempfile
    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> model = nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "checkpoint.mg")
    ...     mg.save({"model": model.state_dict(), "epoch": 3, "rng": mg.get_rng_state()}, path)
    ...     state = mg.load(path)
    >>> state["epoch"], list(state["model"])
    (3, ['weight', 'bias'])
    >>> model.load_state_dict(state["model"])
    <All keys matched successfully>
    """
    check("save", locals(), f="a path or an open file")
    import json

    writer = _Writer()
    structure = writer.encode(obj, "state", ())
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "state": structure}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if isinstance(f, (str, os.PathLike)):
        with whole_file(f) as file:
            _write_archive(file, text, writer.arrays)
    else:
        _write_archive(f, text, writer.arrays)


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """The object that :func:`save` wrote: ``torch.load``. No code in the file is run.

    A Parameter comes back as an ``nn.Parameter`` if ``minigrad.nn`` has been imported, and otherwise as a Tensor that requires a gradient.
    ``nn.load_torch`` reads PyTorch's own files.

    Args:
        f: a path, or a seekable binary file.
        map_location: only ``None`` or ``"cpu"``.
        weights_only: for scripts that come from PyTorch; it has no effect, since a file holds only plain state.

    Raises:
        CheckpointError: the file is no checkpoint, or is truncated, damaged or hostile. Every entry has a checksum, so
            nothing is returned from a damaged file. Reading takes no more memory than the file is long.
        OSError: it cannot be read (``FileNotFoundError``, ...).
    """
    check("load", locals(), f="a path or an open file")
    check_device(map_location)
    with opened(f) as file, explained(f):
        return _load(file)


def _load(file: IO[bytes]) -> Any:
    import json

    with open_archive(file) as archive:
        if STRUCTURE not in archive.NameToInfo:
            for name in archive.NameToInfo:
                if name.rpartition("/")[2] == "data.pkl":
                    raise CheckpointError("it is PyTorch's: nn.load_torch reads it")
        header = json.loads(read_entry(archive, STRUCTURE).decode("utf-8", "surrogatepass"))
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise CheckpointError("it was not written by minigrad")
        if header.get("version") != _VERSION:
            raise CheckpointError(f"it has version {header.get('version')}, and this minigrad reads version {_VERSION}")
        return _Reader(archive).decode(header["state"])


# --------------------------------------------------------------------------------------------------------- structure

_PLAIN = (str, int, float, bool, type(None))
_DTYPE_NAMES = {np.dtype(code).name: np.dtype(code) for code in np.typecodes["AllInteger"] + np.typecodes["AllFloat"] + "?"} | {
    f"minigrad.{d.name}": d for d in DTYPES.values()
}


class _Writer:
    """Turns state into JSON, and collects the arrays in it."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._objects: dict[int, tuple[int, Any]] = {}  # id -> number and object, of every Tensor and array
        self._memory: dict[tuple, tuple[int, np.ndarray]] = {}  # an array's memory -> its index in self.arrays; the array, to keep it alive

    def encode(self, obj: Any, where: str, above: tuple[int, ...]) -> Any:
        """``obj`` as JSON: plain values and lists as they are, everything else as ``{kind: ...}``."""
        if type(obj) in _PLAIN:
            return obj
        if isinstance(obj, (TensorBase, np.ndarray)):
            if id(obj) in self._objects:
                return {"again": self._objects[id(obj)][0]}
            self._objects[id(obj)] = len(self._objects), obj
            if isinstance(obj, np.ndarray):
                return {"array": self._place(obj, where)}
            kind = next(name for name, cls in reversed(TENSOR_CLASSES.items()) if isinstance(obj, cls))
            return {kind: [self._place(np.asarray(obj._data), where), obj.requires_grad]}  # type: ignore[attr-defined]
        if isinstance(obj, Shell):
            return {"complex": self.encode(obj.pair, where, above)}
        if isinstance(obj, np.generic) and obj.dtype.kind in "fiubc":
            return {"number": self._place(np.asarray(obj), where)}
        if isinstance(obj, (Mapping, list, tuple)):
            return self._encode_container(obj, where, above)
        if isinstance(obj, bytes):
            return {"bytes": self._place(np.frombuffer(obj, np.uint8), where)}
        if (
            isinstance(obj, (np.dtype, dtype))
            and (name := str(obj) if isinstance(obj, np.dtype) else f"minigrad.{obj.name}") in _DTYPE_NAMES
        ):
            return {"dtype": name}
        for base in (str, int, float):
            if isinstance(obj, base):  # a subclass is saved as its base
                return base(obj)
        raise TypeError(
            f"save: {where} is {type(obj).__name__}; dicts, lists, tuples, Tensors, arrays, strings, bytes, numbers, booleans and None can be "
            "saved. Of a model or an optimizer save its state_dict()"
        )

    def _encode_container(self, obj: Any, where: str, above: tuple[int, ...]) -> Any:
        if id(obj) in above:
            raise ValueError(f"save: {where} contains itself")
        if len(above) >= _DEEPEST:
            raise ValueError(f"save: {where} is nested more than {_DEEPEST} levels deep")
        above = (*above, id(obj))
        if isinstance(obj, Mapping):
            for key in obj:
                if type(key) not in _PLAIN:
                    raise TypeError(
                        f"save: {where} has a key of type {type(key).__name__}; keys must be strings, numbers, booleans or None"
                    )
            items = [[key, self.encode(value, f"{where}[{key!r}]", above)] for key, value in obj.items()]
            if versions := getattr(obj, "_metadata", None):  # a state_dict's: see Module._version
                return {"versioned": [items, self.encode(versions, f"{where}._metadata", above)]}
            return {"ordered" if isinstance(obj, OrderedDict) else "dict": items}
        items = [self.encode(value, f"{where}[{i}]", above) for i, value in enumerate(obj)]
        return items if isinstance(obj, list) else {"tuple": items}

    def _place(self, array: np.ndarray, where: str) -> int:
        """The index in ``self.arrays`` of the array's numbers, which are added there once."""
        if array.dtype.kind not in "fiubc":
            raise TypeError(f"save: {where} is an array of dtype {array.dtype}; numbers and booleans can be saved")
        memory = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)
        if memory not in self._memory:
            self._memory[memory] = len(self.arrays), array
            self.arrays.append(array.astype(array.dtype.newbyteorder("<"), order="C", copy=False))
        return self._memory[memory][0]


class _Reader:
    """Turns JSON back into state. An array is read at its first use."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._objects: list[Any] = []
        self._arrays: dict[int, np.ndarray] = {}
        self._bytes: dict[int, bytes] = {}

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((kind, content),) = node.items()
        if kind == "dict":
            return {key: self.decode(value) for key, value in content}
        if kind == "ordered":
            return OrderedDict((key, self.decode(value)) for key, value in content)
        if kind == "versioned":
            items, versions = content
            state = self.decode({"ordered": items})
            state._metadata = self.decode(versions)
            return state
        if kind == "tuple":
            return tuple(self.decode(item) for item in content)
        if kind == "number":
            return self._array(content)[()]
        if kind == "bytes":
            if content not in self._bytes:
                self._bytes[content] = self._array(content).tobytes()
            return self._bytes[content]
        if kind == "dtype":
            return _DTYPE_NAMES[content]
        if kind == "complex":
            from minigrad.ops.complex_pair import ComplexPair

            pair = self.decode(content)
            if not isinstance(pair, TensorBase) or pair._data.shape[-1:] != (2,):
                raise CheckpointError("it holds complex numbers that are no pairs")
            return ComplexPair(pair)
        if kind == "again":
            return self._objects[_index(content)]
        if kind == "array":
            known = content in self._arrays
            array = self._array(content)
            self._objects.append(array.view() if known else array)
        elif kind in ("tensor", "parameter"):
            place, requires_grad = content
            array = self._array(place)
            if array.dtype not in DTYPES.values():
                raise CheckpointError(f"it holds a tensor of dtype {array.dtype}, which minigrad does not have")
            self._objects.append(TENSOR_CLASSES.get(kind, Tensor)._rebuild(array, bool(requires_grad), None))
        else:
            raise CheckpointError(f"it holds an unknown kind of value, {kind!r}")
        return self._objects[-1]

    def _array(self, place: Any) -> np.ndarray:
        if place not in self._arrays:
            self._arrays[place] = _read_npy(self._archive, f"{_index(place)}.npy")
        return self._arrays[place]


def _index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise CheckpointError(f"{value!r} where a position is expected")
    return value


# ----------------------------------------------------------------------------------------------------------- archive


def _write_archive(file: IO[bytes], text: bytes, arrays: list[np.ndarray]) -> None:
    import zipfile

    with new_archive(file) as archive:
        for i, array in enumerate(arrays):
            with archive.open(_info(zipfile, f"{i}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
        archive.writestr(_info(zipfile, STRUCTURE), text)


@contextlib.contextmanager
def new_archive(file: IO[bytes]) -> Iterator[Any]:
    """A zip archive to be written into ``file``, uncompressed. After an error or an interrupt it is not ended, and hides it by none of its own."""
    import zipfile

    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        yield archive
    except BaseException:
        archive.fp = None  # for zipfile it is closed
        raise
    archive.close()


def _info(zipfile: Any, name: str) -> Any:
    info = zipfile.ZipInfo(name)  # dated 1980, so that equal states make equal files
    info.external_attr = 0o644 << 16
    return info


@contextlib.contextmanager
def open_archive(file: IO[bytes]) -> Iterator[Any]:
    """The zip archive in ``file``, whose entries are uncompressed and together no longer than the file."""
    import zipfile

    length = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise CheckpointError(f"its entry {entry.filename} is compressed or encrypted, which is never done to a checkpoint")
            if entry.file_size != entry.compress_size:
                raise CheckpointError(f"its entry {entry.filename} has two lengths")
        if sum(entry.file_size for entry in entries) > length:
            raise CheckpointError("its entries claim to be longer than the file")
        if len({entry.filename for entry in entries}) < len(entries):
            raise CheckpointError("two of its entries have one name")
        yield archive


def read_entry(archive: Any, name: str) -> bytes:
    """The bytes of an entry; zipfile checks the checksum."""
    return archive.read(name)


def read_array(entry: IO[bytes], left: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array from the last ``left`` bytes of an archive's entry, in this machine's byte order."""
    count = 1
    for n in shape:
        count *= n
    if any(n < 0 for n in shape) or count * dtype.itemsize != left:
        raise CheckpointError(f"an array of {dtype} and shape {shape} does not fill the {left} bytes that are there for it")
    flat = np.empty(count, dtype)
    view = memoryview(flat.view(np.uint8))  # type: ignore[arg-type]
    done = 0
    while done < left and (n := entry.readinto(view[done:])):  # type: ignore[attr-defined]
        done += n
    if done < left or entry.read(1):  # reading to the end makes zipfile check the checksum
        raise CheckpointError("an array has another length than announced")
    if dtype.kind == "b" and flat.view(np.uint8).max(initial=0) > 1:
        raise CheckpointError("an array of booleans holds other numbers than 0 and 1")
    return flat.astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_npy(archive: Any, name: str) -> np.ndarray:
    with archive.open(name) as entry:
        if np.lib.format.read_magic(entry) != (1, 0):
            raise CheckpointError("an array has an unknown version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(entry)
        if dtype.kind not in "fiubc" or fortran:
            raise CheckpointError(f"an array is of dtype {dtype}, or in an order that save() never writes")
        return read_array(entry, archive.getinfo(name).file_size - entry.tell(), shape, dtype)


# ------------------------------------------------------------------------------------------------------------- files


@contextlib.contextmanager
def opened(f: str | os.PathLike[str] | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file to read from: ``f`` itself, or the file at the path ``f``."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            yield file
    elif hasattr(f, "read") and hasattr(f, "seek"):
        yield f
    else:
        raise TypeError(f"load: a path or a binary file is needed, not {type(f).__name__}")


@contextlib.contextmanager
def explained(f: Any, what: str = "checkpoint") -> Iterator[None]:
    """Turn every error that damaged bytes cause in a reader into a :class:`CheckpointError` that names the file."""
    name = os.fspath(f) if isinstance(f, (str, os.PathLike)) else getattr(f, "name", "the file")
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{name}: not a {what} that can be read: {error}") from None
    except Exception as error:
        raise CheckpointError(f"{name}: not a {what}, or truncated or damaged ({type(error).__name__}: {error})") from error
