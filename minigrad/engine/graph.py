"""The graph: the base class of Tensor, and the nodes that calls of ops record."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minigrad import absent

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

tensor_types: set[type] = set()  # TensorBase and all its subclasses: `type(x) in tensor_types` takes half the time of isinstance


class TensorBase:
    """Base class of Tensor with the attributes that the engine uses: an array, a graph node (None: a constant), a gradient.

    A view, the result of an op that :func:`~minigrad.engine.rules.views` marks, also has ``_source``: a weak reference to the Tensor that it was
    taken from; or, if that may be a view too, what :meth:`_link` returns.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_source")

    _data: np.ndarray
    _grad: Any  # a Tensor or None; users see it as .grad
    _node: Node | None
    _source: Any  # not set in a Tensor that is no view
    _is_name = False  # whether it is another name for a Tensor, without an array of its own: x.data

    def _link(self, detached: bool = False) -> Any:
        """The ``_source`` of a view of this Tensor: (a weak reference, the ``_source`` of this one without those that are gone, detached).

        ``detached`` is whether what is recorded of the view is none of the source's business.
        """
        rest, cut = getattr(self, "_source", None), False
        while rest is not None:
            known, after, lost = rest if type(rest) is tuple else (rest, None, False)
            cut = cut or lost
            if known() is not None:
                rest = (known, after, True) if cut else rest
                break
            rest = after
        return weakref.ref(self) if rest is None and not detached else (weakref.ref(self), rest, detached)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tensor_types.add(cls)


class Shell:
    """Base class of what users compute with as with a Tensor, but is only the shell around one, its ``pair``: of complex numbers.

    An op that is called with one asks it for the result: no kernel takes it, and the engine knows nothing else of it.
    """

    pair: Any

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def answer_op(self, op: Any, operands: Sequence[Any], statics: dict[str, Any]) -> Any:
        """The result of ``op`` for operands of which this is the first that no kernel takes."""
        raise NotImplementedError


def inside(x: Any) -> Any:
    """The Tensor inside of a :class:`Shell`; anything else, as a Tensor, itself."""
    return x.pair if isinstance(x, Shell) else x


tensor_types.add(TensorBase)
_Tensor: type = TensorBase  # the class of results; tensor.py registers its own
_new = object.__new__
numbers = itertools.count()  # creation numbers of nodes
users: list[object] = []  # the active blocks of all threads that want to hear of nodes: empty costs an op nothing


def register_tensor(cls: C) -> C:
    """Make ``cls`` the class of every op's results (called once, by :mod:`minigrad.tensor`)."""
    global _Tensor
    _Tensor = cls
    return cls


def tensor_class() -> type:
    """The class that :func:`register_tensor` was given."""
    return _Tensor


def wrap(array: Any, node: Node | None = None) -> Any:
    """A Tensor that shares the memory of ``array``, with ``node`` as its graph node."""
    tensor: Any = _new(_Tensor)
    tensor._data = array
    tensor._node = node
    tensor._grad = None
    return tensor


def shape_of(a: Any) -> tuple[int, ...]:
    """The shape of an array or a Tensor, () for a Python number."""
    if isinstance(a, np.ndarray):
        return a.shape
    return a._data.shape if type(a) in tensor_types else a.shape if hasattr(a, "shape") else np.shape(a)


def mapped(value: Any, function: Callable[[Any], Any], kind: type | tuple[type, ...]) -> Any:
    """``value`` with what is of ``kind`` in its tuples and lists replaced by ``function`` of it."""
    if isinstance(value, kind):
        return function(value)
    return type(value)([mapped(v, function, kind) for v in value]) if type(value) in (tuple, list) else value


class Packed:
    """In place of what a node keeps: something that it can be had from, see :class:`~minigrad.engine.saved.saved_tensors_hooks`."""

    __slots__ = ()

    def unpacked(self) -> tuple:
        """What the node keeps."""
        raise NotImplementedError


def _of_index(node: Node) -> str:
    """``Index``, ``Slice``, ``Select`` or ``Unsqueeze``: PyTorch has a node for each dimension, and the last one is seen."""
    index = node.static.get("index", ())
    parts = [
        i for i in (index if isinstance(index, tuple) else (index,)) if i is not ... and not (isinstance(i, slice) and i == slice(None))
    ]
    if any(hasattr(i, "shape") and i.shape for i in parts):
        return "IndexBackward0"
    last = parts[-1] if parts else None
    return f"{'Slice' if isinstance(last, slice) else 'Unsqueeze' if parts and last is None else 'Select'}Backward0"


def _of_number(name: str) -> Callable[[Node], str | None]:
    """``name`` where a number is in front, as in ``1 - x``."""
    return lambda node: name if hasattr(node, "constant") and node.parents and node.parents[0] is None else None


def _of_reduction(name: str) -> Callable[[Node], str]:
    """Another number over some dimensions than over all."""
    return lambda node: f"{name}Backward{int(node.static.get('dim') is not None)}"


def _of_extreme(name: str) -> Callable[[Node], str | None]:
    """That of ``max()`` over all."""
    return lambda node: f"{name}Backward1" if node.static.get("dim") is None else None


