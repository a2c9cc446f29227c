"""What users pass beside the tensors: sizes and dims in one form (``x.sum(-1)``, ``x.permute(2, 0, 1)``), options in their range (:func:`check`)."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from minigrad.engine import ShapeError, Shell, TensorBase, warn
from minigrad.kernels.quiet import quiet

F = TypeVar("F", bound=Callable)


def sizes_of(args: Any) -> tuple[int, ...]:
    """The ints of ``x.reshape(2, 3)``, ``x.reshape((2, 3))`` or ``reshape(x, 6)`` as a tuple."""
    if type(args) is tuple:
        for a in args:
            if type(a) is not int:
                break
        else:
            return args
    if isinstance(args, (tuple, list)):
        if len(args) == 1 and isinstance(args[0], (tuple, list)):
            args = args[0]
        return tuple([operator.index(a) for a in args])
    return (operator.index(args),)


def either(name: str, what: str, args: tuple, named: Any) -> Any:
    """The positional arguments (``x.expand(2, 3)``) or the named one (``x.expand(size=(2, 3))``). Raises ``TypeError`` for both."""
    if named is None:
        return args
    if args:
        raise TypeError(f"{name}: the {what} is given twice")
    return named


def whole(name: str, what: str, value: Any, least: int | None = None) -> int:
    """``value`` as an int. Raises ``TypeError`` for what is no whole number, bools among it, ``ShapeError`` for one below ``least``."""
    if isinstance(value, (bool, np.bool_)) or getattr(value, "dtype", None) == np.bool_:
        raise TypeError(f"{name}: {what} must be a whole number, not {value!r}")
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {what} must be a whole number, not {value!r}") from None
    if least is not None and n < least:
        raise ShapeError(f"{name}: {what} must be {least} or above, but is {n}")
    return n


def tensors(name: str, **given: Any) -> None:
    """Raise ``TypeError`` for an argument that is neither a Tensor nor an array nor a number: of functions that would not fail with one."""
    for what, value in given.items():
        if not hasattr(value, "dtype") and not isinstance(value, (bool, int, float)):
            raise TypeError(f"{name}: {what} must be a Tensor, an array or a number, but is {shown(value)}")


RANGES = {  # of numbers, as error messages say them
    "0 or above": lambda v: 0 <= v < math.inf,
    "above 0": lambda v: 0 < v < math.inf,
    "from 0 to 1": lambda v: 0 <= v <= 1,
    "above 0, or infinite": lambda v: v > 0,
    "0 or above, or infinite": lambda v: v >= 0,
    "not 0": lambda v: v != 0 and not math.isnan(v),
    "not NaN": lambda v: not math.isnan(v),
    "finite": math.isfinite,
}


def number(name: str, what: str, value: Any, rule: str | None = None) -> Any:
    """``value``, a number. Raises ``TypeError`` for anything else, ``ValueError`` for one out of the range ``rule``, a key of :data:`RANGES`."""
    try:
        if isinstance(value, str):  # float("3") is a number, and this is none
            raise TypeError
        fits = RANGES[rule](float(value)) if rule is not None else math.isnan(value) or True
    except TypeError:
        raise TypeError(f"{name}: {what} must be a number, not {value!r}") from None
    if not fits:
        raise ValueError(f"{name}: {what} must be {rule}, but is {value!r}")
    return value


def flag(name: str, what: str, value: Any) -> bool:
    """``value``, True or False. Raises ``TypeError`` for anything else: a number in its place was meant for another argument."""
    if value is not True and value is not False:  # `check` alone takes a microsecond, in each sum
        check(name, {what: value}, **{what: "True or False"})
    return bool(value)


def numbers(name: str, what: str, values: Any) -> np.ndarray:
    """``values`` as an array of float64. Raises ``TypeError`` for what is no number, or no array or list of numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: {what} must be numbers, but is {shown(values)}")
    return array.astype(np.float64)


