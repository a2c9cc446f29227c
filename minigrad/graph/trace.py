"""From tensors to a :class:`~minigrad.graph.model.Graph`: walk the recorded nodes, name the leaves, find the modules.

A program that draws nothing pays nothing: the graph is the one that the engine records for backward anyway. :class:`record` notes by
hooks the creation numbers at the start and end of each module's call; they tell which module made a node.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import math
import re
import sys
import textwrap
import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad import engine
from minigrad.calls import defaults_heard, heard
from minigrad.dtypes import dtype
from minigrad.engine import Leaf, Node, Pick, Shell, TensorBase, inside
from minigrad.graph.gradients import Backward
from minigrad.graph.model import Edge, Graph, Scope, Vertex
from minigrad.graph.values import MOVING, Store, Values, moves, text_of
from minigrad.ops.arguments import check, shown
from minigrad.tensor import Tensor
from minigrad.tree import leaves
from minigrad.types import Shape

# ------------------------------------------------------------------------------------------------ module calls


class record:
    """Context manager that notes which module of ``model``, and which line of the program, makes which nodes.

    :func:`draw` uses it when it is given a model and its inputs. Use it around your own computation to show the modules in a
    picture of the loss:

    >>> import minigrad as mg
    >>> from minigrad import graph, nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    >>> with graph.record(model) as recording:
    ...     loss = model(mg.ones(1, 2)).sum()
    >>> [scope.id for scope in graph.draw(loss, model=recording).scopes]
    ['Sequential', 'Sequential/0', 'Sequential/1']
    """

    def __init__(self, model: Any, arrays: bool = False):
        """``arrays``: keep operands and result of every op in memory, for pictures with their values."""
        self.arrays = arrays
        if not hasattr(model, "named_modules"):
            raise TypeError(f"record: model must be a module, but is {shown(model)}")
        self.model = model
        self.pretend: list[Node] | None = None  # if a list, inputs that the model fills in itself become leaves, which it then holds
        self.filled: dict[str, TensorBase] = {}  # name -> an input that a module was not given: an LSTM's first states
        self.scopes: list[Scope] = []
        self.starts: list[int] = []  # creation numbers, ascending; a call comes before the calls inside it
        self.ends: list[float] = []
        self.parents: list[int] = []
        self._open: list[int] = []
        self._looking = contextlib.ExitStack()
        self._times: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> record:
        self._sizes = _parameter_counts(self.model)  # raises for a lazy layer that has never been called: drawing changes no model
        self._looking.enter_context(heard(self.model, self._begin, self._end))
        self._looking.enter_context(defaults_heard(self._fill))
        self._looking.enter_context(engine.recording_lines(public_name, self.arrays))
        return self

    def __exit__(self, *exc: Any) -> None:
        self._looking.close()

    def _begin(self, path: str, module: Any, args: tuple) -> None:
        parent = self.scopes[self._open[-1]] if self._open else None
        kind = type(module).__name__
        if not path:
            name = kind
        elif parent is not None and parent.path and path.startswith(parent.path + "."):
            name = path[len(parent.path) + 1 :]
        else:
            name = path
        place = f"{parent.id}/{name}" if parent else name
        times = self._times[place] = self._times.get(place, 0) + 1
        if times > 1:  # a module that is called again, as the cell of a recurrent network is
            name, place = f"{name} (call {times})", f"{place}#{times}"
        inputs = [describe(t._data) for t in tensors_of(args)]
        scope = Scope(place, name, path, kind, parent.id if parent else "", self._sizes[path], inputs)
        self.parents.append(self._open[-1] if self._open else -1)
        self._open.append(len(self.scopes))
        self.scopes.append(scope)
        self.starts.append(next(engine.numbers))
        self.ends.append(float("inf"))

    def _end(self, path: str, module: Any, args: tuple, output: Any) -> None:
        number = self._open.pop()
        self.ends[number] = next(engine.numbers)
        self.scopes[number].outputs = [describe(t._data) for t in tensors_of(output)]

    def _fill(self, tensors: Mapping[str, TensorBase]) -> None:
        call = self.scopes[self._open[-1]] if self._open else None
        for name, tensor in tensors.items():
            full = f"{call.path}.{name}" if call is not None and call.path else name
            again = sum(known == full or known.startswith(f"{full} (") for known in self.filled)
            self.filled[f"{full} (call {again + 1})" if again else full] = tensor
            if self.pretend is not None and tensor._node is None:
                tensor._node = Leaf(tensor)
                self.pretend.append(tensor._node)

    def scope_of(self, number: int) -> str:
        """The id of the innermost call during which the node with this creation number was made."""
        place = bisect_right(self.starts, number) - 1
        while place >= 0 and self.ends[place] < number:
            place = self.parents[place]
        return self.scopes[place].id if place >= 0 else ""


def _parameter_counts(model: Any) -> dict[str, int]:
    """Path of each module -> number of elements of its parameters."""
    return {path: sum(p.numel() for p in module.parameters()) for path, module in model.named_modules()}


def tensors_of(value: Any) -> Iterator[TensorBase]:
    """The Tensors among the leaves of ``value``, from left to right; of complex numbers the pairs of real ones, which ops take."""
    return (inside(x) for x in leaves(value) if isinstance(x, (TensorBase, Shell)))


def describe(array: Any) -> str:
    """Shape and dtype in a word or two: ``64×3×28×28``, with the dtype where it is not float32."""
    shape = "×".join(map(str, array.shape)) if array.shape else "scalar"
    return shape if array.dtype == np.float32 else f"{shape} {array.dtype}"


_dtype_name = functools.cache(lambda dtype: dtype.name)  # numpy computes it again at each access


# ------------------------------------------------------------------------------------------------ description of an op


_PLACE = "minigrad.ops."
_FACES = ("minigrad", "minigrad.nn.functional", "minigrad.ops.linalg", "minigrad.ops.fft", "minigrad.ops.special", "minigrad.einops")
_ACTIVATIONS = {"sigmoid", "tanh"}  # activations that are defined among the elementwise ops


def family(op: engine.Op) -> str:
    """The family of an op: the file in which it is defined, ``custom`` for a user's."""
    module = op.kernel.__module__
    if module.startswith("minigrad.engine"):
        return "shape"
    if op.name in _ACTIVATIONS and module.startswith(_PLACE):
        return "activation"
    return module[len(_PLACE) :] if module.startswith(_PLACE) else "custom"


