"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.nn.module import Module
from minigrad.ops.arguments import shown
from minigrad.ops.shape import stack


def stack_module_state(models: Iterable[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one kind, each stacked along a new dimension 0: ``torch.func.stack_module_state``.

    Args:
        models: modules of one class, with parameters of the same names and shapes, and all in training mode or none.

    Returns:
        ``(parameters, buffers)``: two dicts of path -> Tensor. They are copies; a parameter requires a gradient if those of the models do. What
        takes one model's share of them is ``functional_call``, and what calls it for all models is ``vmap``.

    Raises ``RuntimeError`` where the models differ or there are none, ``TypeError`` for what is no module.

    >>> import minigrad as mg
    >>> from minigrad import func, nn
    >>> models = [nn.Linear(2, 1) for _ in range(5)]
    >>> parameters, buffers = func.stack_module_state(models)
    >>> {name: p.shape for name, p in parameters.items()}
    {'weight': torch.Size([5, 1, 2]), 'bias': torch.Size([5, 1])}
    """
    several = list(models)
    for model in several:
        if not isinstance(model, Module):
            raise TypeError(f"stack_module_state: models must be modules, but one is {shown(model)}")
    if not several:
        raise RuntimeError("stack_module_state: there is no model")
    if len({type(model) for model in several}) > 1 or len({model.training for model in several}) > 1:
        raise RuntimeError("stack_module_state: the models must be of one class, and all in training mode or none")
    parameters = _stacked([dict(model.named_parameters()) for model in several])
    return parameters, _stacked([dict(model.named_buffers()) for model in several])


def _stacked(states: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in states[0]:
        parts: list[Any] = [state.get(name) for state in states]
        if any(p is None or p.shape != parts[0].shape or p.requires_grad != parts[0].requires_grad for p in parts):
            raise RuntimeError(f"stack_module_state: the models must have {name} of one shape, all with requires_grad or none")
        found[name] = stack([p.detach() for p in parts]).requires_grad_(parts[0].requires_grad)
    if any(state.keys() != states[0].keys() for state in states):
        raise RuntimeError("stack_module_state: the models must have parameters and buffers of the same names")
    return found
