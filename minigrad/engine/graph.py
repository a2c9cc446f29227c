"""The graph: the base class of Tensor, and the nodes that calls of ops record."""

from __future__ import annotations

import itertools
import threading
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
listeners: list[Callable[[Node], None]] = []  # an op of any thread calls these with its new node: empty costs it nothing
_listening: list[tuple[bool, Callable[[Node], None]]] = []
_listening_lock = threading.Lock()


def listen(listener: Callable[[Node], None], last: bool = False) -> None:
    """From now on ops of all threads call ``listener`` with each node that they record, until as many calls of :func:`listen_no_more`.

    It is called once, however often it listens; after all others if ``last``: it puts something in the place of the arrays that these look at.
    """
    with _listening_lock:
        _listening.append((last, listener))
        _place_listeners()


def listen_no_more(listener: Callable[[Node], None]) -> None:
    """End what one call of :func:`listen` began."""
    with _listening_lock:
        _listening.remove(next(entry for entry in _listening if entry[1] == listener))
        _place_listeners()


def _place_listeners() -> None:
    listeners[:] = dict.fromkeys(listener for _, listener in sorted(_listening, key=lambda entry: entry[0]))


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
    """``Index``, ``Slice``, ``Select``, ``Unsqueeze`` or ``Alias``: PyTorch has a node for each dimension, and the last one is seen."""
    index = node.static.get("index", ())
    parts = [
        i for i in (index if isinstance(index, tuple) else (index,)) if i is not ... and not (isinstance(i, slice) and i == slice(None))
    ]
    if any(hasattr(i, "shape") and i.shape for i in parts):
        return "IndexBackward0"
    if not parts:
        return f"{'Slice' if isinstance(index, (slice, tuple)) and index else 'Alias'}Backward0"
    last = parts[-1]
    return f"{'Slice' if isinstance(last, slice) else 'Unsqueeze' if last is None else 'Select'}Backward0"


def _of_number(name: str) -> Callable[[Node], str | None]:
    """``name`` where a number is in front, as in ``1 - x``."""
    return lambda node: name if hasattr(node, "constant") and node.parents and node.parents[0] is None else None


def _of_reduction(name: str) -> Callable[[Node], str]:
    """Another number over some dimensions than over all."""
    return lambda node: f"{name}Backward{int(node.static.get('dim') is not None)}"


def _of_size(name: str) -> Callable[[Node], str]:
    """That of the number of dimensions of images."""
    return lambda node: f"{name.format(len(node.shape) - 2)}Backward0"


def _of_linear(node: Node) -> str:
    """A layer is a product of matrices, and a view of it where its input is none."""
    n, biased = len(node.shape), not node.parents or node.parents[2] is not None  # a freed graph does not tell
    if n == 2:
        return "AddmmBackward0" if biased else "MmBackward0"
    return "ViewBackward0" if biased else "UnsafeViewBackward0" if n > 2 else "SqueezeBackward4"


def _of_power(node: Node) -> str:
    """Another number where the exponent is a tensor, and where only that is one."""
    base, exponent = [type(v) in (int, float, bool) for v in node.kept[:2]] if type(node.kept) is tuple else (False, True)
    return f"PowBackward{2 if base else 0 if exponent else 1}"


def _of_limits(node: Node) -> str:
    """Another number where a limit is a tensor."""
    limits = node.kept[1:3] if type(node.kept) is tuple else ()
    return f"ClampBackward{0 if any(hasattr(v, 'shape') for v in limits) else 1}"


def _of_classes(node: Node) -> str:
    """That of the classes of pixels, if they are."""
    parent = node.parents[0] if node.parents else None
    return f"NllLoss{'2D' if parent is not None and len(parent.shape) == 4 else ''}Backward0"


def _of_parts(node: Node) -> str:
    """That of parts of one size, of which the last may be smaller, or of given sizes."""
    sizes = node.static.get("sizes") or (0,)
    return f"Split{'WithSizes' if set(sizes[:-1]) - {sizes[0]} or sizes[-1] > sizes[0] else ''}Backward0"


def _of_parent(node: Node) -> str | None:
    """That of the one node that this hands on."""
    parent = node.parents[0] if node.parents else None
    return None if parent is None else parent.name()


