"""What is known of an op besides its formulas: that it is elementwise, or linear in some of its inputs, or how tangents pass through it.

Forward mode (:mod:`minigrad.engine.forward`) and ``vmap`` read these declarations, which stand above ``@op`` and cost a call of the op nothing.
None of them is needed: an op without one is differentiated forwards by its gradient formulas. A declaration makes that fast. A wrong one fails
:func:`minigrad.testing.check_op`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F")


def elementwise(function: F) -> F:
    """Mark an op whose inputs are broadcast together, and whose result at each place depends on their elements at that place only.

    The Jacobian of each input is diagonal then, and so its own transpose: the input's gradient formula, given a tangent in place of ``g``,
    returns the tangent of the result. With several results (``frexp``) the same holds for each.

    >>> import numpy as np, minigrad as mg
    >>> @mg.elementwise
    ... @mg.op(x=lambda g, x: g * (3 * x * x))
    ... def cube(x):
    ...     return x**3
    >>> cube.op.elementwise
    True
    """
    function.op.elementwise = True  # type: ignore[attr-defined]
    return function


def views(function: F) -> F:
    """Mark an op of one input whose result is a view of it, as in PyTorch, wherever the memory allows: a write to the result writes the input.

    Its results remember what they were taken from; see :mod:`minigrad.views`. The results of all other ops are values of their own.

    >>> import minigrad as mg
    >>> mg.reshape.op.views, mg.flip.op.views
    (True, False)
    """
    function.op.views = True  # type: ignore[attr-defined]
    return function


def unnamed(function: F) -> F:
    """Mark an op that users know by the public functions of its file that call it, as ``conv2d`` calls ``conv``: its nodes know which did.

    >>> import minigrad as mg
    >>> x = mg.ones(1, 1, 2, 2, requires_grad=True)
    >>> mg.max_pool2d(x, 2).grad_fn.caller.co_name
    'max_pool2d'
    """
    function.op.unnamed = True  # type: ignore[attr-defined]
    return function


class jointly:
    """Give an op one formula for several inputs that is used where all of them require a gradient, because it shares work.

    Where only some do, each input's own formula is used, so the op has both. The names are in the order of the kernel's parameters, with spaces
    between them; the formula is written as a :func:`~minigrad.engine.joint` one is, and returns a gradient for each.

    Raises ``TypeError`` when the op is defined, if a name is not one of its inputs with a formula.

    >>> import numpy as np, minigrad as mg
    >>> @mg.jointly("a b", lambda g, a, b: ((g1 := g / b), -a / b * g1))
    ... @mg.op(a=lambda g, b: g / b, b=lambda g, a, b: -g * a / (b * b))
    ... def ratio(a, b):
    ...     return a / b
    >>> a, b = mg.tensor(3.0, requires_grad=True), mg.tensor(2.0, requires_grad=True)
    >>> mg.grad(ratio(a, b), (a, b))
    (tensor(0.5000), tensor(-0.7500))
    """

    def __init__(self, names: str, formula: Callable):
        self.names, self.formula = names.split(), formula

    def __call__(self, function: F) -> F:
        op = function.op  # type: ignore[attr-defined]
        for name in self.names:
            if op.formulas.get(name) is None or name == op.variadic:
                raise TypeError(f"@jointly {op.name}: '{name}' is not an input of {op.name}{op.signature} with a formula of its own")
        places = tuple(op.inputs.index(name) for name in self.names)
        op.together = (*op.together, (self.formula, op.parameters_of(self.formula, self.names[0], "g"), places))
        return function


class linear_in:
    """Mark an op that is linear in some of its inputs: the op itself, given their tangents, returns the tangent of its result.

    Each argument names, with spaces between them, inputs in which the op is linear *together* while all others stay as they are:
    ``@linear_in("x")`` for a sum or a change of shape, ``@linear_in("a", "b")`` for a product, ``@linear_in("x bias", "w bias")`` for a
    convolution ``x * w + bias``. The tangent of an input is put through one group that names it, with zeros for the group's inputs
    that have none.

    Raises ``TypeError`` when the op is defined, if a name is not one of its inputs.

    >>> import numpy as np, minigrad as mg
    >>> @mg.linear_in("a", "b")
    ... @mg.op(a=lambda g, b: g * b, b=lambda g, a: g * a)
    ... def times(a, b):
    ...     return a * b
    >>> times.op.linear
    (('a',), ('b',))
    """

    def __init__(self, *groups: str):
        self.groups = tuple(tuple(group.split()) for group in groups)

    def __call__(self, function: F) -> F:
        op = function.op  # type: ignore[attr-defined]
        for name in (name for group in self.groups for name in group):
            if name not in op.formulas or name == op.variadic:
                raise TypeError(f"@linear_in {op.name}: '{name}' is not an input of {op.name}{op.signature} (nor is *args one)")
        op.linear = self.groups
        return function


class tangent:
    """Give an op formulas for its tangent: for each input named, the tangent of the result that comes of the tangent ``t`` of this input.

    They are written as gradient formulas are: the parameters after ``t`` name what they need. That must be something that the input's
    gradient formula needs too, or a static argument, because nothing else is kept. The formula of ``*args`` takes a tuple, with None for
    each argument that has no tangent. An op with several results gets a tuple of tangents, with None for zeros.

    Raises ``TypeError`` when the op is defined, if a formula has a parameter that its input's gradient formula does not have.

    >>> import numpy as np, minigrad as mg
    >>> @mg.tangent(x=lambda t, by: shifted(t, by))
    ... @mg.op(x=lambda g, by: shifted(g, -by))
    ... def shifted(x, by):
    ...     return np.roll(x, by)
    >>> mg.func.jvp(lambda x: shifted(x, 1), (mg.arange(3.0),), (mg.tensor([1.0, 2.0, 3.0]),))
    (tensor([2., 0., 1.]), tensor([3., 1., 2.]))
    """

    def __init__(self, **formulas: Callable):
        self.formulas = formulas

    def __call__(self, function: F) -> F:
        op = function.op  # type: ignore[attr-defined]
        for name, formula in self.formulas.items():
            kept = op.needs.get(name)
            if kept is None:
                raise TypeError(f"@tangent {op.name}: '{name}' is not an input of {op.name}{op.signature} with a gradient")
            for need in op.parameters_of(formula, name, "t"):
                if need not in kept and need[1] not in op.statics:
                    raise TypeError(f"@tangent {op.name}: {need[1]} is not kept, since the gradient formula of '{name}' does not name it")
        op.tangents = self.formulas
        return function
