"""PyTorch's checkpoints, written without PyTorch: what :func:`save_torch` writes, ``torch.load`` reads, with ``weights_only=True`` too.

A checkpoint is an uncompressed zip archive with a pickle and an entry for the numbers of each tensor. The pickle is written here instruction by
instruction, because ``pickle`` itself writes only the names of functions that it can import, and tensors of PyTorch are made by PyTorch's.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from minigrad.devices import device
from minigrad.dtypes import OF_NUMPY, dtype
from minigrad.engine import Shell, TensorBase
from minigrad.files.atomic import whole_file
from minigrad.files.checkpoint import new_archive
from minigrad.files.torch_files import STORAGES
from minigrad.tensor import TENSOR_CLASSES, Tensor

__all__ = ["save_torch"]

_STORAGE_OF: dict[Any, str] = {
    dtype: f"{name}Storage" for name, called in STORAGES.items() for dtype in OF_NUMPY.values() if dtype.name == called
}
_DEEPEST = 100  # levels of nesting


def save_torch(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write ``obj`` as ``torch.save`` does, whole or not at all, for PyTorch to read with ``torch.load(f)``.

    Args:
        obj: dicts, OrderedDicts, lists, tuples and sets, nested at will, of Tensors, Parameters, dtypes, devices, strings, bytes, numbers,
            booleans and None: a ``state_dict()``, or a dict of several. Gradients and graphs are not written. Tensors over the same memory
            share theirs in the file too.
        f: a path, or a binary file to write into.

    Raises ``TypeError`` that says where in ``obj`` there is something else (a whole model, an array), ``ValueError`` where it contains itself.

    >>> import io
    >>> from minigrad import nn
    >>> from minigrad.files.torch_writer import save_torch
    >>> model, file = nn.Linear(2, 1), io.BytesIO()
    >>> save_torch({"model": model.state_dict(), "epoch": 3}, file)
    >>> nn.load_torch(file := io.BytesIO(file.getvalue()))["epoch"]
    3
    """
    pickled = _Pickle()
    pickled.write(obj, "obj", ())
    entries = {"data.pkl": b"\x80\x02" + bytes(pickled.code) + b".", "byteorder": b"little", "version": b"3\n"}
    with whole_file(f) if isinstance(f, (str, os.PathLike)) else contextlib.nullcontext(f) as file:
        _write(file, entries, pickled.storages)


def _write(file: IO[bytes], entries: dict[str, bytes], storages: list[np.ndarray]) -> None:
    with new_archive(file) as archive:
        for name, content in entries.items():
            archive.writestr(f"archive/{name}", content)
        for i, array in enumerate(storages):
            with archive.open(f"archive/data/{i}", "w", force_zip64=True) as entry:
                flat = np.ascontiguousarray(array).reshape(-1)
                entry.write(flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).data)