KINDS: dict[str, Callable[[Any], bool]] = {  # of options that are no numbers, as error messages say them
    "a function": callable,
    "a Tensor": lambda v: isinstance(v, (TensorBase, Shell)),
    "a name": lambda v: isinstance(v, str),
    "a text": lambda v: isinstance(v, str),
    "a list": lambda v: isinstance(v, Iterable) and not isinstance(v, (bytes, Mapping)),
    "True or False": lambda v: isinstance(v, (bool, np.bool_)),
    "an iterable": lambda v: isinstance(v, Iterable) and not isinstance(v, (str, bytes)),
    "a path": lambda v: isinstance(v, (str, os.PathLike)),
    "a path or an open file": lambda v: isinstance(v, (str, os.PathLike)) or hasattr(v, "read") or hasattr(v, "write"),
    "a list of functions": lambda v: isinstance(v, Iterable) and all(map(callable, v)),
    "a dict": lambda v: isinstance(v, Mapping),
    "anything with a length": lambda v: hasattr(v, "__len__"),
}


def shown(value: Any) -> str:
    """``value`` as error messages show it: as Python writes it, or the name of its type where that is long."""
    text = repr(value)
    return text if len(text) <= 80 and "\n" not in text else f"a {type(value).__name__}"


def shown_of_file(value: Any) -> str:
    """``value`` out of a file that may be hostile: as :func:`shown`, but a container by its type alone, for it may hold the same thing 2**60 times.

    >>> from minigrad.ops.arguments import shown_of_file
    >>> shown_of_file(-3), shown_of_file((1, 2))
    ('-3', 'a tuple')
    """
    return shown(value) if isinstance(value, (str, bytes, int, float)) else f"a {type(value).__name__}"


def check(name: str, given: Mapping[str, Any], optional: str = "", /, **rules: int | str | tuple[Any, ...] | type) -> None:
    """Refuse options that break their rule: ``check("fit", locals(), "monitor", epochs=1, monitor="a name")`` at the head of a function.

    Args:
        name: of the function or class, with which the message begins.
        given: options by name.
        optional: the names of those that may be None, separated by spaces.
        rules: for each option an int (a whole number, that or above), ``"a whole number"``, ``"a number"``, a key of :data:`RANGES` (a number
            in that range) or of :data:`KINDS`, a tuple of the values that it may be, or a class.

    Raises:
        ShapeError: a whole number below its least (a ``ValueError``).
        TypeError: a value of another kind.
        ValueError: a number out of its range, or none of the values that are allowed.

    >>> from minigrad.ops.arguments import check
    >>> check("fit", {"epochs": 3, "mode": None}, "mode", epochs=1, mode=("min", "max"))
    >>> check("fit", {"epochs": 0}, epochs=1)
    Traceback (most recent call last):
    minigrad.ShapeError: fit: epochs must be 1 or above, but is 0
    """
    for what, rule in rules.items():
        value = given[what]
        if value is None and what in optional.split():
            continue
        if isinstance(rule, int):
            whole(name, what, value, rule)
        elif isinstance(rule, tuple):
            if not any(value is v or (type(value) is type(v) and value == v) for v in rule):
                raise ValueError(f"{name}: {what} must be one of {', '.join(map(repr, rule))}, but is {shown(value)}")
        elif isinstance(rule, type):
            if not isinstance(value, rule):
                raise TypeError(f"{name}: {what} must be a {rule.__name__}, but is {shown(value)}")
        elif rule == "a whole number":
            whole(name, what, value)
        elif rule in KINDS:
            if not KINDS[rule](value):
                raise TypeError(f"{name}: {what} must be {rule}, but is {shown(value)}")
        else:
            number(name, what, value, None if rule == "a number" else rule)


def positive_dim(name: str, dim: Any, ndim: int) -> int:
    """``dim`` as a number from 0 to ``ndim`` - 1. Raises ``IndexError`` if it is out of range; a 0-d tensor accepts 0 and -1."""
    try:
        d = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: dim must be a whole number, not {dim!r}") from None
    n = ndim or 1
    if not -n <= d < n:
        raise IndexError(f"{name}: dim {d} is out of range for a tensor of {ndim} dimensions: it must be in {-n}..{n - 1}")
    return d % n


