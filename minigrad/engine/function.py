"""Ops in PyTorch's spelling: a class with ``forward(ctx, ...)`` and ``backward(ctx, ...)``.

:func:`~minigrad.engine.op.op` is the shorter way to write an op, and the only one there is underneath: each class becomes an op whose kernel
is ``forward`` and whose formula, one for all arguments, is ``backward``. What ``ctx`` saves is the op's residual.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.engine.batching import Level, is_batched, last_level, levels
from minigrad.engine.fitting import enter, leave
from minigrad.engine.graph import Node, Pick, Shell, TensorBase, wrap
from minigrad.engine.modes import is_grad_enabled, no_grad
from minigrad.engine.op import Op, op
from minigrad.engine.rules import tangent
from minigrad.types import Array


class FunctionCtx:
    """``ctx``: what ``forward`` leaves for ``backward``. Anything may be set on it; tensors that backward needs go to :meth:`save_for_backward`.

    ``needs_input_grad`` says for each argument of ``apply`` whether its gradient is wanted.
    """

    needs_input_grad: tuple[bool, ...]

    def __init__(self, needs_input_grad: tuple[bool, ...]):
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple = ()
        self._to_save_forward: tuple = ()
        self._first_forward = 0  # the place of the first of what is saved for jvp
        self._constants: tuple = ()
        self._dirty: tuple = ()
        self._materialize = True
        self._results: list[tuple[tuple[int, ...], np.dtype]] = []  # the shape and dtype of each
        self._places: list[Node | int | None] = []  # of what was saved: its node, or the number of the result that it is
        self._saved: tuple | None = None
        self._node: weakref.ref[Node] | None = None  # that of the call; it owns this object

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep arguments and results (Tensors, or None) for backward. With ``create_graph`` they are at their places in the graph."""
        self._to_save = _tensors("save_for_backward", tensors)

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep arguments and results (Tensors, or None) for ``jvp``, which gets them as :attr:`saved_tensors`."""
        self._to_save_forward = _tensors("save_for_forward", tensors)

    @property
    def saved_tensors(self) -> tuple:
        """What :meth:`save_for_backward` (in ``jvp``: :meth:`save_for_forward`) was given. Raises ``RuntimeError`` outside of these two."""
        if self._saved is None:
            raise RuntimeError("saved_tensors: there are saved tensors in backward and in jvp only")
        return self._saved

    def mark_non_differentiable(self, *results: Any) -> None:
        """Say that these results are constants. ``backward`` still takes a gradient for each, of zeros."""
        self._constants = results

    def mark_dirty(self, *args: Any) -> None:
        """Say that forward wrote these arguments. Those that it returns are the results of ``apply`` themselves, as after any write in place."""
        self._dirty = _tensors("mark_dirty", args)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` takes zeros (as at first) or None for the gradient of a result that nobody used."""
        self._materialize = value


def _tensors(name: str, tensors: tuple) -> tuple:
    for t in tensors:
        if t is not None and not isinstance(t, TensorBase):
            raise TypeError(f"{name}: Tensors or None, not {type(t).__name__}; set anything else on ctx")
    return tensors


class VmapInfo(NamedTuple):
    """What a Function's own :meth:`Function.vmap` is told of the run: the number of samples, and what random functions do."""

    batch_size: int
    randomness: str


class _Call:
    """The arguments of a call, on the way to its kernel; what the user's ``forward`` made of them, on the way back."""

    def __init__(self, function: type[Function], ctx: FunctionCtx, args: tuple):
        self.function, self.ctx, self.args = function, ctx, args
        self.constants: list[int] = []
        self.written: list[tuple[int, Any]] = []  # results that are arguments, marked as dirty

    def __repr__(self) -> str:
        return self.function.__name__


