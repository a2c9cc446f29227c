"""PyTorch's checkpoints, read without PyTorch and without running what is pickled in them.

``torch.save`` has written three kinds of file: since 1.6 a zip archive with a pickle and an entry for each storage; before, pickles one
after another and the bytes of the storages behind them; and up to 0.1 a tar archive. A pickle is a program for a small stack machine that can
call anything that can be imported. Here it runs on a machine that only builds containers, numbers and strings, and knows only the few names
(:data:`GLOBALS`) that tensors are built from; it imports nothing and reads no attributes, and any other name is an error.
"""

from __future__ import annotations

import io
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any, Literal

import numpy as np

from minigrad import dtypes
from minigrad.devices import check_device
from minigrad.dtypes import OF_NUMPY
from minigrad.engine import F16, F32, F64, Shell
from minigrad.files import checkpoint
from minigrad.files.checkpoint import CheckpointError, explained, open_archive, opened, read_array, read_entry
from minigrad.ops.arguments import check, shown_of_file
from minigrad.tensor import TENSOR_CLASSES, Tensor, made

__all__ = ["load", "load_torch"]

Order = Literal["<", ">"]
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # how the files of PyTorch 0.1.10 to 1.5 begin


def load_torch(f: str | os.PathLike[str] | IO[bytes]) -> Any:
    """The object that ``torch.save`` wrote, with minigrad's Tensors in place of PyTorch's: ``torch.load(f, "cpu", weights_only=True)``.

    Needs no PyTorch, and runs nothing that is in the file: names other than those of tensors and plain containers are refused. All formats of
    ``torch.save`` are read: zip archives (1.6 and later), pickles (before that), and tar archives (0.1).

    - A ``torch.nn.Parameter`` becomes an ``nn.Parameter``; ``torch.Size`` a tuple, ``torch.device`` a string, a dtype that of numpy.
    - bfloat16 becomes float32, which holds it exactly. Complex tensors become a :class:`~minigrad.ops.complex_pair.ComplexPair`.
    - Tensors that are the same part of one storage (tied weights) share memory, other parts are copied. Once the copies add up to
      twice the length of the file, further ones are read-only views of the storage, so that a small file cannot fill the memory.

    Args:
        f: a path, or a seekable binary file.

    Raises:
        CheckpointError: the file is not PyTorch's, is truncated or damaged (zip archives have checksums, the older formats none), or
            holds something else than tensors in plain containers; the message names it.
        OSError: it cannot be read.

    >>> from minigrad import nn
    >>> model = nn.Linear(2, 3)
    >>> model.load_state_dict(nn.load_torch("linear.pt"))  # doctest: +SKIP
    <All keys matched successfully>
    """
    check("load_torch", locals(), f="a path or an open file")
    with opened(f) as file, explained(f, "PyTorch checkpoint"):
        start = file.tell()
        head = file.read(512)
        length = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        if head[:4] == b"PK\3\4":
            result = _load_zip(file, length)
        elif head[257:262] == b"ustar" and head[:1] != b"\x80":
            result = _load_tar(file, length)
        else:
            result = _load_pickles(file, length)
        _check_result(result)
        return result


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:
    """What ``torch.save`` or :func:`minigrad.save` wrote, whichever it is: ``torch.load``. Nothing in the file is run.

    Args:
        f: a path, or a binary file that can seek.
        map_location: a device, or whatever else PyTorch takes: everything is on the CPU. Raises ``DeviceError`` for the name of another.
        pickle_module, mmap: without effect.
        weights_only: without effect: a file with anything but tensors in plain containers is refused.

    Raises :class:`CheckpointError` and ``OSError`` as :func:`load_torch` and :func:`minigrad.load` do.
    """
    if isinstance(map_location, str):
        check_device(map_location)
    import zipfile

    with opened(f) as file:
        start = file.tell()
        try:
            with zipfile.ZipFile(file) as archive:
                ours = checkpoint.STRUCTURE in archive.NameToInfo
        except zipfile.BadZipFile:
            ours = False
        file.seek(start)
        return checkpoint.load(file) if ours else load_torch(file)


# ---------------------------------------------------------------------------------------------------- names in a pickle


class _Name:
    """A name that a pickle may use: a class of storages, or a function, with the method of :class:`_Machine` that replaces it."""

    def __init__(self, name: str, dtype: np.dtype | None = None, method: str = "") -> None:
        self.name, self.dtype, self.method = name, dtype, method


