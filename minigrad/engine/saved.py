"""What a graph keeps for backward, handed to the user's functions: packed when an op has run, unpacked when backward needs it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.engine.graph import Node, Packed, TensorBase, listen, listen_no_more, mapped, wrap
from minigrad.engine.modes import no_grad

_hooks: ContextVar[saved_tensors_hooks | None] = ContextVar("saved_tensors_hooks", default=None)


class saved_tensors_hooks:
    """Context manager: each array that an op of this thread keeps for backward passes through ``pack_hook``, and back through ``unpack_hook``.

    ``torch.autograd.graph.saved_tensors_hooks``. What ``pack_hook`` returns is kept in place of the array: a file's name, a smaller
    dtype, what it takes to compute it again. Hooks are called under ``no_grad``; of nested blocks the innermost counts.

    Args:
        pack_hook: takes a Tensor, returns anything.
        unpack_hook: takes what ``pack_hook`` returned, returns a Tensor of the same shape and dtype.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.engine.saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self._outside: list[saved_tensors_hooks | None] = []

    def __enter__(self) -> None:
        self._outside.append(_hooks.get())
        _hooks.set(self)
        listen(_pack, last=True)

    def __exit__(self, *exc: object) -> None:
        listen_no_more(_pack)
        _hooks.set(self._outside.pop())


class save_on_cpu(saved_tensors_hooks):
    """Context manager: ``torch.autograd.graph.save_on_cpu``. What ops keep for backward is on the CPU anyhow, so it is kept as it is, uncopied.

    Like any :class:`saved_tensors_hooks` it takes the place of those around it. ``pin_memory`` and ``device_type`` concern other devices.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.engine.save_on_cpu(pin_memory=True):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


def _pack(node: Node) -> None:
    """Put what the thread's hooks make of them in place of the arrays that a new node keeps."""
    hooks = _hooks.get()
    if hooks is None:
        return
    token = _hooks.set(None)  # what the hooks compute is not packed itself
    try:
        with no_grad():
            content = mapped(node.kept, lambda array: _Slot(hooks.pack_hook(wrap(array))), np.ndarray)
    finally:
        _hooks.reset(token)
    node.kept = _Packed(content, hooks.unpack_hook)


class _Slot:
    """What a user's ``pack_hook`` returned, in the place of an array."""

    __slots__ = ("content",)

    def __init__(self, content: Any):
        self.content = content


class _Packed(Packed):
    """``kept`` with a :class:`_Slot` for each array."""

    __slots__ = ("_content", "_unpack")

    def __init__(self, content: tuple, unpack: Callable[[Any], Any]):
        self._content, self._unpack = content, unpack

    def unpacked(self) -> tuple:
        with no_grad():
            return mapped(self._content, self._array, _Slot)

    def _array(self, slot: _Slot) -> np.ndarray:
        tensor = self._unpack(slot.content)
        if not isinstance(tensor, TensorBase):
            raise TypeError(f"saved_tensors_hooks: unpack_hook must return a Tensor, not {type(tensor).__name__}")
        return tensor._data
