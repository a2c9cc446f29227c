"""Products with Jacobians and Hessians, and these themselves, at one point: ``torch.autograd.functional``.

Each function takes a function and its inputs, a Tensor or a tuple of Tensors, and returns values where :mod:`minigrad.func.transforms` returns
functions. The values have a graph if ``create_graph`` is True.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.creation import ones_like
from minigrad.engine import TensorBase, set_grad_enabled
from minigrad.func.transforms import columns, filled, grad, rows, wraps
from minigrad.func.trial import Trial, name_of, nested
from minigrad.ops.arguments import check, shown
from minigrad.ops.shape import reshape

Tensors = Any  # a Tensor or a tuple of Tensors


def vjp(func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """The results of ``func(*inputs)``, and the product of ``v`` with its Jacobian: ``torch.autograd.functional.vjp``.

    Args:
        func: a function of Tensors that returns a Tensor or a tuple of Tensors.
        inputs: a Tensor, or the tuple of arguments.
        v: a vector of the shapes of the results; None is 1, for a single result of one element.
        create_graph: record the computation, so that the products can be differentiated.
        strict: raise where something does not depend on the inputs, instead of returning zeros.

    Returns ``(results, product)``, the product nested as ``inputs`` is.

    Raises ``RuntimeError`` for a v that is missing, or as ``strict`` says; ``ShapeError`` for one of other shapes.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import vjp
    >>> vjp(lambda x: x * x, mg.tensor([1.0, 2.0]), mg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with set_grad_enabled(True):
        trial = _trial("vjp", func, inputs, create_graph)
        vectors = _vectors(trial, v, trial.results, trial.outputs)
        found = trial.pull(vectors, create_graph)
        return trial.released(trial.results), _product(trial, found, trial.inputs, trial.like, strict)


def jvp(func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """The results of ``func(*inputs)``, and the product of its Jacobian with ``v``: ``torch.autograd.functional.jvp``.

    Arguments are those of :func:`vjp`, with a ``v`` of the shapes of ``inputs``. Returns ``(results, product)``, the product nested as the results are.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import jvp
    >>> jvp(lambda x: x * x, mg.tensor([1.0, 2.0]), mg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with set_grad_enabled(True):
        trial = _trial("jvp", func, inputs, create_graph)
        vectors = _vectors(trial, v, trial.like, trial.inputs)
        found = trial.push(vectors, create_graph)
        return trial.released(trial.results), _product(trial, found, trial.outputs, trial.results, strict)


def jacobian(
    func: Callable,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of ``func`` at ``inputs``: ``torch.autograd.functional.jacobian``.

    Args:
        func, inputs, create_graph, strict: see :func:`vjp`.
        vectorize: compute all rows at once, which is faster and takes more memory.
        strategy: ``"reverse-mode"``, row by row, or ``"forward-mode"``, column by column.

    Returns a Tensor of the shape of the result + that of the input; a tuple over the inputs, a tuple over the results, or a tuple of tuples,
    as there are several of them.

    Raises ``ValueError`` for another strategy.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import jacobian
    >>> jacobian(lambda x, y: x * y, (mg.tensor([1.0, 2.0]), mg.tensor(3.0)))
    (tensor([[3., 0.],
            [0., 3.]]), tensor([1., 2.]))
    """
    check("jacobian", locals(), strategy=("reverse-mode", "forward-mode"))
    with set_grad_enabled(True):
        return _jacobian(_trial("jacobian", func, inputs, create_graph), strict, vectorize, strategy)


def _jacobian(trial: Trial, strict: bool, vectorize: bool, strategy: str) -> Any:
    for k in range(len(trial.outputs) if strict else 0):  # each result must depend on each input
        found = trial.pull([ones_like(y) if i == k else None for i, y in enumerate(trial.outputs)], trial.outer)
        _product(trial, found, trial.inputs, trial.like, strict)
    chunk = None if vectorize else 1
    parts = rows(trial, trial.outer, chunk) if strategy == "reverse-mode" else columns(trial, trial.outer, chunk)
    return nested(trial.results, parts)


def hessian(
    func: Callable,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of ``func``, which returns one number, at ``inputs``: ``torch.autograd.functional.hessian``.

    Arguments are those of :func:`jacobian`, which is applied to the gradient with the strategy ``outer_jacobian_strategy``. Returns a Tensor of
    the shape of the input twice, or for a tuple of inputs a tuple of tuples.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import hessian
    >>> hessian(lambda x: x.prod(), mg.tensor([2.0, 3.0]))
    tensor([[0., 1.],
            [1., 0.]])
    """
    check("hessian", locals(), outer_jacobian_strategy=("reverse-mode", "forward-mode"))
    with set_grad_enabled(True):
        return _jacobian(_gradient("hessian", func, inputs, create_graph), strict, vectorize, outer_jacobian_strategy)


def vhp(func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """The value of ``func``, one number, and the product of ``v`` with its Hessian: ``torch.autograd.functional.vhp``.

    Arguments are those of :func:`vjp`, with a ``v`` of the shapes of ``inputs``. It is the gradient of the gradient: two walks back.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import vhp
    >>> vhp(lambda x: x.prod(), mg.tensor([2.0, 3.0]), mg.tensor([1.0, 10.0]))
    (tensor(6.), tensor([10.,  1.]))
    """
    with set_grad_enabled(True):
        trial = _gradient("vhp", func, inputs, create_graph)
        found = trial.pull(_vectors(trial, v, trial.like, trial.inputs), create_graph)
        return trial.released(trial.aux), _product(trial, found, trial.inputs, trial.like, strict)


def hvp(func: Callable, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """The value of ``func``, one number, and the product of its Hessian with ``v``: ``torch.autograd.functional.hvp``.

    Arguments are those of :func:`vhp`, and so is the product, since the Hessian is symmetric. It is forward mode over the gradient.

    >>> import minigrad as mg
    >>> from minigrad.func.functional import hvp
    >>> hvp(lambda x: x.prod(), mg.tensor([2.0, 3.0]), mg.tensor([1.0, 10.0]))
    (tensor(6.), tensor([10.,  1.]))
    """
    with set_grad_enabled(True):
        trial = _gradient("hvp", func, inputs, create_graph)
        found = trial.push(_vectors(trial, v, trial.like, trial.inputs), create_graph)
        return trial.released(trial.aux), _product(trial, found, trial.inputs, trial.like, strict)


# ------------------------------------------------------------------------------------------------------ what they share


def _trial(who: str, func: Callable, inputs: Tensors, create_graph: bool, has_aux: bool = False) -> Trial:
    check(who, {"func": func}, func="a function")
    several = isinstance(inputs, tuple)
    argnums: Any = tuple(range(len(inputs))) if several else 0
    return Trial(who, func, inputs if several else (inputs,), argnums, None, has_aux, create_graph)


def _gradient(who: str, func: Callable, inputs: Tensors, create_graph: bool) -> Trial:
    """The run of the gradient of ``func``, which must return one number, with the number as ``aux``."""
    check(who, {"func": func}, func="a function")

    @wraps(func)
    def number(*xs: Any) -> Any:
        y = func(*xs)
        if not isinstance(y, TensorBase) or y._data.size != 1:
            what = f"one of shape {y._data.shape}" if isinstance(y, TensorBase) else shown(y)
            raise RuntimeError(f"{who}: {name_of(func)} must return a tensor with one element, and returned {what}")
        return reshape(y, ()), y

    argnums: Any = tuple(range(len(inputs))) if isinstance(inputs, tuple) else 0
    return _trial(who, grad(number, argnums, has_aux=True), inputs, create_graph, has_aux=True)


def _vectors(trial: Trial, v: Any, like: Any, tensors: Sequence[Any]) -> list[Any]:
    if v is not None:
        return trial.vectors("v", v, like)
    if len(tensors) != 1 or tensors[0]._data.size != 1:
        raise RuntimeError(f"{trial.who}: v may be left out only for a single tensor with one element")
    return [ones_like(tensors[0])]


def _product(trial: Trial, found: list[Any], tensors: Sequence[Any], like: Any, strict: bool) -> Any:
    if strict:
        for i, t in enumerate(found):
            if t is None or (trial.outer and t._node is None):
                what = "is independent" if t is None else "has a derivative that is independent"
                raise RuntimeError(f"{trial.who}: with strict=True, {trial.name} {what} of the inputs, at number {i} of the product")
    return nested(like, filled(found, tensors))
