"""Functions of nested dicts, lists and tuples, and of values that may be a Tensor or an array.

Mappings, lists and tuples (also named tuples) are containers; everything else is a leaf: an array, a Tensor, a string, a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Any

import numpy as np

from minigrad.engine import Batched, TensorBase, memory_of

__all__ = ["array_of", "bytes_text", "is_container", "leaves", "numbers_of", "rebuilt", "tensors_in", "tree_map", "unwrapped"]


def array_of(x: Any) -> Any:
    """The array of a Tensor, without a copy; for anything else the result of ``np.asarray``.

    >>> import minigrad as mg
    >>> from minigrad.tree import array_of
    >>> array_of(mg.ones(2)), array_of(3)
    (array([1., 1.], dtype=float32), array(3))
    """
    return x._data if isinstance(x, TensorBase) else x if type(x) is Batched else np.asarray(x)


def numbers_of(x: Any) -> np.ndarray:
    """The array of :func:`array_of`; inside ``vmap`` that of all samples, for checks of their values.

    >>> import minigrad as mg
    >>> from minigrad.tree import numbers_of
    >>> numbers_of(mg.ones(2))
    array([1., 1.], dtype=float32)
    """
    return memory_of(array_of(x))


def unwrapped(x: Any) -> Any:
    """The array of a Tensor; anything else, such as a Python number, unchanged."""
    return x._data if isinstance(x, TensorBase) else x


_PLAIN_LEAVES = (TensorBase, Batched, np.ndarray, int, float, str, type(None))


def is_container(x: Any) -> bool:
    """Whether ``x`` is a mapping, a list or a tuple. The usual leaves are known at once: a question to ``Mapping`` takes ten times as long.

    >>> from minigrad.tree import is_container
    >>> is_container({}), is_container("text")
    (True, False)
    """
    return isinstance(x, (list, tuple, dict)) or (not isinstance(x, _PLAIN_LEAVES) and isinstance(x, Mapping))


def leaves(value: Any, widest: int | None = None, deepest: int | None = None) -> Iterator[Any]:
    """The leaves of nested containers, from left to right; ``value`` itself if it is not a container.

    Args:
        value: dicts, lists and tuples, nested to any depth. With ``deepest`` they may contain themselves.
        widest: the most items of a container to visit; None: all.
        deepest: the most levels of containers to visit; None: all.

    >>> from minigrad.tree import leaves
    >>> list(leaves({"a": [1, (2, 3)], "b": 4}))
    [1, 2, 3, 4]
    >>> list(leaves([1, [2, [3]]], deepest=2))
    [1, 2]
    """
    ahead = [(value, 0)]
    while ahead:
        item, depth = ahead.pop()
        if not is_container(item):
            yield item
        elif deepest is None or depth < deepest:
            inside = list(islice(item if isinstance(item, (list, tuple)) else item.values(), widest))
            ahead.extend([(x, depth + 1) for x in reversed(inside)])


def tensors_in(value: Any) -> Iterator[Any]:
    """The Tensors among the leaves, from left to right."""
    return (x for x in leaves(value) if isinstance(x, TensorBase))


def rebuilt(like: Any, values: Any) -> Any:
    """A container of the same type as ``like`` with other values, given in the order of its own.

    A mutable mapping is copied (a defaultdict keeps its factory); an immutable one becomes a dict. A subclass of list or tuple is called
    with the values, and a named tuple with one argument per value.

    >>> from minigrad.tree import rebuilt
    >>> rebuilt({"a": 1, "b": 2}, [3, 4]), rebuilt((1, 2), [3, 4])
    ({'a': 3, 'b': 4}, (3, 4))
    """
    if isinstance(like, Mapping):
        items = dict(zip(like, values, strict=True))
        if type(like) is dict or not isinstance(like, MutableMapping):
            return items
        from copy import copy  # not every program needs it

        clone = copy(like)
        clone.update(items)
        return clone
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)


def tree_map(function: Callable[..., Any], value: Any, name: str | None = None) -> Any:
    """A copy of ``value`` with each leaf replaced by ``function(leaf)``.

    Args:
        function: called as ``function(leaf)`` or, if ``name`` is given, as ``function(leaf, path)``: path is ``name`` and the keys to the leaf.
        value: dicts, lists and tuples, nested to any depth.
        name: the name of ``value`` at the beginning of the paths.

    >>> from minigrad.tree import tree_map
    >>> tree_map(lambda x: 2 * x, {"a": [1, 2], "b": (3,)})
    {'a': [2, 4], 'b': (6,)}
    >>> tree_map(lambda x, where: where, {"a": [1, 2]}, "state")
    {'a': ["state['a'][0]", "state['a'][1]"]}
    """
    if not is_container(value):
        return function(value) if name is None else function(value, name)
    items: Any = enumerate(value) if isinstance(value, (list, tuple)) else value.items()
    return rebuilt(value, [tree_map(function, x, None if name is None else f"{name}[{key!r}]") for key, x in items])


def bytes_text(count: int) -> str:
    """A number of bytes as readable text, in powers of 1024.

    >>> from minigrad.tree import bytes_text
    >>> bytes_text(98), bytes_text(24_000), bytes_text(5_000_000)
    ('98 B', '23 KB', '4.8 MB')
    """
    size, units = float(count), ["TB", "GB", "MB", "KB", "B"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.{0 if units[-1] == 'B' or size >= 10 else 1}f} {units[-1]}"
