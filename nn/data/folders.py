"""Images in folders, a folder for each class: what Pillow can read (``pip install 'minigrad-nn[images]'``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.nn.data.dataset import Dataset
from minigrad.ops.arguments import check

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """The image in a file, in colour: a float32 array (3, H, W) in [0, 1].

    Raises ``ImportError`` without Pillow, ``FileNotFoundError`` for no file, ``ValueError`` for what is no image.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("read_image needs Pillow: pip install 'minigrad-nn[images]'", name=error.name) from error
    check("read_image", locals(), path="a path")
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError(f"read_image: {os.fspath(path)} is no image that Pillow can read") from error
    return np.divide(np.moveaxis(pixels, -1, 0), 255, dtype=np.float32, order="C")


class DatasetFolder(Dataset[tuple[Any, int]]):
    """Files in folders, a folder for each class: ``torchvision.datasets.DatasetFolder``.

    Args:
        root: the folder with a folder for each class; files may be in folders below it.
        loader: a function of a path.
        extensions: which files to take, by the end of their names; not with ``is_valid_file``.
        transform, target_transform: applied to what ``loader`` returns, and to the label.
        is_valid_file: a function of a path that says whether to take it.
        allow_empty: accept classes without files.

    Attributes:
        classes, class_to_idx: the names of the folders, sorted, and the label of each.
        samples: pairs of a path and a label, sorted. targets: the labels.

    Raises:
        FileNotFoundError: no folder, or (without ``allow_empty``) a class without files.
        ValueError: neither or both of ``extensions`` and ``is_valid_file``.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        name = type(self).__name__
        kinds = {"transform": "a function", "target_transform": "a function", "is_valid_file": "a function", "extensions": "a list"}
        check(name, locals(), " ".join(kinds), root="a path", loader="a function", **kinds)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError(f"{name}: give either extensions or is_valid_file")
        ends = () if extensions is None else tuple([e.lower() for e in ([extensions] if isinstance(extensions, str) else extensions)])
        wanted = is_valid_file or (lambda path: path.lower().endswith(ends))
        self.root, self.loader, self.transform, self.target_transform = root, loader, transform, target_transform
        folders = sorted([entry for entry in Path(root).iterdir() if entry.is_dir()], key=lambda entry: entry.name)
        if not folders:
            raise FileNotFoundError(f"{name}: {os.fspath(root)!r} has no folders; it needs one for each class")
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {folder: label for label, folder in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for label, folder in enumerate(folders):
            found = [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and wanted(str(path))]
            if not found and not allow_empty:
                raise FileNotFoundError(f"{name}: no file of class {folder.name!r} in {os.fspath(root)!r}; allow_empty=True accepts that")
            self.samples += [(path, label) for path in found]
        self.targets = [label for _, label in self.samples]

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, label = self.samples[index]
        sample = self.loader(path)
        return (
            sample if self.transform is None else self.transform(sample),
            label if self.target_transform is None else self.target_transform(label),
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(root={os.fspath(self.root)!r}): {len(self)} files in {len(self.classes)} classes"


class ImageFolder(DatasetFolder):
    """Images in folders, a folder for each class: ``torchvision.datasets.ImageFolder``.

    Args:
        root, transform, target_transform, is_valid_file, allow_empty: as for :class:`DatasetFolder`.
        loader: a function of a path, by default :func:`read_image`: the image as a float32 array (3, H, W) in [0, 1], which is what
            transforms here take.

    ``imgs`` is another name of ``samples``. Images of different sizes need a transform that makes them alike, such as :class:`Resize`.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = read_image,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        extensions = EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
