"""What scripts written for PyTorch switch on and what there is nothing to switch here: accepted, and said once.

A script keeps its lines, its results are those without them, and nobody believes that something was compiled, or computed in half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.engine import warn

T = TypeVar("T")

TORCH_VERSION = "2.13.0+minigrad"  # torch.__version__: scripts ask which of PyTorch's names they may use

_said: set[str] = set()
_precision = "highest"


def say_once(what: str) -> None:
    """Warn, if this was not said before."""
    if what not in _said:
        _said.add(what)
        warn(what)


def compile(model: T | None = None, *, disable: bool = False, **options: Any) -> T | Callable[[T], T]:
    """``model`` (a module or function) as it is, or a decorator that returns what it decorates: ``torch.compile``.

    Warns once, unless ``disable=True``.
    """
    if not disable:
        say_once("compile: there is no compiler here; the model runs as it is written")
    return (lambda function: function) if model is None else model


def script(obj: T, *args: Any, **options: Any) -> T:
    """``obj`` (a module, a function or a class) as it is, also as a decorator: ``torch.jit.script``. Warns once."""
    say_once("jit: there is no compiler here; Python runs the model as it is written")
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **options: Any) -> T:
    """``func`` (a module or function) as it is: ``torch.jit.trace``, ``trace_module``. Warns once.

    Unlike a trace it still takes both sides of an ``if``, and any shape.
    """
    return script(func)


def same(obj: T, *args: Any, **options: Any) -> T:
    """``obj`` as it is. ``torch.jit`` and ``torch.compiler`` have functions that mark a function, or make it ready, for a compiler."""
    return obj


def marker(obj: Any = None, *args: Any, **options: Any) -> Any:
    """A decorator that returns what it decorates, with or without parentheses: ``torch.jit.ignore``, ``torch.compiler.disable``.

    >>> @marker
    ... def f(x): return x
    >>> @marker(drop=True)
    ... def g(x): return x
    >>> f(1), g(2)
    (1, 2)
    """
    return obj if callable(obj) else same


def never() -> bool:
    """False: nothing is compiled, traced or exported while it runs. ``torch.jit.is_scripting``, ``torch.compiler.is_compiling`` and others."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value``: ``torch.jit.annotate``."""
    return the_value


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of ``func(*args, **kwargs)``, which is computed at once: ``torch.jit.fork``. ``wait`` returns what it is given."""
    return func(*args, **kwargs)


class _Bfloat16:
    """What scripts hand to ``autocast``: PyTorch's dtype of this name, which numpy does not have. Where an array is made, it is refused."""

    def __repr__(self) -> str:
        return "bfloat16"


bfloat16 = _Bfloat16()


class memory_format:
    """How the elements of a PyTorch tensor lie in memory: ``torch.memory_format``. Accepted where PyTorch takes it; arrays here are row-major.

    >>> import minigrad.torch as torch
    >>> torch.ones(1, 3, 2, 2).to(memory_format=torch.channels_last).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


contiguous_format, preserve_format = memory_format("contiguous_format"), memory_format("preserve_format")
channels_last, channels_last_3d = memory_format("channels_last"), memory_format("channels_last_3d")


class autocast:
    """Context manager and decorator without effect: ``torch.autocast``. Warns once, unless ``enabled=False``.

    Tensors keep their dtypes: half precision has no arithmetic on a CPU that would be faster.
    """

    def __init__(self, device_type: Any = "cpu", dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None):
        if enabled:
            say_once("autocast: there is no mixed precision here; tensors keep their dtypes")

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing was switched."""

    def __call__(self, function: Callable) -> Callable:
        return function


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Without effect: results are the same each time, whatever the number of threads."""


def are_deterministic_algorithms_enabled() -> bool:
    """True"""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Without effect: products of float32 matrices are those of float32. Raises ``ValueError`` for a precision that PyTorch does not know."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: 'highest', 'high' or 'medium', not {precision!r}")
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` was given, at first ``"highest"``."""
    return _precision


def set_num_interop_threads(threads: int) -> None:
    """Without effect: ops run one after another; :func:`minigrad.set_num_threads` says how many threads one uses."""


def get_num_interop_threads() -> int:
    """1"""
    return 1


def set_flush_denormal(mode: bool) -> bool:
    """False: numpy does not switch the processor's treatment of denormal numbers."""
    return False


def flag(*args: Any, **kwargs: Any) -> None:
    """Accepts whatever a switch of ``torch.backends`` takes; there is nothing behind it."""


class flags:
    """A block in which the switches of a backend would have other values: ``torch.backends.cudnn.flags``. Accepts PyTorch's arguments."""

    def __init__(self, *args: Any, **kwargs: Any): ...

    def __enter__(self) -> None:
        """Nothing is switched."""

    def __exit__(self, *exc: object) -> None:
        """Nothing was switched."""


class _Flags:
    """Attributes that scripts set."""

    allow_tf32 = allow_fp16_reduced_precision_reduction = allow_bf16_reduced_precision_reduction = False


matmul = _Flags()  # torch.backends.cuda.matmul
