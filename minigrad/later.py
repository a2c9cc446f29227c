"""What is loaded when it is first used, because no program needs it all: names of a package, methods of a class, what another library needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from importlib.machinery import ModuleSpec
from operator import attrgetter
from typing import Any


def places(names: Mapping[str, str]) -> dict[str, str]:
    """Name -> the module and the name there, from module -> names with spaces between them; ``new=old`` for what is called otherwise there.

    >>> places({"json": "dumps read=loads"})
    {'dumps': 'json:dumps', 'read': 'json:loads'}
    """
    found = {}
    for module, several in names.items():
        for name in several.split():
            new, _, old = name.partition("=")
            found[new] = f"{module}:{old or new}"
    return found


def loader(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package: it loads a name of ``places``, a module or what it has, or a module that is named there, and keeps it.

    >>> load = loader("xml", {"sub": "re:sub", "dom": "xml.dom"})
    >>> load("sub").__module__, load("dom").__name__
    ('re', 'xml.dom')
    """
    modules = {place.partition(":")[0] for place in places.values()}

    def load(name: str) -> Any:
        own = f"{package}.{name}"
        if name not in places and own not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = places.get(name, own).partition(":")
        found = import_module(module)
        if there:
            found = getattr(found, there)
        setattr(import_module(package), name, found)
        return found

    return load


class Later:
    """A module, or what is in one, that is imported when it is first called, or looked up as an attribute of a class.

    It stands in the body of a class where the thing itself would stand, and the class puts the thing in its place at the first look.

    >>> class Text(str):
    ...     quoted = Later("json").dumps
    >>> type(vars(Text)["quoted"]).__name__, Text("a").quoted(), type(vars(Text)["quoted"]).__name__
    ('Later', '"a"', 'function')
    """

    def __init__(self, module: str, path: str = ""):
        self._module, self._path = module, path

    def __getattr__(self, name: str) -> Later:
        if name.startswith("__"):
            raise AttributeError(name)
        return Later(self._module, f"{self._path}.{name}" if self._path else name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._found(*args, **kwargs)

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: Any, owner: type) -> Any:
        setattr(self._owner, self._name, self._found)
        return getattr(owner if instance is None else instance, self._name)

    @property
    def __wrapped__(self) -> Any:
        return self._found  # for inspect.signature of what calls it

    @cached_property
    def _found(self) -> Any:
        return attrgetter(self._path)(import_module(self._module))


def when_imported(library: str, function: str) -> None:
    """Call ``function``, the module and the name there, when somebody has imported ``library``: now, if it is imported already.

    >>> import sys
    >>> when_imported("json", "sys:exc_info")  # which returns, as json is loaded here
    >>> when_imported("no_such_library", "sys:exit")
    >>> sys.meta_path.pop(0).find_spec("json") is None
    True
    """
    if library in sys.modules:
        Later(*function.split(":"))()
    else:
        sys.meta_path.insert(0, _Watcher(library, Later(*function.split(":"))))


class _Watcher:
    """The first to be asked for a module. It lets the others find the one that it waits for, and has it loaded by a :class:`_Loader`."""

    def __init__(self, library: str, function: Callable[[], Any]):
        self.library, self.function = library, function

    def find_spec(self, path: str, locations: Any = None, target: Any = None) -> ModuleSpec | None:
        """None for all but the library."""
        if path != self.library:
            return None
        found = (finder.find_spec(path, locations, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self.function)  # type: ignore[assignment]  # Python asks for these two methods
        return spec


class _Loader:
    """The loader of a library, which calls a function when it has done its work."""

    def __init__(self, loader: Any, function: Callable[[], Any]):
        self.loader, self.function = loader, function

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: Any) -> Any:
        """The module, empty."""
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run it, and then call the function."""
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.function()
