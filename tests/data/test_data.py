"""The package nn.data: datasets, the loader, idx files, MNIST, downloads from a server in this process, transforms."""

import collections
import copy
import gzip
import hashlib
import http.server
import lzma
import socket
import sys
import threading
import time
from importlib import resources
from pathlib import Path

import make_sample
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad.nn.data import (
    MNIST,
    BatchSampler,
    ChainDataset,
    Compose,
    ConcatDataset,
    DataError,
    DataLoader,
    Dataset,
    FashionMNIST,
    IterableDataset,
    Normalize,
    RandomAffine,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    ToTensor,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
    read_idx,
    write_idx,
)
from minigrad.nn.data import __main__ as command
from minigrad.nn.data import download as dl
from minigrad.nn.data.mnist import FILES, SAMPLE, SAMPLE_SIZES, read_sample


def seeded(seed=0):
    return mg.Generator().manual_seed(seed)


def assert_same(a, b):
    """Two batches of the same structure, types, dtypes and values."""
    assert type(a) is type(b)
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, dict):
        assert_same(list(a.items()), list(b.items()))
    elif isinstance(a, mg.Tensor):
        assert a.dtype == b.dtype
        assert_array_equal(a.numpy(), b.numpy(), strict=True)
    else:
        assert a == b


# ------------------------------------------------------------------------------------------------------- collate

Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("sample", "dtype", "shape"),
    [
        (1.5, "float64", (2,)),
        (3, "int64", (2,)),
        (True, "bool", (2,)),
        (np.float32(1), "float32", (2,)),
        (np.uint8(1), "uint8", (2,)),
        (np.array(2.0), "float64", (2,)),
        (np.ones((3, 4), np.float32), "float32", (2, 3, 4)),
        (np.ones((0, 4), np.int16), "int16", (2, 0, 4)),
    ],
)
def test_collate_makes_a_tensor(sample, dtype, shape):
    batch = default_collate([sample, sample])
    assert isinstance(batch, mg.Tensor)
    assert (batch.dtype.name, tuple(batch.shape)) == (dtype, shape)
    assert_array_equal(batch.numpy()[1], sample)


def test_collate_keeps_structure():
    batch = default_collate([{"p": Point(1, [2.0, "a"]), "q": (np.zeros(2), b"z")}] * 3)
    assert type(batch) is dict
    assert type(batch["p"]) is Point
    assert_array_equal(batch["p"].x.numpy(), [1, 1, 1])
    assert type(batch["p"].y) is list
    assert_array_equal(batch["p"].y[0].numpy(), [2, 2, 2])
    assert batch["p"].y[1] == ("a", "a", "a")
    assert type(batch["q"]) is list, "a tuple becomes a list, as in PyTorch"
    assert tuple(batch["q"][0].shape) == (3, 2)


def test_collate_keeps_the_kind_of_mapping():
    sample = collections.defaultdict(list, a=1)
    batch = default_collate([sample, sample])
    assert type(batch) is collections.defaultdict
    assert batch.default_factory is list
    assert sample == {"a": 1}, "the sample is left alone"


def test_collate_strings_as_they_are():
    assert default_collate(["a", "b"]) == ["a", "b"]


def test_collate_tensors_carries_gradients():
    a, b = (mg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    default_collate([a, b])[1].sum().backward()
    assert_array_equal(a.grad.numpy(), [0, 0])
    assert_array_equal(b.grad.numpy(), [1, 1])


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], ValueError, "the batch is empty"),
        ([None], TypeError, "not NoneType"),
        ([np.array(["a"])], TypeError, "dtype <U1"),
        ([np.array([None])], TypeError, "dtype object"),
        ([np.zeros(2), np.zeros(2), np.zeros(3)], mg.ShapeError, r"sample 0 has \(2,\) and sample 2 has \(3,\)"),
        ([mg.tensor([1.0]), mg.tensor([[1.0]])], mg.ShapeError, r"sample 0 has \(1,\) and sample 1 has \(1, 1\)"),
        ([(1, 2), (1,)], RuntimeError, "sample 0 has 2 and sample 1 has 1"),
    ],
)
def test_collate_errors(batch, error, message):
    with pytest.raises(error, match=f"^default_collate: .*{message}"):
        default_collate(batch)


def test_convert():
    data = default_convert({"a": np.arange(2), "b": (1, [np.float32(2)]), "c": "text", "p": Point(np.zeros(1), 2), "s": np.array(["x"])})
    assert isinstance(data["a"], mg.Tensor)
    assert data["b"][0] == 1 and isinstance(data["b"], list)
    assert data["b"][1][0].dtype == np.float32
    assert data["c"] == "text"
    assert isinstance(data["p"], Point) and isinstance(data["p"].x, mg.Tensor) and data["p"].y == 2
    assert isinstance(data["s"], np.ndarray)


# ------------------------------------------------------------------------------------------------------ datasets


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return i, i * i


def test_tensor_dataset():
    x, y = np.arange(12.0).reshape(4, 3), mg.tensor([5, 6, 7, 8])
    data = TensorDataset(x, y)
    assert len(data) == 4
    row, label = data[-1]
    assert_array_equal(row.numpy(), [9, 10, 11])
    assert label.item() == 8
    assert_same(data.get_batch([3, 0, 3]), default_collate([data[i] for i in (3, 0, 3)]))
    with pytest.raises(IndexError):
        data[4]
    with pytest.raises(IndexError):
        data.get_batch([0, 4])


def test_tensor_dataset_batch_is_a_copy():
    x = np.zeros((3, 2), np.float32)
    (batch,) = TensorDataset(x).get_batch([0, 1, 2])
    batch.numpy()[:] = 1
    assert not x.any()


def test_tensor_dataset_carries_gradients():
    x = mg.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    (batch,) = TensorDataset(x).get_batch([2, 0, 2])
    batch.sum().backward()
    assert_array_equal(x.grad.numpy(), [[1], [0], [2]])


def test_tensor_dataset_errors():
    with pytest.raises(mg.ShapeError, match=r"same first dimension, but their shapes are \(3, 2\), \(4,\)"):
        TensorDataset(np.zeros((3, 2)), np.zeros(4))
    with pytest.raises(mg.ShapeError):
        TensorDataset(mg.tensor(1.0))
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()


def test_subset_and_concat():
    both = Squares(3) + Subset(Squares(9), [8, 7])
    assert isinstance(both, ConcatDataset)
    assert len(both) == 5
    assert [both[i] for i in range(-5, 5)] == [(0, 0), (1, 1), (2, 4), (8, 64), (7, 49)] * 2
    assert list(both) == [both[i] for i in range(5)], "iteration ends"
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 5"):
            both[index]
    assert [ConcatDataset([[], [1], [], [2]])[i] for i in (0, 1)] == [1, 2]
    with pytest.raises(ValueError, match="at least one"):
        ConcatDataset([])
    nested = Subset(Subset(TensorDataset(np.arange(10)), [9, 7, 5]), np.array([2, 0]))
    assert_same(nested.get_batch([0, 1, 0]), [mg.tensor([5, 9, 5])])


