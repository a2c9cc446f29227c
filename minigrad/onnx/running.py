"""An ONNX graph as a module: each node is a module that calls the function of its operator, one after another.

Before that, :class:`Compiler` looks at everything once: which operators there are, that each value exists before it is used, which stored
tensors are weights. Nothing of the file is left to be believed at the call but the numbers.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.engine import TensorBase, wrap
from minigrad.nn.module import Module, Parameter, check_name
from minigrad.onnx.limits import FOR_EACH_BYTE, MOST_NODES, Budget, budget
from minigrad.onnx.reader import NUMBERS, OnnxError, Reader, official, type_name
from minigrad.onnx.table import OPERATORS, Operator
from minigrad.tree import bytes_text

STANDARD = ("", "ai.onnx")
DEEPEST = 64  # graphs in graphs, functions in functions
MOST_DENSE = 1 << 28  # bytes of all sparse tensors of a file, written out


class Step(Module):
    """One node of the graph. ``op_type``, ``domain`` and ``node_name`` are the file's."""

    def __init__(self, op_type: str, domain: str, name: str):
        super().__init__()
        self.op_type, self.domain, self.node_name = op_type, domain, name

    def extra_repr(self) -> str:
        """The operator."""
        return self.op_type


class Known(Step):
    """A node of an operator of the table, ``run`` with its attributes filled in."""

    def __init__(self, op_type: str, domain: str, name: str, run: Callable[..., Any]):
        super().__init__(op_type, domain, name)
        self.run = run

    def forward(self, *inputs: Any) -> Any:
        """The results of the node. Raises :class:`OnnxError` for inputs that its operator does not take."""
        try:
            return self.run(*inputs)
        except OnnxError:
            raise
        except Exception as error:  # of an op for shapes, of numpy for an index, of Python for an attribute of another type
            given = ", ".join(
                "nothing" if x is None else f"{x._data.dtype}{x._data.shape}" if hasattr(x, "_data") else "a sequence" for x in inputs
            )
            raise OnnxError(f"onnx: {self.op_type} does not take {given or 'no input'}: {error}") from error


class Body(Step):
    """A node that is a function: a graph of other nodes. ``make(inputs)`` compiles it for inputs of these types."""

    def __init__(self, op_type: str, domain: str, name: str, make: Callable[[Sequence[Any]], Graph]):
        super().__init__(op_type, domain, name)
        self.make = make

    def forward(self, *inputs: Any) -> Any:
        """The results of the function."""
        results = self.make(inputs).run(inputs)
        return results[0] if len(results) == 1 else tuple(results)


class Graph:
    """The steps of a graph in order.

    ==============  ====================================================================================================
    ``inputs``      names of the values that :meth:`run` takes
    ``outputs``     names of the values that it returns
    ``captured``    names of values of the graphs around it, which it takes after the inputs
    ``plan``        for each step: the module, names of its inputs, of its results, and of values not needed afterwards
    ``stored``      name -> (module, attribute) of a weight or buffer
    ``constants``   name -> Tensor
    ==============  ====================================================================================================
    """

    def __init__(self, inputs: list[str], outputs: list[str]):
        self.inputs, self.outputs = inputs, outputs
        self.captured: list[str] = []
        self.plan: list[tuple[Module, list[str], list[str], list[str]]] = []
        self.stored: dict[str, tuple[Module, str]] = {}
        self.constants: dict[str, Any] = {}

    def run(self, given: Iterable[Any]) -> list[Any]:
        """The outputs for the values of ``inputs`` and of ``captured``."""
        spent = budget.get()
        env = _Values(self)
        env.update(zip([*self.inputs, *self.captured], given, strict=True))
        held: dict[str, int] = {}
        for step, inputs, outputs, done in self.plan:
            if spent is not None:
                spent.step()
            results = step(*[env[name] for name in inputs])
            if type(results) is not tuple:
                results = (results,)
            if len(results) < len(outputs) and any(outputs[len(results) :]):
                raise OnnxError(f"onnx: a node with {len(outputs)} results has {len(results)}: {outputs[len(results)][:80]!r} is not made")
            for name, result in zip(outputs, results, strict=False):
                if name:
                    env[name] = result
                    if spent is not None and (size := _owned(result)):
                        held[name] = size
                        spent.hold(size)
            for name in done:
                env.pop(name, None)
                if spent is not None and name in held:
                    spent.hold(-held.pop(name))
        if spent is not None:
            spent.hold(-sum(held.values()))
        return [env[name] for name in self.outputs]


