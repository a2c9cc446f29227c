"""minigrad.tree: nested containers are traversed in order and rebuilt with the same types, and cycles do not recurse for ever."""

from collections import OrderedDict, defaultdict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

import minigrad as mg
from minigrad.tree import array_of, bytes_text, leaves, rebuilt, tensors_in, tree_map, unwrapped

Pair = namedtuple("Pair", "first second")


def test_leaves_come_from_left_to_right():
    assert list(leaves({"b": [1, (2, Pair(3, [])), "four"], "a": None})) == [1, 2, 3, "four", None]
    assert list(leaves(5)) == [5]
    x, y = mg.ones(2), mg.zeros(1)
    assert [t is u for t, u in zip(tensors_in([x, {"y": (1, y)}]), [x, y], strict=True)] == [True, True]


def test_a_long_chain_is_no_recursion_and_a_circle_can_be_cut():
    deep: list = []
    for _ in range(5000):
        deep = [deep, 1]
    assert sum(leaves(deep)) == 5000
    circle: list = [1]
    circle.append(circle)
    assert list(leaves(circle, deepest=3)) == [1, 1, 1]
    assert list(leaves([range(9), list(range(9))], widest=2)) == [range(9), 0, 1]


@pytest.mark.parametrize(
    "value", [[1, [2]], (1, (2,)), Pair(1, [2]), {"a": 1, "b": {"c": 2}}, OrderedDict(b=1, a=2), defaultdict(list, a=1), [], (), {}]
)
def test_containers_keep_their_kind(value):
    doubled = tree_map(lambda x: 2 * x, value)
    assert type(doubled) is type(value)
    assert list(leaves(doubled)) == [2 * x for x in leaves(value)]
    if isinstance(value, defaultdict):
        assert doubled.default_factory is list


def test_an_immutable_mapping_becomes_a_dict():
    assert rebuilt(MappingProxyType({"a": 1}), [2]) == {"a": 2}
    with pytest.raises(ValueError, match="zip"):
        rebuilt({"a": 1}, [2, 3])


def test_names_say_where_a_leaf_is():
    assert tree_map(lambda x, where: where, Pair({"a": 0}, [1]), "x") == Pair({"a": "x[0]['a']"}, ["x[1][0]"])


def test_arrays_of_tensors_and_other_things():
    x = mg.ones(2)
    assert array_of(x) is x.numpy() or np.shares_memory(array_of(x), x.numpy())
    assert isinstance(array_of(2.5), np.ndarray)
    assert unwrapped(2.5) == 2.5 and isinstance(unwrapped(x), np.ndarray)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (10 * 2**20, "10 MB"), (3 * 2**40, "3.0 TB"), (2**60, "1048576 TB")]
)
def test_bytes_for_people(count, text):
    assert bytes_text(count) == text