def _forward(xs: tuple, call: _Call) -> tuple[Any, tuple]:
    """The results as arrays, and the residual: ctx and the arrays that it saved."""
    function, ctx, args = call.function, call.ctx, call.args
    with no_grad():
        if function.setup_context is Function.setup_context:
            returned = function.forward(ctx, *args)
        else:
            returned = function.forward(*args)
            function.setup_context(ctx, args, returned)
    call.args = ()  # the graph keeps what ctx saves, nothing else
    several = isinstance(returned, (tuple, list))
    results = tuple(returned) if several else (returned,)
    for r in results:
        if not isinstance(r, TensorBase):
            raise TypeError(f"{function.__name__}: forward must return a Tensor or a tuple of Tensors, not {type(r).__name__}")
    call.written = [(i, r) for i, r in enumerate(results) if any(r is d for d in ctx._dirty)]
    numbers = {id(r): i for i, r in enumerate(results) if not any(r is a for a in args)} | {id(r): i for i, r in call.written}
    ctx._results = [(r._data.shape, r._data.dtype) for r in results]
    call.constants = [i for i, r in enumerate(results) if any(r is c for c in ctx._constants)]
    to_save = (*ctx._to_save, *ctx._to_save_forward)
    ctx._first_forward = len(ctx._to_save)
    ctx._places = [None if t is None else numbers.get(id(t), t._node) for t in to_save]
    saved = tuple(None if t is None else t._data for t in to_save)
    ctx._to_save = ctx._to_save_forward = ctx._constants = ctx._dirty = ()
    given = {id(a._data) for a in args if isinstance(a, TensorBase)}
    arrays = tuple(r._data.view() if id(r._data) in given else r._data for r in results)  # an argument that is returned has two places
    return (arrays if several else arrays[0]), (ctx, saved)


def _at_its_place(ctx: FunctionCtx, array: np.ndarray, place: Node | int | None) -> Any:
    node = ctx._node() if isinstance(place, int) and ctx._node is not None else None
    if node is None:
        return wrap(array, None if isinstance(place, int) else place)
    if array.dtype.kind != "f":
        return wrap(array)
    return wrap(array, node if node.dtype is not None else Pick(node, int(place), array))  # type: ignore[arg-type]


def _at_their_places(ctx: FunctionCtx, saved: tuple) -> tuple:
    return tuple([None if a is None else _at_its_place(ctx, a, p) for a, p in zip(saved, ctx._places, strict=True)])


def _backward(g: Any, res: tuple, call: _Call) -> list:
    """A gradient for each argument: arrays if ``g`` is, Tensors if the walk is recorded."""
    ctx, saved = res
    gradients = g if isinstance(g, tuple) else (g,)
    if ctx._materialize:
        gradients = tuple([np.zeros(*like) if part is None else part for part, like in zip(gradients, ctx._results, strict=True)])
    record = any(isinstance(part, TensorBase) for part in gradients)
    ctx._saved = _at_their_places(ctx, saved)[: ctx._first_forward]
    try:
        returned = call.function.backward(
            ctx, *[part if part is None or isinstance(part, TensorBase) else wrap(part) for part in gradients]
        )
    finally:
        ctx._saved = None
    found = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    wanted = len(ctx.needs_input_grad)
    if any(extra is not None for extra in found[wanted:]) or len(found) < wanted:
        raise RuntimeError(f"{call.function.__name__}: backward returned {len(found)} gradients for {wanted} arguments of forward")
    for i, gradient in enumerate(found[:wanted]):
        if gradient is not None and not isinstance(gradient, TensorBase):
            raise TypeError(
                f"{call.function.__name__}: the gradient of argument {i} must be a Tensor or None, not {type(gradient).__name__}"
            )
    return [x if record or x is None else x._data for x in found[:wanted]]


def _jvp(t: tuple, res: tuple, call: _Call) -> Any:
    """The tangents of the results by the user's ``jvp``: arrays if those in ``t`` are, Tensors if the walk is recorded."""
    ctx, saved = res
    record = any(isinstance(part, TensorBase) for part in t)
    ctx._saved = _at_their_places(ctx, saved)[ctx._first_forward :]
    try:
        returned = call.function.jvp(ctx, *[part if part is None or isinstance(part, TensorBase) else wrap(part) for part in t])
    finally:
        ctx._saved = None
    several = isinstance(returned, (tuple, list))
    found = tuple(returned) if several else (returned,)
    if len(found) != len(ctx._results) or any(part is not None and not isinstance(part, TensorBase) for part in found):
        raise RuntimeError(f"{call.function.__name__}: jvp must return a Tensor or None for each of the {len(ctx._results)} results")
    found = tuple([part if record or part is None else part._data for part in found])
    return found if several else found[0]


