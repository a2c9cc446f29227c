"""What an op can be checked on: declared by :func:`domain`, or inferred from the op's signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.engine import Function
from minigrad.ops.arguments import check
from minigrad.testing.function import function_class, name_of, op_of, signature_of


def domain(*whole: Callable, **arguments: Any) -> Callable[[Callable], Callable]:
    """Declare on what values a function can be checked; goes above ``@op``, above any function of Tensors, and above a class of :class:`minigrad.Function`.

    Args:
        arguments: for an argument of the function
            an interval ``(low, high)`` that the elements of an array lie in (None: no bound, so that large ones are drawn too);
            a list of values to choose from, as statics have;
            a strategy, or a function of the strategies module that returns one: ``lambda st: st.arrays(distinct=True)``;
            anything else is a constant.
        whole: or one function of the strategies module for the whole call: ``lambda st: st.matmul_operands()``.

    Array arguments that are given as intervals, or not at all, broadcast with one another. ``check_op(f)`` without strategies and
    ``python -m minigrad gradcheck FILE`` use the declaration. Nothing heavy is imported until then.

    >>> import minigrad as mg, numpy as np
    >>> from minigrad.testing import check_op, domain
    >>> @domain(x=(0.1, 4.0), base=[2.0, 10.0])
    ... @mg.op(x=lambda g, x, base: g / (x * np.log(base).item()))
    ... def log_to(x, *, base):
    ...     return np.log(x) / np.log(base).item()
    >>> check_op(log_to, examples=10).rows[0].argument
    'x'
    """
    if whole and (arguments or len(whole) > 1 or not callable(whole[0])):
        raise TypeError("domain: either one function of the strategies module, or a keyword for each argument")

    def declare(function: Callable) -> Callable:
        called = function.apply if isinstance(function, type) and issubclass(function, Function) else function
        known = set(signature_of(called).parameters)
        unknown = set(arguments) - known
        if unknown:
            raise TypeError(f"domain: {name_of(function)} has no argument {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        function.domain = whole[0] if whole else arguments  # type: ignore[attr-defined]
        return function

    return declare


def surrogate(declared: Callable) -> Callable[[Callable], Callable]:
    """Declare that the gradients of a function are, on purpose, those of another one; goes above ``@op``.

    Args:
        declared: a function of the same arguments, given as Tensors, with results of the same shapes.

    The checks then compare the gradients with the numerical derivatives of ``declared``. Everything else is checked as ever.

    >>> import minigrad as mg, numpy as np
    >>> from minigrad.testing import gradcheck, surrogate
    >>> @surrogate(lambda x: mg.clamp(x, -1.0, 1.0))
    ... @mg.op(x=lambda g, x: g * (abs(x) <= 1.0))
    ... def binarized(x):
    ...     return np.where(x >= 0, x.dtype.type(1), x.dtype.type(-1))
    >>> gradcheck(binarized, np.array([-2.0, 0.5])).elements
    2
    """
    check("surrogate", locals(), declared="a function")

    def declare(function: Callable) -> Callable:
        function.surrogate = declared  # type: ignore[attr-defined]
        return function

    return declare


def declared(function: Callable) -> Any:
    """What :func:`domain` declared of a function, or of the class whose ``apply`` it is; None if nothing."""
    return getattr(function_class(function) or function, "domain", None)


class CannotInfer(TypeError):
    """The arguments of a function cannot be inferred, and it does not declare its domain."""


def candidates(function: Callable) -> list[tuple[str, Any]]:
    """Strategies of calls to try one after the other, each with a remark: what is declared, or what an op might take.

    Elementwise ops take anything, or small numbers only (exp overflows), or positive ones, or numbers between 0 and 1; matrix products take matrices.
    Raises :class:`CannotInfer`.
    """
    from minigrad.testing import strategies as st

    first = infer(function)
    if declared(function) is not None:
        return [("", first)]
    found = [
        ("", first),
        ("on values from -3 to 3", infer(function, low=-3.0, high=3.0)),
        ("on values from 0.1 to 3", infer(function, low=0.1, high=3.0)),
        ("on values from 0.1 to 0.9", infer(function, low=0.1, high=0.9)),
    ]
    op = op_of(function)
    if op is not None and op.variadic is None:
        required = [n for n in op.inputs if n not in op.optional]
        if len(required) == 2:
            found.append(("on operands of a matrix product", st.matmul_operands()))
        found.append(("on square matrices", _square_matrices(len(required))))
    return found


def _square_matrices(count: int) -> Any:
    from minigrad.testing import strategies as st

    return st.integers(1, 3).flatmap(lambda n: st.call(*[st.arrays((n, n))] * count))


def infer(function: Callable, **bounds: Any) -> Any:
    """A strategy of calls for ``function``, from its declaration and its signature.

    An argument without a declaration is an array (with the given ``low`` and ``high``) if the function is an op and the
    argument an input without default, or if it is that of a ``Function``; arguments with defaults are left out. Raises :class:`CannotInfer`.
    """
    from minigrad.testing import strategies as st

    domain = declared(function) or {}
    if callable(domain):
        return domain(st)
    op = op_of(function)
    options: dict[str, dict] = {}  # arrays that broadcast with one another: name -> options of st.arrays
    others: dict[str, Any] = {}
    for p in signature_of(function).parameters.values():
        value = domain.get(p.name, p.default)
        if p.name in domain:
            if isinstance(value, st.SearchStrategy):
                others[p.name] = value
            elif callable(value) and not isinstance(value, type):
                others[p.name] = value(st)
            elif isinstance(value, list):
                others[p.name] = st.sampled_from(value)
            elif isinstance(value, tuple) and len(value) == 2 and (op is None or p.name in op.inputs):
                options[p.name] = {"low": value[0], "high": value[1]}
            else:
                others[p.name] = st.just(value)
        elif p.kind is p.VAR_POSITIONAL:
            if op is not None and op.variadic == p.name and not op.inputs:
                return (
                    st.shapes()
                    .flatmap(lambda shape: st.lists(st.arrays(shape, **bounds), min_size=1, max_size=3))
                    .map(lambda a: st.Call(a))
                )
            raise CannotInfer(f"{name_of(function)}: declare its domain: what *{p.name} takes cannot be inferred")
        elif p.default is p.empty:
            if p.name not in (op.inputs if op is not None else [p.name] if function_class(function) else []):
                raise CannotInfer(f"{name_of(function)}: declare its domain: there is no telling what '{p.name}' may be")
            options[p.name] = bounds
    arrays = st.broadcastable(len(options), each=tuple(options.values()))
    names = list(options)

    @st.composite
    def calls(draw: Any) -> Any:
        found = dict(zip(names, draw(arrays).args, strict=True)) if names else {}
        found.update({name: draw(strategy) for name, strategy in others.items()})
        args = []
        parameters = list(signature_of(function).parameters.values())
        for p in parameters:  # by position as far as possible: it reads better
            if p.kind is p.KEYWORD_ONLY or p.name not in found:
                break
            args.append(found.pop(p.name))
        return st.Call(args, found)

    return calls()
