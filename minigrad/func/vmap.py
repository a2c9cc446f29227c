"""``vmap``: a function of one sample, made a function of a batch."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from minigrad.engine import Level, TensorBase, enter, is_batched, leave, running
from minigrad.func.trial import name_of, nested
from minigrad.ops.arguments import shown
from minigrad.ops.complex_pair import ComplexPair
from minigrad.ops.shape import cat
from minigrad.tree import leaves
from minigrad.types import P

R = TypeVar("R")
_RANDOMNESS = ("error", "same", "different")


def vmap(
    func: Callable[P, R], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable[P, R]:
    """``func``, which takes one sample, for a batch of samples at once: ``torch.func.vmap``. The results are those of a call for each, stacked.

    Args:
        func: a function of Tensors, and of nested dicts, lists and tuples of them, that returns such.
        in_dims: the dimension that holds the samples, for all arguments or one for each, nested as they are; None for one that is the same for all
            samples (it may be any value then).
        out_dims: the dimension of the samples in the results, for all or nested as they are; None for a result that is the same for all samples.
        randomness: what random functions do: ``"error"`` (they raise ``RuntimeError``), ``"same"`` (each sample gets the same numbers) or
            ``"different"``.
        chunk_size: the most samples to compute at once; None: all. Less memory is needed then.

    Returns:
        A function of the batch. Its ``looped`` counts the ops that had to run sample by sample, because they have no batching rule.

    Inside ``func`` a Tensor has the shape of a sample. What needs its numbers there (``item()``, ``if x > 0``, numpy) raises ``RuntimeError``, and so does
    writing one that differs from sample to sample into one that is the same for all.

    Keyword arguments are passed on as they are, as in PyTorch.

    Raises ``ValueError`` for dims that do not fit the arguments or results, or samples of different number, ``TypeError`` for results that are no Tensors.

    >>> import minigrad as mg
    >>> from minigrad.func import vmap
    >>> x, y = mg.tensor([[1.0, 2.0], [3.0, 4.0]]), mg.tensor([1.0, 10.0])
    >>> vmap(mg.dot, in_dims=(0, None))(x, y)
    tensor([21., 43.])
    >>> vmap(lambda row: row / row.sum(), in_dims=1, out_dims=1)(x)
    tensor([[0.2500, 0.3333],
            [0.7500, 0.6667]])
    """
    if randomness not in _RANDOMNESS:
        raise ValueError(f"vmap: randomness must be one of {', '.join(_RANDOMNESS)}, but is {randomness!r}")
    if chunk_size is not None and (type(chunk_size) is not int or chunk_size < 1):
        raise ValueError(f"vmap: chunk_size must be None or a whole number above 0, but is {chunk_size!r}")
    looped: Counter[str] = Counter()
    name = name_of(func)

    def mapped(*args: Any, **kwargs: Any) -> Any:
        values = list(leaves(args))
        dims = [_checked_dim(name, dim, value) for dim, value in zip(_dims_for(name, "in_dims", in_dims, args), values, strict=True)]
        size = _common_size(name, values, dims)
        results = []
        for start in range(0, max(size, 1), chunk_size or max(size, 1)):
            level = Level(min(chunk_size or size, size - start), randomness, looped)
            with running(level):
                inside = [_sample(x, dim, start, level) for x, dim in zip(values, dims, strict=True)]
                try:
                    result = func(*nested(args, inside), **kwargs)
                    result_dims = _dims_for(name, "out_dims", out_dims, result)
                    results.append([_batch(name, x, dim, level) for x, dim in zip(leaves(result), result_dims, strict=True)])
                except Exception as error:
                    error.add_note(f"in vmap of {name}")
                    raise
        return nested(result, [_joined(parts, dim) for *parts, dim in zip(*results, result_dims, strict=True)])

    functools.update_wrapper(mapped, func, [a for a in functools.WRAPPER_ASSIGNMENTS if hasattr(func, a)], ())
    mapped.looped = looped  # type: ignore[attr-defined]
    return mapped


def _dims_for(name: str, what: str, dims: Any, values: Any) -> list[int | None]:
    """The dimension for each leaf of ``values``: ``dims`` is an int or None for all leaves of a container, or nested as it is."""
    if isinstance(dims, (tuple, list)) and isinstance(values, (tuple, list)) and len(dims) == len(values):
        pairs = list(zip(dims, values, strict=True))
    elif isinstance(dims, Mapping) and isinstance(values, Mapping) and dims.keys() == values.keys():
        pairs = [(dims[key], value) for key, value in values.items()]
    elif dims is None or type(dims) is int:
        return [dims for _ in leaves(values)]
    elif what == "out_dims" and isinstance(dims, tuple) and len(dims) == 1:  # (1,) is 1 for a function with one result
        return _dims_for(name, what, dims[0], values)
    else:
        kind = "arguments" if what == "in_dims" else "results"
        raise ValueError(
            f"vmap of {name}: {what}={dims!r} does not fit the {kind}: an int, None, or nested as they are: {_nesting(values)}"
        )
    return [dim for inner, value in pairs for dim in _dims_for(name, what, inner, value)]


def _nesting(values: Any) -> str:
    """The containers of ``values`` as text, with * for each leaf."""
    if isinstance(values, Mapping):
        return "{" + ", ".join(f"{key!r}: {_nesting(value)}" for key, value in values.items()) + "}"
    return f"({', '.join(map(_nesting, values))})" if isinstance(values, (tuple, list)) else "*"


def _checked_dim(name: str, dim: int | None, value: Any) -> int | None:
    """The dimension of the samples in an argument, counted from the front."""
    if dim is None:
        return None
    if not isinstance(value, (TensorBase, ComplexPair)):
        raise ValueError(f"vmap of {name}: in_dims has {dim} for {shown(value)}, which is no Tensor; it must be None for it")
    shape: Any = value.shape  # type: ignore[union-attr]  # the class of Tensors has it
    ndim = len(shape)
    if not -ndim <= dim < ndim:
        raise ValueError(f"vmap of {name}: in_dims has {dim} for a tensor of shape {tuple(shape)}, which has no such dimension")
    return dim % ndim


def _common_size(name: str, values: list[Any], dims: list[int | None]) -> int:
    """The number of samples, on which all arguments must agree."""
    sizes = [value.shape[dim] for value, dim in zip(values, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError(f"vmap of {name}: no argument has samples: in_dims must name a dimension of at least one Tensor")
    if len(set(sizes)) > 1:
        raise ValueError(f"vmap of {name}: the arguments have different numbers of samples: {', '.join(map(str, sizes))}")
    return sizes[0]


def _sample(value: Any, dim: int | None, start: int, level: Level) -> Any:
    """An argument of the function: the samples of this level from ``start`` on."""
    if dim is None:
        return value
    if isinstance(value, ComplexPair):
        return ComplexPair(_sample(value.pair, dim, start, level))
    if level.size != value.shape[dim]:
        value = value.narrow(dim, start, level.size)
    return enter(value, level=level, dim=dim)


def _batch(name: str, value: Any, dim: int | None, level: Level) -> Any:
    """A result of all samples, from what the function returned."""
    tensor = value.pair if isinstance(value, ComplexPair) else value
    if dim is None:
        if is_batched(tensor) and tensor._data.level is level:
            raise ValueError(
                f"vmap of {name}: out_dims is None for a result of shape {tuple(value.shape)} that differs from sample to sample"
            )
        return value
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"vmap of {name}: the function must return Tensors, and returned {shown(value)}; out_dims=None lets it through")
    ndim = len(value.shape) + 1
    if not -ndim <= dim < ndim:
        raise IndexError(f"vmap of {name}: out_dims has {dim} for a result of {ndim} dimensions with that of the samples")
    found = leave(tensor, level=level, dim=dim % ndim)
    return found if tensor is value else ComplexPair(found)


def _joined(parts: list[Any], dim: int | None) -> Any:
    """The results of all chunks as one."""
    if len(parts) == 1 or dim is None:
        return parts[0]
    if isinstance(parts[0], ComplexPair):
        return ComplexPair(cat([part.pair for part in parts], dim if dim >= 0 else dim - 1))
    return cat(parts, dim)
