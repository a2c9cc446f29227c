"""New tensors: values, dtypes and errors are PyTorch's; random ones follow the seed and their distribution."""

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad.random import Generator

# Written once, run with both libraries.
SAME = [
    "lib.zeros(2, 3)", "lib.zeros((2, 3))", "lib.zeros([2, 3])", "lib.zeros(size=(2,))", "lib.zeros(())", "lib.zeros(0, 3)",
    "lib.zeros(2, dtype=lib.int64)", "lib.ones(2, 3, dtype=lib.float64)", "lib.ones(2, dtype=lib.bool)", "lib.ones(1, requires_grad=True)",
    "lib.full((2,), 3)", "lib.full((2,), 3.5)", "lib.full((2,), True)", "lib.full((), 1.5)", "lib.full((2,), 3, dtype=lib.float32)",
    "lib.full(size=(2, 1), fill_value=0.5)",
    "lib.eye(3)", "lib.eye(2, 3)", "lib.eye(3, 2, dtype=lib.int64)", "lib.eye(0)",
    "lib.arange(5)", "lib.arange(1, 5)", "lib.arange(1, 10, 3)", "lib.arange(5, 0, -2)", "lib.arange(0)", "lib.arange(2.5)", "lib.arange(0, 1, 0.1)",
    "lib.arange(1.0, 0, -0.25)", "lib.arange(3, dtype=lib.float32)", "lib.arange(0, 3, dtype=lib.float64)", "lib.arange(3, 3)",
    "lib.arange(lib.tensor(3))", "lib.arange(0, 2, 0.3, dtype=lib.float64)", "lib.arange(2.0, requires_grad=True)",
    "lib.linspace(0, 1, 5)", "lib.linspace(-3, 10, 4)", "lib.linspace(2, 2, 1)", "lib.linspace(0, 1, 0)", "lib.linspace(0, 10, 5, dtype=lib.int64)",
    "lib.linspace(1, 0, 3, dtype=lib.float64)", "lib.logspace(0, 2, 3)", "lib.logspace(0, 4, 5, base=2)",
    "lib.zeros_like(lib.ones(2, 3))", "lib.zeros_like(lib.tensor([1, 2]))", "lib.ones_like(lib.ones(2), dtype=lib.int64)",
    "lib.full_like(lib.ones(2), 7)", "lib.full_like(lib.tensor([1, 2]), 7.9)", "lib.full_like(lib.ones(2), 1, dtype=lib.bool)",
    "lib.tril_indices(3, 3)", "lib.tril_indices(2, 4, 1)", "lib.triu_indices(3, 2)", "lib.triu_indices(4, 4, -1)",
    "lib.ones(2, dtype=lib.float64).new_zeros(3)", "lib.ones(2).new_ones((2, 2))", "lib.ones(2, dtype=lib.int64).new_full((2,), 3)",
    "lib.ones(2).new_full((2,), 3, dtype=lib.int64)", "lib.tensor([1, 2]).new_tensor([3.0, 4.0])", "lib.ones(2).new_zeros(1, requires_grad=True)",
]  # fmt: skip


@pytest.mark.parametrize("code", SAME)
def test_same_as_torch(code):
    ours, theirs = eval(code, {"lib": mg}), eval(code, {"lib": torch})
    assert ours.shape == tuple(theirs.shape)
    assert str(ours.dtype).removeprefix("torch.") == str(theirs.dtype).removeprefix("torch.")
    assert ours.requires_grad == theirs.requires_grad
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"])
def test_dtype_names(name):
    assert getattr(mg, name) == np.dtype(name)
    assert mg.zeros(1, dtype=getattr(mg, name)).dtype == name
    assert mg.zeros(1, dtype=name).dtype == name


def test_other_names_of_dtypes():
    assert (mg.half, mg.float, mg.double) == (mg.float16, mg.float32, mg.float64)
    assert (mg.short, mg.int, mg.long) == (mg.int16, mg.int32, mg.int64)
    assert mg.zeros(1, dtype=mg.bool).tolist() == [False]
    assert mg.finfo(mg.float32).eps == np.finfo(np.float32).eps
    assert mg.iinfo(mg.int64).max == 2**63 - 1
    assert (mg.pi, mg.inf) == (np.pi, np.inf)
    assert np.isnan(mg.nan)


