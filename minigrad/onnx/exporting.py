"""Write a model as an ONNX file: :func:`export`."""

from __future__ import annotations

import contextlib
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import __version__
from minigrad.calls import unchanged
from minigrad.engine import TensorBase, no_grad, wrap
from minigrad.files.atomic import whole_file
from minigrad.onnx import rules as _table  # noqa: F401  # fills the table of rules
from minigrad.onnx.hearing import Call, Heard, Size, merged, where
from minigrad.onnx.loading import load
from minigrad.onnx.reader import NUMBERS, OnnxError, official
from minigrad.onnx.writing import RULES, Writer
from minigrad.ops.arguments import shown
from minigrad.tree import bytes_text, is_container, leaves, tree_map

OLDEST = 13
LARGEST = 2**31 - 2**24  # bytes of the numbers of a file, which is a message of protobuf; the nodes need some too


def export(
    model: Any,
    args: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Any] | None = None,
    dynamic_shapes: Mapping[str, Any] | Sequence[Any] | None = None,
    opset_version: int = 18,
    fold_batch_norm: bool = False,
    external_data: bool = False,
    verify: bool = True,
) -> Any:
    """Write ``model`` as an ONNX file, and return its ``onnx.ModelProto``. It needs the package ``onnx``.

    The model runs in evaluation mode with ``args``, and each op that it calls becomes one or several nodes, under the names of the modules. Parameters
    and buffers are stored under their names in the ``state_dict``. Python's ``if`` and loops are followed as they went for ``args``. What is
    computed without ops, by numpy, from an input cannot be seen; ``verify`` finds that the results differ.

    Args:
        model: a module, or a function of Tensors.
        args: the input, or a tuple of inputs.
        path: of the file; None: nothing is written.
        kwargs: inputs by keyword.
        input_names: of the inputs; by default those of the parameters of ``forward``.
        output_names: of the outputs; by default ``output``, or ``output_0``, ...
        dynamic_axes: which sizes of inputs may vary: ``{"input": {0: "batch"}}`` or ``{"input": [0]}``. Axes with one name have one size. The model is
            run once more for each, with twice the size, and what it does must be the same. For an output, ``{"output": {0: "batch"}}`` names a
            size that varies; which ones do follows from the inputs.
        dynamic_shapes: the same in the words of ``torch.export``: for each parameter of ``forward`` by name, or for the inputs in their order, None, a
            dict ``{0: "batch"}``, or a name or None for each axis. A name may be an object that has one, as ``torch.export.Dim`` has; a whole number and
            ``Dim.STATIC`` are sizes that stay. An input that is a list, a tuple or a dict has one entry for each thing in it.
        opset_version: of ONNX's operators, from 13 on.
        fold_batch_norm: multiply the weights of a convolution, or a linear layer, with what a batch normalisation behind it multiplies with.
        external_data: write the numbers to a second file, ``path`` with ``.data`` behind it: necessary from 2 GB on.
        verify: run the file with :func:`load`, and in onnxruntime if that is installed, with ``args``, with other numbers, and other sizes where they
            vary, and compare with the model. Where onnxruntime has not all operators for these dtypes, or for this version, a ``UserWarning`` says so.

    Raises:
        OnnxError: an op that ONNX cannot express (with the path of the module), a setting that would have to vary, results that differ, or numbers
            of more than 2 GB without ``external_data``.
        TypeError, ValueError: arguments that are not as above.
        ImportError: the package ``onnx`` is not installed.

    >>> import minigrad as mg
    >>> from minigrad import nn, onnx
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> file = onnx.export(model, mg.ones(1, 2), dynamic_axes={"input": {0: "batch"}})
    >>> [node.name for node in file.graph.node], [tensor.name for tensor in file.graph.initializer]
    (['/0/Gemm', '/1/Relu'], ['0.weight', '0.bias'])
    >>> onnx.load(file)(mg.ones(5, 2)).shape
    torch.Size([5, 3])
    """
    onnx = official()
    if not callable(model):
        raise TypeError(f"export: model must be a module or a function, but is {shown(model)}")
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset_version, int) or not OLDEST <= opset_version <= newest:
        raise ValueError(f"export: opset_version must be from {OLDEST} to {newest}, not {opset_version!r}")
    if dynamic_axes is not None and dynamic_shapes is not None:
        raise TypeError("export: dynamic_axes and dynamic_shapes are the same; give one of them")
    if external_data and path is None:
        raise ValueError("export: external_data needs a path")
    given = _Inputs(model, args, kwargs or {}, input_names)
    if dynamic_shapes is not None:
        given.vary_by_shapes(model, dynamic_shapes)
    exported = _Export(model, given, opset_version, output_names, dynamic_axes or {})
    if (size := sum(array.nbytes for _, array in exported.stored.values())) > LARGEST and not external_data:
        raise OnnxError(
            f"export: the model has {bytes_text(size)}, and a file of ONNX 2 GB at most; external_data=True puts the numbers beside it"
        )
    proto = exported.proto()
    if fold_batch_norm:
        _fold_batch_norm(proto)
    if size <= LARGEST:
        onnx.checker.check_model(proto)
    if verify:
        _verify(model, given, proto, OnnxError(f"a model of {bytes_text(size)} does not fit into one message") if size > LARGEST else None)
    if path is not None:
        path = Path(path)
        if external_data:
            location = path.name + ".data"
            path.with_name(location).unlink(missing_ok=True)  # onnx would append to it
            copy = onnx.ModelProto()
            copy.CopyFrom(proto)
            onnx.save_model(copy, path, save_as_external_data=True, location=location, size_threshold=1024)
        else:
            with whole_file(path) as file:
                file.write(proto.SerializeToString())
    return proto


