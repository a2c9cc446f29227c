"""Memory for time: what a part of a model needs for backward is computed again when backward comes there, instead of being kept.

:func:`checkpoint` stands on :class:`~minigrad.engine.saved.saved_tensors_hooks`: while the part runs, the arrays that its ops would keep are only
counted; the first one that backward asks for makes the part run again, and that run's arrays are handed out by number. So parameters that
the part uses without being passed, derivatives of any order and ``mg.grad`` need no care.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from minigrad.engine import enable_grad, is_grad_enabled, saved_tensors_hooks
from minigrad.ops.arguments import check
from minigrad.random import Generator, drawing_from, get_rng_state
from minigrad.types import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Part:
    """A call that is run again when an array is asked for that it would have kept."""

    def __init__(self, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], state: Any):
        self.function, self.args, self.kwargs, self.state = function, args, kwargs, state
        self.counted = 0
        self.made: dict[int, Tensor] = {}

    def run(self) -> Any:
        return self.function(*self.args, **self.kwargs)

    def count(self, array: Tensor) -> int:
        self.counted += 1
        return self.counted - 1

    def collect(self, array: Tensor) -> None:
        self.made[len(self.made)] = array

    def fetch(self, number: int) -> Tensor:
        if number not in self.made:
            self.made.clear()
            with enable_grad(), saved_tensors_hooks(self.collect, lambda nothing: nothing):
                if self.state is None:
                    self.run()
                else:
                    with drawing_from(Generator().set_state(self.state)):
                        self.run()
            if len(self.made) != self.counted:
                raise RuntimeError(
                    f"checkpoint: run again, the function kept {len(self.made)} arrays instead of {self.counted}: it did not do the same. "
                    "What it does must follow from its arguments and from mg's random numbers"
                )
        return self.made.pop(number)  # each is asked for once, and the memory is free again


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True, **kwargs: Any
) -> Any:
    """``function(*args, **kwargs)``, which keeps nothing for backward but its arguments, and is run a second time by it: ``torch.utils.checkpoint``.

    Args:
        function: a module or any function. It must do the same in the second run. What it changes besides, such as the running averages of
            batch normalisation, it changes twice, as in PyTorch.
        args: its arguments.
        use_reentrant: accepted; there is one way here, that of PyTorch's ``use_reentrant=False``.
        preserve_rng_state: give the second run the random numbers of the first, so that dropout drops the same.
        kwargs: its keyword arguments.

    Raises ``RuntimeError`` in backward if the second run keeps another number of arrays than the first.

    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.recompute import checkpoint
    >>> layer, x = nn.Linear(2, 2), mg.ones(1, 2)
    >>> checkpoint(lambda x: layer(x).exp(), x).sum().backward()
    >>> again = mg.grad(layer(x).exp().sum(), layer.weight)
    >>> bool((layer.weight.grad == again[0]).all())
    True
    """
    check("checkpoint", locals(), function="a function")
    if not is_grad_enabled():
        return function(*args, **kwargs)
    part = _Part(function, args, kwargs, get_rng_state() if preserve_rng_state else None)
    with saved_tensors_hooks(part.count, part.fetch):
        return part.run()


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """Run functions one after another, in ``segments`` parts of which all but the last are checkpointed.

    Args:
        functions: an ``nn.Sequential``, or any functions of one argument.
        segments: how many parts; the arrays of one part at a time are in memory during backward.
        input: what the first function takes.
        use_reentrant: accepted.
        preserve_rng_state: see :func:`checkpoint`.

    Raises ``ValueError`` unless ``segments`` is from 1 to the number of functions.

    >>> import minigrad as mg
    >>> from minigrad.recompute import checkpoint_sequential
    >>> checkpoint_sequential([mg.sin, mg.cos, mg.exp], 2, mg.zeros(1))
    tensor([2.7183])
    """
    check("checkpoint_sequential", locals(), functions="a list of functions", segments=1)
    steps = list(functions)
    if segments > len(steps):
        raise ValueError(f"checkpoint_sequential: segments must be from 1 to the {len(steps)} functions, but is {segments}")
    size = len(steps) // segments

    def run(part: list[Callable[..., Any]]) -> Callable[[Any], Any]:
        def through(x: Any) -> Any:
            for step in part:
                x = step(x)
            return x

        return through

    for start in range(0, size * (segments - 1), size):
        part = run(steps[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return run(steps[size * (segments - 1) :])(input)