def test_abstract_dataset():
    with pytest.raises(NotImplementedError, match="Bare must define __getitem__"):
        type("Bare", (Dataset,), {})()[0]


class Stream(IterableDataset):
    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


def test_chain_dataset():
    chain = Stream([1, 2]) + Stream([]) + Stream([3])
    assert isinstance(chain, ChainDataset)
    assert list(chain) == list(chain) == [1, 2, 3]
    assert len(chain) == 3
    for refuse in (list, len):
        with pytest.raises(TypeError, match="a list is not"):
            refuse(ChainDataset([[1]]))
    with pytest.raises(TypeError, match="Stream is an IterableDataset"):
        Stream([1])[0]
    with pytest.raises(NotImplementedError, match="Bare must define __iter__"):
        iter(type("Bare", (IterableDataset,), {})())
    with pytest.raises(TypeError, match="ChainDataset"):
        ConcatDataset([[1], Stream([2])])


def test_stack_dataset():
    rows, names = TensorDataset(np.arange(6.0).reshape(3, 2)), "abc"
    pairs = StackDataset(rows, names)
    assert len(pairs) == 3
    assert pairs[1][0][0].tolist() == [2, 3] and pairs[1][1] == "b"
    named = StackDataset(row=rows, name=names, squares=Squares(3))
    assert set(named[0]) == {"row", "name", "squares"}
    for data in (pairs, named, StackDataset(pairs, named)):
        samples = [data[i] for i in (2, 0, 2)]
        assert_same(default_collate(data.__getitems__([2, 0, 2])), default_collate(samples))
        assert_same(data.get_batch([2, 0, 2]), default_collate(samples))
        assert_same(next(iter(DataLoader(data, 3))), default_collate([data[i] for i in range(3)]))


def test_stack_dataset_errors():
    with pytest.raises(ValueError, match=r"their lengths are \[2, 3\]"):
        StackDataset("ab", "abc")
    with pytest.raises(ValueError, match="at least one"):
        StackDataset()
    with pytest.raises(ValueError, match="all by name"):
        StackDataset("ab", b="ab")


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [
        ([7, 3], [7, 3]),
        ([0.5, 0.25, 0.25], [6, 2, 2]),
        ([0.26, 0.37, 0.37], [3, 4, 3]),
        ([0.1] * 10, [1] * 10),
        ([10], [10]),
        ([1], [10]),
        ([0.3, 0.3, 0.4], [3, 3, 4]),
    ],
)
def test_random_split(lengths, counts):
    parts = random_split(range(10), lengths, generator=seeded())
    assert [len(p) for p in parts] == counts
    assert sorted(i for p in parts for i in p) == list(range(10))
    again = random_split(range(10), lengths, generator=seeded())
    assert [list(p) for p in parts] == [list(p) for p in again]


def test_random_split_draws_from_the_process_generator():
    mg.manual_seed(5)
    first = list(random_split(range(50), [50])[0])
    second = list(random_split(range(50), [50])[0])
    mg.manual_seed(5)
    assert list(random_split(range(50), [50])[0]) == first != second


@pytest.mark.parametrize("lengths", [[5, 4], [11, -1], [5.5, 4.5], [0.5, 0.4], [1.5, -0.5]])
def test_random_split_refuses(lengths):
    with pytest.raises(ValueError, match="random_split: "):
        random_split(range(10), lengths)


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="part 1 is empty"):
        parts = random_split(range(3), [0.99, 0.01])
    assert [len(p) for p in parts] == [3, 0]


# ------------------------------------------------------------------------------------------------------ samplers


def test_samplers():
    assert list(SequentialSampler(range(4))) == [0, 1, 2, 3]
    assert len(RandomSampler(range(4))) == 4
    sampler = RandomSampler(range(100), generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second, "each pass has an order of its own"
    assert type(first[0]) is int
    assert list(RandomSampler(range(100), generator=seeded())) == first


def test_random_sampler_counts():
    more = list(RandomSampler(range(4), num_samples=10, generator=seeded()))
    assert len(more) == 10
    assert sorted(more[:4]) == sorted(more[4:8]) == [0, 1, 2, 3]
    assert len(set(more[8:])) == 2
    assert len(list(RandomSampler(range(10), num_samples=3))) == 3
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=200, generator=seeded()))
    assert len(drawn) == 200
    assert set(drawn) == {0, 1, 2}


def test_random_sampler_draws_a_pass_at_once():
    """How far a pass got leaves no trace in the generator, so that fetching ahead changes nothing."""
    for replacement in (False, True):
        for taken in (1, 9, 10):
            generator = seeded(4)
            order = iter(RandomSampler(range(4), replacement, num_samples=10, generator=generator))
            for _ in range(taken):
                next(order)
            if taken == 1:
                expected = generator.get_state()
            assert mg.equal(generator.get_state(), expected)


def test_subset_random_sampler():
    sampler = SubsetRandomSampler([3, 1, 4, 15, 9, 2, 6], generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == [1, 2, 3, 4, 6, 9, 15]
    assert first != second
    assert len(sampler) == 7
    assert list(SubsetRandomSampler([], generator=seeded())) == []


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_random_sampler_follows_the_weights(replacement):
    """The first index drawn is i with probability weight i / sum, and the second one likewise among those that are left."""
    weights, n = np.array([0.0, 1.0, 3.0, 6.0]), 20_000
    if replacement:
        drawn = np.array(list(WeightedRandomSampler(weights, n, generator=seeded())))
    else:
        generator = seeded()
        pairs = np.array([list(WeightedRandomSampler(weights, 2, False, generator=generator)) for _ in range(n)])
        assert (pairs[:, 0] != pairs[:, 1]).all()
        drawn = pairs[:, 0]
        after = pairs[drawn == 3, 1]  # 1 and 2 are left, with weights 1 and 3
        assert_allclose(np.mean(after == 2), 0.75, atol=0.02)
    assert_allclose(np.bincount(drawn, minlength=4) / n, weights / 10, atol=0.015)
    assert drawn.tolist().count(0) == 0


def test_weighted_random_sampler_takes_all_without_replacement():
    assert sorted(WeightedRandomSampler([1e-300, 5, 0, 1e300], 3, replacement=False, generator=seeded())) == [0, 1, 3]
    assert len(WeightedRandomSampler([1, 1], 7)) == 7
    assert set(WeightedRandomSampler([1e308, 1e308], 100, generator=seeded())) == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], 0), "num_samples must be 1 or above, but is 0"),
        (([1.0], True), "num_samples"),
        (([1.0], 1, 1), "replacement must be True or False"),
        (([[1.0]], 1), r"their shape is \(1, 1\)"),
        (([], 1), "one at least is above zero"),
        (([0.0, 0.0], 1), "one at least is above zero"),
        (([1.0, -1.0], 1), "not negative"),
        (([1.0, np.nan], 1), "finite"),
        (([1.0, 0.0, 2.0], 3, False), "2 of 3 weights are above zero"),
    ],
)
def test_weighted_random_sampler_refuses(arguments, message):
    with pytest.raises((ValueError, TypeError), match=f"^WeightedRandomSampler: .*{message}"):
        WeightedRandomSampler(*arguments)


