"""Nested values: what is in dicts, lists and tuples that hold one another, and the array in whatever may be a Tensor.

Mappings, lists and tuples (named ones too) are containers; everything else is a leaf: an array, a Tensor, a string, a module.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Any

import numpy as np

from minigrad.engine import TensorBase

__all__ = ["array_of", "bytes_text", "leaves", "rebuilt", "tensors_in", "tree_map", "unwrapped"]


def array_of(x: Any) -> np.ndarray:
    """The array of a Tensor, without a copy; of anything else what ``np.asarray`` makes.

    >>> import minigrad as mg
    >>> from minigrad.tree import array_of
    >>> array_of(mg.ones(2)), array_of(3)
    (array([1., 1.], dtype=float32), array(3))
    """
    return x._data if isinstance(x, TensorBase) else np.asarray(x)


def unwrapped(x: Any) -> Any:
    """The array of a Tensor; anything else, a Python number say, as it is."""
    return x._data if isinstance(x, TensorBase) else x


def leaves(value: Any, widest: int | None = None, deepest: int | None = None) -> Iterator[Any]:
    """What is in nested containers, from left to right; ``value`` itself where it is no container.

    Args:
        value: dicts, lists and tuples, nested at will, and not in a circle unless ``deepest`` is given.
        widest: how many items of a container are looked at; None: all.
        deepest: how many containers deep is looked; None: all of them.

    >>> from minigrad.tree import leaves
    >>> list(leaves({"a": [1, (2, 3)], "b": 4}))
    [1, 2, 3, 4]
    >>> list(leaves([1, [2, [3]]], deepest=2))
    [1, 2]
    """
    ahead = [(value, 0)]
    while ahead:
        item, depth = ahead.pop()
        if not isinstance(item, (list, tuple, Mapping)):
            yield item
        elif deepest is None or depth < deepest:
            inside = list(islice(item.values() if isinstance(item, Mapping) else item, widest))
            ahead.extend([(x, depth + 1) for x in reversed(inside)])


def tensors_in(value: Any) -> Iterator[Any]:
    """The Tensors among the leaves, from left to right."""
    return (x for x in leaves(value) if isinstance(x, TensorBase))


def rebuilt(like: Any, values: Any) -> Any:
    """A container of the kind of ``like`` with other values, one for each of its own and in their order.

    A mutable mapping is copied (a defaultdict keeps its factory); of an immutable one a dict is made. A subclass of list or of tuple is called
    with the values: a named tuple with each as an argument.

    >>> from minigrad.tree import rebuilt
    >>> rebuilt({"a": 1, "b": 2}, [3, 4]), rebuilt((1, 2), [3, 4])
    ({'a': 3, 'b': 4}, (3, 4))
    """
    if isinstance(like, Mapping):
        items = dict(zip(like, values, strict=True))
        if type(like) is dict or not isinstance(like, MutableMapping):
            return items
        clone = copy.copy(like)
        clone.update(items)
        return clone
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)


def tree_map(function: Callable[..., Any], value: Any, name: str | None = None) -> Any:
    """``value`` with ``function(leaf)`` in the place of each leaf.

    Args:
        function: called with a leaf; with ``name``, as ``function(leaf, where)``, where ``where`` is ``name`` followed by the keys to the leaf.
        value: dicts, lists and tuples, nested at will.
        name: what ``value`` is called.

    >>> from minigrad.tree import tree_map
    >>> tree_map(lambda x: 2 * x, {"a": [1, 2], "b": (3,)})
    {'a': [2, 4], 'b': (6,)}
    >>> tree_map(lambda x, where: where, {"a": [1, 2]}, "state")
    {'a': ["state['a'][0]", "state['a'][1]"]}
    """
    if not isinstance(value, (list, tuple, Mapping)):
        return function(value) if name is None else function(value, name)
    items: Any = value.items() if isinstance(value, Mapping) else enumerate(value)
    return rebuilt(value, [tree_map(function, x, None if name is None else f"{name}[{key!r}]") for key, x in items])


def bytes_text(count: int) -> str:
    """A number of bytes for people, in powers of 1024.

    >>> from minigrad.tree import bytes_text
    >>> bytes_text(98), bytes_text(24_000), bytes_text(5_000_000)
    ('98 B', '23 KB', '4.8 MB')
    """
    size, units = float(count), ["TB", "GB", "MB", "KB", "B"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.{0 if units[-1] == 'B' or size >= 10 else 1}f} {units[-1]}"