def faces() -> list[Any]:
    """Where users find functions of tensors: the modules that are loaded, and the class Tensor. (This package must not import nn.)"""
    return [*(module for face in _FACES if (module := sys.modules.get(face)) is not None), Tensor]


def _code_of(value: Any) -> types.CodeType | None:
    """The code of a function without its wrappers, or of the function that computes a property. ``add_`` wraps ``add``, but is another function."""
    function = value.fget if isinstance(value, property) else value
    if not callable(function):
        return None
    inner = inspect.unwrap(function, stop=_is_in_place)
    return getattr(inner, "__code__", None)


def _is_in_place(function: Any) -> bool:
    """Whether a function is such a method: its code has its name, where that of other wrappers has the wrapper's."""
    name = getattr(getattr(function, "__code__", None), "co_name", "")
    return name.endswith("_") and name == function.__name__


@functools.cache
def public_name(code: types.CodeType) -> str:
    """The name by which users find the function or method of tensors with this code; "" if they do not.

    >>> import minigrad as mg
    >>> public_name(inspect.unwrap(mg.flatten).__code__), public_name(public_name.__wrapped__.__code__)
    ('flatten', '')
    """
    name = code.co_name
    if name.startswith(("_", "<")):
        return ""
    for face in faces():
        if _code_of(getattr(face, name, None)) is code:
            return name
        for other, value in vars(face).items():  # norm, whose own name is old_norm
            if other[0] != "_" and _code_of(value) is code:
                return other
    return ""


class Callers:
    """Which functions the user called for the nodes of a graph."""

    def __init__(self, nodes: Iterable[Node]):
        self.made = Counter(call for node in nodes for call in engine.calls_of(node))  # of each call, how many nodes

    def called(self, node: Node) -> str:
        """The name of ``node`` as the user wrote it: of the public function or method that made this node and no other of the graph.

        For example ``flatten`` for ``reshape``, ``mm`` for ``matmul``. This is known of nodes made inside :class:`record` or by ``draw`` of a model.
        Of other nodes, and of those that a function made together with others, it is the name of the op; of an op that users do not know,
        that of the function that called it: ``conv2d`` for ``conv``, ``layer_norm`` or ``batch_norm`` for ``standardize``.
        """
        alone = [call.name for call in engine.calls_of(node) if self.made[call] == 1]
        if alone:
            return alone[-1]
        code = getattr(node, "caller", None)
        return (public_name(code) if code is not None else "") or node.op.name

    def within(self, node: Node) -> str:
        """The outermost public function that made ``node`` together with others: ``mse_loss`` for its ``sub``, ``square`` and ``mean``; else ""."""
        calls = engine.calls_of(node)
        return calls[-1].name if calls and self.made[calls[-1]] > 1 and calls[-1].name != self.called(node) else ""


@functools.cache
def _written(kernel: Any) -> dict[str, str]:
    """The formulas in the source of a decorated kernel, as they are written."""
    try:
        text = textwrap.dedent(inspect.getsource(kernel))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, or generated
        return {}
    function = tree.body[0]
    found = {}
    for decorator in getattr(function, "decorator_list", ()):
        if isinstance(decorator, ast.Call):
            for keyword in decorator.keywords:
                if keyword.arg and (segment := ast.get_source_segment(text, keyword.value)):
                    found[keyword.arg] = " ".join(segment.split()) if isinstance(keyword.value, ast.Lambda) else segment
    return found


@functools.cache
def formulas(op: engine.Op) -> dict[str, str]:
    """Argument -> its gradient formula as written in the source; a named function's text in full."""
    written = _written(op.kernel)
    found = {}
    for name, formula in op.formulas.items():
        if formula is None:
            continue
        text = written.get(name, "")
        if not text.startswith("lambda"):
            with contextlib.suppress(OSError, TypeError):
                text = re.sub(r"\A(@.*\n)+", "", textwrap.dedent(inspect.getsource(formula)).rstrip())  # without decorators
        found[name] = text or repr(formula)
    return found


