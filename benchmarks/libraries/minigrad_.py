"""minigrad."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from benchmarks.libraries.eager import Eager
from minigrad import func, nn

VERSION = mg.__version__
CONFIG = mg.show_config()


class Library(Eager):
    """Uses ``minigrad.nn``."""

    nn = nn
    func = func
    F = types.SimpleNamespace(
        **vars(F)
        | {
            "cumsum": mg.cumsum,
            "topk": lambda x, k: mg.topk(x, k)[0],
            "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        }
    )

    def __init__(self, threads: int):
        getattr(mg, "set_num_threads", lambda n: None)(threads)

    def tensor(self, array: np.ndarray, grad: bool = False) -> Any:
        return mg.tensor(array, requires_grad=grad)

    def optimizer(self, model: Any) -> Any:
        return nn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def without_graph(self) -> Any:
        return mg.no_grad()

    def gradcheck(self, size: int) -> Callable[[], Any]:
        from minigrad.testing import gradcheck

        x, w = self._gradcheck_arrays(size)
        return lambda: gradcheck(mg.conv2d, x, w)