def test_empty():
    x = mg.empty(2, 3, dtype=mg.float64)
    assert (x.shape, x.dtype) == ((2, 3), mg.float64)
    assert mg.empty_like(x, dtype=mg.int64).dtype == mg.int64
    assert x.new_empty((4,)).shape == (4,)


def test_a_new_tensor_has_memory_of_its_own():
    value = np.ones(2)
    x = mg.full_like(mg.zeros(2, dtype=mg.float64), value)
    value[0] = 7
    assert x.tolist() == [1, 1]


ERRORS = [
    ("mg.zeros(-1)", mg.ShapeError, "zeros: a size cannot be negative"),
    ("mg.zeros(2, size=(2,))", TypeError, "zeros: the size is given twice"),
    ("mg.zeros(2, device='cuda')", ValueError, "there is no device 'cuda'"),
    ("mg.zeros(2.5)", TypeError, "zeros: size must be whole numbers"),
    ("mg.ones(2, dtype=mg.int64, requires_grad=True)", RuntimeError, "only floating tensors"),
    ("mg.arange(0, 5, 0)", ValueError, "step must not be 0"),
    ("mg.arange(0, 5, -1)", ValueError, "step -1 leads away from the end"),
    ("mg.arange(0, float('inf'))", ValueError, "not finite"),
    ("mg.linspace(0, 1, -1)", ValueError, "steps must be 0 or above"),
    ("mg.rand(2, dtype=mg.int64)", TypeError, "rand: a floating dtype"),
    ("mg.randn(2, dtype=mg.int64)", TypeError, "randn: a floating dtype"),
    ("mg.randint(3, 3, (2,))", ValueError, "low must be below high"),
    ("mg.randint(3)", TypeError, "the size is missing"),
    ("mg.normal(0.0, 1.0)", TypeError, "say the size"),
    ("mg.normal(0.0, -1.0, (2,))", ValueError, "std must not be negative"),
    ("mg.normal(mg.zeros(2), mg.ones(3))", mg.ShapeError, r"normal: mean \(2,\) and std \(3,\) do not broadcast"),
    ("mg.bernoulli(mg.tensor([1.5]))", ValueError, r"must be in \[0, 1\]"),
    ("mg.bernoulli(mg.tensor([float('nan')]))", ValueError, r"must be in \[0, 1\]"),
    ("mg.bernoulli(mg.tensor([1]))", TypeError, "must be floating"),
    ("mg.zeros(2).bernoulli_(2.0)", ValueError, r"must be in \[0, 1\]"),
    ("mg.multinomial(mg.tensor([1.0, -1.0]), 1)", ValueError, "finite and not negative"),
    ("mg.multinomial(mg.tensor([1.0, 0.0]), 2)", ValueError, "a row has 1 positive weights, too few to draw 2"),
    ("mg.multinomial(mg.tensor([0.0, 0.0]), 2, replacement=True)", ValueError, "a row has 0 positive weights"),
    ("mg.multinomial(mg.ones(2, 2, 2), 1)", mg.ShapeError, r"\(n,\) or \(rows, n\)"),
    ("mg.multinomial(mg.ones(2), 0)", ValueError, "num_samples must be 1 or above"),
]


@pytest.mark.parametrize(("code", "error", "message"), ERRORS, ids=[code for code, _, _ in ERRORS])
def test_errors(code, error, message):
    with pytest.raises(error, match=message):
        eval(code, {"mg": mg})


# --------------------------------------------------------------------------------------------------- random

