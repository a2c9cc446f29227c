"""Recurrent layers and packed sequences: compared with their cells, with each other, and with PyTorch."""

import copy
import inspect
import itertools
import pickle
import re

import numpy as np
import pytest
from answers import torch

import minigrad as mg
from minigrad import nn
from minigrad.nn.utils import rnn
from minigrad.testing import gradcheck

RTOL, ATOL = 1e-7, 1e-10
LENGTHS = [2, 5, 1, 5]
KINDS = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("LSTM", {"proj_size": 2}), ("GRU", {})]


def states_of(kind, layer, batch, rng):
    """Initial states for a layer, as arrays: (h,), or (h, c) for an LSTM."""
    depth = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if kind == "LSTM" else 1]
    return [rng.normal(size=(depth, *batch, size)) for size in sizes]


def flat(result):
    """(output, h_n) or (output, (h_n, c_n)) as one tuple of Tensors; a packed output as its data."""
    output, state = result
    return (
        getattr(output, "data", output) if hasattr(output, "batch_sizes") else output,
        *(state if isinstance(state, tuple) else (state,)),
    )


# --------------------------------------------------------------------------------------------------- on our own


@pytest.mark.parametrize(("kind", "options"), [k for k in KINDS if "proj_size" not in k[1]])
def test_layer_is_its_cell_in_a_loop(kind, options):
    rng = np.random.default_rng(0)
    layer = getattr(nn, kind)(3, 4, dtype=mg.float64, **options)
    cell = getattr(nn, kind + "Cell")(3, 4, dtype=mg.float64, **options)
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = mg.tensor(rng.normal(size=(6, 2, 3)))
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    output, last = layer(x)
    np.testing.assert_allclose(output.detach().numpy(), mg.stack(outputs).detach().numpy(), rtol=1e-12)
    for a, b in zip(last if kind == "LSTM" else (last,), state if kind == "LSTM" else (state,), strict=True):
        np.testing.assert_allclose(a[0].detach().numpy(), b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_is_each_sequence_alone(kind, options, enforce_sorted):
    """A packed batch gives what each of its sequences gives on its own, in both directions."""
    rng = np.random.default_rng(1)
    layer = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True, dtype=mg.float64, **options)
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    sequences = [mg.tensor(rng.normal(size=(n, 3))) for n in lengths]
    states = [mg.tensor(a) for a in states_of(kind, layer, (len(lengths),), rng)]
    packed, *last = flat(layer(rnn.pack_sequence(sequences, enforce_sorted), tuple(states) if kind == "LSTM" else states[0]))
    pack = rnn.pack_sequence(sequences, enforce_sorted)
    outputs = rnn.unpack_sequence(rnn.PackedSequence(packed, *pack[1:]))
    for i, sequence in enumerate(sequences):
        own = [s[:, i] for s in states]
        output, *end = flat(layer(sequence, tuple(own) if kind == "LSTM" else own[0]))
        np.testing.assert_allclose(outputs[i].detach().numpy(), output.detach().numpy(), rtol=1e-12, atol=1e-15)
        for a, b in zip(last, end, strict=True):
            np.testing.assert_allclose(a[:, i].detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_gradients_and_second_order(kind, options):
    rng = np.random.default_rng(2)
    layer = getattr(nn, kind)(2, 3, bidirectional=True, dtype=mg.float64, **options)
    x = mg.tensor(rng.normal(size=(3, 2, 2)), requires_grad=True)
    gradcheck(lambda x: layer(x)[0], x)
    (g,) = mg.grad((layer(x)[0] ** 2).sum(), x, create_graph=True)
    (second,) = mg.grad((g * g).sum(), x)
    step = 1e-5 * rng.normal(size=x.shape)

    def size(a):
        a = mg.tensor(a, requires_grad=True)
        (g,) = mg.grad((layer(a)[0] ** 2).sum(), a)
        return (g * g).sum().item()

    difference = size(x.detach().numpy() + step) - size(x.detach().numpy() - step)
    assert difference == pytest.approx(2 * (second.numpy() * step).sum(), rel=1e-4)


def test_dropout_is_between_layers_in_training_only():
    mg.manual_seed(0)
    layer = nn.GRU(4, 50, num_layers=2, dropout=0.5)
    x = mg.randn(6, 3, 4)
    assert not mg.allclose(layer(x)[0], layer(x)[0])
    with pytest.warns(UserWarning, match="GRU: dropout comes between layers, and there is one layer"):
        single = nn.GRU(4, 50, dropout=0.5)
    assert mg.allclose(single(x)[0], single(x)[0])
    layer.eval()
    assert mg.allclose(layer(x)[0], layer(x)[0])
    everything = nn.GRU(4, 50, num_layers=2, dropout=1.0)
    bottom = everything(mg.zeros(6, 3, 4), None)[0]
    assert mg.allclose(everything(x)[0], bottom)  # the second layer sees zeros, whatever the input


def test_copies_and_pickles():
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    x = mg.randn(5, 2, 3)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert mg.equal(other(x)[0], layer(x)[0])
        assert repr(other) == "LSTM(3, 4, proj_size=2, num_layers=2, bidirectional=True)"
    assert [len(ws) for ws in layer.all_weights] == [5] * 4
    assert layer.all_weights[3][4] is layer.weight_hr_l1_reverse
    assert layer._all_weights[3] == [f"{part}_l1_reverse" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")]
    assert nn.GRU(3, 4, bias=False)._all_weights == [["weight_ih_l0", "weight_hh_l0"]]
    normed = nn.utils.parametrizations.weight_norm(nn.GRU(3, 4, bias=False), "weight_hh_l0")
    assert mg.equal(normed.all_weights[0][1], normed.weight_hh_l0)  # computed, so no parameter of this name
    layer.flatten_parameters()
    assert layer.double()(x.double())[0].dtype == mg.float64


def test_other_weights_for_one_call():
    layer = nn.RNN(3, 4)
    zeros = {name: mg.zeros(*p.shape) for name, p in layer.named_parameters()}
    assert not nn.utils.functional_call(layer, zeros, mg.ones(2, 1, 3))[0].any()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_wrong_shapes(kind):
    layer = getattr(nn, kind)(3, 4, num_layers=2, bidirectional=True)
    state = (lambda *sizes: (mg.ones(*sizes),) * 2) if kind == "LSTM" else mg.ones
    with pytest.raises(mg.ShapeError, match=rf"{kind}: input must be \(T, N, 3\), or \(T, 3\) without a batch, but is \(5, 2, 4\)"):
        layer(mg.ones(5, 2, 4))
    with pytest.raises(mg.ShapeError, match=rf"{kind}: input must be \(N, T, 3\)"):
        getattr(nn, kind)(3, 4, batch_first=True)(mg.ones(3))
    with pytest.raises(
        mg.ShapeError, match=rf"{kind}: h_0 must be \(layers \* directions, batch, size\) = \(4, 2, 4\), but is \(2, 2, 4\)"
    ):
        layer(mg.ones(5, 2, 3), state(2, 2, 4))
    with pytest.raises(mg.ShapeError, match=rf"{kind}: h_0 must be \(layers \* directions, size\) = \(4, 4\), but is \(4, 1, 4\)"):
        layer(mg.ones(5, 3), state(4, 1, 4))
    with pytest.raises(mg.ShapeError, match="a sequence needs at least one step"):
        layer(mg.ones(0, 2, 3))
    with pytest.raises(mg.ShapeError, match=rf"{kind}: the data of a packed input must be \(steps, 3\), but is \(3, 4\)"):
        layer(rnn.pack_sequence([mg.ones(2, 4), mg.ones(1, 4)]))
    with pytest.raises(mg.ShapeError, match=r"= \(4, 2, 4\), but is \(4, 3, 4\)"):
        layer(rnn.pack_sequence([mg.ones(2, 3), mg.ones(1, 3)]), state(4, 3, 4))
    with pytest.raises(TypeError, match="h_0"):
        layer(mg.ones(5, 2, 3), mg.ones(4, 2, 4) if kind == "LSTM" else (mg.ones(4, 2, 4),) * 2)
    assert layer(mg.ones(5, 0, 3))[0].shape == (5, 0, 8)


def test_wrong_cell_state():
    with pytest.raises(mg.ShapeError, match=r"LSTM: c_0 must be .* = \(1, 2, 4\), but is \(1, 2, 3\)"):
        nn.LSTM(3, 4, proj_size=3)(mg.ones(5, 2, 3), (mg.ones(1, 2, 3), mg.ones(1, 2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), "nonlinearity must be 'tanh' or 'relu', but is 'sin'"),
        (lambda: nn.RNNBase("LTSM", 3, 4), "mode must be one of RNN_TANH, RNN_RELU, LSTM, GRU, not 'LTSM'"),
        (lambda: nn.RNNBase("GRU", 3, 4, proj_size=2), "proj_size is for LSTM only"),
        (lambda: nn.LSTM(3, 4, proj_size=4), r"proj_size must be 0 or smaller than hidden_size \(4\), but is 4"),
        (lambda: nn.LSTM(3, 0), "LSTM: hidden_size must be 1 or above, but is 0"),
        (lambda: nn.GRU(3, 4, num_layers=0), "GRU: num_layers must be 1 or above, but is 0"),
        (lambda: nn.GRU(3, 4, 2, dropout=1.5), "GRU: dropout must be from 0 to 1, but is 1.5"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_size_in_the_place_of_a_flag():
    with pytest.raises(TypeError, match="GRU: bias must be True or False, not 5"):
        nn.GRU(3, 4, 1, 5)


def test_packing_there_and_back():
    rng = np.random.default_rng(3)
    x = mg.tensor(rng.normal(size=(4, 6, 2)), requires_grad=True)  # one step more than the longest has
    packed = rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [4, 3, 2, 2, 2]
    padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=7.0, total_length=8)
    assert lengths.tolist() == LENGTHS
    expected = np.full((4, 8, 2), 7.0)
    for i, n in enumerate(LENGTHS):
        expected[i, :n] = x.detach().numpy()[i, :n]
    np.testing.assert_array_equal(padded.detach().numpy(), expected)
    weight = rng.normal(size=padded.shape)
    (padded * mg.tensor(weight)).sum().backward()
    present = np.arange(6) < np.array(LENGTHS)[:, None]
    np.testing.assert_allclose(x.grad.numpy(), weight[:, :6] * present[..., None])


def test_sequences_of_any_dtype():
    sequences = [mg.tensor([3, 1]), mg.tensor([1, 2, 4])]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    assert packed.data.dtype == mg.int64 and packed.double().data.dtype == mg.float64 and packed.long() is packed
    assert [s.tolist() for s in rnn.unpack_sequence(packed)] == [[3, 1], [1, 2, 4]]
    assert rnn.pad_sequence(sequences, padding_value=9, padding_side="left").T.tolist() == [[9, 3, 1], [1, 2, 4]]
    assert copy.deepcopy(packed).batch_sizes.tolist() == packed.batch_sizes.tolist()
    assert pickle.loads(pickle.dumps(packed)).unsorted_indices.tolist() == [1, 0]
    assert rnn.PackedSequence((packed.data, packed.batch_sizes)).sorted_indices is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 2), [2, 3]), ValueError, "lengths must not increase, but are [2, 3]; enforce_sorted"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 2), [2, 0]), ValueError, "lengths must be at least 1, but length 1 is 0"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 2), [5, 1]), mg.ShapeError, "length 0 is 5, but the sequences have 4 steps"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 2), [3]), mg.ShapeError, "a batch of 2 sequences needs 2 lengths"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 2), [3.0, 1.0]), TypeError, "lengths must be integers"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4), [3]), mg.ShapeError, "input must be (T, N, ...), not of shape (4,)"),
        (lambda: rnn.pack_padded_sequence(mg.ones(4, 0), []), mg.ShapeError, "an empty batch cannot be packed (input (4, 0))"),
        (lambda: rnn.pad_sequence([]), ValueError, "the list is empty"),
        (lambda: rnn.pad_sequence(3), TypeError, "sequences must be an iterable, but is 3"),
        (lambda: rnn.pad_sequence([mg.ones(2)], padding_side="up"), ValueError, "padding_side must be one of 'right', 'left', but is 'up'"),
        (
            lambda: rnn.pad_sequence([mg.ones(2, 3), mg.ones(2, 4)]),
            mg.ShapeError,
            "sequence 1 has shape (2, 4), but the first is (length, 3)",
        ),
        (
            lambda: rnn.pad_packed_sequence(rnn.pack_sequence([mg.ones(3)]), total_length=2),
            ValueError,
            "total_length is 2, but the longest sequence has 3 steps",
        ),
        (lambda: rnn.PackedSequence(mg.ones(2)), TypeError, "give data and batch_sizes"),
    ],
)
def test_wrong_sequences(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_a_hook_sees_packed_outputs():
    layer = nn.GRU(3, 4)
    seen = []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output))
    y, h = layer(mg.ones(2, 1, 3))
    (y.sum() + h.sum()).backward()
    assert [g.shape for g in seen[0]] == [(2, 1, 4), (1, 1, 4)]