_PER_AXIS = {"kernel", "kernel_size", "stride", "padding", "output_padding", "dilation", "output_size", "scale_factor"}  # (2, 2) is 2


def _text(value: Any, per_axis: bool = False) -> str:
    """A static argument, shortened for a label; ``per_axis``: one number for each axis, said once if they are the same."""
    if isinstance(value, np.ndarray):
        return f"{value}" if value.size <= 4 and value.ndim <= 1 else f"array {'×'.join(map(str, value.shape))}"
    if isinstance(value, (np.dtype, dtype)):
        return value.name
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, slice):
        return ":".join("" if v is None else str(v) for v in ((value.start, value.stop) + ((value.step,) if value.step else ())))
    if type(value) in (tuple, Shape):
        parts = [_text(v, per_axis) for v in value]
        if all(isinstance(v, (int, tuple)) for v in value) and len(set(parts)) == 1 and (per_axis or len(parts) == 1):
            return parts[0]  # (2, 2) is 2, and ((1, 1), (1, 1)) is 1
        return f"({', '.join(parts)})"
    if isinstance(value, TensorBase):
        return describe(value._data)
    return "..." if value is Ellipsis else str(value)


def _index_text(value: tuple) -> str:
    """An index as it stands behind a tensor: ``[:, 0]``."""
    last = len(value) - (len(value) > 1 and value[-1] is Ellipsis)  # what was added to fill up
    return f"[{', '.join(map(_text, value[:last]))}]"


_DEFAULT = {"dilation": "1", "groups": "1", "overwrite": "True", "padding": "0", "stride": "1"}


def statics(op: engine.Op, static: Mapping[str, Any]) -> dict[str, str]:
    """The keyword arguments of a call that differ from their defaults, as text."""
    found: dict[str, str] = {}
    for name, value in static.items():
        records = value if isinstance(value, (tuple, list)) and value and all(hasattr(v, "_fields") for v in value) else []
        if hasattr(value, "_fields"):  # a record of settings, such as a convolution's window
            found.update((part, _text(getattr(value, part), True)) for part in value._fields)
        elif records:  # one for each axis, such as those of a pooling window
            for part in ("kernel", "stride", "padding", "dilation"):
                if hasattr(records[0], part):
                    found[part] = _text(tuple(getattr(v, part) for v in records), True)
            if hasattr(records[0], "starts") and "stride" not in found:
                found["stride"] = _text(tuple(int(v.starts[1] - v.starts[0]) if len(v.starts) > 1 else 1 for v in records), True)
                found["padding"] = _text(tuple(-min(int(v.starts[0]), 0) if len(v.starts) else 0 for v in records), True)
        elif isinstance(value, engine.Level):  # vmap's own
            continue
        elif value is not None and not (op.statics.get(name) is not inspect.Parameter.empty and _same(op.statics.get(name), value)):
            found[name] = _index_text(value) if name == "index" and type(value) is tuple else _text(value, name in _PER_AXIS)
    return {name: text for name, text in found.items() if text not in (_DEFAULT.get(name), "", op.name)}  # a Function's call is its name


def _new(name: str) -> str:
    """The function that gives a new tensor what the method ``name`` gives its own: ``mul`` for ``mul_``."""
    return name.removesuffix("_")


@functools.cache
def _asked(name: str) -> Mapping[str, inspect.Parameter] | None:
    """The parameters of the public function ``name``; None for what is no public function (``getitem``, a user's op). ``mul_`` has those of ``mul``."""
    function = next((found for known in (_new(name), name) for face in faces() if callable(found := getattr(face, known, None))), None)
    try:
        return None if function is None else inspect.signature(function).parameters
    except ValueError:
        return None


def settings(node: Node, name: str) -> dict[str, str]:
    """What the user of the function ``name`` set, as text: in the order of its parameters, those that are not their defaults.

    What was given is known inside :class:`record`. Otherwise it is what the op's static arguments say of it. What the function computed for
    the op is not told, nor the shape that the result has. A convolution's kernel and groups are the sizes of its weight.
    """
    weight = _of_weight(node)
    said = {**weight, **statics(node.op, _with_constant(node))}
    for key in ("shape", "sizes"):  # those of the result, which the box has anyway
        if node.dtype is not None and tuple(node.static.get(key, (None,))) in (node.shape, node.shape[2:]):
            said.pop(key, None)
    asked = _asked(name)
    if asked is None:
        return said
    given: dict[str, Any] = {}
    for call in engine.calls_of(node):  # a method calls the function of its name, whose parameters may be called otherwise
        given |= call.settings if _new(call.name) == _new(name) else {}
    found = {"kernel": said["kernel"]} if "kernel" in said and (weight or "kernel_size" in asked) else {}
    for key, parameter in asked.items():
        per_axis = key in _PER_AXIS
        text = _text(given[key], per_axis) if key in given else said.get(key)
        if text is not None and not (key == "kernel_size" and "kernel" in found) and text != _text(parameter.default, per_axis):
            found[key] = text
    return found