def positive_dims(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """:func:`positive_dim` of several dims. Raises ``IndexError`` if one is out of range, ``ShapeError`` if one is repeated."""
    if not isinstance(dims, (tuple, list)):
        return (positive_dim(name, dims, ndim),)
    if len(dims) == 1 and isinstance(dims[0], (tuple, list)):
        dims = dims[0]
    found = tuple([positive_dim(name, d, ndim) for d in dims])
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: a dim comes twice in {tuple(dims)}")
    return found


def number_of(name: str, value: Any, dtype: Any) -> np.ndarray:
    """A Python number as a 0-d array of ``dtype``. Raises ``RuntimeError`` where an integer ``dtype`` cannot hold it."""
    try:
        return quiet().run(np.asarray, value, dtype)
    except (OverflowError, ValueError):
        raise RuntimeError(f"{name}: {value!r} cannot be {np.dtype(dtype)}") from None


def factor(name: str, what: str, value: Any, *operands: Any, cut: bool = False) -> Any:
    """``value``, which multiplies one of ``operands``. If these are integers it is whole, if they are bools it is a bool, as in PyTorch.

    With ``cut`` a fraction is cut off; without, it raises ``RuntimeError``, and so does a bool beside integers.
    """
    kinds = {_kind(operand) for operand in operands}
    if "f" in kinds:
        return value
    kind = _kind(value)
    if not cut and (kind == "f" or (kind == "b" and kinds != {"b"})):
        raise RuntimeError(f"{name}: {what} must be a whole number where the operands are, not {value!r}")
    return bool(value) if kinds == {"b"} else int(value)


def factors_between(function: F) -> F:
    """Decorator: the keyword-only numbers of ``function`` may also stand between its tensors, where they stood until PyTorch 1.5.

    Old optimisers are written so, ``p.data.add_(-lr, p.grad)``, and PyTorch still takes it, with a warning: ``add(x, alpha, y)``,
    ``addcdiv(x, value, y, z)``, ``addmm(beta, x, alpha, a, b)`` and, as a method, ``x.addmm(beta, alpha, a, b)``.

    >>> import warnings
    >>> import minigrad as mg
    >>> with warnings.catch_warnings(action="ignore"):
    ...     mg.ones(2).add(-0.5, mg.ones(2))
    tensor([0.5000, 0.5000])
    """
    parameters = inspect.signature(function).parameters.values()
    factors = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    positional = len(parameters) - len(factors)
    first = 0 if len(factors) > 1 else 1  # only beta stands before all tensors

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > positional:  # an error, unless the numbers that are too many are factors
            left, named = list(args), {}
            for name in factors:
                at = next((i for i in range(first, len(left)) if isinstance(left[i], (int, float))), None)
                if at is not None and len(left) > positional:
                    named[name] = left.pop(at)
            if len(left) == positional and named.keys().isdisjoint(kwargs):
                given = ", ".join(f"{name}={value}" for name, value in named.items())
                warn(f"{function.__name__}: a factor before the tensor that it multiplies is deprecated, give {given}")
                return function(*left, **named, **kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]  # it is called as the function is


def _kind(value: Any) -> str:
    """Bool, integer or floating, as numpy names them; unsigned integers count as integers."""
    return np.result_type(getattr(value, "dtype", type(value))).kind.replace("u", "i")


def require_dtype(name: str, input: Any, **others: Any) -> None:
    """Raise ``RuntimeError`` unless the Tensors and arrays among ``others`` have the dtype of ``input``; None and numbers have none."""
    dtype = input.dtype
    for what, other in others.items():
        if other is not None and getattr(other, "dtype", dtype) != dtype:
            raise RuntimeError(f"{name}: input is {dtype.name} but {what} is {other.dtype.name}; convert one, as in x.to(w.dtype)")


def require_broadcast(name: str, **operands: Any) -> tuple[int, ...]:
    """The shape that the operands broadcast to. Raises ``ShapeError`` if they do not."""
    found = {what: tuple(getattr(x, "shape", ())) for what, x in operands.items()}  # a number has none
    try:
        return np.broadcast_shapes(*found.values())
    except ValueError:
        shapes = " and ".join([f"{what} {shape}" for what, shape in found.items()])
        raise ShapeError(f"{name}: {shapes} do not broadcast: aligned at the last dimension, sizes must be equal or 1") from None


def along(dim: int, key: Any) -> tuple:
    """The index that applies ``key`` to dimension ``dim``, which is not negative."""
    return (*[slice(None)] * dim, key)
