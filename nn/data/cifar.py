"""CIFAR-10 and CIFAR-100: 60,000 colour images of 32x32 pixels in 10 or 100 classes (Krizhevsky 2009), in either form of their files."""

from __future__ import annotations

import io
import math
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.nn.data.collate import default_collate
from minigrad.nn.data.dataset import Dataset
from minigrad.nn.data.idx import MAX_DIMS, DataError
from minigrad.ops.arguments import check, shown_of_file
from minigrad.tensor import as_tensor


class _DType:
    """What stands for ``numpy.dtype`` in a pickle: whole numbers and floats only."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False):
        code = code.decode() if type(code) is bytes else code
        if type(code) is not str or code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"):
            raise pickle.UnpicklingError(f"its arrays are of {shown_of_file(code)}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(">" if state[1] in (">", b">") else "<")


class _Array:
    """What stands for ``numpy.ndarray`` in a pickle. No memory is reserved but for the bytes that are there."""

    array: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 2**31 for n in shape):  # (a product with a text would repeat it)
            raise pickle.UnpicklingError("the shape of an array is no tuple of sizes")
        if len(shape) > MAX_DIMS or type(raw) is not bytes or len(raw) != math.prod(shape) * kind.dtype.itemsize:
            raise pickle.UnpicklingError(f"an array of {len(shape)} dimensions does not fill its bytes")
        array = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C")
        self.array = array.astype(kind.dtype.newbyteorder("="))


def _encoded(text: str, encoding: str) -> bytes:
    """The bytes for which protocol 2 writes a call of ``_codecs.encode``."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it encodes for {shown_of_file(encoding)}")
    return text.encode("latin1")


_STAND_INS = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _DType, ("_codecs", "encode"): _encoded} | {
    (module, "_reconstruct"): lambda kind, shape, code: _Array() for module in ("numpy.core.multiarray", "numpy._core.multiarray")
}
_OPCODES = (  # of protocols 2 to 4
    "PROTO STOP FRAME MARK POP POP_MARK DUP NONE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT NEWTRUE NEWFALSE BINUNICODE SHORT_BINUNICODE "
    "BINUNICODE8 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_LIST EMPTY_DICT EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "APPEND APPENDS SETITEM SETITEMS BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE BUILD"
)


_Unpickler: Any = pickle._Unpickler


class _Reader(_Unpickler):
    """Reads arrays, lists, bytes and numbers, and runs nothing that a file may name.

    It is the unpickler that is written in Python: the one in C reserves as much memory for its memo as a file asks for.

    Bytes and arrays are made of bytes of the file. What has been read can be used again and again, so they are counted: all arrays together, and all
    bytes of a text, have no more bytes than the file.
    """

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="bytes")  # of a file, read() would reserve too much
        self.left = 2 * len(content)

    def _made(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise pickle.UnpicklingError("it makes arrays of the same bytes again and again, which these files never do")

    dispatch = {code: step for code, step in _Unpickler.dispatch.items() if code in {getattr(pickle, name)[0] for name in _OPCODES.split()}}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of these files")
        return _STAND_INS[module, name]

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def load_setitems(self) -> None:
        self._set(self.pop_mark())

    def _set(self, items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, bytes)):  # the hash of one that is nested may take for ever
                raise pickle.UnpicklingError(f"it has a key of type {type(key).__name__}")
            self.stack[-1][key] = value

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _DType)):  # anything else would get attributes, a function of this module too
            raise pickle.UnpicklingError(f"it builds a {type(self.stack[-1]).__name__}")
        self.stack[-1].__setstate__(state)
        if isinstance(self.stack[-1], _Array):
            self._made(self.stack[-1].array.nbytes)

    def load_reduce(self) -> None:
        super().load_reduce()
        if type(self.stack[-1]) is bytes:
            self._made(len(self.stack[-1]))

    dispatch |= {
        pickle.SETITEM[0]: load_setitem, pickle.SETITEMS[0]: load_setitems, pickle.BUILD[0]: load_build, pickle.REDUCE[0]: load_reduce,
    }  # fmt: skip


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        found = _Reader(path.read_bytes()).load()
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged pickle raises anything
        raise DataError(f"{path}: no file of CIFAR, or damaged: {type(error).__name__}: {error}") from error
    if type(found) is not dict:
        raise DataError(f"{path}: no file of CIFAR: it holds a {type(found).__name__}")
    return {
        key.decode("latin1") if isinstance(key, bytes) else key: getattr(value, "array", value) if type(value) is _Array else value
        for key, value in found.items()
    }