def test_sampler_errors():
    with pytest.raises(ValueError, match=r"the dataset is empty"):
        RandomSampler([])
    with pytest.raises(ValueError, match="dataset is empty"):
        RandomSampler([], num_samples=3)
    with pytest.raises(ValueError, match="num_samples must be 1 or above, but is -1"):
        RandomSampler([1], num_samples=-1)
    with pytest.raises(TypeError, match="True or False"):
        RandomSampler([1], replacement=1)
    for size in (0, -1, 2.0, True, "3"):
        with pytest.raises((ValueError, TypeError), match=r"^BatchSampler: batch_size must be (1 or above|a whole number)"):
            BatchSampler(range(3), size, False)
    with pytest.raises(TypeError, match="drop_last"):
        BatchSampler(range(3), 2, 1)


@pytest.mark.parametrize(("n", "size", "drop"), [(10, 3, False), (10, 3, True), (9, 3, True), (2, 3, True), (2, 3, False), (0, 3, False)])
def test_batch_sampler(n, size, drop):
    batches = list(BatchSampler(range(n), size, drop))
    expected = [list(range(i, min(i + size, n))) for i in range(0, n, size)]
    assert batches == [b for b in expected if len(b) == size or not drop]
    assert len(BatchSampler(range(n), size, drop)) == len(batches)


# -------------------------------------------------------------------------------------------------------- loader


@pytest.mark.smoke
def test_loader_shuffles_all_samples():
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    loader = DataLoader(TensorDataset(x, np.arange(10)), batch_size=4, shuffle=True, generator=seeded())
    passes = []
    for _ in range(2):
        batches = list(loader)
        assert [len(y) for _, y in batches] == [4, 4, 2]
        for xb, yb in batches:
            assert_array_equal(xb.numpy(), x[yb.numpy()], strict=True)
        passes.append([i for _, y in batches for i in y.tolist()])
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(10))
    assert passes[0] != passes[1]
    again = DataLoader(TensorDataset(x, np.arange(10)), batch_size=4, shuffle=True, generator=seeded())
    assert [i for _, y in again for i in y.tolist()] == passes[0]


def test_loader_shuffles_by_the_process_generator():
    loader = DataLoader(list(range(30)), batch_size=30, shuffle=True)
    mg.manual_seed(1)
    first = next(iter(loader)).tolist()
    mg.manual_seed(1)
    assert next(iter(loader)).tolist() == first != list(range(30))


@pytest.mark.parametrize(("size", "drop", "length"), [(1, False, 10), (4, False, 3), (4, True, 2), (20, False, 1), (20, True, 0)])
def test_loader_length(size, drop, length):
    loader = DataLoader(Squares(10), size, drop_last=drop)
    assert len(loader) == length == len(list(loader))


def test_loader_on_any_sequence():
    assert_same(list(DataLoader([3.0, 4.0, 5.0], 2)), [mg.tensor([3.0, 4.0], dtype=mg.float64), mg.tensor([5.0], dtype=mg.float64)])


def test_loader_without_batches():
    samples = list(DataLoader(TensorDataset(np.arange(3.0)), batch_size=None))
    assert [float(x) for (x,) in samples] == [0, 1, 2]
    assert len(DataLoader(Squares(3), batch_size=None)) == 3
    (sample, *_) = DataLoader([{"a": np.zeros(2), "b": 1}], batch_size=None)
    assert isinstance(sample["a"], mg.Tensor) and sample["b"] == 1


def test_loader_samplers_and_collate_fn():
    assert [b.tolist() for b in DataLoader(range(5), 2, sampler=[4, 0, 2])] == [[4, 0], [2]]
    assert [b.tolist() for b in DataLoader(range(5), batch_sampler=[[1, 2, 3], [0]])] == [[1, 2, 3], [0]]
    assert len(DataLoader(range(5), batch_sampler=[[1, 2, 3], [0]])) == 2
    assert list(DataLoader(Squares(4), 2, collate_fn=lambda samples: samples)) == [[(0, 0), (1, 1)], [(2, 4), (3, 9)]]
    assert list(DataLoader("ab", batch_size=None, collate_fn=str.upper)) == ["A", "B"]


def test_loader_of_an_empty_dataset():
    assert list(DataLoader([], 4)) == []
    assert len(DataLoader(TensorDataset(np.zeros((0, 2))), 4)) == 0
    with pytest.raises(ValueError, match="dataset is empty"):
        DataLoader([], 4, shuffle=True)
    with pytest.raises(ValueError, match="at least one sample"):
        list(DataLoader(TensorDataset(np.zeros(3)), batch_sampler=[[]]))


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": [0], "shuffle": True},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
    ],
)
def test_loader_refuses(options):
    with pytest.raises(ValueError, match=r"exclude|batch_size must be 1 or above"):
        DataLoader(range(3), **options)


@pytest.mark.parametrize(("size", "drop", "expected"), [(2, False, [[1, 2], [3, 4], [5]]), (2, True, [[1, 2], [3, 4]]), (9, True, [])])
def test_loader_of_a_stream(size, drop, expected):
    loader = DataLoader(Stream([1, 2, 3, 4, 5]), size, drop_last=drop)
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == expected
    assert len(loader) == len(expected)


def test_loader_of_a_stream_without_batches():
    assert list(DataLoader(Stream([1, 2]), batch_size=None)) == [1, 2]
    assert len(DataLoader(Stream([1, 2]), batch_size=None)) == 2
    with pytest.raises(TypeError, match="len"):
        len(DataLoader(type("Endless", (IterableDataset,), {})()))
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="gives the order itself"):
            DataLoader(Stream([1]), **options)
    assert [b.tolist() for b in DataLoader(Stream([1]), shuffle=False)] == [[1]]


def test_what_the_samplers_were_made_for_is_fixed():
    """As in PyTorch: ``loader.batch_size = 4`` changed nothing but what was shown."""
    loader = DataLoader(range(6), batch_size=2)
    for name, value in (("batch_size", 4), ("dataset", range(9)), ("drop_last", True), ("sampler", [1]), ("batch_sampler", [[1]])):
        with pytest.raises(ValueError, match=f"DataLoader: {name} is fixed"):
            setattr(loader, name, value)
    loader.collate_fn = max  # read for each batch
    assert list(loader) == [1, 3, 5]
    again = copy.deepcopy(loader)
    assert list(again) == [1, 3, 5]
    with pytest.raises(ValueError, match="dataset is fixed"):
        again.dataset = range(3)


def test_a_subset_takes_several_places_at_once():
    part = Subset(TensorDataset(np.arange(10)), np.array([5, 6, 7]))
    assert part[[0, 2]][0].tolist() == [5, 7]
    assert Subset(part, [2, 1])[[0, 1]][0].tolist() == [7, 6]


def test_loader_needs_getitem():
    with pytest.raises(TypeError, match="set has not"):
        DataLoader({1, 2})