_TITLES: dict[str, str | Callable[[Node], str | None]] = {  # where PyTorch's name is not the op's; of several the most frequent
    "leaf": "torch::autograd::AccumulateGrad", "batch_norm": "NativeBatchNormBackward0", "broadcast_to": "ExpandBackward0",
    "conv": "ConvolutionBackward0", "conv_input": "ConvolutionBackward0", "conv_transpose": "ConvolutionBackward0", "getitem": _of_index,
    "layer_norm": "NativeLayerNormBackward0", "group_norm": "NativeGroupNormBackward0",
    "linear": lambda node: "ViewBackward0" if len(node.shape) > 2 else "MmBackward0" if node.parents and node.parents[2] is None else "AddmmBackward0",
    "matmul": lambda node: {0: "DotBackward0", 1: "MvBackward0", 2: "MmBackward0"}.get(len(node.shape), "UnsafeViewBackward0"),
    "max_pool": "MaxPool2DWithIndicesBackward0", "nll": "NllLossBackward0", "reshape": "ViewBackward0", "cast": "ToCopyBackward0",
    "norm": "LinalgVectorNormBackward0", "setitem": "CopySlices", "sum": _of_reduction("Sum"), "mean": _of_reduction("Mean"),
    "amax": _of_extreme("Max"), "amin": _of_extreme("Min"), "clamp": "ClampBackward1", "square": "PowBackward0", "sub": _of_number("RsubBackward1"), "div": _of_number("MulBackward0"),
    "masked_scale": "MulBackward0", "pad_constant": "ConstantPadNdBackward0", "logsigmoid": "LogSigmoidBackward0", "softsign": "DivBackward0",
    "prelu": "PreluKernelBackward0", "det": "LinalgDetBackward0", "inv": "LinalgInvExBackward0", "contract": "ViewBackward0",
}  # fmt: skip


class NodeName(str):
    """The name of an op, which gives PyTorch's name of its node when it is called."""

    backward: str

    def __call__(self) -> str:
        """``AddBackward0`` for ``add``; of a user's Function its name with ``Backward``."""
        return self.backward


def _title(node: Node, name: str) -> str:
    """PyTorch's name of a node."""
    kind = type(node)
    if kind is Pick:
        return getattr(node, "title", None) or _title_of(node, name)
    if kind.__base__ in (Node, SampleNode) and kind not in (SampleNode, Leaf):  # it has a class of its own
        return kind.__name__
    return _title_of(node, name)


def _title_of(node: Node, name: str) -> str:
    """That of an op's node."""
    known = _TITLES.get(name)
    known = known(node) if callable(known) else known
    if known is None and name[:1].isupper():  # an autograd.Function
        return f"{name}Backward"
    return known or f"{''.join(part.capitalize() for part in name.split('_'))}Backward0"


_titles: dict[tuple[type, str], type] = {}  # of nodes


def known_as(name: str, several: bool = False) -> Callable[[F], F]:
    """Decorator for a public function that is composed of ops: the node of its result has PyTorch's name of one that is an op there.

    The function makes its result; it does not hand on an argument. Of a tuple it is the first result; with ``several`` only of a tuple.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 3.0], requires_grad=True)
    >>> mg.nn.functional.mse_loss(x, mg.zeros(2))
    tensor(5., grad_fn=<MseLossBackward0>)
    """

    def declare(function: F) -> F:
        function.known_as = name, several  # type: ignore[attr-defined]
        return function

    return declare


def titling(title: str, several: bool) -> Callable[[Any], Any]:
    """A function that calls the node of a result so, if it has one, and returns the result."""
    named = _class_of(Node, title)

    def titled(result: Any) -> Any:
        first: Any = result[0] if isinstance(result, tuple) else None if several else result
        if type(first) in tensor_types:
            node = first._node
            if type(node) is Node:
                node.__class__ = named
            elif node is not None:
                node.titled(title)
        return result

    return titled