_BFLOAT16 = np.dtype(np.float32, metadata={"stored": "bfloat16"})  # equal to float32, but another object
_DTYPES = {
    **{d.name: d.dtype for d in OF_NUMPY.values()}, "half": F16, "float": F32, "double": F64, "short": np.dtype(np.int16),
    "int": np.dtype(np.int32), "long": np.dtype(np.int64), "bfloat16": _BFLOAT16, "cfloat": np.dtype(np.complex64),
    "cdouble": np.dtype(np.complex128),
}  # fmt: skip
STORAGES = {
    "BFloat16": "bfloat16", "Bool": "bool", "Byte": "uint8", "Char": "int8", "ComplexDouble": "complex128", "ComplexFloat": "complex64",
    "Double": "float64", "Float": "float32", "Half": "float16", "Int": "int32", "Long": "int64", "Short": "int16",
}  # fmt: skip
_FUNCTIONS = {
    "collections.OrderedDict": "_ordered_dict",
    "builtins.set": "_set",
    "__builtin__.set": "_set",
    "builtins.frozenset": "_frozenset",
    "__builtin__.frozenset": "_frozenset",
    "builtins.complex": "_complex",
    "__builtin__.complex": "_complex",
    "_codecs.encode": "_encode",
    "torch.Size": "_size",
    "torch.device": "_device",
    "torch._utils._rebuild_tensor": "_tensor",
    "torch._utils._rebuild_tensor_v2": "_tensor",
    "torch._utils._rebuild_tensor_v3": "_tensor_of_dtype",
    "torch._utils._rebuild_parameter": "_parameter",
}

GLOBALS: dict[str, Any] = {  # all that a pickle may name
    **{f"torch.{name}": dtype if dtype is _BFLOAT16 else OF_NUMPY[dtype] for name, dtype in _DTYPES.items()},
    **{
        name: _Name(name, _DTYPES[dtype])
        for kind, dtype in STORAGES.items()
        for name in (f"torch.{kind}Storage", f"torch.cuda.{kind}Storage")
    },
    **{name: _Name(name) for kind in ["", *STORAGES] for name in (f"torch.{kind}Tensor", f"torch.cuda.{kind}Tensor")},  # in tar archives
    "torch.storage.UntypedStorage": _Name("torch.storage.UntypedStorage", np.dtype(np.uint8)),
    **{name: _Name(name, method=method) for name, method in _FUNCTIONS.items()},
}


class _Storage:
    """The one-dimensional array ``flat`` that tensors are parts of, in this machine's byte order, bfloat16 as float32."""

    def __init__(self, flat: np.ndarray, taken: bool = False, order: Order = "<") -> None:
        self.flat = flat
        self.order = order  # byte order of bytes that have no dtype yet
        self.taken = taken  # whether a tensor uses this memory
        self.parts: dict[tuple, np.ndarray] = {}  # the arrays of tensors made from it
        self.views: dict[int, _Storage] = {}  # id of a dtype -> its bytes as numbers of that dtype


def _itemsize(dtype: np.dtype) -> int:
    return 2 if dtype is _BFLOAT16 else dtype.itemsize


def _decoded(raw: np.ndarray, dtype: np.dtype, order: Order = "<") -> np.ndarray:
    """The bytes ``raw`` as an array of ``dtype``, without a copy where possible."""
    if dtype is _BFLOAT16:
        return (raw.view(np.dtype(np.uint16).newbyteorder(order)).astype(np.uint32) << 16).view(np.float32)
    if dtype.kind == "b":
        return raw != 0
    stored = dtype.newbyteorder(order)
    return raw.view(stored).astype(dtype, copy=False)


# --------------------------------------------------------------------------------------------------------- the machine

_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}  # fmt: skip
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_BYTE_STRINGS = {"STRING", "BINSTRING", "SHORT_BINSTRING"}  # Python 2's str
_MARK = object()


