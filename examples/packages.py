"""Files that come with installed packages: weights, pictures, lists of names."""

from __future__ import annotations

import importlib.util
from pathlib import Path


class Missing(Exception):
    """A package that an example needs is not installed; the message says how to install it."""


def file_of(package: str, inside: str, install: str) -> Path:
    """The path of a file in a package. The package is not imported, because it may need libraries that are not installed.

    Args:
        package: its name in an import statement.
        inside: the file's path within the package.
        install: the arguments of ``pip install`` that install it.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder, inside)).is_file():
            return path
    raise Missing(f"{package}/{inside} is not there: pip install {install}")


def picture_of(name: str) -> Path:
    """The path of a photograph that scikit-image (astronaut.png, chelsea.png, coffee.png) or scikit-learn (flower.jpg) contains."""
    if name.endswith(".png"):
        return file_of("skimage", f"data/{name}", "scikit-image")
    return file_of("sklearn", f"datasets/images/{name}", "scikit-learn")