RANDOM = {
    "rand": lambda g: mg.rand(3, 2, generator=g),
    "rand float16": lambda g: mg.rand(3, 2, generator=g, dtype=mg.float16),
    "randn": lambda g: mg.randn((3, 2), generator=g),
    "randn float16": lambda g: mg.randn((3, 2), generator=g, dtype=mg.float16),
    "randint": lambda g: mg.randint(0, 10, (5,), generator=g),
    "randperm": lambda g: mg.randperm(9, generator=g),
    "normal": lambda g: mg.normal(1.0, 2.0, (4,), generator=g),
    "rand_like": lambda g: mg.rand_like(mg.zeros(4), generator=g),
    "randn_like": lambda g: mg.randn_like(mg.zeros(4), generator=g),
    "randint_like": lambda g: mg.randint_like(mg.zeros(4), 9, generator=g),
    "bernoulli": lambda g: mg.bernoulli(mg.full((20,), 0.5), generator=g),
    "multinomial": lambda g: mg.multinomial(mg.ones(9), 4, generator=g),
    "uniform_": lambda g: mg.zeros(3).uniform_(generator=g),
    "normal_": lambda g: mg.zeros(3).normal_(generator=g),
    "bernoulli_": lambda g: mg.zeros(20).bernoulli_(generator=g),
}


@pytest.mark.parametrize("name", RANDOM)
def test_generators(name):
    """A generator's seed decides the numbers; without one the process's does; the two do not disturb each other."""
    draw = RANDOM[name]
    first, again = draw(Generator().manual_seed(3)), draw(Generator().manual_seed(3))
    assert mg.equal(first, again)
    assert not mg.equal(first, draw(Generator().manual_seed(4)))
    mg.manual_seed(3)
    state = mg.get_rng_state()
    draw(Generator().manual_seed(4))
    assert mg.equal(mg.get_rng_state(), state)
    assert mg.equal(draw(None), first)
    assert not mg.equal(draw(None), first)


def test_uniform():
    mg.manual_seed(0)
    for dtype in (mg.float16, mg.float32, mg.float64):
        x = mg.rand(20000, dtype=dtype)
        assert x.dtype == dtype
        values = x.numpy().astype(float)
        assert 0 <= values.min() < 0.001
        assert 0.999 < values.max() < 1
        assert abs(values.mean() - 0.5) < 0.01
        assert abs(values.var() - 1 / 12) < 0.003


def test_gaussian():
    mg.manual_seed(0)
    for dtype in (mg.float16, mg.float32, mg.float64):
        values = mg.randn(20000, dtype=dtype).numpy().astype(float)
        assert abs(values.mean()) < 0.03
        assert abs(values.std() - 1) < 0.02
        assert abs((np.abs(values) < 1).mean() - 0.6827) < 0.015


def test_normal_of_tensors():
    mg.manual_seed(0)
    x = mg.normal(mg.tensor([0.0, 100.0]), mg.tensor([[1.0], [0.0]]))
    assert x.shape == (2, 2)
    assert x[1].tolist() == [0.0, 100.0]
    assert abs(x[0, 1].item() - 100) < 6
    assert mg.normal(mg.zeros(3, dtype=mg.float64)).dtype == mg.float64
    assert mg.normal(0.0, mg.ones(3)).shape == (3,)


def test_randint_covers_its_range():
    mg.manual_seed(0)
    assert set(mg.randint(-2, 3, (500,)).tolist()) == {-2, -1, 0, 1, 2}
    assert set(mg.randint(3, (500,)).tolist()) == {0, 1, 2}
    assert set(mg.randint(3, size=(500,)).tolist()) == {0, 1, 2}
    assert set(mg.randint(high=3, size=(500,)).tolist()) == {0, 1, 2}
    assert set(mg.randint_like(mg.zeros(500), 1, 3).tolist()) == {1.0, 2.0}
    assert mg.randint(3, (2,), dtype=mg.float32).dtype == mg.float32


def test_randperm():
    mg.manual_seed(0)
    x = mg.randperm(100)
    assert x.dtype == mg.int64
    assert sorted(x.tolist()) == list(range(100)) != x.tolist()
    assert mg.randperm(0).shape == (0,)


