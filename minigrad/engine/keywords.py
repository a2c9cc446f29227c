"""numpy's keyword names ``axis`` and ``keepdims``, accepted by every op and function that has ``dim`` and ``keepdim``."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

NUMPY_NAMES = {"axis": ("dim", "dims"), "axes": ("dims",), "keepdims": ("keepdim",)}  # numpy's name -> ours
_THEIRS = {*NUMPY_NAMES, "out"}


def with_our_names(name: str, keywords: dict[str, Any], parameters: Iterable[str]) -> dict[str, Any]:
    """The keyword arguments of a call with numpy's names replaced by those of ``parameters``: ``axis`` by ``dim``, ``keepdims`` by ``keepdim``.

    ``out=None``, which ``np.sum(tensor)`` passes, is dropped. Raises ``TypeError`` if one argument is given under both names.
    """
    found = dict(keywords)
    if found.get("out", 0) is None and "out" not in parameters:
        del found["out"]
    for theirs, candidates in NUMPY_NAMES.items():
        ours = next((c for c in candidates if c in parameters), None)
        if theirs in found and ours is not None and theirs not in parameters:
            if ours in found:
                raise TypeError(f"{name}: {ours} and {theirs} are the same argument")
            found[ours] = found.pop(theirs)
    return found


def take_numpy_names(place: str | type) -> None:
    """Make the plain functions of a module (given by name) or the methods of a class accept numpy's names. Ops already do.

    A module whose functions have a ``dim`` ends with the call ``take_numpy_names(__name__)``.
    """
    holder = sys.modules[place] if isinstance(place, str) else place
    module = place if isinstance(place, str) else place.__module__
    ours = {name for names in NUMPY_NAMES.values() for name in names}
    renaming: dict[Callable, Callable] = {}  # `concat` and `cat` stay one function
    for name, function in list(vars(holder).items()):
        if isinstance(function, types.FunctionType) and function.__module__ == module and not hasattr(function, "op"):
            code = inspect.unwrap(function).__code__  # faster than a signature: this runs at import
            parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if not name.startswith("_") and ours.intersection(parameters):
                setattr(holder, name, renaming.setdefault(function, _renaming(function, parameters)))


def _renaming(function: Callable, parameters: tuple[str, ...]) -> Callable:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not _THEIRS.isdisjoint(kwargs):
            kwargs = with_our_names(function.__name__, kwargs, parameters)
        return function(*args, **kwargs)

    return call