# ----------------------------------------------------------------------------------------------------------------- inputs


class _Inputs:
    """The inputs of the call, by name, and which of their axes may have another size."""

    def __init__(self, model: Any, args: Any, kwargs: Mapping[str, Any], names: Sequence[str] | None):
        self.args = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        self.kwargs = dict(kwargs)
        values = [x for x in leaves([self.args, self.kwargs]) if isinstance(x, (TensorBase, np.ndarray))]
        if not values:
            raise TypeError("export: args holds no Tensor")
        self.names = _input_names(model, self.args, self.kwargs) if names is None else list(names)
        if len(self.names) != len(values) or len(set(self.names)) != len(values):
            raise ValueError(f"export: {len(values)} inputs, and the names {self.names}")
        self.arrays = [x._data if isinstance(x, TensorBase) else x for x in values]
        self.axes: dict[tuple[str, int], str] = {}

    def vary(self, name: str, axes: Any, option: str) -> None:
        """Let axes of an input have other sizes: numbers of axes, or a dict axis -> label."""
        for axis, label in _labels(option, "input", name, axes, self.arrays[self.names.index(name)].ndim).items():
            self.axes[name, axis] = label

    def vary_by_shapes(self, model: Any, shapes: Any) -> None:
        """Let axes vary as ``dynamic_shapes`` says, which has the structure of the inputs."""
        values: list[tuple[Any, Any]] = [*enumerate(self.args), *self.kwargs.items()]
        single: dict[str, Any] = {}  # entries for Tensors by their names in the file
        if isinstance(shapes, Mapping):
            parameters = [p.name for p in _parameters(model) if p.kind is not p.VAR_POSITIONAL]
            values = [(parameters[k] if isinstance(k, int) and k < len(parameters) else k, v) for k, v in values]
            keys = [k for k, _ in values]
            single = {name: entry for name, entry in shapes.items() if name not in keys}
            if unknown := [name for name in single if name not in self.names]:
                raise ValueError(f"export: dynamic_shapes names {unknown[0]!r}, and the inputs are {', '.join(map(str, keys))}")
            entries = [shapes.get(k) for k in keys]
        elif isinstance(shapes, (list, tuple)) and len(shapes) == len(values):
            entries = list(shapes)
        else:
            raise ValueError(
                f"export: dynamic_shapes is a dict, or has an entry for each of the {len(values)} inputs, but is {shapes!r:.200}"
            )
        names = iter(self.names)
        for (_, value), entry in zip(values, entries, strict=True):
            self._vary_in(value, entry, names)
        for name, entry in single.items():
            self._vary_one(name, entry)

    def _vary_in(self, value: Any, entry: Any, names: Iterator[str]) -> None:
        """The entry of ``dynamic_shapes`` for one value: a Tensor, or a container of some, which take their ``names`` in order."""
        if isinstance(value, (TensorBase, np.ndarray)):
            self._vary_one(next(names), entry)
        elif is_container(value):
            for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
                try:
                    part = None if entry is None else entry[key]
                except (IndexError, KeyError, TypeError):
                    raise ValueError(f"export: dynamic_shapes has no entry for {key!r} of an input, but {entry!r:.100}") from None
                self._vary_in(inner, part, names)

    def _vary_one(self, name: str, entry: Any) -> None:
        ndim = self.arrays[self.names.index(name)].ndim
        if isinstance(entry, (list, tuple)) and len(entry) == ndim:
            entry = dict(enumerate(entry))
        if not isinstance(entry, (Mapping, type(None))):
            raise ValueError(
                f"export: dynamic_shapes: input {name!r} has {ndim} dimensions; its entry is None, a dict, or a list of {ndim}, not {entry!r:.100}"
            )
        self.vary(name, {d: label for d, label in (entry or {}).items() if not _stays(label)}, "dynamic_shapes")

    def groups(self) -> dict[str, list[tuple[str, int]]]:
        """Label of a size -> the axes that have it."""
        found: dict[str, list[tuple[str, int]]] = {}
        for axis, label in self.axes.items():
            found.setdefault(label, []).append(axis)
        return found

    def shape(self, name: str, array: np.ndarray) -> list[Any]:
        """The sizes of an input; the label of one that may vary."""
        return [self.axes.get((name, d), n) for d, n in enumerate(array.shape)]

    def named(self, size: Any) -> Any:
        """A size of an output: a number, the label if it is always that of an input, or None if it varies in another way."""
        if not isinstance(size, Size):
            return size
        return self.axes[next(iter(size.factors))] if size.base == 0 and [*size.factors.values()] == [1] else None

    def call(self, change: Any) -> tuple[tuple[Any, ...], dict[str, Any], list[np.ndarray]]:
        """Arguments for another call, with ``change(name, array)`` in place of each array, and these arrays."""
        names = iter(self.names)
        arrays = []

        def replaced(x: Any) -> Any:
            if not isinstance(x, (TensorBase, np.ndarray)):
                return x
            arrays.append(change(next(names), x._data if isinstance(x, TensorBase) else x))
            return wrap(arrays[-1])

        args = tuple([tree_map(replaced, a) for a in self.args])
        kwargs = {k: tree_map(replaced, a) for k, a in self.kwargs.items()}
        return args, kwargs, arrays

    def resized(self, axes: Iterable[tuple[str, int]], size: Callable[[int], int]) -> Any:
        """A change for :meth:`call`: these axes have ``size(n)`` in place of n. Their numbers are repeated."""

        def change(name: str, array: np.ndarray) -> np.ndarray:
            for other, axis in axes:
                if other == name:
                    n = array.shape[axis]
                    array = array.take(np.arange(size(n)) % n, axis)
            return array

        return change


