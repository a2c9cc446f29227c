"""Names of a package that are loaded when they are first used, because no program needs them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def places(names: Mapping[str, str]) -> dict[str, str]:
    """Name -> module, from module -> names with spaces between them.

    >>> places({"json": "dumps loads"})
    {'dumps': 'json', 'loads': 'json'}
    """
    return {name: module for module, several in names.items() for name in several.split()}


def loader(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package: it loads a name from its module, or the module of that name, and keeps it.

    >>> loader("xml", {"sub": "re", "dom": "xml.dom"})("sub").__module__
    're'
    """
    modules = {*places.values()}

    def load(name: str) -> Any:
        own = f"{package}.{name}"
        if name not in places and own not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = import_module(places.get(name, own))
        found = found if found.__name__ == own else getattr(found, name)
        setattr(import_module(package), name, found)
        return found

    return load