class Function:
    """An op as a class: ``torch.autograd.Function``. ``Name.apply(*args)`` calls it.

    ``forward(ctx, *args)`` computes with Tensors and records nothing; it returns a Tensor or a tuple of them. ``backward(ctx, *gradients)`` takes
    a gradient for each result, and returns one for each argument of ``apply``, None where there is none. Written with Tensors, it is
    differentiated like anything else when ``create_graph=True``. As in PyTorch, ``forward(*args)`` may come with a
    ``setup_context(ctx, inputs, output)`` that saves what backward needs. Forward mode calls ``jvp(ctx, *tangents)`` where there is one.

    Raises ``TypeError`` where ``forward`` returns anything else, ``RuntimeError`` where ``backward`` returns a wrong number of gradients.

    >>> import minigrad as mg
    >>> class Cube(mg.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> (first,) = mg.grad(Cube.apply(x), x, create_graph=True)
    >>> first, mg.grad(first, x)
    (tensor(12., grad_fn=<MulBackward0>), (tensor(12.),))
    """

    _op: Op
    generate_vmap_rule = False  # as PyTorch asks for: here vmap runs forward and backward in any case, unless there is a rule

    def __init__(self, *args: Any, **kwargs: Any):
        raise TypeError(
            f"{type(self).__name__}() takes no arguments, for a Function makes no objects: call {type(self).__name__}.apply(...)"
        )

    # Of four methods the arguments are those of a user's class: type checkers let any stand in place of `*args: Any, **kwargs: Any`.

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results: ``forward(ctx, *args)``, or ``forward(*args)`` where there is a :meth:`setup_context`."""
        raise NotImplementedError("a Function needs a forward")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Save what backward needs, after ``forward(*inputs)`` returned ``output``."""

    @staticmethod
    def backward(*args: Any, **kwargs: Any) -> Any:
        """The gradients of the arguments, from those of the results: ``backward(ctx, *gradients)``."""
        raise NotImplementedError("this Function has no backward: it cannot be differentiated")

    @staticmethod
    def jvp(*args: Any, **kwargs: Any) -> Any:
        """The tangents of the results, from those of the arguments (None for zeros): ``jvp(ctx, *tangents)``. Not needed: without it, ``backward`` is
        differentiated."""
        raise NotImplementedError("this Function has no jvp")

    @staticmethod
    def vmap(*args: Any, **kwargs: Any) -> tuple:
        """The results for all samples of a ``vmap``, and the dimensions that hold them: ``vmap(info, in_dims, *args)`` returns ``(results, out_dims)``.
        Not needed: without it, ``vmap`` runs ``forward`` and ``backward``.

        Args:
            info: ``batch_size``, the number of samples, and ``randomness``, as ``vmap`` was given it.
            in_dims: for each argument the dimension of the samples, None where it is the same for all.
            args: those of ``apply``, for all samples.
        """
        raise NotImplementedError("this Function has no rule for vmap")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function. The graph has one node for it, which bears the class's name."""
        if "_op" not in vars(cls):
            cls._op = _op_of(cls)
        if any(isinstance(a, Shell) for a in args):
            raise TypeError(
                f"{cls.__name__}: a Function takes real Tensors; give it z.real and z.imag, and put its results together by complex(real, imag)"
            )
        if levels and cls.vmap is not Function.vmap:
            level = last_level([a._data for a in args if isinstance(a, TensorBase)])
            if level is not None:
                return _by_rule(cls, args, level)
        recorded = is_grad_enabled()
        ctx = FunctionCtx(tuple([recorded and isinstance(a, TensorBase) and a._node is not None for a in args]))
        call = _Call(cls, ctx, args)
        if not any(isinstance(a, TensorBase) for a in args):  # an op called without Tensors is its kernel
            out, _ = _forward(args, call)
            return tuple(map(wrap, out)) if isinstance(out, tuple) else wrap(out)
        results = cls._op.function(*args, call=call)
        for i, r in enumerate(results if isinstance(results, tuple) else (results,)):
            if r._node is not None:
                ctx._node = weakref.ref(r._node.parents[0] if isinstance(r._node, Pick) else r._node)
                if i in call.constants:
                    r._node = None
        for i, argument in call.written:
            argument._assign(results[i] if isinstance(results, tuple) else results, f"{cls.__name__}, mark_dirty")
            results = (*results[:i], argument, *results[i + 1 :]) if isinstance(results, tuple) else argument
        return results


