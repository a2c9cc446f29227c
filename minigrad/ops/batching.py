"""Families of batching rules: see :mod:`minigrad.engine.batching` for what a rule takes and returns.

All take the kernel ``run``, inputs with the batch as dimension 0 (of size 1 for one that all samples share), and the static arguments by name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.engine import Level, aligned, enter, enter_each, innermost, is_array, is_batched, leave, moved, repeated
from minigrad.ops.arguments import positive_dim
from minigrad.random import get_rng_state, set_rng_state
from minigrad.tree import rebuilt

F = TypeVar("F", bound=Callable[..., Any])


def behind(dim: Any, ndim: int) -> Any:
    """The dimension ``dim`` of a sample of ``ndim`` dimensions, or several, in the batch."""
    if isinstance(dim, (tuple, list)):
        return tuple([positive_dim("vmap", d, ndim) + 1 for d in dim])
    return positive_dim("vmap", dim, ndim) + 1


def leading(run: Any, *inputs: Any, **statics: Any) -> Any:
    """The kernel takes any leading dimensions, the same for all inputs."""
    return run(*inputs, **statics)


def reduced(run: Any, x: Any, dim: Any = None, **statics: Any) -> Any:
    """A reduction along ``dim``."""
    if x.ndim == 1:  # numbers
        x, dim, statics = x.reshape((-1, 1)), 0, {**statics, **({"keepdim": False} if "keepdim" in statics else {})}
    everything = dim is None or dim == () or dim == []
    return run(x, dim=tuple(range(1, x.ndim)) if everything else behind(dim, x.ndim - 1), **statics)


def positions(run: Any, x: Any, dim: Any, **statics: Any) -> Any:
    """A reduction along one ``dim``, or of all elements as one line."""
    if dim is not None and x.ndim > 1:
        return reduced(run, x, dim, **statics)
    found = run(x.reshape((x.shape[0], -1)) if x.shape[0] else x, dim=1, **{**statics, "keepdim": False})
    return found.reshape((x.shape[0], *[1] * (x.ndim - 1))) if statics["keepdim"] and dim is None else found


def along_dim(name: str = "dim") -> Callable[..., Any]:
    """The rule of an op along one dimension (or several), whose results have as many dimensions as its inputs, all of one shape."""

    def rule(run: Any, *inputs: Any, **statics: Any) -> Any:
        size = max([x.shape[0] for x in inputs])
        inputs = tuple([repeated(x, size) for x in aligned(inputs)])
        if inputs[0].ndim > 1:
            return run(*inputs, **{**statics, name: behind(statics[name], inputs[0].ndim - 1)})
        positive_dim(run.op.name, statics[name], 0)
        out = run(*[x.reshape((-1, 1)) for x in inputs], **{**statics, name: 1})
        return tuple([o[:, 0] if is_array(o) else o for o in out]) if type(out) is tuple else out[:, 0]

    return rule


def matrices(run: Any, *inputs: Any, **statics: Any) -> Any:
    """The kernel takes matrices, with leading dimensions that are broadcast."""
    return run(*aligned(inputs), **statics)


def folded(run: Any, x: Any, *others: Any, **statics: Any) -> Any:
    """The kernel takes images ``N C ...`` one by one: those of all samples are those of one batch. All inputs are such images."""
    size = max(x.shape[0], *[o.shape[0] for o in others], 0)
    inputs = [repeated(a, size) for a in (x, *others)]
    out = run(*[merged(a) for a in inputs], **statics)
    return tuple([o if o is None else split(o, size) for o in out]) if type(out) is tuple else split(out, size)


def merged(x: Any, at: int = 0) -> Any:
    """Dimensions ``at`` and ``at + 1`` as one."""
    return x.reshape((*x.shape[:at], x.shape[at] * x.shape[at + 1], *x.shape[at + 2 :]))


def split(x: Any, size: int, at: int = 0) -> Any:
    """Dimension ``at`` as two, the first of ``size``."""
    return x.reshape((*x.shape[:at], size, x.shape[at] // size if size else 0, *x.shape[at + 1 :]))


def with_channels(x: Any) -> Any:
    """The samples of ``n N C ...`` side by side, as groups of channels: ``N (n C) ...``."""
    return merged(moved(x, 0, 1), 1)


def of_channels(x: Any, size: int) -> Any:
    """The opposite of :func:`with_channels`."""
    return moved(split(x, size, 1), 1, 0)


def elements(shape: tuple[int, ...]) -> int:
    """Number of elements of a sample of a batch with ``shape``."""
    return math.prod(shape[1:])


def sample_by_sample(random: bool = False, whole: str = "") -> Callable[[F], F]:
    """Decorator of a function of Tensors that reads their numbers: inside ``vmap`` it is called for each sample, and the results are stacked.

    Args:
        random: it draws numbers, which are those that ``randomness`` asks for.
        whole: it is called once instead: ``"images"`` if all its Tensors, and its results, are images ``N C ...`` that it takes one by one, so
            that those of all samples are one batch; ``"elements"`` if it is elementwise (and draws numbers of its own for each element).
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            level = innermost.get()
            if level is None or not (
                random or any(is_batched(x) and getattr(x, "_data", x).level is level for x in (*args, *kwargs.values()))
            ):
                return function(*args, **kwargs)
            if random:
                level.refuse_random()
            if whole and not (random and level.randomness == "same"):
                return _at_once(call, args, kwargs, whole, level)
            level.looped[function.__name__] += 1
            state = get_rng_state() if random and level.randomness == "same" else None
            results = []
            for i in range(level.size):
                if state is not None:
                    set_rng_state(state)
                with level.unrolled():
                    ours, named = [_alone(x, i, level) for x in args], {name: _alone(x, i, level) for name, x in kwargs.items()}
                    results.append(call(*ours, **named))
            return _stacked(results, level)

        return call  # type: ignore[return-value]

    return decorate


def _at_once(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], whole: str, level: Level) -> Any:
    """``function`` of the images, or of the elements, of all samples."""
    with level.unrolled():
        given = {key: leave(x, level=level, dim=0) for key, x in (*enumerate(args), *kwargs.items()) if is_array(x) or is_batched(x)}
        ready = (
            {key: merged(x) for key, x in given.items()}
            if whole == "images"
            else dict(zip(given, aligned(list(given.values())), strict=True))
        )
        out = function(*[ready.get(i, x) for i, x in enumerate(args)], **{key: ready.get(key, x) for key, x in kwargs.items()})
    return enter(split(out, level.size) if whole == "images" else out, level=level, dim=0)


def _alone(x: Any, i: int, level: Level) -> Any:
    """An argument for sample ``i``. One that all samples share gets a gradient from each."""
    ours = is_batched(x) and getattr(x, "_data", x).level is level
    return leave(x, level=level, dim=0)[i] if ours or getattr(x, "_node", None) is not None else x


def _stacked(results: list[Any], level: Level) -> Any:
    """The results of all samples, Tensors or tuples of them, as those of ``level``."""
    first = results[0]
    if isinstance(first, tuple):
        return rebuilt(first, [_stacked(list(these), level) for these in zip(*results, strict=True)])
    return enter_each(*results, level=level)