def test_arrays_are_batched_by_one_lookup(monkeypatch):
    data = TensorDataset(np.arange(12.0).reshape(6, 2), np.arange(6))
    expected = [default_collate([data[i] for i in (0, 1, 2, 3)]), default_collate([data[i] for i in (4, 5)])]
    subset = Subset(data, [5, 4, 3])
    expected_subset = default_collate([subset[i] for i in range(3)])

    def refuse(self, index):
        raise AssertionError("a single lookup")

    monkeypatch.setattr(TensorDataset, "__getitem__", refuse)
    assert_same(list(DataLoader(data, 4)), expected)
    assert_same(next(iter(DataLoader(subset, 3))), expected_subset)


def test_an_overridden_getitem_is_obeyed():
    """A subclass that changes single samples would be ignored if its parent's batches were used."""

    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(t * 2 for t in super().__getitem__(index))

    class Reversed(Subset):
        def __getitem__(self, index):
            return super().__getitem__(len(self) - 1 - index)

    doubled = Doubled(np.arange(4))
    assert next(iter(DataLoader(doubled, 4)))[0].tolist() == [0, 2, 4, 6]
    assert next(iter(DataLoader(Subset(doubled, [3, 1]), 2)))[0].tolist() == [6, 2]
    assert next(iter(DataLoader(Reversed(range(9), [3, 1]), 2))).tolist() == [1, 3]
    assert next(iter(DataLoader(Reversed(range(9), [3, 1]), 2, collate_fn=list))) == [1, 3]


def test_getitems_protocol():
    class Fast(Squares):
        def __getitem__(self, i):
            raise AssertionError("a single lookup")

        def __getitems__(self, indices):
            return [(i, -i) for i in indices]

    assert_same(next(iter(DataLoader(Fast(5), 3))), [mg.tensor([0, 1, 2]), mg.tensor([0, -1, -2])])
    assert next(iter(DataLoader(Subset(Fast(5), [4, 2]), 2, collate_fn=list))) == [(4, -4), (2, -2)]


# ----------------------------------------------------------------------------------------------------- idx files


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4, 5)])
def test_idx_round_trip(tmp_path, dtype, shape, suffix):
    array = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    write_idx(tmp_path / f"a{suffix}", array)
    back = read_idx(str(tmp_path / f"a{suffix}"))
    assert_array_equal(back, array, strict=True)
    assert back.flags.writeable and back.dtype.isnative
    if suffix:
        assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4), "no time in it: the same array gives the same bytes"


def test_idx_bytes(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, -2]], np.int16))
    assert (tmp_path / "a").read_bytes() == bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0xFF, 0xFE])
    write_idx(tmp_path / "b", np.array([[1, -2]], ">i2").T.T)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    with pytest.raises(TypeError, match="uint8, int8, int16, int32, float32, float64, not int64"):
        write_idx(tmp_path / "c", np.array([1]))
    assert not (tmp_path / "c").exists()


GOOD = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an idx file: 0 bytes"),
        (b"\0\0\x08", "not an idx file: 3 bytes"),
        (b"\x01" + GOOD[1:], "begins with 01 00 08 02"),
        (b"\0\0\x0a" + GOOD[3:], "begins with 00 00 0a 02"),
        (b"\0\0\x08\xff" + GOOD[4:], "begins with 00 00 08 ff"),
        (b"<!DOCTYPE html>", "begins with 3c 21 44 4f"),
        (GOOD[:9], "truncated: the sizes of 2 dimensions need 12 bytes, but there are 9"),
        (GOOD[:-1], r"truncated: uint8 of shape \(2, 3\) makes 18 bytes, but there are 17"),
        (GOOD[:4] + b"\xff" * 8 + GOOD[12:], "truncated"),
        (GOOD + b"x", "trailing bytes: .* makes 18 bytes, but there are 19"),
        (gzip.compress(GOOD, mtime=0)[:-5], r"unreadable gzip of \d+ bytes \(.+\)"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8, "unreadable gzip"),
        (b"\x1f\x8b\x08", "unreadable gzip"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff\xff\xff" + gzip.compress(GOOD, mtime=0)[13:], "unreadable gzip"),
        (gzip.compress(GOOD + b"xy", mtime=0), "trailing bytes"),
    ],
)
def test_idx_errors(tmp_path, data, message):
    path = tmp_path / "file-idx2-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"file-idx2-ubyte: .*{message}") as caught:
        read_idx(path)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_idx_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


# --------------------------------------------------------------------------------------------------------- MNIST