def _of_weight(node: Node) -> dict[str, str]:
    """The kernel of a convolution or of its transpose, and its groups if there are several."""
    if node.op.name not in ("conv", "conv_input"):
        return {}
    given, weight = _shape(node, 0), _shape(node, 1)
    channels = node.shape if node.op.name == "conv_input" else given
    if weight is None or channels is None:
        return {}
    groups = channels[1] // weight[1]
    return {"kernel": _text(tuple(weight[2:]), True), **({"groups": str(groups)} if groups > 1 else {})}


def _shape(node: Node, position: int) -> tuple[int, ...] | None:
    """The shape of an argument: that of its node, or of the array that a formula keeps."""
    parent = node.parents[position] if node.parents is not None else None
    if parent is not None:
        return parent.shape
    kept = (value for _, _, sources, args in node.formulas() for source, value in zip(sources, args, strict=True) if source == position)
    return next((value.shape for value in kept if isinstance(value, np.ndarray)), None)


def _with_constant(node: Node) -> dict[str, Any]:
    """The static arguments, and the number beside a tensor: ``{"other": 100}`` for ``x + 100``."""
    if not hasattr(node, "constant"):
        return node.static
    return {**node.static, node.op.inputs[[parent is None for parent in node.parents].index(True)]: node.constant}


def _geometry(node: Node, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the page needs to say which cells of the operands (``given``: name -> array) a cell of the result came from.

    Of a convolution where its windows start along each axis (``starts``) and their ``dilation``, of pooling the ``cells`` of each window along
    each axis and the ``divisor``; of other ops their settings.
    """
    static = node.static
    window, axes = static.get("window"), static.get("axes")
    if node.op.name in ("conv", "conv_input", "conv_weight", "conv_weight_bias") and window is not None:
        sizes = static["sizes"] if "sizes" in static else np.shape(given["y"])[2:]
        starts = [
            [i * step - before for i in range(size)] for size, step, (before, _) in zip(sizes, window.stride, window.padding, strict=False)
        ]
        return {"starts": starts, "dilation": list(map(int, window.dilation))}
    if node.op.name in ("max_pool", "avg_pool") and isinstance(axes, (list, tuple)):
        return {"cells": [_cells(axis) for axis in axes], "divisor": np.ravel(static.get("divisor", 1)).tolist()}
    plain = {name: value for name, value in static.items() if isinstance(value, (bool, int, float)) or _integers(value)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}  # as JSON has it


def _integers(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(v, int) for v in value)


def _cells(axis: Any) -> list[list[int]]:
    """The cells of each window along an axis of pooling."""
    found: list[list[int]] = [[] for _ in range(axis.out)]
    for _, windows, cells in axis.places:
        for window, cell in zip(range(axis.out)[windows], range(axis.size)[cells], strict=True):
            found[window].append(cell)
    return found


def _told_as(vertex: Vertex, argument: str, known: engine.Constant | None = None) -> str:
    """The parameter of the function ``vertex.name`` that is ``argument`` of its op; "" if a user did not give it: dropout makes its mask itself.

    An op's own names say it, or what was recorded: that the ``w`` of ``conv`` was given to ``conv2d`` as its ``weight``.
    """
    asked = _asked(vertex.name)
    if asked is not None and known is not None:
        for function, parameter in known.given.items():
            if _new(function) == _new(vertex.name) and parameter in asked:
                return parameter
    if asked is not None and argument not in asked and next(iter(asked)) in ("tensors", "equation"):  # cat's, stack's, einsum's
        return "tensors" if "tensors" in asked else "operands"
    return argument if asked is None or argument in asked or vertex.name == vertex.op else ""


def _said_of(constant: Any) -> str:
    """An array, or what was recorded of one, in a box: ``[1, 2]`` or ``constant 3×4``."""
    few = constant.few if isinstance(constant, engine.Constant) else constant
    return (text_of(few) if few is not None and few.size else "") or f"constant {describe(constant)}"


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and not isinstance(a, np.ndarray) and a == b


# ---------------------------------------------------------------------------------------------------the walk over the nodes


def resolve(node: Node) -> tuple[Node, int]:
    """The node of the op's call behind ``node``, and which of its results ``node`` is."""
    if isinstance(node, Pick):
        if node.parents is None:
            raise _freed(node)
        return node.parents[0], node.index
    return node, 0


def _freed(node: Node) -> RuntimeError:
    return RuntimeError(
        f"draw: the graph was freed by backward() (at {node.name}). Draw before backward, or keep it with backward(retain_graph=True)"
    )


def reachable(roots: Iterable[Node]) -> list[Node]:
    """Every node that the roots were computed from, in order of creation; without recursion. Picks are among them."""
    seen, stack = set(roots), list(roots)
    while stack:
        node = stack.pop()
        if node.parents is None:
            raise _freed(node)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.number)