class _Values(dict[str, Any]):
    """The values of a run by name. What is stored is looked up when it is used: a loop runs its graph often, and a file may store much in it."""

    def __init__(self, graph: Graph):
        super().__init__({"": None})
        self.graph = graph

    def __missing__(self, name: str) -> Any:
        if name in self.graph.constants:
            return self.graph.constants[name]
        module, attribute = self.graph.stored[name]
        return module.__dict__[attribute]


def _size(value: Any) -> int:
    """Bytes of an input."""
    return sum(map(_size, value)) if isinstance(value, list) else 0 if value is None else int(value._data.nbytes)


def _owned(value: Any) -> int:
    """Bytes of the memory of a result; a view of another has none of its own."""
    if isinstance(value, list):
        return sum(map(_owned, value))
    data = getattr(value, "_data", None)
    return data.nbytes if isinstance(data, np.ndarray) and data.base is None else 0


class OnnxModule(Module):
    """A model of an ONNX file: what :func:`minigrad.onnx.load` returns.

    Call it with the inputs in the order of ``input_names``, or by these names. It returns a Tensor, or a tuple of them for several outputs.
    Parameters and buffers have the names of the stored tensors. ``graph`` holds the steps, ``opset`` is the version of the operator set,
    ``input_types`` and ``output_types`` have dtype and shape of each input and output, ``metadata`` the texts that the file's author added (name -> text).
    """

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph([], [])
        self.opset = 0
        self.input_names: tuple[str, ...] = ()
        self.output_names: tuple[str, ...] = ()
        self.metadata: dict[str, str] = {}
        self.input_types: dict[str, tuple[str, tuple[Any, ...] | None]] = {}
        self.output_types: dict[str, tuple[str, tuple[Any, ...] | None]] = {}
        self.defaults: tuple[str, ...] = ()  # stored tensors that are inputs too: a call may give others
        self.max_bytes: int | None = None
        self.max_steps: int | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs of the graph. Raises ``TypeError`` for inputs that are missing, unknown, or of another dtype than the file says."""
        values = self._bound(args, kwargs)
        size = sum(map(_size, values))
        spent = Budget(None if self.max_bytes is None else self.max_bytes + FOR_EACH_BYTE * size, self.max_steps, self.training)
        token = budget.set(spent)
        try:
            results = self.graph.run(values)
        finally:
            budget.reset(token)
        return results[0] if len(results) == 1 else tuple(results)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        names = self.input_names
        if len(args) > len(names):
            raise TypeError(f"onnx: {len(args)} inputs given, and the model has {len(names)}: {', '.join(names)}")
        given = dict(zip(names, args, strict=False))
        known = {*names, *self.defaults}
        for name, value in kwargs.items():
            if name in given or name not in known:
                raise TypeError(f"onnx: input {name!r} {'is given twice' if name in given else 'is not one of ' + ', '.join(names)}")
            given[name] = value
        values = []
        defaults, stored = {*self.defaults}, _Values(self.graph)
        for name in self.graph.inputs:
            if name not in given:
                if name in defaults:
                    values.append(stored[name])
                    continue
                raise TypeError(f"onnx: input {name!r} is missing; the model takes {', '.join(names)}")
            values.append(self._checked(name, given[name]))
        return values

    def _checked(self, name: str, value: Any) -> Any:
        kind, shape = self.input_types.get(name, ("", None))
        if value is None or isinstance(value, list):
            return value
        if not isinstance(value, TensorBase):
            value = wrap(np.asarray(value))
        if kind and kind not in NUMBERS:
            raise OnnxError(f"onnx: input {name!r} is of {kind}, which minigrad has not")
        if kind and value._data.dtype != kind:
            given = value._data.dtype
            if not (
                given.kind == "f" and np.dtype(kind).kind == "f"
            ):  # a model that was converted, as by double(), takes what it computes with
                raise TypeError(f"onnx: input {name!r} must be of {kind}, not of {given}")
        if shape is not None:
            found = value._data.shape
            if len(found) != len(shape) or any(isinstance(n, int) and n != m for n, m in zip(shape, found, strict=True)):
                raise OnnxError(f"onnx: input {name!r} must have shape ({', '.join(map(str, shape))}), not {found}")
        return value


# ------------------------------------------------------------------------------------------------------- compiling


class _Names:
    """The names of values that a graph can use: its own so far, and those of the graphs around it."""

    def __init__(self, own: set[str], around: Container[str]):
        self.own, self.around = own, around

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.around


class Compiler:
    """Turns the messages of a model into an :class:`OnnxModule`.

    Args:
        reader: the file.
        trainable: name of a weight -> whether it requires a gradient.
    """

    def __init__(self, reader: Reader, trainable: Callable[[str], bool]):
        self.reader, self.trainable = reader, trainable
        self.root = OnnxModule()
        self.count = self.dense = 0
        self.missing: dict[str, int] = {}
        self.uses: dict[str, set[tuple[str, str, int]]] = {}  # name -> the inputs of operators that it is
        self.constants_are_weights = False  # Paddle and spox store no tensors: their weights are nodes of constants
        self.sizes: dict[tuple[str, str], int] = {}  # function -> its nodes, those of functions in it counted each time
        self.numbers: dict[tuple[int, str], int] = {}  # module and name -> how often the name was taken there
        self.children: dict[tuple[int, str], Module] = {}  # the child of a module for this part of names, where it has another name
        model = reader.model
        self.opsets = {_domain(o): o.version for o in model.opset_import}
        self.functions = {(_domain(f), f.name): f for f in model.functions}

    def compile(self) -> OnnxModule:
        """The module of the model's main graph. Raises :class:`OnnxError` for what is not there or does not fit."""
        graph, root = self.reader.model.graph, self.root
        root.opset = self.opsets.get("", 1)
        if root.opset > official().defs.onnx_opset_version():
            raise OnnxError(
                f"{self.reader.name}: version {root.opset} of the operators; the installed package onnx knows those up to "
                f"{official().defs.onnx_opset_version()}"
            )
        self._texts(
            *[o.domain for o in self.reader.model.opset_import], *[text for f in self.reader.model.functions for text in (f.name, f.domain)]
        )
        for key in self.functions:
            self._size(key, ())
        _note_uses(graph, self.uses, 0)
        self.constants_are_weights = not any(len(t.dims) and type_name(t.data_type).startswith("float") for t in graph.initializer)
        stored = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
        root.graph = self.graph(graph, self.opsets, {}, frozenset(), 0)
        if self.missing:
            told = ", ".join(f"{name} ({times} times)" if times > 1 else name for name, times in self.missing.items())
            raise OnnxError(f"{self.reader.name}: operators that minigrad has not: {told}")
        root.input_names = tuple([v.name for v in graph.input if v.name not in stored])
        root.defaults = tuple([v.name for v in graph.input if v.name in stored])
        root.output_names = tuple([v.name for v in graph.output])
        root.metadata = {str(p.key): str(p.value) for p in self.reader.model.metadata_props}
        root.input_types = {v.name: _type(v) for v in graph.input}
        root.output_types = {v.name: _type(v) for v in graph.output}
        return root

    def _texts(self, *names: Any) -> None:
        """Raise :class:`OnnxError` for a name that is no text: protobuf gives bytes for what is not in UTF-8."""
        for name in names:
            if not isinstance(name, str):
                raise OnnxError(f"{self.reader.name}: damaged: the name {name[:40]!r} is no text")

    def _size(self, key: tuple[str, str], above: tuple[tuple[str, str], ...]) -> int:
        """The number of nodes of a function of the model, those of functions in it counted each time. Raises :class:`OnnxError` for a circle."""
        if key in above or len(above) > DEEPEST:
            raise OnnxError(
                f"{self.reader.name}: functions inside one another, more than {DEEPEST} deep: a function may call itself ({key[1][:80]!r})"
            )
        if key not in self.sizes:
            total = 0
            for node in self.functions[key].node:
                inner = (_domain(node), node.op_type)
                total += 1 + (self._size(inner, (*above, key)) if inner in self.functions else 0)
            if total > MOST_NODES:
                raise OnnxError(f"{self.reader.name}: more than {MOST_NODES} nodes, with functions written out")
            self.sizes[key] = total
        return self.sizes[key]

    def graph(self, proto: Any, opsets: Mapping[str, int], attributes: Mapping[str, Any], around: Container[str], depth: int) -> Graph:
        """A graph message as a :class:`Graph`; ``around`` are the names of values of the graphs that it is in."""
        names = [v.name for v in proto.input]
        self._texts(*names, *[v.name for v in proto.output])
        graph = Graph(names, [v.name for v in proto.output])
        self._store(graph, proto, trainable=True)
        return self._fill(graph, proto.node, opsets, attributes, around, depth)

    def body(self, proto: Any, node: Any, opsets: Mapping[str, int], depth: int, defaults: Mapping[str, Any]) -> Graph:
        """A function message as a :class:`Graph`, with the attributes of the ``node`` that calls it."""
        self._more(len(proto.input) + len(proto.output) + len(proto.attribute_proto) + len(proto.opset_import))
        given = {**defaults, **{a.name: a for a in proto.attribute_proto}, **{a.name: a for a in node.attribute}}
        made = {name for inner in proto.node for name in inner.output} | set(proto.input)
        graph = Graph(list(proto.input), [name if name in made else "" for name in proto.output])  # a result that the node does not ask for
        versions = {**opsets, **{_domain(o): o.version for o in proto.opset_import}}
        return self._fill(graph, proto.node, versions, given, frozenset(), depth)

    def _more(self, count: int) -> None:
        """Count nodes, and the inputs and outputs of functions. Raises :class:`OnnxError` if there are too many."""
        self.count += count
        if self.count > MOST_NODES:
            raise OnnxError(f"{self.reader.name}: more than {MOST_NODES} nodes, with functions written out")

    def _fill(
        self,
        graph: Graph,
        nodes: Iterable[Any],
        opsets: Mapping[str, int],
        attributes: Mapping[str, Any],
        around: Container[str],
        depth: int,
    ) -> Graph:
        if depth > DEEPEST:
            raise OnnxError(
                f"{self.reader.name}: graphs or functions inside one another, more than {DEEPEST} deep; a function may call itself"
            )
        known = {"", *graph.inputs, *graph.stored, *graph.constants}
        captured: dict[str, None] = {}
        for node in nodes:
            self._texts(node.name, node.op_type, node.domain, *node.input, *node.output, *[a.name for a in node.attribute])
            self._more(1)
            if node.op_type == "Constant" and node.domain in STANDARD and len(node.output) == 1:
                array = self._constant(node, attributes)
                self._keep(graph, node.output[0], array, trainable=self.constants_are_weights and not attributes)
                known.add(node.output[0])
                continue
            step, taken = self._step(node, opsets, attributes, _Names(known, around), depth)
            inputs = [*node.input, *taken]
            while inputs and not inputs[-1] and not taken:
                inputs.pop()
            for name in inputs:
                if name not in known:
                    if name not in around:
                        raise OnnxError(
                            f"{self.reader.name}: node {node.name[:80]!r} ({node.op_type}) uses {name[:80]!r}, which no node before it makes; "
                            "the nodes are not in order, or in a circle"
                        )
                    captured[name] = None
            for name in node.output:
                if name and name in known and name not in around:
                    raise OnnxError(
                        f"{self.reader.name}: {name[:80]!r} is made twice, the second time by {node.name[:80]!r} ({node.op_type})"
                    )
            known.update(node.output)
            graph.plan.append((step, inputs, list(node.output), []))
        for name in graph.outputs:
            if name not in known:
                if name not in around:
                    raise OnnxError(f"{self.reader.name}: no node makes the output {name[:80]!r}")
                captured[name] = None
        graph.captured = list(captured)
        last: dict[str, int] = {}
        for i, (_, inputs, outputs, _) in enumerate(graph.plan):
            last.update(dict.fromkeys([*inputs, *outputs], i))
        returned = {"", *graph.outputs}
        for name, i in last.items():
            if name not in returned:
                graph.plan[i][3].append(name)
        return graph

    def inner(self) -> Compiler:
        """A compiler for a function that is compiled at a call: its modules belong to no model."""
        reader = object.__new__(Reader)
        reader.name, reader.folder, reader.model = self.reader.name, None, None
        new = object.__new__(Compiler)
        new.__dict__.update(
            self.__dict__,
            reader=reader,
            root=OnnxModule(),
            missing={},
            functions={},
            uses={},
            sizes={},
            numbers={},
            children={},
            trainable=bool,
        )
        return new

    # ------------------------------------------------------------------------------------------------ stored tensors

    def _store(self, graph: Graph, proto: Any, trainable: bool) -> None:
        for tensor in proto.initializer:
            self._texts(tensor.name)
            self._keep(graph, tensor.name, self.reader.array(tensor), trainable)
        for sparse in proto.sparse_initializer:
            self._texts(sparse.values.name)
            self._keep(graph, sparse.values.name, self._dense(sparse), trainable)

    def _dense(self, sparse: Any) -> np.ndarray:
        values, indices = self.reader.array(sparse.values), self.reader.array(sparse.indices)
        shape = tuple(sparse.dims)
        count = math.prod(shape)
        self.dense += max(count, 0) * values.dtype.itemsize
        if min(shape, default=0) < 0 or self.dense > MOST_DENSE:
            raise OnnxError(f"{self.reader.name}: a sparse tensor of shape {shape}; all of them together may have {bytes_text(MOST_DENSE)}")
        dense = np.zeros(shape, values.dtype)
        try:
            flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape)
            if flat.size and flat.min() < 0:
                raise IndexError(f"index {flat.min()} is negative")
            dense.reshape(-1)[flat] = values
        except (IndexError, TypeError, ValueError) as error:
            raise OnnxError(f"{self.reader.name}: the indices of a sparse tensor of shape {shape}: {error}") from None
        return dense

    def _constant(self, node: Any, attributes: Mapping[str, Any]) -> np.ndarray:
        """The array of a node ``Constant``. Raises :class:`OnnxError` for one of strings, or of what is no tensor at all."""
        if len(node.attribute) != 1:
            raise OnnxError(f"{self.reader.name}: node {node.name[:80]!r}: a Constant has one attribute")
        (attribute,) = node.attribute
        if attribute.ref_attr_name:
            if attribute.ref_attr_name not in attributes:
                raise OnnxError(f"{self.reader.name}: the attribute {attribute.ref_attr_name!r} of a function is not given")
            attribute = attributes[attribute.ref_attr_name]
        kind = official().AttributeProto
        if attribute.type not in (kind.FLOAT, kind.FLOATS, kind.INT, kind.INTS, kind.TENSOR, kind.SPARSE_TENSOR):
            told = "strings are no tensors" if attribute.type in (kind.STRING, kind.STRINGS) else f"{attribute.name[:80]!r} is no tensor"
            raise OnnxError(f"{self.reader.name}: node {node.name[:80]!r}: {told} of minigrad")
        value = self.value(attribute, {}, attributes, frozenset(), 0)[0]
        if isinstance(value, np.ndarray):
            return value
        return np.asarray(value, np.float32 if attribute.type in (kind.FLOAT, kind.FLOATS) else np.int64)

    def _keep(self, graph: Graph, name: str, array: np.ndarray, trainable: bool) -> None:
        """Register a stored tensor: a parameter, a buffer, or a constant."""
        uses = self.uses.get(name, set())
        operators = [(OPERATORS.get((domain, op)), slot) for domain, op, slot in uses]
        statistics = any(op is not None and slot in op.statistics for op, slot in operators)
        setting = not uses or any(op is not None and slot in op.settings for op, slot in operators)
        if array.dtype.kind != "f" or not trainable or not name:
            graph.constants[name] = wrap(array)
            return
        module, attribute = self._place(name)
        if statistics or setting or not array.ndim or not array.size:
            module.register_buffer(attribute, wrap(array), persistent=statistics)
        else:
            parameter = Parameter(wrap(array))
            parameter.requires_grad_(self.trainable(name))
            module.register_parameter(attribute, parameter)
        graph.stored[name] = module, attribute

    def _place(self, name: str) -> tuple[Module, str]:
        """The module and the attribute for a stored tensor's name: ``conv1.weight`` is the attribute ``weight`` of a module ``conv1``."""
        *path, last = _parts(name)
        if len(path) > DEEPEST:
            raise OnnxError(f"{self.reader.name}: the name {name[:80]!r}... has {len(path) + 1} parts, and may have {DEEPEST + 1}")
        module: Module = self.root
        for part in path:
            child = self.children.get((id(module), part), module.__dict__.get(part))
            if not isinstance(child, Module):
                child = self.children[id(module), part] = Module()
                module.register_module(self._free(module, part), child)
            module = child
        return module, self._free(module, last)

    def _free(self, module: Module, part: str) -> str:
        """``part``, with ``_`` and a number behind it if the module has such an attribute."""
        count = self.numbers.get((id(module), part), 0)
        while True:
            name = part + ("" if not count else "_" if count == 1 else f"_{count}")
            if name not in module.__dict__ and not hasattr(type(module), name):  # (of a module itself it would look for advice)
                break
            count += 1
        self.numbers[id(module), part] = count
        check_name("attribute", name)
        return name

    # --------------------------------------------------------------------------------------------------------- nodes

    def _step(
        self, node: Any, opsets: Mapping[str, int], attributes: Mapping[str, Any], around: Container[str], depth: int
    ) -> tuple[Module, list[str]]:
        """The module of a node, and the names of the values that its graphs capture."""
        key = (_domain(node), node.op_type)
        given: dict[str, Any] = {}
        for a in node.attribute:
            if a.ref_attr_name:
                if a.ref_attr_name in attributes:
                    copy = official().AttributeProto()
                    copy.CopyFrom(attributes[a.ref_attr_name])
                    copy.name = a.name
                    given[a.name] = copy
            else:
                given[a.name] = a
        if key in self.functions or key not in OPERATORS:
            step = self._function(node, key, given, opsets, depth)
            return self._register(step, node), []
        entry = OPERATORS[key]
        self._count_inputs(node, key, opsets)
        run, taken = self._bind(node, entry, given, opsets, attributes, around, depth)
        return self._register(Known(node.op_type, node.domain, node.name, run), node), taken

    def _count_inputs(self, node: Any, key: tuple[str, str], opsets: Mapping[str, int]) -> None:
        """Raise :class:`OnnxError` for more or fewer inputs than ONNX defines: the function behind an operator may have more parameters."""
        defs = official().defs
        try:
            schema = defs.get_schema(key[1], opsets.get(key[0], 1), key[0])
        except (defs.SchemaError, TypeError):  # an operator of somebody else, or of another version
            return
        if not schema.min_input <= len(node.input) <= schema.max_input:
            raise OnnxError(
                f"{self.reader.name}: node {node.name[:80]!r}: {node.op_type} takes from {schema.min_input} to {schema.max_input} inputs, "
                f"not {len(node.input)}"
            )

    def _register(self, step: Step, node: Any) -> Step:
        module, attribute = self._place(node.name.strip("/").replace("/", ".") or f"{node.op_type}_{self.count - 1}")
        module.register_module(attribute, step)
        return step

    def _bind(
        self,
        node: Any,
        entry: Operator,
        given: Mapping[str, Any],
        opsets: Mapping[str, int],
        attributes: Mapping[str, Any],
        around: Container[str],
        depth: int,
    ) -> tuple[Callable[..., Any], list[str]]:
        """The function of an operator with the attributes of a node."""
        values: dict[str, Any] = {}
        taken: dict[str, None] = {}
        for name, a in given.items():
            key = name + "_" if name in ("else", "if", "in", "is", "or") else name
            if key not in entry.attributes:
                if name in _IGNORED or (name in _BEFORE_7 and opsets.get("", 7) < 7):
                    continue
                raise OnnxError(f"{self.reader.name}: node {node.name[:80]!r}: {node.op_type} has no attribute {name[:80]!r} here")
            values[key], inside = self.value(a, opsets, attributes, around, depth)
            taken.update(dict.fromkeys(inside))
        for name, default in entry.attributes.items():
            if name == "opset":
                values[name] = opsets.get(_domain(node), 1)
            elif name == "outputs":
                values[name] = len(node.output)
            elif name == "captured":
                values[name] = list(taken)
            elif name not in values:
                if default is inspect.Parameter.empty:
                    raise OnnxError(f"{self.reader.name}: node {node.name[:80]!r}: {node.op_type} needs the attribute {name!r}")
                values[name] = default
        return _Call((_domain(node), node.op_type), values), list(taken)

    def value(
        self, a: Any, opsets: Mapping[str, int], attributes: Mapping[str, Any], around: Container[str], depth: int
    ) -> tuple[Any, list[str]]:
        """The value of an attribute, and the names that a graph in it captures."""
        kind = official().AttributeProto
        if a.type == kind.INT:
            return int(a.i), []
        if a.type == kind.FLOAT:
            return float(a.f), []
        if a.type == kind.STRING:
            return a.s.decode("utf-8", "replace"), []
        if a.type == kind.INTS:
            return tuple(a.ints), []
        if a.type == kind.FLOATS:
            return tuple(a.floats), []
        if a.type == kind.STRINGS:
            return tuple([s.decode("utf-8", "replace") for s in a.strings]), []
        if a.type == kind.TENSOR:
            return self.reader.array(a.t), []
        if a.type == kind.SPARSE_TENSOR:
            return self._dense(a.sparse_tensor), []
        if a.type == kind.GRAPH:
            graph = self.graph(a.g, opsets, attributes, around, depth + 1)
            return graph, graph.captured
        if a.type == kind.TYPE_PROTO:
            return None, []
        raise OnnxError(f"{self.reader.name}: attribute {a.name[:80]!r} is of a kind that no operator here has")

    def _function(self, node: Any, key: tuple[str, str], given: dict[str, Any], opsets: Mapping[str, int], depth: int) -> Step:
        """A node that is a function of the model, or one that ONNX itself defines by simpler operators."""
        call = official().NodeProto()
        call.CopyFrom(node)
        del call.attribute[:]
        call.attribute.extend(given.values())
        if key in self.functions:
            graph = self.body(self.functions[key], call, opsets, depth + 1, {})
            return Body(node.op_type, node.domain, node.name, _Always(graph))
        defs = official().defs
        try:
            version = opsets.get(key[0]) or defs.onnx_ml_opset_version()
            schema = defs.get_schema(key[1], version, key[0])
        except (defs.SchemaError, TypeError):
            schema = None
        if schema is None or not (schema.has_function or schema.has_context_dependent_function):
            name = f"{key[0]}.{key[1]}" if key[0] else key[1]
            self.missing[name] = self.missing.get(name, 0) + 1
            return Step(node.op_type, node.domain, node.name)
        defaults = {name: a.default_value for name, a in schema.attributes.items() if a.default_value.type}
        if schema.has_function:
            return Body(node.op_type, node.domain, node.name, _Always(self.body(schema.function_body, call, opsets, depth + 1, defaults)))
        return Body(node.op_type, node.domain, node.name, _ByTypes(self, schema, call, dict(opsets), depth, defaults))