def fake_mnist(folder, n=12, spelling="-idx", suffix=".gz", seed=0):
    """Four files in the form of MNIST, with 2n training and n test images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for stem in FILES:
        count = 2 * n if stem.startswith("train") else n
        array = rng.integers(256, size=(count, 28, 28)) if "images" in stem else rng.integers(10, size=count)
        arrays[stem] = array.astype(np.uint8)
        write_idx(folder / f"{stem.replace('-idx', spelling)}{suffix}", arrays[stem])
    return arrays


@pytest.mark.smoke
def test_embedded_sample():
    for train, per_class in ((True, 500), (False, 100)):
        data = MNIST(train=train)
        assert data.images.shape == (10 * per_class, 28, 28) and data.images.dtype == np.uint8
        assert data.labels.shape == (10 * per_class,) and data.labels.dtype == np.int64
        assert_array_equal(np.bincount(data.labels), [per_class] * 10)
        image, label = data[0]
        assert image.shape == (1, 28, 28) and image.dtype == np.float32 and type(label) is int
        assert image.min() == 0.0 and image.max() <= 1.0
        assert_array_equal(image[0], data.images[0] / np.float32(255))


def test_embedded_sample_is_the_documented_one():
    folder = resources.files("minigrad.nn.data")
    packed = (folder / SAMPLE).read_bytes()
    text = (folder / "MNIST_LICENSE.md").read_text(encoding="utf-8")
    assert len(packed) <= 1_300_000
    assert f"| {len(packed):,} | `{hashlib.sha256(packed).hexdigest()}`" in text
    assert f"`{hashlib.sha256(lzma.decompress(packed)).hexdigest()}`" in text
    assert f"RandomState({make_sample.SEED})" in text
    assert "CC BY-SA 3.0" in text


def test_embedded_sample_has_the_statistics_of_mnist():
    """0.1307 and 0.3081 are those of the full training set."""
    images = MNIST().images / 255
    assert abs(images.mean() - MNIST.mean) < 0.002
    assert abs(images.std() - MNIST.std) < 0.002


def test_embedded_samples_do_not_overlap():
    train, test = ({image.tobytes() for image in MNIST(train=t).images} for t in (True, False))
    assert len(train) == 5000 and len(test) == 1000
    assert not train & test


def test_make_sample_draws_from_the_right_sets(tmp_path, monkeypatch, capsys):
    """On files whose pixels say where they come from, and a smaller sample."""
    monkeypatch.setitem(SAMPLE_SIZES, True, 250)  # of the 30 of each class, 25: a draw with replacement would show
    monkeypatch.setitem(SAMPLE_SIZES, False, 20)
    labels = {}
    for name, n in (("train", 300), ("t10k", 30)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = np.arange(n) // 256, np.arange(n) % 256, name == "train"
        labels[name] = (np.arange(n) * 7 % 10).astype(np.uint8)
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", labels[name])
    make_sample.main([str(tmp_path), str(tmp_path / "sample.xz")])
    packed = (tmp_path / "sample.xz").read_bytes()
    assert packed == make_sample.make_sample(tmp_path)
    assert hashlib.sha256(packed).hexdigest() in capsys.readouterr().out
    chosen = make_sample.sample_indices(labels["train"], labels["t10k"])
    for train, name, per_class in ((True, "train", 25), (False, "t10k", 2)):
        images, drawn = read_sample(packed, train)
        where = images[:, 0, 0].astype(int) * 256 + images[:, 0, 1]
        assert_array_equal(where, chosen[train])
        assert (np.diff(where) > 0).all(), "each once, in the order of the full set"
        assert (images[:, 0, 2] == train).all()
        assert_array_equal(drawn, labels[name][where])
        assert_array_equal(np.bincount(drawn), [per_class] * 10)


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("spelling", ["-idx", ".idx"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist_finds_its_files(tmp_path, place, spelling, suffix):
    arrays = fake_mnist(tmp_path / place, spelling=spelling, suffix=suffix)
    for train, name in ((True, "train"), (False, "t10k")):
        data = MNIST(tmp_path, train=train)
        assert len(data) == (24 if train else 12)
        assert_array_equal(data.images, arrays[f"{name}-images-idx3-ubyte"])
        assert_array_equal(data.labels, arrays[f"{name}-labels-idx1-ubyte"])


def test_mnist_batches_equal_collated_samples(tmp_path):
    fake_mnist(tmp_path)
    for transform in (None, Normalize(0.1307, 0.3081), lambda image: image.reshape(-1)[:5]):
        data = MNIST(tmp_path, transform=transform)
        expected = default_collate([data[i] for i in (3, 0, 23)])
        assert_same(data.get_batch([3, 0, 23]), expected)
        assert_same(next(iter(DataLoader(Subset(data, [3, 0, 23]), 3))), expected)
    assert expected[0].shape == (3, 5), "a transform that knows nothing of batches is applied image by image"


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
def test_a_script_for_torchvisions_mnist(tmp_path, kind):
    """The transform of nearly every such script keeps the images upright; what else they touch is there."""
    arrays = fake_mnist(tmp_path)
    pixels, labels = arrays["train-images-idx3-ubyte"], arrays["train-labels-idx1-ubyte"]
    data = kind(root=str(tmp_path), train=True, download=True, transform=Compose([ToTensor(), Normalize((0.1307,), (0.3081,))]))
    expected = ((pixels / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081))[:, None]
    image, label = data[7]
    assert isinstance(image, mg.Tensor) and image.shape == (1, 28, 28) and type(label) is int and label == labels[7]
    assert_allclose(image.numpy(), expected[7], rtol=1e-6)
    x, y = next(iter(DataLoader(data, 24)))
    assert x.shape == (24, 1, 28, 28) and x.dtype == np.float32 and y.dtype == np.int64
    assert_allclose(x.numpy(), expected, rtol=1e-6)
    assert_allclose(kind(tmp_path, transform=ToTensor())[3][0].numpy(), pixels[3:4] / np.float32(255))

    assert isinstance(data.data, mg.Tensor) and data.data.shape == (24, 28, 28) and data.data.dtype == np.uint8
    assert isinstance(data.targets, mg.Tensor) and data.targets.shape == (24,) and data.targets.dtype == np.int64
    assert_array_equal(data.data.numpy(), pixels)
    assert len(data.classes) == 10 and data.class_to_idx[data.classes[3]] == 3 and isinstance(data.classes, list)
    assert MNIST.classes[0] == "0 - zero" and MNIST.classes[9] == "9 - nine" and FashionMNIST.classes[9] == "Ankle boot"

    keep = (data.targets == labels[0]) | (data.targets == labels[1])  # two of the digits
    data.data, data.targets = data.data[keep], data.targets[keep]
    some = np.isin(labels, labels[:2])
    assert len(data) == some.sum() and [data[i][1] for i in range(len(data))] == labels[some].tolist()
    x, y = next(iter(DataLoader(data, 24)))
    assert_allclose(x.numpy(), expected[some], rtol=1e-6)
    assert_array_equal(y.numpy(), labels[some])


def test_mnist_with_changed_labels(tmp_path):
    arrays = fake_mnist(tmp_path)
    odd = (arrays["train-labels-idx1-ubyte"] % 2).tolist()
    data = MNIST(tmp_path, True, None, lambda label: label % 2)  # torchvision's order
    assert [data[i][1] for i in range(24)] == odd
    assert next(iter(DataLoader(data, 24)))[1].tolist() == odd
    assert MNIST(tmp_path, True, None, None, True).targets.tolist() == arrays["train-labels-idx1-ubyte"].tolist()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"train": "train"}, TypeError, r"MNIST: train is True \(the training set\) or False \(the test set\), not 'train'"),
        ({"train": 1}, TypeError, "MNIST: train is True"),
        ({"transform": ToTensor}, TypeError, r"MNIST: transform is a function, not the class ToTensor; make one: ToTensor\(\.\.\.\)"),
        ({"transform": [ToTensor()]}, TypeError, r"MNIST: transform is a function, not \["),
        ({"target_transform": 3}, TypeError, "MNIST: target_transform is a function, not 3"),
        ({"download": True}, ValueError, "MNIST: download=True needs a folder, root"),
    ],
)
def test_mnist_refuses(options, error, message):
    with pytest.raises(error, match=message):
        MNIST(**options)


def test_mnist_tensors(tmp_path):
    arrays = fake_mnist(tmp_path)
    data = MNIST(tmp_path, train=False)
    x, y = data.tensors()
    assert x.shape == (12, 1, 28, 28) and x.dtype == np.float32 and y.dtype == np.int64
    pixels = arrays["t10k-images-idx3-ubyte"][:, None] / 255
    assert_allclose(x.numpy(), pixels, rtol=1e-6)
    assert_allclose(data.tensors(normalize=True)[0].numpy(), (pixels - 0.1307) / 0.3081, rtol=1e-5, atol=1e-6)
    assert_allclose(data.tensors(normalize=(0.5, 2.0))[0].numpy(), (pixels - 0.5) / 2, rtol=1e-5, atol=1e-6)
    y.numpy()[:] = 0
    assert data.labels.any(), "the labels are a copy"


def test_mnist_without_files(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        MNIST(tmp_path / "nowhere", train=False)
    message = str(caught.value)
    assert "\n" not in message
    for fact in ("t10k-images-idx3-ubyte[.gz]", "t10k-images.idx3-ubyte", str(tmp_path / "nowhere" / "MNIST" / "raw"), "download=True"):
        assert fact in message
    fake_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert len(MNIST(tmp_path, train=False)) == 12
    with pytest.raises(FileNotFoundError, match="no file train-labels-idx1-ubyte"):
        MNIST(tmp_path)


@pytest.mark.parametrize(
    ("stem", "array", "message"),
    [
        ("labels-idx1", np.zeros(7, np.uint8), "holds 24 images, but .*train-labels-idx1-ubyte.gz holds 7 labels"),
        ("labels-idx1", np.full(24, 10, np.uint8), "label 10 at index 0 is outside 0..9"),
        ("labels-idx1", np.zeros(24, np.int32), "uint8 labels, but it holds int32"),
        ("labels-idx1", np.zeros((24, 1), np.uint8), r"row of uint8 labels, but it holds uint8 of shape \(24, 1\)"),
        ("images-idx3", np.zeros((24, 28, 27), np.uint8), r"28x28, but it holds uint8 of shape \(24, 28, 27\)"),
        ("images-idx3", np.zeros((24, 784), np.uint8), "28x28"),
        ("images-idx3", np.zeros((24, 28, 28), np.float32), "uint8 images"),
    ],
)
def test_mnist_checks_its_files(tmp_path, stem, array, message):
    fake_mnist(tmp_path)
    write_idx(tmp_path / f"train-{stem}-ubyte.gz", array)
    with pytest.raises(DataError, match=message):
        MNIST(tmp_path)


def test_fashion_mnist_has_a_root_and_a_place_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="root is needed"):
        FashionMNIST()
    fake_mnist(tmp_path / "MNIST" / "raw", seed=1)
    with pytest.raises(FileNotFoundError, match="FashionMNIST"):
        FashionMNIST(tmp_path)
    arrays = fake_mnist(tmp_path / "FashionMNIST" / "raw", seed=2)
    assert_array_equal(FashionMNIST(tmp_path).images, arrays["train-images-idx3-ubyte"])
    assert repr(FashionMNIST(tmp_path, train=False)) == f"FashionMNIST(root={str(tmp_path)!r}, train=False): 12 images"


def test_digits_are_not_taken_for_clothes(tmp_path, monkeypatch):
    """The two sets have the same file names."""
    fake_mnist(tmp_path)
    digest = hashlib.sha256(gzip.decompress((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes())).hexdigest()
    monkeypatch.setitem(MNIST.sha256, "train-labels-idx1-ubyte", digest)
    assert len(MNIST(tmp_path)) == 24
    with pytest.raises(DataError, match="these are the labels of MNIST, not of FashionMNIST"):
        FashionMNIST(tmp_path)


# ----------------------------------------------------------------------------------------------------- downloads


class Server:
    """An HTTP server on this machine. ``routes[path]`` is a function of the request's handler that answers it."""

    def __init__(self):
        self.routes = {}
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("Range")))
                outer.routes.get(self.path, refuse(404))(self)

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()

    def urls(self, *paths):
        return [self.base + path for path in paths]