def test_bernoulli():
    mg.manual_seed(0)
    p = mg.tensor([0.0, 0.2, 1.0]).expand(5000, 3)
    means = mg.bernoulli(p).numpy().mean(axis=0)
    assert means[0] == 0
    assert means[2] == 1
    assert abs(means[1] - 0.2) < 0.02
    assert mg.bernoulli(mg.zeros(2, dtype=mg.float64), 1.0).tolist() == [1, 1]
    assert abs(mg.zeros(5000).bernoulli_(0.3).mean().item() - 0.3) < 0.03


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(replacement):
    mg.manual_seed(0)
    weights = mg.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 2.0]])
    first = np.stack([mg.multinomial(weights, 2, replacement).numpy() for _ in range(2000)])
    assert first.shape == (2000, 2, 2)
    assert first.dtype == np.int64
    assert set(np.unique(first[:, 0])) == {1, 2}
    assert set(np.unique(first[:, 1])) == {0, 3}
    assert abs((first[:, 0, 0] == 2).mean() - 0.75) < 0.04
    repeats = (first[:, :, 0] == first[:, :, 1]).mean(axis=0)
    if replacement:
        np.testing.assert_allclose(repeats, [0.625, 0.5], atol=0.04)
    else:
        assert repeats.tolist() == [0, 0]
    assert mg.multinomial(mg.tensor([1.0]), 3, replacement=True).tolist() == [0, 0, 0]
    assert mg.multinomial(mg.zeros(0, 2), 1).shape == (0, 1)


def test_multinomial_never_draws_a_weight_of_zero():
    """Not even where rounding puts a draw on the very end of the cumulative weights."""

    class Highest(mg.Generator):
        numpy = type("numpy", (), {"random": staticmethod(lambda shape: np.full(shape, 1.0))})

    assert mg.multinomial(mg.tensor([1.0, 2.0, 0.0]), 2, replacement=True, generator=Highest()).tolist() == [1, 1]


def test_about_tensors():
    assert mg.is_tensor(mg.zeros(1))
    assert not mg.is_tensor(np.zeros(1))
    assert mg.is_floating_point(mg.zeros(1))
    assert not mg.is_floating_point(mg.tensor([1]))
    assert mg.numel(mg.zeros(2, 3)) == 6


def test_states_are_tensors_of_bytes(tmp_path):
    """As in PyTorch, so that scripts keep, stack and compare them. A draw of float32 leaves half of 64 bits to the next, which a state keeps."""
    mg.manual_seed(-1)
    generator = Generator().manual_seed(5)
    for half in (1, 0, 1):
        generator.numpy.random(dtype=np.float32)
        assert generator.numpy.bit_generator.state["has_uint32"] == half
        state = generator.get_state()
        assert state.dtype == mg.uint8 and state.ndim == 1
        mg.save({"rng": state, "process": mg.get_rng_state()}, tmp_path / "states")
        loaded = mg.load(tmp_path / "states")
        again = Generator().set_state(loaded["rng"].numpy())
        assert again.initial_seed() == 5 and again.device == "cpu"
        assert mg.equal(again.get_state(), state)
        copies = [again, again.clone_state(), generator.clone_state()]
        draws = [(one.numpy.random(1, dtype=np.float32).tobytes(), one.numpy.random(3).tobytes()) for one in copies]
        assert draws[0] == draws[1] == draws[2]
    expected = mg.randn(3)
    mg.set_rng_state(loaded["process"])
    assert mg.equal(mg.randn(3), expected) and mg.initial_seed() == 2**64 - 1


def test_states_of_old_checkpoints_are_read():
    """They were dictionaries."""
    generator = Generator().manual_seed(7)
    old = {"seed": 7, "bits": generator.numpy.bit_generator.state}
    first = generator.numpy.random(4).tolist()
    assert Generator().set_state(old).numpy.random(4).tolist() == first


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        (None, TypeError, "must be a uint8 Tensor"),
        (mg.zeros(45), TypeError, "must be a uint8 Tensor"),
        (mg.zeros(44, dtype=mg.uint8), RuntimeError, "a state has 45 bytes, and new_state has 44$"),
        (mg.zeros(5056, dtype=mg.uint8), RuntimeError, "PyTorch's generator computes other numbers"),
        (mg.zeros(45, dtype=mg.uint8), RuntimeError, "not what get_rng_state returned"),
    ],
)
def test_what_is_no_state_is_refused(state, error, match):
    with pytest.raises(error, match=match):
        Generator().set_state(state)