class _Bounded:
    """A file that is asked for no more than it has: the memory for what a pickle says is long is reserved before it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.readline, self.tell = file, file.readline, file.tell

    def read(self, n: int) -> bytes:
        if n > 1 << 16:
            here = self._file.tell()
            n = min(n, self._file.seek(0, os.SEEK_END) - here)
            self._file.seek(here)
        return self._file.read(n)


_FOR_EACH_BYTE = 64  # of a pickle that was read, calls may make so many: a list, which is one byte long, takes them too


class _Machine:
    """Runs one pickle.

    What has been made can be used again and again, so calls that copy it are counted: a pickle of a megabyte could ask for terabytes.

    Args:
        persistent: turns the persistent id that a pickle holds in place of a storage into an object.
        budget: how many bytes may be copied from parts of storages, as a list of one number.
        dry: find out which storages there are, and make no tensors.
    """

    def __init__(self, persistent: Callable[[Any], Any], budget: list[int], dry: bool = False) -> None:
        self._persistent, self._budget, self._dry = persistent, budget, dry
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._made = 0  # bytes that calls have made
        self._read: Callable[[], float] = lambda: math.inf  # bytes of the pickle that were read; one that runs none has no memo

    def run(self, file: IO[bytes]) -> Any:
        """The object that the pickle at the file's position describes; the position is then behind it."""
        import pickletools

        start = file.tell()
        self._made, self._read = 0, lambda: file.tell() - start
        for opcode, arg, _ in pickletools.genops(_Bounded(file)):  # type: ignore[arg-type]
            if opcode.name == "STOP":
                (result,) = self._stack
                return result
            self._step(opcode.name, arg)
        raise CheckpointError("a pickle has no end")

    def _step(self, name: str, arg: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(arg)
        elif name in _BYTE_STRINGS:
            stack.append(_text(arg))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._to_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[arg] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[arg])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(name[-1])
            stack[-n:] = [tuple(self._top(n))]
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name == "LIST":
            stack.append(self._to_mark())
        elif name == "DICT":
            stack.append(_fill({}, self._to_mark()))
        elif name == "FROZENSET":
            stack.append(self._frozenset(self._to_mark()))
        elif name in ("APPEND", "APPENDS"):
            items = self._to_mark() if name == "APPENDS" else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._to_mark() if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
            _fill(_expect(stack[-1], dict), items)
        elif name == "ADDITEMS":
            items = self._to_mark()
            _expect(stack[-1], set).update(map(_key, items))
        elif name == "GLOBAL":
            stack.append(_find(".".join(arg.split(" "))))
        elif name == "STACK_GLOBAL":
            member, module = stack.pop(), stack.pop()
            stack.append(_find(f"{_expect(module, str)}.{_expect(member, str)}"))
        elif name in ("REDUCE", "NEWOBJ"):
            args, function = stack.pop(), stack.pop()
            if not isinstance(function, _Name) or not function.method:
                raise CheckpointError(f"it calls {_describe(function)}, which is no function here")
            stack.append(getattr(self, function.method)(*_expect(args, tuple)))
        elif name == "BUILD":
            attributes = stack.pop()
            state: Any = _expect(stack[-1], OrderedDict)
            if isinstance(attributes, dict) and "_metadata" in attributes:  # the versions of modules, which torch notes on a state_dict
                state._metadata = _expect(attributes["_metadata"], dict)
        elif name in ("PERSID", "BINPERSID"):
            stack.append(self._persistent(stack.pop() if name == "BINPERSID" else arg))
        else:
            raise CheckpointError(f"its pickle has the instruction {name}, which a checkpoint does not need")

    def _top(self, n: int) -> list[Any]:
        items = self._stack[-n:]
        if len(items) < n or any(item is _MARK for item in items):
            raise CheckpointError("its pickle takes more from the stack than there is")
        return items

    def _to_mark(self) -> list[Any]:
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                items = self._stack[place + 1 :]
                del self._stack[place:]
                return items
        raise CheckpointError("its pickle takes more from the stack than there is")

    def _makes(self, count: int, each: int) -> None:
        """Count ``count`` things of ``each`` bytes that a call is about to make."""
        self._made += count * each
        if self._made > _FOR_EACH_BYTE * self._read():
            raise CheckpointError("its pickle makes the same things again and again, more than a file of this length ever holds")

    # ---------------------------------------------------------------------------------- what GLOBALS stand for

    def _ordered_dict(self, pairs: Any = ()) -> OrderedDict:
        self._makes(len(_sequence(pairs)), 128)
        return _fill(OrderedDict(), [x for pair in pairs for x in _sequence(pair, 2)])

    def _set(self, items: Any = ()) -> set:
        self._makes(len(_sequence(items)), 64)
        return {_key(x) for x in items}

    def _frozenset(self, items: Any = ()) -> frozenset:
        return frozenset(self._set(items))

    def _complex(self, real: float = 0.0, imag: float = 0.0) -> complex:
        return complex(_expect(real, float), _expect(imag, float))

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        """The bytes for which protocol 2 writes this call."""
        if encoding not in ("latin1", "latin-1"):
            raise CheckpointError(f"it calls _codecs.encode for the encoding {shown_of_file(encoding)}")
        self._makes(len(_expect(text, str)), 1)
        return text.encode("latin1")

    def _size(self, sizes: Any = ()) -> tuple[int, ...]:
        self._makes(len(_sequence(sizes)), 8)
        return tuple(_count(n) for n in sizes)

    def _device(self, kind: str, index: int | None = None) -> str:
        self._makes(len(_expect(kind, str)), 1)
        return kind if index is None else f"{kind}:{_count(index)}"

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, metadata: Any = None
    ) -> Any:
        return None if self._dry else self._part(_expect(storage, _Storage), offset, size, stride, bool(requires_grad))

    def _tensor_of_dtype(
        self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
    ) -> Any:
        if self._dry:
            return None
        raw = _expect(storage, _Storage).flat
        if raw.dtype != np.uint8:
            raise CheckpointError("a tensor names its dtype, but so does its storage")
        dtype = np.dtype(_expect(dtype, dtypes.dtype, np.dtype))
        if id(dtype) not in storage.views:
            storage.views[id(dtype)] = _Storage(_decoded(raw, dtype, storage.order), taken=bool(storage.views))
        return self._part(storage.views[id(dtype)], offset, size, stride, bool(requires_grad))

    def _parameter(self, data: Any, requires_grad: Any = True, hooks: Any = None) -> Any:
        if self._dry:
            return None
        if isinstance(data, Shell):
            return type(data)(self._parameter(data.pair, requires_grad))  # type: ignore[call-arg]
        return TENSOR_CLASSES.get("parameter", Tensor)._rebuild(_expect(data, Tensor)._data, bool(requires_grad), None)

    def _part(self, storage: _Storage, offset: Any, size: Any, stride: Any, requires_grad: bool) -> Any:
        size, stride = self._size(size), self._size(stride)
        place = (_count(offset), size, stride)
        array = storage.parts.get(place)
        if array is None:
            array = storage.parts[place] = self._cut(storage, *place)
        return made(array).requires_grad_(requires_grad)

    def _cut(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
        """The part of a storage that starts at ``offset`` and takes steps of ``stride`` elements."""
        flat = storage.flat
        if len(size) != len(stride):
            raise CheckpointError(f"a tensor has sizes {size} but steps {stride}")
        if 0 in size:
            return np.empty(size, flat.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if last >= flat.size:
            raise CheckpointError(f"a tensor of sizes {size}, steps {stride} and offset {offset} leaves its storage of {flat.size} numbers")
        steps = tuple(step * flat.itemsize if n > 1 else 0 for n, step in zip(size, stride, strict=True))
        view = np.lib.stride_tricks.as_strided(flat[offset:], size, steps)
        if view.flags.c_contiguous and view.size == flat.size and not storage.taken:
            storage.taken = True
            return flat.reshape(size)
        if view.nbytes <= self._budget[0]:
            self._budget[0] -= view.nbytes
            return view.copy(order="C")
        view.flags.writeable = False
        return view


def _find(name: str) -> Any:
    if name not in GLOBALS:
        raise CheckpointError(
            f"it asks for {name}, which is neither a tensor nor a plain container; nothing was run. If it holds a whole model, "
            "save the model's state_dict() with PyTorch instead"
        )
    return GLOBALS[name]


def _describe(value: Any) -> str:
    return value.name if isinstance(value, _Name) else type(value).__name__


def _expect(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise CheckpointError(f"it has {_describe(value)} where {kinds[0].__name__.strip('_')} is expected")
    return value


def _sequence(value: Any, length: int | None = None) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, (list, tuple)) or length not in (None, len(value)):
        raise CheckpointError(f"it has {_describe(value)} where a list is expected")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise CheckpointError(f"it has {shown_of_file(value)} where a size or a position is expected")
    return value


_LONGEST_KEY = 100  # parts of a tuple


def _key(value: Any) -> Any:
    """A key of a dict or a member of a set; neither nested nor long, because such a key can take extremely long to hash.

    Whole numbers are below 2**60 for the same reason: multiples of 2**61 - 1 all have the hash 0.
    """
    parts = value if isinstance(value, tuple) else (value,)
    if len(parts) > _LONGEST_KEY:
        raise CheckpointError(f"it has a key of {len(parts)} parts; a key may have {_LONGEST_KEY}")
    for part in parts:
        if not isinstance(part, (str, bytes, int, float, type(None))):
            raise CheckpointError(f"it has a key of type {_describe(part)}")
        if isinstance(part, int) and not -(2**60) < part < 2**60:
            raise CheckpointError("it has a key that is a number of 2**60 or more")
    return value


def _fill(target: Any, items: list[Any]) -> Any:
    """``target`` with keys and values that follow one another."""
    if len(items) % 2:
        raise CheckpointError("its pickle has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_key(key)] = value
    return target


def _text(value: str) -> str:
    """Python 2's bytes, which pickletools shows as latin-1."""
    try:
        return value.encode("latin1").decode()
    except UnicodeDecodeError:
        return value


def _check_result(result: Any) -> None:
    """Refuse a result that holds an object used only to build tensors."""
    seen: set[int] = set()
    ahead = [result]
    while ahead:
        value = ahead.pop()
        if isinstance(value, (_Name, _Storage)) or value is _MARK:
            raise CheckpointError(f"it holds {'a storage' if isinstance(value, _Storage) else _describe(value)} outside of a tensor")
        if isinstance(value, (dict, list, tuple, set, frozenset)) and id(value) not in seen:
            seen.add(id(value))
            ahead.extend(value.values() if isinstance(value, dict) else value)


# --------------------------------------------------------------------------------------------------------- the formats


def _storage_id(saved: Any) -> tuple[np.dtype, str, int, Any]:
    """The dtype, key, number of elements and further fields of the persistent id of a storage in a pickle."""
    kind, storage, key, _, numel, *rest = _sequence(saved)
    if kind != "storage" or not isinstance(storage, _Name) or storage.dtype is None:
        raise CheckpointError(f"it holds {shown_of_file(kind)} of {_describe(storage)} where a storage is expected")
    return storage.dtype, str(_expect(key, str, int)), _count(numel), rest


def _load_zip(file: IO[bytes], length: int) -> Any:
    storages: dict[str, tuple[np.dtype, _Storage]] = {}
    with open_archive(file) as archive:
        entries = [entry for entry in archive.infolist() if entry.file_size]
        if all(entry.CRC == 0 for entry in entries):
            for entry in entries:
                del entry.CRC  # written under torch.serialization.set_crc32_options(False): there is no checksum to check
        for name in archive.NameToInfo:
            archive.open(name).close()  # compares the names in the two lists of an archive
        folders = [name.removesuffix("data.pkl") for name in archive.NameToInfo if name.rpartition("/")[2] == "data.pkl"]
        if len(folders) != 1:
            raise CheckpointError("it has no data.pkl" if not folders else "it has several data.pkl")
        (folder,) = folders
        if f"{folder}constants.pkl" in archive.NameToInfo:
            raise CheckpointError("it was written by torch.jit.save, and holds a program")
        order = read_entry(archive, f"{folder}byteorder") if f"{folder}byteorder" in archive.NameToInfo else b"little"
        if order not in (b"little", b"big"):
            raise CheckpointError(f"its byte order is {order!r:.30}")

        def storage(saved: Any) -> _Storage:
            dtype, key, numel, _ = _storage_id(saved)
            if key not in storages:
                name = f"{folder}data/{key}"
                with archive.open(name) as entry:
                    raw = read_array(entry, archive.getinfo(name).file_size, (numel * _itemsize(dtype),), np.dtype(np.uint8))
                mark: Order = "<" if order == b"little" else ">"
                storages[key] = dtype, _Storage(_decoded(raw, dtype, mark), order=mark)
            known, found = storages[key]
            if dtype is not known or numel != found.flat.size:
                raise CheckpointError(f"it says two things of its storage {key}")
            return found

        return _Machine(storage, [2 * length]).run(io.BytesIO(read_entry(archive, f"{folder}data.pkl")))


def _load_pickles(file: IO[bytes], length: int) -> Any:
    """Run the pickle twice: first without tensors, to find the storages, whose bytes come last; then again, to make the tensors."""
    for expected in (_MAGIC, _PROTOCOL):
        if _Machine(_no_storage, [0]).run(file) != expected:
            raise CheckpointError("it begins like none of PyTorch's files")
    _Machine(_no_storage, [0]).run(file)  # facts about the machine that wrote it; storages are little-endian on any machine
    start = file.tell()
    wanted: dict[str, tuple[np.dtype, int]] = {}
    storages: dict[Any, _Storage] = {}

    def note(saved: Any) -> None:
        dtype, key, numel, _ = _storage_id(saved)
        wanted.setdefault(key, (dtype, numel))

    def storage(saved: Any) -> _Storage:
        dtype, key, numel, rest = _storage_id(saved)
        if wanted[key][0] is not dtype or wanted[key][1] != numel:
            raise CheckpointError(f"it says two things of its storage {key}")
        (view,) = rest or (None,)
        if view is None:
            return storages[key]
        view_key, offset, size = _sequence(view, 3)
        return _view(storages, storages[key], _key(view_key), offset, size)

    _Machine(note, [0], dry=True).run(file)
    for key in map(str, _sequence(_Machine(_no_storage, [0]).run(file))):
        if key not in wanted or key in storages:
            raise CheckpointError(f"its storage {key} is not used, or is there twice")
        storages[key] = _read_storage(file, length, *wanted[key])
    file.seek(start)
    return _Machine(storage, [2 * length]).run(file)


def _load_tar(file: IO[bytes], length: int) -> Any:
    """Storages, tensors and then the pickle that refers to the tensors by number, each in a member of the archive."""
    import struct
    import tarfile

    objects: dict[int, Any] = {}
    budget = [2 * length]
    with tarfile.open(fileobj=file, mode="r:") as archive:

        def member(name: str) -> IO[bytes]:
            info = archive.getmember(name)
            content = archive.extractfile(info) if info.isreg() and not info.issparse() and info.size <= length else None
            if content is None:
                raise CheckpointError(f"its member {name} is no file of its own")
            return content

        def integers(content: IO[bytes], n: int) -> tuple[int, ...]:
            return struct.unpack(f"<{n}q", content.read(8 * n))

        content = member("storages")
        for _ in range(_count(_Machine(_no_storage, [0]).run(content))):
            key, _location, kind = _sequence(_Machine(_no_storage, [0]).run(content), 3)
            if not isinstance(kind, _Name) or kind.dtype is None:
                raise CheckpointError(f"it has {_describe(kind)} where a class of storages is expected")
            objects[_count(key)] = _read_storage(content, length, kind.dtype)
        for view in _sequence(_Machine(_no_storage, [0]).run(content)):
            key, root, offset, size = _sequence(view, 4)
            _view(objects, _expect(objects[_count(root)], _Storage), _count(key), offset, size)
        content = member("tensors")
        makes = _Machine(_no_storage, budget)
        for _ in range(_count(_Machine(_no_storage, [0]).run(content))):
            key, root, _kind = _sequence(_Machine(_no_storage, [0]).run(content), 3)
            ndim = struct.unpack("<i4x", content.read(8))[0]
            if not 0 <= ndim <= 64:
                raise CheckpointError(f"a tensor has {ndim} dimensions")
            sizes, strides, (offset,) = integers(content, ndim), integers(content, ndim), integers(content, 1)
            objects[_count(key)] = makes._tensor(objects[_count(root)], offset, sizes, strides)
        return _Machine(lambda saved: objects[int(_expect(saved, int, str))], budget).run(member("pickle"))


def _no_storage(saved: Any) -> Any:
    raise CheckpointError("it has a storage where none can be")


def _view(storages: dict[Any, _Storage], whole: _Storage, key: Any, offset: Any, size: Any) -> _Storage:
    """The storage ``key``, which is a part of another."""
    if key not in storages:
        if _count(offset) + _count(size) > whole.flat.size:
            raise CheckpointError(f"a part of a storage, {size} from {offset}, is outside of the {whole.flat.size} numbers that there are")
        storages[key] = _Storage(whole.flat[offset : offset + size], taken=True)
    return storages[key]


def _read_storage(file: IO[bytes], length: int, dtype: np.dtype, numel: int | None = None) -> _Storage:
    """A storage at the file's position: the number of elements, then their bytes."""
    written = int.from_bytes(file.read(8), "little")
    if numel not in (None, written) or written * _itemsize(dtype) > length:
        raise CheckpointError(f"a storage claims {written} elements of {dtype}, more than there are")
    raw = np.empty(written * _itemsize(dtype), np.uint8)
    view, done = memoryview(raw), 0  # type: ignore[arg-type]
    while done < len(view) and (n := file.readinto(view[done:])):  # type: ignore[attr-defined]
        done += n
    if done < len(view):
        raise CheckpointError("it ends within a storage")
    return _Storage(_decoded(raw, dtype))
