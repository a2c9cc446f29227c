"""If, Loop and Scan, sequences and optional values.

A graph inside a node gets the values that it uses of the graphs around it as inputs of the node, so gradients flow through it like through
any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.onnx.limits import budget
from minigrad.onnx.reader import OnnxError
from minigrad.onnx.table import axis_of, constant, ints, number, operator


def _packed(results: list[Any]) -> Any:
    return tuple(results)


def _chosen(graph: Any, names: list[str], values: tuple[Any, ...]) -> list[Any]:
    """The values that a graph captures."""
    found = dict(zip(names, values, strict=True))
    return [found[name] for name in graph.captured]


@operator("If", control=True)
def _if(condition: Any, *captured_values: Any, then_branch: Any, else_branch: Any, captured: Any = ()) -> Any:
    branch = then_branch if number(condition) else else_branch
    return _packed(branch.run(_chosen(branch, captured, captured_values)))


@operator("Loop", control=True)
def _loop(most: Any, condition: Any, *values: Any, body: Any, captured: Any = ()) -> Any:
    count = len(values) - len(captured)
    state, outer = list(values[:count]), _chosen(body, captured, values[count:])
    limit = None if most is None else int(number(most))
    going = condition is None or bool(number(condition))
    collected: list[list[Any]] = [[] for _ in range(len(body.outputs) - 1 - count)]
    i = 0
    while going and (limit is None or i < limit):
        if (spent := budget.get()) is not None:
            spent.step()
        first, *rest = body.run([constant(np.int64(i)), constant(np.bool_(going)), *state, *outer])
        going = bool(number(first)) if first is not None else True
        state = rest[:count]
        for found, value in zip(collected, rest[count:], strict=True):
            found.append(value)
            if spent is not None:
                spent.check(value._data.nbytes * len(found))
        i += 1
    return _packed([*state, *[mg.stack(found) if found else constant(np.zeros(0, np.float32)) for found in collected]])


@operator("Scan", control=True)
def _scan(
    *values: Any,
    body: Any,
    num_scan_inputs: int,
    scan_input_axes: tuple[int, ...] = (),
    scan_input_directions: tuple[int, ...] = (),
    scan_output_axes: tuple[int, ...] = (),
    scan_output_directions: tuple[int, ...] = (),
    directions: tuple[int, ...] = (),
    captured: Any = (),
    opset: int,
) -> Any:
    own = values[: len(values) - len(captured)]
    outer = _chosen(body, captured, values[len(own) :])
    if not 0 < num_scan_inputs <= len(own):
        raise OnnxError(f"onnx: Scan: {num_scan_inputs} of {len(own)} inputs are sequences")
    if opset < 9:  # version 8 has the lengths first, and a batch
        lengths, *own_list = own
        return _scan_batch(lengths, own_list, outer, body, num_scan_inputs, directions)
    return _packed(
        _scanned(list(own), outer, body, num_scan_inputs, scan_input_axes, scan_input_directions, scan_output_axes, scan_output_directions)
    )


def _scanned(
    own: list[Any], outer: list[Any], body: Any, inputs: int, axes: Any, directions: Any, out_axes: Any, out_directions: Any
) -> list[Any]:
    count = len(own) - inputs
    state, sequences = own[:count], own[count:]
    axes, directions = axes or (0,) * inputs, directions or (0,) * inputs
    moved = [mg.movedim(x, axis_of(a, x._data.ndim), 0) for x, a in zip(sequences, axes, strict=True)]
    steps = len(moved[0]._data) if moved else 0
    if any(len(x._data) != steps for x in moved):
        raise OnnxError("onnx: Scan: the sequences differ in length")
    collected: list[list[Any]] = [[] for _ in range(len(body.outputs) - count)]
    for t in range(steps):
        parts = [x[steps - 1 - t if d else t] for x, d in zip(moved, directions, strict=True)]
        rest = body.run([*state, *parts, *outer])
        state = rest[:count]
        for found, value in zip(collected, rest[count:], strict=True):
            found.append(value)
    results = []
    out_axes, out_directions = out_axes or (0,) * len(collected), out_directions or (0,) * len(collected)
    for found, axis, d in zip(collected, out_axes, out_directions, strict=True):
        out = mg.stack(found[::-1] if d else found)
        results.append(mg.movedim(out, 0, axis_of(axis, out._data.ndim)))
    return [*state, *results]


def _scan_batch(lengths: Any, own: list[Any], outer: list[Any], body: Any, inputs: int, directions: Any) -> Any:
    if lengths is not None:
        raise OnnxError("onnx: Scan: version 8 with lengths of sequences")
    rows = [_scanned([x[b] for x in own], outer, body, inputs, (), directions, (), ()) for b in range(len(own[0]._data))]
    return _packed([mg.stack(list(column)) for column in zip(*rows, strict=True)])


# ------------------------------------------------------------------------------------------------------------ sequences


@operator("SequenceEmpty")
def _sequence_empty(*, dtype: int = 1) -> Any:
    return []


@operator("SequenceConstruct")
def _sequence_construct(*xs: Any) -> Any:
    return list(xs)


@operator("SequenceInsert", settings=(2,))
def _sequence_insert(sequence: Any, x: Any, position: Any = None) -> Any:
    out = list(sequence)
    out.insert(len(out) if position is None else int(number(position)), x)
    return out


@operator("SequenceErase", settings=(1,))
def _sequence_erase(sequence: Any, position: Any = None) -> Any:
    out = list(sequence)
    del out[-1 if position is None else int(number(position))]
    return out


@operator("SequenceAt", settings=(1,))
def _sequence_at(sequence: Any, position: Any) -> Any:
    return sequence[int(number(position))]


@operator("SequenceLength")
def _sequence_length(sequence: Any) -> Any:
    return constant(np.int64(len(sequence)))


@operator("ConcatFromSequence")
def _concat_from_sequence(sequence: Any, *, axis: int, new_axis: int = 0) -> Any:
    return mg.stack(sequence, axis) if new_axis else mg.cat(sequence, axis)


@operator("SplitToSequence", settings=(1,))
def _split_to_sequence(x: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1) -> Any:
    axis = axis_of(axis, x._data.ndim)
    n = x._data.shape[axis]
    if split is None:
        parts = mg.split(x, 1, axis)
        return [p if keepdims else mg.squeeze(p, axis) for p in parts]
    if split._data.ndim:
        return list(mg.split(x, ints(split, "split"), axis))
    part = int(number(split))
    if part < 1:
        raise OnnxError(f"onnx: SplitToSequence: parts of {part}")
    return list(mg.split(x, part, axis)) if n else [x]


@operator("Optional")
def _optional(x: Any = None, *, type: Any = None) -> Any:
    return x


@operator("OptionalHasElement")
def _optional_has_element(x: Any = None) -> Any:
    return constant(np.bool_(x is not None))


@operator("OptionalGetElement")
def _optional_get_element(x: Any) -> Any:
    if x is None:
        raise OnnxError("onnx: OptionalGetElement: there is none")
    return x
