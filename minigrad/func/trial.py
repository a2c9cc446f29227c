"""One run of a function whose derivatives are asked for, and both directions through what it recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad import engine
from minigrad.engine import Leaf, Node, ShapeError, Shell, TensorBase, enable_grad, is_grad_enabled, numbers, wrap
from minigrad.ops.arguments import shown
from minigrad.ops.shape import reshape
from minigrad.tree import leaves, tree_map


def name_of(func: Callable) -> str:
    """The name of a function, or the class of a module, for messages."""
    return getattr(func, "__name__", None) or type(func).__name__


def nested(like: Any, values: Sequence[Any]) -> Any:
    """``values`` in place of the leaves of ``like``, in order."""
    ahead = iter(values)
    return tree_map(lambda _: next(ahead), like)


class Trial:
    """A run of ``func(*args, **kwargs)``, to be differentiated by the Tensors in ``args[i]`` for each i of ``argnums``.

    The function gets aliases of these Tensors. An alias of one that has a graph is recorded as computed from it, so that derivatives compose;
    each transform differentiates by its own aliases only. What the caller gets has a graph only if it depends on something from before the
    run, and only where the caller records: ``outer``.

    ===========  ============================================================================================
    ``inputs``   the aliases, in order; ``like`` is the argument (a tuple of arguments, for several) that they are from
    ``outputs``  the Tensors in ``results``, which is what the function returned, nested as returned
    ``aux``      what the function returned beside the results, if ``has_aux``
    ===========  ============================================================================================

    Raises ``TypeError`` for an argument that holds anything but floating Tensors, and for results that are no Tensors; ``ValueError`` for
    an argnum that is out of range. Exceptions of ``func`` get a note that names the transform, ``who``.
    """

    def __init__(
        self,
        who: str,
        func: Callable,
        args: tuple,
        argnums: int | Sequence[int] = 0,
        kwargs: dict[str, Any] | None = None,
        has_aux: bool = False,
        outer: bool | None = None,
    ):
        self.who, self.name = who, name_of(func)
        self.outer = is_grad_enabled() if outer is None else outer
        self._start = next(numbers)
        self._ours: set[Node] = set()
        self.inputs: list[Any] = []
        places = [self._place(i, len(args)) for i in (argnums if isinstance(argnums, (tuple, list)) else (argnums,))]
        if not places or len(set(places)) < len(places):
            raise ValueError(f"{who}: argnums must name arguments, each once, but is {argnums!r}")
        self.like = tuple([args[i] for i in places]) if isinstance(argnums, (tuple, list)) else args[places[0]]
        given = list(args)
        for i in places:
            given[i] = tree_map(self._alias, args[i], f"argument {i}")
        with enable_grad():
            returned = self.named(func, *given, **(kwargs or {}))
        self.aux: Any = None
        if has_aux:
            if not isinstance(returned, tuple) or len(returned) != 2:
                raise TypeError(f"{who}: with has_aux=True {self.name} must return (result, aux), and returned {shown(returned)}")
            returned, self.aux = returned
        self.results = returned
        self.outputs: list[Any] = list(leaves(returned))
        for y in self.outputs:
            if not isinstance(y, TensorBase):
                raise TypeError(f"{who}: {self.name} must return Tensors, or containers of Tensors, and returned {shown(y)}")

    def _place(self, argnum: Any, count: int) -> int:
        if type(argnum) is not int or not -count <= argnum < count:
            raise ValueError(f"{self.who}: argnums names {shown(argnum)}, and {self.name} was called with {count} positional arguments")
        return argnum % count

    def _alias(self, x: Any, where: str) -> Any:
        if isinstance(x, Shell):
            raise TypeError(
                f"{self.who}: {where} of {self.name} is complex; make it a function of z.real and z.imag, or take z.requires_grad_() and backward()"
            )
        if not isinstance(x, TensorBase):
            raise TypeError(f"{self.who}: {where} of {self.name} must be a Tensor, or a container of Tensors, but is {shown(x)}")
        if x._data.dtype.kind != "f":
            raise TypeError(f"{self.who}: {where} of {self.name} is {x._data.dtype}, and only floating tensors have derivatives")
        if self.outer and x._node is not None:
            with enable_grad():
                inner: Any = reshape(x, x._data.shape)
        else:
            inner = wrap(x._data.view())
            inner._node = Leaf(inner)
        self.inputs.append(inner)
        return inner

    def named(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """``function(*args, **kwargs)``; what it raises gets a note with the transform."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in {self.who} of {self.name}")
            raise

    # ------------------------------------------------------------------------------- what depends on the outside

    def _is_foreign(self, tensor: Any) -> bool:
        """Whether a Tensor depends on what was recorded before this run, by which the caller may want to differentiate."""
        if not self.outer or not isinstance(tensor, TensorBase) or tensor._node is None:
            return False
        seen, stack = {tensor._node}, [tensor._node]
        while stack:
            node = stack.pop()
            if node.number < self._start:
                return True
            ahead = [parent for parent in node.parents or () if parent is not None and parent not in seen and parent not in self._ours]
            seen.update(ahead)
            stack += ahead
        self._ours |= seen
        return False

    def released(self, value: Any) -> Any:
        """Results as the caller gets them, nested as they are."""
        return tree_map(lambda x: wrap(x._data) if isinstance(x, TensorBase) and not self._is_foreign(x) else x, value)

    def is_recorded(self, vectors: Sequence[Any]) -> bool:
        """Whether products with ``vectors`` are recorded: if the results or the vectors depend on the outside."""
        return is_grad_enabled() and self.outer and any(self._is_foreign(t) for t in (*self.outputs, *vectors))

    # ---------------------------------------------------------------------------------------------- derivatives

    def vectors(self, what: str, value: Any, like: Any) -> list[Any]:
        """The leaves of ``value`` after checking that they are Tensors, of the shapes of those of ``like``, in the same containers."""
        found, wanted = list(leaves(value)), list(leaves(like))
        if len(found) != len(wanted) or tree_map(lambda _: 0, value) != tree_map(lambda _: 0, like):
            raise ValueError(f"{self.who}: {what} must be nested like what it belongs to: {len(found)} tensors for {len(wanted)}")
        for v, x in zip(found, wanted, strict=True):
            if not isinstance(v, TensorBase):
                raise TypeError(f"{self.who}: {what} must be a Tensor, or a container of Tensors, but is {shown(v)}")
            if v._data.shape != x._data.shape:
                raise ShapeError(f"{self.who}: {what} has shape {v._data.shape}, and what it belongs to {x._data.shape}")
        return found

    def pull(self, cotangents: Sequence[Any], record: bool) -> list[Any]:
        """The gradient by each input of all outputs times ``cotangents`` (None: zeros); None where nothing depends on it."""
        pairs = [(y, v) for y, v in zip(self.outputs, cotangents, strict=True) if v is not None and y._node is not None]
        if not pairs:
            return [None] * len(self.inputs)
        outputs, seeds = zip(*pairs, strict=True)
        return list(self.named(engine.grad, outputs, self.inputs, seeds, True, record, allow_unused=True))

    def push(self, tangents: Sequence[Any], record: bool) -> list[Any]:
        """The tangent of each output, given those of the inputs (None: zeros); None for an output that depends on none."""
        given = [(x, engine.cast(t, dtype=x._data.dtype)) for x, t in zip(self.inputs, tangents, strict=True) if t is not None]
        seeds = {x._node: t if record else t._data for x, t in given}
        found = self.named(engine.push, [y._node for y in self.outputs if y._node is not None], seeds, record)
        ts = [found.get(y._node) for y in self.outputs]
        return [t if t is None or record else wrap(t) for t in ts]