class _Names:
    """The names of leaf nodes, and of arrays (frozen parameters, buffers and integer inputs) by identity."""

    def __init__(self) -> None:
        self.nodes: dict[Node, tuple[str, str]] = {}
        self.arrays: dict[int, tuple[str, str, np.ndarray]] = {}

    def add(self, kind: str, name: str, tensor: Any) -> None:
        tensor = inside(tensor)
        if tensor._node is not None:
            self.nodes.setdefault(tensor._node, (kind, name))
        self.arrays.setdefault(id(tensor._data), (kind, name, tensor._data))


def trace(
    outputs: Mapping[str, TensorBase],
    *,
    model: Any = None,
    names: Mapping[str, TensorBase] | None = None,
    inputs: Mapping[str, TensorBase] | None = None,
    pretend: Sequence[Node] = (),
    constants: bool = False,
    backward: bool = False,
    values: bool = False,
    seeds: Mapping[str, np.ndarray] | None = None,
    title: str = "",
) -> Graph:
    """Trace the graph behind named ``outputs`` into plain data.

    Args:
        outputs: name -> Tensor.
        model: the module (or a :class:`record` of its run) whose parameters and buffers give their names.
        names: more names, for any tensor of the graph: name -> Tensor.
        inputs: name -> Tensor that is drawn as an input.
        pretend: leaves that stand for inputs without gradient; the values kept for backward are listed as if these were constants.
        constants: draw constant arguments too.
        backward: run backward through the graph and note gradients on vertices and edges, and the steps.
        values: note the arrays of operands and results, in ``Graph.arrays``, and those of the gradients if backward runs.
        seeds: output's name -> gradient that backward starts from; ones where there is none.
        title: the picture's title.
    """
    check(
        "trace",
        locals(),
        "names inputs seeds",
        outputs="a dict",
        names="a dict",
        inputs="a dict",
        pretend="a list",
        seeds="a dict",
        title="a text",
    )
    for what, named in (("outputs", outputs), ("names", names), ("inputs", inputs)):
        for name, tensor in (named or {}).items():
            check("trace", {f"{what}[{name!r}]": tensor}, **{f"{what}[{name!r}]": TensorBase})
    recording = model if isinstance(model, record) else None
    if recording is not None:
        model = recording.model
    if model is not None and not hasattr(model, "named_parameters"):
        raise TypeError(f"trace: model must be a module, or a record of one, but is {shown(model)}")
    known = _Names()
    for name, tensor in (names or {}).items():
        known.add("leaf", name, tensor)
    filled = recording.filled if recording is not None else {}
    for name, tensor in {**(inputs or {}), **filled}.items():
        known.add("input", name, tensor)
    for name, tensor in model.named_parameters() if model is not None else ():
        known.add("parameter", name, tensor)
    for name, tensor in model.named_buffers() if model is not None else ():
        known.add("buffer", name, tensor)
    roots = [t._node for t in outputs.values() if t._node is not None]
    if not roots:
        raise RuntimeError("draw: this tensor has no history: nothing that it was computed from has requires_grad=True")
    nodes = reachable(roots)
    ids = {node: f"v{i}" for i, node in enumerate(nodes)}
    real = _with_gradient(nodes, set(pretend))
    tracer = _Tracer(ids, known, recording, real, constants)
    for node in nodes:
        tracer.visit(node)
    for name, tensor in outputs.items():
        tracer.output(name, tensor)
    tracer.unseen(inputs or {})
    graph = Graph(tracer.vertices, tracer.edges, list(recording.scopes) if recording else [], title, tracer.kept_bytes)
    _place_tensors(graph, model if recording is None else None, [name for name in filled if "." in name])
    _mark_repeats(graph)
    _frame_passes(graph, nodes, ids)
    store = Store(graph.arrays) if values else None
    if store is not None:
        tracer.note_values(Values(nodes, outputs), nodes, store)
    if backward:
        run = Backward(outputs, nodes, real, seeds or {}, store)
        for node, gradient in run.arrived.items():
            tracer.note_gradient(node, gradient)
        for (node, position), gradient in run.returned.items():
            tracer.edge_of[node, position].gradient = gradient
        graph.steps = [{**step, "vertex": ids[resolve(node)[0]]} for node, step in run.steps]
    return graph


def _with_gradient(nodes: Sequence[Node], pretend: set[Node]) -> set[Node]:
    """The nodes that would have been recorded if the leaves ``pretend`` were constants."""
    real: set[Node] = set()
    for node in nodes:
        if (node.plan is None and node not in pretend) or any(parent in real for parent in node.parents or ()):
            real.add(node)
    return real