def _by_rule(function: type[Function], args: tuple, level: Level) -> Any:
    """What the user's ``vmap`` returns for all samples of ``level``, as its samples."""
    in_dims = tuple([0 if is_batched(a) and a._data.level is level else None for a in args])
    given = [a if dim is None else leave(a, level=level, dim=0) for a, dim in zip(args, in_dims, strict=True)]
    with level.unrolled():
        returned = function.vmap(VmapInfo(level.size, level.randomness), in_dims, *given)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise RuntimeError(f"{function.__name__}: vmap must return (results, out_dims), not {type(returned).__name__}")
    results, dims = returned
    if not isinstance(results, (tuple, list)):
        return _samples(function, results, dims, level)
    dims = dims if isinstance(dims, (tuple, list)) else (dims,) * len(results)
    if len(dims) != len(results):
        raise RuntimeError(f"{function.__name__}: vmap returned {len(dims)} out_dims for {len(results)} results")
    return tuple([_samples(function, r, dim, level) for r, dim in zip(results, dims, strict=True)])


def _samples(function: type[Function], result: Any, dim: Any, level: Level) -> Any:
    if dim is None:
        return result
    if not isinstance(result, TensorBase) or type(dim) is not int or not -len(result._data.shape) <= dim < len(result._data.shape):
        raise RuntimeError(
            f"{function.__name__}: vmap's out_dims must be None, or name a dimension of a result, a Tensor; {dim!r} does not"
        )
    if result._data.shape[dim] != level.size:
        raise RuntimeError(
            f"{function.__name__}: vmap's out_dims name dimension {dim} of shape {tuple(result._data.shape)}, and there are {level.size} samples"
        )
    return enter(result, level=level, dim=dim % len(result._data.shape))


def _op_of(function: type[Function]) -> Op:
    def kernel(*xs: Array, call: _Call) -> Array:
        return _forward(xs, call)

    kernel.__name__, kernel.__module__, kernel.__qualname__, kernel.__doc__ = (
        function.__name__, function.__module__, function.__qualname__, function.__doc__,
    )  # fmt: skip
    differentiable = op(xs=_backward, res=None)(kernel)
    made: Op = (differentiable if function.jvp is Function.jvp else tangent(xs=_jvp)(differentiable)).op  # type: ignore[attr-defined]
    made.exact = made.across_levels = True
    named = inspect.signature(function.forward).parameters.values()
    first = 1 if function.setup_context is Function.setup_context else 0  # ctx
    made.rest = tuple([p.name for p in named if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][first:])
    return made


def once_differentiable(backward: Callable) -> Callable:
    """Decorate a ``backward`` whose result has no derivative of its own (it is computed with numpy, say): ``torch.autograd.function``'s.

    Differentiating its result raises ``RuntimeError``, in PyTorch's words; PyTorch takes it for a constant where no incoming gradient has a graph.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            returned = backward(ctx, *gradients)
        found = list(returned) if isinstance(returned, (tuple, list)) else [returned]
        places = [i for i, x in enumerate(found) if x is not None]
        depends = [t for t in (*gradients, *ctx.saved_tensors) if t is not None]
        held = _held(*[found[i] for i in places], *depends, count=len(places))
        for i, x in zip(places, held, strict=True):
            found[i] = x
        return tuple(found)

    return once


def _refuse(g: Any) -> Any:
    raise RuntimeError("once_differentiable: trying to differentiate twice a function that was marked with @once_differentiable")


@op(xs=_refuse)
def _held(*xs: Array, count: int) -> Array:
    """The first ``count`` arguments, whose gradients are refused."""
    return tuple([x.view() for x in xs[:count]])