def give(data, *, ranges=True, cut=None, length=True, content_range=None):
    """Answer with ``data``: by the range that is asked for unless ``ranges`` is false, at most ``cut`` bytes of what is promised."""

    def answer(handler):
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        if start and start >= len(data):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", content_range or f"bytes {start}-{len(data) - 1}/{len(data)}")
        if length:
            handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:][:cut])

    return answer


def refuse(status):
    return lambda handler: handler.send_error(status)


CONTENTS = np.random.default_rng(0).integers(256, size=100_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENTS).hexdigest()
ZIPPED = gzip.compress(CONTENTS, 9, mtime=0)
ZIPPED_ELSEWHERE = gzip.compress(CONTENTS, 0, mtime=1)  # the same contents in other bytes
OTHER = gzip.compress(b"other contents", mtime=0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("MINIGRAD_MIRROR", raising=False)
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "file.gz"


def part(target):
    return target.with_name(target.name + ".part")


def check_arrived(target, data=ZIPPED):
    assert target.read_bytes() == data
    assert [p.name for p in target.parent.iterdir()] == [target.name], "nothing is left beside the file"


def check_absent(target):
    assert not target.exists(), "a broken download must not be taken for data"


def test_fetch(server, target):
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    check_arrived(target)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert server.requests == [("/a", None)], "a good file is not downloaded again"


def test_fetch_what_is_not_zipped_and_has_no_length(server, target):
    server.routes["/a"] = give(CONTENTS, length=False)
    dl.fetch(server.urls("/a"), target, SHA256)
    check_arrived(target, CONTENTS)


def test_fetch_replaces_a_damaged_file(server, target):
    target.write_bytes(ZIPPED[:-9])
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    check_arrived(target)


def test_fetch_keeps_a_damaged_file_until_there_is_a_better_one(server, target):
    target.write_bytes(b"damaged")
    with pytest.raises(dl.DownloadError):
        dl.fetch(server.urls("/missing"), target, SHA256)
    assert target.read_bytes() == b"damaged"


def test_truncated_transfer_is_resumed(server, target):
    server.routes["/a"] = give(ZIPPED, cut=40_000)
    dl.fetch(server.urls("/a"), target, SHA256)
    check_arrived(target)
    assert server.requests == [("/a", None), ("/a", "bytes=40000-"), ("/a", "bytes=80000-")]


def test_truncated_transfer_is_resumed_at_the_next_mirror(server, target):
    replies = [give(ZIPPED, cut=30_000), refuse(500)]
    server.routes["/a"] = lambda handler: replies.pop(0)(handler)
    server.routes["/b"] = give(ZIPPED)
    dl.fetch(server.urls("/a", "/b"), target, SHA256)
    check_arrived(target)
    assert server.requests == [("/a", None), ("/a", "bytes=30000-"), ("/b", "bytes=30000-")]


def test_truncated_everywhere(server, target):
    server.routes["/a"] = server.routes["/b"] = give(ZIPPED, ranges=False, cut=5_000)
    with pytest.raises(dl.DownloadError, match=f"closed after 5000 of {len(ZIPPED)} bytes") as caught:
        dl.fetch(server.urls("/a", "/b"), target, SHA256)
    assert isinstance(caught.value, OSError)
    for url in server.urls("/a", "/b"):
        assert url in str(caught.value)
    check_absent(target)
    assert part(target).read_bytes() == ZIPPED[:5_000], "kept for a later resume"
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert server.requests[-1] == ("/a", "bytes=5000-")
    check_arrived(target)


def test_truncated_without_a_length(server, target):
    """Then only the contents tell."""
    server.routes["/a"] = give(ZIPPED, length=False, cut=5_000)
    with pytest.raises(dl.DownloadError, match="unreadable gzip of 5000 bytes"):
        dl.fetch(server.urls("/a"), target, SHA256)
    check_absent(target)


def test_a_mirror_that_trickles_is_given_up(server, target):
    server.routes["/a"] = give(ZIPPED, cut=1)
    with pytest.raises(dl.DownloadError):
        dl.fetch(server.urls("/a"), target, SHA256)
    assert len(server.requests) == dl.TRIES


def test_server_without_ranges_starts_afresh(server, target):
    part(target).write_bytes(ZIPPED[:50_000])
    server.routes["/a"] = give(ZIPPED, ranges=False)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert server.requests == [("/a", "bytes=50000-")]
    check_arrived(target)


def test_mirrors_that_zipped_differently(server, target):
    """The beginning from one and the rest from the other do not fit: the second delivers all of it."""
    part(target).write_bytes(ZIPPED_ELSEWHERE[:50_000])
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert server.requests == [("/a", "bytes=50000-"), ("/a", None)]
    check_arrived(target)


@pytest.mark.parametrize("beginning", [ZIPPED, ZIPPED + b"too long", b"x" * (len(ZIPPED) + 5)])
def test_nothing_left_to_resume(server, target, beginning):
    """The server answers 416: the part is whole, or it is wrong."""
    part(target).write_bytes(beginning)
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    check_arrived(target)
    assert len(server.requests) == (1 if beginning == ZIPPED else 2)


def test_a_wrong_range_is_refused(server, target):
    part(target).write_bytes(ZIPPED[:50_000])
    server.routes["/a"] = give(ZIPPED, content_range="bytes 0-1/2")
    server.routes["/b"] = give(ZIPPED)
    dl.fetch(server.urls("/a", "/b"), target, SHA256)
    check_arrived(target)
    assert server.requests == [("/a", "bytes=50000-"), ("/b", "bytes=50000-")]


def test_wrong_contents(server, target):
    server.routes["/a"] = give(OTHER)
    server.routes["/b"] = give(b"<html>please log in</html>")
    with pytest.raises(dl.DownloadError) as caught:
        dl.fetch(server.urls("/a", "/b"), target, SHA256)
    assert str(caught.value).count(f"expected {SHA256}") == 2
    assert len(server.requests) == 2, "a whole transfer with wrong contents is not repeated"
    check_absent(target)
    assert not part(target).exists(), "nothing to resume"
    server.routes["/c"] = give(ZIPPED)
    dl.fetch(server.urls("/a", "/b", "/c"), target, SHA256)
    check_arrived(target)


def test_mirrors_that_do_not_answer(server, target):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/a"
        urls = [dead, "no address at all", *server.urls("/missing")]
        with pytest.raises(dl.DownloadError) as caught:
            dl.fetch(urls, target, SHA256)
        lines = str(caught.value).splitlines()
        assert lines[0] == "file.gz could not be downloaded:"
        for line, url, said in zip(lines[1:], urls, ["refused", "unknown url type", "404"], strict=True):
            assert line.startswith(f"  {url}: ")
            assert said in line
        check_absent(target)
        server.routes["/a"] = give(ZIPPED)
        dl.fetch([*urls, *server.urls("/a")], target, SHA256)
    check_arrived(target)


def test_a_silent_mirror_is_given_up(server, target):
    done = threading.Event()
    server.routes["/a"] = lambda handler: done.wait(10)
    start = time.monotonic()
    server.routes["/b"] = give(ZIPPED)
    try:
        dl.fetch(server.urls("/a", "/b"), target, SHA256, timeout=0.1)
    finally:
        done.set()
    assert time.monotonic() - start < 9
    check_arrived(target)


def test_no_mirror(target):
    with pytest.raises(dl.DownloadError, match="no mirror was given"):
        dl.fetch([], target, SHA256)


def test_interruption(server, target, monkeypatch):
    """Ctrl-C in the middle leaves a part, which the next run completes."""

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return False

        def update(self, n):
            raise KeyboardInterrupt

    server.routes["/a"] = give(ZIPPED)
    with monkeypatch.context() as patch:
        patch.setattr(dl, "_progress_bar", lambda *args, **kwargs: Bar())
        with pytest.raises(KeyboardInterrupt):
            dl.fetch(server.urls("/a"), target, SHA256)
    check_absent(target)
    assert 0 < part(target).stat().st_size < len(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert server.requests[-1][1] is not None, "resumed"
    check_arrived(target)


@pytest.mark.skipif(sys.platform == "win32", reason="locks folders")
def test_two_at_once(server, target):
    """The second waits for the first and finds the file."""
    errors = []

    def slow(handler):
        if len(server.requests) == 1:
            second.start()
            second.join(0.3)  # time enough for a request of its own, were it not made to wait
        give(ZIPPED)(handler)

    def run():
        try:
            dl.fetch(server.urls("/a"), target, SHA256)
        except Exception as error:
            errors.append(error)

    server.routes["/a"] = slow
    first, second = threading.Thread(target=run), threading.Thread(target=run)
    first.start()
    first.join(10)
    second.join(10)
    assert not first.is_alive() and not second.is_alive()
    assert not errors
    assert server.requests == [("/a", None)]
    check_arrived(target)


def test_progress_bar(server, target, monkeypatch, capsys):
    tqdm = pytest.importorskip("tqdm.auto")
    seen = []

    class Bar(tqdm.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "disable": False})

        def close(self):
            seen.append((self.n, self.initial, self.total, self.desc))
            super().close()

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    part(target).write_bytes(ZIPPED[:50_000])
    server.routes["/a"] = give(ZIPPED)
    dl.fetch(server.urls("/a"), target, SHA256)
    assert seen[0] == (len(ZIPPED), 50_000, len(ZIPPED), "file.gz")
    monkeypatch.undo()
    target.unlink()
    capsys.readouterr()
    monkeypatch.setenv("no_proxy", "*")
    dl.fetch(server.urls("/a"), target, SHA256)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    target.unlink()
    dl.fetch(server.urls("/a"), target, SHA256)
    assert capsys.readouterr().err == "", "no bar without a terminal, and none without tqdm"
    check_arrived(target)


@pytest.fixture
def served(server, tmp_path, monkeypatch):
    """A server with two small data sets, /mnist and /fashion-mnist, which are made the real ones."""
    for seed, dataset in enumerate((MNIST, FashionMNIST)):
        fake_mnist(tmp_path / dataset.name, seed=seed)
        for stem in FILES:
            zipped = (tmp_path / dataset.name / f"{stem}.gz").read_bytes()
            server.routes[f"/{dataset.name}/{stem}.gz"] = give(zipped)
            monkeypatch.setitem(dataset.sha256, stem, hashlib.sha256(gzip.decompress(zipped)).hexdigest())
        monkeypatch.setattr(dataset, "mirrors", (f"{server.base}/{dataset.name}/",))
    return server


@pytest.mark.parametrize("dataset", [MNIST, FashionMNIST])
def test_download_a_dataset(served, tmp_path, dataset):
    data = dataset(tmp_path / "new" / "root", train=False, download=True)
    assert len(data) == 12
    assert sorted(p.name for p in (tmp_path / "new" / "root" / dataset.folder / "raw").iterdir()) == sorted(f"{s}.gz" for s in FILES)
    assert len(served.requests) == 4
    assert len(dataset(tmp_path / "new" / "root", download=True)) == 24
    assert dataset.download(tmp_path / "new" / "root") == tmp_path / "new" / "root" / dataset.folder / "raw"
    assert len(served.requests) == 4, "what is there is not downloaded again"


def test_download_from_other_mirrors(served, tmp_path, monkeypatch):
    monkeypatch.setattr(MNIST, "mirrors", ())
    with pytest.raises(dl.DownloadError, match="no mirror"):
        MNIST.download(tmp_path)
    MNIST.download(tmp_path / "argument", mirrors=[f"{served.base}/wrong", f"{served.base}/mnist"])
    assert served.requests[0][0] == "/wrong/train-images-idx3-ubyte.gz"
    monkeypatch.setenv("MINIGRAD_MIRROR", f"{served.base}/wrong {served.base}/mnist/")
    assert len(MNIST(tmp_path / "environment", download=True)) == 24
    served.requests.clear()
    MNIST.download(tmp_path / "both", mirrors=f"{served.base}/mnist")
    assert len(served.requests) == 4, "the argument comes before the environment"
    MNIST.download(tmp_path / "folder", mirrors=(tmp_path / "mnist").as_uri())
    assert len(MNIST(tmp_path / "folder")) == 24


def test_download_errors(served, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        command.main([str(tmp_path), "cifar"])
    assert "choose from" in capsys.readouterr().err
    monkeypatch.setenv("MINIGRAD_MIRROR", f"{served.base}/wrong")
    with pytest.raises(dl.DownloadError, match="404"):
        MNIST(tmp_path / "none", download=True)
    assert command.main([str(tmp_path / "none")]) == 1
    assert "train-images-idx3-ubyte.gz could not be downloaded" in capsys.readouterr().err
    monkeypatch.delenv("MINIGRAD_MIRROR")
    assert command.main([str(tmp_path / "some"), "fashion-mnist"]) == 0
    assert Path(capsys.readouterr().out.strip()) == tmp_path / "some" / "FashionMNIST" / "raw"


# ---------------------------------------------------------------------------------------------------- transforms


def test_normalize():
    x = np.random.default_rng(0).random((4, 3, 5, 6), dtype=np.float32)
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    out = Normalize(mean, std)(x)
    assert out.dtype == np.float32
    expected = (x - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
    assert_array_equal(Normalize(mean, std)(x[1]), out[1])
    assert_allclose(Normalize(0.5, 0.25)(x), (x - 0.5) * 4, rtol=1e-6)
    with pytest.raises(ValueError, match="std must be above 0"):
        Normalize(0.0, 0.0)
    with pytest.raises(mg.ShapeError, match="2 channels are described"):
        Normalize([0, 0], 1.0)(x)
    with pytest.raises(mg.ShapeError, match=r"\(28, 28\)"):
        Normalize(0, 1)(np.zeros((28, 28)))
    with pytest.raises(TypeError, match="array"):
        Normalize(0, 1)([1.0])


def test_compose():
    assert Compose([Normalize(0, 1), RandomAffine(5)]).batched
    assert not Compose([Normalize(0, 1), np.abs]).batched
    assert_array_equal(Compose([np.negative, Normalize(1.0, 2.0)])(np.ones((1, 1, 1))), [[[-1.0]]])


def slow_affine(images, degrees, translate, scale, rng):
    """The transform, pixel by pixel, with the same draws."""
    n, _, h, w = images.shape
    angle = np.deg2rad(rng.uniform(*degrees, size=n))
    dx, dy = rng.uniform(-translate[0], translate[0], size=n) * w, rng.uniform(-translate[1], translate[1], size=n) * h
    factor = rng.uniform(*scale, size=n)
    out = np.zeros(images.shape)
    for k, i, j in np.ndindex(n, h, w):
        forward = factor[k] * np.array([[np.cos(angle[k]), -np.sin(angle[k])], [np.sin(angle[k]), np.cos(angle[k])]])
        centre = np.array([(w - 1) / 2, (h - 1) / 2])
        x, y = np.linalg.solve(forward, np.array([j, i]) - centre - [dx[k], dy[k]]) + centre
        for row in (int(np.floor(y)), int(np.floor(y)) + 1):
            for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                if 0 <= row < h and 0 <= column < w:
                    out[k, :, i, j] += images[k, :, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return out


@pytest.mark.parametrize("degrees", [(0.0, 0.0), (-180.0, 180.0)])
@pytest.mark.parametrize("translate", [(0.0, 0.0), (0.3, 0.1), (1.0, 1.0)])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.3, 3.0)])
def test_random_affine_agrees_with_a_slow_one(degrees, translate, scale):
    images = np.random.default_rng(1).random((4, 2, 6, 5))
    out = RandomAffine(degrees, translate, scale, generator=seeded(7))(images)
    assert_allclose(out, slow_affine(images, degrees, translate, scale, seeded(7).numpy), atol=1e-9)


@pytest.mark.parametrize("size", [4, 5])
def test_random_affine_by_right_angles(size):
    image = np.random.default_rng(0).random((3, size, size), dtype=np.float32)
    assert_array_equal(RandomAffine(0)(image), image)
    assert_allclose(RandomAffine((90, 90))(image), np.rot90(image, -1, axes=(1, 2)), atol=1e-5)  # clockwise
    assert_allclose(RandomAffine((180, 180))(image), image[:, ::-1, ::-1], atol=1e-5)


def test_random_affine_draws_for_each_image():
    images = np.tile(np.random.default_rng(0).random((1, 1, 8, 8), dtype=np.float32), (5, 1, 1, 1))
    transform = RandomAffine(30, (0.1, 0.1), (0.9, 1.1), generator=seeded())
    first, second = transform(images), transform(images)
    assert first.dtype == np.float32 and first.shape == images.shape
    assert len({image.tobytes() for image in [*first, *second]}) == 10
    assert_array_equal(RandomAffine(30, (0.1, 0.1), (0.9, 1.1), generator=seeded())(images), first)
    mg.manual_seed(3)
    a = RandomAffine(30)(images)
    mg.manual_seed(3)
    assert_array_equal(RandomAffine(30)(images), a)
    assert RandomAffine(30)(images[:0]).shape == (0, 1, 8, 8)


@pytest.mark.parametrize(
    "arguments", [(-1,), ((5, -5),), (0, (0.1, 2.0)), (0, (0.1,)), (0, None, (0, 1)), (0, None, (2, 1)), ((1, 2, 3),), (0, (-0.1, 0))]
)
def test_random_affine_refuses(arguments):
    with pytest.raises(ValueError, match=r"^RandomAffine: "):
        RandomAffine(*arguments)


def test_random_affine_wants_floats():
    with pytest.raises(TypeError, match="uint8"):
        RandomAffine(5)(np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(mg.ShapeError, match=r"\(N, C, H, W\)"):
        RandomAffine(5)(np.zeros((2, 2)))


@pytest.mark.parametrize(
    "batch",
    [[1.0, None], [1.0, "2"], [1, "a"], [mg.ones(1), 1], [[1], 2], [(1, 2), None], [{"a": 1}, 3]],
    ids=["none", "text", "int", "tensor", "list", "tuple", "mapping"],
)
def test_a_sample_of_another_type_is_refused_and_not_read_as_a_number(batch):
    """A missing label became NaN, and a text its number."""
    with pytest.raises(TypeError, match=r"default_collate: samples of one batch need the same type, but .* sample 1 is "):
        default_collate(batch)
