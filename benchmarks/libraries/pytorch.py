"""PyTorch, eager."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.libraries.eager import Eager

VERSION = torch.__version__


class Library(Eager):
    """Uses ``torch.nn``."""

    nn = torch.nn
    func = torch.func
    F = types.SimpleNamespace(
        **vars(F)
        | {
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
            "cumsum": torch.cumsum,
            "topk": lambda x, k: torch.topk(x, k)[0],
            "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        }
    )

    def __init__(self, threads: int):
        torch.set_num_threads(threads)

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        return torch.tensor(array, requires_grad=grad)

    def optimizer(self, model: Any) -> Any:
        return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def without_graph(self) -> Any:
        return torch.no_grad()

    def gradcheck(self, size: int) -> Callable[[], Any]:
        arrays = self._gradcheck_arrays(size)
        return lambda: torch.autograd.gradcheck(F.conv2d, [torch.tensor(a, requires_grad=True) for a in arrays])