def test_a_sequence_can_be_learnt():
    """Which of two symbols came first, five steps ago: the loss falls from log 2 to next to nothing."""
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    layer, head = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 2)
    optimizer = nn.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.05)
    for _ in range(120):
        symbols = rng.integers(0, 2, (32, 5))
        x = mg.tensor(np.eye(2, dtype=np.float32)[symbols])
        loss = nn.functional.cross_entropy(head(layer(x)[1][0][0]), mg.tensor(symbols[:, 0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


# ---------------------------------------------------------------------------------------------- beside PyTorch's


def close(ours, theirs, what=""):
    a, b = ours.detach().numpy(), theirs.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype, f"{what}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
    np.testing.assert_allclose(a, b, rtol=RTOL, atol=ATOL, err_msg=what)


def twins(kind, **options):
    """A layer of ours and one of PyTorch's with the same float64 weights."""
    ours, theirs = getattr(nn, kind)(3, 4, **options).double(), getattr(torch.nn, kind)(3, 4, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "hx"])
@pytest.mark.parametrize("form", ["batch", "batch_first", "unbatched", "packed", "packed_unsorted"])
@pytest.mark.parametrize(("layers", "bidirectional", "bias"), list(itertools.product([1, 3], [False, True], [True, False])))
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_layer(kind, options, layers, bidirectional, bias, form, given):
    """Outputs and last states, and the gradients of input, first states and all weights."""
    rng = np.random.default_rng(4)
    ours, theirs = twins(kind, num_layers=layers, bidirectional=bidirectional, bias=bias, batch_first=form == "batch_first", **options)
    batch = () if form == "unbatched" else (4,)
    shape = (4, 5, 3) if form == "batch_first" else (5, *batch, 3)
    arrays = [rng.normal(size=shape), *(states_of(kind, ours, batch, rng) if given else [])]
    found = []
    for library, layer in ((mg, ours), (torch, theirs)):
        x, *states = leaves = [library.tensor(a, requires_grad=True) for a in arrays]
        if form.startswith("packed"):
            lengths = sorted(LENGTHS, reverse=True) if form == "packed" else LENGTHS
            x = (rnn if library is mg else torch.nn.utils.rnn).pack_padded_sequence(x, lengths, enforce_sorted=form == "packed")
        hx = None if not states else tuple(states) if kind == "LSTM" else states[0]
        results = flat(layer(x, hx))
        loss = 0.0
        for i, r in enumerate(results):
            loss = loss + (r * library.tensor(np.random.default_rng(i).normal(size=tuple(r.shape)))).sum() + (r**2).sum()
        loss.backward()
        found.append([*results, *[leaf.grad for leaf in leaves], *[p.grad for p in layer.parameters()]])
    assert len(found[0]) == len(found[1])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        close(a, b, f"result {i}")


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)])
def test_packing(batch_first, trailing):
    rng = np.random.default_rng(5)
    theirs = torch.nn.utils.rnn
    array = rng.normal(size=((4, 5) if batch_first else (5, 4)) + trailing)
    x, y = mg.tensor(array), torch.tensor(array)
    for lengths, enforce in ((LENGTHS, False), ([4, 4, 2, 1], True)):
        a = rnn.pack_padded_sequence(x, mg.tensor(lengths), batch_first, enforce)
        b = theirs.pack_padded_sequence(y, torch.tensor(lengths), batch_first, enforce)
        for ours, other in zip(a, b, strict=True):
            assert (ours is None) == (other is None)
            if ours is not None:
                close(ours, other)
        for back, total in itertools.product((True, False), (None, 7)):
            for p, q in zip(rnn.pad_packed_sequence(a, back, -1.5, total), theirs.pad_packed_sequence(b, back, -1.5, total), strict=True):
                close(p, q)
        for p, q in zip(rnn.unpack_sequence(a), theirs.unpack_sequence(b), strict=True):
            close(p, q)
    sequences = [rng.normal(size=(n, *trailing)) for n in LENGTHS]
    for side in ("left", "right"):
        close(
            rnn.pad_sequence([mg.tensor(s) for s in sequences], batch_first, 0.5, side),
            theirs.pad_sequence([torch.tensor(s) for s in sequences], batch_first, 0.5, side),
        )
    close(rnn.invert_permutation(mg.tensor([2, 0, 3, 1])), theirs.invert_permutation(torch.tensor([2, 0, 3, 1])))