def _stays(label: Any) -> bool:
    """Whether an entry of ``dynamic_shapes`` says that a size does not vary: None, a number, ``Dim.STATIC``."""
    return label is None or isinstance(label, int) or str(getattr(label, "type", label)).endswith("STATIC")


def _labels(option: str, what: str, name: str, axes: Any, ndim: int) -> dict[int, str]:
    """Axis -> the name of its size: the one that ``axes`` gives, or one made of the tensor's name."""
    found: dict[int, str] = {}
    for axis, label in axes.items() if isinstance(axes, Mapping) else ((a, None) for a in axes):
        if not isinstance(axis, int) or not -ndim <= axis < ndim:
            raise ValueError(f"export: {option}: {what} {name!r} has {ndim} dimensions, and no axis {axis!r}")
        found[axis % ndim] = label if isinstance(label, str) else getattr(label, "__name__", None) or f"{name}_{axis % ndim}"
    return found


def _parameters(model: Any) -> list[inspect.Parameter]:
    """The parameters of a model's ``forward``; none where Python does not know them."""
    try:
        return list(inspect.signature(getattr(model, "forward", model)).parameters.values())
    except (TypeError, ValueError):
        return []


def _input_names(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
    """Names of the inputs: those of the parameters, numbered where one holds several."""
    parameters = _parameters(model)
    values: list[tuple[str, Any]] = []
    i = 0
    for a in args:
        p = parameters[i] if i < len(parameters) else None
        if p is not None and p.kind is not p.VAR_POSITIONAL:
            i += 1
        values.append(("input" if p is None else p.name, a))
    names: list[str] = []
    for name, a in [*values, *kwargs.items()]:
        count = sum(isinstance(x, (TensorBase, np.ndarray)) for x in leaves([a]))
        names += [name] if count == 1 else [f"{name}_{k}" for k in range(count)]
    return [n if names.count(n) == 1 else f"{n}_{names[:k].count(n)}" for k, n in enumerate(names)]


# ---------------------------------------------------------------------------------------------------------------- writing


class _Export:
    """The graph of one export."""

    def __init__(self, model: Any, given: _Inputs, opset: int, output_names: Sequence[str] | None, dynamic: Mapping[str, Any]):
        self.given, self.opset = given, opset
        for name in given.names:
            given.vary(name, dynamic.get(name, ()), "dynamic_axes")
        args, kwargs, self.arrays = given.call(lambda name, array: array.copy())
        self.heard = Heard(model, args, kwargs)
        for axes in given.groups().values():
            others, more, _ = given.call(given.resized(axes, lambda n: 2 * n))
            size = {given.arrays[given.names.index(name)].shape[axis] for name, axis in axes}
            if len(size) > 1:
                raise ValueError(f"export: dynamic_axes: {axes} have one name, and sizes {sorted(size)}")
            (n,) = size
            if n < 1:
                raise ValueError("export: a dynamic axis has size 0; give an input with at least 1 there")
            merged(self.heard, Heard(model, others, more), axes[0], (n, 2 * n))
        count = len(self.heard.outputs)
        if not count:
            raise OnnxError("export: the model returned no Tensor")
        self.output_names = (
            list(output_names) if output_names is not None else ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
        )
        if len(self.output_names) != count or len({*self.output_names, *given.names}) != count + len(given.names):
            raise ValueError(f"export: {count} outputs, and the names {self.output_names}, which must differ from {given.names}")
        unknown = [name for name in dynamic if name not in given.names and name not in self.output_names]
        if unknown:
            raise ValueError(
                f"export: dynamic_axes names {unknown[0]!r}, and the inputs are {', '.join(given.names)}, the outputs {', '.join(self.output_names)}"
            )
        self.labels = {
            name: _labels("dynamic_axes", "output", name, dynamic.get(name, ()), a.ndim)
            for name, a in zip(self.output_names, self.heard.outputs, strict=True)
        }
        self.stored: dict[int, tuple[str, np.ndarray]] = {}
        if hasattr(model, "named_parameters"):
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                self.stored.setdefault(id(tensor._data), (name, tensor._data))

    def proto(self) -> Any:
        """The message of the whole model."""
        onnx = official()
        helper = onnx.helper
        named = {i: name for i, (name, _) in self.stored.items()}
        named.update({id(a): name for a, name in zip(self.arrays, self.given.names, strict=True)})
        aliases: dict[int, np.ndarray] = {}
        producers = self._producers(named, aliases)
        writer = Writer(self.opset, named, producers)
        writer.aliases = aliases
        writer.shapes = {i: shape for i, (shape, _) in self.heard.changing.items() if any(isinstance(n, Size) for n in shape)}
        writer.changing = {i: change for i, change in self.heard.changing.items() if i not in producers and i not in named}
        for call in self._needed(producers, aliases):
            self._write(writer, call)
        writer.call = None
        nodes = self._finished(writer)
        used = {name for node in nodes for name in node.input}
        initializers = [_stored(onnx, a, name) for name, a in self.stored.values() if name in used]
        inputs = [_info(name, a, self.given.shape(name, a)) for name, a in zip(self.given.names, self.arrays, strict=True)]
        outputs = [
            _info(name, a, [self.labels[name].get(d) if (n := self.given.named(size)) is None else n for d, size in enumerate(shape)])
            for name, a, shape in zip(self.output_names, self.heard.outputs, self.heard.shapes, strict=True)
        ]
        graph = helper.make_graph(nodes, "minigrad", inputs, outputs, initializers)
        version = helper.find_min_ir_version_for([helper.make_opsetid("", self.opset)])
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=version,
            producer_name="minigrad",
            producer_version=__version__,
        )

    def _producers(self, named: Mapping[int, str], aliases: dict[int, np.ndarray]) -> dict[int, Call]:
        """id of an array -> the call that made it, for those that are not known already: these are constants.

        An array that numpy made of another's memory, such as ``x.reshape(-1)`` of an index, is entered into ``aliases``, with the other.
        """
        changing = self.heard.changing
        found: dict[int, Call] = {}
        places: dict[Any, np.ndarray] = {}
        for array in (*self.arrays, *[a for _, a in self.stored.values()]):
            places[_place(array)] = array
        for call in self.heard.calls:
            given = _arrays(call)
            for x in given:
                if id(x) not in named and id(x) not in found and _place(x) in places:
                    aliases[id(x)] = places[_place(x)]
            varies = any(isinstance(v, Size) for v in leaves([call.inputs, list(call.statics.values())]))
            if varies or any(i in named or i in found or i in changing or i in aliases for i in map(id, given)):
                ids = set(map(id, given))
                for array in call.outs:
                    if id(array) not in ids and id(array) not in named:
                        found[id(array)] = call
                        places.setdefault(_place(array), array)
        return found

    def _needed(self, producers: Mapping[int, Call], aliases: Mapping[int, np.ndarray]) -> list[Call]:
        """The calls that the outputs depend on, in order."""
        wanted = {id(aliases.get(id(a), a)) for a in self.heard.outputs}
        calls = []
        for call in reversed(self.heard.calls):
            if any(id(a) in wanted and producers.get(id(a)) is call for a in call.outs):
                calls.append(call)
                wanted.update(id(aliases.get(id(x), x)) for x in _arrays(call))
        return calls[::-1]

    def _write(self, writer: Writer, call: Call) -> None:
        writer.call = call
        rule = RULES.get(call.op.name)
        if rule is None:
            raise OnnxError(f"export: {where(call)}: this op has no counterpart in ONNX")
        names = rule(writer, call)
        for array, name in zip(call.outs, names if isinstance(names, list) else [names], strict=False):
            if name is not None:
                writer.names[id(array)] = name

    def _finished(self, writer: Writer) -> list[Any]:
        """The nodes that the outputs depend on, with the names of the outputs."""
        rename: dict[str, str] = {}
        last = []
        made = {name for node in (*writer.constants, *writer.nodes) for name in node.output}
        for array, name in zip(self.heard.outputs, self.output_names, strict=True):
            value = writer.value(array)
            if value in made and value not in rename:
                rename[value] = name
            else:
                last.append(official().helper.make_node("Identity", [rename.get(value, value)], [name], name=f"/{name}"))
        wanted, nodes = {*rename, *[x for node in last for x in node.input]}, []
        for node in reversed([*writer.constants, *writer.nodes]):
            if any(name in wanted for name in node.output):
                nodes.append(node)
                wanted.update(node.input)
        for node in nodes:
            node.input[:] = [rename.get(name, name) for name in node.input]
            node.output[:] = [rename.get(name, name) for name in node.output]
        return [*nodes[::-1], *last]


