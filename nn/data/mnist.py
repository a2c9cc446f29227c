"""MNIST and Fashion-MNIST: the full sets from idx files, and an embedded sample of real MNIST digits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.nn.data.collate import default_collate
from minigrad.nn.data.dataset import Dataset
from minigrad.nn.data.idx import DataError, parse_idx, read_contents
from minigrad.nn.data.transforms import Normalize
from minigrad.ops.arguments import check
from minigrad.tensor import Tensor, as_tensor

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SAMPLE = "mnist_sample.xz"
SAMPLE_SIZES = {True: 5000, False: 1000}  # train -> images


class MNIST(Dataset[tuple[Any, int]]):
    """Handwritten digits, 28x28 grey: ``torchvision.datasets.MNIST``, and without a folder an embedded sample of it.

    Args:
        root: the folder with the four idx files, gzipped or not, under the names ``train-images-idx3-ubyte`` or
            ``train-images.idx3-ubyte``, directly or in ``MNIST/raw`` (torchvision's folder) or ``raw``. None: the sample of 5,000
            digits from the training set and 1,000 from the test set that comes with minigrad.
        train: the training set, or the test set.
        transform: applied to each image, a float32 array (1, 28, 28) in [0, 1]. If it has a true attribute
            ``batched``, the loader applies it to a whole batch (N, 1, 28, 28). :class:`ToTensor` makes it a Tensor of that shape.
        target_transform: applied to each label, an int.
        download: fetch missing files into ``root/MNIST/raw``, see :meth:`download`.

    Attributes:
        data: the images, a uint8 Tensor (N, 28, 28).
        targets: the labels, an int64 Tensor (N,), 0 to 9. Both may be replaced, for example to leave some digits out.
        images, labels: the same as arrays.
        classes, class_to_idx: the names of the classes, and the label of each.

    Raises:
        FileNotFoundError: no such files.
        DataError: files that do not hold this data set.
        DownloadError: (an ``OSError``) no mirror could deliver them.

    >>> from minigrad.nn.data import MNIST, DataLoader
    >>> digits = MNIST(train=False)
    >>> len(digits), digits.images.shape, digits.labels[:8]
    (1000, (1000, 28, 28), array([1, 6, 4, 4, 1, 4, 2, 9]))
    >>> digits.data.dtype, digits.targets[:3], digits.classes[1]
    (torch.uint8, tensor([1, 6, 4]), '1 - one')
    >>> image, label = digits[0]
    >>> image.shape, str(image.dtype), label
    ((1, 28, 28), 'float32', 1)
    >>> x, y = next(iter(DataLoader(digits, batch_size=64)))
    >>> x.shape, y.shape
    (torch.Size([64, 1, 28, 28]), torch.Size([64]))
    """

    name = "mnist"
    folder = "MNIST"
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip
    mean, std = 0.1307, 0.3081  # of the pixels of the training set, in [0, 1]
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://raw.githubusercontent.com/fgnt/mnist/master",
    )
    # Of the unzipped files, because mirrors may have zipped them again.
    sha256 = {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        name = type(self).__name__
        if not isinstance(train, (bool, np.bool_)):
            raise TypeError(f"{name}: train is True (the training set) or False (the test set), not {train!r}")
        for what, function in (("transform", transform), ("target_transform", target_transform)):
            if function is not None and (isinstance(function, type) or not callable(function)):
                shown = (
                    f"the class {function.__name__}; make one: {function.__name__}(...)" if isinstance(function, type) else repr(function)
                )
                raise TypeError(f"{name}: {what} is a function, not {shown}")
        check(name, locals(), "root", root="a path")
        if root is None and download:
            raise ValueError(f"{name}: download=True needs a folder, root; without one the sample that comes with minigrad is read")
        self.root, self.train, self.transform, self.target_transform = root, train, transform, target_transform
        images, labels = self._embedded(train) if root is None else self._from_folder(Path(root), train, download)
        self.data, self.targets = as_tensor(images), as_tensor(labels)

    @property
    def images(self) -> np.ndarray:
        """``data`` as an array."""
        return np.asarray(self.data)

    @property
    def labels(self) -> np.ndarray:
        """``targets`` as an array."""
        return np.asarray(self.targets)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class by its name."""
        return {name: label for label, name in enumerate(self.classes)}

    @classmethod
    def download(
        cls, root: str | os.PathLike[str], *, mirrors: str | Iterable[str] | None = None, progress: bool = True, timeout: float = 30.0
    ) -> Path:
        """Fetch the four files that are missing or damaged; return their folder, torchvision's ``root/<class>/raw``.

        Args:
            root: the folder to give to the class.
            mirrors: addresses of folders with the four ``.gz`` files, instead of the well-known ones. The environment variable
                ``MINIGRAD_MIRROR`` (several with spaces between them) does the same.
            progress, timeout: see :func:`minigrad.nn.data.download.download`.

        Raises:
            DownloadError: a file that no mirror could deliver.
        """
        from minigrad.nn.data.download import download  # loads urllib

        chosen = mirrors or os.environ.get("MINIGRAD_MIRROR") or cls.mirrors
        return download(Path(root) / cls.folder / "raw", cls.sha256, chosen, progress=progress, timeout=timeout)

    @classmethod
    def _embedded(cls, train: bool) -> tuple[np.ndarray, np.ndarray]:
        from importlib import resources  # loads tempfile, shutil and more

        return read_sample((resources.files("minigrad.nn.data") / SAMPLE).read_bytes(), train)

    @classmethod
    def _from_folder(cls, root: Path, train: bool, download: bool) -> tuple[np.ndarray, np.ndarray]:
        stems = FILES[:2] if train else FILES[2:]
        if download and not all(path.is_file() for path in cls._find(root, stems)):
            cls.download(root)
        images, labels = cls._find(root, stems)
        for path in (images, labels):
            if not path.is_file():
                raise FileNotFoundError(
                    f"{cls.__name__}: no file {path.name}[.gz] or {path.name.replace('-idx', '.idx')}[.gz] in "
                    f"{', '.join(map(str, cls._folders(root)))}; {cls.__name__}({os.fspath(root)!r}, download=True) downloads it"
                )
        return cls._read(images, labels)

    @classmethod
    def _folders(cls, root: Path) -> list[Path]:
        return [root / cls.folder / "raw", root / "raw", root]

    @classmethod
    def _find(cls, root: Path, stems: Sequence[str]) -> list[Path]:
        """The file of each stem, preferably the unzipped one (it is read faster); if there is none, the path that was tried first."""
        names = [[n + suffix for n in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz")] for stem in stems]
        paths = [[folder / n for folder in cls._folders(root) for n in spellings] for spellings in names]
        return [next((p for p in candidates if p.is_file()), candidates[0]) for candidates in paths]

    @classmethod
    def _read(cls, images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
        contents = read_contents(labels_path)
        digest = hashlib.sha256(contents).hexdigest()
        for other in (MNIST, FashionMNIST):  # their files have the same names
            if other is not cls and other.name != cls.name and digest in other.sha256.values():
                raise DataError(f"{labels_path}: these are the labels of {other.__name__}, not of {cls.__name__}")
        images, labels = parse_idx(read_contents(images_path), images_path), parse_idx(contents, labels_path)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise DataError(f"{images_path}: expected uint8 images of 28x28, but it holds {images.dtype.name} of shape {images.shape}")
        if labels.dtype != np.uint8 or labels.ndim != 1:
            raise DataError(f"{labels_path}: expected a row of uint8 labels, but it holds {labels.dtype.name} of shape {labels.shape}")
        if len(images) != len(labels):
            raise DataError(f"{images_path} holds {len(images)} images, but {labels_path} holds {len(labels)} labels")
        wrong = np.flatnonzero(labels > 9)
        if wrong.size:
            raise DataError(f"{labels_path}: label {labels[wrong[0]]} at index {wrong[0]} is outside 0..9")
        return images, labels.astype(np.int64)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, label = self._floats(self.images[index]), int(self.labels[index])
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The batch of samples ``indices``: images (N, 1, 28, 28) float32 and labels (N,) int64, as Tensors in a list."""
        if self.target_transform is not None or (self.transform is not None and not getattr(self.transform, "batched", False)):
            return default_collate([self[i] for i in indices])
        images = self._floats(np.take(self.images, indices, axis=0))
        return [as_tensor(images if self.transform is None else self.transform(images)), as_tensor(np.take(self.labels, indices))]

    def tensors(self, normalize: bool | tuple[float, float] = False) -> tuple[Tensor, Tensor]:
        """All images (N, 1, 28, 28) float32 and all labels (N,) int64, without the ``transform``.

        Args:
            normalize: False for [0, 1]; True subtracts the data set's mean and divides by its standard deviation (0.1307 and 0.3081
                for MNIST); a pair ``(mean, std)`` does so with these.

        >>> from minigrad.nn.data import MNIST
        >>> x, y = MNIST(train=False).tensors(normalize=True)
        >>> x.shape, y.shape, x.dtype
        (torch.Size([1000, 1, 28, 28]), torch.Size([1000]), torch.float32)
        """
        images = self._floats(self.images)
        if normalize is not False:
            mean, std = (self.mean, self.std) if normalize is True else normalize
            images = Normalize(mean, std)(images)
        return as_tensor(images), as_tensor(self.labels.copy())

    @staticmethod
    def _floats(images: np.ndarray) -> np.ndarray:
        """uint8 (..., 28, 28) as float32 (..., 1, 28, 28) in [0, 1]."""
        return np.divide(images[..., None, :, :], 255, dtype=np.float32)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        where = "the embedded sample" if self.root is None else f"root={os.fspath(self.root)!r}"
        return f"{type(self).__name__}({where}, train={self.train}): {len(self)} images"


class FashionMNIST(MNIST):
    """Articles of clothing, 28x28 grey, in the format of MNIST: ``torchvision.datasets.FashionMNIST``.

    The arguments, attributes and errors are those of :class:`MNIST`; torchvision's folder is ``FashionMNIST/raw``. There is no
    embedded sample, so a folder is needed.

    >>> from minigrad.nn.data import FashionMNIST
    >>> FashionMNIST.classes[:3]
    ['T-shirt/top', 'Trouser', 'Pullover']
    """

    name = "fashion-mnist"
    folder = "FashionMNIST"
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    mean, std = 0.2860, 0.3530
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    )
    sha256 = {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }

    @classmethod
    def _embedded(cls, train: bool) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError("FashionMNIST: root is needed; only MNIST has an embedded sample")


def read_sample(packed: bytes, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels int64 (N,) from the bytes of the embedded sample.

    tests/data/make_sample.py of the sources wrote them, compressed by xz: training images, training labels, test images, test labels,
    with a byte for each pixel and each label.
    """
    import lzma

    data = np.frombuffer(lzma.decompress(packed), np.uint8)
    images, labels = [], []
    for n in SAMPLE_SIZES.values():
        images.append(data[: n * 784].reshape(n, 28, 28))
        labels.append(data[n * 784 : n * 785])
        data = data[n * 785 :]
    which = list(SAMPLE_SIZES).index(train)
    return images[which].copy(), labels[which].astype(np.int64)