class _Tracer:
    """Turns nodes into vertices and edges, in order of creation."""

    def __init__(self, ids: dict[Node, str], known: _Names, recording: record | None, real: set[Node], constants: bool):
        self.ids, self.known, self.recording, self.real, self.constants = ids, known, recording, real, constants
        self.callers = Callers(ids)
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.by_id: dict[str, Vertex] = {}
        self.edge_of: dict[tuple[Node, int], Edge] = {}
        self.counted: set[int] = set()  # arrays whose bytes are counted
        self.kept_bytes = 0
        self.extra: dict[int, str] = {}  # id of a named array -> its vertex
        self.leaving: dict[str, list[Edge]] = {}  # id of a vertex -> edges to outputs

    def add(self, vertex: Vertex) -> Vertex:
        self.vertices.append(vertex)
        self.by_id[vertex.id] = vertex
        return vertex

    def visit(self, node: Node) -> None:
        if isinstance(node, Pick):
            return
        if node.plan is None:
            self.leaf(node)
        else:
            self.op(node)

    def leaf(self, node: Node) -> None:
        kind, name = self.known.nodes.get(node, ("leaf", ""))
        tensor = node.tensor()  # type: ignore[attr-defined]
        value = "" if tensor is None or kind in ("parameter", "buffer") else text_of(tensor._data)
        if tensor is not None:
            self.counted.add(id(tensor._data))
        size = math.prod(node.shape) * node.dtype.itemsize
        self.add(Vertex(self.ids[node], kind, name or "leaf", kind, {}, [list(node.shape)], [_dtype_name(node.dtype)], [size], value=value))

    def op(self, node: Node) -> None:
        assert node.plan is not None and node.parents is not None
        op = node.plan.op
        name, several = self.callers.called(node), node.dtype is None
        results = list(node.shape) if several else [(node.shape, node.dtype)]
        vertex = Vertex(
            self.ids[node],
            "op",
            name,
            family(op),
            settings(node, name),
            [list(s) for s, _ in results],
            [_dtype_name(d) for _, d in results],
            [math.prod(s) * d.itemsize for s, d in results],
            formulas=formulas(op),
            scope=self.recording.scope_of(node.number) if self.recording else "",
            line=engine.line_of(node),
            op=op.name,
            within=self.callers.within(node),
        )
        constants = self.keep(node, vertex)
        noted = engine.constants_of(node)
        self.add(vertex)
        for position, parent in enumerate(node.parents):
            argument = op.argument(position)
            if parent is None:
                known = noted.get(position)
                value = constants.get(argument) if known is None else known.array()
                value = engine.memory_of(value) if engine.is_batched(value) else value  # of all samples of vmap
                if not self.constant(vertex, argument, value, known, op.optional.get(argument, 0) is not None):
                    self.computed(vertex, node)
                continue
            source, result = resolve(parent)
            edge = Edge(
                self.ids[source],
                vertex.id,
                argument,
                list(parent.shape),
                _dtype_name(parent.dtype),
                result,
                parent in self.real and node in self.real,
            )
            self.edges.append(edge)
            self.edge_of[node, position] = edge

    def keep(self, node: Node, vertex: Vertex) -> dict[str, Any]:
        """Fill ``vertex.keeps``; return the values of constant arguments that are known because a formula names them."""
        plan, parents = node.plan, node.parents
        assert plan is not None and parents is not None
        if node.kept is None:
            raise _freed(node)
        constants: dict[str, Any] = {}
        told: set[tuple[str, int]] = set()
        for position, _, sources, args in node.formulas():
            targets = (parents[position],) if isinstance(position, int) else [parents[i] for i in position]
            needed = any(target in self.real for target in targets)
            for source, value in zip(sources, args, strict=True):
                name = plan.op.argument(source) if isinstance(source, int) else plan.op.variadic if source == "*" else source
                if isinstance(source, int) and parents[source] is None:
                    constants[name] = value
                if not needed or source is None:
                    continue
                for array in value if isinstance(value, tuple) else (value,):
                    if not isinstance(array, np.ndarray) or (name, id(array)) in told:
                        continue
                    told.add((name, id(array)))
                    holder = array if array.base is None else array.base
                    shared = id(holder) in self.counted or id(array) in self.counted or id(array) in self.known.arrays
                    self.counted.update((id(array), id(holder)))
                    if not shared:
                        self.kept_bytes += array.nbytes
                    vertex.keeps.append(
                        {
                            "name": name,
                            "shape": list(array.shape),
                            "dtype": _dtype_name(array.dtype),
                            "bytes": array.nbytes,
                            "shared": shared,
                        }
                    )
        return constants

    def constant(self, vertex: Vertex, argument: str, value: Any, known: engine.Constant | None, needed: bool) -> bool:
        """Draw an argument without a node: what has a name as a box, also other arrays if asked to; else say in the op's box what it is.

        ``value`` is the argument, None if nothing keeps it; ``known`` what was recorded of it. ``needed``: it cannot have been left out.
        False for an array that is none of the arguments of the user's function.
        """
        named = self.known.arrays.get(id(value)) if isinstance(value, np.ndarray) else None
        array: Any = known if value is None else value
        if named is not None:
            kind, name, array = named
            self.beside(vertex, argument, array, kind, name, "")
        elif known is None and value is not None and np.ndim(value) == 0:
            if key := _told_as(vertex, argument):
                vertex.static[key] = f"{np.asarray(value).item():.4g}"
        elif self.constants and array is not None:
            few = array if value is not None else array.few
            self.beside(vertex, argument, array, "constant", argument, "" if few is None else text_of(few))
        elif argument not in vertex.static and (array is not None or needed):
            if not (key := _told_as(vertex, argument, known)):
                return False
            text = "constant" if array is None else _said_of(array if value is not None else known)
            vertex.static[key] = f"{vertex.static[key]}, {text}" if key in vertex.static else text  # several of cat
        return True

    def computed(self, vertex: Vertex, node: Node) -> None:
        """An array that the user's function computed for its op: say from which of its own arrays, as ``index_add`` from its source."""
        for call in engine.calls_of(node):
            if _new(call.name) == _new(vertex.name):
                for name, array in call.arrays.items():
                    if id(array.array()) not in self.known.arrays:
                        vertex.static.setdefault(name, _said_of(array))

    def beside(self, vertex: Vertex, argument: str, array: Any, kind: str, name: str, value: str) -> None:
        """An array without a node as a box, with an arrow to the op that uses it."""
        place = self.extra.setdefault(id(array), f"c{len(self.extra)}")
        shape, dtype = list(array.shape), _dtype_name(array.dtype)
        if place not in self.by_id:
            size = math.prod(shape) * array.dtype.itemsize
            self.add(Vertex(place, kind, name, kind, {}, [shape], [dtype], [size], value=value))
        self.edges.append(Edge(place, vertex.id, argument, shape, dtype, 0, False))

    def end(self, kind: str, name: str, data: np.ndarray, static: dict[str, str]) -> str:
        """Add an input or an output; return its id."""
        place = f"o{len(self.vertices)}"
        self.add(Vertex(place, kind, name, kind, static, [list(data.shape)], [_dtype_name(data.dtype)], [data.nbytes], value=text_of(data)))
        return place

    def unseen(self, inputs: Mapping[str, TensorBase]) -> None:
        """Inputs that no recorded op takes: integers that were only compared, what was detached before its first use."""
        for name, tensor in inputs.items():
            if tensor._node not in self.ids and id(tensor._data) not in self.extra:
                self.end("input", name, tensor._data, {"used": "where nothing is recorded"})
                self.vertices.insert(0, self.vertices.pop())  # before what the program computes

    def output(self, name: str, tensor: TensorBase) -> None:
        data = tensor._data
        if tensor._node is None:  # such as the result of argmax
            self.end("output", name, data, {"made": "where nothing is recorded"})
            return
        source, result = resolve(tensor._node)
        place = self.end("output", name, data, {})
        edge = Edge(self.ids[source], place, "", list(data.shape), _dtype_name(data.dtype), result)
        self.edges.append(edge)
        self.leaving.setdefault(edge.source, []).append(edge)

    def note_values(self, values: Values, nodes: Sequence[Node], store: Store) -> None:
        """Put the arrays of operands and results into ``store``, and what small ones say into the vertices."""
        for node in nodes:
            result = values.results.get(node)
            if isinstance(node, Pick):
                continue
            vertex = self.by_id[self.ids[node]]
            results = result if isinstance(result, tuple) else (result,)
            vertex.arrays = {"results": [store.add(r, lent=node.plan is None) for r in results]}
            if not vertex.value and len(results) == 1 and results[0] is not None:
                vertex.value = text_of(np.asarray(results[0]))
            if node in values.operands:
                known = node.op.signature.parameters
                given = [(node.op.argument(i), value) for i, value in enumerate(values.operands[node])]
                given = [  # an optional argument that is unknown was not given, as far as one can tell
                    (name, value)
                    for (name, value), parent in zip(given, node.parents, strict=True)
                    if value is not None or parent is not None or name not in known or known[name].default is not None
                ]
                vertex.arrays["how"] = _geometry(node, dict(given))
                if family(node.op) in MOVING:
                    vertex.arrays["how"]["moves"] = store.promise(functools.partial(moves, node, values.operands[node]))
                vertex.arrays["operands"] = [
                    [name, store.add(value, lent=True)] for name, value in given
                ]  # those of results are known already
        sources = {edge.target: edge for edge in self.edges}
        for vertex in self.vertices:
            if vertex.kind == "output" and (source := sources.get(vertex.id)) is not None:
                vertex.arrays = {"results": [self.by_id[source.source].arrays["results"][source.result]]}

    def note_gradient(self, node: Node, gradient: dict[str, Any]) -> None:
        vertex = self.by_id[self.ids[resolve(node)[0]]]
        vertex.gradient = gradient
        for edge in self.leaving.get(vertex.id, ()):
            edge.gradient = gradient


