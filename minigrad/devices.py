"""Where tensors are: on the CPU, which is the only place. What scripts ask of others is answered here: that there are none."""

from __future__ import annotations

from typing import Any


class DeviceError(ValueError, RuntimeError):
    """A device that does not exist. A ``RuntimeError`` as in PyTorch."""

    __module__ = "minigrad"


class device(str):
    """The name of a device: ``torch.device``. It is a string, so that it equals ``"cpu"``, with PyTorch's attributes.

    Args:
        type: ``"cpu"``, ``"cpu:0"`` or another device.
        index: its number.

    Raises :class:`DeviceError` for any device but the CPU.

    >>> import minigrad as mg
    >>> mg.device("cuda" if False else "cpu"), mg.ones(1).device.type
    (device(type='cpu'), 'cpu')
    >>> mg.device("cuda")
    Traceback (most recent call last):
    ...
    minigrad.DeviceError: there is no device 'cuda': minigrad computes on the CPU, and cuda.is_available() is False
    """

    __slots__ = ()

    def __new__(cls, type: Any, index: int | None = None) -> device:
        name = f"cuda:{type}" if isinstance(type, int) else str(type)
        name = name if index is None else f"{name}:{index}"
        if name not in ("cpu", "cpu:0"):
            more = "; nn.shapes_only() builds a model without its arrays" if name == "meta" else ""
            raise DeviceError(f"there is no device {name!r}: minigrad computes on the CPU, and cuda.is_available() is False{more}")
        return str.__new__(cls, name)

    @property
    def type(self) -> str:
        """``"cpu"``."""
        return "cpu"

    @property
    def index(self) -> int | None:  # type: ignore[override]  # a string has a method of this name
        """0 for ``cpu:0``, else None."""
        return 0 if str.endswith(self, ":0") else None

    def __repr__(self) -> str:
        return "device(type='cpu')" if self.index is None else "device(type='cpu', index=0)"

    def __reduce__(self) -> tuple:
        return device, (str(self),)

    def __enter__(self) -> device:
        return self

    def __exit__(self, *exc: object) -> None:
        """Tensors are made on the CPU in the block, as they are outside."""


class layout:
    """How a tensor of PyTorch's is stored: ``torch.layout``. There is one, ``torch.strided``: a number for each element, none left out.

    >>> import minigrad.torch as torch
    >>> torch.ones(2).layout is torch.strided, torch.strided
    (True, torch.strided)
    """

    def __repr__(self) -> str:
        return "torch.strided"


STRIDED = layout()
CPU = device("cpu")


def check_device(name: Any) -> None:
    """Raise :class:`DeviceError` for any device but the CPU; None stands for it."""
    if name is not None and name is not CPU:
        device(name)


def get_default_device() -> device:
    """The CPU."""
    return CPU


def set_default_device(device: Any) -> None:
    """Accepts the CPU. Raises :class:`DeviceError` for any other."""
    check_device(device)


# ------------------------------------------------------------- what scripts ask of other devices (torch.cuda, torch.mps, ...)


def is_available() -> bool:
    """False: there is no device but the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def no_device(*args: Any, **kwargs: Any) -> Any:
    """Raises :class:`DeviceError`: what asks for the name or the properties of a device that does not exist."""
    raise DeviceError("there is no device of this kind: minigrad computes on the CPU, and cuda.is_available() is False")


def nothing_to_do(*args: Any, **kwargs: Any) -> None:
    """Accepts everything and does nothing: seeds, caches and queues of devices that do not exist."""


def no_bytes(*args: Any, **kwargs: Any) -> int:
    """0: the memory in use on devices that do not exist."""
    return 0


def nobody(*args: Any, **kwargs: Any) -> None:
    """None: the current accelerator."""
    return