class _Pickle:
    """The instructions for one object, in protocol 2, and the arrays that they refer to."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.storages: list[np.ndarray] = []
        self._tensors: dict[
            int, tuple[int, Any]
        ] = {}  # id of a tensor -> its number in the pickle's memo, and the tensor itself, which keeps its id
        self._known: dict[tuple, int] = {}  # where an array is -> its place in self.storages, which keeps it there

    def write(self, obj: Any, where: str, above: tuple[int, ...]) -> None:
        code = self.code
        if obj is None or obj is True or obj is False:
            code += {None: b"N", True: b"\x88", False: b"\x89"}[obj]
        elif isinstance(obj, (TensorBase, Shell)):
            if id(obj) in self._tensors:  # the same object there too: a parameter that two optimisers, or two places of a model, have
                code += b"j" + struct.pack("<I", self._tensors[id(obj)][0])
            else:
                self._tensor(obj)
                self._tensors[id(obj)] = len(self._tensors), obj
                code += b"r" + struct.pack("<I", self._tensors[id(obj)][0])
        elif isinstance(obj, np.generic) and obj.dtype.kind in "fiub":
            self.write(obj.item(), where, above)
        elif isinstance(obj, int):
            size = obj.bit_length() // 8 + 1
            code += (
                b"J" + struct.pack("<i", obj)
                if size <= 4
                else b"\x8a" + struct.pack("<B", size) + obj.to_bytes(size, "little", signed=True)
            )
        elif isinstance(obj, float):
            code += b"G" + struct.pack(">d", obj)
        elif isinstance(obj, complex):
            self._call("__builtin__ complex", obj.real, obj.imag)
        elif isinstance(obj, device):
            self._call("torch device", str(obj))
        elif isinstance(obj, str):
            text = obj.encode("utf-8", "surrogatepass")
            code += b"X" + struct.pack("<I", len(text)) + text
        elif isinstance(obj, bytes):
            self._call("_codecs encode", obj.decode("latin1"), "latin1")
        elif isinstance(obj, (np.dtype, dtype)) and obj in OF_NUMPY.values():
            self._name(f"torch {obj.name}")
        elif isinstance(obj, (Mapping, list, tuple, set, frozenset)):
            if id(obj) in above:
                raise ValueError(f"save_torch: {where} contains itself")
            if len(above) >= _DEEPEST:
                raise ValueError(f"save_torch: {where[:60]}... is nested more than {_DEEPEST} levels deep")
            self._container(obj, where, (*above, id(obj)))
        else:
            hint = {"ndarray": "; mg.from_numpy(array) can be"}.get(type(obj).__name__, "")
            if hasattr(obj, "state_dict"):
                hint = (
                    ": a file holds numbers and no code, so that loading it runs none; save its state_dict(), and read it by "
                    "load_state_dict(load(f)) of one that is made anew"
                )
            raise TypeError(f"save_torch: {where} is a {type(obj).__name__}, which cannot be saved as plain state{hint}")

    def _container(self, obj: Any, where: str, above: tuple[int, ...]) -> None:
        code = self.code
        if isinstance(obj, Mapping):
            if isinstance(obj, OrderedDict):
                self._call("collections OrderedDict")
            else:
                code += b"}"
            code += b"("
            for key, value in obj.items():
                self.write(key, f"a key of {where}", above)
                self.write(value, f"{where}[{key!r}]", above)
            code += b"u"
            if versions := getattr(obj, "_metadata", None):  # a state_dict's, as PyTorch has them
                self.write({"_metadata": versions}, where, above)
                code += b"b"
            return
        if isinstance(obj, (set, frozenset)):
            self._name(f"builtins {type(obj).__name__}")
        code += b"(" if isinstance(obj, tuple) else b"]("
        for i, value in enumerate(obj):
            self.write(value, f"{where}[{i}]", above)
        code += b"t" if isinstance(obj, tuple) else b"e"
        if isinstance(obj, (set, frozenset)):
            code += b"\x85R"

    def _name(self, module_and_name: str) -> None:
        self.code += b"c" + module_and_name.replace(" ", "\n").encode() + b"\n"

    def _call(self, function: str, *args: Any) -> None:
        self._name(function)
        self.write(args, function, ())
        self.code += b"R"

    def _tensor(self, t: Any) -> None:
        """Calls of PyTorch's functions that make a tensor of a storage, and a parameter of a tensor."""
        parameter = TENSOR_CLASSES.get("parameter", Tensor)
        wrapped = parameter is not Tensor and isinstance(t, parameter)
        array = t.detach().numpy() if isinstance(t, Shell) else np.asarray(t._data)
        place = array.ctypes.data, array.shape, array.strides, array.dtype
        number = self._known.get(place)
        if number is None:
            number = self._known[place] = len(self.storages)
            self.storages.append(array)
        code, typed = self.code, array.dtype in _STORAGE_OF  # PyTorch has no named storages for unsigned numbers beyond uint8
        if wrapped:
            self._name("torch._utils _rebuild_parameter")
            code += b"("
        self._name("torch._utils _rebuild_tensor_v2" if typed else "torch._utils _rebuild_tensor_v3")
        code += b"(("
        self.write("storage", "", ())
        self._name(f"torch {_STORAGE_OF[array.dtype]}" if typed else "torch.storage UntypedStorage")
        for part in (str(number), "cpu", array.size if typed else array.nbytes):
            self.write(part, "", ())
        code += b"tQ"
        steps = np.cumprod((1, *array.shape[:0:-1]))[::-1] if array.ndim else ()
        for place_or_flag in (0, array.shape, tuple(map(int, steps)), False if wrapped else t.requires_grad):
            self.write(place_or_flag, "", ())
        self._call("collections OrderedDict")
        if not typed:
            self._name(f"torch {array.dtype.name}")
        code += b"tR"
        if wrapped:
            self.write(t.requires_grad, "", ())
            self._call("collections OrderedDict")
            code += b"tR"