def common(scopes: Iterable[str]) -> str:
    """The innermost call that contains all the given ones."""
    paths = [scope.split("/") if scope else [] for scope in scopes]
    found = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        found.append(parts[0])
    return "/".join(found)


def _place_tensors(graph: Graph, model: Any, inner: Iterable[str]) -> None:
    """Put parameters, buffers and the ``inner`` inputs, which a module of the model filled in, beside the ops that use them.

    Without a recording, ops go to the modules whose parameters they use.
    """
    by_id = {vertex.id: vertex for vertex in graph.vertices}
    users: dict[str, set[str]] = {}
    for edge in graph.edges:
        users.setdefault(edge.source, set()).add(edge.target)
    if model is not None and not graph.scopes:
        kinds = {path: type(module).__name__ for path, module in model.named_modules()}
        sizes = _parameter_counts(model)
        found: dict[str, Scope] = {}
        for vertex in graph.vertices:
            if vertex.kind not in ("parameter", "buffer") or "." not in vertex.name:
                continue
            path = vertex.name.rpartition(".")[0]
            for user in users.get(vertex.id, ()):
                by_id[user].scope = by_id[user].scope or path.replace(".", "/")
            while path and path.replace(".", "/") not in found:
                place = path.replace(".", "/")
                parent = place.rpartition("/")[0]
                found[place] = Scope(place, path.rpartition(".")[2], path, kinds.get(path, ""), parent, sizes.get(path, 0))
                path = path.rpartition(".")[0]
        graph.scopes = sorted(found.values(), key=lambda scope: scope.id.count("/"))
    for vertex in graph.vertices:
        beside = vertex.kind in ("parameter", "buffer", "constant", "leaf") or (vertex.kind == "input" and vertex.name in inner)
        if beside and vertex.id in users:
            vertex.scope = common({by_id[user].scope for user in users[vertex.id]})