class CIFAR10(Dataset[tuple[Any, int]]):
    """32x32 colour images of 10 classes, 50,000 to train and 10,000 to test: ``torchvision.datasets.CIFAR10``.

    Args:
        root: the folder with ``cifar-10-batches-py`` or ``cifar-10-batches-bin``, or this folder itself.
        train: the training set, or the test set.
        transform: applied to each image, a float32 array (3, 32, 32) in [0, 1]. If it has a true attribute ``batched``, the loader
            applies it to a whole batch.
        target_transform: applied to each label, an int.
        download: fetch and unpack the archive into ``root``, if the files are not there; its sha256 is checked.

    Attributes:
        data: the images, a uint8 array (N, 32, 32, 3).
        targets: the labels, a list.
        classes, class_to_idx: the names of the classes, and the label of each.

    Raises:
        FileNotFoundError: no such files.
        DataError: files that do not hold this data set. (Those of the Python form are pickles, of which only plain data is read.)
        DownloadError: (an ``OSError``) no mirror could deliver the archive.
    """

    folders: ClassVar[tuple[str, str]] = ("cifar-10-batches-py", "cifar-10-batches-bin")
    files: ClassVar[dict[bool, tuple[str, ...]]] = {True: tuple([f"data_batch_{i}" for i in range(1, 6)]), False: ("test_batch",)}
    labels: ClassVar[str] = "labels"
    names: ClassVar[dict[str, str]] = {"batches.meta": "label_names", "batches.meta.txt": ""}
    label_bytes: ClassVar[int] = 1
    count: ClassVar[int] = 10
    archive: ClassVar[str] = "cifar-10-python.tar.gz"
    sha256: ClassVar[str] = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    mirrors: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz",)

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        name = type(self).__name__
        check(name, locals(), "transform target_transform", root="a path", transform="a function", target_transform="a function")
        self.root, self.train, self.transform, self.target_transform = root, bool(train), transform, target_transform
        folder = self._folder()
        if folder is None and download:
            self.download(root)
            folder = self._folder()
        if folder is None:
            raise FileNotFoundError(
                f"{type(self).__name__}: neither {self.folders[0]} nor {self.folders[1]} with its files is in {os.fspath(root)!r}; "
                f"download=True fetches {self.archive}"
            )
        parts = (
            [self._read(folder / name) for name in self.files[self.train]]
            if (folder / self.files[self.train][0]).is_file()
            else [self._read_binary(folder / f"{name}.bin") for name in self.files[self.train]]
        )
        self.data = np.concatenate([images for images, _ in parts]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.targets = [int(label) for _, labels in parts for label in labels]
        self.classes = self._classes(folder)
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}

    @classmethod
    def download(cls, root: str | os.PathLike[str], *, mirrors: Sequence[str] | None = None, progress: bool = True) -> Path:
        """Fetch the archive into ``root``, check its sha256 and unpack it; return the folder of its files.

        ``mirrors``: addresses of folders with the archive. Raises ``DownloadError`` if no mirror could deliver it.
        """
        import tarfile

        from minigrad.nn.data.download import fetch  # loads urllib

        root = Path(root)
        root.mkdir(parents=True, exist_ok=True)
        path = root / cls.archive
        fetch([f"{base.rstrip('/')}/{cls.archive}" for base in mirrors or cls.mirrors], path, cls.sha256, progress=progress, unzip=False)
        with tarfile.open(path) as archive:
            archive.extractall(root, filter="data")
        return root / cls.folders[0]

    def _folder(self) -> Path | None:
        root = Path(self.root)
        first = self.files[self.train][-1]
        places = [*[root / name for name in self.folders], root]
        return next((p for p in places if (p / first).is_file() or (p / f"{first}.bin").is_file()), None)

    def _checked(self, path: Path, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError(f"{path}: labels must be a row of whole numbers, not {labels.dtype.name} {labels.shape}")
        if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072 or len(images) != len(labels):
            raise DataError(
                f"{path}: images must be uint8 (N, 3072) with N labels, not {images.dtype.name} {images.shape} with {len(labels)}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < self.count:
            raise DataError(f"{path}: labels must be from 0 to {self.count - 1}, but go from {labels.min()} to {labels.max()}")
        return images, labels

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        found = _unpickled(path)
        if "data" not in found or self.labels not in found:
            raise DataError(f"{path}: no file of {type(self).__name__}: it has {sorted(map(str, found))}, not data and {self.labels}")
        images, labels = found["data"], found[self.labels]
        if type(labels) is list and all(type(label) is int and 0 <= label < 256 for label in labels):
            labels = np.array(labels, np.int64)
        if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray):
            raise DataError(f"{path}: no file of {type(self).__name__}: data and {self.labels} must be an array and a list of numbers")
        return self._checked(path, images, labels)

    def _read_binary(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        width = self.label_bytes + 3072  # the label is the last of its bytes
        contents = np.fromfile(path, np.uint8)
        if len(contents) % width:
            raise DataError(f"{path}: {len(contents)} bytes are no images of {width} bytes each")
        rows = contents.reshape(-1, width)
        return self._checked(path, rows[:, self.label_bytes :], rows[:, self.label_bytes - 1].astype(np.int64))

    def _classes(self, folder: Path) -> list[str]:
        """The names of the classes from the file beside the images; their numbers if there is none."""
        for name, key in self.names.items():
            path = folder / name
            if path.is_file():
                found = _unpickled(path).get(key, []) if key else path.read_text(encoding="utf-8").split()
                if type(found) is not list or not all(isinstance(n, (str, bytes)) for n in found):
                    raise DataError(f"{path}: {key} is no list of names")
                return [n.decode(errors="replace") if isinstance(n, bytes) else n for n in found]
        return [str(i) for i in range(self.count)]

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, label = self._floats(self.data[index]), self.targets[index]
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The batch of samples ``indices``: images (N, 3, 32, 32) float32 and labels (N,) int64, as Tensors in a list."""
        if self.target_transform is not None or (self.transform is not None and not getattr(self.transform, "batched", False)):
            return default_collate([self[i] for i in indices])
        images = self._floats(self.data[list(indices)])
        return [as_tensor(images if self.transform is None else self.transform(images)), as_tensor([self.targets[i] for i in indices])]

    @staticmethod
    def _floats(images: np.ndarray) -> np.ndarray:
        """uint8 (..., 32, 32, 3) as float32 (..., 3, 32, 32) in [0, 1]."""
        return np.divide(np.moveaxis(images, -1, -3), 255, dtype=np.float32, order="C")

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(root={os.fspath(self.root)!r}, train={self.train}): {len(self)} images"


class CIFAR100(CIFAR10):
    """32x32 colour images of 100 classes: ``torchvision.datasets.CIFAR100``. Arguments and attributes are those of :class:`CIFAR10`.

    The folder is ``cifar-100-python`` or ``cifar-100-binary``. The labels are the fine ones.
    """

    folders = ("cifar-100-python", "cifar-100-binary")
    files: ClassVar[dict[bool, tuple[str, ...]]] = {True: ("train",), False: ("test",)}
    labels = "fine_labels"
    names: ClassVar[dict[str, str]] = {"meta": "fine_label_names", "fine_label_names.txt": ""}
    label_bytes = 2
    count = 100
    archive = "cifar-100-python.tar.gz"
    sha256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
