"""CIFAR-10 and CIFAR-100: 60,000 colour images of 32x32 pixels in 10 or 100 classes (Krizhevsky 2009), in either form of their files."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.nn.data.collate import default_collate
from minigrad.nn.data.dataset import Dataset
from minigrad.nn.data.idx import DataError
from minigrad.ops.arguments import check
from minigrad.tensor import as_tensor

_PLAIN = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
}


class _Reader(pickle.Unpickler):
    """Reads arrays, lists, bytes and numbers, and runs nothing else that a file may name."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of these files")
        return super().find_class(module, name)


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            found = _Reader(file, encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, ImportError) as error:
        raise DataError(f"{path}: no file of CIFAR: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: no file of CIFAR: it holds a {type(found).__name__}")
    return {key.decode() if isinstance(key, bytes) else key: value for key, value in found.items()}


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
        if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072 or len(images) != len(labels):
            raise DataError(f"{path}: images must be uint8 (N, 3072) with N labels, not {images.dtype} {images.shape} with {len(labels)}")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.count:
            raise DataError(f"{path}: labels must be from 0 to {self.count - 1}, but go from {labels.min()} to {labels.max()}")
        return images, labels

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        found = _unpickled(path)
        if "data" not in found or self.labels not in found:
            raise DataError(f"{path}: no file of {type(self).__name__}: it has {sorted(map(str, found))}, not data and {self.labels}")
        return self._checked(path, np.asarray(found["data"]), np.asarray(found[self.labels]))

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
                return [n.decode() if isinstance(n, bytes) else n for n in found]
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
