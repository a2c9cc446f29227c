"""What every public function does, beside the ops: other keyword names are accepted, what is no tensor is named, and so is the function.

numpy's names are ``axis`` and ``keepdims``, for ``dim`` and ``keepdim``. PyTorch has two names for one argument where a function of two
signatures is one here, ``scatter(src=tensor)`` and ``scatter(value=number)``, or two functions are: ``inverse(input)`` and ``linalg.inv(A)``.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.engine.graph import titling

NAMES_OF_OPS = {  # another name -> ours, for ops too; few have one of ours, for each costs a call that succeeds some nanoseconds
    "axis": ("dim", "dims"), "axes": ("dims",), "keepdims": ("keepdim",), "axis0": ("dim0",), "axis1": ("dim1",),
    "element": ("elements",), "test_element": ("test_elements",), "input": ("A",),
}  # fmt: skip
_OTHER_NAMES = NAMES_OF_OPS | {
    "b": ("B",),
    "value": ("src",), "train": ("training",), "sections": ("indices_or_sections",), "indices": ("indices_or_sections",),
}  # fmt: skip
_OURS = {name for names in _OTHER_NAMES.values() for name in names}
_THEIRS = {*_OTHER_NAMES, "out"}
_KINDS = {  # annotation of a parameter -> what it takes, as errors say it
    "Tensor": "a Tensor or an array",
    "Operand": "a Tensor, an array or a number",
    "ComplexPair": "a complex pair",
    "Tensor | ComplexPair": "a Tensor, an array or a complex pair",
}
_KINDS |= {f"{annotation} | None": kind for annotation, kind in _KINDS.items()}


def with_our_names(name: str, keywords: dict[str, Any], parameters: Iterable[str]) -> dict[str, Any]:
    """The keyword arguments of a call with other names replaced by those of ``parameters``: ``axis`` by ``dim``, ``keepdims`` by ``keepdim``.

    ``out=None``, which ``np.sum(tensor)`` passes, is dropped. Raises ``TypeError`` for any other ``out``, and if one argument is given under
    both names.
    """
    found = dict(keywords)
    if "out" in found and "out" not in parameters:
        if found["out"] is not None:
            raise TypeError(
                f"{name}: there is no out=, the result is a new Tensor: y = {name}(...), or y[...] = {name}(...) writes it into y"
            )
        del found["out"]
    for theirs, candidates in _OTHER_NAMES.items():
        ours = next((c for c in candidates if c in parameters), None)
        if theirs in found and ours is not None and theirs not in parameters:
            if ours in found:
                raise TypeError(f"{name}: {ours} and {theirs} are the same argument")
            found[ours] = found.pop(theirs)
    return found


def public(module: str) -> None:
    """Make the plain functions of a module ready for users; those that take a tensor or have a ``dim``. Ops are already.

    They accept numpy's names, and where a call fails because an argument is no tensor (a list, a text, None), the error says so. Where
    another function or op of the module refuses what a function hands on, as `matmul` does for `mm`, the error has the name of the function that
    was called. This costs a call that succeeds only a frame. A module of functions ends with the call ``public(__name__)``.
    """
    wrapped: dict[Callable, Callable] = {}  # `concat` and `cat` stay one function
    functions = vars(sys.modules[module]).items()
    own = [(name, f) for name, f in functions if isinstance(f, types.FunctionType) and f.__module__ == module]
    family = {_name_of(function) for _, function in own}
    for name, function in own:
        if not hasattr(function, "op") and name[0] != "_":
            code = inspect.unwrap(function).__code__  # faster than a signature: this runs at import
            parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            takes = not _OURS.isdisjoint(parameters) or any(a in _KINDS for a in function.__annotations__.values())
            if takes or hasattr(function, "known_as"):
                setattr(sys.modules[module], name, wrapped.setdefault(function, _public(function, parameters, family)))


def _name_of(function: Callable) -> str:
    """The name that users know and errors say: `_cat` is the op of `cat`; `old_norm`, beside linalg's `norm`, is `mg.norm`."""
    return function.__name__.lstrip("_").removeprefix("old_")


def _public(function: Callable, parameters: tuple[str, ...], family: set[str]) -> Callable:
    known_as = getattr(function, "known_as", None)
    titled = None if known_as is None else titling(*known_as)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not _THEIRS.isdisjoint(kwargs):
            kwargs = with_our_names(_name_of(function), kwargs, parameters)
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            if (text := _no_tensor(function, args, kwargs, isinstance(error, AttributeError))) is not None:
                raise TypeError(text) from None
            given = error.args[0] if error.args else None
            if isinstance(given, str) and (other := given.partition(": ")[0]) in family:
                error.args = (_name_of(function) + given[len(other) :], *error.args[1:])
            raise
        return result if titled is None else titled(result)

    return call


def _no_tensor(function: Callable, args: tuple, kwargs: dict[str, Any], raw: bool) -> str | None:
    """What is wrong with the first argument of a failed call that should be a tensor and is none.

    Many functions take numbers and lists in its place: these are to blame if the error is ``raw``, an ``AttributeError``.
    """
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return None  # the error tells of the call itself
    for name, value in given.items():
        parameter = signature.parameters[name]
        kind = _KINDS.get(parameter.annotation)
        if kind is None or (value is None and (parameter.default is None or parameter.annotation.endswith("None"))):
            continue
        for v in value if parameter.kind is parameter.VAR_POSITIONAL else (value,):
            dtype: Any = getattr(v, "dtype", None)
            if isinstance(v, (bool, int, float)):
                fits = "number" in kind or not raw
            elif isinstance(v, (list, tuple)):
                fits = not raw and np.asarray(v).dtype.kind in "fiub"
            elif isinstance(v, (np.ndarray, np.generic)):
                fits = dtype.kind in "fiub"
            else:
                fits = dtype is not None and (not raw or kind != _KINDS["ComplexPair"] or hasattr(v, "pair"))
            if not fits:
                hint = "; mg.tensor makes a Tensor of it" if isinstance(v, (list, tuple, int, float)) and "Tensor" in kind else ""
                shown = f"an array of {dtype}" if isinstance(v, np.ndarray) else f"{v!r:.60}"
                return f"{_name_of(function)}: {name} must be {kind}, but is {shown}{hint}"
    return None


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called minigrad: the nearest one that is not in it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith("minigrad."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
