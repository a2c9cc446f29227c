"""Derivatives as functions, with the names and semantics of ``torch.func``.

Arguments and results may be nested dicts, lists and tuples of Tensors. The functions compose with each other, with ``vmap`` and with
``no_grad``: under ``no_grad`` outside, derivatives have no graph; ``no_grad`` inside makes a constant of what is computed there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.creation import ones_like, zeros_like
from minigrad.engine import TensorBase, wrap
from minigrad.func.trial import Trial, nested
from minigrad.func.vmap import vmap
from minigrad.ops.arguments import check, shown
from minigrad.ops.shape import reshape
from minigrad.types import P

Argnums = int | tuple[int, ...]


def wraps(func: Callable) -> Callable[[Callable], Callable]:
    """``functools.wraps`` of a function, a module or a ``partial``."""
    return functools.wraps(func, [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(func, name)], ())


def grad(func: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The gradient of ``func``, as a function of the same arguments: ``torch.func.grad``.

    Args:
        func: a function that returns a Tensor without dimensions.
        argnums: by which positional argument to differentiate; a tuple for several. All Tensors in these are floating.
        has_aux: ``func`` returns ``(value, aux)``; aux is passed on and not differentiated.

    Returns:
        A function that returns the gradient, nested as the argument is, or a tuple of gradients for a tuple of ``argnums``; with ``has_aux``
        the pair ``(gradient, aux)``. An argument that the value does not depend on has a gradient of zeros.

    Raises ``TypeError`` for an argument that is no floating Tensor, ``ValueError`` for a wrong ``argnums``, ``RuntimeError`` for a value that
    is not one number.

    >>> import minigrad as mg
    >>> from minigrad.func import grad
    >>> slope = grad(mg.sin)
    >>> slope(mg.tensor(0.0)), grad(grad(slope))(mg.tensor(0.0))
    (tensor(1.), tensor(-1.))
    >>> grad(lambda weights, x: (weights["scale"] * x).sum())({"scale": mg.tensor(2.0)}, mg.tensor([1.0, 2.0]))
    {'scale': tensor(3.)}
    """
    check("grad", locals(), func="a function")

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        trial, found = _gradient("grad", func, args, argnums, kwargs, has_aux)
        return (found, trial.released(trial.aux)) if has_aux else found

    return gradient


