"""PyTorch with ``torch.compile``, which needs a C++ compiler: functions and models are compiled at their first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.libraries import Unable, pytorch

VERSION = torch.__version__


class Library(pytorch.Library):
    """As eager PyTorch, with the function or the model compiled."""

    def _both(self, function: Callable[..., Any], leaves: list[Any]) -> Callable[[], None]:
        return super()._both(torch.compile(function), leaves)

    def _model(self, model: str, batch: int, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        network, x, labels = super()._model(model, batch, shape)
        return torch.compile(network), x, labels

    def chain(self, ops: int, backward: bool) -> Callable[[], Any]:
        """What an op costs is asked of eager libraries."""
        raise Unable("the ops would become one")

    def gradcheck(self, size: int) -> Callable[[], Any]:
        """As :meth:`chain`."""
        raise Unable("it is that of PyTorch")

    def per_sample(self, **which: Any) -> Callable[[], Any]:
        """Functions of functions are those of eager PyTorch."""
        raise Unable("it is that of PyTorch")

    ensemble = per_sample
