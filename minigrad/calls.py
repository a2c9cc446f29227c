"""Context managers that observe the calls of a model's modules, or restore the model's state afterwards.

A model is any object with the methods of :class:`minigrad.nn.Module` that are used here: this module does not import ``minigrad.nn``.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.engine import inside
from minigrad.random import get_rng_state, set_rng_state

_listener: ContextVar[Callable[[dict[str, Any]], None] | None] = ContextVar("listener", default=None)


def tell_defaults(**tensors: Any) -> None:
    """Tell who draws the tensors that a module made for inputs that it was not given, by name: an LSTM's first states, which are zeros."""
    listener = _listener.get()
    if listener is not None:
        listener(tensors)


@contextlib.contextmanager
def defaults_heard(listener: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Context manager that calls ``listener`` with what modules of this thread tell by :func:`tell_defaults`.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.calls import defaults_heard
    >>> with defaults_heard(lambda tensors: print({name: tuple(t.shape) for name, t in tensors.items()})):
    ...     y, states = nn.LSTM(2, 3)(mg.ones(4, 1, 2))
    {'h_0': (1, 1, 3), 'c_0': (1, 1, 3)}
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextlib.contextmanager
def in_mode(model: Any, training: bool | None) -> Iterator[None]:
    """Context manager that sets the ``training`` mode of all modules of ``model`` (None: no change), and restores each one's mode."""
    modes = [(module, module.training) for module in model.modules()]
    if training is not None:
        for module, _ in modes:
            module.training = training
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def unchanged(model: Any, training: bool | None = None) -> Iterator[None]:
    """:func:`in_mode` that also restores buffers (running statistics), parameters and the state of the random generator.

    For a plain function, which has no modules, it restores the generator only.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.calls import unchanged
    >>> norm = nn.BatchNorm1d(2)
    >>> with unchanged(norm, training=True):
    ...     y = norm(mg.randn(8, 2) + 5)
    >>> norm.running_mean, norm.training
    (tensor([0., 0.]), True)
    """
    is_module = hasattr(model, "named_modules")
    held = [(module, dict(module.named_buffers(recurse=False))) for module in model.modules()] if is_module else []
    # a lazy parameter has no value yet
    parameters = [(p, p._data) for p in map(inside, model.parameters()) if hasattr(p, "_data")] if is_module else []
    buffers = [(b, b._data) for _, named in held for b in map(inside, named.values()) if hasattr(b, "_data")]
    before = [value.copy() if value.flags.writeable else None for _, value in buffers]  # an outline is read-only, and may be huge
    random = get_rng_state()  # the state of this thread's generator
    try:
        with in_mode(model, training) if is_module else contextlib.nullcontext():
            yield
    finally:
        for module, named in held:
            module.__dict__.update(named)
        for tensor, value in parameters:
            tensor._data = value
        for (tensor, value), copy in zip(buffers, before, strict=True):
            tensor._data = value
            if copy is not None and not np.array_equal(value, copy, equal_nan=value.dtype.kind == "f"):
                value[...] = copy
        set_rng_state(random)


@contextlib.contextmanager
def heard(
    model: Any,
    begin: Callable[[str, Any, tuple], None] | None = None,
    end: Callable[[str, Any, tuple, Any], None] | None = None,
) -> Iterator[None]:
    """Context manager that calls ``begin(path, module, args)`` before, and ``end(path, module, args, output)`` after each call of a module.

    ``begin`` is called before all other hooks; ``end`` is called even if the module raised an exception.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.calls import heard
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with heard(model, end=lambda path, module, args, output: print(path or "all", output.shape)):
    ...     y = model(mg.ones(1, 2))
    0 torch.Size([1, 3])
    1 torch.Size([1, 3])
    all torch.Size([1, 3])
    """
    handles = []
    try:
        for path, module in model.named_modules():
            if begin is not None:
                handles.append(module.register_forward_pre_hook(functools.partial(begin, path), prepend=True))
            if end is not None:
                handles.append(module.register_forward_hook(functools.partial(end, path), always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