def grad_and_value(func: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """:func:`grad`, whose result comes with the value of ``func``: ``(gradient, value)``, with ``has_aux`` ``(gradient, (value, aux))``.

    >>> import minigrad as mg
    >>> from minigrad.func import grad_and_value
    >>> grad_and_value(lambda x: (x * x).sum())(mg.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """
    check("grad_and_value", locals(), func="a function")

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        trial, found = _gradient("grad_and_value", func, args, argnums, kwargs, has_aux)
        value = trial.released(trial.results)
        return found, ((value, trial.released(trial.aux)) if has_aux else value)

    return gradient


def _gradient(who: str, func: Callable, args: tuple, argnums: Argnums, kwargs: dict[str, Any], has_aux: bool) -> tuple[Trial, Any]:
    trial = Trial(who, func, args, argnums, kwargs, has_aux)
    y = trial.results
    if not isinstance(y, TensorBase) or y._data.shape:
        what = f"one of shape {y._data.shape}" if isinstance(y, TensorBase) else shown(y)
        raise RuntimeError(f"{who}: {trial.name} must return a tensor without dimensions, and returned {what}")
    return trial, nested(trial.like, filled(trial.pull([ones_like(trial.outputs[0])], trial.is_recorded(())), trial.inputs))


def filled(found: list[Any], like: Sequence[Any]) -> list[Any]:
    """Zeros in place of None."""
    return [wrap(np.zeros(x._data.shape, x._data.dtype)) if t is None else t for t, x in zip(found, like, strict=True)]


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``func(*primals)``, and the function of its vector-Jacobian products: ``torch.func.vjp``.

    Args:
        func: any function of Tensors.
        primals: its arguments, all floating.
        has_aux: ``func`` returns ``(results, aux)``.

    Returns:
        ``(results, vjp_fn)``, with ``has_aux`` ``(results, vjp_fn, aux)``. ``vjp_fn(cotangents)`` takes vectors nested like the results, and returns a
        tuple with a gradient for each argument, nested like it. It may be called many times.

    Raises ``ShapeError`` for cotangents of other shapes than the results have, ``ValueError`` where they are nested in another way.

    >>> import minigrad as mg
    >>> from minigrad.func import vjp
    >>> y, vjp_fn = vjp(lambda x: x * x, mg.tensor([1.0, 2.0]))
    >>> y, vjp_fn(mg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), (tensor([ 2., 40.]),))
    """
    check("vjp", locals(), func="a function")
    _require("vjp", primals)
    trial = Trial("vjp", func, primals, tuple(range(len(primals))), has_aux=has_aux)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple:
        """The gradients by the arguments of the results times ``cotangents``. (PyTorch's two switches are accepted: no graph is freed.)"""
        vectors = trial.vectors("the cotangent", cotangents, trial.results)
        return nested(trial.like, filled(trial.pull(vectors, trial.is_recorded(vectors)), trial.inputs))

    results = trial.released(trial.results)
    return (results, vjp_fn, trial.released(trial.aux)) if has_aux else (results, vjp_fn)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``func(*primals)``, and its derivative along ``tangents``, the Jacobian-vector product: ``torch.func.jvp``.

    Args:
        func: any function of Tensors.
        primals: the tuple of its arguments, all floating.
        tangents: a vector for each, nested alike and of the same shapes.
        strict: raise where a result does not depend on the arguments, instead of returning zeros.
        has_aux: ``func`` returns ``(results, aux)``.

    Returns:
        ``(results, tangents of the results)``, with ``has_aux`` ``(results, tangents, aux)``.

    It is forward mode: one walk through the graph that the call recorded, from the oldest node on. See :mod:`minigrad.engine.forward`.

    Raises ``TypeError`` where ``primals`` or ``tangents`` is no tuple, ``ShapeError`` for tangents of other shapes than the arguments have,
    ``ValueError`` where they are nested in another way, ``RuntimeError`` for a result that depends on nothing, if ``strict``.

    >>> import minigrad as mg
    >>> from minigrad.func import jvp
    >>> jvp(lambda x, y: x * y, (mg.tensor(3.0), mg.tensor(5.0)), (mg.tensor(1.0), mg.tensor(10.0)))
    (tensor(15.), tensor(35.))
    """
    check("jvp", locals(), func="a function")
    _require("jvp", primals, tangents)
    trial = Trial("jvp", func, primals, tuple(range(len(primals))), has_aux=has_aux)
    vectors = trial.vectors("the tangent", tangents, primals)
    found = trial.push(vectors, trial.is_recorded(vectors))
    if strict and None in found:
        raise RuntimeError(
            f"jvp: result {found.index(None)} of {trial.name} does not depend on the arguments; with strict=False its tangent is zero"
        )
    pair = trial.released(trial.results), nested(trial.results, filled(found, trial.outputs))
    return (*pair, trial.released(trial.aux)) if has_aux else pair


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """The value of ``func(*primals)``, and the function of its Jacobian-vector products: ``torch.func.linearize``.

    Returns ``(results, jvp_fn)``. ``jvp_fn(*tangents)`` is what :func:`jvp` computes, without running ``func`` again.

    >>> import minigrad as mg
    >>> from minigrad.func import linearize
    >>> y, jvp_fn = linearize(lambda x: x * x, mg.tensor([1.0, 2.0]))
    >>> y, jvp_fn(mg.tensor([1.0, 0.0])), jvp_fn(mg.tensor([0.0, 1.0]))
    (tensor([1., 4.]), tensor([2., 0.]), tensor([0., 4.]))
    """
    check("linearize", locals(), func="a function")
    _require("linearize", primals)
    trial = Trial("linearize", func, primals, tuple(range(len(primals))))

    def jvp_fn(*tangents: Any) -> Any:
        """The tangents of the results."""
        vectors = trial.vectors("the tangent", tangents, primals)
        return nested(trial.results, filled(trial.push(vectors, trial.is_recorded(vectors)), trial.outputs))

    return trial.released(trial.results), jvp_fn


def _require(who: str, primals: Any, tangents: Any = ()) -> None:
    for what, value in {"primals": primals, "tangents": tangents}.items():
        if not isinstance(value, tuple):
            raise TypeError(f"{who}: {what} must be a tuple with one entry for each argument, but is {shown(value)}")
    if not primals:
        raise ValueError(f"{who}: there is no argument to differentiate by")


# ---------------------------------------------------------------------------------------------------- whole matrices


def jacrev(
    func: Callable[P, Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[P, Any]:
    """The Jacobian of ``func``, as a function of the same arguments, computed row by row: ``torch.func.jacrev``.

    Args:
        func: any function of Tensors.
        argnums: by which positional argument to differentiate; a tuple for several.
        has_aux: ``func`` returns ``(results, aux)``, and the new function ``(jacobian, aux)``.
        chunk_size: the most rows to compute at once; None: all. Less memory is needed then.

    Returns:
        A function that returns, in the place of each result of shape S, the derivatives by each Tensor of the argument, of shape T: a Tensor of
        shape S + T, nested as the argument is. For a tuple of ``argnums`` it is a tuple of these.

    Rows are gradients, so this is for functions with fewer results than arguments; :func:`jacfwd` is for the others.

    >>> import minigrad as mg
    >>> from minigrad.func import jacrev
    >>> jacrev(lambda x: mg.stack([x.sum(), (x * x).sum()]))(mg.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 1., 1.],
            [2., 4., 6.]])
    """
    check("jacrev", locals(), "chunk_size", func="a function", chunk_size=1)

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        trial = Trial("jacrev", func, args, argnums, kwargs, has_aux)
        found = nested(trial.results, rows(trial, trial.is_recorded(()), chunk_size))
        return (found, trial.released(trial.aux)) if has_aux else found

    return jacobian


def rows(trial: Trial, record: bool, chunk_size: int | None = None) -> list[Any]:
    """For each output the derivatives by the inputs, nested like those, of the output's shape + the input's."""

    def of(k: int, y: Any) -> Any:
        def gradients(e: Any) -> list[Any]:
            return filled(trial.pull([e if i == k else None for i in range(len(trial.outputs))], record), trial.inputs)

        found = _along_basis(gradients, y, trial.inputs, 0, chunk_size)
        return nested(trial.like, [reshape(j, (*y.shape, *x.shape)) for j, x in zip(found, trial.inputs, strict=True)])

    return [of(k, y) for k, y in enumerate(trial.outputs)]


def jacfwd(func: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable[P, Any]:
    """The Jacobian of ``func``, as a function of the same arguments, computed column by column: ``torch.func.jacfwd``.

    Arguments and result are those of :func:`jacrev`. Columns are derivatives in forward mode, so this is for functions with fewer
    arguments than results. ``func`` runs once, so ``randomness`` (accepted as in PyTorch) has no effect.

    >>> import minigrad as mg
    >>> from minigrad.func import jacfwd
    >>> jacfwd(lambda t: mg.stack([t, t * t, t**3]))(mg.tensor(2.0))
    tensor([ 1.,  4., 12.])
    """
    check("jacfwd", locals(), func="a function", randomness=("error", "same", "different"))

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        trial = Trial("jacfwd", func, args, argnums, kwargs, has_aux)
        found = nested(trial.results, columns(trial, trial.is_recorded(())))
        return (found, trial.released(trial.aux)) if has_aux else found

    return jacobian


def columns(trial: Trial, record: bool, chunk_size: int | None = None) -> list[Any]:
    """What :func:`rows` returns, by forward mode."""
    found = []
    for k, x in enumerate(trial.inputs):

        def tangents(e: Any, k: int = k) -> list[Any]:
            return filled(trial.push([e if i == k else None for i in range(len(trial.inputs))], record), trial.outputs)

        found.append(_along_basis(tangents, x, trial.outputs, -1, chunk_size))
    return [
        nested(trial.like, [reshape(by[k], (*y.shape, *x.shape)) for by, x in zip(found, trial.inputs, strict=True)])
        for k, y in enumerate(trial.outputs)
    ]


def _along_basis(product: Callable[[Any], list[Any]], x: Any, like: list[Any], dim: int, chunk_size: int | None) -> list[Any]:
    """``product(e)``, a list of Tensors, for every unit vector e of the shape of ``x``, each stacked along ``dim``."""
    size = x._data.size
    basis = np.eye(size, dtype=x._data.dtype).reshape(size, *x._data.shape)
    if not size:
        return [zeros_like(y).unsqueeze(dim)[..., :0] for y in like]
    return list(vmap(lambda e: tuple(product(e)), 0, dim, "same", chunk_size=chunk_size)(wrap(basis)))


def hessian(func: Callable[P, Any], argnums: Argnums = 0) -> Callable[P, Any]:
    """The second derivatives of ``func``, as a function of the same arguments: ``torch.func.hessian``, ``jacfwd(jacrev(func))``.

    For a result of shape S and an argument of shape T it is of shape S + T + T; nested like the results, then twice like the argument.

    >>> import minigrad as mg
    >>> from minigrad.func import hessian
    >>> hessian(lambda x: x.prod())(mg.tensor([1.0, 2.0, 3.0]))
    tensor([[0., 3., 2.],
            [3., 0., 1.],
            [2., 1., 0.]])
    """
    check("hessian", locals(), func="a function")
    return jacfwd(jacrev(func, argnums), argnums)
