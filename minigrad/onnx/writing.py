"""Writes the nodes of an export: names of values, constants, sizes that vary. The rules of :mod:`minigrad.onnx.rules` call it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.onnx.hearing import Call, Size, Unclear, UnclearFloat, where
from minigrad.onnx.reader import NUMBERS, OnnxError, official

RULES: dict[str, Callable[[Writer, Call], Any]] = {}


def rule(*names: str) -> Callable[[Callable[[Writer, Call], Any]], Callable[[Writer, Call], Any]]:
    """Enter the rule for ops of these names. It returns the name of the result's value, or a list of them."""

    def enter(function: Callable[[Writer, Call], Any]) -> Callable[[Writer, Call], Any]:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


class LastOnly(str):
    """The name of the last step of a result whose other steps ONNX does not give."""


class Writer:
    """The graph that is being written.

    Args:
        opset: version of the operator set.
        named: id of an array -> name, of inputs, parameters and buffers.
        producers: id of an array -> the call that made it.
    """

    def __init__(self, opset: int, named: dict[int, str], producers: dict[int, Call]):
        self.opset, self.producers = opset, producers
        self.aliases: dict[int, np.ndarray] = {}  # id of an array -> the known one of which it is a reshape
        self.names = dict(named)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []  # nodes, which come first
        self.changing: dict[int, tuple[list[Any], list[np.ndarray]]] = {}  # id of a constant that differs at other sizes -> shape, values
        self.shapes: dict[int, list[Any]] = {}  # id of an array -> its shape, where that has a Size
        self.constants_written: set[int] = set()  # ids of arrays that are constants, and have a name
        self._constants: dict[Any, str] = {}
        self._used: set[str] = set(named.values())
        self._kept: list[Any] = []
        self._sizes: dict[tuple[str, int], str] = {}
        self.call: Call | None = None

    # ------------------------------------------------------------------------------------------------------- nodes

    def node(self, op_type: str, *inputs: Any, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """Add a node, and return the name of its result, or the list of names. Inputs are names, arrays, numbers, or None."""
        names = [x if isinstance(x, str) else "" if x is None else self.value(x) for x in inputs]
        while names and not names[-1]:
            names.pop()
        path = self.call.path.replace(".", "/") if self.call is not None else ""
        name = self._free(f"/{path}/{op_type}" if path else f"/{op_type}")
        results = [f"{name}_output_{i}" for i in range(outputs)]
        self._used.update(results)
        attributes = {
            k: [int(n) for n in self.fixed(v)] if isinstance(v, (tuple, list)) and v and not isinstance(v[0], (float, str)) else v
            for k, v in attributes.items()
            if v is not None
        }
        self.nodes.append(official().helper.make_node(op_type, names, results, name=name, domain=domain, **attributes))
        return results[0] if outputs == 1 else results

    def _free(self, name: str) -> str:
        found, i = name, 0
        while found in self._used:
            i += 1
            found = f"{name}_{i}"
        self._used.add(found)
        return found

    # ------------------------------------------------------------------------------------------------------ values

    def value(self, x: Any, dtype: Any = None) -> str:
        """The name of an array's value. A number, or an array that nothing made, becomes a constant (of ``dtype``)."""
        if isinstance(x, np.ndarray):
            if id(x) in self.names:
                name = self.names[id(x)]
                if isinstance(name, LastOnly):
                    raise OnnxError(f"export: {where(self.producers[id(x)])}: ONNX gives the last cell state only, and others are used")
                return name
            if (source := self.aliases.get(id(x))) is not None:
                name = self.value(source)
                self.names[id(x)] = name = name if source.shape == x.shape else self.node("Reshape", name, self.ints(x.shape))
                return name
            if id(x) in self.producers:
                raise OnnxError(f"export: {where(self.producers[id(x)])}: this result of the op has no counterpart")
            name = self._varying(x) if id(x) in self.changing else self.constant(x if x.ndim or dtype is None else x.astype(dtype))
            self._kept.append(x)
            if dtype is None or x.ndim:
                self.names[id(x)] = name
                if id(x) not in self.changing:
                    self.constants_written.add(id(x))
            return name
        if isinstance(x, UnclearFloat):
            raise self._unclear(float(x))
        if isinstance(x, Size):
            return self.node("Cast", self._number(x), to=NUMBERS[np.dtype(dtype or np.int64).name])
        return self.constant(np.asarray(x, dtype))

    def constant(self, array: np.ndarray) -> str:
        """The name of a node that is this array; equal small ones are one. (Stored tensors are the weights.)"""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.name, array.shape, array.tobytes()) if array.nbytes <= 1024 else None
        if key in self._constants:
            return self._constants[key]
        onnx = official()
        name = self._free("/Constant")
        value = onnx.numpy_helper.from_array(array)
        self.constants.append(onnx.helper.make_node("Constant", [], [name + "_output_0"], name=name, value=value))
        name += "_output_0"
        if key is not None:
            self._constants[key] = name
        return name

    def _varying(self, a: np.ndarray) -> str:
        """A constant that differs at another size of an input: one number everywhere, 0, 1, 2, ..., or two numbers on the sides of a diagonal."""
        assert self.call is not None
        shape, others = self.changing[id(a)]
        first = a.reshape(-1)[:1]
        if a.size and all((v == first).all() for v in (a, *others)):
            return self.node("Expand", self.constant(first.reshape(())), self.ints(shape))
        most = max((a, *others), key=lambda v: v.size)
        long = [d for d, n in enumerate(most.shape) if n > 1]
        if len(long) == 1 and a.size and a.dtype.kind in "iu":
            begin, step = int(most.flat[0]), int(most.flat[1]) - int(most.flat[0])
            if all(np.array_equal(v.reshape(-1), begin + step * np.arange(v.size)) for v in (a, *others)):
                zero, one = self.value(0, np.int64), self.value(1, np.int64)
                many = self.node("Range", zero, self.node("Squeeze", self.ints([shape[long[0]]]), self.ints([0])), one)
                found = self.node(
                    "Cast",
                    self.node("Add", self.node("Mul", many, self.value(step, np.int64)), self.value(begin, np.int64)),
                    to=NUMBERS[a.dtype.name],
                )
                return found if a.ndim == 1 else self.node("Reshape", found, self.ints([-1 if n > 1 else 1 for n in most.shape]))
        if a.ndim >= 2 and a.size:
            most = most.reshape(-1, *most.shape[-2:])[0]
            low, high = most[-1, 0], most[0, -1]
            last = int(np.count_nonzero(most[0] == low)) - 1  # the last column of the first row that is low

            def triangle(rows: int, columns: int) -> np.ndarray:
                return np.where(np.arange(columns) - np.arange(rows)[:, None] <= last, low, high)

            if all(np.array_equal(v, np.broadcast_to(triangle(*v.shape[-2:]), v.shape)) for v in (a, *others)):
                zero, one = self.value(0, np.int64), self.value(1, np.int64)
                places = [self.node("Range", zero, self.node("Squeeze", self.ints([n]), self.ints([0])), one) for n in shape[-2:]]
                distance = self.node("Sub", places[1], self.node("Reshape", places[0], self.ints([-1, 1])))
                inside = self.node("LessOrEqual", distance, self.value(last, np.int64))
                if a.dtype == bool:
                    found = inside if low else self.node("Not", inside)
                else:
                    found = self.node("Where", inside, self.constant(np.asarray(low)), self.constant(np.asarray(high)))
                return found if a.ndim == 2 else self.node("Expand", found, self.ints(shape))
        raise OnnxError(
            f"export: {where(self.call)}: a constant of shape {a.shape} depends on the size of a dynamic axis; compute it with ops from the input"
        )

    def is_constant(self, x: Any) -> bool:
        """Whether a value is known now, and the same for inputs of other sizes."""
        known = (self.producers, self.changing, self.names, self.aliases)
        return id(x) in self.constants_written or not any(id(x) in table for table in known)

    def ints(self, values: Iterable[Any]) -> str:
        """The name of a 1-d int64 tensor with these numbers, some of which may be :class:`Size`."""
        values = list(values)
        if not any(isinstance(v, Size) for v in values):
            return self.constant(np.array([int(v) for v in values], np.int64))
        parts = [
            self.node("Reshape", self._number(v), self.constant(np.array([1], np.int64)))
            if isinstance(v, Size)
            else self.constant(np.array([int(v)], np.int64))
            for v in values
        ]
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def _number(self, size: Size) -> str:
        """A scalar int64 with the value of a size. Raises :class:`OnnxError` for one of which only two values are known."""
        if isinstance(size, Unclear):
            raise self._unclear(int(size))
        total: Any = None
        for axis, factor in size.factors.items():
            term = self._axis(axis)
            if factor != 1:
                term = self.node("Mul", term, self.constant(np.asarray(factor, np.int64)))
            total = term if total is None else self.node("Add", total, term)
        return total if size.base == 0 else self.node("Add", total, self.constant(np.asarray(size.base, np.int64)))

    def _unclear(self, number: float) -> OnnxError:
        """The error for a number that Python computed from the size of a dynamic axis, in a way that two runs do not tell."""
        place = f"{where(self.call)}: " if self.call is not None else ""
        return OnnxError(
            f"export: {place}the number {number:.6g} depends on the size of a dynamic axis, and not as a sum of multiples of sizes (but as n // 2, n % 2 or "
            "n**0.5 do), which the file cannot compute; leave the axis out of dynamic_axes, or compute the number with ops from a Tensor"
        )

    def _axis(self, axis: tuple[str, int]) -> str:
        if axis not in self._sizes:
            shape = self.node("Shape", axis[0])
            self._sizes[axis] = self.node("Gather", shape, self.constant(np.asarray(axis[1], np.int64)), axis=0)
        return self._sizes[axis]

    def shape(self, x: np.ndarray) -> list[Any]:
        """The shape of an array that an op was given; sizes that vary are each a :class:`Size`."""
        return self.shapes.get(id(x), list(x.shape))

    def varies(self, x: np.ndarray) -> bool:
        """Whether a size of an array that an op was given varies."""
        return any(isinstance(n, Size) for n in self.shape(x))

    def fixed(self, values: Any) -> Any:
        """The values, which go into an attribute. Raises :class:`OnnxError` if one depends on the size of an input."""
        flat = values if isinstance(values, (tuple, list)) else [values]
        if any(isinstance(v, Size) for v in flat):
            assert self.call is not None
            raise OnnxError(
                f"export: {where(self.call)}: a setting of this op depends on the size of a dynamic axis, and ONNX takes a number there"
            )
        return values

    # ---------------------------------------------------------------------------------------------- what rules need often

    def cast(self, x: Any, dtype: Any) -> str:
        """The name of a value in a dtype."""
        dtype = np.dtype(dtype)
        if not isinstance(x, np.ndarray):
            return self.value(x, dtype)
        if x.dtype == dtype:
            return self.value(x)
        if self.is_constant(x):
            return self.constant(x.astype(dtype))
        return self.node("Cast", x, to=NUMBERS[dtype.name])

    def operands(self, call: Call, dtype: Any = None) -> list[str]:
        """The inputs of an elementwise op in the dtype of its result."""
        dtype = call.outs[0].dtype if dtype is None else dtype
        return [self.cast(x, dtype) for x in call.inputs]

    def reduce(self, op_type: str, x: Any, dims: Sequence[int] | None, keep: bool) -> str:
        """A reduction, whose axes are an input from version 18 on, and for ``ReduceSum`` from 13 on."""
        if dims is not None and not len(dims):
            return self.node("Identity", x)
        if self.opset >= 18 or op_type == "ReduceSum":
            return self.node(op_type, x, None if dims is None else self.ints(dims), keepdims=int(keep))
        return self.node(op_type, x, axes=None if dims is None else list(dims), keepdims=int(keep))

    def reshape(self, x: Any, shape: Sequence[Any]) -> str:
        """A reshape; one size that varies is -1, unless another is that already."""
        varying = [isinstance(n, Size) for n in shape]
        if sum(varying) == 1 and 0 not in shape and not any(n == -1 and not v for n, v in zip(shape, varying, strict=True)):
            shape = [-1 if v else n for n, v in zip(shape, varying, strict=True)]
        return self.node("Reshape", x, self.ints(shape), allowzero=1 if 0 in [int(n) for n in shape] else None)

    def pieces(self, x: Any, axis: int, start: Any, end: Any, step: int = 1) -> str:
        """A slice along one axis."""
        return self.node("Slice", x, self.ints([start]), self.ints([end]), self.ints([axis]), self.ints([step]))

    def need(self, version: int, what: str) -> None:
        """Raise :class:`OnnxError` if the operator set is older than ``version``."""
        if self.opset < version:
            assert self.call is not None
            raise OnnxError(f"export: {where(self.call)}: {what} needs opset_version={version} or later, not {self.opset}")
