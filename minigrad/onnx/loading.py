"""Load an ONNX model as a module that runs and trains: :func:`load`."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.onnx import operators as _table  # noqa: F401  # fills the table of operators
from minigrad.onnx.reader import Reader
from minigrad.onnx.running import Compiler, OnnxModule
from minigrad.ops.arguments import shown


def load(
    source: str | os.PathLike[str] | bytes | Any,
    *,
    trainable: bool | str | Sequence[str] | Callable[[str], bool] = True,
    max_bytes: int | None = 2**28,
    max_steps: int | None = 1_000_000,
) -> OnnxModule:
    """The model of an ONNX file as an ``nn.Module``, in evaluation mode. It needs the package ``onnx``.

    Floating stored tensors that are weights become parameters under their names; running statistics of batch normalisation become buffers; integers,
    scalars and settings such as the bounds of a clip are constants. Operators of versions 7 to the current one are read, functions of the
    model, ``If``, ``Loop`` and ``Scan``, and external data in the file's folder. Gradients of any order flow through all of it. In
    training mode (``model.train()``) batch normalisation uses the batch, and dropout drops.

    A file from a stranger is safe to load and to run: nothing of it is executed but the operators, and what these use is limited.

    Args:
        source: a path, the bytes of a file, or an ``onnx.ModelProto``.
        trainable: which parameters require a gradient: all, none, those whose names fit a pattern such as ``"head.*"`` or one of several,
            or a function of the name.
        max_bytes: of the results in memory at one time in a call, without gradients; 64 times the bytes of the inputs come on top, so that larger
            batches need no other limit. None: no limit.
        max_steps: of nodes that one call runs, those of loops counted each time; None: no limit.

    Raises:
        OnnxError: the file is no ONNX model, is damaged, reaches out of its folder, or has an operator or dtype that minigrad has not. A call
            raises it for inputs that an operator does not take, and for results that would be too large.
        OSError: it cannot be read.
        ImportError: the package ``onnx`` is not installed.

    >>> import minigrad as mg
    >>> from minigrad import nn, onnx
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> data = onnx.export(model, mg.ones(1, 2))
    >>> again = onnx.load(data)
    >>> [name for name, parameter in again.named_parameters()]
    ['0.weight', '0.bias']
    >>> mg.allclose(again(mg.ones(1, 2)), model(mg.ones(1, 2)))
    True
    """
    if isinstance(trainable, bool):
        chosen: Callable[[str], bool] = lambda name: trainable
    elif callable(trainable):
        chosen = trainable
    else:
        patterns = [trainable] if isinstance(trainable, str) else list(trainable)
        if not all(isinstance(p, str) for p in patterns):
            raise TypeError(f"load: trainable must be a bool, patterns of names, or a function of a name, but is {shown(trainable)}")
        chosen = lambda name: any(fnmatch.fnmatchcase(name, p) for p in patterns)
    for what, limit in (("max_bytes", max_bytes), ("max_steps", max_steps)):
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ValueError(f"load: {what} must be a positive int or None, not {limit!r}")
    model = Compiler(Reader("load", source), chosen).compile()
    model.max_bytes, model.max_steps = max_bytes, max_steps
    return model.eval()