_TITLES: dict[str, str | Callable[[Node], str | None]] = {  # where PyTorch's name is not the op's; of several the most frequent
    "leaf": "torch::autograd::AccumulateGrad", "batch_norm": "NativeBatchNormBackward0", "broadcast_to": "ExpandBackward0",
    "conv": "ConvolutionBackward0", "conv_input": "ConvolutionBackward0", "conv_transpose": "ConvolutionBackward0", "getitem": _of_index,
    "layer_norm": "NativeLayerNormBackward0", "group_norm": "NativeGroupNormBackward0", "linear": _of_linear,
    "matmul": lambda node: {0: "DotBackward0", 1: "MvBackward0", 2: "MmBackward0"}.get(len(node.shape), "UnsafeViewBackward0"),
    "max_pool": _of_size("MaxPool{}DWithIndices"), "avg_pool": _of_size("AvgPool{}D"), "nll": _of_classes, "cross_entropy": _of_classes, "reshape": "ViewBackward0", "cast": "ToCopyBackward0",
    "norm": "LinalgVectorNormBackward0", "setitem": "torch::autograd::CopySlices", "sum": _of_reduction("Sum"), "mean": _of_reduction("Mean"), "prod": _of_reduction("Prod"),
    "clamp": _of_limits, "pow": _of_power, "square": "PowBackward0", "sub": _of_number("RsubBackward1"), "div": _of_number("MulBackward0"),
    "masked_scale": "MulBackward0", "pad_constant": "ConstantPadNdBackward0", "crop": "ConstantPadNdBackward0", "logsigmoid": "LogSigmoidBackward0", "softsign": "DivBackward0",
    "prelu": "PreluKernelBackward0", "contract": "ViewBackward0", "diagonal_put": "DiagEmbedBackward0", "product": "MulBackward0", "leave": _of_parent,
    "median": lambda node: "NanmedianBackward0" if node.static.get("skip") else None, "split": _of_parts, "fold": "Col2ImBackward0", "unfold": lambda node: "Im2ColBackward0" if "kernel_size" in node.static else None,
    "det": "LinalgDetBackward0", "inv": "LinalgInvExBackward0", "svd": "LinalgSvdBackward0", "qr": "LinalgQrBackward0", "eigh": "LinalgEighBackward0",
    "complex_eig": "LinalgEigBackward0", "cholesky": "LinalgCholeskyExBackward0", "solve": "LinalgSolveExBackward0", "slogdet": "LinalgSlogdetBackward0",
    "matrix_exp": "LinalgMatrixExpBackward0", "pinv": "LinalgPinvBackward0", "solve_triangular": "LinalgSolveTriangularBackward0", "lu": "LinalgLuFactorExBackward0",
    "sinc_derivative": "SincBackward0", **{name: f"Special{name.title().replace('_', '')}Backward0" for name in ("entr", "ndtri", "log_ndtr", "erfcx", "xlog1py", "zeta", "gammainc", "gammaincc")},
}  # fmt: skip


class NodeName(str):
    """The name of an op, which gives PyTorch's name of its node when it is called."""

    backward: str

    def __call__(self) -> str:
        """``AddBackward0`` for ``add``; of a user's Function its name with ``Backward``."""
        return self.backward


def _title(node: Node, name: str) -> str:
    """PyTorch's name of a node."""
    known = getattr(type(node), "title", None)  # of a class of its own
    return known or _title_of(node, name)


def _title_of(node: Node, name: str) -> str:
    """That of an op's node."""
    known = _TITLES.get(name)
    known = known(node) if callable(known) else known
    if known is None and name[:1].isupper():  # an autograd.Function
        return f"{name}Backward"
    return known or f"{name.title().replace('_', '')}Backward0"


def title_of_call(name: str, static: dict[str, Any], shape: tuple[int, ...]) -> str:
    """PyTorch's name of the node of an op's call, for a result of this shape that other ops computed."""
    return _title_of(Node().fill(None, None, None, static, shape, None), name)


_titles: dict[tuple[type, str], type] = {}  # of nodes
_FACE = "torch.autograd.graph.Node"
_refuse = absent.unknown(_FACE)


def known_as(name: str | Callable[[Any], str], several: bool = False) -> Callable[[F], F]:
    """Decorator for a public function that is composed of ops: the node of its result has PyTorch's name of one that is an op there.

    ``name`` may be a function of the result. The decorated function makes its result; it does not hand on an argument. Of a tuple it is the name
    of each result with a node; with ``several`` only of a tuple.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 3.0], requires_grad=True)
    >>> mg.nn.functional.mse_loss(x, mg.zeros(2))
    tensor(5., grad_fn=<MseLossBackward0>)
    """

    def declare(function: F) -> F:
        function.known_as = name, several  # type: ignore[attr-defined]
        return function

    return declare


def titling(title: str | Callable[[Any], str], several: bool = False) -> Callable[[Any], Any]:
    """A function that calls the node of a result so, if it has one, and returns the result."""
    named = None if callable(title) else _class_of(Node, title)

    def titled(result: Any) -> Any:
        if type(result) in tensor_types:  # the quick way
            node = result._node
            if node is None or several:
                return result
            if type(node) is Node and named is not None:
                node.__class__ = named
                return result
        elif several and not isinstance(result, tuple):
            return result
        return entitled(result, title)

    return titled


def entitled(result: Any, title: str | Callable[[Any], str]) -> Any:
    """``result``, with its node called so, if it has one; of a tuple the node of each. What is called otherwise already is called so from now on."""
    for part in result if isinstance(result, tuple) else (result,):
        tensor = part if type(part) in tensor_types else part.pair if isinstance(part, Shell) else None
        if tensor is not None and (node := getattr(tensor, "_node", None)) is not None:
            node.titled(title(part) if callable(title) else title)
    return result


@absent.answers_as(_FACE, patterns=False)
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
        """This node, of a class of the name that PyTorch has for it: what ``x.grad_fn`` is. The engine knows nothing of these classes."""
        kind = type(self)
        if kind in (Node, SampleNode, Pick):
            self.__class__ = _class_of(kind, title or self.name())
        elif title is not None and kind is not Leaf:  # its class has another name
            self.__class__ = _class_of(kind.__mro__[1], title)
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
        return tuple(
            (p.parents[0].titled(), p.index) if isinstance(p, Pick) else (None if p is None else p.titled(), 0) for p in self.parents or ()
        )

    def __repr__(self) -> str:
        return f"<{self.name} node, shape {self.shape}>"


def _class_of(kind: type, title: str) -> type:
    """The class of nodes of that name."""
    if (kind, title) not in _titles:
        name = title.rpartition("::")[2]  # of torch::autograd::CopySlices
        _titles[kind, title] = type(name, (kind,), {"__slots__": (), "__module__": __name__, "title": title, "__getattr__": _refuse})
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

    __slots__ = ("index", "levels")

    def __init__(self, source: Node, index: int, array: np.ndarray):
        self.fill(source.plan, (source,), (), source.static, array.shape, array.dtype)
        self.index = index
        self.levels = getattr(array, "levels", ())