def _frame_passes(graph: Graph, nodes: Iterable[Node], ids: Mapping[Node, str]) -> None:
    """Put what backward passes with ``create_graph=True`` made into a frame for each pass; each op says the gradient of which it belongs to."""
    by_id = {vertex.id: vertex for vertex in graph.vertices}
    passes: dict[engine.RecordedPass, list[tuple[Vertex, engine.Op | None]]] = {}
    for node in nodes:
        vertex = by_id.get(ids[node])
        if vertex is not None and vertex.kind == "op" and not vertex.scope and (made := engine.pass_of(node.number)) is not None:
            passes.setdefault(made[0], []).append((vertex, made[1]))
    for k, members in enumerate(passes.values(), 1):
        name = f"backward pass {k}" if len(passes) > 1 else "backward pass"
        frame = Scope(name, name, name, f"{len(members)} op{'s' * (len(members) != 1)}", "")
        graph.scopes.append(frame)
        for vertex, op in members:
            vertex.scope = frame.id
            vertex.within = f"∂ {op.name}" if op is not None else ""  # of a sum of gradients nothing more is to be said


def _chain(scope: str, parents: Mapping[str, str]) -> list[str]:
    """The calls around something in ``scope``, from the outermost to ``scope`` itself."""
    found = []
    while scope:
        found.append(scope)
        scope = parents.get(scope, "")
    return found[::-1]


def _mark_repeats(graph: Graph) -> None:
    """Find equal neighbours: calls with the same signature in the same parent, each of which takes what the one before gave, without an op between."""
    contents: dict[str, list[Any]] = {scope.id: [] for scope in graph.scopes}
    place = {}
    for vertex in graph.vertices:
        if vertex.scope in contents and vertex.kind == "op":
            place[vertex.id] = len(contents[vertex.scope])
            shapes = tuple(map(tuple, vertex.shapes))
            contents[vertex.scope].append((vertex.name, tuple(sorted(vertex.static.items())), shapes))
    children: dict[str, list[Scope]] = {}
    for scope in graph.scopes:
        children.setdefault(scope.parent, []).append(scope)
    parents = {scope.id: scope.parent for scope in graph.scopes}
    ops: dict[str, list[int]] = {}  # of each call the numbers of its first op and its last
    for number, vertex in enumerate(vertex for vertex in graph.vertices if vertex.kind == "op"):
        around = vertex.scope
        while around:
            ops.setdefault(around, [number, number])[1] = number
            around = parents.get(around, "")
    around_of = {vertex.id: vertex.scope for vertex in graph.vertices}
    handed: set[tuple[str, str]] = set()  # siblings of which the first gives something to the second
    for source, target in {(around_of[edge.source], around_of[edge.target]) for edge in graph.edges}:
        over, under = (_chain(scope, parents) for scope in (source, target))
        shared = sum(a == b for a, b in zip(over, under, strict=False))
        if shared < min(len(over), len(under)):
            handed.add((over[shared], under[shared]))
    signature: dict[str, Any] = {}
    seen: dict[Any, int] = {}  # signature -> number, so that a signature stays short however many calls are inside
    for scope in reversed(graph.scopes):  # calls inside come after the call around them
        below = tuple(signature[child.id] for child in children.get(scope.id, ()))
        whole = (scope.kind, scope.parameters, tuple(scope.inputs), tuple(scope.outputs), tuple(contents[scope.id]), below)
        signature[scope.id] = seen.setdefault(whole, len(seen))
    for siblings in children.values():
        first, before = None, ""
        for scope in siblings:
            before, last = scope.id, before
            next_to = scope.id in ops and last in ops and ops[scope.id][0] == ops[last][1] + 1
            alike = first is not None and signature[scope.id] == signature[first.id] and scope.inputs == first.outputs
            if first is not None and alike and next_to and (last, scope.id) in handed:
                first.repeats += 1
                scope.same_as = first.id
            else:
                first = scope