@absent.answers_as("torch.autograd.graph.Node")
class Node:
    """A node of the graph: one call of an op.

    A node holds no Tensor, so values that the backward pass does not need are freed with the user's variable. The order of
    creation is a topological order, because an op's inputs exist before its result.

    ============  ============================================================================================
    ``plan``      the op and the formulas to run; None for a leaf
    ``parents``   one node per argument, None for a constant argument; None after the graph is freed
    ``kept``      the values that the formulas name, each once, in the order of ``plan.kept``, or a :class:`Packed` of them; None after
                  the graph is freed
    ``static``    the static arguments of the call
    ``shape``     shape of the result and of its gradient; ``dtype`` likewise
    ``number``    creation number
    ``hooks``     functions that are called with the complete gradient
    ``constant``  a number that was an operand and is not in ``kept``, such as the 100 of ``x + 100``, for pictures; else not set
    ``caller``    the code of the function that called an op that :func:`~minigrad.engine.rules.unnamed` marks, for pictures; else not set
    ``levels``    the levels of ``vmap`` whose samples the result differs for
    ============  ============================================================================================
    """

    __slots__ = ("__weakref__", "caller", "constant", "dtype", "hooks", "kept", "number", "parents", "plan", "shape", "static")

    plan: Any  # op.Plan | None
    parents: Any  # Sequence[Node | None] | None
    kept: Any  # tuple | Packed | None
    static: dict[str, Any]
    shape: Any  # tuple[int, ...]; for several results a tuple of (shape, dtype) pairs
    dtype: Any  # np.dtype; None for several results
    number: int
    hooks: list[Callable[[Any], Any]] | None
    constant: complex
    caller: Any  # types.CodeType | None
    levels: tuple = ()  # a slot only of those that may have some

    def fill(self, plan: Any, parents: Any, kept: Any, static: dict[str, Any], shape: Any, dtype: Any) -> Node:
        """Set the attributes of the table above, and return the node. (Without an ``__init__``, creating a node is a third faster.)"""
        self.plan = plan
        self.parents = parents
        self.kept = kept
        self.static = static
        self.shape = shape
        self.dtype = dtype
        self.number = next(numbers)
        self.hooks = None
        return self

    @property
    def op(self) -> Any:
        """The :class:`~minigrad.engine.op.Op` that was called; None for a leaf."""
        return self.plan.op if self.plan is not None else None

    @property
    def name(self) -> NodeName:
        """The op's name, ``leaf`` for a leaf. Called, it is the name that PyTorch has for such nodes.

        >>> import minigrad as mg
        >>> y = mg.tensor(1.0, requires_grad=True).exp()
        >>> y.grad_fn.name, y.grad_fn.name(), type(y.grad_fn).__name__
        ('exp', 'ExpBackward0', 'ExpBackward0')
        """
        name = NodeName(self.plan.op.name if self.plan is not None else "leaf")
        name.backward = _title(self, name)
        return name

    def titled(self, title: str | None = None) -> Node:
        """This node, of a class of the name that PyTorch has for it: what ``x.grad_fn`` is. The engine knows nothing of these classes.

        One of several results remains what it is, and only bears the name.
        """
        kind = type(self)
        if kind is Node or kind is SampleNode:
            self.__class__ = _class_of(kind, title or self.name())
        elif title is not None and isinstance(self, Pick):
            self.title = title
        return self

    def formulas(self) -> Iterator[tuple[int | Sequence[int], Callable, tuple, tuple]]:
        """For each formula of the backward pass: its input's position, the formula, the sources of its arguments, the arguments.

        A formula for several inputs, a :func:`~minigrad.engine.joint` one or that of ``*args``, has a sequence of positions.
        """
        kept = self.kept.unpacked() if isinstance(self.kept, Packed) else self.kept
        for position, formula, sources, pick, places in self.plan.rows:
            if position is None:
                position = range(len(self.plan.op.inputs), len(self.parents)) if places is None else places
            yield position, formula, sources, kept if pick is None else pick(kept)

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """For each argument the node that its gradient goes to, and which of that node's results it is; (None, 0) for a constant.

        As ``torch.autograd.graph.Node.next_functions``, but empty once backward has freed the graph. A leaf, whose own are empty, has its
        tensor as ``variable``.

        >>> import minigrad as mg
        >>> x = mg.tensor(1.0, requires_grad=True)
        >>> (x * 2).exp().grad_fn.next_functions
        ((<mul node, shape ()>, 0),)
        """
        return tuple((p.parents[0], p.index) if type(p) is Pick else (p, 0) for p in self.parents or ())

    def __repr__(self) -> str:
        return f"<{self.name} node, shape {self.shape}>"


def _class_of(kind: type, title: str) -> type:
    """The class of nodes of that name."""
    if (kind, title) not in _titles:
        _titles[kind, title] = type(title, (kind,), {"__slots__": (), "__module__": __name__})
    return _titles[kind, title]


class SampleNode(Node):
    """A node whose result differs from sample to sample of ``vmap``."""

    __slots__ = ("levels",)


class Leaf(Node):
    """A node without an op: a tensor that the user made. Its gradient is added to ``tensor.grad``."""

    __slots__ = ("after", "levels", "tensor")

    tensor: weakref.ref[TensorBase]
    after: list[Callable[[Any], Any]] | None  # hooks of the tensor, called once its .grad is complete

    def __init__(self, tensor: TensorBase):
        self.fill(None, (), (), {}, tensor._data.shape, tensor._data.dtype)
        self.tensor = weakref.ref(tensor)  # weak: the tensor owns its node, and a cycle would wait for the garbage collector
        self.after = None
        self.levels = getattr(tensor._data, "levels", ())

    @property
    def variable(self) -> Any:
        """The tensor; None once the user has dropped it."""
        return self.tensor()


class Pick(Node):
    """One result of an op with several results. Its gradient goes to position ``index`` of that op's tuple of gradients."""

    __slots__ = ("index", "levels", "title")

    title: str  # the name that the public function gives it; else not set

    def __init__(self, source: Node, index: int, array: np.ndarray):
        self.fill(source.plan, (source,), (), source.static, array.shape, array.dtype)
        self.index = index
        self.levels = getattr(array, "levels", ())