def test_arguments():
    """The same arguments in the same places. PyTorch hides those of the layers behind *args: they are in the docstrings' overloads."""
    theirs = torch.nn.utils.rnn
    for name in rnn.__all__:
        if name != "PackedSequence":
            a, b = inspect.signature(getattr(rnn, name)).parameters, inspect.signature(getattr(theirs, name)).parameters
            assert [(p.name, p.default) for p in a.values()] == [(p.name, p.default) for p in b.values()], name
    assert set(rnn.__all__) == set(theirs.__all__)
    a, b = inspect.signature(nn.RNNBase).parameters, inspect.signature(torch.nn.RNNBase).parameters
    assert [(p.name, p.default) for p in a.values()] == [(p.name, p.default) for p in b.values()]
    for make in (lambda n: n.RNN(3, 4, 2, "relu", False, True, 0.5, True), lambda n: n.LSTM(3, 4, 2, False, True, 0.5, True, 2)):
        assert repr(make(nn)) == repr(make(torch.nn))


def test_initial_weights():
    """As widely spread as PyTorch's: uniform on ±1/sqrt(hidden)."""
    mg.manual_seed(0)
    for (name, ours), theirs in zip(nn.GRU(64, 256).named_parameters(), torch.nn.GRU(64, 256).parameters(), strict=True):
        assert abs(ours.detach().numpy()).max() <= 1 / 16, name
        assert ours.detach().numpy().std() == pytest.approx(theirs.std().item(), rel=0.1)