_IGNORED = {"consumed_inputs"}  # of Caffe2's in-place operators
_BEFORE_7 = {"broadcast", "is_test"}  # said what is usual since then


class _Call:
    """The function of an operator with its attributes filled in, which can be copied and pickled."""

    def __init__(self, key: tuple[str, str], values: dict[str, Any]):
        self.key, self.values = key, values
        self.function = OPERATORS[key].function

    def __call__(self, *inputs: Any) -> Any:
        return self.function(*inputs, **self.values)

    def __reduce__(self) -> Any:
        return _Call, (self.key, self.values)


class _Always:
    """The graph of a function, whatever the inputs."""

    def __init__(self, graph: Graph):
        self.graph = graph

    def __call__(self, inputs: Sequence[Any]) -> Graph:
        missing = len(self.graph.inputs) - len(inputs)
        if missing:
            graph = self.graph
            shorter = Graph(graph.inputs[: len(inputs)], graph.outputs)
            shorter.plan, shorter.stored = graph.plan, graph.stored
            shorter.constants = {**graph.constants, **dict.fromkeys(graph.inputs[len(inputs) :])}
            return shorter
        return self.graph


class _ByTypes:
    """The graph of a function that ONNX writes for the dtypes and ranks of its inputs, made when these are first seen."""

    def __init__(self, compiler: Compiler, schema: Any, node: Any, opsets: dict[str, int], depth: int, defaults: dict[str, Any]):
        self.key = (schema.name, schema.since_version, schema.domain)
        self.node, self.opsets, self.depth = node.SerializeToString(), opsets, depth
        self.compiler = compiler.inner()
        self.defaults = {name: a.SerializeToString() for name, a in defaults.items()}
        self.graphs: dict[Any, Graph] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _ByTypes:
        return self

    def __call__(self, inputs: Sequence[Any]) -> Graph:
        onnx = official()
        types = tuple([None if x is None else (x._data.dtype.name, x._data.shape) for x in inputs])
        if types not in self.graphs:
            schema = onnx.defs.get_schema(*self.key)
            messages = [
                onnx.TypeProto().SerializeToString()
                if t is None
                else onnx.helper.make_tensor_type_proto(NUMBERS[t[0]], t[1]).SerializeToString()
                for t in types
            ]
            wanted = self.opsets.get("", 1)
            versions = [v for v in schema.context_dependent_function_opset_versions if v <= wanted] or [schema.since_version]
            data = schema.get_context_dependent_function_with_opset_version(max(versions), self.node, messages)
            if not data:
                raise OnnxError(f"onnx: {self.key[0]} is not defined for inputs of {types}")
            proto, node = onnx.FunctionProto(), onnx.NodeProto()
            proto.ParseFromString(data)
            node.ParseFromString(self.node)
            defaults = {}
            for name, text in self.defaults.items():
                defaults[name] = onnx.AttributeProto()
                defaults[name].ParseFromString(text)
            compiler = self.compiler.inner()
            self.graphs[types] = _Always(compiler.body(proto, node, self.opsets, self.depth + 1, defaults))(inputs)
            if compiler.missing:
                raise OnnxError(f"onnx: {self.key[0]}: operators that minigrad has not: {', '.join(compiler.missing)}")
        return self.graphs[types]


def _domain(message: Any) -> str:
    """The domain of a node, a function or an operator set; the standard one, which has two names, is empty."""
    return "" if message.domain in STANDARD else str(message.domain)


def _note_uses(proto: Any, uses: dict[str, set[tuple[str, str, int]]], depth: int) -> None:
    """Note for each name which inputs of which operators it is, in all graphs."""
    if depth > DEEPEST:
        return
    for node in proto.node:
        for slot, name in enumerate(node.input):
            uses.setdefault(name, set()).add((_domain(node), node.op_type, slot))
        for a in node.attribute:
            if a.HasField("g"):
                _note_uses(a.g, uses, depth + 1)


def _parts(name: str) -> list[str]:
    """A name as the parts of a path of attributes: none is empty."""
    return [part for part in re.sub(r"\s", "_", name).split(".") if part] or ["_"]


def _type(value: Any) -> tuple[str, tuple[Any, ...] | None]:
    """dtype and shape of a graph's input or output; a size that may vary is its name or "?"."""
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return "", None
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple([d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else d.dim_param or "?" for d in tensor.shape.dim])
    return type_name(tensor.elem_type) if tensor.elem_type else "", shape
