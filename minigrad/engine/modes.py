"""Switches: whether ops of this thread record a graph, context managers that switch such modes, the default dtype."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from minigrad import absent, dtypes
from minigrad.dtypes import DTYPES, OF_NUMPY
from minigrad.types import DType

F = TypeVar("F", bound=Callable[..., Any])

# Each thread (and asyncio task) has its own value of a ContextVar. Reading it takes a third of the time of a threading.local.
grad_mode: ContextVar[bool] = ContextVar("grad_mode", default=True)
_default_dtype = DTYPES["float32"]


def is_grad_enabled() -> bool:
    """Whether ops of this thread record a graph."""
    return grad_mode.get()


def dtype_of(name: str, dtype: Any, complex_too: bool = False) -> np.dtype[Any]:
    """The dtype that a user of ``name`` asks for. Raises ``TypeError`` for one that no tensor has: tensors are of numbers, and of real ones.

    Where it returns complex pairs, ``complex_too``, it may be a complex one.

    >>> from minigrad.engine import dtype_of
    >>> dtype_of("zeros", "float64"), dtype_of("zeros", bool)
    (dtype('float64'), dtype('bool'))
    """
    if type(dtype) is not dtypes.dtype and type(ours := getattr(dtype, "dtype", None)) is dtypes.dtype:
        dtype = ours  # of a Tensor, or of LongTensor
    if type(dtype) is dtypes.dtype and not dtype.is_complex:
        return dtype.dtype
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{name}: {dtype!r} is no dtype: pass one such as minigrad.float32") from None
    if complex_too and OF_NUMPY.get(found, dtypes.dtype(np.bool_)).is_complex:
        return found
    if found.kind not in "fiub" or found.itemsize > 8:
        raise TypeError(f"{name}: {no_number(found)}")
    return np.dtype(found.type)  # the one object of this dtype, in the machine's order: ops tell dtypes apart by identity


def no_number(dtype: np.dtype[Any]) -> str:
    """Why a tensor cannot be of this dtype: what :func:`dtype_of` and others say after the name."""
    if dtype.kind == "c":
        return f"a real dtype is needed, not {dtype}: complex numbers are pairs of real tensors here; compute with z.real and z.imag"
    return f"{dtype} is not numeric: the elements of a tensor are bools, integers, or floats of at most 64 bits"


def get_default_dtype() -> dtypes.dtype:
    """The dtype that Python floats are converted to (float32 unless :func:`set_default_dtype` changed it)."""
    return _default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype that Python floats are converted to: float16, float32 or float64. Raises ``TypeError`` for any other."""
    global _default_dtype
    found = dtype_of("set_default_dtype", dtype)
    if dtype is None or found.kind != "f":  # None is float64 to numpy
        raise TypeError(f"set_default_dtype: dtype must be float16, float32 or float64, but is {dtype if dtype is None else found}")
    _default_dtype = OF_NUMPY[found]


@absent.answers_as("torch.no_grad")
class Mode:
    """Base class of a switch that is active while a ``with`` block, a decorated function or a decorated generator runs.

    In a decorated generator the switch is active during each step, and not in the caller's code between two steps.
    """

    switch: ContextVar[bool]

    def __init__(self, value: bool):
        self._value = value
        self._before: list[bool] = []  # a stack: one object may be entered again while it is active

    def __enter__(self) -> None:
        self._before.append(self.switch.get())
        self.switch.set(self._value)

    def __exit__(self, *exc: object) -> None:
        self.switch.set(self._before.pop())

    def _again(self) -> Mode:
        """A new mode like this one for one call of a decorated function, since several threads may call it at once."""
        return type(self)()  # type: ignore[call-arg]  # for modes without arguments; the others override this

    def __call__(self, function: F) -> F:
        if isinstance(function, type):
            raise TypeError(f"{type(self).__name__}: it decorates functions, not the class {function.__name__}; decorate its methods")
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                return (yield from _inside(function(*args, **kwargs), self._again))

            return steps  # type: ignore[return-value]
        if inspect.isasyncgenfunction(function):
            raise TypeError(f"{type(self).__name__}: it does not decorate asynchronous generators; use it as a context manager inside")
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def task(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return task  # type: ignore[return-value]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]


def _inside(generator: Generator[Any, Any, Any], mode: Callable[[], contextlib.AbstractContextManager[Any]]) -> Generator[Any, Any, Any]:
    """Run each step of ``generator`` inside a new ``mode()``, and pass on the values and exceptions that are sent into it."""
    step: Callable[[], Any] = lambda: next(generator)
    try:
        while True:
            with mode():
                value = step()
            try:
                sent = yield value
            except GeneratorExit:
                raise
            except BaseException as error:
                step = functools.partial(generator.throw, error)
            else:
                step = functools.partial(generator.send, sent)
    except StopIteration as stop:
        return stop.value
    finally:
        with mode():
            generator.close()


class set_grad_enabled(Mode):
    """Context manager, decorator or plain call that switches graph recording on or off in this thread.

    >>> import minigrad as mg
    >>> x = mg.ones(2, requires_grad=True)
    >>> with mg.set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    switch = grad_mode

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        self._outside = grad_mode.get()
        grad_mode.set(self._value)  # as in PyTorch, a plain call takes effect at once

    def __enter__(self) -> None:
        self._before.append(grad_mode.get() if self._before else self._outside)
        grad_mode.set(self._value)

    def __call__(self, function: F) -> F:
        grad_mode.set(self._outside)  # used as a decorator, it has no effect outside the function
        return super().__call__(function)

    def _again(self) -> Mode:
        return set_grad_enabled(self._value)


class inference_mode(Mode):
    """Context manager or decorator: ops in this thread record no graph: ``torch.inference_mode``, here the same as :class:`no_grad`.

    Args:
        mode: False records a graph, also inside :class:`no_grad`.

    >>> import minigrad as mg
    >>> @mg.inference_mode()
    ... def predict(x):
    ...     return x * 2
    >>> predict(mg.ones(2, requires_grad=True)).requires_grad
    False
    """

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else object.__new__(cls)  # @inference_mode decorates as @inference_mode() does

    switch = grad_mode

    def __init__(self, mode: bool = True):
        super().__init__(not mode)

    def _again(self) -> Mode:
        return inference_mode(not self._value)


class _Fixed(Mode):
    """A mode without arguments: ``@mg.no_grad`` means the same as ``@mg.no_grad()``."""

    value: bool

    def __new__(cls, function: Any = None) -> Any:
        return object.__new__(cls) if function is None else cls()(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__(self.value)


class no_grad(_Fixed):
    """Context manager or decorator: ops in this thread record no graph.

    >>> import minigrad as mg
    >>> x = mg.ones(2, requires_grad=True)
    >>> with mg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    switch, value = grad_mode, False


class enable_grad(_Fixed):
    """Context manager or decorator: ops in this thread record a graph again, inside :class:`no_grad`."""

    switch, value = grad_mode, True
