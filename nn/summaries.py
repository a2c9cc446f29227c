"""The layers of a model, and the cost of a call in operations and memory: :func:`summary`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.calls import heard, unchanged
from minigrad.engine import Op, TensorBase, dtype_of, get_default_dtype, no_grad
from minigrad.nn.module import Module, Parameter
from minigrad.ops.arguments import check, shown
from minigrad.ops.outlines import outline
from minigrad.ops.shape_inference import outlining
from minigrad.tensor import Tensor, as_tensor, from_numpy
from minigrad.tree import bytes_text, tensors_in, tree_map


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """In this block layers get weights without memory, and ops infer the shapes of their results without computing values.

    A model of any size can be built and inspected here, but not trained or run: all weights are 0, as on PyTorch's device "meta".
    Ops of other threads compute as usual.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> with nn.shapes_only():
    ...     layer = nn.Linear(10**6, 10**6)
    >>> layer.weight.shape
    torch.Size([1000000, 1000000])
    """
    with outlining():
        yield


@dataclass
class Row:
    """A module of a :class:`Summary`; numbers include the modules inside it.

    ====================  ==================================================================================================
    ``name``              path from the model, "" for itself
    ``class_name``        of the module's class
    ``depth``             0 for the model, 1 for its children, ...
    ``output_shape``      a shape, or the module's result with shapes in place of Tensors; None if it was not called
    ``parameters``        number of elements; a parameter with several names counts once
    ``trainable``         those that require a gradient
    ``multiply_adds``     products in convolutions, linear layers and products of matrices, of all calls
    ``activation_bytes``  of the results of the innermost modules, in all calls
    ``calls``             how often the module was called
    ====================  ==================================================================================================
    """

    name: str
    class_name: str
    depth: int
    output_shape: Any = None
    parameters: int = 0
    trainable: int = 0
    multiply_adds: int = 0
    activation_bytes: int = 0
    calls: int = 0


@dataclass
class Summary:
    """Result of :func:`summary`; ``str()`` is the table.

    ``rows`` has a :class:`Row` for every module, in the order of definition. The totals are ``parameters``, ``trainable``,
    ``multiply_adds``, ``activation_bytes``, ``parameter_bytes``, ``buffer_bytes`` and ``input_bytes``.
    """

    rows: list[Row]
    parameter_bytes: int
    buffer_bytes: int
    input_bytes: int
    depth: int = field(default=3, repr=False)

    @property
    def parameters(self) -> int:
        """Elements of all parameters."""
        return self.rows[0].parameters

    @property
    def trainable(self) -> int:
        """Elements of the parameters that require a gradient."""
        return self.rows[0].trainable

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one call of the model."""
        return self.rows[0].multiply_adds

    @property
    def activation_bytes(self) -> int:
        """Bytes of the results of the innermost modules in one call."""
        return self.rows[0].activation_bytes

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        head = ("layer", "output shape", "parameters", "multiply-adds", "activations")
        lines = [head]
        for row in self.rows:
            if row.depth <= self.depth:
                name = "  " * row.depth + (f"{row.name.rpartition('.')[2]}: " if row.name else "") + row.class_name
                times = f" x{row.calls}" if row.calls > 1 else ""
                frozen = " (frozen)" if row.parameters and not row.trainable else ""
                lines.append(
                    (
                        name,
                        ("-" if row.output_shape is None else f"{row.output_shape}") + times,
                        f"{row.parameters:,}{frozen}" if row.parameters else "-",
                        f"{row.multiply_adds:,}" if row.multiply_adds else "-",
                        bytes_text(row.activation_bytes) if row.calls else "-",
                    )
                )
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        table = [
            "  ".join(t.ljust(w) if i < 2 else t.rjust(w) for i, (t, w) in enumerate(zip(line, widths, strict=True))) for line in lines
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        frozen = f", {self.trainable:,} of them trainable" if self.trainable != self.parameters else ""
        totals = [
            f"{self.parameters:,} parameters{frozen} ({bytes_text(self.parameter_bytes)}), buffers {bytes_text(self.buffer_bytes)}",
            f"{self.multiply_adds:,} multiply-adds",
            f"input {bytes_text(self.input_bytes)}, activations {bytes_text(self.activation_bytes)}",
        ]
        return "\n".join(line.rstrip() for line in [table[0], rule, *table[1:], rule, *totals])


def summary(
    model: Module | Callable[[], Module],
    input_size: Any = None,
    input_data: Any = None,
    *,
    depth: int = 3,
    dtype: Any = None,
) -> Summary:
    """The layers of a model with their output shapes, parameters, multiply-adds and bytes, from one call in evaluation mode.

    The call computes only shapes: time and memory do not depend on the batch size. The model is not changed.

    Args:
        model: a module, or a function that makes one; the function's model gets no memory for its weights (:func:`shapes_only`).
        input_size: shape of the input, the batch included: ``(N, C, H, W)``. Several inputs: a list of shapes, or a dict of them for
            keyword arguments.
        input_data: instead, the input itself: a Tensor or an array, a list of arguments, or a dict of keyword arguments.
        depth: rows deeper than this are left out of the table (not of ``rows``).
        dtype: of the inputs for ``input_size``, or a list or dict with one for each (default: that of the parameters).

    Raises:
        TypeError: neither or both of ``input_size`` and ``input_data``, or a model that is no module.
        ValueError: an input size that is no shape, or a number of dtypes that is not the number of inputs.
        Exceptions of the model, with a note that names the module.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> nn.summary(nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(3456, 10)), (32, 1, 28, 28))
    layer         output shape     parameters  multiply-adds  activations
    ---------------------------------------------------------------------
    Sequential    (32, 10)             34,726      3,870,720       1.3 MB
      0: Conv2d   (32, 6, 24, 24)         156      2,764,800       432 KB
      1: ReLU     (32, 6, 24, 24)           -              -       432 KB
      2: Flatten  (32, 3456)                -              -       432 KB
      3: Linear   (32, 10)             34,570      1,105,920       1.2 KB
    ---------------------------------------------------------------------
    34,726 parameters (136 KB), buffers 0 B
    3,870,720 multiply-adds
    input 98 KB, activations 1.3 MB
    """
    check("summary", locals(), depth=0)
    if (input_size is None) == (input_data is None):
        raise TypeError("summary: give either input_size or input_data")
    if not isinstance(model, Module):
        if not callable(model):
            raise TypeError(f"summary: model must be an nn.Module, or a function that makes one, but is {shown(model)}")
        with shapes_only():
            model = model()
        if not isinstance(model, Module):
            raise TypeError(f"summary: the function made no nn.Module but {type(model).__name__}")
    args, kwargs = _given(input_data) if input_size is None else _made(model, input_size, dtype)
    inputs = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
    recorder = _Recorder(model)
    try:
        with unchanged(model, training=False), heard(model, recorder.begin, recorder.end), no_grad(), outlining(recorder.hear):
            model(*args, **kwargs)
    except Exception as error:
        error.add_note(f"in nn.summary, with inputs of shape {', '.join(str(tuple(x.shape)) for x in inputs)}")
        raise
    parameters = list(model.parameters())
    return Summary(recorder.finish(), _bytes(parameters), _bytes(model.buffers()), _bytes(inputs), depth)


# ---------------------------------------------------------------------------------------------------- inputs


def _given(data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the call from ``input_data``."""

    def tensor(x: Any) -> Any:
        return as_tensor(x) if isinstance(x, (np.ndarray, TensorBase)) else x

    if isinstance(data, Mapping):
        return (), {name: tensor(x) for name, x in data.items()}
    return tuple(tensor(x) for x in (data if isinstance(data, (list, tuple)) else [data])), {}


def _made(model: Module, size: Any, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the call from ``input_size``."""
    if isinstance(size, Mapping):
        names, shapes = list(size), list(size.values())
    else:
        names, shapes = [], [size] if _is_shape(size) else list(size) if isinstance(size, Iterable) else [size]
    for shape in shapes:
        if not _is_shape(shape):
            raise ValueError(f"summary: input_size is a shape such as (1, 3, 224, 224), a list of shapes or a dict of them, not {size!r}")
    if isinstance(dtype, Mapping):
        dtype = [dtype.get(name) for name in names]
    dtypes = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(shapes)
    if len(dtypes) != len(shapes):
        raise ValueError(f"summary: {len(dtypes)} dtypes for {len(shapes)} inputs")
    usual = next((p.dtype for p in model.parameters() if p.is_floating_point()), get_default_dtype())
    inputs = [
        from_numpy(outline(tuple(shape), usual if d is None else dtype_of("summary", d))) for shape, d in zip(shapes, dtypes, strict=True)
    ]
    return ((), dict(zip(names, inputs, strict=True))) if names else (tuple(inputs), {})


def _is_shape(size: Any) -> bool:
    return isinstance(size, Sequence) and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 0 for n in size)


# ----------------------------------------------------------------------------------------------- the call


def _parameters(module: Module) -> list[Parameter]:
    return [p for p in module.parameters() if p is not None]


class _Recorder:
    """Observes the calls of a model's modules, and fills a :class:`Row` for each module."""

    def __init__(self, model: Module):
        self.modules = dict(model.named_modules())
        self.rows = {module: Row(name, type(module).__name__, name.count(".") + 1 if name else 0) for name, module in self.modules.items()}
        self.active: list[tuple[Row, list[bool]]] = []  # the active calls, and whether each has called another

    def begin(self, path: str, module: Module, args: Any) -> None:
        """Note that a call begins."""
        if self.active:
            self.active[-1][1].append(True)
        self.active.append((self.rows[module], []))

    def end(self, path: str, module: Module, args: Any, output: Any) -> None:
        """Note that the innermost call ends."""
        row, others = self.active[-1]
        row.calls += 1
        row.output_shape = tree_map(lambda x: x._data.shape if isinstance(x, TensorBase) else None, output)
        if not others:
            self._add("activation_bytes", _bytes(tensors_in(output)))
        self.active.pop()

    def _add(self, what: str, amount: int) -> None:
        for row in {id(row): row for row, _ in self.active}.values():  # a module that calls itself counts once
            setattr(row, what, getattr(row, what) + amount)

    def hear(self, op: Op, multiply_adds: int) -> None:
        """Add the multiply-adds of an op to the modules that are being called."""
        if multiply_adds:
            self._add("multiply_adds", multiply_adds)

    def finish(self) -> list[Row]:
        """The rows, with their parameters: a lazy module has them only after the call."""
        for module, row in self.rows.items():
            parameters = _parameters(module)
            row.class_name = type(module).__name__
            row.parameters = sum(p.numel() for p in parameters)
            row.trainable = sum(p.numel() for p in parameters if p.requires_grad)
        return list(self.rows.values())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(math.prod(t.shape) * t.itemsize for t in tensors)