def _info(name: str, array: np.ndarray, shape: list[Any]) -> Any:
    """The message of an input's or output's type; a size is a number, a name, or None for any."""
    return official().helper.make_tensor_value_info(name, NUMBERS[array.dtype.name], shape)


def _stored(onnx: Any, array: np.ndarray, name: str) -> Any:
    """The message of a stored tensor."""
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def _place(array: np.ndarray) -> Any:
    """What two arrays have in common that are the same numbers in memory; of none for pieces and scalars."""
    if array.size < 2 or not array.flags.c_contiguous:
        return id(array)
    return array.__array_interface__["data"][0], array.size, array.dtype


def _arrays(call: Call) -> list[np.ndarray]:
    """The arrays that a call was given, those in static arguments (an index) too."""
    return [x for x in leaves([call.inputs, call.statics]) if isinstance(x, np.ndarray)]


# ---------------------------------------------------------------------------------------------------- batch normalisation


def _fold_batch_norm(proto: Any) -> None:
    """Fold each batch normalisation behind a convolution, or a linear layer, into the weights of that."""
    onnx = official()
    graph = proto.graph
    stored = {t.name: t for t in graph.initializer}
    stored.update({node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"})
    made = {name: node for node in graph.node for name in node.output}
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    outputs = {v.name for v in graph.output}
    pairs: dict[tuple[str, ...], list[str]] = {}  # a layer's and a normalisation's numbers -> the folded ones
    taken = {*stored, *made, *[v.name for v in graph.input]}
    gone = []
    for node in graph.node:
        before = made.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if (
            before is None
            or before.op_type not in ("Conv", "ConvTranspose", "Gemm")
            or users[node.input[0]] > 1
            or node.input[0] in outputs
        ):
            continue
        names = [*before.input[1:], *node.input[1:]]
        if any(name not in stored for name in names):
            continue
        options = {a.name: onnx.helper.get_attribute_value(a) for a in before.attribute}
        if before.op_type == "Gemm" and not (options.get("transB") and options.get("alpha", 1) == options.get("beta", 1) == 1):
            continue
        key = (before.op_type, *names, str(node.attribute), str(options.get("group")))
        if key not in pairs:
            weight, *bias = [onnx.numpy_helper.to_array(stored[n]) for n in before.input[1:]]
            scale, shift, mean, variance = [onnx.numpy_helper.to_array(stored[n]).astype(np.float64) for n in node.input[1:]]
            eps = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            factor = scale / np.sqrt(variance + eps)
            if before.op_type != "ConvTranspose":
                new = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
            else:
                groups = options.get("group", 1)
                split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
                new = (split * factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)
            moved = (0 if not bias else bias[0]) * factor + shift - mean * factor
            pairs[key] = []
            for old, value in ((before.input[1], new), (f"{before.input[1].rpartition('.')[0]}.bias".lstrip("."), moved)):
                number, name = 0, f"{old}.folded"
                while name in taken:  # a layer may be called several times, with a normalisation of its own each time
                    number, name = number + 1, f"{old}.folded_{number + 1}"
                taken.add(name)
                pairs[key].append(name)
                graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value.astype(weight.dtype)), name))
        before.input[:] = [before.input[0], *pairs[key]]
        before.output[0] = node.output[0]
        gone.append(node)
    for node in gone:
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    kept = [t for t in graph.initializer if t.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


# ----------------------------------------------------------------------------------------------------------- verification


def _verify(model: Any, given: _Inputs, proto: Any, beyond: Exception | None) -> None:
    """Compare the file with the model: for the given inputs, for other numbers, and for other sizes. ``beyond``: why onnxruntime cannot."""
    random = np.random.default_rng(0)

    def other(name: str, array: np.ndarray) -> np.ndarray:
        moved = random.permutation(array.reshape(-1)).reshape(array.shape)
        return np.asarray(moved * 0.9, array.dtype) if array.dtype.kind == "f" else moved

    def larger(size: Callable[[int], int]) -> Any:
        """Other numbers too: of what is repeated, many pieces are equal."""
        resized = given.resized(list(given.axes), size)
        return lambda name, array: other(name, resized(name, array))

    def outputs(change: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
        args, kwargs, arrays = given.call(change)
        with no_grad(), unchanged(model, training=False) if hasattr(model, "modules") else no_grad():
            return arrays, [t._data for t in leaves(model(*args, **kwargs)) if isinstance(t, TensorBase)]

    runs: dict[str, list[Any]] = {"for args": [lambda name, array: array], "for other numbers": [other]}
    if given.axes:
        runs["for other sizes"] = [larger(lambda n: 2 * n)]
        # what follows from the sizes that the export has seen in one way may follow from others in another; a model may take multiples only
        runs["for other sizes than twice those given"] = [larger(lambda n: n + 1 if n > 1 else 3), larger(lambda n: 3 * n)]
    engines, beyond = _engines(proto, beyond)
    coarse = _computes_in_float16(proto)
    for what, changes in runs.items():
        taken = outputs(*changes) if len(changes) == 1 else _first_taken(outputs, changes)
        if taken is None:
            continue
        arrays, expected = taken
        for engine, run in list(engines.items()):
            try:
                found = run(dict(zip(given.names, arrays, strict=True)))
            except Exception as error:
                if engine == "onnxruntime" and _beyond_runtime(error):
                    beyond = error
                    del engines[engine]
                    continue
                raise OnnxError(f"export: {what}, the file does not run in {engine}: {error}") from error
            for value, wanted, out in zip(found, expected, proto.graph.output, strict=True):
                _compare(f"export: {what}, {engine}'s {out.name!r} of the file", value, wanted, coarse)
    if beyond is not None:
        text = f"export: verify: onnxruntime has not checked the file, only minigrad's load has: {str(beyond)[:300]}"
        warnings.warn(text, UserWarning, stacklevel=3)


def _first_taken(outputs: Any, changes: Sequence[Any]) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """The inputs and outputs of the model for the first of these changes that it takes; None if it takes none of them."""
    for change in changes:
        with contextlib.suppress(Exception):
            return outputs(change)
    return None


def _engines(proto: Any, beyond: Exception | None) -> tuple[dict[str, Any], Exception | None]:
    """What runs the file, by name; and the reason for which onnxruntime, though installed, does not."""
    ours = load(proto, max_bytes=None, max_steps=None)

    def by_load(feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        with no_grad():
            out = ours(**{name: wrap(a) for name, a in feed.items()})
        return [t._data for t in (out if isinstance(out, tuple) else (out,))]

    engines: dict[str, Any] = {"minigrad": by_load}
    try:
        import onnxruntime
    except ImportError:
        return engines, None
    if beyond is not None:
        return engines, beyond
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are told here
    data = proto.SerializeToString()
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if _beyond_runtime(error):
            return engines, error
        raise OnnxError(f"export: onnxruntime refuses the file: {error}") from error
    known = {v.name for v in session.get_inputs()}
    engines["onnxruntime"] = lambda feed: session.run(None, {name: a for name, a in feed.items() if name in known})
    return engines, None


def _beyond_runtime(error: Exception) -> bool:
    """Whether onnxruntime refuses a file that may well be right: for a dtype or a version of the operators that it has not."""
    return any(words in str(error).lower() for words in ("not_implemented", "not support", "unsupported", "under development"))


def _computes_in_float16(proto: Any) -> bool:
    """Whether some numbers are rounded to float16, which engines may do at other places than the model."""
    half = official().TensorProto.FLOAT16
    graph = proto.graph
    casts = [a.i for node in graph.node if node.op_type == "Cast" for a in node.attribute if a.name == "to"]
    return half in (*casts, *[t.data_type for t in graph.initializer], *[v.type.tensor_type.elem_type for v in graph.input])


def _compare(what: str, value: np.ndarray, wanted: np.ndarray, coarse: bool = False) -> None:
    """Raise :class:`OnnxError` if two results differ by more than rounding, to float16 if ``coarse``."""
    hint = "; is something computed outside of ops (numpy, item(), Python's random numbers)?"
    if value.shape != wanted.shape or value.dtype != wanted.dtype:
        raise OnnxError(f"{what} is {value.dtype.name}{value.shape}, and the model's {wanted.dtype.name}{wanted.shape}{hint}")
    if not wanted.size:
        return
    if wanted.dtype.kind != "f":
        same = np.count_nonzero(value == wanted) / wanted.size
        if same < 1:
            raise OnnxError(f"{what} differs from the model's in {1 - same:.1%} of its elements{hint}")
        return
    a, b = value.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(b)  # (float64: settings of operators are float32)
    scale = max(np.abs(b[finite]).max(initial=0), 1e-30)
    tolerance = {2: 2e-2, 4: 2e-4, 8: 5e-7}[2 if coarse else wanted.dtype.itemsize]
    off = np.abs(a[finite] - b[finite]).max(initial=0) / scale
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not off <= tolerance:
        raise OnnxError(f"{what} differs from the model's by {off:.2g} of its largest number{hint}")
